//! What is fuzzed: every decoder of bytes from outside, and the stored formats. `fuzz/` runs these functions under
//! libFuzzer, `tests/corpus.rs` on the inputs that it has found.
//!
//! A target panics where a decoder is wrong: it panics itself, reads what it would write otherwise, or allocates
//! out of proportion to its input.

mod decoders;
mod stored;

/// Something that is fuzzed.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, that of its corpus too.
    pub name: &'static str,
    run: fn(&[u8]),
    /// Bytes that it may hold at once for each byte of its input, beside [`Target::base`].
    per_byte: u64,
    /// Bytes that it may hold at once whatever its input is.
    base: u64,
}

const fn target(name: &'static str, run: fn(&[u8]), per_byte: u64, base: u64) -> Target {
    Target {
        name,
        run,
        per_byte,
        base,
    }
}

/// All targets. The bounds are linear: three bytes can be an empty row of a table of 150 bytes, in a list that grows by
/// doubling; a structure of the reference data has its tables, a page its registers, a record of the view some entries of
/// maps.
pub const TARGETS: [Target; 7] = [
    target("events", decoders::events, 8, 4 << 10),
    target("partials", decoders::partials, 512, 8 << 10),
    target("releases", decoders::releases, 512, 8 << 10),
    target("pages", decoders::pages, 8, 32 << 10),
    target("reference", decoders::reference, 4096, 1 << 20),
    target("view", stored::view, 2048, 256 << 10),
    target("state", stored::state, 2048, 256 << 10),
];

impl Target {
    /// Runs it on an input.
    ///
    /// # Panics
    /// If something is wrong with what it fuzzes.
    pub fn run(&self, input: &[u8]) {
        let allocated = allocation_counter::measure(|| (self.run)(input));
        let length = input.len() as u64;
        let bound = self.base + self.per_byte * length;
        assert!(
            allocated.bytes_max <= bound,
            "{} held {} bytes at once for an input of {length}, more than {bound}",
            self.name,
            allocated.bytes_max
        );
    }
}

/// Runs the target of that name on an input.
///
/// # Panics
/// As [`Target::run`], and if there is none of that name.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    target.expect("a target of that name").run(input);
}
