//! Entries as traffic_logcat printed them: each line is taken apart by the field list and the print template that the log itself
//! carries, and by nothing of the crate. The moment at which an entry was logged is in no text; it is read where the log has it.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{found, segments, unpacked};

/// One entry; what its format lacks is `None`.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// When it was logged: ms since the epoch.
    pub end: u64,
    /// Source host of its segment, and where it is from.
    pub node: String,
    /// Log object and fields.
    pub format: String,
    pub result: Option<String>,
    pub status: Option<i64>,
    pub route: Option<String>,
    pub bytes: u64,
    /// Bytes of the origin's answer.
    pub from_origin: Option<u64>,
    pub time: Option<u64>,
    pub method: Option<String>,
    pub url: Option<String>,
    pub server: Option<String>,
    pub content_type: Option<String>,
    pub user: Option<String>,
    /// `0` for none.
    pub client: Option<String>,
    /// What follows from result and route, once it was asked for.
    pub known_class: OnceCell<Option<&'static str>>,
}

/// A log of a real Traffic Server with what it prints as.
pub struct Log {
    pub name: String,
    pub path: PathBuf,
    pub segments: Vec<Vec<u8>>,
    /// Of the text, in its order. None of aggregate formats, whose lines are no requests.
    pub entries: Vec<Entry>,
    /// Lines of the text.
    pub lines: usize,
}

impl Log {
    pub fn is_aggregate(&self) -> bool {
        self.entries.is_empty()
    }
}

/// All logs with a text beside them, of the releases whose number begins so.
pub fn logs(releases: &[&str]) -> Vec<Log> {
    let mut logs = Vec::new();
    for (name, text) in found(".logcat.txt.zst") {
        if !releases.iter().any(|release| name.starts_with(&format!("ats-{release}"))) {
            continue;
        }
        let data = ["bin", "blog"].map(|kind| text.with_file_name(format!("{name}.{kind}.zst")));
        let Some(path) = data.into_iter().find(|path| path.exists()) else { continue };
        let segments = segments(&unpacked(&path));
        let text = unpacked(&text);
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        let moments: Vec<(usize, u64)> =
            segments.iter().enumerate().flat_map(|(at, segment)| moments(segment).map(move |ms| (at, ms))).collect();
        assert_eq!(moments.len(), lines.len(), "{name}: a line an entry");
        let headers: Vec<Header> = segments.iter().map(|segment| Header::of(segment)).collect();
        let is_aggregate = headers[0].fields.iter().any(|field| field.starts_with("COUNT("));
        let mut entries = Vec::new();
        if !is_aggregate {
            for (line, (at, end)) in lines.iter().zip(moments) {
                entries.push(headers[at].entry(line, end));
            }
        }
        logs.push(Log { name, path, segments, entries, lines: lines.len() });
    }
    logs
}

/// Bytes as answers show them: those that are not UTF-8 as `\xNN`, a backslash doubled.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', "\\\\"));
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

/// When the entries of a segment were logged.
fn moments(segment: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let word = |at: usize| u64::from(u32::from_le_bytes(segment[at..at + 4].try_into().unwrap()));
    let (mut at, count) = (word(60) as usize, word(16));
    (0..count).map(move |_| {
        let seconds = u64::from_le_bytes(segment[at..at + 8].try_into().unwrap());
        let ms = seconds * 1000 + word(at + 8) / 1000;
        at += word(at + 12) as usize;
        ms
    })
}

/// What a segment says of its lines.
struct Header {
    node: String,
    format: String,
    fields: Vec<String>,
    /// The text before each field, and that behind the last.
    literals: Vec<String>,
}

impl Header {
    fn of(segment: &[u8]) -> Self {
        let text = |at: usize| {
            let start = u32::from_le_bytes(segment[at..at + 4].try_into().unwrap()) as usize;
            segment[start..].split(|byte| *byte == 0).next().unwrap()
        };
        let list = shown(text(44));
        let literals: Vec<String> = text(48).split(|byte| *byte == 0xff).map(shown).collect();
        let fields: Vec<String> = list.split(',').map(str::to_owned).collect();
        assert_eq!(fields.len() + 1, literals.len(), "{list}");
        Self {
            node: format!("{}@file", shown(text(52))),
            format: format!("{}: {list}", shown(text(56))),
            fields,
            literals,
        }
    }

    fn entry(&self, line: &[u8], end: u64) -> Entry {
        let line = shown(line);
        let mut values = BTreeMap::new();
        let rest = line.strip_prefix(&self.literals[0]).unwrap_or_else(|| panic!("{line}"));
        // What is behind the last field that is counted is free text at times, and not looked at.
        let last = self.fields.iter().rposition(|field| COUNTED.contains(&field.as_str())).unwrap();
        assert!(self.split(rest, 0, last, &mut values), "{line} does not fit {:?}", self.fields);
        if values.get("crc").is_some_and(|result| result.starts_with("ERROR_UNKNOWN")) {
            unshift(&mut values);
        }
        let of = |names: &[&str]| names.iter().find_map(|name| values.get(name).cloned());
        let number = |names: &[&str]| of(names).map(|text| text.parse::<i64>().unwrap());
        let amount = |names: &[&str]| number(names).map(|number| number.max(0) as u64);
        let request: Vec<String> = of(&["cqtx"]).iter().flat_map(|text| text.split(' ')).map(str::to_owned).collect();
        let [first, between] = match &request[..] {
            [first, between @ .., _] => [Some(first.clone()), Some(between.join(" "))],
            _ => [None, None],
        };
        // As seconds with three decimals, and as whole ones.
        let in_ms =
            |name: &str| of(&[name]).map(|text| (text.parse::<f64>().unwrap() * 1000.0).round().max(0.0) as u64);
        Entry {
            end,
            node: self.node.clone(),
            format: self.format.clone(),
            result: of(&["crc"]),
            status: number(&["pssc"]),
            route: of(&["phr"]),
            bytes: amount(&["psql", "pscl"]).unwrap_or(0),
            from_origin: amount(&["sscl"]),
            time: amount(&["ttms"]).or_else(|| in_ms("ttmsf")).or_else(|| in_ms("tts")),
            method: of(&["cqhm"]).or(first),
            url: of(&["cquc", "pquc", "cqu", "pqu", "cquuc"]).or(between),
            server: of(&["shn", "pqsn"]),
            content_type: of(&["psct", "{Content-Type}psh"]),
            user: of(&["caun"]),
            client: of(&["chi"]),
            known_class: OnceCell::new(),
        }
    }

    /// Takes the rest of a line apart from a field on: each ends at the first place from which all others fit, too.
    fn split<'a>(&'a self, rest: &'a str, at: usize, last: usize, values: &mut BTreeMap<&'a str, String>) -> bool {
        let (field, behind) = (self.fields[at].as_str(), self.literals[at + 1].as_str());
        let whole = behind.is_empty().then_some(rest.len());
        let inside = rest.match_indices(behind).map(|(end, _)| end).filter(|_| !behind.is_empty());
        for end in whole.into_iter().chain(inside) {
            let value = &rest[..end];
            let is_number =
                !value.is_empty() && value.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
            if NUMBERS.contains(&field) && !is_number {
                continue;
            }
            if at == last || self.split(&rest[end + behind.len()..], at + 1, last, values) {
                if COUNTED.contains(&field) || BESIDE.contains(&field) {
                    values.insert(field, value.to_owned());
                }
                return true;
            }
        }
        false
    }
}

/// Fields that statistics are made of.
const COUNTED: [&str; 21] = [
    "chi", "caun", "cqhm", "cqtx", "cquc", "pquc", "cqu", "pqu", "cquuc", "crc", "pssc", "pscl", "psql", "sscl", "phr",
    "shn", "pqsn", "psct", "ttms", "ttmsf", "tts",
];
/// Fields that [`unshift`] looks at, too.
const BESIDE: [&str; 3] = ["cqus", "cqhl", "shi"];
/// Those that are printed as whole numbers.
const NUMBERS: [&str; 6] = ["pssc", "pscl", "psql", "sscl", "ttms", "tts"];

/// Traffic Server 7.1 to 9.2 stores 8 bytes too many behind the scheme of a request that it could not read, and its own tools read each
/// field behind it 8 bytes too early: what they print as time is that excess, as size the time, and so on (tests/captures/README.md).
fn unshift(values: &mut BTreeMap<&str, String>) {
    assert_eq!(values["cqus"], "UNKNOWN");
    let ms: u64 = values["psql"].parse().unwrap();
    let moved = [("psql", values["cqhl"].clone()), ("chi", values["shi"].clone()), ("ttms", ms.to_string())];
    values.extend(moved);
    // From the server's address on all fields are strings that say nothing, but for the two codes of such requests.
    values.extend(["shn", "caun", "cqhm"].map(|name| (name, "-".to_owned())));
    values.extend([("pssc", "400".to_owned()), ("crc", "ERR_INVALID_REQ".to_owned())]);
}
