//! Sealing beside its bare primitives: the bench of the crate `auth`, read from what it prints.

use super::Bench;
use super::service::output_of;
use super::table::{Row, figure};
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
    let rate = |name| fastest(&said, name).ok_or_else(|| format!("no {name} in\n{said}"));
    let (bare, sealed) = (rate("bare")?, rate("seal")?);
    let work = "sealing 32 KiB by NTLM, of the bare RC4 and HMAC-MD5";
    Ok(vec![
        Row::told(work, &format!("{} MB/s", figure(sealed)))
            .beside(format!("bare, same run {} MB/s", figure(bare)))
            .ratio_at_least(sealed / bare, TARGET),
    ])
}

/// The best rate of a function at [`LENGTH`] in divan's tree, in MB/s: neighbours on the machine only ever slow it down.
///
/// ```text
/// ├─ bare                   │               │               │               │         │
/// │  ├─ 32768   139.1 µs    │ …
/// │  │          235.4 MB/s  │ …
/// ```
fn fastest(said: &str, function: &str) -> Option<f64> {
    let bare = |line: &str| line.trim_matches(|c: char| "│├╰─ ".contains(c)).to_owned();
    let mut lines = said.lines().skip_while(|line| {
        let is_function = line.starts_with("├─ ") || line.starts_with("╰─ ");
        !is_function || bare(line).split_whitespace().next() != Some(function)
    });
    lines.next();
    let mut lines = lines.map(bare).skip_while(|line| !line.starts_with(LENGTH));
    lines.next();
    let rate = lines.next()?;
    let mut words = rate.split_whitespace();
    let number: f64 = words.next()?.parse().ok()?;
    match words.next()? {
        "GB/s" => Some(number * 1000.0),
        "MB/s" => Some(number),
        "KB/s" => Some(number / 1000.0),
        _ => None,
    }
}
