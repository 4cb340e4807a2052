//! A worker's live filters: each has tables of its own for the entries that it takes.

use super::link::Wanted;
use super::matcher::{Entry, Matcher};
use super::part::{FilterPart, Part};
use super::shard::Shard;
use super::table::Seed;

#[derive(Debug)]
struct Live {
    id: u64,
    since: u64,
    matcher: Matcher,
    shard: Shard,
}

/// All of them.
#[derive(Debug, Default)]
pub struct LiveFilters(Vec<Live>);

impl LiveFilters {
    /// True if nobody filters.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts these from `now` (ms since the epoch) on, those that are counted already without a break, and no others.
    pub fn set(&mut self, wanted: &[Wanted], now: u64, seed: &Seed, make: impl Fn() -> Shard) {
        if self.0.iter().map(|live| live.id).eq(wanted.iter().map(|wanted| wanted.id)) {
            return;
        }
        self.0.retain(|live| wanted.iter().any(|wanted| wanted.id == live.id));
        for wanted in wanted {
            if !self.0.iter().any(|live| live.id == wanted.id) {
                let matcher = Matcher::new((*wanted.filter).clone(), seed);
                self.0.push(Live { id: wanted.id, since: now, matcher, shard: make() });
            }
        }
    }

    /// There is a node with that raw key.
    pub fn node(&mut self, key: &[u8]) {
        self.0.iter_mut().for_each(|live| live.shard.know_node(key));
    }

    /// Entries of that format come, which arrive `now`.
    pub fn begin(&mut self, now: u64, format: &[u8]) {
        self.0.iter_mut().for_each(|live| live.shard.begin_filtered(now, format));
    }

    /// Counts an entry of that time (ms) and node for each filter that takes it.
    pub fn see(&mut self, entry: &Entry<'_, '_>, time: u64, node: u32) {
        for live in &mut self.0 {
            if live.matcher.takes(entry) {
                live.shard.see_filtered(entry.has, entry.fields, time, node);
            }
        }
    }

    /// The entries of a node that came together are over.
    pub fn end(&mut self, node: u32) {
        self.0.iter_mut().for_each(|live| live.shard.end_slot(node));
    }

    /// Moves what was counted into the parts of filters that go with `part`.
    pub fn hand_over(&mut self, part: &mut Part, tick: u64, full: bool) {
        let mut spare = std::mem::take(&mut part.spare).into_iter();
        for live in &mut self.0 {
            let mut of_filter = spare.next().unwrap_or_default();
            live.shard.hand_over(&mut of_filter, tick, full);
            of_filter.table_bytes += live.matcher.bytes() as u64;
            part.filters.push(FilterPart { id: live.id, since: live.since, part: of_filter });
        }
    }
}
