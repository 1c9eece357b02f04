use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// A server of canned answers that knows HTTP/1.1 only; `None` hangs up without a word.
async fn old_server(answer: Option<&'static str>) -> (String, Arc<AtomicUsize>, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::new(Mutex::new(String::new()));
    let shared = (Arc::clone(&calls), Arc::clone(&seen));
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (calls, seen) = (Arc::clone(&shared.0), Arc::clone(&shared.1));
            tokio::spawn(async move {
                let mut buffer = vec![0; 64 * 1024];
                let length = socket.read(&mut buffer).await.unwrap();
                let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if request.starts_with("PRI ") {
                    socket.write_all(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n").await.unwrap();
                    return;
                }
                calls.fetch_add(1, Ordering::Relaxed);
                *seen.lock().unwrap() = request;
                if let Some(answer) = answer {
                    socket.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (base, calls, seen)
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n\
    data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"old but fine\"}]},\"finishReason\":\"STOP\"}]}\r\n\r\n";

#[tokio::test]
async fn a_server_of_old_is_spoken_to_in_its_language() {
    let (base, calls, seen) = old_server(Some(OK)).await;
    let model = Model::new(&settings(&format!("{base}/gateway/"))).unwrap();
    for round in 1..=3 {
        let heard = listen(model.answer(ask("hi"))).await;
        assert_eq!((heard.text.as_str(), calls.load(Ordering::Relaxed)), ("old but fine", round));
        assert!(heard.end.usage.estimated && heard.end.usage.output_tokens == 3);
    }
    let seen = seen.lock().unwrap().clone();
    assert!(
        seen.starts_with("POST /gateway/v1beta/models/gemini-test:streamGenerateContent?alt=sse HTTP/1.1"),
        "{seen}"
    );
    assert!(seen.contains("x-goog-api-key: secret-key-in-no-log"));
    assert!(seen.contains(&format!("user-agent: fynq/{}", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn no_key_no_header() {
    let (base, _, seen) = old_server(Some(OK)).await;
    let model = Model::new(&config::Model { api_key: None, ..settings(&base) }).unwrap();
    listen(model.answer(ask("hi"))).await;
    assert!(!seen.lock().unwrap().contains("x-goog-api-key"));
}

#[tokio::test]
async fn answers_that_are_not_geminis() {
    use ErrorCode::*;
    let table = [
        (Some("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<html>"), failed(ModelBadResponse), 1),
        (
            Some("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n<html>"),
            failed(ModelBadResponse),
            1,
        ),
        (
            Some("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"),
            failed(ModelBadResponse),
            1,
        ),
        (
            Some(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"error\":{\"code\":403,\"status\":\"PERMISSION_DENIED\"}}",
            ),
            failed(ModelUnavailable),
            1,
        ),
        (
            Some("HTTP/1.1 503 Busy\r\nretry-after: 40\r\ncontent-length: 0\r\n\r\n"),
            Outcome::Failed { code: ModelUnavailable, retry_after: Some(Duration::from_secs(40)) },
            1,
        ),
        (
            Some(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 900\r\n\r\ndata: {\"candi",
            ),
            failed(ModelUnavailable),
            3,
        ),
        (None, failed(ModelUnavailable), 3),
    ];
    for (answer, outcome, wanted_calls) in table {
        let (base, calls, _) = old_server(answer).await;
        let heard = listen(Model::new(&settings(&base)).unwrap().answer(ask("hi"))).await;
        assert_eq!(heard.end.outcome, outcome, "{answer:?}");
        assert_eq!(calls.load(Ordering::Relaxed), wanted_calls, "{answer:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_unavailable_and_found_when_it_comes() {
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = reserved.local_addr().unwrap();
    drop(reserved);
    let model = Model::new(&settings(&format!("http://{address}"))).unwrap();
    let heard = listen(model.answer(ask("hi"))).await;
    assert_eq!(heard.end.outcome, failed(ErrorCode::ModelUnavailable));
    assert_eq!(heard.end.usage, Usage::default());
    let listener = TcpListener::bind(address).await.unwrap();
    let options = practice::Options { hurry: true, ..Default::default() };
    let serving = tokio::spawn(practice::serve(listener, options));
    let heard = listen(model.answer(ask("hi"))).await;
    assert_eq!(heard.end.outcome, Outcome::Finished(FinishReason::Stop));
    serving.abort();
}

const OPEN: &str = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}\n\n";
const STOP: &str =
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\"}]},\"finishReason\":\"STOP\"}]}\n\n";

/// Over HTTP/1.1 a broken connection shows as a body shorter than promised.
#[tokio::test]
async fn a_connection_that_breaks_in_mid_answer() {
    let stopped = Outcome::Finished(FinishReason::Stop);
    for (events, outcome) in [
        (vec![OPEN], failed(ErrorCode::ModelTruncated)),
        (vec![OPEN, STOP], stopped),
        // Who says STOP all along has not said where the end is.
        (vec![STOP, STOP], failed(ErrorCode::ModelTruncated)),
        (vec![STOP], failed(ErrorCode::ModelTruncated)),
        (vec![STOP, OPEN], failed(ErrorCode::ModelTruncated)),
    ] {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 9999\r\n\r\n";
        let answer: &'static str = format!("{head}{}", events.concat()).leak();
        let (base, calls, _) = old_server(Some(answer)).await;
        let heard = listen(Model::new(&settings(&base)).unwrap().answer(ask("hi"))).await;
        assert_eq!(heard.end.outcome, outcome, "{events:?}");
        assert!(!heard.text.is_empty());
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}

/// HTTP/2 servers let in only so many streams over one connection; more must not wait in line.
#[tokio::test]
async fn three_hundred_answers_at_once_share_few_connections() {
    let upstream = Upstream::start().await;
    let model = upstream.model();
    let answers = (0..300).map(|_| async {
        let mut answer = model.answer(ask("[[emu chunks=2 delay_us=60000000]]"));
        let first = answer.next().await;
        assert!(matches!(first, Some(Event::Text(_))), "{first:?}");
        answer
    });
    let answers = futures_util::future::join_all(answers).await;
    assert_eq!(upstream.stat("active").await, 300);
    // Five lanes, the question whether it speaks HTTP/2, and this very request.
    let connections = upstream.stat("conns").await;
    assert!((5..=9).contains(&connections), "{connections}");
    assert_eq!(model.shared.transport.seats_taken(), 300);
    drop(answers);
    assert_eq!(model.shared.transport.seats_taken(), 0, "seats are free again");
    upstream.until("aborted", 300).await;
    let again = listen(model.answer(ask("[[emu chunks=1]]"))).await;
    assert_eq!(again.end.outcome, Outcome::Finished(FinishReason::Stop));
}

/// Everything that any library of ours says, down to the last byte of it.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn neither_key_nor_words_are_in_any_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // With a single subscriber alive, tracing asks the thread that meets a log line first whether
    // anybody wants it, and the tests beside this one do not.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _guard = tracing::subscriber::set_default(subscriber);
    let upstream = Upstream::start().await;
    for directive in [
        "chunks=2 delay_us=0 say=dGVsbHRhbGU",
        "fault=400",
        "fault=503",
        "fault=429 retry_s=99",
        "fault=error at=1 delay_us=0",
    ] {
        let asked = ask(&format!("tellstudent [[emu {directive}]]"));
        let prompt = Prompt { guidance: vec!["tellguidance".into()], ..asked };
        tracing::trace!(?prompt);
        listen(upstream.model().answer(prompt)).await;
    }
    let (base, _, _) = old_server(Some(OK)).await;
    listen(Model::new(&settings(&base)).unwrap().answer(ask("tellstudent"))).await;
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(
        log.contains("API_KEY_INVALID") && log.contains("the model refuses the call"),
        "the operator is told"
    );
    assert!(log.contains("RESOURCE_EXHAUSTED") && log.contains("UNAVAILABLE"));
    for secret in ["secret-key", "tellstudent", "tellguidance", "telltale", "check your plan", "old but fine"]
    {
        let at = log.find(secret).map(|at| &log[log.floor_char_boundary(at.saturating_sub(300))..at]);
        assert_eq!(at, None, "{secret}");
    }
}

#[test]
fn a_bad_setting_names_itself() {
    let error = |base: &str, name: &str| {
        let settings = config::Model { name: name.to_owned(), ..settings(base) };
        format!("{:#}", Model::new(&settings).unwrap_err())
    };
    for base in ["", "generativelanguage.googleapis.com", "ftp://x/", "http://"] {
        assert!(error(base, "m").contains("GEMINI_BASE_URL"), "{base}");
    }
    for name in ["", "a b", "m?key=1", "m:other"] {
        assert!(error("http://127.0.0.1:1", name).contains("GEMINI_MODEL"), "{name}");
    }
    let bad_key = config::Model { api_key: Some("line\nbreak".into()), ..settings("http://127.0.0.1:1") };
    let error = format!("{:#}", Model::new(&bad_key).unwrap_err());
    assert!(error.contains("GEMINI_API_KEY") && !error.contains("line"), "{error}");
}

#[test]
fn the_key_is_in_no_debug_output() {
    let model = Model::new(&settings("http://127.0.0.1:1")).unwrap();
    assert!(!format!("{model:?}").contains("secret-key"));
    assert!(!format!("{:?}", model.shared.transport.fixed_headers()).contains("secret-key"));
    let https = Model::new(&settings("https://generativelanguage.googleapis.com"));
    assert!(https.is_ok(), "{:?}", https.err());
}
