//! Growing files: which there are, and what becomes of them. A thread of its own looks for them and wakes their readers, which are dealt to
//! the workers like connections.
//!
//! A file is what its inode is, whatever its name: a log that is moved away is read to its end, and what takes its name is another
//! file, read from its start. inotify wakes; where it can't (some network file systems), a look once a second does.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_core::Stream;
use inotify::{EventMask, EventStream, Inotify, WatchMask};
use tokio::sync::watch;

use super::Stage;
use super::door::{Dealt, Worker, deal};

/// A look at all names, whatever inotify says.
const LOOK: Duration = Duration::from_secs(1);

/// Changes that come so close together are one.
const TOGETHER: Duration = Duration::from_millis(20);

/// A file whose name has passed to another is over when it has not grown for so long: Traffic Server keeps buffers for 5 to 10 s.
const QUIET: Duration = Duration::from_secs(15);

/// Files that are followed at the same time.
const FILES_MAX: usize = 4096;

/// Endings of files that were packed after they were moved away: their entries were read before.
const PACKED: [&str; 5] = ["gz", "zst", "xz", "bz2", "lz4"];

/// What to follow.
#[derive(Clone, Debug, Default)]
pub struct Tails {
    /// Paths, or patterns with `*`, `?` and `[…]`.
    pub patterns: Vec<String>,
    /// Files that are there at the start are read from their start, not from their end.
    pub from_start: bool,
}

/// How far a file was read: what a restart needs to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The name under which it was found.
    pub path: String,
    /// Its device and inode.
    pub file: (u64, u64),
    /// Bytes.
    pub offset: u64,
}

/// A file on its way to a worker.
#[derive(Debug)]
pub struct Tailed {
    /// Open for reading.
    pub file: File,
    /// Where to begin.
    pub position: Position,
    /// Changes.
    pub signal: watch::Receiver<Signal>,
}

/// What is told to a file's reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signal {
    /// Grows with each change that may be one of this file.
    pub changes: u64,
    /// Nothing more comes.
    pub is_over: bool,
}

/// Starts the thread that follows files, if there is anything to follow.
///
/// # Errors
///
/// If no thread or runtime can be had.
pub fn spawn(
    tails: Tails,
    workers: Vec<Worker>,
    mut stopping: watch::Receiver<Stage>,
) -> io::Result<Option<JoinHandle<()>>> {
    if tails.patterns.is_empty() {
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut follower = Follower { tails, workers, followed: HashMap::new(), is_first: true };
    // Before the engine says that it is there, what there is is followed.
    follower.look(Instant::now());
    let thread = std::thread::Builder::new().name("tail".into()).spawn(move || {
        runtime.block_on(async move {
            let mut watched = Watched::new();
            watched.watch(&follower.tails.patterns);
            let mut look = tokio::time::interval(LOOK);
            loop {
                tokio::select! {
                    names = watched.changed() => {
                        // A busy log changes thousands of times a second.
                        tokio::time::sleep(TOGETHER).await;
                        if names | watched.drain() {
                            follower.look(Instant::now());
                        }
                        follower.wake();
                    }
                    _ = look.tick() => {
                        watched.watch(&follower.tails.patterns);
                        follower.look(Instant::now());
                    }
                    _ = stopping.changed() => return,
                }
            }
        });
    })?;
    Ok(Some(thread))
}

/// The folders that are watched.
struct Watched {
    events: Option<EventStream<[u8; 4096]>>,
}

impl Watched {
    fn new() -> Self {
        let events = Inotify::init().and_then(|inotify| inotify.into_event_stream([0; 4096]));
        if let Err(error) = &events {
            tracing::warn!("files are looked at once a second, since inotify can't be had: {error}");
        }
        Self { events: events.ok() }
    }

    /// Watches all folders in which files of these patterns may be.
    fn watch(&mut self, patterns: &[String]) {
        let Some(events) = &self.events else { return };
        for folder in patterns.iter().flat_map(|pattern| folders(pattern)) {
            // Watching anew a folder that is watched changes nothing, and finds one that was made anew.
            let mask = WatchMask::CREATE
                | WatchMask::MODIFY
                | WatchMask::MOVED_FROM
                | WatchMask::MOVED_TO
                | WatchMask::DELETE
                | WatchMask::ONLYDIR;
            // A folder that is not there yet is found by a later look.
            let _ = events.watches().add(&folder, mask);
        }
    }

    /// Waits for a change; tells whether it concerns names.
    async fn changed(&mut self) -> bool {
        loop {
            match std::future::poll_fn(|context| self.poll(context)).await {
                Some(names) => return names,
                None => self.events = None,
            }
        }
    }

    /// Takes what has come meanwhile; tells whether it concerns names.
    fn drain(&mut self) -> bool {
        let mut names = false;
        while let Poll::Ready(Some(more)) = self.poll(&mut Context::from_waker(Waker::noop())) {
            names |= more;
        }
        names
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<bool>> {
        let Some(events) = &mut self.events else { return Poll::Pending };
        let event = std::task::ready!(Pin::new(events).poll_next(context));
        // After an overflow anything may have changed.
        Poll::Ready(event.map(|event| event.map_or(true, |event| !event.mask.contains(EventMask::MODIFY))))
    }
}

/// Folders in which files of a pattern may be: those of its matches, and the last one before its first wildcard.
fn folders(pattern: &str) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        matches(pattern).iter().filter_map(|path| Some(path.parent()?.to_owned())).collect();
    let plain: PathBuf = Path::new(pattern)
        .components()
        .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']))
        .collect();
    let folder = if plain == Path::new(pattern) { plain.parent().map(Path::to_owned) } else { Some(plain) };
    folders.extend(folder);
    for folder in &mut folders {
        if folder.as_os_str().is_empty() {
            *folder = PathBuf::from(".");
        }
    }
    folders.sort();
    folders.dedup();
    folders
}

fn matches(pattern: &str) -> Vec<PathBuf> {
    if Path::new(pattern).exists() {
        return vec![PathBuf::from(pattern)];
    }
    let is_packed = |path: &PathBuf| path.extension().is_some_and(|end| PACKED.iter().any(|packed| end == *packed));
    glob::glob(pattern).map(|paths| paths.flatten().filter(|path| !is_packed(path)).collect()).unwrap_or_default()
}

/// A file that is being read.
struct Followed {
    path: PathBuf,
    /// The same file, to see it grow under whatever name.
    twin: File,
    signal: watch::Sender<Signal>,
    len: u64,
    /// Since when it has not grown.
    quiet_since: Instant,
}

struct Follower {
    tails: Tails,
    workers: Vec<Worker>,
    followed: HashMap<(u64, u64), Followed>,
    is_first: bool,
}

impl Follower {
    /// Finds new files, and those that are over.
    fn look(&mut self, now: Instant) {
        let mut named: HashMap<(u64, u64), PathBuf> = HashMap::new();
        for path in self.tails.patterns.iter().flat_map(|pattern| matches(pattern)) {
            if let Ok(about) = std::fs::metadata(&path)
                && about.is_file()
            {
                named.entry(identity(&about)).or_insert(path);
            }
        }
        let mut grown = false;
        self.followed.retain(|file, followed| {
            let Ok(about) = followed.twin.metadata() else { return false };
            if about.len() != followed.len {
                (followed.len, followed.quiet_since) = (about.len(), now);
                grown = true;
            }
            let name_has_passed = !named.contains_key(file)
                && (about.nlink() == 0 || std::fs::metadata(&followed.path).is_ok_and(|new| identity(&new) != *file));
            if name_has_passed && now.duration_since(followed.quiet_since) >= QUIET {
                tracing::info!("{}: the file that had this name is read to its end", followed.path.display());
                followed.signal.send_modify(|signal| signal.is_over = true);
                return false;
            }
            true
        });
        for (file, path) in named {
            if !self.followed.contains_key(&file) {
                self.begin(file, path, now);
            }
        }
        self.is_first = false;
        if grown {
            self.wake();
        }
    }

    fn begin(&mut self, file: (u64, u64), path: PathBuf, now: Instant) {
        if self.followed.len() >= FILES_MAX {
            tracing::warn!("{}: not followed, {FILES_MAX} files are", path.display());
            return;
        }
        let opened = File::open(&path).and_then(|opened| Ok((opened.try_clone()?, opened.metadata()?, opened)));
        let (twin, about, opened) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                // Said at the start only, and not once a second.
                if self.is_first {
                    tracing::warn!("{}: can't be read: {error}", path.display());
                }
                return;
            }
        };
        // Another may have taken its name between the look and this.
        if identity(&about) != file {
            return;
        }
        let offset = if self.is_first && !self.tails.from_start { about.len() } else { 0 };
        let (signal, receiver) = watch::channel(Signal::default());
        let position = Position { path: path.to_string_lossy().into_owned(), file, offset };
        tracing::info!("{}: followed from byte {offset}", path.display());
        if deal(&self.workers, Dealt::File(Tailed { file: opened, position, signal: receiver })) {
            self.followed.insert(file, Followed { path, twin, signal, len: about.len(), quiet_since: now });
        }
    }

    /// Something has changed: all readers look.
    fn wake(&self) {
        for followed in self.followed.values() {
            followed.signal.send_modify(|signal| signal.changes += 1);
        }
    }
}

fn identity(about: &Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::door::Load;

    #[test]
    fn folders_of_patterns_are_watched_also_before_there_is_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        assert_eq!(folders(&at("squid.blog")), [folder.path()]);
        assert_eq!(folders(&at("squid*.blog")), [folder.path()]);
        assert_eq!(folders(&at("*/squid.blog")), [folder.path()]);
        std::fs::create_dir(at("a")).unwrap();
        std::fs::write(at("a/squid.blog"), "").unwrap();
        assert_eq!(folders(&at("*/squid.blog")), [folder.path().to_owned(), folder.path().join("a")]);
        assert_eq!(folders("squid.blog"), [Path::new(".")]);
    }

    /// A follower whose files come out of the channel.
    fn follower(pattern: String, from_start: bool) -> (Follower, tokio::sync::mpsc::UnboundedReceiver<Dealt>) {
        let (dealt, files) = tokio::sync::mpsc::unbounded_channel();
        let workers = vec![Worker { dealt, load: std::sync::Arc::new(Load::default()) }];
        let tails = Tails { patterns: vec![pattern], from_start };
        (Follower { tails, workers, followed: HashMap::new(), is_first: true }, files)
    }

    fn next(files: &mut tokio::sync::mpsc::UnboundedReceiver<Dealt>) -> Option<Tailed> {
        match files.try_recv() {
            Ok(Dealt::File(tailed)) => Some(tailed),
            _ => None,
        }
    }

    #[test]
    fn files_are_followed_by_what_they_are_and_not_by_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("s.blog"), "12345").unwrap();
        std::fs::write(at("s.blog.1.gz"), "packed").unwrap();
        let (mut follower, mut files) = follower(at("s.blog*").to_str().unwrap().to_owned(), false);
        let start = Instant::now();
        follower.look(start);
        let first = next(&mut files).unwrap();
        assert_eq!((first.position.offset, next(&mut files).is_none()), (5, true));
        // Moved away under a name that the pattern has too: the same file. Its name goes to a new one, which is read from its start.
        std::fs::rename(at("s.blog"), at("s.blog_old")).unwrap();
        std::fs::write(at("s.blog"), "new").unwrap();
        follower.look(start);
        let second = next(&mut files).unwrap();
        assert_eq!((second.position.offset, second.position.path.ends_with("s.blog")), (0, true));
        follower.look(start + QUIET * 9);
        assert!(!first.signal.borrow().is_over && next(&mut files).is_none(), "it still has a name");
        // Deleted, and quiet for long enough.
        std::fs::remove_file(at("s.blog_old")).unwrap();
        follower.look(start + QUIET * 10);
        assert!(first.signal.borrow().is_over && !second.signal.borrow().is_over);
    }

    #[test]
    fn a_file_that_still_grows_is_not_over() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("s.blog"), "12345").unwrap();
        let (mut follower, mut files) = follower(at("s.blog").to_str().unwrap().to_owned(), true);
        let start = Instant::now();
        follower.look(start);
        let first = next(&mut files).unwrap();
        assert_eq!(first.position.offset, 0);
        std::fs::rename(at("s.blog"), at("elsewhere")).unwrap();
        follower.look(start + QUIET * 2);
        assert!(!first.signal.borrow().is_over, "nothing has taken its name");
        std::fs::write(at("s.blog"), "new").unwrap();
        std::fs::write(at("elsewhere"), "1234567").unwrap();
        follower.look(start + QUIET * 3);
        assert!(!first.signal.borrow().is_over, "it grew");
        follower.look(start + QUIET * 4);
        assert!(first.signal.borrow().is_over);
    }
}
