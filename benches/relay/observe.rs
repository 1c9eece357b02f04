//! One student's answer, alone and with tutors who watch.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{bail, ensure};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::answer::{Tally, Window};
use crate::apart::apart;
use crate::gauge::Gauge;
use crate::load::{self, Line};
use crate::rest::Rest;
use crate::socket::{Door, Socket};
use crate::{Pace, Target};

/// The session is made for this measurement and deleted after it.
pub(crate) async fn observe(to: &Target, pace: &Pace, tutors: usize) -> anyhow::Result<()> {
    let (school, rest) = (to.school()?, Rest::new(to.server)?);
    ensure!(!school.students.is_empty() && school.tutors.len() >= tutors, "the school is too small");
    let student = &school.students[0];
    let session = rest.session(&student.token, "observed").await?;
    let socket = Socket::open(&school.door(student, &session), 0, pace.chunks, false).await?;

    let window: Arc<Window> = Arc::default();
    let (told, last) = watch::channel(u64::MAX);
    let (there, all_there) = oneshot::channel();
    let doors = school.tutors[..tutors].iter().map(|tutor| school.door(tutor, &session)).collect();
    let watching = {
        let (window, chunks) = (Arc::clone(&window), pace.chunks);
        apart(move || watch_all(doors, chunks, window, last, there))?
    };
    if all_there.await.is_err() {
        watching.result().await?;
        bail!("nobody watches");
    }

    let line = Line::Socket(Box::new(socket));
    let talk = tokio::spawn(load::converse(line, pace.question().into(), Arc::clone(&window)));
    sleep(Duration::from_secs_f64(pace.warm)).await;
    let measured = load::measure(&Gauge::new(to.pid)?, &window, pace.secs, false).await?;
    let (line, mut tally) = talk.await?;
    let Line::Socket(socket) = line else { bail!("the student had no socket") };
    // Everybody reads to the place in the log at which the student stopped.
    told.send_replace(socket.follower.seq.unwrap_or(0));
    let mut seen = watching.result().await?;
    drop(socket);
    rest.delete_session(&student.token, &session).await?;

    let mut figures = measured.figures(tally.chunks, tally.chunks + seen.chunks, to.pid.is_some());
    figures.set("answers", tally.answers as f64);
    load::latency(&mut figures, "", &mut tally.late);
    load::latency(&mut figures, "observer_", &mut seen.late);
    figures.write(to)?;
    ensure!(seen.moved == 0, "tutors who read were moved forward {} times", seen.moved);
    let due = tally.answers * tutors as u64;
    if tally.faults.is_empty() && seen.faults.is_empty() && seen.answers != due {
        bail!("{} answers came to their end at the tutors' instead of {due}", seen.answers);
    }
    tally.add(seen);
    load::verdict(to, &tally)
}

async fn watch_all(
    doors: Vec<Door>,
    chunks: u64,
    window: Arc<Window>,
    last: watch::Receiver<u64>,
    there: oneshot::Sender<()>,
) -> anyhow::Result<Tally> {
    let mut watching = JoinSet::new();
    for door in doors {
        let socket = Socket::open(&door, 0, chunks, false).await?;
        watching.spawn(load::observe(socket, Arc::clone(&window), last.clone()));
    }
    // Whoever waits may have failed meanwhile.
    let _ = there.send(());
    let mut seen = Tally::default();
    while let Some(ended) = watching.join_next().await {
        seen.add(ended?);
    }
    Ok(seen)
}
