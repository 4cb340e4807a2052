//! Inputs as blocks: `.blog` files and captured streams of any size, cut into runs of whole segments, in order.
//!
//! A thread of its own reads ahead ([`read`]): files by io_uring, several reads in flight, else by plain reads; gzip and zstd are unpacked on
//! the way. What a read brought becomes the bytes of a block as it is; only a segment that lies across two reads is put together
//! ([`assemble`]). What is no segment is skipped and reported, and an input that ends inside a segment says so.

mod assemble;
mod read;

#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

use crate::wire::resync::SEGMENT_MAX;

pub(super) use assemble::Assembler;

/// A run of whole segments of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Number of the block, from 0, in the order of the input.
    pub index: u64,
    /// Where it begins: byte offset in the (decompressed) input.
    pub offset: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where in `bytes` each segment lies; between and around them may be what is no segment, or belongs to one of another block. The last block
    /// may have none.
    pub segments: Vec<Range<usize>>,
    /// What was skipped before, between or behind these segments, and is in no block before.
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

/// Bytes of a read, and so of a block whose segments are shorter.
const CHUNK: usize = 1 << 20;

/// Room behind them for the rest of a segment that lies across two reads: several of the default size.
const ROOM: usize = 64 << 10;

/// Blocks that wait for whoever takes them.
const AHEAD: usize = 2;

/// Buffers that are kept for the next reads.
const SPARE: usize = 16;

/// How to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The longest segment that is taken.
    pub segment_max: usize,
    /// Read files by io_uring, where it can be had.
    pub uring: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_max: SEGMENT_MAX, uring: true }
    }
}

/// The blocks of one input.
#[derive(Debug)]
pub struct Blocks {
    blocks: Receiver<Message>,
    ended: bool,
    len: Option<u64>,
    read: Arc<AtomicU64>,
    buffers: Buffers,
}

/// What the reading thread says.
#[derive(Debug)]
enum Message {
    Block(Block),
    Failed(io::Error),
    End,
}

impl Blocks {
    /// Opens a file: a `.blog` file or a captured stream, plain or compressed (gzip, zstd), told apart by its first bytes;
    /// `-` is the standard input.
    ///
    /// # Errors
    ///
    /// If it can't be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_with(path, &Options::default())
    }

    /// The same, read in a way of one's own.
    ///
    /// # Errors
    ///
    /// If it can't be read.
    pub fn open_with(path: &Path, options: &Options) -> io::Result<Self> {
        let (input, len) = read::open(path, options)?;
        Self::spawn(input, len, options)
    }

    /// Reads from anywhere; unpacks nothing.
    ///
    /// # Errors
    ///
    /// If no thread can be had.
    pub fn from_reader(reader: impl io::Read + Send + 'static, options: &Options) -> io::Result<Self> {
        Self::spawn(read::Input::Stream(Box::new(reader)), None, options)
    }

    fn spawn(input: read::Input, len: Option<u64>, options: &Options) -> io::Result<Self> {
        let (sender, blocks) = std::sync::mpsc::sync_channel(AHEAD);
        let (read, buffers) = (Arc::new(AtomicU64::new(0)), Buffers::default());
        let mut reading = read::Reading::new(options, sender, read.clone(), buffers.clone());
        std::thread::Builder::new().name("blocks".into()).spawn(move || reading.run(input))?;
        Ok(Self { blocks, ended: false, len, read, buffers })
    }

    /// Bytes of the input as it is stored; `None` if it has no end that is known (a pipe).
    pub fn len_hint(&self) -> Option<u64> {
        self.len
    }

    /// How many of them have been read.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Where to give blocks back.
    pub fn buffers(&self) -> Buffers {
        self.buffers.clone()
    }
}

impl Iterator for Blocks {
    type Item = io::Result<Block>;

    fn next(&mut self) -> Option<io::Result<Block>> {
        if self.ended {
            return None;
        }
        let message = self.blocks.recv();
        self.ended = !matches!(message, Ok(Message::Block(_)));
        match message {
            Ok(Message::Block(block)) => Some(Ok(block)),
            Ok(Message::Failed(error)) => Some(Err(error)),
            Ok(Message::End) => None,
            Err(_) => Some(Err(io::Error::other("the reading thread ended before the input"))),
        }
    }
}

/// Buffers that blocks were made of and that the next reads fill: giving them back saves the allocation, not doing so harms nothing.
#[derive(Clone, Debug, Default)]
pub struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl Buffers {
    /// Takes a block back that has been worked on.
    pub fn give(&self, block: Block) {
        self.put(block.bytes);
    }

    pub(super) fn put(&self, mut bytes: Vec<u8>) {
        // Those of huge segments would stay huge.
        if (CHUNK..=2 * (CHUNK + ROOM)).contains(&bytes.capacity()) {
            bytes.clear();
            let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if spare.len() < SPARE {
                spare.push(bytes);
            }
        }
    }

    /// An empty buffer with room for a read and more.
    pub(super) fn take(&self) -> Vec<u8> {
        let spare = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Vec::with_capacity(CHUNK + ROOM))
    }
}
