//! What comes in: segments and lines are walked, and their entries are counted one by one; what can't be read is counted by cause.

use super::Shard;
use crate::tally::quality::{Received, Times};
use crate::tally::{Dimension, Entries, duplicates, matcher};
use crate::wire::codes;
use crate::wire::format::Format;
use crate::wire::line::{Line, LinePlan};
use crate::wire::plan::{Fields, Has, Number};
use crate::wire::segment::Segment;

/// What became of one segment's entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Where they went.
    pub entries: Entries,
    /// Entries that were claimed but could not be walked, and the bytes they would be in.
    pub lost: (u64, u64),
}

impl Shard {
    /// A segment of a node is read from a file.
    pub fn read_from_file(&mut self, node: u32, segment: &[u8]) {
        self.standings.mark(node, duplicates::mark(segment));
    }

    /// Counts all entries of a segment that arrived `now` (ms since the epoch) from a node.
    pub fn segment(&mut self, segment: &Segment<'_>, format: &Format, node: u32, now: u64) -> Counted {
        self.segment_if(segment, format, node, now, |_, _, _| true)
    }

    /// The same, of those entries only that are `wanted`, which sees each that can be read, with its time (ms since the epoch).
    pub fn segment_if(
        &mut self,
        segment: &Segment<'_>,
        format: &Format,
        node: u32,
        now: u64,
        mut wanted: impl FnMut(Has, &Fields<'_>, u64) -> bool,
    ) -> Counted {
        let mut counted = Counted::default();
        let mut times = Times::new(now);
        let mut walk = segment.entries();
        if !self.rules.count(segment.file_name()) {
            for entry in walk.by_ref() {
                times.note(entry.time_ms());
                counted.entries.uncounted += 1;
            }
        } else if format.is_aggregate() {
            for entry in walk.by_ref() {
                times.note(entry.time_ms());
                counted.entries.aggregate += 1;
            }
        } else {
            self.set_format(segment.file_name(), format.field_list());
            let plan = format.plan(segment);
            let mut fields = Fields::default();
            self.begin(now);
            self.taker.begin(node, segment.entry_count());
            for entry in walk.by_ref() {
                let time = entry.time_ms();
                times.note(time);
                if plan.read_into(&mut fields, entry.ahead, entry.payload.len()) {
                    if wanted(plan.has(), &fields, time) {
                        self.transaction(plan.has(), &fields, time, node, &mut counted.entries);
                        if self.taker.wants() {
                            let place = self.large.place(matcher::authority(&self.rules, plan.has(), &fields));
                            let site = self.large.key(Dimension::Site, place.site);
                            self.taker.take(segment, &entry, node, site);
                        }
                    }
                } else {
                    counted.entries.bad += 1;
                    self.damaged(entry.payload);
                }
            }
            self.end(node);
        }
        counted.lost = walk.lost();
        self.received.segments = 1;
        self.received.bytes = segment.byte_count() as u64;
        self.arrived(node, &times, &counted.entries);
        counted
    }

    /// Says which log object and fields the entries to come are of.
    pub fn set_format(&mut self, log: &[u8], field_list: &str) {
        self.format.clear();
        if self.large.has(Dimension::Format) {
            matcher::push_format_key(&mut self.format, log, field_list);
        }
    }

    /// Counts lines of a text log of that name that arrived `now` (ms since the epoch) from a node.
    pub fn lines<'a>(
        &mut self,
        lines: impl Iterator<Item = Line<'a>>,
        plan: &LinePlan,
        file_name: &str,
        node: u32,
        now: u64,
    ) -> Counted {
        self.lines_if(lines, plan, file_name, node, now, |_, _, _| true)
    }

    /// The same, of those lines only that are `wanted`, which sees each that can be read, with its time (ms since the epoch).
    pub fn lines_if<'a>(
        &mut self,
        lines: impl Iterator<Item = Line<'a>>,
        plan: &LinePlan,
        file_name: &str,
        node: u32,
        now: u64,
        mut wanted: impl FnMut(Has, &Fields<'_>, u64) -> bool,
    ) -> Counted {
        let mut counted = Counted::default();
        let mut times = Times::new(now);
        let mut fields = Fields::default();
        let counts = self.rules.count(file_name.as_bytes());
        self.begin(now);
        for line in lines {
            let time = match line {
                Line::Whole(line) => {
                    self.received.bytes += line.len() as u64 + 1;
                    plan.read_into(&mut fields, line)
                }
                Line::Long => None,
            };
            match time {
                _ if !counts => counted.entries.uncounted += 1,
                None => {
                    counted.entries.bad += 1;
                    if let Line::Whole(line) = line {
                        self.damaged(line);
                    }
                }
                Some(_) if plan.is_aggregate() => counted.entries.aggregate += 1,
                // A format without times has nothing but the moment at which its lines come.
                Some(time) => {
                    let time = if time == 0 { now } else { time };
                    if wanted(plan.has(), &fields, time) {
                        self.transaction(plan.has(), &fields, time, node, &mut counted.entries);
                    }
                }
            }
            self.taker.skip();
            if let Some(time) = time.filter(|time| *time > 0) {
                times.note(time);
            }
        }
        if counted.entries != Entries::default() {
            self.end(node);
            self.arrived(node, &times, &counted.entries);
        }
        counted
    }

    /// Entries of a node arrived, of these times.
    fn arrived(&mut self, node: u32, times: &Times, entries: &Entries) {
        self.entries.merge(entries);
        let received = Received { entries: *entries, late: times.late, ..std::mem::take(&mut self.received) };
        let mut examples = std::mem::take(&mut self.examples);
        self.standings.arrived(node, times, &received, &examples);
        // Its room serves the next one.
        examples.clear();
        self.examples = examples;
    }

    /// Keeps an example of a damaged entry, where clients may be seen.
    #[cold]
    fn damaged(&mut self, entry: &[u8]) {
        if self.rules.mask.is_none() {
            self.examples.damaged(entry);
        }
    }

    /// Counts what is odd in an entry's fields.
    #[cold]
    pub(super) fn odd(&mut self, has: Has, fields: &Fields<'_>) {
        let negative = [Number::Bytes, Number::Time].map(|number| u64::from(fields.number(number) < 0));
        self.received.bad_fields += negative.iter().sum::<u64>();
        let code = |number| has.has_number(number).then(|| fields.number(number));
        if let Some(result) = code(Number::Result).filter(|code| !codes::is_known_result(*code)) {
            self.received.unknown_results += 1;
            self.examples.result = Some(result);
        }
        if let Some(route) = code(Number::Route).filter(|code| !codes::is_known_route(*code)) {
            self.received.unknown_routes += 1;
            self.examples.route = Some(route);
        }
    }
}
