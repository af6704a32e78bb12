//! Reads what a test run prints and counts it: tests, skips with their reasons, and peers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How many tests did what. Displayed as the last line of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// What a run has said so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Sums of the test harness; an ignored test counts as skipped.
    harness: Counts,
    /// Sums of the test programs without that harness.
    plain: Counts,
    /// Tests that said `SKIPPED name: reason`. For the harness they have passed.
    skips: BTreeMap<String, String>,
    /// Tests with `#[ignore]`, with what the attribute says.
    ignored: BTreeMap<String, String>,
    /// What each peer, `name version`, took part in.
    peers: BTreeMap<String, BTreeSet<String>>,
    /// Rows of a matrix, in their order.
    matrix: Vec<String>,
    /// Tests that passed, by name.
    passed: BTreeSet<String>,
    /// Tests that failed, by name, and what failed outside tests.
    failures: BTreeSet<String>,
    /// Tests that failed beside the others and passed alone.
    unsteady: BTreeSet<String>,
    /// The test whose output is being read, and what the failed ones printed: the harness shows it long before the end, and
    /// whoever reads the end of a run wants to know why.
    section: Option<String>,
    printed: BTreeMap<String, Vec<String>>,
}

/// How many lines of what a failed test printed are repeated.
const REPEATED: usize = 12;
/// And how many characters of a line.
const LINE: usize = 300;

impl Report {
    /// Takes one line of output, or of the report file.
    pub(crate) fn line(&mut self, line: &str) {
        self.keep(line.trim_end());
        let line = line.trim();
        if let Some(said) = line.strip_prefix("SKIPPED ") {
            let (test, reason) = said.split_once(": ").unwrap_or((said, "no reason given"));
            self.skips.insert(test.to_owned(), reason.to_owned());
        } else if let Some(said) = line.strip_prefix("PEER ") {
            let (peer, what) = said.split_once(": ").unwrap_or((said, "took part"));
            self.peers.entry(peer.to_owned()).or_default().insert(what.to_owned());
        } else if let Some(row) = line.strip_prefix("MATRIX ") {
            if !self.matrix.iter().any(|known| known == row) {
                self.matrix.push(row.to_owned());
            }
        } else if let Some(sums) = line.strip_prefix("test result: ") {
            self.harness.add(counted(sums, "ignored"));
        } else if let Some(test) = line.strip_prefix("test ") {
            self.test(test);
        } else if let Some(counts) = plain_summary(line) {
            self.plain.add(counts);
        }
    }

    /// Keeps what failed tests printed, which follows a line `---- NAME stdout ----`.
    fn keep(&mut self, line: &str) {
        if let Some(name) =
            line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            self.section = Some(name.to_owned()).filter(|name| self.failures.contains(name));
        } else if matches!(line, "successes:" | "failures:") || line.starts_with("test ") {
            self.section = None;
        } else if let Some(name) = &self.section
            && !line.is_empty()
        {
            // A program with a harness of its own ends with its sums.
            if plain_summary(line).is_some() {
                self.section = None;
                return;
            }
            let printed = self.printed.entry(name.clone()).or_default();
            if printed.len() < REPEATED {
                printed.push(line.chars().take(LINE).collect());
            }
        }
    }

    fn test(&mut self, line: &str) {
        let Some((name, outcome)) = line.rsplit_once(" ... ") else { return };
        if outcome == "FAILED" {
            self.failures.insert(name.to_owned());
        } else if outcome == "ok" {
            self.passed.insert(name.to_owned());
        } else if let Some(reason) = outcome.strip_prefix("ignored") {
            let reason = reason.trim_start_matches([',', ' ']);
            let reason = if reason.is_empty() { "ignored" } else { reason };
            self.ignored.insert(name.to_owned(), reason.to_owned());
        }
    }

    /// Notes that a failure happened outside the tests that count themselves.
    pub(crate) fn failure(&mut self, what: String) {
        self.plain.failed += 1;
        self.failures.insert(what);
    }

    /// The tests that failed.
    pub(crate) fn failed(&self) -> &BTreeSet<String> {
        &self.failures
    }

    /// Takes what came of the failed tests when they were run once more, alone.
    pub(crate) fn second(&mut self, second: &Self) {
        let passed =
            |name: &&String| second.passed.contains(*name) && !second.failures.contains(*name);
        self.unsteady = self.failures.iter().filter(passed).cloned().collect();
        self.failures.retain(|name| !self.unsteady.contains(name));
    }

    /// Whether a peer of this name took part, in whatever version.
    pub(crate) fn has_peer(&self, name: &str) -> bool {
        self.peers.keys().any(|peer| peer.split(' ').next() == Some(name))
    }

    /// What failed, and what it printed; nothing where nothing did.
    pub(crate) fn failures(&self) -> String {
        let mut text = String::new();
        for (title, names) in [
            ("failed beside the others, passed alone:", &self.unsteady),
            ("failed:", &self.failures),
        ] {
            if !names.is_empty() {
                text.push_str(&format!("{title}\n"));
            }
            for name in names {
                text.push_str(&format!("  {name}\n"));
                for line in self.printed.get(name).into_iter().flatten() {
                    text.push_str(&format!("    {line}\n"));
                }
            }
        }
        text
    }

    /// The sums. A test that reported itself as skipped is taken off the passed ones, unless its
    /// program already did so in a summary of its own.
    pub(crate) fn counts(&self) -> Counts {
        let from_harness = self.skips.len().saturating_sub(self.plain.skipped);
        let unsteady = self.unsteady.len();
        Counts {
            passed: self.harness.passed.saturating_sub(from_harness) + self.plain.passed + unsteady,
            failed: (self.harness.failed + self.plain.failed).saturating_sub(unsteady),
            skipped: from_harness + self.plain.skipped + self.harness.skipped,
        }
    }
}

/// Who took part, what the matrices say, what was skipped and why, what failed; the counts are displayed apart.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "peers that took part:{}", if self.peers.is_empty() { " none" } else { "" })?;
        for (peer, runs) in &self.peers {
            writeln!(f, "  {peer}: {}", list(runs))?;
        }
        for row in &self.matrix {
            writeln!(f, "  {row}")?;
        }
        let silent = self.plain.skipped.saturating_sub(self.skips.len());
        let none = self.skips.is_empty() && self.ignored.is_empty() && silent == 0;
        writeln!(f, "skipped:{}", if none { " none" } else { "" })?;
        for (test, reason) in self.skips.iter().chain(&self.ignored) {
            writeln!(f, "  {test}: {reason}")?;
        }
        if silent > 0 {
            writeln!(f, "  {silent} more, which gave no reason")?;
        }
        f.write_str(&self.failures())
    }
}

impl Counts {
    fn add(&mut self, more: Self) {
        self.passed += more.passed;
        self.failed += more.failed;
        self.skipped += more.skipped;
    }
}

/// A few runs by name, more of them by number.
fn list(runs: &BTreeSet<String>) -> String {
    match runs.len() {
        0..=3 => runs.iter().map(String::as_str).collect::<Vec<_>>().join("; "),
        many => format!("{many} runs"),
    }
}

/// The numbers of `ok. 5 passed; 0 failed; 1 ignored; …`, under the given word for skipped.
fn counted(sums: &str, skipped: &str) -> Counts {
    let number = |word: &str| {
        let part = sums.split([';', '.', ',']).find_map(|part| part.trim().strip_suffix(word));
        part.and_then(|number| number.trim().parse().ok())
    };
    Counts {
        passed: number(" passed").unwrap_or_default(),
        failed: number(" failed").unwrap_or_default(),
        skipped: number(&format!(" {skipped}")).unwrap_or_default(),
    }
}

/// The summary line of a test program without a harness: `N passed, N failed, N skipped`.
fn plain_summary(line: &str) -> Option<Counts> {
    let counts = counted(line, "skipped");
    (counts.to_string() == line).then_some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Report {
        let mut report = Report::default();
        text.lines().for_each(|line| report.line(line));
        report
    }

    #[test]
    fn rows_of_a_matrix_are_shown_once_in_their_order() {
        let report = read("MATRIX b: pass\nMATRIX a: refused\nMATRIX b: pass\n").to_string();
        assert!(report.contains("  b: pass\n  a: refused\nskipped"), "{report}");
    }

    #[test]
    fn sums_over_test_binaries_and_counts_ignored_as_skipped() {
        let report = read(
            "test a ... ok\ntest b ... ignored, needs a printer\n\
             test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
             test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out; finished in 1.20s\n",
        );
        assert_eq!(report.counts(), Counts { passed: 7, failed: 1, skipped: 1 });
        assert!(report.to_string().contains("  b: needs a printer\n"), "{report}");
    }

    #[test]
    fn a_reported_skip_is_no_pass_however_often_it_is_said() {
        let report = read(
            "SKIPPED wsman::corpora: corpora absent\nSKIPPED wsman::corpora: corpora absent\n\
             test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
        );
        assert_eq!(report.counts(), Counts { passed: 2, failed: 0, skipped: 1 });
    }

    #[test]
    fn a_summary_without_harness_has_taken_off_its_own_skips() {
        let report = read(
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
             SKIPPED keeper: not root\nSKIPPED corpora: absent\n4 passed, 0 failed, 1 skipped\n",
        );
        assert_eq!(report.counts(), Counts { passed: 6, failed: 0, skipped: 2 });
    }

    #[test]
    fn a_skip_without_a_reason_is_shown_as_such() {
        let report = read("1 passed, 0 failed, 2 skipped\nSKIPPED one: not root\n");
        assert_eq!(report.counts(), Counts { passed: 1, failed: 0, skipped: 2 });
        assert!(report.to_string().contains("1 more, which gave no reason"), "{report}");
    }

    #[test]
    fn text_around_a_summary_is_no_summary() {
        let report = read("so 3 passed, 0 failed, 0 skipped\n3 passed, 0 failed\n");
        assert_eq!(report.counts(), Counts::default());
    }

    #[test]
    fn peers_are_known_by_name_in_any_version() {
        let report =
            read("PEER pywinrm 0.5.0: stdin (ntlm) ok\nPEER pywinrm 0.5.0: stdin (ntlm) ok\n");
        assert!(report.has_peer("pywinrm"));
        assert!(!report.has_peer("pywin"));
        assert!(report.to_string().contains("  pywinrm 0.5.0: stdin (ntlm) ok\n"), "{report}");
    }

    #[test]
    fn what_failed_tests_printed_is_repeated_and_what_others_did_is_not() {
        let report = read(
            "test a ... ok\ntest b ... FAILED\n\nsuccesses:\n\n---- a stdout ----\nall well\n\nfailures:\n\n\
             ---- b stdout ----\nleft: 1\n\nright: 2\n\nfailures:\n    b\n\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
        )
        .to_string();
        assert!(report.ends_with("failed:\n  b\n    left: 1\n    right: 2\n"), "{report}");
    }

    #[test]
    fn test_that_passes_alone_is_told_and_counted_once() {
        let mut report = read(
            "test a ... FAILED\ntest b ... FAILED\n---- a stdout ----\ntoo late\n\nfailures:\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n",
        );
        report.second(&read(
            "test a ... ok\ntest b ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.01s\n",
        ));
        assert_eq!(report.counts(), Counts { passed: 2, failed: 1, skipped: 0 });
        let expected = "failed beside the others, passed alone:\n  a\n    too late\nfailed:\n  b\n";
        assert!(report.to_string().ends_with(expected), "{report}");
    }

    #[test]
    fn failures_are_named_and_those_outside_tests_counted() {
        let mut report = read("test it::a - should panic ... FAILED\n");
        report.failure("peer pypsrp did not take part".to_owned());
        assert_eq!(report.counts().failed, 1);
        let shown = report.to_string();
        assert!(shown.contains("  it::a - should panic\n") && shown.contains("pypsrp"), "{shown}");
    }
}
