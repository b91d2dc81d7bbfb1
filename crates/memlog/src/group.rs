//! The consumer group: its members, who has which partition, and its committed offsets.

use std::collections::{BTreeMap, BTreeSet};

use model::{InputPartition, Offset};

/// What a member is to be told, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    Assigned(Vec<InputPartition>),
    Revoked(Vec<InputPartition>),
}

#[derive(Debug, Default)]
struct Member {
    has: BTreeSet<InputPartition>,
    /// Asked back and not given back yet.
    owes: BTreeSet<InputPartition>,
    notices: Vec<Notice>,
}

/// A group with cooperative assignment: a partition is assigned only once nobody has it.
#[derive(Debug, Default)]
pub(crate) struct Group {
    next_member: u64,
    /// By how many members the assignment is shifted.
    shift: usize,
    members: BTreeMap<u64, Member>,
    pub(crate) committed: BTreeMap<InputPartition, Offset>,
}

impl Group {
    pub(crate) fn join(&mut self, all: &[InputPartition]) -> u64 {
        self.next_member += 1;
        self.members.insert(self.next_member, Member::default());
        self.balance(all);
        self.next_member
    }

    /// A member leaves or has died: what it had goes to others.
    pub(crate) fn leave(&mut self, member: u64, all: &[InputPartition]) {
        self.members.remove(&member);
        self.balance(all);
    }

    pub(crate) fn is_member(&self, member: u64) -> bool {
        self.members.contains_key(&member)
    }

    pub(crate) fn has_notice(&self, member: u64) -> bool {
        let member = self.members.get(&member);
        member.is_some_and(|member| !member.notices.is_empty())
    }

    pub(crate) fn take_notice(&mut self, member: u64) -> Option<Notice> {
        let notices = &mut self.members.get_mut(&member)?.notices;
        if notices.is_empty() {
            None
        } else {
            Some(notices.remove(0))
        }
    }

    pub(crate) fn give_back(
        &mut self,
        member: u64,
        partitions: &[InputPartition],
        all: &[InputPartition],
    ) {
        if let Some(member) = self.members.get_mut(&member) {
            for partition in partitions {
                if member.owes.remove(partition) {
                    member.has.remove(partition);
                }
            }
        }
        self.balance(all);
    }

    pub(crate) fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// Gives every partition to the member behind the one that it would go to.
    pub(crate) fn rotate(&mut self, all: &[InputPartition]) {
        self.shift += 1;
        self.balance(all);
    }

    /// Partition `i` of all goes to member `i + shift mod members`; what another member still has is asked back first.
    pub(crate) fn balance(&mut self, all: &[InputPartition]) {
        let ids: Vec<u64> = self.members.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let target: BTreeMap<InputPartition, u64> = all
            .iter()
            .enumerate()
            .map(|(index, partition)| (*partition, ids[(index + self.shift) % ids.len()]))
            .collect();
        for (id, member) in &mut self.members {
            let asked: Vec<InputPartition> = member
                .has
                .iter()
                .filter(|partition| {
                    target.get(partition) != Some(id) && !member.owes.contains(partition)
                })
                .copied()
                .collect();
            if !asked.is_empty() {
                member.owes.extend(&asked);
                member.notices.push(Notice::Revoked(asked));
            }
        }
        let held: BTreeSet<InputPartition> = self
            .members
            .values()
            .flat_map(|member| member.has.iter().copied())
            .collect();
        for (id, member) in &mut self.members {
            let given: Vec<InputPartition> = target
                .iter()
                .filter(|(partition, owner)| *owner == id && !held.contains(partition))
                .map(|(partition, _)| *partition)
                .collect();
            if !given.is_empty() {
                member.has.extend(&given);
                member.notices.push(Notice::Assigned(given));
            }
        }
    }
}
