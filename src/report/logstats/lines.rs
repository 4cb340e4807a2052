//! Lines: the report's keys, labels and order, and which counters each line adds up (spec/logstats-report.md 7).

use super::class::slot;
use super::counters::{Count, Counters};

/// A line of counts.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    /// Name in JSON.
    pub key: &'static str,
    /// Name in text.
    pub label: &'static str,
    from: u8,
    end: u8,
    is_new: bool,
}

/// One counter.
const fn one(key: &'static str, label: &'static str, slot: u8) -> Line {
    sum(key, label, slot, slot + 1)
}

/// The sum of neighbours.
const fn sum(key: &'static str, label: &'static str, from: u8, end: u8) -> Line {
    Line { key, label, from, end, is_new: false }
}

/// A line for which nothing is ever counted.
const fn never(key: &'static str, label: &'static str) -> Line {
    sum(key, label, 0, 0)
}

/// A line that came with 10.2.
const fn new(line: Line) -> Line {
    Line { is_new: true, ..line }
}

impl Line {
    /// Does the report of that generation have the line?
    pub fn is_shown(&self, has_new: bool) -> bool {
        has_new || !self.is_new
    }

    /// The line's figures.
    pub fn of(&self, counters: &Counters) -> Count {
        counters.sum(self.from, self.end)
    }
}

/// Lines under one heading, in groups.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// Heading of the text.
    pub title: &'static str,
    /// Groups, with an empty line between them.
    pub groups: &'static [&'static [Line]],
}

/// All blocks but the times, in order.
pub const BLOCKS: &[Block] = &[
    Block { title: "Request Result", groups: &[HITS, MISSES, ERRORS] },
    Block { title: "HTTP return codes", groups: &[OK, REDIRECTS, REFUSED, FAILED, STRANGE] },
    Block { title: "Origin hierarchies", groups: &[ROUTES] },
    Block { title: "HTTP Methods", groups: &[METHODS] },
    Block { title: "URL Schemes", groups: &[SCHEMES] },
    Block { title: "Protocols", groups: &[PROTOCOLS] },
    Block { title: "Content Types", groups: &[TEXTS, IMAGES, AUDIO, APPLICATIONS, OTHERS] },
];

/// Keys and labels of the times, in the order of [`super::counters::TIMES`].
pub const TIMES: [(&str, &str); super::counters::TIMES] = [
    ("hit.direct.latency", "Cache hit"),
    ("hit.ram.latency", "Cache hit RAM"),
    ("hit.rww.latency", "Cache hit RWW"),
    ("hit.ims.latency", "Cache hit IMS"),
    ("hit.refresh.latency", "Cache hit refresh"),
    ("hit.other.latency", "Cache hit other"),
    ("hit.total.latency", "Cache hit total"),
    ("miss.direct.latency", "Cache miss"),
    ("miss.ims.latency", "Cache miss IMS"),
    ("miss.refresh.latency", "Cache miss refresh"),
    ("miss.other.latency", "Cache miss other"),
    ("miss.total.latency", "Cache miss total"),
];

/// What the summary shows of each origin.
pub const SUMMARY: [Line; 3] = [HITS[6], MISSES[4], ERRORS[6]];

/// All that was counted.
pub const TOTAL: Line = sum("", "Total requests", slot::HITS, slot::RESULTS_END);

const HITS: &[Line] = &[
    one("hit.direct", "Cache hit", slot::HITS),
    one("hit.ram", "Cache hit RAM", slot::HITS + 1),
    one("hit.rww", "Cache hit RWW", slot::HITS + 2),
    one("hit.ims", "Cache hit IMS", slot::HITS + 3),
    one("hit.refresh", "Cache hit refresh", slot::HITS + 4),
    one("hit.other", "Cache hit other", slot::HITS + 5),
    sum("hit.total", "Cache hit total", slot::HITS, slot::MISSES),
];

const MISSES: &[Line] = &[
    one("miss.direct", "Cache miss", slot::MISSES),
    one("miss.ims", "Cache miss IMS", slot::MISSES + 1),
    one("miss.refresh", "Cache miss refresh", slot::MISSES + 2),
    one("miss.other", "Cache miss other", slot::MISSES + 3),
    sum("miss.total", "Cache miss total", slot::MISSES, slot::ERRORS),
];

const ERRORS: &[Line] = &[
    one("error.client_abort", "Client aborted", slot::ERRORS),
    one("error.client_read_error", "Client read error", slot::ERRORS + 1),
    one("error.connect_failed", "Connect failed", slot::ERRORS + 2),
    one("error.invalid_request", "Invalid request", slot::ERRORS + 3),
    one("error.unknown", "Unknown error(99)", slot::ERRORS + 4),
    one("error.other", "Other errors", slot::ERRORS + 5),
    sum("error.total", "Errors total", slot::ERRORS, slot::RESULT_OTHER),
];

const OK: &[Line] = &[
    one("status.100", "100 Continue", slot::STATUS_100),
    one("status.200", "200 OK", slot::STATUS_200),
    one("status.201", "201 Created", slot::STATUS_200 + 1),
    one("status.202", "202 Accepted", slot::STATUS_200 + 2),
    one("status.203", "203 Non-Authoritative Info", slot::STATUS_200 + 3),
    one("status.204", "204 No content", slot::STATUS_200 + 4),
    one("status.205", "205 Reset Content", slot::STATUS_200 + 5),
    one("status.206", "206 Partial content", slot::STATUS_200 + 6),
    sum("status.2xx", "2xx Total", slot::STATUS_200, slot::STATUS_300),
];

const REDIRECTS: &[Line] = &[
    one("status.300", "300 Multiple Choices", slot::STATUS_300),
    one("status.301", "301 Moved permanently", slot::STATUS_300 + 1),
    one("status.302", "302 Found", slot::STATUS_300 + 2),
    one("status.303", "303 See Other", slot::STATUS_300 + 3),
    one("status.304", "304 Not modified", slot::STATUS_300 + 4),
    one("status.305", "305 Use Proxy", slot::STATUS_300 + 5),
    one("status.307", "307 Temporary Redirect", slot::STATUS_300 + 6),
    sum("status.3xx", "3xx Total", slot::STATUS_300, slot::STATUS_400),
];

const REFUSED: &[Line] = &[
    one("status.400", "400 Bad request", slot::STATUS_400),
    one("status.401", "401 Unauthorized", slot::STATUS_400 + 1),
    one("status.402", "402 Payment Required", slot::STATUS_400 + 2),
    one("status.403", "403 Forbidden", slot::STATUS_400 + 3),
    one("status.404", "404 Not found", slot::STATUS_400 + 4),
    one("status.405", "405 Method Not Allowed", slot::STATUS_400 + 5),
    one("status.406", "406 Not Acceptable", slot::STATUS_400 + 6),
    one("status.407", "407 Proxy Auth Required", slot::STATUS_400 + 7),
    one("status.408", "408 Request Timeout", slot::STATUS_400 + 8),
    one("status.409", "409 Conflict", slot::STATUS_400 + 9),
    one("status.410", "410 Gone", slot::STATUS_400 + 10),
    one("status.411", "411 Length Required", slot::STATUS_400 + 11),
    one("status.412", "412 Precondition Failed", slot::STATUS_400 + 12),
    one("status.413", "413 Request Entity Too Large", slot::STATUS_400 + 13),
    one("status.414", "414 Request-URI Too Long", slot::STATUS_400 + 14),
    one("status.415", "415 Unsupported Media Type", slot::STATUS_400 + 15),
    one("status.416", "416 Req Range Not Satisfiable", slot::STATUS_400 + 16),
    one("status.417", "417 Expectation Failed", slot::STATUS_400 + 17),
    new(one("status.429", "429 Too Many Requests", slot::STATUS_400 + 18)),
    sum("status.4xx", "4xx Total", slot::STATUS_400, slot::STATUS_500),
];

const FAILED: &[Line] = &[
    one("status.500", "500 Internal Server Error", slot::STATUS_500),
    one("status.501", "501 Not implemented", slot::STATUS_500 + 1),
    one("status.502", "502 Bad gateway", slot::STATUS_500 + 2),
    one("status.503", "503 Service unavailable", slot::STATUS_500 + 3),
    one("status.504", "504 Gateway Timeout", slot::STATUS_500 + 4),
    one("status.505", "505 HTTP Ver. Not Supported", slot::STATUS_500 + 5),
    sum("status.5xx", "5xx Total", slot::STATUS_500, slot::STATUS_100),
];

const STRANGE: &[Line] = &[sum("status.000", "000 Unknown", slot::STATUS_100, slot::ROUTES)];

const ROUTES: &[Line] = &[
    one("hier.none", "NONE", slot::ROUTES),
    one("hier.direct", "DIRECT", slot::DIRECT),
    one("hier.sibling", "SIBLING", slot::ROUTES + 2),
    one("hier.parent", "PARENT", slot::PARENT),
    one("hier.empty", "EMPTY", slot::ROUTES + 4),
    one("hier.invalid", "invalid", slot::ROUTES + 5),
    one("hier.other", "other", slot::ROUTES + 6),
];

const METHODS: &[Line] = &[
    one("method.options", "OPTIONS", slot::METHODS),
    one("method.get", "GET", slot::METHODS + 1),
    one("method.head", "HEAD", slot::METHODS + 2),
    one("method.post", "POST", slot::METHODS + 3),
    one("method.put", "PUT", slot::METHODS + 4),
    one("method.delete", "DELETE", slot::METHODS + 5),
    never("method.trace", "TRACE"),
    never("method.connect", "CONNECT"),
    one("method.purge", "PURGE", slot::METHODS + 6),
    one("method.none", "none (-)", slot::METHODS + 7),
    one("method.other", "other", slot::METHODS + 8),
];

const SCHEMES: &[Line] = &[
    one("scheme.http", "HTTP (port 80)", slot::SCHEMES),
    one("scheme.https", "HTTPS (port 443)", slot::SCHEMES + 1),
    one("scheme.none", "none", slot::SCHEMES + 2),
    one("scheme.other", "other", slot::SCHEMES + 3),
];

const PROTOCOLS: &[Line] =
    &[one("proto.ipv4", "IPv4", slot::PROTOCOLS), one("proto.ipv6", "IPv6", slot::PROTOCOLS + 1)];

const TEXTS: &[Line] = &[
    one("content.text.javascript", "text/javascript", slot::TEXTS),
    one("content.text.css", "text/css", slot::TEXTS + 1),
    one("content.text.html", "text/html", slot::TEXTS + 2),
    one("content.text.xml", "text/xml", slot::TEXTS + 3),
    one("content.text.plain", "text/plain", slot::TEXTS + 4),
    one("content.text.other", "text/ other", slot::TEXTS + 5),
    sum("content.text.total", "text/ total", slot::TEXTS, slot::IMAGES),
];

const IMAGES: &[Line] = &[
    one("content.image.jpeg", "image/jpeg", slot::IMAGES),
    one("content.image.gif", "image/gif", slot::IMAGES + 1),
    one("content.image.png", "image/png", slot::IMAGES + 2),
    one("content.image.bmp", "image/bmp", slot::IMAGES + 3),
    one("content.image.other", "image/ other", slot::IMAGES + 4),
    sum("content.image.total", "image/ total", slot::IMAGES, slot::AUDIO),
];

const AUDIO: &[Line] = &[
    one("content.audio.x-wav", "audio/x-wav", slot::AUDIO),
    one("content.audio.x-mpeg", "audio/x-mpeg", slot::AUDIO + 1),
    one("content.audio.other", "audio/ other", slot::AUDIO + 2),
    sum("content.audio.total", "audio/ total", slot::AUDIO, slot::APPLICATIONS),
];

const APPLICATIONS: &[Line] = &[
    one("content.application.shockwave", "application/x-shockwave", slot::APPLICATIONS),
    one("content.application.javascript", "application/[x-]javascript", slot::APPLICATIONS + 1),
    one("content.application.quicktime", "application/x-quicktime", slot::APPLICATIONS + 2),
    one("content.application.zip", "application/zip", slot::APPLICATIONS + 3),
    one("content.application.rss_xml", "application/rss+xml", slot::APPLICATIONS + 4),
    one("content.application.rss_atom", "application/rss+atom", slot::APPLICATIONS + 5),
    one("content.application.other", "application/ other", slot::APPLICATIONS + 6),
    sum("content.application.total", "application/ total", slot::APPLICATIONS, slot::CONTENT_NONE),
];

const OTHERS: &[Line] =
    &[one("content.none", "none", slot::CONTENT_NONE), one("content.other", "other", slot::CONTENT_OTHER)];
