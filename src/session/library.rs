//! What the model looks up while it answers. The search is the student's own: it finds what they may see. Those
//! who watch are told what was asked and what was found, unless a whisper guided it.

use serde_json::{Value, json};

use crate::gemini::{SEARCH_LIBRARY, ToolCall};
use crate::id::Uuid;
use crate::store::FoundContent;

use super::state::{Out, State};

/// So many of a round's calls are done.
const MAX_CALLS: usize = 4;
/// So much is found for each.
pub(super) const MAX_FOUND: usize = 5;
const MAX_QUERY: usize = 200;

/// One thing to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LookUp {
    /// Of which call.
    pub(super) call: Uuid,
    /// `Err`: what the model is told instead.
    pub(super) question: Result<Question, &'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) words: String,
    pub(super) subject: Option<String>,
}

impl State {
    /// The model wants to know something.
    pub(super) fn calls(&mut self, out: &mut impl Out, calls: &[ToolCall]) {
        let Some(run) = self.run.as_deref_mut().filter(|run| run.epoch == self.held.epoch) else { return };
        run.calls(out, calls);
        let look_ups = calls.iter().enumerate().map(|(at, call)| LookUp {
            call: call.id,
            question: if at < MAX_CALLS { question(call) } else { Err("too many searches at once") },
        });
        out.look_up(run.id, self.student.id, look_ups.collect());
    }

    /// What was found for each of a run's calls.
    pub(super) fn found(&mut self, out: &mut impl Out, run: Uuid, found: &[(Uuid, Value)]) {
        let epoch = self.held.epoch;
        let current = self.run.as_deref_mut().filter(|current| current.id == run && current.epoch == epoch);
        let Some(run) = current.filter(|run| run.is_speaking()) else { return };
        run.found(out, found);
        out.tell_model(found);
    }
}

fn question(call: &ToolCall) -> Result<Question, &'static str> {
    if call.name != SEARCH_LIBRARY {
        return Err("there is no such tool");
    }
    let text = |name: &str| {
        let words = call.args.get(name)?.as_str()?.replace('\0', " ");
        let words: String = words.trim().chars().take(MAX_QUERY).collect();
        (!words.is_empty()).then_some(words)
    };
    let words = text("query").ok_or("`query` is missing")?;
    Ok(Question { words, subject: text("subject") })
}

/// What the model is told of it.
pub(super) fn told(found: Vec<FoundContent>) -> Value {
    let items = found.into_iter().map(|found| {
        let excerpt: String = found.excerpt.into_iter().map(|piece| piece.text).collect();
        let (id, title) = (found.content.id, found.content.title);
        let mut told =
            json!({"id": id, "title": title, "link": format!("#/library/{id}"), "excerpt": excerpt.trim()});
        if let Some((file, page)) = found.page {
            // Of several documents the link says which one.
            let which = if found.content.files.len() > 1 { format!("&file={file}") } else { String::new() };
            told["page"] = page.into();
            told["link"] = format!("#/library/{id}?page={page}{which}").into();
        }
        told
    });
    json!({"found": items.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, args: Value) -> Result<Question, &'static str> {
        question(&ToolCall { id: crate::id::new(), name: name.into(), args })
    }

    #[test]
    fn what_the_model_asks_is_read_with_care() {
        let halves = Question { words: "halves".into(), subject: None };
        assert_eq!(asked(SEARCH_LIBRARY, json!({"query": " halves "})), Ok(halves.clone()));
        assert_eq!(asked(SEARCH_LIBRARY, json!({"query": "halves", "subject": 5, "x": {}})), Ok(halves));
        let long = asked(SEARCH_LIBRARY, json!({"query": "ü".repeat(900), "subject": "Art"})).unwrap();
        assert_eq!((long.words.chars().count(), long.subject.as_deref()), (MAX_QUERY, Some("Art")));
        for bad in [json!({}), json!({"query": ""}), json!({"query": ["a"]}), json!("halves"), Value::Null] {
            assert!(asked(SEARCH_LIBRARY, bad.clone()).is_err(), "{bad}");
        }
        assert!(asked("delete_everything", json!({"query": "halves"})).is_err());
    }
}
