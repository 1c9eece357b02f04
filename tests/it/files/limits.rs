//! How much, how many at once, how slowly.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;

use super::{BOTH, Desk, Place, answer, begun, begun_saying, form, post_form, upload};

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_and_leaves_nothing() {
    for place in BOTH {
        let desk = Desk::with(place, |settings| settings.files.file_bytes = 10_000).await;
        upload(&desk.ada, "a.txt", &[b'a'; 10_000]).await.ok(201);
        upload(&desk.ada, "a.txt", &[b'a'; 10_001]).await.assert_problem(413, "file_too_large");
        upload(&desk.ada, "a.txt", &[b'a'; 1_000_000]).await.assert_problem(413, "file_too_large");
        // One that does not say how large it is.
        let (media_type, body) = form("a.txt", &[b'a'; 1_000_000]);
        let pieces: Vec<_> = body.chunks(1000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
        let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
        let request = desk.ada.request(Method::POST, "/files/upload").header("content-type", media_type);
        // It may be hung up on before all of it was sent.
        if let Ok(response) = request.body(body).send().await {
            assert_eq!(response.status(), 413);
        }
        let id = desk.ada.get("/files").await.ok(200)["items"][0]["id"].as_str().unwrap().to_owned();
        desk.ada.delete(&format!("/files/{id}")).await;
        desk.nothing_is_left().await;
    }
}

/// Many at once cannot pass together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_holds_for_uploads_at_once() {
    let desk = Desk::with(Place::Folder, |settings| {
        settings.files.file_bytes = 10_000;
        settings.files.user_bytes = 25_000;
        settings.files.org_bytes = Some(40_000);
    })
    .await;
    let bytes = vec![b'a'; 9_500];
    let all = join_all((0..3).map(|_| upload(&desk.ada, "a.txt", &bytes))).await;
    let statuses: Vec<u16> = all.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 2, "{statuses:?}");
    let refused = all.iter().find(|reply| reply.status != 201).unwrap();
    refused.assert_problem(413, "no_room");
    let room = "SELECT sum(size)::int8 FROM files";
    assert_eq!(desk.app.count(room).await, 19_000, "what is kept, not what was kept free");
    // The organisation's own limit, for somebody who has nothing yet.
    let bob = desk.app.student("bob").await;
    let more = join_all((0..3).map(|_| upload(&bob, "b.txt", &bytes))).await;
    assert_eq!(more.iter().filter(|reply| reply.status == 201).count(), 2);
    let refused = more.iter().find(|reply| reply.status != 201).unwrap();
    refused.assert_problem(413, "no_room");
    // What is deleted makes room.
    let id = desk.ada.get("/files").await.ok(200)["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(desk.ada.delete(&format!("/files/{id}")).await.status, 204);
    upload(&desk.ada, "c.txt", &bytes).await.ok(201);
}

#[tokio::test]
async fn an_upload_of_which_nothing_comes_is_given_up() {
    let idle =
        |settings: &mut fynq::config::Settings| settings.files.idle_timeout = Duration::from_millis(200);
    let desk = Desk::with(Place::Folder, idle).await;
    for sent in [10, 120, 20_000] {
        let mut socket = begun(&desk, "a.txt", 60_000, sent).await.0;
        let said = answer(&mut socket).await;
        assert!(said.starts_with("HTTP/1.1 408"), "{sent}: {said}");
        desk.nothing_is_left().await;
    }
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let desk = Desk::start(Place::Folder).await;
    let body = form("a.txt", &vec![b'a'; 50_000]).1;
    let length = body.len();
    // Cut in the middle; said to be longer than it is; said to be shorter.
    for (sent, said) in [(20_000, length), (length, length + 1000)] {
        let socket = begun_saying(&desk.ada, &body, sent, said).await;
        while desk.rows().await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(socket);
        desk.nothing_is_left().await;
    }
    let mut socket = begun_saying(&desk.ada, &body, length, length - 1000).await;
    assert!(answer(&mut socket).await.starts_with("HTTP/1.1 400"));
    desk.nothing_is_left().await;
}

#[tokio::test]
async fn one_person_uploads_three_at_once() {
    let desk = Desk::start(Place::Folder).await;
    let mut open = Vec::new();
    for n in 1..=3 {
        open.push(begun(&desk, "a.txt", 60_000, 20_000).await.0);
        while desk.rows().await < n {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    upload(&desk.ada, "a.txt", b"words").await.assert_problem(503, "overloaded");
    let bob = desk.app.student("bob").await;
    let file = upload(&bob, "b.txt", b"words").await.ok(201);
    drop(open);
    bob.delete(&format!("/files/{}", file["id"].as_str().unwrap())).await;
    desk.nothing_is_left().await;
    upload(&desk.ada, "a.txt", b"words").await.ok(201);
}

#[tokio::test]
async fn a_form_is_one_file_and_nothing_else() {
    let desk = Desk::start(Place::Folder).await;
    let part = |name: &str, more: &str| {
        format!("--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\nwords\r\n")
    };
    let multipart = "multipart/form-data; boundary=XyZ";
    let end = "--XyZ--\r\n";
    for (media_type, body, status, code) in [
        ("application/json", "{}".to_owned(), 415, "unsupported_media_type"),
        ("multipart/form-data", part("file", ""), 415, "unsupported_media_type"),
        (multipart, String::new(), 400, "bad_request"),
        (multipart, end.to_owned(), 422, "invalid_input"),
        (multipart, part("other", "") + end, 422, "invalid_input"),
        (multipart, part("file", "") + &part("file", "") + end, 422, "invalid_input"),
        (multipart, part("file", "") + &part("other", "") + end, 422, "invalid_input"),
        (multipart, part("file", ""), 400, "bad_request"),
        (multipart, "--XyZ\r\n".to_owned() + &"X-A: b\r\n".repeat(200_000), 400, "bad_request"),
    ] {
        let reply = post_form(&desk.ada, media_type, body.clone().into_bytes()).await;
        assert_eq!((reply.status, reply.body["code"].as_str().unwrap()), (status, code), "{:.80}", body);
    }
    desk.nothing_is_left().await;
    let reply = post_form(&desk.ada, multipart, (part("file", "") + end).into_bytes()).await.ok(201);
    assert_eq!(reply["name"], "file.txt", "without a name");
}
