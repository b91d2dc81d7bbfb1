//! The harness of the system tests: a real Apache Kafka on loopback ports, programs of this workspace as
//! processes that can be frozen and killed, and waiting for conditions instead of sleeping.
//!
//! Only [`system`] knows appmi: its topics, its configuration, its messages. Nothing here outlives the test
//! process, however that ends. What goes wrong panics with what is known, for only tests call it.

mod broker;
mod brokers;
mod dice;
mod installation;
mod mount;
mod ports;
mod process;
mod program;
mod proxy;
mod security;
mod skipped;
pub mod system;
mod transactions;
mod wait;

pub use broker::Broker;
pub use brokers::Brokers;
pub use dice::Dice;
pub use installation::{Installation, installation_or_skip};
pub use mount::Mount;
pub use ports::free_port;
pub use process::Process;
pub use program::program;
pub use proxy::{Proxy, Toxiproxy, toxiproxy_or_skip};
pub use security::{Acl, Certificates, allow};
pub use skipped::report_skipped;
pub use transactions::Transactions;
pub use wait::{wait_at_most, wait_for, wait_until};

use std::sync::atomic::{AtomicU32, Ordering};

/// `stem`, made unlike every other name of this and of other test processes: for topics, groups and
/// whatever else tests share a broker with. Letters, digits and hyphens are added, nothing else.
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{stem}-{}-{number}", std::process::id())
}
