//! A forgotten password. Nothing here sends mail: an admin hands out a code that works once.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::audit::{self, Event};
use crate::clock::{self, Timestamp};
use crate::id::Uuid;
use crate::identity::{Principal, Role};
use crate::problem::Problem;
use crate::store::credentials::NewResetCode;
use crate::store::{Store, StoreError};

use super::access::forbidden;
use super::reset_code::{self, Code};
use super::{Auth, later};

/// How long a code works.
const CODE_LIFE: Duration = Duration::from_secs(24 * 3600);

/// To be shown once.
pub struct ResetCode {
    pub code: SecretString,
    pub expires_at: Timestamp,
}

impl Auth {
    /// Somebody says that they forgot their password. One statement and one line, whether or not there
    /// is such an account; an admin finds the line.
    pub async fn forgot(&self, email: &str) -> Result<(), Problem> {
        if let Some(asked) = self.recover(email).await {
            return asked;
        }
        let user = self.0.store.forgot(&email.to_lowercase()).await?;
        audit::line("password_forgotten", "user", None, user);
        Ok(())
    }

    /// A code for somebody of the admin's organisation; the one before works no more. Never for
    /// oneself: whoever found the screen open would own the account.
    pub async fn issue_reset_code(&self, admin: &Principal, user: Uuid) -> Result<ResetCode, Problem> {
        if admin.role != Role::Admin || admin.user_id == user {
            return Err(forbidden(admin, "user"));
        }
        self.kept_here()?;
        let (code, now) = (Code::new(), clock::now());
        let expires_at = later(now, CODE_LIFE);
        let new = NewResetCode { hash: &code.hash(), now, expires_at };
        if !self.0.store.keep_reset_code(admin.user_id, user, &new).await? {
            return Err(Problem::not_found());
        }
        self.0.store.audit().record(admin, &Event::ResetCodeIssued { user });
        Ok(ResetCode { code: code.into_text(), expires_at })
    }

    /// A new password for whoever holds a code. Every sign-in ends; a password that is refused leaves
    /// the code as it is.
    pub async fn reset(
        &self,
        email: &str,
        code: &SecretString,
        password: SecretString,
    ) -> Result<(), Problem> {
        self.kept_here()?;
        let email = email.to_lowercase();
        self.check_password("/new_password", &password, &[&email])?;
        let bad = || {
            audit::line("reset_code_refused", "user", None, None);
            Problem::invalid_code().at("/code", "is not right, or does not work any more")
        };
        let code = reset_code::hash_of(code.expose_secret()).ok_or_else(bad)?;
        // The same statement, and nothing after it, for an unknown address, a wrong code and an old one.
        let holder = self.0.store.reset_code_holder(&email, &code, clock::now()).await?.ok_or_else(bad)?;
        self.check_password_of(holder, "/new_password", &password).await?;
        let hash = self.0.passwords.hash(password).await?;
        let reset = self.0.store.reset_password(&email, &code, &hash, clock::now()).await?.ok_or_else(bad)?;
        self.ended(&reset.ended);
        self.0.store.audit().record(reset.user, &Event::PasswordReset { user: reset.user });
        Ok(())
    }
}

/// As `issue_reset_code`, by whoever runs the server, where none needs to run. `None`: no such account.
pub async fn operators_reset_code(store: &Store, email: &str) -> Result<Option<ResetCode>, StoreError> {
    let (code, now) = (Code::new(), clock::now());
    let expires_at = later(now, CODE_LIFE);
    let new = NewResetCode { hash: &code.hash(), now, expires_at };
    let Some(user) = store.keep_operators_reset_code(&email.trim().to_lowercase(), &new).await? else {
        return Ok(None);
    };
    tracing::info!(target: "fynq::security", event = "reset_code_issued", by = "operator", %user);
    Ok(Some(ResetCode { code: code.into_text(), expires_at }))
}
