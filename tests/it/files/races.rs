//! What is sent and deleted at the same moment: one of both, and never half of each.

use std::time::Duration;

use fynq::clock;
use fynq::id::Uuid;
use fynq::jobs::sweep_files;
use fynq::protocol::{AuthorKind, MessageRole, Status};
use fynq::store::{NewMessage, Op, Patience};
use tokio_postgres::Client;

use super::{Desk, Place, upload};
use crate::support::socket::PATIENCE;

async fn file(desk: &Desk) -> Uuid {
    let kept = upload(&desk.ada, "a.txt", b"words").await.ok(201);
    kept["id"].as_str().unwrap().parse().unwrap()
}

/// A transaction that has done this and is not over.
async fn under_way(desk: &Desk, sql: &str) -> Client {
    let client = desk.app.database.client().await;
    client.batch_execute(&format!("BEGIN; {sql}")).await.unwrap();
    client
}

/// Resolves when a statement waits for another's lock.
async fn somebody_waits(desk: &Desk) {
    let waits = "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let so = async {
        while desk.app.count(waits).await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, so).await.expect("nobody waits");
}

async fn counts(desk: &Desk) -> (i64, i64, i64) {
    (
        desk.app.count("SELECT count(*) FROM files WHERE state = 'ready'").await,
        desk.app.count("SELECT count(*) FROM files WHERE state = 'deleted'").await,
        desk.app.count("SELECT count(*) FROM file_uses").await,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_while_it_is_sent_leaves_its_place() {
    let desk = Desk::start(Place::Folder).await;
    let (file, session) = (file(&desk).await, desk.ada.session().await);
    let sends = under_way(&desk, &format!("INSERT INTO file_uses VALUES ('{file}', '{session}')")).await;
    let ada = desk.ada.clone();
    let deletes = tokio::spawn(async move { ada.delete(&format!("/files/{file}")).await });
    somebody_waits(&desk).await;
    sends.batch_execute("COMMIT").await.unwrap();
    assert_eq!(deletes.await.unwrap().status, 204);
    assert_eq!(counts(&desk).await, (0, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_file_is_just_being_deleted_is_kept_without_it() {
    for deletion in
        ["DELETE FROM files", "UPDATE files SET state = 'deleted', key = NULL, preview_key = NULL"]
    {
        let desk = Desk::start(Place::Folder).await;
        let (gone, stays) = (file(&desk).await, file(&desk).await);
        let session_id: Uuid = desk.ada.session().await.parse().unwrap();
        let deletes = under_way(&desk, &format!("{deletion} WHERE id = '{gone}'")).await;
        let id = fynq::id::new();
        let row = NewMessage {
            session_id,
            id,
            ord: 1,
            run_id: id,
            role: MessageRole::User,
            author_id: None,
            author_kind: AuthorKind::Student,
            content: "Look.".into(),
            status: Status::Complete,
            edits: None,
            files: [gone, stays].into(),
            created_at: clock::now(),
            charged: false,
        };
        let writer = desk.app.server().app().store.writer().clone();
        let sends = tokio::spawn(async move { writer.commit(vec![Op::Insert(row)], Patience::Refuse).await });
        somebody_waits(&desk).await;
        deletes.batch_execute("COMMIT").await.unwrap();
        sends.await.unwrap().expect("the message is there");
        let named = format!("SELECT cardinality(files)::int8 FROM messages WHERE id = '{id}'");
        assert_eq!(desk.app.count(&named).await, 2, "{deletion}");
        let used = format!("SELECT count(*) FROM file_uses WHERE file_id = '{stays}'");
        assert_eq!((counts(&desk).await.2, desk.app.count(&used).await), (1, 1), "{deletion}");
    }
}

/// What was refused takes its picture along, unless that was sent meanwhile; and so does the retention.
#[tokio::test(flavor = "multi_thread")]
async fn what_seems_unsent_and_is_just_being_sent_stays() {
    let desk = Desk::with(Place::Folder, |settings| settings.retention.sessions_days = Some(30)).await;
    let (file, session) = (file(&desk).await, desk.ada.session().await);
    desk.app.execute("UPDATE files SET created_at = now() - interval '31 days'").await;
    let sends = under_way(&desk, &format!("INSERT INTO file_uses VALUES ('{file}', '{session}')")).await;
    // The sweep comes again: it waits for nobody.
    assert_eq!(sweep_files(desk.app.server().app()).await.unwrap().unsent, 0);
    let (store, owner) = (desk.app.server().app().store.clone(), desk.ada.user_id.parse().unwrap());
    let ends = tokio::spawn(async move { store.unsent_file_ends(owner, file).await });
    somebody_waits(&desk).await;
    sends.batch_execute("COMMIT").await.unwrap();
    assert!(!ends.await.unwrap().unwrap());
    assert_eq!(sweep_files(desk.app.server().app()).await.unwrap().unsent, 0);
    assert_eq!(counts(&desk).await, (1, 0, 1));
}

/// However many deletions there are, one task takes the blobs out of the storage.
#[tokio::test(flavor = "multi_thread")]
async fn deletions_are_swept_up_one_at_a_time() {
    let patience = |settings: &mut fynq::config::Settings| settings.files.storage_timeout = PATIENCE;
    let desk = Desk::with(Place::Bucket, patience).await;
    let mut files = Vec::new();
    for _ in 0..24 {
        files.push(file(&desk).await);
    }
    let proxy = &desk.s3.as_ref().unwrap().proxy;
    proxy.silence();
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    desk.ada.delete(&format!("/files/{}", files[0])).await.ok(204);
    let before = alive();
    for file in &files[1..23] {
        desk.ada.delete(&format!("/files/{file}")).await.ok(204);
    }
    assert!(alive() < before + 10, "{} were {before}", alive());
    // And whatever was deleted while one was at it is found by the next.
    proxy.heal();
    desk.ada.delete(&format!("/files/{}", files[23])).await.ok(204);
    desk.nothing_is_left().await;
}

/// Attached or deleted, whichever is first.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_not_attached_and_what_is_attached_is_not_deleted() {
    let desk = Desk::start(Place::Folder).await;
    let (gone, stays, content) = (file(&desk).await, file(&desk).await, fynq::id::new());
    desk.app
        .execute(&format!(
            "INSERT INTO content (id, org_id, title, language, body, state, created_at, updated_at) \
             SELECT '{content}', org_id, 'Halves', 'en', 'x', 'draft', now(), now() FROM users WHERE id = '{}'",
            desk.ada.user_id
        ))
        .await;
    let attach = |file: Uuid| {
        format!(
            "INSERT INTO content_files (file_id, content_id, position, language, reading) \
             VALUES ('{file}', '{content}', 1, 'en', 'none')"
        )
    };
    let deletes = format!("UPDATE files SET state = 'deleted', key = NULL WHERE id = '{gone}'");
    let deletes = under_way(&desk, &deletes).await;
    let (client, sql) = (desk.app.database.client().await, attach(gone));
    let attaches = tokio::spawn(async move { client.execute_typed(&sql, &[]).await.unwrap() });
    somebody_waits(&desk).await;
    deletes.batch_execute("COMMIT").await.unwrap();
    assert_eq!(attaches.await.unwrap(), 0);

    let attaches = under_way(&desk, &attach(stays)).await;
    let (store, owner) = (desk.app.server().app().store.clone(), desk.ada.user_id.parse().unwrap());
    let deletes = tokio::spawn(async move { store.delete_file(owner, stays).await });
    somebody_waits(&desk).await;
    attaches.batch_execute("COMMIT").await.unwrap();
    assert!(!deletes.await.unwrap().unwrap());
    assert_eq!(counts(&desk).await, (1, 1, 0));
}
