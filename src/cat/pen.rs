//! The pen writes segments: one a thread, which remembers how each format is written.

use std::rc::Rc;

use jiff::tz::TimeZone;

use crate::wire::format::Formats;
use crate::wire::plan::Plan;
use crate::wire::print::{Clock, Columns, Filter, Fit, Line, LineError, Release, Spans, Stepping};
use crate::wire::segment::{Segment, SegmentError};
use crate::wire::template::Template;
use crate::zone;

/// What is written of each entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The line that Traffic Server prints.
    Own,
    /// The text of these fields, with tabs between them.
    Fields(Vec<String>),
    /// The text of a format string.
    Format(Template),
    /// A JSON object of these fields, or of all.
    Json(Option<Vec<String>>),
}

/// What is written, and of which entries.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What of each entry.
    pub shape: Shape,
    /// Fields and the texts that they must have; those of one field are alternatives.
    pub conditions: Vec<(String, String)>,
    /// For local times.
    pub zone: TimeZone,
}

/// What became of a segment's entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Entries whose values don't come out at their end; written as far as they can be read.
    pub damaged: u64,
    /// Entries that the header claims, but which aren't there.
    pub lost: u64,
    /// Entries for which Traffic Server prints nothing, as it doesn't know all of their fields.
    pub silent: u64,
}

/// Why a segment isn't written.
#[derive(Debug, thiserror::Error)]
pub enum PenError {
    /// It is none, or one that can't be read.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// Its field list is out of bounds.
    #[error(transparent)]
    Format(#[from] crate::wire::format::FormatError),
    /// It lacks a field that was asked for.
    #[error(transparent)]
    Line(#[from] LineError),
}

/// How the entries of one reading of a format are written.
struct Style {
    plan: Rc<Plan>,
    template: Box<[u8]>,
    version: u32,
    columns: Columns,
    line: Option<Line>,
    filter: Filter,
}

/// Styles that a pen remembers; files have one or two.
const STYLES_MAX: usize = 64;

/// A pen.
pub struct Pen<'w> {
    wish: &'w Wish,
    stepping: Stepping,
    formats: Formats,
    styles: Vec<Rc<Style>>,
    clock: Clock<'w>,
    spans: Spans,
    scratch: Vec<u8>,
}

/// The zone of a wish, as a function that outlives a pen.
pub fn zone_of(wish: &Wish) -> impl Fn(i64) -> crate::wire::print::Offset + '_ {
    |unix| zone::offset(&wish.zone, unix)
}

impl<'w> Pen<'w> {
    /// A pen for that wish; `zone` is [`zone_of`] it.
    pub fn new(wish: &'w Wish, zone: &'w crate::wire::print::Zone<'w>) -> Self {
        // Only its own line repeats how Traffic Server misreads what it mis-encodes.
        let stepping = if wish.shape == Shape::Own { Stepping::AsTrafficServer } else { Stepping::AsStored };
        Self {
            wish,
            stepping,
            formats: Formats::default(),
            styles: Vec::new(),
            clock: Clock::new(zone),
            spans: Spans::default(),
            scratch: Vec::new(),
        }
    }

    /// Writes a segment's entries.
    ///
    /// # Errors
    ///
    /// [`PenError`] if it can't be written; nothing has been then.
    pub fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Outcome, PenError> {
        let segment = match Segment::parse(bytes) {
            // A log of raw text has nothing to print; Traffic Server's tools pass over it too.
            Err(SegmentError::NoFieldList) => return Ok(Outcome::default()),
            parsed => parsed?,
        };
        let style = self.style(&segment)?;
        let ints = segment.ints();
        let mut outcome = Outcome::default();
        let mut entries = segment.entries();
        for entry in &mut entries {
            let fit = style.columns.locate(&entry, self.stepping, &mut self.spans);
            outcome.damaged += u64::from(fit == Fit::Damaged);
            let Some(line) = &style.line else {
                outcome.silent += 1;
                continue;
            };
            if style.filter.admits(&mut self.scratch, &entry, &self.spans, ints, &mut self.clock) {
                line.push(out, &entry, &self.spans, ints, &mut self.clock);
            }
        }
        outcome.lost = entries.lost().0;
        Ok(outcome)
    }

    fn style(&mut self, segment: &Segment<'_>) -> Result<Rc<Style>, PenError> {
        let format = self.formats.of(segment)?;
        let plan = format.plan(segment);
        let template = segment.print_template();
        let is_it = |style: &Style| {
            Rc::ptr_eq(&style.plan, &plan) && style.version == segment.version() && *style.template == *template
        };
        if let Some(style) = self.styles.iter().find(|style| is_it(style)) {
            return Ok(style.clone());
        }
        let list = segment.field_list();
        let columns = Columns::new(list, plan.framings(), plan.ints(), Release::of(segment.version(), list));
        let line = match &self.wish.shape {
            Shape::Own => Line::of_template(&columns, template),
            Shape::Fields(symbols) => Some(Line::of_fields(&columns, symbols)?),
            Shape::Format(format) => Some(Line::of_format(&columns, format)?),
            Shape::Json(symbols) => Some(Line::of_json(&columns, symbols.as_deref())?),
        };
        let filter = Filter::new(&columns, &self.wish.conditions)?;
        let style = Style { plan, template: template.into(), version: segment.version(), columns, line, filter };
        if self.styles.len() == STYLES_MAX {
            self.styles.clear();
        }
        let style = Rc::new(style);
        self.styles.push(style.clone());
        Ok(style)
    }
}
