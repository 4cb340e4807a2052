//! One growing file's bytes, as they come: segments, each counted as soon as it is whole.
//!
//! Knows nothing of files: bytes in a buffer come in, and what was used up goes out. A damaged place costs what lies there, never the file.

use super::blocks::Damage;
use super::session::{Shared, Taken};
use super::speaker::{Place, Speaker};
use crate::tally::Cause;
use crate::tally::rejected::Amount;
use crate::wire::resync::{Found, Scanner};
use crate::wire::segment::claimed_entries;

/// Places of damage that are named in the log, of one file; all are counted.
const MESSAGES_MAX: u32 = 20;

/// A file that hands in bytes.
#[derive(Debug)]
pub struct FileSession {
    speaker: Speaker,
    scanner: Scanner,
    /// Where the damage at hand began.
    skipping: Option<u64>,
    messages: u32,
    /// Begun in the middle: what comes before the first segment is the rest of one that was there before.
    is_inside: bool,
}

impl FileSession {
    /// The file at `path`, from `offset` on.
    pub fn new(path: String, offset: u64, segment_max: usize) -> Self {
        let scanner = Scanner::new(segment_max).eager().from_offset(offset);
        Self { speaker: Speaker::new(Place::File(path)), scanner, skipping: None, messages: 0, is_inside: offset > 0 }
    }

    /// Takes what is whole at the start of `bytes`, which were read `now` (ms since the epoch).
    pub fn take(&mut self, bytes: &[u8], shared: &mut Shared, now: u64) -> Taken {
        let mut used = 0;
        loop {
            match self.scanner.next(&bytes[used..], false) {
                Found::Need(needed) => return Taken { used, needed, close: None },
                Found::End => return Taken { used, needed: 1, close: None },
                found => used += self.found(found, &bytes[used..], shared, now),
            }
        }
    }

    fn found(&mut self, found: Found, bytes: &[u8], shared: &mut Shared, now: u64) -> usize {
        match found {
            Found::Segment { framing, len } => {
                self.is_inside = false;
                self.end_damage(self.scanner.offset() - (framing + len) as u64);
                self.speaker.segment(&bytes[framing..framing + len], shared, now);
                framing + len
            }
            Found::Skip(len) => {
                if !self.is_inside {
                    // Damage that goes on is that of one segment.
                    let segments = u64::from(self.skipping.is_none());
                    self.skipping.get_or_insert(self.scanner.offset() - len as u64);
                    let amount = Amount { segments, bytes: len as u64, ..Amount::default() };
                    self.speaker.drop(Cause::Segment, &amount, shared);
                }
                len
            }
            Found::Cut(len) => {
                self.end_damage(self.scanner.offset() - len as u64);
                let entries = claimed_entries(bytes, len);
                let amount = Amount { segments: 1, entries, bytes: len as u64, connections: 0 };
                self.speaker.drop(Cause::Cut, &amount, shared);
                len
            }
            Found::Need(_) | Found::End => 0,
        }
    }

    fn end_damage(&mut self, at: u64) {
        if let Some(from) = self.skipping.take() {
            let damage = Damage { offset: from, len: at - from, cut: false };
            self.messages += 1;
            if self.messages <= MESSAGES_MAX {
                tracing::warn!("{}: {damage}", self.path());
            }
        }
    }

    /// What was dropped since the last call, and the last cause: for the log.
    pub fn take_dropped(&mut self) -> Option<(Cause, u64)> {
        self.speaker.take_dropped()
    }

    /// The path.
    pub fn path(&self) -> &str {
        self.speaker.place().text()
    }

    /// Nothing more comes. `rest` is what no find has used up; if the engine stops, it will be read at the next start.
    pub fn end(&mut self, rest: &[u8], is_over: bool, shared: &mut Shared, now: u64) {
        let mut used = 0;
        while is_over && used < rest.len() {
            let found = self.scanner.next(&rest[used..], true);
            used += match self.found(found, &rest[used..], shared, now) {
                0 => break,
                more => more,
            };
        }
        self.end_damage(self.scanner.offset());
        self.speaker.leave(shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::table::Seed;
    use crate::tally::{Caps, Part, Shard};
    use crate::wire::encode::{Header, SegmentWriter, Value};
    use crate::wire::format::Formats;

    fn segment(entries: i64) -> Vec<u8> {
        let header =
            Header { field_list: b"pssc,psql", source_host: b"edge", file_name: b"s.blog", ..Header::default() };
        let mut writer = SegmentWriter::new(&header, 1_700_000_000);
        for number in 0..entries {
            writer.push(1_700_000_000, 1, &[Value::Int(200), Value::Int(number)]).unwrap();
        }
        writer.finish(1_700_000_001).to_vec()
    }

    fn shared() -> Shared {
        Shared { shard: Shard::new(0, &Caps::new(64 << 20, 1), &Seed::default()), formats: Formats::default() }
    }

    fn counted(shared: &mut Shared) -> Part {
        let mut part = Part::default();
        shared.shard.hand_over(&mut part, 1, true);
        part
    }

    #[test]
    fn a_segment_counts_when_it_is_whole_and_damage_costs_itself() {
        let (mut shared, mut session) = (shared(), FileSession::new("/log/s.blog".into(), 0, 1 << 20));
        let (a, b) = (segment(3), segment(4));
        let bytes = [&a[..], b"no segment", &b].concat();
        let (mut used, mut seen) = (0, Vec::new());
        for end in 1..=bytes.len() {
            let taken = session.take(&bytes[used..end], &mut shared, 9);
            used += taken.used;
            assert!(taken.needed > end - used);
            seen.push(counted(&mut shared));
        }
        let sum = |of: fn(&Part) -> u64| seen.iter().map(of).sum::<u64>();
        assert_eq!(sum(|part| part.entries.requests), 7);
        assert_eq!(sum(|part| part.rejected.by(Cause::Segment).bytes), 10);
        assert_eq!(seen[a.len() - 1].entries.requests, 3, "as soon as it is whole");
        assert_eq!(seen[a.len() - 1].nodes[0].paths, ["/log/s.blog"]);
    }

    #[test]
    fn the_rest_of_a_segment_from_before_is_no_damage() {
        let (mut shared, a) = (shared(), segment(3));
        let bytes = [&a[40..], &a].concat();
        let mut session = FileSession::new("s.blog".into(), 40, 1 << 20);
        assert_eq!(session.take(&bytes, &mut shared, 9).used, bytes.len());
        let part = counted(&mut shared);
        assert_eq!((part.entries.requests, part.rejected.by(Cause::Segment).bytes), (3, 0));
    }

    #[test]
    fn a_cut_end_is_told_when_the_file_is_over_and_not_when_the_engine_stops() {
        for is_over in [false, true] {
            let (mut shared, a) = (shared(), segment(3));
            let bytes = [&a[..], &a[..100]].concat();
            let mut session = FileSession::new("s.blog".into(), 0, 1 << 20);
            let used = session.take(&bytes, &mut shared, 9).used;
            session.end(&bytes[used..], is_over, &mut shared, 9);
            let part = counted(&mut shared);
            assert_eq!(part.rejected.by(Cause::Cut).bytes, if is_over { 100 } else { 0 });
            assert_eq!(part.nodes[0].connections, 0);
        }
    }
}
