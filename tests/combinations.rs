//! A flood of codes, methods, types and times in all combinations: memory stays bounded, and totals exact, as with a flood of keys.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use common::program::{BESIDE, Program};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use visulate::tally::table::Seed;
use visulate::tally::{Caps, Part, Shard};
use visulate::wire::codes::result_class;
use visulate::wire::encode::{EncodeError, Header, SegmentWriter, Value as Field, auth_message, message};
use visulate::wire::format::Formats;
use visulate::wire::segment::Segment;

/// Combinations of codes that come again and again: more than a worker tells apart.
const COMBINATIONS: u64 = 16 << 10;

/// Connections, of a node each.
const NODES: usize = 4;

#[test]
fn a_flood_of_codes_and_times_is_bounded_and_counted_exactly() {
    const ENTRIES: u64 = 16_000_000;
    let program = Program::start(&["--memory", "64M"]);
    let header = Header {
        field_list: b"ttms,chi,crc,pssc,psql,cqhm,cqu,phr,psct",
        source_host: b"node",
        file_name: b"codes.blog",
        ..Header::default()
    };
    let mut random = SmallRng::seed_from_u64(23);
    let names: Vec<[String; 2]> = (0..400).map(|at| [format!("METHOD{at}"), format!("type/{at}")]).collect();
    let mut streams: Vec<_> = (0..NODES)
        .map(|node| {
            let mut stream = program.connect();
            stream.write_all(&auth_message(b"foobar")).unwrap();
            let host = format!("node-{node}");
            (stream, SegmentWriter::with_capacity(&Header { source_host: host.as_bytes(), ..header }, 0, 32 << 10))
        })
        .collect();
    let (mut sent, mut bytes) = (0, 0);
    while sent < ENTRIES {
        for (stream, writer) in &mut streams {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
            writer.restart(now as u32);
            // Each node fills one slot with all that is told apart, then the next.
            let round = (sent / (NODES as u64 * COMBINATIONS)) as i64;
            let age = if round % 2 == 0 { round % 100 } else { round * 977 % 86_000 };
            // In the end also with what is not.
            let is_wild = sent > ENTRIES / 4 * 3;
            loop {
                let digits = random.random_range(0..40);
                let size = random.random_range(0..1_u64 << digits);
                let wild = if is_wild { names.len() } else { 1 };
                let [method, content_type] = [0, 1].map(|at| names[random.random_range(0..wild)][at].as_bytes());
                let code = (sent / NODES as u64 % COMBINATIONS) as i64;
                // Entries of inter-cache traffic are no requests.
                let result = if result_class(code / 128).is_icp() { 49 } else { code / 128 };
                let values = [
                    Field::Int(random.random_range(0..1 << 20)),
                    Field::Ip(Some([10, 0, 0, 7].into())),
                    Field::Int(result),
                    Field::Int(code % 128),
                    Field::Int(size as i64),
                    Field::Text(method),
                    Field::Text(b"http://a.example/"),
                    Field::Int(if is_wild { random.random_range(0..100) } else { 49 }),
                    Field::Text(content_type),
                ];
                match writer.push(now - age, 0, &values) {
                    Err(EncodeError::Full) => break,
                    pushed => pushed.unwrap(),
                }
                (sent, bytes) = (sent + 1, bytes + size);
            }
            stream.write_all(&message(writer.finish(now as u32))).unwrap();
        }
    }
    let summary = program.received(sent);
    let [_, most] = program.resident();
    println!("{sent} entries, at most {} MiB resident", most >> 20);
    assert_eq!((summary["requests"].as_u64(), summary["bytes"].as_u64()), (Some(sent), Some(bytes)));
    for dimension in ["status", "result", "route", "method", "type", "node"] {
        program.top(dimension, sent);
        for window in ["1m", "10m", "1h", "24h", "total"] {
            let question = format!("/api/v1/top?dimension={dimension}&window={window}&limit=2000");
            let answer = program.json(&question);
            for measure in ["requests", "bytes"] {
                let number = |row: &Value| row[measure].as_u64().unwrap();
                let rows: u64 = answer["rows"].as_array().unwrap().iter().map(number).sum();
                assert_eq!(rows + number(&answer["other"]), number(&answer["total"]), "{question}: {measure}");
            }
        }
    }
    assert!(most < (64 << 20) + BESIDE, "{} MiB", most >> 20);
}

#[test]
fn after_a_flood_of_codes_those_of_now_are_told_apart_again() {
    const NOW: i64 = 1_795_460_600;
    let header = Header { field_list: b"crc,pssc", ..Header::default() };
    let mut shard = Shard::new(0, &Caps::new(256 << 20, 1), &Seed::default());
    let node = shard.node(b"node", "192.0.2.1");
    let (mut writer, mut formats) = (SegmentWriter::with_capacity(&header, 0, 32 << 10), Formats::default());
    let mut count = |shard: &mut Shard, codes: std::ops::Range<i64>| {
        let mut codes = codes.peekable();
        while codes.peek().is_some() {
            writer.restart(NOW as u32);
            while let Some(&code) = codes.peek() {
                match writer.push(NOW, 0, &[Field::Int(49 + code / 1000), Field::Int(code % 1000)]) {
                    Err(EncodeError::Full) => break,
                    pushed => pushed.unwrap(),
                }
                codes.next();
            }
            let bytes = writer.finish(NOW as u32);
            let segment = Segment::parse(bytes).unwrap();
            shard.segment(&segment, &formats.of(&segment).unwrap(), node, NOW as u64 * 1000);
        }
    };
    let hand_over = |shard: &mut Shard, full: bool| {
        let mut part = Part::default();
        shard.hand_over(&mut part, 1, full);
        let slot = &part.slots[0];
        let all: u64 = slot.combinations.iter().map(|(_, counts)| counts.all_requests()).sum();
        (slot.combinations.len(), all, slot.others.all_requests())
    };
    count(&mut shard, 0..2000);
    assert_eq!(hand_over(&mut shard, true), (2000, 2000, 0));
    // 1000 of them are known, and 2096 more have room.
    count(&mut shard, 1000..9000);
    assert_eq!(hand_over(&mut shard, false), (3096, 3096, 4904));
    count(&mut shard, 0..10);
    assert_eq!(hand_over(&mut shard, true), (10, 10, 0), "those that came first are known until all are forgotten");
    count(&mut shard, 8000..12_000);
    assert_eq!(hand_over(&mut shard, true), (4000, 4000, 0));
}
