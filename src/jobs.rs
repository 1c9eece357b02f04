//! Work that nobody asks for: what is too old goes, and is counted afterwards.

mod files;

use std::time::Duration;

use jiff::SignedDuration;
use metrics::{counter, gauge};

use crate::app::App;
use crate::audit::{By, Event};
use crate::clock::{self, Timestamp};
use crate::shutdown::Phase;
use crate::store::{Overdue, StoreError};

pub use files::{Swept, sweep_files, sweep_older};

const EVERY: Duration = Duration::from_secs(3600);
/// Sessions and rows of one statement.
const SESSIONS: usize = 100;
const ROWS: usize = 5000;

/// Looks every hour until the server stops.
pub async fn retention(app: App) {
    let mut shutdown = app.shutdown.clone();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.reached(Phase::Draining) => return,
            _ = ticks.tick() => {}
        }
        tokio::select! {
            () = shutdown.reached(Phase::Draining) => return,
            done = retain(&app) => if let Err(error) = done {
                tracing::warn!(%error, "what is too old could not be deleted; tried again in an hour");
            },
        }
        // After it: what went leaves its blobs behind.
        tokio::select! {
            () = shutdown.reached(Phase::Draining) => return,
            done = sweep_files(&app) => if let Err(error) = done {
                tracing::warn!(%error, "files could not be swept; tried again in an hour");
            },
        }
    }
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
pub(crate) fn before(days: u32) -> Timestamp {
    let days = SignedDuration::from_hours(i64::from(days) * 24);
    clock::now().saturating_sub(days).unwrap_or(Timestamp::MIN)
}
