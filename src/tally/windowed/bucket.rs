//! Closed buckets: summaries packed into few bytes, never changed, only replaced.
//!
//! A row is: its id less the one before, less 1 (the first: its id); which of the 13 sums aren't zero, from bit 0 in the order of
//! [`Counts`], and in bit 13 whether it has an error; those sums; its error in 255ths of the bucket's loss, as one byte. Numbers are
//! little-endian base 128.

use std::sync::Arc;

use super::loss::Loss;
use super::summary::{Row, Summary};
use crate::tally::{Band, Counts};

/// Sums of a row.
const SUMS: usize = 2 * Band::COUNT + 3;

/// The bit of a row that has an error.
const HAS_ERROR: u64 = 1 << SUMS;

/// A closed bucket: a summary in 8 to 18 bytes a row. Copies share them.
#[derive(Clone, Debug)]
pub struct Bucket {
    total: Counts,
    absent: Loss,
    rows: u32,
    packed: Arc<[u8]>,
}

impl Bucket {
    /// Packs a summary. Its rows' errors are rounded up to 255ths of its loss. `scratch` is room.
    pub fn pack(summary: &Summary, scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        let mut next = 0;
        for row in &summary.rows {
            put(scratch, u64::from(row.id - next));
            next = row.id + 1;
            let (sums, error) = (sums(&row.counts), row.error.in_shares(&summary.absent));
            let bits = sums.iter().enumerate().map(|(at, &sum)| u64::from(sum != 0) << at).sum::<u64>();
            put(scratch, bits | if error == 0 { 0 } else { HAS_ERROR });
            for sum in sums.into_iter().filter(|&sum| sum != 0) {
                put(scratch, sum);
            }
            if error != 0 {
                scratch.push(error);
            }
        }
        Self {
            total: summary.total,
            absent: summary.absent,
            rows: summary.rows.len() as u32,
            packed: scratch.as_slice().into(),
        }
    }

    /// Puts the summary into `into`, whose room is used again.
    pub fn unpack(&self, into: &mut Summary) {
        into.total = self.total;
        into.absent = self.absent;
        into.rows.clear();
        into.rows.reserve(self.rows as usize);
        let mut packed = &self.packed[..];
        let mut next = 0;
        for _ in 0..self.rows {
            let id = next + take(&mut packed) as u32;
            next = id + 1;
            let bits = take(&mut packed);
            let mut sums = [0; SUMS];
            for (at, sum) in sums.iter_mut().enumerate() {
                if bits & 1 << at != 0 {
                    *sum = take(&mut packed);
                }
            }
            let error = match packed.split_first() {
                Some((&error, rest)) if bits & HAS_ERROR != 0 => {
                    packed = rest;
                    self.absent.share(error)
                }
                _ => Loss::NONE,
            };
            into.rows.push(Row { id, counts: counts(&sums), error });
        }
    }

    /// How many rows it has.
    pub fn rows(&self) -> usize {
        self.rows as usize
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.packed.len()
    }
}

fn sums(counts: &Counts) -> [u64; SUMS] {
    let mut sums = [0; SUMS];
    sums[..Band::COUNT].copy_from_slice(&counts.requests);
    sums[Band::COUNT..2 * Band::COUNT].copy_from_slice(&counts.bytes);
    sums[2 * Band::COUNT..].copy_from_slice(&[counts.origin_bytes, counts.timed, counts.time_ms]);
    sums
}

fn counts(sums: &[u64; SUMS]) -> Counts {
    let mut counts = Counts::default();
    counts.requests.copy_from_slice(&sums[..Band::COUNT]);
    counts.bytes.copy_from_slice(&sums[Band::COUNT..2 * Band::COUNT]);
    [counts.origin_bytes, counts.timed, counts.time_ms] =
        [sums[2 * Band::COUNT], sums[2 * Band::COUNT + 1], sums[2 * Band::COUNT + 2]];
    counts
}

fn put(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

#[inline]
fn take(from: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    while let Some((&byte, rest)) = from.split_first() {
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 || shift > 63 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::super::loss::Scales;
    use super::*;
    use proptest::prelude::*;

    fn any_counts() -> impl Strategy<Value = Counts> {
        any::<([u64; SUMS], [u8; SUMS])>().prop_map(|(mut sums, shifts)| {
            for (sum, shift) in sums.iter_mut().zip(shifts) {
                *sum = sum.checked_shr(u32::from(shift)).unwrap_or(0);
            }
            counts(&sums)
        })
    }

    proptest! {
        #[test]
        fn packing_keeps_counts_and_never_makes_an_error_less(
            total in any_counts(),
            absent in any_counts(),
            rows in prop::collection::btree_map(any::<u32>(), (any_counts(), any::<u8>()), 0..20),
        ) {
            let absent = Scales::default().loss(&absent);
            let rows = rows.into_iter().map(|(id, (counts, n))| Row { id, counts, error: absent.share(n) }).collect();
            let summary = Summary { total, absent, rows };
            let bucket = Bucket::pack(&summary, &mut vec![1, 2, 3]);
            let mut unpacked = Summary::default();
            bucket.unpack(&mut unpacked);
            prop_assert_eq!((unpacked.total, unpacked.absent, unpacked.rows.len()), (total, absent, summary.rows.len()));
            for (after, before) in unpacked.rows.iter().zip(&summary.rows) {
                prop_assert_eq!((after.id, after.counts), (before.id, before.counts));
                prop_assert_eq!(after.error.most(&before.error), after.error);
                prop_assert_eq!(after.error.most(&absent), absent);
            }
        }
    }

    #[test]
    fn a_usual_row_takes_11_bytes() {
        let counts = Counts {
            requests: [0, 0, 1, 0, 0],
            bytes: [0, 0, 9_000, 0, 0],
            origin_bytes: 9_000,
            timed: 1,
            time_ms: 140,
        };
        let rows = (0..1000).map(|n| Row { id: 3 * n, counts, error: Loss::NONE }).collect();
        let bucket = Bucket::pack(&Summary { rows, ..Summary::default() }, &mut Vec::new());
        assert_eq!(bucket.packed.len(), 11 * 1000);
    }
}
