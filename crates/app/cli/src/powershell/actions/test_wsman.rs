//! `Test-WSMan`: asks a service what it is, with or without a login.

use std::time::Duration;

use auth::Secret;
use client::probe::{self, Question};
use client::{Client, Config, Credentials, Endpoint, Protection, Settings};

use super::super::binder::Bound;
use super::super::sessions::target::{self, Login, account};
use super::super::show;
use super::super::value::{Object, Value};
use super::super::waiter::Waiter;
use crate::command_error::{CommandError, Origin};

/// How long an answer without a login may take: Windows's `MaxTimeoutms`.
const PATIENCE: Duration = Duration::from_secs(60);
/// The namespace of Identify, DSP0226 11.
const IDENTITY: &str = "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd";
const OPERATION: &str = "Identify";

pub(super) fn run(bound: &Bound, waiter: &mut Waiter) -> Result<Value, CommandError> {
    let settings = Settings::load()
        .map_err(|error| CommandError::caused("reading the client's settings", &error))?;
    let endpoint = endpoint(bound, &settings)?;
    if let Some(thumbprint) = bound.text("CertificateThumbprint") {
        target::by_certificate(bound)?;
        let mut config = Login::by_certificate(thumbprint, waiter)?.config(endpoint);
        config.settings = settings;
        return identified(bound, config, waiter);
    }
    let login = match bound.text("Authentication") {
        None | Some("None") => None,
        named => Some(target::authentication(named)?),
    };
    let credential = bound.value("Credential").map(account);
    let Some(authentication) = login else {
        return match credential {
            None => anonymous(bound, &endpoint, &settings, waiter),
            Some(_) => Err(CommandError::usage(
                "an account without a login: -Credential needs -Authentication",
            )
            .hint("add -Authentication Negotiate")),
        };
    };
    target::by_account(credential.is_some(), authentication)?;
    let mut config = Config::new(endpoint, Credentials::default());
    config.authentication = authentication;
    config.settings = settings;
    match credential {
        Some((user, known)) => {
            let password = match known {
                Some(password) => password,
                None if config.has_tickets_for(&user) => Secret::from(""),
                None => target::password(&user, &format!("'{}'", config.endpoint.host), waiter)?,
            };
            config.credentials = Credentials { user, password };
        }
        None if target::by_tickets(authentication) => {}
        None if waiter.wait(async { Ok(config.finds_tickets().await) })? => {}
        None => {
            return Err(CommandError::usage(
                "a login needs an account: -Credential is missing, and you have no Kerberos ticket for that host",
            )
            .hint("add -Credential User01")
            .hint("or get a ticket: kinit USER@REALM"));
        }
    }
    identified(bound, config, waiter)
}

/// Where the service is.
fn endpoint(bound: &Bound, settings: &Settings) -> Result<Endpoint, CommandError> {
    let computer = match bound.text("ComputerName") {
        None | Some(".") => "localhost",
        Some(name) => name,
    };
    let wrong = |error: client::EndpointError| {
        CommandError::usage(error.to_string())
            .hint("-ComputerName takes a name, an address, or http[s]://HOST[:PORT]")
    };
    let mut endpoint = settings.endpoint(computer, bound.is_set("UseSSL")).map_err(wrong)?;
    target::aim(&mut endpoint, bound.integer("Port"), bound.text("ApplicationName"))?;
    Ok(endpoint)
}

fn identified(bound: &Bound, config: Config, waiter: &mut Waiter) -> Result<Value, CommandError> {
    let client = Client::new(config)?;
    let answer = waiter.wait(async { Ok(client.identify().await?) })?;
    if bound.is_set("Verbose") {
        let messages = match client.protection() {
            Some(Protection::Seal) => "messages are sealed",
            Some(Protection::Tls) => "messages are inside TLS",
            Some(Protection::SealInTls) => "messages are sealed inside TLS",
            Some(Protection::Local) => "messages stay on this machine",
            Some(Protection::Nothing) | None => "messages are readable by others",
        };
        if let Some(why) = client.without_kerberos() {
            show::verbose(&format!("not by Kerberos: {why}"));
        }
        if let Some(ticket) = client.ticket() {
            show::verbose(&format!("ticket of {} for {}", ticket.principal, ticket.service));
        }
        show::verbose(&format!(
            "logged in by {}, {messages}",
            client.mechanism().unwrap_or("nothing")
        ));
    }
    let mut object =
        identity(answer.protocol_versions, answer.product_vendor, answer.product_version);
    if let Some(profiles) = answer.security_profiles {
        let names = Value::List(profiles.into_iter().map(Value::Text).collect());
        let profiles = element("SecurityProfiles", vec![("SecurityProfileName".to_owned(), names)]);
        object.push(("SecurityProfiles".to_owned(), profiles));
    }
    Ok(element("IdentifyResponse", object))
}

fn anonymous(
    bound: &Bound,
    endpoint: &Endpoint,
    settings: &Settings,
    waiter: &mut Waiter,
) -> Result<Value, CommandError> {
    let answer = waiter.wait(async {
        let (proxy, tls) = (&settings.proxy, settings.tls());
        Ok(probe::ask(endpoint, proxy, &tls, Question::Identify, PATIENCE).await?)
    })?;
    if bound.is_set("Verbose") {
        show::verbose(&format!("asked {endpoint} without a login"));
    }
    if let Some(answer) = answer.identity() {
        let object =
            identity(answer.protocol_versions, answer.product_vendor, answer.product_version);
        return Ok(element("IdentifyResponse", object));
    }
    let host = endpoint.authority();
    let error = match answer.status {
        401 => CommandError::failed(format!("{host} does not say without a login what it is"))
            .hint("add -Authentication Negotiate -Credential User01"),
        status => CommandError::failed(format!(
            "no WinRM service answers at {endpoint} (status {status})"
        ))
        .hint("`transom doctor` walks the way to the service step by step"),
    };
    Err(error.at(Origin { kind: "protocol", host, operation: OPERATION, fault_code: None }))
}

/// What every answer has, in the order of the message.
fn identity(
    versions: Vec<String>,
    vendor: Option<String>,
    version: Option<String>,
) -> Vec<(String, Value)> {
    let text =
        |name: &str, text: Option<String>| (name.to_owned(), text.map_or(Value::Null, Value::Text));
    let versions = Value::of(versions.into_iter().map(Value::Text).collect());
    vec![
        text("wsmid", Some(IDENTITY.to_owned())),
        ("ProtocolVersion".to_owned(), versions),
        text("ProductVendor", vendor),
        text("ProductVersion", version),
    ]
}

/// An XML element as PowerShell has it, its type named as there.
fn element(name: &str, properties: Vec<(String, Value)>) -> Value {
    Value::Object(Object {
        type_name: format!("System.Xml.XmlElement#{IDENTITY}#{name}"),
        properties,
    })
}
