//! Who is asking, in words: roles, and what a person is to a session. No IO.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Student,
    Tutor,
    Admin,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Student => "student",
            Role::Tutor => "tutor",
            Role::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Role> {
        match text {
            "student" => Some(Role::Student),
            "tutor" => Some(Role::Tutor),
            "admin" => Some(Role::Admin),
            _ => None,
        }
    }
}

/// How old somebody is, as an admin of their organisation says: as roughly as a rule about consent needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum AgeBand {
    /// Nobody has said; counts as below every age.
    #[default]
    #[serde(rename = "unknown")]
    Unknown,
    #[serde(rename = "under_13")]
    Under13,
    #[serde(rename = "13_to_15")]
    From13,
    #[serde(rename = "16_to_17")]
    From16,
    #[serde(rename = "adult")]
    Adult,
}

impl AgeBand {
    pub fn as_str(self) -> &'static str {
        match self {
            AgeBand::Unknown => "unknown",
            AgeBand::Under13 => "under_13",
            AgeBand::From13 => "13_to_15",
            AgeBand::From16 => "16_to_17",
            AgeBand::Adult => "adult",
        }
    }

    pub fn parse(text: &str) -> Option<AgeBand> {
        match text {
            "unknown" => Some(AgeBand::Unknown),
            "under_13" => Some(AgeBand::Under13),
            "13_to_15" => Some(AgeBand::From13),
            "16_to_17" => Some(AgeBand::From16),
            "adult" => Some(AgeBand::Adult),
            _ => None,
        }
    }
}

/// As what somebody is in a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberAs {
    Student,
    /// Teaches the class, as long as their role is tutor or admin.
    Tutor,
}

impl MemberAs {
    pub fn as_str(self) -> &'static str {
        match self {
            MemberAs::Student => "student",
            MemberAs::Tutor => "tutor",
        }
    }

    pub fn parse(text: &str) -> Option<MemberAs> {
        match text {
            "student" => Some(MemberAs::Student),
            "tutor" => Some(MemberAs::Tutor),
            _ => None,
        }
    }
}

/// A person whose token was verified just now.
#[derive(Clone, Debug)]
pub struct Principal {
    pub user_id: Uuid,
    /// The organisation, beyond which nobody sees anything.
    pub org_id: Uuid,
    pub role: Role,
    pub name: String,
    /// Whether they may put questions: a student of whom the organisation asks a consent that is not there
    /// may only read.
    pub may_speak: bool,
    /// The sign-in that the token belongs to: what logout ends.
    pub family: Uuid,
    /// When the access token expires.
    pub expires_at: Timestamp,
}

/// What a person is to one session. There is no value for "nothing": that is a 404.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The student whose session it is.
    Owner,
    /// Somebody who may watch it.
    Observer,
}

/// What a person is to one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassAccess {
    /// Is in it, and sees its name and its tutors.
    Member,
    /// Teaches it, or is the admin of its organisation.
    Runs,
}

/// Whether a sign-in still carries rights; checked again and again while a socket is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Good(Role),
    /// Good, but the consent that the organisation asks for is not there: reading alone.
    Mute(Role),
    /// Signed out: the token means nothing any more.
    SignedOut,
    /// Signed out as well, by its owner, who goes on under another sign-in: an absence, if they held anything.
    Renewed,
    /// The account was disabled or deleted.
    Disabled,
}
