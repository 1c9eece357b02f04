//! Papers that can be wrong are held against the code.

use std::path::{Path, PathBuf};

const INTRODUCTION: &str = "# Settings

Environment variables, or lines of a `.env` file in the working directory; the environment wins. An empty
value counts as unset. Times are in seconds, fractions allowed. A bad value stops the start with one line
that names the variable, what was wrong and an example; secrets are never printed.

The private PostgreSQL that runs when `DATABASE_URL` is unset keeps its data under `FYNQ_DATA_DIR` (as root
in a directory that the user `postgres` can reach; the log's first lines say where, with a `psql` command).

The table is made from the list in the code (`src/config/list.rs`).

";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn the_manual_of_settings_is_the_one_in_the_code() {
    let wanted = format!("{INTRODUCTION}{}", fynq::config::markdown());
    let file = path("docs/settings.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(found, wanted, "write it anew: UPDATE_DOCS=1 cargo test --test it papers");
}

/// A name that an operator copies must exist.
#[test]
fn the_papers_name_only_settings_that_exist() {
    // Used by the tests and scripts alone.
    let others = ["FYNQ_BIN", "FYNQ_CHROMIUM", "FYNQ_RECORDINGS"];
    for paper in ["README.md", "CONTRIBUTING.md", ".env.example", "ARCHITECTURE.md", "CHANGELOG.md"] {
        let Ok(text) = std::fs::read_to_string(path(paper)) else { continue };
        let words = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        for word in words.filter(|word| word.starts_with("FYNQ_") || word.starts_with("GEMINI_")) {
            let known = fynq::config::SETTINGS.iter().any(|setting| setting.name == word);
            assert!(known || others.contains(&word), "{paper} names {word}, which is no setting");
        }
    }
}

#[test]
fn the_readmes_links_lead_somewhere() {
    for paper in ["README.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(path(paper)).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let elsewhere = target.starts_with("http") || target.starts_with('#');
            assert!(elsewhere || path(target).exists(), "{paper} links to {target}, which is not there");
        }
    }
}

/// Every test that the table of contract sentences names must exist under that name.
#[test]
fn the_contract_table_names_real_tests() {
    let table = std::fs::read_to_string(path("docs/contract-tests.md")).unwrap();
    let mut sources = String::new();
    for dir in ["tests/it", "tests/browser", "tests/web", "src"] {
        gather(&path(dir), &mut sources);
    }
    let mut named = 0;
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        let last = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        for name in last.split('`').skip(1).step_by(2) {
            let function = name.rsplit("::").next().unwrap();
            assert!(
                sources.contains(&format!("fn {function}(")) || sources.contains(&format!("\"{function}\"")),
                "docs/contract-tests.md names {name}, which is nowhere"
            );
            named += 1;
        }
    }
    assert!(named > 20, "the table is no longer understood");
}

fn gather(dir: &Path, out: &mut String) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, out);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            out.push_str(&text);
        }
    }
}
