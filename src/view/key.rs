//! Raw keys of rows become the texts that answers, the page and filters use (design/api.md 3).

use std::net::{IpAddr, Ipv6Addr};

use serde::{Serialize, Serializer};

use crate::merger::snapshot::RawKey;
use crate::tally::Dimension;
use crate::tally::dimension::join;
use crate::wire::codes;

/// A row's key as answers show it: a text, or for pairs an array of two.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// Of an ordinary table.
    One(String),
    /// Of a table of pairs.
    Pair([String; 2]),
}

impl Key {
    /// The key that answers show for a raw key of that dimension.
    pub fn new(dimension: Dimension, raw: RawKey<'_>) -> Self {
        match raw {
            RawKey::One(bytes) => Self::One(text(dimension, bytes)),
            RawKey::Pair(first, second) => {
                let [a, b] = dimension.pair().unwrap_or([dimension; 2]);
                Self::Pair([text(a, first), text(b, second)])
            }
        }
    }
}

impl Key {
    /// True for the key of entries that have none: `(none)`, `(unknown)`.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::One(text) if text == "(none)" || text == "(unknown)")
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One(text) => serializer.serialize_str(text),
            Self::Pair(texts) => texts.serialize(serializer),
        }
    }
}

/// A row's name on the page: one text, also for pairs.
pub fn shown(dimension: Dimension, raw: RawKey<'_>) -> String {
    match Key::new(dimension, raw) {
        Key::One(text) => text,
        Key::Pair([client, site]) => format!("{client} {site}"),
    }
}

/// The text of one raw key. A key that is not of its dimension's shape is shown as its bytes.
pub fn text(dimension: Dimension, raw: &[u8]) -> String {
    let nothing = match dimension {
        Dimension::Type => "(unknown)",
        _ => "(none)",
    };
    if raw.is_empty() {
        return nothing.to_owned();
    }
    let shaped = match dimension {
        Dimension::Client => <[u8; 16]>::try_from(raw).ok().map(address),
        Dimension::Result => code(raw).map(|code| codes::result_name(code).into_owned()),
        Dimension::Route => code(raw).map(|code| codes::route_name(code).into_owned()),
        Dimension::Status => code(raw).map(|code| code.to_string()),
        Dimension::Network => <[u8; 16]>::try_from(raw).ok().map(network),
        _ => None,
    };
    let text = shaped.unwrap_or_else(|| escaped(raw));
    if text == nothing {
        // Somebody sent that very word: it must not pass for a missing key.
        return text.replacen('(', "\\x28", 1);
    }
    text
}

/// The raw key of what [`Key`] shows: a text, or for pairs the two texts. `None` if no key of that dimension looks so.
pub fn parse(dimension: Dimension, key: &Key) -> Option<Vec<u8>> {
    match (key, dimension.pair()) {
        (Key::One(text), None) => raw(dimension, text),
        (Key::Pair([first, second]), Some([a, b])) => {
            let mut joined = Vec::new();
            let (first, second) = (raw(a, first)?, raw(b, second)?);
            // A length that doesn't fit would stand for another pair.
            u16::try_from(first.len()).ok()?;
            join([&first, &second], &mut joined);
            Some(joined)
        }
        _ => None,
    }
}

/// The bytes of one key's text: what [`text`] is given for it.
fn raw(dimension: Dimension, shown: &str) -> Option<Vec<u8>> {
    let nothing = text(dimension, b"");
    if shown == nothing {
        return Some(Vec::new());
    }
    let code = |known: Option<i64>| {
        let unknown = || shown.strip_prefix("UNKNOWN(")?.strip_suffix(')')?.parse().ok();
        known.or_else(unknown).map(|code: i64| code.to_le_bytes().to_vec())
    };
    let raw = match dimension {
        Dimension::Client => shown.parse().ok().map(|address| mapped(address).to_vec()),
        Dimension::Network => {
            let (address, bits) = shown.split_once('/')?;
            let address: IpAddr = address.parse().ok()?;
            let expected = if mapped(address)[..12] == MAPPED { "24" } else { "48" };
            (bits == expected).then(|| mapped(address).to_vec())
        }
        Dimension::Result => code(codes::result_by_name(shown)),
        Dimension::Route => code((0..=255).find(|code| codes::known_route(*code) == Some(shown))),
        Dimension::Status => shown.parse().ok().map(|code: i64| code.to_le_bytes().to_vec()),
        _ => unescaped(shown),
    }?;
    // Only what would be shown so is that key: `010.0.0.1` and `+200` are nobody's.
    (text(dimension, &raw) == shown).then_some(raw)
}

/// What an IPv4 address begins with as a client's key.
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];

fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The bytes of an [`escaped`] text.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match (byte, byte == b'\\') {
            (_, false) => bytes.push(byte),
            _ => match rest.next()? {
                b'\\' => bytes.push(b'\\'),
                b'x' => {
                    let digit = |byte: u8| char::from(byte).to_digit(16);
                    let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                    bytes.push((high << 4 | low) as u8);
                }
                _ => return None,
            },
        }
    }
    Some(bytes)
}

/// `NAME@ADDRESS` of a node; what is tailed or piped has a path in place of an address, and is `NAME@file`.
pub fn node(name: &[u8], address: &str) -> String {
    let place = if address.parse::<IpAddr>().is_ok() { address } else { "file" };
    format!("{}@{place}", escaped(name))
}

/// Bytes as text: those that are not UTF-8 as `\xNN`, a backslash doubled, so that different bytes stay different.
pub fn escaped(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for part in chunk.valid().split_inclusive('\\') {
            text.push_str(part);
            if part.ends_with('\\') {
                text.push('\\');
            }
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("a String takes all");
        }
    }
    text
}

fn code(raw: &[u8]) -> Option<i64> {
    raw.try_into().ok().map(i64::from_le_bytes)
}

fn network(bytes: [u8; 16]) -> String {
    let address = Ipv6Addr::from(bytes).to_canonical();
    format!("{address}/{}", if address.is_ipv4() { 24 } else { 48 })
}

fn address(bytes: [u8; 16]) -> String {
    Ipv6Addr::from(bytes).to_canonical().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_keys_have_their_texts() {
        let v4 = "192.0.2.10".parse::<std::net::Ipv4Addr>().unwrap();
        let v6 = "2001:db8::1".parse::<Ipv6Addr>().unwrap();
        let cases: &[(Dimension, &[u8], &str)] = &[
            (Dimension::Client, &v4.to_ipv6_mapped().octets(), "192.0.2.10"),
            (Dimension::Client, &v6.octets(), "2001:db8::1"),
            (Dimension::Client, b"", "(none)"),
            (Dimension::Network, &v4.to_ipv6_mapped().octets(), "192.0.2.10/24"),
            (Dimension::Network, &v6.octets(), "2001:db8::1/48"),
            (Dimension::Extension, b"(dynamic)", "(dynamic)"),
            (Dimension::Client, b"odd\xff", "odd\\xff"),
            (Dimension::Site, b"", "(none)"),
            (Dimension::Site, b"heron.example", "heron.example"),
            (Dimension::Site, b"(none)", "\\x28none)"),
            (Dimension::Type, b"", "(unknown)"),
            (Dimension::Type, b"(unknown)", "\\x28unknown)"),
            (Dimension::Type, b"(none)", "(none)"),
            (Dimension::Type, b"text/html", "text/html"),
            (Dimension::Status, &200_i64.to_le_bytes(), "200"),
            (Dimension::Status, &0_i64.to_le_bytes(), "0"),
            (Dimension::Status, &(-1_i64).to_le_bytes(), "-1"),
            (Dimension::Result, &49_i64.to_le_bytes(), "TCP_HIT"),
            (Dimension::Result, &81_i64.to_le_bytes(), "UNKNOWN(81)"),
            (Dimension::Route, &50_i64.to_le_bytes(), "DIRECT"),
            (Dimension::Route, b"\x01", "\u{1}"),
            (Dimension::Node, b"edge-01@192.0.2.1", "edge-01@192.0.2.1"),
            (Dimension::Host, b"a\\xff", "a\\\\xff"),
            (Dimension::Host, b"a\xff\xc3", "a\\xff\\xc3"),
            (Dimension::Host, "b\u{fc}cher\0".as_bytes(), "b\u{fc}cher\0"),
        ];
        for (dimension, raw, expected) in cases {
            assert_eq!(text(*dimension, raw), *expected, "{dimension:?} {raw:?}");
            let back = parse(*dimension, &Key::One((*expected).to_owned()));
            // Keys that no worker makes are shown, but not asked for.
            let is_odd = raw == b"odd\xff" || raw == b"\x01";
            assert_eq!(back.as_deref(), (!is_odd).then_some(*raw), "{dimension:?} {expected}");
        }
    }

    #[test]
    fn texts_that_no_key_has_are_no_keys() {
        for (dimension, text) in [
            (Dimension::Client, "010.0.0.1"),
            (Dimension::Client, "::ffff:192.0.2.1"),
            (Dimension::Client, "2001:DB8::1"),
            (Dimension::Network, "192.0.2.0/25"),
            (Dimension::Network, "2001:db8::/24"),
            (Dimension::Status, "+200"),
            (Dimension::Result, "UNKNOWN(49)"),
            (Dimension::Site, "a\\"),
            (Dimension::Site, "a\\y"),
            (Dimension::Site, "\\x4"),
            (Dimension::Site, "\\x41"),
            (Dimension::Site, ""),
            (Dimension::ClientSite, "a"),
        ] {
            assert_eq!(parse(dimension, &Key::One(text.into())), None, "{dimension:?} {text}");
        }
        let pair = |a: &str, b: &str| Key::Pair([a.into(), b.into()]);
        let mut joined = Vec::new();
        join([&[7; 16], b""], &mut joined);
        let address = text(Dimension::Client, &[7; 16]);
        assert_eq!(parse(Dimension::ClientSite, &pair(&address, "(none)")), Some(joined));
        assert_eq!(parse(Dimension::Site, &pair("a", "b")), None);
        assert_eq!(parse(Dimension::SiteUrl, &pair(&"a".repeat(65_536), "b")), None);
    }

    #[test]
    fn pairs_are_arrays_of_two() {
        let key = Key::new(Dimension::ClientSite, RawKey::Pair(b"", b"a\"b"));
        assert_eq!(serde_json::to_string(&key).unwrap(), r#"["(none)","a\"b"]"#);
        let key = Key::new(Dimension::Site, RawKey::One(b"a"));
        assert_eq!(serde_json::to_string(&key).unwrap(), r#""a""#);
    }

    #[test]
    fn nodes_are_named_by_address_or_as_a_file() {
        for (name, address, expected) in [
            (&b"edge"[..], "192.0.2.1", "edge@192.0.2.1"),
            (b"edge", "2001:db8::1", "edge@2001:db8::1"),
            (b"ed\xffge", "/var/log/squid.blog", "ed\\xffge@file"),
        ] {
            assert_eq!(node(name, address), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn different_bytes_have_different_texts(
            a in proptest::collection::vec(proptest::sample::select(b"\\xf\xff\xc3\xa9a".to_vec()), 0..8),
            b in proptest::collection::vec(proptest::sample::select(b"\\xf\xff\xc3\xa9a".to_vec()), 0..8),
        ) {
            proptest::prop_assert_eq!(a == b, escaped(&a) == escaped(&b));
            for dimension in [Dimension::Site, Dimension::Url, Dimension::User, Dimension::Type] {
                let shown = Key::One(text(dimension, &a));
                proptest::prop_assert_eq!(parse(dimension, &shown), Some(a.clone()));
            }
        }
    }
}
