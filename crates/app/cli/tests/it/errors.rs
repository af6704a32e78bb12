//! What the programs say when they cannot: the whole output, as the user sees it.

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
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ran = tool::run(
        winrs().arg(format!("-r:http://127.0.0.1:{port}")).args(["-u:a", "-p:x", "hostname"]),
    );
    insta::assert_snapshot!(ran.snapshot().replace(&port.to_string(), "PORT"));
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
