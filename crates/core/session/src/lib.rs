#![doc = include_str!("../README.md")]

pub mod access;
pub mod client;
pub mod http;
pub mod mapping;
pub mod principals;
pub mod server;
