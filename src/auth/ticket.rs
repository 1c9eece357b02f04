//! Socket tickets: what a browser, which cannot set a header on a socket, shows instead of its token.

use std::time::Duration;

use secrecy::SecretString;

use crate::clock;
use crate::identity::Principal;
use crate::problem::Problem;
use crate::store::accounts::NewTicket;

use super::secret::{self, Secret};
use super::{Auth, later};

/// A ticket opens one socket within this long.
pub const TICKET_LIFE: Duration = Duration::from_secs(30);
/// A longer origin is none that a browser sends.
const MAX_ORIGIN: usize = 512;

impl Auth {
    /// A ticket for this person, bound to the page (`Origin`) that asked for it, if one did.
    pub async fn ticket(&self, who: &Principal, origin: Option<&str>) -> Result<SecretString, Problem> {
        if origin.is_some_and(|origin| origin.len() > MAX_ORIGIN) {
            return Err(Problem::bad_request());
        }
        let ticket = Secret::new();
        let expires_at = later(clock::now(), TICKET_LIFE);
        let new = NewTicket {
            user: who.user_id,
            sign_in: who.family,
            origin,
            token_expires_at: who.expires_at,
            expires_at,
        };
        self.0.store.keep_ticket(&ticket.hash(), &new).await?;
        Ok(ticket.into_text().into())
    }

    /// Who a ticket stands for. It is spent by this, also when it is refused.
    pub async fn redeem_ticket(&self, ticket: &str, origin: Option<&str>) -> Result<Principal, Problem> {
        let unknown = || self.refused("an unknown ticket");
        let hash = secret::hash_of(ticket).ok_or_else(unknown)?;
        let ticket = self.0.store.redeem_ticket(&hash).await?.ok_or_else(unknown)?;
        let elsewhere = ticket.origin.as_deref().is_some_and(|bound| Some(bound) != origin);
        if elsewhere || ticket.expires_at <= clock::now() {
            return Err(self.refused(if elsewhere {
                "a ticket of another origin"
            } else {
                "an expired ticket"
            }));
        }
        self.principal(Some(ticket.sign_in), ticket.token_expires_at)
    }
}
