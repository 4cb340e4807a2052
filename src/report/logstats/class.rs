//! Classes: which counter a value counts in. The rules are Traffic Server's own, kept as they are (spec/logstats-report.md 3 to 6).

/// Counters, by number. Those that are summed in a line of the report are neighbours.
pub mod slot {
    /// Cache hits: direct, RAM, RWW, IMS, refresh, other.
    pub const HITS: u8 = 0;
    /// Cache misses: direct, IMS, refresh, other.
    pub const MISSES: u8 = 6;
    /// Errors: client abort, client read error, connect failed, invalid request, unknown, other.
    pub const ERRORS: u8 = 10;
    /// Results in none of these, which no line shows.
    pub const RESULT_OTHER: u8 = 16;
    /// Behind the last result.
    pub const RESULTS_END: u8 = 17;
    /// Status 200 to 206.
    pub const STATUS_200: u8 = 17;
    /// Other status of the hundred.
    pub const STATUS_2XX: u8 = 24;
    /// Status 300 to 305, then 307.
    pub const STATUS_300: u8 = 25;
    /// Other status of the hundred.
    pub const STATUS_3XX: u8 = 32;
    /// Status 400 to 417, then 429.
    pub const STATUS_400: u8 = 33;
    /// Other status of the hundred.
    pub const STATUS_4XX: u8 = 52;
    /// Status 500 to 505.
    pub const STATUS_500: u8 = 53;
    /// Other status of the hundred.
    pub const STATUS_5XX: u8 = 59;
    /// Status 100, which is a part of the next line, too.
    pub const STATUS_100: u8 = 60;
    /// Other status below 200 or from 600.
    pub const STATUS_000: u8 = 61;
    /// Hierarchy: none, direct, sibling, parent, empty, invalid, other.
    pub const ROUTES: u8 = 62;
    /// See [`ROUTES`].
    pub const DIRECT: u8 = ROUTES + 1;
    /// See [`ROUTES`].
    pub const PARENT: u8 = ROUTES + 3;
    /// Methods: options, get, head, post, put, delete, purge, none, other.
    pub const METHODS: u8 = 69;
    /// Schemes: http, https, none, other.
    pub const SCHEMES: u8 = 78;
    /// IPv4, IPv6.
    pub const PROTOCOLS: u8 = 82;
    /// Texts: javascript, css, html, xml, plain, other.
    pub const TEXTS: u8 = 84;
    /// Images: jpeg, gif, png, bmp, other.
    pub const IMAGES: u8 = 90;
    /// Audio: wav, mpeg, other.
    pub const AUDIO: u8 = 95;
    /// Applications: shockwave, javascript, quicktime, zip, rss+xml, rss+atom, other, and other rss, which no line shows.
    pub const APPLICATIONS: u8 = 98;
    /// No content type.
    pub const CONTENT_NONE: u8 = 106;
    /// Any other content type.
    pub const CONTENT_OTHER: u8 = 107;
    /// How many there are.
    pub const COUNT: usize = 108;
}

/// The counter of a result; `None` drops the whole entry.
#[inline]
pub fn result(code: i64) -> Option<u8> {
    const NONE: u8 = u8::MAX;
    const SLOTS: [u8; 256] = {
        let mut slots = [NONE; 256];
        let mut code = 32;
        while code < 256 {
            slots[code] = match code as u8 {
                b'1' => slot::HITS,
                b'.' => slot::HITS + 1,
                b'F' => slot::HITS + 2,
                b'9' => slot::HITS + 3,
                b'5' => slot::HITS + 4,
                b'2' | b'6' | b'g' | b'h' | b'i' => slot::HITS + 5,
                b'3' => slot::MISSES,
                b'a' => slot::MISSES + 1,
                b'7' => slot::MISSES + 2,
                b'4' | b'd' | b'j' => slot::MISSES + 3,
                b't' => slot::ERRORS,
                b'J' => slot::ERRORS + 1,
                b'u' => slot::ERRORS + 2,
                b'v' => slot::ERRORS + 3,
                b'Z' => slot::ERRORS + 4,
                b'p'.. => slot::ERRORS + 5,
                _ => slot::RESULT_OTHER,
            };
            code += 1;
        }
        slots
    };
    let slot = *SLOTS.get(usize::try_from(code as i32).ok()?)?;
    (slot != NONE).then_some(slot)
}

/// What a result is in the report by URL; not all errors of the other report are errors here.
#[inline]
pub fn outcome(code: i64) -> Option<Outcome> {
    match result(code) {
        Some(slot::HITS..slot::MISSES) => Some(Outcome::Hit),
        Some(slot::MISSES..slot::ERRORS) => Some(Outcome::Miss),
        _ => matches!(code as i32 as u8, b't' | b'J' | b'u' | b'v' | b'Z' | b'p').then_some(Outcome::Error),
    }
}

/// See [`outcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Served from cache.
    Hit = 0,
    /// Not served from cache.
    Miss = 1,
    /// Failed.
    Error = 2,
}

/// The counter of a status; `None` drops the whole entry.
#[inline]
pub fn status(code: i64) -> Option<u8> {
    const SLOTS: [u8; 1000] = {
        let mut slots = [0; 1000];
        let mut code = 0;
        while code < 1000 {
            slots[code] = match code {
                100 => slot::STATUS_100,
                200..=206 => slot::STATUS_200 + (code - 200) as u8,
                300..=305 => slot::STATUS_300 + (code - 300) as u8,
                307 => slot::STATUS_300 + 6,
                400..=417 => slot::STATUS_400 + (code - 400) as u8,
                429 => slot::STATUS_400 + 18,
                500..=505 => slot::STATUS_500 + (code - 500) as u8,
                200..300 => slot::STATUS_2XX,
                300..400 => slot::STATUS_3XX,
                400..500 => slot::STATUS_4XX,
                500..600 => slot::STATUS_5XX,
                _ => slot::STATUS_000,
            };
            code += 1;
        }
        slots
    };
    SLOTS.get(usize::try_from(code as i32).ok()?).copied()
}

/// The hundred of a status, 2 to 5; 0 for every other. `None` drops the whole entry.
#[inline]
pub fn hundred(code: i64) -> Option<u8> {
    match code as i32 {
        code @ 200..600 => Some((code / 100) as u8),
        0..1000 => Some(0),
        _ => None,
    }
}

/// The counter of a hierarchy code.
#[inline]
pub fn route(code: i64) -> u8 {
    slot::ROUTES
        + match u8::try_from(code as i32) {
            Ok(b'1') => 0,
            Ok(b'2') => 1,
            Ok(b'3') => 2,
            Ok(b'4') => 3,
            Ok(b'0') => 4,
            Ok(b'5'..=b'y') => 6,
            _ => 5,
        }
}

/// The counter of a method, and whether the URL behind it is analysed.
#[inline]
pub fn method(method: &[u8]) -> (u8, bool) {
    let (number, analysed) = match method {
        b"GET" => (1, true),
        b"PUT" => (4, true),
        _ if method.starts_with(b"HEAD") => (2, true),
        _ if method.starts_with(b"POST") => (3, true),
        b"PURGE" => (6, true),
        b"DELETE" => (5, true),
        b"OPTIONS" => (0, true),
        b"-" => (7, false),
        _ => (8, method.iter().all(u8::is_ascii_uppercase)),
    };
    (slot::METHODS + number, analysed)
}

/// The counter of a URL's scheme, and its origin; empty if there is none.
#[inline]
pub fn url(url: &[u8], analysed: bool) -> (u8, &[u8]) {
    const HTTP: u8 = slot::SCHEMES;
    const HTTPS: u8 = slot::SCHEMES + 1;
    const NONE: u8 = slot::SCHEMES + 2;
    const OTHER: u8 = slot::SCHEMES + 3;
    if !analysed {
        return (if url.first() == Some(&b'/') { NONE } else { OTHER }, b"");
    }
    let (scheme, rest) = match url {
        [b'h', b't', b't', b'p', b':', ..] => (HTTP, url.get(7..)),
        [b'h', b't', b't', b'p', b's', ..] => (HTTPS, url.get(8..)),
        [b'h', b't', b't', b'p', rest @ ..] => (OTHER, Some(rest)),
        [b'/', ..] => (NONE, Some(url)),
        _ => (OTHER, Some(url)),
    };
    let rest = rest.unwrap_or_default();
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    (scheme, memchr::memchr(b'/', rest).map_or(rest, |end| &rest[..end]))
}

/// The counter of a content type.
#[inline]
pub fn content(text: &[u8]) -> u8 {
    let behind = |at: usize| text.get(at..).unwrap_or_default();
    if text.starts_with(b"imag") {
        let kind = behind(6);
        slot::IMAGES
            + match kind {
                b"jpg" => 0,
                b"gif" => 1,
                b"png" => 2,
                b"bmp" => 3,
                _ if kind.starts_with(b"jpeg") => 0,
                _ => 4,
            }
    } else if text.starts_with(b"text") {
        let kind = behind(5);
        slot::TEXTS
            + match kind {
                b"css" => 1,
                b"xml" => 3,
                _ if kind.starts_with(b"java") => 0,
                _ if kind.starts_with(b"html") => 2,
                _ if kind.starts_with(b"plai") => 4,
                _ => 5,
            }
    } else if text.starts_with(b"application") {
        let kind = behind(12);
        slot::APPLICATIONS
            + match kind {
                b"zip" => 3,
                b"rss+xml" => 4,
                b"rss+atom" => 5,
                b"x-shockwave-flash" => 0,
                b"x-quicktimeplayer" => 2,
                _ if kind.starts_with(b"java") || kind.starts_with(b"x-ja") => 1,
                _ if kind.starts_with(b"rss+") => 7,
                _ => 6,
            }
    } else if text.starts_with(b"audio") {
        slot::AUDIO
            + match behind(6) {
                b"x-wav" | b"wav" => 0,
                b"x-mpeg" | b"mpeg" => 1,
                _ => 2,
            }
    } else if text.first() == Some(&b'-') {
        slot::CONTENT_NONE
    } else {
        slot::CONTENT_OTHER
    }
}

#[cfg(test)]
mod tests;
