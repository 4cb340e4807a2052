//! Slots of entry time that were put away between two parts, small.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Counts;
use super::combined::Combination;
use super::histogram::{Histogram, Packed};
use super::slot::Slot;
use super::slots::SlotPart;
use super::uniques::Sketch;

/// Slots put away between two parts, and the bytes that they may take; entries for further ones count as late. Only a flood of old entries in
/// no order comes here.
pub(super) const CLOSED: usize = 512;
pub(super) const CLOSED_BYTES: usize = 8 << 20;

/// All that were put away since the last part.
#[derive(Clone, Debug, Default)]
pub(super) struct ClosedSlots {
    slots: BTreeMap<Option<Slot>, Closed>,
    bytes: usize,
    scratch: Histogram,
}

impl ClosedSlots {
    /// Puts away what that slot had, together with what it had before.
    pub fn add(&mut self, slot: Option<Slot>, closed: Closed) {
        // Without room it counts as late: since the start only.
        let has_room = self.slots.len() < CLOSED || self.slots.contains_key(&slot);
        let key = if has_room && self.bytes < CLOSED_BYTES { slot } else { None };
        let sum = match self.slots.entry(key) {
            Entry::Occupied(sum) => {
                let sum = sum.into_mut();
                self.bytes -= sum.bytes();
                sum.merge(&closed, &mut self.scratch);
                sum
            }
            Entry::Vacant(place) => place.insert(closed),
        };
        self.bytes += sum.bytes();
    }

    /// Gives them all, and begins anew.
    pub fn take(&mut self) -> impl Iterator<Item = (Option<Slot>, Closed)> {
        self.bytes = 0;
        std::mem::take(&mut self.slots).into_iter()
    }

    /// Is there so much that there may soon be no room?
    pub fn is_crowded(&self) -> bool {
        self.slots.len() >= CLOSED / 2 || self.bytes >= CLOSED_BYTES / 2
    }

    /// Bytes of memory, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.slots.len()
    }
}

/// What a slot had, put away small.
#[derive(Clone, Debug)]
pub(super) struct Closed {
    /// By number, ascending.
    pub combinations: Vec<(u16, Counts)>,
    pub others: Counts,
    pub nodes: Vec<(u32, Counts)>,
    pub times: Packed,
    pub sizes: Packed,
    pub clients: Sketch,
}

impl Closed {
    /// Adds all of `other`. `scratch` is empty, and is so again afterwards.
    pub fn merge(&mut self, other: &Self, scratch: &mut Histogram) {
        self.combinations.extend_from_slice(&other.combinations);
        // Two runs that ascend: this sort only merges them.
        self.combinations.sort_by_key(|(number, _)| *number);
        self.combinations.dedup_by(|(number, more), (before, sum)| {
            let same = number == before;
            if same {
                sum.merge(more);
            }
            same
        });
        add_all(&mut self.nodes, &other.nodes);
        self.others.merge(&other.others);
        self.times.add(&other.times, scratch);
        self.sizes.add(&other.sizes, scratch);
        self.clients.merge(&other.clients);
    }

    /// As it is handed over, for that slot. `combination` knows what numbers stand for.
    pub fn part(self, slot: Option<Slot>, combination: impl Fn(u32) -> Combination) -> SlotPart {
        let Self { combinations, others, nodes, times, sizes, clients } = self;
        let combinations = combinations.into_iter().map(|(number, counts)| (combination(number.into()), counts));
        SlotPart { slot, combinations: combinations.collect(), others, nodes, times, sizes, clients }
    }

    /// Bytes of memory, about.
    pub fn bytes(&self) -> usize {
        self.combinations.capacity() * size_of::<(u16, Counts)>()
            + self.nodes.capacity() * size_of::<(u32, Counts)>()
            + self.times.bytes()
            + self.sizes.bytes()
            + self.clients.bytes()
            + size_of::<Self>()
    }
}

/// Of few keys.
pub(super) fn add_all(sums: &mut Vec<(u32, Counts)>, more: &[(u32, Counts)]) {
    for (key, counts) in more {
        match sums.iter_mut().find(|(known, _)| known == key) {
            Some((_, sum)) => sum.merge(counts),
            None => sums.push((*key, *counts)),
        }
    }
}
