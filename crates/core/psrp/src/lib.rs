#![doc = include_str!("../README.md")]

pub mod clixml;
pub mod fragment;
pub mod host;
pub mod message;
pub mod messages;
