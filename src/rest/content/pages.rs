//! The pages that were read of an attached file.

use axum::Json;
use axum::extract::{Path, State};
use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::identity::Principal;
use crate::problem::Problem;

use super::super::input::{ValidQuery, parse_id};

/// Pages of one answer, if none are asked for.
const SOME: u32 = 20;

#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::rest) struct PagesQuery {
    /// The first one.
    #[garde(range(min = 1))]
    #[param(minimum = 1, default = 1)]
    from: Option<i32>,
    #[garde(range(min = 1, max = 100))]
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// What was read of a file, as far as it was asked for.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::rest) struct Pages {
    pages: Vec<ReadPage>,
    /// How many there are.
    total: i32,
}

#[derive(Serialize, utoipa::ToSchema)]
struct ReadPage {
    page: i32,
    /// Plain words, as they stand there.
    text: String,
}

/// The words of an attached file, page by page; of a file without pages, part by part. None while it is not read.
/// For those who see the content.
#[utoipa::path(
    get, path = "/content/{id}/files/{file}/pages", tag = "content",
    params(("id" = Uuid, Path), ("file" = Uuid, Path), PagesQuery),
    responses((status = 200, body = Pages))
)]
pub(in crate::rest) async fn pages(
    State(app): State<App>,
    who: Principal,
    Path((content, file)): Path<(String, String)>,
    ValidQuery(query): ValidQuery<PagesQuery>,
) -> Result<Json<Pages>, Problem> {
    let of = parse_id(&content).zip(parse_id(&file)).ok_or_else(Problem::not_found)?;
    let limit = query.limit.unwrap_or(SOME) as usize;
    let read = app.store.content_pages(who.user_id, of, query.from.unwrap_or(1), limit).await?;
    let (pages, total) = read.ok_or_else(Problem::not_found)?;
    let pages = pages.into_iter().map(|page| ReadPage { page: page.page, text: page.text });
    Ok(Json(Pages { pages: pages.collect(), total }))
}
