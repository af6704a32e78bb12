//! The programs transom and winrs.
