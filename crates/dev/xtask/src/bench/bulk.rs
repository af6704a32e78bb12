//! Bytes through one shell, both ways: `winrs` beside the peers on the same service, and the memory that it takes.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::Bench;
use super::service::{Scheme, Service, output_of};
use super::table::{Row, Target, figure, median};
use crate::meter::{Cost, measure_bulk};

/// Bytes of a run by `winrs`, and of the one in which memory counts.
const SIZE: u64 = 128 << 20;
const MEMORY_SIZE: u64 = 1 << 30;
/// Bytes of a run by a peer.
const PEER_SIZE: u64 = 4 << 20;
/// Runs of which the median counts.
const RUNS: usize = 3;
/// Least MB/s.
const SEALED_TARGET: f64 = 60.0;
const HTTPS_TARGET: f64 = 150.0;
/// Most MiB.
const CLIENT_TARGET: f64 = 64.0;
const SERVICE_TARGET: f64 = 128.0;

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Output,
    Input,
}

/// From the service.
pub(crate) fn output(bench: &Bench) -> Result<Vec<Row>, String> {
    rows(bench, Way::Output)
}

/// To the service.
pub(crate) fn input(bench: &Bench) -> Result<Vec<Row>, String> {
    rows(bench, Way::Input)
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Input => "input",
        }
    }
}

fn rows(bench: &Bench, way: Way) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for scheme in [Scheme::Http, Scheme::Https] {
        let service = Service::start(&bench.programs, scheme)?;
        let (name, target) = match scheme {
            Scheme::Http => ("http, sealed", SEALED_TARGET),
            Scheme::Https => ("https", HTTPS_TARGET),
        };
        let pywinrm = peer(bench, &service, &bench.pywinrm, way)?;
        let pypsrp = peer(bench, &service, &bench.pypsrp, way)?;
        for compressed in [false, true] {
            let runs = (0..RUNS).map(|_| rates(bench, &service, way, compressed));
            let runs: Vec<Rates> = runs.collect::<Result<_, _>>()?;
            let ours = median(runs.iter().map(|run| run.wall));
            let per_core = median(runs.iter().map(|run| run.busier));
            let how = if compressed { ", -compression, zeros" } else { "" };
            let work = format!("one shell, {}, {name}{how}", way.name());
            let peers = format!("pywinrm {} MB/s, pypsrp {} MB/s", figure(pywinrm), figure(pypsrp));
            let mut row = Row::own(&work, ours, " MB/s", Target::AtLeast(target));
            row.ours += &format!(" ({} by CPU)", figure(per_core));
            rows.push(row.beside(peers).ratio(ours / pywinrm.max(pypsrp)));
        }
        if scheme == Scheme::Http {
            rows.extend(memory(bench, &service, way)?);
        }
    }
    Ok(rows)
}

/// MB/s of one run.
#[derive(Debug, Clone, Copy)]
struct Rates {
    /// By the clock, with whatever else runs on the machine.
    wall: f64,
    /// By the CPU time of the end that took more of it: what a free core each would reach.
    busier: f64,
}

fn rates(bench: &Bench, service: &Service, way: Way, compressed: bool) -> Result<Rates, String> {
    let before = service.cpu().own;
    let cost = ours(bench, service, way, compressed, SIZE)?;
    let busier = (service.cpu().own - before).max(cost.cpu as f64 / 1e6);
    Ok(Rates { wall: rate(SIZE, cost.wall as f64 / 1e6), busier: rate(SIZE, busier) })
}

fn memory(bench: &Bench, service: &Service, way: Way) -> Result<[Row; 2], String> {
    let client = ours(bench, service, way, false, MEMORY_SIZE)?.memory as f64 / 1024.0;
    let row = |who: &str, size, target| {
        let work = format!("1 GiB of {}, sealed: most memory of {who}", way.name());
        Row::own(&work, size, " MiB", Target::AtMost(target)).beside("between our own two ends")
    };
    Ok([
        row("winrs", client, CLIENT_TARGET),
        row("network process and spawner", service.peak() as f64 / 1024.0, SERVICE_TARGET),
    ])
}

/// One run of `winrs`, from its start to its end.
fn ours(
    bench: &Bench,
    service: &Service,
    way: Way,
    compressed: bool,
    size: u64,
) -> Result<Cost, String> {
    let mut winrs = bench.winrs(&service.url);
    if compressed {
        winrs.arg("-compression");
    }
    winrs.arg("--skip-ca-check");
    match way {
        Way::Output => {
            winrs.arg(format!("head -c {size} /dev/zero"));
            measure_bulk(&winrs, Path::new("/dev/null"))
        }
        Way::Input => {
            // The command checks that nothing is missing.
            winrs.arg(format!("test $(wc -c) = {size}"));
            measure_bulk(&winrs, &zeros(&bench.folder, size)?)
        }
    }
}

/// A file of zeros that takes no room.
fn zeros(folder: &Path, size: u64) -> Result<PathBuf, String> {
    let path = folder.join("zeros");
    let made = File::create(&path).and_then(|file| file.set_len(size));
    made.map(|()| path.clone()).map_err(|error| format!("{}: {error}", path.display()))
}

/// A peer's rate without its start.
fn peer(bench: &Bench, service: &Service, script: &Path, way: Way) -> Result<f64, String> {
    let size = PEER_SIZE.to_string();
    let said = output_of(&mut bench.script(script, &service.url, &[way.name(), &size]))?;
    let seconds: f64 = said.trim().parse().map_err(|_| format!("a peer said {said:?}"))?;
    Ok(rate(PEER_SIZE, seconds))
}

/// In MB/s, of 1,000,000 bytes.
fn rate(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / 1e6 / seconds
}
