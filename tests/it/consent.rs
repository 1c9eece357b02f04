//! Consent as an organisation asks for it, and what a student may do without.

use std::time::{Duration, Instant};

use serde_json::json;

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
