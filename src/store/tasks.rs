//! Tasks: work that waits in rows until a worker takes it. Whoever holds one holds a number, its lease, which
//! rises whenever the row gets or loses a holder: what an older holder writes changes nothing.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::clock::{self, Timestamp};
use crate::id::{self, Uuid};

use super::scope::Actor;
use super::sessions::{count, one_more, page};
use super::{Page, Store, StoreError};

/// A task to be done, put there beside nothing else. What goes with a reason is put there by the reason's own
/// transaction, with `fynq.enqueue_task`.
#[derive(Clone, Debug)]
pub struct NewTask<'a> {
    pub kind: &'a str,
    pub org: Option<Uuid>,
    pub owner: Option<Uuid>,
    /// Ids and numbers, never anybody's words.
    pub payload: Value,
    /// There is one task of a key.
    pub unique_key: Option<&'a str>,
    /// The higher ones first.
    pub priority: i16,
    pub attempts: i32,
}

impl<'a> NewTask<'a> {
    pub fn of(kind: &'a str) -> NewTask<'a> {
        let payload = json!({});
        NewTask { kind, org: None, owner: None, payload, unique_key: None, priority: 0, attempts: 5 }
    }
}

/// What somebody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    pub id: Uuid,
    pub lease: i64,
}

/// A task that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    pub held: Held,
    pub kind: String,
    pub org: Option<Uuid>,
    pub owner: Option<Uuid>,
    pub payload: Value,
    /// This one included.
    pub attempts: i32,
    pub max_attempts: i32,
    /// Since when it could have been taken.
    pub waited: Duration,
}

/// What a finished task changes, in the transaction in which it is finished: a statement of ours with one
/// parameter.
#[derive(Clone, Debug)]
pub struct Effect {
    pub sql: &'static str,
    pub rows: Value,
}

/// What becomes of a task that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    After(Duration),
    /// It would fail again.
    Never,
}

/// A task, as those see it who may.
#[derive(Clone, Debug)]
pub struct Task {
    pub id: Uuid,
    pub kind: String,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    pub status: String,
    /// From 0 to 1.
    pub progress: f32,
    pub attempts: i32,
    pub error: Option<String>,
    pub result: Option<Value>,
    pub run_at: Timestamp,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
}

/// Whose tasks somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TasksOf {
    Own(Uuid),
    /// As the admin of this organisation.
    Organisation {
        admin: Uuid,
        org: Uuid,
    },
}

/// Which tasks a list shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct TaskFilter<'a> {
    pub status: Option<&'a str>,
    pub kind: Option<&'a str>,
}

/// So many tasks of a kind in a state.
#[derive(Clone, Debug)]
pub struct Depth {
    pub kind: String,
    pub status: String,
    pub tasks: i64,
}

impl Store {
    // ── Workers ─────────────────────────────────────────────────────────────────────────────────

    /// The id of the task of that key, which may be there already.
    pub async fn enqueue(&self, new: &NewTask<'_>) -> Result<Uuid, StoreError> {
        let rows = self
            .as_jobs()
            .change(
                include_str!("../../sql/queries/task_enqueue.sql"),
                &[
                    (&id::new(), Type::UUID),
                    (&new.kind, Type::TEXT),
                    (&new.org, Type::UUID),
                    (&new.owner, Type::UUID),
                    (&new.payload, Type::JSONB),
                    (&new.unique_key, Type::TEXT),
                    (&new.priority, Type::INT2),
                    (&new.attempts, Type::INT4),
                ],
            )
            .await?;
        let row = rows.first().ok_or_else(|| StoreError::Refused("no task was put there".into()))?;
        Ok(row.try_get(0)?)
    }

    /// For this worker: of each kind so many at most, and so many at all. Held for as long as `lease`.
    pub async fn take_tasks(
        &self,
        worker: &str,
        free: &[(&str, usize)],
        most: usize,
        lease: Duration,
    ) -> Result<Vec<Taken>, StoreError> {
        let (kinds, free): (Vec<&str>, Vec<i32>) =
            free.iter().map(|(kind, free)| (*kind, i32::try_from(*free).unwrap_or(i32::MAX))).unzip();
        let rows = self
            .as_jobs()
            .change(
                include_str!("../../sql/queries/task_take.sql"),
                &[
                    (&kinds, Type::TEXT_ARRAY),
                    (&free, Type::INT4_ARRAY),
                    (&count(most), Type::INT8),
                    (&worker, Type::TEXT),
                    (&lease.as_secs_f64(), Type::FLOAT8),
                ],
            )
            .await?;
        rows.iter().map(taken).collect()
    }

    /// Says that their holder lives, and how far each is. Gives those that are held still, each with whether it
    /// is to be let go.
    pub async fn beat_tasks(
        &self,
        held: &[(Held, f32)],
        lease: Duration,
    ) -> Result<Vec<(Uuid, bool)>, StoreError> {
        let ids: Vec<Uuid> = held.iter().map(|(held, _)| held.id).collect();
        let leases: Vec<i64> = held.iter().map(|(held, _)| held.lease).collect();
        let progress: Vec<f32> = held.iter().map(|(_, progress)| *progress).collect();
        let rows = self
            .0
            .beats
            .of(Actor::Jobs)
            .change(
                include_str!("../../sql/queries/task_beat.sql"),
                &[
                    (&ids, Type::UUID_ARRAY),
                    (&leases, Type::INT8_ARRAY),
                    (&progress, Type::FLOAT4_ARRAY),
                    (&lease.as_secs_f64(), Type::FLOAT8),
                ],
            )
            .await?;
        rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("cancel_asked")?))).collect()
    }

    /// Ends a task well and does what it is for, both or neither. `Missing`: it is held no more.
    pub async fn finish_task(
        &self,
        held: Held,
        result: Option<&Value>,
        effects: &[Effect],
    ) -> Result<(), StoreError> {
        let done = json!({"id": held.id, "lease": held.lease, "result": result});
        let mut statements: Vec<(&str, &(dyn ToSql + Sync))> =
            vec![(include_str!("../../sql/queries/task_finish.sql"), &done)];
        statements.extend(effects.iter().map(|effect| (effect.sql, &effect.rows as &(dyn ToSql + Sync))));
        self.as_jobs().execute_all(&statements).await
    }

    /// What became of it: its status, or nothing if it is held no more.
    pub async fn fail_task(
        &self,
        held: Held,
        error: &str,
        retry: Retry,
    ) -> Result<Option<String>, StoreError> {
        let (after, again) = match retry {
            Retry::After(after) => (after, true),
            Retry::Never => (Duration::ZERO, false),
        };
        let rows = self
            .as_jobs()
            .change(
                include_str!("../../sql/queries/task_fail.sql"),
                &[
                    (&held.id, Type::UUID),
                    (&held.lease, Type::INT8),
                    (&error, Type::TEXT),
                    (&after.as_secs_f64(), Type::FLOAT8),
                    (&again, Type::BOOL),
                ],
            )
            .await?;
        Ok(rows.first().map(|row| row.try_get("status")).transpose()?)
    }

    /// As if they had not been taken. Gives how many were held still.
    pub async fn hand_back_tasks(&self, held: &[Held]) -> Result<usize, StoreError> {
        let (ids, leases): (Vec<Uuid>, Vec<i64>) = held.iter().map(|held| (held.id, held.lease)).unzip();
        let sql = include_str!("../../sql/queries/task_hand_back.sql");
        let params = [(&ids as _, Type::UUID_ARRAY), (&leases as _, Type::INT8_ARRAY)];
        Ok(self.as_jobs().change(sql, &params).await?.len())
    }

    /// Takes tasks from holders that have been silent too long. Gives the kind of each, and its status.
    pub async fn expire_tasks(&self) -> Result<Vec<(String, String)>, StoreError> {
        let sql = include_str!("../../sql/queries/task_expire.sql");
        let rows = self.as_jobs().change(sql, &[]).await?;
        rows.iter().map(|row| Ok((row.try_get("kind")?, row.try_get("status")?))).collect()
    }

    pub async fn task_depths(&self) -> Result<Vec<Depth>, StoreError> {
        let rows = self.as_jobs().read(include_str!("../../sql/queries/task_depths.sql"), &[]).await?;
        rows.iter()
            .map(|row| {
                Ok(Depth {
                    kind: row.try_get("kind")?,
                    status: row.try_get("status")?,
                    tasks: row.try_get("tasks")?,
                })
            })
            .collect()
    }

    /// Deletes what ended a month ago, and of schedules what ended well a day ago; so many at most. Gives how
    /// many went.
    pub async fn sweep_tasks(&self, most: usize) -> Result<u64, StoreError> {
        let sql = include_str!("../../sql/queries/task_sweep.sql");
        let before = |days: i64| {
            let days = SignedDuration::from_hours(24 * days);
            clock::now().saturating_sub(days).unwrap_or(Timestamp::MIN)
        };
        let params = [
            (&before(30) as _, Type::TIMESTAMPTZ),
            (&before(1) as _, Type::TIMESTAMPTZ),
            (&count(most) as _, Type::INT8),
        ];
        self.as_jobs().execute(sql, &params).await
    }

    // ── Those whose tasks they are ──────────────────────────────────────────────────────────────

    /// `None`: there is none for them.
    pub async fn task(&self, of: TasksOf, id: Uuid) -> Result<Option<Task>, StoreError> {
        let row = match of {
            TasksOf::Own(who) => {
                let sql = include_str!("../../sql/queries/task_get.sql");
                self.as_user(who).read_opt(sql, &[(&id, Type::UUID), (&who, Type::UUID)]).await?
            }
            TasksOf::Organisation { admin, org } => {
                let sql = include_str!("../../sql/queries/task_get_admin.sql");
                self.as_admin(admin).read_opt(sql, &[(&id, Type::UUID), (&org, Type::UUID)]).await?
            }
        };
        row.as_ref().map(task).transpose()
    }

    /// The newest first.
    pub async fn tasks(
        &self,
        of: TasksOf,
        filter: TaskFilter<'_>,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Page<Task, Uuid>, StoreError> {
        let (scope, sql, whose) = match of {
            TasksOf::Own(who) => (self.as_user(who), include_str!("../../sql/queries/task_list.sql"), who),
            TasksOf::Organisation { admin, org } => {
                (self.as_admin(admin), include_str!("../../sql/queries/task_list_admin.sql"), org)
            }
        };
        let params = [
            (&whose as _, Type::UUID),
            (&filter.status as _, Type::TEXT),
            (&filter.kind as _, Type::TEXT),
            (&after as _, Type::UUID),
            (&one_more(limit) as _, Type::INT8),
        ];
        page(scope.read(sql, &params).await?, limit, task, |last| last.id)
    }

    /// Ends what waits; what runs is to be let go. `None`: there is none of theirs that has not ended.
    pub async fn cancel_task(&self, of: TasksOf, id: Uuid) -> Result<Option<Task>, StoreError> {
        let rows = match of {
            TasksOf::Own(who) => {
                let sql = include_str!("../../sql/queries/task_cancel.sql");
                self.as_user(who).change(sql, &[(&id, Type::UUID), (&who, Type::UUID)]).await?
            }
            TasksOf::Organisation { admin, org } => {
                let sql = include_str!("../../sql/queries/task_cancel_admin.sql");
                self.as_admin(admin).change(sql, &[(&id, Type::UUID), (&org, Type::UUID)]).await?
            }
        };
        rows.first().map(task).transpose()
    }

    /// Puts a dead one back. `None`: there is none of theirs that is dead.
    pub async fn requeue_task(&self, admin: Uuid, org: Uuid, id: Uuid) -> Result<Option<Task>, StoreError> {
        let sql = include_str!("../../sql/queries/task_requeue.sql");
        let rows = self.as_admin(admin).change(sql, &[(&id, Type::UUID), (&org, Type::UUID)]).await?;
        rows.first().map(task).transpose()
    }
}

fn taken(row: &Row) -> Result<Taken, StoreError> {
    let waited: f64 = row.try_get("waited")?;
    Ok(Taken {
        held: Held { id: row.try_get("id")?, lease: row.try_get("lease")? },
        kind: row.try_get("kind")?,
        org: row.try_get("org_id")?,
        owner: row.try_get("owner_id")?,
        payload: row.try_get("payload")?,
        attempts: row.try_get("attempts")?,
        max_attempts: row.try_get("max_attempts")?,
        waited: Duration::try_from_secs_f64(waited).unwrap_or_default(),
    })
}

fn task(row: &Row) -> Result<Task, StoreError> {
    Ok(Task {
        id: row.try_get("id")?,
        kind: row.try_get("kind")?,
        status: row.try_get("status")?,
        progress: row.try_get("progress")?,
        attempts: row.try_get("attempts")?,
        error: row.try_get("error")?,
        result: row.try_get("result")?,
        run_at: row.try_get("run_at")?,
        created_at: row.try_get("created_at")?,
        started_at: row.try_get("started_at")?,
        ended_at: row.try_get("ended_at")?,
    })
}
