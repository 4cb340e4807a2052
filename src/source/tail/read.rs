//! A worker's side of a path that is followed: its files are read as they grow, one after another, and counted.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc::UnboundedReceiver;

use super::count::Counter;
use super::plan::Ident;
use crate::source::buffer::Buffer;
use crate::source::door::Event;
use crate::source::reader::File;
use crate::source::session::Session;
use crate::source::worker::Worker;

/// A path that is followed, on its way to a worker.
#[derive(Debug)]
pub struct Tailed {
    /// The path.
    pub path: String,
    /// What to do, until the engine stops: then what has been written is read, and that was all.
    pub orders: UnboundedReceiver<Order>,
}

/// What a worker is told about a path.
#[derive(Debug)]
pub enum Order {
    /// Read this file, too, after those before.
    Open(New),
    /// Some of its files have grown.
    Look,
    /// This file is to be read from its start again, and how far it is then read.
    Restart(Ident, Arc<ReadTo>),
    /// This file is at its end.
    Close(Ident),
}

/// A file that is to be read.
#[derive(Debug)]
pub struct New {
    /// Which it is.
    pub ident: Ident,
    /// The file.
    pub file: std::fs::File,
    /// Where to begin.
    pub offset: u64,
    /// That may be inside a segment.
    pub is_inside: bool,
    /// How far it is read.
    pub read_to: Arc<ReadTo>,
}

/// How far a file has been read; written by the worker.
#[derive(Debug, Default)]
pub struct ReadTo {
    bytes: AtomicU64,
    counted: AtomicU64,
}

impl ReadTo {
    /// A file that is read from there on.
    pub fn new(offset: u64) -> Self {
        Self { bytes: offset.into(), counted: offset.into() }
    }

    /// Bytes read.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Bytes whose entries are counted: whoever reads on from there misses none and counts none twice.
    pub fn counted(&self) -> u64 {
        self.counted.load(Ordering::Acquire)
    }
}

/// A file that is read.
struct Reading<F> {
    ident: Ident,
    file: F,
    buffer: Buffer,
    counter: Counter,
    offset: u64,
    read_to: Arc<ReadTo>,
    is_failing: bool,
}

/// Follows one path, until nobody gives orders any more.
pub(in crate::source) async fn read<F: File>(worker: Rc<Worker>, tailed: Tailed) {
    let Tailed { path, mut orders } = tailed;
    let mut session = Session::of_file(path, worker.limits.segment);
    let mut files: Vec<Reading<F>> = Vec::new();
    let mut next = orders.recv().await;
    while let Some(order) = next {
        obey(order, &worker, &mut session, &mut files);
        // All that has been said, before the files are looked at.
        while let Ok(order) = orders.try_recv() {
            obey(order, &worker, &mut session, &mut files);
        }
        for file in &mut files {
            file.read(&worker, &mut session).await;
        }
        next = orders.recv().await;
    }
    for file in &mut files {
        file.read(&worker, &mut session).await;
    }
    session.leave(&mut worker.shared.borrow_mut());
    worker.load.closed();
}

fn obey<F: File>(order: Order, worker: &Worker, session: &mut Session, files: &mut Vec<Reading<F>>) {
    match order {
        Order::Look => {}
        Order::Open(new) => match Buffer::new(&worker.budget) {
            Ok(buffer) => files.push(Reading {
                ident: new.ident,
                file: F::new(new.file),
                buffer,
                counter: Counter::segments(worker.limits.segment, new.offset, new.is_inside),
                offset: new.offset,
                read_to: new.read_to,
                is_failing: false,
            }),
            Err(_) => {
                tracing::warn!("{}: no memory to read it; raise --memory, or follow fewer files", session.peer());
            }
        },
        Order::Restart(ident, read_to) => {
            if let Some(file) = files.iter_mut().find(|file| file.ident == ident) {
                tracing::info!("{}: it has shrunk, and is read from its start again", session.peer());
                file.end(worker, session);
                file.counter = Counter::segments(worker.limits.segment, 0, false);
                (file.offset, file.read_to) = (0, read_to);
            }
        }
        Order::Close(ident) => {
            if let Some(at) = files.iter().position(|file| file.ident == ident) {
                files.remove(at).end(worker, session);
            }
            if files.is_empty() {
                session.leave(&mut worker.shared.borrow_mut());
            }
        }
    }
}

impl<F: File> Reading<F> {
    /// Reads to what is the end now.
    async fn read(&mut self, worker: &Worker, session: &mut Session) {
        loop {
            let (read, bytes) = self.file.read_at(self.buffer.take(), self.offset).await;
            let count = *read.as_ref().unwrap_or(&0);
            self.buffer.put(bytes, count);
            if let Err(error) = read
                && !std::mem::replace(&mut self.is_failing, true)
            {
                tracing::warn!("{}: it can't be read at byte {}: {error}", session.peer(), self.offset);
            }
            if count == 0 {
                return;
            }
            self.is_failing = false;
            self.offset += count as u64;
            worker.load.read(count);
            worker.shared.borrow_mut().shard.read(count);
            self.count(false, worker, session);
            self.say(self.offset - self.buffer.bytes().len() as u64);
        }
    }

    /// Counts what is whole.
    fn count(&mut self, is_end: bool, worker: &Worker, session: &mut Session) {
        let (shared, now) = (&mut *worker.shared.borrow_mut(), worker.clock.now());
        let took = self.counter.take(self.buffer.bytes(), is_end, session, shared, now);
        if self.buffer.consume(took.used, took.needed).is_err() {
            tracing::warn!("{}: no memory for a long segment; raise --memory", session.peer());
            self.counter.give_up(self.buffer.bytes(), session, shared);
            let all = self.buffer.bytes().len();
            // Without anything in it, it needs no more room.
            let _ = self.buffer.consume(all, 0);
        }
        for (offset, len) in took.skipped {
            // The door has gone only when all ends.
            let _ = worker.events.send(Event::Skipped { path: session.peer().into(), offset, len });
        }
        worker.log_dropped(session);
    }

    /// Nothing will follow what is there.
    fn end(&mut self, worker: &Worker, session: &mut Session) {
        self.count(true, worker, session);
        let all = self.buffer.bytes().len();
        // Without anything in it, it needs no more room.
        let _ = self.buffer.consume(all, 0);
    }

    fn say(&self, counted: u64) {
        self.read_to.counted.store(counted, Ordering::Release);
        self.read_to.bytes.store(self.offset, Ordering::Release);
    }
}
