//! How many entries does one worker take from a loopback socket, for each second of its CPU, and how many does the naive reference?
//!
//! Both fill the same tables from the squid captures, in turns, in one run; the answers must agree. Asserts at least 4 000 000
//! entries per CPU second, and twice the naive reference. A program of its own: criterion doesn't fit sockets.
#![allow(clippy::unwrap_used)]

mod naive;

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use naive::Naive;
use visulate::clock::Clock;
use visulate::engine::{Config, Engine};
use visulate::merger::Command;
use visulate::replay::{Input, Options, Until, load, send};
use visulate::secret::Secret;
use visulate::source::{Choice, Limits, Reader, bind};
use visulate::tally::{Counts, Statistics};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The floor, entries per CPU second of the worker.
const FLOOR: f64 = 4_000_000.0;

/// The same with windows.
const FLOOR_OF_ALL: f64 = 2_500_000.0;

/// Rounds; the medians are compared.
const ROUNDS: usize = 5;

/// Copies of the captures in a round.
const COPIES: u64 = 100;

const CAPTURES: [&str; 6] = [
    "ats-8.1-collation-squid",
    "ats-8.1-collation-two-objects.conn1-squid",
    "ats-8.1-collation-two-clients.conn0-edge-01-squid",
    "ats-8.1-collation-two-clients.conn2-edge-02-squid",
    "ats-8.1-collation-many-objects.conn0-squid-wiped",
    "ats-8.1-collation-many-objects.conn1-squid-text",
];

fn main() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let files: Vec<PathBuf> = CAPTURES.iter().map(|name| folder.join(format!("{name}.bin.zst"))).collect();
    let input = Arc::new(load(&files).unwrap());
    let [mut ours, mut all, mut theirs, mut bytes_rate] = [const { Vec::new() }; 4];
    for round in 1..=ROUNDS {
        let (fast, bytes, total) = engine(&input, Statistics::Base);
        let (timed, _, total_timed) = engine(&input, Statistics::All);
        let (slow, expected) = reference(&input);
        assert_eq!(total, total_timed);
        for (sum, one) in total.requests.iter().zip(expected.requests) {
            assert_eq!(*sum, one * COPIES, "the answers agree");
        }
        println!(
            "round {round}: worker {:.2} M, with windows {:.2} M, naive {:.2} M entries per CPU second",
            fast / 1e6,
            timed / 1e6,
            slow / 1e6
        );
        all.push(timed);
        ours.push(fast);
        bytes_rate.push(bytes);
        theirs.push(slow);
    }
    let median = |mut rates: Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let (fast, timed, slow, bytes) = (median(ours), median(all), median(theirs), median(bytes_rate));
    println!(
        "median: worker {:.2} M entries ({:.2} GB) per CPU second, with windows {:.2} M, naive {:.2} M, ratio {:.1}",
        fast / 1e6,
        bytes / 1e9,
        timed / 1e6,
        slow / 1e6,
        fast / slow
    );
    assert!(fast >= FLOOR, "below {FLOOR} entries per CPU second");
    assert!(timed >= FLOOR_OF_ALL, "below {FLOOR_OF_ALL} entries per CPU second with windows");
    assert!(fast >= 2.0 * slow, "less than twice the naive reference");
}

/// One worker of the engine; gives entries and bytes per CPU second of its thread.
fn engine(input: &Arc<Input>, statistics: Statistics) -> (f64, f64, Counts) {
    let clock = Clock::driven(1_795_460_600_000);
    let engine = Engine::start(Config {
        collation: vec![bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap()],
        tails: Default::default(),
        workers: 1,
        cores: vec![],
        reader: Reader::probe(Choice::Auto).unwrap(),
        secret: Secret::new(b"foobar").unwrap(),
        limits: Limits::default(),
        memory: 1 << 30,
        rules: visulate::tally::Rules::default(),
        statistics,
        clock,
        filters: Vec::new(),
        filter_limit: 32,
    })
    .unwrap();
    let before = worker_cpu();
    let options = Options {
        to: vec![engine.addresses()[0]],
        secret: Secret::new(b"foobar").unwrap(),
        connections: NonZeroUsize::MIN,
        until: Until::Repeats(COPIES),
        rate: None,
        shift_to_now: false,
    };
    let sent = send(input, options, |_| {}).unwrap();
    let handle = engine.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let snapshot = loop {
        let (done, tick) = tokio::sync::oneshot::channel();
        handle.command(Command::Drive { full: true, done }).unwrap();
        runtime.block_on(tick).unwrap();
        let snapshot = handle.snapshot();
        if snapshot.entries.received() == sent.entries {
            break snapshot;
        }
    };
    let seconds = worker_cpu() - before;
    let total = snapshot.total;
    engine.stop();
    (sent.entries as f64 / seconds, sent.bytes as f64 / seconds, total)
}

/// CPU seconds of this process's thread `worker-0`.
fn worker_cpu() -> f64 {
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        if std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "worker-0") {
            let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap();
            return text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9;
        }
    }
    0.0
}

/// The naive reference behind a blocking socket, fed with one copy; gives entries per CPU second of its thread.
fn reference(input: &Arc<Input>) -> (f64, Counts) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let to = listener.local_addr().unwrap();
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut naive = Naive::default();
        let before = thread_cpu();
        let mut head = [0; 4];
        let mut first = true;
        while stream.read_exact(&mut head).is_ok() {
            let mut body = vec![0; u32::from_le_bytes(head) as usize];
            stream.read_exact(&mut body).unwrap();
            if !std::mem::take(&mut first) {
                naive.segment(&body);
            }
        }
        (thread_cpu() - before, naive.total)
    });
    let options = Options {
        to: vec![to],
        secret: Secret::new(b"foobar").unwrap(),
        connections: NonZeroUsize::MIN,
        until: Until::Repeats(1),
        rate: None,
        shift_to_now: false,
    };
    let sent = send(input, options, |_| {}).unwrap();
    let (seconds, total) = receiver.join().unwrap();
    (sent.entries as f64 / seconds, total)
}

fn thread_cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
