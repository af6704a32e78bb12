//! What the targets about pools share: the messages of a script, and a peer that reads what goes out.

use std::collections::BTreeMap;

use psrp::clixml::{Limits, Value};
use psrp::fragment::{Assembler, Fragmenter};
use psrp::message::{Destination, Frame};
use psrp::messages::{
    ApartmentState, Command, CreatePipeline, HostInfo, InitRunspacePool, KINDS, Message,
    PowerShell, PsThreadOptions, RemoteStreamOptions,
};
use uuid::Uuid;

use super::script::Script;

pub(crate) const POOL: Uuid = Uuid::from_u128(9);
pub(crate) const LIMITS: Limits = Limits { bytes: 20_000, depth: 20, values: 500 };
/// Longer than anything that the machines make of a script.
const LONGEST: usize = 1 << 20;

pub(crate) fn ids(place: usize) -> Uuid {
    Uuid::from_u128(100 + place as u128)
}

pub(crate) fn init(min_runspaces: i32, max_runspaces: i32) -> InitRunspacePool {
    InitRunspacePool {
        min_runspaces,
        max_runspaces,
        thread_options: PsThreadOptions::Default,
        apartment_state: ApartmentState::Unknown,
        host_info: HostInfo::NONE,
        application_arguments: Value::Null,
    }
}

pub(crate) fn create(no_input: bool) -> CreatePipeline {
    CreatePipeline {
        no_input,
        apartment_state: ApartmentState::Unknown,
        remote_stream_options: RemoteStreamOptions(0),
        add_to_history: false,
        host_info: HostInfo::NONE,
        power_shell: PowerShell {
            statements: vec![vec![Command::script("1")]],
            ..PowerShell::default()
        },
        is_nested: false,
    }
}

/// A message for this side, from whoever the script says: mostly one whose properties are right.
pub(crate) fn message(script: &mut Script<'_>, to: Destination, target: Option<Uuid>) -> Vec<u8> {
    let kind = script.one_of(KINDS);
    let number = i32::from(script.byte()) - 2;
    let text = match script.below(8) {
        0 => script.text(),
        1 => String::new(),
        2 => Message::InitRunspacePool(init(number, 3)).encode(to, POOL, POOL).text,
        3 => {
            let create = Box::new(create(number & 1 == 0));
            Message::CreatePipeline(create).encode(to, POOL, POOL).text
        }
        _ => properties(number),
    };
    let pool = if script.below(20) == 0 { Uuid::nil() } else { POOL };
    let pipeline = target.unwrap_or_default();
    Frame { destination: to, kind: kind.number, pool, pipeline, text }.encode()
}

/// An object that has what most messages ask for.
fn properties(number: i32) -> String {
    let minor = number.rem_euclid(6);
    format!(
        "<Obj RefId=\"0\"><MS><I32 N=\"RunspaceState\">{number}</I32><I32 N=\"PipelineState\">{number}</I32>\
         <I32 N=\"MinRunspaces\">{number}</I32><I32 N=\"MaxRunspaces\">{number}</I32><I64 N=\"ci\">{number}</I64>\
         <B N=\"SetMinMaxRunspacesResponse\">true</B><Version N=\"protocolversion\">2.{minor}</Version>\
         <Version N=\"PSVersion\">2.0</Version><Version N=\"SerializationVersion\">1.1.0.1</Version>\
         <S N=\"PublicKey\">AAAA</S><S N=\"EncryptedSessionKey\">AAAA</S><I32 N=\"mi\">{number}</I32>\
         <Obj N=\"mp\" RefId=\"1\"><LST><I32>{number}</I32></LST></Obj><Nil N=\"ApplicationPrivateData\" />\
         </MS></Obj>"
    )
}

/// A message as the fragments of one target; small ones, so that there are several.
pub(crate) fn fragments(message: Vec<u8>, next_object: &mut u64) -> Vec<u8> {
    let mut fragmenter = Fragmenter::new();
    fragmenter.push(message);
    let mut data = Vec::new();
    while let Some(fragment) = fragmenter.poll_fragment(300, next_object) {
        data.extend(fragment);
    }
    data
}

/// The other side, which only reads.
#[derive(Default)]
pub(crate) struct Reader(BTreeMap<Option<Uuid>, Assembler>);

impl Reader {
    pub(crate) fn read(&mut self, target: Option<Uuid>, data: &[u8], to: Destination) {
        let assembler = self.0.entry(target).or_insert_with(|| Assembler::new(LONGEST));
        let whole = |message| {
            let frame = Frame::decode(message).expect("our own message");
            assert_eq!((frame.destination, frame.pipeline), (to, target.unwrap_or_default()));
            let limits = Limits { bytes: LONGEST, ..Limits::default() };
            Message::decode(frame, &limits).expect("our own message is readable");
        };
        assembler.handle_fragments(data, whole).expect("our own fragments");
    }
}
