//! The proof that this process is a member of the group, as checkpoints give it to the brokers.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::consumer::{Consumer as _, ConsumerGroupMetadata};

use crate::context::Consumer;
use crate::native::{self, Member};

/// The membership of a [`Source`](crate::Source). Cheap to clone.
#[derive(Clone)]
pub struct Membership {
    consumer: Arc<Consumer>,
    /// The member that the group gave its partitions to; none while it has none.
    holder: Arc<Mutex<Option<String>>>,
}

impl Membership {
    pub(crate) fn new(consumer: Arc<Consumer>) -> Self {
        Self {
            consumer,
            holder: Arc::default(),
        }
    }

    /// Whether the partitions that are held were given to another member than this one is now: the group has let that
    /// one go, and others may have had them meanwhile.
    pub(crate) fn is_another(&self) -> bool {
        self.is_not(&self.now())
    }

    /// As whom the client is in the group now.
    pub(crate) fn now(&self) -> Member {
        native::member(&self.consumer)
    }

    /// Partitions were given to this member.
    pub(crate) fn hold(&self, member: Member) {
        *self.holder() = Some(member.id);
    }

    /// It has none any more.
    pub(crate) fn hold_nothing(&self) {
        *self.holder() = None;
    }

    /// Whether the partitions that are held were given to another member than this one.
    pub(crate) fn is_not(&self, member: &Member) -> bool {
        self.holder()
            .as_ref()
            .is_some_and(|holder| *holder != member.id)
    }

    fn holder(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the group knows this member.
    pub(crate) fn is_valid(&self) -> bool {
        is_valid(&self.now())
    }

    /// The proof, for one transaction; none if the group does not know this member, or knows another one than it gave
    /// the partitions to: brokers look at the member and not at what it holds.
    ///
    /// Brokers take a commit without a generation for one of a consumer outside of the group, and may accept
    /// it. So the member is looked at before and after the proof is made: generations only grow, hence
    /// the proof between two equal ones is of the same.
    pub(crate) fn proof(&self) -> Option<ConsumerGroupMetadata> {
        let before = self.now();
        let proof = self.consumer.group_metadata()?;
        let after = self.now();
        (is_valid(&before) && before == after && !self.is_not(&before)).then_some(proof)
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
