//! The parts that the doors share, in one struct.

use std::sync::Arc;

use crate::auth::Auth;
use crate::config::Settings;
use crate::gemini::Model;
use crate::session::Registry;
use crate::shutdown::Shutdown;
use crate::store::{Audit, Store};

/// The state of every handler; cheap to clone.
pub type App = Arc<Parts>;

pub struct Parts {
    pub settings: Settings,
    pub store: Store,
    pub audit: Audit,
    pub model: Model,
    /// Whether the model is the built-in practice model.
    pub practice: bool,
    pub sessions: Registry,
    pub auth: Auth,
    pub shutdown: Shutdown,
    /// Open sockets; the stop waits for none.
    pub sockets: tokio::sync::watch::Sender<usize>,
}
