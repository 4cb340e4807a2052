//! Captures of real Traffic Servers through session, tables and merge, without sockets: however a stream is cut, the same numbers.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Capture, Totals, collation, files};
use proptest::prelude::*;
use visulate::merger::snapshot::{RawKey, Table};
use visulate::merger::tables::Tables;
use visulate::secret::Secret;
use visulate::source::session::{Session, Shared};
use visulate::tally::table::Seed;
use visulate::tally::{Caps, Counts, Dimension, Entries, Part, Rejected, Shard};
use visulate::wire::codes;
use visulate::wire::encode::{Header, SegmentWriter, Value, message_in};
use visulate::wire::format::Formats;
use visulate::wire::layout::{EntryHeader, Ints, Layout, Order};
use visulate::wire::segment::Segment;

/// Everything that one stream came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    total: Counts,
    entries: Entries,
    rejected: Rejected,
    rows: Vec<Vec<(Vec<u8>, Counts)>>,
}

/// Feeds a stream in pieces of these lengths (the last one again and again), with a part handed over after each piece in `ticks`.
fn feed(capture: &Capture, pieces: &[usize], ticks: &[usize]) -> (Outcome, Tables) {
    let caps = Caps::new(256 << 20, 1);
    let seed = Seed::default();
    let mut shared = Shared { shard: Shard::new(0, &caps, &seed), formats: Formats::default() };
    let mut tables = Tables::new(&caps, 1, &seed, 0, true);
    let secret = Secret::new(capture.secret.as_bytes()).unwrap();
    let mut session = Session::new("192.0.2.1".into(), 1 << 20);
    let mut part = Part::default();
    let (mut total, mut entries, mut rejected) = (Counts::default(), Entries::default(), Rejected::default());
    let mut buffer = Vec::new();
    let mut pieces = pieces.iter().copied().chain(std::iter::repeat(*pieces.last().unwrap()));
    let (mut at, mut number, mut tick) = (0, 0, 0);
    let mut hand_over = |shared: &mut Shared, full: bool| {
        tick += 1;
        part.clear();
        shared.shard.hand_over(&mut part, tick, full);
        total.merge(&part.total);
        entries.merge(&part.entries);
        rejected.merge(&part.rejected);
        tables.add(&part);
        tables.tick(tick, tick * 250, full);
    };
    while at < capture.stream.len() {
        let end = (at + pieces.next().unwrap().max(1)).min(capture.stream.len());
        buffer.extend_from_slice(&capture.stream[at..end]);
        at = end;
        let taken = session.take(&buffer, &secret, &mut shared, 1_795_460_600_000);
        assert_eq!(taken.close, None, "{}", capture.name);
        buffer.drain(..taken.used);
        number += 1;
        if ticks.contains(&number) {
            hand_over(&mut shared, number % 2 == 0);
        }
    }
    session.end(&buffer, None, &mut shared);
    hand_over(&mut shared, true);
    let rows = Dimension::ALL.iter().map(|&dimension| rows(&tables.table(dimension))).collect();
    (Outcome { total, entries, rejected, rows }, tables)
}

fn rows(table: &Table) -> Vec<(Vec<u8>, Counts)> {
    let mut rows: Vec<_> = (0..table.len() as u32)
        .map(|row| {
            let key = match table.raw_key(row) {
                RawKey::One(key) => key.to_vec(),
                RawKey::Pair(client, site) => [client, b"|", site].concat(),
            };
            (key, table.rows[row as usize])
        })
        .collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let mut sum = table.refused;
    rows.iter().for_each(|(_, counts)| sum.merge(counts));
    assert_eq!(sum, table.total, "rows and refused add up");
    rows
}

/// A table's rows as the expected totals write them.
fn totals(table: &Table) -> Totals {
    let code = |key: &[u8]| i64::from_le_bytes(key.try_into().unwrap());
    let text = |key: &[u8]| match table.dimension {
        Dimension::Client if key.is_empty() => "(none)".to_owned(),
        Dimension::Client => std::net::Ipv6Addr::from(<[u8; 16]>::try_from(key).unwrap()).to_canonical().to_string(),
        Dimension::Status => code(key).to_string(),
        Dimension::Result => codes::result_name(code(key)).into_owned(),
        _ if key.is_empty() => "(none)".to_owned(),
        _ => String::from_utf8(key.to_vec()).unwrap(),
    };
    rows(table).iter().map(|(key, counts)| (text(key), (counts.all_requests(), counts.all_bytes()))).collect()
}

#[test]
fn every_capture_has_its_expected_totals() {
    for capture in collation().into_iter().chain(files()) {
        let (outcome, mut tables) = feed(&capture, &[65_536], &[]);
        assert_eq!(outcome.entries.received(), capture.entries, "{}", capture.name);
        assert_eq!(outcome.entries.bad, 0, "{}", capture.name);
        if capture.is_aggregate {
            assert_eq!(outcome.entries, Entries { aggregate: capture.entries, ..Entries::default() });
            continue;
        }
        assert_eq!(outcome.entries.requests, capture.entries, "{}", capture.name);
        if capture.totals.is_empty() {
            // No tool of Traffic Server can print them; only requests with status 404 were logged.
            let expected = Totals::from([("404".into(), (capture.entries, outcome.total.all_bytes()))]);
            assert_eq!(totals(&tables.table(Dimension::Status)), expected, "{}", capture.name);
            continue;
        }
        if capture.unmatched == 0 {
            assert_eq!(outcome.total.all_bytes(), capture.bytes, "{}", capture.name);
        }
        for (dimension, expected) in &capture.totals {
            let table = tables.table(Dimension::by_name(dimension).unwrap());
            let mut expected = expected.clone();
            let found = totals(&table);
            if capture.unmatched > 0 {
                // Requests that could not be parsed come on top: only they have these two keys.
                match *dimension {
                    "status" => expected.entry("400".into()).or_default().0 += capture.unmatched,
                    "result" => expected.entry("ERR_INVALID_REQ".into()).or_default().0 += capture.unmatched,
                    "method" => expected.entry("(none)".into()).or_default().0 += capture.unmatched,
                    _ => {
                        let sum = |totals: &Totals| totals.values().map(|(requests, _)| requests).sum::<u64>();
                        assert_eq!(sum(&found), sum(&expected) + capture.unmatched, "{} {dimension}", capture.name);
                        assert!(
                            expected.iter().all(|(key, sums)| found[key].0 >= sums.0),
                            "{} {dimension}",
                            capture.name
                        );
                        continue;
                    }
                }
                let requests =
                    |totals: &Totals| totals.iter().map(|(key, sums)| (key.clone(), sums.0)).collect::<Vec<_>>();
                assert_eq!(requests(&found), requests(&expected), "{} {dimension}", capture.name);
                continue;
            }
            assert_eq!(found, expected, "{} {dimension}", capture.name);
        }
        let partial = outcome.rejected.by(visulate::tally::Cause::Cut);
        assert_eq!((partial.connections, partial.bytes), (u64::from(capture.partial > 0), capture.partial as u64));
    }
}

#[test]
fn one_byte_at_a_time_counts_the_same() {
    for capture in collation().into_iter().filter(|capture| capture.stream.len() < 400_000) {
        assert_eq!(feed(&capture, &[1], &[3, 70_000]).0, feed(&capture, &[1 << 20], &[]).0, "{}", capture.name);
    }
}

/// The same 300 entries as a node of each era sends them; the first one is usual.
fn eras() -> Vec<Capture> {
    use EntryHeader::{E12, E16, E24};
    use Order::{Big, Little};
    let eras = [
        ("D", Layout::USUAL, false),
        ("D, big-endian", Layout { words: Big, writer: Big, entries: E16, ints: Ints::Big }, false),
        ("C", Layout { words: Big, writer: Little, entries: E16, ints: Ints::Little }, false),
        ("B, 3.0", Layout { words: Big, writer: Little, entries: E24, ints: Ints::Little }, true),
        ("B, 3.1.1, 32 bits", Layout { words: Big, writer: Little, entries: E12, ints: Ints::Little }, false),
        ("A", Layout { words: Big, writer: Little, entries: E24, ints: Ints::Short }, false),
        ("A, 32 bits", Layout { words: Big, writer: Little, entries: E12, ints: Ints::Short }, false),
    ];
    let stream = |layout: Layout, clients_are_texts: bool| {
        let header = Header {
            layout,
            field_list: b"cqtq,ttms,chi,crc,pssc,psql,cqhm,cquc,caun,phr,pqsn,psct,xid",
            source_host: b"edge1",
            file_name: b"squid.blog",
            ..Header::default()
        };
        let mut writer = SegmentWriter::with_capacity(&header, 1_700_000_000, 4096);
        let mut stream = message_in(layout.words, b"foobar");
        for number in 0..300_i64 {
            let client = std::net::Ipv4Addr::new(192, 0, 2, (number % 40) as u8);
            let text = client.to_string();
            let url = format!("http://www{}.example.com/{number}", number % 7);
            let values = [
                Value::Int(0),
                Value::Int(number),
                match layout.ints {
                    Ints::Short => Value::Int(u32::from(client).into()),
                    _ if clients_are_texts => Value::Text(text.as_bytes()),
                    _ => Value::Ip(Some(client.into())),
                },
                Value::Int([49, 51, 53][number as usize % 3]),
                Value::Int([200, 304, 503, 0][number as usize % 4]),
                Value::Int(number * 1_000),
                Value::Text(b"GET"),
                Value::Text(url.as_bytes()),
                Value::Text(b""),
                Value::Int(50),
                Value::Text(b"origin.example.com"),
                Value::Text(b"text/html"),
                Value::Text(b""),
            ];
            if writer.push(1_700_000_000 + number, 250_000, &values).is_err() {
                stream.extend(message_in(layout.words, writer.finish(1_700_000_003)));
                writer.restart(1_700_000_000);
                writer.push(1_700_000_000 + number, 250_000, &values).unwrap();
            }
        }
        let last = writer.finish(1_700_000_003);
        assert_eq!(Segment::parse(last).unwrap().layout(), layout);
        stream.extend(message_in(layout.words, last));
        stream
    };
    eras.into_iter().map(|(name, layout, texts)| Capture::made(name, stream(layout, texts))).collect()
}

#[test]
fn every_era_counts_the_same() {
    let eras = eras();
    let expected = feed(&eras[0], &[1 << 20], &[]).0;
    assert_eq!((expected.entries.requests, expected.rows[Dimension::Client as usize].len()), (300, 40));
    for era in &eras {
        assert_eq!(feed(era, &[1 << 20], &[]).0, expected, "{}", era.name);
        assert_eq!(feed(era, &[1], &[9, 5000]).0, expected, "{}, byte by byte", era.name);
    }
}

#[test]
fn an_order_that_changes_is_refused() {
    use visulate::tally::Cause;
    let eras = eras();
    let (little, big) = (&eras[0].stream, &eras[3].stream);
    // The secret in one order; then a length in the other is absurd, and a segment in the other has no cookie.
    let cases = [
        ("lengths", [&little[..10], &big[10..]].concat(), Cause::MessageLength),
        ("cookie", [&big[..14], &little[14..]].concat(), Cause::Cookie),
        ("neither", b"\0\x01\x01\0foobar".to_vec(), Cause::MessageLength),
    ];
    for (name, stream, cause) in cases {
        let (caps, seed) = (Caps::new(64 << 20, 1), Seed::default());
        let mut shared = Shared { shard: Shard::new(0, &caps, &seed), formats: Formats::default() };
        let mut session = Session::new("192.0.2.1".into(), 1 << 20);
        let taken = session.take(&stream, &Secret::new(b"foobar").unwrap(), &mut shared, 0);
        assert_eq!(taken.close, Some(cause), "{name}");
    }
}

fn small() -> Vec<Capture> {
    let names = [
        "ats-8.1-collation-reconnect.conn0",
        "ats-8.1-collation-secret-squid",
        "ats-8.1-collation-many-objects.conn3-welf-text-filtered",
        "ats-8.1-collation-many-objects.conn5-aggregate-text",
        "ats-7.1-collation-squid",
    ];
    names.into_iter().map(common::capture).chain(eras()).collect()
}

thread_local! {
    static SMALL: Vec<(Capture, Outcome)> =
        small().into_iter().map(|capture| { let whole = feed(&capture, &[1 << 22], &[]).0; (capture, whole) }).collect();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_cut_and_any_tick_count_the_same(
        which in 0..12_usize,
        pieces in prop::collection::vec(prop_oneof![1..20_usize, 1..5000_usize, 1..40_000_usize], 1..200),
        ticks in prop::collection::vec(1..200_usize, 0..8),
    ) {
        SMALL.with(|small| {
            let (capture, whole) = &small[which];
            prop_assert_eq!(&feed(capture, &pieces, &ticks).0, whole);
            Ok(())
        })?;
    }
}
