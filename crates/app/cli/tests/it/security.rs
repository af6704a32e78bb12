//! Who gets in, what the other side learns, and what stays hidden.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use nix::unistd::Uid;

use crate::service::{Flavour, PASSWORD, Service, USER, flavours, local_user};
use crate::tool;
use testkit::outside::report;

#[test]
fn wrong_password_and_unknown_account_look_the_same() {
    let service = Service::start(flavours()[0]);
    let ran = tool::run(service.winrs(&["id"]).env("TRANSOM_PASSWORD", "wrong")).ended(255);
    assert_eq!(ran.stdout, "");
    let mut unknown = tool::winrs();
    unknown
        .arg(format!("-r:{}", service.url))
        .args(["-u:mallory", "id"])
        .env("TRANSOM_PASSWORD", PASSWORD);
    let other = tool::run(&mut unknown).ended(255);
    assert_eq!(ran.stderr, other.stderr);
    insta::assert_snapshot!(ran.stderr.replace(&service.port.to_string(), "PORT"));
    // The log of the service does tell.
    let log = service.log();
    assert!(log.contains("mallory"), "{log}");
    assert!(!log.contains(PASSWORD), "{log}");
}

#[test]
fn basic_needs_the_clients_and_the_services_consent() {
    let folder = tool::client_settings("AllowUnencrypted = true\n");
    let basic = |service: &Service| {
        let mut command = service.winrs(&["--auth", "basic", "-un", "-v", "echo in"]);
        tool::run(command.env("XDG_CONFIG_HOME", folder.path()))
    };

    let strict = Service::start(flavours()[0]);
    let ran = basic(&strict).ended(255);
    assert!(ran.stderr.contains("AllowUnencrypted = true"), "{ran:#?}");
    insta::assert_snapshot!(ran.stderr.replace(&strict.port.to_string(), "PORT"));

    // A client that does not ask first is told nothing, and the administrator how to let it in.
    let mut impatient = std::net::TcpStream::connect(("127.0.0.1", strict.port)).unwrap();
    let head = "POST /wsman HTTP/1.1\r\nHost: h\r\nAuthorization: Basic YWxpY2U6eA==\r\nContent-Length: 0\r\n\r\n";
    impatient.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 12];
    impatient.read_exact(&mut answer).unwrap();
    assert_eq!(answer, *b"HTTP/1.1 401");
    tool::until("the log says why", || strict.log().contains("AllowUnencrypted"));

    let open = "[Service]\nAllowUnencrypted = true\n[Service.Auth]\nBasic = true\n";
    let ran = basic(&Service::configured(flavours()[0], open)).ended(0);
    assert_eq!(ran.stdout, "in\n");
    assert_eq!(ran.stderr, "winrs: logged in by Basic, messages are readable by others\n");
}

#[test]
fn new_password_counts_from_the_next_login_and_a_removed_account_is_out() {
    for flavour in flavours() {
        let service = Service::start(flavour);
        service.run("true").ended(0);
        let passwd = &mut service.transom(&["account", "passwd", USER, "--password-stdin"]);
        tool::run_with_input(passwd, b"new one\n").ended(0);
        service.run("true").ended(255);
        tool::run(service.winrs(&["true"]).env("TRANSOM_PASSWORD", "new one")).ended(0);
        tool::run(&mut service.transom(&["account", "remove", USER])).ended(0);
        tool::run(service.winrs(&["true"]).env("TRANSOM_PASSWORD", "new one")).ended(255);
    }
}

#[test]
fn password_on_the_command_line_is_wiped() {
    // A host that takes the connection and says nothing keeps winrs waiting.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("-r:http://{}", listener.local_addr().unwrap());
    let mut subcommand = tool::transom();
    subcommand.arg("winrs");
    let cases = [
        (tool::winrs(), vec!["/p:geheim"]),
        (tool::winrs(), vec!["--password", "geheim"]),
        (subcommand, vec!["-PASSWORD=geheim"]),
    ];
    for (mut command, words) in cases {
        command.arg(&url).arg("-u:alice").args(words).args(["echo", "geheim-not"]);
        let mut child = tool::spawn(&mut command);
        let (mut connection, _) = listener.accept().unwrap();
        connection.read_exact(&mut [0; 1]).unwrap();
        let cmdline = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let shown: Vec<_> = cmdline.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        assert!(shown.iter().any(|word| word.ends_with("******")), "{shown:?}");
        assert!(!shown.iter().any(|word| word.ends_with("geheim")), "{shown:?}");
        assert!(
            shown.iter().any(|word| word == "geheim-not") && shown.iter().any(|word| word == &url),
            "{shown:?}"
        );
    }
}

#[test]
fn network_process_and_commands_are_neither_root_nor_each_other() {
    if !Uid::effective().is_root() {
        report("SKIPPED network_process_and_commands_are_neither_root_nor_each_other: not root");
        return;
    }
    let service = Service::start(Flavour::Root);
    let network = children(service.spawner());
    assert_eq!(network.len(), 1, "{network:?}");
    let service_uids = uids(network[0]);
    let user = local_user(Flavour::Root);
    assert!(
        service_uids.iter().all(|uid| *uid != 0 && *uid != user.uid.as_raw()),
        "{service_uids:?}"
    );

    let command = uids_of_status(&service.run("cat /proc/self/status").ended(0).stdout);
    assert_eq!(command, vec![user.uid.as_raw(); 4]);
    let groups = service.run("id -G").ended(0).stdout;
    assert!(groups.split_whitespace().all(|group| group != "0"), "{groups}");
}

#[test]
fn network_process_is_in_its_sandbox_and_commands_are_not() {
    let has = |status: &str, line: &str| status.lines().any(|found| found == line);
    let own = fs::read_to_string("/proc/self/status").unwrap();
    for flavour in flavours() {
        let service = Service::start(flavour);
        if service.log().contains("Sandbox: no seccomp") {
            report("SKIPPED network_process_is_in_its_sandbox_and_commands_are_not: no seccomp");
            return;
        }
        let network = children(service.spawner())[0];
        // Each thread has a sandbox of its own: those of the runtime inherit it.
        let threads: Vec<_> = fs::read_dir(format!("/proc/{network}/task")).unwrap().collect();
        assert!(threads.len() > 1, "{threads:?}");
        for thread in threads {
            let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
            assert!(has(&status, "Seccomp:\t2"), "{flavour:?}: {status}");
            assert!(has(&status, "NoNewPrivs:\t1"), "{flavour:?}: {status}");
        }

        let command = service.run("cat /proc/self/status").ended(0).stdout;
        let of = |status: &str, name: &str| {
            status.lines().find(|line| line.starts_with(name)).map(str::to_owned)
        };
        assert_eq!(of(&command, "Seccomp:"), of(&own, "Seccomp:"), "{flavour:?}: {command}");
        // The other flavour is started by somebody who gives new privileges up.
        if flavour == Flavour::Root {
            assert_eq!(of(&command, "NoNewPrivs:"), of(&own, "NoNewPrivs:"), "{command}");
        }
        // Landlock has no line there: a command reads, writes and connects as its user may.
        let line = format!(
            "cat /etc/passwd > /dev/null && f=$(mktemp) && echo in > $f && cat $f && rm $f && \
             bash -c 'exec 3<> /dev/tcp/127.0.0.1/{}'",
            service.port
        );
        assert_eq!(service.run(&line).ended(0).stdout, "in\n", "{flavour:?}");
    }
}

#[test]
fn commands_cannot_read_the_state_of_roots_service() {
    if !Uid::effective().is_root() {
        report("SKIPPED commands_cannot_read_the_state_of_roots_service: not root");
        return;
    }
    let service = Service::start(Flavour::Root);
    let state = service.state();
    for file in ["accounts", "users", "lock"] {
        let path = state.join(file);
        assert!(path.exists(), "{}", path.display());
        let ran = service.run(&format!("cat '{}'", path.display()));
        assert_ne!(ran.code(), 0, "{file}");
        assert_eq!(ran.stdout, "", "{file}");
    }
    assert_ne!(service.run(&format!("ls '{}/service'", state.display())).code(), 0);
    assert_ne!(service.run(&format!("ls '{}'", state.display())).code(), 0);
}

#[test]
fn accounts_become_their_own_local_users() {
    if !Uid::effective().is_root() {
        report("SKIPPED accounts_become_their_own_local_users: not root");
        return;
    }
    let service = Service::start(Flavour::Root);
    service.add_account("bob", "daemon").ended(0);
    let mut bob = tool::winrs();
    bob.arg(format!("-r:{}", service.url))
        .args(["-u:bob", "id -un"])
        .env("TRANSOM_PASSWORD", PASSWORD);
    assert_eq!(tool::run(&mut bob).ended(0).stdout, "daemon\n");
    assert_eq!(service.run("id -un").ended(0).stdout, "nobody\n");
}

fn children(parent: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    text.split_whitespace().map(|id| id.parse().unwrap()).collect()
}

fn uids(id: u32) -> Vec<u32> {
    uids_of_status(&fs::read_to_string(format!("/proc/{id}/status")).unwrap())
}

/// Real, effective, saved and file-system uid.
fn uids_of_status(status: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    line.split_whitespace().map(|uid| uid.parse().unwrap()).collect()
}
