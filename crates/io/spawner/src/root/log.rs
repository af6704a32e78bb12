//! Root's own log lines: one line each on standard error, never waiting for whoever reads it.
//!
//! Where there is a log file, it takes the place of descriptor 2 in this process and in those that it starts; what is an
//! error goes to the standard error stream that the service was started with as well.

use std::fmt::{Display, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::log_file;
use super::start::{StartError, system};
use crate::LogFormat;

/// A pipe with room for anything has room for this many bytes, so a line of this length is written at once and whole.
const MAX_LINE: usize = 4_000;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// Writes the lines.
#[derive(Debug)]
pub(super) struct Log {
    format: LogFormat,
    /// Lines that could not be written, and about which nobody was told yet.
    lost: u64,
    /// Whether a line broke off in its middle.
    torn: bool,
    /// The standard error stream from before a log file took its place.
    console: Option<OwnedFd>,
}

impl Log {
    pub(super) fn new(format: LogFormat) -> Self {
        Self { format, lost: 0, torn: false, console: None }
    }

    /// Lets a file take the place of standard error.
    pub(super) fn move_to(&mut self, path: &Path) -> Result<(), StartError> {
        let file = log_file::open(path)?;
        let failed = |error: Errno| system("make the log file standard error")(error.into());
        self.console = rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), 3).ok();
        rustix::stdio::dup2_stderr(&file).map_err(failed)
    }

    pub(super) fn info(&mut self, message: &str, fields: &[(&str, &dyn Display)]) {
        self.line(Level::Info, message, fields);
    }

    pub(super) fn warn(&mut self, message: &str, fields: &[(&str, &dyn Display)]) {
        self.line(Level::Warn, message, fields);
    }

    pub(super) fn error(&mut self, message: &str, fields: &[(&str, &dyn Display)]) {
        self.line(Level::Error, message, fields);
    }

    fn line(&mut self, level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
        let line = render(self.format, now(), level, message, fields);
        if level == Level::Error
            && let Some(console) = self.console.as_ref().filter(|console| writable(console))
        {
            // Nobody may be there to read it any more.
            let _unread = write_whole(console, line.as_bytes());
        }
        if !self.write(&line) {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// Writes a line, and before it how many were lost, if any were.
    fn write(&mut self, line: &str) -> bool {
        let stderr = std::io::stderr();
        if !writable(&stderr) {
            return false;
        }
        let mut text = String::new();
        if self.torn {
            text.push('\n');
        }
        if self.lost > 0 {
            let fields: &[(&str, &dyn Display)] = &[("lines", &self.lost)];
            text.push_str(&render(self.format, now(), Level::Warn, "log lines were lost", fields));
        }
        text.push_str(line);
        match write_whole(&stderr, text.as_bytes()) {
            Ok(()) => {
                (self.lost, self.torn) = (0, false);
                true
            }
            Err(written) => {
                self.torn |= written > 0;
                false
            }
        }
    }
}

/// Writes everything, at once where the system takes it so; an error says how much was taken before it.
fn write_whole(to: impl AsFd, text: &[u8]) -> Result<(), usize> {
    let mut written = 0;
    while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
        match rustix::io::write(&to, rest) {
            Ok(count) if count > 0 => written += count,
            Err(Errno::INTR) => {}
            Ok(_) | Err(_) => return Err(written),
        }
    }
    Ok(())
}

/// Whether the standard error stream is a terminal that is gone.
pub(super) fn terminal_is_gone() -> bool {
    let stderr = std::io::stderr();
    let mut descriptors = [PollFd::new(&stderr, PollFlags::empty())];
    let found = poll(&mut descriptors, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    let gone = PollFlags::HUP | PollFlags::ERR;
    // A terminal's device stays a character device; a pipe without a reader shows an error as well.
    let is_device = rustix::fs::fstat(&stderr).is_ok_and(|stat| {
        rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::CharacterDevice
    });
    found.is_ok() && is_device && descriptors.iter().any(|one| one.revents().intersects(gone))
}

fn now() -> (u64, u32) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_micros())
}

fn writable(to: impl AsFd) -> bool {
    let mut descriptors = [PollFd::new(&to, PollFlags::OUT)];
    // A file or terminal is always writable; an error counts as writable, and the write is then lost without harm.
    poll(&mut descriptors, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
}

fn render(
    format: LogFormat,
    (seconds, micros): (u64, u32),
    level: Level,
    message: &str,
    fields: &[(&str, &dyn Display)],
) -> String {
    let mut line = String::new();
    let time = timestamp(seconds, micros);
    match format {
        LogFormat::Text => {
            line.push_str(&format!("{time} {:>5} spawner: {message}", level.name()));
            for (name, value) in fields {
                let value = value.to_string();
                let plain = !value.is_empty()
                    && value.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '\\');
                if plain {
                    push(&mut line, &format!(" {name}={value}"))
                } else {
                    push(&mut line, &format!(" {name}={value:?}"))
                }
            }
        }
        LogFormat::Json => {
            line.push_str(&format!(
                r#"{{"timestamp":"{time}","level":"{}","target":"spawner","fields":{{"#,
                level.name()
            ));
            push(&mut line, &format!(r#""message":{}"#, quoted(message)));
            for (name, value) in fields {
                push(&mut line, &format!(r#","{name}":{}"#, quoted(&value.to_string())));
            }
            line.push_str("}}");
        }
    }
    line.push('\n');
    line
}

/// Appends a part unless the line would become too long to be written at once.
fn push(line: &mut String, part: &str) {
    if line.len().saturating_add(part.len()) < MAX_LINE {
        line.push_str(part);
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            // Writing to a String cannot fail.
            other if other.is_control() => drop(write!(quoted, "\\u{:04x}", u32::from(other))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// RFC 3339 in UTC, from seconds since 1970.
fn timestamp(seconds: u64, micros: u32) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's days-to-civil rule: years begin in March, so that the leap day is a year's last.
    let day = days + 719_468;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leap_days_and_year_ends_are_dated() {
        assert_eq!(timestamp(0, 0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(timestamp(951_782_400, 5), "2000-02-29T00:00:00.000005Z");
        assert_eq!(timestamp(1_767_225_599, 0), "2025-12-31T23:59:59.000000Z");
    }

    #[test]
    fn a_line_cannot_be_forged_through_a_field() {
        let fields: &[(&str, &dyn Display)] = &[("user", &"a\n\"b")];
        let text = render(LogFormat::Text, (0, 0), Level::Info, "m", fields);
        assert_eq!(text, "1970-01-01T00:00:00.000000Z  INFO spawner: m user=\"a\\n\\\"b\"\n");
        let json = render(LogFormat::Json, (0, 0), Level::Warn, "m", fields);
        assert!(
            json.ends_with("\"fields\":{\"message\":\"m\",\"user\":\"a\\u000a\\\"b\"}}\n"),
            "{json}"
        );
    }
}
