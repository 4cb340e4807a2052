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
        if let Some(at) = nul_in_word([word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]]) {
            return Some(i * 8 + at);
        }
    }
    let rest = words.remainder();
    rest.iter().position(|&byte| byte == 0).map(|at| bytes.len() - rest.len() + at)
}

/// Like [`text_len`], where the string ends before `limit` if all is well, and what lies behind may be looked at: a NUL found beyond
/// `limit`, but near it, may be given too. So whole blocks can be searched up to the end of an entry, and a string of any usual length takes
/// one step, without a branch that depends on its length.
#[inline(always)]
pub fn text_len_ahead(bytes: &[u8], limit: usize) -> Option<usize> {
    if let Some(block) = bytes.first_chunk::<FIRST>() {
        let found = nuls(block);
        if found != 0 {
            return Some(found.trailing_zeros() as usize);
        }
    }
    long_text_len_ahead(bytes, limit)
}

/// Of a string that doesn't end in its first block, or near the end of what may be looked at.
#[inline(never)]
fn long_text_len_ahead(bytes: &[u8], limit: usize) -> Option<usize> {
    let mut at = if bytes.len() < FIRST { 0 } else { FIRST };
    while at < limit {
        let rest = bytes.get(at..)?;
        let Some(block) = rest.first_chunk::<BLOCK>() else {
            return text_len(rest).map(|len| at + len);
        };
        let found = nuls(block);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += BLOCK;
    }
    None
}

#[inline]
pub(super) fn nul_in_word(word: [u8; 8]) -> Option<usize> {
    let zero = zero_bytes(u64::from_le_bytes(word));
    (zero != 0).then(|| zero.trailing_zeros() as usize / 8)
}

/// Marks the bytes of a word that are 0, in their highest bit: the lowest marked one is right, higher ones may be false.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080
}

/// Bytes searched in the first step, where nearly all strings but URLs end, and in each later one: nearly all URLs end in the second.
const FIRST: usize = 32;
const BLOCK: usize = 64;

/// A bit for each byte that is 0, the first one lowest.
#[inline(always)]
fn nuls<const LEN: usize>(block: &[u8; LEN]) -> u64 {
    let parts = block.as_chunks().0.iter().enumerate();
    parts.fold(0, |mask, (at, part)| mask | u64::from(nuls_of_part(part)) << (at * PART))
}

/// Bytes of a vector register.
pub(super) const PART: usize = 16;

#[inline]
fn nuls_of_part(part: &[u8; PART]) -> u32 {
    equal_in_part(part, [0])
}

/// A bit for each byte that is one of those that are `looked_for`, the first one lowest.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "the vector registers halve the time of a text; measured with scripts/bench-ingest")]
pub(super) fn equal_in_part<const COUNT: usize>(part: &[u8; PART], looked_for: [u8; COUNT]) -> u32 {
    use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_set1_epi8};
    use std::arch::x86_64::{_mm_or_si128, _mm_setzero_si128};
    // SAFETY: SSE2 is a part of x86-64; the load reads the 16 bytes of `part`, and needs no alignment.
    unsafe {
        let bytes = _mm_loadu_si128(part.as_ptr().cast::<__m128i>());
        let equal = looked_for.map(|byte| _mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte as i8)));
        _mm_movemask_epi8(equal.into_iter().fold(_mm_setzero_si128(), |all, equal| _mm_or_si128(all, equal))) as u32
    }
}

#[cfg(not(target_arch = "x86_64"))]
use plain_equal as equal_in_part;

/// What `equal_in_part` gives, in plain words: its reference, and its stand-in on other processors.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn plain_equal<const COUNT: usize>(part: &[u8; PART], looked_for: [u8; COUNT]) -> u32 {
    part.iter().enumerate().fold(0, |mask, (at, byte)| mask | u32::from(looked_for.contains(byte)) << at)
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

        #[test]
        fn a_block_is_searched_as_plainly(block in prop::collection::vec(prop_oneof![1 => Just(0_u8), 1 => Just(7), 1 => Just(200), 9 => any::<u8>()], BLOCK)) {
            let plain = |block: &[u8]| block.iter().rev().fold(0, |mask: u64, &byte| mask << 1 | u64::from(byte == 0));
            prop_assert_eq!(nuls(block.first_chunk::<BLOCK>().unwrap()), plain(&block));
            prop_assert_eq!(nuls(block.first_chunk::<FIRST>().unwrap()), plain(&block[..FIRST]));
            for part in block.as_chunks().0 {
                prop_assert_eq!(equal_in_part(part, [0, 7, 200]), plain_equal(part, [0, 7, 200]));
            }
        }

        #[test]
        fn looking_ahead_finds_the_same_inside_the_limit(
            bytes in prop::collection::vec(prop_oneof![1 => Just(0_u8), 60 => 1..=255_u8], 0..300), limit in 0..300_usize,
        ) {
            let limit = (limit & !7).min(bytes.len() & !7);
            let inside = |len: Option<usize>| len.filter(|&len| len < limit);
            prop_assert_eq!(inside(text_len_ahead(&bytes, limit)), inside(text_len(&bytes)));
            prop_assert!(text_len_ahead(&bytes, limit).is_none_or(|len| len < limit + BLOCK));
        }
    }

    #[test]
    fn integers_outside_are_none() {
        let bytes = [1, 0, 0, 0, 2, 0, 0, 0, 3];
        assert_eq!((u32_at(&bytes, 4), u32_at(&bytes, 6), u32_at(&bytes, 100)), (Some(2), None, None));
        assert_eq!((i64_at(&bytes, 0), i64_at(&bytes, 2)), (Some(0x2_0000_0001), None));
    }
}
