//! Which addresses and ports the service has, in a network of its own where every port is free.

use std::net::Ipv4Addr;

use nix::unistd::Uid;
use testkit::outside::report;

use super::{refused, set};
use crate::listeners::IDENTIFY;
use crate::service::{Flavour, Service};
use crate::tool;

/// An address of that network that is not loopback's, of each version; documentation is what they are for.
const REMOTE: [&str; 2] = ["192.0.2.1", "[2001:db8::1]"];
const LOOPBACK: [&str; 2] = ["127.0.0.1", "[::1]"];

/// A service in a network of its own, with a listener on every address by HTTP; `None` where nobody can make one.
fn in_own_network(test: &str, settings: &str) -> Option<Service> {
    if !Uid::effective().is_root() {
        report(&format!("SKIPPED {test}: only root gives a service a network of its own"));
        return None;
    }
    let make = "ip link set lo up && ip addr add 192.0.2.1/32 dev lo && \
                ip -6 addr add 2001:db8::1/128 dev lo nodad && exec \"$@\"";
    let own = ["unshare", "--net", "sh", "-c", make, "sh"];
    let service = Service::configured_by(Flavour::Root, settings, &[], &own);
    let mut winrm = tool::winrm();
    winrm.args(["create", "winrm/config/Listener?Address=*+Transport=HTTP", "@{Port=\"5985\"}"]);
    tool::run(winrm.env("TRANSOM_STATE", service.state())).ended(0);
    Some(service)
}

/// Whether curl, in that network, gets an answer to an Identify.
fn answers(service: &Service, url: &str) -> bool {
    let mut curl = tool::program("nsenter");
    curl.arg(format!("--net=/proc/{}/ns/net", service.spawner()));
    curl.args([
        "curl",
        "--silent",
        "--globoff",
        "--insecure",
        "--noproxy",
        "*",
        "--max-time",
        "20",
    ]);
    curl.args(["--header", "WSMANIDENTIFY: unauthenticated", "--data-binary", IDENTIFY]);
    curl.args(["--header", "Content-Type: application/soap+xml;charset=UTF-8", url]);
    let ran = tool::run(&mut curl);
    ran.code() == 0 && ran.stdout.contains("ProductVendor")
}

/// Which of these hosts answer on the usual port.
fn answering<'a>(service: &Service, hosts: &[&'a str]) -> Vec<&'a str> {
    let answers = |host: &&&str| answers(service, &format!("http://{host}:5985/wsman"));
    hosts.iter().filter(answers).copied().collect()
}

#[test]
fn addresses_are_those_of_the_filters_that_are_set() {
    let test = "addresses_are_those_of_the_filters_that_are_set";
    let Some(service) = in_own_network(test, "") else { return };
    let all = [LOOPBACK, REMOTE].concat();
    assert_eq!(answering(&service, &all), all);
    set(&service, "Service/IPv4Filter", "192.0.2.0-192.0.2.255");
    assert_eq!(answering(&service, &all), ["[::1]", "192.0.2.1", "[2001:db8::1]"]);
    set(&service, "Service/IPv6Filter", "::1-::1");
    assert_eq!(answering(&service, &all), ["[::1]", "192.0.2.1"]);
    set(&service, "Service/IPv4Filter", "");
    assert_eq!(answering(&service, &all), ["[::1]"]);
    set(&service, "Service/IPv6Filter", "");
    assert_eq!(answering(&service, &all), Vec::<&str>::new());
    // The listener of the command line has an address of its own, which no filter is about.
    assert!(answers(&service, &format!("{}/wsman", service.url)));
    for path in ["Service/IPv4Filter", "Service/IPv6Filter"] {
        set(&service, path, "*");
    }
    assert_eq!(answering(&service, &all), all);
    report("PEER curl 7.88.1: addresses answer as the filters of winrm set say");
}

#[test]
fn other_computers_may_ask_while_it_is_set() {
    let test = "other_computers_may_ask_while_it_is_set";
    let Some(service) = in_own_network(test, "") else { return };
    let all = [LOOPBACK, REMOTE].concat();
    assert!(REMOTE[0].parse::<Ipv4Addr>().is_ok_and(|address| !address.is_loopback()));
    set(&service, "Service/AllowRemoteAccess", "false");
    assert_eq!(answering(&service, &all), LOOPBACK);
    set(&service, "Service/AllowRemoteAccess", "true");
    assert_eq!(answering(&service, &all), all);
    report("PEER curl 7.88.1: other addresses answer while winrm set allows it");
}

#[test]
fn ports_80_and_443_are_open_while_they_are_set() {
    let test = "ports_80_and_443_are_open_while_they_are_set";
    let Some(service) = in_own_network(test, "[Service]\nPrivilegedPorts = [443]\n") else {
        return;
    };
    let said = refused(&service, "Service/EnableCompatibilityHttpListener", "true");
    assert!(said.contains("PrivilegedPorts = [80]") && said.contains("0x00000005"), "{said}");
    let said = refused(&service, "Service/EnableCompatibilityHttpsListener", "true");
    assert!(said.contains("certificate"), "{said}");
    tool::run(&mut service.transom(&["cert", "new-server", "--name", "localhost"])).ended(0);
    set(&service, "Service/EnableCompatibilityHttpsListener", "true");
    assert!(answers(&service, "https://localhost/wsman"));
    set(&service, "Service/EnableCompatibilityHttpsListener", "false");
    assert!(!answers(&service, "https://localhost/wsman"));
    drop(service);
    let settings = "[Service]\nPrivilegedPorts = [80]\n";
    let Some(service) = in_own_network(test, settings) else { return };
    assert!(!answers(&service, "http://192.0.2.1/wsman"));
    set(&service, "Service/EnableCompatibilityHttpListener", "true");
    assert!(answers(&service, "http://192.0.2.1/wsman"));
    set(&service, "Service/EnableCompatibilityHttpListener", "false");
    assert!(!answers(&service, "http://192.0.2.1/wsman"));
    report("PEER curl 7.88.1: ports 80 and 443 answer while winrm set has them");
}
