//! What the benchmarks measure with: events of the national scale, counting of them, and a view of
//! national size.
//!
//! It knows no store and no broker: those are the benchmarks' to choose.

pub mod counting;
pub mod logins;
pub mod settings;
pub mod stores;
pub mod timing;
pub mod view;

pub use counting::Counting;
pub use logins::Logins;
pub use view::National;
