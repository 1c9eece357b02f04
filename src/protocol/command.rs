//! Commands: what a client may say, read from one text frame.

mod tutor;

use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::id::Uuid;

use super::ErrorCode;

pub use tutor::{Correct, Whisper};

/// The largest frame; a larger one closes the socket with 1009.
pub const MAX_FRAME: usize = 64 * 1024;
/// The longest message of a person, in bytes.
pub const MAX_TEXT: usize = 16 * 1024;
/// Files that one message may have.
pub const MAX_FILES: usize = 5;

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
    /// `whisper`: the one that is taken back.
    Withdraw {
        id: Option<Uuid>,
        whisper: Uuid,
    },
    /// `id` becomes the message's id.
    Say {
        id: Uuid,
        text: String,
    },
    Correct(Correct),
    TakeOver(Option<Uuid>),
    /// `summary`: what the model is told about the time in which it was silent.
    HandBack {
        id: Option<Uuid>,
        summary: Option<String>,
    },
    /// Somebody comes to a raised hand.
    Claim(Option<Uuid>),
}

impl Command {
    /// The command's own id, for the answer.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Command::Send(send) => Some(send.id),
            Command::Edit(edit) => Some(edit.id),
            Command::Regenerate(id) | Command::Say { id, .. } => Some(*id),
            Command::Whisper(whisper) => Some(whisper.id),
            Command::Correct(correct) => Some(correct.id),
            Command::Stop(id) | Command::RaiseHand(id) | Command::LowerHand(id) => *id,
            Command::TakeOver(id) | Command::HandBack { id, .. } | Command::Claim(id) => *id,
            Command::Withdraw { id, .. } => *id,
            Command::Typing | Command::Ping(_) | Command::Auth(_) => None,
        }
    }

    /// The word on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            Command::Send(_) => "send",
            Command::Stop(_) => "stop",
            Command::Regenerate(_) => "regenerate",
            Command::Edit(_) => "edit",
            Command::RaiseHand(_) => "raise_hand",
            Command::LowerHand(_) => "lower_hand",
            Command::Typing => "typing",
            Command::Ping(_) => "ping",
            Command::Auth(_) => "auth",
            Command::Whisper(_) => "whisper",
            Command::Withdraw { .. } => "withdraw",
            Command::Say { .. } => "say",
            Command::Correct(_) => "correct",
            Command::TakeOver(_) => "take_over",
            Command::HandBack { .. } => "hand_back",
            Command::Claim(_) => "claim",
        }
    }

    /// Whether only who watches somebody else's session may say it.
    pub fn is_tutors(&self) -> bool {
        match self {
            Command::Whisper(_)
            | Command::Withdraw { .. }
            | Command::Say { .. }
            | Command::Correct(_)
            | Command::TakeOver(_)
            | Command::HandBack { .. }
            | Command::Claim(_) => true,
            Command::Send(_)
            | Command::Stop(_)
            | Command::Regenerate(_)
            | Command::Edit(_)
            | Command::RaiseHand(_)
            | Command::LowerHand(_)
            | Command::Typing
            | Command::Ping(_)
            | Command::Auth(_) => false,
        }
    }

    /// Whether only the session's own student may say it.
    pub fn is_students(&self) -> bool {
        match self {
            Command::Send(_) | Command::Regenerate(_) | Command::Edit(_) | Command::RaiseHand(_) => true,
            Command::Stop(_)
            | Command::LowerHand(_)
            | Command::Typing
            | Command::Ping(_)
            | Command::Auth(_) => false,
            other => !other.is_tutors(),
        }
    }
}

impl fmt::Debug for Command {
    /// Without anybody's words or token: they belong into no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Command");
        shown.field("type", &self.kind()).field("id", &self.id());
        let words = match self {
            Command::Send(send) => Some(&send.text),
            Command::Edit(edit) => Some(&edit.text),
            Command::Whisper(whisper) => Some(&whisper.text),
            Command::Correct(correct) => Some(&correct.text),
            Command::Say { text, .. } => Some(text),
            Command::HandBack { summary, .. } => summary.as_ref(),
            _ => None,
        };
        if let Some(words) = words {
            shown.field("bytes", &words.len());
        }
        shown.finish_non_exhaustive()
    }
}

pub struct Send {
    /// Becomes the message's id.
    pub id: Uuid,
    /// Empty only with files.
    pub text: String,
    pub files: Vec<Uuid>,
}

pub struct Edit {
    /// Becomes the new message's id.
    pub id: Uuid,
    /// The message that is superseded, with all after it.
    pub message: Uuid,
    pub text: String,
    /// `None`: those of the message that is edited.
    pub files: Option<Vec<Uuid>>,
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
    #[serde(default)]
    files: Option<Vec<Uuid>>,
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

/// One frame, and what it takes to refuse it.
struct Frame<'a> {
    text: &'a str,
    command_id: Option<String>,
}

impl<'a> Frame<'a> {
    fn read<T: Deserialize<'a>>(&self) -> Result<T, BadFrame> {
        serde_json::from_str(self.text).map_err(|error| self.invalid(&tell(&error)))
    }

    fn bare(&self, command: fn(Option<Uuid>) -> Command) -> Result<Command, BadFrame> {
        Ok(command(self.read::<Bare>()?.id))
    }

    fn refused(&self, code: ErrorCode, message: &str) -> BadFrame {
        BadFrame::Invalid { code, message: message.to_owned(), command_id: self.command_id.clone() }
    }

    fn invalid(&self, message: &str) -> BadFrame {
        self.refused(ErrorCode::InvalidCommand, message)
    }

    /// What a person says: `field` names it.
    fn said(&self, field: &str, text: String) -> Result<String, BadFrame> {
        if text.len() > MAX_TEXT {
            return Err(self.refused(ErrorCode::TextTooLong, ErrorCode::TextTooLong.sentence()));
        }
        if text.trim().is_empty() {
            return Err(self.invalid(&format!("`{field}` is empty")));
        }
        if text.contains('\0') {
            return Err(self.invalid(&format!("`{field}` holds a NUL character")));
        }
        Ok(text)
    }

    /// A question: with files it may do without words.
    fn asked(&self, text: String, files: Vec<Uuid>) -> Result<(String, Vec<Uuid>), BadFrame> {
        if let Some(why) = unfit(&files) {
            return Err(self.invalid(&format!("`files` {why}")));
        }
        match text.trim().is_empty() && !files.is_empty() {
            true => Ok((String::new(), files)),
            false => Ok((self.said("text", text)?, files)),
        }
    }
}

/// What is wrong with the files of a message, whosever they are.
pub fn unfit(files: &[Uuid]) -> Option<String> {
    if files.len() > MAX_FILES {
        return Some(format!("names more than {MAX_FILES}"));
    }
    let twice = (1..files.len()).any(|at| files[..at].contains(&files[at]));
    twice.then(|| "names one twice".into())
}

/// Reads one text frame.
pub fn parse_command(text: &str) -> Result<Command, BadFrame> {
    let head: Head<'_> = serde_json::from_str(text).map_err(|_| BadFrame::Malformed)?;
    // A derived struct also reads from a JSON array: only an object is a command.
    if !text.trim_start().starts_with('{') {
        return Err(BadFrame::Malformed);
    }
    let command_id = head.id.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok()).map(|mut id| {
        id.truncate(id.floor_char_boundary(64));
        id
    });
    let frame = Frame { text, command_id };
    match head.kind.as_ref() {
        "send" => {
            let SendFrame { id, text, files, .. } = frame.read()?;
            let (text, files) = frame.asked(text, files)?;
            Ok(Command::Send(Send { id, text, files }))
        }
        "edit" => {
            let EditFrame { id, message, text, files, .. } = frame.read()?;
            if id == message {
                return Err(frame.invalid("`id` must be a new one, not the edited message's"));
            }
            let given = files.is_some();
            let (text, files) = frame.asked(text, files.unwrap_or_default())?;
            Ok(Command::Edit(Edit { id, message, text, files: given.then_some(files) }))
        }
        "regenerate" => {
            // Without an id of its own a repetition cannot be told from a second wish.
            Ok(Command::Regenerate(match frame.read::<Bare>()?.id {
                Some(id) => id,
                None => crate::id::new(),
            }))
        }
        "stop" => frame.bare(Command::Stop),
        "raise_hand" => frame.bare(Command::RaiseHand),
        "lower_hand" => frame.bare(Command::LowerHand),
        "typing" => frame.bare(|_| Command::Typing),
        "ping" => match frame.read::<PingFrame>()?.t {
            Some(t) if t.get().len() > 64 => Err(frame.invalid("`t` is longer than 64 bytes")),
            t => Ok(Command::Ping(t)),
        },
        "auth" => Ok(Command::Auth(frame.read::<AuthFrame>()?.token)),
        kind => tutor::parse(kind, &frame).unwrap_or_else(|| Err(frame.invalid("unknown `type`"))),
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
