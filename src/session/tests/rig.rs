//! What stands around the state in its tests: the log, the writer and the model, played.

use std::collections::HashMap;

use serde_json::Value;

use crate::clock::Timestamp;
use crate::gemini::{End, Outcome, Prompt};
use crate::id::Uuid;
use crate::protocol::{Control, Edit, Event, FinishReason, Send, Status, Usage};
use crate::session::log::{Audience, ConnId};
use crate::session::state::{Out, ReplyTo, State, Token};
use crate::store::{Op, Patience, Woken, WriteError};

pub(super) const SESSION: Uuid = Uuid::from_u128(1);
pub(super) const STUDENT: Uuid = Uuid::from_u128(2);
pub(super) const CONN: ConnId = 7;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) ord: i64,
    pub(super) content: String,
    pub(super) status: Status,
    pub(super) superseded: bool,
}

/// Everything around the state.
#[derive(Default)]
pub(super) struct World {
    pub(super) events: Vec<Value>,
    pub(super) controls: Vec<Value>,
    pub(super) commits: Vec<(Token, Vec<Op>, Patience)>,
    pub(super) prompt: Option<Prompt>,
    pub(super) speaking: bool,
    pub(super) rows: HashMap<Uuid, Row>,
}

impl Out for World {
    fn event(&mut self, _run: Uuid, event: &Event<'_>) {
        self.events.push(serde_json::to_value(event).unwrap());
    }
    fn control(&mut self, _audience: Audience, control: &Control<'_>) {
        let frame: Value = serde_json::from_slice(&control.frame()).unwrap();
        self.controls.push(frame["ctl"].clone());
    }
    fn commit(&mut self, token: Token, ops: Vec<Op>, patience: Patience) {
        self.commits.push((token, ops, patience));
    }
    fn ask_model(&mut self, prompt: Prompt) {
        assert!(!self.speaking, "two answers at once");
        self.prompt = Some(prompt);
        self.speaking = true;
    }
    fn hush_model(&mut self) -> Option<(Usage, Option<String>)> {
        std::mem::take(&mut self.speaking).then(|| (Usage::default(), None))
    }
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

impl World {
    /// What the writer would do with a batch.
    pub(super) fn write(&mut self, ops: &[Op]) {
        for op in ops {
            match op {
                Op::Insert(new) => {
                    let row = Row {
                        ord: new.ord,
                        content: new.content.to_string(),
                        status: new.status,
                        superseded: false,
                    };
                    self.rows.entry(new.id).or_insert(row);
                }
                Op::Update(state) => {
                    let row = self.rows.get_mut(&state.id).expect("updated before it was inserted");
                    assert_eq!(row.status, Status::Streaming, "an ended message was changed");
                    row.content = state.content.to_string();
                    row.status = state.status;
                }
                Op::Begin { id, ord, .. } => {
                    let row = self.rows.get_mut(id).expect("begun before it was inserted");
                    assert_eq!(row.status, Status::Queued);
                    (row.status, row.ord) = (Status::Complete, *ord);
                }
                Op::Supersede { ids, .. } => {
                    ids.iter().for_each(|id| {
                        self.rows.get_mut(id).expect("superseded a stranger").superseded = true
                    });
                }
                Op::Touch { .. } | Op::RaiseHand { .. } => {}
            }
        }
        let mut ords: Vec<i64> = self.rows.values().map(|row| row.ord).collect();
        ords.sort_unstable();
        ords.dedup();
        assert_eq!(ords.len(), self.rows.len(), "two messages in one place");
        let last_said =
            self.rows.values().filter(|row| row.status != Status::Queued).map(|row| row.ord).max();
        let waits = self.rows.values().filter(|row| row.status == Status::Queued).map(|row| row.ord).min();
        assert!(waits.is_none_or(|waits| Some(waits) > last_said), "what waits does not come last");
    }

    pub(super) fn accepted(&self) -> Vec<Uuid> {
        let accepted = self.controls.iter().filter(|c| c["type"] == "accepted");
        accepted.map(|c| c["id"].as_str().unwrap().parse().unwrap()).collect()
    }
}

pub(super) struct Rig {
    pub(super) state: State,
    pub(super) world: World,
    pub(super) ids: u128,
    pub(super) sent: Vec<Uuid>,
}

impl Rig {
    pub(super) fn new() -> Rig {
        let woken = Woken {
            id: SESSION,
            student_id: STUDENT,
            student_name: "Ada".into(),
            title: None,
            hand_raised: false,
            last_ord: 0,
            messages: Vec::new(),
            has_more: false,
        };
        Rig { state: State::new(woken), world: World::default(), ids: 100, sent: Vec::new() }
    }

    pub(super) fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    pub(super) fn send(&mut self, text: &str) -> Uuid {
        let id = self.id();
        self.sent.push(id);
        let send = Send { id, text: text.into() };
        self.state.send(&mut self.world, send, ReplyTo::Conn(CONN), Ok(()));
        id
    }

    pub(super) fn edit(&mut self, message: Uuid, text: &str) -> Uuid {
        let id = self.id();
        let edit = Edit { id, message, text: text.into() };
        self.state.edit(&mut self.world, edit, ReplyTo::Conn(CONN), Ok(()));
        id
    }

    pub(super) fn commit(&mut self) -> bool {
        if self.world.commits.is_empty() {
            return false;
        }
        let (token, ops, _) = self.world.commits.remove(0);
        self.world.write(&ops);
        self.state.committed(&mut self.world, token);
        true
    }

    /// Only what is not insisted on can fail.
    pub(super) fn fail(&mut self) {
        if self.world.commits.first().is_some_and(|(.., patience)| *patience == Patience::Refuse) {
            let (token, ..) = self.world.commits.remove(0);
            let error = WriteError::Unavailable { retry_after: std::time::Duration::from_secs(1) };
            self.state.not_committed(&mut self.world, token, &error);
        }
    }

    pub(super) fn text(&mut self, text: &str) {
        if self.world.speaking {
            self.state.text(&mut self.world, text);
        }
    }

    pub(super) fn end(&mut self, outcome: Outcome) {
        if std::mem::take(&mut self.world.speaking) {
            self.state.end(&mut self.world, End { outcome, usage: Usage::default(), model: None });
        }
    }

    pub(super) fn settle(&mut self) {
        loop {
            let committed = self.commit();
            let speaking = self.world.speaking;
            self.end(Outcome::Finished(FinishReason::Stop));
            if !committed && !speaking {
                break;
            }
        }
        assert!(self.state.is_quiet(), "something is left over");
    }

    pub(super) fn kinds(&self) -> Vec<&str> {
        self.world.events.iter().map(|event| event["type"].as_str().unwrap()).collect()
    }

    pub(super) fn snapshot(&self) -> Vec<Value> {
        let frame: Value = serde_json::from_slice(&self.state.snapshot(0)).unwrap();
        frame["ctl"]["messages"].as_array().unwrap().clone()
    }
}

/// The entries, read on their own, are a valid AG-UI stream; gives each message's text.
pub(super) fn fold(events: &[Value]) -> HashMap<Uuid, String> {
    let (mut run, mut open, mut texts) = (None::<String>, None::<Uuid>, HashMap::<Uuid, String>::new());
    for event in events {
        let message = || -> Uuid { event["messageId"].as_str().unwrap().parse().unwrap() };
        match event["type"].as_str().unwrap() {
            "RUN_STARTED" => {
                assert!(run.replace(event["runId"].to_string()).is_none(), "a run inside a run");
            }
            "RUN_FINISHED" | "RUN_ERROR" => {
                assert!(open.is_none(), "a run ended with an open message");
                assert!(run.take().is_some(), "a run ended that had not begun");
            }
            kind => {
                assert!(run.is_some(), "{kind} outside a run");
                match kind {
                    "TEXT_MESSAGE_START" => {
                        assert!(open.replace(message()).is_none());
                        assert!(texts.insert(message(), String::new()).is_none(), "a message began twice");
                    }
                    "TEXT_MESSAGE_CONTENT" => {
                        assert_eq!(open, Some(message()));
                        let delta = event["delta"].as_str().unwrap();
                        assert!(!delta.is_empty(), "AG-UI forbids an empty delta");
                        texts.get_mut(&message()).unwrap().push_str(delta);
                    }
                    "TEXT_MESSAGE_END" => assert_eq!(open.take(), Some(message())),
                    other => assert!(other.starts_with("REASONING_"), "{other}"),
                }
            }
        }
    }
    assert!(run.is_none(), "a run has no end");
    texts
}
