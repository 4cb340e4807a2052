//! The generator: a seed and a time become log entries, in the order of their time.
//!
//! Every second is drawn on its own from the seed and its Unix time, so where a caller stops between two entries changes
//! nothing, and the same plan gives the same entries on every run of one build.

use super::outcome::{Desk, Outcome, Request};
use super::path::push_path;
use super::random::{Rng, mix};
use super::world::{FAILING_SITE, NODES, World};
use crate::wire::encode::Value;
use std::net::IpAddr;
use std::time::Duration;

/// Seconds from the start of the real-time part to the failure of one origin.
pub const INCIDENT_AFTER: i64 = 120;
/// Seconds that the failure lasts.
pub const INCIDENT_SECONDS: i64 = 900;
/// The fields of [`Entry::values`]: Traffic Server 8.0's squid format.
pub const FIELD_LIST: &[u8] = b"cqtq,ttms,chi,crc,pssc,psql,cqhm,cquc,caun,phr,shn,psct";
/// Its print template.
pub const PRINT_TEMPLATE: &[u8] = b"\xff \xff \xff \xff/\xff \xff \xff \xff \xff \xff/\xff \xff";

/// What decides every entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Start of all chance.
    pub seed: u64,
    /// Unix seconds at which the real-time part starts.
    pub start: i64,
    /// Entries a second that waves and bursts move around.
    pub rate: u32,
    /// The first entries are this much older than `start`.
    pub history: Duration,
}

/// One entry; texts are borrowed from the generator until the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Index into [`NODES`] of the node that answered.
    pub node: usize,
    /// When the answer was complete: Unix seconds.
    pub seconds: i64,
    /// And what is over, below 1 000 000.
    pub microseconds: i32,
    /// Rank of the client, from 0.
    pub client_rank: usize,
    /// Rank of the site, from 0.
    pub site_rank: usize,
    /// Who asked.
    pub client: IpAddr,
    /// Whole URL.
    pub url: &'a [u8],
    /// Where the answer came from; `-` is empty.
    pub server: &'a [u8],
    /// What became of the request.
    pub outcome: Outcome,
}

impl Entry<'_> {
    /// Its values in the order of [`FIELD_LIST`].
    pub fn values(&self) -> [Value<'_>; 12] {
        let outcome = &self.outcome;
        let end_ms = self.seconds * 1000 + i64::from(self.microseconds / 1000);
        [
            Value::Int(end_ms - outcome.time_ms),
            Value::Int(outcome.time_ms),
            Value::Ip(Some(self.client)),
            Value::Int(i64::from(outcome.result)),
            Value::Int(i64::from(outcome.status)),
            Value::Int(outcome.bytes as i64),
            Value::Text(outcome.method.as_bytes()),
            Value::Text(self.url),
            Value::Text(b""),
            Value::Int(i64::from(outcome.route)),
            Value::Text(self.server),
            Value::Text(outcome.content_type.as_bytes()),
        ]
    }
}

/// Extra requests of a short time.
#[derive(Clone, Copy, Debug)]
enum Burst {
    /// Many clients want one object of this site.
    Object { site: usize },
    /// One client fetches all it can of this site.
    Crawl { client: usize, site: usize },
}

/// The second that is being given out.
#[derive(Clone, Debug)]
struct Second {
    unix: i64,
    rng: Rng,
    count: u64,
    given: u64,
    /// Unix microseconds of the next entry.
    next_at: i64,
    /// Shares of the entries that are retries of the failing site, and of a burst.
    retry_share: f64,
    burst_share: f64,
    burst: Option<Burst>,
}

/// Gives entry after entry.
#[derive(Clone, Debug)]
pub struct Generator {
    plan: Plan,
    world: World,
    desk: Desk,
    failing_share: f64,
    second: Second,
    url: Vec<u8>,
    server: Vec<u8>,
}

impl Generator {
    /// Stands before the first entry of the history.
    pub fn new(plan: Plan) -> Self {
        let world = World::new(plan.seed);
        let failing_share = world.site_share(FAILING_SITE);
        let history = i64::try_from(plan.history.as_secs()).unwrap_or(i64::MAX);
        let mut generator = Self {
            plan,
            world,
            desk: Desk::new(),
            failing_share,
            second: Second {
                unix: 0,
                rng: Rng::new(0),
                count: 0,
                given: 0,
                next_at: 0,
                retry_share: 0.0,
                burst_share: 0.0,
                burst: None,
            },
            url: Vec::with_capacity(256),
            server: Vec::with_capacity(64),
        };
        generator.begin(plan.start.saturating_sub(history));
        generator
    }

    /// What it was made from.
    pub fn plan(&self) -> Plan {
        self.plan
    }

    /// The registrable domains of the sites, most requested first.
    pub fn site_names(&self) -> impl Iterator<Item = &str> {
        self.world.sites.iter().map(|site| site.name.as_str())
    }

    /// The next entry, if its time is before `until_ms` (Unix milliseconds).
    pub fn next_before(&mut self, until_ms: i64) -> Option<Entry<'_>> {
        let until = until_ms.saturating_mul(1000);
        while self.second.given == self.second.count {
            let next = self.second.unix + 1;
            if next.saturating_mul(1_000_000) >= until {
                return None;
            }
            self.begin(next);
        }
        (self.second.next_at < until).then(|| self.draw())
    }

    /// Makes `unix` the second that is given out.
    fn begin(&mut self, unix: i64) {
        let mut rng = Rng::new(self.plan.seed ^ mix(unix as u64));
        let base = f64::from(self.plan.rate) * wave(unix - self.plan.start);
        let retries = base * self.failing_share * demand(unix - self.incident());
        let (burst, strength) = self.burst(unix).map_or((None, 0.0), |(burst, strength)| (Some(burst), strength));
        let bursting = base * strength;
        let all = base + retries + bursting;
        self.second = Second {
            unix,
            count: (all + rng.unit()) as u64,
            given: 0,
            next_at: 0,
            retry_share: retries / all,
            burst_share: bursting / all,
            burst,
            rng,
        };
        self.place_next();
    }

    /// Draws the time of the next entry: spread evenly over the second, each somewhere in its own part.
    fn place_next(&mut self) {
        let second = &mut self.second;
        if second.given < second.count {
            let place = (second.given as f64 + second.rng.unit()) / second.count as f64;
            second.next_at = second.unix * 1_000_000 + ((place * 1e6) as i64).min(999_999);
        }
    }

    fn draw(&mut self) -> Entry<'_> {
        let at = self.second.next_at;
        let since_incident = self.second.unix - self.incident();
        let rng = &mut self.second.rng;
        let world = &self.world;

        let mut client_rank = world.draw_client(rng);
        let mut place = rng.unit();
        let kind = rng.unit();
        let site_rank = if kind < self.second.retry_share {
            FAILING_SITE
        } else if kind < self.second.retry_share + self.second.burst_share {
            match self.second.burst {
                Some(Burst::Object { site }) => {
                    place = 0.0;
                    site
                }
                Some(Burst::Crawl { client, site }) => {
                    client_rank = client;
                    site
                }
                None => world.draw_site(client_rank, rng),
            }
        } else {
            world.draw_site(client_rank, rng)
        };
        let client = &world.clients[client_rank];
        let site = &world.sites[site_rank];
        let rank = (place * site.log_objects).exp() as u64;
        let object = mix(site.salt ^ rank);
        let media = site.media(object);
        let root = (object >> 40) as usize % site.roots.len();

        let request = Request {
            site,
            media,
            object,
            size: world.size(media, object),
            // Popular objects are in cache more often; the mean over all draws is the site's own share.
            miss_share: site.miss_share * (0.4 + 1.2 * place),
            speed: client.speed,
            cached: (site_rank == FAILING_SITE).then(|| kept(since_incident)),
            origin_fails: site_rank == FAILING_SITE && (0..INCIDENT_SECONDS).contains(&since_incident),
        };
        let outcome = self.desk.answer(&request, rng);

        self.url.clear();
        self.url.extend_from_slice(site.roots[root].as_bytes());
        push_path(&mut self.url, site.kind, media, rank, object, self.second.unix);
        self.server.clear();
        match outcome.route {
            b'2' if outcome.result != b'F' => self.server.extend_from_slice(site.host(root).as_bytes()),
            b'4' => self.server.extend_from_slice(b"parent.example"),
            _ => {}
        }

        let half = NODES.len() / 2;
        let region = if rng.chance(0.92) { client.region } else { 1 - client.region };
        let node = region * half + rng.below(half as u32) as usize;
        self.second.given += 1;
        self.place_next();
        Entry {
            node,
            seconds: at.div_euclid(1_000_000),
            microseconds: at.rem_euclid(1_000_000) as i32,
            client_rank,
            site_rank,
            client: self.world.clients[client_rank].address,
            url: &self.url,
            server: &self.server,
            outcome,
        }
    }

    /// Unix seconds at which the origin fails.
    fn incident(&self) -> i64 {
        self.plan.start.saturating_add(INCIDENT_AFTER)
    }

    /// The burst of that second and its share of the usual rate: at most one in ten minutes, none around the incident.
    fn burst(&self, unix: i64) -> Option<(Burst, f64)> {
        const PERIOD: i64 = 600;
        if (-60..INCIDENT_SECONDS + 60).contains(&(unix - self.incident())) {
            return None;
        }
        let mut rng = Rng::new(self.plan.seed ^ mix(!(unix.div_euclid(PERIOD) as u64)));
        let from = i64::from(rng.below(480));
        let seconds = 20 + i64::from(rng.below(100));
        let strength = 0.03 + 0.07 * rng.unit();
        let site = 4 + rng.below(150) as usize;
        let burst = if rng.chance(0.6) {
            Burst::Object { site }
        } else {
            Burst::Crawl { client: 40 + rng.below(2_000) as usize, site }
        };
        (from..from + seconds).contains(&unix.rem_euclid(PERIOD)).then_some((burst, strength))
    }
}

/// The rate's slow waves, 1 at the start of the real-time part: a day and a quarter of an hour.
fn wave(since_start: i64) -> f64 {
    let turn = |period: f64| (since_start as f64 / period * std::f64::consts::TAU).sin();
    1.0 + 0.25 * turn(86_400.0) + 0.04 * turn(1_020.0)
}

/// How much of the failing site the cache still answers, of what it usually does.
fn kept(since_incident: i64) -> f64 {
    const LEAST: f64 = 0.15;
    let since = since_incident as f64;
    let end = INCIDENT_SECONDS as f64;
    if since < 0.0 {
        1.0
    } else if since < end {
        LEAST.max((-since / 170.0).exp())
    } else {
        1.0 - (1.0 - LEAST) * (-(since - end) / 90.0).exp()
    }
}

/// How many more requests the failing site gets, of what it usually does: clients ask again.
fn demand(since_incident: i64) -> f64 {
    if (0..INCIDENT_SECONDS).contains(&since_incident) { 0.9 * (1.0 - kept(since_incident)) } else { 0.0 }
}
