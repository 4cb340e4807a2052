//! `visulate report`: figures from log files, at once and for good.
//!
//! A report is a way of counting and a way of printing. There is one, [`logstats`].

pub mod logstats;

use std::collections::HashSet;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressStyle};

use crate::source::blocks::Block;
use logstats::options::{Ats, Options, Urls};

/// Exit code of wrong usage.
const USAGE: u8 = 2;

/// Figures from log files
///
/// With --logstats: the figures of Traffic Server's own report, traffic_logstats, of the same files, quirks included: 32-bit sizes and times,
/// averages that depend on the order of the entries, CONNECT and TRACE counted as "other", requests over a parent as
/// direct. Names of its options are in brackets. Unlike traffic_logstats it goes on behind damage, says where that was, and
/// then exits with 1. Several files are counted together, as if they were one, each read by its own first field list.
///
/// Averages are sums of 32 bits in the order of the files; equal origins are sorted by name.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Binary logs (.blog) and captured streams, plain or compressed (gzip, zstd); - is the standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// traffic_logstats' own figures
    #[arg(long)]
    pub logstats: bool,

    /// JSON instead of text [-j]
    #[arg(long)]
    pub json: bool,

    /// Whose traffic_logstats; by default 10.2 for logs with the field pquc (10.0 and later), else 9.2
    #[arg(long, value_name = "RELEASE", value_enum)]
    pub ats: Option<Ats>,

    /// Show origins with more than so many requests [-m]
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub min_requests: u64,

    /// Show at most so many origins, those with most requests; 0 is all [-M]
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub max_origins: usize,

    /// Count only these origins, and no total; separated by commas [-o]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub origins: Option<Vec<String>>,

    /// Count only the origins in this file, one a line, and no total [-O]
    #[arg(long, value_name = "FILE")]
    pub origin_file: Option<PathBuf>,

    /// Only the total, no origins [-s]
    #[arg(long)]
    pub summary: bool,

    /// Users in place of origins [-r]
    #[arg(long)]
    pub per_user: bool,

    /// By URL, always JSON. With a size, only so many are kept: the least recently used one gives way and is printed at once, and the one that
    /// takes its place inherits, as in traffic_logstats, those of its counters that it doesn't set; figures are right
    /// until the table overflows. Without a size all are kept, as memory allows [-u, -u -1]
    #[arg(long, value_name = "SIZE", num_args = 0..=1, require_equals = true, default_missing_value = "-1", allow_hyphen_values = true)]
    pub urls: Option<i64>,

    /// Print only the N URLs with most requests; of a table with a size at most one less than that [-U]
    #[arg(long, value_name = "N", default_value_t = 0, requires = "urls")]
    pub show_urls: usize,

    /// URLs as an object, not a list [-A]
    #[arg(long, requires = "urls")]
    pub as_object: bool,

    /// Leave out segments that were written more than so many seconds ago [-a]
    #[arg(long, value_name = "SECONDS")]
    pub max_age: Option<u64>,

    /// Read formats by position, whatever their fields are [-n]
    ///
    /// traffic_logstats takes the first field for the time, the second for milliseconds and so on, as in the squid format. Without this
    /// option a file whose values are of other kinds isn't counted; one with other symbols for values of the same kinds is, with a
    /// warning.
    #[arg(long)]
    pub no_format_check: bool,

    /// JSON without percentages, averages and deviations [-C]
    #[arg(long)]
    pub concise: bool,

    /// Width of the rules and titles in text [-l]
    #[arg(long, value_name = "N", default_value_t = 78, value_parser = clap::value_parser!(u16).range(1..))]
    pub line_length: u16,

    /// Threads that count; by default one for each usable core. The figures are the same with any number
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// Runs the subcommand: 0 if all was counted, 1 if something is missing from the figures, 2 for wrong usage.
pub fn run(args: &Args) -> ExitCode {
    if !args.logstats {
        eprintln!(
            "visulate: this version has one report: `visulate report --logstats FILE...` prints the figures of Traffic \
             Server's traffic_logstats (--json for JSON, --help for all options)"
        );
        return ExitCode::from(USAGE);
    }
    let options = match options(args) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("visulate: {error}");
            return ExitCode::FAILURE;
        }
    };
    let threads = args.threads.map_or_else(|| crate::system::usable_cores().len(), NonZeroUsize::get);
    let bar = bar(&args.files);
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
    let progress = |_: &Path, block: &Block| bar.inc(block.bytes.len() as u64);
    let result = logstats::report(&options, &args.files, threads, progress, &mut out)
        .and_then(|findings| out.flush().map(|()| findings));
    bar.finish_and_clear();
    match result {
        Ok(findings) => {
            let is_failure = findings.is_failure();
            for line in findings.lines(&args.files) {
                eprintln!("visulate: {line}");
            }
            if is_failure { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            // What is still in the buffer would only fail again.
            drop(out.into_parts());
            ExitCode::SUCCESS
        }
        Err(error) => {
            drop(out.into_parts());
            eprintln!("visulate: the report can't be written: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(args: &Args) -> Result<Options, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut origins: Option<HashSet<Box<[u8]>>> =
        args.origins.as_ref().map(|names| names.iter().map(|name| name.trim().as_bytes().into()).collect());
    if let Some(path) = &args.origin_file {
        let bytes = std::fs::read(path).map_err(|error| format!("--origin-file {}: {error}", path.display()))?;
        let names = bytes.split(|&byte| byte == b'\n').map(|line| line.trim_ascii()).filter(|name| !name.is_empty());
        origins.get_or_insert_default().extend(names.map(Box::from));
    }
    let some = |number: usize| (number > 0).then_some(number);
    Ok(Options {
        ats: args.ats,
        json: args.json,
        min_requests: args.min_requests,
        max_origins: some(args.max_origins),
        origins,
        summary: args.summary,
        per_user: args.per_user,
        urls: args.urls.and_then(|size| match usize::try_from(size) {
            Ok(0) => None,
            // More slots than can be numbered are as good as all.
            Ok(size) if size < u32::MAX as usize => Some(Urls::Recent(size)),
            _ => Some(Urls::All),
        }),
        show_urls: some(args.show_urls),
        as_object: args.as_object,
        since: args.max_age.map(|age| u32::try_from(now.saturating_sub(age)).unwrap_or(u32::MAX)),
        no_format_check: args.no_format_check,
        concise: args.concise,
        line_length: args.line_length.into(),
        now,
    })
}

/// A progress bar, where somebody looks. Its end is known if no file is compressed or a pipe.
fn bar(files: &[PathBuf]) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let len: Option<u64> = files.iter().map(|path| plain_len(path)).sum();
    let template =
        if len.is_some() { "{wide_bar} {bytes} {bytes_per_sec} {eta}" } else { "{spinner} {bytes} {bytes_per_sec}" };
    let style = ProgressStyle::with_template(template).expect("the template is sound");
    len.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_style(style)
}

/// Length of a file that is neither a pipe nor compressed.
fn plain_len(path: &Path) -> Option<u64> {
    let about = std::fs::metadata(path).ok()?;
    let is_compressed = path.extension().is_some_and(|extension| extension == "gz" || extension == "zst");
    (about.is_file() && !is_compressed).then(|| about.len())
}
