//! Signing up, in, on and out.

use std::time::Instant;

use secrecy::{ExposeSecret, SecretString};

use crate::audit::{By, Event};
use crate::clock;
use crate::id::{self, Uuid};
use crate::identity::{Principal, Role, Standing};
use crate::problem::Problem;
use crate::store::accounts::{NewAccount, Rotation};

use super::secret::{self, Secret};
use super::{Auth, later};

/// What a client holds after signing in.
pub struct SignedIn {
    pub access_token: SecretString,
    pub expires_in: u64,
    pub refresh_token: SecretString,
    pub user: Uuid,
    pub email: String,
    pub role: Role,
}

impl Auth {
    /// A new student, signed in.
    pub async fn register(
        &self,
        email: &str,
        password: SecretString,
        display_name: &str,
    ) -> Result<SignedIn, Problem> {
        let email = email.to_lowercase();
        let password_hash = self.0.passwords.hash(password).await?;
        let new = NewAccount {
            id: id::new(),
            email: &email,
            password_hash: &password_hash,
            role: Role::Student,
            display_name,
            now: clock::now(),
        };
        let account = self.0.store.create_account(new).await?.ok_or_else(Problem::email_taken)?;
        let created = Event::AccountCreated { user: account.id, role: account.role };
        self.0.store.audit().record(account.id, &created);
        self.begin(account.id, account.email, account.role).await
    }

    /// One answer for an unknown address, a wrong password and a disabled account, after the same time.
    pub async fn login(&self, email: &str, password: SecretString) -> Result<SignedIn, Problem> {
        let email = email.to_lowercase();
        let limits = self.limits();
        limits.may_try(&email, Instant::now())?;
        let known = self.0.store.credentials(&email).await?;
        let kept = known.as_ref().and_then(|known| known.password_hash.clone());
        let matches = self.0.passwords.matches(password, kept).await?;
        let user = known.as_ref().map(|known| known.account.id);
        let known = known.filter(|known| matches && !known.disabled);
        limits.tried(&email, known.is_some(), Instant::now())?;
        let Some(known) = known else {
            self.0.store.audit().record(By::NOBODY, &Event::SignInFailed { user });
            return Err(Problem::invalid_credentials());
        };
        self.0.store.audit().record(known.account.id, &Event::SignedIn);
        self.begin(known.account.id, known.account.email, known.account.role).await
    }

    async fn begin(&self, user: Uuid, email: String, role: Role) -> Result<SignedIn, Problem> {
        let now = clock::now();
        let family = id::new();
        let refresh = Secret::new();
        let expires_at = later(now, self.0.refresh_ttl);
        self.0.store.start_sign_in(family, user, &refresh.hash(), now, expires_at).await?;
        self.signed_in(user, email, role, family, refresh)
    }

    fn signed_in(
        &self,
        user: Uuid,
        email: String,
        role: Role,
        family: Uuid,
        refresh: Secret,
    ) -> Result<SignedIn, Problem> {
        let tokens = &self.0.tokens;
        let access_token = tokens.issue(user, &email, role, family, clock::now()).map_err(|error| {
            tracing::error!(%error, "no token could be made");
            Problem::internal()
        })?;
        Ok(SignedIn {
            access_token: access_token.into(),
            expires_in: tokens.ttl().as_secs(),
            refresh_token: refresh.into_text().into(),
            user,
            email,
            role,
        })
    }

    /// Trades a refresh token for a new pair. It works once: the second time ends the whole sign-in.
    pub async fn refresh(&self, token: &SecretString) -> Result<SignedIn, Problem> {
        let old = secret::hash_of(token.expose_secret()).ok_or_else(Problem::unauthorized)?;
        let now = clock::now();
        let next = Secret::new();
        let expires_at = later(now, self.0.refresh_ttl);
        match self.0.store.rotate_refresh(&old, &next.hash(), now, expires_at).await? {
            Rotation::Done { sign_in, user, email, role } => self.signed_in(user, email, role, sign_in, next),
            Rotation::Reused { sign_in } => {
                self.0.store.audit().record(By::NOBODY, &Event::RefreshReused { sign_in });
                self.0.standings.set(sign_in, Standing::SignedOut);
                Err(Problem::unauthorized())
            }
            Rotation::Refused => Err(Problem::unauthorized()),
        }
    }

    /// Ends the sign-in: neither of its tokens works after this, and its sockets close.
    pub async fn logout(&self, who: &Principal) -> Result<(), Problem> {
        self.0.store.end_sign_in(who.family, clock::now()).await?;
        self.0.standings.set(who.family, Standing::SignedOut);
        self.0.store.audit().record(who, &Event::SignedOut);
        Ok(())
    }
}
