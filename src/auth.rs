//! Who is asking, and what they may touch. The one place that says yes or no.

/// Accounts, tokens, tickets and standing; cheap to clone.
#[derive(Clone)]
pub struct Auth {}
