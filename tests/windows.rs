//! Windows, series and distributions from outside: the test vectors of the statistics, and captures whose entries are moved to now.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use common::found;
use common::program::{Program, rows};
use common::vectors::{VECTORS, segment};
use serde_json::Value as Json;
use visulate::tally::profile::coarse;
use visulate::wire::encode::{auth_message, message};

const WINDOWS: [&str; 5] = ["total", "1m", "10m", "1h", "24h"];

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// The ten entries as a node sends them, the first of them at `start`.
fn vectors(start: i64) -> Vec<u8> {
    [auth_message(b"foobar"), message(&segment(&VECTORS, start))].concat()
}

#[test]
fn the_test_vectors_have_their_figures_in_every_window() {
    let program = Program::start(&[]);
    let start = now() - 10;
    // The connection stays open, as a node's does.
    let mut node = program.connect();
    std::io::Write::write_all(&mut node, &vectors(start)).unwrap();
    // Tables of large dimensions come once a second.
    program.summary(|summary| summary["uniques"]["client"]["count"] == 5);
    for window in WINDOWS {
        let summary = program.json(&format!("/api/v1/summary?window={window}"));
        assert_eq!(summary["window"], window);
        for (name, expected) in [
            ("requests", 10),
            ("bytes", 12_400),
            ("time_ms", 5_366),
            ("timed", 10),
            ("hits", 5),
            ("hit_bytes", 4_700),
            ("refresh_hits", 2),
            ("misses", 3),
            ("miss_bytes", 7_000),
            ("errors", 2),
            ("error_bytes", 700),
            ("unknown", 0),
            ("origin_bytes", 7_000),
        ] {
            assert_eq!(summary[name], expected, "{window} {name}");
        }
        assert_eq!(summary["uniques"]["client"], serde_json::json!({"count": 5, "exact": true}), "{window}");

        let statuses = rows(&program.json(&format!("/api/v1/top?dimension=status&window={window}")));
        let requests = |name: &str| statuses.get(name).map_or(0, |sums| sums.0);
        assert_eq!(
            [requests("0"), requests("200"), requests("304"), requests("403"), requests("502")],
            [1, 6, 1, 1, 1]
        );
        let results = rows(&program.json(&format!("/api/v1/top?dimension=result&window={window}")));
        assert_eq!((results.len(), results["TCP_MEM_HIT"]), (10, (1, 1000)), "{window}");
        let types = rows(&program.json(&format!("/api/v1/top?dimension=type&window={window}")));
        assert_eq!(
            (types["image/jpeg"], types["(unknown)"], types["text/html"].0),
            ((3, 4000), (2, 200), 3),
            "{window}"
        );
        let methods = rows(&program.json(&format!("/api/v1/top?dimension=method&window={window}")));
        assert_eq!((methods["GET"].0, methods["POST"]), (9, (1, 400)), "{window}");

        let top = |dimension: &str| rows(&program.json(&format!("/api/v1/top?dimension={dimension}&window={window}")));
        let clients = top("client");
        assert_eq!((clients.len(), clients["10.0.0.1"], clients["2001:db8::1"]), (5, (3, 3_400), (1, 0)), "{window}");
        let sites = top("site");
        let expected = [("example.com", (7, 7_600)), ("example.co.uk", (1, 4_000)), ("example.net", (2, 800))];
        assert_eq!(sites, expected.map(|(site, sums)| (site.to_owned(), sums)).into(), "{window}");
        assert_eq!((top("host").len(), top("host")["old.example.net"]), (4, (1, 500)), "{window}");
        let urls = top("url");
        assert_eq!((urls.len(), urls["http://www.example.com/a.jpg"]), (7, (3, 4_000)), "{window}");
        assert_eq!(
            (top("server")["(none)"].0, top("server")["parent1"], top("server").len()),
            (5, (1, 3_000), 6),
            "{window}"
        );
        let extensions = [("jpg", 2), ("(dynamic)", 2), ("ts", 1), ("html", 2), ("(none)", 2), ("zip", 1)];
        let found: BTreeMap<String, u64> = top("extension").into_iter().map(|(key, sums)| (key, sums.0)).collect();
        assert_eq!(found, extensions.map(|(key, count)| (key.to_owned(), count)).into(), "{window}");
        assert_eq!((top("scheme")["http"], top("network")["10.0.0.0/24"].0), ((10, 12_400), 9), "{window}");
        assert_eq!(
            (top("network")["2001:db8::/48"], top("user").len(), top("format").len()),
            ((1, 0), 0, 1),
            "{window}"
        );
        let pair = |dimension: &str| {
            let answer = program.json(&format!("/api/v1/top?dimension={dimension}&window={window}"));
            let rows = answer["rows"].as_array().unwrap();
            rows.iter()
                .map(|row| (row["key"].to_string(), row["requests"].as_u64().unwrap()))
                .collect::<BTreeMap<_, _>>()
        };
        assert_eq!((pair("site,status")[r#"["example.com","200"]"#], pair("site,status").len()), (4, 7), "{window}");
        assert_eq!((pair("node,status")[r#"["edge@127.0.0.1","200"]"#], pair("node,status").len()), (6, 5), "{window}");
        assert_eq!(pair("site,url")[r#"["example.net","http://old.example.net/x"]"#], 1, "{window}");
        let pairs = program.json(&format!("/api/v1/top?dimension=client,site&window={window}"));
        assert_eq!(pairs["rows"][0]["key"], serde_json::json!(["10.0.0.1", "example.com"]), "{window}");
        assert_eq!((&pairs["rows"][0]["bytes"], &pairs["keys"]["count"]), (&3_400.into(), &6.into()), "{window}");
        let matrix = program.json(&format!("/api/v1/matrix?rows=site&columns=client&window={window}&n=5"));
        assert_eq!((&matrix["window"], matrix["cells"].as_array().unwrap().len()), (&window.into(), 6), "{window}");

        let series = program.json(&format!("/api/v1/series?window={window}"));
        let points: Vec<&Json> =
            series["points"].as_array().unwrap().iter().filter(|point| point["gap"] != true).collect();
        let sum = |name: &str| points.iter().map(|point| point[name].as_u64().unwrap()).sum::<u64>();
        assert_eq!((sum("requests"), sum("bytes"), sum("errors")), (10, 12_400, 2), "{window}");
        let classes = |class: &str| points.iter().map(|point| point["statuses"][class].as_u64().unwrap()).sum::<u64>();
        assert_eq!(["0xx", "2xx", "3xx", "4xx", "5xx"].map(classes), [1, 6, 1, 1, 1], "{window}");

        let times = program.json(&format!("/api/v1/histogram?of=time_ms&window={window}"));
        // 0 1 2 3 10 60 80 90 120 5000
        assert_eq!(
            (&times["min"], &times["max"], &times["p50"], &times["p90"]),
            (&0.into(), &5000.into(), &10.into(), &120.into())
        );
        assert_eq!(times["mean"], 536.6, "{window}");
        profiles(&program, window);
        let sizes = program.json(&format!("/api/v1/histogram?of=bytes&window={window}"));
        assert_eq!((&sizes["mean"], &sizes["max"]), (&1240.0.into(), &4000.into()), "{window}");
        let hits: u64 =
            sizes["buckets"].as_array().unwrap().iter().map(|bucket| bucket["hits"].as_u64().unwrap()).sum();
        assert_eq!(hits, 5, "{window}");
    }
    // Each second by itself.
    let series = program.json("/api/v1/series?window=1m");
    assert_eq!(series["step"], 1);
    let by_second: BTreeMap<u64, (u64, Json, u64)> = series["points"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|point| point["requests"].as_u64() > Some(0))
        .map(|point| {
            let numbers = |name: &str| point[name].as_u64().unwrap();
            (numbers("t") - start as u64, (numbers("bytes"), point["p50"].clone(), numbers("clients")))
        })
        .collect();
    let expected = [(3000, 2, 1), (5000, 60, 1), (3200, 1, 1), (300, 10, 2), (900, 0, 2)];
    let expected = (0..).zip(expected.map(|(bytes, p50, clients)| (bytes, p50.into(), clients))).collect();
    assert_eq!(by_second, expected);
    let nodes = program.json("/api/v1/nodes?window=10m");
    assert_eq!((&nodes["rows"][0]["requests"], &nodes["rows"][0]["hits"]), (&10.into(), &5.into()));
}

/// What the ten entries have by key: times, and what became of them.
fn profiles(program: &Program, window: &str) {
    let middle = |ms: u64| if ms < 32 { ms } else { coarse::middle(coarse::cell(ms)) };
    // Times of each key's entries, ascending.
    for (dimension, key, times, percentiles, validations) in [
        ("site", "example.com", vec![0, 1, 2, 3, 10, 60, 80], [3, 80, 80], [1, 1, 0]),
        ("site", "example.net", vec![90, 5000], [90, 5000, 5000], [0, 0, 1]),
        ("server", "parent1", vec![80], [80; 3], [0, 1, 0]),
        ("server", "old.example.net", vec![90], [90; 3], [0, 0, 1]),
        ("status", "200", vec![2, 3, 60, 80, 90, 120], [60, 120, 120], [1, 1, 1]),
        ("result", "TCP_REFRESH_HIT", vec![60], [60; 3], [1, 0, 0]),
        ("route", "DIRECT", vec![60, 90, 120, 5000], [90, 5000, 5000], [1, 0, 1]),
        ("method", "POST", vec![0], [0; 3], [0; 3]),
        ("type", "image/jpeg", vec![2, 3, 60], [3, 60, 60], [1, 0, 0]),
        ("node", "edge@127.0.0.1", vec![0, 1, 2, 3, 10, 60, 80, 90, 120, 5000], [10, 5000, 5000], [1, 1, 1]),
    ] {
        let top = program.json(&format!("/api/v1/top?dimension={dimension}&window={window}"));
        let row = top["rows"].as_array().unwrap().iter().find(|row| row["key"] == key).unwrap();
        let about = format!("{window} {dimension} {key}: {row}");
        assert_eq!(
            ["p50", "p95", "p99"].map(|name| row[name].as_u64()),
            percentiles.map(|ms| Some(middle(ms))),
            "{about}"
        );
        let told = ["unchanged", "changed", "failed"].map(|name| row["revalidation"][name].as_u64().unwrap());
        assert_eq!(told, validations, "{about}");
        let sum: u64 = validations.iter().sum();
        let part = (sum > 0).then(|| validations[0] as f64 / sum as f64);
        assert_eq!(row["revalidation"]["yield"].as_f64(), part, "{about}");
        assert_eq!(row["stale_on_error"]["requests"], validations[2], "{about}");
        let per_second = validations[2] as f64 / top["seconds"].as_f64().unwrap();
        assert!((row["stale_on_error"]["per_second"].as_f64().unwrap() - per_second).abs() < 1e-9, "{about}");
        assert_eq!(row["profile"]["requests"], times.len(), "{about}");

        let histogram = program.json(&format!("/api/v1/histogram?dimension={dimension}&key={key}&window={window}"));
        assert_eq!((&histogram["dimension"], &histogram["key"]), (&dimension.into(), &key.into()));
        let mut left: BTreeMap<u64, u64> = BTreeMap::new();
        times.iter().for_each(|ms| *left.entry(u64::from(coarse::cell(*ms))).or_default() += 1);
        let buckets = histogram["buckets"].as_array().unwrap();
        for bucket in buckets {
            let [from, to, requests] = ["from", "to", "requests"].map(|name| bucket[name].as_u64().unwrap());
            let cell = coarse::cell(from);
            assert_eq!((coarse::range(cell), left.remove(&u64::from(cell))), ((from, to), Some(requests)), "{about}");
        }
        assert!(left.is_empty(), "{about} {left:?}");
        let sum = |name: &str| buckets.iter().map(|bucket| bucket[name].as_u64().unwrap()).sum::<u64>();
        assert_eq!(
            (sum("bytes"), sum("hits")),
            (row["bytes"].as_u64().unwrap(), row["hits"].as_u64().unwrap()),
            "{about}"
        );
        assert_eq!(histogram["p95"], row["p95"], "{about}");
    }
    let origins = program.json(&format!("/api/v1/origins?window={window}"));
    let health = |server: &str, names: &[&str]| -> Vec<u64> {
        let row = origins["rows"].as_array().unwrap().iter().find(|row| row["key"] == server).unwrap();
        names.iter().map(|name| row[*name].as_u64().unwrap_or_else(|| panic!("{name}: {row}"))).collect()
    };
    let failed =
        ["contacts", "connect_failures", "dns_failures", "timeouts", "server_errors", "status_5xx", "stale_served"];
    assert_eq!(health("bad.example.net", &failed), [1, 1, 0, 0, 0, 1, 0], "{window}");
    assert_eq!(health("old.example.net", &failed), [1, 0, 0, 0, 0, 0, 1], "{window}");
    assert_eq!(health("parent1", &failed), [1, 0, 0, 0, 0, 0, 0], "{window}");
    assert_eq!(health("parent1", &["miss_p50_ms", "miss_p95_ms"]), [middle(80); 2], "{window}");
    let clients = program.json(&format!("/api/v1/top?dimension=client&window={window}"));
    assert!(clients["rows"][0].get("p50").is_none(), "{clients}");
    let total = program.json(&format!("/api/v1/top?dimension=site&window={window}"))["total"].take();
    assert!(total.get("p50").is_none(), "{total}");
}

/// What a table shows of a window; rates are of the time covered, which windows differ in.
fn top(program: &Program, dimension: &str, window: &str) -> Json {
    let mut top = program.json(&format!("/api/v1/top?dimension={dimension}&window={window}&limit=100000"));
    for row in top["rows"].as_array_mut().unwrap() {
        let stale = row["stale_on_error"].as_object_mut().and_then(|stale| stale.remove("per_second"));
        assert!(stale.is_some(), "{row}");
    }
    let fields = ["rows", "total", "other", "keys"].map(|name| (name, top[name].take()));
    serde_json::json!(BTreeMap::from(fields))
}

#[test]
fn captures_moved_to_now_have_the_same_tables_in_a_day_as_since_the_start() {
    let program = Program::start(&["--secret", "foobar"]);
    let files: Vec<_> =
        found(".bin.zst").into_values().filter(|path| path.to_string_lossy().contains("collation-squid")).collect();
    assert!(!files.is_empty());
    let status = Command::new(env!("CARGO_BIN_EXE_visulate"))
        .args(["replay", "--to", &program.collation.to_string(), "--shift-to-now"])
        .args(&files)
        .status()
        .unwrap();
    assert!(status.success());
    let sent = program.summary(|summary| summary["nodes_connected"] == 0 && summary["requests"].as_u64() > Some(0));
    assert_eq!(program.json("/api/v1/summary?window=24h")["requests"], sent["requests"]);
    // Profiles come once a second.
    let requests = sent["requests"].as_u64().unwrap();
    program.profiled("node", requests);
    for dimension in ["result", "status", "route", "method", "type", "node"] {
        let [total, day] = ["total", "24h"].map(|window| top(&program, dimension, window));
        assert_eq!(day, total, "{dimension}");
    }
    for of in ["time_ms", "bytes"] {
        let [total, day] =
            ["total", "24h"].map(|window| program.json(&format!("/api/v1/histogram?of={of}&window={window}")));
        assert_eq!(day["buckets"], total["buckets"], "{of}");
        assert_eq!(day["mean"], total["mean"], "{of}");
    }
    // A rank curve and its table agree in every window.
    let rank = program.json("/api/v1/rank?dimension=status&window=24h&measure=bytes");
    assert_eq!(rank["total"], sent["bytes"]);
}

#[test]
fn without_windows_only_the_start_is_kept() {
    let program = Program::start(&["--statistics", "base"]);
    program.send(&vectors(now()));
    program.received(10);
    assert_eq!(rows(&program.json("/api/v1/top?dimension=status"))["200"], (6, 11_500));
    for path in
        ["summary?window=1h", "top?dimension=status&window=1m", "series", "histogram?of=bytes", "nodes?window=1h"]
    {
        let (status, body) = program.get(&format!("/api/v1/{path}"));
        assert_eq!(status, 400, "{path}: {body}");
    }
}

#[test]
fn a_clock_that_is_ahead_does_not_empty_the_windows() {
    let program = Program::start(&[]);
    program.send(&vectors(now() + 3600));
    program.received(10);
    let minute = program.json("/api/v1/summary?window=1m");
    assert_eq!((&minute["requests"], &minute["bytes"]), (&10.into(), &12_400.into()));
    program.send(&vectors(now() - 7200));
    program.received(20);
    program.send(&vectors(now() - 2 * 86_400));
    let summary = program.received(30);
    assert_eq!((&summary["ahead"], &summary["late"]), (&10.into(), &10.into()));
    for (window, requests) in [("1m", 10), ("10m", 10), ("1h", 10), ("24h", 20), ("total", 30)] {
        assert_eq!(program.json(&format!("/api/v1/summary?window={window}"))["requests"], requests, "{window}");
    }
}

/// Requests of an answer's points, without gaps.
fn of_points(answer: &Json) -> u64 {
    let points = answer["points"].as_array().unwrap();
    points.iter().filter_map(|point| point["requests"].as_u64()).sum()
}

#[test]
fn intervals_and_keys_have_their_buckets() {
    let program = Program::start(&[]);
    // An even second, as buckets of large dimensions begin at.
    let start = (now() - 30) / 2 * 2;
    let mut node = program.connect();
    std::io::Write::write_all(&mut node, &vectors(start)).unwrap();
    program.summary(|summary| summary["uniques"]["client"]["count"] == 5);

    // Of the ten entries, three are of the seconds 2 to 3 after the first, and those two seconds are one bucket of every table.
    let summary = program.json(&format!("/api/v1/summary?from={}&to={}", start + 2, start + 4));
    let of_time = |from: i64, to: i64| {
        VECTORS.iter().filter(|vector| (from..to).contains(&(start + vector.0))).collect::<Vec<_>>()
    };
    let expected = of_time(start + 2, start + 4);
    assert_eq!((&summary["window"], &summary["requests"]), (&"custom".into(), &expected.len().into()));
    assert_eq!((&summary["from"], &summary["seconds"]), (&((start + 2) as f64).into(), &2.0.into()));
    let bytes: i64 = expected.iter().map(|vector| vector.5).sum();
    assert_eq!(summary["bytes"], bytes);
    let clients: std::collections::BTreeSet<&str> = expected.iter().map(|vector| vector.2).collect();
    assert_eq!(summary["uniques"]["client"]["count"], clients.len());
    let interval = format!("from={}&to={}", start + 2, start + 4);
    for dimension in ["status", "client", "site", "url", "client,site", "network", "scheme", "node"] {
        let top = program.json(&format!("/api/v1/top?dimension={dimension}&{interval}"));
        assert_eq!(
            (&top["window"], &top["total"]["requests"]),
            (&"custom".into(), &expected.len().into()),
            "{dimension}"
        );
        assert_eq!((&top["from"], &top["seconds"]), (&((start + 2) as f64).into(), &2.0.into()), "{dimension}");
    }
    for path in ["rank?dimension=site", "matrix?rows=site", "histogram?of=bytes", "nodes?"] {
        assert_eq!(program.json(&format!("/api/v1/{path}&{interval}"))["window"], "custom", "{path}");
    }
    let series = program.json(&format!("/api/v1/series?{interval}"));
    assert_eq!((&series["step"], of_points(&series)), (&1.into(), expected.len() as u64));

    for (dimension, key, requests) in [
        ("status", "200", 6),
        ("result", "TCP_MEM_HIT", 1),
        ("method", "POST", 1),
        ("type", "text/html", 3),
        ("route", "DIRECT", 4),
        ("node", "edge@127.0.0.1", 10),
        ("client", "10.0.0.1", 3),
        ("client", "2001:db8::1", 1),
        ("network", "10.0.0.0/24", 9),
        ("site", "example.com", 7),
        ("host", "old.example.net", 1),
        ("url", "http://www.example.com/a.jpg", 3),
        ("scheme", "http", 10),
        ("extension", "(dynamic)", 2),
        ("server", "(none)", 5),
        ("client,site", "[%2210.0.0.1%22,%22example.com%22]", 3),
        ("site,status", "[%22example.com%22,%22200%22]", 4),
        ("node,status", "[%22edge@127.0.0.1%22,%22200%22]", 6),
        ("site,url", "[%22example.net%22,%22http://old.example.net/x%22]", 1),
    ] {
        for window in
            ["window=1m", "window=10m", "window=1h", "window=24h", "window=total", &format!("from={}", start - 1)]
        {
            let series = program.json(&format!("/api/v1/series?dimension={dimension}&key={key}&{window}"));
            assert_eq!(of_points(&series), requests, "{dimension} {key} {window}: {series}");
            assert_eq!(series["dimension"], dimension);
            let first = series["points"][0]["t"].as_u64().unwrap();
            let steps = (first..).step_by(series["step"].as_u64().unwrap() as usize);
            let points = series["points"].as_array().unwrap();
            assert!(points.iter().zip(steps).all(|(point, t)| point["t"] == t), "{dimension} {window}");
        }
    }
    // Known, but not of that time; and never seen.
    let quiet =
        program.json(&format!("/api/v1/series?dimension=client&key=2001:db8::1&from={}&to={}", start - 1, start + 1));
    assert_eq!(of_points(&quiet), 0);
    for (question, status, word) in [
        ("series?dimension=site&key=nobody.example", 404, "nobody.example"),
        ("series?dimension=status&key=299", 404, "299"),
        ("series?dimension=status&key=abc", 400, "no key"),
        ("series?dimension=client&key=10.0.0", 400, "no key"),
        ("series?dimension=client,site&key=a", 400, "no key"),
        ("series?dimension=site", 400, "key is needed"),
        ("series?key=a", 400, "dimension is needed"),
        ("histogram?dimension=client&key=10.0.0.1", 409, "all requests, of live filters"),
        ("histogram?dimension=status&key=200&of=bytes", 409, "all requests, of live filters"),
        ("histogram?dimension=site&key=nobody.example", 404, "nobody.example"),
        ("histogram?dimension=status&key=abc", 400, "no key"),
        ("histogram?dimension=site", 400, "key is needed"),
        ("summary?from=0", 400, "not kept"),
        ("summary?from=1e9", 400, "not a moment"),
        ("top?dimension=site&from=99999999999", 400, "not kept"),
        ("top?dimension=site&to=99999999999", 400, "needs from"),
        ("rank?dimension=site&window=1m&from=1", 400, "one of them"),
        ("miss-ratio?from=1", 400, "no intervals"),
    ] {
        let (found, body) = program.get(&format!("/api/v1/{question}"));
        assert_eq!(found, status, "{question}: {body}");
        assert!(body.contains(word), "{question}: {body}");
    }
}
