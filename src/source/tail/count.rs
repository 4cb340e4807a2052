//! What happens with the bytes of a file that is followed: whole segments are counted, what is none is turned away.

use crate::source::session::{Session, Shared};
use crate::tally::Cause;
use crate::tally::rejected::Amount;
use crate::wire::resync::{Found, Scanner};
use crate::wire::segment::claimed_entries;

/// Takes the bytes of one file, as they come. (Text lines are the other way; they need their own scanner.)
#[derive(Debug)]
pub enum Counter {
    /// Segments.
    Segments(Segments),
}

/// What was done with bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Took {
    /// Bytes used up.
    pub used: usize,
    /// Bytes needed to go on, in all.
    pub needed: usize,
    /// Damage that ended: where it began, and how long it was.
    pub skipped: Vec<(u64, u64)>,
}

impl Counter {
    /// For a binary log that is read from `offset` on, which may be inside a segment.
    pub fn segments(segment_max: usize, offset: u64, is_inside: bool) -> Self {
        let scanner = Scanner::live(segment_max);
        let scanner = if is_inside { scanner.inside() } else { scanner };
        Self::Segments(Segments { segment_max, scanner, at: offset, skipping: None, is_entering: is_inside })
    }

    /// Takes what is whole at the start of `bytes`, which were read `now` (ms since the epoch); all of it if nothing will follow.
    pub fn take(&mut self, bytes: &[u8], is_end: bool, session: &mut Session, shared: &mut Shared, now: u64) -> Took {
        match self {
            Self::Segments(segments) => segments.take(bytes, is_end, session, shared, now),
        }
    }

    /// There is no room for what these bytes begin: they are turned away, and so is what follows, up to the next segment.
    pub fn give_up(&mut self, bytes: &[u8], session: &mut Session, shared: &mut Shared) {
        match self {
            Self::Segments(segments) => {
                let amount = Amount {
                    segments: 1,
                    entries: claimed_entries(bytes, bytes.len()),
                    bytes: bytes.len() as u64,
                    connections: 0,
                };
                session.reject(Cause::Limit, &amount, shared);
                segments.at += bytes.len() as u64;
                segments.scanner = Scanner::live(segments.segment_max).inside();
                segments.is_entering = true;
            }
        }
    }
}

/// Finds and counts segments.
#[derive(Debug)]
pub struct Segments {
    segment_max: usize,
    scanner: Scanner,
    /// Offset in the file.
    at: u64,
    /// Where the damage at hand began.
    skipping: Option<u64>,
    /// What comes before the first segment is the end of one that was begun before: no damage.
    is_entering: bool,
}

impl Segments {
    fn take(&mut self, bytes: &[u8], is_end: bool, session: &mut Session, shared: &mut Shared, now: u64) -> Took {
        let mut took = Took::default();
        loop {
            let rest = &bytes[took.used..];
            let used = match self.scanner.next(rest, is_end) {
                Found::Segment(range) => {
                    took.skipped.extend(self.end_damage());
                    self.is_entering = false;
                    // A file goes on after any number of dropped segments: nobody is on the other side who could mend it.
                    session.segment(&rest[range.clone()], shared, now);
                    range.end
                }
                Found::Secret(len) => len,
                Found::Skip(len) => {
                    self.damage(len, session, shared);
                    len
                }
                Found::Cut(len) => {
                    took.skipped.extend(self.end_damage());
                    let entries = claimed_entries(rest, len);
                    let amount = Amount { segments: 1, entries, bytes: len as u64, connections: 0 };
                    session.reject(Cause::Cut, &amount, shared);
                    len
                }
                Found::Need(needed) => {
                    took.needed = needed;
                    return took;
                }
                Found::End => {
                    took.skipped.extend(self.end_damage());
                    return took;
                }
            };
            took.used += used;
            self.at += used as u64;
        }
    }

    fn damage(&mut self, len: usize, session: &mut Session, shared: &mut Shared) {
        if !self.is_entering {
            let segments = u64::from(self.skipping.is_none());
            let amount = Amount { segments, entries: 0, bytes: len as u64, connections: 0 };
            session.reject(Cause::Segment, &amount, shared);
            self.skipping.get_or_insert(self.at);
        }
    }

    fn end_damage(&mut self) -> Option<(u64, u64)> {
        self.skipping.take().map(|from| (from, self.at - from))
    }
}
