//! Consent as an organisation asks for it, and what a student may do without.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::office::School;
use crate::support::socket::Socket;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_consent_a_student_reads_and_asks_nothing() {
    let mut school = School::start().await;
    let ada = school.app.student("ada").await;
    let session = ada.session().await;
    let mut before = ada.socket(&session).await;
    before.ask("before").await;
    school.app.model.call().await.answer("so").await;
    before.run_end().await;
    assert_eq!(ada.get("/users/me/consent").await.ok(200)["required"], false);

    school.policy(json!({"consent_required": true, "consent_version": "2026"})).await;
    assert_eq!(before.closed().await, 4403);
    let consent = ada.get("/users/me/consent").await.ok(200);
    assert_eq!(consent, json!({"required": true, "state": "unknown", "version": "2026"}));
    // Reading stays: lists, and a socket.
    assert_eq!(ada.messages(&session).await.len(), 2);
    let mut socket = ada.socket(&session).await;
    let question = socket.snapshot.as_ref().unwrap()["messages"][0]["id"].clone();
    for command in [
        json!({"type": "send", "text": "a"}),
        json!({"type": "edit", "message": question, "text": "b"}),
        json!({"type": "regenerate"}),
    ] {
        let mut command = command;
        let id = crate::support::socket::new_id();
        command["id"] = json!(id);
        socket.send(command).await;
        let refusal = socket.refusal(&id).await;
        assert_eq!(refusal["code"], "not_allowed");
        assert!(refusal["message"].as_str().unwrap().contains("consent"), "{refusal}");
    }
    let rest = json!({"session_id": session, "text": "a"});
    ada.post("/chat/message", rest.clone()).await.assert_problem(403, "consent_required");
    ada.post("/chat/message", json!({"text": "a"})).await.assert_problem(403, "consent_required");
    assert!(!school.app.model.was_called());
    // An older version is none.
    school.consent(&ada, "given", "2025").await;
    ada.post("/chat/message", rest).await.assert_problem(403, "consent_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_given_opens_the_open_socket_and_withdrawn_it_closes_it() {
    let mut school = School::start().await;
    school.policy(json!({"consent_required": true})).await;
    let (ada, bob) = (school.app.student("ada").await, school.app.student("bob").await);
    let session = ada.session().await;
    let mut socket = ada.socket(&session).await;
    let bobs = bob.session().await;
    school.consent(&ada, "given", "1").await;
    let given = Instant::now();
    // The socket hears of it with the next look.
    loop {
        let id = socket.ask("now?").await;
        let said = socket.until("an answer", |f| matches!(f.control(), Some("accepted" | "error"))).await;
        if said.control() == Some("accepted") {
            assert_eq!(said.body()["id"], json!(id));
            break;
        }
        assert!(given.elapsed() < Duration::from_secs(5), "{said:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    school.app.model.call().await.answer("so").await;
    socket.run_end().await;
    let mut other = bob.socket(&bobs).await;

    let withdrawn = Instant::now();
    school.consent(&ada, "withdrawn", "1").await;
    assert_eq!(socket.closed().await, 4403);
    assert!(withdrawn.elapsed() < Duration::from_secs(5));
    other.round_trip().await;
    let consent = ada.get("/users/me/consent").await.ok(200);
    assert_eq!((&consent["state"], &consent["by"]), (&json!("withdrawn"), &json!("guardian")));
    assert_eq!(school.app.count("SELECT count(*) FROM consents").await, 2, "nothing is overwritten");
    let events: Vec<_> = school.audit().await.into_iter().map(|row| row["event"].clone()).collect();
    for event in ["policy_changed", "consent_given", "consent_withdrawn"] {
        assert!(events.contains(&json!(event)), "{event} is not among {events:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_is_an_admins_to_record() {
    let school = School::start().await;
    let ada = school.app.student("ada").await;
    let path = format!("/admin/users/{}/consent", ada.user_id);
    let body = json!({"state": "given", "by": "school", "name": "Head", "version": "1"});
    ada.put(&path, body.clone()).await.assert_problem(403, "forbidden");
    ada.get("/admin/organisation/policy").await.assert_problem(403, "forbidden");
    ada.patch("/admin/organisation/policy", json!({"show_watchers": false}))
        .await
        .assert_problem(403, "forbidden");
    let nobody = format!("/admin/users/{}/consent", crate::support::socket::new_id());
    school.root.put(&nobody, body).await.assert_problem(404, "not_found");
    school
        .root
        .put(&path, json!({"state": "unknown", "by": "school", "name": "H", "version": "1"}))
        .await
        .assert_problem(422, "invalid_input");
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_are_hidden_from_the_student_and_never_from_who_watches() {
    let school = School::start().await;
    let ada = school.app.student("ada").await;
    let session = ada.session().await;
    let mut socket = ada.socket(&session).await;
    let mut watching = school.root.socket(&session).await;
    let shown = socket.control("state").await;
    assert_eq!(shown["watchers"].as_array().unwrap().len(), 1);
    watching.round_trip().await;

    school.policy(json!({"show_watchers": false})).await;
    assert_eq!(socket.control("state").await["watchers"], json!([]));
    assert_eq!(watching.control("state").await["watchers"].as_array().unwrap().len(), 1);
    let late = ada.socket(&session).await;
    assert_eq!(late.ready["state"]["watchers"], json!([]));
    // The student is not even told that nothing has changed: that would be one more way to see them.
    let nothing = async |socket: &mut Socket| {
        socket.send_text(r#"{"type":"ping","t":"the next"}"#).await;
        let next = socket.next().await;
        assert_eq!(next.control(), Some("pong"), "{next:?}");
    };
    let mut second = school.root.socket(&session).await;
    assert_eq!(second.ready["state"]["watchers"].as_array().unwrap().len(), 1);
    watching.control("state").await;
    second.send(json!({"type": "typing"})).await;
    second.round_trip().await;
    drop(second);
    watching.control("state").await;
    nothing(&mut socket).await;
    // A session that wakes later hides them as well.
    let other = ada.session().await;
    let mut socket = ada.socket(&other).await;
    let _watching = school.root.socket(&other).await;
    nothing(&mut socket).await;
    let id = socket.command("raise_hand").await;
    let state = socket.control("state").await;
    assert_eq!((&state["watchers"], &state["hand_raised"]), (&json!([]), &json!(true)), "{id}");
    let changed = school.events("policy_changed").await;
    assert_eq!(changed[0]["detail"]["show_watchers"], false);
}

/// What was accepted before a consent was withdrawn, or the account disabled, goes to nobody after it.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_not_asked_after_the_right_to_ask_has_ended() {
    let mut school = School::start().await;
    school.policy(json!({"consent_required": true})).await;
    for how in ["withdrawn", "disabled"] {
        let ada = school.app.student("ada").await;
        school.consent(&ada, "given", "1").await;
        let session = ada.session().await;
        let mut socket = ada.socket(&session).await;
        let first = socket.ask("first").await;
        socket.accepted(&first).await;
        let mut call = school.app.model.call().await;
        call.text("so far").await;
        socket.answer_so_far("so far").await;
        for text in ["second", "third"] {
            let id = socket.ask(text).await;
            socket.accepted(&id).await;
        }
        match how {
            "withdrawn" => school.consent(&ada, "withdrawn", "1").await,
            _ => {
                let path = format!("/admin/users/{}", ada.user_id);
                school.root.patch(&path, json!({"disabled": true})).await.ok(200);
            }
        }
        call.hung_up().await;
        let since = Instant::now();
        let waiting = "SELECT count(*) FROM messages WHERE status IN ('queued', 'streaming')";
        while school.app.count(waiting).await > 0 {
            assert!(since.elapsed() < Duration::from_secs(10), "{how}: it still waits");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!school.app.model.was_called(), "{how}");
        let messages = school.root.messages(&session).await;
        let stopped = messages.iter().filter(|message| message["status"] == "stopped").count();
        assert_eq!((messages.len(), stopped), (6, 3), "{how}: {messages:?}");
    }
}

const BANDS: [&str; 5] = ["unknown", "under_13", "13_to_15", "16_to_17", "adult"];

/// Which of `BANDS` are asked for a consent, by what the organisation has said.
fn table() -> [(Value, [bool; 5]); 4] {
    [
        (json!(null), [true, true, true, true, true]),
        (json!(13), [true, true, false, false, false]),
        (json!(16), [true, true, true, false, false]),
        (json!(18), [true, true, true, true, false]),
    ]
}

async fn set_band(school: &School, of: &Client, band: &str) {
    let path = format!("/admin/users/{}", of.user_id);
    let changed = school.root.patch(&path, json!({"age_band": band})).await.ok(200);
    assert_eq!(changed["age_band"], band);
}

/// Whether a question is refused for want of a consent, over REST and over a new socket.
async fn is_mute(student: &Client, session: &str) -> [bool; 2] {
    let nowhere = json!({"session_id": crate::support::socket::new_id(), "text": "a"});
    let rest = student.post("/chat/message", nowhere).await;
    assert!(matches!(rest.status, 403 | 404), "{rest:?}");
    let mut socket = student.socket(session).await;
    // There is no answer to be given again, which is said to those alone who may ask for one.
    let id = socket.command("regenerate").await;
    let refusal = socket.refusal(&id).await;
    let over_socket = refusal["message"].as_str().unwrap().contains("needs a consent");
    [rest.status == 403, over_socket]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_is_asked_of_those_who_may_be_younger_than_the_school_says() {
    let school = School::start().await;
    let mut students = Vec::new();
    for band in BANDS {
        let student = school.app.student(band).await;
        set_band(&school, &student, band).await;
        assert_eq!(student.get("/users/me").await.ok(200)["age_band"], band);
        let session = student.session().await;
        students.push((student, session));
    }
    for required in [true, false] {
        for (below, asked) in table() {
            let policy = json!({"consent_required": required, "consent_below": below});
            let policy = school.policy(policy).await;
            assert_eq!(policy["consent_below"], below);
            for ((band, (student, session)), asked) in BANDS.iter().zip(&students).zip(asked) {
                let what = format!("{band}, required {required}, below {below}");
                let consent = student.get("/users/me/consent").await.ok(200);
                assert_eq!(consent["required"], required && asked, "{what}");
                assert_eq!(is_mute(student, session).await, [required && asked; 2], "{what}");
            }
        }
    }
    // A consent that is there counts as ever, and of whoever is no student none is asked.
    school.policy(json!({"consent_required": true, "consent_below": 13})).await;
    let (child, session) = &students[1];
    school.consent(child, "given", "1").await;
    assert_eq!(is_mute(child, session).await, [false, false]);
    assert_eq!(school.root.get("/users/me/consent").await.ok(200)["required"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_socket_follows_the_age_band_and_the_rule_within_seconds() {
    let mut school = School::start().await;
    school.policy(json!({"consent_required": true, "consent_below": 16})).await;
    let (ada, bob) = (school.app.student("ada").await, school.app.student("bob").await);
    set_band(&school, &bob, "adult").await;
    let (session, bobs) = (ada.session().await, bob.session().await);
    // Nobody has said how old she is: she may only read, until somebody does.
    let mut socket = ada.socket(&session).await;
    let mut other = bob.socket(&bobs).await;
    for change in ["band", "rule"] {
        let since = Instant::now();
        match change {
            "band" => set_band(&school, &ada, "16_to_17").await,
            _ => drop(school.policy(json!({"consent_below": 16})).await),
        }
        loop {
            let id = socket.ask("now?").await;
            let said = socket.until("a reply", |f| matches!(f.control(), Some("accepted" | "error"))).await;
            if said.control() == Some("accepted") {
                assert_eq!(said.body()["id"], json!(id));
                break;
            }
            assert!(since.elapsed() < Duration::from_secs(5), "{change}: {said:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        school.app.model.call().await.answer("so").await;
        socket.run_end().await;
        let since = Instant::now();
        school.policy(json!({"consent_below": 18})).await;
        assert_eq!(socket.closed().await, 4403, "{change}");
        assert!(since.elapsed() < Duration::from_secs(5), "{change}");
        // An adult's is as it was.
        other.round_trip().await;
        socket = ada.socket(&session).await;
    }
    // Below again: what the model is saying stops, and what waits is not asked. (The socket that was opened to
    // read is still there: what it knows does not end the next one.)
    school.policy(json!({"consent_below": 16})).await;
    let (_reading, mut socket) = (socket, ada.socket(&session).await);
    let first = socket.ask("first").await;
    socket.accepted(&first).await;
    let mut call = school.app.model.call().await;
    call.text("so far").await;
    let second = socket.ask("second").await;
    socket.accepted(&second).await;
    let since = Instant::now();
    set_band(&school, &ada, "13_to_15").await;
    call.hung_up().await;
    assert_eq!(socket.closed().await, 4403);
    assert!(since.elapsed() < Duration::from_secs(5));
    other.round_trip().await;
    while school.app.count("SELECT count(*) FROM messages WHERE status IN ('queued', 'streaming')").await > 0
    {
        assert!(since.elapsed() < Duration::from_secs(10), "it still waits");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!school.app.model.was_called());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_age_band_is_the_schools_to_say() {
    let school = School::start().await;
    school
        .app
        .execute("INSERT INTO organisations VALUES ('00000000-0000-7000-8000-000000000002', 'Other', now())")
        .await;
    let (ada, far) = (school.app.student("ada").await, school.app.student("far").await);
    school
        .app
        .execute(&format!(
            "UPDATE users SET org_id = '00000000-0000-7000-8000-000000000002', role = 'admin' WHERE id = '{}'",
            far.user_id
        ))
        .await;
    let far = far.login().await;
    let path = format!("/admin/users/{}", ada.user_id);
    let adult = json!({"age_band": "adult"});
    ada.put("/users/me", adult.clone()).await.assert_problem(422, "invalid_input");
    ada.patch(&path, adult.clone()).await.assert_problem(403, "forbidden");
    far.patch(&path, adult.clone()).await.assert_problem(404, "not_found");
    assert_eq!(ada.get("/users/me").await.ok(200)["age_band"], "unknown");
    for bad in [json!("13"), json!(13), json!("Adult"), json!("")] {
        school.root.patch(&path, json!({"age_band": bad})).await.assert_problem(422, "invalid_input");
    }

    school.root.patch(&path, adult).await.ok(200);
    // What says nothing of it leaves it, and the same once more is no news.
    school.root.patch(&path, json!({"display_name": "Ada", "age_band": "adult"})).await.ok(200);
    school.root.patch(&path, json!({"display_name": "Ada L."})).await.ok(200);
    let email = "new@school.example";
    let new = json!({"email": email, "role": "student", "age_band": "under_13"});
    assert_eq!(school.root.post("/admin/users", new).await.ok(201)["age_band"], "under_13");
    let people = school.root.get("/admin/users").await.ok(200);
    let bands: Vec<_> = people["items"].as_array().unwrap().iter().map(|row| &row["age_band"]).collect();
    assert_eq!(bands, ["under_13", "adult", "unknown"]);
    assert_eq!(ada.get("/users/me/export").await.ok(200)["profile"]["age_band"], "adult");
    let changed = school.events("age_band_changed").await;
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(changed[0]["subject"], json!({"kind": "user", "id": ada.user_id}));
    assert_eq!(changed[0]["detail"], json!({"from": "unknown", "to": "adult"}));
    let created = school.events("account_created").await;
    assert!(!format!("{created:?}").contains("under_13"), "an age stands nowhere else: {created:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_age_is_another_thing_than_nothing_said_about_it() {
    let school = School::start().await;
    let path = "/admin/organisation/policy";
    assert_eq!(school.root.get(path).await.ok(200)["consent_below"], json!(null));
    assert_eq!(school.policy(json!({"consent_below": 16})).await["consent_below"], 16);
    assert_eq!(school.policy(json!({"show_watchers": false})).await["consent_below"], 16);
    for bad in [json!(14), json!("16"), json!(0), json!(65_549), json!(true)] {
        let refused = school.root.patch(path, json!({"consent_below": bad})).await;
        assert_eq!(refused.body["errors"][0]["pointer"], "/consent_below", "{bad}");
        refused.assert_problem(422, "invalid_input");
    }
    assert_eq!(school.policy(json!({"consent_below": null})).await["consent_below"], json!(null));
    assert_eq!(school.root.get(path).await.ok(200)["consent_below"], json!(null));
    let said: Vec<_> = school
        .events("policy_changed")
        .await
        .iter()
        .map(|row| row["detail"]["consent_below"].clone())
        .collect();
    assert_eq!(said, [json!(16), json!(16), json!(null)]);
}

/// As above, while the server was down: it is asked when the session wakes.
#[tokio::test(flavor = "multi_thread")]
async fn what_waited_over_a_restart_is_not_asked_after_the_right_to_ask_has_ended() {
    for how in ["asked anew", "disabled", "neither"] {
        let builder =
            crate::support::app::TestApp::builder().settings(|s| s.drain = Duration::from_millis(100));
        let mut school = Box::pin(School::of(builder)).await;
        school.policy(json!({"consent_required": true})).await;
        let ada = school.app.student("ada").await;
        school.consent(&ada, "given", "1").await;
        let session = ada.session().await;
        let mut socket = ada.socket(&session).await;
        let first = socket.ask("first").await;
        socket.accepted(&first).await;
        let mut call = school.app.model.call().await;
        call.text("so far").await;
        let second = socket.ask("second").await;
        socket.accepted(&second).await;
        school.app.stop().await;
        call.hung_up().await;
        match how {
            "asked anew" => {
                school.app.execute("UPDATE organisations SET consent_version = 'another'").await;
            }
            "disabled" => {
                let sql = format!("UPDATE users SET disabled_at = now() WHERE id = '{}'", ada.user_id);
                school.app.execute(&sql).await;
            }
            _ => {}
        }
        school.app.start_again().await;
        if how == "neither" {
            school.app.model.call().await.answer("yes").await;
        }
        let since = Instant::now();
        while school.app.count("SELECT count(*) FROM messages WHERE status IN ('queued', 'streaming')").await
            > 0
        {
            assert!(since.elapsed() < Duration::from_secs(10), "{how}: it still waits");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!school.app.model.was_called(), "{how}");
        let stopped = school.app.count("SELECT count(*) FROM messages WHERE status = 'stopped'").await;
        assert_eq!(stopped, i64::from(how != "neither"), "{how}");
    }
}
