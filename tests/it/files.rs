//! Files over the wire, with the folder and with a real S3 server.

mod addresses;
mod convert;
mod hostile;
mod kept;
mod limits;
mod outage;
mod own_tokens;
mod races;
mod scan;
mod sweep;
mod words;

use std::path::PathBuf;

use futures_util::StreamExt as _;
use fynq::config::Settings;
use http::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::app::TestApp;
use crate::support::client::{Client, Reply};
use crate::support::socket::PATIENCE;
use crate::support::storage::S3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Folder,
    Bucket,
}

const BOTH: [Place; 2] = [Place::Folder, Place::Bucket];

/// A server with a place for files, and somebody who has some.
struct Desk {
    app: TestApp,
    ada: Client,
    s3: Option<S3>,
}

impl Desk {
    async fn start(place: Place) -> Desk {
        Desk::with(place, |_| {}).await
    }

    async fn with(place: Place, change: impl FnOnce(&mut Settings)) -> Desk {
        let s3 = match place {
            Place::Folder => None,
            Place::Bucket => Some(S3::start().await),
        };
        let builder = TestApp::builder().settings(|settings| {
            settings.files.bucket = s3.as_ref().map(S3::bucket);
            change(settings);
        });
        let app = builder.start().await;
        let ada = app.student("ada").await;
        Desk { app, ada, s3 }
    }

    /// Every key in the storage.
    async fn blobs(&self) -> Vec<String> {
        let files = &self.app.server().app().files;
        let mut keys: Vec<String> = files.list().map(|blob| blob.unwrap().0).collect().await;
        keys.sort();
        keys
    }

    async fn rows(&self) -> i64 {
        self.app.count("SELECT count(*) FROM files").await
    }

    /// Files of a moment that are still there.
    fn spooled(&self) -> Vec<PathBuf> {
        let dir = self.app.data_dir().join("uploads");
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// Resolves when nothing is left of any upload.
    async fn nothing_is_left(&self) {
        let nothing = async {
            while self.rows().await != 0 || !self.blobs().await.is_empty() || !self.spooled().is_empty() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, nothing).await;
        assert!(waited.is_ok(), "{} rows, {:?}, {:?}", self.rows().await, self.blobs().await, self.spooled());
    }
}

/// A form with one file, and its media type.
pub(crate) fn form(name: &str, bytes: &[u8]) -> (String, Vec<u8>) {
    let head = format!(
        "--XyZ\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    ("multipart/form-data; boundary=XyZ".into(), [head.as_bytes(), bytes, b"\r\n--XyZ--\r\n"].concat())
}

async fn post_form(who: &Client, media_type: &str, body: Vec<u8>) -> Reply {
    let request = who.request(Method::POST, "/files/upload").header("content-type", media_type).body(body);
    let response = request.send().await.expect("the server answers");
    let status = response.status().as_u16();
    let media_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    Reply { status, media_type, body: response.json().await.unwrap() }
}

pub(crate) async fn upload(who: &Client, name: &str, bytes: &[u8]) -> Reply {
    let (media_type, body) = form(name, bytes);
    post_form(who, &media_type, body).await
}

/// What an address gives, asked without any token.
async fn fetch(who: &Client, url: &str) -> reqwest::Response {
    fetch_range(who, url, None).await
}

async fn fetch_range(who: &Client, url: &str, range: Option<&str>) -> reqwest::Response {
    let mut request = Client::stranger(who.addr).request_at(Method::GET, url);
    if let Some(range) = range {
        request = request.header("range", range);
    }
    request.send().await.expect("the server answers")
}

async fn bytes_of(who: &Client, file: &Value) -> Vec<u8> {
    let response = fetch(who, file["url"].as_str().unwrap()).await;
    assert_eq!(response.status(), 200);
    response.bytes().await.unwrap().to_vec()
}

/// A connection on which the upload of a file of this size has begun, with so much of its body sent; and the
/// rest of it.
async fn begun(desk: &Desk, name: &str, size: usize, sent: usize) -> (TcpStream, Vec<u8>) {
    begun_at(&desk.ada, name, size, sent).await
}

async fn begun_at(who: &Client, name: &str, size: usize, sent: usize) -> (TcpStream, Vec<u8>) {
    let (_, body) = form(name, &vec![b'a'; size]);
    let socket = begun_saying(who, &body, sent, body.len()).await;
    (socket, body[sent..].to_vec())
}

/// As `begun`, with a length of its own.
async fn begun_saying(who: &Client, body: &[u8], sent: usize, length: usize) -> TcpStream {
    let mut socket = TcpStream::connect(who.addr).await.unwrap();
    let head = format!(
        "POST /api/v1/files/upload HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n\
         Content-Type: multipart/form-data; boundary=XyZ\r\nContent-Length: {length}\r\n\r\n",
        who.bearer()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&body[..sent]).await.unwrap();
    socket
}

/// What comes back on a connection, as much of it as comes first.
async fn answer(socket: &mut TcpStream) -> String {
    let mut text = vec![0; 4096];
    let read = tokio::time::timeout(PATIENCE, socket.read(&mut text)).await.expect("an answer").unwrap();
    String::from_utf8_lossy(&text[..read]).into_owned()
}
