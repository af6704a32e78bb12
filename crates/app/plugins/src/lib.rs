//! What the service offers: the cmd shell, PowerShell.
//!
//! Each module implements `server`'s plug-in traits for one kind of resource.

pub mod cmd;
pub mod powershell;
