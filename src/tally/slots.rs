//! A worker's counts by slot of entry time: small dimensions together, times and sizes, clients, nodes.
//!
//! Few slots are written to at once, since Traffic Server's buffers hold about five seconds: those lie in arrays. When an entry comes for
//! another and there is no more room, the slot that has waited longest is put away small, until the part is handed over.

use super::Counts;
use super::closed_slots::ClosedSlots;
use super::combined::Combination;
use super::counts::Increment;
use super::histogram::Packed;
use super::open_slot::Open;
use super::slot::{Place, Slot};
use super::uniques::Sketch;
use super::windowed;

/// Slots in arrays, in any case: the seconds of Traffic Server's buffers, of nodes that lag differently.
const OPEN: usize = 16;

/// As many are open as come before a part is handed over, up to so many, while all together take no more bytes than this: what is read from
/// files, or sent again, is of many slots at once. Once they take more, those above [`OPEN`] are put away.
const OPEN_MAX: usize = 64;
const OPEN_BYTES: usize = 4 << 20;

/// What a worker has counted in one slot since its last part.
#[derive(Clone, Debug)]
pub struct SlotPart {
    /// Which; `None`: entries too old for any window.
    pub slot: Option<Slot>,
    /// By combination of the small dimensions; methods and types are the worker's rows.
    pub combinations: Vec<(Combination, Counts)>,
    /// Entries whose combination is not kept.
    pub others: Counts,
    /// By the worker's row of the node.
    pub nodes: Vec<(u32, Counts)>,
    /// Entries that have a time, by it (ms).
    pub times: Packed,
    /// All requests by bytes.
    pub sizes: Packed,
    /// Hashes of the clients.
    pub clients: Sketch,
}

impl SlotPart {
    /// All entries of the slot.
    pub fn total(&self) -> Counts {
        self.combinations.iter().fold(self.others, |mut sum, (_, counts)| {
            sum.merge(counts);
            sum
        })
    }
}

/// Which slot is open at a number.
#[derive(Clone, Copy, Debug, Default)]
struct At {
    slot: Option<Slot>,
    /// When it was last gone to.
    used: u64,
    /// Bytes that it took when it was last left.
    bytes: usize,
}

/// All slots of a worker.
#[derive(Clone, Debug)]
pub struct Slots {
    open: Vec<Open>,
    /// Which slots they are; apart, since it is looked through often.
    places: Vec<At>,
    /// What the open ones took when they were last left.
    open_bytes: usize,
    /// The one that is written to.
    current: usize,
    /// What the current one is to become.
    wanted: Option<Slot>,
    /// Times (ms) that are in it: from, to.
    from: u64,
    to: u64,
    now: u64,
    uses: u64,
    closed: ClosedSlots,
    /// The current entries are ahead of now.
    is_ahead: bool,
    ahead: u64,
    late: u64,
    /// False if there are no windows.
    is_timed: bool,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            open: vec![Open::new()],
            places: vec![At::default()],
            open_bytes: 0,
            current: 0,
            wanted: None,
            from: 0,
            to: 0,
            now: 0,
            uses: 0,
            closed: ClosedSlots::default(),
            is_ahead: false,
            ahead: 0,
            late: 0,
            is_timed: true,
        }
    }
}

impl Slots {
    /// All entries in one slot that is in no window, without times, sizes and clients.
    pub fn of_no_time() -> Self {
        Self { is_timed: false, ..Self::default() }
    }

    /// Entries that come now arrive `now` (ms since the epoch).
    pub fn begin(&mut self, now: u64) {
        if now != self.now && self.is_timed {
            (self.now, self.from, self.to) = (now, 0, 0);
        }
    }

    /// True if an entry of that time goes where the one before went.
    #[inline]
    pub fn is_current(&self, time: u64) -> bool {
        (self.from..self.to).contains(&time)
    }

    /// Goes to the slot of an entry of that time; false if that must first be opened with [`Slots::open`].
    #[inline(never)]
    pub fn enter(&mut self, time: u64) -> bool {
        if !self.is_timed {
            (self.from, self.to) = (0, u64::MAX);
            return true;
        }
        let slot = match Slot::of(time, self.now) {
            Place::In(slot, from, to) => {
                (self.from, self.to) = (from, to);
                Some(slot)
            }
            Place::Ahead(slot, from) => {
                (self.from, self.to) = (from, u64::MAX);
                Some(slot)
            }
            Place::Late(to) => {
                (self.from, self.to) = (0, to);
                None
            }
        };
        self.is_ahead = self.to == u64::MAX;
        self.uses += 1;
        self.weigh();
        self.wanted = slot;
        !self.is_heavy() && self.find()
    }

    /// Notes what the current slot takes, for it is left.
    fn weigh(&mut self) {
        let (place, open) = (&mut self.places[self.current], &self.open[self.current]);
        let bytes = open.bytes();
        self.open_bytes = self.open_bytes - place.bytes + bytes;
        place.bytes = bytes;
    }

    /// Do those that are open beyond what is open in any case take too much?
    fn is_heavy(&self) -> bool {
        self.open.len() > OPEN && self.open_bytes > OPEN_BYTES
    }

    /// Goes to the slot that is wanted, if it is open.
    fn find(&mut self) -> bool {
        let Some(at) = self.places.iter().position(|place| place.slot == self.wanted) else { return false };
        self.current = at;
        self.places[at].used = self.uses;
        true
    }

    /// The slot of an entry of that time in the tables of large dimensions. All times that are in the current slot have one.
    pub fn keyed(&self, time: u64) -> windowed::Slot {
        match self.places.get(self.current) {
            // What is in no window here is in none there: their oldest bucket reaches further back.
            Some(At { slot: None, .. }) => windowed::Slot::START,
            _ => windowed::Slot::of(time, self.now),
        }
    }

    /// The next entry has to go to its slot, even if it is the current one.
    pub fn leave(&mut self) {
        (self.from, self.to) = (0, 0);
    }

    /// Clients have new rows.
    pub fn forget_clients(&mut self) {
        self.open.iter_mut().for_each(Open::forget_clients);
    }

    /// Opens the slot that was asked for last: in the place of one from which all was handed over, in a new one, or, without room for that, in
    /// the place of the one that has waited longest. All entries must be counted before.
    #[cold]
    pub fn open(&mut self) {
        if self.is_heavy() {
            while self.open.len() > OPEN {
                self.put_away(self.open.len() - 1);
                self.open.pop();
                self.open_bytes -= self.places.pop().map_or(0, |place| place.bytes);
            }
            if self.find() {
                return;
            }
        }
        let handed_over = self.longest_waiting(Open::is_empty);
        let has_room = self.open.len() < OPEN || (self.open.len() < OPEN_MAX && self.open_bytes < OPEN_BYTES);
        if handed_over.is_none() && has_room {
            self.current = self.open.len();
            self.open.push(Open::new());
            self.places.push(At { slot: self.wanted, used: self.uses, bytes: 0 });
            return;
        }
        self.current = handed_over.or_else(|| self.longest_waiting(|_| true)).unwrap_or(0);
        self.put_away(self.current);
        self.open[self.current].forget_clients();
        let place = &mut self.places[self.current];
        (place.slot, place.used) = (self.wanted, self.uses);
    }

    /// The number of the slot that was left first, of those that may be.
    fn longest_waiting(&self, may_be: impl Fn(&Open) -> bool) -> Option<usize> {
        let numbers = (0..self.open.len()).filter(|at| may_be(&self.open[*at]));
        numbers.min_by_key(|at| self.places[*at].used)
    }

    /// Puts away what a slot has.
    fn put_away(&mut self, at: usize) {
        if !self.open[at].is_empty() {
            self.closed.add(self.places[at].slot, self.open[at].take());
        }
    }

    /// Is so much put away that there may soon be no room?
    pub fn is_crowded(&self) -> bool {
        self.closed.is_crowded()
    }

    /// True if what is written to now is in no window any more.
    pub fn is_late(&self) -> bool {
        self.is_timed && self.places.get(self.current).is_some_and(|place| place.slot.is_none())
    }

    /// The number of the slot that is written to, for [`Slots::record`].
    #[inline]
    pub fn current(&self) -> u8 {
        self.current as u8
    }

    /// Counts an entry in that slot whose combination has that number, which is one of [`super::combined`]; `None`: it is not kept.
    #[inline]
    pub fn record(&mut self, slot: u8, combination: Option<u32>, entry: &Increment) {
        let Some(open) = self.open.get_mut(usize::from(slot)) else { return };
        open.record(combination.map(|number| number as u16), entry);
        if self.is_timed {
            open.measure(entry);
        }
    }

    /// A client was there in that slot, with that row at the worker and that hash of its address.
    #[inline]
    pub fn client(&mut self, slot: u8, row: u32, hash: u64) {
        if let Some(open) = self.open.get_mut(usize::from(slot)).filter(|_| self.is_timed) {
            open.client(row, hash);
        }
    }

    /// Adds what a node sent for the current slot.
    pub fn node(&mut self, node: u32, counts: &Counts) {
        if let Some(open) = self.open.get_mut(self.current) {
            open.node(node, counts);
            self.ahead += if self.is_ahead { counts.all_requests() } else { 0 };
        }
    }

    /// Gives what was counted since the last call, and begins anew.
    pub fn drain(&mut self, combination: impl Fn(u32) -> Combination, mut each: impl FnMut(SlotPart)) {
        let closed = self.closed.take();
        let open = self.open.iter_mut().zip(&self.places).filter(|(open, _)| !open.is_empty());
        let open = open.map(|(open, place)| (place.slot, open.take()));
        for (slot, closed) in closed.chain(open) {
            let part = closed.part(slot, &combination);
            if part.slot.is_none() && self.is_timed {
                self.late += part.total().all_requests();
            }
            each(part);
        }
        self.weigh();
        if self.open_bytes > OPEN_BYTES {
            // What a flood took is given back, so that as many may be open as before.
            self.open.iter_mut().for_each(|open| *open = Open::new());
            self.places.iter_mut().for_each(|place| place.bytes = 0);
            self.open_bytes = 0;
        }
    }

    /// Entries up to the last drain that were ahead of now, and that were too late for any window.
    pub fn take_odd(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.ahead), std::mem::take(&mut self.late))
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.open.iter().map(Open::bytes).sum::<usize>() + self.closed.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Band;
    use crate::tally::closed_slots::{CLOSED, CLOSED_BYTES};
    use crate::tally::uniques::PRECISION;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn combination(number: u32) -> Combination {
        Combination { result: Some(i64::from(number)), status: None, route: None, method: None, content_type: None }
    }

    proptest! {
        #[test]
        fn every_entry_is_in_the_slot_of_its_time(
            entries in prop::collection::vec((0..100_000_000_u64, 0..5_u32, 0..3_u32, 0..40_u32), 1..300), cut in 0..300_usize,
        ) {
            const NOW: u64 = 1_795_460_493_250;
            let mut slots = Slots::default();
            let mut expected: HashMap<Option<Slot>, [u64; 2]> = HashMap::new();
            let mut parts = Vec::new();
            slots.begin(NOW);
            for (at, (age, number, node, client)) in entries.iter().enumerate() {
                let time = NOW + 9_000 - age;
                if !slots.is_current(time) && !slots.enter(time) {
                    slots.open();
                }
                let entry = Increment { band: Band::Miss, bytes: *age, origin_bytes: 0, timed: 1, time_ms: *age / 7 };
                slots.record(slots.current(), (*number > 0).then_some(*number), &entry);
                slots.client(slots.current(), *client, u64::from(*client) << 40);
                let mut counts = Counts::default();
                counts.record(&entry);
                slots.node(*node, &counts);
                let slot = match Slot::of(time, NOW) {
                    Place::In(slot, ..) => Some(slot),
                    _ => None,
                };
                let sum = expected.entry(slot).or_default();
                sum[0] += 1;
                sum[1] += age;
                if at == cut {
                    slots.drain(combination, |part| parts.push(part));
                }
            }
            slots.drain(combination, |part| parts.push(part));
            let mut found: HashMap<Option<Slot>, [u64; 2]> = HashMap::new();
            for part in &parts {
                let total = part.total();
                let by_node: u64 = part.nodes.iter().map(|(_, counts)| counts.all_requests()).sum();
                prop_assert_eq!(by_node, total.all_requests());
                prop_assert_eq!(part.sizes.total().requests, total.all_requests());
                prop_assert_eq!(part.times.total().bytes, total.all_bytes());
                let sum = found.entry(part.slot).or_default();
                sum[0] += total.all_requests();
                sum[1] += total.all_bytes();
            }
            prop_assert_eq!(found, expected);
            slots.drain(combination, |_| panic!("nothing is left"));
        }
    }

    #[test]
    fn a_flood_of_slots_is_bounded_and_counts_as_late() {
        let mut slots = Slots::default();
        let now = 1_795_460_493_000;
        slots.begin(now);
        let entry = Increment { band: Band::Miss, bytes: 1, origin_bytes: 0, timed: 0, time_ms: 0 };
        for age in 0..2000_u64 {
            if !slots.enter(now - age * 43_000) {
                slots.open();
            }
            slots.record(slots.current(), Some(1), &entry);
        }
        let (mut parts, mut sum, mut late) = (0, 0, 0);
        slots.drain(combination, |part| {
            parts += 1;
            sum += part.total().all_requests();
            if part.slot.is_none() {
                late += part.total().all_requests();
            }
        });
        assert!(parts <= CLOSED + OPEN_MAX + 1, "{parts}");
        assert_eq!(sum, 2000);
        assert!(late > 400, "{late}");
        assert_eq!(slots.take_odd(), (0, late));
    }

    #[test]
    fn slots_stay_open_while_there_is_room_and_are_used_again_once_handed_over() {
        let mut slots = Slots::default();
        let now = 1_795_460_493_000;
        let write = |slots: &mut Slots, second: u64, combinations: u32| {
            slots.begin(now);
            if !slots.enter(now - second * 1000) {
                slots.open();
            }
            for number in 0..combinations {
                let entry = Increment { band: Band::Miss, bytes: 1, origin_bytes: 0, timed: 0, time_ms: 0 };
                slots.record(slots.current(), Some(number), &entry);
            }
        };
        for _ in 0..3 {
            (0..40).for_each(|second| write(&mut slots, second, 2));
        }
        assert_eq!((slots.open.len(), slots.closed.len()), (40, 0));
        let mut parts = 0;
        slots.drain(combination, |_| parts += 1);
        assert_eq!(parts, 40);
        (40..80).for_each(|second| write(&mut slots, second, 2));
        assert_eq!((slots.open.len(), slots.closed.len()), (40, 0), "no more are open than were once");
        slots.drain(combination, |_| {});
        // Slots of so many combinations leave no room for more than a few, old or new.
        (100..150).for_each(|second| write(&mut slots, second, 2000));
        assert_eq!((slots.open.len(), slots.closed.len()), (OPEN, 50 - OPEN));
        slots.drain(combination, |_| {});
        for _ in 0..3 {
            (200..240).for_each(|second| write(&mut slots, second, 2));
        }
        assert_eq!((slots.open.len(), slots.closed.len()), (40, 0), "afterwards there is room again");
        let mut slots = Slots::default();
        (0..50).for_each(|second| write(&mut slots, second, 2000));
        assert_eq!((slots.open.len(), slots.closed.len()), (OPEN, 50 - OPEN));
    }

    #[test]
    fn slots_that_grow_later_are_bounded_in_memory_too() {
        let entry = |number| Increment { band: Band::Miss, bytes: number, origin_bytes: 0, timed: 1, time_ms: number };
        let mut full = Open::new();
        for number in 0..16_000 {
            full.record(Some(number), &entry(number.into()));
            full.measure(&entry(number.into()));
        }
        let now = 1_795_460_493_000;
        let mut slots = Slots::default();
        let (mut most, mut written) = (0, 0);
        // Combinations of each slot, times that all slots get as many, and whether they are handed over then; and whether any is late.
        for (each, turns, is_handed_over, is_late) in [
            (2, 1, true, false),
            (16_000, 1, true, true),
            (2, 3, false, false),
            (400, 30, true, true),
            (2, 2, true, false),
        ] {
            for turn in 0..turns {
                for second in 0..OPEN_MAX as u64 {
                    slots.begin(now);
                    if !slots.enter(now - second * 1000) {
                        slots.open();
                    }
                    for number in turn * each..(turn + 1) * each {
                        slots.record(slots.current(), Some(number), &entry(number.into()));
                        written += 1;
                    }
                    most = most.max(slots.bytes());
                }
            }
            if is_handed_over {
                let mut counted = 0;
                slots.drain(combination, |part| counted += part.total().all_requests());
                assert_eq!(counted, std::mem::take(&mut written));
                assert!(slots.bytes() <= OPEN_BYTES, "{}", slots.bytes());
                assert_eq!(slots.take_odd().1 > 0, is_late, "{each} combinations, {turns} times");
            }
        }
        // Those that are open in any case, the one that is written to, and what is put away.
        let bound = (OPEN + 1) * full.bytes() + CLOSED_BYTES + full.bytes();
        assert!(most > OPEN_BYTES && most < bound, "{most} of {bound}");
    }

    #[test]
    fn a_client_is_told_once_a_slot() {
        let mut slots = Slots::default();
        slots.begin(1_000_000);
        for (time, hash) in [(900_000, 1), (900_500, 2 << 60), (901_000, 3 << 60)] {
            if !slots.is_current(time) && !slots.enter(time) {
                slots.open();
            }
            let entry = Increment { band: Band::Miss, bytes: 1, origin_bytes: 0, timed: 0, time_ms: 0 };
            slots.record(slots.current(), Some(1), &entry);
            slots.client(slots.current(), 70, hash);
        }
        let mut told = Vec::new();
        slots.drain(combination, |part| told.push(part.clients));
        let sketch = |hash| {
            let mut sketch = Sketch::new(PRECISION);
            sketch.insert(hash);
            sketch
        };
        assert_eq!(told, [sketch(1), sketch(3 << 60)], "of the second no more is asked: its row was there");
    }
}
