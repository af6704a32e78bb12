//! IPv6 addresses, with and without a zone, in every program: what stands in the header `Host`, in the message and in
//! TLS's first message. The zone is this computer's own affair, and never leaves it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use crate::tool;

/// A host that hears what it is first told, and answers that there is nothing.
fn host(address: impl Into<SocketAddr>) -> (u16, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind(address.into()).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heard, hears) = channel();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut first = vec![0; 4096];
            // A connection that says nothing was to see whether anybody is there.
            let Ok(length @ 1..) = connection.read(&mut first) else { continue };
            first.truncate(length);
            let _gone = connection.write_all(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
            let _nobody = heard.send(first);
        }
    });
    (port, hears)
}

/// This computer's addresses that can be asked: loopback, with its number for a zone, and one of a link, if there is one.
fn places() -> Vec<(Ipv6Addr, u32, Vec<String>)> {
    let loopback = Ipv6Addr::LOCALHOST;
    let mut places =
        vec![(loopback, 0, vec!["::1".to_owned(), "::1%1".to_owned(), "0:0::1".to_owned()])];
    let table = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let of_a_link = table.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let address = Ipv6Addr::from(u128::from_str_radix(words[0], 16).unwrap());
        let scope = u32::from_str_radix(words[1], 16).unwrap();
        let is_local = words[0].starts_with("fe80");
        is_local.then(|| (address, scope, vec![format!("{address}%{}", words[5])]))
    });
    places.extend(of_a_link);
    places
}

/// The ways to ask for an address.
fn ways(address: &str, scheme: &str, port: u16) -> Vec<Command> {
    let url = format!("{scheme}://[{address}]:{port}");
    let mut winrs = tool::winrs();
    winrs.args([&format!("-r:{url}"), "-u:a", "x"]);
    let mut doctor = tool::transom();
    doctor.args(["doctor", &url, "-u", "a"]);
    let mut ways = vec![winrs, doctor];
    let ssl = if scheme == "https" { "-UseSSL" } else { "" };
    for line in [
        format!("Test-WSMan '{address}' -Port {port} {ssl} -Authentication Default -Credential a"),
        format!("Test-WSMan '[{address}]' -Port {port} {ssl}"),
        format!(
            "Invoke-Command -ComputerName '{address}' -Port {port} {ssl} -Credential a {{ 1 }}"
        ),
        format!("Invoke-Command -ConnectionUri '{url}' -Credential a {{ 1 }}"),
    ] {
        let mut pssession = tool::pssession();
        pssession.args(["-c", &line]);
        ways.push(pssession);
    }
    ways
}

#[test]
fn addresses_with_and_without_a_zone_are_asked_by_every_program() {
    let settings = tool::client_settings("TrustedHosts = \"*\"\n");
    for (address, scope, spellings) in places() {
        for spelling in spellings {
            let (port, hears) = host(SocketAddrV6::new(address, 0, 0, scope));
            for mut command in ways(&spelling, "http", port) {
                command.env("TRANSOM_PASSWORD", "p").env("XDG_CONFIG_HOME", settings.path());
                let ran = tool::run(&mut command);
                assert_ne!(ran.code(), 0);
                let first = hears.try_recv().unwrap_or_else(|_| panic!("{command:?}: {ran:#?}"));
                let first = String::from_utf8_lossy(&first).to_ascii_lowercase();
                let bare = spelling.split('%').next().unwrap();
                let header = format!("\r\nhost: [{bare}]:{port}\r\n");
                assert!(first.contains(&header) && !first.contains('%'), "{command:?}: {first}");
                while hears.try_recv().is_ok() {}
            }
        }
    }
}

#[test]
fn tls_names_no_address_as_a_server_name() {
    for (address, scope, spellings) in places() {
        for spelling in spellings {
            let (port, hears) = host(SocketAddrV6::new(address, 0, 0, scope));
            for mut command in ways(&spelling, "https", port) {
                let ran = tool::run(command.env("TRANSOM_PASSWORD", "p"));
                let first = hears.try_recv().unwrap_or_else(|_| panic!("{command:?}: {ran:#?}"));
                assert_eq!(first[0], 22, "a handshake");
                assert!(!has_server_name(&first), "{command:?}");
                while hears.try_recv().is_ok() {}
            }
        }
    }
    // The reading is right: a name is named.
    let (port, hears) = host(([127, 0, 0, 1], 0));
    let mut winrs = tool::winrs();
    winrs.args([&format!("-r:https://localhost:{port}"), "-u:a", "x"]);
    tool::run(winrs.env("TRANSOM_PASSWORD", "p"));
    assert!(has_server_name(&hears.try_recv().unwrap()));
}

/// Whether a ClientHello (RFC 8446 4.1.2) has the extension `server_name`.
fn has_server_name(record: &[u8]) -> bool {
    let u16_at = |at: usize| usize::from(u16::from_be_bytes([record[at], record[at + 1]]));
    // Record, handshake, version, random; then what has lengths of its own.
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(record[at]);
    at += 2 + u16_at(at);
    at += 1 + usize::from(record[at]);
    let end = at + 2 + u16_at(at);
    at += 2;
    while at < end {
        if u16_at(at) == 0 {
            return true;
        }
        at += 4 + u16_at(at + 2);
    }
    false
}

#[test]
fn address_that_is_not_listed_is_refused_with_windows_errors() {
    let ran = |words: &[&str], settings: &str| {
        let folder = tool::client_settings(settings);
        let mut command = tool::winrs();
        command.args(words).args(["-u:a", "x"]).env("TRANSOM_PASSWORD", "p");
        tool::run(command.env("XDG_CONFIG_HOME", folder.path())).ended(255).stderr
    };
    let default = "Default authentication may be used with an IP address under the following conditions: the transport is HTTPS \
                   or the destination is in the TrustedHosts list, and explicit credentials are provided (error 2150859195).";
    for address in ["http://192.0.2.1", "http://[2001:db8::1]:5985", "http://[fe80::1%9]:5985"] {
        let said = ran(&[&format!("-r:{address}")], "");
        assert!(said.contains(default), "{address}: {said}");
        let bare = address.trim_start_matches("http://").split(['[', ']']).nth(1);
        let host = bare.unwrap_or("192.0.2.1").split('%').next().unwrap();
        assert!(said.contains(&format!("`TrustedHosts = \"{host}\"`")), "{said}");
        // Who names a login, or a name, gets the other one.
        let said = ran(&[&format!("-r:{address}"), "-auth:negotiate"], "");
        assert!(said.contains("2150858980"), "{address}: {said}");
    }
    let said = ran(&["-r:far.example"], "TrustedHosts = \"<local>\"\n");
    assert!(said.contains("2150858980"), "{said}");
    // <local> is for names without a dot: then the name is looked up, which there is not.
    let said = ran(&["-r:nowhere-invalid"], "TrustedHosts = \"<local>\"\n");
    assert!(said.contains("cannot be resolved"), "{said}");
}

#[test]
fn cmdlets_want_an_account_with_an_address() {
    for (words, refused) in [
        ("-ComputerName 192.0.2.1", true),
        ("-ComputerName 2001:db8::1 -UseSSL", true),
        ("-ConnectionUri http://[2001:db8::1]:5985/wsman", true),
        ("-ComputerName 127.0.0.1 -Port 9", false),
    ] {
        let mut command = tool::pssession();
        command.args(["-c", &format!("Invoke-Command {words} {{ 1 }}")]);
        let ran = tool::run(command.env("TRANSOM_PASSWORD", "p")).ended(1);
        let is_refused = ran.stderr.contains("error 2150859195");
        assert_eq!(is_refused, refused, "{words}: {ran:#?}");
        assert!(!refused || ran.stderr.contains("add -Credential"), "{ran:#?}");
    }
}
