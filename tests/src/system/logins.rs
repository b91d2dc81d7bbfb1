//! Logins made by hand, for tests that need few of them and know each.

use model::{KindId, Timestamp};
use workload::{Code, Identity, Item, Truth};

/// Noon of 10 March 2025, in the first month of every test.
pub const MARCH_2025: Timestamp = Timestamp::from_millis(1_741_608_000_000);

/// One login of each account, a second apart from `at` on, in one partition: of a board, without identity, and
/// recorded when it occurred.
///
/// # Panics
/// Never: the board's code is short.
pub fn logins(partition: u32, accounts: std::ops::Range<u64>, at: Timestamp) -> Vec<Item> {
    let first = accounts.start;
    let login = |account: u64| {
        let seconds = std::time::Duration::from_secs(account - first);
        let occurred_at = at.saturating_add(seconds);
        let truth = Truth {
            account,
            occurred_at,
            practice: Code::EMPTY,
            icb: Code::new("QE1").expect("a short code"),
            identity: Identity::None,
            defect: None,
        };
        Item::of(KindId(0), partition, occurred_at, truth)
    };
    accounts.map(login).collect()
}
