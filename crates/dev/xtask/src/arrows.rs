//! Which crate may use which, and that the core floor reaches nothing that does I/O.

use crate::workspace::{Package, Workspace, cargo};

/// Who may depend on a crate, tests aside. A new arrow is a decision: change it here and in
/// ARCHITECTURE.md.
const ARROWS: &[(&str, &[&str])] = &[
    ("transom-auth", &["cli", "client", "server", "session", "testkit", "transport"]),
    ("transom-cli", &[]),
    ("transom-client", &["cli"]),
    ("transom-plugins", &["cli"]),
    ("transom-psrp", &["cli", "client", "plugins", "server", "session", "testkit"]),
    ("transom-server", &["cli", "plugins"]),
    ("transom-session", &["client", "server", "testkit"]),
    ("transom-spawner", &["cli", "plugins", "server"]),
    ("transom-testkit", &[]),
    ("transom-transport", &["client", "server"]),
    ("transom-wsman", &["cli", "client", "plugins", "server", "session", "testkit"]),
    ("transom-xtask", &[]),
];

/// What no crate of the core floor may reach, however far away.
const NO_IO: &[&str] = &[
    "async-std",
    "getrandom",
    "hyper",
    "hyper-util",
    "mio",
    "nix",
    "reqwest",
    "rustix",
    "smol",
    "socket2",
    "tokio",
];

/// The folder whose crates open nothing.
const CORE: &str = "crates/core";

/// Says each arrow that the table does not have, and each crate that the table does not know.
pub(crate) fn check(workspace: &Workspace) -> Vec<String> {
    let mut faults = check_table(&workspace.packages, ARROWS);
    for package in workspace.packages.iter().filter(|package| package.folder.starts_with(CORE)) {
        let tree = cargo()
            .args(["tree", "--package", &package.name])
            .args(["--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
            .current_dir(&workspace.root)
            .output();
        match tree {
            Ok(output) if output.status.success() => {
                check_reach(&package.name, &String::from_utf8_lossy(&output.stdout), &mut faults);
            }
            Ok(output) => faults.push(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => faults.push(format!("cargo tree: {error}")),
        }
    }
    faults
}

fn check_table(packages: &[Package], arrows: &[(&str, &[&str])]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        let user = package.name.trim_start_matches("transom-");
        if !arrows.iter().any(|(name, _)| *name == package.name) {
            faults.push(format!("{}: no row in ARROWS of the xtask", package.name));
        }
        for used in &package.uses {
            let row = arrows.iter().find(|(name, _)| name == used);
            if row.is_some_and(|(_, users)| !users.contains(&user)) {
                faults.push(format!(
                    "{user} may not depend on {used}: see ARROWS in the xtask and ARCHITECTURE.md"
                ));
            }
        }
    }
    for (name, _) in arrows {
        if !packages.iter().any(|package| package.name == *name) {
            faults.push(format!("ARROWS of the xtask names {name}, which does not exist"));
        }
    }
    faults
}

/// Reads `cargo tree` without prefixes: each line begins with a package's name.
fn check_reach(package: &str, tree: &str, faults: &mut Vec<String>) {
    for banned in NO_IO {
        if tree.lines().any(|line| line.split(' ').next() == Some(banned)) {
            faults.push(format!(
                "{package} reaches {banned}: the core floor does no I/O (cargo tree -p {package} -i {banned})"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, uses: &[&str]) -> Package {
        let uses = uses.iter().map(ToString::to_string).collect();
        Package { name: name.to_owned(), folder: "crates/x".into(), uses }
    }

    #[test]
    fn an_arrow_that_the_table_lacks_is_a_fault() {
        let table: &[(&str, &[&str])] =
            &[("transom-a", &["b"]), ("transom-b", &[]), ("transom-c", &[])];
        let packages = [
            package("transom-a", &[]),
            package("transom-b", &["transom-a"]),
            package("transom-c", &["transom-a"]),
        ];
        let faults = check_table(&packages, table);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].starts_with("c may not depend on transom-a"), "{faults:?}");
    }

    #[test]
    fn crates_and_rows_must_match_both_ways() {
        let faults = check_table(&[package("transom-new", &[])], &[("transom-old", &[])]);
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    #[test]
    fn a_banned_crate_anywhere_in_the_tree_is_a_fault_and_a_longer_name_is_not() {
        let mut faults = Vec::new();
        check_reach(
            "transom-a",
            "transom-a v0.1.0\ntokio-like v1.0.0\nbytes v1.0.0\n",
            &mut faults,
        );
        assert_eq!(faults, [] as [String; 0]);
        check_reach("transom-a", "transom-a v0.1.0\nbytes v1.0.0\ntokio v1.0.0 (*)\n", &mut faults);
        assert_eq!(faults.len(), 1, "{faults:?}");
    }
}
