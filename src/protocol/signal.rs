//! Signals: what the server noticed about a session and tells its tutors, each with one line that says why.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

use super::Person;

/// In the order of their weight, the heaviest first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// The student asks for a human.
    Hand,
    Safety,
    Struggling,
    /// Answers fail.
    Error,
    OffTask,
    Idle,
}

impl SignalKind {
    pub const ALL: [SignalKind; 6] = [
        SignalKind::Hand,
        SignalKind::Safety,
        SignalKind::Struggling,
        SignalKind::Error,
        SignalKind::OffTask,
        SignalKind::Idle,
    ];
}

words!(
    SignalKind,
    Hand = "hand",
    Safety = "safety",
    Struggling = "struggling",
    Error = "error",
    OffTask = "off_task",
    Idle = "idle",
);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Signal {
    pub kind: SignalKind,
    /// 1 to 3.
    pub level: u8,
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// At most 120 characters, words of ours and never the student's.
    pub why: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Score {
    /// 0 to 100.
    pub score: u8,
    pub why: String,
}

/// All signals of one session, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Signals {
    pub hand_raised: bool,
    /// As of the moment when this was said.
    pub idle_s: u64,
    pub struggling: Score,
    /// Those that are shown, the heaviest first.
    pub items: Vec<Signal>,
    /// What nobody needs to be told of any more, because somebody has seen to it. Left out when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dealt_with: Vec<DealtWith>,
}

/// Somebody has seen to what was signalled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DealtWith {
    pub kind: SignalKind,
    pub by: Person,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}
