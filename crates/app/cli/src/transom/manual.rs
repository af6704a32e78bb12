//! `transom completions` and `transom man`: made from the definitions that read the command lines.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use clap_mangen::roff::{Roff, bold, roman};

use super::{CONFIGURATION, KERBEROS, NETWORK};
use crate::command_error::CommandError;
use crate::powershell;
use crate::winrm;
use crate::winrs;

#[derive(Args, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
    /// The program
    #[arg(default_value = "transom", value_name = "PROGRAM")]
    program: Program,
}

/// The shells for which completions are tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Program {
    Transom,
    Winrm,
    Winrs,
    Pssession,
}

#[derive(Args, Debug)]
pub(super) struct ManArgs {
    /// The folder, which must be there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Prints the completions of one program for one shell.
pub(super) fn completions(args: &CompletionsArgs) -> Result<(), CommandError> {
    let (mut command, name) = match args.program {
        Program::Transom => (public(), "transom"),
        Program::Winrm => (winrm::command(), "winrm"),
        Program::Winrs => (winrs::command(), "winrs"),
        Program::Pssession => (powershell::command(), "pssession"),
    };
    let shell = match args.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    super::print(&String::from_utf8_lossy(&text))
}

/// Writes one page for each program and subcommand, and says which.
pub(super) fn man(args: &ManArgs) -> Result<(), CommandError> {
    let failed = |error: io::Error| {
        let doing = format!("writing the manual to {}", args.folder.display());
        CommandError::caused(doing, &error)
    };
    let mut pages = Vec::new();
    pages_of(public(), &mut pages).map_err(failed)?;
    pages_of(powershell::command(), &mut pages).map_err(failed)?;
    pages.push(("winrm.1".to_owned(), winrm_page().into_bytes()));
    pages.push(("winrs.1".to_owned(), winrs_page().into_bytes()));
    for (name, page) in pages {
        let path = args.folder.join(name);
        write(&path, &page).map_err(failed)?;
        super::print(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

fn write(path: &Path, page: &[u8]) -> io::Result<()> {
    fs::write(path, page)
}

/// The command without what is nobody's business, all names in place.
fn public() -> clap::Command {
    let whole = super::whole();
    let shown: Vec<clap::Command> = whole
        .get_subcommands()
        .filter(|sub| ![NETWORK, KERBEROS, CONFIGURATION].contains(&sub.get_name()))
        .cloned()
        .collect();
    clap::Command::new("transom")
        .version(env!("CARGO_PKG_VERSION"))
        .about(whole.get_about().cloned().unwrap_or_default())
        .after_help(whole.get_after_help().cloned().unwrap_or_default())
        .disable_help_subcommand(true)
        .subcommands(shown)
}

/// The page of a command, then those of its subcommands: `transom-account-add.1`.
fn pages_of(command: clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> io::Result<()> {
    let mut built = command;
    built.build();
    walk(&built, "", pages)
}

fn walk(
    command: &clap::Command,
    prefix: &str,
    pages: &mut Vec<(String, Vec<u8>)>,
) -> io::Result<()> {
    let name = format!("{prefix}{}", command.get_name());
    let mut page = Vec::new();
    let source = format!("transom {}", env!("CARGO_PKG_VERSION"));
    let titled = command.clone().display_name(name.clone());
    clap_mangen::Man::new(titled).source(source).render(&mut page)?;
    pages.push((format!("{name}.1"), page));
    for sub in command.get_subcommands() {
        walk(sub, &format!("{name}-"), pages)?;
    }
    Ok(())
}

/// `winrs` writes its switches in Windows's way, so that its page is put together here.
fn winrs_page() -> String {
    let manual = winrs::manual();
    let mut page = Roff::new();
    let source = concat!("transom ", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["winrs", "1", "", source]);
    page.control("SH", ["NAME"]).text([roman(format!("winrs - {}", manual.name))]);
    page.control("SH", ["SYNOPSIS"]);
    page.text([bold("winrs"), roman(" [SWITCH[:VALUE]]... COMMAND LINE")]);
    page.control("SH", ["DESCRIPTION"]).text([roman(one_line(manual.description))]);
    page.control("SH", ["SWITCHES"]);
    for (spelling, meaning) in &manual.switches {
        page.control("TP", []).text([bold(spelling)]).text([roman(one_line(meaning))]);
    }
    page.control("SH", ["EXIT STATUS"]).text([roman(one_line(manual.exit_status))]);
    page.control("SH", ["EXAMPLES"]);
    for example in manual.examples {
        page.control("PP", []).text([bold(example)]);
    }
    page.control("SH", ["SEE ALSO"]).text([bold("transom"), roman("(1)")]);
    page.to_roff()
}

/// `winrm` is read as Windows's is, and its page is made from its help.
fn winrm_page() -> String {
    let manual = winrm::manual();
    let mut page = Roff::new();
    let source = concat!("transom ", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["winrm", "1", "", source]);
    page.control("SH", ["NAME"]).text([roman(format!("winrm - {}", manual.name))]);
    page.control("SH", ["SYNOPSIS"]);
    page.text([
        bold("winrm"),
        roman(" OPERATION [ACTION] [RESOURCE_URI] [-SWITCH:VALUE]... [@{KEY=VALUE;...}]"),
    ]);
    for (name, text) in &manual.topics {
        page.control("SH", [name.to_uppercase().as_str()]).control("nf", []);
        page.text([roman(text.trim_end())]).control("fi", []);
    }
    page.control("SH", ["SWITCHES"]);
    for (spelling, meaning) in &manual.switches {
        page.control("TP", []).text([bold(spelling)]).text([roman(one_line(meaning))]);
    }
    page.control("SH", ["SEE ALSO"]).text([bold("transom"), roman("(1)")]);
    page.to_roff()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
