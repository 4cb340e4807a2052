//! The page from outside: real sockets, in front of a merger that does as it is told.

mod http;
mod socket;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::{Config, Info, Limits, Page, spawn};
use crate::merger::handle::Watched;
use crate::merger::{Command, Handle, Large, NodeState, Snapshot, Table};
use crate::tally::Dimension;
use crate::view::sample;

/// Far longer than anything here takes: a test that hangs fails.
const PATIENCE: Duration = Duration::from_secs(20);

type Tables = Arc<Mutex<HashMap<Dimension, Arc<Table>>>>;

/// A page, and the merger before it.
struct Rig {
    page: Page,
    address: SocketAddr,
    ready: Arc<AtomicBool>,
    snapshots: watch::Sender<Arc<Snapshot>>,
    watched: Watched,
    tables: Tables,
    tick: u64,
    /// As with `--statistics base`.
    without_history: bool,
}

impl Rig {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let (snapshots, newest) = watch::channel(Arc::new(Snapshot::default()));
        let watched = Watched::default();
        let (commands, asked) = mpsc::channel();
        let tables = Tables::default();
        let known = tables.clone();
        thread::spawn(move || {
            for command in asked {
                if let Command::Want(dimension, None, reply) = command {
                    let table = known.lock().unwrap().get(&dimension).cloned();
                    let table = table.unwrap_or_else(|| Arc::new(sample::table(dimension, &[])));
                    let _ = reply.send(Arc::new(Large::of(table)));
                }
            }
        });
        let handle = Handle::new(newest, commands, watched.clone());
        Self { snapshots, watched, tables, ..Self::before(handle, limits) }
    }

    /// A page before another merger.
    fn before(handle: Handle, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ready = Arc::new(AtomicBool::new(false));
        let config = Config {
            listeners: vec![listener],
            allow_hosts: vec!["stats.example".into()],
            allow_origins: vec!["https://wall.example".into()],
            limits,
            info: Info {
                version: "0.1.0".into(),
                start: "5f1c".into(),
                host_name: "edge-eu".into(),
                secret_is_default: true,
                expect_nodes: 2,
                ..Info::default()
            },
            zone: crate::page::Zone::default(),
            ready: ready.clone(),
        };
        Self {
            page: spawn(config, handle).unwrap(),
            address,
            ready,
            snapshots: watch::Sender::default(),
            watched: Watched::default(),
            tables: Tables::default(),
            tick: 0,
            without_history: false,
        }
    }

    /// Waits until all views have the newest tick.
    fn wait(&self) {
        let (mut published, tick) = (self.page.published(), self.tick);
        block_on(async move { published.wait_for(|done| *done >= tick).await.map(|_| ()) }).unwrap();
    }

    /// Publishes the next full tick, and waits until all views have it.
    fn tick(&mut self, tables: Vec<Table>) {
        self.tick += 1;
        let mut snapshot = sample::snapshot(self.tick, tables);
        snapshot.history.take_if(|_| self.without_history);
        snapshot.nodes = vec![
            sample::node(0, "edge-01", NodeState::Live, Some(1500)),
            sample::node(1, "ed\"ge\\\n-02", NodeState::Silent, None),
        ];
        for (slot, watched) in snapshot.tables.iter_mut().zip(self.watched.iter()) {
            if let Some(table) = slot {
                let dimension = table.dimension;
                self.tables.lock().unwrap().insert(dimension, table.clone());
                // As the merger does it: large tables go into the snapshot only if somebody looks.
                if !dimension.is_small() && watched.load(Ordering::Relaxed) == 0 {
                    *slot = None;
                }
            }
        }
        self.snapshots.send_replace(Arc::new(snapshot));
        self.wait();
    }

    fn watched(&self, dimension: Dimension) -> u32 {
        self.watched[dimension as usize].load(Ordering::Relaxed)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn get(&self, target: &str) -> Answer {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
    }

    fn ask(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::parse(&bytes)
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(PATIENCE, future).await.unwrap() })
}

/// An answer, taken apart.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Self { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head: head.to_owned(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (header, value) = line.split_once(": ")?;
            header.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
