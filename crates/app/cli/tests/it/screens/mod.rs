//! Whole screens of our Enter-PSSession beside recordings of the real one.
//!
//! Every step of every recording `enter-*.txt` is typed into our program, on our service with an engine, and what the
//! terminal shows is compared with what was recorded, line by line, with the cursor's column and the window's title. Where
//! they differ a row of `differences.txt` says why; a row without a difference fails the test, too.
//!
//! What is made alike before it is compared, and why, is said in [`player::Normal`].

mod emulator;
mod player;
mod recording;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use player::{Player, Reader};
use recording::{Recording, Start};

const TEST: &str = "screens_are_those_of_the_recordings_or_differ_as_the_table_says";
/// The recordings that sleep or have many steps.
const LONGEST: [&str; 6] = [
    "enter-progress",
    "enter-ctrl-c",
    "enter-tab",
    "enter-screen",
    "enter-errors-of-the-command",
    "enter-prompts-choice",
];
/// So many recordings are typed at once.
const WORKERS: usize = 12;

/// Why a screen differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// Ours is meant to be as it is.
    Meant,
    /// The stand-in is not PowerShell: nothing is known where a real one answers.
    StandIn,
    /// It differs from time to time, in the real one too.
    Varies,
}

/// `differences.txt`: recording, step, reason, and what differs in words.
type Table = BTreeMap<(String, u32), Reason>;

fn table() -> Table {
    let mut table = Table::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/screens/differences.txt");
    for line in testkit::read(&path).lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let [name, step, reason, why] = words[..] else { panic!("{line}: four columns") };
        assert!(!why.trim().is_empty(), "{line}: why?");
        let reason = match reason {
            "meant" => Reason::Meant,
            "stand-in" => Reason::StandIn,
            "varies" => Reason::Varies,
            _ => panic!("{line}: meant, stand-in or varies"),
        };
        let twice = table.insert((name.to_owned(), step.parse().unwrap()), reason);
        assert!(twice.is_none(), "{line}: twice");
    }
    table
}

/// What came of the recordings.
#[derive(Default)]
struct Outcome {
    alike: usize,
    differ: usize,
    /// What nobody expects.
    wrong: Vec<String>,
}

fn replay(recording: &Recording, table: &Table, outcome: &Mutex<Outcome>) {
    let mut player = Player::new(recording.start);
    let is_stand_in = player.has_stand_in();
    let mut is_local = recording.start == Start::Local;
    for step in &recording.steps {
        let reason = table.get(&(recording.name.clone(), step.number));
        let difference = player.play(step, is_local, reason.copied());
        // Behind keys that end no line it is still edited.
        if difference.is_some() && step.keys.end_a_line() {
            player.follow(step);
        }
        is_local = Reader::after(step) == Reader::Local;
        let mut outcome = outcome.lock().unwrap();
        let name = format!("{} {}: {:?}", recording.name, step.number, step.keys);
        match (difference, reason) {
            (None, None) => outcome.alike += 1,
            (Some(_), Some(_)) => outcome.differ += 1,
            (None, Some(Reason::Varies)) => outcome.alike += 1,
            (None, Some(Reason::StandIn)) if !is_stand_in => outcome.alike += 1,
            (None, Some(_)) => outcome.wrong.push(format!("{name}\n  does not differ any more\n")),
            (Some(difference), None) => outcome.wrong.push(format!("{name}\n{difference}")),
        }
    }
}

#[test]
fn screens_are_those_of_the_recordings_or_differ_as_the_table_says() {
    let Some(corpora) = testkit::corpora(TEST) else { return };
    let folder = corpora.join("pwsh-terminal");
    let table = table();
    let mut recordings = Vec::new();
    for path in testkit::files(&folder, ".txt") {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let name = file.trim_end_matches(".txt");
        if name.starts_with("enter-") && !name.ends_with(".esc") {
            recordings.push(Recording::read(name, &testkit::read(&path)));
        }
    }
    // A row of a step that there is not would never be looked at.
    for (name, step) in table.keys() {
        let found = recordings.iter().find(|one| one.name == *name);
        assert!(
            found.is_some_and(|one| one.steps.iter().any(|there| there.number == *step)),
            "{name} {step}: there is no such step"
        );
    }
    // Those that take longest begin first.
    recordings.sort_by_key(|one| {
        LONGEST.iter().position(|name| one.name == *name).unwrap_or(LONGEST.len())
    });
    let outcome = Mutex::new(Outcome::default());
    let next = Mutex::new(recordings.iter());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(recording) = { next.lock().unwrap().next() } {
                    replay(recording, &table, &outcome);
                }
            });
        }
    });
    let outcome = outcome.into_inner().unwrap();
    eprintln!(
        "{} steps of {} recordings are alike, {} differ as the table says",
        outcome.alike,
        recordings.len(),
        outcome.differ
    );
    assert!(outcome.wrong.is_empty(), "{}", outcome.wrong.join("\n"));
}
