//! A bucket of Supabase's: what people upload and read is asked with their own tokens, the rest with the server's key.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use fynq::jobs::sweep_older;
use serde_json::json;

use super::{Desk, bytes_of, fetch, upload};
use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::gotrue::GoTrue;
use crate::support::picture;
use crate::support::socket::PATIENCE;
use crate::support::storage::{Asked, KEY, S3, TENANT};

/// A school whose accounts and whose bucket are Supabase's, and somebody there.
async fn school() -> (Desk, GoTrue) {
    let (gotrue, s3) = (GoTrue::start().await, S3::start().await);
    let builder = TestApp::builder().settings(|settings| {
        settings.supabase = Some(gotrue.settings());
        settings.files.bucket = Some(s3.bucket_of_project());
    });
    let app = builder.start().await;
    let ada = gotrue.person(&Client::stranger(app.addr), "ada");
    (Desk { app, ada, s3: Some(s3) }, gotrue)
}

impl Desk {
    fn s3(&self) -> &S3 {
        self.s3.as_ref().unwrap()
    }

    /// Waits until so much of this was asked; gives all that was asked meanwhile.
    async fn asked(&self, what: &str, times: usize) -> Vec<Asked> {
        let mut asked = Vec::new();
        let all = async {
            while asked.iter().filter(|one: &&Asked| one.what == what).count() < times {
                asked.extend(self.s3().asked());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, all).await;
        assert!(waited.is_ok(), "{what} was not asked {times} times: {asked:#?}");
        asked
    }
}

fn names(asked: &[Asked]) -> Vec<&str> {
    asked.iter().map(|one| one.what.as_str()).collect()
}

/// That this person asked, with this token, and of nothing but their own folder.
fn by(asked: &[Asked], who: &Client) {
    let folder = format!("files/{}/", who.user_id);
    for one in asked {
        assert_eq!((one.by.as_str(), one.token.as_deref()), (TENANT, Some(who.token.as_str())), "{one:?}");
        assert!(one.key.starts_with(&folder), "{one:?}");
    }
}

fn by_the_server(asked: &[Asked]) {
    for one in asked {
        assert_eq!((one.by.as_str(), one.token.as_deref()), (KEY, None), "{one:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_asks_is_asked_with_their_token_and_the_rest_with_the_servers_key() {
    let (desk, gotrue) = school().await;
    let (mut ada, bob) = (desk.ada.clone(), gotrue.person(&desk.ada, "bob"));
    desk.s3().asked();
    // Two blobs of one, parts of another's, at the same time.
    let (png, big) = (picture::png(), vec![b'a'; 6 << 20]);
    let (hers, his) = tokio::join!(upload(&ada, "a.png", &png), upload(&bob, "b.txt", &big));
    let (hers, his) = (hers.ok(201), his.ok(201));
    let asked = desk.s3().asked();
    let (of_ada, of_bob): (Vec<Asked>, Vec<Asked>) =
        asked.into_iter().partition(|one| one.key.contains(&ada.user_id));
    by(&of_ada, &ada);
    by(&of_bob, &bob);
    assert_eq!(names(&of_ada), ["PutObject", "PutObject"]);
    assert_eq!(
        names(&of_bob),
        ["CreateMultipartUpload", "UploadPart", "UploadPart", "CompleteMultipartUpload"]
    );
    // An address brings no token: the last that its sign-in showed serves.
    assert_eq!(bytes_of(&bob, &his).await, big);
    by(&desk.asked("GetObject", 1).await, &bob);
    let stale = ada.clone();
    // A second later, or the new token is the old one.
    gotrue.world().life = 7200;
    let fresh = ada.post("/auth/refresh", json!({"refresh_token": ada.refresh_token})).await.ok(200);
    ada.take_tokens(&fresh);
    assert_ne!(stale.token, ada.token);
    let file = ada.get(&format!("/files/{}", hers["id"].as_str().unwrap())).await.ok(200);
    stale.get("/users/me").await.ok(200);
    assert_eq!(fetch(&ada, file["preview_url"].as_str().unwrap()).await.status(), 200);
    by(&desk.asked("GetObject", 1).await, &ada);
    // What she deletes, the server does.
    ada.delete(&format!("/files/{}", hers["id"].as_str().unwrap())).await.ok(204);
    let gone = desk.asked("DeleteObject", 2).await;
    by_the_server(&gone);
    // What nobody asks for: a blob that nobody knows, and the list in which it is found.
    let server = desk.app.server().app();
    server.files.put("nobody/bbbb", stream::iter([Ok(Bytes::from_static(b"x"))]), 9).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(sweep_older(server, Duration::ZERO).await.unwrap().orphans, 1);
    let asked = desk.s3().asked();
    by_the_server(&asked);
    assert!(names(&asked).contains(&"DeleteObject"), "{asked:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_that_works_the_servers_key_serves() {
    let (mut desk, gotrue) = school().await;
    let file = upload(&desk.ada, "a.txt", b"words").await.ok(201);
    let url = file["url"].as_str().unwrap().to_owned();
    desk.app.stop().await;
    desk.app.start_again().await;
    desk.s3().asked();
    let ada = desk.ada.at(desk.app.addr);
    assert_eq!(fetch(&ada, &url).await.bytes().await.unwrap(), "words");
    by_the_server(&desk.asked("GetObject", 1).await);
    // One that ends at once is worth nothing to a storage.
    let app = desk.app.server().app();
    ada.get("/users/me").await.ok(200);
    let who = app.auth.authenticate(&ada.token).await.unwrap();
    assert!(app.auth.shown_token(&who).is_some());
    ada.post("/auth/logout", json!({})).await.ok(204);
    assert!(app.auth.shown_token(&who).is_none(), "signed out");
    drop(gotrue);
}

#[tokio::test]
async fn local_accounts_never_come_with_their_tokens() {
    let s3 = S3::start().await;
    let builder = TestApp::builder().settings(|s| s.files.bucket = Some(s3.bucket_of_project()));
    let app = builder.start().await;
    let ada = app.student("ada").await;
    let desk = Desk { app, ada, s3: Some(s3) };
    let file = upload(&desk.ada, "a.txt", b"words").await.ok(201);
    assert_eq!(bytes_of(&desk.ada, &file).await, b"words");
    by_the_server(&desk.s3().asked());
}

/// Row level security says no: an answer that says so, and nothing is lost or left.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_buckets_own_rules_refuse_is_said_and_loses_nothing() {
    let (desk, gotrue) = school().await;
    let kept = upload(&desk.ada, "a.txt", b"words").await.ok(201);
    let path = format!("/files/{}", kept["id"].as_str().unwrap());
    let big = vec![b'a'; 6 << 20];
    desk.s3().refuse_people(&["UploadPart"]);
    // A part that is refused before it was sent whole reads like a connection that broke.
    let refused = upload(&desk.ada, "b.txt", &big).await;
    assert!(matches!(refused.status, 403 | 503), "{refused:?}");
    let asked = desk.asked("AbortMultipartUpload", 1).await;
    let (gone, asked): (Vec<Asked>, Vec<Asked>) =
        asked.into_iter().partition(|one| one.what == "DeleteObject");
    by(&asked, &desk.ada);
    by_the_server(&gone);
    desk.s3().refuse_people(&["PutObject", "CreateMultipartUpload", "GetObject", "DeleteObject"]);
    upload(&desk.ada, "b.png", &picture::png()).await.assert_problem(403, "forbidden");
    upload(&desk.ada, "b.txt", &big).await.assert_problem(403, "forbidden");
    assert_eq!(fetch(&desk.ada, kept["url"].as_str().unwrap()).await.status(), 403);
    assert_eq!(desk.ada.get(&path).await.ok(200)["name"], "a.txt", "the row is there");
    // A deletion needs nobody's leave.
    desk.ada.delete(&path).await.ok(204);
    desk.nothing_is_left().await;
    drop(gotrue);
}

/// An upload of which nobody waits for the end leaves no parts in the bucket.
#[tokio::test]
async fn an_upload_in_parts_that_nobody_waits_for_is_called_off() {
    let desk = Desk::start(super::Place::Bucket).await;
    let storage = desk.app.server().app().files.clone();
    let endless = stream::iter([Ok(Bytes::from(vec![b'a'; 6 << 20]))]).chain(stream::pending());
    let putting = tokio::spawn(async move { storage.put("nobody/aaaa", endless, 1 << 30).await });
    desk.asked("UploadPart", 1).await;
    putting.abort();
    desk.asked("AbortMultipartUpload", 1).await;
}
