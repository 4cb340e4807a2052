//! Answers: what a request meets in the cache and at the origin, and how long that takes.
//!
//! Shares of all requests: 87 % hits, 5 of them refresh hits; 0.3 % in the error band; see the tests of the generator.

use super::random::{LogNormal, Rng};
use super::world::{Media, Site};

/// Largest answer: 2 GiB.
const MOST_BYTES: u64 = 1 << 31;
/// Of the hits, those that the origin had to confirm: 5 % of all requests.
const REFRESH_SHARE: f64 = 0.0575;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub site: &'a Site,
    pub media: Media,
    /// The object's scattered number.
    pub object: u64,
    /// Bytes of its body.
    pub size: u64,
    /// Probability that the cache can't answer.
    pub miss_share: f64,
    /// Bytes a millisecond that the client takes.
    pub speed: f64,
    /// The part of the site's objects that the cache still holds, while that isn't as usual.
    pub cached: Option<f64>,
    /// The origin answers with 503.
    pub origin_fails: bool,
}

/// What the log says of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Result code, a character.
    pub result: u8,
    /// Sent to the client; 0 is none.
    pub status: u16,
    /// Header and body.
    pub bytes: u64,
    /// Such as `GET`.
    pub method: &'static str,
    /// Hierarchy route, a character.
    pub route: u8,
    /// `-` is empty.
    pub content_type: &'static str,
    /// From the first byte of the request to the last of the answer.
    pub time_ms: i64,
}

/// Answers requests; keeps only the distributions of times, in milliseconds.
#[derive(Clone, Debug)]
pub struct Desk {
    memory: LogNormal,
    disk: LogNormal,
    refresh: LogNormal,
    parent: LogNormal,
    origin: LogNormal,
    abort: LogNormal,
    failing: LogNormal,
}

impl Desk {
    /// The usual times.
    pub fn new() -> Self {
        Self {
            memory: LogNormal::new(0.9, 0.8),
            disk: LogNormal::new(6.0, 0.9),
            refresh: LogNormal::new(58.0, 0.8),
            parent: LogNormal::new(39.0, 0.8),
            origin: LogNormal::new(142.0, 0.9),
            abort: LogNormal::new(840.0, 1.0),
            failing: LogNormal::new(3_000.0, 0.1),
        }
    }

    /// Draws the answer.
    pub fn answer(&self, request: &Request<'_>, rng: &mut Rng) -> Outcome {
        let roll = rng.unit();
        if roll < 0.0032 {
            return self.trouble(request, roll, rng);
        }
        let hit_share = (1.0 - request.miss_share) * request.cached.unwrap_or(1.0);
        if rng.unit() < hit_share {
            self.hit(request, rng)
        } else if request.origin_fails {
            self.failed(rng)
        } else {
            self.miss(request, rng)
        }
    }

    /// What goes wrong for reasons of its own; `roll` is even in `0..0.0032`.
    fn trouble(&self, request: &Request<'_>, roll: f64, rng: &mut Rng) -> Outcome {
        let page = |result, status, route, time_ms| Outcome {
            result,
            status,
            bytes: 420 + u64::from(low_byte(request.object)),
            method: "GET",
            route,
            content_type: "text/html",
            time_ms,
        };
        let time = self.failing.draw(rng.bits()) as i64;
        match roll {
            // The client went away, half of the time before anything was sent.
            ..0.0012 => {
                let sent = if rng.chance(0.5) { 0 } else { (request.size as f64 * rng.unit()) as u64 };
                Outcome {
                    result: b't',
                    status: if sent == 0 { 0 } else { 200 },
                    bytes: sent.min(MOST_BYTES),
                    content_type: if sent == 0 { "" } else { request.media.content_type() },
                    ..page(b't', 0, b'2', self.abort.draw(rng.bits()) as i64)
                }
            }
            ..0.0020 => page(b'u', 502, b'2', time),
            ..0.0024 => page(b'p', 504, b'j', 10 * time),
            ..0.0029 => page(b'c', 403, b'1', 0),
            _ => page(b'v', 400, b'1', 0),
        }
    }

    /// From cache, or confirmed by the origin.
    fn hit(&self, request: &Request<'_>, rng: &mut Rng) -> Outcome {
        let roll = rng.unit();
        let (result, route, time) = if roll < REFRESH_SHARE {
            // An origin that fails can't confirm: the old copy is served.
            let result = if request.origin_fails { b'6' } else { b'5' };
            (result, b'2', self.refresh.draw(rng.bits()))
        } else if roll < 0.11 {
            (b'9', b'1', self.memory.draw(rng.bits()))
        } else if roll < 0.12 {
            (b'F', b'2', self.origin.draw(rng.bits()))
        } else if roll < 0.42 {
            (b'1', b'1', self.disk.draw(rng.bits()))
        } else {
            (b'.', b'1', self.memory.draw(rng.bits()))
        };
        let unchanged = result == b'9' || (result == b'5' && rng.chance(0.3));
        self.object(request, result, route, time, unchanged, rng)
    }

    /// From the origin or a parent.
    fn miss(&self, request: &Request<'_>, rng: &mut Rng) -> Outcome {
        let (route, time) =
            if rng.chance(0.24) { (b'4', self.parent.draw(rng.bits())) } else { (b'2', self.origin.draw(rng.bits())) };
        let roll = rng.unit();
        if roll < 0.008 {
            let status = [500, 502, 503, 500][rng.below(4) as usize];
            return Outcome {
                result: b'3',
                status,
                bytes: 610,
                method: "GET",
                route,
                content_type: "text/html",
                time_ms: time as i64,
            };
        }
        if rng.unit() < request.site.kind.write_share() {
            return write(request, route, time, rng);
        }
        let result = match roll {
            ..0.08 => b'8',
            ..0.13 => b'7',
            ..0.16 => b'4',
            ..0.18 => b'a',
            _ => b'3',
        };
        let unchanged = result == b'a' && rng.chance(0.5);
        self.object(request, result, route, time, unchanged, rng)
    }

    /// An answer of the failing origin.
    fn failed(&self, rng: &mut Rng) -> Outcome {
        Outcome {
            result: if rng.chance(0.03) { b'u' } else { b'3' },
            status: 503,
            bytes: 540 + u64::from(rng.below(64)),
            method: "GET",
            route: b'2',
            content_type: "text/html",
            time_ms: self.failing.draw(rng.bits()) as i64,
        }
    }

    /// A read that is answered with the object, or with why not. What an object is depends on its number alone.
    fn object(
        &self,
        request: &Request<'_>,
        result: u8,
        route: u8,
        time: f64,
        unchanged: bool,
        rng: &mut Rng,
    ) -> Outcome {
        let header = 260 + u64::from(low_byte(request.object));
        let method = if rng.chance(0.014) { "HEAD" } else { "GET" };
        let nature = request.object >> 20 & 0x3ff;
        let (status, body, content_type) = if unchanged {
            (304, 0, "")
        } else if nature < 9 {
            (404, 900, "text/html")
        } else if nature < 14 {
            (if nature < 11 { 301 } else { 302 }, 0, "text/html")
        } else if request.media.is_ranged() && rng.chance(0.18) {
            let part = 0.1 + 0.5 * rng.unit();
            (206, (request.size as f64 * part) as u64, request.media.content_type())
        } else {
            (200, request.size, request.media.content_type())
        };
        let body = if method == "HEAD" { 0 } else { body.min(MOST_BYTES) };
        Outcome {
            result,
            status,
            bytes: header + body,
            method,
            route,
            content_type,
            time_ms: (time + body as f64 / request.speed) as i64,
        }
    }
}

/// A request that changes something, so no cache can answer it.
fn write(request: &Request<'_>, route: u8, time: f64, rng: &mut Rng) -> Outcome {
    let (method, status, content_type) = match rng.unit() {
        ..0.80 => ("POST", 200, "application/json"),
        ..0.96 => ("OPTIONS", 204, ""),
        ..0.985 => ("PUT", 201, "application/json"),
        ..0.995 => ("DELETE", 204, ""),
        _ => ("PURGE", 200, ""),
    };
    let body = if content_type.is_empty() { 0 } else { 40 + request.size.min(4_000) / 2 };
    Outcome {
        result: b'3',
        status,
        bytes: 240 + u64::from(low_byte(request.object)) + body,
        method,
        route,
        content_type,
        time_ms: time as i64,
    }
}

/// The lowest byte: sizes of headers differ by object.
fn low_byte(object: u64) -> u8 {
    object as u8
}
