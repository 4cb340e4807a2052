//! Counts by number at rest: a few bytes each.

use crate::tally::Counts;
use crate::tally::counts::Band;
use crate::tally::varint::{self, Reader};

/// Numbers of a [`Counts`].
const NUMBERS: usize = 2 * Band::COUNT + 3;

/// Counts by number, ascending: gap, which of the sums are not 0 as bits, those sums, as varints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows(Box<[u8]>);

impl Rows {
    /// Packs rows, whose numbers ascend.
    pub fn pack(rows: impl IntoIterator<Item = (u32, Counts)>) -> Self {
        let mut out = Vec::new();
        let mut next = 0;
        for (number, counts) in rows {
            let numbers = flat(&counts);
            varint::write(u64::from(number - next), &mut out);
            let mask = numbers.iter().zip(0..).fold(0, |mask, (number, at)| mask | u64::from(*number > 0) << at);
            varint::write(mask, &mut out);
            numbers.iter().filter(|number| **number > 0).for_each(|&number| varint::write(number, &mut out));
            next = number + 1;
        }
        Self(out.into())
    }

    /// True without a row.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rows, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Counts)> {
        let mut reader = Reader::new(&self.0);
        let mut next = 0;
        std::iter::from_fn(move || {
            let number = next + reader.number()? as u32;
            let mask = reader.number()?;
            let mut numbers = [0; NUMBERS];
            for (at, value) in numbers.iter_mut().enumerate() {
                if mask >> at & 1 == 1 {
                    *value = reader.number()?;
                }
            }
            next = number + 1;
            Some((number, unflat(&numbers)))
        })
    }

    /// These rows and `more`, whose numbers ascend.
    #[must_use]
    pub fn with(&self, more: &[(u32, Counts)]) -> Self {
        let mut more = more.iter().copied().peekable();
        let mut old = self.iter().peekable();
        Self::pack(std::iter::from_fn(|| match (old.peek(), more.peek()) {
            (Some((a, _)), Some((b, _))) if a == b => {
                let (number, mut sum) = old.next()?;
                sum.merge(&more.next()?.1);
                Some((number, sum))
            }
            (Some((a, _)), Some((b, _))) if a < b => old.next(),
            (Some(_), None) => old.next(),
            _ => more.next(),
        }))
    }

    /// The same rows, where each number became another in the same order.
    #[must_use]
    pub fn renumbered(&self, numbers: &[u32]) -> Self {
        Self::pack(
            self.iter().map(|(number, counts)| (numbers.get(number as usize).copied().unwrap_or(number), counts)),
        )
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

fn flat(counts: &Counts) -> [u64; NUMBERS] {
    let Counts { requests, bytes, origin_bytes, timed, time_ms } = counts;
    let mut numbers = [0; NUMBERS];
    numbers[..Band::COUNT].copy_from_slice(requests);
    numbers[Band::COUNT..2 * Band::COUNT].copy_from_slice(bytes);
    numbers[2 * Band::COUNT..].copy_from_slice(&[*origin_bytes, *timed, *time_ms]);
    numbers
}

fn unflat(numbers: &[u64; NUMBERS]) -> Counts {
    let mut counts = Counts::default();
    counts.requests.copy_from_slice(&numbers[..Band::COUNT]);
    counts.bytes.copy_from_slice(&numbers[Band::COUNT..2 * Band::COUNT]);
    [counts.origin_bytes, counts.timed, counts.time_ms] = [numbers[10], numbers[11], numbers[12]];
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn rows() -> impl Strategy<Value = BTreeMap<u32, Counts>> {
        let counts =
            (any::<[u16; 5]>(), any::<[u32; 5]>(), any::<[bool; 3]>()).prop_map(|(requests, bytes, rest)| Counts {
                requests: requests.map(|n| u64::from(n & 3)),
                bytes: bytes.map(u64::from),
                origin_bytes: rest[0].into(),
                timed: rest[1].into(),
                time_ms: rest[2].into(),
            });
        prop::collection::btree_map(0..60_u32, counts, 0..30)
    }

    proptest! {
        #[test]
        fn rows_come_back_and_add_up(a in rows(), b in rows()) {
            let packed = Rows::pack(a.clone());
            prop_assert_eq!(packed.iter().collect::<BTreeMap<_, _>>(), a.clone());
            let more: Vec<_> = b.clone().into_iter().collect();
            let mut sum = a;
            for (number, counts) in b {
                sum.entry(number).or_default().merge(&counts);
            }
            prop_assert_eq!(packed.with(&more).iter().collect::<BTreeMap<_, _>>(), sum);
        }
    }
}
