//! What a session was about, for whoever may read it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::app::App;
use crate::audit::Event;
use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::{Access, Principal};
use crate::problem::Problem;

use super::input::Id;

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Summary {
    session_id: Uuid,
    /// The model's words.
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// What a session was about, some time after it went quiet. For its student, and those who watch it.
#[utoipa::path(
    get, path = "/sessions/{id}/summary", tag = "sessions", params(("id" = Uuid, Path)),
    responses(
        (status = 200, body = Summary),
        (status = 404, description = "`not_found`: also while there is no summary"),
    )
)]
pub(super) async fn get(
    State(app): State<App>,
    who: Principal,
    Id(session): Id,
) -> Result<Json<Summary>, Problem> {
    let (row, access) = app.auth.access(&who, session).await?;
    let summary = app.store.summary(who.user_id, session).await?.ok_or_else(Problem::not_found)?;
    if access == Access::Observer {
        let (student, why) = (row.student_id, who.role.into());
        app.audit.read(&who, &Event::ConversationRead { session: Some(session), student, why });
    }
    Ok(Json(Summary {
        session_id: summary.session_id,
        text: summary.text,
        model: summary.model,
        created_at: summary.created_at,
    }))
}
