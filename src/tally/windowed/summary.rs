//! Summaries: the heaviest rows of some entries, with bounds for all others. They merge, in any order (guide/windows.md 2).
//!
//! For each measure, a key without a row has at most `absent`, and one with a row at least its count and at most count + error.

use super::loss::{Chooser, Loss, Scales};
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
        let mut merged = std::mem::take(&mut cutter.merged);
        merged.clear();
        let (mut mine, mut others) = (self.rows.iter().peekable(), other.rows.iter().peekable());
        loop {
            merged.push(match (mine.peek(), others.peek()) {
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
        self.total.merge(&other.total);
        self.absent = self.absent.plus(&other.absent);
        std::mem::swap(&mut self.rows, &mut merged);
        let dropped = if self.rows.len() > keep + keep / OVER { self.cut(keep, cutter) } else { 0 };
        std::mem::swap(&mut self.rows, &mut merged);
        self.rows.clear();
        // Exactly: there are many tables, and none grows by much at once.
        self.rows.reserve_exact(merged.len());
        self.rows.extend_from_slice(&merged);
        cutter.merged = merged;
        dropped
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
    merged: Vec<Row>,
}

impl Cutter {
    /// Tables keep `keep` rows.
    pub fn new(keep: usize) -> Self {
        Self { keep, ..Self::default() }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.chooser.bytes() + self.merged.capacity() * size_of::<Row>()
    }
}
