//! What the server says on a socket, and whether it may say it.

use std::collections::BTreeMap;

use serde_json::Value;

/// One frame from the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    Entry {
        seq: u64,
        ev: Value,
    },
    Control(Value),
    Close {
        code: u16,
        reason: String,
    },
    /// The connection ended with no close frame.
    Gone,
}

impl Frame {
    /// Reads a text frame, strictly: one JSON object with the fields of the contract and no others.
    pub(crate) fn read(text: &str) -> Frame {
        let frame: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"));
        let object = frame.as_object().unwrap_or_else(|| panic!("not an object: {text}"));
        let mut names: Vec<&str> = object.keys().map(String::as_str).collect();
        names.sort_unstable();
        match names.as_slice() {
            ["ev", "seq"] => {
                let seq = frame["seq"].as_u64().unwrap_or_else(|| panic!("seq is no number: {text}"));
                Frame::Entry { seq, ev: frame["ev"].clone() }
            }
            ["ctl"] => {
                assert!(frame["ctl"]["type"].is_string(), "a control frame with no type: {text}");
                Frame::Control(frame["ctl"].clone())
            }
            _ => panic!("neither an entry nor a control frame: {text}"),
        }
    }

    /// The event's type, when this is an entry.
    pub(crate) fn event(&self) -> Option<&str> {
        match self {
            Frame::Entry { ev, .. } => ev["type"].as_str(),
            _ => None,
        }
    }

    /// The control frame's type, when this is one.
    pub(crate) fn control(&self) -> Option<&str> {
        match self {
            Frame::Control(ctl) => ctl["type"].as_str(),
            _ => None,
        }
    }

    /// The object inside: the event or the control.
    pub(crate) fn body(&self) -> &Value {
        match self {
            Frame::Entry { ev, .. } => ev,
            Frame::Control(ctl) => ctl,
            _ => &Value::Null,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Called {
    Open,
    Asked,
    Answered,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) role: String,
    pub(crate) text: String,
    pub(crate) ended: bool,
}

/// The log as one watcher saw it. Every entry is held against the rules the moment it comes: numbers
/// rise by one, runs come one after another, messages open and close, nothing is null.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcript {
    /// The last number seen; what a client hands over to resume.
    pub(crate) seq: u64,
    pub(crate) events: Vec<Value>,
    /// By message id; the text that the deltas add up to.
    pub(crate) messages: BTreeMap<String, Said>,
    /// Runs in order, with how each ended.
    pub(crate) runs: Vec<(String, Option<Value>)>,
    thread: Option<String>,
    run: Option<String>,
    open: Vec<String>,
    /// Tool calls, by id.
    calls: BTreeMap<String, Called>,
    /// Joined in mid-run: its beginning was in the snapshot.
    joined_open: bool,
}

impl Transcript {
    /// A transcript of somebody who saw everything up to `seq`. `run`: the run that is active there.
    pub(crate) fn from_snapshot(head: u64, messages: &[Value], run: Option<&str>) -> Transcript {
        let mut transcript = Transcript { seq: head, run: run.map(str::to_owned), ..Transcript::default() };
        transcript.joined_open = run.is_some();
        if let Some(run) = run {
            transcript.runs.push((run.to_owned(), None));
        }
        for message in messages {
            let id = text(message, "id");
            let streaming = message["status"] == "streaming";
            if streaming {
                transcript.open.push(id.clone());
            }
            let said = Said {
                role: text(message, "role"),
                text: message["content"].as_str().unwrap_or_default().to_owned(),
                ended: !streaming,
            };
            transcript.messages.insert(id, said);
        }
        transcript
    }

    /// The assistant's message of the newest run that has one.
    pub(crate) fn answer(&self) -> &Said {
        let last = self.events.iter().rev().find_map(|ev| {
            let id = ev["messageId"].as_str()?;
            self.messages.get(id).filter(|said| said.role == "assistant")
        });
        last.or_else(|| self.messages.values().rev().find(|said| said.role == "assistant"))
            .unwrap_or_else(|| panic!("no answer in {:#?}", self.events))
    }

    /// Event types in order, runs of deltas folded into one: what a test compares.
    pub(crate) fn shape(&self) -> Vec<&str> {
        let mut shape: Vec<&str> = self.events.iter().filter_map(|ev| ev["type"].as_str()).collect();
        shape.dedup_by(|a, b| a == b && a.ends_with("_CONTENT"));
        shape
    }

    pub(crate) fn take(&mut self, seq: u64, ev: &Value) {
        assert_eq!(seq, self.seq + 1, "a gap or a repeat before {ev}");
        self.seq = seq;
        self.see(ev);
    }

    /// An event with no number: SSE.
    pub(crate) fn see(&mut self, ev: &Value) {
        self.events.push(ev.clone());
        no_nulls(ev, ev);
        let kind = text(ev, "type");
        if kind == "RUN_STARTED" {
            return self.run_started(ev);
        }
        assert!(self.run.is_some(), "outside a run: {ev}");
        match kind.as_str() {
            "TEXT_MESSAGE_START" => self.message_started(ev),
            "TEXT_MESSAGE_CONTENT" => {
                let (id, delta) = (text(ev, "messageId"), text(ev, "delta"));
                assert!(self.open.contains(&id), "a delta of a message that is not open: {ev}");
                assert!(!delta.is_empty(), "an empty delta: {ev}");
                self.messages.entry(id).or_default().text.push_str(&delta);
            }
            "TEXT_MESSAGE_END" => {
                let id = text(ev, "messageId");
                assert!(self.open.contains(&id), "the end of a message that is not open: {ev}");
                self.open.retain(|open| *open != id);
                self.messages.entry(id).or_default().ended = true;
            }
            "RUN_FINISHED" | "RUN_ERROR" => self.run_ended(&kind, ev),
            "REASONING_START"
            | "REASONING_MESSAGE_START"
            | "REASONING_MESSAGE_CONTENT"
            | "REASONING_MESSAGE_END"
            | "REASONING_END" => {
                text(ev, "messageId");
            }
            "TOOL_CALL_START" => {
                let id = text(ev, "toolCallId");
                text(ev, "toolCallName");
                assert!(!self.calls.contains_key(&id), "a call began twice: {ev}");
                self.calls.insert(id, Called::Open);
            }
            "TOOL_CALL_ARGS" => {
                text(ev, "delta");
                self.call(ev, Called::Open, Called::Open);
            }
            "TOOL_CALL_END" => self.call(ev, Called::Open, Called::Asked),
            "TOOL_CALL_RESULT" => {
                assert_eq!((text(ev, "role").as_str(), text(ev, "messageId").len()), ("tool", 36), "{ev}");
                text(ev, "content");
                self.call(ev, Called::Asked, Called::Answered);
            }
            _ => panic!("an event that this version does not send: {ev}"),
        }
    }

    fn call(&mut self, ev: &Value, from: Called, to: Called) {
        let before = self.calls.insert(text(ev, "toolCallId"), to);
        assert_eq!(before, Some(from), "not its turn: {ev}");
    }

    fn run_started(&mut self, ev: &Value) {
        assert_eq!(self.run, None, "a run began within a run: {ev}");
        let (thread, run) = (text(ev, "threadId"), text(ev, "runId"));
        assert!(self.thread.is_none_or_is(&thread), "another thread: {ev}");
        assert!(self.runs.iter().all(|(known, _)| *known != run), "a run began twice: {ev}");
        self.thread = Some(thread);
        self.run = Some(run.clone());
        self.runs.push((run, None));
        self.joined_open = false;
    }

    fn message_started(&mut self, ev: &Value) {
        let (id, role) = (text(ev, "messageId"), text(ev, "role"));
        assert!(role == "user" || role == "assistant", "an unknown role: {ev}");
        assert!(!self.messages.contains_key(&id), "a message began twice: {ev}");
        self.messages.insert(id.clone(), Said { role, ..Said::default() });
        self.open.push(id);
    }

    fn run_ended(&mut self, kind: &str, ev: &Value) {
        assert!(self.open.is_empty(), "a run ended with open messages {:?}: {ev}", self.open);
        assert!(self.calls.values().all(|call| *call != Called::Open), "a run ended with an open call: {ev}");
        if kind == "RUN_FINISHED" {
            assert_eq!(Some(text(ev, "runId")), self.run, "another run ended: {ev}");
            text(&ev["result"], "finish_reason");
        } else {
            text(ev, "message");
            text(ev, "code");
        }
        self.run = None;
        if let Some((_, end)) = self.runs.last_mut() {
            *end = Some(ev.clone());
        }
    }

    /// That nothing is open any more.
    pub(crate) fn assert_at_rest(&self) {
        assert_eq!(self.run, None, "a run is open");
        assert!(self.open.is_empty());
    }
}

trait NoneOr {
    fn is_none_or_is(&self, text: &str) -> bool;
}

impl NoneOr for Option<String> {
    fn is_none_or_is(&self, text: &str) -> bool {
        self.as_deref().is_none_or(|known| known == text)
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no text `{name}` in {value}")).to_owned()
}

fn no_nulls(value: &Value, whole: &Value) {
    match value {
        Value::Null => panic!("a null in {whole}"),
        Value::Array(items) => items.iter().for_each(|item| no_nulls(item, whole)),
        Value::Object(fields) => {
            for (name, field) in fields {
                let ours = matches!(name.as_str(), "finish_reason" | "model");
                assert!(ours || !name.contains('_'), "`{name}` is not camelCase in {whole}");
                // `metadata.fynq` is the one place that is our own.
                if name != "metadata" {
                    no_nulls(field, whole);
                }
            }
        }
        _ => {}
    }
}

mod checks {
    use serde_json::json;

    use super::*;

    fn fails(events: &[Value]) -> bool {
        let events = events.to_vec();
        std::panic::catch_unwind(move || {
            let mut transcript = Transcript::default();
            for (at, ev) in events.iter().enumerate() {
                transcript.take(at as u64 + 1, ev);
            }
            transcript.assert_at_rest();
        })
        .is_err()
    }

    #[test]
    fn the_checker_refuses_what_is_no_valid_stream() {
        let start = json!({"type":"RUN_STARTED","threadId":"t","runId":"r"});
        let open = json!({"type":"TEXT_MESSAGE_START","messageId":"m","role":"assistant"});
        let delta = json!({"type":"TEXT_MESSAGE_CONTENT","messageId":"m","delta":"x"});
        let close = json!({"type":"TEXT_MESSAGE_END","messageId":"m"});
        let end = json!({"type":"RUN_FINISHED","threadId":"t","runId":"r","result":{"finish_reason":"stop"}});
        let good = [&start, &open, &delta, &close, &end].map(Clone::clone);
        assert!(!fails(&good));
        assert!(fails(std::slice::from_ref(&open)), "outside a run");
        assert!(fails(&[start.clone(), start.clone()]), "a run within a run");
        assert!(fails(&[start.clone(), open.clone(), end.clone()]), "an open message at the end");
        assert!(fails(&[start.clone(), delta.clone()]), "a delta with no start");
        assert!(fails(&[start.clone(), open.clone(), close.clone(), delta]), "a delta after the end");
        assert!(fails(&[start.clone(), open, close]), "a run that never ends");
        let null = json!({"type":"RUN_STARTED","threadId":"t","runId":"r","parentRunId":null});
        assert!(fails(&[null, end.clone()]), "a null");
        assert!(fails(&[start, end.clone(), end]), "two ends");
    }
}
