//! Everything about somebody as one JSON document, read and sent piece by piece.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::app::{App, BlobsError};
use crate::audit::Event;
use crate::clock;
use crate::files::{Storage, StorageError};
use crate::id::Uuid;
use crate::identity::Principal;
use crate::problem::Problem;
use crate::store::{Part, Store, StoreError};

use super::input::Id;
use super::records::of_my_organisation;

/// Rows that are asked for at once: the most that is in memory, with the pieces below.
const ROWS: usize = 50;
/// Pieces that wait for the reader; when they are so many, nothing more is read from the database.
const PIECES: usize = 2;

/// Everything that is kept about oneself: profile, sign-ins, classes, consents, what is written down, what one
/// wrote for students, every file with its bytes, and every session with its messages, superseded ones too.
#[utoipa::path(
    get, path = "/users/me/export", tag = "records",
    responses((status = 200, content_type = "application/json", body = Object))
)]
pub(super) async fn own(State(app): State<App>, who: Principal) -> Result<Response, Problem> {
    let user = who.user_id;
    handed_out(&app, &who, user).await
}

/// Everything that is kept about somebody. By an admin.
#[utoipa::path(
    get, path = "/admin/users/{id}/export", tag = "records", params(("id" = Uuid, Path)),
    responses(
        (status = 200, content_type = "application/json", body = Object),
        (status = 403, description = "`forbidden`: admins alone"),
    )
)]
pub(super) async fn of_user(
    State(app): State<App>,
    who: Principal,
    Id(user): Id,
) -> Result<Response, Problem> {
    of_my_organisation(&app, &who, user).await?;
    handed_out(&app, &who, user).await
}

async fn handed_out(app: &App, who: &Principal, user: Uuid) -> Result<Response, Problem> {
    app.audit.first(who, &Event::Exported { user }).await?;
    let (pieces, ready) = mpsc::channel(PIECES);
    let export =
        Export { store: app.store.clone(), blobs: app.files_of(who)?, who: who.user_id, of: user, pieces };
    tokio::spawn(export.run());
    // What takes its time goes to nobody whose rights have ended meanwhile: it breaks off, too.
    let rights_end = Box::pin(app.auth.rights_end(who));
    let body = stream::unfold(Some((ready, rights_end)), |state| async {
        let (mut ready, mut rights_end) = state?;
        tokio::select! {
            biased;
            () = &mut rights_end => Some((Err(io::Error::other("the rights to an export have ended")), None)),
            piece = ready.recv() => piece.map(|piece| (piece, Some((ready, rights_end)))),
        }
    });
    let name = format!("attachment; filename=\"fynq-{user}.json\"");
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(|_| Problem::internal())?),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

struct Export {
    store: Store,
    blobs: Storage,
    who: Uuid,
    of: Uuid,
    pieces: mpsc::Sender<io::Result<Bytes>>,
}

enum Stop {
    /// The reader has gone.
    Gone,
    Failed(BlobsError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Stop::Failed(error.into())
    }
}

impl From<StorageError> for Stop {
    fn from(error: StorageError) -> Stop {
        Stop::Failed(error.into())
    }
}

impl Export {
    async fn run(self) {
        if let Err(Stop::Failed(error)) = self.all().await {
            tracing::warn!(%error, "an export broke off");
            // The connection ends without the document's end: nobody takes a half for the whole.
            let _ = self.pieces.send(Err(io::Error::other("the export broke off"))).await;
        }
    }

    async fn all(&self) -> Result<(), Stop> {
        let profile = self.store.export(self.who, self.of, Part::Profile).await?;
        let profile = profile.into_iter().next().unwrap_or(Value::Null);
        self.say(format!("{{\"exported_at\":\"{}\",\n\"profile\":{profile}", clock::now())).await?;
        for (name, part) in
            [("sign_ins", Part::SignIns), ("classes", Part::Classes), ("consents", Part::Consents)]
        {
            let rows = Value::Array(self.store.export(self.who, self.of, part).await?);
            self.say(format!(",\n\"{name}\":{rows}")).await?;
        }
        self.audit().await?;
        self.content().await?;
        self.files().await?;
        self.sessions().await?;
        self.say("}\n".to_owned()).await
    }

    async fn audit(&self) -> Result<(), Stop> {
        self.say(",\n\"audit\":[".to_owned()).await?;
        let (mut after, mut first) = (None, true);
        loop {
            let rows = self.store.export_audit(self.who, self.of, after, ROWS).await?;
            after = rows.last().and_then(id_of);
            for row in rows {
                self.item(&mut first, row.to_string()).await?;
            }
            if after.is_none() {
                return self.say("]".to_owned()).await;
            }
        }
    }

    /// What they wrote for students: one after the other, as each may be long.
    async fn content(&self) -> Result<(), Stop> {
        self.say(",\n\"content\":[".to_owned()).await?;
        let (mut after, mut first) = (None, true);
        loop {
            let rows = self.store.export_content(self.who, self.of, after, 4).await?;
            after = rows.last().and_then(id_of);
            for row in rows {
                self.item(&mut first, row.to_string()).await?;
            }
            if after.is_none() {
                return self.say("]".to_owned()).await;
            }
        }
    }

    async fn files(&self) -> Result<(), Stop> {
        self.say(",\n\"files\":[".to_owned()).await?;
        let (mut after, mut first) = (None, true);
        loop {
            let rows = self.store.export_files(self.who, self.of, after, ROWS).await?;
            after = rows.last().map(|(id, ..)| *id);
            for (_, key, about) in rows {
                // The bytes go where the file's object ends.
                let about = about.to_string();
                let open = about.strip_suffix('}').unwrap_or(&about);
                self.item(&mut first, format!("{open},\"data\":\"")).await?;
                self.bytes(&key).await?;
                self.say("\"}".to_owned()).await?;
            }
            if after.is_none() {
                return self.say("]".to_owned()).await;
            }
        }
    }

    /// A blob as base64, piece by piece; nothing where it is gone meanwhile.
    async fn bytes(&self, key: &str) -> Result<(), Stop> {
        let mut blob = match self.blobs.get(key, None).await {
            Err(StorageError::Missing) => return Ok(()),
            blob => blob?,
        };
        let mut held = BytesMut::new();
        while let Some(chunk) = blob.bytes.next().await {
            held.extend_from_slice(&chunk?);
            // Whole groups of three: only the last piece is padded.
            let whole = held.len() / 3 * 3;
            self.say(BASE64_STANDARD.encode(held.split_to(whole))).await?;
        }
        self.say(BASE64_STANDARD.encode(held)).await
    }

    async fn sessions(&self) -> Result<(), Stop> {
        self.say(",\n\"sessions\":[".to_owned()).await?;
        let (mut after, mut first) = (None, true);
        loop {
            let rows = self.store.export_sessions(self.who, self.of, after, ROWS).await?;
            after = rows.last().and_then(id_of);
            for row in &rows {
                let Some(id) = id_of(row) else { continue };
                // The messages go where the session's object ends.
                let row = row.to_string();
                let open = row.strip_suffix('}').unwrap_or(&row);
                self.item(&mut first, format!("{open},\"messages\":[")).await?;
                self.messages(id).await?;
            }
            if after.is_none() {
                return self.say("]".to_owned()).await;
            }
        }
    }

    async fn messages(&self, session: Uuid) -> Result<(), Stop> {
        let (mut after, mut first) = (i64::MIN, true);
        loop {
            let rows = self.store.export_messages(self.who, session, after, ROWS).await?;
            let Some((last, _)) = rows.last() else { return self.say("]}".to_owned()).await };
            after = *last;
            for (_, row) in rows {
                self.item(&mut first, row.to_string()).await?;
            }
        }
    }

    async fn item(&self, first: &mut bool, text: String) -> Result<(), Stop> {
        let comma = if std::mem::take(first) { "" } else { ",\n" };
        self.say(format!("{comma}{text}")).await
    }

    async fn say(&self, text: String) -> Result<(), Stop> {
        self.pieces.send(Ok(Bytes::from(text))).await.map_err(|_| Stop::Gone)
    }
}

fn id_of(row: &Value) -> Option<Uuid> {
    row["id"].as_str().and_then(|id| Uuid::try_parse(id).ok())
}
