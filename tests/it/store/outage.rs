//! PostgreSQL goes away and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use fynq::id::Uuid;
use fynq::protocol::Status;
use fynq::store::{MessagesFrom, Op, Patience, StoreError, WriteError};
use tokio_postgres::types::Type;

use super::relay::Relay;
use super::{Fixture, add_student, answer, new_session, open, question, state};
use crate::support::pg::{PrivatePg, connect, settings_for};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_away_some_are_refused_and_some_are_kept() {
    let mut pg = PrivatePg::start().await;
    let store = open(&pg.settings()).await;
    let student = add_student(&connect(pg.url()).await).await;
    let session = new_session(&store, student).await;
    let writer = store.writer();
    let running = answer(session, 1);
    writer.commit(vec![Op::Insert(running.clone())], Patience::Refuse).await.unwrap();

    pg.stop().await;
    let begun = Instant::now();
    let asked = question(session, 2);
    let refused = writer.commit(vec![Op::Insert(asked.clone())], Patience::Refuse).await;
    assert!(matches!(refused, Err(WriteError::Unavailable { .. })), "{refused:?}");
    assert!(!writer.is_up());
    let read = store.get_session(student, session).await;
    assert!(matches!(read, Err(StoreError::Unavailable)), "{read:?}");
    assert!(matches!(store.check().await, Err(StoreError::Unavailable)));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());

    // A running answer goes on: its states are kept, and only the last one counts.
    let kept: Vec<_> = (1..=50)
        .map(|n| {
            let (writer, op) = (writer.clone(), state(&running, &"x".repeat(n), Status::Streaming));
            tokio::spawn(async move { writer.commit(vec![op], Patience::Insist).await })
        })
        .collect();
    let again = writer.commit(vec![Op::Insert(asked.clone())], Patience::Refuse).await;
    assert!(matches!(again, Err(WriteError::Unavailable { .. })), "{again:?}");

    pg.start_again().await;
    for kept in kept {
        kept.await.unwrap().unwrap();
    }
    writer.flush().await;
    assert!(writer.is_up());
    assert_eq!(store.message_sent(session, asked.id).await.unwrap(), None);
    writer.commit(vec![Op::Insert(asked.clone())], Patience::Refuse).await.unwrap();
    assert!(store.message_sent(session, asked.id).await.unwrap().is_some());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_known_to_be_back_without_anybody_writing() {
    let mut pg = PrivatePg::start().await;
    let store = open(&pg.settings()).await;
    pg.stop().await;
    eventually("the outage is noticed", || !store.writer().is_up()).await;
    pg.start_again().await;
    eventually("so is its end", || store.writer().is_up()).await;
    store.check().await.unwrap();
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_during_an_outage_gives_up() {
    let mut pg = PrivatePg::start().await;
    let store = open(&pg.settings()).await;
    let student = add_student(&connect(pg.url()).await).await;
    let session = new_session(&store, student).await;
    pg.stop().await;
    let writer = store.writer().clone();
    let kept =
        tokio::spawn(
            async move { writer.commit(vec![Op::Insert(question(session, 1))], Patience::Insist).await },
        );
    eventually("the outage is noticed", || !store.writer().is_up()).await;
    tokio::time::timeout(Duration::from_secs(5), store.close()).await.unwrap();
    assert!(kept.await.unwrap().is_err());
}

/// The rows are committed and the answer is lost with the connection: the one moment in which
/// nobody knows.
#[tokio::test]
async fn a_commit_of_unknown_outcome_is_repeated_until_it_is_known() {
    let f = Fixture::new().await;
    let relay = Relay::start(f.db.url()).await;
    let store = open(&settings_for(&relay.url)).await;
    let session = f.session().await;
    let asked = question(session, 1);
    relay.fault.swallow_commit.store(true, Ordering::Relaxed);
    let writer = store.writer().clone();
    let commit = {
        let (writer, ops) = (writer.clone(), vec![Op::Insert(asked.clone())]);
        tokio::spawn(async move { writer.commit(ops, Patience::Refuse).await })
    };
    while f.store.message_sent(session, asked.id).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    assert!(!commit.is_finished(), "it is committed, and nobody was told");

    relay.fault.closed.store(true, Ordering::Relaxed);
    relay.fault.end.notify_one();
    eventually("the outage is noticed", || !writer.is_up()).await;
    // Whoever was never sent is refused; the other one is still not told what nobody knows.
    let late = writer.commit(vec![Op::Insert(question(session, 2))], Patience::Refuse).await;
    assert!(matches!(late, Err(WriteError::Unavailable { .. })), "{late:?}");
    assert!(!commit.is_finished());
    relay.fault.closed.store(false, Ordering::Relaxed);
    assert_eq!(commit.await.unwrap(), Ok(()));
    assert_eq!(
        f.store.list_messages(f.student, session, MessagesFrom::Start, 10).await.unwrap().items.len(),
        1
    );
    assert!(writer.is_up());
    store.close().await;
}

/// Many commit while the server is killed again and again; then every answer is held against the table.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_commits_no_answer_was_a_lie() {
    // Enough for the writer to use both of its connections.
    const SESSIONS: usize = 300;
    let pg = PrivatePg::start().await;
    let store = open(&pg.settings()).await;
    let student = add_student(&connect(pg.url()).await).await;
    let over = Arc::new(AtomicBool::new(false));
    let committed = Arc::new(AtomicI64::new(0));
    let mut tasks = Vec::new();
    for n in 0..SESSIONS {
        let session = new_session(&store, student).await;
        let (store, over, committed) = (store.clone(), over.clone(), committed.clone());
        tasks.push(tokio::spawn(async move {
            let patience = if n % 2 == 0 { Patience::Refuse } else { Patience::Insist };
            let mut answers: Vec<(Uuid, Result<(), WriteError>)> = Vec::new();
            for ord in 1.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let asked = question(session, ord);
                let result = store.writer().commit(vec![Op::Insert(asked.clone())], patience).await;
                if result.is_ok() {
                    committed.fetch_add(1, Ordering::Relaxed);
                } else {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                answers.push((asked.id, result));
            }
            (session, patience, answers)
        }));
    }
    // Those who commit all the time are mostly on their way when it happens; this one comes after.
    let late = new_session(&store, student).await;
    let mut refused = 0;
    for ord in 1..=4 {
        let before = committed.load(Ordering::Relaxed);
        eventually("commits go on", || committed.load(Ordering::Relaxed) > before + 2000).await;
        let noticed = store.writer().clone();
        pg.kill();
        eventually("the outage is noticed", || !noticed.is_up()).await;
        let asked = question(late, ord);
        let result = noticed.commit(vec![Op::Insert(asked.clone())], Patience::Refuse).await;
        refused += usize::from(result.is_err());
        eventually("it is over", || noticed.is_up()).await;
        assert_eq!(store.message_sent(late, asked.id).await.unwrap().is_some(), result.is_ok());
    }
    let before = committed.load(Ordering::Relaxed);
    eventually("commits go on", || committed.load(Ordering::Relaxed) > before + 2000).await;
    over.store(true, Ordering::Relaxed);

    let sql = connect(pg.url()).await;
    for task in tasks {
        let (session, patience, answers) = task.await.unwrap();
        let rows = "SELECT id FROM messages WHERE session_id = $1";
        let rows = sql.query_typed(rows, &[(&session, Type::UUID)]).await.unwrap();
        let stored: std::collections::HashSet<Uuid> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(stored.len(), rows.len(), "each once");
        for (id, answer) in &answers {
            assert_eq!(stored.contains(id), answer.is_ok(), "{patience:?} was answered {answer:?}");
            assert!(patience == Patience::Refuse || answer.is_ok(), "{answer:?}");
            refused += usize::from(answer.is_err());
        }
        assert_eq!(stored.len(), answers.iter().filter(|(_, answer)| answer.is_ok()).count());
    }
    assert!(refused > 0, "the outages were noticed");
    store.close().await;
}

/// The only write that waited is one that the database will never take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_write_ends_an_outage_too() {
    let mut pg = PrivatePg::start().await;
    let store = open(&pg.settings()).await;
    let student = add_student(&connect(pg.url()).await).await;
    let session = new_session(&store, student).await;
    pg.stop().await;
    eventually("the outage is noticed", || !store.writer().is_up()).await;
    let writer = store.writer().clone();
    let stray = vec![Op::Insert(question(fynq::id::new(), 1))];
    let kept = tokio::spawn(async move { writer.commit(stray, Patience::Insist).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    pg.start_again().await;
    assert_eq!(kept.await.unwrap(), Err(WriteError::Refused));
    eventually("it is known to be back", || store.writer().is_up()).await;
    store.writer().commit(vec![Op::Insert(question(session, 1))], Patience::Refuse).await.unwrap();
    store.close().await;
}

/// The last words of a connection say nothing of what it had done: a pooler says them, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_ends_with_an_error_leaves_its_batch_in_doubt() {
    let pg = PrivatePg::start().await;
    let store = open(&pg.settings()).await;
    let mut sql = connect(pg.url()).await;
    let student = add_student(&sql).await;
    let session = new_session(&store, student).await;
    let writer = store.writer().clone();
    writer.commit(vec![Op::Insert(question(session, 1))], Patience::Refuse).await.unwrap();
    let lock = sql.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE messages IN EXCLUSIVE MODE").await.unwrap();
    let asked = question(session, 2);
    let ops = vec![Op::Insert(asked.clone())];
    let doubtful = tokio::spawn(async move { writer.commit(ops, Patience::Refuse).await });
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while lock.query_typed_one(end, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    lock.rollback().await.unwrap();
    doubtful.await.unwrap().unwrap();
    assert!(store.message_sent(session, asked.id).await.unwrap().is_some());
    store.close().await;
}

async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
