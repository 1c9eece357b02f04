//! How answers streamed, for the replay. Nobody waits for it: it goes through a bounded queue to one task
//! that writes in batches, and what is lost is a replay that shows the answer whole.

use std::time::Duration;

use metrics::counter;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::types::{Json, Type};

use crate::id::Uuid;

use super::scope::{Actor, Scopes};
use super::{Store, StoreError};

/// Paces that wait to be written. When it is full (PostgreSQL is away for long) a pace is given up, and
/// `fynq_paces_lost_total` rises.
const QUEUE: usize = 1024;
/// Rows of one statement.
const BATCH: usize = 128;
const PAUSE: Duration = Duration::from_secs(1);
/// Nobody waits for it, so that what comes within this goes in one statement.
const GATHER: Duration = Duration::from_millis(500);
/// How long the stop waits for what is still to be written.
const LAST: Duration = Duration::from_secs(1);

/// An answer's steps: after so many milliseconds of its run, so many more bytes of its text.
pub type Pace = Vec<(u32, u32)>;

/// Where paces are noted; cheap to clone.
#[derive(Clone)]
pub struct Paces(mpsc::Sender<Ask>);

enum Ask {
    Write(Noted),
    /// Answered when all that came before has been tried.
    Flush(oneshot::Sender<()>),
}

struct Noted {
    session: Uuid,
    message: Uuid,
    pace: Pace,
}

impl Paces {
    pub(super) fn start(scopes: Scopes) -> Paces {
        let (queue, asks) = mpsc::channel(QUEUE);
        tokio::spawn(work(scopes, asks));
        Paces(queue)
    }

    /// Never waits. The message's row must have been committed before.
    pub fn note(&self, session: Uuid, message: Uuid, pace: Pace) {
        if self.0.try_send(Ask::Write(Noted { session, message, pace })).is_err() {
            lost(1);
        }
    }

    /// Resolves when all that was noted before has been written, or was tried.
    pub async fn flush(&self) {
        let (done, answer) = oneshot::channel();
        if self.0.send(Ask::Flush(done)).await.is_ok() {
            let _ = answer.await;
        }
    }

    pub(super) async fn close(&self) {
        if timeout(LAST, self.flush()).await.is_err() {
            tracing::warn!("how the last answers streamed was not written");
        }
    }
}

impl Store {
    pub fn paces(&self) -> &Paces {
        &self.0.paces
    }
}

fn lost(paces: usize) {
    counter!("fynq_paces_lost_total").increment(paces as u64);
}

async fn work(scopes: Scopes, mut asks: mpsc::Receiver<Ask>) {
    let mut noted = Vec::new();
    let mut due = Instant::now();
    loop {
        let ask = match noted.is_empty() {
            true => Ok(asks.recv().await),
            false => timeout_at(due, asks.recv()).await,
        };
        match ask {
            Ok(Some(Ask::Write(pace))) => {
                if noted.is_empty() {
                    due = Instant::now() + GATHER;
                }
                noted.push(pace);
                if noted.len() == BATCH {
                    keep(&scopes, &mut noted).await;
                }
            }
            Ok(Some(Ask::Flush(done))) => {
                keep(&scopes, &mut noted).await;
                // Whoever waited may have gone.
                let _ = done.send(());
            }
            Ok(None) => return keep(&scopes, &mut noted).await,
            Err(_) => keep(&scopes, &mut noted).await,
        }
    }
}

/// Writes them, however long PostgreSQL is away; the queue bounds what gathers meanwhile.
async fn keep(scopes: &Scopes, noted: &mut Vec<Noted>) {
    while !noted.is_empty() {
        match write(scopes, noted).await {
            Ok(()) => noted.clear(),
            Err(StoreError::Unavailable) if !scopes.is_closed() => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::error!(%error, rows = noted.len(), "how answers streamed could not be written");
                lost(noted.len());
                noted.clear();
            }
        }
    }
}

async fn write(scopes: &Scopes, noted: &[Noted]) -> Result<(), StoreError> {
    let row = |noted: &Noted| {
        let steps: Vec<u32> = noted.pace.iter().flat_map(|(ms, bytes)| [*ms, *bytes]).collect();
        json!({"session": noted.session, "message": noted.message, "steps": steps})
    };
    let rows: Json<Vec<Value>> = Json(noted.iter().map(row).collect());
    let sql = include_str!("../../sql/queries/paces_write.sql");
    scopes.of(Actor::Task).execute(sql, &[(&rows, Type::JSONB)]).await?;
    Ok(())
}

/// As it is read again: pairs, flat.
pub(super) fn pace(steps: &[i32]) -> Pace {
    let whole = |number: i32| u32::try_from(number).unwrap_or(0);
    steps.chunks_exact(2).map(|step| (whole(step[0]), whole(step[1]))).collect()
}
