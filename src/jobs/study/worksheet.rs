//! The problems on a picture or a PDF, read off by the model.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::gemini::{Prompt, Speaker, Turn};
use crate::id::Uuid;
use crate::jobs::ask::{self, UNUSABLE, ask};
use crate::jobs::{Done, Fault, Job};
use crate::protocol::{MAX_ITEMS, Problem};
use crate::session::{Shelf, Whose};
use crate::store::Store;

use super::{asker, counting, parts};

/// Problems that a sheet usually has, for the progress.
const USUAL: usize = 8;

#[derive(Deserialize)]
struct Asked {
    file: Uuid,
}

/// The question was charged when it was asked; each call of the model counts its tokens.
pub(crate) async fn run(job: Job) -> Result<Done, Fault> {
    let Ok(asked) = Asked::deserialize(&job.task.payload) else { return Err(Fault::lasting("bad_payload")) };
    let (owner, app) = (asker(&job).await?, &job.app);
    let file = app.store.file(owner, asked.file).await?.filter(|file| file.owner_id == Some(owner));
    let file = file.ok_or(Fault::lasting("gone"))?;
    // Without the picture the model would make problems up.
    app.files.get(&file.key, Some(0..1)).await?;
    let turn = Turn { speaker: Speaker::User, text: "The worksheet:".into(), files: vec![file.id.into()] };
    let prompt = Prompt { turns: vec![turn], part: Some(parts::of_worksheet()), ..Prompt::default() };
    let shelf = Shelf { whose: Whose::Own(owner), store: app.store.clone(), storage: app.files.clone() };
    let answer = app.model.answer_with(prompt, Arc::new(shelf));
    let done = ask(answer, counting(job.progress.clone(), USUAL)).await;
    if done.tokens > 0
        && let Err(error) = app.store.charge(owner, done.tokens).await
    {
        tracing::warn!(task = %job.task.held.id, %error, "what a worksheet used was not counted");
    }
    let said = done.said?;
    let problems = read(&said.text).ok_or(UNUSABLE)?;
    let told = json!({"file": file.id, "problems": problems.len()});
    let effect = Store::worksheet_effect(file.id, &file.key, &json!(problems), said.model.as_deref());
    Ok(Done::telling(told).and(effect))
}

/// An empty list says that there are none; a list of which nothing can be used says nothing.
fn read(answer: &str) -> Option<Vec<Problem>> {
    #[derive(Deserialize)]
    struct Answer {
        problems: Vec<Value>,
    }
    let all = ask::json::<Answer>(answer)?.problems;
    let good = all.iter().filter_map(|problem| Problem::deserialize(problem).ok()?.checked().ok());
    let kept: Vec<Problem> = good.take(MAX_ITEMS).collect();
    (!kept.is_empty() || all.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_answer_is_kept_what_has_the_form() {
        let answer = json!({"problems": [
            {"label": "1", "text": "2 + 2"}, {"label": "2"}, "3", {"label": "4", "text": "x", "script": "y"},
            {"label": 5, "text": "x"}, {"label": "\u{0}", "text": "\u{0}"}, {"label": "", "text": "Why?"},
        ]});
        let problem = |label: &str, text: &str| Problem { label: label.into(), text: text.into() };
        let wanted = vec![problem("1", "2 + 2"), problem("", "Why?")];
        assert_eq!(read(&answer.to_string()), Some(wanted));
        assert_eq!(read(r#"{"problems": []}"#), Some(Vec::new()));
        for bad in ["", "[]", "I cannot.", r#"{"problems": 1}"#, r#"{"problems": [1]}"#, r#"{"items": []}"#] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let many = json!({"problems": vec![json!({"label": "1", "text": "x"}); 500]});
        assert_eq!(read(&many.to_string()).unwrap().len(), MAX_ITEMS);
    }
}
