//! The shapes of answers about time: series and distributions (design/api.md 4).

use serde::Serialize;

use super::json::{Moment, Numbers, bytes, seconds};
use crate::merger::{Covered, Snapshot, Whole, windows};
use crate::tally::histogram::{self, Packed};
use crate::tally::rollup::{Point, bucket::Extremes};
use crate::tally::windowed::KeySeries;
use crate::tally::{Dimension, Measure, Period};
use crate::view::Key;

/// `/api/v1/series`.
pub fn series(snapshot: &Snapshot, period: Period) -> Option<Vec<u8>> {
    let history = snapshot.history.as_ref()?;
    let (_, covered) = windows::total(snapshot, period)?;
    let series = match period {
        Period::Window(window) => history.series(window, snapshot.as_of),
        Period::Between(from, to) => history.series_between(from, to, snapshot.as_of)?,
    };
    let full = |point: &Point| Full {
        t: point.start,
        numbers: (&point.total).into(),
        p50: point.times.map(|[p50, ..]| p50),
        p95: point.times.map(|[_, p95, _]| p95),
        p99: point.times.map(|[.., p99]| p99),
        clients: point.clients,
        statuses: Some(point.classes.into()),
        extremes: point.extremes.map(Seconds::from),
    };
    let mut known = series.points.iter().peekable();
    let mut points = Vec::new();
    let mut t = series.first;
    while t <= series.newest {
        points.push(match known.next_if(|point| point.start == t) {
            Some(point) => Entry::Full(Box::new(full(point))),
            None => Entry::Gap { t, gap: true },
        });
        t += series.step;
    }
    Some(bytes(&Series {
        moment: Moment::new(snapshot.as_of, &covered, snapshot.tick),
        dimension: None,
        key: None,
        step: series.step,
        complete_to: seconds(snapshot.complete_to),
        points,
    }))
}

/// One point.
#[derive(Serialize)]
struct Full {
    t: u64,
    #[serde(flatten)]
    numbers: Numbers,
    p50: Option<u64>,
    p95: Option<u64>,
    p99: Option<u64>,
    clients: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statuses: Option<Statuses>,
    #[serde(flatten)]
    extremes: Option<Seconds>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Entry {
    Full(Box<Full>),
    Gap { t: u64, gap: bool },
}

#[derive(Serialize)]
struct Series<'a> {
    #[serde(flatten)]
    moment: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimension: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a Key>,
    step: u64,
    complete_to: f64,
    points: Vec<Entry>,
}

/// `/api/v1/series` of one key, as of the tick at which its dimension stands.
pub fn key_series(
    snapshot: &Snapshot,
    whole: &Whole,
    (dimension, key): (Dimension, &Key),
    series: &KeySeries,
    period: Period,
) -> Vec<u8> {
    let is_covered = |t: u64| {
        let end = t.saturating_add(series.step);
        snapshot.history.as_ref().is_some_and(|history| history.covers(t, end))
    };
    let points = (0..).zip(&series.points).map(|(number, point)| {
        let t = series.first + number * series.step;
        if !point.is_covered && !is_covered(t) {
            return Entry::Gap { t: t / 1000, gap: true };
        }
        let numbers = Numbers::with_error(&point.counts, &point.error);
        let [p50, p95, p99, clients] = [None; 4];
        Entry::Full(Box::new(Full { t: t / 1000, numbers, p50, p95, p99, clients, statuses: None, extremes: None }))
    });
    let covered = Covered { period, from: series.from, seconds: series.seconds };
    let (tick, as_of) = match whole {
        Whole::Small(_, snapshot) => (snapshot.tick, snapshot.as_of),
        Whole::Large(_, large) => (large.tick, large.as_of),
    };
    bytes(&Series {
        moment: Moment::new(as_of, &covered, tick),
        dimension: Some(dimension.name()),
        key: Some(key),
        step: series.step / 1000,
        complete_to: seconds(snapshot.complete_to),
        points: points.collect(),
    })
}

/// Requests by class of status.
#[derive(Debug, Serialize)]
struct Statuses {
    #[serde(rename = "0xx")]
    none: u64,
    #[serde(rename = "1xx")]
    informational: u64,
    #[serde(rename = "2xx")]
    success: u64,
    #[serde(rename = "3xx")]
    redirection: u64,
    #[serde(rename = "4xx")]
    client: u64,
    #[serde(rename = "5xx")]
    server: u64,
    other: u64,
}

impl From<[u64; 7]> for Statuses {
    fn from([none, informational, success, redirection, client, server, other]: [u64; 7]) -> Self {
        Self { none, informational, success, redirection, client, server, other }
    }
}

/// The greatest and the least second of a bucket.
#[derive(Debug, Serialize)]
struct Seconds {
    requests_most_1s: u64,
    requests_least_1s: u64,
    bytes_most_1s: u64,
    bytes_least_1s: u64,
}

impl From<Extremes> for Seconds {
    fn from(Extremes { requests, bytes }: Extremes) -> Self {
        Self {
            requests_most_1s: requests.0,
            requests_least_1s: requests.1,
            bytes_most_1s: bytes.0,
            bytes_least_1s: bytes.1,
        }
    }
}

/// What a distribution is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Times of transactions in ms.
    TimeMs,
    /// Bytes sent to clients.
    Bytes,
}

impl Of {
    /// Names in parameters.
    pub const NAMES: [&'static str; 2] = ["time_ms", "bytes"];

    /// That of this name.
    ///
    /// # Errors
    ///
    /// A text that says that there is none.
    pub fn by_name(name: &str) -> Result<Self, String> {
        match name {
            "time_ms" => Ok(Self::TimeMs),
            "bytes" => Ok(Self::Bytes),
            _ => Err(format!("there is no distribution of \"{}\"", super::guard::shortened(name))),
        }
    }
}

/// `/api/v1/histogram`.
pub fn histogram(snapshot: &Snapshot, period: Period, of: Of) -> Option<Vec<u8>> {
    #[derive(Serialize)]
    struct Bucket {
        from: u64,
        to: u64,
        requests: u64,
        bytes: u64,
        hits: u64,
    }
    #[derive(Serialize)]
    struct Distribution {
        #[serde(flatten)]
        moment: Moment,
        of: &'static str,
        buckets: Vec<Bucket>,
        p50: Option<u64>,
        p75: Option<u64>,
        p90: Option<u64>,
        p95: Option<u64>,
        p99: Option<u64>,
        p999: Option<u64>,
        min: Option<u64>,
        max: Option<u64>,
        mean: Option<f64>,
    }
    let history = snapshot.history.as_ref()?;
    let (total, covered) = windows::total(snapshot, period)?;
    let (times, sizes) = history.histograms(windows::span(snapshot, period)?);
    let (packed, sum, count): (Packed, u64, u64) = match of {
        Of::TimeMs => (times, total.time_ms, total.timed),
        Of::Bytes => (sizes, total.measure(Measure::Bytes), total.measure(Measure::Requests)),
    };
    let bucket = |(at, cell): (u16, histogram::Cell)| {
        let (from, to) = histogram::range(at);
        Bucket { from, to, requests: cell.requests, bytes: cell.bytes, hits: cell.hits }
    };
    let found = packed.percentiles([5_000, 7_500, 9_000, 9_500, 9_900, 9_990]);
    let part = |at: usize| found.map(|found| found[at]);
    Some(bytes(&Distribution {
        moment: Moment::new(snapshot.as_of, &covered, snapshot.tick),
        of: Of::NAMES[of as usize],
        buckets: packed.cells().map(bucket).collect(),
        p50: part(0),
        p75: part(1),
        p90: part(2),
        p95: part(3),
        p99: part(4),
        p999: part(5),
        min: packed.extremes().map(|(least, _)| least),
        max: packed.extremes().map(|(_, most)| most),
        mean: (count > 0).then(|| sum as f64 / count as f64),
    }))
}
