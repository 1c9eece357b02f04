//! The measurements themselves.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::answer::{Tally, Window};
use crate::figures::{Figures, quantile};
use crate::gauge::Gauge;
use crate::pipe::Pipe;
use crate::school::School;
use crate::setup::Sessions;
use crate::socket::{PATIENCE, Socket};
use crate::{Pace, Stream, Target, Via};

/// Sockets that are being opened at once.
const OPENING: usize = 64;
/// How often the memory is read while it may grow.
const LOOK: Duration = Duration::from_millis(250);

impl Target {
    fn sessions(&self) -> anyhow::Result<Sessions> {
        Sessions::read(self.file.as_deref().context("--file is needed")?, self.server)
    }

    pub(crate) fn school(&self) -> anyhow::Result<School> {
        School::read(self.file.as_deref().context("--file is needed")?, self.server)
    }
}

pub(crate) enum Line {
    Socket(Box<Socket>),
    Pipe(Pipe),
}

impl Line {
    async fn ask(&mut self, question: &str, window: &Window, tally: &mut Tally) -> anyhow::Result<()> {
        match self {
            Line::Socket(socket) => socket.ask(question, window, tally).await,
            Line::Pipe(pipe) => pipe.ask(question, window, tally).await,
        }
    }
}

/// Asks again and again until the window is over. What went wrong stands in the tally.
pub(crate) async fn converse(mut line: Line, question: Arc<str>, window: Arc<Window>) -> (Line, Tally) {
    let mut tally = Tally::default();
    while !window.is_over() {
        if let Err(error) = line.ask(&question, &window, &mut tally).await {
            tally.faults.push(format!("{error:#}"));
            break;
        }
    }
    (line, tally)
}

pub(crate) async fn stream(stream: Stream) -> anyhow::Result<()> {
    let Stream { to, pace, via, students, ramp } = stream;
    let sessions = (via == Via::Fynq).then(|| to.sessions()).transpose()?.map(Arc::new);
    let (question, window): (Arc<str>, Arc<Window>) = (pace.question().into(), Arc::default());
    let mut talks = JoinSet::new();
    for number in 0..students {
        let (sessions, question, window) = (sessions.clone(), question.clone(), window.clone());
        let begins = Duration::from_secs_f64(ramp * number as f64 / students as f64);
        let (server, chunks, session) = (to.server, pace.chunks, to.from + number);
        talks.spawn(async move {
            sleep(begins).await;
            let line = match &sessions {
                Some(sessions) => {
                    let door = sessions.door(session)?;
                    Line::Socket(Box::new(Socket::open(&door, number, chunks, false).await?))
                }
                None => Line::Pipe(Pipe::open(server, number, chunks).await?),
            };
            anyhow::Ok(converse(line, question, window).await.1)
        });
    }
    sleep(Duration::from_secs_f64(ramp + pace.warm)).await;
    let measured = measure(&Gauge::new(to.pid)?, &window, pace.secs, true).await?;
    let mut tally = Tally::default();
    while let Some(ended) = talks.join_next().await {
        match ended? {
            Ok(one) => tally.add(one),
            Err(error) => tally.faults.push(format!("{error:#}")),
        }
    }
    let mut figures = measured.figures(tally.chunks, tally.chunks, to.pid.is_some());
    figures.set("answers", tally.answers as f64);
    latency(&mut figures, "", &mut tally.late);
    figures.write(&to)?;
    verdict(&to, &tally)
}

pub(crate) struct Measured {
    pub(crate) secs: f64,
    pub(crate) cpu_us: f64,
    /// What the load generator itself took.
    own_us: f64,
    /// The most that was seen; nothing if nobody looked.
    resident: f64,
}

impl Measured {
    /// Of so many chunks that the emulator made, and of copies that were delivered.
    pub(crate) fn figures(&self, chunks: u64, copies: u64, of_a_server: bool) -> Figures {
        let mut figures = Figures::default();
        figures.set("chunks_per_s", chunks as f64 / self.secs);
        figures.set("copies_per_s", copies as f64 / self.secs);
        figures.set("own_percent", self.own_us / self.secs / 1e4);
        if of_a_server {
            figures.set("cpu_us", self.cpu_us / copies as f64);
            figures.set("cpu_percent", self.cpu_us / self.secs / 1e4);
        }
        figures
    }
}

/// Opens the window for so many seconds. `looks`: whether the memory is read meanwhile, which takes the
/// server's lock on it.
pub(crate) async fn measure(
    gauge: &Gauge,
    window: &Window,
    secs: f64,
    looks: bool,
) -> anyhow::Result<Measured> {
    let own = Gauge::new(Some(std::process::id()))?;
    let (begun, cpu, own_cpu) = (Instant::now(), gauge.cpu_us(), own.cpu_us());
    window.open();
    let until = begun + Duration::from_secs_f64(secs);
    let mut resident: f64 = 0.0;
    while looks && Instant::now() < until {
        sleep(LOOK.min(until - Instant::now())).await;
        resident = resident.max(gauge.resident());
    }
    sleep_until(until).await;
    window.close();
    let (secs, cpu_us) = (begun.elapsed().as_secs_f64(), gauge.cpu_us() - cpu);
    Ok(Measured { secs, cpu_us, own_us: own.cpu_us() - own_cpu, resident })
}

pub(crate) async fn idle(to: &Target, count: usize, settle: f64) -> anyhow::Result<()> {
    let sessions = Arc::new(to.sessions()?);
    // What the first socket costs once (database connections, say) is not a socket's price.
    let mut first = Socket::open(&sessions.door(to.from + count)?, 0, 0, false).await?;
    first.prove_alive().await?;
    drop(first);
    let gauge = Gauge::new(to.pid)?;
    sleep(Duration::from_secs_f64(settle)).await;
    let (resident, cpu) = (gauge.resident(), gauge.cpu_us());
    let (over, ending) = watch::channel(false);
    let open = async |number: usize| Socket::open(&sessions.door(to.from + number)?, number, 0, false).await;
    let opened = stream::iter(0..count).map(open).buffer_unordered(OPENING);
    let keep = async |mut kept: JoinSet<anyhow::Result<()>>, socket| {
        kept.spawn(keep(socket, ending.clone()));
        Ok(kept)
    };
    let mut kept = opened.try_fold(JoinSet::new(), keep).await?;
    let connecting = gauge.cpu_us() - cpu;
    sleep(Duration::from_secs_f64(settle)).await;
    let grown = gauge.resident() - resident;
    over.send(true)?;
    while let Some(ended) = kept.join_next().await {
        ended?.context("a socket that should be idle")?;
    }
    let mut figures = Figures::default();
    figures.set("sockets", count as f64);
    figures.set("bytes_per_socket", grown / count as f64);
    figures.set("cpu_us_per_connect", connecting / count as f64);
    figures.write(to)
}

/// Answers the server's pings, and shows at the end that the socket works.
async fn keep(mut socket: Socket, mut over: watch::Receiver<bool>) -> anyhow::Result<()> {
    let (window, mut tally) = (Window::default(), Tally::default());
    loop {
        tokio::select! {
            heard = socket.wait(&window, &mut tally) => { heard?; }
            _ = over.changed() => return socket.prove_alive().await,
        }
    }
}

pub(crate) async fn fanout(to: &Target, pace: &Pace, observers: usize, stuck: usize) -> anyhow::Result<()> {
    let sessions = to.sessions()?;
    let (question, window): (Arc<str>, Arc<Window>) = (pace.question().into(), Arc::default());
    let door = sessions.door(to.from)?;
    let open = async |number, small| Socket::open(&door, number, pace.chunks, small).await;
    let student = open(0, false).await?;
    let (told, last) = watch::channel(u64::MAX);
    let mut watching = JoinSet::new();
    for number in 0..observers {
        let socket = open(1 + number, false).await?;
        watching.spawn(observe(socket, Arc::clone(&window), last.clone()));
    }
    let mut never_read = Vec::new();
    for number in 0..stuck {
        never_read.push(open(1 + observers + number, true).await?);
    }
    let gauge = Gauge::new(to.pid)?;
    let resident = gauge.resident();
    let talk = tokio::spawn(converse(Line::Socket(Box::new(student)), question, Arc::clone(&window)));
    sleep(Duration::from_secs_f64(pace.warm)).await;
    let measured = measure(&gauge, &window, pace.secs, true).await?;
    let (student, mut tally) = talk.await?;
    let Line::Socket(student) = student else { bail!("the student had no socket") };
    // Everybody reads to the place in the log at which the student stopped.
    told.send(student.follower.seq.unwrap_or(0))?;
    let mut seen = Tally::default();
    while let Some(ended) = watching.join_next().await {
        seen.add(ended?);
    }
    let mut figures = measured.figures(tally.chunks, tally.chunks + seen.chunks, true);
    figures.set("answers", tally.answers as f64);
    figures.set("growth_mib", (measured.resident - resident) / f64::from(1 << 20));
    figures.set("moved", seen.moved as f64);
    latency(&mut figures, "", &mut tally.late);
    latency(&mut figures, "observer_", &mut seen.late);
    figures.write(to)?;
    ensure!(stuck > 0 || seen.moved == 0, "readers that read were moved forward {} times", seen.moved);
    tally.add(seen);
    drop(never_read);
    verdict(to, &tally)
}

/// Reads all that comes until the entry that `last` names.
pub(crate) async fn observe(
    mut socket: Socket,
    window: Arc<Window>,
    mut last: watch::Receiver<u64>,
) -> Tally {
    let mut tally = Tally::default();
    let reading = async {
        while socket.follower.seq.unwrap_or(0) < *last.borrow() {
            tokio::select! {
                heard = socket.wait(&window, &mut tally) => { heard?; }
                _ = last.changed() => {}
            }
        }
        anyhow::Ok(())
    };
    // The measurement is far shorter; the rest is for those who lag behind at its end.
    let ended = timeout(PATIENCE * 2, reading).await.context("an observer never saw the end");
    if let Err(error) = ended.and_then(|read| read) {
        tally.faults.push(format!("an observer: {error:#}"));
    }
    tally
}

pub(crate) fn latency(figures: &mut Figures, of: &str, late: &mut [u32]) {
    late.sort_unstable();
    figures.set(&format!("{of}p50_us"), quantile(late, 0.5));
    figures.set(&format!("{of}p99_us"), quantile(late, 0.99));
}

/// Speed is never judged here; a wrong or missing answer makes the figures worthless.
pub(crate) fn verdict(to: &Target, tally: &Tally) -> anyhow::Result<()> {
    if let Some(first) = tally.faults.first() {
        bail!("{} {}: {} of the readers failed; one: {first}", to.mode, to.name, tally.faults.len());
    }
    ensure!(tally.answers > 0, "{} {}: no answer came to its end", to.mode, to.name);
    Ok(())
}
