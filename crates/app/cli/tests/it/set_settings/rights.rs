//! Who may read, and who may have shells.

use nix::unistd::Uid;
use testkit::outside::{peers_python, report};

use super::{Clients, afar, refused, set, set_from_afar};
use crate::service::{Flavour, PASSWORD, Service, flavours};
use crate::tool::{self, Ran};

#[test]
fn who_may_read_is_what_is_set() {
    if !Uid::effective().is_root() {
        report("SKIPPED who_may_read_is_what_is_set: a second account needs root");
        return;
    }
    let service = Service::start(Flavour::Root);
    service.add_member("guest", "daemon", "Users").ended(0);
    let by_guest = |words: &[&str]| -> Ran {
        let mut command = tool::winrm();
        command.args(words).arg(format!("-r:{}", service.url)).arg("-u:guest");
        tool::run(command.env("TRANSOM_PASSWORD", PASSWORD))
    };
    let denied = |ran: Ran| {
        let said = ran.ended(1).stderr;
        assert!(said.contains("0x00000005") && said.contains("Access is denied"), "{said}");
    };
    let read = ["get", "winrm/config/winrs"];
    denied(by_guest(&read));
    let everyone = "O:NSG:BAD:P(A;;GA;;;BA)(A;;GR;;;WD)S:P(AU;FA;GA;;;WD)(AU;SA;GXGW;;;WD)";
    set(&service, "Service/RootSDDL", everyone);
    assert!(by_guest(&read).ended(0).stdout.contains("MaxShellsPerUser = 2147483647"));
    denied(by_guest(&["set", "winrm/config/winrs", "@{MaxShellsPerUser=\"7\"}"]));
    let said = refused(&service, "Service/RootSDDL", "O:NSG");
    assert!(said.contains("0x8033815C"), "{said}");
    set(&service, "Service/RootSDDL", "O:NSG:BAD:P(A;;GA;;;BA)");
    denied(by_guest(&read));
}

#[test]
fn shells_open_while_it_is_set_with_the_idle_time_that_is_set() {
    let service = Service::start(flavours()[0]);
    let mut clients = Clients::of(&service);
    assert_eq!(clients.ask("shells 1"), "opened");
    set_from_afar(&service, "Winrs/IdleTimeout", "70000");
    assert_eq!(clients.ask("shells 1"), "opened");
    let mut winrm = tool::winrm();
    winrm.args(["enumerate", "shell"]);
    let listed = tool::run(&mut afar(&service, winrm)).ended(0).stdout;
    let times = listed.lines().filter_map(|line| line.trim().strip_prefix("IdleTimeOut = "));
    let mut times: Vec<&str> = times.collect();
    times.sort_unstable();
    assert_eq!(times, ["PT70.000S", "PT7200.000S"], "{listed}");
    set_from_afar(&service, "Winrs/AllowRemoteShellAccess", "false");
    assert_eq!(clients.ask("shells 1"), "fault 2150859180");
    let ran = service.run("exit 3").ended(255);
    assert!(ran.stderr.contains("0x803381AC"), "{ran:#?}");
    set_from_afar(&service, "Winrs/AllowRemoteShellAccess", "true");
    assert_eq!(clients.ask("shells 1"), "opened");
    service.run("exit 3").ended(3);
    report("PEER pypsrp 0.9.1: shells while winrm set allows them");
}

#[test]
fn as_many_users_have_shells_as_is_set() {
    if !Uid::effective().is_root() {
        report("SKIPPED as_many_users_have_shells_as_is_set: a second account needs root");
        return;
    }
    let service = Service::start(Flavour::Root);
    service.add_account("bob", "daemon").ended(0);
    let mut alice = Clients::of(&service);
    assert_eq!(alice.ask("shells 1"), "opened");
    let mut bob = Clients::start(tool::program(peers_python()), &service.url, "bob");
    set_from_afar(&service, "Winrs/MaxConcurrentUsers", "1");
    assert_eq!(bob.ask("shells 1"), "fault 2150859179");
    assert_eq!(alice.ask("shells 1"), "opened", "she is one of them");
    // Nobody needs a shell for this.
    let mut winrm = tool::winrm();
    winrm.args(["get", "winrm/config/winrs", "-fragment:MaxConcurrentUsers/text()"]);
    assert_eq!(tool::run(&mut afar(&service, winrm)).ended(0).stdout, "XmlFragment = 1\n\n");
    set_from_afar(&service, "Winrs/MaxConcurrentUsers", "2");
    assert_eq!(bob.ask("shells 1"), "opened");
    report("PEER pypsrp 0.9.1: as many users have shells as winrm set says");
}
