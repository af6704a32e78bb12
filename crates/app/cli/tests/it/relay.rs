//! The connection is lost at each point of a conversation: the outcome is the right one or a clear
//! error, no command runs twice, and nothing stays behind.
//!
//! A conversation of `winrs` is, request by request: the login's first leg (1), its second with the
//! Create (2), Command (3), Send (4), Receives, Signal, Delete.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use testkit::{Cut, Relay, peers_python, report};

use crate::service::{PASSWORD, Service, USER, flavours};
use crate::tool::{self, Ran, mark, processes_with};

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// The right output and exit code.
    Right,
    /// A clear error, with nothing wrong in what was printed before.
    Error,
}

/// A service, and a folder in which commands leave marks.
pub(crate) struct Scene {
    pub(crate) service: Service,
    folder: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::configured("")
    }

    pub(crate) fn configured(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let anybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(folder.path(), anybody).unwrap();
        Self { service: Service::configured(flavours()[0], settings), folder }
    }

    /// A command line that notes each of its runs under a name, and does something.
    pub(crate) fn line(&self, name: &str, what: &str) -> String {
        format!("echo run >>{}; {what}", self.folder.path().join(name).display())
    }

    /// A statement of PowerShell that notes each of its runs under a name.
    pub(crate) fn note(&self, name: &str) -> String {
        format!("'run' >> '{}'", self.folder.path().join(name).display())
    }

    /// How often the command of that name was run.
    pub(crate) fn runs(&self, name: &str) -> usize {
        fs::read_to_string(self.folder.path().join(name)).unwrap_or_default().lines().count()
    }

    fn winrs(relay: &Relay, line: &str, input: &[u8]) -> Ran {
        tool::run_with_input(Self::winrs_by(relay).arg(line), input)
    }

    pub(crate) fn winrs_by(relay: &Relay) -> Command {
        let mut command = tool::winrs();
        command.arg(format!("-r:http://127.0.0.1:{}", relay.port)).arg(format!("-u:{USER}"));
        command.env("TRANSOM_PASSWORD", PASSWORD);
        command
    }

    /// Shells that are open, by the service's log.
    fn open_shells(&self) -> usize {
        let log = self.service.log();
        let count = |outcome| log.lines().filter(|line| is_shell(line, outcome)).count();
        count("opened").saturating_sub(count("ended"))
    }

    /// Waits until no shell is open and the spawner has no child but the network process.
    #[track_caller]
    pub(crate) fn is_clean(&self, what: &str) {
        tool::until(what, || self.open_shells() == 0 && children(self.service.spawner()) == 1);
    }
}

fn is_shell(line: &str, outcome: &str) -> bool {
    line.contains("event=\"shell\"") && line.contains(&format!("outcome=\"{outcome}\""))
}

fn children(process: u32) -> usize {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    children.unwrap().split_whitespace().count()
}

/// What a client is to print, and what it is given.
struct Task {
    input: &'static [u8],
    what: &'static str,
    stdout: String,
    code: i32,
}

/// Requests of the shortest conversation.
const FEWEST: u32 = 7;
/// The way in which a request's cuts end where everything is recovered.
const ALL: &str = "RRRRRR";

/// Runs `winrs` once for each way to cut its conversation, and compares: for each request one letter
/// per cut in the order of [`Cut::all`], `R` for the right outcome, `e` for an error, `?` where it
/// depends on whether a side notices the loss before it reads or writes the message. All further
/// requests have [`ALL`].
#[track_caller]
fn conversation_ends_as(scene: &Scene, task: &Task, table: &[&str]) {
    let whole = Relay::start(scene.service.port, None).unwrap();
    let first = Scene::winrs(&whole, &scene.line("whole", task.what), task.input);
    assert_eq!(first.ended(task.code).stdout, task.stdout);
    assert!(whole.requests() >= FEWEST);
    for request in 1..=whole.requests() {
        let expected = table.get(request as usize - 1).copied().unwrap_or(ALL);
        let cuts = Cut::all(request).into_iter();
        let outcomes = cuts.zip(expected.chars()).map(|(cut, expected)| {
            match (expected, run_cut(scene, task, cut)) {
                ('?', _) => '?',
                (_, Outcome::Right) => 'R',
                (_, Outcome::Error) => 'e',
            }
        });
        let outcomes: String = outcomes.collect();
        assert_eq!(outcomes, expected, "request {request}");
    }
    scene.is_clean("nothing stays behind");
}

#[track_caller]
fn run_cut(scene: &Scene, task: &Task, cut: Cut) -> Outcome {
    let relay = Relay::start(scene.service.port, Some(cut)).unwrap();
    let mark = mark();
    let ran = Scene::winrs(&relay, &scene.line(&mark, task.what), task.input);
    let runs = scene.runs(&mark);
    // How many Receives there are depends on how the output comes.
    assert!(relay.has_cut() || relay.requests() >= FEWEST, "{cut:?} was not reached: {ran:#?}");
    let outcome = if ran.code() == task.code {
        assert!(ran.stdout == task.stdout, "{cut:?}: {} bytes", ran.stdout.len());
        assert_eq!((runs, ran.stderr.as_str()), (1, ""), "{cut:?}");
        Outcome::Right
    } else {
        assert_eq!(ran.code(), 255, "{cut:?}: {ran:#?}");
        assert!(ran.stderr.starts_with("Winrs error:"), "{cut:?}: {}", ran.stderr);
        assert!(task.stdout.starts_with(&ran.stdout), "{cut:?}: {}", ran.stdout);
        assert!(runs <= 1, "{cut:?}: {runs} runs");
        Outcome::Error
    };
    tool::until(&format!("{cut:?}: shell and processes go"), || {
        scene.open_shells() == 0 && processes_with(&mark).is_empty()
    });
    outcome
}

#[test]
fn winrs_recovers_from_a_cut_anywhere_but_before_its_command_has_arrived() {
    let scene = Scene::new();
    let task = Task { input: b"", what: "echo out; exit 7", stdout: "out\n".into(), code: 7 };
    conversation_ends_as(&scene, &task, &[ALL, "RRRRR?", "ee?RRR"]);
    scene.service.run("exit 5").ended(5);
}

#[test]
fn lost_input_is_an_error_and_is_never_given_twice() {
    let scene = Scene::new();
    let what = "tr a-z A-Z; exit 3";
    let task = Task { input: b"some input\n", what, stdout: "SOME INPUT\n".into(), code: 3 };
    // Input is never sent again. Where it had arrived, the command's own end is waited for.
    conversation_ends_as(&scene, &task, &[ALL, "RRRRR?", "ee?RR?", "ee?RRR"]);
}

#[test]
fn output_of_several_answers_comes_once_whichever_is_lost() {
    let scene = Scene::new();
    // More than one answer holds.
    let stdout: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    let task = Task { input: b"", what: "seq 1 100000; exit 4", stdout, code: 4 };
    for receive in [5, 6] {
        for cut in Cut::all(receive) {
            assert_eq!(run_cut(&scene, &task, cut), Outcome::Right, "{cut:?}");
        }
    }
    scene.is_clean("nothing stays behind");
}

#[test]
fn waiting_receive_that_is_lost_is_asked_again() {
    let scene = Scene::new();
    let what = "sleep 0.5; echo late; exit 9";
    let task = Task { input: b"", what, stdout: "late\n".into(), code: 9 };
    for cut in Cut::all(5) {
        assert_eq!(run_cut(&scene, &task, cut), Outcome::Right, "{cut:?}");
    }
    scene.is_clean("nothing stays behind");
}

#[test]
fn input_over_a_second_connection_is_lost_alone() {
    let scene = Scene::new();
    // 4 is the Receive, which waits; 5 and 6 are another login, and 7 is the Send.
    let expected = "RRRRR?RRRRR?ee?RRR".chars();
    for (cut, expected) in (5..=7).flat_map(Cut::all).zip(expected) {
        let relay = Relay::start(scene.service.port, Some(cut)).unwrap();
        let mark = mark();
        let line = scene.line(&mark, "read x; echo got $x; exit 6");
        let mut child = tool::spawn(Scene::winrs_by(&relay).arg(line).stdin(Stdio::piped()));
        tool::until("the Receive waits", || relay.requests() >= 4);
        child.stdin.take().unwrap().write_all(b"late\n").unwrap();
        let ran = tool::finish(child);
        // The end of the command may be known before the answer to its input.
        assert!(relay.has_cut() || ran.code() == 6, "{cut:?} was not reached: {ran:#?}");
        assert_eq!(scene.runs(&mark), 1, "{cut:?}");
        if ran.code() == 6 {
            assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("got late\n", ""), "{cut:?}");
            assert_ne!(expected, 'e', "{cut:?}");
        } else {
            assert!(ran.code() == 255 && ran.stderr.starts_with("Winrs error:"), "{ran:#?}");
            // The command may have answered before the loss is known.
            assert!("got late\n".starts_with(&ran.stdout), "{cut:?}: {ran:#?}");
            assert_ne!(expected, 'R', "{cut:?}: {ran:#?}");
        }
    }
    scene.is_clean("nothing stays behind");
}

#[test]
fn refused_login_is_not_tried_again_to_clean_up() {
    let scene = Scene::new();
    let whole = Relay::start(scene.service.port, None).unwrap();
    let mut command = Scene::winrs_by(&whole);
    tool::run(command.env("TRANSOM_PASSWORD", "wrong").arg("true")).ended(255);
    let log = scene.service.log();
    assert_eq!(log.matches("event=\"login\" outcome=\"refused\"").count(), 1);
    assert_eq!(whole.requests(), 2);
}

/// What a peer of `relay.py` is to do, and what it should bring.
pub(crate) struct Conversation {
    /// The name of its kind of conversation.
    pub(crate) peer: &'static str,
    /// The line that it runs, which notes each of its runs under a name.
    pub(crate) task: fn(&Scene, &str) -> String,
    pub(crate) stdout: &'static str,
    pub(crate) code: i32,
}

const fn with_input(peer: &'static str) -> Conversation {
    let task = |scene: &Scene, name: &str| scene.line(name, "tr a-z A-Z; exit 3");
    Conversation { peer, task, stdout: "SOME INPUT\n", code: 3 }
}

/// Lets a peer have one conversation over each relay; its version, and what each came to.
#[track_caller]
fn peer_converses(
    scene: &Scene,
    conversation: &Conversation,
    relays: &[(Relay, String)],
) -> (String, Vec<serde_json::Value>) {
    let mut command = tool::program(peers_python());
    command
        .arg(tool::repository().join("crates/app/cli/tests/peers/relay.py"))
        .args([conversation.peer, USER]);
    let tasks = relays
        .iter()
        .map(|(relay, name)| format!("{} {}\n", relay.port, (conversation.task)(scene, name)));
    let tasks: String = tasks.collect();
    command.env("TRANSOM_TEST_PASSWORD", PASSWORD);
    let ran = tool::run_with_input(&mut command, tasks.as_bytes()).ended(0);
    let mut lines = ran.stdout.lines();
    let version = lines.next().unwrap().to_owned();
    let results: Vec<_> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(results.len(), relays.len(), "{ran:#?}");
    (version, results)
}

/// Every way to cut a peer's conversation. What the peer makes of it is its own affair, and reported.
pub(crate) fn peer_is_cut(scene: &Scene, conversation: &Conversation) {
    let peer = conversation.peer.split('_').next().unwrap();
    let right = serde_json::json!({ "stdout": conversation.stdout, "code": conversation.code });
    let whole = [(Relay::start(scene.service.port, None).unwrap(), mark())];
    let (version, results) = peer_converses(scene, conversation, &whole);
    assert_eq!(results, std::slice::from_ref(&right));
    let cuts: Vec<_> = (1..=whole[0].0.requests()).flat_map(Cut::all).collect();
    let relays =
        cuts.iter().map(|cut| (Relay::start(scene.service.port, Some(*cut)).unwrap(), mark()));
    let relays: Vec<_> = relays.collect();
    let (_, results) = peer_converses(scene, conversation, &relays);
    let mut table = String::new();
    for ((cut, result), (index, (relay, name))) in
        cuts.iter().zip(&results).zip(relays.iter().enumerate())
    {
        let runs = scene.runs(name);
        let is_right = result == &right;
        assert!(runs == 1 || (runs == 0 && !is_right), "{cut:?}: {runs} runs, {result}");
        assert!(is_right || result.get("error").is_some(), "{cut:?}: {result}");
        assert!(relay.has_cut() || is_right, "{cut:?}: {result}");
        if index % 6 == 0 {
            table.push(' ');
        }
        table.push(if is_right { 'R' } else { 'e' });
    }
    let name = conversation.peer;
    report(&format!("PEER {peer} {version}: {} cuts of {name}:{table}", cuts.len()));
    // The service is well.
    scene.service.run("exit 5").ended(5);
}

#[test]
fn cut_peers_never_run_a_command_twice_and_leave_nothing_beyond_the_idle_time() {
    let scene = Scene::configured("[Winrs]\nIdleTimeout = 60000\n");
    peer_is_cut(&scene, &with_input("pywinrm"));
    peer_is_cut(&scene, &with_input("pypsrp"));
    scene.is_clean("the idle time ends the shells of those that gave up");
    scene.service.run("exit 5").ended(5);
}
