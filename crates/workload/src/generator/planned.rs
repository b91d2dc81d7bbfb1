//! A record that is decided but not written yet: 40 bytes, sorted by arrival before it becomes an item.

/// A record to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Planned {
    /// When it arrives, milliseconds since the epoch.
    pub(crate) arrival: i64,
    /// When it says that it occurred.
    pub(crate) occurred: i64,
    /// Its own number, ascending in the order of planning.
    pub(crate) serial: u64,
    /// The serial of the event that it repeats, or its own. Ids, codes and encoding follow from it.
    pub(crate) original: u64,
    pub(crate) account: u32,
    /// Where the account lived then.
    pub(crate) zone: u16,
    pub(crate) feature: Feature,
    pub(crate) fault: Fault,
}

/// What the account did; the place in a table of three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feature {
    Login,
    PrescriptionOrder,
    Registration,
}

/// What is done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// A login is sent again under a new event id; its session tells.
    Resent,
    /// A field is appended that makes it longer than allowed.
    TooLarge,
    /// The value is left out.
    Empty,
    /// The value ends in the middle of a field.
    Cut,
    /// The value is noise.
    Garbage,
    /// The content type is one that nobody reads.
    ForeignType,
    NoAccount,
    NoTime,
    /// It occurs far after its arrival.
    AheadOfRecord,
    /// It occurs before the first month.
    BeforeFirstMonth,
    /// Its record's timestamp is years ahead.
    AheadOfClock,
    /// It occurs in the first month, long after that.
    TooOld,
}

impl Fault {
    /// The faults that `Rates::bad` is divided among.
    pub(crate) const BAD: [Self; 9] = [
        Self::TooLarge,
        Self::Empty,
        Self::Cut,
        Self::Garbage,
        Self::ForeignType,
        Self::NoAccount,
        Self::NoTime,
        Self::AheadOfRecord,
        Self::BeforeFirstMonth,
    ];
}
