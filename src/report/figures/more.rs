//! What a report counts beside the engine's own tables: sums by all three codes together, by hour, step and second, by size and time, and
//! by server and route (spec/statistics.md 5, 8). Bounded, one for each thread; they add up in any order.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use super::urls::Urls;
use crate::tally::classify::{increment, is_icp};
use crate::tally::groups::{Codes, Freshness, RouteClass, route_class};
use crate::tally::histogram::Histogram;
use crate::tally::table::Seed;
use crate::tally::uniques::{PRECISION, Sketch};
use crate::tally::{Band, Counts, Increment};
use crate::wire::codes::Class;
use crate::wire::plan::{Fields, Has, Number, Text};
use crate::wire::url;

/// Combinations of codes that are told apart; honest logs have some hundred.
const CODES_MAX: usize = 1 << 16;
/// Servers with their routes, extensions, clients of inter-cache entries.
const KEYS_MAX: usize = 1 << 16;
/// Seconds that peaks are looked for in: half a year.
const SECONDS_MAX: usize = 16 << 20;
/// Hours.
const SPANS_MAX: usize = 1 << 14;
/// Steps, each with a sketch of its clients.
const STEPS_MAX: usize = 1 << 12;
/// The hours that one entry is spread over at most.
const SPREAD_MAX: u64 = 1000;
const HOUR_MS: u64 = 3_600_000;

/// Upper ends of the steps of C17 and C18, ms; times are whole, so 0.1, 0.2 and 0.5 ms are 0.
pub const TIME_STEPS: [u64; 25] = [
    0,
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    1000,
    2000,
    5000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    u64::MAX,
];

/// Rows of a distribution of sizes: nothing, then a row a power.
pub const SIZE_ROWS: usize = 65;

/// Sums of ordinary or of inter-cache entries.
#[derive(Clone, Debug)]
pub struct Kind {
    /// By all three codes together.
    pub codes: HashMap<Codes, Counts, Seed>,
    /// Entries whose codes had no room.
    pub other_codes: Counts,
    /// By [`TIME_STEPS`]; entries with a time.
    pub times: [Counts; TIME_STEPS.len()],
    /// By hour since the epoch: requests that overlap it, and its part of the bytes.
    pub hours: BTreeMap<u64, (u64, u64)>,
    /// All of them.
    pub total: Counts,
}

/// Sums of one step of time (C16).
#[derive(Clone, Debug)]
pub struct Step {
    /// All.
    pub total: Counts,
    /// Bytes and times of hits, of the rest, direct, by peers' hits, by parents.
    pub by_way: [(u64, u64); 5],
    /// Hashes of the clients.
    pub clients: Sketch,
}

/// All that a report counts by itself.
#[derive(Clone, Debug)]
pub struct More {
    seed: Seed,
    step_ms: u64,
    /// Ordinary and inter-cache entries.
    pub kinds: [Kind; 2],
    /// By second since the epoch, of both kinds.
    pub seconds: HashMap<u64, [u32; 2], Seed>,
    /// Seconds, hours or steps that had no room.
    pub crowded: u64,
    /// By step since the epoch.
    pub steps: BTreeMap<u64, Step>,
    /// Times of hits, of misses.
    pub times: [Histogram; 2],
    /// By size: nothing, then powers of 2.
    pub sizes: Vec<Counts>,
    /// The same by powers of 10.
    pub decades: Vec<Counts>,
    /// By server and route, of entries for which a server was asked.
    pub servers: HashMap<(Box<[u8]>, i64), Counts, Seed>,
    /// Of servers that had no room.
    pub other_servers: Counts,
    /// By extension: its requests by [`Freshness`].
    pub extensions: HashMap<Box<[u8]>, [u64; 5], Seed>,
    /// By client, of inter-cache entries.
    pub icp_clients: HashMap<[u8; 16], Counts, Seed>,
    /// Of those that had no room.
    pub other_icp_clients: Counts,
    /// By URL.
    pub urls: Urls,
    /// Requests by address family: IPv4, IPv6.
    pub families: [u64; 2],
    /// Of the first and the last entry, ms since the epoch.
    pub span: Option<(u64, u64)>,
}

impl Kind {
    fn new(seed: &Seed) -> Self {
        Self {
            codes: HashMap::with_hasher(seed.clone()),
            other_codes: Counts::default(),
            times: [Counts::default(); TIME_STEPS.len()],
            hours: BTreeMap::new(),
            total: Counts::default(),
        }
    }

    fn see(&mut self, codes: Codes, time: u64, entry: &Increment, crowded: &mut u64) {
        self.total.record(entry);
        if let Some(counts) = self.codes.get_mut(&codes) {
            counts.record(entry);
        } else if self.codes.len() < CODES_MAX {
            self.codes.entry(codes).or_default().record(entry);
        } else {
            self.other_codes.record(entry);
        }
        if entry.timed > 0 {
            let at = TIME_STEPS.partition_point(|&end| end < entry.time_ms);
            self.times[at.min(TIME_STEPS.len() - 1)].record(entry);
        }
        self.spread(time, entry, crowded);
    }

    /// A request counts in each hour that it was under way in; its bytes are spread evenly over its time.
    fn spread(&mut self, end: u64, entry: &Increment, crowded: &mut u64) {
        let start = end.saturating_sub(entry.time_ms).max(end.saturating_sub(SPREAD_MAX * HOUR_MS));
        let (first, last) = (start / HOUR_MS, end / HOUR_MS);
        let mut given = 0;
        for hour in first..=last {
            let until = ((hour + 1) * HOUR_MS).min(end);
            // What is due until the hour's end, so that parts add up to all.
            let due = if hour == last {
                entry.bytes
            } else {
                (u128::from(entry.bytes) * u128::from(until - start) / u128::from(end - start)) as u64
            };
            if self.hours.len() >= SPANS_MAX && !self.hours.contains_key(&hour) {
                *crowded += 1;
                continue;
            }
            let sums = self.hours.entry(hour).or_default();
            sums.0 += 1;
            sums.1 = sums.1.saturating_add(due - given);
            given = due;
        }
    }

    fn merge(&mut self, other: &Self, crowded: &mut u64) {
        self.total.merge(&other.total);
        self.other_codes.merge(&other.other_codes);
        for (codes, counts) in &other.codes {
            if self.codes.len() < CODES_MAX || self.codes.contains_key(codes) {
                self.codes.entry(*codes).or_default().merge(counts);
            } else {
                self.other_codes.merge(counts);
            }
        }
        for (sum, more) in self.times.iter_mut().zip(&other.times) {
            sum.merge(more);
        }
        for (hour, more) in &other.hours {
            if self.hours.len() >= SPANS_MAX && !self.hours.contains_key(hour) {
                *crowded += 1;
                continue;
            }
            let sums = self.hours.entry(*hour).or_default();
            *sums = (sums.0 + more.0, sums.1.saturating_add(more.1));
        }
    }

    /// The sum of those entries whose codes are so.
    pub fn sum(&self, is_so: impl Fn(&Codes) -> bool) -> Counts {
        let mut sum = Counts::default();
        self.codes.iter().filter(|(codes, _)| is_so(codes)).for_each(|(_, counts)| sum.merge(counts));
        sum
    }

    /// Sums by what follows from the codes, by key; without those for which that is nothing.
    pub fn by<K: Ord>(&self, key: impl Fn(&Codes) -> Option<K>) -> BTreeMap<K, Counts> {
        let mut sums: BTreeMap<K, Counts> = BTreeMap::new();
        for (codes, counts) in &self.codes {
            if let Some(key) = key(codes) {
                sums.entry(key).or_default().merge(counts);
            }
        }
        sums
    }
}

impl More {
    /// Nothing yet. Steps are so many minutes wide, and so many URLs are kept.
    pub fn new(seed: &Seed, step_minutes: u32, urls: usize) -> Self {
        Self {
            seed: seed.clone(),
            step_ms: u64::from(step_minutes.max(1)) * 60_000,
            kinds: [Kind::new(seed), Kind::new(seed)],
            seconds: HashMap::with_hasher(seed.clone()),
            crowded: 0,
            steps: BTreeMap::new(),
            times: Default::default(),
            sizes: vec![Counts::default(); SIZE_ROWS],
            decades: vec![Counts::default(); 21],
            servers: HashMap::with_hasher(seed.clone()),
            other_servers: Counts::default(),
            extensions: HashMap::with_hasher(seed.clone()),
            icp_clients: HashMap::with_hasher(seed.clone()),
            other_icp_clients: Counts::default(),
            urls: Urls::new(seed, urls),
            families: [0; 2],
            span: None,
        }
    }

    /// Width of a step, ms.
    pub fn step_ms(&self) -> u64 {
        self.step_ms
    }

    /// Sees an entry that counts, of that time (ms since the epoch).
    pub fn see(&mut self, has: Has, fields: &Fields<'_>, time: u64) {
        let code = |number| has.has_number(number).then(|| fields.number(number));
        let codes = Codes { result: code(Number::Result), status: code(Number::Status), route: code(Number::Route) };
        let mut entry = increment(has, fields);
        let is_icp = is_icp(has, fields);
        if is_icp && codes.class() == Some(Class::IcpHit) {
            // Among their own kind these are the hits.
            entry.band = Band::Fresh;
        }
        self.span = Some(self.span.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
        self.kinds[usize::from(is_icp)].see(codes, time, &entry, &mut self.crowded);
        let second = time / 1000;
        if let Some(sums) = self.seconds.get_mut(&second) {
            sums[usize::from(is_icp)] += 1;
        } else if self.seconds.len() < SECONDS_MAX {
            self.seconds.entry(second).or_default()[usize::from(is_icp)] += 1;
        } else {
            self.crowded += 1;
        }
        let client = fields.client().unwrap_or_default();
        if is_icp {
            if has.has_client() {
                if self.icp_clients.len() < KEYS_MAX || self.icp_clients.contains_key(&client) {
                    self.icp_clients.entry(client).or_default().record(&entry);
                } else {
                    self.other_icp_clients.record(&entry);
                }
            }
            return;
        }
        if has.has_client() && fields.client().is_some() {
            let is_4 = client.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
            self.families[usize::from(!is_4)] += 1;
        }
        let is_hit = codes.is_hit();
        if entry.timed > 0 && codes.result.is_some() {
            self.times[usize::from(!is_hit)].record(entry.time_ms, &entry);
        }
        let bits = entry.bytes.checked_ilog2().map_or(0, |power| power as usize + 1);
        self.sizes[bits].record(&entry);
        let digits = entry.bytes.checked_ilog10().map_or(0, |power| power as usize + 1);
        self.decades[digits].record(&entry);
        self.step(&codes, time, &entry, fields.client());
        if let Some(route) = codes.route
            && route_class(route).0 != RouteClass::None
        {
            let server = if has.has_text(Text::Server) { fields.text(Text::Server) } else { &[] };
            let server: &[u8] = if server == b"-" { &[] } else { &server[..server.len().min(512)] };
            let key = (Box::from(server), route);
            if self.servers.len() < KEYS_MAX || self.servers.contains_key(&key) {
                self.servers.entry(key).or_default().record(&entry);
            } else {
                self.other_servers.record(&entry);
            }
        }
        if has.has_text(Text::Url) {
            if let Some(freshness) = codes.freshness() {
                let method = if has.has_text(Text::Method) { fields.text(Text::Method) } else { &[] };
                let mut lower = [0; 8];
                let extension = url::extension(fields.text(Text::Url), method, &mut lower);
                if let Some(sums) = self.extensions.get_mut(extension) {
                    sums[freshness as usize] += 1;
                } else if self.extensions.len() < KEYS_MAX {
                    self.extensions.entry(extension.into()).or_default()[freshness as usize] += 1;
                } else {
                    self.crowded += 1;
                }
            }
            self.urls.see(has, fields, &codes, &entry);
        }
    }

    fn step(&mut self, codes: &Codes, time: u64, entry: &Increment, client: Option<[u8; 16]>) {
        let at = time / self.step_ms;
        if self.steps.len() >= STEPS_MAX && !self.steps.contains_key(&at) {
            self.crowded += 1;
            return;
        }
        let step = self.steps.entry(at).or_insert_with(Step::new);
        step.total.record(entry);
        if let Some(client) = client {
            step.clients.insert(self.seed.hash_one(client));
        }
        if entry.timed == 0 {
            return;
        }
        let way = codes.route.and_then(|route| match route_class(route).0 {
            RouteClass::Direct => Some(2),
            RouteClass::PeerHit => Some(3),
            RouteClass::Parent => Some(4),
            _ => None,
        });
        for at in [codes.result.map(|_| usize::from(!codes.is_hit())), way].into_iter().flatten() {
            let sums = &mut step.by_way[at];
            *sums = (sums.0.saturating_add(entry.bytes), sums.1.saturating_add(entry.time_ms));
        }
    }

    /// Adds all of another one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.crowded += other.crowded;
        for (kind, more) in self.kinds.iter_mut().zip(&other.kinds) {
            kind.merge(more, &mut self.crowded);
        }
        for (second, more) in other.seconds {
            let sums = self.seconds.entry(second).or_default();
            *sums = [sums[0] + more[0], sums[1] + more[1]];
        }
        for (at, more) in other.steps {
            if self.steps.len() >= STEPS_MAX && !self.steps.contains_key(&at) {
                self.crowded += more.total.all_requests();
                continue;
            }
            let step = self.steps.entry(at).or_insert_with(Step::new);
            step.total.merge(&more.total);
            step.clients.merge(&more.clients);
            for (sum, more) in step.by_way.iter_mut().zip(more.by_way) {
                *sum = (sum.0.saturating_add(more.0), sum.1.saturating_add(more.1));
            }
        }
        for (sum, more) in self.times.iter_mut().zip(&other.times) {
            sum.merge(&more.packed());
        }
        for (sum, more) in self.sizes.iter_mut().zip(&other.sizes).chain(self.decades.iter_mut().zip(&other.decades)) {
            sum.merge(more);
        }
        for (key, more) in other.servers {
            self.servers.entry(key).or_default().merge(&more);
        }
        self.other_servers.merge(&other.other_servers);
        for (key, more) in other.extensions {
            let sums = self.extensions.entry(key).or_default();
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
        for (key, more) in other.icp_clients {
            self.icp_clients.entry(key).or_default().merge(&more);
        }
        self.other_icp_clients.merge(&other.other_icp_clients);
        self.urls = self.urls.and(other.urls);
        self.families = [self.families[0] + other.families[0], self.families[1] + other.families[1]];
        self.span = match (self.span, other.span) {
            (Some((first, last)), Some((other_first, other_last))) => {
                Some((first.min(other_first), last.max(other_last)))
            }
            (one, other) => one.or(other),
        };
        self
    }

    /// Ordinary entries by [`Freshness`].
    pub fn freshness(&self, wanted: Freshness) -> u64 {
        self.kinds[0].sum(|codes| codes.freshness() == Some(wanted)).all_requests()
    }

    /// The most requests of a kind (of both for `None`) in so many seconds of the clock on end, and the first of these seconds.
    pub fn peak(&self, kind: Option<usize>, seconds: u64) -> Option<(u64, u64)> {
        let mut sorted: Vec<(u64, u64)> = self
            .seconds
            .iter()
            .map(|(second, sums)| (*second, kind.map_or(sums[0] + sums[1], |kind| sums[kind]).into()))
            .filter(|(_, requests)| *requests > 0)
            .collect();
        sorted.sort_unstable();
        let (mut first, mut sum, mut best) = (0, 0, None);
        for &(second, requests) in &sorted {
            sum += requests;
            while sorted[first].0 + seconds <= second {
                sum -= sorted[first].1;
                first += 1;
            }
            if best.is_none_or(|(most, _)| sum > most) {
                best = Some((sum, (second + 1).saturating_sub(seconds)));
            }
        }
        best
    }
}

impl Step {
    fn new() -> Self {
        Self { total: Counts::default(), by_way: [(0, 0); 5], clients: Sketch::new(PRECISION) }
    }
}
