//! Hosts that send their clients elsewhere: only those go that were allowed to, and the login is made anew there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use crate::front::apache_redirecting;
use crate::service::{PASSWORD, Service, USER, flavours};
use crate::stub::LINE;
use crate::tool::{self, Ran};

fn winrs(port: u16, words: &[&str]) -> Ran {
    let mut command = tool::winrs();
    command.arg(format!("-r:http://127.0.0.1:{port}/wsman")).arg(format!("-u:{USER}"));
    tool::run(command.args(words).env("TRANSOM_PASSWORD", PASSWORD))
}

/// A host that sends everybody to an address which it makes of its own port. It never reads a message.
fn sends(to: impl Fn(u16) -> String + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let reader = BufReader::new(connection.try_clone().unwrap());
            let _head =
                reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).count();
            let head = format!(
                "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                to(port)
            );
            let _gone = connection.write_all(head.as_bytes());
        }
    });
    port
}

#[test]
fn redirection_is_followed_where_it_was_allowed_and_said_where_not() {
    let service = Service::https(flavours()[0], "");
    let front = apache_redirecting(&format!("https://localhost:{}/wsman", service.port));
    let certificate = service.certificate();
    let ca = ["--ca", certificate.to_str().unwrap()];
    let ran = winrs(front.port, &[ca[0], ca[1], LINE]).ended(255);
    let said = format!(
        "The WinRM service cannot process the request because the request needs to be sent to a different machine. \
         Use the redirect information to send the request to a new machine. Redirect location reported: https://localhost:{}/wsman. \
         To automatically connect to the redirected URI, verify \"MaximumConnectionRedirectionCount\" property of session \
         preference variable \"PSSessionOption\" and use \"AllowRedirection\" parameter on the cmdlet.",
        service.port
    );
    assert!(ran.stderr.contains(&said), "{ran:#?}");
    assert!(ran.stderr.contains("winrs --allow-redirection"), "{ran:#?}");
    let ran = winrs(front.port, &[ca[0], ca[1], "--allow-redirection", "-v", LINE]).ended(7);
    let said = format!(
        "winrs: redirected to https://localhost:{}/wsman\nwinrs: not by Kerberos: localhost is this computer\n\
         winrs: logged in by NTLM, messages are inside TLS\nerr\n",
        service.port
    );
    assert_eq!(ran.stderr, said);
}

#[test]
fn nobody_is_sent_in_circles_to_untrusted_hosts_or_away_from_tls() {
    let circle = sends(|port| format!("http://127.0.0.1:{port}/wsman"));
    let ran = winrs(circle, &["--allow-redirection", LINE]).ended(255);
    assert!(ran.stderr.contains("it is one more than may be"), "{ran:#?}");
    let far = sends(|_| "http://far.example:5985/wsman".to_owned());
    let ran = winrs(far, &["--allow-redirection", LINE]).ended(255);
    assert!(ran.stderr.contains("not in TrustedHosts (error 2150858980)"), "{ran:#?}");
    let nowhere = sends(|_| "ftp://far.example".to_owned());
    let ran = winrs(nowhere, &["--allow-redirection", LINE]).ended(255);
    assert!(ran.stderr.contains("`ftp` is no transport"), "{ran:#?}");
}

#[test]
fn cmdlets_follow_with_allow_redirection_only_and_as_often_as_the_options_say() {
    let service = Service::start(flavours()[0]);
    let (url, port) = (service.url.clone(), service.port);
    let front = sends(move |_| url.clone());
    let state = tempfile::tempdir().unwrap();
    let run = |more: &str| {
        let line = format!(
            "Get-PSSession -ConnectionUri http://127.0.0.1:{front}/wsman -Credential {USER} {more}"
        );
        let mut command = tool::pssession();
        command.args(["-c", &line]).env("XDG_STATE_HOME", state.path());
        tool::run(command.env("TRANSOM_PASSWORD", PASSWORD))
    };
    let ran = run("").ended(1);
    let location = format!("Redirect location reported: {}. To automatically", service.url);
    assert!(ran.stderr.contains(&location), "{ran:#?}");
    let ran = run("-AllowRedirection").ended(0);
    let said = format!(
        "WARNING: Your connection has been redirected to the following URI: \"http://127.0.0.1:{port}/wsman\""
    );
    assert!(ran.stderr.contains(&said), "{ran:#?}");
    let ran = run("-AllowRedirection -SessionOption @{MaximumRedirection=0}").ended(1);
    assert!(ran.stderr.contains(&location), "{ran:#?}");
}
