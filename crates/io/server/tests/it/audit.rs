//! The audit log: one line for each login, command, change of a resource and refusal, and no secret in any.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry;
use wsman::ns::{action, config};
use wsman::shell::ShellDescription;

use crate::configuration::Asker;
use crate::support::{PASSWORD, Service, Session, settings};

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
async fn each_login_command_and_change_is_one_line_and_no_secret_is_in_any() {
    let lines = Lines::default();
    // The other tests log too, on threads of their own; each test's service runs on its thread.
    let own = std::thread::current().id();
    let only_own = dynamic_filter_fn(move |_, _| std::thread::current().id() == own);
    let layer = layer().json().with_writer(lines.clone()).with_filter(only_own);
    tracing::subscriber::set_global_default(registry().with(layer)).unwrap();
    let text = "[Service.FailedLogins]\nLockoutAfter = 3\n";
    let service = Service::start_with(settings(text)).await;
    assert!(Session::try_login(service.address, "mallory", "Wr0ng-Secret", false).await.is_err());
    let mut session = Session::login(service.address, "alice").await;
    let shell = session.open_shell().await;
    let id = session.start(&shell, "echo hello; exit 7").await.unwrap();
    session.finish(&shell, &id).await;
    let mut asker = Asker::login(&service, "alice").await;
    asker.set("Service/RootSDDL", "O:NSG:BAD:P(A;;GA;;;BA)S:P(AU;FA;GA;;;WD)").await.unwrap();
    let mut carol = Session::login(service.address, "carol").await;
    carol.open_shell_as(ShellDescription::default()).await.unwrap_err();
    for (user, password) in
        [("trent", "Wr0ng-Secret"), ("trent", "Wr0ng-Secret"), ("bob", PASSWORD)]
    {
        assert!(Session::try_login(service.address, user, password, false).await.is_err());
    }
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let found = |parts: &[&str]| {
        text.lines()
            .filter(|line| line.contains("\"target\":\"audit\""))
            .filter(|line| parts.iter().all(|part| line.contains(part)))
            .count()
    };
    let refused = ["login", "refused", "mallory", "127.0.0.1:", "wrong user name or password"];
    assert_eq!(found(&refused), 1, "{text}");
    assert_eq!(
        found(&["\"event\":\"lockout\"", "begins", "trent", "\"seconds\":300"]),
        1,
        "{text}"
    );
    let locked = ["login", "refused", "\"user\":\"bob\"", "locked out after failed logins"];
    assert_eq!(found(&locked), 1, "{text}");
    let peer = format!("\"peer\":\"{}\"", session.http.address());
    let accepted = ["login", "accepted", "\"user\":\"alice\"", "NTLM", &peer];
    assert_eq!(found(&accepted), 1, "{text}");
    let command = ["\"event\":\"command\"", "alice", &id, &shell.to_lowercase()];
    let accepted = [&command[..], &["accepted", "echo hello; exit 7"]].concat();
    assert_eq!(found(&accepted), 1, "{text}");
    assert_eq!(found(&[&command[..], &["ended", "\"exit_code\":7"]].concat()), 1, "{text}");
    let peer = format!("\"peer\":\"{}\"", asker.0.http.address());
    let changed = ["\"event\":\"resource\"", "changed", "\"user\":\"alice\"", &peer];
    let changed = [&changed[..], &[action::PUT, config::SERVICE]].concat();
    assert_eq!(found(&changed), 1, "{text}");
    assert_eq!(found(&["\"event\":\"resource\""]), 1, "what is read is no change: {text}");
    let peer = format!("\"peer\":\"{}\"", carol.http.address());
    let denied = ["operation", "refused", "carol", "the account has no right to do this", &peer];
    assert_eq!(found(&denied), 1, "{text}");
    for secret in [PASSWORD, "Wr0ng-Secret", "NTLMSSP", "TlRMTVNTUA", "rsp:", "Envelope", "D:P("] {
        assert!(!text.contains(secret), "{secret} is in the log: {text}");
    }
}
