//! Every integration test, in one binary: linking once is most of what a test build costs.

mod accounts;
mod comeback;
mod commands;
mod doors;
mod floors;
mod papers;
mod rest;
mod store;
mod support;
mod wire;
