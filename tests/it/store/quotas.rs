//! Quotas, in the transaction that accepts the message.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use fynq::clock;
use fynq::config::{Quota, Quotas};
use fynq::id::{self, Uuid};
use fynq::protocol::{Status, Usage};
use fynq::store::{MessageState, NewMessage, Op, Patience, WAITING, WriteError};
use tokio_postgres::types::Type;

use super::relay::Relay;
use super::{Fixture, add_student, answer, new_session, open, question};
use crate::support::pg::settings_for;

fn messages_a_day(limit: i64) -> Quotas {
    Quotas { student: Quota { messages_day: Some(limit), ..Quota::default() }, ..Quotas::default() }
}

async fn used(f: &Fixture, subject: Uuid) -> Vec<(String, i64, i64)> {
    let sql = "SELECT span, messages, tokens FROM quota_use WHERE subject = $1 ORDER BY span";
    let rows = f.sql.query_typed(sql, &[(&subject, Type::UUID)]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// A turn's beginning: the question, its answer, a title made of it, and what it supersedes.
fn turn(session: Uuid, ord: i64, title: &str) -> Vec<Op> {
    let asked = question(session, ord);
    let reply = NewMessage { run_id: asked.run_id, ..answer(session, ord + 1) };
    vec![
        Op::Insert(asked),
        Op::Touch { session_id: session, title: Some(title.into()), at: clock::now() },
        Op::Insert(reply),
        Op::Supersede { session_id: session, from: 1, before: ord },
    ]
}

#[tokio::test]
async fn without_quotas_nothing_is_counted() {
    let f = Fixture::new().await;
    let session = f.session().await;
    f.store.writer().commit(turn(session, 1, "a"), Patience::Refuse).await.unwrap();
    assert_eq!(used(&f, f.student).await, []);
}

#[tokio::test]
async fn one_over_its_quota_leaves_nothing_and_disturbs_nobody() {
    let f = Fixture::new().await;
    f.store.writer().limit(&messages_a_day(1));
    let (full, fresh) = (f.session().await, f.session().await);
    let writer = f.store.writer();
    writer.commit(turn(full, 1, "first"), Patience::Refuse).await.unwrap();
    let other = add_student(&f.sql).await;
    let others: Vec<Uuid> = join_all((0..20).map(|_| add_student(&f.sql))).await;
    let mut sessions = vec![new_session(&f.store, other).await];
    for student in others {
        sessions.push(new_session(&f.store, student).await);
    }
    // All at once, so that they are one batch.
    let refused = [
        writer.commit(turn(full, 3, "x"), Patience::Refuse),
        writer.commit(turn(fresh, 1, "no title"), Patience::Refuse),
    ];
    let good = sessions.iter().map(|session| writer.commit(turn(*session, 1, "mine"), Patience::Refuse));
    let (refused, good) = tokio::join!(join_all(refused), join_all(good));
    assert!(good.iter().all(Result::is_ok), "{good:?}");
    for refused in refused {
        let Err(WriteError::OverQuota(until)) = refused else { panic!("{refused:?}") };
        let wait = Duration::try_from(until.duration_since(clock::now())).unwrap();
        assert!(wait <= Duration::from_secs(86_400), "{until}");
        assert_eq!(until.as_second() % 86_400, 0, "midnight in UTC: {until}");
    }
    let sql = "SELECT count(*), count(*) FILTER (WHERE superseded) FROM messages WHERE session_id = $1";
    for (session, rows) in [(full, 2), (fresh, 0), (sessions[3], 2)] {
        let row = f.sql.query_typed_one(sql, &[(&session, Type::UUID)]).await.unwrap();
        assert_eq!(
            (row.get::<_, i64>(0), row.get::<_, i64>(1)),
            (rows, 0),
            "nothing written, nothing superseded"
        );
    }
    let title = f.store.get_session(f.student, fresh).await.unwrap().unwrap().title;
    assert_eq!(title, None, "a refused question names nothing");
    assert_eq!(used(&f, f.student).await, [("day".into(), 1, 0), ("month".into(), 1, 0)]);
    assert_eq!(used(&f, other).await[0].1, 1);
}

/// What was accepted waits on, until its run is asked for without the model's words.
#[tokio::test]
async fn a_beginning_over_its_quota_leaves_its_message_waiting() {
    let f = Fixture::new().await;
    f.store.writer().limit(&messages_a_day(1));
    let (session, other) = (f.session().await, f.session().await);
    let writer = f.store.writer();
    writer.commit(turn(other, 1, "a"), Patience::Refuse).await.unwrap();
    let queued = NewMessage { status: Status::Queued, charged: false, ..question(session, WAITING + 1) };
    writer.commit(vec![Op::Insert(queued.clone())], Patience::Refuse).await.unwrap();
    let begin = |charged| {
        let reply = NewMessage { run_id: queued.run_id, charged, ..answer(session, 2) };
        vec![Op::Begin { session_id: session, id: queued.id, ord: 1 }, Op::Insert(reply)]
    };
    let over = writer.commit(begin(true), Patience::Insist).await;
    assert!(matches!(over, Err(WriteError::OverQuota(_))), "{over:?}");
    assert_eq!(f.state_of(session, queued.id).await.1, "queued");
    writer.commit(begin(false), Patience::Insist).await.unwrap();
    assert_eq!(f.state_of(session, queued.id).await.1, "complete");
}

#[tokio::test]
async fn a_repetition_is_charged_and_refused_like_a_question() {
    let f = Fixture::new().await;
    f.store.writer().limit(&messages_a_day(2));
    let session = f.session().await;
    let writer = f.store.writer();
    writer.commit(turn(session, 1, "a"), Patience::Refuse).await.unwrap();
    let again = |ord| vec![Op::Insert(NewMessage { charged: true, ..answer(session, ord) })];
    writer.commit(again(3), Patience::Insist).await.unwrap();
    let over = writer.commit(again(4), Patience::Insist).await;
    assert!(matches!(over, Err(WriteError::OverQuota(_))), "{over:?}");
}

#[tokio::test]
async fn tokens_count_when_the_answer_ends_and_once() {
    let f = Fixture::new().await;
    let class = id::new();
    let make = "INSERT INTO classes (id, org_id, name, join_code, created_at) SELECT $1, org_id, 'c', $1::text, now() FROM users LIMIT 1";
    f.sql.execute_typed(make, &[(&class, Type::UUID)]).await.unwrap();
    let join = "INSERT INTO class_members (class_id, user_id, member_as, created_at) VALUES ($1, $2, 'student', now())";
    f.sql.execute_typed(join, &[(&class, Type::UUID), (&f.student, Type::UUID)]).await.unwrap();
    let class_quota = Quota { tokens_month: Some(18), ..Quota::default() };
    f.store.writer().limit(&Quotas { class: class_quota, ..Quotas::default() });
    let session = f.session().await;
    let writer = f.store.writer();
    let (asked, reply) = (question(session, 1), answer(session, 2));
    writer.commit(vec![Op::Insert(asked), Op::Insert(reply.clone())], Patience::Refuse).await.unwrap();
    let usage = Usage { input_tokens: 11, output_tokens: 5, reasoning_tokens: 2, ..Usage::default() };
    let end = |status, usage| {
        vec![Op::Update(MessageState {
            session_id: session,
            id: reply.id,
            content: "so".into(),
            status,
            finish_reason: None,
            error: None,
            usage,
            model: None,
        })]
    };
    writer.commit(end(Status::Streaming, None), Patience::Insist).await.unwrap();
    // As after a commit of unknown outcome.
    for _ in 0..2 {
        writer.commit(end(Status::Complete, Some(usage)), Patience::Insist).await.unwrap();
    }
    let counted = [("day".to_owned(), 1, 18), ("month".to_owned(), 1, 18)];
    assert_eq!(used(&f, f.student).await, counted);
    assert_eq!(used(&f, class).await, counted);
    let over = writer.commit(turn(session, 3, "a"), Patience::Refuse).await;
    let Err(WriteError::OverQuota(until)) = over else { panic!("{over:?}") };
    let first = until.to_string();
    assert!(first.contains("-01T00:00:00Z"), "the class's month: {first}");
    // A student of no class is not held by it.
    let free = new_session(&f.store, add_student(&f.sql).await).await;
    writer.commit(turn(free, 1, "a"), Patience::Refuse).await.unwrap();
}

#[tokio::test]
async fn a_commit_of_unknown_outcome_is_charged_once() {
    let f = Fixture::new().await;
    let relay = Relay::start(f.db.url()).await;
    let store = open(&settings_for(&relay.url)).await;
    store.writer().limit(&messages_a_day(1));
    let session = f.session().await;
    let ops = turn(session, 1, "a");
    let Op::Insert(asked) = ops[0].clone() else { panic!() };
    relay.fault.swallow_commit.store(true, Ordering::Relaxed);
    let writer = store.writer().clone();
    let commit = tokio::spawn(async move { writer.commit(ops, Patience::Refuse).await });
    while f.store.message_sent(session, asked.id).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    assert!(!commit.is_finished(), "it is committed, and nobody was told");
    relay.fault.end.notify_one();
    assert_eq!(commit.await.unwrap(), Ok(()), "the quota of one holds what was charged already");
    assert_eq!(used(&f, f.student).await[0].1, 1);
    let over = store.writer().commit(turn(session, 3, "b"), Patience::Refuse).await;
    assert!(matches!(over, Err(WriteError::OverQuota(_))), "{over:?}");
    store.close().await;
}
