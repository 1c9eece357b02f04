//! fynq's own TLS, over real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use rustls::ProtocolVersion;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::app::{Builder, Scratch, TestApp};
use crate::support::client::{Client, PROTOCOL};
use crate::support::log::Log;
use crate::support::socket::{PATIENCE, Socket};
use crate::support::tls::{Authority, NAME, shown};

/// A server with a certificate, in a directory that goes with the test.
struct Stage {
    app: TestApp,
    authority: Authority,
    files: Scratch,
}

impl Stage {
    async fn start(builder: Builder) -> Stage {
        let (authority, files) = (Authority::new(), Scratch::new());
        let tls = authority.certify(&[NAME]).lay(&files.0);
        let app = builder.settings(|s| s.tls = Some(tls)).start().await;
        Stage { app, authority, files }
    }
}

#[test]
fn a_certificate_that_cannot_be_used_stops_the_start_with_one_line() {
    let (files, authority) = (Scratch::new(), Authority::new());
    let tls = authority.certify(&[NAME]).lay(&files.0);
    std::fs::write(files.0.join("other.pem"), authority.certify(&[NAME]).key).unwrap();
    let (cert, key, other) = (tls.cert, tls.key, files.0.join("other.pem"));
    for (cert, key, told) in [
        (&files.0.join("nowhere.pem"), &key, "FYNQ_TLS_CERT: "),
        (&cert, &cert, "FYNQ_TLS_KEY: holds no key"),
        (&cert, &other, "FYNQ_TLS_KEY: is not the key"),
    ] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fynq"));
        command.env_clear().env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none").current_dir(&files.0);
        let out = command.env("FYNQ_TLS_CERT", cert).env("FYNQ_TLS_KEY", key).output().unwrap();
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!((out.status.code(), said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.contains(told) && said.contains("; example: FYNQ_TLS_CERT="), "{said}");
    }
}

/// What comes back for these bytes until the server hangs up.
async fn heard(addr: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut heard = Vec::new();
    let reading = stream.read_to_end(&mut heard);
    // A reset is an end as well.
    let _ = tokio::time::timeout(PATIENCE, reading).await.expect("nobody hangs up");
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_by_https_and_wss() {
    let mut stage = Stage::start(TestApp::builder()).await;
    let addr = stage.authority.tunnel(stage.app.addr).await;
    let ada = Client::register(addr, "ada").await;
    let session = ada.session().await;
    let mut socket = ada.socket(&session).await;
    socket.ask("What is a prime?").await;
    // More than fits into one record of TLS, or into what a socket takes at once.
    let answer = "It has two divisors. ".repeat(10_000);
    stage.app.model.call().await.answer(&answer).await;
    assert_eq!(socket.run_end().await["type"], "RUN_FINISHED");
    assert_eq!(socket.log.answer().text, answer);
    // Every answer says that nobody has to try it without TLS again.
    let told = ada.request(Method::GET, "/users/me").send().await.unwrap();
    assert_eq!(told.headers()["strict-transport-security"], "max-age=31536000; includeSubDomains");
    stage.app.stop().await;
    assert_eq!(socket.closed().await, 1012);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_this_host_are_those_by_https() {
    let stage = Stage::start(TestApp::builder()).await;
    let addr = stage.authority.tunnel(stage.app.addr).await;
    let ada = Client::register(addr, "ada").await;
    let path = format!("/api/v1/sessions/{}/socket", ada.session().await);
    let open = async |origin: &str| {
        let headers = [("authorization", &*ada.bearer()), PROTOCOL, ("origin", origin)];
        Socket::open(addr, &path, &headers).await.map(drop).map_err(|refused| refused.status)
    };
    assert_eq!(open(&format!("https://{addr}")).await, Ok(()));
    assert_eq!(open(&format!("http://{addr}")).await, Err(403));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_version_is_spoken_and_http_1_alone() {
    let stage = Stage::start(TestApp::builder()).await;
    let stream = stage.authority.connect(stage.app.addr).await.unwrap();
    let (_, tls) = stream.get_ref();
    assert_eq!(tls.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(tls.alpn_protocol(), Some(&b"http/1.1"[..]));
}

/// A client's first words in TLS 1.2 or older, with one cipher suite.
fn hello(version: [u8; 2], suite: [u8; 2]) -> Vec<u8> {
    // Groups and signatures that the server has, so that these are not what it misses.
    let extensions =
        [&[0, 10, 0, 4, 0, 2, 0, 23][..], &[0, 11, 0, 2, 1, 0], &[0, 13, 0, 6, 0, 4, 4, 3, 8, 4]].concat();
    let body = [
        &version[..],
        &[7; 32],
        &[0, 0, 2],
        &suite,
        &[1, 0],
        &(extensions.len() as u16).to_be_bytes(),
        &extensions,
    ]
    .concat();
    let message = [&[1, 0][..], &(body.len() as u16).to_be_bytes(), &body].concat();
    [&[22, 3, 1][..], &(message.len() as u16).to_be_bytes(), &message].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_and_weak_suites_are_refused_and_plain_words_get_nothing() {
    const TLS12: [u8; 2] = [3, 3];
    let stage = Stage::start(TestApp::builder()).await;
    let addr = stage.app.addr;
    let alert = |code| vec![21, 3, 3, 0, 2, 2, code];
    let (protocol_version, handshake_failure) = (alert(70), alert(40));
    // ECDHE-ECDSA-AES128-GCM-SHA256 is the one of these that is spoken: the hello itself is good.
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(&hello(TLS12, [0xc0, 0x2b])).await.unwrap();
    let mut record = [0; 6];
    stream.read_exact(&mut record).await.unwrap();
    assert_eq!((record[0], record[5]), (22, 2), "a server's hello");
    for version in [[3, 0], [3, 1], [3, 2]] {
        assert_eq!(heard(addr, &hello(version, [0xc0, 0x2b])).await, protocol_version, "{version:?}");
    }
    // RSA without forward secrecy, CBC, RC4, 3DES, nothing at all.
    for suite in [[0, 0x9c], [0xc0, 0x09], [0, 5], [0, 0x0a], [0, 0]] {
        assert_eq!(heard(addr, &hello(TLS12, suite)).await, handshake_failure, "{suite:?}");
    }
    for plain in [&b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let said = heard(addr, plain).await;
        assert!(said.len() <= 7 && !said.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&said));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_shakes_hands_holds_nobody_up_and_is_hung_up_on() {
    let builder = TestApp::builder().settings(|s| s.header_timeout = Duration::from_millis(300));
    let stage = Stage::start(builder).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(TcpStream::connect(stage.app.addr).await.unwrap());
    }
    let half = hello([3, 3], [0xc0, 0x2b]);
    silent[0].write_all(&half[..half.len() / 2]).await.unwrap();
    let addr = stage.authority.tunnel(stage.app.addr).await;
    Client::register(addr, "ada").await.get("/users/me").await.ok(200);
    for mut stream in silent {
        let mut heard = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
        assert!(ended.is_ok() && heard.is_empty(), "{heard:?}");
    }
    // After the handshake it is a connection like any other.
    let mut idle = stage.authority.connect(stage.app.addr).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, idle.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "nobody hangs up");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted_from_the_first_byte_on() {
    let stage = Stage::start(TestApp::builder().settings(|s| {
        s.rate_limit = true;
        s.limits.connections_address = 2;
    }))
    .await;
    // Not a word of a handshake.
    let silent = || async { TcpStream::connect(stage.app.addr).await.unwrap() };
    let held = [silent().await, silent().await];
    assert!(stage.authority.connect(stage.app.addr).await.is_err());
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_handshakes() {
    let mut stage = Stage::start(TestApp::builder()).await;
    let mut silent = TcpStream::connect(stage.app.addr).await.unwrap();
    // Taken, for the one behind it has been.
    drop(stage.authority.connect(stage.app.addr).await.unwrap());
    stage.app.stop().await;
    // Half of what a handshake may take.
    let ended = tokio::time::timeout(Duration::from_secs(5), silent.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "nobody hangs up");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let (log, _listening) = Log::listen();
    let stage = Stage::start(TestApp::builder()).await;
    let first = shown(&stage.authority.connect(stage.app.addr).await.unwrap());
    let tls = stage.app.server().app().settings.tls.clone().unwrap();
    log.take();
    let said = |word: &'static str| {
        let log = log.clone();
        let mut all = String::new();
        async move |stage: &Stage| {
            while !all.contains(word) {
                // Looks are made by connections, and not more than one a second.
                let stream = stage.authority.connect(stage.app.addr).await.unwrap();
                all.push_str(&log.take());
                drop(stream);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            all
        }
    };
    let waited = async |word| tokio::time::timeout(PATIENCE, said(word)(&stage)).await.expect(word);
    std::fs::write(&tls.cert, "-----BEGIN CERTIFICATE-----\nnonsense\n").unwrap();
    let lines = waited("going on with what it was before").await;
    assert_eq!(lines.matches("FYNQ_TLS_CERT").count(), 2, "one line, with the name and the fault: {lines}");
    assert_eq!(shown(&stage.authority.connect(stage.app.addr).await.unwrap()), first);
    let second = stage.authority.certify(&[NAME]);
    second.lay(&stage.files.0);
    waited("read anew").await;
    assert_eq!(shown(&stage.authority.connect(stage.app.addr).await.unwrap()), second.der());
}

/// The address of who calls is the other end of the TLS connection, as it is without.
#[tokio::test(flavor = "multi_thread")]
async fn the_caller_is_who_has_shaken_hands() {
    let stage = Stage::start(TestApp::builder().settings(|s| {
        s.rate_limit = true;
        s.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        s.limits.sign_ups_address = fynq::config::Rate::new(1, Duration::from_secs(3600));
    }))
    .await;
    let addr = stage.authority.tunnel(stage.app.addr).await;
    let sign_up = async |name: &str, client: &str| {
        let entry = json!({
            "email": format!("{name}@school.example"), "password": "correct horse battery", "display_name": name
        });
        let request = Client::stranger(addr).request(Method::POST, "/auth/register");
        let request = request.header("x-forwarded-for", client).header("x-forwarded-proto", "https");
        request.json(&entry).send().await.unwrap().status().as_u16()
    };
    assert_eq!(sign_up("ada", "192.0.2.1").await, 201);
    assert_eq!(sign_up("bo", "192.0.2.1").await, 429);
    assert_eq!(sign_up("cy", "192.0.2.2").await, 201, "a proxy that speaks TLS is believed like any other");
}
