//! The program `winrs`.
fn main() {}
