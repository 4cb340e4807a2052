//! What counts, from outside: client addresses that are masked, logs that are picked.
#![allow(clippy::unwrap_used)]

mod common;

use std::net::IpAddr;
use std::process::Command;

use common::program::Program;
use serde_json::Value as Json;
use visulate::wire::encode::{Header, SegmentWriter, Value, auth_message, message};

/// A connection of the node `edge`, which sends one segment of the log `file_name`: a request of each client for each site.
fn stream(file_name: &str, clients: &[&str], sites: &[&str]) -> Vec<u8> {
    let header = Header {
        field_list: b"chi,crc,pssc,psql,cquc",
        source_host: b"edge",
        file_name: file_name.as_bytes(),
        ..Header::default()
    };
    let mut writer = SegmentWriter::with_capacity(&header, 1_795_460_000, 1 << 16);
    for client in clients {
        for site in sites {
            let values = [
                Value::Ip(client.parse::<IpAddr>().ok()),
                Value::Int(i64::from(b'3')),
                Value::Int(200),
                Value::Int(10),
                Value::Text(site.as_bytes()),
            ];
            writer.push(1_795_460_000, 0, &values).unwrap();
        }
    }
    let mut bytes = auth_message(b"foobar");
    bytes.extend_from_slice(&message(writer.finish(1_795_460_001)));
    bytes
}

fn keys(rows: &Json) -> Vec<String> {
    let key = |row: &Json| match &row["key"] {
        Json::Array(pair) => format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
        key => key.as_str().unwrap().to_owned(),
    };
    let mut keys: Vec<String> = rows.as_array().unwrap().iter().map(key).collect();
    keys.sort();
    keys
}

/// Runs the program with wrong options; gives its exit code and what it says.
fn refused(options: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_visulate")).args(options).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn masked_clients_are_one_in_every_figure() {
    const CLIENTS: [&str; 6] =
        ["192.0.2.1", "192.0.2.77", "198.51.100.9", "2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"];
    let program = Program::start(&["--mask-clients", "24/64"]);
    program.send(&stream("squid.blog", &CLIENTS, &["http://a.example/", "http://b.example/"]));
    program.top("client", 12);
    let expected = ["192.0.2.0", "198.51.100.0", "2001:db8:0:1::", "2001:db8::"];
    let top = program.json("/api/v1/top?dimension=client");
    assert_eq!(keys(&top["rows"]), expected);
    assert_eq!(top["rows"][0]["requests"], 4);
    let pairs = program.json("/api/v1/top?dimension=client,site");
    let expected: Vec<String> =
        expected.iter().flat_map(|client| ["a", "b"].map(|site| format!("{client} {site}.example"))).collect();
    assert_eq!(keys(&pairs["rows"]), expected);
    let columns = &program.json("/api/v1/matrix")["columns"];
    assert_eq!(columns.as_array().unwrap().len(), 4, "{columns}");
    assert_eq!(program.json("/api/v1/summary")["uniques"]["client"]["count"], 4);
}

#[test]
fn without_a_mask_each_client_is_itself() {
    let program = Program::start(&[]);
    program.send(&stream("squid.blog", &["192.0.2.1", "192.0.2.77", "-"], &["http://a.example/"]));
    program.top("client", 3);
    assert_eq!(keys(&program.json("/api/v1/top?dimension=client")["rows"]), ["(none)", "192.0.2.1", "192.0.2.77"]);
}

#[test]
fn a_wrong_mask_is_refused_with_what_a_right_one_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("visulate.toml");
    std::fs::write(&file, "mask-clients = \"24\"\n").unwrap();
    for options in [["--mask-clients", "33/64"], ["--mask-clients", "24/129"], ["--config", file.to_str().unwrap()]] {
        let (code, text) = refused(&options);
        assert_eq!(code, Some(2), "{options:?}");
        assert!(text.contains("mask-clients") && text.contains("such as 24/64"), "{options:?}: {text}");
    }
}

/// A node that sends three logs, each over a connection of its own: 2, 1 and 3 entries.
fn send_several(program: &Program) {
    for (log, clients) in [("squid.blog", &["192.0.2.1", "192.0.2.2"][..]), ("rich.blog", &["192.0.2.3"])] {
        program.send(&stream(log, clients, &["http://a.example/"]));
    }
    program.send(&stream("errs.blog", &["192.0.2.4"; 3], &["http://a.example/"]));
}

fn warnings(program: Program) -> Vec<String> {
    program.terminate().into_iter().filter(|line| line.contains("this node sends")).collect()
}

#[test]
fn all_logs_count_and_a_node_that_sends_several_is_told_of_once() {
    let program = Program::start(&[]);
    program.send(&stream("squid.blog", &["192.0.2.1"], &["http://a.example/"]));
    program.received(1);
    assert_eq!(program.json("/api/v1/nodes")["rows"][0]["several_logs"], false);
    send_several(&program);
    let summary = program.received(7);
    assert_eq!((&summary["requests"], &summary["entries"]["uncounted"]), (&7.into(), &0.into()));
    let nodes = program.json("/api/v1/nodes");
    assert_eq!(nodes["rows"][0]["several_logs"], true);
    assert_eq!(nodes["rows"][0]["logs"][0], "squid.blog: chi,crc,pssc,psql,cquc");
    assert_eq!(nodes["rows"][0]["logs"].as_array().unwrap().len(), 3);
    program.send(&stream("other.blog", &["192.0.2.1"], &["http://a.example/"]));
    program.received(8);
    let warnings = warnings(program);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("edge@127.0.0.1") && warnings[0].contains("--count-log"), "{warnings:?}");
}

#[test]
fn only_picked_logs_count_and_the_accounts_add_up() {
    for options in [&["--count-log", "squid.blog"][..], &["--count-log", "none", "--count-log", "squid"]] {
        let program = Program::start(options);
        send_several(&program);
        let summary = program.received(6);
        let entries = &summary["entries"];
        assert_eq!(
            (&summary["requests"], &entries["requests"], &entries["uncounted"]),
            (&2.into(), &2.into(), &4.into())
        );
        assert_eq!(program.top("client", 2).len(), 2);
        let node = &program.json("/api/v1/nodes")["rows"][0];
        assert_eq!((&node["requests"], &node["several_logs"]), (&2.into(), &true.into()));
        let (_, metrics) = program.get("/metrics");
        assert!(metrics.contains("visulate_entries_total{kind=\"uncounted\"} 4"), "{metrics}");
        assert_eq!(warnings(program), Vec::<String>::new(), "what counts is of one log");
    }
}

#[test]
fn lines_of_other_logs_do_not_count_either() {
    let folder = tempfile::tempdir().unwrap();
    let line = "1795460000.000 5 192.0.2.1 TCP_MISS/200 100 GET http://a.example/ - DIRECT/a.example text/html -\n";
    for (name, lines) in [("squid.log", 2), ("other.log", 3)] {
        std::fs::write(folder.path().join(name), line.repeat(lines)).unwrap();
    }
    let pattern = format!("{}/*.log", folder.path().display());
    let program = Program::start(&["--tail", &pattern, "--from-start", "--count-log", "squid"]);
    let entries = &program.received(5)["entries"];
    assert_eq!((&entries["requests"], &entries["uncounted"]), (&2.into(), &3.into()));
}

#[test]
fn a_log_without_a_name_is_refused() {
    let (code, text) = refused(&["--count-log", ""]);
    assert_eq!((code, text.contains("--count-log")), (Some(2), true), "{text}");
}
