//! The pure state under any interleaving of commands, commits, refusals and model events.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::gemini::{End, Outcome, Prompt, Speaker};
use crate::id::Uuid;
use crate::protocol::{Control, Edit, ErrorCode, Event, FinishReason, MessageRole, Send, Status, Usage};
use crate::store::{Op, Patience, Woken, WokenMessage, WriteError};

use super::Refused;
use super::log::{Audience, ConnId};
use super::state::{Out, ReplyTo, State, Token};

const SESSION: Uuid = Uuid::from_u128(1);
const STUDENT: Uuid = Uuid::from_u128(2);
const CONN: ConnId = 7;

#[derive(Debug, Clone, PartialEq)]
struct Row {
    ord: i64,
    content: String,
    status: Status,
    superseded: bool,
}

/// Plays everything around the state: the log, the writer, the model.
#[derive(Default)]
struct World {
    events: Vec<Value>,
    controls: Vec<Value>,
    commits: Vec<(Token, Vec<Op>, Patience)>,
    prompt: Option<Prompt>,
    speaking: bool,
    rows: HashMap<Uuid, Row>,
    remembered: Vec<Uuid>,
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
    fn remember(&mut self, command: Uuid) {
        self.remembered.push(command);
    }
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}

impl World {
    /// What the writer would do with a batch.
    fn write(&mut self, ops: &[Op]) {
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
    }

    fn accepted(&self) -> Vec<Uuid> {
        let accepted = self.controls.iter().filter(|c| c["type"] == "accepted");
        accepted.map(|c| c["id"].as_str().unwrap().parse().unwrap()).collect()
    }
}

struct Rig {
    state: State,
    world: World,
    ids: u128,
    sent: Vec<Uuid>,
}

impl Rig {
    fn new() -> Rig {
        let woken = Woken {
            id: SESSION,
            student_id: STUDENT,
            student_name: "Ada".into(),
            title: None,
            hand_raised: false,
            done: Vec::new(),
            last_ord: 0,
            messages: Vec::new(),
            has_more: false,
        };
        Rig { state: State::new(woken), world: World::default(), ids: 100, sent: Vec::new() }
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    fn send(&mut self, text: &str) -> Uuid {
        let id = self.id();
        self.sent.push(id);
        let send = Send { id, text: text.into() };
        self.state.send(&mut self.world, send, ReplyTo::Conn(CONN), Ok(()));
        id
    }

    fn edit(&mut self, message: Uuid, text: &str) -> Uuid {
        let id = self.id();
        let edit = Edit { id, message, text: text.into() };
        self.state.edit(&mut self.world, edit, ReplyTo::Conn(CONN), Ok(()));
        id
    }

    fn commit(&mut self) -> bool {
        if self.world.commits.is_empty() {
            return false;
        }
        let (token, ops, _) = self.world.commits.remove(0);
        self.world.write(&ops);
        self.state.committed(&mut self.world, token);
        true
    }

    /// Only what is not insisted on can fail.
    fn fail(&mut self) {
        if self.world.commits.first().is_some_and(|(.., patience)| *patience == Patience::Refuse) {
            let (token, ..) = self.world.commits.remove(0);
            let error = WriteError::Unavailable { retry_after: std::time::Duration::from_secs(1) };
            self.state.not_committed(&mut self.world, token, &error);
        }
    }

    fn text(&mut self, text: &str) {
        if self.world.speaking {
            self.state.text(&mut self.world, text);
        }
    }

    fn end(&mut self, outcome: Outcome) {
        if std::mem::take(&mut self.world.speaking) {
            self.state.end(&mut self.world, End { outcome, usage: Usage::default(), model: None });
        }
    }

    fn settle(&mut self) {
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

    fn kinds(&self) -> Vec<&str> {
        self.world.events.iter().map(|event| event["type"].as_str().unwrap()).collect()
    }

    fn snapshot(&self) -> Vec<Value> {
        let frame: Value = serde_json::from_slice(&self.state.snapshot(0)).unwrap();
        frame["ctl"]["messages"].as_array().unwrap().clone()
    }
}

/// The entries, read on their own, are a valid AG-UI stream; gives each message's text.
fn fold(events: &[Value]) -> HashMap<Uuid, String> {
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

#[test]
fn nothing_is_announced_before_its_commit() {
    let mut rig = Rig::new();
    let id = rig.send("Why is the sky blue?");
    assert!(rig.world.events.is_empty() && rig.world.accepted().is_empty());
    rig.commit();
    assert_eq!(rig.world.accepted(), [id]);
    assert_eq!(
        rig.kinds(),
        ["RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"]
    );
    rig.text("Because");
    rig.end(Outcome::Finished(FinishReason::Stop));
    assert!(!rig.kinds().contains(&"RUN_FINISHED"));
    assert_eq!(rig.snapshot()[1]["status"], "streaming");
    rig.commit();
    assert!(rig.kinds().ends_with(&["TEXT_MESSAGE_END", "RUN_FINISHED"]));
    assert_eq!(rig.snapshot()[1]["status"], "complete");
}

#[test]
fn a_fifth_waiting_message_is_refused() {
    let mut rig = Rig::new();
    for _ in 0..6 {
        rig.send("again");
    }
    let error = rig.world.controls.iter().find(|c| c["type"] == "error").unwrap();
    assert_eq!(error["code"], "queue_full");
    assert_eq!(error["command_id"], rig.sent[5].to_string());
    rig.settle();
    assert_eq!(rig.world.accepted().len(), 5);
}

#[test]
fn one_id_has_one_effect() {
    let mut rig = Rig::new();
    let again = |rig: &mut Rig, id| {
        let send = Send { id, text: "What is 2 + 2?".into() };
        rig.state.send(&mut rig.world, send, ReplyTo::Conn(CONN), Ok(()));
    };
    let id = rig.send("What is 2 + 2?");
    again(&mut rig, id);
    rig.commit();
    assert_eq!(rig.world.accepted(), [id, id]);
    again(&mut rig, id);
    rig.settle();
    again(&mut rig, id);
    // Also after it was superseded.
    rig.edit(id, "What is 3 + 3?");
    rig.settle();
    again(&mut rig, id);
    rig.settle();
    assert_eq!(rig.world.accepted().iter().filter(|accepted| **accepted == id).count(), 5);
    assert_eq!(rig.kinds().iter().filter(|kind| **kind == "RUN_STARTED").count(), 2);
}

#[test]
fn an_edit_supersedes_the_message_and_all_after_it() {
    let mut rig = Rig::new();
    let first = rig.send("one");
    rig.settle();
    rig.send("two");
    rig.settle();
    let edited = rig.edit(first, "uno");
    rig.settle();
    let started = rig.world.events.iter().rfind(|event| event["type"] == "RUN_STARTED").unwrap();
    assert_eq!(started["metadata"]["fynq"]["supersedes"].as_array().unwrap().len(), 4);
    let shown = rig.snapshot();
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0]["id"], edited.to_string());
    assert_eq!(rig.world.prompt.unwrap().turns.len(), 1);
}

#[test]
fn regenerate_answers_the_last_question_again() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.commit();
    rig.text("first answer");
    rig.settle();
    let id = rig.id();
    rig.state.regenerate(&mut rig.world, id, ReplyTo::Conn(CONN), Ok(()));
    rig.state.regenerate(&mut rig.world, id, ReplyTo::Conn(CONN), Ok(()));
    rig.settle();
    let turns = rig.world.prompt.take().unwrap().turns;
    assert_eq!(turns.len(), 1);
    assert_eq!((turns[0].speaker, &*turns[0].text), (Speaker::User, "one"));
    assert_eq!(rig.kinds().iter().filter(|kind| **kind == "RUN_STARTED").count(), 2);
    assert_eq!(rig.snapshot().len(), 2);
}

#[test]
fn a_stop_before_the_first_word_still_leaves_a_message() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.state.stop(&mut rig.world, ReplyTo::Conn(CONN), None);
    rig.settle();
    assert_eq!(rig.snapshot()[1]["status"], "stopped");
    assert!(rig.world.prompt.is_none(), "the model was asked for nothing");
    rig.state.stop(&mut rig.world, ReplyTo::Conn(CONN), None);
    assert_eq!(rig.world.controls.last().unwrap()["code"], "no_active_run");
}

#[test]
fn a_stop_sent_again_spares_the_next_run() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.commit();
    rig.send("two");
    rig.commit();
    let id = rig.id();
    rig.state.stop(&mut rig.world, ReplyTo::Conn(CONN), Some(id));
    rig.commit();
    rig.commit();
    assert!(rig.world.speaking, "the second run");
    rig.state.stop(&mut rig.world, ReplyTo::Conn(CONN), Some(id));
    assert!(rig.world.speaking, "stopped by a command that had its effect");
    assert_eq!(rig.world.remembered, [id], "it is kept for after a restart, once");
    rig.settle();
}

#[test]
fn a_regenerate_sent_again_after_another_one_does_nothing() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.settle();
    let (first, second) = (rig.id(), rig.id());
    for id in [first, second, first, second] {
        rig.state.regenerate(&mut rig.world, id, ReplyTo::Conn(CONN), Ok(()));
        rig.settle();
    }
    assert_eq!(rig.kinds().iter().filter(|kind| **kind == "RUN_STARTED").count(), 3);
}

#[test]
fn a_hand_is_raised_once_per_command_and_not_while_nothing_can_be_kept() {
    let mut rig = Rig::new();
    let away = || Err(Refused::unavailable(std::time::Duration::from_secs(1)));
    let (up, down) = (rig.id(), rig.id());
    let mut raise = |raised, id, storage| {
        rig.state.raise_hand(&mut rig.world, raised, ReplyTo::Conn(CONN), Some(id), storage);
        (rig.state.public().hand_raised, rig.world.commits.len())
    };
    assert_eq!(raise(true, up, away()), (false, 0));
    assert_eq!(raise(true, up, Ok(())), (true, 1));
    assert_eq!(raise(false, down, Ok(())), (false, 2));
    assert_eq!(raise(true, up, Ok(())), (false, 2));
    let refused = rig.world.controls.iter().find(|ctl| ctl["type"] == "error").unwrap();
    assert_eq!(
        (&refused["code"], &refused["command_id"]),
        (&"storage_unavailable".into(), &up.to_string().into())
    );
}

/// Its task went away in mid-run and its row stayed: a deletion that failed half-way, say.
#[test]
fn an_answer_that_nobody_ends_is_ended_by_whoever_wakes_the_session() {
    let mut rig = Rig::new();
    let id = rig.send("one");
    rig.commit();
    let answer = rig.state.message_of(id).unwrap().run_id;
    let run = rig.id();
    let mut open =
        rig.state.message(run, answer, MessageRole::Assistant, "so f".into(), Timestamp::UNIX_EPOCH);
    open.status = Status::Streaming;
    let woken = Woken {
        id: SESSION,
        student_id: STUDENT,
        student_name: "Ada".into(),
        title: None,
        hand_raised: false,
        done: Vec::new(),
        last_ord: 1,
        messages: vec![WokenMessage { message: open, ord: 1, edits: None }],
        has_more: false,
    };
    let mut rig = Rig { state: State::new(woken), world: World::default(), ids: 200, sent: Vec::new() };
    rig.state.resume(&mut rig.world);
    let shown = &rig.snapshot()[0];
    assert_eq!((&shown["status"], &shown["error"]), (&"interrupted".into(), &"interrupted".into()));
    let [(_, ops, Patience::Insist)] = &rig.world.commits[..] else { panic!("nothing is written") };
    let [Op::Update(state)] = &ops[..] else { panic!("{ops:?}") };
    assert_eq!((&*state.content, state.status), ("so f", Status::Interrupted));
}

#[test]
fn what_could_not_be_saved_never_happened() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.fail();
    assert_eq!(rig.world.controls.last().unwrap()["code"], "storage_unavailable");
    assert!(rig.world.events.is_empty() && rig.state.is_quiet());
    rig.send("two");
    rig.settle();
    assert_eq!(rig.snapshot().len(), 2);
}

#[test]
fn draining_lets_the_run_finish_and_begins_nothing() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.send("two");
    rig.commit();
    rig.commit();
    let again = rig.id();
    rig.state.regenerate(&mut rig.world, again, ReplyTo::Conn(CONN), Ok(()));
    rig.state.hold(&mut rig.world);
    let refused = rig.world.controls.last().unwrap();
    assert_eq!((&refused["code"], &refused["command_id"]), (&"draining".into(), &again.to_string().into()));
    rig.text("word");
    rig.send("three");
    assert_eq!(rig.world.controls.last().unwrap()["code"], "draining");
    rig.state.interrupt(&mut rig.world);
    rig.settle();
    let statuses: Vec<_> = rig.snapshot().iter().map(|m| m["status"].as_str().unwrap().to_owned()).collect();
    assert_eq!(statuses, ["complete", "interrupted", "queued"]);
}

#[test]
fn thinking_comes_before_the_message_and_is_closed() {
    let mut rig = Rig::new();
    rig.send("one");
    rig.commit();
    rig.state.thought(&mut rig.world, "hm");
    rig.state.thought(&mut rig.world, "hm!");
    rig.text("So:");
    rig.settle();
    fold(&rig.world.events);
    let reasoning = rig.kinds().iter().filter(|kind| kind.starts_with("REASONING_")).count();
    assert_eq!(reasoning, 6);
}

#[derive(Debug, Clone)]
enum Step {
    Send,
    Again(usize),
    Edit(usize),
    Regenerate,
    Stop,
    Commit,
    Fail,
    Text(String),
    End(bool),
    Checkpoint,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Send),
        1 => (0usize..8).prop_map(Step::Again),
        1 => (0usize..8).prop_map(Step::Edit),
        1 => Just(Step::Regenerate),
        1 => Just(Step::Stop),
        6 => Just(Step::Commit),
        1 => Just(Step::Fail),
        4 => "[a-zé\u{1f600}]{1,4}".prop_map(Step::Text),
        2 => any::<bool>().prop_map(Step::End),
        1 => Just(Step::Checkpoint),
    ]
}

proptest! {
    #[test]
    fn any_interleaving_keeps_every_promise(steps in proptest::collection::vec(step(), 1..120)) {
        let mut rig = Rig::new();
        for step in steps {
            match step {
                Step::Send => {
                    rig.send("question");
                }
                Step::Again(n) => if let Some(&id) = rig.sent.get(n) {
                    let send = Send { id, text: "question".into() };
                    rig.state.send(&mut rig.world, send, ReplyTo::Conn(CONN), Ok(()));
                },
                Step::Edit(n) => if let Some(&id) = rig.sent.get(n) {
                    let edited = rig.edit(id, "better question");
                    rig.sent.push(edited);
                },
                Step::Regenerate => {
                    let id = rig.id();
                    rig.state.regenerate(&mut rig.world, id, ReplyTo::Conn(CONN), Ok(()));
                }
                Step::Stop => rig.state.stop(&mut rig.world, ReplyTo::Conn(CONN), None),
                Step::Commit => {
                    rig.commit();
                }
                Step::Fail => rig.fail(),
                Step::Text(text) => rig.text(&text),
                Step::End(well) => rig.end(match well {
                    true => Outcome::Finished(FinishReason::Stop),
                    false => Outcome::Failed { code: ErrorCode::ModelTruncated, retry_after: None },
                }),
                Step::Checkpoint => rig.state.checkpoint(&mut rig.world),
            }
        }
        rig.settle();
        let texts = fold(&rig.world.events);
        // Accepted means stored, announced once and answered.
        for id in rig.world.accepted() {
            prop_assert!(texts.contains_key(&id), "an accepted message was not announced");
        }
        // What was announced is what is stored, byte for byte.
        prop_assert_eq!(texts.len(), rig.world.rows.len());
        for (id, text) in &texts {
            prop_assert_eq!(text, &rig.world.rows[id].content);
            prop_assert_ne!(rig.world.rows[id].status, Status::Streaming);
        }
        // A snapshot is what PostgreSQL lists.
        let mut listed: Vec<_> = rig.world.rows.iter().filter(|(_, row)| !row.superseded).collect();
        listed.sort_by_key(|(_, row)| row.ord);
        let listed: Vec<String> = listed.into_iter().map(|(id, _)| id.to_string()).collect();
        let shown: Vec<String> = rig.snapshot().iter().map(|m| m["id"].as_str().unwrap().to_owned()).collect();
        prop_assert_eq!(listed, shown);
    }
}
