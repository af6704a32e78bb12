//! The line that shows how far a pipeline is, as PowerShell draws it.

use psrp::clixml::Progress;

use super::screen::{RESET, YELLOW, plain};

/// So many activities are remembered at once.
const MAX_ACTIVITIES: usize = 64;

/// What is under way, and whether its line is on the screen.
#[derive(Debug, Default)]
pub(super) struct Bar {
    activities: Vec<(i64, Progress)>,
    is_drawn: bool,
}

impl Bar {
    /// Takes what a pipeline tells: a new activity, news of one, or its end.
    pub(super) fn update(&mut self, source: i64, progress: &Progress) {
        let is_this = |(known, told): &(i64, Progress)| {
            *known == source && told.activity_id == progress.activity_id
        };
        if progress.is_completed {
            self.activities.retain(|activity| !is_this(activity));
        } else if let Some(known) = self.activities.iter_mut().find(|activity| is_this(activity)) {
            known.1 = progress.clone();
        } else if self.activities.len() < MAX_ACTIVITIES {
            self.activities.push((source, progress.clone()));
        }
    }

    /// What takes the line away, if it is there.
    pub(super) fn erase(&mut self) -> Vec<u8> {
        if std::mem::take(&mut self.is_drawn) { b"\r\x1b[2K".to_vec() } else { Vec::new() }
    }

    /// The line of the outermost activity, if there is one, as wide as the terminal without its last two columns, as in PowerShell.
    /// The cursor goes to its beginning.
    pub(super) fn draw(&mut self, width: usize, has_colors: bool) -> Vec<u8> {
        let Some((_, progress)) = self.activities.first() else { return Vec::new() };
        self.is_drawn = true;
        let text = |text: &psrp::clixml::Text| {
            let text = plain(&text.to_string_lossy());
            text.chars().filter(|letter| !letter.is_control()).collect::<String>()
        };
        let left = match progress.seconds_remaining {
            seconds @ 0.. => format!("{seconds}s"),
            _ => String::new(),
        };
        let room = width.saturating_sub(2);
        // Half of the line at most for the name, as long as there is something to say behind it.
        let activity = cut(&text(&progress.activity), width / 2 + 1);
        let inner = room.saturating_sub(activity.chars().count() + " [".len() + "]".len());
        let mut inside = cut(&text(&progress.status), inner.saturating_sub(left.len()));
        let rest = inner.saturating_sub(inside.chars().count() + left.len());
        inside.extend(std::iter::repeat_n(' ', rest));
        inside.push_str(&left);
        let percent = usize::try_from(progress.percent_complete.clamp(0, 100)).unwrap_or(0);
        let done = inner * percent / 100;
        let (bright, dark) = if has_colors { ("\x1b[7m", "\x1b[27m") } else { ("", "") };
        let (begin, end) = if has_colors { (YELLOW, RESET) } else { ("", "") };
        let (full, rest): (String, String) =
            (inside.chars().take(done).collect(), inside.chars().skip(done).collect());
        format!("{begin}{activity} [{bright}{full}{dark}{rest}]{end}\r").into_bytes()
    }
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(room.saturating_sub(1)).collect();
    if room > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(activity: &str, status: &str, percent: i32, seconds: i32) -> Progress {
        Progress {
            activity: activity.into(),
            status: status.into(),
            percent_complete: percent,
            seconds_remaining: seconds,
            ..Progress::default()
        }
    }

    #[test]
    fn line_is_full_as_far_as_the_work_and_tells_the_time_left() {
        let mut bar = Bar::default();
        bar.update(0, &of("Copying", "file one", 50, 75));
        let line = String::from_utf8(bar.draw(32, true)).unwrap();
        assert_eq!(line, "\x1b[33;1mCopying [\x1b[7mfile one  \x1b[27m       75s]\x1b[0m\r");
        assert_eq!(bar.erase(), b"\r\x1b[2K");
        assert_eq!(bar.erase(), b"");
        bar.update(0, &Progress { is_completed: true, ..Progress::default() });
        assert_eq!(bar.draw(31, true), b"");
    }

    #[test]
    fn what_a_host_names_fits_the_line_and_controls_nothing() {
        let mut bar = Bar::default();
        let long = "x\x1b[6n\r\n".repeat(1000);
        bar.update(0, &of(&long, &long, 1_000_000, i32::MAX));
        for width in [0, 1, 2, 5, 40] {
            let line = String::from_utf8(bar.draw(width, false)).unwrap();
            let line = line.trim_end_matches('\r');
            assert!(!line.contains(char::is_control), "{line:?}");
            assert!(width < 20 || line.chars().count() < width, "{width}: {line:?}");
        }
        for id in 0..1000 {
            bar.update(0, &Progress { activity_id: id, ..Progress::default() });
        }
        assert_eq!(bar.activities.len(), MAX_ACTIVITIES);
    }
}
