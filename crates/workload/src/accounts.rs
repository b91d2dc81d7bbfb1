//! The people: which accounts there are, in which zone each lives, and which log in this month.
//!
//! An account is a number from 0; whatever is lasting about it (its id, its habits, its practice in a
//! zone) is a hash of that number, so the only memory is where accounts live: 4 bytes each, and 4
//! more for those who log in this month.

use crate::rng::{Rng, mix, place, within};

/// All accounts, by zone.
#[derive(Debug)]
pub(crate) struct Population {
    seed: u64,
    zones: Vec<Residents>,
    next: u32,
}

#[derive(Debug, Default)]
struct Residents {
    accounts: Vec<u32>,
    /// Places in `accounts` of those who log in this month, in the order of their first login.
    active: Vec<u32>,
    /// How many of them have logged in.
    seen: usize,
}

/// Accounts that live somewhere, per user of a month, in tenths. With the habits below nearly three quarters
/// of a month's users come back in the next, and about 1.9 times as many log in over twelve months (assumptions).
const ACCOUNTS_PER_TEN_USERS: u64 = 26;
/// Of a million accounts, so many are regulars, ...
const REGULAR: u32 = 300_000;
/// ... and so many regulars or occasional users; the rest log in rarely.
const REGULAR_OR_OCCASIONAL: u32 = 600_000;
/// Of a million accounts, so many have repeat prescriptions and order them.
const ORDERING: u32 = 450_000;

impl Population {
    /// A population that has so many users a month in each zone.
    pub(crate) fn new(seed: u64, users: impl Iterator<Item = u64>) -> Self {
        let mut population = Self {
            seed: mix(seed ^ 0xACC0),
            zones: Vec::new(),
            next: 0,
        };
        for users in users {
            let mut residents = Residents::default();
            for _ in 0..(users * ACCOUNTS_PER_TEN_USERS).div_ceil(10) {
                residents.accounts.push(population.number());
            }
            population.zones.push(residents);
        }
        population
    }

    /// Chooses who logs in this month: so many in each zone, regulars more likely than others.
    pub(crate) fn begin_month(&mut self, month: u64, users: &[u64]) {
        let seed = self.seed;
        for (zone, wanted) in (0..).zip(users) {
            let residents = &mut self.zones[usize::try_from(zone).expect("few zones")];
            let wanted = usize::try_from(*wanted).expect("users fit the memory");
            let mut ranked: Vec<(u64, u32)> = residents
                .accounts
                .iter()
                .zip(0..)
                .map(|(account, place)| (reluctance(seed, *account, month), place))
                .collect();
            if wanted < ranked.len() {
                ranked.select_nth_unstable(wanted);
                ranked.truncate(wanted);
            }
            // Selection leaves an order of its own; the shuffle below starts from one that is defined.
            ranked.sort_unstable();
            residents.active = ranked.into_iter().map(|(_, place)| place).collect();
            Rng::new(seed, &[month, zone]).shuffle(&mut residents.active);
            residents.seen = 0;
        }
    }

    /// How many of this month's users have not logged in yet.
    pub(crate) fn unseen(&self, zone: usize) -> usize {
        let residents = &self.zones[zone];
        residents.active.len() - residents.seen
    }

    /// The next user's first login of the month; none when all have logged in.
    pub(crate) fn first_login(&mut self, zone: usize) -> Option<u32> {
        let residents = &mut self.zones[zone];
        let place = *residents.active.get(residents.seen)?;
        residents.seen += 1;
        Some(residents.account(place))
    }

    /// One of this month's users again: of three drawn the keenest, so that few log in often.
    pub(crate) fn login(&self, zone: usize, rng: &mut Rng) -> Option<u32> {
        let residents = &self.zones[zone];
        if residents.active.is_empty() {
            return None;
        }
        (0..3)
            .map(|_| residents.account(residents.active[rng.below(residents.active.len())]))
            .min_by_key(|account| self.habit(*account))
    }

    /// A new account, which lives in the zone from now on but is none of this month's users yet.
    pub(crate) fn register(&mut self, zone: usize) -> u32 {
        let account = self.number();
        self.zones[zone].accounts.push(account);
        account
    }

    /// Counts the account that registered last in the zone among this month's users, as one that has logged in.
    pub(crate) fn welcome(&mut self, zone: usize) {
        let residents = &mut self.zones[zone];
        let place = residents.accounts.len() - 1;
        residents
            .active
            .push(u32::try_from(place).expect("accounts are 32 bits"));
        let last = residents.active.len() - 1;
        residents.active.swap(residents.seen, last);
        residents.seen += 1;
    }

    /// Two of this month's users of different zones move to each other's. An exchange keeps the zones' sizes.
    pub(crate) fn exchange(&mut self, one: usize, other: usize, rng: &mut Rng) {
        if one == other || self.zones[one].active.is_empty() || self.zones[other].active.is_empty()
        {
            return;
        }
        let mut draw = |zone: usize| {
            let active = &self.zones[zone].active;
            usize::try_from(active[rng.below(active.len())]).expect("a place in memory")
        };
        let (here, there) = (draw(one), draw(other));
        let account = self.zones[one].accounts[here];
        self.zones[one].accounts[here] = self.zones[other].accounts[there];
        self.zones[other].accounts[there] = account;
    }

    /// How many of this month's users live in the zone.
    pub(crate) fn users(&self, zone: usize) -> usize {
        self.zones[zone].active.len()
    }

    /// The account's number in 64 bits, from which its id is made. One to one.
    pub(crate) fn id(&self, account: u32) -> u64 {
        mix(self.seed ^ u64::from(account))
    }

    /// Which of so many practices of a zone the account is registered with while it lives there.
    pub(crate) fn practice(&self, account: u32, zone: usize, practices: usize) -> usize {
        let zone = u64::try_from(zone).expect("few zones");
        place(mix(self.habit(account) ^ zone), practices)
    }

    /// Whether the account orders prescriptions.
    pub(crate) fn orders(&self, account: u32) -> bool {
        within(mix(self.habit(account)), ORDERING)
    }

    fn habit(&self, account: u32) -> u64 {
        habit(self.seed, account)
    }

    fn number(&mut self) -> u32 {
        let number = self.next;
        self.next = self
            .next
            .checked_add(1)
            .expect("fewer accounts than 32 bits can tell apart");
        number
    }
}

impl Residents {
    fn account(&self, place: u32) -> u32 {
        self.accounts[usize::try_from(place).expect("a place in memory")]
    }
}

/// A hash that is the account's for good; the lower, the keener it is.
fn habit(seed: u64, account: u32) -> u64 {
    mix(mix(seed ^ 0x4AB1) ^ u64::from(account))
}

/// How far back the account stands in a month's queue: a regular gets twelve draws and keeps the lowest,
/// an occasional user two, a rare one must be low in both of two.
fn reluctance(seed: u64, account: u32, month: u64) -> u64 {
    let habit = habit(seed, account);
    let mut rng = Rng::new(habit, &[month]);
    if within(habit, REGULAR) {
        (0..12).map(|_| rng.next()).min().unwrap_or(0)
    } else if within(habit, REGULAR_OR_OCCASIONAL) {
        rng.next().min(rng.next())
    } else {
        rng.next().max(rng.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn month(population: &mut Population, month: u64, users: u64) -> BTreeSet<u32> {
        population.begin_month(month, &[users]);
        std::iter::from_fn(|| population.first_login(0)).collect()
    }

    #[test]
    fn a_month_has_as_many_users_as_asked_for_and_each_logs_in_first_once() {
        let mut population = Population::new(1, [1000].into_iter());
        assert_eq!(month(&mut population, 0, 1000).len(), 1000);
        assert_eq!(population.unseen(0), 0);
    }

    #[test]
    fn most_users_return_and_twelve_months_have_nearly_twice_as_many() {
        let mut population = Population::new(2, [10_000].into_iter());
        let first = month(&mut population, 0, 10_000);
        let second = month(&mut population, 1, 10_000);
        let returned = first.intersection(&second).count();
        assert!((6_800..7_800).contains(&returned), "{returned}");
        let year: BTreeSet<u32> = (0..12)
            .flat_map(|number| month(&mut population, number, 10_000))
            .collect();
        assert!((18_000..20_000).contains(&year.len()), "{}", year.len());
    }

    #[test]
    fn an_exchange_swaps_homes_and_keeps_sizes() {
        let mut population = Population::new(3, [100, 50].into_iter());
        population.begin_month(0, &[100, 50]);
        let before: Vec<BTreeSet<u32>> = population
            .zones
            .iter()
            .map(|zone| zone.accounts.iter().copied().collect())
            .collect();
        population.exchange(0, 1, &mut Rng::new(4, &[]));
        let after: Vec<BTreeSet<u32>> = population
            .zones
            .iter()
            .map(|zone| zone.accounts.iter().copied().collect())
            .collect();
        assert_eq!(after[0].difference(&before[0]).count(), 1);
        assert_eq!(after[1].difference(&before[1]).count(), 1);
        assert_eq!((after[0].len(), after[1].len()), (260, 130));
    }

    #[test]
    fn a_new_account_counts_as_seen_and_displaces_nobody() {
        let mut population = Population::new(5, [10].into_iter());
        population.begin_month(0, &[9]);
        let mut seen: BTreeSet<u32> = (0..4).filter_map(|_| population.first_login(0)).collect();
        seen.insert(population.register(0));
        population.welcome(0);
        seen.extend(std::iter::from_fn(|| population.first_login(0)));
        assert_eq!(seen.len(), 10);
    }
}
