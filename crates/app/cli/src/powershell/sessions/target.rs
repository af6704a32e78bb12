//! Where a session is to be, who logs in, and what it shall be: the connection parameters of the cmdlets, with the
//! preferences where a parameter is missing.
//!
//! ```text
//!  parameter ──► $PSSession… of the script ──► client.toml ──► PowerShell's default
//! ```

use std::sync::Arc;

use auth::Secret;
use client::identities;
use client::{
    Authentication, BufferMode, Client, Config, Credentials, Endpoint, EndpointError, Error,
    Identity, PoolOptions, Settings, Transport,
};

use client::error::ConfigError;

use super::super::binder::Bound;
use super::super::context::Context;
use super::super::show;
use super::super::value::Value;
use super::super::waiter::Waiter;
use super::options::SessionOptions;
use super::preferences;
use crate::command_error::CommandError;
use crate::winrs::PASSWORD_VARIABLE;
use crate::winrs::certificate::{self, Found};

/// This computer.
const LOCALHOST: &str = "localhost";

/// A place for a session, and what the session shall be.
#[derive(Clone, Debug)]
pub(in crate::powershell) struct Target {
    /// `ComputerName`: as it was named, `localhost` for this one.
    pub(in crate::powershell) computer: String,
    pub(in crate::powershell) config: Config,
    pub(in crate::powershell) pool: PoolOptions,
    /// What becomes of output that nobody collects; `None` leaves it to the host.
    pub(in crate::powershell) buffer_mode: Option<BufferMode>,
    /// What `config` and `pool` were made of.
    pub(in crate::powershell) options: SessionOptions,
}

impl Target {
    /// Takes the address that a host sent to for this one's, and tells the user as PowerShell does.
    pub(in crate::powershell) fn redirected(&mut self, client: &Client) {
        let endpoint = client.endpoint();
        if endpoint == self.config.endpoint {
            return;
        }
        show::warning(&format!(
            "Your connection has been redirected to the following URI: \"{endpoint}\""
        ));
        self.computer.clone_from(&endpoint.host);
        self.config.endpoint = endpoint;
    }

    /// A client of the computer's service.
    ///
    /// # Errors
    /// What must not be sent; the error names the computer.
    pub(in crate::powershell) fn client(&self) -> Result<Client, CommandError> {
        Client::new(self.config.clone()).map_err(|error| at(&self.computer, error))
    }
}

/// Windows's client wants an account with an address, where nobody says by which login: no ticket is for one.
fn explicit(places: &[(String, Endpoint)]) -> Result<(), CommandError> {
    let is_far = |endpoint: &Endpoint| endpoint.address().is_some() && !endpoint.is_loopback();
    let Some((computer, _)) = places.iter().find(|(_, endpoint)| is_far(endpoint)) else {
        return Ok(());
    };
    let error = CommandError::usage(ConfigError::AddressNotTrusted.to_string());
    Err(error.about(computer).hint("add -Credential User01"))
}

/// An error of one computer of several, as PowerShell writes it: `[server01] …`.
pub(in crate::powershell) fn at(computer: &str, error: Error) -> CommandError {
    CommandError::from(error).about(computer)
}

/// The places that a cmdlet's connection parameters name, in their order: one for each -ComputerName or -ConnectionUri.
/// Asks for the password where none is known.
///
/// # Errors
/// A parameter that cannot be, or what is not in this version.
pub(in crate::powershell) fn targets(
    bound: &Bound,
    context: &mut Context,
) -> Result<Vec<Target>, CommandError> {
    let thumbprint = bound.text("CertificateThumbprint");
    let authentication = match thumbprint {
        Some(_) => by_certificate(bound)?,
        None => authentication(bound.text("Authentication"))?,
    };
    let settings = preferences::settings()?;
    let options = match bound.value("SessionOption") {
        Some(value) => SessionOptions::read(value)?,
        None => SessionOptions::read(&context.variable(preferences::SESSION_OPTION)?)?,
    };
    options.check()?;
    let places = places(bound, context, &settings)?;
    let configuration = match bound.text("ConfigurationName") {
        Some(name) => name.to_owned(),
        None => context.variable(preferences::CONFIGURATION_NAME)?.text(),
    };
    if bound.is_set("Verbose") {
        notes(bound, &places);
    }
    let redirections = bound.is_set("AllowRedirection").then(|| options.redirections());
    let target = |place: (String, Endpoint), login: Login| {
        let mut target = made(place, login, &configuration, &options, &settings)?;
        target.config.redirections = redirections.unwrap_or_default();
        Ok(target)
    };
    let nobody = Login::by_password(Credentials::default(), authentication);
    let drafts = places.iter().map(|place| target(place.clone(), nobody.clone()));
    let drafts = drafts.collect::<Result<Vec<Target>, CommandError>>()?;
    let logins = match thumbprint {
        Some(thumbprint) => {
            let login = Login::by_certificate(thumbprint, &mut context.waiter)?;
            vec![login; places.len()]
        }
        None => logins(bound, &drafts, &places, &mut context.waiter)?,
    };
    places.into_iter().zip(logins).map(|(place, login)| target(place, login)).collect()
}

/// The configuration of a connection without a session: the login of a cmdlet's parameters, with these options. Asks for the
/// password where none is known.
///
/// # Errors
/// A parameter that cannot be.
pub(in crate::powershell) fn connection(
    bound: &Bound,
    place: (String, Endpoint),
    options: &SessionOptions,
    context: &mut Context,
) -> Result<Config, CommandError> {
    let thumbprint = bound.text("CertificateThumbprint");
    let authentication = match thumbprint {
        Some(_) => by_certificate(bound)?,
        None => authentication(bound.text("Authentication"))?,
    };
    let settings = preferences::settings()?;
    let configured = |login| made(place.clone(), login, "", options, &settings);
    let login = if let Some(thumbprint) = thumbprint {
        Login::by_certificate(thumbprint, &mut context.waiter)?
    } else {
        let draft = configured(Login::by_password(Credentials::default(), authentication))?;
        let places = std::slice::from_ref(&place);
        let logins = logins(bound, &[draft], places, &mut context.waiter)?;
        let login = logins.into_iter().next();
        login.unwrap_or_else(|| Login::by_password(Credentials::default(), authentication))
    };
    Ok(configured(login)?.config)
}

/// Who logs in to each place: the account that is named, else the user's own tickets where they are for that place, else
/// the user by name. The password is asked for once, if anybody needs it.
fn logins(
    bound: &Bound,
    drafts: &[Target],
    places: &[(String, Endpoint)],
    waiter: &mut Waiter,
) -> Result<Vec<Login>, CommandError> {
    let Some(authentication) = drafts.first().map(|draft| draft.config.authentication) else {
        return Ok(Vec::new());
    };
    let named = bound.value("Credential").map(account);
    by_account(named.is_some(), authentication)?;
    let mut has_tickets = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let config = &draft.config;
        has_tickets.push(match &named {
            Some((_, Some(_))) => false,
            Some((user, None)) => config.has_tickets_for(user),
            // Whoever asks for tickets is not asked for a password.
            None if by_tickets(authentication) => true,
            None => waiter.wait(async { Ok(config.finds_tickets().await) })?,
        });
    }
    let (user, known) = match named {
        Some((user, known)) => (Some(user), known),
        None => (None, None),
    };
    if has_tickets.iter().all(|has| *has) {
        let user = user.unwrap_or_default();
        let credentials = Credentials { user, ..Credentials::default() };
        return Ok(vec![Login::by_password(credentials, authentication); places.len()]);
    }
    if user.is_none() && authentication == Authentication::Default {
        explicit(places)?;
    }
    let with_tickets =
        Credentials { user: user.clone().unwrap_or_default(), ..Credentials::default() };
    let user = user.map_or_else(current_user, Ok)?;
    let password = match known {
        Some(password) => password,
        None => password(&user, &asked_for(places), waiter)?,
    };
    let by_password = Credentials { user, password };
    let login = |has: &bool| {
        let credentials = if *has { &with_tickets } else { &by_password };
        Login::by_password(credentials.clone(), authentication)
    };
    Ok(has_tickets.iter().map(login).collect())
}

/// Whether a login is by tickets or not at all.
pub(in crate::powershell) const fn by_tickets(authentication: Authentication) -> bool {
    matches!(
        authentication,
        Authentication::Kerberos | Authentication::NegotiateWithImplicitCredential
    )
}

/// Whether a login and an account fit together.
///
/// # Errors
/// One that needs the other, or cannot be with it.
pub(in crate::powershell) fn by_account(
    is_named: bool,
    authentication: Authentication,
) -> Result<(), CommandError> {
    if authentication == Authentication::CredSsp && !is_named {
        return Err(CommandError::usage(
            "CredSSP gives an account's password to the host: -Credential is missing",
        )
        .hint("add -Credential Domain01\\User01"));
    }
    if authentication == Authentication::NegotiateWithImplicitCredential && is_named {
        return Err(CommandError::usage(
            "-Authentication NegotiateWithImplicitCredential and -Credential cannot be used together: it takes the tickets that \
             you have",
        )
        .hint("leave out -Credential, or use -Authentication Negotiate"));
    }
    Ok(())
}

/// Who logs in, and how.
#[derive(Clone, Debug)]
pub(in crate::powershell) struct Login {
    credentials: Credentials,
    authentication: Authentication,
    identity: Option<Arc<Identity>>,
}

impl Login {
    pub(in crate::powershell) const fn by_password(
        credentials: Credentials,
        authentication: Authentication,
    ) -> Self {
        Self { credentials, authentication, identity: None }
    }

    /// The certificate with this thumbprint in the user's folder. Asks for the password of its key where it has one.
    ///
    /// # Errors
    /// There is none, or it cannot be used.
    pub(in crate::powershell) fn by_certificate(
        thumbprint: &str,
        waiter: &mut Waiter,
    ) -> Result<Self, CommandError> {
        let Some(digits) = identities::thumbprint(thumbprint) else {
            return Err(CommandError::usage(format!(
                "-CertificateThumbprint {thumbprint}: no thumbprint, which has 40 hexadecimal digits"
            )));
        };
        let given = variable_password()?;
        let identity = match certificate::identity(&digits, None, given.as_ref())? {
            Found::Identity(identity) => identity,
            Found::NeedsPassword => {
                let password = waiter.ask(certificate::KEY_QUESTION, &digits)?;
                match certificate::identity(&digits, None, Some(&password))? {
                    Found::Identity(identity) => identity,
                    Found::NeedsPassword => return Err(certificate::no_key_password()),
                }
            }
        };
        // The name under which a session is found again.
        let credentials = Credentials { user: digits, ..Credentials::default() };
        let authentication = Authentication::Certificate;
        Ok(Self { credentials, authentication, identity: Some(identity) })
    }

    /// A client's configuration for this login.
    pub(in crate::powershell) fn config(self, endpoint: Endpoint) -> Config {
        let mut config = Config::new(endpoint, self.credentials);
        config.authentication = self.authentication;
        config.identity = self.identity;
        config
    }
}

/// A certificate is a login of its own.
pub(in crate::powershell) fn by_certificate(bound: &Bound) -> Result<Authentication, CommandError> {
    for other in ["Credential", "Authentication"] {
        if bound.value(other).is_some() {
            return Err(CommandError::usage(format!(
                "-CertificateThumbprint and -{other} cannot be used together"
            ))
            .hint(
                "a login by certificate needs no account: the host knows whose certificate it is",
            ));
        }
    }
    Ok(Authentication::Certificate)
}

/// A target of its parts.
///
/// # Errors
/// An option that is not in this version.
pub(super) fn made(
    (computer, endpoint): (String, Endpoint),
    login: Login,
    configuration: &str,
    options: &SessionOptions,
    settings: &Settings,
) -> Result<Target, CommandError> {
    let mut config = login.config(endpoint);
    config.settings = settings.clone();
    let mut pool =
        PoolOptions { configuration: configuration.to_owned(), ..PoolOptions::default() };
    options.apply(&mut config, &mut pool)?;
    let buffer_mode = options.buffer_mode();
    Ok(Target { computer, config, pool, buffer_mode, options: options.clone() })
}

/// The login of this name; Default without one.
///
/// # Errors
/// There is none of this name here.
pub(in crate::powershell) fn authentication(
    name: Option<&str>,
) -> Result<Authentication, CommandError> {
    match name {
        None | Some("Default") => Ok(Authentication::Default),
        Some("Negotiate") => Ok(Authentication::Negotiate),
        Some("NegotiateWithImplicitCredential") => {
            Ok(Authentication::NegotiateWithImplicitCredential)
        }
        Some("Kerberos") => Ok(Authentication::Kerberos),
        Some("Credssp") => Ok(Authentication::CredSsp),
        Some("Basic") => Ok(Authentication::Basic),
        Some("Digest") => Ok(Authentication::Digest),
        Some("ClientCertificate") => Err(CommandError::usage(
            "a login by certificate without one: -CertificateThumbprint is missing",
        )
        .hint("replace -Authentication by -CertificateThumbprint")),
        Some(other) => Err(CommandError::usage(format!("there is no login {other}"))),
    }
}

/// Every computer as it was named, with the address of its service.
fn places(
    bound: &Bound,
    context: &Context,
    settings: &Settings,
) -> Result<Vec<(String, Endpoint)>, CommandError> {
    if let Some(uris) = bound.value("ConnectionUri") {
        return texts(uris).into_iter().map(at_uri).collect();
    }
    let application = match bound.text("ApplicationName") {
        Some(name) => name.to_owned(),
        None => context.variable(preferences::APPLICATION_NAME)?.text(),
    };
    let computers = bound.value("ComputerName").map_or_else(|| vec![LOCALHOST], texts);
    let use_ssl = bound.is_set("UseSSL");
    let port = bound.integer("Port");
    let place = |computer: &str| at_computer(computer, use_ssl, port, &application, settings);
    computers.into_iter().map(place).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    if let Value::List(values) = value {
        return values.iter().flat_map(texts).collect();
    }
    if let Value::Text(text) = value { vec![text] } else { Vec::new() }
}

/// The place that a URI names.
///
/// # Errors
/// It is none.
pub(in crate::powershell) fn at_uri(uri: &str) -> Result<(String, Endpoint), CommandError> {
    if !uri.contains("://") {
        return Err(CommandError::usage(
            "Relative URIs are not supported in the creation of remote sessions.",
        )
        .hint("write http[s]://HOST:PORT/wsman"));
    }
    let endpoint = Endpoint::parse(uri, false)
        .map_err(|error| CommandError::usage(format!("-ConnectionUri {uri}: {error}")))?;
    Ok((endpoint.host.clone(), endpoint))
}

/// The place that a computer's name, port and application name. Where no port is named it is the user's `DefaultPorts`.
///
/// # Errors
/// The name is none.
pub(in crate::powershell) fn at_computer(
    computer: &str,
    use_ssl: bool,
    port: Option<i64>,
    application: &str,
    settings: &Settings,
) -> Result<(String, Endpoint), CommandError> {
    let computer = if computer == "." { LOCALHOST } else { computer };
    let invalid = || {
        CommandError::usage(
            "One or more computer names are not valid. If you are trying to pass a URI, use the -ConnectionUri parameter, or \
             pass URI objects instead of strings.",
        )
    };
    // A port belongs to -Port, as in PowerShell.
    let has_port = !computer.starts_with('[') && computer.matches(':').count() == 1;
    if has_port || computer.contains(['/', '?']) {
        return Err(invalid());
    }
    let mut endpoint = settings.endpoint(computer, use_ssl).map_err(|_| invalid())?;
    aim(&mut endpoint, port, Some(application))?;
    // By its own name a computer is asked as by `localhost`; where certificates prove who answers, they hold the name.
    if !use_ssl && is_own_name(&endpoint.host) {
        LOCALHOST.clone_into(&mut endpoint.host);
    }
    Ok((computer.to_owned(), endpoint))
}

/// Takes port and path of the parameters `-Port` and `-ApplicationName`.
///
/// # Errors
/// A path that is none.
pub(in crate::powershell) fn aim(
    endpoint: &mut Endpoint,
    port: Option<i64>,
    application: Option<&str>,
) -> Result<(), CommandError> {
    if let Some(port) = port.and_then(|port| u16::try_from(port).ok()) {
        endpoint.port = port;
    }
    if let Some(application) = application {
        let path = application.trim_start_matches('/');
        let url = format!("{}://{}/{path}", endpoint.transport.scheme(), endpoint.authority());
        let wrong = |error: EndpointError| {
            CommandError::usage(format!("-ApplicationName {application}: {error}"))
        };
        endpoint.path =
            Endpoint::parse(&url, endpoint.transport == Transport::Https).map_err(wrong)?.path;
    }
    Ok(())
}

fn is_own_name(host: &str) -> bool {
    let Ok(own) = nix::unistd::gethostname() else { return false };
    let Some(own) = own.to_str() else { return false };
    // The short form too, as NetBIOS has it.
    let short = own.split('.').next().unwrap_or_default();
    [own, short].iter().any(|name| !name.is_empty() && name.eq_ignore_ascii_case(host))
}

/// What a user should know of parameters that do less than they say.
fn notes(bound: &Bound, places: &[(String, Endpoint)]) {
    if bound.is_set("EnableNetworkAccess") {
        let is_local = places.iter().any(|(_, endpoint)| endpoint.is_loopback());
        show::verbose(if is_local {
            "a session on this computer reaches others as far as its user does; -EnableNetworkAccess adds nothing to that"
        } else {
            "-EnableNetworkAccess is ignored: the session is on another computer"
        });
    }
}

/// The user of this process, PowerShell's default.
fn current_user() -> Result<String, CommandError> {
    let named = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten();
    let named = named.map(|user| user.name).or_else(|| std::env::var("USER").ok());
    named.filter(|name| !name.is_empty()).ok_or_else(|| {
        CommandError::usage("the current user has no name").hint("add -Credential User01")
    })
}

/// The computers in a question.
fn asked_for(places: &[(String, Endpoint)]) -> String {
    match places {
        [] => String::new(),
        [(computer, _)] => format!("'{computer}'"),
        [(computer, _), more @ ..] => format!("'{computer}' and {} more", more.len()),
    }
}

/// The user name of an account, and its password if it is known.
pub(in crate::powershell) fn account(value: &Value) -> (String, Option<Secret>) {
    let Value::Object(account) = value else { return (value.text(), None) };
    let user = account.property("UserName").map(Value::text).unwrap_or_default();
    let password = account.property("Password").and_then(|password| {
        if let Value::Secret(password) = password { Some(password.clone()) } else { None }
    });
    (user, password)
}

/// The password of an account: from the environment, else asked for.
///
/// # Errors
/// There is no terminal to ask on, or a signal came.
pub(in crate::powershell) fn password(
    user: &str,
    place: &str,
    waiter: &mut Waiter,
) -> Result<Secret, CommandError> {
    if let Some(password) = variable_password()? {
        return Ok(password);
    }
    let question = format!("Enter the password for '{user}' to connect to {place}: ");
    let asked = waiter.ask(&question, user);
    asked.map_err(|error| error.hint(format!("set the environment variable {PASSWORD_VARIABLE}")))
}

fn variable_password() -> Result<Option<Secret>, CommandError> {
    let Some(password) = std::env::var_os(PASSWORD_VARIABLE) else { return Ok(None) };
    let not_text = |_| CommandError::usage(format!("{PASSWORD_VARIABLE} is not valid UTF-8"));
    password.into_string().map(Secret::from).map(Some).map_err(not_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_computer_are_loopback() {
        let own = nix::unistd::gethostname().unwrap().into_string().unwrap();
        for (name, shown) in [
            (".", "localhost"),
            ("LocalHost", "LocalHost"),
            ("127.0.0.1", "127.0.0.1"),
            (&own, &own),
        ] {
            let (computer, endpoint) =
                at_computer(name, false, None, "wsman", &Settings::default()).unwrap();
            assert_eq!(computer, shown);
            assert!(endpoint.is_loopback(), "{name}: {endpoint}");
        }
        let (_, endpoint) = at_computer(&own, true, None, "wsman", &Settings::default()).unwrap();
        assert_eq!(endpoint.to_string(), format!("https://{own}:5986/wsman"));
    }

    #[test]
    fn port_and_application_name_make_the_address() {
        for (port, application, ssl, expected) in [
            (None, "wsman", false, "http://server01:5985/wsman"),
            (None, "wsman", true, "https://server01:5986/wsman"),
            (Some(90), "/My App", false, ""),
            (Some(90), "App/x?PSVersion=5.1", false, "http://server01:90/App/x?PSVersion=5.1"),
        ] {
            let found = at_computer("server01", ssl, port, application, &Settings::default());
            let found = found.map(|(_, endpoint)| endpoint.to_string()).unwrap_or_default();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn uri_without_a_port_means_80_or_443_and_without_a_scheme_nothing() {
        let found =
            |uri: &str| at_uri(uri).map(|(computer, endpoint)| (computer, endpoint.to_string()));
        let (computer, address) = found("https://server01/x").unwrap();
        assert_eq!((computer.as_str(), address.as_str()), ("server01", "https://server01:443/x"));
        assert_eq!(found("http://server01").unwrap().1, "http://server01:80/wsman");
        assert!(found("bad").unwrap_err().error().starts_with("Relative URIs are not supported"));
        assert!(found("ftp://h").unwrap_err().error().contains("ftp"));
    }

    #[test]
    fn addresses_and_ports_are_no_computer_names() {
        for name in ["a b", "http://server01", "server01:80", "h/wsman", "[::1]x"] {
            let error = at_computer(name, false, None, "wsman", &Settings::default()).unwrap_err();
            assert!(
                error.error().starts_with("One or more computer names are not valid."),
                "{name}"
            );
        }
        assert_eq!(
            at_computer("::1", false, None, "wsman", &Settings::default()).unwrap().1.authority(),
            "[::1]:5985"
        );
        assert!(at_computer("[::1]", false, None, "wsman", &Settings::default()).is_ok());
    }

    #[test]
    fn logins_have_powershells_names() {
        for (name, expected) in [
            (None, Authentication::Default),
            (Some("Negotiate"), Authentication::Negotiate),
            (
                Some("NegotiateWithImplicitCredential"),
                Authentication::NegotiateWithImplicitCredential,
            ),
            (Some("Kerberos"), Authentication::Kerberos),
            (Some("Credssp"), Authentication::CredSsp),
            (Some("Basic"), Authentication::Basic),
            (Some("Digest"), Authentication::Digest),
        ] {
            assert_eq!(authentication(name).unwrap(), expected);
        }
        let error = authentication(Some("ClientCertificate")).unwrap_err();
        assert!(error.error().contains("-CertificateThumbprint is missing"));
    }

    #[test]
    fn accounts_and_logins_must_fit() {
        assert!(by_account(false, Authentication::CredSsp).is_err());
        assert!(by_account(true, Authentication::NegotiateWithImplicitCredential).is_err());
        assert!(by_account(false, Authentication::Kerberos).is_ok());
        assert!(by_account(true, Authentication::CredSsp).is_ok());
    }
}
