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

/// Plain symbols in the order of their bytes.
const FIELDS: [(&str, Framing); 155] = [
    ("band", Framing::Int),
    ("caun", Framing::Text),
    ("cccs", Framing::Int),
    ("ccid", Framing::Int),
    ("cfsc", Framing::Int),
    ("cgid", Framing::Text),
    ("chi", Framing::Ip),
    ("chih", Framing::Ip),
    ("chiv", Framing::Ip),
    ("chm", Framing::Int),
    ("chp", Framing::Int),
    ("ckh", Framing::Text),
    ("cluc", Framing::Text),
    ("cqah", Framing::List),
    ("cqbl", Framing::Int),
    ("cqcl", Framing::Int),
    ("cqhl", Framing::Int),
    ("cqhm", Framing::Text),
    ("cqhv", Framing::Pair),
    ("cqint", Framing::Int),
    ("cqmpt", Framing::Int),
    ("cqpv", Framing::Text),
    ("cqql", Framing::Int),
    ("cqqtl", Framing::Int),
    ("cqssa", Framing::Text),
    ("cqssc", Framing::Text),
    ("cqssg", Framing::Text),
    ("cqssl", Framing::Int),
    ("cqssr", Framing::Int),
    ("cqssrt", Framing::Int),
    ("cqssu", Framing::Text),
    ("cqssv", Framing::Text),
    ("cqtd", Framing::Int),
    ("cqth", Framing::Int),
    ("cqtn", Framing::Int),
    ("cqtq", Framing::Int),
    ("cqtr", Framing::Int),
    ("cqts", Framing::Int),
    ("cqtt", Framing::Int),
    ("cqtx", Framing::Request),
    ("cqu", Framing::Text),
    ("cquc", Framing::Text),
    ("cqup", Framing::Text),
    ("cqus", Framing::Text),
    ("cquuc", Framing::Text),
    ("cquuh", Framing::Text),
    ("cquup", Framing::Text),
    ("crat", Framing::Int),
    ("crc", Framing::Int),
    ("crec", Framing::Text),
    ("crid", Framing::Int),
    ("crra", Framing::Int),
    ("crsc", Framing::Int),
    ("cruuid", Framing::Text),
    ("cscert", Framing::Int),
    ("cssah", Framing::List),
    ("csscl", Framing::Int),
    ("csshl", Framing::Int),
    ("csshv", Framing::Pair),
    ("cssn", Framing::Text),
    ("cssql", Framing::Int),
    ("csssc", Framing::Int),
    ("ctec", Framing::Text),
    ("cthb", Framing::Int),
    ("cthbr", Framing::Int),
    ("cthbt", Framing::Int),
    ("ctid", Framing::Int),
    ("ctpd", Framing::Int),
    ("ctpw", Framing::Int),
    ("cwr", Framing::Int),
    ("cwra", Framing::Int),
    ("cwtr", Framing::Int),
    ("eps", Framing::Text),
    ("eptid", Framing::Int),
    ("etype", Framing::Int),
    ("fsiz", Framing::Int),
    ("hii", Framing::Ip),
    ("hiih", Framing::Ip),
    ("mstsms", Framing::Text),
    ("nhi", Framing::Ip),
    ("nhp", Framing::Int),
    ("pfsc", Framing::Int),
    ("phi", Framing::Ip),
    ("phn", Framing::Text),
    ("php", Framing::Int),
    ("phr", Framing::Int),
    ("piid", Framing::Int),
    ("pitag", Framing::Text),
    ("ppa", Framing::Text),
    ("ppd", Framing::Ip),
    ("pps", Framing::Ip),
    ("pptc", Framing::Text),
    ("pptg", Framing::Text),
    ("pptv", Framing::Text),
    ("ppv", Framing::Text),
    ("pqah", Framing::List),
    ("pqbl", Framing::Int),
    ("pqcl", Framing::Int),
    ("pqhl", Framing::Int),
    ("pqql", Framing::Int),
    ("pqsi", Framing::Ip),
    ("pqsn", Framing::Text),
    ("pqsp", Framing::Int),
    ("pqssl", Framing::Int),
    ("pqssr", Framing::Int),
    ("pqu", Framing::Text),
    ("pquc", Framing::Text),
    ("pqup", Framing::Text),
    ("pqus", Framing::Text),
    ("prcb", Framing::Int),
    ("prob", Framing::Int),
    ("prrp", Framing::Text),
    ("prscs", Framing::Text),
    ("psah", Framing::List),
    ("pscert", Framing::Int),
    ("psch", Framing::Int),
    ("pscl", Framing::Int),
    ("psct", Framing::Text),
    ("psfid", Framing::Text),
    ("pshl", Framing::Int),
    ("psql", Framing::Int),
    ("psqtl", Framing::Int),
    ("pssc", Framing::Int),
    ("puuid", Framing::Text),
    ("rchh", Framing::Ip),
    ("rchi", Framing::Ip),
    ("rchp", Framing::Int),
    ("sca", Framing::Int),
    ("sdurms", Framing::Int),
    ("shi", Framing::Ip),
    ("shn", Framing::Text),
    ("sqpv", Framing::Text),
    ("ssah", Framing::List),
    ("sscl", Framing::Int),
    ("sshl", Framing::Int),
    ("sshv", Framing::Pair),
    ("ssql", Framing::Int),
    ("ssrc", Framing::Int),
    ("sssc", Framing::Int),
    ("sstc", Framing::Int),
    ("stms", Framing::Int),
    ("stmsf", Framing::Int),
    ("stmsh", Framing::Int),
    ("sts", Framing::Int),
    ("styp", Framing::Text),
    ("surc", Framing::Int),
    ("tfcb", Framing::Int),
    ("ttmh", Framing::Int),
    ("ttms", Framing::Int),
    ("ttmsf", Framing::Int),
    ("ttmsh", Framing::Int),
    ("tts", Framing::Int),
    ("vbn", Framing::Text),
    ("vs", Framing::Text),
    ("xid", Framing::Text),
];

/// Containers: `{name}container`.
const CONTAINERS: [(&str, Framing); 14] = [
    ("cqh", Framing::Text),
    ("psh", Framing::Text),
    ("pqh", Framing::Text),
    ("ssh", Framing::Text),
    ("cssh", Framing::Text),
    ("ecqh", Framing::Text),
    ("epsh", Framing::Text),
    ("epqh", Framing::Text),
    ("essh", Framing::Text),
    ("ecssh", Framing::Text),
    ("icfg", Framing::Int),
    ("scfg", Framing::Text),
    ("ms", Framing::Int),
    ("msdms", Framing::Int),
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
    match container(text) {
        Some((_, "record")) => Symbol::Known(Framing::Record),
        Some((_, name)) => CONTAINERS
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(Symbol::Unknown, |(_, framing)| Symbol::Known(*framing)),
        None => FIELDS
            .binary_search_by_key(&text, |(known, _)| known)
            .map_or(Symbol::Unknown, |at| Symbol::Known(FIELDS[at].1)),
    }
}

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
            Symbol::Known(Framing::Int) => Term::Int,
            Symbol::Known(Framing::Pair) => Term::Pair,
            Symbol::Known(Framing::Text) => Term::Text,
            Symbol::Known(Framing::Ip) => Term::Ip,
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
    fn the_table_is_in_order() {
        assert!(FIELDS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
