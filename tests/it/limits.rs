//! How often one may ask, and as whom one is counted.

use std::time::Duration;

use fynq::config::Rate;
use http::Method;
use serde_json::json;

use crate::support::app::{Builder, TestApp};
use crate::support::client::{Client, PROTOCOL};
use crate::support::frame::Frame;
use crate::support::log::Log;
use crate::support::socket::Socket;

const HOUR: Duration = Duration::from_secs(3600);

fn limited(change: impl FnOnce(&mut fynq::config::Limits)) -> Builder {
    TestApp::builder().settings(|s| {
        s.rate_limit = true;
        change(&mut s.limits);
    })
}

/// Asks for the index as a proxy would that heard this.
async fn index(app: &TestApp, heard: &str) -> reqwest::Response {
    let nobody = Client::stranger(app.addr);
    nobody.request(Method::GET, "").header("x-forwarded-for", heard).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_each_client_has_a_count_of_its_own() {
    let two = |limits: &mut fynq::config::Limits| limits.requests_address = Rate::new(2, HOUR);
    let app =
        limited(two).settings(|s| s.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).start().await;
    for client in ["192.0.2.1", "192.0.2.2", "[2001:db8::1]:99"] {
        for _ in 0..2 {
            assert_eq!(index(&app, client).await.status(), 200, "{client}");
        }
        assert_eq!(index(&app, client).await.status(), 429, "{client}");
        // What a client writes before the proxy does makes it nobody else.
        assert_eq!(index(&app, &format!("198.51.100.7, {client}")).await.status(), 429);
    }
    // Not through a trusted proxy, whatever the header says.
    let app = limited(two).start().await;
    for n in 0..2 {
        assert_eq!(index(&app, &format!("192.0.2.{n}")).await.status(), 200);
    }
    assert_eq!(index(&app, "192.0.2.9").await.status(), 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_tells_what_is_left_and_a_refusal_when_to_come_back() {
    let app = limited(|limits| limits.requests_user = Rate::new(3, HOUR))
        .settings(|s| s.allowed_origins = vec!["https://tutor.example".into()])
        .start()
        .await;
    let (ada, eve) = (app.student("ada").await, app.student("eve").await);
    let ask = async |who: &Client| {
        let request = who.request(Method::GET, "/users/me").header("origin", "https://tutor.example");
        let response = request.send().await.unwrap();
        let header =
            |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let told = (header("ratelimit-policy"), header("ratelimit"), header("retry-after"));
        let exposed = header("access-control-expose-headers").to_lowercase();
        assert!(exposed.contains("ratelimit,") && exposed.contains("ratelimit-policy"), "{exposed}");
        (response.status().as_u16(), told)
    };
    let (status, (policy, left, after)) = ask(&ada).await;
    assert_eq!((status, after.as_str()), (200, ""));
    assert_eq!(policy, r#""requests-address";q=12000;w=60, "requests-user";q=3;w=3600"#);
    assert!(left.ends_with(r#", "requests-user";r=2;t=1200"#), "{left}");
    ask(&ada).await;
    assert!(ask(&ada).await.1.1.ends_with(r#", "requests-user";r=0;t=3600"#));
    let (status, (policy, left, after)) = ask(&ada).await;
    assert_eq!(status, 429);
    assert!(policy.contains("\"requests-user\";q=3;w=3600"), "{policy}");
    let wait: u64 = after.parse().unwrap();
    assert!((1190..=1200).contains(&wait), "{wait}");
    assert!(left.ends_with(&format!(r#", "requests-user";r=0;t={wait}"#)), "{left}");
    // It is her own count: not the other's, and not the address's.
    assert_eq!(ask(&eve).await.0, 200);
    ada.get("/users/me").await.assert_problem(429, "rate_limited");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_limits_off_nothing_is_counted_and_nothing_told() {
    let app = TestApp::builder()
        .settings(|s| {
            s.limits.requests_address = Rate::new(1, HOUR);
            s.limits.sign_ups_address = Rate::new(1, HOUR);
            s.limits.sockets_user = 1;
        })
        .start()
        .await;
    let (ada, _eve) = (app.student("ada").await, app.student("eve").await);
    let session = ada.session().await;
    let _sockets = (ada.socket(&session).await, ada.socket(&session).await);
    let response = index(&app, "192.0.2.1").await;
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("ratelimit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_accounts_and_refreshed_tokens_are_counted_by_address() {
    let app = limited(|limits| {
        limits.sign_ups_address = Rate::new(2, HOUR);
        limits.refreshes_address = Rate::new(2, HOUR);
    })
    .start()
    .await;
    let mut ada = app.student("ada").await;
    app.student("eve").await;
    let third = json!({"email": "third@school.example", "password": "correct horse battery"});
    ada.post("/auth/register", third).await.assert_problem(429, "rate_limited");
    for _ in 0..2 {
        let body = ada.post("/auth/refresh", json!({"refresh_token": ada.refresh_token})).await.ok(200);
        ada.take_tokens(&body);
    }
    let again = ada.post("/auth/refresh", json!({"refresh_token": ada.refresh_token})).await;
    again.assert_problem(429, "rate_limited");
    ada.get("/users/me").await.ok(200);
}

/// Somebody elsewhere who guesses costs the owner nothing; here, where the owner signed in, they share
/// what a school's address has.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_guesses_does_not_lock_the_owner_out() {
    let app = limited(|limits| limits.failures_account = Rate::new(20, HOUR))
        .settings(|s| s.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()])
        .start()
        .await;
    let ada = app.student("ada").await;
    let login = async |from: &str, password: &str| {
        let body = json!({"email": ada.email, "password": password});
        let request = Client::stranger(app.addr).request(Method::POST, "/auth/login").json(&body);
        request.header("x-forwarded-for", from).send().await.unwrap().status().as_u16()
    };
    assert_eq!(login("192.0.2.1", &ada.password).await, 200);
    for n in 0..20 {
        assert_eq!(login(&format!("198.51.100.{n}"), "not this one").await, 401);
    }
    // Under attack: strangers take turns …
    let turns = [login("203.0.113.1", "not this one").await, login("203.0.113.2", "not this one").await];
    assert!(turns.contains(&429), "{turns:?}");
    // … and she does not.
    assert_eq!(login("192.0.2.1", &ada.password).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_so_many_sockets_at_once() {
    let app = limited(|limits| limits.sockets_user = 2).start().await;
    let (ada, eve) = (app.student("ada").await, app.student("eve").await);
    let session = ada.session().await;
    let (first, _second) = (ada.socket(&session).await, ada.socket(&session).await);
    let refused = ada.try_socket(&session).await.expect_err("a third socket");
    assert_eq!((refused.status, &refused.body["code"]), (429, &json!("rate_limited")));
    let hers = eve.session().await;
    eve.socket(&hers).await;
    drop(first);
    app.sockets(1).await;
    ada.socket(&session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_knocks_so_often() {
    let app = limited(|limits| limits.handshakes_user = Rate::new(2, HOUR)).start().await;
    let (ada, eve) = (app.student("ada").await, app.student("eve").await);
    let session = ada.session().await;
    for _ in 0..2 {
        ada.socket(&session).await;
    }
    assert_eq!(ada.try_socket(&session).await.expect_err("knocks too often").status, 429);
    let hers = eve.session().await;
    eve.socket(&hers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_counted_over_all_sockets_of_an_account() {
    let app = limited(|limits| limits.commands_user = Rate::new(10, HOUR)).start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    let (mut first, mut second) = (ada.socket(&session).await, ada.socket(&session).await);
    for _ in 0..5 {
        first.round_trip().await;
        second.round_trip().await;
    }
    second.send(json!({"type": "ping", "t": 1})).await;
    let refused = second.control("error").await;
    assert_eq!(refused["code"], "rate_limited");
    assert!(refused["retry_after_ms"].as_u64().unwrap() > 300_000, "{refused}");
}

/// W1: the origin that the operator names, for tickets and for sockets.
/// Whoever is stopped leaves a line, and not one for each try.
#[tokio::test]
async fn a_limit_and_a_foreign_origin_are_said_once_a_minute() {
    let (log, _listening) = Log::listen();
    let app = limited(|limits| {
        limits.sign_ups_address = Rate::new(2, HOUR);
        limits.requests_user = Rate::new(4, HOUR);
        limits.failures = Rate::new(1, HOUR);
        limits.sockets_user = 1;
    })
    .start()
    .await;
    let (ada, eve) = (app.student("ada").await, app.student("eve").await);
    let session = ada.session().await;
    let mut open = ada.socket(&session).await;
    let path = format!("/api/v1/sessions/{session}/socket");
    let bearer = ada.bearer();
    let foreign = [("authorization", bearer.as_str()), PROTOCOL, ("origin", "https://evil.example")];
    let wrong = json!({"email": eve.email, "password": "not the password"});
    let new = json!({"email": "new@school.example", "password": "correct horse battery"});
    log.take();
    for _ in 0..3 {
        ada.try_socket(&session).await.err().unwrap();
        assert_eq!(Socket::open_bare(app.addr, &path, &foreign).await.err().unwrap().status, 403);
        eve.post("/auth/login", wrong.clone()).await;
        eve.post("/auth/register", new.clone()).await.assert_problem(429, "rate_limited");
    }
    for _ in 0..6 {
        eve.get("/users/me").await;
        ada.get("/users/me").await;
    }
    for _ in 0..3 {
        open.send(json!({"type": "nonsense"})).await;
        open.round_trip().await;
        let reply = Client::stranger(app.addr).post("/auth/login", json!({"email": 7})).await;
        reply.assert_problem(422, "invalid_input");
    }
    let said = log.take();
    let lines = |event: &str, what: &str| {
        let (event, what) = (format!("event=\"{event}\""), format!("what=\"{what}\""));
        said.lines().filter(|line| line.contains(&event) && line.contains(&what)).collect::<Vec<_>>()
    };
    for what in ["sockets-user", "wrong-passwords", "sign-ups-address"] {
        assert_eq!(lines("limited", what).len(), 1, "{what}: {said}");
    }
    let of_accounts = lines("limited", "requests-user");
    assert_eq!(of_accounts.len(), 2, "one for each account: {said}");
    for who in [&ada, &eve] {
        assert!(of_accounts.iter().any(|line| line.contains(&who.user_id)), "{said}");
    }
    let [line] = lines("refused", "origin")[..] else { panic!("{said}") };
    assert!(line.contains("address=127.0.0.1"), "{line}");
    let [line] = lines("refused", "command")[..] else { panic!("{said}") };
    assert!(line.contains(&ada.user_id), "{line}");
    let [line] = lines("refused", "input")[..] else { panic!("{said}") };
    assert!(line.contains("address=127.0.0.1"), "{line}");
    assert!(!said.contains("@school.example"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_public_address_only_its_pages_get_tickets_and_sockets() {
    let app =
        TestApp::builder().settings(|s| s.public_url = Some("https://app.example".into())).start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    let path = format!("/api/v1/sessions/{session}/socket");
    let bearer = ada.bearer();
    let ticket = async |origin: Option<&str>| {
        let mut request = ada.request(Method::POST, "/socket-tickets").json(&json!({}));
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body: serde_json::Value = response.json().await.unwrap();
        (status, format!("fynq.v1, ticket.{}", body["ticket"].as_str().unwrap_or_default()))
    };
    let open = async |headers: &[(&str, &str)]| match Socket::open_bare(app.addr, &path, headers).await {
        Ok(mut socket) => {
            assert!(matches!(socket.next().await, Frame::Control(_)));
            101
        }
        Err(refusal) => refusal.status,
    };
    let own = format!("http://{}", app.addr);
    for foreign in [
        "https://evil.example",
        "https://app.example.evil.com",
        "https://evilapp.example",
        "http://app.example",
        "https://app.example:8443",
        "https://APP.EXAMPLE",
        "https://app.example.",
        "null",
        // The host that was asked is no proof: any name can be made to lead here.
        &own,
    ] {
        assert_eq!(ticket(Some(foreign)).await.0, 403, "{foreign}");
        let headers = [("authorization", bearer.as_str()), PROTOCOL, ("origin", foreign)];
        assert_eq!(open(&headers).await, 403, "{foreign}");
        let (_, ticket) = ticket(Some("https://app.example")).await;
        assert_eq!(open(&[("sec-websocket-protocol", &ticket), ("origin", foreign)]).await, 403, "{foreign}");
    }
    let (status, good) = ticket(Some("https://app.example")).await;
    assert_eq!(status, 201);
    let origin = ("origin", "https://app.example");
    assert_eq!(open(&[("sec-websocket-protocol", &good), origin]).await, 101);
    // No origin is no browser: then the token itself has to be shown.
    assert_eq!(open(&[("authorization", &bearer), PROTOCOL]).await, 101);
    for asked_by in [None, Some("https://app.example")] {
        let (status, ticket) = ticket(asked_by).await;
        assert_eq!(status, 201);
        assert_eq!(open(&[("sec-websocket-protocol", &ticket)]).await, 403);
    }
}
