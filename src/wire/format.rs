//! Formats: a field list becomes a decode plan, once, and is kept.
//!
//! A segment names its fields as a list of symbols. What each stores is known by its framing ([`super::fields`]), but the list alone
//! can be ambiguous: a writer keeps symbols in the list that it does not know and stores nothing for them, and some fields changed
//! their framing. Only the length test decides: after the last field the entry must be used up. So a format is a list of *readings*;
//! the first is the plain one, and others are looked for only when it fails.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use hashbrown::HashTable;

use super::era;
use super::fields::{self, Framing, Symbol, Term};
use super::layout::{EntryHeader, Layout};
use super::plan::Plan;
use super::reading::{Reading, Source};
use super::segment::{RawEntry, Segment};
use super::value::walk;

/// The most symbols that a field list may have.
pub const SYMBOLS_MAX: usize = 1024;

/// The longest symbol that is read.
pub const SYMBOL_LEN_MAX: usize = 1024;

/// So often a format whose readings all failed is tried anew, and then each time that twice as many segments have failed: a hostile sender
/// can't buy much work, nor take the search from an honest one.
const SEARCHES: u32 = 8;

/// Readings that are kept: a format has two or three honest ones; more come from somebody who plays.
const READINGS_MAX: usize = 8;

/// Entries that are looked at where readings that all fit are compared.
const SAMPLE: usize = 16;

/// Formats kept by one cache.
const FORMATS_MAX: usize = 256;

/// Bytes of field lists kept by one cache.
const FORMAT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A field list, read.
#[derive(Debug)]
pub struct Format {
    field_list: Box<str>,
    field_types: Option<Box<[u8]>>,
    layout: Layout,
    symbols: Vec<Symbol>,
    is_aggregate: bool,
    readings: RefCell<Vec<Rc<Plan>>>,
    preferred: Cell<usize>,
    /// One reading has been chosen among several.
    proven: Cell<bool>,
    /// The first reading is beyond doubt if it fits.
    is_sure: bool,
    /// Entries that must fit the first reading. The last term of a fallback is in few entries, so there it is all.
    tested: usize,
    searches: Cell<u32>,
    given_up: OnceCell<Option<Rc<Plan>>>,
}

/// Why a field list can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// More than [`SYMBOLS_MAX`] symbols.
    #[error("a field list of more than {SYMBOLS_MAX} symbols")]
    Symbols,
    /// A symbol longer than [`SYMBOL_LEN_MAX`].
    #[error("a symbol of more than {SYMBOL_LEN_MAX} bytes")]
    SymbolLen,
}

impl Format {
    /// Reads a field list and, for version 3, its type table, of segments in the usual layout.
    ///
    /// # Errors
    ///
    /// [`FormatError`] if the list is out of bounds.
    pub fn new(field_list: &str, field_types: Option<&[u8]>) -> Result<Self, FormatError> {
        Self::with_layout(field_list, field_types, Layout::USUAL)
    }

    /// The format of a segment.
    ///
    /// # Errors
    ///
    /// [`FormatError`] if the field list is out of bounds.
    pub fn of(segment: &Segment<'_>) -> Result<Self, FormatError> {
        Self::with_layout(segment.field_list(), segment.field_types(), segment.layout())
    }

    fn with_layout(field_list: &str, field_types: Option<&[u8]>, layout: Layout) -> Result<Self, FormatError> {
        let mut symbols = Vec::new();
        for text in field_list.split(',') {
            if symbols.len() == SYMBOLS_MAX {
                return Err(FormatError::Symbols);
            }
            if text.len() > SYMBOL_LEN_MAX {
                return Err(FormatError::SymbolLen);
            }
            symbols.push(fields::symbol(text));
        }
        let is_aggregate = symbols.contains(&Symbol::Aggregate);
        let (bases, is_sure) = Source { field_list, symbols: &symbols, field_types, layout }.bases();
        let plan = Plan::with_ints(field_list, &bases[0], layout.ints);
        let is_late = symbols.contains(&Symbol::Known(Framing::Fallback(Term::Pair)));
        let tested = if is_late { usize::MAX } else { 2 };
        Ok(Self {
            field_list: field_list.into(),
            field_types: field_types.map(Into::into),
            layout,
            symbols,
            is_aggregate,
            readings: RefCell::new(vec![Rc::new(plan)]),
            preferred: Cell::new(0),
            proven: Cell::new(false),
            is_sure,
            tested,
            searches: Cell::new(0),
            given_up: OnceCell::new(),
        })
    }

    /// Symbols joined by `,`.
    pub fn field_list(&self) -> &str {
        &self.field_list
    }

    /// True if entries are sums over transactions, not transactions.
    pub fn is_aggregate(&self) -> bool {
        self.is_aggregate
    }

    /// How the format's segments store their integers.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Is this the format of that segment?
    #[inline]
    pub fn is_of(&self, segment: &Segment<'_>) -> bool {
        *self.field_list == *segment.field_list()
            && self.field_types.as_deref() == segment.field_types()
            && self.layout == segment.layout()
    }

    /// The plan that fits the segment's entries: the last one that did, if it still fits the first entry; otherwise the reading that
    /// fits all entries, or else the one that fits most.
    pub fn plan(&self, segment: &Segment<'_>) -> Rc<Plan> {
        let preferred = self.readings.borrow()[self.preferred.get()].clone();
        let Some(first) = segment.entries().next() else {
            return preferred;
        };
        // A reading of the first fields alone fits much, also what damage has changed: a whole one goes before it.
        if self.fits(&preferred, &first)
            && !self.is_partial(self.preferred.get())
            && (self.proven.get()
                || self.is_sure && segment.entries().take(self.tested).all(|entry| self.fits(&preferred, &entry)))
        {
            return preferred;
        }
        self.search(segment)
    }

    /// Is that kept reading one of which only the first fields are known?
    #[inline]
    fn is_partial(&self, at: usize) -> bool {
        at > 0 && self.readings.borrow()[at].framings().contains(&Framing::Rest)
    }

    /// Is that a reading of the entry? Until 3.1.1 several could come out at its end, but only one makes sense.
    #[inline]
    fn fits(&self, plan: &Plan, entry: &RawEntry<'_>) -> bool {
        plan.fits(entry.payload) && (self.layout.entries == EntryHeader::E16 || self.makes_sense(plan, entry))
    }

    fn makes_sense(&self, plan: &Plan, entry: &RawEntry<'_>) -> bool {
        era::sense(&self.field_list, plan.framings(), plan.ints(), entry.payload).wrong == 0
    }

    fn source(&self) -> Source<'_> {
        Source {
            field_list: &self.field_list,
            symbols: &self.symbols,
            field_types: self.field_types.as_deref(),
            layout: self.layout,
        }
    }

    /// Tries other readings: first those that were right before, then the likeliest.
    #[cold]
    fn search(&self, segment: &Segment<'_>) -> Rc<Plan> {
        if self.proven.get() || self.is_sure {
            let readings = self.readings.borrow();
            let (partial, whole): (Vec<usize>, Vec<usize>) = (0..readings.len()).partition(|at| self.is_partial(*at));
            let fits_all = |at: &usize| segment.entries().all(|entry| self.fits(&readings[*at], &entry));
            if let Some(at) = whole.into_iter().chain(partial).find(fits_all) {
                self.preferred.set(at);
                self.proven.set(true);
                return readings[at].clone();
            }
        }
        let failed = self.searches.get().saturating_add(1);
        self.searches.set(failed);
        if failed <= SEARCHES || failed.is_power_of_two() {
            let source = self.source();
            let bases = source.bases().0;
            let tiers = std::iter::once(bases.clone()).chain(source.tiers(&bases));
            for tier in tiers {
                let plans = tier.iter().map(|reading| Plan::with_ints(&self.field_list, reading, self.layout.ints));
                let fitting = plans.filter(|plan| segment.entries().all(|entry| self.fits(plan, &entry))).collect();
                if let Some(plan) = self.choose(fitting, segment) {
                    return self.keep(plan);
                }
            }
        }
        // A writer that knows more than we do: what stands before the first unknown symbol is still right.
        let readings = self.readings.borrow();
        let count = |at: &usize| segment.entries().filter(|entry| self.fits(&readings[*at], entry)).count();
        // Of several that fit equally many the first.
        let best = (0..readings.len()).rev().max_by_key(count).unwrap_or(0);
        if count(&best) == 0
            && let Some(part) = self.given_up.get_or_init(|| {
                let reading = self.source().known_part()?;
                Some(Rc::new(Plan::with_ints(&self.field_list, &reading, self.layout.ints)))
            })
        {
            return part.clone();
        }
        readings[best].clone()
    }

    /// The reading that is right among those that fit: the one that makes sense; of several, what they agree in.
    fn choose(&self, mut fitting: Vec<Plan>, segment: &Segment<'_>) -> Option<Plan> {
        let sensible = |plan: &Plan| segment.entries().take(SAMPLE).all(|entry| self.makes_sense(plan, &entry));
        if fitting.len() > 1 && fitting.iter().any(sensible) {
            fitting.retain(sensible);
        }
        let (first, others) = fitting.split_first()?;
        let agreed = others.iter().map(|other| self.agreed(first, other, segment)).min();
        match agreed {
            Some(agreed) if agreed < self.symbols.len() => {
                let mut reading: Reading = first.framings().to_vec();
                reading[agreed..].fill(Framing::Rest);
                Some(Plan::with_ints(&self.field_list, &reading, self.layout.ints))
            }
            _ => Some(first.clone()),
        }
    }

    /// How many symbols, from the first one on, have their values in the same places in both readings.
    fn agreed(&self, one: &Plan, other: &Plan, segment: &Segment<'_>) -> usize {
        let places = |plan: &Plan, entry: &RawEntry<'_>| {
            let (mut at, mut places) = (0, Vec::new());
            let whole = walk(plan.framings(), entry.payload, plan.ints(), |_, _, value| {
                places.push((value.len(), at));
                at += value.len();
            });
            whole.map(|()| places)
        };
        let agreed = segment.entries().take(SAMPLE).filter_map(|entry| {
            let (one, other) = (places(one, &entry)?, places(other, &entry)?);
            one.iter().zip(&other).position(|(one, other)| one != other)
        });
        agreed.min().unwrap_or(self.symbols.len())
    }

    fn keep(&self, plan: Plan) -> Rc<Plan> {
        let plan = Rc::new(plan);
        let mut readings = self.readings.borrow_mut();
        if readings.len() == READINGS_MAX {
            readings.truncate(1);
        }
        self.preferred.set(readings.len());
        self.proven.set(true);
        self.searches.set(0);
        readings.push(plan.clone());
        plan
    }
}

/// Formats by field list, bounded.
#[derive(Debug, Default)]
pub struct Formats {
    hasher: foldhash::fast::RandomState,
    table: HashTable<Rc<Format>>,
    bytes: usize,
}

impl Formats {
    /// The format of a segment, made if it is new. A full cache forgets all: honest clusters have a handful.
    ///
    /// # Errors
    ///
    /// [`FormatError`] if the field list is out of bounds.
    pub fn of(&mut self, segment: &Segment<'_>) -> Result<Rc<Format>, FormatError> {
        let hash = |list: &str| std::hash::BuildHasher::hash_one(&self.hasher, list);
        let hash_of_list = hash(segment.field_list());
        if let Some(found) = self.table.find(hash_of_list, |format| format.is_of(segment)) {
            return Ok(found.clone());
        }
        let format = Rc::new(Format::of(segment)?);
        if self.table.len() >= FORMATS_MAX || self.bytes >= FORMAT_BYTES_MAX {
            self.table.clear();
            self.bytes = 0;
        }
        self.bytes += segment.field_list().len();
        self.table.insert_unique(hash_of_list, format.clone(), |format| hash(format.field_list()));
        Ok(format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_lists_are_bounded() {
        assert_eq!(Format::new(&"a,".repeat(1024), None).unwrap_err(), FormatError::Symbols);
        assert_eq!(Format::new(&"a".repeat(1025), None).unwrap_err(), FormatError::SymbolLen);
        assert!(Format::new(&"a,".repeat(1023), None).is_ok());
    }

    use super::super::encode::{Header, SegmentWriter, Value};
    use Framing::{Absent, Int, Ip, Pair, Rest, Text};

    /// What the fields of these entries are read as.
    fn framings(field_list: &str, entries: &[&[Value<'_>]]) -> (Vec<Framing>, usize) {
        let header = Header { field_list: field_list.as_bytes(), padding: *b"PaDdInGs", ..Header::default() };
        let mut writer = SegmentWriter::new(&header, 0);
        entries.iter().for_each(|values| writer.push(1, 0, values).unwrap());
        let segment = Segment::parse(writer.finish(2)).unwrap();
        let plan = Format::of(&segment).unwrap().plan(&segment);
        let fitting = segment.entries().filter(|entry| plan.fits(entry.payload)).count();
        (plan.framings().to_vec(), fitting)
    }

    #[test]
    fn what_a_writer_stored_is_found_out() {
        let long = Value::Text(b"www.example.com");
        let (get, version) = (Value::Text(b"GET"), Value::Text(b"1.1"));
        let v4 = Value::Ip(Some([192, 0, 2, 1].into()));
        type Case<'a> = (&'a str, &'a str, &'a [&'a [Value<'a>]], &'a [Framing], usize);
        let cases: &[Case<'_>] = &[
            (
                "7.1 knows pqsn",
                "cqhm,phr,pqsn,pssc",
                &[&[get, Value::Int(50), long, Value::Int(200)]],
                &[Text, Int, Text, Int],
                1,
            ),
            (
                "8.1 does not",
                "cqhm,phr,pqsn,pssc",
                &[&[get, Value::Int(50), Value::Int(200)]],
                &[Text, Int, Absent, Int],
                1,
            ),
            ("11-dev's versions", "sshv,csshv,pssc", &[&[version, version, Value::Int(200)]], &[Text, Text, Int], 1),
            ("a typo", "nosuch,pssc,cqhm", &[&[Value::Int(200), get]], &[Absent, Int, Text], 1),
            ("a plugin's integer", "pssc,plug,chi", &[&[Value::Int(200), Value::Int(7), v4]], &[Int, Int, Ip], 1),
            (
                "a plugin's text",
                "pssc,plug,chi",
                &[&[Value::Int(200), long, v4], &[Value::Int(404), long, v4]],
                &[Int, Text, Ip],
                2,
            ),
            ("a plugin's pair", "pssc,plug,chi", &[&[Value::Int(200), Value::Pair(1, 0), v4]], &[Int, Pair, Ip], 1),
            (
                "two unknown ones, told apart by the status between them",
                "one,pssc,two",
                &[&[Value::Int(12_345), Value::Int(200)]],
                &[Int, Int, Absent],
                1,
            ),
            (
                "two unknown ones that nothing tells apart",
                "cqhm,one,psql,two",
                &[&[get, Value::Int(5), Value::Int(6)]],
                &[Text, Rest, Rest, Rest],
                1,
            ),
            (
                "a form that we don't know",
                "pssc,plug,chi",
                &[&[Value::Int(200), Value::Raw(&[0xff; 40]), v4]],
                &[Int, Rest, Rest],
                1,
            ),
            (
                "a damaged entry among good ones",
                "pssc,nosuch,cqhm",
                &[&[Value::Int(200), get], &[Value::Int(200), get, get], &[Value::Int(200), get]],
                &[Int, Absent, Text],
                2,
            ),
        ];
        for (name, list, entries, expected, fitting) in cases {
            assert_eq!(framings(list, entries), (expected.to_vec(), *fitting), "{name}");
        }
    }

    /// One segment with these entries.
    fn segment(field_list: &str, entries: &[&[Value<'_>]]) -> Vec<u8> {
        let header = Header { field_list: field_list.as_bytes(), padding: *b"PaDdInGs", ..Header::default() };
        let mut writer = SegmentWriter::new(&header, 0);
        entries.iter().for_each(|values| writer.push(1, 0, values).unwrap());
        writer.finish(2).to_vec()
    }

    #[test]
    fn a_damaged_segment_changes_nothing_for_those_behind_it() {
        let list = "cqhm,psql,cqcl,pqcl,tts,crc";
        let ints = |count: usize| [&[Value::Text(b"GET")][..], &vec![Value::Int(7); count]].concat();
        let (good, short) = (segment(list, &[&ints(5), &ints(5)]), segment(list, &[&ints(4)]));
        let format = Format::of(&Segment::parse(&good).unwrap()).unwrap();
        let plan = |bytes: &[u8]| format.plan(&Segment::parse(bytes).unwrap()).framings().to_vec();
        let whole = [&[Text][..], &[Int; 5]].concat();
        assert_eq!(plan(&good), whole);
        let damaged = plan(&short);
        assert!(damaged.contains(&Rest), "it could be read in several ways: {damaged:?}");
        assert_eq!(plan(&good), whole);
    }

    #[test]
    fn segments_that_nobody_can_read_do_not_end_the_search_for_others() {
        let list = "pssc,nosuch,cqhm";
        let bad = segment(list, &[&[Value::Int(200), Value::Raw(&[0xff; 40])]]);
        let good = segment(list, &[&[Value::Int(200), Value::Int(1), Value::Text(b"GET")]]);
        let format = Format::of(&Segment::parse(&good).unwrap()).unwrap();
        let plan = |bytes: &[u8]| format.plan(&Segment::parse(bytes).unwrap()).framings().to_vec();
        for _ in 0..100 {
            plan(&bad);
        }
        let tries = (0..200).position(|_| plan(&good) == [Int, Int, Text]);
        assert!(tries.is_some());
    }

    #[test]
    fn formats_are_told_apart_by_their_layout() {
        let mut formats = Formats::default();
        let layouts = [Layout::USUAL, Layout { entries: EntryHeader::E24, ..Layout::USUAL }];
        let plans = layouts.map(|layout| {
            let header = Header { layout, field_list: b"chi,pssc", ..Header::default() };
            let mut writer = SegmentWriter::new(&header, 0);
            let client = match layout.entries {
                EntryHeader::E16 => Value::Ip(Some([192, 0, 2, 1].into())),
                _ => Value::Text(b"192.0.2.1"),
            };
            writer.push(1, 0, &[client, Value::Int(200)]).unwrap();
            let segment = Segment::parse(writer.finish(2)).unwrap();
            formats.of(&segment).unwrap().plan(&segment).framings().to_vec()
        });
        assert_eq!(plans, [[Ip, Int], [Text, Int]]);
        assert_eq!(formats.table.len(), 2);
    }
}
