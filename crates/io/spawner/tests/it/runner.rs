//! Runs the tests one after the other and counts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use crate::service::Mode;
use crate::{cases, decode, hostile, sandbox, tickets};

/// One test.
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) needs: Needs,
    pub(crate) run: fn(Mode),
}

/// Where a test makes sense.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// No process at all.
    Nothing,
    /// A service that runs as root.
    Root,
    /// A service that does not run as root.
    User,
    /// Either; runs in both.
    Either,
}

pub(crate) fn run(filter: Option<&str>) -> ExitCode {
    let root = nix::unistd::Uid::effective().is_root();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let tests = decode::TESTS.iter().chain(sandbox::TESTS);
    let tests = tests.chain(cases::TESTS).chain(hostile::TESTS).chain(tickets::TESTS);
    for test in tests {
        let modes: &[Mode] = match (test.needs, root) {
            (Needs::Nothing, _) => &[Mode::None],
            (Needs::Root, true) => &[Mode::Root],
            (Needs::User, true) => &[Mode::Nobody],
            (Needs::User, false) => &[Mode::Own],
            (Needs::Either, true) => &[Mode::Root, Mode::RootBySweep, Mode::Nobody],
            (Needs::Either, false) => &[Mode::Own],
            (Needs::Root, false) => &[],
        };
        if matches!(test.needs, Needs::Root | Needs::Either)
            && !root
            && filter.is_none_or(|f| test.name.contains(f))
        {
            eprintln!("SKIPPED {}: needs root", test.name);
            skipped += 1;
        }
        for mode in modes {
            let name = format!("{} [{}]", test.name, mode.name());
            if filter.is_some_and(|filter| !name.contains(filter)) {
                continue;
            }
            let result = catch_unwind(AssertUnwindSafe(|| (test.run)(*mode)));
            println!("{} {name}", if result.is_ok() { "ok    " } else { "FAILED" });
            if result.is_ok() { passed += 1 } else { failed += 1 }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
