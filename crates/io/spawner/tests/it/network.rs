//! The network role: scenarios that run inside the service, and the tests that start them.
// tidy: long file: one scenario for each sentence of the process model, and the table that names them.

use std::ffi::OsString;
use std::fs;
use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal as SystemSignal;
use spawner::AccountId;
use spawner::frames::root::Reason;
use spawner::network::{
    Inherited, Keeper, Outcome, Process, RequestError, Signal, Spawner, Stage, Start, StartError,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::hostile;
use crate::service::{BOB, Mode, own_name};

pub(crate) type Outcomes = Result<(), String>;
pub(crate) type Scenario = fn(Spawner, Context) -> Pin<Box<dyn Future<Output = Outcomes>>>;

pub(crate) const ALICE: AccountId = [1; 16];
pub(crate) const NONE: [u8; 16] = [0; 16];

/// What a scenario knows.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) base: PathBuf,
    pub(crate) root: bool,
    pub(crate) marker: String,
}

macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition { return Err(format!($($text)+)); }
    };
}
pub(crate) use ensure;

macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => { &[$((stringify!($name), |spawner, context| Box::pin($name(spawner, context)))),+] };
}

pub(crate) use scenarios;

const SCENARIOS: &[(&str, Scenario)] = scenarios![
    commands,
    environment,
    identity,
    refusals,
    endings,
    headless,
    daemon_after_exit,
    keeper_attacked,
    bomb,
    many_pipes,
    limits,
    mapping_changes,
    files_refused,
    hung_lookup,
    few_descriptors,
    idle,
    idle_with_stopped_keeper,
    dies,
    ignores_stop,
    unprivileged,
    sessions,
    cancelled,
    no_login,
];

/// The network process's main.
pub(crate) fn role(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    spawner::network::protect().unwrap();
    let name = arguments.next().unwrap();
    let context = Context {
        base: arguments.next().unwrap().into(),
        root: arguments.next().unwrap() == "root",
        marker: arguments.next().unwrap(),
    };
    if let Some(scenario) = hostile::SCENARIOS.iter().find(|(known, _)| *known == name) {
        return say(scenario.1(&context));
    }
    let mut inherited = Inherited::take().unwrap();
    let done = (name == "bind").then(|| bind(&mut inherited));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let spawner = inherited.start().unwrap();
        spawner.ready().await.unwrap();
        let scenarios = SCENARIOS.iter().chain(crate::tickets::SCENARIOS);
        let mut scenarios =
            scenarios.chain(crate::members::SCENARIOS).chain(crate::memory::SCENARIOS);
        let scenario = scenarios.find(|(known, _)| *known == name);
        let code = say(match (done, scenario) {
            (Some(done), _) => done,
            (None, Some((_, scenario))) => scenario(spawner.clone(), context).await,
            (None, None) => panic!("no scenario {name}"),
        });
        spawner.stop_requested().await;
        code
    })
}

fn say(result: Outcomes) -> ExitCode {
    match result {
        Ok(()) => println!("RESULT ok"),
        Err(error) => println!("RESULT {}", error.replace('\n', " | ")),
    }
    std::io::stdout().flush().unwrap();
    ExitCode::SUCCESS
}

/// Asks the runner to do what this process may not, and waits until it is done.
pub(crate) async fn ask(context: &Context, action: &str) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    println!("ASK {number} {action}");
    while !context.base.join("ack").join(number.to_string()).exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn open(spawner: &Spawner) -> Result<Keeper, String> {
    spawner.open(ALICE, NONE).await.map_err(|error| format!("open: {error}"))
}

async fn refused(spawner: &Spawner, account: u8, reason: Reason) -> Outcomes {
    match spawner.open([account; 16], NONE).await {
        Err(RequestError::Refused { reason: given, .. }) if given == reason => Ok(()),
        other => Err(format!("account {account}: {other:?} instead of {reason:?}")),
    }
}

fn sh(script: &str) -> Start {
    Start { argv: ["/bin/sh", "-c", script].map(OsString::from).to_vec(), ..Start::default() }
}

pub(crate) async fn start(keeper: &Keeper, script: &str) -> Result<Process, String> {
    keeper.start(sh(script)).await.map_err(|error| format!("{script}: {error}"))
}

/// Runs a command with input; returns stdout, stderr and how it ended.
pub(crate) async fn run(
    keeper: &Keeper,
    start: Start,
    input: &[u8],
) -> Result<(Vec<u8>, Vec<u8>, Outcome), String> {
    let mut process = keeper.start(start).await.map_err(|error| error.to_string())?;
    let mut stdin = process.stdin.take().unwrap();
    let (mut stdout, mut stderr) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let write = async move { drop(stdin.write_all(input).await) };
    let ((), one, two) =
        tokio::join!(write, stdout.read_to_end(&mut out), stderr.read_to_end(&mut err));
    one.and(two).map_err(|error| error.to_string())?;
    Ok((out, err, process.wait().await.outcome))
}

pub(crate) async fn text(keeper: &Keeper, script: &str) -> Result<String, String> {
    let (out, err, _) = run(keeper, sh(script), b"").await?;
    Ok(format!("{}{}", String::from_utf8_lossy(&out), String::from_utf8_lossy(&err))
        .trim()
        .to_owned())
}

pub(crate) async fn read_line(process: &mut Process) -> String {
    let mut line = Vec::new();
    let stdout = process.stdout.as_mut().unwrap();
    while !line.ends_with(b"\n") {
        match stdout.read_u8().await {
            Ok(byte) => line.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&line).trim().to_owned()
}

/// How many living processes bear the scenario's marker as a command's argument, this one not counted.
fn alive(context: &Context) -> usize {
    let own = format!("/proc/{}", std::process::id());
    let needle = format!("77{}", context.marker);
    crate::service::marked(&needle).iter().filter(|line| !line.starts_with(&own)).count()
}

async fn wait_alive(context: &Context, count: usize) -> Outcomes {
    for _ in 0..1_000 {
        if alive(context) >= count {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("{} of {count} processes", alive(context)))
}

/// A long sleep that bears the marker.
fn sleeper(context: &Context) -> String {
    format!("sleep 77{}", context.marker)
}

async fn commands(spawner: Spawner, context: Context) -> Outcomes {
    let keeper = open(&spawner).await?;
    let input: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
    let (out, err, outcome) = run(&keeper, sh("cat; echo problem >&2; exit 7"), &input).await?;
    ensure!(
        out == input && err == b"problem\n" && outcome == Outcome::Code(7),
        "cat: {} {err:?} {outcome:?}",
        out.len()
    );
    let (_, _, outcome) = run(&keeper, sh("kill -9 $$"), b"").await?;
    ensure!(outcome == Outcome::Signal(9), "kill -9: {outcome:?}");
    ensure!(
        text(&keeper, "echo out > /dev/stdout; echo err > /dev/stderr").await? == "out\nerr",
        "/dev/stderr"
    );

    let mut process =
        start(&keeper, "trap 'exit 42' INT; echo up; while :; do sleep 0.02; done").await?;
    ensure!(read_line(&mut process).await == "up", "no line");
    process.signal(Signal::Interrupt);
    ensure!(process.wait().await.outcome == Outcome::Code(42), "interrupt");
    let mut process =
        start(&keeper, &format!("{} & {} & echo up; wait", sleeper(&context), sleeper(&context)))
            .await?;
    ensure!(read_line(&mut process).await == "up", "no line");
    process.signal(Signal::Terminate);
    ensure!(process.wait().await.outcome == Outcome::Signal(9), "terminate");

    let missing = Start { directory: Some("/nonexistent/folder".into()), ..sh("true") };
    match keeper.start(missing).await {
        Err(StartError::Failed { stage: Stage::Directory, errno: 2 }) => {}
        other => return Err(format!("missing directory: {other:?}")),
    }
    match keeper.start(Start { argv: vec!["no-such-program".into()], ..Start::default() }).await {
        Err(StartError::Failed { stage: Stage::Execute, errno: 2 }) => {}
        other => return Err(format!("missing program: {other:?}")),
    }
    let (out, _, _) =
        run(&keeper, Start { directory: Some("/usr".into()), ..sh("pwd") }, b"").await?;
    ensure!(out == b"/usr\n", "pwd: {out:?}");

    let mut seen = std::collections::BTreeSet::new();
    let mut joined = tokio::task::JoinSet::new();
    let keeper = std::sync::Arc::new(keeper);
    for n in 0..20 {
        let keeper = std::sync::Arc::clone(&keeper);
        joined.spawn(async move {
            text(&keeper, &format!("sleep 0.0{n}; echo {n}")).await.map(|text| (n, text))
        });
    }
    while let Some(result) = joined.join_next().await {
        let (n, text) = result.unwrap()?;
        ensure!(text == n.to_string() && seen.insert(n), "command {n} said {text}");
    }
    Ok(())
}

async fn environment(spawner: Spawner, context: Context) -> Outcomes {
    let keeper = open(&spawner).await?;
    let env = |start: Start| Start { argv: vec!["env".into()], ..start };
    let (out, _, _) = run(&keeper, env(Start::default()), b"").await?;
    let out = String::from_utf8(out).unwrap();
    let names: Vec<&str> = out.lines().filter_map(|line| line.split('=').next()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    ensure!(sorted == ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TZ", "USER"], "{names:?}");
    let name = if context.root { "tm-alice".to_owned() } else { text(&keeper, "id -un").await? };
    ensure!(out.contains(&format!("USER={name}\n")), "{out}");
    let more = [("A", "1"), ("LANG", "x"), ("LD_AUDIT", "")]
        .map(|(name, value)| (name.into(), value.into()))
        .to_vec();
    let (out, _, _) =
        run(&keeper, env(Start { environment: more, ..Start::default() }), b"").await?;
    let out = String::from_utf8(out).unwrap();
    ensure!(
        out.contains("A=1\n") && out.contains("LANG=x\n") && out.contains("LD_AUDIT=\n"),
        "{out}"
    );
    let home = text(&keeper, "pwd").await?;
    if context.root {
        ensure!(home == context.base.join("home").to_str().unwrap(), "home is {home}");
        let keeper = spawner.open([2; 16], NONE).await.map_err(|error| error.to_string())?;
        ensure!(text(&keeper, "pwd").await? == "/", "a missing home");
    }
    Ok(())
}

async fn identity(spawner: Spawner, context: Context) -> Outcomes {
    let keeper = open(&spawner).await?;
    ensure!(text(&keeper, "id -u; id -g; id -ru").await? == "60001\n60001\n60001", "ids");
    ensure!(
        text(&keeper, "id -G").await? == "60001 60011 60012",
        "groups: {}",
        text(&keeper, "id -G").await?
    );
    let own = nix::unistd::getresuid().unwrap();
    ensure!(
        own.real.as_raw() == 60_009 && own.saved.as_raw() == 60_009,
        "the network process is {own:?}"
    );
    let status = fs::read_to_string("/proc/self/status").unwrap();
    for line in [
        "NoNewPrivs:\t1",
        "CapBnd:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapPrm:\t0000000000000000",
    ] {
        ensure!(status.contains(line), "no {line} in the network process's status");
    }
    // Three standard ones; whatever else is open was made by this process itself.
    let own = ["socket:", "pipe:", "anon_inode:", "/proc/"];
    let foreign: Vec<_> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .filter(|entry| !["0", "1", "2"].contains(&&*entry.file_name().to_string_lossy()))
        .filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
        .filter(|target| !own.iter().any(|kind| target.starts_with(kind)))
        .collect();
    ensure!(foreign.is_empty(), "descriptors of the network process: {foreign:?}");
    let status = text(&keeper, "cat /proc/self/status").await?;
    for line in [
        "NoNewPrivs:\t0",
        "CapEff:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapInh:\t0000000000000000",
        "SigBlk:\t0000000000000000",
        "SigCgt:\t0000000000000000",
        "Umask:\t0022",
    ] {
        ensure!(status.contains(line), "no {line} in the command's status: {status}");
    }
    let state = context.base.join("state").display().to_string();
    for file in ["users", "accounts", "service/key", "service"] {
        let answer = text(&keeper, &format!("ls {state}/{file}/ 2>&1; cat {state}/{file}")).await?;
        ensure!(
            answer.contains("ermission denied") && !answer.contains("secret"),
            "{file}: {answer}"
        );
    }
    ensure!(
        text(&keeper, &format!("mv {state}/users {state}/x; touch {state}/x"))
            .await?
            .contains("ermission denied"),
        "mv"
    );
    // The keeper and the network process are closed to their users.
    for path in ["/proc/$PPID/environ", "/proc/$PPID/fd/", "/proc/$PPID/mem"] {
        let answer = text(&keeper, &format!("ls {path} && cat {path}")).await?;
        ensure!(answer.contains("ermission denied"), "{path}: {answer}");
    }
    let answer = text(&keeper, "ls -l /proc/self/fd | grep -c '[0-9] -> '").await?;
    ensure!(answer == "4", "a command inherits more than its pipes: {answer}");
    ensure!(text(&keeper, "ulimit -c; ulimit -n").await?.lines().count() == 2, "limits");
    ensure!(
        text(&keeper, "ps -o sid= -p $$ | tr -d ' '; echo $$")
            .await?
            .lines()
            .collect::<Vec<_>>()
            .windows(2)
            .all(|two| two[0] == two[1]),
        "session"
    );
    let mut file = spawner.accounts().await.map_err(|error| error.to_string())?;
    let mut content = String::new();
    std::io::Read::read_to_string(&mut file, &mut content).unwrap();
    ensure!(content == "secret hashes" && file.set_len(0).is_err(), "accounts: {content}");
    Ok(())
}

async fn refusals(spawner: Spawner, _: Context) -> Outcomes {
    refused(&spawner, 3, Reason::Expired).await?;
    refused(&spawner, 5, Reason::RootNotAllowed).await?;
    refused(&spawner, 7, Reason::UidChanged).await?;
    refused(&spawner, 8, Reason::NoSuchUser).await?;
    refused(&spawner, 9, Reason::NotMapped).await?;
    let root = spawner.open([4; 16], NONE).await.map_err(|error| error.to_string())?;
    ensure!(text(&root, "id -u").await? == "0", "allow-root");
    Ok(())
}

async fn endings(spawner: Spawner, context: Context) -> Outcomes {
    let keeper = open(&spawner).await?;
    let sleep = sleeper(&context);
    let script = format!(
        "setsid {sleep} & (setsid sh -c '{sleep} & {sleep} & {sleep}' &) ; trap '' TERM HUP INT; {sleep}"
    );
    let mut process = start(&keeper, &script).await?;
    wait_alive(&context, 5).await?;
    keeper.close().await;
    ensure!(alive(&context) == 0, "{} are left", alive(&context));
    ensure!(
        matches!(process.wait().await.outcome, Outcome::Lost | Outcome::Signal(9)),
        "the command's end"
    );
    Ok(())
}

/// A process whose first thread has ended reads as a zombie, and `cgroup.kill` passes it by.
async fn headless(spawner: Spawner, _: Context) -> Outcomes {
    let keeper = open(&spawner).await?;
    let script = "command -v python3 >/dev/null || { echo absent; exit; }; exec python3 -c '
import ctypes, os, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
print(os.getpid(), flush=True)
SYS_exit = {\"x86_64\": 60, \"i686\": 1}.get(os.uname().machine, 93)
ctypes.CDLL(None).syscall(SYS_exit, 0)'";
    let mut process = start(&keeper, script).await?;
    let line = read_line(&mut process).await;
    if line == "absent" {
        eprintln!("SKIPPED process_without_first_thread_ends_with_the_shell: no python3");
        return Ok(());
    }
    let status = format!("/proc/{line}/status");
    for _ in 0..1_000 {
        let text = fs::read_to_string(&status).map_err(|error| format!("{status}: {error}"))?;
        if text.contains("State:\tZ") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    keeper.close().await;
    ensure!(!Path::new(&status).exists(), "it lives");
    Ok(())
}

async fn daemon_after_exit(spawner: Spawner, context: Context) -> Outcomes {
    let keeper = open(&spawner).await?;
    let sleep = sleeper(&context);
    let script = format!(
        "(setsid sh -c '(setsid {sleep} >/dev/null 2>&1 </dev/null &) ' >/dev/null 2>&1 &); exit 3"
    );
    let (_, _, outcome) = run(&keeper, sh(&script), b"").await?;
    ensure!(outcome == Outcome::Code(3), "{outcome:?}");
    wait_alive(&context, 1).await?;
    // A dropped keeper closes its shell as well.
    drop(keeper);
    for _ in 0..1_000 {
        if alive(&context) == 0 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err("the daemon lives".into())
}

async fn keeper_attacked(spawner: Spawner, context: Context) -> Outcomes {
    let sleep = sleeper(&context);
    let keeper = open(&spawner).await?;
    let _process =
        start(&keeper, &format!("setsid {sleep} & sleep 0.2; kill -STOP $PPID; {sleep}")).await?;
    wait_alive(&context, 2).await?;
    keeper.close().await;
    ensure!(alive(&context) == 0, "stopped keeper: {} are left", alive(&context));

    let keeper = open(&spawner).await?;
    let mut process = start(
        &keeper,
        &format!("setsid {sleep} & (setsid {sleep} &); sleep 0.1; kill -KILL $PPID; {sleep}"),
    )
    .await?;
    ensure!(process.wait().await.outcome == Outcome::Lost, "outcome of a lost command");
    keeper.ended().await;
    ensure!(alive(&context) == 0, "killed keeper: {} are left", alive(&context));
    match keeper.start(sh("true")).await {
        Err(StartError::Ended) => {}
        other => return Err(format!("start after the end: {other:?}")),
    }
    let keeper = open(&spawner).await?;
    ensure!(text(&keeper, "echo next").await? == "next", "the next shell");
    Ok(())
}

async fn bomb(spawner: Spawner, context: Context) -> Outcomes {
    let keeper = open(&spawner).await?;
    let other = open(&spawner).await?;
    let sleep = sleeper(&context);
    let script = format!(
        "i=0; while [ $i -lt 300 ]; do (setsid {sleep} &); i=$((i+1)); done; while :; do (setsid sleep 0.01 &); done"
    );
    let _process = start(&keeper, &script).await?;
    wait_alive(&context, 300).await?;
    keeper.close().await;
    ensure!(alive(&context) == 0, "{} are left", alive(&context));
    ensure!(text(&other, "echo here").await? == "here", "another shell suffers");
    // The same with the keeper killed from inside, so that orphans become the spawner's.
    let keeper = open(&spawner).await?;
    let script = format!(
        "i=0; while [ $i -lt 300 ]; do (setsid {sleep} &); i=$((i+1)); done; kill -9 $PPID; while :; do (setsid sleep 0.01 &); done"
    );
    let _process = start(&keeper, &script).await?;
    keeper.ended().await;
    ensure!(alive(&context) == 0, "{} orphans are left", alive(&context));
    ensure!(text(&other, "echo here").await? == "here", "another shell suffers");
    Ok(())
}

async fn many_pipes(spawner: Spawner, _: Context) -> Outcomes {
    let keepers = [open(&spawner).await?, open(&spawner).await?];
    let mut processes = Vec::new();
    for n in 0..370 {
        processes.push(start(&keepers[n % 2], "read line; echo \"$line\"; echo e >&2").await?);
    }
    for (n, process) in processes.iter_mut().enumerate() {
        process
            .stdin
            .take()
            .unwrap()
            .write_all(format!("{n}\n").as_bytes())
            .await
            .map_err(|error| error.to_string())?;
        let line = read_line(process).await;
        ensure!(line == n.to_string(), "command {n} said {line}");
        ensure!(process.wait().await.outcome == Outcome::Code(0), "command {n}");
    }
    Ok(())
}

async fn limits(spawner: Spawner, _: Context) -> Outcomes {
    let mut keepers = Vec::new();
    for _ in 0..3 {
        keepers.push(open(&spawner).await?);
    }
    refused(&spawner, 1, Reason::AccountLimit).await?;
    let bob = spawner.open([2; 16], NONE).await.map_err(|error| error.to_string())?;
    refused(&spawner, 2, Reason::TotalLimit).await?;
    bob.close().await;
    keepers.pop().unwrap().close().await;
    keepers.push(open(&spawner).await?);
    Ok(())
}

async fn sessions(spawner: Spawner, context: Context) -> Outcomes {
    let keeper = open(&spawner).await?;
    let other = open(&spawner).await?;
    let stays = start(&other, &format!("exec {}", sleeper(&context))).await?;
    let sleep = sleeper(&context);
    // Job control puts the background job into a group of its own within the session.
    let mut process = start(&keeper, &format!("set -m; {sleep} & exit 5")).await?;
    let exit = process.wait().await;
    ensure!(exit.outcome == Outcome::Code(5) && exit.others, "{exit:?}");
    wait_alive(&context, 2).await?;
    process.signal(Signal::Terminate);
    for _ in 0..1_000 {
        if alive(&context) == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    ensure!(alive(&context) == 1, "{} alive", alive(&context));
    let exit = {
        let mut process = start(&keeper, "exit 6").await?;
        process.wait().await
    };
    ensure!(exit.outcome == Outcome::Code(6) && !exit.others, "{exit:?}");
    drop(stays);
    Ok(())
}

async fn cancelled(spawner: Spawner, context: Context) -> Outcomes {
    // Dropped before, while and after the answer is on its way; a keeper that was opened is closed by being dropped.
    for millis in [0, 0, 1, 2, 3] {
        let open = spawner.open(ALICE, NONE);
        drop(tokio::time::timeout(Duration::from_millis(millis), open).await);
    }
    let keeper = open(&spawner).await?;
    for millis in [0, 0, 1, 1, 2, 2, 3] {
        let start = keeper.start(sh(&format!("exec {}", sleeper(&context))));
        if let Ok(Ok(process)) = tokio::time::timeout(Duration::from_millis(millis), start).await {
            // In time after all; such a command runs until somebody ends it.
            process.signal(Signal::Terminate);
        }
    }
    ensure!(text(&keeper, "echo up").await? == "up", "the keeper");
    for _ in 0..1_000 {
        if alive(&context) == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let needle = format!("77{}", context.marker);
    ensure!(alive(&context) == 0, "commands live: {:?}", crate::service::marked(&needle));
    keeper.close().await;
    Ok(())
}

/// Before the runtime, as the service does.
fn bind(spawner: &mut Inherited) -> Outcomes {
    for address in ["127.0.0.1:987", "[::1]:988"] {
        let listener = spawner
            .bind(address.parse().unwrap())
            .map_err(|error| format!("{address}: {error}"))?;
        ensure!(listener.local_addr().unwrap().to_string() == address, "{listener:?}");
        std::net::TcpStream::connect(address).map_err(|error| error.to_string())?;
    }
    for address in ["127.0.0.1:986", "0.0.0.0:987", "127.0.0.1:2987"] {
        match spawner.bind(address.parse().unwrap()) {
            Err(RequestError::Refused { reason: Reason::NotListed, .. }) => {}
            other => return Err(format!("{address}: {other:?}")),
        }
    }
    Ok(())
}

async fn mapping_changes(spawner: Spawner, context: Context) -> Outcomes {
    refused(&spawner, 10, Reason::NotMapped).await?;
    ask(&context, "map 10 to bob").await;
    let keeper = spawner.open([10; 16], NONE).await.map_err(|error| error.to_string())?;
    ensure!(text(&keeper, "id -u").await? == BOB.to_string(), "not bob");
    ask(&context, "map 10 to the service").await;
    refused(&spawner, 10, Reason::ServiceUser).await?;
    Ok(())
}

const BAD_FILES: [&str; 6] = [
    "users is a link",
    "users is writable",
    "users is a fifo",
    "users is nonsense",
    "users is long",
    "folder is writable",
];

async fn files_refused(spawner: Spawner, context: Context) -> Outcomes {
    for bad in BAD_FILES {
        ask(&context, bad).await;
        refused(&spawner, 1, Reason::UsersFile).await.map_err(|error| format!("{bad}: {error}"))?;
        ask(&context, "good again").await;
        open(&spawner).await.map_err(|error| format!("after {bad}: {error}"))?;
    }
    Ok(())
}

async fn hung_lookup(spawner: Spawner, context: Context) -> Outcomes {
    ask(&context, "hang").await;
    let mut hung = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let spawner = spawner.clone();
        hung.spawn(async move { refused(&spawner, 1, Reason::TimedOut).await });
    }
    // The network half itself lets 64 through; they are in root's hands when the next one has been answered.
    tokio::time::sleep(Duration::from_millis(300)).await;
    ask(&context, "heal").await;
    spawner.accounts().await.map_err(|error| format!("root waits with them: {error}"))?;
    while let Some(result) = hung.join_next().await {
        result.unwrap()?;
    }
    let keeper = open(&spawner).await?;
    ensure!(text(&keeper, "echo up").await? == "up", "afterwards");
    Ok(())
}

async fn no_login(spawner: Spawner, context: Context) -> Outcomes {
    ask(&context, "forbid").await;
    refused(&spawner, 1, Reason::NoLogin).await?;
    ask(&context, "allow").await;
    drop(open(&spawner).await?);
    Ok(())
}

async fn few_descriptors(spawner: Spawner, context: Context) -> Outcomes {
    let keeper = open(&spawner).await?;
    ask(&context, "few").await;
    let mut opens = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let spawner = spawner.clone();
        opens.spawn(async move { spawner.open(ALICE, NONE).await });
    }
    let (mut opened, mut refused) = (0, 0);
    while let Some(result) = opens.join_next().await {
        match result.unwrap() {
            Ok(_) => opened += 1,
            Err(RequestError::Refused {
                reason: Reason::Resources | Reason::UsersFile,
                errno: 24,
            }) => refused += 1,
            Err(other) => return Err(other.to_string()),
        }
    }
    ensure!(refused > 0, "{opened} opened, {refused} refused");
    ensure!(text(&keeper, "echo up").await? == "up", "an open shell suffers");
    ask(&context, "many").await;
    drop(open(&spawner).await?);
    Ok(())
}

async fn idle(spawner: Spawner, context: Context) -> Outcomes {
    let keeper = open(&spawner).await?;
    let sleep = sleeper(&context);
    let process = start(&keeper, &format!("setsid {sleep} & (setsid {sleep} &); {sleep}")).await?;
    wait_alive(&context, 3).await?;
    // Both outlive the scenario.
    std::mem::forget((keeper, process));
    Ok(())
}

async fn idle_with_stopped_keeper(spawner: Spawner, context: Context) -> Outcomes {
    let keeper = open(&spawner).await?;
    let sleep = sleeper(&context);
    let script = format!("setsid {sleep} & echo $PPID; sleep 0.2; kill -STOP $PPID; {sleep}");
    let mut process = start(&keeper, &script).await?;
    let number = read_line(&mut process).await;
    wait_alive(&context, 3).await?;
    for _ in 0..1_000 {
        let stat = fs::read_to_string(format!("/proc/{number}/stat"))
            .map_err(|error| error.to_string())?;
        if stat.contains(") T ") {
            std::mem::forget((keeper, process));
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err("the keeper does not stop".into())
}

async fn dies(spawner: Spawner, context: Context) -> Outcomes {
    idle(spawner, context).await?;
    println!("RESULT ok");
    nix::sys::signal::kill(nix::unistd::Pid::this(), SystemSignal::SIGKILL).unwrap();
    Ok(())
}

async fn ignores_stop(spawner: Spawner, context: Context) -> Outcomes {
    idle(spawner.clone(), context.clone()).await?;
    println!("RESULT ok");
    spawner.stop_requested().await;
    ask(&context, "again").await;
    std::future::pending().await
}

async fn unprivileged(spawner: Spawner, _: Context) -> Outcomes {
    let keeper = open(&spawner).await?;
    let own = nix::unistd::Uid::effective().as_raw().to_string();
    ensure!(text(&keeper, "id -u").await? == own, "uid");
    refused(&spawner, 2, Reason::SecondAccount).await?;
    refused(&spawner, 9, Reason::NotMapped).await?;
    ensure!(!own_name(Mode::Own).is_empty(), "name");
    Ok(())
}
