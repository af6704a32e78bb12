//! Lines of documentation about WinRM that people type at the prompt of `pssession`: `winrm` with its questions and its
//! editor, listeners, and the mapping of a client certificate as Ansible's guide has it.

use std::process::Command;

use nix::unistd::Uid;

use crate::service::{Flavour, PASSWORD, Service, USER, flavours};
use crate::terminal::Terminal;
use crate::tool::{self, Ran, pssession};

/// `pssession` on the computer of a service.
fn at(service: &Service) -> Command {
    let mut command = pssession();
    command.env("TRANSOM_STATE", service.state()).env("TERM", "xterm-256color");
    command
}

/// Somebody at its prompt.
fn prompt(service: &Service) -> Terminal {
    Terminal::run(&at(service))
}

/// A line at the prompt.
fn type_in(terminal: &Terminal, line: &str) {
    terminal.then("PS> ");
    terminal.type_in(&format!("{line}\r"));
}

/// A line without a terminal.
#[track_caller]
fn line(service: &Service, text: &str) -> Ran {
    tool::run(at(service).args(["-c", text]))
}

#[test]
fn editor_of_the_seed_opens_in_a_line_of_pssession_and_lets_others_in() {
    let flavour = flavours()[0];
    let service = Service::start(flavour);
    let login = |name: &str| {
        let mut winrs = tool::winrs();
        winrs.arg(format!("-r:{}", service.url)).arg(format!("-u:{name}"));
        tool::run(winrs.env("TRANSOM_PASSWORD", PASSWORD).arg("echo let in"))
    };
    // Only root's service has more accounts than one.
    if flavour == Flavour::Root {
        service.add_member("guest", "daemon", "Users").ended(0);
        let refused = login("guest").ended(255);
        assert!(refused.stderr.contains("Access is denied"), "{refused:#?}");
    }
    let mut terminal = prompt(&service);
    type_in(&terminal, "winrm configSDDL default");
    terminal.then("NT AUTHORITY\\INTERACTIVE");
    terminal.then("configSDDL> ");
    terminal.type_in("add Users\r");
    terminal.then("BUILTIN\\Users");
    terminal.then("configSDDL> ");
    terminal.type_in("save\r");
    type_in(&terminal, "exit");
    assert_eq!(terminal.code(), Some(0));
    let sddl = line(&service, r"(Get-Item WSMan:\localhost\Service\RootSDDL).Value").ended(0);
    assert!(sddl.stdout.contains("(A;;GXGR;;;BU)"), "{sddl:#?}");
    if flavour == Flavour::Root {
        assert_eq!(login("guest").ended(0).stdout.trim_end(), "let in");
    }
}

#[test]
fn service_and_listeners_of_the_seed_are_shown_in_lines_of_pssession() {
    let service = Service::start(flavours()[0]);
    let shown = line(&service, "winrm get winrm/config/Service").ended(0).stdout;
    assert!(shown.contains("AllowUnencrypted = false"), "{shown}");
    let change = r"Set-Item -Path WSMan:\localhost\Service\AllowUnencrypted -Value $true";
    let both = format!("{change}\nwinrm get winrm/config/Service");
    let shown = line(&service, &both).ended(0).stdout;
    assert!(shown.contains("AllowUnencrypted = true"), "{shown}");
    let shown = line(&service, "winrm enumerate winrm/config/Listener").ended(0).stdout;
    assert!(
        shown.starts_with("Listener [Source=\"GPO\"]\n    Address = IP:127.0.0.1\n"),
        "{shown}"
    );
    assert!(shown.contains("ListeningOn = 127.0.0.1"), "{shown}");
}

/// Whether the service answers on this port of the network that it has for itself.
fn answers(service: &Service, port: u16) -> bool {
    let mut curl = tool::program("nsenter");
    curl.arg(format!("--net=/proc/{}/ns/net", service.spawner()));
    curl.args(["curl", "--silent", "--max-time", "20", "--output", "/dev/null"]);
    curl.args(["--write-out", "%{http_code}", "--data-binary", ""]);
    let ran = tool::run(curl.arg(format!("http://127.0.0.1:{port}/wsman")));
    ran.code() == 0 && ran.stdout == "401"
}

#[test]
fn quickconfig_and_the_listeners_port_of_the_seeds_are_typed_at_the_prompt() {
    if !Uid::effective().is_root() {
        testkit::report(
            "SKIPPED quickconfig_and_the_listeners_port: only root gives a service a network of its own",
        );
        return;
    }
    // In a network of its own the default ports are free.
    let own = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];
    let service = Service::start_by(Flavour::Root, &own);
    assert!(!answers(&service, 5985));
    let mut terminal = prompt(&service);
    type_in(&terminal, "winrm quickconfig");
    terminal.then("Make these changes [y/n]? ");
    terminal.type_in("y\r");
    terminal.then("WinRM has been updated for remote management.");
    type_in(&terminal, "winrm enumerate winrm/config/Listener");
    terminal.then("Address = *");
    terminal.then("Port = 5985");
    assert!(answers(&service, 5985));
    type_in(&terminal, "winrm delete winrm/config/listener?Address=*+Transport=HTTP");
    type_in(
        &terminal,
        "winrm create winrm/config/listener?Address=*+Transport=HTTP @{Port=\"8888\"}",
    );
    terminal.then("ResourceCreated");
    type_in(&terminal, "winrm quickconfig");
    terminal.then("WinRM is already set up for remote management on this computer.");
    type_in(&terminal, "exit");
    assert_eq!(terminal.code(), Some(0));
    assert!(answers(&service, 8888) && !answers(&service, 5985));
}

#[test]
fn client_certificate_of_the_seed_is_mapped_at_the_prompt_and_logs_in() {
    let service = Service::https(flavours()[0], "");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("cert.pem"), path("cert.key"));
    let new =
        ["cert", "new-client", "username@localhost", "--out", &certificate, "--key-out", &key];
    tool::run(tool::transom().args(new)).ended(0);
    let shown = tool::run(tool::transom().args(["cert", "show", "--file", &certificate])).ended(0);
    let thumbprint = shown.stdout.split_whitespace().nth(1).unwrap();
    let import = ["cert", "import", "--trusted-people", &certificate];
    tool::run(&mut service.transom(&import)).ended(0);
    let login = || {
        let mut winrs = tool::winrs();
        winrs.arg(format!("-r:https://localhost:{}", service.port)).arg("--ca");
        winrs.arg(service.certificate()).args(["--certificate", &certificate, "--key", &key]);
        tool::run(winrs.args(["--", "echo in"]))
    };
    login().ended(255);
    let mut terminal = prompt(&service);
    type_in(&terminal, r"Set-Item -Path WSMan:\localhost\Service\Auth\Certificate -Value $true");
    type_in(&terminal, &format!("$username = \"{USER}\""));
    let secure =
        format!("$password = ConvertTo-SecureString -String \"{PASSWORD}\" -AsPlainText -Force");
    type_in(&terminal, &secure);
    type_in(
        &terminal,
        "$credential = New-Object -TypeName System.Management.Automation.PSCredential -ArgumentList $username, $password",
    );
    type_in(&terminal, &format!("$thumbprint = \"{thumbprint}\""));
    type_in(&terminal, r"New-Item -Path WSMan:\localhost\ClientCertificate `");
    // Its last line ends with a backtick: nothing follows.
    for line in [
        "    -Subject \"username@localhost\" `",
        "    -URI * `",
        "    -Issuer $thumbprint `",
        "    -Credential $credential `",
        "",
    ] {
        terminal.then(">> ");
        terminal.type_in(&format!("{line}\r"));
    }
    terminal.then("Do you want to continue?");
    terminal.type_in("y\r");
    terminal.then("Subject=username@localhost");
    type_in(&terminal, "exit");
    assert_eq!(terminal.code(), Some(0));
    assert_eq!(login().ended(0).stdout, "in\n");
    let removed = r"Remove-Item WSMan:\localhost\ClientCertificate\* -Recurse -Force";
    line(&service, removed).ended(0);
    login().ended(255);
}
