//! What reads bring, one after another, becomes blocks of whole segments.
//!
//! A block is the bytes of one read, and behind them as much of the next read as its last segment needs: only that is copied. The next block
//! begins with all of its read, and its segments behind what the block before took.

use std::ops::Range;

use super::{Block, Buffers, CHUNK, Damage};
use crate::wire::resync::{Found, Scanner};

/// Puts blocks together.
#[derive(Debug)]
pub struct Assembler {
    scanner: Scanner,
    buffers: Buffers,
    index: u64,
    /// The block at hand: its bytes, where they begin in the input, and how far they are told apart.
    bytes: Vec<u8>,
    offset: u64,
    at: usize,
    segments: Vec<Range<usize>>,
    damage: Vec<Damage>,
    /// Damage that may go on.
    open: Option<Damage>,
    /// Where in the input the next read begins.
    end: u64,
}

impl Assembler {
    /// For an input from its first byte, or from where `scanner` enters it, which is `offset`.
    pub fn new(scanner: Scanner, offset: u64, buffers: Buffers) -> Self {
        Self {
            scanner,
            buffers,
            index: 0,
            bytes: Vec::new(),
            offset,
            at: 0,
            segments: Vec::new(),
            damage: Vec::new(),
            open: None,
            end: offset,
        }
    }

    /// The first byte of the input that has not been pushed.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The first byte of the input that is not told apart.
    pub fn position(&self) -> u64 {
        self.offset + self.at as u64
    }

    /// Takes what the next read brought; blocks that are whole go to `out`.
    pub fn push(&mut self, chunk: Vec<u8>, out: &mut Vec<Block>) {
        let start = self.end;
        self.end += chunk.len() as u64;
        let mut taken = 0;
        while self.position() < start {
            if let Some(more) = self.step(false) {
                let more = more.min(chunk.len() - taken);
                if more == 0 {
                    // All of it went into a segment that is longer.
                    self.buffers.put(chunk);
                    if self.at >= CHUNK && self.at >= self.bytes.len() / 2 {
                        self.flush(out);
                    }
                    return;
                }
                self.bytes.extend_from_slice(&chunk[taken..taken + more]);
                taken += more;
            }
        }
        let at = (self.position() - start) as usize;
        self.emit(out);
        (self.bytes, self.offset, self.at) = (chunk, start, at);
        while self.step(false).is_none() {}
        if self.at == self.bytes.len() {
            self.flush(out);
        }
    }

    /// Gives out what is whole, and keeps the rest.
    pub fn flush(&mut self, out: &mut Vec<Block>) {
        let (rest, offset) = (self.bytes[self.at..].to_vec(), self.position());
        self.bytes.truncate(self.at);
        self.emit(out);
        (self.bytes, self.offset, self.at) = (rest, offset, 0);
    }

    /// The input has no more.
    pub fn finish(&mut self, out: &mut Vec<Block>) {
        while !self.bytes[self.at..].is_empty() {
            self.step(true);
        }
        self.close();
        if self.segments.is_empty() && !self.damage.is_empty() {
            // Nothing of these bytes is in a segment.
            let (offset, damage) = (self.position(), std::mem::take(&mut self.damage));
            out.push(Block { index: self.index, offset, bytes: Vec::new(), segments: Vec::new(), damage });
            self.index += 1;
        }
        self.emit(out);
    }

    /// Tells the next bytes apart; gives how many more that takes, if it does.
    fn step(&mut self, is_end: bool) -> Option<usize> {
        let place = self.position();
        match self.scanner.next(&self.bytes[self.at..], is_end) {
            Found::Segment(range) => {
                self.close();
                self.segments.push(self.at + range.start..self.at + range.end);
                self.at += range.end;
            }
            Found::Secret(len) => self.at += len,
            Found::Skip(len) => {
                self.open.get_or_insert(Damage { offset: place, len: 0, cut: false }).len += len as u64;
                self.at += len;
            }
            Found::Cut(len) => {
                self.close();
                self.damage.push(Damage { offset: place, len: len as u64, cut: true });
                self.at += len;
            }
            Found::Need(len) => return Some(len - (self.bytes.len() - self.at)),
            Found::End => {}
        }
        None
    }

    fn close(&mut self) {
        self.damage.extend(self.open.take());
    }

    /// Gives out the block at hand. Without a segment it is none; what was skipped in it goes with the next one.
    fn emit(&mut self, out: &mut Vec<Block>) {
        let bytes = std::mem::take(&mut self.bytes);
        if self.segments.is_empty() {
            self.buffers.put(bytes);
            return;
        }
        let (segments, damage) = (std::mem::take(&mut self.segments), std::mem::take(&mut self.damage));
        self.segments.reserve(segments.len());
        out.push(Block { index: self.index, offset: self.offset, bytes, segments, damage });
        self.index += 1;
    }
}
