//! What strangers send: every attack on uploads that the reference lists.

use image::ImageFormat;
use serde_json::Value;

use super::{BOTH, Desk, Place, bytes_of, fetch, upload};
use crate::support::picture;
use crate::support::process::Stage;

/// Something that is a picture and something else: only the picture is kept.
#[tokio::test]
async fn twenty_polyglots_are_kept_without_their_other_half() {
    let desk = Desk::start(Place::Folder).await;
    let payloads: [&[u8]; 5] = [
        b"<script>CANARY()</script>",
        b"PK\x03\x04CANARY",
        b"<?php CANARY ?>",
        b"%PDF-1.4 CANARY %%EOF",
        b"*/=CANARY;/*",
    ];
    let mut polyglots = Vec::new();
    for payload in payloads {
        for picture in [picture::png(), picture::jpeg(), picture::webp(), picture::gif()] {
            polyglots.push([&picture[..], payload].concat());
        }
        polyglots.push(picture::jpeg_with(0xfe, payload));
        polyglots.push(picture::jpeg_with(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", payload].concat()));
        polyglots.push(picture::png_with(b"tEXt", &[b"Comment\0", payload].concat()));
        polyglots.push(picture::png_with(b"eXIf", payload));
    }
    // A script that begins as a picture: GIF89a=…
    let mut script = picture::gif();
    script.extend(b"\n/*CANARY*/alert(1)//");
    polyglots.push(script);
    assert!(polyglots.len() > 20);
    let mut sent = Vec::new();
    for (n, bytes) in polyglots.iter().enumerate() {
        let name = ["a.png", "a.html", "a.js", "a.pdf", "a.zip"][n % 5];
        let file = upload(&desk.ada, name, bytes).await.ok(201);
        for url in ["url", "preview_url"] {
            let response = fetch(&desk.ada, file[url].as_str().unwrap()).await;
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            assert!(response.headers()["content-type"].to_str().unwrap().starts_with("image/"));
            let kept = response.bytes().await.unwrap();
            assert!(!kept.windows(6).any(|part| part == b"CANARY"), "{n}: {name}");
            image::load_from_memory(&kept).unwrap();
        }
        sent.push(file["name"].as_str().unwrap().to_owned());
        desk.ada.delete(&format!("/files/{}", file["id"].as_str().unwrap())).await;
    }
    assert!(sent.iter().all(|name| [".png", ".jpg"].iter().any(|ending| name.ends_with(ending))), "{sent:?}");
}

#[tokio::test]
async fn markup_archives_and_programs_are_not_taken() {
    for place in BOTH {
        let desk = Desk::start(place).await;
        for (name, bytes) in [
            ("a.svg", &b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"[..]),
            ("a.png", b"<?xml version='1.0'?><svg/>"),
            ("a.html", b"<!doctype html><p>x"),
            ("a.txt", b"words <script>alert(1)</script>"),
            ("a.xml", b"<a/>"),
            ("a.zip", b"PK\x03\x04\x14\0\0\0\x08\0aaaa"),
            ("a.docx", b"PK\x03\x04\x14\0\0\0\x08\0not a document"),
            ("a.gz", b"\x1f\x8b\x08\0\0\0\0\0"),
            ("a.exe", b"MZ\x90\0\x03\0\0\0"),
            ("a", b"\x7fELF\x02\x01\x01\0"),
            ("a.png", b""),
            ("a.png", b"\0\0\0\0"),
            ("a.bmp", b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0"),
            ("a.tif", b"II*\0\x08\0\0\0\0\0\0\0"),
            ("a.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"),
        ] {
            upload(&desk.ada, name, bytes).await.assert_problem(415, "unsupported_file");
        }
        desk.nothing_is_left().await;
    }
}

#[tokio::test]
async fn a_bomb_is_refused_by_its_head() {
    let desk = Desk::start(Place::Folder).await;
    for (what, bytes) in [
        ("50,000 by 50,000", picture::huge_png(50_000, 50_000, 1, 0)),
        ("a line", picture::huge_png(u32::MAX >> 1, 1, 8, 6)),
        ("24 million pixels of eight bytes", picture::huge_png(6000, 4000, 16, 6)),
        ("a jpeg", picture::huge_jpeg(65_500, 65_500)),
        ("a gif's screen", picture::huge_gif(65_535)),
    ] {
        let reply = upload(&desk.ada, "a.png", &bytes).await;
        assert_eq!((what, reply.status, &reply.body["code"]), (what, 413, &Value::from("image_too_large")));
    }
    desk.nothing_is_left().await;
}

#[tokio::test]
async fn of_what_moves_the_first_picture_is_kept() {
    let desk = Desk::start(Place::Folder).await;
    let file = upload(&desk.ada, "a.gif", &picture::frames(200)).await.ok(201);
    assert_eq!((&file["media_type"], &file["name"]), (&"image/png".into(), &"a.png".into()));
    let kept = bytes_of(&desk.ada, &file).await;
    assert_eq!(image::guess_format(&kept).unwrap(), ImageFormat::Png);
    assert!(kept.len() < picture::frames(2).len() * 4, "{}", kept.len());
}

#[tokio::test]
async fn half_a_file_is_refused_and_leaves_nothing() {
    for place in BOTH {
        let desk = Desk::start(place).await;
        let photo = picture::encoded(ImageFormat::Jpeg, 800, 600);
        for (name, bytes) in [
            ("a.png", picture::encoded(ImageFormat::Png, 800, 600)),
            ("a.jpg", photo),
            ("a.webp", picture::encoded(ImageFormat::WebP, 800, 600)),
            ("a.gif", picture::gif()),
            ("a.pdf", [&b"%PDF-1.4\n"[..], &[b'x'; 5000], b"%%EOF\n"].concat()),
        ] {
            for part in [bytes.len() / 2, bytes.len() * 9 / 10] {
                let reply = upload(&desk.ada, name, &bytes[..part]).await;
                assert_eq!((name, part, reply.status), (name, part, 422), "{reply:?}");
                reply.assert_problem(422, "unreadable_file");
            }
        }
        // Damaged in the middle.
        let mut png = picture::encoded(ImageFormat::Png, 800, 600);
        let middle = png.len() / 2;
        png[middle..middle + 64].fill(0);
        upload(&desk.ada, "a.png", &png).await.assert_problem(422, "unreadable_file");
        desk.nothing_is_left().await;
    }
}

/// A name is words: no path is made of it, and it can neither leave its header nor turn it around.
#[tokio::test]
async fn a_name_is_only_a_name() {
    let desk = Desk::start(Place::Folder).await;
    let long = "ä".repeat(2048);
    for (given, kept) in [
        ("../../../etc/cron.d/x", "x.png"),
        ("..%2f..%2f..%2fetc%2fpasswd", "_2f.._2f.._2fetc_2fpasswd.png"),
        ("..\\\\..\\\\x.png", "x.png"),
        ("a\u{202e}gnp.exe", "agnp.exe.png"),
        ("CON", "_CON.png"),
        ("NUL.png", "_NUL.png"),
        ("a.html", "a.html.png"),
        (".htaccess", "htaccess.png"),
        ("<img src=x onerror=alert(1)>.png", "_img src=x onerror=alert(1)_.png"),
        (&long, &format!("{}.png", "ä".repeat(116))),
    ] {
        let file = upload(&desk.ada, given, &picture::png()).await.ok(201);
        assert_eq!(file["name"], kept, "{given:.40}");
        let response = fetch(&desk.ada, file["url"].as_str().unwrap()).await;
        let disposition = response.headers()["content-disposition"].to_str().unwrap();
        let (plain, starred) = disposition
            .strip_prefix("inline; filename=\"")
            .unwrap()
            .split_once("\"; filename*=UTF-8''")
            .unwrap();
        assert!(plain.bytes().all(|b| b.is_ascii_alphanumeric() || b" -._()".contains(&b)), "{disposition}");
        assert!(starred.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)), "{disposition}");
    }
    let mut outside = std::fs::read_dir(desk.app.data_dir()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(outside.all(|name| ["files", "uploads"].contains(&name.to_str().unwrap())));
    let random = |key: &String| {
        let (owner, name) = key.split_once('/').unwrap();
        owner == desk.ada.user_id && name.trim_end_matches(".preview").bytes().all(|b| b.is_ascii_hexdigit())
    };
    let blobs = desk.blobs().await;
    assert!(blobs.iter().all(random), "{blobs:?}");
}

/// The server's own memory stays flat whatever is decoded: that happens elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_flat() {
    let stage = Stage::start().await;
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", stage.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    upload(&stage.ada, "a.png", &picture::png()).await.ok(201);
    let before = peak();
    // 24 million pixels: 72 MB decoded, each.
    let large = picture::encoded(ImageFormat::Jpeg, 6000, 4000);
    let bomb = picture::huge_png(50_000, 50_000, 1, 0);
    let text = vec![b'a'; 10 << 20];
    let all = (0..3).map(async |_| {
        let (image, bomb, text) = (
            upload(&stage.ada, "a.jpg", &large).await,
            upload(&stage.ada, "b.png", &bomb).await,
            upload(&stage.ada, "c.txt", &text).await,
        );
        (image.status, bomb.status, text.status)
    });
    let all = futures_util::future::join_all(all).await;
    assert!(all.iter().all(|statuses| *statuses == (201, 413, 201)), "{all:?}");
    let files = stage.ada.get("/files").await.ok(200);
    for file in files["items"].as_array().unwrap() {
        bytes_of(&stage.ada, file).await;
    }
    let grown = peak() - before;
    assert!(grown <= 80, "{grown} MiB more than the {before} MiB before");
}
