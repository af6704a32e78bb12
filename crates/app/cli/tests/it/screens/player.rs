//! Somebody who types a recording into our program, and what the terminal shows of it.
//!
//! ```text
//!  step ──► keys ──► sh, pssession, Enter-PSSession ──► service ──► engine
//!                              │
//!   recorded screen ◄─ compare ─ emulator, until nothing more comes
//! ```

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Group;
use tempfile::TempDir;
use unicode_width::UnicodeWidthStr as _;

use super::Reason;
use super::emulator::Emulator;
use super::recording::{Keys, Start, Step};
use crate::invoke::{Host, without_guids};
use crate::powershell::Reachable;
use crate::service::{PASSWORD, USER, local_user};
use crate::terminal::Terminal;
use crate::tool;

const COLUMNS: usize = 100;
const LINES: usize = 30;
/// How often it is looked what has come.
const LOOK: Duration = Duration::from_millis(10);
/// The screen rests when it is as recorded and nothing has come for so long.
const ALIKE: Duration = Duration::from_millis(50);
/// The same where something runs, which has to have begun before the next keys.
const RUNNING: Duration = Duration::from_millis(700);
/// The same where it is known to differ: behind a prompt, and elsewhere.
const AT_PROMPT: Duration = Duration::from_millis(400);
const ELSEWHERE: Duration = Duration::from_secs(1);
/// The same where a prompt should be and is not.
const NO_PROMPT: Duration = Duration::from_secs(4);
/// So long it is waited for a difference.
const LATE: Duration = Duration::from_secs(8);
/// So long it is waited for the end of what flows.
const ENDLESS: Duration = Duration::from_secs(6);
/// Where it should be alike and is not, the wait is longer: the machine may be slow.
const SLOW: u32 = 12;

/// What is made alike before lines are compared: only what cannot be the same on two machines.
pub(super) struct Normal {
    /// The home of whoever is there: a folder of the test's own, whose name is as long as `/home/user`, so that tables and
    /// the breaks of lines stay as they are.
    home: String,
    /// Whose its files are: here the account's user and group, as columns of a listing.
    owners: String,
}

impl Normal {
    fn line(&self, line: &str) -> String {
        let line = line.replace(&self.home, "/home/user");
        let line = line.replace(&self.owners, &owners("user", "user"));
        // Sessions and objects have their own each time.
        let line = without_guids(&line);
        // When a file was written, and how long a command took.
        let line = shaped(&line, "99/99/9999 99:99", "<date and time>");
        // How large a folder is depends on the file system.
        let line = match line.split_once("<date and time>") {
            Some((begin, rest)) if begin.starts_with('d') => {
                let name = rest.trim_start().split_once(' ').map_or("", |(_, name)| name);
                format!("{begin}<date and time> <size> {name}")
            }
            _ => line,
        };
        shaped(&line, " 9.999 ", " <s>   ")
    }

    /// Our local prompt has no location: pssession's cmdlets know none.
    fn prompt(line: &str) -> String {
        line.strip_prefix("PS /srv>").map_or_else(|| line.to_owned(), |rest| format!("PS>{rest}"))
    }
}

/// Columns of a listing.
fn owners(user: &str, group: &str) -> String {
    format!("{user:>11} {group:<10} ")
}

/// The text with each place of this shape, where 9 is a digit, replaced.
fn shaped(text: &str, shape: &str, by: &str) -> String {
    let fits = |rest: &str| {
        let mut letters = rest.chars();
        shape.chars().all(|one| {
            letters.next().is_some_and(|letter| {
                if one == '9' { letter.is_ascii_digit() } else { letter == one }
            })
        })
    };
    let mut kept = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = if fits(rest) {
            kept.push_str(by);
            shape.len()
        } else {
            kept.push(letter);
            letter.len_utf8()
        };
        rest = &rest[length..];
    }
    kept
}

/// What a screen shows since a step began.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    /// What stands before the typed line.
    prompt: String,
    /// The lines behind it, without empty ones at the end.
    lines: Vec<String>,
    column: usize,
}

/// Parts the typed line from what stands before it and from the lines behind it. It may go over several lines, and the
/// recorded line editor paints it anew in places.
fn part(lines: &[String], typed: &str) -> (String, Vec<String>) {
    let begin: String = typed.chars().take(30).collect();
    let mut joined = String::new();
    for (at, line) in lines.iter().enumerate().take(6) {
        joined.push_str(line);
        if let Some(prompt) = joined.trim_end().strip_suffix(typed.trim_end())
            && !typed.is_empty()
        {
            let end =
                if at == 0 { prompt.len() } else { joined.find(&begin).unwrap_or(prompt.len()) };
            return (joined[..end].to_owned(), lines[at + 1..].to_vec());
        }
        joined.extend(std::iter::repeat_n(' ', COLUMNS.saturating_sub(line.width())));
    }
    (String::new(), lines.to_vec())
}

fn without_empty_end(mut lines: Vec<String>) -> Vec<String> {
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Somebody who types a recording.
pub(super) struct Player {
    host: Host,
    terminal: Terminal,
    screen: Emulator,
    fed: usize,
    normal: Normal,
    _home: TempDir,
    _state: TempDir,
}

impl Player {
    pub(super) fn new(start: Start) -> Self {
        let home = tempfile::Builder::new().prefix("").rand_bytes(5).tempdir_in("/tmp").unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o777)).unwrap();
        let host = Host::of(Reachable::find().at_home(home.path()), "");
        let state = tempfile::tempdir().unwrap();
        let mut command = tool::program("sh");
        let programs = Path::new(env!("CARGO_BIN_EXE_pssession")).parent().unwrap().display();
        command
            .arg("-i")
            .env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap_or_default()))
            .env("PS1", "$ ")
            .env_remove("ENV")
            .env_remove("NO_COLOR")
            .env("TRANSOM_PASSWORD", PASSWORD)
            .env("XDG_STATE_HOME", state.path())
            .env("TERM", "xterm-256color")
            .env("LANG", "en_US.UTF-8")
            .env_remove("COLUMNS");
        let size = (COLUMNS.try_into().unwrap(), LINES.try_into().unwrap());
        let terminal = Terminal::sized(&command, size.0, size.1);
        let user = local_user(host.service.flavour);
        let group = Group::from_gid(user.gid).unwrap().map_or_else(String::new, |group| group.name);
        let normal = Normal {
            home: home.path().to_str().unwrap().to_owned(),
            owners: owners(&user.name, &group),
        };
        let screen = Emulator::new(COLUMNS, LINES);
        let mut player =
            Self { host, terminal, screen, fed: 0, normal, _home: home, _state: state };
        player.waits("$ ");
        if start != Start::Shell {
            player.types("pssession\r", "PS> ");
            // As the recordings do: the local prompt is in the first line.
            player.screen.feed("\x1b[H\x1b[2JPS> ");
        }
        if start == Start::Inside {
            let enter = player.typed("Enter-PSSession -HostName localhost");
            player.types(&format!("{enter}\r"), "[localhost]: PS /tmp/");
            // Twice, as the recordings do: their history and the place of their first prompt come from it.
            player.types("clear\r", "[localhost]: PS /tmp/");
            player.types("clear\r", "[localhost]: PS /tmp/");
        }
        player
    }

    pub(super) const fn has_stand_in(&self) -> bool {
        self.host.engine.name.is_stand_in
    }

    /// What is typed here for a line of the recording: its computers are reached by ssh, and ours is at a port of its own,
    /// with an account of its own.
    fn typed(&self, line: &str) -> String {
        let mut typed = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("-HostName ") {
            let computer = after.split([' ', ';']).next().unwrap_or_default();
            let _written = write!(typed, "{before}-ComputerName {computer} -Credential {USER}");
            if !line.contains("-Port") {
                let _written = write!(typed, " -Port {}", self.host.service.port);
            }
            rest = &after[computer.len()..];
        }
        typed.push_str(rest);
        typed
    }

    /// Takes in what has come since; whether there was something.
    fn pump(&mut self) -> bool {
        let text = self.terminal.shown_from(self.fed);
        self.fed += text.len();
        self.screen.feed(&text);
        !text.is_empty()
    }

    /// What stands in the cursor's line before the cursor's place.
    fn at_cursor(&self) -> String {
        let (row, _) = self.screen.cursor();
        self.screen.lines(row, row + 1).pop().unwrap_or_default().0
    }

    fn waits(&mut self, text: &str) {
        let deadline = Instant::now() + tool::LIMIT;
        loop {
            self.pump();
            let line = self.at_cursor();
            if line.starts_with(text.trim_end()) && (line.ends_with('>') || text == "$ ") {
                return;
            }
            assert!(Instant::now() < deadline, "{text:?} in {:?}", self.terminal.shown());
            thread::sleep(LOOK);
        }
    }

    fn types(&mut self, keys: &str, text: &str) {
        self.terminal.type_in(keys);
        let before = self.fed;
        tool::until(keys, || self.terminal.shown_from(before).contains('\n'));
        self.waits(text);
    }

    /// Whether a line waits to be typed.
    fn is_at_prompt(&self) -> bool {
        let line = self.at_cursor();
        line.ends_with('>') && (line.starts_with("PS") || line.starts_with('['))
            || line == ">>"
            || line == "$"
    }

    /// Waits until nothing more comes, or until the screen is as it should be. `patience` is how many times as long.
    fn settle(&mut self, patience: u32, wanted: Reader, is_alike: impl Fn(&Self) -> bool) -> bool {
        // Output without an end rests never.
        let deadline = Instant::now() + ENDLESS * patience;
        let mut quiet = Instant::now();
        loop {
            if self.pump() {
                quiet = Instant::now();
            }
            let rested = quiet.elapsed();
            let least = if self.screen.cursor().1 == 0 { RUNNING } else { ALIKE };
            if patience > 1 && rested > least && is_alike(self) {
                return true;
            }
            let longest = match wanted {
                _ if self.is_at_prompt() => AT_PROMPT,
                Reader::Other => ELSEWHERE,
                Reader::Shell | Reader::Local | Reader::Session => NO_PROMPT,
            };
            if rested > longest * patience || Instant::now() > deadline {
                // What is known to differ and does not may be late.
                let is_alike = is_alike(self);
                if !is_alike || rested > LATE {
                    return is_alike;
                }
            }
            thread::sleep(LOOK);
        }
    }

    /// Goes where the recording is, where a step that differs has led elsewhere: the next steps are compared all the same.
    pub(super) fn follow(&mut self, step: &Step) {
        let wanted = Reader::after(step);
        let mut there = Reader::of(&self.at_cursor());
        if wanted == Reader::Other || wanted == there {
            return;
        }
        if there == Reader::Other {
            self.terminal.type_in("\x03");
            self.settle(1, Reader::Other, |_| false);
            there = Reader::of(&self.at_cursor());
        }
        let enter = format!("{}\r", self.typed("Enter-PSSession -HostName localhost"));
        let keys: &[&str] = match (there, wanted) {
            (Reader::Shell, Reader::Local) => &["pssession\r"],
            (Reader::Shell, Reader::Session) => &["pssession\r", &enter],
            (Reader::Local, Reader::Session) => &[&enter],
            (Reader::Local, Reader::Shell) | (Reader::Session, Reader::Local) => &["exit\r"],
            _ => &[],
        };
        for one in keys {
            self.terminal.type_in(one);
            self.settle(2, wanted, |_| false);
        }
    }

    fn shown(&self, from: usize, typed: &str) -> Shown {
        let (row, column) = self.screen.cursor();
        let from = if row < from { self.screen.top() } else { from };
        let lines =
            self.screen.lines(from, row + 1).into_iter().map(|line| line.0).collect::<Vec<_>>();
        let (prompt, lines) = part(&lines, typed);
        let lines = lines.iter().map(|line| self.normal.line(line)).collect();
        Shown { prompt: self.normal.line(&prompt), lines: without_empty_end(lines), column }
    }

    fn recorded(&self, step: &Step) -> Shown {
        let (prompt, lines) = part(&step.lines, step.keys.first());
        let local = step.lines.last().is_some_and(|line| line.starts_with("PS /srv>"));
        let column = step.column - if local { "PS /srv>".len() - "PS>".len() } else { 0 };
        let mut lines: Vec<String> = lines.iter().map(|line| self.normal.line(line)).collect();
        if step.keys.first().is_empty() {
            lines = lines.iter().map(|line| Normal::prompt(line)).collect();
        } else if let Some(last) = lines.last_mut() {
            *last = Normal::prompt(last);
        }
        let prompt = self.normal.line(&Normal::prompt(&prompt));
        Shown { prompt, lines: without_empty_end(lines), column }
    }

    /// Types a step; what differs then, if something does.
    pub(super) fn play(
        &mut self,
        step: &Step,
        is_local: bool,
        known: Option<Reason>,
    ) -> Option<String> {
        self.pump();
        let from = self.screen.cursor().0;
        let recorded = self.recorded(step);
        let mut first = step.keys.first().to_owned();
        let patience = match known {
            None => SLOW,
            Some(Reason::Varies) => 2,
            Some(Reason::Meant | Reason::StandIn) => 1,
        };
        match &step.keys {
            Keys::Nothing(seconds) => {
                if self.shown(from, "") == recorded {
                    thread::sleep(Duration::from_secs_f64(*seconds));
                }
            }
            Keys::Special(sequences) => {
                for sequence in sequences {
                    self.terminal.type_in(sequence);
                    thread::sleep(LOOK * 2);
                }
            }
            Keys::Lines { lines, is_ended } => {
                for (at, line) in lines.iter().enumerate() {
                    if at > 0 {
                        self.settle(2, Reader::Other, |player| player.at_cursor() == ">>");
                    }
                    let typed = if is_local { self.typed(line) } else { line.clone() };
                    if at == 0 {
                        first.clone_from(&typed);
                    }
                    let end = if *is_ended || at + 1 < lines.len() { "\r" } else { "" };
                    self.terminal.type_in(&format!("{typed}{end}"));
                }
            }
        }
        let is_alike = |player: &Self| {
            player.shown(from, &first) == recorded
                && step.title.as_ref().is_none_or(|title| *title == player.screen.title)
        };
        let wanted = Reader::after(step);
        if self.settle(patience, wanted, is_alike) {
            return None;
        }
        let shown = self.shown(from, &first);
        Some(told(&recorded, &shown))
    }
}

/// Who reads the next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    Shell,
    Local,
    Session,
    /// A question, a program, nobody.
    Other,
}

impl Reader {
    pub(super) fn after(step: &Step) -> Self {
        Self::of(step.lines.last().map_or("", String::as_str))
    }

    fn of(line: &str) -> Self {
        if line == "$" {
            Self::Shell
        } else if line == "PS>" || line == "PS /srv>" {
            Self::Local
        } else if line.starts_with('[') && line.contains("]: ") && line.ends_with('>') {
            Self::Session
        } else {
            Self::Other
        }
    }
}

/// Both screens, for somebody who has to judge them.
fn told(recorded: &Shown, shown: &Shown) -> String {
    let mut text = String::new();
    for (who, one) in [("recorded", recorded), ("ours", shown)] {
        let _written =
            writeln!(text, "  {who}: behind {:?}, cursor in column {}", one.prompt, one.column);
        for line in one.lines.iter().take(2 * LINES) {
            let _written = writeln!(text, "    |{line}");
        }
    }
    text
}
