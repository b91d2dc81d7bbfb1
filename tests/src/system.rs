//! A deployment of appmi as outsiders see it: topics with names of their own, a configuration file, a key,
//! a state directory, the program as processes, and the events that are put in with what must come out.
//!
//! What comes out is read with a plain client, read_committed, as any subscriber would read it, and not
//! with appmi's own code.

mod audit;
mod comparison;
mod configuration;
mod deployment;
mod feed;
mod fleet;
mod instance;
mod logins;
mod metrics;
mod operator;
mod released;
mod scene;
mod stream;
mod subscriber;

pub use audit::{Audit, Audited};
pub use comparison::Comparison;
pub use configuration::Configuration;
pub use deployment::{Answer, Deployment};
pub use feed::{Feed, latest_closed_month, workload_options};
pub use fleet::{Fleet, State};
pub use instance::Instance;
pub use logins::{MARCH_2025, logins};
pub use metrics::Metrics;
pub use operator::{HeldUp, Operator, Partials};
pub use released::{Place, Releases};
pub use scene::Scene;
pub use stream::Stream;
pub use subscriber::{Received, Subscriber, open_transaction};

use std::time::Duration;

/// For what takes a second on an idle machine.
pub const SOON: Duration = Duration::from_secs(60);
