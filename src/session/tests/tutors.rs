//! Tutors at the rig.

use std::sync::Arc;

use crate::audit::Asking;
use crate::gemini::Outcome;
use crate::id::Uuid;
use crate::identity::{Access, Role};
use crate::protocol::{FinishReason, Person, Until, Whisper};
use crate::session::handle::Viewer;
use crate::session::says::Words;
use crate::session::state::Timer;
use crate::store::{Patience, WriteError};

use super::rig::{Rig, fold};

/// Two tutors; the second is an admin.
pub(super) fn tutor(n: usize) -> Viewer {
    let (name, role) = [("Ms Kay", Role::Tutor), ("Mr Lee", Role::Admin)][n];
    Viewer {
        conn: 20 + n as u64,
        person: Person { id: Uuid::from_u128(20 + n as u128), name: name.into() },
        role,
        access: Access::Observer,
        may_speak: true,
        asking: Arc::new(Asking::default()),
    }
}

impl Rig {
    /// One who watches.
    pub(super) fn tutor(&mut self, n: usize) -> Viewer {
        let tutor = tutor(n);
        if !self.state.is_watcher(tutor.conn) {
            self.state.arrive(&mut self.world, &tutor);
        }
        tutor
    }

    pub(super) fn take_over(&mut self, n: usize) {
        let by = self.tutor(n);
        self.state.take_over(&mut self.world, &by, None, Ok(()));
    }

    pub(super) fn hand_back(&mut self, n: usize, summary: Option<&str>) {
        let by = self.tutor(n);
        self.state.hand_back(&mut self.world, &by, None, summary.map(str::to_owned), Ok(()));
    }

    pub(super) fn say(&mut self, n: usize, text: &str) -> Uuid {
        let id = self.id();
        self.say_as(n, id, text, None);
        id
    }

    pub(super) fn correct(&mut self, n: usize, message: Uuid, text: &str) -> Uuid {
        let id = self.id();
        self.say_as(n, id, text, Some(message));
        id
    }

    /// As the task does it: what is not in memory was looked up.
    pub(super) fn say_as(&mut self, n: usize, id: Uuid, text: &str, corrects: Option<Uuid>) {
        let by = self.tutor(n);
        let rows = &self.world.rows;
        if self.state.must_look_up(id) && rows.contains_key(&id) {
            return;
        }
        let stands = corrects.and_then(|id| rows.get(&id)).is_some_and(|row| {
            use crate::protocol::{AuthorKind, Status};
            row.kind == AuthorKind::Assistant && row.status != Status::Streaming && !row.superseded
        });
        let words = Words { id, text: text.into(), corrects, stands };
        self.state.say(&mut self.world, &by, words, Ok(()));
    }

    pub(super) fn whisper(&mut self, n: usize, text: &str, until: Until) -> Uuid {
        let (by, id) = (self.tutor(n), self.id());
        let whisper = Whisper { id, text: text.into(), until };
        self.state.whisper(&mut self.world, &by, whisper, Ok(()));
        id
    }

    pub(super) fn withdraw(&mut self, n: usize, whisper: Uuid) {
        let by = self.tutor(n);
        self.state.withdraw(&mut self.world, &by, whisper, None, Ok(()));
    }

    /// Only what is not insisted on can fail.
    pub(super) fn keep_fails(&mut self) {
        if self.world.keeps.first().is_some_and(|(.., patience)| *patience == Patience::Refuse) {
            let (token, ..) = self.world.keeps.remove(0);
            let error = WriteError::Unavailable { retry_after: std::time::Duration::from_secs(1) };
            self.state.not_committed(&mut self.world, token, &error);
        }
    }
}

/// A tutor's own word for the end of somebody's answer.
fn reasons(rig: &Rig) -> Vec<String> {
    let ends = rig.world.events.iter().filter(|event| event["type"] == "RUN_FINISHED");
    ends.map(|end| end["result"]["finish_reason"].as_str().unwrap().to_owned()).collect()
}

fn last(rig: &Rig, kind: &str) -> serde_json::Value {
    rig.world.controls.iter().rfind(|ctl| ctl["type"] == kind).unwrap().clone()
}

#[test]
fn taking_over_before_the_first_word_asks_the_model_for_nothing() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.take_over(0);
    rig.settle();
    assert!(rig.world.prompt.is_none());
    assert_eq!(reasons(&rig), ["taken_over"]);
    assert_eq!(rig.snapshot()[1]["status"], "stopped");
}

/// What the model says under an older number is dropped, whatever the run's phase is.
#[test]
fn a_word_that_comes_late_is_not_told() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.commit();
    rig.text("It is ");
    rig.state.held.epoch += 1;
    let told = rig.world.events.len();
    rig.text("late");
    rig.state.thought(&mut rig.world, "hm");
    assert_eq!(rig.world.events.len(), told);
}

#[test]
fn the_end_of_a_run_waits_for_what_a_tutor_is_saying_in_it() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.commit();
    rig.text("It is");
    let said = rig.say(0, "Listen");
    // The end is kept before the tutor's message is.
    let saying = rig.world.commits.remove(0);
    rig.end(Outcome::Finished(FinishReason::Stop));
    rig.commit();
    assert!(reasons(&rig).is_empty(), "it would be told outside of its run");
    rig.world.commits.push(saying);
    rig.commit();
    assert_eq!(reasons(&rig), ["stop"]);
    assert!(rig.world.accepted().contains(&said));
    fold(&rig.world.events);
}

#[test]
fn a_tutor_who_speaks_in_a_run_that_could_not_begin_speaks_alone() {
    let mut rig = Rig::new();
    rig.send("one");
    let said = rig.say(0, "Listen");
    rig.fail();
    assert_eq!(last(&rig, "error")["code"], "storage_unavailable");
    rig.settle();
    assert_eq!(reasons(&rig), ["tutor"]);
    assert_eq!(fold(&rig.world.events)[&said], "Listen");
}

#[test]
fn a_lapse_of_an_earlier_absence_means_nothing() {
    let mut rig = Rig::new();
    rig.take_over(0);
    rig.state.depart(&mut rig.world, tutor(0).conn);
    let lapse = rig.world.timers.iter().copied().find(|timer| matches!(timer, Timer::Lapse(_))).unwrap();
    rig.tutor(0);
    rig.state.rang(&mut rig.world, lapse);
    assert_eq!(rig.state.public(false).control, "tutor");
    rig.state.depart(&mut rig.world, tutor(0).conn);
    let lapse = rig.world.timers.iter().copied().rfind(|timer| matches!(timer, Timer::Lapse(_))).unwrap();
    rig.state.rang(&mut rig.world, lapse);
    assert_eq!(rig.state.public(false).control, "ai");
    assert!(rig.world.audit.contains(&"control_ended"));
}

#[test]
fn a_hundred_who_come_together_are_told_of_twice() {
    let mut rig = Rig::new();
    for n in 0..100u64 {
        let mut who = tutor(0);
        (who.conn, who.person.id) = (100 + n, Uuid::from_u128(1000 + u128::from(n)));
        rig.state.arrive(&mut rig.world, &who);
    }
    let told = |rig: &Rig| rig.world.controls.iter().filter(|ctl| ctl["type"] == "state").count();
    assert_eq!(told(&rig), 1, "the first at once");
    assert_eq!(rig.world.timers, [Timer::Tell]);
    rig.state.rang(&mut rig.world, Timer::Tell);
    assert_eq!(told(&rig), 2);
    assert_eq!(last(&rig, "state")["watchers"].as_array().unwrap().len(), 100);
    rig.state.rang(&mut rig.world, Timer::Tell);
    assert_eq!(told(&rig), 2);
}

#[test]
fn an_edit_that_looks_back_sees_what_a_tutor_said_meanwhile() {
    let mut rig = Rig::woken(20, 4);
    let first = rig.sent[0];
    rig.edit(first, "anew");
    rig.commit();
    let said = rig.say(0, "Listen");
    rig.settle();
    assert!(rig.named().contains(&said), "it came after what was edited");
    assert_eq!(rig.world.listed().len(), 2);
}

#[test]
fn a_whisper_is_given_back_by_an_answer_without_a_word() {
    let mut rig = Rig::new();
    let id = rig.whisper(0, "psst", Until::Next);
    assert!(rig.state.guidance.waiting().is_empty(), "it is not kept yet");
    rig.keep();
    for words in [false, true] {
        rig.send("one");
        rig.commit();
        assert_eq!(rig.world.prompt.take().unwrap().guidance.len(), 1);
        assert_eq!(rig.state.guidance.ids(), [id]);
        if words {
            rig.text("so");
        }
        rig.settle();
    }
    assert!(rig.state.guidance.waiting().is_empty());
    let states: Vec<_> = rig.world.tutors.iter().filter(|told| told["type"] == "whispered").collect();
    assert_eq!((&states[0]["state"], &states[1]["state"]), (&"waiting".into(), &"used".into()));
}
