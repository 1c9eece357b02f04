//! Workers at work, and what the outside sees of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fynq::id::Uuid;
use fynq::jobs::{Done, Fault, KINDS, Kind, Worker};
use fynq::store::{Effect, NewTask};
use serde_json::{Value, json};

use crate::support::app::{Builder, Scratch, TestApp};
use crate::support::model::Model;
use crate::support::pg;
use crate::support::process::Process;
use crate::support::school::School;
use crate::support::socket::{PATIENCE, new_id};

const NEVER: Duration = Duration::from_secs(3600);

/// A worker that looks by itself once, and then does what it is told of.
fn told() -> Builder {
    TestApp::builder().settings(|settings| {
        settings.worker.poll = NEVER;
        settings.worker.lease = NEVER;
        settings.worker.at_once = 8;
    })
}

const fn kind(name: &'static str, run: fn(fynq::jobs::Job) -> Run) -> Kind {
    Kind { name, at_once: 2, time: NEVER, attempts: 3, every: None, run }
}

type Run = futures_util::future::BoxFuture<'static, Result<Done, Fault>>;

/// At this moment, and at most.
static BUSY: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// Kinds of the tests' own.
static MADE: [Kind; 8] = [
    kind("noted", |job| {
        Box::pin(async move {
            let sql = "INSERT INTO public.effects SELECT ($1::jsonb ->> 'task')::uuid";
            Ok(Done::telling(json!({"ok": true}))
                .and(Effect { sql, rows: json!({"task": job.task.held.id}) }))
        })
    }),
    kind("endless", |job| {
        Box::pin(async move {
            job.progress.tell(1, 2);
            std::future::pending().await
        })
    }),
    kind("busy", |_| {
        Box::pin(async {
            let now = BUSY.fetch_add(1, Ordering::SeqCst) + 1;
            MOST.fetch_max(now, Ordering::SeqCst);
            // Work that takes a moment, so that others could begin meanwhile.
            tokio::time::sleep(Duration::from_millis(5)).await;
            BUSY.fetch_sub(1, Ordering::SeqCst);
            Ok(Done::default())
        })
    }),
    kind("panicking", |_| Box::pin(async { panic!("as it is meant to") })),
    // Before there is anything that could be caught.
    kind("breaking", |_| panic!("as it is meant to")),
    kind("refused", |_| Box::pin(async { Err(Fault::lasting("gone")) })),
    Kind { time: Duration::from_millis(1), ..kind("slow", |_| Box::pin(std::future::pending())) },
    Kind { every: Some(NEVER), ..kind("scheduled", |_| Box::pin(async { Ok(Done::default()) })) },
];

/// Puts one there; gives its id.
async fn enqueue(app: &TestApp, kind: &str) -> Uuid {
    app.server().app().store.enqueue(&NewTask::of(kind)).await.unwrap()
}

fn work(app: &TestApp) -> tokio::task::JoinHandle<()> {
    tokio::spawn(Worker::new(app.server().app().clone(), &MADE).run())
}

/// Waits until this counts so many.
pub(crate) async fn until(app: &TestApp, sql: &str, wanted: i64) {
    let client = app.database.client().await;
    let so = async {
        while client.query_typed_one(sql, &[]).await.expect(sql).get::<_, i64>(0) != wanted {
            // Another process's rows cannot be awaited, only asked for.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, so).await;
    if waited.is_err() {
        let rows = client.query_typed("SELECT to_jsonb(t)::text FROM tasks t", &[]).await.unwrap();
        let rows: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        panic!("never {wanted}: {sql}\n{}", rows.join("\n"));
    }
}

async fn effects(app: &TestApp) {
    app.execute("CREATE TABLE public.effects (task uuid); GRANT INSERT ON public.effects TO fynq_jobs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_hears_of_a_task_at_once() {
    let app = told().start().await;
    effects(&app).await;
    let _worker = work(&app);
    // Without a word only the first look, the end of a job and a new ear find something.
    for done in 1..=6 {
        enqueue(&app, "noted").await;
        until(&app, "SELECT count(*) FROM effects", done).await;
    }
    assert_eq!(
        app.count("SELECT count(*) FROM tasks WHERE status = 'succeeded' AND kind = 'noted'").await,
        6
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hears_nothing_looks_now_and_then() {
    let app = told().settings(|settings| settings.worker.poll = Duration::from_millis(30)).start().await;
    effects(&app).await;
    let _worker = work(&app);
    for done in 1..=6 {
        let sql = "INSERT INTO tasks (id, kind) VALUES (gen_random_uuid(), 'noted')";
        app.execute(sql).await;
        until(&app, "SELECT count(*) FROM effects", done).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kind_runs_more_than_its_number_at_once() {
    let app = told().start().await;
    for _ in 0..12 {
        enqueue(&app, "busy").await;
    }
    let _worker = work(&app);
    until(&app, "SELECT count(*) FROM tasks WHERE status = 'succeeded' AND kind = 'busy'", 12).await;
    assert_eq!(MOST.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_panics_or_takes_too_long_is_tried_again_and_what_cannot_be_is_not() {
    let app = told().start().await;
    let [panicking, slow, refused] =
        [enqueue(&app, "panicking").await, enqueue(&app, "slow").await, enqueue(&app, "refused").await];
    let worker = work(&app);
    until(&app, "SELECT count(*) FROM tasks WHERE error IS NOT NULL", 3).await;
    for (task, error, status) in
        [(panicking, "panicked", "queued"), (slow, "timed_out", "queued"), (refused, "gone", "failed")]
    {
        let so = format!(
            "SELECT count(*) FROM tasks WHERE id = '{task}' AND error = '{error}' AND status = '{status}' \
             AND attempts = 1 AND (status = 'failed' \
             OR run_at BETWEEN now() + interval '3 s' AND now() + interval '16 s')"
        );
        assert_eq!(app.count(&so).await, 1, "{error}");
    }
    assert!(!worker.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_task_is_let_go_when_it_is_called_off() {
    let app = told().start().await;
    let ada = app.student("ada").await;
    let new = NewTask {
        owner: Some(ada.user_id.parse().unwrap()),
        org: Some("00000000-0000-7000-8000-000000000001".parse().unwrap()),
        ..NewTask::of("endless")
    };
    let task = app.server().app().store.enqueue(&new).await.unwrap();
    let _worker = work(&app);
    until(&app, "SELECT count(*) FROM tasks WHERE status = 'running'", 1).await;
    // Its ear is at the wall before anything is said.
    let listens = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND state = 'idle' AND query LIKE 'SELECT pg_notify(%'";
    until(&app, listens, 1).await;
    let asked = ada.post(&format!("/tasks/{task}/cancel"), json!({})).await.ok(200);
    assert_eq!(asked["status"], "running");
    until(&app, "SELECT count(*) FROM tasks WHERE status = 'cancelled'", 1).await;
    let seen = ada.get(&format!("/tasks/{task}")).await.ok(200);
    assert_eq!((&seen["status"], &seen["error"]["code"]), (&json!("failed"), &json!("cancelled")));
    assert_eq!(seen["progress"], 0.5);
    ada.post(&format!("/tasks/{task}/cancel"), json!({})).await.assert_problem(409, "conflict");
}

/// Sessions of this student in which something was said, each with its task to be summarized.
fn quiet_sessions(student: &str, many: usize) -> String {
    format!(
        "INSERT INTO sessions (id, student_id, created_at, updated_at) \
         SELECT gen_random_uuid(), '{student}', now(), now() FROM generate_series(1, {many}); \
         INSERT INTO messages (session_id, id, ord, run_id, role, author_id, author_kind, content, status, created_at) \
         SELECT s.id, gen_random_uuid(), 1, gen_random_uuid(), 'user', s.student_id, 'student', \
                'What is a prime?', 'complete', now() FROM sessions s; \
         SELECT fynq.enqueue_task(gen_random_uuid(), 'session_summary', s.org_id, NULL, \
                jsonb_build_object('session', s.id, 'upto', 1), NULL) FROM sessions s"
    )
}

const ANSWER: &str = r#"{"title": "Primes", "summary": "They asked what a prime is."}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_hands_back_what_it_holds() {
    let mut app = TestApp::builder().settings(|settings| settings.worker.on = true).start().await;
    let ada = app.student("ada").await;
    app.execute(&quiet_sessions(&ada.user_id, 1)).await;
    let mut call = app.model.call().await;
    let held = "kind = 'session_summary' AND worker IS NOT NULL AND attempts = 1 AND status = 'running'";
    assert_eq!(app.count(&format!("SELECT count(*) FROM tasks WHERE {held}")).await, 1);
    app.stop().await;
    call.hung_up().await;
    let back = "kind = 'session_summary' AND worker IS NULL AND attempts = 0 AND status = 'queued'";
    assert_eq!(app.count(&format!("SELECT count(*) FROM tasks WHERE {back}")).await, 1);
    // And another takes it up.
    app.start_again().await;
    app.model.call().await.answer(ANSWER).await;
    until(&app, "SELECT count(*) FROM session_summaries WHERE text = 'They asked what a prime is.'", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_session_is_summarized_for_those_who_may_read_it() {
    let school = School::of(TestApp::builder().settings(|settings| {
        settings.worker.on = false;
        settings.model.attempts = 1;
    }))
    .await;
    let mut app = school.app;
    let path = format!("/sessions/{}/summary", school.session);
    let said = tokio::spawn({
        let (ada, session) = (school.ada.clone(), school.session.clone());
        async move {
            ada.post("/chat/message", json!({"session_id": session, "text": "What is a prime?"}))
                .await
                .ok(200)
        }
    });
    app.model.call().await.answer("What do *you* think?").await;
    said.await.unwrap();
    school.ada.get(&path).await.assert_problem(404, "not_found");
    app.execute(&format!(
        "UPDATE sessions SET updated_at = now() - interval '31 min', title = NULL WHERE id = '{0}'; \
         INSERT INTO whispers (id, session_id, tutor_id, text, until, kind, state, created_at) \
         VALUES (gen_random_uuid(), '{0}', '{1}', 'secretly', 'next', 'whisper', 'used', now())",
        school.session, school.tia.user_id
    ))
    .await;
    let worker = tokio::spawn(Worker::new(app.server().app().clone(), KINDS).run());
    let call = app.model.call().await;
    let asked = call.request.to_string();
    assert!(asked.contains("What is a prime?") && asked.contains("What do *you* think?"), "{asked}");
    assert!(!asked.contains("secretly"), "{asked}");
    call.answer(ANSWER).await;
    until(&app, "SELECT count(*) FROM session_summaries", 1).await;
    for who in [&school.ada, &school.tia, &school.root] {
        let summary = who.get(&path).await.ok(200);
        assert_eq!(summary["text"], "They asked what a prime is.");
        assert_eq!(summary["model"], "gemini-test");
    }
    for who in [&school.bob, &school.uwe, &school.eve, &school.tom, &school.rex] {
        who.get(&path).await.assert_problem(404, "not_found");
    }
    let session = school.ada.get(&format!("/sessions/{}", school.session)).await.ok(200);
    assert_eq!(session["title"], "Primes");
    // Nothing was said since: another look finds nothing.
    app.execute("UPDATE tasks SET unique_key = NULL WHERE kind = 'quiet_sessions'").await;
    let again = tokio::spawn(Worker::new(app.server().app().clone(), KINDS).run());
    until(&app, "SELECT count(*) FROM tasks WHERE kind = 'quiet_sessions' AND status = 'succeeded'", 2).await;
    assert_eq!(app.count("SELECT count(*) FROM tasks WHERE kind = 'session_summary'").await, 1);
    assert!(!app.model.was_called() && !worker.is_finished() && !again.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_word_of_who_did_not_consent_goes_to_the_model() {
    let mut app = TestApp::builder().settings(|settings| settings.worker.on = true).start().await;
    let ada = app.student("ada").await;
    app.execute("UPDATE organisations SET consent_required = true").await;
    app.execute(&quiet_sessions(&ada.user_id, 1)).await;
    let skipped = "SELECT count(*) FROM tasks WHERE result = '{\"skipped\": \"no_consent\"}'";
    until(&app, skipped, 1).await;
    assert!(!app.model.was_called());
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_listed_watched_called_off_and_put_back_by_those_who_may() {
    let school = School::start().await;
    let put =
        async |owner: &str, org: &str, status: &str| {
            let id = fynq::id::new().to_string();
            let over = status == "succeeded" || status == "failed";
            let (ended, error) = if over { ("now()", "'model_timeout'") } else { ("NULL", "NULL") };
            school.app.execute(&format!(
            "INSERT INTO tasks (id, kind, org_id, owner_id, status, progress, attempts, ended_at, error) \
             VALUES ('{id}', 'document_parse', {org}, {owner}, '{status}', 0.5, 1, {ended}, {error})"
        )).await;
            id
        };
    let here = "'00000000-0000-7000-8000-000000000001'";
    let ada = format!("'{}'", school.ada.user_id);
    let (dead, waiting) = (put(&ada, here, "failed").await, put(&ada, here, "queued").await);
    let installations = put("NULL", "NULL", "failed").await;

    let items = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    let list = school.ada.get("/tasks").await.ok(200);
    assert_eq!(items(&list), [waiting.clone(), dead.clone()], "the newest first");
    let one = &list["items"][1];
    assert_eq!(
        *one,
        json!({"id": dead, "kind": "document_parse", "status": "failed", "progress": 0.5, "attempts": 1,
            "error": {"code": "model_timeout", "message": "The model did not answer as it should."},
            "run_at": one["run_at"], "created_at": one["created_at"], "ended_at": one["ended_at"]})
    );
    assert_eq!(school.ada.get(&format!("/tasks/{dead}")).await.ok(200), *one);
    assert_eq!(items(&school.root.get("/tasks?status=failed").await.ok(200)), std::slice::from_ref(&dead));
    assert_eq!(items(&school.root.get("/tasks?kind=other").await.ok(200)), [""; 0]);
    let first = school.root.get("/tasks?limit=1").await.ok(200);
    let next = first["next_cursor"].as_str().unwrap();
    let rest = school.root.get(&format!("/tasks?limit=1&cursor={next}")).await.ok(200);
    assert_eq!((items(&first), items(&rest)), (vec![waiting.clone()], vec![dead.clone()]));
    for bad in ["status=cancelled", "status=1", "limit=0", "kind=", "cursor=x"] {
        school.root.get(&format!("/tasks?{bad}")).await.assert_problem(422, "invalid_input");
    }

    // What is another school's, another's, or the installation's of two schools: nothing is there.
    for who in [&school.bob, &school.tia, &school.eve, &school.rex] {
        assert_eq!(items(&who.get("/tasks").await.ok(200)), [""; 0]);
        who.get(&format!("/tasks/{dead}")).await.assert_problem(404, "not_found");
        who.get(&format!("/tasks/{dead}/events")).await.assert_problem(404, "not_found");
        who.post(&format!("/tasks/{waiting}/cancel"), json!({})).await.assert_problem(404, "not_found");
    }
    school.rex.post(&format!("/tasks/{dead}/requeue"), json!({})).await.assert_problem(404, "not_found");
    school.root.get(&format!("/tasks/{installations}")).await.assert_problem(404, "not_found");
    school.ada.post(&format!("/tasks/{dead}/requeue"), json!({})).await.assert_problem(403, "forbidden");

    // A stream tells at once, whenever something changes, and ends with the task.
    let mut events = school.ada.request(http::Method::GET, &format!("/tasks/{waiting}/events"));
    events = events.header("accept", "text/event-stream");
    let mut stream = events.send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut next = async || {
        let chunk =
            tokio::time::timeout(PATIENCE, stream.chunk()).await.expect("nothing is told").unwrap()?;
        let text = String::from_utf8(chunk.to_vec()).unwrap();
        let line = text.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap();
        Some(serde_json::from_str::<Value>(line).unwrap())
    };
    assert_eq!(next().await.unwrap()["status"], "queued");
    let off = school.root.post(&format!("/tasks/{waiting}/cancel"), json!({})).await.ok(200);
    assert_eq!((&off["status"], &off["error"]["code"]), (&json!("failed"), &json!("cancelled")));
    assert_eq!(next().await.unwrap(), off);
    assert_eq!(next().await, None);

    let back = school.root.post(&format!("/tasks/{dead}/requeue"), json!({})).await.ok(200);
    assert_eq!((&back["status"], &back["attempts"], back.get("error")), (&json!("queued"), &json!(0), None));
    school.root.post(&format!("/tasks/{dead}/requeue"), json!({})).await.assert_problem(409, "conflict");
    school.app.server().app().audit.flush().await;
    let rows = school.root.get("/audit?limit=2").await.ok(200);
    for (row, (event, task)) in
        rows["items"].as_array().unwrap().iter().zip([("task_requeued", &dead), ("task_cancelled", &waiting)])
    {
        assert_eq!((&row["event"], &row["subject"]), (&json!(event), &json!({"kind": "task", "id": task})));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_of_the_only_school_sees_the_installations_own() {
    let app = told().start().await;
    let root = app.student("root").await;
    app.execute(&format!("UPDATE users SET role = 'admin' WHERE id = '{}'", root.user_id)).await;
    let task = enqueue(&app, "refused").await;
    assert_eq!(root.get(&format!("/tasks/{task}")).await.ok(200)["kind"], "refused");
}

/// Real processes, killed in the middle: each job's effects are there once.
#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_a_killed_worker_are_done_once() {
    let (database, model, scratch) = (pg::Db::new().await, Model::start().await, Scratch::new());
    let (base_url, dir, url) = (model.url(), scratch.0.display().to_string(), database.app_url());
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("GEMINI_BASE_URL", &base_url),
        ("FYNQ_DATA_DIR", &dir),
        ("FYNQ_TASK_LEASE_S", "1"),
        ("FYNQ_TASK_POLL_S", "0.2"),
    ];
    tokio::spawn(async move {
        let mut model = model;
        while let Some(call) = model.call_ever().await {
            tokio::spawn(call.answer(ANSWER));
        }
    });
    let sql = database.client().await;
    let count = async |what: &str| {
        let sql_text = format!("SELECT count(*) FROM {what}");
        sql.query_typed_one(&sql_text, &[]).await.expect(what).get::<_, i64>(0)
    };
    let student = new_id();
    // Every write of a summary leaves a row beside it.
    sql.batch_execute(&format!(
        "CREATE TABLE public.effects (session uuid); GRANT INSERT ON public.effects TO fynq_jobs; \
         CREATE FUNCTION effect() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN INSERT INTO public.effects VALUES (NEW.session_id); RETURN NEW; END $$; \
         CREATE TRIGGER effect AFTER INSERT OR UPDATE ON session_summaries \
         FOR EACH ROW EXECUTE FUNCTION effect(); \
         INSERT INTO users (id, email, role, created_at, updated_at) \
         VALUES ('{student}', 'ada@example.org', 'student', now(), now()); {}",
        quiet_sessions(&student, 200)
    ))
    .await
    .unwrap();
    let mut first = Process::start_as("worker", &settings).await;
    let enough = async {
        while count("effects").await < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, enough).await.expect("the first worker does nothing");
    // In the middle of some.
    let mut tries = 0;
    while count("tasks WHERE status = 'running' AND kind = 'session_summary'").await == 0 && tries < 1000 {
        tries += 1;
    }
    first.kill().await;
    let left = count("tasks WHERE status IN ('queued', 'running') AND kind = 'session_summary'").await;
    assert!(left > 0, "it had done everything");
    let mut second = Process::start_as("worker", &settings).await;
    let over = async {
        while count("tasks WHERE status IN ('queued', 'running') AND kind = 'session_summary'").await > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE * 3, over).await.unwrap_or_else(|_| panic!("{}", second.output()));
    assert_eq!(count("tasks WHERE status = 'succeeded' AND kind = 'session_summary'").await, 200);
    assert_eq!(count("effects").await, 200, "each once");
    assert_eq!(count("(SELECT DISTINCT session FROM effects) e").await, 200);
    second.terminate();
    assert!(second.ended(PATIENCE).await.success(), "{}", second.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_makes_one_task_however_many_work() {
    let app = told().start().await;
    let _workers = [work(&app), work(&app), work(&app)];
    until(&app, "SELECT count(*) FROM tasks WHERE status = 'succeeded' AND kind = 'scheduled'", 1).await;
    app.execute("UPDATE tasks SET unique_key = 'of another turn'").await;
    let fourth = work(&app);
    until(&app, "SELECT count(*) FROM tasks WHERE status = 'succeeded' AND kind = 'scheduled'", 2).await;
    assert!(!fourth.is_finished());
}

/// Its lease of an hour is not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_breaks_off_has_failed_at_once() {
    let app = told().start().await;
    let worker = work(&app);
    enqueue(&app, "breaking").await;
    let failed = "SELECT count(*) FROM tasks WHERE kind = 'breaking' AND status = 'queued' \
                  AND error = 'panicked' AND attempts = 1 AND run_at > now()";
    until(&app, failed, 1).await;
    // And its place is free: two at once are all that there are of a kind.
    for _ in 0..3 {
        enqueue(&app, "breaking").await;
    }
    until(&app, failed, 4).await;
    assert!(!worker.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_person_watches_eight_tasks() {
    let app = told().start().await;
    let (ada, bob) = (app.student("ada").await, app.student("bob").await);
    let put = async |who: &crate::support::client::Client| {
        let org = Some("00000000-0000-7000-8000-000000000001".parse().unwrap());
        let new = NewTask { owner: Some(who.user_id.parse().unwrap()), org, ..NewTask::of("endless") };
        app.server().app().store.enqueue(&new).await.unwrap()
    };
    let (mine, other) = (put(&ada).await, put(&bob).await);
    let watch = async |who: &crate::support::client::Client, task: Uuid| {
        who.request(http::Method::GET, &format!("/tasks/{task}/events")).send().await.unwrap()
    };
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(watch(&ada, mine).await);
        assert_eq!(streams.last().unwrap().status(), 200);
    }
    let refused = watch(&ada, mine).await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "overloaded");
    assert_eq!(watch(&bob, other).await.status(), 200);
    // Who goes makes room.
    drop(streams.pop());
    let begun = std::time::Instant::now();
    while watch(&ada, mine).await.status() != 200 {
        assert!(begun.elapsed() < PATIENCE, "the place is not free again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whoever watches sees it move long before the next heartbeat.
#[tokio::test(flavor = "multi_thread")]
async fn how_far_a_job_is_is_told_when_it_moves() {
    let app = told().start().await;
    let worker = work(&app);
    enqueue(&app, "endless").await;
    until(&app, "SELECT count(*) FROM tasks WHERE status = 'running' AND progress = 0.5", 1).await;
    assert!(!worker.is_finished());
}
