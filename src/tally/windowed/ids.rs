//! Keys by dense number, on the merger's side: what closed buckets and open tables call a key. Numbers that none of them uses are freed.

use std::sync::Arc;

use hashbrown::HashTable;

use super::summary::Row;

/// Spreads a part of a hash over a whole one.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    len: u32,
    /// A part of the hash.
    tag: u32,
}

/// Keys of one dimension. A number stays with its key until a sweep that doesn't find it marked.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    index: HashTable<u32>,
    named: Arc<Named>,
    free: Vec<u32>,
    /// By number, how many closed buckets have a row of it.
    buckets: Vec<u32>,
}

/// The keys of numbers: what a window needs of [`Ids`]. Copies share it until a key comes or goes.
#[derive(Clone, Debug, Default)]
pub struct Named {
    spans: Vec<Span>,
    text: Vec<u8>,
}

impl Named {
    /// The key of a number.
    ///
    /// # Panics
    ///
    /// If it was never given.
    pub fn key(&self, id: u32) -> &[u8] {
        let span = self.spans[id as usize];
        &self.text[span.start..][..span.len as usize]
    }

    /// All numbers are below this.
    pub fn end(&self) -> usize {
        self.spans.len()
    }

    /// A copy with as much room: more keys are about to come.
    fn copy(&self) -> Self {
        let mut copy =
            Self { spans: Vec::with_capacity(self.spans.capacity()), text: Vec::with_capacity(self.text.capacity()) };
        copy.spans.extend_from_slice(&self.spans);
        copy.text.extend_from_slice(&self.text);
        copy
    }
}

impl Ids {
    /// The number of a key, given to it if it has none. `hash` is the same for the same key, always.
    pub fn id(&mut self, key: &[u8], hash: u64) -> u32 {
        let Named { spans, text } = &*self.named;
        let tag = (hash >> 32) as u32 ^ hash as u32;
        let same = |id: &u32| {
            let span = spans[*id as usize];
            span.tag == tag && &text[span.start..][..span.len as usize] == key
        };
        if let Some(&id) = self.index.find(spread(tag), same) {
            return id;
        }
        if Arc::get_mut(&mut self.named).is_none() {
            self.named = Arc::new(self.named.copy());
        }
        let Named { spans, text } = Arc::make_mut(&mut self.named);
        let span = Span { start: text.len(), len: key.len() as u32, tag };
        text.extend_from_slice(key);
        let id = self.free.pop().unwrap_or(spans.len() as u32);
        match spans.get_mut(id as usize) {
            Some(free) => *free = span,
            None => {
                spans.push(span);
                self.buckets.push(0);
            }
        }
        self.index.insert_unique(spread(tag), id, |id| spread(spans[*id as usize].tag));
        id
    }

    /// The key of a number.
    ///
    /// # Panics
    ///
    /// If it was never given.
    pub fn key(&self, id: u32) -> &[u8] {
        self.named.key(id)
    }

    /// The keys of all numbers.
    pub fn named(&self) -> &Arc<Named> {
        &self.named
    }

    /// How many keys have a number.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// True if none has.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// All numbers are below this.
    pub fn end(&self) -> usize {
        self.named.end()
    }

    /// One more closed bucket has rows of these.
    pub fn hold(&mut self, rows: &[Row]) {
        rows.iter().for_each(|row| self.buckets[row.id as usize] += 1);
    }

    /// A closed bucket that had rows of these is gone.
    pub fn release(&mut self, rows: &[Row]) {
        rows.iter().for_each(|row| self.buckets[row.id as usize] -= 1);
    }

    /// By number, in how many closed buckets it is.
    pub fn buckets(&self) -> &[u32] {
        &self.buckets
    }

    /// Frees every number that is in no closed bucket and isn't marked; `marked` is [`Ids::end`] long.
    pub fn sweep(&mut self, marked: &[bool]) {
        let buckets = &self.buckets;
        let stays = |id: usize| marked[id] || buckets[id] > 0;
        self.index.retain(|id| stays(*id as usize));
        let used = (0..marked.len()).rev().find(|id| stays(*id)).map_or(0, |last| last + 1);
        // The lowest are given first: where numbers lie close, their differences pack well.
        self.free.clear();
        self.free.extend((0..used).rev().filter(|id| !stays(*id)).map(|id| id as u32));
        let before = std::mem::take(&mut self.named);
        let bytes: usize = (0..used).filter(|id| stays(*id)).map(|id| before.spans[id].len as usize).sum();
        // As many keys are likely to come as have gone; more room than that is given back.
        let room = |used: usize, before: usize| before.min(2 * used);
        let mut named = Named {
            spans: Vec::with_capacity(room(used, before.spans.len())),
            text: Vec::with_capacity(room(bytes, before.text.len())),
        };
        for (id, span) in before.spans[..used].iter().enumerate() {
            let start = named.text.len();
            if stays(id) {
                named.text.extend_from_slice(&before.text[span.start..][..span.len as usize]);
            }
            named.spans.push(Span { start, ..*span });
        }
        self.named = Arc::new(named);
        self.buckets.truncate(used);
        self.buckets.shrink_to(2 * used);
        self.free.shrink_to(2 * self.free.len());
        let spans = &self.named.spans;
        if self.index.capacity() > 4 * self.index.len() {
            self.index.shrink_to(2 * self.index.len(), |id| spread(spans[*id as usize].tag));
        }
    }

    /// Bytes that are in use: of memory, less the room for keys to come.
    pub fn bytes_in_use(&self) -> usize {
        let of_index = self.index.allocation_size() * self.index.len() / self.index.capacity().max(1);
        of_index + self.end() * (size_of::<Span>() + 4) + self.named.text.len() + self.free.len() * 4
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.index.allocation_size()
            + self.named.spans.capacity() * size_of::<Span>()
            + self.named.text.capacity()
            + (self.free.capacity() + self.buckets.capacity()) * 4
    }
}

fn spread(tag: u32) -> u64 {
    u64::from(tag).wrapping_mul(SPREAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn numbers_stay_with_their_keys_while_these_are_marked() {
        let hash = |key: &[u8]| key.iter().fold(7_u64, |hash, &byte| hash.wrapping_mul(31) + u64::from(byte));
        let mut ids = Ids::default();
        let mut known = HashMap::new();
        for round in 0..20 {
            for n in 0..200 {
                let key = format!("key {}", n * (round + 1)).into_bytes();
                let id = ids.id(&key, hash(&key));
                assert_eq!(*known.entry(key.clone()).or_insert(id), id);
                assert_eq!(ids.key(id), key);
            }
            let mut marked = vec![false; ids.end()];
            known.retain(|_, id| {
                marked[*id as usize] = *id % 3 != round % 3;
                marked[*id as usize]
            });
            ids.sweep(&marked);
            assert_eq!(ids.len(), known.len());
            assert!(known.iter().all(|(key, &id)| ids.key(id) == key));
        }
        ids.sweep(&vec![false; ids.end()]);
        assert_eq!((ids.len(), ids.end(), ids.bytes()), (0, 0, 0));
    }

    #[test]
    fn keys_of_one_hash_and_the_empty_key_are_different_keys() {
        let mut ids = Ids::default();
        let all: Vec<u32> = [&b""[..], b"a", b"b", b""].iter().map(|key| ids.id(key, 1)).collect();
        assert_eq!(all, [0, 1, 2, 0]);
    }
}
