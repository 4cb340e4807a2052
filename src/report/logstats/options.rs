//! What is asked of the report, as traffic_logstats names it.

use std::collections::HashSet;

/// Releases of Traffic Server whose reports differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Ats {
    /// 8.1, from 8.1.2 on.
    #[value(name = "8.1")]
    V8_1,
    /// 9.2; the figures are those of 8.1.
    #[value(name = "9.2")]
    V9_2,
    /// 10.2 and later: status 429 has a line, and the URL is `pquc`.
    #[value(name = "10.2")]
    V10_2,
}

/// All options that make a difference to the figures or how they are printed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose report; found from the fields if not given.
    pub ats: Option<Ats>,
    /// JSON instead of text.
    pub json: bool,
    /// Origins with more requests than this are shown (`-m`).
    pub min_requests: u64,
    /// At most so many origins are shown (`-M`).
    pub max_origins: Option<usize>,
    /// Only these, and no total (`-o`, `-O`).
    pub origins: Option<HashSet<Box<[u8]>>>,
    /// No origins (`-s`).
    pub summary: bool,
    /// Users in place of origins (`-r`).
    pub per_user: bool,
    /// By URL instead (`-u`).
    pub urls: Option<Urls>,
    /// At most so many URLs (`-U`).
    pub show_urls: Option<usize>,
    /// URLs as one object, not as a list (`-A`).
    pub as_object: bool,
    /// Segments flushed before this moment (Unix seconds) are left out (`-a`).
    pub since: Option<u32>,
    /// No check of the field list (`-n`).
    pub no_format_check: bool,
    /// Without what can be computed from the other figures (`-C`); JSON only.
    pub concise: bool,
    /// Width of a line of text (`-l`).
    pub line_length: usize,
    /// The moment of the report, Unix seconds.
    pub now: u64,
}

/// How many URLs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urls {
    /// All.
    All,
    /// So many, the least recently used one gives way.
    Recent(usize),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ats: None,
            json: false,
            min_requests: 0,
            max_origins: None,
            origins: None,
            summary: false,
            per_user: false,
            urls: None,
            show_urls: None,
            as_object: false,
            since: None,
            no_format_check: false,
            concise: false,
            line_length: 78,
            now: 0,
        }
    }
}
