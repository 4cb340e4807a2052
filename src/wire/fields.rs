//! Log fields: how the value of each symbol is stored in an entry.
//!
//! Source: the field tables of all releases (`Log.cc`, `init_fields`) and the marshalling functions (`LogAccess.cc`): what is stored,
//! which is not always what Traffic Server declares (spec/fields.md).

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// One 8-byte integer.
    Int,
    /// Two integers: major and minor version.
    Pair,
    /// Bytes, a NUL, padding to 8.
    Text,
    /// An address: family, then as many bytes as the family has, padded to 8.
    Ip,
    /// 32 bytes: text, a NUL, leavings (`{name}record`).
    Record,
    /// Name and value in turns, each with a NUL, ended by one more NUL, padded to 8 (`cqah` and its like).
    List,
    /// Method, URL and version: two texts and a pair (`cqtx`).
    Request,
    /// A selector, then a text, or for selector -2 the value of the last term (`{a}cqh??chi`).
    Fallback(Term),
    /// Nothing: the writer did not know the symbol.
    Absent,
    /// What is left of the entry: where its values begin and end is not known.
    Rest,
}

/// The last term of a fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    /// Stored as [`Framing::Int`].
    Int,
    /// Stored as [`Framing::Pair`].
    Pair,
    /// Stored as [`Framing::Text`].
    Text,
    /// Stored as [`Framing::Ip`].
    Ip,
    /// Stored as [`Framing::Record`].
    Record,
    /// Stored as [`Framing::List`].
    List,
}

impl Term {
    /// How a value of that term is stored.
    pub fn framing(self) -> Framing {
        match self {
            Self::Int => Framing::Int,
            Self::Pair => Framing::Pair,
            Self::Text => Framing::Text,
            Self::Ip => Framing::Ip,
            Self::Record => Framing::Record,
            Self::List => Framing::List,
        }
    }

    fn of(framing: Framing) -> Option<Self> {
        [Self::Int, Self::Pair, Self::Text, Self::Ip, Self::Record, Self::List]
            .into_iter()
            .find(|term| term.framing() == framing)
    }
}

/// What a symbol says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// A field that we know.
    Known(Framing),
    /// An aggregate, `SUM(x)` and its like: one integer, and the entry is no request.
    Aggregate,
    /// Neither.
    Unknown,
}

/// A release as a number: 2.1.5 is 20105.
pub type Release = u32;

/// Still there in the newest release.
const NOW: Release = Release::MAX;

/// Plain symbols in the order of their bytes, with the first and the last release that know them.
const FIELDS: [(&str, Framing, Release, Release); 155] = [
    ("band", Framing::Int, 20000, 20107),
    ("caun", Framing::Text, 20000, NOW),
    ("cccs", Framing::Int, 80100, NOW),
    ("ccid", Framing::Int, 70103, NOW),
    ("cfsc", Framing::Int, 20000, NOW),
    ("cgid", Framing::Text, 20000, 40099),
    ("chi", Framing::Ip, 20000, NOW),
    ("chih", Framing::Ip, 20000, NOW),
    ("chiv", Framing::Ip, 100200, NOW),
    ("chm", Framing::Int, 50300, NOW),
    ("chp", Framing::Int, 40200, NOW),
    ("ckh", Framing::Text, 100200, NOW),
    ("cluc", Framing::Text, 60000, NOW),
    ("cqah", Framing::List, 90000, NOW),
    ("cqbl", Framing::Int, 20000, 70199),
    ("cqcl", Framing::Int, 70000, NOW),
    ("cqhl", Framing::Int, 20000, NOW),
    ("cqhm", Framing::Text, 20000, NOW),
    ("cqhv", Framing::Pair, 20000, 90299),
    ("cqint", Framing::Int, 80100, NOW),
    ("cqmpt", Framing::Int, 80100, NOW),
    ("cqpv", Framing::Text, 60000, NOW),
    ("cqql", Framing::Int, 70000, NOW),
    ("cqqtl", Framing::Int, 100200, NOW),
    ("cqssa", Framing::Text, 90100, NOW),
    ("cqssc", Framing::Text, 60100, NOW),
    ("cqssg", Framing::Text, 100100, NOW),
    ("cqssl", Framing::Int, 60000, NOW),
    ("cqssr", Framing::Int, 60000, NOW),
    ("cqssrt", Framing::Int, 100200, NOW),
    ("cqssu", Framing::Text, 90000, NOW),
    ("cqssv", Framing::Text, 60100, NOW),
    ("cqtd", Framing::Int, 20000, NOW),
    ("cqth", Framing::Int, 20000, NOW),
    ("cqtn", Framing::Int, 20000, NOW),
    ("cqtq", Framing::Int, 20000, NOW),
    ("cqtr", Framing::Int, 60000, NOW),
    ("cqts", Framing::Int, 20000, NOW),
    ("cqtt", Framing::Int, 20000, NOW),
    ("cqtx", Framing::Request, 20000, 90299),
    ("cqu", Framing::Text, 20000, NOW),
    ("cquc", Framing::Text, 20000, NOW),
    ("cqup", Framing::Text, 20000, NOW),
    ("cqus", Framing::Text, 20000, NOW),
    ("cquuc", Framing::Text, 20000, NOW),
    ("cquuh", Framing::Text, 30103, NOW),
    ("cquup", Framing::Text, 20000, NOW),
    ("crat", Framing::Int, 20000, NOW),
    ("crc", Framing::Int, 20000, NOW),
    ("crec", Framing::Text, 80000, NOW),
    ("crid", Framing::Int, 70000, NOW),
    ("crra", Framing::Int, 80100, NOW),
    ("crsc", Framing::Int, 80000, NOW),
    ("cruuid", Framing::Text, 70000, NOW),
    ("cscert", Framing::Int, 90000, NOW),
    ("cssah", Framing::List, 90000, NOW),
    ("csscl", Framing::Int, 30104, NOW),
    ("csshl", Framing::Int, 30104, NOW),
    ("csshv", Framing::Pair, 30104, NOW),
    ("cssn", Framing::Text, 90000, NOW),
    ("cssql", Framing::Int, 70000, NOW),
    ("csssc", Framing::Int, 30104, NOW),
    ("ctec", Framing::Text, 80000, NOW),
    ("cthb", Framing::Int, 100200, NOW),
    ("cthbr", Framing::Int, 100200, NOW),
    ("cthbt", Framing::Int, 100200, NOW),
    ("ctid", Framing::Int, 70103, NOW),
    ("ctpd", Framing::Int, 80100, NOW),
    ("ctpw", Framing::Int, 80100, NOW),
    ("cwr", Framing::Int, 20000, NOW),
    ("cwra", Framing::Int, 80100, NOW),
    ("cwtr", Framing::Int, 20000, NOW),
    ("eps", Framing::Text, 20000, 20107),
    ("eptid", Framing::Int, 20000, 20107),
    ("etype", Framing::Int, 20000, 70199),
    ("fsiz", Framing::Int, 20000, NOW),
    ("hii", Framing::Ip, 60000, NOW),
    ("hiih", Framing::Ip, 60000, NOW),
    ("mstsms", Framing::Text, 100200, NOW),
    ("nhi", Framing::Ip, 70104, NOW),
    ("nhp", Framing::Int, 70104, NOW),
    ("pfsc", Framing::Int, 20000, NOW),
    ("phi", Framing::Ip, 20000, NOW),
    ("phn", Framing::Text, 20000, NOW),
    ("php", Framing::Int, 50200, NOW),
    ("phr", Framing::Int, 20000, NOW),
    ("piid", Framing::Int, 50000, NOW),
    ("pitag", Framing::Text, 50000, NOW),
    ("ppa", Framing::Text, 100100, NOW),
    ("ppd", Framing::Ip, 90000, NOW),
    ("pps", Framing::Ip, 90000, NOW),
    ("pptc", Framing::Text, 100200, NOW),
    ("pptg", Framing::Text, 100200, NOW),
    ("pptv", Framing::Text, 100200, NOW),
    ("ppv", Framing::Text, 90000, NOW),
    ("pqah", Framing::List, 90000, NOW),
    ("pqbl", Framing::Int, 20000, 70199),
    ("pqcl", Framing::Int, 70000, NOW),
    ("pqhl", Framing::Int, 20000, NOW),
    ("pqql", Framing::Int, 70000, NOW),
    ("pqsi", Framing::Ip, 20000, NOW),
    ("pqsn", Framing::Text, 20000, 70199),
    ("pqsp", Framing::Int, 60000, NOW),
    ("pqssl", Framing::Int, 60100, NOW),
    ("pqssr", Framing::Int, 90200, NOW),
    ("pqu", Framing::Text, 100000, NOW),
    ("pquc", Framing::Text, 100000, NOW),
    ("pqup", Framing::Text, 100000, NOW),
    ("pqus", Framing::Text, 100000, NOW),
    ("prcb", Framing::Int, 20000, 40099),
    ("prob", Framing::Int, 20000, 40099),
    ("prrp", Framing::Text, 80000, NOW),
    ("prscs", Framing::Text, 100200, NOW),
    ("psah", Framing::List, 90000, NOW),
    ("pscert", Framing::Int, 90000, NOW),
    ("psch", Framing::Int, 20000, NOW),
    ("pscl", Framing::Int, 20000, NOW),
    ("psct", Framing::Text, 20000, NOW),
    ("psfid", Framing::Text, 100200, NOW),
    ("pshl", Framing::Int, 20000, NOW),
    ("psql", Framing::Int, 20000, NOW),
    ("psqtl", Framing::Int, 100200, NOW),
    ("pssc", Framing::Int, 20000, NOW),
    ("puuid", Framing::Text, 70000, NOW),
    ("rchh", Framing::Ip, 100101, NOW),
    ("rchi", Framing::Ip, 100101, NOW),
    ("rchp", Framing::Int, 100101, NOW),
    ("sca", Framing::Int, 60200, NOW),
    ("sdurms", Framing::Int, 20000, 20107),
    ("shi", Framing::Ip, 20000, NOW),
    ("shn", Framing::Text, 20000, NOW),
    ("sqpv", Framing::Text, 90100, NOW),
    ("ssah", Framing::List, 90000, NOW),
    ("sscl", Framing::Int, 20000, NOW),
    ("sshl", Framing::Int, 20000, NOW),
    ("sshv", Framing::Pair, 20000, NOW),
    ("ssql", Framing::Int, 70000, NOW),
    ("ssrc", Framing::Int, 100000, NOW),
    ("sssc", Framing::Int, 20000, NOW),
    ("sstc", Framing::Int, 60100, NOW),
    ("stms", Framing::Int, 50200, NOW),
    ("stmsf", Framing::Int, 50200, NOW),
    ("stmsh", Framing::Int, 50200, NOW),
    ("sts", Framing::Int, 50200, NOW),
    ("styp", Framing::Text, 20000, 20107),
    ("surc", Framing::Int, 100000, NOW),
    ("tfcb", Framing::Int, 20000, 20107),
    ("ttmh", Framing::Int, 20000, 90199),
    ("ttms", Framing::Int, 20000, NOW),
    ("ttmsf", Framing::Int, 20000, NOW),
    ("ttmsh", Framing::Int, 90200, NOW),
    ("tts", Framing::Int, 20000, NOW),
    ("vbn", Framing::Text, 80100, NOW),
    ("vs", Framing::Text, 90101, NOW),
    ("xid", Framing::Text, 20000, 40299),
];

/// Containers, `{name}container`, with the first release that knows them.
const CONTAINERS: [(&str, Framing, Release); 15] = [
    ("cqh", Framing::Text, 20000),
    ("psh", Framing::Text, 20000),
    ("pqh", Framing::Text, 20000),
    ("ssh", Framing::Text, 20000),
    ("cssh", Framing::Text, 30104),
    ("ecqh", Framing::Text, 20000),
    ("epsh", Framing::Text, 20000),
    ("epqh", Framing::Text, 20000),
    ("essh", Framing::Text, 20000),
    ("ecssh", Framing::Text, 30104),
    ("icfg", Framing::Int, 20000),
    ("scfg", Framing::Text, 20000),
    ("record", Framing::Record, 20000),
    ("ms", Framing::Int, 60000),
    ("msdms", Framing::Int, 60000),
];

/// Operators of aggregates.
const OPERATORS: [&str; 5] = ["COUNT", "SUM", "AVG", "FIRST", "LAST"];

/// Reads one symbol of a field list by the grammar of spec/fields.md 4.
pub fn symbol(text: &str) -> Symbol {
    if let Some(terms) = fallback_terms(text) {
        return fallback(&terms);
    }
    let text = without_slice(text);
    if let Some((operator, argument)) = text.split_once('(')
        && OPERATORS.contains(&operator)
        && argument.ends_with(')')
    {
        return Symbol::Aggregate;
    }
    row(text).map_or(Symbol::Unknown, |(framing, ..)| Symbol::Known(framing))
}

/// Framing, first and last release of a symbol without a slice.
fn row(text: &str) -> Option<(Framing, Release, Release)> {
    match container(text) {
        Some((_, name)) => {
            CONTAINERS.iter().find(|(known, ..)| *known == name).map(|&(_, framing, since)| (framing, since, NOW))
        }
        None => {
            let at = FIELDS.binary_search_by_key(&text, |(known, ..)| known).ok()?;
            let (_, framing, since, last) = FIELDS[at];
            Some((framing, since, last))
        }
    }
}

/// The first release with fallbacks.
const FALLBACKS: Release = 100_200;

/// The first release that stores HTTP versions of origin and cache as texts.
pub const VERSIONS_AS_TEXT: Release = 110_000;

/// First and last release that know a symbol; none know one that is unknown, all know an aggregate.
pub fn releases(text: &str) -> Option<(Release, Release)> {
    match symbol(text) {
        Symbol::Known(Framing::Fallback(_)) => Some((FALLBACKS, NOW)),
        Symbol::Known(_) => row(without_slice(text)).map(|(_, since, last)| (since, last)),
        Symbol::Aggregate => Some((20000, NOW)),
        Symbol::Unknown => None,
    }
}

/// How that release stores the value of a symbol; [`Framing::Absent`] for one that it doesn't know.
pub fn framing_in(text: &str, release: Release) -> Framing {
    if releases(text).is_none_or(|(since, last)| release < since || last < release) {
        return Framing::Absent;
    }
    match symbol(text) {
        Symbol::Known(Framing::Fallback(Term::Pair)) if release >= VERSIONS_AS_TEXT => Framing::Fallback(Term::Text),
        Symbol::Known(Framing::Pair) if release >= VERSIONS_AS_TEXT => Framing::Text,
        Symbol::Known(Framing::Ip) => address_in(without_slice(text), release),
        Symbol::Known(framing) => framing,
        Symbol::Aggregate => Framing::Int,
        Symbol::Unknown => Framing::Absent,
    }
}

/// How addresses were stored before they had a form of their own (spec/logbuffer.md 7.1).
fn address_in(symbol: &str, release: Release) -> Framing {
    match symbol {
        _ if release >= ADDRESSES => Framing::Ip,
        "phi" => Framing::Text,
        "chi" | "chih" if release >= CLIENTS_AS_TEXT => Framing::Text,
        _ => Framing::Int,
    }
}

/// The first release with address values.
pub const ADDRESSES: Release = 30101;

/// The first release that stores clients as texts.
pub const CLIENTS_AS_TEXT: Release = 20105;

/// Splits `{name}container`.
pub fn container(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix('{')?.split_once('}')
}

/// Takes a slice `[a:b]` off the end; the stored value is complete.
pub fn without_slice(text: &str) -> &str {
    match text.rfind('[') {
        Some(at) if text.ends_with(']') && text[at..].contains(':') && at > 0 => &text[..at],
        _ => text,
    }
}

/// The terms of a fallback, split at `??` outside quotes; `None` for anything else.
pub(super) fn fallback_terms(text: &str) -> Option<Vec<&str>> {
    let mut terms = Vec::new();
    let (mut start, mut at, mut quoted) = (0, 0, false);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'"' => quoted = !quoted,
            b'?' if !quoted && bytes.get(at + 1) == Some(&b'?') => {
                terms.push(&text[start..at]);
                at += 1;
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    (!terms.is_empty()).then(|| {
        terms.push(&text[start..]);
        terms
    })
}

fn fallback(terms: &[&str]) -> Symbol {
    let last = terms.last().copied().unwrap_or_default();
    let term = if last.starts_with('"') {
        Term::Text
    } else {
        match symbol(last) {
            Symbol::Known(framing) => match Term::of(framing) {
                Some(term) => term,
                None => return Symbol::Unknown,
            },
            _ => return Symbol::Unknown,
        }
    };
    Symbol::Known(Framing::Fallback(term))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_read_by_the_grammar() {
        let cases: &[(&str, Symbol)] = &[
            ("psql", Symbol::Known(Framing::Int)),
            ("chi", Symbol::Known(Framing::Ip)),
            ("nhp", Symbol::Known(Framing::Int)),
            ("cqpv", Symbol::Known(Framing::Text)),
            ("sshv", Symbol::Known(Framing::Pair)),
            ("cqtx", Symbol::Known(Framing::Request)),
            ("cqu[0:30]", Symbol::Known(Framing::Text)),
            ("{Referer}cqh[:40]", Symbol::Known(Framing::Text)),
            ("{a[0:3]}cqh", Symbol::Known(Framing::Text)),
            ("{proxy.config.x}record", Symbol::Known(Framing::Record)),
            ("{TS_MILESTONE_A-TS_MILESTONE_B}msdms", Symbol::Known(Framing::Int)),
            ("COUNT(*)", Symbol::Aggregate),
            ("MAX(psql)", Symbol::Unknown),
            ("{X-A}cqh??{X-B}cqh??chi", Symbol::Known(Framing::Fallback(Term::Ip))),
            ("{X-A}cqh??\"no??ne\"", Symbol::Known(Framing::Fallback(Term::Text))),
            ("{X-A}cqh??nosuch2", Symbol::Unknown),
            ("{X}nocontainer", Symbol::Unknown),
            ("nosuch", Symbol::Unknown),
            ("", Symbol::Unknown),
        ];
        for (text, expected) in cases {
            assert_eq!(symbol(text), *expected, "{text}");
        }
    }

    #[test]
    fn releases_store_what_they_know() {
        let cases: &[(&str, Release, Framing)] = &[
            ("chi", 20000, Framing::Int),
            ("chih", 20105, Framing::Text),
            ("pqsi", 30100, Framing::Int),
            ("phi", 30100, Framing::Text),
            ("phi", 30101, Framing::Ip),
            ("pqsn", 70112, Framing::Text),
            ("pqsn", 80000, Framing::Absent),
            ("cquuh[0:9]", 30102, Framing::Absent),
            ("{Via}cssh", 30103, Framing::Absent),
            ("sshv", 100_200, Framing::Pair),
            ("sshv", 110_000, Framing::Text),
            ("{A}cqh??csshv", 110_000, Framing::Fallback(Term::Text)),
            ("{A}cqh??chi", 90200, Framing::Absent),
            ("{A}cqh??cqah", 100_200, Framing::Fallback(Term::List)),
            ("SUM(psql)", 20000, Framing::Int),
            ("nosuch", 20000, Framing::Absent),
        ];
        for (text, release, expected) in cases {
            assert_eq!(framing_in(text, *release), *expected, "{text} in {release}");
        }
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(FIELDS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
