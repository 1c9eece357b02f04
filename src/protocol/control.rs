//! Control frames: state outside the log. Each carries the whole state it speaks of.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::id::Uuid;
use crate::identity::Role;

use super::{ErrorCode, Message};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
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
        #[derive(Serialize)]
        struct Frame<'a> {
            ctl: &'a Control<'a>,
        }
        super::event::to_json(&Frame { ctl: self })
    }
}
