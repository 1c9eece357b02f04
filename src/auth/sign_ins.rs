//! One's own sign-ins: seen and ended.

use secrecy::{ExposeSecret, SecretString};

use crate::audit::Event;
use crate::clock::{self, Timestamp};
use crate::id::Uuid;
use crate::identity::{Principal, Standing};
use crate::problem::Problem;
use crate::store::Page;
use crate::store::sign_ins::OwnSignIn;

use super::{Auth, device, secret};

/// The place where a page of the list ended.
pub type SignInsAfter = (Timestamp, Uuid);

/// A sign-in as its owner sees it.
#[derive(Clone, Debug)]
pub struct SignInRow {
    pub id: Uuid,
    pub created_at: Timestamp,
    pub last_used_at: Timestamp,
    pub label: String,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl Auth {
    /// One's own, newest first.
    pub async fn own_sign_ins(
        &self,
        who: &Principal,
        after: Option<SignInsAfter>,
        limit: usize,
    ) -> Result<Page<SignInRow, SignInsAfter>, Problem> {
        let page = self.0.store.own_sign_ins(who.user_id, after, limit).await?;
        let items = page.items.into_iter().map(|row| self.seen(who, row)).collect();
        Ok(Page { items, next: page.next })
    }

    fn seen(&self, who: &Principal, row: OwnSignIn) -> SignInRow {
        // What has not been written yet is newer.
        let noted = self.0.used.of(row.id).unwrap_or(row.last_used_at);
        SignInRow {
            id: row.id,
            created_at: row.created_at,
            last_used_at: row.last_used_at.max(noted),
            label: if row.label.is_empty() { device(None) } else { row.label },
            current: row.id == who.family,
        }
    }

    /// Ends one of one's own.
    pub async fn end_sign_in(&self, who: &Principal, id: Uuid) -> Result<(), Problem> {
        if !self.0.store.end_own_sign_in(who.user_id, id, clock::now()).await? {
            return Err(Problem::not_found());
        }
        self.ended(&[id]);
        self.0.store.audit().record(who, &Event::SignInsEnded);
        Ok(())
    }

    /// Ends the sign-in that a device still holds when it begins another; what is no refresh token means nothing.
    /// Whoever shows it could end it by signing out.
    pub async fn end_held(&self, refresh_token: &SecretString) -> Result<(), Problem> {
        let token = refresh_token.expose_secret();
        let hash = if self.is_supabase() { Some(secret::digest(token)) } else { secret::hash_of(token) };
        let Some(hash) = hash else { return Ok(()) };
        if let Some((sign_in, user)) = self.0.store.end_held(&hash, clock::now()).await? {
            self.ended(&[sign_in]);
            self.0.store.audit().record(user, &Event::SignedOut);
        }
        Ok(())
    }

    /// This process knows at once; the others see it within a second.
    pub(super) fn ended(&self, sign_ins: &[Uuid]) {
        for sign_in in sign_ins {
            self.0.standings.set(*sign_in, Standing::SignedOut);
            if let Some(shown) = &self.0.shown {
                shown.forget(*sign_in);
            }
        }
    }
}
