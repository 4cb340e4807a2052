//! The log objects that a node sends, and the formats in which it does.

use std::fmt;

use super::rules::log_name;
use crate::wire::fields::{self, Symbol};
use crate::wire::plan::{Number, filled_by};

/// The longest field list that is kept.
const FIELDS_MAX: usize = 512;

/// A log object in one of its formats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// The name of its file, such as `squid.blog`.
    pub file_name: String,
    /// Version of its segments; `None` for lines of text.
    pub version: Option<u32>,
    /// Symbols joined by `,`; a long list is cut.
    pub fields: String,
    /// The symbol that its entries' bytes are read from.
    pub bytes_from: Option<&'static str>,
    /// The symbol that its entries' times are read from.
    pub time_from: Option<&'static str>,
    /// Its entries are of aggregates, and no requests.
    pub is_aggregate: bool,
    /// Do its entries count?
    pub counts: bool,
}

impl Log {
    /// The log of that file, in the format of these symbols.
    pub fn new(file_name: &[u8], version: Option<u32>, field_list: &str, counts: bool) -> Self {
        Self {
            file_name: String::from_utf8_lossy(file_name).into_owned(),
            version,
            fields: field_list.chars().take(FIELDS_MAX).collect(),
            bytes_from: filled_by(field_list, Number::Bytes),
            time_from: filled_by(field_list, Number::Time),
            is_aggregate: field_list.split(',').any(|symbol| fields::symbol(symbol) == Symbol::Aggregate),
            counts,
        }
    }

    /// Its name, which stays the same when its format changes or its file is full.
    pub fn name(&self) -> &[u8] {
        log_name(self.file_name.as_bytes())
    }
}

/// Name and field list.
impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file_name, self.fields)
    }
}

/// The names of the different log objects among these that hold requests, in order.
pub fn names<'a>(logs: impl Iterator<Item = &'a Log>) -> Vec<&'a [u8]> {
    let mut names: Vec<&[u8]> = logs.filter(|log| !log.is_aggregate).map(Log::name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_knows_what_its_figures_are_read_from() {
        let from = |fields| {
            let log = Log::new(b"a.blog", Some(2), fields, true);
            (log.bytes_from, log.time_from)
        };
        assert_eq!(from("chi,pscl,psql,tts,ttms"), (Some("psql"), Some("ttms")));
        assert_eq!(from("chi,pscl,tts"), (Some("pscl"), Some("tts")));
        assert_eq!(from("chi,{psql}cqh"), (None, None));
        let long = vec!["cquuc"; 200].join(",");
        let log = Log::new(b"a.blog", Some(3), &format!("{long},psql"), true);
        assert_eq!((log.fields.len(), log.bytes_from), (FIELDS_MAX, Some("psql")));
    }

    #[test]
    fn formats_and_full_files_are_of_one_log() {
        let log = |name: &str, fields| Log::new(name.as_bytes(), Some(2), fields, true);
        let logs = [log("squid.blog", "chi"), log("squid.blog", "chi,crc"), log("squid.blog_edge.1-2.old", "chi")];
        assert_eq!(names(logs.iter()), [b"squid.blog"]);
        let more = [log("squid.log", "chi"), log("agg.blog", "COUNT(*),SUM(psql)")];
        assert_eq!(names(logs.iter().chain(&more)), [b"squid.blog".as_slice(), b"squid.log"]);
        assert_eq!(logs[1].to_string(), "squid.blog: chi,crc");
    }
}
