//! Times of one key in few cells: below 32 ms exactly, above to 1/32 (spec/statistics.md 4.6, *small keys*).

/// Times below this have a cell each.
const EXACT: u64 = 32;

/// Cells of each doubling above.
const PER_OCTAVE: u64 = 16;

/// Doublings above [`EXACT`]: up to 2^24 ms (4.6 h); what took longer is in the last cell.
const OCTAVES: u64 = 19;

/// How many cells there are.
pub const CELLS: u16 = (EXACT + OCTAVES * PER_OCTAVE) as u16;

/// In place of a cell: the entry has no time.
pub const UNTIMED: u16 = (1 << BITS) - 1;

/// Bits of a cell, or [`UNTIMED`].
pub const BITS: u32 = 9;

const _: () = assert!(CELLS < UNTIMED);

/// The cell of a time in ms.
#[inline]
pub fn cell(ms: u64) -> u16 {
    if ms < EXACT {
        return ms as u16;
    }
    let octave = u64::from(ms.ilog2()) - 5;
    if octave >= OCTAVES {
        return CELLS - 1;
    }
    // The four bits behind the leading one.
    (EXACT + octave * PER_OCTAVE + ((ms >> (octave + 1)) & (PER_OCTAVE - 1))) as u16
}

/// The times of a cell, from the first to before the second.
pub fn range(cell: u16) -> (u64, u64) {
    let cell = u64::from(cell);
    if cell < EXACT {
        return (cell, cell + 1);
    }
    let (octave, sub) = ((cell - EXACT) / PER_OCTAVE, (cell - EXACT) % PER_OCTAVE);
    let width = 1 << (octave + 1);
    let from = (PER_OCTAVE + sub) * width;
    (from, from + width)
}

/// What stands for the times of a cell: its middle, within 1/32 of each.
pub fn middle(cell: u16) -> u64 {
    let (from, to) = range(cell);
    from + (to - from) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_follow_on_from_each_other_and_are_narrow() {
        let mut end = 0;
        for at in 0..CELLS {
            let (from, to) = range(at);
            assert_eq!(from, end);
            assert_eq!((cell(from), cell(to - 1)), (at, at));
            for time in [from, to - 1] {
                assert!(middle(at).abs_diff(time) * 32 <= time, "{time}");
            }
            end = to;
        }
        assert_eq!((end, cell(end), cell(u64::MAX)), (1 << 24, CELLS - 1, CELLS - 1));
    }
}
