//! Tests of the whole client: recorded answers at any split, and every fault of the practice
//! model over real sockets.

mod attachments;
mod faults;
mod prompts;
mod recordings;
mod retries;
mod splits;
mod tools;
mod transports;

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::practice;

fn settings(base_url: &str) -> config::Model {
    config::Model {
        api_key: Some("secret-key-in-no-log".into()),
        api_key_file: None,
        base_url: Some(base_url.to_owned()),
        name: "gemini-test".into(),
        connect_timeout: Duration::from_secs(2),
        first_byte_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(5),
        answer_timeout: Duration::from_secs(20),
        attempts: 3,
        history_tokens: 1000,
        inline_bytes: 15 << 20,
        files_bytes: 64 << 20,
        max_output_tokens: None,
        instruction_file: None,
    }
}

/// A practice model of the test's own.
struct Upstream {
    base: String,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Upstream {
    async fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let options = practice::Options { record: true, hurry: true, ..Default::default() };
        Upstream { base, serving: tokio::spawn(practice::serve(listener, options)) }
    }

    fn model(&self) -> Model {
        Model::new(&settings(&self.base)).unwrap()
    }

    async fn get(&self, path: &str) -> serde_json::Value {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        client.get(format!("{}{path}", self.base)).send().await.unwrap().json().await.unwrap()
    }

    async fn stat(&self, name: &str) -> u64 {
        self.get("/__emu/stats").await[name].as_u64().unwrap()
    }

    /// Waits until a count is what it should be; says what it was if that never happens.
    async fn until(&self, name: &str, wanted: u64) {
        let begun = std::time::Instant::now();
        loop {
            let count = self.stat(name).await;
            if count == wanted {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "{name} is {count}, not {wanted}");
            tokio::task::yield_now().await;
        }
    }
}

fn ask(text: &str) -> Prompt {
    Prompt {
        turns: vec![Turn { speaker: Speaker::User, text: text.into(), files: Vec::new() }],
        ..Prompt::default()
    }
}

struct Heard {
    text: String,
    thought: String,
    end: End,
}

async fn listen(mut answer: Answer) -> Heard {
    let (mut text, mut thought) = (String::new(), String::new());
    loop {
        match answer.next().await.expect("an end before the stream is over") {
            Event::Text(more) => text.push_str(&more),
            Event::Thought(more) => thought.push_str(&more),
            Event::Calls(calls) => {
                let found: Vec<_> =
                    calls.iter().map(|call| (call.id, serde_json::json!({"found": []}))).collect();
                answer.found(&found);
            }
            Event::End(end) => {
                assert_eq!(answer.next().await, None, "nothing after the end");
                return Heard { text, thought, end };
            }
        }
    }
}

fn failed(code: ErrorCode) -> Outcome {
    Outcome::Failed { code, retry_after: None }
}

fn cut(body: &[u8], size: usize) -> Vec<Bytes> {
    body.chunks(size.max(1)).map(Bytes::copy_from_slice).collect()
}
