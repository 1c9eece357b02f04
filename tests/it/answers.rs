//! What every answer has, and what the doors make of bodies and routes that nobody meant.

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::app::{Builder, TestApp};
use crate::support::client::Client;
use crate::support::socket::{PATIENCE, new_id};

const PAGE: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.header("content-type")), (status, "application/problem+json"));
        let body: Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!((&body["code"], &body["status"]), (&json!(code), &json!(status)), "{body}");
        assert_eq!(body["request_id"], json!(self.header("x-request-id")));
    }
}

async fn ask(addr: SocketAddr, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let mut request = http.request(method, format!("http://{addr}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

/// What comes back for these very bytes, until the server closes or has said a whole answer's head and
/// `enough` of its body.
async fn say(addr: SocketAddr, bytes: &[u8], enough: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    // A refusal may come before all is said.
    let _ = stream.write_all(bytes).await;
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    let reading = async {
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
            }
            if String::from_utf8_lossy(&heard).contains(enough) {
                return;
            }
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, reading).await.is_ok();
    let heard = String::from_utf8_lossy(&heard).into_owned();
    assert!(in_time, "no {enough:?} in {heard:?}");
    heard
}

// ---- Headers ---------------------------------------------------------------------------------

const ALWAYS: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

type Headers<'a> = Vec<(&'a str, &'a str)>;

/// Every kind of answer: method, path, headers, the status, and whether it is a page's file.
fn kinds<'a>(bearer: &'a str, session: &'a str) -> Vec<(Method, String, Headers<'a>, u16, bool)> {
    let (get, post) = (Method::GET, Method::POST);
    let signed = vec![("authorization", bearer)];
    let socket = format!("/api/v1/sessions/{session}/socket");
    let upgrade = vec![
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let with = |headers: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]| [headers, more].concat();
    vec![
        (get.clone(), "/".into(), vec![], 200, true),
        (Method::HEAD, "/".into(), vec![], 200, true),
        (get.clone(), "/js/main.js".into(), vec![], 200, true),
        (get.clone(), "/nowhere".into(), vec![("accept", PAGE)], 404, true),
        (get.clone(), "/nowhere".into(), vec![], 404, false),
        (post.clone(), "/".into(), vec![], 405, false),
        (Method::TRACE, "/".into(), vec![], 405, false),
        (get.clone(), "/docs/".into(), vec![], 200, true),
        (get.clone(), "/docs/nowhere.js".into(), vec![], 404, false),
        (get.clone(), "/health/live".into(), vec![], 200, false),
        (get.clone(), "/health/ready".into(), vec![], 200, false),
        (post.clone(), "/health/live".into(), vec![], 405, false),
        (get.clone(), "/metrics".into(), vec![], 200, false),
        (get.clone(), "/api/v1".into(), vec![], 200, false),
        (get.clone(), "/api/v1/openapi.json".into(), vec![], 200, false),
        (get.clone(), "/api/v1/nothing".into(), vec![("accept", PAGE)], 404, false),
        (Method::PUT, "/api/v1/sessions".into(), vec![], 405, false),
        (get.clone(), "/api/v1/users/me".into(), vec![], 401, false),
        (get.clone(), "/api/v1/users/me".into(), signed.clone(), 200, false),
        (get.clone(), "/api/v1/sessions?limit=0".into(), signed.clone(), 422, false),
        (post.clone(), "/api/v1/sessions".into(), signed.clone(), 415, false),
        (Method::OPTIONS, "/api/v1/sessions".into(), vec![("origin", "https://evil.example")], 200, false),
        (get.clone(), socket.clone(), vec![], 401, false),
        (get.clone(), socket.clone(), signed.clone(), 400, false),
        (post, socket.clone(), vec![], 405, false),
        (get.clone(), socket.clone(), with(&upgrade, &[("origin", "https://evil.example")]), 403, false),
        (get.clone(), format!("/api/v1/sessions/{}/socket", new_id()), with(&upgrade, &signed), 404, false),
        (get, socket, with(&upgrade, &signed), 101, false),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_answer_is_dressed() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let (bearer, session) = (ada.bearer(), ada.session().await);
    for (method, path, headers, status, page) in kinds(&bearer, &session) {
        let what = format!("{method} {path} {headers:?}");
        // An answer that becomes a socket has no end to wait for.
        let answer = if status == 101 {
            let http = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut request = http.get(format!("http://{}{path}", app.addr));
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let response = request.send().await.unwrap();
            Answer {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                text: String::new(),
            }
        } else {
            ask(app.addr, method.clone(), &path, &headers).await
        };
        assert_eq!(answer.status, status, "{what}: {}", answer.text);
        for (name, value) in ALWAYS {
            assert_eq!(answer.header(name), *value, "{what}: {name}");
            assert_eq!(answer.headers.get_all(*name).iter().count(), 1, "{what}: {name}");
        }
        assert!(answer.header("permissions-policy").contains("camera=()"), "{what}");
        assert_eq!(answer.headers.get_all("content-security-policy").iter().count(), 1, "{what}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{what}: {policy}");
        for part in ["frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'"] {
            assert!(policy.contains(part), "{what}: {policy}");
        }
        assert_eq!(policy.contains("sandbox"), !page, "{what}: {policy}");
        assert_eq!(answer.header("cache-control"), if page { "no-cache" } else { "no-store" }, "{what}");
        assert!(!answer.headers.contains_key("strict-transport-security"), "{what}: fynq speaks plain HTTP");
        assert!(!answer.header("x-request-id").is_empty(), "{what}");
        let kind = answer.header("content-type");
        if kind.starts_with("text/") {
            assert!(kind.ends_with("; charset=utf-8"), "{what}: {kind}");
        }
        if status >= 400 && !page && method != Method::HEAD {
            assert_eq!(kind, "application/problem+json", "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hsts_is_sent_where_tls_is_in_front() {
    let hsts = async |builder: Builder, headers: &[(&str, &str)]| {
        let app = builder.start().await;
        let mut told = Vec::new();
        for path in ["/", "/api/v1", "/nowhere", "/metrics"] {
            let answer = ask(app.addr, Method::GET, path, headers).await;
            told.push(answer.header("strict-transport-security").to_owned());
        }
        told.dedup();
        told.join("|")
    };
    let year = "max-age=31536000; includeSubDomains";
    let public = |url: &str| {
        let url = url.to_owned();
        TestApp::builder().settings(|s| s.public_url = Some(url))
    };
    let behind = || TestApp::builder().settings(|s| s.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]);
    let https = [("x-forwarded-proto", "https")];
    assert_eq!(hsts(TestApp::builder(), &https).await, "", "a stranger's word");
    assert_eq!(hsts(public("https://school.example"), &[]).await, year);
    assert_eq!(hsts(public("http://school.example"), &[]).await, "");
    assert_eq!(hsts(behind(), &https).await, year);
    assert_eq!(hsts(behind(), &[("x-forwarded-proto", "http")]).await, "");
    assert_eq!(hsts(behind(), &[]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_tells_the_browser_to_forget() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let answer =
        ask(app.addr, Method::POST, "/api/v1/auth/logout", &[("authorization", &ada.bearer())]).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("clear-site-data"), "\"cache\"");
}

// ---- Routes and methods ----------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_and_methods_are_problems_but_to_a_browser_that_goes_there() {
    let app = TestApp::builder().start().await;
    for path in
        ["/nowhere", "/js/nowhere.js", "/health/nothing", "/api", "/api/v2/x", "/docs/nothing", "/%00"]
    {
        for accept in ["*/*", "application/json"] {
            let answer = ask(app.addr, Method::GET, path, &[("accept", accept)]).await;
            answer.assert_problem(404, "not_found");
        }
    }
    let page = ask(app.addr, Method::GET, "/nowhere", &[("accept", PAGE)]).await;
    assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"));
    for path in ["/", "/js/main.js", "/metrics", "/health/live", "/api/v1/auth/login"] {
        let answer = ask(app.addr, Method::PATCH, path, &[("accept", PAGE)]).await;
        answer.assert_problem(405, "method_not_allowed");
        assert!(!answer.header("allow").is_empty(), "{path}");
    }
}

// ---- Bodies ----------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_before_it_has_come() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let head = |length: &str| {
        format!(
            "POST /api/v1/sessions HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\
             content-type: application/json\r\n{length}\r\n\r\n",
            ada.bearer()
        )
    };
    // It says so itself: not one byte of it is waited for.
    let told = say(app.addr, head("content-length: 10000000").as_bytes(), "payload_too_large").await;
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    // In pieces, without a word on how many: over after 256 KiB, although no end was sent.
    let mut chunked = head("transfer-encoding: chunked").into_bytes();
    let piece = "x".repeat(64 * 1024);
    for _ in 0..5 {
        chunked.extend_from_slice(format!("{:x}\r\n{piece}\r\n", piece.len()).as_bytes());
    }
    let told = say(app.addr, &chunked, "payload_too_large").await;
    assert!(told.starts_with("HTTP/1.1 413 "), "{told}");
    // What is longer than it said is another request, and none that anybody understands.
    let mut lying = head("content-length: 2").into_bytes();
    lying.extend_from_slice(b"{}");
    lying.extend_from_slice(b"{\"title\":\"smuggled\"}\r\n\r\n");
    let told = say(app.addr, &lying, "HTTP/1.1 400").await;
    assert!(told.starts_with("HTTP/1.1 201 "), "{told}");
    assert!(!told[12..].contains("HTTP/1.1 2"), "{told}");
    // Both lengths at once is how requests are smuggled.
    let both = head("content-length: 2\r\ntransfer-encoding: chunked");
    let told = say(app.addr, format!("{both}0\r\n\r\n{{}}").as_bytes(), "HTTP/1.1").await;
    assert!(told.starts_with("HTTP/1.1 400 "), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_where_none_belongs_changes_nothing() {
    let app = TestApp::builder().start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    let foul = json!({"user_id": new_id(), "limit": 0});
    ada.call(Method::GET, "/users/me", Some(foul.clone())).await.ok(200);
    ada.call(Method::GET, "/sessions", Some(foul.clone())).await.ok(200);
    let huge = json!({"text": "x".repeat(1 << 20)});
    ada.call(Method::GET, "/sessions", Some(huge)).await.ok(200);
    ada.call(Method::DELETE, &format!("/sessions/{session}"), Some(foul)).await.ok(204);
    // The connection is good for another request afterwards.
    ada.get("/sessions").await.ok(200);
}

/// hyper refuses these before any of our code sees a request: plain, and without a problem's body.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_431() {
    let app = TestApp::builder().start().await;
    let many: String = (0..150).map(|n| format!("x-{n}: 1\r\n")).collect();
    let told = say(app.addr, format!("GET / HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes(), "\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.1 431 "), "{told}");
    let long = "x".repeat(1 << 20);
    // It may hang up while we still talk: then there is nothing to read.
    let request = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n");
    let told = say(app.addr, request.as_bytes(), "\r\n\r\n").await;
    assert!(told.starts_with("HTTP/1.1 431 ") || told.is_empty(), "{told}");
    Client::stranger(app.addr).get("").await.ok(200);
}

// ---- Connections -----------------------------------------------------------------------------

/// Whether the server hangs up without having been asked for anything.
async fn hangs_up(addr: SocketAddr, after: &[u8]) -> bool {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(after).await.unwrap();
    let mut heard = Vec::new();
    matches!(tokio::time::timeout(PATIENCE, stream.read_to_end(&mut heard)).await, Ok(Ok(_) | Err(_)))
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_for_ever_over_a_request_is_hung_up_on() {
    let builder = TestApp::builder().settings(|s| s.header_timeout = Duration::from_millis(300));
    let app = builder.start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    let mut socket = ada.socket(&session).await;
    for half in [
        &b""[..],
        b"GET / HT",
        b"GET / HTTP/1.1\r\nhost: x\r\nx-slow:",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        // Served, and then nothing more.
        b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        assert!(hangs_up(app.addr, half).await, "{}", String::from_utf8_lossy(half));
    }
    // A socket is another matter, and so is a request that is answered slowly.
    socket.round_trip().await;
    ada.get("/users/me").await.ok(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_has_so_many_connections_and_sockets_are_not_among_them() {
    let builder = TestApp::builder().settings(|s| {
        s.rate_limit = true;
        s.limits.connections_address = 3;
    });
    let app = builder.start().await;
    let ada = app.student("ada").await;
    let session = ada.session().await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(ada.socket(&session).await);
    }
    // One of ada's own may still be open.
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(TcpStream::connect(app.addr).await.unwrap());
    }
    assert!(hangs_up(app.addr, b"").await);
    drop(held);
    let again = async {
        let nobody = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/health/live", app.addr);
        while nobody.get(&url).send().await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("places that are left are free again");
    for socket in &mut sockets {
        socket.round_trip().await;
    }
}

/// A client that names methods of its own makes no series of its own: they would stay for ever.
#[tokio::test]
async fn methods_of_a_clients_own_are_counted_as_one() {
    let app = TestApp::builder().start().await;
    for path in ["/api/v1/nowhere", "/api/v1/sessions", "/api/v1/auth/login", "/health/live"] {
        let own = Method::from_bytes(b"BREW").unwrap();
        assert!(ask(app.addr, own, path, &[]).await.status >= 400, "{path}");
    }
    let metrics = ask(app.addr, Method::GET, "/metrics", &[]).await.text;
    assert!(metrics.contains("method=\"other\""), "{metrics}");
    assert!(!metrics.contains("BREW"), "{metrics}");
}
