//! The socket doors: one task per connection. On a session it is a cursor on the session's log, on a roster
//! a position on the board.

mod connection;
mod door;
mod end;
mod observation;
mod outgoing;
mod pace;
mod roster;
mod upgrade;
mod vitals;

pub use upgrade::router;
