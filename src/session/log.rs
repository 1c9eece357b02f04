//! The log of one session: a ring of frames, each serialized once, that cursors read.
//!
//! Only the session's task appends. There is no queue per reader: a reader is a position, and one
//! that falls behind what the ring keeps is moved forward with a snapshot.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

use crate::id::Uuid;
use crate::protocol::{self, Control, Event, ForTutors};

/// One connection, for frames that are meant for it alone or not for it.
pub type ConnId = u64;

/// Whom a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    Everyone,
    /// Everyone but the connection that caused it.
    Others(ConnId),
    Only(ConnId),
    /// Everyone but those who watch somebody else's session.
    Owner,
    /// Those who watch somebody else's session.
    Tutors,
    /// As `Tutors`, but the connection that caused it.
    TutorsBut(ConnId),
}

#[derive(Clone, Debug)]
enum Kind {
    /// A numbered entry: part of the history that everyone sees.
    Entry { seq: u64, run: Uuid, event: Range<u32> },
    /// State outside the history; losing it never matters.
    Control(Audience),
    /// For those who watch somebody else's session, or one connection of theirs.
    ForTutors(Option<ConnId>),
    /// Was for tutors, and has left before its time.
    Gone,
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    kind: Kind,
    frame: Bytes,
}

impl Item {
    pub(crate) fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The bare event and its run, if this is an entry.
    pub(crate) fn event(&self) -> Option<(Uuid, Bytes)> {
        match &self.kind {
            Kind::Entry { run, event, .. } => {
                Some((*run, self.frame.slice(event.start as usize..event.end as usize)))
            }
            Kind::Control(_) | Kind::ForTutors(_) | Kind::Gone => None,
        }
    }

    fn is_for(&self, conn: ConnId, watches: bool) -> bool {
        match self.kind {
            Kind::Entry { .. } | Kind::Control(Audience::Everyone) => true,
            Kind::Control(Audience::Others(other)) => other != conn,
            Kind::Control(Audience::Only(only)) => only == conn,
            Kind::Control(Audience::Owner) => !watches,
            Kind::Control(Audience::Tutors) => watches,
            Kind::Control(Audience::TutorsBut(other)) => watches && other != conn,
            Kind::ForTutors(only) => watches && only.is_none_or(|only| only == conn),
            Kind::Gone => false,
        }
    }
}

/// The ring: bounded by bytes; when full, the oldest items go and readers that had not come so far
/// are behind.
///
/// What tutors alone are told has no more than a share of it: guidance may be long and change often, and the
/// student's way back is made of what is left. When that share is full its oldest go, and only those who watch
/// can be behind.
#[derive(Default)]
struct Ring {
    items: VecDeque<Item>,
    /// The position of `items[0]`; positions count items since the session woke.
    first: u64,
    /// The number of the last entry.
    seq: u64,
    /// The number of the last entry before `items[0]`.
    dropped_seq: u64,
    bytes: usize,
    /// The positions of what tutors alone are told, and its bytes.
    tutors: VecDeque<u64>,
    tutors_bytes: usize,
    /// Before this position some of it has gone.
    tutors_from: u64,
    /// Where the next entries are written, several to a block.
    block: BytesMut,
}

pub(crate) struct Log {
    pub(crate) epoch: Uuid,
    ring: Mutex<Ring>,
    /// The position after the last item.
    end: AtomicU64,
    /// Nothing will ever follow: the session has left memory.
    closed: AtomicBool,
    /// Wakes the student's cursors after `end` or `closed` has changed.
    wake: Notify,
    /// Wakes the one who has watched longest without news, who wakes the next (`Cursor::turn`).
    wake_watchers: Notify,
    max_bytes: usize,
}

/// Entries are written in blocks of this size, which stay until their last entry goes; a longer entry
/// has a block of its own.
const BLOCK: usize = 2048;
/// What one item costs beside its bytes.
const ITEM_COST: usize = 128;
/// What tutors alone are told has this part of the ring.
const TUTORS_SHARE: usize = 4;

impl Log {
    pub(crate) fn new(max_bytes: usize) -> Arc<Log> {
        Arc::new(Log {
            epoch: Uuid::new_v4(),
            ring: Mutex::new(Ring::default()),
            end: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            wake: Notify::new(),
            wake_watchers: Notify::new(),
            max_bytes,
        })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing in the critical sections can panic half-way; a poisoned ring is still whole.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last entry.
    pub(crate) fn head(&self) -> u64 {
        self.ring().seq
    }

    pub(crate) fn append(&self, run: Uuid, event: &Event<'_>) {
        let mut ring = self.ring();
        ring.seq += 1;
        let seq = ring.seq;
        if ring.block.capacity() == 0 {
            ring.block = BytesMut::with_capacity(BLOCK);
        }
        let (frame, range) = protocol::entry(&mut ring.block, seq, event);
        let event = range.start as u32..range.end as u32;
        let kind = Kind::Entry { seq, run, event };
        self.push(ring, Item { kind, frame });
    }

    pub(crate) fn control(&self, audience: Audience, control: &Control<'_>) {
        let item = Item { kind: Kind::Control(audience), frame: control.frame() };
        self.push(self.ring(), item);
    }

    /// The only way for what tutors alone are told; only a cursor of somebody who watches yields it.
    pub(crate) fn tutors(&self, only: Option<ConnId>, what: &ForTutors<'_>) {
        let item = Item { kind: Kind::ForTutors(only), frame: what.frame() };
        let mut ring = self.ring();
        let position = ring.first + ring.items.len() as u64;
        ring.tutors.push_back(position);
        ring.tutors_bytes += item.frame.len() + ITEM_COST;
        // The newest stays: it carries the whole state.
        while ring.tutors_bytes > self.max_bytes / TUTORS_SHARE && ring.tutors.len() > 1 {
            ring.drop_oldest_of_tutors();
        }
        self.push(ring, item);
    }

    fn push(&self, mut ring: MutexGuard<'_, Ring>, item: Item) {
        ring.bytes += item.frame.len() + ITEM_COST;
        ring.items.push_back(item);
        while ring.bytes > self.max_bytes && ring.items.len() > 1 {
            ring.drop_oldest();
        }
        // Before anybody can take it: whoever has taken the last knows of no more to come.
        self.end.store(ring.first + ring.items.len() as u64, Ordering::Release);
        drop(ring);
        self.wake.notify_waiters();
        self.wake_watchers.notify_one();
    }

    /// The session leaves memory: readers see the end once they have read what is there.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake.notify_waiters();
        self.wake_watchers.notify_waiters();
    }

    /// Forgets what it kept for those who come back: nobody came for a while.
    pub(crate) fn forget(&self) {
        let mut ring = self.ring();
        while !ring.items.is_empty() {
            ring.drop_oldest();
        }
        ring.items.shrink_to_fit();
        ring.block = BytesMut::new();
    }

    /// A cursor behind the last item: it sees what comes from now on.
    pub(crate) fn at_end(self: &Arc<Self>, conn: ConnId) -> Cursor {
        let ring = self.ring();
        let end = ring.first + ring.items.len() as u64;
        drop(ring);
        self.cursor(conn, end, end)
    }

    /// A cursor at the oldest item that is kept.
    pub(crate) fn at_start(self: &Arc<Self>, conn: ConnId) -> Cursor {
        let ring = self.ring();
        let (position, end) = (ring.first, ring.first + ring.items.len() as u64);
        drop(ring);
        self.cursor(conn, position, end)
    }

    /// A cursor right after entry `after`, if the ring still reaches back that far.
    pub(crate) fn after(self: &Arc<Self>, conn: ConnId, after: u64) -> Option<Cursor> {
        let ring = self.ring();
        if after < ring.dropped_seq || after > ring.seq {
            return None;
        }
        let end = ring.first + ring.items.len() as u64;
        let passed = if after == ring.seq {
            ring.items.len()
        } else {
            // Entries are in order, control frames lie between them: find the first one missed.
            ring.items
                .iter()
                .position(|item| matches!(item.kind, Kind::Entry { seq, .. } if seq > after))
                .unwrap_or(ring.items.len())
        };
        let position = ring.first + passed as u64;
        drop(ring);
        Some(self.cursor(conn, position, end))
    }

    fn cursor(self: &Arc<Self>, conn: ConnId, position: u64, live_from: u64) -> Cursor {
        Cursor { conn, watches: false, position, live_from, log: Arc::clone(self) }
    }
}

impl Ring {
    fn drop_oldest(&mut self) {
        if let Some(item) = self.items.pop_front() {
            self.first += 1;
            self.bytes -= item.frame.len() + ITEM_COST;
            match item.kind {
                Kind::Entry { seq, .. } => self.dropped_seq = seq,
                Kind::ForTutors(_) => {
                    self.tutors.pop_front();
                    self.tutors_bytes -= item.frame.len() + ITEM_COST;
                }
                Kind::Control(_) | Kind::Gone => {}
            }
        }
    }

    /// Its place stays: positions count items.
    fn drop_oldest_of_tutors(&mut self) {
        let Some(position) = self.tutors.pop_front() else { return };
        self.tutors_from = position + 1;
        if let Some(item) = self.items.get_mut((position - self.first) as usize) {
            let left = std::mem::replace(item, Item { kind: Kind::Gone, frame: Bytes::new() });
            self.bytes -= left.frame.len();
            self.tutors_bytes -= left.frame.len() + ITEM_COST;
        }
    }
}

/// The reader fell behind what the log keeps: only a snapshot helps.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Behind;

/// One reader's position in the log.
pub(crate) struct Cursor {
    conn: ConnId,
    /// Of somebody who watches another's session.
    watches: bool,
    position: u64,
    /// Control frames from before the reader came are old news: `ready` said it all.
    live_from: u64,
    log: Arc<Log>,
}

impl Cursor {
    /// Whether it has read all that was there when it was made.
    pub(crate) fn watching(self, watches: bool) -> Cursor {
        Cursor { watches, ..self }
    }

    pub(crate) fn has_caught_up(&self) -> bool {
        self.position >= self.live_from
    }

    /// Whether there is something to take now.
    pub(crate) fn has_more(&self) -> bool {
        self.log.end.load(Ordering::Acquire) > self.position
    }

    /// Resolves when there is something to take; `false` when the session has ended and all is
    /// read. Cancel-safe.
    pub(crate) async fn ready(&mut self) -> bool {
        if self.watches {
            return self.turn().await;
        }
        loop {
            // Made before looking: what is appended after the look wakes it.
            let woken = self.log.wake.notified();
            let closed = self.log.closed.load(Ordering::Acquire);
            if self.has_more() {
                return true;
            }
            if closed {
                return false;
            }
            woken.await;
        }
    }

    /// Those who watch are woken one by one, each by the one before. A hundred copies so never stand in a
    /// row before what else there is to do, the student's next words above all.
    async fn turn(&mut self) -> bool {
        let mut may_wake = false;
        loop {
            // In line before looking. All who stand further ahead know no more than this one, so the wake
            // has passed everybody when it comes to one who has nothing to take.
            let mut woken = std::pin::pin!(self.log.wake_watchers.notified());
            may_wake |= woken.as_mut().enable();
            let closed = self.log.closed.load(Ordering::Acquire);
            if self.has_more() || closed {
                if may_wake {
                    self.log.wake_watchers.notify_one();
                }
                return self.has_more();
            }
            // Dropped when it was woken already, it wakes the next.
            woken.await;
            may_wake = true;
        }
    }

    /// Takes what is there for this reader, at most about `max_bytes` of it.
    pub(crate) fn take(&mut self, out: &mut Vec<Item>, max_bytes: usize) -> Result<(), Behind> {
        let ring = self.log.ring();
        let Some(skip) = self.position.checked_sub(ring.first) else { return Err(Behind) };
        // What tutors were told before a reader came is not missed.
        if self.watches && self.position.max(self.live_from) < ring.tutors_from {
            return Err(Behind);
        }
        let mut bytes = 0;
        for item in ring.items.range(skip as usize..) {
            let wanted = match item.kind {
                Kind::Control(_) | Kind::ForTutors(_) if self.position < self.live_from => false,
                _ => item.is_for(self.conn, self.watches),
            };
            self.position += 1;
            if wanted {
                bytes += item.frame.len();
                out.push(item.clone());
                if bytes >= max_bytes {
                    break;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Person, Until, WhisperKind, WhisperState, Whispered};
    use proptest::prelude::*;

    fn delta(log: &Log, text: &str) {
        log.append(Uuid::nil(), &Event::TextMessageContent { message_id: Uuid::nil(), delta: text });
    }

    fn typing(log: &Log, audience: Audience) {
        log.control(audience, &Control::Draining { retry_after_ms: 1 });
    }

    fn seqs(items: &[Item]) -> Vec<u64> {
        items
            .iter()
            .filter_map(|i| if let Kind::Entry { seq, .. } = i.kind { Some(seq) } else { None })
            .collect()
    }

    fn all(cursor: &mut Cursor) -> Result<Vec<Item>, Behind> {
        let mut out = Vec::new();
        cursor.take(&mut out, usize::MAX).map(|()| out)
    }

    #[test]
    fn a_cursor_sees_each_entry_once_and_in_order() {
        let log = Log::new(1 << 20);
        let mut cursor = log.at_end(1);
        (0..5).for_each(|_| delta(&log, "x"));
        assert_eq!(seqs(&all(&mut cursor).unwrap()), [1, 2, 3, 4, 5]);
        assert!(all(&mut cursor).unwrap().is_empty());
    }

    #[test]
    fn a_frame_for_one_connection_reaches_no_other() {
        let log = Log::new(1 << 20);
        let (mut one, mut two) = (log.at_end(1), log.at_end(2));
        typing(&log, Audience::Only(1));
        typing(&log, Audience::Others(1));
        typing(&log, Audience::Others(1));
        assert_eq!(all(&mut one).unwrap().len(), 1);
        assert_eq!(all(&mut two).unwrap().len(), 2);
    }

    #[test]
    fn a_reader_who_fell_behind_is_told_so() {
        let log = Log::new(1000);
        let mut cursor = log.at_end(1);
        (0..20).for_each(|_| delta(&log, "some words"));
        assert_eq!(all(&mut cursor).unwrap_err(), Behind);
        assert!(log.after(1, 1).is_none());
        assert!(log.after(1, 21).is_none());
        assert!(log.after(1, 20).is_some());
    }

    #[test]
    fn a_forgotten_log_still_knows_where_it_is() {
        let log = Log::new(1 << 20);
        (0..3).for_each(|_| delta(&log, "x"));
        log.forget();
        assert!(log.after(1, 2).is_none());
        let mut cursor = log.after(1, 3).unwrap();
        delta(&log, "y");
        assert_eq!(seqs(&all(&mut cursor).unwrap()), [4]);
    }

    #[tokio::test]
    async fn a_reader_sees_the_end_after_all_that_came_before_it() {
        let log = Log::new(1 << 20);
        let mut cursor = log.at_end(1);
        delta(&log, "last words");
        log.close();
        assert!(cursor.ready().await);
        assert_eq!(all(&mut cursor).unwrap().len(), 1);
        assert!(!cursor.ready().await);
    }

    /// Whoever watches is woken by another who watches: none may be left out when some go on with something
    /// else in between, or go for good.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn all_who_watch_come_to_the_end_whatever_becomes_of_the_others() {
        const ENTRIES: usize = 300;
        let log = Log::new(1 << 20);
        let mut watchers = tokio::task::JoinSet::new();
        for conn in 0..60 {
            let mut cursor = log.at_end(conn).watching(true);
            watchers.spawn(async move {
                let mut seen = 0;
                while seen < if conn % 6 == 5 { ENTRIES / 2 } else { ENTRIES } {
                    tokio::select! {
                        biased;
                        () = tokio::task::yield_now(), if conn % 3 == 1 => {}
                        _ = cursor.ready() => seen += all(&mut cursor).unwrap().len(),
                    }
                }
            });
        }
        for n in 0..ENTRIES {
            delta(&log, "word");
            if n % 7 == 0 {
                tokio::task::yield_now().await;
            }
        }
        let there = async { while watchers.join_next().await.is_some() {} };
        tokio::time::timeout(std::time::Duration::from_secs(20), there).await.expect("all came to the end");
    }

    fn secret(log: &Log, only: Option<ConnId>) {
        log.tutors(only, &ForTutors::Guidance { items: &[] });
    }

    fn secrets(items: &[Item]) -> usize {
        items.iter().filter(|item| matches!(item.kind, Kind::ForTutors(_))).count()
    }

    /// A whole page of guidance.
    fn guide(log: &Log, text: &str) {
        let item = Whispered {
            id: Uuid::nil(),
            by: Person { id: Uuid::nil(), name: "Tutor".into() },
            text: text.repeat(400),
            until: Until::Withdrawn,
            kind: WhisperKind::Whisper,
            state: WhisperState::Waiting,
            at: crate::clock::Timestamp::UNIX_EPOCH,
        };
        log.tutors(None, &ForTutors::Guidance { items: &[item] });
    }

    #[test]
    fn long_guidance_does_not_cost_a_student_the_way_back() {
        let log = Log::new(64 * 1024);
        let (mut slow, mut quick) = (log.at_end(1).watching(true), log.at_end(2).watching(true));
        (0..10).for_each(|_| delta(&log, "x"));
        for change in 0..100 {
            guide(&log, &format!("change {change:03} "));
            assert_eq!(secrets(&all(&mut quick).unwrap()), 1);
        }
        delta(&log, "the last");
        let mut back = log.after(3, 1).expect("the ring still reaches back");
        assert_eq!(seqs(&all(&mut back).unwrap()), (2..=11).collect::<Vec<_>>());
        assert!(log.ring().bytes < 64 * 1024 / 2, "what has gone costs nothing");
        // A tutor who comes back is told guidance anew, so what has gone meanwhile is not missed.
        let mut back = log.after(4, 1).unwrap().watching(true);
        assert_eq!(seqs(&all(&mut back).unwrap()).len(), 10);
        assert_eq!(all(&mut slow).unwrap_err(), Behind);
    }

    #[test]
    fn the_newest_guidance_comes_after_the_entries_that_it_followed() {
        let log = Log::new(8192);
        let mut tutor = log.at_end(1).watching(true);
        delta(&log, "before");
        // Longer than its share, and kept all the same.
        guide(&log, "all of it ");
        delta(&log, "after");
        let kinds: Vec<bool> = all(&mut tutor).unwrap().iter().map(|item| item.event().is_some()).collect();
        assert_eq!(kinds, [true, false, true]);
        log.forget();
        let ring = log.ring();
        assert_eq!((ring.bytes, ring.tutors_bytes, ring.tutors.len()), (0, 0, 0));
    }

    proptest! {
        /// However a reader arrives, falls behind and comes back: what tutors alone are told, and what is for
        /// those who watch, comes from a cursor of theirs and from no other. It has no number.
        #[test]
        fn a_students_cursor_never_yields_what_is_for_tutors(steps in proptest::collection::vec(0u8..11, 1..200)) {
            let log = Log::new(4000);
            let (mut student, mut tutor) = (log.at_start(1), log.at_end(2).watching(true));
            let (mut told, mut heard) = (0, 0);
            for step in steps {
                let numbered = log.head();
                match step {
                    0 | 1 => delta(&log, "some words of the model's"),
                    2 => secret(&log, None),
                    // Also one that is meant for the student's own connection by a mistake of ours.
                    3 => secret(&log, Some(1)),
                    4 => secret(&log, Some(2)),
                    5 => typing(&log, Audience::Tutors),
                    6 => typing(&log, Audience::TutorsBut(7)),
                    7 => student = log.after(1, log.head() / 2).unwrap_or_else(|| log.at_start(1)),
                    8 => log.forget(),
                    9 => student = log.at_end(1),
                    _ => {}
                }
                prop_assert!(matches!(step, 0 | 1) || log.head() == numbered, "it took a number");
                told += usize::from(matches!(step, 2 | 4));
                match all(&mut student) {
                    Ok(items) => {
                        let entries = items.iter().filter(|item| item.event().is_some()).count();
                        prop_assert_eq!(entries, items.len(), "a student was told");
                    }
                    Err(Behind) => student = log.at_end(1),
                }
                match all(&mut tutor) {
                    Ok(items) => heard += secrets(&items),
                    Err(Behind) => {
                        (tutor, told, heard) = (log.at_end(2).watching(true), 0, 0);
                    }
                }
            }
            prop_assert_eq!(heard, told, "a tutor is told all of it");
        }

        /// Any interleaving of appends, reads, cuts and returns gives every entry once, in order.
        #[test]
        fn cuts_and_returns_lose_nothing(steps in proptest::collection::vec(0u8..5, 1..200), take in 1usize..400) {
            let log = Log::new(1 << 20);
            let mut cursor = log.at_end(1);
            let mut seen: Vec<u64> = Vec::new();
            for step in steps {
                match step {
                    0 | 1 => delta(&log, "word"),
                    2 => typing(&log, Audience::Everyone),
                    3 => {
                        let mut out = Vec::new();
                        cursor.take(&mut out, take).unwrap();
                        seen.extend(seqs(&out));
                    }
                    _ => cursor = log.after(1, seen.last().copied().unwrap_or(0)).unwrap(),
                }
            }
            let mut out = Vec::new();
            cursor.take(&mut out, usize::MAX).unwrap();
            seen.extend(seqs(&out));
            prop_assert_eq!(seen, (1..=log.head()).collect::<Vec<_>>());
        }
    }
}
