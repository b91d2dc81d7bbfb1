//! What the benchmarks measure with: events of the national scale, counting of them, a view of national
//! size, a backlog on a real broker, and what a process needs of the machine.
//!
//! It knows no store: that is the benchmarks' to choose.

pub mod backlog;
pub mod counting;
pub mod figures;
pub mod logins;
pub mod measured;
pub mod settings;
pub mod stores;
pub mod timing;
pub mod view;

pub use counting::Counting;
pub use figures::Figures;
pub use logins::Logins;
pub use view::National;
