//! Tasks: what somebody's work in the background has come to, for whoever it is for and for their admin.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::audit::Event;
use crate::auth::{self, Place};
use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::{Principal, Role};
use crate::problem::Problem;
use crate::shutdown::Phase;
use crate::store::{self, TaskFilter, TasksOf};

use super::chat::sse;
use super::input::{Id, ValidQuery};
use super::page::{Page, limit};

/// Whoever watches a task is told of it so often at most …
const LOOK_EVERY: Duration = Duration::from_millis(700);
/// … and again after this long without news: a proxy hangs up on who says nothing.
const SAID_AGAIN: Duration = Duration::from_secs(20);
/// A stream ends after this long; whoever still watches opens another.
const LONGEST: Duration = Duration::from_secs(900);
/// Streams at once; who comes beyond is told to come back.
static WATCHED: Semaphore = Semaphore::const_new(128);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TaskStatus {
    Queued,
    Running,
    Succeeded,
    /// After its last attempt, or called off: then `error.code` is `cancelled`.
    Failed,
}

impl TaskStatus {
    fn as_str(self) -> &'static str {
        match self {
            TaskStatus::Queued => "queued",
            TaskStatus::Running => "running",
            TaskStatus::Succeeded => "succeeded",
            TaskStatus::Failed => "failed",
        }
    }
}

#[derive(PartialEq, Serialize, utoipa::ToSchema)]
pub(super) struct Task {
    id: Uuid,
    kind: String,
    status: TaskStatus,
    /// From 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    progress: f32,
    /// How often it was begun.
    attempts: i32,
    /// Of the last attempt; one that waits for the next has it as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<TaskError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    result: Option<Value>,
    /// While it waits: not before.
    #[schema(value_type = String, format = DateTime)]
    run_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

#[derive(PartialEq, Serialize, utoipa::ToSchema)]
pub(super) struct TaskError {
    /// Stable, snake_case: `cancelled`, `timed_out`, `lease_lost`, `gone`, `model_unavailable`, …
    code: String,
    message: &'static str,
}

impl From<store::Task> for Task {
    fn from(row: store::Task) -> Task {
        Task {
            id: row.id,
            kind: row.kind,
            status: match row.status.as_str() {
                "queued" => TaskStatus::Queued,
                "running" => TaskStatus::Running,
                "succeeded" => TaskStatus::Succeeded,
                _ => TaskStatus::Failed,
            },
            progress: row.progress,
            attempts: row.attempts,
            error: row.error.map(|code| TaskError { message: said(&code), code }),
            result: row.result,
            run_at: row.run_at,
            created_at: row.created_at,
            started_at: row.started_at,
            ended_at: row.ended_at,
        }
    }
}

impl Task {
    fn is_over(&self) -> bool {
        matches!(self.status, TaskStatus::Succeeded | TaskStatus::Failed)
    }
}

/// A code, for people.
fn said(code: &str) -> &'static str {
    match code {
        "cancelled" => "It was called off.",
        "timed_out" => "It took too long.",
        "lease_lost" => "The server that worked on it stopped in the middle.",
        "gone" => "What it was about is not there any more.",
        "storage_unavailable" => "The database or the storage was away.",
        "unreadable" => "The file cannot be read.",
        "too_large" => "It is too large.",
        "nothing_to_read" => "There are no words that it could be made of.",
        "not_allowed" => "Whoever asked for it may not ask the model now.",
        "content_blocked" => "The model may not speak of this.",
        code if code.starts_with("model_") => "The model did not answer as it should.",
        _ => "It could not be done.",
    }
}

/// An admin asks for the school's, everybody else for their own.
fn of(who: &Principal) -> TasksOf {
    match who.role {
        Role::Admin => TasksOf::Organisation { admin: who.user_id, org: who.org_id },
        Role::Student | Role::Tutor => TasksOf::Own(who.user_id),
    }
}

#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TasksQuery {
    #[garde(range(min = 1, max = 100))]
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[param(min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
    #[garde(skip)]
    #[param(inline)]
    status: Option<TaskStatus>,
    #[garde(inner(length(min = 1, max = 64), custom(kinds_letters)))]
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z_]+$")]
    kind: Option<String>,
}

fn kinds_letters(kind: &str, _: &()) -> garde::Result {
    match kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        true => Ok(()),
        false => Err(garde::Error::new("has other letters than a kind has")),
    }
}

/// One event of a watched task.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "for the document alone: events are written as they come")]
struct TaskEvent {
    /// The task as `GET /tasks/{id}` gives it: JSON.
    data: String,
}

/// One's own tasks, to an admin the school's; the newest first.
#[utoipa::path(get, path = "/tasks", tag = "tasks", params(TasksQuery), responses((status = 200, body = Page<Task>)))]
pub(super) async fn list(
    State(app): State<App>,
    who: Principal,
    ValidQuery(query): ValidQuery<TasksQuery>,
) -> Result<Json<Page<Task>>, Problem> {
    let after = super::page::after(query.cursor.as_deref())?;
    let filter = TaskFilter { status: query.status.map(TaskStatus::as_str), kind: query.kind.as_deref() };
    let page = app.store.tasks(of(&who), filter, after, limit(query.limit)).await?;
    Ok(Json(Page::of(page, Task::from)))
}

/// What a task has come to. For whoever it is for, and their admin.
#[utoipa::path(
    get, path = "/tasks/{id}", tag = "tasks", params(("id" = Uuid, Path)),
    responses((status = 200, body = Task))
)]
pub(super) async fn get(State(app): State<App>, who: Principal, Id(task): Id) -> Result<Json<Task>, Problem> {
    let row = app.store.task(of(&who), task).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(row.into()))
}

/// A task as it goes on: the whole of it at once and whenever it changed, until it has ended (or a quarter of an
/// hour; then ask again).
#[utoipa::path(
    get, path = "/tasks/{id}/events", tag = "tasks", params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = TaskEvent, content_type = "text/event-stream"),
        (status = 503, description = "`overloaded`: too many are watched, by everybody or by this person (8)"),
    )
)]
pub(super) async fn events(
    State(app): State<App>,
    who: Principal,
    Id(task): Id,
) -> Result<Response, Problem> {
    let first = app.store.task(of(&who), task).await?.ok_or_else(Problem::not_found)?;
    let own = app.auth.limits().watch(who.user_id)?;
    let place = (own, WATCHED.try_acquire().map_err(|_| Problem::overloaded())?);
    let rights_end = app.auth.rights_end(&who);
    let mut shutdown = app.shutdown.clone();
    let end = async move {
        tokio::select! { () = rights_end => {}, () = shutdown.reached(Phase::Draining) => {} }
    };
    Ok(sse(told(app, of(&who), first.into(), place).take_until(Box::pin(end))))
}

/// Each look asks as the one who watches: what they may not see any more ends it.
fn told(
    app: App,
    of: TasksOf,
    first: Task,
    place: (Place<Uuid>, SemaphorePermit<'static>),
) -> impl Stream<Item = Bytes> + Send + 'static {
    struct Watch {
        app: App,
        of: TasksOf,
        last: Task,
        begun: Instant,
        _place: (Place<Uuid>, SemaphorePermit<'static>),
    }
    let head = stream::iter([line(&first)]);
    let watch = Watch { app, of, last: first, begun: Instant::now(), _place: place };
    let rest = stream::unfold(watch, |mut watch| async move {
        let said = Instant::now();
        while !watch.last.is_over() && watch.begun.elapsed() < LONGEST {
            sleep(LOOK_EVERY).await;
            // A database that is away ends the stream, like any cut.
            let now: Task = watch.app.store.task(watch.of, watch.last.id).await.ok()??.into();
            if now != watch.last || said.elapsed() >= SAID_AGAIN {
                watch.last = now;
                return Some((line(&watch.last), watch));
            }
        }
        None
    });
    head.chain(rest)
}

fn line(task: &Task) -> Bytes {
    serde_json::to_vec(task).unwrap_or_default().into()
}

/// Calls a task off. One that waits ends at once; one that runs within seconds.
#[utoipa::path(
    post, path = "/tasks/{id}/cancel", tag = "tasks", params(("id" = Uuid, Path)),
    responses((status = 200, body = Task), (status = 409, description = "`conflict`: it has ended"))
)]
pub(super) async fn cancel(
    State(app): State<App>,
    who: Principal,
    Id(task): Id,
) -> Result<Json<Task>, Problem> {
    app.store.task(of(&who), task).await?.ok_or_else(Problem::not_found)?;
    let row = app.store.cancel_task(of(&who), task).await?;
    let row = row.ok_or_else(|| Problem::conflict().because("The task has ended."))?;
    if who.role == Role::Admin {
        app.audit.record(&who, &Event::TaskCancelled { task });
    }
    Ok(Json(row.into()))
}

/// Puts a task back that failed or was called off, with all its attempts before it. By an admin.
#[utoipa::path(
    post, path = "/tasks/{id}/requeue", tag = "tasks", params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = Task),
        (status = 403, description = "`forbidden`: admins alone"),
        (status = 409, description = "`conflict`: it has not failed"),
    )
)]
pub(super) async fn requeue(
    State(app): State<App>,
    who: Principal,
    Id(task): Id,
) -> Result<Json<Task>, Problem> {
    auth::admin(&who)?;
    app.store.task(of(&who), task).await?.ok_or_else(Problem::not_found)?;
    let row = app.store.requeue_task(who.user_id, who.org_id, task).await?;
    let row = row.ok_or_else(|| Problem::conflict().because("The task has not failed."))?;
    app.audit.record(&who, &Event::TaskRequeued { task });
    Ok(Json(row.into()))
}
