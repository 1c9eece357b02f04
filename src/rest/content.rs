//! What tutors write for students: reading it, writing it, its versions, and finding words in it.

pub(super) mod editing;
pub(super) mod pages;
pub(super) mod search;
pub(super) mod versions;
mod wire;

pub(super) use wire::ContentState;

use crate::app::App;
use crate::audit::Event;
use crate::auth;
use crate::id::Uuid;
use crate::identity::Principal;
use crate::problem::Problem;
use crate::store::{self, NewContent};
use wire::{Content, Listed};

async fn read(app: &App, who: &Principal, content: Uuid) -> Result<Content, Problem> {
    let row = app.store.content(who.user_id, content).await?;
    let (row, body) = row.ok_or_else(Problem::not_found)?;
    Ok(Content { about: Listed::of(who, row), body })
}

/// Under the version that was read, and no other.
async fn replace(
    app: &App,
    who: &Principal,
    (content, version): (Uuid, i32),
    new: &NewContent<'_>,
) -> Result<Content, Problem> {
    if !app.store.change_content(who.user_id, content, version, new).await? {
        let now = writable(app, who, content).await?.version;
        return Err(Problem::conflict().because(format!("Somebody was faster: it is version {now} by now.")));
    }
    app.audit.record(who, &Event::ContentChanged { content, published: new.published });
    read(app, who, content).await
}

/// That it is theirs to change.
async fn writable(app: &App, who: &Principal, content: Uuid) -> Result<store::Content, Problem> {
    let row = app.store.content(who.user_id, content).await?;
    let (row, _) = row.ok_or_else(Problem::not_found)?;
    if row.editable { Ok(row) } else { Err(auth::forbidden(who, "content")) }
}
