//! Work that nobody waits for at a socket. A task is a row; a job is the running of one. Workers take rows,
//! run them as their kind says, and end them; a kind of one's own is a function and a line of `KINDS`.
//!
//! ```text
//! a transaction ──enqueue_task──▶ tasks ──take──▶ worker ──run──▶ a kind ──Done──▶ effects and end, in one
//!                      NOTIFY ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄▲                                    transaction
//! ```

mod ask;
mod document;
mod files;
pub mod pages;
mod retention;
mod study;
mod summary;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::sync::Notify;

use crate::app::App;
use crate::store::{Effect, StoreError, Taken};

pub use files::{Swept, sweep_files, sweep_older};
pub use retention::{before, retain};
pub use worker::{Worker, backoff};

/// How tasks of a name are run.
pub struct Kind {
    pub name: &'static str,
    /// So many at once, in one worker.
    pub at_once: usize,
    /// What takes longer has failed.
    pub time: Duration,
    /// Of those that a schedule makes; others bring theirs.
    pub attempts: i32,
    /// A task of this kind is made so often, whichever and however many workers there are.
    pub every: Option<Duration>,
    pub run: fn(Job) -> BoxFuture<'static, Result<Done, Fault>>,
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// All kinds there are.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "retention",
        at_once: 1,
        time: HOUR,
        attempts: 3,
        every: Some(HOUR),
        run: |job| Box::pin(retention::run(job)),
    },
    Kind {
        name: "files_sweep",
        at_once: 1,
        time: HOUR,
        attempts: 3,
        every: Some(HOUR),
        run: |job| Box::pin(files::run(job)),
    },
    Kind {
        name: "quiet_sessions",
        at_once: 1,
        time: MINUTE,
        attempts: 1,
        every: Some(MINUTE),
        run: |job| Box::pin(summary::look(job)),
    },
    Kind {
        name: "document_parse",
        at_once: 1,
        time: Duration::from_secs(300),
        attempts: 8,
        every: None,
        run: |job| Box::pin(document::run(job)),
    },
    Kind {
        name: "document_pages",
        at_once: 1,
        time: Duration::from_secs(600),
        attempts: 8,
        every: None,
        run: |job| Box::pin(pages::run(job)),
    },
    Kind {
        name: "session_summary",
        at_once: 2,
        time: Duration::from_secs(180),
        attempts: 3,
        every: None,
        run: |job| Box::pin(summary::run(job)),
    },
    Kind {
        name: "worksheet",
        at_once: 4,
        time: Duration::from_secs(180),
        attempts: 3,
        every: None,
        run: |job| Box::pin(study::worksheet(job)),
    },
    Kind {
        name: "flash_cards",
        at_once: 2,
        time: Duration::from_secs(300),
        attempts: 3,
        every: None,
        run: |job| Box::pin(study::flash_cards(job)),
    },
    Kind {
        name: "practice_questions",
        at_once: 2,
        time: Duration::from_secs(300),
        attempts: 3,
        every: None,
        run: |job| Box::pin(study::practice_questions(job)),
    },
];

/// What a kind's function gets.
pub struct Job {
    pub app: App,
    pub task: Taken,
    pub progress: Progress,
}

/// How far a job is; its worker hears of it, and writes it down a moment later.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    part: Arc<AtomicU32>,
    moved: Arc<Notify>,
}

impl Progress {
    /// So many of so many.
    pub fn tell(&self, done: usize, of: usize) {
        let part = if of == 0 { 0.0 } else { (done as f32 / of as f32).clamp(0.0, 1.0) };
        if self.part.swap(part.to_bits(), Ordering::Relaxed) != part.to_bits() {
            self.moved.notify_one();
        }
    }

    /// Of a job whose worker hears `moved`.
    fn heard_by(moved: &Arc<Notify>) -> Progress {
        Progress { moved: Arc::clone(moved), ..Progress::default() }
    }

    fn now(&self) -> f32 {
        f32::from_bits(self.part.load(Ordering::Relaxed))
    }
}

/// A job that did its work: what it tells, and what it changes. Those changes are made in the transaction that
/// ends the task, so they are made once, whatever dies when.
#[derive(Debug, Default)]
pub struct Done {
    pub result: Option<Value>,
    pub effects: Vec<Effect>,
}

impl Done {
    pub fn telling(result: Value) -> Done {
        Done { result: Some(result), effects: Vec::new() }
    }

    /// With one more change.
    pub fn and(mut self, effect: Effect) -> Done {
        self.effects.push(effect);
        self
    }
}

/// Why a job did not do its work, in a word that may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub code: &'static str,
    /// It may go well the next time.
    pub again: bool,
}

impl Fault {
    pub const fn passing(code: &'static str) -> Fault {
        Fault { code, again: true }
    }

    pub const fn lasting(code: &'static str) -> Fault {
        Fault { code, again: false }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        match error {
            StoreError::Unavailable => Fault::passing("storage_unavailable"),
            // What it was about is gone.
            StoreError::Missing => Fault::lasting("gone"),
            StoreError::Exists | StoreError::Refused(_) => {
                tracing::error!(%error, "the database refused what a job asked");
                Fault::lasting("internal")
            }
        }
    }
}
