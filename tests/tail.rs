//! Log files that grow, are rotated, cut off, deleted and damaged: what is written is what is counted.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Capture, Totals, capture};
use visulate::clock::Clock;
use visulate::engine::{Config, Engine};
use visulate::merger::{Handle, Snapshot};
use visulate::secret::Secret;
use visulate::source::tail::{Tails, TextLogs};
use visulate::source::{Choice, Limits, Reader};
use visulate::tally::{Cause, Dimension, Rules};
use visulate::view::key::{Key, node};

/// More than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

const BOTH: [Choice; 2] = [Choice::Uring, Choice::Epoll];

/// An engine that follows files in a folder of its own.
struct Tailing {
    folder: tempfile::TempDir,
    engine: Engine,
}

impl Tailing {
    /// Follows `names` in a folder that `prepare` fills first; `NAME|pipe` is a pipe.
    fn start(reader: Choice, names: &[&str], from_start: bool, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let names: Vec<String> = names.iter().map(|name| folder.path().join(name).to_str().unwrap().into()).collect();
        let (pipes, patterns): (Vec<String>, Vec<String>) = names.into_iter().partition(|name| name.ends_with("|pipe"));
        let pipes = pipes.iter().map(|pipe| pipe.trim_end_matches("|pipe").to_owned()).collect();
        let text = Arc::new(TextLogs { name: "this-machine".into(), ..TextLogs::default() });
        let tails = Tails { patterns, from_start, pipes, text };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let engine = Engine::start(Config {
            collation: vec![listener],
            workers: 2,
            cores: vec![],
            reader: Reader::probe(reader).unwrap(),
            secret: Secret::new(b"quiet").unwrap(),
            limits: Limits::default(),
            tails,
            rules: Rules::default(),
            statistics: visulate::tally::Statistics::All,
            memory: 256 << 20,
            clock: Clock::wall(),
            filters: Vec::new(),
            filter_limit: 32,
        })
        .unwrap();
        Self { folder, engine }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, bytes: &[u8]) {
        append(&self.path(name), bytes);
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// The first snapshot with which `enough` is content.
    fn wait(&self, enough: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut ticks = self.engine.handle().ticks();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let waited = runtime.block_on(async {
            let ticks = ticks.wait_for(|snapshot| enough(snapshot));
            tokio::time::timeout(PATIENCE, ticks).await.map(|snapshot| snapshot.unwrap().clone())
        });
        waited.unwrap_or_else(|_| {
            let last = self.engine.handle().snapshot();
            panic!("waited in vain: {:?} {:?}", last.entries, last.rejected)
        })
    }

    fn received(&self, entries: u64) -> Arc<Snapshot> {
        let snapshot = self.wait(|snapshot| snapshot.entries.received() >= entries);
        assert_eq!(snapshot.entries.received(), entries);
        snapshot
    }
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// Requests and bytes by key.
fn totals(handle: &Handle, dimension: Dimension, requests: u64) -> Totals {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let until = Instant::now() + PATIENCE;
    loop {
        let whole = runtime.block_on(handle.dimension(dimension, &handle.snapshot())).unwrap();
        let table = whole.table(visulate::tally::Window::Total).unwrap();
        if table.total.all_requests() == requests {
            let rows = table.rows.iter().enumerate().map(|(row, counts)| {
                let Key::One(key) = Key::new(dimension, table.raw_key(row as u32)) else { panic!("a pair") };
                (key, (counts.all_requests(), counts.all_bytes()))
            });
            return rows.collect();
        }
        assert!(Instant::now() < until, "waited in vain for {requests} of {dimension:?}");
    }
}

/// All figures are those of a capture, so many times.
fn check(tailing: &Tailing, capture: &Capture, times: u64) {
    let snapshot = tailing.received(capture.entries * times);
    assert_eq!(snapshot.total.all_bytes(), capture.bytes * times);
    assert_eq!(snapshot.entries.bad, 0);
    assert!(snapshot.rejected.is_empty(), "{:?}", snapshot.rejected);
    for (name, dimension) in [
        ("client", Dimension::Client),
        ("host", Dimension::Host),
        ("status", Dimension::Status),
        ("method", Dimension::Method),
        ("result", Dimension::Result),
    ] {
        let expected: Totals =
            capture.totals[name].iter().map(|(key, sums)| (key.clone(), (sums.0 * times, sums.1 * times))).collect();
        assert_eq!(totals(&tailing.engine.handle(), dimension, capture.entries * times), expected, "{name}");
    }
}

fn squid() -> Capture {
    capture("ats-8.1-collation-squid")
}

/// How many entries segments have.
fn entries(segments: &[&[u8]]) -> u64 {
    segments.iter().map(|segment| u64::from(u32::from_le_bytes(segment[16..20].try_into().unwrap()))).sum()
}

#[test]
fn a_log_in_pieces_across_two_rotations_is_counted_whole() {
    for reader in BOTH {
        let (tailing, capture) = (Tailing::start(reader, &["squid.blog"], false, |_| ()), squid());
        let segments = capture.split();
        let (first, rest) = segments.split_at(segments.len() / 3);
        let (second, third) = rest.split_at(rest.len() / 2);
        // It isn't there at first; its writes end anywhere.
        for piece in first.concat().chunks(5000) {
            tailing.append("squid.blog", piece);
        }
        tailing.received(entries(first));
        tailing.rename("squid.blog", "squid.blog_edge.1.old");
        for (at, segment) in second.iter().enumerate() {
            tailing.append("squid.blog", &segment[..100]);
            if at % 8 == 0 {
                // As far as it is whole.
                tailing.received(entries(first) + entries(&second[..at]));
            }
            tailing.append("squid.blog", &segment[100..]);
        }
        tailing.rename("squid.blog", "squid.blog_edge.2.old");
        tailing.append("squid.blog", &third[1..].concat());
        // Written behind the rotation, into the file that has lost its name.
        tailing.append("squid.blog_edge.2.old", third[0]);
        check(&tailing, &capture, 1);
        tailing.engine.stop();
    }
}

#[test]
fn files_that_are_there_are_read_from_their_end_unless_told_otherwise() {
    let capture = squid();
    let segments = capture.split();
    for reader in BOTH {
        for from_start in [false, true] {
            let half = &segments[3][..segments[3].len() / 2];
            let tailing = Tailing::start(reader, &["squid.blog"], from_start, |folder| {
                append(&folder.join("squid.blog"), &[&segments[..3].concat(), half].concat());
            });
            let before = if from_start { &segments[..4] } else { &[] };
            tailing.append("squid.blog", &segments[3][half.len()..]);
            tailing.append("squid.blog", &segments[4..6].concat());
            let snapshot = tailing.received(entries(before) + entries(&segments[4..6]));
            assert!(snapshot.rejected.is_empty(), "the rest of a half-written segment is no damage");
            tailing.engine.stop();
        }
    }
}

#[test]
fn truncation_and_deletion_begin_anew() {
    let capture = squid();
    let segments = capture.split();
    for reader in BOTH {
        let tailing = Tailing::start(reader, &["squid.blog"], false, |_| ());
        tailing.append("squid.blog", &segments[..4].concat());
        let mut expected = entries(&segments[..4]);
        tailing.received(expected);
        OpenOptions::new().write(true).truncate(true).open(tailing.path("squid.blog")).unwrap();
        tailing.append("squid.blog", segments[4]);
        expected += entries(&segments[4..5]);
        tailing.received(expected);
        std::fs::remove_file(tailing.path("squid.blog")).unwrap();
        tailing.append("squid.blog", segments[5]);
        expected += entries(&segments[5..6]);
        tailing.received(expected);
        // However often, and whatever happens between two looks.
        for segment in &segments[6..12] {
            tailing.rename("squid.blog", &format!("{expected}.old"));
            tailing.append("squid.blog", segment);
            expected += entries(&[segment]);
        }
        assert!(tailing.received(expected).rejected.is_empty());
        tailing.engine.stop();
    }
}

#[test]
fn a_pattern_follows_new_files_and_knows_renamed_ones() {
    let capture = squid();
    let segments = capture.split();
    let tailing = Tailing::start(Choice::Auto, &["*blog*"], false, |folder| {
        append(&folder.join("squid.blog"), segments[0]);
    });
    tailing.append("other.blog", segments[1]);
    tailing.append("squid.blog", segments[2]);
    let mut expected = entries(&segments[1..3]);
    tailing.received(expected);
    for (at, segment) in segments[3..9].iter().enumerate() {
        // As logrotate does it: all names move, and each fits the pattern.
        for old in (0..at).rev() {
            tailing.rename(&format!("squid.blog.{old}"), &format!("squid.blog.{}", old + 1));
        }
        tailing.rename("squid.blog", "squid.blog.0");
        tailing.append("squid.blog", segment);
        expected += entries(&[segment]);
        tailing.received(expected);
    }
    // Both files say the same host: one node.
    let snapshot = tailing.engine.handle().snapshot();
    assert_eq!(snapshot.nodes.len(), 1);
    let of = &snapshot.nodes[0];
    assert_eq!(node(&of.name, &of.address), format!("{}@file", capture.source_host));
    for name in ["other.blog", "squid.blog"] {
        assert!(of.address.split(", ").any(|path| Path::new(path) == tailing.path(name)), "{}", of.address);
    }
    tailing.engine.stop();
}

#[test]
fn damage_is_counted_and_what_is_around_it_too() {
    let capture = squid();
    let segments = capture.split();
    for reader in BOTH {
        let tailing = Tailing::start(reader, &["squid.blog"], true, |_| ());
        let garbage = vec![0xce; 100_000];
        tailing.append("squid.blog", &[segments[0], &garbage, segments[1], &segments[2][..500]].concat());
        // The cut segment's length covers the next one: only when all of that is there it shows.
        tailing.append("squid.blog", segments[3]);
        tailing.append("squid.blog", segments[5]);
        let snapshot = tailing.received(entries(&segments[..2]) + entries(&segments[3..4]) + entries(&segments[5..6]));
        let rejected = snapshot.rejected.by(Cause::Segment);
        assert_eq!((rejected.segments, rejected.bytes), (2, garbage.len() as u64 + 500));
        assert_eq!(snapshot.nodes[0].rejected.by(Cause::Segment), rejected, "of that node");
        // What is half-written when the engine stops is not yet lost.
        tailing.append("squid.blog", &segments[4][..200]);
        let handle = tailing.engine.handle();
        tailing.engine.stop();
        assert_eq!(handle.snapshot().rejected.total(), *rejected);
    }
}

#[test]
fn a_stop_reads_what_has_been_written() {
    let capture = squid();
    for reader in BOTH {
        let tailing = Tailing::start(reader, &["squid.blog", "late.blog"], false, |_| ());
        for _ in 0..20 {
            tailing.append("squid.blog", &capture.log());
        }
        tailing.rename("squid.blog", "squid.blog.old");
        tailing.append("squid.blog", &capture.log());
        tailing.append("late.blog", &capture.log());
        let handle = tailing.engine.handle();
        tailing.engine.stop();
        assert_eq!(handle.snapshot().entries.received(), capture.entries * 22);
    }
}

/// A line of the squid format.
fn line(number: u64) -> String {
    format!(
        "17000000{:02}.123 5 192.0.2.{} TCP_HIT/200 {number} GET http://www.example/{number} - NONE/- text/html\n",
        number % 60,
        number % 250
    )
}

fn lines(numbers: std::ops::Range<u64>) -> String {
    numbers.map(line).collect()
}

#[test]
fn a_text_log_is_counted_line_by_line_from_its_start_or_its_end() {
    for reader in BOTH {
        for from_start in [false, true] {
            let tailing = Tailing::start(reader, &["squid.log"], from_start, |folder| {
                // Its end is inside a line.
                append(&folder.join("squid.log"), (lines(0..10) + &line(10)[..30]).as_bytes());
            });
            tailing.append("squid.log", (line(10)[30..].to_owned() + &lines(11..20)).as_bytes());
            let first = if from_start { 0 } else { 11 };
            let snapshot = tailing.received(20 - first);
            assert_eq!(snapshot.total.all_bytes(), (first..20).sum::<u64>());
            for piece in lines(20..500).as_bytes().chunks(1000) {
                tailing.append("squid.log", piece);
            }
            tailing.rename("squid.log", "squid.log.old");
            tailing.append("squid.log", lines(500..510).as_bytes());
            tailing.append("squid.log.old", lines(510..520).as_bytes());
            let snapshot = tailing.received(520 - first);
            assert_eq!((snapshot.total.all_bytes(), snapshot.entries.bad), ((first..520).sum::<u64>(), 0));
            let of = &snapshot.nodes[0];
            assert_eq!((&*of.address, &*of.name), (tailing.path("squid.log").to_str().unwrap(), &b"this-machine"[..]));
            // Half a line is not yet one, and at a stop it isn't lost.
            tailing.append("squid.log", &line(600).as_bytes()[..40]);
            let handle = tailing.engine.handle();
            tailing.engine.stop();
            assert!(handle.snapshot().rejected.is_empty());
        }
    }
}

#[test]
fn a_log_that_is_entered_between_two_lines_misses_none() {
    let tailing = Tailing::start(Choice::Auto, &["squid.log"], false, |folder| {
        append(&folder.join("squid.log"), lines(0..3).as_bytes());
    });
    tailing.append("squid.log", lines(3..5).as_bytes());
    assert_eq!(tailing.received(2).total.all_bytes(), 7);
    tailing.engine.stop();
}

#[test]
fn a_pipe_is_read_through_any_number_of_writers() {
    for reader in BOTH {
        let tailing = Tailing::start(reader, &["squid.pipe|pipe"], false, |folder| {
            let path = folder.join("squid.pipe");
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        });
        for round in 0..3 {
            // One writer goes, another comes.
            let mut pipe = OpenOptions::new().write(true).open(tailing.path("squid.pipe")).unwrap();
            pipe.write_all(lines(round * 1000..round * 1000 + 1000).as_bytes()).unwrap();
            drop(pipe);
            let snapshot = tailing.received((round + 1) * 1000);
            assert_eq!(snapshot.total.all_bytes(), (0..(round + 1) * 1000).sum::<u64>());
        }
        let mut pipe = OpenOptions::new().write(true).open(tailing.path("squid.pipe")).unwrap();
        pipe.write_all(lines(3000..3100).as_bytes()).unwrap();
        let handle = tailing.engine.handle();
        tailing.engine.stop();
        assert_eq!(handle.snapshot().entries.received(), 3100, "what is in it at the stop counts");
    }
}

/// Measures, too: `--no-capture` shows it. What the delay must be is checked where the machine is quiet.
#[test]
fn each_segment_is_counted_soon() {
    let capture = squid();
    let segments = capture.split();
    for reader in BOTH {
        let tailing = Tailing::start(reader, &["squid.blog"], false, |_| ());
        let (mut expected, mut delays) = (0, Vec::new());
        for segment in segments.iter().cycle().take(12) {
            expected += entries(&[segment]);
            let start = Instant::now();
            tailing.append("squid.blog", segment);
            tailing.received(expected);
            delays.push(start.elapsed());
        }
        delays.sort();
        eprintln!("{reader:?}: a segment is counted after {:?} (median), {:?} (longest of 12)", delays[6], delays[11]);
        tailing.engine.stop();
    }
}
