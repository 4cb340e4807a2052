//! Where the values of an entry lie, by the framings of one reading.

use super::show::{Release, Show};
use crate::wire::bytes::{align8, text_len_ahead};
use crate::wire::fields::Framing;
use crate::wire::layout::Ints;
use crate::wire::segment::RawEntry;
use crate::wire::value::stored_len;

/// The symbols of a field list, in one reading.
#[derive(Clone, Debug)]
pub struct Columns {
    pub(super) columns: Vec<Column>,
    pub(super) release: Release,
    ints: Ints,
}

/// A symbol, and how its values are stored and shown.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub symbol: Box<str>,
    pub framing: Framing,
    pub show: Show,
    is_scheme: bool,
}

/// How the 8 bytes are stepped over that Traffic Server 7.1 to 9.2 stores too many behind the scheme `UNKNOWN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stepping {
    /// As its own readers: not at all, so that all later values of the entry are read 8 bytes too early.
    AsTrafficServer,
    /// Rightly, where the entry then comes out at its end.
    AsStored,
}

/// Whether an entry's values come out at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// They do.
    Whole,
    /// They don't, as a reader of Traffic Server reads 8 bytes too early in an entry that Traffic Server itself mis-encodes.
    MisEncoded,
    /// They don't.
    Damaged,
}

/// Where each value of an entry lies; reused from entry to entry.
#[derive(Clone, Debug, Default)]
pub struct Spans(Vec<(u32, u32)>);

impl Spans {
    /// Where a value begins, and its length.
    #[inline]
    pub(super) fn at(&self, column: usize) -> (usize, usize) {
        let (at, len) = self.0[column];
        (at as usize, len as usize)
    }

    /// The bytes of a value: of a text without its NUL, of others as stored. Empty if it isn't there.
    #[inline]
    pub(super) fn value<'a>(&self, column: usize, payload: &'a [u8]) -> &'a [u8] {
        let (at, len) = self.0[column];
        payload.get(at as usize..at as usize + len as usize).unwrap_or_default()
    }
}

impl Columns {
    /// The columns of a field list whose symbols store values in these framings, one for each symbol.
    pub fn new(field_list: &str, framings: &[Framing], ints: Ints, release: Release) -> Self {
        let column = |(symbol, framing): (&str, &Framing)| Column {
            symbol: symbol.into(),
            framing: *framing,
            show: Show::of(symbol, *framing, release),
            is_scheme: release == Release::Before10_2 && (symbol == "cqus" || symbol.starts_with("cqus[")),
        };
        Self { columns: field_list.split(',').zip(framings).map(column).collect(), release, ints }
    }

    /// All symbols.
    pub fn symbols(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| &*column.symbol)
    }

    /// Finds the values of an entry. Whatever it holds, no span reaches beyond its end; values for which nothing is left are empty.
    pub fn locate(&self, entry: &RawEntry<'_>, stepping: Stepping, spans: &mut Spans) -> Fit {
        let (fits, has_unknown) = self.walk(entry, stepping == Stepping::AsStored, spans);
        match (fits, has_unknown) {
            (true, _) => Fit::Whole,
            (false, false) => Fit::Damaged,
            (false, true) if stepping == Stepping::AsStored => match self.walk(entry, false, spans).0 {
                true => Fit::Whole,
                false => Fit::Damaged,
            },
            (false, true) => Fit::MisEncoded,
        }
    }

    /// Gives whether the values come out at the end, and whether there is the scheme `UNKNOWN` among them.
    #[inline]
    fn walk(&self, entry: &RawEntry<'_>, is_long_unknown: bool, spans: &mut Spans) -> (bool, bool) {
        let end = entry.payload.len();
        spans.0.clear();
        let (mut at, mut is_whole, mut has_unknown) = (0, true, false);
        for column in &self.columns {
            let left = end.saturating_sub(at);
            // The length that is shown, and that which is stored.
            let found = match column.framing {
                Framing::Absent => Some((0, 0)),
                Framing::Int => Some((8, 8)),
                Framing::Pair => Some((16, 16)),
                Framing::Record => Some((32, 32)),
                Framing::Text => entry
                    .ahead
                    .get(at..)
                    .and_then(|rest| text_len_ahead(rest, left))
                    .filter(|&len| len < left)
                    .map(|len| (len, align8(len + 1))),
                framing => {
                    entry.payload.get(at..).and_then(|rest| stored_len(framing, rest, self.ints)).map(|len| (len, len))
                }
            };
            let (mut shown, mut stored) = match found {
                Some(found) if found.1 <= left => found,
                // A text whose NUL lies beyond the entry ends with it, and of anything else nothing is shown.
                _ => {
                    is_whole = false;
                    (if column.framing == Framing::Text { left } else { 0 }, left)
                }
            };
            if column.is_scheme && entry.payload.get(at..at + shown) == Some(b"UNKNOWN") {
                has_unknown = true;
                if is_long_unknown && at + stored + 8 <= end {
                    stored += 8;
                }
            }
            shown = shown.min(left);
            spans.0.push((at as u32, shown as u32));
            at += stored;
        }
        (is_whole && at == end, has_unknown)
    }
}
