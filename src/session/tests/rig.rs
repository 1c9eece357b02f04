//! What stands around the state in its tests: the log, the writer and the model, played.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::audit;
use crate::clock::Timestamp;
use crate::gemini::{End, Outcome, Prompt};
use crate::id::Uuid;
use crate::protocol::{
    AuthorKind, Control, Edit, Event, FinishReason, ForTutors, MessageRole, Send, Status, Usage,
};
use crate::session::library::LookUp;
use crate::session::log::{Audience, ConnId};
use crate::session::state::{Out, ReplyTo, State, Timer, Token};
use crate::store::{Op, Pace, Past, Patience, Sent, TutorRow, Woken, WokenMessage, WriteError};

pub(super) const SESSION: Uuid = Uuid::from_u128(1);
pub(super) const STUDENT: Uuid = Uuid::from_u128(2);
pub(super) const CONN: ConnId = 7;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) role: MessageRole,
    pub(super) kind: AuthorKind,
    pub(super) edits: Option<Uuid>,
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
    pub(super) remembered: Vec<Uuid>,
    /// What an edit asks about the past.
    pub(super) looking: Option<(Uuid, Uuid)>,
    /// What tutors alone are told.
    pub(super) tutors: Vec<Value>,
    pub(super) keeps: Vec<(Token, Vec<TutorRow>, Patience)>,
    /// What was kept.
    pub(super) kept: Vec<TutorRow>,
    pub(super) audit: Vec<&'static str>,
    pub(super) timers: Vec<Timer>,
    /// Who holds the session as everybody was told last, and what broke that promise.
    pub(super) tutor_speaks: bool,
    /// Messages of the model's.
    pub(super) models: HashSet<Uuid>,
    /// What the model wanted to know, and what it was told.
    pub(super) looked_up: Vec<(Uuid, Vec<LookUp>)>,
    pub(super) told: Vec<(Uuid, Value)>,
}

impl Out for World {
    fn event(&mut self, _run: Uuid, event: &Event<'_>) {
        let event = serde_json::to_value(event).unwrap();
        let id = event["messageId"].as_str().map(|id| id.parse::<Uuid>().unwrap());
        match event["type"].as_str().unwrap() {
            "TEXT_MESSAGE_START" if event["role"] == "assistant" && event["name"].is_null() => {
                self.models.insert(id.unwrap());
            }
            "TEXT_MESSAGE_CONTENT" | "REASONING_MESSAGE_CONTENT" => {
                let models = event["type"] != "TEXT_MESSAGE_CONTENT" || self.models.contains(&id.unwrap());
                assert!(!(models && self.tutor_speaks), "the model speaks while a tutor holds: {event}");
            }
            _ => {}
        }
        self.events.push(event);
    }
    fn control(&mut self, _audience: Audience, control: &Control<'_>) {
        let frame: Value = serde_json::from_slice(&control.frame()).unwrap();
        if frame["ctl"]["type"] == "state" {
            self.tutor_speaks = frame["ctl"]["control"] == "tutor";
        }
        self.controls.push(frame["ctl"].clone());
    }
    fn commit(&mut self, token: Token, ops: Vec<Op>, patience: Patience) {
        self.commits.push((token, ops, patience));
    }
    fn tutors(&mut self, _only: Option<ConnId>, what: &ForTutors<'_>) {
        let frame: Value = serde_json::from_slice(&what.frame()).unwrap();
        self.tutors.push(frame["ctl"].clone());
    }
    fn keep(&mut self, token: Token, rows: Vec<TutorRow>, patience: Patience) {
        self.keeps.push((token, rows, patience));
    }
    fn record(&mut self, _by: Uuid, _asking: &audit::Asking, event: &audit::Event) {
        self.audit.push(event.name());
    }
    fn wake(&mut self, timer: Timer) {
        self.timers.push(timer);
    }
    fn pace(&mut self, _answer: Uuid, _pace: Pace) {}
    fn look_back(&mut self, run: Uuid, question: Uuid) {
        assert!(self.looking.replace((run, question)).is_none(), "two look back at once");
    }
    fn ask_model(&mut self, prompt: Prompt) {
        assert!(!self.speaking, "two answers at once");
        let listed = self.listed();
        // In the place of what was corrected stands its last correction.
        let corrections: HashMap<Uuid, &str> = listed
            .iter()
            .filter(|(_, row)| row.kind == AuthorKind::Tutor)
            .filter_map(|(_, row)| Some((row.edits?, row.content.as_str())))
            .collect();
        let stands = |row: &Row| row.kind != AuthorKind::Tutor || row.edits.is_none();
        let said: Vec<&str> = listed
            .iter()
            .filter(|(_, row)| stands(row) && !row.content.is_empty())
            .map(|(id, row)| corrections.get(id).copied().unwrap_or(&row.content))
            .collect();
        let told: Vec<&str> = prompt.turns.iter().map(|turn| &*turn.text).collect();
        assert!(said.ends_with(&told), "{told:?} is not what was said last: {said:?}");
        self.prompt = Some(prompt);
        self.speaking = true;
    }
    fn look_up(&mut self, run: Uuid, student: Uuid, what: Vec<LookUp>) {
        assert!(self.speaking && student == STUDENT, "nobody asked for that");
        self.looked_up.push((run, what));
    }
    fn tell_model(&mut self, found: &[(Uuid, Value)]) {
        assert!(self.speaking, "the model does not listen");
        self.told.extend_from_slice(found);
    }
    fn hush_model(&mut self) -> Option<(Usage, Option<String>)> {
        std::mem::take(&mut self.speaking).then(|| (Usage::default(), None))
    }
    fn remember(&mut self, command: Uuid) {
        self.remembered.push(command);
    }
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
    fn ticks(&self) -> u64 {
        0
    }
}

impl World {
    /// What the writer would do with a batch.
    pub(super) fn write(&mut self, ops: &[Op]) {
        for op in ops {
            match op {
                Op::Insert(new) => {
                    let row = Row {
                        role: new.role,
                        kind: new.author_kind,
                        edits: new.edits,
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
                Op::Supersede { from, before, .. } => {
                    let rows = self.rows.values_mut().filter(|row| row.status != Status::Queued);
                    rows.filter(|row| (*from..*before).contains(&row.ord))
                        .for_each(|row| row.superseded = true);
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

    /// The conversation, as PostgreSQL lists it; without what waits.
    pub(super) fn listed(&self) -> Vec<(Uuid, &Row)> {
        let stands = |row: &&Row| !row.superseded && row.status != Status::Queued;
        let mut listed: Vec<_> =
            self.rows.iter().filter(|(_, row)| stands(row)).map(|(id, row)| (*id, row)).collect();
        listed.sort_by_key(|(_, row)| row.ord);
        listed
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
        Rig {
            state: State::new(nothing(), Timestamp::UNIX_EPOCH),
            world: World::default(),
            ids: 100,
            sent: Vec::new(),
        }
    }

    /// A session that woke with the last `awake` of `said` messages: questions and answers in turn.
    pub(super) fn woken(said: i64, awake: i64) -> Rig {
        let mut rig = Rig::new();
        for ord in 1..=said {
            let (id, role) = match ord % 2 {
                1 => (rig.id(), MessageRole::User),
                _ => (rig.id(), MessageRole::Assistant),
            };
            let content = format!("said {ord}");
            let kind = if role == MessageRole::User { AuthorKind::Student } else { AuthorKind::Assistant };
            let row =
                Row { role, kind, edits: None, ord, content, status: Status::Complete, superseded: false };
            rig.world.rows.insert(id, row);
            rig.sent.push(id);
        }
        let listed = rig.world.listed();
        let messages =
            listed.into_iter().map(|(id, row)| rig.message(id, row)).skip((said - awake) as usize).collect();
        let has_more = awake < said;
        let woken = Woken { last_ord: said, messages, has_more, ..nothing() };
        rig.state = State::new(woken, Timestamp::UNIX_EPOCH);
        rig
    }

    fn message(&self, id: Uuid, row: &Row) -> WokenMessage {
        let mut message = self.state.message(id, id, row.role, row.content.clone(), Timestamp::UNIX_EPOCH);
        message.status = row.status;
        message.author.kind = row.kind;
        message.corrects = row.edits.filter(|_| row.kind == AuthorKind::Tutor);
        message.edits = row.edits.filter(|_| row.kind == AuthorKind::Student);
        WokenMessage { message, ord: row.ord, edits: row.edits }
    }

    /// What PostgreSQL would answer to an edit that looks back, with room for four messages.
    fn past(&self, question: Uuid) -> Option<Past> {
        let listed = self.world.listed();
        let at = listed.iter().position(|(id, row)| *id == question || row.edits == Some(question))?;
        let (kept, gone) = listed.split_at(at);
        let left_out = kept.len().saturating_sub(4);
        Some(Past {
            from: gone[0].1.ord,
            gone: gone.iter().map(|(id, _)| *id).collect(),
            kept: kept[left_out..].iter().map(|(id, row)| self.message(*id, row)).collect(),
            has_more: left_out > 0,
        })
    }

    /// PostgreSQL answers an edit that looks back.
    pub(super) fn look_back(&mut self) -> bool {
        let Some((run, question)) = self.world.looking.take() else { return false };
        let past = self.past(question);
        self.state.looked_back(&mut self.world, run, past);
        true
    }

    pub(super) fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    pub(super) fn send(&mut self, text: &str) -> Uuid {
        let id = self.id();
        self.sent.push(id);
        let send = Send { id, text: text.into(), files: Vec::new() };
        self.state.send(&mut self.world, send, ReplyTo::Conn(CONN), Ok(()));
        id
    }

    /// A question once more. As the task does it: what is not in memory is looked up.
    pub(super) fn send_again(&mut self, id: Uuid, text: &str) {
        let reply = ReplyTo::Conn(CONN);
        match self.world.rows.get(&id).filter(|_| self.state.must_look_up(id)) {
            Some(row) => {
                let by = (row.kind != AuthorKind::Assistant).then_some(STUDENT);
                let before = Sent { by, kind: row.kind, replaces: row.edits.is_some() };
                let sent = Sent { by: Some(STUDENT), kind: AuthorKind::Student, replaces: false };
                self.state.repeated_of_old(&mut self.world, id, (sent, before), reply);
            }
            None => {
                let send = Send { id, text: text.into(), files: Vec::new() };
                self.state.send(&mut self.world, send, reply, Ok(()));
            }
        }
    }

    pub(super) fn edit(&mut self, message: Uuid, text: &str) -> Uuid {
        let id = self.id();
        let edit = Edit { id, message, text: text.into(), files: None };
        let stands = self.world.rows.get(&message);
        let stands = stands.filter(|row| row.role == MessageRole::User && !row.superseded);
        let stands = stands.map(|_| Vec::new());
        self.state.edit(&mut self.world, edit, ReplyTo::Conn(CONN), Ok(()), stands);
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

    /// What is kept beside the messages.
    pub(super) fn keep(&mut self) -> bool {
        if self.world.keeps.is_empty() {
            return false;
        }
        let (token, rows, _) = self.world.keeps.remove(0);
        self.world.kept.extend(rows);
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
            let committed = self.commit() | self.look_back() | self.keep();
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
        self.whole_snapshot()["messages"].as_array().unwrap().clone()
    }

    pub(super) fn whole_snapshot(&self) -> Value {
        let frame: Value = serde_json::from_slice(&self.state.snapshot(0)).unwrap();
        frame["ctl"].clone()
    }

    /// All that the beginnings of runs named as superseded.
    pub(super) fn named(&self) -> Vec<Uuid> {
        let started = self.world.events.iter().filter(|event| event["type"] == "RUN_STARTED");
        let named = started.filter_map(|event| event["metadata"]["fynq"]["supersedes"].as_array()).flatten();
        named.map(|id| id.as_str().unwrap().parse().unwrap()).collect()
    }
}

/// A session in which nothing was said.
pub(super) fn nothing() -> Woken {
    Woken {
        id: SESSION,
        student_id: STUDENT,
        student_name: "Ada".into(),
        silent: false,
        owed: Vec::new(),
        title: None,
        subject: None,
        hand_raised: false,
        org_id: Uuid::nil(),
        show_watchers: true,
        done: Vec::new(),
        last_ord: 0,
        messages: Vec::new(),
        has_more: false,
        held: None,
        control_epoch: 0,
        hand: None,
        whispers: Vec::new(),
        dealt_with: None,
    }
}

/// The entries, read on their own, are a valid AG-UI stream; gives each message's text.
pub(super) fn fold(events: &[Value]) -> HashMap<Uuid, String> {
    let (mut run, mut open, mut texts) =
        (None::<String>, HashSet::<Uuid>::new(), HashMap::<Uuid, String>::new());
    for event in events {
        let message = || -> Uuid { event["messageId"].as_str().unwrap().parse().unwrap() };
        match event["type"].as_str().unwrap() {
            "RUN_STARTED" => {
                assert!(run.replace(event["runId"].to_string()).is_none(), "a run inside a run");
            }
            "RUN_FINISHED" | "RUN_ERROR" => {
                assert!(open.is_empty(), "a run ended with an open message");
                assert!(run.take().is_some(), "a run ended that had not begun");
            }
            kind => {
                assert!(run.is_some(), "{kind} outside a run");
                match kind {
                    "TEXT_MESSAGE_START" => {
                        assert!(open.insert(message()));
                        assert!(texts.insert(message(), String::new()).is_none(), "a message began twice");
                    }
                    "TEXT_MESSAGE_CONTENT" => {
                        assert!(open.contains(&message()));
                        let delta = event["delta"].as_str().unwrap();
                        assert!(!delta.is_empty(), "AG-UI forbids an empty delta");
                        texts.get_mut(&message()).unwrap().push_str(delta);
                    }
                    "TEXT_MESSAGE_END" => assert!(open.remove(&message())),
                    other => assert!(other.starts_with("REASONING_"), "{other}"),
                }
            }
        }
    }
    assert!(run.is_none(), "a run has no end");
    texts
}
