//! What happens on a day: who moves, registers, logs in and orders.

use model::Month;

use super::delivery::{Delivery, Event};
use super::options::Options;
use super::planned::{Feature, Planned};
use super::rhythm::{Day, Days, MINUTE, SECOND};
use crate::accounts::Population;
use crate::practices::Zones;
use crate::profile::Figure;
use crate::rng::{Rng, mix};

/// The plan of all days, made one at a time.
#[derive(Debug)]
pub(super) struct Schedule {
    seed: u64,
    one_in: u64,
    movers: u32,
    zones: Zones,
    population: Population,
    delivery: Delivery,
    last_month: Month,
    month: Month,
    days: Days,
    figures: Vec<Figure>,
    /// Days of the month that are planned.
    planned: usize,
}

/// Registrations in a month per thousand users of it: about 400,000 nationally (an assumption).
const REGISTRATIONS_PER_MILLE: u64 = 35;
/// Orders per million logins of accounts that order at all, on a mean day: nationally about one order in ten
/// logins (an assumption).
const ORDERS: u32 = 210_000;
/// Streams of chance: a day's moves, a zone's day, where a zone's small totals fall.
const MOVES: u64 = 1;
const ZONE_DAY: u64 = 2;
const PHASE: u64 = 3;

impl Schedule {
    pub(super) fn new(zones: Zones, options: &Options) -> Self {
        let figures = zones.figures(options.first_month, options.one_in);
        let users = figures.iter().map(|figure| figure.unique_users);
        let months = i32::try_from(options.months).expect("a range of months that exists");
        let mut schedule = Self {
            seed: mix(options.seed),
            one_in: options.one_in,
            movers: options.rates.movers,
            population: Population::new(options.seed, users),
            delivery: Delivery::new(options),
            last_month: options.first_month.plus(months - 1),
            month: options.first_month,
            days: Days::of(options.first_month),
            figures,
            planned: 0,
            zones,
        };
        schedule.begin_month(options.first_month);
        schedule
    }

    pub(super) fn population(&self) -> &Population {
        &self.population
    }

    /// Appends the next day's records and returns when the day ends; none behind the last day.
    pub(super) fn plan_day(&mut self, out: &mut Vec<Planned>) -> Option<i64> {
        if self.planned == self.days.days.len() {
            if self.month == self.last_month {
                return None;
            }
            self.begin_month(self.month.next());
        }
        let day = self.days.days[self.planned];
        self.plan_moves(&day);
        for zone in 0..self.figures.len() {
            self.plan_zone(zone, &day, out);
        }
        self.planned += 1;
        Some(day.end)
    }

    fn begin_month(&mut self, month: Month) {
        self.month = month;
        self.days = Days::of(month);
        self.figures = self.zones.figures(month, self.one_in);
        self.planned = 0;
        let returning: Vec<u64> = self
            .figures
            .iter()
            .map(|figure| figure.unique_users - registrations(figure))
            .collect();
        let number = u64::try_from(month.since(Month::MIN)).expect("not before the first month");
        self.population.begin_month(number, &returning);
        self.delivery.begin_month(month);
    }

    /// Exchanges users between boards, so many that the month's movers are as many as stated.
    fn plan_moves(&mut self, day: &Day) {
        let mut rng = Rng::new(self.seed, &[MOVES, day.number]);
        let users: Vec<usize> = (0..self.figures.len())
            .map(|zone| {
                if self.zones.zones[zone].is_unknown() {
                    0
                } else {
                    self.population.users(zone)
                }
            })
            .collect();
        let all: usize = users.iter().sum();
        // An exchange moves two.
        let millionths = all as u128 * u128::from(self.movers) / 2 / self.days.days.len() as u128;
        let rest = u32::try_from(millionths % 1_000_000).expect("below a million");
        for _ in 0..millionths / 1_000_000 + u128::from(rng.chance(rest)) {
            let (one, other) = (draw(&users, all, &mut rng), draw(&users, all, &mut rng));
            let board = |zone: usize| self.zones.zones[zone].board(self.month);
            if board(one) != board(other) {
                self.population.exchange(one, other, &mut rng);
            }
        }
    }

    fn plan_zone(&mut self, zone: usize, day: &Day, out: &mut Vec<Planned>) {
        let number = u64::try_from(zone).expect("few zones");
        let mut rng = Rng::new(self.seed, &[ZONE_DAY, day.number, number]);
        let phase = Rng::new(self.seed, &[PHASE, number]).next();
        let today = |total: u64| {
            let by = |days| self.days.by(days, total, phase);
            (by(self.planned), by(self.planned + 1))
        };
        let figure = self.figures[zone];
        let (logins_before, logins_after) = today(figure.logins);
        let (new_before, new_after) = today(registrations(&figure));
        let (_, users_after) = today(figure.unique_users);
        let logins = logins_after - logins_before;
        let returning = u64::try_from(self.population.unseen(zone)).expect("a length fits 64 bits");
        let unseen = returning + registrations(&figure) - new_before;
        let seen = figure.unique_users.saturating_sub(unseen);
        // As many first logins as are due, and at least as many as the rest of the month has no logins for.
        let due = users_after.saturating_sub(seen);
        let rest = figure.logins - logins_after;
        let firsts = due.max(unseen.saturating_sub(rest)).min(logins).min(unseen);
        let new = new_after - new_before;
        for place in new.min(firsts)..logins {
            let again = place >= firsts;
            let first = if again {
                None
            } else {
                self.population.first_login(zone)
            };
            let account = first.or_else(|| self.population.login(zone, &mut rng));
            // A zone that has logins has a user; one whose only users are new ones may have none yet.
            let account = account.unwrap_or_else(|| {
                let account = self.population.register(zone);
                self.population.welcome(zone);
                account
            });
            self.plan_login(account, zone, day.instant(&mut rng), day, &mut rng, out);
        }
        // Behind the others, so that nobody is drawn for a login before having registered.
        for place in 0..new {
            self.plan_registration(zone, day, place < firsts, &mut rng, out);
        }
    }

    /// A new account: most log in minutes later.
    fn plan_registration(
        &mut self,
        zone: usize,
        day: &Day,
        logs_in: bool,
        rng: &mut Rng,
        out: &mut Vec<Planned>,
    ) {
        let account = self.population.register(zone);
        let login = day.instant(rng);
        let registered = Event {
            occurred: (login - rng.between(30 * SECOND, 10 * MINUTE)).max(day.start),
            account,
            zone,
            feature: Feature::Registration,
        };
        self.delivery.send(&registered, day, rng, out);
        if logs_in {
            self.population.welcome(zone);
            self.plan_login(account, zone, login, day, rng, out);
        }
    }

    /// A login, now and then with an order some minutes later, and now and then a bad record beside it.
    fn plan_login(
        &mut self,
        account: u32,
        zone: usize,
        occurred: i64,
        day: &Day,
        rng: &mut Rng,
        out: &mut Vec<Planned>,
    ) {
        let login = Event {
            occurred,
            account,
            zone,
            feature: Feature::Login,
        };
        self.delivery.send(&login, day, rng, out);
        self.delivery.spoil(&login, day, rng, out);
        let orders = self.population.orders(account);
        if orders && rng.chance(ORDERS / 100 * day.orders_percent()) {
            let order = Event {
                occurred: (occurred + rng.between(MINUTE, 8 * MINUTE)).min(day.end - 1),
                feature: Feature::PrescriptionOrder,
                ..login
            };
            self.delivery.send(&order, day, rng, out);
        }
    }
}

fn registrations(figure: &Figure) -> u64 {
    figure.unique_users * REGISTRATIONS_PER_MILLE / 1000
}

/// A zone, as likely as it has users of the `all`.
fn draw(users: &[usize], all: usize, rng: &mut Rng) -> usize {
    let mut place = rng.below(all.max(1));
    for (zone, users) in users.iter().enumerate() {
        if place < *users {
            return zone;
        }
        place -= users;
    }
    0
}
