//! TLS before anything else is said. A handshake takes a moment or is none: it has a time, and when too many are
//! under way the one that has taken longest gives way, so that those who never finish keep nobody out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::counter;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::shutdown::{Phase, Shutdown};
use crate::tls::Identity;

/// Under way at once; one more, and the oldest of them is hung up on.
const MOST: usize = 4096;
/// For one of them.
const PATIENCE: Duration = Duration::from_secs(10);

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Handshakes(Arc<Shared>);

struct Shared {
    identity: Identity,
    patience: Duration,
    under_way: UnderWay,
}

impl Handshakes {
    pub(super) fn new(identity: Identity, patience: Duration) -> Handshakes {
        let patience = patience.min(PATIENCE);
        Handshakes(Arc::new(Shared { identity, patience, under_way: UnderWay::new(MOST) }))
    }

    /// `None`: there was nobody to talk to. Whoever does not speak TLS hears an alert and no more.
    pub(super) async fn shake(
        &self,
        stream: TcpStream,
        mut shutdown: Shutdown,
    ) -> Option<TlsStream<TcpStream>> {
        let Shared { identity, patience, under_way } = &*self.0;
        let (_place, gives_way) = under_way.enter();
        let shaking = async { TlsAcceptor::from(identity.now().await).accept(stream).await };
        let refused = tokio::select! {
            shaken = timeout(*patience, shaking) => match shaken {
                Ok(Ok(stream)) => return Some(stream),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it took too long".to_owned(),
            },
            _ = gives_way => "too many at once".to_owned(),
            () = shutdown.reached(Phase::Stopped) => return None,
        };
        counter!("fynq_tls_refused_total").increment(1);
        tracing::debug!(refused, "a handshake came to nothing");
        None
    }
}

/// Those that have begun, oldest first.
struct UnderWay {
    most: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    next: u64,
    /// Dropped: that one gives way.
    waiting: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// Given back when dropped.
struct Place<'a> {
    of: &'a UnderWay,
    number: u64,
}

impl UnderWay {
    fn new(most: usize) -> UnderWay {
        UnderWay { most, queue: Mutex::default() }
    }

    /// A place, and what resolves when somebody else needs it.
    fn enter(&self) -> (Place<'_>, oneshot::Receiver<()>) {
        let (keeps, gives_way) = oneshot::channel();
        let mut queue = self.queue();
        if queue.waiting.len() >= self.most {
            queue.waiting.pop_front();
        }
        let number = queue.next;
        queue.next += 1;
        queue.waiting.push_back((number, keeps));
        (Place { of: self, number }, gives_way)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut queue = self.of.queue();
        if let Ok(at) = queue.waiting.binary_search_by_key(&self.number, |(number, _)| *number) {
            queue.waiting.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_whoever_is_done_makes_room() {
        let under_way = UnderWay::new(2);
        let gave_way =
            |one: &mut oneshot::Receiver<()>| one.try_recv() == Err(oneshot::error::TryRecvError::Closed);
        let (_first, mut first) = under_way.enter();
        let (second, mut second_gives_way) = under_way.enter();
        let (_third, mut third) = under_way.enter();
        assert!(gave_way(&mut first) && !gave_way(&mut second_gives_way) && !gave_way(&mut third));
        drop(second);
        let (_fourth, mut fourth) = under_way.enter();
        assert!(!gave_way(&mut third) && !gave_way(&mut fourth));
        assert_eq!(under_way.queue().waiting.len(), 2);
    }
}
