//! A relay in front of PostgreSQL that reads along, and cuts where it hurts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio_postgres::config::Host;

pub(super) struct Relay {
    /// The address that leads here.
    pub(super) url: String,
    pub(super) heard: Arc<Mutex<Heard>>,
    pub(super) fault: Arc<Fault>,
}

/// What a client said: the name of every statement, and the text of every query.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) statements: Vec<String>,
    pub(super) queries: Vec<String>,
}

/// What is to go wrong.
#[derive(Default)]
pub(super) struct Fault {
    /// The writer's next batch reaches the server, and its answer goes nowhere: the connection
    /// hangs …
    pub(super) swallow_commit: AtomicBool,
    /// … until this lets it end.
    pub(super) end: Notify,
    /// Nobody is let in.
    pub(super) closed: AtomicBool,
}

type Reader = Box<dyn AsyncRead + Unpin + Send>;
type Writer = Box<dyn AsyncWrite + Unpin + Send>;

impl Relay {
    /// Relays to `url`'s server.
    pub(super) async fn start(url: &str) -> Relay {
        let config: tokio_postgres::Config = url.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let password = config.get_password().map(|word| format!(":{}", String::from_utf8_lossy(word)));
        let relay = Relay {
            url: format!(
                "postgres://{}{}@127.0.0.1:{port}/{}?sslmode=disable",
                config.get_user().unwrap(),
                password.unwrap_or_default(),
                config.get_dbname().unwrap()
            ),
            heard: Arc::default(),
            fault: Arc::default(),
        };
        let (heard, fault) = (relay.heard.clone(), relay.fault.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !fault.closed.load(Ordering::Relaxed) {
                    let (from, to) = server(&config).await;
                    tokio::spawn(carry(client, from, to, heard.clone(), fault.clone()));
                }
            }
        });
        relay
    }
}

async fn server(config: &tokio_postgres::Config) -> (Reader, Writer) {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    match &config.get_hosts()[0] {
        Host::Unix(dir) => {
            let path = dir.join(format!(".s.PGSQL.{port}"));
            let (from, to) = UnixStream::connect(path).await.unwrap().into_split();
            (Box::new(from), Box::new(to))
        }
        Host::Tcp(name) => {
            let (from, to) = TcpStream::connect((name.as_str(), port)).await.unwrap().into_split();
            (Box::new(from), Box::new(to))
        }
    }
}

async fn carry(
    client: TcpStream,
    mut from: Reader,
    mut to: Writer,
    heard: Arc<Mutex<Heard>>,
    fault: Arc<Fault>,
) {
    let (mut says, mut hears) = client.into_split();
    let (hush, hushed) = tokio::sync::oneshot::channel::<()>();
    let back = tokio::spawn(async move {
        tokio::select! {
            _ = tokio::io::copy(&mut from, &mut hears) => {}
            // Keeps the connection open and says nothing more.
            Ok(()) = hushed => std::future::pending().await,
        }
    });
    let (mut first, mut hush, mut is_batch) = (true, Some(hush), false);
    loop {
        // All but the first message begin with a letter that says what they are.
        let kind = if first { 0 } else { says.read_u8().await.unwrap_or_default() };
        let Ok(length) = says.read_u32().await else { return };
        let mut body = vec![0; length as usize - 4];
        says.read_exact(&mut body).await.unwrap();
        note(kind, &body, &mut heard.lock().unwrap());
        let mut out = Vec::with_capacity(body.len() + 5);
        if !first {
            out.push(kind);
        }
        out.extend(length.to_be_bytes());
        out.extend(&body);
        if kind == b'P' {
            is_batch = body.windows(11).any(|text| text == b"write_batch");
        }
        // Sync: what was sent is a transaction now.
        let swallow = kind == b'S' && is_batch && fault.swallow_commit.swap(false, Ordering::Relaxed);
        if swallow {
            hush.take().map(|hush| hush.send(()));
        }
        if to.write_all(&out).await.is_err() {
            return;
        }
        if swallow {
            fault.end.notified().await;
            back.abort();
            return;
        }
        first = false;
    }
}

fn note(kind: u8, body: &[u8], heard: &mut Heard) {
    let mut texts = body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
    match kind {
        // Parse: the statement's name, then its text. Bind: the portal's, then the statement's.
        b'P' => {
            heard.statements.extend(texts.next());
            heard.queries.extend(texts.next());
        }
        b'B' => heard.statements.extend(texts.by_ref().take(2)),
        b'Q' => heard.queries.extend(texts.next()),
        _ => {}
    }
}
