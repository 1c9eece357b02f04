//! Signals: facts about a session, and what is to be told of them. Pure.

use crate::clock::Timestamp;
use crate::protocol::{Score, SignalKind, Signals};

/// What is known of one session.
#[derive(Clone, Debug)]
pub struct Facts {
    last_activity: Timestamp,
    hand: Option<Timestamp>,
}

/// How an answer ended, as far as signals care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Complete,
    /// By the student or by a tutor.
    Stopped,
    /// The model or its provider refused for safety.
    Safety,
    Failed,
}

/// What the model itself says about how the student gets on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelReport {
    pub kind: SignalKind,
    /// 0 to 100.
    pub score: u8,
    pub why: String,
}

impl Facts {
    pub fn new(_title: Option<&str>, _subject: Option<&str>, now: Timestamp) -> Facts {
        Facts { last_activity: now, hand: None }
    }

    /// What the session is about: off task is measured against it.
    pub fn named(&mut self, _title: Option<&str>, _subject: Option<&str>) {}

    pub fn asked(&mut self, _text: &str, now: Timestamp) {
        self.last_activity = now;
    }

    pub fn regenerated(&mut self, now: Timestamp) {
        self.last_activity = now;
    }

    /// An answer ended; from now on the student is waited for.
    pub fn answered(&mut self, _text: &str, _end: Ended, _now: Timestamp) {}

    pub fn typed(&mut self, now: Timestamp) {
        self.last_activity = now;
    }

    /// Whether the student has a socket on the session.
    pub fn present(&mut self, _is_here: bool, _now: Timestamp) {}

    pub fn hand(&mut self, since: Option<Timestamp>) {
        self.hand = since;
    }

    pub fn reported(&mut self, _report: ModelReport) {}

    /// A tutor has dealt with it.
    pub fn dealt_with(&mut self, _kind: SignalKind) {}
}

/// What is to be told at this moment.
pub fn judge(facts: &Facts, now: Timestamp) -> Signals {
    Signals {
        hand_raised: facts.hand.is_some(),
        idle_s: u64::try_from(now.duration_since(facts.last_activity).as_secs()).unwrap_or(0),
        struggling: Score::default(),
        items: Vec::new(),
    }
}
