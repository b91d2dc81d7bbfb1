//! The proof that this process is a member of the group, as checkpoints give it to the brokers.

use std::sync::Arc;

use rdkafka::consumer::{Consumer as _, ConsumerGroupMetadata};

use crate::context::Consumer;
use crate::native::{self, Member};

/// The membership of a [`Source`](crate::Source). Cheap to clone.
#[derive(Clone)]
pub struct Membership {
    consumer: Arc<Consumer>,
}

impl Membership {
    pub(crate) fn new(consumer: Arc<Consumer>) -> Self {
        Self { consumer }
    }

    /// Whether the group knows this member.
    pub(crate) fn is_valid(&self) -> bool {
        is_valid(&native::member(&self.consumer))
    }

    /// The proof, for one transaction; none if the group does not know this member.
    ///
    /// Brokers take a commit without a generation for one of a consumer outside of the group, and may accept
    /// it. So the member is looked at before and after the proof is made: generations only grow, hence
    /// the proof between two equal ones is of the same.
    pub(crate) fn proof(&self) -> Option<ConsumerGroupMetadata> {
        let before = native::member(&self.consumer);
        let proof = self.consumer.group_metadata()?;
        let after = native::member(&self.consumer);
        (is_valid(&before) && before == after).then_some(proof)
    }
}

fn is_valid(member: &Member) -> bool {
    member.generation >= 0 && !member.id.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_has_a_generation_and_an_id() {
        let member = |generation, id: &str| Member {
            generation,
            id: id.to_owned(),
        };
        assert!(is_valid(&member(0, "appmi-1")));
        assert!(!is_valid(&member(-1, "appmi-1")));
        assert!(!is_valid(&member(3, "")));
    }
}
