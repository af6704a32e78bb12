//! Memory of shells that do nothing: network process, spawner and keepers together, before and after.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use super::Bench;
use super::service::{Scheme, Service};
use super::table::{Row, Target, figure};

const SHELLS: usize = 2_000;
/// Most KiB for each.
const TARGET: f64 = 120.0;

/// Opens the shells, weighs, closes them, and weighs again.
pub(crate) fn run(bench: &Bench) -> Result<Vec<Row>, String> {
    let service = Service::start(&bench.programs, Scheme::Http)?;
    // A first round fills what the service keeps for any load.
    let mut first = Holder::open(bench, &service, 8)?;
    first.close(8)?;
    let (before, processes) = (service.memory(), service.processes().len());
    let mut holder = Holder::open(bench, &service, SHELLS)?;
    let open = service.memory();
    let keepers = service.processes().len().saturating_sub(processes);
    if keepers != SHELLS {
        return Err(format!("{keepers} processes more, for {SHELLS} shells"));
    }
    holder.close(SHELLS)?;
    let after = service.memory();
    let each = (open.saturating_sub(before)) as f64 / SHELLS as f64;
    let mib = |kib: u64| figure(kib as f64 / 1024.0);
    let work = format!("service: memory of an idle shell, keeper included, {SHELLS} open");
    Ok(vec![Row::own(&work, each, " KiB", Target::AtMost(TARGET)).beside(format!(
        "all processes {} MiB before, {} MiB open, {} MiB after",
        mib(before),
        mib(open),
        mib(after)
    ))])
}

/// The load that holds the shells.
struct Holder {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Holder {
    fn open(bench: &Bench, service: &Service, count: usize) -> Result<Self, String> {
        let mut load = bench.load(&service.url, &["idle", &count.to_string()]);
        let failed = |error: std::io::Error| format!("load: {error}");
        let mut child =
            load.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(failed)?;
        let stdout = child.stdout.take().ok_or("load has no output")?;
        let mut holder = Self { child, said: BufReader::new(stdout) };
        holder.expect(&format!("open {count}"))?;
        Ok(holder)
    }

    fn close(&mut self, count: usize) -> Result<(), String> {
        drop(self.child.stdin.take());
        self.expect(&format!("closed {count}"))
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        let mut line = String::new();
        self.said.read_line(&mut line).map_err(|error| format!("load: {error}"))?;
        if line.trim() == wanted { Ok(()) } else { Err(format!("load said {line:?}")) }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
