//! Summaries: the heaviest rows of some entries, with bounds for all others. They merge, in any order (guide/windows.md 2).
//!
//! For each measure, a key without a row has at most `absent`, and one with a row at least its count and at most count + error.

use std::sync::Arc;

use super::loss::{Choice, Chooser, Loss, Scales};
use crate::tally::Counts;

/// One key's row. Its error is at most its summary's `absent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The key's number.
    pub id: u32,
    /// What was counted.
    pub counts: Counts,
    /// The most that was missed.
    pub error: Loss,
}

/// Rows of some entries, sorted by id, and the exact sum of all these entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Sum of all entries, those of dropped rows included.
    pub total: Counts,
    /// The most that a key without a row can have had.
    pub absent: Loss,
    /// The rows, by rising id.
    pub rows: Vec<Row>,
}

impl Summary {
    /// Adds all of `other`, and cuts to `keep` rows if they become more than that and a quarter; says how many were dropped.
    pub fn merge(&mut self, other: &Self, keep: usize, cutter: &mut Cutter) -> usize {
        let dropped = self.sum(other, keep, cutter);
        self.fill(&cutter.sum);
        dropped
    }

    /// The same for one that may be shared: whoever shares it keeps what it was.
    pub fn merge_shared(shared: &mut Arc<Self>, other: &Self, keep: usize, cutter: &mut Cutter) -> usize {
        let dropped = shared.sum(other, keep, cutter);
        match Arc::get_mut(shared) {
            Some(own) => own.fill(&cutter.sum),
            None => *shared = Arc::new(cutter.sum.clone()),
        }
        dropped
    }

    /// Puts what both are together into the cutter, cut like [`Summary::merge`].
    fn sum(&self, other: &Self, keep: usize, cutter: &mut Cutter) -> usize {
        let mut sum = std::mem::take(&mut cutter.sum);
        sum.rows.clear();
        let (mut mine, mut others) = (self.rows.iter().peekable(), other.rows.iter().peekable());
        loop {
            sum.rows.push(match (mine.peek(), others.peek()) {
                (Some(a), Some(b)) if a.id == b.id => {
                    let mut row = Row { error: a.error.plus(&b.error), ..**a };
                    row.counts.merge(&b.counts);
                    mine.next();
                    others.next();
                    row
                }
                (Some(a), b) if b.is_none_or(|b| a.id < b.id) => {
                    let row = Row { error: a.error.plus(&other.absent), ..**a };
                    mine.next();
                    row
                }
                (_, Some(b)) => {
                    let row = Row { error: b.error.plus(&self.absent), ..**b };
                    others.next();
                    row
                }
                (_, None) => break,
            });
        }
        sum.total = self.total;
        sum.total.merge(&other.total);
        sum.absent = self.absent.plus(&other.absent);
        let dropped = if sum.rows.len() > keep + keep / OVER { sum.cut(keep, cutter) } else { 0 };
        cutter.sum = sum;
        dropped
    }

    /// Becomes what `other` is.
    fn fill(&mut self, other: &Self) {
        (self.total, self.absent) = (other.total, other.absent);
        self.rows.clear();
        // Exactly: there are many tables, and none grows by much at once.
        self.rows.reserve_exact(other.rows.len());
        self.rows.extend_from_slice(&other.rows);
    }

    /// Takes the `keep` heaviest of `rows`, in their order, in place of those that it has; `total` and `absent` are of what is in no row.
    /// Rows that stand out little from keys without one are dropped, too. Those are never put together. Says how many these are.
    pub fn gather(
        &mut self,
        rows: impl ExactSizeIterator<Item = Row> + Clone,
        keep: usize,
        cutter: &mut Cutter,
    ) -> usize {
        let count = rows.len();
        self.rows.clear();
        if count <= keep && self.absent.is_none() {
            self.rows.extend(rows);
            for row in &self.rows {
                self.total.merge(&row.counts);
            }
            return 0;
        }
        let Cutter { scales, chooser, .. } = cutter;
        let most = |row: &Row| scales.loss(&row.counts).plus(&row.error);
        let least = self.absent.weight() / STANDS_OUT;
        chooser.weights.clear();
        for row in rows.clone() {
            self.total.merge(&row.counts);
            let loss = scales.loss(&row.counts);
            chooser.weights.push(if loss.weight() < least { 0 } else { loss.plus(&row.error).weight() });
        }
        let mut choice = Choice::ALL;
        if count > keep {
            choice = chooser.choose(keep).worth_a_name(scales.loss(&self.total).weight(), keep);
        }
        choice = choice.weighs_something();
        for (row, &weight) in rows.zip(&chooser.weights) {
            if choice.keeps(weight) {
                self.rows.push(row);
            } else {
                self.absent = self.absent.most(&most(&row));
            }
        }
        count - self.rows.len()
    }

    /// Drops all but the `keep` heaviest rows, and what is not worth a name; says how many were dropped.
    pub fn cut(&mut self, keep: usize, cutter: &mut Cutter) -> usize {
        let before = self.rows.len();
        if before <= keep {
            return 0;
        }
        let Cutter { scales, chooser, .. } = cutter;
        let most = |row: &Row| scales.loss(&row.counts).plus(&row.error);
        chooser.weights.clear();
        chooser.weights.extend(self.rows.iter().map(|row| most(row).weight()));
        let mut choice = chooser.choose(keep).worth_a_name(scales.loss(&self.total).weight(), keep);
        let (absent, mut weights) = (&mut self.absent, chooser.weights.iter());
        self.rows.retain(|row| {
            let stays = weights.next().is_some_and(|&weight| choice.keeps(weight));
            if !stays {
                *absent = absent.most(&most(row));
            }
            stays
        });
        before - self.rows.len()
    }

    /// Forgets all, keeps the room.
    pub fn clear(&mut self) {
        self.rows.clear();
        (self.total, self.absent) = (Counts::default(), Loss::NONE);
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>()
    }
}

/// A row stands out if what was counted weighs at least so much, as a part of what a key without a row may weigh: an 8th. Without such
/// a row, whose error is at most as large, these may weigh an 8th more.
const STANDS_OUT: u64 = 8;

/// A table of k rows is cut once it has more than k and a quarter, so that not every part cuts it.
const OVER: usize = 4;

/// How tables are cut, and the room that it takes, used again from table to table.
#[derive(Clone, Debug, Default)]
pub struct Cutter {
    /// k: how many rows stay.
    pub keep: usize,
    /// Which are the heaviest.
    pub scales: Scales,
    /// Where they are found.
    pub chooser: Chooser,
    sum: Summary,
}

impl Cutter {
    /// Tables keep `keep` rows.
    pub fn new(keep: usize) -> Self {
        Self { keep, ..Self::default() }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.chooser.bytes() + self.sum.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Measure;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_gathered_holds_for_all_rows(
            sums in prop::collection::vec((1..9_u64, 0..9_000_u64, 0.0..1.0_f64), 0..60),
            rest in (0..40_u64, 0..90_000_u64),
            absent in 0..12_u64,
            keep in 1..60_usize,
        ) {
            let counts = |requests, bytes| Counts { requests: [0, 0, requests, 0, 0], bytes: [0, 0, bytes, 0, 0], ..Counts::default() };
            let mut cutter = Cutter::new(keep);
            let loss = |n: u64| if n == 0 { Loss::NONE } else { cutter.scales.loss(&counts(n, n * 1_000)) };
            let (most_lost, absent) = (absent, loss(absent));
            let rows: Vec<Row> = sums.iter().zip(0..).map(|(&(requests, bytes, error), id)| {
                Row { id, counts: counts(requests, bytes), error: loss((most_lost as f64 * error) as u64) }
            }).collect();
            let mut summary = Summary { total: counts(rest.0, rest.1), absent, rows: Vec::new() };
            let dropped = summary.gather(rows.iter().copied(), keep, &mut cutter);
            prop_assert_eq!(dropped + summary.rows.len(), rows.len());
            prop_assert!(summary.rows.len() <= keep);
            let total = rest.0 + sums.iter().map(|(requests, ..)| requests).sum::<u64>();
            prop_assert_eq!(summary.total.all_requests(), total);
            // Rows are as they were, and what is in none is within what keys without one may have.
            for row in &rows {
                let most = cutter.scales.loss(&row.counts).plus(&row.error);
                match summary.rows.iter().find(|kept| kept.id == row.id) {
                    Some(kept) => prop_assert_eq!(kept, row),
                    None => for measure in Measure::ALL {
                        prop_assert!(most.measure(measure) <= summary.absent.measure(measure));
                    },
                }
            }
            // Nothing is dropped without need, and what is dropped for standing out little raises no bound by more than a part.
            if rows.len() <= keep {
                prop_assert!(summary.absent.weight() <= absent.weight() + absent.weight() / STANDS_OUT);
                prop_assert!(!absent.is_none() || dropped == 0);
            }
        }
    }
}
