//! CLIXML read and written beside psrpcore and pypsrp, all on the same text: the bench of the crate `psrp`, read from what
//! it prints, and a script of the peers.

use std::process::Command;

use super::Bench;
use super::service::output_of;
use super::table::{Row, figure, rate};
use crate::workspace::cargo;

/// Of the crate `psrp`.
const TEXT: &str = "crates/core/psrp/benches/objects.clixml";
/// Least ratio to the faster peer.
const TARGET: f64 = 10.0;

/// Runs both.
pub(crate) fn run(bench: &Bench) -> Result<Vec<Row>, String> {
    let mut command = cargo();
    command.args(["bench", "--quiet", "--package", "transom-psrp", "--bench", "clixml"]);
    let said = output_of(command.current_dir(&bench.root))?;
    let ours = |name| rate(&said, name, None).ok_or_else(|| format!("no {name} in\n{said}"));
    let mut peers = Command::new(&bench.python);
    peers.arg("-B").arg(&bench.clixml).arg(bench.root.join(TEXT));
    let said = output_of(&mut peers)?;
    let rates: Vec<f64> = said.split_whitespace().flat_map(str::parse).collect();
    let [core_read, core_write, own_read, own_write] = *rates.as_slice() else {
        return Err(format!("the peers said {said:?}"));
    };
    let row = |work, ours: f64, core: f64, own: f64| {
        Row::told(work, &format!("{} MB/s", figure(ours)))
            .beside(format!("psrpcore {} MB/s, pypsrp {} MB/s", figure(core), figure(own)))
            .ratio_at_least(ours / core.max(own), TARGET)
    };
    Ok(vec![
        row("CLIXML of 100 objects, read", ours("read")?, core_read, own_read),
        row("CLIXML of 100 objects, written", ours("write")?, core_write, own_write),
    ])
}
