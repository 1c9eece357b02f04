//! Who may do what, by which door: every cell of `matrix/policy.txt` against the running server.

mod founding;
mod locks;
mod policy;
mod request;
mod roster;
mod school;
mod socket;

use serde_json::Value;

use policy::{Channel, Outcome, Row, Rows};
use school::{ACTORS, Actor, School};

/// Fewer cells than this, and a part of the table has gone.
const CELLS: usize = 2100;

/// Operations that the table is ahead of: their rows begin to count with the document that has them.
const AWAITED: &[&str] = &[];
/// What is served and is no operation of the document.
const BESIDE_THE_DOCUMENT: &[&str] =
    &["GET /docs/", "GET /api/v1/openapi.json", "GET /api/v1/asyncapi.json", "GET /api/v1/nothing"];

fn openapi() -> Value {
    serde_json::from_str(&fynq::rest::openapi()).unwrap()
}

/// The rows that this version serves. Everything that it documents must have one.
fn rows() -> Rows {
    let (openapi, asyncapi) = (openapi(), fynq::rest::asyncapi());
    let rows = policy::read();
    let operations = policy::operations(&openapi);
    for operation in &operations {
        let known = rows.iter().any(|row| row.asks(operation));
        assert!(known, "{operation} is documented and has no row in tests/it/matrix/policy.txt");
    }
    for channel in policy::sockets(&asyncapi) {
        let known = rows.iter().any(|row| row.channel == channel);
        assert!(known, "{channel:?} is documented and has no row in tests/it/matrix/policy.txt");
    }
    rows.into_iter().filter(|row| row.is_served(&operations)).collect()
}

/// Every cell; gives what did not hold.
async fn walk(school: &School, rows: &Rows) -> (usize, Vec<String>) {
    let (mut cells, mut broken) = (0, Vec::new());
    for row in rows {
        for actor in ACTORS {
            cells += 1;
            if let Err(what) = one(school, row, actor, row.outcome(actor)).await {
                broken.push(format!("line {}: {actor:?} {row}: {what}", row.line));
            }
            school.tidy().await;
        }
    }
    (cells, broken)
}

async fn one(school: &School, row: &Row, actor: Actor, wanted: &Outcome) -> Result<(), String> {
    let told = cell(school, row, actor, wanted).await;
    // What a session does on top of its answer (a whisper is used up, an act is noted) it writes later: that
    // must not look like the next one's doing.
    let is_done = !wanted.word.starts_with('4');
    if is_done && matches!(row.object.as_str(), "message" | "control" | "hand") {
        school.settled().await;
    }
    told
}

async fn cell(school: &School, row: &Row, actor: Actor, wanted: &Outcome) -> Result<(), String> {
    match &row.channel {
        Channel::Rest(_) | Channel::Sse => request::cell(school, row, actor, wanted).await,
        Channel::Socket | Channel::Ticket => socket::watch(school, row, actor, wanted).await,
        Channel::Command(_) => socket::command(school, row, actor, wanted).await,
        Channel::Roster | Channel::RosterTicket => roster::watch(school, row, actor, wanted).await,
        Channel::RosterCommand(_) => roster::command(school, row, actor, wanted).await,
    }
}

fn told(cells: usize, rows: &Rows, broken: &[String]) {
    println!("{cells} cells in {} rows, {} broken", rows.len(), broken.len());
    assert!(broken.is_empty(), "{} of {cells} cells do not hold:\n{}", broken.len(), broken.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_1900_cells_of_the_policy_hold() {
    let rows = rows();
    let school = School::start().await;
    let (cells, broken) = walk(&school, &rows).await;
    told(cells, &rows, &broken);
    assert!(cells >= CELLS, "{cells}");
}

/// The first lock alone: whatever the policy says holds in the server's own code.
#[tokio::test(flavor = "multi_thread")]
async fn the_policy_holds_without_row_level_security() {
    let rows = rows();
    let school = School::start().await;
    school.app.without_row_level_security().await;
    let (cells, broken) = walk(&school, &rows).await;
    told(cells, &rows, &broken);
}

/// The table itself: no row may speak of what is not there.
#[tokio::test]
async fn every_row_of_the_policy_is_served_or_awaited() {
    let operations = policy::operations(&openapi());
    let commands = policy::sockets(&fynq::rest::asyncapi());
    for row in policy::read() {
        match &row.channel {
            Channel::Command(_) => assert!(commands.contains(&row.channel), "{row}"),
            // That all others are refused is worth a row as well.
            Channel::RosterCommand(command) => {
                assert!(commands.contains(&Channel::Command(command.clone())), "{row}");
            }
            Channel::Socket | Channel::Ticket | Channel::Roster | Channel::RosterTicket => {}
            Channel::Rest(_) | Channel::Sse => {
                let known = row.is_served(&operations) || AWAITED.iter().any(|awaited| row.asks(awaited));
                assert!(known, "{row}: no such operation");
            }
        }
    }
}
