//! Growing binary logs as blocks, in one thread: found and followed like those of the engine ([`super::tail`]), for who prints them.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;

use super::Stage;
use super::blocks::Block;
use super::blocks::cuts::Cuts;
use super::door::{Dealt, Worker};
use super::tail::{self, Signal, Tailed, Tails};
use crate::wire::resync::{SEGMENT_MAX, Scanner};

/// Bytes of a read.
const READ: usize = 256 << 10;

/// Logs that are followed by their names, across rotation.
#[derive(Debug)]
pub struct Follow {
    runtime: tokio::runtime::Runtime,
    new: UnboundedReceiver<Dealt>,
    /// In the order in which they were found: a file that had a name before comes first.
    open: Vec<Growing>,
    /// Its end is the follower's.
    _stop: watch::Sender<Stage>,
}

impl Follow {
    /// Follows the files that have these names, or get them later; those that are there `from_end` on, or from their start.
    ///
    /// # Errors
    ///
    /// If no thread or runtime can be had.
    pub fn start(paths: Vec<String>, from_end: bool) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (dealt, new) = unbounded_channel();
        let (stop, stopping) = watch::channel(Stage::Run);
        let tails = Tails { patterns: paths, from_start: !from_end, ..Tails::default() };
        tail::spawn(tails, vec![Worker { dealt, load: Arc::default() }], stopping)?;
        Ok(Self { runtime, new, open: Vec::new(), _stop: stop })
    }

    /// What has come, with the name under which its file was found; `None` if nothing has for as long as `patience`.
    pub fn next(&mut self, patience: Duration) -> Option<(Arc<str>, io::Result<Block>)> {
        loop {
            while let Ok(dealt) = self.new.try_recv() {
                self.open.extend(Growing::of(dealt));
            }
            for growing in &mut self.open {
                if let Some(found) = growing.read() {
                    return Some((growing.name.clone(), found));
                }
            }
            self.open.retain(|growing| !growing.is_done);
            if !self.wait(patience) {
                return None;
            }
        }
    }

    /// Waits until a file may have grown, or there is another; false if nothing happens.
    fn wait(&mut self, patience: Duration) -> bool {
        let Self { runtime, new, open, .. } = self;
        let (more, is_awake) = runtime.block_on(async {
            let mut changes: Vec<_> = open.iter_mut().map(|growing| Box::pin(growing.signal.changed())).collect();
            let changed = poll_fn(|context| {
                let is_changed = changes.iter_mut().any(|change| change.as_mut().poll(context).is_ready());
                if is_changed { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            });
            tokio::select! {
                more = new.recv() => (more, true),
                () = changed => (None, true),
                () = tokio::time::sleep(patience) => (None, false),
            }
        });
        self.open.extend(more.and_then(Growing::of));
        is_awake
    }
}

/// A file that is being read.
#[derive(Debug)]
struct Growing {
    name: Arc<str>,
    file: File,
    signal: watch::Receiver<Signal>,
    cuts: Cuts,
    offset: u64,
    /// Read, and not yet given.
    bytes: BytesMut,
    is_done: bool,
}

impl Growing {
    fn of(dealt: Dealt) -> Option<Self> {
        let Dealt::File(Tailed { file, position, signal }) = dealt else { return None };
        let offset = position.offset;
        Some(Self {
            name: position.path.into(),
            file,
            signal,
            cuts: Cuts::new(Scanner::new(SEGMENT_MAX).eager().from_offset(offset)),
            offset,
            bytes: BytesMut::new(),
            is_done: false,
        })
    }

    /// The next segments; `None` if there are none for now, or any more.
    fn read(&mut self) -> Option<io::Result<Block>> {
        while !self.is_done {
            // Looked at before the read: what comes later is seen behind it. Without a follower nobody would tell.
            let is_over = self.signal.borrow_and_update().is_over || self.signal.has_changed().is_err();
            match self.fill() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_done = true;
                    return Some(Err(error));
                }
                Ok(0) if self.file.metadata().is_ok_and(|about| about.len() < self.offset) => {
                    // It was cut short, and begins anew.
                    let rest = self.cut(true);
                    self.cuts = Cuts::new(Scanner::new(SEGMENT_MAX).eager());
                    self.offset = 0;
                    self.bytes.clear();
                    if rest.is_some() {
                        return rest.map(Ok);
                    }
                }
                Ok(0) if is_over => {
                    self.is_done = true;
                    return self.cut(true).map(Ok);
                }
                Ok(0) => return None,
                Ok(_) => {
                    let block = self.cut(false);
                    if block.is_some() {
                        return block.map(Ok);
                    }
                }
            }
        }
        None
    }

    fn fill(&mut self) -> io::Result<usize> {
        let have = self.bytes.len();
        self.bytes.resize(have + READ, 0);
        let read = self.file.read_at(&mut self.bytes[have..], self.offset);
        let count = *read.as_ref().unwrap_or(&0);
        self.bytes.truncate(have + count);
        self.offset += count as u64;
        read
    }

    /// The segments that are whole, and what was skipped.
    fn cut(&mut self, is_end: bool) -> Option<Block> {
        let first = self.cuts.offset();
        let cut = self.cuts.cut(&self.bytes, is_end);
        let bytes = self.bytes.split_to(cut.used);
        let holds_something = !cut.segments.is_empty() || !cut.damage.is_empty();
        holds_something.then(|| Block::new(first, bytes, cut.segments, cut.damage))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::wire::segment::tests::EXAMPLE;

    /// Longer than anything here takes; what doesn't come is known sooner.
    const PATIENCE: Duration = Duration::from_secs(60);

    struct Log {
        folder: tempfile::TempDir,
        follow: Follow,
    }

    impl Log {
        fn new(before: &[u8], from_end: bool) -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("a.blog"), before).unwrap();
            let path = folder.path().join("a.blog").to_str().unwrap().to_owned();
            Self { follow: Follow::start(vec![path], from_end).unwrap(), folder }
        }

        fn append(&self, name: &str, bytes: &[u8]) {
            let path = self.folder.path().join(name);
            File::options().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
        }

        /// The next block's segments, and its damage as place, length and kind.
        fn next(&mut self) -> (usize, Vec<(u64, u64, bool)>) {
            let (name, block) = self.follow.next(PATIENCE).unwrap();
            assert!(name.ends_with("/a.blog"), "{name}");
            let block = block.unwrap();
            block.segments().for_each(|segment| assert_eq!(segment, EXAMPLE));
            (block.segments.len(), block.damage.iter().map(|damage| (damage.offset, damage.len, damage.cut)).collect())
        }
    }

    #[test]
    fn segments_come_as_they_are_written_and_a_moved_file_is_read_before_the_new_one() {
        let mut log = Log::new(&[EXAMPLE, EXAMPLE].concat(), false);
        assert_eq!(log.next(), (2, vec![]));
        log.append("a.blog", &EXAMPLE[..50]);
        log.append("a.blog", &[&EXAMPLE[50..], b"junk", &EXAMPLE].concat());
        let len = EXAMPLE.len() as u64;
        let (mut segments, mut damage) = (0, vec![]);
        while segments < 2 {
            let next = log.next();
            segments += next.0;
            damage.extend(next.1);
        }
        assert_eq!((segments, damage), (2, vec![(3 * len, 4, false)]));
        std::fs::rename(log.folder.path().join("a.blog"), log.folder.path().join("b")).unwrap();
        log.append("a.blog", &[EXAMPLE, EXAMPLE, EXAMPLE].concat());
        assert_eq!(log.next(), (3, vec![]));
        log.append("b", &EXAMPLE);
        assert_eq!(log.next(), (1, vec![]));
        assert!(log.follow.next(Duration::ZERO).is_none());
    }

    #[test]
    fn from_the_end_on_also_from_the_middle_of_a_segment_and_anew_after_truncation() {
        let mut log = Log::new(&[&EXAMPLE[..], &EXAMPLE[..40]].concat(), true);
        log.append("a.blog", &[&EXAMPLE[40..], &EXAMPLE, &EXAMPLE[..30]].concat());
        assert_eq!(log.next(), (1, vec![]));
        std::fs::write(log.folder.path().join("a.blog"), EXAMPLE).unwrap();
        let len = EXAMPLE.len() as u64;
        assert_eq!(log.next(), (0, vec![(3 * len, 30, true)]));
        assert_eq!(log.next(), (1, vec![]));
    }
}
