//! The child process: what becomes of it, and how many there are at once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fynq::convert::{ConvertError, Converter};

use crate::support::app::Scratch;
use crate::support::picture;

/// A program of these lines in fynq's place.
fn program(dir: &Path, lines: &str) -> PathBuf {
    let (text, path) = (dir.join("text"), dir.join("program"));
    std::fs::write(&text, format!("#!/bin/sh\n{lines}\n")).unwrap();
    // By another process: what a child of this one inherits, open for writing, cannot be run.
    let copied = Command::new("install").args(["-m", "755"]).args([&text, &path]).status().unwrap();
    assert!(copied.success());
    path
}

#[tokio::test]
async fn however_a_child_ends_one_conversion_has_failed() {
    let dir = Scratch::new();
    let (from, into) = (dir.0.join("from"), dir.0.join("into"));
    std::fs::write(&from, picture::png()).unwrap();
    for (lines, wanted) in [
        ("exit 3", ConvertError::TooLarge),
        ("exit 4", ConvertError::Broken),
        ("exit 101", ConvertError::Broken),
        ("exit 5", ConvertError::Failed),
        ("kill -9 $$", ConvertError::TooLarge),
        ("kill -6 $$", ConvertError::TooLarge),
        ("echo no report", ConvertError::Failed),
        ("exit 0", ConvertError::Failed),
        ("yes | head -c 100000", ConvertError::Failed),
    ] {
        let converter = Converter::new(Some(&program(&dir.0, lines)));
        assert_eq!(converter.image(&from, &into).await, Err(wanted), "{lines}");
    }
    let nothing = Converter::new(Some(&dir.0.join("nothing")));
    assert_eq!(nothing.image(&from, &into).await, Err(ConvertError::Failed));
}

#[tokio::test]
async fn too_many_at_once_are_refused() {
    let dir = Scratch::new();
    let (from, flag) = (dir.0.join("from"), dir.0.join("flag"));
    std::fs::write(&from, picture::png()).unwrap();
    let waits = format!("while [ ! -e {} ]; do /bin/sleep 0.02; done; exit 4", flag.display());
    let converter = Converter::new(Some(&program(&dir.0, &waits)));
    let mut all = Vec::new();
    for n in 0..67 {
        let (converter, from, into) = (converter.clone(), from.clone(), dir.0.join(format!("into{n}")));
        all.push(tokio::spawn(async move { converter.image(&from, &into).await }));
    }
    // Two run, sixty-four wait, one is too many.
    while !all.iter().any(tokio::task::JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    std::fs::write(&flag, "").unwrap();
    let mut busy = 0;
    for one in all {
        match one.await.unwrap().unwrap_err() {
            ConvertError::Busy => busy += 1,
            other => assert_eq!(other, ConvertError::Broken),
        }
    }
    assert_eq!(busy, 1);
}

/// The real one, under its own limits: it can open nothing, and takes no more than it may.
#[tokio::test]
async fn the_real_child_reads_its_stdin_under_limits() {
    let dir = Scratch::new();
    let (from, into) = (dir.0.join("from"), dir.0.join("into"));
    std::fs::write(&from, picture::encoded(image::ImageFormat::Jpeg, 5700, 4300)).unwrap();
    let converter = Converter::new(Some(Path::new(env!("CARGO_BIN_EXE_fynq"))));
    let image = converter.image(&from, &into).await.unwrap();
    assert_eq!((image.width, image.height), (2048, 1545));
    let written = std::fs::metadata(&into).unwrap().len();
    assert_eq!(image.preview.end, written);
}
