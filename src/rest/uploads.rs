//! A file on its way in: a row with room for it, its bytes to the disk, a look at what they are, then the
//! storage, then the row again. Whatever breaks off, nothing stays but what the sweep finds.
//!
//! ```text
//! turn ─ room and row ─ receive ─ kind ─ scanner ─ convert ─ put ─ ready
//! ```

use std::io;
use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, BodyDataStream, HttpBody as _};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Request};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use crate::app::App;
use crate::audit::Event;
use crate::convert::Image;
use crate::files::kind::{self, Kind, Unfit};
use crate::files::{IntakeError, Spooled, name};
use crate::id::{self, Uuid};
use crate::identity::Principal;
use crate::problem::Problem;
use crate::store::{self, Arrived, NewFile, Room};

/// What a form has beside its file: boundaries and the heads of parts.
const AROUND: u64 = 64 << 10;
/// Its first part begins within so many bytes: until then they are kept in memory.
const BEFORE: u64 = 1 << 20;

/// A form with one file.
pub(super) struct Form {
    parts: Multipart,
    body: Arc<Mutex<Bytewise>>,
    /// The most that its file can have, by what the request says.
    room: u64,
}

impl Form {
    /// What says itself that it is too large is not waited for.
    pub(super) async fn open(app: &App, request: Request) -> Result<Form, Problem> {
        let most = app.settings.files.file_bytes;
        let hint = request.body().size_hint();
        if hint.lower() > most + AROUND {
            return Err(Problem::file_too_large());
        }
        let room = hint.exact().unwrap_or(most).min(most);
        let (head, body) = request.into_parts();
        let body = Arc::new(Mutex::new(Bytewise::new(body)));
        let from = Arc::clone(&body);
        let bytes = stream::unfold(from, async |from| {
            let chunk = from.lock().await.next().await;
            chunk.map(|chunk| (chunk, from))
        });
        let mut request = Request::from_parts(head, Body::from_stream(bytes));
        let limit = usize::try_from(most + AROUND).unwrap_or(usize::MAX);
        DefaultBodyLimit::max(limit).apply(&mut request);
        let parts = Multipart::from_request(request, &()).await.map_err(|_| {
            Problem::unsupported_media_type().because("The body must be multipart/form-data with a boundary.")
        })?;
        Ok(Form { parts, body, room })
    }

    /// The next part, if there is one.
    pub(super) async fn next(&mut self, app: &App) -> Result<Option<Field<'_>>, Problem> {
        let idle = app.settings.files.idle_timeout;
        match tokio::time::timeout(idle, self.parts.next_field()).await {
            Ok(part) => part.map_err(|error| Problem::from(broken(&error))),
            Err(_) => Err(Problem::request_timeout()),
        }
    }

    /// The most that its file can have.
    pub(super) fn room(&self) -> u64 {
        self.room
    }

    /// Keeps the file of a form that has nothing else.
    pub(super) async fn keep(mut self, app: &App, who: &Principal) -> Result<store::File, Problem> {
        let room = self.room;
        let missing = || Problem::field("/file", "is required");
        let part = self.next(app).await?.ok_or_else(missing)?;
        if part.name() != Some("file") {
            return Err(Problem::field("/file", "must be the only part of the form"));
        }
        let given = part.file_name().unwrap_or_default().to_owned();
        let upload = Upload::begin(app, who, &given, room).await?;
        let spooled = upload.receive(part).await?;
        if self.next(app).await?.is_some() {
            return Err(Problem::field("/file", "must be the only part of the form"));
        }
        self.ended(app).await?;
        upload.keep(spooled).await
    }

    /// That the request has what it says, and not much more, behind the form's end.
    pub(super) async fn ended(self, app: &App) -> Result<(), Problem> {
        let idle = app.settings.files.idle_timeout;
        // The form holds the body while it lives.
        drop(self.parts);
        let mut body = self.body.lock().await;
        let mut behind = 0;
        loop {
            match tokio::time::timeout(idle, body.next()).await {
                Err(_) => return Err(Problem::request_timeout()),
                Ok(None) => return Ok(()),
                Ok(Some(Err(_))) => return Err(IntakeError::BrokenOff.into()),
                Ok(Some(Ok(chunk))) => behind += chunk.len() as u64,
            }
            if behind > AROUND {
                return Err(Problem::bad_request().because("Too much follows the form."));
            }
        }
    }
}

/// A body as it comes; one whose first bytes are an endless head of a part ends there.
struct Bytewise {
    body: BodyDataStream,
    seen: u64,
    head_ended: bool,
    tail: [u8; 3],
}

impl Bytewise {
    fn new(body: Body) -> Bytewise {
        Bytewise { body: body.into_data_stream(), seen: 0, head_ended: false, tail: [0; 3] }
    }

    async fn next(&mut self) -> Option<Result<Bytes, axum::Error>> {
        let chunk = match self.body.next().await? {
            Ok(chunk) => chunk,
            Err(error) => return Some(Err(error)),
        };
        if !self.head_ended {
            self.seen += chunk.len() as u64;
            // The end of a head may be in two pieces.
            let joint = [&self.tail[..], &chunk].concat();
            self.head_ended = memchr::memmem::find(&joint, b"\r\n\r\n").is_some();
            self.tail.copy_from_slice(&joint[joint.len() - 3..]);
            if !self.head_ended && self.seen > BEFORE {
                return Some(Err(axum::Error::new(io::Error::other("no part begins"))));
            }
        }
        Some(Ok(chunk))
    }
}

fn broken(error: &MultipartError) -> IntakeError {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => IntakeError::TooLarge,
        _ => IntakeError::BrokenOff,
    }
}

/// One upload: its row, and the right to it.
pub(super) struct Upload {
    row: Arriving,
    who: Principal,
    given: String,
    _turn: crate::files::Turn,
}

impl Upload {
    /// Keeps room for as much as may come.
    pub(super) async fn begin(app: &App, who: &Principal, given: &str, room: u64) -> Result<Upload, Problem> {
        let turn = app.intake.turn(who.user_id)?;
        let row = Arriving::begin(app, who.user_id, room).await?;
        Ok(Upload { row, who: who.clone(), given: given.to_owned(), _turn: turn })
    }

    /// Takes the bytes in.
    pub(super) async fn receive(&self, part: Field<'_>) -> Result<Spooled, Problem> {
        let app = &self.row.app;
        let bytes = part.map_err(|error| broken(&error));
        Ok(app.intake.receive(bytes, app.settings.files.file_bytes).await?)
    }

    /// What came is kept, also when its sender does not wait for it.
    pub(super) async fn keep(self, spooled: Spooled) -> Result<store::File, Problem> {
        let kept = tokio::spawn(async move { self.look_and_store(spooled).await });
        kept.await.map_err(|_| Problem::internal())?
    }

    async fn look_and_store(mut self, spooled: Spooled) -> Result<store::File, Problem> {
        let app = self.row.app.clone();
        let kind = self.kind(&spooled).await?;
        if let Some(scanner) = &app.scanner {
            scanner.look(spooled.path()).await.map_err(|error| self.refused(error.into()))?;
        }
        let (kind, edges, size, sha256) = if kind.is_image {
            let encoded = app.intake.file();
            let image = app.converter.image(spooled.path(), encoded.path()).await?;
            drop(spooled);
            let (size, sha256) = self.put(&self.row.key, &encoded, image.whole.clone()).await?;
            self.put(&preview_key(&self.row.key), &encoded, image.preview.clone()).await?;
            (kept_as(&image)?, Some((image.width, image.height)), size, sha256)
        } else {
            let (size, sha256) = self.put(&self.row.key, &spooled, 0..spooled.size).await?;
            (kind, None, size, sha256)
        };
        let name = name::kept(&self.given, kind.ending, kind.also);
        let arrived = Arrived {
            name: &name,
            media_type: kind.media_type,
            size: i64::try_from(size).unwrap_or(i64::MAX),
            edges,
            sha256: &sha256,
        };
        let file = app.store.file_arrived(self.who.user_id, self.row.id, arrived).await?;
        // Its account is gone, say.
        let file = file.ok_or_else(Problem::not_found)?;
        self.row.is_there = true;
        app.audit.record(&self.who, &Event::FileUploaded { file: file.id });
        metrics::counter!("fynq_files_kept_total", "type" => kind.media_type).increment(1);
        Ok(file)
    }

    async fn kind(&self, spooled: &Spooled) -> Result<Kind, Problem> {
        let (path, given) = (spooled.path().to_owned(), self.given.clone());
        let looked = tokio::task::spawn_blocking(move || kind::look(&path, &given)).await;
        match looked.map_err(|_| Problem::internal())?.map_err(|_| Problem::internal())? {
            Ok(kind) => Ok(kind),
            Err(Unfit::Unknown) => Err(Problem::unsupported_file()),
            Err(Unfit::CutOff) => Err(Problem::unreadable_file()),
        }
    }

    fn refused(&self, problem: Problem) -> Problem {
        if problem == Problem::malware_found() {
            self.row.app.audit.record(&self.who, &Event::MalwareFound);
        }
        problem
    }

    /// A part of a spooled file into the storage: its size and its hash.
    async fn put(&self, key: &str, from: &Spooled, range: Range<u64>) -> Result<(u64, Vec<u8>), Problem> {
        let app = &self.row.app;
        let most = range.end - range.start;
        let bytes = from.read(range).await.map_err(|_| Problem::internal())?;
        let mut hash = Sha256::new();
        let bytes = bytes.inspect_ok(|chunk| hash.update(chunk));
        let size = app.files_of(&self.who)?.put(key, bytes, most).await?;
        Ok((size, hash.finalize().to_vec()))
    }
}

fn kept_as(image: &Image) -> Result<Kind, Problem> {
    kind::of(&image.media_type).ok_or_else(Problem::internal)
}

fn preview_key(key: &str) -> String {
    format!("{key}.preview")
}

/// A row that says that a file arrives. Unless it gets there, the row and what was stored go again.
struct Arriving {
    app: App,
    owner: Uuid,
    id: Uuid,
    key: String,
    is_there: bool,
}

impl Arriving {
    async fn begin(app: &App, owner: Uuid, room: u64) -> Result<Arriving, Problem> {
        let files = &app.settings.files;
        // The owner's folder, so that a bucket's own rules may speak of it; the rest nobody guesses.
        let key = format!("{owner}/{}", Uuid::new_v4().simple());
        let row = Arriving { app: app.clone(), owner, id: id::new(), key, is_there: false };
        let new = NewFile {
            id: row.id,
            owner,
            name: "",
            key: &row.key,
            room: i64::try_from(room).unwrap_or(i64::MAX),
            of_user: files.user_bytes,
            of_org: files.org_bytes,
        };
        match app.store.begin_file(new).await? {
            Room::Kept => Ok(row),
            Room::NoneOfUser => Err(Problem::no_room()),
            Room::NoneOfOrganisation => {
                Err(Problem::no_room().because("The files of your school take all the room that it has."))
            }
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if self.is_there {
            return;
        }
        let (app, owner, id) = (self.app.clone(), self.owner, self.id);
        let keys = [preview_key(&self.key), std::mem::take(&mut self.key)];
        // Outside of a runtime nothing more happens; the sweep finds what is left.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            match app.store.drop_file(owner, id).await {
                Ok(true) => {
                    for key in keys {
                        let _ = app.files.delete(&key).await;
                    }
                }
                // It may have arrived after all, and only the word of it was lost: then its blobs are alive.
                Ok(false) => {}
                Err(error) => tracing::debug!(%error, "an upload that failed is left to the sweep"),
            }
        });
    }
}
