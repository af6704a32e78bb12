//! The switches about TLS and certificates, those of hosts and that of the user.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use auth::Secret;
use clap::Args;
use client::identities::{self, CertificateFileError};
use client::{Authorities, Identity, Level, Pin, Trust};

use super::args::EXTENSIONS;
use crate::command_error::CommandError;

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct CertificateSwitches {
    /// Logs in by this certificate, over https: a file (PEM or PFX), or the thumbprint
    /// of one in ~/.config/transom/certificates. Its key's password is asked for, or
    /// taken from -password-file or the variable TRANSOM_PASSWORD.
    #[arg(long, value_name = "CERTIFICATE", help_heading = EXTENSIONS)]
    pub(crate) certificate: Option<String>,

    /// The file with the certificate's private key, if it is not in the same file.
    #[arg(long, value_name = "FILE", requires = "certificate", help_heading = EXTENSIONS)]
    pub(crate) key: Option<PathBuf>,

    /// Which TLS is spoken: modern (TLS 1.2 and 1.3), compat (also the cipher suites of
    /// hosts of 2012), or legacy (also TLS 1.0 and 1.1, which are broken). Without this
    /// switch: Level in the settings, else modern.
    #[arg(long, value_name = "LEVEL", value_parser = str::parse::<Level>, help_heading = EXTENSIONS)]
    pub(crate) tls: Option<Level>,
}

impl CertificateSwitches {
    /// The certificate, and whether it is missing nothing but a password.
    ///
    /// # Errors
    /// See [`identity`].
    pub(crate) fn identity(
        &self,
        password: Option<&Secret>,
    ) -> Result<Option<Found>, CommandError> {
        let read = |text: &String| identity(text, self.key.as_deref(), password);
        self.certificate.as_ref().map(read).transpose()
    }
}

/// What the command line says about the host's certificate; the settings say the rest.
#[derive(Debug, Default)]
pub(crate) struct TrustSwitches {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) pins: Vec<Pin>,
    pub(crate) skip_ca_check: bool,
    pub(crate) skip_cn_check: bool,
    pub(crate) skip_revocation_check: bool,
    pub(crate) server_name: Option<String>,
}

impl TrustSwitches {
    /// The settings, changed by what was typed.
    pub(crate) fn apply(&self, trust: &mut Trust) {
        if let Some(path) = &self.ca {
            trust.authorities = Authorities::Path(path.clone());
        }
        if !self.pins.is_empty() {
            trust.pins.clone_from(&self.pins);
        }
        trust.skip_ca_check |= self.skip_ca_check;
        trust.skip_cn_check |= self.skip_cn_check;
        trust.revocation.skip |= self.skip_revocation_check;
        if self.server_name.is_some() {
            trust.server_name.clone_from(&self.server_name);
        }
    }
}

/// A certificate that was looked for.
#[derive(Debug)]
pub(crate) enum Found {
    /// It is here.
    Identity(Arc<Identity>),
    /// Its key is encrypted, and nobody has given the password yet.
    NeedsPassword,
}

/// The certificate of a file or thumbprint.
///
/// # Errors
/// It cannot be read or used.
pub(crate) fn identity(
    text: &str,
    key: Option<&Path>,
    password: Option<&Secret>,
) -> Result<Found, CommandError> {
    match identities::find(text, key, password) {
        Ok(found) => Ok(Found::Identity(Arc::new(found))),
        Err(error) if error.wants_password() => Ok(Found::NeedsPassword),
        Err(error) => Err(unusable(&error)),
    }
}

fn unusable(error: &CertificateFileError) -> CommandError {
    CommandError::usage(format!("the certificate: {error}")).hints(error.hints())
}

/// What a question for the password of a key says.
pub(crate) const KEY_QUESTION: &str = "Enter the password of the certificate's private key: ";

/// The password of a key is needed, and there is nobody to ask.
pub(crate) fn no_key_password() -> CommandError {
    CommandError::usage(
        "the private key is encrypted, and there is no terminal to ask for its password",
    )
    .hint("use --password-file FILE, whose first line is the password")
    .hint("or set the environment variable TRANSOM_PASSWORD")
}
