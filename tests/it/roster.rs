//! The roster socket: who sees which sessions, what is told of them, and when that ends.

use std::time::{Duration, Instant};

use fynq::audit::{Event, Why};
use fynq::clock;
use fynq::id::Uuid;
use fynq::protocol::{Person, Signals};
use fynq::session::{Tile, TileState};
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::{Client, PROTOCOL};
use crate::support::frame::Frame;
use crate::support::school::{School, make_class};
use crate::support::socket::{Refusal, Socket, new_id};

const PATH: &str = "/api/v1/observe/socket";

async fn try_roster(who: &Client) -> Result<(Socket, Value), Refusal> {
    let mut socket = Socket::open_bare(who.addr, PATH, &[("authorization", &who.bearer()), PROTOCOL]).await?;
    let Frame::Control(first) = socket.next().await else { panic!("the first frame is no roster") };
    assert_eq!(first["type"], "roster", "{first}");
    Ok((socket, first))
}

/// A roster that has seen its first frame.
async fn roster(who: &Client) -> (Socket, Value) {
    try_roster(who).await.expect("the roster opens")
}

fn uuid(text: &str) -> Uuid {
    Uuid::parse_str(text).unwrap()
}

fn tile(of: &Client, org: Uuid, session: Uuid) -> Tile {
    let now = clock::now();
    Tile {
        session,
        org,
        student: Person { id: uuid(&of.user_id), name: "ada".into() },
        title: Some("Lines".into()),
        subject: None,
        state: TileState::Answering,
        state_since: now,
        last_activity_at: now,
        turns: 1,
        signals: Signals::default(),
        preview: "A line\n has a slope.".into(),
        tutor: None,
        watchers: 0,
        hand: None,
    }
}

/// What sessions' tasks do, done by hand: the sessions of these tests are not in memory.
struct Stage {
    school: School,
    org: Uuid,
}

impl Stage {
    async fn start() -> Stage {
        Stage::of(School::start().await).await
    }

    async fn of(school: School) -> Stage {
        let ada = uuid(&school.ada.user_id);
        let org = school.app.server().app().store.seen_person(ada, ada).await.unwrap().unwrap().org_id;
        Stage { school, org }
    }

    fn show(&self, tile: Tile) {
        self.school.app.server().app().sessions.board().show(tile);
    }

    fn gone(&self, session: Uuid) {
        self.school.app.server().app().sessions.board().gone(session, self.org);
    }

    /// A session of somebody's on the board.
    fn shown(&self, of: &Client) -> Uuid {
        let session = fynq::id::new();
        self.show(tile(of, self.org, session));
        session
    }

    async fn audited(&self, event: &str) -> Vec<(Value, Value)> {
        self.school.app.server().app().audit.flush().await;
        let rows = self.school.root.get("/audit?limit=100").await.ok(200);
        let rows = rows["items"].as_array().unwrap().iter().rev().filter(|row| row["event"] == event);
        rows.map(|row| (row["id"].clone(), row.clone())).collect()
    }
}

fn ids(roster: &Value) -> Vec<Uuid> {
    let sessions = roster["sessions"].as_array().unwrap();
    let mut ids: Vec<_> = sessions.iter().map(|tile| uuid(tile["session_id"].as_str().unwrap())).collect();
    ids.sort_unstable();
    ids
}

async fn shown(socket: &mut Socket, session: Uuid) -> Value {
    let fits = |frame: &Frame| {
        frame.control() == Some("roster_changed") && frame.body()["session"]["session_id"] == json!(session)
    };
    socket.until("the session's tile", fits).await.body()["session"].clone()
}

async fn gone(socket: &mut Socket, session: Uuid) {
    let fits =
        |frame: &Frame| frame.control() == Some("roster_changed") && frame.body()["gone"] == json!(session);
    socket.until("the session is gone", fits).await;
}

async fn closes(mut socket: Socket, code: u16, what: &str) {
    let since = Instant::now();
    assert_eq!(socket.closed().await, code, "{what}");
    assert!(since.elapsed() < Duration::from_secs(5), "{what}: {:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_the_live_sessions_of_ones_classes_and_follows_them() {
    let stage = Stage::start().await;
    let s = &stage.school;
    let old = s.bob.session().await;
    s.app
        .execute(&format!("UPDATE sessions SET updated_at = now() - interval '16 min' WHERE id = '{old}'"))
        .await;
    let resting = uuid(&s.session);
    let live = stage.shown(&s.bob);
    let (mut tia, first) = roster(&s.tia).await;
    assert_eq!(ids(&first), {
        let mut all = vec![resting, live];
        all.sort_unstable();
        all
    });
    let rested =
        first["sessions"].as_array().unwrap().iter().find(|tile| tile["session_id"] == json!(resting));
    let rested = rested.unwrap();
    assert_eq!((&rested["state"], &rested["student"]["name"]), (&json!("idle"), &json!("ada")));
    let mut students = vec![s.ada.user_id.clone(), s.bob.user_id.clone()];
    students.sort();
    assert_eq!(first["classes"], json!([{"id": s.class, "name": "7b", "students": students}]));

    // It wakes, and is told whole.
    let waking = Tile { session: resting, ..tile(&s.ada, stage.org, resting) };
    stage.show(waking.clone());
    let told = shown(&mut tia, resting).await;
    assert_eq!(
        told,
        json!({
            "session_id": resting, "student": {"id": s.ada.user_id, "name": "ada"}, "title": "Lines",
            "subject": null, "state": "answering", "state_since": waking.state_since,
            "last_activity_at": waking.last_activity_at, "turns": 1, "preview": "A line has a slope.",
            "tutor": null, "watchers": 0, "hand": null,
            "signals": {
                "hand_raised": false, "idle_s": 0, "struggling": {"score": 0, "why": ""}, "items": [],
            },
        })
    );
    stage.show(Tile { state: TileState::Waiting, turns: 2, ..waking });
    assert_eq!(shown(&mut tia, resting).await["turns"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_sees_their_own_students_alone() {
    let stage = Stage::start().await;
    let s = &stage.school;
    let [ada, cy] = [stage.shown(&s.ada), stage.shown(&s.cy)];
    let own = stage.shown(&s.tia);
    let eve = fynq::id::new();
    stage.show(tile(&s.eve, s.other_org, eve));
    let lesson = uuid(&s.session);
    let other_lesson = uuid(&s.other_session);
    for (who, mut wanted) in [
        (&s.tia, vec![ada, lesson]),
        (&s.root, vec![ada, cy, own, lesson]),
        (&s.uwe, vec![]),
        (&s.tom, vec![eve, other_lesson]),
        (&s.rex, vec![eve, other_lesson]),
    ] {
        wanted.sort_unstable();
        assert_eq!(ids(&roster(who).await.1), wanted, "{}", who.email);
    }
    let (mut tia, _) = roster(&s.tia).await;
    // What is not theirs is not told later either: the next frame is the one that is.
    stage.show(Tile { turns: 9, ..tile(&s.cy, stage.org, cy) });
    stage.show(Tile { turns: 9, ..tile(&s.eve, s.other_org, eve) });
    stage.show(Tile { turns: 9, ..tile(&s.tia, stage.org, own) });
    stage.gone(cy);
    let next = stage.shown(&s.bob);
    let Frame::Control(told) = tia.next().await else { panic!("no frame") };
    assert_eq!(told["session"]["session_id"], json!(next), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_roster_is_refused_before_the_upgrade() {
    let stage = Stage::start().await;
    let s = &stage.school;
    let refused = async |who: &Client| {
        let refusal = try_roster(who).await.expect_err("refused");
        (refusal.status, refusal.body["code"].as_str().unwrap_or_default().to_owned())
    };
    for student in [&s.ada, &s.cy, &s.eve] {
        assert_eq!(refused(student).await, (403, "forbidden".into()));
    }
    assert_eq!(refused(&s.tia.with_token("nonsense")).await, (401, "unauthorized".into()));
    let bare = Socket::open_bare(s.app.addr, PATH, &[PROTOCOL]).await.unwrap_err();
    assert_eq!(bare.status, 401);
    s.tia.get("/observe/socket").await.assert_problem(400, "bad_request");
    let bearer = s.tia.bearer();
    let open = async |headers: &[(&str, &str)]| {
        Socket::open_bare(s.app.addr, PATH, headers).await.err().map(|refusal| refusal.status)
    };
    let evil = [("authorization", bearer.as_str()), PROTOCOL, ("origin", "https://evil.example")];
    assert_eq!(open(&evil).await, Some(403), "a foreign page");
    assert_eq!(
        open(&[("authorization", bearer.as_str()), ("sec-websocket-protocol", "chat")]).await,
        Some(400)
    );
    // A ticket opens it once.
    let ticket =
        s.tia.post("/socket-tickets", json!({})).await.ok(201)["ticket"].as_str().unwrap().to_owned();
    let offer = format!("fynq.v1, ticket.{ticket}");
    let offered = [("sec-websocket-protocol", offer.as_str())];
    assert_eq!((open(&offered).await, open(&offered).await), (None, Some(401)));
    s.app.sockets(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_the_class_leaves_the_roster_and_who_joins_appears() {
    let stage = Stage::start().await;
    let s = &stage.school;
    let members = format!("/classes/{}/members", s.class);
    let [ada, bob, cy] = [stage.shown(&s.ada), stage.shown(&s.bob), stage.shown(&s.cy)];
    let (mut tia, _) = roster(&s.tia).await;
    let (mut root, _) = roster(&s.root).await;
    let since = Instant::now();
    s.tia.delete(&format!("{members}/{}", s.ada.user_id)).await.ok(204);
    gone(&mut tia, ada).await;
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    let told = tia.control("roster_classes").await;
    assert_eq!(told["classes"][0]["students"], json!([s.bob.user_id]));
    stage.show(Tile { turns: 7, ..tile(&s.ada, stage.org, ada) });
    // Somebody new, with what they have open and with what rests.
    let rests = uuid(&s.cy.session().await);
    s.cy.post("/classes/join", json!({"code": s.code})).await.ok(200);
    let classes = tia.control("roster_classes").await;
    assert_eq!(classes["classes"][0]["students"].as_array().unwrap().len(), 2);
    shown(&mut tia, cy).await;
    assert_eq!(shown(&mut tia, rests).await["state"], "idle");
    // Without the class the roster is empty and goes on.
    s.root.delete(&format!("{members}/{}", s.tia.user_id)).await.ok(204);
    let mut left = Vec::new();
    while left.len() < 3 {
        let frame = tia.until("a session is gone", |frame| frame.body()["gone"].is_string()).await;
        left.push(uuid(frame.body()["gone"].as_str().unwrap()));
    }
    left.sort_unstable();
    let mut wanted = vec![bob, cy, rests];
    wanted.sort_unstable();
    assert_eq!(left, wanted, "ada's was never told again");
    assert_eq!(tia.control("roster_classes").await["classes"], json!([]));
    tia.round_trip().await;
    let (second, _) = make_class(&s.tia, "8c").await;
    assert_eq!(tia.control("roster_classes").await["classes"][0]["id"], json!(second));
    // To the admin all students are in the organisation, whatever their class.
    assert_eq!(shown(&mut root, ada).await["turns"], 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_end_close_it_within_five_seconds() {
    let stage = Stage::start().await;
    let s = &stage.school;
    let root = s.root.login().await;
    let change = async |who: &Client, change: Value| {
        root.patch(&format!("/admin/users/{}", who.user_id), change).await.ok(200)
    };
    let (socket, _) = roster(&s.tia).await;
    change(&s.tia, json!({"role": "student"})).await;
    closes(socket, 4403, "a tutor no more").await;
    assert_eq!(try_roster(&s.tia).await.err().unwrap().status, 403);
    change(&s.tia, json!({"role": "tutor"})).await;
    let (socket, _) = roster(&s.tia).await;
    root.post(&format!("/admin/users/{}/sign-out", s.tia.user_id), json!({})).await.ok(204);
    closes(socket, 4401, "signed out").await;
    let tia = s.tia.login().await;
    let (socket, _) = roster(&tia).await;
    change(&s.tia, json!({"disabled": true})).await;
    closes(socket, 4403, "disabled").await;
    let (socket, _) = roster(&s.uwe).await;
    s.app
        .execute(&format!("UPDATE users SET org_id = '{}' WHERE id = '{}'", s.other_org, s.uwe.user_id))
        .await;
    closes(socket, 4403, "of another school").await;
    let (socket, _) = roster(&s.root).await;
    s.app.execute(&format!("DELETE FROM users WHERE id = '{}'", s.root.user_id)).await;
    closes(socket, 4403, "deleted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_leaves_memory_rests_and_one_that_is_deleted_is_gone() {
    let stage = Stage::start().await;
    let s = &stage.school;
    let session = uuid(&s.session);
    stage.show(tile(&s.ada, stage.org, session));
    let (mut tia, first) = roster(&s.tia).await;
    assert_eq!(first["sessions"][0]["state"], "answering");
    stage.gone(session);
    let told = shown(&mut tia, session).await;
    assert_eq!((&told["state"], &told["preview"]), (&json!("idle"), &json!("")));
    stage.show(tile(&s.ada, stage.org, session));
    assert_eq!(shown(&mut tia, session).await["state"], "answering");
    s.ada.delete(&format!("/sessions/{session}")).await.ok(204);
    stage.gone(session);
    gone(&mut tia, session).await;
    assert_eq!(ids(&roster(&s.tia).await.1), [] as [Uuid; 0]);
}

/// Rows are read every 30 s, and a test waits for less: what somebody does by REST is told at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_a_session_that_nobody_has_open_is_told_at_once() {
    let s = School::start().await;
    let session = uuid(&s.session);
    let (mut tia, first) = roster(&s.tia).await;
    assert!(ids(&first).contains(&session), "{first}");
    let path = format!("/sessions/{session}");
    s.ada.patch(&path, json!({"title": "Lines", "subject": "Maths"})).await.ok(200);
    let told = shown(&mut tia, session).await;
    assert_eq!((&told["title"], &told["subject"]), (&json!("Lines"), &json!("Maths")));
    s.ada.delete(&path).await.ok(204);
    gone(&mut tia, session).await;
    // With the account, too.
    let last = uuid(&s.ada.session().await);
    let (mut tia, first) = roster(&s.tia).await;
    assert_eq!(ids(&first), [last]);
    s.root.delete(&format!("/admin/users/{}", s.ada.user_id)).await.ok(204);
    gone(&mut tia, last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_open_shows_its_new_name_at_once() {
    let s = School::start().await;
    let session = uuid(&s.session);
    let _ada = s.ada.socket(&s.session).await;
    let (mut tia, first) = roster(&s.tia).await;
    assert!(ids(&first).contains(&session), "{first}");
    s.ada.patch(&format!("/sessions/{session}"), json!({"title": "Lines"})).await.ok(200);
    let told = shown(&mut tia, session).await;
    assert_eq!((&told["title"], &told["subject"]), (&json!("Lines"), &Value::Null));
    s.ada.patch(&format!("/sessions/{session}"), json!({"subject": "Maths"})).await.ok(200);
    let told = shown(&mut tia, session).await;
    assert_eq!(
        (&told["title"], &told["subject"]),
        (&json!("Lines"), &json!("Maths")),
        "what is not named stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_that_is_up_and_a_tutor_who_holds_are_told_however_old() {
    let stage = Stage::start().await;
    let s = &stage.school;
    let held = s.bob.session().await;
    s.app
        .execute(&format!(
            "UPDATE sessions SET hand_raised = true WHERE id = '{}';
             UPDATE sessions SET control = 'tutor', control_by = '{}', control_epoch = 1 WHERE id = '{held}';
             UPDATE sessions SET updated_at = now() - interval '3 h'",
            s.session, s.root.user_id
        ))
        .await;
    let (_, first) = roster(&s.tia).await;
    let tile = |id: &str| {
        let tiles = first["sessions"].as_array().unwrap();
        tiles.iter().find(|tile| tile["session_id"] == json!(id)).unwrap_or_else(|| panic!("{first}"))
    };
    let up = tile(&s.session);
    assert_eq!((&up["signals"]["hand_raised"], &up["hand"]["claimed_by"]), (&json!(true), &Value::Null));
    assert_eq!(up["signals"]["items"][0]["kind"], "hand");
    assert!(up["hand"]["since"].is_string() && up["signals"]["idle_s"].as_u64().unwrap() >= 3 * 3600);
    assert_eq!((&tile(&held)["state"], &tile(&held)["tutor"]["name"]), (&json!("tutor"), &json!("root")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_faster_than_anybody_reads_is_told_once() {
    let stage = Stage::start().await;
    let s = &stage.school;
    let session = stage.shown(&s.ada);
    let (mut tia, _) = roster(&s.tia).await;
    for turns in 2..=500 {
        stage.show(Tile { turns, ..tile(&s.ada, stage.org, session) });
    }
    let mut frames = 0;
    while shown(&mut tia, session).await["turns"] != 500 {
        frames += 1;
    }
    assert!(frames < 20, "{frames}");
    // Four updates a second are four frames.
    let begun = Instant::now();
    for turns in 501..=508 {
        stage.show(Tile { turns, ..tile(&s.ada, stage.org, session) });
        while shown(&mut tia, session).await["turns"] != json!(turns) {}
    }
    assert!(begun.elapsed() >= Duration::from_millis(1600), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_missed_too_much_gets_the_whole_roster() {
    let stage = Stage::start().await;
    let s = &stage.school;
    let stays = stage.shown(&s.ada);
    let (mut tia, _) = roster(&s.tia).await;
    for _ in 0..600 {
        let session = stage.shown(&s.bob);
        stage.gone(session);
    }
    let again = tia.control("roster").await;
    let mut wanted = vec![stays, uuid(&s.session)];
    wanted.sort_unstable();
    let rest: Vec<_> = ids(&again).into_iter().filter(|session| wanted.contains(session)).collect();
    assert_eq!(rest, wanted, "also what rests");
    // It goes on; by another whole roster if the first was taken in the middle.
    stage.show(Tile { turns: 2, ..tile(&s.ada, stage.org, stays) });
    let is_newer = |tile: &Value| tile["session_id"] == json!(stays) && tile["turns"] == 2;
    let newer = |frame: &Frame| {
        let all = frame.body()["sessions"].as_array().into_iter().flatten();
        all.chain([&frame.body()["session"]]).any(is_newer)
    };
    tia.until("the newer tile", newer).await;
}

/// A reader that takes nothing costs nobody anything and finds the last word when it reads again.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_is_let_go_and_the_others_notice_nothing() {
    let school =
        School::of(TestApp::builder().settings(|s| s.socket.write_timeout = Duration::from_secs(1))).await;
    let stage = Stage::of(school).await;
    let s = &stage.school;
    let (mut stuck, _) = roster(&s.tia).await;
    let (mut other, _) = roster(&s.tia).await;
    let sessions: Vec<Uuid> = (0..400).map(|_| fynq::id::new()).collect();
    let mut slowest = Duration::ZERO;
    let begun = Instant::now();
    for round in 1.. {
        let title = Some(format!("{round} {}", "x".repeat(4000)));
        for session in &sessions {
            stage.show(Tile { turns: round, title: title.clone(), ..tile(&s.ada, stage.org, *session) });
        }
        let shown_at = Instant::now();
        while shown(&mut other, sessions[399]).await["turns"] != json!(round) {}
        slowest = slowest.max(shown_at.elapsed());
        if s.app.server().app().sockets.borrow().eq(&1) {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it is still open after {round} rounds");
    }
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
    // What was written before the peer was given up may still come; then the end.
    assert!(matches!(
        stuck
            .until_any("the end", |frame| matches!(frame, Frame::Close { code: 4408, .. } | Frame::Gone))
            .await,
        Frame::Close { .. } | Frame::Gone
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_ping_and_auth_and_nothing_else() {
    let stage = Stage::start().await;
    let s = &stage.school;
    let (mut tia, _) = roster(&s.tia).await;
    tia.round_trip().await;
    let commands = [
        json!({"type": "send", "text": "Hello"}),
        json!({"type": "edit", "message": new_id(), "text": "Hello"}),
        json!({"type": "stop"}),
        json!({"type": "regenerate"}),
        json!({"type": "raise_hand"}),
        json!({"type": "lower_hand"}),
        json!({"type": "whisper", "text": "Hello"}),
        json!({"type": "withdraw", "whisper": new_id()}),
        json!({"type": "say", "text": "Hello"}),
        json!({"type": "correct", "message": new_id(), "text": "Hello"}),
        json!({"type": "take_over"}),
        json!({"type": "hand_back"}),
        json!({"type": "claim"}),
    ];
    for mut command in commands {
        let id = new_id();
        command["id"] = json!(id);
        tia.send(command.clone()).await;
        assert_eq!(tia.refusal(&id).await["code"], "not_allowed", "{command}");
    }
    tia.send(json!({"type": "typing"})).await;
    assert_eq!(tia.control("error").await["code"], "not_allowed");
    let id = new_id();
    tia.send(json!({"type": "dance", "id": id})).await;
    assert_eq!(tia.refusal(&id).await["code"], "invalid_command");
    assert_eq!(s.app.count("SELECT count(*) FROM messages").await, 0);
    // A fresh token of the same person, also of another sign-in of theirs.
    let again = s.tia.login().await;
    tia.send(json!({"type": "auth", "token": again.token})).await;
    tia.round_trip().await;
    let session = stage.shown(&s.ada);
    shown(&mut tia, session).await;
    s.tia.post("/auth/logout", json!({})).await.ok(204);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    tia.round_trip().await;
    again.post("/auth/logout", json!({})).await.ok(204);
    closes(tia, 4401, "the second sign-in ended").await;
    for (who, code) in [(&s.root, 4401), (&s.ada, 4401), (&again, 4401)] {
        let (mut uwe, _) = roster(&s.uwe).await;
        uwe.send(json!({"type": "auth", "token": who.token})).await;
        closes(uwe, code, &who.email).await;
    }
    for (text, code) in [("no json".to_owned(), 4400), ("[]".into(), 4400), ("x".repeat(70_000), 1009)] {
        let (mut uwe, _) = roster(&s.uwe).await;
        uwe.send_text(&text).await;
        closes(uwe, code, "a bad frame").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_token_ends_and_is_renewed_like_a_sessions() {
    let builder = TestApp::builder().settings(|s| {
        s.accounts.token_ttl = Duration::from_secs(8);
        s.socket.expiry_grace = Duration::from_secs(1);
    });
    let s = School::of(builder).await;
    let tia = s.tia.login().await;
    let (mut socket, _) = roster(&tia).await;
    assert!(socket.control("auth_expiring").await["in_s"].as_u64().unwrap() <= 8);
    socket.send(json!({"type": "auth", "token": tia.login().await.token})).await;
    socket.control("auth_expiring").await;
    assert_eq!(socket.closed().await, 4401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_the_roster_is_written_down_with_its_end() {
    let stage = Stage::start().await;
    let s = &stage.school;
    let ends = async || {
        let closed = stage.audited("roster_closed").await;
        closed.iter().map(|(_, row)| row["detail"]["end"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (mut socket, _) = roster(&s.tia).await;
    let opened = stage.audited("roster_opened").await;
    assert_eq!(opened.len(), 1);
    let (id, row) = &opened[0];
    assert_eq!(row["actor"]["id"], json!(s.tia.user_id));
    assert_eq!(row["subject"], json!({"kind": "organisation", "id": stage.org}));
    assert_eq!((&row["detail"], &row["address"]), (&json!({"why": "tutor"}), &json!("127.0.0.1")));
    socket.goodbye().await;
    s.app.sockets(0).await;
    let closed = stage.audited("roster_closed").await;
    assert_eq!(closed[0].1["detail"], json!({"opened": id, "end": "left"}));
    assert_eq!(closed[0].1["address"], "127.0.0.1");
    let (socket, _) = roster(&s.tia).await;
    drop(socket.drop_connection());
    s.app.sockets(0).await;
    let (socket, _) = roster(&s.tia).await;
    s.root.patch(&format!("/admin/users/{}", s.tia.user_id), json!({"disabled": true})).await.ok(200);
    closes(socket, 4403, "disabled").await;
    s.app.sockets(0).await;
    assert_eq!(ends().await, ["left", "lost", "rights_ended"]);
    // What cannot be written down does not begin.
    s.app.execute("ALTER TABLE audit ADD CONSTRAINT none CHECK (event <> 'roster_opened') NOT VALID").await;
    assert_eq!(try_roster(&s.uwe).await.err().unwrap().status, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_sends_readers_away_and_a_crash_leaves_no_open_end() {
    let mut stage = Stage::start().await;
    let (mut socket, _) = roster(&stage.school.tia).await;
    // As a process leaves it that died: a beginning without an end.
    let tutor = uuid(&stage.school.tia.user_id);
    let event = Event::RosterOpened { organisation: stage.org, why: Why::Tutor };
    let lost = stage.school.app.server().app().audit.first(tutor, &event).await.unwrap();
    stage.school.app.stop().await;
    assert!(socket.control("draining").await["retry_after_ms"].as_u64().unwrap() > 0);
    assert_eq!(socket.closed().await, 1012);
    stage.school.app.start_again().await;
    stage.school.root = stage.school.root.at(stage.school.app.addr);
    let closed = stage.audited("roster_closed").await;
    let ends: Vec<_> = closed.iter().map(|(_, row)| row["detail"].clone()).collect();
    assert_eq!(ends.len(), 2, "{ends:?}");
    assert_eq!(ends[0]["end"], "stopped");
    assert_eq!(ends[1], json!({"opened": lost, "end": "interrupted"}));
}

/// While the database is away a roster goes on with what the board knows.
#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_without_the_database() {
    let stage = Stage::of(School::of(TestApp::builder().database_proxy()).await).await;
    let s = &stage.school;
    let session = uuid(&s.session);
    stage.show(tile(&s.ada, stage.org, session));
    let (mut tia, _) = roster(&s.tia).await;
    let proxy = s.app.database_proxy.as_ref().unwrap();
    proxy.refuse();
    stage.gone(session);
    let live = stage.shown(&s.bob);
    shown(&mut tia, live).await;
    tia.round_trip().await;
    // Each waits for a connection: after the second, the roster's own look has failed as well.
    for _ in 0..2 {
        assert_eq!(try_roster(&s.root).await.err().unwrap().status, 503);
    }
    proxy.heal();
    assert_eq!(shown(&mut tia, session).await["state"], "idle", "asked again until it was known");
}
