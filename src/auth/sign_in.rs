//! Signing up, in, on and out.

use std::net::IpAddr;
use std::time::Instant;

use secrecy::{ExposeSecret, SecretString};

use crate::audit::{By, Event};
use crate::clock::{self, Timestamp};
use crate::id::{self, Uuid};
use crate::identity::{Principal, Role, Standing};
use crate::problem::Problem;
use crate::store::accounts::{Created, NewAccount, NewSignIn, Rotation};

use super::password::is_outdated;
use super::secret::{self, Secret};
use super::{Auth, before, code, later};

/// Somebody who signs up.
pub struct NewStudent<'a> {
    pub email: &'a str,
    pub password: SecretString,
    /// May be empty.
    pub display_name: &'a str,
    /// Of the class that they come to; without it they need open registration.
    pub join_code: Option<&'a str>,
    /// What they will know this sign-in by.
    pub device: &'a str,
}

/// Who signs in, with what and from where, once the password was right.
struct Known {
    user: Uuid,
    email: String,
    role: Role,
    /// Of the credentials, as they were when they were looked at.
    number: i32,
}

/// A sign-in that is about to begin.
pub(super) struct Fresh {
    pub(super) id: Uuid,
    pub(super) refresh: Secret,
    /// Of the refresh token.
    pub(super) hash: secret::Hash,
    pub(super) now: Timestamp,
    pub(super) expires_at: Timestamp,
}

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
    /// A new student, signed in; with a join code a member of its class from the first moment.
    pub async fn register(&self, new: NewStudent<'_>) -> Result<SignedIn, Problem> {
        let email = new.email.to_lowercase();
        if new.join_code.is_none() && !self.0.open_registration {
            return Err(Problem::field("/join_code", "is required"));
        }
        let join_code = match new.join_code {
            Some(text) => Some(code::typed(text).ok_or_else(no_class)?),
            None => None,
        };
        let join_code = join_code.as_deref();
        let place = self.0.store.place(join_code).await?.ok_or_else(Problem::internal)?;
        if join_code.is_some() && place.class.is_none() {
            return Err(no_class());
        }
        if let Some(there) = &self.0.supabase {
            let signed_in = self.register_there(there, &email, &new.password, new.display_name).await?;
            if let Some(code) = join_code {
                // A class of another organisation than the one that Supabase's people are born in is not
                // joined; the account is there all the same.
                self.0.store.join_class(signed_in.user, code).await?;
            }
            return Ok(signed_in);
        }
        let class = place.class.as_deref().unwrap_or_default();
        self.check_password(
            "/password",
            &new.password,
            &[&email, new.display_name, &place.organisation, class],
        )?;
        let password_hash = self.0.passwords.hash(new.password).await?;
        let account = NewAccount {
            id: id::new(),
            email: &email,
            password_hash: &password_hash,
            role: Role::Student,
            display_name: new.display_name,
            join_code,
            now: clock::now(),
        };
        let account = match self.0.store.create_account(account).await? {
            Created::Done(account) => account,
            Created::Taken => return Err(Problem::email_taken()),
            Created::NoClass => return Err(no_class()),
        };
        let created = Event::AccountCreated { user: account.id, role: account.role };
        self.0.store.audit().record(account.id, &created);
        let known = Known { user: account.id, email: account.email, role: account.role, number: 0 };
        self.begin(known, new.device).await
    }

    /// One answer for an unknown address, a wrong password and a disabled account, after the same time.
    pub async fn login(
        &self,
        email: &str,
        password: SecretString,
        from: IpAddr,
        device: &str,
    ) -> Result<SignedIn, Problem> {
        let email = email.to_lowercase();
        if let Some(there) = &self.0.supabase {
            return self.login_there(there, &email, &password, from).await;
        }
        let limits = self.limits();
        let attempt = limits.may_try(&email, from, Instant::now())?;
        let known = self.0.store.credentials(&email).await?;
        let kept = known.as_ref().and_then(|known| known.password_hash.clone());
        let matches = self.0.passwords.matches(password.clone(), kept).await?;
        let user = known.as_ref().map(|known| known.account.id);
        let known = known.filter(|known| matches && !known.disabled);
        limits.tried(attempt.as_ref(), known.is_some(), Instant::now())?;
        let Some(known) = known else {
            self.0.store.audit().record(By::NOBODY, &Event::SignInFailed { user });
            return Err(Problem::invalid_credentials());
        };
        let account = known.account;
        if let Some(old) = known.password_hash.filter(|hash| is_outdated(hash)) {
            self.rehash(account.id, &old, password).await;
        }
        let known =
            Known { user: account.id, email: account.email, role: account.role, number: known.number };
        let signed_in = self.begin(known, device).await?;
        self.0.store.audit().record(signed_in.user, &Event::SignedIn);
        Ok(signed_in)
    }

    /// Keeps a password that was right under today's parameters. The sign-in does not hang on it.
    async fn rehash(&self, user: Uuid, old: &str, password: SecretString) {
        let Ok(new) = self.0.passwords.hash(password).await else { return };
        if let Err(error) = self.0.store.rehash(user, old, &new).await {
            tracing::debug!(%error, "a password could not be hashed anew");
        }
    }

    async fn begin(&self, known: Known, device: &str) -> Result<SignedIn, Problem> {
        let fresh = self.fresh(clock::now());
        let new = NewSignIn {
            id: fresh.id,
            user: known.user,
            number: known.number,
            label: device,
            refresh: &fresh.hash,
            now: fresh.now,
            expires_at: fresh.expires_at,
        };
        // The password was changed, or the account disabled, while it was compared.
        if !self.0.store.start_sign_in(&new).await? {
            return Err(Problem::invalid_credentials());
        }
        self.signed_in(known.user, known.email, known.role, fresh.id, fresh.refresh)
    }

    pub(super) fn fresh(&self, now: Timestamp) -> Fresh {
        let refresh = Secret::new();
        let expires_at = later(now, self.0.refresh_ttl.min(self.0.sign_in_ttl));
        Fresh { id: id::new(), hash: refresh.hash(), refresh, now, expires_at }
    }

    pub(super) fn signed_in(
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
        if let Some(there) = &self.0.supabase {
            return self.refresh_there(there, token).await;
        }
        let unknown = || self.refused("an unknown refresh token");
        let old = secret::hash_of(token.expose_secret()).ok_or_else(unknown)?;
        let now = clock::now();
        let next = Secret::new();
        let expires_at = later(now, self.0.refresh_ttl);
        let oldest = before(now, self.0.sign_in_ttl);
        match self.0.store.rotate_refresh(&old, &next.hash(), now, expires_at, oldest).await? {
            Rotation::Done { sign_in, user, email, role } => self.signed_in(user, email, role, sign_in, next),
            Rotation::Reused { sign_in } => {
                self.0.store.audit().record(By::NOBODY, &Event::RefreshReused { sign_in });
                self.0.standings.set(sign_in, Standing::SignedOut);
                Err(Problem::unauthorized())
            }
            Rotation::Refused => Err(unknown()),
        }
    }

    /// Ends the sign-in: neither of its tokens works after this, and its sockets close.
    pub async fn logout(&self, who: &Principal) -> Result<(), Problem> {
        self.0.store.end_sign_in(who.family, clock::now()).await?;
        self.ended(&[who.family]);
        self.0.store.audit().record(who, &Event::SignedOut);
        Ok(())
    }
}

fn no_class() -> Problem {
    Problem::invalid_code().at("/join_code", "is not the code of a class")
}
