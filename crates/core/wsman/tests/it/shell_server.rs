//! The server's shell, rule by rule: Create, Get, Command.

use wsman::shell::server::{Action, Settings, Shell};
use wsman::shell::{Request, ShellDescription, ShellInfo, SignalCode, State, Variable};
use wsman::{ErrorCode, Fault};

use crate::shell_scene::{
    SHELL_ID, Scene, TIMEOUT, command, command_as, identity, receive, seconds,
};

const ID: &str = "0F8FAD5B-D9CB-469F-A165-70867728950E";

fn error(code: ErrorCode) -> Box<Fault> {
    Box::new(Fault::new(code, "said the test"))
}

// Create

#[test]
fn create_is_answered_with_what_it_asked_for() {
    let description = ShellDescription {
        environment: vec![Variable { name: "A".to_owned(), value: "b".to_owned() }],
        working_directory: Some("/tmp".to_owned()),
        idle_timeout: Some(wsman::Duration::seconds(seconds(90))),
        input_streams: vec!["stdin".to_owned()],
        output_streams: vec!["stdout".to_owned(), "stderr".to_owned()],
        ..ShellDescription::default()
    };
    let scene = Scene::with(description.clone(), Settings::default());
    let response = scene.shell.create_response("http://host:5985/wsman", scene.now);
    assert_eq!(response.shell_id(), Some(SHELL_ID));
    assert_eq!(response.resource_created.address, "http://host:5985/wsman");
    let info = response.shell.unwrap();
    assert_eq!(info.environment, description.environment);
    assert_eq!(info.working_directory, description.working_directory);
    assert_eq!(info.output_streams, description.output_streams);
    assert_eq!(info.idle_timeout.unwrap().as_str(), "PT90.000S");
    assert_eq!(info.owner.as_deref(), Some("alice"));
}

#[test]
fn create_that_names_no_streams_is_told_which_there_are() {
    let scene = Scene::with(ShellDescription::default(), Settings::default());
    let created = scene.shell.create_response("http://host:5985/wsman", scene.now).shell.unwrap();
    for info in [created, scene.shell.info(scene.now)] {
        assert_eq!(info.input_streams, ["stdin"]);
        assert_eq!(info.output_streams, ["stdout", "stderr"]);
    }
}

#[test]
fn shell_keeps_nothing_of_the_create_that_it_never_tells() {
    let kept = ShellDescription {
        environment: vec![Variable { name: "A".to_owned(), value: "b".to_owned() }],
        working_directory: Some("/tmp".to_owned()),
        input_streams: vec!["stdin".to_owned()],
        output_streams: vec!["stderr".to_owned(), "STDOUT".to_owned()],
        ..ShellDescription::default()
    };
    let many = |names: &[&str]| names.iter().cycle().take(1_000).map(|n| (*n).to_owned()).collect();
    let sent = ShellDescription {
        name: Some("n".repeat(1_000)),
        lifetime: Some(format!("PT{}9S", "0".repeat(1_000)).parse().unwrap()),
        idle_timeout: Some(format!("PT{}90S", "0".repeat(1_000)).parse().unwrap()),
        input_streams: many(&["stdin", "STDIN"]),
        output_streams: many(&["stderr", "STDOUT", "stdout"]),
        other: vec![wsman::xml::Element::new("urn:x", "creationXml")],
        ..kept.clone()
    };
    let scene = Scene::with(sent, Settings::default());
    assert_eq!(scene.shell.description(), &kept);
    assert_eq!(scene.shell.idle_timeout(), seconds(90));
}

#[test]
fn create_with_a_foreign_stream_faults() {
    for (input, output) in [("pr", "stdout"), ("stdin", "pr")] {
        let description = ShellDescription {
            input_streams: vec![input.to_owned()],
            output_streams: vec![output.to_owned()],
            ..ShellDescription::default()
        };
        let now = crate::shell_scene::beginning();
        let refused = Shell::new(identity(), description, Settings::default(), now).unwrap_err();
        assert_eq!(refused.error_code(), Some(ErrorCode::INVALID_PARAMETER));
        let provider = refused.wsman_fault.unwrap().message.provider.unwrap();
        assert_eq!(provider.provider.as_deref(), Some("Shell cmd plugin"));
    }
}

#[test]
fn create_with_a_negative_duration_faults() {
    let description = ShellDescription {
        idle_timeout: Some("-PT1S".parse().unwrap()),
        ..ShellDescription::default()
    };
    let now = crate::shell_scene::beginning();
    let refused = Shell::new(identity(), description, Settings::default(), now).unwrap_err();
    assert_eq!(refused.error_code(), Some(ErrorCode::INVALID_PARAMETER));
}

#[test]
fn get_tells_run_time_and_inactivity() {
    let mut scene = Scene::new();
    scene.wait(seconds(30));
    scene.ask(command());
    scene.started(scene.started_key());
    scene.wait(seconds(12));
    let info = scene.shell.info(scene.now);
    assert_eq!(info.shell_run_time.unwrap().as_str(), "P0DT0H0M42S");
    assert_eq!(info.shell_inactivity.unwrap().as_str(), "P0DT0H0M12S");
    let get = scene.ask(Request::Get);
    let body = scene.reply(get).into_body();
    let info = ShellInfo::from_element(&body[0]).unwrap();
    assert_eq!(info.shell_id.as_deref(), Some(SHELL_ID));
    assert_eq!(info.state.as_deref(), Some("Connected"));
}

// Command

#[test]
fn command_is_answered_once_its_process_runs() {
    let mut scene = Scene::new();
    let token = scene.ask(command());
    assert!(scene.is_waiting(token));
    let [Action::Start { command, line, .. }] = &scene.take_actions()[..] else {
        panic!("not a Start")
    };
    assert_eq!((line.command.as_str(), line.arguments.len()), ("echo", 2));
    scene.started(*command);
    scene.reply(token);
    let listed: Vec<_> = scene.shell.commands().collect();
    assert_eq!(listed[0].line, "echo a  b c");
    assert_eq!(listed[0].state, State::Running);
}

#[test]
fn command_that_cannot_start_faults_and_frees_its_place() {
    let mut scene = Scene::new();
    let token = scene.ask(command_as(Some(ID)));
    let receiving = scene.ask(receive(ID));
    let key = scene.started_key();
    let missing = error(ErrorCode::FILE_NOT_FOUND);
    scene.shell.handle_started(key, Err(missing), scene.now).unwrap();
    scene.drain();
    assert_eq!(scene.fault(token), ErrorCode::FILE_NOT_FOUND);
    assert_eq!(scene.fault(receiving), ErrorCode::UNEXPECTED_SELECTORS);
    assert_eq!(scene.shell.commands().count(), 0);
    let again = scene.ask(command_as(Some(ID)));
    assert!(scene.is_waiting(again), "the id is free again");
}

#[test]
fn chosen_command_id_is_used() {
    let mut scene = Scene::new();
    scene.ask(command_as(Some(ID)));
    assert_eq!(scene.shell.commands().next().unwrap().id, ID);
}

#[test]
fn chosen_command_id_that_is_no_guid_faults() {
    let mut scene = Scene::new();
    let token = scene.ask(command_as(Some("one")));
    assert_eq!(scene.fault(token), ErrorCode(2_150_859_220));
    assert!(scene.actions.is_empty());
}

#[test]
fn chosen_command_id_that_is_in_use_faults() {
    let mut scene = Scene::new();
    scene.ask(command_as(Some(ID)));
    let token = scene.ask(command_as(Some(&ID.to_lowercase())));
    assert_eq!(scene.fault(token), ErrorCode(2_150_859_222));
}

#[test]
fn command_over_the_limit_faults_until_one_is_finished_and_told() {
    let settings = Settings { max_commands: 1, ..Settings::default() };
    let mut scene = Scene::with(ShellDescription::default(), settings);
    let (key, id) = scene.run();
    let refused = scene.ask(command());
    assert_eq!(scene.fault(refused), ErrorCode::QUOTA_MAX_COMMANDS_PER_SHELL);
    scene.finish(key, 0);
    let refused = scene.ask(command());
    assert_eq!(scene.fault(refused), ErrorCode::QUOTA_MAX_COMMANDS_PER_SHELL);
    let token = scene.ask(receive(&id));
    scene.received(token);
    let taken = scene.ask(command());
    assert!(scene.is_waiting(taken));
    assert!(scene.actions.contains(&Action::Forget { command: key }));
}

#[test]
fn process_over_the_quota_faults_until_one_has_ended() {
    let settings = Settings { max_processes: 1, ..Settings::default() };
    let mut scene = Scene::with(ShellDescription::default(), settings);
    let (key, _) = scene.run();
    let refused = scene.ask(command());
    assert_eq!(scene.fault(refused), ErrorCode::NOT_ENOUGH_QUOTA);
    // Its end need not have been told.
    scene.finish(key, 0);
    let taken = scene.ask(command());
    assert!(scene.is_waiting(taken));
}

#[test]
fn command_without_a_start_in_time_faults_and_is_ended_when_it_starts() {
    let mut scene = Scene::new();
    let token = scene.ask(command());
    let key = scene.started_key();
    scene.take_actions();
    scene.wait(TIMEOUT);
    assert_eq!(scene.fault(token), ErrorCode::OPERATION_TIMEDOUT);
    scene.started(key);
    let terminate = Action::Signal { command: key, code: SignalCode::Terminate };
    assert_eq!(scene.take_actions(), [terminate]);
    scene.exit(key, 1);
    assert_eq!(scene.take_actions(), [Action::Forget { command: key }]);
}

#[test]
fn command_of_a_chosen_id_outlives_its_lost_answer() {
    let mut scene = Scene::new();
    let token = scene.ask(command_as(Some(ID)));
    let key = scene.started_key();
    scene.take_actions();
    scene.shell.handle_cancel(token, scene.now);
    scene.started(key);
    assert!(scene.take_actions().is_empty());
    let token = scene.ask(receive(ID));
    assert!(scene.is_waiting(token));
}

#[test]
fn command_whose_connection_is_lost_is_ended_when_nobody_knows_its_id() {
    let mut scene = Scene::new();
    let token = scene.ask(command());
    let key = scene.started_key();
    scene.shell.handle_cancel(token, scene.now);
    scene.started(key);
    let terminate = Action::Signal { command: key, code: SignalCode::Terminate };
    assert!(scene.actions.contains(&terminate));
    assert!(scene.is_waiting(token), "a cancelled request gets no answer");
}
