//! The cmdlets about session configurations, and the lines of the seeds that mix cmdlets with `winrm`.

use std::net::{TcpListener, TcpStream};

use crate::invoke::Host;
use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool::{self, Ran, pssession, without_terminal};

/// Runs a line in `pssession` on the service as its own computer's.
#[track_caller]
fn line(service: &Service, text: &str) -> Ran {
    let mut command = without_terminal(&pssession());
    command.env("TRANSOM_STATE", service.state());
    tool::run(command.args(["-c", text]))
}

#[test]
fn session_configurations_are_registered_changed_and_removed() {
    let service = Service::start(flavours()[0]);
    let texts = [
        "Get-PSSessionConfiguration",
        "Register-PSSessionConfiguration Reports",
        "Register-PSSessionConfiguration Reports -AccessMode Local -TransportOption @{MaxSessionsPerUser=3} -Force",
        "Register-PSSessionConfiguration reports -Force",
        "(Get-PSSessionConfiguration Rep*).MaxShellsPerUser",
        "Set-PSSessionConfiguration Reports -AccessMode Remote -SecurityDescriptorSddl 'O:NSG:BAD:P(A;;GA;;;BA)' -Force",
        "Disable-PSSessionConfiguration Reports -Force; (Get-PSSessionConfiguration Reports).Enabled",
        "Enable-PSSessionConfiguration Reports -Force; Get-PSSessionConfiguration Reports",
        "Set-PSSessionConfiguration Reports -SecurityDescriptorSddl nonsense -Force",
        "Unregister-PSSessionConfiguration Reports -WhatIf",
        "Unregister-PSSessionConfiguration Reports -Force; Get-PSSessionConfiguration Reports",
    ];
    let show = |text: &str| format!("> {text}\n{}\n", line(&service, text).snapshot());
    insta::assert_snapshot!(texts.map(show).concat());
}

#[test]
fn commands_run_in_configurations_that_are_registered_and_enabled_alone() {
    let host = Host::start();
    let script = host.line("localhost", "-ConfigurationName Reports -ScriptBlock { 'in' }");
    let refused = |why: &str| {
        let ran = host.run(&script).ended(1);
        assert!(ran.stderr.contains(why), "{why}: {}", ran.stderr);
    };
    let change = |text: &str| drop(line(&host.service, text).ended(0));
    refused("Cannot find the Reports session configuration");
    change("Register-PSSessionConfiguration Reports -Force");
    assert_eq!(host.run(&script).ended(0).stdout, "in\n");
    change("Disable-PSSessionConfiguration Reports -Force");
    refused("or it is not enabled");
    change("Enable-PSSessionConfiguration Reports -Force");
    assert_eq!(host.run(&script).ended(0).stdout, "in\n");
    change("Set-Item WSMan:/localhost/Plugin/Reports/Quotas/MaxShells 1 -Force");
    change("Unregister-PSSessionConfiguration Reports -Force");
    refused("Cannot find the Reports session configuration");
}

#[test]
fn remoting_is_disabled_for_the_network_and_enabled_again() {
    let service = Service::start(flavours()[0]);
    let permission = || {
        let text = "(Get-PSSessionConfiguration microsoft.powershell).Permission";
        line(&service, text).ended(0).stdout
    };
    let before = permission();
    assert!(line(&service, "Disable-PSRemoting").ended(1).stderr.contains("add -Force"));
    line(&service, "Disable-PSRemoting -Force").ended(0);
    assert!(permission().starts_with("NT AUTHORITY\\NETWORK AccessDenied, "), "{}", permission());
    line(&service, "Enable-PSSessionConfiguration -Force").ended(0);
    assert_eq!(permission(), before);
}

#[test]
fn plug_ins_are_on_the_drive_with_their_quotas_and_security() {
    let service = Service::start(flavours()[0]);
    let plugin = r"WSMan:\localhost\Plugin\microsoft.powershell";
    let texts = [
        r"dir WSMan:\localhost\Plugin".to_owned(),
        format!("Get-ChildItem {plugin}"),
        format!(
            "Set-Item {plugin}\\Quotas\\MaxShellsPerUser 7; (gi {plugin}\\Quotas\\MaxShellsPerUser).Value"
        ),
        format!("Set-Item {plugin}\\Resources\\*\\Security\\*\\Sddl 'O:NSG:BAD:P(A;;GA;;;BA)'"),
        format!(
            "Set-Item {plugin}\\Resources\\*\\Security\\*\\Sddl 'O:NSG:BAD:P(A;;GA;;;BA)' -Force"
        ),
        "(Get-PSSessionConfiguration microsoft.powershell).Permission".to_owned(),
        format!("Set-Item {plugin}\\Name x"),
    ];
    let show = |text: &String| format!("> {text}\n{}\n", line(&service, text).snapshot());
    insta::assert_snapshot!(texts.iter().map(show).collect::<String>());
}

#[test]
fn winrm_lines_of_the_seed_run_among_cmdlets() {
    let service = Service::start(flavours()[0]);
    let ran = line(&service, "winrm get winrm/config/Service").ended(0);
    assert!(ran.stdout.starts_with("Service\n    RootSDDL = "), "{ran:#?}");
    let text = "winrm set winrm/config/service/auth @{Basic=\"true\"}; $lines = winrm get winrm/config/service/auth; $lines.Count; $lines";
    let ran = line(&service, text).ended(0);
    assert!(ran.stdout.contains("\n8\nAuth\n    Basic = true\n"), "{ran:#?}");
    let failed = line(&service, "winrm get winrm/config/foo").ended(1);
    assert!(failed.stderr.contains("Error number:"), "{failed:#?}");
    assert!(line(&service, "'x' | winrm id").ended(1).stderr.contains("nothing can be piped"));
}

/// A port that nobody listens on at 127.0.0.2.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.2", 0)).unwrap().local_addr().unwrap().port()
}

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.2", port)).is_ok()
}

#[test]
fn listeners_are_made_changed_and_removed_on_the_drive() {
    let service = Service::start(flavours()[0]);
    let (first, second) = (free_port(), free_port());
    let make = format!(
        r"New-Item -Path WSMan:\localhost\Listener -Transport HTTP -Address IP:127.0.0.2 -Port {first}"
    );
    assert!(line(&service, &make).ended(1).stderr.contains("add -Force"));
    let made = line(&service, &format!("{make} -Force")).ended(0).stdout;
    assert!(made.contains("{Transport=HTTP, Address=IP:127.0.0.2}"), "{made}");
    assert!(answers(first));
    let listener = r"(dir WSMan:\localhost\Listener -Name)";
    let names = line(&service, listener).ended(0).stdout;
    assert_eq!(names.lines().count(), 2, "{names}");
    let own = names.lines().find(|name| made.contains(*name)).unwrap();
    let port = format!(r"Set-Item WSMan:\localhost\Listener\{own}\Port {second}");
    line(&service, &port).ended(0);
    assert!(answers(second) && !answers(first));
    line(&service, &format!("{make} -Force")).ended(1);
    // Its name follows from its port.
    let remove = "Get-ChildItem WSMan:\\localhost\\Listener | Remove-Item -Recurse -Force";
    let ran = line(&service, remove);
    assert!(!answers(second), "{ran:#?}");
    assert_eq!(line(&service, listener).ended(0).stdout.lines().count(), 1);
}

#[test]
fn listeners_are_instances_too() {
    let service = Service::start(flavours()[0]);
    let port = free_port();
    let keys = "-SelectorSet @{Transport='HTTP';Address='IP:127.0.0.2'}";
    let text = format!(
        "$made = New-WSManInstance winrm/config/Listener {keys} -ValueSet @{{Port={port}}}; \
         $made.ReferenceParameters.ResourceURI; (Get-WSManInstance winrm/config/listener {keys}).Port; \
         (Get-WSManInstance -Enumerate winrm/config/listener).Count; \
         (Get-WSManInstance -Enumerate winrm/config/listener -ReturnType epr).Count"
    );
    let ran = line(&service, &text).ended(0);
    let uri = "http://schemas.microsoft.com/wbem/wsman/1/config/listener";
    assert_eq!(ran.stdout.to_lowercase(), format!("{uri}\n{port}\n2\n2\n"));
    assert!(answers(port));
    line(&service, &format!("Remove-WSManInstance winrm/config/Listener {keys}")).ended(0);
    assert!(!answers(port));
    line(&service, &format!("Remove-WSManInstance winrm/config/Listener {keys}")).ended(1);
}

#[test]
fn quick_config_says_what_is_set_up_already() {
    let service = Service::start(flavours()[0]);
    assert!(line(&service, "Set-WSManQuickConfig").ended(1).stderr.contains("add -Force"));
    let ran = line(&service, "Set-WSManQuickConfig -Force").ended(0);
    assert!(
        ran.stdout.starts_with("WinRM is already set up to receive requests on this computer.\n"),
        "{ran:#?}"
    );
    assert!(ran.stdout.contains("for remote management"), "{ran:#?}");
}

#[test]
fn client_certificate_of_the_seed_is_mapped_to_the_account() {
    let service = Service::start(flavours()[0]);
    let script = format!(
        "$username = \"{USER}\"\n$password = ConvertTo-SecureString -String \"{PASSWORD}\" -AsPlainText -Force\n\
         $credential = New-Object -TypeName System.Management.Automation.PSCredential -ArgumentList $username, $password\n\
         $thumbprint = '0123456789ABCDEF0123456789ABCDEF01234567'\n\
         New-Item -Path WSMan:\\localhost\\ClientCertificate `\n    -Subject \"{USER}@localhost\" `\n    -URI * `\n    \
         -Issuer $thumbprint `\n    -Credential $credential `\n    -Force\n"
    );
    let mut command = pssession();
    command.env("TRANSOM_STATE", service.state());
    let ran = tool::run_with_input(&mut command, script.as_bytes()).ended(0);
    assert!(ran.stdout.contains(&format!("Subject={USER}@localhost")), "{ran:#?}");
    let text = r"dir (dir WSMan:\localhost\ClientCertificate).PSPath";
    let shown = line(&service, text).ended(0).stdout;
    assert!(
        shown.contains(&format!("UserName                                       {USER}\n")),
        "{shown}"
    );
    assert!(!shown.contains(PASSWORD) && !ran.stdout.contains(PASSWORD));
    line(&service, r"Remove-Item WSMan:\localhost\ClientCertificate\* -Recurse -Force").ended(0);
    assert_eq!(line(&service, r"dir WSMan:\localhost\ClientCertificate").ended(0).stdout, "");
}
