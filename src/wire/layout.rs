//! Layouts: how integers are stored, which changed with the eras of Traffic Server (spec/logbuffer.md 6).

use super::bytes::{i64_at, u32_at};

/// How the integers among an entry's values are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ints {
    /// 8 bytes, little-endian: every writer on the processors in use, since 2.1.1.
    #[default]
    Little,
    /// 8 bytes, big-endian: a writer on a big-endian processor.
    Big,
    /// 4 bytes, big-endian, and 4 of zero: 2.0.0 to 2.1.0.
    Short,
}

impl Ints {
    /// The integer at `at`, if its 8 bytes are wholly inside.
    #[inline]
    pub fn at(self, bytes: &[u8], at: usize) -> Option<i64> {
        let value = i64_at(bytes, at)?;
        match self {
            Self::Little => Some(value),
            Self::Big => Some(value.swap_bytes()),
            Self::Short => u32_at(bytes, at).map(|value| i64::from(value.swap_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_its_bytes() {
        let bytes = [0, 0, 0, 200, 0, 0, 0, 0, 1];
        assert_eq!(Ints::Short.at(&bytes, 0), Some(200));
        assert_eq!(Ints::Little.at(&bytes, 1), Some(0x0100_0000_00c8_0000));
        assert_eq!(Ints::Big.at(&bytes, 1), Some(0xc800_0000_0001));
        assert_eq!(Ints::Big.at(&bytes, 2), None);
    }
}
