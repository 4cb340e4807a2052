use super::*;
use crate::tally::Measure;

fn sites() -> Table {
    sample::table(Dimension::Site, &[("a.example", 50), ("b.example", 100), ("", 25)])
}

fn status() -> Table {
    let mut table = sample::table(Dimension::Status, &[]);
    let mut names = crate::tally::Names::default();
    for (code, requests) in [(200_i64, 10), (204, 1), (503, 5), (0, 2), (-7, 1), (999, 3)] {
        names.push(&code.to_le_bytes());
        table.rows.push(sample::counts(requests));
        table.total.merge(&sample::counts(requests));
    }
    table.keys = crate::merger::snapshot::Keys::Names(names);
    table
}

#[test]
fn the_page_comes_with_a_policy_that_runs_nothing_else() {
    let rig = Rig::new();
    let page = rig.get("/");
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(
        page.header("content-security-policy"),
        Some(
            "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; connect-src 'self'; \
             img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"
        )
    );
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for answer in [page, rig.get("/api/v1/summary"), rig.get("/nothing")] {
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    for path in ["/../Cargo.toml", "/%2e%2e/Cargo.toml", "//etc/passwd"] {
        assert_eq!(rig.get(path).status, 404, "{path}");
    }
}

#[test]
fn answers_of_one_tick_agree() {
    let mut rig = Rig::new();
    rig.tick(vec![sites(), status()]);
    let (summary, top) = (rig.get("/api/v1/summary").json(), rig.get("/api/v1/top?dimension=site&limit=1").json());
    let rank = rig.get("/api/v1/rank?dimension=site").json();
    for answer in [&summary, &top, &rank] {
        assert_eq!(answer["tick"], 1);
        assert_eq!(answer["as_of"], 1_795_460_001.0);
        assert_eq!(answer["from"], 1_795_460_000.0);
        assert_eq!(answer["seconds"], 1.0);
        assert_eq!(answer["window"], "total");
    }
    assert_eq!(summary["requests"], 175);
    assert_eq!(summary["entries"]["received"], 181);
    assert_eq!(summary["nodes_connected"], 1);
    assert_eq!(summary["nodes_expected"], 2);
    assert_eq!(summary["uniques"]["site"], serde_json::json!({"count": 3, "exact": true}));
    assert_eq!(summary["rejected"]["secret"]["connections"], 0);
    assert_eq!(top["rows"][0]["key"], "b.example");
    assert_eq!(top["other"]["requests"], 75);
    assert_eq!(top["total"]["requests"], 175);
    assert_eq!(rank["points"][2], serde_json::json!({"rank": 3, "value": 25, "share": 1.0}));

    let status = rig.get("/api/v1/top?dimension=status&measure=bytes").json();
    assert_eq!(status["rows"][0]["key"], "200");
    let last = rig.get("/api/v1/top?dimension=site&limit=5&offset=2").json();
    assert_eq!(last["rows"][0]["key"], "(none)");
    assert_eq!(last["other"]["requests"], 150);
}

#[test]
fn pairs_have_keys_of_two() {
    let mut rig = Rig::new();
    let (sites, clients) = (sites(), sample::clients(&[(7, 60), (9, 20)]));
    let pairs = sample::pairs(&clients, &sites, &[([0, 1], 60), ([1, 2], 20)]);
    rig.tick(vec![sites, clients, pairs]);
    let top = rig.get("/api/v1/top?dimension=client,site").json();
    assert_eq!(top["rows"][0]["key"], serde_json::json!(["192.0.2.7", "b.example"]));
    assert_eq!(top["rows"][1]["key"], serde_json::json!(["192.0.2.9", "(none)"]));
    let matrix = rig.get("/api/v1/matrix?rows=site&columns=client&n=3").json();
    assert_eq!(matrix["rows"], serde_json::json!(["b.example", "a.example", "(none)"]));
    assert_eq!(matrix["columns"], serde_json::json!(["192.0.2.7", "192.0.2.9"]));
    let cells = matrix["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 2);
    assert_eq!((&cells[1]["row"], &cells[1]["column"]), (&2.into(), &1.into()));
    assert_eq!((&cells[1]["requests"], &cells[1]["error_bound"]), (&20.into(), &0.into()));
}

#[test]
fn nodes_have_their_state() {
    let mut rig = Rig::new();
    rig.tick(Vec::new());
    let nodes = rig.get("/api/v1/nodes").json();
    let node = &nodes["rows"][0];
    assert_eq!(node["key"], "edge-01@192.0.2.1");
    assert_eq!((&node["state"], &node["lag_seconds"]), (&"live".into(), &1.5.into()));
    assert_eq!((&node["last_entry"], &node["connections"]), (&1_795_460_000.0.into(), &1.into()));
    assert_eq!(node["requests"], 10);
    assert_eq!(nodes["rows"][1]["lag_seconds"], Value::Null);
    assert_eq!(nodes["rows"][1]["name"], "ed\"ge\\\\\n-02");
}

#[test]
fn a_large_answer_arrives_whole() {
    let mut rig = Rig::new();
    let names: Vec<String> = (0..30_000).map(|n| format!("host-{n}.example")).collect();
    let rows: Vec<(&str, u64)> = names.iter().map(String::as_str).zip(1..).collect();
    rig.tick(vec![sample::table(Dimension::Host, &rows)]);
    let top = rig.get("/api/v1/top?dimension=host&limit=100000").json();
    assert_eq!(top["rows"].as_array().unwrap().len(), 30_000);
    assert_eq!(top["rows"][0]["key"], "host-29999.example");
    assert_eq!(top["other"]["requests"], 0);
}

#[test]
fn what_is_not_kept_is_refused_with_what_is() {
    let mut rig = Rig::new();
    rig.tick(vec![sites()]);
    for (target, status, allowed) in [
        ("/api/v1/top", 400, "site"),
        ("/api/v1/top?dimension=urls", 400, "site"),
        ("/api/v1/top?dimension=site&measure=hit", 400, "hit_bytes"),
        ("/api/v1/top?dimension=site&window=2h", 400, "total"),
        ("/api/v1/top?dimension=site&limit=0", 400, "1 to 100000"),
        ("/api/v1/top?dimension=site&limit=100001", 400, "1 to 100000"),
        ("/api/v1/top?dimension=site&color=red", 400, "offset"),
        ("/api/v1/matrix?rows=client&columns=site", 400, "site"),
        ("/api/v1/series?window=2h", 400, "24h"),
        ("/api/v1/histogram?of=size", 400, "bytes"),
        ("/api/v1/changes?window=total", 400, "10m"),
        ("/api/v1/changes?limit=10001", 400, "1 to 10000"),
        ("/api/v1/newcomers", 400, "site"),
        ("/api/v1/newcomers?dimension=site&window=1h", 400, "1m"),
        ("/api/v1/newcomers?dimension=site&factor=1", 400, "2 to 1000000"),
        ("/api/v1/origins?dimension=site", 400, "limit"),
        ("/api/v1/skew?window=x", 400, "1m"),
        ("/api/v1/cache?limit=1", 400, "window"),
        ("/api/v1/miss-ratio", 400, "/api/v1/openapi.json"),
        ("/api/v1/entries?order=oldest", 400, "slowest"),
        ("/api/v1/entries?limit=1001", 400, "1 to 1000"),
        ("/api/v1/nothing", 404, "/api/v1/top"),
        ("/api/v1/top/", 404, "/api/v1/top"),
    ] {
        let answer = rig.get(target);
        assert_eq!(answer.status, status, "{target}");
        let refusal = answer.json();
        assert!(refusal["error"].as_str().is_some_and(|text| !text.is_empty()));
        let names = refusal["allowed"].as_array().unwrap();
        assert!(names.contains(&allowed.into()), "{target}: {refusal}");
    }
    let filtered = rig.get("/api/v1/top?dimension=site&filter=sites:a");
    assert_eq!(filtered.status, 400);
    assert!(filtered.body.contains("there is no filter kind"));
}

#[test]
fn methods_other_than_reading_are_refused() {
    let rig = Rig::new();
    for (path, allow) in [
        ("/", "GET, HEAD"),
        ("/api/v1/summary", "GET, HEAD"),
        ("/api/v1/series", "GET, HEAD"),
        ("/metrics", "GET, HEAD"),
        ("/healthz", "GET, HEAD"),
        ("/ws", "GET"),
    ] {
        for method in ["POST", "DELETE", "OPTIONS"] {
            let answer = rig.ask(&format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
            assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{path}");
        }
    }
    let head = rig.ask("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!((head.status, head.header("content-length")), (200, Some("6")));
    assert_eq!(head.body, "");
}

#[test]
fn a_foreign_host_is_refused_everywhere_but_at_health() {
    let rig = Rig::new();
    let paths = ["/", "/api/v1/summary", "/metrics", "/ws", "/nothing"];
    for host in ["Host: evil.example:6011\r\n", ""] {
        for path in paths {
            let answer = rig.ask(&format!("GET {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n"));
            assert_eq!(answer.status, 421, "{path}");
            assert!(answer.body.contains("--allow-host"));
            assert_eq!(answer.body.contains("evil.example:6011"), !host.is_empty());
        }
        let answer = rig.ask(&format!("GET /healthz HTTP/1.1\r\n{host}Connection: close\r\n\r\n"));
        assert_eq!(answer.status, 200);
    }
    assert_eq!(rig.ask("GET /healthz HTTP/1.0\r\n\r\n").status, 200);
    for host in ["stats.example", "edge-eu:6011", "192.0.2.1"] {
        let answer = rig.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        assert_eq!(answer.status, 200, "{host}");
    }
}

#[test]
fn ready_is_what_the_caller_says() {
    let rig = Rig::new();
    assert_eq!(rig.get("/readyz").status, 503);
    rig.ready.store(true, Ordering::Release);
    assert_eq!(rig.get("/readyz").status, 200);
}

#[test]
fn connections_beyond_the_limit_are_told_so() {
    let rig = Rig::with(Limits { http_connections: 1, ..Limits::default() });
    let mut first = rig.connect();
    first.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).unwrap();
    let answer = rig.get("/healthz");
    assert_eq!(answer.status, 503);
    assert!(answer.body.contains("http_connections (1)"), "{answer:?}");
    drop(first);
    while rig.get("/healthz").status != 200 {}
    let metrics = rig.get("/metrics").body;
    let reached = "visulate_limit_reached_total{limit=\"http_connections\"} ";
    let at = metrics.find(reached).unwrap() + reached.len();
    assert!(!metrics[at..].starts_with('0'));
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let rig = Rig::new();
    let mut stream = rig.connect();
    let long = "x".repeat(40 << 10);
    let _ = stream.write_all(format!("GET /?{long} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    let mut bytes = [0; 12];
    // The answer may be lost with the rest of the request; an accepted one would not be.
    if stream.read_exact(&mut bytes).is_ok() {
        assert!(bytes.starts_with(b"HTTP/1.1 4"), "{bytes:?}");
    }
    assert_eq!(rig.get("/healthz").status, 200);
}

#[test]
fn metrics_can_be_parsed_and_add_up() {
    let mut rig = Rig::new();
    rig.tick(vec![sites(), status()]);
    let answer = rig.get("/metrics");
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let mut values = HashMap::new();
    for line in answer.body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("visulate_"), "{line}");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(values.insert(name.to_owned(), value).is_none(), "{line}");
    }
    assert!(answer.body.ends_with("# EOF\n"));
    assert_eq!(values["visulate_requests_total"], 175.0);
    assert_eq!(values["visulate_bytes_total"], 1750.0);
    let sum = |prefix: &str| -> f64 {
        values.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, value)| value).sum()
    };
    assert_eq!(sum("visulate_requests_by_band_total{"), 175.0);
    assert_eq!(values["visulate_requests_by_status_total{class=\"2xx\"}"], 11.0);
    assert_eq!(values["visulate_requests_by_status_total{class=\"other\"}"], 4.0);
    let all = status().total.measure(Measure::Requests) as f64;
    assert_eq!(sum("visulate_requests_by_status_total{"), all);
    assert_eq!(sum("visulate_entries_total{"), 181.0);
    assert_eq!(values["visulate_node_connected{node=\"edge-01@192.0.2.1\"}"], 1.0);
    assert_eq!(values["visulate_node_lag_seconds{node=\"edge-01@192.0.2.1\"}"], 1.5);
    assert_eq!(values[r#"visulate_node_connected{node="ed\"ge\\\\\n-02@192.0.2.2"}"#], 0.0);
    assert_eq!(values["visulate_memory_bytes{part=\"workers\"}"], 1000.0);
    assert_eq!(values["visulate_build_info{version=\"0.1.0\"}"], 1.0);
    assert_eq!(values["visulate_websockets"], 0.0);
    for name in [
        "visulate_rejected_connections_total{cause=\"secret\"}",
        "visulate_rejected_segments_total{cause=\"cut\"}",
        "visulate_browsers_lagged_total",
    ] {
        assert_eq!(values[name], 0.0, "{name}");
    }
}
