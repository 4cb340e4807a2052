//! Word that something happened to files, from the kernel (inotify), by the folders that they are in.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

/// File systems that others write, of which the kernel tells only what this machine does: NFS, SMB (3), FUSE, 9p, Ceph, AFS.
const REMOTE: [u32; 8] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x6573_5546, 0x0102_1997, 0x00c3_6400, 0x5346_414f];

/// What happened since the last word.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Files that were written.
    pub written: Vec<PathBuf>,
    /// Files that were renamed in their folder: from, and to.
    pub moved: Vec<(PathBuf, PathBuf)>,
    /// Names came or went, or some word was lost: look at everything.
    pub names: bool,
}

/// Watches folders.
#[derive(Debug, Default)]
pub struct Watch {
    queue: Option<OwnedFd>,
    folders: BTreeMap<i32, PathBuf>,
    watched: BTreeMap<PathBuf, bool>,
    /// Renames of which only the old name is known, by their number.
    leaving: BTreeMap<u32, PathBuf>,
}

impl Watch {
    /// Watches nothing yet. Where the kernel has no queue to give, there never is any word.
    pub fn open() -> Self {
        let queue = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK);
        let queue =
            queue.map_err(|error| tracing::warn!("no inotify ({error}): followed files are looked at twice a second"));
        Self { queue: queue.ok(), ..Self::default() }
    }

    /// Watches these folders, and no others. True if word comes of all that happens in them.
    pub fn set(&mut self, folders: impl IntoIterator<Item = PathBuf>) -> bool {
        let Some(queue) = &self.queue else { return false };
        let mut wanted = BTreeMap::new();
        let mut all = true;
        for folder in folders {
            let is_heard = match self.watched.get(&folder) {
                Some(&is_heard) => Some(is_heard),
                None => add(queue.as_fd(), &folder).map(|number| {
                    self.folders.insert(number, folder.clone());
                    !is_remote(&folder)
                }),
            };
            all &= is_heard == Some(true);
            if let Some(is_heard) = is_heard {
                wanted.insert(folder, is_heard);
            }
        }
        self.folders.retain(|&number, folder| {
            let keep = wanted.contains_key(folder);
            if !keep {
                // It may be gone itself.
                let _ = inotify::remove_watch(queue, number);
            }
            keep
        });
        self.watched = wanted;
        all
    }

    /// What has happened; doesn't wait.
    pub fn news(&mut self) -> News {
        let mut news = News::default();
        let Some(queue) = &self.queue else { return news };
        let mut room = [MaybeUninit::uninit(); 16 << 10];
        let mut events = Reader::new(queue, &mut room);
        // A read ends with EAGAIN when there is no more.
        while let Ok(event) = events.next() {
            let flags = event.events();
            if flags.intersects(ReadFlags::IGNORED | ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF) {
                if let Some(folder) = self.folders.remove(&event.wd()) {
                    // What is there now under that name, if anything, is another folder.
                    self.watched.remove(&folder);
                    let _ = inotify::remove_watch(queue, event.wd());
                }
                news.names = true;
                continue;
            }
            let (Some(folder), Some(name)) = (self.folders.get(&event.wd()), event.file_name()) else {
                news.names = true;
                continue;
            };
            let path = folder.join(OsStr::from_bytes(name.to_bytes()));
            if flags.contains(ReadFlags::MODIFY) {
                if news.written.last() != Some(&path) {
                    news.written.push(path);
                }
                continue;
            }
            news.names = true;
            if flags.contains(ReadFlags::MOVED_FROM) {
                self.leaving.insert(event.cookie(), path);
            } else if flags.contains(ReadFlags::MOVED_TO)
                && let Some(from) = self.leaving.remove(&event.cookie())
            {
                news.moved.push((from, path));
            }
        }
        // The two halves of a rename come together; one whose other half is elsewhere never ends.
        self.leaving.clear();
        news
    }

    /// Waits for word, for `stop`, or until patience ends.
    pub fn wait(&self, stop: Option<BorrowedFd<'_>>, patience: Duration) -> io::Result<()> {
        let queue = self.queue.as_ref().map(AsFd::as_fd);
        let mut all: Vec<PollFd<'_>> =
            queue.into_iter().chain(stop).map(|queue| PollFd::from_borrowed_fd(queue, PollFlags::IN)).collect();
        let time = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() };
        match poll(&mut all, Some(&time)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn add(queue: BorrowedFd<'_>, folder: &Path) -> Option<i32> {
    let flags = WatchFlags::MODIFY
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR;
    inotify::add_watch(queue, folder, flags).ok()
}

fn is_remote(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|about| REMOTE.contains(&(about.f_type as u32)))
}
