//! What goes over the wire: a relay in front of PostgreSQL that reads along.

use std::sync::{Arc, Mutex};

use fynq::clock;
use fynq::protocol::Status;
use fynq::store::{NewSession, Op, Patience, SessionsOf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_postgres::config::Host;

use super::{add_student, answer, open, question, state};
use crate::support::pg::{Db, settings_for};

/// What a client said: the name of every statement, and the text of every simple query.
#[derive(Default)]
struct Heard {
    statements: Vec<String>,
    queries: Vec<String>,
}

/// A transaction-mode pooler hands the connection to somebody else after each transaction: what
/// is named or set for longer than that is lost, or somebody else's.
#[tokio::test]
async fn nothing_named_and_nothing_set_outlives_a_transaction() {
    let db = Db::new().await;
    let heard = Arc::new(Mutex::new(Heard::default()));
    let store = open(&settings_for(&relay(db.url(), heard.clone()).await)).await;
    let student = add_student(&db.client().await).await;
    let new = NewSession { student_id: student, title: None, subject: None };
    let session = store.create_session(new).await.unwrap().id;
    let (asked, answered) = (question(session, 1), answer(session, 2));
    let ops = vec![
        Op::Insert(asked.clone()),
        Op::Insert(answered.clone()),
        state(&answered, "so", Status::Complete),
        Op::Begin { session_id: session, id: asked.id, ord: 3 },
        Op::Supersede { session_id: session, ids: vec![asked.id] },
        Op::Touch { session_id: session, title: Some("Why".into()), at: clock::now() },
        Op::RaiseHand { session_id: session, raised: true },
    ];
    store.writer().commit(ops, Patience::Refuse).await.unwrap();
    store.list_sessions(SessionsOf::Everyone, Some("why"), None, 5).await.unwrap();
    store.wake_session(session, 10, 1000).await.unwrap().unwrap();
    store.check().await.unwrap();
    store.close_interrupted().await.unwrap();
    store.delete_session(session).await.unwrap();
    store.close().await;

    let heard = heard.lock().unwrap();
    assert!(heard.statements.len() > 15, "{}", heard.statements.len());
    let named: Vec<_> = heard.statements.iter().filter(|name| !name.is_empty()).collect();
    assert!(named.is_empty(), "named statements: {named:?}");
    assert!(heard.queries.iter().any(|query| query == "COMMIT"), "{:?}", heard.queries);
    for query in &heard.queries {
        let lasting = query.split(';').map(str::trim).find(|part| {
            (part.starts_with("SET ") && !part.starts_with("SET LOCAL "))
                || ["LISTEN", "PREPARE", "DECLARE"].iter().any(|word| part.starts_with(word))
        });
        assert_eq!(lasting, None);
    }
}

/// Listens, and relays each connection to `url`'s server. Returns the address that leads here.
async fn relay(url: &str, heard: Arc<Mutex<Heard>>) -> String {
    let config: tokio_postgres::Config = url.parse().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let port_there = config.get_ports().first().copied().unwrap_or(5432);
    let host = config.get_hosts()[0].clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let heard = heard.clone();
            match &host {
                Host::Unix(dir) => {
                    let server =
                        UnixStream::connect(dir.join(format!(".s.PGSQL.{port_there}"))).await.unwrap();
                    let (from, to) = server.into_split();
                    tokio::spawn(listen_in(client, from, to, heard));
                }
                Host::Tcp(name) => {
                    let server = TcpStream::connect((name.as_str(), port_there)).await.unwrap();
                    let (from, to) = server.into_split();
                    tokio::spawn(listen_in(client, from, to, heard));
                }
            }
        }
    });
    let password = config.get_password().map(|word| format!(":{}", String::from_utf8_lossy(word)));
    format!(
        "postgres://{}{}@127.0.0.1:{port}/{}?sslmode=disable",
        config.get_user().unwrap(),
        password.unwrap_or_default(),
        config.get_dbname().unwrap()
    )
}

async fn listen_in(
    client: TcpStream,
    mut from: impl tokio::io::AsyncRead + Unpin + Send + 'static,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    heard: Arc<Mutex<Heard>>,
) {
    let (mut client_says, mut client_hears) = client.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from, &mut client_hears).await });
    let mut first = true;
    loop {
        // All but the first message begin with a letter that says what they are.
        let kind = if first { 0 } else { client_says.read_u8().await.unwrap_or_default() };
        let Ok(length) = client_says.read_u32().await else { return };
        let mut body = vec![0; length as usize - 4];
        client_says.read_exact(&mut body).await.unwrap();
        note(kind, &body, &mut heard.lock().unwrap());
        let mut out = Vec::with_capacity(body.len() + 5);
        if !first {
            out.push(kind);
        }
        out.extend(length.to_be_bytes());
        out.extend(&body);
        if to.write_all(&out).await.is_err() {
            return;
        }
        first = false;
    }
}

fn note(kind: u8, body: &[u8], heard: &mut Heard) {
    let mut texts = body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
    match kind {
        // Parse: the statement's name. Bind: the portal's, then the statement's.
        b'P' => heard.statements.extend(texts.next()),
        b'B' => heard.statements.extend(texts.by_ref().take(2)),
        b'Q' => heard.queries.extend(texts.next()),
        _ => {}
    }
}
