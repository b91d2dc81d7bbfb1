//! Questions to brokers that are slow.

use std::time::{Duration, Instant};

use engine::ports::Source as _;
use kafka::Source;
use model::Offset;
use tests::{Toxiproxy, installation_or_skip, toxiproxy_or_skip, wait_for};

use crate::world::{SOON, World, input};

#[test]
fn the_bounds_of_many_partitions_take_no_longer_than_those_of_one() {
    let (Some(kafka), Some(program)) = (installation_or_skip(), toxiproxy_or_skip()) else {
        return;
    };
    let toxiproxy = Toxiproxy::start(&program);
    let (broker, proxy) = toxiproxy.broker(kafka, &[]);
    let world = World::new(&broker, 28);
    world.load(27, 3);
    let cluster = world.with(&proxy.bootstrap(), &[]);
    let mut source = Source::new(&cluster, world.topics.inputs).unwrap();
    let all: Vec<_> = (0..28).map(input).collect();
    wait_for("the bounds are known", SOON, || {
        source.bounds(&all).unwrap()
    });
    // In both directions: a round trip is 300 ms.
    proxy.add("latency", &[("latency", 150)]);
    let begun = Instant::now();
    let bounds = wait_for("the bounds are known", SOON, || {
        source.bounds(&all).unwrap()
    });
    let took = begun.elapsed();
    assert_eq!(bounds.len(), 28);
    assert_eq!((bounds[27].low, bounds[27].high), (Offset(0), Offset(3)));
    assert_eq!(bounds[26].high, Offset(0));
    assert!(
        (Duration::from_millis(600)..Duration::from_secs(8)).contains(&took),
        "two or three round trips, and not twenty-eight times as many: {took:?}"
    );
}
