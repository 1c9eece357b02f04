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

/// How fynq's figure is set against nginx's of the same round.
enum Against {
    Times,
    More,
    Nothing,
}

struct Row {
    title: &'static str,
    mode: &'static str,
    figure: &'static str,
    against: Against,
}

const fn row(title: &'static str, mode: &'static str, figure: &'static str, against: Against) -> Row {
    Row { title, mode, figure, against }
}

const ROWS: &[Row] = &[
    row("stream: CPU per relayed chunk, µs", "stream", "cpu_us", Against::Times),
    row("stream: latency p50, µs", "stream", "p50_us", Against::More),
    row("stream: latency p99, µs", "stream", "p99_us", Against::Times),
    row("stream: chunks/s", "stream", "chunks_per_s", Against::Nothing),
    row("stream: load of the server's core, %", "stream", "cpu_percent", Against::Nothing),
    row("idle: resident bytes per socket", "idle", "bytes_per_socket", Against::Nothing),
    row("idle: CPU per connect, µs", "idle", "cpu_us_per_connect", Against::Nothing),
    row("fanout: CPU per delivered copy, µs", "fanout", "cpu_us", Against::Nothing),
    row("fanout: copies/s", "fanout", "copies_per_s", Against::Nothing),
    row("fanout: observers' latency p99, µs", "fanout", "observer_p99_us", Against::Nothing),
    row("readers alone: memory grown, MiB", "readers", "growth_mib", Against::Nothing),
    row("… and as many that never read", "stuck", "growth_mib", Against::Nothing),
    row("readers alone: student's p99, µs", "readers", "p99_us", Against::Nothing),
    row("… and as many that never read", "stuck", "p99_us", Against::Nothing),
];

const NAMES: &[&str] = &["direct", "nginx", "fynq"];

pub(crate) fn print(file: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file)?;
    let records: Vec<Record> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    println!("| median (least – most) | {} | fynq against nginx |", NAMES.join(" | "));
    println!("|---|{}---|", "---|".repeat(NAMES.len()));
    for row in ROWS {
        let rounds = |name: &str| -> BTreeMap<usize, f64> {
            let of = records.iter().filter(|record| record.mode == row.mode && record.name == name);
            of.filter_map(|record| Some((record.round, *record.figures.get(row.figure)?))).collect()
        };
        let cells: Vec<String> = NAMES.iter().map(|name| cell(rounds(name).into_values())).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            let against = against(&row.against, &rounds("fynq"), &rounds("nginx"));
            println!("| {} | {} | {against} |", row.title, cells.join(" | "));
        }
    }
    Ok(())
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
fn against(how: &Against, ours: &BTreeMap<usize, f64>, theirs: &BTreeMap<usize, f64>) -> String {
    let pairs = ours.iter().filter_map(|(round, our)| Some((*our, *theirs.get(round)?)));
    let of = |against: fn((f64, f64)) -> f64| {
        let mut rounds: Vec<f64> = pairs.map(against).collect();
        rounds.sort_by(f64::total_cmp);
        (!rounds.is_empty()).then(|| median(&rounds))
    };
    let told = match how {
        Against::Times => of(|(our, their)| our / their).map(|times| format!("{times:.2} ×")),
        Against::More => of(|(our, their)| our - their).map(|more| format!("{more:+.0} µs")),
        Against::Nothing => None,
    };
    told.unwrap_or_default()
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

fn short(figure: f64) -> String {
    if figure.abs() < 100.0 { format!("{figure:.1}") } else { format!("{figure:.0}") }
}
