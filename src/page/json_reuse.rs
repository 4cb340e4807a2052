//! The shape of the answer about caches of other sizes: the miss-ratio curve, the working set, one-hit URLs (design/api.md 4).

use serde::Serialize;

use super::json::{Moment, bytes};
use crate::merger::Snapshot;
use crate::tally::Measure;
use crate::tally::reuse;

/// `/api/v1/miss-ratio`; `None` if URLs are not sampled.
pub fn curve(snapshot: &Snapshot) -> Option<Vec<u8>> {
    #[derive(Serialize)]
    struct Point {
        size_bytes: u64,
        hit_ratio: f64,
        byte_hit_ratio: f64,
    }
    #[derive(Serialize)]
    struct OneHit {
        share: Option<f64>,
        miss_bytes_share: Option<f64>,
    }
    #[derive(Serialize)]
    struct Sample {
        objects: u64,
        rate: f64,
        samples: u64,
        dropped: u64,
    }
    #[derive(Serialize)]
    struct Curve {
        #[serde(flatten)]
        moment: Moment,
        points: Vec<Point>,
        current: Current,
        working_set: WorkingSet,
        one_hit: OneHit,
        sample: Sample,
    }
    let curve = snapshot.reuse.as_ref()?;
    let point = |point: &reuse::Point| {
        let &reuse::Point { size_bytes, hit_ratio, byte_hit_ratio } = point;
        Point { size_bytes, hit_ratio, byte_hit_ratio }
    };
    let reuse::OneHit { share, miss_bytes_share } = curve.one_hit;
    let &reuse::Curve { objects, rate, samples, dropped, .. } = curve;
    Some(bytes(&Curve {
        moment: Moment::new(snapshot.as_of, &snapshot.covered(), snapshot.tick),
        points: curve.points.iter().map(point).collect(),
        current: Current::of(snapshot),
        working_set: curve.working_set.into(),
        one_hit: OneHit { share, miss_bytes_share },
        sample: Sample { objects, rate, samples, dropped },
    }))
}

/// Bytes of the URLs that were asked for within a window.
#[derive(Debug, Serialize)]
struct WorkingSet {
    #[serde(rename = "1m")]
    minute: u64,
    #[serde(rename = "10m")]
    ten_minutes: u64,
    #[serde(rename = "1h")]
    hour: u64,
    #[serde(rename = "24h")]
    day: u64,
}

impl From<[u64; 4]> for WorkingSet {
    fn from([minute, ten_minutes, hour, day]: [u64; 4]) -> Self {
        Self { minute, ten_minutes, hour, day }
    }
}

/// The ratios that the nodes' caches really have since the start, over all requests with a result code; `null` before the first.
#[derive(Debug, Serialize)]
struct Current {
    hit_ratio: Option<f64>,
    byte_hit_ratio: Option<f64>,
}

impl Current {
    fn of(snapshot: &Snapshot) -> Self {
        let of = |measure| snapshot.total.measure(measure);
        let ratio = |hits: u64, all: u64, unknown: u64| {
            let known = all.saturating_sub(unknown);
            (known > 0).then(|| hits as f64 / known as f64)
        };
        Self {
            hit_ratio: ratio(of(Measure::Hits), of(Measure::Requests), of(Measure::Unknown)),
            byte_hit_ratio: ratio(of(Measure::HitBytes), of(Measure::Bytes), of(Measure::UnknownBytes)),
        }
    }
}
