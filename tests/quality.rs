//! The quality of nodes' streams from outside (spec/statistics.md 12).
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use common::capture;
use common::program::Program;
use serde_json::{Value as Json, json};
use visulate::wire::encode::{Header, SegmentWriter, Value, auth_message, message};

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// One entry: its time, result and hierarchy code, bytes and ms.
type Entry = (i64, u8, u8, i64, i64);

/// A segment of the node `edge` and the log `squid.blog`.
fn segment(entries: &[Entry]) -> Vec<u8> {
    let header = Header {
        field_list: b"crc,phr,pscl,tts,cquc",
        source_host: b"edge",
        file_name: b"squid.blog",
        ..Header::default()
    };
    let mut writer = SegmentWriter::with_capacity(&header, 0, 1 << 16);
    for &(time, crc, phr, bytes, seconds) in entries {
        let numbers = [crc.into(), phr.into(), bytes, seconds].map(Value::Int);
        let values = [&numbers[..], &[Value::Text(b"http://a.example/")]].concat();
        writer.push(time, 0, &values).unwrap();
    }
    writer.finish(1).to_vec()
}

/// A segment whose one entry has a URL without an end.
fn damaged(time: i64) -> Vec<u8> {
    let mut damaged = segment(&[(time, b'3', b'2', 10, 0)]);
    let end = damaged.len();
    damaged[end - 7..].fill(b'x');
    damaged
}

fn send(program: &Program, segments: &[Vec<u8>]) {
    let messages: Vec<u8> = segments.iter().flat_map(|segment| message(segment)).collect();
    program.send(&[auth_message(b"foobar"), messages].concat());
}

fn quality(program: &Program) -> Json {
    program.json("/api/v1/nodes")["rows"][0]["quality"].clone()
}

fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn what_is_odd_in_a_stream_is_counted_with_an_example() {
    let program = Program::start(&[]);
    let t = now();
    let odd = [
        (t, b'3', b'2', 10, 0),
        (t, b'Q', b'2', 10, 0),
        (t, b'!', b'!', -1, -1),
        (t - 90_000, b'3', b'2', 10, 0),
        (t - 70, b'3', b'2', 10, 0),
    ];
    let damaged = damaged(t);
    let mut unread = segment(&[(t, b'3', b'2', 10, 0)]);
    unread[4] = 9;
    let segments = [segment(&odd), damaged, unread];
    send(&program, &segments);
    let summary = program.received(6);
    assert_eq!((&summary["requests"], &summary["late"]), (&5.into(), &1.into()));
    let found = quality(&program);
    let expected = json!({
        "segments": 2, "entries": 6, "bytes": segments[0].len() + segments[1].len(),
        "bad_segments": {"cookie": 0, "version": 1, "message_length": 0, "segment": 0},
        "bad_entries": 1, "bad_fields": 2, "unknown_results": 2, "unknown_routes": 1, "uncounted": 0,
        "last_unknown_result": "UNKNOWN(33)", "last_unknown_route": "UNKNOWN(33)",
        "late": 2, "late_dropped": 1,
        "formats": [{
            "log": "squid.blog", "version": 2, "fields": "crc,phr,pscl,tts,cquc",
            "bytes_from": "pscl", "time_from": "tts", "counted": true
        }],
    });
    for (name, expected) in expected.as_object().unwrap() {
        assert_eq!(found[name], *expected, "{name}");
    }
    assert!(found["last_bad_entry"].as_str().unwrap().contains("http://a.example/x"), "{found}");
}

#[test]
fn segments_of_files_that_come_again_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let t = now();
    // Several of one second differ in their entries.
    let segments: Vec<Vec<u8>> =
        (0..5).map(|n| segment(&[(t, b'3', b'2', 10 + n, 0), (t, b'1', b'1', 1, 0)])).collect();
    let files = ["squid.blog", "squid.blog.copy"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    std::fs::write(&files[0], segments.concat()).unwrap();
    std::fs::write(&files[1], segments[1..4].concat()).unwrap();
    let program = Program::start(&["--tail", &files[0], &files[1], "--from-start"]);
    program.received(16);
    let found = quality(&program);
    assert_eq!((&found["segments"], &found["duplicates"]), (&8.into(), &3.into()), "{found}");
    // What nodes send twice they may have written twice.
    let program = Program::start(&[]);
    send(&program, &[&segments[..], &segments[..2]].concat());
    program.received(14);
    assert_eq!(quality(&program)["duplicates"], 0);
}

#[test]
fn masked_clients_are_in_no_example() {
    let program = Program::start(&["--mask-clients", "0/0"]);
    send(&program, &[damaged(now())]);
    program.received(1);
    let found = quality(&program);
    assert_eq!((&found["bad_entries"], &found["last_bad_entry"]), (&1.into(), &Json::Null));
}

#[test]
fn lags_and_rates_are_of_now() {
    let program = Program::start(&[]);
    let t = now();
    send(&program, &[segment(&[(t - 20, b'3', b'2', 1, 0); 9]), segment(&[(t + 30, b'3', b'2', 1, 0)])]);
    program.received(10);
    let found = quality(&program);
    for (name, expected) in [("lag_p50_seconds", 20.0), ("lag_max_seconds", 20.0), ("clock_offset_seconds", -30.0)] {
        let found = number(&found[name]);
        assert!((expected..expected + 5.0).contains(&found), "{name}: {found}");
    }
    assert!((0.0..10.0).contains(&number(&found["silence_seconds"])), "{found}");
    let entries = number(&found["entries_per_second"]);
    assert!(entries > 0.9 && entries <= 10.0, "{found}");
    assert!((number(&found["segments_per_second"]) * 5.0 - entries).abs() < 1e-9, "{found}");
}

#[test]
fn a_capture_is_in_order() {
    let capture = capture("ats-8.1-collation-squid");
    let program = Program::start(&[]);
    program.send(&capture.stream);
    program.received(capture.entries);
    let found = quality(&program);
    assert_eq!((&found["segments"], &found["entries"]), (&capture.segments.into(), &capture.entries.into()));
    let bytes: usize = capture.split().iter().map(|segment| segment.len()).sum();
    assert_eq!(found["bytes"], bytes);
    for name in ["bad_entries", "bad_fields", "unknown_results", "unknown_routes"] {
        assert_eq!(found[name], 0, "{name}");
    }
}

#[test]
fn lines_have_bytes_and_an_example() {
    let folder = tempfile::tempdir().unwrap();
    let good = "1795460000.000 5 192.0.2.1 TCP_MISS/200 100 GET http://a.example/ - DIRECT/a.example text/html -\n";
    let text = [&good.repeat(40), "no such line\n"].concat();
    let path = folder.path().join("squid.log");
    std::fs::write(&path, &text).unwrap();
    let program = Program::start(&["--tail", path.to_str().unwrap(), "--from-start"]);
    program.received(41);
    let found = quality(&program);
    assert_eq!((&found["segments"], &found["bytes"]), (&0.into(), &text.len().into()));
    assert_eq!((&found["bad_entries"], &found["last_bad_entry"]), (&1.into(), &"no such line".into()));
    assert_eq!(found["formats"][0]["version"], Json::Null);
}

#[test]
fn the_nodes_expected_are_told() {
    let program = Program::start(&["--expect-nodes", "12"]);
    assert_eq!(program.json("/api/v1/summary")["nodes_expected"], 12);
}
