//! The figures of Traffic Server's own report, traffic_logstats, from the same files: with all their quirks, so that anyone can hold one
//! against the other.
//!
//! Source: spec/logstats-report.md. A file's blocks come in order ([`feed`]), threads read them ([`run`]) and count by origin
//! ([`origins`]) or by URL ([`urls`]), and the figures are printed as Traffic Server prints them ([`text`], [`json`]). [`class`] has
//! the rules which counter a value belongs to, [`lines`] those which counters a line adds up.

pub mod class;
pub mod counters;
pub mod feed;
pub mod json;
pub mod latency;
pub mod lines;
pub mod options;
pub mod origins;
pub mod run;
pub mod text;
pub mod urls;

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use feed::{Feed, Findings};
use options::{Ats, Options};
use origins::Origins;
use urls::Urls;

use crate::source::blocks::Block;

/// Groups in which threads count what must be counted in order: for each thread so many, so that they rarely wait for each other.
const GROUPS_OF_A_THREAD: usize = 3;

/// Counts the files on so many threads and writes the report. Gives what was wrong with them.
///
/// # Errors
///
/// If the report can't be written.
pub fn report(
    options: &Options,
    files: &[PathBuf],
    threads: usize,
    progress: impl FnMut(&Path, &Block) + Send,
    out: &mut (impl Write + Send),
) -> io::Result<Findings> {
    let mut feed = Feed::new(options, files, progress);
    let groups = if threads < 2 { 1 } else { GROUPS_OF_A_THREAD * threads };
    if options.urls.is_some() {
        json::write_urls_start(out, options)?;
        let urls = Urls::new(options, groups, &mut *out);
        let counted = run::run(&urls, feed.by_ref(), threads, options.since)?;
        let out = urls.into_out();
        urls::show(options, &counted.groups, |url, record| json::write_url(out, options, url, record))?;
        json::write_urls_end(out, options)?;
        return Ok(feed.end().0.and(counted.findings));
    }
    let origins = Origins::new(options, groups);
    let counted = run::run(&origins, feed.by_ref(), threads, options.since)?;
    let (findings, has_pquc) = feed.end();
    let report = origins.report(counted.shards, counted.groups);
    let has_new = options.ats.map_or(has_pquc, |ats| ats >= Ats::V10_2);
    if options.json {
        json::write(out, options, has_new, &report)?;
    } else {
        text::write(out, options, has_new, &report)?;
    }
    Ok(findings.and(counted.findings))
}
