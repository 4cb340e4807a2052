//! The sender: entries become segments, and go out over one connection for each node, as from Traffic Server.
//!
//! Sockets are blocking: an engine that reads slowly slows its caller, and nothing is dropped.

use super::generator::{FIELD_LIST, Generator, PRINT_TEMPLATE};
use super::world::NODES;
use crate::secret::Secret;
use crate::wire::encode::{EncodeError, Header, SegmentWriter, auth_message, push_message, signature};
use socket2::{Domain, Socket, Type};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// Bytes that are collected for a connection before they are written, while there is more to come.
const WRITE_LEN: usize = 256 * 1024;

/// Sends what a [`Generator`] gives.
#[derive(Debug)]
pub struct Feeder {
    generator: Generator,
    nodes: Vec<Node>,
    flush_after_ms: i64,
    entries_sent: u64,
}

/// One node's connection and what it has not sent yet.
#[derive(Debug)]
struct Node {
    stream: TcpStream,
    writer: SegmentWriter,
    /// Time of the first entry in `writer`, Unix milliseconds.
    opened_ms: i64,
    /// Whole messages, and how many entries are in them.
    pending: Vec<u8>,
    pending_entries: u64,
}

impl Feeder {
    /// Connects every node to `collation` and authenticates. Where that is an IPv4 loopback address, node `i` connects
    /// from 127.0.1.`i + 1`, so that nodes differ by address as in a cluster. A segment leaves when it is full or holds an
    /// entry older than `flush_after`; zero: at the end of every step.
    ///
    /// # Errors
    ///
    /// Those of connecting and writing.
    pub fn new(
        generator: Generator,
        collation: SocketAddr,
        secret: &Secret,
        flush_after: Duration,
    ) -> io::Result<Self> {
        let nodes = NODES
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let mut stream = connect(index, collation)?;
                stream.write_all(&auth_message(secret.bytes()))?;
                Ok(Node {
                    stream,
                    writer: SegmentWriter::new(&header(name), 0),
                    opened_ms: 0,
                    pending: Vec::new(),
                    pending_entries: 0,
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Self {
            generator,
            nodes,
            flush_after_ms: i64::try_from(flush_after.as_millis()).unwrap_or(i64::MAX),
            entries_sent: 0,
        })
    }

    /// Sends the entries before `t_ms` (Unix milliseconds), but for those that nodes hold back, and returns the number of
    /// entries sent since the start. A time before the last one sends nothing.
    ///
    /// # Errors
    ///
    /// Those of writing: the engine closed a connection. What was sent then is unknown, and the feeder of no more use.
    pub fn feed_to(&mut self, t_ms: u64) -> io::Result<u64> {
        let t_ms = i64::try_from(t_ms).unwrap_or(i64::MAX);
        let Self { generator, nodes, flush_after_ms, entries_sent } = self;
        while let Some(entry) = generator.next_before(t_ms) {
            let node = &mut nodes[entry.node];
            let now_ms = entry.seconds * 1000 + i64::from(entry.microseconds / 1000);
            // With no holding back, steps end segments, not the clock.
            let is_due = *flush_after_ms > 0 && now_ms - node.opened_ms >= *flush_after_ms;
            if is_due && !node.writer.is_empty() {
                node.close_segment(now_ms);
            }
            if node.writer.is_empty() {
                node.open_segment(now_ms);
            }
            let values = entry.values();
            let pushed = node.writer.push(entry.seconds, entry.microseconds, &values);
            if pushed == Err(EncodeError::Full) {
                node.close_segment(now_ms);
                node.open_segment(now_ms);
                let pushed = node.writer.push(entry.seconds, entry.microseconds, &values);
                debug_assert_eq!(pushed, Ok(()), "every entry fits into an empty segment");
            }
            if node.pending.len() >= WRITE_LEN {
                *entries_sent += node.write()?;
            }
        }
        for node in nodes {
            if !node.writer.is_empty() && t_ms - node.opened_ms >= *flush_after_ms {
                node.close_segment(t_ms);
            }
            *entries_sent += node.write()?;
        }
        Ok(*entries_sent)
    }

    /// Sends what nodes still hold back, as if they shut down at `t_ms`, and returns the number of entries sent since the
    /// start.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn flush(&mut self, t_ms: u64) -> io::Result<u64> {
        let t_ms = i64::try_from(t_ms).unwrap_or(i64::MAX);
        for node in &mut self.nodes {
            if !node.writer.is_empty() {
                node.close_segment(t_ms);
            }
            self.entries_sent += node.write()?;
        }
        Ok(self.entries_sent)
    }

    /// Entries sent since the start.
    pub fn entries_sent(&self) -> u64 {
        self.entries_sent
    }

    /// What it sends.
    pub fn generator(&self) -> &Generator {
        &self.generator
    }
}

impl Node {
    fn open_segment(&mut self, now_ms: i64) {
        self.opened_ms = now_ms;
        self.writer.restart(seconds(now_ms));
    }

    fn close_segment(&mut self, now_ms: i64) {
        self.pending_entries += u64::from(self.writer.entry_count());
        push_message(&mut self.pending, self.writer.finish(seconds(now_ms)));
        self.writer.restart(seconds(now_ms));
    }

    /// Writes the whole messages and returns how many entries are in them.
    fn write(&mut self) -> io::Result<u64> {
        self.stream.write_all(&self.pending)?;
        self.pending.clear();
        Ok(std::mem::take(&mut self.pending_entries))
    }
}

fn connect(index: usize, collation: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(collation), Type::STREAM, None)?;
    if collation.ip().is_loopback() && collation.is_ipv4() {
        let own = IpAddr::from([127, 0, 1, index as u8 + 1]);
        socket.bind(&SocketAddr::new(own, 0).into())?;
    }
    socket.connect(&collation.into())?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// The log object of the node of that name.
fn header(name: &str) -> Header<'_> {
    let mut header = Header {
        format_name: b"squid",
        field_list: FIELD_LIST,
        print_template: PRINT_TEMPLATE,
        source_host: name.as_bytes(),
        file_name: b"squid.blog",
        ..Header::default()
    };
    header.signature = signature(&header);
    header
}

/// Unix seconds as headers hold them.
fn seconds(ms: i64) -> u32 {
    u32::try_from(ms.div_euclid(1000)).unwrap_or(0)
}
