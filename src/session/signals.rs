//! Signals: facts about a session, and what is to be told of them. Pure.
//!
//! Facts hold numbers and times, never a word: of a question the hashes of its words, to know it again.
//! Each signal says why in a line of ours.

mod history;
mod judge;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::collections::{HashSet, VecDeque};

use crate::clock::Timestamp;
use crate::protocol::{Person, SignalKind};

pub use history::History;
pub use judge::{at_rest, judge};
use text::Word;
use words::Danger;

const fn minutes(count: i64) -> i64 {
    count * 60
}

/// Questions that are compared with a new one.
const QUESTIONS: usize = 6;
/// Words of a question that are kept to know it again.
const WORDS: usize = 64;
/// Words of a title and a subject that are kept.
const SUBJECT_WORDS: usize = 64;
/// What weighs, of one session; the oldest leave.
const MARKS: usize = 24;
/// Of an answer no more is looked at: how it begins tells whether it sends the student back.
const BEGINNING: usize = 240;
/// … and the first words of that.
const EARLY: usize = 8;

/// Trouble weighs for so long, in seconds.
const MARK_LASTS: i64 = minutes(20);
const REGENERATION_LASTS: i64 = minutes(10);
const REPORT_LASTS: i64 = minutes(15);
/// Until somebody has dealt with it, but not for ever: a session that is woken hears its old questions again.
const DANGER_LASTS: i64 = minutes(24 * 60);
/// Nobody can have seen what is younger, in seconds, than their word that it is dealt with.
const UNSEEN: i64 = 5;
/// Seconds without a word of a student who is waited for, by level.
const IDLE: [i64; 3] = [minutes(2), minutes(5), minutes(10)];
/// A hand that nobody has lowered for so long is urgent.
const LONG_HAND: i64 = minutes(3);

const SAME_QUESTION: u8 = 30;
const REGENERATED: u8 = 20;
const WRONG: u8 = 20;
/// A right step takes so much away.
const RIGHT: u8 = 10;
/// From here on somebody struggles; the levels above.
const STRUGGLING: [u8; 3] = [50, 70, 90];

/// What is known of one session.
#[derive(Clone, Debug)]
pub struct Facts {
    last_activity: Timestamp,
    /// Since when the student is waited for; `None`: an answer is being written.
    waiting: Option<Timestamp>,
    is_here: bool,
    /// A tutor knows that they are silent.
    idle_is_known: bool,
    hand: Option<Timestamp>,
    subject: HashSet<u64>,
    questions: VecDeque<Question>,
    marks: VecDeque<Mark>,
    danger: Option<(Danger, Timestamp)>,
    /// When there was something of the kind last.
    danger_last: Timestamp,
    /// Who has seen to what was said until then.
    dealt_with: Option<(Person, Timestamp)>,
    /// When an answer was withheld first, and last.
    blocked: Option<(Timestamp, Timestamp)>,
    failures: u32,
    failed_at: Timestamp,
    report: Option<(ModelReport, Timestamp)>,
    /// When what was asked last, was asked or reported.
    now: Timestamp,
}

#[derive(Clone, Debug)]
struct Question {
    words: HashSet<u32>,
    numbers: HashSet<u32>,
    /// It has nothing to do with the lesson.
    is_off: bool,
    at: Timestamp,
}

/// Something that speaks for trouble.
#[derive(Clone, Copy, Debug)]
struct Mark {
    trouble: Trouble,
    points: u8,
    at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    SameQuestion,
    Frustration,
    Regenerated,
    Wrong,
}

impl Trouble {
    const ALL: [Trouble; 4] =
        [Trouble::SameQuestion, Trouble::Wrong, Trouble::Frustration, Trouble::Regenerated];

    fn lasts(self) -> i64 {
        match self {
            Trouble::Regenerated => REGENERATION_LASTS,
            Trouble::SameQuestion | Trouble::Frustration | Trouble::Wrong => MARK_LASTS,
        }
    }

    /// Fewer say nothing.
    fn from(self) -> usize {
        match self {
            Trouble::SameQuestion | Trouble::Frustration => 1,
            Trouble::Regenerated | Trouble::Wrong => 2,
        }
    }

    fn why(self, times: usize) -> String {
        match (self, times) {
            (Trouble::SameQuestion, 1) => "asked the same thing twice".into(),
            (Trouble::SameQuestion, times) => format!("asked the same thing {} times", times + 1),
            (Trouble::Frustration, 1) => "sounds frustrated".into(),
            (Trouble::Frustration, times) => format!("sounded frustrated {times} times"),
            (Trouble::Regenerated, times) => format!("asked for another answer {times} times"),
            (Trouble::Wrong, times) => format!("{times} wrong steps"),
        }
    }
}

/// How an answer ended, as far as signals care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Complete,
    /// By the student or by a tutor.
    Stopped,
    /// The model or its provider refused for safety.
    Safety,
    Failed,
}

/// What the model itself says about how the student gets on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelReport {
    pub kind: SignalKind,
    /// 0 to 100.
    pub score: u8,
    /// In the model's words, which may be the student's: it is not told on.
    pub why: String,
}

impl Facts {
    pub fn new(title: Option<&str>, subject: Option<&str>, now: Timestamp) -> Facts {
        let mut facts = Facts {
            last_activity: now,
            waiting: Some(now),
            is_here: false,
            idle_is_known: false,
            hand: None,
            subject: HashSet::new(),
            questions: VecDeque::new(),
            marks: VecDeque::new(),
            danger: None,
            danger_last: Timestamp::UNIX_EPOCH,
            dealt_with: None,
            blocked: None,
            failures: 0,
            failed_at: now,
            report: None,
            now,
        };
        facts.named(title, subject);
        facts
    }

    /// What the session is about: off task is measured against it.
    pub fn named(&mut self, title: Option<&str>, subject: Option<&str>) {
        let words = [title, subject].into_iter().flatten().flat_map(text::words).map(|word| word.hash);
        self.subject = words.filter(|word| !words::FILLERS.contains(word)).take(SUBJECT_WORDS).collect();
    }

    pub fn asked(&mut self, text: &str, now: Timestamp) {
        self.is_active(now);
        self.waiting = None;
        let words = text::words(text);
        self.look_for_danger(&words, now);
        if let Some(points) = words::FRUSTRATION.found(&words).map(|(points, _)| points).max() {
            self.mark(Trouble::Frustration, points, now);
        }
        let question = self.question(&words, now);
        if self.questions.iter().any(|before| question.is_as(before)) {
            self.mark(Trouble::SameQuestion, SAME_QUESTION, now);
        }
        if self.questions.len() == QUESTIONS {
            self.questions.pop_front();
        }
        self.questions.push_back(question);
    }

    pub fn regenerated(&mut self, now: Timestamp) {
        self.is_active(now);
        self.waiting = None;
        self.mark(Trouble::Regenerated, REGENERATED, now);
    }

    /// An answer ended; from now on the student is waited for.
    pub fn answered(&mut self, text: &str, end: Ended, now: Timestamp) {
        self.now = now;
        self.waiting = Some(now);
        self.idle_is_known = false;
        match end {
            Ended::Complete => {
                self.failures = 0;
                self.step(text, now);
            }
            Ended::Stopped => {}
            Ended::Safety if self.is_dealt_with(now) => {}
            Ended::Safety => self.blocked = Some((self.blocked.map_or(now, |(first, _)| first), now)),
            Ended::Failed => {
                self.failures = self.failures.saturating_add(1);
                if self.failures == 1 {
                    self.failed_at = now;
                }
            }
        }
    }

    pub fn typed(&mut self, now: Timestamp) {
        self.is_active(now);
    }

    /// Whether the student has a socket on the session.
    pub fn present(&mut self, is_here: bool, now: Timestamp) {
        if is_here && !self.is_here {
            self.is_active(now);
        }
        self.is_here = is_here;
    }

    pub fn hand(&mut self, since: Option<Timestamp>) {
        self.hand = since;
    }

    pub fn reported(&mut self, report: ModelReport) {
        self.report = Some((report, self.now));
    }

    /// A tutor has dealt with it.
    pub fn dealt_with(&mut self, kind: SignalKind) {
        if self.report.as_ref().is_some_and(|(report, _)| report.kind == kind) {
            self.report = None;
        }
        match kind {
            // It is down when it is lowered.
            SignalKind::Hand => {}
            SignalKind::Safety => (self.danger, self.blocked) = (None, None),
            SignalKind::Struggling => self.marks.clear(),
            SignalKind::Error => self.failures = 0,
            SignalKind::OffTask => self.questions.iter_mut().for_each(|question| question.is_off = false),
            SignalKind::Idle => self.idle_is_known = true,
        }
    }

    /// Somebody has seen to it: what they can have seen is told no more, and who it was is.
    pub fn safety_dealt_with(&mut self, by: Person, at: Timestamp) {
        // Of two the newer counts, in whatever order they come.
        if self.dealt_with.as_ref().is_some_and(|(_, newest)| *newest > at) {
            return;
        }
        let seen = later(at, -UNSEEN);
        if self.danger_last <= seen {
            self.danger = None;
        } else if let Some((_, since)) = &mut self.danger {
            *since = (*since).max(seen);
        }
        let unseen = self.blocked.filter(|(_, last)| *last > seen);
        self.blocked = unseen.map(|(first, last)| (first.max(seen), last));
        let is_newer = |(report, reported): &(ModelReport, Timestamp)| {
            report.kind != SignalKind::Safety || *reported > seen
        };
        self.report = self.report.take().filter(is_newer);
        self.dealt_with = Some((by, at));
    }

    fn is_dealt_with(&self, said: Timestamp) -> bool {
        self.dealt_with.as_ref().is_some_and(|(_, at)| said <= later(*at, -UNSEEN))
    }

    /// When there will be something else to tell although nothing happens.
    pub fn due(&self, now: Timestamp) -> Option<Timestamp> {
        let mut times: Vec<Timestamp> = Vec::new();
        if let Some(waiting) = self.waiting.filter(|_| self.is_here && !self.idle_is_known) {
            times.extend(IDLE.map(|seconds| later(waiting, seconds)));
        }
        times.extend(self.hand.map(|since| later(since, LONG_HAND)));
        times.extend(self.marks.iter().map(|mark| later(mark.at, mark.trouble.lasts())));
        times.extend(
            self.questions.iter().filter(|asked| asked.is_off).map(|asked| later(asked.at, MARK_LASTS)),
        );
        times.extend(self.danger.map(|(_, at)| later(at, DANGER_LASTS)));
        times.extend(self.blocked.map(|(first, _)| later(first, DANGER_LASTS)));
        times.extend(self.dealt_with.as_ref().map(|(_, at)| later(*at, DANGER_LASTS)));
        times.extend(self.report.as_ref().map(|(_, at)| later(*at, REPORT_LASTS)));
        times.into_iter().filter(|time| *time > now).min()
    }

    fn is_active(&mut self, now: Timestamp) {
        self.now = now;
        self.last_activity = now;
        self.idle_is_known = false;
        if let Some(waiting) = &mut self.waiting {
            *waiting = now;
        }
    }

    fn mark(&mut self, trouble: Trouble, points: u8, at: Timestamp) {
        if self.marks.len() == MARKS {
            self.marks.pop_front();
        }
        self.marks.push_back(Mark { trouble, points, at });
    }

    /// What somebody says of themselves weighs more than what they quote.
    fn look_for_danger(&mut self, words: &[Word], now: Timestamp) {
        let found: Vec<(Option<Danger>, usize)> = words::DANGERS.found(words).collect();
        let is_harmless = |at: &usize| found.iter().any(|(danger, here)| danger.is_none() && here == at);
        let worst = found.iter().filter_map(|(danger, at)| {
            // What only looks like it, somebody may look at, in no hurry.
            let is_quiet = words[*at].is_quoted || is_harmless(at);
            danger.map(|danger| if is_quiet { Danger::Topic } else { danger })
        });
        let Some(worst) = worst.max().filter(|_| !self.is_dealt_with(now)) else { return };
        self.danger_last = now;
        match &mut self.danger {
            Some((before, _)) if *before >= worst => {}
            danger => *danger = Some((worst, now)),
        }
    }

    fn question(&self, words: &[Word], at: Timestamp) -> Question {
        // The lower half of a hash is enough to know a question again.
        let short = |word: &Word| word.hash as u32;
        let own = words.iter().filter(|word| !words::FILLERS.contains(&word.hash));
        let is_about_it = words.iter().any(|word| self.subject.contains(&word.hash));
        Question {
            words: own.clone().take(WORDS).map(short).collect(),
            numbers: own.filter(|word| word.is_number).take(WORDS).map(short).collect(),
            is_off: !is_about_it && words::OFF_TASK.found(words).next().is_some(),
            at,
        }
    }

    /// Whether an answer says that the student's step was right or wrong.
    fn step(&mut self, text: &str, now: Timestamp) {
        let words = text::words(text::start(text, BEGINNING));
        let early = &words[..words.len().min(EARLY)];
        if words::NOT_YET.begins(&words) || words::SENDS_BACK.found(early).next().is_some() {
            self.mark(Trouble::Wrong, WRONG, now);
        } else if words::RIGHT.begins(&words) {
            self.marks.retain(|mark| mark.trouble != Trouble::Wrong);
            if let Some(oldest) = self.marks.front_mut() {
                oldest.points = oldest.points.saturating_sub(RIGHT);
                if oldest.points == 0 {
                    self.marks.pop_front();
                }
            }
        }
    }
}

impl Question {
    /// Whether somebody asks the same with nearly the same words. Other numbers are another exercise.
    fn is_as(&self, other: &Question) -> bool {
        let both = self.words.intersection(&other.words).count();
        let either = self.words.len() + other.words.len() - both;
        // Three fifths.
        either > 0 && both * 5 >= either * 3 && self.numbers == other.numbers
    }
}

/// Seconds; a clock that went back has not moved.
fn passed(from: Timestamp, now: Timestamp) -> i64 {
    now.duration_since(from).as_secs().max(0)
}

fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}
