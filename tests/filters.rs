//! Filters: every answer with one is a recount of the entries that it takes, from kept tables and live (design/api.md 3 to 5).
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use common::DIMENSIONS;
use common::program::{PATIENCE, Program};
use proptest::prelude::*;
use serde_json::Value as Json;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client::IntoClientRequest};
use visulate::tally::link::Wanted;
use visulate::tally::table::Seed;
use visulate::tally::{Caps, Filter, Part, Shard};
use visulate::wire::encode::{Header, SegmentWriter, Value, auth_message, message};
use visulate::wire::format::Formats;
use visulate::wire::segment::Segment;

const NODES: [&str; 2] = ["edge-1", "edge-2"];
const CLIENTS: [(&str, &str); 5] = [
    ("192.0.2.1", "192.0.2.0/24"),
    ("192.0.2.130", "192.0.2.0/24"),
    ("198.51.100.7", "198.51.100.0/24"),
    ("2001:db8::1", "2001:db8::/48"),
    ("2001:db8:0:8000::2", "2001:db8::/48"),
];
/// URL, its key, host, site, scheme, extension.
const URLS: [[&str; 6]; 5] = [
    [
        "http://www.example.com/a.jpg?x=1",
        "http://www.example.com/a.jpg",
        "www.example.com",
        "example.com",
        "http",
        "(dynamic)",
    ],
    [
        "https://img.example.com/b.JPG",
        "https://img.example.com/b.JPG",
        "img.example.com",
        "example.com",
        "https",
        "jpg",
    ],
    ["http://example.org/v.ts", "http://example.org/v.ts", "example.org", "example.org", "http", "ts"],
    [
        "http://CDN.example.co.uk/i.html",
        "http://CDN.example.co.uk/i.html",
        "cdn.example.co.uk",
        "example.co.uk",
        "http",
        "html",
    ],
    ["http://example.org/q\\.css", "http://example.org/q\\\\.css", "example.org", "example.org", "http", "css"],
];
const STATUSES: [i64; 4] = [200, 304, 404, 503];
const RESULTS: [(char, &str); 4] =
    [('1', "TCP_HIT"), ('3', "TCP_MISS"), ('t', "ERR_CLIENT_ABORT"), ('Q', "UNKNOWN(81)")];
const ROUTES: [(char, &str); 2] = [('1', "NONE"), ('2', "DIRECT")];
const METHODS: [&str; 3] = ["GET", "POST", "PURGE"];
const TYPES: [(&str, &str); 3] =
    [("image/JPEG", "image/jpeg"), ("text/html;charset=utf-8", "text/html"), ("-", "(unknown)")];
const USERS: [(&str, &str); 2] = [("ann", "ann"), ("-", "(none)")];
const SERVERS: [(&str, &str); 2] = [("origin.example", "origin.example"), ("-", "(none)")];
const FIELDS: &[u8] = b"ttms,chi,crc,pssc,psql,cqhm,cquc,phr,shn,psct,caun";

/// Indexes into the lists above, in the order of the fields' dimensions, and bytes.
#[derive(Clone, Copy, Debug)]
struct Entry {
    node: usize,
    at: [usize; 8],
    server: usize,
    bytes: i64,
}

impl Entry {
    /// Its key in each dimension, as answers show it.
    fn keys(&self) -> BTreeMap<&'static str, String> {
        let [client, url, status, result, route, method, media, user] = self.at;
        BTreeMap::from([
            ("node", format!("{}@127.0.0.1", NODES[self.node])),
            ("client", CLIENTS[client].0.to_owned()),
            ("network", CLIENTS[client].1.to_owned()),
            ("url", URLS[url][1].to_owned()),
            ("host", URLS[url][2].to_owned()),
            ("site", URLS[url][3].to_owned()),
            ("scheme", URLS[url][4].to_owned()),
            // What is posted has no extension.
            ("extension", if METHODS[method] == "POST" { "(dynamic)" } else { URLS[url][5] }.to_owned()),
            ("status", STATUSES[status].to_string()),
            ("result", RESULTS[result].1.to_owned()),
            ("route", ROUTES[route].1.to_owned()),
            ("method", METHODS[method].to_owned()),
            ("type", TYPES[media].1.to_owned()),
            ("user", USERS[user].1.to_owned()),
            ("server", SERVERS[self.server].1.to_owned()),
            ("format", format!("access: {}", std::str::from_utf8(FIELDS).unwrap())),
        ])
    }

    /// The naive filter: one kind's values are or, kinds are and.
    fn is_taken(&self, filter: &[(&str, &str)]) -> bool {
        let keys = self.keys();
        filter.iter().all(|(kind, _)| {
            filter.iter().any(|(other, value)| {
                let is_in = match *value {
                    "192.0.2.0/25" => keys["client"] == "192.0.2.1",
                    "2001:db8::/49" => keys["client"] == "2001:db8::1",
                    _ => keys[kind] == *value,
                };
                other == kind && is_in
            })
        })
    }
}

fn entry() -> impl Strategy<Value = Entry> {
    let at = [5, 5, 4, 4, 2, 3, 3, 2].map(|count| 0..count as usize);
    (0..2_usize, at, 0..2_usize, 0..5000_i64).prop_map(|(node, at, server, bytes)| Entry { node, at, server, bytes })
}

/// Entries that look random.
fn entries(count: u64, seed: u64) -> Vec<Entry> {
    let mut state = seed;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    (0..count)
        .map(|_| Entry {
            node: next(2),
            at: [5, 5, 4, 4, 2, 3, 3, 2].map(&mut next),
            server: next(2),
            bytes: next(5000) as i64,
        })
        .collect()
}

/// The segment of a node's entries.
fn segment(entries: &[Entry], node: usize, time: i64) -> Vec<u8> {
    let header =
        Header { field_list: FIELDS, source_host: NODES[node].as_bytes(), file_name: b"access", ..Header::default() };
    let mut writer = SegmentWriter::with_capacity(&header, time as u32, 1 << 20);
    for entry in entries.iter().filter(|entry| entry.node == node) {
        let [client, url, status, result, route, method, media, user] = entry.at;
        let values = [
            Value::Int(7),
            Value::Ip(Some(CLIENTS[client].0.parse().unwrap())),
            Value::Int(RESULTS[result].0 as i64),
            Value::Int(STATUSES[status]),
            Value::Int(entry.bytes),
            Value::Text(METHODS[method].as_bytes()),
            Value::Text(URLS[url][0].as_bytes()),
            Value::Int(ROUTES[route].0 as i64),
            Value::Text(SERVERS[entry.server].0.as_bytes()),
            Value::Text(TYPES[media].0.as_bytes()),
            Value::Text(USERS[user].0.as_bytes()),
        ];
        writer.push(time, 0, &values).unwrap();
    }
    writer.finish(time as u32).to_vec()
}

type Sums = (u64, u64);

/// Kinds and values.
type Pairs = &'static [(&'static str, &'static str)];

/// Requests and bytes by key of a dimension, or of two of them.
fn recount(entries: &[Entry], filter: &[(&str, &str)], dimension: &str) -> BTreeMap<String, Sums> {
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry.is_taken(filter)) {
        let keys = entry.keys();
        let key: Vec<&str> = dimension.split(',').map(|dimension| keys[dimension].as_str()).collect();
        let sum = sums.entry(key.join(" ")).or_default();
        *sum = (sum.0 + 1, sum.1 + entry.bytes as u64);
    }
    sums
}

fn sum(sums: &BTreeMap<String, Sums>) -> Sums {
    sums.values().fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1))
}

fn numbers(row: &Json) -> Sums {
    (row["requests"].as_u64().unwrap(), row["bytes"].as_u64().unwrap())
}

fn key(row: &Json) -> String {
    match &row["key"] {
        Json::Array(keys) => keys.iter().map(|key| key.as_str().unwrap()).collect::<Vec<_>>().join(" "),
        key => key.as_str().unwrap().to_owned(),
    }
}

fn rows(answer: &Json) -> BTreeMap<String, Sums> {
    let rows = answer["rows"].as_array().unwrap();
    rows.iter().map(|row| (key(row), numbers(row))).collect()
}

/// `filter=…` of each pair, percent-encoded.
fn query(filter: &[(&str, &str)]) -> String {
    let encoded = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
    filter.iter().map(|(kind, value)| format!("&filter={kind}:{}", encoded(value))).collect()
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

fn send(program: &Program, entries: &[Entry]) -> Vec<TcpStream> {
    let streams = (0..NODES.len()).map(|node| {
        let mut stream = program.connect();
        stream.write_all(&[auth_message(b"foobar"), message(&segment(entries, node, now() - 5))].concat()).unwrap();
        stream
    });
    streams.collect()
}

/// Waits until an answer is as it should be.
fn until(program: &Program, path: &str, enough: impl Fn(&Json) -> bool) -> Json {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = program.json(path);
        if enough(&answer) {
            return answer;
        }
        assert!(Instant::now() < end, "{path}: waited in vain: {answer}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Filters of every kind, alone and together.
const FILTERS: [&[(&str, &str)]; 12] = [
    &[("site", "example.com")],
    &[("site", "example.com"), ("site", "example.co.uk"), ("status", "404"), ("status", "503")],
    &[("client", "192.0.2.1"), ("client", "2001:db8::1"), ("node", "edge-2@127.0.0.1")],
    &[("network", "192.0.2.0/25"), ("network", "2001:db8::/49")],
    &[("host", "img.example.com"), ("method", "POST")],
    &[("url", "http://example.org/q\\\\.css"), ("user", "(none)")],
    &[("result", "UNKNOWN(81)"), ("type", "(unknown)")],
    &[("route", "DIRECT"), ("scheme", "https"), ("extension", "jpg"), ("type", "image/jpeg")],
    &[("server", "(none)"), ("result", "TCP_MISS")],
    &[("format", "access: ttms,chi,crc,pssc,psql,cqhm,cquc,phr,shn,psct,caun"), ("method", "PURGE")],
    &[("site", "example.com"), ("host", "example.org")],
    &[("status", "999")],
];

#[test]
fn every_answer_of_a_live_filter_is_a_recount() {
    let listed: Vec<String> = FILTERS
        .iter()
        .map(|filter| {
            let pairs = filter.iter().map(|(kind, value)| format!("{kind}:{}", value.replace(',', "\\x2c")));
            pairs.collect::<Vec<_>>().join(",")
        })
        .collect();
    let options: Vec<&str> = listed.iter().flat_map(|list| ["--filter", list]).collect();
    let program = Program::start(&options);
    let entries = entries(6000, 7);
    let _open = send(&program, &entries);
    until(&program, "/api/v1/top?dimension=client,site", |top| top["total"]["requests"] == 6000);
    for filter in FILTERS {
        let q = query(filter);
        for window in ["total", "10m"] {
            for dimension in DIMENSIONS {
                let expected = recount(&entries, filter, dimension);
                let top = program.json(&format!("/api/v1/top?dimension={dimension}&window={window}{q}"));
                assert_eq!(rows(&top), expected, "{filter:?} {dimension} {window}");
                assert_eq!(numbers(&top["total"]), sum(&expected), "{filter:?} {dimension}");
                assert!(top["since"].as_f64().unwrap() <= top["as_of"].as_f64().unwrap());
                let rank = program.json(&format!("/api/v1/rank?dimension={dimension}&window={window}{q}"));
                assert_eq!(rank["total"].as_u64(), Some(sum(&expected).0), "{filter:?} {dimension}");
                assert!(rank["since"].is_f64());
            }
            let clients = recount(&entries, filter, "client");
            let summary = program.json(&format!("/api/v1/summary?window={window}{q}"));
            assert_eq!(numbers(&summary), sum(&clients), "{filter:?}");
            assert_eq!(summary["uniques"]["client"]["count"], clients.len(), "{filter:?}");
            assert_eq!(summary["entries"]["received"], sum(&clients).0);
            assert!(summary["since"].is_f64());

            let matrix = program.json(&format!("/api/v1/matrix?window={window}{q}"));
            let name = |list: &str, at: &Json| matrix[list][at.as_u64().unwrap() as usize].as_str().unwrap();
            let cells = matrix["cells"].as_array().unwrap().iter();
            let cells: BTreeMap<String, Sums> = cells
                .map(|cell| {
                    let key = format!("{} {}", name("columns", &cell["column"]), name("rows", &cell["row"]));
                    (key, numbers(cell))
                })
                .collect();
            assert_eq!(cells, recount(&entries, filter, "client,site"), "{filter:?}");

            let series = program.json(&format!("/api/v1/series?window={window}{q}"));
            let points = series["points"].as_array().unwrap().iter().filter(|point| point["gap"].is_null());
            let (requests, bytes) = points.map(numbers).fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1));
            assert_eq!((requests, bytes), sum(&clients), "{filter:?}");
            assert!(series["since"].is_f64());

            let histogram = program.json(&format!("/api/v1/histogram?of=bytes&window={window}{q}"));
            let buckets = histogram["buckets"].as_array().unwrap().iter().map(numbers);
            assert_eq!(buckets.fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1)), sum(&clients), "{filter:?}");
            assert!(histogram["since"].is_f64());

            let nodes = program.json(&format!("/api/v1/nodes?window={window}{q}"));
            let mut expected = recount(&entries, filter, "node");
            for node in NODES {
                expected.entry(format!("{node}@127.0.0.1")).or_default();
            }
            assert_eq!(rows(&nodes), expected, "{filter:?}");
            assert!(nodes["since"].is_f64());
        }
    }
    let csv = program.ask("GET", &format!("/api/v1/top?dimension=status{}", query(FILTERS[0])), "Accept: text/csv\r\n");
    assert_eq!((csv.0, csv.1.starts_with("text/csv")), (200, true), "{}", csv.2);
    let unfiltered = program.json("/api/v1/top?dimension=status");
    assert!(unfiltered["since"].is_null());
    assert_eq!(numbers(&unfiltered["total"]).0, 6000);
    let (status, body) = program.get(&format!("/api/v1/miss-ratio?window=total{}", query(FILTERS[0])));
    assert_eq!(status, 400, "{body}");
}

#[test]
fn kept_tables_answer_what_they_hold_and_nothing_else() {
    let program = Program::start(&[]);
    let entries = entries(3000, 99);
    let _open = send(&program, &entries);
    until(&program, "/api/v1/top?dimension=client,site", |top| top["total"]["requests"] == 3000);
    let held: [(Pairs, &[&str]); 8] = [
        (&[("site", "example.com")], &["client", "network", "status", "url", "site", "client,site", "site,url"]),
        (&[("site", "example.com"), ("site", "example.org")], &["client", "status", "url", "site"]),
        (&[("client", "192.0.2.1")], &["site", "client", "network", "client,site"]),
        (&[("network", "192.0.2.0/25")], &["site", "client", "network"]),
        (&[("node", "edge-1@127.0.0.1")], &["status", "node", "node,status"]),
        (&[("status", "404"), ("status", "999")], &["status", "site", "node"]),
        (&[("scheme", "https")], &["url", "scheme", "site"]),
        (&[("result", "UNKNOWN(81)")], &["result"]),
    ];
    for (filter, dimensions) in held {
        let q = query(filter);
        for window in ["total", "10m"] {
            for dimension in dimensions {
                let expected = recount(&entries, filter, dimension);
                let top = program.json(&format!("/api/v1/top?dimension={dimension}&window={window}{q}"));
                assert_eq!(rows(&top), expected, "{filter:?} {dimension}");
                assert_eq!(numbers(&top["total"]), sum(&expected), "{filter:?} {dimension}");
                assert_eq!(top["since"], top["from"], "{filter:?} {dimension}");
                let rank = program.json(&format!("/api/v1/rank?dimension={dimension}&window={window}{q}"));
                assert_eq!(rank["total"].as_u64(), Some(sum(&expected).0), "{filter:?} {dimension}");
            }
            let summary = program.json(&format!("/api/v1/summary?window={window}{q}"));
            assert_eq!(numbers(&summary), sum(&recount(&entries, filter, "node")), "{filter:?}");
            for (dimension, unique) in summary["uniques"].as_object().unwrap() {
                assert_eq!(unique["count"], recount(&entries, filter, dimension).len(), "{filter:?} {dimension}");
            }
        }
    }
    let matrix = program.json(&format!("/api/v1/matrix?window=1h{}", query(&[("site", "example.com")])));
    let cells = matrix["cells"].as_array().unwrap();
    let expected = recount(&entries, &[("site", "example.com")], "client,site");
    assert_eq!((cells.len(), &matrix["rows"]), (expected.len(), &serde_json::json!(["example.com"])));
    for path in [
        "/api/v1/top?dimension=host&filter=site:example.com",
        "/api/v1/top?dimension=client&filter=site:example.com&filter=status:200",
        "/api/v1/summary?filter=site:example.com&filter=status:200",
        "/api/v1/rank?dimension=result&filter=client:192.0.2.1",
        "/api/v1/matrix?filter=status:200",
        "/api/v1/series?filter=site:example.com",
        "/api/v1/histogram?filter=site:example.com",
        "/api/v1/nodes?filter=site:example.com",
    ] {
        let (status, body) = program.get(path);
        let body: Json = serde_json::from_str(&body).unwrap();
        assert_eq!(status, 409, "{path}: {body}");
        assert!(body.as_object().unwrap().contains_key("since") && body["since"].is_null(), "{path}: {body}");
        assert!(body["allowed"][1].as_str().unwrap().starts_with("--filter '"), "{path}: {body}");
    }
    for (path, allowed) in [
        ("/api/v1/top?dimension=site&filter=sites:a", "client"),
        ("/api/v1/series?filter=client:x", "192.0.2.10"),
        ("/api/v1/summary?filter=site", "client:…"),
        ("/api/v1/nodes?filter=url:%5Cy", "\\\\ for a backslash"),
    ] {
        let (status, body) = program.get(path);
        let body: Json = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["allowed"][0]), (400, &allowed.into()), "{path}: {body}");
    }
}

/// A browser.
struct Browser(WebSocket<TcpStream>);

impl Browser {
    fn open(program: &Program) -> Self {
        let request = format!("ws://{}/ws", program.http).into_client_request().unwrap();
        let stream = TcpStream::connect(program.http).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(tokio_tungstenite::tungstenite::client(request, stream).unwrap().0)
    }

    /// The answer to a subscription.
    fn subscribe(&mut self, view: u16, filter: &str) -> Json {
        let subscription = serde_json::json!({"subscribe": {
            "view": view, "kind": "table", "dimension": "client", "filters": [filter], "rows": 200,
        }});
        self.0.send(Message::text(subscription.to_string())).unwrap();
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                let answer: Json = serde_json::from_str(&text).unwrap();
                if answer["view"] == view {
                    return answer;
                }
            }
        }
    }
}

#[test]
fn a_websocket_opens_a_filter_which_counts_from_then_on() {
    let program = Program::start(&["--max-filters", "2", "--filter", "status:999"]);
    let (before, after) = (entries(1000, 1), entries(2000, 2));
    let _first = send(&program, &before);
    until(&program, "/api/v1/top?dimension=client", |top| top["total"]["requests"] == 1000);
    let filter = [("host", "example.org")];
    let path = format!("/api/v1/top?dimension=client{}", query(&filter));
    assert_eq!(program.get(&path).0, 409);

    let mut browser = Browser::open(&program);
    let answer = browser.subscribe(1, "host:example.org");
    assert!(answer["stream"].is_u64(), "{answer}");
    let opened = program.json(&path);
    assert_eq!(numbers(&opened["total"]).0, 0, "nothing that came before");
    assert!(opened["since"].as_f64().unwrap() > 1e9);

    let _second = send(&program, &after);
    let expected = recount(&after, &filter, "client");
    let top = until(&program, &path, |top| numbers(&top["total"]) == sum(&expected));
    assert_eq!(rows(&top), expected);
    assert!(top["since"].as_f64().unwrap() >= opened["since"].as_f64().unwrap());
    assert!(top["seconds"].as_f64().unwrap() < program.json("/api/v1/summary")["seconds"].as_f64().unwrap());

    // One is kept, one is watched: there is no room.
    let refused = browser.subscribe(2, "status:404");
    assert!(refused["refused"].as_str().unwrap().contains("the limit filters (2"), "{refused}");
    let (status, body) = program.get("/api/v1/series?filter=status:404");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("the limit filters is reached"), "{body}");
    let metrics = program.get("/metrics").1;
    let reached = metrics.lines().find(|line| line.contains("\"filters\"") && line.contains("limit")).unwrap();
    assert!(!reached.ends_with(" 0"), "{reached}");
    assert!(metrics.lines().any(|line| line.starts_with("visulate_memory_bytes{part=\"filters\"} ")));

    // Once nobody looks it goes on, until another needs its place.
    drop(browser);
    let end = Instant::now() + PATIENCE;
    while program.get("/api/v1/series?filter=status:404").0 == 503 {
        assert!(Instant::now() < end, "it stays watched");
    }
    assert_eq!(program.get(&path).0, 200, "it goes on");
    let mut browser = Browser::open(&program);
    assert!(browser.subscribe(1, "status:404")["stream"].is_u64());
    assert_eq!(program.get(&path).0, 503, "it has gone for the other, and there is no room again");
    assert_eq!(program.get("/api/v1/series?filter=status:404").0, 200);
    assert_eq!(program.get("/api/v1/series?filter=status:999").0, 200, "kept from the start");
}

#[test]
fn watched_filters_that_outgrow_their_share_are_closed_and_their_viewers_told() {
    const SHARE: f64 = (64 << 20) as f64 / 10.0;
    const WATCHED: [&str; 6] =
        ["network:0.0.0.0/0", "network:::/0", "method:GET", "scheme:http", "status:200", "route:DIRECT"];
    let program = Program::start(&["--memory", "64M"]);
    let taken = || -> f64 {
        let metrics = program.get("/metrics").1;
        let line = metrics.lines().find(|line| line.starts_with("visulate_memory_bytes{part=\"filters\"} ")).unwrap();
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    };
    let mut browser = Browser::open(&program);
    for (view, filter) in (1..).zip(WATCHED) {
        let answer = browser.subscribe(view, filter);
        assert!(answer["stream"].is_u64(), "{answer}");
    }
    // Entries of many times: each filter has slots, buckets and histograms of all of them.
    let mut node = program.connect();
    node.write_all(&auth_message(b"foobar")).unwrap();
    for age in 0..400 {
        node.write_all(&message(&segment(&entries(60, age), 0, now() - 5 - 7 * age as i64))).unwrap();
    }
    let refused = loop {
        if let Message::Text(text) = browser.0.read().unwrap() {
            let answer: Json = serde_json::from_str(&text).unwrap();
            if answer.get("refused").is_some() {
                break answer;
            }
        }
    };
    assert!(refused["refused"].as_str().unwrap().contains("the limit filters is reached"), "{refused}");
    let end = Instant::now() + PATIENCE;
    while taken() > SHARE {
        assert!(Instant::now() < end, "{} of {SHARE}", taken());
    }
    let of = |filter: &str| program.get(&format!("/api/v1/series?filter={filter}")).0;
    let closed = WATCHED[refused["view"].as_u64().unwrap() as usize - 1];
    assert!([409, 503].contains(&of(closed)), "{closed}");
    assert!(WATCHED.iter().any(|filter| of(filter) == 200), "the others go on");
    let metrics = program.get("/metrics").1;
    let reached = metrics.lines().find(|line| line.contains("\"filters\"") && line.contains("limit")).unwrap();
    assert!(!reached.ends_with(" 0"), "{reached}");
}

#[test]
fn filters_on_a_capture_have_its_expected_rows() {
    let capture = common::capture("ats-8.1-collation-rich");
    let program = Program::start(&["--filter", "status:404,503", "--filter", "status:200,client:127.0.0.1"]);
    program.send(&capture.stream);
    until(&program, "/api/v1/top?dimension=client", |top| top["total"]["requests"] == capture.entries);
    let expected = &capture.totals["status"];
    let live = program.json("/api/v1/top?dimension=status&filter=status:503&filter=status:404");
    let two: BTreeMap<String, Sums> =
        ["404", "503"].iter().map(|status| ((*status).to_owned(), expected[*status])).collect();
    assert_eq!(rows(&live), two);
    // The same entries, one client at a time.
    let clients = program.json("/api/v1/top?dimension=client&limit=100000&filter=status:404&filter=status:503");
    assert_eq!(numbers(&clients["total"]), sum(&two), "with those that had no row");
    let one = program.json("/api/v1/summary?filter=client:127.0.0.1&filter=status:200");
    let of_client = program.json("/api/v1/top?dimension=client&filter=client:127.0.0.1");
    assert!(0 < numbers(&one).0 && numbers(&one).0 < numbers(&of_client["total"]).0);
    assert_eq!(numbers(&of_client["total"]), capture.totals["client"]["127.0.0.1"]);
}

#[test]
fn what_is_no_filter_stops_the_program_at_once() {
    for (list, says) in [("sites:a", "client"), ("status:x", "200"), ("", "client:…")] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_visulate"))
            .args(["serve", "--collation", "127.0.0.1:0", "--http", "127.0.0.1:0", "--filter", list])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("--filter") && text.contains(says), "{text}");
    }
}

fn some_filter() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let one = (entry(), prop::sample::select(DIMENSIONS.iter().filter(|name| !name.contains(',')).collect::<Vec<_>>()));
    prop::collection::vec(one.prop_map(|(entry, kind)| (*kind, entry.keys()[kind].clone())), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn values_of_a_kind_are_or_and_kinds_are_and(
        entries in prop::collection::vec(entry(), 1..200), filters in prop::collection::vec(some_filter(), 1..6), cut in 0..200_usize,
    ) {
        let (mut shard, mut formats) = (Shard::new(0, &Caps::new(64 << 20, 1), &Seed::default()), Formats::default());
        let mut feed = |shard: &mut Shard, entries: &[Entry]| {
            for (node, name) in NODES.iter().enumerate() {
                let bytes = segment(entries, node, 1_795_460_500);
                let segment = Segment::parse(&bytes).unwrap();
                let row = shard.node(name.as_bytes(), "127.0.0.1");
                shard.segment(&segment, &formats.of(&segment).unwrap(), row, 1_795_460_505_000);
            }
        };
        let (before, after) = entries.split_at(cut.min(entries.len() - 1));
        if !before.is_empty() {
            feed(&mut shard, before);
        }
        let parse = |filter: &[(&str, String)]| {
            let texts: Vec<String> = filter.iter().map(|(kind, value)| format!("{kind}:{value}")).collect();
            Filter::parse(texts.iter().map(String::as_str)).unwrap().unwrap()
        };
        let wanted: Vec<Wanted> =
            (1..).zip(&filters).map(|(id, filter)| Wanted { id, filter: parse(filter).into() }).collect();
        shard.set_filters(&wanted, 1_795_460_505_000);
        feed(&mut shard, after);
        let mut part = Part::default();
        shard.hand_over(&mut part, 1, true);
        prop_assert_eq!(part.entries.requests, entries.len() as u64);
        for (taken, filter) in part.filters.iter().zip(&filters) {
            let filter: Vec<(&str, &str)> = filter.iter().map(|(kind, value)| (*kind, value.as_str())).collect();
            let expected = sum(&recount(after, &filter, "node"));
            prop_assert_eq!((taken.part.total.all_requests(), taken.part.total.all_bytes()), expected, "{:?}", filter);
        }
    }
}
