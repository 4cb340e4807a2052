//! Names by dense number, append-only, so that a copy shares all that is full.

use std::sync::Arc;

/// Names in one chunk: small enough that copying the open one costs nothing, large enough that the list of them is short.
const CHUNK: usize = 1024;

#[derive(Clone, Debug, Default)]
struct Chunk {
    ends: Vec<u32>,
    text: Vec<u8>,
}

impl Chunk {
    fn name(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.text[start..self.ends[index] as usize]
    }
}

/// Byte strings numbered from 0 in the order in which they were pushed. `clone` shares all full chunks.
#[derive(Clone, Debug, Default)]
pub struct Names {
    full: Vec<Arc<Chunk>>,
    open: Chunk,
    bytes: usize,
}

impl Names {
    /// Appends a name (at most 64 KiB; keys are far shorter) and gives its number.
    pub fn push(&mut self, name: &[u8]) -> u32 {
        let id = self.len() as u32;
        self.open.text.extend_from_slice(name);
        self.open.ends.push(self.open.text.len() as u32);
        self.bytes += name.len() + 4;
        if self.open.ends.len() == CHUNK {
            self.full.push(Arc::new(std::mem::take(&mut self.open)));
        }
        id
    }

    /// The name with that number.
    ///
    /// # Panics
    ///
    /// If no name has it.
    #[inline]
    pub fn name(&self, id: u32) -> &[u8] {
        let (chunk, index) = (id as usize / CHUNK, id as usize % CHUNK);
        self.full.get(chunk).map_or(&self.open, |full| full).name(index)
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.full.len() * CHUNK + self.open.ends.len()
    }

    /// True before the first.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory, nearly.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_to_names_across_chunks_and_copies() {
        let mut names = Names::default();
        let copy_at_1500 = {
            for n in 0..1500_u32 {
                assert_eq!(names.push(format!("name {n}").as_bytes()), n);
            }
            names.clone()
        };
        for n in 1500..5000_u32 {
            names.push(format!("name {n}").as_bytes());
        }
        assert_eq!((names.len(), copy_at_1500.len()), (5000, 1500));
        for n in [0, 1, 1023, 1024, 1499, 1500, 4999] {
            assert_eq!(names.name(n), format!("name {n}").as_bytes());
        }
        assert_eq!(copy_at_1500.name(1499), b"name 1499");
    }

    #[test]
    fn empty_names_are_names() {
        let mut names = Names::default();
        names.push(b"");
        names.push(b"a");
        names.push(b"");
        assert_eq!((names.name(0), names.name(1), names.name(2)), (&b""[..], &b"a"[..], &b""[..]));
    }
}
