//! The drive `WSMan:` and what else the cmdlets about WS-Management need: hosts that they speak to, resources as objects.
//!
//! ```text
//!  path ──► drive ──► tree (nodes of the resources' XML) ──► object ──► show
//!             │        ▲ hash: the names that PowerShell gives to listeners
//!             ├► hosts ──► client (the private socket, or a login)
//!             └► own ──► client.toml
//! ```

pub(super) mod drive;
pub(super) mod hash;
pub(super) mod hosts;
pub(super) mod object;
pub(super) mod options;
pub(super) mod own;
pub(super) mod path;
pub(super) mod plugin;
pub(super) mod tree;
pub(super) mod uri;
pub(super) mod xml;
