//! What the tests stand on: the real server on port 0, a database of its own, real sockets.

pub mod app;
pub mod client;
pub mod frame;
pub mod model;
pub mod pg;
pub mod process;
pub mod proxy;
pub mod socket;
