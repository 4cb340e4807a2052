//! `visulate replay`: recorded streams are sent again, to load an engine or to look at them.
//!
//! [`load`] turns files into an [`Input`], a course says what a connection sends when, [`send`] does it.

mod course;
mod input;
mod send;
mod shift;

#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal};
use std::net::ToSocketAddrs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::secret::SecretArgs;
use indicatif::{ProgressBar, ProgressStyle};

pub use course::Until;
pub use input::{Input, LoadCause, LoadError, Message, load};
pub use send::{Options, SendError, Sent, send};
pub use shift::Times;

/// Exit code of wrong usage.
const USAGE: u8 = 2;

/// Send recorded streams to an engine.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Captured collation streams (.bin) and binary logs (.blog), plain or compressed with zstd; sent one after another
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Collation address of the engine, such as 127.0.0.1:8085
    #[arg(long, value_name = "ADDR")]
    pub to: String,

    /// Connections at once; each sends the whole input
    #[arg(long, value_name = "N", default_value = "1")]
    pub connections: NonZeroUsize,

    /// How often each connection sends the input
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub repeat: u64,

    /// Repeat the input for so many seconds
    #[arg(long = "for", value_name = "SECONDS", conflicts_with = "repeat", value_parser = parse_seconds)]
    pub duration: Option<Duration>,

    /// Entries a second over all connections; without it, as fast as the engine takes them
    #[arg(long, value_name = "ENTRIES_PER_S", value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: Option<u64>,

    /// Move all times so that the newest entry is now, again with each repeat; without it bytes go out as recorded
    #[arg(long)]
    pub shift_to_now: bool,

    /// Where the secret is that goes in place of the recorded one.
    #[command(flatten)]
    pub secret: SecretArgs,
}

/// What is printed at the end, as JSON on one line.
#[derive(Debug, serde::Serialize)]
struct Report {
    connections: usize,
    entries: u64,
    bytes: u64,
    seconds: f64,
    entries_per_second: f64,
    megabytes_per_second: f64,
}

/// Runs the subcommand. Figures go to the standard output, everything else to the standard error.
/// The exit code is 0 when everything was sent, 1 if not, 2 for wrong usage.
pub fn run(args: &Args) -> ExitCode {
    let secret = match args.secret.find(SecretArgs::variable()) {
        Ok(secret) => secret,
        Err(error) => return complain(&error, 1),
    };
    if args.secret.secret.is_some() {
        eprintln!(
            "visulate: every local user can read --secret; --secret-file or VISULATE_SECRET are for more than tests"
        );
    }
    let to = match args.to.to_socket_addrs() {
        Ok(to) => to.collect(),
        Err(error) => {
            let code = if error.kind() == io::ErrorKind::InvalidInput { USAGE } else { 1 };
            return complain(&format_args!("--to {}: {error}", args.to), code);
        }
    };
    let input = match load(&args.files) {
        Ok(input) => Arc::new(input),
        Err(error) => return complain(&error, 1),
    };
    if input.messages().is_empty() {
        return complain(&"nothing to send: the files hold no whole segment", 1);
    }
    if input.unfinished() > 0 {
        eprintln!("visulate: {} of the files end inside a message, which isn't sent", input.unfinished());
    }
    let options = Options {
        to,
        secret,
        connections: args.connections,
        until: args.duration.map_or(Until::Repeats(args.repeat), Until::Elapsed),
        rate: args.rate.map(|rate| rate as f64),
        shift_to_now: args.shift_to_now,
    };
    let bar = bar(&input, &options);
    let result = send(&input, options, |sent| match args.duration {
        Some(_) => bar.set_position(sent.elapsed.as_millis() as u64),
        None => bar.set_position(sent.bytes),
    });
    bar.finish_and_clear();
    match result {
        Ok(sent) => {
            report(args.connections.get(), sent);
            ExitCode::SUCCESS
        }
        Err(error) => complain(&error, 1),
    }
}

fn report(connections: usize, Sent { entries, bytes, elapsed }: Sent) {
    // Less than a microsecond can't be measured.
    let seconds = elapsed.as_secs_f64().max(1e-6);
    let report = Report {
        connections,
        entries,
        bytes,
        seconds,
        entries_per_second: (entries as f64 / seconds).round(),
        megabytes_per_second: (bytes as f64 / seconds / 1e4).round() / 100.0,
    };
    eprintln!(
        "{entries} entries, {:.1} MB over {connections} connections in {seconds:.3} s: {} entries/s, {:.1} MB/s",
        bytes as f64 / 1e6,
        report.entries_per_second,
        report.megabytes_per_second
    );
    println!("{}", serde_json::to_string(&report).expect("numbers and names are JSON"));
}

/// A progress bar, where somebody looks: of bytes, or of milliseconds if time is the limit.
fn bar(input: &Input, options: &Options) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (len, template) = match options.until {
        Until::Repeats(count) => {
            let copies = count.saturating_mul(options.connections.get() as u64);
            (copies.saturating_mul(input.bytes().len() as u64), "{wide_bar} {bytes} {bytes_per_sec} {eta}")
        }
        Until::Elapsed(limit) => (limit.as_millis() as u64, "{wide_bar} {elapsed} {eta}"),
    };
    ProgressBar::new(len).with_style(ProgressStyle::with_template(template).expect("the template is sound"))
}

fn complain(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    eprintln!("visulate: {error}");
    ExitCode::from(code)
}

/// A positive number of seconds, with decimals if need be.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("{text:?} is not a positive number of seconds"))
}
