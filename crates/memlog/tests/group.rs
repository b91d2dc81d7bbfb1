//! The group as its members see it: a partition goes on once whoever had it has given it back.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where something is not there"
)]

use std::time::Duration;

use engine::ports::{Input, Source};
use memlog::{Cluster, MemSource};
use model::{InputPartition, KindId};

fn partitions(of: std::ops::Range<u32>) -> Vec<InputPartition> {
    of.map(|partition| InputPartition {
        kind: KindId(0),
        partition,
    })
    .collect()
}

/// What a member is told next, as text.
fn told(source: &mut MemSource) -> String {
    format!("{:?}", source.poll(Duration::ZERO).unwrap())
}

fn text(input: &Input<'_>) -> String {
    format!("{input:?}")
}

#[test]
fn what_was_lost_is_not_given_back_in_the_name_of_the_member_that_it_is_now() {
    let cluster = Cluster::new(&[2], 1, 1);
    let mut first = MemSource::new(&cluster);
    first.join().unwrap();
    let all = partitions(0..2);
    assert_eq!(told(&mut first), text(&Input::Assigned(all.clone())));
    // It is let go and joins anew behind the back of its user; it is given everything, and one is asked back.
    first.expire();
    cluster.join(&first.member());
    let mut second = MemSource::new(&cluster);
    second.join().unwrap();
    assert_eq!(told(&mut first), text(&Input::Lost(all.clone())));
    first.unassign(&all).unwrap();
    assert_eq!(
        told(&mut second),
        text(&Input::Nothing),
        "the first has not been told yet that it has them"
    );
    assert_eq!(told(&mut first), text(&Input::Assigned(all)));
    let asked_back = partitions(1..2);
    assert_eq!(told(&mut first), text(&Input::Revoked(asked_back.clone())));
    first.unassign(&asked_back).unwrap();
    assert_eq!(told(&mut second), text(&Input::Assigned(asked_back)));
}
