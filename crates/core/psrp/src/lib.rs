#![doc = include_str!("../README.md")]

pub mod client;
pub mod clixml;
pub mod entropy;
pub mod fragment;
pub mod host;
pub mod message;
pub mod messages;
pub mod out_of_process;
pub mod server;
pub mod session_key;
pub mod version;
