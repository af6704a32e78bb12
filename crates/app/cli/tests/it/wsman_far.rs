//! Instances and methods of a service that is reached by https, with a client certificate and with a Kerberos ticket; and what
//! the cmdlets make at the service of this computer: plug-ins, a listener by https.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use nix::unistd::Uid;
use tempfile::TempDir;

use crate::domain::{Domain, PASSWORD as TICKETS};
use crate::service::{Flavour, Service, USER, flavours};
use crate::tool::{self, Ran, pssession, without_terminal};

/// Runs a line in `pssession` on the service as its own computer's.
#[track_caller]
fn line(service: &Service, text: &str) -> Ran {
    let mut command = without_terminal(&pssession());
    tool::run(command.env("TRANSOM_STATE", service.state()).args(["-c", text]))
}

/// Settings of a client that believes the service's certificate.
fn believing(service: &Service) -> TempDir {
    let authority = service.certificate();
    tool::client_settings(&format!("[TLS]\nCAPath = \"{}\"\n", authority.display()))
}

/// Everything that the cmdlets do with instances, at the computer that `there` says.
#[track_caller]
fn every_instance(run: impl Fn(&str) -> Ran, there: &str) {
    let value = |part: &str| {
        let text = format!("(Get-WSManInstance winrm/config/winrs {there}).{part}");
        run(&text).ended(0).stdout.trim_end().to_owned()
    };
    assert_eq!(value("MaxShellsPerUser"), "2147483647");
    let set = "Set-WSManInstance winrm/config/winrs -ValueSet @{MaxShellsPerUser=9}";
    run(&format!("{set} {there}")).ended(0);
    assert_eq!(value("MaxShellsPerUser"), "9");
    let keys = "-SelectorSet @{Transport='HTTP';Address='IP:127.0.0.3'}";
    let new = "New-WSManInstance winrm/config/Listener";
    let made = run(&format!("{new} {keys} -ValueSet @{{Enabled=$false}} {there}")).ended(0);
    assert!(made.stdout.contains("ReferenceParameters"), "{made:#?}");
    let listed = format!("(Get-WSManInstance winrm/config/listener -Enumerate {there}).Count");
    assert_eq!(run(&listed).ended(0).stdout, "2\n");
    let got = format!("(Get-WSManInstance winrm/config/listener {keys} {there}).Enabled");
    assert_eq!(run(&got).ended(0).stdout, "false\n");
    run(&format!("Remove-WSManInstance winrm/config/Listener {keys} {there}")).ended(0);
    assert_eq!(run(&listed).ended(0).stdout, "1\n");
    run(&got).ended(1);
    run(&format!("Invoke-WSManAction winrm/config Restore {there}")).ended(0);
    assert_eq!(value("MaxShellsPerUser"), "2147483647");
}

/// A certificate for a client in the folder of its settings; its thumbprint.
fn certificate(settings: &Path) -> String {
    let folder = settings.join("transom/certificates");
    fs::create_dir_all(&folder).unwrap();
    let (file, key) = (folder.join("alice.pem"), folder.join("alice.key"));
    let mut new = tool::transom();
    new.args(["cert", "new-client", "alice@localhost", "--out"]).arg(&file);
    tool::run(new.arg("--key-out").arg(&key)).ended(0);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let shown = tool::run(tool::transom().args(["cert", "show", "--file"]).arg(&file)).ended(0);
    shown.stdout.split_whitespace().nth(1).unwrap().to_owned()
}

#[test]
fn instances_of_another_computer_are_reached_with_a_client_certificate() {
    let service = Service::https(flavours()[0], "[Service.Auth]\nCertificate = true\n");
    let settings = believing(&service);
    let thumbprint = certificate(settings.path());
    let there = format!(
        "-ComputerName localhost -UseSSL -Port {} -CertificateThumbprint {thumbprint}",
        service.port
    );
    let run = |text: &str| {
        let mut command = without_terminal(&pssession());
        tool::run(command.env("XDG_CONFIG_HOME", settings.path()).args(["-c", text]))
    };
    let get = format!("Get-WSManInstance winrm/config {there}");
    let refused = run(&get).ended(1);
    assert!(refused.stderr.contains("does not offer Certificate"), "{refused:#?}");
    let file = settings.path().join("transom/certificates/alice.pem");
    let import = ["cert", "import", "--trusted-people", file.to_str().unwrap()];
    tool::run(&mut service.transom(&import)).ended(0);
    let add = ["cert", "map", "add", "--issuer", &thumbprint, "--subject", "alice@localhost"];
    tool::run(service.transom(&add).args(["--account", USER])).ended(0);
    every_instance(run, &there);
    assert!(service.log().contains("mechanism=\"Certificate\""), "{}", service.log());
}

#[test]
fn instances_of_another_computer_are_reached_with_a_ticket() {
    let domain = Domain::new();
    let service = domain.service("https", flavours()[0], "");
    let settings = believing(&service);
    let there =
        format!("-ComputerName localhost -UseSSL -Port {} -Authentication Kerberos", service.port);
    let tickets = domain.folder().join("tickets");
    let run = |text: &str| {
        let mut command: Command = domain.program("setsid");
        command.arg("--wait").arg(pssession().get_program()).args(["-c", text]);
        command.env("XDG_CONFIG_HOME", settings.path()).env("KRB5CCNAME", &tickets);
        tool::run(&mut command)
    };
    run(&format!("Get-WSManInstance winrm/config {there}")).ended(1);
    domain.realm.kinit("rita", TICKETS, tickets.to_str().unwrap(), &[]);
    every_instance(run, &there);
    assert!(service.log().contains("principal=\"rita@TRANSOM.TEST\""), "{}", service.log());
}

#[test]
fn methods_are_called_with_what_they_are_given_and_say_what_they_did() {
    let service = Service::start(flavours()[0]);
    line(&service, r"Set-Item WSMan:\localhost\MaxBatchItems 7").ended(0);
    let restored = line(&service, "Invoke-WSManAction winrm/config Restore").ended(0);
    assert_eq!(restored.stderr, "");
    let now = line(&service, r"(Get-Item WSMan:\localhost\MaxBatchItems).Value").ended(0).stdout;
    assert_eq!(now, "32000\n");
    let analyzed =
        "(Invoke-WSManAction -Action AnalyzeService winrm/config/service).RemotingEnabled";
    let analyzed = line(&service, analyzed).ended(0).stdout;
    assert!(analyzed.starts_with("true"), "{analyzed}");
    for (text, part) in [
        ("Invoke-WSManAction winrm/config Nothing", "0x80338"),
        ("Invoke-WSManAction winrm/config/service Analyze -ValueSet @{Transport='FTP'}", ""),
        ("Invoke-WSManAction winrm/config/listener Restore", ""),
        ("Invoke-WSManAction winrm/config 'a b'", "a b_INPUT"),
    ] {
        let ran = line(&service, text).ended(1);
        assert!(ran.stderr.contains(part) && !ran.stderr.is_empty(), "{text}: {ran:#?}");
    }
}

#[test]
fn plug_ins_are_made_and_removed_on_the_drive_where_they_are_session_configurations() {
    let service = Service::start(flavours()[0]);
    let place = r"New-Item WSMan:\localhost\Plugin -Plugin Reports";
    let resource = "-Resource http://schemas.microsoft.com/powershell/Reports -Capability Shell";
    let file = r"-FileName %windir%\system32\pwrshplugin.dll -SDKVersion 2";
    let names = || line(&service, r"dir WSMan:\localhost\Plugin -Name").ended(0).stdout;
    let refused = |text: &str, part: &str| {
        let ran = line(&service, text).ended(1);
        assert!(ran.stderr.contains(part), "{text}: {ran:#?}");
        assert!(!names().contains("Reports"), "{text}");
    };
    let made = format!("{place} {file} {resource}");
    refused(&made, "add -Force");
    refused(&format!("{place} {file} -Force"), "missing mandatory parameters: Resource Capability");
    let other = r"-FileName C:\other.dll -SDKVersion 2";
    refused(&format!("{place} {other} {resource} -Force"), "Filename of the plug-in is");
    let else_ = "-Resource http://example.com/Reports -Capability Shell";
    refused(&format!("{place} {file} {else_} -Force"), "ResourceUri of the plug-in is");
    let get = "-Resource http://schemas.microsoft.com/powershell/Reports -Capability Get";
    refused(&format!("{place} {file} {get} -Force"), "Capability of the plug-in is");
    let as_somebody = format!(
        "$p = ConvertTo-SecureString x -AsPlainText -Force; \
         $c = New-Object PSCredential -ArgumentList 'root', $p; {made} -RunAsCredential $c -Force"
    );
    refused(&as_somebody, "RunAsUser and RunAsPassword are empty");
    let done = line(&service, &format!("{made} -Force")).ended(0);
    assert!(done.stdout.contains("{Name=Reports}"), "{done:#?}");
    assert!(names().contains("Reports"));
    line(&service, &format!("{made} -Force")).ended(1);
    let parameters = r"New-Item WSMan:\localhost\Plugin\Reports\InitializationParameters";
    let parameter = format!("{parameters} -ParamName startupscript -ParamValue x -Force");
    let ran = line(&service, &parameter).ended(1);
    assert!(ran.stderr.contains("takes no parameter startupscript"), "{ran:#?}");
    line(&service, r"Remove-Item WSMan:\localhost\Plugin\Reports -Recurse -Force").ended(0);
    assert!(!names().contains("Reports"));
}

#[test]
fn plug_in_of_a_file_is_made_as_the_file_says() {
    let service = Service::start(flavours()[0]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reports.xml");
    let uri = "http://schemas.microsoft.com/wbem/wsman/1/config/PluginConfiguration";
    fs::write(
        &path,
        format!(
            "<PlugInConfiguration xmlns=\"{uri}\" Name=\"Reports\" Filename=\"%windir%\\system32\\pwrshplugin.dll\" \
             SDKVersion=\"2\" XmlRenderingType=\"text\" Enabled=\"false\"><Resources><Resource \
             ResourceUri=\"http://schemas.microsoft.com/powershell/Reports\" SupportsOptions=\"true\" ExactMatch=\"true\">\
             <Capability Type=\"Shell\"/></Resource></Resources><Quotas MaxShellsPerUser=\"3\"/></PlugInConfiguration>"
        ),
    )
    .unwrap();
    let new = r"New-Item WSMan:\localhost\Plugin -Force -File";
    let wrong = line(&service, &format!("{new} '{}' -Plugin Other", path.display())).ended(1);
    assert!(wrong.stderr.contains("is the plug-in 'Reports'"), "{wrong:#?}");
    line(&service, &format!("{new} '{}' -Plugin Reports", path.display())).ended(0);
    let told = "(Get-PSSessionConfiguration Reports).Enabled; (Get-PSSessionConfiguration Reports).MaxShellsPerUser";
    let told = line(&service, told).ended(0).stdout.to_lowercase();
    assert_eq!(told, "false\n3\n");
}

#[test]
fn quick_config_makes_a_listener_by_https_where_there_is_a_certificate() {
    if !Uid::effective().is_root() {
        testkit::report(
            "SKIPPED quick_config_makes_a_listener_by_https: only root gives a service a network of its own",
        );
        return;
    }
    let own = ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh"];
    let service = Service::start_by(Flavour::Unprivileged, &own);
    let answers = || {
        let mut curl = tool::program("nsenter");
        curl.arg(format!("--net=/proc/{}/ns/net", service.spawner()));
        curl.args(["curl", "--silent", "--insecure", "--max-time", "20", "--output", "/dev/null"]);
        curl.args(["--write-out", "%{http_code}", "--data-binary", ""]);
        tool::run(curl.arg("https://localhost:5986/wsman")).stdout == "401"
    };
    let set_up = "Set-WSManQuickConfig -UseSSL -Force";
    let refused = line(&service, set_up).ended(1);
    assert!(refused.stderr.to_lowercase().contains("certificate"), "{refused:#?}");
    assert!(!answers());
    tool::run(&mut service.transom(&["cert", "new-server", "--name", "localhost"])).ended(0);
    let done = line(&service, set_up).ended(0).stdout;
    assert!(done.contains("WinRM has been updated for remote management."), "{done}");
    assert!(done.contains("Created a WinRM listener on HTTPS://*"), "{done}");
    assert!(answers());
    let again = line(&service, set_up).ended(0).stdout;
    assert!(again.contains("already set up for remote management"), "{again}");
}
