//! What people alone say in a run: a question while a tutor holds the session, and tutors' messages.

use crate::id::Uuid;
use crate::protocol::{Event, Extras, FinishReason, Message, MessageRole, Metadata, Status};
use crate::session::state::Out;

use super::{Close, Phase, Run};

impl Run {
    /// A run in which no model speaks. `ord`: the question's place, or the one before what a tutor says.
    pub(in crate::session) fn human(id: Uuid, question: Option<Message>, ord: i64, epoch: i64) -> Run {
        let close = Some(Close::finished(Status::Complete, FinishReason::Tutor));
        Run { close, ..Run::of(id, question, None, ord, epoch) }
    }

    /// Nothing but what a tutor says.
    pub(in crate::session) fn is_alone(&self) -> bool {
        self.question.is_none() && self.answer.is_none()
    }

    /// A tutor's message that is kept. A run that is not in the log yet tells it when it is.
    pub(in crate::session) fn aside(&mut self, out: &mut impl Out, ord: i64, message: Message) {
        if self.announced() {
            self.tell(out, &message);
        }
        self.asides.push((ord, message));
    }

    /// What was said before the run was in the log.
    pub(super) fn tell_asides(&self, out: &mut impl Out) {
        for (_, message) in &self.asides {
            self.tell(out, message);
        }
    }

    fn tell(&self, out: &mut impl Out, message: &Message) {
        let (message_id, role) = (message.id, MessageRole::Assistant);
        let (name, author) = (Some(message.author.name.as_str()), Some("tutor"));
        let fynq = Extras { author, corrects: message.corrects, ..Extras::default() };
        let metadata = Some(Metadata { fynq });
        out.event(self.id, &Event::TextMessageStart { message_id, role, name, metadata });
        out.event(self.id, &Event::TextMessageContent { message_id, delta: &message.content });
        out.event(self.id, &Event::TextMessageEnd { message_id });
    }

    /// Whether nothing is awaited any more.
    pub(in crate::session) fn is_over(&self) -> bool {
        self.phase == Phase::Over && self.saying == 0
    }
}
