//! Shapes: what the printed text of a field looks like, and the value that it stands for (spec/logbuffer.md, ASCII rendering).

use std::sync::LazyLock;

use crate::wire::codes;
use crate::wire::fields::{self, Framing, Symbol};

/// What the text of a field looks like, by which it is known where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A whole number, or `-` for none.
    Int,
    /// The status sent to the client: 0 for none, or 100 to 999. Where it is anything else Traffic Server has misread its own entry
    /// (spec/real-ats.md 1, `cqus`), and what it prints of the others is left-over memory.
    Status,
    /// Seconds with three decimals: ms.
    Millis,
    /// Hexadecimal digits.
    Hex,
    /// `23/Nov/2026:19:26:33 -0000`: seconds since the epoch.
    Date,
    /// `2026-11-23`: seconds since the epoch, as if it were UTC.
    Day,
    /// `19:26:33`: seconds since midnight.
    Clock,
    /// The name of a result code.
    Result,
    /// The name of a route.
    Route,
    /// The name of an entry type.
    EntryType,
    /// An address, `0` or `-` for none.
    Address,
    /// The bytes of an address in hexadecimal digits.
    AddressHex,
    /// Any text without a blank.
    Token,
    /// Any text.
    Free,
    /// Any text of a method, a URL, a version, with blanks between them.
    Request,
}

/// Integers that are printed by name, which no statistic reads.
const NAMED: [&str; 6] = ["crsc", "chm", "cfsc", "pfsc", "cwr", "cwtr"];

/// Integers that are printed in hexadecimal digits.
const HEX: [&str; 5] = ["cqth", "psch", "ttmh", "ttmsh", "stmsh"];

/// Addresses that are printed in hexadecimal digits.
const ADDRESSES_HEX: [&str; 3] = ["chih", "hiih", "rchh"];

/// Texts that never have a blank in them: tokens of the protocol, host names, and URLs that Traffic Server has escaped.
const TOKENS: [&str; 36] = [
    "caun", "ckh", "cluc", "cqhm", "cqpv", "cqssa", "cqssc", "cqssg", "cqssu", "cqssv", "cquc", "cqus", "cquuc",
    "cquuh", "crec", "cruuid", "csshv", "cssn", "ctec", "mstsms", "phn", "pquc", "pqus", "pqsn", "pptv", "ppv",
    "psfid", "puuid", "shn", "sqpv", "sshv", "vbn", "cqhv", "phi", "ecqh", "epsh",
];

impl Shape {
    /// The shape of a symbol's text.
    pub fn of(symbol: &str) -> Self {
        let Symbol::Known(framing) = fields::symbol(symbol) else {
            return if fields::symbol(symbol) == Symbol::Aggregate { Self::Int } else { Self::Free };
        };
        match (framing, fields::without_slice(symbol)) {
            (Framing::Int, "cqtq" | "ttmsf" | "stmsf") => Self::Millis,
            (Framing::Int, "pssc") => Self::Status,
            (Framing::Int, "cqtn") => Self::Date,
            (Framing::Int, "cqtd") => Self::Day,
            (Framing::Int, "cqtt") => Self::Clock,
            (Framing::Int, "crc") => Self::Result,
            (Framing::Int, "phr") => Self::Route,
            (Framing::Int, "etype") => Self::EntryType,
            (Framing::Int, name) if HEX.contains(&name) => Self::Hex,
            (Framing::Int, name) if NAMED.contains(&name) => Self::Token,
            (Framing::Int, _) => Self::Int,
            (Framing::Pair, _) => Self::Token,
            (Framing::Ip, name) if ADDRESSES_HEX.contains(&name) => Self::AddressHex,
            (Framing::Ip, _) => Self::Address,
            (Framing::Request, "cqtx") if symbol == "cqtx" => Self::Request,
            (Framing::Text, name) if TOKENS.contains(&name) => Self::Token,
            _ => Self::Free,
        }
    }

    /// May the text hold whatever there is, so that its end must be looked for?
    pub fn is_free(self) -> bool {
        matches!(self, Self::Free | Self::Request)
    }

    /// The length of the text, where all of this shape have the same.
    pub fn fixed_len(self) -> Option<usize> {
        match self {
            Self::Date => Some(26),
            Self::Day => Some(10),
            Self::Clock => Some(8),
            _ => None,
        }
    }

    /// Does the text go on for as long as its own bytes do, whatever the literal behind?
    pub fn is_run(self) -> bool {
        matches!(self, Self::Int | Self::Status | Self::Millis | Self::Hex)
    }

    /// May a text of this shape have that byte in it?
    pub fn may_have(self, byte: u8) -> bool {
        match self {
            Self::Int | Self::Status => byte.is_ascii_digit(),
            Self::Millis => byte.is_ascii_digit() || byte == b'.',
            Self::Hex => byte.is_ascii_hexdigit(),
            _ => true,
        }
    }
}

/// The number at the start of `text`, and its length. Numbers that are too large saturate; `-` alone is 0.
#[inline]
pub fn int(text: &[u8]) -> Option<(i64, usize)> {
    let negative = text.first() == Some(&b'-');
    let start = usize::from(negative);
    let mut at = start;
    let mut value: i64 = 0;
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        // 18 digits always fit.
        value = if at < 18 {
            value * 10 + i64::from(digit)
        } else {
            value.saturating_mul(10).saturating_add(i64::from(digit))
        };
        at += 1;
    }
    if at == start {
        return negative.then_some((0, 1));
    }
    Some((if negative { -value } else { value }, at))
}

/// The status at the start of `text`, and its length.
#[inline]
pub fn status(text: &[u8]) -> Option<(i64, usize)> {
    int(text).filter(|(value, _)| *value == 0 || (100..=999).contains(value))
}

/// Seconds with three decimals at the start of `text`, in ms, and the length; `-` alone is 0.
#[inline]
pub fn millis(text: &[u8]) -> Option<(i64, usize)> {
    let (seconds, at) = int(text)?;
    let [b'.', decimals @ ..] = text.get(at..)? else {
        return (text[at - 1] == b'-').then_some((0, 1));
    };
    let decimals: [u8; 3] = decimals.first_chunk::<3>()?.map(|byte| byte.wrapping_sub(b'0'));
    if decimals.iter().any(|&digit| digit > 9) || text[at - 1] == b'-' {
        return None;
    }
    let part = i64::from(decimals[0]) * 100 + i64::from(decimals[1]) * 10 + i64::from(decimals[2]);
    let part = if text[0] == b'-' { -part } else { part };
    Some((seconds.saturating_mul(1000).saturating_add(part), at + 4))
}

/// How far a number at the start of `text` can be told from none.
#[cold]
pub fn digits(text: &[u8]) -> usize {
    let run = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
    (run + 4).min(text.len())
}

/// Hexadecimal digits at the start of `text`, the last sixteen of which count, and the length.
pub fn hex(text: &[u8]) -> Option<(i64, usize)> {
    let mut value: u64 = 0;
    let mut at = 0;
    while let Some(digit) = text.get(at).and_then(|&byte| char::from(byte).to_digit(16)) {
        value = value << 4 | u64::from(digit);
        at += 1;
    }
    (at > 0).then_some((value as i64, at))
}

/// The two digits at `at`, no more than `most`.
fn two(text: &[u8], at: usize, most: i64) -> Option<i64> {
    let &[high, low] = text.get(at..)?.first_chunk::<2>()?;
    let value = i64::from(high.wrapping_sub(b'0')) * 10 + i64::from(low.wrapping_sub(b'0'));
    (high.is_ascii_digit() && low.is_ascii_digit() && value <= most).then_some(value)
}

/// `19:26:33`: seconds since midnight.
pub fn clock(text: &[u8]) -> Option<i64> {
    if text.len() != 8 || text[2] != b':' || text[5] != b':' {
        return None;
    }
    // A leap second is 60.
    Some(two(text, 0, 23)? * 3600 + two(text, 3, 59)? * 60 + two(text, 6, 60)?)
}

/// `2026-11-23`: seconds since the epoch when that day begins in UTC.
pub fn day(text: &[u8]) -> Option<i64> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    seconds_of(two(text, 0, 99)? * 100 + two(text, 2, 99)?, two(text, 5, 12)?, two(text, 8, 31)?)
}

/// `23/Nov/2026:19:26:33 -0000`: seconds since the epoch.
pub fn date(text: &[u8]) -> Option<i64> {
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    if text.len() != 26 || [text[2], text[6], text[11], text[20]] != *b"//: " {
        return None;
    }
    let month = MONTHS.iter().position(|month| *month == &text[3..6])? as i64 + 1;
    let day = seconds_of(two(text, 7, 99)? * 100 + two(text, 9, 99)?, month, two(text, 0, 31)?)?;
    let zone = two(text, 22, 23)? * 3600 + two(text, 24, 59)? * 60;
    let zone = match text[21] {
        b'+' => zone,
        b'-' => -zone,
        _ => return None,
    };
    Some(day + clock(&text[12..20])? - zone)
}

/// Seconds from the epoch to a day of the Gregorian calendar, which is counted in years that begin with March.
fn seconds_of(year: i64, month: i64, day: i64) -> Option<i64> {
    if month == 0 || day == 0 {
        return None;
    }
    let year = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year;
    // Days from the first of March of the year 0 to the epoch.
    Some((days - 719_468) * 86_400)
}

/// An address, IPv4 as mapped IPv6; the inner `None` for none: `0`, `-`, or the path of a Unix socket.
#[inline]
pub fn address(text: &[u8]) -> Option<Option<[u8; 16]>> {
    if let Some(v4) = v4(text) {
        return Some(Some(mapped(v4)));
    }
    match text {
        b"0" | b"-" | [b'/' | b'@', ..] => Some(None),
        // The longest has 45 bytes; a zone behind `%` isn't read.
        _ if text.len() > 45 => None,
        _ => match std::str::from_utf8(text).ok()?.parse().ok()? {
            std::net::IpAddr::V4(v4) => Some(Some(mapped(v4.octets()))),
            std::net::IpAddr::V6(v6) => Some(Some(v6.octets())),
        },
    }
}

#[inline]
fn v4(text: &[u8]) -> Option<[u8; 4]> {
    let mut octets = [0; 4];
    let mut at = 0;
    for (number, octet) in octets.iter_mut().enumerate() {
        let start = at;
        let mut value = 0_u32;
        while at < start + 3
            && let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
        {
            value = value * 10 + u32::from(digit);
            at += 1;
        }
        *octet = u8::try_from(value).ok().filter(|_| at > start)?;
        if number < 3 {
            (*text.get(at)? == b'.').then_some(())?;
            at += 1;
        }
    }
    (at == text.len()).then_some(octets)
}

#[inline]
fn mapped(v4: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, v4[0], v4[1], v4[2], v4[3]]
}

/// The bytes of an address in hexadecimal digits: 8 of them or 32; the inner `None` for none.
pub fn address_hex(text: &[u8]) -> Option<Option<[u8; 16]>> {
    let mut bytes = [0; 16];
    match text.len() {
        8 | 32 => {}
        _ => return matches!(text, b"0" | b"-" | b"").then_some(None),
    }
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        *byte = (digit(0)? << 4 | digit(1)?) as u8;
    }
    Some(Some(if text.len() == 8 { mapped([bytes[0], bytes[1], bytes[2], bytes[3]]) } else { bytes }))
}

/// Codes by their printed names.
#[derive(Debug)]
pub struct Names {
    /// Open addressing; an empty name is no entry.
    slots: Vec<(&'static str, i64)>,
}

/// Result codes; among them the names of old releases (spec/codes.md 1).
pub static RESULTS: LazyLock<Names> = LazyLock::new(|| {
    let old = [
        ("TCP_REF_FAIL_HIT", b'6'),
        ("TCP_CLIENT_REFRESH", b'8'),
        ("TCP_SWAPFAIL", b'b'),
        // Its letter means a hit by now.
        ("ERR_FTP_DISABLED", b'Z'),
    ];
    Names::new(codes::result_name, &old)
});

/// Hierarchy routes.
pub static ROUTES: LazyLock<Names> = LazyLock::new(|| Names::new(codes::route_name, &[]));

/// Entry types, by the numbers of 2.1 to 7.1; those of 2.0 that later ones lack get numbers that none has.
pub static ENTRY_TYPES: LazyLock<Names> = LazyLock::new(|| {
    let types = ["LOG_ENTRY_HTTP", "LOG_ENTRY_ICP", "LOG_ENTRY_MIXT", "LOG_ENTRY_NNTP", "LOG_ENTRY_FTP"];
    let pairs: Vec<(&'static str, u8)> = types.into_iter().zip(0..).collect();
    Names::new(|_| "".into(), &pairs)
});

impl Names {
    const SLOTS: usize = 256;

    fn new(name: impl Fn(i64) -> std::borrow::Cow<'static, str>, more: &[(&'static str, u8)]) -> Self {
        let mut names = Self { slots: vec![("", 0); Self::SLOTS] };
        for code in 0..256 {
            // Those made up for unknown codes are no names.
            if let std::borrow::Cow::Borrowed(name) = name(code)
                && !name.is_empty()
            {
                names.insert(name, code);
            }
        }
        for (name, code) in more {
            names.insert(name, i64::from(*code));
        }
        names
    }

    fn insert(&mut self, name: &'static str, code: i64) {
        let mut slot = Self::slot(name.as_bytes());
        while !self.slots[slot].0.is_empty() {
            slot = (slot + 1) % Self::SLOTS;
        }
        self.slots[slot] = (name, code);
    }

    /// By length and the last bytes: the first ones are much the same.
    #[inline]
    fn slot(name: &[u8]) -> usize {
        let tail = name.last_chunk::<8>().map_or_else(
            || name.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)),
            |tail| u64::from_le_bytes(*tail),
        );
        let mixed = (tail ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 56) as usize
    }

    /// The code of a printed name: of one that is known, of `NAME(n)` for a code n without a name, and 0 for other words in capitals,
    /// which a newer release may have. `None` for all else.
    #[inline]
    pub fn code(&self, name: &[u8]) -> Option<i64> {
        let mut slot = Self::slot(name);
        while !self.slots[slot].0.is_empty() {
            if self.slots[slot].0.as_bytes() == name {
                return Some(self.slots[slot].1);
            }
            slot = (slot + 1) % Self::SLOTS;
        }
        Self::unknown(name)
    }

    #[cold]
    fn unknown(name: &[u8]) -> Option<i64> {
        let (word, number) = match memchr::memchr(b'(', name) {
            Some(at) => (&name[..at], Some(name[at + 1..].strip_suffix(b")")?)),
            None => (name, None),
        };
        let is_word = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
        if !word.first()?.is_ascii_uppercase() || !word.iter().all(is_word) {
            return None;
        }
        let Some(number) = number else { return Some(0) };
        int(number).filter(|&(_, len)| len == number.len() && number != b"-").map(|(code, _)| code)
    }
}
