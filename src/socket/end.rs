//! Why a socket ends.

use tokio::sync::watch;

use crate::identity::{Role, Standing};
use crate::protocol::CloseCode;
use crate::session::Leaving;

use super::outgoing::Lost;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Close(CloseCode),
    /// The token has ended and there is no fresh one here, or its owner has one of another sign-in. That says nothing
    /// about rights: who comes back with one goes on.
    Expired,
    /// The peer said goodbye first.
    Answered,
    /// The peer went away, or cannot be reached.
    Lost,
}

impl End {
    pub(super) fn leaving(&self) -> Leaving {
        match self {
            End::Close(CloseCode::Forbidden | CloseCode::Unauthenticated) => Leaving::RightsEnded,
            End::Close(_) | End::Expired | End::Answered | End::Lost => Leaving::Left,
        }
    }
}

impl From<Lost> for End {
    fn from(why: Lost) -> End {
        match why {
            Lost::Gone => End::Lost,
            Lost::TooSlow => End::Close(CloseCode::TooSlow),
        }
    }
}

/// Resolves when the sign-in, the account, the role or the class that opened the socket is no more, or a
/// consent with which it might speak was withdrawn. `observing`: of whoever watches without owning, whether
/// they still may. `spoke`: it might; given later, a consent only adds to its rights.
pub(super) async fn rights_end(
    standing: &mut watch::Receiver<Standing>,
    observing: &mut Option<watch::Receiver<bool>>,
    role: Role,
    spoke: bool,
) -> End {
    let shut_out = async {
        match observing {
            Some(observing) => observing.wait_for(|may| !may).await.is_ok(),
            None => false,
        }
    };
    let lost = standing.wait_for(|standing| match *standing {
        Standing::Good(now) => now != role,
        Standing::Mute(now) => spoke || now != role,
        Standing::SignedOut | Standing::Renewed | Standing::Disabled => true,
    });
    let lost = async { lost.await.map(|standing| *standing) };
    let lost = tokio::select! {
        biased;
        lost = lost => lost,
        true = shut_out => return End::Close(CloseCode::Forbidden),
    };
    match lost {
        Ok(Standing::SignedOut) => End::Close(CloseCode::Unauthenticated),
        Ok(Standing::Renewed) => End::Expired,
        Ok(Standing::Good(_) | Standing::Mute(_) | Standing::Disabled) => End::Close(CloseCode::Forbidden),
        // Nobody watches over this sign-in any more: that happens only while the server stops.
        Err(_) => std::future::pending().await,
    }
}

/// What the library could not read.
pub(super) fn unreadable(error: &axum::Error) -> End {
    use tokio_tungstenite::tungstenite::Error;
    use tokio_tungstenite::tungstenite::error::ProtocolError;
    match std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>()) {
        Some(Error::Capacity(_)) => End::Close(CloseCode::TooBig),
        // Text that is no text is no JSON object. (The reason in a close may be meant as well: the
        // library does not say where it met the bytes.)
        Some(Error::Utf8(_)) => End::Close(CloseCode::BadFrame),
        // The peer hung up, which the library counts as a fault, too.
        Some(Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake | ProtocolError::ReceivedAfterClosing,
        )) => End::Lost,
        Some(Error::Protocol(_)) => End::Close(CloseCode::Protocol),
        _ => End::Lost,
    }
}
