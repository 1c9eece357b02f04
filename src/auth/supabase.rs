//! People whose accounts are Supabase's. It says who they are; what they may is in our own tables.
//!
//! Whoever comes with a good token is written down at first sight: a person by the token's `sub`, a
//! sign-in by its `session_id`. From then on both are rows like any others, so that signing out and
//! disabling end tokens and sockets at once, although Supabase's tokens know nothing of either.
//!
//! A person is never found by an e-mail address: who once had the same one, here or there, is
//! somebody else.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use crate::audit::{By, Event};
use crate::clock;
use crate::id::Uuid;
use crate::identity::{Principal, Role};
use crate::problem::Problem;
use crate::store::accounts::{ProfileChange, Sight};

use super::gotrue::{GoTrue, Refused, Session, SignedUp};
use super::token::{Claims, Unread};
use super::{Auth, SignedIn, later, secret};

/// Signing out is done when we have written it down; Supabase is told within this long or not at all.
const FAREWELL: Duration = Duration::from_secs(3);

/// What Supabase Auth's hash takes.
const LONGEST_PASSWORD: usize = 72;

/// Supabase Auth, where the settings name a project.
pub(super) struct Supabase {
    pub(super) gotrue: GoTrue,
    /// What its tokens name as their issuer: half of a person's identity.
    pub(super) issuer: String,
}

impl Auth {
    pub(super) async fn register_there(
        &self,
        there: &Supabase,
        email: &str,
        password: &SecretString,
        display_name: &str,
    ) -> Result<SignedIn, Problem> {
        if password.expose_secret().len() > LONGEST_PASSWORD {
            return Err(Problem::field("/password", "is longer than 72 bytes"));
        }
        let session = match there.gotrue.sign_up(email, password).await {
            Ok(SignedUp::In(session)) => session,
            Ok(SignedUp::Unconfirmed) => {
                tracing::info!("registered; the address waits to be confirmed");
                return Err(Problem::email_not_confirmed());
            }
            Err(refused) => return Err(refused.to_sign_up()),
        };
        let signed_in = self.enter(there, session).await?;
        if !display_name.is_empty() {
            let change =
                ProfileChange { display_name: Some(display_name.into()), ..ProfileChange::default() };
            self.0.store.change_profile(signed_in.user, &change, clock::now()).await?;
        }
        Ok(signed_in)
    }

    pub(super) async fn login_there(
        &self,
        there: &Supabase,
        email: &str,
        password: &SecretString,
        from: IpAddr,
    ) -> Result<SignedIn, Problem> {
        let signed_in = match self.session_there(there, email, password, from).await {
            Ok(session) => self.enter(there, session).await,
            Err(problem) => Err(problem),
        };
        signed_in.map_err(|problem| {
            // Disabled here: the same answer as for a wrong password, as with local accounts.
            if problem != Problem::unauthorized() && problem != Problem::invalid_credentials() {
                return problem;
            }
            self.0.store.audit().record(By::NOBODY, &Event::SignInFailed { user: None });
            Problem::invalid_credentials()
        })
    }

    /// A new sign-in there, for the right password; wrong ones are counted as everywhere.
    async fn session_there(
        &self,
        there: &Supabase,
        email: &str,
        password: &SecretString,
        from: IpAddr,
    ) -> Result<Session, Problem> {
        let limits = self.limits();
        let attempt = limits.may_try(email, from, Instant::now())?;
        match there.gotrue.password(email, password).await {
            Ok(session) => {
                limits.tried(attempt.as_ref(), true, Instant::now())?;
                Ok(session)
            }
            Err(refused) => {
                let problem = refused.to_password();
                if problem == Problem::invalid_credentials() {
                    limits.tried(attempt.as_ref(), false, Instant::now())?;
                }
                Err(problem)
            }
        }
    }

    /// That somebody who is signed in knows the password, too: a sign-in there that ends at once. It must
    /// be theirs: what we know of their address may be old, and the address somebody else's by now.
    pub(super) async fn prove_there(
        &self,
        there: &Supabase,
        user: Uuid,
        email: &str,
        password: &SecretString,
        from: IpAddr,
    ) -> Result<(), Problem> {
        let session = self.session_there(there, email, password, from).await?;
        let token = session.access_token.expose_secret();
        let claims = self.0.verifier.verify(token, clock::now()).await;
        if let Err(refused) = there.gotrue.log_out(token).await {
            tracing::debug!(?refused, "a sign-in that only proved a password goes on there");
        }
        match claims {
            Ok(claims) if claims.sub == user => Ok(()),
            Ok(_) => Err(Problem::invalid_credentials()),
            Err(_) => Err(Problem::identity_unavailable()),
        }
    }

    /// Passwords and addresses of these accounts are changed where they are kept.
    pub fn kept_here(&self) -> Result<(), Problem> {
        match self.is_supabase() {
            true => Err(Problem::forbidden().because(
                "The password and the address of this account are changed with Supabase, by the message that \
                 POST /auth/forgot sends.",
            )),
            false => Ok(()),
        }
    }

    pub(super) async fn refresh_there(
        &self,
        there: &Supabase,
        token: &SecretString,
    ) -> Result<SignedIn, Problem> {
        match there.gotrue.refresh(token).await {
            Ok(session) => self.enter(there, session).await,
            Err(refused) => {
                self.refresh_refused(&refused, token).await?;
                Err(refused.to_token())
            }
        }
    }

    /// A refresh token that came to us once and is worth nothing any more: it was used twice, or the
    /// sign-in was ended there. Its access tokens end here as well.
    async fn refresh_refused(&self, refused: &Refused, token: &SecretString) -> Result<(), Problem> {
        if !refused.ends_the_sign_in() {
            return Ok(());
        }
        let hash = secret::digest(token.expose_secret());
        if let Some(sign_in) = self.0.store.sign_in_of_refresh(&hash).await? {
            self.0.store.end_sign_in(sign_in, clock::now()).await?;
            self.ended(&[sign_in]);
            match refused.is_a_second_use() {
                true => self.0.store.audit().record(By::NOBODY, &Event::RefreshReused { sign_in }),
                false => self.0.store.audit().token_refused("a refresh token that ended there"),
            }
        } else {
            self.0.store.audit().token_refused("an unknown refresh token");
        }
        Ok(())
    }

    /// From what Supabase handed out to somebody who is signed in here. Its words are not taken for
    /// it: the token is verified like one that comes from a stranger.
    async fn enter(&self, there: &Supabase, session: Session) -> Result<SignedIn, Problem> {
        let token = session.access_token.expose_secret();
        let claims = self.0.verifier.verify(token, clock::now()).await.map_err(|unread| {
            let reason = match unread {
                Unread::Bad(reason) => reason,
                Unread::NoKeys => "no keys to verify it with",
            };
            tracing::error!(reason, "a token that Supabase just made is not good: are the settings right?");
            Problem::identity_unavailable()
        })?;
        let who = match self.write_down(there, &claims).await {
            Ok(who) => who,
            Err(problem) => {
                self.leave(&there.gotrue, token).await;
                return Err(problem);
            }
        };
        let now = clock::now();
        let hash = secret::digest(session.refresh_token.expose_secret());
        let expires_at = later(now, self.0.refresh_ttl);
        self.0.store.keep_refresh(&hash, who.family, now, expires_at).await?;
        let left = Duration::try_from(who.expires_at.duration_since(now)).unwrap_or_default();
        Ok(SignedIn {
            expires_in: left.as_secs(),
            user: who.user_id,
            email: claims.email(),
            role: who.role,
            access_token: session.access_token,
            refresh_token: session.refresh_token,
        })
    }

    /// A token of a sign-in that was never seen here: its page asked Supabase by itself. Supabase is
    /// asked once whether that sign-in still stands; while it is away the token's word counts.
    pub(super) async fn first_sight(
        &self,
        there: &Supabase,
        token: &str,
        claims: &Claims,
    ) -> Result<Principal, Problem> {
        match there.gotrue.user(token).await {
            Ok(()) | Err(Refused::Away | Refused::TooOften(_)) => self.write_down(there, claims).await,
            Err(refused) => {
                self.0.store.audit().token_refused("ended there");
                Err(refused.to_token())
            }
        }
    }

    /// The rows of a person and of a sign-in, made where they are missing.
    async fn write_down(&self, there: &Supabase, claims: &Claims) -> Result<Principal, Problem> {
        let email = claims.email();
        let sight = Sight {
            user: claims.sub,
            sign_in: claims.session_id,
            issuer: &there.issuer,
            email: &email,
            role: claims.named_role().unwrap_or(Role::Student),
            now: clock::now(),
        };
        // Deleted here, or the id is a local account's.
        let nobody = || self.refused("not one of Supabase's people here");
        let seen = self.0.store.sight(&sight).await?.ok_or_else(nobody)?;
        let audit = self.0.store.audit();
        if seen.person_is_new {
            audit.record(claims.sub, &Event::AccountCreated { user: claims.sub, role: sight.role });
        }
        let row = self.sign_in_of(claims).await?;
        let who = self.principal(row, claims.expires_at())?;
        if seen.sign_in_is_new {
            audit.record(&who, &Event::SignedIn);
        }
        Ok(who)
    }

    /// Tells Supabase that a sign-in has ended; here it has ended already.
    pub async fn log_out_upstream(&self, access_token: &str) {
        if let Some(there) = &self.0.supabase {
            self.leave(&there.gotrue, access_token).await;
        }
    }

    async fn leave(&self, gotrue: &GoTrue, access_token: &str) {
        match tokio::time::timeout(FAREWELL, gotrue.log_out(access_token)).await {
            Ok(Ok(())) => {}
            Ok(Err(refused)) if refused.ends_the_sign_in() => {}
            _ => tracing::warn!("Supabase could not be told that a sign-in has ended; here it has"),
        }
    }

    /// Has Supabase send a message to somebody who forgot the password. `None`: accounts are local.
    /// An address that it does not know is answered like any other.
    pub async fn recover(&self, email: &str) -> Option<Result<(), Problem>> {
        let there = self.0.supabase.as_ref()?;
        Some(match there.gotrue.recover(&email.to_lowercase()).await {
            Ok(()) => Ok(()),
            Err(refused @ (Refused::Away | Refused::TooOften(_))) => Err(refused.to_sign_up()),
            Err(_) => {
                tracing::info!("no message was sent to somebody who forgot a password");
                Ok(())
            }
        })
    }

    /// Whether accounts are Supabase's.
    pub fn is_supabase(&self) -> bool {
        self.0.supabase.is_some()
    }
}

/// What a look at the project finds, for `fynq doctor`.
pub struct Project {
    /// Each signing key's algorithm, or why the keys could not be had.
    pub keys: Result<Vec<&'static str>, &'static str>,
    /// Whether a new address must be confirmed first; `None`: Supabase Auth does not take our key,
    /// or does not answer.
    pub confirms: Option<bool>,
}

/// Asks the project for its keys and its settings.
pub async fn look_at_project(settings: &crate::config::Supabase) -> anyhow::Result<Project> {
    let keys = super::token::Jwks::new(settings)?.algorithms().await;
    let told = GoTrue::new(settings)?.settings().await;
    let confirms = told.ok().map(|told| told["mailer_autoconfirm"] != true);
    Ok(Project { keys, confirms })
}
