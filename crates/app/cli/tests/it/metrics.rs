//! The page for Prometheus: what it counts, that Prometheus's own parser reads it, and that nobody else can.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use testkit::outside::{peers_python, report};

use crate::service::{Flavour, PASSWORD, Service, USER, flavours};
use crate::tool;

const LISTEN: [&str; 2] = ["--metrics", "127.0.0.1:0"];

/// Where a service answers, from its log.
fn address(service: &Service) -> String {
    let log = service.log();
    let url = log.split_once("Metrics url=http://").unwrap().1;
    url.split_once("/metrics").unwrap().0.to_owned()
}

/// Sends bytes and reads to the end; the other side may have gone already.
fn exchange(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let _gone = stream.write_all(request);
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// What a GET gets.
pub(crate) fn page(address: &str) -> String {
    let answer = exchange(address, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    body.to_owned()
}

/// The samples of a page by name and labels, as they stand there.
pub(crate) fn samples(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let split = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    lines.map(split).collect()
}

#[test]
fn what_happened_is_counted_and_nobody_is_named() {
    for flavour in flavours() {
        let settings = "[Winrs]\nMaxShellsPerUser = 1\n[Service.FailedLogins]\nLockoutAfter = 1\n";
        let service = Service::with_options(flavour, settings, &LISTEN);
        let address = address(&service);
        let before = samples(&page(&address));
        assert_eq!(before["transom_commands_total{outcome=\"accepted\"}"], 0.0);
        service.run("echo out; exit 3").ended(3);
        let mark = tool::mark();
        let mut sleeping = tool::spawn(&mut service.winrs(&[&format!("sleep {mark}")]));
        let now = || samples(&page(&address));
        tool::until("it runs", || now()["transom_commands_running"] == 1.0);
        tool::until("it waits", || now()["transom_receives_waiting"] == 1.0);
        assert_eq!(now()["transom_shells_open"], 1.0);
        service.run("true").ended(255);
        for process in tool::processes_with(&mark) {
            let mut kill = tool::program("kill");
            // The shell before the command ends with it.
            let _ran = tool::run(kill.args(["-KILL", &process.to_string()]));
        }
        sleeping.wait().unwrap();
        let mut stranger = service.winrs(&["true"]);
        tool::run(stranger.env("TRANSOM_PASSWORD", "Wr0ng-Secret")).ended(255);
        tool::until("nothing is open", || now()["transom_connections_open"] == 0.0);
        let text = page(&address);
        let counted = samples(&text);
        for (name, least) in [
            ("transom_connections_total{outcome=\"accepted\"}", 4.0),
            ("transom_http_responses_total{status=\"401\"}", 4.0),
            ("transom_http_bytes_total{direction=\"received\"}", 4000.0),
            ("transom_http_bytes_total{direction=\"sent\"}", 4000.0),
            ("transom_logins_total{mechanism=\"NTLM\",outcome=\"accepted\"}", 3.0),
            ("transom_requests_total{operation=\"Receive\",result=\"ok\"}", 2.0),
            ("process_cpu_seconds_total", 0.0),
            ("process_resident_memory_bytes", 1e6),
            ("process_virtual_memory_bytes", 1e6),
            ("process_open_fds", 8.0),
            ("process_max_fds", 100.0),
            ("process_start_time_seconds", 1e9),
        ] {
            assert!(counted[name] >= least, "{flavour:?} {name}: {text}");
        }
        for (name, number) in [
            ("transom_logins_total{mechanism=\"NTLM\",outcome=\"refused\"}", 1.0),
            ("transom_lockouts_total", 1.0),
            ("transom_requests_total{operation=\"Create\",result=\"ok\"}", 2.0),
            ("transom_requests_total{operation=\"Create\",result=\"quota\"}", 1.0),
            ("transom_requests_total{operation=\"Command\",result=\"ok\"}", 2.0),
            ("transom_quota_refusals_total{quota=\"MaxShellsPerUser\"}", 1.0),
            ("transom_shells_opened_total", 2.0),
            ("transom_shells_ended_total{reason=\"deleted\"}", 2.0),
            ("transom_commands_total{outcome=\"accepted\"}", 2.0),
            ("transom_commands_running", 0.0),
            ("transom_shells_open", 0.0),
            ("transom_receives_waiting", 0.0),
            ("transom_log_lines_lost_total", 0.0),
        ] {
            assert_eq!(counted[name], number, "{flavour:?} {name}: {text}");
        }
        for secret in [USER, PASSWORD, "Wr0ng", "127.0.0.1", "sleep", "nobody"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

#[test]
fn prometheus_parser_reads_the_page() {
    let service = Service::with_options(flavours()[0], "", &LISTEN);
    service.run("true").ended(0);
    let mut command = tool::program(peers_python());
    command.arg(tool::repository().join("crates/app/cli/tests/peers/prometheus_metrics.py"));
    command.arg(format!("http://{}/metrics", address(&service)));
    let ran = tool::run(&mut command);
    ran.stdout.lines().filter(|line| line.starts_with("PEER ")).for_each(report);
    let ran = ran.ended(0);
    let read: Vec<&str> = ran.stdout.lines().filter_map(|l| l.strip_prefix("FAMILY ")).collect();
    let families = server::metrics::FAMILIES.iter();
    let expected: Vec<String> = families
        .map(|family| format!("{} {:?}", family.name.trim_end_matches("_total"), family.kind))
        .map(|line| line.replace("Counter", "counter").replace("Gauge", "gauge"))
        .collect();
    assert_eq!(read, expected);
}

#[test]
fn metrics_are_off_unless_asked_for_and_a_setting_asks_too() {
    let service = Service::start(flavours()[0]);
    assert!(!service.log().contains("Metrics"));
    let service = Service::configured(flavours()[0], "[Metrics]\nListen = \"[::1]:0\"\n");
    if service.log().contains("Metrics url=http://[::1]:") {
        assert!(page(&address(&service)).contains("transom_build_info{version=\""));
    }
}

#[test]
fn other_addresses_than_loopback_are_refused_with_the_reason() {
    let mut command = tool::transom();
    let ran = tool::run(command.args(["serve", "--metrics", "0.0.0.0:9985"])).ended(2);
    assert!(ran.stderr.contains("is no loopback address"), "{ran:#?}");
    assert!(ran.stderr.contains("without a login"), "{ran:#?}");
}

#[test]
fn strangers_to_the_page_take_little_and_get_an_answer() {
    let service = Service::with_options(Flavour::Unprivileged, "", &LISTEN);
    let address = address(&service);
    let status = |request: &str| {
        let answer = exchange(&address, request.as_bytes());
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(status("GET /other HTTP/1.1\r\nHost: a\r\n\r\n"), "404");
    assert_eq!(status("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"), "405");
    assert_eq!(status("nonsense\r\n\r\n"), "400");
    let long = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(100_000));
    assert_ne!(status(&long), "200");
    let head = exchange(&address, b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    // All places taken by those who say nothing: further ones end at once, and the service serves on.
    let silent: Vec<_> = (0..8).map(|_| TcpStream::connect(&address).unwrap()).collect();
    tool::until("the places are taken", || exchange(&address, b"").is_empty());
    service.run("exit 4").ended(4);
    drop(silent);
    tool::until("the places are free", || status("GET /metrics HTTP/1.0\r\n\r\n") == "200");
}
