//! The migrations are read by a macro, which cargo cannot see: a new file must build the crate anew.
fn main() {
    println!("cargo::rerun-if-changed=sql/migrations");
}
