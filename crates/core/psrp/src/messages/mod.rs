//! Every message of PowerShell Remoting as a type, [MS-PSRP] 2.2.2.
//!
//! [`Message`] is any of them; [`KINDS`] says of each who sends it and to what it belongs, for both
//! roles. A message whose type nobody knows is kept as it is: it must not end a pool.

mod application_private_data;
mod bag;
mod connect_runspace_pool;
mod create_pipeline;
mod encrypted_session_key;
mod enumerations;
mod error_record;
mod get_available_runspaces;
mod get_command_metadata;
mod host_call;
mod host_info;
mod information_record;
mod informational_record;
mod init_runspace_pool;
mod pipeline_state;
mod progress_record;
mod public_key;
mod reset_runspace_state;
mod runspace_availability;
mod runspace_pool_init_data;
mod runspace_pool_state;
mod session_capability;
mod set_runspaces;
mod user_event;

use uuid::Uuid;

use crate::clixml::{self, Limits, Text, Value};
use crate::message::{self, Destination, Frame};

pub use application_private_data::ApplicationPrivateData;
pub use connect_runspace_pool::ConnectRunspacePool;
pub use create_pipeline::{Argument, Command, CreatePipeline, Merge, PowerShell};
pub use encrypted_session_key::EncryptedSessionKey;
pub use enumerations::{
    ApartmentState, CommandTypes, ErrorCategory, PipelineResultTypes, PipelineState,
    PsThreadOptions, RemoteStreamOptions, RunspacePoolState,
};
pub use error_record::ErrorRecord;
pub use get_available_runspaces::GetAvailableRunspaces;
pub use get_command_metadata::GetCommandMetadata;
pub use host_call::{HostCall, HostResponse, HostResult};
pub use host_info::{Coordinates, HostDefaultData, HostInfo, Size};
pub use information_record::InformationRecord;
pub use informational_record::InformationalRecord;
pub use init_runspace_pool::InitRunspacePool;
pub use pipeline_state::PipelineStateMessage;
pub use progress_record::ProgressRecord;
pub use public_key::PublicKey;
pub use reset_runspace_state::ResetRunspaceState;
pub use runspace_availability::{Availability, RunspaceAvailability};
pub use runspace_pool_init_data::RunspacePoolInitData;
pub use runspace_pool_state::RunspacePoolStateMessage;
pub use session_capability::SessionCapability;
pub use set_runspaces::{SetMaxRunspaces, SetMinRunspaces};
pub use user_event::UserEvent;

/// Why the text of a message is not what its type demands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no CLIXML.
    #[error("the text of {message} is not valid: {error}")]
    Clixml {
        /// The message's name in the specification.
        message: &'static str,
        /// What is wrong.
        error: clixml::Error,
    },
    /// A property is missing or has another type.
    #[error("property {property} of {message} is missing or wrong")]
    Property {
        /// The message's name in the specification.
        message: &'static str,
        /// The property's name.
        property: &'static str,
    },
    /// The message is no object with properties.
    #[error("{0} is no object with properties")]
    Shape(&'static str),
}

/// To what a message belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A pipeline.
    Pipeline,
    /// The runspace pool.
    Pool,
}

/// A type of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The number on the wire.
    pub number: u32,
    /// The name in the specification.
    pub name: &'static str,
    /// Who reads it; `None` where both do.
    pub destination: Option<Destination>,
    /// To what it belongs.
    pub target: Target,
}

impl Kind {
    /// The type with this number.
    #[must_use]
    pub fn of(number: u32) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.number == number)
    }
}

macro_rules! messages {
    ($($(#[$doc:meta])* $variant:ident($body:ty) = $number:literal $name:literal $reader:ident $target:ident,)*) => {
        /// A message.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Message {
            $($(#[$doc])* $variant($body),)*
            /// A message of a type that is not known here, with its number and text.
            Unknown(u32, String),
        }

        /// All types of messages, in the order of their numbers.
        pub const KINDS: &[Kind] = &[
            $(Kind {
                number: $number,
                name: $name,
                destination: reader!($reader),
                target: Target::$target,
            },)*
        ];

        impl Message {
            /// The number of its type.
            #[must_use]
            pub const fn number(&self) -> u32 {
                match self {
                    $(Self::$variant(_) => $number,)*
                    Self::Unknown(number, _) => *number,
                }
            }

            fn text(&self) -> String {
                match self {
                    $(Self::$variant(body) => message::text(&body.to_value()),)*
                    Self::Unknown(_, text) => text.clone(),
                }
            }

            /// The message in a frame.
            ///
            /// # Errors
            ///
            /// [`Error`]: its text is not what its type demands.
            pub fn decode(frame: Frame, limits: &Limits) -> Result<Self, Error> {
                match frame.kind {
                    $($number => {
                        let value = frame.value(limits);
                        let value = value.map_err(|error| Error::Clixml { message: $name, error })?;
                        <$body>::from_value(value).map(Self::$variant)
                    })*
                    number => Ok(Self::Unknown(number, frame.text)),
                }
            }
        }
    };
}

macro_rules! reader {
    (Both) => {
        None
    };
    ($destination:ident) => {
        Some(Destination::$destination)
    };
}

messages! {
    /// What a side can, first of all.
    SessionCapability(SessionCapability) = 0x0001_0002 "SESSION_CAPABILITY" Both Pool,
    /// Opens the pool.
    InitRunspacePool(InitRunspacePool) = 0x0001_0004 "INIT_RUNSPACEPOOL" Server Pool,
    /// The client's key for the session key.
    PublicKey(PublicKey) = 0x0001_0005 "PUBLIC_KEY" Server Pool,
    /// The session key.
    EncryptedSessionKey(EncryptedSessionKey) = 0x0001_0006 "ENCRYPTED_SESSION_KEY" Client Pool,
    /// The server wants the client's key.
    PublicKeyRequest(Empty) = 0x0001_0007 "PUBLIC_KEY_REQUEST" Client Pool,
    /// Another client takes the pool over.
    ConnectRunspacePool(ConnectRunspacePool) = 0x0001_0008 "CONNECT_RUNSPACEPOOL" Server Pool,
    /// The most runspaces of the pool.
    SetMaxRunspaces(SetMaxRunspaces) = 0x0002_1002 "SET_MAX_RUNSPACES" Server Pool,
    /// The least runspaces of the pool.
    SetMinRunspaces(SetMinRunspaces) = 0x0002_1003 "SET_MIN_RUNSPACES" Server Pool,
    /// The answer to a question about runspaces.
    RunspaceAvailability(RunspaceAvailability) = 0x0002_1004 "RUNSPACE_AVAILABILITY" Client Pool,
    /// The state of the pool.
    RunspacePoolState(RunspacePoolStateMessage) = 0x0002_1005 "RUNSPACEPOOL_STATE" Client Pool,
    /// Starts a pipeline.
    CreatePipeline(Box<CreatePipeline>) = 0x0002_1006 "CREATE_PIPELINE" Server Pipeline,
    /// How many runspaces are free?
    GetAvailableRunspaces(GetAvailableRunspaces) = 0x0002_1007 "GET_AVAILABLE_RUNSPACES" Server Pool,
    /// An event that was registered with `-Forward`.
    UserEvent(Box<UserEvent>) = 0x0002_1008 "USER_EVENT" Client Pool,
    /// What the server tells of itself.
    ApplicationPrivateData(ApplicationPrivateData) = 0x0002_1009 "APPLICATION_PRIVATE_DATA" Client Pool,
    /// Which commands are there?
    GetCommandMetadata(GetCommandMetadata) = 0x0002_100A "GET_COMMAND_METADATA" Server Pipeline,
    /// The answer to [`Message::ConnectRunspacePool`].
    RunspacePoolInitData(RunspacePoolInitData) = 0x0002_100B "RUNSPACEPOOL_INIT_DATA" Client Pool,
    /// Puts the pool's one runspace back to its beginning.
    ResetRunspaceState(ResetRunspaceState) = 0x0002_100C "RESET_RUNSPACE_STATE" Server Pool,
    /// The host of the client shall do something, for the pool.
    RunspacePoolHostCall(HostCall) = 0x0002_1100 "RUNSPACEPOOL_HOST_CALL" Client Pool,
    /// What it answers.
    RunspacePoolHostResponse(HostResponse) = 0x0002_1101 "RUNSPACEPOOL_HOST_RESPONSE" Server Pool,
    /// An object for a pipeline.
    PipelineInput(Data) = 0x0004_1002 "PIPELINE_INPUT" Server Pipeline,
    /// There will be no more of them.
    EndOfPipelineInput(Empty) = 0x0004_1003 "END_OF_PIPELINE_INPUT" Server Pipeline,
    /// An object from a pipeline.
    PipelineOutput(Data) = 0x0004_1004 "PIPELINE_OUTPUT" Client Pipeline,
    /// An error from a pipeline.
    ErrorRecord(Box<ErrorRecord>) = 0x0004_1005 "ERROR_RECORD" Client Pipeline,
    /// The state of a pipeline.
    PipelineState(PipelineStateMessage) = 0x0004_1006 "PIPELINE_STATE" Client Pipeline,
    /// A debug message from a pipeline.
    DebugRecord(InformationalRecord) = 0x0004_1007 "DEBUG_RECORD" Client Pipeline,
    /// A verbose message from a pipeline.
    VerboseRecord(InformationalRecord) = 0x0004_1008 "VERBOSE_RECORD" Client Pipeline,
    /// A warning from a pipeline.
    WarningRecord(InformationalRecord) = 0x0004_1009 "WARNING_RECORD" Client Pipeline,
    /// How far a pipeline is.
    ProgressRecord(ProgressRecord) = 0x0004_1010 "PROGRESS_RECORD" Client Pipeline,
    /// Information from a pipeline.
    InformationRecord(InformationRecord) = 0x0004_1011 "INFORMATION_RECORD" Client Pipeline,
    /// The host of the client shall do something, for a pipeline.
    PipelineHostCall(HostCall) = 0x0004_1100 "PIPELINE_HOST_CALL" Client Pipeline,
    /// What it answers.
    PipelineHostResponse(HostResponse) = 0x0004_1101 "PIPELINE_HOST_RESPONSE" Server Pipeline,
}

impl Message {
    /// The name of its type.
    #[must_use]
    pub fn name(&self) -> &'static str {
        Kind::of(self.number()).map_or("a message of unknown type", |kind| kind.name)
    }

    /// The message in a frame.
    #[must_use]
    pub fn encode(&self, destination: Destination, pool: Uuid, pipeline: Uuid) -> Frame {
        Frame { destination, kind: self.number(), pool, pipeline, text: self.text() }
    }
}

/// What a message's text says.
trait Body: Sized {
    fn to_value(&self) -> Value;
    fn from_value(value: Value) -> Result<Self, Error>;
}

impl<B: Body> Body for Box<B> {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        B::from_value(value).map(Self::new)
    }
}

/// A message without contents: its text is an empty string or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Empty {
    /// Whether the text is an empty string.
    is_string: bool,
}

impl Empty {
    /// The contents of [`Message::PublicKeyRequest`].
    pub const STRING: Self = Self { is_string: true };
    /// The contents of [`Message::EndOfPipelineInput`].
    pub const NOTHING: Self = Self { is_string: false };
}

impl Body for Empty {
    fn to_value(&self) -> Value {
        if self.is_string { Value::String(Text::EMPTY) } else { Value::Null }
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        Ok(Self { is_string: !value.is_null() })
    }
}

/// Any object.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Data(pub Value);

impl Body for Data {
    fn to_value(&self) -> Value {
        self.0.clone()
    }

    fn from_value(value: Value) -> Result<Self, Error> {
        Ok(Self(value))
    }
}
