//! Who is asking, and what they may touch. The one place that says yes or no.

mod access;
mod address;
mod bearer;
pub mod code;
mod credentials;
mod device;
mod gotrue;
mod limits;
mod origin;
mod password;
mod reset;
mod reset_code;
mod rosters;
mod secret;
mod shown;
mod sign_in;
mod sign_ins;
mod standing;
mod supabase;
mod ticket;
mod token;
mod used;

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use tokio::sync::watch;

use crate::clock::{self, Timestamp};
use crate::config::Settings;
use crate::id::Uuid;
use crate::identity::{Principal, Role, Standing};
use crate::problem::Problem;
use crate::store::Store;
use crate::store::accounts::{Account, SignIn};

pub use access::{FileAccess, admin, forbidden, staff, to_class};
pub use address::{ADDRESS_LIFE, Signed};
pub use device::device;
pub use limits::{Attempt, LEFT, Limits, POLICY, Place, quota, tallied};
pub use reset::{ResetCode, operators_reset_code};
pub use rosters::LiveScope;
pub use sign_in::{NewStudent, SignedIn};
pub use sign_ins::{SignInRow, SignInsAfter};
pub use supabase::{Project, look_at_project};
pub use ticket::TICKET_LIFE;

use origin::Origins;
use password::Passwords;
use rosters::Rosters;
use shown::Shown;
use standing::Standings;
use supabase::Supabase;
use token::{Claims, Tokens, Unread, Verifier};
use used::Used;

/// How often what has expired is forgotten, in memory and in the database.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Accounts, tokens, tickets and standing; cheap to clone.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    store: Store,
    /// Makes the tokens of local accounts.
    tokens: Tokens,
    signer: address::Signer,
    verifier: Verifier,
    /// `None`: accounts are local.
    supabase: Option<Supabase>,
    refresh_ttl: Duration,
    /// Of local accounts; how long a sign-in of Supabase's lasts is the project's to say.
    sign_in_ttl: Duration,
    passwords: Passwords,
    standings: Standings,
    rosters: Rosters,
    used: Used,
    /// `None`: nothing is asked with the tokens of people.
    shown: Option<Shown>,
    open_registration: bool,
    limits: Limits,
    origins: Origins,
    /// Whether the housekeeping task runs; it starts with the first call inside a runtime.
    housekeeping: std::sync::Once,
}

impl Auth {
    pub fn new(settings: &Settings, store: Store) -> anyhow::Result<Auth> {
        let accounts = &settings.accounts;
        let secret = match (&settings.supabase, &accounts.token_secret) {
            (_, Some(secret)) => secret.expose_secret().as_bytes().to_vec().into(),
            (None, None) => token::kept_secret(&settings.data_dir)?,
            // Nobody is given a token of ours, and none would be believed.
            (Some(_), None) => SecretSlice::from(secret::random_bytes().to_vec()),
        };
        let tokens = Tokens::new(secret.expose_secret(), accounts.token_ttl);
        let (verifier, supabase) = match &settings.supabase {
            None => (Verifier::local(secret.expose_secret())?, None),
            Some(project) => {
                let there = Supabase {
                    gotrue: gotrue::GoTrue::new(project)?,
                    issuer: token::issuer_of(&project.url),
                };
                (Verifier::supabase(project)?, Some(there))
            }
        };
        Ok(Auth(Arc::new(Inner {
            store,
            tokens,
            signer: address::Signer::new(secret.expose_secret()),
            verifier,
            supabase,
            refresh_ttl: accounts.refresh_ttl,
            sign_in_ttl: accounts.sign_in_ttl,
            passwords: Passwords::new(),
            standings: Standings::default(),
            rosters: Rosters::default(),
            limits: Limits::new(settings.rate_limit, &settings.limits),
            origins: Origins::new(settings),
            used: Used::default(),
            shown: storage_takes_tokens(settings).then(Shown::default),
            open_registration: accounts.open_registration,
            housekeeping: std::sync::Once::new(),
        })))
    }

    /// How often one may ask.
    pub fn limits(&self) -> &Limits {
        self.start_housekeeping();
        &self.0.limits
    }

    /// Who holds this access token. One query: the token says who, the database says what they may.
    pub async fn authenticate(&self, token: &str) -> Result<Principal, Problem> {
        let claims = self.0.verifier.verify(token, clock::now()).await.map_err(|unread| match unread {
            Unread::Bad(reason) => self.refused(reason),
            Unread::NoKeys => Problem::identity_unavailable(),
        })?;
        let who = match (self.sign_in_of(&claims).await?, &self.0.supabase) {
            (None, Some(there)) => self.first_sight(there, token, &claims).await?,
            (row, _) => self.principal(row, claims.expires_at())?,
        };
        self.0.used.note(who.family, clock::now());
        if let Some(shown) = &self.0.shown {
            shown.note(who.family, token, claims.expires_at());
        }
        Ok(who)
    }

    /// The token that this sign-in last showed, if it works still and Supabase's storage is to be asked with it.
    pub fn shown_token(&self, who: &Principal) -> Option<SecretString> {
        self.0.shown.as_ref()?.of(who.family, clock::now())
    }

    async fn sign_in_of(&self, claims: &Claims) -> Result<Option<SignIn>, Problem> {
        let rows = self.0.store.sign_ins(&[claims.session_id]).await?;
        Ok(rows.into_iter().find(|row| row.user_id == claims.sub))
    }

    fn principal(&self, sign_in: Option<SignIn>, expires_at: Timestamp) -> Result<Principal, Problem> {
        let refused = |reason| Err(self.refused(reason));
        let Some(row) = sign_in else { return refused("unknown") };
        let standing = standing::standing(&row);
        match standing {
            Standing::Disabled => refused("disabled"),
            Standing::SignedOut | Standing::Renewed => refused("signed out"),
            Standing::Good(role) | Standing::Mute(role) => Ok(Principal {
                user_id: row.user_id,
                org_id: row.org_id,
                role,
                name: row.name,
                may_speak: matches!(standing, Standing::Good(_)),
                family: row.id,
                expires_at,
            }),
        }
    }

    /// Live rights for an open socket: ends within five seconds of the sign-in or the account. While
    /// the database is away the last word stays.
    pub fn standing(&self, who: &Principal) -> watch::Receiver<Standing> {
        self.start_housekeeping();
        let good = if who.may_speak { Standing::Good(who.role) } else { Standing::Mute(who.role) };
        self.0.standings.listen(who.family, good)
    }

    /// Resolves when the sign-in, the account or the role of somebody who is answered for a while is no
    /// more, within five seconds of it.
    pub fn rights_end(&self, who: &Principal) -> impl Future<Output = ()> + Send + use<> {
        let mut standing = self.standing(who);
        let good = Standing::Good(who.role);
        let mute = Standing::Mute(who.role);
        let spoke = who.may_speak;
        async move {
            // Nobody watches over this sign-in any more: that happens only while the server stops.
            if standing.wait_for(|now| *now != good && (spoke || *now != mute)).await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Live rights of whoever watches a session: `false` within five seconds of being shut out of it.
    pub fn observing(&self, who: &Principal, session: Uuid) -> watch::Receiver<bool> {
        self.start_housekeeping();
        self.0.standings.observe(who.family, session)
    }

    /// A new code that joins a class.
    pub fn join_code(&self) -> String {
        code::new()
    }

    /// The hash of a password for an account that somebody else makes.
    pub async fn hash(&self, password: SecretString) -> Result<String, Problem> {
        self.0.passwords.hash(password).await
    }

    /// Makes the first admin that the settings name. True when there was something to do. With
    /// Supabase's accounts there is nothing: nobody could sign in with that password.
    pub async fn ensure_admin(&self, email: &str, password: &SecretString) -> anyhow::Result<bool> {
        if self.is_supabase() {
            return Ok(false);
        }
        let email = email.trim().to_lowercase();
        let known = self.0.store.credentials(&email).await?;
        if known.is_some_and(|known| known.account.role == Role::Admin) {
            return Ok(false);
        }
        let hash = self.0.passwords.hash(password.clone()).await;
        let hash =
            hash.map_err(|problem| anyhow::anyhow!("hashing the admin's password: {}", problem.code()))?;
        Ok(self.0.store.ensure_admin(&email, &hash, clock::now()).await?)
    }

    /// How many passwords this process has hashed or compared; tests see by it that two answers cost
    /// the same.
    pub fn password_work(&self) -> u64 {
        self.0.passwords.done()
    }

    /// Writes down when sign-ins were last used, as the housekeeping does every minute.
    pub async fn write_used(&self) {
        self.0.write_used().await;
    }

    /// The account of somebody whose token was verified.
    pub async fn account(&self, who: &Principal) -> Result<Account, Problem> {
        self.0.store.account(who.user_id, who.user_id).await?.ok_or_else(Problem::unauthorized)
    }

    fn start_housekeeping(&self) {
        self.0.housekeeping.call_once(|| {
            tokio::spawn(housekeeping(Arc::downgrade(&self.0)));
        });
    }
}

/// The hash of a password, where no server runs.
pub async fn hash_password(password: SecretString) -> Result<String, Problem> {
    Passwords::new().hash(password).await
}

/// A password that nobody chose: 256 bits.
pub fn random_password() -> SecretString {
    secret::Secret::new().into_text().into()
}

/// Looks at watched sign-ins every two seconds and sweeps every minute; ends with the last `Auth`.
async fn housekeeping(auth: Weak<Inner>) {
    let mut ticks = tokio::time::interval(standing::EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut swept = Instant::now();
    loop {
        ticks.tick().await;
        let Some(auth) = auth.upgrade() else { return };
        auth.look_at_standings().await;
        if swept.elapsed() >= SWEEP_EVERY {
            swept = Instant::now();
            auth.sweep().await;
        }
    }
}

impl Inner {
    async fn look_at_standings(&self) {
        let (asked, watched) = (self.standings.listened(), self.standings.watched());
        let rosters = self.rosters.listened();
        let sign_ins =
            async { if asked.is_empty() { Ok(Vec::new()) } else { self.store.sign_ins(&asked).await } };
        let observed =
            async { if watched.is_empty() { Ok(Vec::new()) } else { self.store.observed(&watched).await } };
        // Before the others: they know why somebody is missing here. It has a time of its own, so that a slow
        // look at rosters keeps nobody else's rights from ending.
        let scopes = match rosters.is_empty() {
            true => None,
            false => {
                let looked = tokio::time::timeout(standing::EVERY, self.store.roster_scopes(&rosters)).await;
                looked.inspect_err(|_| tracing::debug!("checking what rosters show took too long")).ok()
            }
        };
        let looks = async { tokio::join!(sign_ins, observed) };
        let Ok((sign_ins, observed)) = tokio::time::timeout(standing::EVERY, looks).await else {
            return tracing::debug!("checking the sign-ins of open sockets took too long");
        };
        match sign_ins {
            Ok(found) => self.standings.apply(&asked, &found),
            Err(error) => tracing::debug!(%error, "sign-ins of open sockets could not be checked"),
        }
        match observed {
            Ok(found) => self.standings.apply_observed(&watched, &found),
            Err(error) => tracing::debug!(%error, "what is watched could not be checked"),
        }
        match scopes {
            Some(Ok(found)) => self.rosters.apply(&rosters, found),
            Some(Err(error)) => tracing::debug!(%error, "what rosters show could not be checked"),
            None => {}
        }
    }

    async fn write_used(&self) {
        let (ids, times) = self.used.take();
        if ids.is_empty() {
            return;
        }
        if let Err(error) = self.store.sign_ins_used(&ids, &times).await {
            tracing::debug!(%error, "when sign-ins were last used could not be written");
        }
    }

    async fn sweep(&self) {
        self.limits.sweep(Instant::now());
        self.write_used().await;
        let now = clock::now();
        if let Some(shown) = &self.shown {
            shown.sweep(now);
        }
        let oldest_token =
            now.saturating_sub(jiff::SignedDuration::try_from(self.tokens.ttl() * 2).unwrap_or_default());
        let Ok(oldest_token) = oldest_token else { return };
        if let Err(error) = self.store.sweep_sign_ins(now, oldest_token).await {
            tracing::debug!(%error, "expired sign-ins could not be swept");
        }
    }
}

/// Never with local accounts: their tokens are ours, and mean nothing to any storage.
fn storage_takes_tokens(settings: &Settings) -> bool {
    let bucket = settings.files.bucket.as_ref();
    settings.supabase.is_some() && bucket.is_some_and(|bucket| bucket.people.is_some())
}

/// `now` and a span later; times beyond what can be written stay at the end of time.
fn later(now: Timestamp, by: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

/// A span before `now`; nothing of ours is older than 1970.
fn before(now: Timestamp, by: Duration) -> Timestamp {
    let by = jiff::SignedDuration::try_from(by).ok();
    let then = by.and_then(|by| now.checked_sub(by).ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    then.max(Timestamp::UNIX_EPOCH)
}
