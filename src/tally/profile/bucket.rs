//! Cells at rest: those of many keys over one interval of entry time, a few bytes each.

use std::cmp::Ordering;

use crate::tally::varint::{self, Reader};

/// Requests and bytes of one [`what`](super::cells::what).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Requests.
    pub requests: u64,
    /// Bytes sent to clients.
    pub bytes: u64,
}

impl Sum {
    /// Adds `other`.
    pub fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Cells by number of the key, ascending; of each key, gap, requests and bytes of each *what*, ascending, as varints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Number of the key, and where its text ends.
    keys: Vec<(u32, u32)>,
    text: Vec<u8>,
}

impl Bucket {
    /// Packs cells: number of the key, what, and sum, ascending by the first two; what is there twice is added up.
    pub fn pack(cells: impl IntoIterator<Item = (u32, u16, Sum)>) -> Self {
        let mut packer = Packer::default();
        let mut last: Option<(u32, u16, Sum)> = None;
        for (number, what, sum) in cells {
            match &mut last {
                Some((known, same, all)) if (*known, *same) == (number, what) => all.merge(&sum),
                _ => {
                    last.into_iter().for_each(|cell| packer.push(cell));
                    last = Some((number, what, sum));
                }
            }
        }
        last.into_iter().for_each(|cell| packer.push(cell));
        packer.bucket.small()
    }

    /// True without a cell.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The cells of one key, ascending.
    pub fn cells(&self, number: u32) -> impl Iterator<Item = (u16, Sum)> {
        let at = self.keys.binary_search_by_key(&number, |(number, _)| *number);
        unpack(at.map_or(&[], |at| self.of(at)))
    }

    /// Numbers of the keys that are in it, ascending, with the bytes that they take.
    pub fn numbers(&self) -> impl Iterator<Item = (u32, usize)> {
        (0..self.keys.len()).map(|at| (self.keys[at].0, self.of(at).len() + size_of::<(u32, u32)>()))
    }

    /// The sum of both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut packer = Packer::default();
        // What comes in both takes less.
        packer.bucket.keys.reserve_exact(self.keys.len() + other.keys.len());
        packer.bucket.text.reserve_exact(self.text.len() + other.text.len());
        let (mut a, mut b) = (0, 0);
        loop {
            let order = match (self.keys.get(a), other.keys.get(b)) {
                (None, None) => return packer.bucket.small(),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((a, _)), Some((b, _))) => a.cmp(b),
            };
            match order {
                Ordering::Less => packer.copy(self.keys[a].0, self.of(a)),
                Ordering::Greater => packer.copy(other.keys[b].0, other.of(b)),
                Ordering::Equal => packer.add(self.keys[a].0, self.of(a), other.of(b)),
            }
            a += usize::from(order.is_le());
            b += usize::from(order.is_ge());
        }
    }

    /// The same without some keys.
    #[must_use]
    pub fn without(&self, gone: impl Fn(u32) -> bool) -> Self {
        let mut packer = Packer::default();
        for at in (0..self.keys.len()).filter(|at| !gone(self.keys[*at].0)) {
            packer.copy(self.keys[at].0, self.of(at));
        }
        packer.bucket.small()
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.keys.capacity() * size_of::<(u32, u32)>() + self.text.capacity() + size_of::<Self>()
    }

    fn of(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.keys[before].1);
        &self.text[start as usize..self.keys[at].1 as usize]
    }

    fn small(mut self) -> Self {
        self.keys.shrink_to_fit();
        self.text.shrink_to_fit();
        self
    }
}

fn unpack(text: &[u8]) -> impl Iterator<Item = (u16, Sum)> {
    let (mut reader, mut next) = (Reader::new(text), 0);
    std::iter::from_fn(move || {
        let what = next + reader.number()?;
        next = what + 1;
        Some((what as u16, Sum { requests: reader.number()?, bytes: reader.number()? }))
    })
}

/// A bucket that is being written.
#[derive(Default)]
struct Packer {
    bucket: Bucket,
    next: u64,
}

impl Packer {
    fn push(&mut self, (number, what, sum): (u32, u16, Sum)) {
        let Bucket { keys, text } = &mut self.bucket;
        if keys.last().is_none_or(|(last, _)| *last != number) {
            keys.push((number, 0));
            self.next = 0;
        }
        for value in [u64::from(what) - self.next, sum.requests, sum.bytes] {
            varint::write(value, text);
        }
        self.next = u64::from(what) + 1;
        if let Some((_, end)) = keys.last_mut() {
            *end = text.len() as u32;
        }
    }

    fn copy(&mut self, number: u32, cells: &[u8]) {
        let Bucket { keys, text } = &mut self.bucket;
        text.extend_from_slice(cells);
        keys.push((number, text.len() as u32));
    }

    fn add(&mut self, number: u32, a: &[u8], b: &[u8]) {
        let (mut a, mut b) = (unpack(a).peekable(), unpack(b).peekable());
        loop {
            let next = match (a.peek(), b.peek()) {
                (Some((x, _)), Some((y, _))) if x == y => a.next().zip(b.next()).map(|((what, mut sum), (_, more))| {
                    sum.merge(&more);
                    (what, sum)
                }),
                (Some((x, _)), Some((y, _))) if x > y => b.next(),
                (None, Some(_)) => b.next(),
                _ => a.next(),
            };
            let Some((what, sum)) = next else { return };
            self.push((number, what, sum));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Cells = BTreeMap<(u32, u16), (u32, u32)>;

    fn cells() -> impl Strategy<Value = Cells> {
        prop::collection::btree_map((0..20_u32, 0..0x3fff_u16), (1..1000_u32, any::<u32>()), 0..60)
    }

    fn packed(cells: &Cells) -> Bucket {
        Bucket::pack(cells.iter().map(|(&(number, what), &(requests, bytes))| {
            (number, what, Sum { requests: requests.into(), bytes: bytes.into() })
        }))
    }

    fn all(bucket: &Bucket) -> Vec<(u32, u16, Sum)> {
        let numbers: Vec<u32> = bucket.numbers().map(|(number, _)| number).collect();
        numbers
            .into_iter()
            .flat_map(|number| bucket.cells(number).map(move |(what, sum)| (number, what, sum)))
            .collect()
    }

    proptest! {
        #[test]
        fn buckets_are_their_cells_and_add_up(a in cells(), b in cells(), gone in 0..20_u32) {
            let mut sum: BTreeMap<(u32, u16), Sum> = BTreeMap::new();
            for (&place, &(requests, bytes)) in a.iter().chain(&b) {
                sum.entry(place).or_default().merge(&Sum { requests: requests.into(), bytes: bytes.into() });
            }
            let expected: Vec<_> = sum.iter().map(|(&(number, what), &sum)| (number, what, sum)).collect();
            let both = packed(&a).and(&packed(&b));
            prop_assert_eq!(all(&both), &expected[..]);
            prop_assert_eq!(packed(&b).and(&packed(&a)), both.clone());
            prop_assert_eq!(Bucket::pack(expected.iter().flat_map(|&(number, what, sum)| {
                let half = Sum { requests: sum.requests / 2, bytes: sum.bytes / 2 };
                [(number, what, half), (number, what, Sum { requests: sum.requests - half.requests, bytes: sum.bytes - half.bytes })]
            })), both.clone());
            let kept: Vec<_> = expected.into_iter().filter(|(number, ..)| *number != gone).collect();
            let without = both.without(|number| number == gone);
            prop_assert_eq!(all(&without), kept);
            prop_assert_eq!(without.cells(gone).count(), 0);
        }
    }
}
