//! A look into somebody else's session is written down before it begins, and when it ends.

use crate::app::App;
use crate::audit::{self, Asking, By, Event, Why};
use crate::id::Uuid;
use crate::identity::{Access, Principal};
use crate::problem::Problem;
use crate::protocol::CloseCode;
use crate::store::{Audit, Session};

use super::end::End;

/// Closed when it is dropped, however the socket ends. One that a crash leaves open is closed as
/// `interrupted` by the next start.
pub(super) struct Observation {
    audit: Audit,
    asking: Asking,
    by: By,
    opened: Uuid,
    session: Uuid,
    student: Uuid,
    end: &'static str,
}

impl Observation {
    /// `None`: it is their own session.
    pub(super) async fn open(
        app: &App,
        who: &Principal,
        session: &Session,
        access: Access,
    ) -> Result<Option<Observation>, Problem> {
        if access == Access::Owner {
            return Ok(None);
        }
        let (by, student) = (By::from(who), session.student_id);
        let event = Event::ObservationOpened { session: session.id, student, why: Why::from(who.role) };
        let opened = app.audit.first(by, &event).await?;
        let (audit, asking, session) = (app.audit.clone(), audit::asking(), session.id);
        Ok(Some(Observation { audit, asking, by, opened, session, student, end: "lost" }))
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

impl Drop for Observation {
    fn drop(&mut self) {
        let Observation { opened, session, student, end, .. } = *self;
        let closed = Event::ObservationClosed { opened, session, student, end };
        audit::within(self.asking.clone(), || self.audit.record(self.by, &closed));
    }
}
