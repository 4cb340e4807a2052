//! Distances of reuse by size of cache, and the curve that they make.

use super::Volume;

/// Sizes of caches in a doubling: each is a fifth larger than the one before.
const STEPS: usize = 4;

/// The smallest size of a cache, as a power of two.
const LEAST: usize = 10;

/// Sizes in all: up to 2^60 bytes.
const SIZES: usize = (60 - LEAST) * STEPS + 1;

/// Points of a curve.
const POINTS: usize = 61;

/// A size of cache, and what it would give.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Bytes of the cache.
    pub size_bytes: u64,
    /// Predicted hits over requests, from 0 to 1.
    pub hit_ratio: f64,
    /// Predicted hit bytes over bytes, from 0 to 1.
    pub byte_hit_ratio: f64,
}

/// URLs that were asked for exactly once, among those of the sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OneHit {
    /// Their share of all URLs; `None` if there is none.
    pub share: Option<f64>,
    /// Their share of the bytes of misses; `None` if there are none.
    pub miss_bytes_share: Option<f64>,
}

/// What the sample tells at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// By growing size, each a fifth larger than the one before; the last could hold all. Empty before the first request.
    pub points: Vec<Point>,
    /// Bytes of the URLs that were asked for within 1 min, 10 min, 1 h, 24 h.
    pub working_set: [u64; 4],
    /// URLs asked for once.
    pub one_hit: OneHit,
    /// URLs in the sample.
    pub objects: u64,
    /// Share of all URLs that are.
    pub rate: f64,
    /// Requests that were taken since the start.
    pub samples: u64,
    /// Requests that would have been, but had no room.
    pub dropped: u64,
}

/// Requests and bytes by the least size of cache that would have served them, in estimated numbers of all requests.
///
/// A sample has too many or too few requests mainly by whether it has the most popular URLs. How many requests there really were is known; the
/// difference belongs to sizes as the popular URLs' requests do. (SHARDS-adj gives all of it to the smallest cache, which is right for sizes in
/// objects; in bytes, much is asked for even between two requests of the most popular URL.) It is the regression of the error of each sum on
/// the error of the number of requests: an object's part of both is in the sample or not as a whole, so what they have in common is
/// the sum over objects of its requests at the size times all of its requests.
#[derive(Debug)]
pub struct Distances {
    sizes: Vec<f64>,
    /// Requests, bytes.
    served: Vec<[f64; 2]>,
    /// The same, each weighted by how popular its object is.
    popular: Vec<[f64; 2]>,
    /// Those of every size, and those that no cache could serve.
    all: [f64; 2],
    all_popular: [f64; 2],
}

impl Distances {
    /// None yet.
    pub fn new() -> Self {
        let size = |step: usize| (LEAST as f64 + step as f64 / STEPS as f64).exp2().round();
        Self {
            sizes: (0..SIZES).map(size).collect(),
            served: vec![[0.0; 2]; SIZES],
            popular: vec![[0.0; 2]; SIZES],
            all: [0.0; 2],
            all_popular: [0.0; 2],
        }
    }

    fn at(&self, size: f64) -> usize {
        self.sizes.partition_point(|&known| known < size).min(SIZES - 1)
    }

    /// Counts a request for that many bytes which stands for `weight` requests, of an object that had `before`. A cache of `distance` bytes
    /// would have served it; `None`: none would, as it is the first.
    pub fn record(&mut self, distance: Option<f64>, weight: f64, bytes: u64, before: Volume) {
        let bytes = bytes as f64;
        let weights = [weight, weight * bytes];
        // Pairs of requests of one object, each with those before it and half of itself, add up to half the square of all.
        let popular = [weight * (before.requests as f64 + 0.5), weight * bytes * (before.bytes as f64 + 0.5 * bytes)];
        let served = distance.map(|distance| self.at(distance));
        for measure in 0..2 {
            self.all[measure] += weights[measure];
            self.all_popular[measure] += popular[measure];
            if let Some(at) = served {
                self.served[at][measure] += weights[measure];
                self.popular[at][measure] += popular[measure];
            }
        }
    }

    /// The curve up to a cache that holds `all_bytes`, and all that was reused. `asked` is what was really asked for.
    pub fn points(&self, all_bytes: f64, asked: Volume) -> Vec<Point> {
        if asked.requests == 0 {
            return Vec::new();
        }
        let asked = [asked.requests as f64, asked.bytes as f64];
        let reused = self.served.iter().rposition(|[requests, _]| *requests > 0.0).unwrap_or(0);
        let last = reused.max(self.at(all_bytes));
        let (mut sums, mut ratios) = ([0.0; 2], [0.0_f64; 2]);
        let mut points = Vec::with_capacity(POINTS);
        for at in 0..=last {
            for measure in 0..2 {
                let lacking = asked[measure] - self.all[measure];
                // Without any byte there is nothing to share out.
                let share = self.popular[at][measure] / self.all_popular[measure].max(f64::MIN_POSITIVE);
                sums[measure] += self.served[at][measure] + lacking * share;
                // A larger cache serves no less.
                ratios[measure] = ratios[measure].max((sums[measure] / asked[measure].max(1.0)).min(1.0));
            }
            if at + POINTS > last {
                let [hit_ratio, byte_hit_ratio] = ratios;
                points.push(Point { size_bytes: self.sizes[at] as u64, hit_ratio, byte_hit_ratio });
            }
        }
        points
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.sizes.capacity() * 8 + (self.served.capacity() + self.popular.capacity()) * 16
    }
}
