//! Every integration test, in one binary: linking once is most of what a test build costs.

mod store;
mod support;
