//! `winrm/config/service/certmapping`: which client certificates log in as whom, [MS-WSMV] 2.2.4.5.
//!
//! What root's file `clients` maps is shown with `Source="GPO"` and cannot be changed here. Whoever makes another mapping gives the
//! account's password: without it nobody can let a certificate in as somebody else, whatever rights over the configuration
//! they have.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use auth::{Account, Answer, Question, Secret};
use session::mapping::Entry;
use toml::Value;
use transport::tls::Thumbprint;
use wsman::config::{self, Node, Setting, Value as Shown};
use wsman::enumeration::Filter;
use wsman::enumeration::server::Source;
use wsman::fault::{ErrorCode, Fault};
use wsman::xml::{Element, Name, Node as Child};
use wsman::{EndpointReference, SelectorSet};

use super::{Configuration, Edit};
use crate::BoxFuture;
use crate::accounts::{AccountSource, MachineNames, Verifier};
use crate::clients::Judge;
use crate::gatekeeper::Gatekeeper;
use crate::resource::{ResourceOperation, ResourceProvider, ResourceReply, ResourceRequest};
use crate::settings::CertMapping;
use crate::settings::mappings::MOST_MAPPINGS;

/// The array of the settings.
const TABLE: &str = "CertMapping";
/// The selectors, in the order in which Windows writes them.
const SELECTORS: [&str; 3] = ["URI", "Subject", "Issuer"];

/// The mappings.
#[derive(Debug)]
pub(crate) struct MappingResource {
    configuration: Arc<Configuration>,
    verifier: Verifier,
    judge: Judge,
    /// Passwords that are tried here are slowed as those of logins are.
    gatekeeper: Gatekeeper,
}

/// A mapping, and whether it is root's.
#[derive(Debug, Clone)]
struct Known {
    entry: Entry,
    is_policy: bool,
}

/// What a representation asks for.
#[derive(Debug, Default)]
struct Wanted {
    user: Option<String>,
    password: Option<Secret>,
    enabled: Option<bool>,
}

impl MappingResource {
    pub(crate) fn new(
        configuration: &Arc<Configuration>,
        accounts: &Arc<dyn AccountSource>,
        names: &MachineNames,
    ) -> Self {
        let rules = configuration.settings().service.failed_logins.rules();
        Self {
            configuration: Arc::clone(configuration),
            verifier: Verifier::new(Arc::clone(accounts), names.clone()),
            judge: Judge::new(Arc::clone(accounts)),
            gatekeeper: Gatekeeper::new(rules),
        }
    }

    async fn answer(&self, request: ResourceRequest<'_>) -> Result<ResourceReply, Box<Fault>> {
        match request.operation {
            ResourceOperation::Enumerate(filter) => self.list(filter.as_ref(), request.to).await,
            ResourceOperation::Invoke { .. } => {
                let text = "Certificate mappings have no methods. ";
                Err(fault(ErrorCode::ACTION_NOT_SUPPORTED, text))
            }
            ResourceOperation::Get => {
                let known = self.find(&key(request.selectors)?).await?;
                Ok(ResourceReply::Element(self.show(&known).await?))
            }
            ResourceOperation::Put(element) => {
                let known = self.find(&key(request.selectors)?).await?;
                let known = self.put(known, element).await?;
                Ok(ResourceReply::Element(self.show(&known).await?))
            }
            ResourceOperation::Create(element) => {
                let entry = key(request.selectors)?;
                self.create(entry.clone(), element).await?;
                Ok(ResourceReply::Created(reference(&entry, request.to)))
            }
            ResourceOperation::Delete => {
                let known = self.find(&key(request.selectors)?).await?;
                check_policy(&known)?;
                let edit = move |edit: &mut Edit| {
                    edit_mappings(edit, |all| {
                        all.retain(|one| !is_of(one, &known.entry));
                        Ok(())
                    })
                };
                self.configuration.change(edit).await?;
                Ok(ResourceReply::Nothing)
            }
        }
    }

    async fn list(&self, filter: Option<&Filter>, to: &str) -> Result<ResourceReply, Box<Fault>> {
        let wanted = match filter {
            None => None,
            Some(filter) => Some(filter.as_selectors().ok_or_else(|| {
                let text =
                    "The filter is none by selectors, which is the only kind that mappings have. ";
                fault(ErrorCode::FILTER_DIALECT_UNAVAILABLE, text)
            })?),
        };
        let mut items = Vec::new();
        for known in self.all().await? {
            let keys = selectors(&known.entry);
            if wanted.as_ref().is_none_or(|wanted| wanted.selects(&keys)) {
                items.push((self.show(&known).await?, reference(&known.entry, to)));
            }
        }
        Ok(ResourceReply::Items(Source::references(items)))
    }

    /// Root's first.
    async fn all(&self) -> Result<Vec<Known>, Box<Fault>> {
        let policy = self.judge.mappings().await.map_err(|error| broken(&error))?;
        let policy = policy.into_iter().map(|entry| Known { entry, is_policy: true });
        let settings = self.configuration.settings();
        let own = settings.mappings.iter().map(CertMapping::entry);
        Ok(policy.chain(own.map(|entry| Known { entry, is_policy: false })).collect())
    }

    async fn find(&self, wanted: &Entry) -> Result<Known, Box<Fault>> {
        let mut all = self.all().await?.into_iter();
        let same = |known: &Known| selectors(&known.entry).selects(&selectors(wanted));
        all.find(same).ok_or_else(|| {
            fault(ErrorCode::RESOURCE_NOT_FOUND, "There is no such certificate mapping. ")
        })
    }

    async fn show(&self, known: &Known) -> Result<Element, Box<Fault>> {
        let entry = &known.entry;
        let account =
            self.verifier.account(&entry.account).await.map_err(|error| broken(&error))?;
        let user = account.map_or_else(String::new, |account| account.name);
        let value = |setting: &'static Setting| {
            let text = match setting.name() {
                "URI" => entry.uri.to_string(),
                "Subject" => entry.subject.to_string(),
                "Issuer" => entry.issuer.clone(),
                "UserName" => user.clone(),
                "Enabled" => entry.enabled.to_string(),
                // Nobody is told a password.
                _ => String::new(),
            };
            if known.is_policy { Shown::policy(text) } else { Shown::new(text) }
        };
        Ok(config::write(Node::CertMapping, value))
    }

    async fn create(&self, mut entry: Entry, element: Element) -> Result<(), Box<Fault>> {
        if self.find(&entry).await.is_ok() {
            let text = "A mapping of this issuer, subject and URI exists already. ";
            return Err(fault(ErrorCode::ALREADY_EXISTS, text));
        }
        let wanted = read(element, &entry, "")?;
        let account = self.account(wanted.user.as_deref().unwrap_or_default(), &wanted).await?;
        entry.account = account.id;
        entry.enabled = wanted.enabled.unwrap_or(true);
        let row = self.sealed(&entry).await?;
        let add = move |all: &mut Vec<Value>| {
            if all.iter().any(|one| is_of(one, &entry)) {
                let text = "A mapping of this issuer, subject and URI exists already. ";
                return Err(fault(ErrorCode::ALREADY_EXISTS, text));
            }
            if all.len() >= MOST_MAPPINGS {
                let text = format!(
                    "There are {MOST_MAPPINGS} certificate mappings, and there cannot be more. "
                );
                return Err(fault(ErrorCode::CERTMAPPING_CONFIGLIMIT_EXCEEDED, text));
            }
            all.push(row);
            Ok(())
        };
        self.configuration.change(|edit| edit_mappings(edit, add)).await.map(drop)
    }

    async fn put(&self, known: Known, element: Element) -> Result<Known, Box<Fault>> {
        let now = self.verifier.account(&known.entry.account).await;
        let now = now.map_err(|error| broken(&error))?.map(|account| account.name);
        let now = now.unwrap_or_default();
        let wanted = read(element, &known.entry, &now)?;
        let mut changed = known.clone();
        changed.entry.enabled = wanted.enabled.unwrap_or(known.entry.enabled);
        let has_login = wanted.user.is_some() || wanted.password.is_some();
        if !has_login && changed.entry == known.entry {
            return Ok(known);
        }
        check_policy(&known)?;
        let row = if has_login {
            let user = wanted.user.clone().unwrap_or(now);
            changed.entry.account = self.account(&user, &wanted).await?.id;
            Some(self.sealed(&changed.entry).await?)
        } else {
            None
        };
        let entry = changed.entry.clone();
        let change = move |all: &mut Vec<Value>| {
            let found = all.iter_mut().find(|one| is_of(one, &entry));
            let gone =
                || fault(ErrorCode::RESOURCE_NOT_FOUND, "There is no such certificate mapping. ");
            let found = found.ok_or_else(gone)?;
            match (row, found.as_table_mut()) {
                (Some(row), _) => *found = row,
                (None, Some(table)) => {
                    table.insert("Enabled".to_owned(), Value::Boolean(entry.enabled));
                }
                (None, None) => return Err(gone()),
            }
            Ok(())
        };
        self.configuration.change(|edit| edit_mappings(edit, change)).await?;
        Ok(changed)
    }

    /// Whose name and password they are.
    async fn account(&self, user: &str, wanted: &Wanted) -> Result<Account, Box<Fault>> {
        let Some(password) = wanted.password.clone().filter(|_| !user.is_empty()) else {
            let text =
                "A mapping is made with the account's name and password, and neither is empty. ";
            return Err(fault(ErrorCode::CERTMAPPING_PASSWORDBLANK, text));
        };
        let question = Question::Password { user: user.to_owned(), password };
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let judged = self.gatekeeper.judge(&self.verifier, question, here).await;
        if let Answer::Accepted { account, .. } = judged.answer {
            return Ok(account);
        }
        tracing::warn!(user, note = judged.note, "a mapping was asked for with a wrong password");
        let text = "The user name or the password of the mapping is wrong. ";
        Err(fault(ErrorCode::CERTMAPPING_INVALIDUSERCREDENTIALS, text))
    }

    async fn sealed(&self, entry: &Entry) -> Result<Value, Box<Fault>> {
        let seal = self.verifier.seal(entry).await.map_err(|error| broken(&error))?;
        let seal = seal.ok_or_else(|| {
            let text = "The account of the mapping is gone. ";
            fault(ErrorCode::CERTMAPPING_INVALIDUSERCREDENTIALS, text)
        })?;
        Ok(Value::Table(CertMapping::to_toml(entry, &seal)))
    }
}

impl ResourceProvider for MappingResource {
    fn serves(&self, uri: &str) -> bool {
        Node::of_uri(uri) == Some(Node::CertMapping)
    }

    fn refuses_what_undoes(&self) -> bool {
        true
    }

    fn handle<'a>(
        &'a self,
        request: ResourceRequest<'a>,
    ) -> BoxFuture<'a, Result<ResourceReply, Box<Fault>>> {
        Box::pin(self.answer(request))
    }
}

/// The mapping that selectors name, which is nobody's yet.
fn key(selectors: &SelectorSet) -> Result<Entry, Box<Fault>> {
    let is_known = |name: &str| SELECTORS.iter().any(|known| known.eq_ignore_ascii_case(name));
    if let Some(strange) = selectors.selectors.iter().find(|one| !is_known(&one.name)) {
        let text =
            format!("Mappings have the selectors URI, Subject and Issuer, not {}. ", strange.name);
        return Err(fault(ErrorCode::UNEXPECTED_SELECTORS, text));
    }
    let value = |name: &str| {
        selectors.text(name).ok_or_else(|| {
            let text =
                format!("A mapping is named by Issuer, Subject and URI: {name} is missing. ");
            fault(ErrorCode::INSUFFICIENT_SELECTORS, text)
        })
    };
    let issuer: Thumbprint = value("Issuer")?.parse().map_err(|_| {
        let text = "The issuer is no thumbprint: 40 hexadecimal digits. ";
        fault(ErrorCode::CERTMAPPING_INVALIDISSUERKEY, text)
    })?;
    let subject = value("Subject")?.parse();
    let uri = value("URI")?.parse();
    let wrong = |error: session::mapping::InvalidPattern| {
        fault(ErrorCode::CERTMAPPING_INVALIDSUBJECTKEY, format!("{error}. "))
    };
    Ok(Entry {
        issuer: issuer.to_string(),
        subject: subject.map_err(wrong)?,
        uri: uri.map_err(wrong)?,
        account: [0; 16],
        enabled: true,
    })
}

fn selectors(entry: &Entry) -> SelectorSet {
    SelectorSet::default()
        .with("URI", entry.uri.to_string())
        .with("Subject", entry.subject.to_string())
        .with("Issuer", &*entry.issuer)
}

fn reference(entry: &Entry, to: &str) -> EndpointReference {
    EndpointReference::resource(to, Node::CertMapping.uri(), selectors(entry))
}

/// What a representation would change of a mapping that is `user`'s.
fn read(mut element: Element, entry: &Entry, user: &str) -> Result<Wanted, Box<Fault>> {
    // Documented examples have another case, and `.xsd` at the end of the namespace.
    let names =
        Node::CertMapping.settings().map(Setting::name).chain([Node::CertMapping.element()]);
    let names: Vec<_> = names.collect();
    let spell = |element: &mut Element| {
        let found = names.iter().find(|name| name.eq_ignore_ascii_case(element.name.local()));
        if let Some(name) = found {
            let namespace = element.name.namespace();
            let namespace = namespace.strip_suffix(".xsd").unwrap_or(namespace).to_owned();
            element.name = Name::from_parts(&namespace, name);
        }
    };
    spell(&mut element);
    for child in &mut element.children {
        if let Child::Element(child) = child {
            spell(child);
        }
    }
    let current = |setting: &'static Setting| {
        Shown::new(match setting.name() {
            "URI" => entry.uri.to_string(),
            "Subject" => entry.subject.to_string(),
            "Issuer" => entry.issuer.clone(),
            "UserName" => user.to_owned(),
            "Enabled" => entry.enabled.to_string(),
            _ => String::new(),
        })
    };
    let mut wanted = Wanted::default();
    for change in config::read_put(Node::CertMapping, &element, current)? {
        match change.setting.name() {
            "UserName" => wanted.user = Some(change.value),
            "Password" => wanted.password = Some(Secret::from(change.value)),
            "Enabled" => wanted.enabled = Some(change.value == "true"),
            _ => {
                let text =
                    "Issuer, subject and URI of a mapping cannot be changed: make another one. ";
                return Err(fault(ErrorCode::CONFIG_CANNOT_CHANGE_CERTMAPPING_KEYS, text));
            }
        }
    }
    Ok(wanted)
}

fn check_policy(known: &Known) -> Result<(), Box<Fault>> {
    if !known.is_policy {
        return Ok(());
    }
    let text = "The mapping is the administrator's own (Source=\"GPO\"): `transom cert map` on the host changes it. ";
    Err(fault(ErrorCode::CONFIG_CANNOT_CHANGE_GPO_CONTROLLED_SETTING, text))
}

/// Edits the mappings of the state layer.
fn edit_mappings(
    edit: &mut Edit,
    change: impl FnOnce(&mut Vec<Value>) -> Result<(), Box<Fault>>,
) -> Result<(), Box<Fault>> {
    let mut all = match edit.state.remove(TABLE) {
        Some(Value::Array(all)) => all,
        Some(_) | None => Vec::new(),
    };
    change(&mut all)?;
    edit.state.insert(TABLE.to_owned(), Value::Array(all));
    Ok(())
}

/// Whether a value of the state layer is the mapping of this issuer, subject and URI.
fn is_of(value: &Value, entry: &Entry) -> bool {
    let read = value.clone().try_into::<CertMapping>();
    read.is_ok_and(|one| selectors(&one.entry()).selects(&selectors(entry)))
}

/// Something of this machine is wrong.
fn broken(error: &dyn std::error::Error) -> Box<Fault> {
    tracing::error!(%error, "certificate mappings cannot be read");
    fault(ErrorCode::INTERNAL_ERROR, "The certificate mappings cannot be read. ")
}

fn fault(code: ErrorCode, text: impl Into<String>) -> Box<Fault> {
    Box::new(Fault::new(code, text))
}
