//! What becomes of a client's requests whose answers are lost.

use wsman::shell::{
    CommandLine, CommandOptions, Receive, ShellDescription, ShellOptions, SignalCode,
};

use crate::shell_client_scene::{Scene, TIMEOUT};

const CHOSEN: &str = "5E5D4A5C-7C0A-4C0B-9A5D-0F1F2A3B4C5D";

#[test]
fn lost_create_with_a_chosen_id_can_be_closed_by_it() {
    let mut scene = Scene::new();
    let id = scene.id();
    let description =
        ShellDescription { shell_id: Some(CHOSEN.to_owned()), ..ShellDescription::default() };
    scene.shell.open(id, TIMEOUT, description, ShellOptions::default()).unwrap();
    scene.request();
    scene.shell.handle_lost(id);
    assert_eq!(scene.shell.shell_id(), Some(CHOSEN));
    let closing = scene.close();
    assert_eq!(closing.envelope.header.shell_id(), Some(CHOSEN));
    assert!(closing.replay);
    assert_eq!(scene.events(), []);
}

#[test]
fn unsent_create_with_a_chosen_id_leaves_the_shell_unopened() {
    let mut scene = Scene::new();
    for _ in 0..2 {
        let id = scene.id();
        let description =
            ShellDescription { shell_id: Some(CHOSEN.to_owned()), ..ShellDescription::default() };
        scene.shell.open(id, TIMEOUT, description, ShellOptions::default()).unwrap();
        assert!(!scene.request().replay);
        scene.shell.handle_unsent(id);
        assert!(!scene.shell.is_open());
    }
}

#[test]
fn lost_command_with_a_chosen_id_can_be_asked_for_its_output() {
    let (mut scene, _) = Scene::running();
    let id = scene.id();
    let line = CommandLine { command_id: Some(CHOSEN.to_owned()), ..CommandLine::default() };
    let command = scene.shell.start(id, TIMEOUT, line, CommandOptions::default()).unwrap();
    assert!(!scene.request().replay);
    scene.shell.handle_lost(id);
    let receiving = scene.receive(command);
    let receive = Receive::from_body(&receiving.envelope.body).unwrap();
    assert_eq!(receive.command_id(), Some(CHOSEN));
}

#[test]
fn only_what_does_nothing_twice_may_be_replayed() {
    let (mut scene, command) = Scene::running();
    for (data, end, replay) in [(&b"x"[..], false, false), (b"x", true, false), (b"", true, true)] {
        let sending = scene.send(command, data, end);
        assert_eq!(sending.replay, replay, "{data:?} {end}");
        scene.shell.handle_lost(sending.message_id);
    }
    for (code, replay) in [(SignalCode::CtrlC, false), (SignalCode::Terminate, true)] {
        let id = scene.id();
        scene.shell.signal(id, TIMEOUT, command, code).unwrap();
        assert_eq!(scene.request().replay, replay);
    }
}
