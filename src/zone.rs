//! The local time zone, found as the C library finds it, so that local times are those that Traffic Server's tools print here.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::wire::print::Offset;

/// Where zones are by name, unless `TZDIR` says otherwise.
const ZONES: &str = "/usr/share/zoneinfo";

/// The zone that is in force without the variable `TZ`.
const LOCAL: &str = "/etc/localtime";

/// The zone that the environment asks for: `TZ` is a name, a file, or a rule such as `CET-1CEST,M3.5.0,M10.5.0/3`; without it
/// `/etc/localtime` is read. What can't be read is UTC.
pub fn local() -> TimeZone {
    let folder = std::env::var_os("TZDIR").map_or_else(|| ZONES.into(), PathBuf::from);
    of(std::env::var_os("TZ").as_deref(), &folder)
}

fn of(variable: Option<&OsStr>, folder: &Path) -> TimeZone {
    let Some(variable) = variable else {
        return file(Path::new(LOCAL)).unwrap_or(TimeZone::UTC);
    };
    let text = variable.to_string_lossy();
    let text = text.strip_prefix(':').unwrap_or(&text);
    if text.is_empty() {
        return TimeZone::UTC;
    }
    let path = if text.starts_with('/') { PathBuf::from(text) } else { folder.join(text) };
    file(&path).or_else(|| TimeZone::posix(text).ok()).unwrap_or(TimeZone::UTC)
}

fn file(path: &Path) -> Option<TimeZone> {
    TimeZone::tzif("local", &fs::read(path).ok()?).ok()
}

/// The offset of the local time at a Unix second, and how long it holds. The zone is that of the program's start.
pub fn at(unix: i64) -> Offset {
    static ZONE: OnceLock<TimeZone> = OnceLock::new();
    offset(ZONE.get_or_init(local), unix)
}

/// The offset at a Unix second, and how long it holds. Beyond the years 0 to 9999 it is that of the nearest second there.
pub fn offset(zone: &TimeZone, unix: i64) -> Offset {
    let (first, last) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    let Ok(at) = Timestamp::from_second(unix.clamp(first, last - 1)) else { return Offset::UTC };
    let next = zone.following(at).next().map_or(i64::MAX, |transition| transition.timestamp().as_second());
    Offset { seconds: zone.to_offset(at).seconds().into(), from: unix, until: next.max(unix.saturating_add(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(variable: &str, unix: i64) -> i64 {
        offset(&of(Some(OsStr::new(variable)), Path::new(ZONES)), unix).seconds
    }

    #[test]
    fn zones_are_rules_and_what_is_neither_is_utc() {
        let summer = 1_720_000_000;
        let winter = 1_700_000_000;
        let cases = [
            ("", summer, 0),
            ("UTC", summer, 0),
            ("Nonsense/Zone", summer, 0),
            ("Foo", summer, 0),
            ("Foo5", summer, -18_000),
            (":Foo5", summer, -18_000),
            ("CET-1CEST,M3.5.0,M10.5.0/3", summer, 7200),
            ("CET-1CEST,M3.5.0,M10.5.0/3", winter, 3600),
            ("CET-1CEST,M3.5.0,M10.5.0/3", i64::MAX, 3600),
            ("<-0930>9:30", summer, -34_200),
        ];
        for (variable, unix, expected) in cases {
            assert_eq!(seconds(variable, unix), expected, "{variable}");
        }
    }

    #[test]
    fn an_offset_holds_until_the_next_change() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        // 2024-03-31 01:00 UTC.
        let change = 1_711_846_800;
        let before = offset(&zone, change - 100);
        assert_eq!((before.seconds, before.from, before.until), (3600, change - 100, change));
        let behind = offset(&zone, change);
        assert_eq!((behind.seconds, behind.until), (7200, 1_729_990_800));
        assert_eq!(offset(&TimeZone::UTC, 5), Offset { seconds: 0, from: 5, until: i64::MAX });
    }
}
