//! Each setting of `winrm/config` is changed by `winrm set` itself while a service runs, and other programs see what comes of
//! it: released clients, curl, openssl, `winrs`. What cannot be changed is refused, with a number and a reason.
//!
//! [`TESTS`] says which test is whose; the guide's table of the settings names the same ones.

mod addresses;
mod limits;
mod logins;
mod refusals;
mod rights;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use testkit::outside::peers_python;
use wsman::config::Node;

use crate::docs::{quoted, rows};
use crate::service::{PASSWORD, Service, USER};
use crate::tool::{self, Ran};

/// Which test changes a setting, in the order of the tree.
#[rustfmt::skip]
const TESTS: [(&str, &str); 44] = [
    ("MaxEnvelopeSizekb", "released_clients_meet_the_quotas_that_are_set"),
    ("MaxTimeoutms", "output_is_waited_for_no_longer_than_is_set"),
    ("MaxBatchItems", "lists_come_in_pieces_and_are_forgotten_as_is_set"),
    ("MaxProviderRequests", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Client/NetworkDelayms", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Client/URLPrefix", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Client/AllowUnencrypted", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Client/Auth/Basic", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Client/Auth/Digest", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Client/Auth/Kerberos", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Client/Auth/Negotiate", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Client/Auth/Certificate", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Client/Auth/CredSSP", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Client/DefaultPorts/HTTP", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Client/DefaultPorts/HTTPS", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Client/TrustedHosts", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Service/RootSDDL", "who_may_read_is_what_is_set"),
    ("Service/MaxConcurrentOperations", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Service/MaxConcurrentOperationsPerUser", "released_clients_meet_the_quotas_that_are_set"),
    ("Service/EnumerationTimeoutms", "lists_come_in_pieces_and_are_forgotten_as_is_set"),
    ("Service/MaxConnections", "connections_beyond_what_is_set_are_closed"),
    ("Service/MaxPacketRetrievalTimeSeconds", "half_a_request_is_waited_for_no_longer_than_is_set"),
    ("Service/AllowUnencrypted", "basic_and_readable_messages_pass_while_they_are_set"),
    ("Service/Auth/Basic", "basic_and_readable_messages_pass_while_they_are_set"),
    ("Service/Auth/Kerberos", "tickets_pass_while_one_of_their_words_is_set"),
    ("Service/Auth/Negotiate", "ntlm_passes_while_negotiate_is_set"),
    ("Service/Auth/Certificate", "certificates_of_clients_pass_while_they_are_set"),
    ("Service/Auth/CredSSP", "credssp_passes_while_it_is_set_and_shows_the_certificate_that_is_set"),
    ("Service/Auth/CbtHardeningLevel", "bindings_of_logins_are_asked_for_as_is_set"),
    ("Service/DefaultPorts/HTTP", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Service/DefaultPorts/HTTPS", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Service/IPv4Filter", "addresses_are_those_of_the_filters_that_are_set"),
    ("Service/IPv6Filter", "addresses_are_those_of_the_filters_that_are_set"),
    ("Service/EnableCompatibilityHttpListener", "ports_80_and_443_are_open_while_they_are_set"),
    ("Service/EnableCompatibilityHttpsListener", "ports_80_and_443_are_open_while_they_are_set"),
    ("Service/CertificateThumbprint", "credssp_passes_while_it_is_set_and_shows_the_certificate_that_is_set"),
    ("Service/AllowRemoteAccess", "other_computers_may_ask_while_it_is_set"),
    ("Winrs/AllowRemoteShellAccess", "shells_open_while_it_is_set_with_the_idle_time_that_is_set"),
    ("Winrs/IdleTimeout", "shells_open_while_it_is_set_with_the_idle_time_that_is_set"),
    ("Winrs/MaxConcurrentUsers", "as_many_users_have_shells_as_is_set"),
    ("Winrs/MaxShellRunTime", "what_winrm_cannot_set_is_refused_with_a_number_and_a_reason"),
    ("Winrs/MaxProcessesPerShell", "released_clients_meet_the_quotas_that_are_set"),
    ("Winrs/MaxMemoryPerShellMB", "memory_limit_is_changed_while_the_service_runs_and_counts_for_the_next_shell"),
    ("Winrs/MaxShellsPerUser", "released_clients_meet_the_quotas_that_are_set"),
];

/// The files with the tests.
const SOURCES: [&str; 6] = [
    include_str!("../memory.rs"),
    include_str!("addresses.rs"),
    include_str!("limits.rs"),
    include_str!("logins.rs"),
    include_str!("refusals.rs"),
    include_str!("rights.rs"),
];

#[test]
fn every_setting_has_a_test_by_winrm_set() {
    let settings = Node::Config.settings().map(|setting| setting.path);
    assert_eq!(TESTS.map(|(path, _)| path).to_vec(), settings.collect::<Vec<&str>>());
    for (path, test) in TESTS {
        let source = SOURCES.iter().find(|source| source.contains(&format!("\nfn {test}() {{")));
        let source = source.unwrap_or_else(|| panic!("there is no test {test}"));
        assert!(source.contains(&format!("\"{path}\"")), "{test} does not set {path}");
    }
}

#[test]
fn table_of_the_tree_names_the_test_by_winrm_set_of_each_setting() {
    let page = tool::repository().join("docs/guide/configuration.md");
    let rows = rows(&std::fs::read_to_string(page).unwrap());
    for (path, test) in TESTS {
        let name = format!("`{path}`");
        let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name}"));
        assert!(quoted(row.last().unwrap()).contains(&test), "{test} in {row:?}");
    }
}

/// `winrm set` of one setting, on the computer of the service.
pub(crate) fn winrm_set(service: &Service, path: &str, value: &str) -> Command {
    let (place, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut command = tool::winrm();
    command.args(["set", format!("winrm/config/{}", place.to_lowercase()).trim_end_matches('/')]);
    command.arg(format!("@{{{name}=\"{value}\"}}")).env("TRANSOM_STATE", service.state());
    command
}

/// Sets a value, and sees that it is shown.
#[track_caller]
fn set(service: &Service, path: &str, value: &str) {
    shown(tool::run(&mut winrm_set(service, path, value)), path, value);
}

/// The same from another computer, as far as the service can know.
#[track_caller]
fn set_from_afar(service: &Service, path: &str, value: &str) {
    shown(tool::run(&mut afar(service, winrm_set(service, path, value))), path, value);
}

/// `winrm` by a login instead of the private socket.
pub(crate) fn afar(service: &Service, mut command: Command) -> Command {
    command.arg(format!("-r:{}", service.url)).arg(format!("-u:{USER}"));
    command.env("TRANSOM_PASSWORD", PASSWORD);
    command
}

#[track_caller]
fn shown(ran: Ran, path: &str, value: &str) {
    let ran = ran.ended(0);
    let name = path.rsplit('/').next().unwrap();
    let line = if value.is_empty() { name.to_owned() } else { format!("{name} = {value}") };
    assert!(ran.stdout.lines().any(|shown| shown.trim() == line), "{line}: {ran:#?}");
    assert_eq!(ran.stderr, "");
}

/// What `winrm set` says where it is refused.
#[track_caller]
fn refused(service: &Service, path: &str, value: &str) -> String {
    let ran = tool::run(&mut winrm_set(service, path, value)).ended(1);
    assert_eq!(ran.stdout, "");
    ran.stderr
}

/// The logins that the service offers to whoever has none.
fn offers(service: &Service) -> Vec<String> {
    let mut curl = tool::program("curl");
    curl.args(["--silent", "--include", "--insecure", "--noproxy", "*", "--data", ""]);
    let head = tool::run(curl.arg(format!("{}/wsman", service.url))).ended(0).stdout;
    let offers = head.lines().filter_map(|line| line.strip_prefix("Www-Authenticate: "));
    offers.map(str::to_owned).collect()
}

/// Released clients in a process of their own, which answers each question by a line: `peers/settings_seen.py` has them.
struct Clients {
    child: Child,
    answers: Receiver<String>,
}

impl Clients {
    fn of(service: &Service) -> Self {
        Self::start(tool::program(peers_python()), &service.url, USER)
    }

    /// `python`: the interpreter, with an environment.
    fn start(mut python: Command, url: &str, user: &str) -> Self {
        python.arg(tool::repository().join("crates/app/cli/tests/peers/settings_seen.py"));
        python.arg(format!("{url}/wsman")).arg(user);
        if !python.get_envs().any(|(name, _)| name == "TRANSOM_TEST_PASSWORD") {
            python.env("TRANSOM_TEST_PASSWORD", PASSWORD);
        }
        let mut child = tool::spawn(python.stdin(std::process::Stdio::piped()));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, answers }
    }

    #[track_caller]
    fn ask(&mut self, question: &str) -> String {
        let asked = writeln!(self.child.stdin.as_mut().unwrap(), "{question}");
        if let Ok(answer) = self.answers.recv_timeout(tool::LIMIT)
            && asked.is_ok()
        {
            return answer;
        }
        let _gone = self.child.kill();
        let mut said = String::new();
        let _partial = self.child.stderr.take().unwrap().read_to_string(&mut said);
        panic!("{question}: {said}");
    }

    /// Whether a login passes: its client, and its word for it.
    #[track_caller]
    fn pass(&mut self, login: &str) -> bool {
        let answer = self.ask(&format!("login {login}"));
        assert!(answer == "pass" || answer.starts_with("refused: "), "{login}: {answer}");
        answer == "pass"
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}
