//! Reads a recorded answer through the very code that reads a live one, and tells everything that
//! is in it: for tests, and for a look at what a gateway really sends.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, stream};

use super::reader::Reader;
use super::retry::{Decision, Refusal, Standing, Trouble, decide};
use super::sse::{Frame, Frames, SseError};
use super::wire::{self, UsageMetadata};
use super::{Outcome, transport};
use crate::protocol::Usage;

/// What a recording says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    /// Events, an error aside.
    pub events: usize,
    pub text: String,
    pub thought_text: String,
    pub finish_reasons: Vec<String>,
    pub finish_message: Option<String>,
    pub block_reason: Option<String>,
    pub block_message: Option<String>,
    pub calls: Vec<Call>,
    pub thought_signatures: usize,
    pub other_parts: Vec<String>,
    pub events_without_parts: usize,
    /// The last counts, under Google's names.
    pub counts: Vec<(&'static str, u64)>,
    pub service_tier: Option<String>,
    pub traffic_type: Option<String>,
    pub model_version: Option<String>,
    pub response_id: Option<String>,
    pub error: Option<RecordedError>,
    /// What a student's run makes of it, were this the only call.
    pub outcome: Option<Outcome>,
    pub usage: Usage,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub id: Option<String>,
    pub name: String,
    /// JSON.
    pub args: String,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordedError {
    pub code: u64,
    pub status: String,
    pub message: String,
    pub retry_delay: Option<String>,
    pub quota_ids: Vec<String>,
    pub retry_in: Option<std::time::Duration>,
    pub daily: bool,
}

/// `packets`: the body as it came over the wire, in pieces of any size.
pub fn read_recording(http_status: u16, packets: Vec<Bytes>) -> Recording {
    let mut recording = Recording::default();
    if !(200..300).contains(&http_status) {
        let body = packets.concat();
        let refusal = transport::read_refusal(http_status, &body);
        if let Ok(messages) = wire::parse(&String::from_utf8_lossy(&body)) {
            let error = messages.as_slice().iter().find_map(|message| message.error.as_ref());
            recording.error = error.map(|error| recorded(error, &refusal));
        }
        recording.outcome = Some(failed(&Trouble::Refused(refusal), false));
        return recording;
    }
    let packets = stream::iter(packets.into_iter().map(Ok::<_, Infallible>));
    let mut frames = Frames::new(packets);
    let mut reader = Reader::default();
    let mut given = false;
    let outcome = loop {
        // Everything is there: the stream is never pending.
        let trouble = match frames.next().now_or_never().flatten() {
            Some(Ok(frame)) => {
                recording.note(&frame);
                match reader.take(&frame) {
                    Ok(delta) => {
                        given |= !delta.text.is_empty() || !delta.thought.is_empty();
                        recording.text.push_str(&delta.text);
                        recording.thought_text.push_str(&delta.thought);
                        continue;
                    }
                    Err(trouble) => trouble,
                }
            }
            None => match reader.outcome() {
                Some(outcome) => break outcome,
                None => Trouble::Ended,
            },
            Some(Err(SseError::Broken)) => Trouble::Ended,
            Some(Err(SseError::TooLong | SseError::NotEvents)) => Trouble::Unreadable,
            Some(Err(SseError::Transport(never))) => match never {},
        };
        break failed(&trouble, given);
    };
    recording.outcome = Some(outcome);
    recording.usage = reader.usage(0, false);
    recording
}

fn failed(trouble: &Trouble, given: bool) -> Outcome {
    let only_call = Standing { calls: 1, attempts: 1, left: std::time::Duration::MAX, given };
    match decide(trouble, only_call, 0.0) {
        Decision::Fail { code, retry_after } => Outcome::Failed { code, retry_after },
        Decision::RetryIn(_) => Outcome::Failed { code: trouble.code(given), retry_after: None },
    }
}

fn recorded(error: &wire::ErrorBody<'_>, refusal: &Refusal) -> RecordedError {
    RecordedError {
        code: error.code.unwrap_or(0),
        status: error.status.as_deref().unwrap_or_default().to_owned(),
        message: error.message.as_deref().unwrap_or_default().to_owned(),
        retry_delay: error.retry_delay().map(str::to_owned),
        quota_ids: error.quota_ids().map(str::to_owned).collect(),
        retry_in: refusal.retry_after,
        daily: refusal.daily,
    }
}

impl Recording {
    fn note(&mut self, frame: &Frame) {
        let Ok(messages) = wire::parse(&frame.data) else { return };
        for message in messages.as_slice() {
            match &message.error {
                Some(error) => self.error = Some(recorded(error, &Refusal::from_error(None, error))),
                None => self.note_event(message),
            }
        }
    }

    fn note_event(&mut self, message: &wire::Response<'_>) {
        let owned = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().map(str::to_owned);
        self.events += 1;
        if let Some(usage) = &message.usage_metadata {
            self.counts = counts(usage);
            self.service_tier = owned(&usage.service_tier);
            self.traffic_type = owned(&usage.traffic_type);
        }
        self.model_version = owned(&message.model_version).or(self.model_version.take());
        self.response_id = owned(&message.response_id).or(self.response_id.take());
        if let Some(feedback) = &message.prompt_feedback {
            self.block_reason = owned(&feedback.block_reason).or(self.block_reason.take());
            self.block_message = owned(&feedback.block_reason_message).or(self.block_message.take());
        }
        let Some(candidate) = message.candidate() else { return };
        self.finish_reasons.extend(owned(&candidate.finish_reason));
        self.finish_message = owned(&candidate.finish_message).or(self.finish_message.take());
        self.events_without_parts += usize::from(candidate.parts().is_empty());
        for part in candidate.parts() {
            self.thought_signatures += usize::from(part.signature.is_some());
            self.other_parts.extend(owned(&part.other));
            self.calls.extend(part.call.as_ref().map(|call| Call {
                id: owned(&call.id),
                name: call.name.clone().into_owned(),
                args: call.args.map_or("{}", |args| args.get()).to_owned(),
            }));
        }
    }
}

fn counts(usage: &UsageMetadata<'_>) -> Vec<(&'static str, u64)> {
    let all = [
        ("promptTokenCount", usage.prompt_token_count),
        ("cachedContentTokenCount", usage.cached_content_token_count),
        ("candidatesTokenCount", usage.candidates_token_count),
        ("thoughtsTokenCount", usage.thoughts_token_count),
        ("toolUsePromptTokenCount", usage.tool_use_prompt_token_count),
        ("totalTokenCount", usage.total_token_count),
    ];
    all.into_iter().filter_map(|(name, count)| Some((name, count?))).collect()
}
