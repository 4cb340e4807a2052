//! Text logs of real Traffic Servers: their lines give the same numbers as the binary log of the same requests, and as its expected totals.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::Totals;
use visulate::merger::snapshot::{RawKey, Table};
use visulate::merger::tables::Tables;
use visulate::source::session::Shared;
use visulate::source::text::TextSession;
use visulate::tally::table::Seed;
use visulate::tally::{Caps, Counts, Dimension, Entries, HostFrom, Part, Rules, Shard};
use visulate::wire::codes;
use visulate::wire::format::Formats;
use visulate::wire::line::LineFormats;
use visulate::wire::segment::Segment;
use visulate::wire::template::Template;

/// A log in both forms.
struct Log {
    name: String,
    segments: Vec<Vec<u8>>,
    text: Vec<u8>,
    expected: Option<serde_json::Value>,
}

impl Log {
    fn template(&self) -> Template {
        let segment = Segment::parse(&self.segments[0]).unwrap();
        Template::of_segment(segment.print_template(), segment.field_list()).unwrap()
    }
}

/// The text logs.
fn logs() -> Vec<Log> {
    let logs: Vec<Log> =
        common::found(".logcat.txt.zst").into_iter().filter_map(|(name, path)| load(name, &path)).collect();
    assert!(logs.len() >= 5, "texts are missing: {}", logs.len());
    logs
}

fn load(name: String, text: &Path) -> Option<Log> {
    let beside = |kind: &str| text.with_file_name(format!("{name}.{kind}"));
    let binary = ["bin.zst", "blog.zst"].map(beside).into_iter().find(|path| path.exists())?;
    let expected = std::fs::read(beside("expected.json")).ok();
    Some(Log {
        segments: common::segments(&common::unpacked(&binary)),
        text: common::unpacked(text),
        expected: expected.map(|json| serde_json::from_slice(&json).unwrap()),
        name,
    })
}

/// Everything that a log came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    total: Counts,
    entries: Entries,
    cut: u64,
    /// Without the nodes, which have other names.
    rows: BTreeMap<&'static str, Vec<(String, Counts)>>,
}

impl Outcome {
    fn totals(&self, dimension: &str) -> Totals {
        let sums = |(key, counts): &(String, Counts)| (key.clone(), (counts.all_requests(), counts.all_bytes()));
        self.rows[dimension].iter().map(sums).collect()
    }
}

/// Like `assert_eq`, but says no more than the first row that differs.
fn assert_same(found: &Outcome, expected: &Outcome, name: &str) {
    assert_eq!((found.total, found.entries, found.cut), (expected.total, expected.entries, expected.cut), "{name}");
    for (dimension, rows) in &found.rows {
        let other = &expected.rows[dimension];
        let differs = rows.iter().zip(other).find(|(row, other)| row != other);
        assert!(rows == other, "{name} {dimension}: {differs:?} or {} and {} rows", rows.len(), other.len());
    }
}

/// What a worker's tables hold once `feed` has filled them.
fn outcome(host_from: HostFrom, feed: impl FnOnce(&mut Shared)) -> Outcome {
    let (caps, seed) = (Caps::new(256 << 20, 1), Seed::default());
    let shard = Shard::new(0, &caps, &seed).with_rules(Rules { host_from, ..Rules::default() });
    let mut shared = Shared { shard, formats: Formats::default() };
    feed(&mut shared);
    let mut part = Part::default();
    shared.shard.hand_over(&mut part, 1, true);
    let mut tables = Tables::new(&caps, 1, &seed, 0, true);
    tables.add(&part);
    tables.tick(1, 250, true);
    let cut = part.rejected.by(visulate::tally::Cause::Cut).bytes;
    // Nodes, and what formats are called, differ from log to log.
    let others = [Dimension::Node, Dimension::NodeStatus, Dimension::Format];
    let dimensions = Dimension::ALL.into_iter().filter(|dimension| !others.contains(dimension));
    let rows = dimensions.map(|dimension| (dimension.name(), rows(&tables.table(dimension)))).collect();
    Outcome { total: part.total, entries: part.entries, cut, rows }
}

fn rows(table: &Table) -> Vec<(String, Counts)> {
    let code = |key: &[u8]| i64::from_le_bytes(key.try_into().unwrap());
    let address = |key: &[u8]| match key {
        [] => "(none)".to_owned(),
        key => std::net::Ipv6Addr::from(<[u8; 16]>::try_from(key).unwrap()).to_canonical().to_string(),
    };
    let text = |key: &[u8]| match key {
        [] => "(none)".into(),
        key => String::from_utf8_lossy(key).into_owned(),
    };
    let key = |row: u32| match (table.raw_key(row), table.dimension) {
        (RawKey::Pair(client, site), Dimension::ClientSite) => format!("{} {}", address(client), text(site)),
        (RawKey::Pair(site, status), Dimension::SiteStatus) => format!("{} {}", text(site), code(status)),
        (RawKey::Pair(first, second), _) => format!("{} {}", text(first), text(second)),
        (RawKey::One(key), Dimension::Client | Dimension::Network) => address(key),
        (RawKey::One(key), Dimension::Status) => code(key).to_string(),
        (RawKey::One(key), Dimension::Result) => codes::result_name(code(key)).into_owned(),
        (RawKey::One(key), Dimension::Route) => codes::route_name(code(key)).into_owned(),
        (RawKey::One(key), _) => text(key),
    };
    let mut rows: Vec<_> = (0..table.len() as u32).map(|row| (key(row), table.rows[row as usize])).collect();
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    rows
}

fn binary(log: &Log, host_from: HostFrom) -> Outcome {
    outcome(host_from, |shared| {
        for segment in &log.segments {
            let segment = Segment::parse(segment).unwrap();
            let format = shared.formats.of(&segment).unwrap();
            let node = shared.shard.node(b"a", "b");
            shared.shard.segment(&segment, &format, node, 1_795_460_600_000);
        }
    })
}

/// Reads the text in pieces of that many bytes.
fn text(log: &Log, formats: LineFormats, piece: usize, host_from: HostFrom) -> Outcome {
    outcome(host_from, |shared| {
        let mut session = TextSession::new("edge", "a.log", formats);
        let mut waiting = Vec::new();
        for piece in log.text.chunks(piece) {
            waiting.extend_from_slice(piece);
            let used = session.take(&waiting, shared, 1_795_460_600_000);
            waiting.drain(..used);
        }
        session.end(&waiting, shared);
    })
}

fn formats(log: &Log) -> LineFormats {
    LineFormats::new(vec![log.template()]).unwrap()
}

fn lines(log: &Log) -> u64 {
    log.text.iter().filter(|&&byte| byte == b'\n').count() as u64
}

#[test]
fn a_text_log_counts_as_its_binary_log() {
    for log in logs() {
        let found = text(&log, formats(&log), 65_536, HostFrom::Origin);
        let binary = binary(&log, HostFrom::Origin);
        let unmatched = log.expected.as_ref().map_or(0, |json| json["totals"]["unmatched"].as_u64().unwrap_or(0));
        eprintln!("{}: {} lines, {:?}, {unmatched} unmatched", log.name, lines(&log), found.entries);
        assert_eq!((found.entries.received(), found.cut), (lines(&log), 0), "{}", log.name);
        // Entries that Traffic Server itself has misread, so that their lines hold what was left over in memory.
        assert_eq!(found.entries.bad, unmatched, "{}", log.name);
        // What the binary decoder can't read it counts as bad, which is for its own tests to say; the text must have it all the same.
        if binary.entries.bad > 0 {
            eprintln!("{}: {} binary entries can't be read", log.name, binary.entries.bad);
        } else if unmatched == 0 && lines(&log) == binary.entries.received() {
            assert_same(&found, &binary, &log.name);
        }
    }
}

#[test]
fn a_text_log_has_its_expected_totals() {
    for log in logs() {
        let Some(expected) = log.expected.as_ref().map(|json| &json["totals"]) else { continue };
        let found = text(&log, formats(&log), 1 << 20, HostFrom::Origin);
        assert_eq!(found.total.all_bytes(), expected["bytes_total"].as_u64().unwrap_or(0), "{}", log.name);
        for (dimension, expected) in common::totals(expected) {
            let found = found.totals(dimension);
            let differs = expected.iter().find(|(key, sums)| found.get(*key) != Some(*sums));
            assert!(found == expected, "{} {dimension}: {differs:?}", log.name);
        }
    }
}

#[test]
fn the_format_is_found_out() {
    for log in logs() {
        let named = ["squid", "common", "extended2"].iter().find(|&&name| {
            let list = log.template().field_list();
            visulate::wire::template::named(name).iter().any(|template| template.field_list() == list)
        });
        let known = LineFormats::new(vec![]).unwrap();
        if named.is_some() {
            let given = text(&log, formats(&log), 4096, HostFrom::Origin);
            assert_same(&text(&log, known, 1000, HostFrom::Origin), &given, &log.name);
        } else {
            // Lines of other formats fit none of them.
            let found = text(&log, known, 65_536, HostFrom::Origin);
            assert_eq!(found.entries, Entries { bad: lines(&log), ..Entries::default() }, "{}", log.name);
        }
    }
}

#[test]
fn the_host_is_the_clients_or_the_origins() {
    for log in logs() {
        let symbols = log.template().symbols;
        let Some(at) = symbols.iter().take(8).position(|symbol| symbol == "cquuc") else { continue };
        // The fields before this one never have a blank in them.
        let mut asked: BTreeMap<String, u64> = BTreeMap::new();
        for line in log.text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let url = String::from_utf8_lossy(line.split(|&byte| byte == b' ').nth(at).unwrap()).into_owned();
            let authority = url.split_once("://").map_or(&*url, |(_, rest)| rest).split('/').next().unwrap();
            *asked.entry(common::fold_host(authority)).or_default() += 1;
        }
        let requests = |outcome: &Outcome| -> BTreeMap<String, u64> {
            outcome.totals("host").into_iter().map(|(host, (requests, _))| (host, requests)).collect()
        };
        let client = text(&log, formats(&log), 65_536, HostFrom::Client);
        assert_eq!(requests(&client), asked, "{}", log.name);
        let same = binary(&log, HostFrom::Client);
        if same.entries.bad == 0 {
            assert_same(&client, &same, &log.name);
        }
        let origin = binary(&log, HostFrom::Origin);
        if asked.contains_key("rev.example.com") {
            assert_ne!(requests(&origin), asked, "{}: that name's origins are elsewhere", log.name);
        }
        assert_eq!(same.total, origin.total, "{}", log.name);
    }
}

#[test]
fn the_node_is_the_file() {
    let name = "ats-8.1-collation-reconnect.conn0";
    let log = load(name.into(), &common::own().join(format!("{name}.logcat.txt.zst"))).unwrap();
    let (caps, seed) = (Caps::new(64 << 20, 1), Seed::default());
    let mut shared = Shared { shard: Shard::new(0, &caps, &seed), formats: Formats::default() };
    let mut session = TextSession::new("edge-01", "squid.log", LineFormats::new(vec![]).unwrap());
    let newest = 1_795_461_000_000;
    let mut part = Part::default();
    let used = session.take(&log.text[..log.text.len() - 10], &mut shared, newest);
    assert!(session.knows_format() && used < log.text.len() - 10);
    session.end(&log.text[used..log.text.len() - 10], &mut shared);
    shared.shard.hand_over(&mut part, 1, true);
    assert_eq!(part.nodes.len(), 1);
    let node = &part.nodes[0];
    let logs: Vec<String> = node.logs.iter().map(ToString::to_string).collect();
    assert_eq!(logs, ["squid.log: cqtq,ttms,chi,crc,pssc,psql,cqhm,pquc,caun,phr,shn,psct"]);
    assert_eq!((node.connections, node.last_arrival), (0, newest));
    // The text says when transactions began, and how long they took: to the second that is when they were logged.
    let logged: Vec<u64> = log
        .segments
        .iter()
        .flat_map(|segment| Segment::parse(segment).unwrap().entries().map(|entry| entry.time_ms()).collect::<Vec<_>>())
        .collect();
    assert!(
        node.last_entry.abs_diff(*logged.iter().max().unwrap()) < 1000,
        "{} {}",
        node.last_entry,
        logged.iter().max().unwrap()
    );
    assert_eq!(part.rejected.by(visulate::tally::Cause::Cut).entries, 1);
    assert_eq!(part.entries.requests, lines(&log) - 1);
}
