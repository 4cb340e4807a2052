//! Cuts bytes at the ends of segments, however they come, and keeps the account of what is none.

use std::ops::Range;

use super::Damage;
use crate::wire::resync::{Found, Scanner};

/// Cuts one input.
#[derive(Debug)]
pub(in crate::source) struct Cuts {
    scanner: Scanner,
    /// Bytes skipped, as long as more may join them.
    skipped: Option<Damage>,
    /// Begun in the middle: what comes before the first segment is the rest of one that was there before.
    is_inside: bool,
}

/// What one piece of an input holds.
#[derive(Debug)]
pub(in crate::source) struct Cut {
    /// Where in the piece each segment lies.
    pub segments: Vec<Range<usize>>,
    /// What was skipped before the last of them, and not told of before.
    pub damage: Vec<Damage>,
    /// Bytes that are told of; the others must stand before the next piece.
    pub used: usize,
    /// Bytes that it takes to go on.
    pub needed: usize,
}

impl Cuts {
    /// An input that this scanner looks at; it stands in the middle if it is not at the start.
    pub fn new(scanner: Scanner) -> Self {
        Self { is_inside: scanner.offset() > 0, scanner, skipped: None }
    }

    /// Byte offset in the input of the next piece.
    pub fn offset(&self) -> u64 {
        self.scanner.offset()
    }

    /// Cuts what is there, which begins where the last piece was used up; `is_end` if nothing comes behind it.
    pub fn cut(&mut self, bytes: &[u8], is_end: bool) -> Cut {
        let mut cut = Cut { segments: Vec::new(), damage: Vec::new(), used: 0, needed: 0 };
        loop {
            let offset = self.scanner.offset();
            match self.scanner.next(&bytes[cut.used..], is_end) {
                Found::Segment { framing, len } => {
                    cut.damage.extend(self.skipped.take());
                    cut.segments.push(cut.used + framing..cut.used + framing + len);
                    self.is_inside = false;
                    cut.used += framing + len;
                }
                Found::Skip(len) => {
                    if !self.is_inside {
                        self.skipped.get_or_insert(Damage { offset, len: 0, cut: false }).len += len as u64;
                    }
                    cut.used += len;
                }
                Found::Cut(len) => {
                    cut.damage.extend(self.skipped.take());
                    cut.damage.push(Damage { offset, len: len as u64, cut: true });
                    cut.used += len;
                }
                Found::Need(needed) => {
                    cut.needed = needed;
                    return cut;
                }
                Found::End => {
                    cut.damage.extend(self.skipped.take());
                    return cut;
                }
            }
        }
    }
}
