//! One transaction on one connection, and what its failure means.

use std::time::{Duration, Instant};

use metrics::{counter, histogram};
use tokio::time::timeout;
use tokio_postgres::Client;
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::id::Uuid;

use super::Request;
use super::batch::{Batch, Limits, OverQuota, Touched};

/// A transaction longer than this counts as lost. The server itself ends a statement earlier.
const BATCH_TIMEOUT: Duration = Duration::from_secs(8);

/// A connection of the writer's own.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) carrier: tokio::task::JoinHandle<()>,
    /// An address that is younger is another one.
    pub(super) since: Instant,
}

impl Link {
    pub(super) fn is_good(link: Option<&Link>) -> bool {
        link.is_some_and(|link| !link.client.is_closed())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.carrier.abort();
    }
}

pub(super) enum Fault {
    /// These rows will never go in.
    Data(String),
    /// Rolled back by the server; the same may pass at once.
    Again,
    /// The server answers and cannot take it now: a full disk, say. Rolled back.
    Unable(String),
    /// The connection is gone. `unknown`: it may have been committed.
    Lost { unknown: bool, told: String },
}

impl Fault {
    pub(super) fn mark(&self, part: &mut [Request]) {
        if let Fault::Lost { unknown: true, .. } = self {
            part.iter_mut().for_each(|request| request.unknown = true);
        }
    }
}

/// What was committed: the sessions that were touched, and the requests that a quota left out.
pub(super) struct Committed {
    pub(super) touched: Vec<Uuid>,
    pub(super) over: Vec<OverQuota>,
}

/// One transaction.
pub(super) async fn attempt(
    link: Option<&Link>,
    requests: &[Request],
    limits: Option<Limits>,
    touched: &Touched,
) -> Result<Committed, Fault> {
    let Some(link) = link else {
        return Err(Fault::Lost { unknown: false, told: "no connection".into() });
    };
    if link.client.is_closed() {
        return Err(Fault::Lost { unknown: false, told: "the connection has ended".into() });
    }
    let begun = Instant::now();
    let batch = Batch::new(requests.iter().map(|request| &request.ops[..]), limits, touched, begun);
    // Almost always the rows are new, and looking for each first is dear: only what may have been
    // committed already, or turns out to be there, goes in the careful way.
    let mut again = requests.iter().any(|request| request.unknown);
    let over = loop {
        match timeout(BATCH_TIMEOUT, batch.commit(&link.client, again)).await {
            Ok(Ok(over)) => break over,
            Ok(Err(error)) if !again && exists(&error) => again = true,
            Ok(Err(error)) => return Err(fault(&error, link.client.is_closed())),
            Err(_) => return Err(Fault::Lost { unknown: true, told: "no answer in time".into() }),
        }
    };
    histogram!("fynq_writer_batch_requests").record(requests.len() as f64);
    histogram!("fynq_writer_commit_seconds").record(begun.elapsed());
    counter!("fynq_writer_rows_total").increment(batch.rows());
    Ok(Committed { touched: batch.into_touched(), over })
}

/// A row was there already.
fn exists(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
}

fn fault(error: &tokio_postgres::Error, closed: bool) -> Fault {
    let told = told(error);
    match error.code() {
        // The connection's last words. They may be a pooler's, about a server that it lost after
        // the batch had gone through.
        Some(code) if is_fatal(error) || code.code().starts_with("08") => Fault::Lost { unknown: true, told },
        // No word about the rows: the login was replaced, and this one is nobody any more.
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => Fault::Unable(told),
        Some(code) if is_data_fault(code) => Fault::Data(told),
        Some(code) if code.code().starts_with("40") => Fault::Again,
        Some(_) => Fault::Unable(told),
        None if closed || error.is_closed() || is_io(error) => Fault::Lost { unknown: true, told },
        None => Fault::Data(told),
    }
}

fn is_fatal(error: &tokio_postgres::Error) -> bool {
    let severity = error.as_db_error().and_then(DbError::parsed_severity);
    matches!(severity, Some(Severity::Fatal | Severity::Panic))
}

/// Whether trying the same again changes nothing: bad values, broken rules, a schema that is not ours.
pub(in crate::store) fn is_data_fault(code: &SqlState) -> bool {
    ["0A", "21", "22", "23", "42", "44", "54", "P0"].iter().any(|class| code.code().starts_with(class))
}

pub(in crate::store) fn is_io(error: &tokio_postgres::Error) -> bool {
    let source = std::error::Error::source(error);
    source.is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

/// Whether the server's certificate was not believed: waiting does not change that.
pub(in crate::store) fn is_distrusted(error: &tokio_postgres::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(rustls::Error::InvalidCertificate(_)) = cause.downcast_ref() {
            return true;
        }
        // An IO error shows the cause of what it wraps as its own, and hides what it wraps.
        let io = cause.downcast_ref::<std::io::Error>();
        source = match io.and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    false
}

/// The error with its cause, without the detail that quotes rows.
pub(in crate::store) fn told(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(said), _) => format!("{} ({})", said.message(), said.code().code()),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}
