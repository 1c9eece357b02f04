//! Flash cards and practice questions of some content, for its author to look through and publish.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::gemini::{Prompt, Speaker, Turn};
use crate::id::Uuid;
use crate::jobs::ask::{self, UNUSABLE, ask};
use crate::jobs::{Done, Fault, Job};
use crate::protocol::{MAX_ITEMS, StudyItem, StudyKind, USUAL_ITEMS};
use crate::store::Store;

use super::{asker, counting, parts};

/// So much of a content is read, in bytes.
const MATERIAL: usize = 96 << 10;

#[derive(Deserialize)]
struct Asked {
    content: Uuid,
    #[serde(default = "usual")]
    count: i32,
}

fn usual() -> i32 {
    USUAL_ITEMS
}

pub(crate) async fn flash_cards(job: Job) -> Result<Done, Fault> {
    run(job, StudyKind::FlashCards).await
}

pub(crate) async fn practice_questions(job: Job) -> Result<Done, Fault> {
    run(job, StudyKind::PracticeQuestions).await
}

/// Charged to nobody: the school asks for its students.
async fn run(job: Job, kind: StudyKind) -> Result<Done, Fault> {
    let Ok(asked) = Asked::deserialize(&job.task.payload) else { return Err(Fault::lasting("bad_payload")) };
    let (owner, app) = (asker(&job).await?, &job.app);
    // As they see it now: who may not write it any more makes nothing of it.
    let source = app.store.content_source(owner, asked.content, MATERIAL).await?;
    let source = source.ok_or(Fault::lasting("gone"))?;
    if source.text.trim().is_empty() {
        // Nothing is made up: a file whose pages are not read yet, say.
        return Err(Fault::lasting("nothing_to_read"));
    }
    let count = usize::try_from(asked.count).unwrap_or(1).clamp(1, MAX_ITEMS);
    let material = json!({"title": source.title, "material": source.text, "wanted": count});
    let turn = Turn { speaker: Speaker::User, text: material.to_string().into(), files: Vec::new() };
    let prompt = Prompt { turns: vec![turn], part: Some(parts::of_set(kind)), ..Prompt::default() };
    let said = ask(app.model.answer(prompt), counting(job.progress.clone(), count)).await.said?;
    let items = read(&said.text, kind, count).ok_or(UNUSABLE)?;
    let told = json!({"content": asked.content, "items": items.len()});
    let made = json!(items);
    let model = said.model.as_deref();
    let effect =
        Store::study_effect(job.task.held.id, asked.content, kind.as_str(), source.version, &made, model);
    Ok(Done::telling(told).and(effect))
}

/// Those of this kind, no question twice, so many at most. `None`: there is nothing in it.
fn read(answer: &str, kind: StudyKind, most: usize) -> Option<Vec<StudyItem>> {
    #[derive(Deserialize)]
    struct Answer {
        items: Vec<Value>,
    }
    let mut kept: Vec<StudyItem> = Vec::new();
    for item in &ask::json::<Answer>(answer)?.items {
        let Ok(item) = StudyItem::deserialize(item) else { continue };
        let Ok(item) = item.checked() else { continue };
        if item.kind() == kind && kept.len() < most && !kept.iter().any(|other| other.asks() == item.asks()) {
            kept.push(item);
        }
    }
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_answer_is_kept_what_is_of_the_kind() {
        let card = |front: &str| json!({"front": front, "back": "b"});
        let question = json!({"question": "q", "answer": "a", "choices": ["a", "b"]});
        let answer = json!({"items": [card("1"), card("1"), question, {"front": "2"}, card("3"), card("4")]});
        let fronts: Vec<String> = read(&answer.to_string(), StudyKind::FlashCards, 2)
            .unwrap()
            .iter()
            .map(|item| item.asks().to_owned())
            .collect();
        assert_eq!(fronts, ["1", "3"]);
        assert_eq!(read(&answer.to_string(), StudyKind::PracticeQuestions, 9).unwrap().len(), 1);
        for bad in
            ["", "{}", r#"{"items": []}"#, r#"{"items": [{"front": "", "back": ""}]}"#, "{\"items\": [{"]
        {
            assert_eq!(read(bad, StudyKind::FlashCards, 9), None, "{bad}");
        }
    }
}
