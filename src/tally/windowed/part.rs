//! What a worker hands over of one dimension: its rows by slot and key, which the worker's next table is made of once it comes back.

use super::loss::Loss;
use super::slot::Slot;
use crate::tally::Counts;

/// One dimension's rows since the worker's last part.
#[derive(Clone, Debug, Default)]
pub struct KeyedPart {
    pub(super) slots: Vec<PartSlot>,
    pub(super) rows: Vec<PartRow>,
    /// By row, the most that was missed: apart, since counting an entry never needs it.
    pub(super) errors: Vec<Loss>,
    pub(super) text: Vec<u8>,
    pub(super) dropped: u64,
    pub(super) crowded: u64,
}

/// A slot that has entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartSlot {
    pub slot: Slot,
    /// The most that a key without a row here can have had.
    pub absent: Loss,
    /// What the dropped rows had counted; with the rows it is the total.
    pub rest: Counts,
}

// Two cache lines, as a row of the tables since the start.
#[derive(Clone, Copy, Debug)]
#[repr(align(128))]
pub(super) struct PartRow {
    pub counts: Counts,
    /// Of the key alone.
    pub hash: u64,
    /// Index into the part's slots.
    pub slot: u32,
    pub start: u32,
    pub len: u32,
}

const _: () = assert!(size_of::<PartRow>() == 128);

impl KeyedPart {
    /// Key of a row.
    #[inline]
    pub(super) fn key(&self, row: &PartRow) -> &[u8] {
        &self.text[row.start as usize..][..row.len as usize]
    }

    /// Rows that were dropped for want of room (spec/statistics.md Q9).
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Entries that count only since the start, because they were of more slots than a part has (spec/statistics.md Q9).
    pub fn crowded(&self) -> u64 {
        self.crowded
    }

    /// True if there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How many rows it has, over all slots.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Forgets all, keeps the room.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.rows.clear();
        self.errors.clear();
        self.text.clear();
        (self.dropped, self.crowded) = (0, 0);
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<PartSlot>()
            + self.rows.capacity() * size_of::<PartRow>()
            + self.errors.capacity() * size_of::<Loss>()
            + self.text.capacity()
    }
}
