//! Passwords: argon2id, off the runtime's threads and only a few at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::problem::Problem;

/// OWASP's first choice: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Each takes a core and 19 MiB for some tens of milliseconds.
const AT_ONCE: usize = 2;
/// More than these waiting are refused at once, with `overloaded`.
const WAITING: usize = 1024;
/// Who waited this long for a turn is refused with `overloaded`.
const PATIENCE: Duration = Duration::from_secs(10);

/// Compared against when there is no account, so that an unknown address takes as long as a wrong
/// password. Its password was 32 random bytes that nobody kept.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[derive(Clone, Debug)]
pub(super) struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
    done: Arc<AtomicU64>,
}

impl Passwords {
    pub(super) fn new() -> Passwords {
        Passwords {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            places: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
            done: Arc::default(),
        }
    }

    /// How many were hashed or compared so far.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// The PHC string to keep.
    pub(super) async fn hash(&self, password: SecretString) -> Result<String, Problem> {
        self.work(move || {
            let hash: PasswordHash = argon2()?
                .hash_password(password.expose_secret().as_bytes())
                .map_err(|error| anyhow::anyhow!("hashing a password: {error}"))?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether the password is the one; `None` (no such account) takes as long and says no.
    pub(super) async fn matches(
        &self,
        password: SecretString,
        kept: Option<String>,
    ) -> Result<bool, Problem> {
        self.work(move || {
            let known = kept.is_some();
            let kept = kept.unwrap_or_else(|| NOBODY.to_owned());
            let hash = PasswordHash::new(&kept)
                .map_err(|error| anyhow::anyhow!("reading a kept password: {error}"))?;
            let same = argon2()?.verify_password(password.expose_secret().as_bytes(), &hash).is_ok();
            Ok(same && known)
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let _place = self.places.try_acquire().map_err(|_| Problem::overloaded())?;
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned());
        let turn = turn.await.ok().and_then(Result::ok).ok_or_else(Problem::overloaded)?;
        self.done.fetch_add(1, Ordering::Relaxed);
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work();
            // Given back when the work ends, not when the request that asked for it hangs up.
            drop(turn);
            outcome
        });
        match done.await.context("the password task ended") {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) | Err(error) => {
                tracing::error!(%error, "passwords cannot be checked");
                Err(Problem::internal())
            }
        }
    }
}

/// Whether a kept hash was made under other parameters than today's.
pub(super) fn is_outdated(kept: &str) -> bool {
    let Ok(hash) = PasswordHash::new(kept) else { return true };
    let params = Params::try_from(&hash).map(|params| (params.m_cost(), params.t_cost(), params.p_cost()));
    hash.algorithm.as_str() != "argon2id" || params.ok() != Some((MEMORY_KIB, PASSES, LANES))
}

fn argon2() -> anyhow::Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| anyhow::anyhow!("argon2 parameters: {error}"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.matches("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.matches("correct horsf".into(), Some(hash)).await.unwrap());
        assert!(!passwords.matches("correct horse".into(), None).await.unwrap());
    }

    #[test]
    fn a_hash_of_other_parameters_is_outdated() {
        assert!(!is_outdated(NOBODY));
        for old in [
            NOBODY.replace("m=19456", "m=4096"),
            NOBODY.replace("t=2", "t=1"),
            NOBODY.replace("argon2id", "argon2i"),
            "nonsense".into(),
        ] {
            assert!(is_outdated(&old), "{old}");
        }
    }

    #[test]
    fn nobodys_hash_costs_the_same() {
        let hash = PasswordHash::new(NOBODY).unwrap();
        let params = Params::try_from(&hash).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (MEMORY_KIB, PASSES, LANES));
        assert_eq!(hash.algorithm.as_str(), "argon2id");
    }

    #[tokio::test]
    async fn a_full_waiting_room_refuses_at_once() {
        let passwords = Passwords::new();
        let _all = passwords.places.acquire_many(u32::try_from(AT_ONCE + WAITING).unwrap()).await.unwrap();
        assert_eq!(passwords.hash("x".into()).await, Err(Problem::overloaded()));
    }
}
