//! What is written down about who did what: the events, in words. `store::audit` keeps them.
//!
//! An event holds ids and words of ours, never a person's: no name, no address of e-mail, no text.

mod quiet;

use std::future::Future;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::id::Uuid;
use crate::identity::{AgeBand, Principal, Role};
use crate::protocol::StudyKind;

pub use quiet::{Quiet, network};

/// Everything that is written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    SignedIn,
    /// `user`: the account whose password it was not.
    SignInFailed {
        user: Option<Uuid>,
    },
    SignedOut,
    /// One's own other sign-ins were ended, or one of them.
    SignInsEnded,
    /// An access token or a ticket that means nothing.
    TokenRefused {
        reason: &'static str,
    },
    /// A refresh token came twice: its sign-in was ended.
    RefreshReused {
        sign_in: Uuid,
    },
    PasswordChanged,
    EmailChanged,
    /// An admin made a code with which a new password can be set.
    ResetCodeIssued {
        user: Uuid,
    },
    PasswordReset {
        user: Uuid,
    },
    AccountCreated {
        user: Uuid,
        role: Role,
    },
    RoleChanged {
        user: Uuid,
        from: Role,
        to: Role,
    },
    AgeBandChanged {
        user: Uuid,
        from: AgeBand,
        to: AgeBand,
    },
    AccountDisabled {
        user: Uuid,
    },
    AccountEnabled {
        user: Uuid,
    },
    /// An admin ended all sign-ins of somebody.
    SignedOutByAdmin {
        user: Uuid,
    },
    /// Every sign-in of an organisation was ended, by its admin or by whoever runs the server.
    EverybodySignedOut {
        organisation: Uuid,
        sign_ins: i64,
    },
    AccountDeleted {
        user: Uuid,
    },
    Exported {
        user: Uuid,
    },
    ClassCreated {
        class: Uuid,
    },
    ClassDeleted {
        class: Uuid,
    },
    /// `member_as`: `student` or `tutor`.
    ClassJoined {
        class: Uuid,
        user: Uuid,
        member_as: &'static str,
    },
    ClassLeft {
        class: Uuid,
        user: Uuid,
    },
    /// A socket on somebody else's session.
    ObservationOpened {
        session: Uuid,
        student: Uuid,
        why: Why,
    },
    /// `opened`: the row of its beginning.
    ObservationClosed {
        opened: Uuid,
        session: Uuid,
        student: Uuid,
        end: &'static str,
    },
    /// Somebody else's messages were listed.
    ConversationRead {
        session: Option<Uuid>,
        student: Uuid,
        why: Why,
    },
    /// A socket on what goes on in the sessions of one's classes.
    RosterOpened {
        organisation: Uuid,
        why: Why,
    },
    /// `opened`: the row of its beginning.
    RosterClosed {
        opened: Uuid,
        organisation: Uuid,
        end: &'static str,
    },
    /// About nobody: what is written down about a student is the student's to read.
    Whispered {
        session: Uuid,
    },
    WhisperWithdrawn {
        session: Uuid,
    },
    Said {
        session: Uuid,
        student: Uuid,
    },
    TookOver {
        session: Uuid,
        student: Uuid,
    },
    HandedBack {
        session: Uuid,
        student: Uuid,
    },
    /// A tutor's control ended without their word.
    ControlEnded {
        session: Uuid,
        student: Uuid,
        end: &'static str,
    },
    HandClaimed {
        session: Uuid,
        student: Uuid,
    },
    Corrected {
        session: Uuid,
        student: Uuid,
        message: Uuid,
    },
    /// A note on a student was written or changed. As of a whisper, the student is not told.
    NoteWritten {
        student: Uuid,
    },
    NoteDeleted {
        student: Uuid,
    },
    /// Somebody read what is noted on a student. The student is not told that there is anything.
    NotesRead {
        student: Uuid,
        why: Why,
    },
    /// Somebody has seen to what was signalled; the student is not told that it was.
    SignalDealtWith {
        session: Uuid,
        kind: &'static str,
    },
    /// Somebody read a day of a class.
    DigestRead {
        class: Uuid,
        why: Why,
    },
    /// Somebody else's session was looked at as it streamed.
    ReplayRead {
        session: Uuid,
        student: Uuid,
        why: Why,
    },
    /// Somebody wrote something for students; `published`: they see it.
    ContentCreated {
        content: Uuid,
        published: bool,
    },
    ContentChanged {
        content: Uuid,
        published: bool,
    },
    ContentDeleted {
        content: Uuid,
    },
    /// Cards or questions of some content were changed; `published`: students see them.
    StudyChanged {
        content: Uuid,
        kind: StudyKind,
        published: bool,
    },
    StudyDeleted {
        content: Uuid,
        kind: StudyKind,
    },
    FileUploaded {
        file: Uuid,
    },
    FileDeleted {
        file: Uuid,
    },
    /// The scanner found malware in what somebody uploaded; nothing of it was kept.
    MalwareFound,
    /// Somebody else's file was read.
    FileRead {
        file: Uuid,
        owner: Uuid,
        why: Why,
    },
    ConsentGiven {
        user: Uuid,
        by: &'static str,
    },
    ConsentWithdrawn {
        user: Uuid,
        by: &'static str,
    },
    PolicyChanged {
        organisation: Uuid,
        consent_required: bool,
        consent_below: Option<i16>,
        show_watchers: bool,
    },
    /// By an admin. What somebody does to their own is not written down.
    TaskCancelled {
        task: Uuid,
    },
    TaskRequeued {
        task: Uuid,
    },
    /// What was too old was deleted.
    Retention {
        sessions: u64,
        audit: u64,
    },
}

/// By which right somebody reads another's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// They teach a class of the student's.
    Tutor,
    /// They are the admin of the organisation.
    Admin,
}

impl From<Role> for Why {
    fn from(role: Role) -> Why {
        if role == Role::Admin { Why::Admin } else { Why::Tutor }
    }
}

/// What a row says beside who and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub subject: Option<(&'static str, Uuid)>,
    /// Whose affair it is.
    pub about: Option<Uuid>,
    pub closes: Option<Uuid>,
    pub detail: Map<String, Value>,
}

impl Event {
    pub fn name(&self) -> &'static str {
        match self {
            Event::SignedIn => "signed_in",
            Event::SignInFailed { .. } => "sign_in_failed",
            Event::SignedOut => "signed_out",
            Event::SignInsEnded => "sign_ins_ended",
            Event::TokenRefused { .. } => "token_refused",
            Event::RefreshReused { .. } => "refresh_reused",
            Event::PasswordChanged => "password_changed",
            Event::EmailChanged => "email_changed",
            Event::ResetCodeIssued { .. } => "reset_code_issued",
            Event::PasswordReset { .. } => "password_reset",
            Event::AccountCreated { .. } => "account_created",
            Event::RoleChanged { .. } => "role_changed",
            Event::AgeBandChanged { .. } => "age_band_changed",
            Event::AccountDisabled { .. } => "account_disabled",
            Event::AccountEnabled { .. } => "account_enabled",
            Event::SignedOutByAdmin { .. } => "signed_out_by_admin",
            Event::EverybodySignedOut { .. } => "everybody_signed_out",
            Event::AccountDeleted { .. } => "account_deleted",
            Event::Exported { .. } => "exported",
            Event::ClassCreated { .. } => "class_created",
            Event::ClassDeleted { .. } => "class_deleted",
            Event::ClassJoined { .. } => "class_joined",
            Event::ClassLeft { .. } => "class_left",
            Event::ObservationOpened { .. } => "observation_opened",
            Event::ObservationClosed { .. } => "observation_closed",
            Event::ConversationRead { .. } => "conversation_read",
            Event::RosterOpened { .. } => "roster_opened",
            Event::RosterClosed { .. } => "roster_closed",
            Event::Whispered { .. } => "whispered",
            Event::WhisperWithdrawn { .. } => "whisper_withdrawn",
            Event::Said { .. } => "said",
            Event::TookOver { .. } => "took_over",
            Event::HandedBack { .. } => "handed_back",
            Event::ControlEnded { .. } => "control_ended",
            Event::HandClaimed { .. } => "hand_claimed",
            Event::Corrected { .. } => "corrected",
            Event::NoteWritten { .. } => "note_written",
            Event::NoteDeleted { .. } => "note_deleted",
            Event::NotesRead { .. } => "notes_read",
            Event::SignalDealtWith { .. } => "signal_dealt_with",
            Event::DigestRead { .. } => "digest_read",
            Event::ReplayRead { .. } => "replay_read",
            Event::ContentCreated { .. } => "content_created",
            Event::ContentChanged { .. } => "content_changed",
            Event::ContentDeleted { .. } => "content_deleted",
            Event::StudyChanged { .. } => "study_changed",
            Event::StudyDeleted { .. } => "study_deleted",
            Event::FileUploaded { .. } => "file_uploaded",
            Event::FileDeleted { .. } => "file_deleted",
            Event::MalwareFound => "malware_found",
            Event::FileRead { .. } => "file_read",
            Event::ConsentGiven { .. } => "consent_given",
            Event::ConsentWithdrawn { .. } => "consent_withdrawn",
            Event::PolicyChanged { .. } => "policy_changed",
            Event::TaskCancelled { .. } => "task_cancelled",
            Event::TaskRequeued { .. } => "task_requeued",
            Event::Retention { .. } => "retention",
        }
    }

    pub fn facts(&self) -> Facts {
        let user = |user: Uuid, detail: Value| facts("user", user, Some(user), detail);
        match *self {
            Event::SignedIn
            | Event::SignedOut
            | Event::SignInsEnded
            | Event::PasswordChanged
            | Event::EmailChanged
            | Event::MalwareFound => Facts::default(),
            Event::SignInFailed { user: None } => Facts::default(),
            Event::SignInFailed { user: Some(id) }
            | Event::ResetCodeIssued { user: id }
            | Event::PasswordReset { user: id }
            | Event::AccountDisabled { user: id }
            | Event::AccountEnabled { user: id }
            | Event::SignedOutByAdmin { user: id }
            | Event::AccountDeleted { user: id }
            | Event::Exported { user: id } => user(id, Value::Null),
            Event::EverybodySignedOut { organisation, sign_ins } => {
                facts("organisation", organisation, None, json!({"sign_ins": sign_ins}))
            }
            Event::TokenRefused { reason } => {
                Facts { detail: map(json!({"reason": reason})), ..Facts::default() }
            }
            Event::RefreshReused { sign_in } => facts("sign_in", sign_in, None, Value::Null),
            Event::AccountCreated { user: id, role } => user(id, json!({"role": role})),
            Event::RoleChanged { user: id, from, to } => user(id, json!({"from": from, "to": to})),
            Event::AgeBandChanged { user: id, from, to } => user(id, json!({"from": from, "to": to})),
            Event::ClassCreated { class } | Event::ClassDeleted { class } => {
                facts("class", class, None, Value::Null)
            }
            Event::ClassJoined { class, user, member_as } => {
                facts("class", class, Some(user), json!({"user": user, "as": member_as}))
            }
            Event::ClassLeft { class, user } => facts("class", class, Some(user), json!({"user": user})),
            Event::ObservationOpened { session, student, why } => {
                facts("session", session, Some(student), json!({"why": why.as_str()}))
            }
            Event::ObservationClosed { opened, session, student, end } => Facts {
                closes: Some(opened),
                ..facts("session", session, Some(student), json!({"opened": opened, "end": end}))
            },
            Event::ConversationRead { session: Some(session), student, why } => {
                facts("session", session, Some(student), json!({"why": why.as_str()}))
            }
            Event::ConversationRead { session: None, student, why } => {
                user(student, json!({"why": why.as_str()}))
            }
            Event::RosterOpened { organisation, why } => {
                facts("organisation", organisation, None, json!({"why": why.as_str()}))
            }
            Event::RosterClosed { opened, organisation, end } => Facts {
                closes: Some(opened),
                ..facts("organisation", organisation, None, json!({"opened": opened, "end": end}))
            },
            Event::Whispered { session } | Event::WhisperWithdrawn { session } => {
                facts("session", session, None, Value::Null)
            }
            Event::Said { session, student }
            | Event::TookOver { session, student }
            | Event::HandedBack { session, student }
            | Event::HandClaimed { session, student } => {
                facts("session", session, Some(student), Value::Null)
            }
            Event::ControlEnded { session, student, end } => {
                facts("session", session, Some(student), json!({"end": end}))
            }
            Event::Corrected { session, student, message } => {
                facts("session", session, Some(student), json!({"message": message}))
            }
            Event::NoteWritten { student } | Event::NoteDeleted { student } => {
                facts("user", student, None, Value::Null)
            }
            Event::NotesRead { student, why } => facts("user", student, None, json!({"why": why.as_str()})),
            Event::SignalDealtWith { session, kind } => {
                facts("session", session, None, json!({"kind": kind}))
            }
            Event::DigestRead { class, why } => facts("class", class, None, json!({"why": why.as_str()})),
            Event::ReplayRead { session, student, why } => {
                facts("session", session, Some(student), json!({"why": why.as_str()}))
            }
            Event::ContentCreated { content, published } | Event::ContentChanged { content, published } => {
                facts("content", content, None, json!({"published": published}))
            }
            Event::ContentDeleted { content } => facts("content", content, None, Value::Null),
            Event::StudyChanged { content, kind, published } => {
                let detail = json!({"kind": kind.as_str(), "published": published});
                facts("content", content, None, detail)
            }
            Event::StudyDeleted { content, kind } => {
                facts("content", content, None, json!({"kind": kind.as_str()}))
            }
            Event::FileUploaded { file } | Event::FileDeleted { file } => {
                facts("file", file, None, Value::Null)
            }
            Event::FileRead { file, owner, why } => {
                facts("file", file, Some(owner), json!({"why": why.as_str()}))
            }
            Event::ConsentGiven { user: id, by } | Event::ConsentWithdrawn { user: id, by } => {
                user(id, json!({"by": by}))
            }
            Event::PolicyChanged { organisation, consent_required, consent_below, show_watchers } => {
                let detail = json!({
                    "consent_required": consent_required,
                    "consent_below": consent_below,
                    "show_watchers": show_watchers,
                });
                facts("organisation", organisation, None, detail)
            }
            Event::TaskCancelled { task } | Event::TaskRequeued { task } => {
                facts("task", task, None, Value::Null)
            }
            Event::Retention { sessions, audit } => {
                Facts { detail: map(json!({"sessions": sessions, "audit": audit})), ..Facts::default() }
            }
        }
    }
}

fn facts(kind: &'static str, id: Uuid, about: Option<Uuid>, detail: Value) -> Facts {
    Facts { subject: Some((kind, id)), about, closes: None, detail: map(detail) }
}

fn map(detail: Value) -> Map<String, Value> {
    match detail {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

impl Why {
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Tutor => "tutor",
            Why::Admin => "admin",
        }
    }
}

/// Who did it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct By {
    pub user: Option<Uuid>,
    /// Looked up when the row is written, if it is not said here.
    pub org: Option<Uuid>,
}

impl By {
    /// Nobody that is known.
    pub const NOBODY: By = By { user: None, org: None };

    /// Whoever runs the server, in this organisation.
    pub fn operator(org: Uuid) -> By {
        By { user: None, org: Some(org) }
    }
}

impl From<&Principal> for By {
    fn from(who: &Principal) -> By {
        By { user: Some(who.user_id), org: Some(who.org_id) }
    }
}

impl From<Uuid> for By {
    fn from(user: Uuid) -> By {
        By { user: Some(user), org: None }
    }
}

/// The request from which something is asked.
#[derive(Clone, Debug, Default)]
pub struct Asking {
    pub address: Option<IpAddr>,
    pub request_id: Option<String>,
}

tokio::task_local! {
    /// What is written down anywhere below carries it.
    static CURRENT: Asking;
}

/// Runs `work` as part of that request.
pub async fn asked<F: Future>(asking: Asking, work: F) -> F::Output {
    CURRENT.scope(asking, work).await
}

/// As `asked`, for what waits for nothing.
pub fn within<T>(asking: Asking, work: impl FnOnce() -> T) -> T {
    CURRENT.sync_scope(asking, work)
}

/// Empty outside of a request.
pub fn asking() -> Asking {
    CURRENT.try_with(Asking::clone).unwrap_or_default()
}

/// A line without a row: somebody was refused what the row of another event tells already, or what happens
/// too often for rows.
pub fn line(event: &'static str, what: &'static str, who: Option<Uuid>, which: Option<Uuid>) {
    log(asking(), event, what, who, which);
}

fn log(
    Asking { address, request_id }: Asking,
    event: &'static str,
    what: &'static str,
    who: Option<Uuid>,
    which: Option<Uuid>,
) {
    tracing::info!(
        target: "fynq::security",
        event,
        what,
        actor = who.map(tracing::field::display),
        subject = which.map(tracing::field::display),
        address = address.map(tracing::field::display),
        request_id,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written down about somebody is handed out to them: it must not betray what is kept from them.
    #[test]
    fn whispers_and_notes_are_about_nobody() {
        let (session, student) = (crate::id::new(), crate::id::new());
        for event in [
            Event::Whispered { session },
            Event::WhisperWithdrawn { session },
            Event::NoteWritten { student },
            Event::NoteDeleted { student },
            Event::NotesRead { student, why: Why::Tutor },
            Event::SignalDealtWith { session, kind: "safety" },
        ] {
            assert_eq!(event.facts().about, None, "{}", event.name());
        }
        for event in [Event::Said { session, student }, Event::TookOver { session, student }] {
            assert_eq!(event.facts().about, Some(student), "{}", event.name());
        }
    }
}
