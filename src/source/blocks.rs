//! Inputs as blocks: `.blog` files and captured streams, cut into runs of whole segments, in order.
//!
//! A thread reads ahead: regular files by io_uring with several reads in flight, everything else (compressed files, pipes, the
//! standard input) by plain reads. A read lands in the block that is handed out; only the tail of a segment that a block's end cut is
//! copied, to the space before the next read.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use super::reader::uring_runtime;
use crate::wire::resync::{SEGMENT_MAX, Scanner};
use cuts::Cuts;

pub(super) mod cuts;

/// Bytes of a read.
const READ: usize = 512 << 10;

/// Space before a read, for the tail of the block before it: holds what is cut of usual segments.
const HEADROOM: usize = 64 << 10;

/// Reads in flight.
const READS: usize = 4;

/// Blocks that wait for whoever works on them.
const WAITING: usize = 4;

/// A run of whole segments of one input. When it is dropped, its buffer is read into again.
#[derive(Debug)]
pub struct Block {
    /// Number of the block, from 0, in the order of the input.
    pub index: u64,
    /// Byte offset in the (decompressed) input of the first of `bytes`.
    pub offset: u64,
    /// Its bytes; those that belong to no segment may be anything.
    pub bytes: Vec<u8>,
    /// Where in `bytes` each segment lies.
    pub segments: Vec<Range<usize>>,
    /// What was skipped before the end of this block, and not told of in one before.
    pub damage: Vec<Damage>,
    home: Option<Sender<Vec<u8>>>,
}

impl Block {
    /// The first block of an input, `offset` bytes from its start.
    pub fn new(offset: u64, bytes: Vec<u8>, segments: Vec<Range<usize>>, damage: Vec<Damage>) -> Self {
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
            // The reader may have ended.
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

/// The blocks of one input.
#[derive(Debug)]
pub struct Blocks {
    blocks: Receiver<io::Result<Block>>,
    len: Option<u64>,
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
            Some(packing) => Self::spawn(packing.unpacked(file)?, None),
            None => {
                let len = about.len();
                Self::start(Some(len), move |recycled| match Uring::new(&file, len, recycled) {
                    Ok(uring) => Source::Uring(uring),
                    Err(recycled) => Source::Plain(Plain::new(Box::new(file), recycled)),
                })
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
            Some(packing) => Self::spawn(packing.unpacked(whole)?, None),
            None => Self::spawn(Box::new(whole), None),
        }
    }

    /// Bytes of the input, where that is known: for progress bars.
    pub fn len_hint(&self) -> Option<u64> {
        self.len
    }

    fn spawn(reader: Box<dyn Read + Send>, len: Option<u64>) -> io::Result<Self> {
        Self::start(len, move |recycled| Source::Plain(Plain::new(reader, recycled)))
    }

    fn start(len: Option<u64>, source: impl FnOnce(Receiver<Vec<u8>>) -> Source + Send + 'static) -> io::Result<Self> {
        let (sender, blocks) = sync_channel(WAITING);
        let (home, recycled) = channel();
        std::thread::Builder::new()
            .name("reader".into())
            .spawn(move || Cutter::new(sender, home).run(source(recycled)))?;
        Ok(Self { blocks, len })
    }
}

impl Iterator for Blocks {
    type Item = io::Result<Block>;

    fn next(&mut self) -> Option<io::Result<Block>> {
        self.blocks.recv().ok()
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

/// A buffer with a read in it, behind its headroom.
struct Filled {
    bytes: Vec<u8>,
    /// How much was read; less than a read at the end only.
    count: usize,
}

/// What fills buffers.
enum Source {
    Uring(Uring),
    Plain(Plain),
}

impl Source {
    fn next(&mut self) -> io::Result<Filled> {
        match self {
            Self::Uring(uring) => uring.next(),
            Self::Plain(plain) => plain.next(),
        }
    }
}

/// A buffer that was used before, or a new one. One that grew for a long segment is given back to the system.
fn buffer(recycled: &Receiver<Vec<u8>>) -> Vec<u8> {
    let usual = recycled.try_recv().ok().filter(|bytes| bytes.capacity() <= 2 * (HEADROOM + READ));
    let mut bytes = usual.unwrap_or_default();
    bytes.resize(HEADROOM + READ, 0);
    bytes
}

/// Plain reads.
struct Plain {
    reader: Box<dyn Read + Send>,
    recycled: Receiver<Vec<u8>>,
}

impl Plain {
    fn new(reader: Box<dyn Read + Send>, recycled: Receiver<Vec<u8>>) -> Self {
        Self { reader, recycled }
    }

    fn next(&mut self) -> io::Result<Filled> {
        let mut bytes = buffer(&self.recycled);
        let count = fill(&mut *self.reader, &mut bytes[HEADROOM..])?;
        Ok(Filled { bytes, count })
    }
}

/// Reads in flight over io_uring.
struct Uring {
    in_flight: VecDeque<tokio::task::JoinHandle<io::Result<Filled>>>,
    file: std::rc::Rc<tokio_uring::fs::File>,
    next: u64,
    len: u64,
    recycled: Receiver<Vec<u8>>,
    // Last: what is in flight is waited for before its buffers go.
    runtime: tokio_uring::Runtime,
}

impl Uring {
    /// Gives the recycled buffers back where io_uring can't be had.
    fn new(file: &File, len: u64, recycled: Receiver<Vec<u8>>) -> Result<Self, Receiver<Vec<u8>>> {
        let (Ok(runtime), Ok(file)) = (uring_runtime(), file.try_clone()) else { return Err(recycled) };
        let file = std::rc::Rc::new(runtime.block_on(async { tokio_uring::fs::File::from_std(file) }));
        Ok(Self { in_flight: VecDeque::new(), file, next: 0, len, recycled, runtime })
    }

    fn next(&mut self) -> io::Result<Filled> {
        let Self { in_flight, file, next, len, recycled, runtime } = self;
        runtime.block_on(async {
            // The file's length when it was opened, and one read more: it may have grown.
            while in_flight.len() < READS && (*next <= *len || in_flight.is_empty()) {
                let (file, at, bytes) = (file.clone(), *next, buffer(recycled));
                in_flight.push_back(tokio_uring::spawn(read(file, at, bytes)));
                *next += READ as u64;
            }
            match in_flight.pop_front() {
                Some(read) => read.await.unwrap_or_else(|error| Err(io::Error::other(error))),
                None => Ok(Filled { bytes: Vec::new(), count: 0 }),
            }
        })
    }
}

/// One read at an offset, whole but at the end of the file.
async fn read(file: std::rc::Rc<tokio_uring::fs::File>, at: u64, mut bytes: Vec<u8>) -> io::Result<Filled> {
    use tokio_uring::buf::BoundedBuf;
    let mut count = 0;
    while count < READ {
        let (read, slice) = file.read_at(bytes.slice(HEADROOM + count..HEADROOM + READ), at + count as u64).await;
        bytes = slice.into_inner();
        match read {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Filled { bytes, count })
}

/// Cuts reads at the ends of segments.
struct Cutter {
    sender: SyncSender<io::Result<Block>>,
    home: Sender<Vec<u8>>,
    cuts: Cuts,
    /// What the last block left, and how many bytes it takes to go on.
    rest: Vec<u8>,
    needed: usize,
    index: u64,
}

impl Cutter {
    fn new(sender: SyncSender<io::Result<Block>>, home: Sender<Vec<u8>>) -> Self {
        Self { sender, home, cuts: Cuts::new(Scanner::new(SEGMENT_MAX)), rest: vec![], needed: 0, index: 0 }
    }

    fn run(mut self, mut source: Source) {
        loop {
            let (filled, error) = match source.next() {
                Ok(filled) => (filled, None),
                Err(error) => (Filled { bytes: Vec::new(), count: 0 }, Some(error)),
            };
            let is_end = filled.count < READ;
            // Whoever asked may have gone: then nothing is left to do.
            if !self.cut(filled, is_end) {
                return;
            }
            if let Some(error) = error {
                let _ = self.sender.send(Err(error));
            }
            if is_end {
                return;
            }
        }
    }

    /// Hands out the segments that are whole now; false if nobody wants them.
    fn cut(&mut self, filled: Filled, is_end: bool) -> bool {
        let Filled { mut bytes, count } = filled;
        let have = self.rest.len();
        if have + count < self.needed && !is_end {
            self.rest.extend_from_slice(&bytes[HEADROOM..HEADROOM + count]);
            let _ = self.home.send(bytes);
            return true;
        }
        let (start, end) = if have <= HEADROOM && bytes.len() >= HEADROOM {
            bytes[HEADROOM - have..HEADROOM].copy_from_slice(&self.rest);
            (HEADROOM - have, HEADROOM + count)
        } else {
            let behind = bytes.get(HEADROOM..HEADROOM + count).unwrap_or_default();
            let mut joined = std::mem::take(&mut self.rest);
            joined.extend_from_slice(behind);
            bytes = joined;
            (0, have + count)
        };
        let first = self.cuts.offset();
        let cut = self.cuts.cut(&bytes[start..end], is_end);
        self.needed = cut.needed;
        self.rest.clear();
        self.rest.extend_from_slice(&bytes[start + cut.used..end]);
        if cut.segments.is_empty() && cut.damage.is_empty() {
            let _ = self.home.send(bytes);
            return true;
        }
        // Before the first read lies room that no byte of the input fills.
        let before = start.saturating_sub(usize::try_from(first).unwrap_or(usize::MAX));
        if before > 0 {
            bytes.drain(..before);
        }
        let start = start - before;
        let segments = cut.segments.into_iter().map(|place| start + place.start..start + place.end).collect();
        let mut block = Block::new(first - start as u64, bytes, segments, cut.damage);
        block.index = self.index;
        block.home = Some(self.home.clone());
        self.index += 1;
        self.sender.send(Ok(block)).is_ok()
    }
}

#[cfg(test)]
mod tests;
