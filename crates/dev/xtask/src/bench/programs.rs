//! Clients beside each other on the stub server: whole programs, and what a further command costs.

use std::process::Command;

use super::Bench;
use super::service::output_of;
use super::stub::Server;
use super::table::{Row, Target, figure, median};
use crate::meter::{Cost, measure};

/// Most requests that `winrs` may need for one command on a new connection: the stub takes no message with the login's
/// last leg.
const REQUESTS_TARGET: f64 = 7.0;
/// The same for the next command in the same shell.
const NEXT_TARGET: f64 = 2.0;
/// Least ratios of pywinrm's figures to those of `winrs`.
const CPU_TARGET: f64 = 40.0;
const MEMORY_TARGET: f64 = 8.0;
/// Most milliseconds of client CPU for a further command.
const FURTHER_TARGET: f64 = 0.25;
/// Commands of a short run; the long one has twice as many, and the difference is free of the start. The peers, of which
/// each takes milliseconds, need fewer.
const FURTHER: usize = 60;
const FURTHER_PEERS: usize = 15;

/// A program and what its runs used.
#[derive(Debug)]
struct Program {
    command: Command,
    costs: Vec<Cost>,
    /// Requests that the server saw, for each run: one more where a Receive came back before the command had ended.
    requests: Vec<usize>,
}

impl Program {
    fn new(command: Command) -> Self {
        Self { command, costs: Vec::new(), requests: Vec::new() }
    }

    fn run(&mut self, server: &Server) -> Result<(), String> {
        let before = server.requests()?;
        self.costs.push(measure(&self.command, "hi")?);
        self.requests.push(server.requests()? - before);
        Ok(())
    }

    /// Requests for one run.
    fn exchanges(&self) -> f64 {
        median(self.requests.iter().map(|&requests| requests as f64))
    }

    /// CPU in milliseconds.
    fn cpu(&self) -> f64 {
        median(self.costs.iter().map(|cost| cost.cpu as f64 / 1000.0))
    }

    /// Memory in MiB.
    fn memory(&self) -> f64 {
        median(self.costs.iter().map(|cost| cost.memory as f64 / 1024.0))
    }
}

/// Whole processes, each of which logs in by NTLM, runs `echo hi` sealed, and ends.
pub(crate) fn process(bench: &Bench) -> Result<Vec<Row>, String> {
    let server = bench.start_stub()?;
    let url = format!("http://127.0.0.1:{}", server.port);
    let mut winrs = bench.winrs(&url);
    winrs.arg("echo hi");
    let programs = [
        winrs,
        bench.script(&bench.pywinrm_once, &url, &[]),
        bench.script(&bench.pypsrp, &url, &["once", "0"]),
    ];
    let mut programs = programs.map(Program::new);
    for program in &programs {
        // Fills the caches of the file system; nothing of it is reported.
        measure(&program.command, "hi")?;
    }
    for _ in 0..bench.runs {
        for program in &mut programs {
            program.run(&server)?;
        }
    }
    let [ours, pywinrm, pypsrp] = &programs;
    let both = |of: fn(&Program) -> f64, unit: &str| {
        format!("pywinrm {}{unit}, pypsrp {}{unit}", figure(of(pywinrm)), figure(of(pypsrp)))
    };
    let ratio = |of: fn(&Program) -> f64| of(pywinrm) / of(ours);
    let target = Target::AtMost(REQUESTS_TARGET);
    Ok(vec![
        Row::own("one command, new connection: requests", ours.exchanges(), "", target)
            .beside(both(Program::exchanges, ""))
            .ratio(ratio(Program::exchanges)),
        Row::told("whole winrs process: CPU", &format!("{} ms", figure(ours.cpu())))
            .beside(both(Program::cpu, " ms"))
            .ratio_at_least(ratio(Program::cpu), CPU_TARGET),
        Row::told("whole winrs process: memory", &format!("{} MiB", figure(ours.memory())))
            .beside(both(Program::memory, " MiB"))
            .ratio_at_least(ratio(Program::memory), MEMORY_TARGET),
    ])
}

/// Requests of the next command in the same shell, until the caller has its exit code: the peers' own functions for one
/// command signal it first.
pub(crate) fn next(bench: &Bench) -> Result<Vec<Row>, String> {
    let server = bench.start_stub()?;
    let url = format!("http://127.0.0.1:{}", server.port);
    let count = "20";
    let said = output_of(&mut bench.load(&url, &["next", count]))?;
    let mut words = said.split_whitespace().map(str::parse::<f64>);
    let (Some(Ok(ours)), Some(Ok(mean))) = (words.next(), words.next()) else {
        return Err(format!("load said {said:?}"));
    };
    let peer = |script| {
        let said = output_of(&mut bench.script(script, &url, &["next", count]))?;
        said.trim().parse::<f64>().map_err(|_| format!("a peer said {said:?}"))
    };
    let (pywinrm, pypsrp) = (peer(&bench.pywinrm)?, peer(&bench.pypsrp)?);
    let work = "next command, same shell: requests until the exit code";
    let mut row = Row::own(work, ours, "", Target::AtMost(NEXT_TARGET))
        .beside(format!("pywinrm {pywinrm}, pypsrp {pypsrp}"))
        .ratio(pywinrm / ours);
    // Signals of ended commands are sent several at a time, before a later command.
    row.ours += &format!(" (mean {})", figure(mean));
    Ok(vec![row])
}

/// Requests of one script on a new connection: login, pool, pipeline, its output, and the pool closed.
pub(crate) fn pool(bench: &Bench) -> Result<Vec<Row>, String> {
    let server = bench.start_stub()?;
    let url = format!("http://127.0.0.1:{}", server.port);
    let requests = |mut command: Command| {
        let before = server.requests()?;
        let said = output_of(&mut command)?;
        // What the stub server answers to any script.
        if !said.contains("stub ran: ") {
            return Err(format!("the script came to {said:?}"));
        }
        Ok((server.requests()? - before) as f64)
    };
    let mut ours = Vec::new();
    let mut pypsrp = Vec::new();
    for _ in 0..bench.runs {
        ours.push(requests(bench.load(&url, &["pool", "1"]))?);
        pypsrp.push(requests(bench.script(&bench.pypsrp, &url, &["pool", "1"]))?);
    }
    let (ours, pypsrp) = (median(ours), median(pypsrp));
    let work = "one PowerShell script, new connection: requests";
    Ok(vec![
        Row::own(work, ours, "", Target::AtMost(pypsrp))
            .beside(format!("pypsrp's execute_ps {pypsrp}"))
            .ratio(pypsrp / ours),
    ])
}

/// Client CPU of a further command with connection, login and shell of its own.
pub(crate) fn further(bench: &Bench) -> Result<Vec<Row>, String> {
    let server = bench.start_stub()?;
    let url = format!("http://127.0.0.1:{}", server.port);
    let ours = |count: &str| bench.load(&url, &["further", count]);
    let pywinrm = |count: &str| bench.script(&bench.pywinrm, &url, &["further", count]);
    let pypsrp = |count: &str| bench.script(&bench.pypsrp, &url, &["further", count]);
    let ours = each(&ours, FURTHER, 3)?;
    let pywinrm = each(&pywinrm, FURTHER_PEERS, 3)?;
    let pypsrp = each(&pypsrp, FURTHER_PEERS, 3)?;
    let work = "further command, new login each: client CPU";
    Ok(vec![
        Row::own(work, ours, " ms", Target::AtMost(FURTHER_TARGET))
            .beside(format!("pywinrm {} ms, pypsrp {} ms", figure(pywinrm), figure(pypsrp)))
            .ratio(pywinrm / ours),
    ])
}

/// Milliseconds of CPU for one more command: twice as many commands take so much more, median of some runs.
fn each(command: &dyn Fn(&str) -> Command, count: usize, runs: usize) -> Result<f64, String> {
    let mut differences = Vec::new();
    for _ in 0..runs {
        let (few, many) = (count.to_string(), (count * 2).to_string());
        let few = measure(&command(&few), &few)?.cpu;
        let many = measure(&command(&many), &many)?.cpu;
        differences.push((many as f64 - few as f64) / 1000.0 / count as f64);
    }
    Ok(median(differences))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_by_the_medians_of_its_runs() {
        let mut program = Program::new(Command::new("winrs"));
        let cost = |cpu, memory| Cost { cpu, memory, wall: 0 };
        program.costs = vec![cost(9000, 2048), cost(1000, 1024), cost(2000, 4096)];
        program.requests = vec![7, 8, 7];
        assert_eq!((program.cpu(), program.memory(), program.exchanges()), (2.0, 2.0, 7.0));
    }
}
