//! The pure state: each promise by example, and all of them under any interleaving of commands,
//! commits, refusals and model events.

mod examples;
mod property;
mod rig;
mod tutors;
