//! A worker's share of the numbers: all tables, fed segment by segment, emptied part by part.

mod intake;

use std::hash::BuildHasher;

pub use intake::Counted;

use super::Dimension;
use super::batch::{BATCH, Pending};
use super::caps::Caps;
use super::classify::{code, is_icp, is_negative};
use super::combined::{Combination, Combined};
use super::counts::{Counts, Entries, Increment};
use super::filter;
use super::large::{LargeTables, Place, Rows};
use super::link::Wanted;
use super::live::LiveFilters;
use super::logs::Log;
use super::matcher;
use super::part::Part;
use super::profile::Cells;
use super::quality::{Examples, Received};
use super::recent::Recent;
use super::records::Taker;
use super::rejected::{Amount, Cause, Rejected};
use super::reuse::Sampler;
use super::rules::{HostFrom, Rules};
use super::slots::Slots;
use super::standing::Standings;
use super::table::{Aliases, Coded, Keyed, REFUSED, Seed};
use super::windowed::Slot;
use crate::wire::plan::{Fields, Has, Number, Text};
use crate::wire::url;

/// Content types whose meaning is remembered.
const ALIASES: usize = 16 * 1024;

/// Which statistics are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statistics {
    /// The tables of what is counted since the start.
    Base,
    /// Windows too, and the sample of URLs.
    #[default]
    All,
}

/// All tables of one worker.
#[derive(Debug)]
pub struct Shard {
    worker: usize,
    rules: Rules,
    total: Counts,
    entries: Entries,
    rejected: Rejected,
    stream_bytes: u64,
    large: LargeTables,
    /// Log object and fields of the entries at hand.
    format: Vec<u8>,
    /// Rows of users, servers and extensions that entries had lately.
    recent: [Recent; 3],
    results: Coded,
    statuses: Coded,
    methods: Keyed,
    /// Rows of methods that entries had lately.
    method_rows: Recent,
    types: Keyed,
    routes: Coded,
    nodes: Keyed,
    standings: Standings,
    combined: Combined,
    slots: Slots,
    cells: Cells,
    is_timed: bool,
    sampler: Sampler,
    taker: Taker,
    /// What the current segment has had in the current slot.
    sum: Counts,
    /// What came of the node at hand since the last arrival, and what was odd in it.
    received: Received,
    examples: Examples,
    type_rows: Aliases<u32>,
    scratch: Vec<u8>,
    batch: Vec<Pending>,
    filters: LiveFilters,
    caps: Caps,
    seed: Seed,
}

impl Shard {
    /// Empty tables for one worker. `seed` is the process's.
    pub fn new(worker: usize, caps: &Caps, seed: &Seed) -> Self {
        let cap = |dimension: Dimension| caps.worker_rows[dimension as usize];
        let keyed = |dimension| Keyed::new(seed.clone(), cap(dimension));
        let coded = |dimension| Coded::new(seed.clone(), cap(dimension));
        Self {
            worker,
            rules: Rules::default(),
            total: Counts::default(),
            entries: Entries::default(),
            rejected: Rejected::default(),
            stream_bytes: 0,
            large: LargeTables::new(caps, seed),
            format: Vec::new(),
            recent: Default::default(),
            results: coded(Dimension::Result),
            statuses: coded(Dimension::Status),
            methods: keyed(Dimension::Method),
            method_rows: Recent::default(),
            types: keyed(Dimension::Type),
            routes: coded(Dimension::Route),
            nodes: keyed(Dimension::Node),
            standings: Standings::default(),
            combined: Combined::new(seed.clone()),
            slots: Slots::default(),
            cells: Cells::new(caps.worker_cells),
            is_timed: true,
            sampler: Sampler::new(caps.sampled_urls),
            taker: Taker::new(worker, seed.hash_one(worker)),
            sum: Counts::default(),
            received: Received::default(),
            examples: Examples::default(),
            type_rows: Aliases::new(seed.clone(), ALIASES.min(cap(Dimension::Type))),
            scratch: Vec::new(),
            batch: Vec::with_capacity(BATCH),
            filters: LiveFilters::default(),
            caps: *caps,
            seed: seed.clone(),
        }
    }

    /// Says what is kept.
    #[must_use]
    pub fn with_statistics(mut self, statistics: Statistics) -> Self {
        self.slots = match statistics {
            Statistics::Base => Slots::of_no_time(),
            Statistics::All => Slots::default(),
        };
        self.is_timed = statistics == Statistics::All;
        if !self.is_timed {
            self.large.keep_base();
            self.sample_below(0);
            self.taker.stop();
            self.cells.stop();
        }
        self
    }

    /// Lowers the threshold below which hashes of URLs are sampled; 0: none is.
    pub fn sample_below(&mut self, threshold: u64) {
        self.sampler.lower(threshold);
    }

    /// Says what counts.
    #[must_use]
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        if self.rules.mask.is_some() {
            // An entry as it came has its client's address, wherever its format has one.
            self.taker.stop();
        }
        self
    }

    /// The row of a node behind a connection; [`REFUSED`] if there is no room for another.
    pub fn node(&mut self, name: &[u8], address: &str) -> u32 {
        self.scratch.clear();
        self.scratch.extend_from_slice(name);
        self.scratch.push(b'@');
        self.scratch.extend_from_slice(address.as_bytes());
        let row = self.nodes.row(&self.scratch);
        self.filters.node(&self.scratch);
        self.standings.know(row);
        row
    }

    /// The row of a node whose log is read from a file; all files of one name are one node.
    pub fn file_node(&mut self, name: &[u8], path: &str) -> u32 {
        let row = self.node(name, "file");
        self.standings.read_from(row, path);
        row
    }

    /// A connection begins (or stops) to speak for a node.
    pub fn node_connection(&mut self, node: u32, opened: bool) {
        self.standings.change(node, |update| {
            update.connections = if opened { update.connections + 1 } else { update.connections.saturating_sub(1) };
        });
    }

    /// A log object of a node, seen on a connection for the first time: its file's name, and its format: the version of its segments
    /// (`None`: lines) and their field list.
    pub fn node_log(&mut self, node: u32, file_name: &[u8], version: Option<u32>, field_list: &str) {
        let log = Log::new(file_name, version, field_list, self.rules.count(file_name));
        self.standings.write(node, log);
    }

    /// Bytes were read.
    pub fn read(&mut self, bytes: usize) {
        self.stream_bytes += bytes as u64;
    }

    /// Something was turned away, of that node if it is known.
    pub fn reject(&mut self, cause: Cause, amount: &Amount, node: Option<u32>) {
        self.rejected.add(cause, amount);
        if let Some(node) = node {
            self.standings.change(node, |update| update.rejected.add(cause, amount));
        }
    }

    /// Counts an entry of that time (ms) whose fields are read, with its batch.
    #[inline]
    fn transaction(&mut self, has: Has, fields: &Fields<'_>, time: u64, node: u32, entries: &mut Entries) {
        if is_icp(has, fields) {
            entries.icp += 1;
            return;
        }
        entries.requests += 1;
        if !self.filters.is_empty() {
            self.filter(has, fields, time, node);
        }
        if !self.slots.is_current(time) {
            self.end_slot(node);
            if !self.slots.enter(time) {
                self.record_batch();
                self.slots.open();
            }
            self.large.enter(if self.is_timed { self.slots.keyed(time) } else { Slot::START });
        }
        self.look_up(has, fields, time, node);
        if self.batch.len() == BATCH {
            self.record_batch();
        }
    }

    /// Entries that come now arrive `now` (ms since the epoch).
    fn begin(&mut self, now: u64) {
        self.slots.begin(now);
        self.filters.begin(now, &self.format);
    }

    /// The entries of a node that came together are over.
    fn end(&mut self, node: u32) {
        self.end_slot(node);
        self.filters.end(node);
    }

    /// Counts an entry in the tables of each filter that takes it.
    #[inline(never)]
    fn filter(&mut self, has: Has, fields: &Fields<'_>, time: u64, node: u32) {
        let node_key = if node == REFUSED { &[] } else { self.nodes.key(node) };
        let entry = matcher::Entry { has, fields, node: node_key, format: &self.format, rules: &self.rules };
        self.filters.see(&entry, time, node);
    }

    /// Counts these filters from `now` (ms since the epoch) on, those that are counted already without a break, and no others.
    pub fn set_filters(&mut self, wanted: &[Wanted], now: u64) {
        let Self { filters, nodes, .. } = self;
        filters.set(wanted, now, &self.seed, || {
            let statistics = if self.is_timed { Statistics::All } else { Statistics::Base };
            let shard = Self::new(self.worker, &filter::caps(&self.caps), &self.seed);
            let mut shard = shard.with_rules(self.rules.clone()).with_statistics(statistics);
            shard.sample_below(0);
            // Records are kept of all entries, and found by what filters take.
            shard.taker.stop();
            for row in 0..nodes.len() as u32 {
                shard.nodes.row(nodes.key(row));
            }
            shard
        });
    }

    /// Adds what the segment has had so far, which is of one node and one slot.
    pub(super) fn end_slot(&mut self, node: u32) {
        let sum = std::mem::take(&mut self.sum);
        if !sum.is_empty() {
            self.total.merge(&sum);
            self.nodes.merge(node, &sum);
            self.slots.node(node, &sum);
            self.large.merge(Dimension::Format, &self.format, &sum);
            if self.slots.is_late() {
                self.received.late_dropped += sum.all_requests();
            }
        }
    }

    /// Says what a transaction adds, and finds its rows in every table but the nodes', to be counted with its batch.
    #[inline]
    fn look_up(&mut self, has: Has, fields: &Fields<'_>, time: u64, node: u32) {
        let code = |number| code(has, fields, number);
        let combination = Combination {
            result: code(Number::Result),
            status: code(Number::Status),
            route: code(Number::Route),
            method: has.has_text(Text::Method).then(|| self.method(fields.text(Text::Method))),
            content_type: has.has_text(Text::ContentType).then(|| self.content_type(fields.text(Text::ContentType))),
        };
        let known = self.combined.know(&combination);
        let (number, verdict) = (known.number(), known.verdict);
        if verdict.is_unknown || is_negative(fields) {
            self.odd(has, fields);
        }
        let increment = verdict.increment(has, fields);
        self.sum.record(&increment);
        self.taker.see(increment);
        if number.is_none() {
            // Copies: what is only looked at in registers needs no place in memory.
            self.one_by_one(&{ combination }, &{ increment });
        }
        let mut rows = Rows { node, slot: self.large.slot(), ..Rows::NONE };
        // Without the pairs of statuses, hosts need not be counted by them either.
        if self.is_timed {
            rows.status = combination.status.and_then(|code| u32::try_from(code).ok()).unwrap_or(REFUSED);
        }
        if has.has_client() {
            let address = fields.client().map(|address| self.rules.mask.map_or(address, |mask| mask.of(address)));
            if let Some((row, hash)) = self.large.find_or_stage_client(self.batch.len(), address) {
                rows.keyed[Dimension::Client as usize] = row;
                self.slots.client(self.slots.current(), row, hash);
            }
        }
        let follows = self.is_timed && self.look_up_more(has, fields, time, &increment, &mut rows);
        if !follows {
            let Place { host, site } = self.large.place(matcher::authority(&self.rules, has, fields));
            rows.keyed[Dimension::Host as usize] = host;
            rows.keyed[Dimension::Site as usize] = site;
        }
        self.batch.push(Pending { increment, rows, combination: number, slot: self.slots.current() });
    }

    /// Finds the rows of what is not kept with `--statistics base`. True if host and site follow from the URL, once it is looked up.
    #[inline]
    fn look_up_more(
        &mut self,
        has: Has,
        fields: &Fields<'_>,
        time: u64,
        increment: &Increment,
        rows: &mut Rows,
    ) -> bool {
        let Self { large, recent: [users, servers, extensions], .. } = self;
        let row_of =
            |large: &mut LargeTables, dimension, key: &[u8]| large.row(dimension, if key == b"-" { &[] } else { key });
        let mut follows = false;
        if has.has_text(Text::Url) {
            let url = fields.text(Text::Url);
            let key = url::key(url, &mut self.scratch);
            let hash = large.stage_url(self.batch.len(), if key == b"-" { &[] } else { key });
            self.sampler.see(has, fields, hash, time, increment);
            let method = if has.has_text(Text::Method) { fields.text(Text::Method) } else { &[] };
            let is_asked_for = self.rules.host_from == HostFrom::Client && has.has_text(Text::Host);
            follows = !is_asked_for && LargeTables::says_all(url, key, method);
            if !follows {
                let mut lower = [0; 8];
                let extension = url::extension(url, method, &mut lower);
                rows.keyed[Dimension::Extension as usize] =
                    extensions.row(extension, || large.row(Dimension::Extension, extension));
            }
        }
        if has.has_text(Text::User) {
            let key = fields.text(Text::User);
            rows.keyed[Dimension::User as usize] = users.row(key, || row_of(large, Dimension::User, key));
        }
        if has.has_text(Text::Server) {
            let key = fields.text(Text::Server);
            rows.keyed[Dimension::Server as usize] = servers.row(key, || row_of(large, Dimension::Server, key));
        }
        follows
    }

    /// Finds the rows of the batch's clients and URLs, and counts its transactions, table by table.
    fn record_batch(&mut self) {
        let Self { large, slots, batch, cells, combined, .. } = self;
        large.look_up(batch, |entry, hash| {
            slots.client(entry.slot, entry.rows.keyed[Dimension::Client as usize], hash);
        });
        large.record(batch);
        for entry in &*batch {
            slots.record(entry.slot, entry.combination, &entry.increment);
        }
        cells.record(batch, combined);
        batch.clear();
        if large.is_full() {
            self.cut();
        }
    }

    /// Makes room in the large tables; no entry's rows may be at hand.
    #[cold]
    fn cut(&mut self) {
        for (dimension, map) in self.large.cut(&self.total) {
            self.cells.renumber(dimension, &map);
        }
        self.recent.iter_mut().for_each(Recent::clear);
        self.slots.forget_clients();
    }

    /// A combination that is not kept.
    #[cold]
    fn one_by_one(&mut self, combination: &Combination, increment: &Increment) {
        let mut counts = Counts::default();
        counts.record(increment);
        self.add(combination, &counts);
    }

    /// Adds to the tables of the small dimensions.
    fn add(&mut self, combination: &Combination, counts: &Counts) {
        if let Some(code) = combination.result {
            self.results.merge(code, counts);
        }
        if let Some(code) = combination.status {
            self.statuses.merge(code, counts);
        }
        if let Some(code) = combination.route {
            self.routes.merge(code, counts);
        }
        if let Some(row) = combination.method {
            self.methods.merge(row, counts);
        }
        if let Some(row) = combination.content_type {
            self.types.merge(row, counts);
        }
    }

    /// The row of a content type.
    #[inline]
    fn content_type(&mut self, raw: &[u8]) -> u32 {
        let (types, scratch) = (&mut self.types, &mut self.scratch);
        self.type_rows.get(raw, || type_row(types, scratch, raw))
    }

    /// The row of a method.
    #[inline]
    fn method(&mut self, method: &[u8]) -> u32 {
        let Self { methods, method_rows, .. } = self;
        method_rows.row(method, || methods.row(if method == b"-" { &[] } else { method }))
    }

    /// Were there so many slots since the last part that further ones may soon have no room? A reader of files can hand over first.
    pub fn is_crowded(&self) -> bool {
        self.slots.is_crowded()
    }

    /// Moves what was counted since the last part into `part`, which is cleared. Large dimensions only if `full`.
    pub fn hand_over(&mut self, part: &mut Part, tick: u64, full: bool) {
        self.record_batch();
        part.worker = self.worker;
        part.tick = tick;
        part.full = full;
        part.total = std::mem::take(&mut self.total);
        part.entries = std::mem::take(&mut self.entries);
        part.rejected = std::mem::take(&mut self.rejected);
        part.stream_bytes = std::mem::take(&mut self.stream_bytes);
        part.table_bytes = self.bytes() as u64;
        self.slots.drain(|number| self.combined.combination(number), |slot| part.slots.push(slot));
        for (combination, counts) in part.slots.iter().flat_map(|slot| &slot.combinations) {
            self.add(combination, counts);
        }
        self.sampler.hand_over(&mut part.samples);
        self.taker.hand_over(&mut part.taken);
        (part.ahead, part.late) = self.slots.take_odd();
        self.results.hand_over(&mut part.tables[Dimension::Result as usize]);
        self.statuses.hand_over(&mut part.tables[Dimension::Status as usize]);
        self.routes.hand_over(&mut part.tables[Dimension::Route as usize]);
        self.nodes.hand_over(&mut part.tables[Dimension::Node as usize]);
        self.standings.hand_over(&mut part.nodes);
        self.methods.hand_over(&mut part.tables[Dimension::Method as usize]);
        self.types.hand_over(&mut part.tables[Dimension::Type as usize]);
        if full {
            self.large.hand_over(part);
            part.cells_lost = self.cells.hand_over(&self.combined, &mut part.cells);
            // Slots have new numbers: the next entry has to go to its own anew.
            self.slots.leave();
            if self.combined.is_full() {
                // Those of now may be others than those of a flood before.
                self.combined.forget();
                self.cells.forget_combinations();
            }
        }
        self.filters.hand_over(part, tick, full);
    }

    /// What comes now arrives `now` (ms since the epoch), in that format; for the tables of a filter.
    pub(super) fn begin_filtered(&mut self, now: u64, format: &[u8]) {
        self.slots.begin(now);
        self.format.clear();
        self.format.extend_from_slice(format);
    }

    /// Counts an entry that a filter takes.
    pub(super) fn see_filtered(&mut self, has: Has, fields: &Fields<'_>, time: u64, node: u32) {
        let mut entries = Entries::default();
        self.transaction(has, fields, time, node, &mut entries);
        self.entries.merge(&entries);
    }

    /// The tables of filters have the same rows of nodes as those of all entries.
    pub(super) fn know_node(&mut self, key: &[u8]) {
        self.nodes.row(key);
    }

    /// Bytes of all tables.
    pub fn bytes(&self) -> usize {
        let keyed = [&self.methods, &self.types, &self.nodes];
        let coded = [&self.results, &self.statuses, &self.routes];
        keyed.iter().map(|table| table.bytes()).sum::<usize>()
            + coded.iter().map(|table| table.bytes()).sum::<usize>()
            + self.large.bytes()
            + self.combined.bytes()
            + self.slots.bytes()
            + self.cells.bytes()
            + self.sampler.bytes()
            + self.taker.bytes()
            + self.type_rows.bytes()
    }
}

/// The row of a content type: without parameters, in lower case.
fn type_row(types: &mut Keyed, scratch: &mut Vec<u8>, raw: &[u8]) -> u32 {
    matcher::media_type(raw, scratch);
    types.row(if scratch == b"-" { &[] } else { scratch })
}
