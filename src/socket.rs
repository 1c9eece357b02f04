//! The socket door: one task per connection, a cursor on the session's log.

mod connection;
mod outgoing;
mod upgrade;

pub use upgrade::router;
