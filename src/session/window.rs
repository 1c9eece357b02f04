//! The part of a conversation that is kept in memory: what snapshots show and prompts are made of.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::gemini::{Prompt, Speaker, Turn};
use crate::id::Uuid;
use crate::protocol::{AuthorKind, ErrorCode, Message, MessageRole, Status};
use crate::store::{MessageState, Past};

/// How much a session keeps in memory; what is older is listed by REST.
pub(crate) const MAX_MESSAGES: usize = 400;
pub(crate) const MAX_BYTES: usize = 256 * 1024;
/// How many of the messages that an edit supersedes are named to those who watch, at most: the newest.
/// About 160 KiB; a client that shows more of them than that asks REST anew.
pub(crate) const MAX_NAMED: usize = 4096;

/// Messages that have ended, oldest first. When full, the oldest leave.
#[derive(Debug, Default)]
pub(super) struct Window {
    messages: VecDeque<Kept>,
    bytes: usize,
    pub(super) has_more: bool,
}

#[derive(Debug)]
struct Kept {
    /// Its place in the conversation.
    ord: i64,
    message: Message,
}

impl Window {
    pub(super) fn new(has_more: bool) -> Window {
        Window { has_more, ..Window::default() }
    }

    /// What stays of the past when an edit has cut off the rest.
    pub(super) fn of(past: Past) -> Window {
        let mut window = Window::new(past.has_more);
        past.kept.into_iter().for_each(|kept| window.push(kept.ord, kept.message));
        // Their last states were written when the session woke.
        drop(window.close_open());
        window.settle();
        window
    }

    pub(super) fn push(&mut self, ord: i64, message: Message) {
        self.bytes += message.content.len();
        self.messages.push_back(Kept { ord, message });
        while self.messages.len() > 1 && (self.messages.len() > MAX_MESSAGES || self.bytes > MAX_BYTES) {
            if let Some(oldest) = self.messages.pop_front() {
                self.bytes -= oldest.message.content.len();
                self.has_more = true;
            }
        }
    }

    pub(super) fn find(&self, id: Uuid) -> Option<&Message> {
        self.iter().find(|message| message.id == id)
    }

    /// Nobody writes on these any more: they become `interrupted`. Gives their last states.
    pub(super) fn close_open(&mut self) -> Vec<MessageState> {
        let messages = self.messages.iter_mut().map(|kept| &mut kept.message);
        let open = messages.filter(|message| message.status == Status::Streaming);
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

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages.iter().map(|kept| &kept.message)
    }

    /// The place of the last question, if its answer can be given again.
    pub(super) fn last_question(&self) -> Option<i64> {
        self.messages.iter().rev().find(|kept| kept.message.role == MessageRole::User).map(|kept| kept.ord)
    }

    /// The message's place, if all that was said from there on and all that was said before is here.
    pub(super) fn place_of(&self, id: Uuid) -> Option<i64> {
        let kept = self.messages.iter().find(|kept| kept.message.id == id)?;
        (!self.has_more).then_some(kept.ord)
    }

    /// The messages from this place on.
    pub(super) fn from(&self, ord: i64) -> Vec<Uuid> {
        self.messages.iter().filter(|kept| kept.ord >= ord).map(|kept| kept.message.id).collect()
    }

    /// What goes when the last question is answered again, and the places of what stays: what tutors said,
    /// unless it corrects what goes.
    pub(super) fn answers(&self, from: i64) -> (Vec<Uuid>, Vec<i64>) {
        let (mut gone, mut spared) = (Vec::new(), Vec::new());
        for kept in self.messages.iter().filter(|kept| kept.ord >= from) {
            let stays = kept.message.author.kind == AuthorKind::Tutor
                && kept.message.corrects.is_none_or(|struck| !gone.contains(&struck));
            match stays {
                true => spared.push(kept.ord),
                false => gone.push(kept.message.id),
            }
        }
        (gone, spared)
    }

    /// A tutor's message replaces this one; the last that does so counts.
    pub(super) fn strike(&mut self, struck: Uuid, by: Uuid) {
        if let Some(kept) = self.messages.iter_mut().find(|kept| kept.message.id == struck) {
            kept.message.corrected_by = Some(by);
        }
    }

    /// Of what was corrected, the correction may have gone.
    fn settle(&mut self) {
        let corrections: HashMap<Uuid, Uuid> =
            self.iter().filter_map(|message| Some((message.corrects?, message.id))).collect();
        for kept in &mut self.messages {
            kept.message.corrected_by = corrections.get(&kept.message.id).copied();
        }
    }

    /// What is in `gone`, which lies from this place on.
    pub(super) fn cut(&mut self, from: i64, gone: &[Uuid]) {
        self.messages.retain(|kept| kept.ord < from || !gone.contains(&kept.message.id));
        self.settle();
        self.bytes = self.iter().map(|message| message.content.len()).sum();
        self.messages.shrink_to_fit();
    }

    /// What the model is told: every message with words or files, the question last but for what tutors said after it.
    /// A repeated question is in the window; a new one is given. In the place of an answer that was
    /// corrected stands its correction.
    pub(super) fn prompt<'a>(
        &'a self,
        question: Option<&'a Message>,
        asides: impl Iterator<Item = &'a Message>,
        guidance: Vec<Arc<str>>,
    ) -> Prompt {
        let said: Vec<&Message> = self.iter().chain(question).chain(asides).collect();
        let corrections: HashMap<Uuid, &Message> =
            said.iter().filter_map(|message| Some((message.corrects?, *message))).collect();
        let stands = |message: &&Message| {
            !(message.content.trim().is_empty() && message.files.is_empty())
                && message.status != Status::Queued
                && message.corrects.is_none()
        };
        // The new question has not begun in its own eyes.
        let new = question.map(|question| question.id);
        let turns = said.iter().copied().filter(|message| stands(message) || Some(message.id) == new);
        let turn = |message: &Message| Turn {
            speaker: match (message.role, message.author.kind) {
                (MessageRole::User, _) => Speaker::User,
                (MessageRole::Assistant, AuthorKind::Tutor) => Speaker::Human,
                (MessageRole::Assistant, _) => Speaker::Model,
            },
            text: corrections.get(&message.id).unwrap_or(&message).content.as_str().into(),
            files: message.files.iter().map(|id| (*id).into()).collect(),
        };
        Prompt { turns: turns.map(turn).collect(), guidance, ..Prompt::default() }
    }
}
