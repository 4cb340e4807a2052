//! When the whole cluster's traffic isn't as usual: the signals of design/page.md 3.3 over complete buckets of 10 s.
//!
//! Each bucket is compared with the median of the half hour before it. It is *outside* if it differs by more than 5 median absolute
//! deviations, and by more than chance alone makes of so few requests. Three in a row, which differ by more than an absolute floor
//! together, raise a signal; twelve in a row that are no more so clear it. It began with the first in the row.
//!
//! Worked out anew each time from what is kept, so that entries that come late are in it. While a signal stands, its buckets are not usual
//! ones; after half an hour they are: what lasts is how things are now.

use std::collections::VecDeque;

use crate::tally::rollup::{Bucket, History};
use crate::tally::{Counts, Measure};

/// Seconds of a bucket.
pub const BUCKET: u64 = 10;

/// Seconds that are compared with.
const USUAL: u64 = 1800;

/// Buckets without which nothing is said: five minutes.
const USUAL_LEAST: usize = 30;

/// Buckets in a row that raise a signal, and that clear it.
const RAISING: usize = 3;
const CLEARING: usize = 12;

/// How many median absolute deviations are usual.
const DEVIATIONS: f64 = 5.0;

/// How many standard deviations are chance.
const CHANCE: f64 = 3.0;

/// Requests of a bucket below which shares of them say nothing, and timed ones for times.
const SHARES_LEAST: f64 = 30.0;
const TIMES_LEAST: f64 = 50.0;

/// A figure of all requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// The share of the error band; rose.
    Errors,
    /// The 95th percentile of times, ms; rose.
    Time,
    /// The share of hits of those with a result code; fell.
    Hits,
    /// Requests per second; rose or fell.
    Requests,
}

impl Signal {
    /// All of them, the worst first.
    pub const ALL: [Self; 4] = [Self::Errors, Self::Time, Self::Hits, Self::Requests];

    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Errors => "error_share",
            Self::Time => "p95_ms",
            Self::Hits => "hit_ratio",
            Self::Requests => "requests_per_second",
        }
    }

    /// What of some requests makes up the signal: whoever changes that explains it.
    pub fn of(self, counts: &Counts) -> u64 {
        match self {
            Self::Errors => counts.measure(Measure::Errors),
            Self::Time => counts.measure(Measure::TimeMs),
            Self::Hits => counts.measure(Measure::Misses).saturating_add(counts.measure(Measure::Errors)),
            Self::Requests => counts.measure(Measure::Requests),
        }
    }

    /// Value, and how many requests it is of; `None` if these are too few.
    fn sample(self, bucket: &Bucket, seconds: u64) -> Option<(f64, f64)> {
        let total = &bucket.total;
        let count = |measure| total.measure(measure) as f64;
        let share = |part: f64, all: f64| (all >= SHARES_LEAST).then(|| (part / all, all));
        match self {
            Self::Errors => share(count(Measure::Errors), count(Measure::Requests)),
            Self::Hits => share(count(Measure::Hits), count(Measure::Requests) - count(Measure::Unknown)),
            Self::Time if count(Measure::Timed) < TIMES_LEAST => None,
            Self::Time => bucket.times.percentiles([9_500]).map(|[p95]| (p95 as f64, count(Measure::Timed))),
            Self::Requests => Some((count(Measure::Requests) / seconds as f64, count(Measure::Requests))),
        }
    }

    /// By how much a value differs from the median, in the direction that matters: the last number says which, 1 or -1.
    fn differs(self, value: f64, median: f64) -> (f64, f64) {
        let sign = match self {
            Self::Errors | Self::Time => 1.0,
            Self::Hits => -1.0,
            Self::Requests => {
                if value < median {
                    -1.0
                } else {
                    1.0
                }
            }
        };
        ((value - median) * sign, sign)
    }

    /// A difference below this is of no interest.
    fn floor(self, median: f64, sign: f64) -> f64 {
        match self {
            Self::Errors => 0.01,
            Self::Hits => 0.02,
            // Twice as long. Whole milliseconds: from none to one is no change.
            Self::Time => median.max(1.0),
            // Below one a second there is nothing that could fall by a third.
            Self::Requests => 0.3 * if sign > 0.0 { median.max(3.0) } else { median.max(1.0) },
        }
    }

    /// What chance alone makes of so many requests.
    fn chance(self, median: f64, of: f64, seconds: u64) -> f64 {
        match self {
            Self::Errors | Self::Hits => {
                let part = median.clamp(1.0 / of.max(2.0), 1.0 - 1.0 / of.max(2.0));
                CHANCE * (part * (1.0 - part) / of).sqrt()
            }
            Self::Requests => CHANCE * (median * seconds as f64).max(1.0).sqrt() / seconds as f64,
            Self::Time => 0.0,
        }
    }
}

/// A signal that was raised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Raised {
    /// Which.
    pub signal: Signal,
    /// Start of the first bucket outside, Unix seconds.
    pub bucket: u64,
    /// When it began: the first second outside, where seconds are kept.
    pub since: u64,
    /// Start of the first bucket that was as usual again; `None` while it stands.
    pub until: Option<u64>,
    /// The median before.
    pub before: f64,
    /// The mean of its buckets of the last half minute, the first one left out: what it rose or fell to.
    pub now: f64,
}

/// All signals that were raised in the last hour before `judged_to` (Unix seconds, a multiple of [`BUCKET`]), by signal, then time.
pub fn detect(history: &History, judged_to: u64) -> Vec<Raised> {
    let buckets: Vec<(u64, &Bucket)> = history.tens(judged_to.saturating_sub(3600), judged_to).collect();
    Signal::ALL.into_iter().flat_map(|signal| of_signal(history, signal, &buckets)).collect()
}

/// What is usual: median, and median absolute deviation.
struct Usual {
    median: f64,
    deviation: f64,
}

impl Usual {
    fn of(values: &VecDeque<(u64, f64)>, scratch: &mut Vec<f64>) -> Self {
        scratch.clear();
        scratch.extend(values.iter().map(|(_, value)| value));
        let median = median(scratch);
        scratch.iter_mut().for_each(|value| *value = (*value - median).abs());
        Self { median, deviation: self::median(scratch) }
    }

    fn is_outside(&self, signal: Signal, (value, of): (f64, f64), seconds: u64) -> bool {
        let (difference, _) = signal.differs(value, self.median);
        difference > DEVIATIONS * self.deviation && difference > signal.chance(self.median, of, seconds)
    }

    fn is_of_interest(&self, signal: Signal, value: f64) -> bool {
        let (difference, sign) = signal.differs(value, self.median);
        difference >= signal.floor(self.median, sign)
    }
}

fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// A signal that stands.
struct Standing {
    raised: Raised,
    usual: Usual,
    /// Its buckets so far.
    values: Vec<(u64, f64)>,
    /// The last so many were as usual.
    quiet: usize,
}

impl Standing {
    fn ends(mut self, until: Option<u64>) -> Raised {
        self.raised.until = until;
        let past = self.values.len() - self.quiet;
        // Its first bucket is usual in part.
        let last: Vec<f64> = self.values[..past].iter().skip(1).rev().take(RAISING).map(|(_, value)| *value).collect();
        if !last.is_empty() {
            self.raised.now = last.iter().sum::<f64>() / last.len() as f64;
        }
        self.raised
    }
}

fn of_signal(history: &History, signal: Signal, buckets: &[(u64, &Bucket)]) -> Vec<Raised> {
    let mut found = Vec::new();
    let mut usual: VecDeque<(u64, f64)> = VecDeque::new();
    // Those outside that raised nothing yet.
    let mut run: VecDeque<(u64, f64)> = VecDeque::new();
    let mut standing: Option<Standing> = None;
    let mut scratch = Vec::new();
    for &(start, bucket) in buckets {
        let Some(sample) = signal.sample(bucket, BUCKET) else { continue };
        let value = sample.0;
        if let Some(stands) = &mut standing {
            let is_outside =
                stands.usual.is_outside(signal, sample, BUCKET) && stands.usual.is_of_interest(signal, value);
            stands.values.push((start, value));
            stands.quiet = if is_outside { 0 } else { stands.quiet + 1 };
            let is_over = stands.quiet >= CLEARING;
            if is_over || start >= stands.raised.bucket + USUAL {
                let stands = standing.take().expect("it stands");
                let (values, quiet) = (stands.values.clone(), stands.quiet);
                let until = if is_over { values[values.len() - quiet].0 } else { start };
                found.push(stands.ends(Some(until)));
                if is_over {
                    usual.extend(&values[values.len() - quiet..]);
                } else {
                    usual = values.into();
                }
            }
            continue;
        }
        while usual.front().is_some_and(|(old, _)| *old + USUAL < start) {
            usual.pop_front();
        }
        if usual.len() < USUAL_LEAST {
            usual.push_back((start, value));
            continue;
        }
        let now = Usual::of(&usual, &mut scratch);
        let same_way = run
            .back()
            .is_none_or(|(_, last)| signal.differs(*last, now.median).1 == signal.differs(value, now.median).1);
        if !now.is_outside(signal, sample, BUCKET) || !same_way {
            usual.append(&mut run);
            usual.push_back((start, value));
            continue;
        }
        run.push_back((start, value));
        let last = run.iter().rev().take(RAISING).map(|(_, value)| value).sum::<f64>() / RAISING as f64;
        if run.len() >= RAISING && now.is_of_interest(signal, last) {
            let (bucket, _) = run[0];
            let since = first_second(history, signal, bucket, &now);
            let raised = Raised { signal, bucket, since, until: None, before: now.median, now: last };
            standing = Some(Standing { raised, usual: now, values: run.drain(..).collect(), quiet: 0 });
        } else if run.len() > CLEARING {
            // Small, but lasting.
            usual.extend(run.pop_front());
        }
    }
    found.extend(standing.map(|stands| stands.ends(None)));
    found
}

/// The first second of a bucket that is outside itself.
fn first_second(history: &History, signal: Signal, bucket: u64, usual: &Usual) -> u64 {
    let is_outside =
        |second: &Bucket| signal.sample(second, 1).is_some_and(|sample| usual.is_outside(signal, sample, 1));
    match signal {
        // Both vary from second to second for no reason.
        Signal::Time | Signal::Requests => bucket,
        Signal::Errors | Signal::Hits => {
            let mut seconds = history.ones(bucket, bucket + BUCKET);
            seconds.find(|(_, second)| is_outside(second)).map_or(bucket, |(second, _)| second)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::combined::Combination;
    use crate::tally::counts::{Band, Increment};
    use crate::tally::histogram::Histogram;
    use crate::tally::rollup::{Rollup, Values};
    use crate::tally::slot::Slot;
    use crate::tally::slots::SlotPart;
    use crate::tally::uniques::{PRECISION, Sketch};

    const START: u64 = 1_795_460_000;

    /// One second: requests, of which so many are errors and misses; ms of each but the errors, which take ten times as long.
    #[derive(Clone, Copy, Debug)]
    struct Second {
        requests: u64,
        errors: u64,
        misses: u64,
        time_ms: u64,
    }

    type Change = fn(Second) -> Second;

    /// Traffic that varies a little, as given by second since the start.
    fn history(seconds: u64, traffic: impl Fn(u64) -> Second) -> History {
        let mut rollup = Rollup::new(PRECISION, 1024, usize::MAX);
        for second in 0..seconds {
            let Second { requests, errors, misses, time_ms } = traffic(second);
            let mut counts = Counts::default();
            let (mut times, mut sizes) = (Histogram::default(), Histogram::default());
            for number in 0..requests {
                let band = match number {
                    _ if number < errors => Band::Error,
                    _ if number < errors + misses => Band::Miss,
                    _ => Band::Fresh,
                };
                let time_ms = time_ms * if band == Band::Error { 10 } else { 1 };
                let increment = Increment { band, bytes: 100, origin_bytes: 0, timed: 1, time_ms };
                counts.record(&increment);
                times.record(time_ms, &increment);
                sizes.record(100, &increment);
            }
            let values = Values { result: None, status: None, route: None, method: None, content_type: None };
            let combination = Combination { result: None, status: None, route: None, method: None, content_type: None };
            let part = SlotPart {
                slot: Some(Slot { start: START + second, width: 1 }),
                combinations: vec![(combination, counts)],
                others: Counts::default(),
                nodes: Vec::new(),
                times: times.take(),
                sizes: sizes.take(),
                clients: Sketch::new(PRECISION),
            };
            let now = (START + second) * 1000 + 999;
            rollup.add(&part, now, |_| values, |_| None);
            if second % 5 == 0 || second + 1 == seconds {
                rollup.tick(now, true);
            }
        }
        rollup.history()
    }

    /// A different small number for each second.
    fn noise(second: u64, most: u64) -> u64 {
        (second.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % (most + 1)
    }

    fn usual(second: u64) -> Second {
        Second {
            requests: 190 + noise(second, 20),
            errors: noise(second ^ 7, 2),
            misses: 20 + noise(second ^ 99, 8),
            time_ms: 100 + noise(second ^ 3, 20),
        }
    }

    fn found(seconds: u64, traffic: impl Fn(u64) -> Second) -> Vec<Raised> {
        detect(&history(seconds, traffic), (START + seconds) / BUCKET * BUCKET)
    }

    #[test]
    fn usual_traffic_raises_nothing() {
        assert_eq!(found(3600, usual), []);
        let night = |second| Second {
            requests: noise(second, 1),
            errors: noise(second ^ 1, 1) * noise(second, 1),
            ..usual(second)
        };
        assert_eq!(found(3000, |second| Second { misses: 0, ..night(second) }), [], "next to no traffic");
        assert_eq!(found(3000, |_| Second { requests: 0, errors: 0, misses: 0, time_ms: 0 }), []);
        let slow = |second| Second { requests: 200 + second / 20, ..usual(second) };
        assert_eq!(found(3600, slow), [], "a slow rise");
        let short = |second| {
            if (1500..1520).contains(&second) { Second { errors: 80, ..usual(second) } } else { usual(second) }
        };
        assert_eq!(found(1800, short), [], "two buckets");
    }

    #[test]
    fn each_signal_is_raised_after_three_buckets_and_cleared_after_twelve() {
        let from = 1203;
        let cases: [(Signal, Change); 5] = [
            (Signal::Errors, |second| Second { errors: 20, time_ms: second.time_ms / 10, ..second }),
            (Signal::Hits, |second| Second { misses: 70, ..second }),
            (Signal::Time, |second| Second { time_ms: 300, ..second }),
            (Signal::Requests, |second| Second {
                requests: second.requests * 2,
                misses: second.misses * 2,
                errors: second.errors * 2,
                ..second
            }),
            (Signal::Requests, |second| Second {
                requests: second.requests / 2,
                misses: second.misses / 2,
                errors: second.errors / 2,
                ..second
            }),
        ];
        for (signal, change) in cases {
            let traffic =
                |second| if (from..from + 600).contains(&second) { change(usual(second)) } else { usual(second) };
            let of = |seconds| {
                found(seconds, traffic).into_iter().filter(|raised| raised.signal == signal).collect::<Vec<_>>()
            };
            assert_eq!(of(1200), [], "{signal:?}");
            assert_eq!(of(1220), [], "{signal:?}: too early");
            let raised = of(1240);
            assert_eq!((raised.len(), raised[0].bucket, raised[0].until), (1, START + 1200, None), "{signal:?}");
            let since = if matches!(signal, Signal::Errors | Signal::Hits) { from } else { 1200 };
            assert_eq!(raised[0].since, START + since, "{signal:?}");
            let raised = of(1700);
            let (before, now) = (raised[0].before, raised[0].now);
            let expected = match signal {
                Signal::Errors => (0.005, 0.1),
                Signal::Hits => (0.875, 0.645),
                Signal::Time => (116.0, 300.0),
                Signal::Requests if now > before => (200.0, 400.0),
                Signal::Requests => (200.0, 100.0),
            };
            let near = |found: f64, expected: f64| (found - expected).abs() <= 0.05 * expected.max(0.02);
            assert!(near(before, expected.0) && near(now, expected.1), "{signal:?}: {before} to {now}");
            assert_eq!(of(1900)[0].until, None, "{signal:?}: not quiet for long enough");
            let raised = of(1950);
            // The bucket with three seconds of it may be as usual already.
            let until = raised[0].until.unwrap() - START;
            assert!(raised.len() == 1 && (1800..=1810).contains(&until), "{signal:?}: {raised:?}");
        }
    }

    #[test]
    fn nothing_is_said_in_the_first_five_minutes_and_what_lasts_is_usual_in_the_end() {
        let early = |second| if second >= 100 { Second { errors: 50, ..usual(second) } } else { usual(second) };
        assert_eq!(found(900, early), []);
        let lasting = |second| if second >= 900 { Second { errors: 20, ..usual(second) } } else { usual(second) };
        let of = |seconds| found(seconds, lasting).into_iter().find(|raised| raised.signal == Signal::Errors).unwrap();
        assert_eq!(of(2600).until, None);
        assert_eq!(of(2800).until, Some(START + 900 + USUAL));
    }
}
