//! The audit log: one line for each login, command and refusal, and no secret in any.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;
use wsman::shell::ShellDescription;

use crate::support::{PASSWORD, Service, Session};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn each_login_and_command_is_one_line_and_no_secret_is_in_any() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .finish();
    // Tests have one thread each, and a runtime of that thread.
    let guard = tracing::subscriber::set_default(subscriber);
    let service = Service::start().await;
    assert!(Session::try_login(service.address, "mallory", "Wr0ng-Secret", false).await.is_err());
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let id = session.start(&shell, "echo hello; exit 7").await.unwrap();
    session.finish(&shell, &id).await;
    let mut carol = Session::login(service.address, "carol").await;
    carol.open_shell_as(ShellDescription::default()).await.unwrap_err();
    service.stop().await;
    drop(guard);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let found = |parts: &[&str]| {
        text.lines()
            .filter(|line| line.contains("\"target\":\"audit\""))
            .filter(|line| parts.iter().all(|part| line.contains(part)))
            .count()
    };
    let peer = "\"peer\":\"127.0.0.1:";
    assert_eq!(
        found(&["login", "refused", "mallory", peer, "wrong user name or password"]),
        1,
        "{text}"
    );
    assert_eq!(found(&["login", "accepted", "\"user\":\"alice\"", "NTLM", peer]), 1, "{text}");
    let command = ["\"event\":\"command\"", "alice", &id, &shell.to_lowercase()];
    let accepted = [&command[..], &["accepted", "echo hello; exit 7"]].concat();
    assert_eq!(found(&accepted), 1, "{text}");
    assert_eq!(found(&[&command[..], &["ended", "\"exit_code\":7"]].concat()), 1, "{text}");
    let denied = ["operation", "refused", "carol", "the account is in no group"];
    assert_eq!(found(&denied), 1, "{text}");
    for secret in [PASSWORD, "Wr0ng-Secret", "NTLMSSP", "TlRMTVNTUA", "rsp:", "Envelope"] {
        assert!(!text.contains(secret), "{secret} is in the log: {text}");
    }
}
