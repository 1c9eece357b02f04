//! What is written down, what was agreed to, what is used up, and the end of an account.

use axum::Json;
use axum::extract::State;
use garde::Validate;
use http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::{App, blobs_are_gone};
use crate::audit::Event;
use crate::auth;
use crate::clock::{self, Timestamp};
use crate::id::Uuid;
use crate::identity::{Principal, Role};
use crate::problem::Problem;
use crate::store::{self, Audited, Deleter, Deletion, NewConsent, PolicyChange, Used};

use super::accounts::{Peer, some_password};
use super::age::Age;
use super::input::{Id, Valid, ValidQuery, given, not_blank, one_line};
use super::page::{ListQuery, Page};

// ── What is written down ────────────────────────────────────────────────────────────────────────────

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct AuditRow {
    id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// What happened, in snake_case: `signed_in`, `observation_opened`, …
    event: String,
    /// `null`: nobody that is known.
    #[schema(required)]
    actor: Option<ActorRef>,
    #[schema(required)]
    subject: Option<Subject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    #[schema(value_type = Object)]
    detail: Value,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ActorRef {
    id: Uuid,
    /// `null`: the account is gone.
    #[schema(required)]
    name: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Subject {
    /// `user`, `session`, `class`, `organisation`, `sign_in` or `task`.
    kind: String,
    id: Uuid,
}

impl From<Audited> for AuditRow {
    fn from(row: Audited) -> AuditRow {
        AuditRow {
            id: row.id,
            at: row.at,
            event: row.event,
            actor: row.actor.map(|(id, name)| ActorRef { id, name }),
            subject: row.subject.map(|(kind, id)| Subject { kind, id }),
            address: row.address,
            detail: row.detail,
        }
    }
}

/// Who did what in the admin's organisation and when, newest first. Holds ids and no words of anybody.
#[utoipa::path(
    get, path = "/audit", tag = "records", params(ListQuery),
    responses((status = 200, body = Page<AuditRow>), (status = 403, description = "`forbidden`: admins alone"))
)]
pub(super) async fn audit(
    State(app): State<App>,
    who: Principal,
    ValidQuery(query): ValidQuery<ListQuery>,
) -> Result<Json<Page<AuditRow>>, Problem> {
    auth::admin(&who)?;
    let page = app.store.audited(who.user_id, who.org_id, query.after()?, query.limit()).await?;
    Ok(Json(Page::of(page, AuditRow::from)))
}

// ── Consent ─────────────────────────────────────────────────────────────────────────────────────────

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ConsentState {
    /// Nothing was recorded, or something for another version.
    Unknown,
    Given,
    Withdrawn,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Consent {
    /// Whether the organisation asks for one of this person: then they may put questions only while it is
    /// `given`.
    required: bool,
    state: ConsentState,
    /// The version that is asked for now.
    version: String,
    /// `school` or `guardian`.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
}

impl From<store::Consent> for Consent {
    fn from(row: store::Consent) -> Consent {
        let state = match &row.recorded {
            Some(last) if last.state == "withdrawn" => ConsentState::Withdrawn,
            Some(last) if last.version == row.wanted => ConsentState::Given,
            _ => ConsentState::Unknown,
        };
        let (by, at) = row.recorded.map(|last| (last.by, last.at)).unzip();
        Consent { required: row.required, state, version: row.wanted, by, at }
    }
}

/// The consent for oneself.
#[utoipa::path(get, path = "/users/me/consent", tag = "records", responses((status = 200, body = Consent)))]
pub(super) async fn consent(State(app): State<App>, who: Principal) -> Result<Json<Consent>, Problem> {
    let consent = app.store.consent(who.user_id).await?.ok_or_else(Problem::unauthorized)?;
    Ok(Json(consent.into()))
}

#[derive(Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum Given {
    Given,
    Withdrawn,
}

#[derive(Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
enum GivenBy {
    School,
    Guardian,
}

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsentInput {
    #[garde(skip)]
    state: Given,
    #[garde(skip)]
    by: GivenBy,
    /// The name of whoever gave or withdrew it.
    #[garde(length(chars, min = 1, max = 120), custom(one_line), custom(not_blank))]
    #[schema(min_length = 1, max_length = 120)]
    name: String,
    /// Of the text that they agreed to.
    #[garde(length(chars, min = 1, max = 40), custom(one_line), custom(not_blank))]
    #[schema(min_length = 1, max_length = 40)]
    version: String,
}

/// Records a consent, or that it was withdrawn: then the student's open sockets end, what the model is
/// saying to them stops, and what waits for it is not asked. By an admin.
#[utoipa::path(
    put, path = "/admin/users/{id}/consent", tag = "records", params(("id" = Uuid, Path)),
    request_body = ConsentInput,
    responses((status = 200, body = Consent), (status = 403, description = "`forbidden`: admins alone"))
)]
pub(super) async fn record_consent(
    State(app): State<App>,
    who: Principal,
    Id(user): Id,
    Valid(input): Valid<ConsentInput>,
) -> Result<Json<Consent>, Problem> {
    of_my_organisation(&app, &who, user).await?;
    let by = match input.by {
        GivenBy::School => "school",
        GivenBy::Guardian => "guardian",
    };
    let (state, event) = match input.state {
        Given::Given => ("given", Event::ConsentGiven { user, by }),
        Given::Withdrawn => ("withdrawn", Event::ConsentWithdrawn { user, by }),
    };
    app.audit.first(&who, &event).await?;
    let new = NewConsent { user, state, by, name: input.name.trim(), version: input.version.trim() };
    let consent = app.store.record_consent(who.user_id, &new).await?.ok_or_else(Problem::not_found)?;
    if let Given::Withdrawn = input.state
        && consent.required
    {
        app.sessions.hush(user).await;
    }
    Ok(Json(consent.into()))
}

/// That this is an admin, and that there is such a user in their organisation.
pub(super) async fn of_my_organisation(app: &App, who: &Principal, user: Uuid) -> Result<(), Problem> {
    auth::admin(who)?;
    let org = app.store.organisation_of(who.user_id, user).await?;
    if org == Some(who.org_id) { Ok(()) } else { Err(Problem::not_found()) }
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Policy {
    /// Students may put questions only when a consent for this version is recorded.
    consent_required: bool,
    /// Only those who may be younger, an unknown age included; `null`: every student.
    #[schema(required)]
    consent_below: Option<Age>,
    consent_version: String,
    /// Whether students see who watches at this moment. That their tutors can read is always said.
    show_watchers: bool,
}

impl From<store::Policy> for Policy {
    fn from(row: store::Policy) -> Policy {
        Policy {
            consent_required: row.consent_required,
            consent_below: row.consent_below.and_then(Age::of),
            consent_version: row.consent_version,
            show_watchers: row.show_watchers,
        }
    }
}

/// What the admin's organisation has decided.
#[utoipa::path(
    get, path = "/admin/organisation/policy", tag = "records",
    responses((status = 200, body = Policy), (status = 403, description = "`forbidden`: admins alone"))
)]
pub(super) async fn policy(State(app): State<App>, who: Principal) -> Result<Json<Policy>, Problem> {
    auth::admin(&who)?;
    Ok(Json(
        app.store.policy(who.user_id).await?.ok_or_else(|| auth::forbidden(&who, "organisation"))?.into(),
    ))
}

/// A field that is left out stays as it is.
#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyInput {
    #[serde(default)]
    #[garde(skip)]
    consent_required: Option<bool>,
    /// `null`: of every student.
    #[serde(default, deserialize_with = "given")]
    #[garde(skip)]
    #[schema(value_type = Option<Age>)]
    consent_below: Option<Option<Age>>,
    #[serde(default)]
    #[garde(length(chars, min = 1, max = 40), inner(custom(one_line), custom(not_blank)))]
    #[schema(min_length = 1, max_length = 40)]
    consent_version: Option<String>,
    #[serde(default)]
    #[garde(skip)]
    show_watchers: Option<bool>,
}

/// Changes it, at once for open sockets too.
#[utoipa::path(
    patch, path = "/admin/organisation/policy", tag = "records", request_body = PolicyInput,
    responses((status = 200, body = Policy), (status = 403, description = "`forbidden`: admins alone"))
)]
pub(super) async fn change_policy(
    State(app): State<App>,
    who: Principal,
    Valid(input): Valid<PolicyInput>,
) -> Result<Json<Policy>, Problem> {
    auth::admin(&who)?;
    let now = app.store.policy(who.user_id).await?.ok_or_else(|| auth::forbidden(&who, "organisation"))?;
    let consent_below = input.consent_below.map(|below| below.map(Age::years));
    let event = Event::PolicyChanged {
        organisation: now.organisation,
        consent_required: input.consent_required.unwrap_or(now.consent_required),
        consent_below: consent_below.unwrap_or(now.consent_below),
        show_watchers: input.show_watchers.unwrap_or(now.show_watchers),
    };
    app.audit.first(&who, &event).await?;
    let change = PolicyChange {
        consent_required: input.consent_required,
        consent_below,
        consent_version: input.consent_version.as_deref().map(str::trim),
        show_watchers: input.show_watchers,
    };
    let policy = app
        .store
        .change_policy(who.user_id, change)
        .await?
        .ok_or_else(|| auth::forbidden(&who, "organisation"))?;
    if policy.show_watchers != now.show_watchers {
        app.sessions.show_watchers(policy.organisation, policy.show_watchers).await;
    }
    Ok(Json(policy.into()))
}

// ── What is used up ─────────────────────────────────────────────────────────────────────────────────

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = QuotaUsage)]
pub(super) struct Usage {
    /// Empty when there are no quotas.
    limits: Vec<UsageLimit>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct UsageLimit {
    /// `student`: one's own; `class`: of all students of a class together.
    of: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    class_id: Option<Uuid>,
    /// `messages` or `tokens`.
    what: &'static str,
    /// `day` or `month`, as UTC counts them.
    per: &'static str,
    limit: i64,
    used: i64,
    #[schema(value_type = String, format = DateTime)]
    resets_at: Timestamp,
}

/// What one has used up of one's quotas. A class comes once something was counted for it.
#[utoipa::path(get, path = "/users/me/usage", tag = "records", responses((status = 200, body = Usage)))]
pub(super) async fn usage(State(app): State<App>, who: Principal) -> Result<Json<Usage>, Problem> {
    let quotas = &app.settings.quotas;
    if !quotas.is_any() {
        return Ok(Json(Usage { limits: Vec::new() }));
    }
    let mut used = app.store.used(who.user_id).await?;
    for is_month in [false, true] {
        if !used.iter().any(|row| !row.is_class && row.is_month == is_month) {
            used.push(Used { subject: who.user_id, is_class: false, is_month, messages: 0, tokens: 0 });
        }
    }
    let (tomorrow, next_month) = next_starts(clock::now());
    let mut limits = Vec::new();
    for row in used {
        let quota = if row.is_class { &quotas.class } else { &quotas.student };
        let (messages, tokens, per, resets_at) = match row.is_month {
            true => (quota.messages_month, quota.tokens_month, "month", next_month),
            false => (quota.messages_day, quota.tokens_day, "day", tomorrow),
        };
        for (what, limit, used) in [("messages", messages, row.messages), ("tokens", tokens, row.tokens)] {
            let of = if row.is_class { "class" } else { "student" };
            let class_id = row.is_class.then_some(row.subject);
            limits.extend(limit.map(|limit| UsageLimit { of, class_id, what, per, limit, used, resets_at }));
        }
    }
    Ok(Json(Usage { limits }))
}

fn next_starts(now: Timestamp) -> (Timestamp, Timestamp) {
    let utc = jiff::tz::TimeZone::UTC;
    let today = now.to_zoned(utc.clone()).date();
    let start = |date: Result<jiff::civil::Date, jiff::Error>| {
        let start = date.and_then(|date| date.to_zoned(utc.clone()));
        start.map_or(Timestamp::MAX, |start| start.timestamp())
    };
    (start(today.tomorrow()), start(today.last_of_month().tomorrow()))
}

// ── The end of an account ───────────────────────────────────────────────────────────────────────────

#[derive(Deserialize, Validate, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteMe {
    #[garde(custom(some_password))]
    #[schema(value_type = String, format = Password, min_length = 1, max_length = 128)]
    password: SecretString,
}

/// Deletes one's own account with all that was said in it. There is no way back.
#[utoipa::path(
    delete, path = "/users/me", tag = "records", request_body = DeleteMe,
    responses(
        (status = 204),
        (status = 422, description = "A field is invalid; `errors` points at it. `wrong_password`"),
        (status = 409, description = "`conflict`: the last admin of an organisation"),
    )
)]
pub(super) async fn delete_me(
    State(app): State<App>,
    Peer(peer): Peer,
    who: Principal,
    Valid(input): Valid<DeleteMe>,
) -> Result<StatusCode, Problem> {
    app.auth.limits().sign_in(peer)?;
    app.auth.confirm(&who, peer, input.password).await?;
    let by = match who.role {
        // Whoever leaves has to see the other admins, and to lock them: somebody must stay.
        Role::Admin => Deleter::Admin(who.user_id),
        Role::Student | Role::Tutor => Deleter::Oneself,
    };
    delete(&app, &who, by, who.user_id).await
}

/// Deletes somebody's account with all that was said in it. There is no way back. By an admin.
#[utoipa::path(
    delete, path = "/admin/users/{id}", tag = "records", params(("id" = Uuid, Path)),
    responses(
        (status = 204),
        (status = 403, description = "`forbidden`: admins alone"),
        (status = 409, description = "`conflict`: one's own account is deleted at `/users/me`"),
    )
)]
pub(super) async fn delete_user(
    State(app): State<App>,
    who: Principal,
    Id(user): Id,
) -> Result<StatusCode, Problem> {
    of_my_organisation(&app, &who, user).await?;
    if user == who.user_id {
        return Err(Problem::conflict().because("Your own account is deleted with your password."));
    }
    delete(&app, &who, Deleter::Admin(who.user_id), user).await
}

async fn delete(app: &App, who: &Principal, by: Deleter, user: Uuid) -> Result<StatusCode, Problem> {
    told(app.store.delete_account(by, user, false).await?)?;
    app.audit.first(who, &Event::AccountDeleted { user }).await?;
    let sessions = app.store.sessions_of(who.user_id, user).await?;
    let store = app.store.clone();
    // Their tasks hold still, so that nothing is written of somebody who is gone; then their sockets end.
    let deletion = async move {
        let deletion = store.delete_account(by, user, true).await?;
        Ok((deletion, deletion == Deletion::Done))
    };
    told(app.sessions.delete_with(sessions, Some(who.org_id), deletion).await?)?;
    blobs_are_gone(app);
    Ok(StatusCode::NO_CONTENT)
}

fn told(deletion: Deletion) -> Result<(), Problem> {
    match deletion {
        Deletion::Done => Ok(()),
        Deletion::NotFound => Err(Problem::not_found()),
        Deletion::LastAdmin => {
            Err(Problem::conflict().because("The last admin of an organisation cannot be deleted."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_start_anew_as_utc_counts_them() {
        let starts = |now: &str| {
            let (day, month) = next_starts(now.parse().unwrap());
            (day.to_string(), month.to_string())
        };
        let midnight = |date: &str| format!("{date}T00:00:00Z");
        assert_eq!(starts("2026-02-03T10:00:00Z"), (midnight("2026-02-04"), midnight("2026-03-01")));
        assert_eq!(starts("2026-12-31T23:59:59+00:00"), (midnight("2027-01-01"), midnight("2027-01-01")));
    }
}
