//! `visulate report`: figures from log files, at once and for good.
//!
//! A report is a way of counting and a way of printing. [`figures`] has all that the live page counts, [`logstats`] what Traffic Server's own
//! report does.

pub mod figures;
pub mod logstats;

use std::collections::HashSet;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressStyle};

use crate::source::blocks::Block;
use crate::tally::Measure;
use crate::wire::line::LineFormats;
use crate::wire::template::{self, Template};
use figures::count::Wish;
use figures::filter::Filter;
use logstats::options::{Ats, Options, Urls};

/// Exit code of wrong usage.
const USAGE: u8 = 2;

/// Figures from log files: all that the live page counts, and more
///
/// Totals, classes, codes, hit ratios, offload, distributions, the first rows of every dimension, URLs one by one, the hit ratio by size of
/// cache, and the tables of Calamaris: as text for a terminal, as JSON, or as one HTML file. Files are binary or text logs, plain or
/// compressed; all count together, by the same code as the engine's. Files that can't be read, or not to their end, are named on the
/// standard error; all others count, and the exit code is 1.
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
    /// Binary logs (.blog), captured streams and text logs, plain or compressed (gzip, zstd); - is the standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// One HTML file that holds all: the page's charts, opened from anywhere, nothing is fetched
    #[arg(long, conflicts_with_all = ["json", "logstats"])]
    pub html: bool,

    /// Only entries from this time on: Unix seconds, or 2026-11-24T10:00 in this machine's time zone, or with an offset or Z behind it
    #[arg(long, value_name = "T", conflicts_with = "logstats", value_parser = moment)]
    pub from: Option<u64>,

    /// Only entries before this time
    #[arg(long, value_name = "T", conflicts_with = "logstats", value_parser = moment)]
    pub to: Option<u64>,

    /// Only entries that are so: status:404, status:5xx, network:192.0.2.0/24, site:example.com, band:error; repeatable
    ///
    /// Several of one kind are alternatives, different kinds must all hold. Kinds: client and network (an address or a network),
    /// user, site, host, url, server, status, result, route, method, type, extension, scheme (each as the report shows it), and
    /// band (hit, refresh, miss, error, unknown).
    #[arg(long = "where", value_name = "KIND:VALUE", conflicts_with = "logstats")]
    pub conditions: Vec<figures::filter::Condition>,

    /// Rows of each table
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "logstats", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub top: u32,

    /// By what tables are ranked: a number of a row, such as bytes, misses, errors or time_ms
    #[arg(long, value_name = "NAME", default_value = "requests", conflicts_with = "logstats", value_parser = measure)]
    pub measure: Measure,

    /// The tables of Calamaris in the text, too; --json and --html always have them
    #[arg(long, conflicts_with_all = ["logstats", "json", "html"])]
    pub calamaris: bool,

    /// Minutes of a step in the table of performance over time
    #[arg(long, value_name = "MINUTES", default_value_t = 60, conflicts_with = "logstats", value_parser = clap::value_parser!(u32).range(1..=1440))]
    pub step: u32,

    /// Format of text logs: squid, common, extended, extended2, or a format string as in logging.yaml; repeatable, the one that fits is taken.
    /// Without it one of Traffic Server's own is found out
    #[arg(long, value_name = "FORMAT", conflicts_with = "logstats", value_parser = format)]
    pub format: Vec<Formats>,

    /// Memory for what is counted, such as 512M; beyond it the smallest rows are folded into others, and say by how much they may be
    /// short [default: a quarter of the machine's]
    #[arg(long, value_name = "SIZE", conflicts_with = "logstats", value_parser = size)]
    pub memory: Option<u64>,

    /// Columns of the text [default: those of the terminal, else 100]
    #[arg(long, value_name = "N", conflicts_with = "logstats", value_parser = clap::value_parser!(u16).range(40..=1000))]
    pub width: Option<u16>,

    /// Colours in the text: auto is only on a terminal, and not with NO_COLOR
    #[arg(long, value_name = "WHEN", default_value = "auto", conflicts_with = "logstats")]
    pub colour: Colour,

    /// traffic_logstats' own figures; the options below are for it
    #[arg(long)]
    pub logstats: bool,

    /// JSON instead of text [-j]
    #[arg(long)]
    pub json: bool,

    /// Whose traffic_logstats; by default 10.2 for logs with the field pquc (10.0 and later), else 9.2
    #[arg(long, value_name = "RELEASE", value_enum, requires = "logstats")]
    pub ats: Option<Ats>,

    /// Show origins with more than so many requests [-m]
    #[arg(long, value_name = "N", default_value_t = 0, requires = "logstats")]
    pub min_requests: u64,

    /// Show at most so many origins, those with most requests; 0 is all [-M]
    #[arg(long, value_name = "N", default_value_t = 0, requires = "logstats")]
    pub max_origins: usize,

    /// Count only these origins, and no total; separated by commas [-o]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', requires = "logstats")]
    pub origins: Option<Vec<String>>,

    /// Count only the origins in this file, one a line, and no total [-O]
    #[arg(long, value_name = "FILE", requires = "logstats")]
    pub origin_file: Option<PathBuf>,

    /// Only the total, no origins [-s]
    #[arg(long, requires = "logstats")]
    pub summary: bool,

    /// Users in place of origins [-r]
    #[arg(long, requires = "logstats")]
    pub per_user: bool,

    /// By URL, always JSON. With a size, only so many are kept: the least recently used one gives way and is printed at once, and the one that
    /// takes its place inherits, as in traffic_logstats, those of its counters that it doesn't set; figures are right
    /// until the table overflows. Without a size all are kept, as memory allows [-u, -u -1]
    #[arg(long, value_name = "SIZE", num_args = 0..=1, require_equals = true, default_missing_value = "-1", allow_hyphen_values = true, requires = "logstats")]
    pub urls: Option<i64>,

    /// Print only the N URLs with most requests; of a table with a size at most one less than that [-U]
    #[arg(long, value_name = "N", default_value_t = 0, requires = "urls")]
    pub show_urls: usize,

    /// URLs as an object, not a list [-A]
    #[arg(long, requires = "urls")]
    pub as_object: bool,

    /// Leave out segments that were written more than so many seconds ago [-a]
    #[arg(long, value_name = "SECONDS", requires = "logstats")]
    pub max_age: Option<u64>,

    /// Read formats by position, whatever their fields are [-n]
    ///
    /// traffic_logstats takes the first field for the time, the second for milliseconds and so on, as in the squid format. Without this
    /// option a file whose values are of other kinds isn't counted; one with other symbols for values of the same kinds is, with a
    /// warning.
    #[arg(long, requires = "logstats")]
    pub no_format_check: bool,

    /// JSON without percentages, averages and deviations [-C]
    #[arg(long, requires = "logstats")]
    pub concise: bool,

    /// Width of the rules and titles in text [-l]
    #[arg(long, value_name = "N", default_value_t = 78, requires = "logstats", value_parser = clap::value_parser!(u16).range(1..))]
    pub line_length: u16,

    /// Threads that count; by default one for each usable core. The figures are the same with any number
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// Runs the subcommand: 0 if all was counted, 1 if something is missing from the figures, 2 for wrong usage.
pub fn run(args: &Args) -> ExitCode {
    if !args.logstats {
        return all_figures(args);
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

/// When the text has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The formats that one name or format string means.
#[derive(Clone, Debug)]
pub struct Formats(Vec<Template>);

fn format(text: &str) -> Result<Formats, String> {
    let templates = template::parse_or_named(text).map_err(|error| error.to_string())?;
    // Whether lines of it can be taken apart is said now, not at the first text log.
    LineFormats::new(templates.clone()).map_err(|error| error.to_string())?;
    Ok(Formats(templates))
}

fn measure(name: &str) -> Result<Measure, String> {
    let names = || Measure::ALL.map(Measure::name).join(", ");
    Measure::by_name(name).ok_or_else(|| format!("there is no such number; there are {}", names()))
}

/// `512M` as bytes.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a size is wanted, such as 512M or 2G".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).ok_or_else(wrong)
}

/// A moment in ms since the epoch.
fn moment(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("{text:?} is no time: give Unix seconds, 2026-11-24, 2026-11-24T10:00 or 2026-11-24T10:00:00Z");
    let ms = if let Ok(seconds) = text.parse::<f64>() {
        (seconds * 1000.0).round()
    } else if let Ok(at) = text.parse::<jiff::Timestamp>() {
        at.as_millisecond() as f64
    } else {
        let local: jiff::civil::DateTime = text.parse().map_err(|_| wrong())?;
        crate::zone::local().to_timestamp(local).map_err(|_| wrong())?.as_millisecond() as f64
    };
    if (0.0..1e15).contains(&ms) { Ok(ms as u64) } else { Err(wrong()) }
}

/// The report of all figures.
fn all_figures(args: &Args) -> ExitCode {
    if let (Some(from), Some(to)) = (args.from, args.to)
        && from >= to
    {
        eprintln!("visulate: --from is not before --to: no entry can be between them");
        return ExitCode::from(USAGE);
    }
    if args.html && figures::html::is_missing() {
        eprintln!(
            "visulate: this program was built without its page, which --html needs: build it with npm, or take --json"
        );
        return ExitCode::FAILURE;
    }
    let wish = Wish {
        filter: Filter::new(args.from, args.to, &args.conditions),
        memory: args.memory.unwrap_or_else(|| crate::system::usable_memory() / 4),
        threads: args.threads.map_or_else(|| crate::system::usable_cores().len(), NonZeroUsize::get),
        formats: args.format.iter().flat_map(|formats| formats.0.clone()).collect(),
        step_minutes: args.step,
    };
    let bar = bar(&args.files);
    let counted = figures::count::count(&args.files, &wish, |_, bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let counted = match counted {
        Ok(counted) => counted,
        Err(error) => {
            eprintln!("visulate: the files can't be counted: {error}");
            return ExitCode::FAILURE;
        }
    };
    let show = figures::Show { rows: args.top as usize, measure: args.measure, filter: asked(args) };
    let report = figures::figures(&counted, &args.files, &show);
    let is_failure = counted.findings.is_failure();
    for line in counted.findings.lines(&args.files) {
        eprintln!("visulate: {line}");
    }
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
    let written = if args.json {
        serde_json::to_writer(&mut out, &report).map_err(io::Error::from).and_then(|()| out.write_all(b"\n"))
    } else if args.html {
        figures::html::write(&mut out, &report)
    } else {
        figures::text::write(&mut out, &report, &look(args))
    };
    match written.and_then(|()| out.flush()) {
        Ok(()) if is_failure => ExitCode::FAILURE,
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What is still in the buffer would only fail again.
            drop(out.into_parts());
            if error.kind() == io::ErrorKind::BrokenPipe && !is_failure {
                return ExitCode::SUCCESS;
            }
            if error.kind() != io::ErrorKind::BrokenPipe {
                eprintln!("visulate: the report can't be written: {error}");
            }
            ExitCode::FAILURE
        }
    }
}

/// The filter in words.
fn asked(args: &Args) -> Vec<String> {
    let time = |ms: u64| {
        let at = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        at.map_or_else(|| ms.to_string(), |at| at.to_string())
    };
    let from = args.from.map(|from| format!("from {}", time(from)));
    let to = args.to.map(|to| format!("before {}", time(to)));
    from.into_iter().chain(to).chain(args.conditions.iter().map(ToString::to_string)).collect()
}

fn look(args: &Args) -> figures::text::Look {
    let is_terminal = io::stdout().is_terminal();
    let columns = || {
        let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let terminal = || terminal_size::terminal_size().map(|(terminal_size::Width(width), _)| width);
        set.or_else(|| is_terminal.then(terminal).flatten()).unwrap_or(100)
    };
    let colour = match args.colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    figures::text::Look {
        width: args.width.unwrap_or_else(columns).into(),
        colour,
        zone: crate::zone::local(),
        calamaris: args.calamaris,
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
    (about.is_file() && !is_compressed).then_some(about.len())
}
