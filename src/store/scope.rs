//! Who asks. Every statement of the doors and of the sessions' tasks runs in a transaction of its own
//! that first takes a role of the database, and, for a person, says who it is: row level security
//! (`sql/migrations/V6__row_level_security.sql`) does the rest. The pool is private to this file, so
//! nothing can be asked as nobody.

use deadpool_postgres::{Object, Pool};
use futures_util::future::join_all;
use futures_util::join;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::id::Uuid;

use super::pool::{self, CONNECT_TIMEOUT};
use super::writer::told;
use super::{Params, QUERY_TIMEOUT, StoreError, migrate};

/// What a statement may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Actor {
    /// Somebody who is signed in: what the policies let this person see.
    User(Uuid),
    /// The same, for what only the admin of an organisation does.
    Admin(Uuid),
    /// Before anybody is known: sign-ins, tokens, tickets.
    Door,
    /// The sessions in memory.
    Task,
    /// Housekeeping.
    Jobs,
}

impl Actor {
    /// Opens the transaction. Nothing that a client chose is ever part of this text.
    fn opening(self) -> String {
        let claims = |role: &str, id: Uuid| {
            format!(
                "BEGIN; SET LOCAL ROLE {role}; \
                 SELECT set_config('request.jwt.claims', '{{\"sub\":\"{id}\",\"role\":\"{role}\"}}', true)"
            )
        };
        match self {
            Actor::User(id) => claims("fynq_user", id),
            Actor::Admin(id) => claims("fynq_admin", id),
            Actor::Door => "BEGIN; SET LOCAL ROLE fynq_door".into(),
            Actor::Task => "BEGIN; SET LOCAL ROLE fynq_task".into(),
            Actor::Jobs => "BEGIN; SET LOCAL ROLE fynq_jobs".into(),
        }
    }
}

/// The pool, and the only way to it; cheap to clone.
#[derive(Clone)]
pub(super) struct Scopes(Pool);

/// The database as one actor sees it.
pub(super) struct Scope<'a> {
    pool: &'a Pool,
    actor: Actor,
}

struct Failed {
    error: StoreError,
    /// The connection was there and ended under the statement.
    connected: bool,
}

impl Scopes {
    pub(super) fn new(pool: Pool) -> Scopes {
        Scopes(pool)
    }

    pub(super) fn of(&self, actor: Actor) -> Scope<'_> {
        Scope { pool: &self.0, actor }
    }

    pub(super) fn close(&self) {
        self.0.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Which schema is there; needs no role and reads nothing of anybody.
    pub(super) async fn schema(&self) -> Result<migrate::Schema, StoreError> {
        let client = pool::take(&self.0).await?;
        match timeout(CONNECT_TIMEOUT, migrate::inspect(&client)).await {
            Ok(Ok(schema)) => Ok(schema),
            Ok(Err(error)) => Err(StoreError::Refused(format!("{error:#}"))),
            Err(_) => {
                let _ = Object::take(client);
                Err(StoreError::Unavailable)
            }
        }
    }
}

impl Scope<'_> {
    /// The rows of a statement that only reads: tried once more when the pooled connection turns
    /// out to have died while it lay idle.
    pub(super) async fn read(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, StoreError> {
        match self.rows(sql, params).await {
            Err(Failed { error: StoreError::Unavailable, connected: true }) => {
                self.rows(sql, params).await.map_err(|failed| failed.error)
            }
            done => done.map_err(|failed| failed.error),
        }
    }

    /// As `read`, for a statement that gives one row at most.
    pub(super) async fn read_opt(&self, sql: &str, params: &Params<'_>) -> Result<Option<Row>, StoreError> {
        Ok(self.read(sql, params).await?.into_iter().next())
    }

    /// The rows of a statement that changes something: tried once.
    pub(super) async fn change(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, StoreError> {
        self.rows(sql, params).await.map_err(|failed| failed.error)
    }

    /// As `change`; gives the number of rows instead.
    pub(super) async fn execute(&self, sql: &str, params: &Params<'_>) -> Result<u64, StoreError> {
        self.transaction(async |client| client.execute_typed(sql, params).await)
            .await
            .map_err(|failed| failed.error)
    }

    /// Several statements that change something, each with its rows as one array of objects, in one
    /// transaction and one round trip: what fails first is told, and then nothing has happened. A few:
    /// all of them are on their way at once.
    pub(super) async fn execute_all(
        &self,
        statements: &[(&str, &(dyn ToSql + Sync))],
    ) -> Result<(), StoreError> {
        let all = async |client: &Object| {
            let each = statements
                .iter()
                .map(async |(sql, rows)| client.execute_typed(sql, &[(*rows, Type::JSONB)]).await);
            // A small `join_all` polls in order, so they are asked in order.
            join_all(each).await.into_iter().collect::<Result<Vec<u64>, _>>()
        };
        self.transaction(all).await.map(drop).map_err(|failed| failed.error)
    }

    async fn rows(&self, sql: &str, params: &Params<'_>) -> Result<Vec<Row>, Failed> {
        self.transaction(async |client| client.query_typed(sql, params).await).await
    }

    /// One transaction in one round trip: `join!` polls in this order, and what is asked is queued by
    /// the first poll. After a failed opening the statement fails, too: inside the broken transaction,
    /// or for want of any right. A connection that opens none is of no more use: its login was replaced, say.
    async fn transaction<T>(
        &self,
        statement: impl AsyncFnOnce(&Object) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, Failed> {
        let client = pool::take(self.pool).await.map_err(|error| Failed { error, connected: false })?;
        let opening = self.actor.opening();
        let all = async {
            let (opened, done, committed) =
                join!(client.batch_execute(&opening), statement(&client), client.batch_execute("COMMIT"));
            opened.map(|()| done.and_then(|done| committed.map(|()| done)))
        };
        match timeout(QUERY_TIMEOUT, all).await {
            Ok(Err(error)) => {
                if !error.is_closed() {
                    tracing::error!(error = told(&error), "a connection is good for nothing");
                }
                let _ = Object::take(client);
                Err(Failed { error: StoreError::Unavailable, connected: true })
            }
            Ok(Ok(done)) => done.map_err(|error: tokio_postgres::Error| Failed {
                connected: error.is_closed(),
                error: error.into(),
            }),
            Err(_) => {
                // The answer may still come: this connection is nobody else's any more.
                let _ = Object::take(client);
                Err(Failed { error: StoreError::Unavailable, connected: false })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_named_in_the_claims_and_nobody_else_is() {
        let id = Uuid::nil();
        let user = Actor::User(id).opening();
        assert!(user.starts_with("BEGIN; SET LOCAL ROLE fynq_user; "), "{user}");
        assert!(user.contains(&format!("\"sub\":\"{id}\"")), "{user}");
        for actor in [Actor::Door, Actor::Task, Actor::Jobs] {
            assert!(!actor.opening().contains("set_config"), "{actor:?}");
        }
    }
}
