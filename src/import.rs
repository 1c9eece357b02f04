//! `fynq content import`: a folder or an archive of CommonMark files becomes content, in the database itself.
//! What is in a file is its key, so that an import that broke off goes on where it was, and one that is repeated
//! makes nothing twice.

mod document;
mod source;

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::audit::{By, Event};
use crate::config::Settings;
use crate::id::Uuid;
use crate::identity::Role;
use crate::store::{NewContent, Store};
use document::Document;
use source::Source;

/// How often the line of the progress is drawn.
const DRAW: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub enum Order {
    /// Make content of CommonMark files (.md, .markdown), each with or without front matter (title, subject,
    /// grades, language, source, licence); what was imported before is left as it is
    Import(Import),
}

#[derive(Debug, Args)]
pub struct Import {
    /// A folder, or a .zip archive
    path: PathBuf,
    /// The tutor or admin who is their author
    #[arg(long = "as")]
    author: String,
    /// Name or id of the author's organisation, to be sure
    #[arg(long = "org", alias = "organisation")]
    organisation: Option<String>,
    /// Students see it at once; else tutors look first
    #[arg(long)]
    publish: bool,
    /// Read and check everything, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Where what was not taken is written, one JSON object a line; only if there is any
    #[arg(long, default_value = "content-rejects.jsonl")]
    rejects: PathBuf,
}

/// Does it, and prints what was done. Something that was not taken: exit code 3.
pub async fn run(settings: &Settings, order: Order) -> anyhow::Result<ExitCode> {
    let Order::Import(import) = order;
    let source = Source::open(&import.path)?;
    let store = Store::connect(&settings.database, &settings.data_dir).await;
    let store = store.with_context(|| match settings.database.url {
        Some(_) => "fynq content import",
        None => {
            "fynq content import needs the private database for itself; is a server running? Stop it first"
        }
    })?;
    let done = all(&store, &import, source).await;
    store.close().await;
    let (count, told) = done?;
    println!("{told}");
    Ok(ExitCode::from(if count.rejected > 0 { 3 } else { 0 }))
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    made: usize,
    known: usize,
    rejected: usize,
}

/// Whose the content will be.
struct Author {
    id: Uuid,
    org: Uuid,
}

enum Fate {
    Made,
    Known,
    Rejected(String),
}

async fn all(store: &Store, import: &Import, mut source: Source) -> anyhow::Result<(Count, String)> {
    let author = author(store, import).await?;
    let mut rejects = Rejects { path: &import.rejects, file: None };
    let mut progress = Progress::new(source.len());
    let mut count = Count::default();
    for at in 0..source.len() {
        let (name, bytes) = source.read(at);
        match one(store, import, &author, &name, bytes).await? {
            Fate::Made => count.made += 1,
            Fate::Known => count.known += 1,
            Fate::Rejected(why) => {
                count.rejected += 1;
                rejects.add(&name, &why)?;
            }
        }
        progress.draw(at + 1);
    }
    progress.clear();
    rejects.close()?;
    let would = if import.dry_run { "would be " } else { "" };
    let mut told = format!(
        "{} of {} files {would}imported, {} there already, {} rejected",
        count.made,
        source.len(),
        count.known,
        count.rejected
    );
    if count.rejected > 0 {
        told = format!("{told}: see {}", import.rejects.display());
    }
    Ok((count, told))
}

async fn author(store: &Store, import: &Import) -> anyhow::Result<Author> {
    let email = import.author.trim().to_lowercase();
    let Some(found) = store.credentials(&email).await? else { bail!("--as: there is no account {email}") };
    let account = found.account;
    if found.disabled || account.role == Role::Student {
        bail!("--as: {email} is no tutor or admin who may write");
    }
    let org = store.organisation_of(account.id, account.id).await?;
    let org = org.with_context(|| format!("--as: {email} belongs to no organisation"))?;
    if let Some(name) = &import.organisation {
        let named = store.organisations_named(name.trim()).await?;
        if !named.iter().any(|(id, _)| *id == org) {
            bail!("--org: {email} does not belong to {name:?}");
        }
    }
    Ok(Author { id: account.id, org })
}

async fn one(
    store: &Store,
    import: &Import,
    author: &Author,
    name: &str,
    bytes: Result<Vec<u8>, String>,
) -> anyhow::Result<Fate> {
    if !source::is_markdown(name) {
        return Ok(Fate::Rejected("not a .md or .markdown file".into()));
    }
    let read = bytes.and_then(|bytes| Ok((document::read(name, &bytes)?, digest(&bytes))));
    let (document, digest) = match read {
        Ok(read) => read,
        Err(why) => return Ok(Fate::Rejected(why)),
    };
    if import.dry_run {
        let known = store.content_is_imported(author.id, &digest).await?;
        return Ok(if known { Fate::Known } else { Fate::Made });
    }
    let made = store.add_content(author.id, &new(&document, import.publish), Some(&digest)).await?;
    let Some(content) = made else { return Ok(Fate::Known) };
    let by = By { user: Some(author.id), org: Some(author.org) };
    store.audit().record(by, &Event::ContentCreated { content, published: import.publish });
    Ok(Fate::Made)
}

fn new(document: &Document, published: bool) -> NewContent<'_> {
    NewContent {
        title: &document.title,
        subject: document.subject.as_deref(),
        grade_lowest: document.grade_lowest,
        grade_highest: document.grade_highest,
        language: &document.language,
        body: &document.body,
        source: document.source.as_deref(),
        licence: document.licence.as_deref(),
        published,
        classes: &[],
        files: Some(&[]),
    }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What was not taken, and why; the file is made with its first line.
struct Rejects<'a> {
    path: &'a Path,
    file: Option<BufWriter<File>>,
}

impl Rejects<'_> {
    fn add(&mut self, name: &str, why: &str) -> anyhow::Result<()> {
        let path = self.path;
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let made = File::create(path).with_context(|| format!("--rejects: {}", path.display()))?;
                none.insert(BufWriter::new(made))
            }
        };
        writeln!(file, "{}", json!({"file": name, "reason": why})).context("--rejects")
    }

    fn close(mut self) -> anyhow::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.flush()).context("--rejects")
    }
}

/// One line on a terminal: how many, how fast, and how long it will take.
struct Progress {
    all: usize,
    begun: Instant,
    drawn: Option<Instant>,
    shown: bool,
}

impl Progress {
    fn new(all: usize) -> Progress {
        Progress { all, begun: Instant::now(), drawn: None, shown: std::io::stderr().is_terminal() }
    }

    fn draw(&mut self, done: usize) {
        let now = Instant::now();
        if !self.shown || self.drawn.is_some_and(|drawn| now - drawn < DRAW) {
            return;
        }
        self.drawn = Some(now);
        eprint!("\r\x1b[K{}", line(done, self.all, now - self.begun));
    }

    fn clear(&self) {
        if self.drawn.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

fn line(done: usize, all: usize, took: Duration) -> String {
    const WIDTH: usize = 24;
    let full = WIDTH * done / all.max(1);
    let rate = done as f64 / took.as_secs_f64().max(0.001);
    let left = (all.saturating_sub(done)) as f64 / rate.max(0.001);
    format!(
        "[{}{}] {done}/{all} files, {rate:.0} a second, {}:{:02} left",
        "#".repeat(full),
        "-".repeat(WIDTH - full),
        left as u64 / 60,
        left as u64 % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_it_is() {
        let shown = line(50, 200, Duration::from_secs(5));
        assert_eq!(shown, "[######------------------] 50/200 files, 10 a second, 0:15 left");
        assert!(line(0, 0, Duration::ZERO).contains("0/0"));
        assert!(line(7, 7, Duration::from_secs(1)).ends_with("0:00 left"));
    }
}
