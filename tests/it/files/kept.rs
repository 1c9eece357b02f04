//! What is kept, and how it is handed out.

use image::{GenericImageView as _, ImageFormat};

use super::{BOTH, Desk, bytes_of, fetch, fetch_range, upload};
use crate::support::picture;

const PDF: &[u8] = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

#[tokio::test]
async fn an_image_is_kept_as_our_own_encoding_with_a_preview() {
    for place in BOTH {
        let desk = Desk::start(place).await;
        let sent = picture::encoded(ImageFormat::Jpeg, 3000, 1500);
        let file = upload(&desk.ada, "Blatt 3.jpeg", &sent).await.ok(201);
        assert_eq!((&file["name"], &file["media_type"]), (&"Blatt 3.jpeg".into(), &"image/jpeg".into()));
        assert_eq!((&file["width"], &file["height"]), (&2048.into(), &1024.into()));
        let kept = bytes_of(&desk.ada, &file).await;
        assert_eq!(file["size"], kept.len());
        assert_ne!(kept, sent);
        assert_eq!(image::load_from_memory(&kept).unwrap().dimensions(), (2048, 1024));
        let preview = fetch(&desk.ada, file["preview_url"].as_str().unwrap()).await;
        assert_eq!(preview.headers()["content-type"], "image/jpeg");
        let preview = image::load_from_memory(&preview.bytes().await.unwrap()).unwrap();
        assert_eq!(preview.dimensions(), (320, 160));
        let blobs = desk.blobs().await;
        assert_eq!(blobs.len(), 2, "{blobs:?}");
        assert!(blobs.iter().all(|key| !key.contains("Blatt")), "{blobs:?}");
        assert!(desk.spooled().is_empty());
    }
}

#[tokio::test]
async fn documents_are_kept_as_they_came_and_only_handed_out() {
    for place in BOTH {
        let desk = Desk::start(place).await;
        for (name, bytes, media_type) in [
            ("a.pdf", PDF, "application/pdf"),
            ("a.md", b"# Kapitel\n".as_slice(), "text/markdown"),
            ("a.csv", b"a,b\n", "text/csv"),
            ("a.txt", "Übung".as_bytes(), "text/plain"),
        ] {
            let file = upload(&desk.ada, name, bytes).await.ok(201);
            assert_eq!(file["media_type"], media_type);
            let response = fetch(&desk.ada, file["url"].as_str().unwrap()).await;
            let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
            assert!(header("content-type").starts_with(media_type));
            let disposition = format!("attachment; filename=\"{name}\"; filename*=UTF-8''{name}");
            assert_eq!(header("content-disposition"), disposition);
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert_eq!(header("cache-control"), "private, no-store");
            let policy = header("content-security-policy");
            assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"), "{policy}");
            assert_eq!(header("content-length"), bytes.len().to_string());
            assert_eq!(response.bytes().await.unwrap(), bytes);
        }
    }
}

/// Larger than one part of a bucket's upload.
#[tokio::test]
async fn a_large_file_comes_back_whole_and_in_parts() {
    for place in BOTH {
        let desk = Desk::start(place).await;
        let line = "The quick brown fox jumps over the lazy dog. ";
        let text: String = (0..).map(|n| format!("{n} {line}\n")).take(180_000).collect();
        let bytes = text.as_bytes();
        assert!(bytes.len() > 8 << 20 && bytes.len() < 10 << 20, "{}", bytes.len());
        let file = upload(&desk.ada, "long.txt", bytes).await.ok(201);
        assert_eq!(file["size"], bytes.len());
        assert!(bytes_of(&desk.ada, &file).await == bytes);
        let url = file["url"].as_str().unwrap();
        let size = bytes.len();
        for (range, from, to) in [
            ("bytes=0-0", 0, 1),
            ("bytes=5242870-5242890", 5_242_870, 5_242_891),
            ("bytes=-10", size - 10, size),
        ] {
            let part = fetch_range(&desk.ada, url, Some(range)).await;
            assert_eq!(part.status(), 206, "{range}");
            let said = format!("bytes {from}-{}/{size}", to - 1);
            assert_eq!(part.headers()["content-range"], said.as_str());
            assert_eq!(part.bytes().await.unwrap(), bytes[from..to]);
        }
        let beyond = fetch_range(&desk.ada, url, Some("bytes=99999999-")).await;
        assert_eq!(
            (beyond.status().as_u16(), &beyond.headers()["content-range"]),
            (416, &format!("bytes */{size}").parse().unwrap())
        );
    }
}

#[tokio::test]
async fn files_are_listed_and_deleted() {
    for place in BOTH {
        let desk = Desk::start(place).await;
        let mut ids = Vec::new();
        for n in 0..3 {
            let file = upload(&desk.ada, &format!("{n}.png"), &picture::png()).await.ok(201);
            ids.push(file["id"].as_str().unwrap().to_owned());
        }
        let list = desk.ada.get("/files?limit=2").await.ok(200);
        assert_eq!(
            (&list["items"][0]["id"], &list["items"][1]["name"]),
            (&ids[2].clone().into(), &"1.png".into())
        );
        let rest =
            desk.ada.get(&format!("/files?cursor={}", list["next_cursor"].as_str().unwrap())).await.ok(200);
        assert_eq!(rest["items"][0]["id"], ids[0].as_str());
        assert!(rest["next_cursor"].is_null());
        for id in &ids {
            let url = desk.ada.get(&format!("/files/{id}")).await.ok(200)["url"].as_str().unwrap().to_owned();
            assert_eq!(desk.ada.delete(&format!("/files/{id}")).await.status, 204);
            desk.ada.get(&format!("/files/{id}")).await.assert_problem(404, "not_found");
            desk.ada.delete(&format!("/files/{id}")).await.assert_problem(404, "not_found");
            assert_eq!(fetch(&desk.ada, &url).await.status(), 404);
        }
        desk.nothing_is_left().await;
    }
}

/// What was sent and is deleted leaves a row that says so, and nothing of what it was.
#[tokio::test]
async fn a_sent_file_leaves_its_place_and_goes_with_its_session() {
    let desk = Desk::start(super::Place::Folder).await;
    let session = desk.ada.session().await;
    let file = upload(&desk.ada, "secret-canary.png", &picture::png()).await.ok(201);
    let id = file["id"].as_str().unwrap();
    desk.app.execute(&format!("INSERT INTO file_uses VALUES ('{id}', '{session}')")).await;
    assert_eq!(desk.ada.delete(&format!("/files/{id}")).await.status, 204);
    let left =
        desk.app.count("SELECT count(*) FROM files WHERE state = 'deleted' AND name = '' AND size = 0").await;
    assert_eq!(left, 1);
    let begun = std::time::Instant::now();
    while !desk.blobs().await.is_empty() {
        assert!(begun.elapsed() < crate::support::socket::PATIENCE, "its bytes are still there");
        tokio::task::yield_now().await;
    }
    desk.ada.get(&format!("/files/{id}")).await.assert_problem(404, "not_found");
    assert_eq!(desk.ada.delete(&format!("/sessions/{session}")).await.status, 204);
    assert_eq!(desk.rows().await, 0);
}

#[tokio::test]
async fn an_account_ends_with_its_files_and_its_export_has_them() {
    for place in BOTH {
        let desk = Desk::start(place).await;
        let file = upload(&desk.ada, "a.txt", b"words that are mine").await.ok(201);
        upload(&desk.ada, "a.png", &picture::png()).await.ok(201);
        let export = desk.ada.get("/users/me/export").await.ok(200);
        let first = &export["files"][0];
        assert_eq!((&first["id"], &first["name"]), (&file["id"], &"a.txt".into()));
        assert_eq!(first["data"], "d29yZHMgdGhhdCBhcmUgbWluZQ==");
        assert!(first.get("key").is_none());
        assert_eq!(export["files"].as_array().unwrap().len(), 2);
        let password = serde_json::json!({"password": desk.ada.password});
        let gone = desk.ada.call(http::Method::DELETE, "/users/me", Some(password)).await;
        assert_eq!(gone.status, 204);
        desk.nothing_is_left().await;
    }
}

#[tokio::test]
async fn a_picture_is_upright_and_says_nothing_of_where_it_was_taken() {
    let desk = Desk::start(super::Place::Folder).await;
    let file = upload(&desk.ada, "photo.jpg", &picture::photo(6, "CANARY 52.5200 N 13.4050 E")).await.ok(201);
    // Turned by a quarter: the red corner is at the right.
    assert_eq!((&file["width"], &file["height"]), (&48.into(), &64.into()));
    let kept = bytes_of(&desk.ada, &file).await;
    assert!(!kept.windows(6).any(|part| part == b"CANARY"), "where it was taken");
    assert!(!kept.windows(4).any(|part| part == b"Exif"));
    let image = image::load_from_memory(&kept).unwrap();
    let red = |x, y| image.get_pixel(x, y).0[0] > 150;
    assert!(red(40, 8) && !red(8, 8) && !red(40, 56), "upright");
}
