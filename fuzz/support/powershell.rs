//! Files of the program `pssession` as its target sees them: it is no library, and need not become one.
#![allow(dead_code, unused_imports, reason = "a target uses a part of the program")]

#[path = "../../crates/app/cli/src/powershell/argv.rs"]
pub(crate) mod argv;
#[path = "../../crates/app/cli/src/powershell/binder.rs"]
pub(crate) mod binder;
#[path = "../../crates/app/cli/src/powershell/cmdlets/mod.rs"]
pub(crate) mod cmdlets;
#[path = "../../crates/app/cli/src/powershell/convert.rs"]
pub(crate) mod convert;
#[path = "../../crates/app/cli/src/powershell/cursor.rs"]
pub(crate) mod cursor;
#[path = "../../crates/app/cli/src/powershell/literals.rs"]
pub(crate) mod literals;
#[path = "../../crates/app/cli/src/powershell/parser.rs"]
pub(crate) mod parser;
#[path = "."]
pub(crate) mod remote {
    #[path = "../../crates/app/cli/src/powershell/remote/objects.rs"]
    pub(crate) mod objects;
    #[path = "../../crates/app/cli/src/powershell/remote/texts.rs"]
    pub(crate) mod texts;
}
#[path = "../../crates/app/cli/src/powershell/syntax.rs"]
pub(crate) mod syntax;
#[path = "../../crates/app/cli/src/powershell/table.rs"]
pub(crate) mod table;
#[path = "../../crates/app/cli/src/powershell/value.rs"]
pub(crate) mod value;
