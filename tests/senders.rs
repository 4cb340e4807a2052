//! What the senders send, the engine counts: over real sockets, from captures and from the demo.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Capture, collation};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use visulate::clock::Clock;
use visulate::demo::{Feeder, Generator, NODES, Plan};
use visulate::engine::{Config, Engine};
use visulate::merger::Snapshot;
use visulate::replay::{Input, Options, SendError, Times, Until, send};
use visulate::secret::Secret;
use visulate::source::{Choice, Limits, Reader};
use visulate::tally::Measure;
use visulate::wire::format::Formats;
use visulate::wire::segment::Segment;

const START: i64 = 1_760_000_000;

fn engine(secret: &[u8], clock: Clock) -> (Engine, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let engine = Engine::start(Config {
        collation: vec![listener],
        tails: Default::default(),
        workers: 2,
        cores: vec![],
        reader: Reader::probe(Choice::Auto).unwrap(),
        secret: Secret::new(secret).unwrap(),
        limits: Limits::default(),
        memory: 256 << 20,
        rules: visulate::tally::Rules::default(),
        statistics: visulate::tally::Statistics::All,
        clock,
        filters: Vec::new(),
        filter_limit: 32,
    })
    .unwrap();
    let address = engine.addresses()[0];
    (engine, address)
}

/// The first snapshot with which `enough` is content.
fn wait(engine: &Engine, enough: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let mut ticks = engine.handle().ticks();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { ticks.wait_for(|snapshot| enough(snapshot)).await.unwrap().clone() })
}

fn input(capture: &Capture) -> Input {
    let mut input = Input::default();
    input.add(&capture.stream).unwrap();
    input
}

fn options(to: SocketAddr, secret: &[u8], connections: usize, repeats: u64) -> Options {
    Options {
        to: vec![to],
        secret: Secret::new(secret).unwrap(),
        connections: NonZeroUsize::new(connections).unwrap(),
        until: Until::Repeats(repeats),
        rate: None,
        shift_to_now: false,
    }
}

#[test]
fn captures_are_loaded_without_their_secret_and_their_tail() {
    for capture in collation() {
        let input = input(&capture);
        assert_eq!(input.bytes(), capture.messages(), "{}", capture.name);
        assert_eq!(input.messages().len() as u64, capture.segments, "{}", capture.name);
        assert_eq!(input.entries(), capture.entries, "{}", capture.name);
        assert_eq!(input.unfinished(), u64::from(capture.partial > 0), "{}", capture.name);
    }
}

#[test]
fn shifted_captures_differ_in_their_times_alone() {
    const BY: i64 = 1_000_000;
    let mut formats = Formats::default();
    for capture in collation() {
        let was = input(&capture);
        let mut bytes = was.bytes().to_vec();
        let all = 0..bytes.len();
        Times::of(&was).shift(&mut bytes, all.clone(), BY);
        let mut is = Input::default();
        is.add(&[&capture.stream[..capture.stream.len() - capture.partial - was.bytes().len()], &bytes].concat())
            .unwrap();
        assert_eq!(is.messages(), was.messages());
        for (was, is) in was.segments().zip(is.segments()) {
            let (was, is) = (Segment::parse(was).unwrap(), Segment::parse(is).unwrap());
            let plan = formats.of(&was).unwrap().plan(&was);
            let entries = was.entries().zip(is.entries()).collect::<Vec<_>>();
            assert_eq!(entries.len(), was.entry_count() as usize);
            for (was, is) in entries {
                assert_eq!((is.seconds, is.usec), (was.seconds + BY, was.usec), "{}", capture.name);
                assert_eq!(plan.read(is.payload), plan.read(was.payload), "{}", capture.name);
                assert_ne!(is.payload, was.payload, "{}: every format has a time field", capture.name);
            }
        }
        Times::of(&is).shift(&mut bytes, all, -BY);
        assert_eq!(bytes, was.bytes(), "{}", capture.name);
    }
}

#[test]
fn the_engine_receives_every_replayed_entry() {
    let (engine, to) = engine(b"quiet", Clock::wall());
    let mut input = Input::default();
    for capture in collation() {
        input.add(&capture.stream).unwrap();
    }
    let shift = Options { shift_to_now: true, ..options(to, b"quiet", 3, 2) };
    let expected = 6 * input.entries();
    let sent = send(&Arc::new(input), shift, |_| ()).unwrap().entries;
    assert_eq!(sent, expected);
    let snapshot = wait(&engine, |snapshot| snapshot.entries.received() >= sent);
    assert_eq!(snapshot.entries.received(), sent);
    assert_eq!(snapshot.entries.bad, 0);
    assert!(snapshot.rejected.is_empty(), "{:?}", snapshot.rejected);
    engine.stop();
}

#[test]
fn a_wrong_secret_is_told_apart_from_success() {
    let (engine, to) = engine(b"quiet", Clock::wall());
    let capture = common::capture("ats-8.1-collation-squid");
    let error = send(&Arc::new(input(&capture)), options(to, b"loud", 1, 20), |_| ()).unwrap_err();
    assert!(matches!(error, SendError::Closed { .. }), "{error}");
    engine.stop();
}

#[test]
fn the_engine_sees_twelve_nodes_and_every_entry_of_the_demo() {
    let (engine, to) = engine(b"quiet", Clock::wall());
    let plan = Plan { seed: 1, start: START, rate: 2_000, history: Duration::from_secs(60) };
    let secret = Secret::new(b"quiet").unwrap();
    let mut feeder = Feeder::new(Generator::new(plan), to, &secret, Duration::ZERO).unwrap();
    let sent = feeder.feed_to(START as u64 * 1000).unwrap();
    assert!((100_000..140_000).contains(&sent), "{sent}");
    let snapshot = wait(&engine, |snapshot| snapshot.entries.received() >= sent);
    assert_eq!(snapshot.entries.requests, sent);
    assert!(snapshot.rejected.is_empty(), "{:?}", snapshot.rejected);
    let mut nodes: Vec<_> = snapshot.nodes.iter().map(|node| (node.name.clone(), node.address.clone())).collect();
    nodes.sort();
    let mut expected: Vec<_> = NODES
        .iter()
        .enumerate()
        .map(|(index, name)| (name.as_bytes().to_vec(), format!("127.0.1.{}", index + 1)))
        .collect();
    expected.sort();
    assert_eq!(nodes, expected);
    let hit_ratio = snapshot.total.measure(Measure::Hits) as f64 / sent as f64;
    assert!((0.85..0.89).contains(&hit_ratio), "{hit_ratio}");
    engine.stop();
}
