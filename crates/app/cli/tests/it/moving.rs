//! A listener by hardware address follows the addresses that its interface has.

use std::process::Command;

use crate::service::{Flavour, Service};
use crate::tool;

const MAC: &str = "02-00-5E-10-00-07";

/// A program on the network of a service.
fn inside(service: &Service, words: &[&str]) -> Command {
    let mut command = tool::program("nsenter");
    command.arg(format!("--net=/proc/{}/ns/net", service.spawner())).args(words);
    command
}

fn winrm(service: &Service, words: &[&str]) -> String {
    let mut command = tool::winrm();
    tool::run(command.args(words).env("TRANSOM_STATE", service.state())).ended(0).stdout
}

/// Whether something of WS-Management is there: it wants a login.
fn answers(service: &Service, address: &str) -> bool {
    let url = format!("http://{address}:5999/wsman");
    let asked = ["curl", "--silent", "--max-time", "5", "--noproxy", "*", "--data", "", &url];
    let ran = tool::run(inside(service, &asked).args(["--write-out", "%{http_code}"]));
    ran.stdout == "401"
}

#[test]
fn listener_by_hardware_address_follows_its_interface() {
    if !nix::unistd::Uid::effective().is_root() {
        testkit::report(
            "SKIPPED listener_by_hardware_address: only root gives a service a network of its own",
        );
        return;
    }
    let line = format!(
        "ip link set lo up && ip link add here type veth peer name there && ip link set here address {} \
         && ip link set here up && ip link set there up && exec \"$@\"",
        MAC.replace('-', ":")
    );
    let service = Service::start_by(Flavour::Root, &["unshare", "--net", "sh", "-c", &line, "sh"]);
    let address = |verb: &str, address: &str| {
        tool::run(&mut inside(&service, &["ip", "addr", verb, address, "dev", "here"])).ended(0);
    };
    let listener = format!("winrm/config/Listener?Address=MAC:{MAC}+Transport=HTTP");
    winrm(&service, &["create", &listener, "@{Port=\"5999\"}"]);
    assert!(!answers(&service, "10.77.0.1"), "it has no address yet");
    address("add", "10.77.0.1/24");
    tool::until("a first address", || answers(&service, "10.77.0.1"));
    address("add", "10.77.0.2/24");
    tool::until("a second one", || answers(&service, "10.77.0.2"));
    assert!(winrm(&service, &["get", &listener]).contains("10.77.0.1, 10.77.0.2"));
    // The first takes the second along, which is of its network.
    address("del", "10.77.0.1/24");
    address("add", "10.78.0.1/24");
    tool::until("another network", || answers(&service, "10.78.0.1"));
    // Given back, it is nobody's: the old socket is closed.
    tool::run(&mut inside(&service, &["ip", "addr", "add", "10.77.0.1/24", "dev", "there"]))
        .ended(0);
    assert!(!answers(&service, "10.77.0.1"));
    let own = format!("127.0.0.1:{}", service.port);
    let url = format!("http://{own}/wsman");
    let asked =
        ["curl", "--silent", "--noproxy", "*", "--data", "", "--write-out", "%{http_code}", &url];
    assert_eq!(tool::run(&mut inside(&service, &asked)).stdout, "401", "others are as they were");
}
