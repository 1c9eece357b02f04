//! Over REST: what was whispered, what tutors think of signals, and a session as it streamed.

use fynq::id;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::frame::Frame;
use crate::support::lesson::{Lesson, person};
use crate::support::school::School;
use crate::support::socket::new_id;

/// A whisper of Tia's in Ada's session; its id.
async fn whisper(school: &School, text: &str, state: &str) -> String {
    let whisper = id::new().to_string();
    let sql = format!(
        "INSERT INTO whispers (id, session_id, tutor_id, text, until, kind, state, created_at) \
         VALUES ('{whisper}', '{}', '{}', '{text}', 'next', 'whisper', '{state}', now())",
        school.session, school.tia.user_id
    );
    school.app.execute(&sql).await;
    whisper
}

/// Ada asks something, and is answered.
async fn turn(school: &mut School, question: &str, answer: &str) -> Value {
    let body = json!({"session_id": school.session, "text": question});
    let (reply, ()) = tokio::join!(school.ada.post("/chat/message", body), async {
        school.app.model.call().await.answer(answer).await;
    });
    reply.ok(200)
}

/// Everybody who has no business there, and the session's own student.
async fn kept_from_others(school: &School, path: &str) {
    school.ada.get(path).await.assert_problem(403, "forbidden");
    Client::stranger(school.app.addr).get(path).await.assert_problem(401, "unauthorized");
    for who in [&school.bob, &school.cy, &school.uwe, &school.eve, &school.tom, &school.rex] {
        who.get(path).await.assert_problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whispers_are_listed_newest_first_for_those_who_watch() {
    let school = School::start().await;
    let path = format!("/sessions/{}/whispers", school.session);
    assert_eq!(school.tia.get(&path).await.ok(200), json!({"items": [], "next_cursor": null}));
    let first = whisper(&school, "Slower.", "used").await;
    let second = whisper(&school, "Draw it.", "waiting").await;
    let page = school.root.get(&format!("{path}?limit=1")).await.ok(200);
    let item = &page["items"][0];
    assert!(item["at"].is_string());
    let by = json!({"id": school.tia.user_id, "name": "tia"});
    assert_eq!(
        *item,
        json!({"id": second, "by": by, "text": "Draw it.", "until": "next", "kind": "whisper",
            "state": "waiting", "at": item["at"]})
    );
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = school.tia.get(&format!("{path}?limit=1&cursor={cursor}")).await.ok(200);
    assert_eq!((&page["items"][0]["id"], &page["next_cursor"]), (&json!(first), &Value::Null));
    school.tia.get(&format!("{path}?cursor=x")).await.assert_problem(422, "invalid_input");
    kept_from_others(&school, &path).await;
    let nothing = format!("/sessions/{}/whispers", new_id());
    school.tia.get(&nothing).await.assert_problem(404, "not_found");
    // Not even in what a student may have of themselves.
    for path in ["/users/me/export".to_owned(), format!("/sessions/{}/messages", school.session)] {
        let body = school.ada.get(&path).await.ok(200).to_string();
        assert!(!body.contains("Draw it.") && !body.contains(&second), "{path}: {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_hand_is_claimed_from_the_wall_by_one() {
    let school = School::start().await;
    let path = format!("/sessions/{}/claim", school.session);
    let claim = async |who: &Client| who.post(&path, json!({})).await;
    claim(&school.tia).await.assert_problem(409, "no_hand");
    let mut ada = school.ada.socket(&school.session).await;
    ada.command("raise_hand").await;
    let up = ada.control("state").await;
    assert_eq!(up["hand"]["claimed_by"], Value::Null, "{up}");
    let tia = json!({"id": school.tia.user_id, "name": "tia"});
    let claimed = claim(&school.tia).await.ok(200);
    assert_eq!(claimed, json!({"hand": {"since": up["hand"]["since"], "claimed_by": tia}}));
    assert_eq!(ada.control("state").await["hand"], claimed["hand"], "the student sees who comes");
    assert_eq!(claim(&school.tia).await.ok(200), claimed, "again is the same");
    let second = claim(&school.root).await;
    second.assert_problem(409, "claimed");
    assert!(second.body["detail"].as_str().unwrap().starts_with("tia "), "{second:?}");
    claim(&school.ada).await.assert_problem(403, "forbidden");
    for who in [&school.bob, &school.uwe, &school.tom, &school.rex] {
        claim(who).await.assert_problem(404, "not_found");
    }
    school.app.server().app().audit.flush().await;
    let rows = format!(
        "SELECT count(*) FROM audit WHERE event = 'hand_claimed' AND actor_id = '{}' AND address IS NOT NULL",
        school.tia.user_id
    );
    assert_eq!(school.app.count(&rows).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_is_muted_and_marked_for_oneself() {
    let school = School::start().await;
    let path = |kind: &str| format!("/sessions/{}/signals/{kind}", school.session);
    let mute = json!({"muted_minutes": 15});
    let muted = school.tia.put(&path("struggling"), mute.clone()).await.ok(200);
    assert_eq!((&muted["kind"], &muted["useful"]), (&json!("struggling"), &Value::Null));
    let until: jiff::Timestamp = muted["muted_until"].as_str().unwrap().parse().unwrap();
    let left = until.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((800..=900).contains(&left), "{left}");
    // What is not named stays.
    let marked = school.tia.put(&path("struggling"), json!({"useful": false})).await.ok(200);
    assert_eq!(marked, json!({"kind": "struggling", "useful": false, "muted_until": muted["muted_until"]}));
    let marks = school.tia.get("/observe/marks").await.ok(200);
    let mut wanted = marked.clone();
    wanted["session_id"] = json!(school.session);
    assert_eq!(marks, json!({"items": [wanted]}));
    assert_eq!(school.root.get("/observe/marks").await.ok(200), json!({"items": []}), "each one's own");
    let back = school.tia.put(&path("struggling"), json!({"useful": null, "muted_minutes": 0})).await.ok(200);
    assert_eq!(back, json!({"kind": "struggling", "useful": null, "muted_until": null}));
    assert_eq!(school.tia.get("/observe/marks").await.ok(200), json!({"items": []}));

    // A child in danger is silenced for an hour at most.
    school.tia.put(&path("safety"), json!({"muted_minutes": 60})).await.ok(200);
    for (kind, minutes) in [("safety", 61), ("idle", 1441)] {
        let refused = school.tia.put(&path(kind), json!({"muted_minutes": minutes})).await;
        refused.assert_problem(422, "invalid_input");
        assert_eq!(refused.body["errors"][0]["pointer"], "/muted_minutes");
    }
    school.tia.put(&path("boredom"), mute.clone()).await.assert_problem(404, "not_found");
    school.ada.put(&path("idle"), mute.clone()).await.assert_problem(403, "forbidden");
    for who in [&school.bob, &school.uwe, &school.tom, &school.rex] {
        who.put(&path("idle"), mute.clone()).await.assert_problem(404, "not_found");
    }
    school.ada.get("/observe/marks").await.assert_problem(403, "forbidden");
    assert_eq!(school.app.count("SELECT count(*) FROM signal_marks").await, 2);
}

/// One tutor sees to it; no tutor is told of it any more, and each sees who it was, over a restart too.
#[tokio::test(flavor = "multi_thread")]
async fn a_matter_of_safety_is_dealt_with_for_all() {
    let mut lesson = Lesson::start().await;
    let mut root = lesson.root().await;
    let safety = |frame: &Frame, items: usize, dealt: bool| {
        let body = frame.body();
        frame.control() == Some("signals")
            && body["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "safety").count()
                == items
            && body["dealt_with"].is_array() == dealt
    };
    lesson.ada.ask("I want to die").await;
    lesson.call().await.answer("Please talk to somebody.").await;
    lesson.ada.run_end().await;
    for socket in [&mut lesson.tia, &mut root] {
        socket.until("safety", |frame| safety(frame, 1, false)).await;
    }
    let path = format!("/sessions/{}/signals", lesson.school.session);
    let dealt = json!({"dealt_with": true});
    for (kind, body) in [("struggling", &dealt), ("safety", &json!({"dealt_with": false}))] {
        let refused = lesson.school.tia.put(&format!("{path}/{kind}"), body.clone()).await;
        refused.assert_problem(422, "invalid_input");
        assert_eq!(refused.body["errors"][0]["pointer"], "/dealt_with", "{kind}");
    }
    lesson.school.ada.put(&format!("{path}/safety"), dealt.clone()).await.assert_problem(403, "forbidden");
    lesson.school.uwe.put(&format!("{path}/safety"), dealt.clone()).await.assert_problem(404, "not_found");
    // Before that nobody can have seen it.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let mark = lesson.school.tia.put(&format!("{path}/safety"), dealt).await.ok(200);
    let told = json!([{"kind": "safety", "by": person(&lesson.school.tia), "at": mark["dealt_with_at"]}]);
    for socket in [&mut lesson.tia, &mut root] {
        let signals = socket.until("it is dealt with", |frame| safety(frame, 0, true)).await;
        assert_eq!(signals.body()["dealt_with"], told);
    }
    let ended = "SELECT count(*) FROM signal_events WHERE kind = 'safety' AND ended_at IS NOT NULL";
    lesson.until_count(ended, 1).await;
    assert_eq!(lesson.audited("signal_dealt_with").await, 1);
    let export = lesson.school.ada.get("/users/me/export").await.ok(200).to_string();
    assert!(!export.contains("signal_dealt_with"), "{export}");

    lesson.school.app.stop().await;
    lesson.school.app.start_again().await;
    let (addr, session) = (lesson.school.app.addr, &lesson.school.session);
    let mut ada = lesson.school.ada.at(addr).socket(session).await;
    let mut root = lesson.school.root.at(addr).socket(session).await;
    let signals = root.until("it is dealt with", |frame| safety(frame, 0, true)).await;
    assert_eq!(signals.body()["dealt_with"], told);
    // It is said again: that is news.
    ada.ask("I want to die").await;
    lesson.school.app.model.call().await.answer("Please talk to somebody.").await;
    root.until("safety", |frame| safety(frame, 1, false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_shows_how_it_streamed_and_what_tutors_did() {
    let mut school = School::start().await;
    let said = turn(&mut school, "Is it 7?", "Check again.").await;
    let (question, reply) = (said["message"]["id"].as_str().unwrap(), said["reply"]["id"].as_str().unwrap());
    let whispered = whisper(&school, "Slower.", "used").await;
    let (session, tia, correction) = (&school.session, &school.tia.user_id, new_id());
    school
        .app
        .execute(&format!(
            "INSERT INTO messages (session_id, id, ord, run_id, role, author_id, author_kind, content, status, \
                 edits, created_at) VALUES ('{session}', '{correction}', 3, '{}', 'assistant', '{tia}', 'tutor', \
                 'It is 8.', 'complete', '{reply}', now()); \
             UPDATE messages SET superseded = true WHERE id = '{question}'; \
             DELETE FROM message_paces; \
             INSERT INTO message_paces VALUES ('{session}', '{reply}', '{{120,6,240,6}}'); \
             INSERT INTO tutor_acts (id, session_id, actor_id, kind, message_id, whisper_id, at) VALUES \
                 ('{}', '{session}', '{tia}', 'whispered', NULL, '{whispered}', now()), \
                 ('{}', '{session}', '{tia}', 'corrected', '{correction}', NULL, now()); \
             INSERT INTO signal_events (id, session_id, kind, level, score, why, started_at) VALUES \
                 ('{}', '{session}', 'struggling', 2, 70, 'asked the same thing 3 times', now())",
            new_id(),
            id::new(),
            id::new(),
            id::new(),
        ))
        .await;
    let path = format!("/sessions/{session}/replay");
    let replay = school.tia.get(&path).await.ok(200);
    assert_eq!(replay["session"], school.tia.get(&format!("/sessions/{session}")).await.ok(200));
    let messages = replay["messages"].as_array().unwrap();
    let told: Vec<_> =
        messages.iter().map(|message| (&message["id"], &message["superseded"], &message["pace"])).collect();
    assert_eq!(
        told,
        [
            (&json!(question), &json!(true), &Value::Null),
            (&json!(reply), &json!(false), &json!([[120, 6], [240, 6]])),
            (&json!(correction), &json!(false), &Value::Null),
        ]
    );
    assert_eq!((&messages[1]["corrected_by"], &messages[2]["corrects"]), (&json!(correction), &json!(reply)));
    let acts = &replay["acts"];
    let by = json!({"id": tia, "name": "tia"});
    let whisper = json!({"text": "Slower.", "until": "next", "state": "used"});
    assert_eq!((&acts[0]["kind"], &acts[0]["by"], &acts[0]["whisper"]), (&json!("whispered"), &by, &whisper));
    assert!(acts[0].get("message_id").is_none() && acts[1].get("whisper").is_none(), "no nulls: {acts}");
    assert_eq!((&acts[1]["kind"], &acts[1]["message_id"]), (&json!("corrected"), &json!(correction)));
    let signal = &replay["signals"][0];
    assert_eq!(
        (&signal["kind"], &signal["level"], &signal["ended_at"]),
        (&json!("struggling"), &json!(2), &Value::Null)
    );
    assert_eq!(replay["next_cursor"], Value::Null);

    // In pages: what is not paged comes with the first.
    let page = school.root.get(&format!("{path}?limit=2")).await.ok(200);
    assert_eq!((page["messages"].as_array().unwrap().len(), page["acts"].as_array().unwrap().len()), (2, 2));
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = school.root.get(&format!("{path}?limit=2&cursor={cursor}")).await.ok(200);
    assert_eq!((&page["messages"][0]["id"], &page["acts"]), (&json!(correction), &json!([])));
    kept_from_others(&school, &path).await;
    written_down(&school).await;
}

/// Who read is written down, once a minute; it is the student's affair, so their export has it.
async fn written_down(school: &School) {
    school.app.server().app().audit.flush().await;
    let rows = "SELECT count(*) FROM audit WHERE event = 'replay_read'";
    assert_eq!(school.app.count(rows).await, 2);
    let about = format!("{rows} AND about_id = '{}'", school.ada.user_id);
    assert_eq!(school.app.count(&about).await, 2);
    let export = school.ada.get("/users/me/export").await.ok(200).to_string();
    assert!(export.contains("replay_read") && !export.contains("Slower."), "{export}");
}
