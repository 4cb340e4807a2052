//! The log of refusals: each address and cause once a minute, with a count, since a refused node comes back every 5 s for ever.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::tally::Cause;

/// Time in which one address and cause is logged once.
const QUIET: Duration = Duration::from_secs(60);

/// Addresses and causes remembered; beyond, the oldest are forgotten.
const REMEMBERED: usize = 4096;

/// What is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Address of the peer.
    pub peer: String,
    /// Why it was refused.
    pub cause: Cause,
    /// How often, since the last line about it.
    pub count: u64,
}

#[derive(Debug)]
struct Seen {
    since: Instant,
    unsaid: u64,
}

/// Decides what is said, and when.
#[derive(Debug, Default)]
pub struct Refusals {
    seen: HashMap<(String, Cause), Seen>,
}

impl Refusals {
    /// `count` refusals: the line to write now, if one is due.
    pub fn refuse(&mut self, peer: &str, cause: Cause, count: u64, now: Instant) -> Option<Line> {
        if let Some(seen) = self.seen.get_mut(&(peer.to_owned(), cause)) {
            seen.unsaid += count;
            if now.duration_since(seen.since) < QUIET {
                return None;
            }
            seen.since = now;
            return Some(Line { peer: peer.into(), cause, count: std::mem::take(&mut seen.unsaid) });
        }
        if self.seen.len() >= REMEMBERED
            && let Some(oldest) = self.seen.iter().min_by_key(|(_, seen)| seen.since).map(|(key, _)| key.clone())
        {
            self.seen.remove(&oldest);
        }
        self.seen.insert((peer.into(), cause), Seen { since: now, unsaid: 0 });
        Some(Line { peer: peer.into(), cause, count })
    }

    /// True if nothing was refused lately.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// The lines that became due meanwhile; forgets what has been quiet for a minute.
    pub fn due(&mut self, now: Instant) -> Vec<Line> {
        let mut lines = Vec::new();
        self.seen.retain(|(peer, cause), seen| {
            if now.duration_since(seen.since) < QUIET {
                return true;
            }
            let count = std::mem::take(&mut seen.unsaid);
            if count > 0 {
                lines.push(Line { peer: peer.clone(), cause: *cause, count });
                seen.since = now;
            }
            count > 0
        });
        lines
    }
}

impl Line {
    /// What happened and what to do.
    pub fn text(&self) -> String {
        let (what, advice) = match self.cause {
            Cause::Secret => {
                ("authentication failed", "set proxy.config.log.collation_secret on that node to this engine's secret")
            }
            Cause::AuthTimeout => ("no secret in time", "is it a Traffic Server?"),
            Cause::MessageLength => (
                "a message length out of bounds",
                "raise --max-segment if log_buffer_size is larger; otherwise it is no Traffic Server",
            ),
            Cause::MessageTimeout => ("a message that did not end in time", "look at the network between"),
            Cause::Cookie => ("a message that is no segment", "it is no Traffic Server, or one older than 3.1.4"),
            Cause::Version => ("a segment of an unknown version", "segments of version 2 and 3 are read"),
            Cause::Segment => ("a damaged segment", "its log object may lack fields, or is a text log"),
            Cause::Limit => {
                ("a limit was reached", "raise --max-connections, --max-connections-per-address or --memory")
            }
            Cause::Cut => ("the connection ended inside a message", "normal when a node restarts"),
        };
        let times = if self.count > 1 { format!(", {} times", self.count) } else { String::new() };
        format!("{}: {what}{times} (cause {}); {advice}", self.peer, self.cause.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_and_cause_is_said_once_a_minute_with_its_count() {
        let mut refusals = Refusals::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let line = |count| Line { peer: "192.0.2.1".into(), cause: Cause::Secret, count };
        assert_eq!(refusals.refuse("192.0.2.1", Cause::Secret, 1, at(0)), Some(line(1)));
        for second in [5, 10, 15] {
            assert_eq!(refusals.refuse("192.0.2.1", Cause::Secret, 1, at(second)), None);
        }
        assert!(refusals.refuse("192.0.2.2", Cause::Secret, 1, at(16)).is_some());
        assert!(refusals.refuse("192.0.2.1", Cause::Cut, 1, at(17)).is_some());
        assert_eq!(refusals.refuse("192.0.2.1", Cause::Secret, 1, at(60)), Some(line(4)));
        assert_eq!(refusals.refuse("192.0.2.1", Cause::Secret, 1, at(61)), None);
        assert_eq!(refusals.due(at(119)), []);
        assert_eq!(refusals.due(at(120)), [line(1)]);
        assert_eq!(refusals.due(at(180)), []);
        assert!(refusals.seen.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut refusals = Refusals::default();
        let now = Instant::now();
        for peer in 0..REMEMBERED + 100 {
            refusals.refuse(&peer.to_string(), Cause::Secret, 1, now + Duration::from_millis(peer as u64));
        }
        assert_eq!(refusals.seen.len(), REMEMBERED);
        assert!(!refusals.seen.contains_key(&("0".to_owned(), Cause::Secret)));
    }
}
