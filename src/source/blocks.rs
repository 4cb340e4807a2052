//! Inputs as blocks: `.blog` files and captured streams, cut into runs of whole segments, in order.

use std::io;
use std::ops::Range;
use std::path::Path;

use crate::wire::bytes::u32_at;
use crate::wire::segment::COOKIE;

/// A run of whole segments of one input.
#[derive(Debug)]
pub struct Block {
    /// Number of the block, from 0, in the order of the input.
    pub index: u64,
    /// Where it begins: byte offset in the (decompressed) input.
    pub offset: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where in `bytes` each segment lies; between them may be what is no segment.
    pub segments: Vec<Range<usize>>,
    /// What was skipped in or behind this block.
    pub damage: Vec<Damage>,
}

/// Bytes of an input that are no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where they begin: byte offset in the (decompressed) input.
    pub offset: u64,
    /// How many they are.
    pub len: u64,
    /// The input ends inside a segment: that segment is cut, not damaged.
    pub cut: bool,
}

/// The blocks of one input.
#[derive(Debug)]
pub struct Blocks {
    bytes: Vec<u8>,
    at: usize,
    index: u64,
}

/// Bytes of a block, unless a segment is longer.
const BLOCK: usize = 1 << 20;

impl Blocks {
    /// Opens a file: a `.blog` file or a captured stream, plain or compressed (gzip, zstd), told apart by its first bytes;
    /// `-` is the standard input.
    ///
    /// # Errors
    ///
    /// If it can't be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        if path == Path::new("-") {
            io::Read::read_to_end(&mut io::stdin(), &mut bytes)?;
        } else {
            bytes = std::fs::read(path)?;
        }
        if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            bytes = zstd::decode_all(&bytes[..])?;
        }
        let at = match (u32_at(&bytes, 0), bytes.len()) {
            (Some(COOKIE) | None, _) => 0,
            (Some(secret), _) => 4 + secret as usize,
        };
        Ok(Self { bytes, at, index: 0 })
    }
}

impl Iterator for Blocks {
    type Item = io::Result<Block>;

    fn next(&mut self) -> Option<io::Result<Block>> {
        let start = self.at;
        let mut segments = Vec::new();
        while self.at - start < BLOCK {
            if u32_at(&self.bytes, self.at).is_some_and(|word| word != COOKIE) {
                self.at += 4;
            }
            let Some(len) = u32_at(&self.bytes, self.at + 12) else { break };
            if self.bytes.len() - self.at < len as usize {
                break;
            }
            segments.push(self.at - start..self.at - start + len as usize);
            self.at += len as usize;
        }
        if segments.is_empty() {
            return None;
        }
        self.index += 1;
        let bytes = self.bytes[start..self.at].to_vec();
        Some(Ok(Block { index: self.index - 1, offset: start as u64, bytes, segments, damage: vec![] }))
    }
}
