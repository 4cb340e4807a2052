//! A regular file that several threads read in turn: each on a ring of its own, straight into its own buffer.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::{Buffer, HEADROOM, READ};
use crate::source::reader::uring_runtime;

/// Bytes of each of the reads in flight that fill a buffer together.
const PART: usize = READ / 4;

thread_local! {
    /// The thread's ring; none where io_uring can't be had.
    static RING: RefCell<Option<tokio_uring::Runtime>> = RefCell::new(uring_runtime().ok());
}

/// A file, and how far it has been read.
#[derive(Debug)]
pub struct SharedFile {
    file: File,
    next: u64,
}

impl SharedFile {
    /// At the start of the file.
    pub fn new(file: File) -> Self {
        // The kernel reads ahead while the threads work.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
        Self { file, next: 0 }
    }

    /// Fills the buffer behind its headroom with what is next, whole but at the end of the file; gives the count of bytes.
    pub fn read(&mut self, buffer: Buffer) -> (io::Result<usize>, Buffer) {
        let (read, buffer) = RING.with_borrow(|ring| match ring {
            Some(ring) => ring.block_on(in_parts(&self.file, self.next, buffer)),
            None => plainly(&self.file, self.next, buffer),
        });
        self.next += *read.as_ref().unwrap_or(&0) as u64;
        (read, buffer)
    }
}

fn plainly(file: &File, at: u64, mut buffer: Buffer) -> (io::Result<usize>, Buffer) {
    let mut count = 0;
    let read = loop {
        match file.read_at(&mut buffer[HEADROOM + count..], at + count as u64) {
            Ok(0) => break Ok(count),
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    (read, buffer)
}

/// All parts at once. They are cut out of the buffer and put together again, without a copy.
async fn in_parts(file: &File, at: u64, mut buffer: Buffer) -> (io::Result<usize>, Buffer) {
    let file = match file.try_clone() {
        Ok(twin) => std::rc::Rc::new(tokio_uring::fs::File::from_std(twin)),
        Err(error) => return (Err(error), buffer),
    };
    let mut rest = buffer.split_off(HEADROOM);
    let mut parts = Vec::with_capacity(READ / PART);
    let mut next = at;
    while !rest.is_empty() {
        let part = rest.split_to(PART.min(rest.len()));
        let len = part.len() as u64;
        parts.push((part.len(), tokio_uring::spawn(fill(file.clone(), next, part))));
        next += len;
    }
    let (mut count, mut is_whole, mut failure) = (0, true, None);
    for (len, part) in parts {
        match part.await {
            Ok((read, part)) => {
                buffer.unsplit(part);
                match read {
                    Ok(read) if is_whole => {
                        count += read;
                        is_whole = read == len;
                    }
                    // Behind the end as it was a moment ago: read again when it is asked for.
                    Ok(_) => {}
                    Err(error) => {
                        is_whole = false;
                        failure = failure.or(Some(error));
                    }
                }
            }
            Err(error) => {
                is_whole = false;
                failure = failure.or(Some(io::Error::other(error)));
            }
        }
    }
    (failure.map_or(Ok(count), Err), buffer)
}

/// One read at an offset, whole but at the end of the file.
async fn fill(file: std::rc::Rc<tokio_uring::fs::File>, at: u64, mut part: Buffer) -> (io::Result<usize>, Buffer) {
    use tokio_uring::buf::BoundedBuf;
    let mut count = 0;
    while count < part.len() {
        let (read, slice) = file.read_at(part.slice(count..), at + count as u64).await;
        part = slice.into_inner();
        match read {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (Err(error), part),
        }
    }
    (Ok(count), part)
}
