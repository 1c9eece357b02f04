//! The socket door: one task per connection, a cursor on the session's log.

mod connection;
mod end;
mod observation;
mod outgoing;
mod pace;
mod upgrade;

pub use upgrade::router;
