//! The server's shell under any list of operations: bounds hold, each request is answered once.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use wsman::shell::server::{Action, ApiMisuse, CommandKey, Error, RequestToken, Settings};
use wsman::shell::{OutputStream, Request, ShellDescription, SignalCode};
use wsman::{ErrorCode, Fault};

use crate::shell_scene::{GATHER, Scene, TIMEOUT, command_as, receive, seconds, send, signal};

use OutputStream::{Stderr, Stdout};

const ID: &str = "0F8FAD5B-D9CB-469F-A165-70867728950E";

fn error(code: ErrorCode) -> Box<Fault> {
    Box::new(Fault::new(code, "said the test"))
}

#[derive(Clone, Debug)]
enum Step {
    Command { chosen: Option<u8> },
    Receive { command: usize, same: bool, limit: usize },
    Send { command: usize, size: usize, end: bool },
    Signal { command: usize, code: usize },
    Get,
    Delete,
    Cancel { which: usize },
    Started { command: usize, well: bool },
    Output { command: usize, stderr: bool, size: usize },
    End { command: usize, stderr: bool },
    Exit { command: usize },
    Written { command: usize, well: bool },
    Wait { milliseconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let command = 0..5_usize;
    let size = prop_oneof![0..10_usize, 900..1_100_usize, 0..5_000_usize];
    prop_oneof![
        3 => prop::option::of(0..4_u8).prop_map(|chosen| Step::Command { chosen }),
        6 => (command.clone(), any::<bool>(), prop_oneof![Just(0), Just(1_700), Just(8_192)])
            .prop_map(|(command, same, limit)| Step::Receive { command, same, limit }),
        3 => (command.clone(), size.clone(), any::<bool>())
            .prop_map(|(command, size, end)| Step::Send { command, size, end }),
        2 => (command.clone(), 0..4_usize).prop_map(|(command, code)| Step::Signal { command, code }),
        1 => Just(Step::Get),
        1 => prop::bool::weighted(0.1).prop_map(|end| if end { Step::Delete } else { Step::Get }),
        1 => (0..9_usize).prop_map(|which| Step::Cancel { which }),
        5 => (command.clone(), prop::bool::weighted(0.9))
            .prop_map(|(command, well)| Step::Started { command, well }),
        6 => (command.clone(), any::<bool>(), size)
            .prop_map(|(command, stderr, size)| Step::Output { command, stderr, size }),
        3 => (command.clone(), any::<bool>())
            .prop_map(|(command, stderr)| Step::End { command, stderr }),
        2 => command.clone().prop_map(|command| Step::Exit { command }),
        3 => (command, any::<bool>()).prop_map(|(command, well)| Step::Written { command, well }),
        3 => prop_oneof![0..50_u64, 0..70_000_u64]
            .prop_map(|milliseconds| Step::Wait { milliseconds }),
    ]
}

/// What the test knows of a shell under a list of operations.
struct Trial {
    scene: Scene,
    keys: Vec<CommandKey>,
    asked: Vec<RequestToken>,
    cancelled: Vec<RequestToken>,
    last_message: BTreeMap<usize, String>,
    count: usize,
}

const BUFFER: usize = 1_000;
const COMMANDS: usize = 3;

impl Trial {
    fn id(&self, command: usize) -> String {
        let found = self.scene.shell.commands().nth(command).map(|command| command.id.to_owned());
        found.unwrap_or_else(|| ID.to_owned())
    }

    fn key(&self, command: usize) -> Option<CommandKey> {
        self.keys.iter().rev().nth(command).copied()
    }

    fn request(&mut self, request: Request) {
        let token = self.scene.ask(request);
        self.asked.push(token);
    }

    fn apply(&mut self, step: &Step) {
        self.count += 1;
        let now = self.scene.now;
        match *step {
            Step::Command { chosen } => {
                let id = chosen.map(|chosen| uuid::Uuid::from_u128(u128::from(chosen)).to_string());
                self.request(command_as(id.as_deref()));
            }
            Step::Receive { command, same, limit } => {
                let fresh = format!("uuid:{}", self.count);
                let last = self.last_message.get(&command).filter(|_| same);
                let message_id = last.cloned().unwrap_or(fresh);
                let request = receive(&self.id(command));
                self.asked.push(self.scene.ask_as(&message_id, request, limit));
                self.last_message.insert(command, message_id);
            }
            Step::Send { command, size, end } => {
                self.request(send(&self.id(command), &vec![b'i'; size], end));
            }
            Step::Signal { command, code } => {
                let code = match code {
                    0 => SignalCode::CtrlC,
                    1 => SignalCode::Terminate,
                    2 => SignalCode::CtrlBreak,
                    _ => SignalCode::Other("x".to_owned()),
                };
                self.request(signal(&self.id(command), code));
            }
            Step::Get => self.request(Request::Get),
            Step::Delete => self.request(Request::Delete),
            Step::Cancel { which } => {
                let waiting = self.asked.iter().rev().nth(which).copied();
                if let Some(token) = waiting.filter(|token| self.scene.is_waiting(*token)) {
                    self.scene.shell.handle_cancel(token, now);
                    self.cancelled.push(token);
                }
            }
            Step::Wait { milliseconds } => self.scene.wait(Duration::from_millis(milliseconds)),
            Step::Started { .. }
            | Step::Output { .. }
            | Step::End { .. }
            | Step::Exit { .. }
            | Step::Written { .. } => self.report(step),
        }
        self.scene.drain();
        for action in self.scene.take_actions() {
            if let Action::Start { command, .. } = action {
                self.keys.push(command);
            }
        }
    }

    /// The driver may report what it likes: a wrong report is refused and changes nothing.
    fn report(&mut self, step: &Step) {
        let now = self.scene.now;
        let fault = || error(ErrorCode::INTERNAL_ERROR);
        let of = |stderr| if stderr { Stderr } else { Stdout };
        let (Step::Started { command, .. }
        | Step::Output { command, .. }
        | Step::End { command, .. }
        | Step::Exit { command }
        | Step::Written { command, .. }) = *step
        else {
            return;
        };
        let Some(key) = self.key(command) else { return };
        let shell = &mut self.scene.shell;
        let outcome = match *step {
            Step::Started { well, .. } => {
                shell.handle_started(key, if well { Ok(()) } else { Err(fault()) }, now)
            }
            Step::Output { stderr, size, .. } => {
                shell.handle_output(key, of(stderr), vec![b'o'; size], now)
            }
            Step::End { stderr, .. } => shell.handle_end(key, of(stderr), now),
            Step::Written { well, .. } => {
                shell.handle_written(key, if well { Ok(()) } else { Err(fault()) }, now)
            }
            _ => shell.handle_exit(key, 0, now),
        };
        if let Err(Error::ApiMisuse(ApiMisuse::UnknownCommand(key))) = outcome {
            panic!("{key} was named by a Start");
        }
    }

    fn check(&self) {
        let shell = &self.scene.shell;
        assert!(shell.commands().count() <= COMMANDS);
        assert!(shell.buffered() <= 2 * BUFFER * COMMANDS);
        assert!(shell.kept_for_replay() <= 8_192 * COMMANDS);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_list_of_operations_keeps_the_bounds_and_answers_each_request_once(
        steps in prop::collection::vec(step(), 1..80)
    ) {
        let settings = Settings {
            max_commands: COMMANDS,
            output_buffer: BUFFER,
            gather: GATHER,
            idle_timeout: seconds(600),
            ..Settings::default()
        };
        let scene = Scene::with(ShellDescription::default(), settings);
        let mut trial = Trial {
            scene,
            keys: Vec::new(),
            asked: Vec::new(),
            cancelled: Vec::new(),
            last_message: BTreeMap::new(),
            count: 0,
        };
        for step in &steps {
            trial.apply(step);
            trial.check();
        }
        // Whatever still waits has a deadline; the scene sees to it that nothing is answered twice.
        trial.scene.wait(TIMEOUT);
        for token in &trial.asked {
            let waits = trial.scene.is_waiting(*token);
            prop_assert_eq!(waits, trial.cancelled.contains(token), "{:?}", token);
        }
    }
}
