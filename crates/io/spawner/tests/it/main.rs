//! Tests with real processes. This program plays every part: without a role it is the runner, with one it is the spawner, the
//! network process (friendly or hostile), somebody in the sandbox, or a step on the way to another user.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test program without the test harness, which these lints do not recognise as one"
)]

mod cases;
mod decode;
mod hostile;
mod members;
mod memory;
mod network;
mod runner;
mod sandbox;
mod service;
mod tickets;

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("role-spawner") => service::spawner_role(arguments),
        Some("role-two-threads") => {
            // A thread that waits for ever, as a runtime's would.
            let _waiting = std::thread::spawn(std::thread::park);
            service::spawner_role(arguments)
        }
        Some("network") => network::role(arguments),
        Some("role-sandbox") => sandbox::role(arguments),
        Some("role-as") => as_user(arguments),
        word => {
            let words: Vec<String> = word.map(str::to_owned).into_iter().chain(arguments).collect();
            runner::run(&runner::Chosen::new(&words))
        }
    }
}

/// Becomes `uid` without any way back, then executes this program again with the rest of the arguments.
fn as_user(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let uid: u32 = arguments.next().unwrap().parse().unwrap();
    let (uid, gid) = (nix::unistd::Uid::from_raw(uid), nix::unistd::Gid::from_raw(uid));
    nix::unistd::setgroups(&[gid]).unwrap();
    nix::unistd::setresgid(gid, gid, gid).unwrap();
    nix::unistd::setresuid(uid, uid, uid).unwrap();
    let error = Command::new("/proc/self/exe").args(arguments).exec();
    panic!("cannot execute this program again: {error}");
}
