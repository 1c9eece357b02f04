//! Who answers: the model or one tutor; and who comes to a raised hand.

use crate::audit::{Asking, Event};
use crate::id::Uuid;
use crate::identity::Role;
use crate::protocol::{ActKind, ErrorCode, HandUp, Person, SignalKind};
use crate::store::{NewAct, Op, Patience, TutorRow};

use super::Refused;
use super::handle::Viewer;
use super::run::Phase;
use super::state::{Out, ReplyTo, State, Timer, Token, refuse};
use super::turns::Early;

/// Who has the word: a tutor, or the model.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) by: Option<Person>,
    /// Rises with every change. A run belongs to the number under which it began.
    pub(super) epoch: i64,
    /// Rise whenever the holder, or who comes to a hand, arrives or goes: the alarm of an earlier absence means
    /// nothing.
    absence: u64,
    claimant_absence: u64,
}

/// How a tutor's control ends without their word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// They were gone for too long.
    Lapsed,
    /// They may not be here any more.
    RightsEnded,
}

impl Held {
    pub(super) fn new(by: Option<Person>, epoch: i64) -> Held {
        Held { by, epoch, ..Held::default() }
    }

    pub(super) fn is_by(&self, who: Uuid) -> bool {
        self.by.as_ref().is_some_and(|holder| holder.id == who)
    }

    /// What somebody else is told who wants what only the holder, or nobody while there is one, may do.
    pub(super) fn refusal(&self) -> Refused {
        let plain = Refused::plain(ErrorCode::ControlHeld);
        match &self.by {
            Some(holder) => {
                Refused { message: format!("{} holds this session.", holder.name).into(), ..plain }
            }
            None => plain,
        }
    }

    fn passes_to(&mut self, by: Option<Person>) -> Option<Person> {
        self.epoch += 1;
        self.absence += 1;
        std::mem::replace(&mut self.by, by)
    }
}

impl State {
    /// The model falls silent: what it still says belongs to an older number.
    pub(super) fn take_over(
        &mut self,
        out: &mut impl Out,
        by: &Viewer,
        command: Option<Uuid>,
        storage: Result<(), Refused>,
    ) {
        if self.held.is_by(by.person.id) || self.is_done(command) {
            return self.tell_state(out, by.conn);
        }
        let free = if self.held.by.is_none() { Ok(()) } else { Err(self.held.refusal()) };
        if let Err(refused) = free.and(storage) {
            return refuse(out, ReplyTo::Conn(by.conn), refused, command);
        }
        self.done(out, command);
        self.held.passes_to(Some(by.person.clone()));
        if self.hand.take().is_some() {
            self.facts.hand(None);
            let op = Op::RaiseHand { session_id: self.session, raised: false };
            out.commit(Token::Note, vec![op], Patience::Insist);
        }
        // Somebody is there now: what called for them has been heard. (Safety stands for its day.)
        for kind in [SignalKind::Struggling, SignalKind::Idle, SignalKind::OffTask] {
            self.facts.dealt_with(kind);
        }
        self.announce(out);
        match self.run.as_deref_mut() {
            Some(run) if run.answer.is_some() => match &mut run.phase {
                Phase::Beginning { early } => *early = early.or(Some(Early::TakenOver)),
                Phase::Speaking { .. } => self.end_early(out, Early::TakenOver),
                Phase::Ending | Phase::Over => {}
            },
            _ => {}
        }
        self.drop_repetitions(out, &self.held.refusal());
        let rows = vec![self.control_row(), self.act(out, by.person.id, ActKind::TookOver)];
        out.keep(Token::Note, rows, Patience::Insist);
        self.record(out, by, |session, student| Event::TookOver { session, student });
        if !self.watches(by.person.id) {
            self.went_away(out, by.person.id);
        }
    }

    /// The model may speak again, at the student's next message.
    pub(super) fn hand_back(
        &mut self,
        out: &mut impl Out,
        by: &Viewer,
        command: Option<Uuid>,
        summary: Option<String>,
        storage: Result<(), Refused>,
    ) {
        if self.is_done(command) {
            return self.tell_state(out, by.conn);
        }
        let may = match &self.held.by {
            None => Err(Refused::new(ErrorCode::InvalidCommand, "nobody has taken over")),
            Some(holder) if holder.id != by.person.id && by.role != Role::Admin => Err(self.held.refusal()),
            Some(_) => match &summary {
                // What is insisted on is kept until PostgreSQL is back: texts are not.
                Some(text) => storage.and_then(|()| self.guidance.room(text)),
                None => Ok(()),
            },
        };
        if let Err(refused) = may {
            return refuse(out, ReplyTo::Conn(by.conn), refused, command);
        }
        self.done(out, command);
        self.held.passes_to(None);
        self.announce(out);
        let mut rows = vec![self.control_row()];
        let whisper = summary.map(|text| {
            let (id, row) = self.summarize(out, &by.person, text);
            rows.push(row);
            id
        });
        rows.push(self.act_on(out, by.person.id, ActKind::HandedBack, None, whisper));
        out.keep(Token::Note, rows, Patience::Insist);
        self.record(out, by, |session, student| Event::HandedBack { session, student });
    }

    fn lose(&mut self, out: &mut impl Out, why: Lost) {
        let Some(holder) = self.held.passes_to(None) else { return };
        self.announce(out);
        let (kind, end) = match why {
            Lost::Lapsed => (ActKind::Lapsed, "lapsed"),
            Lost::RightsEnded => (ActKind::Released, "rights_ended"),
        };
        let rows = vec![self.control_row(), self.act(out, holder.id, kind)];
        out.keep(Token::Note, rows, Patience::Insist);
        let (session, student) = (self.session, self.student.id);
        out.record(holder.id, &Asking::default(), &Event::ControlEnded { session, student, end });
    }

    /// Somebody says that they are coming; the student sees who.
    pub(super) fn claim(
        &mut self,
        out: &mut impl Out,
        by: &Viewer,
        storage: Result<(), Refused>,
    ) -> Result<HandUp, Refused> {
        let Some(hand) = &mut self.hand else {
            return Err(Refused::new(ErrorCode::InvalidCommand, "no hand is up"));
        };
        match &hand.claimed_by {
            Some(first) if first.id == by.person.id => return Ok(hand.clone()),
            Some(first) => {
                let message = format!("{} is coming already.", first.name).into();
                return Err(Refused { message, ..Refused::plain(ErrorCode::ControlHeld) });
            }
            None => storage?,
        }
        hand.claimed_by = Some(by.person.clone());
        let hand = hand.clone();
        self.held.claimant_absence += 1;
        self.announce(out);
        let claim = TutorRow::Claim { session: self.session, by: Some(by.person.id), at: out.now() };
        let rows = vec![claim, self.act(out, by.person.id, ActKind::Claimed)];
        out.keep(Token::Note, rows, Patience::Insist);
        self.record(out, by, |session, student| Event::HandClaimed { session, student });
        if !self.watches(by.person.id) {
            out.wake(Timer::Claim(self.held.claimant_absence));
        }
        Ok(hand)
    }

    // ── Coming and going ────────────────────────────────────────────────────────────────────────

    pub(super) fn came_back(&mut self, who: Uuid) {
        if self.held.is_by(who) {
            self.held.absence += 1;
        }
        if self.is_claimed_by(who) {
            self.held.claimant_absence += 1;
        }
    }

    pub(super) fn went_away(&mut self, out: &mut impl Out, who: Uuid) {
        if self.held.is_by(who) {
            self.held.absence += 1;
            out.wake(Timer::Lapse(self.held.absence));
        }
        if self.is_claimed_by(who) {
            self.held.claimant_absence += 1;
            out.wake(Timer::Claim(self.held.claimant_absence));
        }
    }

    /// After waking nobody is there yet.
    pub(super) fn await_return(&mut self, out: &mut impl Out) {
        let claimant = self.hand.as_ref().and_then(|hand| hand.claimed_by.as_ref());
        let both = [self.held.by.as_ref(), claimant].map(|who| who.map(|who| who.id));
        if both[0].is_some() {
            out.wake(Timer::Lapse(self.held.absence));
        }
        if both[1].is_some() {
            out.wake(Timer::Claim(self.held.claimant_absence));
        }
    }

    /// Their rights have ended: control does not wait for their return.
    pub(super) fn shut_out(&mut self, out: &mut impl Out, who: Uuid) {
        if self.held.is_by(who) {
            self.lose(out, Lost::RightsEnded);
        }
        self.give_up_claim(out, who);
    }

    pub(super) fn rang(&mut self, out: &mut impl Out, timer: Timer) {
        match timer {
            Timer::Lapse(absence) if absence == self.held.absence => self.lose(out, Lost::Lapsed),
            Timer::Claim(absence) if absence == self.held.claimant_absence => {
                let claimant = self.hand.as_ref().and_then(|hand| hand.claimed_by.as_ref());
                if let Some(who) = claimant.map(|who| who.id) {
                    self.give_up_claim(out, who);
                }
            }
            Timer::Lapse(_) | Timer::Claim(_) => {}
            Timer::Tell => self.rested(out),
        }
    }

    fn is_claimed_by(&self, who: Uuid) -> bool {
        let claimant = self.hand.as_ref().and_then(|hand| hand.claimed_by.as_ref());
        claimant.is_some_and(|claimant| claimant.id == who)
    }

    fn give_up_claim(&mut self, out: &mut impl Out, who: Uuid) {
        if !self.is_claimed_by(who) {
            return;
        }
        if let Some(hand) = &mut self.hand {
            hand.claimed_by = None;
        }
        self.announce(out);
        let claim = TutorRow::Claim { session: self.session, by: None, at: out.now() };
        out.keep(Token::Note, vec![claim], Patience::Insist);
    }

    // ── Rows ────────────────────────────────────────────────────────────────────────────────────

    fn control_row(&self) -> TutorRow {
        let by = self.held.by.as_ref().map(|holder| holder.id);
        TutorRow::Control { session: self.session, by, epoch: self.held.epoch }
    }

    pub(super) fn act(&self, out: &impl Out, actor: Uuid, kind: ActKind) -> TutorRow {
        self.act_on(out, actor, kind, None, None)
    }

    pub(super) fn act_on(
        &self,
        out: &impl Out,
        actor: Uuid,
        kind: ActKind,
        message: Option<Uuid>,
        whisper: Option<Uuid>,
    ) -> TutorRow {
        let (id, session, at) = (crate::id::new(), self.session, out.now());
        TutorRow::Act(NewAct { id, session, actor, kind, message, whisper, at })
    }

    pub(super) fn record(&self, out: &mut impl Out, by: &Viewer, event: impl FnOnce(Uuid, Uuid) -> Event) {
        out.record(by.person.id, &by.asking, &event(self.session, self.student.id));
    }
}
