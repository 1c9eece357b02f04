//! What goes over the wire.

use fynq::clock;
use fynq::protocol::Status;
use fynq::store::{NewSession, Op, Patience, SessionsOf};

use super::relay::Relay;
use super::{add_student, answer, open, question, state};
use crate::support::pg::{Db, settings_for};

/// A transaction-mode pooler hands the connection to somebody else after each transaction: what
/// is named or set for longer than that is lost, or somebody else's.
#[tokio::test]
async fn nothing_named_and_nothing_set_outlives_a_transaction() {
    let db = Db::new().await;
    let relay = Relay::start(db.url()).await;
    let store = open(&settings_for(&relay.url)).await;
    let student = add_student(&db.client().await).await;
    let new = NewSession { student_id: student, title: None, subject: None };
    let session = store.create_session(new).await.unwrap().id;
    let (asked, answered) = (question(session, 1), answer(session, 2));
    let ops = vec![
        Op::Insert(asked.clone()),
        Op::Insert(answered.clone()),
        state(&answered, "so", Status::Complete),
        Op::Begin { session_id: session, id: asked.id, ord: 3 },
        Op::Supersede { session_id: session, from: 1, before: 2 },
        Op::Touch { session_id: session, title: Some("Why".into()), at: clock::now() },
        Op::RaiseHand { session_id: session, raised: true },
    ];
    store.writer().commit(ops, Patience::Refuse).await.unwrap();
    store.list_sessions(student, SessionsOf::Taught(student), Some("why"), None, 5).await.unwrap();
    store.wake_session(session, 10, 1000).await.unwrap().unwrap();
    store.check().await.unwrap();
    store.close_interrupted().await.unwrap();
    store.delete_session(student, session).await.unwrap();
    store.close().await;

    let heard = relay.heard.lock().unwrap();
    assert!(heard.statements.len() > 15, "{}", heard.statements.len());
    let named: Vec<_> = heard.statements.iter().filter(|name| !name.is_empty()).collect();
    assert!(named.is_empty(), "named statements: {named:?}");
    assert!(heard.queries.iter().any(|query| query.contains("write_batch")), "{:?}", heard.queries);
    for query in &heard.queries {
        let lasting = query.split(';').map(str::trim).find(|part| {
            (part.starts_with("SET ") && !part.starts_with("SET LOCAL "))
                || ["LISTEN", "PREPARE", "DECLARE"].iter().any(|word| part.starts_with(word))
        });
        assert_eq!(lasting, None);
    }
}
