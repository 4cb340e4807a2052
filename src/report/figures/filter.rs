//! Which entries a report is about: an interval of time, and conditions on what they are.

use std::net::{IpAddr, Ipv6Addr};

use crate::tally::Dimension;
use crate::view::key;
use crate::wire::plan::{Fields, Has, Number, Text};
use crate::wire::{host, url};

/// The kinds of conditions.
pub const KINDS: [&str; 15] = [
    "client",
    "network",
    "user",
    "site",
    "host",
    "url",
    "server",
    "status",
    "result",
    "route",
    "method",
    "type",
    "extension",
    "scheme",
    "band",
];

/// A condition: a kind and a value, from `kind:value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    kind: &'static str,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// The key as reports show it.
    Key(String),
    /// Statuses of a class.
    StatusClass(i64),
    /// An address, IPv4 as mapped, and how many of its bits count.
    Network(u128, u32),
}

impl std::str::FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, value) = text
            .split_once(':')
            .ok_or_else(|| "kind:value is wanted, such as status:404, status:5xx or network:192.0.2.0/24".to_owned())?;
        let kind = KINDS
            .into_iter()
            .find(|known| *known == kind)
            .ok_or_else(|| format!("there is no kind {kind:?}; the kinds are {}", KINDS.join(", ")))?;
        let test = match (kind, value) {
            ("status", _) => match value.strip_suffix("xx").map(str::parse) {
                Some(Ok(class @ 0..=9)) => Test::StatusClass(class),
                Some(_) => return Err(format!("{value:?} is no class of statuses, such as 5xx")),
                None if value.parse::<i64>().is_ok() => Test::Key(value.to_owned()),
                None => return Err(format!("{value:?} is no status, such as 404, or class of them, such as 5xx")),
            },
            ("client" | "network", "(none)") => Test::Key(value.to_owned()),
            ("client" | "network", _) => network(value)?,
            ("band", "hit" | "refresh" | "miss" | "error" | "unknown") => Test::Key(value.to_owned()),
            ("band", _) => return Err(format!("{value:?} is no band: hit, refresh, miss, error or unknown")),
            ("site" | "host", _) => Test::Key(value.to_ascii_lowercase()),
            _ => Test::Key(value.to_owned()),
        };
        Ok(Self { kind, test })
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", self.kind)?;
        match &self.test {
            Test::Key(key) => f.write_str(key),
            Test::StatusClass(class) => write!(f, "{class}xx"),
            Test::Network(network, bits) => {
                let address = Ipv6Addr::from(*network).to_canonical();
                let bits = if address.is_ipv4() { bits.saturating_sub(96) } else { *bits };
                write!(f, "{address}/{bits}")
            }
        }
    }
}

fn network(text: &str) -> Result<Test, String> {
    let wrong = || format!("{text:?} is no address or network, such as 192.0.2.10, 192.0.2.0/24 or 2001:db8::/48");
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let (mapped, most) = match address {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped(), 32),
        IpAddr::V6(v6) => (v6, 128),
    };
    let bits: u32 = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
    if bits > most {
        return Err(wrong());
    }
    Ok(Test::Network(u128::from(mapped), 128 - most + bits))
}

/// What an entry must be to be counted. Several conditions of one kind are alternatives; different kinds must all hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// First time, ms since the epoch, that counts.
    pub from: Option<u64>,
    /// First time that doesn't any more.
    pub to: Option<u64>,
    /// By kind.
    kinds: Vec<Vec<Condition>>,
}

impl Filter {
    /// Of an interval and conditions.
    pub fn new(from: Option<u64>, to: Option<u64>, conditions: &[Condition]) -> Self {
        let mut kinds: Vec<Vec<Condition>> = Vec::new();
        for condition in conditions {
            match kinds.iter_mut().find(|alike| alike.iter().any(|other| other.kind == condition.kind)) {
                Some(alike) => alike.push(condition.clone()),
                None => kinds.push(vec![condition.clone()]),
            }
        }
        Self { from, to, kinds }
    }

    /// True if an entry of that time (ms) counts. An entry whose format lacks the field of a condition doesn't.
    #[inline]
    pub fn wants(&self, has: Has, fields: &Fields<'_>, time: u64) -> bool {
        self.from.is_none_or(|from| time >= from)
            && self.to.is_none_or(|to| time < to)
            && (self.kinds.is_empty()
                || self.kinds.iter().all(|alike| alike.iter().any(|condition| condition.holds(has, fields))))
    }

    /// True if a segment whose entries lie between these seconds can hold one that counts.
    pub fn may_want(&self, (low, high): (u32, u32)) -> bool {
        // A header that says nonsense says nothing.
        low > high
            || (self.from.is_none_or(|from| (u64::from(high) + 1) * 1000 > from)
                && self.to.is_none_or(|to| u64::from(low) * 1000 < to))
    }
}

impl Condition {
    fn holds(&self, has: Has, fields: &Fields<'_>) -> bool {
        let wanted = match &self.test {
            Test::StatusClass(class) => {
                return has.has_number(Number::Status) && fields.number(Number::Status).div_euclid(100) == *class;
            }
            Test::Network(network, bits) => {
                let address = fields.client().map(|address| u128::from(Ipv6Addr::from(address)));
                let same = |address: u128| *bits == 0 || (address ^ network) >> (128 - bits) == 0;
                return has.has_client() && address.is_some_and(same);
            }
            Test::Key(key) => key,
        };
        let code = |number: Number, dimension: Dimension| {
            has.has_number(number) && key::text(dimension, &fields.number(number).to_le_bytes()) == *wanted
        };
        let named = |dimension: Dimension, bytes: &[u8]| {
            key::text(dimension, if bytes == b"-" { &[] } else { bytes }) == *wanted
        };
        let text = |text: Text, dimension: Dimension| has.has_text(text) && named(dimension, fields.text(text));
        match self.kind {
            "client" | "network" => has.has_client() && fields.client().is_none(),
            "user" => text(Text::User, Dimension::User),
            "server" => text(Text::Server, Dimension::Server),
            "method" => text(Text::Method, Dimension::Method),
            "status" => code(Number::Status, Dimension::Status),
            "result" => code(Number::Result, Dimension::Result),
            "route" => code(Number::Route, Dimension::Route),
            "type" => {
                let raw = fields.text(Text::ContentType);
                let end = raw.iter().position(|&byte| byte == b';' || byte == b' ').unwrap_or(raw.len());
                has.has_text(Text::ContentType) && named(Dimension::Type, &raw[..end].to_ascii_lowercase())
            }
            "site" | "host" => {
                let authority = match host::authority(fields.text(Text::Url)) {
                    [] => fields.text(Text::Server),
                    authority => authority,
                };
                let mut name = Vec::new();
                host::host_into(authority, &mut name);
                match self.kind {
                    "site" => named(Dimension::Site, host::site(&name)),
                    _ => named(Dimension::Host, &name),
                }
            }
            "url" => {
                has.has_text(Text::Url) && named(Dimension::Url, url::key(fields.text(Text::Url), &mut Vec::new()))
            }
            "scheme" => {
                let mut scratch = Vec::new();
                has.has_text(Text::Url)
                    && named(Dimension::Scheme, url::scheme(url::key(fields.text(Text::Url), &mut scratch)))
            }
            "extension" => {
                let method = if has.has_text(Text::Method) { fields.text(Text::Method) } else { &[] };
                let mut lower = [0; 8];
                has.has_text(Text::Url)
                    && named(Dimension::Extension, url::extension(fields.text(Text::Url), method, &mut lower))
            }
            _ => {
                use crate::tally::Band;
                let band = match crate::tally::classify::increment(has, fields).band {
                    Band::Fresh => "hit",
                    Band::Refresh => "refresh",
                    Band::Miss => "miss",
                    Band::Error => "error",
                    Band::Unknown => "unknown",
                };
                // Refresh hits are hits, too.
                band == wanted || (wanted == "hit" && band == "refresh")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_understood_or_refused() {
        for text in
            ["status:5xx", "status:0", "network:192.0.2.0/24", "client:2001:db8::1", "url:http://a/b", "band:hit"]
        {
            assert!(text.parse::<Condition>().is_ok(), "{text}");
        }
        for text in ["", "status", "status:x", "status:xx", "colour:red", "network:192.0.2.0/33", "client:a", "band:x"]
        {
            assert!(text.parse::<Condition>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_segment_is_passed_over_only_if_nothing_in_it_can_count() {
        let filter = Filter::new(Some(10_500), Some(20_000), &[]);
        for (times, expected) in [((1, 9), false), ((1, 10), true), ((19, 30), true), ((20, 30), false), ((9, 3), true)]
        {
            assert_eq!(filter.may_want(times), expected, "{times:?}");
        }
    }
}
