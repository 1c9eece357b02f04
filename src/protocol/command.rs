//! Commands: what a client may say, read from one text frame.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::id::Uuid;

use super::ErrorCode;

/// The largest frame; a larger one closes the socket with 1009.
pub const MAX_FRAME: usize = 64 * 1024;
/// The longest message of a person, in bytes.
pub const MAX_TEXT: usize = 16 * 1024;

#[derive(Debug)]
pub enum Command {
    Send(Send),
    Stop(Option<Uuid>),
    /// Its own id: the run's id, so that a repetition is recognised.
    Regenerate(Uuid),
    Edit(Edit),
    RaiseHand(Option<Uuid>),
    LowerHand(Option<Uuid>),
    Typing,
    Ping(Option<Box<RawValue>>),
    Auth(secrecy::SecretString),
    Whisper(Whisper),
    Say {
        id: Uuid,
        text: String,
    },
    TakeOver(Option<Uuid>),
    HandBack(Option<Uuid>),
}

impl Command {
    /// The command's own id, for the answer.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Command::Send(send) => Some(send.id),
            Command::Edit(edit) => Some(edit.id),
            Command::Regenerate(id) | Command::Say { id, .. } => Some(*id),
            Command::Whisper(whisper) => Some(whisper.id),
            Command::Stop(id) | Command::RaiseHand(id) | Command::LowerHand(id) => *id,
            Command::TakeOver(id) | Command::HandBack(id) => *id,
            Command::Typing | Command::Ping(_) | Command::Auth(_) => None,
        }
    }
}

#[derive(Debug)]
pub struct Send {
    /// Becomes the message's id.
    pub id: Uuid,
    pub text: String,
}

#[derive(Debug)]
pub struct Edit {
    /// Becomes the new message's id.
    pub id: Uuid,
    /// The message that is superseded, with all after it.
    pub message: Uuid,
    pub text: String,
}

#[derive(Debug)]
pub struct Whisper {
    pub id: Uuid,
    pub text: String,
    pub until_withdrawn: bool,
}

/// A frame that gives no command.
#[derive(Debug)]
pub enum BadFrame {
    /// Not a JSON object with a string `type`: closes with 4400.
    Malformed,
    /// An unknown type or a bad field: answered with an `error`, and the socket goes on.
    Invalid { code: ErrorCode, message: String, command_id: Option<String> },
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(default, borrow)]
    id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bare {
    #[serde(rename = "type")]
    _kind: String,
    #[serde(default)]
    id: Option<Uuid>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendFrame {
    #[serde(rename = "type")]
    _kind: String,
    id: Uuid,
    text: String,
    #[serde(default)]
    files: Vec<Uuid>,
    #[serde(default, rename = "parent")]
    _parent: Option<Uuid>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditFrame {
    #[serde(rename = "type")]
    _kind: String,
    id: Uuid,
    message: Uuid,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PingFrame {
    #[serde(rename = "type")]
    _kind: String,
    #[serde(default, rename = "id")]
    _id: Option<Uuid>,
    #[serde(default)]
    t: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthFrame {
    #[serde(rename = "type")]
    _kind: String,
    #[serde(default, rename = "id")]
    _id: Option<Uuid>,
    token: secrecy::SecretString,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SayFrame {
    #[serde(rename = "type")]
    _kind: String,
    id: Uuid,
    text: String,
    #[serde(default)]
    until: Option<Until>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Until {
    Next,
    Withdrawn,
}

/// Reads one text frame.
pub fn parse_command(frame: &str) -> Result<Command, BadFrame> {
    let head: Head<'_> = serde_json::from_str(frame).map_err(|_| BadFrame::Malformed)?;
    // A derived struct also reads from a JSON array: only an object is a command.
    if !frame.trim_start().starts_with('{') {
        return Err(BadFrame::Malformed);
    }
    let command_id = head.id.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok()).map(|mut id| {
        id.truncate(id.floor_char_boundary(64));
        id
    });
    let invalid = |message: String| BadFrame::Invalid {
        code: ErrorCode::InvalidCommand,
        message,
        command_id: command_id.clone(),
    };
    let too_long = || BadFrame::Invalid {
        code: ErrorCode::TextTooLong,
        message: ErrorCode::TextTooLong.sentence().into(),
        command_id: command_id.clone(),
    };
    let text = |text: String| -> Result<String, BadFrame> {
        if text.len() > MAX_TEXT {
            return Err(too_long());
        }
        if text.trim().is_empty() {
            return Err(invalid("`text` is empty".into()));
        }
        if text.contains('\0') {
            return Err(invalid("`text` holds a NUL character".into()));
        }
        Ok(text)
    };
    let bare = |command: fn(Option<Uuid>) -> Command| -> Result<Command, BadFrame> {
        serde_json::from_str::<Bare>(frame)
            .map(|bare| command(bare.id))
            .map_err(|error| invalid(tell(&error)))
    };
    match head.kind.as_ref() {
        "send" => {
            let frame: SendFrame = serde_json::from_str(frame).map_err(|error| invalid(tell(&error)))?;
            if !frame.files.is_empty() {
                return Err(invalid("`files`: this server takes no files in a session yet".into()));
            }
            Ok(Command::Send(Send { id: frame.id, text: text(frame.text)? }))
        }
        "edit" => {
            let frame: EditFrame = serde_json::from_str(frame).map_err(|error| invalid(tell(&error)))?;
            if frame.id == frame.message {
                return Err(invalid("`id` must be a new one, not the edited message's".into()));
            }
            Ok(Command::Edit(Edit { id: frame.id, message: frame.message, text: text(frame.text)? }))
        }
        "regenerate" => {
            let frame: Bare = serde_json::from_str(frame).map_err(|error| invalid(tell(&error)))?;
            // Without an id of its own a repetition cannot be told from a second wish.
            Ok(Command::Regenerate(match frame.id {
                Some(id) => id,
                None => crate::id::new(),
            }))
        }
        "stop" => bare(Command::Stop),
        "raise_hand" => bare(Command::RaiseHand),
        "lower_hand" => bare(Command::LowerHand),
        "typing" => bare(|_| Command::Typing),
        "take_over" => bare(Command::TakeOver),
        "hand_back" => bare(Command::HandBack),
        "ping" => {
            let frame: PingFrame = serde_json::from_str(frame).map_err(|error| invalid(tell(&error)))?;
            match frame.t {
                Some(t) if t.get().len() > 64 => Err(invalid("`t` is longer than 64 bytes".into())),
                t => Ok(Command::Ping(t)),
            }
        }
        "auth" => {
            let frame: AuthFrame = serde_json::from_str(frame).map_err(|error| invalid(tell(&error)))?;
            Ok(Command::Auth(frame.token))
        }
        "whisper" => {
            let frame: SayFrame = serde_json::from_str(frame).map_err(|error| invalid(tell(&error)))?;
            let until_withdrawn = matches!(frame.until, Some(Until::Withdrawn));
            Ok(Command::Whisper(Whisper { id: frame.id, text: text(frame.text)?, until_withdrawn }))
        }
        "say" => {
            let frame: SayFrame = serde_json::from_str(frame).map_err(|error| invalid(tell(&error)))?;
            Ok(Command::Say { id: frame.id, text: text(frame.text)? })
        }
        _ => Err(invalid("unknown `type`".into())),
    }
}

/// What serde found wrong, without the position and without the value: it may be a student's words.
fn tell(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    match text.split_once(": ") {
        Some(("invalid type", _)) => "a field has the wrong type".into(),
        Some(("invalid value", _)) => "a field has an invalid value".into(),
        _ if text.starts_with("unknown field")
            || text.starts_with("missing field")
            || text.starts_with("duplicate field") =>
        {
            text.chars().take(80).collect()
        }
        _ => "a field is not valid".into(),
    }
}
