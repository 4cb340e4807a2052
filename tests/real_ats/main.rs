//! A real Traffic Server of this machine: its logs, its own tools, and what the program says of the same files.
//!
//! Needs Debian's trafficserver (9.2); `scripts/test --without ats` leaves it out.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod server;
mod traffic;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::Totals;
use common::program::{PATIENCE, Program};
use server::TrafficServer;
use traffic::{HOSTS, Numbers, ask, origin};
use visulate::wire::segment::Segment;

const SQUID: (&str, &str) =
    ("squid", "%<cqtq> %<ttms> %<chi> %<crc>/%<pssc> %<psql> %<cqhm> %<cquc> %<caun> %<phr>/%<shn> %<psct>");

/// Every kind of field that Traffic Server 9.2 has; `cqus` last, since it mis-encodes what comes behind.
const WIDE: [&str; 96] = [
    "chi",
    "chih",
    "chp",
    "hii",
    "hiih",
    "php",
    "caun",
    "cqtq",
    "cqts",
    "cqth",
    "cqtn",
    "cqtd",
    "cqtt",
    "ttms",
    "ttmsh",
    "ttmsf",
    "tts",
    "stms",
    "stmsh",
    "stmsf",
    "sts",
    "cqhm",
    "cqtx",
    "cqhv",
    "cqpv",
    "sqpv",
    "cqu",
    "cquc",
    "cqup",
    "cquuc",
    "cquup",
    "cquuh",
    "cquup[0:8]",
    "cquuc[-9:]",
    "psql",
    "pscl",
    "psch",
    "pshl",
    "cqhl",
    "cqcl",
    "cqql",
    "pqhl",
    "pqcl",
    "pqql",
    "sscl",
    "sshl",
    "ssql",
    "csscl",
    "csshl",
    "cssql",
    "crc",
    "crsc",
    "chm",
    "cwr",
    "cwtr",
    "crra",
    "cwra",
    "cccs",
    "pssc",
    "prrp",
    "sssc",
    "csssc",
    "cfsc",
    "pfsc",
    "crec",
    "ctec",
    "psct",
    "phr",
    "shn",
    "shi",
    "pqsi",
    "pqsp",
    "nhi",
    "nhp",
    "phn",
    "phi",
    "sshv",
    "csshv",
    "sca",
    "sstc",
    "pqssl",
    "cqssl",
    "cqssv",
    "cqtr",
    "{User-Agent}cqh",
    "{User-Agent}ecqh",
    "{Referer}cqh[7:]",
    "{Content-Type}psh",
    "{Last-Modified}ssh",
    "{ETag}cssh",
    "{TS_MILESTONE_SM_FINISH-TS_MILESTONE_SM_START}msdms",
    "{TS_MILESTONE_UA_BEGIN}ms",
    "{proxy.config.log.hostname}record",
    "crid",
    "cqah",
    "cqus",
];

fn wide() -> String {
    WIDE.map(|symbol| format!("%<{symbol}>")).join("|")
}

/// Runs one of Traffic Server's tools, or the program.
fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).env("TS_RUNROOT", "/nonexistent").output();
    output.unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn visulate(arguments: &[&str]) -> Vec<u8> {
    let output = run(env!("CARGO_BIN_EXE_visulate"), arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Lines of traffic_logcat.
fn logcat(files: &[&Path]) -> Vec<String> {
    let mut lines = Vec::new();
    for file in files {
        let text = run("traffic_logcat", &[file.to_str().unwrap()]).stdout;
        lines.extend(String::from_utf8_lossy(&text).lines().map(str::to_owned));
    }
    lines
}

/// The same lines, told where they first differ.
fn assert_same(ours: &[u8], theirs: &[u8]) {
    if ours == theirs {
        return;
    }
    let (ours, theirs) = (String::from_utf8_lossy(ours), String::from_utf8_lossy(theirs));
    for (number, (a, b)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(a, b, "line {number}");
    }
    panic!("{} lines against {}", ours.lines().count(), theirs.lines().count());
}

#[test]
fn its_own_tools_say_the_same_of_a_fresh_log() {
    let wide = wide();
    let mut server = TrafficServer::start(&[SQUID, ("wide", &wide)], &HOSTS);
    ask(server.port, origin(), &mut Numbers(1), 2000);
    server.stop();
    let (squid, wide) = (server.log("squid.blog"), server.log("wide.blog"));
    for log in [&squid, &wide] {
        let path = log.to_str().unwrap();
        let theirs = run("traffic_logcat", &[path]);
        assert!(theirs.stdout.iter().filter(|byte| **byte == b'\n').count() >= 1900, "{}", theirs.stdout.len());
        assert_same(&visulate(&["cat", path]), &theirs.stdout);
    }
    let path = squid.to_str().unwrap();
    let figures = |text: &[u8]| -> BTreeMap<String, BTreeMap<String, serde_json::Value>> {
        let mut blocks: BTreeMap<String, BTreeMap<String, serde_json::Value>> = serde_json::from_slice(text).unwrap();
        blocks.values_mut().for_each(|block| drop(block.remove("_timestamp")));
        blocks
    };
    let theirs = figures(&run("traffic_logstats", &["-f", path, "-j"]).stdout);
    assert!(theirs.len() > 5 && theirs["total"].len() > 50, "{:?}", theirs.keys());
    assert_eq!(figures(&visulate(&["report", "--logstats", "--ats", "9.2", "--json", path])), theirs);
    // In the text, origins of equal count come in no order.
    let sorted = |text: &[u8]| {
        let mut lines: Vec<String> = String::from_utf8_lossy(text).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let theirs = run("traffic_logstats", &["-f", path]).stdout;
    assert_eq!(sorted(&visulate(&["report", "--logstats", "--ats", "9.2", path])), sorted(&theirs));
}

/// Entries in the segments of a file, as far as they are whole.
fn entries(file: &Path) -> u64 {
    let bytes = std::fs::read(file).unwrap_or_default();
    let (mut rest, mut count) = (&bytes[..], 0);
    while let Some(len) = rest.get(12..16).map(|len| u32::from_le_bytes(len.try_into().unwrap()) as usize) {
        let Some(segment) = rest.get(..len) else { break };
        count += Segment::parse(segment).unwrap().entries().count() as u64;
        rest = &rest[len..];
    }
    count
}

#[test]
fn a_tailed_log_is_counted_exactly_through_rotations() {
    let mut server = TrafficServer::start(&[SQUID], &HOSTS);
    let (origin, mut numbers) = (origin(), Numbers(2));
    let log = server.log("squid.blog");
    let program = Program::start(&["--tail", log.to_str().unwrap(), "--from-start"]);
    let names = ["squid.blog_1.old", "squid.blog_2.old", "squid.blog"];
    let mut delays = Vec::new();
    for (round, name) in names.iter().enumerate() {
        for _ in 0..4 {
            ask(server.port, origin, &mut numbers, 150);
            delays.push(delay(&program, || names.iter().map(|name| entries(&server.log(name))).sum()));
        }
        // What is asked now is still in the server's buffers when the log is moved away.
        ask(server.port, origin, &mut numbers, 150);
        if round < 2 {
            server.rotate("squid.blog", name);
        }
    }
    server.stop();
    let files = names.map(|name| server.log(name));
    let lines = logcat(&files.each_ref().map(|file| file.as_path()));
    assert!(lines.len() > 2000, "{}", lines.len());
    let summary = program.received(lines.len() as u64);
    assert_eq!((&summary["entries"]["bad"], &summary["requests"]), (&0.into(), &lines.len().into()));
    let (mut clients, mut statuses, mut results, mut methods) =
        (Totals::new(), Totals::new(), Totals::new(), Totals::new());
    for line in &lines {
        let words: Vec<&str> = line.split(' ').collect();
        let (result, status) = words[3].split_once('/').unwrap();
        let status = status.parse::<u32>().unwrap().to_string();
        let method = if words[5] == "-" { "(none)" } else { words[5] };
        let counted = [
            (&mut clients, words[2]),
            (&mut statuses, status.as_str()),
            (&mut results, result),
            (&mut methods, method),
        ];
        for (totals, key) in counted {
            let sum = totals.entry(key.to_owned()).or_default();
            sum.0 += 1;
            sum.1 += words[4].parse::<u64>().unwrap();
        }
    }
    let bytes: u64 = statuses.values().map(|sum| sum.1).sum();
    assert_eq!(summary["bytes"], bytes);
    for (dimension, totals) in [("client", clients), ("status", statuses), ("result", results), ("method", methods)] {
        assert_eq!(program.top(dimension, lines.len() as u64), totals, "{dimension}");
    }
    let nodes = program.json("/api/v1/nodes");
    assert_eq!(nodes["rows"][0]["key"], "edge-real.example.net@file", "{nodes}");
    assert_eq!(nodes["rows"][0]["requests"], lines.len());
    delays.sort();
    println!(
        "from a segment in the file to its count in the API: median {:?}, most {:?}",
        delays[delays.len() / 2],
        delays[delays.len() - 1]
    );
    program.terminate();
}

/// Waits until the log grows, and then until the API knows it: the time between.
fn delay(program: &Program, written: impl Fn() -> u64) -> Duration {
    let (before, until) =
        (program.json("/api/v1/summary")["entries"]["received"].as_u64().unwrap(), Instant::now() + PATIENCE);
    let now = loop {
        let now = written();
        if now > before {
            break now;
        }
        assert!(Instant::now() < until, "the log does not grow");
    };
    let start = Instant::now();
    program.summary(|summary| summary["entries"]["received"].as_u64().unwrap() >= now);
    start.elapsed()
}
