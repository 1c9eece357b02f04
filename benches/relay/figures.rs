//! Figures on their way to a file, and the table that is made of them.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Target;

#[derive(Default)]
pub(crate) struct Figures(BTreeMap<String, f64>);

/// One measurement: a line of the file.
#[derive(Serialize, Deserialize)]
struct Record {
    mode: String,
    name: String,
    round: usize,
    figures: BTreeMap<String, f64>,
}

impl Figures {
    pub(crate) fn set(&mut self, name: &str, figure: f64) {
        // JSON has no word for "not a number"; such a figure is left out.
        if figure.is_finite() {
            self.0.insert(name.to_owned(), figure);
        }
    }

    pub(crate) fn write(self, to: &Target) -> anyhow::Result<()> {
        let shown: Vec<String> = self.0.iter().map(|(name, figure)| format!("{name} {figure:.1}")).collect();
        eprintln!("{:<8} {:<7} round {}: {}", to.mode, to.name, to.round, shown.join(", "));
        let record =
            Record { mode: to.mode.clone(), name: to.name.clone(), round: to.round, figures: self.0 };
        let mut file = OpenOptions::new().create(true).append(true).open(&to.out)?;
        writeln!(file, "{}", serde_json::to_string(&record)?)?;
        Ok(())
    }
}

/// Of sorted figures; not a number when there are none.
pub(crate) fn quantile(sorted: &[u32], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).map_or(f64::NAN, |figure| f64::from(*figure))
}

/// What fynq's figure is set beside, and how.
enum Beside {
    Times(Peer),
    More(Peer),
    /// What it is more than the peer's, for each update of a tile.
    EachUpdate(Peer),
    Nothing,
}

/// A server's figure in a mode, and what it is called.
struct Peer {
    mode: &'static str,
    name: &'static str,
    called: &'static str,
}

const NGINX: Peer = Peer { mode: "stream", name: "nginx", called: "nginx" };
const READERS: Peer = Peer { mode: "readers", name: "fynq", called: "readers alone" };
const ALONE: Peer = Peer { mode: "alone", name: "fynq", called: "alone" };
const NO_ROSTER: Peer = Peer { mode: "roster-0", name: "fynq", called: "no roster" };

struct Row {
    title: &'static str,
    mode: &'static str,
    figure: &'static str,
    beside: Beside,
}

const fn row(title: &'static str, mode: &'static str, figure: &'static str, beside: Beside) -> Row {
    Row { title, mode, figure, beside }
}

const ROWS: &[Row] = &[
    row("stream: CPU per relayed chunk, µs", "stream", "cpu_us", Beside::Times(NGINX)),
    row("stream: latency p50, µs", "stream", "p50_us", Beside::More(NGINX)),
    row("stream: latency p99, µs", "stream", "p99_us", Beside::Times(NGINX)),
    row("stream: chunks/s", "stream", "chunks_per_s", Beside::Nothing),
    row("stream: load of the server's core, %", "stream", "cpu_percent", Beside::Nothing),
    row("stream: load generator's own, %", "stream", "own_percent", Beside::Nothing),
    row("idle: resident bytes per socket", "idle", "bytes_per_socket", Beside::Nothing),
    row("idle: CPU per connect, µs", "idle", "cpu_us_per_connect", Beside::Nothing),
    row("fanout: CPU per delivered copy, µs", "fanout", "cpu_us", Beside::Nothing),
    row("fanout: copies/s", "fanout", "copies_per_s", Beside::Nothing),
    row("fanout: observers' latency p99, µs", "fanout", "observer_p99_us", Beside::Nothing),
    row("readers alone: memory grown, MiB", "readers", "growth_mib", Beside::Nothing),
    row("… with as many that never read", "stuck", "growth_mib", Beside::More(READERS)),
    row("readers alone: student's p99, µs", "readers", "p99_us", Beside::Nothing),
    row("… with as many that never read", "stuck", "p99_us", Beside::Times(READERS)),
    row("readers alone: chunks/s", "readers", "chunks_per_s", Beside::Nothing),
    row("… with as many that never read", "stuck", "chunks_per_s", Beside::Nothing),
    row("… load generator's own, %", "stuck", "own_percent", Beside::Nothing),
    row("observe: student alone: CPU per chunk, µs", "alone", "cpu_us", Beside::Nothing),
    row("… with tutors: CPU per delivered copy, µs", "observe", "cpu_us", Beside::Times(ALONE)),
    row("observe: student alone: latency p50, µs", "alone", "p50_us", Beside::Nothing),
    row("… with tutors: student's p50, µs", "observe", "p50_us", Beside::Times(ALONE)),
    row("observe: student alone: latency p99, µs", "alone", "p99_us", Beside::Nothing),
    row("… with tutors: student's p99, µs", "observe", "p99_us", Beside::Times(ALONE)),
    row("… with tutors: tutors' latency p50, µs", "observe", "observer_p50_us", Beside::Nothing),
    row("… with tutors: tutors' latency p99, µs", "observe", "observer_p99_us", Beside::Nothing),
    row("observe: student alone: chunks/s", "alone", "chunks_per_s", Beside::Nothing),
    row("… with tutors: chunks/s", "observe", "chunks_per_s", Beside::Nothing),
    row("… with tutors: copies/s", "observe", "copies_per_s", Beside::Nothing),
    row("… with tutors: load generator's own, %", "observe", "own_percent", Beside::Nothing),
    row("roster: nobody looks: CPU, µs/s", "roster-0", "cpu_us_per_s", Beside::Nothing),
    row("… 1 tutor: CPU, µs/s", "roster-1", "cpu_us_per_s", Beside::EachUpdate(NO_ROSTER)),
    row("… 10 tutors: CPU, µs/s", "roster-10", "cpu_us_per_s", Beside::EachUpdate(NO_ROSTER)),
    row("… 1 tutor: updates/s", "roster-1", "updates_per_s", Beside::Nothing),
    row("… 10 tutors: updates/s", "roster-10", "updates_per_s", Beside::Nothing),
    row("… 10 tutors: updates/s of a tile", "roster-10", "updates_per_tile_per_s", Beside::Nothing),
    row("… 10 tutors: bytes per update", "roster-10", "bytes_per_update", Beside::Nothing),
    row("… 10 tutors: KiB/s for each", "roster-10", "kib_per_tutor_per_s", Beside::Nothing),
    row("… 10 tutors: age of a tile's newest words p50, µs", "roster-10", "tile_p50_us", Beside::Nothing),
    row("… 10 tutors: age of a tile's newest words p99, µs", "roster-10", "tile_p99_us", Beside::Nothing),
    row("roster: nobody looks: chunks/s", "roster-0", "chunks_per_s", Beside::Nothing),
    row("… 10 tutors: chunks/s", "roster-10", "chunks_per_s", Beside::Nothing),
    row("roster: nobody looks: students' latency p99, µs", "roster-0", "p99_us", Beside::Nothing),
    row("… 10 tutors: students' latency p99, µs", "roster-10", "p99_us", Beside::Times(NO_ROSTER)),
    row("whisper: tries", "whisper", "tries", Beside::Nothing),
    row("… to `whispered` p50, µs", "whisper", "ack_p50_us", Beside::Nothing),
    row("… to `whispered` p99, µs", "whisper", "ack_p99_us", Beside::Nothing),
    row("… to the guided model's first words p50, µs", "whisper", "model_p50_us", Beside::Nothing),
    row("… to the guided model's first words p99, µs", "whisper", "model_p99_us", Beside::Nothing),
    row("… to those words at the student's p50, µs", "whisper", "words_p50_us", Beside::Nothing),
    row("… to those words at the student's p99, µs", "whisper", "words_p99_us", Beside::Nothing),
    row("question to first words p50, µs", "whisper", "plain_p50_us", Beside::Nothing),
    row("… of a guided answer p50, µs", "whisper", "guided_p50_us", Beside::Nothing),
    row("control: take-overs in mid-answer", "control", "tries", Beside::Nothing),
    row("… model's words after the state", "control", "late", Beside::Nothing),
    row("… command to state, tutor's p50, µs", "control", "tutor_p50_us", Beside::Nothing),
    row("… command to state, tutor's p99, µs", "control", "tutor_p99_us", Beside::Nothing),
    row("… command to state, student's p50, µs", "control", "student_p50_us", Beside::Nothing),
    row("… command to state, student's p99, µs", "control", "student_p99_us", Beside::Nothing),
    row("… command to run's end p50, µs", "control", "end_p50_us", Beside::Nothing),
    row("… command to run's end p99, µs", "control", "end_p99_us", Beside::Nothing),
];

const NAMES: &[&str] = &["direct", "nginx", "fynq"];

pub(crate) fn print(file: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file)?;
    let records: Vec<Record> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let rounds = |mode: &str, name: &str, figure: &str| -> BTreeMap<usize, f64> {
        let of = records.iter().filter(|record| record.mode == mode && record.name == name);
        of.filter_map(|record| Some((record.round, *record.figures.get(figure)?))).collect()
    };
    println!("| median (least – most) | {} | fynq beside it |", NAMES.join(" | "));
    println!("|---|{}---|", "---|".repeat(NAMES.len()));
    for Row { title, mode, figure, beside } in ROWS {
        let of = |name: &&str| cell(rounds(mode, name, figure).into_values());
        let cells: Vec<String> = NAMES.iter().map(of).collect();
        if cells.iter().all(String::is_empty) {
            continue;
        }
        let ours = rounds(mode, "fynq", figure);
        let theirs = |peer: &Peer| rounds(peer.mode, peer.name, figure);
        let told = match beside {
            Beside::Times(peer) => told(
                paired(&ours, &theirs(peer), |_, our, their| our / their),
                |times| format!("{times:.2}"),
                &format!("× {}", peer.called),
            ),
            Beside::More(peer) => told(
                paired(&ours, &theirs(peer), |_, our, their| our - their),
                |more| format!("{more:+.0}"),
                &format!("over {}", peer.called),
            ),
            Beside::EachUpdate(peer) => {
                let updates = rounds(mode, "fynq", "updates_per_s");
                told(
                    paired(&ours, &theirs(peer), |round, our, their| {
                        (our - their) / updates.get(&round).copied().unwrap_or(f64::NAN)
                    }),
                    |more| format!("{more:+.1}"),
                    &format!("µs an update over {}", peer.called),
                )
            }
            Beside::Nothing => String::new(),
        };
        println!("| {title} | {} | {} |", cells.join(" | "), told);
    }
    Ok(())
}

fn cell(figures: impl Iterator<Item = f64>) -> String {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    range(&sorted, short)
}

/// What the rounds came to beside the peer's.
fn told(rounds: Vec<f64>, shows: fn(f64) -> String, beside: &str) -> String {
    if rounds.is_empty() { String::new() } else { format!("{} {beside}", range(&rounds, shows)) }
}

fn range(sorted: &[f64], shows: fn(f64) -> String) -> String {
    match sorted {
        [] => String::new(),
        [one] => shows(*one),
        [least, .., most] => format!("{} ({} – {})", shows(median(sorted)), shows(*least), shows(*most)),
    }
}

/// Round by round, since the machine's speed drifts; sorted.
fn paired(
    ours: &BTreeMap<usize, f64>,
    theirs: &BTreeMap<usize, f64>,
    beside: impl Fn(usize, f64, f64) -> f64,
) -> Vec<f64> {
    let pairs = ours.iter().filter_map(|(round, our)| Some(beside(*round, *our, *theirs.get(round)?)));
    let mut rounds: Vec<f64> = pairs.collect();
    rounds.sort_by(f64::total_cmp);
    rounds
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

fn short(figure: f64) -> String {
    if figure.abs() < 100.0 { format!("{figure:.1}") } else { format!("{figure:.0}") }
}
