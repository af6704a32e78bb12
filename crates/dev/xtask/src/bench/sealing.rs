//! Sealing beside its bare primitives: the bench of the crate `auth`, read from what it prints.

use super::Bench;
use super::service::output_of;
use super::table::{Row, figure, rate};
use crate::workspace::cargo;

/// Least share of the bare primitives' rate.
const TARGET: f64 = 0.8;
/// The length of a message, as the bench names it: a large answer.
const LENGTH: &str = "32768";

/// Runs the bench.
pub(crate) fn run(bench: &Bench) -> Result<Vec<Row>, String> {
    let mut command = cargo();
    command.args(["bench", "--quiet", "--package", "transom-auth", "--bench", "seal"]);
    let said = output_of(command.current_dir(&bench.root))?;
    let of = |name| rate(&said, name, Some(LENGTH)).ok_or_else(|| format!("no {name} in\n{said}"));
    let (bare, sealed) = (of("bare")?, of("seal")?);
    let work = "sealing 32 KiB by NTLM, of the bare RC4 and HMAC-MD5";
    Ok(vec![
        Row::told(work, &format!("{} MB/s", figure(sealed)))
            .beside(format!("bare, same run {} MB/s", figure(bare)))
            .ratio_at_least(sealed / bare, TARGET),
    ])
}
