//! One connection's bytes, as they come: the secret, then segments, each counted as soon as it is whole. The order of the bytes of the
//! first length holds for all (spec/collation-protocol.md 3).
//!
//! Knows nothing of sockets: bytes in a buffer come in, and what was used up, or why to close, goes out.

use super::speaker::{Place, Speaker};
use crate::secret::Secret;
use crate::tally::rejected::Amount;
use crate::tally::{Cause, Shard};
use crate::wire::format::Formats;
use crate::wire::frame::{self, Bounds, Frame, HEAD};
use crate::wire::layout::Order;
use crate::wire::segment::claimed_entries;

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
    speaker: Speaker,
    /// Of the lengths of messages and of the words of segments; the first message shows it.
    order: Option<Order>,
    authenticated: bool,
    segment_bounds: Bounds,
    dropped_in_a_row: u32,
}

impl Session {
    /// A connection that was just accepted.
    pub fn new(peer: String, segment_max: usize) -> Self {
        Self {
            speaker: Speaker::new(Place::Peer(peer)),
            order: None,
            authenticated: false,
            segment_bounds: Bounds::segment(segment_max),
            dropped_in_a_row: 0,
        }
    }

    /// Address of the peer, without its port.
    pub fn peer(&self) -> &str {
        self.speaker.place().text()
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
            let order = match self.order.map_or_else(|| frame::order(rest), |known| Ok(Some(known))) {
                Ok(Some(order)) => order,
                Ok(None) => return Taken { used, needed: HEAD, close: None },
                Err(_) => return self.refuse(refused(Cause::MessageLength), rest, shared),
            };
            self.order = Some(order);
            let first = frame::first_in(order, rest, bounds);
            if self.authenticated && first.is_ok() && frame::wrong_cookie(order, rest) {
                return self.refuse(refused(Cause::Cookie), rest, shared);
            }
            match first {
                Err(_) => return self.refuse(refused(Cause::MessageLength), rest, shared),
                Ok(Frame::Part { needed }) => return Taken { used, needed, close: None },
                Ok(Frame::Whole { body }) if self.authenticated => {
                    if !self.segment(body, shared, now) {
                        let amount = Amount {
                            connections: 1,
                            bytes: (rest.len() - HEAD - body.len()) as u64,
                            ..self.claims(&rest[HEAD + body.len()..])
                        };
                        shared.shard.reject(Cause::Segment, &amount, self.speaker.node());
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
            shared.shard.reject(cause, &amount, self.speaker.node());
        }
        taken
    }

    /// What whole and cut messages in `bytes` claim to hold: the sender's loss when its connection is closed.
    fn claims(&self, bytes: &[u8]) -> Amount {
        let mut amount = Amount::default();
        let mut rest = bytes;
        let order = self.order.unwrap_or_default();
        while let Ok(frame) = frame::first_in(order, rest, self.segment_bounds) {
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
    fn segment(&mut self, body: &[u8], shared: &mut Shared, now: u64) -> bool {
        if self.speaker.segment(body, shared, now) {
            self.dropped_in_a_row = 0;
            return true;
        }
        self.dropped_in_a_row += 1;
        self.dropped_in_a_row < DROPPED_MAX
    }

    /// Segments dropped since the last call, and the last cause: for the log.
    pub fn take_dropped(&mut self) -> Option<(Cause, u64)> {
        self.speaker.take_dropped()
    }

    /// The connection has ended: with `partial` bytes of a message that is not whole, or because of `cause`.
    pub fn end(&mut self, partial: &[u8], cause: Option<Cause>, shared: &mut Shared) -> Option<Cause> {
        let cause = cause.or((!partial.is_empty()).then_some(Cause::Cut));
        if let Some(cause) = cause {
            let claims = if self.authenticated { self.claims(partial) } else { Amount::default() };
            let amount = Amount { connections: 1, bytes: partial.len() as u64, ..claims };
            shared.shard.reject(cause, &amount, self.speaker.node());
        }
        self.leave(shared);
        cause
    }

    /// The connection no longer speaks for its node.
    pub fn leave(&mut self, shared: &mut Shared) {
        self.speaker.leave(shared);
    }
}
