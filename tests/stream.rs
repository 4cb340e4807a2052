//! The live stream from outside: what the views of the page cost on the wire, in a cluster of twelve nodes.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

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

/// A browser that looks at views, and counts what they cost.
struct Browser {
    socket: WebSocket<TcpStream>,
    /// View by stream.
    views: BTreeMap<u64, String>,
    /// Bytes of frames by view, and the newest moment of each.
    bytes: BTreeMap<String, u64>,
    as_of: BTreeMap<String, u64>,
}

/// The next varint of a message.
fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            return value;
        }
    }
}

impl Browser {
    fn open(http: SocketAddr, views: &[(&str, Value)]) -> Self {
        let stream = TcpStream::connect(http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request = format!("ws://{http}/ws").into_client_request().unwrap();
        let (socket, _) = tungstenite::client(request, stream).unwrap();
        let mut browser = Self { socket, views: BTreeMap::new(), bytes: BTreeMap::new(), as_of: BTreeMap::new() };
        for (number, (_, fields)) in views.iter().enumerate() {
            let mut subscription = fields.clone();
            subscription["view"] = number.into();
            browser.socket.send(Message::text(json!({ "subscribe": subscription }).to_string())).unwrap();
        }
        while browser.views.len() < views.len() {
            if let Message::Text(text) = browser.read() {
                let answer: Value = serde_json::from_str(&text).unwrap();
                assert!(answer.get("refused").is_none(), "{answer}");
                if let (Some(view), Some(stream)) = (answer["view"].as_u64(), answer["stream"].as_u64()) {
                    browser.views.insert(stream, views[view as usize].0.to_owned());
                }
            }
        }
        browser
    }

    /// Reads a frame; those of views are counted, with their heads.
    fn read(&mut self) -> Message {
        let message = self.socket.read().unwrap();
        if let Message::Binary(bytes) = &message {
            let head = if bytes.len() < 126 { 2 } else { 4 };
            let mut rest = &bytes[..];
            let [_, stream, _, _, as_of] = [(); 5].map(|()| varint(&mut rest));
            let view = self.views.get(&stream).cloned().unwrap_or_else(|| "others".to_owned());
            *self.bytes.entry(view.clone()).or_default() += bytes.len() as u64 + head;
            self.as_of.insert(view, as_of);
        }
        message
    }

    /// Reads until all views are of that moment (ms).
    fn read_to(&mut self, as_of: u64) {
        while self.views.values().any(|view| self.as_of.get(view).copied().unwrap_or(0) < as_of) {
            self.read();
        }
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
    (views, 6)
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
