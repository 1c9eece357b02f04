//! The practice model: a small tutor on loopback that speaks Gemini's real wire format, so that
//! fynq shows what it does without a key. With `[[emu …]]` in a message it rehearses every way in
//! which the real one can fail.
//!
//! ```text
//! POST /v1beta/models/{model}:streamGenerateContent?alt=sse   (without alt=sse: one JSON array)
//! POST /v1beta/models/{model}:generateContent | :countTokens
//! POST /upload/v1beta/files, GET /v1beta/files/{id}
//! GET  /__emu/stats, /__emu/requests; POST /__emu/forget-files
//! ```

mod directive;
mod form;
mod google;
mod line;
mod media;
mod persona;
mod player;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;

use directive::Directive;
use google::{Said, refuse};
use line::{Door, Line};
use player::{Player, Script};

pub const DEFAULT_LISTEN: &str = "127.0.0.1:18080";
pub const MODEL_VERSION: &str = "practice-1";

const MAX_BODY: usize = 32 << 20;
/// The newest bodies that `/__emu/requests` shows; the oldest goes when one more comes.
const RECORDED: usize = 256;
/// Keys whose failures are counted; when one more comes, counting starts afresh.
const COUNTED_KEYS: usize = 1024;

#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Keep the last request bodies for `/__emu/requests`.
    pub record: bool,
    /// What every request is told, weaker than its own header and words: `k=v k=v`.
    pub default: String,
    /// Answer at once instead of at a model's pace.
    pub hurry: bool,
}

impl Options {
    /// `EMU_RECORD=1`, `EMU_DEFAULT="k=v k=v"`.
    pub fn from_env() -> Options {
        Options {
            record: std::env::var("EMU_RECORD").is_ok_and(|value| value == "1"),
            default: std::env::var("EMU_DEFAULT").unwrap_or_default(),
            hurry: false,
        }
    }
}

/// Serves until the future is dropped. HTTP/1.1, and HTTP/2 for those who greet with it.
pub async fn serve(listener: TcpListener, options: Options) -> io::Result<()> {
    let shared = Arc::new(Shared { options, ..Shared::default() });
    let app = Router::new()
        .route("/__emu/stats", get(stats))
        .route("/__emu/requests", get(requests))
        .route("/__emu/forget-files", post(media::forget))
        .route("/v1beta/models/{call}", post(models))
        .route("/v1beta/files/{id}", get(media::file))
        .route("/upload/v1beta/files", post(media::upload))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .fallback(async || refuse(404, "NOT_FOUND", "Requested entity was not found."))
        .with_state(Arc::clone(&shared));
    let door = Door { listener, shared };
    axum::serve(door, app.into_make_service_with_connect_info::<Line>()).await
}

#[derive(Default)]
struct Shared {
    options: Options,
    stats: Stats,
    uploads: media::Uploads,
    failures: Mutex<HashMap<String, u32>>,
    recorded: Mutex<VecDeque<serde_json::Value>>,
}

#[derive(Default)]
struct Stats {
    conns: AtomicU64,
    conns_open: AtomicU64,
    requests: AtomicU64,
    rejected: AtomicU64,
    faults: AtomicU64,
    chunks: AtomicU64,
    active: AtomicU64,
    max_active: AtomicU64,
    finished: AtomicU64,
    aborted: AtomicU64,
}

/// Counts one answer: as finished when told so, as aborted when it is dropped before.
struct Active {
    shared: Arc<Shared>,
    finished: bool,
}

impl Active {
    fn new(shared: &Arc<Shared>) -> Active {
        let active = shared.stats.active.fetch_add(1, Ordering::Relaxed) + 1;
        shared.stats.max_active.fetch_max(active, Ordering::Relaxed);
        Active { shared: Arc::clone(shared), finished: false }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        let stats = &self.shared.stats;
        let end = if self.finished { &stats.finished } else { &stats.aborted };
        end.fetch_add(1, Ordering::Relaxed);
        stats.active.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn stats(State(shared): State<Arc<Shared>>) -> Response {
    let stats = &shared.stats;
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    axum::Json(serde_json::json!({
        "conns": read(&stats.conns),
        "conns_open": read(&stats.conns_open),
        "requests": read(&stats.requests),
        "rejected": read(&stats.rejected),
        "faults": read(&stats.faults),
        "chunks": read(&stats.chunks),
        "active": read(&stats.active),
        "max_active": read(&stats.max_active),
        "finished": read(&stats.finished),
        "aborted": read(&stats.aborted),
    }))
    .into_response()
}

async fn requests(State(shared): State<Arc<Shared>>) -> Response {
    let recorded = shared.recorded.lock().unwrap_or_else(PoisonError::into_inner);
    axum::Json(recorded.iter().collect::<Vec<_>>()).into_response()
}

async fn models(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(line): ConnectInfo<Line>,
    Path(call): Path<String>,
    request: Request,
) -> Response {
    shared.stats.requests.fetch_add(1, Ordering::Relaxed);
    let answer = answer(&shared, line, &call, request).await;
    answer.unwrap_or_else(|refusal| {
        shared.stats.rejected.fetch_add(1, Ordering::Relaxed);
        *refusal
    })
}

async fn answer(
    shared: &Arc<Shared>,
    line: Line,
    call: &str,
    request: Request,
) -> Result<Response, Box<Response>> {
    let not_found = || Box::new(refuse(404, "NOT_FOUND", "Requested entity was not found."));
    let (_, method) = call.rsplit_once(':').ok_or_else(not_found)?;
    let sse = request.uri().query().unwrap_or("").split('&').any(|pair| pair == "alt=sse");
    let header = request.headers().get("x-emu").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = axum::body::to_bytes(request.into_body(), MAX_BODY)
        .await
        .map_err(|_| Box::new(refuse(400, "INVALID_ARGUMENT", "Request payload unreadable.")))?;
    let said = Said::read(&body).map_err(|why| Box::new(refuse(400, "INVALID_ARGUMENT", why)))?;
    if shared.options.record {
        record(shared, call, &body);
    }
    let seen = said.seen(&shared.uploads)?;
    let words = said.last_words();
    let mut directive = Directive::default();
    let told = [Some(shared.options.default.as_str()), header.as_deref(), directive::find(&words)];
    for words in told.into_iter().flatten() {
        directive.apply(words);
    }
    forget_fault(shared, &mut directive);
    if let Some(response) = refusal(shared, &directive).await {
        return Ok(response);
    }
    let tokens = said.tokens() + seen.tokens;
    match method {
        "countTokens" => Ok(json_response(google::tokens(tokens))),
        "generateContent" => {
            let script = Script::new(&said, &seen, directive, shared.options.hurry);
            tokio::time::sleep(script.first_delay()).await;
            Ok(json_response(google::whole(&script.whole_text(), tokens)))
        }
        "streamGenerateContent" => {
            let script = Script::new(&said, &seen, directive, shared.options.hurry);
            let player = Player::new(script, tokens, sse, line, Active::new(shared));
            let kind = if sse { "text/event-stream" } else { "application/json; charset=UTF-8" };
            let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, "attachment")];
            Ok((headers, Body::from_stream(player.into_stream())).into_response())
        }
        _ => Err(not_found()),
    }
}

fn record(shared: &Shared, call: &str, body: &[u8]) {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let mut recorded = shared.recorded.lock().unwrap_or_else(PoisonError::into_inner);
    if recorded.len() >= RECORDED {
        recorded.pop_front();
    }
    recorded.push_back(serde_json::json!({ "path": format!("/v1beta/models/{call}"), "body": body }));
}

/// `fail_n=2 key=abc`: the first two calls with that key fail, then all is well.
fn forget_fault(shared: &Shared, directive: &mut Directive) {
    if directive.fail_n == 0 {
        return;
    }
    let mut failures = shared.failures.lock().unwrap_or_else(PoisonError::into_inner);
    if failures.len() >= COUNTED_KEYS {
        failures.clear();
    }
    let count = failures.entry(directive.key.clone()).or_insert(0);
    *count += 1;
    if *count > directive.fail_n {
        directive.fault.clear();
    }
}

/// The faults before a stream begins.
async fn refusal(shared: &Arc<Shared>, directive: &Directive) -> Option<Response> {
    let response = match directive.fault.as_str() {
        "429" => google::quota(&format!("{}s", directive.retry_s), "PerMinute"),
        "429day" => google::quota(&format!("{}s", directive.retry_s), "PerDay"),
        "503" => refuse(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
        "500" => refuse(500, "INTERNAL", "An internal error has occurred."),
        "400" => google::bad_key(),
        "404" => refuse(404, "NOT_FOUND", "The model is not found for API version v1beta."),
        "html" => {
            let page = "<html><title>502 Bad Gateway</title></html>";
            let kind = [(header::CONTENT_TYPE, "text/html")];
            (StatusCode::BAD_GATEWAY, kind, page).into_response()
        }
        "hang" => {
            let mut active = Active::new(shared);
            shared.stats.faults.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(directive.stall_ms)).await;
            active.finished = true;
            return Some(refuse(
                504,
                "DEADLINE_EXCEEDED",
                "Deadline expired before operation could complete.",
            ));
        }
        _ => return None,
    };
    shared.stats.faults.fetch_add(1, Ordering::Relaxed);
    Some(response)
}

fn json_response(json: String) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json; charset=UTF-8")];
    (kind, Bytes::from(json)).into_response()
}
