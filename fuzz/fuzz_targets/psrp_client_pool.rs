//! A client's pool whose caller does everything in any order, and whose host says anything: nothing
//! panics, an error of the host is final, wrong use changes nothing, and what goes out is readable.
#![cfg_attr(not(test), no_main)]

#[path = "../support/pool.rs"]
mod pool;
#[path = "../support/script.rs"]
mod script;

use pool::{LIMITS, POOL, Reader, create, fragments, ids, init, message};
use psrp::client::{Error, Event, Options, Pool, Priority};
use psrp::clixml::Version;
use psrp::host::Method;
use psrp::message::Destination;
use psrp::messages::{CommandTypes, GetCommandMetadata, HostResponse, HostResult};
use script::Script;
use uuid::Uuid;

const STEPS: usize = 200;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let mut script = Script(bytes);
    let minor = u32::try_from(script.below(6)).expect("a small number");
    let pool = Pool::new(Options {
        id: POOL,
        protocol_version: Version::new(2, minor),
        init: init(1, 1),
        limits: LIMITS,
    });
    let mut play = Play { script, pool, failed: None, object: 1, reader: Reader::default() };
    for _ in 0..STEPS {
        if play.script.is_over() {
            break;
        }
        play.step();
        play.drain();
    }
}

struct Play<'a> {
    script: Script<'a>,
    pool: Pool,
    /// What the host did wrong stays.
    failed: Option<Error>,
    object: u64,
    reader: Reader,
}

impl Play<'_> {
    fn pipeline(&mut self) -> Uuid {
        ids(self.script.below(4))
    }

    fn step(&mut self) {
        let result = match self.script.below(4) {
            0 | 1 => self.call(),
            2 => self.hear(),
            _ => self.transport(),
        };
        match (result, &self.failed) {
            (Err(error @ Error::PeerMisbehaved(_)), None) => {
                assert!(!self.pool.is_open());
                self.failed = Some(error);
            }
            (Err(error @ Error::PeerMisbehaved(_)), Some(failed)) => assert_eq!(&error, failed),
            _ => {}
        }
    }

    /// The caller wants something.
    fn call(&mut self) -> Result<(), Error> {
        let id = self.pipeline();
        let kind = self.script.below(15);
        let number = i32::from(self.script.byte()) - 2;
        match kind {
            0 => self.pool.open(),
            1 => self.pool.connect(),
            2 => self.pool.invoke(id, create(number & 1 == 0)),
            3 => self.pool.get_command_metadata(id, question()),
            4 => self.pool.connect_pipeline(id),
            5 => self.pool.send_input(id, number.into()),
            6 => self.pool.end_input(id),
            7 => self.pool.stop(id),
            8 => self.pool.forget(id),
            9 => {
                let target = (number & 1 == 0).then_some(id);
                let result = HostResult::Value(number.into());
                let method = Method::from_number(number);
                self.pool
                    .respond(target, HostResponse { call_id: i64::from(number), method, result })
            }
            10 => self.pool.set_max_runspaces(number).map(drop),
            11 => self.pool.set_min_runspaces(number).map(drop),
            12 => self.pool.reset_runspace_state().map(drop),
            13 => self.pool.disconnect(),
            _ => self.pool.get_available_runspaces().map(drop),
        }
    }

    /// The host says something.
    fn hear(&mut self) -> Result<(), Error> {
        let id = self.pipeline();
        let target = self.script.flag().then_some(id);
        let data = match self.script.below(8) {
            0 => self.script.bytes().to_vec(),
            _ => {
                let message = message(&mut self.script, Destination::Client, target);
                fragments(message, &mut self.object)
            }
        };
        self.pool.handle_fragments(target, &data)
    }

    /// The transport does what it was asked for, or something else.
    fn transport(&mut self) -> Result<(), Error> {
        let id = self.pipeline();
        match self.script.below(6) {
            0 => self.pool.handle_disconnected(),
            1 => self.pool.handle_reconnected(),
            2 => self.pool.handle_closed(),
            3 => self.pool.handle_pipeline_ended(id),
            4 => return self.pool.close(),
            _ => return self.pool.reconnect(),
        }
        Ok(())
    }

    fn drain(&mut self) {
        while self.pool.poll_request().is_some() {}
        while let Some(event) = self.pool.poll_event() {
            if let Event::Opened { version } = event {
                assert_eq!(version, self.pool.version());
            }
        }
        for target in (0..4).map(|place| Some(ids(place))).chain([None]) {
            self.carry(target, Priority::Response);
            self.carry(target, Priority::Default);
        }
    }

    /// What goes out to a target is whole fragments of whole messages.
    fn carry(&mut self, target: Option<Uuid>, priority: Priority) {
        loop {
            let data = self.pool.poll_fragments(target, priority, 4_000);
            if data.is_empty() {
                break;
            }
            assert!(data.len() <= 4_000);
            self.reader.read(target, &data, Destination::Server);
        }
        assert!(!self.pool.has_fragments(target, priority));
    }
}

fn question() -> GetCommandMetadata {
    GetCommandMetadata {
        names: vec!["Get-*".into()],
        command_type: CommandTypes::CMDLET,
        namespaces: Vec::new(),
        arguments: Vec::new(),
    }
}
