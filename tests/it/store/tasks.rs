//! The queue as the store knows it: who holds a task, what that is worth, and who may see it.

use std::time::Duration;

use fynq::id::{self, Uuid};
use fynq::store::{Effect, Held, NewTask, Retry, StoreError, Taken, TaskFilter, TasksOf};
use serde_json::json;
use tokio_postgres::types::Type;

use super::Fixture;

const LEASE: Duration = Duration::from_secs(600);
const HERE: &str = "00000000-0000-7000-8000-000000000001";

impl Fixture {
    async fn enqueue(&self, kind: &str) -> Uuid {
        self.store.enqueue(&NewTask::of(kind)).await.unwrap()
    }

    /// Of these kinds, each so many.
    async fn take(&self, free: &[(&str, usize)], most: usize) -> Vec<Taken> {
        self.store.take_tasks("me", free, most, LEASE).await.unwrap()
    }

    async fn take_one(&self) -> Taken {
        let mut taken = self.take(&[("made", 1)], 1).await;
        assert_eq!(taken.len(), 1, "nothing could be taken");
        taken.remove(0)
    }

    /// Columns of a task, as text.
    async fn task(&self, id: Uuid, columns: &str) -> String {
        let sql = format!("SELECT concat_ws(' ', {columns}) FROM tasks WHERE id = $1");
        self.sql.query_typed_one(&sql, &[(&id, Type::UUID)]).await.unwrap().get(0)
    }

    async fn run(&self, sql: &str) {
        self.sql.batch_execute(sql).await.expect(sql);
    }

    async fn count(&self, sql: &str) -> i64 {
        self.sql.query_typed_one(sql, &[]).await.expect(sql).get(0)
    }
}

fn effect(of: Held) -> Effect {
    Effect { sql: "INSERT INTO effects SELECT ($1::jsonb ->> 'task')::uuid", rows: json!({"task": of.id}) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_task_has_one_holder_however_many_take() {
    let f = Fixture::new().await;
    for _ in 0..100 {
        f.enqueue("made").await;
    }
    let takers = (0..8).map(|_| async {
        let mut mine = Vec::new();
        loop {
            let taken = f.take(&[("made", 7)], 5).await;
            assert!(taken.len() <= 5, "{}", taken.len());
            if taken.is_empty() {
                return mine;
            }
            mine.extend(taken);
        }
    });
    let taken: Vec<Taken> = futures_util::future::join_all(takers).await.into_iter().flatten().collect();
    assert!(taken.iter().all(|task| task.held.lease == 1 && task.attempts == 1));
    let mut ids: Vec<Uuid> = taken.iter().map(|task| task.held.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!((taken.len(), ids.len()), (100, 100));
}

#[tokio::test]
async fn what_a_former_holder_writes_changes_nothing() {
    let f = Fixture::new().await;
    f.run("CREATE TABLE public.effects (task uuid); GRANT INSERT ON public.effects TO fynq_jobs").await;
    let id = f.enqueue("made").await;
    let old = f.take_one().await.held;
    assert!(f.store.expire_tasks().await.unwrap().is_empty(), "its holder lives");
    f.run("UPDATE tasks SET lease_until = now() - interval '1 s'").await;
    // It was silent for too long, and nobody has noticed yet: then it is the holder still.
    assert_eq!(f.store.beat_tasks(&[(old, 0.5)], LEASE).await.unwrap(), [(id, false)]);
    assert!(f.store.expire_tasks().await.unwrap().is_empty());
    f.run("UPDATE tasks SET lease_until = now() - interval '1 s'").await;
    assert_eq!(f.store.expire_tasks().await.unwrap(), [("made".into(), "queued".into())]);
    let held = f.take_one().await.held;
    assert_eq!(held.id, old.id);

    let finished = f.store.finish_task(old, None, &[effect(old)]).await;
    assert!(matches!(finished, Err(StoreError::Missing)), "{finished:?}");
    assert_eq!(f.store.fail_task(old, "late", Retry::Never).await.unwrap(), None);
    assert_eq!(f.store.hand_back_tasks(&[old]).await.unwrap(), 0);
    assert!(f.store.beat_tasks(&[(old, 0.9)], LEASE).await.unwrap().is_empty());
    assert_eq!(f.task(id, "status, attempts, progress, error").await, "running 2 0 lease_lost");

    f.store.finish_task(held, Some(&json!({"n": 1})), &[effect(held)]).await.unwrap();
    assert_eq!(f.task(id, "status, progress, error, result").await, "succeeded 1 {\"n\": 1}");
    // Said again after an answer that was lost: once is once.
    let again = f.store.finish_task(held, None, &[effect(held)]).await;
    assert!(matches!(again, Err(StoreError::Missing)), "{again:?}");
    assert_eq!(f.count("SELECT count(*) FROM effects").await, 1);
}

#[tokio::test]
async fn an_effect_that_fails_leaves_the_task_as_it_was() {
    let f = Fixture::new().await;
    f.run(
        "CREATE TABLE public.effects (task uuid CHECK (false)); GRANT INSERT ON public.effects TO fynq_jobs",
    )
    .await;
    let id = f.enqueue("made").await;
    let held = f.take_one().await.held;
    assert!(f.store.finish_task(held, None, &[effect(held)]).await.is_err());
    assert_eq!(f.task(id, "status, attempts, lease").await, "running 1 1");
}

#[tokio::test]
async fn what_fails_waits_dies_at_last_and_is_put_back() {
    let f = Fixture::new().await;
    let admin = add_admin(&f, HERE).await;
    let new = NewTask { attempts: 3, org: Some(HERE.parse().unwrap()), ..NewTask::of("made") };
    let id = f.store.enqueue(&new).await.unwrap();
    for attempt in 1..=3 {
        let task = f.take_one().await;
        assert_eq!((task.attempts, task.max_attempts), (attempt, 3));
        let after = Retry::After(Duration::from_secs(40));
        let status = f.store.fail_task(task.held, "model_timeout", after).await.unwrap().unwrap();
        assert_eq!(status, if attempt < 3 { "queued" } else { "failed" });
        let waits = f.task(id, "run_at > now() + interval '39 s', run_at < now() + interval '41 s'").await;
        assert_eq!(waits, if attempt < 3 { "t t" } else { "f t" });
        assert!(f.take(&[("made", 1)], 1).await.is_empty(), "not before its time");
        f.run("UPDATE tasks SET run_at = now()").await;
    }
    assert_eq!(f.task(id, "status, attempts, error").await, "failed 3 model_timeout");
    assert!(f.store.requeue_task(admin, id::new(), id).await.unwrap().is_none(), "of another organisation");
    let back = f.store.requeue_task(admin, HERE.parse().unwrap(), id).await.unwrap().unwrap();
    assert_eq!((back.status.as_str(), back.attempts, back.error), ("queued", 0, None));
    let task = f.take_one().await;
    assert_eq!(task.attempts, 1);
    // Of no use to try again: dead at once.
    assert_eq!(f.store.fail_task(task.held, "gone", Retry::Never).await.unwrap().unwrap(), "failed");
    // Whatever kills its worker is dead after its last attempt as well.
    f.store.requeue_task(admin, HERE.parse().unwrap(), id).await.unwrap().unwrap();
    for attempt in 1..=3 {
        f.take_one().await;
        f.run("UPDATE tasks SET lease_until = now() - interval '1 s'").await;
        let status = if attempt < 3 { "queued" } else { "failed" };
        assert_eq!(f.store.expire_tasks().await.unwrap(), [("made".into(), status.into())]);
    }
}

#[tokio::test]
async fn the_urgent_come_first_and_each_kind_within_its_bounds() {
    let f = Fixture::new().await;
    let mut made = Vec::new();
    for priority in [0, 5, -5, 5] {
        made.push(f.store.enqueue(&NewTask { priority, ..NewTask::of("made") }).await.unwrap());
    }
    let other = f.enqueue("other").await;
    assert!(f.take(&[("unknown", 5)], 5).await.is_empty());
    let taken = f.take(&[("made", 2), ("other", 5)], 5).await;
    let mut ids: Vec<Uuid> = taken.iter().map(|task| task.held.id).collect();
    ids.sort();
    assert_eq!(ids, [made[1], made[3], other], "two of the one kind, the urgent ones");
    let rest: Vec<Uuid> = [f.take_one().await, f.take_one().await].map(|task| task.held.id).into();
    assert_eq!(rest, [made[0], made[2]]);
}

#[tokio::test]
async fn what_is_called_off_ends_and_what_is_handed_back_was_never_begun() {
    let f = Fixture::new().await;
    let new = NewTask { owner: Some(f.student), org: Some(HERE.parse().unwrap()), ..NewTask::of("made") };
    let own = TasksOf::Own(f.student);
    let waiting = f.store.enqueue(&new).await.unwrap();
    let off = f.store.cancel_task(own, waiting).await.unwrap().unwrap();
    assert_eq!((off.status.as_str(), off.error.as_deref()), ("cancelled", Some("cancelled")));
    assert!(f.take(&[("made", 1)], 1).await.is_empty());
    assert!(f.store.cancel_task(own, waiting).await.unwrap().is_none(), "it has ended");

    let running = f.store.enqueue(&new).await.unwrap();
    let held = f.take_one().await.held;
    assert_eq!(f.store.cancel_task(own, running).await.unwrap().unwrap().status, "running");
    assert_eq!(f.store.beat_tasks(&[(held, 0.25)], LEASE).await.unwrap(), [(running, true)]);
    let after = Retry::After(Duration::ZERO);
    assert_eq!(f.store.fail_task(held, "model_timeout", after).await.unwrap().unwrap(), "cancelled");
    assert_eq!(f.task(running, "status, error, progress").await, "cancelled cancelled 0.25");

    let back = f.store.enqueue(&new).await.unwrap();
    let held = f.take_one().await.held;
    assert_eq!(f.store.hand_back_tasks(&[held]).await.unwrap(), 1);
    assert_eq!(f.task(back, "status, attempts, worker").await, "queued 0");
    let taken = f.take_one().await;
    assert_eq!((taken.held.id, taken.attempts), (back, 1));
}

#[tokio::test]
async fn there_is_one_task_of_a_key() {
    let f = Fixture::new().await;
    let new = NewTask { unique_key: Some("once"), ..NewTask::of("made") };
    let first = f.store.enqueue(&new).await.unwrap();
    assert_eq!(f.store.enqueue(&new).await.unwrap(), first);
    let held = f.take_one().await.held;
    f.store.finish_task(held, None, &[]).await.unwrap();
    assert_eq!(f.store.enqueue(&new).await.unwrap(), first, "also when it has ended");
    // Until it is forgotten: what a schedule made after a day, everything after a month.
    f.run("UPDATE tasks SET ended_at = now() - interval '23 h'").await;
    assert_eq!(f.store.sweep_tasks(10).await.unwrap(), 0);
    f.run("UPDATE tasks SET ended_at = now() - interval '25 h'").await;
    assert_eq!(f.store.sweep_tasks(10).await.unwrap(), 1);
    assert_ne!(f.store.enqueue(&new).await.unwrap(), first);
}

#[tokio::test]
async fn a_task_belongs_to_its_transaction() {
    let f = Fixture::new().await;
    let put = "SELECT fynq.enqueue_task(gen_random_uuid(), 'made', NULL, NULL, '{}', NULL)";
    f.run(&format!("BEGIN; {put}; ROLLBACK")).await;
    assert_eq!(f.count("SELECT count(*) FROM tasks").await, 0);
    f.run(&format!("BEGIN; {put}; COMMIT")).await;
    assert_eq!(f.count("SELECT count(*) FROM tasks").await, 1);
}

async fn add_admin(f: &Fixture, org: &str) -> Uuid {
    let id = super::add_student(&f.sql).await;
    f.run(&format!("UPDATE users SET role = 'admin', org_id = '{org}' WHERE id = '{id}'")).await;
    id
}

/// The second lock alone, by hand: what a role may do to the table, whatever our code asks.
#[tokio::test]
async fn the_database_keeps_tasks_to_those_whose_they_are() {
    let f = Fixture::new().await;
    let far_org = id::new();
    f.run(&format!("INSERT INTO organisations VALUES ('{far_org}', 'North', now())")).await;
    let (admin, far_admin) = (add_admin(&f, HERE).await, add_admin(&f, &far_org.to_string()).await);
    let mate = super::add_student(&f.sql).await;
    let new = NewTask { owner: Some(f.student), org: Some(HERE.parse().unwrap()), ..NewTask::of("made") };
    let task = f.store.enqueue(&new).await.unwrap();
    f.enqueue("retention").await;

    let seen = async |of| f.store.tasks(of, TaskFilter::default(), None, 10).await.unwrap().items.len();
    let here: Uuid = HERE.parse().unwrap();
    assert_eq!(seen(TasksOf::Own(f.student)).await, 1);
    assert_eq!(seen(TasksOf::Own(mate)).await, 0);
    // With two schools an admin sees the school's, and the installation's own nobody does.
    assert_eq!(seen(TasksOf::Organisation { admin, org: here }).await, 1);
    for who in [far_admin, f.student, mate] {
        let of = TasksOf::Organisation { admin: who, org: here };
        assert_eq!(seen(of).await, 0);
        assert!(f.store.task(of, task).await.unwrap().is_none());
        assert!(f.store.cancel_task(of, task).await.unwrap().is_none());
        assert!(f.store.requeue_task(who, here, task).await.unwrap().is_none());
    }

    let attempt = async |role: &str, who: Uuid, sql: &str| {
        let claims = format!("{{\"sub\":\"{who}\"}}");
        let client = f.db.client().await;
        let begin = format!(
            "BEGIN; SET LOCAL ROLE {role}; SELECT set_config('request.jwt.claims', '{claims}', true)"
        );
        client.batch_execute(&begin).await.unwrap();
        client.execute_typed(sql, &[]).await
    };
    let here_sql = format!("'{HERE}', '{}'", f.student);
    let file = add_file(&f, f.student).await;
    let put = |whose: &str| {
        let payload = format!("'{{\"file\": \"{file}\"}}'");
        format!("SELECT fynq.enqueue_task(gen_random_uuid(), 'document_parse', {whose}, {payload}, NULL)")
    };
    assert!(attempt("fynq_user", f.student, &put(&here_sql)).await.is_ok());
    for (role, who, sql) in [
        ("fynq_user", mate, put(&here_sql)),
        ("fynq_user", f.student, put("NULL, NULL")),
        ("fynq_user", f.student, put(&format!("'{far_org}', '{}'", f.student))),
        ("fynq_admin", admin, put(&here_sql)),
        ("fynq_door", admin, put(&here_sql)),
        ("fynq_user", f.student, "UPDATE tasks SET status = 'succeeded', ended_at = now()".into()),
        ("fynq_user", f.student, "UPDATE tasks SET payload = '{}'".into()),
        ("fynq_user", f.student, "DELETE FROM tasks".into()),
        ("fynq_user", f.student, "SELECT fynq.finish_task('{}')".into()),
        ("fynq_task", f.student, "UPDATE tasks SET payload = '{}'".into()),
        ("fynq_door", f.student, "SELECT FROM tasks".into()),
    ] {
        let done = attempt(role, who, &sql).await;
        assert!(done.is_err(), "{role}: {sql}: {done:?}");
    }
    for who in [mate, far_admin] {
        let off = "UPDATE tasks SET status = 'cancelled', ended_at = now()";
        assert_eq!(attempt("fynq_user", who, off).await.unwrap(), 0);
        assert_eq!(attempt("fynq_admin", who, off).await.unwrap(), 0);
    }
}

/// A file of theirs that has arrived.
async fn add_file(f: &Fixture, owner: Uuid) -> Uuid {
    let id = id::new();
    f.run(&format!(
        "INSERT INTO files (id, org_id, owner_id, name, media_type, size, state, key, created_at) \
         VALUES ('{id}', '{HERE}', '{owner}', 'a.txt', 'text/plain', 5, 'ready', '{owner}/{}', now())",
        id.simple()
    ))
    .await;
    id
}

/// What a person's own transaction may do to the queue, whatever our code asks: ask for work on what is theirs, and
/// call it off.
#[tokio::test]
async fn a_person_asks_for_work_on_what_is_theirs_and_calls_it_off() {
    let f = Fixture::new().await;
    let (admin, mate) = (add_admin(&f, HERE).await, super::add_student(&f.sql).await);
    let (mine, other) = (add_file(&f, f.student).await, add_file(&f, mate).await);
    let attempt = async |role: &str, who: Uuid, sql: &str| {
        let client = f.db.client().await;
        let begin = format!(
            "BEGIN; SET LOCAL ROLE {role}; SELECT set_config('request.jwt.claims', '{{\"sub\":\"{who}\"}}', true)"
        );
        client.batch_execute(&begin).await.unwrap();
        client.execute_typed(sql, &[]).await
    };
    let own = format!("{{\"file\": \"{mine}\"}}");
    let more = format!("{{\"file\": \"{mine}\", \"more\": 1}}");
    let (key, theirs) = (format!("'document_parse:{mine}'"), format!("{{\"file\": \"{other}\"}}"));
    let (urgent, long) = (", 1::smallint", ", 0::smallint, 11");
    for (may, kind, payload, key, more) in [
        (true, "document_parse", &*own, "NULL", ""),
        (true, "document_parse", &own, &*key, ", 0::smallint, 10"),
        (false, "document_parse", &theirs, "NULL", ""),
        (false, "document_parse", "{}", "NULL", ""),
        (false, "document_parse", &more, "NULL", ""),
        // What is charged, or looked at by others.
        (false, "worksheet", &own, "NULL", ""),
        (false, "document_pages", &own, "NULL", ""),
        (false, "retention", &own, "NULL", ""),
        // The keys of others, a schedule's turn among them.
        (false, "document_parse", &own, "'schedule:retention:1'", ""),
        (false, "document_parse", &own, &format!("'document_parse:{other}'"), ""),
        (false, "document_parse", &own, "NULL", urgent),
        (false, "document_parse", &own, "NULL", long),
    ] {
        let put = format!(
            "SELECT fynq.enqueue_task(gen_random_uuid(), '{kind}', '{HERE}', '{}', '{payload}', {key}, now(){more})",
            f.student
        );
        let done = attempt("fynq_user", f.student, &put).await;
        assert_eq!(done.is_ok(), may, "{kind} {payload} {key} {more}: {done:?}");
    }
    for status in ["queued", "running"] {
        f.run("DELETE FROM tasks").await;
        let new = NewTask { owner: Some(f.student), org: Some(HERE.parse().unwrap()), ..NewTask::of("made") };
        f.store.enqueue(&new).await.unwrap();
        if status == "running" {
            f.take_one().await;
        }
        for (role, who) in [("fynq_user", f.student), ("fynq_admin", admin)] {
            for change in [
                "status = 'succeeded', cancel_asked = true, ended_at = now()",
                "status = 'failed', cancel_asked = true, ended_at = now()",
                "status = 'cancelled', error = 'something else', ended_at = now()",
                "status = 'cancelled', error = 'cancelled', cancel_asked = true, ended_at = now()",
                "cancel_asked = false, error = 'x', status = 'running'",
            ] {
                let done = attempt(role, who, &format!("UPDATE tasks SET {change}")).await;
                assert!(done.is_err(), "{role}, {status}: {change}: {done:?}");
            }
            let off = match status {
                "queued" => "status = 'cancelled', error = 'cancelled', ended_at = now(), lease = lease + 1",
                _ => "cancel_asked = true",
            };
            let done = attempt(role, who, &format!("UPDATE tasks SET {off}")).await;
            assert_eq!(done.unwrap(), 1, "{role}, {status}");
        }
    }
}

/// Whatever a row is told, it leads to no blob but its own.
#[tokio::test]
async fn a_file_names_no_blob_of_anothers() {
    let f = Fixture::new().await;
    let mate = super::add_student(&f.sql).await;
    let (mine, other) = (add_file(&f, f.student).await, add_file(&f, mate).await);
    let theirs = format!("{mate}/{}", other.simple());
    let attempt = async |sql: &str| {
        let client = f.db.client().await;
        let begin = format!(
            "BEGIN; SET LOCAL ROLE fynq_user; \
             SELECT set_config('request.jwt.claims', '{{\"sub\":\"{}\"}}', true)",
            f.student
        );
        client.batch_execute(&begin).await.unwrap();
        client.execute_typed(sql, &[]).await
    };
    for change in [
        format!("key = '{theirs}x'"),
        format!("key = '{}/a.preview'", f.student),
        format!("preview_key = '{theirs}'"),
        format!("text_key = '{theirs}'"),
        format!("text_key = '{theirs}.text'"),
        "preview_key = key".to_owned(),
        "text_key = key".to_owned(),
    ] {
        let done = attempt(&format!("UPDATE files SET {change} WHERE id = '{mine}'")).await;
        assert!(done.is_err(), "{change}: {done:?}");
    }
    let begin = |key: &str| format!("SELECT fynq.begin_file(gen_random_uuid(), 'a', '{key}', 1, 1000, NULL)");
    assert!(attempt(&begin(&format!("{theirs}2"))).await.is_err());
    assert!(attempt(&begin(&format!("{}/b", f.student))).await.is_ok());
    let own = "preview_key = key || '.preview', text_key = key || '.text'";
    assert_eq!(attempt(&format!("UPDATE files SET {own} WHERE id = '{mine}'")).await.unwrap(), 1);
    // What was written down as gone and is named again is not deleted.
    f.run(&format!("UPDATE files SET {own} WHERE id = '{mine}'")).await;
    let key = format!("{}/{}", f.student, mine.simple());
    f.run(&format!(
        "INSERT INTO gone_blobs VALUES ('{key}', now()), ('{key}.preview', now()), ('{key}.text', now()), \
         ('{key}.else', now()), ('{mate}/gone', now())"
    ))
    .await;
    let (mut gone, mut wanted) =
        (f.store.gone_blobs(10).await.unwrap(), [format!("{mate}/gone"), format!("{key}.else")]);
    gone.sort();
    wanted.sort();
    assert_eq!(gone, wanted);
}

/// A worker's heartbeat never waits for what its jobs ask.
#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_has_a_connection_of_its_own() {
    let db = crate::support::pg::Db::new().await;
    let mut settings = db.settings();
    settings.pool_size = 1;
    let store = super::open(&settings).await;
    let task = store.enqueue(&NewTask::of("made")).await.unwrap();
    let held = store.take_tasks("me", &[("made", 1)], 1, LEASE).await.unwrap().remove(0).held;
    let sql = db.client().await;
    sql.batch_execute("BEGIN; LOCK TABLE content").await.unwrap();
    let asks = tokio::spawn({
        let store = store.clone();
        async move { store.content_is_imported(id::new(), "x").await.map(drop) }
    });
    let waits = "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sql.query_typed_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.beat_tasks(&[(held, 0.5)], LEASE).await.unwrap(), [(task, false)]);
    sql.batch_execute("COMMIT").await.unwrap();
    asks.await.unwrap().unwrap();
    store.close().await;
}
