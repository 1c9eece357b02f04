//! A conversation becomes a request: the newest turns that fit the budget, oldest first.

use bytes::Bytes;

use super::wire::{Content, GenerationConfig, Instruction, Request, TextPart};
use super::{Prompt, Speaker, Turn};

/// What one turn costs beside its words.
const TURN_TOKENS: u64 = 4;

/// About how many tokens a text is: four letters of a Latin script each, one of any other.
pub(super) fn estimate(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
    // Bytes that start a character and are no ASCII.
    let others = text.bytes().filter(|byte| *byte >= 0xc0).count() as u64;
    ascii.div_ceil(4) + others
}

/// The turns of a prompt that are sent. The newest is sent whatever it costs; older ones as far
/// as the budget goes, and never so that the model speaks first: Google refuses that.
pub(super) fn select(turns: &[Turn], budget: u64) -> Vec<&Turn> {
    let mut said: Vec<&Turn> = turns.iter().filter(|turn| !turn.text.trim().is_empty()).collect();
    // A request that ends with the model's own words is refused, too.
    while said.last().is_some_and(|turn| turn.speaker != Speaker::User) {
        said.pop();
    }
    let mut cost = 0;
    let mut fitting = 0;
    for turn in said.iter().rev() {
        cost += estimate(&turn.text) + TURN_TOKENS;
        if cost > budget && fitting > 0 {
            break;
        }
        fitting += 1;
    }
    let mut kept = said.split_off(said.len() - fitting);
    let first_user = kept.iter().position(|turn| turn.speaker == Speaker::User).unwrap_or(kept.len());
    kept.drain(..first_user);
    kept
}

/// Neighbours of the same speaker become the parts of one turn.
pub(super) fn contents<'a>(turns: &[&'a Turn]) -> Vec<Content<'a>> {
    turns
        .chunk_by(|one, next| one.speaker == next.speaker)
        .map(|same| Content {
            role: match same[0].speaker {
                Speaker::User => "user",
                Speaker::Model | Speaker::Human => "model",
            },
            parts: same.iter().map(|turn| TextPart { text: &turn.text }).collect(),
        })
        .collect()
}

/// A request ready to be sent, as often as it takes.
pub(super) struct Body {
    pub(super) json: Bytes,
    /// About what Google will count for the conversation, without the instruction.
    pub(super) tokens: u64,
}

/// `None`: there is nothing to answer.
pub(super) fn body(
    prompt: &Prompt,
    instruction: &str,
    budget: u32,
    max_output_tokens: Option<u32>,
) -> Option<Body> {
    let turns = select(&prompt.turns, u64::from(budget));
    if turns.is_empty() {
        return None;
    }
    let tokens = turns.iter().map(|turn| estimate(&turn.text) + TURN_TOKENS).sum::<u64>();
    let request = Request {
        system_instruction: Instruction { parts: [TextPart { text: instruction }] },
        contents: contents(&turns),
        generation_config: max_output_tokens.map(|max_output_tokens| GenerationConfig { max_output_tokens }),
    };
    // Escapes and names need a little more than the words; growing by doubling would copy it all.
    let words: usize = turns.iter().map(|turn| turn.text.len() + 64).sum();
    let mut json = Vec::with_capacity(instruction.len() + words + words / 8 + 256);
    serde_json::to_writer(&mut json, &request).ok()?;
    Some(Body { json: Bytes::from(json), tokens })
}
