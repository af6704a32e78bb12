//! What the system says of this process. The files are opened once, beforehand: a process that has
//! closed itself off later can still read them.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Dir, Mode, OFlags};
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// `/proc/self/stat` is one line of 52 numbers and a name of 64 bytes at most.
const MOST_STAT: usize = 2048;

/// The open files.
#[derive(Debug)]
pub(super) struct Process {
    stat: Mutex<File>,
    descriptors: Mutex<Dir>,
    /// Seconds since 1970 at which the system was started.
    boot: u64,
    units: Units,
}

/// In what the system counts; asked for once, since that may open a file too.
#[derive(Debug, Clone, Copy)]
struct Units {
    ticks_per_second: u64,
    page: u64,
}

/// The figures of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: u64,
    pub(super) virtual_bytes: u64,
    pub(super) start_seconds: f64,
    pub(super) open_descriptors: u64,
    /// `None` without a limit.
    pub(super) most_descriptors: Option<u64>,
}

impl Process {
    pub(super) fn open() -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open("/proc/self/fd", flags, Mode::empty())?;
        let system = std::fs::read_to_string("/proc/stat")?;
        let boot = system.lines().find_map(|line| line.strip_prefix("btime "));
        Ok(Self {
            stat: Mutex::new(File::open("/proc/self/stat")?),
            descriptors: Mutex::new(Dir::new(folder)?),
            boot: boot.and_then(|number| number.trim().parse().ok()).unwrap_or_default(),
            units: Units {
                ticks_per_second: clock_ticks_per_second(),
                page: u64::try_from(page_size()).unwrap_or_default(),
            },
        })
    }

    pub(super) fn figures(&self) -> io::Result<Figures> {
        let mut buffer = [0; MOST_STAT];
        let length = {
            let mut stat = self.stat.lock().unwrap_or_else(PoisonError::into_inner);
            stat.rewind()?;
            stat.read(&mut buffer)?
        };
        let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
        let figures = read_stat(&text, self.boot, self.units)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/stat"))?;
        Ok(Figures {
            open_descriptors: self.count_descriptors(),
            most_descriptors: getrlimit(Resource::Nofile).current,
            ..figures
        })
    }

    fn count_descriptors(&self) -> u64 {
        let mut folder = self.descriptors.lock().unwrap_or_else(PoisonError::into_inner);
        folder.rewind();
        let numbers = folder.by_ref().map_while(Result::ok);
        let is_number = |name: &[u8]| name.iter().all(u8::is_ascii_digit);
        let count = numbers.filter(|entry| is_number(entry.file_name().to_bytes())).count();
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

/// proc(5): the fields behind the name, which may hold anything, are numbered from 3.
fn read_stat(text: &str, boot: u64, units: Units) -> Option<Figures> {
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    #[expect(clippy::cast_precision_loss, reason = "a double is what the format has")]
    let seconds = |ticks: u64| ticks as f64 / units.ticks_per_second as f64;
    #[expect(clippy::cast_precision_loss, reason = "a double is what the format has")]
    let boot = boot as f64;
    Some(Figures {
        cpu_seconds: seconds(number(14)?.saturating_add(number(15)?)),
        start_seconds: boot + seconds(number(22)?),
        virtual_bytes: number(23)?,
        resident_bytes: number(24)?.saturating_mul(units.page),
        ..Figures::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_a_name_with_brackets() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 250 150 0 0 20 0 3 0 1000 4096 2 999";
        let figures = read_stat(text, 100, Units { ticks_per_second: 100, page: 4096 }).unwrap();
        let ticks = 100.0;
        assert_eq!(figures.cpu_seconds, 400.0 / ticks);
        assert_eq!(figures.start_seconds, 100.0 + 1000.0 / ticks);
        assert_eq!(figures.virtual_bytes, 4096);
        assert_eq!(figures.resident_bytes, 2 * 4096);
    }

    #[test]
    fn own_descriptors_are_counted_anew_each_time() {
        let process = Process::open().unwrap();
        let before = process.figures().unwrap();
        assert!(before.resident_bytes > 0 && before.start_seconds > 1e9, "{before:?}");
        // Other tests open and close some meanwhile, but not a hundred.
        let files: Vec<_> = (0..300).map(|_| File::open("/dev/null").unwrap()).collect();
        let during = process.figures().unwrap();
        assert!(during.open_descriptors >= before.open_descriptors + 200, "{before:?} {during:?}");
        drop(files);
    }
}
