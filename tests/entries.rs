//! Records by `/api/v1/entries` against what traffic_logcat printed of the same captures.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::program::Program;
use common::{found, unpacked};
use serde_json::Value;
use visulate::wire::encode::{Header, SegmentWriter, Value as Field, auth_message, message};

const ORDERS: [&str; 4] = ["recent", "slowest", "largest", "failed"];

/// Traffic Server's own tool leaves out lines of more bytes.
const LINE_MAX: usize = 10_240;

fn visulate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_visulate"));
    command.args(arguments).env("TZ", "UTC");
    command
}

/// An engine in UTC that has had all of a capture; and its summary.
fn fed(options: &[&str], replay: &[&str], path: &Path) -> (Program, Value) {
    let program = Program::start_with(options, &[("TZ", "UTC")]);
    let to = program.collation.to_string();
    let output = visulate(&[&["replay", "--to", &to, path.to_str().unwrap()], replay].concat()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sent: Value = serde_json::from_slice(&output.stdout).unwrap();
    let summary = program.received(sent["entries"].as_u64().unwrap());
    (program, summary)
}

/// As keys and texts are in answers.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

/// What `cat` prints of a capture: lines, and the fields of each. Both are held against traffic_logcat's own in tests/cat.rs.
fn printed(path: &Path) -> HashMap<String, Vec<Value>> {
    let out = |json: &[&str]| visulate(&[&["cat"], json, &[path.to_str().unwrap()]].concat()).output().unwrap().stdout;
    let (lines, fields) = (out(&[]), out(&["--json"]));
    let lines = lines.strip_suffix(b"\n").unwrap_or(&lines).split(|&byte| byte == b'\n');
    let fields = fields.strip_suffix(b"\n").unwrap_or(&fields).split(|&byte| byte == b'\n');
    let mut printed: HashMap<String, Vec<Value>> = HashMap::new();
    for (line, fields) in lines.zip(fields).filter(|(line, _)| !line.is_empty()) {
        printed.entry(escaped(line)).or_default().push(serde_json::from_slice(fields).unwrap());
    }
    printed
}

#[test]
fn records_have_the_fields_that_traffic_logcat_prints() {
    let (texts, mut inputs) = (found(".logcat.txt.zst"), found(".blog.zst"));
    inputs.extend(found(".bin.zst"));
    let (mut checked, mut captures, mut bands) = (0, 0, BTreeSet::new());
    for (name, path) in &inputs {
        let printed = printed(path);
        let saved: Option<BTreeSet<String>> =
            texts.get(name).map(|text: &PathBuf| unpacked(text).split(|&byte| byte == b'\n').map(escaped).collect());
        let (program, summary) = fed(&[], &[], path);
        let (requests, mut here) = (summary["requests"].as_u64().unwrap(), 0);
        for order in ORDERS {
            let answer = program.json(&format!("/api/v1/entries?order={order}&limit=1000"));
            let entries = answer["entries"].as_array().unwrap();
            assert_eq!(entries.len() as u64, answer["kept"].as_u64().unwrap().min(1000), "{name}, {order}");
            assert!(entries.len() as u64 <= requests);
            for entry in entries {
                bands.insert(entry["band"].as_str().unwrap().to_owned());
                assert!(entry["node"].as_str().unwrap().contains('@'), "{name}: {entry}");
                let Some(line) = entry["line"].as_str() else { continue };
                let known = printed.get(line).unwrap_or_else(|| panic!("{name}, {order}: no such line: {line}"));
                assert!(known.contains(&entry["fields"]), "{name}, {order}: {} of {line}", entry["fields"]);
                if let Some(saved) = saved.as_ref().filter(|_| line.len() < LINE_MAX) {
                    assert!(saved.contains(line), "{name}, {order}: traffic_logcat printed no {line}");
                }
                checked += 1;
                here += 1;
            }
            let rank = |entry: &Value| match order {
                "slowest" => entry["time_ms"].as_f64().unwrap_or(0.0),
                "largest" => entry["bytes"].as_f64().unwrap(),
                _ => entry["time"].as_f64().unwrap(),
            };
            assert!(entries.is_sorted_by(|a, b| rank(a) >= rank(b)), "{name}, {order}");
            assert!(order != "failed" || entries.iter().all(|entry| entry["band"] == "error"), "{name}");
        }
        // Entries that print no line are still records.
        assert!(requests == 0 || here > 0 || printed.is_empty(), "{name}: no record of {requests} requests");
        captures += usize::from(here > 0);
    }
    assert!(checked > 1000 && captures >= 15, "{checked} of {captures}");
    assert!(["hit", "miss", "error"].iter().all(|band| bands.contains(*band)), "{bands:?}");
}

#[test]
fn the_rate_says_how_many_are_kept() {
    let path = common::own().join("ats-8.1-collation-reconnect.conn0.bin.zst");
    let (program, summary) = fed(&[], &["--rate", "2000"], &path);
    let requests = summary["requests"].as_f64().unwrap();
    let answer = program.json("/api/v1/entries?limit=1000");
    let (rate, kept) = (answer["rate"].as_f64().unwrap(), answer["kept"].as_f64().unwrap());
    // Those of nodes and sites come on top of the sample.
    assert!(rate > 0.05 && rate * requests <= kept + 0.5 && kept < requests, "{rate} of {requests}, {kept}");
    // A step at a time, so that no tick has many: all are kept.
    let program = Program::start_with(&[], &[("TZ", "UTC")]);
    let capture = common::capture("ats-8.1-collation-reconnect.conn0");
    let secret = capture.stream.len() - capture.partial - capture.messages().len();
    let mut stream = program.connect();
    stream.write_all(&capture.stream[..secret]).unwrap();
    let (mut rest, mut sent) = (capture.messages(), 0);
    for segment in capture.split().into_iter().take(12) {
        let count = u64::from(u32::from_le_bytes(segment[16..20].try_into().unwrap()));
        if count > 30 {
            break;
        }
        let (message, behind) = rest.split_at(4 + segment.len());
        stream.write_all(message).unwrap();
        (rest, sent) = (behind, sent + count);
        let tick = program.received(sent)["tick"].as_u64().unwrap();
        program.summary(|summary| summary["tick"].as_u64() > Some(tick));
    }
    assert!(sent > 20, "{sent}");
    let answer = program.json("/api/v1/entries?limit=1000");
    assert_eq!((&answer["rate"], answer["kept"].as_u64().unwrap()), (&1.0.into(), sent));
    let requests = sent;
    let codes: BTreeMap<String, u64> =
        answer["entries"].as_array().unwrap().iter().fold(BTreeMap::new(), |mut codes, entry| {
            *codes.entry(entry["fields"]["pssc"].to_string()).or_default() += 1;
            codes
        });
    assert_eq!(codes.values().sum::<u64>(), requests);
    let (status, csv) = program.get("/api/v1/entries?limit=3");
    assert_eq!((status, csv.is_empty()), (200, false));
    let (status, kind, csv) = program.ask("GET", "/api/v1/entries?limit=3", "Accept: text/csv\r\n");
    assert_eq!(
        (status, &kind[..8], csv.lines().next().unwrap()),
        (200, "text/csv", "time,node,log,band,bytes,time_ms,fields,line")
    );
    assert_eq!(program.json("/api/v1/entries?window=1m")["entries"], Value::Array(vec![]), "these are old");
}

#[test]
fn each_record_tells_its_band() {
    let program = Program::start_with(&[], &[("TZ", "UTC")]);
    let send = |field_list: &[u8], entries: &[[Field<'_>; 2]]| {
        let header = Header { field_list, source_host: b"edge", ..Header::default() };
        let mut writer = SegmentWriter::new(&header, 1_795_460_493);
        entries.iter().for_each(|values| writer.push(1_795_460_493, 0, values).unwrap());
        program.send(&[auth_message(b"foobar"), message(writer.finish(1_795_460_493))].concat());
    };
    let code = |code: char| [Field::Int(code as i64), Field::Int(10)];
    send(b"crc,psql", &[code('1'), code('5'), code('7'), code('C')]);
    program.received(4);
    send(b"cqhm,psql", &[[Field::Text(b"GET"), Field::Int(10)]]);
    program.received(5);
    let answer = program.json("/api/v1/entries");
    let summary = program.json("/api/v1/summary");
    assert_eq!((&answer["kept"], &answer["rate"]), (&5.into(), &1.0.into()), "{summary}");
    let bands: BTreeSet<&str> =
        answer["entries"].as_array().unwrap().iter().map(|entry| entry["band"].as_str().unwrap()).collect();
    assert_eq!(bands, BTreeSet::from(["hit", "refresh_hit", "miss", "error", "unknown"]));
}

#[test]
fn a_filter_takes_records_by_their_fields() {
    let path = common::own().join("ats-8.1-collation-rich.bin.zst");
    let (program, _) = fed(&[], &["--rate", "1000"], &path);
    let all = program.json("/api/v1/entries?limit=1000")["entries"].as_array().unwrap().clone();
    assert!(all.len() > 100);
    let text = |entry: &Value, symbol: &str| entry["fields"][symbol].to_string().trim_matches('"').to_owned();
    for (kind, symbol) in [("status", "pssc"), ("client", "chi"), ("method", "cqhm")] {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        all.iter().for_each(|entry| *counts.entry(text(entry, symbol)).or_default() += 1);
        // One that is missing is `(none)` in keys.
        for (value, count) in counts.into_iter().filter(|(value, _)| value != "-") {
            let answer = program.json(&format!("/api/v1/entries?limit=1000&filter={kind}:{value}"));
            assert_eq!(answer["kept"], count, "{kind}:{value}");
            assert!(answer["since"].is_f64() || answer["since"].is_u64());
            assert!(answer["entries"].as_array().unwrap().iter().all(|entry| text(entry, symbol) == value));
        }
    }
    let node = all[0]["node"].as_str().unwrap();
    assert_eq!(program.json(&format!("/api/v1/entries?limit=1000&filter=node:{node}"))["kept"], all.len());
    let both = program.json("/api/v1/entries?limit=1000&filter=status:200&filter=status:404&filter=method:GET");
    let of_both =
        all.iter().filter(|entry| matches!(&*text(entry, "pssc"), "200" | "404") && text(entry, "cqhm") == "GET");
    assert_eq!(both["kept"], of_both.count());
}

#[test]
fn with_masked_clients_no_record_is_kept() {
    let path = common::own().join("ats-8.1-collation-rich.bin.zst");
    let (program, summary) = fed(&["--mask-clients", "24/48"], &[], &path);
    assert!(summary["requests"].as_u64() > Some(0));
    let (status, text) = program.get("/api/v1/entries");
    assert!(status == 400 && text.contains("--mask-clients"), "{status} {text}");
    let (_, metrics) = program.get("/metrics");
    assert!(metrics.contains("visulate_memory_bytes{part=\"records\"} 0"), "{metrics}");
}
