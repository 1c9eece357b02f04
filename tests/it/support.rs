//! What the tests stand on: the real server on port 0, a database of its own, real sockets.

pub(crate) mod app;
pub(crate) mod client;
pub(crate) mod frame;
pub(crate) mod gotrue;
pub(crate) mod keys;
pub(crate) mod lesson;
pub(crate) mod log;
pub(crate) mod model;
pub(crate) mod office;
pub(crate) mod paper;
pub(crate) mod pg;
pub(crate) mod picture;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod school;
pub(crate) mod socket;
pub(crate) mod storage;
pub(crate) mod tls;
