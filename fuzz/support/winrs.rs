//! Files of the program `winrs` as its targets see them: it is no library, and need not become one.
#![allow(dead_code, unused_imports, reason = "a target uses a part of the program")]

#[path = "../../crates/app/cli/src/winrs/args.rs"]
pub(crate) mod args;
#[path = "../../crates/app/cli/src/winrs/certificate.rs"]
pub(crate) mod certificate;
#[path = "../../crates/app/cli/src/winrs/connection.rs"]
pub(crate) mod connection;
#[path = "../../crates/app/cli/src/winrs/escape.rs"]
pub(crate) mod escape;
#[path = "../../crates/app/cli/src/winrs/kerberos.rs"]
pub(crate) mod kerberos;
#[path = "../../crates/app/cli/src/winrs/network.rs"]
pub(crate) mod network;
#[path = "../../crates/app/cli/src/winrs/records.rs"]
pub(crate) mod records;
#[path = "../../crates/app/cli/src/winrs/stdio.rs"]
pub(crate) mod stdio;

pub(crate) use args::wrapped;
pub(crate) use kerberos::KerberosSwitches;
pub(crate) use network::NetworkSwitches;
