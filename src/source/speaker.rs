//! Who speaks: the node behind a connection or a file, its format, and counting its segments.

use std::rc::Rc;

use super::session::Shared;
use crate::tally::Cause;
use crate::tally::rejected::Amount;
use crate::tally::table::REFUSED;
use crate::wire::format::Format;
use crate::wire::segment::{NAME_MAX, Segment, SegmentError, claimed_entries};

/// Where segments come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A connection: the peer's address, without its port.
    Peer(String),
    /// A file: its path.
    File(String),
}

impl Place {
    /// The address or path.
    pub fn text(&self) -> &str {
        match self {
            Self::Peer(text) | Self::File(text) => text,
        }
    }
}

/// One source of segments.
#[derive(Debug)]
pub struct Speaker {
    place: Place,
    node: Option<u32>,
    source_host: Vec<u8>,
    format: Option<Rc<Format>>,
    log: Vec<u8>,
    dropped: Option<Cause>,
    dropped_count: u64,
}

impl Speaker {
    /// Nothing is known of it yet.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            node: None,
            source_host: Vec::new(),
            format: None,
            log: Vec::new(),
            dropped: None,
            dropped_count: 0,
        }
    }

    /// Where it speaks from.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Its node's row, once it has said who it is.
    pub fn node(&self) -> Option<u32> {
        self.node
    }

    /// Counts a segment that came `now`; false if it, or the end of it, was dropped, which is counted too.
    pub fn segment(&mut self, body: &[u8], shared: &mut Shared, now: u64) -> bool {
        let parsed = Segment::parse(body);
        if let Ok(segment) = &parsed {
            self.know_node(segment.source_host(), shared);
        }
        let counted = parsed.map_err(cause_of).and_then(|segment| {
            let format = self.know_format(&segment, shared)?;
            if let (Place::File(_), Some(node)) = (&self.place, self.node) {
                shared.shard.read_from_file(node, body);
            }
            Ok(shared.shard.segment(&segment, &format, self.node.unwrap_or(REFUSED), now))
        });
        let (cause, amount) = match counted {
            Ok(counted) if counted.lost.1 == 0 => return true,
            // The walk ended early: what was decoded counts, the rest is lost.
            Ok(counted) => {
                (Cause::Segment, Amount { segments: 1, entries: counted.lost.0, bytes: counted.lost.1, connections: 0 })
            }
            Err(cause) => {
                let entries = claimed_entries(body, body.len());
                (cause, Amount { segments: 1, entries, bytes: body.len() as u64, connections: 0 })
            }
        };
        self.drop(cause, &amount, shared);
        false
    }

    /// Something of it is dropped.
    pub fn drop(&mut self, cause: Cause, amount: &Amount, shared: &mut Shared) {
        shared.shard.reject(cause, amount, self.node);
        self.dropped = Some(cause);
        self.dropped_count += 1;
    }

    /// What was dropped since the last call, and the last cause: for the log.
    pub fn take_dropped(&mut self) -> Option<(Cause, u64)> {
        let count = std::mem::take(&mut self.dropped_count);
        self.dropped.take().map(|cause| (cause, count))
    }

    /// It no longer speaks for its node.
    pub fn leave(&mut self, shared: &mut Shared) {
        if let Some(node) = self.node.take() {
            shared.shard.node_connection(node, false);
        }
    }

    fn know_node(&mut self, source_host: &[u8], shared: &mut Shared) {
        if self.node.is_some() && self.source_host == source_host {
            return;
        }
        self.leave(shared);
        self.source_host = source_host.to_vec();
        self.log.clear();
        let node = match &self.place {
            Place::Peer(address) => shared.shard.node(source_host, address),
            Place::File(path) => shared.shard.file_node(source_host, path),
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
            let version = Some(segment.version());
            shared.shard.node_log(self.node.unwrap_or(REFUSED), &self.log, version, format.field_list());
        }
        Ok(format)
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
