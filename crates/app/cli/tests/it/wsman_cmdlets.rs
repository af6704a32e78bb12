//! The cmdlets about WS-Management: the drive `WSMan:`, instances of resources, and what sets a computer up; on the service of
//! this computer through its private socket, and on another by a login.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool::{self, Ran, pssession, transom, without_terminal};

/// A program of a user whose own service is this one, and who has these settings.
fn of(command: Command, service: &Service, settings: &TempDir) -> Command {
    let mut command = command;
    command.env("TRANSOM_STATE", service.state()).env("XDG_CONFIG_HOME", settings.path());
    command
}

/// Runs a line in `pssession` on the own service.
#[track_caller]
fn line(service: &Service, settings: &TempDir, line: &str) -> Ran {
    let mut command = of(without_terminal(&pssession()), service, settings);
    tool::run(command.args(["-c", line]))
}

/// The same as JSON.
#[track_caller]
fn objects(service: &Service, settings: &TempDir, text: &str) -> Vec<Value> {
    let mut command = of(without_terminal(&pssession()), service, settings);
    let ran = tool::run(command.args(["--json", "-c", text])).ended(0);
    let read = |line: &str| serde_json::from_str(line).unwrap();
    ran.stdout.lines().map(read).collect()
}

/// The value of a setting.
#[track_caller]
fn value(service: &Service, settings: &TempDir, path: &str) -> String {
    let text = format!("(Get-Item WSMan:\\localhost\\{path}).Value");
    line(service, settings, &text).ended(0).stdout.trim_end().to_owned()
}

/// The logins that the service offers whoever has none.
fn offers(service: &Service) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", service.port)).unwrap();
    let request = "POST /wsman HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n\
                   Content-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A service that closes at once resets what it has not read; what it has said is there.
    let _closed = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let is_offer = |line: &&str| line.to_ascii_lowercase().starts_with("www-authenticate:");
    answer.lines().filter(is_offer).collect::<Vec<_>>().join("\n")
}

#[test]
fn set_item_of_the_seed_turns_basic_on_and_off_at_once() {
    for flavour in flavours() {
        // By http Basic is offered where messages may be readable.
        let service = Service::configured(flavour, "[Service]\nAllowUnencrypted = true\n");
        let settings = tool::client_settings("");
        assert!(!offers(&service).contains("Basic"));
        let seed = r"Set-Item -Path WSMan:\localhost\Service\Auth\Basic -Value $true";
        let ran = line(&service, &settings, seed).ended(0);
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
        assert!(offers(&service).contains("Basic"), "{flavour:?}");
        assert_eq!(value(&service, &settings, "Service\\Auth\\Basic"), "true");
        line(&service, &settings, r"Set-Item WSMan:/localhost/service/auth/basic false").ended(0);
        assert!(!offers(&service).contains("Basic"), "{flavour:?}");
    }
}

#[test]
fn set_items_of_the_seed_change_certificate_logins_and_encryption() {
    let (service, settings) = (Service::start(flavours()[0]), tool::client_settings(""));
    for (seed, path) in [
        (
            r"Set-Item -Path WSMan:\localhost\Service\Auth\Certificate -Value $true",
            "Service\\Auth\\Certificate",
        ),
        (
            r"Set-Item -Path WSMan:\localhost\Service\AllowUnencrypted -Value $true",
            "Service\\AllowUnencrypted",
        ),
    ] {
        assert_eq!(value(&service, &settings, path), "false");
        line(&service, &settings, seed).ended(0);
        assert_eq!(value(&service, &settings, path), "true", "{seed}");
    }
    // It counts: without the setting the service refuses readable messages.
    let own = tool::client_settings("AllowUnencrypted = true\n");
    let mut winrs = service.winrs(&["-un"]);
    let ran = tool::run(winrs.env("XDG_CONFIG_HOME", own.path()).args(["echo", "readable"]));
    assert_eq!(ran.ended(0).stdout.trim_end(), "readable");
}

#[test]
fn certificate_thumbprint_of_the_seed_is_set() {
    let (service, settings) = (Service::https(flavours()[0], ""), tool::client_settings(""));
    let shown = tool::run(&mut service.transom(&["cert", "show"])).ended(0).stdout;
    let thumbprint = shown
        .split(|letter: char| !letter.is_ascii_hexdigit())
        .find(|word| word.len() == 40)
        .unwrap()
        .to_owned();
    let seed = format!(
        "$certificate_thumbprint = \"{thumbprint}\"\n\n# set the thumbprint value\n\
         Set-Item -Path WSMan:\\localhost\\Service\\CertificateThumbprint -Value $certificate_thumbprint\n"
    );
    let mut command = of(pssession(), &service, &settings);
    tool::run_with_input(&mut command, seed.as_bytes()).ended(0);
    let set = value(&service, &settings, "Service\\CertificateThumbprint");
    assert!(set.eq_ignore_ascii_case(&thumbprint), "{set}");
}

#[test]
fn credssp_of_the_seed_is_enabled_on_the_server_and_disabled_again() {
    let (service, settings) = (Service::start(flavours()[0]), tool::client_settings(""));
    let refused = line(&service, &settings, "Enable-WSManCredSSP -Role Server").ended(1);
    assert!(refused.stderr.contains("add -Force"), "{refused:#?}");
    assert!(!offers(&service).contains("CredSSP"));
    let made = objects(&service, &settings, "Enable-WSManCredSSP -Role Server -Force");
    assert_eq!((&made[0]["CredSSP"], &made[0]["Kerberos"]), (&"true".into(), &"true".into()));
    assert!(offers(&service).contains("CredSSP"));
    let told = line(&service, &settings, "Get-WSManCredSSP").ended(0).stdout;
    insta::assert_snapshot!(told, @r"
    The machine is not configured to allow delegating fresh credentials.
    This computer is configured to receive credentials from a remote client computer.
    ");
    line(&service, &settings, "Disable-WSManCredSSP -Role Server").ended(0);
    assert!(!offers(&service).contains("CredSSP"));
    let both = line(&service, &settings, "Enable-WSManCredSSP Server -DelegateComputer a -Force");
    assert!(both.ended(1).stderr.contains("-DelegateComputer cannot be used with -Role Server"));
}

#[test]
fn credssp_of_the_client_is_a_list_in_client_toml_whose_comments_stay() {
    let settings = tool::client_settings("# mine\n[CredSSP]\nMinimumVersion = 5 # safe\n");
    let file = settings.path().join("transom/client.toml");
    let run = |text: &str| {
        let mut command = without_terminal(&pssession());
        tool::run(command.env("XDG_CONFIG_HOME", settings.path()).args(["-c", text]))
    };
    run("Enable-WSManCredSSP -Role Client -DelegateComputer *.example.com, server01 -Force")
        .ended(0);
    run("Enable-WSManCredSSP -Role Client -DelegateComputer server01, db1 -Force").ended(0);
    insta::assert_snapshot!(fs::read_to_string(&file).unwrap(), @r#"
    # mine
    [CredSSP]
    AllowFreshCredentials = ["wsman/*.example.com", "wsman/server01", "wsman/db1"]
    MinimumVersion = 5 # safe
    "#);
    assert!(
        run("Enable-WSManCredSSP Client -Force")
            .ended(1)
            .stderr
            .contains("-DelegateComputer is missing")
    );
    assert!(run("Enable-WSManCredSSP Client a/b -Force").ended(1).stderr.contains("wsman/a/b"));
    run("Disable-WSManCredSSP -Role Client").ended(0);
    assert!(fs::read_to_string(&file).unwrap().contains("AllowFreshCredentials = []"));
}

#[test]
fn client_of_the_drive_is_the_users_client_toml() {
    let (service, settings) =
        (Service::start(flavours()[0]), tool::client_settings("# own\nTrustedHosts = 'a'\n"));
    let set = |text: &str| line(&service, &settings, text);
    let refused = set(r"Set-Item WSMan:\localhost\Client\TrustedHosts b").ended(1);
    assert!(refused.stderr.contains("add -Force"), "{refused:#?}");
    assert_eq!(value(&service, &settings, "Client\\TrustedHosts"), "a");
    set(r"Set-Item WSMan:\localhost\Client\TrustedHosts -Value b,*.c -Force").ended(1);
    set(r"Set-Item WSMan:\localhost\Client\TrustedHosts -Value 'b,*.c' -Force").ended(0);
    set(r"Set-Item WSMan:\localhost\Client\TrustedHosts -Value d -Concatenate -Force").ended(0);
    assert_eq!(value(&service, &settings, "Client\\TrustedHosts"), "b,*.c,d");
    set(r"Set-Item WSMan:\localhost\Client\AllowUnencrypted $true").ended(0);
    set(r"Set-Item WSMan:\localhost\Client\NetworkDelayms 600").ended(0);
    let text = fs::read_to_string(settings.path().join("transom/client.toml")).unwrap();
    insta::assert_snapshot!(text, @r#"
    NetworkDelayms = 600
    AllowUnencrypted = true
    # own
    TrustedHosts = "b,*.c,d"
    "#);
    for (wrong, part) in [
        (r"Set-Item WSMan:\localhost\Client\TrustedHosts 'a*b' -Force", "TrustedHosts"),
        (r"Set-Item WSMan:\localhost\Client\NetworkDelayms 5", "NetworkDelayms"),
        (r"Set-Item WSMan:\localhost\Client\AllowUnencrypted maybe", "AllowUnencrypted"),
        (r"Set-Item WSMan:\localhost\Service\MaxConnections 5 -Concatenate", "-Concatenate is for"),
    ] {
        let ran = set(wrong).ended(1);
        assert!(ran.stderr.contains(part), "{wrong}: {ran:#?}");
    }
    assert_eq!(fs::read_to_string(settings.path().join("transom/client.toml")).unwrap(), text);
}

#[test]
fn drive_shows_containers_and_settings_as_powershell_does() {
    let (service, settings) = (Service::start(flavours()[0]), tool::client_settings(""));
    let show = |text: &str| line(&service, &settings, text).ended(0).stdout;
    let texts = [
        "dir WSMan:",
        r"Get-ChildItem WSMan:\localhost",
        r"dir WSMan:\localhost\Client -Recurse",
        r"dir WSMan:\localhost\Shell",
        r"Get-Item WSMan:\localhost\Service\Auth\Basic",
        r"gi WSMan:\localhost\Service\A*\K*, WSMan:\localhost\Shell",
        r"dir WSMan:\localhost\Service\DefaultPorts -Name",
    ];
    insta::assert_snapshot!(texts.map(|text| format!("> {text}\n{}\n", show(text))).concat());
}

#[test]
fn items_that_are_not_there_or_cannot_be_changed_are_named() {
    let (service, settings) = (Service::start(flavours()[0]), tool::client_settings(""));
    let show = |text: &str| line(&service, &settings, text).snapshot();
    let texts = [
        r"Get-Item C:\Windows",
        r"Get-Item WSMan:\localhost\Service\Foo",
        r"Get-Item WSMan:\localhost\Service\Foo*",
        r"Get-Item WSMan:\server01\Service",
        r"Set-Item WSMan:\localhost\Service\Auth 1",
        r"Set-Item WSMan:\localhost\Service\MaxConnections @{ a = 1 }",
        r"Remove-Item WSMan:\localhost\Service\Auth",
        r"Remove-Item WSMan:\localhost",
        r"New-Item WSMan:\localhost\Service -Address *",
        r"New-Item WSMan:\localhost\Listener -Address * -Force",
        r"New-Item WSMan:\localhost\Listener -Address * -Transport HTTP -Issuer x -Force",
        "Disconnect-WSMan",
        "Disconnect-WSMan server01",
    ];
    insta::assert_snapshot!(texts.map(|text| format!("> {text}\n{}\n", show(text))).concat());
}

#[test]
fn what_if_says_what_would_be_set_and_wrong_values_change_nothing() {
    let (service, settings) = (Service::start(flavours()[0]), tool::client_settings(""));
    let before = value(&service, &settings, "Service\\MaxConnections");
    let set = r"Set-Item WSMan:\localhost\Service\MaxConnections";
    let ran = line(&service, &settings, &format!("{set} 50 -WhatIf")).ended(0);
    assert_eq!(
        ran.stdout.trim_end(),
        "What if: Performing the operation \"Set-Item\" on target \"WSMan:\\localhost\\Service\\MaxConnections = 50\"."
    );
    line(&service, &settings, &format!("{set} none")).ended(1);
    line(&service, &settings, &format!("{set} 50 -Confirm")).ended(1);
    assert_eq!(value(&service, &settings, "Service\\MaxConnections"), before);
    line(&service, &settings, &format!("{set} 50")).ended(0);
    assert_eq!(value(&service, &settings, "Service\\MaxConnections"), "50");
}

#[test]
fn setting_of_the_administrators_file_is_shown_as_such_and_kept() {
    let service = Service::configured(flavours()[0], "[Service]\nMaxConnections = 77\n");
    let settings = tool::client_settings("");
    let item =
        &objects(&service, &settings, r"Get-Item WSMan:\localhost\Service\MaxConnections")[0];
    assert_eq!((&item["SourceOfValue"], &item["Value"]), (&"GPO".into(), &"77".into()));
    line(&service, &settings, r"Set-Item WSMan:\localhost\Service\MaxConnections 50").ended(1);
    assert_eq!(value(&service, &settings, "Service\\MaxConnections"), "77");
}

#[test]
fn instances_are_got_set_and_their_parts_too() {
    let service = Service::configured(flavours()[0], "[Service]\nAllowUnencrypted = true\n");
    let settings = tool::client_settings("");
    let one = |text: &str| objects(&service, &settings, text).remove(0);
    let config = one("Get-WSManInstance winrm/config");
    assert_eq!(
        config["PSTypeName"],
        "System.Xml.XmlElement#http://schemas.microsoft.com/wbem/wsman/1/config#Config"
    );
    assert_eq!(config["MaxTimeoutms"], "60000");
    assert_eq!(config["Service"]["Auth"]["Basic"], "false");
    let auth = one("Set-WSManInstance winrm/config/service/auth -ValueSet @{Basic=$true}");
    assert_eq!(auth["Basic"], "true");
    assert!(offers(&service).contains("Basic"));
    let part = one("Get-WSManInstance winrm/config/service -Fragment Auth/Basic");
    assert_eq!(part["Basic"], "true");
    for (wrong, part) in [
        ("Set-WSManInstance winrm/config/service/auth -ValueSet @{Foo=1}", "has no property 'Foo'"),
        ("Set-WSManInstance winrm/config/service/auth", "nothing to set"),
        ("Get-WSManInstance winrm/config/foo", ""),
        ("Get-WSManInstance config", "it has no scheme"),
        ("Get-WSManInstance winrm/config -Dialect x", "-Dialect needs a -Fragment"),
        (
            "Get-WSManInstance -Enumerate winrm/config/listener -Shallow -BasePropertiesOnly",
            "cannot be used together",
        ),
        (
            "Get-WSManInstance winrm/config -ConnectionURI http://h -ComputerName h",
            "cannot be used together",
        ),
    ] {
        let ran = line(&service, &settings, wrong).ended(1);
        assert!(ran.stderr.contains(part), "{wrong}: {ran:#?}");
    }
}

#[test]
fn instances_are_reached_on_another_computer_and_from_a_shell() {
    let service = Service::start(flavours()[0]);
    let settings = tool::client_settings("");
    let mut command = of(transom(), &service, &settings);
    let words = ["Get-WSManInstance", "winrm/config/winrs", "--json"];
    let own = tool::run(command.args(words)).ended(0).stdout;
    let mut command = of(transom(), &service, &settings);
    command.env("TRANSOM_PASSWORD", PASSWORD).env_remove("TRANSOM_STATE").args(words);
    command.args(["--computer-name", "127.0.0.1", "--credential", USER, "--port"]);
    let ran = tool::run(command.arg(service.port.to_string())).ended(0);
    assert_eq!(ran.stdout, own);
    let away = line(
        &service,
        &settings,
        "Get-WSManInstance winrm/config -ComputerName localhost -Port 1 -Credential a -ErrorAction SilentlyContinue",
    );
    away.ended(1);
}

#[test]
fn computer_is_on_the_drive_from_connect_to_disconnect() {
    let (service, settings) = (Service::start(flavours()[0]), tool::client_settings(""));
    let text = format!(
        "Connect-WSMan 127.0.0.1 -Port {} -Credential {USER}; dir WSMan: -Name; \
         (Get-Item WSMan:\\127.0.0.1\\Service\\MaxConnections).Value; \
         Set-Item WSMan:\\127.0.0.1\\Service\\MaxConnections 99; Disconnect-WSMan 127.0.0.1; dir WSMan: -Name",
        service.port
    );
    let mut command = of(pssession(), &service, &settings);
    command.env("TRANSOM_PASSWORD", PASSWORD);
    let ran = tool::run(command.args(["-c", &text])).ended(0);
    assert_eq!(ran.stdout, "localhost\n127.0.0.1\n300\nlocalhost\n");
    assert_eq!(value(&service, &settings, "Service\\MaxConnections"), "99");
}

#[test]
fn without_a_service_the_private_socket_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = pssession();
    command.env("TRANSOM_STATE", folder.path()).args(["-c", r"Get-Item WSMan:\localhost\Service"]);
    // The container itself is known; what is in it is the service's.
    tool::run(&mut command).ended(0);
    let mut command = pssession();
    command.env("TRANSOM_STATE", folder.path()).args(["-c", r"dir WSMan:\localhost\Service"]);
    let ran = tool::run(&mut command).ended(1);
    assert!(
        ran.stderr.contains("winrm.socket") || ran.stderr.contains("TRANSOM_STATE"),
        "{ran:#?}"
    );
}

#[test]
fn accounts_are_made_of_a_name_and_a_secure_string() {
    let show = |text: &str| tool::run(pssession().args(["-c", text])).snapshot();
    let texts = [
        "$p = ConvertTo-SecureString -String 'geheim' -AsPlainText -Force; $c = New-Object -TypeName \
         System.Management.Automation.PSCredential -ArgumentList 'u', $p; $c; $p",
        "ConvertTo-SecureString geheim",
        "New-Object System.Random",
        "New-Object PSCredential -ArgumentList 'u', 'plain'",
        "New-WSManSessionOption -SkipCACheck -OperationTimeout 5000",
        "New-PSTransportOption -MaxSessions 3",
        "Enable-WSManCredSSP -Role Both",
    ];
    let shown = texts.map(|text| format!("> {text}\n{}\n", show(text))).concat();
    assert!(
        !shown.replace("'geheim'", "").replace("String geheim", "").contains("geheim"),
        "{shown}"
    );
    insta::assert_snapshot!(shown);
}

#[test]
fn help_of_the_drives_cmdlets_shows_their_parameters() {
    for name in ["Set-Item", "Get-WSManInstance"] {
        let help = tool::run(transom().args([name, "-?"])).ended(0).stdout;
        insta::assert_snapshot!(name, help);
    }
}
