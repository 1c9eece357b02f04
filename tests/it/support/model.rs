//! A model in the test's own hands: it answers when the test says so, with what the test says, in
//! Gemini's wire format. Faults and paces that need no such care come from the practice model.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Json, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::socket::PATIENCE;

pub(crate) struct Model {
    pub(crate) addr: SocketAddr,
    calls: mpsc::Receiver<Call>,
}

/// One request of fynq's, waiting for the test's answer.
pub(crate) struct Call {
    /// What fynq asked, as it came.
    pub(crate) request: Value,
    /// Who it says that it is.
    pub(crate) key: Option<String>,
    answer: Option<oneshot::Sender<Response>>,
    body: mpsc::Sender<Result<Bytes, Infallible>>,
    rest: Option<mpsc::Receiver<Result<Bytes, Infallible>>>,
}

impl Model {
    pub(crate) async fn start() -> Model {
        // A test that opens more calls than this without looking is told so.
        let (tx, calls) = mpsc::channel(256);
        let app = Router::new().fallback(called).with_state(tx);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        Model { addr, calls }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The next call of fynq's.
    pub(crate) async fn call(&mut self) -> Call {
        let call = tokio::time::timeout(PATIENCE, self.calls.recv()).await;
        call.expect("the model was never called").expect("the model's server is gone")
    }

    /// As `call`, however long it takes: for a test that waits for something else as well.
    pub(crate) async fn any_call(&mut self) -> Call {
        self.calls.recv().await.expect("the model's server is gone")
    }

    /// As `call`, for a model that answers as long as the test lasts.
    pub(crate) async fn call_ever(&mut self) -> Option<Call> {
        self.calls.recv().await
    }

    /// Whether a call has come that nobody took yet.
    pub(crate) fn was_called(&mut self) -> bool {
        !self.calls.is_empty()
    }
}

async fn called(
    State(calls): State<mpsc::Sender<Call>>,
    headers: http::HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let key = headers.get("x-goog-api-key").map(|key| key.to_str().unwrap().to_owned());
    let (answer, answered) = oneshot::channel();
    let (body, rest) = mpsc::channel(64);
    let call = Call { request, key, answer: Some(answer), body, rest: Some(rest) };
    if calls.try_send(call).is_err() {
        return http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    match answered.await {
        Ok(response) => response,
        Err(_) => http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Call {
    /// The text of the turns that fynq sent, oldest first, as (role, text).
    pub(crate) fn turns(&self) -> Vec<(String, String)> {
        let contents = self.request["contents"].as_array().expect("contents");
        let text = |turn: &Value| -> String {
            turn["parts"].as_array().unwrap().iter().filter_map(|part| part["text"].as_str()).collect()
        };
        contents.iter().map(|turn| (turn["role"].as_str().unwrap().to_owned(), text(turn))).collect()
    }

    /// Refuses the call.
    pub(crate) fn refuse(mut self, status: u16, body: Value) {
        let response = (http::StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
        let _ = self.answer.take().unwrap().send(response);
    }

    fn begin(&mut self) {
        if let Some(answer) = self.answer.take() {
            let stream = futures_util::stream::unfold(self.rest.take().unwrap(), |mut rest| async {
                rest.recv().await.map(|chunk| (chunk, rest))
            });
            let response = Response::builder()
                .header("content-type", "text/event-stream")
                .body(Body::from_stream(stream));
            let _ = answer.send(response.unwrap());
        }
    }

    /// Sends bytes as they are; false when fynq has hung up.
    pub(crate) async fn raw(&mut self, bytes: impl Into<Bytes>) -> bool {
        self.begin();
        self.body.send(Ok(bytes.into())).await.is_ok()
    }

    async fn chunk(&mut self, chunk: Value) -> bool {
        self.raw(format!("data: {chunk}\r\n\r\n")).await
    }

    /// Some words of the answer.
    pub(crate) async fn text(&mut self, text: &str) -> bool {
        let part = json!({"content": {"parts": [{"text": text}], "role": "model"}, "index": 0});
        self.chunk(json!({"candidates": [part], "modelVersion": "gemini-test"})).await
    }

    /// The model asks for something: these parts, then the end of the stream. (Of Gemini 3 a call is signed.)
    pub(crate) async fn ask(mut self, parts: Value) {
        let usage = json!({"promptTokenCount": 5, "candidatesTokenCount": 3, "totalTokenCount": 8});
        let candidate =
            json!({"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0});
        self.chunk(json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-test"}))
            .await;
    }

    /// The last chunk, with a reason and the usage, then the end of the stream.
    pub(crate) async fn finish(mut self, reason: &str) {
        let last = json!({"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": reason, "index": 0});
        let usage = json!({"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18});
        self.chunk(json!({"candidates": [last], "usageMetadata": usage, "modelVersion": "gemini-test"}))
            .await;
    }

    /// A whole answer.
    pub(crate) async fn answer(mut self, text: &str) {
        self.text(text).await;
        self.finish("STOP").await;
    }

    /// Ends the stream with no finishReason.
    pub(crate) fn end_early(mut self) {
        self.begin();
    }

    /// Resolves when fynq has hung up.
    pub(crate) async fn hung_up(&mut self) {
        self.begin();
        let gone = tokio::time::timeout(PATIENCE, self.body.closed()).await;
        gone.expect("fynq keeps the upstream call open");
    }
}
