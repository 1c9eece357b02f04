//! What tutors do is kept beside the messages, one after the other.

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::clock;
use crate::id::Uuid;
use crate::session::state::Token;
use crate::store::{Patience, Store, StoreError, TutorRow, WriteError};

use super::effects::{Busy, Effects};
use super::{Happening, RETRY};

impl Effects<'_> {
    /// A whisper that ended must not be overtaken by its beginning, so each waits for the one before.
    pub(super) fn keep_in_order(&mut self, token: Token, rows: Vec<TutorRow>, patience: Patience) {
        let (store, session) = (self.inner.store.clone(), self.session);
        let (mine, over) = oneshot::channel::<()>();
        let before = self.last_kept.replace(over);
        // The drain waits for it as for a run.
        let busy = Busy::new(&self.inner.running);
        self.expect(async move {
            // Nothing is ever sent: it ends with the one before.
            let mut before = Box::pin(async {
                if let Some(before) = before {
                    drop(before.await)
                }
            });
            let kept = match patience {
                Patience::Insist => {
                    before.await;
                    let kept = insist(&store, session, &rows).await;
                    drop((mine, busy));
                    kept
                }
                // Of those before one may be insisted on for long. Who gives up keeps their place all the
                // same, or the next would overtake them.
                Patience::Refuse if timeout(RETRY, &mut before).await.is_err() => {
                    tokio::spawn(async move {
                        before.await;
                        drop((mine, busy));
                    });
                    Err(StoreError::Unavailable)
                }
                Patience::Refuse => {
                    let kept = store.keep_tutoring(&rows).await;
                    if matches!(kept, Err(StoreError::Unavailable)) {
                        tokio::spawn(async move {
                            take_back(&store, session, &rows).await;
                            drop((mine, busy));
                        });
                    }
                    kept
                }
            };
            let kept = kept.map_err(|error| match error {
                StoreError::Unavailable => WriteError::Unavailable { retry_after: RETRY },
                _ => WriteError::Refused,
            });
            Happening::Committed(token, kept)
        });
    }
}

/// What was refused must not come to pass: a commit whose answer was lost may have gone through, or go
/// through yet.
async fn take_back(store: &Store, session: Uuid, rows: &[TutorRow]) {
    let at = clock::now();
    let ended = rows.iter().filter_map(|row| match row {
        TutorRow::Whisper(whisper) => Some(TutorRow::WhisperTakenBack { whisper: whisper.clone(), at }),
        _ => None,
    });
    let ended: Vec<TutorRow> = ended.collect();
    if !ended.is_empty() {
        // Said in the log, if it cannot be.
        let _ = insist(store, session, &ended).await;
    }
}

async fn insist(store: &Store, session: Uuid, rows: &[TutorRow]) -> Result<(), StoreError> {
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
