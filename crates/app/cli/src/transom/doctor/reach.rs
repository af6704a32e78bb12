//! The way to a host before anybody logs in: names, TCP, HTTP, clock, offered schemes.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use client::error::ConnectionError;
use client::probe::{self, Answer, Question};
use client::{Endpoint, ErrorKind, ProxyAddress, ProxySettings, TlsOptions, Transport};
use tokio::task::JoinSet;

use super::bundle::Bundle;
use super::report::{Report, Step, milliseconds};
use crate::command_error::CommandError;

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long another port may take to answer.
const PORT_PATIENCE: Duration = Duration::from_secs(2);
/// Where WinRM services listen, and where a URL without a port leads.
const PORTS: [u16; 4] = [5985, 5986, 80, 443];
/// More addresses than this are not tried.
const MAX_ADDRESSES: usize = 16;
/// A `Date` header has whole seconds.
const PRECISION: Duration = Duration::from_secs(2);
/// What two clocks may usually differ for Kerberos.
const MAX_SKEW: Duration = Duration::from_secs(300);
/// The schemes by which this version can log in.
const KNOWN: [&str; 6] = ["Negotiate", "Kerberos", "CredSSP", "Digest", "Basic", CERTIFICATE];
/// The word of a login by certificate.
const CERTIFICATE: &str = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual";

/// What there may be on the way to the host.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) proxy: ProxySettings,
    pub(super) tls: TlsOptions,
}

/// Walks these steps; `false` when one failed.
pub(super) async fn walk(
    endpoint: &Endpoint,
    way: &Way,
    report: &mut Report,
    bundle: &mut Bundle,
) -> Result<bool, CommandError> {
    let proxy = way.proxy.proxies.of(endpoint);
    // Behind a proxy this computer need not even know the host's name.
    let next = proxy.map(|proxy| Endpoint {
        transport: Transport::Http,
        host: proxy.host.clone(),
        port: proxy.port,
        path: String::new(),
    });
    let (step, addresses) = name(next.as_ref().unwrap_or(endpoint)).await;
    if !report.add(step)? {
        return Ok(false);
    }
    report.add(reverse(endpoint, &addresses).await)?;
    let step = match proxy {
        Some(proxy) => tcp_to_proxy(proxy, &addresses).await,
        None => tcp(endpoint, &addresses).await,
    };
    if !report.add(step)? {
        return Ok(false);
    }
    let (step, answer) = http(endpoint, way).await;
    if let Some(answer) = &answer {
        bundle.answer(answer);
    }
    let passed = report.add(step)?;
    let Some(answer) = answer.filter(|_| passed) else { return Ok(false) };
    report.add(clock(&answer))?;
    if !report.add(schemes(&answer))? {
        return Ok(false);
    }
    report.add(anonymous(endpoint, way, bundle).await)
}

async fn name(endpoint: &Endpoint) -> (Step, Vec<SocketAddr>) {
    let start = Instant::now();
    let found = probe::addresses(endpoint, PATIENCE).await;
    let step = Step::new("name").took(start.elapsed());
    match found {
        Ok(mut addresses) => {
            addresses.truncate(MAX_ADDRESSES);
            let mut known: Vec<IpAddr> = Vec::new();
            addresses.retain(|address| {
                let is_new = !known.contains(&address.ip());
                known.push(address.ip());
                is_new
            });
            let list: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
            let fact = match endpoint.address() {
                Some(_) => format!("{} is an address, not a name", endpoint.host),
                None => format!("{} is {}", endpoint.host, list.join(", ")),
            };
            (step.fact(fact), addresses)
        }
        Err(error) => {
            let cause = format!("the name {} has no address: {error}", endpoint.host);
            let step = step
                .failed(cause)
                .remedy("check the spelling, and whether the name needs its domain")
                .remedy("check the resolver of this machine (/etc/resolv.conf, /etc/hosts)");
            (step, Vec::new())
        }
    }
}

async fn reverse(endpoint: &Endpoint, addresses: &[SocketAddr]) -> Step {
    let start = Instant::now();
    let mut step = Step::new("reverse");
    let (mut nameless, mut leads_back) = (Vec::new(), false);
    let lookups = addresses.iter().map(|address| {
        let ip = address.ip();
        async move { probe::name_of(ip, PATIENCE).await }
    });
    for (address, found) in addresses.iter().zip(in_order(lookups).await) {
        match found {
            Ok(Some(name)) => {
                leads_back |= is_same_name(&name, &endpoint.host);
                step = step.fact(format!("{} is {name}", address.ip()));
            }
            Ok(None) | Err(_) => nameless.push(address.ip().to_string()),
        }
    }
    step = step.took(start.elapsed());
    let is_elsewhere = addresses.iter().any(|address| !address.ip().is_loopback());
    let has_name = endpoint.address().is_none() && is_elsewhere;
    if nameless.len() < addresses.len() && has_name && !leads_back {
        return step
            .warning(format!("no address of {} leads back to that name", endpoint.host))
            .remedy("transom asks for a ticket by the name that it is given, other programs by the one that they find: let the PTR record say the same, or set rdns = false in krb5.conf");
    }
    if nameless.is_empty() {
        return step;
    }
    step.warning(format!("no name for {}", nameless.join(", ")))
        .remedy("nothing here needs one; where Kerberos is used, add a PTR record to the DNS")
}

/// Names are the same whatever their case and with or without the dot at the end.
fn is_same_name(one: &str, other: &str) -> bool {
    let bare = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    bare(one) == bare(other)
}

async fn tcp(endpoint: &Endpoint, addresses: &[SocketAddr]) -> Step {
    let start = Instant::now();
    let tried = connections(addresses.to_vec(), PATIENCE).await;
    let mut step = Step::new("tcp");
    let mut last = None;
    let mut any = false;
    for (address, result) in tried {
        match result {
            Ok(took) => {
                any = true;
                step = step.fact(format!("{address} answers in {}", milliseconds(took)));
            }
            Err(error) => {
                step = step.fact(format!("{address}: {}", reason(&error)));
                last = Some(error);
            }
        }
    }
    step = step.took(start.elapsed());
    match last {
        Some(error) if !any => unreachable(step, endpoint, addresses, &error).await,
        Some(_) | None => step,
    }
}

async fn tcp_to_proxy(proxy: &ProxyAddress, addresses: &[SocketAddr]) -> Step {
    let start = Instant::now();
    let tried = connections(addresses.to_vec(), PATIENCE).await;
    let any = tried.iter().any(|(_, result)| result.is_ok());
    let mut step = Step::new("tcp").fact(format!("through the proxy {proxy}"));
    for (address, result) in tried {
        step = step.fact(match result {
            Ok(took) => format!("{address} answers in {}", milliseconds(took)),
            Err(error) => format!("{address}: {}", reason(&error)),
        });
    }
    step = step.took(start.elapsed());
    if any {
        return step;
    }
    step.failed(format!("nothing answers at the proxy {proxy}"))
        .remedy("check the table [Proxy] of client.toml")
}

/// Nothing answers on the port: what else does?
async fn unreachable(
    step: Step,
    endpoint: &Endpoint,
    addresses: &[SocketAddr],
    error: &io::Error,
) -> Step {
    let asked = endpoint.port;
    let other = |port: &u16| *port != asked;
    let others: Vec<_> = PORTS
        .into_iter()
        .filter(other)
        .flat_map(|port| addresses.iter().map(move |address| SocketAddr::new(address.ip(), port)))
        .collect();
    let mut open: Vec<u16> = connections(others, PORT_PATIENCE)
        .await
        .into_iter()
        .filter(|(_, result)| result.is_ok())
        .map(|(address, _)| address.port())
        .collect();
    open.dedup();
    let list = |ports: Vec<u16>| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let fact = if open.is_empty() {
        format!("no answer on {} either", list(PORTS.into_iter().filter(other).collect()))
    } else {
        format!("the host answers on {}", list(open.clone()))
    };
    let mut step = step.fact(fact).failed(format!("nothing answers on port {asked}"));
    if let Some(port) = open.into_iter().find(|port| matches!(port, 5985 | 5986)) {
        let transport = if port == 5986 { Transport::Https } else { Transport::Http };
        let found = Endpoint { transport, port, ..endpoint.clone() };
        step = step.remedy(format!("use {found}"));
    }
    if error.kind() == io::ErrorKind::ConnectionRefused {
        step = step.remedy(
            "start the service: `winrm quickconfig` on a Windows host, `transom serve` elsewhere",
        );
    } else {
        step = step.remedy("check that the host is up and that the network leads to it");
    }
    step.remedy(format!("check that every firewall on the way lets port {asked} through"))
}

async fn connections(
    addresses: Vec<SocketAddr>,
    limit: Duration,
) -> Vec<(SocketAddr, io::Result<Duration>)> {
    let tries = addresses
        .into_iter()
        .map(|address| async move { (address, probe::connect(address, limit).await) });
    in_order(tries).await
}

/// Runs all at once and hands out the results in the order of the work.
async fn in_order<T: Send + 'static>(
    work: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut running = JoinSet::new();
    for (index, task) in work.enumerate() {
        running.spawn(async move { (index, task.await) });
    }
    let mut done = running.join_all().await;
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

fn reason(error: &io::Error) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::ConnectionRefused {
        "refused, nothing listens there".to_owned()
    } else if kind == io::ErrorKind::TimedOut {
        "no answer".to_owned()
    } else {
        error.to_string()
    }
}

async fn http(endpoint: &Endpoint, way: &Way) -> (Step, Option<Answer>) {
    let start = Instant::now();
    let asked = probe::ask(endpoint, &way.proxy, &way.tls, Question::Empty, PATIENCE).await;
    let step = Step::new("http").took(start.elapsed());
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => {
            let cause = CommandError::chain(&error).error().to_owned();
            let mut step = step.failed(cause).remedies(error.hints());
            if matches!(error.kind(), ErrorKind::Connect(ConnectionError::Lost(_))) {
                step = step.remedy("the port may not speak HTTP at all: WinRM listens on 5985 (http) and 5986 (https)");
            }
            return (step, None);
        }
    };
    let server = answer
        .header("server")
        .map_or_else(|| "without a Server header".to_owned(), |server| format!("Server: {server}"));
    let step = step.fact(format!("{} answers {}, {server}", endpoint.path, answer.status));
    let step = match answer.status {
        401 => step,
        404 => step
            .failed(format!("the host knows no {}", endpoint.path))
            .remedy("WinRM services answer on /wsman: check the path")
            .remedy("if the path is right, another web server has this port"),
        301 | 302 | 307 | 308 => step
            .failed(format!(
                "the host wants us elsewhere: {}",
                answer.header("location").unwrap_or("it does not say where")
            ))
            .remedy("a WinRM service does not redirect: another web server has this port"),
        503 => step
            .failed("the service is starting, stopping or overloaded")
            .remedy("try again in a minute"),
        status => step
            .failed(format!(
                "a WinRM service asks for a login (status 401), this is status {status}"
            ))
            .remedy("another web server, or a proxy, has this port: check host and port"),
    };
    (step, Some(answer))
}

fn clock(answer: &Answer) -> Step {
    let step = Step::new("clock");
    let Some(theirs) = answer.date() else {
        return step.fact("the host does not tell its time");
    };
    // `Date` is cut to the second.
    let (skew, direction) = match theirs.duration_since(answer.received) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if skew <= PRECISION {
        return step.fact("the host's clock agrees with ours");
    }
    let fact = format!("the host's clock is {} {direction} ours", words(skew));
    if skew <= MAX_SKEW {
        return step.fact(fact);
    }
    step.warning(format!(
        "{fact}; Kerberos refuses more than 5 minutes, and NTLM may refuse it too"
    ))
    .remedy("set the clocks: `timedatectl` here, `w32tm /resync` on a Windows host")
    .fact(format!("it is {} there", at(theirs)))
}

fn words(skew: Duration) -> String {
    match skew.as_secs() {
        seconds @ 0..=119 => format!("{seconds} s"),
        seconds @ 120..=7199 => format!("{} min", seconds / 60),
        seconds @ 7200..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

fn at(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02} UTC")
}

fn schemes(answer: &Answer) -> Step {
    let offered = answer.schemes();
    let step = Step::new("schemes");
    if offered.is_empty() {
        return step
            .failed("the host asks for a login, but offers no scheme")
            .remedy("enable one in the service's settings: Negotiate in [Service.Auth]");
    }
    let step = step.fact(offered.join(", "));
    let is_known = |offered: &&str| KNOWN.iter().any(|known| known.eq_ignore_ascii_case(offered));
    if offered.iter().any(is_known) {
        return step;
    }
    step.failed(format!("this version can log in only by {}", KNOWN.join(", "))).remedy(
        "enable Negotiate on the host: `winrm set winrm/config/service/auth @{Negotiate=\"true\"}`",
    )
}

/// Not every service answers without a login, and none needs to.
async fn anonymous(endpoint: &Endpoint, way: &Way, bundle: &mut Bundle) -> Step {
    let start = Instant::now();
    let asked = probe::ask(endpoint, &way.proxy, &way.tls, Question::Identify, PATIENCE).await;
    let step = Step::new("anonymous").took(start.elapsed());
    if let Ok(answer) = &asked {
        bundle.answer(answer);
    }
    match asked {
        Ok(answer) => match answer.identity() {
            Some(identity) => {
                let vendor = identity.product_vendor.unwrap_or_else(|| "no vendor".to_owned());
                let version = identity.product_version.unwrap_or_else(|| "no version".to_owned());
                step.fact(format!("Identify without a login: {vendor}, {version}"))
            }
            None => step.fact(format!(
                "the host does not say without a login what it is (status {})",
                answer.status
            )),
        },
        Err(error) => step
            .warning(format!("Identify without a login: {}", CommandError::chain(&error).error())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skew_is_told_in_the_unit_that_people_would_use() {
        for (seconds, text) in [(90, "90 s"), (600, "10 min"), (7200, "2 h"), (864_000, "10 days")]
        {
            assert_eq!(words(Duration::from_secs(seconds)), text);
        }
    }
}
