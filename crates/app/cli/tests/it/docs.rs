//! The guides and packaging stay in step with the programs.
