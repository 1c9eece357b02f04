//! What tutors say.

use serde::Deserialize;

use crate::id::Uuid;
use crate::protocol::Until;

use super::{BadFrame, Command, EditFrame, Frame};

pub struct Whisper {
    pub id: Uuid,
    pub text: String,
    pub until: Until,
}

pub struct Correct {
    /// Becomes the replacement's id.
    pub id: Uuid,
    /// The assistant's message that is replaced; it stays.
    pub message: Uuid,
    pub text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhisperFrame {
    #[serde(rename = "type")]
    _kind: String,
    id: Uuid,
    text: String,
    #[serde(default)]
    until: Until,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SayFrame {
    #[serde(rename = "type")]
    _kind: String,
    id: Uuid,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithdrawFrame {
    #[serde(rename = "type")]
    _kind: String,
    #[serde(default)]
    id: Option<Uuid>,
    whisper: Uuid,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HandBackFrame {
    #[serde(rename = "type")]
    _kind: String,
    #[serde(default)]
    id: Option<Uuid>,
    #[serde(default)]
    summary: Option<String>,
}

/// `None`: it is no tutor's word.
pub(super) fn parse(kind: &str, frame: &Frame<'_>) -> Option<Result<Command, BadFrame>> {
    Some(match kind {
        "whisper" => whisper(frame),
        "withdraw" => frame.read().map(|WithdrawFrame { id, whisper, .. }| Command::Withdraw { id, whisper }),
        "say" => say(frame),
        "correct" => correct(frame),
        "take_over" => frame.bare(Command::TakeOver),
        "hand_back" => hand_back(frame),
        "claim" => frame.bare(Command::Claim),
        _ => return None,
    })
}

fn whisper(frame: &Frame<'_>) -> Result<Command, BadFrame> {
    let WhisperFrame { id, text, until, .. } = frame.read()?;
    Ok(Command::Whisper(Whisper { id, text: frame.said("text", text)?, until }))
}

fn say(frame: &Frame<'_>) -> Result<Command, BadFrame> {
    let SayFrame { id, text, .. } = frame.read()?;
    Ok(Command::Say { id, text: frame.said("text", text)? })
}

fn correct(frame: &Frame<'_>) -> Result<Command, BadFrame> {
    let EditFrame { id, message, text, .. } = frame.read()?;
    if id == message {
        return Err(frame.invalid("`id` must be a new one, not the corrected message's"));
    }
    Ok(Command::Correct(Correct { id, message, text: frame.said("text", text)? }))
}

fn hand_back(frame: &Frame<'_>) -> Result<Command, BadFrame> {
    let HandBackFrame { id, summary, .. } = frame.read()?;
    let summary = summary.map(|text| frame.said("summary", text)).transpose()?;
    Ok(Command::HandBack { id, summary })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ErrorCode, MAX_TEXT, parse_command};
    use serde_json::json;

    fn refused(command: &serde_json::Value) -> ErrorCode {
        match parse_command(&command.to_string()) {
            Err(BadFrame::Invalid { code, .. }) => code,
            other => panic!("{command}: {other:?}"),
        }
    }

    #[test]
    fn a_whisper_holds_for_the_next_answer_unless_it_says_otherwise() {
        let id = crate::id::new();
        for (until, meant) in
            [(None, Until::Next), (Some("next"), Until::Next), (Some("withdrawn"), Until::Withdrawn)]
        {
            let mut command = json!({"type": "whisper", "id": id, "text": "Slower."});
            if let Some(until) = until {
                command["until"] = json!(until);
            }
            match parse_command(&command.to_string()) {
                Ok(Command::Whisper(whisper)) => assert_eq!(whisper.until, meant),
                other => panic!("{other:?}"),
            }
        }
        let say = json!({"type": "say", "id": id, "text": "Hello", "until": "next"});
        assert_eq!(refused(&say), ErrorCode::InvalidCommand, "what is said to a student has no end");
    }

    #[test]
    fn every_text_of_a_tutor_is_bounded_and_not_empty() {
        let (id, other) = (crate::id::new(), crate::id::new());
        let with = |text: &str| {
            [
                json!({"type": "whisper", "id": id, "text": text}),
                json!({"type": "say", "id": id, "text": text}),
                json!({"type": "correct", "id": id, "message": other, "text": text}),
                json!({"type": "hand_back", "id": id, "summary": text}),
            ]
        };
        for command in with(&"x".repeat(MAX_TEXT)) {
            let read = parse_command(&command.to_string()).unwrap();
            assert!(read.is_tutors() && !read.is_students());
            assert_eq!(read.id(), Some(id));
            let shown = format!("{read:?}");
            assert!(shown.contains("16384") && !shown.contains("xx"), "{shown}");
        }
        for command in with(&"x".repeat(MAX_TEXT + 1)) {
            assert_eq!(refused(&command), ErrorCode::TextTooLong, "{}", command["type"]);
        }
        for text in ["", " \n", "a\0b"] {
            for command in with(text) {
                assert_eq!(refused(&command), ErrorCode::InvalidCommand, "{command}");
            }
        }
        let same = json!({"type": "correct", "id": id, "message": id, "text": "x"});
        assert_eq!(refused(&same), ErrorCode::InvalidCommand);
    }

    #[test]
    fn a_hand_back_needs_no_summary() {
        for (frame, summary) in [(json!({}), None), (json!({"summary": "We drew it."}), Some("We drew it."))]
        {
            let mut command = frame;
            command["type"] = json!("hand_back");
            match parse_command(&command.to_string()) {
                Ok(Command::HandBack { summary: read, .. }) => assert_eq!(read.as_deref(), summary),
                other => panic!("{other:?}"),
            }
        }
    }
}
