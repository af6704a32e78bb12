//! Async WS-Management service: listeners, accounts, dispatch, plug-in traits.
