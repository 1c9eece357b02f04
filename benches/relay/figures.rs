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

/// What fynq's figure is set beside: a server's in a mode, and how.
enum Beside {
    Times(&'static str, &'static str),
    More(&'static str, &'static str),
    Nothing,
}

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
    row("stream: CPU per relayed chunk, µs", "stream", "cpu_us", Beside::Times("stream", "nginx")),
    row("stream: latency p50, µs", "stream", "p50_us", Beside::More("stream", "nginx")),
    row("stream: latency p99, µs", "stream", "p99_us", Beside::Times("stream", "nginx")),
    row("stream: chunks/s", "stream", "chunks_per_s", Beside::Nothing),
    row("stream: load of the server's core, %", "stream", "cpu_percent", Beside::Nothing),
    row("stream: load generator's own, %", "stream", "own_percent", Beside::Nothing),
    row("idle: resident bytes per socket", "idle", "bytes_per_socket", Beside::Nothing),
    row("idle: CPU per connect, µs", "idle", "cpu_us_per_connect", Beside::Nothing),
    row("fanout: CPU per delivered copy, µs", "fanout", "cpu_us", Beside::Nothing),
    row("fanout: copies/s", "fanout", "copies_per_s", Beside::Nothing),
    row("fanout: observers' latency p99, µs", "fanout", "observer_p99_us", Beside::Nothing),
    row("readers alone: memory grown, MiB", "readers", "growth_mib", Beside::Nothing),
    row("… with as many that never read", "stuck", "growth_mib", Beside::More("readers", "fynq")),
    row("readers alone: student's p99, µs", "readers", "p99_us", Beside::Nothing),
    row("… with as many that never read", "stuck", "p99_us", Beside::Times("readers", "fynq")),
    row("readers alone: chunks/s", "readers", "chunks_per_s", Beside::Nothing),
    row("… with as many that never read", "stuck", "chunks_per_s", Beside::Nothing),
    row("… load generator's own, %", "stuck", "own_percent", Beside::Nothing),
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
        let told = match beside {
            Beside::Times(mode, name) => {
                let times = paired(&ours, &rounds(mode, name, figure), |our, their| our / their);
                times.map(|times| format!("{times:.2} × {}", theirs(name)))
            }
            Beside::More(mode, name) => {
                let more = paired(&ours, &rounds(mode, name, figure), |our, their| our - their);
                more.map(|more| format!("{more:+.0} over {}", theirs(name)))
            }
            Beside::Nothing => None,
        };
        println!("| {title} | {} | {} |", cells.join(" | "), told.unwrap_or_default());
    }
    Ok(())
}

fn theirs(name: &str) -> &str {
    if name == "fynq" { "readers alone" } else { name }
}

fn cell(figures: impl Iterator<Item = f64>) -> String {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.as_slice() {
        [] => String::new(),
        [one] => short(*one),
        [least, .., most] => format!("{} ({} – {})", short(median(&sorted)), short(*least), short(*most)),
    }
}

/// Round by round, since the machine's speed drifts; then the median.
fn paired(
    ours: &BTreeMap<usize, f64>,
    theirs: &BTreeMap<usize, f64>,
    beside: fn(f64, f64) -> f64,
) -> Option<f64> {
    let pairs = ours.iter().filter_map(|(round, our)| Some(beside(*our, *theirs.get(round)?)));
    let mut rounds: Vec<f64> = pairs.collect();
    rounds.sort_by(f64::total_cmp);
    (!rounds.is_empty()).then(|| median(&rounds))
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

fn short(figure: f64) -> String {
    if figure.abs() < 100.0 { format!("{figure:.1}") } else { format!("{figure:.0}") }
}
