//! From facts to what is told of them.

use crate::clock::Timestamp;
use crate::protocol::{DealtWith, Score, Signal, SignalKind, Signals};

use super::{
    DANGER_LASTS, Facts, IDLE, LONG_HAND, MARK_LASTS, Mark, REPORT_LASTS, STRUGGLING, Trouble, passed,
};

/// What is to be told at this moment, the heaviest first.
pub fn judge(facts: &Facts, now: Timestamp) -> Signals {
    let (struggling, signal) = struggling(facts, now);
    let mut items: Vec<Signal> = [hand(facts, now), safety(facts, now), signal, error(facts)]
        .into_iter()
        .chain([off_task(facts, now), idle(facts, now)])
        .flatten()
        .collect();
    items.sort_by_key(|signal| signal.kind);
    let dealt_with = dealt_with(facts, &items, now);
    Signals {
        hand_raised: facts.hand.is_some(),
        idle_s: u64::try_from(passed(facts.last_activity, now)).unwrap_or(0),
        struggling,
        items,
        dealt_with: dealt_with.into_iter().collect(),
    }
}

/// Told until there is something new of the kind, or it would have passed by itself.
fn dealt_with(facts: &Facts, shown: &[Signal], now: Timestamp) -> Option<DealtWith> {
    let kind = SignalKind::Safety;
    let (by, at) = facts.dealt_with.as_ref().filter(|(_, at)| passed(*at, now) < DANGER_LASTS)?;
    let is_news = shown.iter().any(|signal| signal.kind == kind);
    (!is_news).then(|| DealtWith { kind, by: by.clone(), at: *at })
}

/// Of a session that is not in memory: its hand alone is known.
pub fn at_rest(hand: Option<Timestamp>, last_activity: Timestamp, now: Timestamp) -> Signals {
    let mut facts = Facts::new(None, None, last_activity);
    facts.hand(hand);
    judge(&facts, now)
}

fn signal(kind: SignalKind, level: u8, since: Timestamp, why: impl Into<String>) -> Option<Signal> {
    Some(Signal { kind, level, since, why: why.into() })
}

fn hand(facts: &Facts, now: Timestamp) -> Option<Signal> {
    let since = facts.hand?;
    let level = if passed(since, now) >= LONG_HAND { 3 } else { 2 };
    signal(SignalKind::Hand, level, since, "Asks for a human")
}

fn safety(facts: &Facts, now: Timestamp) -> Option<Signal> {
    let is_recent = |at: &Timestamp| passed(*at, now) < DANGER_LASTS;
    let said = facts.danger.filter(|(_, at)| is_recent(at));
    let said = said.map(|(danger, at)| (danger.level(), at, danger.why()));
    let blocked = facts.blocked.map(|(first, _)| first).filter(is_recent);
    let blocked = blocked.map(|at| (3, at, "An answer was withheld by a safety filter"));
    let reported = reported(facts, SignalKind::Safety, now);
    let reported = reported.map(|(_, at)| (3, at, "The model reports a matter of safety"));
    let (level, since, why) =
        [said, blocked, reported].into_iter().flatten().max_by_key(|(level, ..)| *level)?;
    signal(SignalKind::Safety, level, since, why)
}

/// What the model reported of this kind, if it still counts: the score and when.
fn reported(facts: &Facts, kind: SignalKind, now: Timestamp) -> Option<(u8, Timestamp)> {
    let (report, at) = facts.report.as_ref()?;
    let counts = report.kind == kind && report.score >= STRUGGLING[0] && passed(*at, now) < REPORT_LASTS;
    counts.then_some((report.score.min(100), *at))
}

fn struggling(facts: &Facts, now: Timestamp) -> (Score, Option<Signal>) {
    let counted: Vec<&Mark> =
        facts.marks.iter().filter(|mark| passed(mark.at, now) < mark.trouble.lasts()).collect();
    let times = |trouble| counted.iter().filter(|mark| mark.trouble == trouble).count();
    let counts = |mark: &&&Mark| times(mark.trouble) >= mark.trouble.from();
    let mut sum = 0_u32;
    // The moment from which on it was enough.
    let mut since = None;
    for mark in counted.iter().filter(counts) {
        sum += u32::from(mark.points);
        if sum >= u32::from(STRUGGLING[0]) {
            since = since.or(Some(mark.at));
        }
    }
    let mut reasons: Vec<(u32, String)> = Trouble::ALL
        .into_iter()
        .filter(|trouble| times(*trouble) >= trouble.from())
        .map(|trouble| {
            let points =
                counted.iter().filter(|mark| mark.trouble == trouble).map(|mark| u32::from(mark.points));
            (points.sum(), trouble.why(times(trouble)))
        })
        .collect();
    if let Some((score, at)) = reported(facts, SignalKind::Struggling, now) {
        reasons.push((u32::from(score), "the model reports it".into()));
        sum = sum.max(u32::from(score));
        since = since.map_or(Some(at), |since| Some(since.min(at)));
    }
    // A stable sort: of equals the one that says more comes first.
    reasons.sort_by_key(|(points, _)| std::cmp::Reverse(*points));
    let why: Vec<String> = reasons.into_iter().take(3).map(|(_, why)| why).collect();
    let score = Score { score: u8::try_from(sum.min(100)).unwrap_or(100), why: sentence(&why.join("; ")) };
    let level = STRUGGLING.iter().filter(|from| score.score >= **from).count();
    let shown = since.filter(|_| level > 0);
    let shown = shown.and_then(|since| {
        signal(SignalKind::Struggling, u8::try_from(level).unwrap_or(3), since, &*score.why)
    });
    (score, shown)
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn error(facts: &Facts) -> Option<Signal> {
    let why = match facts.failures {
        0 => return None,
        1 => "The last answer failed".to_owned(),
        times => format!("{times} answers in a row failed"),
    };
    let level = match facts.failures {
        0 | 1 => 1,
        2 | 3 => 2,
        _ => 3,
    };
    signal(SignalKind::Error, level, facts.failed_at, why)
}

fn off_task(facts: &Facts, now: Timestamp) -> Option<Signal> {
    let last = facts.questions.iter().rev().take(3);
    let off: Vec<_> = last.filter(|asked| asked.is_off && passed(asked.at, now) < MARK_LASTS).collect();
    match (off.as_slice(), reported(facts, SignalKind::OffTask, now)) {
        // The second of them made it one.
        ([.., second, _], _) => {
            signal(SignalKind::OffTask, 1, second.at, "Recent questions are not about the lesson")
        }
        (_, Some((_, at))) => {
            signal(SignalKind::OffTask, 1, at, "The model reports that this is not the lesson")
        }
        _ => None,
    }
}

fn idle(facts: &Facts, now: Timestamp) -> Option<Signal> {
    let waiting = facts.waiting.filter(|_| facts.is_here && !facts.idle_is_known)?;
    let level = IDLE.iter().filter(|seconds| passed(waiting, now) >= **seconds).count();
    let why = match level {
        0 => return None,
        1 => "No reply for 2 minutes",
        2 => "No reply for 5 minutes",
        _ => "No reply for 10 minutes",
    };
    signal(SignalKind::Idle, u8::try_from(level).unwrap_or(3), waiting, why)
}
