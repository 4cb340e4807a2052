//! Slots: which bucket an entry goes to, by its own time and its age when it was seen (guide/windows.md 1). Times are ms since the epoch.

/// An entry further ahead of now than this counts as now's: one fast clock never empties the others' windows (spec/statistics.md 4.1).
pub const AHEAD: u64 = 10_000;

/// The windows, each with buckets of its own width (guide/windows.md 1, *bucket plan*). A bucket of one flows into that of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// 1 min, in buckets of 2 s.
    Minute,
    /// 10 min, in buckets of 20 s.
    TenMinutes,
    /// 1 h, in buckets of 2 min.
    Hour,
    /// 24 h, in buckets of 30 min.
    Day,
    /// Since counting began: one bucket, which never closes.
    Start,
}

impl Level {
    /// All of them, the finest first.
    pub const ALL: [Self; 5] = [Self::Minute, Self::TenMinutes, Self::Hour, Self::Day, Self::Start];

    /// Those whose buckets close.
    pub const CLOSING: [Self; 4] = [Self::Minute, Self::TenMinutes, Self::Hour, Self::Day];

    /// Width of a bucket, in ms.
    #[inline]
    pub const fn width(self) -> u64 {
        match self {
            Self::Minute => 2_000,
            Self::TenMinutes => 20_000,
            Self::Hour => 120_000,
            Self::Day => 1_800_000,
            Self::Start => u64::MAX,
        }
    }

    /// How long the window is, in ms.
    #[inline]
    pub const fn span(self) -> u64 {
        match self {
            Self::Minute => 60_000,
            Self::TenMinutes => 600_000,
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
            Self::Start => u64::MAX,
        }
    }

    /// The level that its buckets flow into; that since the start flows nowhere.
    pub const fn next(self) -> Self {
        match self {
            Self::Minute => Self::TenMinutes,
            Self::TenMinutes => Self::Hour,
            Self::Hour => Self::Day,
            Self::Day | Self::Start => Self::Start,
        }
    }

    /// Start of the bucket that has `time`.
    #[inline]
    pub const fn floor(self, time: u64) -> u64 {
        time - time % self.width()
    }

    /// Start of the oldest bucket of which a window that ends `now` has a part.
    #[inline]
    pub const fn first(self, now: u64) -> u64 {
        self.floor(now.saturating_sub(self.span()))
    }

    /// End of a bucket, which is the start of the one behind it.
    #[inline]
    pub const fn end(self, start: u64) -> u64 {
        start.saturating_add(self.width())
    }
}

// A bucket lies in one bucket of the next level, and a window is a whole number of buckets.
const _: () = {
    let mut at = 0;
    while at < Level::CLOSING.len() {
        let (level, next) = (Level::ALL[at], Level::ALL[at + 1]);
        assert!(level.span() % level.width() == 0);
        assert!(matches!(next, Level::Start) || next.width() % level.width() == 0);
        at += 1;
    }
};

/// A bucket of one level: where an entry is counted first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// Its first ms.
    pub start: u64,
    /// How wide it is.
    pub level: Level,
}

impl Slot {
    /// The slot of entries that are in no window any more.
    pub const START: Self = Self { start: 0, level: Level::Start };

    /// The slot of an entry of `time` that is seen `now`: the finest whose bucket a window that ends now still has a part of, so that
    /// every bucket of a window is whole, however late its entries come.
    #[inline]
    pub fn of(time: u64, now: u64) -> Self {
        let time = if is_ahead(time, now) { now } else { time };
        for level in Level::CLOSING {
            let start = level.floor(time);
            if start >= level.first(now) {
                return Self { start, level };
            }
        }
        Self::START
    }
}

/// True for an entry so far ahead of now that it counts as now's, and raises *clock offset* (spec/statistics.md Q4).
#[inline]
pub fn is_ahead(time: u64, now: u64) -> bool {
    time > now.saturating_add(AHEAD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_slot_is_as_wide_as_the_entry_is_old() {
        const NOW: u64 = 1_700_000_000_500;
        let cases = [
            ("new", NOW, Level::Minute, 1_700_000_000_000),
            ("ahead a little", NOW + AHEAD, Level::Minute, 1_700_000_010_000),
            ("ahead too much", NOW + AHEAD + 1, Level::Minute, 1_700_000_000_000),
            ("as old as the window's oldest bucket", NOW - 60_500, Level::Minute, 1_699_999_940_000),
            ("older by a ms", NOW - 60_501, Level::TenMinutes, 1_699_999_920_000),
            ("ten minutes", NOW - 600_500, Level::TenMinutes, 1_699_999_400_000),
            ("more", NOW - 620_501, Level::Hour, 1_699_999_320_000),
            ("two hours", NOW - 7_200_000, Level::Day, 1_699_992_000_000),
            ("two days", NOW - 172_800_000, Level::Start, 0),
            ("the epoch", 0, Level::Start, 0),
        ];
        for (name, time, level, start) in cases {
            assert_eq!(Slot::of(time, NOW), Slot { start, level }, "{name}");
        }
        assert_eq!(Slot::of(u64::MAX, 3), Slot { start: 0, level: Level::Minute }, "the first second of the epoch");
    }

    proptest! {
        #[test]
        fn whatever_a_later_window_shows_was_counted_as_finely(time in 0..200_000_000_u64, age in 0..100_000_000_u64, later in 0..100_000_000_u64) {
            let now = time + age;
            let slot = Slot::of(time, now);
            for level in Level::CLOSING {
                if level.floor(time) >= level.first(now + later) {
                    prop_assert!(slot.level <= level);
                }
            }
            prop_assert!(slot.start <= time && time < slot.level.end(slot.start));
        }
    }
}
