//! A table of a report: named columns with units, rows of cells, and the sum below them.

use serde_json::{Value, json};

use crate::tally::{Counts, Measure};

/// One table.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Such as `C8`.
    pub id: &'static str,
    /// What it is.
    pub title: String,
    /// What must be known to read it; empty if nothing.
    pub note: String,
    /// Name and unit of each column; the first are the keys.
    pub columns: Vec<(&'static str, &'static str)>,
    /// A cell a column.
    pub rows: Vec<Vec<Value>>,
    /// How deep each row is below another, whose part it is.
    pub levels: Vec<u8>,
}

/// Which of the common columns a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Common {
    /// All of them.
    All,
    /// Without shares of hits.
    NoHits,
    /// Requests and bytes only.
    Plain,
}

/// The common columns of reports (spec/statistics.md 8.0): `r` and `b` of the whole report.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// Which.
    pub common: Common,
    /// Requests of the report.
    pub requests: u64,
    /// Bytes of the report.
    pub bytes: u64,
}

/// Per cent of a whole; `null` of nothing.
pub fn percent(part: u64, whole: u64) -> Value {
    if whole == 0 { Value::Null } else { json!(100.0 * part as f64 / whole as f64) }
}

/// A quotient; `null` by nothing.
pub fn quotient(a: f64, b: f64) -> Value {
    if b == 0.0 { Value::Null } else { json!(a / b) }
}

impl Columns {
    /// Their names and units.
    pub fn names(&self, key: &'static str) -> Vec<(&'static str, &'static str)> {
        let mut names = vec![(key, ""), ("requests", ""), ("requests_percent", "%")];
        if self.common == Common::All {
            names.push(("hit_percent", "%"));
        }
        if self.common != Common::Plain {
            names.push(("seconds_per_request", "s"));
        }
        names.extend([("bytes", "B"), ("bytes_percent", "%")]);
        if self.common == Common::All {
            names.push(("byte_hit_percent", "%"));
        }
        if self.common != Common::Plain {
            names.push(("kb_per_second", "kB/s"));
        }
        names
    }

    /// A row.
    pub fn row(&self, key: impl Into<Value>, counts: &Counts) -> Vec<Value> {
        let of = |measure| counts.measure(measure);
        let (requests, bytes) = (of(Measure::Requests), of(Measure::Bytes));
        // What a format lacks is unknown, not a miss and not zero.
        let (known, known_bytes) = (requests - of(Measure::Unknown), bytes - of(Measure::UnknownBytes));
        let time = of(Measure::TimeMs) as f64;
        let mut cells = vec![key.into(), requests.into(), percent(requests, self.requests)];
        if self.common == Common::All {
            cells.push(percent(of(Measure::Hits), known));
        }
        if self.common != Common::Plain {
            cells.push(quotient(time / 1000.0, of(Measure::Timed) as f64));
        }
        cells.extend([bytes.into(), percent(bytes, self.bytes)]);
        if self.common == Common::All {
            cells.push(percent(of(Measure::HitBytes), known_bytes));
        }
        if self.common != Common::Plain {
            cells.push(quotient(bytes as f64 / 1024.0, time / 1000.0));
        }
        cells
    }
}

impl Sheet {
    /// Without rows.
    pub fn new(id: &'static str, title: impl Into<String>, columns: Vec<(&'static str, &'static str)>) -> Self {
        Self { id, title: title.into(), note: String::new(), columns, rows: Vec::new(), levels: Vec::new() }
    }

    /// With that note.
    #[must_use]
    pub fn noted(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Appends a row.
    pub fn push(&mut self, level: u8, cells: Vec<Value>) {
        self.levels.push(level);
        self.rows.push(cells);
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "id": self.id,
            "title": self.title,
            "note": self.note,
            "columns": self.columns.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            "units": self.columns.iter().map(|(_, unit)| unit).collect::<Vec<_>>(),
            "rows": self.rows,
            "levels": self.levels,
        })
    }
}
