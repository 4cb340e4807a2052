//! The tables of Calamaris, C0 to C21 (spec/statistics.md 8).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::count::Counted;
use super::more::{Kind, TIME_STEPS};
use super::sheet::{Columns, Common, Sheet, percent, quotient};
use crate::merger::Table;
use crate::tally::groups::{Group, RouteClass, route_class};
use crate::tally::{Counts, Dimension, Measure};
use crate::view::{key, rank};
use crate::wire::codes;

const TCP: usize = 0;
const UDP: usize = 1;
/// Sites below each client (C14).
const BELOW: usize = 3;

/// All tables, of at most so many rows each.
pub fn sheets(counted: &Counted, rows: usize) -> Vec<Sheet> {
    let maker = Maker { counted, rows };
    vec![
        maker.summary(),
        maker.request_peaks(),
        maker.volume_peaks(),
        maker.table("C3", "By method", Dimension::Method, Common::NoHits),
        maker.by_result("C4", "UDP by status", UDP, Common::All),
        maker.by_result("C5", "TCP by status", TCP, Common::NoHits),
        maker.outgoing_by_status(),
        maker.outgoing_by_server(),
        maker.table("C8", "By domain", Dimension::Site, Common::All),
        maker.by_top_level(),
        maker.table("C10", "By protocol", Dimension::Scheme, Common::All),
        maker.table("C11", "By content type", Dimension::Type, Common::All),
        maker.by_extension(),
        maker.udp_clients(),
        maker.tcp_clients(),
        maker.sizes(),
        maker.performance(),
        maker.times("C17", "UDP time distribution", UDP),
        maker.times("C18", "TCP time distribution", TCP),
        maker.statuses("C19", "UDP status codes", UDP),
        maker.statuses("C20", "TCP status codes", TCP),
        maker.freshness(),
    ]
}

struct Maker<'a> {
    counted: &'a Counted,
    rows: usize,
}

impl Maker<'_> {
    fn kind(&self, kind: usize) -> &Kind {
        &self.counted.more.kinds[kind]
    }

    fn columns(&self, kind: usize, common: Common) -> Columns {
        let total = &self.kind(kind).total;
        Columns { common, requests: total.all_requests(), bytes: total.all_bytes() }
    }

    fn summary(&self) -> Sheet {
        let Counted { snapshot, more, filtered, .. } = self.counted;
        let tcp = self.kind(TCP);
        let total = &tcp.total;
        // Entries without a result are neither hits nor the rest.
        let known = tcp.sum(|codes| codes.result.is_some());
        let hits = tcp.sum(|codes| codes.is_hit());
        let rest = known.without(&hits);
        let of = |counts: &Counts, measure| counts.measure(measure) as f64;
        let per_time = |counts: &Counts| {
            let time = of(counts, Measure::TimeMs);
            (time > 0.0).then(|| of(counts, Measure::Bytes) / time)
        };
        // By the bytes and times of what was no hit; nothing where either is of no time.
        let by_rest = |counts: &Counts| {
            let factor = per_time(counts).zip(per_time(&rest)).map(|(fast, slow)| fast / slow);
            factor.filter(|factor| factor.is_finite())
        };
        let best_hour = tcp.hours.values().map(|(_, bytes)| *bytes).max().unwrap_or(0);
        let mean = |counts: &Counts| quotient(of(counts, Measure::Bytes), of(counts, Measure::Requests));
        let (clients, _) = snapshot.keys[Dimension::Client as usize];
        let figures: Vec<(&str, Value, &str)> = vec![
            ("entries read", (self.counted.entries.received() + filtered).into(), ""),
            ("entries damaged", self.counted.entries.bad.into(), ""),
            ("entries left out by the filter", (*filtered).into(), ""),
            ("total requests", total.all_requests().into(), ""),
            ("unique clients", clients.into(), ""),
            ("total bandwidth", total.all_bytes().into(), "B"),
            ("maximum bandwidth (best hour)", json!(best_hour as f64 * 8.0 / (3600.0 * 1_048_576.0)), "Mbit/s"),
            ("proxy efficiency", json!(by_rest(&hits)), ""),
            ("average speed increase", json!(by_rest(&known).map(|factor| 100.0 * (factor - 1.0))), "%"),
            ("mean response time", quotient(of(total, Measure::TimeMs), of(total, Measure::Timed)), "ms"),
            ("cached requests", hits.all_requests().into(), ""),
            ("request hit ratio", percent(hits.all_requests(), known.all_requests()), "%"),
            ("bandwidth saved", hits.all_bytes().into(), "B"),
            ("byte hit ratio", percent(hits.all_bytes(), known.all_bytes()), "%"),
            ("mean size of hits", mean(&hits), "B"),
            ("mean size of non-hits", mean(&rest), "B"),
            ("mean size", mean(total), "B"),
            ("UDP requests", self.kind(UDP).total.all_requests().into(), ""),
        ];
        let mut sheet = Sheet::new("C0", "Summary", vec![("figure", ""), ("value", ""), ("unit", "")]);
        if more.crowded > 0 {
            sheet = sheet.noted(format!("{} entries are in no hour, second or step, for want of room", more.crowded));
        }
        for (name, value, unit) in figures {
            sheet.push(0, vec![name.into(), value, unit.into()]);
        }
        sheet
    }

    fn request_peaks(&self) -> Sheet {
        let more = &self.counted.more;
        let columns = vec![
            ("kind", ""),
            ("peak_second", ""),
            ("peak_second_from", "time"),
            ("peak_minute", ""),
            ("peak_minute_from", "time"),
            ("peak_hour", ""),
            ("peak_hour_from", "time"),
        ];
        let mut sheet = Sheet::new("C1", "Request peaks", columns).noted(
            "seconds and minutes are of whole seconds of the clock, by the end of a request; in an hour are all requests under way in it",
        );
        for (name, kind) in [("UDP", Some(UDP)), ("TCP", Some(TCP)), ("all", None)] {
            let peak =
                |seconds| more.peak(kind, seconds).map_or([Value::Null, Value::Null], |(n, t)| [n.into(), t.into()]);
            let hour = best_hour(&self.hours(kind), |(requests, _)| requests);
            let cells = [vec![name.into()], peak(1).to_vec(), peak(60).to_vec(), hour].concat();
            sheet.push(0, cells);
        }
        sheet
    }

    fn volume_peaks(&self) -> Sheet {
        let columns = vec![("kind", ""), ("bytes", "B"), ("hour_from", "time"), ("kb_per_hour", "kB/h")];
        let mut sheet = Sheet::new("C2", "Volume peak", columns)
            .noted("the bytes of a request are spread evenly over the hours that it was under way in");
        for (name, kind) in [("UDP", Some(UDP)), ("TCP", Some(TCP)), ("all", None)] {
            let hour = best_hour(&self.hours(kind), |(_, bytes)| bytes);
            let rate = hour[0].as_u64().map_or(Value::Null, |bytes| json!(bytes as f64 / 1024.0));
            sheet.push(0, [vec![name.into()], hour, vec![rate]].concat());
        }
        sheet
    }

    fn hours(&self, kind: Option<usize>) -> BTreeMap<u64, (u64, u64)> {
        let mut sums: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for at in [TCP, UDP].into_iter().filter(|at| kind.is_none_or(|kind| kind == *at)) {
            for (hour, (requests, bytes)) in &self.kind(at).hours {
                let sum = sums.entry(*hour).or_default();
                *sum = (sum.0 + requests, sum.1.saturating_add(*bytes));
            }
        }
        sums
    }

    /// A table of the engine.
    fn table(&self, id: &'static str, title: &str, dimension: Dimension, common: Common) -> Sheet {
        let table = self.counted.table(dimension);
        let rows = rank::page(table, Measure::Requests, 0, self.rows)
            .into_iter()
            .map(|row| (text(table, row), table.rows[row as usize]))
            .collect();
        self.ranked(
            Sheet::new(id, title, self.columns(TCP, common).names(dimension.name())),
            TCP,
            common,
            rows,
            &table.total,
            table.len(),
        )
    }

    /// Rows that are ranked, the others, and the sum.
    fn ranked(
        &self,
        mut sheet: Sheet,
        kind: usize,
        common: Common,
        rows: Vec<(String, Counts)>,
        total: &Counts,
        keys: usize,
    ) -> Sheet {
        let columns = self.columns(kind, common);
        let mut rest = *total;
        let shown = rows.len();
        for (key, counts) in rows {
            rest = rest.without(&counts);
            sheet.push(0, columns.row(key, &counts));
        }
        if !rest.is_empty() {
            sheet.push(0, columns.row(format!("other: {}", keys.saturating_sub(shown)), &rest));
        }
        sheet.push(0, columns.row("Sum", total));
        sheet
    }

    fn top(&self, sums: BTreeMap<String, Counts>) -> Vec<(String, Counts)> {
        let mut rows: Vec<_> = sums.into_iter().collect();
        rows.sort_by(|a, b| b.1.all_requests().cmp(&a.1.all_requests()).then_with(|| a.0.cmp(&b.0)));
        rows.truncate(self.rows);
        rows
    }

    fn by_result(&self, id: &'static str, title: &str, kind: usize, common: Common) -> Sheet {
        let columns = self.columns(kind, common);
        let mut sheet = Sheet::new(id, title, columns.names("status"));
        let sums = self.kind(kind);
        let is_icp_hit = |code: i64| codes::result_class(code) == codes::Class::IcpHit;
        let group = |codes: &crate::tally::groups::Codes| match kind {
            UDP => codes.result.map(|code| if is_icp_hit(code) { Group::Hit } else { Group::Miss }),
            _ => codes.group(),
        };
        for (wanted, name) in [(Group::Hit, "HIT"), (Group::Miss, "MISS"), (Group::Error, "ERROR")] {
            let of_group = sums.by(|codes| codes.result.filter(|_| group(codes) == Some(wanted)));
            if of_group.is_empty() && (kind == UDP || wanted == Group::Error) {
                continue;
            }
            sheet.push(0, columns.row(name, &sum(of_group.values())));
            for (name, counts) in by_requests(&of_group, |code| codes::result_name(*code).into_owned()) {
                sheet.push(1, columns.row(name, &counts));
            }
        }
        let unknown = sums.sum(|codes| codes.result.is_none());
        if !unknown.is_empty() {
            sheet.push(0, columns.row("(formats without a result)", &unknown));
        }
        sheet.push(0, columns.row("Sum", &sums.total));
        sheet
    }

    fn outgoing(&self) -> BTreeMap<(RouteClass, i64), Counts> {
        self.kind(TCP).by(|codes| {
            let route = codes.route?;
            let (class, _) = route_class(route);
            (class != RouteClass::None).then_some((class, route))
        })
    }

    fn outgoing_by_status(&self) -> Sheet {
        let outgoing = self.outgoing();
        let total = sum(outgoing.values());
        let columns = Columns { common: Common::NoHits, requests: total.all_requests(), bytes: total.all_bytes() };
        let mut sheet = Sheet::new("C6", "Outgoing by status", columns.names("status"));
        for class in
            [RouteClass::Direct, RouteClass::PeerHit, RouteClass::Parent, RouteClass::Failed, RouteClass::Other]
        {
            let of_class: BTreeMap<i64, Counts> =
                outgoing.iter().filter(|((of, _), _)| *of == class).map(|((_, route), sums)| (*route, *sums)).collect();
            if of_class.is_empty() {
                continue;
            }
            sheet.push(0, columns.row(way(class), &sum(of_class.values())));
            for (name, counts) in by_requests(&of_class, |route| codes::route_name(*route).into_owned()) {
                sheet.push(1, columns.row(name, &counts));
            }
        }
        sheet.push(0, columns.row("Sum", &total));
        sheet
    }

    fn outgoing_by_server(&self) -> Sheet {
        let more = &self.counted.more;
        let total = sum(self.outgoing().values());
        let columns = Columns { common: Common::NoHits, requests: total.all_requests(), bytes: total.all_bytes() };
        let mut sheet = Sheet::new("C7", "Outgoing by destination", columns.names("destination"));
        let mut direct = Counts::default();
        let mut servers: BTreeMap<String, BTreeMap<i64, Counts>> = BTreeMap::new();
        for ((server, route), counts) in &more.servers {
            match route_class(*route).0 {
                RouteClass::Direct => direct.merge(counts),
                _ => servers
                    .entry(key::text(Dimension::Server, server))
                    .or_default()
                    .entry(*route)
                    .or_default()
                    .merge(counts),
            }
        }
        if !direct.is_empty() {
            sheet.push(0, columns.row("DIRECT", &direct));
        }
        let mut ranked: Vec<_> =
            servers.into_iter().map(|(name, routes)| (sum(routes.values()), name, routes)).collect();
        ranked.sort_by(|a, b| b.0.all_requests().cmp(&a.0.all_requests()).then_with(|| a.1.cmp(&b.1)));
        let mut others = more.other_servers;
        let count = ranked.len().saturating_sub(self.rows);
        for (at, (counts, name, routes)) in ranked.into_iter().enumerate() {
            if at >= self.rows {
                others.merge(&counts);
                continue;
            }
            sheet.push(0, columns.row(name, &counts));
            for (name, counts) in by_requests(&routes, |route| codes::route_name(*route).into_owned()) {
                sheet.push(1, columns.row(name, &counts));
            }
        }
        if !others.is_empty() {
            sheet.push(0, columns.row(format!("other: {count}"), &others));
        }
        sheet.push(0, columns.row("Sum", &total));
        sheet
    }

    fn by_top_level(&self) -> Sheet {
        let hosts = self.counted.table(Dimension::Host);
        let mut sums: BTreeMap<String, Counts> = BTreeMap::new();
        for row in 0..hosts.len() as u32 {
            let host = text(hosts, row);
            let key = match host.rsplit('.').next() {
                _ if host == "(none)" => host,
                _ if host.parse::<std::net::IpAddr>().is_ok() => "(address)".to_owned(),
                Some(last) => last.to_owned(),
                None => host,
            };
            sums.entry(key).or_default().merge(&hosts.rows[row as usize]);
        }
        let keys = sums.len();
        let sheet = Sheet::new("C9", "By top-level domain", self.columns(TCP, Common::All).names("top_level_domain"));
        let rows = self.top(sums);
        self.ranked(sheet, TCP, Common::All, rows, &hosts.total, keys)
    }

    fn by_extension(&self) -> Sheet {
        let mut sheet = self.table("C12", "By extension", Dimension::Extension, Common::All);
        sheet.columns.extend([("fresh_stale", ""), ("unmodified_modified", "")]);
        let by_name: BTreeMap<String, [u64; 5]> = self
            .counted
            .more
            .extensions
            .iter()
            .map(|(raw, sums)| (key::text(Dimension::Extension, raw), *sums))
            .collect();
        let all = self.all_freshness();
        for row in &mut sheet.rows {
            if row[0].as_str().is_some_and(|name| name.starts_with("other: ")) {
                row.extend([Value::Null, Value::Null]);
                continue;
            }
            let name = row[0].as_str().unwrap_or_default();
            let sums = match name {
                "Sum" => all,
                name => by_name.get(name).copied().unwrap_or_default(),
            };
            let [fresh, unmodified, modified, failed, _] = sums;
            row.extend([
                lowest_terms(fresh, unmodified + modified + failed).into(),
                lowest_terms(unmodified, modified).into(),
            ]);
        }
        sheet
    }

    fn udp_clients(&self) -> Sheet {
        let more = &self.counted.more;
        let sums: BTreeMap<String, Counts> = more
            .icp_clients
            .iter()
            .map(|(client, counts)| {
                let raw: &[u8] = if *client == [0; 16] { &[] } else { client };
                (key::text(Dimension::Client, raw), *counts)
            })
            .collect();
        let keys = sums.len();
        let mut total = sum(sums.values());
        total.merge(&more.other_icp_clients);
        let sheet = Sheet::new("C13", "UDP by host", self.columns(UDP, Common::All).names("client"));
        let rows = self.top(sums);
        self.ranked(sheet, UDP, Common::All, rows, &total, keys)
    }

    fn tcp_clients(&self) -> Sheet {
        let clients = self.counted.table(Dimension::Client);
        let pairs = self.counted.table(Dimension::ClientSite);
        let columns = self.columns(TCP, Common::All);
        let mut sheet = Sheet::new("C14", "TCP by host", columns.names("client"));
        let shown = rank::page(clients, Measure::Requests, 0, self.rows);
        let names: BTreeMap<String, usize> =
            shown.iter().enumerate().map(|(at, row)| (text(clients, *row), at)).collect();
        let mut below: Vec<Vec<(String, Counts)>> = vec![Vec::new(); shown.len()];
        for row in rank::page(pairs, Measure::Requests, 0, pairs.len()) {
            if let key::Key::Pair([client, site]) = key::Key::new(pairs.dimension, pairs.raw_key(row))
                && let Some(at) = names.get(&client)
                && below[*at].len() < BELOW
            {
                below[*at].push((site, pairs.rows[row as usize]));
            }
        }
        let mut rest = clients.total;
        for (row, sites) in shown.iter().zip(below) {
            let counts = &clients.rows[*row as usize];
            rest = rest.without(counts);
            sheet.push(0, columns.row(text(clients, *row), counts));
            for (site, counts) in sites {
                sheet.push(1, columns.row(site, &counts));
            }
        }
        if !rest.is_empty() {
            sheet.push(0, columns.row(format!("other: {}", clients.len() - shown.len()), &rest));
        }
        sheet.push(0, columns.row("Sum", &clients.total));
        sheet
    }

    fn sizes(&self) -> Sheet {
        let columns = self.columns(TCP, Common::All);
        let mut sheet = Sheet::new("C15", "Size distribution", columns.names("bytes_from_to"))
            .noted("by powers of 10; --json has those of 2, too");
        for (at, counts) in self.counted.more.decades.iter().enumerate().filter(|(_, counts)| !counts.is_empty()) {
            let name = match at {
                0 => "0".to_owned(),
                20 => format!("{}-{}", 10_u64.pow(19), u64::MAX),
                at => format!("{}-{}", 10_u64.pow(at as u32 - 1), 10_u64.pow(at as u32) - 1),
            };
            sheet.push(0, columns.row(name, counts));
        }
        sheet.push(0, columns.row("Sum", &self.kind(TCP).total));
        sheet
    }

    fn performance(&self) -> Sheet {
        let more = &self.counted.more;
        let columns = vec![
            ("from", "time"),
            ("requests", ""),
            ("hit_percent", "%"),
            ("bytes", "B"),
            ("byte_hit_percent", "%"),
            ("clients", ""),
            ("kb_per_second", "kB/s"),
            ("hits_kb_per_second", "kB/s"),
            ("others_kb_per_second", "kB/s"),
            ("direct_kb_per_second", "kB/s"),
            ("peer_hits_kb_per_second", "kB/s"),
            ("parents_kb_per_second", "kB/s"),
        ];
        let title = format!("Performance in steps of {} minutes", more.step_ms() / 60_000);
        let mut sheet =
            Sheet::new("C16", title, columns).noted("kB/s are per transaction; many clients are an estimate, to 1 %");
        let speed = |(bytes, time): (u64, u64)| quotient(bytes as f64 / 1024.0, time as f64 / 1000.0);
        for (at, step) in &more.steps {
            let of = |measure| step.total.measure(measure);
            let mut cells = vec![
                (at * more.step_ms() / 1000).into(),
                of(Measure::Requests).into(),
                percent(of(Measure::Hits), of(Measure::Requests) - of(Measure::Unknown)),
                of(Measure::Bytes).into(),
                percent(of(Measure::HitBytes), of(Measure::Bytes) - of(Measure::UnknownBytes)),
                step.clients.count().0.into(),
                speed((of(Measure::Bytes), of(Measure::TimeMs))),
            ];
            cells.extend(step.by_way.iter().map(|way| speed(*way)));
            sheet.push(0, cells);
        }
        sheet
    }

    fn times(&self, id: &'static str, title: &str, kind: usize) -> Sheet {
        let columns = self.columns(kind, Common::All);
        let mut sheet = Sheet::new(id, title, columns.names("ms_at_most")).noted(
            "cumulative, of entries with a time; times are whole milliseconds, so 0.1, 0.2 and 0.5 are the row 0",
        );
        let mut so_far = Counts::default();
        let sums = &self.kind(kind).times;
        let last = sums.iter().rposition(|counts| !counts.is_empty()).map_or(0, |at| at + 1);
        for (end, counts) in TIME_STEPS.iter().zip(sums).take(last) {
            so_far.merge(counts);
            let name = if *end == u64::MAX { "more".to_owned() } else { end.to_string() };
            sheet.push(0, columns.row(name, &so_far));
        }
        sheet
    }

    fn statuses(&self, id: &'static str, title: &str, kind: usize) -> Sheet {
        let columns = self.columns(kind, Common::Plain);
        let mut sheet = Sheet::new(id, title, columns.names("status"));
        let sums = self.kind(kind).by(|codes| codes.status);
        for (status, counts) in &sums {
            let name = match reason(*status) {
                "" => status.to_string(),
                reason => format!("{status} {reason}"),
            };
            sheet.push(0, columns.row(name, counts));
        }
        sheet.push(0, columns.row("Sum", &sum(sums.values())));
        sheet
    }

    fn freshness(&self) -> Sheet {
        let columns = vec![
            ("extension", ""),
            ("fresh", ""),
            ("stale", ""),
            ("unmodified", ""),
            ("modified", ""),
            ("failed", ""),
            ("forced", ""),
        ];
        let mut sheet = Sheet::new("C21", "Object freshness", columns)
            .noted("fresh as Calamaris counts it: with TCP_IMS_MISS; stale are unmodified, modified and failed");
        let mut rows: Vec<_> = self
            .counted
            .more
            .extensions
            .iter()
            .map(|(raw, sums)| (sums.iter().sum::<u64>(), key::text(Dimension::Extension, raw), *sums))
            .collect();
        rows.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let cells = |name: String, sums: [u64; 5]| {
            let [fresh, unmodified, modified, failed, forced] = sums;
            let numbers = [fresh, unmodified + modified + failed, unmodified, modified, failed, forced];
            std::iter::once(name.into()).chain(numbers.map(Value::from)).collect()
        };
        let all = self.all_freshness();
        let (mut rest, others) = (all, rows.len().saturating_sub(self.rows));
        for (_, name, sums) in rows.into_iter().take(self.rows) {
            rest.iter_mut().zip(sums).for_each(|(rest, sum)| *rest -= sum);
            sheet.push(0, cells(name, sums));
        }
        if others > 0 {
            sheet.push(0, cells(format!("other: {others}"), rest));
        }
        sheet.push(0, cells("Sum".to_owned(), all));
        sheet
    }

    /// Of all rows: an entry without a URL is in none.
    fn all_freshness(&self) -> [u64; 5] {
        let mut all = [0; 5];
        for sums in self.counted.more.extensions.values() {
            all.iter_mut().zip(sums).for_each(|(all, sum)| *all += sum);
        }
        all
    }
}

/// The text of a row's key.
pub fn text(table: &Table, row: u32) -> String {
    key::shown(table.dimension, table.raw_key(row))
}

fn best_hour(hours: &BTreeMap<u64, (u64, u64)>, measure: impl Fn((u64, u64)) -> u64) -> Vec<Value> {
    // Of equal hours the first.
    let best = hours.iter().rev().max_by_key(|(_, sums)| measure(**sums));
    best.map_or(vec![Value::Null; 2], |(hour, sums)| vec![measure(*sums).into(), (hour * 3600).into()])
}

/// Adds them up.
pub fn sum<'a>(all: impl Iterator<Item = &'a Counts>) -> Counts {
    all.fold(Counts::default(), |mut sum, counts| {
        sum.merge(counts);
        sum
    })
}

fn by_requests<K>(sums: &BTreeMap<K, Counts>, name: impl Fn(&K) -> String) -> Vec<(String, Counts)> {
    let mut rows: Vec<_> = sums.iter().map(|(key, counts)| (name(key), *counts)).collect();
    rows.sort_by(|a, b| b.1.all_requests().cmp(&a.1.all_requests()).then_with(|| a.0.cmp(&b.0)));
    rows
}

fn way(class: RouteClass) -> &'static str {
    match class {
        RouteClass::None => "none",
        RouteClass::Direct => "DIRECT",
        RouteClass::PeerHit => "peer hit",
        RouteClass::Parent => "parent",
        RouteClass::Failed => "failed",
        RouteClass::Other => "other",
    }
}

/// `6 : 4` as `3 : 2`.
fn lowest_terms(a: u64, b: u64) -> String {
    let (mut x, mut y) = (a, b);
    while y > 0 {
        (x, y) = (y, x % y);
    }
    let by = x.max(1);
    format!("{}:{}", a / by, b / by)
}

/// The reason phrase of a status (IANA's registry); empty if it has none.
pub fn reason(status: i64) -> &'static str {
    u16::try_from(status)
        .ok()
        .and_then(|status| hyper::StatusCode::from_u16(status).ok())
        .and_then(|status| status.canonical_reason())
        .unwrap_or(if status == 0 { "(nothing sent)" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_in_lowest_terms() {
        for (a, b, text) in [(6, 4, "3:2"), (0, 0, "0:0"), (0, 5, "0:1"), (7, 0, "1:0"), (7, 3, "7:3")] {
            assert_eq!(lowest_terms(a, b), text);
        }
    }
}
