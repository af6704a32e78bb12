//! Connections through proxies that are not ours: Apache, Tinyproxy and Squid, each with a login.

use std::process::Command;

use crate::front::{self, Front, apache_proxy, squid, tinyproxy};
use crate::service::{PASSWORD, Service, USER, flavours};
use crate::stub::LINE;
use crate::tool::{self, Ran};

/// `winrs` through a proxy with an account there.
fn through(service: &Service, front: &Front, account: (&str, &str), words: &[&str]) -> Command {
    let mut command = service.winrs(&["--proxy", &front.proxy(), "--proxy-user", account.0]);
    command.env("TRANSOM_PROXY_PASSWORD", account.1).args(words);
    command
}

const ACCOUNT: (&str, &str) = (front::USER, front::PASSWORD);

#[track_caller]
fn seven(ran: Ran) {
    let ran = ran.ended(7);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn apache_with_digest_or_basic_lets_http_and_https_through() {
    for scheme in ["Digest", "Basic"] {
        let front = apache_proxy(scheme);
        let http = Service::start(flavours()[0]);
        let https =
            Service::https(flavours()[0], "[Service.Auth]\nCbtHardeningLevel = \"Strict\"\n");
        let certificate = https.certificate();
        let certificate = certificate.to_str().unwrap();
        for (service, more) in [(&http, vec![]), (&https, vec!["--ca", certificate])] {
            let words = [more.as_slice(), &["--proxy-auth", scheme, LINE]].concat();
            seven(tool::run(&mut through(service, &front, ACCOUNT, &words)));
            let wrong = (front::USER, "wrong");
            let ran = tool::run(&mut through(service, &front, wrong, &words)).ended(255);
            assert!(ran.stderr.contains("it refused the login"), "{ran:#?}");
            assert!(ran.stderr.contains("account at the proxy"), "{ran:#?}");
        }
        front.has_been_asked(4);
    }
}

#[test]
fn proxy_that_wants_a_login_says_which() {
    let front = apache_proxy("Basic");
    let service = Service::start(flavours()[0]);
    let ran = tool::run(&mut service.winrs(&["--proxy", &front.proxy(), LINE])).ended(255);
    let said = format!("The proxy 127.0.0.1:{}: it wants a login (Basic)", front.port);
    assert!(ran.stderr.contains(&said) && ran.stderr.contains("--proxy-user"), "{ran:#?}");
    let ran = tool::run(&mut through(&service, &front, ACCOUNT, &[LINE])).ended(255);
    assert!(ran.stderr.contains("it does not offer Negotiate; it offers Basic"), "{ran:#?}");
    assert!(ran.stderr.contains("--proxy-auth"), "{ran:#?}");
}

#[test]
fn tinyproxy_lets_through_to_the_ports_that_it_allows() {
    let service = Service::start(flavours()[0]);
    let front = tinyproxy(service.port);
    let account = ("user", "password");
    let basic = ["--proxy-auth", "basic"];
    seven(tool::run(&mut through(&service, &front, account, &[basic[0], basic[1], LINE])));
    let other = Service::start(flavours()[0]);
    let ran = tool::run(&mut through(&other, &front, account, &[basic[0], basic[1], LINE]));
    let ran = ran.ended(255);
    assert!(ran.stderr.contains("it answered CONNECT with HTTP status 403"), "{ran:#?}");
    assert!(ran.stderr.contains("must allow CONNECT to the service's port"), "{ran:#?}");
}

#[test]
fn squid_with_digest_lets_through() {
    let service = Service::start(flavours()[0]);
    let front = squid("digest");
    let words = ["--proxy-auth", "digest", LINE];
    seven(tool::run(&mut through(&service, &front, ACCOUNT, &words)));
    let ran = tool::run(&mut through(&service, &front, (front::USER, "x"), &words)).ended(255);
    assert!(ran.stderr.contains("it refused the login"), "{ran:#?}");
    front.has_been_asked(2);
}

#[test]
fn squid_gets_the_tokens_of_ntlm_on_one_connection() {
    let service = Service::start(flavours()[0]);
    // Offered as itself the mechanism goes without its envelope.
    for scheme in ["negotiate", "ntlm"] {
        let front = squid(scheme);
        let user = format!(r"DOM\{}", front::NTLM_USER);
        let account = (user.as_str(), front::NTLM_PASSWORD);
        seven(tool::run(&mut through(&service, &front, account, &[LINE])));
        tool::until("it logs the user", || front.log().contains(front::NTLM_USER));
        let ran = tool::run(&mut through(&service, &front, (&user, "wrong"), &[LINE])).ended(255);
        assert!(ran.stderr.contains("it refused the login"), "{scheme}: {ran:#?}");
    }
}

#[test]
fn environment_and_settings_name_proxies_and_exceptions() {
    let front = apache_proxy("Basic");
    let service = Service::start(flavours()[0]);
    let address = format!(
        "http://{}:{}@127.0.0.1:{}",
        front::USER.replace(' ', "%20"),
        front::PASSWORD.replace(':', "%3A").replace('"', "%22").replace(' ', "%20"),
        front.port
    );
    let mut command = service.winrs(&["--proxy", "environment", LINE]);
    seven(tool::run(command.env("http_proxy", &address)));
    let before = front.has_been_asked(1);
    // Nobody asked for the environment, or it makes an exception.
    seven(tool::run(service.winrs(&[LINE]).env("http_proxy", &address)));
    let mut command = service.winrs(&["--proxy", "environment", LINE]);
    command.env("http_proxy", &address).env("no_proxy", "example.com, 127.0.0.0/8");
    seven(tool::run(&mut command));
    assert_eq!(front.connects(), before, "{}", front.log());

    let secrets = tempfile::tempdir().unwrap();
    let file = secrets.path().join("password");
    std::fs::write(&file, format!("{}\n", front::PASSWORD)).unwrap();
    let settings = format!(
        "[Proxy]\nURL = \"{}\"\nAuthentication = \"Basic\"\nUserName = \"{}\"\nPasswordFile = {file:?}\n",
        front.proxy(),
        front::USER
    );
    let folder = tool::client_settings(&settings);
    let by_settings = |words: &[&str]| {
        let mut command = service.winrs(words);
        tool::run(command.env("XDG_CONFIG_HOME", folder.path()))
    };
    seven(by_settings(&[LINE]));
    let before_none = front.has_been_asked(before + 1);
    seven(by_settings(&["--proxy", "none", LINE]));
    assert_eq!(front.connects(), before_none, "{}", front.log());

    // The doctor walks the same way.
    let mut doctor = tool::transom();
    doctor.args(["doctor", &service.url, "-u", USER]).env("TRANSOM_PASSWORD", PASSWORD);
    let ran = tool::run(doctor.env("XDG_CONFIG_HOME", folder.path())).ended(0);
    assert!(
        ran.stdout.contains(&format!("through the proxy 127.0.0.1:{}", front.port)),
        "{ran:#?}"
    );
}

#[test]
fn session_options_say_whether_the_proxy_of_the_settings_is_taken_and_who_logs_in() {
    let front = apache_proxy("Digest");
    let service = Service::start(flavours()[0]);
    let folder = tool::client_settings(&format!("[Proxy]\nURL = \"{}\"\n", front.proxy()));
    let run = |option: &str| {
        let line = format!(
            "Invoke-Command -ConnectionUri {} -Credential {USER} -SessionOption ({option}) {{ 'there' }}",
            service.url
        );
        let mut command = tool::pssession();
        command.args(["-c", &line]).env("TRANSOM_PASSWORD", PASSWORD);
        command.env("TRANSOM_PROXY_PASSWORD", front::PASSWORD);
        tool::run(command.env("XDG_CONFIG_HOME", folder.path()))
    };
    let account = format!("-ProxyAuthentication Digest -ProxyCredential '{}'", front::USER);
    // Whether there is a pwsh behind the service or not: what matters is who is asked.
    run("New-PSSessionOption -ProxyAccessType NoProxyServer");
    assert_eq!(front.connects(), 0, "{}", front.log());
    let ran = run("New-PSSessionOption").ended(1);
    assert!(ran.stderr.contains("it wants a login (Digest)"), "{ran:#?}");
    let ran = run(&format!("New-PSSessionOption {account}"));
    assert!(!ran.stderr.contains("the proxy"), "{ran:#?}");
    front.has_said(" 200\n");
    let ran =
        run(&format!("New-PSSessionOption -ProxyAccessType NoProxyServer {account}")).ended(1);
    assert!(ran.stderr.contains("2150859165"), "{ran:#?}");
    for kind in ["IEConfig", "WinHttpConfig", "AutoDetect"] {
        let ran = run(&format!("New-PSSessionOption -ProxyAccessType {kind}")).ended(1);
        assert!(ran.stderr.contains("this computer has no such settings"), "{ran:#?}");
        assert!(ran.stderr.contains("[Proxy] of client.toml"), "{ran:#?}");
    }
}
