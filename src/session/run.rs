//! One turn: a student's message and what answers it.
//!
//! `Beginning => Speaking => Ending => Over`. It owns the answer's text and says what the log says of it.

mod human;
mod pace;

use std::sync::Arc;

use serde_json::Value;

use crate::gemini::{SEARCH_LIBRARY, ToolCall};
use crate::id::Uuid;
use crate::protocol::{
    ErrorCode, Event, Extras, FinishReason, Message, MessageRole, Metadata, RunResult, Status, Usage,
};

use super::state::{Out, ReplyTo};
use super::turns::Early;
use super::window::Window;
use pace::Steps;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waits for the commit of its beginning; that it was ended in the meantime is remembered.
    Beginning { early: Option<Early> },
    /// `saved` bytes of the text are in PostgreSQL, `saving` are on their way.
    Speaking { saved: usize, saving: Option<usize> },
    /// Waits for the commit of its end.
    Ending,
    /// Its end is kept; what a tutor is saying in it may still be on its way.
    Over,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Close {
    pub(super) status: Status,
    pub(super) finish_reason: Option<FinishReason>,
    pub(super) error: Option<ErrorCode>,
    pub(super) usage: Option<Usage>,
    pub(super) model: Option<String>,
}

impl Close {
    pub(super) fn finished(status: Status, reason: FinishReason) -> Close {
        Close { status, finish_reason: Some(reason), error: None, usage: None, model: None }
    }

    pub(super) fn failed(status: Status, code: ErrorCode) -> Close {
        Close { status, finish_reason: None, error: Some(code), usage: None, model: None }
    }
}

/// What a run takes out of the conversation when it begins.
pub(super) struct Cut {
    /// Everything from this place on …
    pub(super) from: i64,
    /// … but what is in these, in order.
    pub(super) spared: Vec<i64>,
    /// What goes, as those who watch are told.
    pub(super) gone: Vec<Uuid>,
    /// What is kept in memory then, if the past had to be asked for.
    pub(super) window: Option<Window>,
}

impl Cut {
    /// The places that it takes, up to `before`.
    pub(super) fn ranges(&self, before: i64) -> Vec<(i64, i64)> {
        let mut ranges = Vec::new();
        let mut from = self.from;
        for &end in self.spared.iter().chain(Some(&before)) {
            if from < end {
                ranges.push((from, end));
            }
            from = end + 1;
        }
        ranges
    }
}

pub(super) struct Run {
    pub(super) id: Uuid,
    /// `None`: a question that is already in the log is answered again.
    pub(super) question: Option<Message>,
    /// The question was accepted before its run began.
    pub(super) waited: bool,
    pub(super) replies: Vec<ReplyTo>,
    pub(super) cut: Option<Cut>,
    /// `None`: nobody is asked for one, see `human`.
    pub(super) answer: Option<Message>,
    /// The answer's place in the conversation, the question's is the one before; without an answer the
    /// question's.
    pub(super) ord: i64,
    /// The number of the control under which it began.
    pub(super) epoch: i64,
    /// What tutors said in it, with their places.
    pub(super) asides: Vec<(i64, Message)>,
    /// How many more are on their way to PostgreSQL.
    pub(super) saying: usize,
    /// The guidance with which the model was asked.
    pub(super) guided: Vec<Uuid>,
    /// The state that was announced names it.
    pub(super) shown: bool,
    pub(super) phase: Phase,
    pub(super) close: Option<Close>,
    /// The answer's TEXT_MESSAGE_START is in the log.
    opened: bool,
    /// An open stretch of thinking.
    reasoning: Option<Uuid>,
    steps: Steps,
}

impl Run {
    pub(super) fn of(
        id: Uuid,
        question: Option<Message>,
        answer: Option<Message>,
        ord: i64,
        epoch: i64,
    ) -> Run {
        Run {
            id,
            question,
            waited: false,
            replies: Vec::new(),
            cut: None,
            answer,
            ord,
            epoch,
            asides: Vec::new(),
            saying: 0,
            guided: Vec::new(),
            shown: false,
            phase: Phase::Beginning { early: None },
            close: None,
            opened: false,
            reasoning: None,
            steps: Steps::default(),
        }
    }

    /// Whether the log knows of it.
    pub(super) fn announced(&self) -> bool {
        !matches!(self.phase, Phase::Beginning { .. })
    }

    /// The messages that a snapshot shows: what the log has announced, and a question that waited.
    pub(super) fn visible(&self) -> impl Iterator<Item = &Message> {
        let question = self.question.as_ref().filter(|_| self.announced() || self.waited);
        let asides = self.asides.iter().filter(|_| self.announced()).map(|(_, message)| message);
        question.into_iter().chain(self.answer.as_ref().filter(|_| self.opened)).chain(asides)
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.question.iter().chain(&self.answer).chain(self.asides.iter().map(|(_, message)| message))
    }

    /// What it leaves to the conversation, with the places.
    pub(super) fn leave(self) -> impl Iterator<Item = (i64, Message)> {
        let place = self.ord - i64::from(self.answer.is_some());
        let question = self.question.map(|question| (place, question));
        question.into_iter().chain(self.answer.map(|answer| (self.ord, answer))).chain(self.asides)
    }

    /// The model has said something.
    pub(super) fn is_answering(&self) -> bool {
        self.opened
    }

    // ── What the log says of it ─────────────────────────────────────────────────────────────────

    pub(super) fn begin(&mut self, session: Uuid, out: &mut impl Out) {
        self.phase = match self.answer {
            Some(_) => Phase::Speaking { saved: 0, saving: None },
            None => Phase::Over,
        };
        self.steps = Steps::from(out.ticks());
        let supersedes = self.cut.as_ref().map_or(&[][..], |cut| &cut.gone);
        let metadata =
            (!supersedes.is_empty()).then_some(Metadata { fynq: Extras { supersedes, ..Extras::default() } });
        out.event(self.id, &Event::RunStarted { thread_id: session, run_id: self.id, metadata });
        if let Some(question) = &mut self.question {
            question.status = Status::Complete;
            let (message_id, role, files) = (question.id, MessageRole::User, &question.files[..]);
            let metadata =
                (!files.is_empty()).then_some(Metadata { fynq: Extras { files, ..Extras::default() } });
            out.event(self.id, &Event::TextMessageStart { message_id, role, name: None, metadata });
            // One that is nothing but files has no words.
            if !question.content.is_empty() {
                out.event(self.id, &Event::TextMessageContent { message_id, delta: &question.content });
            }
            out.event(self.id, &Event::TextMessageEnd { message_id });
        }
        self.tell_asides(out);
    }

    pub(super) fn text(&mut self, out: &mut impl Out, text: &str) {
        if !matches!(self.phase, Phase::Speaking { .. }) || text.is_empty() {
            return;
        }
        self.open(out);
        let Some(answer) = &mut self.answer else { return };
        answer.content.push_str(text);
        self.steps.add(out.ticks(), text.len());
        out.event(self.id, &Event::TextMessageContent { message_id: answer.id, delta: text });
    }

    pub(super) fn thought(&mut self, out: &mut impl Out, text: &str) {
        // Thinking after the first word would have to interrupt an open message: it is left out.
        if !matches!(self.phase, Phase::Speaking { .. }) || self.opened || text.is_empty() {
            return;
        }
        let message_id = *self.reasoning.get_or_insert_with(|| {
            let message_id = crate::id::new();
            out.event(self.id, &Event::ReasoningStart { message_id });
            out.event(self.id, &Event::ReasoningMessageStart { message_id, role: "reasoning" });
            message_id
        });
        // A model that was guided may think aloud of it: that it thinks is shown, and not what.
        if self.guided.is_empty() {
            out.event(self.id, &Event::ReasoningMessageContent { message_id, delta: text });
        }
    }

    /// The model asks for something: what it thought of it is over.
    pub(super) fn calls(&mut self, out: &mut impl Out, calls: &[ToolCall]) {
        if !self.is_speaking() {
            return;
        }
        self.end_reasoning(out);
        for call in calls {
            // A name that was never offered is words of the model's own, and may be those of a whisper.
            let tool_call_name = if call.name == SEARCH_LIBRARY { SEARCH_LIBRARY } else { "unknown" };
            let tool_call_id = call.id;
            out.event(self.id, &Event::ToolCallStart { tool_call_id, tool_call_name });
            // As with its thoughts: a guided model may ask with the words of a whisper.
            let args = if self.guided.is_empty() { call.args.to_string() } else { "{}".to_owned() };
            out.event(self.id, &Event::ToolCallArgs { tool_call_id, delta: &args });
            out.event(self.id, &Event::ToolCallEnd { tool_call_id });
        }
    }

    pub(super) fn found(&mut self, out: &mut impl Out, found: &[(Uuid, Value)]) {
        for (tool_call_id, found) in found {
            let content = if self.guided.is_empty() { found.to_string() } else { "{}".to_owned() };
            let (tool_call_id, message_id) = (*tool_call_id, crate::id::new());
            let result = Event::ToolCallResult { message_id, tool_call_id, role: "tool", content: &content };
            out.event(self.id, &result);
        }
    }

    /// The model may say something.
    pub(super) fn is_speaking(&self) -> bool {
        matches!(self.phase, Phase::Speaking { .. })
    }

    fn end_reasoning(&mut self, out: &mut impl Out) {
        if let Some(message_id) = self.reasoning.take() {
            out.event(self.id, &Event::ReasoningMessageEnd { message_id });
            out.event(self.id, &Event::ReasoningEnd { message_id });
        }
    }

    fn open(&mut self, out: &mut impl Out) {
        if let Some(message_id) = self.answer.as_ref().map(|answer| answer.id).filter(|_| !self.opened) {
            self.end_reasoning(out);
            self.opened = true;
            let role = MessageRole::Assistant;
            out.event(self.id, &Event::TextMessageStart { message_id, role, name: None, metadata: None });
        }
    }

    /// The last entries of the run, after the commit of its end. Also an answer without a word
    /// leaves a message, so that a reload shows it.
    pub(super) fn end(&mut self, session: Uuid, out: &mut impl Out) {
        self.open(out);
        if let Some(answer) = &self.answer {
            out.event(self.id, &Event::TextMessageEnd { message_id: answer.id });
        }
        let Some(close) = self.close.take() else { return };
        match (&close.finish_reason, close.error) {
            (Some(finish_reason), None) => {
                let result = RunResult { finish_reason, model: close.model.as_deref() };
                let usage = close.usage.map(Into::into).into_iter().collect();
                out.event(
                    self.id,
                    &Event::RunFinished { thread_id: session, run_id: self.id, result, usage },
                );
            }
            (_, code) => {
                let code = code.unwrap_or(ErrorCode::Internal);
                out.event(self.id, &Event::RunError { message: code.sentence(), code });
            }
        }
        let Some(answer) = &mut self.answer else { return };
        let steps = self.steps.take();
        if !steps.is_empty() {
            out.pace(answer.id, steps);
        }
        answer.status = close.status;
        answer.finish_reason = close.finish_reason;
        answer.error = close.error;
        answer.usage = close.usage;
        answer.model = close.model;
    }

    // ── Checkpoints ─────────────────────────────────────────────────────────────────────────────

    /// Bytes that are neither in PostgreSQL nor on their way there.
    pub(super) fn unsaved(&self) -> usize {
        match self.phase {
            Phase::Speaking { saved, saving } => self.said() - saving.unwrap_or(saved),
            _ => 0,
        }
    }

    /// Bytes of the answer.
    pub(super) fn said(&self) -> usize {
        self.answer.as_ref().map_or(0, |answer| answer.content.len())
    }

    /// The text to save now, if there is new text and no earlier save is on its way.
    pub(super) fn checkpoint(&mut self) -> Option<(Uuid, Arc<str>)> {
        let answer = self.answer.as_ref()?;
        let length = answer.content.len();
        match &mut self.phase {
            Phase::Speaking { saved, saving: saving @ None } if *saved < length => {
                *saving = Some(length);
                Some((answer.id, answer.content.as_str().into()))
            }
            _ => None,
        }
    }

    pub(super) fn checkpointed(&mut self, done: bool) {
        if let Phase::Speaking { saved, saving } = &mut self.phase
            && let Some(length) = saving.take().filter(|_| done)
        {
            *saved = length;
        }
    }
}
