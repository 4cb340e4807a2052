//! Text logs: bytes to lines, and a line to the same fields that the statistics read of a binary entry.
//!
//! A log in text form is its format with a text for each field, ended by a newline; nothing in it tells where a field ends but the
//! literal text of the format. [`plan`] has how a line is taken apart, `shape` what the texts look like.

pub mod plan;
mod shape;

use std::rc::Rc;

use super::template::{self, NAMED, Template};
pub use plan::{LineError, LinePlan, Zone};

/// The longest line that is read. Traffic Server writes up to `max_line_size`, 9216 unless set.
pub const LINE_MAX: usize = 64 * 1024;

/// Lines that are looked at to tell the format.
pub const SAMPLE: usize = 128;

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Without its `\n` or `\r\n`.
    Whole(&'a [u8]),
    /// One of more than [`LINE_MAX`] bytes, which is passed over.
    Long,
}

/// Finds the lines of a text that comes in pieces. However it is cut, they are the same.
#[derive(Debug, Default)]
pub struct Lines {
    /// Inside a line that was too long.
    passing: bool,
}

impl Lines {
    /// The lines that end in `bytes`. Once there are no more of them, [`Split::rest`] is what must stand before the next piece.
    pub fn split<'l, 'a>(&'l mut self, bytes: &'a [u8]) -> Split<'l, 'a> {
        Split { lines: self, rest: bytes }
    }
}

/// The lines of one piece.
#[derive(Debug)]
pub struct Split<'l, 'a> {
    lines: &'l mut Lines,
    rest: &'a [u8],
}

impl<'a> Split<'_, 'a> {
    /// What is not used up: when there are no more lines, the beginning of one, at most [`LINE_MAX`] bytes.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Split<'_, 'a> {
    type Item = Line<'a>;

    #[inline]
    fn next(&mut self) -> Option<Line<'a>> {
        loop {
            let Some(end) = memchr::memchr(b'\n', self.rest) else {
                if self.lines.passing || self.rest.len() > LINE_MAX {
                    self.rest = &[];
                    return (!std::mem::replace(&mut self.lines.passing, true)).then_some(Line::Long);
                }
                return None;
            };
            let line = &self.rest[..end];
            self.rest = &self.rest[end + 1..];
            // Of a line that is passed over this is only the end.
            if std::mem::take(&mut self.lines.passing) {
                continue;
            }
            return Some(match line {
                _ if line.len() > LINE_MAX => Line::Long,
                [line @ .., b'\r'] => Line::Whole(line),
                line => Line::Whole(line),
            });
        }
    }
}

/// The formats that a text log may have, and, once lines were seen, the one that it has.
#[derive(Debug)]
pub struct LineFormats {
    candidates: Vec<(Template, Rc<LinePlan>)>,
    chosen: Option<usize>,
}

impl LineFormats {
    /// One of these formats; with one alone there is nothing to find out, and none stands for those that come with Traffic Server.
    ///
    /// # Errors
    ///
    /// [`LineError`] if lines of one of them can't be taken apart.
    pub fn new(mut templates: Vec<Template>) -> Result<Self, LineError> {
        if templates.is_empty() {
            templates = NAMED.iter().filter_map(|named| template::parse(named.text).ok()).collect();
        }
        // Of two that fit alike the one with more fields says more; where the last field may be any text it fits what the other one fits.
        templates.sort_by_key(|template| std::cmp::Reverse(template.symbols.len()));
        let plans =
            templates.into_iter().map(|template| LinePlan::new(&template).map(|plan| (template, Rc::new(plan))));
        let candidates = plans.collect::<Result<Vec<_>, LineError>>()?;
        let chosen = (candidates.len() == 1).then_some(0);
        Ok(Self { candidates, chosen })
    }

    /// Sets the time zone of the machine that writes the log: see [`LinePlan::in_zone`].
    #[must_use]
    pub fn in_zone(self, zone: Zone) -> Self {
        let in_zone =
            |(template, plan): (Template, Rc<LinePlan>)| (template, Rc::new(Rc::unwrap_or_clone(plan).in_zone(zone)));
        Self { candidates: self.candidates.into_iter().map(in_zone).collect(), chosen: self.chosen }
    }

    /// The format that fits most of the first lines in `bytes`, which holds while the log goes on. While none fits one, the first
    /// candidate, which these first [`SAMPLE`] lines don't fit either.
    pub fn choose(&mut self, bytes: &[u8]) -> Rc<LinePlan> {
        if self.chosen.is_none() {
            let mut best = (0, 0);
            for (at, (_, plan)) in self.candidates.iter().enumerate() {
                let mut lines = Lines::default();
                let fits = |line: &Line<'_>| matches!(line, Line::Whole(line) if plan.fits(line));
                let fitting = lines.split(bytes).take(SAMPLE).filter(fits).count();
                if fitting > best.0 {
                    best = (fitting, at);
                }
            }
            self.chosen = (best.0 > 0).then_some(best.1);
        }
        self.candidates[self.chosen.unwrap_or(0)].1.clone()
    }

    /// The format, once it is known.
    pub fn chosen(&self) -> Option<&Template> {
        self.chosen.map(|at| &self.candidates[at].0)
    }
}

#[cfg(test)]
mod tests;
