//! Whether the model is offered the library, and the searches in it: both as the student of the session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::gemini::Prompt;
use crate::id::Uuid;
use crate::session::library::{LookUp, MAX_FOUND, Question, told};
use crate::session::shelf::{Shelf, Whose};
use crate::store::{ContentQuery, Store, StoreError};

use super::Happening;
use super::effects::Effects;

/// What is known is asked again after this.
const FRESH: Duration = Duration::from_secs(20);
/// Whoever waits for an answer does not wait for a library.
const LOOK: Duration = Duration::from_millis(500);
/// How long the searches of one round may take.
const SEARCH: Duration = Duration::from_secs(5);

#[derive(Default)]
pub(super) struct Library {
    /// Since when it is known that there is one for the student, or none.
    known: Option<(Instant, bool)>,
    asking: bool,
    /// Waits until that is known.
    prompt: Option<Prompt>,
}

impl Library {
    /// The call of the model is not made any more.
    pub(super) fn hush(&mut self) {
        self.prompt = None;
    }
}

impl Effects<'_> {
    /// While the beginning of a run is on its way to PostgreSQL, so that nobody waits for this.
    pub(super) fn look_for_library(&mut self) {
        let fresh = self.library.known.is_some_and(|(since, _)| since.elapsed() < FRESH);
        if fresh || self.library.asking {
            return;
        }
        self.library.asking = true;
        let (store, student, session) = (self.inner.store.clone(), self.student, self.session);
        self.expect(async move {
            let there = timeout(LOOK, store.has_content(student)).await;
            Happening::Library(match there {
                Ok(Ok(there)) => Some(there),
                Ok(Err(error)) => {
                    tracing::debug!(%session, %error, "not known whether there is a library");
                    None
                }
                Err(_) => None,
            })
        });
    }

    pub(super) fn library_known(&mut self, there: Option<bool>) {
        self.library.asking = false;
        self.library.known = there.map(|there| (Instant::now(), there));
        if let Some(prompt) = self.library.prompt.take() {
            self.call_model(prompt);
        }
    }

    /// At once, unless it is just about to be known whether there is a library.
    pub(super) fn call_model(&mut self, prompt: Prompt) {
        if self.library.asking {
            self.library.prompt = Some(prompt);
            return;
        }
        let library = self.library.known.is_some_and(|(_, there)| there);
        let (store, storage) = (self.inner.store.clone(), self.inner.files.clone());
        let shelf = Shelf { whose: Whose::Session(self.session), store, storage };
        let prompt = Prompt { library, ..prompt };
        self.answer = Some(Box::new(self.inner.model.answer_with(prompt, Arc::new(shelf))));
    }

    pub(super) fn search_library(&mut self, run: Uuid, student: Uuid, what: Vec<LookUp>) {
        let store = self.inner.store.clone();
        self.expect(async move { Happening::Found(run, search_all(&store, student, what).await) });
    }
}

async fn search_all(store: &Store, student: Uuid, what: Vec<LookUp>) -> Vec<(Uuid, Value)> {
    let mut found = Vec::with_capacity(what.len());
    let searches = async {
        for LookUp { call, question } in &what {
            let result = match question {
                Ok(question) => search(store, student, question).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "the library could not be searched");
                    json!({"error": "the library cannot be read now"})
                }),
                Err(why) => json!({"error": why}),
            };
            found.push((*call, result));
        }
    };
    // What was found until then counts.
    let in_time = timeout(SEARCH, searches).await.is_ok();
    if !in_time {
        tracing::warn!("a search of the library took too long");
        let missing = what.iter().skip(found.len()).map(|look_up| look_up.call).collect::<Vec<_>>();
        found.extend(missing.into_iter().map(|call| (call, json!({"error": "the search took too long"}))));
    }
    found
}

async fn search(store: &Store, student: Uuid, question: &Question) -> Result<Value, StoreError> {
    let query = |subject| ContentQuery {
        words: &question.words,
        any_word: true,
        subject,
        grade: None,
        published: true,
    };
    let subject = question.subject.as_deref();
    let mut found = store.search_content(student, query(subject), None, MAX_FOUND).await?.items;
    // A subject that the model made up hides nothing.
    if found.is_empty() && subject.is_some() {
        found = store.search_content(student, query(None), None, MAX_FOUND).await?.items;
    }
    Ok(told(found))
}
