//! The model: one prompt in, a stream of events out, over Gemini's real wire format.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;

use crate::config;
use crate::protocol::{ErrorCode, FinishReason, Usage};

/// Who said a turn of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    User,
    Model,
}

#[derive(Clone, Debug)]
pub struct Turn {
    pub speaker: Speaker,
    pub text: Arc<str>,
}

/// The conversation, oldest first; the last turn is the user's. The client cuts it to the token
/// budget and adds the system instruction.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    pub turns: Vec<Turn>,
}

/// What an answer says while it comes. `End` comes exactly once, last; then the stream is over.
#[derive(Debug, PartialEq)]
pub enum Event {
    Text(String),
    Thought(String),
    End(End),
}

#[derive(Debug, PartialEq)]
pub struct End {
    pub outcome: Outcome,
    pub usage: Usage,
    /// The model that answered, by its own word.
    pub model: Option<String>,
}

#[derive(Debug, PartialEq)]
pub enum Outcome {
    Finished(FinishReason),
    Failed { code: ErrorCode, retry_after: Option<Duration> },
}

/// The client; cheap to clone.
#[derive(Clone, Debug)]
pub struct Model {}

impl Model {
    pub fn new(_settings: &config::Model) -> anyhow::Result<Model> {
        unimplemented!()
    }

    /// Nothing is sent before the first poll; dropping the answer closes the upstream call.
    pub fn answer(&self, _prompt: Prompt) -> Answer {
        unimplemented!()
    }

    pub fn name(&self) -> &str {
        unimplemented!()
    }
}

/// A running answer.
pub struct Answer {}

impl Answer {
    /// Tokens so far: the model's last word, or an estimate. For an answer that is stopped early.
    pub fn usage(&self) -> Usage {
        unimplemented!()
    }

    /// The model's name by its own word, once known.
    pub fn model(&self) -> Option<&str> {
        unimplemented!()
    }
}

impl Stream for Answer {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Event>> {
        unimplemented!()
    }
}
