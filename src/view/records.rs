//! Records as text: the fields of a raw entry, each under its symbol, as `traffic_logcat` prints them.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::tally::Rules;
use crate::tally::matcher::{Entry, Matcher, format_key};
use crate::tally::records::Record;
use crate::view::key;
use crate::wire::format::Formats;
use crate::wire::plan::{Fields, Plan};
use crate::wire::print::{Clock, Columns, Line, Offset, Release, Spans, Stepping};
use crate::wire::segment::Segment;

/// The local time zone, in which some fields are printed.
#[derive(Clone)]
pub struct Zone(pub Arc<dyn Fn(i64) -> Offset + Send + Sync>);

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zone").finish_non_exhaustive()
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(Arc::new(|_| Offset::UTC))
    }
}

/// What is read of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The file name of its log object.
    pub log: String,
    /// A JSON object: the text or number of each field by its symbol.
    pub fields: String,
    /// The line that Traffic Server prints; `None` if it would print none. Bytes that aren't UTF-8 are `\xNN`, a backslash is `\\`.
    pub line: Option<String>,
}

/// How entries of one format are printed.
struct Style {
    plan: Rc<Plan>,
    version: u32,
    template: Box<[u8]>,
    columns: Columns,
    json: Line,
    own: Option<Line>,
}

/// Styles that are remembered; logs have a few.
const STYLES_MAX: usize = 64;

/// Reads records.
pub struct Reader<'z> {
    formats: Formats,
    styles: Vec<Rc<Style>>,
    clock: Clock<'z>,
    spans: Spans,
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("styles", &self.styles.len()).finish_non_exhaustive()
    }
}

impl<'z> Reader<'z> {
    /// Prints times in that zone.
    pub fn new(zone: &'z Zone) -> Self {
        Self { formats: Formats::default(), styles: Vec::new(), clock: Clock::new(&*zone.0), spans: Spans::default() }
    }

    /// True if a filter takes a record, of the node with that raw key.
    pub fn takes(&mut self, record: &Record, node: &[u8], matcher: &mut Matcher, rules: &Rules) -> bool {
        let bytes = record.segment();
        let Ok(segment) = Segment::parse(&bytes) else { return false };
        let segment = segment.in_layout(record.layout);
        let (Ok(format), Some(entry)) = (self.formats.of(&segment), segment.entries().next()) else { return false };
        let (plan, mut fields) = (format.plan(&segment), Fields::default());
        let key = format_key(segment.file_name(), format.field_list());
        plan.read_into(&mut fields, entry.ahead, entry.payload.len())
            && matcher.takes(&Entry { has: plan.has(), fields: &fields, node, format: &key, rules })
    }

    /// What is in a record; `None` only if its segment wasn't one.
    pub fn read(&mut self, record: &Record) -> Option<Shown> {
        let bytes = record.segment();
        let segment = Segment::parse(&bytes).ok()?.in_layout(record.layout);
        let style = self.style(&segment)?;
        let entry = segment.entries().next()?;
        let ints = segment.ints();
        let (mut fields, mut line) = (Vec::new(), Vec::new());
        style.columns.locate(&entry, Stepping::AsStored, &mut self.spans);
        style.json.push(&mut fields, &entry, &self.spans, ints, &mut self.clock);
        if let Some(own) = &style.own {
            style.columns.locate(&entry, Stepping::AsTrafficServer, &mut self.spans);
            own.push(&mut line, &entry, &self.spans, ints, &mut self.clock);
        }
        let line = style.own.as_ref().map(|_| key::escaped(line.strip_suffix(b"\n").unwrap_or(&line)));
        let fields = String::from_utf8(fields).ok()?;
        Some(Shown { log: key::escaped(segment.file_name()), fields: fields.trim_end().to_owned(), line })
    }

    fn style(&mut self, segment: &Segment<'_>) -> Option<Rc<Style>> {
        let plan = self.formats.of(segment).ok()?.plan(segment);
        let (version, template) = (segment.version(), segment.print_template());
        let is_it = |style: &&Rc<Style>| {
            Rc::ptr_eq(&style.plan, &plan) && style.version == version && *style.template == *template
        };
        if let Some(style) = self.styles.iter().find(is_it) {
            return Some(style.clone());
        }
        let list = segment.field_list();
        let columns = Columns::new(list, plan.framings(), plan.ints(), Release::of(version, list));
        let json = Line::of_json(&columns, None).ok()?;
        let own = Line::of_template(&columns, template);
        let style = Rc::new(Style { plan, version, template: template.into(), columns, json, own });
        if self.styles.len() == STYLES_MAX {
            self.styles.clear();
        }
        self.styles.push(style.clone());
        Some(style)
    }
}
