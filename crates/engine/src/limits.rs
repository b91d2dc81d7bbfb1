//! The largest that things get before something is done about it.

/// Bounds in bytes and records. A deployment has the default ones; a test makes them small to come across them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A transaction takes no further partition once it is this large. What is counted of one partition between two
    /// checkpoints is bounded below, so the largest transaction is this and one partition's bound.
    pub transaction_bytes: usize,
    /// Changed registers of all partitions together, in bytes, that make a checkpoint due.
    pub delta_bytes: usize,
    /// Changed registers of one partition, in bytes, that make a checkpoint due.
    pub partition_bytes: usize,
    /// Dead letters of a partition that make a checkpoint due.
    pub letters: usize,
    /// Payloads of a partition's dead letters, in bytes, that make a checkpoint due. What one run adds on top is
    /// no more than what the port holds of it.
    pub letter_bytes: usize,
    /// Most bytes held back of a checkpoint whose end has not been read. Beyond it they are applied all the same: a
    /// topic of which compaction has removed older progress has long stretches of pieces without an end. Nothing is
    /// taken or released until that has been read.
    pub held_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            transaction_bytes: 6 << 20,
            delta_bytes: 96 << 20,
            partition_bytes: 12 << 20,
            letters: 4096,
            letter_bytes: 4 << 20,
            held_bytes: 8 << 20,
        }
    }
}
