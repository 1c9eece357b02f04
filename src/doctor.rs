//! `fynq doctor`: looks, says, changes nothing.

mod checks;

use std::fmt::Write as _;

use serde::Serialize;

use crate::config::{SettingError, Settings, Vars};

/// How bad it is. The exit code is the worst of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// As it should be.
    Good,
    /// For the operator to know; nothing is wrong.
    Note,
    /// fynq starts, and something will not be as it should.
    Doubt,
    /// fynq does not start, or cannot do its work.
    Bad,
}

/// One line: what was looked at, what was found, and what to do about it.
#[derive(Clone, Debug, Serialize)]
struct Check {
    what: &'static str,
    verdict: Verdict,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Check {
    fn new(what: &'static str, verdict: Verdict, found: impl Into<String>) -> Check {
        // An error's text may have several lines; a check has one.
        let found = found.into().split_whitespace().collect::<Vec<_>>().join(" ");
        Check { what, verdict, found, next: None }
    }

    fn next(self, next: impl Into<String>) -> Check {
        Check { next: Some(next.into()), ..self }
    }
}

/// Everything that was looked at.
pub struct Report {
    checks: Vec<Check>,
}

/// Looks at settings, database, model, files and limits. Settings that cannot be read end it there.
pub async fn examine(vars: &Vars, settings: Result<Settings, SettingError>) -> Report {
    let mut checks = Vec::new();
    match settings {
        Err(error) => checks.push(Check::new("settings", Verdict::Bad, error.to_string())),
        Ok(settings) => {
            checks.extend(checks::settings(vars, &settings));
            checks.push(checks::address(&settings).await);
            checks.extend(checks::tls(&settings));
            checks.push(checks::data_dir(&settings));
            checks.extend(checks::database(&settings).await);
            checks.extend(checks::files(&settings).await);
            checks.extend(checks::accounts(&settings).await);
            checks.extend(checks::model(&settings).await);
            checks.push(checks::page(&settings));
            checks.push(checks::open_files());
        }
    }
    Report { checks }
}

impl Report {
    fn worst(&self) -> Verdict {
        self.checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Good)
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        for check in &self.checks {
            let word = match check.verdict {
                Verdict::Good => "ok",
                Verdict::Note => "note",
                Verdict::Doubt => "doubt",
                Verdict::Bad => "BAD",
            };
            let next = check.next.as_deref().map(|next| format!(" → {next}")).unwrap_or_default();
            // Writing into a String cannot fail.
            let _ = writeln!(out, "{word:<6} {:<11} {}{next}", check.what, check.found);
        }
        out.push_str(match self.worst() {
            Verdict::Good | Verdict::Note => "fynq can start",
            Verdict::Doubt => "fynq can start; look at what is in doubt",
            Verdict::Bad => "fynq cannot start like this",
        });
        out
    }

    pub fn json(&self) -> String {
        serde_json::json!({ "verdict": self.worst(), "checks": self.checks }).to_string()
    }

    /// 0: all is well. 1: it starts, with doubts. 2: it does not.
    pub fn exit_code(&self) -> u8 {
        match self.worst() {
            Verdict::Good | Verdict::Note => 0,
            Verdict::Doubt => 1,
            Verdict::Bad => 2,
        }
    }
}

#[cfg(test)]
mod tests;
