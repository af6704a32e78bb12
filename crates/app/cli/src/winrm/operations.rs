//! The operations: what is asked of the service, and what of its answer is shown.

use client::probe::{self, Question};
use client::{Client, Settings, TlsOptions};
use wsman::enumeration::{Enumerate, Filter, Item};
use wsman::identify::IdentifyResponse;
use wsman::ns;
use wsman::transfer::{Created, Locator};
use wsman::xml::{Element, Name, Node};
use wsman::{EndpointReference, ErrorCode};

use super::client_settings;
use super::config_sddl;
use super::failure::Failure;
use super::grammar::{FilterText, Invocation, Listing, Operation};
use super::input::{self, Input};
use super::login;
use super::quickconfig::QuickConfig;
use super::show::{Format, print};
use super::switches::{Authentication, Switches};
use crate::command_error::CommandError;
use crate::signals::Signals;

/// An enumeration that the host had no time for is begun so often again.
const AGAIN: u32 = 2;
/// What a host says that had no time: `HRESULT(ERROR_TIMEOUT)`.
const HOST_TIMED_OUT: ErrorCode = ErrorCode(0x8007_05B4);
/// Where the options of a query about associations are.
const FILTER_OF_ASSOCIATIONS: &str =
    "http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter";

/// Does what was asked for.
///
/// # Errors
/// It does not come about, or a signal ends it.
pub(super) async fn run(invocation: Invocation, signals: &mut Signals) -> Result<(), Failure> {
    let Invocation { operation, format, switches, names_host } = invocation;
    // The settings of clients are each user's own, and no service's.
    if !names_host && let Some(request) = client_settings::Request::of(&operation) {
        return Ok(request.run(format)?);
    }
    if matches!(operation, Operation::Identify) && switches.auth == Some(Authentication::None) {
        return anonymous(&switches, format, signals).await;
    }
    let config = login::config(switches, names_host, signals).await?;
    let client = Client::new(config)?;
    let work = perform(&client, operation, format, names_host);
    tokio::select! {
        done = work => done,
        _signal = signals.next() => Err(interrupted().into()),
    }
}

fn interrupted() -> CommandError {
    CommandError::interrupted("interrupted: whether the host has done it is unknown")
}

async fn perform(
    client: &Client,
    operation: Operation,
    format: Format,
    names_host: bool,
) -> Result<(), Failure> {
    match operation {
        Operation::Get(locator) => {
            let mut resource = client.get(&locator).await?;
            if !names_host {
                client_settings::put_into(&mut resource)?;
            }
            print(&format.shown(&resource))?;
        }
        Operation::Set(locator, input) => {
            let answer = match input {
                Input::File(path) => client.put(&locator, input::from_file(&path)?).await?,
                Input::Pairs(pairs) => {
                    let edit = |resource: &mut Element| -> Result<(), Failure> {
                        Ok(input::change(resource, &pairs)?)
                    };
                    client.update(&locator, edit).await?
                }
            };
            if let Some(answer) = answer {
                print(&format.shown(&answer))?;
            }
        }
        Operation::Create(locator, input) => {
            let resource = match input {
                Some(Input::File(path)) => input::from_file(&path)?,
                Some(Input::Pairs(pairs)) => input::for_create(&locator.resource_uri, &pairs)?,
                None => input::for_create(&locator.resource_uri, &[])?,
            };
            let reference = client.create(&locator, resource).await?;
            created(reference).iter().try_for_each(|answer| print(&format.shown(answer)))?;
        }
        Operation::Delete(locator) => client.delete(&locator).await?,
        Operation::Enumerate(locator, listing) => {
            enumerate(client, &locator, listing, format).await?;
        }
        Operation::Invoke { locator, method, input } => {
            let uri = &locator.resource_uri;
            let input = match input {
                Some(Input::File(path)) => input::from_file(&path)?,
                Some(Input::Pairs(pairs)) => input::for_method(uri, &method, &pairs)?,
                None => input::for_method(uri, &method, &[])?,
            };
            if let Some(answer) = client.invoke(&locator, &method, Some(input)).await? {
                print(&format.shown(&answer))?;
            }
        }
        Operation::Identify => {
            let answer = client.identify().await?;
            identity(&answer, format)?;
        }
        Operation::ConfigSddl(what) => config_sddl::run(client, &what, !names_host).await?,
        Operation::QuickConfig { transport, quiet, force } => {
            QuickConfig { client, transport, quiet, force }.run().await?;
        }
    }
    Ok(())
}

fn created(reference: EndpointReference) -> Vec<Element> {
    Created { reference }.to_body()
}

fn identity(answer: &IdentifyResponse, format: Format) -> Result<(), CommandError> {
    let envelope = answer.to_envelope();
    envelope.body.iter().try_for_each(|element| print(&format.shown(element)))
}

/// Identify without a login.
async fn anonymous(
    switches: &Switches,
    format: Format,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let remote = switches.remote.as_deref().unwrap_or("localhost");
    let mut settings = Settings::load()
        .map_err(|error| CommandError::caused("reading the client's settings", &error))?;
    let endpoint = settings
        .endpoint(remote, switches.usessl)
        .map_err(|error| CommandError::usage(error.to_string()))?;
    settings.trust.skip_ca_check |= switches.skipcacheck;
    settings.trust.skip_cn_check |= switches.skipcncheck;
    settings.trust.revocation.skip |= switches.skiprevocationcheck;
    let tls: TlsOptions = settings.tls();
    let limit = settings.timing.split(None).1;
    let asking = probe::ask(&endpoint, &settings.proxy, &tls, Question::Identify, limit);
    let answer = tokio::select! {
        answer = asking => answer?,
        _signal = signals.next() => return Err(interrupted().into()),
    };
    match answer.identity() {
        Some(answer) => Ok(identity(&answer, format)?),
        None => Err(CommandError::failed(format!(
            "{} does not say without a login what it is (status {})",
            endpoint.authority(),
            answer.status
        ))
        .into()),
    }
}

/// Shows the items as they come.
async fn enumerate(
    client: &Client,
    locator: &Locator,
    listing: Listing,
    format: Format,
) -> Result<(), Failure> {
    let wanted = request(listing);
    let mut begun = 0;
    loop {
        begun += 1;
        let mut enumeration = client.enumeration(locator, wanted.clone());
        let mut shown = false;
        let end = loop {
            match enumeration.next().await {
                Ok(Some(items)) => {
                    if !shown {
                        shown = true;
                        print(format.before())?;
                    }
                    show(&items, format)?;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(Failure::from(error)),
            }
        };
        match end {
            Ok(()) => return Ok(print(format.after())?),
            Err(error) if !shown && begun <= AGAIN && error.code() == Some(HOST_TIMED_OUT) => {}
            Err(error) => return Err(error),
        }
    }
}

fn show(items: &[Item], format: Format) -> Result<(), CommandError> {
    items.iter().try_for_each(|item| print(&format.item(item)))
}

/// The Enumerate that a command line means.
fn request(listing: Listing) -> Enumerate {
    let mut enumerate = Enumerate::optimized();
    enumerate.mode = listing.mode;
    enumerate.filter = listing.filter.map(filter);
    let polymorphism = match (listing.shallow, listing.base_properties_only) {
        (true, _) => Some("None"),
        (false, true) => Some("ExcludeSubClassProperties"),
        (false, false) => None,
    };
    if let Some(mode) = polymorphism {
        let element = Element::new(ns::CIM_BINDING, "PolymorphismMode").with_text(mode);
        enumerate.other.push(element);
    }
    enumerate
}

fn filter(filter: FilterText) -> Filter {
    match filter {
        FilterText::Selectors(set) => Filter::selectors(&set),
        FilterText::Text { dialect, text } => Filter::text(&dialect, &text),
        FilterText::Association { text, instances } => association(&text, instances),
    }
}

/// What an object is associated with, DSP0227 17.1: `{object=URI?KEY=VALUE;associationclassname=…;…}`.
fn association(text: &str, instances: bool) -> Filter {
    let mut query = Element::named(Name::new(
        ns::CIM_BINDING,
        if instances { "AssociationInstances" } else { "AssociatedInstances" },
    ));
    let inner = text.trim().trim_start_matches('{').trim_end_matches('}');
    for part in inner.split(';') {
        let Some((name, value)) = part.split_once('=') else { continue };
        let (name, value) = (name.trim(), value.trim());
        if let Some(element) = association_part(name, value) {
            query.push(element);
        }
    }
    let filter =
        Element::new(ns::WSMAN, "Filter").with_attribute("Dialect", FILTER_OF_ASSOCIATIONS);
    Filter(filter.with_child(query))
}

/// One part of the query, by its name in any case.
fn association_part(name: &str, value: &str) -> Option<Element> {
    let named = |local: &'static str| Element::new(ns::CIM_BINDING, local);
    let name = name.to_ascii_lowercase();
    if name == "object" {
        let locator = super::uri::locator(value).ok()?;
        let reference =
            EndpointReference::resource(ns::ANONYMOUS, locator.resource_uri, locator.selectors);
        return Some(reference.to_element(named("Object")));
    }
    let local = match name.as_str() {
        "associationclassname" => "AssociationClassName",
        "role" => "Role",
        "resultclassname" => "ResultClassName",
        "resultrole" => "ResultRole",
        "includeresultproperty" => "IncludeResultProperty",
        _ => return None,
    };
    let mut element = named(local);
    element.children.push(Node::Text(value.to_owned()));
    Some(element)
}
