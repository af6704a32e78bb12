//! Sessions that outlive the programs which make them: made, found, left, taken up and ended by the cmdlets, from a shell and
//! in scripts.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use testkit::outside::report;

use crate::powershell::Reachable;
use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool::{self, Ran};

/// A service with PowerShell, and a user with a list of sessions.
pub(crate) struct Place {
    pub(crate) service: Service,
    engine: Reachable,
    pub(crate) state: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::configured("")
    }

    pub(crate) fn configured(settings: &str) -> Self {
        let engine = Reachable::find();
        report(&engine.name.peer("the cmdlets of sessions"));
        let settings = format!("{}{settings}", engine.settings());
        let service = Service::configured(flavours()[0], &settings);
        Self { service, engine, state: tempfile::tempdir().unwrap() }
    }

    /// The same service for a user of another machine.
    pub(crate) fn elsewhere(self) -> Self {
        Self { state: tempfile::tempdir().unwrap(), ..self }
    }

    fn command(&self, mut command: Command) -> Command {
        command.env("XDG_STATE_HOME", self.state.path()).env("TRANSOM_PASSWORD", PASSWORD);
        command
    }

    /// `-ComputerName localhost` and so on, for a line.
    pub(crate) fn there(&self) -> String {
        format!("-ComputerName localhost -Port {} -Credential {USER}", self.service.port)
    }

    /// A cmdlet as a program of its own.
    pub(crate) fn cmdlet(&self, line: &str) -> Command {
        let mut command = tool::transom();
        command.args(line.split_whitespace());
        self.command(command)
    }

    /// A line of `pssession`.
    pub(crate) fn line(&self, line: &str) -> Command {
        let mut command = tool::pssession();
        command.args(["-c", line]);
        self.command(command)
    }

    #[track_caller]
    pub(crate) fn shell(&self, line: &str) -> Ran {
        tool::run(&mut self.cmdlet(line))
    }

    #[track_caller]
    pub(crate) fn script(&self, line: &str) -> Ran {
        tool::run(&mut self.line(line))
    }

    /// A session as an object.
    #[track_caller]
    pub(crate) fn made(&self, more: &str) -> Value {
        let there = self.there();
        let ran = self.shell(&format!("New-PSSession {there} --json {more}")).ended(0);
        objects(&ran).remove(0)
    }

    /// `Id Name State Availability` of each session that a cmdlet shows.
    #[track_caller]
    pub(crate) fn told(&self, line: &str) -> Vec<String> {
        let ran = self.shell(&format!("{line} --json"));
        objects(&ran).iter().map(facts).collect()
    }

    /// How many shells the service has.
    fn shells(&self) -> usize {
        let log = self.service.log();
        log.matches("hell opened").count() - log.matches("hell ended").count()
    }

    fn list(&self) -> String {
        let path = self.state.path().join("transom/sessions.json");
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

pub(crate) fn objects(ran: &Ran) -> Vec<Value> {
    let lines = ran.stdout.lines();
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{ran:#?}"))).collect()
}

pub(crate) fn facts(session: &Value) -> String {
    if let Some(error) = session["error"]["message"].as_str() {
        return error.to_owned();
    }
    let text = |name: &str| session[name].as_str().unwrap_or_default();
    format!("{} {} {} {}", session["Id"], text("Name"), text("State"), text("Availability"))
}

#[test]
fn session_outlives_its_program_and_is_found_by_number_name_and_guid() {
    let place = Place::new();
    let session = place.made("-Name web");
    assert_eq!(facts(&session), "1 web Disconnected None");
    for (name, value) in [
        ("ComputerName", "localhost"),
        ("ComputerType", "RemoteMachine"),
        ("ConfigurationName", "Microsoft.PowerShell"),
        ("Transport", "WSMan"),
    ] {
        assert_eq!(session[name], value, "{session}");
    }
    let id = session["InstanceId"].as_str().unwrap();
    let kept = ["1 web Disconnected None"];
    assert_eq!(place.told("Get-PSSession"), kept);
    assert_eq!(place.told("Get-PSSession 1"), kept);
    assert_eq!(place.told("Get-PSSession -Name WEB"), kept);
    assert_eq!(place.told("Get-PSSession -Name w?b"), kept);
    assert_eq!(place.told(&format!("Get-PSSession -InstanceId {id}")), kept);
    // What its variables hold is there: it is the same session.
    assert_eq!(place.told("Connect-PSSession 1"), kept);
    let ran = place.script("$s = Connect-PSSession -Id 1; $s.State; \"$s\"").ended(0);
    assert_eq!(ran.stdout, "Opened\n[PSSession]web\n");
    place.shell(&format!("Remove-PSSession -InstanceId {id}")).ended(0);
    assert_eq!(place.told("Get-PSSession"), [""; 0]);
    tool::until("the session has ended on its host", || {
        place.service.log().contains("shell ended")
    });
}

#[test]
fn sessions_of_a_script_have_powershells_states_and_stay_when_it_ends() {
    let place = Place::new();
    let there = place.there();
    let ran = place.script(&format!(
        "$s = New-PSSession {there} -Name one; $s.State; $s.Availability; \
         $d = Disconnect-PSSession $s; $d.State; $s.Availability; \
         $c = Connect-PSSession $s; $c.State; \
         Remove-PSSession $s; $s.State; $s.Availability; Remove-PSSession $s; Get-PSSession; \
         $t = New-PSSession {there}; $t"
    ));
    let ran = ran.ended(0);
    let (states, table) = ran.stdout.split_once("\n\n").unwrap();
    let expected = "Opened\nAvailable\nDisconnected\nNone\nOpened\nClosed\nNone";
    assert_eq!(states, expected);
    insta::assert_snapshot!(table);
    assert_eq!(place.told("Get-PSSession"), ["1 Runspace1 Disconnected None"]);
}

#[test]
fn session_is_found_from_another_machine() {
    let place = Place::new();
    let id = place.made("-Name far")["InstanceId"].as_str().unwrap().to_owned();
    let place = place.elsewhere();
    let there = place.there();
    assert_eq!(place.told("Get-PSSession"), [""; 0]);
    let found = ["1 far Disconnected None"];
    assert_eq!(place.told(&format!("Get-PSSession {there}")), found);
    assert_eq!(place.told(&format!("Get-PSSession {there} -State Disconnected")), found);
    assert_eq!(place.told(&format!("Get-PSSession {there} -State Opened")), [""; 0]);
    assert_eq!(place.told(&format!("Get-PSSession {there} -Name f*")), found);
    assert_eq!(place.told(&format!("Get-PSSession {there} -Name x*")), [""; 0]);
    assert_eq!(place.told(&format!("Get-PSSession {there} -InstanceId {id}")), found);
    assert_eq!(place.told(&format!("Get-PSSession {there} -ConfigurationName other")), [""; 0]);
    let none = "11111111-2222-3333-4444-555555555555";
    let missing = place.shell(&format!("Get-PSSession {there} -InstanceId {none}")).ended(1);
    assert!(missing.stderr.contains(&format!("Remote session is not available for {none}.")));
    // From here on it can be named.
    assert_eq!(place.told("Get-PSSession -Id 1"), found);
    let uri = format!("-ConnectionUri {}/wsman -Credential {USER}", place.service.url);
    assert_eq!(place.told(&format!("Connect-PSSession {uri} -Name far")), found);
    assert_eq!(place.told(&format!("Connect-PSSession {there} -InstanceId {id}")), found);
    let line = format!("$s = Connect-PSSession {there}; $s.Name; $s | Remove-PSSession");
    assert_eq!(place.script(&line).ended(0).stdout, "far\n");
    assert_eq!(place.told(&format!("Get-PSSession {there}")), [""; 0]);
    assert_eq!(place.told("Get-PSSession"), [""; 0]);
}

#[test]
fn session_that_another_program_has_is_shown_as_busy_and_not_taken() {
    let place = Place::new();
    let there = place.there();
    let mut holder = tool::pssession();
    holder.stdin(std::process::Stdio::piped());
    let mut holder = tool::spawn(&mut place.command(holder));
    let mut stdin = holder.stdin.take().unwrap();
    let line = format!("$s = New-PSSession {there} -Name held; 'made'\n");
    std::io::Write::write_all(&mut stdin, line.as_bytes()).unwrap();
    tool::until("it is made", || place.list().contains("held"));
    let busy = ["1 held Disconnected Busy"];
    assert_eq!(place.told(&format!("Get-PSSession {there}")), busy);
    assert_eq!(place.told(&format!("Connect-PSSession {there}")), [""; 0]);
    let refused = place.shell("Connect-PSSession -Name held").ended(1);
    assert!(refused.stderr.starts_with("Connect-PSSession: [localhost] "), "{refused:#?}");
    assert!(refused.stderr.contains("another program may hold the session"), "{refused:#?}");
    drop(stdin);
    tool::finish(holder).ended(0);
    assert_eq!(place.told("Connect-PSSession -Name held"), ["1 held Disconnected None"]);
}

#[test]
fn sessions_of_one_name_are_all_meant_by_it() {
    let place = Place::new();
    place.made("-Name same");
    place.made("-Name same");
    let both = ["1 same Disconnected None", "2 same Disconnected None"];
    assert_eq!(place.told("Get-PSSession -Name same"), both);
    assert_eq!(place.told("Get-PSSession -Name same,s*,none").len(), 3);
    place.shell("Remove-PSSession -Name same").ended(0);
    assert_eq!(place.told("Get-PSSession"), [""; 0]);
    tool::until("both have ended", || place.service.log().matches("shell ended").count() == 2);
}

#[test]
fn objects_go_from_cmdlet_to_cmdlet_through_pipes_of_a_shell() {
    let place = Place::new();
    let there = place.there();
    let made = place.shell(&format!("New-PSSession {there} --json -Name a")).ended(0);
    let got = tool::run_with_input(&mut place.cmdlet("Get-PSSession --json"), b"").ended(0);
    assert_eq!(objects(&made)[0]["InstanceId"], objects(&got)[0]["InstanceId"]);
    let mut disconnect = place.cmdlet("Disconnect-PSSession -IdleTimeoutSec 120 --json");
    let left = tool::run_with_input(&mut disconnect, got.stdout.as_bytes()).ended(0);
    assert_eq!(objects(&left).len(), 1);
    let mut again = place.cmdlet("New-PSSession -Name b --json");
    let second = tool::run_with_input(&mut again, left.stdout.as_bytes()).ended(0);
    assert_eq!(facts(&objects(&second)[0]), "2 b Disconnected None");
    let both = format!("{}{}", left.stdout, second.stdout);
    tool::run_with_input(&mut place.cmdlet("Remove-PSSession"), both.as_bytes()).ended(0);
    assert_eq!(place.told("Get-PSSession"), [""; 0]);
    // One that is gone is not there for anybody.
    let gone =
        tool::run_with_input(&mut place.cmdlet("Remove-PSSession"), both.as_bytes()).ended(1);
    assert!(gone.stderr.starts_with("Remove-PSSession: Remote session is not available for "));
}

#[test]
fn session_that_has_ended_on_its_host_is_broken_and_listed_no_longer() {
    let place = Place::new();
    place.made("-Name first");
    place.made("-Name second");
    let other = Place { state: tempfile::tempdir().unwrap(), ..place };
    let there = other.there();
    // Another machine ends them.
    other.script(&format!("Get-PSSession {there} | Remove-PSSession")).ended(0);
    let place = other;
    assert_eq!(place.told(&format!("Get-PSSession {there}")), [""; 0]);
}

#[test]
fn session_whose_host_has_forgotten_it_says_so_and_its_entry_goes() {
    let mut place = Place::new();
    place.made("-Name first");
    place.made("-Name second");
    place.service.stop_and_start_again();
    let list = place.state.path().join("transom/sessions.json");
    // The service has another port after its start.
    let text = std::fs::read_to_string(&list).unwrap();
    let old = text.split("localhost:").nth(1).unwrap().split('/').next().unwrap();
    let text = text.replace(&format!(":{old}/"), &format!(":{}/", place.service.port));
    std::fs::write(&list, text).unwrap();
    let ran = place.script("$s = Get-PSSession -Id 1; Connect-PSSession -Name first; $s.State; $s = Get-PSSession; $s.Name").ended(0);
    assert!(ran.stderr.contains("Connect-PSSession: [localhost] "), "{ran:#?}");
    assert_eq!(ran.stdout, "Broken\nfirst\nsecond\n");
    assert_eq!(place.told("Get-PSSession"), ["2 second Disconnected None"]);
    // To remove what is gone is no error.
    place.shell("Remove-PSSession -Name second").ended(0);
    assert_eq!(place.told("Get-PSSession"), [""; 0]);
}

#[test]
fn session_whose_host_is_gone_is_listed_no_longer_when_it_is_removed() {
    let place = Place::new();
    place.made("-Name lost");
    let Place { service, engine, state } = place;
    drop(service);
    let place = Place { service: Service::start(flavours()[0]), engine, state };
    let connect = place.shell("Connect-PSSession -Name lost").ended(1);
    assert!(connect.stderr.starts_with("Connect-PSSession: [localhost] "), "{connect:#?}");
    assert_eq!(place.told("Get-PSSession"), ["1 lost Disconnected None"]);
    let remove = place.shell("Remove-PSSession -Name lost").ended(1);
    assert!(remove.stderr.contains("its host ends it when its idle time is over"), "{remove:#?}");
    assert_eq!(place.told("Get-PSSession"), [""; 0]);
}

#[test]
fn new_sessions_at_many_computers_are_opened_and_failures_are_told() {
    let place = Place::new();
    let port = place.service.port;
    let ran = place.shell(&format!(
        "New-PSSession localhost,no-such-host.invalid,127.0.0.1 -Port {port} -Credential {USER} -Name a,b,c --json \
         -ThrottleLimit 2"
    ));
    let told: Vec<String> = objects(&ran.ended(1)).iter().map(facts).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    let has = |part: &str| told.iter().any(|line| line.contains(part));
    assert!(has(" a Disconnected") && has(" c Disconnected"), "{told:?}");
    assert!(has("New-PSSession: [no-such-host.invalid] "), "{told:?}");
    let names = |place: &Place| {
        let mut names = place.told("Get-PSSession");
        names.sort();
        names.len()
    };
    assert_eq!(names(&place), 2);
    place.shell("Remove-PSSession -ComputerName local*").ended(0);
    assert_eq!(names(&place), 1);
}

#[test]
fn names_of_this_computer_lead_to_it() {
    let place = Place::new();
    let port = place.service.port;
    let own = nix::unistd::gethostname().unwrap().into_string().unwrap();
    for (computer, shown) in
        [(".", "localhost"), ("localhost", "localhost"), (own.as_str(), own.as_str())]
    {
        let line = format!(
            "New-PSSession -cn {computer} -Port {port} -Credential {USER} -EnableNetworkAccess --json"
        );
        let ran = place.shell(&line).ended(0);
        assert_eq!(objects(&ran)[0]["ComputerName"], shown);
    }
    let line =
        format!("New-PSSession -Port {port} -Credential {USER} -Verbose -EnableNetworkAccess");
    let ran = place.shell(&line).ended(0);
    assert!(ran.stdout.contains("localhost"), "{ran:#?}");
    assert!(ran.stderr.contains("VERBOSE: a session on this computer reaches others"), "{ran:#?}");
}

#[test]
fn mistakes_with_sessions_are_told_in_powershells_words() {
    let place = Place::new();
    let lines = [
        "Get-PSSession -Id 99",
        "Get-PSSession -Name none",
        "Get-PSSession -Name none*",
        "Get-PSSession -InstanceId 11111111-2222-3333-4444-555555555555",
        "Get-PSSession -Name one -Id 1",
        "Get-PSSession -State Opened",
        "Get-PSSession -ComputerName h -State Nope",
        "Remove-PSSession",
        "Remove-PSSession -Id 99",
        "Remove-PSSession -Session $null",
        "Disconnect-PSSession -Name none",
        "Disconnect-PSSession -Name none* -IdleTimeoutSec 59",
        "Connect-PSSession",
        "New-PSSession 'a b' -Credential u",
        "New-PSSession -ComputerName h:80 -Credential u",
        "New-PSSession -ConnectionUri bad -Credential u",
        "New-PSSession -ComputerName a -ConnectionUri http://b",
        "New-PSSession h -Port 0",
        "New-PSSession 127.0.0.1 -Authentication Kerberos",
        "New-PSSession h -Authentication Credssp",
        "New-PSSession h -Authentication Digest",
        "New-PSSession h -Authentication NegotiateWithImplicitCredential -Credential u",
        "New-PSSession h -CertificateThumbprint 00",
        "New-PSSession h -SessionOption @{ Nope = 1 } -Credential u",
        "New-PSSession h -SessionOption @{ IdleTimeout = 1000 } -Credential u",
        "New-PSSession h -SessionOption @{ ProxyAccessType = 'IEConfig' } -Credential u",
    ];
    let told: String = lines
        .iter()
        .map(|line| {
            let ran = place.script(line);
            format!("> {line}\n{}{}", ran.stdout, ran.stderr)
        })
        .collect();
    insta::assert_snapshot!(told);
}

#[test]
fn what_if_says_what_would_be_done_and_confirm_wants_a_terminal() {
    let place = Place::new();
    place.made("-Name web1");
    place.made("-Name web2");
    let ran = place.shell("Remove-PSSession -Name web* -WhatIf").ended(0);
    let line = "What if: Performing the operation \"Remove\" on target \"localhost\".\n";
    assert_eq!(ran.stdout, line.repeat(2));
    let ran = place.shell("Disconnect-PSSession -Name web1 -wi -IdleTimeoutSec 60").ended(0);
    assert_eq!(
        ran.stdout,
        "What if: Performing the operation \"Disconnect\" on target \"web1\".\n"
    );
    let ran = place.shell("Connect-PSSession -Name web1 -WhatIf --json").ended(0);
    assert_eq!(ran.stderr, "What if: Performing the operation \"Connect\" on target \"web1\".\n");
    let mut asking = place.cmdlet("Remove-PSSession -Name web* -Confirm");
    let ran = tool::run(&mut tool::without_terminal(&asking));
    assert_eq!(place.told("Get-PSSession").len(), 2, "{ran:#?}");
    asking.arg("-Confirm:$false");
    let ran = place.shell("Remove-PSSession -Name web1 -Verbose").ended(0);
    assert_eq!(
        ran.stderr,
        "VERBOSE: Performing the operation \"Remove\" on target \"localhost\".\n"
    );
    assert_eq!(place.told("Get-PSSession"), ["2 web2 Disconnected None"]);
}

#[test]
fn signal_leaves_the_sessions_of_a_script_on_their_hosts() {
    let place = Place::new();
    let there = place.there();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut holder = tool::pssession();
        holder.stdin(std::process::Stdio::piped());
        let mut holder = tool::spawn(&mut place.command(holder));
        let mut stdin = holder.stdin.take().unwrap();
        let line = format!("$s = New-PSSession {there} -Name {signal}\n");
        std::io::Write::write_all(&mut stdin, line.as_bytes()).unwrap();
        tool::until("it is made", || place.list().contains(signal.as_str()));
        kill(Pid::from_raw(holder.id().try_into().unwrap()), signal).unwrap();
        tool::finish(holder).ended(1);
        drop(stdin);
        let told = place.told(&format!("Get-PSSession {there} -Name {signal}"));
        assert!(told[0].ends_with(&format!("{signal} Disconnected None")), "{told:?}");
    }
    assert_eq!(place.shells(), 3);
}

#[test]
fn ctrl_c_ends_the_wait_for_a_host_that_does_not_answer() {
    let place = Place::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for cmdlet in ["New-PSSession", "Get-PSSession"] {
        let line = format!("{cmdlet} 127.0.0.1 -Port {port} -Credential {USER}");
        let waiting = tool::spawn(&mut place.cmdlet(&line));
        let _accepted = silent.accept().unwrap();
        kill(Pid::from_raw(waiting.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        let ran = tool::finish(waiting);
        assert_ne!(ran.code(), 0, "{ran:#?}");
    }
    assert_eq!(place.told("Get-PSSession"), [""; 0]);
}

#[test]
fn sessions_under_way_at_an_error_that_stops_are_closed() {
    let place = Place::new();
    let port = place.service.port;
    // The first refuses at once.
    let ran = place.shell(&format!(
        "New-PSSession 127.0.0.2,127.0.0.1 -Port {port} -Credential {USER} -ErrorAction Stop"
    ));
    assert!(ran.ended(1).stderr.starts_with("New-PSSession: [127.0.0.2] "));
    assert_eq!(place.told("Get-PSSession"), [""; 0]);
    tool::until("the other has ended", || place.service.log().contains("shell ended"));
}

#[test]
fn session_is_where_the_host_sent_to() {
    let place = Place::new();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let url = format!("{}/wsman", place.service.url);
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n");
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = elsewhere.accept() {
            let mut piece = [0; 4096];
            // A piece of the request is enough to answer.
            let _read = std::io::Read::read(&mut stream, &mut piece);
            let _unread = std::io::Write::write_all(&mut stream, answer.as_bytes());
        }
    });
    let uri = format!("http://127.0.0.1:{port}/wsman");
    let line = format!("New-PSSession -ConnectionUri {uri} -Credential {USER}");
    let ran = place.shell(&line).ended(1);
    assert!(ran.stderr.contains(&format!("Redirect location reported: {url}.")), "{ran:#?}");
    let ran = place.shell(&format!("{line} -Name sent -AllowRedirection")).ended(0);
    assert!(ran.stderr.contains("WARNING: Your connection has been redirected"), "{ran:#?}");
    // The next program goes there at once, and says nothing of it.
    let ran = place.shell("Connect-PSSession -Name sent").ended(0);
    assert!(!ran.stderr.contains("WARNING"), "{ran:#?}");
}

/// Whether a file is there for its owner only.
pub(crate) fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode().trailing_zeros() >= 6
}
