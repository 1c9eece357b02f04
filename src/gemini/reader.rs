//! Folds the events of one stream into what they say together. Knows nothing of time or sockets.

use super::Outcome;
use super::prompt::estimate;
use super::retry::{Refusal, Trouble};
use super::sse::Frame;
use super::tools::Turn;
use super::wire::{self, Messages, Response};
use crate::protocol::{ErrorCode, FinishReason, Usage};

/// New words of one event.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Delta {
    pub(super) thought: String,
    pub(super) text: String,
}

#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The last one counts: some models say STOP with every event.
    finish: Option<String>,
    /// A candidate came without a finish reason, so that one means the end.
    opened: bool,
    finishes: u32,
    finish_is_last: bool,
    blocked: bool,
    /// Bytes and about how many tokens of text there were.
    pub(super) text_bytes: usize,
    text_tokens: u64,
    model: Option<String>,
    usage: Counts,
    /// What was said, where the model may ask for something and has to be told again what it said.
    turn: Option<Turn>,
}

/// Counts are cumulative, and an event may leave some out: the last word on each stands.
#[derive(Debug, Default)]
struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
    cached: Option<u64>,
}

impl Reader {
    /// For one call of an answer of which the student has had this many bytes; `offers`: the model may ask for
    /// something.
    pub(super) fn new(text_bytes: usize, offers: bool) -> Reader {
        Reader { text_bytes, turn: offers.then(Turn::default), ..Reader::default() }
    }

    /// What the model asks for, when its turn is over in good order.
    pub(super) fn asks(&mut self) -> Option<Turn> {
        self.finish.as_ref().filter(|_| !self.blocked)?;
        self.turn.take_if(|turn| turn.asks())
    }

    pub(super) fn take(&mut self, frame: &Frame) -> Result<Delta, Trouble> {
        let mut delta = Delta::default();
        let data = frame.data.trim_ascii();
        // Some gateways beat a heart, or end a stream as OpenAI does.
        if data.is_empty() || data == "[DONE]" {
            return Ok(delta);
        }
        match wire::parse(data) {
            Ok(Messages::One(response)) => self.fold(response, &mut delta)?,
            Ok(Messages::Many(responses)) => {
                for response in responses {
                    self.fold(response, &mut delta)?;
                }
            }
            Err(error) if frame.unclosed && error.is_eof() => return Err(Trouble::Ended),
            Err(_) => return Err(Trouble::Unreadable),
        }
        for words in [&mut delta.thought, &mut delta.text] {
            // PostgreSQL keeps no NUL; what is shown must equal what is stored.
            if memchr::memchr(0, words.as_bytes()).is_some() {
                *words = words.replace('\0', "\u{fffd}");
            }
        }
        self.text_bytes += delta.text.len();
        self.text_tokens += estimate(&delta.text);
        Ok(delta)
    }

    fn fold(&mut self, mut response: Response<'_>, delta: &mut Delta) -> Result<(), Trouble> {
        if let Some(error) = &response.error {
            return Err(Trouble::Refused(Refusal::from_error(None, error)));
        }
        if let Some(usage) = &response.usage_metadata {
            self.usage.take(usage);
        }
        if let Some(version) = &response.model_version
            && self.model.as_deref() != Some(version)
        {
            self.model = Some(version.chars().filter(|c| !c.is_control()).take(128).collect());
        }
        self.blocked |= response.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some());
        let Some(candidate) = response.candidates.iter_mut().find(|candidate| candidate.is_first()) else {
            return Ok(());
        };
        for part in candidate.parts_mut() {
            if let Some(turn) = &mut self.turn
                && !turn.keep(part)
            {
                return Err(Trouble::Unreadable);
            }
            let words = if part.thought { &mut delta.thought } else { &mut delta.text };
            match part.text.take() {
                Some(text) if words.is_empty() => *words = text.into_owned(),
                Some(text) => words.push_str(&text),
                None => {}
            }
        }
        self.finish_is_last = candidate.finish_reason.is_some();
        match &candidate.finish_reason {
            None => self.opened = true,
            Some(reason) => {
                self.finishes += 1;
                if self.finish.as_deref() != Some(reason) {
                    // PostgreSQL keeps no NUL, and nobody wants the others.
                    self.finish = Some(reason.chars().filter(|c| !c.is_control()).take(64).collect());
                }
            }
        }
        Ok(())
    }

    /// The stream is over, in good order. `None`: it ended before the model did.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let failed = |code| Outcome::Failed { code, retry_after: None };
        if self.blocked {
            return Some(failed(ErrorCode::ContentBlocked));
        }
        let reason = self.finish.as_deref()?;
        let has_text = self.text_bytes > 0;
        Some(match reason {
            _ if is_safety(reason) && has_text => Outcome::Finished(FinishReason::Safety),
            _ if is_safety(reason) => failed(ErrorCode::ContentBlocked),
            _ if !has_text => failed(ErrorCode::ModelEmpty),
            "STOP" => Outcome::Finished(FinishReason::Stop),
            "MAX_TOKENS" => Outcome::Finished(FinishReason::Length),
            other => Outcome::Finished(FinishReason::Other(other.to_lowercase())),
        })
    }

    /// The model said its last word, though the stream did not end in good order after it. With
    /// models that say STOP all along nobody can know.
    pub(super) fn is_surely_over(&self) -> bool {
        self.opened && self.finishes == 1 && self.finish_is_last
    }

    /// `estimate` is our own of the prompt without guidance, for when the model did not count it. How much was
    /// asked is told to the student: of a prompt that was `guided` never more than our own estimate, and nothing
    /// of what was cached of it.
    pub(super) fn usage(&self, estimate: u64, guided: bool) -> Usage {
        let counts = &self.usage;
        let (most, cached) = if guided { (estimate, None) } else { (u64::MAX, counts.cached) };
        let input_tokens = counts.input.map_or(estimate, |counted| counted.min(most));
        let missing_output = counts.output.is_none() && self.text_tokens > 0;
        Usage {
            input_tokens,
            output_tokens: counts.output.unwrap_or(self.text_tokens),
            reasoning_tokens: counts.thinking.unwrap_or(0),
            cached_input_tokens: cached.unwrap_or(0).min(input_tokens),
            estimated: counts.input.is_none() || missing_output,
        }
    }

    pub(super) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }
}

impl Counts {
    fn take(&mut self, usage: &wire::UsageMetadata<'_>) {
        let prompt = usage.prompt_token_count.map(|n| n + usage.tool_use_prompt_token_count.unwrap_or(0));
        self.input = prompt.or(self.input);
        self.output = usage.candidates_token_count.or(self.output);
        self.thinking = usage.thoughts_token_count.or(self.thinking);
        self.cached = usage.cached_content_token_count.or(self.cached);
    }
}

fn is_safety(reason: &str) -> bool {
    matches!(reason, "RECITATION" | "BLOCKLIST" | "SPII" | "IMAGE_RECITATION")
        || reason.contains("SAFETY")
        || reason.contains("PROHIBITED")
}
