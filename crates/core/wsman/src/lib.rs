//! WS-Management messages, typed to and from XML, and the remote shell's machines for both roles.
