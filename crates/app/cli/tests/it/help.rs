//! The help texts: what a newcomer reads first.

use crate::tool;

fn help(mut command: std::process::Command, words: &[&str]) -> String {
    let ran = tool::run(command.args(words)).ended(0);
    assert_eq!(ran.stderr, "");
    ran.stdout
}

#[test]
fn help_of_winrs_shows_every_switch() {
    insta::assert_snapshot!(help(tool::winrs(), &["-?"]));
    assert_eq!(help(tool::winrs(), &["/?"]), help(tool::transom(), &["winrs", "--help"]));
}

#[test]
fn help_of_transom_shows_its_subcommands() {
    insta::assert_snapshot!(help(tool::transom(), &["--help"]));
}

#[test]
fn help_of_doctor_shows_its_options() {
    insta::assert_snapshot!(help(tool::transom(), &["doctor", "--help"]));
}

#[test]
fn help_of_serve_shows_its_options() {
    insta::assert_snapshot!(help(tool::transom(), &["serve", "--help"]));
}

#[test]
fn help_of_account_shows_its_subcommands() {
    insta::assert_snapshot!(help(tool::transom(), &["account", "--help"]));
}

#[test]
fn help_of_account_add_shows_its_options() {
    insta::assert_snapshot!(help(tool::transom(), &["account", "add", "--help"]));
}

#[test]
fn help_of_cert_shows_its_subcommands() {
    insta::assert_snapshot!(help(tool::transom(), &["cert", "--help"]));
}

#[test]
fn help_of_cert_import_shows_its_options() {
    insta::assert_snapshot!(help(tool::transom(), &["cert", "import", "--help"]));
}

#[test]
fn link_named_winrs_is_winrs() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("winrs");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_transom"), &link).unwrap();
    assert_eq!(help(tool::program(link), &["-?"]), help(tool::winrs(), &["-?"]));
}

#[test]
fn help_of_pssession_shows_its_options() {
    insta::assert_snapshot!(help(tool::pssession(), &["--help"]));
    assert_eq!(help(tool::pssession(), &["-?"]), help(tool::transom(), &["pssession", "-?"]));
}

#[test]
fn help_of_test_wsman_shows_its_parameters() {
    insta::assert_snapshot!(help(tool::transom(), &["Test-WSMan", "--help"]));
    let line = help(tool::pssession(), &["-c", "test-wsman -?"]);
    assert_eq!(line, help(tool::transom(), &["Test-WSMan", "-?"]));
}

#[test]
fn help_of_new_pssessionoption_shows_its_parameters() {
    insta::assert_snapshot!(help(tool::transom(), &["New-PSSessionOption", "-?"]));
}

#[test]
fn links_are_the_programs_and_cmdlets_that_they_are_named_after() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let made = help(tool::transom(), &["links", path]);
    assert_eq!(made, help(tool::transom(), &["links", path]), "again");
    for name in ["winrs", "pssession", "Test-WSMan", "New-PSSessionOption"] {
        let link = folder.path().join(name);
        assert!(made.contains(link.to_str().unwrap()), "{made}");
        assert_eq!(help(tool::program(&link), &["-?"]), help(tool::transom(), &[name, "-?"]));
    }
    std::fs::remove_file(folder.path().join("winrs")).unwrap();
    std::fs::write(folder.path().join("winrs"), "somebody else's").unwrap();
    let ran = tool::run(tool::transom().args(["links", path])).ended(1);
    assert!(ran.stderr.contains("winrs"), "{ran:#?}");
}
