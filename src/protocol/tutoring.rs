//! The words of what tutors do: whispers, and acts on a session's time line.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::Uuid;

use super::Person;

/// How long a whisper holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// For the model's next answer.
    #[default]
    Next,
    Withdrawn,
}
words!(Until, Next = "next", Withdrawn = "withdrawn");

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhisperKind {
    Whisper,
    /// What a tutor said to the model when handing back.
    Summary,
}
words!(WhisperKind, Whisper = "whisper", Summary = "summary");

/// `Waiting => (Used | Withdrawn)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhisperState {
    Waiting,
    Used,
    Withdrawn,
}
words!(WhisperState, Waiting = "waiting", Used = "used", Withdrawn = "withdrawn");

/// A tutor's words to the model alone; tutors of the session see it, no student ever does.
#[derive(Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Whispered {
    #[schema(value_type = String, format = Uuid)]
    pub id: Uuid,
    pub by: Person,
    pub text: String,
    pub until: Until,
    pub kind: WhisperKind,
    pub state: WhisperState,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

impl fmt::Debug for Whispered {
    /// Without its words: they belong into no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whispered")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

/// What a tutor did, or what became of their control.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ActKind {
    Whispered,
    Withdrew,
    Said,
    TookOver,
    HandedBack,
    /// The tutor was gone for too long.
    Lapsed,
    /// The tutor's rights ended.
    Released,
    Claimed,
    LoweredHand,
    Stopped,
    Corrected,
    Joined,
    Left,
}
words!(
    ActKind,
    Whispered = "whispered",
    Withdrew = "withdrew",
    Said = "said",
    TookOver = "took_over",
    HandedBack = "handed_back",
    Lapsed = "lapsed",
    Released = "released",
    Claimed = "claimed",
    LoweredHand = "lowered_hand",
    Stopped = "stopped",
    Corrected = "corrected",
    Joined = "joined",
    Left = "left",
);
