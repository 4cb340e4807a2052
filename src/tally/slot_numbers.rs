//! The slots of entry time of one part, by number: what the tables of large dimensions tell their counts apart by.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::windowed::Slot;

/// Slots of one part. Late entries have 139; more are open only while the merger doesn't take parts.
const SLOTS_MAX: usize = 512;

/// Numbers of the slots that the part at hand has, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct SlotNumbers {
    slots: Vec<Slot>,
    numbers: HashMap<Slot, u32, FixedState>,
    current: u32,
    crowded: u64,
}

impl SlotNumbers {
    /// Goes to a slot.
    pub fn enter(&mut self, slot: Slot) {
        if self.slots.get(self.current as usize) == Some(&slot) {
            return;
        }
        let mut wanted = slot;
        if self.slots.len() >= SLOTS_MAX && !self.numbers.contains_key(&slot) {
            self.crowded += 1;
            wanted = Slot::START;
        }
        let slots = &mut self.slots;
        self.current = *self.numbers.entry(wanted).or_insert_with(|| {
            slots.push(wanted);
            slots.len() as u32 - 1
        });
    }

    /// The number of the slot that was gone to last.
    #[inline]
    pub fn current(&self) -> u32 {
        self.current
    }

    /// Moves the part's slots into `slots`; numbers begin at 0 again. Says how many times entries went to none for want of slots.
    pub fn hand_over(&mut self, slots: &mut Vec<Slot>) -> u64 {
        slots.clear();
        std::mem::swap(slots, &mut self.slots);
        self.numbers.clear();
        self.current = 0;
        std::mem::take(&mut self.crowded)
    }
}

#[cfg(test)]
mod tests {
    use super::super::windowed::Level;
    use super::*;

    fn slot(n: u64) -> Slot {
        Slot { start: n * 2_000, level: Level::Minute }
    }

    #[test]
    fn slots_keep_their_numbers_until_the_part_is_handed_over() {
        let mut numbers = SlotNumbers::default();
        for (n, expected) in [(5, 0), (9, 1), (5, 0), (7, 2), (9, 1)] {
            numbers.enter(slot(n));
            assert_eq!(numbers.current(), expected);
        }
        let mut slots = Vec::new();
        assert_eq!((numbers.hand_over(&mut slots), slots), (0, vec![slot(5), slot(9), slot(7)]));
        numbers.enter(slot(7));
        assert_eq!(numbers.current(), 0);
    }

    #[test]
    fn more_slots_than_a_part_has_count_since_the_start_only() {
        let mut numbers = SlotNumbers::default();
        for n in 0..SLOTS_MAX as u64 + 20 {
            numbers.enter(slot(n));
        }
        let mut slots = Vec::new();
        assert_eq!(numbers.hand_over(&mut slots), 20);
        assert_eq!((slots.len(), slots.last()), (SLOTS_MAX + 1, Some(&Slot::START)));
    }
}
