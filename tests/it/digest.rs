//! A class's day over REST.

use fynq::id;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::school::School;

/// Ada asks twice and struggles; Tia helps her. Bob raises his hand and nobody comes.
async fn a_day(school: &School) -> String {
    let bobs = school.bob.session().await;
    let (ada, tia) = (&school.session, &school.tia.user_id);
    let message = |ord: u8, role: &str, superseded: bool| {
        format!(
            "('{ada}', '{}', {ord}, '{}', '{role}', 'words', 'complete', {superseded}, \
             CASE '{role}' WHEN 'user' THEN 'student' ELSE 'assistant' END, now())",
            id::new(),
            id::new()
        )
    };
    let signal = |session: &str, kind: &str, why: &str| {
        format!("('{}', '{session}', '{kind}', 2, 70, '{why}', now())", id::new())
    };
    let act = |kind: &str| format!("('{}', '{ada}', '{tia}', '{kind}', now())", id::new());
    let sql = format!(
        "INSERT INTO messages (session_id, id, ord, run_id, role, content, status, superseded, author_kind, \
             created_at) VALUES {}, {}, {}, {}; \
         INSERT INTO signal_events (id, session_id, kind, level, score, why, started_at) VALUES {}, {}, {}; \
         INSERT INTO tutor_acts (id, session_id, actor_id, kind, at) VALUES {}, {}, {}, {}",
        message(1, "user", false),
        message(2, "assistant", false),
        message(3, "user", true),
        message(4, "user", false),
        signal(ada, "struggling", "asked the same thing 3 times"),
        signal(ada, "idle", "2 min without reply"),
        signal(&bobs, "hand", "asked for a human"),
        act("said"),
        act("said"),
        act("joined"),
        act("took_over"),
    );
    school.app.execute(&sql).await;
    let marked = format!("/sessions/{ada}/signals");
    school.tia.put(&format!("{marked}/struggling"), json!({"useful": true})).await.ok(200);
    school.root.put(&format!("{marked}/idle"), json!({"useful": false})).await.ok(200);
    bobs
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_says_who_was_helped_who_was_not_and_which_signals_were_right() {
    let school = School::start().await;
    let path = format!("/classes/{}/digest", school.class);
    a_day(&school).await;
    let digest = school.tia.get(&path).await.ok(200);
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    assert_eq!(digest["class"], json!({"id": school.class, "name": "7b"}));
    assert_eq!(digest["day"], today.to_string());
    let [ada, bob] = &digest["students"].as_array().unwrap()[..] else { panic!("{digest}") };
    assert_eq!(ada["student"], json!({"id": school.ada.user_id, "name": "ada"}));
    assert_eq!(
        (&ada["sessions"], &ada["questions"], &ada["needed_help"]),
        (&json!(1), &json!(2), &json!(false))
    );
    let by = json!({"id": school.tia.user_id, "name": "tia"});
    assert_eq!(ada["helped"], json!([{"by": by, "acts": {"said": 2, "took_over": 1}}]));
    let signals = ada["signals"].as_array().unwrap();
    let told: Vec<_> =
        signals.iter().map(|signal| (&signal["kind"], &signal["times"], &signal["useful"])).collect();
    assert!(told.contains(&(&json!("struggling"), &json!(1), &json!(true))), "{told:?}");
    assert!(told.contains(&(&json!("idle"), &json!(1), &json!(false))), "{told:?}");
    assert!(signals.iter().all(|signal| signal["first_at"].is_string() && signal["why"].is_string()));
    assert_eq!(
        (&bob["needed_help"], &bob["helped"], &bob["questions"]),
        (&json!(true), &json!([]), &json!(0))
    );
    assert_eq!(bob["signals"][0]["useful"], Value::Null);
    assert_eq!(
        digest["signals"],
        json!({
            "hand": {"shown": 1, "useful": 0, "not_useful": 0},
            "struggling": {"shown": 1, "useful": 1, "not_useful": 0},
            "idle": {"shown": 1, "useful": 0, "not_useful": 1},
        })
    );
    assert!(!digest.to_string().contains("words"), "the students' words are in it");
    assert_eq!(school.root.get(&format!("{path}?day={today}")).await.ok(200), digest);
    let quiet = school.tia.get(&format!("{path}?day=2020-02-29")).await.ok(200);
    assert_eq!((&quiet["day"], &quiet["signals"]), (&json!("2020-02-29"), &json!({})));
    assert!(quiet["students"].as_array().unwrap().iter().all(|student| student["questions"] == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_for_those_who_run_the_class() {
    let school = School::start().await;
    let path = format!("/classes/{}/digest", school.class);
    a_day(&school).await;
    for who in [&school.ada, &school.bob] {
        who.get(&path).await.assert_problem(403, "forbidden");
    }
    Client::stranger(school.app.addr).get(&path).await.assert_problem(401, "unauthorized");
    for who in [&school.cy, &school.uwe, &school.eve, &school.tom, &school.rex] {
        who.get(&path).await.assert_problem(404, "not_found");
    }
    for day in ["", "today", "2026-02-30", "2026-1-1", "1999-12-31", "9999-12-31", "2026-03-14T00:00"] {
        let refused = school.tia.get(&format!("{path}?day={day}")).await;
        refused.assert_problem(422, "invalid_input");
        assert_eq!(refused.body["errors"][0]["pointer"], "?day", "{day}");
    }
    // Two looked, and each is written down once.
    for _ in 0..3 {
        school.tia.get(&path).await.ok(200);
    }
    school.root.get(&path).await.ok(200);
    // Of what is not there nothing was read.
    let nowhere = format!("/classes/{}/digest", crate::support::socket::new_id());
    school.root.get(&nowhere).await.assert_problem(404, "not_found");
    school.app.server().app().audit.flush().await;
    let rows = school.root.get("/audit?limit=100").await.ok(200);
    let read = rows["items"].as_array().unwrap().iter().filter(|row| row["event"] == "digest_read");
    let read: Vec<_> = read.map(|row| (&row["actor"]["id"], &row["subject"]["id"])).collect();
    let [root, tia, class] = [&school.root.user_id, &school.tia.user_id, &school.class].map(|id| json!(id));
    assert_eq!(read, [(&root, &class), (&tia, &class)]);
}
