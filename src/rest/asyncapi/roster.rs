//! The roster socket, as the document tells it: what goes on in the sessions of one's classes.

use serde_json::{Map, Value, json};

use super::words::Shape;
use super::{message, named};

/// Frames of the session socket that are the same here.
pub(super) const SHARED: &[&str] = &["ctl_pong", "ctl_auth_expiring", "ctl_draining", "ctl_error"];
/// Commands of the session socket that are the same here; there are no others.
pub(super) const COMMANDS: &[&str] = &["command_ping", "command_auth"];

/// Its own frames, by the name of their message.
pub(super) fn messages() -> Map<String, Value> {
    let tiles = json!({"type": "array", "items": named("Tile")});
    let classes = json!({"type": "array", "items": named("RosterClass")});
    let mut messages = Map::new();
    for (kind, summary, fields) in [
        (
            "roster",
            "The first frame, and again to a reader that fell too far behind: all sessions that are live.",
            json!({"sessions": tiles, "classes": classes}),
        ),
        (
            "roster_changed",
            "A session is there or is different (`session`, whole), or is no longer to be shown (`gone`).",
            json!({"session": named("Tile"), "gone": Shape::Id.schema()}),
        ),
        ("roster_classes", "The classes, whole, when they change.", json!({"classes": classes})),
    ] {
        let mut required = vec!["type"];
        if kind != "roster_changed" {
            required.extend(fields.as_object().into_iter().flat_map(Map::keys).map(String::as_str));
        }
        let mut inner = json!({"type": "object", "properties": fields, "required": required});
        inner["properties"]["type"] = json!({"const": kind});
        let frame = json!({"type": "object", "properties": {"ctl": inner}, "required": ["ctl"]});
        messages.insert(format!("ctl_{kind}"), message(kind, summary, &frame));
    }
    messages
}

pub(super) fn schemas() -> [(&'static str, Value); 2] {
    let nullable = |schema: Value| json!({"oneOf": [schema, {"type": "null"}]});
    let text = || json!({"type": ["string", "null"]});
    let signals = json!({
        "type": "object",
        "properties": {
            "hand_raised": Shape::Flag.schema(),
            "idle_s": Shape::Number.schema(),
            "struggling": Shape::Score.schema(),
            "items": Shape::SignalItems.schema(),
            "dealt_with": Shape::DealtWith.schema(),
        },
        "required": ["hand_raised", "idle_s", "struggling", "items"],
    });
    let tile = json!({
        "session_id": Shape::Id.schema(),
        "student": Shape::Person.schema(),
        "title": text(),
        "subject": text(),
        "state": {"type": "string", "enum": ["waiting", "thinking", "answering", "idle", "tutor"]},
        "state_since": Shape::Time.schema(),
        "last_activity_at": Shape::Time.schema(),
        "turns": Shape::Number.schema(),
        "signals": signals,
        "preview": Shape::Text.schema(),
        "tutor": Shape::MaybePerson.schema(),
        "watchers": Shape::Number.schema(),
        "hand": nullable(Shape::Hand.schema()),
    });
    let class = json!({
        "id": Shape::Id.schema(),
        "name": Shape::Text.schema(),
        "students": {"type": "array", "items": Shape::Id.schema()},
    });
    [("Tile", whole(&tile)), ("RosterClass", whole(&class))]
}

/// Nothing of it is ever absent.
fn whole(properties: &Value) -> Value {
    let names: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({"type": "object", "properties": properties, "required": names})
}
