//! Listeners that come, change and go while a service runs: made by our client over the private socket, looked at by curl.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use client::{Client, Config, ErrorKind, LOCAL_SOCKET};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use wsman::SelectorSet;
use wsman::enumeration::{Enumerate, Item};
use wsman::fault::ErrorCode;
use wsman::ns::config::{LISTENER, SERVICE};
use wsman::transfer::Locator;
use wsman::xml::Element;

use crate::service::{self, Flavour, Service};
use crate::tool;

/// An Identify.
pub(crate) const IDENTIFY: &str = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>"#;

fn administrator(service: &Service) -> Client {
    Client::new(Config::local(service.state().join(LOCAL_SOCKET))).unwrap()
}

/// Whether this system keeps ports below 1024 for root, as it does by default.
fn low_ports_are_roots() -> bool {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    first.trim() == "1024"
}

/// A port that is free now, and beyond those that the system gives to clients.
fn free_port() -> u16 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let process = usize::try_from(std::process::id()).unwrap();
        let port = 20_000 + (process * 7 + step) % 10_000;
        let port = u16::try_from(port).unwrap();
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

fn locator(address: &str, transport: &str) -> Locator {
    let selectors = SelectorSet::default().with("Address", address).with("Transport", transport);
    Locator { selectors, ..Locator::new(LISTENER) }
}

fn listener(values: &[(&'static str, &str)]) -> Element {
    let child = |(name, value): &(&'static str, &str)| {
        let child = Element::new(LISTENER, name);
        if value.is_empty() { child } else { child.with_text(*value) }
    };
    let root = Element::new(LISTENER, "Listener");
    values.iter().map(child).fold(root, Element::with_child)
}

fn text(element: &Element, name: &str) -> String {
    let all = element.elements().filter(|child| child.name.local() == name);
    all.map(Element::trimmed_text).collect::<Vec<_>>().join(" ")
}

/// The same with another value.
fn with(listener: &Element, name: &str, value: &str) -> Element {
    let mut listener = listener.clone();
    for node in &mut listener.children {
        if let wsman::xml::Node::Element(child) = node
            && child.name.local() == name
        {
            *child = Element::new(LISTENER, "x").with_text(value);
            child.name = wsman::xml::Name::from_parts(LISTENER, name);
        }
    }
    listener
}

#[track_caller]
fn code<T: std::fmt::Debug>(result: Result<T, client::Error>) -> ErrorCode {
    let error = result.unwrap_err();
    let ErrorKind::Fault(fault) = error.kind() else { panic!("{error}") };
    fault.error_code().unwrap()
}

/// Every listener as its `Address`, `Transport` and `Source`.
async fn listed(client: &Client) -> Vec<String> {
    let items = client.enumerate(&Locator::new(LISTENER), Enumerate::optimized()).await.unwrap();
    let shown = |item: Item| {
        let Item::Object(element) = item else { panic!("{item:?}") };
        let source = element.attribute("Source").unwrap_or("-").to_owned();
        format!("{} {} {source}", text(&element, "Address"), text(&element, "Transport"))
    };
    items.into_iter().map(shown).collect()
}

/// Whether a service answers there, to an Identify without a login.
pub(crate) fn answers(url: &str, options: &[&str]) -> bool {
    let mut curl = tool::program("curl");
    curl.args(["--silent", "--max-time", "20", "--header", "WSMANIDENTIFY: unauthenticated"]);
    curl.args(["--header", "Content-Type: application/soap+xml;charset=UTF-8"]).args(options);
    let ran = tool::run(curl.args(["--data-binary", IDENTIFY, url]));
    ran.code() == 0 && ran.stdout.contains("ProductVendor")
}

#[tokio::test(flavor = "multi_thread")]
async fn listener_is_created_changed_and_deleted_and_survives_a_restart() {
    for flavour in service::flavours() {
        let mut service = Service::start(flavour);
        let client = administrator(&service);
        // The one of the command line is the administrator's.
        assert_eq!(listed(&client).await, ["IP:127.0.0.1 HTTP GPO"]);
        let every = locator("*", "HTTP");
        let [first, second] = [free_port(), free_port()];
        let url = |port: u16| format!("http://127.0.0.1:{port}/wsman");
        let made = listener(&[("Port", &first.to_string())]);
        let reference = client.create(&every, made.clone()).await.unwrap();
        assert_eq!(reference.selectors.unwrap().text("Transport"), Some("HTTP"));
        assert!(answers(&url(first), &[]));
        assert_eq!(code(client.create(&every, made).await), ErrorCode::ALREADY_EXISTS);
        let got = client.get(&every).await.unwrap();
        let names: Vec<_> = got.elements().take(7).map(|child| child.name.local()).collect();
        assert_eq!(
            names.join(" "),
            "Address Transport Port Hostname Enabled URLPrefix CertificateThumbprint"
        );
        assert!(text(&got, "ListeningOn").split(' ').any(|ip| ip == "127.0.0.1"));
        // All that was read may be written back, with another value in it.
        let changed = |name: &str, value: &str| with(&got, name, value);
        client.put(&every, changed("Port", &second.to_string())).await.unwrap();
        tool::until("the former port is closed", || {
            TcpStream::connect(("127.0.0.1", first)).is_err()
        });
        assert!(answers(&url(second), &[]));
        client.put(&every, listener(&[("URLPrefix", "other/path")])).await.unwrap();
        assert!(answers(&format!("http://127.0.0.1:{second}/other/path"), &[]));
        assert!(!answers(&url(second), &[]));
        assert_eq!(
            code(client.put(&every, changed("ListeningOn", "10.9.8.7")).await),
            ErrorCode::INTERNAL_ERROR
        );
        // A service that starts again has what was changed.
        service.stop_and_start_again();
        let client = administrator(&service);
        assert_eq!(listed(&client).await, ["IP:127.0.0.1 HTTP GPO", "* HTTP -"]);
        assert!(answers(&format!("http://127.0.0.1:{second}/other/path"), &[]));
        let disabled =
            client.put(&every, listener(&[("Enabled", "false")])).await.unwrap().unwrap();
        assert_eq!(text(&disabled, "ListeningOn"), "");
        tool::until("a disabled listener does not listen", || {
            TcpStream::connect(("127.0.0.1", second)).is_err()
        });
        client.delete(&every).await.unwrap();
        assert_eq!(code(client.get(&every).await), ErrorCode::RESOURCE_NOT_FOUND);
        assert_eq!(code(client.delete(&every).await), ErrorCode::RESOURCE_NOT_FOUND);
        let policy = ErrorCode::CONFIG_CANNOT_CHANGE_GPO_CONTROLLED_SETTING;
        let given = locator("IP:127.0.0.1", "HTTP");
        assert_eq!(code(client.delete(&given).await), policy);
        assert_eq!(code(client.put(&given, listener(&[("Port", "1234")])).await), policy);
        assert!(answers(&format!("{}/wsman", service.url), &[]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listener_of_the_wire_that_cannot_be_opened_does_not_keep_the_service_from_starting() {
    let mut service = Service::start(service::flavours()[0]);
    let client = administrator(&service);
    let (broken, good) = (locator("IP:127.0.0.2", "HTTP"), locator("IP:127.0.0.3", "HTTP"));
    let [taken, free] = [free_port(), free_port()];
    client.create(&broken, listener(&[("Port", &taken.to_string())])).await.unwrap();
    client.create(&good, listener(&[("Port", &free.to_string())])).await.unwrap();
    service.signal(Signal::SIGTERM);
    let other = std::cell::OnceCell::new();
    tool::until("another program has the port", || {
        TcpListener::bind(("127.0.0.2", taken)).is_ok_and(|socket| other.set(socket).is_ok())
    });
    service.start_again();
    let log = service.log();
    assert!(log.contains("A listener is left out until it is changed or deleted"), "{log}");
    assert!(answers(&format!("http://127.0.0.3:{free}/wsman"), &[]));
    assert!(answers(&format!("{}/wsman", service.url), &[]));
    let client = administrator(&service);
    // It is still one, for the next start, until somebody changes or deletes it.
    assert_eq!(text(&client.get(&broken).await.unwrap(), "Port"), taken.to_string());
    client.delete(&broken).await.unwrap();
    client.put(&good, listener(&[("Enabled", "false")])).await.unwrap();
}

/// Address, transport and settings of what is to be a listener, and the number of the refusal.
type Refused<'a> = (&'static str, &'static str, &'a [(&'static str, &'a str)], ErrorCode);

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_listener_is_refused_by_windows_numbers_and_changes_nothing() {
    let service = Service::start(Flavour::Unprivileged);
    let client = administrator(&service);
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let cases: [Refused<'_>; 10] = [
        ("127.0.0.1", "HTTP", &[], ErrorCode::LISTENER_ADDRESS_INVALID),
        ("MAC:1-2", "HTTP", &[], ErrorCode::LISTENER_ADDRESS_INVALID),
        ("IP:203.0.113.77", "HTTP", &[("Port", "5999")], ErrorCode::LISTENER_ADDRESS_INVALID),
        ("*", "FTP", &[], ErrorCode::INVALID_PARAMETER),
        ("IP:127.0.0.1", "HTTPS", &[], ErrorCode::QUICK_CONFIG_FAILED_CERT_REQUIRED),
        (
            "*",
            "HTTP",
            &[("CertificateThumbprint", NO_THUMBPRINT)],
            ErrorCode::CONFIG_THUMBPRINT_SHOULD_BE_EMPTY,
        ),
        ("*", "HTTPS", &[("CertificateThumbprint", NO_THUMBPRINT)], ErrorCode::CERT_NOT_FOUND),
        ("*", "HTTP", &[("Nonsense", "1")], ErrorCode::SCHEMA_VALIDATION_ERROR),
        ("*", "HTTP", &[("Port", "81")], ErrorCode::ACCESS_DENIED),
        ("*", "HTTP", &[("Port", &port)], ErrorCode::INTERNAL_ERROR),
    ];
    for (address, transport, values, expected) in cases {
        if expected == ErrorCode::ACCESS_DENIED && !low_ports_are_roots() {
            eprintln!("SKIPPED listeners::what_cannot_be: ports below 1024 are everybody's here");
            continue;
        }
        let refused = client.create(&locator(address, transport), listener(values)).await;
        assert_eq!(code(refused), expected, "{address} {transport} {values:?}");
    }
    let nothing = client.get(&Locator::new(LISTENER)).await;
    assert_eq!(code(nothing), ErrorCode::INSUFFICIENT_SELECTORS);
    assert_eq!(listed(&client).await, ["IP:127.0.0.1 HTTP GPO"]);
    assert!(!service.state().join("service/configuration/configuration.toml").exists());
}

/// No certificate has it.
const NO_THUMBPRINT: &str = "00112233445566778899AABBCCDDEEFF00112233";

#[tokio::test(flavor = "multi_thread")]
async fn https_listener_shows_the_certificate_that_fits_its_name() {
    for flavour in service::flavours() {
        let service = Service::https(flavour, "");
        let client = administrator(&service);
        let certificate = service.certificate();
        let ca = certificate.to_str().unwrap();
        let every = locator("*", "HTTPS");
        let port = free_port().to_string();
        let named = |name: &str| listener(&[("Port", &port), ("Hostname", name)]);
        // Nobody says which certificate: the only one that is for this name, or none.
        let refused = client.create(&every, named("elsewhere.example")).await;
        assert_eq!(code(refused), ErrorCode::QUICK_CONFIG_FAILED_CERT_REQUIRED);
        client.create(&every, named("localhost")).await.unwrap();
        let thumbprint = text(&client.get(&every).await.unwrap(), "CertificateThumbprint");
        assert_eq!(thumbprint.len(), 40);
        let url = format!("https://localhost:{port}/wsman");
        assert!(answers(&url, &["--cacert", ca]));
        let other = client.put(&every, listener(&[("Hostname", "elsewhere.example")])).await;
        assert_eq!(code(other), ErrorCode::CONFIG_CERT_CN_DOES_NOT_MATCH_HOSTNAME);
        assert_eq!(text(&client.get(&every).await.unwrap(), "Hostname"), "localhost");
        // Another certificate: new connections see it at once, on the same socket.
        let made = tool::run(&mut service.transom(&["cert", "new-server", "--name", "localhost"]));
        let second = made.ended(0).stdout.split_whitespace().nth(1).unwrap().to_owned();
        client.put(&every, listener(&[("CertificateThumbprint", &second)])).await.unwrap();
        assert!(!answers(&url, &["--cacert", ca]));
        client.put(&every, listener(&[("CertificateThumbprint", &thumbprint)])).await.unwrap();
        assert!(answers(&url, &["--cacert", ca]));
        client.delete(&every).await.unwrap();
        // Now there are two that fit.
        let refused = client.create(&every, named("localhost")).await;
        assert_eq!(code(refused), ErrorCode::CERT_THUMBPRINT_BLANK);
    }
}

/// Puts one value of `winrm/config/service`.
async fn set_service(
    client: &Client,
    name: &'static str,
    value: &str,
) -> Result<(), client::Error> {
    let child = Element::new(SERVICE, name);
    let child = if value.is_empty() { child } else { child.with_text(value) };
    let service = Element::new(SERVICE, "Service").with_child(child);
    client.put(&Locator::new(SERVICE), service).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_allow_remote_access_say_which_addresses_are_listened_on() {
    let service = Service::start(Flavour::Unprivileged);
    let client = administrator(&service);
    let every = locator("*", "HTTP");
    let port = free_port();
    client.create(&every, listener(&[("Port", &port.to_string())])).await.unwrap();
    let answered = |ip: &str| answers(&format!("http://{ip}:{port}/wsman"), &[]);
    let shown = async || text(&client.get(&every).await.unwrap(), "ListeningOn");
    assert!(answered("127.0.0.1") && answered("127.0.0.2"));
    let all = shown().await;
    let remote: Vec<String> = all
        .split(' ')
        .filter(|ip| ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv4() && !ip.is_loopback()))
        .map(str::to_owned)
        .collect();
    set_service(&client, "IPv4Filter", "127.0.0.1-127.0.0.1").await.unwrap();
    assert!(answered("127.0.0.1") && !answered("127.0.0.2"));
    assert!(!shown().await.split(' ').any(|ip| remote.iter().any(|one| one == ip)));
    set_service(&client, "IPv4Filter", "").await.unwrap();
    tool::until("no IPv4 address is listened on", || {
        TcpStream::connect(("127.0.0.1", port)).is_err()
    });
    set_service(&client, "IPv4Filter", "*").await.unwrap();
    assert!(answered("127.0.0.2"));
    set_service(&client, "AllowRemoteAccess", "false").await.unwrap();
    assert!(answered("127.0.0.1"));
    for ip in &remote {
        assert!(!answered(ip), "{ip}");
    }
    assert!(shown().await.split(' ').all(|ip| ip.parse::<IpAddr>().unwrap().is_loopback()));
    set_service(&client, "AllowRemoteAccess", "true").await.unwrap();
    for ip in &remote {
        assert!(answered(ip), "{ip}");
    }
    let wrong = set_service(&client, "IPv6Filter", "10.0.0.1").await;
    assert_eq!(code(wrong), ErrorCode::INVALID_IPFILTER);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_and_every_address_share_a_port_and_a_hardware_address_stands_for_its_own() {
    let service = Service::start(Flavour::Unprivileged);
    let client = administrator(&service);
    let port = free_port().to_string();
    let (single, every) = (locator("IP:127.0.0.1", "HTTPS"), locator("*", "HTTP"));
    tool::run(&mut service.transom(&["cert", "new-server", "--name", "127.0.0.1"])).ended(0);
    let of_port = || listener(&[("Port", &port)]);
    let (plain, secure) =
        (format!("http://127.0.0.2:{port}/wsman"), format!("https://127.0.0.1:{port}/wsman"));
    // In either order: the socket of every address takes over from that of one, and gives way to it.
    for first in [&single, &every] {
        let second = if first == &single { &every } else { &single };
        client.create(first, of_port()).await.unwrap();
        client.create(second, of_port()).await.unwrap();
        assert!(answers(&plain, &[]) && answers(&secure, &["--insecure"]));
        client.delete(first).await.unwrap();
        assert_eq!(answers(&plain, &[]), first == &single);
        assert_eq!(answers(&secure, &["--insecure"]), first == &every);
        client.delete(second).await.unwrap();
    }
    let own = transport_interfaces();
    let Some((mac, ip)) = own.into_iter().next() else {
        eprintln!("SKIPPED listeners::hardware_address: no interface has one");
        return;
    };
    let by_mac = locator(&format!("MAC:{mac}"), "HTTP");
    client.create(&by_mac, of_port()).await.unwrap();
    assert!(answers(&format!("http://{ip}:{port}/wsman"), &[]));
    assert!(!answers(&format!("http://127.0.0.1:{port}/wsman"), &[]));
    assert_eq!(listed(&client).await.last().unwrap(), &format!("MAC:{mac} HTTP -"));
}

/// Hardware addresses with an IPv4 address of their interface, as `ip` tells them.
fn transport_interfaces() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/sys/class/net").unwrap().flatten() {
        let mac = fs::read_to_string(entry.path().join("address")).unwrap_or_default();
        let mac = mac.trim().replace(':', "-");
        let name = entry.file_name().into_string().unwrap();
        let shown = tool::run(tool::program("ip").args(["-4", "-o", "addr", "show", "dev", &name]));
        let ip = shown
            .stdout
            .split_whitespace()
            .nth(3)
            .and_then(|ip| ip.split('/').next())
            .map(str::to_owned);
        if let Some(ip) = ip.filter(|_| mac.len() == 17 && mac != "00-00-00-00-00-00") {
            found.insert(mac, ip);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn root_opens_low_ports_that_its_own_file_lists() {
    if !service::flavours().contains(&Flavour::Root) || !low_ports_are_roots() {
        eprintln!("SKIPPED listeners::root_opens: needs root, and ports that are root's");
        return;
    }
    let closed = Service::start(Flavour::Root);
    let client = administrator(&closed);
    let refused = set_service(&client, "EnableCompatibilityHttpListener", "true").await;
    assert!(refused.as_ref().unwrap_err().to_string().contains("PrivilegedPorts = [80]"));
    assert_eq!(code(refused), ErrorCode::ACCESS_DENIED);
    drop(closed);
    let port = (600..1000_u16).find(|port| TcpListener::bind(("0.0.0.0", *port)).is_ok()).unwrap();
    let settings = format!("[Service]\nPrivilegedPorts = [80, {port}]\n");
    let service = Service::configured(Flavour::Root, &settings);
    let client = administrator(&service);
    let every = locator("*", "HTTP");
    client.create(&every, listener(&[("Port", &port.to_string())])).await.unwrap();
    assert!(answers(&format!("http://127.0.0.1:{port}/wsman"), &[]));
    if TcpListener::bind(("0.0.0.0", 80)).is_err() {
        eprintln!("SKIPPED listeners::root_opens: port 80 is taken");
        return;
    }
    set_service(&client, "EnableCompatibilityHttpListener", "true").await.unwrap();
    assert!(answers("http://127.0.0.1/wsman", &[]));
    let all = listed(&client).await;
    assert_eq!(all, ["IP:127.0.0.1 HTTP GPO", "* HTTP -", "* HTTP Compatibility"]);
    set_service(&client, "EnableCompatibilityHttpListener", "false").await.unwrap();
    tool::until("port 80 is closed", || TcpStream::connect(("127.0.0.1", 80)).is_err());
}

/// Calls a method of `winrm/config/service` for a transport.
async fn invoke(client: &Client, method: &str, transport: &str) -> Result<Element, client::Error> {
    let name = format!("{method}_INPUT");
    let mut input = Element::named(wsman::xml::Name::from_parts(SERVICE, &name));
    input.push(Element::new(SERVICE, "Transport").with_text(transport));
    Ok(client.invoke(&Locator::new(SERVICE), method, Some(input)).await?.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_of_quickconfig_say_what_is_missing_and_make_it() {
    let service = Service::start(Flavour::Unprivileged);
    let client = administrator(&service);
    set_service(&client, "AllowRemoteAccess", "false").await.unwrap();
    let running =
        client.invoke(&Locator::new(SERVICE), "AnalyzeService", None).await.unwrap().unwrap();
    assert_eq!(running.name.local(), "AnalyzeService_OUTPUT");
    assert_eq!(text(&running, "RemotingEnabled"), "true");
    // 5986 may be another's on this machine; there it is told before.
    let none = invoke(&client, "Analyze", "HTTPS").await;
    assert_eq!(code(none), ErrorCode::QUICK_CONFIG_FAILED_CERT_REQUIRED);
    tool::run(&mut service.transom(&["cert", "new-server", "--name", "localhost"])).ended(0);
    let missing = invoke(&client, "Analyze", "HTTPS").await.unwrap();
    assert_eq!(text(&missing, "RemotingEnabled"), "false");
    let results = text(&missing, "Results");
    assert!(results.starts_with("Allow remote access"), "{results}");
    assert!(results.contains("Create a WinRM listener on HTTPS://*"), "{results}");
    assert!(missing.elements().any(|child| child.name.local() == "EnableRemoting_INPUT"));
    let made = invoke(&client, "EnableRemoting", "HTTPS").await.unwrap();
    assert_eq!(text(&made, "Status"), "succeeded");
    assert!(text(&made, "Results").contains("Created a WinRM listener on HTTPS://*"));
    assert!(answers("https://localhost:5986/wsman", &["--insecure"]));
    let done = invoke(&client, "Analyze", "HTTPS").await.unwrap();
    assert_eq!(
        (text(&done, "RemotingEnabled"), text(&done, "Results")),
        ("true".into(), String::new())
    );
    client.put(&locator("*", "HTTPS"), listener(&[("Enabled", "false")])).await.unwrap();
    let again = invoke(&client, "Analyze", "HTTPS").await.unwrap();
    assert!(text(&again, "Results").starts_with("Enable a WinRM listener on HTTPS://*"));
    let wrong = invoke(&client, "Analyze", "FTP").await;
    assert_eq!(code(wrong), ErrorCode::INVALID_PARAMETER);
}

/// The network process of a service.
fn network(service: &Service) -> u32 {
    let children = format!("/proc/{0}/task/{0}/children", service.spawner());
    let children = fs::read_to_string(children).unwrap();
    let is_network = |pid: &&str| {
        fs::read(format!("/proc/{pid}/cmdline")).unwrap().split(|byte| *byte == 0).nth(1)
            == Some(b"network".as_slice())
    };
    children.split_whitespace().find(is_network).unwrap().parse().unwrap()
}

/// Runs one command after the other until it is told to stop.
fn use_shells(service: &Service, number: usize, ended: &AtomicBool, ran: &AtomicUsize) {
    while !ended.load(Ordering::Relaxed) {
        let done = service.run(&format!("sleep 0.1; echo {number}")).ended(0);
        assert_eq!(done.stdout, format!("{number}\n"));
        ran.fetch_add(1, Ordering::Relaxed);
    }
}

fn descriptors(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_on_another_listener_notice_nothing_and_no_descriptor_stays_behind() {
    const ROUNDS: usize = 60;
    for flavour in service::flavours() {
        let service = Arc::new(Service::start(flavour));
        let client = administrator(&service);
        let every = locator("*", "HTTP");
        let port = free_port();
        let settled =
            |client: Client| async move { client.get(&Locator::new(SERVICE)).await.unwrap() };
        settled(client.clone()).await;
        let pid = network(&service);
        let before = descriptors(pid);
        let (ended, ran) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let shells: Vec<_> = (0..3)
            .map(|number| {
                let (service, ended, ran) =
                    (Arc::clone(&service), Arc::clone(&ended), Arc::clone(&ran));
                thread::spawn(move || use_shells(&service, number, &ended, &ran))
            })
            .collect();
        for round in 0..ROUNDS {
            client.create(&every, listener(&[("Port", &port.to_string())])).await.unwrap();
            // Some of its connections are there when it goes.
            let idle: Vec<_> =
                (0..3).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
            if round % 2 == 0 {
                let other = free_port().to_string();
                client.put(&every, listener(&[("Port", &other)])).await.unwrap();
            }
            client.delete(&every).await.unwrap();
            drop(idle);
        }
        tool::until("commands ran meanwhile", || ran.load(Ordering::Relaxed) >= 6);
        ended.store(true, Ordering::Relaxed);
        for shell in shells {
            shell.join().unwrap();
        }
        tool::until("every descriptor is closed", || descriptors(pid) <= before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_process_of_the_configuration_is_replaced_and_files_are_whole() {
    for flavour in service::flavours() {
        let service = Service::start(flavour);
        let client = administrator(&service);
        let folder = service.state().join("service/configuration");
        for round in 1..=3_u32 {
            for pid in workers(&service) {
                let _gone = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            let changed = client
                .put(
                    &Locator::new(wsman::ns::CONFIG),
                    Element::new(wsman::ns::CONFIG, "Config").with_child(
                        Element::new(wsman::ns::CONFIG, "MaxBatchItems")
                            .with_text(round.to_string()),
                    ),
                )
                .await;
            changed.unwrap();
            let kept = server::configuration::read(&folder).unwrap().unwrap();
            assert!(kept.contains(&format!("MaxBatchItems = {round}")), "{kept}");
        }
    }
}

/// The workers that keep the configuration of a service.
fn workers(service: &Service) -> Vec<i32> {
    let state = service.state();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.contains("configuration\0--folder")
            && line.contains(state.to_str().unwrap())
            && line.contains("--worker")
        {
            found.push(pid);
        }
    }
    found
}
