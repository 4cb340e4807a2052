//! Reading an input, ahead of whoever takes its blocks: by io_uring, by plain reads, or through a decompressor.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use rustix::buffer::spare_capacity;

use super::{Assembler, Block, Buffers, CHUNK, Message, Options};
use crate::source::reader::uring_runtime;
use crate::wire::resync::Scanner;

/// Reads in flight.
const DEPTH: usize = 4;

/// Buffer before a decompressor.
const PACKED: usize = 256 << 10;

/// First bytes of a gzip member.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// First bytes of a zstd frame.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// First bytes of a zstd frame that says nothing, but for the lowest 4 bits of the first.
const ZSTD_SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// Where bytes come from.
pub enum Input {
    /// A regular file, from its first byte.
    File(File),
    /// A pipe, of which some bytes may have been read.
    Pipe(Vec<u8>, File),
    /// A compressed file: which kind, and the same.
    Packed(Packing, Vec<u8>, File),
    /// Anything that is read as it is.
    Stream(Box<dyn Read + Send>),
}

/// How an input is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// gzip, perhaps of several members.
    Gzip,
    /// zstd, perhaps of several frames.
    Zstd,
}

impl Packing {
    /// Tells by the first 4 bytes.
    fn of(first: &[u8]) -> Option<Self> {
        if first.starts_with(&GZIP) {
            Some(Self::Gzip)
        } else if first.starts_with(&ZSTD)
            || (first.len() >= 4 && first[0] & 0xf0 == ZSTD_SKIPPABLE[0] && first[1..4] == ZSTD_SKIPPABLE[1..])
        {
            Some(Self::Zstd)
        } else {
            None
        }
    }
}

/// Opens an input, and tells its length if it has one.
pub fn open(path: &Path, options: &Options) -> io::Result<(Input, Option<u64>)> {
    let is_stdin = path.as_os_str() == "-";
    let file = if is_stdin { File::from(io::stdin().as_fd().try_clone_to_owned()?) } else { File::open(path)? };
    let about = file.metadata()?;
    if about.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // A standard input that is a file may have been read in part.
    let is_whole = about.is_file() && (!is_stdin || rustix::fs::tell(&file).is_ok_and(|at| at == 0));
    let len = about.is_file().then_some(about.len());
    let mut first = Vec::with_capacity(ZSTD.len());
    while first.len() < ZSTD.len() {
        let read = if is_whole {
            let at = first.len() as u64;
            rustix::io::pread(&file, spare_capacity(&mut first), at)
        } else {
            rustix::io::read(&file, spare_capacity(&mut first))
        };
        match read {
            Ok(0) => break,
            Err(rustix::io::Errno::INTR) | Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let packing = Packing::of(&first);
    if is_whole {
        // These were not taken from it.
        first.clear();
    }
    let input = match packing {
        Some(packing) => Input::Packed(packing, first, file),
        None if !is_whole => Input::Pipe(first, file),
        None if options.uring => Input::File(file),
        None => Input::Stream(Box::new(file)),
    };
    Ok((input, len))
}

/// Whoever takes the blocks has gone.
struct Gone;

/// The reading thread.
pub struct Reading {
    assembler: Assembler,
    sender: SyncSender<Message>,
    read: Arc<AtomicU64>,
    buffers: Buffers,
    blocks: Vec<Block>,
}

impl Reading {
    pub fn new(options: &Options, sender: SyncSender<Message>, read: Arc<AtomicU64>, buffers: Buffers) -> Self {
        let assembler = Assembler::new(Scanner::new(options.segment_max), 0, buffers.clone());
        Self { assembler, sender, read, buffers, blocks: Vec::new() }
    }

    /// Reads all of an input.
    pub fn run(&mut self, input: Input) {
        let read = match input {
            Input::File(file) => match uring_runtime() {
                Ok(runtime) => runtime.block_on(self.by_uring(file)),
                Err(_) => self.stream(Box::new(file)),
            },
            Input::Pipe(first, file) => self.pipe(first, &file),
            Input::Packed(packing, first, file) => self.unpacked(packing, first, file),
            Input::Stream(stream) => self.stream(stream),
        };
        // Whoever takes the blocks may go at any time.
        let Ok(end) = read else { return };
        self.assembler.finish(&mut self.blocks);
        if self.send().is_ok() {
            let _ = self.sender.send(end.map_or_else(Message::Failed, |()| Message::End));
        }
    }

    fn send(&mut self) -> Result<(), Gone> {
        self.blocks.drain(..).try_for_each(|block| self.sender.send(Message::Block(block)).map_err(|_| Gone))
    }

    fn push(&mut self, chunk: Vec<u8>) -> Result<(), Gone> {
        self.assembler.push(chunk, &mut self.blocks);
        self.send()
    }

    /// Several reads at once, taken in their order.
    async fn by_uring(&mut self, file: File) -> Result<io::Result<()>, Gone> {
        let len = file.metadata().map_or(0, |about| about.len());
        let file = Rc::new(tokio_uring::fs::File::from_std(file));
        let (mut flight, mut next) = (VecDeque::new(), 0);
        loop {
            // Behind the end there is nothing to read, but for what is written meanwhile.
            while flight.is_empty() || (flight.len() < DEPTH && next < len) {
                flight.push_back(tokio_uring::spawn(fill(file.clone(), self.buffers.take(), next)));
                next += CHUNK as u64;
            }
            let Some(read) = flight.pop_front() else { return Ok(Ok(())) };
            let (result, bytes) = match read.await {
                Ok(read) => read,
                Err(error) => return Ok(Err(io::Error::other(error))),
            };
            self.read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            // A read that is not full was at the end, whatever those behind it found a moment later.
            let is_last = bytes.len() < CHUNK;
            self.push(bytes)?;
            if is_last || result.is_err() {
                return Ok(result);
            }
        }
    }

    /// One read after another, each as much as there is: who writes may be slow.
    fn pipe(&mut self, first: Vec<u8>, file: &File) -> Result<io::Result<()>, Gone> {
        self.read.fetch_add(first.len() as u64, Ordering::Relaxed);
        if !first.is_empty() {
            self.push(first)?;
        }
        loop {
            let mut bytes = self.buffers.take();
            match rustix::io::read(file, spare_capacity(&mut bytes)) {
                Ok(0) => return Ok(Ok(())),
                Ok(count) => {
                    self.read.fetch_add(count as u64, Ordering::Relaxed);
                    self.push(bytes)?;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Ok(Err(error.into())),
            }
        }
    }

    fn unpacked(&mut self, packing: Packing, first: Vec<u8>, file: File) -> Result<io::Result<()>, Gone> {
        let packed = Counted { inner: io::Cursor::new(first).chain(file), read: self.read.clone() };
        let packed = BufReader::with_capacity(PACKED, packed);
        let stream: Box<dyn Read + Send> = match packing {
            Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Packing::Zstd => match zstd::Decoder::with_buffer(packed) {
                Ok(decoder) => Box::new(decoder),
                Err(error) => return Ok(Err(error)),
            },
        };
        self.chunks(stream)
    }

    fn stream(&mut self, stream: Box<dyn Read + Send>) -> Result<io::Result<()>, Gone> {
        let read = self.read.clone();
        self.chunks(Counted { inner: stream, read })
    }

    /// Whole chunks.
    fn chunks(&mut self, mut stream: impl Read) -> Result<io::Result<()>, Gone> {
        loop {
            let mut bytes = self.buffers.take();
            let result = stream.by_ref().take(CHUNK as u64).read_to_end(&mut bytes);
            let is_last = bytes.len() < CHUNK;
            // What came before an error counts.
            self.push(bytes)?;
            match result {
                Ok(_) if is_last => return Ok(Ok(())),
                Ok(_) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
    }
}

/// Reads one chunk, or what there is of it before the end.
async fn fill(file: Rc<tokio_uring::fs::File>, mut bytes: Vec<u8>, at: u64) -> (io::Result<()>, Vec<u8>) {
    use tokio_uring::buf::BoundedBuf;
    while bytes.len() < CHUNK {
        let have = bytes.len();
        let (read, slice) = file.read_at(bytes.slice(have..CHUNK), at + have as u64).await;
        bytes = slice.into_inner();
        match read {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (Err(error), bytes),
        }
    }
    (Ok(()), bytes)
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
