//! The words of the session socket, as the document tells them: events, control frames, commands.

use serde_json::{Value, json};

use crate::protocol::{CloseCode, MAX_FILES, MAX_TEXT};

pub(super) const CLOSE_CODES: &[CloseCode] = &[
    CloseCode::Normal,
    CloseCode::ShuttingDown,
    CloseCode::Protocol,
    CloseCode::Unsupported,
    CloseCode::TooBig,
    CloseCode::Internal,
    CloseCode::Restarting,
    CloseCode::BadFrame,
    CloseCode::Unauthenticated,
    CloseCode::Forbidden,
    CloseCode::NoSession,
    CloseCode::TooSlow,
    CloseCode::TooMany,
];

/// AG-UI events in log entries: type, its own fields, what it says.
pub(super) const EVENTS: &[(&str, &[&str], &str)] = &[
    (
        "RUN_STARTED",
        &["threadId", "runId"],
        "A run begins. `metadata.fynq.supersedes`: the messages that an edit or a regeneration replaces, oldest \
         first; of more than 4096 the newest.",
    ),
    (
        "TEXT_MESSAGE_START",
        &["messageId", "role"],
        "A message begins. A human tutor's has `name` and `metadata.fynq.author`; one that replaces an answer has \
         `metadata.fynq.corrects`. `metadata.fynq.files`: ids of what came with a student's message, which then \
         may have no content.",
    ),
    (
        "TEXT_MESSAGE_CONTENT",
        &["messageId", "delta"],
        "More of its text. All deltas together are the stored content, byte for byte.",
    ),
    ("TEXT_MESSAGE_END", &["messageId"], "The message is whole. A student's is committed."),
    ("REASONING_START", &["messageId"], "The model begins to think."),
    ("REASONING_MESSAGE_START", &["messageId", "role"], "A thought begins."),
    ("REASONING_MESSAGE_CONTENT", &["messageId", "delta"], "More of the thought."),
    ("REASONING_MESSAGE_END", &["messageId"], "The thought ends."),
    ("REASONING_END", &["messageId"], "The model has finished thinking."),
    ("TOOL_CALL_START", &["toolCallId", "toolCallName"], "The model looks something up: `search_library`."),
    (
        "TOOL_CALL_ARGS",
        &["toolCallId", "delta"],
        "What it asks, as JSON; `{}` where a whisper guides the model.",
    ),
    ("TOOL_CALL_END", &["toolCallId"], "It has asked."),
    (
        "TOOL_CALL_RESULT",
        &["messageId", "toolCallId", "role", "content"],
        "What was found, as JSON; `{}` where a whisper guides the model. None comes if the run ends before.",
    ),
    (
        "RUN_FINISHED",
        &["threadId", "runId", "result"],
        "The run ended; its text and status are committed. `result.finish_reason` says how.",
    ),
    ("RUN_ERROR", &["message", "code"], "The run failed; what it wrote so far is committed."),
];

pub(super) type Fields = &'static [(&'static str, Shape)];

/// Control frames: type, fields, fields that may be absent, what it says.
pub(super) const CONTROLS: &[(&str, Fields, Fields, &str)] = &[
    (
        "ready",
        &[
            ("epoch", Shape::Id),
            ("head", Shape::Number),
            ("resumed", Shape::Flag),
            ("you", Shape::You),
            ("state", Shape::State),
        ],
        &[],
        "The first frame. `resumed`: exactly what was missed follows.",
    ),
    (
        "snapshot",
        &[("head", Shape::Number), ("messages", Shape::Messages)],
        &[("has_more", Shape::Flag)],
        "The session as it is. Second frame unless resumed, and again when a reader fell too far behind. `has_more`: REST lists older messages.",
    ),
    (
        "state",
        &[
            ("control", Shape::Control),
            ("tutor", Shape::MaybePerson),
            ("hand_raised", Shape::Flag),
            ("run", Shape::MaybeId),
            ("watchers", Shape::People),
        ],
        &[("hand", Shape::Hand)],
        "The whole state, whenever it changes, in order with the entries. After one with `control: \"tutor\"` no \
         word of the model follows. `hand`: while one is up.",
    ),
    ("typing", &[("who", Shape::Person)], &[], "Somebody types."),
    ("pong", &[("t", Shape::Any)], &[], "The answer to `ping`."),
    (
        "auth_expiring",
        &[("in_s", Shape::Number)],
        &[],
        "The token expires soon: send `auth` with a fresh one.",
    ),
    (
        "draining",
        &[("retry_after_ms", Shape::Number)],
        &[],
        "The server restarts: come back after this time.",
    ),
    (
        "accepted",
        &[("id", Shape::Id)],
        &[],
        "The message of that `send`, `edit`, `say` or `correct` is committed.",
    ),
    (
        "error",
        &[("code", Shape::Code), ("message", Shape::Text)],
        &[("command_id", Shape::Text), ("retry_after_ms", Shape::Number)],
        "A command was refused; nothing happened.",
    ),
    (
        "whispered",
        &[
            ("id", Shape::Id),
            ("by", Shape::Person),
            ("text", Shape::Said),
            ("until", Shape::Until),
            ("kind", Shape::WhisperKind),
            ("state", Shape::WhisperState),
            ("at", Shape::Time),
        ],
        &[],
        "Tutors alone. A whisper is kept, was used by the model or was withdrawn.",
    ),
    (
        "guidance",
        &[("items", Shape::Whispers)],
        &[],
        "Tutors alone. All whispers that wait for the model, whole: on arrival and at every change.",
    ),
    (
        "signals",
        &[
            ("hand_raised", Shape::Flag),
            ("idle_s", Shape::Number),
            ("struggling", Shape::Score),
            ("items", Shape::SignalItems),
        ],
        &[("dealt_with", Shape::DealtWith)],
        "Tutors alone. What the server noticed, whole: on arrival and at every change. `dealt_with`: who has seen \
         to what is not shown any more.",
    ),
];

/// Commands: type, required fields, optional fields, who may send it, what it does.
pub(super) const COMMANDS: &[(&str, Fields, Fields, &str)] = &[
    (
        "send",
        &[("id", Shape::Id), ("text", Shape::Asked)],
        &[("files", Shape::Files), ("parent", Shape::Id)],
        "Student. A new run; `id` becomes the message's id. Four may wait. `files`: ids of the student's own, ready \
         files; with them `text` may be empty.",
    ),
    ("stop", &[], &[("id", Shape::Id)], "Student, tutor. Ends the active run; what it wrote stays."),
    ("regenerate", &[], &[("id", Shape::Id)], "Student. Answers the last question again."),
    (
        "edit",
        &[("id", Shape::Id), ("message", Shape::Id), ("text", Shape::Asked)],
        &[("files", Shape::Files)],
        "Student. `message`, a question of this session however far back, and all after it are superseded by a \
         new message. `files` left out: those of `message`.",
    ),
    ("raise_hand", &[], &[("id", Shape::Id)], "Student. Asks for a human."),
    ("lower_hand", &[], &[("id", Shape::Id)], "Student, tutor."),
    ("typing", &[], &[("id", Shape::Id)], "All. Tells the others."),
    ("ping", &[], &[("id", Shape::Id), ("t", Shape::Any)], "All. Answered by `pong` with the same `t`."),
    ("auth", &[("token", Shape::Text)], &[("id", Shape::Id)], "All. A fresh token of the same person."),
    (
        "whisper",
        &[("id", Shape::Id), ("text", Shape::Said)],
        &[("until", Shape::Until)],
        "Tutor. Guidance to the model for its next answer, or until it is withdrawn; no student sees it. Told to \
         all tutors of the session by `whispered`; 16 of 32 KiB together may wait.",
    ),
    ("withdraw", &[("whisper", Shape::Id)], &[("id", Shape::Id)], "Tutor. Takes back a whisper that waits."),
    (
        "say",
        &[("id", Shape::Id), ("text", Shape::Said)],
        &[],
        "Tutor. A message to the student in the tutor's name.",
    ),
    (
        "correct",
        &[("id", Shape::Id), ("message", Shape::Id), ("text", Shape::Said)],
        &[],
        "Tutor. `message`, an answer of the assistant's that has ended, is replaced for the model and struck for \
         the student; both stay. `id` becomes the replacement's id.",
    ),
    (
        "take_over",
        &[],
        &[("id", Shape::Id)],
        "Tutor. The model falls silent, and an active run ends with `taken_over`. While another tutor holds: \
         `control_held`.",
    ),
    (
        "hand_back",
        &[],
        &[("id", Shape::Id), ("summary", Shape::Said)],
        "Tutor who holds, or an admin. The model answers again, from the student's next message on. `summary`: \
         what it is told of the time between, as a whisper.",
    ),
    ("claim", &[], &[("id", Shape::Id)], "Tutor. Comes to a raised hand; the student is told."),
];

#[derive(Clone, Copy)]
pub(super) enum Shape {
    Any,
    Asked,
    Code,
    Control,
    DealtWith,
    Files,
    Flag,
    Hand,
    Id,
    MaybeId,
    MaybePerson,
    Messages,
    Number,
    People,
    Person,
    Said,
    Score,
    SignalItems,
    State,
    Text,
    Time,
    Until,
    WhisperKind,
    WhisperState,
    Whispers,
    You,
}

impl Shape {
    pub(super) fn schema(self) -> Value {
        let named = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
        let or_null = |schema: Value| json!({"oneOf": [schema, {"type": "null"}]});
        let id = json!({"type": "string", "format": "uuid"});
        match self {
            Shape::Any => json!({}),
            Shape::Asked => json!({"type": "string", "maxLength": MAX_TEXT}),
            Shape::Code => named("ErrorCode"),
            Shape::Control => json!({"type": "string", "enum": ["ai", "tutor"]}),
            Shape::Files => {
                json!({"type": "array", "items": id, "maxItems": MAX_FILES, "uniqueItems": true})
            }
            Shape::Flag => json!({"type": "boolean"}),
            Shape::Hand => named("HandUp"),
            Shape::Id => id,
            Shape::MaybeId => or_null(id),
            Shape::MaybePerson => or_null(named("Person")),
            Shape::Messages => json!({"type": "array", "items": named("Message")}),
            Shape::Number => json!({"type": "integer", "minimum": 0}),
            Shape::People => json!({"type": "array", "items": named("Person")}),
            Shape::Person => named("Person"),
            Shape::Said => json!({"type": "string", "minLength": 1, "maxLength": MAX_TEXT}),
            Shape::Score => named("Score"),
            Shape::DealtWith => json!({"type": "array", "items": named("DealtWith")}),
            Shape::SignalItems => json!({"type": "array", "items": named("Signal")}),
            Shape::State => named("SessionState"),
            Shape::Text => json!({"type": "string"}),
            Shape::Time => json!({"type": "string", "format": "date-time"}),
            Shape::Until => json!({"type": "string", "enum": ["next", "withdrawn"]}),
            Shape::WhisperKind => named("WhisperKind"),
            Shape::WhisperState => named("WhisperState"),
            Shape::Whispers => json!({"type": "array", "items": named("Whispered")}),
            Shape::You => named("You"),
        }
    }
}
