//! [`Configuration`]: what `krb5.conf` says of realms, KDCs and hosts, as MIT's library reads it.
//!
//! The library reads the file itself when it gets tickets. This reader is for decisions before that (is this domain a
//! realm at all?) and for telling people what their file says. It is pure: the files behind `include` come through a
//! function, which [`Configuration::read`] fills in with the system's files.

mod files;
mod parse;

use std::collections::BTreeSet;
use std::net::IpAddr;

pub use files::paths;
pub use parse::{Include, Piece};

/// The most files that a configuration may be made of.
pub const MAX_FILES: usize = 256;
/// The most bytes of one file.
pub const MAX_LENGTH: usize = 1024 * 1024;
/// The most bytes of all files.
pub const MAX_TOTAL: usize = 4 * 1024 * 1024;

/// Where the library finds a KDC without a port.
const KDC_PORT: u16 = 88;

/// One or more files, the earlier ones counting first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    trees: Vec<parse::Section>,
    files: Vec<String>,
    modules: Vec<String>,
}

/// Why files are no configuration. The library refuses to work at all with such a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {what}", if *.line == 0 { String::new() } else { format!(" line {}", .line) })]
#[non_exhaustive]
pub struct ConfigurationError {
    /// Which file.
    pub file: String,
    /// Which line, counted from 1; 0 where it is about the file.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

/// A line `kdc = …` of a realm.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the parts of the line")]
pub struct Kdc {
    /// How it is spoken to.
    pub transport: KdcTransport,
    /// A name or an address, or the whole URL of a proxy.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// How a KDC is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "all that a line can say")]
pub enum KdcTransport {
    /// UDP and TCP, the order as `udp_preference_limit` has it.
    Any,
    /// `tcp/…`.
    Tcp,
    /// `udp/…`.
    Udp,
    /// A proxy: `https://…` ([MS-KKDCP]).
    Https,
}

/// Which line of `[domain_realm]` is a host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the line's two halves")]
pub struct HostRealm<'a> {
    /// What stands on the left: the host, or a domain with or without the dot in front.
    pub key: &'a str,
    /// The realm.
    pub realm: &'a str,
}

impl Configuration {
    /// Reads files in their order. `include` is asked for what stands behind `include` and `includedir`; its error text
    /// becomes that of the line.
    ///
    /// # Errors
    /// [`ConfigurationError`] where the library would refuse a file, or a limit is exceeded.
    pub fn parse(
        files: &[Piece],
        include: &mut dyn FnMut(Include<'_>) -> Result<Vec<Piece>, String>,
    ) -> Result<Self, ConfigurationError> {
        let mut reader = parse::Reader::new(include);
        let mut trees = Vec::new();
        for file in files {
            trees.push(reader.tree(file)?);
        }
        let (files, modules) = reader.finish();
        Ok(Self { trees, files, modules })
    }

    /// The files that were read, included ones too.
    #[must_use]
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Modules that the library asks instead of a file (`module PATH:REST`); what they say is not known here.
    #[must_use]
    pub fn modules(&self) -> &[String] {
        &self.modules
    }

    /// `default_realm`; without it the library asks the DNS where it may, and else has none.
    #[must_use]
    pub fn default_realm(&self) -> Option<&str> {
        self.value(&["libdefaults", "default_realm"])
    }

    /// A setting of `[libdefaults]`, the first one.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.value(&["libdefaults", name])
    }

    /// A setting of `[libdefaults]` that is yes or no; `None` where it is absent or neither.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        let value = self.setting(name)?;
        let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
        if is(&["y", "yes", "true", "t", "1", "on"]) {
            return Some(true);
        }
        is(&["n", "no", "false", "nil", "0", "off"]).then_some(false)
    }

    /// The realms that `[realms]` names, each once.
    #[must_use]
    pub fn realms(&self) -> Vec<&str> {
        once(self.sections("realms").flat_map(parse::Section::section_names))
    }

    /// The lines `kdc` of a realm, in their order; without any the library asks the DNS where it may. Lines that name no
    /// host are left out.
    #[must_use]
    pub fn kdcs(&self, realm: &str) -> Vec<Kdc> {
        self.values(&["realms", realm, "kdc"]).into_iter().filter_map(Kdc::parse).collect()
    }

    /// Whether the library asks the DNS for KDCs of realms without `kdc` lines: it does unless told otherwise.
    #[must_use]
    pub fn asks_dns_for_kdcs(&self) -> bool {
        self.flag("dns_lookup_kdc").or_else(|| self.flag("dns_fallback")).unwrap_or(true)
    }

    /// The line of `[domain_realm]` that is a host's: the host itself, then `.domain`, `domain`, `.parent`, `parent` and
    /// so on. Keys count as they are written; the host's name is taken in lower case and without a dot at its end, so a
    /// key with capital letters never counts. Addresses have no realm.
    ///
    /// `None`: the library asks the client's own KDC, which may refer it, and tries [`parent_realm`] then.
    #[must_use]
    pub fn realm_of_host(&self, host: &str) -> Option<HostRealm<'_>> {
        self.host_line(&clean(host)?, |key, part| key == part)
    }

    /// The line that would be a host's if its key were written in lower case: a fault worth telling.
    #[must_use]
    pub fn realm_of_host_ignoring_case(&self, host: &str) -> Option<HostRealm<'_>> {
        self.host_line(&clean(host)?, |key, part| key.eq_ignore_ascii_case(part))
    }

    fn host_line(&self, host: &str, same: impl Fn(&str, &str) -> bool) -> Option<HostRealm<'_>> {
        let lines = || self.sections("domain_realm").flat_map(parse::Section::relations);
        suffixes(host).find_map(|part| {
            lines()
                .find(|(key, _)| same(key, part))
                .map(|(key, realm)| HostRealm { key, realm })
                .filter(|line| !line.realm.is_empty())
        })
    }

    /// A realm of this configuration that has the same name but for the case of its letters: realms are case-sensitive,
    /// and those of Active Directory are in capital letters.
    #[must_use]
    pub fn realm_in_other_case(&self, realm: &str) -> Option<&str> {
        self.known_realms()
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(realm) && *known != realm)
    }

    /// The realm of a domain as people write it: `EXAMPLE.COM`, `example.com` (which `[domain_realm]` may give another
    /// realm), or `EXAMPLE`, its short name, where only one realm begins with that label.
    #[must_use]
    pub fn realm_of_domain(&self, domain: &str) -> Option<&str> {
        let known = self.known_realms();
        if let Some(same) = known.iter().find(|known| known.eq_ignore_ascii_case(domain)) {
            return Some(same);
        }
        if domain.contains('.') {
            return self.realm_of_host(domain).map(|line| line.realm);
        }
        let first = |realm: &str| {
            realm.split('.').next().is_some_and(|label| label.eq_ignore_ascii_case(domain))
        };
        let mut short = known.into_iter().filter(|realm| realm.contains('.') && first(realm));
        match (short.next(), short.next()) {
            (Some(one), None) => Some(one),
            _ => None,
        }
    }

    /// Every realm that is named anywhere in the files, each once.
    #[must_use]
    pub fn known_realms(&self) -> Vec<&str> {
        let mapped = self.sections("domain_realm").flat_map(parse::Section::relations);
        let all = self.default_realm().into_iter().chain(self.realms());
        once(all.chain(mapped.map(|(_, realm)| realm)).filter(|realm| !realm.is_empty()))
    }

    fn sections(&self, name: &str) -> impl Iterator<Item = &parse::Section> {
        let mut over = false;
        let trees = self.trees.iter().filter_map(move |tree| tree.section(name));
        trees.take_while(move |section| !std::mem::replace(&mut over, section.is_final()))
    }

    fn value(&self, path: &[&str]) -> Option<&str> {
        self.values(path).into_iter().next()
    }

    /// All values under a path of sections, over all files, until a section says that it is final.
    fn values(&self, path: &[&str]) -> Vec<&str> {
        let mut values = Vec::new();
        let Some((name, sections)) = path.split_last() else { return values };
        for tree in &self.trees {
            let mut last = false;
            let section = sections.iter().try_fold(tree, |section, name| {
                let section = section.section(name)?;
                last |= section.is_final();
                Some(section)
            });
            if let Some(section) = section {
                values.extend(section.values(name));
            }
            if last {
                break;
            }
        }
        values
    }
}

impl Kdc {
    /// Reads `host`, `host:port`, `[address]:port`, `tcp/host`, `udp/host:port` or `https://host/path`.
    fn parse(line: &str) -> Option<Self> {
        // Whatever comes after a blank is not read.
        let line = line.split_ascii_whitespace().next()?;
        if line.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://")) {
            let (transport, host, port) = (KdcTransport::Https, line.to_owned(), 443);
            return Some(Self { transport, host, port });
        }
        let (transport, rest) = match line.split_once('/') {
            Some((word, rest)) if word.eq_ignore_ascii_case("tcp") => (KdcTransport::Tcp, rest),
            Some((word, rest)) if word.eq_ignore_ascii_case("udp") => (KdcTransport::Udp, rest),
            Some(_) | None => (KdcTransport::Any, line),
        };
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, after)) => (address, after.strip_prefix(':')),
            // More than one colon: an IPv6 address without a port.
            None => match rest.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                Some(_) | None => (rest, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().ok()?,
            None => KDC_PORT,
        };
        (!host.is_empty()).then(|| Self { transport, host: host.to_owned(), port })
    }
}

/// The realm that the library tries at last: the name of the host's domain in capital letters. `None` for addresses and
/// names without a domain.
#[must_use]
pub fn parent_realm(host: &str) -> Option<String> {
    let host = clean(host)?;
    let (_, domain) = host.split_once('.')?;
    (!domain.is_empty()).then(|| domain.to_ascii_uppercase())
}

/// Each name once, at the place where it came first.
fn once<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(*name)).collect()
}

/// The name as the library looks it up; `None` for an address.
fn clean(host: &str) -> Option<String> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let numeric = address.split('%').next().is_some_and(|part| part.parse::<IpAddr>().is_ok());
    (!numeric && !host.is_empty()).then(|| host.to_ascii_lowercase())
}

/// `a.b.c`, `.b.c`, `b.c`, `.c`, `c`.
fn suffixes(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |part| match part.strip_prefix('.') {
        Some(rest) => Some(rest),
        None => part.find('.').and_then(|at| part.get(at..)),
    })
}

#[cfg(test)]
mod tests;
