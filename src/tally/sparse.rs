//! Values by small numbers, of which few are in use at a time: an array of places, and the values side by side.

/// Values by number; those that are in use lie together, in the order in which they came.
#[derive(Clone, Debug)]
pub struct Sparse<V> {
    /// By number: one more than where its value is, or 0.
    places: Vec<u16>,
    numbers: Vec<u16>,
    values: Vec<V>,
}

impl<V> Default for Sparse<V> {
    fn default() -> Self {
        Self { places: Vec::new(), numbers: Vec::new(), values: Vec::new() }
    }
}

impl<V: Default> Sparse<V> {
    /// The value of a number, which is below [`u16::MAX`]; a new one if it has none.
    #[inline]
    pub fn get(&mut self, number: u16) -> &mut V {
        let place = self.places.get(usize::from(number)).copied().unwrap_or(0);
        // One less than 0 is beyond the end.
        let at = usize::from(place).wrapping_sub(1);
        let at = if at < self.values.len() { at } else { self.begin(number) };
        &mut self.values[at]
    }

    #[cold]
    fn begin(&mut self, number: u16) -> usize {
        let at = usize::from(number);
        if self.places.len() <= at {
            self.places.resize(at + 1, 0);
        }
        self.numbers.push(number);
        self.values.push(V::default());
        self.places[at] = self.values.len() as u16;
        self.values.len() - 1
    }

    /// True without a value.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Gives all numbers with their values, in the order in which they came, and forgets them; the room stays.
    pub fn drain(&mut self) -> impl Iterator<Item = (u16, V)> {
        for &number in &self.numbers {
            self.places[usize::from(number)] = 0;
        }
        self.numbers.drain(..).zip(self.values.drain(..))
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        (self.places.capacity() + self.numbers.capacity()) * size_of::<u16>() + self.values.capacity() * size_of::<V>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn each_number_has_what_was_given_to_it(rounds in prop::collection::vec(prop::collection::vec((0..u16::MAX, 0..9_u64), 0..60), 1..5)) {
            let mut sparse = Sparse::default();
            for round in rounds {
                let mut expected: BTreeMap<u16, u64> = BTreeMap::new();
                // Numbers that come again, and numbers that come once.
                for (number, more) in round.iter().flat_map(|&(number, more)| [(number, more), (number % 7, more)]) {
                    *sparse.get(number) += more;
                    *expected.entry(number).or_default() += more;
                }
                prop_assert_eq!(sparse.is_empty(), expected.is_empty());
                prop_assert!(sparse.bytes() >= expected.len() * 12);
                let mut found: Vec<(u16, u64)> = sparse.drain().collect();
                prop_assert!(sparse.is_empty());
                found.sort_unstable();
                prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
            }
        }
    }
}
