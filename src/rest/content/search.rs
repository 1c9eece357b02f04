//! Finding words in it.

use axum::Json;
use axum::extract::State;
use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::id::Uuid;
use crate::identity::Principal;
use crate::problem::Problem;
use crate::store::{ContentPlace, ContentQuery};

use super::super::input::{Valid, no_nul, not_blank};
use super::super::page::{Page, limit, search_after};
use super::wire::Listed;

/// Something that holds the words which were looked for.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::rest) struct Found {
    #[serde(flatten)]
    about: Listed,
    /// The file of it in which they stand, and the page there; `null`: in what was written itself.
    #[schema(required)]
    file: Option<Uuid>,
    #[schema(required)]
    page: Option<i32>,
    /// Where they stand: plain text in pieces, one after the other.
    excerpt: Vec<Piece>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Piece {
    text: String,
    /// It is what was looked for.
    hit: bool,
}

/// What is looked for, in the body as of every search.
#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::rest) struct ContentSearch {
    #[garde(length(chars, min = 1, max = 200), custom(not_blank), custom(no_nul))]
    #[schema(min_length = 1, max_length = 200)]
    q: String,
    /// Of this subject, in any case.
    #[serde(default)]
    #[garde(length(chars, min = 1, max = 100), inner(custom(no_nul)))]
    #[schema(min_length = 1, max_length = 100)]
    subject: Option<String>,
    /// For this school year, among others.
    #[serde(default)]
    #[garde(range(min = 0, max = 20))]
    #[schema(minimum = 0, maximum = 20)]
    grade: Option<i16>,
    /// Items per page.
    #[serde(default)]
    #[garde(range(min = 1, max = 100))]
    #[schema(minimum = 1, maximum = 100, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    #[garde(skip)]
    #[schema(min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

/// What of it holds some words, the best first: in the text itself or in an attached document, then with the page
/// that fits best. Words are found in other forms of theirs where the text's language has rules for that; `"…"`
/// asks for a phrase, `or` for one of two, `-` for what is without a word.
#[utoipa::path(
    post, path = "/content/search", tag = "content", request_body = ContentSearch,
    responses((status = 200, body = Page<Found>))
)]
pub(in crate::rest) async fn search(
    State(app): State<App>,
    who: Principal,
    Valid(search): Valid<ContentSearch>,
) -> Result<Json<Page<Found>>, Problem> {
    let after: Option<ContentPlace> = search_after(search.cursor.as_deref())?;
    let query = ContentQuery {
        words: search.q.trim(),
        any_word: false,
        subject: search.subject.as_deref().map(str::trim),
        grade: search.grade,
        published: false,
    };
    let page = app.store.search_content(who.user_id, query, after, limit(search.limit)).await?;
    Ok(Json(Page::of(page, |row| {
        let pieces = row.excerpt.into_iter().map(|piece| Piece { text: piece.text, hit: piece.hit });
        let (file, page) = row.page.unzip();
        Found { about: Listed::of(&who, row.content), file, page, excerpt: pieces.collect() }
    })))
}
