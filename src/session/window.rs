//! The part of a conversation that is kept in memory: what snapshots show and prompts are made of.

use std::collections::VecDeque;

use crate::gemini::{Prompt, Speaker, Turn};
use crate::id::Uuid;
use crate::protocol::{ErrorCode, Message, MessageRole, Status};
use crate::store::MessageState;

/// How much a session keeps in memory; what is older is listed by REST.
pub(crate) const MAX_MESSAGES: usize = 400;
pub(crate) const MAX_BYTES: usize = 256 * 1024;

/// Messages that have ended, oldest first. When full, the oldest leave.
#[derive(Debug, Default)]
pub(super) struct Window {
    messages: VecDeque<Message>,
    bytes: usize,
    pub(super) has_more: bool,
}

impl Window {
    pub(super) fn new(has_more: bool) -> Window {
        Window { has_more, ..Window::default() }
    }

    pub(super) fn push(&mut self, message: Message) {
        self.bytes += message.content.len();
        self.messages.push_back(message);
        while self.messages.len() > 1 && (self.messages.len() > MAX_MESSAGES || self.bytes > MAX_BYTES) {
            if let Some(oldest) = self.messages.pop_front() {
                self.bytes -= oldest.content.len();
                self.has_more = true;
            }
        }
    }

    pub(super) fn find(&self, id: Uuid) -> Option<&Message> {
        self.messages.iter().find(|message| message.id == id)
    }

    /// Nobody writes on these any more: they become `interrupted`. Gives their last states.
    pub(super) fn close_open(&mut self) -> Vec<MessageState> {
        let open = self.messages.iter_mut().filter(|message| message.status == Status::Streaming);
        open.map(|message| {
            (message.status, message.error) = (Status::Interrupted, Some(ErrorCode::Interrupted));
            MessageState {
                session_id: message.session_id,
                id: message.id,
                content: message.content.as_str().into(),
                status: message.status,
                finish_reason: None,
                error: message.error,
                usage: message.usage,
                model: message.model.clone(),
            }
        })
        .collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter()
    }

    /// The last question, if its answer can be given again.
    pub(super) fn last_question(&self) -> Option<&Message> {
        self.messages.iter().rev().find(|message| message.role == MessageRole::User)
    }

    /// The message and all after it.
    pub(super) fn from(&self, id: Uuid) -> Vec<Uuid> {
        let start = self.messages.iter().position(|message| message.id == id).unwrap_or(self.messages.len());
        self.messages.range(start..).map(|message| message.id).collect()
    }

    /// All that came after the message.
    pub(super) fn after(&self, id: Uuid) -> Vec<Uuid> {
        self.from(id).into_iter().skip(1).collect()
    }

    pub(super) fn remove(&mut self, ids: &[Uuid]) {
        self.messages.retain(|message| !ids.contains(&message.id));
        self.bytes = self.messages.iter().map(|message| message.content.len()).sum();
        self.messages.shrink_to_fit();
    }

    /// What the model is told: every message with words, the question last. A repeated question
    /// is already the last of the window; a new one is given.
    pub(super) fn prompt(&self, question: Option<&Message>) -> Prompt {
        let spoken =
            self.messages.iter().filter(|m| !m.content.trim().is_empty() && m.status != Status::Queued);
        Prompt {
            turns: spoken
                .chain(question)
                .map(|message| Turn {
                    speaker: match message.role {
                        MessageRole::User => Speaker::User,
                        MessageRole::Assistant => Speaker::Model,
                    },
                    text: message.content.as_str().into(),
                })
                .collect(),
        }
    }
}
