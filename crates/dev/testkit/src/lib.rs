//! For tests: client and server in memory on a clock we turn, fixtures, stand-ins.
