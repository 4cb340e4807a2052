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

/// Has an entry a negative size or time, or a code without a name? A number that its format lacks is 0.
#[inline]
pub fn is_odd(has: Has, fields: &Fields<'_>) -> bool {
    (fields.number(Number::Bytes) | fields.number(Number::Time)) < 0
        || (has.has_number(Number::Result) && !codes::is_known_result(fields.number(Number::Result)))
        || (has.has_number(Number::Route) && !codes::is_known_route(fields.number(Number::Route)))
}

/// What an entry adds to its rows: band, bytes, time (spec/statistics.md 2, N4). Negative sizes and times count as 0.
#[inline]
pub fn increment(has: Has, fields: &Fields<'_>) -> Increment {
    let bytes = fields.number(Number::Bytes).max(0) as u64;
    let (band, from_origin) = if has.has_number(Number::Result) { band(has, fields) } else { (Band::Unknown, false) };
    let origin_bytes = match (has.has_number(Number::OriginBytes), from_origin) {
        (true, _) => fields.number(Number::OriginBytes).max(0) as u64,
        (false, true) => bytes,
        (false, false) => 0,
    };
    let timed = u64::from(has.has_number(Number::Time));
    Increment { band, bytes, origin_bytes, timed, time_ms: fields.number(Number::Time).max(0) as u64 }
}

/// The band of an entry with a result code, and whether its bytes came from an origin.
#[inline]
fn band(has: Has, fields: &Fields<'_>) -> (Band, bool) {
    use Class::{
        Denied, ErrorClientGone, ErrorClientRequest, ErrorConnect, ErrorDns, ErrorProxy, ErrorServer, ErrorTimeout,
        HitCollapsed, HitConditional, HitDisk, HitMemory, HitRedirect, HitRevalidated, HitStaleOnError,
    };
    let class = codes::result_class(fields.number(Number::Result));
    match class {
        // The same code is logged when the proxy validated with the server first.
        HitConditional if has.has_number(Number::Route) && !codes::route_is_none(fields.number(Number::Route)) => {
            (Band::Refresh, false)
        }
        HitDisk | HitMemory | HitCollapsed | HitConditional | HitRedirect => (Band::Fresh, false),
        HitRevalidated | HitStaleOnError => (Band::Refresh, false),
        ErrorServer | ErrorTimeout => (Band::Error, true),
        Denied | ErrorClientRequest | ErrorConnect | ErrorDns | ErrorProxy => (Band::Error, false),
        _ if class.is_miss() && (500..600).contains(&fields.number(Number::Status)) => (Band::Error, true),
        ErrorClientGone => (Band::Miss, false),
        _ => (Band::Miss, class.is_miss()),
    }
}
