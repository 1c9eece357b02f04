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
