//! One cell over a session socket.

use std::time::Duration;

use serde_json::{Value, json};

use super::policy::{Channel, Outcome, Row};
use super::request::{Filled, check, fill, plain};
use super::school::{Actor, School};
use crate::support::client::{Client, PROTOCOL};
use crate::support::frame::{Frame, Transcript};
use crate::support::socket::{PATIENCE, Refusal, Socket, new_id};

/// Opens a socket and looks at all that it says to begin with.
pub(super) async fn watch(school: &School, row: &Row, actor: Actor, wanted: &Outcome) -> Result<(), String> {
    let who = &school.people[&actor];
    let filled = fill(school, row, actor, who).await;
    let by_ticket = row.channel == Channel::Ticket;
    let mut socket = match open(who, &filled.address, by_ticket).await {
        Ok(socket) => socket,
        Err(refusal) => return refused(school, row, actor, wanted, &filled, refusal, by_ticket).await,
    };
    if wanted.word != "101" {
        return Err(format!("the socket opened instead of {}", wanted.word));
    }
    socket.greet(Transcript::default()).await;
    while socket.log.seq < socket.ready["head"].as_u64().unwrap() {
        socket.next().await;
    }
    let said = format!("{} {:?} {}", socket.ready, socket.snapshot, Value::from(socket.log.events.clone()));
    check(school, row, actor, wanted, &filled, &said)
}

/// Says one command, and waits for what it does.
pub(super) async fn command(
    school: &School,
    row: &Row,
    actor: Actor,
    wanted: &Outcome,
) -> Result<(), String> {
    let Channel::Command(kind) = &row.channel else { unreachable!() };
    let who = &school.people[&actor];
    let filled = fill(school, row, actor, who).await;
    let mut socket = match open(who, &filled.address, false).await {
        Ok(socket) => socket,
        Err(refusal) => return refused(school, row, actor, wanted, &filled, refusal, false).await,
    };
    if wanted.word.starts_with("40") {
        return Err(format!("the socket opened instead of {}", wanted.word));
    }
    socket.greet(Transcript::default()).await;
    let owner = &school.people[&Actor::Owner];
    let own = filled.address != school.sessions[&actor];
    let mut beside = if own { Some(owner.socket(&filled.address).await) } else { None };
    let effects = ["accepted", "ok", "run", "state", "pong", "whispered", "quiet"];
    let is_error = !effects.contains(&wanted.word.as_str());
    let before = if is_error { Some(school.fingerprint().await) } else { None };
    let got = say(&mut socket, beside.as_mut(), kind, filled.body.as_deref(), &wanted.word).await;
    if got.0 != wanted.word {
        return Err(format!("{} instead of {}: {}", got.0, wanted.word, got.1));
    }
    if let Some(before) = before
        && before != school.fingerprint().await
    {
        return Err("refused, and something changed".into());
    }
    if wanted.same
        && let Some(never) = &filled.never
    {
        let other = say(&mut socket, None, kind, never.body.as_deref(), &wanted.word).await;
        let without_id = |text: &str| {
            let mut value: Value = serde_json::from_str(text).unwrap();
            value.as_object_mut().unwrap().remove("command_id");
            value
        };
        if without_id(&got.1) != without_id(&other.1) {
            return Err(format!("{} where there is something, {} where not", got.1, other.1));
        }
    }
    if !is_error {
        settled(school, &filled.address, kind, actor == Actor::Owner).await;
    }
    check(school, row, actor, wanted, &filled, &got.1)
}

/// What a command does, in a word, and the frame that says so.
async fn say(
    socket: &mut Socket,
    mut beside: Option<&mut Socket>,
    kind: &str,
    body: Option<&str>,
    wanted: &str,
) -> (String, String) {
    let id = new_id();
    let mut command: Value = serde_json::from_str(body.unwrap_or("{}")).unwrap();
    command["type"] = json!(kind);
    command["id"] = json!(id);
    let whisper = command["whisper"].clone();
    socket.send(command).await;
    if let ("typing", "ok", Some(beside)) = (kind, wanted, beside.as_deref_mut()) {
        let heard = beside.control("typing").await;
        return ("ok".into(), heard.to_string());
    }
    if let ("typing", "quiet", Some(beside)) = (kind, wanted, beside) {
        // Refused by the session itself, which takes commands in their order.
        let next = new_id();
        socket.send(json!({"type": "send", "id": next, "text": "Hello"})).await;
        socket.refusal(&next).await;
        beside.send(json!({"type": "ping", "id": new_id()})).await;
        let either = |frame: &Frame| matches!(frame.control(), Some("typing" | "pong"));
        let heard = beside.until_any("what comes next", either).await;
        let word = if heard.control() == Some("pong") { "quiet" } else { "ok" };
        return (word.into(), heard.body().to_string());
    }
    // Whatever is answered to a fresh token, is answered before the next frame is read.
    if kind == "auth" {
        socket.send(json!({"type": "ping", "id": new_id(), "t": "after"})).await;
    }
    let frame = socket
        .until_any("an answer", |frame| match frame {
            Frame::Control(ctl) => match ctl["type"].as_str() {
                Some("accepted") => ctl["id"] == json!(id),
                Some("error") => ctl["command_id"] == json!(id) || kind == "auth",
                // Others come and go meanwhile, which the state tells as well.
                Some("state") => wanted == "state" && shows(kind, ctl),
                Some("whispered") => wanted == "whispered" && (ctl["id"] == id || ctl["id"] == whisper),
                Some("pong") => matches!(kind, "ping" | "auth"),
                _ => false,
            },
            Frame::Entry { ev, .. } => kind == "regenerate" && ev["type"] == "RUN_STARTED",
            Frame::Close { .. } | Frame::Gone => true,
        })
        .await;
    let word = match &frame {
        Frame::Close { code, .. } => code.to_string(),
        Frame::Gone => "gone".into(),
        Frame::Entry { .. } => "run".into(),
        Frame::Control(ctl) => match ctl["type"].as_str() {
            Some("error") => ctl["code"].as_str().unwrap_or_default().to_owned(),
            Some("pong") if kind == "auth" => "ok".into(),
            other => other.unwrap_or_default().to_owned(),
        },
    };
    if matches!(word.as_str(), "accepted" | "run") {
        socket.run_end().await;
    }
    (word, frame.body().to_string())
}

pub(super) async fn refused(
    school: &School,
    row: &Row,
    actor: Actor,
    wanted: &Outcome,
    filled: &Filled,
    refusal: Refusal,
    by_ticket: bool,
) -> Result<(), String> {
    let body = refusal.body.to_string();
    if refusal.status.to_string() != wanted.word {
        return Err(format!("{} instead of {}: {body}", refusal.status, wanted.word));
    }
    check(school, row, actor, wanted, filled, &body)?;
    if wanted.same
        && let Some(never) = &filled.never
    {
        let Err(other) = open(&school.people[&actor], &never.address, by_ticket).await else {
            return Err("a socket opened where nothing is".into());
        };
        if (refusal.status, plain(&body)) != (other.status, plain(&other.body.to_string())) {
            return Err(format!("{body} where there is something, {other:?} where not"));
        }
    }
    Ok(())
}

/// `address`: a session, perhaps with a query, or the path of another socket.
pub(super) async fn open(who: &Client, address: &str, by_ticket: bool) -> Result<Socket, Refusal> {
    let (session, query) = address.split_once('?').unwrap_or((address, ""));
    let path = if address.starts_with('/') {
        format!("/api/v1{address}")
    } else {
        format!("/api/v1/sessions/{session}/socket?{query}")
    };
    let bearer = who.bearer();
    if by_ticket {
        let reply = who.post("/socket-tickets", json!({})).await;
        // Who gets no ticket tries one that is made up.
        let ticket = reply.body["ticket"].as_str().unwrap_or("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let offered = format!("fynq.v1, ticket.{ticket}");
        return Socket::open_bare(who.addr, &path, &[("sec-websocket-protocol", &offered)]).await;
    }
    let headers = [("authorization", bearer.as_str()), PROTOCOL];
    Socket::open_bare(who.addr, &path, if who.token.is_empty() { &headers[1..] } else { &headers }).await
}

/// Whether a state is what this command makes of it.
fn shows(kind: &str, state: &Value) -> bool {
    match kind {
        "raise_hand" => state["hand_raised"] == true,
        "lower_hand" => state["hand_raised"] == false,
        "take_over" => state["control"] == "tutor",
        "hand_back" => state["control"] == "ai",
        "claim" => state["hand"]["claimed_by"].is_object(),
        _ => false,
    }
}

/// Some of what a command does reaches the database a moment after it is seen.
pub(super) async fn settled(school: &School, session: &str, kind: &str, by_owner: bool) {
    let act = match kind {
        "whisper" => "whispered",
        "withdraw" => "withdrew",
        "say" => "said",
        "correct" => "corrected",
        "hand_back" => "handed_back",
        "claim" => "claimed",
        "lower_hand" if !by_owner => "lowered_hand",
        _ => "",
    };
    let done = format!("EXISTS (SELECT FROM tutor_acts a WHERE a.session_id = s.id AND a.kind = '{act}')");
    let kept = match kind {
        "raise_hand" => "hand_raised".to_owned(),
        "lower_hand" if by_owner => "NOT hand_raised".to_owned(),
        "lower_hand" => format!("NOT hand_raised AND {done}"),
        // Whoever holds it may say so again, which is no act.
        "take_over" => "control = 'tutor'".to_owned(),
        _ if act.is_empty() => return,
        _ => done,
    };
    let sql = format!("SELECT {kept} FROM sessions s WHERE id = '{session}'");
    let look = async {
        while !school.sql.query_typed_one(&sql, &[]).await.unwrap().get::<_, bool>(0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("{kind} is not kept"));
}
