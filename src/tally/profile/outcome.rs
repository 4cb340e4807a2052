//! What became of a request, as far as it tells how its origin does (spec/statistics.md 2.1, 2.4).

use crate::wire::codes::{self, Class};

/// What became of a request; each has exactly one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// Served from cache; nobody was asked.
    Fresh = 0,
    /// The cache asked whether its copy is still good (code `5`): it is.
    Unchanged = 1,
    /// The client asked the same, and the cache asked the origin first (code `9` with a route).
    Validated = 2,
    /// The cache asked in vain (code `6`), and served its old copy.
    Stale = 3,
    /// The cache asked (code `7`): a new copy came.
    Changed = 4,
    /// Any other miss.
    Missed = 5,
    /// The origin could not be reached.
    Connect = 6,
    /// Its name could not be resolved.
    Dns = 7,
    /// It was too slow.
    Timeout = 8,
    /// It failed otherwise.
    Server = 9,
    /// Ended by client or proxy.
    Other = 10,
    /// The entry's format has no result code.
    Unknown = 11,
}

impl Outcome {
    /// All of them, by number.
    pub const ALL: [Self; 12] = [
        Self::Fresh,
        Self::Unchanged,
        Self::Validated,
        Self::Stale,
        Self::Changed,
        Self::Missed,
        Self::Connect,
        Self::Dns,
        Self::Timeout,
        Self::Server,
        Self::Other,
        Self::Unknown,
    ];

    /// The outcome of an entry of that result code and route; `None` where its format has none.
    pub fn of(result: Option<i64>, route: Option<i64>) -> Self {
        let Some(result) = result else { return Self::Unknown };
        match codes::result_class(result) {
            Class::HitConditional if route.is_some_and(|route| !codes::route_is_none(route)) => Self::Validated,
            Class::HitDisk | Class::HitMemory | Class::HitCollapsed | Class::HitConditional | Class::HitRedirect => {
                Self::Fresh
            }
            Class::HitRevalidated => Self::Unchanged,
            Class::HitStaleOnError => Self::Stale,
            Class::MissChanged => Self::Changed,
            Class::ErrorConnect => Self::Connect,
            Class::ErrorDns => Self::Dns,
            Class::ErrorTimeout => Self::Timeout,
            Class::ErrorServer => Self::Server,
            class if class.is_miss() => Self::Missed,
            _ => Self::Other,
        }
    }

    /// Served from cache, whether the origin was asked or not.
    pub fn is_hit(self) -> bool {
        matches!(self, Self::Fresh | Self::Unchanged | Self::Validated | Self::Stale)
    }

    /// Another server was needed.
    pub fn is_upstream(self) -> bool {
        !matches!(self, Self::Fresh | Self::Other | Self::Unknown)
    }

    /// Another server was needed, and the result is no error: of these is *miss time* (spec/statistics.md P7, P9).
    pub fn is_miss_time(self) -> bool {
        matches!(self, Self::Unchanged | Self::Validated | Self::Stale | Self::Changed | Self::Missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_outcomes_of_the_specification() {
        let cases = [
            (b'.', Outcome::Fresh),
            (b'F', Outcome::Fresh),
            (b'9', Outcome::Fresh),
            (b'5', Outcome::Unchanged),
            (b'6', Outcome::Stale),
            (b'7', Outcome::Changed),
            (b'3', Outcome::Missed),
            (b'8', Outcome::Missed),
            (b']', Outcome::Missed),
            (b'u', Outcome::Connect),
            (b'z', Outcome::Dns),
            (b'p', Outcome::Timeout),
            (b's', Outcome::Server),
            (b'c', Outcome::Other),
            (b't', Outcome::Other),
            (b'D', Outcome::Other),
            (b'0', Outcome::Other),
            (200, Outcome::Other),
        ];
        for (code, expected) in cases {
            assert_eq!(Outcome::of(Some(i64::from(code)), Some(i64::from(b'1'))), expected, "{code}");
        }
        assert_eq!(Outcome::of(Some(i64::from(b'9')), Some(i64::from(b'2'))), Outcome::Validated);
        assert_eq!(Outcome::of(Some(i64::from(b'9')), None), Outcome::Fresh);
        assert_eq!(Outcome::of(None, Some(i64::from(b'2'))), Outcome::Unknown);
        for (number, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, number);
            assert!(!outcome.is_miss_time() || outcome.is_upstream());
        }
    }
}
