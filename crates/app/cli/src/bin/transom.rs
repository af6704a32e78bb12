//! The program `transom`.
fn main() {}
