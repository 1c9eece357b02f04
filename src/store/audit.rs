//! What is written down, and kept: a log line at once, a row soon.
//!
//! Nobody waits for the row of what has happened already: it goes through a bounded queue to one task that
//! writes in batches. What is about to happen by an admin's hand, and a look into somebody else's
//! conversation, is written before it takes effect (`Audit::first`).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql, Type};

use crate::audit::{By, Event, Facts, Quiet, asking, network};
use crate::clock::{self, Timestamp};
use crate::id::{self, Uuid};

use super::scope::{Actor, Scopes};
use super::sessions::{one_more, page};
use super::{Page, Store, StoreError};

/// Rows that wait to be written. When it is full (PostgreSQL is away for long) a row is given up: its log
/// line stays, and `fynq_audit_lost_total` rises.
const QUEUE: usize = 8192;
/// Rows of one statement.
const BATCH: usize = 256;
const PAUSE: Duration = Duration::from_secs(1);
/// How long the stop waits for what is still to be written.
const LAST: Duration = Duration::from_secs(1);

/// Where things are written down; cheap to clone.
#[derive(Clone)]
pub struct Audit(Arc<Parts>);

struct Parts {
    queue: mpsc::Sender<Ask>,
    scopes: Scopes,
    /// Each has one of its own: who fills that of the refusals, which takes no account, must not make readings
    /// disappear.
    refusals: Quiet,
    readings: Quiet,
}

enum Ask {
    Write(Box<Entry>),
    /// Answered when all that came before has been tried.
    Flush(oneshot::Sender<()>),
}

/// One row.
#[derive(Debug)]
struct Entry {
    id: Uuid,
    at: Timestamp,
    by: By,
    event: &'static str,
    facts: Facts,
    address: Option<IpAddr>,
    request_id: Option<String>,
}

/// One row, as admins read it.
#[derive(Clone, Debug)]
pub struct Audited {
    pub id: Uuid,
    pub at: Timestamp,
    pub event: String,
    pub actor: Option<(Uuid, Option<String>)>,
    pub subject: Option<(String, Uuid)>,
    pub address: Option<String>,
    pub detail: Value,
}

impl Audit {
    pub(super) fn start(scopes: Scopes) -> Audit {
        let (queue, asks) = mpsc::channel(QUEUE);
        tokio::spawn(work(scopes.clone(), asks));
        Audit(Arc::new(Parts { queue, scopes, refusals: Quiet::default(), readings: Quiet::default() }))
    }

    /// Writes down what has happened: the line now, the row soon.
    pub fn record(&self, by: impl Into<By>, event: &Event) {
        let entry = Entry::new(by.into(), event);
        entry.log();
        self.keep(entry);
    }

    fn keep(&self, entry: Entry) {
        if self.0.queue.try_send(Ask::Write(Box::new(entry))).is_err() {
            counter!("fynq_audit_lost_total").increment(1);
        }
    }

    /// Writes down what is about to happen; only then may it. Gives the row's id.
    pub async fn first(&self, by: impl Into<By>, event: &Event) -> Result<Uuid, StoreError> {
        let entry = Entry::new(by.into(), event);
        let id = entry.id;
        write(&self.0.scopes, std::slice::from_ref(&entry)).await?;
        entry.log();
        Ok(id)
    }

    /// A token or a ticket that means nothing: a line each time, and one more in the metrics; a row once a
    /// minute of one address, so that nobody can fill the database with it.
    pub fn token_refused(&self, reason: &'static str) {
        counter!("fynq_tokens_refused_total", "reason" => reason).increment(1);
        let entry = Entry::new(By::NOBODY, &Event::TokenRefused { reason });
        entry.log();
        match self.0.refusals.is_news("token", asking().address.map_or(0, network), 0) {
            Some(true) => self.keep(entry),
            Some(false) => {}
            None => counter!("fynq_audit_lost_total").increment(1),
        }
    }

    /// As `record`, once a minute for the same reader and the same thing.
    pub fn read(&self, by: impl Into<By>, event: &Event) {
        let by = by.into();
        let what = event.facts().subject.map_or(0, |(_, id)| id.as_u128());
        let who = by.user.map_or(0, |id| id.as_u128());
        // Without room it is written down once more rather than not at all.
        if self.0.readings.is_news(event.name(), who, what).unwrap_or(true) {
            self.record(by, event);
        }
    }

    /// Resolves when all that was recorded before has been written, or was tried.
    pub async fn flush(&self) {
        let (done, answer) = oneshot::channel();
        if self.0.queue.send(Ask::Flush(done)).await.is_ok() {
            let _ = answer.await;
        }
    }

    pub(super) async fn close(&self) {
        if timeout(LAST, self.flush()).await.is_err() {
            tracing::warn!("the last rows of the audit were not written; their log lines are");
        }
    }
}

impl Entry {
    fn new(by: By, event: &Event) -> Entry {
        let asking = asking();
        Entry {
            id: id::new(),
            at: clock::now(),
            by,
            event: event.name(),
            facts: event.facts(),
            address: asking.address,
            request_id: asking.request_id,
        }
    }

    fn log(&self) {
        let (kind, subject) = self.facts.subject.unzip();
        let detail = Value::Object(self.facts.detail.clone());
        tracing::info!(
            target: "fynq::security",
            event = self.event,
            actor = self.by.user.map(tracing::field::display),
            subject_kind = kind,
            subject = subject.map(tracing::field::display),
            about = self.facts.about.map(tracing::field::display),
            address = self.address.map(tracing::field::display),
            request_id = self.request_id,
            %detail,
        );
    }
}

async fn work(scopes: Scopes, mut asks: mpsc::Receiver<Ask>) {
    let mut taken = Vec::with_capacity(BATCH);
    while asks.recv_many(&mut taken, BATCH).await > 0 {
        let mut entries = Vec::new();
        for ask in taken.drain(..) {
            match ask {
                Ask::Write(entry) => entries.push(*entry),
                Ask::Flush(done) => {
                    keep(&scopes, &mut entries).await;
                    // Whoever waited may have gone.
                    let _ = done.send(());
                }
            }
        }
        keep(&scopes, &mut entries).await;
    }
}

/// Writes them, however long PostgreSQL is away; the queue bounds what gathers meanwhile.
async fn keep(scopes: &Scopes, entries: &mut Vec<Entry>) {
    while !entries.is_empty() {
        match write(scopes, entries).await {
            Ok(()) => entries.clear(),
            Err(StoreError::Unavailable) if !scopes.is_closed() => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::error!(%error, rows = entries.len(), "the audit could not be written");
                counter!("fynq_audit_lost_total").increment(entries.len() as u64);
                entries.clear();
            }
        }
    }
}

async fn write(scopes: &Scopes, entries: &[Entry]) -> Result<(), StoreError> {
    let all = |read: fn(&Entry) -> Option<Uuid>| entries.iter().map(read).collect::<Vec<_>>();
    let at: Vec<Timestamp> = entries.iter().map(|entry| entry.at).collect();
    let events: Vec<&str> = entries.iter().map(|entry| entry.event).collect();
    let kinds: Vec<Option<&str>> =
        entries.iter().map(|entry| entry.facts.subject.map(|(kind, _)| kind)).collect();
    let addresses: Vec<Option<IpAddr>> = entries.iter().map(|entry| entry.address).collect();
    let requests: Vec<Option<&str>> = entries.iter().map(|entry| entry.request_id.as_deref()).collect();
    let details: Vec<_> = entries.iter().map(|entry| Json(&entry.facts.detail)).collect();
    scopes
        .of(Actor::Task)
        .execute(
            include_str!("../../sql/queries/audit_write.sql"),
            &[
                (&all(|entry| Some(entry.id)), Type::UUID_ARRAY),
                (&at, Type::TIMESTAMPTZ_ARRAY),
                (&all(|entry| entry.by.org), Type::UUID_ARRAY),
                (&events, Type::TEXT_ARRAY),
                (&all(|entry| entry.by.user), Type::UUID_ARRAY),
                (&kinds, Type::TEXT_ARRAY),
                (&all(|entry| entry.facts.subject.map(|(_, id)| id)), Type::UUID_ARRAY),
                (&all(|entry| entry.facts.about.or(entry.by.user)), Type::UUID_ARRAY),
                (&addresses, Type::INET_ARRAY),
                (&requests, Type::TEXT_ARRAY),
                (&details, Type::JSONB_ARRAY),
                (&all(|entry| entry.facts.closes), Type::UUID_ARRAY),
            ],
        )
        .await?;
    Ok(())
}

impl Store {
    pub fn audit(&self) -> &Audit {
        &self.0.audit
    }

    /// What was written down in the organisation of this admin, the newest first.
    pub async fn audited(
        &self,
        who: Uuid,
        org: Uuid,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Page<Audited, Uuid>, StoreError> {
        let sql = include_str!("../../sql/queries/audit_list.sql");
        let params: &[(&(dyn ToSql + Sync), Type)] =
            &[(&after, Type::UUID), (&one_more(limit), Type::INT8), (&org, Type::UUID)];
        let rows = self.as_admin(who).read(sql, params).await?;
        page(rows, limit, audited, |row| row.id)
    }

    /// Closes the observations that a crash left open. Returns how many.
    pub async fn close_observations(&self) -> Result<u64, StoreError> {
        let sql = include_str!("../../sql/queries/audit_close_interrupted.sql");
        let mut closed = 0;
        loop {
            let ids: Vec<Uuid> = (0..500).map(|_| id::new()).collect();
            let now = self
                .as_jobs()
                .execute(sql, &[(&ids, Type::UUID_ARRAY), (&clock::now(), Type::TIMESTAMPTZ)])
                .await?;
            closed += now;
            if now < 500 {
                return Ok(closed);
            }
        }
    }
}

fn audited(row: &Row) -> Result<Audited, StoreError> {
    let actor: Option<Uuid> = row.try_get("actor_id")?;
    let name: Option<String> = row.try_get("actor_name")?;
    let kind: Option<String> = row.try_get("subject_kind")?;
    Ok(Audited {
        id: row.try_get("id")?,
        at: row.try_get("at")?,
        event: row.try_get("event")?,
        actor: actor.map(|id| (id, name)),
        subject: kind.zip(row.try_get("subject_id")?),
        address: row.try_get("address")?,
        detail: row.try_get("detail")?,
    })
}
