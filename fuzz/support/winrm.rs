//! Files of the program `winrm` as its target sees them: it is no library, and need not become one.
#![allow(dead_code, unused_imports, reason = "a target uses a part of the program")]

#[path = "../../crates/app/cli/src/winrm/grammar.rs"]
pub(crate) mod grammar;
#[path = "../../crates/app/cli/src/winrm/help.rs"]
pub(crate) mod help;
#[path = "../../crates/app/cli/src/winrm/input.rs"]
pub(crate) mod input;
#[path = "../../crates/app/cli/src/winrm/passwords.rs"]
pub(crate) mod passwords;
#[path = "winrm_rules.rs"]
pub(crate) mod rules;
#[path = "../../crates/app/cli/src/winrm/show/mod.rs"]
pub(crate) mod show;
#[path = "../../crates/app/cli/src/winrm/switches.rs"]
pub(crate) mod switches;
#[path = "../../crates/app/cli/src/winrm/uri.rs"]
pub(crate) mod uri;
