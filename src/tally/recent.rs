//! What texts meant of late: found by their ends, without a hash of the whole text.

use super::table::same_bytes;

/// Spreads a word over places: only the highest bits of the product depend on all of it.
pub(super) const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A text of at most 8 bytes as one word: different for all that are of one length. Its halves overlap, and so nothing is put
/// together byte by byte in memory: a word loaded from there would wait for each.
#[inline]
pub(super) fn word(text: &[u8]) -> u64 {
    let of = |start: Option<&[u8; 4]>, end: Option<&[u8; 4]>| Some((*start?, *end?));
    if let Some((start, end)) = of(text.first_chunk(), text.last_chunk()) {
        return u64::from(u32::from_le_bytes(start)) | u64::from(u32::from_le_bytes(end)) << 32;
    }
    match *text {
        [] => 0,
        [a] => a.into(),
        [a, b] => u64::from(a) | u64::from(b) << 8,
        [a, b, c, ..] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
    }
}

/// Texts that a remembered one may be.
const RECENT: usize = 256;

/// The longest text that is remembered.
const RECENT_MAX: usize = 512;

/// Rows of texts that entries had lately; each text has one place, which it takes from the one before.
#[derive(Clone, Debug)]
pub struct Recent<V = u32>(Box<[Remembered<V>; RECENT]>);

/// A text and its row.
#[derive(Clone, Debug)]
struct Remembered<V> {
    /// Of its first and last bytes: all of a short one.
    ends: u64,
    len: usize,
    row: Option<V>,
    text: Vec<u8>,
}

impl<V: Copy> Default for Recent<V> {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| Remembered { ends: 0, len: 0, row: None, text: Vec::new() })))
    }
}

/// Where a text that wasn't there lately would be.
#[derive(Clone, Copy, Debug)]
pub struct Vacant {
    place: usize,
    ends: u64,
}

impl<V: Copy> Recent<V> {
    /// The row of a text, looked for if it isn't known.
    #[inline]
    pub fn row(&mut self, text: &[u8], find: impl FnOnce() -> V) -> V {
        self.find(text).unwrap_or_else(|vacant| {
            let row = find();
            self.keep(vacant, text, row);
            row
        })
    }

    /// The row of a text, or where to [`Recent::keep`] it.
    ///
    /// # Errors
    ///
    /// [`Vacant`] if it isn't known.
    #[inline(always)]
    pub fn find(&self, text: &[u8]) -> Result<V, Vacant> {
        let ends = ends(text);
        let mixed = (ends ^ text.len() as u64).wrapping_mul(SPREAD);
        let place = (mixed >> (u64::BITS - RECENT.trailing_zeros())) as usize;
        let known = &self.0[place];
        match known.row {
            Some(row) if known.is(text, ends) => Ok(row),
            _ => Err(Vacant { place, ends }),
        }
    }

    /// Remembers the row of a text.
    #[inline(never)]
    pub fn keep(&mut self, Vacant { place, ends }: Vacant, text: &[u8], row: V) {
        if text.len() <= RECENT_MAX {
            let known = &mut self.0[place];
            known.text.clear();
            known.text.extend_from_slice(text);
            (known.ends, known.len, known.row) = (ends, text.len(), Some(row));
        }
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.0.iter_mut().for_each(|known| known.row = None);
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|known| known.text.capacity() + size_of::<Remembered<V>>()).sum()
    }
}

impl<V> Remembered<V> {
    #[inline]
    fn is(&self, text: &[u8], ends: u64) -> bool {
        self.ends == ends && self.len == text.len() && (text.len() < 8 || same_bytes(&self.text, text))
    }
}

/// The first and the last bytes of a text, different for all short ones of one length. Hosts of one site end alike, content types begin
/// alike.
#[inline]
fn ends(text: &[u8]) -> u64 {
    match text.len().checked_sub(8).map(|at| (text.first_chunk(), text[at..].first_chunk())) {
        Some((Some(head), Some(tail))) => u64::from_le_bytes(*head).rotate_left(32) ^ u64::from_le_bytes(*tail),
        _ => word(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn recent_texts_have_the_rows_that_were_found(texts in prop::collection::vec("[ab]{0,12}", 1..400), clear in 0..400_usize) {
            let mut recent = Recent::default();
            let mut rows: Vec<String> = Vec::new();
            for (at, text) in texts.iter().enumerate() {
                if at == clear {
                    recent.clear();
                    rows.clear();
                }
                let row = recent.row(text.as_bytes(), || {
                    rows.iter().position(|known| known == text).unwrap_or_else(|| {
                        rows.push(text.clone());
                        rows.len() - 1
                    }) as u32
                });
                prop_assert_eq!(&rows[row as usize], text);
            }
        }
    }

    #[test]
    fn short_texts_of_one_length_are_different_words() {
        let texts = |len: u32| {
            (0..3_u32.pow(len)).map(move |n| (0..len).map(|at| b"\0aZ"[(n / 3_u32.pow(at) % 3) as usize]).collect())
        };
        for len in 0..=8 {
            let texts: Vec<Vec<u8>> = texts(len).collect();
            let words: std::collections::HashSet<u64> = texts.iter().map(|text| word(text)).collect();
            assert_eq!(words.len(), texts.len());
        }
    }
}
