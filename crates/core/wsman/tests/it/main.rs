//! Tests of the codec and the machines through their public interface.

mod shell_client;
mod shell_pair;
mod shell_replay;
mod shell_scene;
mod shell_server;
