//! What the writer does with what it is asked.

use std::time::Duration;

use futures_util::future::join_all;
use fynq::clock;
use fynq::id::{self, Uuid};
use fynq::protocol::{FinishReason, Status, Usage};
use fynq::store::{MessageState, NewMessage, Op, Patience, WAITING, WriteError};

use super::{Fixture, answer, question, state};

#[tokio::test]
async fn an_answer_is_checkpointed_finished_and_then_left_alone() {
    let f = Fixture::new().await;
    let session = f.session().await;
    let writer = f.store.writer();
    let (asked, answered) = (question(session, 1), answer(session, 2));
    let ops = vec![Op::Insert(asked.clone()), Op::Insert(answered.clone())];
    writer.commit(ops.clone(), Patience::Refuse).await.unwrap();
    // The same again, as after a commit of unknown outcome.
    writer.commit(ops, Patience::Refuse).await.unwrap();

    writer.commit(vec![state(&answered, "2 + 2", Status::Streaming)], Patience::Insist).await.unwrap();
    assert_eq!(f.state_of(session, answered.id).await, ("2 + 2".into(), "streaming".into(), false));
    let usage = Usage { input_tokens: 7, output_tokens: 3, ..Usage::default() };
    let last = Op::Update(MessageState {
        session_id: session,
        id: answered.id,
        content: "2 + 2 = 4".into(),
        status: Status::Complete,
        finish_reason: Some(FinishReason::Stop),
        error: None,
        usage: Some(usage),
        model: Some("practice".into()),
    });
    writer.commit(vec![last], Patience::Insist).await.unwrap();
    // A checkpoint that comes late changes nothing, nor does one of a message never streaming.
    writer.commit(vec![state(&answered, "2 +", Status::Streaming)], Patience::Insist).await.unwrap();
    writer.commit(vec![state(&asked, "", Status::Failed)], Patience::Insist).await.unwrap();

    let messages = f.store.run_messages(session, answered.run_id).await.unwrap();
    assert_eq!(messages.len(), 1);
    let message = &messages[0];
    assert_eq!((message.content.as_str(), message.status), ("2 + 2 = 4", Status::Complete));
    assert_eq!(message.finish_reason, Some(FinishReason::Stop));
    assert_eq!((message.usage, message.model.as_deref()), (Some(usage), Some("practice")));
    assert_eq!(message.author.name, "fynq");
    assert_eq!(f.state_of(session, asked.id).await.0, "question 1");
}

#[tokio::test]
async fn an_answer_that_was_presumed_dead_keeps_its_own_end() {
    let f = Fixture::new().await;
    let session = f.session().await;
    let writer = f.store.writer();
    let answered = answer(session, 1);
    writer.commit(vec![Op::Insert(answered.clone())], Patience::Refuse).await.unwrap();
    // Another fynq starts while this one still speaks.
    assert_eq!(f.store.close_interrupted().await.unwrap(), 1);
    writer.commit(vec![state(&answered, "2 +", Status::Streaming)], Patience::Insist).await.unwrap();
    assert_eq!(f.state_of(session, answered.id).await.1, "interrupted");
    writer.commit(vec![state(&answered, "2 + 2 = 4", Status::Complete)], Patience::Insist).await.unwrap();
    writer.commit(vec![state(&answered, "", Status::Failed)], Patience::Insist).await.unwrap();
    assert_eq!(f.state_of(session, answered.id).await, ("2 + 2 = 4".into(), "complete".into(), false));
}

#[tokio::test]
async fn of_many_states_in_one_batch_the_last_counts_until_the_end() {
    let f = Fixture::new().await;
    let session = f.session().await;
    let answered = answer(session, 1);
    let ops = vec![
        state(&answered, "a", Status::Streaming),
        state(&answered, "ab", Status::Streaming),
        state(&answered, "abc", Status::Stopped),
        state(&answered, "ab", Status::Streaming),
        Op::Insert(answered.clone()),
    ];
    f.store.writer().commit(ops, Patience::Refuse).await.unwrap();
    assert_eq!(f.state_of(session, answered.id).await, ("abc".into(), "stopped".into(), false));
}

#[tokio::test]
async fn a_queued_message_begins_once_and_supersedes() {
    let f = Fixture::new().await;
    let session = f.session().await;
    let writer = f.store.writer();
    let (first, old, reply) = (question(session, 1), question(session, 2), question(session, 3));
    // Beside one whose place was given before what waits had places of its own.
    let behind = NewMessage { status: Status::Queued, ..question(session, 4) };
    let mut edit = question(session, WAITING + 1);
    (edit.status, edit.edits) = (Status::Queued, Some(old.id));
    let ops = [&first, &old, &reply, &behind, &edit].map(|new| Op::Insert(new.clone()));
    writer.commit(ops.to_vec(), Patience::Refuse).await.unwrap();
    assert_eq!(f.store.sessions_waiting().await.unwrap(), [session]);
    let woken = f.store.wake_session(session, 10, 10_000).await.unwrap().unwrap();
    assert_eq!((woken.messages[4].edits, woken.last_ord), (Some(old.id), 4));

    let begin = vec![
        Op::Begin { session_id: session, id: edit.id, ord: 5 },
        Op::Supersede { session_id: session, from: 2, before: 5 },
    ];
    // The same again, as after a commit of unknown outcome.
    for _ in 0..2 {
        writer.commit(begin.clone(), Patience::Insist).await.unwrap();
        assert_eq!(f.state_of(session, edit.id).await.1, "complete");
        assert!(f.state_of(session, old.id).await.2 && f.state_of(session, reply.id).await.2);
        for stays in [&first, &behind, &edit] {
            assert!(!f.state_of(session, stays.id).await.2, "{}", stays.content);
        }
    }
    let begin = vec![Op::Begin { session_id: session, id: behind.id, ord: 6 }];
    writer.commit(begin, Patience::Insist).await.unwrap();
    assert!(f.store.sessions_waiting().await.unwrap().is_empty());
    // What is superseded is still known by its id, and its place stays taken.
    assert!(f.store.message_sent(session, old.id).await.unwrap().is_some());
    let woken = f.store.wake_session(session, 10, 10_000).await.unwrap().unwrap();
    assert_eq!((woken.messages.len(), woken.last_ord), (3, 6));
}

#[tokio::test]
async fn a_touch_moves_the_session_forward_and_gives_a_title_once() {
    let f = Fixture::new().await;
    let session = f.session().await;
    let writer = f.store.writer();
    let touch = |title: Option<&str>, seconds: i64| {
        let at = clock::now() + jiff::SignedDuration::from_secs(seconds);
        vec![Op::Touch { session_id: session, title: title.map(str::to_owned), at }]
    };
    let before = f.store.get_session(f.student, session).await.unwrap().unwrap();
    writer.commit(touch(None, 60), Patience::Refuse).await.unwrap();
    let touched = f.store.get_session(f.student, session).await.unwrap().unwrap();
    assert!(touched.updated_at > before.updated_at && touched.title.is_none());
    // A second one within a second is spared, but not its title.
    writer.commit(touch(None, 120), Patience::Refuse).await.unwrap();
    let spared = f.store.get_session(f.student, session).await.unwrap().unwrap();
    assert_eq!(spared.updated_at, touched.updated_at);
    writer.commit(touch(Some("Slopes"), 180), Patience::Refuse).await.unwrap();
    writer.commit(touch(Some("Other"), -180), Patience::Refuse).await.unwrap();
    let titled = f.store.get_session(f.student, session).await.unwrap().unwrap();
    assert_eq!(titled.title.as_deref(), Some("Slopes"));
    assert!(titled.updated_at > touched.updated_at, "and time never goes back");

    let raise = |raised| vec![Op::RaiseHand { session_id: session, raised }];
    writer.commit(raise(true), Patience::Refuse).await.unwrap();
    assert!(f.store.get_session(f.student, session).await.unwrap().unwrap().hand_raised);
    writer.commit(raise(false), Patience::Refuse).await.unwrap();
    assert!(!f.store.get_session(f.student, session).await.unwrap().unwrap().hand_raised);
}

/// Holds the writer's first batch up, so that all that follows lands in one.
async fn in_one_batch<T>(f: &mut Fixture, requests: impl Future<Output = T>) -> T {
    let lock = f.sql.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE messages IN EXCLUSIVE MODE").await.unwrap();
    let watcher = f.db.client().await;
    let release = async {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while watcher.query_typed_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        lock.rollback().await.unwrap();
    };
    tokio::join!(requests, release).0
}

/// Commits much at once until the writer has its second connection.
async fn on_two_connections(f: &Fixture, sessions: &[Uuid]) {
    let writing = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'SELECT * FROM write_batch%'";
    for round in 0.. {
        assert!(round < 1000, "no second connection");
        let writes = sessions.iter().enumerate().flat_map(|(n, session)| {
            let first = 10_000 + round * 1_000 + 10 * i64::try_from(n).unwrap();
            (first..first + 10).map(|ord| Op::Insert(question(*session, ord)))
        });
        let writer = f.store.writer();
        join_all(writes.map(|op| writer.commit(vec![op], Patience::Refuse))).await;
        if f.sql.query_typed_one(writing, &[]).await.unwrap().get::<_, i64>(0) > 1 {
            return;
        }
    }
}

async fn poisoned_requests_fail_alone(on_two: bool) {
    let mut f = Fixture::new().await;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(f.session().await);
    }
    if on_two {
        on_two_connections(&f, &sessions).await;
    }
    let session = sessions[7];
    let writer = f.store.writer().clone();
    let good: Vec<_> = (1..=200).map(|ord| question(sessions[ord as usize % 20], ord)).collect();
    // A session that is not there, a place that is taken, a letter that PostgreSQL does not keep.
    let gone = question(id::new(), 1);
    let taken = question(session, 107);
    let mut nul = question(session, 500);
    nul.content = "a\0b".into();
    let companion = question(session, 501);
    let mut requests: Vec<Vec<Op>> = good.iter().map(|new| vec![Op::Insert(new.clone())]).collect();
    requests.insert(150, vec![Op::Insert(gone.clone())]);
    requests.insert(160, vec![Op::Insert(taken.clone())]);
    // The operations of one request stand and fall together.
    requests.insert(170, vec![Op::Insert(companion.clone()), Op::Insert(nul.clone())]);
    let results = in_one_batch(
        &mut f,
        join_all(requests.iter().map(|ops| writer.commit(ops.clone(), Patience::Insist))),
    )
    .await;
    for (ops, result) in requests.iter().zip(&results) {
        let [Op::Insert(first), ..] = &ops[..] else { unreachable!() };
        let bad = [gone.id, taken.id, companion.id].contains(&first.id);
        let want = if bad { Err(WriteError::Refused) } else { Ok(()) };
        assert_eq!(result, &want, "{}", first.content);
        assert_eq!(f.store.message_sent(first.session_id, first.id).await.unwrap().is_some(), !bad);
    }
    assert!(writer.is_up(), "bad rows are no outage");
}

#[tokio::test]
async fn a_poisoned_request_fails_alone() {
    poisoned_requests_fail_alone(false).await;
}

#[tokio::test]
async fn a_poisoned_request_fails_alone_on_two_connections() {
    poisoned_requests_fail_alone(true).await;
}

#[tokio::test]
async fn a_batch_is_one_transaction() {
    let mut f = Fixture::new().await;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(f.session().await);
    }
    let writer = f.store.writer().clone();
    let requests = join_all(
        sessions
            .iter()
            .map(|session| writer.commit(vec![Op::Insert(question(*session, 1))], Patience::Refuse)),
    );
    let results = in_one_batch(&mut f, requests).await;
    assert!(results.iter().all(Result::is_ok));
    let sql = "SELECT count(DISTINCT xmin::text) FROM messages";
    let transactions: i64 = f.sql.query_typed_one(sql, &[]).await.unwrap().get(0);
    assert!(transactions <= 2, "the one that was held up and all others: {transactions}");
}

#[tokio::test]
async fn a_flush_resolves_after_all_that_was_queued() {
    let f = Fixture::new().await;
    let session = f.session().await;
    let writer = f.store.writer().clone();
    let asked = question(session, 1);
    // The commit takes as long as the test wants.
    let mut sql = f.db.client().await;
    let lock = sql.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE messages IN SHARE MODE").await.unwrap();
    let commit = {
        let (writer, asked) = (writer.clone(), asked.clone());
        tokio::spawn(async move { writer.commit(vec![Op::Insert(asked)], Patience::Refuse).await })
    };
    let flush = tokio::spawn(async move { writer.flush().await });
    // On this single thread both have queued their requests once they have run, in this order.
    tokio::task::yield_now().await;
    // Nobody waits for the answer any more: the request stands all the same.
    commit.abort();
    let stuck = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                 WHERE NOT l.granted AND d.datname = current_database()";
    while f.sql.query_typed_one(stuck, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(!flush.is_finished(), "before the commit");
    lock.rollback().await.unwrap();
    flush.await.unwrap();
    assert!(f.store.message_sent(session, asked.id).await.unwrap().is_some());
}

#[tokio::test]
async fn after_close_the_writer_refuses() {
    let f = Fixture::new().await;
    let session = f.session().await;
    f.store.close().await;
    let late = f.store.writer().commit(vec![Op::Insert(question(session, 1))], Patience::Insist).await;
    assert!(matches!(late, Err(WriteError::Unavailable { .. })), "{late:?}");
    f.store.writer().flush().await;
}
