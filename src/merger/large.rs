//! The merger's tables of large dimensions: every worker's parts, by slot of entry time, under common numbers.

use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::snapshot::{Bounds, Covered, Keys, Table};
use crate::tally::delta::Lost;
use crate::tally::derived::derive;
use crate::tally::dimension::{Kind, join};
use crate::tally::part::LargePart;
use crate::tally::table::Seed;
use crate::tally::windowed::naming::Naming;
use crate::tally::windowed::summary::Row;
use crate::tally::windowed::{Cuts, Kept, KeySeries, Level, Levels, Loss, Scales, Slot, shrink_to};
use crate::tally::{Caps, Counts, Dimension, Names, Part, Period, Window, windowed};

/// All large dimensions, in the order of [`Dimension::LARGE`].
#[derive(Debug)]
pub struct Larges {
    levels: Vec<Levels>,
    seed: Seed,
    started: u64,
    tick: (u64, u64),
    /// Bytes for closed buckets and names.
    water: usize,
    /// Nobody has looked yet whether these take more: what a full tick adds is cut in the tick behind it, which has time.
    rises: bool,
    is_timed: bool,
    /// The copies that snapshots share, until the next full tick.
    copies: Vec<Option<Arc<Large>>>,
    room: Room,
}

/// Room that is used again.
#[derive(Debug, Default)]
struct Room {
    /// Of deltas.
    order: Vec<u32>,
    /// Of a pair.
    name: Vec<u8>,
}

impl Larges {
    /// Empty tables for that many workers. `seed` is the process's, `started` when counting began, ms since the epoch; windows are kept
    /// if they are `timed`.
    pub fn new(caps: &Caps, workers: usize, seed: &Seed, started: u64, is_timed: bool) -> Self {
        let levels = Dimension::LARGE
            .map(|dimension| Levels::new(caps.merger_rows[dimension as usize], started, workers))
            .into_iter()
            .collect();
        Self {
            levels,
            seed: seed.clone(),
            started,
            tick: (0, started),
            water: caps.water,
            rises: false,
            is_timed,
            copies: Dimension::LARGE.map(|_| None).into_iter().collect(),
            room: Room::default(),
        }
    }

    /// Time goes on: closes what is over. Parts come after it. `total` is all that was counted so far.
    pub fn advance(&mut self, now: u64, total: &Counts) {
        self.shrink();
        let scales = Scales::of(total);
        for levels in &mut self.levels {
            levels.set_scales(scales);
            levels.tick(now);
        }
    }

    /// Adds one worker's part; `node` knows the key of a worker's row of a node.
    pub fn add<'a>(&mut self, part: &Part, node: impl Fn(u32) -> &'a [u8]) {
        if !part.full {
            return;
        }
        let seed = &self.seed;
        let hash = |key: &[u8]| {
            let mut hasher = seed.build_hasher();
            hasher.write(key);
            hasher.finish()
        };
        for (number, dimension) in Dimension::LARGE.into_iter().enumerate() {
            let large = &part.large[dimension as usize];
            let (before, levels) = self.levels.split_at_mut(number);
            let Some(levels) = levels.first_mut() else { continue };
            if large.restarts {
                levels.forget(part.worker);
            }
            large.keys.iter().for_each(|key| levels.learn(part.worker, key));
            let Room { order, name } = &mut self.room;
            let deltas = &large.deltas;
            if let Kind::Pair([first, second]) = dimension.kind() {
                // Their rows came in this part or before.
                let key = |of: Dimension, row: u32| match of {
                    Dimension::Status => Either::Code(i64::from(row).to_le_bytes()),
                    Dimension::Node => Either::Key(node(row)),
                    _ => Either::Key(before[of as usize].key(part.worker, row)),
                };
                add(levels, large, &part.large_slots, order, |naming, number| {
                    let delta = &deltas[number as usize];
                    join([key(first, delta.row).bytes(), key(second, delta.other).bytes()], name);
                    naming.name(name, hash(name))
                });
            } else {
                add(levels, large, &part.large_slots, order, |naming, number| {
                    naming.row(part.worker, deltas[number as usize].row, hash)
                });
            }
            levels.settle(part.worker);
            levels.gave_up(large.dropped, part.crowded);
        }
    }

    /// A tick is over: copies made before are out of date if it was a full one.
    pub fn tick(&mut self, tick: u64, now: u64, full: bool) {
        self.shrink();
        if full {
            self.rises = true;
            self.tick = (tick, now);
            self.copies.iter_mut().for_each(|copy| *copy = None);
        }
    }

    fn shrink(&mut self) {
        if std::mem::take(&mut self.rises) {
            shrink_to(&mut self.levels, self.water);
        }
    }

    /// A large dimension as of the last full tick, or that which it is made of; `None` for a small one.
    pub fn large(&mut self, dimension: Dimension) -> Option<Arc<Large>> {
        let number = Dimension::LARGE.into_iter().position(|large| large == dimension.counted())?;
        let (tick, as_of) = self.tick;
        let make = || {
            let kept = self.levels[number].freeze();
            Arc::new(Large {
                dimension: dimension.counted(),
                tick,
                as_of,
                started: self.started,
                is_timed: self.is_timed,
                kept,
                tables: Default::default(),
                derived: Mutex::default(),
            })
        };
        Some(self.copies[number].get_or_insert_with(make).clone())
    }

    /// The raw key of a worker's row of a dimension with keys of its own, which came in its last part or before.
    pub fn key(&self, dimension: Dimension, worker: usize, row: u32) -> &[u8] {
        self.levels[dimension as usize].key(worker, row)
    }

    /// How many keys a dimension has, and whether that is exact; `None` for a small one.
    pub fn keys(&self, dimension: Dimension) -> Option<(u64, bool)> {
        let number = Dimension::LARGE.into_iter().position(|large| large == dimension)?;
        let levels = &self.levels[number];
        Some((levels.len() as u64, levels.cuts() == Cuts::default()))
    }

    /// What a dimension gave up for want of room; `None` for a small one.
    pub fn bounds(&self, dimension: Dimension) -> Option<Bounds> {
        let number = Dimension::LARGE.into_iter().position(|large| large == dimension)?;
        Some(Bounds { cuts: self.levels[number].cuts(), error: self.levels[number].error() })
    }

    /// Bytes of all tables.
    pub fn bytes(&self) -> u64 {
        self.levels.iter().map(Levels::bytes).sum::<usize>() as u64
    }
}

enum Either<'a> {
    Key(&'a [u8]),
    Code([u8; 8]),
}

impl Either<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Key(key) => key,
            Self::Code(code) => code,
        }
    }
}

/// Adds what a worker had in each slot of one dimension. `name` knows what a delta of that number is called; `order` is room.
fn add(
    levels: &mut Levels,
    part: &LargePart,
    slots: &[Slot],
    order: &mut Vec<u32>,
    mut name: impl FnMut(&mut Naming, u32) -> u32,
) {
    order.clear();
    order.extend(0..part.deltas.len() as u32);
    // Of most parts, all but a few are of two or three slots.
    order.sort_by_key(|&number| part.deltas[number as usize].slot);
    let mut rest = &order[..];
    for (number, slot) in slots.iter().enumerate() {
        let end = rest.partition_point(|&delta| part.deltas[delta as usize].slot as usize == number);
        let (of_slot, others) = rest.split_at(end);
        rest = others;
        // By rising number, as the errors are.
        let mut errors = &part.errors[..];
        let rows = of_slot.iter().map(move |&number| {
            let before = errors.iter().take_while(|(with, _)| *with < number).count();
            errors = &errors[before..];
            let error = errors.first().filter(|(with, _)| *with == number).map_or(Loss::NONE, |(_, error)| *error);
            Row { id: number, counts: part.counts(number), error }
        });
        let lost = part.lost.get(number).copied().unwrap_or_default();
        if !of_slot.is_empty() || lost != Lost::default() {
            levels.add(*slot, rows, &lost.rest, &lost.absent, &mut name);
        }
    }
}

/// One large dimension at one full tick: tables of all windows can be made of it, and of what is a function of it; each is made once.
#[derive(Debug, Default)]
pub struct Large {
    /// Whose.
    pub dimension: Dimension,
    /// The full tick.
    pub tick: u64,
    /// When that was.
    pub as_of: u64,
    started: u64,
    is_timed: bool,
    kept: Kept,
    tables: [OnceLock<Arc<Table>>; Window::ALL.len()],
    derived: Mutex<Vec<Arc<Table>>>,
}

impl Large {
    /// The table of a window; `None` if it isn't kept. Takes some milliseconds for each 10 000 keys, the first time. `dimension` is its own,
    /// or one that is made of it.
    ///
    /// The table of an interval is made each time.
    pub fn table(&self, dimension: Dimension, period: impl Into<Period>) -> Option<Arc<Table>> {
        let period = period.into();
        if period != Window::Total.into() && !self.is_timed {
            return None;
        }
        let window = match period {
            Period::Window(window) => window,
            Period::Between(from, to) => {
                let sum = self.kept.between(from, to, self.as_of);
                return Some(self.derived(self.table_of(&sum, period), dimension));
            }
        };
        let table = self.tables[window as usize].get_or_init(|| {
            let sum = self.kept.window(level(window), self.as_of);
            Arc::new(self.table_of(&sum, period))
        });
        if dimension == table.dimension {
            return Some(table.clone());
        }
        // Made under the lock, so that two who ask at once don't both make it.
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        let known = derived.iter().find(|known| known.dimension == dimension && known.covered.period == period);
        if let Some(known) = known {
            return Some(known.clone());
        }
        let made = Arc::new(super::derived::table(table, dimension));
        derived.push(made.clone());
        Some(made)
    }

    /// The table of the time of equal length before a period: of whole buckets, none of which is in both. `None` for since the start, and
    /// where nothing is kept of then.
    pub fn table_before(&self, dimension: Dimension, period: Period) -> Option<Arc<Table>> {
        if !self.is_timed {
            return None;
        }
        let sum = match period {
            Period::Window(window) => self.kept.window_before(level(window), self.as_of)?,
            Period::Between(from, to) => self.kept.before_between(from, to, self.as_of),
        };
        if sum.total.is_empty() {
            return None;
        }
        let interval = Period::Between(sum.from, sum.from + (sum.seconds * 1000.0) as u64);
        Some(self.derived(self.table_of(&sum, interval), dimension))
    }

    /// One key by bucket of a period: raw, of its own dimension or one that is made of it. `None` if that isn't kept.
    pub fn series(&self, dimension: Dimension, key: &[u8], period: Period) -> Option<KeySeries> {
        if !self.is_timed {
            return None;
        }
        let is_derived = dimension != self.dimension;
        let derived = RefCell::new(Vec::new());
        let wanted = |raw: &[u8]| {
            if !is_derived {
                return raw == key;
            }
            let mut derived = derived.borrow_mut();
            derive(dimension, raw, &mut derived);
            *derived == key
        };
        let mut series = match period {
            Period::Window(window) => self.kept.series(level(window), self.as_of, wanted),
            Period::Between(from, to) => self.kept.series_between(from, to, self.as_of, wanted),
        };
        if is_derived {
            // Any number of keys without a row may be of this one.
            for point in &mut series.points {
                point.error = point.error.plus(&Scales::default().loss(&point.rest));
            }
        }
        Some(series)
    }

    /// That table, or the one of a dimension that is made of it.
    fn derived(&self, table: Table, dimension: Dimension) -> Arc<Table> {
        Arc::new(if dimension == table.dimension { table } else { super::derived::table(&table, dimension) })
    }

    /// A dimension of which that table is all windows.
    #[cfg(test)]
    pub(crate) fn of(table: Arc<Table>) -> Self {
        let large = Self {
            dimension: table.dimension,
            tick: table.tick,
            as_of: table.as_of,
            is_timed: true,
            ..Self::default()
        };
        // They were empty until now.
        large.tables.iter().for_each(|made| drop(made.set(table.clone())));
        large
    }

    fn table_of(&self, sum: &windowed::Window, period: Period) -> Table {
        let covered = match period {
            Period::Window(Window::Total) => Covered::since_start(self.started, self.as_of),
            _ => Covered { period, from: sum.from, seconds: sum.seconds },
        };
        let mut names = Names::default();
        for row in &sum.rows {
            names.push(sum.key(row));
        }
        let rows: Vec<Counts> = sum.rows.iter().map(|row| row.counts).collect();
        Table {
            dimension: self.dimension,
            tick: self.tick,
            as_of: self.as_of,
            covered,
            keys: if self.dimension.pair().is_some() { Keys::Pairs(names) } else { Keys::Names(names) },
            refused: sum.other(&sum.rows),
            errors: if sum.is_exact() { Vec::new() } else { sum.rows.iter().map(|row| row.loss()).collect() },
            rows,
            total: sum.total,
            absent: Vec::new(),
            misses: !sum.is_exact(),
        }
    }
}

fn level(window: Window) -> Level {
    match window {
        Window::Total => Level::Start,
        Window::Minute => Level::Minute,
        Window::TenMinutes => Level::TenMinutes,
        Window::Hour => Level::Hour,
        Window::Day => Level::Day,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::delta::Knife;
    use crate::tally::slotted::Slotted;

    /// A part of URLs that nobody had before, in one slot; of the deltas only the half with the most requests is left if it is `cut`.
    fn part(first: u64, count: u64, slot: Slot, cut: bool) -> Part {
        let mut part = Part { full: true, large_slots: vec![slot], ..Part::default() };
        let mut table = Slotted::new(Seed::default(), if cut { count as usize } else { 4 * count as usize });
        for n in 0..count {
            let row = table.row(format!("http://example.com/{}", first + n).as_bytes());
            table.merge(row, 0, &Counts { requests: [0, 0, 1 + n % 40, 0, 0], ..Counts::default() });
        }
        if cut {
            table.cut(&mut Knife::default());
        }
        table.hand_over(&mut part.large[Dimension::Url as usize]);
        part.large[Dimension::Url as usize].restarts = true;
        part
    }

    #[test]
    fn closed_buckets_are_cut_in_the_tick_behind_a_full_one() {
        const WATER: usize = 1_000_000;
        let caps = Caps { water: WATER, ..Caps::new(256 << 20, 1) };
        let mut larges = Larges::new(&caps, 1, &Seed::default(), 0, true);
        let closed = |larges: &Larges| larges.levels.iter().map(Levels::closed_bytes).sum::<usize>();
        let (mut total, mut rose) = (Counts::default(), 0);
        for tick in 1..=100 {
            let now = 1_000 * tick;
            larges.advance(now, &total);
            let part = part(500 * tick, 500, Slot::of(now, now), false);
            part.large[Dimension::Url as usize].deltas().for_each(|(_, counts)| total.merge(&counts));
            larges.add(&part, |_| &[]);
            larges.tick(2 * tick, now, true);
            rose += usize::from(closed(&larges) > WATER);
            // Every third full tick comes at once behind the one before.
            if tick % 3 != 0 {
                larges.tick(2 * tick + 1, now, false);
                assert!(closed(&larges) <= WATER, "{} bytes at {tick}", closed(&larges));
            }
            let large = larges.large(Dimension::Url).unwrap();
            assert_eq!(large.table(Dimension::Url, Window::Total).unwrap().total, total);
        }
        assert!(rose > 0 && larges.bounds(Dimension::Url).unwrap().cuts.closed_rows > 0);
        larges.advance(101_000, &total);
        larges.tick(202, 101_000, true);
        // As before a full tick that comes at once.
        larges.advance(101_000, &total);
        assert!(closed(&larges) <= WATER);
    }

    #[test]
    fn of_what_a_worker_had_cut_only_what_stands_out_is_named() {
        let mut larges = Larges::new(&Caps::new(256 << 20, 1), 1, &Seed::default(), 0, true);
        larges.advance(1_000, &Counts::default());
        let part = part(0, 4_000, Slot::of(1_000, 1_000), true);
        larges.add(&part, |_| &[]);
        larges.tick(1, 1_000, true);
        // Half of the keys are in the part, those with more than 20 requests: they stand out.
        let table = larges.large(Dimension::Url).unwrap().table(Dimension::Url, Window::Minute).unwrap();
        assert_eq!((table.rows.len(), larges.levels[Dimension::Url as usize].len()), (2_000, 2_000));
        assert_eq!(table.total.all_requests(), (0..4_000).map(|n| 1 + n % 40).sum::<u64>());
        // Then some that come twice, where one that is dropped may have come 40 times.
        let mut more = part;
        let large = &mut more.large[Dimension::Url as usize];
        large.keys.clear();
        large.deltas.clear();
        let mut table = Slotted::new(Seed::default(), 100);
        for n in 0..50 {
            let row = table.row(format!("{n}").as_bytes());
            table.merge(row, 0, &Counts { requests: [0, 0, if n < 10 { 30 } else { 2 }, 0, 0], ..Counts::default() });
        }
        let lost = std::mem::take(&mut large.lost);
        table.hand_over(large);
        (large.lost, large.restarts) = (lost, true);
        larges.add(&more, |_| &[]);
        assert_eq!(larges.levels[Dimension::Url as usize].len(), 2_010, "ten of fifty");
        // The others have no number, but are known by their keys.
        assert_eq!(larges.key(Dimension::Url, 0, 49), b"49");
    }
}
