//! Runs the tests one after the other and counts, and says what came of them as the usual harness does.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use crate::service::Mode;
use crate::{cases, decode, hostile, members, memory, sandbox, tickets};

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

/// Which tests are run: those whose name contains one of the words, or with `--exact` is one; without a word all.
pub(crate) struct Chosen<'a> {
    words: Vec<&'a str>,
    is_exact: bool,
}

impl<'a> Chosen<'a> {
    pub(crate) fn new(arguments: &'a [String]) -> Self {
        let words = arguments.iter().map(String::as_str).filter(|one| !one.starts_with('-'));
        let is_exact = arguments.iter().any(|one| one == "--exact");
        Self { words: words.collect(), is_exact }
    }

    fn has(&self, name: &str) -> bool {
        let fits = |word: &&str| if self.is_exact { *word == name } else { name.contains(word) };
        self.words.is_empty() || self.words.iter().any(fits)
    }
}

pub(crate) fn run(chosen: &Chosen<'_>) -> ExitCode {
    let root = nix::unistd::Uid::effective().is_root();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    let tests = decode::TESTS.iter().chain(sandbox::TESTS);
    let tests = tests.chain(cases::TESTS).chain(hostile::TESTS).chain(tickets::TESTS);
    let tests = tests.chain(members::TESTS).chain(memory::TESTS);
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
        if matches!(test.needs, Needs::Root | Needs::Either) && !root && chosen.has(test.name) {
            eprintln!("SKIPPED {}: needs root", test.name);
            skipped += 1;
        }
        for mode in modes {
            let name = format!("{} [{}]", test.name, mode.name());
            if !chosen.has(&name) {
                continue;
            }
            let result = catch_unwind(AssertUnwindSafe(|| (test.run)(*mode)));
            println!("test {name} ... {}", if result.is_ok() { "ok" } else { "FAILED" });
            match result {
                Ok(()) => passed += 1,
                Err(panic) => {
                    failed += 1;
                    println!("---- {name} stdout ----\n{}", message(&*panic));
                }
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a test said when it failed.
fn message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "it panicked without a word",
    }
}
