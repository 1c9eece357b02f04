//! fynq: a real-time AI tutoring server.
//!
//! A session is a log; everyone else reads it. The modules below are in reading order, floor by
//! floor: a module imports only what lies above it in this list (`tests/it/floors.rs` holds that).
//!
//! ```text
//!  student ── socket ──command──▶ session task ──prompt──▶ gemini ──▶ Google, a gateway, the practice model
//!                                   │   ▲                    │
//!                                   │   └──────chunks────────┘
//!                                   ├─append─▶ log ◀─cursor── sockets of students and tutors, SSE
//!                                   └─rows───▶ writer task ──one transaction per batch──▶ PostgreSQL
//! ```

// Floor 0: the ground.
pub mod clock;
pub mod id;
pub mod renewed;
pub mod shutdown;
pub mod telemetry;

// Floor 1: words only, no IO.
pub mod audit;
pub mod config;
pub mod identity;
pub mod password_rules;
pub mod protocol;

// Floor 2: adapters to the outside. Siblings never import each other.
pub mod convert;
pub mod files;
pub mod gemini;
pub mod practice;
pub mod store;
pub mod tls;

// Floor 3: what fynq is.
pub mod session;

// Floor 4: what the doors share.
pub mod app;
pub mod auth;
pub mod caller;
pub mod problem;

// Floor 5: the doors. They never import each other.
pub mod jobs;
pub mod pages;
pub mod rest;
pub mod socket;

// Floor 6: put the parts together.
pub mod admin;
pub mod doctor;
pub mod import;
pub mod server;
