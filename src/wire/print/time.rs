//! Dates and times of day in local time, by a time zone that is handed in.

use super::number::{push_decimal, push_two, push_two_digits};

/// The offset from UTC, and the time for which it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// Seconds east of UTC.
    pub seconds: i64,
    /// The first Unix second for which it holds.
    pub from: i64,
    /// The first behind `from` for which it doesn't.
    pub until: i64,
}

impl Offset {
    /// UTC, for ever.
    pub const UTC: Self = Self { seconds: 0, from: i64::MIN, until: i64::MAX };
}

/// A time zone: gives the offset at a Unix second.
pub type Zone<'a> = dyn Fn(i64) -> Offset + 'a;

/// A time zone that remembers the offset it gave last, as entries are close in time.
pub struct Clock<'a> {
    zone: &'a Zone<'a>,
    offset: Offset,
}

impl std::fmt::Debug for Clock<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl<'a> Clock<'a> {
    /// A clock of that zone.
    pub fn new(zone: &'a Zone<'a>) -> Self {
        Self { zone, offset: Offset { seconds: 0, from: 0, until: 0 } }
    }

    fn offset(&mut self, unix: i64) -> i64 {
        if unix < self.offset.from || unix >= self.offset.until {
            self.offset = (self.zone)(unix);
        }
        self.offset.seconds
    }

    /// `02/Jan/2006:15:04:05 -0700`.
    pub(super) fn push_netscape(&mut self, out: &mut Vec<u8>, unix: i64) {
        let Some((local, offset)) = self.local(out, unix) else { return };
        let (year, month, day) = civil(local.div_euclid(DAY));
        push_two(out, day);
        out.push(b'/');
        out.extend_from_slice(MONTHS[month as usize - 1]);
        out.push(b'/');
        push_decimal(out, year);
        out.push(b':');
        push_time_of_day(out, local);
        // Traffic Server gives UTC a minus.
        out.extend_from_slice(if offset > 0 { b" +" } else { b" -" });
        let minutes = offset.unsigned_abs() / 60;
        push_two(out, minutes / 60);
        push_two(out, minutes % 60);
    }

    /// `2006-01-02`.
    pub(super) fn push_date(&mut self, out: &mut Vec<u8>, unix: i64) {
        let Some((local, _)) = self.local(out, unix) else { return };
        let (year, month, day) = civil(local.div_euclid(DAY));
        push_decimal(out, year);
        out.push(b'-');
        push_two(out, month);
        out.push(b'-');
        push_two(out, day);
    }

    /// `15:04:05`.
    pub(super) fn push_time(&mut self, out: &mut Vec<u8>, unix: i64) {
        if let Some((local, _)) = self.local(out, unix) {
            push_time_of_day(out, local);
        }
    }

    /// Local seconds and their offset; times before 1970 are not printed by Traffic Server, which says so in their place.
    fn local(&mut self, out: &mut Vec<u8>, unix: i64) -> Option<(i64, i64)> {
        if unix < 0 {
            out.extend_from_slice(b"Bad timestamp");
            return None;
        }
        let offset = self.offset(unix);
        Some((unix.saturating_add(offset), offset))
    }
}

/// Seconds of a day.
const DAY: i64 = 86_400;

const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

fn push_time_of_day(out: &mut Vec<u8>, local: i64) {
    let second = local.rem_euclid(DAY) as u64;
    let mut text = *b"00:00:00";
    push_two_digits(&mut text, 0, second / 3600);
    push_two_digits(&mut text, 3, second / 60 % 60);
    push_two_digits(&mut text, 6, second % 60);
    out.extend_from_slice(&text);
}

/// Year, month from 1 and day from 1 of a day counted from the epoch, in the proleptic Gregorian calendar: years begin in March
/// here, so that the leap day is their last.
fn civil(day: i64) -> (i64, u64, u64) {
    const ERA: i64 = 146_097;
    // 1970-01-01 is day 719 468 from 0000-03-01.
    let day = day.saturating_add(719_468);
    let (era, of_era) = (day.div_euclid(ERA), day.rem_euclid(ERA));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5;
    let month_from_january = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month_from_january <= 2), month_from_january as u64, of_month as u64 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_dates() {
        let cases = [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (19_723, (2024, 1, 1)),
            (2_932_897, (10_000, 1, 1)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ];
        for (day, date) in cases {
            assert_eq!(civil(day), date, "{day}");
        }
        civil(i64::MAX);
        civil(i64::MIN);
    }

    #[test]
    fn local_times_are_those_that_traffic_logcat_prints() {
        let fixed = |seconds| move |_| Offset { seconds, ..Offset::UTC };
        let cases: &[(i64, i64, &str)] = &[
            (0, 1_720_000_000, "03/Jul/2024:09:46:40 -0000 2024-07-03 09:46:40"),
            (7200, 1_720_000_000, "03/Jul/2024:11:46:40 +0200 2024-07-03 11:46:40"),
            (-9000, 1_720_000_000, "03/Jul/2024:07:16:40 -0230 2024-07-03 07:16:40"),
            (-2670, 0, "31/Dec/1969:23:15:30 -0044 1969-12-31 23:15:30"),
            (0, 253_402_300_800, "01/Jan/10000:00:00:00 -0000 10000-01-01 00:00:00"),
            (3600, -1, "Bad timestamp Bad timestamp Bad timestamp"),
        ];
        for (seconds, unix, expected) in cases {
            let zone = fixed(*seconds);
            let mut clock = Clock::new(&zone);
            let mut out = Vec::new();
            clock.push_netscape(&mut out, *unix);
            out.push(b' ');
            clock.push_date(&mut out, *unix);
            out.push(b' ');
            clock.push_time(&mut out, *unix);
            assert_eq!(String::from_utf8(out).unwrap(), *expected);
        }
        let zone = fixed(3600);
        let mut clock = Clock::new(&zone);
        clock.push_netscape(&mut Vec::new(), i64::MAX);
    }

    #[test]
    fn the_zone_is_asked_again_when_its_offset_ends() {
        let zone = |unix| match unix {
            ..100 => Offset { seconds: 3600, from: i64::MIN, until: 100 },
            _ => Offset { seconds: 7200, from: 100, until: i64::MAX },
        };
        let mut clock = Clock::new(&zone);
        assert_eq!([0, 99, 100, 50, 1000].map(|unix| clock.offset(unix)), [3600, 3600, 7200, 3600, 7200]);
    }
}
