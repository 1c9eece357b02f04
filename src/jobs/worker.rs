//! A worker: takes what waits, holds it with a heartbeat, runs it, and lets go when the server stops.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use metrics::{counter, gauge, histogram};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use crate::app::App;
use crate::clock;
use crate::config;
use crate::id::{self, Uuid};
use crate::shutdown::Phase;
use crate::store::{Held, NewTask, Retry, Store, StoreError, Taken};

use super::{Done, Fault, Job, Kind, Progress};

/// Heartbeats of one lease.
const BEATS: u32 = 6;
/// How far jobs are is told in between, so often at most.
const TOLD: Duration = Duration::from_millis(700);
/// How often the queue is counted.
const COUNTED: Duration = Duration::from_secs(15);
/// While no connection listens, one is tried this often; while none would hear, too.
const DEAF: Duration = Duration::from_secs(30);
/// What was heard and not yet dealt with; what comes beyond it says nothing new.
const HEARD: usize = 16;
/// Between two attempts to say how a job ended.
const AGAIN: Duration = Duration::from_secs(1);

/// The first wait after a failure, and the longest.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How long a task waits after its n-th attempt has failed: twice as long each time, half of that to one and a
/// half, by `roll` from 0 to 1, so that what failed together does not come back together.
pub fn backoff(attempts: i32, roll: f64) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    let wait = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    wait.mul_f64(0.5 + roll.clamp(0.0, 1.0))
}

/// What somebody tells a worker between its own looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Something waits.
    Work,
    /// Something that runs was called off.
    Cancel,
}

/// Why a running job is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Cancelled,
    /// Somebody else holds it.
    Lost,
    /// The server stops.
    HandBack,
}

pub struct Worker {
    app: App,
    kinds: &'static [Kind],
    name: String,
    settings: config::Worker,
    running: HashMap<Uuid, Running>,
    jobs: JoinSet<Uuid>,
    /// One of the jobs has come further.
    moved: Arc<Notify>,
    /// The last turn of each schedule that this worker put there.
    turns: HashMap<&'static str, u64>,
    counted: Option<Instant>,
}

struct Running {
    held: Held,
    kind: &'static str,
    attempts: i32,
    progress: Progress,
    stop: Option<oneshot::Sender<Stop>>,
    /// What runs it here.
    runs: tokio::task::Id,
}

impl Worker {
    pub fn new(app: App, kinds: &'static [Kind]) -> Worker {
        let settings = app.settings.worker.clone();
        let name = format!("{}/{}", std::process::id(), id::new().simple());
        let (running, turns) = (HashMap::new(), HashMap::new());
        let (jobs, moved) = (JoinSet::new(), Arc::default());
        Worker { app, kinds, name, settings, running, jobs, moved, turns, counted: None }
    }

    /// Works until the server drains; ends when every job has ended or was handed back.
    pub async fn run(mut self) {
        let mut shutdown = self.app.shutdown.clone();
        let (tell, mut heard) = mpsc::channel(HEARD);
        let ears = tokio::spawn(listen(self.app.store.clone(), tell));
        let mut beats = interval(self.settings.lease / BEATS);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut look = Instant::now();
        let mut hungry = false;
        // When it is told how far the jobs are, once one has moved.
        let mut told: Option<Instant> = None;
        let moved = Arc::clone(&self.moved);
        loop {
            if hungry {
                hungry = self.take().await;
            }
            tokio::select! {
                biased;
                () = shutdown.reached(Phase::Draining) => break,
                Some(ended) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                    self.ended(ended);
                    hungry = true;
                }
                Some(word) = heard.recv() => match word {
                    Heard::Work => hungry = true,
                    Heard::Cancel => self.beat().await,
                },
                _ = beats.tick() => self.beat().await,
                () = moved.notified(), if told.is_none() => told = Some(Instant::now() + TOLD),
                () = sleep_until(told.unwrap_or(look)), if told.is_some() => {
                    told = None;
                    self.beat().await;
                }
                () = sleep_until(look) => {
                    self.look().await;
                    // Workers that started together do not look together for ever.
                    look = Instant::now() + self.settings.poll.mul_f64(rand::random_range(0.75..1.25));
                    hungry = true;
                }
            }
        }
        ears.abort();
        self.leave(&mut beats).await;
    }

    /// What runs may go on while the answers may; then it is handed back.
    async fn leave(mut self, beats: &mut tokio::time::Interval) {
        let mut shutdown = self.app.shutdown.clone();
        let mut told = false;
        while !self.jobs.is_empty() {
            tokio::select! {
                Some(ended) = self.jobs.join_next() => self.ended(ended),
                _ = beats.tick() => self.beat().await,
                () = shutdown.reached(Phase::Ending), if !told => {
                    told = true;
                    self.running.values_mut().for_each(|running| running.stop(Stop::HandBack));
                }
            }
        }
    }

    /// Takes as much as there is room for. Whether there may be more that could be taken now.
    async fn take(&mut self) -> bool {
        let room = self.settings.at_once.saturating_sub(self.running.len());
        let free: Vec<(&str, usize)> = self
            .kinds
            .iter()
            .map(|kind| {
                let busy = self.running.values().filter(|running| running.kind == kind.name).count();
                (kind.name, kind.at_once.saturating_sub(busy).min(room))
            })
            .filter(|(_, free)| *free > 0)
            .collect();
        if free.is_empty() {
            return false;
        }
        let taken = self.app.store.take_tasks(&self.name, &free, room, self.settings.lease).await;
        match taken {
            Ok(taken) => {
                let any = !taken.is_empty();
                taken.into_iter().for_each(|task| self.start(task));
                any
            }
            Err(error) => {
                tracing::debug!(%error, "no task could be taken; looked for again");
                false
            }
        }
    }

    fn start(&mut self, task: Taken) {
        let Some(kind) = self.kinds.iter().find(|kind| kind.name == task.kind) else { return };
        histogram!("fynq_task_wait_seconds", "kind" => kind.name).record(task.waited);
        let (stop, stopped) = oneshot::channel();
        let (held, attempts, progress) = (task.held, task.attempts, Progress::heard_by(&self.moved));
        let job = Job { app: self.app.clone(), task, progress: progress.clone() };
        let patience = self.settings.lease;
        let runs = self.jobs.spawn(async move {
            work(kind, job, stopped, patience).await;
            held.id
        });
        let running =
            Running { held, kind: kind.name, attempts, progress, stop: Some(stop), runs: runs.id() };
        self.running.insert(held.id, running);
    }

    fn ended(&mut self, ended: Result<Uuid, tokio::task::JoinError>) {
        match ended {
            Ok(id) => _ = self.running.remove(&id),
            Err(error) => {
                tracing::error!(%error, "a job's own task ended");
                self.broke_off(error.id());
            }
        }
    }

    /// What a kind does is caught while it runs, not what it does before or when it is dropped. That is a failed
    /// attempt as well, at once: its lease would only make it wait.
    fn broke_off(&mut self, runs: tokio::task::Id) {
        let Some(running) = self.running.values_mut().find(|running| running.runs == runs) else { return };
        let (held, attempts, kind) = (running.held, running.attempts, running.kind);
        let (store, patience) = (self.app.store.clone(), self.settings.lease);
        let ends = self.jobs.spawn(async move {
            let end = fail(&store, held, attempts, Fault::passing("panicked"), patience).await;
            counter!("fynq_task_ends_total", "kind" => kind, "end" => end).increment(1);
            held.id
        });
        running.runs = ends.id();
    }

    /// Says that this worker lives; lets go what is called off and what is somebody else's by now.
    async fn beat(&mut self) {
        if self.running.is_empty() {
            return;
        }
        let held: Vec<_> =
            self.running.values().map(|running| (running.held, running.progress.now())).collect();
        let answer = match self.app.store.beat_tasks(&held, self.settings.lease).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(%error, "a heartbeat was not heard");
                return;
            }
        };
        let answer: HashMap<Uuid, bool> = answer.into_iter().collect();
        for (held, _) in held {
            let Some(running) = self.running.get_mut(&held.id) else { continue };
            match answer.get(&held.id) {
                Some(false) => {}
                Some(true) => running.stop(Stop::Cancelled),
                None => running.stop(Stop::Lost),
            }
        }
    }

    /// What is done now and then: the leases of the dead, the schedules, the numbers.
    async fn look(&mut self) {
        match self.app.store.expire_tasks().await {
            Ok(lost) => {
                for (kind, status) in lost {
                    tracing::warn!(kind, status, "a task's worker fell silent");
                    let kind = self.kinds.iter().find(|known| known.name == kind).map_or("other", |k| k.name);
                    counter!("fynq_task_ends_total", "kind" => kind, "end" => "lease_lost").increment(1);
                }
            }
            Err(error) => tracing::debug!(%error, "leases could not be looked at"),
        }
        self.schedule().await;
        if self.counted.is_none_or(|at| at.elapsed() >= COUNTED) {
            self.counted = Some(Instant::now());
            self.count().await;
        }
    }

    /// One task for each turn of a schedule, whoever comes first.
    async fn schedule(&mut self) {
        let now = u64::try_from(clock::now().as_second()).unwrap_or(0);
        for kind in self.kinds {
            let Some(every) = kind.every else { continue };
            let turn = now / every.as_secs().max(1);
            if self.turns.get(kind.name) == Some(&turn) {
                continue;
            }
            let key = format!("schedule:{}:{turn}", kind.name);
            let new = NewTask { unique_key: Some(&key), attempts: kind.attempts, ..NewTask::of(kind.name) };
            match self.app.store.enqueue(&new).await {
                Ok(_) => _ = self.turns.insert(kind.name, turn),
                Err(error) => tracing::debug!(%error, kind = kind.name, "a schedule's task is not there yet"),
            }
        }
    }

    async fn count(&self) {
        let Ok(depths) = self.app.store.task_depths().await else { return };
        for kind in self.kinds {
            for status in ["queued", "running", "failed"] {
                let depth = depths.iter().find(|depth| depth.kind == kind.name && depth.status == status);
                let tasks = depth.map_or(0, |depth| depth.tasks);
                gauge!("fynq_tasks", "kind" => kind.name, "status" => status).set(tasks as f64);
            }
        }
    }
}

impl Running {
    fn stop(&mut self, why: Stop) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(why);
        }
    }
}

/// Runs one job and says how it ended.
async fn work(kind: &'static Kind, job: Job, stopped: oneshot::Receiver<Stop>, patience: Duration) {
    let (store, held, attempts) = (job.app.store.clone(), job.task.held, job.task.attempts);
    let begun = Instant::now();
    let running = AssertUnwindSafe(timeout(kind.time, (kind.run)(job))).catch_unwind();
    let ran = tokio::select! {
        biased;
        Ok(stop) = stopped => Err(stop),
        ran = running => Ok(match ran {
            Ok(Ok(ran)) => ran,
            Ok(Err(_)) => Err(Fault::passing("timed_out")),
            // The panic hook has written what happened.
            Err(_) => Err(Fault::passing("panicked")),
        }),
    };
    histogram!("fynq_task_run_seconds", "kind" => kind.name).record(begun.elapsed());
    let end = match ran {
        Ok(Ok(done)) => finish(&store, held, attempts, &done, patience).await,
        Ok(Err(fault)) => fail(&store, held, attempts, fault, patience).await,
        Err(Stop::Cancelled) => fail(&store, held, attempts, Fault::lasting("cancelled"), patience).await,
        Err(Stop::Lost) => "lost",
        Err(Stop::HandBack) => match store.hand_back_tasks(&[held]).await {
            Ok(_) => "handed_back",
            // Its lease runs out.
            Err(_) => "lost",
        },
    };
    counter!("fynq_task_ends_total", "kind" => kind.name, "end" => end).increment(1);
    match end {
        "succeeded" | "handed_back" | "cancelled" => tracing::debug!(kind = kind.name, task = %held.id, end),
        _ => tracing::warn!(kind = kind.name, task = %held.id, end, "a task did not end well"),
    }
}

/// Effects and end are one transaction, so saying it again after no answer does nothing twice.
async fn finish(store: &Store, held: Held, attempts: i32, done: &Done, patience: Duration) -> &'static str {
    let begun = Instant::now();
    loop {
        match store.finish_task(held, done.result.as_ref(), &done.effects).await {
            Ok(()) => return "succeeded",
            Err(StoreError::Unavailable) if begun.elapsed() < patience => sleep(AGAIN).await,
            // Held no more, or one of its effects has lost what it was about: then it is held still.
            Err(error) => return fail(store, held, attempts, error.into(), patience).await,
        }
    }
}

async fn fail(store: &Store, held: Held, attempts: i32, fault: Fault, patience: Duration) -> &'static str {
    let begun = Instant::now();
    let retry = match fault.again {
        true => Retry::After(backoff(attempts, rand::random())),
        false => Retry::Never,
    };
    loop {
        match store.fail_task(held, fault.code, retry).await {
            Ok(Some(status)) => {
                return match status.as_str() {
                    "queued" => "retried",
                    "cancelled" => "cancelled",
                    _ => "failed",
                };
            }
            Err(StoreError::Unavailable) if begun.elapsed() < patience => sleep(AGAIN).await,
            Ok(None) | Err(_) => return "lost",
        }
    }
}

/// Hears for as long as there is somebody to tell. What may have been missed meanwhile counts as heard.
async fn listen(store: Store, tell: mpsc::Sender<Heard>) {
    let mut told = false;
    while !tell.is_closed() {
        match store.listen_tasks().await {
            Ok(Some(mut ear)) => {
                let _ = tell.try_send(Heard::Work);
                while let Some(word) = ear.hear().await {
                    let _ = tell.try_send(if word == "cancel" { Heard::Cancel } else { Heard::Work });
                }
            }
            Ok(None) if !told => {
                told = true;
                tracing::info!("notifications do not come through to here (a pooler?): tasks are asked for");
            }
            Ok(None) | Err(_) => {}
        }
        sleep(DEAF.mul_f64(rand::random_range(0.5..1.0))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_waits_twice_as_long_up_to_an_hour_and_never_like_another() {
        let seconds = |attempts, roll| backoff(attempts, roll).as_secs_f64();
        assert_eq!([seconds(1, 0.0), seconds(1, 0.5), seconds(1, 1.0)], [5.0, 10.0, 15.0]);
        assert_eq!([seconds(2, 0.5), seconds(3, 0.5), seconds(4, 0.5)], [20.0, 40.0, 80.0]);
        assert_eq!(seconds(40, 0.5), 3600.0);
        assert_eq!(seconds(i32::MAX, 1.0), 5400.0);
        assert_eq!(seconds(0, 0.5), 10.0);
    }
}
