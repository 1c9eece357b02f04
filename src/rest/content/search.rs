//! Finding words in it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::app::App;
use crate::identity::Principal;
use crate::problem::Problem;
use crate::store::{ContentPlace, ContentQuery};

use super::super::input::Valid;
use super::super::page::{Page, Search};
use super::wire::Listed;

/// Something that holds the words which were looked for.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::rest) struct Found {
    #[serde(flatten)]
    about: Listed,
    /// Where they stand: plain text in pieces, one after the other.
    excerpt: Vec<Piece>,
}

#[derive(Serialize, utoipa::ToSchema)]
struct Piece {
    text: String,
    /// It is what was looked for.
    hit: bool,
}

/// What of it holds some words, the best first. Words are found in other forms of theirs where the text's
/// language has rules for that; `"…"` asks for a phrase, `or` for one of two, `-` for what is without a word.
#[utoipa::path(
    post, path = "/content/search", tag = "content", request_body = Search,
    responses((status = 200, body = Page<Found>))
)]
pub(in crate::rest) async fn search(
    State(app): State<App>,
    who: Principal,
    Valid(search): Valid<Search>,
) -> Result<Json<Page<Found>>, Problem> {
    let after: Option<ContentPlace> = search.after()?;
    let query =
        ContentQuery { words: search.words(), any_word: false, subject: None, grade: None, published: false };
    let page = app.store.search_content(who.user_id, query, after, search.limit()).await?;
    Ok(Json(Page::of(page, |row| {
        let pieces = row.excerpt.into_iter().map(|piece| Piece { text: piece.text, hit: piece.hit });
        Found { about: Listed::of(&who, row.content), excerpt: pieces.collect() }
    })))
}
