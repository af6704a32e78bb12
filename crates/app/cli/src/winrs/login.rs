//! From what a command line says about a connection to what the client needs; what nobody gave is asked for.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::sync::Arc;

use auth::Secret;
use client::{Authentication, Config, Credentials, Identity, Settings};

use super::certificate::{self, Found};
use super::connection::{Connection, PasswordSource, Scheme};
use super::network::PROXY_PASSWORD_VARIABLE;
use crate::command_error::CommandError;
use crate::signals::Signals;
use crate::terminal::{self, Answer};

/// The variable that may hold the password.
pub(crate) const PASSWORD_VARIABLE: &str = "TRANSOM_PASSWORD";
/// The longest password in a file, in bytes.
const PASSWORD_LIMIT: u64 = 4096;

/// Who logs in.
#[derive(Default)]
struct Login {
    credentials: Credentials,
    identity: Option<Arc<Identity>>,
}

impl Connection {
    /// What the client needs, with the settings behind the switches and everything that nobody gave asked for.
    ///
    /// # Errors
    /// Something is missing and there is nobody to ask, or does not fit; a signal ends the program meanwhile.
    pub(crate) async fn into_config(
        mut self,
        signals: &mut Signals,
    ) -> Result<Config, CommandError> {
        let login = self.login(signals).await?;
        self.network.proxy_password = self.proxy_password(signals).await?;
        self.config(login)
    }

    /// What the command line means, with the settings behind it.
    fn config(&self, login: Login) -> Result<Config, CommandError> {
        let settings = Settings::load()
            .map_err(|error| CommandError::caused("reading the client's settings", &error))?;
        let endpoint = settings.endpoint(&self.endpoint, self.use_ssl).map_err(|error| {
            CommandError::usage(error.to_string()).hint("write -r:HOST or -r:http://HOST:PORT")
        })?;
        let mut config = Config::new(endpoint, login.credentials);
        config.identity = login.identity;
        config.authentication = match self.scheme {
            Some(Scheme::Basic) => Authentication::Basic,
            Some(Scheme::Digest) => Authentication::Digest,
            Some(Scheme::Ntlm) => Authentication::Ntlm,
            Some(Scheme::Negotiate) => Authentication::Negotiate,
            Some(Scheme::Kerberos) => Authentication::Kerberos,
            Some(Scheme::CredSsp) => Authentication::CredSsp,
            Some(Scheme::Certificate) => Authentication::Certificate,
            None => Authentication::Default,
        };
        config.settings = settings;
        self.trust.apply(&mut config.settings.trust);
        if let Some(level) = self.certificate.tls {
            config.settings.level = level;
        }
        self.kerberos.apply(self.delegate, &mut config.settings.kerberos);
        self.network.apply(self.unencrypted, &mut config)?;
        Ok(config)
    }

    /// Everything for the login, asked for where nobody gave it.
    async fn login(&self, signals: &mut Signals) -> Result<Login, CommandError> {
        let is_alone = self.scheme == Some(Scheme::Certificate);
        let credentials = if is_alone {
            Credentials::default()
        } else {
            let config = self.config(Login::default())?;
            self.credentials(&config, signals).await?
        };
        let password = if is_alone { given_password(&self.password)? } else { None };
        let identity = match self.certificate.identity(password.as_ref())? {
            None => None,
            Some(Found::Identity(identity)) => Some(identity),
            Some(Found::NeedsPassword) => {
                let answer =
                    terminal::ask(certificate::KEY_QUESTION, Answer::Hidden, signals).await?;
                let password = answer.ok_or_else(certificate::no_key_password)?;
                match self.certificate.identity(Some(&password))? {
                    Some(Found::Identity(identity)) => Some(identity),
                    Some(Found::NeedsPassword) | None => return Err(certificate::no_key_password()),
                }
            }
        };
        Ok(Login { credentials, identity })
    }

    /// User name and password, asked for where nobody gave them and no ticket takes their place.
    async fn credentials(
        &self,
        config: &Config,
        signals: &mut Signals,
    ) -> Result<Credentials, CommandError> {
        let endpoint = &self.endpoint;
        let given = given_password(&self.password)?;
        let user = match &self.user {
            Some(user) => user.clone(),
            None if config.authentication == Authentication::Kerberos => {
                return Ok(Credentials::default());
            }
            None if given.is_none() && config.finds_tickets().await => {
                return Ok(Credentials::default());
            }
            None => {
                let question = format!("Enter the user name to connect to '{endpoint}': ");
                let answer = terminal::ask(&question, Answer::Shown, signals).await?;
                let missing = || {
                    CommandError::usage("no user name, and no terminal to ask for it")
                        .hint("add -u:USER")
                };
                answer.ok_or_else(missing)?.expose().trim().to_owned()
            }
        };
        if user.is_empty() {
            return Err(CommandError::usage("the user name is empty").hint("add -u:USER"));
        }
        let password = match given {
            Some(password) => password,
            None if config.has_tickets_for(&user) => Secret::from(""),
            None => ask_password(&user, endpoint, signals).await?,
        };
        Ok(Credentials { user, password })
    }

    /// The password of the account at the proxy, if there is one.
    async fn proxy_password(&self, signals: &mut Signals) -> Result<Option<Secret>, CommandError> {
        if let Some(known) = &self.network.proxy_password {
            return Ok(Some(known.clone()));
        }
        let Some(user) = &self.network.proxy_user else { return Ok(None) };
        if let Some(file) = &self.network.proxy_password_file {
            return password_from(file).map(Some);
        }
        if let Some(password) = std::env::var_os(PROXY_PASSWORD_VARIABLE) {
            let not_text =
                |_| CommandError::usage(format!("{PROXY_PASSWORD_VARIABLE} is not valid UTF-8"));
            return password.into_string().map(|text| Some(Secret::from(text))).map_err(not_text);
        }
        let question = format!("Enter the password for '{user}' at the proxy: ");
        let answer = terminal::ask(&question, Answer::Hidden, signals).await?;
        let missing = || {
            CommandError::usage(format!(
                "no password for '{user}' at the proxy, and no terminal to ask for it"
            ))
            .hint("use --proxy-password-file FILE, whose first line is the password")
            .hint(format!("or set the environment variable {PROXY_PASSWORD_VARIABLE}"))
        };
        answer.map(Some).ok_or_else(missing)
    }
}

/// The password, if somebody has given one.
fn given_password(source: &PasswordSource) -> Result<Option<Secret>, CommandError> {
    match source {
        PasswordSource::Given(password) => Ok(Some(password.clone())),
        PasswordSource::File(file) => password_from(file).map(Some),
        PasswordSource::Unsaid => match std::env::var_os(PASSWORD_VARIABLE) {
            Some(password) => {
                let not_text =
                    |_| CommandError::usage(format!("{PASSWORD_VARIABLE} is not valid UTF-8"));
                password.into_string().map(Secret::from).map(Some).map_err(not_text)
            }
            None => Ok(None),
        },
    }
}

async fn ask_password(
    user: &str,
    endpoint: &str,
    signals: &mut Signals,
) -> Result<Secret, CommandError> {
    let question = format!("Enter the password for '{user}' to connect to '{endpoint}': ");
    let answer = terminal::ask(&question, Answer::Hidden, signals).await?;
    answer.ok_or_else(|| {
        CommandError::usage(format!("no password for '{user}', and no terminal to ask for it"))
            .hint("use -password-file:FILE, whose first line is the password")
            .hint(format!("or set the environment variable {PASSWORD_VARIABLE}"))
    })
}

/// The first line of a file.
pub(crate) fn password_from(path: &Path) -> Result<Secret, CommandError> {
    let failed = |error: io::Error| {
        CommandError::caused(format!("reading the password file {}", path.display()), &error)
    };
    let file = File::open(path).map_err(failed)?;
    let mut line = Vec::with_capacity(256);
    BufReader::with_capacity(256, file.take(PASSWORD_LIMIT))
        .read_until(b'\n', &mut line)
        .map_err(failed)?;
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    terminal::text(line).map_err(failed)
}
