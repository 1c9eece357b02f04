//! The words of the wire: messages, AG-UI events, control frames, commands, codes. No IO.

/// Words of ours and how they are spelt on the wire and in rows.
macro_rules! words {
    ($type:ty, $($variant:ident = $text:literal),+ $(,)?) => {
        impl $type {
            pub fn as_str(self) -> &'static str {
                match self { $(<$type>::$variant => $text),+ }
            }
            pub fn parse(text: &str) -> Option<$type> {
                match text { $($text => Some(<$type>::$variant),)+ _ => None }
            }
        }
    };
}

mod code;
mod command;
mod control;
mod event;
mod message;
mod signal;
mod study;
mod tutoring;

pub use code::{CloseCode, ErrorCode};
pub use command::{
    BadFrame, Command, Correct, Edit, MAX_FILES, MAX_FRAME, MAX_TEXT, Send, Whisper, parse_command, unfit,
};
pub use control::{Control, ForTutors, HandUp, Person, SessionState};
pub use event::{Event, Extras, Metadata, RunResult, entry};
pub use message::{Author, AuthorKind, FinishReason, Message, MessageRole, Status, Usage};
pub use signal::{DealtWith, Score, Signal, SignalKind, Signals};
pub use study::{FlashCard, MAX_ITEMS, PracticeQuestion, Problem, StudyItem, StudyKind, USUAL_ITEMS};
pub use tutoring::{ActKind, Until, WhisperKind, WhisperState, Whispered};

/// The WebSocket subprotocol of this version.
pub const SUBPROTOCOL: &str = "fynq.v1";
