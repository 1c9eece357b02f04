//! One document of an import: a PDF or an office document. It is stored as an upload of its author's would be,
//! attached to content of its own, and its pages are read here and now.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::{TryStreamExt as _, stream};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::audit::{By, Event};
use crate::config::Settings;
use crate::convert::{ConvertError, Converter, Paged, Told};
use crate::files::kind::{self, Kind, Unfit};
use crate::files::{Intake, ScanError, Scanner, Spooled, Storage, name};
use crate::id::{self, Uuid};
use crate::jobs::pages::write_pages;
use crate::store::{Arrived, Held, NewFile, PagesRead, Room, Store};

use super::document::Document;
use super::{Author, Fate, Import, digest, new};

/// The task that reads the pages is this process's for so long: then a worker may take it.
const LEASE: Duration = Duration::from_secs(120);

/// What a server has for uploads.
pub(super) struct Desk {
    files: Storage,
    intake: Intake,
    converter: Converter,
    scanner: Option<Scanner>,
    user_bytes: i64,
    org_bytes: Option<i64>,
}

/// What was read of a document.
struct Read {
    paged: Paged,
    pages: Option<i32>,
    kind: Kind,
}

impl Desk {
    pub(super) fn open(settings: &Settings) -> anyhow::Result<Desk> {
        let files = &settings.files;
        Ok(Desk {
            files: Storage::open(files, &settings.data_dir)?,
            intake: Intake::open(&settings.data_dir, files.idle_timeout)
                .with_context(|| format!("FYNQ_DATA_DIR: {} cannot be used", settings.data_dir.display()))?,
            converter: Converter::new(files.program.as_deref()),
            scanner: files.scanner.clone().map(Scanner::new),
            user_bytes: files.user_bytes,
            org_bytes: files.org_bytes,
        })
    }

    /// Makes content of it. It is read first: what cannot be is not taken.
    pub(super) async fn take(
        &self,
        store: &Store,
        (import, author): (&Import, &Author),
        (given, document): (&str, &Document),
        bytes: Vec<u8>,
        told: Told<'_>,
    ) -> anyhow::Result<Fate> {
        let (made_of, sha256) = (digest(&bytes), Sha256::digest(&bytes));
        if store.content_is_imported(author.id, &made_of).await? {
            return Ok(Fate::Known);
        }
        let most = bytes.len() as u64;
        let bytes = stream::iter([Ok(Bytes::from(bytes))]);
        let spooled = self.intake.receive(bytes, most).await.context("FYNQ_DATA_DIR")?;
        let read = match self.read(&spooled, given, told).await? {
            Ok(read) => read,
            Err(why) => return Ok(Fate::Rejected(why)),
        };
        if import.dry_run {
            return Ok(Fate::Made);
        }
        let name = name::kept(given, read.kind.ending, read.kind.also);
        // What an import that broke off has left is taken up again.
        let file = match store.loose_file(author.id, &name, &sha256).await? {
            Some(file) => file,
            None => match self.keep(store, author, &spooled, (&name, read.kind, &sha256)).await? {
                Ok(file) => file,
                Err(why) => return Ok(Fate::Rejected(why)),
            },
        };
        let files = [file];
        let content = super::NewContent { files: Some(&files), ..new(document, import.publish) };
        let Some(content) = store.add_content(author.id, &content, Some(&made_of)).await? else {
            return Ok(Fate::Known);
        };
        let by = By { user: Some(author.id), org: Some(author.org) };
        store.audit().record(by, &Event::ContentCreated { content, published: import.publish });
        write(store, author, (content, file), &read).await?;
        Ok(Fate::Made)
    }

    /// `Err`: why it is not taken.
    async fn read(
        &self,
        spooled: &Spooled,
        given: &str,
        told: Told<'_>,
    ) -> anyhow::Result<Result<Read, String>> {
        let (path, named) = (spooled.path().to_owned(), given.to_owned());
        let kind = tokio::task::spawn_blocking(move || kind::look(&path, &named)).await??;
        let kind = match kind {
            Ok(kind) if Converter::reads(kind.media_type) => kind,
            Ok(_) | Err(Unfit::Unknown) => return Ok(Err("not a PDF or an office document".into())),
            Err(Unfit::CutOff) => return Ok(Err("its end is missing".into())),
        };
        match self.look(spooled.path()).await {
            Ok(()) => {}
            Err(ScanError::Found) => return Ok(Err("the scanner found malware".into())),
            Err(away @ ScanError::Away) => return Err(away).context("FYNQ_CLAMD"),
        }
        let into = self.intake.file();
        let words = match self.converter.words(kind.media_type, spooled.path(), into.path(), told).await {
            Ok(words) => words,
            Err(ConvertError::Broken) => return Ok(Err("it cannot be read".into())),
            Err(ConvertError::TooLarge) => return Ok(Err("it takes too much to read".into())),
            Err(error @ (ConvertError::Busy | ConvertError::Failed)) => return Err(error.into()),
        };
        let text = into.read(words.text).await?.try_collect::<Vec<_>>().await?.concat();
        let text = String::from_utf8_lossy(&text);
        Ok(Ok(Read { paged: Paged::of(&text, words.pages.is_some(), words.cut), pages: words.pages, kind }))
    }

    async fn look(&self, path: &Path) -> Result<(), ScanError> {
        match &self.scanner {
            Some(scanner) => scanner.look(path).await,
            None => Ok(()),
        }
    }

    /// Stores it as the author's; `Err`: why it is not taken.
    async fn keep(
        &self,
        store: &Store,
        author: &Author,
        spooled: &Spooled,
        (name, kind, sha256): (&str, Kind, &[u8]),
    ) -> anyhow::Result<Result<Uuid, String>> {
        let (id, owner) = (id::new(), author.id);
        let key = format!("{owner}/{}", Uuid::new_v4().simple());
        let room = i64::try_from(spooled.size).unwrap_or(i64::MAX);
        let (of_user, of_org) = (self.user_bytes, self.org_bytes);
        match store.begin_file(NewFile { id, owner, name: "", key: &key, room, of_user, of_org }).await? {
            Room::Kept => {}
            Room::NoneOfUser => return Ok(Err("the author's files take all the room that they may".into())),
            Room::NoneOfOrganisation => return Ok(Err("the school's files take all the room".into())),
        }
        let bytes = spooled.read(0..spooled.size).await?;
        if let Err(error) = self.files.put(&key, bytes, spooled.size).await {
            let _ = store.drop_file(owner, id).await;
            return Err(error).context("the storage");
        }
        let arrived = Arrived { name, media_type: kind.media_type, size: room, edges: None, sha256 };
        store.file_arrived(owner, id, arrived).await?.context("the author's account is gone")?;
        let by = By { user: Some(owner), org: Some(author.org) };
        store.audit().record(by, &Event::FileUploaded { file: id });
        Ok(Ok(id))
    }
}

/// Does the work of the task that reads the pages, unless a worker was faster. If this ends in the middle, one does
/// it from the beginning.
async fn write(
    store: &Store,
    author: &Author,
    (content, file): (Uuid, Uuid),
    read: &Read,
) -> anyhow::Result<()> {
    let made = store.content(author.id, content).await?.map(|(made, _)| made);
    let task = made.and_then(|made| made.files.first()?.task).context("the content is gone")?;
    let who = format!("import/{}", std::process::id());
    let Some(held) = store.hold_task(task, &who, LEASE).await? else { return Ok(()) };
    write_pages(store, held, &read.paged).await?;
    let Held { id: task, .. } = held;
    let (read_pages, cut) = (read.paged.pages.len(), read.paged.cut);
    let effect = Store::pages_effect(PagesRead { file, task, pages: read.pages, read_pages, cut });
    let told = json!({"file": file, "pages": read_pages, "cut": cut});
    Ok(store.finish_task(held, Some(&told), &[effect]).await?)
}
