//! The hosts of the cmdlets about WS-Management: this computer by its service's private socket, others by a login; and the
//! computers on the drive.
//!
//! ```text
//!  localhost ─────────────► always there
//!  other ── Connect-WSMan ──► there ── Disconnect-WSMan ──► gone
//! ```

use client::{Client, Config, Endpoint};

use crate::command_error::CommandError;
use crate::powershell::binder::Bound;
use crate::powershell::context::Context;
use crate::powershell::sessions::options::SessionOptions;
use crate::powershell::sessions::{preferences, target};

use super::options;

/// This computer on the drive.
pub(in crate::powershell) const LOCALHOST: &str = "localhost";
/// What says how to connect: where one of these is given, localhost is asked as any other computer.
const CONNECTION: [&str; 8] = [
    "ConnectionURI",
    "Port",
    "UseSSL",
    "ApplicationName",
    "Credential",
    "Authentication",
    "CertificateThumbprint",
    "SessionOption",
];

/// The computers on the drive, and the connection to the own service.
#[derive(Debug, Default)]
pub(in crate::powershell) struct Hosts {
    local: Option<Client>,
    connected: Vec<(String, Client)>,
}

impl Hosts {
    /// The computers, this one first.
    pub(in crate::powershell) fn names(&self) -> Vec<String> {
        let others = self.connected.iter().map(|(name, _)| name.clone());
        std::iter::once(LOCALHOST.to_owned()).chain(others).collect()
    }

    /// The service of this computer.
    ///
    /// # Errors
    /// The client's settings cannot be read.
    pub(in crate::powershell) fn local(&mut self) -> Result<Client, CommandError> {
        if let Some(local) = &self.local {
            return Ok(local.clone());
        }
        let local = Client::new(Config::local(client::local_socket()))?;
        Ok(self.local.insert(local).clone())
    }

    /// A computer of the drive.
    ///
    /// # Errors
    /// It is not there.
    pub(in crate::powershell) fn client(&mut self, name: &str) -> Result<Client, CommandError> {
        if is_local(name) {
            return self.local();
        }
        let found = self.connected.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, client)| client.clone()).ok_or_else(|| {
            CommandError::usage(format!(
                "Cannot find path 'WSMan:\\{name}' because it does not exist."
            ))
            .hint(format!("`Connect-WSMan {name}` puts a computer on the drive"))
        })
    }

    /// Puts a computer on the drive, in place of one of this name.
    pub(in crate::powershell) fn connect(&mut self, name: String, client: Client) {
        self.connected.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        self.connected.push((name, client));
    }

    /// Takes a computer from the drive.
    ///
    /// # Errors
    /// It is this one, or not there.
    pub(in crate::powershell) fn disconnect(&mut self, name: &str) -> Result<(), CommandError> {
        if is_local(name) {
            return Err(CommandError::usage(
                "the computer 'localhost' cannot be taken from the drive: it is always there",
            ));
        }
        let before = self.connected.len();
        self.connected.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        if self.connected.len() == before {
            return Err(CommandError::usage(format!("the computer '{name}' is not on the drive")));
        }
        Ok(())
    }
}

/// Whether a name is this computer's on the drive.
pub(in crate::powershell) fn is_local(name: &str) -> bool {
    name.eq_ignore_ascii_case(LOCALHOST) || name == "."
}

/// The computer that a cmdlet's connection parameters name, and the client of its service. Asks for the password where none
/// is known.
///
/// # Errors
/// A parameter that cannot be.
pub(in crate::powershell) fn asked(
    bound: &Bound,
    context: &mut Context,
) -> Result<(String, Client), CommandError> {
    let named = bound.text("ComputerName");
    let is_plain = CONNECTION.iter().all(|name| bound.value(name).is_none());
    if is_plain && named.is_none_or(is_local) {
        return Ok((LOCALHOST.to_owned(), context.hosts.local()?));
    }
    let (computer, endpoint) = place(bound, named)?;
    let options = match bound.value("SessionOption") {
        Some(value) => options::read(value)?,
        None => SessionOptions::default(),
    };
    let config = target::connection(bound, (computer.clone(), endpoint), &options, context)?;
    let client = Client::new(config).map_err(|error| target::at(&computer, error))?;
    Ok((computer, client))
}

fn place(bound: &Bound, named: Option<&str>) -> Result<(String, Endpoint), CommandError> {
    if let Some(uri) = bound.text("ConnectionURI") {
        if named.is_some() {
            return Err(CommandError::usage(
                "-ConnectionURI and -ComputerName cannot be used together",
            ));
        }
        return target::at_uri(uri);
    }
    let application = bound.text("ApplicationName").unwrap_or("wsman");
    let computer = named.unwrap_or(LOCALHOST);
    let (use_ssl, port) = (bound.is_set("UseSSL"), bound.integer("Port"));
    target::at_computer(computer, use_ssl, port, application, &preferences::settings()?)
}
