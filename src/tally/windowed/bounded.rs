//! A worker's table of one dimension by slot and key: at most 2w rows, whatever the traffic. A full one keeps the w heaviest.

use hashbrown::HashTable;

use super::loss::{Chooser, Loss, Scales};
use super::part::{KeyedPart, PartRow, PartSlot};
use super::slot::Slot;
use crate::tally::caps::{KEY_BYTES, KEY_MAX};
use crate::tally::counts::{Counts, Increment};

/// Slots of one part. Traffic Server's buffers keep 4 to 6 open, late entries 139; more are open only while the merger doesn't take parts.
const SLOTS_MAX: usize = 512;

/// Rows that are kept even where the caller allows fewer.
const KEEP_MIN: usize = 16;

/// Spreads slots over the hash; odd, so that no two meet.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Clone, Copy, Debug)]
struct Place {
    /// A part of the hash: spares nearly every comparison of unequal keys.
    tag: u32,
    row: u32,
}

/// One dimension's table. It allocates only until it was full once, and takes at most 600 bytes for each of the w rows.
#[derive(Clone, Debug)]
pub struct Bounded {
    index: HashTable<Place>,
    filling: KeyedPart,
    /// w.
    keep: usize,
    text_max: usize,
    /// Index of the slot of the last entry: the next is nearly always of the same.
    last: usize,
    scales: Scales,
    chooser: Chooser,
}

impl Bounded {
    /// A table that keeps `keep` rows and holds at most twice as many.
    pub fn new(keep: usize) -> Self {
        let keep = keep.clamp(KEEP_MIN, u32::MAX as usize / 2 / KEY_BYTES);
        Self {
            index: HashTable::new(),
            filling: KeyedPart::default(),
            keep,
            // A cut leaves half of it, where any key finds room.
            text_max: (2 * keep * KEY_BYTES).max(2 * KEY_MAX),
            last: 0,
            scales: Scales::default(),
            chooser: Chooser::default(),
        }
    }

    /// By which weight rows are chosen from now on; the merger works it out.
    pub fn set_scales(&mut self, scales: Scales) {
        self.scales = scales;
    }

    /// Counts an entry. `hash` is any hash of `key` that all workers share. A key is at most [`KEY_MAX`] long: longer ones have no row.
    #[inline]
    pub fn record(&mut self, slot: Slot, key: &[u8], hash: u64, entry: &Increment) {
        let slot = match self.filling.slots.get(self.last) {
            Some(last) if last.slot == slot => self.last as u32,
            _ => self.find_slot(slot),
        };
        let mixed = mix(hash, slot);
        let filling = &self.filling;
        let found = self.index.find(mixed, |place| {
            let row = &filling.rows[place.row as usize];
            place.tag == tag(mixed) && row.slot == slot && filling.key(row) == key
        });
        match found {
            Some(&Place { row, .. }) => self.filling.rows[row as usize].counts.record(entry),
            None => self.insert(slot, key, hash, entry),
        }
    }

    #[cold]
    fn find_slot(&mut self, slot: Slot) -> u32 {
        let slots = &mut self.filling.slots;
        let mut wanted = slot;
        // The latest were made last.
        let mut found = slots.iter().rposition(|made| made.slot == slot);
        if found.is_none() && slots.len() >= SLOTS_MAX && slot != Slot::START {
            self.filling.crowded += 1;
            wanted = Slot::START;
            found = slots.iter().rposition(|made| made.slot == wanted);
        }
        self.last = found.unwrap_or_else(|| {
            slots.push(PartSlot { slot: wanted, absent: Loss::NONE, rest: Counts::default() });
            slots.len() - 1
        });
        self.last as u32
    }

    fn insert(&mut self, slot: u32, key: &[u8], hash: u64, entry: &Increment) {
        let mut counts = Counts::default();
        counts.record(entry);
        if key.len() > KEY_MAX {
            self.lose(slot, &counts);
            return;
        }
        if self.filling.rows.len() >= 2 * self.keep || self.filling.text.len() + key.len() > self.text_max {
            self.cut();
        }
        let KeyedPart { slots, rows, errors, text, .. } = &mut self.filling;
        make_room(rows, 1, 2 * self.keep);
        make_room(errors, 1, 2 * self.keep);
        make_room(text, key.len(), self.text_max);
        let mixed = mix(hash, slot);
        let place = Place { tag: tag(mixed), row: rows.len() as u32 };
        errors.push(slots[slot as usize].absent);
        rows.push(PartRow { counts, hash, slot, start: text.len() as u32, len: key.len() as u32 });
        text.extend_from_slice(key);
        self.index.insert_unique(mixed, place, |place| rehash(rows, *place));
    }

    /// Counts for a key that has no row, and won't get one: any number of times, so that losses add up.
    #[cold]
    fn lose(&mut self, slot: u32, counts: &Counts) {
        let slot = &mut self.filling.slots[slot as usize];
        slot.rest.merge(counts);
        slot.absent = slot.absent.plus(&self.scales.loss(counts));
        self.filling.dropped += 1;
    }

    /// Keeps the heaviest rows; those that go raise their slot's `absent`.
    #[cold]
    fn cut(&mut self) {
        let mut keep = self.keep;
        loop {
            self.cut_to(keep.min(self.filling.rows.len() / 2));
            if self.filling.text.len() <= self.text_max / 2 {
                break;
            }
            keep /= 2;
        }
        self.index.clear();
        let rows = &self.filling.rows;
        for (number, row) in rows.iter().enumerate() {
            let mixed = mix(row.hash, row.slot);
            let place = Place { tag: tag(mixed), row: number as u32 };
            self.index.insert_unique(mixed, place, |place| rehash(rows, *place));
        }
    }

    fn cut_to(&mut self, keep: usize) {
        let KeyedPart { slots, rows, errors, text, dropped, .. } = &mut self.filling;
        let scales = &self.scales;
        let most = |row: &PartRow, error: &Loss| scales.loss(&row.counts).plus(error);
        self.chooser.weights.clear();
        self.chooser.weights.extend(rows.iter().zip(&*errors).map(|(row, error)| most(row, error).weight()));
        let mut choice = self.chooser.choose(keep);
        let (mut kept, mut end) = (0, 0_u32);
        for number in 0..rows.len() {
            let (mut row, error) = (rows[number], errors[number]);
            if !choice.keeps(self.chooser.weights[number]) {
                let slot = &mut slots[row.slot as usize];
                slot.rest.merge(&row.counts);
                slot.absent = slot.absent.most(&most(&row, &error));
                continue;
            }
            // Rows and their keys lie in the same order, so that both only ever move down.
            text.copy_within(row.start as usize..(row.start + row.len) as usize, end as usize);
            row.start = end;
            end += row.len;
            (rows[kept], errors[kept]) = (row, error);
            kept += 1;
        }
        *dropped += (rows.len() - kept) as u64;
        rows.truncate(kept);
        errors.truncate(kept);
        text.truncate(end as usize);
    }

    /// Moves all that was counted into `part`, and goes on in the room that `part` had: hand in one that came back.
    pub fn hand_over(&mut self, part: &mut KeyedPart) {
        part.clear();
        std::mem::swap(&mut self.filling, part);
        self.index.clear();
        self.last = 0;
    }

    /// Bytes of memory, without the parts that are under way.
    pub fn bytes(&self) -> usize {
        self.index.allocation_size() + self.filling.bytes() + self.chooser.bytes()
    }
}

/// Room for `more`, doubled as it is needed, but never above `max`.
#[inline]
fn make_room<T>(list: &mut Vec<T>, more: usize, max: usize) {
    let needed = list.len() + more;
    if needed > list.capacity() {
        list.reserve_exact((2 * list.capacity()).clamp(needed, max.max(needed)) - list.len());
    }
}

#[inline]
fn mix(hash: u64, slot: u32) -> u64 {
    hash ^ u64::from(slot).wrapping_mul(SPREAD)
}

#[inline]
fn tag(mixed: u64) -> u32 {
    (mixed >> 24) as u32
}

fn rehash(rows: &[PartRow], place: Place) -> u64 {
    let row = &rows[place.row as usize];
    mix(row.hash, row.slot)
}
