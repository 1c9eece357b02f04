//! The store against a real PostgreSQL.

mod local;
mod locks;
mod outage;
mod policies;
mod queries;
mod quotas;
mod relay;
mod schema;
mod spy;
mod staff;
mod tasks;
mod tls;
mod tutoring;
mod tutoring_locks;
mod writer;

use std::path::Path;

use fynq::clock;
use fynq::config;
use fynq::id::{self, Uuid};
use fynq::protocol::{AuthorKind, MessageRole, Status};
use fynq::store::{MessageState, NewMessage, NewSession, Op, Store};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::support::pg::Db;

/// A store on a database of its own, with one student.
struct Fixture {
    store: Store,
    student: Uuid,
    /// Beside the store, to look and to meddle.
    sql: Client,
    db: Db,
}

impl Fixture {
    async fn new() -> Fixture {
        let db = Db::new().await;
        let store = open(&db.settings()).await;
        let sql = db.client().await;
        let student = add_student(&sql).await;
        Fixture { store, student, sql, db }
    }

    async fn session(&self) -> Uuid {
        new_session(&self.store, self.student).await
    }

    /// The columns of one message that change.
    async fn state_of(&self, session: Uuid, id: Uuid) -> (String, String, bool) {
        let sql = "SELECT content, status, superseded FROM messages WHERE session_id = $1 AND id = $2";
        let row = self.sql.query_typed_one(sql, &[(&session, Type::UUID), (&id, Type::UUID)]).await.unwrap();
        (row.get(0), row.get(1), row.get(2))
    }
}

async fn open(settings: &config::Database) -> Store {
    Store::connect(settings, Path::new("/nowhere")).await.unwrap()
}

async fn add_student(sql: &Client) -> Uuid {
    let (id, email) = (id::new(), format!("ada+{}@example.org", id::new().simple()));
    let insert = "INSERT INTO users (id, email, role, created_at, updated_at) VALUES ($1, $2, 'student', now(), now())";
    sql.execute_typed(insert, &[(&id, Type::UUID), (&email, Type::TEXT)]).await.unwrap();
    id
}

async fn new_session(store: &Store, student_id: Uuid) -> Uuid {
    store.create_session(NewSession { student_id, title: None, subject: None }).await.unwrap().id
}

/// A student's message in the session's `ord`-th place.
fn question(session_id: Uuid, ord: i64) -> NewMessage {
    let id = id::new();
    NewMessage {
        session_id,
        id,
        ord,
        run_id: id,
        role: MessageRole::User,
        author_id: None,
        author_kind: AuthorKind::Student,
        content: format!("question {ord}").into(),
        status: Status::Complete,
        edits: None,
        files: [].into(),
        created_at: clock::now(),
        charged: true,
    }
}

/// The assistant's, still being written.
fn answer(session_id: Uuid, ord: i64) -> NewMessage {
    NewMessage {
        role: MessageRole::Assistant,
        author_kind: AuthorKind::Assistant,
        content: "".into(),
        status: Status::Streaming,
        charged: false,
        ..question(session_id, ord)
    }
}

fn state(of: &NewMessage, content: &str, status: Status) -> Op {
    Op::Update(MessageState {
        session_id: of.session_id,
        id: of.id,
        content: content.into(),
        status,
        finish_reason: None,
        error: None,
        usage: None,
        model: None,
    })
}
