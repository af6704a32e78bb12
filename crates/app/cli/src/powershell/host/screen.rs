//! Where the text of a host call goes: colours on a terminal, plain text into a pipe, and a line for progress.
//!
//! Output stands on stdout; questions, errors and messages on stderr. With `--json`, stdout has objects only. What a host
//! sends keeps no escape sequence that could make the terminal answer, rename it or write files.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd;

use psrp::clixml::Progress;
use rustix::termios::{LocalModes, tcgetattr, tcgetwinsize};

use super::progress::Bar;
use crate::command_error::CommandError;
use crate::winrs::Filter;

/// A number of .NET's `ConsoleColor`, or -1 for the terminal's own.
pub(super) type Color = i32;

/// A character with the colours of its foreground and background.
pub(super) type Cell = (char, Color, Color);

/// The terminal's own colour.
pub(super) const NO_COLOR: Color = -1;
/// Yellow and bold, as PowerShell shows warnings, verbose and debug messages, and progress.
pub(super) const YELLOW: &str = "\x1b[33;1m";
pub(super) const RESET: &str = "\x1b[0m";
/// Columns and lines where nobody says how many there are.
const USUAL: (u16, u16) = (80, 24);
/// The longest title of a window, in characters.
const TITLE: usize = 255;

/// One of the two streams that this program writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Output,
    Message,
}

/// What is written, and how.
#[derive(Debug)]
pub(super) struct Screen {
    output_is_terminal: bool,
    messages_are_terminal: bool,
    has_colors: bool,
    is_json: bool,
    bar: Bar,
    /// The host's last text has no end of its line.
    is_within_line: bool,
    /// The colours that were set for all text.
    pub(super) foreground: Color,
    pub(super) background: Color,
    pub(super) title: String,
}

impl Screen {
    pub(super) fn new(is_json: bool) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            output_is_terminal: io::stdout().is_terminal(),
            messages_are_terminal: io::stderr().is_terminal(),
            has_colors: !no_color,
            is_json,
            bar: Bar::default(),
            is_within_line: false,
            foreground: NO_COLOR,
            background: NO_COLOR,
            title: String::new(),
        }
    }

    /// Columns and lines of the terminal.
    pub(super) fn size(&self) -> (u16, u16) {
        let size = tcgetwinsize(io::stdout()).or_else(|_| tcgetwinsize(io::stderr()));
        match size {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            _ => USUAL,
        }
    }

    /// Text of a host on stdout.
    ///
    /// # Errors
    /// Nobody reads it any more, or stdout fails.
    pub(super) fn output(
        &mut self,
        (foreground, background): (Color, Color),
        text: &str,
        end: &str,
    ) -> Result<(), CommandError> {
        let stream = if self.is_json { Stream::Message } else { Stream::Output };
        let or = |color: Color, set: Color| if color == NO_COLOR { set } else { color };
        let colors = (or(foreground, self.foreground), or(background, self.background));
        if let Some(last) = text.chars().chain(end.chars()).last() {
            self.is_within_line = last != '\n';
        }
        let text = self.colored(stream, &sequence(colors), text);
        self.write(stream, &[text.as_slice(), end.as_bytes()].concat())
    }

    /// A line of a host on stderr, whole in this colour.
    ///
    /// # Errors
    /// See [`Screen::output`].
    pub(super) fn message(&mut self, color: &str, text: &str) -> Result<(), CommandError> {
        self.is_within_line = false;
        let text = self.colored(Stream::Message, color, text);
        self.write(Stream::Message, &[text.as_slice(), b"\n"].concat())
    }

    /// Text of a question on stderr, in the colours of its pieces.
    ///
    /// # Errors
    /// See [`Screen::output`].
    pub(super) fn question(&mut self, pieces: &[(Color, &str)]) -> Result<(), CommandError> {
        // Its answer ends the line.
        self.is_within_line = false;
        let mut bytes = Vec::new();
        for (color, text) in pieces {
            bytes.extend(self.colored(Stream::Message, &sequence((*color, NO_COLOR)), text));
        }
        self.write(Stream::Message, &bytes)
    }

    /// A sequence of our own for the terminal; without one nothing happens.
    ///
    /// # Errors
    /// See [`Screen::output`].
    pub(super) fn control(&mut self, sequence: &str) -> Result<(), CommandError> {
        if self.output_is_terminal && !self.is_json {
            self.write(Stream::Output, sequence.as_bytes())?;
        }
        Ok(())
    }

    /// Names the window.
    ///
    /// # Errors
    /// See [`Screen::output`].
    pub(super) fn name(&mut self, title: &str) -> Result<(), CommandError> {
        self.title = title.chars().filter(|letter| !letter.is_control()).take(TITLE).collect();
        self.control(&format!("\x1b]0;{}\x07", self.title))
    }

    /// Shows how far something is; on a terminal only.
    ///
    /// # Errors
    /// See [`Screen::output`].
    pub(super) fn progress(
        &mut self,
        source: i64,
        progress: &Progress,
    ) -> Result<(), CommandError> {
        self.bar.update(source, progress);
        if self.messages_are_terminal {
            let erased = self.bar.erase();
            let drawn = self.bar.draw(self.size().0.into(), self.has_colors);
            put(Stream::Message, &[erased, drawn].concat())?;
        }
        Ok(())
    }

    /// Forgets all progress and what is left of it on the terminal.
    ///
    /// # Errors
    /// See [`Screen::output`].
    pub(super) fn end_progress(&mut self) -> Result<(), CommandError> {
        let erased = self.bar.erase();
        self.bar = Bar::default();
        if erased.is_empty() { Ok(()) } else { put(Stream::Message, &erased) }
    }

    /// Makes room for what the user types: progress goes from its line.
    ///
    /// # Errors
    /// See [`Screen::output`].
    pub(super) fn end_line(&mut self) -> Result<(), CommandError> {
        let erased = self.bar.erase();
        if erased.is_empty() { Ok(()) } else { put(Stream::Message, &erased) }
    }

    /// Ends a line that the host has left open, where a prompt would cover it.
    ///
    /// # Errors
    /// See [`Screen::output`].
    pub(super) fn fresh_line(&mut self) -> Result<(), CommandError> {
        if std::mem::take(&mut self.is_within_line) { self.control("\n") } else { Ok(()) }
    }

    /// Takes away the `^C` that the terminal has echoed for a key: the cursor stands behind it.
    ///
    /// # Errors
    /// See [`Screen::output`].
    pub(super) fn take_back_echo(&self) -> Result<(), CommandError> {
        if self.messages_are_terminal && echoes_control(io::stderr()) {
            put(Stream::Message, b"\x08 \x08\x08 \x08")?;
        }
        Ok(())
    }

    /// The columns in which a question is broken between words; `None` where it is shown on no terminal.
    pub(super) fn wrap(&self) -> Option<usize> {
        self.messages_are_terminal.then(|| self.size().0.into())
    }

    /// Puts the cursor to a place on the screen.
    ///
    /// # Errors
    /// See [`Screen::output`].
    pub(super) fn move_to(&mut self, x: i32, y: i32) -> Result<(), CommandError> {
        let (width, height) = self.size();
        let (x, y) = (x.clamp(0, i32::from(width) - 1), y.clamp(0, i32::from(height) - 1));
        self.control(&format!("\x1b[{};{}H", y + 1, x + 1))
    }

    /// Writes cells in a line of the screen, as far as it has them.
    ///
    /// # Errors
    /// See [`Screen::output`].
    pub(super) fn cells(&mut self, x: i32, y: i32, cells: &[Cell]) -> Result<(), CommandError> {
        let (width, height) = self.size();
        let Ok(left) = u16::try_from(x) else { return Ok(()) };
        if !(0..i32::from(height)).contains(&y) {
            return Ok(());
        }
        self.move_to(x, y)?;
        let mut text = String::new();
        for (letter, foreground, background) in cells.iter().take(width.saturating_sub(left).into())
        {
            let color =
                if self.has_colors { sequence((*foreground, *background)) } else { String::new() };
            text.push_str(&color);
            text.push(if letter.is_control() { ' ' } else { *letter });
            if !color.is_empty() {
                text.push_str(RESET);
            }
        }
        self.control(&text)
    }

    /// What a terminal may be shown of a text, or the text without any sequence where it goes elsewhere.
    fn colored(&self, stream: Stream, color: &str, text: &str) -> Vec<u8> {
        if !self.is_terminal(stream) {
            return plain(text).into_bytes();
        }
        if !self.has_colors {
            return shown(&plain(text));
        }
        let mut bytes = color.as_bytes().to_vec();
        bytes.extend(shown(text));
        if !color.is_empty() {
            bytes.extend(RESET.as_bytes());
        }
        bytes
    }

    fn is_terminal(&self, stream: Stream) -> bool {
        match stream {
            Stream::Output => self.output_is_terminal,
            Stream::Message => self.messages_are_terminal,
        }
    }

    /// Writes around the line of progress.
    fn write(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), CommandError> {
        let erased = self.bar.erase();
        if erased.is_empty() {
            return put(stream, bytes);
        }
        put(Stream::Message, &erased)?;
        put(stream, bytes)?;
        if bytes.ends_with(b"\n") {
            let drawn = self.bar.draw(self.size().0.into(), self.has_colors);
            put(Stream::Message, &drawn)?;
        }
        Ok(())
    }
}

/// Whether a terminal shows control characters that are typed, as `^C`.
fn echoes_control(terminal: impl AsFd) -> bool {
    let shows = LocalModes::ECHO | LocalModes::ECHOCTL | LocalModes::ISIG;
    tcgetattr(terminal).is_ok_and(|mode| mode.local_modes.contains(shows))
}

/// Writes all of it now.
fn put(stream: Stream, bytes: &[u8]) -> Result<(), CommandError> {
    let written = match stream {
        Stream::Output => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())
        }
        Stream::Message => io::stderr().lock().write_all(bytes),
    };
    match written {
        Err(error) if stream == Stream::Message => {
            // Where stderr is closed nobody wanted to know.
            let _unread = error;
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(CommandError::reader_gone()),
        Err(error) => Err(CommandError::caused("writing to stdout", &error)),
        Ok(()) => Ok(()),
    }
}

/// The bytes of a whole text that may reach a terminal; a sequence without its end is dropped.
fn shown(text: &str) -> Vec<u8> {
    Filter::default().pass(text.as_bytes())
}

/// A text without escape sequences: colours belong to terminals.
pub(super) fn plain(text: &str) -> String {
    strip(text, |_| false)
}

/// A text that keeps colours and no other sequence, and stays on its line.
pub(crate) fn one_line(text: &str) -> String {
    let kept = strip(text, |last| last == 'm');
    kept.chars().filter(|letter| !letter.is_control() || *letter == '\x1b').collect()
}

/// Takes out the sequences that a terminal would be shown, but those whose last character is to be kept.
fn strip(text: &str, keeps: impl Fn(char) -> bool) -> String {
    let bytes = shown(text);
    let text = String::from_utf8_lossy(&bytes);
    let mut kept = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\x1b' {
            kept.push(letter);
            continue;
        }
        let mut sequence = String::from(letter);
        let Some(second) = letters.next() else { break };
        sequence.push(second);
        let is_long = second == '[';
        if matches!(second, '(' | ')' | '*' | '+') {
            sequence.extend(letters.next());
        } else if is_long {
            for next in letters.by_ref() {
                sequence.push(next);
                if matches!(next, '@'..='~') {
                    break;
                }
            }
        }
        if is_long && sequence.chars().last().is_some_and(&keeps) {
            kept.push_str(&sequence);
        }
    }
    kept
}

/// The sequence that sets these colours; empty where both are the terminal's own.
fn sequence((foreground, background): (Color, Color)) -> String {
    let code = |color: Color, base: u8| {
        // .NET counts blue, green, red in its bits, terminals red, green, blue.
        let number = u8::try_from(color).ok().filter(|number| *number < 16)?;
        let turned = (number & 0b010) | ((number & 0b001) << 2) | ((number & 0b100) >> 2);
        Some(base + turned + if number < 8 { 0 } else { 60 })
    };
    let codes = [code(foreground, 30), code(background, 40)];
    let codes: Vec<String> = codes.into_iter().flatten().map(|code| code.to_string()).collect();
    if codes.is_empty() { String::new() } else { format!("\x1b[{}m", codes.join(";")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colors_of_a_console_are_those_of_a_terminal() {
        for (color, code) in [(0, 30), (1, 34), (4, 31), (6, 33), (7, 37), (8, 90), (9, 94)] {
            assert_eq!(sequence((color, NO_COLOR)), format!("\x1b[{code}m"), "{color}");
        }
        assert_eq!(sequence((15, 1)), "\x1b[97;44m");
        assert_eq!(sequence((NO_COLOR, 16)), "");
    }

    #[test]
    fn text_loses_its_sequences_and_a_prompt_keeps_colors_only() {
        let text = "a\x1b[31mb\x1b[2J\x1b[6n\x1b]0;t\x07\x1b(Bc\x1b[0m\r\nd";
        assert_eq!(plain(text), "abc\r\nd");
        assert_eq!(one_line(text), "a\x1b[31mbc\x1b[0md");
        // Half a sequence waits for no other half.
        assert_eq!(plain("x\x1b["), "x");
    }
}
