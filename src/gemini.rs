//! The model: one prompt in, a stream of events out, over Gemini's real wire format.
//!
//! ```text
//! Prompt ─▶ prompt ─▶ answer ──▶ transport ──▶ Google, a gateway, the practice model
//!                      │  ▲                          │
//!                retry ┘  └── reader ◀── wire ◀── sse ◀┘
//! ```
//!
//! `Answer` keeps time and calls; `retry` decides whether another call is worth it; `sse` makes
//! events of bytes; `wire` knows Google's names; `reader` folds the events into words and an end;
//! `tools` is what the model may look up meanwhile.

mod answer;
mod attach;
mod prompt;
mod reader;
mod recording;
mod retry;
mod room;
mod sse;
mod tools;
mod transport;
mod uploads;
mod wire;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

pub use answer::Answer;
pub use attach::{Attached, Attachments, Blob, File, NotRead, Remote, What};
pub use recording::{Call, RecordedError, Recording, read_recording};
pub use tools::{SEARCH_LIBRARY, ToolCall};

use attach::Recipe;

use crate::config;
use crate::protocol::{ErrorCode, FinishReason, Usage};

/// Who said a turn of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    User,
    Model,
    /// A human tutor, to the student.
    Human,
}

#[derive(Clone)]
pub struct Turn {
    pub speaker: Speaker,
    pub text: Arc<str>,
    /// What the student sent with it.
    pub files: Vec<File>,
}

/// The conversation, oldest first. The client cuts it to the token budget, ends it with the student's last
/// turn and adds the system instruction; what a human tutor said since goes beside that.
#[derive(Clone, Default)]
pub struct Prompt {
    pub turns: Vec<Turn>,
    /// What human tutors told the model alone, oldest first; the student never sees it.
    pub guidance: Vec<Arc<str>>,
    /// The model may look things up in the library of the student's school.
    pub library: bool,
    /// Another part than the tutor's.
    pub part: Option<Arc<Part>>,
}

/// What the model is to be, and in which form it answers.
pub struct Part {
    pub instruction: &'static str,
    /// The answer is JSON of this schema (Google's subset of OpenAPI's), as far as the model keeps to it.
    pub schema: Option<Value>,
}

impl fmt::Debug for Prompt {
    /// Without anybody's words: they belong into no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompt")
            .field("turns", &self.turns.len())
            .field("guidance", &self.guidance.len())
            .finish_non_exhaustive()
    }
}

/// What an answer says while it comes. `End` comes exactly once, last; then the stream is over.
#[derive(Debug, PartialEq)]
pub enum Event {
    Text(String),
    Thought(String),
    /// The model wants these done, and waits for `Answer::found`.
    Calls(Vec<ToolCall>),
    End(End),
}

#[derive(Debug, PartialEq)]
pub struct End {
    pub outcome: Outcome,
    pub usage: Usage,
    /// The model that answered, by its own word.
    pub model: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Finished(FinishReason),
    Failed { code: ErrorCode, retry_after: Option<Duration> },
}

/// What a tutor is told to be, unless the operator names a file of their own.
const INSTRUCTION: &str = include_str!("gemini/instruction.md");

/// The client; cheap to clone.
#[derive(Clone)]
pub struct Model {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    instruction: String,
    instruction_tokens: u64,
    history_tokens: u32,
    /// A request with files stays under it.
    inline_bytes: usize,
    /// And all of them together in this.
    room: room::Room,
    max_output_tokens: Option<u32>,
    limits: answer::Limits,
    transport: Arc<transport::Transport>,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

impl Shared {
    /// `None`: there is nothing to answer.
    fn body(&self, prompt: &Prompt) -> Option<prompt::Body> {
        let (instruction, tokens) = match &prompt.part {
            Some(part) => (part.instruction, prompt::estimate(part.instruction)),
            None => (self.instruction.as_str(), self.instruction_tokens),
        };
        let mut body = prompt::body(prompt, instruction, self.history_tokens, self.max_output_tokens)?;
        body.instructed(tokens);
        Some(body)
    }
}

impl Model {
    /// Reads the instruction file; opens no connection.
    pub fn new(settings: &config::Model) -> anyhow::Result<Model> {
        let instruction = match &settings.instruction_file {
            None => INSTRUCTION.to_owned(),
            Some(path) => {
                let file = path.display();
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("the tutor's instruction file {file} cannot be read"))?;
                anyhow::ensure!(!text.trim().is_empty(), "the tutor's instruction file {file} is empty");
                text
            }
        };
        let limits = answer::Limits {
            first_byte: settings.first_byte_timeout,
            idle: settings.idle_timeout,
            whole: settings.answer_timeout,
            attempts: settings.attempts.max(1),
        };
        let shared = Shared {
            name: settings.name.clone(),
            instruction_tokens: prompt::estimate(&instruction),
            instruction,
            history_tokens: settings.history_tokens,
            inline_bytes: settings.inline_bytes,
            room: room::Room::new(settings.files_bytes),
            max_output_tokens: settings.max_output_tokens,
            limits,
            transport: Arc::new(transport::Transport::new(settings)?),
        };
        Ok(Model { shared: Arc::new(shared) })
    }

    /// Nothing is sent before the first poll; dropping the answer closes the upstream call.
    pub fn answer(&self, prompt: Prompt) -> Answer {
        let shared = &*self.shared;
        Answer::new(Arc::clone(&shared.transport), shared.limits, shared.body(&prompt))
    }

    /// As `answer`; the files of the prompt are read when it is first polled.
    pub fn answer_with(&self, prompt: Prompt, attachments: Arc<dyn Attachments>) -> Answer {
        if !prompt.turns.iter().any(|turn| !turn.files.is_empty()) {
            return self.answer(prompt);
        }
        let shared = Arc::clone(&self.shared);
        let (transport, limits) = (Arc::clone(&shared.transport), shared.limits);
        Answer::of(transport, limits, Recipe { shared, prompt, attachments })
    }

    pub fn name(&self) -> &str {
        &self.shared.name
    }
}
