//! AG-UI events: what the log's entries say. Serialized once, then shared by every reader.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;

use crate::id::Uuid;

use super::{ErrorCode, FinishReason, MessageRole, Usage};

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum Event<'a> {
    RunStarted {
        thread_id: Uuid,
        run_id: Uuid,
        #[serde(skip_serializing_if = "Option::is_none")]
        metadata: Option<Metadata<'a>>,
    },
    TextMessageStart {
        message_id: Uuid,
        role: MessageRole,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        metadata: Option<Metadata<'a>>,
    },
    TextMessageContent {
        message_id: Uuid,
        delta: &'a str,
    },
    TextMessageEnd {
        message_id: Uuid,
    },
    ReasoningStart {
        message_id: Uuid,
    },
    ReasoningMessageStart {
        message_id: Uuid,
        role: &'static str,
    },
    ReasoningMessageContent {
        message_id: Uuid,
        delta: &'a str,
    },
    ReasoningMessageEnd {
        message_id: Uuid,
    },
    ReasoningEnd {
        message_id: Uuid,
    },
    ToolCallStart {
        tool_call_id: Uuid,
        tool_call_name: &'a str,
    },
    ToolCallArgs {
        tool_call_id: Uuid,
        delta: &'a str,
    },
    ToolCallEnd {
        tool_call_id: Uuid,
    },
    ToolCallResult {
        message_id: Uuid,
        tool_call_id: Uuid,
        role: &'static str,
        content: &'a str,
    },
    RunFinished {
        thread_id: Uuid,
        run_id: Uuid,
        result: RunResult<'a>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        usage: Vec<RunUsage>,
    },
    RunError {
        message: &'a str,
        code: ErrorCode,
    },
}

/// Our own extras, where AG-UI has no word.
#[derive(Debug, Serialize)]
pub struct Metadata<'a> {
    pub fynq: Extras<'a>,
}

#[derive(Debug, Default, Serialize)]
pub struct Extras<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub supersedes: &'a [Uuid],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<&'static str>,
    /// Of a student's message: what came with it.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub files: &'a [Uuid],
    /// Of a tutor's message: the assistant's message that it replaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrects: Option<Uuid>,
}

#[derive(Debug, Serialize)]
pub struct RunResult<'a> {
    pub finish_reason: &'a FinishReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunUsage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input_tokens: Option<u64>,
}

impl From<Usage> for RunUsage {
    fn from(usage: Usage) -> Self {
        let some = |tokens: u64| (tokens > 0).then_some(tokens);
        RunUsage {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            reasoning_tokens: some(usage.reasoning_tokens),
            cached_input_tokens: some(usage.cached_input_tokens),
        }
    }
}

/// A log entry's frame, and where the event lies in it (SSE sends the event alone). It is written at
/// the end of `block` and split off: a frame is small, and what its own allocation would cost is not.
pub fn entry(block: &mut BytesMut, seq: u64, event: &Event<'_>) -> (Bytes, std::ops::Range<usize>) {
    let words = match event {
        Event::TextMessageContent { delta, .. }
        | Event::ReasoningMessageContent { delta, .. }
        | Event::ToolCallResult { content: delta, .. } => delta.len(),
        _ => 0,
    };
    // Room for names, an id and a few escapes: most frames are written without growing.
    block.reserve(160 + words + words / 8);
    block.extend_from_slice(b"{\"seq\":");
    block.extend_from_slice(seq.to_string().as_bytes());
    block.extend_from_slice(b",\"ev\":");
    let start = block.len();
    write_json(block.writer(), event);
    let end = block.len();
    block.extend_from_slice(b"}");
    (block.split().freeze(), start..end)
}

pub(super) fn to_json(value: &impl Serialize) -> Bytes {
    let mut out = Vec::with_capacity(192);
    write_json(&mut out, value);
    Bytes::from(out)
}

#[expect(clippy::expect_used, reason = "our own types into memory: no map keys, no IO, nothing to fail")]
fn write_json(out: impl std::io::Write, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("our own types serialize");
}
