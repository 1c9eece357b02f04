//! One session as a roster shows it.

use std::sync::OnceLock;

use bytes::Bytes;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::protocol::{HandUp, Person, Signals};

/// The longest preview, in characters.
const PREVIEW: usize = 160;
/// No more than this of a message is looked at for its preview, however little of it can be shown.
const LOOKED_AT: usize = 4 * 1024;

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
    /// The end of the newest message, on one line. The board cuts it: whoever puts a tile there may give more.
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

impl Tile {
    /// Whether it tells nothing new. Seconds that pass are no news: whoever reads counts on by itself.
    pub fn tells_as_much_as(&self, other: &Tile) -> bool {
        let (ours, theirs) = (&self.signals, &other.signals);
        let signals = (ours.hand_raised, &ours.struggling, &ours.items, &ours.dealt_with)
            == (theirs.hand_raised, &theirs.struggling, &theirs.items, &theirs.dealt_with);
        signals
            && self.without_signals() == other.without_signals()
            && self.student == other.student
            && self.tutor == other.tutor
            && self.hand == other.hand
    }

    fn without_signals(&self) -> impl PartialEq + '_ {
        (
            (self.session, self.org, &self.title, &self.subject),
            (self.state, self.state_since, self.last_activity_at),
            (self.turns, &self.preview, self.watchers),
        )
    }
}

const BEFORE: &[u8] = br#"{"ctl":{"type":"roster_changed","session":"#;
const AFTER: &[u8] = b"}}";

/// A tile on the board, serialized at most once and only if somebody reads it.
#[derive(Debug)]
pub struct Shown {
    pub tile: Tile,
    frame: OnceLock<Bytes>,
}

impl Shown {
    pub fn new(tile: Tile) -> Shown {
        Shown { tile, frame: OnceLock::new() }
    }

    /// The frame that tells of it, the same bytes for every roster.
    pub fn frame(&self) -> &Bytes {
        self.frame.get_or_init(|| {
            let mut frame = BEFORE.to_vec();
            write_json(&mut frame, &self.tile);
            frame.extend_from_slice(AFTER);
            frame.into()
        })
    }

    /// The tile alone.
    pub fn json(&self) -> Bytes {
        let frame = self.frame();
        frame.slice(BEFORE.len()..frame.len() - AFTER.len())
    }
}

#[expect(clippy::expect_used, reason = "our own type into memory: no map keys, no IO, nothing to fail")]
fn write_json(out: &mut Vec<u8>, tile: &Tile) {
    serde_json::to_writer(out, tile).expect("a tile serializes");
}

/// The end of a message on one line. What would steer a screen instead of standing on it is left out.
pub fn preview(text: &str) -> String {
    let mut from = text.len().saturating_sub(LOOKED_AT);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let mut shown = Vec::with_capacity(PREVIEW);
    for c in text[from..].chars().rev() {
        if shown.len() == PREVIEW {
            break;
        }
        if c.is_whitespace() || c.is_control() {
            if shown.last() != Some(&' ') {
                shown.push(' ');
            }
        } else if !steers(c) {
            shown.push(c);
        }
    }
    shown.iter().rev().collect::<String>().trim().to_owned()
}

/// Characters that turn the writing around, or cannot be seen.
fn steers(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::session::board) fn tile(session: Uuid, org: Uuid) -> Tile {
        let at = Timestamp::UNIX_EPOCH;
        Tile {
            session,
            org,
            student: Person { id: Uuid::nil(), name: "Ada".into() },
            title: None,
            subject: Some("Lines".into()),
            state: TileState::Waiting,
            state_since: at,
            last_activity_at: at,
            turns: 1,
            signals: Signals::default(),
            preview: "2 x + 3".into(),
            tutor: None,
            watchers: 0,
            hand: None,
        }
    }

    #[test]
    fn a_preview_is_the_end_on_one_line() {
        assert_eq!(preview("  one\n\ttwo \u{0}three\r\n"), "one two three");
        assert_eq!(preview("say \u{202e}olleh\u{200b}"), "say olleh");
        assert_eq!(preview(&"ä".repeat(9000)).chars().count(), 160);
        assert_eq!(preview(&"\u{202e}".repeat(100_000)), "");
        // Joiners stay: families and flags are made of them, and many scripts.
        assert_eq!(preview("👩‍👧"), "👩‍👧");
    }

    #[test]
    fn a_tile_is_spelt_as_promised_and_only_once() {
        let shown = Shown::new(tile(Uuid::nil(), Uuid::nil()));
        let told: serde_json::Value = serde_json::from_slice(&shown.json()).unwrap();
        let nobody = Uuid::nil();
        assert_eq!(
            told,
            serde_json::json!({
                "session_id": nobody, "student": {"id": nobody, "name": "Ada"}, "title": null,
                "subject": "Lines", "state": "waiting", "state_since": "1970-01-01T00:00:00Z",
                "last_activity_at": "1970-01-01T00:00:00Z", "turns": 1, "preview": "2 x + 3", "tutor": null,
                "watchers": 0, "hand": null,
                "signals": {
                    "hand_raised": false, "idle_s": 0, "struggling": {"score": 0, "why": ""}, "items": [],
                },
            })
        );
        let frame: serde_json::Value = serde_json::from_slice(shown.frame()).unwrap();
        assert_eq!(frame, serde_json::json!({"ctl": {"type": "roster_changed", "session": told}}));
        assert_eq!(shown.frame().as_ptr(), shown.frame().as_ptr());
    }

    #[test]
    fn seconds_that_pass_are_no_news_and_all_else_is() {
        let one = tile(Uuid::nil(), Uuid::nil());
        let mut later = one.clone();
        later.signals.idle_s = 9;
        assert!(one.tells_as_much_as(&later));
        let at = Timestamp::UNIX_EPOCH;
        let changes: [fn(&mut Tile); 12] = [
            |tile| tile.student.name.push('!'),
            |tile| tile.title = Some("x".into()),
            |tile| tile.subject = None,
            |tile| tile.state = TileState::Idle,
            |tile| tile.state_since = Timestamp::MAX,
            |tile| tile.last_activity_at = Timestamp::MAX,
            |tile| tile.turns += 1,
            |tile| tile.signals.hand_raised = true,
            |tile| tile.signals.struggling.score = 1,
            |tile| tile.preview.push('!'),
            |tile| tile.tutor = Some(tile.student.clone()),
            |tile| tile.watchers += 1,
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut other = one.clone();
            change(&mut other);
            assert!(!one.tells_as_much_as(&other), "{number}");
        }
        let mut claimed = one.clone();
        claimed.hand = Some(HandUp { since: at, claimed_by: None });
        assert!(!one.tells_as_much_as(&claimed));
    }

    proptest! {
        #[test]
        fn no_text_breaks_a_preview(text in "\\PC{0,300}|(.|\n){0,300}") {
            let shown = preview(&text);
            prop_assert!(shown.chars().count() <= PREVIEW);
            prop_assert!(!shown.chars().any(|c| c.is_control() || steers(c)));
            prop_assert_eq!(preview(&shown), shown);
        }
    }
}
