#![doc = include_str!("../README.md")]

mod calls;
mod client;
mod config;
mod connection;
mod connections;
mod credssp;
mod entropy;
mod enumerate;
pub mod error;
pub mod identities;
mod kerberos;
mod login;
mod options;
mod pace;
pub mod pool;
pub mod probe;
pub mod record;
mod resource;
pub mod settings;
mod shell;
mod tickets;
mod tunnel;

pub use client::Client;
pub use config::{Authentication, Config, Credentials, LOCAL_SOCKET, Protection, local_socket};
pub use credssp::{CredSspOptions, DelegationList};
pub use error::{Error, ErrorKind};
pub use kerberos::{KerberosOptions, Tickets};
pub use options::{CommandOptions, ShellOptions};
pub use pool::{
    Leave, ListedPool, Pipeline, PipelineEvent, PipelineInput, PipelineOptions, Pool, PoolOptions,
    PoolState,
};
pub use resource::Enumeration;
pub use session::client::endpoint::{Endpoint, EndpointError, Transport};
pub use session::client::proxy::{Exceptions, Proxies, ProxyAddress};
pub use settings::{
    ChannelBinding, Encryption, Preferences, ProxyAuthentication, ProxySettings, Settings,
};
pub use shell::{Command, Event, Input, Shell, Signal};
pub use tickets::Ticket;
pub use transport::kerberos::{KerberosError, KerberosErrorKind};
pub use transport::tls::{
    Authorities, ClientOptions as TlsOptions, Identity, IdentityError, Level, Pin, Trust,
    TrustError, UnknownLevel,
};
pub use wsman::Charset;
pub use wsman::shell::BufferMode;
