//! What tutors do is kept beside the messages, one after the other.

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::session::state::Token;
use crate::store::{Patience, Store, StoreError, TutorRow, WriteError};

use super::effects::Effects;
use super::{Happening, RETRY};

impl Effects<'_> {
    /// A whisper that ended must not be overtaken by its beginning, so each waits for the one before.
    pub(super) fn keep_in_order(&mut self, token: Token, rows: Vec<TutorRow>, patience: Patience) {
        let (store, session) = (self.inner.store.clone(), self.session);
        let (mine, over) = oneshot::channel::<()>();
        let before = self.last_kept.replace(over);
        self.expect(async move {
            // Nothing is ever sent: it ends with the one before.
            let before = async {
                if let Some(before) = before {
                    drop(before.await)
                }
            };
            let kept = match patience {
                Patience::Insist => {
                    before.await;
                    insist(&store, session, &rows).await
                }
                // Of those before one may be insisted on for long.
                Patience::Refuse => match timeout(RETRY, before).await {
                    Ok(()) => store.keep_tutoring(&rows).await,
                    Err(_) => Err(StoreError::Unavailable),
                },
            };
            drop(mine);
            let kept = kept.map_err(|error| match error {
                StoreError::Unavailable => WriteError::Unavailable { retry_after: RETRY },
                _ => WriteError::Refused,
            });
            Happening::Committed(token, kept)
        });
    }
}

async fn insist(store: &Store, session: crate::id::Uuid, rows: &[TutorRow]) -> Result<(), StoreError> {
    loop {
        match store.keep_tutoring(rows).await {
            Err(StoreError::Unavailable) => sleep(RETRY).await,
            Err(error) => {
                tracing::error!(%session, %error, "what a tutor did could not be kept");
                return Err(error);
            }
            Ok(()) => return Ok(()),
        }
    }
}
