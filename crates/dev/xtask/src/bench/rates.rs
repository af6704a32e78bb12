//! What the service does per second of its own CPU, under our own load.
//!
//! The load's CPU does not count, and neither does that of the commands, except where the row is about them.

use std::process::{Command, ExitCode, Stdio};

use super::Bench;
use super::service::{Cpu, Scheme, Service, output_of};
use super::table::{Row, Target, Verdict, figure, median};
use crate::meter::measure;

/// The hidden command that runs [`plain_loop`]; not for people.
pub(crate) const PLAIN_LOOP: &str = "plain-loop";

const IDENTIFY_TARGET: f64 = 15_000.0;
const SEND_TARGET: f64 = 5_000.0;
/// Least share of what fork and exec alone reach.
const COMMANDS_TARGET: f64 = 80.0;
/// Connections of a run, and its seconds.
const CONNECTIONS: &str = "8";
const SECONDS: &str = "3";
/// Runs of which the median counts.
const RUNS: usize = 3;
/// Commands of the plain loop.
const LOOPS: usize = 500;

/// One run of the load.
#[derive(Debug, Clone, Copy)]
struct Run {
    done: f64,
    seconds: f64,
    cpu: Cpu,
}

impl Run {
    fn of(bench: &Bench, service: &Service, mode: &str) -> Result<Self, String> {
        let before = service.cpu();
        let said = output_of(&mut bench.load(&service.url, &[mode, CONNECTIONS, SECONDS]))?;
        let after = service.cpu();
        let mut words = said.split_whitespace().map(str::parse);
        let (Some(Ok(done)), Some(Ok(seconds))) = (words.next(), words.next()) else {
            return Err(format!("load said {said:?}"));
        };
        let cpu = Cpu { own: after.own - before.own, all: after.all - before.all };
        Ok(Self { done, seconds, cpu })
    }

    /// Per second of the service's own CPU.
    fn per_core(&self) -> f64 {
        self.done / self.cpu.own
    }

    /// Per second on this machine, with whatever else runs on it.
    fn per_second(&self) -> f64 {
        self.done / self.seconds
    }
}

fn runs(bench: &Bench, mode: &str) -> Result<Vec<Run>, String> {
    let service = Service::start(&bench.programs, Scheme::Http)?;
    (0..RUNS).map(|_| Run::of(bench, &service, mode)).collect()
}

/// Identify over sealed connections that are logged in.
pub(crate) fn identify(bench: &Bench) -> Result<Vec<Row>, String> {
    let runs = runs(bench, "identify")?;
    let rate = median(runs.iter().map(Run::per_core));
    let wall = median(runs.iter().map(Run::per_second));
    let mut row = Row::own(
        "service: Identify, sealed, per core",
        rate,
        "/s",
        Target::AtLeast(IDENTIFY_TARGET),
    )
    .beside("recorded, another run: omiserver 178/s, openwsmand 122/s")
    .ratio(wall / 178.0);
    row.ours += &format!(" ({}/s here)", figure(wall));
    Ok(vec![row])
}

/// Sends alone, and Sends with the Receives that bring their echo.
pub(crate) fn send(bench: &Bench) -> Result<Vec<Row>, String> {
    let send = median(runs(bench, "send")?.iter().map(Run::per_core));
    // Each echo is a Send and a Receive.
    let echo = median(runs(bench, "echo")?.iter().map(|run| run.per_core() * 2.0));
    let row = |work, rate| {
        Row::own(work, rate, "/s", Target::AtLeast(SEND_TARGET)).beside("between our own two ends")
    };
    Ok(vec![
        row("service: Send, sealed, per core", send),
        row("service: Send and Receive of an echo, per core", echo),
    ])
}

/// The CPU of a command, service included, beside that of a plain loop.
pub(crate) fn commands(bench: &Bench) -> Result<Vec<Row>, String> {
    let service = Service::start(&bench.programs, Scheme::Http)?;
    let own = std::env::current_exe().map_err(|error| format!("own path: {error}"))?;
    let mut plain = Command::new(own);
    plain.args([PLAIN_LOOP, &LOOPS.to_string()]);
    let (mut shares, mut alone, mut with, mut rates) = (vec![], vec![], vec![], vec![]);
    // In turn, so that both meet the same neighbours.
    for _ in 0..RUNS {
        let bare = measure(&plain, &LOOPS.to_string())?.cpu as f64 / 1_000_000.0 / LOOPS as f64;
        let run = Run::of(bench, &service, "commands")?;
        let each = run.cpu.all / run.done;
        shares.push(bare / each * 100.0);
        alone.push(bare * 1000.0);
        with.push(each * 1000.0);
        rates.push(run.per_second());
    }
    let target = Target::AtLeast(COMMANDS_TARGET);
    let share = median(shares);
    let ours = format!("{} ms ({}/s here)", figure(median(with)), figure(median(rates)));
    Ok(vec![Row {
        work: "service: CPU of a command, /bin/sh -c true".to_owned(),
        ours,
        peer: format!(
            "fork and exec alone {} ms, {} % of ours",
            figure(median(alone)),
            figure(share)
        ),
        ratio: Some(share / 100.0),
        target: format!(">= {COMMANDS_TARGET} %"),
        verdict: if share.is_nan() { Verdict::None } else { target.judge(share) },
    }])
}

/// Starts `/bin/sh -c true` so many times, one after the other, and says how many times it was.
pub(crate) fn plain_loop(arguments: &[String]) -> ExitCode {
    let Some(count) = arguments.first().and_then(|count| count.parse::<usize>().ok()) else {
        return ExitCode::FAILURE;
    };
    for _ in 0..count {
        let status = Command::new("/bin/sh").args(["-c", "true"]).stdin(Stdio::null()).status();
        if !status.is_ok_and(|status| status.success()) {
            return ExitCode::FAILURE;
        }
    }
    println!("{count}");
    ExitCode::SUCCESS
}
