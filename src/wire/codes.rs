//! Coded integers: result codes (`crc`) and hierarchy routes (`phr`), their names and classes.
//!
//! Source: `SquidLogCode` and `SquidHierarchyCode` in Traffic Server's `HTTP.h`; classes by spec/statistics.md 2.1 and 2.2.

mod details;

use std::borrow::Cow;

pub use details::Coded;

/// Result classes; each code has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// From disk.
    HitDisk,
    /// From the memory cache.
    HitMemory,
    /// Shares a fetch in progress.
    HitCollapsed,
    /// The client's own validation answered from cache.
    HitConditional,
    /// The origin said that the copy is still good.
    HitRevalidated,
    /// An old copy, because the origin failed.
    HitStaleOnError,
    /// A redirect from cache.
    HitRedirect,
    /// Not in cache.
    MissPlain,
    /// In cache, but expired.
    MissExpired,
    /// Validated, and the origin sent a new copy.
    MissChanged,
    /// The client forbade the cache.
    MissClientNoCache,
    /// A conditional request that the cache could not answer.
    MissConditional,
    /// In cache, but unreadable.
    MissCacheFailed,
    /// A redirect, not from cache.
    MissRedirect,
    /// Not allowed.
    Denied,
    /// The client went away.
    ErrorClientGone,
    /// The request was not acceptable.
    ErrorClientRequest,
    /// The origin could not be reached.
    ErrorConnect,
    /// The origin's name could not be resolved.
    ErrorDns,
    /// The origin was too slow.
    ErrorTimeout,
    /// The origin failed.
    ErrorServer,
    /// The proxy failed.
    ErrorProxy,
    /// An inter-cache hit: no request.
    IcpHit,
    /// Any other inter-cache entry: no request.
    IcpOther,
    /// Everything else.
    Other,
}

impl Class {
    /// Entries of the inter-cache protocol are no requests.
    pub fn is_icp(self) -> bool {
        matches!(self, Self::IcpHit | Self::IcpOther)
    }

    /// All `miss.*` classes.
    pub fn is_miss(self) -> bool {
        use Class::{
            MissCacheFailed, MissChanged, MissClientNoCache, MissConditional, MissExpired, MissPlain, MissRedirect,
        };
        matches!(
            self,
            MissCacheFailed
                | MissChanged
                | MissClientNoCache
                | MissConditional
                | MissExpired
                | MissPlain
                | MissRedirect
        )
    }
}

/// Character, printed name, class.
const RESULTS: [(u8, &str, Class); 55] = [
    (b'0', "UNDEFINED", Class::Other),
    (b'1', "TCP_HIT", Class::HitDisk),
    (b'2', "TCP_DISK_HIT", Class::HitDisk),
    (b'.', "TCP_MEM_HIT", Class::HitMemory),
    (b'F', "TCP_CF_HIT", Class::HitCollapsed),
    (b'9', "TCP_IMS_HIT", Class::HitConditional),
    (b'5', "TCP_REFRESH_HIT", Class::HitRevalidated),
    (b'6', "TCP_REFRESH_FAIL_HIT", Class::HitStaleOnError),
    (b'[', "TCP_HIT_REDIRECT", Class::HitRedirect),
    (b'<', "TCP_HIT_X_REDIRECT", Class::HitRedirect),
    (b'3', "TCP_MISS", Class::MissPlain),
    (b'4', "TCP_EXPIRED_MISS", Class::MissExpired),
    (b'7', "TCP_REFRESH_MISS", Class::MissChanged),
    (b'8', "TCP_CLIENT_REFRESH_MISS", Class::MissClientNoCache),
    (b'a', "TCP_IMS_MISS", Class::MissConditional),
    (b'b', "TCP_SWAPFAIL_MISS", Class::MissCacheFailed),
    (b'd', "TCP_WEBFETCH_MISS", Class::MissPlain),
    (b']', "TCP_MISS_REDIRECT", Class::MissRedirect),
    (b'>', "TCP_MISS_X_REDIRECT", Class::MissRedirect),
    (b'c', "TCP_DENIED", Class::Denied),
    (b'G', "ERR_PROXY_DENIED", Class::Denied),
    (b't', "ERR_CLIENT_ABORT", Class::ErrorClientGone),
    (b'J', "ERR_CLIENT_READ_ERROR", Class::ErrorClientGone),
    (b'v', "ERR_INVALID_REQ", Class::ErrorClientRequest),
    (b'w', "ERR_UNSUP_REQ", Class::ErrorClientRequest),
    (b'x', "ERR_INVALID_URL", Class::ErrorClientRequest),
    (b'L', "ERR_POST_ENTITY_TOO_LARGE", Class::ErrorClientRequest),
    (b'u', "ERR_CONNECT_FAIL", Class::ErrorConnect),
    (b'z', "ERR_DNS_FAIL", Class::ErrorDns),
    (b'p', "ERR_READ_TIMEOUT", Class::ErrorTimeout),
    (b'q', "ERR_LIFETIME_EXP", Class::ErrorTimeout),
    (b'T', "ERR_TUN_ACTIVE_TIMEOUT", Class::ErrorTimeout),
    (b's', "ERR_READ_ERROR", Class::ErrorServer),
    (b'B', "ERR_CANNOT_FETCH", Class::ErrorServer),
    (b'E', "ERR_ZERO_SIZE_OBJECT", Class::ErrorServer),
    (b'C', "ERR_NO_RELAY", Class::ErrorProxy),
    (b'D', "ERR_DISK_IO", Class::ErrorProxy),
    (b'y', "ERR_NO_FDS", Class::ErrorProxy),
    (b'r', "ERR_NO_CLIENTS_BIG_OBJ", Class::ErrorProxy),
    (b'A', "ERR_NOT_IMPLEMENTED", Class::ErrorProxy),
    (b'H', "ERR_WEBFETCH_DETECTED", Class::ErrorProxy),
    (b'K', "ERR_LOOP_DETECTED", Class::ErrorProxy),
    (b'I', "ERR_FUTURE_1", Class::ErrorProxy),
    (b'Z', "ERR_UNKNOWN", Class::ErrorProxy),
    (b'e', "TCP_SPIDER_BYPASS", Class::Other),
    (b'f', "TCP_FUTURE_2", Class::Other),
    (b'g', "UDP_HIT", Class::IcpHit),
    (b'h', "UDP_WEAK_HIT", Class::IcpHit),
    (b'i', "UDP_HIT_OBJ", Class::IcpHit),
    (b'j', "UDP_MISS", Class::IcpOther),
    (b'k', "UDP_DENIED", Class::IcpOther),
    (b'l', "UDP_INVALID", Class::IcpOther),
    (b'm', "UDP_RELOADING", Class::IcpOther),
    (b'n', "UDP_FUTURE_1", Class::IcpOther),
    (b'o', "UDP_FUTURE_2", Class::IcpOther),
];

/// By character: the name (empty: unknown) and the class.
const RESULT: [(&str, Class); 256] = {
    let mut table = [("", Class::Other); 256];
    let mut row = 0;
    while row < RESULTS.len() {
        table[RESULTS[row].0 as usize] = (RESULTS[row].1, RESULTS[row].2);
        row += 1;
    }
    table
};

/// The class of a result code; unknown codes are [`Class::Other`].
#[inline]
pub fn result_class(code: i64) -> Class {
    u8::try_from(code).map_or(Class::Other, |byte| RESULT[usize::from(byte)].1)
}

/// The printed name of a result code; unknown ones as `UNKNOWN(n)`.
pub fn result_name(code: i64) -> Cow<'static, str> {
    known_result(code).map_or_else(|| format!("UNKNOWN({code})").into(), Into::into)
}

/// The printed name of a result code that is known.
#[inline]
pub fn known_result(code: i64) -> Option<&'static str> {
    let name = RESULT[usize::from(u8::try_from(code).ok()?)].0;
    (!name.is_empty()).then_some(name)
}

/// True if a result code has a name.
#[inline]
pub fn is_known_result(code: i64) -> bool {
    known_result(code).is_some()
}

/// The result code of that printed name.
pub fn result_by_name(name: &str) -> Option<i64> {
    RESULTS.iter().find(|(_, printed, _)| *printed == name).map(|(code, ..)| i64::from(*code))
}

/// The printed name of a hierarchy route; unknown ones as `UNKNOWN(n)`.
pub fn route_name(code: i64) -> Cow<'static, str> {
    known_route(code).map_or_else(|| format!("UNKNOWN({code})").into(), Into::into)
}

/// The printed name of a hierarchy route that is known.
pub fn known_route(code: i64) -> Option<&'static str> {
    Some(match u8::try_from(code).ok()? {
        b'0' => "EMPTY",
        b'1' => "NONE",
        b'2' => "DIRECT",
        b'3' => "SIBLING_HIT",
        b'4' => "PARENT_HIT",
        b'5' => "DEFAULT_PARENT",
        b'6' => "SINGLE_PARENT",
        b'7' => "FIRST_UP_PARENT",
        b'8' => "NO_PARENT_DIRECT",
        b'9' => "FIRST_PARENT_MISS",
        b'a' => "LOCAL_IP_DIRECT",
        b'b' => "FIREWALL_IP_DIRECT",
        b'c' => "NO_DIRECT_FAIL",
        b'd' => "SOURCE_FASTEST",
        b'e' => "SIBLING_UDP_HIT_OBJ",
        b'f' => "PARENT_UDP_HIT_OBJ",
        b'g' => "PASSTHROUGH_PARENT",
        b'h' => "SSL_PARENT_MISS",
        b'i' => "INVALID_CODE",
        b'j' => "TIMEOUT_DIRECT",
        b'k' => "TIMEOUT_SIBLING_HIT",
        b'l' => "TIMEOUT_PARENT_HIT",
        b'm' => "TIMEOUT_DEFAULT_PARENT",
        b'n' => "TIMEOUT_SINGLE_PARENT",
        b'o' => "TIMEOUT_FIRST_UP_PARENT",
        b'p' => "TIMEOUT_NO_PARENT_DIRECT",
        b'q' => "TIMEOUT_FIRST_PARENT_MISS",
        b'r' => "TIMEOUT_LOCAL_IP_DIRECT",
        b's' => "TIMEOUT_FIREWALL_IP_DIRECT",
        b't' => "TIMEOUT_NO_DIRECT_FAIL",
        b'u' => "TIMEOUT_SOURCE_FASTEST",
        b'v' => "TIMEOUT_SIBLING_UDP_HIT_OBJ",
        b'w' => "TIMEOUT_PARENT_UDP_HIT_OBJ",
        b'x' => "TIMEOUT_PASSTHROUGH_PARENT",
        b'y' => "TIMEOUT_TIMEOUT_SSL_PARENT_MISS",
        b'z' => "INVALID_ASSIGNED_CODE",
        _ => return None,
    })
}

/// True if a hierarchy route has a name: all digits and small letters are taken.
#[inline]
pub fn is_known_route(code: i64) -> bool {
    u8::try_from(code).is_ok_and(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z'))
}

/// True for the routes of class *none*: no other server was asked.
#[inline]
pub fn route_is_none(code: i64) -> bool {
    code == i64::from(b'0') || code == i64::from(b'1')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_printed_names() {
        let cases: &[(i64, &str, Class)] = &[
            (46, "TCP_MEM_HIT", Class::HitMemory),
            (49, "TCP_HIT", Class::HitDisk),
            (51, "TCP_MISS", Class::MissPlain),
            (118, "ERR_INVALID_REQ", Class::ErrorClientRequest),
            (81, "UNKNOWN(81)", Class::Other),
            (0, "UNKNOWN(0)", Class::Other),
            (-1, "UNKNOWN(-1)", Class::Other),
            (256 + 49, "UNKNOWN(305)", Class::Other),
            (i64::MAX, "UNKNOWN(9223372036854775807)", Class::Other),
        ];
        for (code, name, class) in cases {
            assert_eq!((&*result_name(*code), result_class(*code)), (*name, *class));
        }
        assert_eq!(RESULTS.len(), RESULT.iter().filter(|(name, _)| !name.is_empty()).count(), "a character twice");
    }

    #[test]
    fn routes_have_their_printed_names() {
        for (code, name) in
            [(b'0', "EMPTY"), (b'2', "DIRECT"), (b'y', "TIMEOUT_TIMEOUT_SSL_PARENT_MISS"), (b'!', "UNKNOWN(33)")]
        {
            assert_eq!(route_name(code.into()), name);
        }
        assert_eq!(route_name(-5), "UNKNOWN(-5)");
        for code in -300..600 {
            assert_eq!(is_known_route(code), known_route(code).is_some(), "{code}");
            assert_eq!(is_known_result(code), !result_name(code).starts_with("UNKNOWN("), "{code}");
        }
        assert!(route_is_none(48) && route_is_none(49) && !route_is_none(50));
    }
}
