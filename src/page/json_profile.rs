//! The shapes of what profiles tell of a key: percentiles of its times, how its validations went, and stale copies served
//! (spec/statistics.md 4.6, N1, N2).

use std::collections::BTreeMap;

use serde::Serialize;

use super::json::{Moment, bytes, seconds};
use super::json_time::{Bucket, Distribution, Of};
use crate::merger::snapshot::{Covered, RawKey};
use crate::merger::{Snapshot, Whole};
use crate::tally::profile::sums::{Bar, percentiles};
use crate::tally::profile::{Kept, Outcome, Profile, coarse, has_profiles};
use crate::tally::{Dimension, Period, Window};
use crate::view::Key;

/// What a row has of its profile: percentiles of its times in ms, to 1/32; null where no request has a time.
#[derive(Debug, Serialize)]
pub(super) struct Profiled {
    p50: Option<u64>,
    p95: Option<u64>,
    p99: Option<u64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    told: Option<Told>,
}

#[derive(Debug, Serialize)]
struct Told {
    revalidation: Revalidation,
    stale_on_error: Stale,
    profile: Extent,
}

/// How validations went.
#[derive(Debug, Serialize)]
pub(super) struct Revalidation {
    pub(super) unchanged: u64,
    pub(super) changed: u64,
    pub(super) failed: u64,
    pub(super) r#yield: Option<f64>,
}

impl Revalidation {
    /// Of so many; the yield is the part that was worth nothing but a round trip.
    pub(super) fn of(unchanged: u64, changed: u64, failed: u64) -> Self {
        let all = unchanged + changed + failed;
        Self { unchanged, changed, failed, r#yield: (all > 0).then(|| unchanged as f64 / all as f64) }
    }
}

/// Stale copies served, since the origin failed.
#[derive(Debug, Serialize)]
pub(super) struct Stale {
    pub(super) requests: u64,
    pub(super) per_second: f64,
}

/// What a profile is of.
#[derive(Debug, Serialize)]
pub(super) struct Extent {
    /// All of the row's, unless some came before it had a profile.
    requests: u64,
    since: f64,
}

impl Extent {
    pub(super) fn of(profile: &Profile) -> Self {
        Self { requests: profile.requests(), since: seconds(profile.since) }
    }
}

/// So many requests of a profile by time: those of the row that it lacks are taken to be like those that it has.
pub(super) fn per_second(count: u64, profile: &Profile, of_row: u64, of_seconds: f64) -> f64 {
    let has = profile.requests();
    let whole = if has > 0 { of_row.max(has) as f64 / has as f64 } else { 1.0 };
    count as f64 * whole / of_seconds
}

/// The profile of a row in a period; `None` if its dimension has none, or it has no place.
pub(super) fn profile(
    profiles: Option<&Kept>,
    dimension: Dimension,
    key: RawKey<'_>,
    period: Period,
) -> Option<Profile> {
    let RawKey::One(key) = key else { return None };
    profiles?.profile(dimension, key, period)
}

impl Profiled {
    /// What is shown of a row of so many requests, in so many seconds; nothing if its dimension has no profiles.
    pub(super) fn of_row(
        profiles: Option<&Kept>,
        dimension: Dimension,
        key: RawKey<'_>,
        period: Period,
        (requests, of_seconds): (u64, f64),
    ) -> Option<Self> {
        if profiles.is_none() || !has_profiles(dimension) {
            return None;
        }
        let profile = profile(profiles, dimension, key, period);
        let found = profile.as_ref().and_then(|profile| percentiles(&profile.times(|_| true), [5_000, 9_500, 9_900]));
        let told = profile.map(|profile| {
            let of = |outcome| profile.of(outcome);
            let stale = of(Outcome::Stale);
            Told {
                revalidation: Revalidation::of(of(Outcome::Unchanged), of(Outcome::Changed), stale),
                stale_on_error: Stale {
                    requests: stale,
                    per_second: per_second(stale, &profile, requests, of_seconds),
                },
                profile: Extent::of(&profile),
            }
        });
        Some(Self {
            p50: found.map(|[p50, ..]| p50),
            p95: found.map(|[_, p95, _]| p95),
            p99: found.map(|[.., p99]| p99),
            told,
        })
    }
}

/// By start of the bucket (ms), percentiles and stale copies served, of a key of a dimension whose tables have the same buckets.
pub(super) fn series(
    snapshot: &Snapshot,
    whole: &Whole,
    (dimension, raw): (Dimension, &[u8]),
    period: Period,
) -> BTreeMap<u64, (Option<[u64; 3]>, u64)> {
    let (Some(profiles), Whole::Large(..)) = (&snapshot.profiles, whole) else { return BTreeMap::new() };
    // Since the start, a series has the buckets of a day.
    let period = if period == Window::Total.into() { Window::Day.into() } else { period };
    let told =
        |profile: Profile| (percentiles(&profile.times(|_| true), [5_000, 9_500, 9_900]), profile.of(Outcome::Stale));
    profiles.series(dimension, raw, period).into_iter().map(|(start, profile)| (start, told(profile))).collect()
}

/// `/api/v1/histogram` of one key; `None` if it has no profile.
pub fn histogram(
    snapshot: &Snapshot,
    (dimension, key, raw): (Dimension, &Key, &[u8]),
    period: Period,
) -> Option<Vec<u8>> {
    let profiles = snapshot.profiles.as_ref()?;
    let profile = profiles.profile(dimension, raw, period)?;
    let (from, of_seconds) = profiles.covered(period);
    let covered = Covered { period, from, seconds: of_seconds };
    let times = profile.times(|_| true);
    let bucket = |(cell, bar): &(u16, Bar)| {
        let (from, to) = coarse::range(*cell);
        Bucket { from, to, requests: bar.sum.requests, bytes: bar.sum.bytes, hits: bar.hits }
    };
    let (mut sum, mut count) = (0_u128, 0_u128);
    for (cell, bar) in &times {
        sum += u128::from(coarse::middle(*cell)) * u128::from(bar.sum.requests);
        count += u128::from(bar.sum.requests);
    }
    let moment = Moment::new(profiles.as_of(), &covered, snapshot.full_tick);
    let found = percentiles(&times, [5_000, 7_500, 9_000, 9_500, 9_900, 9_990]);
    let mut shown = Distribution::new(moment, Of::TimeMs, times.iter().map(bucket).collect(), found);
    shown.dimension = Some(dimension.name());
    shown.key = Some(key);
    shown.profile = Some(Extent::of(&profile));
    shown.min = times.first().map(|(cell, _)| coarse::range(*cell).0);
    shown.max = times.last().map(|(cell, _)| coarse::range(*cell).1 - 1);
    shown.mean = (count > 0).then(|| sum as f64 / count as f64);
    Some(bytes(&shown))
}
