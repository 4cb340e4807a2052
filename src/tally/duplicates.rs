//! Segments of files that come twice: a rotated file read again, a copy beside the file (spec/statistics.md Q8).
//!
//! Known again by a mark of their first bytes, in which are the log's signature, times, and the first entries to the microsecond. They count
//! like any other: this says that they did.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

/// Bytes that a mark is of: the header and some entries.
const MARKED: usize = 1024;

/// Marks that are remembered, each in one place, which a later one may take: half a GiB of segments of the usual size.
const REMEMBERED: usize = 1 << 16;

/// Marks of one node between two parts; further segments are not looked at.
pub const MARKS_MAX: usize = 16 * 1024;

/// The mark of a segment, the same on all workers; never 0.
pub fn mark(segment: &[u8]) -> u64 {
    let mut hasher = FixedState::with_seed(0).build_hasher();
    hasher.write(&segment[..segment.len().min(MARKED)]);
    hasher.write_usize(segment.len());
    hasher.finish().max(1)
}

/// Marks of the segments that came lately.
#[derive(Clone, Debug, Default)]
pub struct Seen(Vec<u64>);

impl Seen {
    /// A segment with that mark came, of the node with that number; true if it did before.
    pub fn came(&mut self, node: u32, mark: u64) -> bool {
        if self.0.is_empty() {
            // Only where files are followed.
            self.0 = vec![0; REMEMBERED];
        }
        let mark = mark.wrapping_add(u64::from(node).wrapping_mul(0x9e37_79b9_7f4a_7c15)).max(1);
        let place = &mut self.0[mark as usize % REMEMBERED];
        std::mem::replace(place, mark) == mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_twice_is_told_once_it_does() {
        let mut seen = Seen::default();
        let segments: Vec<Vec<u8>> = (0..1000_u32).map(|n| [&n.to_le_bytes()[..], &[7; 2000]].concat()).collect();
        let marks: Vec<u64> = segments.iter().map(|segment| mark(segment)).collect();
        assert!(marks.iter().all(|mark| !seen.came(1, *mark)));
        // Some places may have been taken by others.
        let again = marks.iter().filter(|mark| seen.came(1, **mark)).count();
        assert!((950..=1000).contains(&again), "{again}");
        assert!(marks.iter().all(|mark| !seen.came(2, *mark)), "another node's");
        assert_ne!(mark(&[1; 1024]), mark(&[1; 1025]));
    }
}
