//! The small process that may change users: starts, signals and reaps commands as a local user.
