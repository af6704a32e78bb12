//! What touches the system's sockets on both sides.
