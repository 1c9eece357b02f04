//! The password once more, before something that cannot be undone.

use std::time::Instant;

use secrecy::SecretString;

use crate::identity::Principal;
use crate::problem::Problem;

use super::Auth;

impl Auth {
    /// Whether it is this person's password. Counted like a sign-in: a stolen token is no way to guess.
    pub async fn confirm(&self, who: &Principal, password: SecretString) -> Result<(), Problem> {
        let account = self.account(who).await?;
        let limits = self.limits();
        limits.may_try(&account.email, Instant::now())?;
        let known = self.0.store.credentials(&account.email).await?;
        let kept = known.and_then(|known| known.password_hash);
        let right = self.0.passwords.matches(password, kept).await?;
        limits.tried(&account.email, right, Instant::now())?;
        if right { Ok(()) } else { Err(Problem::invalid_credentials()) }
    }
}
