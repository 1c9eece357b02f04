//! Papers that can be wrong are held against the code.

use std::path::{Path, PathBuf};

const INTRODUCTION: &str = "# Settings

Environment variables, or lines of a `.env` file in the working directory; the environment wins. An empty
value counts as unset. Times are in seconds, fractions allowed. A bad value stops the start with one line
that names the variable, what was wrong and an example; secrets are never printed.

A secret may lie in a file instead, which `NAME_FILE` names: what Docker, Kubernetes, systemd's credentials and
the agents of vaults do. The newline at the file's end is no part of it; both of the two are an error. The files of
`DATABASE_URL_FILE` and `GEMINI_API_KEY_FILE` are read again before each new connection and each call, so a
password or a key that lives for an hour needs no restart; while such a file says nothing good, what it said before
goes on, and one line says so. Connections that were made by the old address are left within a second of their next
use. The PEM files of the database's address and `FYNQ_DATABASE_CA` are watched alike. The others are read at the start.

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
    for paper in [
        "README.md",
        "CONTRIBUTING.md",
        ".env.example",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "docs/security.md",
    ] {
        let Ok(text) = std::fs::read_to_string(path(paper)) else { continue };
        let words = text.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        for word in words.filter(|word| word.starts_with("FYNQ_") || word.starts_with("GEMINI_")) {
            let known = fynq::config::is_known(word);
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

/// The ASVS table of docs/security.md: every test, file, section and exception that a row names exists, and
/// the counts at the top are the table's.
#[test]
fn the_asvs_table_names_real_tests_and_counts_right() {
    let text = std::fs::read_to_string(path("docs/security.md")).unwrap();
    let mut sources = Vec::new();
    for dir in ["tests/it", "tests/browser", "tests/web", "src"] {
        files(&path(dir), &mut sources);
    }
    let kinds = ["tested", "written", "exception", "n/a", "open"];
    let (mut counts, mut open, mut wrong) = ([[0; 5]; 2], [Vec::new(), Vec::new()], Vec::new());
    for row in text.lines() {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [item, level @ ("1" | "2"), _, how] = cells[..] else { continue };
        let (mut tests, mut names) = (0, 0);
        for name in how.split('`').skip(1).step_by(2) {
            let found = match named(name) {
                Named::Test => {
                    tests += 1;
                    is_test(name, &sources)
                }
                Named::File => path(name).exists(),
                Named::Word => continue,
            };
            names += 1;
            if !found {
                wrong.push(format!("{item} names {name}, which is nowhere"));
            }
        }
        for target in how.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            names += 1;
            if !leads_somewhere(target, &text) {
                wrong.push(format!("{item} links to {target}, which is not there"));
            }
        }
        let prefix = kinds[2..].iter().position(|kind| how.starts_with(&format!("{kind}: ")));
        let kind = prefix.map_or(usize::from(tests == 0), |at| at + 2);
        if kind < 2 && names == 0 {
            wrong.push(format!("{item} names nothing that holds it"));
        }
        if kind == 2 {
            let number = how["exception: ".len()..].split([';', ' ']).next().unwrap_or_default();
            if !text.contains(&format!("\n| {number} | ")) {
                wrong.push(format!("{item}: the exception {number:?} is not signed"));
            }
        }
        let level = usize::from(level == "2");
        counts[level][kind] += 1;
        if kind == 4 {
            open[level].push(item);
        }
    }
    assert!(wrong.is_empty(), "docs/security.md:\n{}", wrong.join("\n"));
    let [first, second] = counts.map(|level| level.iter().sum::<usize>());
    assert_eq!((first, second), (70, 183), "as many items as ASVS 5.0 has at these levels");
    let shown: Vec<String> = counts
        .iter()
        .enumerate()
        .map(|(at, level)| {
            let numbers: Vec<String> = level.iter().map(usize::to_string).collect();
            format!("| level {} | {} | {} |", at + 1, level.iter().sum::<usize>(), numbers.join(" | "))
        })
        .collect();
    let sums: Vec<String> = counts
        .iter()
        .enumerate()
        .map(|(at, [tested, written, exceptions, absent, open])| {
            let met = tested + written;
            let (applies, excepted) = (met + exceptions + open, met + exceptions);
            assert_eq!(applies + absent, [first, second][at]);
            format!("evel {}: {applies} items apply, {met} are met, {excepted} with the exceptions", at + 1)
        })
        .collect();
    let missing = [("level 1", &open[0]), ("level 2", &open[1])].map(|(level, items)| match items.len() {
        0 => format!("none ({level})"),
        _ => format!("{} ({level})", items.join(", ")),
    });
    let missing = format!("Open: {}.", missing.join("; "));
    for wanted in shown.iter().chain(&sums).chain([&missing]) {
        assert!(text.contains(wanted.as_str()), "docs/security.md counts wrong; it should say: {wanted}");
    }
}

/// What stands between backticks in a row.
enum Named {
    /// `module::test`, or `file.test.mjs: title`.
    Test,
    File,
    Word,
}

fn named(name: &str) -> Named {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
    let roots = ["src/", "tests/", "docs/", "static/", "sql/", "scripts/"];
    let endings = [".md", ".toml", ".lock", ".json"];
    if name.contains(".test.mjs: ") || (name.contains("::") && name.chars().all(plain)) {
        Named::Test
    } else if roots.iter().any(|root| name.starts_with(root)) || endings.iter().any(|end| name.ends_with(end))
    {
        Named::File
    } else {
        Named::Word
    }
}

/// Whether one of the sources has the test, where its name says.
fn is_test(name: &str, sources: &[(PathBuf, String)]) -> bool {
    if let Some((file, title)) = name.split_once(": ") {
        let title = format!("test(\"{title}\"");
        return sources.iter().any(|(path, text)| path.ends_with(file) && text.contains(&title));
    }
    let (modules, function) = name.rsplit_once("::").unwrap();
    let function = format!("fn {function}(");
    sources.iter().any(|(path, text)| {
        let place = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().with_extension("");
        let parts: Vec<_> = place.iter().collect();
        let there = |module: &str| parts.iter().any(|part| *part == module);
        text.contains(&function) && modules.split("::").all(|module| module == "tests" || there(module))
    })
}

/// A link of docs/security.md: a file beside it, or one of its own headings.
fn leads_somewhere(target: &str, text: &str) -> bool {
    let Some(heading) = target.strip_prefix('#') else { return path("docs").join(target).exists() };
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
        .any(|h| h == heading)
}

fn files(dir: &Path, out: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            out.push((path, text));
        }
    }
}

fn gather(dir: &Path, out: &mut String) {
    let mut found = Vec::new();
    files(dir, &mut found);
    for (_, text) in found {
        out.push_str(&text);
    }
}
