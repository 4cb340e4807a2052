//! Answers as CSV (RFC 4180): the rows of an answer, a line each, under the names that they have in JSON. What has parts has a column for
//! each, named `whole.part`; a list is one cell of JSON.
//!
//! Made from the JSON row by row, so that both have the same figures.

use std::borrow::Cow;
use std::fmt;

use hyper::header::{ACCEPT, HeaderMap};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::tally::{Cause, Dimension, Measure};

/// What the answer is.
pub const CONTENT_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// A text that begins so would be a formula to a spreadsheet.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// Which rows of an answer become lines, and what is in them.
#[derive(Clone, Debug)]
pub struct Sheet {
    rows: &'static str,
    columns: Vec<Column>,
}

/// A heading, and the way to the value from a row: names and places in lists, joined by dots.
#[derive(Clone, Debug)]
struct Column {
    heading: String,
    path: String,
}

impl Sheet {
    /// Of `/api/v1/top`; the two keys of a pair have a column each.
    pub fn top(dimension: Dimension) -> Self {
        let key = match dimension.name().split_once(',') {
            Some((first, second)) => [(first, "key.0"), (second, "key.1")]
                .map(|(heading, path)| Column { heading: heading.into(), path: path.into() })
                .into(),
            None => named(&["key"]),
        };
        Self { rows: "rows", columns: [key, numbers(), named(&["rank_before"]), profiled()].concat() }
    }

    /// Of `/api/v1/changes`: its keys.
    pub fn changes() -> Self {
        Self { rows: "rows", columns: named(&["dimension", "key", "now", "before", "change_per_second", "share"]) }
    }

    /// Of `/api/v1/newcomers`.
    pub fn newcomers() -> Self {
        let about = named(&["value", "before_per_second", "before_bound_per_second", "factor", "new"]);
        Self { rows: "rows", columns: [named(&["key"]), numbers(), about].concat() }
    }

    /// Of `/api/v1/origins`.
    pub fn origins() -> Self {
        let about =
            ["key", "state", "requests_per_second", "error_share", "mean_ms", "usual_error_share", "usual_mean_ms"];
        let health = [
            "contacts",
            "contacts_per_second",
            "miss_p50_ms",
            "miss_p95_ms",
            "connect_failures",
            "dns_failures",
            "timeouts",
            "server_errors",
            "status_5xx",
            "stale_served",
            "trouble_share",
            "usual_trouble_share",
            "usual_miss_p50_ms",
            "profile.requests",
            "profile.since",
        ];
        Self { rows: "rows", columns: [named(&about), numbers(), named(&health)].concat() }
    }

    /// Of `/api/v1/skew`.
    pub fn skew() -> Self {
        Self { rows: "rows", columns: named(&["key", "figure", "value", "median", "factor"]) }
    }

    /// Of `/api/v1/rank`.
    pub fn rank() -> Self {
        Self { rows: "points", columns: named(&["rank", "value", "share"]) }
    }

    /// Of `/api/v1/matrix`: its cells, each with its keys in place of their numbers.
    pub fn matrix() -> Self {
        Self { rows: "cells", columns: [named(&["row", "column"]), numbers()].concat() }
    }

    /// Of `/api/v1/miss-ratio`: its points.
    pub fn miss_ratio() -> Self {
        Self { rows: "points", columns: named(&["size_bytes", "hit_ratio", "byte_hit_ratio"]) }
    }

    /// Of `/api/v1/series`.
    pub fn series() -> Self {
        let classes = ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx", "other"].map(|class| format!("statuses.{class}"));
        let seconds = ["requests_most_1s", "requests_least_1s", "bytes_most_1s", "bytes_least_1s"];
        let columns = [
            named(&["t", "gap"]),
            numbers(),
            named(&["p50", "p95", "p99", "clients", "stale_on_error"]),
            named(&classes),
            named(&seconds),
        ];
        Self { rows: "points", columns: columns.concat() }
    }

    /// Of `/api/v1/histogram`.
    pub fn histogram() -> Self {
        Self { rows: "buckets", columns: named(&["from", "to", "requests", "bytes", "hits"]) }
    }

    /// Of `/api/v1/entries`.
    pub fn entries() -> Self {
        Self { rows: "entries", columns: named(&["time", "node", "log", "band", "bytes", "time_ms", "fields", "line"]) }
    }

    /// Of `/api/v1/nodes`.
    pub fn nodes() -> Self {
        let amounts = ["connections", "segments", "entries", "bytes"];
        let rejected =
            Cause::ALL.iter().flat_map(|cause| amounts.map(|amount| format!("rejected.{}.{amount}", cause.name())));
        let bad = super::json_nodes::BAD.map(|cause| format!("bad_segments.{}", cause.name()));
        let first = [
            "segments",
            "entries",
            "bytes",
            "segments_per_second",
            "entries_per_second",
            "bytes_per_second",
            "lag_p50_seconds",
            "lag_max_seconds",
            "silence_seconds",
            "clock_offset_seconds",
        ];
        let last = [
            "bad_entries",
            "bad_fields",
            "unknown_results",
            "unknown_routes",
            "uncounted",
            "last_bad_entry",
            "last_unknown_result",
            "last_unknown_route",
            "late",
            "late_dropped",
            "duplicates",
            "formats",
        ];
        let quality = first.into_iter().chain(bad.iter().map(String::as_str)).chain(last);
        let about =
            ["key", "name", "address", "connections", "state", "lag_seconds", "last_entry", "logs", "several_logs"];
        let columns = [
            named(&about),
            named(&rejected.collect::<Vec<_>>()),
            named(&quality.map(|name| format!("quality.{name}")).collect::<Vec<_>>()),
            numbers(),
        ];
        Self { rows: "rows", columns: columns.concat() }
    }

    /// The lines of an answer in JSON.
    ///
    /// # Errors
    ///
    /// If it is no answer.
    pub fn write(&self, answer: &[u8]) -> serde_json::Result<Vec<u8>> {
        let mut lines = Lines::new(self);
        serde_json::Deserializer::from_slice(answer).deserialize_map(Answer { sheet: self, lines: &mut lines })?;
        Ok(lines.finish())
    }
}

fn named(names: &[impl AsRef<str>]) -> Vec<Column> {
    names.iter().map(|name| Column { heading: name.as_ref().into(), path: name.as_ref().into() }).collect()
}

/// What a row has of its profile.
fn profiled() -> Vec<Column> {
    named(&[
        "p50",
        "p95",
        "p99",
        "revalidation.unchanged",
        "revalidation.changed",
        "revalidation.failed",
        "revalidation.yield",
        "stale_on_error.requests",
        "stale_on_error.per_second",
        "profile.requests",
        "profile.since",
    ])
}

/// The numbers of a row.
fn numbers() -> Vec<Column> {
    let measures = Measure::ALL.map(Measure::name);
    [named(&measures), named(&["error_bound", "bytes_error_bound"])].concat()
}

/// True if a request would rather have CSV than JSON: it names `text/csv`, and gives `application/json` no more weight.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted: Vec<&str> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .collect();
    let weight = |wanted: &str| {
        let weights = accepted.iter().filter_map(|part| {
            let mut words = part.split(';').map(str::trim);
            words.next().filter(|kind| kind.eq_ignore_ascii_case(wanted))?;
            Some(words.find_map(|word| word.strip_prefix("q=")).map_or(1.0, |q| q.parse::<f64>().unwrap_or(0.0)))
        });
        weights.fold(0.0, f64::max)
    };
    let csv = weight("text/csv");
    csv > 0.0 && csv >= weight("application/json")
}

/// The lines so far.
struct Lines<'s> {
    sheet: &'s Sheet,
    writer: csv::Writer<Vec<u8>>,
}

impl<'s> Lines<'s> {
    fn new(sheet: &'s Sheet) -> Self {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        let headings = sheet.columns.iter().map(|column| &column.heading);
        writer.write_record(headings).expect("a Vec takes all");
        Self { sheet, writer }
    }

    fn push(&mut self, row: &Value) {
        let cells = self.sheet.columns.iter().map(|column| {
            let value = column.path.split('.').try_fold(row, |value, name| match value {
                Value::Array(list) => list.get(name.parse::<usize>().ok()?),
                value => value.get(name),
            });
            cell(value)
        });
        // As many cells as headings: nothing can be wrong with them.
        self.writer.write_record(cells.map(|cell| cell.into_owned())).expect("a Vec takes all");
    }

    fn finish(self) -> Vec<u8> {
        self.writer.into_inner().expect("a Vec takes all")
    }
}

/// What stands in a cell. A number that is negative is no formula.
fn cell(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None | Some(Value::Null) => "".into(),
        Some(Value::String(text)) if text.starts_with(FORMULA) => format!("'{text}").into(),
        Some(Value::String(text)) => text.as_str().into(),
        Some(other) => other.to_string().into(),
    }
}

/// Goes through an answer, and writes its rows.
struct Answer<'a, 's> {
    sheet: &'a Sheet,
    lines: &'a mut Lines<'s>,
}

impl<'de> Visitor<'de> for Answer<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // A matrix's keys come before its cells.
        let mut keys: [Vec<Value>; 2] = [Vec::new(), Vec::new()];
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                name if name == self.sheet.rows => {
                    map.next_value_seed(Rows { lines: &mut *self.lines, keys: &keys })?;
                }
                "rows" => keys[0] = map.next_value()?,
                "columns" => keys[1] = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct Rows<'a, 's> {
    lines: &'a mut Lines<'s>,
    keys: &'a [Vec<Value>; 2],
}

impl<'de> DeserializeSeed<'de> for Rows<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(mut row) = rows.next_element::<Value>()? {
            for (name, keys) in ["row", "column"].into_iter().zip(self.keys) {
                let number = row.get(name).and_then(Value::as_u64).and_then(|number| usize::try_from(number).ok());
                if let Some(key) = number.and_then(|number| keys.get(number)) {
                    row[name] = key.clone();
                }
            }
            self.lines.push(&row);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use serde_json::json;

    fn written(sheet: &Sheet, answer: &Value) -> Vec<String> {
        let text = String::from_utf8(sheet.write(answer.to_string().as_bytes()).unwrap()).unwrap();
        assert!(text.ends_with("\r\n"));
        text.split_terminator("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn cells_are_quoted_and_no_formulas() {
        let sheet = Sheet { rows: "rows", columns: named(&["a", "b.c", "d"]) };
        let answer = json!({"x": [1], "rows": [
            {"a": "=1+1", "b": {"c": -1.5}, "d": null},
            {"a": "a \"b\", c\nd", "b": {"c": true}, "d": ["x", "y"]},
            {"a": "-1", "b": {}, "d": "@a"},
            {"a": "\ta", "b": {"c": "\ra"}, "d": "+1"},
            {"a": "a=b", "b": {"c": 18_446_744_073_709_551_615_u64}},
        ], "y": {}});
        let expected = [
            "a,b.c,d",
            "'=1+1,-1.5,",
            "\"a \"\"b\"\", c\nd\",true,\"[\"\"x\"\",\"\"y\"\"]\"",
            "'-1,,'@a",
            "'\ta,\"'\ra\",'+1",
            "a=b,18446744073709551615,",
        ];
        assert_eq!(written(&sheet, &answer), expected);
        assert_eq!(written(&sheet, &json!({"rows": []})), ["a,b.c,d"]);
        assert!(sheet.write(b"[]").is_err());
    }

    #[test]
    fn pairs_have_two_columns_and_cells_of_a_matrix_their_keys() {
        let answer = json!({"rows": [{"key": ["192.0.2.1", "a.example"], "requests": 7}]});
        let lines = written(&Sheet::top(Dimension::ClientSite), &answer);
        assert!(lines[0].starts_with("client,site,requests,bytes,"), "{}", lines[0]);
        assert!(lines[1].starts_with("192.0.2.1,a.example,7,"), "{}", lines[1]);
        // As in answers, keys come first.
        let answer = br#"{"rows": ["a", "=b"], "columns": ["x"], "cells": [{"row": 1, "column": 0, "requests": 3}]}"#;
        let text = String::from_utf8(Sheet::matrix().write(answer).unwrap()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("row,column,requests,"), "{}", lines[0]);
        assert!(lines[1].starts_with("'=b,x,3,"), "{}", lines[1]);
    }

    #[test]
    fn csv_is_for_those_who_name_it() {
        for (accept, expected) in [
            ("text/csv", true),
            ("Text/CSV; header=present", true),
            ("text/html, text/csv;q=0.9", true),
            ("text/csv, application/json", true),
            ("application/json, text/csv; q=0.5", false),
            ("text/csv;q=0", false),
            ("text/csv;q=x", false),
            ("*/*", false),
            ("text/*", false),
            ("text/csvx", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(is_wanted(&headers), expected, "{accept}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
