//! Identifiers. Everything fynq names itself is a UUIDv7, so that keys sort by birth.

pub use uuid::Uuid;

/// A new identifier.
pub fn new() -> Uuid {
    Uuid::now_v7()
}
