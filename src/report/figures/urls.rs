//! Statistics of single URLs, as Squidpeek has them (spec/statistics.md 7): for each key its variants, kinds of hits and misses, times of
//! misses, sizes of answers and classes of status.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use serde_json::{Value, json};

use super::sheet::quotient;
use crate::tally::Increment;
use crate::tally::groups::Codes;
use crate::tally::histogram;
use crate::tally::table::Seed;
use crate::wire::codes::Class;
use crate::wire::plan::{Fields, Has, Number, Text};
use crate::wire::url;

/// Variants of a URL that are told apart.
const VARIANTS_MAX: usize = 4096;
/// Variants in a report.
const VARIANTS_SHOWN: usize = 100;
/// Longer keys are not looked at closely.
const KEY_MAX: usize = 2000;

/// URLs, as many as fit: when there are more, the less requested half goes.
#[derive(Clone, Debug)]
pub struct Urls {
    seed: Seed,
    max: usize,
    map: HashMap<Box<[u8]>, Url, Seed>,
    scratch: Vec<u8>,
    /// Keys that went.
    pub given_up: u64,
}

/// What is known of one.
#[derive(Clone, Debug, Default)]
pub struct Url {
    /// Requests.
    pub accesses: u64,
    /// Those of them whose format has a result.
    known: u64,
    variants: HashMap<u64, u64, foldhash::fast::FixedState>,
    other_variants: u64,
    /// Fresh hits from memory, and from elsewhere.
    fresh: [u64; 2],
    /// Client forbade, unchanged, changed, failed, no validation.
    misses: [u64; 5],
    miss_times: Sparse,
    sizes: Sparse,
    statuses: [u64; 7],
}

/// A histogram of few values, in the cells of [`histogram`].
#[derive(Clone, Debug, Default)]
struct Sparse {
    cells: BTreeMap<u16, u64>,
    extremes: Option<(u64, u64)>,
}

impl Sparse {
    fn record(&mut self, value: u64) {
        *self.cells.entry(histogram::cell(value)).or_default() += 1;
        self.see((value, value));
    }

    fn see(&mut self, (least, most): (u64, u64)) {
        self.extremes = Some(self.extremes.map_or((least, most), |(a, b)| (a.min(least), b.max(most))));
    }

    fn merge(&mut self, other: &Self) {
        for (cell, more) in &other.cells {
            *self.cells.entry(*cell).or_default() += more;
        }
        other.extremes.into_iter().for_each(|extremes| self.see(extremes));
    }

    /// The least value with half of all at or below it: exact below 128, else the middle of its cell.
    fn median(&self) -> Option<u64> {
        let (least, most) = self.extremes?;
        let all: u64 = self.cells.values().sum();
        let mut sum = 0;
        let found = self.cells.iter().find(|(_, count)| {
            sum += **count;
            sum * 2 >= all
        });
        let (from, to) = histogram::range(*found?.0);
        Some((from + (to - from) / 2).clamp(least, most))
    }

    /// Counts of `bars` bars of that width, and one for all above.
    fn bars(&self, width: u64, bars: usize) -> Vec<u64> {
        let mut counts = vec![0; bars + 1];
        for (cell, count) in &self.cells {
            counts[((histogram::range(*cell).0 / width) as usize).min(bars)] += count;
        }
        counts
    }

    fn json(&self, width: u64, bars: usize) -> Value {
        json!({
            "count": self.cells.values().sum::<u64>(),
            "median": self.median(),
            "min": self.extremes.map(|(least, _)| least),
            "max": self.extremes.map(|(_, most)| most),
            "bar_width": width,
            "bars": self.bars(width, bars),
        })
    }
}

impl Urls {
    /// None yet, at most so many.
    pub fn new(seed: &Seed, max: usize) -> Self {
        Self {
            seed: seed.clone(),
            max: max.max(2),
            map: HashMap::with_hasher(seed.clone()),
            scratch: Vec::new(),
            given_up: 0,
        }
    }

    /// Sees a request that has a URL.
    pub fn see(&mut self, has: Has, fields: &Fields<'_>, codes: &Codes, entry: &Increment) {
        let whole = fields.text(Text::Url);
        let key = url::key(whole, &mut self.scratch);
        if key.len() > KEY_MAX {
            return;
        }
        let key: &[u8] = if key == b"-" { &[] } else { key };
        let variant = self.seed.hash_one(whole);
        if let Some(url) = self.map.get_mut(key) {
            return url.see(has, fields, codes, entry, variant);
        }
        self.map.entry(key.into()).or_default().see(has, fields, codes, entry, variant);
        if self.map.len() > self.max {
            self.cut(self.max / 2);
        }
    }

    /// Leaves at most so many: those with most requests.
    #[cold]
    fn cut(&mut self, left: usize) {
        let mut accesses: Vec<u64> = self.map.values().map(|url| url.accesses).collect();
        let at = accesses.len().saturating_sub(left);
        let (_, &mut least, _) = accesses.select_nth_unstable(at);
        let before = self.map.len();
        self.map.retain(|_, url| url.accesses > least);
        self.given_up += (before - self.map.len()) as u64;
    }

    /// Adds all of another one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.given_up += other.given_up;
        for (key, more) in other.map {
            self.map.entry(key).or_default().merge(more);
        }
        self
    }

    /// What is known of a key.
    pub fn get(&self, key: &[u8]) -> Option<&Url> {
        self.map.get(key)
    }
}

impl Url {
    fn see(&mut self, has: Has, fields: &Fields<'_>, codes: &Codes, entry: &Increment, variant: u64) {
        self.accesses += 1;
        if self.variants.len() < VARIANTS_MAX || self.variants.contains_key(&variant) {
            *self.variants.entry(variant).or_default() += 1;
        } else {
            self.other_variants += 1;
        }
        let class = codes.class();
        self.known += u64::from(class.is_some());
        if codes.is_fresh_hit() {
            self.fresh[usize::from(class != Some(Class::HitMemory))] += 1;
        } else if let Some(class) = class {
            let kind = match class {
                Class::MissClientNoCache => Some(0),
                Class::HitRevalidated => Some(1),
                Class::MissChanged => Some(2),
                Class::HitStaleOnError => Some(3),
                class if class.is_miss() => Some(4),
                _ => None,
            };
            if let Some(kind) = kind {
                self.misses[kind] += 1;
                if entry.timed > 0 {
                    self.miss_times.record(entry.time_ms);
                }
            }
        }
        if let Some(at) = codes.status_class() {
            self.statuses[at] += 1;
        }
        if has.has_number(Number::Status) && (200..300).contains(&fields.number(Number::Status)) {
            self.sizes.record(entry.bytes);
        }
    }

    fn merge(&mut self, other: Self) {
        self.accesses += other.accesses;
        self.known += other.known;
        self.other_variants += other.other_variants;
        for (variant, more) in other.variants {
            if self.variants.len() < VARIANTS_MAX || self.variants.contains_key(&variant) {
                *self.variants.entry(variant).or_default() += more;
            } else {
                self.other_variants += more;
            }
        }
        let add = |sums: &mut [u64], more: &[u64]| sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        add(&mut self.fresh, &other.fresh);
        add(&mut self.misses, &other.misses);
        add(&mut self.statuses, &other.statuses);
        self.miss_times.merge(&other.miss_times);
        self.sizes.merge(&other.sizes);
    }

    /// P1 to P11 of a key, which all in all was asked for `accesses` times: what was seen closely may be less.
    pub fn json(&self, key: &str, accesses: u64) -> Value {
        let share = |part: u64| if self.accesses == 0 { 0.0 } else { part as f64 / self.accesses as f64 };
        let share_of_known = |part: u64| quotient(part as f64, self.known as f64);
        let mut variants: Vec<u64> = self.variants.values().copied().collect();
        variants.sort_unstable_by(|a, b| b.cmp(a));
        let [forbade, unchanged, changed, failed, plain] = self.misses;
        let [none, informational, success, redirection, client, server, other] = self.statuses;
        json!({
            "key": key,
            "accesses": accesses,
            "seen": self.accesses,
            "query_diversity": variants.len(),
            "query_diversity_exact": self.other_variants == 0,
            "most_popular_variant_share": share(variants.first().copied().unwrap_or(0)),
            "hit_share": share_of_known(self.fresh.iter().sum()),
            "hits": {"memory": self.fresh[0], "disk": self.fresh[1]},
            "miss_share": share_of_known(self.misses.iter().sum()),
            "misses": {
                "client_forbade": forbade, "unchanged": unchanged, "changed": changed, "failed": failed,
                "no_validation": plain,
            },
            "miss_time_ms": self.miss_times.json(50, 20),
            "size_bytes": self.sizes.json(16 << 10, 16),
            "statuses": {
                "0xx": none, "1xx": informational, "2xx": success, "3xx": redirection, "4xx": client, "5xx": server,
                "other": other,
            },
            "variants": variants.iter().take(VARIANTS_SHOWN).collect::<Vec<_>>(),
        })
    }
}
