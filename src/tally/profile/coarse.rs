//! Times of one key in few cells: below 32 ms exactly, above to 1/32 (spec/statistics.md 4.6, *small keys*).

use crate::tally::scale::Scale;

/// Up to 2^24 ms (4.6 h); what took longer is in the last cell.
const SCALE: Scale = Scale::new(5, 19);

/// How many cells there are.
pub const CELLS: u16 = SCALE.cells();

/// In place of a cell: the entry has no time.
pub const UNTIMED: u16 = (1 << BITS) - 1;

/// Bits of a cell, or [`UNTIMED`].
pub const BITS: u32 = 9;

const _: () = assert!(CELLS < UNTIMED);

/// The cell of a time in ms.
#[inline]
pub fn cell(ms: u64) -> u16 {
    SCALE.cell(ms)
}

/// The times of a cell, from the first to before the second.
pub fn range(cell: u16) -> (u64, u64) {
    SCALE.range(cell)
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
