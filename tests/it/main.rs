//! One binary for every test that needs a real server.

mod floors;
