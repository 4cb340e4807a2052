//! What changed, from outside: the demo's incident, told as an operator would; quiet traffic before it; and answers that add up.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value as Json;

/// When the demo's real time begins: its incident is two minutes later.
const START: u64 = 1_715_690_000;
const INCIDENT: u64 = START + 120;

/// A demo whose clock the test moves.
struct Demo {
    child: Child,
    steps: ChildStdin,
    said: BufReader<ChildStdout>,
    http: SocketAddr,
    now: u64,
}

impl Demo {
    fn start(options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_visulate"))
            .args(["demo", "--clock", "stdin", "--seed", "1", "--at", &START.to_string()])
            .args(["--collation", "127.0.0.1:0", "--http", "127.0.0.1:0", "--workers", "2", "--memory", "256M"])
            .args(options)
            .env_remove("VISULATE_SECRET")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let http = lines
            .by_ref()
            .find_map(|line| {
                let (_, rest) = line.split_once("the page is at http://")?;
                Some(rest.split(',').next().unwrap().parse().unwrap())
            })
            .unwrap();
        // Whatever it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let (steps, said) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut demo = Self { child, steps, said, http, now: START };
        demo.go_on(1);
        demo
    }

    /// Moves the clock on, and waits until all of it is taken.
    fn go_on(&mut self, seconds: u64) {
        writeln!(self.steps, "+{seconds}s").unwrap();
        let mut line = String::new();
        while !line.starts_with("at ") {
            line.clear();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "the demo ended");
        }
        self.now += seconds;
    }

    fn go_to(&mut self, second: u64) {
        self.go_on(second - self.now);
    }

    fn json(&self, path: &str) -> Json {
        let mut stream = TcpStream::connect(self.http).unwrap();
        write!(stream, "GET /api/v1/{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        serde_json::from_str(body).unwrap()
    }

    fn incidents(&self) -> Vec<Json> {
        self.json("changes")["incidents"].as_array().unwrap().clone()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The keys that explain a signal, by dimension.
fn key<'a>(signal: &'a Json, dimension: &str) -> &'a Json {
    let named = signal["explained_by"].as_array().unwrap().iter().find(|named| named["dimension"] == dimension);
    named.map_or(&Json::Null, |named| &named["key"])
}

#[test]
fn the_incident_of_the_demo_is_told_and_nothing_else() {
    let mut demo = Demo::start(&["--history", "8m", "--rate", "400", "--flush", "0"]);
    demo.go_to(INCIDENT);
    assert_eq!(demo.incidents(), [Json::Null; 0], "quiet");
    demo.go_on(60);
    // Not later than a minute after it began, with the site and the status that explain it.
    let incidents = demo.incidents();
    let [incident] = &incidents[..] else { panic!("{incidents:?}") };
    let errors = &incident["signals"][0];
    assert_eq!(errors["signal"], "error_share", "{incident}");
    assert_eq!((&incident["until"], &errors["until"]), (&Json::Null, &Json::Null));
    assert_eq!(key(errors, "site"), "heron.example", "{incident}");
    assert_eq!(key(errors, "status"), "503", "{incident}");
    assert_eq!(*key(errors, "site,status"), serde_json::json!(["heron.example", "503"]), "{incident}");
    assert_eq!((key(errors, "client"), key(errors, "node")), (&Json::Null, &Json::Null), "{incident}");
    let since = incident["since"].as_u64().unwrap();
    assert!((INCIDENT..INCIDENT + 30).contains(&since), "{since} {INCIDENT}");
    assert!(incident["text"].as_str().unwrap().contains("503 from heron.example"), "{incident}");

    demo.go_to(INCIDENT + 240);
    let incident = &demo.incidents()[0];
    assert_eq!(incident["since"], since, "it keeps its beginning");
    let errors = &incident["signals"][0];
    let shares = (errors["before"].as_f64().unwrap(), errors["now"].as_f64().unwrap());
    assert!(shares.0 < 0.008 && (0.03..0.15).contains(&shares.1), "{incident}");
    let part = errors["explained_by"].as_array().unwrap().iter().map(|named| named["share"].as_f64().unwrap());
    assert!(part.clone().count() >= 3 && part.clone().all(|share| (0.9..=1.0).contains(&share)), "{incident}");
    let signals: Vec<&str> =
        incident["signals"].as_array().unwrap().iter().map(|signal| signal["signal"].as_str().unwrap()).collect();
    assert!(signals.contains(&"hit_ratio"), "{incident}");
    assert_eq!(demo.incidents().len(), 1);

    // What changed, between ten minutes and the ten before.
    let changes = demo.json("changes?measure=errors&limit=5");
    for dimension in changes["dimensions"].as_array().unwrap() {
        let rows =
            || changes["rows"].as_array().unwrap().iter().filter(|row| row["dimension"] == dimension["dimension"]);
        for name in ["now", "before"] {
            let sum: u64 = rows().map(|row| row[name].as_u64().unwrap()).sum();
            assert_eq!(sum + dimension["other"][name].as_u64().unwrap(), dimension["total"][name], "{dimension}");
        }
        let of = |row: &Json| row["change_per_second"].as_f64().unwrap();
        let sum = rows().map(of).sum::<f64>() + of(&dimension["other"]);
        assert!((sum - of(&dimension["total"])).abs() < 1e-6, "{dimension}");
        let first = rows().next().unwrap();
        match dimension["dimension"].as_str().unwrap() {
            "site" => assert_eq!(first["key"], "heron.example"),
            "status" => assert_eq!(first["key"], "503"),
            _ => assert!(first["share"].as_f64().unwrap() < 0.5, "{first}"),
        }
    }
    assert_eq!(changes["dimensions"].as_array().unwrap().len(), 4);

    // Ranks of the time before: those of a table of that very time.
    let top = demo.json("top?dimension=site&window=10m&measure=errors&limit=20");
    assert_eq!((&top["rows"][0]["key"], top["rows"][0].get("rank_before").is_some()), (&"heron.example".into(), true));
    let (from, to) = (INCIDENT - 300, INCIDENT - 100);
    let before = demo.json(&format!("top?dimension=status&from={}&to={from}", from - 200));
    let now = demo.json(&format!("top?dimension=status&from={from}&to={to}"));
    for row in now["rows"].as_array().unwrap() {
        let rows = before["rows"].as_array().unwrap();
        let rank = rows.iter().position(|other| other["key"] == row["key"]).map(|rank| rank as u64 + 1);
        assert_eq!(row["rank_before"], rank.map_or(Json::Null, Json::from), "{row}");
    }

    // The origin fails, and stale copies are served in its place.
    let origins = demo.json("origins?window=1m&limit=1000");
    let heron = |row: &&Json| row["key"].as_str().unwrap().ends_with("heron.example");
    let heron = origins["rows"].as_array().unwrap().iter().find(heron).unwrap();
    assert_eq!(heron["state"], "failing", "{heron}");
    let others = || origins["rows"].as_array().unwrap().iter().filter(|row| row["requests"].as_u64() > Some(200));
    assert!(others().all(|row| row["key"] == heron["key"] || row["state"] == "good"), "{origins}");
    let cache = demo.json("cache?window=10m");
    let results = demo.json("top?dimension=result&window=10m&limit=100");
    let of = |name: &str| {
        let rows = results["rows"].as_array().unwrap();
        rows.iter().find(|row| row["key"] == name).map_or(0, |row| row["requests"].as_u64().unwrap())
    };
    let [unchanged, changed, failed] = ["TCP_REFRESH_HIT", "TCP_REFRESH_MISS", "TCP_REFRESH_FAIL_HIT"].map(of);
    assert!(failed > 0);
    assert_eq!(cache["stale_on_error"]["requests"], failed);
    let worth = unchanged as f64 / (unchanged + changed + failed) as f64;
    assert!((cache["revalidation"]["yield"].as_f64().unwrap() - worth).abs() < 1e-9);
    let skew = demo.json("skew?window=10m");
    let factors = skew["rows"].as_array().unwrap().iter().filter_map(|row| row["factor"].as_f64());
    let deviations: Vec<f64> = factors.map(|factor| factor.ln().abs()).collect();
    assert!(deviations.len() == 72 && deviations.is_sorted_by(|a, b| a >= b), "{skew}");
}

#[test]
fn newcomers_had_nothing_or_far_less() {
    let mut demo = Demo::start(&["--history", "7m", "--rate", "200", "--flush", "0"]);
    demo.go_to(INCIDENT + 120);
    let newcomers = demo.json("newcomers?dimension=site,status&floor=20&factor=3");
    let keys: Vec<&Json> = newcomers["rows"].as_array().unwrap().iter().map(|row| &row["key"]).collect();
    assert!(keys.contains(&&serde_json::json!(["heron.example", "503"])), "{newcomers}");
    for row in newcomers["rows"].as_array().unwrap() {
        let (value, before) = (row["value"].as_f64().unwrap(), row["before_per_second"].as_f64().unwrap());
        assert!(value >= 20.0 && value / newcomers["seconds"].as_f64().unwrap() > 2.999 * before, "{row}");
        assert_eq!(row["factor"].is_null(), before == 0.0, "{row}");
    }
    let none = demo.json("newcomers?dimension=status&floor=20&factor=1000");
    assert!(none["rows"].as_array().unwrap().iter().all(|row| row["new"] == true), "{none}");
    assert_eq!(demo.incidents().len(), 1);
}
