//! The example lines of Microsoft's reference for `winrs`, as the words that Windows's shell makes of them, on the real
//! program; and what the reference says happens without a switch.

use nix::unistd::{Uid, User};

use crate::service::{Service, flavours, local_user};
use crate::tool::{self, Ran, winrs, without_terminal};

/// The words of each line.
pub(crate) const EXAMPLES: [&[&str]; 11] = [
    &["/r:https://contoso.com", "command"],
    &["/r:contoso.com", "/usessl", "command"],
    &["/r:myserver", "command"],
    &["/r:http://127.0.0.1", "command"],
    &["/r:http://169.51.2.101:80", "/unencrypted", "command"],
    &["/r:https://[::FFFF:129.144.52.38]", "command"],
    &["/r:http://[1080:0:0:0:8:800:200C:417A]:80", "command"],
    &["/r:https://contoso.com", "/t:600", "/u:administrator", "/p:$%fgh7", "ipconfig"],
    &["/r:myserver", r"/env:path=%path%;c:\tools", r"/env:TEMP=d:\temp", "config.cmd"],
    &[
        "/r:myserver",
        "netdom",
        "join",
        "myserver",
        "/domain:testdomain",
        "/userd:johns",
        "/passwordd:$%fgh789",
    ],
    &["/r:myserver", "/ad", "/u:administrator", "/p:$%fgh7", "dir", r"\\anotherserver\share"],
];

/// A line with https. Without a user it ends before a host is asked anything, as these hosts exist.
#[track_caller]
fn understood(line: usize) {
    let ran = tool::run(&mut without_terminal(winrs().args(EXAMPLES[line - 1]))).ended(255);
    names(&ran, "No user name");
}

/// The words of a line, with a user after the first where it has none.
fn words(line: usize) -> Vec<&'static str> {
    let mut words = EXAMPLES[line - 1].to_vec();
    if !words.iter().any(|word| word.starts_with("/u:")) {
        words.splice(1..1, ["/u:alice", "/p:geheim"]);
    }
    words
}

/// Runs a line that cannot come further than to a host that is not there or not trusted.
#[track_caller]
fn refused(line: usize) -> Ran {
    let ran = tool::run(&mut without_terminal(winrs().args(words(line)))).ended(255);
    assert!(ran.stdout.is_empty(), "{ran:#?}");
    for mistake in ["nknown switch", "needs a value", "takes no value", "No command line"] {
        assert!(!ran.stderr.contains(mistake), "{ran:#?}");
    }
    ran
}

/// Runs a line on a real service instead of its host.
#[track_caller]
fn on(service: &Service, line: usize) -> Ran {
    tool::run(&mut service.winrs(&EXAMPLES[line - 1][1..]))
}

#[track_caller]
fn names(ran: &Ran, part: &str) {
    assert!(ran.stderr.contains(part), "{part}: {ran:#?}");
}

#[test]
fn example_1_means_https() {
    understood(1);
}

#[test]
fn example_2_means_tls_to_a_bare_name() {
    understood(2);
}

#[test]
fn example_3_means_the_default_port() {
    names(&refused(3), "on myserver:5985)");
}

#[test]
fn example_4_means_port_80() {
    // Whoever listens there, if anybody does, knows no such user.
    names(&refused(4), "on 127.0.0.1:80)");
}

#[test]
fn example_5_leaves_messages_unencrypted_where_both_sides_allow_it() {
    // Without consent nothing is sent anywhere.
    let ran = refused(5);
    names(&ran, "on 169.51.2.101:80)");
    names(&ran, "unencrypted traffic is disabled in the client's settings");

    let folder = tool::client_settings("AllowUnencrypted = true\n");
    let service = Service::configured(flavours()[0], "[Service]\nAllowUnencrypted = true\n");
    let mut command = service.winrs(&[EXAMPLES[4][1], "-v", "echo command"]);
    let ran = tool::run(command.env("XDG_CONFIG_HOME", folder.path())).ended(0);
    assert_eq!(ran.stdout, "command\n");
    names(&ran, "messages are readable by others");
}

#[test]
fn example_6_means_https_to_an_ipv6_address() {
    understood(6);
}

#[test]
fn example_7_means_an_ipv6_address_and_its_port() {
    names(&refused(7), "on [1080:0:0:0:8:800:200C:417A]:80)");
}

#[test]
fn example_8_takes_user_password_and_the_old_timeout() {
    let service = Service::start(flavours()[0]);
    let mut command = winrs();
    command.arg(format!("/r:{}", service.url)).args(["/t:600", "/u:alice"]);
    command.arg(format!("/p:{}", crate::service::PASSWORD)).args(["echo", "ipconfig"]);
    assert_eq!(tool::run(&mut command).ended(0).stdout, "ipconfig\n");
}

#[test]
fn example_9_sets_both_variables_for_the_command() {
    names(&refused(9), "on myserver:5985)");
    let service = Service::start(flavours()[0]);
    // The reference's config.cmd is nowhere: the shell says so.
    names(&on(&service, 9).ended(127), "config.cmd");
    let words = [&EXAMPLES[8][1..3], &["env"]].concat();
    let ran = tool::run(&mut service.winrs(&words)).ended(0);
    let value = |name: &str| ran.stdout.lines().find_map(|line| line.strip_prefix(name));
    assert_eq!(value("path=").unwrap(), format!(r"{};c:\tools", value("PATH=").unwrap()));
    assert_eq!(value("TEMP=").unwrap(), r"d:\temp");
}

#[test]
fn example_10_passes_the_commands_own_switches_on() {
    let service = Service::start(flavours()[0]);
    names(&on(&service, 10).ended(127), "netdom");
    let line = r#"line="netdom join myserver /domain:testdomain /userd:johns /passwordd:$%fgh789""#;
    tool::until("the line is in the log", || service.log().contains(line));
}

#[test]
fn example_11_says_that_credentials_are_not_passed_on() {
    let ran = refused(11);
    names(&ran, "No credentials can be delegated: the user name has no realm");
    names(&ran, "USER@REALM");
    assert!(!ran.stderr.contains("fgh7"), "{ran:#?}");
}

#[test]
fn without_remote_the_host_is_this_one() {
    let ran = tool::run(winrs().args(["--json", "/u:a", "/p:b", "/auth:basic", "id"])).ended(255);
    assert!(ran.stdout.contains(r#""host":"localhost:5985""#), "{ran:#?}");
}

#[test]
fn without_directory_a_command_begins_in_the_users_home() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        let home: User = local_user(flavour);
        let user_may = Uid::effective().is_root() || home.uid == Uid::effective();
        let home = if home.dir.is_dir() && user_may { home.dir } else { "/".into() };
        let ran = service.run("pwd").ended(0);
        assert_eq!(ran.stdout.trim_end(), home.to_str().unwrap(), "{flavour:?}");
    }
}
