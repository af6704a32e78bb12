//! The two conversations on `SEQPACKET` sockets: [`root`] between network process and spawner, [`keeper`] between network
//! process and keeper. Both are between processes of one program on one machine, yet each side treats the other as hostile.

pub mod keeper;
pub mod root;
