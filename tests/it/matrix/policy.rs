//! The table, read, and what it must cover.

use std::fmt::{self, Display};

use http::Method;
use serde_json::Value;

use super::BESIDE_THE_DOCUMENT;
use super::school::Actor;

pub(super) type Rows = Vec<Row>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Rest(Method),
    Sse,
    Socket,
    Ticket,
    Command(String),
    Roster,
    RosterTicket,
    RosterCommand(String),
}

/// What an actor gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// A status, or what a socket says.
    pub(super) word: String,
    /// Whether the answer tells the row's object; `None`: either way.
    pub(super) tells: Option<bool>,
    /// The same answer as for what never was.
    pub(super) same: bool,
}

pub(super) struct Row {
    pub(super) line: usize,
    pub(super) object: String,
    pub(super) verb: String,
    pub(super) channel: Channel,
    /// A twin of the actor asks.
    pub(super) twin: bool,
    /// And is the only one of their school.
    pub(super) alone: bool,
    pub(super) address: String,
    pub(super) body: Option<String>,
    nobody: Vec<Outcome>,
    others: Vec<Outcome>,
}

impl Row {
    pub(super) fn outcome(&self, actor: Actor) -> &Outcome {
        let at = actor as usize;
        match at.checked_sub(4) {
            None => self.nobody.get(at).unwrap_or(&self.nobody[0]),
            Some(at) => &self.others[at],
        }
    }

    /// The path that the document would name it by, with our words in the braces.
    pub(super) fn path(&self) -> String {
        let path = self.address.split('?').next().unwrap_or_default();
        match path.strip_prefix('^') {
            Some(path) => path.to_owned(),
            None if path == "/" => "/api/v1".to_owned(),
            None => format!("/api/v1{path}"),
        }
    }

    /// Whether it speaks of this operation (`GET /api/v1/sessions/{id}`).
    pub(super) fn asks(&self, operation: &str) -> bool {
        let method = match &self.channel {
            Channel::Rest(method) => method.as_str(),
            Channel::Sse => "POST",
            _ => return false,
        };
        let Some((verb, template)) = operation.split_once(' ') else { return false };
        let (path, in_braces) = (self.path(), |part: &str| part.starts_with('{'));
        let (ours, theirs): (Vec<&str>, Vec<&str>) =
            (path.split('/').collect(), template.split('/').collect());
        verb == method
            && ours.len() == theirs.len()
            && ours.iter().zip(theirs).all(|(own, its)| *own == its || (in_braces(own) && in_braces(its)))
    }

    pub(super) fn is_served(&self, operations: &[String]) -> bool {
        match self.channel {
            Channel::Rest(_) | Channel::Sse => {
                operations.iter().any(|operation| self.asks(operation))
                    || BESIDE_THE_DOCUMENT.iter().any(|known| self.asks(known))
            }
            _ => true,
        }
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channel = match &self.channel {
            Channel::Rest(method) => method.to_string(),
            other => format!("{other:?}"),
        };
        write!(f, "{} {} ({channel} {})", self.object, self.verb, self.address)
    }
}

pub(super) fn read() -> Rows {
    let lines = include_str!("policy.txt").lines().enumerate();
    let rows = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    rows.map(|(at, line)| row(at + 1, line)).collect()
}

fn row(line: usize, text: &str) -> Row {
    let parts: Vec<&str> = text.splitn(4, '|').map(str::trim).collect();
    let [what, request, outcomes, ..] = parts.as_slice() else { panic!("line {line}: {text}") };
    let (object, verb) = what.split_once(' ').unwrap_or_else(|| panic!("line {line}: no verb"));
    let mut request = request.split_whitespace();
    let word = request.next().unwrap_or_default();
    let method = word.trim_start_matches(['*', '@']);
    let channel = match method {
        "SSE" => Channel::Sse,
        "WS" => Channel::Socket,
        "TICKET" => Channel::Ticket,
        "CMD" => Channel::Command(request.next().unwrap_or_default().to_owned()),
        "ROSTER" => Channel::Roster,
        "ROSTER-TICKET" => Channel::RosterTicket,
        "ROSTER-CMD" => Channel::RosterCommand(request.next().unwrap_or_default().to_owned()),
        other => Channel::Rest(other.parse().unwrap()),
    };
    let mut columns = outcomes.split_whitespace();
    let nobody = columns.next().unwrap_or_default().split('/').map(outcome).collect();
    let others: Vec<Outcome> = columns.map(outcome).collect();
    assert_eq!(others.len(), 8, "line {line}: nine outcomes");
    Row {
        line,
        object: object.to_owned(),
        verb: verb.to_owned(),
        channel,
        twin: word.starts_with('*'),
        alone: word.starts_with('@'),
        address: request.next().unwrap_or_default().to_owned(),
        body: parts.get(3).map(|body| (*body).to_owned()),
        nobody,
        others,
    }
}

fn outcome(text: &str) -> Outcome {
    let word = text.trim_end_matches(['+', '-', '=']);
    let marks = &text[word.len()..];
    let tells = if marks.contains('+') { Some(true) } else { marks.contains('-').then_some(false) };
    Outcome { word: word.to_owned(), tells, same: marks.contains('=') || word == "404" }
}

/// Every operation of an OpenAPI document.
pub(super) fn operations(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            if matches!(method.as_str(), "get" | "put" | "post" | "delete" | "patch") {
                found.push(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    found
}

/// What an AsyncAPI document's sockets are opened by and are told, each as the channel that a row must have.
pub(super) fn sockets(document: &Value) -> Vec<Channel> {
    let mut found = Vec::new();
    for (name, channel) in document["channels"].as_object().unwrap() {
        let (doors, command): ([Channel; 2], fn(String) -> Channel) = match name.as_str() {
            "session" => ([Channel::Socket, Channel::Ticket], Channel::Command),
            "roster" => ([Channel::Roster, Channel::RosterTicket], Channel::RosterCommand),
            other => panic!("the socket {other} is documented and has no rows in tests/it/matrix/policy.txt"),
        };
        found.extend(doors);
        let messages = channel["messages"].as_object().unwrap().keys();
        found.extend(
            messages.filter_map(|name| name.strip_prefix("command_")).map(str::to_owned).map(command),
        );
    }
    found
}
