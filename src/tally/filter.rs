//! Filters: which entries somebody wants to see alone (design/api.md 3). Values of one kind are *or*, kinds are *and*.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use super::caps::KEY_MAX;
use super::table::cut;
use super::{Caps, Dimension};
use crate::wire::codes;

/// Most values of a filter.
pub const VALUES_MAX: usize = 64;

/// The longest `kind:value`: any key that is kept, with each byte escaped.
pub const TEXT_MAX: usize = 4 * KEY_MAX + 64;

/// A filter in its one form: equal filters are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Filter {
    /// Kinds ascend, and so do their values: raw keys (see [`Dimension`]); of networks, an address and the length of its prefix.
    pub(super) kinds: Vec<(Dimension, Vec<Vec<u8>>)>,
}

/// Why a text is no filter, and what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FilterError {
    /// What is wrong.
    pub reason: String,
    /// What is allowed in its place.
    pub allowed: Vec<String>,
}

impl FilterError {
    fn new<T: Into<String>>(reason: impl Into<String>, allowed: impl IntoIterator<Item = T>) -> Self {
        Self { reason: reason.into(), allowed: allowed.into_iter().map(Into::into).collect() }
    }
}

/// The dimensions that can be filtered by: all but pairs.
pub fn kinds() -> impl Iterator<Item = Dimension> {
    Dimension::ALL.into_iter().filter(|dimension| dimension.pair().is_none())
}

impl Filter {
    /// The filter of these texts `kind:value`; `None` without one.
    ///
    /// # Errors
    ///
    /// If a text is no filter, or they are too many.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Option<Self>, FilterError> {
        let mut pairs = Vec::new();
        for (number, text) in texts.into_iter().enumerate() {
            if number >= VALUES_MAX {
                let most = format!("at most {VALUES_MAX}");
                return Err(FilterError::new("a filter has too many values", [most]));
            }
            if text.len() > TEXT_MAX {
                let most = format!("at most {TEXT_MAX} bytes");
                return Err(FilterError::new("a value of a filter is too long", [most]));
            }
            let names = || kinds().map(Dimension::name);
            let Some((kind, value)) = text.split_once(':') else {
                return Err(FilterError::new(
                    format!("the filter \"{}\" is not KIND:VALUE", shortened(text)),
                    names().map(|name| format!("{name}:…")),
                ));
            };
            let Some(dimension) = kinds().find(|dimension| dimension.name() == kind) else {
                return Err(FilterError::new(format!("there is no filter kind \"{}\"", shortened(kind)), names()));
            };
            pairs.extend(raw_keys(dimension, value)?.into_iter().map(|raw| (dimension, raw)));
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut kinds: Vec<(Dimension, Vec<Vec<u8>>)> = Vec::new();
        for (dimension, raw) in pairs {
            match kinds.last_mut() {
                Some((last, values)) if *last == dimension => values.push(raw),
                _ => kinds.push((dimension, vec![raw])),
            }
        }
        Ok((!kinds.is_empty()).then_some(Self { kinds }))
    }

    /// The filter of a list `kind:value,…`, where a part without a kind is another value of the kind before; a comma within a value is
    /// `\x2c`.
    ///
    /// # Errors
    ///
    /// If it is no filter.
    pub fn parse_list(list: &str) -> Result<Self, FilterError> {
        let mut texts: Vec<String> = Vec::new();
        let mut last = "";
        for part in list.split(',') {
            match part.split_once(':').filter(|(kind, _)| kinds().any(|dimension| dimension.name() == *kind)) {
                None if !last.is_empty() => texts.push(format!("{last}:{part}")),
                known => {
                    last = known.map_or("", |(kind, _)| kind);
                    texts.push(part.to_owned());
                }
            }
        }
        let filter = Self::parse(texts.iter().map(String::as_str))?;
        filter.ok_or_else(|| FilterError::new("the filter is empty", kinds().map(|kind| format!("{}:…", kind.name()))))
    }

    /// The kinds that it has, ascending.
    pub fn kinds(&self) -> impl ExactSizeIterator<Item = Dimension> {
        self.kinds.iter().map(|(dimension, _)| *dimension)
    }

    /// True if `--statistics base` keeps all of its kinds.
    pub fn is_of_base(&self) -> bool {
        self.kinds().all(|kind| Dimension::BASE.contains(&kind))
    }

    /// True if it lets the key pass: one of its kind `of`, or of a dimension that this kind is made of.
    pub fn takes(&self, of: Dimension, raw: &[u8]) -> bool {
        let values = self.kinds.iter().find(|(dimension, _)| *dimension == of).map(|(_, values)| values);
        values.is_none_or(|values| is_in(of, values, raw))
    }
}

/// True if the raw key (of networks: the client's) is one of the values.
pub(super) fn is_in(dimension: Dimension, values: &[Vec<u8>], raw: &[u8]) -> bool {
    match dimension {
        Dimension::Network => values.iter().any(|network| is_inside(network, raw)),
        _ if raw.len() > KEY_MAX => values.contains(&cut(raw)),
        _ => values.iter().any(|value| value.as_slice() == raw),
    }
}

/// True if the client is in the network; without an address both are empty.
fn is_inside(network: &[u8], client: &[u8]) -> bool {
    let Some((&length, address)) = network.split_last() else { return client.is_empty() };
    if client.len() != address.len() {
        return false;
    }
    let (whole, rest) = (usize::from(length / 8), length % 8);
    address[..whole] == client[..whole] && (rest == 0 || (address[whole] ^ client[whole]) >> (8 - rest) == 0)
}

/// The raw keys that a value stands for: one, or all codes of a name.
fn raw_keys(dimension: Dimension, value: &str) -> Result<Vec<Vec<u8>>, FilterError> {
    let wrong = |allowed: &[&str]| {
        let reason = format!("\"{}\" is no value of the filter kind {}", shortened(value), dimension.name());
        FilterError::new(reason, allowed.iter().copied())
    };
    let nothing = if dimension == Dimension::Type { "(unknown)" } else { "(none)" };
    let coded = |name: &dyn Fn(i64) -> String, allowed: &[&str]| {
        let mut codes: Vec<i64> = (0..256).filter(|code| name(*code) == value).collect();
        let unknown = value.strip_prefix("UNKNOWN(").and_then(|rest| rest.strip_suffix(')'));
        codes.extend(unknown.and_then(|code| code.parse().ok()).filter(|code| name(*code) == value));
        let raw: Vec<_> = codes.into_iter().map(|code| code.to_le_bytes().to_vec()).collect();
        if raw.is_empty() { Err(wrong(allowed)) } else { Ok(raw) }
    };
    match dimension {
        Dimension::Result => return coded(&|code| codes::result_name(code).into_owned(), &["TCP_HIT", "UNKNOWN(81)"]),
        Dimension::Route => return coded(&|code| codes::route_name(code).into_owned(), &["DIRECT", "UNKNOWN(81)"]),
        Dimension::Status => {
            let code = value.parse::<i64>().ok().filter(|code| code.to_string() == value);
            return code.map(|code| vec![code.to_le_bytes().to_vec()]).ok_or_else(|| wrong(&["200", "0"]));
        }
        _ => {}
    }
    let raw = match dimension {
        _ if value == nothing => Vec::new(),
        Dimension::Client => value
            .parse()
            .map(|address| mapped(address).octets().to_vec())
            .map_err(|_| wrong(&["192.0.2.10", "2001:db8::1", "(none)"]))?,
        Dimension::Network => network(value).ok_or_else(|| wrong(&["192.0.2.0/24", "2001:db8::/48", "(none)"]))?,
        _ => unescaped(value).ok_or_else(|| wrong(&["\\\\ for a backslash", "\\xNN for a byte that is not UTF-8"]))?,
    };
    match dimension {
        Dimension::Node if !raw.contains(&b'@') => Err(wrong(&["NAME@ADDRESS"])),
        _ if raw.is_empty() && value != nothing => Err(wrong(&[nothing])),
        _ if raw.len() > KEY_MAX => Ok(vec![cut(&raw)]),
        _ => Ok(vec![raw]),
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// Address, with the bits behind the prefix 0, and length of the prefix among 128 bits.
fn network(value: &str) -> Option<Vec<u8>> {
    let (address, length) = value.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.parse::<u8>().ok().filter(|given| *given <= most && given.to_string() == length)?;
    let length = length + 128 - most;
    let bits = u128::from(mapped(address)) & u128::MAX.checked_shl(u32::from(128 - length)).unwrap_or(0);
    let mut raw = bits.to_be_bytes().to_vec();
    raw.push(length);
    Some(raw)
}

/// The bytes of a key's text, as [`crate::view::key::escaped`] writes it; `None` if it isn't one.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next()? {
                b'\\' => b'\\',
                b'x' => {
                    let mut digit = || char::from(rest.next()?).to_digit(16);
                    (digit()? << 4 | digit()?) as u8
                }
                _ => return None,
            },
            other => other,
        });
    }
    Some(bytes)
}

fn escaped(bytes: &[u8], to: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in bytes.utf8_chunks() {
        write!(to, "{}", chunk.valid().replace('\\', "\\\\"))?;
        chunk.invalid().iter().try_for_each(|byte| write!(to, "\\x{byte:02x}"))?;
    }
    Ok(())
}

/// Enough of a text to know it again.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// `kind:value`, all of them with a comma between: for people.
impl fmt::Display for Filter {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (dimension, values) in &self.kinds {
            for raw in values {
                write!(to, "{separator}{}:", dimension.name())?;
                separator = ",";
                let code = <[u8; 8]>::try_from(raw.as_slice()).map(i64::from_le_bytes);
                let address = |raw: &[u8]| <[u8; 16]>::try_from(raw).map(|raw| Ipv6Addr::from(raw).to_canonical());
                match (dimension, code) {
                    (Dimension::Type, _) if raw.is_empty() => to.write_str("(unknown)")?,
                    _ if raw.is_empty() => to.write_str("(none)")?,
                    (Dimension::Status, Ok(code)) => write!(to, "{code}")?,
                    (Dimension::Result, Ok(code)) => to.write_str(&codes::result_name(code))?,
                    (Dimension::Route, Ok(code)) => to.write_str(&codes::route_name(code))?,
                    (Dimension::Client, _) => write!(to, "{}", address(raw).map_err(|_| fmt::Error)?)?,
                    (Dimension::Network, _) => {
                        let (length, raw) = raw.split_last().ok_or(fmt::Error)?;
                        // Shorter than the mapped prefix, it is one of IPv6 whatever its address.
                        let bytes = <[u8; 16]>::try_from(raw).map_err(|_| fmt::Error)?;
                        match Ipv6Addr::from(bytes).to_canonical() {
                            IpAddr::V4(address) if *length >= 96 => write!(to, "{address}/{}", length - 96)?,
                            _ => write!(to, "{}/{length}", Ipv6Addr::from(bytes))?,
                        }
                    }
                    _ => escaped(raw, to)?,
                }
            }
        }
        Ok(())
    }
}

/// What all filters together may take of the budget, in bytes (of `memory`).
pub fn share(memory: u64) -> u64 {
    memory / 10
}

/// Caps of the tables of one filter: even if all of 32 are flooded with keys, they take no more than the tables of all entries may.
pub fn caps(of: &Caps) -> Caps {
    let smaller = |rows: usize| (rows / 32).max(64);
    let mut caps = Caps {
        worker_rows: of.worker_rows.map(smaller),
        merger_rows: of.merger_rows.map(smaller),
        water: of.water / 64,
        history: of.history / 4,
        precision: of.precision.min(super::uniques::PRECISION - 1),
        sampled_urls: 0,
        // The distributions of a filter are those of its own entries.
        worker_cells: 0,
        profiles: 0,
        ..*of
    };
    // Their rows are those of the engine's own nodes.
    caps.worker_rows[Dimension::Node as usize] = of.worker_rows[Dimension::Node as usize];
    caps.merger_rows[Dimension::Node as usize] = of.merger_rows[Dimension::Node as usize];
    caps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(texts: &[&str]) -> Filter {
        Filter::parse(texts.iter().copied()).unwrap().unwrap()
    }

    #[test]
    fn equal_filters_have_one_form() {
        let one =
            parsed(&["status:200", "site:b.example", "site:a.example", "site:b.example", "network:192.0.2.77/24"]);
        let other = parsed(&["network:192.0.2.0/24", "site:a.example", "status:200", "site:b.example"]);
        assert_eq!(one, other);
        assert_eq!(one.to_string(), "site:a.example,site:b.example,network:192.0.2.0/24,status:200");
        assert_eq!(parsed(&["client:::ffff:192.0.2.1"]), parsed(&["client:192.0.2.1"]));
        assert_eq!(Filter::parse([]), Ok(None));
        for text in [
            "client:2001:db8::1",
            "client:(none)",
            "network:10.0.0.0/7",
            "network:2001:db8::/33",
            "network:::/0",
            "result:UNKNOWN(81)",
            "result:TCP_HIT",
            "route:DIRECT",
            "status:-1",
            "type:(unknown)",
            "type:text/html",
            "node:edge@1@192.0.2.1",
            "url:http://a.example/\\\\x\\xff",
            "user:(none)",
            "format:squid: chi",
        ] {
            let filter = parsed(&[text]);
            assert_eq!(filter.to_string(), text);
        }
    }

    #[test]
    fn lists_go_on_with_the_kind_before() {
        let list = Filter::parse_list("site:a.example,b.example,client:2001:db8::1,2001:db8::2,url:a\\x2cb").unwrap();
        let texts = ["site:a.example", "site:b.example", "client:2001:db8::1", "client:2001:db8::2", "url:a\\x2cb"];
        assert_eq!(list, parsed(&texts));
        for text in ["", "a", "sites:a", "site:", "status:200,x"] {
            assert!(Filter::parse_list(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_with_what_would_be() {
        for (text, allowed) in [
            ("site", "client:…"),
            ("sites:a", "client"),
            ("client,site:a", "client"),
            ("client:a.example", "192.0.2.10"),
            ("network:192.0.2.0", "192.0.2.0/24"),
            ("network:192.0.2.0/33", "192.0.2.0/24"),
            ("network:192.0.2.0/024", "192.0.2.0/24"),
            ("status:0200", "200"),
            ("status:(none)", "200"),
            ("result:TCP_HITS", "TCP_HIT"),
            ("result:UNKNOWN(49)", "TCP_HIT"),
            ("result:UNKNOWN(99999999999999999999)", "TCP_HIT"),
            ("node:edge", "NAME@ADDRESS"),
            ("site:", "(none)"),
            ("url:\\x4", "\\\\ for a backslash"),
            ("url:a\\", "\\\\ for a backslash"),
            ("url:\\n", "\\\\ for a backslash"),
        ] {
            let error = Filter::parse([text]).unwrap_err();
            assert_eq!(error.allowed[0], allowed, "{text}: {error}");
        }
        assert!(Filter::parse([format!("url:{}", "x".repeat(TEXT_MAX)).as_str()]).is_err());
        let many: Vec<String> = (0..=VALUES_MAX).map(|n| format!("status:{n}")).collect();
        assert!(Filter::parse(many.iter().map(String::as_str)).is_err());
        assert!(Filter::parse(many[1..].iter().map(String::as_str)).is_ok());
    }

    #[test]
    fn networks_of_any_length_take_what_is_in_them() {
        let address = |text: &str| mapped(text.parse().unwrap()).octets();
        for (network, inside, outside) in [
            ("192.0.2.0/25", "192.0.2.127", "192.0.2.128"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("0.0.0.0/0", "255.1.2.3", "2001:db8::1"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("192.0.2.9/32", "192.0.2.9", "192.0.2.8"),
        ] {
            let filter = parsed(&[&format!("network:{network}")]);
            assert!(filter.takes(Dimension::Network, &address(inside)), "{network}");
            assert!(!filter.takes(Dimension::Network, &address(outside)), "{network}");
            assert!(!filter.takes(Dimension::Network, b""), "{network}");
        }
        assert!(parsed(&["network:(none)"]).takes(Dimension::Network, b""));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_filter_with_one_form_or_refused(kind in "[a-z]{1,9}|url|site|network|result|node|client", value in "\\PC{0,40}") {
            if let Ok(Some(filter)) = Filter::parse([format!("{kind}:{value}").as_str()]) {
                let text = filter.to_string();
                if !text.contains(',') {
                    proptest::prop_assert_eq!(Filter::parse([text.as_str()]), Ok(Some(filter)));
                }
            }
        }

        #[test]
        fn keys_come_back_from_their_text(raw in proptest::collection::vec(proptest::num::u8::ANY, 1..40)) {
            let filter = Filter { kinds: vec![(Dimension::Url, vec![raw.clone()])] };
            let text = filter.to_string();
            if text != "url:(none)" {
                proptest::prop_assert_eq!(parsed(&[&text]), filter);
            }
        }
    }
}
