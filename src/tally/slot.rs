//! Slots of entry time: how finely a worker tells entries apart by when they were, and the windows that are made of them.

/// An entry further ahead of now than this counts as of now: a node with a fast clock must not empty the windows of the others.
const AHEAD_MS: u64 = 10_000;

/// Width of a slot in seconds by the age that an entry has when it is seen (spec/statistics.md 4.1), in seconds.
const WIDTHS: [(u64, u32); 3] = [(600, 1), (3600, 10), (24 * 3600, 60)];

/// An interval of entry time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Unix seconds, a multiple of the width.
    pub start: u64,
    /// Seconds.
    pub width: u32,
}

/// Where an entry counts by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In that slot. All times from the second to before the third number (ms) are in it as long as *now* is the same.
    In(Slot, u64, u64),
    /// In the slot of now, for its clock is ahead. All times from the number on are.
    Ahead(Slot, u64),
    /// In no window any more: only in what is counted since the start. All times before the number are.
    Late(u64),
}

impl Slot {
    /// Where an entry of that time counts that is seen `now` (ms since the epoch).
    pub fn of(time: u64, now: u64) -> Place {
        let at = |ms: u64, width: u32| {
            let seconds = ms / 1000;
            Self { start: seconds - seconds % u64::from(width), width }
        };
        if time > now.saturating_add(AHEAD_MS) {
            return Place::Ahead(at(now, WIDTHS[0].1), now.saturating_add(AHEAD_MS).saturating_add(1));
        }
        let age = now.saturating_sub(time);
        let mut youngest = now.saturating_add(AHEAD_MS);
        for (oldest, width) in WIDTHS {
            let from = now.saturating_sub(oldest * 1000);
            if age <= oldest * 1000 {
                let slot = at(time, width);
                let end = (slot.start + u64::from(width)) * 1000;
                return Place::In(slot, from.max(slot.start * 1000), end.min(youngest.saturating_add(1)));
            }
            youngest = from.saturating_sub(1);
        }
        Place::Late(youngest.saturating_add(1))
    }
}

/// A window that ends now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Window {
    /// Since counting began.
    #[default]
    Total,
    /// A minute.
    Minute,
    /// Ten minutes.
    TenMinutes,
    /// An hour.
    Hour,
    /// 24 hours.
    Day,
}

impl Window {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Total, Self::Minute, Self::TenMinutes, Self::Hour, Self::Day];

    /// Its name in parameters and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Minute => "1m",
            Self::TenMinutes => "10m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    /// The window of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.name() == name)
    }

    /// Seconds; `None` for that since the start.
    pub fn seconds(self) -> Option<u64> {
        match self {
            Self::Total => None,
            Self::Minute => Some(60),
            Self::TenMinutes => Some(600),
            Self::Hour => Some(3600),
            Self::Day => Some(24 * 3600),
        }
    }
}

/// The time that a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// A window that ends now.
    Window(Window),
    /// All whole buckets that have a part of the time from the first moment to before the second, ms since the epoch.
    Between(u64, u64),
}

impl Period {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Window(window) => window.name(),
            Self::Between(..) => Self::CUSTOM,
        }
    }

    /// The name of any interval.
    pub const CUSTOM: &'static str = "custom";
}

impl From<Window> for Period {
    fn from(window: Window) -> Self {
        Self::Window(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_795_460_493_250;

    #[test]
    fn the_width_follows_the_age() {
        let slot = |time| match Slot::of(time, NOW) {
            Place::In(slot, ..) => Some((slot.start, slot.width)),
            Place::Ahead(slot, from) => {
                assert_eq!(from, NOW + 10_001);
                Some((slot.start, 0))
            }
            Place::Late(to) => {
                assert_eq!(to, NOW - 86_400_000);
                None
            }
        };
        let cases = [
            (NOW, Some((1_795_460_493, 1))),
            (NOW + 10_000, Some((1_795_460_503, 1))),
            (NOW + 10_001, Some((1_795_460_493, 0))),
            (u64::MAX, Some((1_795_460_493, 0))),
            (NOW - 600_000, Some((1_795_459_893, 1))),
            (NOW - 600_001, Some((1_795_459_890, 10))),
            (NOW - 3_600_001, Some((1_795_456_860, 60))),
            (NOW - 86_400_000, Some((1_795_374_060, 60))),
            (NOW - 86_400_001, None),
            (0, None),
        ];
        for (time, expected) in cases {
            assert_eq!(slot(time), expected, "{time}");
        }
    }

    proptest! {
        #[test]
        fn all_times_of_the_interval_told_are_in_the_slot(age in 0..100_000_000_u64, step in 0..70_000_u64, ahead in 0..12_000_u64) {
            let time = NOW + ahead - age.min(NOW);
            if let Place::In(slot, from, to) = Slot::of(time, NOW) {
                prop_assert!((from..to).contains(&time));
                let other = from + step % (to - from);
                prop_assert_eq!(Slot::of(other, NOW), Place::In(slot, from, to));
                for outside in [from - 1, to] {
                    let same = matches!(Slot::of(outside, NOW), Place::In(found, ..) if found == slot);
                    prop_assert!(!same, "{outside}");
                }
            }
        }
    }

    #[test]
    fn names_lead_back_to_windows() {
        for window in Window::ALL {
            assert_eq!(Window::by_name(window.name()), Some(window));
        }
        assert_eq!(Window::by_name("2h"), None);
    }
}
