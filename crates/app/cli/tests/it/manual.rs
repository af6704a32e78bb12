//! Completions and pages of the manual.

use std::collections::BTreeSet;
use std::fs;

use crate::tool;

fn printed(words: &[&str]) -> String {
    let ran = tool::run(tool::transom().args(words)).ended(0);
    assert_eq!(ran.stderr, "");
    ran.stdout
}

/// The switches that `winrs -?` shows, as typed in full.
fn winrs_switches() -> Vec<String> {
    let help = tool::run(tool::winrs().arg("-?")).ended(0).stdout;
    let spellings = help.lines().filter_map(|line| line.strip_prefix("  -"));
    spellings
        .filter(|spelling| !spelling.starts_with('?'))
        .map(|spelling| spelling.split(':').next().unwrap().replace(['[', ']'], ""))
        .collect()
}

/// The options that a subcommand's help shows.
fn options(words: &[&str]) -> BTreeSet<String> {
    let help = printed(&[words, &["--help"]].concat());
    let words = help.split_whitespace().filter(|word| word.starts_with("--"));
    words.map(|word| word.trim_end_matches(['.', ',', ';']).to_owned()).collect()
}

#[test]
fn completions_mention_every_switch_and_subcommand() {
    for shell in ["bash", "zsh", "fish"] {
        let winrs = printed(&["completions", shell, "winrs"]);
        let switches = winrs_switches();
        assert!(switches.len() > 15, "{switches:?}");
        for switch in switches {
            assert!(winrs.contains(&switch), "{shell}: {switch}");
        }
        let transom = printed(&["completions", shell]);
        for word in [
            "account",
            "passwd",
            "serve",
            "demo",
            "completions",
            "service-user",
            "Test-WSMan",
            "use-ssl",
        ] {
            assert!(transom.contains(word), "{shell}: {word}");
        }
        assert!(!transom.contains("transom__network"), "{shell}");
    }
}

#[test]
fn bash_takes_the_completions_and_completes_a_switch() {
    let folder = tempfile::tempdir().unwrap();
    for program in ["transom", "winrm", "winrs", "pssession"] {
        let text = printed(&["completions", "bash", program]);
        fs::write(folder.path().join(program), text).unwrap();
    }
    let script = r#"
        . ./transom; . ./winrm; . ./winrs; . ./pssession
        COMP_WORDS=(winrs --rem); COMP_CWORD=1; COMPREPLY=()
        _winrs winrs --rem winrs; echo "${COMPREPLY[@]}"
        COMP_WORDS=(transom acc); COMP_CWORD=1; COMPREPLY=()
        _transom transom acc transom; echo "${COMPREPLY[@]}"
        COMP_WORDS=(pssession --js); COMP_CWORD=1; COMPREPLY=()
        _pssession pssession --js pssession; echo "${COMPREPLY[@]}"
        COMP_WORDS=(transom Test-WSMan --comp); COMP_CWORD=2; COMPREPLY=()
        _transom transom --comp Test-WSMan; echo "${COMPREPLY[@]}"
    "#;
    let mut bash = tool::program("bash");
    bash.args(["-euc", script]).current_dir(folder.path());
    let ran = tool::run(&mut bash).ended(0);
    assert_eq!(ran.stdout, "--remote\naccount\n--json\n--computer-name\n", "{}", ran.stderr);
}

#[test]
fn unknown_shell_is_refused_by_name() {
    let ran = tool::run(tool::transom().args(["completions", "tcsh"])).ended(2);
    assert!(ran.stderr.contains("tcsh") && ran.stderr.contains("zsh"), "{ran:#?}");
}

#[test]
fn manual_has_a_page_for_each_command_with_every_switch() {
    let folder = tempfile::tempdir().unwrap();
    let named = printed(&["man", folder.path().to_str().unwrap()]);
    // Hyphens are escaped, so that they are no typographer's.
    let page = |name: &str| {
        assert!(named.contains(name), "{named}");
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        text.replace("\\-", "-")
    };
    let winrs = page("winrs.1");
    for switch in winrs_switches() {
        let shown = winrs.replace(['[', ']'], "");
        assert!(shown.contains(&format!("-{switch}")), "{switch}: {winrs}");
    }
    for part in ["EXIT STATUS", "exit_code", "fault_code", "255"] {
        assert!(winrs.contains(part), "{part}: {winrs}");
    }
    for (name, words) in [
        ("transom-serve.1", ["serve"].as_slice()),
        ("transom-account-add.1", &["account", "add"]),
        ("transom-account-passwd.1", &["account", "passwd"]),
        ("transom-man.1", &["man"]),
        ("transom-completions.1", &["completions"]),
        ("transom-links.1", &["links"]),
        ("transom-Test-WSMan.1", &["Test-WSMan"]),
        ("transom-New-PSSessionOption.1", &["New-PSSessionOption"]),
    ] {
        let text = page(name);
        for option in options(words) {
            assert!(text.contains(&option), "{name}: {option}: {text}");
        }
    }
    assert!(page("transom.1").contains("account"));
    assert!(page("pssession.1").contains("--command"));
    let winrm = page("winrm.1");
    for part in ["SH ENUMERATE", "SH QUICKCONFIG", "-r[emote]:ENDPOINT", "wmicimv2"] {
        assert!(winrm.contains(part), "{part}: {winrm}");
    }
    assert!(!folder.path().join("transom-network.1").exists());
}

#[test]
fn manual_into_a_folder_that_is_not_there_is_an_error() {
    let ran = tool::run(tool::transom().args(["man", "/nonexistent/folder"])).ended(1);
    assert!(ran.stderr.contains("/nonexistent/folder"), "{ran:#?}");
}
