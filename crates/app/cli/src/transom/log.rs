//! The network process's log: one line for each event, on descriptor 2, which may be a file that is replaced meanwhile.
//!
//! A line that cannot be written, since the disk is full for instance, is counted, and nothing else comes of it: the next
//! one that can be written is preceded by a line that says how many were lost.

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

use super::LogFormat;

/// The variable RUST_LOG says how much is logged, for instance `debug` or `info,server=trace`. At `trace`, messages of
/// users are logged whole.
const LOG_VARIABLE: &str = EnvFilter::DEFAULT_ENV;

/// Starts the log; the number is that of the lines that were lost.
pub(super) fn start(format: LogFormat) -> Arc<AtomicU64> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_env_var(LOG_VARIABLE)
        .from_env_lossy();
    let colours = io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lost = Arc::new(AtomicU64::new(0));
    let lines = Lines::new(format, Arc::clone(&lost), io::stderr());
    // What the library would say of a failed write goes where the write failed, and panics there.
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(lines)
        .log_internal_errors(false);
    match format {
        LogFormat::Text => log.with_ansi(colours).init(),
        LogFormat::Json => log.json().init(),
    }
    lost
}

/// Writes lines one after the other.
struct Lines<W> {
    format: LogFormat,
    /// All that were lost.
    lost: Arc<AtomicU64>,
    state: Mutex<State<W>>,
}

struct State<W> {
    to: W,
    /// Lines that were lost, and of which nobody was told yet.
    untold: u64,
    /// Whether a line broke off in its middle.
    torn: bool,
}

impl<W: Write> Lines<W> {
    fn new(format: LogFormat, lost: Arc<AtomicU64>, to: W) -> Self {
        Self { format, lost, state: Mutex::new(State { to, untold: 0, torn: false }) }
    }

    fn write(&self, line: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (text, state) = match *state {
            State { untold: 0, torn: false, .. } => (None, &mut *state),
            State { untold, torn, .. } => {
                let mut text = if torn { vec![b'\n'] } else { Vec::new() };
                text.extend(self.notice(untold).into_bytes());
                text.extend(line);
                (Some(text), &mut *state)
            }
        };
        match write_whole(&mut state.to, text.as_deref().unwrap_or(line)) {
            Ok(()) => (state.untold, state.torn) = (0, false),
            Err(written) => {
                state.torn |= written > 0;
                state.untold = state.untold.saturating_add(1);
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// A line that says how many lines were lost.
    fn notice(&self, lines: u64) -> String {
        let mut time = String::new();
        // Writing to a string cannot fail.
        let _infallible = SystemTime.format_time(&mut Writer::new(&mut time));
        match self.format {
            LogFormat::Text => format!("{time}  WARN transom: log lines were lost lines={lines}\n"),
            LogFormat::Json => {
                let fields =
                    serde_json::json!({ "message": "log lines were lost", "lines": lines });
                let line = serde_json::json!({
                    "timestamp": time, "level": "WARN", "fields": fields, "target": "transom",
                });
                format!("{line}\n")
            }
        }
    }
}

/// Writes everything, at once where the system takes it so; an error says how much was taken before it.
fn write_whole(to: &mut impl Write, text: &[u8]) -> Result<(), usize> {
    let mut written = 0;
    while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
        match to.write(rest) {
            Ok(count) if count > 0 => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return Err(written),
        }
    }
    Ok(())
}

/// One event's line on its way: the log's formatter writes each with one call.
struct Line<'a, W>(&'a Lines<W>);

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a, W: Write + 'a> MakeWriter<'a> for Lines<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct Disk(usize, Vec<u8>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.0);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= count;
            self.1.extend(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lost_lines_are_counted_and_told_once_when_there_is_room_again() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let lost = Arc::default();
            let lines = Lines::new(format, Arc::clone(&lost), Disk(9, Vec::new()));
            for line in ["one\n", "broken\n", "gone\n"] {
                Line(&lines).write_all(line.as_bytes()).unwrap();
            }
            assert_eq!(lost.load(Ordering::Relaxed), 2);
            lines.state.lock().unwrap().to.0 = usize::MAX;
            for line in ["four\n", "five\n"] {
                Line(&lines).write_all(line.as_bytes()).unwrap();
            }
            let text = String::from_utf8(lines.state.lock().unwrap().to.1.clone()).unwrap();
            let found: Vec<&str> = text.lines().collect();
            let [one, torn, notice, four, five] = found[..] else { panic!("{text}") };
            assert_eq!([one, torn, four, five], ["one", "broke", "four", "five"]);
            let parts = match format {
                LogFormat::Text => ["  WARN transom: log lines were lost", "lines=2"],
                LogFormat::Json => ["\"message\":\"log lines were lost\"", "\"lines\":2"],
            };
            assert!(parts.iter().all(|part| notice.contains(part)), "{notice}");
            assert_eq!(lost.load(Ordering::Relaxed), 2);
        }
    }
}
