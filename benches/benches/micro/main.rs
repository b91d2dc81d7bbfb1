//! Benchmarks of one step each, in memory. The first word of a name says what the time is for: an event,
//! an account, a sketch, a checkpoint.
//!
//! ```text
//! cargo bench -p benches --no-default-features --profile dev --bench micro [-- NAME]
//! ```

mod counting;
mod events;
mod sketches;
mod view;

fn main() {
    let mut criterion = benches::timing::criterion();
    events::bench(&mut criterion);
    sketches::bench(&mut criterion);
    counting::bench(&mut criterion);
    view::bench(&mut criterion);
    criterion.final_summary();
}
