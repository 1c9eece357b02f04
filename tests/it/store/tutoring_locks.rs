//! The second lock over what tutors leave behind: whatever is asked, and by bare SQL, a session's own
//! student sees none of it, and no other school sees anything.

use fynq::id::Uuid;
use fynq::protocol::SignalKind;
use fynq::store::{MarkChange, StoreError};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::staff::Staff;
use crate::support::pg::connect;

const TABLES: [&str; 6] =
    ["whispers", "tutor_acts", "signal_events", "signal_marks", "tutor_notes", "message_paces"];

/// How many rows of each table this person's transaction shows.
async fn seen(client: &Client, who: Uuid) -> [i64; 6] {
    client.batch_execute(&as_user(who)).await.unwrap();
    let mut seen = [0; 6];
    for (table, seen) in TABLES.iter().zip(&mut seen) {
        let sql = format!("SELECT count(*) FROM {table}");
        *seen = client.query_typed_one(&sql, &[]).await.unwrap().get(0);
    }
    client.batch_execute("ROLLBACK").await.unwrap();
    seen
}

fn as_user(who: Uuid) -> String {
    format!(
        "BEGIN; SET LOCAL ROLE fynq_user; \
         SELECT set_config('request.jwt.claims', '{{\"sub\":\"{who}\",\"role\":\"admin\"}}', true)"
    )
}

#[tokio::test]
async fn only_who_watches_sees_a_row_of_it() {
    let s = Staff::new().await;
    s.leave_one_of_each().await;
    let client = connect(&s.f.db.app_url()).await;
    for who in [s.teach, s.second, s.admin] {
        assert_eq!(seen(&client, who).await, [1; 6]);
    }
    for who in [s.f.student, s.mate, s.coll, s.far[0], s.far[1], fynq::id::new()] {
        assert_eq!(seen(&client, who).await, [0; 6]);
    }
    // A tutor's own session is a student's to everybody but its admin.
    let sql = format!("UPDATE sessions SET student_id = '{}' WHERE id = '{}'", s.teach, s.session);
    s.f.sql.batch_execute(&sql).await.unwrap();
    assert_eq!(seen(&client, s.teach).await, [0, 0, 0, 0, 1, 0], "the note is on somebody else");
    // Out of the class, and at once nothing.
    let sql = format!("DELETE FROM class_members WHERE user_id = '{}'", s.second);
    s.f.sql.batch_execute(&sql).await.unwrap();
    assert_eq!(seen(&client, s.second).await, [0; 6]);
}

#[tokio::test]
async fn the_stores_functions_give_them_nothing_either() {
    let s = Staff::new().await;
    s.leave_one_of_each().await;
    let (store, student) = (&s.f.store, s.f.student);
    let today = fynq::clock::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let note = store.notes_of(s.teach, student, None, 1).await.unwrap().items.remove(0).id;
    for who in [student, s.mate, s.coll, s.far[0], s.far[1]] {
        assert!(store.whispers_of(who, s.session, None, 9).await.unwrap().items.is_empty());
        assert!(store.replay_of(who, s.session, None, 9).await.unwrap().items.is_empty());
        assert!(store.acts_of(who, s.session, 9).await.unwrap().is_empty());
        assert!(store.signals_of(who, s.session, 9).await.unwrap().is_empty());
        assert!(store.marks_of(who, 9).await.unwrap().is_empty());
        assert!(store.notes_of(who, student, None, 9).await.unwrap().items.is_empty());
        assert!(store.note(who, note).await.unwrap().is_none());
        assert!(store.change_note(who, note, "x").await.unwrap().is_none());
        assert!(!store.delete_note(who, note).await.unwrap());
        let change = MarkChange { useful: Some(Some(false)), ..MarkChange::default() };
        let mark = store.mark_signal(who, s.session, SignalKind::Safety, change).await;
        assert!(matches!(mark, Ok(None) | Err(StoreError::Missing)), "{mark:?}");
        let digest = store.digest_of(who, s.class, today).await.unwrap();
        let told = digest.iter().flat_map(|digest| &digest.students);
        assert!(told.clone().all(|of| of.helped.is_empty() && of.signals.is_empty()), "{digest:?}");
        // A student sees the class that they are in, and of its members themselves at most.
        assert!(told.clone().all(|of| of.student.id == who), "{digest:?}");
    }
}

/// Not even by bare SQL, as somebody who may see it.
#[tokio::test]
async fn nobody_writes_what_is_not_theirs() {
    let s = Staff::new().await;
    s.leave_one_of_each().await;
    let client = connect(&s.f.db.app_url()).await;
    let session = s.session;
    let mark = |who: Uuid| {
        format!(
            "INSERT INTO signal_marks (session_id, kind, user_id, useful, at) \
             VALUES ('{session}', 'hand', '{who}', true, now())"
        )
    };
    let note = |author: Uuid, org: &str| {
        format!(
            "INSERT INTO tutor_notes VALUES (gen_random_uuid(), '{org}', '{}', '{author}', 'x', now(), now())",
            s.f.student
        )
    };
    let here = super::staff::HERE;
    for (who, sql) in [
        (s.teach, "UPDATE whispers SET text = 'x'".to_owned()),
        (s.teach, "DELETE FROM whispers".to_owned()),
        (s.teach, "DELETE FROM tutor_acts".to_owned()),
        (s.teach, "UPDATE sessions SET control = 'tutor'".to_owned()),
        (s.teach, "UPDATE tutor_notes SET author_id = student_id".to_owned()),
        (s.teach, mark(s.second)),
        (s.teach, note(s.second, here)),
        (s.f.student, mark(s.f.student)),
        (s.f.student, note(s.f.student, here)),
        (s.coll, mark(s.coll)),
        (s.coll, note(s.coll, here)),
        (s.far[1], note(s.far[1], here)),
    ] {
        client.batch_execute(&as_user(who)).await.unwrap();
        let refused = client.batch_execute(&sql).await;
        client.batch_execute("ROLLBACK").await.unwrap();
        let refused = refused.expect_err(&sql);
        assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{sql}: {refused}");
    }
    for (who, sql) in [
        (s.second, "UPDATE signal_marks SET useful = false"),
        (s.second, "UPDATE tutor_notes SET text = 'x'"),
        (s.second, "DELETE FROM tutor_notes"),
        (s.far[1], "DELETE FROM tutor_notes"),
    ] {
        client.batch_execute(&as_user(who)).await.unwrap();
        let touched = client.execute_typed(sql, &[]).await.unwrap();
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(touched, 0, "{sql}");
    }
}
