//! A server's pool whose engine does everything in any order, and whose client says anything: nothing
//! panics, an error of the client is final, wrong use changes nothing, and what goes out is readable.
#![cfg_attr(not(test), no_main)]

#[path = "../support/pool.rs"]
mod pool;
#[path = "../support/script.rs"]
mod script;

use pool::{LIMITS, POOL, Reader, fragments, ids, message};
use psrp::client::{Priority, Record};
use psrp::clixml::Value;
use psrp::host::Method;
use psrp::message::Destination;
use psrp::messages::{Availability, PipelineState};
use psrp::server::{Error, Pool};
use script::Script;
use uuid::Uuid;

const STEPS: usize = 200;

#[cfg(not(test))]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));

pub(crate) fn run(bytes: &[u8]) {
    let script = Script(bytes);
    let pool = Pool::new(POOL, LIMITS);
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
    /// What the client did wrong stays.
    failed: Option<Error>,
    object: u64,
    reader: Reader,
}

impl Play<'_> {
    fn pipeline(&mut self) -> Uuid {
        ids(self.script.below(4))
    }

    fn step(&mut self) {
        let result = match self.script.below(3) {
            0 => self.engine(),
            1 => self.transport(),
            _ => self.hear(),
        };
        match (result, &self.failed) {
            (Err(error @ Error::PeerMisbehaved(_)), None) => {
                assert!(!self.pool.is_open() && self.pool.running() == 0);
                self.failed = Some(error);
            }
            (Err(error @ Error::PeerMisbehaved(_)), Some(failed)) => assert_eq!(&error, failed),
            _ => {}
        }
    }

    /// The engine wants something.
    fn engine(&mut self) -> Result<(), Error> {
        let id = self.pipeline();
        let kind = self.script.below(8);
        let number = i32::from(self.script.byte());
        match kind {
            0 => self.pool.accept(Value::Null),
            1 => self.pool.answer(i64::from(number), Availability::Done(number & 1 == 0)),
            2 => self.pool.write(id, Record::Output(number.into())),
            3 => self.pool.end(id, PipelineState::Completed, None),
            4 => {
                let target = (number & 1 == 0).then_some(id);
                let method = Method::from_number(number / 2);
                self.pool.call_host(target, method, vec![number.into()]).map(drop)
            }
            5 => self.pool.ask_for_key(),
            6 => self.pool.close(),
            _ => {
                self.pool.forget(id);
                Ok(())
            }
        }
    }

    fn transport(&mut self) -> Result<(), Error> {
        if self.script.flag() {
            self.pool.handle_disconnected();
        } else {
            self.pool.handle_reconnected();
        }
        Ok(())
    }

    /// The client says something.
    fn hear(&mut self) -> Result<(), Error> {
        let id = self.pipeline();
        let target = self.script.flag().then_some(id);
        let data = match self.script.below(8) {
            0 => self.script.bytes().to_vec(),
            _ => {
                let message = message(&mut self.script, Destination::Server, target);
                fragments(message, &mut self.object)
            }
        };
        // Each of the two streams gets some.
        let stream =
            if self.object.is_multiple_of(3) { Priority::Response } else { Priority::Default };
        self.pool.handle_fragments(target, stream, &data)
    }

    fn drain(&mut self) {
        while self.pool.poll_event().is_some() {}
        let (least, most) = self.pool.runspaces();
        assert!(least >= 1 && least <= most, "{least} to {most} runspaces");
        for target in (0..4).map(|place| Some(ids(place))).chain([None]) {
            loop {
                let data = self.pool.poll_fragments(target, 4_000);
                if data.is_empty() {
                    break;
                }
                assert!(data.len() <= 4_000);
                self.reader.read(target, &data, Destination::Client);
            }
        }
    }
}
