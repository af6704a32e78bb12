//! What the service offers: the cmd shell.
//!
//! Each module implements `server`'s plug-in traits for one kind of resource.

pub mod cmd;
