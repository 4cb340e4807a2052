//! The program from outside: started, asked by its API, stopped.
#![allow(dead_code, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::Totals;

/// More than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that the program may have besides `--memory`.
pub const BESIDE: u64 = 96 << 20;

/// A running program.
pub struct Program {
    child: Child,
    pub collation: SocketAddr,
    pub http: SocketAddr,
    pub log: std::sync::mpsc::Receiver<String>,
}

/// Where a program answers.
#[derive(Clone, Copy)]
pub struct Http(pub SocketAddr);

impl Http {
    /// Status, content type and body of the answer to a request with further headers, each with its line's end.
    pub fn ask(&self, method: &str, path: &str, headers: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.0).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{headers}\r\n", self.0).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let content_type = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), content_type.to_owned(), body.to_owned())
    }

    /// A good answer.
    pub fn json(&self, path: &str) -> Value {
        let (status, _, body) = self.ask("GET", path, "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

impl Program {
    /// Starts `visulate serve` with two workers, on ports that it chooses.
    pub fn start(options: &[&str]) -> Self {
        Self::start_with(options, &[])
    }

    /// The same with these variables in its environment.
    pub fn start_with(options: &[&str], variables: &[(&str, &str)]) -> Self {
        let usual = ["--collation", "127.0.0.1:0", "--http", "127.0.0.1:0", "--workers", "2"];
        let memory: &[&str] = if options.contains(&"--memory") { &[] } else { &["--memory", "256M"] };
        let mut child = Command::new(env!("CARGO_BIN_EXE_visulate"))
            .arg("serve")
            .args(usual)
            .args(memory)
            .args(options)
            .envs(variables.iter().copied())
            .env_remove("VISULATE_SECRET")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let (mut collation, mut http) = (None, None);
        while collation.is_none() || http.is_none() {
            let line = lines.next().expect("the program ended at once");
            let after =
                |mark: &str| line.split_once(mark).map(|(_, rest)| rest.split(',').next().unwrap().parse().unwrap());
            collation = collation.or(after("log collation on "));
            http = http.or(after("the page is at http://"));
        }
        let (sender, log) = std::sync::mpsc::channel();
        std::thread::spawn(move || lines.for_each(|line| drop(sender.send(line))));
        Self { child, collation: collation.unwrap(), http: http.unwrap(), log }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Status and body of an answer.
    pub fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.ask("GET", path, "");
        (status, body)
    }

    /// Status, content type and body of the answer to a request with further headers, each with its line's end.
    pub fn ask(&self, method: &str, path: &str, headers: &str) -> (u16, String, String) {
        Http(self.http).ask(method, path, headers)
    }

    /// A good answer.
    pub fn json(&self, path: &str) -> Value {
        Http(self.http).json(path)
    }

    /// Resident bytes: now, and at most since it began.
    pub fn resident(&self) -> [u64; 2] {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        ["VmRSS:", "VmHWM:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
        })
    }

    /// The first summary with which `enough` is content.
    pub fn summary(&self, enough: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let summary = self.json("/api/v1/summary");
            if enough(&summary) {
                return summary;
            }
            assert!(Instant::now() < until, "waited in vain: {summary}");
        }
    }

    /// The first summary that has received so many entries.
    pub fn received(&self, entries: u64) -> Value {
        self.summary(|summary| summary["entries"]["received"] == entries)
    }

    /// A dimension's rows, once its table has all of these requests.
    pub fn top(&self, dimension: &str, requests: u64) -> Totals {
        let until = Instant::now() + PATIENCE;
        loop {
            let top = self.json(&format!("/api/v1/top?dimension={dimension}&limit=100000"));
            if top["total"]["requests"] == requests {
                return rows(&top);
            }
            assert!(Instant::now() < until, "{dimension}: waited in vain for {requests}: {}", top["total"]);
        }
    }

    /// Waits until the profiles of a dimension's keys have all of these requests.
    pub fn profiled(&self, dimension: &str, requests: u64) {
        let until = Instant::now() + PATIENCE;
        loop {
            let top = self.json(&format!("/api/v1/top?dimension={dimension}&limit=100000"));
            let of_rows =
                top["rows"].as_array().unwrap().iter().map(|row| row["profile"]["requests"].as_u64().unwrap_or(0));
            if of_rows.sum::<u64>() == requests {
                return;
            }
            assert!(Instant::now() < until, "{dimension}: waited in vain for profiles of {requests}: {top}");
        }
    }

    pub fn connect(&self) -> TcpStream {
        TcpStream::connect(self.collation).unwrap()
    }

    pub fn send(&self, bytes: &[u8]) {
        self.connect().write_all(bytes).unwrap();
    }

    /// Connections and segments turned away for a cause.
    pub fn rejected(&self, cause: &str) -> (u64, u64) {
        let rejected = &self.json("/api/v1/summary")["rejected"][cause];
        (rejected["connections"].as_u64().unwrap(), rejected["segments"].as_u64().unwrap())
    }

    /// Stops it as an operator does; gives what it logged.
    pub fn terminate(mut self) -> Vec<String> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        self.log.iter().collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rows of an answer, which add up to its total with the others.
pub fn rows(top: &Value) -> Totals {
    let mut sums = (0, 0);
    let pair = |row: &Value| (row["requests"].as_u64().unwrap(), row["bytes"].as_u64().unwrap());
    let rows: Totals = top["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let (requests, bytes) = pair(row);
            sums = (sums.0 + requests, sums.1 + bytes);
            (row["key"].as_str().unwrap().to_owned(), (requests, bytes))
        })
        .collect();
    let (other, total) = (pair(&top["other"]), pair(&top["total"]));
    assert_eq!((sums.0 + other.0, sums.1 + other.1), total, "rows and others add up");
    rows
}
