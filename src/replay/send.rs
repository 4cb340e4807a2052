//! Sending: an input goes over many connections at once, as fast as the other side takes it or at a given rate.
//!
//! A few threads, each with a runtime of its own for its share of the connections. Bytes go from the loaded input straight into
//! the sockets in large writes; nothing is made of what the other side says but that it closed.

use std::io;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep_until, timeout};

use super::course::{Course, Pace, Step, Until};
use super::input::Input;
use super::shift::Times;
use crate::secret::Secret;
use crate::wire::encode::auth_message;

/// Connections that one thread serves.
const CONNECTIONS_PER_THREAD: usize = 8;
/// How long to wait at the end for the other side to close too: until then it may not have read everything.
const CLOSING: Duration = Duration::from_secs(10);
/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(100);

/// Where to, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Addresses of one engine; the first that can be connected to is used.
    pub to: Vec<SocketAddr>,
    /// Sent first on every connection.
    pub secret: Secret,
    /// Each sends the whole input.
    pub connections: NonZeroUsize,
    /// When each connection ends.
    pub until: Until,
    /// Entries a second over all connections; `None` is as fast as possible.
    pub rate: Option<f64>,
    /// At the start of each round, moves the newest entry to the present.
    pub shift_to_now: bool,
}

/// What has been sent so far, over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Entries in complete messages.
    pub entries: u64,
    /// Bytes, secrets and lengths included.
    pub bytes: u64,
    /// Since the start.
    pub elapsed: Duration,
}

/// Why not all was sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection.
    #[error("{to}: {error}{}", hint(.error, .to))]
    Connect {
        /// The address tried last.
        to: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The other side doesn't want more.
    #[error("the engine closed the connection after {bytes} bytes: wrong secret? see its log")]
    Closed {
        /// Bytes sent over that connection.
        bytes: u64,
    },
    /// Anything else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn hint(error: &io::Error, to: &SocketAddr) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!(": is the engine listening at {to}?"),
        _ => String::new(),
    }
}

/// What all connections share.
struct Job {
    input: Arc<Input>,
    options: Options,
    times: Option<Times>,
    start: Instant,
    entries: AtomicU64,
    bytes: AtomicU64,
    /// A connection failed: the others end too.
    stop: AtomicBool,
}

/// Sends the input and waits until the other side has read it. `progress` is called several times a second.
///
/// # Errors
///
/// [`SendError`] of the first connection that failed.
pub fn send(input: &Arc<Input>, options: Options, mut progress: impl FnMut(Sent)) -> Result<Sent, SendError> {
    let count = options.connections.get();
    allow_files();
    let streams = (0..count).map(|_| connect(&options.to)).collect::<Result<Vec<_>, _>>()?;
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = count.div_ceil(CONNECTIONS_PER_THREAD).min(cores);
    let mut shares: Vec<Vec<(usize, StdStream)>> = (0..threads).map(|_| Vec::new()).collect();
    for (index, stream) in streams.into_iter().enumerate() {
        shares[index % threads].push((index, stream));
    }
    let job = Job {
        input: Arc::clone(input),
        times: options.shift_to_now.then(|| Times::of(input)),
        options,
        start: Instant::now(),
        entries: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        stop: AtomicBool::new(false),
    };
    let job = Arc::new(job);
    let (ended, ends) = mpsc::channel();
    for share in shares {
        let (job, ended) = (Arc::clone(&job), ended.clone());
        thread::Builder::new().name("replay".to_owned()).spawn(move || {
            let result = run(&job, share);
            if result.is_err() {
                job.stop.store(true, Relaxed);
            }
            // The receiver is there until all threads have ended.
            let _ = ended.send(result);
        })?;
    }
    drop(ended);
    let mut elapsed = Duration::ZERO;
    let mut failed = None;
    loop {
        match ends.recv_timeout(PROGRESS) {
            Ok(Ok(end)) => elapsed = elapsed.max(end),
            Ok(Err(error)) => failed = failed.or(Some(error)),
            Err(RecvTimeoutError::Timeout) => progress(job.sent(job.start.elapsed())),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(job.sent(elapsed)),
    }
}

impl Job {
    fn sent(&self, elapsed: Duration) -> Sent {
        Sent { entries: self.entries.load(Relaxed), bytes: self.bytes.load(Relaxed), elapsed }
    }

    /// The pace of one connection.
    fn pace(&self, index: usize) -> Option<Pace> {
        let count = self.options.connections.get() as f64;
        self.options.rate.map(|rate| Pace { rate: rate / count, phase: index as f64 / count })
    }
}

/// Serves a share of the connections; returns when, since the start, the last ended.
fn run(job: &Arc<Job>, share: Vec<(usize, StdStream)>) -> Result<Duration, SendError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let mut connections = JoinSet::new();
        for (index, stream) in share {
            let job = Arc::clone(job);
            connections.spawn_local(async move {
                let result = Connection::new(stream, &job)?.drive(index).await;
                if result.is_err() {
                    job.stop.store(true, Relaxed);
                }
                result
            });
        }
        let mut last = Duration::ZERO;
        let mut failed = None;
        while let Some(result) = connections.join_next().await {
            match result.map_err(io::Error::other).map_err(SendError::from).flatten() {
                Ok(end) => last = last.max(end),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(last), Err)
    })
}

/// One connection.
struct Connection<'a> {
    stream: TcpStream,
    job: &'a Job,
    bytes: u64,
}

impl<'a> Connection<'a> {
    fn new(stream: StdStream, job: &'a Job) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream: TcpStream::from_std(stream)?, job, bytes: 0 })
    }

    /// Sends all, closes, and waits for the other side to close; returns when that was.
    async fn drive(mut self, index: usize) -> Result<Duration, SendError> {
        let job = self.job;
        self.write(&auth_message(job.options.secret.bytes())).await?;
        let mut course = Course::new(&job.input, job.options.until, job.pace(index));
        let mut moved = Vec::new();
        let mut seconds = 0;
        while !job.stop.load(Relaxed) {
            match course.next(job.start.elapsed()) {
                Step::Send { place, entries, starts_round } => {
                    let bytes = &job.input.bytes()[place.clone()];
                    if let Some(times) = &job.times {
                        if starts_round {
                            seconds = times.newest().map_or(0, |newest| unix_now().saturating_sub(newest));
                        }
                        moved.clear();
                        moved.extend_from_slice(bytes);
                        times.shift(&mut moved, place, seconds);
                        self.write(&moved).await?;
                    } else {
                        self.write(bytes).await?;
                    }
                    job.entries.fetch_add(entries, Relaxed);
                }
                Step::Wait(due) => {
                    let due = job.start.checked_add(due).unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
                    tokio::select! {
                        () = sleep_until(due.into()) => {}
                        _ = self.closed() => return Err(SendError::Closed { bytes: self.bytes }),
                    }
                }
                Step::Done => break,
            }
        }
        let written = job.start.elapsed();
        // An engine that closed first is told by what it says next.
        let _ = self.stream.shutdown().await;
        match timeout(CLOSING, self.closed()).await {
            Ok(Ok(())) => Ok(job.start.elapsed()),
            Ok(Err(_)) => Err(SendError::Closed { bytes: self.bytes }),
            Err(_) => Ok(written),
        }
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), SendError> {
        while !bytes.is_empty() {
            let len = self.stream.write(bytes).await.map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => SendError::Closed { bytes: self.bytes },
                _ => SendError::Io(error),
            })?;
            self.bytes += len as u64;
            self.job.bytes.fetch_add(len as u64, Relaxed);
            bytes = &bytes[len..];
        }
        Ok(())
    }

    /// Waits until the other side closes; what it sends instead is ignored.
    async fn closed(&self) -> io::Result<()> {
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(&mut [0; 64]) {
                Ok(0) => return Ok(()),
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
    }
}

fn connect(to: &[SocketAddr]) -> Result<StdStream, SendError> {
    let mut last = Err(SendError::Io(io::Error::new(io::ErrorKind::NotFound, "no address to send to")));
    for &to in to {
        match StdStream::connect(to) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Err(SendError::Connect { to, error }),
        }
    }
    last
}

/// Raises the limit of open files as far as it goes; where it doesn't, connecting will say so.
fn allow_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
