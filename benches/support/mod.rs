//! What the benchmarks share: git apart from the user's configuration, and a receiver.

mod git;
mod receiver;

pub use git::{git, run};
pub use receiver::receive;
#[allow(unused_imports, reason = "one benchmark measures it")]
pub use receiver::receive_over_tls;
