//! What a summary may have lost of a key, measure by measure, and by which weight keys are chosen to be lost (guide/windows.md 2).

use crate::tally::{Counts, Measure};

/// Upper bounds on what was not counted for a key, for the measures that bound all others.
///
/// Requests of a band are at most all requests, and bytes of a band all bytes. Sums saturate; [`u64::MAX`] means *unknown*. The weight
/// of what was lost comes last, and is no bound: it says where a row stands among others when tables are cut. Worked out from the other
/// sums, each the greatest of any lost row, it would be up to five times too high, and new rows would drive out heavier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss([u64; Self::MEASURES.len() + 1]);

impl Loss {
    /// Its measures: the five that share the weight, and the bytes of origins, which nothing else bounds.
    pub const MEASURES: [Measure; 6] =
        [Measure::Requests, Measure::Bytes, Measure::MissBytes, Measure::Errors, Measure::TimeMs, Measure::OriginBytes];

    /// No loss.
    pub const NONE: Self = Self([0; Self::MEASURES.len() + 1]);

    /// The weight, in [`Scales::UNIT`]ths of a request.
    #[inline]
    pub fn weight(&self) -> u64 {
        self.0[Self::MEASURES.len()]
    }

    /// The bound for any measure.
    pub fn measure(&self, measure: Measure) -> u64 {
        let [requests, bytes, miss_bytes, errors, time_ms, origin_bytes, _] = self.0;
        match measure {
            Measure::Requests | Measure::Hits | Measure::RefreshHits | Measure::Misses => requests,
            Measure::Unknown | Measure::Timed => requests,
            Measure::Bytes | Measure::HitBytes | Measure::ErrorBytes | Measure::UnknownBytes => bytes,
            Measure::MissBytes => miss_bytes,
            Measure::Errors => errors,
            Measure::TimeMs => time_ms,
            Measure::OriginBytes => origin_bytes,
        }
    }

    /// True if nothing can have been lost.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// The loss of two parts together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    /// The greater of two, measure by measure.
    #[must_use]
    pub fn most(&self, other: &Self) -> Self {
        self.zip(other, u64::max)
    }

    /// What is left of the loss of all parts, without that of the parts that have a row.
    #[must_use]
    pub fn uncovered(&self, covered: &Self) -> Self {
        // A sum that stopped at the top says nothing once something is taken away.
        self.zip(covered, |all, covered| if all == u64::MAX { all } else { all.saturating_sub(covered) })
    }

    /// The least `n` of 0 to 255 for which [`Loss::share`] of `whole` is at least this; `self` is at most `whole`.
    pub fn in_shares(&self, whole: &Self) -> u8 {
        let share = |part: u64, whole: u64| (u128::from(part) * 255).div_ceil(u128::from(whole.max(1)));
        let bounds = self.0[..Self::MEASURES.len()].iter().zip(whole.0);
        let most = bounds.map(|(&part, whole)| share(part, whole)).max().unwrap_or(0);
        most.min(255) as u8
    }

    /// `n` 255ths, rounded up.
    #[must_use]
    pub fn share(&self, n: u8) -> Self {
        Self(self.0.map(|whole| (u128::from(whole) * u128::from(n)).div_ceil(255) as u64))
    }

    fn zip(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> Self {
        let mut sum = *self;
        for (mine, &others) in sum.0.iter_mut().zip(&other.0) {
            *mine = f(*mine, others);
        }
        sum
    }
}

/// An error weighs at most as much as that many requests: where errors are rare, one would outweigh all else.
const ERROR_WEIGHT_MAX: f64 = 256.0;

/// What makes a row worth keeping: shares of requests, bytes, miss bytes, errors and time, each divided by its mean per entry.
///
/// Scales may differ from place to place and change at any time: they only choose, and bounds come from what was really dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scales([f64; 5]);

impl Scales {
    /// Weights are integers, in units of that part of a request.
    pub const UNIT: f64 = 256.0;

    /// The scales for traffic of which this is the sum.
    pub fn of(total: &Counts) -> Self {
        let requests = total.all_requests() as f64;
        let scale = |measure| {
            let sum = total.measure(measure) as f64;
            if sum > 0.0 { requests / sum } else { 0.0 }
        };
        let errors = scale(Measure::Errors);
        let errors = if errors > 0.0 { errors.min(ERROR_WEIGHT_MAX) } else { ERROR_WEIGHT_MAX };
        Self([1.0, scale(Measure::Bytes), scale(Measure::MissBytes), errors, scale(Measure::TimeMs)])
    }

    /// What is lost with a row that counted that much.
    pub fn loss(&self, counts: &Counts) -> Loss {
        let mut loss = Loss::NONE;
        for (sum, measure) in loss.0.iter_mut().zip(Loss::MEASURES) {
            *sum = counts.measure(measure);
        }
        let weight: f64 = self.0.iter().zip(loss.0).map(|(scale, sum)| scale * sum as f64).sum();
        loss.0[Loss::MEASURES.len()] = (weight * Self::UNIT) as u64;
        loss
    }
}

impl Default for Scales {
    /// Before the first entry: by requests and errors.
    fn default() -> Self {
        Self::of(&Counts::default())
    }
}

/// Of a table that was cut, rows below a 16th of the mean weight of a kept row are dropped too: not worth a name.
const WORTH: u64 = 16;

/// Finds which rows of a table stay; keeps its room from cut to cut.
#[derive(Clone, Debug, Default)]
pub struct Chooser {
    /// Weights of the rows, in their order.
    pub weights: Vec<u64>,
    sorted: Vec<u64>,
}

impl Chooser {
    /// What it takes to be among the `keep` heaviest of `weights`, which are more than that.
    pub fn choose(&mut self, keep: usize) -> Choice {
        self.sorted.clear();
        self.sorted.extend_from_slice(&self.weights);
        if keep == 0 {
            return Choice { least: u64::MAX, ties: 0 };
        }
        let (heavier, &mut least, _) = self.sorted.select_nth_unstable_by(keep - 1, |a, b| b.cmp(a));
        Choice { least, ties: keep - heavier.iter().filter(|&&weight| weight > least).count() }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        (self.weights.capacity() + self.sorted.capacity()) * size_of::<u64>()
    }
}

/// What it takes to stay.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    least: u64,
    /// How many rows of exactly that weight may stay.
    ties: usize,
}

impl Choice {
    /// All stay.
    pub const ALL: Self = Self { least: 0, ties: usize::MAX };

    /// Also lets go what is not worth a name, if rows that weigh `total` are cut to `keep`.
    #[must_use]
    pub fn worth_a_name(self, total: u64, keep: usize) -> Self {
        self.at_least(total / (keep.max(1) as u64).saturating_mul(WORTH))
    }

    /// Also lets go what weighs nothing.
    #[must_use]
    pub fn weighs_something(self) -> Self {
        self.at_least(1)
    }

    fn at_least(self, least: u64) -> Self {
        if least > self.least { Self { least, ties: usize::MAX } } else { self }
    }

    /// Whether a row of that weight stays. Ask once a row, in any order.
    pub fn keeps(&mut self, weight: u64) -> bool {
        if weight == self.least && self.ties > 0 {
            self.ties -= 1;
            return true;
        }
        weight > self.least
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn loss() -> impl Strategy<Value = Loss> {
        any::<([u64; 7], [u8; 7])>().prop_map(|(sums, shifts)| {
            let mut loss = Loss(sums);
            for (sum, shift) in loss.0.iter_mut().zip(shifts) {
                *sum >>= shift % 64;
            }
            loss
        })
    }

    proptest! {
        #[test]
        fn a_share_is_never_less_than_what_it_stands_for(part in loss(), more in loss()) {
            let whole = part.plus(&more);
            let share = whole.share(part.in_shares(&whole));
            for (share, (part, whole)) in share.0[..6].iter().zip(part.0.iter().zip(whole.0)) {
                prop_assert!(part <= share && *share <= whole);
            }
        }

        #[test]
        fn as_many_stay_as_may(weights in prop::collection::vec(0..5_u8, 1..40), keep in 0..40_usize) {
            let keep = keep % weights.len();
            let mut chooser = Chooser { weights: weights.iter().map(|&w| w.into()).collect(), ..Chooser::default() };
            let mut choice = chooser.choose(keep);
            let kept: Vec<u8> = weights.iter().copied().filter(|&w| choice.keeps(w.into())).collect();
            let mut sorted = weights;
            sorted.sort_unstable();
            prop_assert_eq!(kept.iter().map(|&w| u32::from(w)).sum::<u32>(), sorted.iter().rev().take(keep).map(|&w| u32::from(w)).sum::<u32>());
            prop_assert_eq!(kept.len(), keep);
        }
    }

    #[test]
    fn no_loss_takes_no_byte_and_the_top_stays_unknown() {
        let all = Loss([u64::MAX; 7]);
        assert_eq!(Loss::NONE.in_shares(&all), 0);
        assert_eq!(all.in_shares(&all), 255);
        assert_eq!(all.share(255), all);
        assert_eq!(all.uncovered(&Loss([5; 7])), all);
    }

    #[test]
    fn an_error_weighs_at_most_256_requests() {
        let mut total = Counts { requests: [0, 0, 999, 1, 0], ..Counts::default() };
        // A request too.
        let error = Counts { requests: [0, 0, 0, 1, 0], ..Counts::default() };
        let weight = |total: &Counts| Scales::of(total).loss(&error).weight();
        assert_eq!(weight(&total), 257 * 256);
        total.requests[3] = 999;
        assert_eq!(weight(&total), 3 * 256);
        assert_eq!(weight(&Counts::default()), 257 * 256);
    }
}
