//! The program from outside: captures and faults over real sockets, the answers of its API.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use common::program::{PATIENCE, Program};
use common::{Capture, Totals, capture, collation};
use proptest::prelude::*;

fn times(totals: &Totals, factor: u64) -> Totals {
    totals.iter().map(|(key, (requests, bytes))| (key.clone(), (requests * factor, bytes * factor))).collect()
}

/// The answers against the capture's expected totals, of which there are `copies`.
fn check(program: &Program, capture: &Capture, copies: u64) {
    let summary = program.received(capture.entries * copies);
    let requests = if capture.is_aggregate { 0 } else { capture.entries * copies };
    assert_eq!(summary["requests"], requests, "{}", capture.name);
    assert_eq!(summary["entries"]["aggregate"], capture.entries * copies - requests, "{}", capture.name);
    assert_eq!(summary["entries"]["bad"], 0, "{}", capture.name);
    if capture.unmatched == 0 {
        assert_eq!(summary["bytes"], capture.bytes * copies, "{}", capture.name);
    }
    let parts = ["hits", "misses", "errors", "unknown"].map(|part| summary[part].as_u64().unwrap());
    assert_eq!(parts.iter().sum::<u64>(), requests, "{}", capture.name);
    for (dimension, expected) in &capture.totals {
        let mut found = program.top(dimension, requests);
        let mut expected = times(expected, copies);
        if capture.unmatched > 0 {
            // The unmatched come on top; their bytes are not known.
            let on_top = match *dimension {
                "status" => "400",
                "result" => "ERR_INVALID_REQ",
                "method" => "(none)",
                _ => {
                    let sum = |totals: &Totals| totals.values().map(|sums| sums.0).sum::<u64>();
                    assert_eq!(sum(&found), sum(&expected) + capture.unmatched * copies, "{}", capture.name);
                    continue;
                }
            };
            expected.entry(on_top.into()).or_default().0 += capture.unmatched * copies;
            found.get_mut(on_top).unwrap().1 = expected[on_top].1;
        }
        assert_eq!(found, expected, "{} {dimension}", capture.name);
    }
}

#[test]
fn every_capture_gives_its_expected_totals() {
    for capture in collation() {
        let program = Program::start(&["--secret", &capture.secret]);
        program.send(&capture.stream);
        check(&program, &capture, 1);
    }
}

#[test]
fn eight_copies_at_once_give_eight_times_the_totals() {
    for reader in ["auto", "epoll"] {
        let capture = capture("ats-8.1-collation-squid");
        let program = Program::start(&["--secret", &capture.secret, "--reader", reader]);
        let to = program.collation;
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| TcpStream::connect(to).unwrap().write_all(&capture.stream).unwrap());
            }
        });
        check(&program, &capture, 8);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_totals(pieces in prop::collection::vec(1..3000_usize, 1..60), reader in prop_oneof![Just("auto"), Just("epoll")]) {
        let capture = capture("ats-8.1-collation-secret-squid");
        let program = Program::start(&["--secret", &capture.secret, "--reader", reader]);
        let mut stream = program.connect();
        stream.set_nodelay(true).unwrap();
        let mut rest = &capture.stream[..];
        for piece in pieces.iter().cycle() {
            let (now, later) = rest.split_at((*piece).min(rest.len()));
            stream.write_all(now).unwrap();
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        check(&program, &capture, 1);
    }
}

#[test]
fn one_byte_writes_give_the_same_totals() {
    let capture = capture("ats-8.1-collation-reconnect.conn0");
    let program = Program::start(&[]);
    let mut stream = program.connect();
    stream.set_nodelay(true).unwrap();
    for byte in &capture.stream {
        stream.write_all(&[*byte]).unwrap();
    }
    drop(stream);
    check(&program, &capture, 1);
}

/// Waits until the peer closes, which it must do without a word.
fn closed(mut stream: TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(0) => {}
        Ok(_) => panic!("the engine wrote to a node"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
}

#[test]
fn what_is_wrong_is_closed_counted_by_cause_and_hurts_nobody_else() {
    let good = capture("ats-8.1-collation-squid");
    let program = Program::start(&["--auth-timeout", "0.3", "--message-timeout", "0.3"]);
    // A node that is half-way through while others misbehave, and goes on afterwards.
    let messages = good.messages();
    let secret = &good.stream[..good.stream.len() - messages.len()];
    let first = 4 + u32::from_le_bytes(messages[..4].try_into().unwrap()) as usize;
    let mut node = program.connect();
    node.write_all(secret).unwrap();
    node.write_all(&messages[..first]).unwrap();

    let frame = |body: &[u8]| [&(body.len() as u32).to_le_bytes()[..], body].concat();
    let after_secret = |bytes: &[u8]| [secret, bytes].concat();
    let mut wrong_version = messages[..first].to_vec();
    wrong_version[8] = 9;
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a wrong secret", frame(b"wrong!"), "secret"),
        ("a prefix of the secret", frame(b"foo"), "secret"),
        ("one letter of it", frame(b"f"), "secret"),
        ("a longer secret", frame(b"foobarX"), "secret"),
        ("a wrong secret with data behind it", [frame(b"wrong!"), messages[..first].to_vec()].concat(), "secret"),
        ("garbage", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "message_length"),
        ("a secret of no length", frame(b""), "message_length"),
        ("a secret of negative length", (-1_i32).to_le_bytes().to_vec(), "message_length"),
        ("a segment of negative length", after_secret(&(-9216_i32).to_le_bytes()), "message_length"),
        ("a huge segment", after_secret(&i32::MAX.to_le_bytes()), "message_length"),
        ("a segment without cookie", after_secret(&frame(&[7; 200])), "cookie"),
        ("a stall in the secret", b"\x06\0\0\0foo".to_vec(), "auth_timeout"),
        ("silence", Vec::new(), "auth_timeout"),
        ("a stall in a message", after_secret(&messages[..first - 100]), "message_timeout"),
        ("a stall in a length", after_secret(&[9]), "message_timeout"),
        ("a hundred segments of another version", after_secret(&wrong_version.repeat(100)), "version"),
    ];
    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, bytes, cause) in &cases {
        let mut stream = program.connect();
        stream.write_all(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        closed(stream);
        *expected.entry(cause).or_default() += 1;
    }
    // A connection that ends inside a message.
    program.send(&after_secret(&messages[..first - 100]));
    expected.insert("cut", 1);
    // Dropping segments of a wrong version does not close, but a hundred in a row do, as damaged.
    let versions = expected.remove("version").unwrap();
    expected.insert("segment", versions);

    node.write_all(&messages[first..]).unwrap();
    drop(node);
    check(&program, &good, 1);
    let summary = program.summary(|summary| summary["rejected"]["cut"]["connections"] == 1);
    for (cause, amount) in summary["rejected"].as_object().unwrap() {
        let connections = expected.get(cause.as_str()).copied().unwrap_or(0);
        assert_eq!(amount["connections"], connections, "{cause}: {summary}");
    }
    assert_eq!(program.rejected("version"), (0, 100));
    let metrics = program.get("/metrics").1;
    for (cause, count) in &expected {
        let line = format!("visulate_rejected_connections_total{{cause=\"{cause}\"}} {count}\n");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    let log = program.terminate();
    let said = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    assert_eq!(said("authentication failed"), 1, "once a minute for each address and cause: {log:#?}");
    assert!(!log.iter().any(|line| line.contains("foobar")), "the secret is never logged");
}

#[test]
fn connections_above_the_limit_are_turned_away() {
    let capture = capture("ats-8.1-collation-reconnect.conn0");
    let program = Program::start(&["--max-connections", "2"]);
    let (first, second) = (program.connect(), program.connect());
    closed(program.connect());
    program.summary(|summary| summary["rejected"]["limit"]["connections"] == 1);
    drop((first, second));
    // Room again, as soon as the ends are seen.
    let until = Instant::now() + PATIENCE;
    loop {
        let mut stream = program.connect();
        stream.write_all(&capture.stream).ok();
        drop(stream);
        let summary = program.json("/api/v1/summary");
        if summary["entries"]["received"].as_u64().unwrap() >= capture.entries {
            break;
        }
        assert!(Instant::now() < until, "{summary}");
    }
}

#[test]
fn a_message_longer_than_the_small_buffer_and_up_to_the_limit_is_taken() {
    use visulate::wire::encode::{Header, SegmentWriter, Value, auth_message, message};
    let header = Header { field_list: b"pssc,psql", print_template: b"\xff \xff", ..Header::default() };
    let mut writer = SegmentWriter::with_capacity(&header, 1_700_000_000, 1 << 20);
    let mut count = 0;
    while writer.push(1_700_000_000, 0, &[Value::Int(200), Value::Int(1)]).is_ok() {
        count += 1;
    }
    let stream = [auth_message(b"foobar"), message(writer.finish(1_700_000_001))].concat();
    assert!(stream.len() > 900_000, "{}", stream.len());
    for reader in ["auto", "epoll"] {
        let program = Program::start(&["--reader", reader]);
        program.send(&stream);
        assert_eq!(program.received(count)["bytes"], count);
    }
}

#[test]
fn a_stop_reads_what_has_arrived() {
    let capture = capture("ats-8.1-collation-squid");
    for reader in ["auto", "epoll"] {
        let program = Program::start(&["--reader", reader]);
        let mut nodes: Vec<TcpStream> = (0..4).map(|_| program.connect()).collect();
        for node in &mut nodes {
            node.write_all(&capture.stream).unwrap();
        }
        // The writes are done, so all is in the engine's sockets or beyond; the nodes stay connected.
        let log = program.terminate();
        let expected = format!("stopped: {} entries received", capture.entries * 4);
        assert!(log.iter().any(|line| line.contains(&expected)), "{expected}: {log:#?}");
        drop(nodes);
    }
}

#[test]
fn nodes_are_named_by_source_host_and_address() {
    let capture = capture("ats-7.1-collation-squid");
    let program = Program::start(&[]);
    let mut node = program.connect();
    node.write_all(&capture.stream).unwrap();
    program.received(capture.entries);
    let nodes = program.json("/api/v1/nodes");
    let row = &nodes["rows"][0];
    assert_eq!(row["key"], format!("{}@127.0.0.1", capture.source_host));
    assert_eq!((&row["connections"], &row["requests"]), (&1.into(), &capture.entries.into()));
    assert_eq!(program.json("/api/v1/summary")["nodes_connected"], 1);
    drop(node);
    program.summary(|summary| summary["nodes_connected"] == 0);
}

#[test]
fn wrong_usage_is_told_and_exits_with_2() {
    let run = |options: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_visulate")).args(options).env_remove("VISULATE_SECRET").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for options in
        [&["--nonsense"][..], &["--workers", "0"], &["--memory", "lots"], &["--config", "/nonexistent"], &["replay"]]
    {
        let (code, text) = run(options);
        assert_eq!(code, Some(2), "{options:?}: {text}");
        assert!(!text.is_empty());
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, text) = run(&["--collation", &taken.local_addr().unwrap().to_string(), "--http", "127.0.0.1:0"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("is another engine running?"), "{text}");
}
