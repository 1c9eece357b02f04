//! A roster is a look at many students: it is written down before it begins, and when it ends.

use crate::app::App;
use crate::audit::{self, Asking, By, Event, Why};
use crate::id::Uuid;
use crate::identity::Principal;
use crate::protocol::CloseCode;
use crate::store::{Audit, StoreError};

use crate::socket::end::End;

/// Closed when it is dropped, however the socket ends. One that a crash leaves open is closed as
/// `interrupted` by the next start.
pub(super) struct Record {
    audit: Audit,
    asking: Asking,
    by: By,
    opened: Uuid,
    organisation: Uuid,
    end: &'static str,
}

impl Record {
    pub(super) async fn open(app: &App, who: &Principal) -> Result<Record, StoreError> {
        let (by, organisation) = (By::from(who), who.org_id);
        let event = Event::RosterOpened { organisation, why: Why::from(who.role) };
        let opened = app.audit.first(by, &event).await?;
        let (audit, asking) = (app.audit.clone(), audit::asking());
        Ok(Record { audit, asking, by, opened, organisation, end: "lost" })
    }

    pub(super) fn ends(&mut self, end: &End) {
        self.end = match end {
            End::Answered => "left",
            End::Lost => "lost",
            End::Expired => "expired",
            End::Close(CloseCode::Restarting | CloseCode::ShuttingDown) => "stopped",
            End::Close(CloseCode::Forbidden | CloseCode::Unauthenticated) => "rights_ended",
            End::Close(_) => "closed",
        };
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let closed =
            Event::RosterClosed { opened: self.opened, organisation: self.organisation, end: self.end };
        audit::within(self.asking.clone(), || self.audit.record(self.by, &closed));
    }
}
