//! A worker's share of following logs: growing files, binary or text, and pipes are read on as they get more.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::BufMut;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Stage;
use super::buffer::Buffer;
use super::file::FileSession;
use super::reader::Grown;
use super::session::{Shared, Taken};
use super::tail::{Position, Signal, Tailed};
use super::text::TextSession;
use super::worker::Worker;
use crate::tally::Cause;
use crate::tally::rejected::Amount;
use crate::wire::line::LineFormats;
use crate::wire::segment::COOKIE;

/// Bytes of a file's beginning that tell what it is.
const HEAD: usize = 512;

/// A pipe that nobody writes to, and of which only the reading end may be held, is looked at so often.
const NO_WRITER: Duration = Duration::from_millis(250);

/// What reads a log's bytes.
enum Log {
    Segments(FileSession),
    Lines {
        session: TextSession,
        path: String,
        /// Begun in the middle: what comes before the first line's end belongs to a line from before.
        is_inside: bool,
    },
}

impl Log {
    /// Tells by the first bytes; `None` while there are too few. A text log is one that has no cookie and no NUL.
    fn of(head: &[u8], position: &Position, worker: &Worker) -> Option<Self> {
        let head = &head[..head.len().min(HEAD)];
        let cookie = head.first_chunk::<4>()?;
        let is_segment = [COOKIE.to_le_bytes(), COOKIE.to_be_bytes()].contains(cookie);
        if is_segment || position.path.ends_with(".blog") || head.contains(&0) {
            let (path, offset) = (position.path.clone(), position.offset);
            return Some(Self::Segments(FileSession::new(path, offset, worker.limits.segment)));
        }
        Some(Self::lines(position, worker))
    }

    fn lines(position: &Position, worker: &Worker) -> Self {
        let path = position.path.clone();
        let log = path.rsplit('/').next().unwrap_or_default();
        let text = &worker.text;
        // That they are sound was seen at start; the formats that come with Traffic Server always are.
        let formats = LineFormats::new(text.formats.clone()).or_else(|_| LineFormats::new(Vec::new()));
        let formats = formats.expect("the predefined formats can be read");
        let formats = formats.in_zone(text.local.0);
        let session = TextSession::new(&text.name, log, formats).of_file(&path);
        Self::Lines { session, path, is_inside: position.offset > 0 }
    }

    fn take(&mut self, bytes: &[u8], shared: &mut Shared, now: u64) -> Taken {
        match self {
            Self::Segments(session) => session.take(bytes, shared, now),
            Self::Lines { session, is_inside, .. } => {
                let mut used = 0;
                if *is_inside {
                    let end = memchr::memchr(b'\n', bytes);
                    used = end.map_or(bytes.len(), |at| at + 1);
                    *is_inside = end.is_none();
                }
                used += session.take(&bytes[used..], shared, now);
                Taken { used, needed: bytes.len() - used + 1, close: None }
            }
        }
    }

    fn take_dropped(&mut self) -> Option<(Cause, u64)> {
        match self {
            Self::Segments(session) => session.take_dropped(),
            // Lines that can't be read are counted as bad entries.
            Self::Lines { .. } => None,
        }
    }

    fn path(&self) -> &str {
        match self {
            Self::Segments(session) => session.path(),
            Self::Lines { path, .. } => path,
        }
    }

    /// Nothing more comes; what is not used up is lost if the file `is_over`.
    fn end(&mut self, rest: &[u8], is_over: bool, shared: &mut Shared, now: u64) {
        match self {
            Self::Segments(session) => session.end(rest, is_over, shared, now),
            Self::Lines { session, .. } => session.end(if is_over { rest } else { &[] }, shared),
        }
    }
}

impl Worker {
    /// Follows a file in a task of its own.
    pub(super) fn follow<F: Grown>(self: &Rc<Self>, tailed: Tailed, tasks: &mut JoinSet<()>) {
        let Some(buffer) = self.room(&tailed.position.path) else { return };
        let worker = self.clone();
        tasks.spawn_local(async move {
            match tailed.file.try_clone() {
                Ok(twin) => {
                    let file = F::new(tailed.file);
                    worker.read_grown(&file, &twin, tailed.position, tailed.signal, buffer).await;
                }
                Err(error) => tracing::warn!("{}: can't be followed: {error}", tailed.position.path),
            }
            worker.load.closed();
        });
    }

    /// Reads a pipe in a task of its own.
    pub(super) fn pipe(self: &Rc<Self>, tailed: Tailed, tasks: &mut JoinSet<()>) {
        let Some(buffer) = self.room(&tailed.position.path) else { return };
        let worker = self.clone();
        tasks.spawn_local(async move {
            match pipe::Receiver::from_file(tailed.file) {
                Ok(pipe) => worker.read_pipe(&pipe, &tailed.position, tailed.signal, buffer).await,
                Err(error) => tracing::warn!("{}: can't be read: {error}", tailed.position.path),
            }
            worker.load.closed();
        });
    }

    fn room(&self, path: &str) -> Option<Buffer> {
        let buffer = Buffer::new(&self.budget).ok();
        if buffer.is_none() {
            let amount = Amount { connections: 1, ..Amount::default() };
            self.shared.borrow_mut().shard.reject(Cause::Limit, &amount, None);
            tracing::warn!("{path}: not followed for want of memory: give more with --memory");
            self.load.closed();
        }
        buffer
    }

    /// Counts what is whole; false for want of memory for what is not.
    fn count(&self, log: &mut Log, buffer: &mut Buffer, read: usize) -> bool {
        self.load.read(read);
        let shared = &mut *self.shared.borrow_mut();
        shared.shard.read(read);
        let taken = log.take(buffer.bytes(), shared, self.clock.now());
        let has_room = buffer.consume(taken.used, taken.needed).is_ok();
        if !has_room {
            shared.shard.reject(Cause::Limit, &Amount { connections: 1, ..Amount::default() }, None);
            tracing::warn!("{}: no longer followed for want of memory: give more with --memory", log.path());
        }
        self.log_dropped(log.path().to_owned(), log.take_dropped());
        has_room
    }

    /// Reads a growing file until it is over, or the engine stops: then to its end as it is.
    async fn read_grown<F: Grown>(
        &self,
        file: &F,
        twin: &std::fs::File,
        position: Position,
        mut signal: watch::Receiver<Signal>,
        mut buffer: Buffer,
    ) {
        let mut offset = position.offset;
        let mut log = None;
        if offset > 0 {
            log = Log::of(&file.read_at(Vec::with_capacity(HEAD), 0).await.1, &position, self);
            if let Some(Log::Lines { .. }) = log {
                // A line may begin here: the byte before tells.
                offset -= 1;
            }
        }
        let mut start = position;
        let mut stopping = self.stopping.clone();
        let mut has_failed = false;
        let is_over = loop {
            // Looked at before the read: what changes during it is seen behind it.
            let told = *signal.borrow_and_update();
            let is_stopping = *stopping.borrow_and_update() > Stage::Run;
            let (read, bytes) = file.read_at(buffer.take(), offset).await;
            let count = *read.as_ref().unwrap_or(&0);
            buffer.put(bytes, count);
            // Said once, and not at each change.
            if let Err(error) = &read
                && !has_failed
            {
                tracing::warn!(
                    "{}: can't be read on at byte {offset}: {error}; it is tried again at each change",
                    start.path
                );
            }
            has_failed = read.is_err();
            if count > 0 {
                offset += count as u64;
                if log.is_none() {
                    log = Log::of(buffer.bytes(), &start, self);
                }
                if let Some(log) = &mut log
                    && !self.count(log, &mut buffer, count)
                {
                    break true;
                }
                continue;
            }
            if twin.metadata().is_ok_and(|about| about.len() < offset) {
                tracing::info!("{}: was cut short, is read from its start", start.path);
                self.end_log(&mut log, &mut buffer, true);
                (log, offset, start.offset) = (None, 0, 0);
                continue;
            }
            if told.is_over || is_stopping {
                break told.is_over;
            }
            tokio::select! {
                // The one who looks for files ends when the engine stops.
                changed = signal.changed() => if changed.is_err() {
                    // Whoever waits for the stop is told by it.
                    let _ = stopping.wait_for(|stage| *stage > Stage::Run).await;
                },
                _ = stopping.changed() => {}
            }
        };
        self.end_log(&mut log, &mut buffer, is_over);
    }

    /// Nothing more comes of a log; the buffer is empty then.
    fn end_log(&self, log: &mut Option<Log>, buffer: &mut Buffer, is_over: bool) {
        if let Some(log) = log {
            log.end(buffer.bytes(), is_over, &mut self.shared.borrow_mut(), self.clock.now());
            self.log_dropped(log.path().to_owned(), log.take_dropped());
        }
        let rest = buffer.bytes().len();
        // An empty buffer needs no memory.
        let _ = buffer.consume(rest, 1);
    }

    /// Reads lines out of a pipe until another takes its name, or the engine stops: then what is in it.
    async fn read_pipe(
        &self,
        pipe: &pipe::Receiver,
        position: &Position,
        mut signal: watch::Receiver<Signal>,
        mut buffer: Buffer,
    ) {
        let mut log = Log::lines(position, self);
        let mut stopping = self.stopping.clone();
        let is_over = loop {
            let is_over = signal.borrow_and_update().is_over;
            let is_stopping = *stopping.borrow_and_update() > Stage::Run;
            let mut bytes = buffer.take();
            let room = bytes.capacity() - bytes.len();
            let read = if is_over || is_stopping {
                // That there is nothing to read may be old news; there will be no later ones.
                rustix::io::read(pipe, rustix::buffer::spare_capacity(&mut bytes)).map_err(io::Error::from)
            } else {
                pipe.try_read_buf(&mut (&mut bytes).limit(room))
            };
            let count = *read.as_ref().unwrap_or(&0);
            buffer.put(bytes, count);
            if count > 0 {
                if !self.count(&mut log, &mut buffer, count) {
                    break true;
                }
                // Connections get their turn between two reads.
                tokio::task::yield_now().await;
                continue;
            }
            if is_over || is_stopping {
                break is_over;
            }
            let is_empty = matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
            if let Err(error) = read
                && !is_empty
            {
                tracing::warn!("{}: can't be read on: {error}", position.path);
                break true;
            }
            tokio::select! {
                _ = pipe.readable(), if is_empty => {}
                () = tokio::time::sleep(NO_WRITER), if !is_empty => {}
                changed = signal.changed() => if changed.is_err() {
                    // Whoever waits for the stop is told by it.
                    let _ = stopping.wait_for(|stage| *stage > Stage::Run).await;
                },
                _ = stopping.changed() => {}
            }
        };
        self.end_log(&mut Some(log), &mut buffer, is_over);
    }
}
