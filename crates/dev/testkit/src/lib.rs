//! For tests: where the recorded messages and the real peers are, what a run reports, a relay that
//! cuts connections, a host that answers as recorded, a PowerShell engine, fixed randomness.
//!
//! Used as a dev-dependency only.

pub mod engine;
pub mod entropy;
pub mod outside;
pub mod realm;
pub mod recorded;
pub mod relay;
pub mod stub;

pub use engine::Engine;
pub use entropy::Seeded;
pub use outside::{corpora, files, peers_python, read, report, root};
pub use realm::Realm;
pub use recorded::Recorded;
pub use relay::{Cut, Relay};
pub use stub::Stub;
