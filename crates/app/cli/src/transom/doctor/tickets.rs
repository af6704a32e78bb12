//! The way to a ticket: the library and `krb5.conf`, the KDCs and their clocks, the ticket for the host. Each trouble is
//! told with its remedy; a login that can do without a ticket goes on all the same.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use client::probe::kerberos::{
    self, Asked, Configuration, Entry, Found, Kdc, KdcTransport, KerberosError, KerberosErrorKind,
};
use client::{Authentication, Config, Endpoint};

use super::report::{Report, Step, milliseconds};
use crate::command_error::CommandError;

/// How long one KDC may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// KDCs and addresses of one that are asked.
const MAX_KDCS: usize = 8;
/// What two clocks may differ, unless `clockskew` says otherwise.
const MAX_SKEW: i64 = 300;
/// Encryption by RC4, which newer hosts refuse.
const RC4: i32 = 23;
/// In whose name a KDC is asked where nobody is known.
const SOMEBODY: &str = "transom-doctor";

/// What the steps are about.
#[derive(Debug)]
pub(super) struct Way<'a> {
    pub(super) endpoint: &'a Endpoint,
    /// The login, if there is to be one.
    pub(super) config: Option<&'a Config>,
    /// The service's keys, where they are at hand.
    pub(super) keytab: Option<PathBuf>,
}

/// Walks these steps; `false` where a login must not be tried after them.
pub(super) async fn walk(way: &Way<'_>, report: &mut Report) -> Result<bool, CommandError> {
    let is_asked_for = way.config.is_some_and(|config| {
        matches!(
            config.authentication,
            Authentication::Kerberos | Authentication::NegotiateWithImplicitCredential
        )
    });
    let host = host(way);
    if way.endpoint.address().is_some() && host == way.endpoint.host {
        return nameless(way, is_asked_for, report);
    }
    let configuration = Configuration::read();
    let is_absent = configuration.as_ref().is_ok_and(|found| found.files().is_empty());
    if is_absent && !is_asked_for && !names_a_realm(way) {
        let reason = "there is no krb5.conf, and nothing here names a realm";
        for name in ["kerberos", "kdc", "ticket"] {
            report.skip(name, reason)?;
        }
        return Ok(true);
    }
    if let Err(error) = kerberos::library().await {
        let step = library_is_missing(is_asked_for, &error);
        report.add(step)?;
        report.skip("kdc", "no library")?;
        report.skip("ticket", "no library")?;
        return Ok(true);
    }
    let configuration = match configuration {
        Ok(configuration) => configuration,
        Err(error) => {
            let step = Step::new("kerberos")
                .warning(error.to_string())
                .remedy("correct the file: the library takes nothing of it until then");
            report.add(step)?;
            report.skip("kdc", "no krb5.conf that can be read")?;
            report.skip("ticket", "no krb5.conf that can be read")?;
            return Ok(true);
        }
    };
    let realm = realm(way, &configuration, &host);
    report.add(settings(way, &configuration, &host))?;
    match &realm {
        Some(realm) => report.add(kdcs(&configuration, realm, user(way)).await).map(drop)?,
        None => report.skip("kdc", "no realm is known")?,
    }
    ticket(way, is_asked_for, report).await
}

/// Whether the user's name has a realm, or the settings do.
fn names_a_realm(way: &Way<'_>) -> bool {
    way.config.is_some_and(|config| {
        config.credentials.user.contains('@') || config.settings.kerberos.realm.is_some()
    })
}

/// The host in the service's name.
fn host(way: &Way<'_>) -> String {
    let named = way.config.and_then(|config| config.settings.kerberos.service_host.clone());
    named.unwrap_or_else(|| way.endpoint.host.clone())
}

/// The user without a realm or domain, for the question to a KDC.
fn user<'a>(way: &Way<'a>) -> &'a str {
    let user = way.config.map_or("", |config| config.credentials.user.as_str());
    let user = user.rsplit('\\').next().unwrap_or_default();
    let user = user.split('@').next().unwrap_or_default();
    if user.is_empty() { SOMEBODY } else { user }
}

fn nameless(way: &Way<'_>, is_asked_for: bool, report: &mut Report) -> Result<bool, CommandError> {
    let fact = format!("tickets are for names, and {} is an address", way.endpoint.host);
    if is_asked_for {
        let step = Step::new("kerberos")
            .warning(fact.as_str())
            .remedy("use the host's full name as its domain knows it, not its address");
        report.add(step)?;
    } else {
        report.skip("kerberos", &fact)?;
    }
    report.skip("kdc", &fact)?;
    report.skip("ticket", &fact)?;
    Ok(true)
}

fn library_is_missing(is_asked_for: bool, error: &KerberosError) -> Step {
    let step = Step::new("kerberos");
    if is_asked_for { step.warning(error.to_string()) } else { step.fact(error.to_string()) }
}

/// The realm whose KDCs are asked: the user's, else the host's, else the default one.
fn realm(way: &Way<'_>, configuration: &Configuration, host: &str) -> Option<String> {
    let config = way.config;
    let user = config.map_or("", |config| config.credentials.user.as_str());
    let named = config.and_then(|config| config.settings.kerberos.realm.clone());
    let domain = match (user.rsplit_once('@'), user.split_once('\\')) {
        (Some((_, realm)), _) => Some(realm),
        (None, Some((domain, _))) => Some(domain),
        (None, None) => None,
    };
    let of_user = domain.and_then(|domain| configuration.realm_of_domain(domain));
    let of_host = configuration.realm_of_host(host).map(|line| line.realm);
    let found = of_user.or(of_host).or_else(|| configuration.default_realm());
    named.or_else(|| found.map(str::to_owned)).or_else(|| kerberos::parent_realm(host))
}

/// What `krb5.conf` says of the host and the user.
fn settings(way: &Way<'_>, configuration: &Configuration, host: &str) -> Step {
    let mut step = Step::new("kerberos");
    if configuration.files().is_empty() {
        let looked: Vec<_> =
            kerberos::paths().iter().map(|path| path.display().to_string()).collect();
        step = step.fact(format!("no configuration at {}", looked.join(", ")));
    } else {
        step = step.fact(format!("configured by {}", configuration.files().join(", ")));
    }
    let default = configuration.default_realm();
    step = step.fact(match default {
        Some(realm) => format!("the default realm is {realm}"),
        None => "there is no default realm".to_owned(),
    });
    step = step.fact(match configuration.realm_of_host(host) {
        Some(line) => format!("{host} is in {}, by {} in [domain_realm]", line.realm, line.key),
        None => {
            let parent = kerberos::parent_realm(host);
            let last = parent.map_or_else(String::new, |realm| format!(", which else is {realm}"));
            format!("[domain_realm] has no line for {host}: the KDC says its realm{last}")
        }
    });
    let (causes, remedies): (Vec<_>, Vec<_>) =
        troubles(way, configuration, host).into_iter().unzip();
    if causes.is_empty() { step } else { step.warning(causes.join("; ")).remedies(remedies) }
}

/// What is wrong with the settings, each with its remedy.
fn troubles(way: &Way<'_>, configuration: &Configuration, host: &str) -> Vec<(String, String)> {
    let mut troubles = Vec::new();
    let mut tell = |cause: String, remedy: String| troubles.push((cause, remedy));
    if !host.contains('.') && !way.endpoint.is_loopback() {
        tell(
            format!("{host} is a short name, and domains know hosts by full ones"),
            "use the host's full name".to_owned(),
        );
    }
    let near = configuration.realm_of_host_ignoring_case(host);
    if let Some(line) = near.filter(|line| configuration.realm_of_host(host) != Some(*line)) {
        tell(
            format!("{} in [domain_realm] has capital letters, and counts for no host", line.key),
            format!("write {} = {}", line.key.to_ascii_lowercase(), line.realm),
        );
    }
    let user = way.config.map_or("", |config| config.credentials.user.as_str());
    let suffix = user.rsplit_once('@').map(|(_, realm)| realm);
    for realm in [configuration.default_realm(), suffix].into_iter().flatten() {
        let sections = configuration.realms();
        let other = sections.iter().find(|known| known.eq_ignore_ascii_case(realm));
        if let Some(other) = other.filter(|other| **other != realm) {
            tell(
                format!("{realm} and {other} are two realms: the case of the letters counts"),
                format!("write {other}, as [realms] has it"),
            );
        }
    }
    let is_lower = |realm: &&str| **realm != realm.to_ascii_uppercase();
    if let Some(realm) = configuration.default_realm().filter(is_lower) {
        tell(
            format!(
                "the default realm {realm} has small letters, and Active Directory's have none"
            ),
            format!("write default_realm = {} if it is one of those", realm.to_ascii_uppercase()),
        );
    }
    let is_known = configuration.default_realm().is_some() || suffix.is_some();
    if !is_known && configuration.realm_of_host(host).is_none() && !host.contains('.') {
        tell(
            "nothing says which realm to ask".to_owned(),
            "set default_realm in [libdefaults] of krb5.conf, or write the user as NAME@REALM"
                .to_owned(),
        );
    }
    troubles
}

/// Whether the KDCs of a realm are there, and what their clocks say.
async fn kdcs(configuration: &Configuration, realm: &str, user: &str) -> Step {
    let start = Instant::now();
    let mut step = Step::new("kdc");
    let lines = configuration.kdcs(realm);
    if lines.is_empty() {
        if configuration.asks_dns_for_kdcs() {
            return step.fact(format!(
                "krb5.conf names no KDC of {realm}: the DNS is asked for _kerberos._udp.{realm} and _kerberos._tcp.{realm}"
            ));
        }
        return step
            .warning(format!("krb5.conf names no KDC of {realm}, and forbids to ask the DNS"))
            .remedy(format!("add `{realm} = {{ kdc = HOST }}` to [realms]"))
            .remedy("or remove dns_lookup_kdc = false");
    }
    let most = configuration.setting("clockskew").and_then(|text| text.parse().ok());
    let mut answers = 0_usize;
    for kdc in lines.iter().take(MAX_KDCS) {
        let (facts, ahead) = ask(kdc, realm, user).await;
        for fact in facts {
            step = step.fact(fact);
        }
        let Some(ahead) = ahead else { continue };
        answers += 1;
        if let Some(ahead) = ahead.filter(|ahead| ahead.abs() > most.unwrap_or(MAX_SKEW)) {
            let word = if ahead < 0 { "behind" } else { "ahead of" };
            step = step
                .warning(format!("the clock of {} is {} s {word} ours", kdc.host, ahead.abs()))
                .remedy("set this machine's clock by the same time service as the domain's (chronyd, ntpd)");
        }
    }
    if answers == 0 {
        step = step
            .warning(format!("no KDC of {realm} answers"))
            .remedy(format!("check the lines `kdc` of {realm} in [realms] of krb5.conf"))
            .remedy("and that no firewall is in the way to port 88, TCP and UDP");
    }
    step.took(start.elapsed())
}

/// Asks one KDC in each way that its line allows. The second half is there if it answers, and has what its clock says.
async fn ask(kdc: &Kdc, realm: &str, user: &str) -> (Vec<String>, Option<Option<i64>>) {
    let name = format!("{}:{}", kdc.host, kdc.port);
    let ways: &[(bool, &str)] = match kdc.transport {
        KdcTransport::Https => {
            let fact = format!("{} is a proxy, which the library asks", kdc.host);
            return (vec![fact], Some(None));
        }
        KdcTransport::Tcp => &[(false, "TCP")],
        KdcTransport::Udp => &[(true, "UDP")],
        KdcTransport::Any => &[(false, "TCP"), (true, "UDP")],
    };
    let addresses = match kerberos::addresses(kdc, PATIENCE).await {
        Ok(addresses) => addresses,
        Err(error) => return (vec![format!("{name} has no address: {error}")], None),
    };
    let (mut facts, mut ahead) = (Vec::new(), None);
    for (by_datagram, word) in ways {
        let mut last = "no address".to_owned();
        for address in addresses.iter().take(MAX_KDCS) {
            match kerberos::ask_kdc(*address, *by_datagram, realm, user, PATIENCE).await {
                Ok(answer) => {
                    let clock = answer.clock_ahead();
                    let told = clock.map_or_else(
                        || "says nothing that a KDC would".to_owned(),
                        |ahead| format!("its clock differs from ours by {ahead} s"),
                    );
                    last = format!("answers in {}, {told}", milliseconds(answer.took));
                    ahead = ahead.or_else(|| clock.map(Some));
                    break;
                }
                Err(error) => last = error.to_string(),
            }
        }
        facts.push(format!("{name} by {word}: {last}"));
    }
    (facts, ahead)
}

/// The ticket for the host, and the keys that open it.
async fn ticket(
    way: &Way<'_>,
    is_asked_for: bool,
    report: &mut Report,
) -> Result<bool, CommandError> {
    let Some(config) = way.config else {
        report.skip(
            "ticket",
            "no user: add -u USER, or --auth kerberos for the tickets that are there",
        )?;
        return Ok(true);
    };
    let start = Instant::now();
    let asked = kerberos::ticket(config).await;
    let step = Step::new("ticket").took(start.elapsed());
    match asked {
        Asked::NotAsked(why) => {
            report.skip("ticket", &format!("the login is not by Kerberos: {why}"))?;
            Ok(true)
        }
        Asked::Failed(error) => {
            // One more try by the login could lock the account.
            let is_final = matches!(
                error.kind(),
                KerberosErrorKind::WrongPassword | KerberosErrorKind::AccountUnusable
            );
            let step = if is_final {
                step.failed(error.to_string())
            } else if is_asked_for {
                step.warning(error.to_string())
            } else {
                step.warning(error.to_string()).remedy("the login goes on by NTLM")
            };
            let step = remedies(error.kind()).iter().fold(step, |step, text| step.remedy(*text));
            report.add(step)
        }
        Asked::Found(found) => {
            let step = told(step, &found);
            let step = match &way.keytab {
                Some(path) => match kerberos::keys(path).await {
                    Ok(keys) => compared(step, &found, &keys, &path.display().to_string()),
                    Err(error) => step.warning(error.to_string()),
                },
                None => step,
            };
            report.add(step)
        }
    }
}

fn told(mut step: Step, found: &Found) -> Step {
    let left = found.expires.and_then(|expires| expires.duration_since(SystemTime::now()).ok());
    let left = left.map_or_else(String::new, |left| {
        let minutes = left.as_secs() / 60;
        format!(", for {} h {} min more", minutes / 60, minutes % 60)
    });
    step = step.fact(format!("{} has tickets{left}", found.principal));
    step = step.fact(format!("the KDC knows the host as {}", found.service));
    if let Some((kind, version)) = found.encryption {
        let version = version.map_or_else(String::new, |number| format!(", key version {number}"));
        step = step.fact(format!("its ticket is encrypted by {}{version}", encryption(kind)));
        if kind == RC4 {
            step = step
                .warning("the ticket is encrypted by RC4, which newer hosts refuse")
                .remedy("let the service's account have AES keys: change its password once, and allow AES there");
        }
    }
    step
}

/// Whether a keytab opens the ticket.
fn compared(step: Step, found: &Found, keys: &[Entry], path: &str) -> Step {
    let own: Vec<_> = keys.iter().filter(|key| key.principal == found.service).collect();
    if own.is_empty() {
        let mut names: Vec<_> = keys.iter().map(|key| key.principal.as_str()).collect();
        names.dedup();
        return step
            .warning(format!("{path} has no key of {}", found.service))
            .fact(format!("it has keys of {}", names.join(", ")))
            .remedy("write the service's keys to it: `ktpass` on a domain controller, `ktadd` of kadmin, `adcli`");
    }
    let Some((kind, version)) = found.encryption else { return step };
    let fits = |key: &&&Entry| {
        key.encryption_type == kind && version.is_none_or(|version| key.version == version)
    };
    if own.iter().any(|key| fits(&key)) {
        return step.fact(format!("{path} has the key that opens it"));
    }
    let list: Vec<_> = own
        .iter()
        .map(|key| format!("version {} by {}", key.version, encryption(key.encryption_type)))
        .collect();
    step.fact(format!("{path} has {}", list.join(", ")))
        .warning(format!("{path} has no key of this version and encryption type"))
        .remedy("write the keytab anew, since the service's password was changed after it was made")
        .remedy("and get new tickets (`kdestroy`, `kinit`), which may be older than the change")
}

/// An encryption type's name (RFC 3961 and others, IANA's registry).
fn encryption(kind: i32) -> String {
    match kind {
        17 => "aes128-cts-hmac-sha1-96".to_owned(),
        18 => "aes256-cts-hmac-sha1-96".to_owned(),
        19 => "aes128-cts-hmac-sha256-128".to_owned(),
        20 => "aes256-cts-hmac-sha384-192".to_owned(),
        RC4 => "arcfour-hmac (RC4)".to_owned(),
        other => format!("encryption type {other}"),
    }
}

/// What helps beside what the error says itself.
const fn remedies(kind: KerberosErrorKind) -> &'static [&'static str] {
    match kind {
        KerberosErrorKind::NoTicket => {
            &["`kinit NAME@REALM`, or give -u NAME@REALM and a password"]
        }
        KerberosErrorKind::Expired => &["`kinit` again"],
        KerberosErrorKind::UnknownService => &[
            "look for the name with `setspn -Q HTTP/HOST` on the domain, and add it to the host's account",
            "use the host's full name, and check that forward and reverse look-up agree",
        ],
        KerberosErrorKind::Skew => {
            &["set this machine's clock by the same time service as the domain's"]
        }
        KerberosErrorKind::UnknownClient => &[
            "write NAME@REALM with the domain's full name in capital letters: an alias of it is another realm",
        ],
        KerberosErrorKind::EncryptionType => &[
            "look at permitted_enctypes in krb5.conf, and at the encryption types of both accounts",
        ],
        KerberosErrorKind::NoLibrary
        | KerberosErrorKind::NoRealm
        | KerberosErrorKind::KdcUnreachable
        | KerberosErrorKind::WrongPassword
        | KerberosErrorKind::AccountUnusable
        | KerberosErrorKind::NotForwardable
        | KerberosErrorKind::NotMutual
        | KerberosErrorKind::ChannelBinding
        | KerberosErrorKind::Keytab
        | KerberosErrorKind::Kinit
        | KerberosErrorKind::Other
        | _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(encryption: Option<(i32, Option<u32>)>) -> Found {
        Found::new("alice@R".to_owned(), "HTTP/web@R".to_owned(), encryption)
    }

    fn key(version: u32, encryption_type: i32) -> Entry {
        Entry { principal: "HTTP/web@R".to_owned(), version, encryption_type }
    }

    #[test]
    fn a_keytab_that_does_not_open_the_ticket_is_told() {
        let shown = |encryption, keys: &[Entry]| {
            format!("{:?}", compared(Step::new("ticket"), &found(encryption), keys, "KEYTAB"))
        };
        let keys = [key(2, 18), key(2, 17)];
        assert!(shown(Some((18, Some(2))), &keys).contains("opens it"));
        assert!(shown(Some((18, Some(3))), &keys).contains("no key of this version"));
        assert!(shown(Some((23, Some(2))), &keys).contains("no key of this version"));
        assert!(shown(Some((18, Some(2))), &[]).contains("no key of HTTP/web@R"));
        assert!(
            format!("{:?}", told(Step::new("ticket"), &found(Some((23, None))))).contains("RC4")
        );
    }
}
