//! Groups of codes that reports speak of: classes, families, troubles, freshness, and the groups of other tools (spec/statistics.md 2, 8).
//!
//! All follow from an entry's result, status and route, so sums by those three say all of them without a second count.

use crate::wire::codes::{self, Class};

/// The three codes of an entry; `None` where its format lacks one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Codes {
    /// Cache result.
    pub result: Option<i64>,
    /// Status sent to the client.
    pub status: Option<i64>,
    /// Hierarchy route.
    pub route: Option<i64>,
}

/// Calamaris' groups of results (spec/statistics.md 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Served from cache, redirects included.
    Hit,
    /// The rest.
    Miss,
    /// No hit, and an `ERR_*` or without a server asked.
    Error,
}

/// Classes of hierarchy routes (spec/statistics.md 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouteClass {
    /// No server was asked.
    None,
    /// The origin itself.
    Direct,
    /// A peer had it.
    PeerHit,
    /// By way of a parent.
    Parent,
    /// No way was found.
    Failed,
    /// Everything else.
    Other,
}

/// What the cache knew of the object (spec/statistics.md 2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freshness {
    /// Fresh.
    Fresh,
    /// Stale, and still the same at the server.
    Unmodified,
    /// Stale, and another at the server.
    Modified,
    /// Stale, and the server failed.
    Failed,
    /// The client forbade the cache.
    Forced,
}

impl Codes {
    /// The result's class; `None` without a result. A validation that went on to the server counts as revalidated.
    pub fn class(&self) -> Option<Class> {
        let class = codes::result_class(self.result?);
        let asked = self.route.is_some_and(|route| !codes::route_is_none(route));
        Some(if class == Class::HitConditional && asked { Class::HitRevalidated } else { class })
    }

    /// Served from cache, whether the origin was asked or not.
    pub fn is_hit(&self) -> bool {
        self.class().is_some_and(is_hit)
    }

    /// Served from cache without any contact upstream.
    pub fn is_fresh_hit(&self) -> bool {
        self.class()
            .is_some_and(|class| is_hit(class) && !matches!(class, Class::HitRevalidated | Class::HitStaleOnError))
    }

    /// Another server was needed.
    pub fn is_upstream(&self) -> bool {
        use Class::{ErrorConnect, ErrorDns, ErrorServer, ErrorTimeout, HitRevalidated, HitStaleOnError};
        self.class().is_some_and(|class| {
            class.is_miss()
                || matches!(
                    class,
                    HitRevalidated | HitStaleOnError | ErrorConnect | ErrorDns | ErrorTimeout | ErrorServer
                )
        })
    }

    /// Trouble of servers: unreachable, slow, failing, or covered up by an old copy.
    pub fn is_server_trouble(&self) -> bool {
        use Class::{ErrorConnect, ErrorDns, ErrorServer, ErrorTimeout, HitStaleOnError};
        let is_5xx = self.status.is_some_and(|status| (500..600).contains(&status));
        (is_5xx && self.is_upstream())
            || self.class().is_some_and(|class| {
                matches!(class, ErrorConnect | ErrorDns | ErrorTimeout | ErrorServer | HitStaleOnError)
            })
    }

    /// Trouble of clients: gone, not acceptable, not allowed.
    pub fn is_client_trouble(&self) -> bool {
        use Class::{Denied, ErrorClientGone, ErrorClientRequest};
        self.class().is_some_and(|class| matches!(class, Denied | ErrorClientGone | ErrorClientRequest))
    }

    /// Trouble of the proxy itself.
    pub fn is_proxy_trouble(&self) -> bool {
        self.class().is_some_and(|class| matches!(class, Class::ErrorProxy | Class::MissCacheFailed))
    }

    /// Calamaris' group; `None` without a result.
    pub fn group(&self) -> Option<Group> {
        let result = self.result?;
        let is_error = codes::known_result(result).is_some_and(|name| name.starts_with("ERR_"))
            || self.route.is_some_and(codes::route_is_none);
        Some(match self.is_hit() {
            true => Group::Hit,
            false if is_error => Group::Error,
            false => Group::Miss,
        })
    }

    /// What the cache knew of the object, where it had one or was forbidden to look; Calamaris counts `TCP_IMS_MISS` as fresh.
    pub fn freshness(&self) -> Option<Freshness> {
        Some(match u8::try_from(self.result?).ok()? {
            b'1' | b'2' | b'.' | b'F' | b'9' | b'a' => Freshness::Fresh,
            b'5' => Freshness::Unmodified,
            b'7' => Freshness::Modified,
            b'6' => Freshness::Failed,
            b'8' => Freshness::Forced,
            _ => return None,
        })
    }

    /// The status's class: 0 for *nothing sent* to 5, 6 for any other; `None` without a status.
    pub fn status_class(&self) -> Option<usize> {
        Some(match self.status? {
            status @ 0..=599 => (status / 100) as usize,
            _ => 6,
        })
    }
}

/// True for all `hit.*` classes.
pub fn is_hit(class: Class) -> bool {
    use Class::{HitCollapsed, HitConditional, HitDisk, HitMemory, HitRedirect, HitRevalidated, HitStaleOnError};
    matches!(
        class,
        HitDisk | HitMemory | HitCollapsed | HitConditional | HitRevalidated | HitStaleOnError | HitRedirect
    )
}

/// A class's name in reports.
pub fn class_name(class: Class) -> &'static str {
    match class {
        Class::HitDisk => "hit.disk",
        Class::HitMemory => "hit.memory",
        Class::HitCollapsed => "hit.collapsed",
        Class::HitConditional => "hit.conditional",
        Class::HitRevalidated => "hit.revalidated",
        Class::HitStaleOnError => "hit.stale_on_error",
        Class::HitRedirect => "hit.redirect",
        Class::MissPlain => "miss.plain",
        Class::MissExpired => "miss.expired",
        Class::MissChanged => "miss.changed",
        Class::MissClientNoCache => "miss.client_nocache",
        Class::MissConditional => "miss.conditional",
        Class::MissCacheFailed => "miss.cache_failed",
        Class::MissRedirect => "miss.redirect",
        Class::Denied => "denied",
        Class::ErrorClientGone => "error.client_gone",
        Class::ErrorClientRequest => "error.client_request",
        Class::ErrorConnect => "error.connect",
        Class::ErrorDns => "error.dns",
        Class::ErrorTimeout => "error.timeout",
        Class::ErrorServer => "error.server",
        Class::ErrorProxy => "error.proxy",
        Class::IcpHit => "icp.hit",
        Class::IcpOther => "icp.other",
        Class::Other => "other",
    }
}

/// The class of a route, and whether a peer had timed out before it was taken.
pub fn route_class(code: i64) -> (RouteClass, bool) {
    let Ok(byte) = u8::try_from(code) else { return (RouteClass::Other, false) };
    // j to y are 2 to 9 and a to h, behind a time-out.
    let (base, timed_out) = match byte {
        b'j'..=b'q' => (byte - b'j' + b'2', true),
        b'r'..=b'y' => (byte - b'r' + b'a', true),
        _ => (byte, false),
    };
    let class = match base {
        b'0' | b'1' => RouteClass::None,
        b'2' | b'8' | b'a' | b'b' | b'd' => RouteClass::Direct,
        b'3' | b'e' | b'4' | b'f' => RouteClass::PeerHit,
        b'5' | b'6' | b'7' | b'9' | b'g' | b'h' => RouteClass::Parent,
        b'c' | b'i' => RouteClass::Failed,
        _ => RouteClass::Other,
    };
    (class, timed_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Band;
    use crate::tally::classify::increment;
    use crate::wire::fields::Framing;
    use crate::wire::plan::Plan;

    #[test]
    fn hits_are_those_of_the_bands_for_all_codes() {
        let plan = Plan::new("crc,pssc,phr", &[Framing::Int; 3]);
        for result in 0..256_i64 {
            for route in [b'1', b'2', b'7', b'z'].map(i64::from) {
                for status in [0, 200, 304, 404, 503] {
                    let payload: Vec<u8> = [result, status, route].iter().flat_map(|n| n.to_le_bytes()).collect();
                    let fields = plan.read(&payload).unwrap();
                    let band = increment(plan.has(), &fields).band;
                    let codes = Codes { result: Some(result), status: Some(status), route: Some(route) };
                    assert_eq!(codes.is_hit(), band.is_hit(), "{codes:?}");
                    assert_eq!(codes.is_fresh_hit(), band == Band::Fresh, "{codes:?}");
                    assert_eq!(codes.is_hit(), codes.group() == Some(Group::Hit), "{codes:?}");
                }
            }
        }
    }

    #[test]
    fn time_outs_are_of_the_class_of_their_base() {
        for (base, timed_out) in "23456789abcdefgh".chars().zip("jklmnopqrstuvwxy".chars()) {
            let (of_base, of_timed_out) = (route_class(base as i64), route_class(timed_out as i64));
            assert_eq!((of_base.0, false, true), (of_timed_out.0, of_base.1, of_timed_out.1), "{base}{timed_out}");
        }
        assert_eq!(route_class('z' as i64), (RouteClass::Other, false));
        assert_eq!(route_class(-1), (RouteClass::Other, false));
    }
}
