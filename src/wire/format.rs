//! Formats: a field list becomes a decode plan, once, and is kept.
//!
//! A segment names its fields as a list of symbols. What each stores is known by its framing ([`super::fields`]), but the list alone
//! can be ambiguous: a writer keeps symbols in the list that it does not know and stores nothing for them, and some fields changed
//! their framing. Only the length test decides: after the last field the entry must be used up. So a format is a list of *readings*;
//! the first is the plain one, and others are looked for only when it fails.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hashbrown::HashTable;

use super::bytes::{align8, i64_at, text_len};
use super::fields::{self, Framing, Symbol, Term};
use super::plan::Plan;
use super::segment::Segment;

/// The most symbols that a field list may have.
pub const SYMBOLS_MAX: usize = 1024;

/// The longest symbol that is read.
pub const SYMBOL_LEN_MAX: usize = 1024;

/// The most readings that are tried for one format before it is given up until the next segment of another kind.
const READINGS_MAX: usize = 512;

/// How often a format whose readings all failed is tried anew; a hostile sender can't buy more work than this.
const SEARCHES_MAX: u32 = 8;

/// Symbols of which more than one framing is tried.
const VARIABLE_MAX: usize = 16;

/// Formats kept by one cache.
const FORMATS_MAX: usize = 256;

/// Bytes of field lists kept by one cache.
const FORMAT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A field list, read.
#[derive(Debug)]
pub struct Format {
    field_list: Box<str>,
    field_types: Option<Box<[u8]>>,
    symbols: Vec<Symbol>,
    is_aggregate: bool,
    readings: RefCell<Vec<Rc<Plan>>>,
    preferred: Cell<usize>,
    proven: Cell<bool>,
    searches: Cell<u32>,
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
    /// Reads a field list and, for version 3, its type table.
    ///
    /// # Errors
    ///
    /// [`FormatError`] if the list is out of bounds.
    pub fn new(field_list: &str, field_types: Option<&[u8]>) -> Result<Self, FormatError> {
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
        let format = Self {
            field_list: field_list.into(),
            field_types: field_types.map(Into::into),
            symbols,
            is_aggregate,
            readings: RefCell::default(),
            preferred: Cell::new(0),
            proven: Cell::new(false),
            searches: Cell::new(0),
        };
        let plain = format.plain();
        let plan = Plan::new(&format.field_list, &plain);
        format.readings.borrow_mut().push(Rc::new(plan));
        Ok(format)
    }

    /// Symbols joined by `,`.
    pub fn field_list(&self) -> &str {
        &self.field_list
    }

    /// True if entries are sums over transactions, not transactions.
    pub fn is_aggregate(&self) -> bool {
        self.is_aggregate
    }

    /// Is this the format of that segment?
    #[inline]
    pub fn is_of(&self, segment: &Segment<'_>) -> bool {
        *self.field_list == *segment.field_list() && self.field_types.as_deref() == segment.field_types()
    }

    /// The plan that fits the segment's entries: the last one that did, if it still fits the first entry; otherwise the reading that
    /// fits all entries, or else the one that fits most.
    pub fn plan(&self, segment: &Segment<'_>) -> Rc<Plan> {
        let preferred = self.readings.borrow()[self.preferred.get()].clone();
        let Some(first) = segment.entries().next() else {
            return preferred;
        };
        if preferred.fits(first.payload) && (self.proven.get() || fitting(&preferred, segment, 2).1) {
            return preferred;
        }
        self.search(segment)
    }

    /// The framing of each symbol in the plain reading: known fields as they are, unknown ones by the type table or as nothing.
    fn plain(&self) -> Vec<Framing> {
        let stored = self.symbols.iter().filter(|symbol| **symbol != Symbol::Unknown).count();
        let types = self.field_types.as_deref().unwrap_or_default();
        // The table has one code for each stored field; symbols that the writer did not know have none.
        let all_stored = types.len() == self.symbols.len() && stored < self.symbols.len();
        // HTTP versions are texts since 11-dev, which shows in those that are fields of their own.
        let mut codes = types.iter();
        let mut versions_are_texts = false;
        for symbol in &self.symbols {
            let code = if *symbol == Symbol::Unknown && !all_stored { None } else { codes.next() };
            versions_are_texts |=
                *symbol == Symbol::Known(Framing::Pair) && code.is_some_and(|code| by_type(*code) == Framing::Text);
        }
        self.symbols
            .iter()
            .enumerate()
            .map(|(at, symbol)| match symbol {
                Symbol::Known(Framing::Pair) if versions_are_texts => Framing::Text,
                Symbol::Known(Framing::Fallback(Term::Pair)) if versions_are_texts => Framing::Fallback(Term::Text),
                Symbol::Known(framing) => *framing,
                Symbol::Aggregate => Framing::Int,
                Symbol::Unknown if all_stored => by_type(types[at]),
                Symbol::Unknown => Framing::Absent,
            })
            .collect()
    }

    /// Tries other readings: first those that differ least from the plain one.
    fn search(&self, segment: &Segment<'_>) -> Rc<Plan> {
        let mut best = (0, 0);
        for (at, plan) in self.readings.borrow().iter().enumerate() {
            let (count, all) = fitting(plan, segment, usize::MAX);
            if all {
                self.preferred.set(at);
                self.proven.set(true);
                return plan.clone();
            }
            if count > best.0 {
                best = (count, at);
            }
        }
        if self.searches.get() < SEARCHES_MAX {
            self.searches.set(self.searches.get() + 1);
            for framings in self.alternatives() {
                let plan = Plan::new(&self.field_list, &framings);
                if fitting(&plan, segment, usize::MAX).1 {
                    let plan = Rc::new(plan);
                    let mut readings = self.readings.borrow_mut();
                    self.preferred.set(readings.len());
                    self.proven.set(true);
                    self.searches.set(0);
                    // A format has two or three honest readings; more come from somebody who plays.
                    if readings.len() == 8 {
                        readings.truncate(1);
                        self.preferred.set(1);
                    }
                    readings.push(plan.clone());
                    return plan;
                }
            }
        }
        self.readings.borrow()[best.1].clone()
    }

    /// Readings in the order in which they are tried: one symbol read otherwise, then two, then all unknown ones.
    fn alternatives(&self) -> Vec<Vec<Framing>> {
        let plain = self.plain();
        let choices: Vec<(usize, Vec<Framing>)> = self
            .symbols
            .iter()
            .enumerate()
            .filter_map(|(at, symbol)| {
                let others: Vec<Framing> = others(*symbol, plain[at]);
                (!others.is_empty()).then_some((at, others))
            })
            .collect();
        // Unknown and variable ones first, then those that a newer or older writer may not know.
        let mut order: Vec<usize> = (0..choices.len()).collect();
        order.sort_by_key(|&choice| std::cmp::Reverse(choices[choice].1.len()));
        let mut all = Vec::new();
        let mut push = |changes: &[(usize, Framing)]| {
            if all.len() < READINGS_MAX {
                let mut reading = plain.clone();
                for (at, framing) in changes {
                    reading[*at] = *framing;
                }
                all.push(reading);
            }
        };
        for &one in &order {
            for &framing in &choices[one].1 {
                push(&[(choices[one].0, framing)]);
            }
        }
        let few = &order[..order.len().min(VARIABLE_MAX)];
        for (i, &one) in few.iter().enumerate() {
            for &other in &few[i + 1..] {
                for &a in &choices[one].1 {
                    for &b in &choices[other].1 {
                        push(&[(choices[one].0, a), (choices[other].0, b)]);
                    }
                }
            }
        }
        all
    }
}

/// What else a symbol may have stored.
fn others(symbol: Symbol, plain: Framing) -> Vec<Framing> {
    match (symbol, plain) {
        (Symbol::Unknown, _) => [Framing::Absent, Framing::Int, Framing::Text, Framing::Ip, Framing::Pair]
            .into_iter()
            .filter(|f| *f != plain)
            .collect(),
        (Symbol::Known(Framing::Pair), _) => vec![Framing::Text, Framing::Absent],
        (Symbol::Known(Framing::Fallback(Term::Pair)), _) => {
            vec![Framing::Fallback(Term::Text), Framing::Absent]
        }
        (Symbol::Known(_), _) => vec![Framing::Absent],
        (Symbol::Aggregate, _) => vec![],
    }
}

/// Framing by the code of a version 3 type table.
fn by_type(code: u8) -> Framing {
    match code {
        1 => Framing::Int,
        2 => Framing::Pair,
        3 => Framing::Text,
        4 => Framing::Ip,
        _ => Framing::Absent,
    }
}

/// How many of the first `most` entries the plan fits, and whether it fits all of these.
fn fitting(plan: &Plan, segment: &Segment<'_>, most: usize) -> (usize, bool) {
    let (mut count, mut all) = (0, true);
    for entry in segment.entries().take(most) {
        if plan.fits(entry.payload) {
            count += 1;
        } else {
            all = false;
        }
    }
    (count, all)
}

/// Where the value of each symbol lies in an entry: the plain, slow walk, which the tests hold the plan against.
///
/// Calls `each` with the number of the symbol, its framing, and its bytes. `None` if the values do not come out at the entry's end.
pub fn walk<'a>(framings: &[Framing], payload: &'a [u8], mut each: impl FnMut(usize, Framing, &'a [u8])) -> Option<()> {
    let mut at = 0;
    for (number, framing) in framings.iter().enumerate() {
        let rest = payload.get(at..)?;
        let len = stored_len(*framing, rest)?;
        each(number, *framing, rest.get(..len)?);
        at += len;
    }
    (at == payload.len()).then_some(())
}

/// Bytes that a value takes at the start of `bytes`, its padding included.
pub fn stored_len(framing: Framing, bytes: &[u8]) -> Option<usize> {
    let len = match framing {
        Framing::Absent => 0,
        Framing::Int => 8,
        Framing::Pair => 16,
        Framing::Record => 32,
        Framing::Text => align8(text_len(bytes)? + 1),
        Framing::Ip => ip_len(bytes)?,
        Framing::List => list_len(bytes)?,
        Framing::Request => {
            let method = stored_len(Framing::Text, bytes)?;
            method + stored_len(Framing::Text, bytes.get(method..)?)? + 16
        }
        Framing::Fallback(term) => {
            let selector = i64_at(bytes, 0)?;
            let rest = bytes.get(8..)?;
            let framing = match (selector, term) {
                (-2, Term::Int) => Framing::Int,
                (-2, Term::Pair) => Framing::Pair,
                (-2, Term::Ip) => Framing::Ip,
                _ => Framing::Text,
            };
            8 + stored_len(framing, rest)?
        }
    };
    (len <= bytes.len()).then_some(len)
}

/// Bytes of an address value, by its family: none and IPv4 8, IPv6 24 (10 on Linux, 28 on FreeBSD, 30 on macOS), Unix sockets 112.
#[inline]
pub fn ip_len(bytes: &[u8]) -> Option<usize> {
    let family = u16::from_le_bytes(*bytes.first_chunk()?);
    Some(match family {
        10 | 28 | 30 => 24,
        1 => 112,
        _ => 8,
    })
}

/// Bytes of a header list. An empty value is an empty string, so the end is looked for only where a name would start.
pub fn list_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while *bytes.get(at)? != 0 {
        at += text_len(bytes.get(at..)?)? + 1;
        at += text_len(bytes.get(at..)?)? + 1;
    }
    Some(align8(at + 1))
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
        let format = Rc::new(Format::new(segment.field_list(), segment.field_types())?);
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

    #[test]
    fn stored_lengths_follow_the_framing() {
        let cases: &[(&str, Framing, &[u8], Option<usize>)] = &[
            ("text", Framing::Text, b"GET\0xxxx", Some(8)),
            ("text of 8", Framing::Text, b"12345678\0xxxxxxx", Some(16)),
            ("text without NUL", Framing::Text, b"12345678", None),
            ("text whose padding is cut", Framing::Text, b"12345678\0xxx", None),
            ("no address", Framing::Ip, &[0; 8], Some(8)),
            ("IPv4", Framing::Ip, &[2, 0, 9, 9, 127, 0, 0, 1], Some(8)),
            ("IPv6 cut", Framing::Ip, &[10; 8], Some(8)),
            ("half an address", Framing::Ip, &[2, 0, 9], None),
            ("empty list", Framing::List, &[0; 8], Some(8)),
            ("list with an empty value", Framing::List, b"Age\0\0Via\0x\0\0xxxx", Some(16)),
            ("list without end", Framing::List, b"Age\0\0Via\0x\0", None),
            ("record", Framing::Record, &[7; 32], Some(32)),
            ("record cut", Framing::Record, &[7; 24], None),
            ("fallback to a header", Framing::Fallback(Term::Ip), b"\0\0\0\0\0\0\0\0abc\0xxxx", Some(16)),
            (
                "fallback to the last term",
                Framing::Fallback(Term::Int),
                &[0xfe, 255, 255, 255, 255, 255, 255, 255, 1, 1, 1, 1, 1, 1, 1, 1],
                Some(16),
            ),
            ("request", Framing::Request, b"GET\0....a/b\0....1.......1.......", Some(32)),
        ];
        for (name, framing, bytes, expected) in cases {
            assert_eq!(stored_len(*framing, bytes), *expected, "{name}");
        }
        let mut v6 = [0; 24];
        v6[0] = 10;
        assert_eq!((stored_len(Framing::Ip, &v6), stored_len(Framing::Ip, &v6[..16])), (Some(24), None));
    }
}
