//! Control frames: state outside the log. Each carries the whole state it speaks of.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::Role;

use super::{ErrorCode, Message, Signals, Whispered};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = Named)]
pub struct Person {
    #[schema(value_type = String, format = Uuid)]
    pub id: Uuid,
    pub name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionState {
    /// `ai` or `tutor`.
    pub control: &'static str,
    pub tutor: Option<Person>,
    pub hand_raised: bool,
    pub run: Option<Uuid>,
    pub watchers: Vec<Person>,
    /// Only while a hand is up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hand: Option<HandUp>,
}

/// A raised hand: since when, and who has said that they are coming.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HandUp {
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    #[schema(required)]
    pub claimed_by: Option<Person>,
}

#[derive(Clone, Debug, Serialize)]
pub struct You {
    pub id: Uuid,
    pub role: Role,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Control<'a> {
    Ready {
        epoch: Uuid,
        head: u64,
        resumed: bool,
        you: You,
        state: &'a SessionState,
    },
    Snapshot {
        head: u64,
        messages: &'a [&'a Message],
        /// Older messages exist that REST lists.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        has_more: bool,
    },
    State(&'a SessionState),
    Typing {
        who: &'a Person,
    },
    Pong {
        t: Option<&'a RawValue>,
    },
    AuthExpiring {
        in_s: u64,
    },
    Draining {
        retry_after_ms: u64,
    },
    Accepted {
        id: Uuid,
    },
    Error {
        code: ErrorCode,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        command_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

impl Control<'_> {
    pub fn you(id: Uuid, role: Role) -> You {
        You { id, role }
    }

    /// The frame's text.
    pub fn frame(&self) -> Bytes {
        frame(self)
    }
}

/// What tutors alone are told. A type of its own and not a `Control`: what may go to a student cannot
/// hold a whisper.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ForTutors<'a> {
    /// One whisper: it is kept, used or withdrawn.
    Whispered(&'a Whispered),
    /// All that still waits for the model.
    Guidance {
        items: &'a [Whispered],
    },
    Signals(&'a Signals),
}

impl ForTutors<'_> {
    /// The frame's text.
    pub fn frame(&self) -> Bytes {
        frame(self)
    }
}

fn frame(ctl: &impl Serialize) -> Bytes {
    #[derive(Serialize)]
    struct Frame<'a, T> {
        ctl: &'a T,
    }
    super::event::to_json(&Frame { ctl })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Signal, SignalKind, Until, WhisperKind, WhisperState};
    use serde_json::{Value, json};

    fn read(frame: &Bytes) -> Value {
        serde_json::from_slice(frame).unwrap()
    }

    fn kay() -> Person {
        Person { id: Uuid::nil(), name: "Ms Kay".into() }
    }

    #[test]
    fn a_hand_is_part_of_the_state_only_while_it_is_up() {
        let mut state = SessionState {
            control: "ai",
            tutor: None,
            hand_raised: false,
            run: None,
            watchers: Vec::new(),
            hand: None,
        };
        let bare = json!({"ctl": {
            "type": "state", "control": "ai", "tutor": null, "hand_raised": false, "run": null, "watchers": [],
        }});
        assert_eq!(read(&Control::State(&state).frame()), bare);
        state.hand = Some(HandUp { since: Timestamp::UNIX_EPOCH, claimed_by: None });
        let hand = json!({"since": "1970-01-01T00:00:00Z", "claimed_by": null});
        assert_eq!(read(&Control::State(&state).frame())["ctl"]["hand"], hand);
    }

    #[test]
    fn what_tutors_alone_are_told_is_spelt_as_promised() {
        let id = Uuid::nil();
        let whispered = Whispered {
            id,
            by: kay(),
            text: "Slower.".into(),
            until: Until::Next,
            kind: WhisperKind::Whisper,
            state: WhisperState::Waiting,
            at: Timestamp::UNIX_EPOCH,
        };
        let mut item = json!({
            "id": id, "by": {"id": id, "name": "Ms Kay"}, "text": "Slower.", "until": "next",
            "kind": "whisper", "state": "waiting", "at": "1970-01-01T00:00:00Z",
        });
        let guidance = ForTutors::Guidance { items: std::slice::from_ref(&whispered) };
        assert_eq!(read(&guidance.frame()), json!({"ctl": {"type": "guidance", "items": [item]}}));
        item["type"] = json!("whispered");
        assert_eq!(read(&ForTutors::Whispered(&whispered).frame()), json!({"ctl": item}));
        let since = Timestamp::UNIX_EPOCH;
        let signals = Signals {
            hand_raised: true,
            items: vec![Signal { kind: SignalKind::OffTask, level: 1, since, why: "two of three".into() }],
            ..Signals::default()
        };
        let told = json!({"ctl": {
            "type": "signals", "hand_raised": true, "idle_s": 0, "struggling": {"score": 0, "why": ""},
            "items": [
                {"kind": "off_task", "level": 1, "since": "1970-01-01T00:00:00Z", "why": "two of three"},
            ],
        }});
        assert_eq!(read(&ForTutors::Signals(&signals).frame()), told);
    }
}
