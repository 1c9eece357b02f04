//! The task itself: takes in, commits in batches, answers, and sees outages through.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metrics::{counter, gauge};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::id::Uuid;
use crate::store::pool::{Address, CONNECT_TIMEOUT};
use crate::store::{Op, Patience, WriteError};

use super::attempt::{Committed, Fault, Link, attempt, told};
use super::batch::{Limits, Touched};
use super::{Ask, RETRY_AFTER, Request, Shared};

/// Operations in one batch, about.
const BATCH_OPS: usize = 1500;
/// A batch with more requests than this is shared between two connections, session by session.
const SHARED_FROM: usize = 128;
/// How long to do with one connection when there was no second one to be had.
const NO_SECOND_FOR: Duration = Duration::from_secs(30);
/// Text in one batch, about.
const BATCH_BYTES: usize = 4 << 20;
/// Batches begin at least this far apart, so that many sessions share a commit; an idle writer
/// begins at once.
const PACE: Duration = Duration::from_millis(10);
const SHORTEST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Task {
    address: Address,
    asks: mpsc::UnboundedReceiver<Ask>,
    shared: Arc<Shared>,
    /// What was taken in and has no answer yet, in order; bounded by the room.
    waiting: VecDeque<Ask>,
    link: Option<Link>,
    /// Only ever used beside the first.
    second: Option<Link>,
    /// On its way, or to be tried again later.
    second_coming: Coming,
    /// Failed attempts since the last good one.
    failures: u32,
    touched: Touched,
    next_batch: tokio::time::Instant,
}

/// Where the second connection is.
enum Coming {
    NotAsked,
    Asked(tokio::task::JoinHandle<Result<Link, String>>),
    NotBefore(Instant),
}

/// The task is over: nobody asks any more, or it was closed.
struct Over;

impl Task {
    pub(super) fn new(address: Address, asks: mpsc::UnboundedReceiver<Ask>, shared: Arc<Shared>) -> Task {
        Task {
            address,
            asks,
            shared,
            waiting: VecDeque::new(),
            link: None,
            second: None,
            second_coming: Coming::NotAsked,
            failures: 0,
            touched: Touched::default(),
            next_batch: tokio::time::Instant::now(),
        }
    }

    pub(super) async fn run(mut self) {
        // Only ever ends by `Over`.
        while self.step().await.is_ok() {}
        // Nobody may wait for an answer that will not come: no more room, and no receiver.
        self.shared.room.close();
    }

    async fn step(&mut self) -> Result<(), Over> {
        if self.waiting.is_empty() {
            self.idle().await?;
        }
        tokio::time::sleep_until(self.next_batch).await;
        while let Ok(ask) = self.asks.try_recv() {
            self.take_in(ask);
        }
        self.retire().await;
        if !Link::is_good(self.link.as_ref()) {
            self.reconnect().await?;
        }
        match self.waiting.pop_front() {
            None => {}
            Some(Ask::Flush(done)) => {
                let _ = done.send(());
            }
            Some(Ask::Close(done)) => {
                let _ = done.send(());
                return Err(Over);
            }
            Some(Ask::Write(first)) => {
                self.next_batch = tokio::time::Instant::now() + PACE;
                let requests = self.gather(first);
                self.settle(requests).await?;
                // Those who were just answered often ask again: let them, before the next batch.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Leaves connections to an address that is not the one any more.
    async fn retire(&mut self) {
        let since = self.address.since().await;
        for link in [&mut self.link, &mut self.second] {
            link.take_if(|link| link.since < since);
        }
    }

    /// Waits for something to do. A connection that ends meanwhile is replaced at once, so that
    /// the outage is known before somebody's message runs into it.
    async fn idle(&mut self) -> Result<(), Over> {
        let ended = async {
            if let Some(link) = &mut self.link {
                let _ = (&mut link.carrier).await;
            }
        };
        tokio::select! {
            biased;
            ask = self.asks.recv() => {
                let ask = ask.ok_or(Over)?;
                self.take_in(ask);
            }
            () = ended => self.link = None,
        }
        Ok(())
    }

    fn take_in(&mut self, ask: Ask) {
        match ask {
            Ask::Write(request) if request.patience == Patience::Refuse && !self.is_up() => {
                self.refuse(request);
            }
            other => self.waiting.push_back(other),
        }
    }

    /// The next batch: what waits, up to the next flush or the limits.
    fn gather(&mut self, first: Request) -> Vec<Request> {
        let (mut ops, mut bytes) = weigh(&first);
        let mut requests = vec![first];
        while ops < BATCH_OPS && bytes < BATCH_BYTES {
            match self.waiting.pop_front() {
                Some(Ask::Write(request)) => {
                    let (more_ops, more_bytes) = weigh(&request);
                    ops += more_ops;
                    bytes += more_bytes;
                    requests.push(request);
                }
                Some(other) => {
                    self.waiting.push_front(other);
                    break;
                }
                None => break,
            }
        }
        requests
    }

    /// Commits and answers.
    async fn settle(&mut self, mut requests: Vec<Request>) -> Result<(), Over> {
        if requests.len() > SHARED_FROM && self.has_second().await {
            // A session's requests all go the same way.
            let (others, mine): (Vec<Request>, Vec<Request>) =
                requests.into_iter().partition(|request| lane(request) == 1);
            let (done, theirs) = tokio::join!(
                attempt(self.link.as_ref(), &mine, self.limits(), &self.touched),
                attempt(self.second.as_ref(), &others, self.limits(), &self.touched),
            );
            // Whatever went wrong on the second connection is seen to on the first.
            requests = self.conclude(others, theirs);
            if !requests.is_empty() {
                self.second = None;
            }
            requests.extend(self.conclude(mine, done));
        }
        self.settle_in_parts(requests).await
    }

    /// Answers what was committed; gives back what was not.
    fn conclude(&mut self, mut part: Vec<Request>, outcome: Result<Committed, Fault>) -> Vec<Request> {
        match outcome {
            Ok(done) => {
                self.committed(part, done);
                Vec::new()
            }
            Err(fault) => {
                fault.mark(&mut part);
                part
            }
        }
    }

    /// A batch that the database refuses is halved until the culprit stands alone; the halves
    /// keep their order.
    async fn settle_in_parts(&mut self, requests: Vec<Request>) -> Result<(), Over> {
        let mut parts = VecDeque::from([requests]);
        while let Some(mut part) = parts.pop_front() {
            if part.is_empty() {
                continue;
            }
            match attempt(self.link.as_ref(), &part, self.limits(), &self.touched).await {
                Ok(done) => self.committed(part, done),
                Err(Fault::Data(told)) if part.len() == 1 => {
                    tracing::warn!(%told, "the database refused a write");
                    // It answers. After an outage this may be all that was left to write, and then
                    // nobody else would find out.
                    self.failures = 0;
                    self.set_up(true);
                    self.answer(part, &Err(WriteError::Refused));
                }
                Err(Fault::Data(_)) => {
                    let rest = part.split_off(part.len() / 2);
                    parts.push_front(rest);
                    parts.push_front(part);
                }
                Err(fault) => {
                    fault.mark(&mut part);
                    parts.push_front(part);
                    let back: Vec<Ask> = parts.into_iter().flatten().map(Ask::Write).collect();
                    back.into_iter().rev().for_each(|ask| self.waiting.push_front(ask));
                    return self.after(fault).await;
                }
            }
        }
        Ok(())
    }

    fn committed(&mut self, mut part: Vec<Request>, done: Committed) {
        self.failures = 0;
        self.set_up(true);
        self.touched.remember(done.touched, Instant::now());
        // From behind, so that the numbers of those before stay true.
        for (number, until) in done.over.into_iter().rev() {
            if number >= part.len() {
                continue;
            }
            counter!("fynq_quota_refused_total").increment(1);
            let refused = part.remove(number);
            self.answer(vec![refused], &Err(WriteError::OverQuota(until)));
        }
        self.answer(part, &Ok(()));
    }

    fn limits(&self) -> Option<Limits> {
        self.shared.limits.get().copied()
    }

    /// Whether there is a second connection. One is asked for here and used when it has come;
    /// nobody waits for it.
    async fn has_second(&mut self) -> bool {
        if Link::is_good(self.second.as_ref()) {
            return true;
        }
        self.second = None;
        match &mut self.second_coming {
            Coming::NotAsked => self.second_coming = Coming::Asked(tokio::spawn(open(self.address.clone()))),
            Coming::Asked(opening) if opening.is_finished() => {
                let opened = opening.await;
                self.second = opened.ok().and_then(Result::ok);
                self.second_coming = match self.second {
                    Some(_) => Coming::NotAsked,
                    None => Coming::NotBefore(Instant::now() + NO_SECOND_FOR),
                };
            }
            Coming::NotBefore(then) if Instant::now() >= *then => self.second_coming = Coming::NotAsked,
            Coming::Asked(_) | Coming::NotBefore(_) => {}
        }
        self.second.is_some()
    }

    async fn after(&mut self, fault: Fault) -> Result<(), Over> {
        self.failures = self.failures.saturating_add(1);
        match fault {
            // A deadlock with somebody's DELETE, say.
            Fault::Data(_) | Fault::Again => {
                if self.failures > 2 {
                    self.pause().await?;
                }
            }
            Fault::Lost { told, .. } => {
                tracing::warn!(%told, "a write did not get through");
                (self.link, self.second) = (None, None);
                // It may be a restart that is over already: reconnecting will tell.
                if self.failures > 1 {
                    self.set_up(false);
                    self.pause().await?;
                }
            }
            Fault::Unable(told) => {
                tracing::warn!(%told, "the database cannot take a write");
                (self.link, self.second) = (None, None);
                self.set_up(false);
                self.pause().await?;
            }
        }
        Ok(())
    }

    /// Returns with a connection, however long that takes.
    async fn reconnect(&mut self) -> Result<(), Over> {
        loop {
            let told = match self.meanwhile(open(self.address.clone())).await? {
                Ok(link) => {
                    self.link = Some(link);
                    // With something to write, that will show whether it is really back.
                    if !self.waiting.iter().any(|ask| matches!(ask, Ask::Write(_))) {
                        self.failures = 0;
                        self.set_up(true);
                    }
                    return Ok(());
                }
                Err(told) => told,
            };
            tracing::debug!(%told, "the database cannot be reached");
            self.failures = self.failures.saturating_add(1);
            self.set_up(false);
            self.pause().await?;
        }
    }

    async fn pause(&mut self) -> Result<(), Over> {
        let doubled = SHORTEST_PAUSE.saturating_mul(1 << self.failures.min(8));
        self.meanwhile(sleep(doubled.min(LONGEST_PAUSE))).await
    }

    /// Waits for `event` and takes in what comes, so that nobody waits for a refusal. Ends the
    /// task when it is closed while PostgreSQL is away.
    async fn meanwhile<T>(&mut self, event: impl Future<Output = T>) -> Result<T, Over> {
        let mut event = std::pin::pin!(event);
        loop {
            let closing = self.waiting.iter().any(|ask| matches!(ask, Ask::Close(_)));
            if closing && !self.is_up() {
                return Err(Over);
            }
            tokio::select! {
                biased;
                happened = &mut event => return Ok(happened),
                ask = self.asks.recv() => {
                    let ask = ask.ok_or(Over)?;
                    self.take_in(ask);
                }
            }
        }
    }

    fn is_up(&self) -> bool {
        *self.shared.up.borrow()
    }

    fn set_up(&mut self, up: bool) {
        let changed = self.shared.up.send_if_modified(|now| std::mem::replace(now, up) != up);
        if !changed {
            return;
        }
        gauge!("fynq_writer_up").set(if up { 1.0 } else { 0.0 });
        if up {
            tracing::info!("the database is back");
            return;
        }
        tracing::warn!(waiting = self.waiting.len(), "the database is away");
        let (refused, kept): (Vec<Ask>, Vec<Ask>) = self.waiting.drain(..).partition(|ask| {
            matches!(ask, Ask::Write(request) if request.patience == Patience::Refuse && !request.unknown)
        });
        self.waiting = kept.into();
        for ask in refused {
            if let Ask::Write(request) = ask {
                self.refuse(request);
            }
        }
    }

    fn refuse(&self, request: Request) {
        counter!("fynq_writer_refused_total").increment(1);
        self.answer(vec![request], &Err(WriteError::Unavailable { retry_after: RETRY_AFTER }));
    }

    fn answer(&self, requests: Vec<Request>, result: &Result<(), WriteError>) {
        self.shared.room.add_permits(requests.len());
        for request in requests {
            // Whoever asked may have gone; what was asked for is done all the same.
            let _ = request.reply.send(result.clone());
        }
    }
}

async fn open(address: Address) -> Result<Link, String> {
    match timeout(CONNECT_TIMEOUT * 2, address.connect_for_writing()).await {
        Ok(Ok((client, carrier))) => Ok(Link { client, carrier, since: Instant::now() }),
        Ok(Err(error)) => Err(told(&error)),
        Err(_) => Err("no answer in time".into()),
    }
}

/// Which of two connections a request's session goes with; the last bits of an id are chance.
fn lane(request: &Request) -> u8 {
    let session = match request.ops.first() {
        Some(Op::Insert(new)) => new.session_id,
        Some(Op::Update(state)) => state.session_id,
        Some(
            Op::Begin { session_id, .. }
            | Op::Supersede { session_id, .. }
            | Op::Touch { session_id, .. }
            | Op::RaiseHand { session_id, .. },
        ) => *session_id,
        None => Uuid::nil(),
    };
    session.as_bytes()[15] & 1
}

fn weigh(request: &Request) -> (usize, usize) {
    let bytes = request.ops.iter().map(|op| match op {
        Op::Insert(new) => new.content.len(),
        Op::Update(state) => state.content.len(),
        _ => 0,
    });
    (request.ops.len(), bytes.sum())
}
