//! Connections to the model. HTTP/2 where the server speaks it: by ALPN over TLS, by asking once
//! over plain HTTP.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use rustls::RootCertStore;
use rustls_platform_verifier::BuilderVerifierExt as _;
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use super::retry::{Refusal, Trouble};
use super::wire::{self, Messages};
use crate::config;
use crate::renewed::Renewed;

/// Answers over one HTTP/2 connection. Servers let in 100 (Google) or 200 (hyper) at once, and
/// what goes beyond would wait without a word.
const LANE_SEATS: usize = 64;
/// Connections at most; when all are full, answers share the emptiest, and the server may let
/// them wait.
const LANES: usize = 64;
/// An error is a few lines of JSON; what goes beyond this is not read.
const MAX_ERROR: usize = 64 * 1024;
const KEY: &str = "x-goog-api-key";
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) type ByteStream = std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>;

/// A 200 whose body is on its way.
pub(super) struct Reply {
    pub(super) bytes: ByteStream,
    pub(super) seat: Option<Seat>,
}

pub(super) struct Transport {
    url: Url,
    base: Url,
    headers: HeaderMap,
    /// The key, where a file holds it.
    key: Option<Renewed<HeaderValue>>,
    maker: ClientMaker,
    http1: Client,
    lanes: Arc<[Lane]>,
    /// Whether a plain-HTTP server speaks HTTP/2; asked once, by the first answer. A server that
    /// cannot be reached leaves it open.
    speaks_http2: OnceCell<bool>,
}

/// One client, which is one HTTP/2 connection.
#[derive(Default)]
struct Lane {
    client: OnceLock<Client>,
    taken: AtomicUsize,
}

/// A place on a lane; free again when dropped.
pub(super) struct Seat {
    lanes: Arc<[Lane]>,
    index: usize,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.lanes[self.index].taken.fetch_sub(1, Ordering::Relaxed);
    }
}

fn take_seat(lanes: &Arc<[Lane]>) -> Seat {
    let free = lanes.iter().position(|lane| {
        let more = |taken| (taken < LANE_SEATS).then_some(taken + 1);
        lane.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    });
    let index = free.unwrap_or_else(|| {
        let taken = |lane: &Lane| lane.taken.load(Ordering::Relaxed);
        let emptiest = (0..lanes.len()).min_by_key(|index| taken(&lanes[*index])).unwrap_or(0);
        lanes[emptiest].taken.fetch_add(1, Ordering::Relaxed);
        emptiest
    });
    Seat { lanes: Arc::clone(lanes), index }
}

impl Transport {
    pub(super) fn new(settings: &config::Model) -> anyhow::Result<Transport> {
        let base = settings.base_url.as_deref().unwrap_or("https://generativelanguage.googleapis.com");
        let url = endpoint(base, &settings.name)?;
        let base = Url::parse(base)?;
        let is_tls = url.scheme() == "https";
        let maker = ClientMaker { tls: tls(is_tls)?, is_tls, connect_timeout: settings.connect_timeout };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut key = None;
        if let Some(file) = &settings.api_key_file {
            key = Some(Renewed::of_secret(("GEMINI_API_KEY_FILE", file.clone()), key_header)?);
        } else if let Some(key) = &settings.api_key {
            headers.insert(KEY, key_header(key.expose_secret())?);
        }
        let lanes: Arc<[Lane]> = (0..LANES).map(|_| Lane::default()).collect();
        // The first one now, so that a machine on which none can be made says so at the start.
        let first = maker.make(Version::Http2)?;
        lanes[0].client.get_or_init(|| first);
        let http1 = maker.make(Version::Http1)?;
        Ok(Transport { url, base, headers, key, maker, http1, lanes, speaks_http2: OnceCell::new() })
    }

    /// One call. Comes back when the head of the answer is there, or an error's whole body.
    pub(super) async fn call(self: Arc<Self>, body: Bytes) -> Result<Reply, Trouble> {
        let (client, seat) = self.client().await?;
        let request = client.post(self.url.clone()).headers(self.headers().await).body(body);
        let response = request.send().await.map_err(|error| trouble(&error))?;
        if !response.status().is_success() {
            return Err(Trouble::Refused(refusal(response).await));
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html")) {
            return Err(Trouble::Unreadable);
        }
        Ok(Reply { bytes: Box::pin(response.bytes_stream()), seat })
    }

    /// Another path of the same endpoint.
    pub(super) fn beside(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url.set_query(None);
        url
    }

    /// A request with the key.
    pub(super) async fn keyed(
        &self,
        method: http::Method,
        url: Url,
    ) -> Result<reqwest::RequestBuilder, Trouble> {
        Ok(self.bare(method, url).await?.headers(self.headers().await))
    }

    /// A request without it. It takes no seat: an upload has a connection beside the answers.
    pub(super) async fn bare(
        &self,
        method: http::Method,
        url: Url,
    ) -> Result<reqwest::RequestBuilder, Trouble> {
        Ok(self.http1.request(method, url))
    }

    async fn headers(&self) -> HeaderMap {
        let mut headers = self.headers.clone();
        if let Some(key) = &self.key {
            headers.insert(KEY, key.now().await);
        }
        headers
    }

    #[cfg(test)]
    pub(super) fn seats_taken(&self) -> usize {
        self.lanes.iter().map(|lane| lane.taken.load(Ordering::Relaxed)).sum()
    }

    #[cfg(test)]
    pub(super) fn fixed_headers(&self) -> &HeaderMap {
        &self.headers
    }

    async fn client(&self) -> Result<(Client, Option<Seat>), Trouble> {
        if !self.maker.is_tls && !self.speaks_http2().await? {
            return Ok((self.http1.clone(), None));
        }
        let seat = take_seat(&self.lanes);
        let made = || self.maker.make(Version::Http2).unwrap_or_else(|_| self.http1.clone());
        let client = self.lanes[seat.index].client.get_or_init(made).clone();
        Ok((client, Some(seat)))
    }

    async fn speaks_http2(&self) -> Result<bool, Trouble> {
        let host = self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = self.url.port_or_known_default().unwrap_or(80);
        let connect_timeout = self.maker.connect_timeout;
        let ask = || async move {
            let connect = TcpStream::connect((host, port));
            let socket = tokio::time::timeout(connect_timeout, connect).await;
            let socket = socket.map_err(|_| Trouble::Connect)?.map_err(|_| Trouble::Connect)?;
            Ok(tokio::time::timeout(PROBE_TIMEOUT, greets_back(socket)).await.unwrap_or(false))
        };
        self.speaks_http2.get_or_try_init(ask).await.copied()
    }
}

/// Sends HTTP/2's preface and looks whether a SETTINGS frame comes back. No request is made, so
/// that no server counts one.
async fn greets_back(mut socket: TcpStream) -> bool {
    const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    const SETTINGS: u8 = 4;
    let mut head = [0; 9];
    socket.write_all(HELLO).await.is_ok()
        && socket.read_exact(&mut head).await.is_ok()
        && head[0] == 0
        && head[3] == SETTINGS
        && head[5..] == [0; 4]
}

fn key_header(key: &str) -> anyhow::Result<HeaderValue> {
    let mut value = HeaderValue::from_str(key.trim())
        .map_err(|_| anyhow::anyhow!("GEMINI_API_KEY has characters that no header may carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn endpoint(base: &str, model: &str) -> anyhow::Result<Url> {
    let example = "such as https://generativelanguage.googleapis.com";
    let mut url = Url::parse(base).with_context(|| format!("GEMINI_BASE_URL is no URL, {example}"))?;
    anyhow::ensure!(
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some(),
        "GEMINI_BASE_URL must begin with http:// or https://, {example}"
    );
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    anyhow::ensure!(
        !model.is_empty() && model.chars().all(is_plain),
        "GEMINI_MODEL has characters that no model's name has; gemini-3.8-flash is one"
    );
    // `tunedModels/x` names its own collection.
    let name = if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
    let path = format!("{}/v1beta/{name}:streamGenerateContent", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.set_query(Some("alt=sse"));
    Ok(url)
}

#[derive(Clone, Copy, PartialEq)]
enum Version {
    Http1,
    /// Over TLS: if the server agrees.
    Http2,
}

struct ClientMaker {
    tls: rustls::ClientConfig,
    is_tls: bool,
    connect_timeout: Duration,
}

impl ClientMaker {
    fn make(&self, version: Version) -> anyhow::Result<Client> {
        let mut builder = Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .user_agent(concat!("fynq/", env!("CARGO_PKG_VERSION")))
            // The key goes where the operator said and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.connect_timeout)
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_secs(60))
            // One slow reader must not hold up the others on its connection.
            .http2_initial_stream_window_size(256 * 1024)
            .http2_initial_connection_window_size(8 * 1024 * 1024)
            // A connection that died without a word fails soon enough for another try.
            .http2_keep_alive_interval(Duration::from_secs(10))
            .http2_keep_alive_timeout(Duration::from_secs(5));
        if !self.is_tls {
            builder = builder.no_proxy();
            builder = match version {
                Version::Http1 => builder.http1_only(),
                Version::Http2 => builder.http2_prior_knowledge(),
            };
        }
        builder.build().context("the HTTP client for the model could not be made")
    }
}

/// Read once for all lanes. Plain HTTP needs no certificates, and a machine may have none.
fn tls(is_used: bool) -> anyhow::Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut tls = if is_used {
        builder
            .with_platform_verifier()
            .context("no certificate authorities found; on Debian: apt-get install ca-certificates")?
            .with_no_client_auth()
    } else {
        builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    };
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tls)
}

pub(super) fn trouble(error: &reqwest::Error) -> Trouble {
    if error.is_connect() { Trouble::Connect } else { Trouble::Cut }
}

pub(super) async fn refusal(mut response: Response) -> Refusal {
    let status = response.status().as_u16();
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let header = header.and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
    let mut body = Vec::new();
    while let Ok(Some(more)) = response.chunk().await {
        body.extend_from_slice(&more);
        if body.len() > MAX_ERROR {
            break;
        }
    }
    let mut refusal = read_refusal(status, &body);
    refusal.retry_after = refusal.retry_after.max(header);
    refusal
}

/// An error's body: an object, or one in an array, or nothing of Google's.
pub(super) fn read_refusal(status: u16, body: &[u8]) -> Refusal {
    let text = String::from_utf8_lossy(body);
    let messages = wire::parse(text.trim_start_matches('\u{feff}'));
    let messages = messages.unwrap_or_else(|_| Messages::Many(Vec::new()));
    let error = messages.as_slice().iter().find_map(|message| message.error.as_ref());
    match error {
        Some(error) => Refusal::from_error(Some(status), error),
        None => Refusal { status, ..Refusal::default() },
    }
}
