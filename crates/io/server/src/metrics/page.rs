//! The page that a GET gets: Prometheus's text exposition format, version 0.0.4.

use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use spawner::network::Spawner;

use super::Metrics;
use super::process::Process;
use super::values::{Counters, Values};

/// What a figure does over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the kinds that the format has and that are used")]
pub enum Kind {
    /// It only grows, from the start of the process.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// One family of figures.
#[derive(Debug)]
#[non_exhaustive]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// What it does over time.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, in one sentence.
    pub help: &'static str,
}

macro_rules! families {
    ($($constant:ident = $name:literal $kind:ident [$($label:literal),*] $help:literal;)+) => {
        $(const $constant: Family = Family {
            name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help,
        };)+

        /// Every family, in the order of the page.
        pub const FAMILIES: &[Family] = &[$($constant),+];
    };
}

families! {
    BUILD = "transom_build_info" Gauge ["version"] "Always 1; the label is the version.";
    CONNECTIONS_OPEN = "transom_connections_open" Gauge []
        "Connections that are open.";
    CONNECTIONS = "transom_connections_total" Counter ["outcome"]
        "Connections that were let in, or closed at once since MaxConnections were open.";
    HANDSHAKES = "transom_tls_handshake_failures_total" Counter []
        "Connections on which no TLS came about.";
    RESPONSES = "transom_http_responses_total" Counter ["status"]
        "HTTP answers by status. A login takes one or two with 401 before it is complete.";
    BYTES = "transom_http_bytes_total" Counter ["direction"]
        "Bytes of HTTP on all connections, heads included, TLS not.";
    LOGINS = "transom_logins_total" Counter ["mechanism", "outcome"]
        "Logins that were complete or refused. Negotiate is one that ended before its mechanism was known.";
    LOCKOUTS = "transom_lockouts_total" Counter []
        "Lockouts that began after failed logins, of an account name or an address.";
    REQUESTS = "transom_requests_total" Counter ["operation", "result"]
        "Messages of users who are logged in, and anonymous Identify, by what became of them.";
    RECEIVES = "transom_receives_waiting" Gauge []
        "Receive messages that wait for output.";
    QUOTAS = "transom_quota_refusals_total" Counter ["quota"]
        "Connections and messages that were refused for a quota, by its setting; service is a bound without a setting.";
    SHELLS_OPEN = "transom_shells_open" Gauge []
        "Shells that are open.";
    SHELLS_OPENED = "transom_shells_opened_total" Counter []
        "Shells that were opened.";
    SHELLS_ENDED = "transom_shells_ended_total" Counter ["reason"]
        "Shells that have ended.";
    COMMANDS_RUNNING = "transom_commands_running" Gauge []
        "Commands that run.";
    COMMANDS = "transom_commands_total" Counter ["outcome"]
        "Commands that were started, or could not be.";
    SPAWNER = "transom_spawner_refusals_total" Counter ["reason"]
        "What the privileged process refused to the process that reads the network.";
    LOST_LINES = "transom_log_lines_lost_total" Counter []
        "Lines of this process that the log did not take, for instance since the disk was full.";
    CPU = "process_cpu_seconds_total" Counter []
        "Processor time of the process that reads the network, in seconds.";
    RESIDENT = "process_resident_memory_bytes" Gauge []
        "Memory of that process that is in use.";
    VIRTUAL = "process_virtual_memory_bytes" Gauge []
        "Address space of that process.";
    DESCRIPTORS = "process_open_fds" Gauge []
        "Descriptors that are open in that process.";
    MOST_DESCRIPTORS = "process_max_fds" Gauge []
        "Descriptors that may be open in that process.";
    START = "process_start_time_seconds" Gauge []
        "When that process started, in seconds since 1970.";
}

/// Everything that the page is made of.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(super) metrics: Arc<Metrics>,
    pub(super) spawner: Option<Spawner>,
    pub(super) lost_lines: Arc<AtomicU64>,
    pub(super) process: Option<Process>,
}

/// The text under construction. Writing to a string cannot fail.
#[derive(Debug, Default)]
struct Page(String);

impl Page {
    fn family(&mut self, family: &Family) {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let Family { name, help, .. } = family;
        let _infallible = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, family: &Family, words: &[&str], value: impl Display) {
        self.0.push_str(family.name);
        for (index, (label, word)) in family.labels.iter().zip(words).enumerate() {
            let opening = if index == 0 { '{' } else { ',' };
            let _infallible = write!(self.0, "{opening}{label}=\"{word}\"");
        }
        let closing = if family.labels.is_empty() { "" } else { "}" };
        let _infallible = writeln!(self.0, "{closing} {value}");
    }

    fn single(&mut self, family: &Family, value: impl Display) {
        self.family(family);
        self.sample(family, &[], value);
    }

    fn atomic(&mut self, family: &Family, value: &AtomicU64) {
        self.single(family, value.load(Ordering::Relaxed));
    }

    fn counters<V: Values>(&mut self, family: &Family, counters: &Counters<V>) {
        self.family(family);
        for (words, count) in counters.samples() {
            self.sample(family, &words, count);
        }
    }
}

impl Sources {
    /// The page of this moment.
    pub(super) fn page(&self) -> String {
        let mut page = Page::default();
        let metrics = &*self.metrics;
        page.family(&BUILD);
        page.sample(&BUILD, &[env!("CARGO_PKG_VERSION")], 1);
        page.atomic(&CONNECTIONS_OPEN, &metrics.open_connections);
        page.counters(&CONNECTIONS, &metrics.connections);
        page.atomic(&HANDSHAKES, &metrics.failed_handshakes);
        page.counters(&RESPONSES, &metrics.responses);
        page.counters(&BYTES, &metrics.bytes);
        page.counters(&LOGINS, &metrics.logins);
        page.atomic(&LOCKOUTS, &metrics.lockouts);
        page.counters(&REQUESTS, &metrics.requests);
        page.atomic(&RECEIVES, &metrics.waiting_receives);
        page.counters(&QUOTAS, &metrics.quotas);
        page.atomic(&SHELLS_OPEN, &metrics.open_shells);
        page.atomic(&SHELLS_OPENED, &metrics.shells_opened);
        page.counters(&SHELLS_ENDED, &metrics.shells_ended);
        page.atomic(&COMMANDS_RUNNING, &metrics.running_commands);
        page.counters(&COMMANDS, &metrics.commands);
        page.family(&SPAWNER);
        for (reason, count) in self.spawner.iter().flat_map(Spawner::refusals) {
            page.sample(&SPAWNER, &[&format!("{reason:?}")], count);
        }
        page.atomic(&LOST_LINES, &self.lost_lines);
        self.process(&mut page);
        page.0
    }

    fn process(&self, page: &mut Page) {
        let figures = self.process.as_ref().and_then(|process| process.figures().ok());
        let Some(figures) = figures else { return };
        page.single(&CPU, figures.cpu_seconds);
        page.single(&RESIDENT, figures.resident_bytes);
        page.single(&VIRTUAL, figures.virtual_bytes);
        page.single(&DESCRIPTORS, figures.open_descriptors);
        match figures.most_descriptors {
            Some(most) => page.single(&MOST_DESCRIPTORS, most),
            None => page.single(&MOST_DESCRIPTORS, "+Inf"),
        }
        page.single(&START, figures.start_seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_has_every_family_in_its_order_and_each_sample_its_labels() {
        let sources = Sources {
            metrics: Arc::default(),
            spawner: None,
            lost_lines: Arc::default(),
            process: Some(Process::open().unwrap()),
        };
        let page = sources.page();
        let typed: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        assert_eq!(typed, FAMILIES.iter().map(|family| family.name).collect::<Vec<_>>());
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split([' ', '{']).next().unwrap();
            let family = FAMILIES.iter().find(|family| family.name == name).unwrap();
            assert_eq!(line.matches("=\"").count(), family.labels.len(), "{line}");
        }
        for family in FAMILIES {
            assert_eq!(family.name.ends_with("_total"), family.kind == Kind::Counter, "{family:?}");
        }
    }
}
