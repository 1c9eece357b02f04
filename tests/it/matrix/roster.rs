//! One cell over the roster's socket.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::policy::{Channel, Outcome, Row};
use super::request::{Filled, check, fill};
use super::school::{ACTORS, Actor, School};
use super::socket::{open, refused};
use crate::support::frame::Frame;
use crate::support::socket::{Socket, new_id};

/// Whose sessions begin while somebody looks: of one's class, of another school, and a tutor's own.
const SPEAKERS: [Actor; 4] = [Actor::Owner, Actor::Mate, Actor::Far, Actor::Coll];
/// Longer than a roster waits between two writes.
const PACE: Duration = Duration::from_millis(350);

/// Opens a roster and looks at its first frame; to `follow` is to look at what comes after it.
pub(super) async fn watch(school: &School, row: &Row, actor: Actor, wanted: &Outcome) -> Result<(), String> {
    let (filled, socket) = enter(school, row, actor, wanted).await?;
    let Some(mut socket) = socket else { return Ok(()) };
    let heard = Arc::new(Mutex::new(String::new()));
    socket.listen(&heard);
    let first = socket.next().await;
    if first.control() != Some("roster") {
        return Err(format!("the first frame is no roster: {first:?}"));
    }
    let mut unseen = Vec::new();
    if row.verb == "follow" {
        heard.lock().unwrap().clear();
        unseen = follow(school, actor, &mut socket).await;
    }
    let said = std::mem::take(&mut *heard.lock().unwrap());
    theirs_alone(school, actor, &said)?;
    if let Some((of, _)) = unseen.iter().find(|(_, session)| said.contains(session)) {
        return Err(format!("it tells of a session of {of:?}: {said}"));
    }
    check(school, row, actor, wanted, &filled, &said)
}

/// Says one command on a roster.
pub(super) async fn command(
    school: &School,
    row: &Row,
    actor: Actor,
    wanted: &Outcome,
) -> Result<(), String> {
    let Channel::RosterCommand(kind) = &row.channel else { unreachable!() };
    let (filled, socket) = enter(school, row, actor, wanted).await?;
    let Some(mut socket) = socket else { return Ok(()) };
    socket.next().await;
    let before = school.fingerprint().await;
    let id = new_id();
    let mut command: Value = serde_json::from_str(filled.body.as_deref().unwrap_or("{}")).unwrap();
    (command["type"], command["id"]) = (json!(kind), json!(id));
    socket.send(command).await;
    // What is answered to a fresh token, is answered before the next frame is read.
    if kind == "auth" {
        socket.command("ping").await;
    }
    let answer = socket
        .until_any("an answer", |frame| match frame {
            Frame::Control(ctl) => ctl["command_id"] == json!(id) || matches!(frame.control(), Some("pong")),
            Frame::Entry { .. } => false,
            Frame::Close { .. } | Frame::Gone => true,
        })
        .await;
    let word = match &answer {
        Frame::Close { code, .. } => code.to_string(),
        Frame::Control(ctl) if ctl["type"] == "error" => ctl["code"].as_str().unwrap_or_default().to_owned(),
        Frame::Control(_) if kind == "auth" => "ok".to_owned(),
        other => other.control().unwrap_or("gone").to_owned(),
    };
    if word != wanted.word {
        return Err(format!("{word} instead of {}: {answer:?}", wanted.word));
    }
    if before != school.fingerprint().await {
        return Err("something changed".into());
    }
    check(school, row, actor, wanted, &filled, &answer.body().to_string())
}

/// A roster that opened, if it was to open.
async fn enter(
    school: &School,
    row: &Row,
    actor: Actor,
    wanted: &Outcome,
) -> Result<(Filled, Option<Socket>), String> {
    let who = &school.people[&actor];
    let filled = fill(school, row, actor, who).await;
    let by_ticket = row.channel == Channel::RosterTicket;
    match open(who, &filled.address, by_ticket).await {
        Ok(_) if matches!(wanted.word.as_str(), "401" | "403") => {
            Err(format!("the roster opened instead of {}", wanted.word))
        }
        Ok(socket) => Ok((filled, Some(socket))),
        Err(refusal) => {
            refused(school, row, actor, wanted, &filled, refusal, by_ticket).await?;
            Ok((filled, None))
        }
    }
}

/// Waits for what this actor is to be told of lessons that begin now; gives those of which they must not be.
async fn follow(school: &School, actor: Actor, socket: &mut Socket) -> Vec<(Actor, String)> {
    let lessons = join_all(SPEAKERS.map(|of| async move { (of, lesson(school, of).await) })).await;
    let (seen, unseen): (Vec<_>, Vec<_>) =
        lessons.into_iter().partition(|(of, _)| *of != actor && actor.reads(*of));
    let mut awaited = seen.clone();
    while !awaited.is_empty() {
        let frame = socket.until(&format!("words in {awaited:?}"), tells_words).await;
        let tile = &frame.body()["session"];
        awaited.retain(|(of, session)| {
            let words = school.mark_of("message", *of);
            tile["session_id"] != json!(session) || !tile["preview"].as_str().unwrap().contains(words)
        });
    }
    // Whatever else was to be told is told after one more turn.
    tokio::time::sleep(PACE).await;
    socket.round_trip().await;
    for (of, session) in seen.iter().chain(&unseen) {
        school.people[of].delete(&format!("/sessions/{session}")).await.ok(204);
    }
    unseen
}

fn tells_words(frame: &Frame) -> bool {
    frame.body()["session"]["preview"].as_str().is_some_and(|preview| !preview.is_empty())
}

/// A new session of somebody's with their title and words; its id.
async fn lesson(school: &School, of: Actor) -> String {
    let (who, title) = (&school.people[&of], school.mark_of("title", of));
    let body = who.post("/sessions", json!({"title": title})).await.ok(201);
    let session = body["id"].as_str().unwrap().to_owned();
    let said = json!({"session_id": session, "text": school.mark_of("message", of)});
    who.post("/chat/message", said).await.ok(200);
    session
}

/// Whether every tile is of somebody whose sessions this actor may read, and none is their own.
fn theirs_alone(school: &School, actor: Actor, said: &str) -> Result<(), String> {
    for frame in serde_json::Deserializer::from_str(said).into_iter::<Value>() {
        let frame = frame.map_err(|error| format!("{error}: {said}"))?;
        let tiles = frame["ctl"]["sessions"].as_array().into_iter().flatten();
        for tile in tiles.chain(frame["ctl"].get("session")) {
            let of = ACTORS.into_iter().find(|of| tile["student"]["id"] == school.people[of].user_id);
            if !of.is_some_and(|of| of != actor && actor.reads(of)) {
                return Err(format!("a session of {of:?} is on the roster: {tile}"));
            }
        }
    }
    Ok(())
}
