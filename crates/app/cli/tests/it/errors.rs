//! What the programs say when they cannot: the whole output, as the user sees it.

use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use crate::tool::{self, winrs, without_terminal};

#[track_caller]
fn shown(command: &mut Command) -> String {
    tool::run(command).snapshot()
}

#[test]
fn winrs_without_a_command_line_says_so() {
    insta::assert_snapshot!(shown(winrs().arg("-r:localhost")));
}

#[test]
fn winrs_names_an_unknown_switch_without_its_value() {
    insta::assert_snapshot!(shown(winrs().args(["-r:localhost", "/pasword:geheim", "hostname"])));
}

#[test]
fn winrs_names_a_pin_that_is_none() {
    insta::assert_snapshot!(shown(winrs().args(["-r:h", "-usessl", "-pin:12:34", "hostname"])));
}

#[test]
fn winrs_refuses_a_password_without_a_user() {
    insta::assert_snapshot!(shown(winrs().args(["-r:localhost", "-p:x", "hostname"])));
}

#[test]
fn winrs_without_password_and_terminal_says_what_else_there_is() {
    insta::assert_snapshot!(shown(&mut without_terminal(winrs().args([
        "-r:localhost",
        "-u:alice",
        "hostname"
    ]))));
}

#[test]
fn winrs_without_user_and_terminal_says_what_else_there_is() {
    insta::assert_snapshot!(shown(&mut without_terminal(
        winrs().args(["-r:localhost", "hostname"])
    )));
}

#[test]
fn winrs_names_a_password_file_that_is_not_there() {
    insta::assert_snapshot!(shown(winrs().args([
        "-u:alice",
        "--password-file",
        "/nonexistent/file",
        "hostname"
    ])));
}

#[test]
fn winrs_refuses_a_host_that_is_not_trusted_before_it_says_anything_to_it() {
    insta::assert_snapshot!(shown(winrs().args([
        "-r:http://192.0.2.1:5985",
        "-u:alice",
        "-p:x",
        "hostname"
    ])));
}

#[test]
fn winrs_refuses_basic_over_http_and_says_how_to_allow_it() {
    insta::assert_snapshot!(shown(winrs().args([
        "-r:http://127.0.0.1:1",
        "-u:a",
        "-p:x",
        "--auth",
        "basic",
        "id"
    ])));
}

#[test]
fn winrs_names_an_endpoint_where_nobody_listens() {
    let port = tool::CLOSED_PORT;
    let ran = tool::run(
        winrs().arg(format!("-r:http://127.0.0.1:{port}")).args(["-u:a", "-p:x", "hostname"]),
    );
    insta::assert_snapshot!(ran.snapshot().replace(&port.to_string(), "PORT"));
}

/// Answers whoever connects with these bytes, and reads what they send.
fn answering(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // A server of HTTP speaks when it is asked.
            let is_asked = !bytes.starts_with(b"HTTP") || stream.read(&mut [0; 4096]).is_ok();
            assert!(is_asked && stream.write_all(bytes).is_ok());
            std::thread::spawn(move || io::copy(&mut stream, &mut io::sink()));
        }
    });
    port
}

#[test]
fn winrs_says_what_may_be_wrong_when_something_else_answers() {
    let page = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found";
    let mut said = String::new();
    let ask = |scheme: &str, port: u16| {
        let mut command = winrs();
        command.arg(format!("-r:{scheme}://127.0.0.1:{port}")).args(["-u:a", "-p:x", "id"]);
        tool::run(&mut command).ended(255).stderr.replace(&port.to_string(), "PORT")
    };
    for scheme in ["http", "https"] {
        said.push_str(&ask(scheme, answering(page)));
    }
    insta::assert_snapshot!(said);
    // The greeting may come before the request or after it.
    let said = ask("http", answering(b"SSH-2.0-OpenSSH_9.2\r\n"));
    assert!(said.contains("no WinRM service: check the port"), "{said}");
}

#[test]
fn winrs_names_a_host_that_is_not_there() {
    let settings = "TrustedHosts = \"*\"\n";
    let folder = tool::client_settings(settings);
    let mut command = winrs();
    command.args(["-r:no-such-host.invalid", "-u:a", "-p:x", "id"]);
    let ran = tool::run(command.env("XDG_CONFIG_HOME", folder.path())).ended(255);
    let said = "Winrs error:The name `no-such-host.invalid` cannot be resolved";
    assert!(ran.stderr.starts_with(said), "{ran:#?}");
    assert!(ran.stderr.contains("hint: check the spelling of the name"), "{ran:#?}");
}

#[test]
fn winrs_wants_to_know_that_unencrypted_messages_are_allowed() {
    insta::assert_snapshot!(shown(winrs().args([
        "-r:http://127.0.0.1:1",
        "-u:a",
        "-p:x",
        "-unencrypted",
        "id"
    ])));
}

#[test]
fn winrs_names_an_endpoint_that_is_none() {
    insta::assert_snapshot!(shown(winrs().args(["-r:http://a:b", "-u:a", "-p:x", "hostname"])));
}

#[test]
fn transom_names_an_unknown_subcommand() {
    insta::assert_snapshot!(shown(tool::transom().arg("acount")));
}

#[test]
fn serve_names_an_unknown_option_before_anything_starts() {
    insta::assert_snapshot!(shown(tool::transom().args([
        "serve",
        "--lisen",
        "http://127.0.0.1:1"
    ])));
}
