//! The shape of the answer about what the engine itself gave up or holds back (spec/statistics.md Q9, Q10).

use serde::Serialize;

use super::json::{Moment, bytes};
use super::meters::Meters;
use crate::merger::Snapshot;
use crate::tally::{Dimension, Measure};

/// `/api/v1/quality`: the error of each table since the start and what it dropped, profiles, and what waits for browsers.
pub fn quality(snapshot: &Snapshot, meters: &Meters) -> Vec<u8> {
    #[derive(Serialize)]
    struct Table {
        dimension: &'static str,
        keys: u64,
        exact: bool,
        error_bound: u64,
        bytes_error_bound: u64,
        dropped: Dropped,
    }
    #[derive(Serialize)]
    struct Dropped {
        worker_rows: u64,
        open_rows: u64,
        closed_rows: u64,
        crowded: u64,
    }
    #[derive(Serialize)]
    struct Profiles {
        dropped_keys: u64,
        lost: u64,
    }
    #[derive(Serialize)]
    struct Browser {
        number: u64,
        streams: u64,
        waiting_bytes: u64,
        skipped: u64,
        resynchronised: u64,
    }
    #[derive(Serialize)]
    struct Browsers {
        connected: u64,
        waiting_bytes: u64,
        skipped: u64,
        resynchronised: u64,
        timed_out: u64,
        each: Vec<Browser>,
    }
    #[derive(Serialize)]
    struct Quality {
        #[serde(flatten)]
        moment: Moment,
        tables: Vec<Table>,
        profiles: Profiles,
        browsers: Browsers,
    }
    let is_kept = |dimension: &Dimension| snapshot.history.is_some() || Dimension::BASE.contains(dimension);
    let counted = Dimension::ALL.into_iter().filter(|dimension| dimension.counted() == *dimension).filter(is_kept);
    let tables = counted.map(|dimension| {
        let ((keys, exact), bounds) = (snapshot.keys[dimension as usize], snapshot.bounds[dimension as usize]);
        let cuts = bounds.cuts;
        Table {
            dimension: dimension.name(),
            keys,
            exact,
            error_bound: bounds.error.measure(Measure::Requests),
            bytes_error_bound: bounds.error.measure(Measure::Bytes),
            dropped: Dropped {
                worker_rows: cuts.worker_rows,
                open_rows: cuts.open_rows,
                closed_rows: cuts.closed_rows,
                crowded: cuts.crowded,
            },
        }
    });
    let each = meters.backlogs().into_iter().map(|(number, backlog)| {
        let (skipped, resynchronised) = backlog.skipped();
        Browser { number, streams: backlog.streams(), waiting_bytes: backlog.waiting(), skipped, resynchronised }
    });
    let each: Vec<Browser> = each.collect();
    let (dropped_keys, lost) = snapshot.profiles_lost;
    bytes(&Quality {
        moment: Moment::new(snapshot.as_of, &snapshot.covered(), snapshot.tick),
        tables: tables.collect(),
        profiles: Profiles { dropped_keys, lost },
        browsers: Browsers {
            connected: each.len() as u64,
            waiting_bytes: each.iter().map(|browser| browser.waiting_bytes).sum(),
            skipped: meters.skipped(),
            resynchronised: meters.lagged(),
            timed_out: meters.timed_out(),
            each,
        },
    })
}
