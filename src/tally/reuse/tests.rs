//! The sample against the truth: exact simulations of caches, over the demo's traffic and over made-up traces.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::demo::{Generator, Plan};
use crate::wire::codes::result_class;
use crate::wire::url;

/// A cache of so many bytes that gives up what was asked for longest ago.
#[derive(Default)]
struct Cache {
    capacity: u64,
    used: u64,
    moment: u64,
    by_moment: BTreeMap<u64, u64>,
    /// Moment and size.
    objects: HashMap<u64, (u64, u64)>,
    hits: u64,
    hit_bytes: u64,
}

impl Cache {
    fn of(capacity: u64) -> Self {
        Self { capacity, ..Self::default() }
    }

    fn ask(&mut self, object: u64, size: u64, bytes: u64) {
        self.moment += 1;
        if let Some((moment, size)) = self.objects.remove(&object) {
            self.by_moment.remove(&moment);
            self.used -= size;
            self.hits += 1;
            self.hit_bytes += bytes;
        }
        self.by_moment.insert(self.moment, object);
        self.objects.insert(object, (self.moment, size));
        self.used += size;
        while self.used > self.capacity {
            let (_, last) = self.by_moment.pop_first().unwrap();
            self.used -= self.objects.remove(&last).unwrap().1;
        }
    }
}

/// The demo's requests that count, `seconds` of them; the same on every run.
fn traffic(seed: u64, rate: u32, seconds: i64) -> Vec<Sample> {
    const START: i64 = 1_760_000_000;
    let mut generator = Generator::new(Plan { seed, start: START, rate, history: Duration::ZERO });
    let hashes = foldhash::quality::FixedState::with_seed(seed);
    let (mut requests, mut scratch) = (Vec::new(), Vec::new());
    while let Some(entry) = generator.next_before((START + seconds) * 1000) {
        let outcome = &entry.outcome;
        let class = result_class(i64::from(outcome.result));
        let is_error = outcome.status >= 500 || !class.is_miss() && !b".19F56t".contains(&outcome.result);
        if is_error || !["GET", "HEAD"].contains(&outcome.method) {
            continue;
        }
        requests.push(Sample {
            time: (entry.seconds * 1000) as u64 + entry.microseconds as u64 / 1000,
            hash: hashes.hash_one(url::key(entry.url, &mut scratch)),
            bytes: outcome.bytes,
            is_whole: outcome.status == 200,
            is_miss: class.is_miss(),
        });
    }
    requests
}

/// The sample after requests that are dealt to workers, a tick every 250 ms. `order` turns the workers' parts around.
fn sampled(requests: &[Sample], objects: usize, workers: usize, order: usize) -> Reuse {
    let mut samplers: Vec<Sampler> = (0..workers).map(|_| Sampler::new(objects)).collect();
    let mut reuse = Reuse::new(objects);
    let mut part = Samples::default();
    for tick in requests.chunk_by(|a, b| a.time / 250 == b.time / 250) {
        for (at, request) in tick.iter().enumerate() {
            samplers[at * 7 % workers].take(*request);
        }
        for at in 0..workers {
            let sampler = &mut samplers[(at + order) % workers];
            sampler.hand_over(&mut part);
            reuse.add(&part);
            part.clear();
        }
        reuse.tick(tick[0].time / 250 * 250 + 250);
        samplers.iter_mut().for_each(|sampler| sampler.lower(reuse.threshold()));
    }
    reuse
}

/// Mean absolute errors of the hit ratio and of the byte hit ratio over every `step`th point of the curve.
fn errors(curve: &Curve, requests: &[Sample], step: usize) -> [f64; 2] {
    let points: Vec<&Point> = curve.points.iter().rev().step_by(step).collect();
    let mut caches: Vec<Cache> = points.iter().map(|point| Cache::of(point.size_bytes)).collect();
    let mut sizes: HashMap<u64, u64> = HashMap::new();
    let mut bytes = 0;
    for request in requests {
        let size = sizes.entry(request.hash).or_default();
        *size = (*size).max(if request.is_whole { request.bytes } else { 0 });
        bytes += request.bytes;
        caches.iter_mut().for_each(|cache| cache.ask(request.hash, *size, request.bytes));
    }
    let mut sums = [0.0; 2];
    for (point, cache) in points.iter().zip(&caches) {
        let exact = [cache.hits as f64 / requests.len() as f64, cache.hit_bytes as f64 / bytes as f64];
        sums[0] += (point.hit_ratio - exact[0]).abs();
        sums[1] += (point.byte_hit_ratio - exact[1]).abs();
    }
    sums.map(|sum| sum / points.len() as f64)
}

#[test]
fn the_curve_is_that_of_real_caches() {
    let requests = traffic(1, 5000, 45);
    let curve = sampled(&requests, 8192, 3, 0).curve(0);
    assert!(curve.rate < 0.15 && curve.dropped == 0, "{curve:?}");
    let [hit_ratio, byte_hit_ratio] = errors(&curve, &requests, 6);
    println!("errors {hit_ratio:.4} {byte_hit_ratio:.4}");
    assert!(hit_ratio <= 0.02, "{hit_ratio}");
    assert!(byte_hit_ratio <= 0.03, "{byte_hit_ratio}");
}

#[test]
fn working_set_and_one_hit_share_are_those_of_all_urls() {
    let requests = traffic(2, 5000, 20);
    let now = requests.last().unwrap().time + 1;
    let mut all = sampled(&requests, 1 << 20, 1, 0).curve(now);
    let sample = sampled(&requests, 8192, 2, 0).curve(now);
    assert_eq!((all.rate, all.samples), (1.0, requests.len() as u64));
    let off = |part: f64, whole: f64| (part / whole - 1.0).abs();
    assert!(off(sample.working_set[0] as f64, all.working_set[0] as f64) < 0.1, "{sample:?}");
    assert!(
        off(sample.one_hit.share.unwrap(), all.one_hit.share.unwrap()) < 0.03,
        "{:?} {:?}",
        sample.one_hit,
        all.one_hit
    );
    // An exact oracle for the sample of everything.
    let mut objects: HashMap<u64, (u64, u64, u64)> = HashMap::new();
    for request in &requests {
        let (size, count, missed) = objects.entry(request.hash).or_default();
        *size = (*size).max(if request.is_whole { request.bytes } else { 0 });
        *count += 1;
        *missed += if request.is_miss { request.bytes } else { 0 };
    }
    let once = || objects.values().filter(|(_, count, _)| *count == 1);
    assert_eq!(all.working_set, [objects.values().map(|(size, ..)| size).sum::<u64>(); 4]);
    assert_eq!(all.one_hit.share, Some(once().count() as f64 / objects.len() as f64));
    let missed: [u64; 2] = [once().map(|(.., missed)| missed).sum(), objects.values().map(|(.., missed)| missed).sum()];
    assert_eq!(all.one_hit.miss_bytes_share.take(), Some(missed[0] as f64 / missed[1] as f64));
}

#[test]
fn the_order_of_workers_and_how_many_there_are_change_nothing() {
    let requests = traffic(3, 5000, 4);
    let curve = |workers, order| sampled(&requests, 2048, workers, order).curve(0);
    let expected = curve(4, 0);
    assert!(expected.rate < 0.5, "{expected:?}");
    for order in 1..4 {
        assert_eq!(curve(4, order), expected, "{order}");
    }
    assert_eq!(curve(1, 0), expected);
}

#[test]
fn the_threshold_only_falls_and_memory_is_bounded() {
    let mut reuse = Reuse::new(256);
    let (mut threshold, mut random) = (reuse.threshold(), 1_u64);
    for tick in 0..200 {
        let list = (0..1000).map(|n| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Sample { time: tick * 250, hash: random, bytes: n * 1000, is_whole: true, is_miss: true }
        });
        let list: Vec<Sample> = list.filter(|sample| sample.hash < threshold).collect();
        let asked = Volume { requests: 1000, bytes: 499_500_000 };
        reuse.add(&Samples { threshold, list, asked, dropped: Volume::default() });
        reuse.tick(tick * 250);
        assert!(reuse.threshold() <= threshold);
        threshold = reuse.threshold();
        let curve = reuse.curve(tick * 250);
        assert!(curve.objects <= 256 && curve.points.len() <= 61, "{curve:?}");
        assert!(reuse.bytes() < 200_000, "{}", reuse.bytes());
    }
    // 200 000 objects came, of which 256 are there.
    assert!((reuse.curve(0).rate * 200_000.0 / 256.0 - 1.0).abs() < 0.25, "{:?}", reuse.curve(0));
}

fn one(time: u64, hash: u64) -> Samples {
    let list = vec![Sample { time, hash, bytes: 1000, is_whole: true, is_miss: false }];
    Samples { threshold: u64::MAX, list, asked: Volume { requests: 1, bytes: 1000 }, ..Samples::default() }
}

#[test]
fn what_nobody_asks_for_in_a_day_is_forgotten() {
    const DAY: u64 = 24 * 3600 * 1000;
    let start = 10 * DAY;
    let mut reuse = Reuse::new(64);
    // However old or new the entries are by their own time.
    [one(start, 1), one(5, 2), one(start * 2, 3)].iter().for_each(|samples| reuse.add(samples));
    reuse.tick(start);
    assert_eq!(reuse.curve(start).working_set, [2000; 4], "what is ahead counts as of now");
    assert_eq!(reuse.curve(start + 60_000).working_set, [0, 2000, 2000, 2000]);
    reuse.add(&one(start + DAY / 2, 1));
    reuse.tick(start + DAY / 2);
    assert_eq!(reuse.curve(start + DAY / 2).working_set, [1000, 1000, 1000, 2000]);
    reuse.tick(start + DAY + 1);
    let curve = reuse.curve(start + DAY + 1);
    assert_eq!((curve.objects, curve.samples), (1, 4));
    assert_eq!(curve.working_set, [0, 0, 0, 1000]);
}

#[test]
fn a_crowd_halves_the_sample_down_to_an_eighth() {
    let mut reuse = Reuse::new(64);
    (1..=64).for_each(|n| reuse.add(&one(n, n << 57)));
    reuse.tick(100);
    let dropped = Volume { requests: 2, bytes: 2000 };
    let mut objects = Vec::new();
    for _ in 0..5 {
        let crowd = Samples { threshold: reuse.threshold(), asked: dropped, dropped, ..Samples::default() };
        reuse.add(&crowd);
        reuse.tick(100);
        objects.push(reuse.curve(100).objects);
    }
    assert_eq!(objects, [32, 16, 8, 8, 8]);
    assert_eq!(reuse.curve(100).dropped, 10);
}

proptest! {
    #[test]
    fn with_all_urls_in_the_sample_the_curve_is_exact(
        trace in prop::collection::vec((0..30_u64, 0..400_u64), 1..300), sizes in prop::collection::vec(0..40_000_u64, 30),
    ) {
        let requests: Vec<Sample> = (0..).zip(&trace).map(|(at, (object, gap))| Sample {
            time: at * 100 + gap % 100,
            hash: object + 1,
            bytes: sizes[*object as usize],
            is_whole: true,
            is_miss: false,
        }).collect();
        // So few places that they are given anew now and then.
        let curve = sampled(&requests, 32, 2, 0).curve(0);
        prop_assert_eq!(curve.rate, 1.0);
        let [hit_ratio, byte_hit_ratio] = errors(&curve, &requests, 1);
        prop_assert!(hit_ratio < 1e-9 && byte_hit_ratio < 1e-9, "{} {}", hit_ratio, byte_hit_ratio);
    }
}
