//! The tests of this crate that need recordings, other programs, or more than one module.

mod clixml_pwsh;
mod clixml_recorded;
mod corpora;
mod graph;
