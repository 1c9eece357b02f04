//! A message: one entry in a session, as REST and snapshots show it.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::Uuid;

use super::ErrorCode;

#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Message {
    pub id: Uuid,
    pub session_id: Uuid,
    pub run_id: Uuid,
    pub role: MessageRole,
    pub author: Author,
    pub content: String,
    pub status: Status,
    /// `stop`, `length`, `stopped`, `safety`, `taken_over`, … Absent until the message has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub finish_reason: Option<FinishReason>,
    /// Why a `failed` or `interrupted` message ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub error: Option<ErrorCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The model that wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Ids of what the student sent with it, in their order; one that is not there any more stays named.
    #[schema(value_type = Vec<String>)]
    pub files: Vec<Uuid>,
    /// Of a tutor's message: the assistant's message that it replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub corrects: Option<Uuid>,
    /// The tutor's message that replaces this one; this one stays to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub corrected_by: Option<Uuid>,
    /// Of a student's message: the question whose place it took. Told by `RUN_STARTED` alone.
    #[serde(skip)]
    pub edits: Option<Uuid>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Author {
    /// `null` for the assistant.
    #[schema(required)]
    pub id: Option<Uuid>,
    pub name: String,
    pub kind: AuthorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthorKind {
    Student,
    Assistant,
    Tutor,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageRole {
    User,
    Assistant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted; its run has not begun.
    Queued,
    Streaming,
    Complete,
    Stopped,
    Failed,
    Interrupted,
}

/// Tokens of one answer. Thinking is counted apart from the answer's own tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_input_tokens: u64,
    /// True when the model never said: counted from the text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl Usage {
    /// Of an answer for which the model was called more than once.
    pub fn and(self, next: Usage) -> Usage {
        Usage {
            input_tokens: self.input_tokens + next.input_tokens,
            output_tokens: self.output_tokens + next.output_tokens,
            reasoning_tokens: self.reasoning_tokens + next.reasoning_tokens,
            cached_input_tokens: self.cached_input_tokens + next.cached_input_tokens,
            estimated: self.estimated || next.estimated,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// How a run ended that did not fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    Stop,
    Length,
    /// By a `stop` command.
    Stopped,
    Safety,
    /// A tutor took over while the model spoke.
    TakenOver,
    /// A tutor holds control: nobody but them answers.
    Tutor,
    /// What the model says and this version does not know, in lower case.
    Other(String),
}

impl FinishReason {
    pub fn as_str(&self) -> &str {
        match self {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
            FinishReason::Stopped => "stopped",
            FinishReason::Safety => "safety",
            FinishReason::TakenOver => "taken_over",
            FinishReason::Tutor => "tutor",
            FinishReason::Other(text) => text,
        }
    }

    pub fn parse(text: &str) -> FinishReason {
        match text {
            "stop" => FinishReason::Stop,
            "length" => FinishReason::Length,
            "stopped" => FinishReason::Stopped,
            "safety" => FinishReason::Safety,
            "taken_over" => FinishReason::TakenOver,
            "tutor" => FinishReason::Tutor,
            other => FinishReason::Other(other.to_owned()),
        }
    }
}

impl Serialize for FinishReason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

words!(AuthorKind, Student = "student", Assistant = "assistant", Tutor = "tutor");
words!(MessageRole, User = "user", Assistant = "assistant");
words!(
    Status,
    Queued = "queued",
    Streaming = "streaming",
    Complete = "complete",
    Stopped = "stopped",
    Failed = "failed",
    Interrupted = "interrupted",
);
