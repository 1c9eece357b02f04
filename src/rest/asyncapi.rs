//! The AsyncAPI 3 document of the session socket and the roster's: frames, commands, error and close codes.

mod roster;
mod words;

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::protocol::{
    DealtWith, ErrorCode, HandUp, MAX_FRAME, Message, SUBPROTOCOL, Score, Signal, Whispered,
};

use words::{CLOSE_CODES, COMMANDS, CONTROLS, EVENTS, Fields, Shape};

pub(super) fn document() -> Value {
    let controls = CONTROLS.iter().map(|(kind, ..)| format!("ctl_{kind}"));
    let sent: Vec<String> = std::iter::once("entry".to_owned()).chain(controls).collect();
    let received: Vec<String> = COMMANDS.iter().map(|(kind, ..)| format!("command_{kind}")).collect();
    let shown: Vec<String> =
        roster::messages().into_iter().map(|(name, _)| name).chain(owned(roster::SHARED)).collect();
    let heard = owned(roster::COMMANDS);
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "fynq sockets",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!(
                "One text frame is one JSON object of at most {MAX_FRAME} bytes. Subprotocol `{SUBPROTOCOL}`; \
                 a browser adds the entry `ticket.<ticket>` of `POST /api/v1/socket-tickets`."
            ),
        },
        "defaultContentType": "application/json",
        "channels": {
            "session": session_channel(&all(&sent, &received)),
            "roster": roster_channel(&all(&shown, &heard)),
        },
        "operations": {
            "watch": operation("send", "session", &sent),
            "command": operation("receive", "session", &received),
            "watch_roster": operation("send", "roster", &shown),
            "command_roster": operation("receive", "roster", &heard),
        },
        "components": {"messages": component_messages(), "schemas": schemas()},
        "x-close-codes": CLOSE_CODES
            .iter()
            .map(|code| json!({"code": code.number(), "reason": code.reason()}))
            .collect::<Vec<_>>(),
    })
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn named(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn all(sent: &[String], received: &[String]) -> Map<String, Value> {
    let leads = |name: &String| (name.clone(), json!({"$ref": format!("#/components/messages/{name}")}));
    sent.iter().chain(received).map(leads).collect()
}

fn operation(action: &str, channel: &str, names: &[String]) -> Value {
    let messages: Vec<Value> =
        names.iter().map(|name| json!({"$ref": format!("#/channels/{channel}/messages/{name}")})).collect();
    json!({"action": action, "channel": {"$ref": format!("#/channels/{channel}")}, "messages": messages})
}

fn headers() -> Value {
    json!({
        "type": "object",
        "properties": {
            "Authorization": {"type": "string", "description": "`Bearer <jwt>`, or a ticket as a subprotocol entry."},
            "Sec-WebSocket-Protocol": {"type": "string", "examples": [SUBPROTOCOL, format!("{SUBPROTOCOL}, ticket.<ticket>")]},
        },
        "required": ["Sec-WebSocket-Protocol"],
    })
}

fn session_channel(messages: &Map<String, Value>) -> Value {
    json!({
        "address": "/api/v1/sessions/{id}/socket",
        "title": "One session",
        "parameters": {"id": {"description": "The session's id."}},
        "messages": messages,
        "bindings": {"ws": {
            "method": "GET",
            "query": {
                "type": "object",
                "properties": {
                    "epoch": {"type": "string", "format": "uuid", "description": "Of the `ready` seen last."},
                    "after": {"type": "integer", "minimum": 0, "description": "The last `seq` seen."},
                },
            },
            "headers": headers(),
        }},
    })
}

fn roster_channel(messages: &Map<String, Value>) -> Value {
    json!({
        "address": "/api/v1/observe/socket",
        "title": "The live sessions of one's classes, for tutors and admins",
        "messages": messages,
        "bindings": {"ws": {"method": "GET", "headers": headers()}},
    })
}

fn component_messages() -> Map<String, Value> {
    let mut messages = Map::new();
    let entry = json!({
        "type": "object",
        "properties": {
            "seq": {"type": "integer", "minimum": 1, "description": "Rises by exactly 1 within an epoch."},
            "ev": {"$ref": "#/components/schemas/Event"},
        },
        "required": ["seq", "ev"],
    });
    messages.insert("entry".into(), message("entry", "A log entry: the same for every watcher.", &entry));
    for (kind, required, optional, summary) in CONTROLS {
        let inner = object(kind, required, optional, true);
        let frame = json!({"type": "object", "properties": {"ctl": inner}, "required": ["ctl"]});
        messages.insert(format!("ctl_{kind}"), message(kind, summary, &frame));
    }
    for (kind, required, optional, summary) in COMMANDS {
        let payload = object(kind, required, optional, false);
        messages.insert(format!("command_{kind}"), message(kind, summary, &payload));
    }
    messages.extend(roster::messages());
    messages
}

fn message(name: &str, summary: &str, payload: &Value) -> Value {
    json!({"name": name, "summary": summary, "payload": payload})
}

/// What the server sends may grow; what a client sends may hold nothing unknown.
fn object(kind: &str, required: Fields, optional: Fields, may_grow: bool) -> Value {
    let mut properties = Map::new();
    properties.insert("type".into(), json!({"const": kind}));
    for (name, shape) in required.iter().chain(optional) {
        properties.insert((*name).to_owned(), shape.schema());
    }
    let mut names = vec!["type"];
    names.extend(required.iter().map(|(name, _)| *name));
    json!({
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": may_grow,
    })
}

fn schemas() -> Map<String, Value> {
    let mut schemas = Map::new();
    // The message and all that it is made of: the very schemas of REST.
    let mut shared = vec![(Message::name().into_owned(), Message::schema())];
    Message::schemas(&mut shared);
    shared.push((HandUp::name().into_owned(), HandUp::schema()));
    shared.push((Score::name().into_owned(), Score::schema()));
    shared.push((DealtWith::name().into_owned(), DealtWith::schema()));
    shared.push((Signal::name().into_owned(), Signal::schema()));
    Signal::schemas(&mut shared);
    shared.push((Whispered::name().into_owned(), Whispered::schema()));
    Whispered::schemas(&mut shared);
    for (name, schema) in shared {
        schemas.insert(name, serde_json::to_value(schema).unwrap_or_default());
    }
    let codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    schemas.extend(roster::schemas().map(|(name, schema)| (name.to_owned(), schema)));
    schemas.insert("ErrorCode".into(), json!({"type": "string", "enum": codes}));
    schemas.insert("Event".into(), json!({"oneOf": EVENTS.iter().map(event).collect::<Vec<_>>()}));
    schemas.insert(
        "Person".into(),
        json!({
            "type": "object",
            "properties": {"id": Shape::Id.schema(), "name": {"type": "string"}},
            "required": ["id", "name"],
        }),
    );
    schemas.insert(
        "You".into(),
        json!({
            "type": "object",
            "properties": {
                "id": Shape::Id.schema(),
                "role": {"type": "string", "enum": ["student", "tutor", "admin"]},
            },
            "required": ["id", "role"],
        }),
    );
    if let Some((_, fields, optional, _)) = CONTROLS.iter().find(|(kind, ..)| *kind == "state") {
        let mut state = object("state", fields, optional, true);
        if let Some(properties) = state["properties"].as_object_mut() {
            properties.remove("type");
        }
        state["required"] = fields.iter().map(|(name, _)| *name).collect();
        schemas.insert("SessionState".into(), state);
    }
    schemas
}

fn event((kind, fields, meaning): &(&str, &[&str], &str)) -> Value {
    let mut properties = Map::new();
    properties.insert("type".into(), json!({"const": kind}));
    for field in *fields {
        let schema = match *field {
            "threadId" | "runId" | "messageId" => Shape::Id.schema(),
            "code" => Shape::Code.schema(),
            "result" => json!({
                "type": "object",
                "properties": {"finish_reason": {"type": "string"}, "model": {"type": "string"}},
                "required": ["finish_reason"],
            }),
            _ => Shape::Text.schema(),
        };
        properties.insert((*field).to_owned(), schema);
    }
    let required: Vec<&str> = std::iter::once("type").chain(fields.iter().copied()).collect();
    json!({"type": "object", "description": meaning, "properties": properties, "required": required})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` of the document.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    match value {
                        Value::String(to) if key == "$ref" => found.push(to.clone()),
                        other => references(other, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 50, "{}", found.len());
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_error_code_and_close_code_is_told() {
        let document = document();
        let codes = document.pointer("/components/schemas/ErrorCode/enum").unwrap().as_array().unwrap();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
        let closes = document["x-close-codes"].as_array().unwrap();
        for number in [1001, 1002, 1009, 1012, 4400, 4401, 4403, 4404, 4408, 4429] {
            assert!(closes.iter().any(|close| close["code"] == number), "{number}");
        }
    }

    /// The documented commands are the ones that are read: each with its required fields is taken.
    #[test]
    fn every_documented_command_is_understood() {
        for (kind, required, ..) in COMMANDS {
            let mut command = json!({"type": kind});
            for (name, shape) in *required {
                command[name] = match shape {
                    Shape::Id => json!(crate::id::new()),
                    _ => json!("text"),
                };
            }
            assert!(crate::protocol::parse_command(&command.to_string()).is_ok(), "{command}");
            if let Some((missing, _)) = required.first() {
                command.as_object_mut().unwrap().remove(*missing);
                assert!(crate::protocol::parse_command(&command.to_string()).is_err(), "{command}");
            }
        }
    }
}
