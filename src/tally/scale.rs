//! Scales of histograms: small numbers exactly, larger ones in cells of equal relative width (spec/statistics.md 4.6).

/// Where numbers are counted: below 2^`bits` each in a cell of its own; of each doubling above, 2^(`bits` - 1) cells, the middle of which is
/// within one 2^`bits`th of any number in it. What is beyond the last doubling is in the last cell.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    bits: u32,
    doublings: u64,
}

impl Scale {
    /// The scale from 0 to 2^(`bits` + `doublings`).
    pub const fn new(bits: u32, doublings: u64) -> Self {
        Self { bits, doublings }
    }

    /// How many cells it has.
    pub const fn cells(self) -> u16 {
        ((1 << self.bits) + (self.doublings << (self.bits - 1))) as u16
    }

    /// The cell of a number.
    #[inline]
    pub const fn cell(self, value: u64) -> u16 {
        let Self { bits, doublings } = self;
        if value < 1 << bits {
            return value as u16;
        }
        let doubling = (value.ilog2() - bits) as u64;
        if doubling >= doublings {
            return self.cells() - 1;
        }
        // The bits behind the leading one.
        let part = (value >> (doubling + 1)) & ((1 << (bits - 1)) - 1);
        ((1 << bits) + (doubling << (bits - 1)) + part) as u16
    }

    /// The numbers of a cell, from the first to before the second.
    pub const fn range(self, cell: u16) -> (u64, u64) {
        let (cell, exact, per_doubling) = (cell as u64, 1 << self.bits, 1 << (self.bits - 1));
        if cell < exact {
            return (cell, cell + 1);
        }
        let (doubling, part) = ((cell - exact) / per_doubling, (cell - exact) % per_doubling);
        let width = 1 << (doubling + 1);
        let from = (per_doubling + part) * width;
        (from, from + width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_follow_on_from_each_other_and_are_narrow() {
        for (bits, doublings) in [(5, 19), (7, 33), (3, 7)] {
            let scale = Scale::new(bits, doublings);
            let mut end = 0;
            for cell in 0..scale.cells() {
                let (from, to) = scale.range(cell);
                assert_eq!(from, end);
                let last = to - 1;
                assert_eq!((scale.cell(from), scale.cell(last)), (cell, cell));
                assert!(from < 1 << bits || (last - from) << (bits - 1) <= from, "{from} to {last}");
                end = to;
            }
            assert_eq!(end, 1 << (u64::from(bits) + doublings));
            assert_eq!([end, u64::MAX].map(|beyond| scale.cell(beyond)), [scale.cells() - 1; 2]);
        }
    }
}
