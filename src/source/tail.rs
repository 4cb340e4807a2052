//! Log files that grow: found by path and pattern, followed by inode across rotation, and dealt to the workers as connections are.
//!
//! One thread watches ([`watch`]) what the operator named ([`names`]) and decides what is to be done about each path ([`plan`]); a worker reads
//! the files of a path, one after another ([`read`]), and counts what is in them ([`count`]). All files whose segments say the same host name are
//! one node, `NAME@file`: it is one machine that writes them.

pub mod count;
pub mod names;
pub mod plan;
pub mod read;
pub mod watch;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::mpsc::UnboundedSender;

use super::door::{Dealt, Worker, least_loaded};
use names::Names;
use plan::{From, Ident, Plan, Standing, Step};
pub use read::Tailed;
pub(super) use read::read;
use read::{New, Order, ReadTo};
use watch::Watch;

/// Paths that are followed at once.
const PATHS_MAX: usize = 1024;

/// Between two rounds: a busy log is looked at so often, and not at each write.
const PAUSE: Duration = Duration::from_millis(20);

/// How often all is looked at where word comes of everything: against word that was lost.
pub(super) const RARELY: Duration = Duration::from_secs(10);

/// The same while a file that lost its name is read to its end: it may be in another folder.
pub(super) const LEFT: Duration = Duration::from_secs(1);

/// The same where no word comes.
pub(super) const OFTEN: Duration = Duration::from_millis(500);

/// Log files to follow.
#[derive(Clone, Debug, Default)]
pub struct Files {
    names: Names,
    from_start: bool,
}

impl Files {
    /// Paths and patterns; files that are there at the start are read from their end on, unless `from_start`.
    ///
    /// # Errors
    ///
    /// Says what is wrong with a pattern.
    pub fn new(texts: &[String], from_start: bool) -> Result<Self, String> {
        let mut names = Names::default();
        texts.iter().try_for_each(|text| names.add(text))?;
        Ok(Self { names, from_start })
    }

    /// True if there is nothing to follow.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// Where reading a file has come to: with these, another process goes on without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The path that is followed.
    pub path: PathBuf,
    /// The file that has, or had, that name.
    pub ident: Ident,
    /// All before this byte is counted.
    pub offset: u64,
}

/// The thread that watches.
#[derive(Debug)]
pub(super) struct Watching {
    thread: JoinHandle<()>,
    stop: Arc<OwnedFd>,
}

impl Watching {
    /// What has been written is all that is read; soon the workers know.
    pub fn stop(&self) {
        // A counter of 1 can be counted up.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
    }

    /// Waits for its end.
    pub fn join(self) {
        self.stop();
        // If it panicked, it has said so.
        let _ = self.thread.join();
    }
}

/// Starts following; when this returns, all that is written from now on will be counted. `None` if there is nothing to follow.
pub(super) fn spawn(files: Files, workers: Vec<Worker>) -> io::Result<Option<Watching>> {
    if files.is_empty() {
        return Ok(None);
    }
    let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let mut tail = Tail {
        first: if files.from_start { From::Start } else { From::End },
        names: files.names,
        watch: Watch::open(),
        is_heard: false,
        workers,
        paths: BTreeMap::new(),
        complained: false,
    };
    tail.find();
    tail.round(None, &[]);
    tail.first = From::Start;
    for (path, followed) in tail.paths.iter().filter(|(_, followed)| followed.files.is_empty()) {
        if !followed.complained {
            tracing::warn!("{}: no such file yet; it is read once it is there", path.display());
        }
    }
    let stopping = stop.clone();
    let thread = std::thread::Builder::new().name("tail".into()).spawn(move || tail.run(&stopping))?;
    Ok(Some(Watching { thread, stop }))
}

/// One path that is followed.
struct Followed {
    plan: Plan,
    files: Vec<Held>,
    orders: UnboundedSender<Order>,
    /// The operator knows that it can't be read.
    complained: bool,
}

/// A file of it that is open.
struct Held {
    ident: Ident,
    file: File,
    read_to: Arc<ReadTo>,
}

struct Tail {
    names: Names,
    first: From,
    watch: Watch,
    /// Word comes of all that happens.
    is_heard: bool,
    workers: Vec<Worker>,
    paths: BTreeMap<PathBuf, Followed>,
    /// The operator knows that there are too many.
    complained: bool,
}

impl Tail {
    /// Watches until it is told to stop.
    fn run(mut self, stop: &OwnedFd) {
        let mut looked = Instant::now();
        loop {
            let patience = self.patience().saturating_sub(looked.elapsed());
            if let Err(error) = self.watch.wait(Some(stop.as_fd()), patience) {
                tracing::error!("files are no longer followed: {error}");
                return;
            }
            let is_stopping = rustix::io::read(stop, &mut [0; 8]).is_ok();
            let news = self.watch.news();
            // A file that lost its name may be written under any other.
            let has_left = self.paths.values().any(|followed| followed.plan.due().is_some());
            let is_odd = has_left && !news.written.iter().all(|path| self.paths.contains_key(path));
            if is_stopping || news.names || is_odd || looked.elapsed() >= self.patience() {
                self.find();
                self.round(None, &news.moved);
                looked = Instant::now();
            } else {
                self.round(Some(&news.written), &[]);
            }
            if is_stopping {
                // The workers read what has been written, and see that no more orders will come.
                self.say_positions();
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// How long to wait for word before looking all the same.
    fn patience(&self) -> Duration {
        if !self.is_heard {
            OFTEN
        } else if self.paths.values().any(|followed| followed.plan.due().is_some()) {
            LEFT
        } else {
            RARELY
        }
    }

    /// Finds new paths, and watches the folders they are in.
    fn find(&mut self) {
        // Folders first: what appears behind the search is heard of.
        self.is_heard = self.watch.set(self.names.folders());
        let paths = self.names.paths();
        // What a pattern found and is deleted needs no one to wait for it.
        self.paths.retain(|path, followed| paths.contains(path) || !followed.plan.is_idle());
        for path in paths {
            if self.paths.contains_key(&path) {
                continue;
            }
            // Another path's file under its new name.
            if ident_at(&path).is_some_and(|ident| self.is_followed(ident)) {
                continue;
            }
            if self.paths.len() >= PATHS_MAX {
                if !std::mem::replace(&mut self.complained, true) {
                    tracing::warn!("--tail: more than {PATHS_MAX} files; {} and others are not read", path.display());
                }
                return;
            }
            let Some(worker) = least_loaded(&self.workers) else { return };
            let (orders, receiver) = tokio::sync::mpsc::unbounded_channel();
            let tailed = Tailed { path: path.to_string_lossy().into_owned(), orders: receiver };
            worker.load.opened();
            if worker.connections.send(Dealt::File(tailed)).is_ok() {
                let plan = Plan::new(self.first);
                self.paths.insert(path, Followed { plan, files: Vec::new(), orders, complained: false });
            }
        }
    }

    fn is_followed(&self, ident: Ident) -> bool {
        self.paths.values().any(|followed| followed.plan.knows(ident))
    }

    /// Looks at these paths, or at all.
    fn round(&mut self, which: Option<&[PathBuf]>, moved: &[(PathBuf, PathBuf)]) {
        let all: Vec<PathBuf> = match which {
            Some(which) => which.iter().filter(|path| self.paths.contains_key(*path)).cloned().collect(),
            None => self.paths.keys().cloned().collect(),
        };
        for path in all {
            self.look(&path, moved);
        }
    }

    fn look(&mut self, path: &Path, moved: &[(PathBuf, PathBuf)]) {
        let Some(mut followed) = self.paths.remove(path) else { return };
        let mut new: Vec<(Ident, File)> = Vec::new();
        let mut there = |at: &Path, followed: &mut Followed| {
            let ident = ident_at(at)?;
            if followed.plan.knows(ident) {
                return Some(ident);
            }
            let opened = File::open(at).and_then(|file| Ok((ident_of(&file.metadata()?), file)));
            match opened {
                // It may have changed since.
                Ok((ident, file)) if !self.is_followed(ident) => {
                    followed.complained = false;
                    new.push((ident, file));
                    Some(ident)
                }
                Ok(_) => None,
                Err(error) => {
                    if error.kind() != io::ErrorKind::NotFound && !std::mem::replace(&mut followed.complained, true) {
                        tracing::warn!("{}: {error}; let the engine's user read it", at.display());
                    }
                    None
                }
            }
        };
        let moved: Vec<Ident> =
            moved.iter().filter(|(from, _)| from == path).filter_map(|(_, to)| there(to, &mut followed)).collect();
        let named = there(path, &mut followed);
        let standings: Vec<(Ident, Standing)> = followed.files.iter().filter_map(Held::standing).collect();
        let standing = |ident| standings.iter().find(|(of, _)| *of == ident).map(|(_, standing)| *standing);
        let steps = followed.plan.look(Instant::now(), &moved, named, standing);
        for step in steps {
            followed.step(step, path, &mut new);
        }
        // The worker has gone only when all ends.
        let _ = followed.orders.send(Order::Look);
        self.paths.insert(path.to_owned(), followed);
    }

    fn say_positions(&self) {
        for (path, followed) in &self.paths {
            for position in followed.positions(path) {
                tracing::debug!("{}: counted up to byte {}", position.path.display(), position.offset);
            }
        }
    }
}

impl Followed {
    fn step(&mut self, step: Step, path: &Path, new: &mut Vec<(Ident, File)>) {
        let order = match step {
            Step::Open(ident, from) => {
                let Some(at) = new.iter().position(|(of, _)| *of == ident) else { return };
                let (ident, file) = new.swap_remove(at);
                let opened = file.metadata().and_then(|about| Ok((about.len(), file.try_clone()?)));
                let (len, copy) = match opened {
                    Ok(opened) => opened,
                    Err(error) => {
                        tracing::warn!("{}: {error}", path.display());
                        self.plan.forget(ident);
                        return;
                    }
                };
                let offset = if from == From::End { len } else { 0 };
                tracing::info!("following {} from byte {offset}", path.display());
                let read_to = Arc::new(ReadTo::new(offset));
                self.files.push(Held { ident, file, read_to: read_to.clone() });
                Order::Open(New { ident, file: copy, offset, is_inside: offset > 0, read_to })
            }
            Step::Restart(ident) => {
                // A new account from here on: the next look may come before the worker knows.
                let read_to = Arc::new(ReadTo::new(0));
                let held = self.files.iter_mut().filter(|held| held.ident == ident);
                held.for_each(|held| held.read_to = read_to.clone());
                Order::Restart(ident, read_to)
            }
            Step::Close(ident) => {
                self.files.retain(|held| held.ident != ident);
                Order::Close(ident)
            }
        };
        // The worker has gone only when all ends.
        let _ = self.orders.send(order);
    }

    fn positions(&self, path: &Path) -> impl Iterator<Item = Position> {
        self.files.iter().map(|held| Position {
            path: path.to_owned(),
            ident: held.ident,
            offset: held.read_to.counted(),
        })
    }
}

impl Held {
    fn standing(&self) -> Option<(Ident, Standing)> {
        // In this order: a file that grows in between has not shrunk.
        let read_to = self.read_to.bytes();
        let len = self.file.metadata().ok()?.len();
        Some((self.ident, Standing { read_to, len }))
    }
}

/// What has a name, if it is a file.
pub(super) fn ident_at(path: &Path) -> Option<Ident> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|about| ident_of(&about))
}

/// Which file that is.
pub(super) fn ident_of(about: &std::fs::Metadata) -> Ident {
    let born = about.created().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    Ident { device: about.dev(), inode: about.ino(), born: born.map(|since| since.as_nanos()) }
}
