//! The profile of one key over some time: sums of its cells.

use super::bucket::Sum;
use super::cells::WHAT_BITS;
use super::coarse::{self, UNTIMED};
use super::outcome::Outcome;

/// What one key had over some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Since when its key has a profile, ms since the epoch: what it had before is missing, which a window may reach back to.
    pub since: u64,
    /// By [`what`](super::cells::what), ascending.
    cells: Vec<(u16, Sum)>,
}

/// One cell of a histogram of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bar {
    /// Requests and their bytes.
    pub sum: Sum,
    /// Those of the requests that were hits, refresh hits included.
    pub hits: u64,
}

impl Profile {
    /// Adds up cells, in any order.
    pub fn new(since: u64, cells: impl IntoIterator<Item = (u16, Sum)>) -> Self {
        let mut cells: Vec<(u16, Sum)> = cells.into_iter().collect();
        cells.sort_unstable_by_key(|(what, _)| *what);
        cells.dedup_by(|(what, more), (same, sum)| {
            let is_same = what == same;
            if is_same {
                sum.merge(more);
            }
            is_same
        });
        Self { since, cells }
    }

    /// What is left of it without `part`, which is of some of its time.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        let less = |what: u16| {
            part.cells.binary_search_by_key(&what, |(what, _)| *what).map_or(Sum::default(), |at| part.cells[at].1)
        };
        let rest = self.cells.iter().map(|(what, sum)| {
            let Sum { requests, bytes } = less(*what);
            let rest = Sum { requests: sum.requests.saturating_sub(requests), bytes: sum.bytes.saturating_sub(bytes) };
            (*what, rest)
        });
        Self { since: self.since, cells: rest.filter(|(_, sum)| sum.requests > 0).collect() }
    }

    /// The requests that it is of: those of the key, unless some came before it had a profile, or found no room.
    pub fn requests(&self) -> u64 {
        self.cells.iter().map(|(_, sum)| sum.requests).sum()
    }

    /// Requests of one outcome.
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.count(|found, _| found == outcome)
    }

    /// Requests whose outcome, and whether their status was 5xx, is `wanted`.
    pub fn count(&self, wanted: impl Fn(Outcome, bool) -> bool) -> u64 {
        self.cells.iter().filter(|(what, _)| wanted(outcome(*what), is_5xx(*what))).map(|(_, sum)| sum.requests).sum()
    }

    /// Times of the requests whose outcome is `wanted`, by cell of [`coarse`], ascending.
    pub fn times(&self, wanted: impl Fn(Outcome) -> bool) -> Vec<(u16, Bar)> {
        let mut bars = vec![Bar::default(); usize::from(coarse::CELLS)];
        for (what, sum) in self.cells.iter().filter(|(what, _)| wanted(outcome(*what))) {
            if let Some(bar) = bars.get_mut(usize::from(what & UNTIMED)) {
                bar.sum.merge(sum);
                bar.hits += if outcome(*what).is_hit() { sum.requests } else { 0 };
            }
        }
        (0..).zip(bars).filter(|(_, bar)| bar.sum.requests > 0).collect()
    }
}

/// The least time such that at least `parts` of 10 000 requests took no longer, for each of `parts`, which ascend: exact below 32 ms, else
/// the middle of its cell. `None` without a request.
pub fn percentiles<const N: usize>(times: &[(u16, Bar)], parts: [u64; N]) -> Option<[u64; N]> {
    let (last, _) = times.last()?;
    let total: u128 = times.iter().map(|(_, bar)| u128::from(bar.sum.requests)).sum();
    let mut found = [coarse::middle(*last); N];
    let (mut wanted, mut sum) = (0, 0_u128);
    for (cell, bar) in times {
        sum += u128::from(bar.sum.requests);
        while parts.get(wanted).is_some_and(|&part| sum * 10_000 >= u128::from(part) * total) {
            found[wanted] = coarse::middle(*cell);
            wanted += 1;
        }
    }
    Some(found)
}

fn outcome(what: u16) -> Outcome {
    // Only outcomes are put into cells.
    Outcome::ALL.get(usize::from(what >> (WHAT_BITS - 4))).copied().unwrap_or(Outcome::Unknown)
}

fn is_5xx(what: u16) -> bool {
    what >> coarse::BITS & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::super::cells::what;
    use super::*;

    fn one(requests: u64) -> Sum {
        Sum { requests, bytes: 10 * requests }
    }

    #[test]
    fn a_profile_tells_outcomes_and_times_apart() {
        let profile = Profile::new(
            7,
            [
                (what(Outcome::Missed, true, coarse::cell(5000)), one(1)),
                (what(Outcome::Fresh, false, coarse::cell(1)), one(90)),
                (what(Outcome::Unchanged, false, coarse::cell(100)), one(4)),
                (what(Outcome::Fresh, false, UNTIMED), one(2)),
                (what(Outcome::Missed, false, coarse::cell(100)), one(3)),
                (what(Outcome::Fresh, false, coarse::cell(1)), one(1)),
                (what(Outcome::Unknown, false, coarse::cell(2)), one(1)),
            ],
        );
        assert_eq!((profile.requests(), profile.of(Outcome::Fresh), profile.of(Outcome::Stale)), (102, 93, 0));
        assert_eq!(profile.count(|outcome, is_5xx| outcome.is_upstream() && is_5xx), 1);
        let all = profile.times(|_| true);
        let hundred = all.iter().find(|(cell, _)| *cell == coarse::cell(100)).unwrap().1;
        assert_eq!(hundred, Bar { sum: one(7), hits: 4 });
        assert_eq!(all.iter().map(|(_, bar)| bar.sum.requests).sum::<u64>(), 100, "two have no time");
        let middle = |ms| coarse::middle(coarse::cell(ms));
        assert_eq!(percentiles(&all, [5_000, 9_100, 9_101, 9_900, 10_000]), Some([1, 1, 2, middle(100), middle(5000)]));
        assert_eq!(percentiles(&profile.times(Outcome::is_miss_time), [5_000]), Some([middle(100)]));
        assert_eq!(percentiles(&profile.times(|outcome| outcome == Outcome::Dns), [5_000]), None);
    }
}
