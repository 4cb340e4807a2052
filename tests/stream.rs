//! The live stream from outside: what the views of the page cost on the wire, in a cluster of twelve nodes.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use common::browser::Browser;
use serde_json::{Value, json};

/// `visulate demo` with a clock that the test moves.
struct Demo {
    child: Child,
    clock: ChildStdin,
    at: Lines<BufReader<ChildStdout>>,
    http: SocketAddr,
}

impl Demo {
    fn start(options: &[&str]) -> Self {
        let usual =
            ["demo", "--clock", "stdin", "--at", "1795460400", "--collation", "127.0.0.1:0", "--http", "127.0.0.1:0"];
        let mut child = Command::new(env!("CARGO_BIN_EXE_visulate"))
            .args(usual)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let http = log
            .find_map(|line| {
                line.split_once("the page is at http://")
                    .map(|(_, rest)| rest.split(',').next().unwrap().parse().unwrap())
            })
            .expect("the demo ended at once");
        std::thread::spawn(move || log.for_each(drop));
        let clock = child.stdin.take().unwrap();
        let at = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, clock, at, http }
    }

    /// Moves the clock by so many seconds.
    fn step(&mut self, seconds: u32) {
        writeln!(self.clock, "+{seconds}s").unwrap();
        assert!(self.at.next().unwrap().unwrap().starts_with("at "));
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // One that has ended can't be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The views of the page in a window; those of the first screen (design/page.md 16, 3) are the first so many.
fn views(window: &str) -> (Vec<(&'static str, Value)>, usize) {
    let table = |dimension: &str, rows: u32| json!({"kind": "table", "dimension": dimension, "measure": "requests", "window": window, "first": 1, "rows": rows});
    let rank =
        |dimension: &str| json!({"kind": "rank", "dimension": dimension, "measure": "requests", "window": window});
    let views = vec![
        ("status", json!({"kind": "status"})),
        ("series", json!({"kind": "series", "window": window})),
        ("sites", table("site", 12)),
        ("rank of sites", rank("site")),
        ("clients", table("client", 10)),
        ("rank of clients", rank("client")),
        ("changes", json!({"kind": "changes"})),
        ("urls", table("url", 12)),
        ("rank of urls", rank("url")),
        ("statuses", table("status", 12)),
        ("results", table("result", 12)),
        ("routes", table("route", 12)),
        ("methods", table("method", 12)),
        ("types", table("type", 12)),
        ("nodes", table("node", 12)),
        (
            "matrix",
            json!({"kind": "matrix", "dimension": "client,site", "measure": "requests", "window": window, "rows": 20}),
        ),
    ];
    (views, 7)
}

#[test]
fn the_first_screen_costs_less_than_3_kb_a_second_and_the_page_less_than_10() {
    const SECONDS: u64 = 60;
    let mut demo = Demo::start(&["--history", "1m", "--memory", "256M", "--workers", "2"]);
    for window in ["1m", "1h"] {
        let (views, first_screen) = views(window);
        let mut browser = Browser::open(demo.http, &views);
        demo.step(1);
        // What comes first is a snapshot of all, once.
        let now = |demo: &Demo| {
            let mut stream = TcpStream::connect(demo.http).unwrap();
            write!(stream, "GET /api/v1/summary HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", demo.http).unwrap();
            let answer = std::io::read_to_string(stream).unwrap();
            let summary: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
            (summary["as_of"].as_f64().unwrap() * 1000.0).round() as u64
        };
        let start = now(&demo);
        browser.read_to(start);
        let snapshots = std::mem::take(&mut browser.bytes);
        for second in 1..=SECONDS {
            demo.step(1);
            browser.read_to(start + second * 1000);
        }
        let rate = |view: &str| browser.bytes.get(view).copied().unwrap_or(0) as f64 / SECONDS as f64;
        let lines: Vec<String> =
            views.iter().map(|(name, _)| format!("{name} {:.0} (first {})", rate(name), snapshots[*name])).collect();
        let sum = |views: &[(&str, Value)]| views.iter().map(|(name, _)| rate(name)).sum::<f64>();
        let (screen, page) = (sum(&views[..first_screen]), sum(&views));
        println!("window {window}, bytes a second: first screen {screen:.0}, all {page:.0}: {}", lines.join(", "));
        assert!(
            screen < 3000.0 && page < 10_000.0,
            "{window}: {screen:.0} and {page:.0} bytes a second: {}",
            lines.join(", ")
        );
    }
}
