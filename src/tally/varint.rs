//! Numbers in as few bytes as they need: unsigned LEB128, for what is kept at rest.

/// Appends a number.
pub fn write(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads numbers one after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// At the first number.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next number; `None` at the end.
    #[inline]
    pub fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
            shift = (shift + 7).min(63);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn numbers_come_back(numbers in proptest::collection::vec(proptest::prelude::any::<u64>(), 0..20), shift in 0..64_u32) {
            let numbers: Vec<u64> = numbers.into_iter().map(|number| number >> shift).collect();
            let mut bytes = Vec::new();
            numbers.iter().for_each(|&number| write(number, &mut bytes));
            let mut reader = Reader::new(&bytes);
            let read: Vec<u64> = std::iter::from_fn(|| reader.number()).collect();
            proptest::prop_assert_eq!(read, numbers);
        }
    }
}
