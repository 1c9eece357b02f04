//! The storage is down, slow, full or refuses: each has its answer, and no row is lost or left.

use std::time::Duration;

use axum::Router;
use fynq::config::Settings;
use fynq::jobs::sweep_older;
use fynq::server::Server;
use http::StatusCode;
use tokio::io::AsyncWriteExt as _;

use super::{BOTH, Desk, Place, answer, begun, begun_at, bytes_of, fetch, upload};
use crate::support::app::TestApp;
use crate::support::picture;
use crate::support::process::Stage;
use crate::support::storage::bucket_at;

#[tokio::test]
async fn while_the_bucket_is_away_nothing_is_taken_and_nothing_is_lost() {
    let desk = Desk::start(Place::Bucket).await;
    let kept = upload(&desk.ada, "a.png", &picture::png()).await.ok(201);
    let path = format!("/files/{}", kept["id"].as_str().unwrap());
    let proxy = &desk.s3.as_ref().unwrap().proxy;
    proxy.refuse();
    upload(&desk.ada, "b.png", &picture::png()).await.assert_problem(503, "files_unavailable");
    let url = desk.ada.get(&path).await.ok(200)["url"].as_str().unwrap().to_owned();
    assert_eq!(fetch(&desk.ada, &url).await.status(), 503);
    assert_eq!(desk.ada.get("/files").await.ok(200)["items"].as_array().unwrap().len(), 1);
    // A deletion is true at once; its blobs go when they can.
    assert_eq!(desk.ada.delete(&path).await.status, 204);
    desk.ada.get(&path).await.assert_problem(404, "not_found");
    proxy.heal();
    let swept = sweep_older(desk.app.server().app(), Duration::ZERO).await.unwrap();
    assert!(swept.gone >= 2, "{swept:?}");
    desk.nothing_is_left().await;
    let file = upload(&desk.ada, "b.png", &picture::png()).await.ok(201);
    assert!(!bytes_of(&desk.ada, &file).await.is_empty());
}

#[tokio::test]
async fn a_bucket_that_says_nothing_is_waited_for_so_long() {
    let patience = |settings: &mut Settings| settings.files.storage_timeout = Duration::from_millis(300);
    let desk = Desk::with(Place::Bucket, patience).await;
    let kept = upload(&desk.ada, "a.txt", b"words").await.ok(201);
    let proxy = &desk.s3.as_ref().unwrap().proxy;
    proxy.silence();
    upload(&desk.ada, "b.txt", b"words").await.assert_problem(503, "files_unavailable");
    let url = kept["url"].as_str().unwrap();
    assert_eq!(fetch(&desk.ada, url).await.status(), 503);
    proxy.heal();
    assert_eq!(fetch(&desk.ada, url).await.bytes().await.unwrap(), "words");
}

/// An S3 endpoint that answers everything with one status.
async fn answering(status: u16) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(async move || StatusCode::from_u16(status).unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[tokio::test]
async fn a_bucket_that_is_full_or_refuses_is_said_to_be() {
    for (status, wanted, code) in [
        (507, 507, "storage_full"),
        (403, 503, "files_unavailable"),
        (500, 503, "files_unavailable"),
        (404, 404, "not_found"),
    ] {
        let endpoint = answering(status).await;
        let desk =
            Desk::with(Place::Folder, |settings| settings.files.bucket = Some(bucket_at(&endpoint))).await;
        upload(&desk.ada, "a.txt", b"words").await.assert_problem(wanted, code);
        // Room and row are free again.
        while desk.rows().await > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A blob that is gone although its row is there: an answer, no panic.
#[tokio::test]
async fn a_blob_that_is_missing_is_a_404() {
    for place in BOTH {
        let desk = Desk::start(place).await;
        let file = upload(&desk.ada, "a.txt", b"words").await.ok(201);
        for key in desk.blobs().await {
            desk.app.server().app().files.delete(&key).await.unwrap();
        }
        assert_eq!(fetch(&desk.ada, file["url"].as_str().unwrap()).await.status(), 404);
    }
}

/// What came while the database went away is not there, and what is left of it the sweep finds.
#[tokio::test]
async fn a_database_that_goes_away_in_the_middle_leaves_what_the_sweep_finds() {
    let mut app = TestApp::builder().database_proxy().start().await;
    let proxy = app.database_proxy.take().unwrap();
    let desk = Desk { ada: app.student("ada").await, app, s3: None };
    let (mut socket, rest) = begun(&desk, "a.txt", 20_000, 10_000).await;
    while desk.rows().await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.refuse();
    socket.write_all(&rest).await.unwrap();
    let said = answer(&mut socket).await;
    assert!(said.starts_with("HTTP/1.1 503") && said.contains("storage_unavailable"), "{said}");
    assert_eq!(desk.rows().await, 1, "the row stays, and says what it is");
    proxy.heal();
    desk.app.database_is_up(true).await;
    let swept = sweep_older(desk.app.server().app(), Duration::ZERO).await.unwrap();
    assert_eq!(swept.arriving, 1);
    desk.nothing_is_left().await;
    upload(&desk.ada, "a.txt", b"words").await.ok(201);
}

/// kill -9 in the middle of an upload: the row says that a file arrives, and nothing is handed out of it.
#[tokio::test]
async fn a_server_that_dies_in_the_middle_leaves_what_the_sweep_finds() {
    let mut stage = Stage::start().await;
    let kept = upload(&stage.ada, "kept.txt", b"words").await.ok(201);
    let (_socket, _) = begun_at(&stage.ada, "a.txt", 20_000, 10_000).await;
    let sql = stage.database.client().await;
    let arriving = async || -> i64 {
        let count = "SELECT count(*) FROM files WHERE state = 'arriving'";
        sql.query_typed_one(count, &[]).await.unwrap().get(0)
    };
    while arriving().await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stage.process.kill().await;
    stage.process.restart().await;
    assert_eq!(arriving().await, 1);
    assert_eq!(stage.ada.get("/files").await.ok(200)["items"].as_array().unwrap().len(), 1);
    stage.process.kill().await;
    // The same data, an hour later.
    let mut settings = Settings { listen: ([127, 0, 0, 1], 0).into(), ..Settings::default() };
    settings.database.url = Some(stage.database.app_url().into());
    settings.data_dir = stage.data_dir().to_owned();
    settings.model.base_url = Some(stage.model.url());
    let server = Box::pin(Server::start(settings)).await.unwrap();
    let app = server.app();
    let swept = sweep_older(app, Duration::ZERO).await.unwrap();
    assert_eq!(swept.arriving, 1, "{swept:?}");
    assert_eq!(std::fs::read_dir(stage.data_dir().join("uploads")).unwrap().count(), 0);
    let ada = stage.ada.at(server.address());
    assert_eq!(
        bytes_of(&ada, &ada.get(&format!("/files/{}", kept["id"].as_str().unwrap())).await.ok(200)).await,
        b"words"
    );
    server.shutdown().await;
}
