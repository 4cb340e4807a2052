//! How the value of a symbol is shown: the tables of spec/logbuffer.md 10 and the slices of spec/fields.md 4.

use crate::wire::codes::Coded;
use crate::wire::fields::{self, Framing};

/// What changed in the text between releases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Up to 10.1: a milestone that was not reached is -1, thousandths are divided in floating point, and behind the scheme `UNKNOWN`
    /// 8 bytes too many are stored (7.1 to 9.2).
    Before10_2,
    /// From 10.2: it is `-`, they are divided as integers, and they aren't.
    From10_2,
}

/// Symbols that exist since 10.2; fallbacks do too.
const SINCE_10_2: [&str; 14] = [
    "chiv", "ckh", "cqqtl", "cqssrt", "cthb", "cthbr", "cthbt", "mstsms", "pptc", "pptg", "pptv", "prscs", "psfid",
    "psqtl",
];

impl Release {
    /// The writer's release, as far as its segments tell: version 3, and symbols that are new in 10.2. Of others 10.2 can't be told
    /// from its forerunners, and they count as those.
    pub fn of(version: u32, field_list: &str) -> Self {
        let is_new = |symbol: &str| {
            let name = fields::without_slice(symbol);
            SINCE_10_2.contains(&name) || symbol.contains("??") || symbol.contains("SERVER_TLS_HANDSHAKE")
        };
        if version >= 3 || field_list.split(',').any(is_new) { Self::From10_2 } else { Self::Before10_2 }
    }
}

/// How a value is shown as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Show {
    Int(Int),
    /// `HTTP/1.1`.
    Version,
    /// A text; `is_version` puts `HTTP/` before it.
    Text {
        slice: Option<Slice>,
        is_version: bool,
    },
    Ip {
        is_hex: bool,
    },
    Record,
    List,
    /// Method, URL and version; the slice is of the URL.
    Request {
        slice: Option<Slice>,
    },
    /// A header by the slices of all terms, or the last one.
    Fallback {
        slices: Vec<Option<Slice>>,
        last: Box<Show>,
    },
    /// Nothing is stored.
    Absent,
}

/// How an integer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Int {
    Decimal,
    Status,
    Hex,
    Thousandths,
    WholeThousandths,
    /// -1 is `-`.
    Milestone,
    Code(Coded),
    /// An address: until 3.1.0 some were integers, the first number the highest.
    Address {
        is_hex: bool,
    },
    /// A time field. `is_own`: the slot may be empty, as up to 7.1.0, and then the entry's header has the time.
    Time {
        as_: Time,
        is_own: bool,
    },
    /// The same from a slot in another unit: seconds from `cqtq`, or the other way round.
    Scaled {
        as_: Time,
        from_ms: bool,
    },
}

/// What is shown of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// Seconds and milliseconds; the slot is in milliseconds, all others are in seconds.
    Squid,
    Seconds,
    Hex,
    Netscape,
    Date,
    Clock,
}

impl Time {
    pub(super) fn of(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "cqtq" => Self::Squid,
            "cqts" => Self::Seconds,
            "cqth" => Self::Hex,
            "cqtn" => Self::Netscape,
            "cqtd" => Self::Date,
            "cqtt" => Self::Clock,
            _ => return None,
        })
    }

    fn int(self, is_own: bool) -> Int {
        Int::Time { as_: self, is_own }
    }
}

impl Show {
    /// How a symbol is shown whose values are stored in that framing.
    pub(super) fn of(symbol: &str, framing: Framing, release: Release) -> Self {
        let slice = Slice::of(symbol);
        let name = fields::without_slice(symbol);
        match framing {
            // Of what is not understood nothing can be shown.
            Framing::Absent | Framing::Rest => Self::Absent,
            Framing::Int if matches!(name, "chi" | "chih" | "pqsi" | "shi" | "phi") => {
                Self::Int(Int::Address { is_hex: name == "chih" })
            }
            Framing::Int => Self::Int(Int::of(name, release)),
            Framing::Pair => Self::Version,
            Framing::Text => Self::Text { slice, is_version: matches!(name, "sshv" | "csshv") },
            Framing::Ip => Self::Ip { is_hex: matches!(name, "chih" | "hiih" | "rchh") },
            Framing::Record => Self::Record,
            Framing::List => Self::List,
            Framing::Request => Self::Request { slice },
            Framing::Fallback(term) => {
                let terms = fields::fallback_terms(symbol).unwrap_or_default();
                let last = terms.last().copied().unwrap_or_default();
                let framing = term.framing();
                let slices = terms.into_iter().map(Slice::of).collect();
                Self::Fallback { slices, last: Self::of(last, framing, release).into() }
            }
        }
    }
}

impl Int {
    fn of(name: &str, release: Release) -> Self {
        // An aggregate is shown as the field that it is of.
        if let Some((_, inner)) = name.split_once('(') {
            let inner = inner.trim_end_matches(')');
            return Time::of(inner).map_or_else(|| Self::of(inner, release), |time| time.int(false));
        }
        if let Some(time) = Time::of(name) {
            return time.int(true);
        }
        if let Some(code) = Coded::of(name) {
            return Self::Code(code);
        }
        match name {
            "pssc" | "sssc" | "csssc" => Self::Status,
            "psch" | "ttmh" | "ttmsh" | "stmsh" => Self::Hex,
            "ttmsf" | "stmsf" if release == Release::From10_2 => Self::WholeThousandths,
            "ttmsf" | "stmsf" => Self::Thousandths,
            _ if name.ends_with("}msdms") && release == Release::From10_2 => Self::Milestone,
            _ => Self::Decimal,
        }
    }
}

/// A slice `[a:b]`: bytes from `start` to before `end`; negative ones count from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slice {
    start: i64,
    end: Option<i64>,
}

impl Slice {
    fn of(symbol: &str) -> Option<Self> {
        let inside = symbol.strip_prefix(fields::without_slice(symbol))?.strip_prefix('[')?.strip_suffix(']')?;
        let (start, end) = inside.split_once(':')?;
        Some(Self { start: number(start), end: (!end.is_empty()).then(|| number(end)) })
    }

    /// The part of `text` that it names; nothing for what is empty or lies beyond the end.
    pub(super) fn cut(self, text: &[u8]) -> &[u8] {
        let len = text.len() as i64;
        let from_start = |at: i64| if at < 0 { (len + at).max(0) } else { at };
        let end = self.end.map_or(len, |end| from_start(end.max(-len)).min(len));
        text.get(from_start(self.start.max(-len)) as usize..end as usize).unwrap_or_default()
    }
}

/// The number at the start of a text as C's `atoi` reads it: what isn't one is 0.
fn number(text: &str) -> i64 {
    let text = text.trim_start();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = &digits[..digits.bytes().take_while(u8::is_ascii_digit).count()];
    let size = if digits.is_empty() { 0 } else { digits.parse().unwrap_or(i64::from(i32::MAX)) };
    if text.starts_with('-') { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cut_as_traffic_logcat_does() {
        let cases: &[(&str, &str)] = &[
            ("cqhm[0:2]", "ab"),
            ("cqhm[1:]", "bcdef"),
            ("cqhm[:2]", "ab"),
            ("cqhm[-3:]", "def"),
            ("cqhm[-3:-1]", "de"),
            ("cqhm[:-2]", "abcd"),
            ("cqhm[3:1]", ""),
            ("cqhm[9:]", ""),
            ("cqhm[0:99]", "abcdef"),
            ("cqhm[-99:3]", "abc"),
            ("cqhm[:]", "abcdef"),
            ("cqhm[0:0]", ""),
            ("cqhm[6:9]", ""),
            ("cqhm[-2:-9]", ""),
            ("cqhm[x:y]", ""),
            ("cqhm[ 1:3]", "bc"),
            ("cqhm[+1:3]", "bc"),
            ("cqhm[1x:3y]", "bc"),
            ("cqhm[0:-0]", ""),
            ("cqhm[-99999999999999999999:99999999999999999999]", "abcdef"),
        ];
        for (symbol, expected) in cases {
            assert_eq!(Slice::of(symbol).unwrap().cut(b"abcdef"), expected.as_bytes(), "{symbol}");
            assert_eq!(Slice::of(symbol).unwrap().cut(b""), b"", "{symbol}");
        }
        assert_eq!((Slice::of("cqhm"), Slice::of("{a[0:1]}cqh")), (None, None));
    }

    #[test]
    fn releases_show_in_version_and_symbols() {
        let cases = [
            (2, "chi,psql", Release::Before10_2),
            (3, "chi,psql", Release::From10_2),
            (2, "chi,ckh[0:4]", Release::From10_2),
            (2, "{a}cqh??chi", Release::From10_2),
            (2, "{TS_MILESTONE_SM_FINISH-TS_MILESTONE_SM_START}msdms", Release::Before10_2),
        ];
        for (version, list, expected) in cases {
            assert_eq!(Release::of(version, list), expected, "{version} {list}");
        }
    }
}
