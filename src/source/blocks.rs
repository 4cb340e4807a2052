//! Inputs as blocks: `.blog` files and captured streams, cut into runs of whole segments, in order.
//!
//! Regular files are read by whoever asks for a block, on a ring of the asking thread with several reads in flight, so that the bytes
//! are in the cache of the core that works on them; the kernel reads ahead meanwhile. Everything else (compressed files, pipes, the
//! standard input) is read by a thread of its own, which unpacks while others work. A read lands in the block that is handed out; only
//! the tail of a segment that a block's end cut is copied, to the space before the next read.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};

use crate::wire::resync::{SEGMENT_MAX, Scanner};
use cuts::Cuts;
use shared::SharedFile;

pub(super) mod cuts;
mod shared;

/// What a read lands in.
type Buffer = bytes::BytesMut;

/// Bytes of a read.
const READ: usize = 512 << 10;

/// Space before a read, for the tail of the block before it: holds what is cut of usual segments.
const HEADROOM: usize = 64 << 10;

/// Blocks made ahead that wait for whoever works on them.
const WAITING: usize = 4;

/// A run of whole segments of one input. When it is dropped, its buffer is read into again.
#[derive(Debug)]
pub struct Block {
    /// Number of the block, from 0, in the order of the input.
    pub index: u64,
    /// Byte offset in the (decompressed) input of the first of `bytes`.
    pub offset: u64,
    /// Its bytes; those that belong to no segment may be anything.
    pub bytes: Buffer,
    /// Where in `bytes` each segment lies.
    pub segments: Vec<Range<usize>>,
    /// What was skipped before the end of this block, and not told of in one before.
    pub damage: Vec<Damage>,
    home: Option<Sender<Buffer>>,
}

impl Block {
    /// The first block of an input, `offset` bytes from its start.
    pub fn new(offset: u64, bytes: Buffer, segments: Vec<Range<usize>>, damage: Vec<Damage>) -> Self {
        Self { index: 0, offset, bytes, segments, damage, home: None }
    }

    /// The segments of the block.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.segments.iter().map(|place| &self.bytes[place.clone()])
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            // The input may be at its end.
            let _ = home.send(std::mem::take(&mut self.bytes));
        }
    }
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

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { offset, len, .. } = self;
        if self.cut {
            write!(f, "the last segment, at offset {offset}, is cut off: {len} bytes of it are there")
        } else {
            write!(f, "{len} bytes at offset {offset} are no log segment: skipped")
        }
    }
}

/// An input, opened as what it is.
pub enum Input {
    /// Segments.
    Segments(Blocks),
    /// Lines, unpacked.
    Text(Box<dyn Read + Send>),
}

/// Bytes that are looked at to tell text from segments: headers of segments, and lengths before them, have zeros in them.
const HEAD: usize = 4096;

impl Input {
    /// Opens a file like [`Blocks::open`]; one with next to no zero bytes in its first 4 KiB is text.
    ///
    /// # Errors
    ///
    /// If it can't be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Self::from_reader(io::stdin());
        }
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return if about.is_dir() { Blocks::open(path).map(Self::Segments) } else { Self::from_reader(file) };
        }
        let mut head = vec![0; HEAD];
        let known = fill(&mut file, &mut head)?;
        io::Seek::rewind(&mut file)?;
        match Packing::of(&head[..known.min(4)]) {
            Some(_) => Self::from_reader(file),
            None if is_text(&head[..known]) => Ok(Self::Text(Box::new(file))),
            None => Blocks::open(path).map(Self::Segments),
        }
    }

    fn from_reader(mut reader: impl Read + Send + 'static) -> io::Result<Self> {
        let mut magic = [0; 4];
        let known = fill(&mut reader, &mut magic)?;
        let whole = io::Cursor::new(magic).take(known as u64).chain(reader);
        let mut plain: Box<dyn Read + Send> = match Packing::of(&magic[..known]) {
            Some(packing) => packing.unpacked(whole)?,
            None => Box::new(whole),
        };
        let mut head = vec![0; HEAD];
        let known = fill(&mut plain, &mut head)?;
        head.truncate(known);
        let is_text = is_text(&head);
        let whole = Box::new(io::Cursor::new(head).chain(plain));
        if is_text { Ok(Self::Text(whole)) } else { Blocks::ahead(whole).map(Self::Segments) }
    }
}

/// Logged names may have a zero byte in them, too: but few.
fn is_text(head: &[u8]) -> bool {
    !head.is_empty() && memchr::memchr_iter(0, head).count() * 64 < head.len()
}

/// The blocks of one input.
#[derive(Debug)]
pub struct Blocks {
    origin: Origin,
    len: Option<u64>,
}

#[derive(Debug)]
enum Origin {
    /// Made by whoever asks.
    Here(Box<Cutter>),
    /// Made ahead by a thread.
    Ahead(Receiver<io::Result<Block>>),
}

impl Blocks {
    /// Opens a file: a `.blog` file or a captured stream, plain or compressed (gzip, zstd), told apart by its first bytes;
    /// `-` is the standard input.
    ///
    /// # Errors
    ///
    /// If it can't be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Self::from_reader(io::stdin());
        }
        let mut file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "is a folder: name the files in it"));
        }
        if !about.is_file() {
            return Self::from_reader(file);
        }
        let mut magic = [0; 4];
        let known = fill(&mut file, &mut magic)?;
        io::Seek::rewind(&mut file)?;
        match Packing::of(&magic[..known]) {
            Some(packing) => Self::ahead(packing.unpacked(file)?),
            None => {
                let cutter = Cutter::new(Source::File(SharedFile::new(file)));
                Ok(Self { origin: Origin::Here(Box::new(cutter)), len: Some(about.len()) })
            }
        }
    }

    /// The same from anything that can be read.
    ///
    /// # Errors
    ///
    /// If it can't be read.
    pub fn from_reader(mut reader: impl Read + Send + 'static) -> io::Result<Self> {
        let mut magic = [0; 4];
        let known = fill(&mut reader, &mut magic)?;
        let whole = io::Cursor::new(magic).take(known as u64).chain(reader);
        match Packing::of(&magic[..known]) {
            Some(packing) => Self::ahead(packing.unpacked(whole)?),
            None => Self::ahead(Box::new(whole)),
        }
    }

    /// Bytes of the input, where that is known: for progress bars.
    pub fn len_hint(&self) -> Option<u64> {
        self.len
    }

    fn ahead(reader: Box<dyn Read + Send>) -> io::Result<Self> {
        let (sender, blocks) = sync_channel(WAITING);
        let run = move || {
            for block in Cutter::new(Source::Plain(reader)) {
                // Whoever asked may have gone: then nothing is left to do.
                if sender.send(block).is_err() {
                    break;
                }
            }
        };
        std::thread::Builder::new().name("reader".into()).spawn(run)?;
        Ok(Self { origin: Origin::Ahead(blocks), len: None })
    }
}

impl Iterator for Blocks {
    type Item = io::Result<Block>;

    fn next(&mut self) -> Option<io::Result<Block>> {
        match &mut self.origin {
            Origin::Here(cutter) => cutter.next(),
            Origin::Ahead(blocks) => blocks.recv().ok(),
        }
    }
}

/// Reads until `bytes` are full or the input ends.
fn fill(reader: &mut (impl Read + ?Sized), bytes: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < bytes.len() {
        match reader.read(&mut bytes[count..]) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// How an input is compressed.
#[derive(Clone, Copy, Debug)]
enum Packing {
    Gzip,
    Zstd,
}

impl Packing {
    fn of(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// All members or frames, one after the other.
    fn unpacked(self, packed: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
        Ok(match self {
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(READ / 4, packed))),
            Self::Zstd => Box::new(zstd::Decoder::new(packed)?),
        })
    }
}

/// What fills buffers.
enum Source {
    File(SharedFile),
    Plain(Box<dyn Read + Send>),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File(_) => "file",
            Self::Plain(_) => "reader",
        })
    }
}

/// Reads, and cuts what was read at the ends of segments.
#[derive(Debug)]
struct Cutter {
    source: Source,
    /// Buffers that were used before.
    recycled: Receiver<Buffer>,
    home: Sender<Buffer>,
    cuts: Cuts,
    /// What the last block left, and how many bytes it takes to go on.
    rest: Vec<u8>,
    needed: usize,
    index: u64,
    is_over: bool,
    failure: Option<io::Error>,
}

impl Iterator for Cutter {
    type Item = io::Result<Block>;

    fn next(&mut self) -> Option<io::Result<Block>> {
        while !self.is_over {
            let buffer = self.buffer();
            let (read, buffer) = match &mut self.source {
                Source::File(file) => file.read(buffer),
                Source::Plain(reader) => plain(&mut **reader, buffer),
            };
            self.is_over = !matches!(read, Ok(READ));
            let count = read.unwrap_or_else(|error| {
                self.failure = Some(error);
                0
            });
            if let Some(block) = self.cut(buffer, count) {
                return Some(Ok(block));
            }
        }
        self.failure.take().map(Err)
    }
}

/// Fills a buffer behind its headroom.
fn plain(reader: &mut (dyn Read + Send), mut buffer: Buffer) -> (io::Result<usize>, Buffer) {
    (fill(reader, &mut buffer[HEADROOM..]), buffer)
}

impl Cutter {
    fn new(source: Source) -> Self {
        let (home, recycled) = channel();
        let cuts = Cuts::new(Scanner::new(SEGMENT_MAX));
        Self { source, recycled, home, cuts, rest: vec![], needed: 0, index: 0, is_over: false, failure: None }
    }

    /// A buffer that was used before, or a new one. One that grew for a long segment is given back to the system.
    fn buffer(&self) -> Buffer {
        let usual = self.recycled.try_recv().ok().filter(|buffer| buffer.capacity() <= 2 * (HEADROOM + READ));
        let mut buffer = usual.unwrap_or_default();
        buffer.resize(HEADROOM + READ, 0);
        buffer
    }

    /// The segments that are whole now, with `count` bytes behind the headroom of the buffer.
    fn cut(&mut self, mut buffer: Buffer, count: usize) -> Option<Block> {
        let have = self.rest.len();
        let read = HEADROOM..HEADROOM + count;
        if have + count < self.needed && !self.is_over {
            self.rest.extend_from_slice(&buffer[read]);
            let _ = self.home.send(buffer);
            return None;
        }
        let (start, end) = if have <= HEADROOM {
            buffer[HEADROOM - have..HEADROOM].copy_from_slice(&self.rest);
            (HEADROOM - have, read.end)
        } else {
            let mut joined = Buffer::with_capacity(have + count);
            joined.extend_from_slice(&self.rest);
            joined.extend_from_slice(&buffer[read]);
            buffer = joined;
            (0, have + count)
        };
        let first = self.cuts.offset();
        let cut = self.cuts.cut(&buffer[start..end], self.is_over);
        self.needed = cut.needed;
        self.rest.clear();
        self.rest.extend_from_slice(&buffer[start + cut.used..end]);
        if cut.segments.is_empty() && cut.damage.is_empty() {
            let _ = self.home.send(buffer);
            return None;
        }
        // Before the first read lies room that no byte of the input fills.
        let before = start.saturating_sub(usize::try_from(first).unwrap_or(usize::MAX));
        let _ = buffer.split_to(before);
        let start = start - before;
        let segments = cut.segments.into_iter().map(|place| start + place.start..start + place.end).collect();
        let mut block = Block::new(first - start as u64, buffer, segments, cut.damage);
        block.index = self.index;
        block.home = Some(self.home.clone());
        self.index += 1;
        Some(block)
    }
}

#[cfg(test)]
mod tests;
