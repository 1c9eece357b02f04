//! A class whose students all read an answer, and tutors who see all of them on one socket.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::answer::{Tally, Window, marks, now, number_after, since, word_after};
use crate::apart::apart;
use crate::gauge::Gauge;
use crate::load::{self, Line};
use crate::rest::Rest;
use crate::socket::{Door, PATIENCE, Socket, Wire};
use crate::{Pace, Target};

/// How many questions each session has come to, by its id; none while students still ask.
type Asked = Option<Arc<HashMap<String, u64>>>;

/// The sessions are made for this measurement and deleted after it.
pub(crate) async fn roster(to: &Target, pace: &Pace, sessions: usize, tutors: usize) -> anyhow::Result<()> {
    let (school, rest) = (to.school()?, Rest::new(to.server)?);
    ensure!(school.students.len() >= sessions && school.tutors.len() >= tutors, "the school is too small");
    let (question, window): (Arc<str>, Arc<Window>) = (pace.question().into(), Arc::default());
    let mut students = Vec::new();
    for student in &school.students[..sessions] {
        let session = rest.session(&student.token, "on the wall").await?;
        let socket = Socket::open(&school.door(student, &session), 0, pace.chunks, false).await?;
        students.push((student, session, socket));
    }

    let (told, asked) = watch::channel(None);
    let (there, all_there) = oneshot::channel();
    let doors = school.tutors[..tutors].iter().map(|tutor| school.wall(tutor)).collect();
    let watching = {
        let window = Arc::clone(&window);
        apart(move || watch_all(doors, window, asked, there))?
    };
    if all_there.await.is_err() {
        watching.result().await?;
        bail!("nobody watches");
    }

    let mut talks = JoinSet::new();
    let mut made = Vec::new();
    let spread = Duration::from_micros(pace.chunks * pace.delay_us) / u32::try_from(sessions)?.max(1);
    for (number, (student, session, socket)) in (0..).zip(students) {
        made.push((student, session.clone()));
        let (question, window) = (Arc::clone(&question), Arc::clone(&window));
        talks.spawn(async move {
            // So that not all answers begin together.
            sleep(spread * number).await;
            let (line, tally) = load::converse(Line::Socket(Box::new(socket)), question, window).await;
            (session, line, tally)
        });
    }
    sleep(Duration::from_secs_f64(pace.warm)).await;
    let measured = load::measure(&Gauge::new(to.pid)?, &window, pace.secs, false).await?;
    let (mut tally, mut lines, mut asked) = (Tally::default(), Vec::new(), HashMap::new());
    while let Some(ended) = talks.join_next().await {
        let (session, line, one) = ended?;
        asked.insert(session, one.answers);
        // Whose student has left is another tile.
        lines.push(line);
        tally.add(one);
    }
    // An answer that failed would let the tutors wait for what never comes.
    load::verdict(to, &tally)?;
    told.send_replace(Some(Arc::new(asked)));
    let mut seen = watching.result().await?;
    drop(lines);
    for (student, session) in &made {
        rest.delete_session(&student.token, session).await?;
    }

    let mut figures = measured.figures(tally.chunks, tally.chunks, to.pid.is_some());
    figures.set("cpu_us_per_s", measured.cpu_us / measured.secs);
    figures.set("updates_per_s", seen.updates as f64 / measured.secs);
    let tiles = (sessions * tutors) as f64;
    figures.set("updates_per_tile_per_s", seen.updates as f64 / tiles / measured.secs);
    figures.set("bytes_per_update", seen.bytes as f64 / seen.updates as f64);
    figures.set("kib_per_tutor_per_s", seen.bytes as f64 / tutors as f64 / measured.secs / 1024.0);
    load::latency(&mut figures, "", &mut tally.late);
    load::latency(&mut figures, "tile_", &mut seen.late);
    figures.write(to)
}

/// What tutors saw while the window was open.
#[derive(Default)]
struct Seen {
    updates: u64,
    bytes: u64,
    /// Microseconds from the emulator's clock to ours: how old the newest words of a tile are when it comes.
    late: Vec<u32>,
}

async fn watch_all(
    doors: Vec<Door>,
    window: Arc<Window>,
    asked: watch::Receiver<Asked>,
    there: oneshot::Sender<()>,
) -> anyhow::Result<Seen> {
    let mut watching = JoinSet::new();
    for door in doors {
        let mut wall = Wall::default();
        let mut wire = Wire::open(&door, 0, false).await?;
        while !wall.is_there {
            wall.hear(&timeout(PATIENCE, wire.next()).await.context("no roster came")??, &window)?;
        }
        watching.spawn(watch(wire, wall, Arc::clone(&window), asked.clone()));
    }
    // Whoever waits may have failed meanwhile.
    let _ = there.send(());
    let mut all = Seen::default();
    while let Some(ended) = watching.join_next().await {
        let seen = ended??;
        all.updates += seen.updates;
        all.bytes += seen.bytes;
        all.late.extend(seen.late);
    }
    Ok(all)
}

/// Reads until the wall shows what every session has come to.
async fn watch(
    mut wire: Wire,
    mut wall: Wall,
    window: Arc<Window>,
    mut asked: watch::Receiver<Asked>,
) -> anyhow::Result<Seen> {
    while asked.borrow().is_none() {
        tokio::select! {
            text = wire.next() => wall.hear(&text?, &window)?,
            changed = asked.changed() => changed?,
        }
    }
    let due = asked.borrow().clone().unwrap_or_default();
    let reading = async {
        while !wall.shows(&due) {
            wall.hear(&wire.next().await?, &window)?;
        }
        anyhow::Ok(())
    };
    let read = timeout(PATIENCE, reading).await;
    let missing = due.iter().filter(|(session, turns)| !wall.has(session, **turns)).count();
    read.with_context(|| format!("{missing} of {} tiles never showed their session's end", due.len()))??;
    Ok(wall.seen)
}

/// One tutor's screen.
#[derive(Default)]
struct Wall {
    is_there: bool,
    /// By session: whether it waits for its student, and its turns.
    tiles: HashMap<String, (bool, u64)>,
    seen: Seen,
}

#[derive(Deserialize)]
struct Whole {
    ctl: Roster,
}

#[derive(Deserialize)]
struct Roster {
    sessions: Vec<Tile>,
}

#[derive(Deserialize)]
struct Tile {
    session_id: String,
    state: String,
    turns: u64,
}

impl Wall {
    fn hear(&mut self, frame: &[u8], window: &Window) -> anyhow::Result<()> {
        match word_after(frame, b"\"type\":\"").context("a frame without a type")? {
            b"roster" => {
                let whole: Whole = serde_json::from_slice(frame)?;
                let tiles = whole.ctl.sessions.into_iter();
                self.tiles =
                    tiles.map(|tile| (tile.session_id, (tile.state == "waiting", tile.turns))).collect();
                ensure!(!self.is_there, "a tutor who reads was moved forward");
                self.is_there = true;
            }
            b"roster_changed" => self.changed(frame, window)?,
            b"error" => bail!("refused: {}", String::from_utf8_lossy(frame)),
            _ => {}
        }
        Ok(())
    }

    fn changed(&mut self, frame: &[u8], window: &Window) -> anyhow::Result<()> {
        let session = |id: &[u8]| String::from_utf8_lossy(id).into_owned();
        if let Some(gone) = word_after(frame, b"\"gone\":\"") {
            self.tiles.remove(&session(gone));
            return Ok(());
        }
        let id = word_after(frame, b"\"session_id\":\"").context("a tile without its session")?;
        let state = word_after(frame, b"\"state\":\"").context("a tile without its state")?;
        let turns = number_after(frame, b"\"turns\":").context("a tile without its turns")?;
        self.tiles.insert(session(id), (state == b"waiting", turns));
        if window.is_open() {
            self.seen.updates += 1;
            self.seen.bytes += frame.len() as u64;
            if state == b"answering"
                && let Some((said, _)) = marks(frame).last()
            {
                self.seen.late.push(since(said, now()?));
            }
        }
        Ok(())
    }

    fn has(&self, session: &str, turns: u64) -> bool {
        self.tiles.get(session) == Some(&(true, turns))
    }

    fn shows(&self, due: &HashMap<String, u64>) -> bool {
        due.iter().all(|(session, turns)| self.has(session, *turns))
    }
}
