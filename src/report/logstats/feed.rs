//! The feed: files become numbered blocks, and what is wrong with them is written down.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::options::{Ats, Options};
use super::run::Damaged;
use crate::source::blocks::{Block, Blocks, Damage};
use crate::wire::fields::Framing;
use crate::wire::format::Format;
use crate::wire::positions::{POSITIONS, Positions, SQUID};
use crate::wire::segment::{Segment, SegmentError};

/// A block to be counted.
#[derive(Debug)]
pub struct Job {
    /// Number of the block, from 0, over all files.
    pub number: u64,
    /// Number of the file, from 0.
    pub file: usize,
    /// The block.
    pub block: Block,
    /// How the file is read; `None` before its first sound segment.
    pub head: Option<Arc<Head>>,
}

/// What the first segment of a file says, which goes for all others.
#[derive(Debug)]
pub struct Head {
    /// How entries are read.
    pub positions: Positions,
    /// Symbols joined by `,`.
    pub field_list: Box<str>,
}

/// Something that the operator should know.
#[derive(Debug)]
pub enum Finding {
    /// The file can't be read, or not on.
    Io(io::Error),
    /// Bytes are no segment.
    Bytes(Damage),
    /// A segment can't be read.
    Segment(SegmentError),
    /// Entries can't be read.
    Entries(Damaged),
    /// Lines are in none of the formats.
    Lines(u64),
    /// The field list isn't that of the first segment; entries are read by that of the first.
    OtherFields(Box<str>),
    /// The symbols aren't those of the release, but the values are of the same kind.
    Names(Box<str>),
    /// The format isn't the squid one.
    Refused(Box<str>),
}

impl Finding {
    /// Something is missing from the figures.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::OtherFields(_) | Self::Names(_))
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Bytes(damage) => damage.fmt(f),
            Self::Segment(error) => write!(f, "a segment can't be read and isn't counted: {error}"),
            Self::Entries(damaged) => {
                write!(f, "{} entries of a segment are damaged and not counted", damaged.entries + damaged.lost)
            }
            Self::Lines(count) => write!(f, "{count} lines fit no format and aren't counted; --format gives another"),
            Self::OtherFields(list) => {
                write!(f, "from here on fields are {list:?}, but read by the field list of the first segment")
            }
            Self::Names(list) => write!(f, "fields are {list:?}, which that traffic_logstats reads only with -n"),
            Self::Refused(list) => write!(
                f,
                "isn't counted: traffic_logstats' figures need the squid format, and its fields are {list:?}. \
                 --no-format-check reads it as if it were"
            ),
        }
    }
}

/// Findings by file and offset, as many of the first as are worth reading.
#[derive(Debug, Default)]
pub struct Findings {
    kept: Vec<(usize, u64, Finding)>,
    failures: u64,
    others: u64,
}

/// Findings that are shown.
const SHOWN: usize = 20;

impl Findings {
    /// Writes one down.
    pub fn add(&mut self, file: usize, offset: u64, finding: Finding) {
        self.failures += u64::from(finding.is_failure());
        // A change of fields is said once a file: behind it all segments have it.
        let is_known = |kept: &(usize, u64, Finding)| kept.0 == file && matches!(kept.2, Finding::OtherFields(_));
        if matches!(finding, Finding::OtherFields(_)) && self.kept.iter().any(is_known) {
            return;
        }
        if self.kept.len() < SHOWN + 1 {
            self.kept.push((file, offset, finding));
        } else {
            self.others += 1;
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.kept.extend(other.kept);
        self.failures += other.failures;
        self.others += other.others;
        self
    }

    /// Something is missing from the figures.
    pub fn is_failure(&self) -> bool {
        self.failures > 0
    }

    /// Lines for the operator.
    pub fn lines(mut self, files: &[PathBuf]) -> Vec<String> {
        self.kept.sort_by_key(|(file, offset, _)| (*file, *offset));
        let mut changed = None;
        self.kept.retain(|(file, _, finding)| {
            !matches!(finding, Finding::OtherFields(_)) || changed.replace(*file) != Some(*file)
        });
        let more = self.others + self.kept.len().saturating_sub(SHOWN) as u64;
        let name = |file: usize| files.get(file).map(|path| path.display().to_string()).unwrap_or_default();
        let mut lines: Vec<String> = self
            .kept
            .iter()
            .take(SHOWN)
            .map(|(file, offset, finding)| match finding {
                Finding::Io(_) | Finding::Lines(_) | Finding::Names(_) | Finding::Refused(_) | Finding::Bytes(_) => {
                    format!("{}: {finding}", name(*file))
                }
                _ => format!("{}: at byte {offset}: {finding}", name(*file)),
            })
            .collect();
        if more > 0 {
            lines.push(format!("{more} more of such findings"));
        }
        lines
    }
}

/// Files, one after another, as blocks.
pub struct Feed<'a, P> {
    options: &'a Options,
    files: &'a [PathBuf],
    next_file: usize,
    current: Option<Current>,
    number: u64,
    findings: Findings,
    has_pquc: bool,
    progress: P,
}

struct Current {
    blocks: Blocks,
    head: Option<Arc<Head>>,
}

impl<'a, P: FnMut(&Path, &Block)> Feed<'a, P> {
    /// Nothing read yet. `progress` is told of each block.
    pub fn new(options: &'a Options, files: &'a [PathBuf], progress: P) -> Self {
        Self {
            options,
            files,
            next_file: 0,
            current: None,
            number: 0,
            findings: Findings::default(),
            has_pquc: false,
            progress,
        }
    }

    /// What was found, and whether a file has the field that came with 10.0.
    pub fn end(self) -> (Findings, bool) {
        (self.findings, self.has_pquc)
    }

    /// How the file is read, by its first sound segment; `Err` if it can't be.
    fn head(&mut self, block: &Block) -> Option<Result<Arc<Head>, Finding>> {
        let segments = block.segments.iter().filter_map(|range| block.bytes.get(range.clone()));
        let segment = segments.filter_map(|bytes| Segment::parse(bytes).ok()).next()?;
        let list: Box<str> = segment.field_list().into();
        let Ok(format) = Format::of(&segment) else {
            return Some(Err(Finding::Refused("too many, or too long".into())));
        };
        let plan = format.plan(&segment);
        if !self.options.no_format_check {
            let stored: Vec<Framing> =
                plan.framings().iter().copied().filter(|framing| *framing != Framing::Absent).collect();
            // Before 3.1.1 the client was stored otherwise.
            let is_alike = |(at, (a, b)): (usize, (&Framing, &Framing))| a == b || (at == 2 && *a != Framing::List);
            if stored.len() < POSITIONS - 1 || !stored.iter().zip(&SQUID).enumerate().all(is_alike) {
                return Some(Err(Finding::Refused(list)));
            }
            if !names_are_right(&list, self.options.ats) {
                self.findings.add(self.next_file - 1, 0, Finding::Names(list.clone()));
            }
        }
        self.has_pquc |= list.split(',').any(|symbol| symbol == "pquc");
        Some(Ok(Arc::new(Head { positions: Positions::new(plan.framings()), field_list: list })))
    }
}

/// Are the first eleven symbols those that the release's traffic_logstats wants?
fn names_are_right(list: &str, ats: Option<Ats>) -> bool {
    const NAMES: [&str; POSITIONS - 1] =
        ["cqtq", "ttms", "chi", "crc", "pssc", "psql", "cqhm", "cquc", "caun", "phr", "shn"];
    let mut symbols = list.split(',');
    NAMES.iter().all(|name| {
        let symbol = symbols.next().unwrap_or_default();
        match (*name, ats) {
            ("cquc", None) => symbol == "cquc" || symbol == "pquc",
            ("cquc", Some(Ats::V10_2)) => symbol == "pquc",
            (name, _) => symbol == name,
        }
    })
}

impl<P: FnMut(&Path, &Block)> Iterator for Feed<'_, P> {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        loop {
            let Some(current) = &mut self.current else {
                let path = self.files.get(self.next_file)?;
                match Blocks::open(path) {
                    Ok(blocks) => self.current = Some(Current { blocks, head: None }),
                    Err(error) => self.findings.add(self.next_file, 0, Finding::Io(error)),
                }
                self.next_file += 1;
                continue;
            };
            let file = self.next_file - 1;
            let block = match current.blocks.next() {
                Some(Ok(block)) => block,
                Some(Err(error)) => {
                    self.findings.add(file, 0, Finding::Io(error));
                    self.current = None;
                    continue;
                }
                None => {
                    self.current = None;
                    continue;
                }
            };
            (self.progress)(&self.files[file], &block);
            for damage in &block.damage {
                self.findings.add(file, damage.offset, Finding::Bytes(*damage));
            }
            let mut head = current.head.clone();
            if head.is_none() {
                match self.head(&block) {
                    Some(Ok(found)) => head = Some(found),
                    Some(Err(finding)) => {
                        self.findings.add(file, 0, finding);
                        self.current = None;
                        continue;
                    }
                    None => {}
                }
                if let Some(current) = &mut self.current {
                    current.head.clone_from(&head);
                }
            }
            self.number += 1;
            return Some(Job { number: self.number - 1, file, block, head });
        }
    }
}
