//! `transom cert new-ca`, `new-client` and `convert`: certificates in files, which need no state folder.

use std::path::PathBuf;

use clap::Args;
use server::certificates::{Identity, NewAuthority, NewClient, NewError};

use super::described;
use super::files::{Source, TargetArgs};
use crate::command_error::CommandError;

/// An authority in files, which signs.
#[derive(Args, Debug)]
pub(super) struct AuthorityArgs {
    /// The authority that signs the certificate: its own certificate with its key, PEM or PFX [default: the new
    /// certificate vouches for itself]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The private key of the authority, if it is in a file of its own
    #[arg(long, value_name = "FILE", requires = "ca")]
    ca_key: Option<PathBuf>,
    /// A file whose first line is the password of the authority's key
    #[arg(long, value_name = "FILE", requires = "ca")]
    ca_password_file: Option<PathBuf>,
}

impl AuthorityArgs {
    pub(super) fn read(&self) -> Result<Option<Identity>, CommandError> {
        let source = |file| Source {
            file,
            key: self.ca_key.as_deref(),
            password: self.ca_password_file.as_deref(),
        };
        self.ca.as_deref().map(|file| source(file).identity()).transpose()
    }
}

#[derive(Args, Debug)]
pub(super) struct NewCaArgs {
    /// What the authority is called
    #[arg(long, value_name = "NAME")]
    name: String,
    /// How many days it is valid
    #[arg(long, value_name = "DAYS", default_value_t = 3650)]
    days: u32,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Args, Debug)]
pub(super) struct NewClientArgs {
    /// The user principal name by which the certificate is mapped to an account, for instance alice@localhost
    #[arg(required_unless_present = "dns")]
    upn: Option<String>,
    /// A DNS name by which it can be mapped; may be repeated
    #[arg(long, value_name = "NAME")]
    dns: Vec<String>,
    /// How many days it is valid
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    days: u32,
    #[command(flatten)]
    authority: AuthorityArgs,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Args, Debug)]
pub(super) struct ConvertArgs {
    /// The certificate and those that vouch for it (PEM), with or without the key, or a PFX
    file: PathBuf,
    /// The private key, if it is in a file of its own
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A file whose first line is the password of the key or the PFX [default: asks where there is one]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
}

fn made(result: Result<Identity, NewError>) -> Result<Identity, CommandError> {
    result.map_err(|error| CommandError::failed(error.to_string()))
}

/// Makes an authority.
pub(super) fn new_ca(args: &NewCaArgs) -> Result<(), CommandError> {
    let identity = made(NewAuthority { name: args.name.clone(), days: args.days }.make())?;
    args.target.make()?.write(&identity)?;
    super::super::print(&format!(
        "{}\nA service believes its clients after `transom cert import --root {}`\n",
        described(&identity)?,
        args.target.out.display()
    ))
}

/// Makes a client's certificate.
pub(super) fn new_client(args: NewClientArgs) -> Result<(), CommandError> {
    let NewClientArgs { upn, dns: names, days, authority, target } = args;
    let authority = authority.read()?;
    let subject = upn.clone().or_else(|| names.first().cloned()).unwrap_or_default();
    let identity = made(NewClient { upn, names, days }.make(authority.as_ref()))?;
    target.make()?.write(&identity)?;
    let (issuer, import) = match &authority {
        Some(authority) => (authority.thumbprint(), String::new()),
        None => {
            let import =
                format!("transom cert import --trusted-people {}\n  ", target.out.display());
            (identity.thumbprint(), import)
        }
    };
    super::super::print(&format!(
        "{}\nIt logs in as an account after, at the service:\n  {import}transom cert map add --issuer {issuer} \
         --subject {subject} --account ACCOUNT\n",
        described(&identity)?
    ))
}

/// PEM to PFX, and back.
pub(super) fn convert(args: &ConvertArgs) -> Result<(), CommandError> {
    let source = Source {
        file: &args.file,
        key: args.key.as_deref(),
        password: args.password_file.as_deref(),
    };
    let identity = source.identity()?;
    args.target.make()?.write(&identity)?;
    super::super::print(&described(&identity)?)
}
