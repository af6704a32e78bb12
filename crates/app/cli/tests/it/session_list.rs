//! The file that knows where sessions are: private, without passwords, used by many programs at once, damaged, or not there.

use std::fs;

use crate::service::{PASSWORD, USER};
use crate::sessions::{Place, is_private};
use crate::tool;

#[test]
fn list_is_private_and_has_no_password() {
    let place = Place::new();
    place.made("-Name a -SessionOption OpenTimeout=60000");
    let folder = place.state.path().join("transom");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(is_private(&path), "{}", path.display());
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(PASSWORD), "{text}");
    }
    assert!(is_private(&folder));
    let text = fs::read_to_string(folder.join("sessions.json")).unwrap();
    assert!(text.contains(USER) && text.contains("\"OpenTimeout\": 60000"), "{text}");
}

#[test]
fn damaged_list_is_named_and_hosts_still_know_their_sessions() {
    let place = Place::new();
    place.made("-Name a");
    let path = place.state.path().join("transom/sessions.json");
    fs::write(&path, "{\"Version\": 1, \"Sess").unwrap();
    let there = place.there();
    for line in ["Get-PSSession", "Remove-PSSession 1", &format!("New-PSSession {there}")] {
        let ran = place.shell(line).ended(1);
        assert!(ran.stderr.contains("sessions.json is no list of sessions: "), "{ran:#?}");
        assert!(ran.stderr.contains("hint: move it away"), "{ran:#?}");
    }
    assert_eq!(place.service.log().matches("shell opened").count(), 1, "nothing was opened");
    fs::rename(&path, path.with_extension("broken")).unwrap();
    assert_eq!(place.told(&format!("Get-PSSession {there}")), ["1 a Disconnected None"]);
}

#[test]
fn list_that_cannot_be_written_is_named_before_a_session_is_opened() {
    let place = Place::new();
    let mut command = place.cmdlet(&format!("New-PSSession {}", place.there()));
    let ran = tool::run(command.env("XDG_STATE_HOME", "/dev/null")).ended(1);
    assert!(ran.stderr.starts_with("New-PSSession: making /dev/null/transom: "), "{ran:#?}");
    assert!(ran.stderr.contains("XDG_STATE_HOME"), "{ran:#?}");
    assert!(!place.service.log().contains("shell opened"), "{}", place.service.log());
}

#[test]
fn twenty_programs_at_once_lose_no_session() {
    let place = Place::new();
    let there = place.there();
    let line = format!("New-PSSession {there} -Name many --json");
    let running: Vec<_> = (0..20).map(|_| tool::spawn(&mut place.cmdlet(&line))).collect();
    for child in running {
        tool::finish(child).ended(0);
    }
    let mut numbers: Vec<u32> = place
        .told("Get-PSSession")
        .iter()
        .map(|line| line.split(' ').next().unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    assert_eq!(place.told(&format!("Get-PSSession {there}")).len(), 20);
    place.shell("Remove-PSSession -Name many").ended(0);
    assert_eq!(place.told(&format!("Get-PSSession {there}")).len(), 0);
}

#[test]
fn password_is_asked_for_again_by_the_next_program() {
    let place = Place::new();
    place.made("-Name a");
    let mut command = place.cmdlet("Connect-PSSession -Name a");
    command.env_remove("TRANSOM_PASSWORD");
    let mut detached = tool::without_terminal(&command);
    let ran = tool::run(detached.env("XDG_STATE_HOME", place.state.path())).ended(1);
    assert!(ran.stderr.contains(&format!("no password for '{USER}'")), "{ran:#?}");
    assert!(ran.stderr.contains("TRANSOM_PASSWORD"), "{ran:#?}");
}
