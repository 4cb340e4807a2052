//! The shapes of answers about time: series and distributions (design/api.md 4).

use serde::Serialize;

use super::json::{Moment, Numbers, bytes, seconds};
use super::json_profile::{self, Extent};
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
        stale_on_error: None,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_on_error: Option<u64>,
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
    (dimension, key, raw): (Dimension, &Key, &[u8]),
    series: &KeySeries,
    period: Period,
) -> Vec<u8> {
    let is_covered = |t: u64| {
        let end = t.saturating_add(series.step);
        snapshot.history.as_ref().is_some_and(|history| history.covers(t, end))
    };
    let profiles = json_profile::series(snapshot, whole, (dimension, raw), period);
    let points = (0..).zip(&series.points).map(|(number, point)| {
        let t = series.first + number * series.step;
        if !point.is_covered && !is_covered(t) {
            return Entry::Gap { t: t / 1000, gap: true };
        }
        let numbers = Numbers::with_error(&point.counts, &point.error);
        let (found, stale) = profiles.get(&t).map_or((None, None), |(found, stale)| (*found, Some(*stale)));
        Entry::Full(Box::new(Full {
            t: t / 1000,
            numbers,
            p50: found.map(|[p50, ..]| p50),
            p95: found.map(|[_, p95, _]| p95),
            p99: found.map(|[.., p99]| p99),
            clients: None,
            statuses: None,
            stale_on_error: stale,
            extremes: None,
        }))
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

/// One cell of a distribution.
#[derive(Debug, Serialize)]
pub(super) struct Bucket {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) requests: u64,
    pub(super) bytes: u64,
    pub(super) hits: u64,
}

/// A distribution, of all requests or of one key's.
#[derive(Debug, Serialize)]
pub(super) struct Distribution<'a> {
    #[serde(flatten)]
    moment: Moment,
    of: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dimension: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<&'a Key>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) profile: Option<Extent>,
    buckets: Vec<Bucket>,
    p50: Option<u64>,
    p75: Option<u64>,
    p90: Option<u64>,
    p95: Option<u64>,
    p99: Option<u64>,
    p999: Option<u64>,
    pub(super) min: Option<u64>,
    pub(super) max: Option<u64>,
    pub(super) mean: Option<f64>,
}

impl Distribution<'_> {
    /// With its percentiles: 50, 75, 90, 95, 99, 99.9.
    pub(super) fn new(moment: Moment, of: Of, buckets: Vec<Bucket>, found: Option<[u64; 6]>) -> Self {
        let part = |at: usize| found.map(|found| found[at]);
        Self {
            moment,
            of: Of::NAMES[of as usize],
            dimension: None,
            key: None,
            profile: None,
            buckets,
            p50: part(0),
            p75: part(1),
            p90: part(2),
            p95: part(3),
            p99: part(4),
            p999: part(5),
            min: None,
            max: None,
            mean: None,
        }
    }
}

/// `/api/v1/histogram`.
pub fn histogram(snapshot: &Snapshot, period: Period, of: Of) -> Option<Vec<u8>> {
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
    let moment = Moment::new(snapshot.as_of, &covered, snapshot.tick);
    let found = packed.percentiles([5_000, 7_500, 9_000, 9_500, 9_900, 9_990]);
    Some(bytes(&Distribution {
        min: packed.extremes().map(|(least, _)| least),
        max: packed.extremes().map(|(_, most)| most),
        mean: (count > 0).then(|| sum as f64 / count as f64),
        ..Distribution::new(moment, of, packed.cells().map(bucket).collect(), found)
    }))
}
