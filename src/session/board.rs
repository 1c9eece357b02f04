//! The board: one tile for each live session, for the rosters that watch.
//!
//! Tasks put tiles there, rosters read what is newer than the version that they have seen. There is no
//! queue per reader: a tile replaces the one before it, so a slow roster skips what nobody can see any more.

mod tile;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use tokio::sync::watch;

use crate::id::Uuid;

pub use tile::{Shown, Tile, TileState, preview};

/// Sessions that have left are remembered up to here; a reader that has missed more reads all again.
const GONE: usize = 256;

#[derive(Clone, Debug)]
pub enum Change {
    Shown(Arc<Shown>),
    Gone(Uuid),
}

/// A reader that has missed too much: `Board::all` again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind;

/// By organisation, so that schools do not wake each other's rosters. As many entries as organisations that
/// had a session in memory or a roster since the start; of sessions as many as are in memory.
#[derive(Debug, Default)]
pub struct Board {
    houses: DashMap<Uuid, Arc<House>>,
    watching: AtomicUsize,
}

/// One organisation's part.
#[derive(Debug)]
struct House {
    tiles: Mutex<Tiles>,
    version: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Tiles {
    /// Rises with each change; of each session the last change alone is kept.
    version: u64,
    /// `None`: it has left.
    places: HashMap<Uuid, (u64, Option<Arc<Shown>>)>,
    /// What changed last, by version.
    order: BTreeMap<u64, Uuid>,
    /// The versions of those that have left.
    gone: BTreeSet<u64>,
    /// Up to here something has been forgotten.
    forgotten: u64,
}

/// Counts as a listener for as long as it lives.
#[derive(Debug)]
pub struct Watched(Arc<Board>);

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.watching.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Board {
    pub fn watch(self: &Arc<Self>) -> Watched {
        self.watching.fetch_add(1, Ordering::Relaxed);
        Watched(Arc::clone(self))
    }

    /// Whether anybody listens.
    pub fn is_watched(&self) -> bool {
        self.watching.load(Ordering::Relaxed) > 0
    }

    /// Puts a tile in the place of its session's last one. One that tells nothing new changes nothing.
    pub fn show(&self, mut tile: Tile) {
        tile.preview = preview(&tile.preview);
        let house = self.house(tile.org);
        let version = house.tiles().show(tile);
        house.tell(version);
    }

    pub fn gone(&self, session: Uuid, org: Uuid) {
        let house = self.house(org);
        let version = house.tiles().gone(session);
        house.tell(version);
    }

    /// Of a session that is not here something has changed: rosters look at its row.
    pub fn row_changed(&self, session: Uuid, org: Uuid) {
        let house = self.house(org);
        let version = house.tiles().row_changed(session);
        house.tell(version);
    }

    /// The version, and every tile of an organisation.
    pub fn all(&self, org: Uuid) -> (u64, Vec<Arc<Shown>>) {
        let house = self.house(org);
        let tiles = house.tiles();
        (tiles.version, tiles.places.values().filter_map(|(_, shown)| shown.clone()).collect())
    }

    /// What is newer than a version, the oldest change first.
    pub fn since(&self, org: Uuid, version: u64) -> Result<(u64, Vec<Change>), Behind> {
        let house = self.house(org);
        let tiles = house.tiles();
        if version < tiles.forgotten {
            return Err(Behind);
        }
        let newer = tiles.order.range(version + 1..).filter_map(|(_, session)| {
            let (_, shown) = tiles.places.get(session)?;
            Some(shown.clone().map_or(Change::Gone(*session), Change::Shown))
        });
        Ok((tiles.version, newer.collect()))
    }

    /// Resolves when something of the organisation is newer than `version`.
    pub async fn changed(&self, org: Uuid, version: u64) {
        let mut versions = self.house(org).version.subscribe();
        if versions.wait_for(|now| *now > version).await.is_err() {
            // The board is gone, and with it whatever could change.
            std::future::pending::<()>().await;
        }
    }

    fn house(&self, org: Uuid) -> Arc<House> {
        let there = self.houses.get(&org).map(|house| Arc::clone(&house));
        there.unwrap_or_else(|| Arc::clone(&self.houses.entry(org).or_default()))
    }
}

impl Default for House {
    fn default() -> House {
        House { tiles: Mutex::default(), version: watch::Sender::new(0) }
    }
}

impl House {
    fn tiles(&self) -> MutexGuard<'_, Tiles> {
        self.tiles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, version: u64) {
        // Two that told in the other order leave the higher.
        self.version.send_if_modified(|now| {
            let is_newer = version > *now;
            *now = version.max(*now);
            is_newer
        });
    }
}

impl Tiles {
    fn show(&mut self, tile: Tile) -> u64 {
        let session = tile.session;
        let before = self.places.get(&session).and_then(|(_, shown)| shown.as_ref());
        if before.is_some_and(|before| before.tile.tells_as_much_as(&tile)) {
            return self.version;
        }
        self.put(session, Some(Arc::new(Shown::new(tile))));
        self.version
    }

    fn gone(&mut self, session: Uuid) -> u64 {
        // Also of one that was never shown here: rosters show sessions by their rows, too.
        if !self.places.get(&session).is_some_and(|(_, shown)| shown.is_none()) {
            self.put(session, None);
            self.forget();
        }
        self.version
    }

    /// Each time it is news: a row may change while its session rests.
    fn row_changed(&mut self, session: Uuid) -> u64 {
        if !self.places.get(&session).is_some_and(|(_, shown)| shown.is_some()) {
            self.put(session, None);
            self.forget();
        }
        self.version
    }

    fn put(&mut self, session: Uuid, shown: Option<Arc<Shown>>) {
        self.version += 1;
        if shown.is_none() {
            self.gone.insert(self.version);
        }
        if let Some((version, _)) = self.places.insert(session, (self.version, shown)) {
            self.order.remove(&version);
            self.gone.remove(&version);
        }
        self.order.insert(self.version, session);
    }

    /// Of those that have left the longest gone.
    fn forget(&mut self) {
        if self.gone.len() <= GONE {
            return;
        }
        let Some(version) = self.gone.pop_first() else { return };
        if let Some(session) = self.order.remove(&version) {
            self.places.remove(&session);
        }
        self.forgotten = version;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::tile::tests::tile;
    use super::*;
    use crate::id;

    fn names(changes: &[Change]) -> Vec<(Uuid, bool)> {
        let name = |change: &Change| match change {
            Change::Shown(shown) => (shown.tile.session, true),
            Change::Gone(session) => (*session, false),
        };
        changes.iter().map(name).collect()
    }

    #[test]
    fn a_reader_sees_the_last_of_what_changed_and_nothing_twice() {
        let board = Arc::new(Board::default());
        let [org, one, two] = [id::new(), id::new(), id::new()];
        board.show(tile(one, org));
        board.show(tile(two, org));
        let (seen, all) = board.all(org);
        assert_eq!((seen, all.len()), (2, 2));
        for turns in 2..50 {
            board.show(Tile { turns, ..tile(one, org) });
        }
        board.show(Tile { turns: 49, ..tile(one, org) });
        let (version, changes) = board.since(org, seen).unwrap();
        assert_eq!((version, names(&changes)), (50, vec![(one, true)]));
        assert!(matches!(&changes[0], Change::Shown(shown) if shown.tile.turns == 49));
        board.gone(two, org);
        board.gone(two, org);
        let (version, changes) = board.since(org, version).unwrap();
        assert_eq!((version, names(&changes)), (51, vec![(two, false)]));
        assert_eq!(board.since(org, version).unwrap().1.len(), 0);
        assert_eq!(board.all(org).1.len(), 1);
        board.row_changed(two, org);
        board.row_changed(one, org);
        let (version, changes) = board.since(org, version).unwrap();
        assert_eq!((version, names(&changes)), (52, vec![(two, false)]), "the other one is here");
        board.show(tile(two, org));
        assert_eq!(names(&board.since(org, 50).unwrap().1), [(two, true)]);
    }

    #[test]
    fn whoever_missed_too_much_begins_anew() {
        let board = Board::default();
        let (org, stays) = (id::new(), id::new());
        board.show(tile(stays, org));
        let (seen, _) = board.all(org);
        let left: Vec<_> = (0..GONE + 1).map(|_| id::new()).collect();
        for session in &left[..GONE] {
            board.show(tile(*session, org));
            board.gone(*session, org);
        }
        assert_eq!(board.since(org, seen).unwrap().1.len(), GONE);
        board.gone(left[GONE], org);
        assert_eq!(board.since(org, seen).unwrap_err(), Behind);
        let (version, all) = board.all(org);
        assert_eq!(all.len(), 1);
        assert!(board.since(org, version).unwrap().1.is_empty());
        // It keeps no more than it must.
        let house = board.house(org);
        let tiles = house.tiles();
        assert_eq!((tiles.places.len(), tiles.order.len(), tiles.gone.len()), (GONE + 1, GONE + 1, GONE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_waits_for_its_own_organisation_alone() {
        let board = Arc::new(Board::default());
        let [here, there] = [id::new(), id::new()];
        let waits = async |org, version| {
            tokio::time::timeout(Duration::from_secs(1), board.changed(org, version)).await.is_err()
        };
        board.show(tile(id::new(), there));
        assert!(waits(here, 0).await && !waits(there, 0).await && waits(there, 1).await);
        let (waiting, woken) = (Arc::clone(&board), tokio::sync::oneshot::channel());
        tokio::spawn(async move {
            waiting.changed(here, 0).await;
            woken.0.send(()).unwrap();
        });
        tokio::task::yield_now().await;
        board.show(tile(id::new(), here));
        tokio::time::timeout(Duration::from_secs(1), woken.1).await.unwrap().unwrap();
    }

    #[test]
    fn it_knows_whether_anybody_watches() {
        let board = Arc::new(Board::default());
        let (one, two) = (board.watch(), board.watch());
        drop(one);
        assert!(board.is_watched());
        drop(two);
        assert!(!board.is_watched());
    }

    #[test]
    fn what_it_shows_is_cut_and_put_on_one_line() {
        let board = Board::default();
        let org = id::new();
        let preview = format!("{}\nthe end", "x".repeat(20_000));
        board.show(Tile { preview, ..tile(id::new(), org) });
        let shown = &board.all(org).1[0].tile.preview;
        assert!(shown.ends_with("x the end") && shown.len() == 160, "{shown}");
    }
}
