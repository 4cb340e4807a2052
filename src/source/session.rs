//! One connection's bytes, as they come: the secret, then segments, each counted as soon as it is whole.
//!
//! Knows nothing of sockets: bytes in a buffer come in, and what was used up, or why to close, goes out.

use std::rc::Rc;

use crate::secret::Secret;
use crate::tally::rejected::Amount;
use crate::tally::table::REFUSED;
use crate::tally::{Cause, Shard};
use crate::wire::format::{Format, Formats};
use crate::wire::frame::{self, Bounds, Frame, HEAD};
use crate::wire::segment::{NAME_MAX, Segment, SegmentError, claimed_entries};

/// So many dropped segments in a row end the connection.
pub const DROPPED_MAX: u32 = 100;

/// What a worker's sessions share.
#[derive(Debug)]
pub struct Shared {
    /// The worker's tables.
    pub shard: Shard,
    /// Decode plans by field list.
    pub formats: Formats,
}

/// What a session did with the bytes it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Bytes used up.
    pub used: usize,
    /// Bytes that the message at hand needs in all, as far as it is known.
    pub needed: usize,
    /// Why the connection must be closed, if it must.
    pub close: Option<Cause>,
}

/// A connection that hands in bytes.
#[derive(Debug)]
pub struct Session {
    /// Address of the peer, without its port.
    peer: String,
    /// It is a file, and `peer` its path.
    is_file: bool,
    authenticated: bool,
    segment_bounds: Bounds,
    node: Option<u32>,
    source_host: Vec<u8>,
    format: Option<Rc<Format>>,
    log: Vec<u8>,
    dropped_in_a_row: u32,
    dropped: Option<Cause>,
    dropped_count: u64,
}

impl Session {
    /// A connection that was just accepted.
    pub fn new(peer: String, segment_max: usize) -> Self {
        Self {
            peer,
            is_file: false,
            authenticated: false,
            segment_bounds: Bounds::segment(segment_max),
            node: None,
            source_host: Vec::new(),
            format: None,
            log: Vec::new(),
            dropped_in_a_row: 0,
            dropped: None,
            dropped_count: 0,
        }
    }

    /// A file that is followed: hands in segments by [`Self::segment`].
    pub fn of_file(path: String, segment_max: usize) -> Self {
        Self { is_file: true, authenticated: true, ..Self::new(path, segment_max) }
    }

    /// Address of the peer, without its port; the path of a file.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Has it said the secret?
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Takes what is whole at the start of `bytes`, which arrived `now` (ms since the epoch).
    pub fn take(&mut self, bytes: &[u8], secret: &Secret, shared: &mut Shared, now: u64) -> Taken {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let bounds = if self.authenticated { self.segment_bounds } else { Bounds::SECRET };
            let refused = |cause| Taken { used, needed: HEAD, close: Some(cause) };
            if self.authenticated && frame::first(rest, bounds).is_ok() && frame::wrong_cookie(rest) {
                return self.refuse(refused(Cause::Cookie), rest, shared);
            }
            match frame::first(rest, bounds) {
                Err(_) => return self.refuse(refused(Cause::MessageLength), rest, shared),
                Ok(Frame::Part { needed }) => return Taken { used, needed, close: None },
                Ok(Frame::Whole { body }) if self.authenticated => {
                    if !self.segment(body, shared, now) {
                        let amount = Amount {
                            connections: 1,
                            bytes: (rest.len() - HEAD - body.len()) as u64,
                            ..self.claims(&rest[HEAD + body.len()..])
                        };
                        shared.shard.reject(Cause::Segment, &amount, self.node);
                        return Taken { used: used + HEAD + body.len(), needed: HEAD, close: Some(Cause::Segment) };
                    }
                    used += HEAD + body.len();
                }
                Ok(Frame::Whole { body }) => {
                    if !secret.matches(body) {
                        let behind = &rest[HEAD + body.len()..];
                        let amount = Amount { connections: 1, bytes: behind.len() as u64, ..self.claims(behind) };
                        shared.shard.reject(Cause::Secret, &amount, None);
                        return Taken { used: bytes.len(), needed: HEAD, close: Some(Cause::Secret) };
                    }
                    self.authenticated = true;
                    used += HEAD + body.len();
                }
            }
        }
    }

    /// Framing is lost: counts the connection and what it still held.
    fn refuse(&self, taken: Taken, rest: &[u8], shared: &mut Shared) -> Taken {
        if let Some(cause) = taken.close {
            let mut amount = Amount { connections: 1, bytes: rest.len() as u64, ..Amount::default() };
            if self.authenticated {
                amount.segments = 1;
            }
            shared.shard.reject(cause, &amount, self.node);
        }
        taken
    }

    /// What whole and cut messages in `bytes` claim to hold: the sender's loss when its connection is closed.
    fn claims(&self, bytes: &[u8]) -> Amount {
        let mut amount = Amount::default();
        let mut rest = bytes;
        while let Ok(frame) = frame::first(rest, self.segment_bounds) {
            let (len, next) = match frame {
                Frame::Whole { body } => (body.len(), &rest[HEAD + body.len()..]),
                Frame::Part { needed } if rest.len() > HEAD => (needed - HEAD, &[][..]),
                Frame::Part { .. } => break,
            };
            amount.segments += 1;
            amount.entries += claimed_entries(rest.get(HEAD..).unwrap_or_default(), len);
            rest = next;
        }
        amount
    }

    /// Counts one segment; false if it was one dropped segment too many.
    pub fn segment(&mut self, body: &[u8], shared: &mut Shared, now: u64) -> bool {
        let parsed = Segment::parse(body);
        if let Ok(segment) = &parsed {
            self.know_node(segment.source_host(), shared);
        }
        let counted = parsed.map_err(cause_of).and_then(|segment| {
            let format = self.know_format(&segment, shared)?;
            Ok(shared.shard.segment(&segment, &format, self.node.unwrap_or(REFUSED), now))
        });
        let dropped = match counted {
            Ok(counted) if counted.lost.1 == 0 => {
                self.dropped_in_a_row = 0;
                return true;
            }
            // The walk ended early: what was decoded counts, the rest is lost.
            Ok(counted) => {
                (Cause::Segment, Amount { segments: 1, entries: counted.lost.0, bytes: counted.lost.1, connections: 0 })
            }
            Err(cause) => {
                let amount = Amount {
                    segments: 1,
                    entries: claimed_entries(body, body.len()),
                    bytes: body.len() as u64,
                    connections: 0,
                };
                (cause, amount)
            }
        };
        shared.shard.reject(dropped.0, &dropped.1, self.node);
        self.dropped = Some(dropped.0);
        self.dropped_count += 1;
        self.dropped_in_a_row += 1;
        self.dropped_in_a_row < DROPPED_MAX
    }

    /// Segments dropped since the last call, and the last cause: for the log.
    pub fn take_dropped(&mut self) -> Option<(Cause, u64)> {
        let count = std::mem::take(&mut self.dropped_count);
        self.dropped.take().map(|cause| (cause, count))
    }

    fn know_node(&mut self, source_host: &[u8], shared: &mut Shared) {
        if self.node.is_some() && self.source_host == source_host {
            return;
        }
        if let Some(node) = self.node {
            shared.shard.node_connection(node, false);
        }
        self.source_host = source_host.to_vec();
        self.log.clear();
        let node = if self.is_file {
            shared.shard.file_node(source_host, &self.peer)
        } else {
            shared.shard.node(source_host, &self.peer)
        };
        shared.shard.node_connection(node, true);
        self.node = Some(node);
    }

    fn know_format(&mut self, segment: &Segment<'_>, shared: &mut Shared) -> Result<Rc<Format>, Cause> {
        let format = match &self.format {
            Some(format) if format.is_of(segment) => format.clone(),
            _ => {
                self.log.clear();
                let format = shared.formats.of(segment).map_err(|_| Cause::Segment)?;
                self.format = Some(format.clone());
                format
            }
        };
        if self.log.is_empty() || self.log != segment.file_name() {
            self.log = segment.file_name()[..segment.file_name().len().min(NAME_MAX)].to_vec();
            let log = format!("{}: {}", String::from_utf8_lossy(&self.log), format.field_list());
            shared.shard.node_log(self.node.unwrap_or(REFUSED), &log);
        }
        Ok(format)
    }

    /// The connection has ended: with `partial` bytes of a message that is not whole, or because of `cause`.
    pub fn end(&mut self, partial: &[u8], cause: Option<Cause>, shared: &mut Shared) -> Option<Cause> {
        let cause = cause.or((!partial.is_empty()).then_some(Cause::Cut));
        if let Some(cause) = cause {
            let claims = if self.authenticated { self.claims(partial) } else { Amount::default() };
            let amount = Amount { connections: 1, bytes: partial.len() as u64, ..claims };
            shared.shard.reject(cause, &amount, self.node);
        }
        self.leave(shared);
        cause
    }

    /// Something that was no segment, or not a whole one, was turned away.
    pub fn reject(&self, cause: Cause, amount: &Amount, shared: &mut Shared) {
        shared.shard.reject(cause, amount, self.node);
    }

    /// The connection no longer speaks for its node.
    pub fn leave(&mut self, shared: &mut Shared) {
        if let Some(node) = self.node.take() {
            shared.shard.node_connection(node, false);
        }
    }
}

fn cause_of(error: SegmentError) -> Cause {
    match error {
        SegmentError::Cookie { .. } => Cause::Cookie,
        SegmentError::Version { .. } => Cause::Version,
        SegmentError::Truncated { .. }
        | SegmentError::ByteCount { .. }
        | SegmentError::DataOffset { .. }
        | SegmentError::NoFieldList
        | SegmentError::FieldList => Cause::Segment,
    }
}
