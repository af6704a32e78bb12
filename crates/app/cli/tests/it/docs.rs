//! The guides and packaging stay in step with the programs and their tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::examples::EXAMPLES;
use crate::tool;

fn guide() -> String {
    page("winrs.md")
}

fn page(name: &str) -> String {
    fs::read_to_string(tool::repository().join("docs/guide").join(name)).unwrap()
}

/// The cells of each row of the guide's tables, without headings and rules.
pub(crate) fn rows(guide: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut lines = guide.lines().peekable();
    while let Some(line) = lines.next() {
        let heading = lines.peek().is_some_and(|next| next.starts_with("|-"));
        if !line.starts_with('|') || line.starts_with("|-") || heading {
            continue;
        }
        let line = line.trim().trim_start_matches('|').trim_end_matches('|');
        rows.push(line.split(" | ").map(|cell| cell.trim().to_owned()).collect());
    }
    rows
}

/// What stands between backticks.
pub(crate) fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The names of every test function below a folder.
fn tests_below(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            tests_below(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    is_test = true;
                } else if let Some((_, name)) = line.split_once("fn ").filter(|_| is_test) {
                    names.insert(name.split('(').next().unwrap().to_owned());
                    is_test = false;
                }
            }
        }
    }
}

#[test]
fn every_row_of_the_guides_names_a_test_that_exists() {
    let mut known = BTreeSet::new();
    tests_below(&tool::repository().join("crates"), &mut known);
    assert!(known.contains("every_row_of_the_guides_names_a_test_that_exists"));
    for (name, least) in [
        ("winrs.md", 30),
        ("pssession.md", 30),
        ("certificates.md", 15),
        ("kerberos.md", 25),
        ("winrm.md", 35),
        ("access.md", 20),
        ("wsman-cmdlets.md", 20),
        ("configuration.md", 50),
    ] {
        let found = rows(&page(name));
        assert!(found.len() > least, "{name}: {} rows", found.len());
        for row in found {
            let named = quoted(row.last().unwrap());
            assert!(!named.is_empty(), "no test: {row:?}");
            for name in named {
                assert!(known.contains(name), "{name} in {row:?}");
            }
        }
    }
}

#[test]
fn table_of_the_tree_names_each_setting_with_its_default() {
    let rows = rows(&page("configuration.md"));
    let settings = wsman::config::Node::Config.settings();
    for setting in settings {
        let name = format!("`{}`", setting.path);
        let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name}"));
        let told = row[1].trim_matches('`');
        assert_eq!(if told == "nothing" { "" } else { told }, setting.default, "{name}");
    }
}

#[test]
fn guide_explains_every_switch() {
    let rows = rows(&guide());
    let shown: BTreeSet<&str> = rows.iter().flat_map(|row| quoted(&row[0])).collect();
    let help = tool::run(tool::winrs().arg("-?")).ended(0).stdout;
    for spelling in help.lines().filter_map(|line| line.strip_prefix("  -")) {
        let spelling = format!("-{spelling}");
        assert!(shown.contains(spelling.as_str()), "{spelling} of {shown:?}");
    }
}

#[test]
fn guide_explains_every_switch_of_winrm() {
    let rows = rows(&page("winrm.md"));
    let shown: BTreeSet<&str> = rows.iter().flat_map(|row| quoted(&row[0])).collect();
    let help = tool::run(tool::winrm().args(["help", "switches"])).ended(0).stdout;
    let spellings: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  -")).collect();
    assert!(spellings.len() > 50, "{spellings:?}");
    for spelling in spellings {
        let spelling = format!("-{spelling}");
        assert!(shown.contains(spelling.as_str()), "{spelling} of {shown:?}");
    }
}

#[test]
fn guide_explains_every_parameter_of_the_cmdlets() {
    let rows = rows(&page("pssession.md"));
    let shown: BTreeSet<&str> = rows.iter().flat_map(|row| quoted(&row[0])).collect();
    for cmdlet in ["Test-WSMan", "New-PSSessionOption"] {
        let help = tool::run(tool::transom().args([cmdlet, "-?"])).ended(0).stdout;
        let parameters = help.lines().filter_map(|line| line.strip_prefix("    -"));
        for parameter in parameters.filter_map(|line| line.split(' ').next()) {
            assert!(shown.contains(format!("-{parameter}").as_str()), "{parameter} of {shown:?}");
        }
    }
}

#[test]
fn quoted_examples_give_winrs_the_words_of_the_reference() {
    let rows = rows(&guide());
    let lines: Vec<&str> = rows
        .iter()
        .filter_map(|row| quoted(&row[0]).into_iter().find(|text| text.starts_with("winrs ")))
        .collect();
    assert_eq!(lines.len(), EXAMPLES.len(), "{lines:?}");
    for (line, words) in lines.into_iter().zip(EXAMPLES) {
        // In an empty folder, so that brackets match no file; the function stands for the program.
        let folder = tempfile::tempdir().unwrap();
        let script = format!("winrs() {{ printf '%s\\n' \"$@\"; }}\n{line}\n");
        let mut shell = tool::program("/bin/sh");
        let ran = tool::run(shell.args(["-euc", &script]).current_dir(folder.path())).ended(0);
        assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), words, "{line}");
    }
}

#[test]
fn unit_lets_the_service_manage_its_shells_and_does_not_restrict_commands() {
    let unit = fs::read_to_string(tool::repository().join("packaging/transom.service")).unwrap();
    let keys: BTreeSet<&str> = unit.lines().filter(|line| !line.starts_with('#')).collect();
    for wanted in [
        "Type=notify",
        "NotifyAccess=main",
        "Delegate=yes",
        "KillMode=mixed",
        "Restart=on-failure",
        "OOMPolicy=continue",
        "TasksMax=infinity",
        "ExecStart=/usr/bin/transom serve",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "ConditionPathExists=/var/lib/transom/accounts",
        "WantedBy=multi-user.target",
    ] {
        assert!(keys.contains(wanted), "{wanted}");
    }
    // Commands inherit all of these.
    for key in &keys {
        for sandbox in [
            "NoNewPrivileges",
            "Capability",
            "Ambient",
            "Protect",
            "Restrict",
            "Private",
            "SystemCall",
            "ReadOnly",
            "Inaccessible",
            "Memory",
            "User=",
            "Limit",
        ] {
            assert!(!key.starts_with(sandbox), "{key}");
        }
    }
}

#[test]
fn service_manager_takes_the_unit_where_there_is_one() {
    let unit = fs::read_to_string(tool::repository().join("packaging/transom.service")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // The program is not installed here.
    let program = folder.path().join("transom");
    fs::copy("/bin/true", &program).unwrap();
    let unit = unit.replace("/usr/bin/transom", program.to_str().unwrap());
    let unit = unit.replace("Documentation=man:transom-serve(1)\n", "");
    let file = folder.path().join("transom.service");
    fs::write(&file, unit).unwrap();
    let mut verify = tool::program("systemd-analyze");
    let Ok(output) = verify.arg("verify").arg(&file).output() else {
        testkit::outside::report("SKIPPED service_manager_takes_the_unit: no systemd-analyze");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    // What it says about other units is not ours.
    assert!(!said.contains("transom.service"), "{said}");
}
