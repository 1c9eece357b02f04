//! What the model makes to practise with: worksheets of pictures, cards and questions of content.

mod sets;
mod worksheets;

use fynq::jobs::{KINDS, Worker};
use serde_json::{Value, json};

use crate::support::app::{Builder, TestApp};
use crate::support::client::Client;

/// Jobs are done when a test has a worker.
fn quiet() -> Builder {
    TestApp::builder().settings(|settings| settings.worker.poll = std::time::Duration::from_millis(30))
}

fn work(app: &TestApp) -> tokio::task::JoinHandle<()> {
    tokio::spawn(Worker::new(app.server().app().clone(), KINDS).run())
}

/// So many tasks of this kind are in this state.
async fn tasks(app: &TestApp, kind: &str, status: &str, many: i64) {
    let sql = format!("SELECT count(*) FROM tasks WHERE kind = '{kind}' AND status = '{status}'");
    crate::tasks::until(app, &sql, many).await;
}

/// The first number of what a statement gives to somebody, by row level security alone; `None`: it is refused.
async fn count_as(app: &TestApp, who: &Client, sql: &str) -> Option<i64> {
    let client = app.database.client().await;
    let claims = format!(
        "BEGIN; SET LOCAL ROLE fynq_user; \
         SELECT set_config('request.jwt.claims', '{{\"sub\":\"{}\"}}', true)",
        who.user_id
    );
    client.batch_execute(&claims).await.unwrap();
    client.query_typed_one(sql, &[]).await.ok().map(|row| row.get(0))
}

/// Of one task alone: it may be tried again at once.
async fn again(app: &TestApp) {
    app.execute("UPDATE tasks SET run_at = now() WHERE status = 'queued'").await;
}

fn problems(texts: &[&str]) -> Value {
    let list: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(at, text)| json!({"label": (at + 1).to_string(), "text": text}))
        .collect();
    json!(list)
}
