//! Coded integers as Traffic Server prints them: one table for each kind, with the field that says which it is.
//!
//! Source: the tables of `Log.cc` and the enumerations of `HTTP.h` in Traffic Server; spec/codes.md.

use super::{known_result, known_route};

/// A kind of coded integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coded {
    /// Cache result: `crc`.
    Result,
    /// What the result says besides: `crsc`.
    Subcode,
    /// Hierarchy route: `phr`.
    Route,
    /// How the client's or the origin's side ended: `cfsc`, `pfsc`.
    Finish,
    /// What became of the write into the cache: `cwr`, `cwtr`.
    Write,
    /// Where the hit came from, or why it was none: `chm`.
    HitMiss,
    /// Entry type: `etype`.
    Entry,
}

impl Coded {
    /// The kind of a field's integers; `None` if they aren't coded.
    pub fn of(symbol: &str) -> Option<Self> {
        Some(match symbol {
            "crc" => Self::Result,
            "crsc" => Self::Subcode,
            "phr" => Self::Route,
            "cfsc" | "pfsc" => Self::Finish,
            "cwr" | "cwtr" => Self::Write,
            "chm" => Self::HitMiss,
            "etype" => Self::Entry,
            _ => return None,
        })
    }

    /// The printed name of a code that is known.
    #[inline]
    pub fn name(self, code: i64) -> Option<&'static str> {
        match self {
            Self::Result => known_result(code),
            Self::Route => known_route(code),
            Self::Subcode => by_character(&SUBCODES, code),
            Self::HitMiss => by_character(&HITS_AND_MISSES, code),
            Self::Finish => by_number(&FINISHES, code),
            Self::Write => by_number(&WRITES, code),
            Self::Entry => by_number(&ENTRIES, code),
        }
    }

    /// What stands before an unknown code, which is printed in brackets.
    pub fn unknown(self) -> &'static str {
        match self {
            Self::Result | Self::Subcode => "ERROR_UNKNOWN",
            Self::Route => "INVALID_CODE",
            Self::Finish => "UNKNOWN_FINISH_CODE",
            Self::Write => "UNKNOWN_CACHE_WRITE_CODE",
            Self::HitMiss => "HIT_MISS_UNKNOWN",
            Self::Entry => "UNKNOWN_ENTRY_TYPE",
        }
    }
}

const FINISHES: [&str; 3] = ["FIN", "INTR", "TIMEOUT"];

const WRITES: [&str; 5] = ["-", "WL_MISS", "INTR", "ERR", "FIN"];

/// As from 2.1.5 to 7.1; before, 1 to 4 were kinds that nobody logged.
const ENTRIES: [&str; 2] = ["LOG_ENTRY_HTTP", "LOG_ENTRY_ICP"];

const SUBCODES: [(u8, &str); 2] = [(b'0', "NONE"), (b'1', "NUM_REDIRECTIONS_EXCEEDED")];

const HITS_AND_MISSES: [(u8, &str); 23] = [
    (b'0', "HIT"),
    (b'B', "HIT_RAM"),
    (b'C', "HIT_SSD"),
    (b'D', "HIT_DISK"),
    (b'E', "HIT_CLUSTER"),
    (b'F', "HIT_NET"),
    (b'G', "HIT_RWW"),
    (b'H', "HIT_LEVEL_7"),
    (b'I', "HIT_LEVEL_8"),
    (b'J', "HIT_LEVEL_9"),
    (b'1', "MISS"),
    (b'2', "MISS_ICP_AUTH"),
    (b'3', "MISS_HTTP_NON_CACHE"),
    (b'4', "MISS_ICP_STOPLIST"),
    (b'5', "MISS_HTTP_NO_DLE"),
    (b'6', "MISS_HTTP_NO_LE"),
    (b'7', "MISS_HTTP_CONTENT"),
    (b'8', "MISS_PRAGMA_NOCACHE"),
    (b'9', "MISS_PASS"),
    (b'a', "MISS_PRE_EXPIRED"),
    (b'b', "MISS_ERROR"),
    (b'c', "MISS_CACHE_BYPASS"),
    (b'z', "INVALID_CODE"),
];

fn by_character(table: &[(u8, &'static str)], code: i64) -> Option<&'static str> {
    table.iter().find(|(character, _)| i64::from(*character) == code).map(|(_, name)| *name)
}

fn by_number(table: &[&'static str], code: i64) -> Option<&'static str> {
    table.get(usize::try_from(code).ok()?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_each_kind_have_their_names() {
        let cases: &[(&str, i64, Option<&str>)] = &[
            ("crc", 49, Some("TCP_HIT")),
            ("crc", 0, None),
            ("crsc", 49, Some("NUM_REDIRECTIONS_EXCEEDED")),
            ("crsc", 50, None),
            ("phr", 50, Some("DIRECT")),
            ("phr", 256 + 50, None),
            ("cfsc", 2, Some("TIMEOUT")),
            ("pfsc", 3, None),
            ("pfsc", -1, None),
            ("cwr", 0, Some("-")),
            ("cwtr", 4, Some("FIN")),
            ("chm", 66, Some("HIT_RAM")),
            ("chm", 122, Some("INVALID_CODE")),
            ("chm", 0, None),
            ("etype", 1, Some("LOG_ENTRY_ICP")),
        ];
        for (symbol, code, expected) in cases {
            assert_eq!(Coded::of(symbol).unwrap().name(*code), *expected, "{symbol} {code}");
        }
        assert_eq!(Coded::of("pssc"), None);
    }
}
