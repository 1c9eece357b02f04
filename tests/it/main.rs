//! Every integration test, in one binary: linking once is most of what a test build costs.

mod comeback;
mod commands;
mod doors;
mod floors;
mod papers;
mod store;
mod support;
mod wire;
