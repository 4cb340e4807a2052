//! `visulate cat`: prints the entries of binary logs, as `traffic_logcat` does, or as JSON.
//!
//! Blocks of segments are written by a [`pen::Pen`] a thread, and reach the standard output in order ([`crate::parallel`]).

mod follow;
mod pen;

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use crate::parallel::in_order;
use crate::source::blocks::{Block, Blocks};
use crate::system::usable_cores;
use crate::wire::template;
use crate::zone;

pub use pen::{Outcome, Pen, PenError, Shape, Wish, zone_of};

/// Exit code of wrong usage.
const USAGE: u8 = 2;

/// Messages about one file; further ones are only counted.
const MESSAGES_MAX: u64 = 20;

/// Print the entries of binary logs.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Binary logs (.blog) and captured collation streams, plain or compressed (gzip, zstd); - is the standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Print each entry as a JSON object on one line
    ///
    /// Keys are the symbols of the log's format. Integers and codes are numbers as stored, slices are not applied, a field that
    /// the writer didn't know is null, bytes that aren't UTF-8 become U+FFFD. HTTP versions are [major, minor], header lists
    /// arrays of [name, value], the request line (cqtx) an object, and a fallback (??) is the value that was chosen.
    #[arg(long)]
    pub json: bool,

    /// Print these fields only, in this order, with tabs between them (with --json: as keys)
    #[arg(long, value_name = "SYMBOL,…", value_delimiter = ',')]
    pub fields: Option<Vec<String>>,

    /// Print only entries whose field prints as that value: crc=TCP_MISS, pssc=404, {User-Agent}cqh=curl/8.9.1
    ///
    /// May be repeated: several values of one field are alternatives, different fields must all match.
    #[arg(long = "where", value_name = "FIELD=VALUE", value_parser = condition)]
    pub conditions: Vec<(String, String)>,

    /// Print each entry in this format instead of the log's own, such as `%<chi> %<cqtn> "%<cqu[:80]>" %<pssc>`
    ///
    /// The fields must be among the log's own, or be shown by other symbols for the same (cqtn for cqtq, chih for chi).
    #[arg(long, value_name = "FORMAT", conflicts_with_all = ["json", "fields"], value_parser = format)]
    pub format: Option<template::Template>,

    /// Go on with what is added to the files, across rotation, until nobody reads the output any more
    ///
    /// Files are followed by what they are, not by their names: one that is moved away is finished before the new one. Files may
    /// come later, and may be patterns in quotes.
    #[arg(long, short = 'f')]
    pub follow: bool,

    /// With --follow: begin at the end of the files, as traffic_logcat -f does
    #[arg(long, requires = "follow")]
    pub from_end: bool,

    /// Threads that decode [default: one for each usable core]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// Takes `field=value` apart; headers' names may hold a `=`, and so may quoted defaults.
fn condition(text: &str) -> Result<(String, String), String> {
    let (mut is_name, mut is_quoted) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => is_name = true,
            b'}' => is_name = false,
            b'"' if !is_name => is_quoted = !is_quoted,
            b'=' if !is_name && !is_quoted && at > 0 => return Ok((text[..at].to_owned(), text[at + 1..].to_owned())),
            _ => {}
        }
    }
    Err("a field, = and a value are wanted, such as crc=TCP_MISS".to_owned())
}

fn format(text: &str) -> Result<template::Template, String> {
    template::parse(text).map_err(|error| error.to_string())
}

/// One step of the work.
enum Item {
    Block(Arc<str>, Block),
    /// The file can't be read on, or at all.
    Unreadable(Arc<str>, io::Error),
}

/// What came of it.
struct Sheet {
    file: Arc<str>,
    text: Vec<u8>,
    problems: Vec<String>,
    silent: u64,
    refused: Option<String>,
}

/// Why it ended before the end.
enum End {
    /// Nobody reads on, which is all right.
    Closed,
    Unwritable(io::Error),
    /// The files can't be followed.
    Unfollowable(io::Error),
    Refused(String),
}

/// Runs the subcommand. The exit code is 0 when all was printed, 1 if a file or a part of one couldn't be read, 2 for wrong usage.
pub fn run(args: &Args) -> ExitCode {
    let shape = match (&args.format, &args.fields) {
        (Some(format), _) => Shape::Format(format.clone()),
        (None, fields) if args.json => Shape::Json(fields.clone()),
        (None, Some(fields)) => Shape::Fields(fields.clone()),
        (None, None) => Shape::Own,
    };
    let wish = Wish { shape, conditions: args.conditions.clone(), zone: zone::local() };
    let threads = args.threads.map_or_else(|| usable_cores().len(), NonZeroUsize::get);
    let mut log = Log::default();
    let end = if args.follow {
        follow::print(&args.files, args.from_end, &wish, &mut io::stdout(), &mut log)
    } else {
        print(&args.files, &wish, threads, &mut io::stdout(), &mut log)
    };
    log.finish();
    match end {
        Ok(()) | Err(End::Closed) if log.problems == 0 => ExitCode::SUCCESS,
        Ok(()) | Err(End::Closed) => ExitCode::FAILURE,
        Err(End::Unwritable(error)) => {
            eprintln!("visulate: the output can't be written: {error}");
            ExitCode::FAILURE
        }
        Err(End::Unfollowable(error)) => {
            eprintln!("visulate: files can't be followed: {error}");
            ExitCode::FAILURE
        }
        Err(End::Refused(text)) => {
            eprintln!("visulate: {text}");
            ExitCode::from(USAGE)
        }
    }
}

/// Prints all files, one after another.
fn print(
    files: &[PathBuf],
    wish: &Wish,
    threads: usize,
    output: &mut (impl Write + Send),
    log: &mut Log,
) -> Result<(), End> {
    let zone = zone_of(wish);
    // Buffers that have been printed are filled again.
    let buffers: Mutex<Vec<Vec<u8>>> = Mutex::default();
    let spare = || buffers.lock().unwrap_or_else(PoisonError::into_inner);
    let worker = || {
        let mut pen = Pen::new(wish, &zone);
        move |item: Item| {
            let text = spare().pop().unwrap_or_default();
            sheet(&mut pen, item, text)
        }
    };
    let sink = |sheet: Sheet| {
        spare().push(put(sheet, output, log)?);
        Ok(())
    };
    in_order(items(files).map(Ok), threads, worker, sink)
}

/// Puts a sheet out; gives its buffer back, empty.
fn put(mut sheet: Sheet, output: &mut impl Write, log: &mut Log) -> Result<Vec<u8>, End> {
    for problem in &sheet.problems {
        log.problem(&sheet.file, problem);
    }
    log.silent += sheet.silent;
    output.write_all(&sheet.text).and_then(|()| output.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => End::Closed,
        _ => End::Unwritable(error),
    })?;
    sheet.text.clear();
    sheet.refused.map_or(Ok(sheet.text), |text| Err(End::Refused(text)))
}

/// The blocks of all files; a file that can't be read doesn't end it.
fn items(files: &[PathBuf]) -> impl Iterator<Item = Item> {
    files.iter().flat_map(|path| {
        let name: Arc<str> = path.to_string_lossy().into();
        let (blocks, failure) = match Blocks::open(path) {
            Ok(blocks) => (Some(blocks), None),
            Err(error) => (None, Some(Item::Unreadable(name.clone(), error))),
        };
        let blocks = blocks.into_iter().flatten().map(move |block| match block {
            Ok(block) => Item::Block(name.clone(), block),
            Err(error) => Item::Unreadable(name.clone(), error),
        });
        failure.into_iter().chain(blocks)
    })
}

/// Writes a block's segments, and says what was wrong with it.
fn sheet(pen: &mut Pen<'_>, item: Item, text: Vec<u8>) -> Sheet {
    let (file, block) = match item {
        Item::Block(file, block) => (file, block),
        Item::Unreadable(file, error) => {
            return Sheet { file, text, problems: vec![error.to_string()], silent: 0, refused: None };
        }
    };
    let mut sheet = Sheet { file, text, problems: Vec::new(), silent: 0, refused: None };
    for range in &block.segments {
        let at = block.offset + range.start as u64;
        let bytes = block.bytes.get(range.clone()).unwrap_or_default();
        match pen.write(bytes, &mut sheet.text) {
            Ok(Outcome { damaged, lost, silent }) => {
                sheet.silent += silent;
                if damaged > 0 {
                    let text =
                        "hold other values than the field list says; they are printed as far as they can be read";
                    sheet.problems.push(format!("{damaged} entries of the segment at offset {at} {text}"));
                }
                if lost > 0 {
                    sheet
                        .problems
                        .push(format!("{lost} entries of the segment at offset {at} are damaged and left out"));
                }
            }
            Err(PenError::Line(error)) => {
                sheet.refused = Some(format!("{}: {error}", sheet.file));
                return sheet;
            }
            Err(error) => {
                let len = range.len();
                sheet
                    .problems
                    .push(format!("skipped {len} bytes at offset {at}, a segment that can't be read: {error}"));
            }
        }
    }
    sheet.problems.extend(block.damage.iter().map(ToString::to_string));
    sheet
}

/// Messages on the standard error, bounded.
#[derive(Debug, Default)]
struct Log {
    file: Option<Arc<str>>,
    of_file: u64,
    problems: u64,
    silent: u64,
}

impl Log {
    fn problem(&mut self, file: &Arc<str>, text: &str) {
        if self.file.as_ref() != Some(file) {
            self.close_file();
            self.file = Some(file.clone());
        }
        self.problems += 1;
        self.of_file += 1;
        if self.of_file <= MESSAGES_MAX {
            eprintln!("visulate: {file}: {text}");
        }
    }

    fn close_file(&mut self) {
        if let Some(file) = &self.file
            && self.of_file > MESSAGES_MAX
        {
            eprintln!("visulate: {file}: {} more such messages", self.of_file - MESSAGES_MAX);
        }
        self.of_file = 0;
    }

    fn finish(&mut self) {
        self.close_file();
        self.tell_silent();
    }

    /// Says how many entries were passed over since it was last said.
    fn tell_silent(&mut self) {
        if self.silent > 0 {
            eprintln!(
                "visulate: {} entries have fields that their Traffic Server didn't know, and aren't printed, as by \
                 traffic_logcat; --json and --fields show them",
                self.silent
            );
            self.silent = 0;
        }
    }
}
