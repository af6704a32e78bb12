//! The client against an independent server: pyspnego's logins and sealing, `/bin/sh` behind them.

use client::{
    Authentication, Client, Command, CommandOptions, Config, Credentials, Error, ErrorKind, Event,
    Protection, Settings, ShellOptions, Signal,
};
use testkit::{Stub, report};

pub(crate) fn config(stub: &Stub, authentication: Authentication) -> Config {
    let endpoint = format!("http://127.0.0.1:{}", stub.port).parse().unwrap();
    let credentials = Credentials { user: Stub::USER.into(), password: Stub::USER.into() };
    let settings = Settings { allow_unencrypted: true, ..Settings::default() };
    Config { authentication, settings, ..Config::new(endpoint, credentials) }
}

pub(crate) fn line(text: &str) -> CommandOptions {
    CommandOptions { command: text.into(), ..CommandOptions::default() }
}

/// Everything that a command tells: stdout, stderr, exit code.
pub(crate) async fn finish(mut command: Command) -> Result<(String, String, Option<u32>), Error> {
    let (mut out, mut err, mut code) = (Vec::new(), Vec::new(), None);
    while let Some(event) = command.next().await? {
        match event {
            Event::Stdout(bytes) => out.extend(bytes),
            Event::Stderr(bytes) => err.extend(bytes),
            Event::Done { exit_code } => code = exit_code,
        }
    }
    Ok((String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), code))
}

async fn run_one(name: &str, options: &[&str], authentication: Authentication, most: usize) {
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start(name, folder.path(), options) else { return };
    let client = Client::new(config(&stub, authentication)).unwrap();
    let shell = client.open_shell(ShellOptions::default()).await.unwrap();
    let command = shell.start(line("echo out; echo err >&2; exit 7")).await.unwrap();
    let (out, err, code) = finish(command).await.unwrap();
    assert_eq!((out.as_str(), err.as_str(), code), ("out\n", "err\n", Some(7)));
    shell.close().await.unwrap();
    let mechanism = client.mechanism().unwrap();
    let sealed = client.protection() == Some(Protection::Seal);
    assert_eq!(sealed, authentication != Authentication::Basic);
    let requests = stub.requests();
    // The server may split its answer: a second Receive says nothing of the client.
    let receives = requests.iter().filter(|name| name.contains("Receive")).count();
    let needed = requests.len() - receives + 1;
    assert!(needed <= most, "{requests:?}");
    assert_eq!(u64::try_from(requests.len()), Ok(client.requests()));
    report(&format!(
        "PEER winrm_stub 1: {name}, {mechanism}, sealed {sealed}, {needed} requests for one command on a new connection"
    ));
}

#[tokio::test]
async fn command_over_basic() {
    run_one("command_over_basic", &[], Authentication::Basic, 5).await;
}

#[tokio::test]
async fn command_over_raw_ntlm_in_six_requests() {
    run_one("command_over_raw_ntlm", &[], Authentication::Ntlm, 6).await;
}

#[tokio::test]
async fn command_over_spnego_in_six_requests() {
    run_one("command_over_spnego", &[], Authentication::Negotiate, 6).await;
}

#[tokio::test]
async fn command_over_ntlm_with_part_headers_without_tabs() {
    run_one("command_without_tabs", &["--notab"], Authentication::Ntlm, 6).await;
}

#[tokio::test]
async fn input_several_commands_and_long_silence_in_one_shell() {
    let folder = tempfile::tempdir().unwrap();
    let name = "input_several_commands_and_long_silence";
    let Some(stub) = Stub::start(name, folder.path(), &["--optimeout", "0.5"]) else { return };
    let client = Client::new(config(&stub, Authentication::Negotiate)).unwrap();
    let shell = client.open_shell(ShellOptions::default()).await.unwrap();

    let sort = shell.start(line("sort")).await.unwrap();
    let input = sort.input();
    let (written, told) = tokio::join!(
        async {
            input.write(b"b\n").await?;
            input.end(b"a\n").await
        },
        finish(sort)
    );
    written.unwrap();
    assert_eq!(told.unwrap(), ("a\nb\n".into(), String::new(), Some(0)));

    let silent = shell.start(line("sleep 2; echo late")).await.unwrap();
    let quick = shell.start(line("echo quick")).await.unwrap();
    let (silent, quick) = tokio::join!(finish(silent), finish(quick));
    assert_eq!(silent.unwrap().0, "late\n");
    assert_eq!(quick.unwrap().0, "quick\n");

    let long = shell.start(line("seq 1 15000")).await.unwrap();
    let (out, _, code) = finish(long).await.unwrap();
    assert_eq!((out.lines().count(), code), (15_000, Some(0)));
    shell.close().await.unwrap();
    report(&format!("PEER winrm_stub 1: {name}"));
}

#[tokio::test]
async fn terminated_command_ends() {
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start("terminated_command_ends", folder.path(), &[]) else { return };
    let client = Client::new(config(&stub, Authentication::Ntlm)).unwrap();
    let shell = client.open_shell(ShellOptions::default()).await.unwrap();
    let command = shell.start(line("echo here; sleep 600")).await.unwrap();
    let input = command.input();
    let (signalled, told) = tokio::join!(
        async {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            input.signal(Signal::Terminate).await
        },
        finish(command)
    );
    signalled.unwrap();
    assert_eq!(told.unwrap().0, "here\n");
    shell.close().await.unwrap();
}

#[tokio::test]
async fn wrong_password_is_refused_and_the_error_holds_none_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start("wrong_password_is_refused", folder.path(), &[]) else { return };
    for authentication in [Authentication::Basic, Authentication::Ntlm, Authentication::Negotiate] {
        let credentials =
            Credentials { user: Stub::USER.into(), password: "wrong-password".into() };
        let config = Config { credentials, ..config(&stub, authentication) };
        let client = Client::new(config).unwrap();
        let error = client.open_shell(ShellOptions::default()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Denied(_)), "{error}");
        assert!(!format!("{error:?}").contains("wrong-password"));
    }
}

#[tokio::test]
async fn identify_over_a_sealed_connection() {
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start("identify", folder.path(), &[]) else { return };
    let client = Client::new(config(&stub, Authentication::Negotiate)).unwrap();
    let answer = client.identify().await.unwrap();
    assert_eq!(answer.product_vendor.as_deref(), Some("Microsoft Corporation"));
}

/// The stub does not keep to MaxEnvelopeSize. Its answer is lost, and that must not pass for the end of the output.
#[tokio::test]
async fn answer_larger_than_allowed_is_an_error_and_never_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let Some(stub) = Stub::start("answer_larger_than_allowed", folder.path(), &[]) else { return };
    let client = Client::new(config(&stub, Authentication::Ntlm)).unwrap();
    let shell = client.open_shell(ShellOptions::default()).await.unwrap();
    let command = shell.start(line("seq 1 200000")).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let error = finish(command).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Protocol(_)), "{error}");
}
