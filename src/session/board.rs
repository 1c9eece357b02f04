//! The board: one tile for each live session, for the rosters that watch.

use std::sync::Arc;
use std::sync::OnceLock;

use bytes::Bytes;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::protocol::{HandUp, Person, Signals};

/// What a roster shows of one session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tile {
    #[serde(rename = "session_id")]
    pub session: Uuid,
    #[serde(skip)]
    pub org: Uuid,
    pub student: Person,
    pub title: Option<String>,
    pub subject: Option<String>,
    pub state: TileState,
    pub state_since: Timestamp,
    pub last_activity_at: Timestamp,
    /// Questions that were asked.
    pub turns: u64,
    pub signals: Signals,
    /// The end of the newest message, on one line.
    pub preview: String,
    /// Who has taken over.
    pub tutor: Option<Person>,
    /// How many people watch.
    pub watchers: usize,
    pub hand: Option<HandUp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TileState {
    /// For the student.
    Waiting,
    Thinking,
    Answering,
    Idle,
    /// A tutor speaks.
    Tutor,
}

/// A tile on the board, serialized at most once and only if somebody reads it.
#[derive(Debug)]
pub struct Shown {
    pub tile: Tile,
    pub json: OnceLock<Bytes>,
}

#[derive(Clone, Debug)]
pub enum Change {
    Shown(Arc<Shown>),
    Gone(Uuid),
}

/// A reader that has missed too much: `Board::all` again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind;

#[derive(Debug, Default)]
pub struct Board {}

/// Counts as a listener for as long as it lives.
#[derive(Debug)]
pub struct Watched {}

impl Board {
    pub fn watch(self: &Arc<Self>) -> Watched {
        Watched {}
    }

    /// Whether anybody listens.
    pub fn is_watched(&self) -> bool {
        false
    }

    pub fn show(&self, _tile: Tile) {}

    pub fn gone(&self, _session: Uuid, _org: Uuid) {}

    /// The version, and every tile of an organisation.
    pub fn all(&self, _org: Uuid) -> (u64, Vec<Arc<Shown>>) {
        (0, Vec::new())
    }

    /// What is newer than a version.
    pub fn since(&self, _org: Uuid, version: u64) -> Result<(u64, Vec<Change>), Behind> {
        Ok((version, Vec::new()))
    }

    /// Resolves when something of the organisation is newer than `version`.
    pub async fn changed(&self, _org: Uuid, _version: u64) {
        std::future::pending::<()>().await;
    }
}
