//! Async WS-Management client: connections bound to their login, remote shells.
