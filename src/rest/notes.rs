//! Notes on students: of those who teach them, for those who teach them.

use axum::Json;
use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::audit::Event;
use crate::auth;
use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::{Principal, Role};
use crate::problem::Problem;
use crate::protocol::Person;
use crate::store;

use super::input::{Id, Valid, ValidQuery, no_nul, not_blank};
use super::page::{ListQuery, Page};

/// A note on a student.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Note {
    id: Uuid,
    student_id: Uuid,
    /// `null`: their account is gone.
    #[schema(required)]
    author: Option<Person>,
    text: String,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<store::Note> for Note {
    fn from(row: store::Note) -> Note {
        Note {
            id: row.id,
            student_id: row.student_id,
            author: row.author,
            text: row.text,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoteInput {
    #[garde(length(chars, min = 1, max = 4000), custom(not_blank), custom(no_nul))]
    #[schema(min_length = 1, max_length = 4000)]
    text: String,
}

/// The notes on a student, the newest first. For those who teach them and their admin; the student gets a
/// 403.
#[utoipa::path(
    get, path = "/students/{id}/notes", tag = "tutoring", params(("id" = Uuid, Path), ListQuery),
    responses((status = 200, body = Page<Note>), (status = 403, description = "`forbidden`: on oneself"))
)]
pub(super) async fn list(
    State(app): State<App>,
    who: Principal,
    Id(student): Id,
    ValidQuery(query): ValidQuery<ListQuery>,
) -> Result<Json<Page<Note>>, Problem> {
    app.auth.watched_person(&who, student).await?;
    app.audit.read(&who, &Event::NotesRead { student, why: who.role.into() });
    let page = app.store.notes_of(who.user_id, student, query.after()?, query.limit()).await?;
    Ok(Json(Page::of(page, Note::from)))
}

/// Writes a note on a student. By those who teach them and their admin.
#[utoipa::path(
    post, path = "/students/{id}/notes", tag = "tutoring", params(("id" = Uuid, Path)),
    request_body = NoteInput,
    responses((status = 201, body = Note), (status = 403, description = "`forbidden`: on oneself"))
)]
pub(super) async fn add(
    State(app): State<App>,
    who: Principal,
    Id(student): Id,
    Valid(input): Valid<NoteInput>,
) -> Result<(StatusCode, Json<Note>), Problem> {
    app.auth.watched_person(&who, student).await?;
    let note = app.store.add_note(who.user_id, student, input.text.trim()).await?;
    let note = note.ok_or_else(Problem::not_found)?;
    app.audit.record(&who, &Event::NoteWritten { student });
    Ok((StatusCode::CREATED, Json(note.into())))
}

/// Changes a note. By its author alone, while they teach the student.
#[utoipa::path(
    patch, path = "/notes/{id}", tag = "tutoring", params(("id" = Uuid, Path)), request_body = NoteInput,
    responses((status = 200, body = Note), (status = 403, description = "`forbidden`: another's note"))
)]
pub(super) async fn change(
    State(app): State<App>,
    who: Principal,
    Id(note): Id,
    Valid(input): Valid<NoteInput>,
) -> Result<Json<Note>, Problem> {
    let student = writable(&app, &who, note, false).await?;
    let note = app.store.change_note(who.user_id, note, input.text.trim()).await?;
    let note = note.ok_or_else(Problem::not_found)?;
    app.audit.record(&who, &Event::NoteWritten { student });
    Ok(Json(note.into()))
}

/// Deletes a note. By its author, while they teach the student, and by the admin.
#[utoipa::path(
    delete, path = "/notes/{id}", tag = "tutoring", params(("id" = Uuid, Path)),
    responses((status = 204), (status = 403, description = "`forbidden`: another's note"))
)]
pub(super) async fn delete(
    State(app): State<App>,
    who: Principal,
    Id(note): Id,
) -> Result<StatusCode, Problem> {
    let student = writable(&app, &who, note, true).await?;
    if !app.store.delete_note(who.user_id, note).await? {
        return Err(Problem::not_found());
    }
    app.audit.record(&who, &Event::NoteDeleted { student });
    Ok(StatusCode::NO_CONTENT)
}

/// That the note is theirs to write, or the admin's to delete. Gives the student that it is on.
async fn writable(app: &App, who: &Principal, note: Uuid, by_admin: bool) -> Result<Uuid, Problem> {
    let row = app.store.note(who.user_id, note).await?.ok_or_else(Problem::not_found)?;
    app.auth.watched_person(who, row.student_id).await?;
    let author = row.author.is_some_and(|author| author.id == who.user_id);
    if author || (by_admin && who.role == Role::Admin) {
        return Ok(row.student_id);
    }
    Err(auth::forbidden(who, "note"))
}

#[cfg(test)]
mod tests {
    use super::super::input::read;
    use super::*;

    #[test]
    fn a_note_is_checked() {
        let good = |body: &str| read::<NoteInput>(body.as_bytes()).is_ok();
        assert!(good(r#"{"text":"Two lines\nare well."}"#));
        assert!(good(&format!(r#"{{"text":"{}"}}"#, "ü".repeat(4000))));
        assert!(!good(&format!(r#"{{"text":"{}"}}"#, "x".repeat(4001))));
        for bad in
            [r#"{}"#, r#"{"text":""}"#, r#"{"text":" \n"}"#, r#"{"text":"a\u0000"}"#, r#"{"text":null}"#]
        {
            assert!(!good(bad), "{bad}");
        }
        for field in ["author_id", "student_id", "org_id", "id"] {
            assert!(!good(&format!(r#"{{"text":"x","{field}":"x"}}"#)), "{field}");
        }
    }
}
