//! What is too old goes, and is counted afterwards.

use jiff::SignedDuration;
use metrics::{counter, gauge};
use serde_json::json;

use crate::app::App;
use crate::audit::{By, Event};
use crate::clock::{self, Timestamp};
use crate::store::{Overdue, StoreError};

use super::{Done, Fault, Job};

/// Sessions and rows of one statement.
const SESSIONS: usize = 100;
const ROWS: usize = 5000;

pub(super) async fn run(job: Job) -> Result<Done, Fault> {
    let overdue = retain(&job.app).await?;
    Ok(Done::telling(json!({"overdue_sessions": overdue.sessions, "overdue_audit": overdue.audit})))
}

/// Deletes what is older than the settings say, a bounded number at a time, and proves it: what is left of
/// it is counted, told and given as `fynq_retention_overdue`.
pub async fn retain(app: &App) -> Result<Overdue, StoreError> {
    let days = app.settings.retention;
    let (sessions, audit) = (days.sessions_days.map(before), days.audit_days.map(before));
    let (mut gone_sessions, mut gone_audit) = (0, 0);
    while let Some(limit) = sessions {
        let old = app.store.outdated_sessions(limit, SESSIONS).await?;
        if old.is_empty() {
            break;
        }
        let (store, ids) = (app.store.clone(), old.clone());
        // What somebody touched meanwhile stays; those that are in memory hold still until it is known.
        let deletion = async move {
            let gone = store.delete_outdated(&ids, limit).await?;
            Ok((gone, gone == ids.len() as u64))
        };
        let gone = app.sessions.delete_with(old, None, deletion).await?;
        gone_sessions += gone;
        if gone == 0 {
            break;
        }
    }
    while let Some(limit) = audit {
        let gone = app.store.delete_audit(limit, ROWS).await?;
        gone_audit += gone;
        if gone < ROWS as u64 {
            break;
        }
    }
    app.store.forget_old_use().await?;
    while app.store.sweep_tasks(ROWS).await? == ROWS as u64 {}
    if gone_sessions + gone_audit > 0 {
        counter!("fynq_retention_deleted_total", "what" => "sessions").increment(gone_sessions);
        counter!("fynq_retention_deleted_total", "what" => "audit").increment(gone_audit);
        app.audit.record(By::NOBODY, &Event::Retention { sessions: gone_sessions, audit: gone_audit });
    }
    let overdue = app.store.overdue(sessions, audit).await?;
    gauge!("fynq_retention_overdue", "what" => "sessions").set(overdue.sessions as f64);
    gauge!("fynq_retention_overdue", "what" => "audit").set(overdue.audit as f64);
    tracing::info!(
        gone_sessions,
        gone_audit,
        overdue_sessions = overdue.sessions,
        overdue_audit = overdue.audit,
        "retention has run"
    );
    Ok(overdue)
}

/// So many days ago.
pub fn before(days: u32) -> Timestamp {
    let days = SignedDuration::from_hours(i64::from(days) * 24);
    clock::now().saturating_sub(days).unwrap_or(Timestamp::MIN)
}
