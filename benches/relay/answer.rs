//! Holds what arrives against what was asked for: each chunk of the emulator's text begins with
//! `~t<20 digits: nanoseconds since 1970>.<6 digits: its number>~`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use memchr::memmem;

/// When figures count. Everybody looks at it, one task turns it.
#[derive(Default)]
pub(crate) struct Window {
    open: AtomicBool,
    over: AtomicBool,
}

impl Window {
    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// Nothing counts any more, and no new question is asked.
    pub(crate) fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// What one reader saw. `chunks` and `late` count within the window alone, `answers` always.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) chunks: u64,
    /// Microseconds from the emulator's clock to ours, one for each chunk.
    pub(crate) late: Vec<u32>,
    pub(crate) answers: u64,
    /// How often a reader too slow for the log was moved forward with a snapshot.
    pub(crate) moved: u64,
    pub(crate) faults: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Tally) {
        self.chunks += other.chunks;
        self.late.extend(other.late);
        self.answers += other.answers;
        self.moved += other.moved;
        self.faults.extend(other.faults);
    }
}

/// One answer on its way.
#[derive(Default)]
pub(crate) struct Answer {
    next: u64,
}

impl Answer {
    /// Takes the chunks in a piece of text that is whole: no mark goes beyond its end.
    pub(crate) fn take(&mut self, text: &[u8], window: &Window, tally: &mut Tally) -> anyhow::Result<()> {
        let now = now()?;
        let open = window.is_open();
        for (sent, number) in marks(text) {
            ensure!(number == self.next, "chunk {number} came where {} was due", self.next);
            self.next += 1;
            if open {
                tally.chunks += 1;
                tally.late.push(since(sent, now));
            }
        }
        Ok(())
    }

    pub(crate) fn end(&self, chunks: u64, tally: &mut Tally) -> anyhow::Result<()> {
        ensure!(self.next == chunks, "an answer ended after {} of {chunks} chunks", self.next);
        tally.answers += 1;
        Ok(())
    }
}

/// Nanoseconds since 1970, as the emulator's marks have them.
pub(crate) fn now() -> anyhow::Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos())?)
}

pub(crate) fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

/// From a mark's time to another.
pub(crate) fn since(said: u64, now: u64) -> u32 {
    micros(Duration::from_nanos(now.saturating_sub(said)))
}

/// When each chunk was said, and its number.
pub(crate) fn marks(text: &[u8]) -> impl Iterator<Item = (u64, u64)> {
    memmem::find_iter(text, b"~t").filter_map(|at| mark(&text[at..]))
}

fn mark(text: &[u8]) -> Option<(u64, u64)> {
    let mark = text.get(..30)?;
    (mark[22] == b'.' && mark[29] == b'~').then_some(())?;
    Some((number(&mark[2..22])?, number(&mark[23..29])?))
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What a frame of the session's socket meant.
pub(crate) enum Heard {
    Nothing,
    Finished,
    Pong,
}

/// A reader's place in the session's log.
pub(crate) struct Follower {
    chunks: u64,
    /// The last entry seen; none before the first snapshot.
    pub(crate) seq: Option<u64>,
    /// None while no answer is followed from its beginning.
    answer: Option<Answer>,
}

impl Follower {
    /// Expects answers of so many chunks.
    pub(crate) fn new(chunks: u64) -> Follower {
        Follower { chunks, seq: None, answer: None }
    }

    pub(crate) fn hear(&mut self, frame: &[u8], window: &Window, tally: &mut Tally) -> anyhow::Result<Heard> {
        let kind = word_after(frame, b"\"type\":\"").context("a frame without a type")?;
        if frame.starts_with(b"{\"seq\":") {
            self.entry(frame, kind, window, tally)
        } else {
            self.control(frame, kind, tally)
        }
    }

    fn entry(
        &mut self,
        frame: &[u8],
        kind: &[u8],
        window: &Window,
        tally: &mut Tally,
    ) -> anyhow::Result<Heard> {
        let seq = number_after(frame, b"{\"seq\":").context("an entry without its number")?;
        let before = self.seq.replace(seq).context("an entry before the snapshot")?;
        ensure!(seq == before + 1, "entry {seq} came after entry {before}");
        match kind {
            b"RUN_STARTED" => self.answer = Some(Answer::default()),
            b"TEXT_MESSAGE_CONTENT" => {
                if let Some(answer) = &mut self.answer {
                    answer.take(frame, window, tally)?;
                }
            }
            b"RUN_FINISHED" => {
                if let Some(answer) = self.answer.take() {
                    answer.end(self.chunks, tally)?;
                }
                return Ok(Heard::Finished);
            }
            b"RUN_ERROR" => bail!("an answer failed: {}", String::from_utf8_lossy(frame)),
            _ => {}
        }
        Ok(Heard::Nothing)
    }

    fn control(&mut self, frame: &[u8], kind: &[u8], tally: &mut Tally) -> anyhow::Result<Heard> {
        match kind {
            b"snapshot" => {
                let head = number_after(frame, b"\"head\":").context("a snapshot without its head")?;
                if self.seq.replace(head).is_some() {
                    tally.moved += 1;
                    self.answer = None;
                }
            }
            b"error" => bail!("refused: {}", String::from_utf8_lossy(frame)),
            b"pong" => return Ok(Heard::Pong),
            _ => {}
        }
        Ok(Heard::Nothing)
    }
}

pub(crate) fn word_after<'a>(text: &'a [u8], before: &[u8]) -> Option<&'a [u8]> {
    let rest = &text[memmem::find(text, before)? + before.len()..];
    Some(&rest[..memchr::memchr(b'"', rest)?])
}

pub(crate) fn number_after(text: &[u8], before: &[u8]) -> Option<u64> {
    let rest = &text[memmem::find(text, before)? + before.len()..];
    number(&rest[..rest.iter().position(|byte| !byte.is_ascii_digit())?])
}
