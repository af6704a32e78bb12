//! Async WS-Management client.

mod calls;
mod config;
mod connection;
mod entropy;
pub mod error;
pub mod settings;

pub use config::{Authentication, Config, Credentials};
pub use error::{Error, ErrorKind};
pub use settings::Settings;
