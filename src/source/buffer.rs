//! A connection's buffer: bytes are read behind what is there, decoded in place, and the tail of a cut message moves to the front.

use std::cell::Cell;
use std::rc::Rc;

/// Capacity of an idle connection's buffer: holds a whole default segment of 9216 bytes.
pub const SMALL: usize = 16 * 1024;

/// Capacity of a busy connection's buffer: about 2 % of the bytes are moved as tails.
pub const LARGE: usize = 256 * 1024;

/// After so many reads that would have fitted a small buffer a large one is given up.
const SHRINK_AFTER: u32 = 16;

/// What all buffers of one worker may take.
#[derive(Clone, Debug)]
pub struct Budget {
    used: Rc<Cell<usize>>,
    cap: usize,
}

impl Budget {
    /// A budget of `cap` bytes.
    pub fn new(cap: usize) -> Self {
        Self { used: Rc::default(), cap }
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    fn take(&self, bytes: usize) -> bool {
        let fits = self.used.get() + bytes <= self.cap;
        if fits {
            self.used.set(self.used.get() + bytes);
        }
        fits
    }

    fn give(&self, bytes: usize) {
        self.used.set(self.used.get() - bytes);
    }
}

/// The budget has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

/// One connection's buffer, counted against its worker's budget.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// Counted against the budget; stays so while a read owns `bytes`.
    capacity: usize,
    small_reads: u32,
    budget: Budget,
}

impl Buffer {
    /// A small buffer.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] in the budget.
    pub fn new(budget: &Budget) -> Result<Self, NoRoom> {
        if !budget.take(SMALL) {
            return Err(NoRoom);
        }
        Ok(Self { bytes: Vec::with_capacity(SMALL), capacity: SMALL, small_reads: 0, budget: budget.clone() })
    }

    /// The bytes, for a read that appends to them; give them back with [`Buffer::put`].
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Takes the bytes back; `read` of them are new.
    pub fn put(&mut self, bytes: Vec<u8>, read: usize) {
        self.small_reads = if read < SMALL / 2 { self.small_reads + 1 } else { 0 };
        self.bytes = bytes;
    }

    /// What is there.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Drops the first `used` bytes, and makes sure that the next read has room: for a message of `needed` bytes grows with what has
    /// arrived, never before; a full buffer grows to [`LARGE`]; one that is hardly used shrinks.
    ///
    /// # Errors
    ///
    /// [`NoRoom`] if the message can't go on for want of budget.
    pub fn consume(&mut self, used: usize, needed: usize) -> Result<(), NoRoom> {
        let was_full = self.bytes.len() == self.bytes.capacity();
        let rest = self.bytes.len() - used;
        self.bytes.copy_within(used.., 0);
        self.bytes.truncate(rest);
        if was_full && self.capacity < LARGE {
            // Without budget for it the connection just goes on in small steps.
            let _ = self.resize(LARGE);
        }
        if rest == self.capacity && needed > self.capacity {
            self.resize((self.capacity * 2).min(needed.next_power_of_two()).max(SMALL))?;
        }
        if self.small_reads >= SHRINK_AFTER && self.capacity > SMALL && rest < SMALL && needed <= SMALL {
            self.resize(SMALL)?;
            self.small_reads = 0;
        }
        Ok(())
    }

    fn resize(&mut self, capacity: usize) -> Result<(), NoRoom> {
        if capacity > self.capacity && !self.budget.take(capacity - self.capacity) {
            return Err(NoRoom);
        }
        if capacity < self.capacity {
            self.budget.give(self.capacity - capacity);
        }
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend_from_slice(&self.bytes);
        self.bytes = bytes;
        self.capacity = capacity;
        Ok(())
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.budget.give(self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(buffer: &mut Buffer, len: usize) {
        let mut bytes = buffer.take();
        assert!(bytes.len() + len <= bytes.capacity(), "no room for the read");
        bytes.resize(bytes.len() + len, 7);
        buffer.put(bytes, len);
    }

    #[test]
    fn a_cut_message_moves_to_the_front() {
        let mut buffer = Buffer::new(&Budget::new(LARGE)).unwrap();
        let mut bytes = buffer.take();
        bytes.extend_from_slice(b"used up|tail");
        buffer.put(bytes, 12);
        buffer.consume(8, 100).unwrap();
        assert_eq!(buffer.bytes(), b"tail");
    }

    #[test]
    fn a_full_buffer_grows_and_an_idle_one_shrinks() {
        let budget = Budget::new(LARGE);
        let mut buffer = Buffer::new(&budget).unwrap();
        fill(&mut buffer, SMALL);
        buffer.consume(SMALL, 4).unwrap();
        assert_eq!(budget.used(), LARGE);
        for _ in 0..SHRINK_AFTER {
            fill(&mut buffer, 100);
            buffer.consume(100, 4).unwrap();
        }
        assert_eq!(budget.used(), SMALL);
        drop(buffer);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_long_message_grows_with_what_arrived() {
        let budget = Budget::new(2 << 20);
        let mut buffer = Buffer::new(&budget).unwrap();
        let needed = 1 << 20;
        let mut seen = vec![budget.used()];
        while buffer.bytes().len() < needed {
            let room = buffer.bytes.capacity() - buffer.bytes.len();
            fill(&mut buffer, room);
            buffer.consume(0, needed).unwrap();
            seen.push(budget.used());
        }
        assert_eq!(seen, [SMALL, LARGE, 2 * LARGE, 4 * LARGE, 4 * LARGE]);
    }

    #[test]
    fn without_budget_small_messages_go_on_and_long_ones_do_not() {
        let budget = Budget::new(SMALL);
        let mut buffer = Buffer::new(&budget).unwrap();
        assert_eq!(Buffer::new(&budget).err(), Some(NoRoom));
        fill(&mut buffer, SMALL);
        assert_eq!(buffer.consume(9000, 9220), Ok(()));
        let room = SMALL - buffer.bytes().len();
        fill(&mut buffer, room);
        assert_eq!(buffer.consume(0, SMALL + 1), Err(NoRoom));
    }
}
