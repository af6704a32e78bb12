//! Somebody on the way, on plain HTTP, lets a message arrive and answers it with a bare status of their own: no command
//! runs twice, and no input is given twice.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use client::{
    Authentication, Client, CommandOptions, Config, Credentials, Error, Event, Shell, ShellOptions,
};
use testkit::{Cut, Relay};

use crate::relay::Scene;
use crate::service::{PASSWORD, USER};
use crate::tool::{self, mark};

const STATUSES: [u16; 5] = [200, 400, 401, 404, 503];

#[test]
fn command_is_found_again_behind_a_forged_status_and_runs_once() {
    let scene = Scene::new();
    for request in 1..=5 {
        for status in STATUSES {
            let relay = Relay::start(scene.service.port, [Cut::Forged(request, status)]).unwrap();
            let mark = mark();
            let line = scene.line(&mark, "echo out; exit 7");
            let ran = tool::run(Scene::winrs_by(&relay).arg(line));
            let what = format!("{request}, {status}: {ran:#?}");
            assert!(relay.has_cut(), "{what}");
            // 1 and 2 are the login, with the Create on its last leg: there a refusal is one, and anything but a refusal
            // lacks the service's proof. Who asks to be asked later is.
            let is_taken = match request {
                1 => status == 503,
                2 => matches!(status, 400 | 404 | 503),
                _ => true,
            };
            if is_taken {
                assert_eq!(
                    (ran.code(), ran.stdout.as_str(), scene.runs(&mark)),
                    (7, "out\n", 1),
                    "{what}"
                );
            } else {
                assert!(ran.code() == 255 && ran.stderr.starts_with("Winrs error:"), "{what}");
                assert_eq!(scene.runs(&mark), 0, "{what}");
            }
        }
    }
}

/// A command that is started after the shell's connection has ended, through a relay that forges one answer.
async fn started_anew(
    scene: &Scene,
    authentication: Authentication,
    forged: Cut,
    line: &str,
) -> Result<Vec<u8>, Error> {
    let relay = Relay::start(scene.service.port, [Cut::AfterAnswer(2), forged]).unwrap();
    let endpoint = format!("http://127.0.0.1:{}", relay.port).parse().unwrap();
    let credentials = Credentials { user: USER.to_owned(), password: PASSWORD.into() };
    let config = Config { authentication, ..Config::new(endpoint, credentials) };
    let client = Client::new(config).unwrap();
    let shell = client.open_shell(ShellOptions::default()).await.unwrap();
    // The client notices that its connection is gone.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let told = output(&shell, line).await;
    assert!(relay.has_cut() && relay.requests() >= 4, "{forged:?}");
    shell.close().await.unwrap();
    told
}

async fn output(shell: &Shell, line: &str) -> Result<Vec<u8>, Error> {
    let options = CommandOptions { command: line.to_owned(), ..CommandOptions::default() };
    let mut command = shell.start(options).await?;
    let mut out = Vec::new();
    while let Some(event) = command.next().await? {
        if let Event::Stdout(data) = event {
            out.extend(data);
        }
    }
    Ok(out)
}

#[tokio::test]
async fn command_never_rides_on_a_login_where_a_forged_status_could_have_it_sent_again() {
    let scene = Scene::new();
    for authentication in [Authentication::Ntlm, Authentication::Negotiate] {
        // 3 and 4 are the new login, 5 is the Command.
        for request in [4, 5] {
            for status in STATUSES {
                let mark = mark();
                let line = scene.line(&mark, "echo out");
                let forged = Cut::Forged(request, status);
                let told = started_anew(&scene, authentication, forged, &line).await;
                let runs = scene.runs(&mark);
                let what = format!("{authentication:?}, {forged:?}: {told:?}, {runs} runs");
                match told {
                    Ok(out) => assert!(out == b"out\n" && runs == 1, "{what}"),
                    Err(_) => assert!(request == 4 && runs == 0, "{what}"),
                }
            }
        }
    }
}

#[test]
fn input_is_not_given_twice_behind_a_forged_status() {
    let scene = Scene::new();
    // 4 is the Receive, which waits; 5 and 6 are another login, and 7 is the Send.
    for request in [6, 7] {
        for status in STATUSES {
            let relay = Relay::start(scene.service.port, [Cut::Forged(request, status)]).unwrap();
            let mut child = tool::spawn(Scene::winrs_by(&relay).arg("cat").stdin(Stdio::piped()));
            tool::until("the Receive waits", || relay.requests() >= 4);
            child.stdin.take().unwrap().write_all(b"late\n").unwrap();
            let ran = tool::finish(child);
            let what = format!("{request}, {status}: {ran:#?}");
            assert!("late\n".starts_with(&ran.stdout), "{what}");
            // The end of the command may be known before the answer to its input.
            assert!(ran.code() == 0 || (ran.code() == 255 && relay.has_cut()), "{what}");
        }
    }
}
