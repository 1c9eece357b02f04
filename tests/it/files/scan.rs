//! The virus scanner's hook, with a peer that speaks ClamAV's protocol.

use fynq::config::Scanner;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{BOTH, Desk, Place, upload};
use crate::support::picture;

/// The harmless file that every scanner knows, in two halves so that none finds this source.
fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR", r"-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat().into_bytes()
}

/// `INSTREAM` as clamd reads it: chunks with their lengths, then none; one answer that ends in NUL.
async fn clamd(mut peer: TcpStream) -> std::io::Result<()> {
    let mut command = Vec::new();
    while command.last() != Some(&0) {
        command.push(peer.read_u8().await?);
    }
    if command == b"zPING\0" {
        return peer.write_all(b"PONG\0").await;
    }
    assert_eq!(command, b"zINSTREAM\0");
    let mut bytes = Vec::new();
    loop {
        let length = peer.read_u32().await?;
        if length == 0 {
            break;
        }
        let mut chunk = vec![0; length as usize];
        peer.read_exact(&mut chunk).await?;
        bytes.extend(chunk);
        // StreamMaxLength: it says so at once and hangs up.
        if bytes.len() > 100_000 {
            return peer.write_all(b"INSTREAM size limit exceeded. ERROR\0").await;
        }
    }
    let found = bytes.windows(eicar().len()).any(|part| part == eicar());
    peer.write_all(if found { b"stream: Eicar-Test-Signature FOUND\0" } else { b"stream: OK\0" }).await
}

async fn scanner() -> (Scanner, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let running = tokio::spawn(async move {
        while let Ok((peer, _)) = listener.accept().await {
            tokio::spawn(clamd(peer));
        }
    });
    (Scanner::Tcp(address), running)
}

#[tokio::test]
async fn eicar_is_refused_and_what_is_clean_is_kept() {
    for place in BOTH {
        let (at, running) = scanner().await;
        let desk = Desk::with(place, |settings| settings.files.scanner = Some(at)).await;
        let clean = upload(&desk.ada, "a.txt", b"words").await.ok(201);
        desk.ada.delete(&format!("/files/{}", clean["id"].as_str().unwrap())).await;
        upload(&desk.ada, "a.txt", &eicar()).await.assert_problem(422, "malware_found");
        // What came is looked at, not what would be kept of it.
        let picture = [&picture::png()[..], &eicar()].concat();
        upload(&desk.ada, "a.png", &picture).await.assert_problem(422, "malware_found");
        let told = "SELECT count(*) FROM audit WHERE event = 'malware_found'";
        desk.app.server().app().audit.flush().await;
        assert_eq!(desk.app.count(told).await, 2);
        // More than the scanner looks at is as good as no answer.
        upload(&desk.ada, "a.txt", &vec![b'a'; 400_000]).await.assert_problem(503, "scanner_unavailable");
        running.abort();
        let _ = running.await;
        upload(&desk.ada, "a.txt", b"words").await.assert_problem(503, "scanner_unavailable");
        desk.nothing_is_left().await;
    }
}

#[tokio::test]
async fn a_scanner_that_talks_nonsense_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = Scanner::Tcp(listener.local_addr().unwrap().to_string());
    tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            let _ = peer.write_all(b"hello\0").await;
        }
    });
    let desk = Desk::with(Place::Folder, |settings| settings.files.scanner = Some(at)).await;
    upload(&desk.ada, "a.txt", b"words").await.assert_problem(503, "scanner_unavailable");
    desk.nothing_is_left().await;
}
