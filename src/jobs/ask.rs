//! The model asked by a job: one answer, taken whole. What comes back is a stranger's words, read as data.

use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use crate::gemini::{Answer, Event, Outcome};
use crate::protocol::{ErrorCode, Usage};

use super::Fault;

/// The longest answer, in bytes: no list of ours is nearly as long.
const LONGEST: usize = 256 << 10;

pub(super) const UNUSABLE: Fault = Fault::passing("model_bad_response");

/// What the model said.
pub(super) struct Said {
    pub(super) text: String,
    pub(super) model: Option<String>,
}

/// What became of one question.
pub(super) struct Asked {
    pub(super) said: Result<Said, Fault>,
    /// What it cost, whatever became of it.
    pub(super) tokens: i64,
}

/// The whole answer; `more` hears its pieces as they come.
pub(super) async fn ask(mut answer: Answer, mut more: impl FnMut(&str)) -> Asked {
    let (mut text, mut end) = (String::new(), None);
    while let Some(event) = answer.next().await {
        match event {
            Event::Text(piece) if text.len() + piece.len() > LONGEST => {
                return Asked { said: Err(UNUSABLE), tokens: total(&answer.usage()) };
            }
            Event::Text(piece) => {
                more(&piece);
                text.push_str(&piece);
            }
            // It is offered no tool.
            Event::Thought(_) | Event::Calls(_) => {}
            Event::End(last) => end = Some(last),
        }
    }
    let Some(end) = end else { return Asked { said: Err(Fault::passing("model_truncated")), tokens: 0 } };
    let said = match end.outcome {
        Outcome::Failed { code, .. } => Err(fault(code)),
        Outcome::Finished(_) => Ok(Said { text, model: end.model }),
    };
    Asked { said, tokens: total(&end.usage) }
}

fn fault(code: ErrorCode) -> Fault {
    // The same question would be blocked again.
    Fault { code: code.as_str(), again: code != ErrorCode::ContentBlocked }
}

/// The JSON of an answer, which may stand between fences or in other words.
pub(super) fn json<T: DeserializeOwned>(answer: &str) -> Option<T> {
    let (from, to) = (answer.find('{')?, answer.rfind('}')?);
    serde_json::from_str(answer.get(from..=to)?).ok()
}

fn total(used: &Usage) -> i64 {
    i64::try_from(used.input_tokens + used.output_tokens + used.reasoning_tokens).unwrap_or(i64::MAX)
}
