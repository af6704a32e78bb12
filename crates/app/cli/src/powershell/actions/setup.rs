//! What sets a computer up: `Connect-WSMan`, `Disconnect-WSMan`, `Set-WSManQuickConfig`, the cmdlets about CredSSP, and
//! `Enable-` and `Disable-PSRemoting`.

use wsman::ns::config;
use wsman::transfer::Locator;
use wsman::xml::Element;

use super::super::binder::Bound;
use super::super::context::Context;
use super::super::show::{self, Sink};
use super::super::value::Value;
use super::super::wsman::tree::own_text;
use super::super::wsman::{hosts, own, xml};
use super::sessions::each;
use super::{configurations, confirm, items};
use crate::command_error::CommandError;

/// `Connect-WSMan`: the computer is asked what it is, so that a wrong name or login is told at once.
///
/// # Errors
/// Parameters that cannot be, or the computer does not answer.
pub(super) fn connect(bound: &Bound, context: &mut Context) -> Result<(), CommandError> {
    let (computer, client) = hosts::asked(bound, context)?;
    context.waiter.wait(async { Ok(client.identify().await?) })?;
    if !hosts::is_local(&computer) || bound.value("Credential").is_some() {
        context.hosts.connect(computer, client);
    }
    if context.is_alone {
        show::warning("the drive WSMan: ends with this program: use Connect-WSMan in pssession");
    }
    Ok(())
}

/// `Disconnect-WSMan`.
///
/// # Errors
/// The computer is not on the drive.
pub(super) fn disconnect(bound: &Bound, context: &mut Context) -> Result<(), CommandError> {
    context.hosts.disconnect(bound.text("ComputerName").unwrap_or(hosts::LOCALHOST))
}

/// `Set-WSManQuickConfig`.
///
/// # Errors
/// The service says no.
pub(super) fn quick_config(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    const QUESTION: &str = "This lets computers of the network manage this one through the WinRM service: it sees to it that \
                            the service takes requests, and makes a listener on every address where there is none.";
    if !confirm::goes_on(bound, context, "WinRM Quick Configuration", QUESTION)? {
        return Ok(());
    }
    configured(bound, context, sink)
}

/// Does what `winrm quickconfig` does, and says what was done.
fn configured(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    let service = round(
        context,
        ("AnalyzeService", "EnableService"),
        &[],
        [
            "WinRM is already set up to receive requests on this computer.",
            "WinRM has been updated to receive requests.",
        ],
    )?;
    sink.put(Value::Text(service))?;
    let transport = if bound.is_set("UseSSL") { "HTTPS" } else { "HTTP" };
    let mut entries = vec![("Transport".to_owned(), Value::Text(transport.to_owned()))];
    if bound.is_set("SkipNetworkProfileCheck") {
        entries.push(("Force".to_owned(), Value::Null));
    }
    let remoting = round(
        context,
        ("Analyze", "EnableRemoting"),
        &entries,
        [
            "WinRM is already set up for remote management on this computer.",
            "WinRM has been updated for remote management.",
        ],
    )?;
    sink.put(Value::Text(remoting))
}

/// Asks what is to be done, has it done, and says so with the first text where it was nothing.
fn round(
    context: &mut Context,
    (analyze, enable): (&str, &str),
    entries: &[(String, Value)],
    [nothing, done]: [&str; 2],
) -> Result<String, CommandError> {
    let client = context.hosts.local()?;
    let locator = Locator::new(config::SERVICE);
    let values = Value::hashtable(entries.to_vec());
    let input = xml::made(config::SERVICE, &format!("{analyze}_INPUT"), Some(&values))?;
    let empty = || CommandError::failed(format!("{analyze}: the service's answer is empty"));
    context.waiter.wait(async {
        let output = client.invoke(&locator, analyze, Some(input)).await?.ok_or_else(empty)?;
        let enabled = output.elements().find(|child| child.name.local() == "RemotingEnabled");
        let is_enabled = enabled.is_some_and(|enabled| enabled.trimmed_text() == "true");
        if is_enabled {
            return Ok(nothing.to_owned());
        }
        if enabled.is_some_and(|enabled| enabled.attribute("Source") == Some("GPO")) {
            return Err(CommandError::failed(
                "the administrator's file keeps this computer from being managed remotely",
            ));
        }
        let name = format!("{enable}_INPUT");
        let input = output.elements().find(|child| child.name.local() == name).cloned();
        let input = input.ok_or_else(|| {
            let why = own_text(&output, "Results");
            CommandError::failed(format!("nothing can be done: {why}"))
        })?;
        let answer = client.invoke(&locator, enable, Some(input)).await?;
        let results = answer.map(|answer| own_text(&answer, "Results")).unwrap_or_default();
        Ok(format!("{done}\n{results}").trim_end().to_owned())
    })
}

/// `Enable-WSManCredSSP`.
///
/// # Errors
/// Parameters that do not fit, the service says no, or `client.toml` cannot be changed.
pub(super) fn enable_credssp(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    const CAPTION: &str = "CredSSP Authentication Configuration for WS-Management";
    let hosts = bound.value("DelegateComputer").map(each).unwrap_or_default();
    if bound.text("Role") == Some("Server") {
        if !hosts.is_empty() {
            return Err(CommandError::usage(
                "-DelegateComputer cannot be used with -Role Server: it is for -Role Client",
            ));
        }
        let question =
            "Clients that log in by CredSSP give this computer their user names and passwords.";
        if confirm::goes_on(bound, context, CAPTION, question)? {
            sink.put(xml::object(&server(context, true)?))?;
        }
        return Ok(());
    }
    if hosts.is_empty() {
        return Err(CommandError::usage("-DelegateComputer is missing: -Role Client needs it"));
    }
    let question = "Hosts that are allowed get your user name and password where you log in by CredSSP; one that is malicious \
                    or in somebody else's hands can use them.";
    if !confirm::goes_on(bound, context, CAPTION, question)? {
        return Ok(());
    }
    let mut list = own::delegation()?;
    for host in hosts {
        let entry = format!("wsman/{}", host.text());
        if !list.iter().any(|known| known.eq_ignore_ascii_case(&entry)) {
            list.push(entry);
        }
    }
    own::delegate(&list)
}

/// `Disable-WSManCredSSP`.
///
/// # Errors
/// The service says no, or `client.toml` cannot be changed.
pub(super) fn disable_credssp(bound: &Bound, context: &mut Context) -> Result<(), CommandError> {
    if bound.text("Role") == Some("Server") {
        return server(context, false).map(drop);
    }
    own::delegate(&[])
}

/// Whether the service of this computer takes logins by CredSSP; brings all its logins.
fn server(context: &mut Context, is_on: bool) -> Result<Element, CommandError> {
    let client = context.hosts.local()?;
    let locator = Locator::new(config::SERVICE_AUTH);
    let values = Value::hashtable(vec![("CredSSP".to_owned(), Value::Bool(is_on))]);
    items::put(context, &client, &locator, |element| xml::change(element, Some(&values)))?;
    context.waiter.wait(async { Ok(client.get(&locator).await?) })
}

/// `Get-WSManCredSSP`.
///
/// # Errors
/// The service says no, or `client.toml` cannot be read.
pub(super) fn credssp(context: &mut Context, sink: &mut Sink<'_>) -> Result<(), CommandError> {
    let list = own::delegation()?;
    let client = if list.is_empty() {
        "The machine is not configured to allow delegating fresh credentials.".to_owned()
    } else {
        format!(
            "The machine is configured to allow delegating fresh credentials to the following target(s): {}",
            list.join(",")
        )
    };
    sink.put(Value::Text(client))?;
    let service = context.hosts.local()?;
    let locator = Locator::new(config::SERVICE_AUTH);
    let logins = context.waiter.wait(async { Ok(service.get(&locator).await?) })?;
    let is_on = own_text(&logins, "CredSSP") == "true";
    sink.put(Value::Text(format!(
        "This computer is {}configured to receive credentials from a remote client computer.",
        if is_on { "" } else { "not " }
    )))
}

/// `Enable-PSRemoting`.
///
/// # Errors
/// The service says no.
pub(super) fn enable_remoting(
    bound: &Bound,
    context: &mut Context,
    sink: &mut Sink<'_>,
) -> Result<(), CommandError> {
    const QUESTION: &str = "This lets users of other computers have PowerShell sessions on this one: it sees to it that the \
                            service takes requests, makes a listener where there is none, and enables the session configurations.";
    if !confirm::is_to_do(bound, context, "Enable-PSRemoting", "this computer")?
        || !confirm::goes_on(bound, context, "Enable-PSRemoting", QUESTION)?
    {
        return Ok(());
    }
    configured(bound, context, sink)?;
    configurations::enable_all(context)
}

/// `Disable-PSRemoting`.
///
/// # Errors
/// The service says no.
pub(super) fn disable_remoting(bound: &Bound, context: &mut Context) -> Result<(), CommandError> {
    const QUESTION: &str =
        "This denies every session configuration of this computer to users of other computers.";
    if !confirm::is_to_do(bound, context, "Disable-PSRemoting", "this computer")?
        || !confirm::goes_on(bound, context, "Disable-PSRemoting", QUESTION)?
    {
        return Ok(());
    }
    show::warning(
        "listeners and other resources of the service stay as they are: `winrm delete winrm/config/listener?…` closes a listener",
    );
    configurations::deny_network(context)
}
