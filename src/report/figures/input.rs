//! Files become jobs: runs of segments, and runs of lines with the format that they are in.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::report::logstats::feed::{Finding, Findings};
use crate::source::blocks::{Block, Blocks, Input};
use crate::wire::line::{LINE_MAX, LineFormats};
use crate::wire::template::Template;

/// Bytes of text that are counted at once.
const TEXT: usize = 512 << 10;

/// What a thread counts at once.
pub struct Job {
    /// Number of the file, from 0.
    pub file: usize,
    /// What is in it.
    pub work: Work,
}

/// Segments or lines.
pub enum Work {
    /// Of a binary log.
    Segments(Block),
    /// Whole lines of a text log.
    Lines(Vec<u8>, Option<Arc<Template>>),
}

enum Current {
    Segments(Blocks),
    Text(Text),
}

/// All jobs of all files, one after the other.
pub struct Feed<'a, P> {
    files: &'a [PathBuf],
    formats: &'a [Template],
    progress: P,
    next_file: usize,
    current: Option<Current>,
    /// What was wrong on the way.
    pub findings: Findings,
    /// Bytes handed out.
    pub bytes: u64,
}

impl<'a, P: FnMut(&Path, u64)> Feed<'a, P> {
    /// Of these files; text in one of these formats, or in one of Traffic Server's own.
    pub fn new(files: &'a [PathBuf], formats: &'a [Template], progress: P) -> Self {
        Self { files, formats, progress, next_file: 0, current: None, findings: Findings::default(), bytes: 0 }
    }

    fn open(&mut self) -> Option<()> {
        let path = self.files.get(self.next_file)?;
        match Input::open(path) {
            Ok(Input::Segments(blocks)) => self.current = Some(Current::Segments(blocks)),
            Ok(Input::Text(reader)) => self.current = Some(Current::Text(Text::new(reader))),
            Err(error) => self.findings.add(self.next_file, 0, Finding::Io(error)),
        }
        self.next_file += 1;
        Some(())
    }

    fn work(&mut self) -> Option<Work> {
        let file = self.next_file - 1;
        let next = match self.current.as_mut()? {
            Current::Segments(blocks) => blocks.next().map(|block| block.map(Work::Segments)),
            Current::Text(text) => text.next(self.formats),
        };
        match next {
            Some(Ok(work)) => return Some(work),
            Some(Err(error)) => self.findings.add(file, 0, Finding::Io(error)),
            None => {}
        }
        self.current = None;
        None
    }
}

impl<P: FnMut(&Path, u64)> Iterator for Feed<'_, P> {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        loop {
            if self.current.is_none() {
                self.open()?;
                continue;
            }
            let Some(work) = self.work() else { continue };
            let file = self.next_file - 1;
            let bytes = match &work {
                Work::Segments(block) => {
                    for damage in &block.damage {
                        self.findings.add(file, damage.offset, Finding::Bytes(*damage));
                    }
                    block.segments.iter().map(std::ops::Range::len).sum()
                }
                Work::Lines(bytes, _) => bytes.len(),
            } as u64;
            self.bytes += bytes;
            (self.progress)(&self.files[file], bytes);
            return Some(Job { file, work });
        }
    }
}

/// A text log.
struct Text {
    reader: Box<dyn Read + Send>,
    rest: Vec<u8>,
    template: Option<Arc<Template>>,
    is_over: bool,
}

impl Text {
    fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader, rest: Vec::new(), template: None, is_over: false }
    }

    fn next(&mut self, formats: &[Template]) -> Option<io::Result<Work>> {
        while !self.is_over {
            let mut bytes = std::mem::take(&mut self.rest);
            let read = self.reader.by_ref().take(TEXT as u64).read_to_end(&mut bytes);
            match read {
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
                Ok(0) => {
                    self.is_over = true;
                    // The last line counts if it is whole but for its end; whether it is, its format tells.
                    if !bytes.is_empty() {
                        bytes.push(b'\n');
                    }
                }
                Ok(_) => {}
            }
            let end = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
            // A line that is too long is passed over wherever it is cut.
            let end = if end == 0 && bytes.len() > 2 * LINE_MAX { bytes.len() } else { end };
            self.rest = bytes.split_off(end);
            if bytes.is_empty() {
                continue;
            }
            if self.template.is_none()
                && let Ok(mut formats) = LineFormats::new(formats.to_vec())
            {
                formats.choose(&bytes);
                self.template = formats.chosen().cloned().map(Arc::new);
            }
            return Some(Ok(Work::Lines(bytes, self.template.clone())));
        }
        None
    }
}
