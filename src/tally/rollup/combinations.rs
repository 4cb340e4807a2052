//! Combinations of the small dimensions, numbered over all workers.

use std::hash::BuildHasher;

use hashbrown::HashTable;

use crate::tally::Dimension;
use crate::tally::table::{REFUSED, Seed};

/// Combinations that are told apart; of further ones only the codes are, up to as many again.
const COMBINATIONS_MAX: usize = 16 * 1024;

/// One value of each small dimension that an entry has; methods and types are the merger's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Values {
    /// Result code.
    pub result: Option<i64>,
    /// Status.
    pub status: Option<i64>,
    /// Hierarchy route.
    pub route: Option<i64>,
    /// Row of the method.
    pub method: Option<u32>,
    /// Row of the content type.
    pub content_type: Option<u32>,
}

/// What an entry has of one small dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// A code, whose raw key is its 8 bytes.
    Code(i64),
    /// A row of the dimension's table.
    Row(u32),
}

impl Values {
    /// The same codes; method and type are not told apart.
    fn codes(self) -> Self {
        Self { method: self.method.map(|_| REFUSED), content_type: self.content_type.map(|_| REFUSED), ..self }
    }

    /// The value of that dimension; `None` if the entry lacks it, or it is no small one.
    pub fn of(&self, dimension: Dimension) -> Option<Value> {
        match dimension {
            Dimension::Result => self.result.map(Value::Code),
            Dimension::Status => self.status.map(Value::Code),
            Dimension::Route => self.route.map(Value::Code),
            Dimension::Method => self.method.map(Value::Row),
            Dimension::Type => self.content_type.map(Value::Row),
            _ => None,
        }
    }
}

/// All combinations that occurred.
#[derive(Clone, Debug, Default)]
pub struct Combinations {
    seed: Seed,
    index: HashTable<u32>,
    values: Vec<Values>,
    /// By number, the number of the combination that has the same codes only.
    codes: Vec<u32>,
}

impl Combinations {
    /// The number of a combination that is known.
    pub fn find(&self, values: &Values) -> Option<u32> {
        let Self { seed, index, values: known, .. } = self;
        index.find(hash(seed, values), |&number| known[number as usize] == *values).copied()
    }

    /// The number of a combination, or of its codes if there is no room for another; `None` if there is none for those either.
    pub fn number(&mut self, values: Values) -> Option<u32> {
        if let Some(number) = self.find(&values) {
            return Some(number);
        }
        let codes = values.codes();
        let of_codes = match self.find(&codes) {
            Some(number) => number,
            None if self.values.len() >= 2 * COMBINATIONS_MAX => return None,
            None => self.insert(codes, self.values.len() as u32),
        };
        if codes == values || self.values.len() >= COMBINATIONS_MAX {
            return Some(of_codes);
        }
        Some(self.insert(values, of_codes))
    }

    fn insert(&mut self, values: Values, codes: u32) -> u32 {
        let Self { seed, index, values: known, .. } = self;
        let number = known.len() as u32;
        known.push(values);
        self.codes.push(codes);
        index.insert_unique(hash(seed, &values), number, |&number| hash(seed, &known[number as usize]));
        number
    }

    /// The number of the combination that has the same codes only.
    pub fn of_codes(&self, number: u32) -> u32 {
        self.codes.get(number as usize).copied().unwrap_or(number)
    }

    /// Is there no room for another that is told apart?
    pub fn is_full(&self) -> bool {
        self.values.len() >= COMBINATIONS_MAX
    }

    /// Forgets all but those whose numbers are `used`, and what has their codes. Gives by number the one that it has now, in the same order;
    /// `None` if that would forget too few to be worth it.
    pub fn keep(&mut self, mut used: Vec<bool>) -> Option<Vec<u32>> {
        used.resize(self.values.len(), false);
        for number in 0..used.len() {
            if used[number] {
                used[self.codes[number] as usize] = true;
            }
        }
        if used.iter().filter(|used| **used).count() > COMBINATIONS_MAX / 4 * 3 {
            return None;
        }
        let mut next = 0;
        let numbers: Vec<u32> = used
            .iter()
            .map(|used| {
                let number = next;
                next += u32::from(*used);
                number
            })
            .collect();
        let old = std::mem::take(&mut self.values).into_iter().zip(std::mem::take(&mut self.codes));
        self.index.clear();
        for ((values, codes), _) in old.zip(used).filter(|(_, used)| *used) {
            self.insert(values, numbers[codes as usize]);
        }
        Some(numbers)
    }

    /// What a number stands for.
    pub fn values(&self, number: u32) -> Option<&Values> {
        self.values.get(number as usize)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// True before the first.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.index.allocation_size() + self.values.capacity() * size_of::<Values>() + self.codes.capacity() * 4
    }
}

fn hash(seed: &Seed, values: &Values) -> u64 {
    seed.hash_one(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_numbered_once_and_bounded() {
        let mut combinations = Combinations::default();
        let values = |status| Values {
            result: Some(49),
            status: Some(status),
            route: None,
            method: Some(3),
            content_type: None,
        };
        assert_eq!([200, 404, 200].map(|status| combinations.number(values(status))), [Some(1), Some(3), Some(1)]);
        assert_eq!([0, 1, 2, 3].map(|number| combinations.of_codes(number)), [0, 0, 2, 2]);
        for status in 0..2 * COMBINATIONS_MAX as i64 {
            combinations.number(values(status));
        }
        assert_eq!((combinations.len(), combinations.number(values(-1))), (2 * COMBINATIONS_MAX, None));
        let late = combinations.number(values(COMBINATIONS_MAX as i64)).unwrap();
        assert_eq!(combinations.of_codes(late), late, "only codes are told apart");
        let kept = combinations.values(3).unwrap();
        let of = [Dimension::Status, Dimension::Route, Dimension::Method, Dimension::Site].map(|which| kept.of(which));
        assert_eq!(of, [Some(Value::Code(404)), None, Some(Value::Row(3)), None]);
    }

    #[test]
    fn those_that_are_used_keep_their_order_and_their_codes() {
        let mut combinations = Combinations::default();
        let values = |status, method| Values {
            result: Some(49),
            status: Some(status),
            route: None,
            method: Some(method),
            content_type: None,
        };
        let mut status = 0;
        while !combinations.is_full() {
            combinations.number(values(status % 100, 7 + status as u32 / 100));
            status += 1;
        }
        let all = combinations.clone();
        let mut used = vec![false; combinations.len()];
        assert!(combinations.keep(vec![true; combinations.len()]).is_none(), "all are used");
        (0..combinations.len()).step_by(97).for_each(|number| used[number] = true);
        let numbers = combinations.keep(used.clone()).unwrap();
        let mut last = None;
        for number in (0..all.len() as u32).filter(|number| used[*number as usize]) {
            let new = numbers[number as usize];
            assert!(last < Some(new));
            last = Some(new);
            assert_eq!(combinations.values(new), all.values(number));
            assert_eq!(combinations.find(all.values(number).unwrap()), Some(new));
            assert_eq!(combinations.values(combinations.of_codes(new)), all.values(all.of_codes(number)));
        }
        assert!(combinations.len() < all.len() / 10);
        let number = combinations.number(values(200, 3)).unwrap();
        assert_eq!(combinations.values(number), Some(&values(200, 3)), "there is room again");
    }
}
