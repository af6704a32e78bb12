//! `transom links`: the names by which this program is another one.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::command_error::CommandError;
use crate::powershell;

#[derive(Args, Debug)]
pub(super) struct LinksArgs {
    /// The folder, which must be there; links to this program that are there already stay
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Makes the links, and says which.
pub(super) fn run(args: &LinksArgs) -> Result<(), CommandError> {
    let program = std::env::current_exe()
        .map_err(|error| CommandError::caused("finding this program's own file", &error))?;
    for name in ["winrm", "winrs", "pssession"].into_iter().chain(powershell::names()) {
        let link = args.folder.join(name);
        make(&program, &link)
            .map_err(|error| CommandError::caused(format!("linking {}", link.display()), &error))?;
        super::print(&format!("{}\n", link.display()))?;
    }
    Ok(())
}

fn make(program: &Path, link: &Path) -> io::Result<()> {
    match symlink(program, link) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && leads_to(link, program) => {
            Ok(())
        }
        made => made,
    }
}

fn leads_to(link: &Path, program: &Path) -> bool {
    fs::read_link(link).is_ok_and(|target| target == program)
}
