//! The words of the wire: messages, AG-UI events, control frames, commands, codes. No IO.

mod code;
mod command;
mod control;
mod event;
mod message;

pub use code::{CloseCode, ErrorCode};
pub use command::{BadFrame, Command, Edit, MAX_FRAME, MAX_TEXT, Send, Whisper, parse_command};
pub use control::{Control, Person, SessionState};
pub use event::{Event, Extras, Metadata, RunResult, entry};
pub use message::{Author, AuthorKind, FinishReason, Message, MessageRole, Status, Usage};

/// The WebSocket subprotocol of this version.
pub const SUBPROTOCOL: &str = "fynq.v1";
