//! The harness of the system tests: a real Apache Kafka on loopback ports, programs of this workspace as
//! processes that can be frozen and killed, and waiting for conditions instead of sleeping.
//!
//! Only [`system`] knows appmi: its topics, its configuration, its messages. Nothing here outlives the test
//! process, however that ends. What goes wrong panics with what is known, for only tests call it.

mod broker;
mod installation;
mod ports;
mod process;
mod program;
pub mod system;
mod wait;

pub use broker::Broker;
pub use installation::{Installation, installation_or_skip};
pub use process::Process;
pub use program::program;
pub use wait::{wait_for, wait_until};

use std::sync::atomic::{AtomicU32, Ordering};

/// `stem`, made unlike every other name of this and of other test processes: for topics, groups and
/// whatever else tests share a broker with. Letters, digits and hyphens are added, nothing else.
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{stem}-{}-{number}", std::process::id())
}
