//! `fynq content import`: a folder or an archive of CommonMark files, PDFs and office documents becomes content, in
//! the database itself.
//! What is in a file is its key, so that an import that broke off goes on where it was, and one that is repeated
//! makes nothing twice.

mod book;
mod document;
mod source;

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::audit::{By, Event};
use crate::config::Settings;
use crate::convert::Told;
use crate::id::Uuid;
use crate::identity::Role;
use crate::store::{NewContent, Store};
use book::Desk;
use document::{Document, MAX_FILE};
use source::Source;

/// How often the line of the progress is drawn.
const DRAW: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub enum Order {
    /// Make content of CommonMark files (.md, .markdown), each with or without front matter (title, subject,
    /// grades, language, source, licence), and of documents (.pdf, .docx, .pptx, .odt), each attached to content that
    /// has its name, its pages read; what was imported before is left as it is
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
    /// The language of documents, which do not say it
    #[arg(long, default_value = "en")]
    language: String,
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
    let done = all(settings, &store, &import, source).await;
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

async fn all(
    settings: &Settings,
    store: &Store,
    import: &Import,
    mut source: Source,
) -> anyhow::Result<(Count, String)> {
    let author = author(store, import).await?;
    let documents = (0..source.len()).any(|at| source::is_document(source.name(at)));
    let desk = documents.then(|| Desk::open(settings)).transpose()?;
    let mut rejects = Rejects { path: &import.rejects, file: None };
    let progress = Progress::new(source.len());
    let mut count = Count::default();
    for at in 0..source.len() {
        let name = source.name(at).to_owned();
        let fate = match &desk {
            Some(desk) if source::is_document(&name) => {
                let most = settings.files.file_bytes;
                let bytes = source.read(at, most);
                let told = |_, _| progress.page();
                book(desk, store, (import, &author), &name, (bytes, most), &told).await?
            }
            _ => one(store, import, &author, &name, source.read(at, MAX_FILE as u64)).await?,
        };
        match fate {
            Fate::Made => count.made += 1,
            Fate::Known => count.known += 1,
            Fate::Rejected(why) => {
                count.rejected += 1;
                rejects.add(&name, &why)?;
            }
        }
        progress.file(at + 1);
    }
    progress.clear();
    rejects.close()?;
    let pages = progress.pages();
    let would = if import.dry_run { "would be " } else { "" };
    let mut told = format!(
        "{} of {} files {would}imported, {} there already, {} rejected",
        count.made,
        source.len(),
        count.known,
        count.rejected
    );
    if pages > 0 {
        told = format!("{told}, {pages} pages read");
    }
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
        return Ok(Fate::Rejected("neither a .md or .markdown file nor a document".into()));
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

async fn book(
    desk: &Desk,
    store: &Store,
    whose: (&Import, &Author),
    name: &str,
    (bytes, most): (Result<Vec<u8>, String>, u64),
    told: Told<'_>,
) -> anyhow::Result<Fate> {
    let document = document::of_file(name, &whose.0.language);
    match bytes.and_then(|bytes| Ok((bytes, document?))) {
        Ok((bytes, _)) if bytes.len() as u64 > most => {
            Ok(Fate::Rejected(format!("longer than FYNQ_FILE_BYTES ({} MiB)", most >> 20)))
        }
        Ok((bytes, document)) => desk.take(store, whose, (name, &document), bytes, told).await,
        Err(why) => Ok(Fate::Rejected(why)),
    }
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
    shown: bool,
    done: Mutex<Drawn>,
}

#[derive(Clone, Copy, Default)]
struct Drawn {
    files: usize,
    pages: usize,
    at: Option<Instant>,
}

impl Progress {
    fn new(all: usize) -> Progress {
        let (begun, shown) = (Instant::now(), std::io::stderr().is_terminal());
        Progress { all, begun, shown, done: Mutex::default() }
    }

    fn file(&self, done: usize) {
        self.draw(|drawn| drawn.files = done);
    }

    fn page(&self) {
        self.draw(|drawn| drawn.pages += 1);
    }

    fn pages(&self) -> usize {
        self.done.lock().map_or(0, |drawn| drawn.pages)
    }

    fn draw(&self, change: impl FnOnce(&mut Drawn)) {
        let Ok(mut drawn) = self.done.lock() else { return };
        change(&mut drawn);
        let now = Instant::now();
        if self.shown && drawn.at.is_none_or(|at| now - at >= DRAW) {
            drawn.at = Some(now);
            eprint!("\r\x1b[K{}", line((drawn.files, self.all), drawn.pages, now - self.begun));
        }
    }

    fn clear(&self) {
        if self.done.lock().is_ok_and(|drawn| drawn.at.is_some()) {
            eprint!("\r\x1b[K");
        }
    }
}

fn line((done, all): (usize, usize), pages: usize, took: Duration) -> String {
    const WIDTH: usize = 24;
    let full = WIDTH * done / all.max(1);
    let rate = done as f64 / took.as_secs_f64().max(0.001);
    let left = (all.saturating_sub(done)) as f64 / rate.max(0.001);
    let pages = if pages > 0 { format!(" ({pages} pages)") } else { String::new() };
    format!(
        "[{}{}] {done}/{all} files{pages}, {rate:.0} a second, {}:{:02} left",
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
        let shown = line((50, 200), 0, Duration::from_secs(5));
        assert_eq!(shown, "[######------------------] 50/200 files, 10 a second, 0:15 left");
        assert!(line((3, 4), 812, Duration::from_secs(1)).contains("3/4 files (812 pages), 3 a second"));
        assert!(line((0, 0), 0, Duration::ZERO).contains("0/0"));
        assert!(line((7, 7), 0, Duration::from_secs(1)).ends_with("0:00 left"));
    }
}
