//! The socket door: one task per connection, a cursor on the session's log.
