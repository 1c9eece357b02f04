//! Stable codes: what a client branches on.

use serde::{Serialize, Serializer};

/// Every error code that leaves in a frame: refused commands and failed runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    // Refused commands.
    InvalidCommand,
    TextTooLong,
    QueueFull,
    NotAllowed,
    NoActiveRun,
    ControlHeld,
    RateLimited,
    Draining,
    // Both.
    QuotaExceeded,
    StorageUnavailable,
    // Failed runs.
    ModelRateLimited,
    ModelUnavailable,
    ModelTimeout,
    ModelTruncated,
    ModelEmpty,
    ModelBadResponse,
    ContentBlocked,
    Interrupted,
    Internal,
}

impl ErrorCode {
    pub const ALL: &[ErrorCode] = &[
        ErrorCode::InvalidCommand,
        ErrorCode::TextTooLong,
        ErrorCode::QueueFull,
        ErrorCode::NotAllowed,
        ErrorCode::NoActiveRun,
        ErrorCode::ControlHeld,
        ErrorCode::RateLimited,
        ErrorCode::Draining,
        ErrorCode::QuotaExceeded,
        ErrorCode::StorageUnavailable,
        ErrorCode::ModelRateLimited,
        ErrorCode::ModelUnavailable,
        ErrorCode::ModelTimeout,
        ErrorCode::ModelTruncated,
        ErrorCode::ModelEmpty,
        ErrorCode::ModelBadResponse,
        ErrorCode::ContentBlocked,
        ErrorCode::Interrupted,
        ErrorCode::Internal,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::InvalidCommand => "invalid_command",
            ErrorCode::TextTooLong => "text_too_long",
            ErrorCode::QueueFull => "queue_full",
            ErrorCode::NotAllowed => "not_allowed",
            ErrorCode::NoActiveRun => "no_active_run",
            ErrorCode::ControlHeld => "control_held",
            ErrorCode::RateLimited => "rate_limited",
            ErrorCode::Draining => "draining",
            ErrorCode::QuotaExceeded => "quota_exceeded",
            ErrorCode::StorageUnavailable => "storage_unavailable",
            ErrorCode::ModelRateLimited => "model_rate_limited",
            ErrorCode::ModelUnavailable => "model_unavailable",
            ErrorCode::ModelTimeout => "model_timeout",
            ErrorCode::ModelTruncated => "model_truncated",
            ErrorCode::ModelEmpty => "model_empty",
            ErrorCode::ModelBadResponse => "model_bad_response",
            ErrorCode::ContentBlocked => "content_blocked",
            ErrorCode::Interrupted => "interrupted",
            ErrorCode::Internal => "internal",
        }
    }

    pub fn parse(text: &str) -> Option<ErrorCode> {
        ErrorCode::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// One plain sentence for the person in front of the page. Never upstream's own words.
    pub fn sentence(self) -> &'static str {
        match self {
            ErrorCode::InvalidCommand => "That command is not understood.",
            ErrorCode::TextTooLong => "The message is longer than 16 KiB.",
            ErrorCode::QueueFull => "Four messages are already waiting for an answer.",
            ErrorCode::NotAllowed => "You may not do that in this session.",
            ErrorCode::NoActiveRun => "There is no answer being written.",
            ErrorCode::ControlHeld => "Another tutor holds this session.",
            ErrorCode::RateLimited => "Too many commands in a short time.",
            ErrorCode::Draining => "The server is restarting; try again in a moment.",
            ErrorCode::QuotaExceeded => "The quota is used up.",
            ErrorCode::StorageUnavailable => "The storage cannot be reached; try again in a moment.",
            ErrorCode::ModelRateLimited => "The model is busy; try again in a moment.",
            ErrorCode::ModelUnavailable => "The model cannot be reached at the moment.",
            ErrorCode::ModelTimeout => "The model took too long to answer.",
            ErrorCode::ModelTruncated => "The answer broke off before its end.",
            ErrorCode::ModelEmpty => "The model gave no answer.",
            ErrorCode::ModelBadResponse => "The model's answer could not be read.",
            ErrorCode::ContentBlocked => "The answer was withheld by a safety filter.",
            ErrorCode::Interrupted => "The answer was interrupted by a restart.",
            ErrorCode::Internal => "Something went wrong on the server.",
        }
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why the server closes an open socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCode {
    /// 1000: the client said goodbye first.
    Normal,
    /// 1001: stopped by hand; nobody promised that it comes back.
    ShuttingDown,
    /// 1002: a frame that breaks RFC 6455.
    Protocol,
    /// 1003: a binary frame.
    Unsupported,
    /// 1009: a frame over 64 KiB.
    TooBig,
    /// 1011: a fault of ours; come back.
    Internal,
    /// 1012: a restart; come back after `retry_after_ms`.
    Restarting,
    /// 4400: a frame that is no JSON object with a string `type`.
    BadFrame,
    /// 4401: the token is missing, bad or expired.
    Unauthenticated,
    /// 4403: no longer allowed.
    Forbidden,
    /// 4404: no such session (any more).
    NoSession,
    /// 4408: reads too slowly.
    TooSlow,
    /// 4429: too many commands.
    TooMany,
}

impl CloseCode {
    pub fn number(self) -> u16 {
        match self {
            CloseCode::Normal => 1000,
            CloseCode::ShuttingDown => 1001,
            CloseCode::Protocol => 1002,
            CloseCode::Unsupported => 1003,
            CloseCode::TooBig => 1009,
            CloseCode::Internal => 1011,
            CloseCode::Restarting => 1012,
            CloseCode::BadFrame => 4400,
            CloseCode::Unauthenticated => 4401,
            CloseCode::Forbidden => 4403,
            CloseCode::NoSession => 4404,
            CloseCode::TooSlow => 4408,
            CloseCode::TooMany => 4429,
        }
    }

    pub fn reason(self) -> &'static str {
        match self {
            CloseCode::Normal => "bye",
            CloseCode::ShuttingDown => "shutting down",
            CloseCode::Protocol => "not the WebSocket protocol",
            CloseCode::Unsupported => "text frames only",
            CloseCode::TooBig => "frame over 64 KiB",
            CloseCode::Internal => "internal error",
            CloseCode::Restarting => "restarting",
            CloseCode::BadFrame => "not a JSON object with a string type",
            CloseCode::Unauthenticated => "token missing, bad or expired",
            CloseCode::Forbidden => "not allowed any more",
            CloseCode::NoSession => "no such session",
            CloseCode::TooSlow => "reads too slowly",
            CloseCode::TooMany => "too many commands",
        }
    }
}
