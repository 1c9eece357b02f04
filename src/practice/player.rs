//! Plays an answer: piece by piece, at its pace, with the fault that was asked for.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use futures_util::{Stream, stream};
use rand::Rng as _;
use tokio::time::Instant;

use super::Active;
use super::directive::{self, Directive};
use super::form;
use super::google::{self, Chunk, Said, Shown, tokens_of};
use super::line::Line;
use super::persona;

/// A real model's pace: the first words after 0.4 s, then about 45 tokens a second.
const FIRST: Duration = Duration::from_millis(400);
const PER_TOKEN: Duration = Duration::from_millis(22);

/// How the practice tutor begins when a human one has told it something, so that it shows: never with a word
/// of what it was told.
const GUIDED: &str = "Let me come at this from another side.\n\n";
const GUIDED_FILLER: &str = "~guided~ ";

/// The tool that it knows.
const LIBRARY: &str = "search_library";
/// Who speaks of these wants something of the school's own.
const OF_THE_LIBRARY: [&str; 5] = ["library", "look up", "read about", "chapter", "material"];

/// What will be said, and when.
pub(super) struct Script {
    directive: Directive,
    /// It asks the library for these words and says nothing.
    search: Option<String>,
    /// Before the first of the words.
    opening: &'static str,
    words: Words,
}

enum Words {
    /// Pieces, each with the time that it takes.
    Said(Vec<(String, Duration)>),
    Filler {
        chunks: u32,
    },
}

impl Script {
    pub(super) fn new(said: &Said, shown: &Shown, directive: Directive, hurry: bool) -> Script {
        let is_guided = said.is_guided();
        let search = searches(said, &directive);
        let words = match &directive.say {
            _ if search.is_some() => {
                Words::Said(vec![(String::new(), if hurry { Duration::ZERO } else { FIRST })])
            }
            Some(text) => {
                let size = directive.chunks.map_or(24, |chunks| text.len().div_ceil(chunks.max(1) as usize));
                Words::Said(pieces(text, size.max(1), Duration::from_micros(directive.delay_us)))
            }
            None if said.form().is_some() => {
                let text = said.form().map(|form| form::fill(form, &said.last_words()));
                let pace =
                    if directive.given { Duration::from_micros(directive.delay_us) } else { PER_TOKEN * 8 };
                let pace = if hurry { Duration::ZERO } else { pace };
                Words::Said(pieces(&text.unwrap_or_default(), 32, pace))
            }
            None if directive.given => Words::Filler { chunks: directive.chunks.unwrap_or(20) },
            None => {
                let mut turns = said.turns();
                turns.iter_mut().for_each(|turn| turn.text = directive::strip(&turn.text));
                let opening = if is_guided { GUIDED } else { "" };
                let opening = format!("{opening}{}{}", shown.opening, cited(said));
                let mut words = paced(&format!("{opening}{}", persona::reply(&turns)));
                if hurry {
                    words.iter_mut().for_each(|(_, takes)| *takes = Duration::ZERO);
                }
                Words::Said(words)
            }
        };
        let opening = if is_guided && directive.guided { GUIDED_FILLER } else { "" };
        Script { directive, search, opening, words }
    }

    pub(super) fn first_delay(&self) -> Duration {
        match &self.words {
            Words::Said(pieces) if !self.directive.given => {
                pieces.first().map_or(Duration::ZERO, |(_, takes)| *takes)
            }
            _ => Duration::from_micros(self.directive.first_us),
        }
    }

    pub(super) fn whole_text(&self) -> String {
        (0..self.len()).map(|at| self.piece(at)).collect()
    }

    fn len(&self) -> u32 {
        match &self.words {
            Words::Said(pieces) => u32::try_from(pieces.len()).unwrap_or(u32::MAX),
            Words::Filler { chunks } => *chunks,
        }
    }

    fn piece(&self, at: u32) -> String {
        let mut piece = match &self.words {
            Words::Said(pieces) => pieces.get(at as usize).map(|(text, _)| text.clone()).unwrap_or_default(),
            Words::Filler { .. } => filler(at, &self.directive),
        };
        if at == 0 {
            piece.insert_str(0, self.opening);
        }
        piece
    }

    /// How long after the piece before this one comes.
    fn takes(&self, at: u32) -> Duration {
        match &self.words {
            Words::Said(pieces) if !self.directive.given => {
                pieces.get(at as usize).map_or(Duration::ZERO, |(_, takes)| *takes)
            }
            _ if at == 0 => Duration::from_micros(self.directive.first_us),
            _ => Duration::from_micros(self.directive.delay_us),
        }
    }
}

/// What it would look up now: what it is told to, or what the student wants of the school's own.
fn searches(said: &Said, directive: &Directive) -> Option<String> {
    let asked = u32::try_from(said.responses().len()).unwrap_or(u32::MAX);
    if !said.may_call(LIBRARY) {
        return None;
    }
    if let Some(words) = &directive.search {
        return (asked < directive.rounds).then(|| words.clone());
    }
    let words = said.last_words().to_lowercase();
    let wanted = !directive.given && asked == 0 && OF_THE_LIBRARY.iter().any(|of| words.contains(of));
    wanted.then(|| words.chars().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect())
}

/// What it found, with a link.
fn cited(said: &Said) -> String {
    let responses = said.responses();
    let first = responses.iter().find_map(|found| found.response["found"].as_array()?.first());
    let text = |name: &str| first.and_then(|found| found[name].as_str());
    match (text("title"), text("id")) {
        (Some(title), Some(id)) => {
            let title: String = title.chars().filter(|c| !matches!(c, '[' | ']' | '\\')).collect();
            format!("Your school's library has something on that: [{title}](#/library/{id}).\n\n")
        }
        _ => String::new(),
    }
}

/// A text in pieces of about `size` bytes.
fn pieces(text: &str, size: usize, takes: Duration) -> Vec<(String, Duration)> {
    let mut rest = text;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let next = rest.char_indices().map(|(at, c)| at + c.len_utf8()).find(|end| *end >= size);
        let (piece, after) = rest.split_at(next.unwrap_or(rest.len()));
        pieces.push((piece.to_owned(), takes));
        rest = after;
    }
    pieces
}

/// A text in runs of a few words, as a model sends them.
fn paced(text: &str) -> Vec<(String, Duration)> {
    let mut rng = rand::rng();
    let mut words = text.split_inclusive([' ', '\n']);
    let mut pieces = Vec::new();
    loop {
        let piece: String = words.by_ref().take(rng.random_range(1..=4)).collect();
        if piece.is_empty() {
            return pieces;
        }
        let tokens = u32::try_from(piece.len().div_ceil(4)).unwrap_or(1);
        let takes = if pieces.is_empty() { FIRST } else { PER_TOKEN * tokens };
        pieces.push((piece, takes.mul_f64(rng.random_range(0.7..1.3))));
    }
}

const PLAIN: &[&str] =
    &["the ", "line ", "rises ", "by ", "two ", "for ", "every ", "step ", "to ", "the right, "];
const MIX: &[&str] = &[
    "**First:** ",
    "what ",
    "is ",
    "$x$ ",
    "here?\n\n",
    "- \"half\" ",
    "of ",
    "caf\u{e9} ",
    "\u{2192} ",
    "<i> ",
    "$\\frac{1}{2}$ ",
];
const UNI: &[&str] = &[
    "\u{5206}\u{6570} ",
    "\u{0938}\u{0935}\u{093e}\u{0932} ",
    "\u{1f468}\u{200d}\u{1f3eb} ",
    "\u{0633}\u{0624}\u{0627}\u{0644} ",
    "\u{1d465}\u{b2} ",
    "na\u{ef}ve\n",
];

/// Text of about the size asked for, marked with the time and its number.
fn filler(at: u32, directive: &Directive) -> String {
    let words = match directive.text.as_str() {
        "plain" => PLAIN,
        "uni" => UNI,
        _ => MIX,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let mut text = format!("~t{now:020}.{at:06}~");
    for word in words.iter().cycle().skip(at as usize % words.len()) {
        if text.len() + word.len() > directive.bytes {
            break;
        }
        text.push_str(word);
    }
    text
}

pub(super) struct Player {
    script: Script,
    active: Active,
    line: Line,
    sse: bool,
    input: u64,
    said: usize,
    response_id: String,
    at: u32,
    /// When the piece to come is due.
    due: Instant,
    /// Written before anything else.
    pending: VecDeque<Bytes>,
    over: bool,
}

/// What comes next in the body.
enum Next {
    Write(String),
    Break(&'static str),
    End,
}

impl Player {
    pub(super) fn new(script: Script, input: u64, sse: bool, line: Line, active: Active) -> Player {
        let due = Instant::now() + script.takes(0);
        let response_id = format!("{:016x}", rand::random::<u64>());
        let (at, said, over, pending) = (0, 0, false, VecDeque::new());
        Player { script, active, line, sse, input, said, response_id, at, due, pending, over }
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        stream::unfold(self, |mut player| async move {
            let item = player.next().await?;
            Some((item, player))
        })
    }

    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.script.directive.yields || self.script.directive.split > 0 {
            tokio::task::yield_now().await;
        }
        if let Some(bytes) = self.pending.pop_front() {
            return Some(Ok(bytes));
        }
        if self.over {
            self.active.finished = true;
            return None;
        }
        match self.step().await {
            Next::Write(body) => Some(Ok(self.cut_up(body.into()))),
            Next::Break(how) => {
                self.active.finished = true;
                Some(Err(io::Error::other(how)))
            }
            Next::End => {
                self.active.finished = true;
                None
            }
        }
    }

    /// `split=7`: writes of seven bytes, through the middle of characters and line ends.
    fn cut_up(&mut self, mut body: Bytes) -> Bytes {
        let size = self.script.directive.split;
        if size == 0 {
            return body;
        }
        let first = body.split_to(size.min(body.len()));
        while !body.is_empty() {
            self.pending.push_back(body.split_to(size.min(body.len())));
        }
        first
    }

    async fn step(&mut self) -> Next {
        if self.at >= self.script.len() {
            self.over = true;
            return if self.sse { Next::End } else { Next::Write("]".into()) };
        }
        tokio::time::sleep_until(self.due).await;
        if self.strikes()
            && let Some(next) = self.strike().await
        {
            return next;
        }
        Next::Write(self.chunk())
    }

    fn strikes(&self) -> bool {
        let directive = &self.script.directive;
        match directive.fault.as_str() {
            "" => false,
            "safety" | "block" => self.at == 0,
            _ => directive.at == self.at,
        }
    }

    /// Some faults end the stream, some only disturb it (`None`: it goes on).
    async fn strike(&mut self) -> Option<Next> {
        let fault = std::mem::take(&mut self.script.directive.fault);
        self.active.shared.stats.faults.fetch_add(1, Ordering::Relaxed);
        let stall = Duration::from_millis(self.script.directive.stall_ms);
        match fault.as_str() {
            "reset" => {
                self.line.will_reset();
                Some(Next::Break("reset"))
            }
            "cut" => Some(Next::Break("cut")),
            "eof" => Some(Next::End),
            "stall" => {
                tokio::time::sleep(stall).await;
                self.due = Instant::now();
                None
            }
            "drip" => {
                // A comment that never ends, a byte at a time.
                self.script.directive.fault = "drip".into();
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some(Next::Write(":".into()))
            }
            "malformed" => {
                Some(self.last_words("{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"brok", false))
            }
            "bigline" => {
                let text = "x".repeat(10 << 20);
                self.said += text.len();
                Some(self.last_words(&self.event(&text, None), false))
            }
            "error" => Some(self.last_words(&google::overloaded(), true)),
            "safety_mid" => Some(self.last_words(&google::safety(self.input), true)),
            "safety" => Some(self.last_words(&google::blocked("SAFETY", self.input), true)),
            "block" => Some(self.last_words(&google::blocked("PROHIBITED_CONTENT", self.input), true)),
            _ => None,
        }
    }

    fn last_words(&mut self, json: &str, over: bool) -> Next {
        self.over = over;
        let framed = self.frame(json);
        Next::Write(if over && !self.sse { framed + "]" } else { framed })
    }

    fn chunk(&mut self) -> String {
        if let Some(words) = self.script.search.take() {
            let usage = (self.input, tokens_of(words.len()));
            let args = serde_json::json!({"query": words});
            let framed = self.frame(&google::call(LIBRARY, &args, usage, &self.response_id));
            self.at = self.script.len();
            self.active.shared.stats.chunks.fetch_add(1, Ordering::Relaxed);
            return framed;
        }
        let text = self.script.piece(self.at);
        self.said += text.len();
        let finish = self.script.directive.finish.clone();
        let is_last = self.at + 1 == self.script.len();
        let finish = (is_last && finish != "none").then_some(finish.as_str());
        let framed = self.frame(&self.event(&text, finish));
        self.at += 1;
        self.due += self.script.takes(self.at);
        self.active.shared.stats.chunks.fetch_add(1, Ordering::Relaxed);
        framed
    }

    fn event(&self, text: &str, finish: Option<&str>) -> String {
        let thought = self.at < self.script.directive.thoughts;
        let usage = (self.input, tokens_of(self.said));
        Chunk { text, thought, finish, usage, response_id: &self.response_id }.json()
    }

    fn frame(&self, json: &str) -> String {
        match (self.sse, self.at) {
            (true, _) => format!("data: {json}\r\n\r\n"),
            (false, 0) => format!("[{json}"),
            (false, _) => format!(",\r\n{json}"),
        }
    }
}
