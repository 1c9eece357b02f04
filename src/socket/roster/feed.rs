//! What one roster tells its reader. Pure: a scope, what changes on the board and what rows say go in,
//! frames come out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::session::{Change, Shown, Tile, TileState, at_rest, preview};
use crate::store::{RosterRow, RosterScope};

pub(super) struct Feed {
    scope: Arc<RosterScope>,
    students: HashSet<Uuid>,
    /// Up to where the board has been told.
    pub(super) version: u64,
    /// What the reader has on their screen.
    told: HashMap<Uuid, Told>,
    /// Whether rows must say what became of a session, or what there is besides.
    asks: bool,
}

struct Told {
    student: Uuid,
    place: Place,
}

/// Where a session that was told is.
enum Place {
    /// In memory.
    Board,
    /// In its rows alone.
    Rows(Box<Tile>),
    /// It left the board: its rows will say whether it rests or is deleted.
    Unknown,
}

impl Feed {
    pub(super) fn new(scope: Arc<RosterScope>) -> Feed {
        let students = students(&scope);
        Feed { scope, students, version: 0, told: HashMap::new(), asks: false }
    }

    /// Whether rows should be asked for; asked so, it is done.
    pub(super) fn asks(&mut self) -> bool {
        std::mem::take(&mut self.asks)
    }

    /// One's own sessions are on no roster of one's.
    fn sees(&self, student: Uuid) -> bool {
        student != self.scope.user && (self.scope.is_admin || self.students.contains(&student))
    }

    /// The whole roster: all of the board, and what rests. First, and again when too much was missed.
    pub(super) fn whole(&mut self, version: u64, board: &[Arc<Shown>], rows: Option<Vec<Tile>>) -> Bytes {
        let before = std::mem::take(&mut self.told);
        let kept = before.into_values().filter_map(|told| match told.place {
            Place::Rows(tile) => Some(*tile),
            Place::Board | Place::Unknown => None,
        });
        self.asks |= rows.is_none();
        let resting = rows.unwrap_or_else(|| kept.collect());
        self.version = version;
        let mut sessions: Vec<(Uuid, Bytes)> = Vec::with_capacity(board.len());
        for shown in board {
            if self.shown(shown).is_some() {
                sessions.push((shown.tile.session, shown.json()));
            }
        }
        for tile in resting {
            if !self.told.contains_key(&tile.session) && self.sees(tile.student.id) {
                sessions.push((tile.session, Shown::new(tile.clone()).json()));
                self.rests(tile);
            }
        }
        sessions.sort_unstable_by_key(|(session, _)| *session);
        let mut frame = br#"{"ctl":{"type":"roster","sessions":["#.to_vec();
        for (place, (_, json)) in sessions.iter().enumerate() {
            if place > 0 {
                frame.push(b',');
            }
            frame.extend_from_slice(json);
        }
        frame.extend_from_slice(br#"],"classes":"#);
        frame.extend_from_slice(&classes(&self.scope));
        frame.extend_from_slice(b"}}");
        frame.into()
    }

    /// What is newer on the board.
    pub(super) fn changes(&mut self, version: u64, changes: &[Change]) -> Vec<Bytes> {
        self.version = version;
        let mut frames = Vec::new();
        for change in changes {
            match change {
                Change::Shown(shown) => frames.extend(self.shown(shown)),
                Change::Gone(session) => {
                    if let Some(told) = self.told.get_mut(session) {
                        told.place = Place::Unknown;
                        self.asks = true;
                    }
                }
            }
        }
        frames
    }

    fn shown(&mut self, shown: &Shown) -> Option<Bytes> {
        let (session, student) = (shown.tile.session, shown.tile.student.id);
        if !self.sees(student) {
            return self.told.remove(&session).map(|_| gone(session));
        }
        self.told.insert(session, Told { student, place: Place::Board });
        Some(shown.frame().clone())
    }

    /// Other classes or other students. `board`: all of it, for what can be seen from now on.
    pub(super) fn scoped(&mut self, scope: Arc<RosterScope>, board: &[Arc<Shown>]) -> Vec<Bytes> {
        let mut frames = Vec::new();
        self.students = students(&scope);
        let before = std::mem::replace(&mut self.scope, scope);
        let lost: Vec<Uuid> = self
            .told
            .iter()
            .filter(|(_, told)| !self.sees(told.student))
            .map(|(session, _)| *session)
            .collect();
        for session in lost {
            self.told.remove(&session);
            frames.push(gone(session));
        }
        if before.classes != self.scope.classes {
            let mut frame = br#"{"ctl":{"type":"roster_classes","classes":"#.to_vec();
            frame.extend_from_slice(&classes(&self.scope));
            frame.extend_from_slice(b"}}");
            frames.push(frame.into());
        }
        for shown in board {
            let is_told =
                self.told.get(&shown.tile.session).is_some_and(|told| matches!(told.place, Place::Board));
            if !is_told && self.sees(shown.tile.student.id) {
                frames.extend(self.shown(shown));
            }
        }
        // They may have sessions that rest.
        self.asks = true;
        frames
    }

    /// Sessions as their rows tell them, all that there are. What is on the board is known better.
    pub(super) fn rows(&mut self, rows: Vec<Tile>) -> Vec<Bytes> {
        let there: HashSet<Uuid> = rows.iter().map(|tile| tile.session).collect();
        let mut frames = Vec::new();
        self.told.retain(|session, told| {
            let stays = matches!(told.place, Place::Board) || there.contains(session);
            if !stays {
                frames.push(gone(*session));
            }
            stays
        });
        for tile in rows {
            let is_news = match self.told.get(&tile.session).map(|told| &told.place) {
                Some(Place::Board) => continue,
                Some(Place::Rows(before)) => !before.tells_as_much_as(&tile),
                Some(Place::Unknown) => true,
                None => self.sees(tile.student.id),
            };
            if is_news {
                frames.push(Shown::new(tile.clone()).frame().clone());
                self.rests(tile);
            }
        }
        frames
    }

    fn rests(&mut self, tile: Tile) {
        let (session, student) = (tile.session, tile.student.id);
        self.told.insert(session, Told { student, place: Place::Rows(Box::new(tile)) });
    }
}

/// A session that is not in memory, as its row tells it.
pub(super) fn resting(row: RosterRow, now: Timestamp) -> Tile {
    Tile {
        session: row.session,
        org: row.org,
        student: row.student,
        title: row.title,
        subject: row.subject,
        state: if row.tutor.is_some() { TileState::Tutor } else { TileState::Idle },
        state_since: row.updated_at,
        last_activity_at: row.updated_at,
        turns: row.turns,
        signals: at_rest(row.hand.as_ref().map(|hand| hand.since), row.updated_at, now),
        preview: preview(&row.preview),
        tutor: row.tutor,
        watchers: 0,
        hand: row.hand,
    }
}

fn students(scope: &RosterScope) -> HashSet<Uuid> {
    scope.classes.iter().flat_map(|class| class.students.iter().copied()).collect()
}

fn gone(session: Uuid) -> Bytes {
    format!(r#"{{"ctl":{{"type":"roster_changed","gone":"{session}"}}}}"#).into()
}

fn classes(scope: &RosterScope) -> Vec<u8> {
    #[derive(Serialize)]
    struct Class<'a> {
        id: Uuid,
        name: &'a str,
        students: &'a [Uuid],
    }
    let class = |class: &'_ crate::store::RosterClass| {
        serde_json::to_vec(&Class { id: class.id, name: &class.name, students: &class.students })
    };
    let mut list = vec![b'['];
    // Names and ids always serialize.
    for json in scope.classes.iter().filter_map(|row| class(row).ok()) {
        if list.len() > 1 {
            list.push(b',');
        }
        list.extend(json);
    }
    list.push(b']');
    list
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::id;
    use crate::protocol::{Person, Signals};
    use crate::store::RosterClass;

    fn scope(students: &[Uuid]) -> Arc<RosterScope> {
        let class = RosterClass { id: Uuid::nil(), name: "7b \"x\"".into(), students: students.to_vec() };
        let (nobody, classes) = (Uuid::nil(), vec![class]);
        Arc::new(RosterScope { sign_in: nobody, user: nobody, org: nobody, is_admin: false, classes })
    }

    fn tile(session: Uuid, student: Uuid) -> Tile {
        Tile {
            session,
            org: Uuid::nil(),
            student: Person { id: student, name: "Ada".into() },
            title: None,
            subject: None,
            state: TileState::Waiting,
            state_since: Timestamp::UNIX_EPOCH,
            last_activity_at: Timestamp::UNIX_EPOCH,
            turns: 1,
            signals: Signals::default(),
            preview: String::new(),
            tutor: None,
            watchers: 0,
            hand: None,
        }
    }

    fn on_board(session: Uuid, student: Uuid) -> Arc<Shown> {
        Arc::new(Shown::new(tile(session, student)))
    }

    /// Which sessions frames show, and which they take away.
    fn told(frames: &[Bytes]) -> (Vec<Uuid>, Vec<Uuid>) {
        let (mut shown, mut gone) = (Vec::new(), Vec::new());
        for frame in frames {
            let frame: Value = serde_json::from_slice(frame).unwrap();
            let read = |value: &Value| value.as_str().map(|text| Uuid::parse_str(text).unwrap());
            shown.extend(read(&frame["ctl"]["session"]["session_id"]));
            gone.extend(read(&frame["ctl"]["gone"]));
        }
        (shown, gone)
    }

    fn seen(frame: &Bytes) -> usize {
        let frame: Value = serde_json::from_slice(frame).unwrap();
        assert_eq!(frame["ctl"]["type"], "roster");
        assert!(frame["ctl"]["classes"].is_array());
        frame["ctl"]["sessions"].as_array().unwrap().len()
    }

    #[test]
    fn the_first_frame_has_what_is_on_the_board_and_what_rests_once_each() {
        let [ada, eve, one, two, three] = [(); 5].map(|()| id::new());
        let mut feed = Feed::new(scope(&[ada]));
        let board = [on_board(one, ada), on_board(three, eve)];
        let rows = vec![tile(one, ada), tile(two, ada), tile(id::new(), eve)];
        let frame = feed.whole(7, &board, Some(rows));
        assert_eq!((seen(&frame), feed.version, feed.asks()), (2, 7, false));
        let frame: Value = serde_json::from_slice(&frame).unwrap();
        let class = json!({"id": Uuid::nil(), "name": "7b \"x\"", "students": [ada]});
        assert_eq!(frame["ctl"]["classes"], json!([class]));
        // Missed too much: what rests is kept, and the rows are asked for.
        let frame = feed.whole(9, &board, None);
        assert_eq!((seen(&frame), feed.version, feed.asks(), feed.asks()), (2, 9, true, false));
    }

    #[test]
    fn of_what_left_the_board_the_rows_say_what_became() {
        let [ada, rests, deleted, new] = [(); 4].map(|()| id::new());
        let mut feed = Feed::new(scope(&[ada]));
        feed.whole(1, &[on_board(rests, ada), on_board(deleted, ada)], Some(Vec::new()));
        let left = [Change::Gone(rests), Change::Gone(deleted), Change::Gone(id::new())];
        assert!(feed.changes(2, &left).is_empty() && feed.asks());
        let frames = feed.rows(vec![tile(rests, ada)]);
        assert_eq!(told(&frames), (vec![rests], vec![deleted]));
        assert!(feed.rows(vec![tile(rests, ada)]).is_empty(), "nothing new");
        let frames = feed.rows(vec![tile(new, ada), tile(id::new(), id::new())]);
        assert_eq!(told(&frames), (vec![new], vec![rests]));
        // Back on the board, rows say nothing about it any more.
        assert_eq!(feed.changes(3, &[Change::Shown(on_board(new, ada))]).len(), 1);
        assert!(feed.rows(Vec::new()).is_empty());
    }

    #[test]
    fn another_scope_takes_away_and_adds() {
        let [ada, bob, one, two] = [(); 4].map(|()| id::new());
        let board = [on_board(one, ada), on_board(two, bob)];
        let mut feed = Feed::new(scope(&[ada]));
        feed.whole(1, &board, Some(Vec::new()));
        let frames = feed.scoped(scope(&[bob]), &board);
        assert_eq!(told(&frames), (vec![two], vec![one]));
        let kinds: Vec<Value> = frames.iter().map(|frame| serde_json::from_slice(frame).unwrap()).collect();
        assert_eq!(kinds.iter().filter(|frame| frame["ctl"]["type"] == "roster_classes").count(), 1);
        assert!(feed.asks() && feed.version == 1);
        assert_eq!(told(&feed.scoped(scope(&[bob]), &board)), (vec![], vec![]));
        let admin = RosterScope { is_admin: true, classes: Vec::new(), ..RosterScope::clone(&scope(&[])) };
        assert_eq!(told(&feed.scoped(Arc::new(admin), &board)), (vec![one], vec![]));
    }

    #[test]
    fn nobody_sees_their_own() {
        let session = id::new();
        let admin = RosterScope { is_admin: true, ..RosterScope::clone(&scope(&[])) };
        let mut feed = Feed::new(Arc::new(admin));
        let own = on_board(session, Uuid::nil());
        assert_eq!(
            seen(&feed.whole(1, std::slice::from_ref(&own), Some(vec![tile(session, Uuid::nil())]))),
            0
        );
        assert!(feed.changes(2, &[Change::Shown(own)]).is_empty());
    }
}
