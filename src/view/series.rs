//! Points over time.

use super::model::Model;
use crate::merger::Snapshot;
use crate::tally::counts::Band;
use crate::tally::rollup::Point;
use crate::tally::{Measure, Window};

/// What the page shows of a window as time series. Cells are keyed by the number of the bucket; a bucket without one is a gap.
pub fn model(snapshot: &Snapshot, window: Window) -> Model {
    let Some(history) = &snapshot.history else { return Model::default() };
    let series = history.series(window, snapshot.as_of);
    let number = |seconds: u64| seconds / series.step.max(1);
    let oldest = series.points.first().map_or(u64::MAX, |point| point.start);
    let covered = series.points.len() as u64 * series.step * 1000;
    Model {
        head: vec![
            series.step,
            number(series.first),
            number(series.newest),
            number(snapshot.complete_to / 1000),
            covered,
            number(oldest.min(snapshot.started / 1000)),
        ],
        cells: series.points.iter().map(|point| ((number(point.start), 0), values(point))).collect(),
        ..Model::default()
    }
}

fn values(point: &Point) -> [u64; 16] {
    let Point { total, classes, times, clients, extremes, .. } = point;
    let requests = |band: Band| total.requests[band as usize];
    // One more, so that none is told from less than 1 ms.
    let [p50, p95, p99] = times.map_or([0; 3], |times| times.map(|ms| ms + 1));
    [
        requests(Band::Fresh),
        requests(Band::Refresh),
        requests(Band::Miss),
        requests(Band::Error),
        requests(Band::Unknown),
        total.measure(Measure::Bytes),
        total.measure(Measure::HitBytes),
        total.measure(Measure::UnknownBytes),
        total.origin_bytes,
        p50,
        p95,
        p99,
        classes[4],
        classes[5],
        clients.unwrap_or(0),
        extremes.map_or(0, |extremes| extremes.requests.0),
    ]
}
