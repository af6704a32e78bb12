//! The codec against recorded messages, golden bytes, limits and hostile input.

mod canonical;
mod check;
mod corpora;
mod fault;
mod fuzz;
mod golden;
mod identify;
mod limits;
mod performance;
mod properties;
mod round_trip;
mod shell;
