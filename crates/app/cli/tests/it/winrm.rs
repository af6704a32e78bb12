//! `winrm` by itself and against our service: its help, its errors, the settings of clients, shells as resources.

use std::fs;
use std::process::Command;

use crate::service::{Flavour, PASSWORD, Service, USER};
use crate::tool::{self, Ran, client_settings};

/// Runs `winrm` with these words.
#[track_caller]
fn winrm(words: &[&str]) -> Ran {
    tool::run(tool::winrm().args(words))
}

/// `winrm` against a service, as its account.
fn at(service: &Service, words: &[&str]) -> Command {
    let mut command = tool::winrm();
    command.args(words).arg(format!("-r:{}", service.url)).arg(format!("-u:{USER}"));
    command.env("TRANSOM_PASSWORD", PASSWORD);
    command
}

/// `winrm` on the computer of a service, as whoever runs the tests.
fn here(service: &Service, words: &[&str]) -> Command {
    let mut command = tool::winrm();
    command.args(words).env("TRANSOM_STATE", service.state());
    command
}

/// Commands one after the other, with their whole output.
fn told(service: &Service, lines: &[&[&str]]) -> String {
    let one = |words: &&[&str]| {
        format!(
            "=== winrm {}\n{}",
            words.join(" "),
            tool::run(&mut here(service, words)).snapshot()
        )
    };
    let whole: String = lines.iter().map(one).collect();
    // Faults name the computer.
    let machine = nix::unistd::gethostname().unwrap();
    whole.replace(&format!("Machine=\"{}\"", machine.display()), "Machine=\"HERE\"")
}

/// Ids, times and numbers of processes are others each time.
fn masked(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let (name, value) = line.split_once(" = ").unwrap_or((line, ""));
        let is_other =
            ["ShellId", "ProcessId", "ShellRunTime", "ShellInactivity", "MemoryUsed", "Name"];
        if is_other.contains(&name.trim()) && !value.is_empty() {
            out.push_str(&format!("{name} = …\n"));
        } else {
            out.push_str(&format!("{line}\n"));
        }
    }
    out
}

#[test]
fn every_topic_of_the_help_is_there() {
    let mut whole = String::new();
    let topics = [
        "",
        "get",
        "set",
        "create",
        "delete",
        "enumerate",
        "invoke",
        "identify",
        "quickconfig",
        "configsddl",
        "helpmsg",
        "uris",
        "aliases",
        "config",
        "certmapping",
        "customremoteshell",
        "remoting",
        "auth",
        "input",
        "switches",
        "proxy",
        "filters",
    ];
    for topic in topics {
        let ran = if topic.is_empty() { winrm(&["-?"]) } else { winrm(&["help", topic]) }.ended(0);
        whole.push_str(&format!("=== winrm help {topic}\n{}", ran.stdout));
        assert_eq!(ran.stderr, "");
    }
    insta::assert_snapshot!(whole);
    let general = winrm(&["-?"]).stdout;
    for words in [&["help"][..], &["/?"], &[]] {
        assert_eq!(winrm(words).ended(0).stdout, general);
    }
    for topic in &topics[1..11] {
        assert_eq!(
            winrm(&[topic, "-?"]).ended(0).stdout,
            winrm(&["help", topic]).stdout,
            "{topic}"
        );
    }
    assert_eq!(tool::run(tool::transom().args(["winrm", "-?"])).ended(0).stdout, general);
}

#[test]
fn link_named_winrm_is_winrm() {
    let folder = tempfile::tempdir().unwrap();
    let made = tool::run(tool::transom().arg("links").arg(folder.path())).ended(0).stdout;
    assert!(made.contains("/winrm\n"));
    let ran = tool::run(tool::program(folder.path().join("winrm")).args(["helpmsg", "5"])).ended(0);
    assert_eq!(ran.stdout, winrm(&["helpmsg", "5"]).stdout);
}

#[test]
fn mistakes_on_the_command_line_are_told() {
    let mut whole = String::new();
    for words in [
        &["fetch", "winrm/config"][..],
        &["get"],
        &["get", "winrm/config", "-pasword:geheim"],
        &["get", "winrm/config", "-r:a", "-machine:b"],
        &["set", "winrm/config"],
        &["set", "winrm/config", "@{MaxEnvelopeSizekb"],
        &["get", "winrm/config", "@{A=\"1\"}"],
        &["get", "winrm/config", "-format:html"],
        &["get", "winrm/config", "-r:h", "-a:basic"],
        &["get", "winrm/config?Name"],
        &["create", "http://a.test/*", "-r:h", "-u:a"],
        &["help", "nothing"],
    ] {
        let ran = tool::run(tool::winrm().args(words).env("TRANSOM_PASSWORD", "x")).ended(1);
        whole.push_str(&format!("=== winrm {}\n{}", words.join(" "), ran.stderr));
        assert_eq!(ran.stdout, "");
        assert!(!ran.stderr.contains("geheim"));
    }
    insta::assert_snapshot!(whole);
}

#[test]
fn meaning_of_an_error_is_told_for_every_form_of_its_number() {
    let text = winrm(&["helpmsg", "0x80338029"]).ended(0).stdout;
    insta::assert_snapshot!(text);
    assert_eq!(winrm(&["helpmsg", "2150858793"]).ended(0).stdout, text);
    assert_eq!(winrm(&["helpmsg", "-2144108503"]).ended(0).stdout, text);
    assert_eq!(winrm(&["helpmsg", "nothing"]).ended(0).stdout, winrm(&["help", "helpmsg"]).stdout);
    assert_eq!(
        winrm(&["helpmsg", "0x12345"]).ended(0).stdout,
        "There is no text for this number.\n"
    );
}

#[test]
fn endpoint_where_nobody_listens_has_windows_number() {
    let words = ["get", "winrm/config", "-r:http://127.0.0.1:1", "-u:a"];
    let ran = tool::run(tool::winrm().args(words).env("TRANSOM_PASSWORD", "x"));
    insta::assert_snapshot!(ran.ended(1).snapshot());
}

#[test]
fn settings_of_clients_are_the_users_own_and_are_obeyed() {
    let folder = client_settings("# mine\nTrustedHosts = \"a.test\" # those\n");
    let own =
        |words: &[&str]| tool::run(tool::winrm().args(words).env("XDG_CONFIG_HOME", folder.path()));
    let mut whole = String::new();
    for words in [
        &["get", "winrm/config/client"][..],
        &[
            "set",
            "winrm/config/client",
            "@{TrustedHosts=\"b.test,*.c.test\";AllowUnencrypted=\"true\"}",
        ],
        &["set", "winrm/config/Client/Auth", "@{Basic=\"false\"}"],
        &["set", "winrm/config/client/DefaultPorts", "@{HTTP=\"1\"}"],
        &["get", "winrm/config/client/auth", "-format:json"],
        &["set", "winrm/config/client", "@{NetworkDelayms=\"1\"}"],
        &["set", "winrm/config/client", "@{Nothing=\"1\"}"],
    ] {
        whole.push_str(&format!("=== winrm {}\n{}", words.join(" "), own(words).snapshot()));
    }
    let file = fs::read_to_string(folder.path().join("transom/client.toml")).unwrap();
    whole.push_str(&format!("=== client.toml\n{file}"));
    insta::assert_snapshot!(whole);
    // They hold for every command: the port for a bare name, and a login that is not allowed.
    let words = ["identify", "-r:127.0.0.1", "-u:a"];
    let ran = |words: &[&str]| {
        let mut command = tool::winrm();
        command.args(words).env("XDG_CONFIG_HOME", folder.path()).env("TRANSOM_PASSWORD", "x");
        tool::run(&mut command).ended(1).stderr
    };
    assert!(ran(&words).contains("127.0.0.1:1"), "{}", ran(&words));
    for words in [
        "Test-WSMan 127.0.0.1",
        "Get-WSManInstance winrm/config -ComputerName 127.0.0.1 -Credential a",
        "New-PSSession 127.0.0.1 -Credential a",
        "doctor 127.0.0.1",
    ] {
        let mut command = tool::transom();
        command.args(words.split(' ')).env("XDG_CONFIG_HOME", folder.path());
        command.env("XDG_STATE_HOME", folder.path()).env("TRANSOM_PASSWORD", "x");
        let ran = tool::run(&mut command).ended(1);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("127.0.0.1:1"), "{words}: {said}");
    }
    let refused = ran(&["identify", "-r:127.0.0.1", "-u:a", "-a:basic"]);
    assert!(refused.contains("0x803380DF") && refused.contains("disabled"), "{refused}");
}

#[test]
fn service_says_what_it_is_with_and_without_a_login() {
    let service = Service::start(Flavour::Unprivileged);
    let with = tool::run(&mut at(&service, &["id"])).ended(0).stdout;
    assert!(with.starts_with(
        "IdentifyResponse\n    ProtocolVersion = http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd\n"
    ));
    let words = ["id", &format!("-r:{}", service.url), "-auth:none"];
    let without = winrm(&words).ended(0).stdout;
    assert!(without.contains("OS: 0.0.0 SP: 0.0 Stack: 3.0") && with != without, "{without}");
    let refused = winrm(&["get", "winrm/config", words[1], "-auth:none"]).ended(1).stderr;
    assert!(refused.contains("for identify alone"), "{refused}");
}

#[test]
fn shells_are_listed_shown_and_ended() {
    let service = Service::start(Flavour::Unprivileged);
    let mut running =
        tool::spawn(service.winrs(&["echo here; sleep 600"]).stdout(std::process::Stdio::piped()));
    let mut first = [0; 5];
    std::io::Read::read_exact(running.stdout.as_mut().unwrap(), &mut first).unwrap();
    let listed = tool::run(&mut at(&service, &["enumerate", "shell"])).ended(0).stdout;
    insta::assert_snapshot!("winrm_enumerate_shell", masked(&listed));
    let id = listed.lines().find_map(|line| line.trim().strip_prefix("ShellId = ")).unwrap();
    let shell = format!("shell/cmd?ShellId={id}");
    let references =
        tool::run(&mut at(&service, &["e", "shell", "-returntype:epr"])).ended(0).stdout;
    assert!(references.contains(&format!("Selector: ShellId = {id}")), "{references}");
    let xml = tool::run(&mut at(&service, &["e", "shell", "-format:pretty"])).ended(0).stdout;
    assert!(xml.starts_with("<wsman:Results") && xml.ends_with("</wsman:Results>\n"), "{xml}");
    let filter = format!("-filter:{{ShellId=\"{id}\"}}");
    let words = ["e", "shell", "-dialect:selector", &filter, "-format:json"];
    let json = tool::run(&mut at(&service, &words)).ended(0).stdout;
    assert_eq!(json.lines().count(), 1, "{json}");
    let ended = tool::run(&mut at(&service, &["delete", &shell])).ended(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    let gone = tool::run(&mut at(&service, &["delete", &shell])).ended(1);
    insta::assert_snapshot!("winrm_delete_shell_that_is_gone", gone.stderr.replace(id, "…"));
    assert_eq!(tool::run(&mut at(&service, &["e", "shell"])).ended(0).stdout, "");
    assert_ne!(running.wait().unwrap().code(), Some(0));
}

#[test]
fn root_on_the_machine_lists_and_ends_everybodys_shells() {
    let service = Service::start(Flavour::Unprivileged);
    let mut running =
        tool::spawn(service.winrs(&["echo here; sleep 600"]).stdout(std::process::Stdio::piped()));
    let mut first = [0; 5];
    std::io::Read::read_exact(running.stdout.as_mut().unwrap(), &mut first).unwrap();
    let listed = tool::run(&mut here(&service, &["enumerate", "shell"])).ended(0).stdout;
    assert!(listed.contains("Owner = alice"), "{listed}");
    let id = listed.lines().find_map(|line| line.trim().strip_prefix("ShellId = ")).unwrap();
    let shell = format!("shell/cmd?ShellId={id}");
    tool::run(&mut here(&service, &["get", &format!("shell?ShellId={id}")])).ended(0);
    tool::run(&mut here(&service, &["delete", &shell])).ended(0);
    assert_ne!(running.wait().unwrap().code(), Some(0));
    service.has_said("outcome=\"deleted\"");
    service.has_said("owner=\"alice\"");
    assert_eq!(tool::run(&mut here(&service, &["e", "shell"])).ended(0).stdout, "");
}

#[test]
fn configuration_of_this_computer_is_shown_changed_and_restored() {
    let service = Service::configured(Flavour::Unprivileged, "MaxTimeoutms = 50000\n");
    let whole = tool::run(&mut here(&service, &["get", "winrm/config"])).ended(0).stdout;
    insta::assert_snapshot!("winrm_get_config", whole);
    let again = |words: &[&str]| tool::run(&mut here(&service, words));
    insta::assert_snapshot!(
        "winrm_change_config",
        told(
            &service,
            &[
                &[
                    "set",
                    "winrm/config",
                    "@{MaxEnvelopeSizekb=\"600\"}",
                    "-fragment:MaxEnvelopeSizekb"
                ],
                &["get", "winrm/config/service/auth"],
                &["set", "winrm/config/service/auth", "@{Basic=\"true\"}"],
                &["get", "winrm/config/service", "-fragment:Auth/Basic/text()"],
                &["set", "winrm/config/winrs", "@{MaxShellsPerUser=\"7\"}", "-format:pretty"],
                &["get", "winrm/config/winrs", "-format:json"],
                &["set", "winrm/config", "@{MaxEnvelopeSizekb=\"1\"}"],
                &["set", "winrm/config", "@{MaxEnvelopeSizekb=\"many\"}", "-format:xml"],
                &["set", "winrm/config", "@{MaxTimeoutms=\"60000\"}"],
                &["set", "winrm/config/winrs", "@{MaxShellRunTime=\"1\"}"],
                &["get", "winrm/config/nothing"],
                &["invoke", "Nothing", "winrm/config"],
                &["invoke", "Restore", "winrm/config", "@{}"],
            ],
        )
    );
    assert_eq!(again(&["get", "winrm/config"]).ended(0).stdout, whole);
}

#[test]
fn listeners_are_made_listed_changed_and_removed_while_the_service_runs() {
    let service = Service::start(Flavour::Unprivileged);
    let free = std::net::TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap().port();
    let uri = "winrm/config/Listener?Address=IP:127.0.0.2+Transport=HTTP";
    let port = format!("@{{Port=\"{free}\"}}");
    let lines: [&[&str]; 8] = [
        &["create", uri, &port],
        &["get", uri],
        &["set", uri, "@{URLPrefix=\"manage\"}"],
        &["create", uri, &port],
        &["delete", uri],
        &["get", uri],
        &[
            "create",
            "winrm/config/Listener?Address=IP:127.0.0.2+Transport=HTTPS",
            "@{Hostname=\"h.test\";CertificateThumbprint=\"0123456789012345678901234567890123456789\"}",
        ],
        &["enumerate", "winrm/config/listener", "-returntype:epr"],
    ];
    let told = told(&service, &lines).replace(&free.to_string(), "PORT");
    insta::assert_snapshot!(told);
}

#[test]
fn quickconfig_asks_says_what_it_did_and_finds_nothing_more_to_do() {
    if !nix::unistd::Uid::effective().is_root() {
        testkit::report(
            "SKIPPED quickconfig_asks_says_what_it_did: only root gives a service a network of its own",
        );
        return;
    }
    // In a network of its own the default ports are free.
    let own = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];
    let service = Service::start_by(Flavour::Root, &own);
    let mut whole = String::new();
    for (words, input) in [
        (&["quickconfig"][..], "what\nn\n"),
        (&["quickconfig"], ""),
        (&["quickconfig"], "y\n"),
        (&["qc", "-q"], ""),
        (&["quickconfig", "-transport:https", "-quiet"], ""),
        (&["enumerate", "winrm/config/listener"], ""),
    ] {
        let ran = tool::run_with_input(&mut here(&service, words), input.as_bytes());
        whole.push_str(&format!("=== winrm {} <<< {input:?}\n{}", words.join(" "), ran.snapshot()));
    }
    let port = service.port.to_string();
    insta::assert_snapshot!(whole.replace(&format!("Port = {port}"), "Port = PORT"));
}

#[test]
fn computer_without_a_service_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let ran =
        tool::run(tool::winrm().args(["get", "winrm/config"]).env("TRANSOM_STATE", folder.path()));
    insta::assert_snapshot!(
        ran.ended(1).snapshot().replace(folder.path().to_str().unwrap(), "STATE")
    );
}
