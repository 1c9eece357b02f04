//! A session once more as it streamed, with what tutors did on its time line: for those who watch.

use axum::Json;
use axum::extract::State;
use garde::Validate;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::audit::Event;
use crate::clock::Timestamp;
use crate::id::Uuid;
use crate::identity::Principal;
use crate::problem::Problem;
use crate::protocol::{ActKind, Message, Person, SignalKind, Until, WhisperState};
use crate::store::{Acted, Replayed, Shown};

use super::input::{Id, ValidQuery};
use super::page::{ListQuery, Page};
use super::sessions::Session;

const MESSAGES: u32 = 100;
/// Of the acts and of the signals of a session: a time line with more is told up to there.
const MARKS: usize = 2000;

#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReplayQuery {
    /// Messages per page.
    #[garde(range(min = 1, max = MESSAGES))]
    #[param(minimum = 1, maximum = 100, default = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[param(min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Replay {
    session: Session,
    /// By their places; superseded ones too.
    messages: Vec<ReplayMessage>,
    /// What tutors did, the oldest first; of more than 2000 the oldest. On the first page alone.
    acts: Vec<ReplayAct>,
    /// As the acts.
    signals: Vec<ReplaySignal>,
    /// `null` on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ReplayMessage {
    #[serde(flatten)]
    message: Message,
    superseded: bool,
    /// `[[ms, bytes], …]`: so many milliseconds after its run began, so many more bytes of `content`.
    /// `null`: it was not streamed, or how is not known.
    #[schema(required, value_type = Option<Vec<Vec<u32>>>)]
    pace: Option<Vec<(u32, u32)>>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ReplayAct {
    id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    kind: ActKind,
    by: Person,
    /// Which was said, or corrected.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    whisper: Option<ReplayWhisper>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ReplayWhisper {
    text: String,
    until: Until,
    state: WhisperState,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ReplaySignal {
    kind: SignalKind,
    /// 1 to 3.
    level: u8,
    why: String,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// `null`: it is still shown.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
}

impl From<Replayed> for ReplayMessage {
    fn from(row: Replayed) -> ReplayMessage {
        ReplayMessage { message: row.message, superseded: row.superseded, pace: row.pace }
    }
}

impl From<Acted> for ReplayAct {
    fn from(row: Acted) -> ReplayAct {
        let whisper = row.whisper.map(|(text, until, state)| ReplayWhisper { text, until, state });
        ReplayAct { id: row.id, at: row.at, kind: row.kind, by: row.by, message_id: row.message, whisper }
    }
}

impl From<Shown> for ReplaySignal {
    fn from(row: Shown) -> ReplaySignal {
        ReplaySignal {
            kind: row.kind,
            level: row.level,
            why: row.why,
            started_at: row.started_at,
            ended_at: row.ended_at,
        }
    }
}

/// A session as it streamed, with what tutors did in it and which signals were shown. For those who watch;
/// its student gets a 403. That it was read is written down.
#[utoipa::path(
    get, path = "/sessions/{id}/replay", tag = "tutoring", params(("id" = Uuid, Path), ReplayQuery),
    responses((status = 200, body = Replay), (status = 403, description = "`forbidden`: one's own"))
)]
pub(super) async fn replay(
    State(app): State<App>,
    who: Principal,
    Id(session): Id,
    ValidQuery(query): ValidQuery<ReplayQuery>,
) -> Result<Json<Replay>, Problem> {
    let row = app.auth.watched_session(&who, session).await?;
    let list = ListQuery { limit: query.limit.or(Some(MESSAGES)), cursor: query.cursor };
    let after: Option<i64> = list.after()?;
    let (student, why) = (row.student_id, who.role.into());
    app.audit.read(&who, &Event::ReplayRead { session, student, why });
    let page = app.store.replay_of(who.user_id, session, after, list.limit()).await?;
    let Page { items: messages, next_cursor } = Page::of(page, ReplayMessage::from);
    let (acts, signals) = match after {
        Some(_) => (Vec::new(), Vec::new()),
        None => tokio::try_join!(
            app.store.acts_of(who.user_id, session, MARKS),
            app.store.signals_of(who.user_id, session, MARKS),
        )?,
    };
    Ok(Json(Replay {
        session: row.into(),
        messages,
        acts: acts.into_iter().map(ReplayAct::from).collect(),
        signals: signals.into_iter().map(ReplaySignal::from).collect(),
        next_cursor,
    }))
}
