//! What both roles must agree on over HTTP messages, without a socket.
