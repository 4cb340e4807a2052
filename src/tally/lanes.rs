//! Lanes: the few slots of entry time that tables of large dimensions are written to at once.
//!
//! Traffic Server's buffers hold about five seconds, so that three or four slots of two seconds take turns. Each of these has a lane, under
//! which every row finds what it has had in it without a look-up. An entry of another slot takes the lane that has waited longest.

use super::windowed::Slot;

/// Lanes of a table.
pub const LANES: usize = 8;

/// Slots of one part. Late entries have 139; more are open only while the merger doesn't take parts.
const SLOTS_MAX: usize = 512;

/// A lane that nothing is written to.
const FREE: u32 = u32::MAX;

/// Which slots have lanes, and which slots the part at hand has.
#[derive(Clone, Debug)]
pub struct Lanes {
    slots: Vec<Slot>,
    /// Number of the slot, and when it was last gone to.
    lanes: [(u32, u64); LANES],
    current: u8,
    uses: u64,
    crowded: u64,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { slots: Vec::new(), lanes: [(FREE, 0); LANES], current: 0, uses: 0, crowded: 0 }
    }
}

impl Lanes {
    /// Goes to a slot. `Some((lane, number))` if that lane is another slot's from now on, of that number in the part: all entries must be
    /// counted first that were to go to the lane, and then every table told.
    pub fn enter(&mut self, slot: Slot) -> Option<(u8, u32)> {
        self.uses += 1;
        let at = self.lanes.iter().position(|(number, _)| self.slots.get(*number as usize) == Some(&slot));
        if let Some(at) = at {
            self.lanes[at].1 = self.uses;
            self.current = at as u8;
            return None;
        }
        let mut wanted = slot;
        // The latest were made last.
        let mut known = self.slots.iter().rposition(|made| *made == wanted);
        if known.is_none() && self.slots.len() >= SLOTS_MAX {
            self.crowded += 1;
            wanted = Slot::START;
            known = self.slots.iter().rposition(|made| *made == wanted);
        }
        let number = known.unwrap_or_else(|| {
            self.slots.push(wanted);
            self.slots.len() - 1
        }) as u32;
        let lane = match self.lanes.iter().position(|(held, _)| *held == number) {
            Some(lane) => lane,
            None => self.lanes.iter().enumerate().min_by_key(|(_, (_, used))| *used).map_or(0, |(lane, _)| lane),
        };
        self.current = lane as u8;
        let before = std::mem::replace(&mut self.lanes[lane], (number, self.uses)).0;
        (before != number).then_some((lane as u8, number))
    }

    /// The lane of the slot that was gone to last.
    #[inline]
    pub fn current(&self) -> u8 {
        self.current
    }

    /// Moves the part's slots into `slots`; no slot has a lane then. Says how many times entries went to none for want of slots.
    pub fn hand_over(&mut self, slots: &mut Vec<Slot>) -> u64 {
        slots.clear();
        std::mem::swap(slots, &mut self.slots);
        self.lanes = [(FREE, 0); LANES];
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
    fn slots_keep_their_lanes_until_others_need_them() {
        let mut lanes = Lanes::default();
        for n in 0..LANES as u64 {
            assert_eq!(lanes.enter(slot(n)), Some((n as u8, n as u32)));
        }
        assert_eq!((lanes.enter(slot(0)), lanes.current()), (None, 0));
        // The second has waited longest.
        assert_eq!(lanes.enter(slot(99)), Some((1, LANES as u32)));
        // What comes back is of the number that it had.
        assert_eq!(lanes.enter(slot(1)), Some((2, 1)));
        let mut slots = Vec::new();
        assert_eq!(lanes.hand_over(&mut slots), 0);
        assert_eq!((slots.len(), slots[LANES]), (LANES + 1, slot(99)));
        assert_eq!(lanes.enter(slot(3)), Some((0, 0)), "all begins anew");
    }

    #[test]
    fn more_slots_than_a_part_has_count_since_the_start_only() {
        let mut lanes = Lanes::default();
        for n in 0..SLOTS_MAX as u64 + 20 {
            lanes.enter(slot(n));
        }
        let mut slots = Vec::new();
        assert_eq!(lanes.hand_over(&mut slots), 20);
        assert_eq!((slots.len(), slots.last()), (SLOTS_MAX + 1, Some(&Slot::START)));
    }
}
