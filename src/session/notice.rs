//! What signals are made of, as it happens.

use crate::clock::Timestamp;
use crate::protocol::{AuthorKind, FinishReason, Message, Status};

use super::Ended;
use super::run::Run;
use super::state::State;

impl State {
    /// A run has begun.
    pub(super) fn asked(&mut self, now: Timestamp) {
        self.active_at = now;
        let Some(run) = self.run.as_deref() else { return };
        match &run.question {
            Some(question) => {
                self.turns += 1;
                self.facts.asked(&question.content, now);
            }
            None => self.facts.regenerated(now),
        }
    }

    /// A run has ended.
    pub(super) fn answered(&mut self, run: &Run, now: Timestamp) {
        self.active_at = now;
        if let Some(answer) = &run.answer {
            self.facts.answered(&answer.content, how(answer), now);
        }
    }

    /// One of the messages with which the session wakes, oldest first. `late`: it says something about now.
    pub(super) fn learn(&mut self, message: &Message, late: bool) {
        let at = message.created_at;
        self.active_at = at;
        self.turns += u64::from(message.author.kind == AuthorKind::Student);
        if !late {
            return;
        }
        match message.author.kind {
            AuthorKind::Student => {
                self.facts.asked(&message.content, at);
            }
            AuthorKind::Assistant => self.facts.answered(&message.content, how(message), at),
            AuthorKind::Tutor => {}
        }
    }
}

fn how(answer: &Message) -> Ended {
    match (answer.status, &answer.finish_reason) {
        (_, Some(FinishReason::Safety)) => Ended::Safety,
        (_, _) if answer.error == Some(crate::protocol::ErrorCode::ContentBlocked) => Ended::Safety,
        (Status::Complete, _) => Ended::Complete,
        (Status::Stopped, _) => Ended::Stopped,
        _ => Ended::Failed,
    }
}
