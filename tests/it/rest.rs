//! The REST door as the outside sees it: contract 2.

use std::time::Duration;

use futures_util::StreamExt as _;
use http::Method;
use serde_json::{Value, json};

use crate::support::app::{Builder, TestApp};
use crate::support::client::{Client, Reply};
use crate::support::socket::new_id;

fn but_request_id(reply: &Reply) -> (u16, Value) {
    let mut body = reply.body.clone();
    body.as_object_mut().expect("a problem").remove("request_id");
    (reply.status, body)
}

async fn raw(app: &TestApp, path: &str) -> reqwest::Response {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.get(format!("http://{}{path}", app.addr)).send().await.unwrap()
}

fn with_admin() -> Builder {
    TestApp::builder().settings(|s| {
        s.accounts.admin = Some(("root@school.example".into(), "a long password".to_owned().into()));
    })
}

async fn admin(app: &TestApp) -> Client {
    let mut root = Client::stranger(app.addr);
    root.email = "root@school.example".into();
    root.password = "a long password".into();
    root.login().await
}

/// Asks over REST, lets the model answer, gives the reply.
async fn asked(app: &mut TestApp, who: &Client, body: Value, answer: &str) -> Value {
    let call = {
        let (who, body) = (who.clone(), body.clone());
        tokio::spawn(async move { who.post("/chat/message", body).await })
    };
    app.model.call().await.answer(answer).await;
    call.await.unwrap().ok(200)
}

// ---- Doors and errors ------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn no_documented_route_is_open_but_the_named_ones() {
    let app = TestApp::builder().start().await;
    let document: Value = raw(&app, "/api/v1/openapi.json").await.json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let nobody = Client::stranger(app.addr);
    let mut closed = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/api/v1") else { continue };
        let path = path.replace("{id}", &new_id()).replace("{user_id}", &new_id());
        for (method, operation) in item.as_object().unwrap() {
            if operation.get("security").is_some() {
                continue;
            }
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            for body in [None, Some(json!({}))] {
                nobody.call(method.clone(), &path, body).await.assert_problem(401, "unauthorized");
            }
            closed += 1;
        }
    }
    assert!(closed >= 12, "{closed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_session_answers_like_one_that_never_was() {
    let app = TestApp::builder().start().await;
    let (ada, eve) = (app.student("ada").await, app.student("eve").await);
    let (hers, nobodys) = (ada.session().await, new_id());
    let calls = [
        (Method::GET, "/sessions/$", None),
        (Method::PATCH, "/sessions/$", Some(json!({"title": "mine"}))),
        (Method::DELETE, "/sessions/$", None),
        (Method::GET, "/sessions/$/messages", None),
        (Method::POST, "/chat/message", Some(json!({"session_id": "$", "text": "Hello"}))),
    ];
    for (method, path, body) in calls {
        let call = |id: &str| {
            let body =
                body.as_ref().map(|body| serde_json::from_str(&body.to_string().replace('$', id)).unwrap());
            let path = path.replace('$', id);
            let (eve, method) = (eve.clone(), method.clone());
            async move { eve.call(method, &path, body).await }
        };
        let foreign = call(&hers).await;
        foreign.assert_problem(404, "not_found");
        assert_eq!(but_request_id(&foreign), but_request_id(&call(&nobodys).await), "{method} {path}");
    }
    let foreign = eve.get(&format!("/chat/history/{}", ada.user_id)).await;
    foreign.assert_problem(404, "not_found");
    let never = eve.get(&format!("/chat/history/{}", new_id())).await;
    assert_eq!(but_request_id(&foreign), but_request_id(&never));
    assert_eq!(eve.get("/sessions").await.ok(200)["items"], json!([]));
    assert_eq!(ada.get("/sessions").await.ok(200)["items"][0]["id"], json!(hers));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_all_and_changes_nothing() {
    let app = with_admin().start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    let root = admin(&app).await;
    root.get(&format!("/sessions/{session}")).await.ok(200);
    root.get(&format!("/sessions/{session}/messages")).await.ok(200);
    root.get(&format!("/chat/history/{}", ada.user_id)).await.ok(200);
    root.get(&format!("/chat/history/{}", new_id())).await.assert_problem(404, "not_found");
    assert_eq!(root.get("/sessions").await.ok(200)["items"][0]["id"], json!(session));
    root.patch(&format!("/sessions/{session}"), json!({"title": "x"})).await.assert_problem(403, "forbidden");
    root.delete(&format!("/sessions/{session}")).await.assert_problem(403, "forbidden");
    let say = json!({"session_id": session, "text": "Hello"});
    root.post("/chat/message", say).await.assert_problem(403, "forbidden");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_and_methods_are_problems_too() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    for path in ["/nothing", "/sessions/", "/sessions/not-a-uuid", "/sessions/not-a-uuid/messages", "/auth"] {
        ada.get(path).await.assert_problem(404, "not_found");
    }
    for path in ["/api", "/api/", "/api/v2/sessions"] {
        let response = raw(&app, path).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
    }
    let refused = ada.request(Method::PUT, "/sessions").send().await.unwrap();
    assert_eq!(refused.status(), 405);
    let allowed = refused.headers()["allow"].to_str().unwrap().to_owned();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    ada.delete("/auth/login").await.assert_problem(405, "method_not_allowed");
    let index = raw(&app, "/api/v1").await;
    let index: Value = index.json().await.unwrap();
    assert_eq!((&index["name"], &index["model"]["practice"]), (&json!("fynq"), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_refused_for_what_is_wrong_with_them() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let send = |media: &'static str, body: String| {
        let request = ada.request(Method::POST, "/sessions").header("content-type", media).body(body);
        async move {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let body: Value = response.json().await.unwrap();
            (status, body["code"].as_str().unwrap_or_default().to_owned(), body["errors"].clone())
        }
    };
    let json = "application/json";
    assert_eq!(send(json, "{".into()).await.0, 400);
    assert_eq!(send(json, String::new()).await.1, "malformed_json");
    assert_eq!(send("text/plain", "{}".into()).await.1, "unsupported_media_type");
    assert_eq!(send("application/x-www-form-urlencoded", "a=b".into()).await.0, 415);
    let (status, code, _) = send(json, format!("{{\"title\":\"{}\"}}", "x".repeat(300_000))).await;
    assert_eq!((status, &*code), (413, "payload_too_large"));
    let (status, code, errors) = send(json, r#"{"title":5}"#.into()).await;
    assert_eq!((status, &*code, &errors[0]["pointer"]), (422, "invalid_input", &json!("/title")));
    assert_eq!(send("application/json; charset=utf-8", "{}".into()).await.0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_one_name_in_header_and_body() {
    let app = TestApp::builder().start().await;
    let nobody = Client::stranger(app.addr);
    let ask = |id: &'static str| {
        let request = nobody.request(Method::GET, "/users/me").header("x-request-id", id);
        async move {
            let response = request.send().await.unwrap();
            let header = response.headers()["x-request-id"].to_str().unwrap().to_owned();
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["request_id"], json!(header));
            header
        }
    };
    assert_eq!(ask("client-1.a_b").await, "client-1.a_b");
    for foul in ["a b", "<script>", "x".repeat(65).leak()] {
        assert_eq!(ask(foul).await.len(), 36, "{foul}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_not_kept_and_not_guessed_at() {
    let app = TestApp::builder().start().await;
    for path in ["/api/v1", "/api/v1/users/me", "/health/live"] {
        let headers = raw(&app, path).await.headers().clone();
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_allowed_origins_alone_may_read() {
    let builder = TestApp::builder().settings(|s| s.allowed_origins = vec!["https://tutor.example".into()]);
    let app = builder.start().await;
    let nobody = Client::stranger(app.addr);
    for (origin, allowed) in [
        ("https://tutor.example", true),
        ("https://evil.example", false),
        ("null", false),
        ("http://tutor.example", false),
    ] {
        let preflight = nobody
            .request(Method::OPTIONS, "/sessions")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let response = preflight.send().await.unwrap();
        let granted = response.headers().get("access-control-allow-origin");
        assert_eq!(granted.is_some_and(|value| value == origin), allowed, "{origin}");
        // A refusal must be readable for an allowed page, too.
        let refused = nobody.request(Method::GET, "/users/me").header("origin", origin).send().await.unwrap();
        assert_eq!(refused.headers().contains_key("access-control-allow-origin"), allowed, "{origin}");
        assert!(!refused.headers().contains_key("access-control-allow-credentials"));
    }
}

// ---- Sessions --------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_made_changed_and_deleted() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let made = ada.post("/sessions", json!({"title": "Fractions", "subject": "Maths"})).await.ok(201);
    assert_eq!((&made["student_id"], &made["control"]), (&json!(ada.user_id), &json!("ai")));
    let path = format!("/sessions/{}", made["id"].as_str().unwrap());
    assert_eq!(ada.get(&path).await.ok(200), made);
    let changed = ada.patch(&path, json!({"title": "Halves"})).await.ok(200);
    assert_eq!((&changed["title"], &changed["subject"]), (&json!("Halves"), &json!("Maths")));
    let changed = ada.patch(&path, json!({"subject": null})).await.ok(200);
    assert_eq!((&changed["title"], &changed["subject"]), (&json!("Halves"), &Value::Null));
    ada.patch(&path, json!({"student_id": new_id()})).await.assert_problem(422, "invalid_input");
    assert_eq!(ada.delete(&path).await.status, 204);
    ada.get(&path).await.assert_problem(404, "not_found");
    ada.delete(&path).await.assert_problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_and_are_searched() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    for n in 0..5 {
        ada.post("/sessions", json!({"title": format!("100% of {n}")})).await.ok(201);
    }
    let mut titles = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = ada.get(&format!("/sessions?limit=2{cursor}")).await.ok(200);
        titles.extend(page["items"].as_array().unwrap().iter().map(|item| item["title"].clone()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(titles, (0..5).rev().map(|n| json!(format!("100% of {n}"))).collect::<Vec<_>>());
    for bad in ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=bnVsbA", "limit=1&limit=2"] {
        let refused = ada.get(&format!("/sessions?{bad}")).await;
        refused.assert_problem(422, "invalid_input");
        assert!(refused.body["errors"][0]["pointer"].as_str().unwrap().starts_with('?'), "{refused:?}");
    }
}

/// What one searches for is in no address, and so in nobody's log of addresses.
#[tokio::test(flavor = "multi_thread")]
async fn words_searched_for_are_in_the_body() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    for n in 0..5 {
        ada.post("/sessions", json!({"title": format!("100% of {n}")})).await.ok(201);
    }
    let found = async |body: Value| ada.post("/sessions/search", body).await.ok(200);
    let count = async |q: &str| found(json!({"q": q})).await["items"].as_array().unwrap().len();
    assert_eq!(count("OF 3").await, 1);
    assert_eq!(count(" 100% ").await, 5);
    assert_eq!(count("_%").await, 0, "wildcards are text");
    let mut titles = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let page = found(json!({"q": "100%", "limit": 2, "cursor": cursor})).await;
        titles.extend(page["items"].as_array().unwrap().iter().map(|item| item["title"].clone()));
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(titles, (0..5).rev().map(|n| json!(format!("100% of {n}"))).collect::<Vec<_>>());
    for (bad, pointer) in [
        (json!({}), "/q"),
        (json!({"q": " "}), "/q"),
        (json!({"q": "\0"}), "/q"),
        (json!({"q": "x", "limit": 101}), "/limit"),
        (json!({"q": "x", "cursor": "bnVsbA"}), "/cursor"),
        (json!({"q": "x", "search": "x"}), "/search"),
    ] {
        let refused = ada.post("/sessions/search", bad).await;
        refused.assert_problem(422, "invalid_input");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{refused:?}");
    }
    // Nothing that is documented takes words in its address any more.
    let document: Value = serde_json::from_str(&fynq::rest::openapi()).unwrap();
    let text = document.to_string();
    for name in ["q", "search", "email", "name"] {
        assert!(!text.contains(&format!(r#""in":"query","name":"{name}""#)), "{name}");
        assert!(!text.contains(&format!(r#""name":"{name}","in":"query""#)), "{name}");
    }
    assert!(text.contains(r#""in":"query""#));
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_listed_forwards_and_backwards() {
    let mut app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    for n in 0..3 {
        asked(&mut app, &ada, json!({"session_id": session, "text": format!("q{n}")}), &format!("a{n}"))
            .await;
    }
    let texts = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap().to_owned()).collect()
    };
    let path = format!("/sessions/{session}/messages");
    let first = ada.get(&format!("{path}?limit=4")).await.ok(200);
    assert_eq!(texts(&first), ["q0", "a0", "q1", "a1"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = ada.get(&format!("{path}?limit=4&cursor={cursor}")).await.ok(200);
    assert_eq!(texts(&second), ["q2", "a2"]);
    assert_eq!(second["next_cursor"], Value::Null);
    let oldest = second["items"][0]["id"].as_str().unwrap();
    let before = ada.get(&format!("{path}?limit=3&before={oldest}")).await.ok(200);
    assert_eq!(texts(&before), ["a0", "q1", "a1"]);
    ada.get(&format!("{path}?before=x")).await.assert_problem(422, "invalid_input");
    ada.get(&format!("{path}?before={oldest}&cursor={cursor}")).await.assert_problem(422, "invalid_input");
    let message = &first["items"][1];
    assert_eq!((&message["role"], &message["author"]["kind"]), (&json!("assistant"), &json!("assistant")));
    assert_eq!((&message["status"], &message["files"]), (&json!("complete"), &json!([])));
    assert_eq!(message["finish_reason"], "stop");

    let other = ada.session().await;
    asked(&mut app, &ada, json!({"session_id": other, "text": "later"}), "yes").await;
    let history = ada.get(&format!("/chat/history/{}?limit=3", ada.user_id)).await.ok(200);
    assert_eq!(texts(&history), ["later", "yes", "q0"]);
    let cursor = history["next_cursor"].as_str().unwrap();
    let rest = ada.get(&format!("/chat/history/{}?cursor={cursor}", ada.user_id)).await.ok(200);
    assert_eq!(texts(&rest), ["a0", "q1", "a1", "q2", "a2"]);
}

// ---- Chat ------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_answered_in_one_reply() {
    let mut app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let id = new_id();
    let body = json!({"id": id, "text": "What is a half?"});
    let reply = asked(&mut app, &ada, body.clone(), "One of two equal parts.").await;
    assert_eq!(
        (&reply["message"]["id"], &reply["message"]["content"]),
        (&json!(id), &json!("What is a half?"))
    );
    assert_eq!(reply["reply"]["content"], "One of two equal parts.");
    assert_eq!(reply["reply"]["status"], "complete");
    let session = reply["session_id"].as_str().unwrap().to_owned();

    // The same message again has no new effect, whatever it names.
    let again = ada.post("/chat/message", body).await.ok(200);
    assert_eq!(again, reply);
    let again =
        ada.post("/chat/message", json!({"id": id, "text": "What is a half?", "session_id": session})).await;
    assert_eq!(again.ok(200), reply);
    assert!(!app.model.was_called());
    assert_eq!(ada.get("/sessions").await.ok(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(ada.messages(&session).await.len(), 2);

    // Also after the session has left memory.
    app.stop().await;
    app.start_again().await;
    let ada = ada.at(app.addr);
    let again = ada.post("/chat/message", json!({"id": id, "text": "What is a half?"})).await;
    assert_eq!(again.ok(200), reply);
    assert!(!app.model.was_called());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_answer_is_a_reply_with_its_status() {
    let mut app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let call = {
        let ada = ada.clone();
        tokio::spawn(async move { ada.post("/chat/message", json!({"text": "Why?"})).await })
    };
    let mut model = app.model.call().await;
    model.text("Beca").await;
    model.end_early();
    let reply = call.await.unwrap().ok(200);
    assert_eq!((&reply["reply"]["status"], &reply["reply"]["content"]), (&json!("failed"), &json!("Beca")));
    assert_eq!(reply["reply"]["error"], "model_truncated");
}

/// The events of an SSE body, whose form is checked to the byte.
fn events(body: &str) -> Vec<Value> {
    assert!(!body.contains('\r'), "{body:?}");
    let frames: Vec<&str> = body
        .strip_suffix("\n\n")
        .unwrap_or_else(|| panic!("no blank line at the end: {body:?}"))
        .split("\n\n")
        .collect();
    frames
        .into_iter()
        .map(|frame| {
            let data = frame.strip_prefix("data: ").unwrap_or_else(|| panic!("{frame:?}"));
            assert!(!data.contains('\n'), "{frame:?}");
            serde_json::from_str(data).unwrap()
        })
        .collect()
}

fn sse(who: &Client, body: &Value) -> reqwest::RequestBuilder {
    who.request(Method::POST, "/chat/message").header("accept", "text/event-stream").json(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_answered_by_the_events_of_its_run() {
    let mut app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let id = new_id();
    let body = json!({"id": id, "text": "Count"});
    let call = tokio::spawn(sse(&ada, &body).send());
    let mut model = app.model.call().await;
    model.text("one\n\n").await;
    let response = call.await.unwrap().unwrap();
    assert_eq!(response.status(), 200);
    for (name, value) in
        [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no")]
    {
        assert_eq!(response.headers()[name], value);
    }
    let reading = tokio::spawn(response.text());
    model.answer("two").await;
    let told = events(&reading.await.unwrap().unwrap());
    let types: Vec<&str> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types[..4], ["RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"]);
    assert_eq!(types[types.len() - 2..], ["TEXT_MESSAGE_END", "RUN_FINISHED"]);
    assert_eq!(told[1]["messageId"], json!(id));
    let answer = |told: &[Value]| -> String {
        let deltas = told.iter().skip(4).filter_map(|event| event["delta"].as_str());
        deltas.collect()
    };
    assert_eq!(answer(&told), "one\n\ntwo");

    // Told again from what is stored, with the same words.
    app.stop().await;
    app.start_again().await;
    let again = sse(&ada.at(app.addr), &body).send().await.unwrap().text().await.unwrap();
    let again = events(&again);
    assert_eq!(answer(&again), "one\n\ntwo");
    assert_eq!(again[0]["runId"], told[0]["runId"]);
    assert_eq!(again.last().unwrap()["type"], "RUN_FINISHED");
}

/// The log has forgotten the beginning of the run: then its rows tell it, and whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_again_is_answered_by_a_whole_run() {
    let mut app = TestApp::builder().settings(|s| s.session.log_bytes = 4096).start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    let mut socket = ada.socket(&session).await;
    let id = socket.ask("Count").await;
    let body = json!({"session_id": session, "id": id, "text": "Count"});
    let mut model = app.model.call().await;
    let mut wanted = String::new();
    for n in 0..100 {
        wanted.push_str(&format!("{n} "));
        model.text(&format!("{n} ")).await;
        socket.answer_so_far(&wanted).await;
    }
    let again = tokio::spawn(sse(&ada, &body).send());
    let again = tokio::spawn(async move { again.await.unwrap().unwrap().text().await.unwrap() });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    wanted.push_str("100");
    model.answer("100").await;
    socket.run_end().await;
    let late = sse(&ada, &body).send().await.unwrap().text().await.unwrap();
    for told in [again.await.unwrap(), late] {
        let told = events(&told);
        assert_eq!(told[0]["type"], "RUN_STARTED", "{}", told[0]);
        let deltas = told.iter().skip(4).filter_map(|event| event["delta"].as_str());
        assert_eq!(deltas.collect::<String>(), wanted);
        assert_eq!(told.last().unwrap()["type"], "RUN_FINISHED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_up_does_not_stop_the_run() {
    let mut app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    let body = json!({"session_id": session, "text": "Tell me"});
    let mut response = {
        let call = tokio::spawn(sse(&ada, &body).send());
        let mut model = app.model.call().await;
        model.text("first ").await;
        (call.await.unwrap().unwrap().bytes_stream(), model)
    };
    response.0.next().await.unwrap().unwrap();
    drop(response.0);
    response.1.answer("second").await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let messages = ada.messages(&session).await;
        if messages.last().is_some_and(|m| m["status"] == "complete" && m["content"] == "first second") {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{messages:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cannot_be_taken_is_refused() {
    let mut app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    for body in [
        json!({"text": ""}),
        json!({"text": "x".repeat(16 * 1024 + 1)}),
        json!({"text": "a", "files": [new_id()]}),
        json!({"text": "a\u{0}"}),
        json!({"text": "a", "session_id": "x"}),
        json!({"text": "a", "role": "assistant"}),
        json!({}),
    ] {
        ada.post("/chat/message", body).await.assert_problem(422, "invalid_input");
    }
    assert_eq!(app.count("SELECT count(*) FROM messages").await, 0);
    assert_eq!(app.count("SELECT count(*) FROM sessions").await, 1);

    // One runs and four wait: a sixth finds no place.
    let mut calls = Vec::new();
    for n in 0..5 {
        calls.push(tokio::spawn(sse(&ada, &json!({"session_id": session, "text": format!("q{n}")})).send()));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while app.count("SELECT count(*) FROM messages WHERE role = 'user'").await <= n {
            assert!(tokio::time::Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    let full = ada.post("/chat/message", json!({"session_id": session, "text": "q5"})).await;
    full.assert_problem(409, "queue_full");
    for _ in 0..5 {
        app.model.call().await.answer("ok").await;
    }
}

// ---- Operations ------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn readiness_and_refusals_follow_the_database() {
    let app = TestApp::builder().database_proxy().start().await;
    let ada = app.student("ada").await;
    assert_eq!(raw(&app, "/health/ready").await.status(), 200);
    let proxy = app.database_proxy.as_ref().unwrap();
    proxy.refuse();
    let started = std::time::Instant::now();
    let response = raw(&app, "/health/ready").await;
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(response.status(), 503);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], "unavailable");
    assert_ne!(body["checks"]["database"], "ok");
    assert_eq!(raw(&app, "/health/live").await.status(), 200);
    let refused = ada.request(Method::GET, "/sessions").send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["code"], "storage_unavailable");
    proxy.heal();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while raw(&app, "/health/ready").await.status() != 200 {
        assert!(tokio::time::Instant::now() < deadline, "not ready again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ada.get("/sessions").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_name_routes_and_never_ids() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    ada.get(&format!("/sessions/{session}")).await.ok(200);
    let response = raw(&app, "/metrics").await;
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let text = response.text().await.unwrap();
    assert!(text.contains(r#"route="/api/v1/sessions/{id}""#), "{text}");
    assert!(!text.contains(&session));
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_may_be_for_the_operator_alone() {
    let token = "sixteen-characters-of-the-operators";
    let app = TestApp::builder().settings(|s| s.metrics_token = Some(token.to_owned().into())).start().await;
    let ada = app.student("ada").await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |header: Option<String>| {
        let mut request = http.get(format!("http://{}/metrics", app.addr));
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    for wrong in ["", &token[1..], &format!("{token}x"), &token.to_uppercase(), &ada.token] {
        assert_eq!(ask(Some(format!("Bearer {wrong}"))).await.0, 401, "{wrong}");
    }
    for refused in [None, Some(format!("Basic {token}")), Some(token.to_owned())] {
        let (status, text) = ask(refused).await;
        assert!(status == 401 && text.contains("\"code\":\"unauthorized\""), "{status} {text}");
    }
    let (status, text) = ask(Some(format!("Bearer {token}"))).await;
    assert!(status == 200 && text.contains("fynq_http_requests_total"), "{status} {text}");
    // Nothing else opens with it, and health stays open.
    ada.with_token(token).get("/users/me").await.assert_problem(401, "unauthorized");
    assert_eq!(raw(&app, "/health/live").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_methods_are_counted_as_one() {
    let app = TestApp::builder().start().await;
    for method in ["BREW", "BREW-MORE", "TRACE"] {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("http://{}/api/v1/sessions", app.addr);
        let answer = reqwest::Client::builder().no_proxy().build().unwrap().request(method, url).send().await;
        assert_eq!(answer.unwrap().status(), 405);
    }
    let text = raw(&app, "/metrics").await.text().await.unwrap();
    assert!(text.contains(r#"method="other",route="/api/v1/sessions""#), "{text}");
    assert!(!text.contains("BREW"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_and_their_page_are_served() {
    let app = TestApp::builder().start().await;
    let page = raw(&app, "/docs/").await;
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
    let text = page.text().await.unwrap();
    assert!(!text.contains("http://") && !text.contains("https://"), "loads from elsewhere: {text}");
    // Under this policy an inline script would not run.
    for script in text.split("<script").skip(1) {
        assert!(script.split('>').next().unwrap().contains("src="), "{script}");
    }
    let starter = raw(&app, "/docs/swagger-initializer.js").await.text().await.unwrap();
    assert!(starter.contains("/api/v1/openapi.json"), "{starter}");
    assert_eq!(raw(&app, "/docs").await.status(), 200, "the address without a slash leads there");
    let asyncapi: Value = raw(&app, "/api/v1/asyncapi.json").await.json().await.unwrap();
    assert_eq!(asyncapi["asyncapi"], "3.0.0");
}
