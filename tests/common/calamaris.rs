//! The tables of Calamaris (spec/statistics.md 8) over a list of all entries: what `report --json` must say of each, with all rows shown.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value as Json, json};

use super::printed::Entry;
use super::recount::by;

/// A table: the level and the cells of each row.
type Rows = Vec<(u64, Vec<Json>)>;

/// Columns that a table has beside its key.
#[derive(Clone, Copy, PartialEq)]
enum Columns {
    All,
    WithoutHits,
    Plain,
}
use Columns::{All, Plain, WithoutHits};

/// The entries of a table, of which its shares are.
struct Whole {
    columns: Columns,
    requests: u64,
    bytes: u64,
}

fn bytes(entries: &[&Entry]) -> u64 {
    entries.iter().map(|entry| entry.bytes).sum()
}

fn time(entries: &[&Entry]) -> u64 {
    entries.iter().filter_map(|entry| entry.time).sum()
}

fn picked<'a>(entries: &[&'a Entry], is_so: impl Fn(&Entry) -> bool) -> Vec<&'a Entry> {
    entries.iter().copied().filter(|entry| is_so(entry)).collect()
}

/// `null` by nothing: a figure of no entries is not zero.
pub fn quotient(a: f64, b: f64) -> Json {
    if b == 0.0 { Json::Null } else { json!(a / b) }
}

fn percent(part: u64, whole: u64) -> Json {
    quotient(100.0 * part as f64, whole as f64)
}

fn kb_per_second(entries: &[&Entry]) -> Json {
    quotient(bytes(entries) as f64 / 1024.0, time(entries) as f64 / 1000.0)
}

impl Whole {
    fn of(columns: Columns, entries: &[&Entry]) -> Self {
        Self { columns, requests: entries.len() as u64, bytes: bytes(entries) }
    }

    fn row(&self, key: &str, entries: &[&Entry]) -> Vec<Json> {
        let known = picked(entries, |entry| entry.result.is_some());
        let hits = picked(entries, Entry::is_hit);
        let timed = picked(entries, |entry| entry.time.is_some());
        let columns = [
            (true, json!(key)),
            (true, json!(entries.len())),
            (true, percent(entries.len() as u64, self.requests)),
            (self.columns == All, percent(hits.len() as u64, known.len() as u64)),
            (self.columns != Plain, quotient(time(&timed) as f64 / 1000.0, timed.len() as f64)),
            (true, json!(bytes(entries))),
            (true, percent(bytes(entries), self.bytes)),
            (self.columns == All, percent(bytes(&hits), bytes(&known))),
            (self.columns != Plain, kb_per_second(entries)),
        ];
        columns.into_iter().filter(|(is_shown, _)| *is_shown).map(|(_, cell)| cell).collect()
    }
}

/// Rows by requests, then by key.
fn ranked<'a, K: Ord + Clone>(groups: &BTreeMap<K, Vec<&'a Entry>>) -> Vec<(K, Vec<&'a Entry>)> {
    let mut rows: Vec<_> = groups.iter().map(|(key, entries)| (key.clone(), entries.clone())).collect();
    rows.sort_by_key(|(_, entries)| Reverse(entries.len()));
    rows
}

/// What rows of as many requests are ordered by: bytes of texts, of which missing ones have none.
fn of_text(key: &str) -> Vec<u8> {
    if key == "(none)" || key == "(unknown)" { Vec::new() } else { key.into() }
}

/// Bytes of addresses, all as long as those of IPv6.
fn of_address(key: &str) -> Vec<u8> {
    match key.parse() {
        Ok(IpAddr::V4(address)) => address.to_ipv6_mapped().octets().into(),
        Ok(IpAddr::V6(address)) => address.octets().into(),
        Err(_) => Vec::new(),
    }
}

/// A row a key, and the sum of those that have one.
fn table(
    entries: &[&Entry],
    columns: Columns,
    order: fn(&str) -> Vec<u8>,
    key: impl Fn(&Entry) -> Option<String>,
) -> Rows {
    let whole = Whole::of(columns, entries);
    let groups = by(entries, |entry| key(entry).map(|key| (order(&key), key)));
    let mut rows: Rows = ranked(&groups).iter().map(|((_, key), of)| (0, whole.row(key, of))).collect();
    rows.push((0, whole.row("Sum", &groups.into_values().flatten().collect::<Vec<_>>())));
    rows
}

/// Rows of results below their groups.
fn by_result(entries: &[&Entry], columns: Columns, group: impl Fn(&Entry) -> Option<&'static str>) -> Rows {
    let whole = Whole::of(columns, entries);
    let mut rows = Vec::new();
    for name in ["HIT", "MISS", "ERROR"] {
        let of_group = picked(entries, |entry| group(entry) == Some(name));
        // Of ordinary requests the first two are always said.
        if !of_group.is_empty() || (columns == WithoutHits && name != "ERROR") {
            rows.push((0, whole.row(name, &of_group)));
            let results = by(&of_group, |entry| entry.result.clone());
            rows.extend(ranked(&results).iter().map(|(result, of)| (1, whole.row(result, of))));
        }
    }
    let unknown = picked(entries, |entry| entry.result.is_none());
    if !unknown.is_empty() {
        rows.push((0, whole.row("(formats without a result)", &unknown)));
    }
    rows.push((0, whole.row("Sum", entries)));
    rows
}

fn outgoing_by_status(tcp: &[&Entry]) -> Rows {
    let asked = picked(tcp, |entry| entry.is_asked() == Some(true));
    let whole = Whole::of(WithoutHits, &asked);
    let mut rows = Vec::new();
    let names = [
        ("direct", "DIRECT"),
        ("peer_hit", "peer hit"),
        ("parent", "parent"),
        ("failed", "failed"),
        ("other", "other"),
    ];
    for (way, name) in names {
        let of_way = picked(&asked, |entry| entry.way() == Some(way));
        if !of_way.is_empty() {
            rows.push((0, whole.row(name, &of_way)));
            let routes = by(&of_way, |entry| entry.route.clone());
            rows.extend(ranked(&routes).iter().map(|(route, of)| (1, whole.row(route, of))));
        }
    }
    rows.push((0, whole.row("Sum", &asked)));
    rows
}

fn outgoing_by_server(tcp: &[&Entry]) -> Rows {
    let asked = picked(tcp, |entry| entry.is_asked() == Some(true));
    let whole = Whole::of(WithoutHits, &asked);
    let mut rows = Vec::new();
    let direct = picked(&asked, |entry| entry.way() == Some("direct"));
    if !direct.is_empty() {
        rows.push((0, whole.row("DIRECT", &direct)));
    }
    let others = picked(&asked, |entry| entry.way() != Some("direct"));
    let servers = by(&others, |entry| entry.key("server").map_or(Some("(none)".to_owned()), |key| Some(key.concat())));
    for (server, of_server) in ranked(&servers) {
        rows.push((0, whole.row(&server, &of_server)));
        let routes = by(&of_server, |entry| entry.route.clone());
        rows.extend(ranked(&routes).iter().map(|(route, of)| (1, whole.row(route, of))));
    }
    rows.push((0, whole.row("Sum", &asked)));
    rows
}

/// Clients, the three largest sites of each below it.
fn by_client(tcp: &[&Entry]) -> Rows {
    let whole = Whole::of(All, tcp);
    let mut rows = table(tcp, All, of_address, |entry| one(entry, "client"));
    let sum = rows.pop().unwrap();
    let clients = by(tcp, |entry| one(entry, "client"));
    let mut all = Rows::new();
    for (level, cells) in rows {
        let of_client = &clients[cells[0].as_str().unwrap()];
        let sites = by(of_client, |entry| entry.site().map(|site| (of_text(&site), site)));
        all.push((level, cells));
        all.extend(ranked(&sites).iter().take(3).map(|((_, site), of)| (1, whole.row(site, of))));
    }
    all.push(sum);
    all
}

fn one(entry: &Entry, dimension: &str) -> Option<String> {
    entry.key(dimension).map(|key| key.concat())
}

/// Entries by freshness, of those that have a URL: the table is by what is in it.
fn freshness(entries: &[&Entry]) -> [u64; 5] {
    let mut sums = [0; 5];
    entries
        .iter()
        .filter(|entry| entry.url.is_some())
        .filter_map(|entry| entry.freshness())
        .for_each(|at| sums[at] += 1);
    sums
}

fn lowest_terms(a: u64, b: u64) -> Json {
    let by = (1..=a.max(b)).rev().find(|by| a.is_multiple_of(*by) && b.is_multiple_of(*by)).unwrap_or(1);
    format!("{}:{}", a / by, b / by).into()
}

fn by_extension(tcp: &[&Entry]) -> Rows {
    let mut rows = table(tcp, All, of_text, Entry::extension);
    let extensions = by(tcp, Entry::extension);
    for (_, cells) in &mut rows {
        let of_row = match cells[0].as_str().unwrap() {
            "Sum" => tcp.to_vec(),
            name => extensions[name].clone(),
        };
        let [fresh, unmodified, modified, failed, _] = freshness(&of_row);
        cells.extend([lowest_terms(fresh, unmodified + modified + failed), lowest_terms(unmodified, modified)]);
    }
    rows
}

fn by_freshness(tcp: &[&Entry]) -> Rows {
    let cells = |name: &str, of: &[&Entry]| {
        let [fresh, unmodified, modified, failed, forced] = freshness(of);
        let numbers = [fresh, unmodified + modified + failed, unmodified, modified, failed, forced];
        std::iter::once(json!(name)).chain(numbers.map(Json::from)).collect::<Vec<_>>()
    };
    let with = picked(tcp, |entry| entry.url.is_some() && entry.freshness().is_some());
    let extensions = by(&with, |entry| entry.extension());
    let mut rows: Rows = ranked(&extensions).iter().map(|(name, of)| (0, cells(name, of))).collect();
    rows.push((0, cells("Sum", &with)));
    rows
}

fn sizes(tcp: &[&Entry]) -> Rows {
    let whole = Whole::of(All, tcp);
    let mut rows = Vec::new();
    let decades = by(tcp, |entry| Some(if entry.bytes == 0 { 0 } else { entry.bytes.to_string().len() }));
    for (digits, of) in decades {
        let nines = "9".repeat(digits);
        let name = if digits == 0 { "0".to_owned() } else { format!("1{}-{nines}", "0".repeat(digits - 1)) };
        rows.push((0, whole.row(&name, &of)));
    }
    rows.push((0, whole.row("Sum", tcp)));
    rows
}

fn times(entries: &[&Entry]) -> Rows {
    let whole = Whole::of(All, entries);
    let timed = picked(entries, |entry| entry.time.is_some());
    let mut ends = vec![0];
    ends.extend(
        (0..8).flat_map(|zeros| [1, 2, 5].map(|digit| digit * 10_u64.pow(zeros))).filter(|end| *end <= 20_000_000),
    );
    let mut rows = Vec::new();
    for end in ends {
        if rows.last().is_some_and(|(_, cells): &(u64, Vec<Json>)| cells[1] == timed.len()) || timed.is_empty() {
            return rows;
        }
        rows.push((0, whole.row(&end.to_string(), &picked(&timed, |entry| entry.time <= Some(end)))));
    }
    if rows.last().is_some_and(|(_, cells)| cells[1] != timed.len()) {
        rows.push((0, whole.row("more", &timed)));
    }
    rows
}

fn statuses(entries: &[&Entry]) -> Rows {
    let whole = Whole::of(Plain, entries);
    let groups = by(entries, |entry| entry.status);
    let mut rows = Vec::new();
    for (status, of) in &groups {
        let name = match reason(*status) {
            "" => status.to_string(),
            reason => format!("{status} {reason}"),
        };
        rows.push((0, whole.row(&name, of)));
    }
    rows.push((0, whole.row("Sum", &groups.into_values().flatten().collect::<Vec<_>>())));
    rows
}

/// The reason phrases of those statuses that the logs have.
fn reason(status: i64) -> &'static str {
    match status {
        0 => "(nothing sent)",
        100 => "Continue",
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        410 => "Gone",
        418 => "I'm a teapot",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

const HOUR: u64 = 3_600_000;

/// By hour: requests under way in it, and the bytes that fall into it.
fn hours(entries: &[&Entry]) -> BTreeMap<u64, (u64, f64)> {
    let mut hours = BTreeMap::<u64, (u64, f64)>::new();
    for entry in entries {
        let took = entry.time.unwrap_or(0).min(entry.end);
        let start = entry.end - took;
        for hour in start / HOUR..=entry.end / HOUR {
            let inside = entry.end.min((hour + 1) * HOUR) - start.max(hour * HOUR);
            let part = if took == 0 { 1.0 } else { inside as f64 / took as f64 };
            let sums = hours.entry(hour).or_default();
            *sums = (sums.0 + 1, sums.1 + entry.bytes as f64 * part);
        }
    }
    hours
}

/// The most requests in so many seconds of the clock on end, and the first of these.
fn peak(entries: &[&Entry], seconds: u64) -> [Json; 2] {
    let by_second: BTreeMap<u64, u64> = entries.iter().fold(BTreeMap::new(), |mut sums, entry| {
        *sums.entry(entry.end / 1000).or_default() += 1;
        sums
    });
    let within = |last: u64| by_second.range((last + 1).saturating_sub(seconds)..=last).map(|(_, n)| n).sum::<u64>();
    let most = by_second.keys().map(|last| within(*last)).max();
    let first = by_second.keys().find(|last| Some(within(**last)) == most);
    most.zip(first)
        .map_or([Json::Null, Json::Null], |(most, last)| [json!(most), json!((last + 1).saturating_sub(seconds))])
}

/// The hour that has the most of something, the first of several.
fn best<T: PartialOrd + Copy>(hours: &BTreeMap<u64, (u64, f64)>, of: impl Fn(&(u64, f64)) -> T) -> Option<(u64, T)> {
    let mut best: Option<(u64, T)> = None;
    for (hour, sums) in hours {
        if best.is_none_or(|(_, most)| of(sums) > most) {
            best = Some((hour * 3600, of(sums)));
        }
    }
    best
}

fn request_peaks(kinds: [(&str, &[&Entry]); 3]) -> Rows {
    let row = |(name, entries): (&str, &[&Entry])| {
        let hour = best(&hours(entries), |sums| sums.0);
        let hour = hour.map_or([Json::Null, Json::Null], |(hour, most)| [json!(most), json!(hour)]);
        (0, [vec![json!(name)], peak(entries, 1).to_vec(), peak(entries, 60).to_vec(), hour.to_vec()].concat())
    };
    kinds.map(row).to_vec()
}

/// Bytes that fall into an hour are whole: each entry's part is, so that all of them add up.
fn rounded(found: &Json, expected: f64, entries: usize) -> u64 {
    let found = found.as_u64().unwrap();
    assert!((found as f64 - expected).abs() <= entries as f64, "{found} bytes in an hour for {expected}");
    found
}

fn volume_peaks(kinds: [(&str, &[&Entry]); 3], found: &Json) -> Rows {
    let row = |(at, (name, entries)): (usize, (&str, &[&Entry]))| match best(&hours(entries), |sums| sums.1) {
        None => (0, vec![json!(name), Json::Null, Json::Null, Json::Null]),
        Some((hour, most)) => {
            let bytes = rounded(&found["rows"][at][1], most, entries.len());
            (0, vec![json!(name), json!(bytes), json!(hour), json!(bytes as f64 / 1024.0)])
        }
    };
    kinds.into_iter().enumerate().map(row).collect()
}

fn performance(tcp: &[&Entry], found: &Json) -> Rows {
    let minutes = found["title"].as_str().unwrap().split(' ').find_map(|word| word.parse::<u64>().ok()).unwrap();
    let step = minutes * 60;
    let steps = by(tcp, |entry| Some(entry.end / 1000 / step * step));
    let row = |(at, (from, of)): (usize, (&u64, &Vec<&Entry>))| {
        let known = picked(of, |entry| entry.result.is_some());
        let hits = picked(of, Entry::is_hit);
        let clients: BTreeSet<_> = of.iter().filter_map(|entry| entry.address()).collect();
        let estimate = &found["rows"][at][5];
        let error = (estimate.as_f64().unwrap() - clients.len() as f64).abs();
        assert!(error <= clients.len() as f64 / 100.0, "{estimate} clients for {}", clients.len());
        let timed =
            |is_so: &dyn Fn(&Entry) -> bool| kb_per_second(&picked(of, |entry| entry.time.is_some() && is_so(entry)));
        let cells = vec![
            json!(from),
            json!(of.len()),
            percent(hits.len() as u64, known.len() as u64),
            json!(bytes(of)),
            percent(bytes(&hits), bytes(&known)),
            estimate.clone(),
            kb_per_second(of),
            timed(&|entry| entry.is_hit()),
            timed(&|entry| entry.result.is_some() && !entry.is_hit()),
            timed(&|entry| entry.way() == Some("direct")),
            timed(&|entry| entry.way() == Some("peer_hit")),
            timed(&|entry| entry.way() == Some("parent")),
        ];
        (0, cells)
    };
    steps.iter().enumerate().map(row).collect()
}

fn summary(tcp: &[&Entry], udp: &[&Entry], (received, bad): (u64, u64), found: &Json) -> Rows {
    let known = picked(tcp, |entry| entry.result.is_some());
    let (hits, rest) = (picked(&known, Entry::is_hit), picked(&known, |entry| !entry.is_hit()));
    let timed = picked(tcp, |entry| entry.time.is_some());
    let speed = |entries: &[&Entry]| Some(bytes(entries) as f64 / time(entries) as f64).filter(|_| time(entries) > 0);
    let by_speed = |of: &[&Entry]| speed(of).zip(speed(&rest)).map(|(a, b)| a / b).filter(|by| by.is_finite());
    let mean = |entries: &[&Entry]| quotient(bytes(entries) as f64, entries.len() as f64);
    let clients: BTreeSet<_> = tcp.iter().filter_map(|entry| entry.client.clone()).collect();
    let best_hour = best(&hours(tcp), |sums| sums.1).map_or(0.0, |(_, most)| most);
    let mbit = found["rows"][6][1].as_f64().unwrap();
    let per_mbit = 3600.0 * 1_048_576.0 / 8.0;
    assert!((mbit * per_mbit - best_hour).abs() <= tcp.len() as f64, "{mbit} Mbit/s for {best_hour} bytes");
    [
        ("entries read", json!(received), ""),
        ("entries damaged", json!(bad), ""),
        ("entries left out by the filter", json!(0), ""),
        ("total requests", json!(tcp.len()), ""),
        ("unique clients", json!(clients.len()), ""),
        ("total bandwidth", json!(bytes(tcp)), "B"),
        ("maximum bandwidth (best hour)", json!(mbit), "Mbit/s"),
        ("proxy efficiency", json!(by_speed(&hits)), ""),
        ("average speed increase", json!(by_speed(&known).map(|by| 100.0 * (by - 1.0))), "%"),
        ("mean response time", quotient(time(&timed) as f64, timed.len() as f64), "ms"),
        ("cached requests", json!(hits.len()), ""),
        ("request hit ratio", percent(hits.len() as u64, known.len() as u64), "%"),
        ("bandwidth saved", json!(bytes(&hits)), "B"),
        ("byte hit ratio", percent(bytes(&hits), bytes(&known)), "%"),
        ("mean size of hits", mean(&hits), "B"),
        ("mean size of non-hits", mean(&rest), "B"),
        ("mean size", mean(tcp), "B"),
        ("UDP requests", json!(udp.len()), ""),
    ]
    .map(|(name, value, unit)| (0, vec![json!(name), value, json!(unit)]))
    .to_vec()
}

/// All tables by name. Where a figure is an estimate or rounded, that of `found` is taken once it is near enough.
pub fn tables(tcp: &[&Entry], udp: &[&Entry], read: (u64, u64), found: &Json) -> BTreeMap<&'static str, Rows> {
    let all = [tcp, udp].concat();
    let kinds = [("UDP", udp), ("TCP", tcp), ("all", &all[..])];
    let icp_group = |entry: &Entry| match entry.class() {
        Some("icp.hit") => Some("HIT"),
        Some(_) => Some("MISS"),
        None => None,
    };
    let key = |dimension: &'static str| move |entry: &Entry| one(entry, dimension);
    [
        ("C0", summary(tcp, udp, read, &found["C0"])),
        ("C1", request_peaks(kinds)),
        ("C2", volume_peaks(kinds, &found["C2"])),
        ("C3", table(tcp, WithoutHits, of_text, key("method"))),
        ("C4", by_result(udp, All, icp_group)),
        ("C5", by_result(tcp, WithoutHits, Entry::group)),
        ("C6", outgoing_by_status(tcp)),
        ("C7", outgoing_by_server(tcp)),
        ("C8", table(tcp, All, of_text, key("site"))),
        ("C9", table(tcp, All, of_text, Entry::top_level)),
        ("C10", table(tcp, All, of_text, key("scheme"))),
        ("C11", table(tcp, All, of_text, key("type"))),
        ("C12", by_extension(tcp)),
        ("C13", table(udp, All, of_text, key("client"))),
        ("C14", by_client(tcp)),
        ("C15", sizes(tcp)),
        ("C16", performance(tcp, &found["C16"])),
        ("C17", times(udp)),
        ("C18", times(tcp)),
        ("C19", statuses(udp)),
        ("C20", statuses(tcp)),
        ("C21", by_freshness(tcp)),
    ]
    .into()
}
