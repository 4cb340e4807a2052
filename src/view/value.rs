//! One measure of some counts, with its parts by band.

use crate::tally::{Counts, Measure};

/// Value, and the parts of it that are hit, miss and error (`page/stream.md` 4).
pub fn parts(counts: &Counts, measure: Measure) -> [u64; 4] {
    let value = counts.measure(measure);
    let of = |hits, misses, errors| [value, counts.measure(hits), counts.measure(misses), counts.measure(errors)];
    match measure {
        Measure::Requests => of(Measure::Hits, Measure::Misses, Measure::Errors),
        Measure::Bytes => of(Measure::HitBytes, Measure::MissBytes, Measure::ErrorBytes),
        Measure::Hits | Measure::HitBytes | Measure::RefreshHits => [value, value, 0, 0],
        Measure::Misses | Measure::MissBytes => [value, 0, value, 0],
        Measure::Errors | Measure::ErrorBytes => [value, 0, 0, value],
        Measure::Unknown | Measure::UnknownBytes | Measure::OriginBytes | Measure::Timed | Measure::TimeMs => {
            [value, 0, 0, 0]
        }
    }
}
