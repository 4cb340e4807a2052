//! What rows are called. A worker's row is known by its key, and gets a number only once a table keeps it: in a flood of keys nine of ten
//! are dropped from the part that they come in.

use super::ids::Ids;

/// A row without a number.
const UNNAMED: u32 = u32::MAX;

/// The rows of one worker, in its order.
#[derive(Clone, Debug, Default)]
struct Rows {
    numbers: Vec<u32>,
    /// Where the key of each ends in `text`; empty for those that had a number when their part was over.
    ends: Vec<u32>,
    text: Vec<u8>,
    /// Rows of parts that are over.
    settled: usize,
}

/// Numbers of one dimension's keys, and the rows of all workers.
#[derive(Clone, Debug, Default)]
pub struct Naming {
    pub(super) ids: Ids,
    workers: Vec<Rows>,
}

impl Rows {
    fn key(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.text[start as usize..self.ends[row] as usize]
    }
}

impl Naming {
    /// No rows, of that many workers.
    pub fn new(workers: usize) -> Self {
        Self { ids: Ids::default(), workers: vec![Rows::default(); workers] }
    }

    /// Forgets a worker's rows.
    pub fn forget(&mut self, worker: usize) {
        let Rows { numbers, ends, text, settled } = &mut self.workers[worker];
        numbers.clear();
        ends.clear();
        text.clear();
        *settled = 0;
    }

    /// The next row of a worker is of that key.
    pub fn learn(&mut self, worker: usize, key: &[u8]) {
        let Rows { numbers, ends, text, .. } = &mut self.workers[worker];
        text.extend_from_slice(key);
        ends.push(text.len() as u32);
        numbers.push(UNNAMED);
    }

    /// The key of a worker's row.
    ///
    /// # Panics
    ///
    /// If the worker has no such row.
    pub fn key(&self, worker: usize, row: u32) -> &[u8] {
        let rows = &self.workers[worker];
        match rows.numbers[row as usize] {
            UNNAMED => rows.key(row as usize),
            number => self.ids.key(number),
        }
    }

    /// The number of a worker's row, given to it if it has none. `hash` is the same for the same key, always.
    ///
    /// # Panics
    ///
    /// If the worker has no such row.
    pub fn row(&mut self, worker: usize, row: u32, hash: impl Fn(&[u8]) -> u64) -> u32 {
        let rows = &mut self.workers[worker];
        if rows.numbers[row as usize] == UNNAMED {
            let key = rows.key(row as usize);
            rows.numbers[row as usize] = self.ids.id(key, hash(key));
        }
        rows.numbers[row as usize]
    }

    /// The number of a key that no worker has a row for; `hash` is the same for the same key, always.
    pub fn name(&mut self, key: &[u8], hash: u64) -> u32 {
        self.ids.id(key, hash)
    }

    /// A worker's part is over: keys that have numbers are kept under these only.
    pub fn settle(&mut self, worker: usize) {
        let Rows { numbers, ends, text, settled } = &mut self.workers[worker];
        let mut start = if *settled == 0 { 0 } else { ends[*settled - 1] as usize };
        let mut to = start;
        for (number, end) in numbers[*settled..].iter().zip(&mut ends[*settled..]) {
            let key = start..*end as usize;
            start = key.end;
            if *number == UNNAMED {
                text.copy_within(key.clone(), to);
                to += key.len();
            }
            *end = to as u32;
        }
        text.truncate(to);
        *settled = numbers.len();
    }

    /// The numbers that rows have.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        let all = self.workers.iter().flat_map(|rows| &rows.numbers);
        all.copied().filter(|number| *number != UNNAMED)
    }

    /// Bytes of memory of what workers' rows are called.
    pub fn bytes_of_rows(&self) -> usize {
        self.workers
            .iter()
            .map(|rows| (rows.numbers.capacity() + rows.ends.capacity()) * 4 + rows.text.capacity())
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(key: &[u8]) -> u64 {
        key.iter().fold(7, |hash: u64, &byte| hash.wrapping_mul(31) + u64::from(byte))
    }

    proptest! {
        #[test]
        fn rows_keep_their_keys_named_or_not(
            parts in prop::collection::vec((any::<bool>(), prop::collection::vec(("[ab]{0,3}", any::<bool>()), 0..20)), 1..20),
        ) {
            let mut naming = Naming::new(2);
            let mut truth: Vec<String> = Vec::new();
            for (restarts, keys) in parts {
                if restarts {
                    naming.forget(1);
                    truth.clear();
                }
                let before = truth.len();
                for (key, _) in &keys {
                    naming.learn(1, key.as_bytes());
                    truth.push(key.clone());
                }
                // Of rows that came before some get a number only now.
                let named = (before..).zip(&keys).filter(|(_, (_, named))| *named);
                let named: Vec<usize> = named.map(|(row, _)| row).chain((0..before).step_by(3)).collect();
                for row in named {
                    let number = naming.row(1, row as u32, hash);
                    prop_assert_eq!(naming.name(truth[row].as_bytes(), hash(truth[row].as_bytes())), number);
                }
                for settled in [false, true] {
                    if settled {
                        naming.settle(1);
                    }
                    for (row, key) in truth.iter().enumerate() {
                        prop_assert_eq!(naming.key(1, row as u32), key.as_bytes());
                    }
                }
            }
            let unnamed = naming.workers[1].numbers.iter().filter(|number| **number == UNNAMED).count();
            prop_assert_eq!(naming.numbers().count() + unnamed, truth.len());
        }
    }

    #[test]
    fn what_has_a_number_takes_no_room_twice() {
        let mut naming = Naming::new(1);
        naming.learn(0, b"a");
        naming.learn(0, b"b");
        assert_eq!(naming.row(0, 1, hash), 0);
        naming.settle(0);
        assert_eq!(naming.workers[0].text, b"a");
        assert_eq!((naming.row(0, 0, hash), naming.numbers().collect::<Vec<_>>()), (1, vec![1, 0]));
    }
}
