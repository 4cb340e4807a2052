//! Reading integers and padded strings from borrowed bytes, checked.

/// The little-endian `u32` at `at`, if it is wholly inside.
#[inline]
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The little-endian `i32` at `at`, if it is wholly inside.
#[inline]
pub fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The little-endian `u64` at `at`, if it is wholly inside.
#[inline]
pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The little-endian `i64` at `at`, if it is wholly inside.
#[inline]
pub fn i64_at(bytes: &[u8], at: usize) -> Option<i64> {
    Some(i64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The next multiple of 8.
#[inline]
pub const fn align8(len: usize) -> usize {
    (len + 7) & !7
}

/// Length of the NUL-terminated string at the start of `bytes`; `None` if no NUL is there.
///
/// Padding is left-over memory, so the NUL is searched, 8 bytes at a time: most strings are short, and there this
/// beats a call of `memchr`. The lowest marked byte of a word is always right, higher ones may be false.
#[inline]
pub fn text_len(bytes: &[u8]) -> Option<usize> {
    let mut words = bytes.chunks_exact(8);
    for (i, word) in words.by_ref().enumerate() {
        let w = u64::from_le_bytes([word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]]);
        let zero = w.wrapping_sub(0x0101_0101_0101_0101) & !w & 0x8080_8080_8080_8080;
        if zero != 0 {
            return Some(i * 8 + zero.trailing_zeros() as usize / 8);
        }
    }
    let rest = words.remainder();
    rest.iter().position(|&byte| byte == 0).map(|at| bytes.len() - rest.len() + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_nul_is_found_where_a_plain_search_finds_it(bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0x80), any::<u8>()], 0..70)) {
            prop_assert_eq!(text_len(&bytes), bytes.iter().position(|&byte| byte == 0));
        }
    }

    #[test]
    fn integers_outside_are_none() {
        let bytes = [1, 0, 0, 0, 2, 0, 0, 0, 3];
        assert_eq!((u32_at(&bytes, 4), u32_at(&bytes, 6), u32_at(&bytes, 100)), (Some(2), None, None));
        assert_eq!((i64_at(&bytes, 0), i64_at(&bytes, 2)), (Some(0x2_0000_0001), None));
    }
}
