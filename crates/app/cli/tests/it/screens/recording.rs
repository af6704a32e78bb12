//! Recordings of whole screens: what was typed, and what the terminal showed when it had come to rest.

/// One step.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) number: u32,
    pub(super) keys: Keys,
    /// The lines from where the cursor was before the step to where it is after it.
    pub(super) lines: Vec<String>,
    /// The cursor's column after the step, from 0.
    pub(super) column: usize,
    pub(super) title: Option<String>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Keys {
    /// Lines, each of them ended by Enter unless it is the last and says so.
    Lines { lines: Vec<String>, is_ended: bool },
    /// What keys without a letter send.
    Special(Vec<&'static str>),
    /// Nothing is typed for so many seconds.
    Nothing(f64),
}

/// Where a recording begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Shell,
    Local,
    Inside,
}

#[derive(Debug)]
pub(super) struct Recording {
    pub(super) name: String,
    pub(super) start: Start,
    pub(super) steps: Vec<Step>,
}

/// The sequences of the keys that the recordings name.
const KEYS: [(&str, &str); 18] = [
    ("<Tab>", "\t"),
    ("<Shift-Tab>", "\x1b[Z"),
    ("<Enter>", "\r"),
    ("<Ctrl-C>", "\x03"),
    ("<Ctrl-D>", "\x04"),
    ("<Ctrl-L>", "\x0c"),
    ("<Ctrl-U>", "\x15"),
    ("<Up>", "\x1b[A"),
    ("<Down>", "\x1b[B"),
    ("<Left>", "\x1b[D"),
    ("<Home>", "\x1b[H"),
    ("<End>", "\x1b[F"),
    ("<Backspace>", "\x7f"),
    ("<Delete>", "\x1b[3~"),
    ("<Esc>", "\x1b"),
    ("<Space>", " "),
    ("<q>", "q"),
    ("<w>", "w"),
];

impl Keys {
    fn read(text: &[&str]) -> Self {
        if let Some(rest) = text[0].strip_prefix("(nothing for ") {
            return Self::Nothing(rest.trim_end_matches(" s)").parse().unwrap());
        }
        let tokens: Vec<&str> = text[0].split(' ').collect();
        if tokens.iter().all(|token| token.len() > 2 && token.starts_with('<')) {
            let sent = |token: &&str| {
                let known = KEYS.iter().find(|(name, _)| name == token);
                known.map_or("X", |(_, sent)| sent)
            };
            return Self::Special(tokens.iter().map(sent).collect());
        }
        let is_ended = text[text.len() - 1].ends_with('⏎');
        let lines = text.iter().map(|line| line.trim_end_matches('⏎').to_owned()).collect();
        Self::Lines { lines, is_ended }
    }

    /// Whether a line, a key or a question ends with them.
    pub(super) fn end_a_line(&self) -> bool {
        match self {
            Self::Lines { is_ended, .. } => *is_ended,
            Self::Special(sequences) => {
                sequences.iter().any(|sent| matches!(*sent, "\r" | "\x03" | "\x04" | "q" | "w"))
            }
            Self::Nothing(_) => true,
        }
    }

    /// The first line that is typed; nothing where keys are no letters.
    pub(super) fn first(&self) -> &str {
        match self {
            Self::Lines { lines, .. } => lines.first().map_or("", String::as_str),
            Self::Special(_) | Self::Nothing(_) => "",
        }
    }
}

impl Recording {
    /// Reads a file of recordings.
    pub(super) fn read(name: &str, text: &str) -> Self {
        let start = if text.contains("\n# Started inside") {
            Start::Inside
        } else if text.contains("\n# Started in a local") {
            Start::Local
        } else {
            Start::Shell
        };
        // Inside, the screen was cleared: the prompt is in its second line.
        let mut before = if start == Start::Inside { 2 } else { 1 };
        let mut steps = Vec::new();
        for part in text.split("\n=== ").skip(1) {
            let step = read_step(part, &mut before);
            steps.push(step);
        }
        Self { name: name.to_owned(), start, steps }
    }
}

/// Reads a step. `before` is the cursor's line before it on the screen, and afterwards that after it.
fn read_step(part: &str, before: &mut usize) -> Step {
    let (head, body) = part.split_once("\n--- screen").unwrap();
    let (number, keys) = head.split_once("  keys: ").unwrap();
    let keys: Vec<&str> = keys
        .split('\n')
        .filter(|line| !line.starts_with("    note: "))
        .enumerate()
        .map(|(at, line)| if at == 0 { line } else { line.strip_prefix("           ").unwrap() })
        .collect();
    let (about, body) = body.split_once('\n').unwrap();
    let mut lines: Vec<&str> = body.split("\n--- end").next().unwrap().split('\n').collect();
    // What the recorder said stands in brackets behind four blanks.
    lines.retain(|line| !(line.starts_with("    (") && line.ends_with(')')));
    let (row, column) =
        about.split_once("(cursor: line ").unwrap().1.split_once(" column ").unwrap();
    let row: usize = row.parse().unwrap();
    let column = column.split([')', ';']).next().unwrap().parse::<usize>().unwrap() - 1;
    let scrolled = lines.iter().position(|line| line.starts_with("~~~ "));
    let from = about.split("from line ").nth(1).and_then(|rest| rest.split(' ').next());
    let (first, last) = if let Some(from) = from {
        let from: usize = from.parse().unwrap();
        let is_full = lines.len() > 30 - from;
        let last = if row < from { row - 1 } else { row - from };
        (0, if is_full && row == 30 { lines.len() - 1 } else { last })
    } else {
        let off = scrolled.unwrap_or(0);
        lines.retain(|line| !line.starts_with("~~~ "));
        let (first, last) = (*before - 1, off + row - 1);
        if last < first { (off, last) } else { (first, last) }
    };
    *before = row;
    let end = (last + 1).min(lines.len());
    Step {
        number: number.parse().unwrap(),
        keys: Keys::read(&keys),
        lines: lines[first.min(end)..end].iter().map(|&line| line.to_owned()).collect(),
        column,
        title: about
            .split("window title: '")
            .nth(1)
            .map(|rest| rest.trim_end_matches('\'').to_owned()),
    }
}
