//! Every integration test, in one binary: linking once is most of what a test build costs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod accounts;
mod admin;
mod answers;
mod attacks;
mod canary;
mod classes;
mod comeback;
mod commands;
mod consent;
mod content;
mod content_import;
mod control;
mod corrections;
mod credentials;
mod digest;
mod doors;
mod edits;
mod faults;
mod files;
mod floors;
mod hands;
mod library;
mod limits;
mod matrix;
mod message_files;
mod notes;
mod outside;
mod pages;
mod papers;
mod processes;
mod quotas;
mod raw;
mod records;
mod rest;
mod restarts;
mod rights;
mod roster;
mod schools;
mod secrets;
mod store;
mod study;
mod supabase;
mod support;
mod tasks;
mod tls;
mod tutoring_rest;
mod whispers;
mod wire;
