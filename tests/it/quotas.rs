//! Quotas, as a student meets them.

use std::time::Duration;

use futures_util::future::join_all;
use fynq::config::Quota;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::app::{Builder, TestApp};
use crate::support::socket::new_id;

fn limited(quota: Quota) -> Builder {
    TestApp::builder().settings(|settings| settings.quotas.student = quota)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_at_once_as_many_reach_the_model_as_the_quota_says() {
    let quota = Quota { messages_day: Some(20), ..Quota::default() };
    let mut app = limited(quota).start().await;
    let ada = app.student("ada").await;
    // Nobody of a thousand is served at once.
    let ada = ada.patient();
    let mut asking = JoinSet::new();
    for n in 0..1000 {
        let ada = ada.clone();
        asking.spawn(async move {
            let body = json!({"id": new_id(), "text": format!("question {n}")});
            loop {
                let reply = ada.post("/chat/message", body.clone()).await;
                // A thousand at once may be more than the pool takes in its time: whoever is told to come
                // back does, with the same id.
                if reply.status != 503 {
                    return reply;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    let (mut answered, mut called, mut refused) = (0, 0, 0);
    while answered + refused < 1000 {
        tokio::select! {
            call = app.model.any_call() => {
                called += 1;
                call.answer("so").await;
            }
            reply = asking.join_next() => match reply.unwrap().unwrap() {
                reply if reply.status == 429 => {
                    reply.assert_problem(429, "quota_exceeded");
                    refused += 1;
                }
                reply => {
                    assert_eq!(reply.status, 200, "{reply:?}");
                    answered += 1;
                }
            }
        }
    }
    assert_eq!(called, 20);
    assert_eq!((answered, refused), (20, 980));
    assert!(!app.model.was_called());
    assert_eq!(app.count("SELECT count(*) FROM messages WHERE role = 'user'").await, 20);
    assert_eq!(app.count("SELECT max(messages) FROM quota_use").await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_over_is_told_when_it_starts_anew() {
    let quota = Quota { messages_day: Some(2), tokens_month: Some(1000), ..Quota::default() };
    let mut app = limited(quota).start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    let mut socket = ada.socket(&session).await;
    for _ in 0..2 {
        socket.ask("one").await;
        app.model.call().await.answer("so").await;
        socket.run_end().await;
    }
    let usage = ada.get("/users/me/usage").await.ok(200);
    let limits = usage["limits"].as_array().unwrap();
    let of = |what: &str| limits.iter().find(|limit| limit["what"] == what).unwrap();
    assert_eq!((&of("messages")["used"], &of("messages")["limit"]), (&json!(2), &json!(2)));
    assert_eq!((&of("tokens")["used"], &of("tokens")["per"]), (&json!(36), &json!("month")));

    let id = socket.ask("one more").await;
    let refusal = socket.refusal(&id).await;
    assert_eq!(refusal["code"], "quota_exceeded");
    let wait = refusal["retry_after_ms"].as_u64().unwrap();
    assert!((1..=86_400_000).contains(&wait), "{refusal}");
    assert!(refusal["message"].as_str().unwrap().contains("00:00 UTC"), "{refusal}");
    for command in ["regenerate"] {
        let id = socket.command(command).await;
        assert_eq!(socket.refusal(&id).await["code"], "quota_exceeded");
    }
    let response =
        ada.request(http::Method::POST, "/chat/message").json(&json!({"text": "x"})).send().await.unwrap();
    assert_eq!(response.status(), 429);
    let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&seconds));
    assert!(!app.model.was_called());
    // Nothing of it is there, and what was said before stands.
    assert_eq!(ada.messages(&session).await.len(), 4);
    let others = join_all((0..3).map(|_| app.student("bob"))).await;
    let bob = others[0].session().await;
    let mut socket = others[0].socket(&bob).await;
    let id = socket.ask("mine").await;
    socket.accepted(&id).await;
    app.model.call().await.answer("so").await;
    socket.run_end().await;
}

/// Whoever deletes the session before its answer ends pays for it all the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_session_is_deleted_counts() {
    let quota = Quota { tokens_day: Some(20), ..Quota::default() };
    let mut app = limited(quota).start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    let mut socket = ada.socket(&session).await;
    socket.ask("Tell me everything").await;
    let mut call = app.model.call().await;
    let words = "many words ".repeat(50);
    call.text(&words).await;
    socket.answer_so_far(&words).await;
    ada.delete(&format!("/sessions/{session}")).await.ok(204);
    call.hung_up().await;
    let usage = ada.get("/users/me/usage").await.ok(200);
    let used = usage["limits"][0]["used"].as_i64().unwrap();
    assert!(used > 100, "{usage}");
    ada.post("/chat/message", json!({"text": "more"})).await.assert_problem(429, "quota_exceeded");
    assert!(!app.model.was_called());
}
