//! Growing files: which there are, and what becomes of them. A thread of its own looks for them and wakes their readers, which are dealt to
//! the workers like connections.
//!
//! A file is what its inode is, whatever its name: a log that is moved away is read to its end, and what takes its name is another
//! file, read from its start. One that had the name only between two looks is known by its renaming. inotify wakes; where it can't (some
//! network file systems), a look once a second does.

use std::collections::{HashMap, HashSet};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use futures_core::Stream;
use inotify::{EventMask, EventOwned, EventStream, Inotify, WatchDescriptor, WatchMask};
use tokio::sync::watch;

use super::Stage;
use super::door::{Dealt, Worker, deal};
use crate::wire::line::Zone;
use crate::wire::print::Offset;
use crate::wire::template::Template;

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
    /// Paths of named pipes, which give text lines.
    pub pipes: Vec<String>,
    /// What is to be known of text logs, in files and pipes.
    pub text: Arc<TextLogs>,
}

/// What text logs don't say themselves.
#[derive(Clone, Debug, Default)]
pub struct TextLogs {
    /// Name of the node that writes them: this machine's.
    pub name: String,
    /// Formats that they may have; none stands for those that come with Traffic Server.
    pub formats: Vec<Template>,
    /// Their local times.
    pub local: Local,
}

/// The time zone of local times.
#[derive(Clone, Copy, Debug)]
pub struct Local(pub Zone);

impl Default for Local {
    fn default() -> Self {
        Self(|_| Offset::UTC)
    }
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

/// A file or pipe on its way to a worker.
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
    if tails.patterns.is_empty() && tails.pipes.is_empty() {
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let absolute = |pattern: &String| Ok(std::path::absolute(pattern)?.to_string_lossy().into_owned());
    let patterns = tails.patterns.iter().map(absolute).collect::<io::Result<_>>()?;
    let pipes = tails.pipes.iter().map(absolute).collect::<io::Result<_>>()?;
    let mut follower = Follower::new(Tails { patterns, pipes, ..tails }, workers);
    // Before the engine says that it is there, what there is is followed.
    follower.look(Instant::now(), &[]);
    let thread = std::thread::Builder::new().name("tail".into()).spawn(move || {
        runtime.block_on(async move {
            let mut watched = Watched::new();
            watched.watch(&follower.tails.patterns);
            let mut look = tokio::time::interval(LOOK);
            loop {
                tokio::select! {
                    () = watched.changed() => {
                        // A busy log changes thousands of times a second.
                        tokio::time::sleep(TOGETHER).await;
                        let news = watched.drain();
                        if news.names {
                            follower.look(Instant::now(), &news.moved);
                        }
                        follower.wake();
                    }
                    _ = look.tick() => {
                        watched.watch(&follower.tails.patterns);
                        follower.look(Instant::now(), &watched.drain().moved);
                    }
                    _ = stopping.changed() => {
                        // What has been written until now counts, also if it is in a file that was not seen yet.
                        follower.look(Instant::now(), &watched.drain().moved);
                        return;
                    }
                }
            }
        });
    })?;
    Ok(Some(thread))
}

/// What happened in the folders that are watched.
#[derive(Debug, Default)]
struct News {
    /// Names have changed, or anything may have.
    names: bool,
    /// Files that have another name now, in the same or another of these folders: the one they had, and the one they got.
    moved: Vec<(PathBuf, PathBuf)>,
}

/// The folders that are watched.
struct Watched {
    events: Option<EventStream<[u8; 4096]>>,
    folders: HashMap<WatchDescriptor, PathBuf>,
    /// Names that were given up, by the number that the new one has, too.
    leaving: HashMap<u32, PathBuf>,
    news: News,
}

impl Watched {
    fn new() -> Self {
        let events = Inotify::init().and_then(|inotify| inotify.into_event_stream([0; 4096]));
        if let Err(error) = &events {
            tracing::warn!("files are looked at once a second, since inotify can't be had: {error}");
        }
        Self { events: events.ok(), folders: HashMap::new(), leaving: HashMap::new(), news: News::default() }
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
            if let Ok(watch) = events.watches().add(&folder, mask) {
                self.folders.insert(watch, folder);
            }
        }
    }

    /// Waits for a change.
    async fn changed(&mut self) {
        while std::future::poll_fn(|context| self.poll(context)).await.is_none() {
            self.events = None;
        }
    }

    /// What has happened since the last call.
    fn drain(&mut self) -> News {
        while let Poll::Ready(Some(())) = self.poll(&mut Context::from_waker(Waker::noop())) {}
        // Both ends of a renaming come together, unless the other one is in a folder that is not watched.
        self.leaving.clear();
        std::mem::take(&mut self.news)
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<()>> {
        let Some(events) = &mut self.events else { return Poll::Pending };
        let event = std::task::ready!(Pin::new(events).poll_next(context));
        Poll::Ready(event.map(|event| match event {
            Ok(event) => self.hear(event),
            Err(_) => self.news.names = true,
        }))
    }

    fn hear(&mut self, event: EventOwned) {
        // After an overflow anything may have changed.
        self.news.names |= !event.mask.contains(EventMask::MODIFY);
        if event.mask.contains(EventMask::IGNORED) {
            self.folders.remove(&event.wd);
        }
        let path = self.folders.get(&event.wd).zip(event.name).map(|(folder, name)| folder.join(name));
        let Some(path) = path else { return };
        if event.mask.contains(EventMask::MOVED_FROM) {
            self.leaving.insert(event.cookie, path);
        } else if event.mask.contains(EventMask::MOVED_TO)
            && let Some(from) = self.leaving.remove(&event.cookie)
        {
            self.news.moved.push((from, path));
        }
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

/// True if a pattern stands for this path.
fn fits(patterns: &[String], path: &Path) -> bool {
    patterns
        .iter()
        .any(|text| Path::new(text) == path || glob::Pattern::new(text).is_ok_and(|pattern| pattern.matches_path(path)))
}

/// What a file is, whatever its name. Inodes are given again, so when it was made belongs to it, where the file system knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Identity {
    file: (u64, u64),
    made: Option<SystemTime>,
}

impl Identity {
    fn of(about: &Metadata) -> Self {
        Self { file: (about.dev(), about.ino()), made: about.created().ok() }
    }

    /// Of what has this name, if that is a file.
    fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().filter(Metadata::is_file).map(|about| Self::of(&about))
    }
}

/// Opens a pipe without waiting for somebody who writes to it; for writing as well, if that is allowed, so that it doesn't end with its
/// last writer.
fn open_pipe(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = open(path, OFlags::RDWR | flags, Mode::empty());
    Ok(opened.or_else(|_| open(path, OFlags::RDONLY | flags, Mode::empty()))?.into())
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
    followed: HashMap<Identity, Followed>,
    /// Files that are over, and how far they were read: if one turns up again, it is read from there.
    over: HashMap<Identity, u64>,
    /// Files that can't be read, which has been said.
    unreadable: HashSet<PathBuf>,
    pipes: HashMap<PathBuf, (Identity, watch::Sender<Signal>)>,
    is_first: bool,
}

impl Follower {
    fn new(tails: Tails, workers: Vec<Worker>) -> Self {
        let (followed, over, unreadable) = (HashMap::new(), HashMap::new(), HashSet::new());
        Self { tails, workers, followed, over, unreadable, pipes: HashMap::new(), is_first: true }
    }

    /// Finds new files, also among those that were `moved` since the last look, and those that are over.
    fn look(&mut self, now: Instant, moved: &[(PathBuf, PathBuf)]) {
        let mut named: HashMap<Identity, PathBuf> = HashMap::new();
        for path in self.tails.patterns.iter().flat_map(|pattern| matches(pattern)) {
            if let Some(file) = Identity::at(&path) {
                named.entry(file).or_insert(path);
            }
        }
        let mut grown = false;
        let over = &mut self.over;
        self.followed.retain(|file, followed| {
            let Ok(about) = followed.twin.metadata() else { return false };
            if about.len() != followed.len {
                (followed.len, followed.quiet_since) = (about.len(), now);
                grown = true;
            }
            let name_has_passed = !named.contains_key(file)
                && (about.nlink() == 0 || Identity::at(&followed.path).is_some_and(|new| new != *file));
            if name_has_passed && now.duration_since(followed.quiet_since) >= QUIET {
                tracing::info!("{}: the file that had this name is read to its end", followed.path.display());
                followed.signal.send_modify(|signal| signal.is_over = true);
                if about.nlink() > 0 && over.len() < FILES_MAX {
                    over.insert(*file, followed.len);
                }
                return false;
            }
            true
        });
        for (from, to) in moved {
            // It may have had the name only between two looks.
            if let Some(file) = Identity::at(to).filter(|file| !named.contains_key(file))
                && !self.followed.contains_key(&file)
                && !self.over.contains_key(&file)
                && fits(&self.tails.patterns, from)
            {
                self.begin(file, to, from, now);
            }
        }
        for (file, path) in named {
            if !self.followed.contains_key(&file) {
                self.begin(file, &path, &path, now);
            }
        }
        for path in self.tails.pipes.clone() {
            self.pipe(Path::new(&path));
        }
        self.is_first = false;
        if grown {
            self.wake();
        }
    }

    /// Follows the file that is `at` a place, as the one of the path `of`.
    fn begin(&mut self, file: Identity, at: &Path, of: &Path, now: Instant) {
        if self.followed.len() >= FILES_MAX {
            if self.unreadable.insert(of.to_owned()) {
                tracing::warn!("{}: not followed, {FILES_MAX} files are", of.display());
            }
            return;
        }
        let opened = File::open(at).and_then(|opened| Ok((opened.try_clone()?, opened.metadata()?, opened)));
        let (twin, about, opened) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                // Said once, and not at each look.
                if error.kind() != io::ErrorKind::NotFound && self.unreadable.insert(of.to_owned()) {
                    tracing::warn!("{}: can't be read: {error}; let this process's user read it", of.display());
                }
                return;
            }
        };
        // Another may have taken its name between the look and this.
        if Identity::of(&about) != file {
            return;
        }
        self.unreadable.remove(of);
        let offset = match self.over.remove(&file) {
            Some(read) => read.min(about.len()),
            None if self.is_first && !self.tails.from_start => about.len(),
            None => 0,
        };
        let (signal, receiver) = watch::channel(Signal::default());
        let position = Position { path: of.to_string_lossy().into_owned(), file: file.file, offset };
        tracing::info!("{}: followed from byte {offset}", of.display());
        if deal(&self.workers, Dealt::File(Tailed { file: opened, position, signal: receiver })) {
            let path = of.to_owned();
            self.followed.insert(file, Followed { path, twin, signal, len: about.len(), quiet_since: now });
        }
    }

    /// Reads the pipe that is there; another one under its name takes its place.
    fn pipe(&mut self, path: &Path) {
        let about = std::fs::metadata(path);
        let identity = about.as_ref().map(Identity::of).ok();
        if identity.is_some() && self.pipes.get(path).map(|pipe| pipe.0) == identity {
            return;
        }
        let opened = about.and_then(|about| {
            if about.file_type().is_fifo() { open_pipe(path) } else { Err(io::Error::other("it is no pipe")) }
        });
        match (opened, identity) {
            (Ok(file), Some(identity)) => {
                let (signal, receiver) = watch::channel(Signal::default());
                let name = path.to_string_lossy().into_owned();
                let position = Position { path: name, file: identity.file, offset: 0 };
                tracing::info!("{}: read as a pipe", path.display());
                self.unreadable.remove(path);
                if deal(&self.workers, Dealt::Pipe(Tailed { file, position, signal: receiver }))
                    && let Some((_, old)) = self.pipes.insert(path.to_owned(), (identity, signal))
                {
                    old.send_modify(|signal| signal.is_over = true);
                }
            }
            (Err(error), _) if self.unreadable.insert(path.to_owned()) => {
                tracing::warn!("{}: can't be read: {error}; it is tried again every second", path.display());
            }
            _ => {}
        }
    }

    /// Something has changed: all readers look.
    fn wake(&self) {
        for followed in self.followed.values() {
            followed.signal.send_modify(|signal| signal.changes += 1);
        }
    }
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
        let workers = vec![Worker { dealt, load: Arc::new(Load::default()) }];
        let tails = Tails { patterns: vec![pattern], from_start, ..Tails::default() };
        (Follower::new(tails, workers), files)
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
        follower.look(start, &[]);
        let first = next(&mut files).unwrap();
        assert_eq!((first.position.offset, next(&mut files).is_none()), (5, true));
        // Moved away under a name that the pattern has too: the same file. Its name goes to a new one, which is read from its start.
        std::fs::rename(at("s.blog"), at("s.blog_old")).unwrap();
        std::fs::write(at("s.blog"), "new").unwrap();
        follower.look(start, &[]);
        let second = next(&mut files).unwrap();
        assert_eq!((second.position.offset, second.position.path.ends_with("s.blog")), (0, true));
        follower.look(start + QUIET * 9, &[]);
        assert!(!first.signal.borrow().is_over && next(&mut files).is_none(), "it still has a name");
        // Deleted, and quiet for long enough.
        std::fs::remove_file(at("s.blog_old")).unwrap();
        follower.look(start + QUIET * 10, &[]);
        assert!(first.signal.borrow().is_over && !second.signal.borrow().is_over);
    }

    #[test]
    fn a_file_that_still_grows_is_not_over() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("s.blog"), "12345").unwrap();
        let (mut follower, mut files) = follower(at("s.blog").to_str().unwrap().to_owned(), true);
        let start = Instant::now();
        follower.look(start, &[]);
        let first = next(&mut files).unwrap();
        assert_eq!(first.position.offset, 0);
        std::fs::rename(at("s.blog"), at("elsewhere")).unwrap();
        follower.look(start + QUIET * 2, &[]);
        assert!(!first.signal.borrow().is_over, "nothing has taken its name");
        std::fs::write(at("s.blog"), "new").unwrap();
        std::fs::write(at("elsewhere"), "1234567").unwrap();
        follower.look(start + QUIET * 3, &[]);
        assert!(!first.signal.borrow().is_over, "it grew");
        follower.look(start + QUIET * 4, &[]);
        assert!(first.signal.borrow().is_over);
    }
    #[test]
    fn a_file_that_had_the_name_between_two_looks_is_read_too() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("s.blog"), "12345").unwrap();
        let (mut follower, mut files) = follower(at("s.blog").to_str().unwrap().to_owned(), false);
        follower.look(Instant::now(), &[]);
        assert_eq!(next(&mut files).unwrap().position.offset, 5);
        let mut moved = Vec::new();
        for name in ["1.old", "2.old"] {
            std::fs::rename(at("s.blog"), at(name)).unwrap();
            moved.push((at("s.blog"), at(name)));
            std::fs::write(at("s.blog"), name).unwrap();
        }
        moved.push((at("other"), at("s.blog")));
        follower.look(Instant::now(), &moved);
        let mut found: Vec<Position> = std::iter::from_fn(|| next(&mut files)).map(|tailed| tailed.position).collect();
        found.dedup();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|position| position.offset == 0 && position.path == at("s.blog").to_str().unwrap()));
    }

    #[test]
    fn a_file_that_was_over_and_turns_up_again_is_read_on() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("s.blog"), "12345").unwrap();
        let (mut follower, mut files) = follower(at("s.*").to_str().unwrap().to_owned(), true);
        let start = Instant::now();
        follower.look(start, &[]);
        assert_eq!(next(&mut files).unwrap().position.offset, 0);
        std::fs::rename(at("s.blog"), at("elsewhere")).unwrap();
        std::fs::write(at("s.blog"), "new").unwrap();
        follower.look(start + QUIET, &[]);
        assert_eq!(next(&mut files).unwrap().position.offset, 0);
        std::fs::rename(at("elsewhere"), at("s.again")).unwrap();
        follower.look(start + QUIET, &[]);
        assert_eq!(next(&mut files).unwrap().position.offset, 5);
    }
}
