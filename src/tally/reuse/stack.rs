//! The stack of a least-recently-used cache that holds everything: objects and their sizes in the order of the last requests.
//!
//! How much lies above an object, that is, how much was asked for since, takes a few steps in a tree of sums (Fenwick, *A new data structure
//! for cumulative frequency tables*, 1994) over the places that objects got one after the other.

/// Greatest size that counts, bytes: sums of as many objects as there may be stay below 2^63.
pub const SIZE_MAX: u64 = 1 << 48;

/// A number of objects, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub objects: u64,
    /// Their sizes added up.
    pub bytes: u64,
}

impl Sum {
    fn plus(self, size: u64) -> Self {
        Self { objects: self.objects + 1, bytes: self.bytes + size }
    }

    fn minus(self, size: u64) -> Self {
        Self { objects: self.objects - 1, bytes: self.bytes - size }
    }
}

/// Objects by place.
#[derive(Debug)]
pub struct Stack {
    /// At n (from 1) the sum of as many places up to n as its lowest set bit says.
    sums: Vec<Sum>,
    /// Places given.
    used: usize,
    total: Sum,
}

impl Stack {
    /// So many places are given before all must be given anew.
    pub fn new(places: usize) -> Self {
        Self { sums: vec![Sum::default(); places + 1], used: 0, total: Sum::default() }
    }

    /// All places are given: [`Stack::clear`] it, and push what it has in the order of the old places.
    pub fn is_full(&self) -> bool {
        self.used + 1 >= self.sums.len()
    }

    /// Puts an object on top; gives its place.
    pub fn push(&mut self, size: u64) -> u32 {
        self.used += 1;
        self.change(self.used, |sum| sum.plus(size));
        self.total = self.total.plus(size);
        self.used as u32
    }

    /// Takes an object of that size from its place.
    pub fn remove(&mut self, place: u32, size: u64) {
        self.change(place as usize, |sum| sum.minus(size));
        self.total = self.total.minus(size);
    }

    fn change(&mut self, place: usize, change: impl Fn(Sum) -> Sum) {
        let mut at = place;
        while let Some(sum) = self.sums.get_mut(at) {
            *sum = change(*sum);
            at += at & at.wrapping_neg();
        }
    }

    /// What lies above that place.
    pub fn above(&self, place: u32) -> Sum {
        let (mut at, mut above) = (place as usize, self.total);
        while at > 0 {
            let part = self.sums[at];
            above = Sum { objects: above.objects - part.objects, bytes: above.bytes - part.bytes };
            at &= at - 1;
        }
        above
    }

    /// All there is.
    pub fn total(&self) -> Sum {
        self.total
    }

    /// Takes everything, and all places can be given again.
    pub fn clear(&mut self) {
        self.sums.fill(Sum::default());
        (self.used, self.total) = (0, Sum::default());
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.sums.capacity() * size_of::<Sum>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_lies_above_is_what_was_pushed_since_and_is_there(
            moves in prop::collection::vec((0..100_usize, 0..5000_u64, any::<bool>()), 1..100),
        ) {
            let mut stack = Stack::new(moves.len());
            let mut there: Vec<(u32, u64)> = Vec::new();
            for (which, size, removes) in moves {
                if removes && !there.is_empty() {
                    let (place, size) = there.remove(which % there.len());
                    stack.remove(place, size);
                } else {
                    prop_assert!(!stack.is_full());
                    there.push((stack.push(size), size));
                }
                for (at, (place, _)) in there.iter().enumerate() {
                    let expected = there[at + 1..].iter().fold(Sum::default(), |sum, (_, size)| sum.plus(*size));
                    prop_assert_eq!(stack.above(*place), expected);
                }
                prop_assert_eq!(stack.total().objects, there.len() as u64);
            }
        }
    }

    #[test]
    fn it_is_full_once_all_places_are_given() {
        let mut stack = Stack::new(2);
        assert_eq!((stack.push(1), stack.is_full()), (1, false));
        assert_eq!((stack.push(1), stack.is_full()), (2, true));
        stack.clear();
        assert_eq!((stack.total(), stack.is_full(), stack.push(7)), (Sum::default(), false, 1));
    }
}
