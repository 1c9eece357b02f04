//! How runs begin, speak and end, and what a commit changes.

use crate::gemini::{End, Outcome};
use crate::id::Uuid;
use crate::protocol::{ErrorCode, FinishReason, Message, MessageRole, Status};
use crate::store::{MessageState, NewMessage, Op, Past, Patience, WriteError};

use super::Refused;
use super::run::{Close, Cut, Phase, Run};
use super::state::{Accepted, MAX_GONE, Out, State, Token, Waiting, Written, accept, refuse};
use super::window::Window;

/// Why a run ends before the model is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Early {
    Stopped,
    Interrupted,
    /// A tutor speaks now.
    TakenOver,
    /// A message that was said to a tutor is over its quota now that the model would answer it.
    OverQuota,
}

impl State {
    /// Begins the run of what waits first; one that reaches back beyond the window, when it is known
    /// what it supersedes.
    pub(super) fn begin_next(&mut self, out: &mut impl Out, patience: Patience) {
        if self.run.is_some() || self.holding || self.looking_back.is_some() {
            return;
        }
        let Some(waiting) = self.queue.pop_front_if(|waiting| waiting.written != Written::OnItsWay) else {
            return;
        };
        let from = match (&waiting.question, waiting.edits) {
            (_, Some(edited)) => match self.window.place_of(edited) {
                Some(place) => Some(place),
                None => {
                    self.looking_back = Some(waiting.run);
                    out.look_back(waiting.run, edited);
                    return self.queue.push_front(waiting);
                }
            },
            (None, None) => match self.window.last_question() {
                Some(place) => Some(place + 1),
                None => {
                    let why = Refused::new(ErrorCode::InvalidCommand, "there is no question to answer again");
                    let Waiting { run, replies, .. } = waiting;
                    replies.into_iter().for_each(|reply| refuse(out, reply, why.clone(), Some(run)));
                    return self.begin_next(out, Patience::Insist);
                }
            },
            (Some(_), None) => None,
        };
        let cut = from.map(|from| {
            // Answered again; an edit takes everything.
            let (gone, spared) = match waiting.question {
                None => self.window.answers(from),
                Some(_) => (self.window.from(from), Vec::new()),
            };
            Cut { from, spared, gone, window: None }
        });
        self.begin(out, waiting, cut, patience);
    }

    /// `None`: there is nothing left that the edit could supersede.
    pub(super) fn looked_back(&mut self, out: &mut impl Out, run: Uuid, past: Option<Past>) {
        self.looking_back = None;
        let again = std::mem::take(&mut self.look_again);
        if self.holding {
            return;
        }
        if again || self.run.is_some() {
            return self.begin_next(out, Patience::Insist);
        }
        let Some(waiting) = self.queue.pop_front_if(|waiting| waiting.run == run) else {
            return self.begin_next(out, Patience::Insist);
        };
        let cut = past.map(|mut past| {
            let (from, gone) = (past.from, std::mem::take(&mut past.gone));
            Cut { from, spared: Vec::new(), gone, window: Some(Window::of(past)) }
        });
        self.begin(out, waiting, cut, Patience::Insist);
    }

    /// A question that begins at once is written here; one that waited is there already, and takes its
    /// place in the conversation now.
    fn begin(&mut self, out: &mut impl Out, waiting: Waiting, cut: Option<Cut>, patience: Patience) {
        let Waiting { run, question, edits, written, replies, hushed, owed } = waiting;
        let waited = question.is_some() && written == Written::Committed;
        let cut = cut.filter(|cut| !cut.gone.is_empty());
        let mut ops = Vec::with_capacity(4);
        let session_id = self.session;
        let before = self.ord + 1;
        if let Some(question) = &question {
            self.ord += 1;
            ops.push(match waited {
                true => Op::Begin { session_id, id: question.id, ord: self.ord },
                // What is said to a human tutor costs nothing.
                false => Op::Insert(NewMessage {
                    charged: self.held.by.is_none(),
                    ..self.row(question, self.ord, Status::Complete, edits)
                }),
            });
            ops.push(self.touch(out, question));
        }
        let answered = self.held.by.is_none();
        let answer = answered.then(|| {
            self.ord += 1;
            let answer =
                self.message(crate::id::new(), run, MessageRole::Assistant, String::new(), out.now());
            // A question that is asked again costs as much as a new one; one that waited while a tutor held
            // the session has cost nothing yet.
            let charged = question.is_none() || owed;
            let row = self.row(&answer, self.ord, Status::Streaming, None);
            ops.push(Op::Insert(NewMessage { charged, ..row }));
            answer
        });
        let ranges = cut.iter().flat_map(|cut| cut.ranges(before));
        ops.extend(ranges.map(|(from, before)| Op::Supersede { session_id, from, before }));
        out.commit(Token::Begin(run), ops, if waited { Patience::Insist } else { patience });
        let mut run = match answer {
            Some(answer) => Run::of(run, question, Some(answer), self.ord, self.held.epoch),
            None => Run::human(run, question, self.ord, self.held.epoch),
        };
        (run.waited, run.replies, run.cut) = (waited, replies, cut);
        if hushed {
            run.phase = Phase::Beginning { early: Some(Early::Stopped) };
        }
        self.run = Some(Box::new(run));
    }

    /// Draining: what has not begun waits for the next start.
    pub(super) fn hold(&mut self, out: &mut impl Out) {
        self.holding = true;
        // A repetition is written nowhere, so there will be none after the restart: say so.
        self.drop_repetitions(out, &Refused::plain(ErrorCode::Draining));
    }

    /// Refuses the repetitions that wait: nothing was promised for them.
    pub(super) fn drop_repetitions(&mut self, out: &mut impl Out, why: &Refused) {
        let (kept, lost) = self.queue.drain(..).partition(|waiting| waiting.question.is_some());
        self.queue = kept;
        for waiting in Vec::from(lost) {
            waiting.replies.into_iter().for_each(|reply| refuse(out, reply, why.clone(), Some(waiting.run)));
        }
    }

    /// After waking: ends what was left open with nobody to end it (a deletion that failed after the
    /// task had gone, say), then begins what was left waiting.
    pub(super) fn resume(&mut self, out: &mut impl Out) {
        for answer in self.window.close_open() {
            out.commit(Token::Note, vec![Op::Update(answer)], Patience::Insist);
        }
        self.await_return(out);
        self.begin_next(out, Patience::Insist);
    }

    // ── Commits ─────────────────────────────────────────────────────────────────────────────────

    pub(super) fn committed(&mut self, out: &mut impl Out, token: Token) {
        match token {
            Token::Queued(id) => {
                let Some(waiting) = self.queue.iter_mut().find(|waiting| waiting.asks(id)) else { return };
                waiting.written = Written::Committed;
                let accepted = Accepted { message: id, run: Some(waiting.run), ended: false };
                waiting.replies.drain(..).for_each(|reply| accept(out, reply, accepted));
                self.begin_next(out, Patience::Insist);
            }
            Token::Begin(run) => self.begun(out, run),
            Token::Checkpoint(run) => {
                if let Some(run) = self.run.as_deref_mut().filter(|current| current.id == run) {
                    run.checkpointed(true);
                }
            }
            Token::End(run) => self.ended(out, run, true),
            Token::Said(id) => self.said(out, id),
            Token::Whispered(id) => self.whispered(out, id),
            Token::Note => {}
        }
    }

    pub(super) fn not_committed(&mut self, out: &mut impl Out, token: Token, error: &WriteError) {
        let refused = Refused::from(error);
        match token {
            Token::Queued(id) => {
                let Some(at) = self.queue.iter().position(|waiting| waiting.asks(id)) else { return };
                self.titled = false;
                if let Some(waiting) = self.queue.remove(at) {
                    waiting
                        .replies
                        .into_iter()
                        .for_each(|reply| refuse(out, reply, refused.clone(), Some(id)));
                }
                self.begin_next(out, Patience::Insist);
            }
            Token::Begin(run) if matches!(error, WriteError::OverQuota(_)) && self.has_waited(run) => {
                self.begin_unanswered(out);
            }
            Token::Begin(run) => {
                self.titled = false;
                if let Some(run) = self.run.take_if(|current| current.id == run) {
                    let command = run.question.as_ref().map_or(run.id, |question| question.id);
                    let run = *run;
                    run.replies
                        .into_iter()
                        .for_each(|reply| refuse(out, reply, refused.clone(), Some(command)));
                    if run.saying > 0 || !run.asides.is_empty() {
                        return self.go_on_alone(out, run.id, (run.ord, run.epoch), run.saying, run.asides);
                    }
                }
                self.begin_next(out, Patience::Insist);
            }
            // A text so far that could not be written is written again with the next one.
            Token::Checkpoint(run) => {
                if let Some(run) = self.run.as_deref_mut().filter(|current| current.id == run) {
                    run.checkpointed(false);
                }
            }
            Token::End(run) => self.ended(out, run, false),
            Token::Said(id) => self.not_said(out, id, &refused),
            Token::Whispered(id) => self.not_whispered(out, id, &refused),
            Token::Note => {}
        }
    }

    fn has_waited(&self, run: Uuid) -> bool {
        self.run.as_ref().is_some_and(|current| current.id == run && current.waited)
    }

    /// The question was accepted and stands: its run begins all the same, and ends before the model is asked.
    fn begin_unanswered(&mut self, out: &mut impl Out) {
        let Some(run) = self.run.as_deref_mut() else { return };
        let Phase::Beginning { early } = &mut run.phase else { return };
        *early = early.or(Some(Early::OverQuota));
        let (id, ord, answer) = (run.id, run.ord, run.answer.clone());
        let question = run.question.as_ref().map(|question| question.id);
        let ranges = run.cut.iter().flat_map(|cut| cut.ranges(ord - 1)).collect::<Vec<_>>();
        let session_id = self.session;
        let answer = answer.map(|answer| self.row(&answer, ord, Status::Streaming, None));
        let supersede = |(from, before)| Op::Supersede { session_id, from, before };
        // The question comes before its answer.
        let begin = question.map(|id| Op::Begin { session_id, id, ord: ord - 1 });
        let ops = begin.into_iter().chain(answer.map(Op::Insert)).chain(ranges.into_iter().map(supersede));
        let ops = ops.collect();
        out.commit(Token::Begin(id), ops, Patience::Insist);
    }

    // ── The run ─────────────────────────────────────────────────────────────────────────────────

    fn begun(&mut self, out: &mut impl Out, id: Uuid) {
        let Some(run) = self.run.as_deref_mut().filter(|run| run.id == id) else { return };
        let Phase::Beginning { early } = run.phase else { return };
        let message = run.question.as_ref().map_or(id, |question| question.id);
        let accepted = Accepted { message, run: Some(id), ended: false };
        // A repetition is answered by its run alone.
        let replies = std::mem::take(&mut run.replies);
        let repeats = run.question.is_none();
        if !repeats {
            replies.into_iter().for_each(|reply| accept(out, reply, accepted));
        }
        run.begin(self.session, out);
        if let Some(cut) = run.cut.take() {
            match cut.window {
                Some(window) => self.window = window,
                None => self.window.cut(cut.from, &cut.gone),
            }
            self.forget(cut.gone);
        }
        if repeats {
            self.done(out, Some(id));
        }
        self.asked(out.now());
        let Some(run) = self.run.as_deref_mut() else { return };
        if run.answer.is_none() && run.is_over() {
            return self.end_if_over(out);
        }
        run.shown = true;
        self.announce(out);
        if let Some(early) = early.or(self.cutting.then_some(Early::Interrupted)) {
            return self.end_early(out, early);
        }
        if let Some(run) = self.run.as_deref_mut().filter(|run| run.answer.is_some()) {
            run.guided = self.guidance.ids();
            let asides = run.asides.iter().map(|(_, message)| message);
            out.ask_model(self.window.prompt(run.question.as_ref(), asides, self.guidance.texts()));
        }
    }

    /// A run that could not begin, in which a tutor speaks.
    fn go_on_alone(
        &mut self,
        out: &mut impl Out,
        id: Uuid,
        (ord, epoch): (i64, i64),
        saying: usize,
        asides: Vec<(i64, Message)>,
    ) {
        let mut run = Run::human(id, None, ord, epoch);
        (run.saying, run.asides) = (saying, asides);
        if !run.asides.is_empty() {
            run.begin(self.session, out);
        }
        self.run = Some(Box::new(run));
        self.end_if_over(out);
    }

    pub(super) fn text(&mut self, out: &mut impl Out, text: &str) {
        // What was begun under another hand is not for the student any more.
        if let Some(run) = self.run.as_deref_mut().filter(|run| run.epoch == self.held.epoch) {
            self.changed |= !run.is_answering();
            run.text(out, text);
        }
    }

    pub(super) fn thought(&mut self, out: &mut impl Out, text: &str) {
        if let Some(run) = self.run.as_deref_mut().filter(|run| run.epoch == self.held.epoch) {
            run.thought(out, text);
        }
    }

    /// Writes the text so far, if there is new text and no earlier write of it is on its way.
    pub(super) fn checkpoint(&mut self, out: &mut impl Out) {
        let session_id = self.session;
        let Some(run) = self.run.as_deref_mut() else { return };
        let Some((id, content)) = run.checkpoint() else { return };
        let state = MessageState {
            session_id,
            id,
            content,
            status: Status::Streaming,
            finish_reason: None,
            error: None,
            usage: None,
            model: None,
        };
        out.commit(Token::Checkpoint(run.id), vec![Op::Update(state)], Patience::Refuse);
    }

    /// Each checkpoint writes the whole text: for a long one, a sixteenth more is enough to write it
    /// again before its time.
    pub(super) fn wants_checkpoint(&self, least: usize) -> bool {
        self.run.as_ref().is_some_and(|run| run.unsaved() >= least.max(run.said() / 16))
    }

    /// Bytes of text that are in no checkpoint.
    pub(super) fn unsaved(&self) -> usize {
        self.run.as_ref().map_or(0, |run| run.unsaved())
    }

    /// The model has said its last.
    pub(super) fn end(&mut self, out: &mut impl Out, end: End) {
        let close = match end.outcome {
            Outcome::Finished(reason) => Close::finished(Status::Complete, reason),
            Outcome::Failed { code, .. } => Close::failed(Status::Failed, code),
        };
        self.write_end(out, Close { usage: Some(end.usage), model: end.model, ..close });
    }

    /// The drain's time is up.
    pub(super) fn interrupt(&mut self, out: &mut impl Out) {
        self.cutting = true;
        self.end_early(out, Early::Interrupted);
    }

    pub(super) fn end_early(&mut self, out: &mut impl Out, why: Early) {
        let (usage, model) = out.hush_model().unzip();
        let close = match why {
            Early::Stopped => Close::finished(Status::Stopped, FinishReason::Stopped),
            Early::TakenOver => Close::finished(Status::Stopped, FinishReason::TakenOver),
            Early::Interrupted => Close::failed(Status::Interrupted, ErrorCode::Interrupted),
            Early::OverQuota => Close::failed(Status::Failed, ErrorCode::QuotaExceeded),
        };
        self.write_end(out, Close { usage, model: model.flatten(), ..close });
    }

    fn write_end(&mut self, out: &mut impl Out, close: Close) {
        let Some(run) = self.run.as_deref_mut() else { return };
        if !matches!(run.phase, Phase::Speaking { .. }) {
            return;
        }
        let Some(answer) = &run.answer else { return };
        run.phase = Phase::Ending;
        let update = MessageState {
            session_id: self.session,
            id: answer.id,
            content: answer.content.as_str().into(),
            status: close.status,
            finish_reason: close.finish_reason.clone(),
            error: close.error,
            usage: close.usage,
            model: close.model.clone(),
        };
        run.close = Some(close);
        let touch = Op::Touch { session_id: self.session, title: None, at: out.now() };
        out.commit(Token::End(run.id), vec![Op::Update(update), touch], Patience::Insist);
    }

    fn ended(&mut self, out: &mut impl Out, id: Uuid, committed: bool) {
        let Some(run) = self.run.as_deref_mut().filter(|run| run.id == id) else { return };
        if !committed {
            run.close = Some(Close::failed(Status::Failed, ErrorCode::Internal));
        }
        run.phase = Phase::Over;
        self.end_if_over(out);
    }

    /// What a tutor says in a run is told before its end.
    pub(super) fn end_if_over(&mut self, out: &mut impl Out) {
        let Some(mut run) = self.run.take_if(|run| run.is_over()) else { return };
        run.end(self.session, out);
        self.answered(&run, out.now());
        // An answer without a word has shown nobody what it was told.
        if run.said() > 0 && !run.guided.is_empty() {
            self.used(out, run.id, &run.guided);
        }
        let shown = run.shown;
        run.leave().for_each(|(ord, message)| self.window.push(ord, message));
        // One that is told in one piece changes nothing of the state.
        match shown {
            true => self.announce(out),
            false => self.changed = true,
        }
        self.begin_next(out, Patience::Insist);
    }

    fn forget(&mut self, ids: Vec<Uuid>) {
        if self.gone.len() + ids.len() > MAX_GONE {
            self.unseen = true;
            self.gone = Vec::new();
        } else {
            self.gone.extend(ids);
        }
    }
}
