//! Caches of other sizes, from outside: the test vectors of the statistics, asked by `/api/v1/miss-ratio`.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use common::program::{PATIENCE, Program};
use serde_json::{Value as Json, json};
use visulate::wire::encode::{Header, SegmentWriter, Value, auth_message, message};

/// Result, status, bytes, method, URL: the test vectors of the statistics, and three that ask for nothing that a cache could hold.
const ENTRIES: [(char, i64, i64, &str, &str); 13] = [
    ('.', 200, 1000, "GET", "http://www.example.com/a.jpg"),
    ('1', 200, 2000, "GET", "http://www.example.com/a.jpg?x=1"),
    ('3', 200, 4000, "GET", "http://cdn.example.co.uk/v.ts"),
    ('5', 200, 1000, "GET", "http://www.example.com/a.jpg;v=2#top"),
    ('7', 200, 3000, "GET", "http://www.example.com/i.html"),
    ('9', 304, 200, "GET", "http://www.example.com/i.html"),
    ('u', 502, 300, "GET", "http://bad.example.net/"),
    ('t', 0, 0, "GET", "http://www.example.com/big.zip"),
    ('6', 200, 500, "HEAD", "http://old.example.net/x"),
    ('c', 403, 400, "POST", "http://www.example.com/form"),
    ('3', 200, 900, "CONNECT", "www.example.com:443"),
    ('3', 201, 900, "PUT", "http://www.example.com/a.jpg"),
    ('3', 200, 900, "GET", "-"),
];

/// They all, of now, from one node.
fn entries(node: &[u8]) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let header = Header { field_list: b"crc,pssc,psql,cqhm,cquc", source_host: node, ..Header::default() };
    let mut writer = SegmentWriter::with_capacity(&header, now as u32, 1 << 16);
    for (at, (crc, pssc, psql, cqhm, cquc)) in ENTRIES.into_iter().enumerate() {
        let values = [
            Value::Int(crc as i64),
            Value::Int(pssc),
            Value::Int(psql),
            Value::Text(cqhm.as_bytes()),
            Value::Text(cquc.as_bytes()),
        ];
        writer.push(now - 1, at as i32 * 1000, &values).unwrap();
    }
    [auth_message(b"foobar"), message(writer.finish(now as u32))].concat()
}

/// The first answer with that many samples.
fn sampled(program: &Program, samples: u64) -> Json {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = program.json("/api/v1/miss-ratio");
        if answer["sample"]["samples"] == samples {
            return answer;
        }
        assert!(Instant::now() < until, "waited in vain for {samples}: {answer}");
    }
}

#[test]
fn the_test_vectors_have_their_curve() {
    let program = Program::start(&[]);
    let before = program.json("/api/v1/miss-ratio");
    assert_eq!((&before["points"], &before["current"]["hit_ratio"]), (&json!([]), &Json::Null));
    program.send(&entries(b"edge"));
    let answer = sampled(&program, 8);
    assert_eq!(answer["window"], "total");
    for name in ["as_of", "from", "seconds", "tick"] {
        assert!(answer[name].is_number(), "{name}: {answer}");
    }
    assert_eq!(answer["sample"], json!({"objects": 5, "rate": 1.0, "samples": 8, "dropped": 0}));
    // a.jpg 2000, v.ts 4000, i.html 3000, big.zip never seen whole, x 500.
    assert_eq!(answer["working_set"], json!({"1m": 9500, "10m": 9500, "1h": 9500, "24h": 9500}));
    assert_eq!(answer["one_hit"]["share"], 0.6);
    let share = answer["one_hit"]["miss_bytes_share"].as_f64().unwrap();
    assert!((share - 4.0 / 7.0).abs() < 1e-9, "{share}");
    let points: Vec<[f64; 3]> = answer["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| ["size_bytes", "hit_ratio", "byte_hit_ratio"].map(|name| point[name].as_f64().unwrap()))
        .collect();
    assert_eq!(points[0], [1024.0, 0.0, 0.0]);
    // Again a.jpg after nothing, a.jpg after v.ts, i.html after nothing; 11 700 bytes in all.
    let at = |bytes: f64| points.iter().rev().find(|[size, ..]| *size <= bytes).unwrap();
    for (bytes, hits, hit_bytes) in
        [(2500.0, 1.0, 2000.0), (3500.0, 2.0, 2200.0), (7000.0, 3.0, 3200.0), (1e6, 3.0, 3200.0)]
    {
        let [_, hit_ratio, byte_hit_ratio] = at(bytes);
        assert!((hit_ratio - hits / 8.0).abs() < 1e-9, "{bytes}: {hit_ratio}");
        assert!((byte_hit_ratio - hit_bytes / 11_700.0).abs() < 1e-9, "{bytes}: {byte_hit_ratio}");
    }
    // As in the summary: of all entries.
    let summary = program.json("/api/v1/summary");
    let ratio = |part: &str, all: &str| summary[part].as_f64().unwrap() / summary[all].as_f64().unwrap();
    assert_eq!(answer["current"]["hit_ratio"], ratio("hits", "requests"));
    assert_eq!(answer["current"]["byte_hit_ratio"], ratio("hit_bytes", "bytes"));
}

#[test]
fn urls_are_the_same_whichever_worker_reads_them() {
    let program = Program::start(&[]);
    // Two workers; connections go to the one that has fewer.
    let mut nodes: Vec<_> = (0..4).map(|_| program.connect()).collect();
    for (at, node) in nodes.iter_mut().enumerate() {
        std::io::Write::write_all(node, &entries(format!("edge-{at}").as_bytes())).unwrap();
    }
    let answer = sampled(&program, 32);
    assert_eq!((&answer["sample"]["objects"], &answer["one_hit"]["share"]), (&5.into(), &0.0.into()));
    let last = answer["points"].as_array().unwrap().last().unwrap();
    assert_eq!(last["hit_ratio"], 27.0 / 32.0);
}

#[test]
fn what_is_not_kept_is_refused() {
    let program = Program::start(&["--statistics", "base"]);
    program.send(&entries(b"edge"));
    program.received(13);
    let (status, body) = program.get("/api/v1/miss-ratio");
    assert_eq!(status, 400);
    assert!(body.contains("URLs are not sampled with --statistics base"), "{body}");
    let program = Program::start(&[]);
    for query in ["window=1h", "dimension=url"] {
        let (status, body) = program.get(&format!("/api/v1/miss-ratio?{query}"));
        assert_eq!(status, 400, "{body}");
    }
    assert_eq!(program.json("/api/v1/miss-ratio?window=total")["points"], json!([]));
}
