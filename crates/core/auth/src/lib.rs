//! Login tokens as step machines for both roles, and message sealing.
