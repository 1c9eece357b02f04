//! A class's day: who asked, who was helped, and which signals were right.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use garde::Validate;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::audit::Event;
use crate::clock::{self, Timestamp};
use crate::id::Uuid;
use crate::identity::Principal;
use crate::problem::Problem;
use crate::protocol::{ActKind, Person, SignalKind};
use crate::store;

use super::input::{Id, ValidQuery};

#[derive(Debug, Deserialize, Validate, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DigestQuery {
    /// As UTC counts days; left out: today.
    #[garde(inner(custom(a_day)))]
    #[param(format = Date, pattern = "^2[0-9]{3}-[0-9]{2}-[0-9]{2}$", example = "2026-03-14")]
    day: Option<String>,
}

fn a_day(text: &str, (): &()) -> garde::Result {
    day(text).map(|_| ()).ok_or_else(|| garde::Error::new("is no day, as in 2026-03-14"))
}

/// In this one spelling, of the years 2000 to 2999.
fn day(text: &str) -> Option<Date> {
    let spelt = text.len() == 10 && text.starts_with('2');
    text.parse().ok().filter(|_| spelt)
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Digest {
    class: DigestClass,
    #[schema(format = Date)]
    day: String,
    /// All students of the class, by name.
    students: Vec<DigestStudent>,
    /// By kind: how often it was shown, and what was said of it.
    #[schema(value_type = BTreeMap<String, SignalCount>)]
    signals: BTreeMap<SignalKind, SignalCount>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct DigestClass {
    id: Uuid,
    name: String,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct DigestStudent {
    student: Person,
    /// In which something was asked.
    sessions: u64,
    questions: u64,
    /// By whom, and how often each did what.
    helped: Vec<DigestHelp>,
    signals: Vec<DigestSignal>,
    /// A human was asked for, or seemed needed, and none came.
    needed_help: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct DigestHelp {
    by: Person,
    /// `whispered`, `said`, `took_over`, `claimed`, `corrected`: how often.
    #[schema(value_type = BTreeMap<String, u64>)]
    acts: BTreeMap<ActKind, u64>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct DigestSignal {
    kind: SignalKind,
    times: u64,
    #[schema(value_type = String, format = DateTime)]
    first_at: Timestamp,
    /// Of the first.
    why: String,
    /// Whether anybody found it useful; `null`: nobody said.
    #[schema(required)]
    useful: Option<bool>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct SignalCount {
    shown: u64,
    useful: u64,
    not_useful: u64,
}

impl From<store::Digest> for Digest {
    fn from(row: store::Digest) -> Digest {
        let count = |count: store::SignalCount| SignalCount {
            shown: count.shown,
            useful: count.useful,
            not_useful: count.not_useful,
        };
        Digest {
            class: DigestClass { id: row.class, name: row.name },
            day: row.day.to_string(),
            students: row.students.into_iter().map(DigestStudent::from).collect(),
            signals: row.signals.into_iter().map(|(kind, counted)| (kind, count(counted))).collect(),
        }
    }
}

impl From<store::DigestStudent> for DigestStudent {
    fn from(row: store::DigestStudent) -> DigestStudent {
        let needed_help = row.needed_help();
        let signal = |signal: store::DigestSignal| DigestSignal {
            kind: signal.kind,
            times: signal.times,
            first_at: signal.first_at,
            why: signal.why,
            useful: signal.useful,
        };
        let help = |helped: store::Helped| DigestHelp { by: helped.by, acts: helped.acts };
        DigestStudent {
            student: row.student,
            sessions: row.sessions,
            questions: row.questions,
            helped: row.helped.into_iter().map(help).collect(),
            signals: row.signals.into_iter().map(signal).collect(),
            needed_help,
        }
    }
}

/// A day of a class: who asked, who was helped by whom, who was not, and which signals were right. For its
/// tutors and admins.
#[utoipa::path(
    get, path = "/classes/{id}/digest", tag = "tutoring", params(("id" = Uuid, Path), DigestQuery),
    responses((status = 200, body = Digest), (status = 403, description = "`forbidden`: students"))
)]
pub(super) async fn digest(
    State(app): State<App>,
    who: Principal,
    Id(class): Id,
    ValidQuery(query): ValidQuery<DigestQuery>,
) -> Result<Json<Digest>, Problem> {
    app.auth.run_class(&who, class).await?;
    let today = || clock::now().to_zoned(TimeZone::UTC).date();
    let day = query.day.as_deref().and_then(day).unwrap_or_else(today);
    let digest = app.store.digest_of(who.user_id, class, day).await?.ok_or_else(Problem::not_found)?;
    app.audit.read(&who, &Event::DigestRead { class, why: who.role.into() });
    Ok(Json(digest.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_one_spelling() {
        assert_eq!(day("2026-03-14").unwrap().to_string(), "2026-03-14");
        assert!(day("2024-02-29").is_some() && day("2999-12-31").is_some());
        for bad in ["", "today", "2026-3-14", "20260314", "2026-02-29", "1999-12-31", "9999-12-31"] {
            assert!(day(bad).is_none(), "{bad}");
        }
        for bad in ["2026-03-14T00:00:00", "2026-03-14[UTC]", "-002026-03-14"] {
            assert!(day(bad).is_none(), "{bad}");
        }
    }
}
