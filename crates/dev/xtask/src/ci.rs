//! Everything that must hold before a merge, in one list; `.ci/run` calls it.

use std::process::Command;

use crate::workspace::{Workspace, cargo, on_path, run as run_shown, shown};
use crate::{test, tidy};

/// Runs every step, also after one that failed, and prints once more what failed, and the counts of the tests as the last line.
pub(crate) fn run(workspace: &Workspace) -> Result<bool, String> {
    let mut failed = Vec::new();
    let tested = test::run(workspace, &[]).unwrap_or_else(|fault| {
        failed.push(fault);
        test::Tested::default()
    });
    if tested.counts.failed > 0 {
        failed.push(format!("tests: {}", tested.counts));
    }
    for mut step in steps(workspace) {
        println!("\n== {}", shown(&step));
        if let Err(fault) = run_shown(&mut step) {
            failed.push(fault);
        }
    }
    println!("\n== tidy");
    if !tidy::run(workspace) {
        failed.push("tidy".to_owned());
    }
    println!();
    print!("{}", tested.failures);
    for fault in &failed {
        println!("ci: failed: {fault}");
    }
    if failed.is_empty() {
        println!("ci: every step passed");
    }
    println!("{}", tested.counts);
    Ok(failed.is_empty())
}

/// The steps that cargo does, beside the tests. The tests replay the saved inputs of the fuzz
/// targets; here the targets must build.
fn steps(workspace: &Workspace) -> Vec<Command> {
    let step = |arguments: &str| {
        let mut command = cargo();
        command.args(arguments.split(' ')).current_dir(&workspace.root);
        command
    };
    let mut doc = step("doc --workspace --no-deps");
    doc.env("RUSTDOCFLAGS", "-D warnings");
    let mut steps = vec![
        step("fmt --all --check"),
        step("clippy --workspace --all-targets -- -D warnings"),
        doc,
        step("bench --workspace --no-run"),
    ];
    // libFuzzer itself is C++, which a machine for Rust need not have.
    if on_path("c++") {
        steps.push(step("check --manifest-path fuzz/Cargo.toml"));
    } else {
        println!("fuzz targets not built: no c++ here");
    }
    steps
}
