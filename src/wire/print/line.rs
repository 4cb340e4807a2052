//! What is shown of an entry: which values, in which order, and what stands between them.

use super::columns::{Columns, Spans};
use super::json;
use super::number::{STEP, push_ahead};
use super::show::{Int, Show, Time};
use super::text::{self, Context};
use super::time::Clock;
use crate::wire::fields;
use crate::wire::layout::Ints;
use crate::wire::segment::RawEntry;
use crate::wire::template::Template;

/// The mark that stands for a field in a print template.
const MARK: u8 = 0xff;

/// A line, compiled against the columns that it shows.
#[derive(Clone, Debug)]
pub struct Line {
    first: Literal,
    parts: Vec<(View, Literal)>,
    is_json: bool,
    /// Traffic Server prints no line of which nothing is in it.
    skips_empty: bool,
}

/// What stands between values, with bytes behind it that [`push_ahead`] may copy.
#[derive(Clone, Debug)]
struct Literal {
    len: usize,
    padded: Box<[u8]>,
}

impl Literal {
    fn new(mut bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        bytes.resize(len.max(STEP), 0);
        Self { len, padded: bytes.into() }
    }

    #[inline]
    fn push(&self, out: &mut Vec<u8>) {
        push_ahead(out, &self.padded, self.len);
    }
}

/// A column, and how it is shown.
#[derive(Clone, Debug)]
struct View {
    column: usize,
    show: Show,
}

/// Why a line can't be made from a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The format has no such field.
    #[error("there is no field {symbol} among {}", .fields.join(","))]
    NoField {
        /// The symbol that was asked for.
        symbol: String,
        /// The symbols that there are.
        fields: Vec<String>,
    },
}

impl Line {
    /// The line that Traffic Server prints: its template, whose marks stand for the stored fields in order. `None` if there is no
    /// template, or more marks than fields that are stored: then Traffic Server prints nothing.
    pub fn of_template(columns: &Columns, template: &[u8]) -> Option<Self> {
        if template.is_empty() {
            return None;
        }
        let mut pieces = template.split(|&byte| byte == MARK).map(Vec::from);
        let first = pieces.next()?;
        let stored = (0..columns.columns.len()).filter(|&at| columns.columns[at].show != Show::Absent);
        let mut views = stored.map(|column| View { column, show: columns.columns[column].show.clone() });
        let parts = pieces.map(|literal| Some((views.next()?, literal))).collect::<Option<Vec<_>>>()?;
        Some(Self { skips_empty: true, ..Self::new(first, parts, b"\n", false) })
    }

    /// The text of these fields, with tabs between them.
    ///
    /// # Errors
    ///
    /// [`LineError`] if the format has no such field.
    pub fn of_fields(columns: &Columns, symbols: &[String]) -> Result<Self, LineError> {
        let tab = |(number, symbol): (usize, &String)| {
            let behind = if number + 1 < symbols.len() { &b"\t"[..] } else { b"" };
            Ok((columns.view(symbol)?, behind.to_vec()))
        };
        let parts = symbols.iter().enumerate().map(tab).collect::<Result<_, LineError>>()?;
        Ok(Self::new(vec![], parts, b"\n", false))
    }

    /// The text of a format string.
    ///
    /// # Errors
    ///
    /// [`LineError`] if the format lacks one of its fields.
    pub fn of_format(columns: &Columns, format: &Template) -> Result<Self, LineError> {
        let mut literals = format.literals.iter().cloned();
        let first = literals.next().unwrap_or_default();
        let part = |symbol: &String| Ok((columns.view(symbol)?, literals.next().unwrap_or_default()));
        let parts = format.symbols.iter().map(part).collect::<Result<_, LineError>>()?;
        Ok(Self::new(first, parts, b"\n", false))
    }

    /// A JSON object of these fields, or of all; the keys are the symbols.
    ///
    /// # Errors
    ///
    /// [`LineError`] if the format has no such field.
    pub fn of_json(columns: &Columns, symbols: Option<&[String]>) -> Result<Self, LineError> {
        let all: Vec<String>;
        let symbols = match symbols {
            Some(symbols) => symbols,
            None => {
                all = columns.symbols().map(str::to_owned).collect();
                &all
            }
        };
        let mut names: Vec<&String> = Vec::new();
        for symbol in symbols {
            // The same key twice has the same value.
            if !names.contains(&symbol) {
                names.push(symbol);
            }
        }
        let key = |before: &str, symbol: &str| {
            let mut key = before.as_bytes().to_vec();
            json::push_text(&mut key, symbol.as_bytes());
            key.push(b':');
            key
        };
        let first = names.first().map_or(b"{".to_vec(), |symbol| key("{", symbol));
        let part = |(number, symbol): (usize, &&String)| {
            let behind = names.get(number + 1).map_or_else(Vec::new, |next| key(",", next));
            Ok((columns.view(symbol)?, behind))
        };
        let parts = names.iter().enumerate().map(part).collect::<Result<_, LineError>>()?;
        Ok(Self::new(first, parts, b"}\n", true))
    }

    fn new(mut first: Vec<u8>, mut parts: Vec<(View, Vec<u8>)>, end: &[u8], is_json: bool) -> Self {
        parts.last_mut().map_or(&mut first, |(_, literal)| literal).extend_from_slice(end);
        Self {
            first: Literal::new(first),
            parts: parts.into_iter().map(|(view, literal)| (view, Literal::new(literal))).collect(),
            is_json,
            skips_empty: false,
        }
    }

    /// Appends an entry whose values lie where `spans` says.
    pub fn push(&self, out: &mut Vec<u8>, entry: &RawEntry<'_>, spans: &Spans, ints: Ints, clock: &mut Clock<'_>) {
        let mut context = Context { entry, ints, clock };
        let start = out.len();
        self.first.push(out);
        for (view, literal) in &self.parts {
            let (at, len) = spans.at(view.column);
            match &view.show {
                // By far the most values are plain texts.
                Show::Text { slice: None, is_version: false } if !self.is_json => {
                    push_ahead(out, entry.ahead.get(at..).unwrap_or_default(), len);
                }
                show if self.is_json => json::push(out, show, spans.value(view.column, entry.payload), &context),
                show => text::push(out, show, spans.value(view.column, entry.payload), &mut context),
            }
            literal.push(out);
        }
        if self.skips_empty && out.len() == start + 1 {
            out.truncate(start);
        }
    }
}

/// Conditions on entries: for each field the texts of which it must have one.
#[derive(Clone, Debug)]
pub struct Filter {
    conditions: Vec<(View, Vec<Vec<u8>>)>,
}

impl Filter {
    /// The conditions `(symbol, text)`; those on the same symbol are alternatives.
    ///
    /// # Errors
    ///
    /// [`LineError`] if the format has no such field.
    pub fn new(columns: &Columns, wanted: &[(String, String)]) -> Result<Self, LineError> {
        let mut symbols: Vec<&String> = Vec::new();
        let mut conditions: Vec<(View, Vec<Vec<u8>>)> = Vec::new();
        for (symbol, text) in wanted {
            match symbols.iter().position(|known| *known == symbol) {
                Some(at) => conditions[at].1.push(text.as_bytes().to_vec()),
                None => {
                    conditions.push((columns.view(symbol)?, vec![text.as_bytes().to_vec()]));
                    symbols.push(symbol);
                }
            }
        }
        Ok(Self { conditions })
    }

    /// Does an entry meet all conditions? What is compared is the printed text.
    pub fn admits(
        &self,
        scratch: &mut Vec<u8>,
        entry: &RawEntry<'_>,
        spans: &Spans,
        ints: Ints,
        clock: &mut Clock<'_>,
    ) -> bool {
        self.conditions.iter().all(|(view, texts)| {
            scratch.clear();
            let mut context = Context { entry, ints, clock: &mut *clock };
            text::push(scratch, &view.show, spans.value(view.column, entry.payload), &mut context);
            texts.contains(scratch)
        })
    }
}

/// Fields that store the same in the same unit, and only print otherwise.
const ALIKE: [&[&str]; 11] = [
    &["chi", "chih"],
    &["rchi", "rchh"],
    &["hii", "hiih"],
    &["pscl", "psch"],
    &["ttms", "ttmsf", "ttmsh", "ttmh"],
    &["stms", "stmsf", "stmsh"],
    &["cqts", "cqth", "cqtn", "cqtd", "cqtt"],
    &["cqu", "pqu"],
    &["cquc", "pquc"],
    &["cqus", "pqus"],
    &["cqup", "pqup"],
];

impl Columns {
    /// How a symbol is shown: as the column of that name, or from one that stores the same.
    fn view(&self, symbol: &str) -> Result<View, LineError> {
        let find = |wanted: &str| {
            let is_it = |name: &str| same_name(fields::without_slice(name), wanted);
            self.columns.iter().position(|column| is_it(&column.symbol) && column.show != Show::Absent)
        };
        if let Some(column) = self.columns.iter().position(|column| *column.symbol == *symbol) {
            return Ok(View { column, show: self.columns[column].show.clone() });
        }
        let name = fields::without_slice(symbol);
        let alike = ALIKE.iter().find(|names| names.contains(&name)).copied().unwrap_or_default();
        if let Some(column) = find(name).or_else(|| alike.iter().find_map(|name| find(name))) {
            return Ok(View { column, show: Show::of(symbol, self.columns[column].framing, self.release) });
        }
        if let Some(as_) = Time::of(name) {
            let others: &[&str] = if as_ == Time::Squid { ALIKE[6] } else { &["cqtq"] };
            if let Some(column) = others.iter().find_map(|name| find(name)) {
                return Ok(View { column, show: Show::Int(Int::Scaled { as_, from_ms: as_ != Time::Squid }) });
            }
        }
        Err(LineError::NoField { symbol: symbol.to_owned(), fields: self.symbols().map(str::to_owned).collect() })
    }
}

/// Symbols are told apart by case, names of headers in containers aren't.
fn same_name(a: &str, b: &str) -> bool {
    match (fields::container(a), fields::container(b)) {
        (Some((a, of_a)), Some((b, of_b))) => of_a == of_b && a.eq_ignore_ascii_case(b),
        _ => a == b,
    }
}
