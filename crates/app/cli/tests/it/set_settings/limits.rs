//! How much of each there may be, and how long it may take.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use testkit::outside::report;

use super::{Clients, afar, set, set_from_afar};
use crate::listeners::{IDENTIFY, answers};
use crate::peers::{OF_ONE_USER, peer_on};
use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool;

#[test]
fn released_clients_meet_the_quotas_that_are_set() {
    let service = Service::start(flavours()[0]);
    let mut clients = Clients::of(&service);
    assert_eq!(clients.ask("shells 3"), "opened");
    assert_eq!(clients.ask("close"), "closed");
    for (path, least) in [
        ("Winrs/MaxProcessesPerShell", "1"),
        ("Winrs/MaxShellsPerUser", "2"),
        ("Service/MaxConcurrentOperationsPerUser", "4"),
        ("MaxEnvelopeSizekb", "32"),
    ] {
        set_from_afar(&service, path, least);
    }
    // Each of these fails where a bound is not met, or not as its client expects it.
    peer_on(&service, "pypsrp_quotas.py", "ntlm", &OF_ONE_USER);
    peer_on(&service, "pywinrm_quotas.py", "ntlm", &OF_ONE_USER);
    assert_eq!(clients.ask("shells 3"), "fault w:QuotaLimit");
    set_from_afar(&service, "Winrs/MaxShellsPerUser", "3");
    assert_eq!(clients.ask("shells 1"), "opened");
}

#[test]
fn output_is_waited_for_no_longer_than_is_set() {
    let service = Service::start(flavours()[0]);
    set(&service, "MaxTimeoutms", "500");
    // That there is none yet is told by this fault; a client that does not hear it in half a minute gives up here.
    assert_eq!(Clients::of(&service).ask("wait"), "fault 2150858793");
    report("PEER pypsrp 0.9.1: a Receive takes as long as winrm set says");
}

#[test]
fn lists_come_in_pieces_and_are_forgotten_as_is_set() {
    let service = Service::start(flavours()[0]);
    let mut clients = Clients::of(&service);
    assert_eq!(clients.ask("shells 4"), "opened");
    assert_eq!(clients.ask("list"), "4, the last");
    assert_eq!(clients.ask("begin"), "0, more");
    set(&service, "MaxBatchItems", "2");
    assert_eq!(clients.ask("list"), "2, more");
    assert_eq!(clients.ask("pull 4"), "2, more", "it is under way, and bounded all the same");
    let mut winrm = tool::winrm();
    winrm.args(["enumerate", "shell"]);
    let listed = tool::run(&mut afar(&service, winrm)).ended(0).stdout;
    assert_eq!(listed.matches("ShellId = ").count(), 4, "{listed}");
    set(&service, "Service/EnumerationTimeoutms", "500");
    thread::sleep(Duration::from_millis(900));
    assert_eq!(clients.ask("pull 4"), "fault 2150858779", "nobody has pulled in that time");
    report("PEER pypsrp 0.9.1: lists have the pieces and the time of winrm set");
}

#[test]
fn connections_beyond_what_is_set_are_closed() {
    let service = Service::start(flavours()[0]);
    let url = format!("{}/wsman", service.url);
    let ended = service.state().with_file_name("ended");
    let line = format!("echo begun; until [ -e {} ]; do sleep 0.05; done; exit 7", ended.display());
    let mut holder = tool::spawn(&mut service.winrs(&[&line]));
    let mut begun = [0; 6];
    holder.stdout.as_mut().unwrap().read_exact(&mut begun).unwrap();
    assert!(answers(&url, &[]));
    set(&service, "Service/MaxConnections", "1");
    assert!(!answers(&url, &[]) && !answers(&url, &[]));
    // Who was there before keeps its place.
    std::fs::write(ended, "").unwrap();
    tool::finish(holder).ended(7);
    tool::until("its place is free", || answers(&url, &[]));
    report("PEER curl 7.88.1: connections beyond those of winrm set are closed");
}

#[test]
fn half_a_request_is_waited_for_no_longer_than_is_set() {
    let service = Service::https(flavours()[0], "");
    set(&service, "Service/Auth/Basic", "true");
    set(&service, "Service/MaxPacketRetrievalTimeSeconds", "1");
    // Half a head; by the default it would be waited for two minutes.
    let mut openssl = tool::program("timeout");
    openssl.args(["60", "openssl", "s_client", "-quiet", "-connect"]);
    openssl.arg(format!("127.0.0.1:{}", service.port)).stdin(Stdio::piped());
    let mut openssl = tool::spawn(&mut openssl);
    let mut stdin = openssl.stdin.take().unwrap();
    stdin.write_all(b"POST /wsman HTTP/1.1\r\nHost: box\r\n").unwrap();
    // Half a body, of somebody who is logged in.
    let mut curl = tool::program("curl");
    curl.args(["--silent", "--insecure", "--noproxy", "*", "--max-time", "60", "--data-binary"]);
    curl.args([IDENTIFY, "--header", "Content-Type: application/soap+xml;charset=UTF-8"]);
    curl.args(["--user", &format!("{USER}:{PASSWORD}"), "--write-out", "%{http_code}"]);
    curl.arg(format!("{}/wsman", service.url));
    let whole = tool::run(&mut curl).ended(0).stdout;
    assert!(whole.ends_with("</s:Envelope>200"), "{whole}");
    let half = tool::run(curl.args(["--header", "Content-Length: 9999"]));
    assert!(half.code() != 28 && !half.stdout.ends_with("200"), "{half:#?}");
    let half = tool::finish(openssl);
    assert_ne!(half.code(), 124, "{half:#?}");
    drop(stdin);
    report("PEER curl 7.88.1, OpenSSL 3: half a request is waited for as long as winrm set says");
}
