//! What becomes of an entry: its band, and what it adds to its rows (spec/statistics.md 2).

use super::counts::{Band, Increment};
use crate::wire::codes::{self, Class};
use crate::wire::plan::{Fields, Has, Number};

/// Inter-cache entries are no requests.
#[inline]
pub fn is_icp(has: Has, fields: &Fields<'_>) -> bool {
    (has.has_number(Number::Result) && codes::result_class(fields.number(Number::Result)).is_icp())
        || (has.has_number(Number::EntryType) && fields.number(Number::EntryType) == 1)
}

/// What the codes of an entry say, which is the same for all entries that have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    band: Band,
    /// Its bytes came from an origin, if nothing else says how many did.
    is_from_origin: bool,
    /// One of the codes has no name.
    pub is_unknown: bool,
}

impl Verdict {
    /// By the codes that the entry's format has (spec/statistics.md 2).
    pub fn of(result: Option<i64>, status: Option<i64>, route: Option<i64>) -> Self {
        let (band, is_from_origin) = result.map_or((Band::Unknown, false), |result| band(result, status, route));
        let is_unknown = result.is_some_and(|code| !codes::is_known_result(code))
            || route.is_some_and(|code| !codes::is_known_route(code));
        Self { band, is_from_origin, is_unknown }
    }

    /// What an entry with these codes adds to its rows: band, bytes, time (spec/statistics.md 2, N4). Negative sizes and times count as 0.
    #[inline]
    pub fn increment(self, has: Has, fields: &Fields<'_>) -> Increment {
        let bytes = fields.number(Number::Bytes).max(0) as u64;
        let origin_bytes = match (has.has_number(Number::OriginBytes), self.is_from_origin) {
            (true, _) => fields.number(Number::OriginBytes).max(0) as u64,
            (false, true) => bytes,
            (false, false) => 0,
        };
        let timed = u64::from(has.has_number(Number::Time));
        Increment { band: self.band, bytes, origin_bytes, timed, time_ms: fields.number(Number::Time).max(0) as u64 }
    }
}

/// Has an entry a negative size or time? A number that its format lacks is 0.
#[inline]
pub fn is_negative(fields: &Fields<'_>) -> bool {
    (fields.number(Number::Bytes) | fields.number(Number::Time)) < 0
}

/// The number of an entry whose format has it.
#[inline]
pub fn code(has: Has, fields: &Fields<'_>, number: Number) -> Option<i64> {
    has.has_number(number).then(|| fields.number(number))
}

/// What an entry adds to its rows.
pub fn increment(has: Has, fields: &Fields<'_>) -> Increment {
    let [result, status, route] =
        [Number::Result, Number::Status, Number::Route].map(|number| code(has, fields, number));
    Verdict::of(result, status, route).increment(has, fields)
}

/// The band of an entry with a result code, and whether its bytes came from an origin.
fn band(result: i64, status: Option<i64>, route: Option<i64>) -> (Band, bool) {
    use Class::{
        Denied, ErrorClientGone, ErrorClientRequest, ErrorConnect, ErrorDns, ErrorProxy, ErrorServer, ErrorTimeout,
        HitCollapsed, HitConditional, HitDisk, HitMemory, HitRedirect, HitRevalidated, HitStaleOnError,
    };
    let class = codes::result_class(result);
    match class {
        // The same code is logged when the proxy validated with the server first.
        HitConditional if route.is_some_and(|route| !codes::route_is_none(route)) => (Band::Refresh, false),
        HitDisk | HitMemory | HitCollapsed | HitConditional | HitRedirect => (Band::Fresh, false),
        HitRevalidated | HitStaleOnError => (Band::Refresh, false),
        ErrorServer | ErrorTimeout => (Band::Error, true),
        Denied | ErrorClientRequest | ErrorConnect | ErrorDns | ErrorProxy => (Band::Error, false),
        _ if class.is_miss() && status.is_some_and(|status| (500..600).contains(&status)) => (Band::Error, true),
        ErrorClientGone => (Band::Miss, false),
        _ => (Band::Miss, class.is_miss()),
    }
}
