//! The table: what was measured, the peer's figure, their ratio, the target.

use std::fmt::Write as _;

/// Whether a target was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// The row has no target, or nothing to be held against it here.
    None,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// What was done, and in which unit the figures are.
    pub(crate) work: String,
    pub(crate) ours: String,
    /// The peer by name, with its figure; a figure between our own two ends says so.
    pub(crate) peer: String,
    /// The peer's figure over ours, or ours over the peer's: more than 1 is better.
    pub(crate) ratio: Option<f64>,
    pub(crate) target: String,
    pub(crate) verdict: Verdict,
}

/// What a figure must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    pub(crate) fn judge(self, value: f64) -> Verdict {
        let met = match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        };
        if met { Verdict::Met } else { Verdict::Missed }
    }

    fn text(self, unit: &str) -> String {
        let (sign, bound) = match self {
            Self::AtMost(most) => ("<=", most),
            Self::AtLeast(least) => (">=", least),
        };
        format!("{sign} {}{unit}", plain(bound))
    }
}

impl Row {
    /// A row whose target is about our own figure.
    pub(crate) fn own(work: &str, ours: f64, unit: &str, target: Target) -> Self {
        Self {
            work: work.to_owned(),
            ours: format!("{}{unit}", figure(ours)),
            peer: String::new(),
            ratio: None,
            target: target.text(unit),
            verdict: target.judge(ours),
        }
    }

    /// A row without a target.
    pub(crate) fn told(work: &str, ours: &str) -> Self {
        Self {
            work: work.to_owned(),
            ours: ours.to_owned(),
            peer: String::new(),
            ratio: None,
            target: String::new(),
            verdict: Verdict::None,
        }
    }

    pub(crate) fn beside(mut self, peer: impl Into<String>) -> Self {
        self.peer = peer.into();
        self
    }

    pub(crate) fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = Some(ratio);
        self
    }

    /// Makes the ratio what the target is about.
    pub(crate) fn ratio_at_least(mut self, ratio: f64, least: f64) -> Self {
        let target = Target::AtLeast(least);
        self.ratio = Some(ratio);
        self.target = format!("ratio {}", target.text(""));
        self.verdict = target.judge(ratio);
        self
    }
}

/// Prints the rows under each other.
pub(crate) fn text(rows: &[Row]) -> String {
    let cells = |row: &Row| {
        let verdict = match row.verdict {
            Verdict::Met => "met",
            Verdict::Missed => "MISSED",
            Verdict::None => "",
        };
        let ratio = row.ratio.map(figure).unwrap_or_default();
        [&row.work, &row.ours, &row.peer, &ratio, &row.target, verdict].map(|cell| cell.to_owned())
    };
    let head = ["work", "ours", "peer", "ratio", "target", ""].map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let mut padded = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            let _infallible = write!(padded, "{cell:<width$}  ");
        }
        text += padded.trim_end();
        text.push('\n');
    }
    text
}

/// Three significant digits, or all of them before the point.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => grouped(value),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A bound as one writes it.
fn plain(value: f64) -> String {
    if value.fract() == 0.0 { grouped(value) } else { format!("{value}") }
}

/// `15,000`.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len() - index;
        if index > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The one in the middle; of an even number the upper.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The best rate of a function in divan's tree, in MB/s, at an argument where it has several: neighbours on the machine
/// only ever slow it down.
///
/// ```text
/// ├─ bare                   │               │               │               │         │
/// │  ├─ 32768   139.1 µs    │ …
/// │  │          235.4 MB/s  │ …
/// ╰─ read       4.1 µs      │ …
///               117.6 MB/s  │ …
/// ```
pub(crate) fn rate(said: &str, function: &str, argument: Option<&str>) -> Option<f64> {
    let bare = |line: &str| line.trim_matches(|c: char| "│├╰─ ".contains(c)).to_owned();
    let mut lines = said.lines().skip_while(|line| {
        let is_function = line.starts_with("├─ ") || line.starts_with("╰─ ");
        !is_function || bare(line).split_whitespace().next() != Some(function)
    });
    lines.next();
    let mut lines = lines.map(bare);
    if let Some(argument) = argument {
        lines.find(|line| line.starts_with(argument))?;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_from_the_tree_of_a_bench() {
        let said = "seal      fastest  │ slowest\n├─ bare              │\n│  ├─ 64      1 µs   │ 2 µs\n│  │          \
                    235.4 MB/s  │ 1 MB/s\n│  ╰─ 32768   9 µs   │ 2 µs\n│             1.5 GB/s  │ 1 MB/s\n\
                    ╰─ read   422 µs  │ 20 ms\n          106.5 MB/s  │ 2 MB/s\n";
        assert_eq!(rate(said, "bare", Some("64")), Some(235.4));
        assert_eq!(rate(said, "bare", Some("32768")), Some(1500.0));
        assert_eq!(rate(said, "read", None), Some(106.5));
        assert_eq!(rate(said, "write", None), None);
    }

    #[test]
    fn the_table_says_which_target_is_missed() {
        let rows = [
            Row::own("requests", 7.0, "", Target::AtMost(6.0)).beside("pywinrm 8").ratio(8.0 / 7.0),
            Row::own("rate", 15_001.0, "/s", Target::AtLeast(15_000.0)),
            Row::told("CPU", "1.00 ms").ratio_at_least(50.0, 40.0),
        ];
        let text = text(&rows);
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = text.lines().map(words).collect();
        assert_eq!(lines[1], "requests 7.00 pywinrm 8 1.14 <= 6 MISSED");
        assert_eq!(lines[2], "rate 15,001/s >= 15,000/s met");
        assert_eq!(lines[3], "CPU 1.00 ms 50.0 ratio >= 40 met");
    }

    #[test]
    fn a_median_is_the_middle_in_any_order() {
        assert_eq!(median([9.0, 1.0, 2.0]), 2.0);
        assert!(median([]).is_nan());
    }

    #[test]
    fn figures_have_three_digits_or_all() {
        let texts = [0.25, 4.512, 45.62, 178.0, 15_000.4].map(figure);
        assert_eq!(texts, ["0.25", "4.51", "45.6", "178", "15,000"]);
        assert_eq!([-15_000.0, -150.0].map(grouped), ["-15,000", "-150"]);
    }
}
