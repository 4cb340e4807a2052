//! A report as text, for a terminal or a file: figures, bars, sparklines and tables, as wide as there is room.
//!
//! All is taken from the value that `--json` prints. Names come from logs, so nothing in them reaches the terminal as a control.

use std::fmt::Write as _;
use std::io::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::words::{
    bytes, duration, fitted, grouped, left, middle, milliseconds, percent, resampled, right, scaled, short, shown,
    sparkline, stacked, wrapped, wrapped_by,
};

/// How it looks.
#[derive(Clone, Debug)]
pub struct Look {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether there are colours.
    pub colour: bool,
    /// The zone of times.
    pub zone: TimeZone,
    /// Show the tables of Calamaris, too.
    pub calamaris: bool,
}

const BOLD: &str = "1";
const DIM: &str = "2";
/// As on the page: what cache served, what it didn't, what failed.
const HIT: &str = "36";
const MISS: &str = "33";
const ERROR: &str = "31";

/// Narrower than this, tables lose columns, and nothing else changes.
const WIDTH_MIN: usize = 40;

/// Rows of the rankings; `top` has as many as were asked for.
const TOPS: [(&str, &str); 16] = [
    ("site", "Sites"),
    ("host", "Hosts"),
    ("url", "URLs"),
    ("client", "Clients"),
    ("network", "Client networks"),
    ("user", "Users"),
    ("server", "Servers asked"),
    ("client,site", "Clients and sites"),
    ("type", "Content types"),
    ("extension", "Extensions"),
    ("method", "Methods"),
    ("scheme", "Schemes"),
    ("route", "Routes"),
    ("node", "Nodes"),
    ("format", "Formats"),
    ("site,status", "Sites and statuses"),
];

/// Writes the report.
///
/// # Errors
///
/// If it can't be written.
pub fn write(out: &mut impl Write, report: &Value, look: &Look) -> io::Result<()> {
    let mut page = Page { text: String::new(), look, width: look.width.max(WIDTH_MIN) };
    page.report(report);
    out.write_all(page.text.as_bytes())
}

struct Page<'a> {
    text: String,
    look: &'a Look,
    width: usize,
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

impl Page<'_> {
    fn report(&mut self, report: &Value) {
        let summary = &report["summary"];
        let files = report["files"].as_array().map_or(&[][..], Vec::as_slice);
        let names = match files {
            [one] => shown(one.as_str().unwrap_or_default()),
            all => format!("{} files", all.len()),
        };
        let title = format!("visulate report   {names}, {} read", bytes(number(report, "bytes_read") as f64));
        self.line(&paint(self.look, BOLD, &fitted(&title, self.width)));
        if let (Some(first), Some(last)) = (summary["first"].as_f64(), summary["last"].as_f64()) {
            let span = format!("{} to {}, {}", self.time(first), self.time(last), duration(last - first));
            self.line(&fitted(&span, self.width));
        }
        for filter in report["filter"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            self.line(&fitted(&format!("only {}", shown(filter)), self.width));
        }
        if number(summary, "requests") == 0 {
            self.line("");
            self.line("No request was counted.");
            self.entries(summary);
            return;
        }
        self.summary(summary);
        self.entries(summary);
        self.series(&report["series"]);
        self.heading("Results by class");
        self.rows(report["classes"].as_array(), summary, true);
        self.heading("Result codes");
        self.rows(report["top"]["result"]["rows"].as_array(), summary, false);
        self.heading("Statuses");
        self.rows(report["status_classes"].as_array(), summary, false);
        self.line("");
        self.rows(report["top"]["status"]["rows"].as_array(), summary, false);
        self.groups(&report["groups"]);
        for (of, title, unit) in [("time_ms", "Time of a transaction", "ms"), ("bytes", "Bytes of an answer", "B")] {
            self.distribution(title, &report["histogram"][of], unit);
        }
        for (of, title) in [("hits_time_ms", "Time of hits"), ("others_time_ms", "Time of all others")] {
            self.distribution(title, &report["histogram"][of], "ms");
        }
        for (dimension, title) in TOPS {
            let top = &report["top"][dimension];
            let keys = number(&top["keys"], "count");
            if keys == 0 {
                continue;
            }
            let about = if top["keys"]["exact"] == true { "" } else { "at least " };
            self.heading(&format!("{title} ({about}{})", grouped(keys)));
            self.rows(top["rows"].as_array(), summary, false);
            if number(&top["other"], "requests") > 0 {
                self.row("others", &top["other"], summary, number(&top["rows"][0], "requests"));
            }
        }
        self.urls(&report["urls"]);
        self.miss_ratio(&report["miss_ratio"]);
        if self.look.calamaris {
            let tables = &report["tables"];
            for number in 0..22 {
                self.sheet(&tables[format!("C{number}")]);
            }
        }
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn heading(&mut self, title: &str) {
        self.line("");
        self.line(&paint(self.look, BOLD, &fitted(title, self.width)));
    }

    fn time(&self, unix: f64) -> String {
        Timestamp::from_second(unix as i64)
            .map(|at| self.look.zone.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string())
            .unwrap_or_default()
    }

    /// Pairs of name and figure, in as many columns as fit.
    fn pairs(&mut self, pairs: &[(&str, String)]) {
        const NAME: usize = 22;
        const FIGURE: usize = 14;
        const GAP: usize = 3;
        let across = ((self.width + GAP) / (NAME + FIGURE + GAP)).clamp(1, pairs.len().max(1));
        let down = pairs.len().div_ceil(across);
        for row in 0..down {
            let mut line = String::new();
            for (name, figure) in (0..across).filter_map(|column| pairs.get(column * down + row)) {
                if !line.is_empty() {
                    line.push_str(&" ".repeat(GAP));
                }
                line.push_str(&paint(self.look, DIM, &left(name, NAME)));
                line.push_str(&right(figure, FIGURE));
            }
            self.line(&line);
        }
    }

    fn summary(&mut self, summary: &Value) {
        let of = |name: &str| number(summary, name);
        let ratio = |name: &str| summary[name].as_f64().map_or("-".to_owned(), |share| percent(share * 100.0));
        let plain = |name: &str| summary[name].as_f64();
        let size = |name: &str| plain(name).map_or("-".to_owned(), bytes);
        self.heading("Summary");
        self.pairs(&[
            ("requests", grouped(of("requests"))),
            ("bytes", bytes(of("bytes") as f64)),
            ("hits", grouped(of("hits"))),
            ("  fresh", grouped(of("fresh_hits"))),
            ("  refresh", grouped(of("refresh_hits"))),
            ("misses", grouped(of("misses"))),
            ("errors", grouped(of("errors"))),
            ("without result code", grouped(of("unknown"))),
            ("hit ratio", ratio("hit_ratio")),
            ("byte hit ratio", ratio("byte_hit_ratio")),
            ("fresh hit ratio", ratio("fresh_hit_ratio")),
            ("origin offload", ratio("origin_offload")),
            ("error ratio", ratio("error_ratio")),
            ("status 4xx", ratio("status_4xx_ratio")),
            ("status 5xx", ratio("status_5xx_ratio")),
            ("upstream contacts", grouped(of("upstream_contacts"))),
            ("bytes of hits", bytes(of("hit_bytes") as f64)),
            ("bytes of origins", bytes(of("origin_bytes") as f64)),
            ("mean size", size("mean_bytes")),
            ("mean time", plain("mean_time_ms").map_or("-".to_owned(), milliseconds)),
            ("requests a second", plain("requests_per_second").map_or("-".to_owned(), short)),
            ("bandwidth", plain("bits_per_second").map_or("-".to_owned(), |bits| format!("{}bit/s", scaled(bits)))),
            ("under way (mean)", plain("concurrency").map_or("-".to_owned(), short)),
            ("clients", unique(summary, "client")),
            ("sites", unique(summary, "site")),
            ("URLs", unique(summary, "url")),
        ]);
    }

    fn entries(&mut self, summary: &Value) {
        let entries = &summary["entries"];
        let others = [
            ("aggregate", number(entries, "aggregate")),
            ("inter-cache", number(entries, "icp")),
            ("damaged", number(entries, "bad")),
            ("left out by the filter", number(summary, "filtered")),
        ];
        let said: Vec<String> = others
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{} {name}", grouped(*count)))
            .collect();
        if !said.is_empty() {
            self.line("");
            self.line(&fitted(&format!("Not counted as requests: {}", said.join(", ")), self.width));
        }
    }

    fn series(&mut self, series: &Value) {
        let points = series["points"].as_array().map_or(&[][..], Vec::as_slice);
        if points.len() < 2 {
            return;
        }
        self.heading(&format!("Over time, a step is {}", duration(series["step"].as_f64().unwrap_or(1.0))));
        let of = |name: &str| -> Vec<f64> { points.iter().map(|point| number(point, name) as f64).collect() };
        let ratios: Vec<f64> = points
            .iter()
            .map(|point| {
                let known = number(point, "requests") - number(point, "unknown");
                if known == 0 { 0.0 } else { number(point, "hits") as f64 / known as f64 * 100.0 }
            })
            .collect();
        let step = series["step"].as_f64().unwrap_or(1.0);
        let rate = move |value: f64| format!("{}/s", short(value / step));
        self.spark("requests", &of("requests"), None, &rate);
        self.spark("bytes", &of("bytes"), Some(HIT), &move |value| format!("{}bit/s", scaled(value * 8.0 / step)));
        self.spark("hit ratio", &ratios, Some(HIT), &percent);
        self.spark("errors", &of("errors"), Some(ERROR), &rate);
        self.spark("p95 of time", &of("p95"), Some(MISS), &milliseconds);
        self.spark("clients", &of("clients"), None, &short);
    }

    /// A sparkline, with the most of it.
    fn spark(&mut self, name: &str, values: &[f64], colour: Option<&str>, show: &dyn Fn(f64) -> String) {
        let room = self.width.saturating_sub(14 + 2 + 16).max(8);
        let bars = resampled(values, room);
        let most = bars.iter().copied().fold(0.0, f64::max);
        let line = paint(self.look, colour.unwrap_or(BOLD), &sparkline(&bars, most));
        let drawn = bars.len();
        let pad = " ".repeat(room.saturating_sub(drawn));
        self.line(&format!("{}{line}{pad}  {}", left(name, 14), right(&format!("max {}", show(most)), 16)));
    }

    /// Rows as they are ranked, or, of those that aren't, `by_requests`.
    fn rows(&mut self, rows: Option<&Vec<Value>>, summary: &Value, by_requests: bool) {
        let rows = rows.map_or(&[][..], Vec::as_slice);
        let mut rows: Vec<&Value> = rows.iter().collect();
        if by_requests {
            rows.sort_by_key(|row| std::cmp::Reverse(number(row, "requests")));
        }
        let most = rows.iter().map(|row| number(row, "requests")).max().unwrap_or(0);
        if !rows.is_empty() {
            let (key, _) = self.row_widths();
            let mut head = format!("{}{:>12}{:>8}{:>11}{:>8}", " ".repeat(key), "requests", "%", "bytes", "hit %");
            if self.width >= 100 {
                let _ = write!(head, "{:>10}{:>8}", "mean", "error %");
            }
            self.line(&paint(self.look, DIM, &head));
        }
        for row in rows {
            let key = match &row["key"] {
                Value::String(text) => shown(text),
                Value::Array(pair) => pair.iter().filter_map(Value::as_str).map(shown).collect::<Vec<_>>().join(" "),
                _ => String::new(),
            };
            self.row(&key, row, summary, most);
        }
    }

    /// Columns of the key and of the bar.
    fn row_widths(&self) -> (usize, usize) {
        let figures = 12 + 8 + 11 + 8 + if self.width >= 100 { 18 } else { 0 };
        let room = self.width.saturating_sub(figures + 2);
        let bar = (room / 3).clamp(6, 40);
        (room.saturating_sub(bar).clamp(8, 72), bar)
    }

    fn row(&mut self, key: &str, row: &Value, summary: &Value, most: u64) {
        let (key_width, bar_width) = self.row_widths();
        let (requests, hits, errors) = (number(row, "requests"), number(row, "hits"), number(row, "errors"));
        let known = requests.saturating_sub(number(row, "unknown"));
        let part = |part: u64, whole: u64| {
            if whole == 0 { "-".to_owned() } else { percent(part as f64 * 100.0 / whole as f64) }
        };
        let about = if number(row, "error_bound") > 0 { "≈" } else { "" };
        let mut line = left(&middle(key, key_width.saturating_sub(1)), key_width);
        line.push_str(&right(&format!("{about}{}", grouped(requests)), 12));
        line.push_str(&right(&part(requests, number(summary, "requests")), 8));
        line.push_str(&right(&bytes(number(row, "bytes") as f64), 11));
        line.push_str(&right(&part(hits, known), 8));
        if self.width >= 100 {
            let timed = number(row, "timed");
            let mean =
                if timed == 0 { "-".to_owned() } else { milliseconds(number(row, "time_ms") as f64 / timed as f64) };
            line.push_str(&right(&mean, 10));
            line.push_str(&right(&part(errors, known), 8));
        }
        line.push_str("  ");
        line.push_str(&self.bar(requests, hits, errors, most, bar_width));
        self.line(&line);
    }

    /// What a row moved beside the most that one did: served from cache, failed, and the rest between them.
    fn bar(&self, requests: u64, hits: u64, errors: u64, most: u64, width: usize) -> String {
        if most == 0 {
            return String::new();
        }
        let cells = |part: u64| (part as f64 / most as f64 * width as f64).min(width as f64);
        let whole = cells(requests).round() as usize;
        let hit = (cells(hits).round() as usize).min(whole);
        let error = (cells(errors).round() as usize).min(whole - hit);
        let mut bar = paint(self.look, HIT, &"█".repeat(hit));
        bar.push_str(&paint(self.look, MISS, &"▒".repeat(whole - hit - error)));
        bar.push_str(&paint(self.look, ERROR, &"×".repeat(error)));
        if whole == 0 && requests > 0 {
            bar.push('▏');
        }
        bar
    }

    fn groups(&mut self, groups: &Value) {
        self.heading("Troubles");
        let of = |name: &str| grouped(number(&groups[name], "requests"));
        self.pairs(&[
            ("of servers", of("server_trouble")),
            ("of clients", of("client_trouble")),
            ("of the proxy", of("proxy_trouble")),
            ("peers timed out", of("peer_timeout")),
        ]);
    }

    fn distribution(&mut self, title: &str, distribution: &Value, unit: &str) {
        let buckets = distribution["buckets"].as_array().map_or(&[][..], Vec::as_slice);
        if buckets.is_empty() {
            return;
        }
        self.heading(title);
        let show = |value: f64| if unit == "ms" { milliseconds(value) } else { bytes(value) };
        let mut said = Vec::new();
        for (name, shown) in [
            ("min", "min"),
            ("p50", "median"),
            ("p75", "p75"),
            ("p90", "p90"),
            ("p95", "p95"),
            ("p99", "p99"),
            ("p999", "p99.9"),
            ("max", "max"),
            ("mean", "mean"),
        ] {
            if let Some(value) = distribution[name].as_f64() {
                said.push(format!("{shown} {}", show(value)));
            }
        }
        for line in wrapped(&said, self.width) {
            self.line(&line);
        }
        // A column a part of the logarithm, from the least to the greatest.
        let most = buckets.last().map_or(1, |bucket| number(bucket, "from")).max(1) as f64;
        let room = self.width.min(120);
        let mut bars = vec![0.0; room];
        for bucket in buckets {
            let at =
                ((number(bucket, "from") as f64 + 1.0).ln() / (most + 1.0).ln() * (room - 1) as f64).round() as usize;
            bars[at.min(room - 1)] += number(bucket, "requests") as f64;
        }
        let top = bars.iter().copied().fold(0.0, f64::max);
        self.line(&paint(self.look, HIT, &sparkline(&bars, top)));
        let mut axis = String::from("0");
        for tick in 1..5 {
            let label = show(((most + 1.0).ln() * tick as f64 / 4.0).exp() - 1.0);
            let at = ((room - 1) * tick / 4 + 1).saturating_sub(label.width());
            axis.push_str(&" ".repeat(at.saturating_sub(axis.width())));
            axis.push_str(&label);
        }
        self.line(&paint(self.look, DIM, &axis));
    }

    fn urls(&mut self, urls: &Value) {
        let rows = urls.as_array().map_or(&[][..], Vec::as_slice);
        if rows.is_empty() {
            return;
        }
        self.heading("URLs one by one: variants, shares of hits and misses, kinds, times of misses, sizes, statuses");
        let graph = 10;
        let mut names = vec![("accesses", 11), ("variants", 9), ("hit %", 7), ("miss %", 7), ("miss time", 10)];
        if self.width >= 100 {
            names.push(("size", 10));
        }
        if self.width >= 150 {
            names.extend([("misses", graph + 2), ("times", 22), ("statuses", graph + 2), ("popularity", graph + 2)]);
        }
        let taken: usize = names.iter().map(|(_, width)| width).sum();
        let key_width = self.width.saturating_sub(taken).clamp(12, 100);
        let mut head = " ".repeat(key_width);
        names.iter().for_each(|(name, width)| head.push_str(&right(name, *width)));
        self.line(&paint(self.look, DIM, &head));
        for url in rows {
            let share = |name: &str| url[name].as_f64().map_or("-".to_owned(), |share| percent(share * 100.0));
            let about = if number(url, "seen") < number(url, "accesses") { "≈" } else { "" };
            let key = shown(url["key"].as_str().unwrap_or_default());
            let mut line = left(&middle(&key, key_width - 1), key_width);
            let miss_time = url["miss_time_ms"]["median"].as_f64().map_or("-".to_owned(), milliseconds);
            let mut cells = vec![
                grouped(number(url, "accesses")),
                format!("{about}{}", grouped(number(url, "query_diversity"))),
                share("hit_share"),
                share("miss_share"),
                miss_time,
            ];
            if self.width >= 100 {
                cells.push(url["size_bytes"]["median"].as_f64().map_or("-".to_owned(), bytes));
            }
            for (cell, (_, width)) in cells.iter().zip(&names) {
                line.push_str(&right(cell, *width));
            }
            if self.width >= 150 {
                let misses = &url["misses"];
                let kinds: Vec<u64> = ["client_forbade", "unchanged", "changed", "failed", "no_validation"]
                    .map(|name| number(misses, name))
                    .to_vec();
                line.push_str("  ");
                line.push_str(&stacked(&kinds, &["f", "=", "~", "!", "m"], graph));
                let bars: Vec<f64> = url["miss_time_ms"]["bars"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|bar| bar.as_f64().unwrap_or(0.0))
                    .collect();
                let most = bars.iter().copied().fold(0.0, f64::max);
                line.push(' ');
                line.push_str(&left(&sparkline(&bars, most), 21));
                let statuses: Vec<u64> =
                    ["2xx", "3xx", "4xx", "5xx", "0xx"].map(|name| number(&url["statuses"], name)).to_vec();
                line.push_str("  ");
                line.push_str(&stacked(&statuses, &["2", "3", "4", "5", "0"], graph));
                let variants: Vec<f64> =
                    url["variants"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
                line.push_str("  ");
                line.push_str(&sparkline(&resampled(&variants, graph), variants.first().copied().unwrap_or(0.0)));
            }
            self.line(&line);
        }
        if self.width >= 150 {
            let legend = "misses: f client forbade the cache, = unchanged, ~ changed, ! validation failed, m no validation. times: 0 to 1000 ms, the last is above.";
            self.line(&paint(self.look, DIM, &fitted(legend, self.width)));
        }
    }

    fn miss_ratio(&mut self, curve: &Value) {
        let points = curve["points"].as_array().map_or(&[][..], Vec::as_slice);
        if points.is_empty() {
            return;
        }
        self.heading("Hit ratio by size of cache, estimated from a sample of URLs");
        let share = |value: &Value| value.as_f64().map_or("-".to_owned(), |share| percent(share * 100.0));
        let room = self.width.saturating_sub(12 + 9 + 9 + 2).clamp(10, 100);
        let every = points.len().div_ceil(16);
        self.line(&paint(self.look, DIM, &format!("{:>12}{:>9}{:>9}", "cache", "hit %", "byte %")));
        for point in points.iter().rev().step_by(every).collect::<Vec<_>>().into_iter().rev() {
            let bar = (point["hit_ratio"].as_f64().unwrap_or(0.0) * room as f64).round() as usize;
            let line = format!(
                "{}{}{}  {}",
                right(&bytes(number(point, "size_bytes") as f64), 12),
                right(&share(&point["hit_ratio"]), 9),
                right(&share(&point["byte_hit_ratio"]), 9),
                paint(self.look, HIT, &"█".repeat(bar))
            );
            self.line(&line);
        }
        let current = &curve["current"];
        let working = &curve["working_set"];
        let said = [
            format!("really {} and {} of bytes", share(&current["hit_ratio"]), share(&current["byte_hit_ratio"])),
            format!(
                "working set of the last hour {}, of the last day {}",
                bytes(number(working, "1h") as f64),
                bytes(number(working, "24h") as f64)
            ),
            format!("URLs asked for once {}", share(&curve["one_hit"]["share"])),
        ];
        for line in wrapped(&said, self.width) {
            self.line(&line);
        }
    }

    /// A table of Calamaris: as many columns as fit.
    fn sheet(&mut self, sheet: &Value) {
        let rows = sheet["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let id = sheet["id"].as_str().unwrap_or_default();
        // The sum of nothing isn't worth its lines.
        let is_empty = rows
            .iter()
            .all(|row| row[0] == "Sum" || row.as_array().is_some_and(|cells| cells[1..].iter().all(Value::is_null)));
        if is_empty {
            return;
        }
        self.heading(&format!("{id}  {}", sheet["title"].as_str().unwrap_or_default()));
        let texts = |name: &str| -> Vec<String> {
            sheet[name]
                .as_array()
                .into_iter()
                .flatten()
                .map(|text| text.as_str().unwrap_or_default().to_owned())
                .collect()
        };
        let (columns, units) = (texts("columns"), texts("units"));
        let levels: Vec<u64> = sheet["levels"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        let cell = |row: &Value, at: usize| -> String {
            let unit = units.get(at).map_or("", String::as_str);
            let unit = if id == "C0" && at == 1 { row[2].as_str().unwrap_or_default() } else { unit };
            self.cell(&row[at], unit)
        };
        let mut table: Vec<Vec<String>> =
            rows.iter().map(|row| (0..columns.len()).map(|at| cell(row, at)).collect()).collect();
        let mut heads: Vec<String> = columns.iter().map(|name| short_name(name).to_owned()).collect();
        if id == "C0" {
            heads = vec![String::new(); 2];
            table.iter_mut().for_each(|cells| cells.truncate(2));
        }
        for (cells, level) in table.iter_mut().zip(&levels) {
            cells[0] = format!("{}{}", "  ".repeat(*level as usize), cells[0]);
        }
        let width_of =
            |at: usize| table.iter().map(|cells| cells[at].width()).chain([heads[at].width()]).max().unwrap_or(0);
        let widths: Vec<usize> = (0..heads.len()).map(width_of).collect();
        let key_least = widths[0].min(16);
        let (mut shown_columns, mut taken) = (1, key_least);
        while shown_columns < widths.len() && taken + 2 + widths[shown_columns] <= self.width {
            taken += 2 + widths[shown_columns];
            shown_columns += 1;
        }
        let key_width = widths[0].min(key_least + self.width.saturating_sub(taken)).min(100);
        let line_of = |cells: &[String]| {
            let mut line = left(&middle(&cells[0], key_width), key_width);
            for (text, width) in cells.iter().zip(&widths).take(shown_columns).skip(1) {
                line.push_str("  ");
                line.push_str(&right(text, *width));
            }
            line
        };
        if id != "C0" {
            let head = line_of(&heads);
            self.line(&paint(self.look, DIM, &head));
        }
        for cells in &table {
            let line = line_of(cells);
            let is_sum = cells[0] == "Sum";
            self.line(&if is_sum { paint(self.look, BOLD, &line) } else { line });
        }
        if shown_columns < widths.len() {
            let more =
                format!("{} more columns with a wider terminal, --width or --json", widths.len() - shown_columns);
            self.line(&paint(self.look, DIM, &fitted(&more, self.width)));
        }
        if let Some(note) = sheet["note"].as_str().filter(|note| !note.is_empty()) {
            let words: Vec<String> = note.split(' ').map(str::to_owned).collect();
            let look = self.look;
            for line in wrapped_by(&words, self.width, " ") {
                self.line(&paint(look, DIM, &line));
            }
        }
    }

    fn cell(&self, value: &Value, unit: &str) -> String {
        match (value, unit) {
            (Value::Null, _) => "-".to_owned(),
            (Value::String(text), _) => shown(text),
            (value, "time") => value.as_f64().map_or(String::new(), |unix| {
                let text = self.time(unix);
                text.get(..19).unwrap_or(&text).to_owned()
            }),
            (value, "%") => value.as_f64().map_or(String::new(), percent),
            (value, "B") => value.as_f64().map_or(String::new(), bytes),
            (value, "s") => value.as_f64().map_or(String::new(), |seconds| format!("{seconds:.3}")),
            (value, "ms") => value.as_f64().map_or(String::new(), milliseconds),
            (Value::Number(number), unit) => {
                let text = number.as_u64().map_or_else(|| short(number.as_f64().unwrap_or(0.0)), grouped);
                if unit.is_empty() || unit.starts_with("kB") { text } else { format!("{text} {unit}") }
            }
            _ => String::new(),
        }
    }
}

fn unique(summary: &Value, dimension: &str) -> String {
    let keys = &summary["uniques"][dimension];
    let about = if keys["exact"] == false { "≥" } else { "" };
    format!("{about}{}", grouped(number(keys, "count")))
}

/// A column's name, short enough to stand over it.
fn short_name(name: &str) -> &str {
    match name {
        "requests_percent" | "bytes_percent" => "%",
        "hit_percent" | "byte_hit_percent" => "hit-%",
        "seconds_per_request" => "sec/req",
        "kb_per_second" => "kB/sec",
        "hits_kb_per_second" => "hits",
        "others_kb_per_second" => "others",
        "direct_kb_per_second" => "direct",
        "peer_hits_kb_per_second" => "peer hits",
        "parents_kb_per_second" => "parents",
        "fresh_stale" => "fresh:stale",
        "unmodified_modified" => "unmod:mod",
        "peak_second" => "1 s",
        "peak_minute" => "60 s",
        "peak_hour" => "1 h",
        "peak_second_from" | "peak_minute_from" | "peak_hour_from" | "hour_from" => "from",
        "kb_per_hour" => "kB/h",
        "top_level_domain" => "domain",
        "bytes_from_to" => "bytes",
        "ms_at_most" => "ms",
        name => name,
    }
}

fn paint(look: &Look, colour: &str, text: &str) -> String {
    if look.colour && !text.is_empty() { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
}
