//! What a terminal shows of the bytes that a program writes: xterm as far as the programs here use it.
//!
//! Lines that scroll off the top are kept, as the recordings keep them.

use unicode_width::UnicodeWidthChar as _;

/// One line of the screen.
#[derive(Clone, Debug, Default)]
struct Row {
    /// What stands in each column; the second column of a wide letter is empty.
    cells: Vec<String>,
    /// Whether the line goes on in the next one.
    goes_on: bool,
}

/// Where the reader is in a sequence.
#[derive(Debug)]
enum Sequence {
    None,
    Escape,
    /// `ESC [` and what came since.
    Control(String),
    /// `ESC ]` until BEL or ST.
    System(String),
}

#[derive(Debug)]
pub(super) struct Emulator {
    width: usize,
    height: usize,
    rows: Vec<Row>,
    /// The first line that is on the screen.
    top: usize,
    row: usize,
    column: usize,
    sequence: Sequence,
    pub(super) title: String,
}

impl Emulator {
    pub(super) fn new(width: usize, height: usize) -> Self {
        let rows = vec![Row::default(); height];
        let sequence = Sequence::None;
        Self { width, height, rows, top: 0, row: 0, column: 0, sequence, title: String::new() }
    }

    pub(super) fn feed(&mut self, text: &str) {
        for letter in text.chars() {
            self.take(letter);
        }
    }

    /// The line of the cursor, counted from the first that there ever was, and its column, both from 0.
    pub(super) const fn cursor(&self) -> (usize, usize) {
        (self.row, self.column)
    }

    /// The first line that is on the screen.
    pub(super) const fn top(&self) -> usize {
        self.top
    }

    /// These lines without blanks at their ends, each with whether it goes on in the next.
    pub(super) fn lines(&self, from: usize, to: usize) -> Vec<(String, bool)> {
        let rows = self.rows.iter().skip(from).take(to.saturating_sub(from));
        rows.map(|row| (row.cells.concat().trim_end().to_owned(), row.goes_on)).collect()
    }

    fn take(&mut self, letter: char) {
        match std::mem::replace(&mut self.sequence, Sequence::None) {
            Sequence::None => self.plain(letter),
            Sequence::Escape => match letter {
                '[' => self.sequence = Sequence::Control(String::new()),
                ']' => self.sequence = Sequence::System(String::new()),
                _ => {}
            },
            Sequence::Control(mut inner) => {
                if ('@'..='~').contains(&letter) {
                    self.control(&inner, letter);
                } else {
                    inner.push(letter);
                    self.sequence = Sequence::Control(inner);
                }
            }
            Sequence::System(mut inner) => {
                if letter == '\x07' || (letter == '\\' && inner.ends_with('\x1b')) {
                    let inner = inner.trim_end_matches('\x1b');
                    if let Some(title) =
                        inner.strip_prefix("0;").or_else(|| inner.strip_prefix("2;"))
                    {
                        title.clone_into(&mut self.title);
                    }
                } else {
                    inner.push(letter);
                    self.sequence = Sequence::System(inner);
                }
            }
        }
    }

    fn plain(&mut self, letter: char) {
        match letter {
            '\x1b' => self.sequence = Sequence::Escape,
            '\r' => self.column = 0,
            '\n' => self.down(),
            '\x08' => self.column = self.column.min(self.width - 1).saturating_sub(1),
            '\t' => self.column = (self.column / 8 * 8 + 8).min(self.width - 1),
            '\0'..='\x1f' | '\x7f' => {}
            _ => self.write(letter),
        }
    }

    fn write(&mut self, letter: char) {
        let width = letter.width().unwrap_or(0);
        // What joins the letter before it: accents, the colour of a skin, what follows a joiner.
        let joins = width == 0 || ('\u{1f3fb}'..='\u{1f3ff}').contains(&letter);
        if joins {
            let cells = &mut self.rows[self.row].cells;
            let end = self.column.min(cells.len());
            if let Some(cell) = cells[..end].iter_mut().rfind(|cell| !cell.is_empty()) {
                cell.push(letter);
            }
            return;
        }
        if self.column + width > self.width {
            self.rows[self.row].goes_on = true;
            self.column = 0;
            self.down();
        }
        let cells = &mut self.rows[self.row].cells;
        while cells.len() < self.column + width {
            cells.push(" ".to_owned());
        }
        cells[self.column] = letter.to_string();
        for cell in &mut cells[self.column + 1..self.column + width] {
            cell.clear();
        }
        self.column += width;
    }

    fn down(&mut self) {
        self.row += 1;
        if self.row >= self.top + self.height {
            self.top += 1;
            self.rows.push(Row::default());
        }
    }

    fn control(&mut self, inner: &str, last: char) {
        let number = |at: usize| inner.split(';').nth(at).and_then(|part| part.parse().ok());
        let count = number(0).unwrap_or(1_usize).max(1);
        let bottom = self.top + self.height - 1;
        match last {
            'A' => self.row = self.row.saturating_sub(count).max(self.top),
            'B' => self.row = (self.row + count).min(bottom),
            'C' => self.column = (self.column + count).min(self.width - 1),
            'D' => self.column = self.column.min(self.width - 1).saturating_sub(count),
            'G' => self.column = (count - 1).min(self.width - 1),
            'H' | 'f' => {
                self.row = (self.top + count - 1).min(bottom);
                self.column = (number(1).unwrap_or(1).max(1) - 1).min(self.width - 1);
            }
            'J' => self.erase_screen(number(0).unwrap_or(0)),
            'K' => self.erase_line(number(0).unwrap_or(0)),
            // Colours, modes, questions: nothing that a line shows.
            _ => {}
        }
    }

    fn erase_line(&mut self, how: usize) {
        let column = self.column;
        let row = &mut self.rows[self.row];
        match how {
            0 => {
                row.cells.truncate(column);
                row.goes_on = false;
            }
            1 => row.cells.iter_mut().take(column + 1).for_each(|cell| " ".clone_into(cell)),
            _ => *row = Row::default(),
        }
    }

    fn erase_screen(&mut self, how: usize) {
        let (from, to) = match how {
            0 => (self.row + 1, self.rows.len()),
            1 => (self.top, self.row),
            2 => (self.top, self.rows.len()),
            // What has scrolled off: none of the screen.
            _ => return,
        };
        for row in &mut self.rows[from..to] {
            *row = Row::default();
        }
        if how < 2 {
            self.erase_line(how);
        }
    }
}

#[test]
fn letters_wrap_scroll_and_are_erased_as_in_a_terminal() {
    let mut screen = Emulator::new(5, 2);
    screen.feed("abcdefg\r\n漢e\u{301}\x08X\r\n\x1b]0;title\x07\x1b[31mred\x1b[2DE\x1b[K");
    let lines: Vec<String> = screen.lines(0, 4).into_iter().map(|line| line.0).collect();
    assert_eq!(lines, ["abcde", "fg", "漢X", "rE"]);
    assert_eq!((screen.cursor(), screen.top(), screen.title.as_str()), ((3, 2), 2, "title"));
    assert!(screen.lines(0, 1)[0].1);
    screen.feed("\x1b[H\x1b[2Jtop\x1b[3J");
    assert_eq!(screen.lines(2, 4), [("top".to_owned(), false), (String::new(), false)]);
}
