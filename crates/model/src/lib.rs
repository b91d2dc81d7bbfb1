//! Months, geographies, lineages, kinds and measures: the words of appmi, without effects.
//!
//! Everything else is said in these words. The crate knows which month an instant belongs to, which
//! board an event is filed under, and which measures there are. It does not know how events are
//! encoded, how users are counted, or that Kafka exists; it has no clock, no file and no thread,
//! and the same input gives the same answer, in the same order, everywhere.

mod calendar;
mod geography;
mod input;
mod kinds;
mod month;
mod time;

pub use calendar::{Calendar, UnknownZone};
pub use geography::{BadCode, Board, Geography, IcbCode, Lineage, LineageId, Region};
pub use input::{InputPartition, KindId, Offset, Reason};
pub use kinds::{Kind, Kinds, Measure, MeasureRow};
pub use month::{BadMonth, Month};
pub use time::Timestamp;
