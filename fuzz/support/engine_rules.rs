//! What the real engine demands of the lines that it hears, apart from the messages in them: who
//! breaks it loses something, or the engine.

use std::collections::{BTreeMap, BTreeSet};

use psrp::out_of_process::{Lines, Packet, Piece, Verb};
use uuid::Uuid;

/// What an engine has heard and not acknowledged.
#[derive(Debug, Default)]
#[allow(dead_code, reason = "not every target that includes this file asks everything")]
pub(crate) struct Rules {
    opened: bool,
    /// Data that is not acknowledged, and whatever else was sent to a target last.
    unanswered: BTreeMap<Uuid, Verb>,
    /// Pipelines that it knows.
    known: BTreeSet<Uuid>,
}

#[allow(dead_code, reason = "not every target that includes this file asks everything")]
impl Rules {
    pub(crate) fn open(&mut self) {
        self.opened = true;
    }

    /// The pipelines that it knows.
    pub(crate) fn known(&self) -> impl Iterator<Item = Uuid> {
        self.known.iter().copied()
    }

    /// Judges one line.
    pub(crate) fn hear(&mut self, line: &str) -> Packet {
        assert!(line.len() <= 43_768 + 1, "a line of {} bytes", line.len());
        let mut pieces = Vec::new();
        Lines::new(50_000).handle_bytes(line.as_bytes(), |piece| pieces.push(piece)).unwrap();
        let [Piece::Packet(packet)] = &*pieces else { panic!("{line}") };
        let id = packet.target;
        let waits = self.unanswered.insert(id, packet.verb.clone());
        assert_eq!(waits, None, "{line} before the acknowledgement of what came before");
        match &packet.verb {
            Verb::Data(_, data) => {
                assert!(!data.is_empty(), "empty data ends the engine");
                assert!(id.is_nil() || self.known.contains(&id), "data for an unknown {id}");
            }
            Verb::Command => {
                assert!(self.opened && !id.is_nil(), "a command before the pool is open");
                assert!(self.known.insert(id), "a second command {id} ends the engine");
            }
            Verb::Signal => assert!(self.known.contains(&id), "a signal for {id}"),
            Verb::Close if id.is_nil() => {
                assert!(self.known.is_empty(), "the pool's CloseAck would never come");
            }
            Verb::Close => assert!(self.known.contains(&id), "a close for {id}"),
            _ => panic!("{line} ends the engine"),
        }
        packet.clone()
    }

    /// What was sent to a target last, if it is not acknowledged.
    pub(crate) fn unanswered(&self, target: Uuid) -> Option<&Verb> {
        self.unanswered.get(&target)
    }

    /// The acknowledgement of what was sent to a target last.
    pub(crate) fn acknowledge(&mut self, target: Uuid) -> Packet {
        let verb = match self.unanswered.remove(&target) {
            Some(Verb::Data(..)) => Verb::DataAck,
            Some(Verb::Command) => Verb::CommandAck,
            Some(Verb::Signal) => Verb::SignalAck,
            Some(Verb::Close) => {
                self.known.remove(&target);
                Verb::CloseAck
            }
            other => panic!("{other:?}"),
        };
        Packet { target, verb }
    }
}
