//! What a crash leaves behind goes, and nothing else.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use fynq::files::Storage;
use fynq::jobs::{sweep_files, sweep_older};

use super::{BOTH, Desk, Place, upload};
use crate::support::picture;

async fn put(storage: &Storage, key: &str) {
    let bytes = stream::iter([Ok(Bytes::from_static(b"words"))]);
    storage.put(key, bytes, 100).await.unwrap();
}

#[tokio::test]
async fn a_sweep_takes_what_no_row_names_and_leaves_what_one_does() {
    for place in BOTH {
        let desk = Desk::start(place).await;
        let app = desk.app.server().app();
        let kept = upload(&desk.ada, "a.png", &picture::png()).await.ok(201);
        let kept_blobs = desk.blobs().await;
        // As after a kill: a row and half of its blobs, blobs of no row, a file of a moment.
        let half = format!("{}/aaaa", desk.ada.user_id);
        let row = format!(
            "INSERT INTO files (id, org_id, owner_id, name, media_type, size, state, key, created_at) \
             SELECT gen_random_uuid(), org_id, id, '', 'text/plain', 100, 'arriving', '{half}', now() \
             FROM users WHERE id = '{}'",
            desk.ada.user_id
        );
        desk.app.execute(&row).await;
        put(&app.files, &half).await;
        put(&app.files, "nobody/bbbb").await;
        put(&app.files, "nobody/bbbb.preview").await;
        std::fs::write(desk.app.data_dir().join("uploads/left"), b"words").unwrap();
        // A text that was made of a document lies under a key of its own.
        let text = kept_blobs.iter().min().unwrap().to_owned() + ".text2";
        desk.app
            .execute(&format!(
                "UPDATE files SET text_key = '{text}' WHERE id = '{}'",
                kept["id"].as_str().unwrap()
            ))
            .await;
        put(&app.files, &text).await;

        let young = sweep_files(app).await.unwrap();
        assert_eq!((young.arriving, young.gone, young.orphans), (0, 0, 0), "they may still arrive");
        let swept = sweep_older(app, Duration::ZERO).await.unwrap();
        assert_eq!((swept.arriving, swept.gone, swept.orphans), (1, 1, 2), "{place:?}");
        let mut left = kept_blobs.clone();
        left.push(text);
        left.sort();
        assert_eq!(desk.blobs().await, left);
        assert!(desk.spooled().is_empty());
        assert_eq!(desk.rows().await, 1);
        assert_eq!(sweep_older(app, Duration::ZERO).await.unwrap(), fynq::jobs::Swept::default());
    }
}

/// A kill in the middle of a large upload leaves a file that no list of blobs shows.
#[tokio::test]
async fn what_a_crash_left_half_written_in_the_folder_goes() {
    let desk = Desk::start(Place::Folder).await;
    let app = desk.app.server().app();
    let kept = upload(&desk.ada, "a.txt", b"words").await.ok(201);
    let blob = desk.app.data_dir().join("files").join(&desk.blobs().await[0]);
    let half = blob.with_file_name("0123456789abcdef#1");
    std::fs::write(&half, b"half").unwrap();
    assert_eq!(desk.blobs().await.len(), 1);
    sweep_files(app).await.unwrap();
    assert!(half.exists(), "it may still be written");
    sweep_older(app, Duration::ZERO).await.unwrap();
    assert!(!half.exists() && blob.exists());
    assert_eq!(super::bytes_of(&desk.ada, &kept).await, b"words");
}

/// A database that was set back, or a bucket of somebody else's: deleting would be the end of it.
#[tokio::test]
async fn a_storage_that_seems_to_be_another_databases_is_not_swept() {
    let desk = Desk::start(Place::Folder).await;
    let app = desk.app.server().app();
    for (from, to) in [(0, 3), (3, 120)] {
        for n in from..to {
            put(&app.files, &format!("nobody/{n}")).await;
        }
        assert_eq!(sweep_older(app, Duration::ZERO).await.unwrap().orphans, 0);
        assert_eq!(desk.blobs().await.len(), to);
    }
}

#[tokio::test]
async fn what_was_never_sent_goes_with_the_retention() {
    let desk = Desk::with(Place::Folder, |settings| settings.retention.sessions_days = Some(30)).await;
    let app = desk.app.server().app();
    for name in ["old", "sent", "new"] {
        upload(&desk.ada, &format!("{name}.txt"), b"words").await.ok(201);
    }
    let session = desk.ada.session().await;
    desk.app
        .execute("UPDATE files SET created_at = now() - interval '31 days' WHERE name <> 'new.txt'")
        .await;
    let used = format!("INSERT INTO file_uses SELECT id, '{session}' FROM files WHERE name = 'sent.txt'");
    desk.app.execute(&used).await;
    let swept = sweep_files(app).await.unwrap();
    assert_eq!((swept.unsent, swept.gone), (1, 1));
    assert_eq!(desk.rows().await, 2);
}
