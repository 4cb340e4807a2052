//! Made-up logs that have what no captured one has: every code with every other, inter-cache entries, requests of hours and of no time,
//! negative numbers, formats that lack fields.

use visulate::wire::encode::{Header, SegmentWriter, Value};

use super::printed::Entry;

/// All results (spec/statistics.md 2.1; names as printed).
const RESULTS: [(char, &str); 55] = [
    ('0', "UNDEFINED"),
    ('1', "TCP_HIT"),
    ('2', "TCP_DISK_HIT"),
    ('.', "TCP_MEM_HIT"),
    ('F', "TCP_CF_HIT"),
    ('9', "TCP_IMS_HIT"),
    ('5', "TCP_REFRESH_HIT"),
    ('6', "TCP_REFRESH_FAIL_HIT"),
    ('[', "TCP_HIT_REDIRECT"),
    ('<', "TCP_HIT_X_REDIRECT"),
    ('3', "TCP_MISS"),
    ('4', "TCP_EXPIRED_MISS"),
    ('7', "TCP_REFRESH_MISS"),
    ('8', "TCP_CLIENT_REFRESH_MISS"),
    ('a', "TCP_IMS_MISS"),
    ('b', "TCP_SWAPFAIL_MISS"),
    ('d', "TCP_WEBFETCH_MISS"),
    (']', "TCP_MISS_REDIRECT"),
    ('>', "TCP_MISS_X_REDIRECT"),
    ('c', "TCP_DENIED"),
    ('G', "ERR_PROXY_DENIED"),
    ('t', "ERR_CLIENT_ABORT"),
    ('J', "ERR_CLIENT_READ_ERROR"),
    ('v', "ERR_INVALID_REQ"),
    ('w', "ERR_UNSUP_REQ"),
    ('x', "ERR_INVALID_URL"),
    ('L', "ERR_POST_ENTITY_TOO_LARGE"),
    ('u', "ERR_CONNECT_FAIL"),
    ('z', "ERR_DNS_FAIL"),
    ('p', "ERR_READ_TIMEOUT"),
    ('q', "ERR_LIFETIME_EXP"),
    ('T', "ERR_TUN_ACTIVE_TIMEOUT"),
    ('s', "ERR_READ_ERROR"),
    ('B', "ERR_CANNOT_FETCH"),
    ('E', "ERR_ZERO_SIZE_OBJECT"),
    ('C', "ERR_NO_RELAY"),
    ('D', "ERR_DISK_IO"),
    ('y', "ERR_NO_FDS"),
    ('r', "ERR_NO_CLIENTS_BIG_OBJ"),
    ('A', "ERR_NOT_IMPLEMENTED"),
    ('H', "ERR_WEBFETCH_DETECTED"),
    ('K', "ERR_LOOP_DETECTED"),
    ('I', "ERR_FUTURE_1"),
    ('Z', "ERR_UNKNOWN"),
    ('e', "TCP_SPIDER_BYPASS"),
    ('f', "TCP_FUTURE_2"),
    ('g', "UDP_HIT"),
    ('h', "UDP_WEAK_HIT"),
    ('i', "UDP_HIT_OBJ"),
    ('j', "UDP_MISS"),
    ('k', "UDP_DENIED"),
    ('l', "UDP_INVALID"),
    ('m', "UDP_RELOADING"),
    ('n', "UDP_FUTURE_1"),
    ('o', "UDP_FUTURE_2"),
];

/// All routes.
const ROUTES: [(char, &str); 36] = [
    ('0', "EMPTY"),
    ('1', "NONE"),
    ('2', "DIRECT"),
    ('3', "SIBLING_HIT"),
    ('4', "PARENT_HIT"),
    ('5', "DEFAULT_PARENT"),
    ('6', "SINGLE_PARENT"),
    ('7', "FIRST_UP_PARENT"),
    ('8', "NO_PARENT_DIRECT"),
    ('9', "FIRST_PARENT_MISS"),
    ('a', "LOCAL_IP_DIRECT"),
    ('b', "FIREWALL_IP_DIRECT"),
    ('c', "NO_DIRECT_FAIL"),
    ('d', "SOURCE_FASTEST"),
    ('e', "SIBLING_UDP_HIT_OBJ"),
    ('f', "PARENT_UDP_HIT_OBJ"),
    ('g', "PASSTHROUGH_PARENT"),
    ('h', "SSL_PARENT_MISS"),
    ('i', "INVALID_CODE"),
    ('j', "TIMEOUT_DIRECT"),
    ('k', "TIMEOUT_SIBLING_HIT"),
    ('l', "TIMEOUT_PARENT_HIT"),
    ('m', "TIMEOUT_DEFAULT_PARENT"),
    ('n', "TIMEOUT_SINGLE_PARENT"),
    ('o', "TIMEOUT_FIRST_UP_PARENT"),
    ('p', "TIMEOUT_NO_PARENT_DIRECT"),
    ('q', "TIMEOUT_FIRST_PARENT_MISS"),
    ('r', "TIMEOUT_LOCAL_IP_DIRECT"),
    ('s', "TIMEOUT_FIREWALL_IP_DIRECT"),
    ('t', "TIMEOUT_NO_DIRECT_FAIL"),
    ('u', "TIMEOUT_SOURCE_FASTEST"),
    ('v', "TIMEOUT_SIBLING_UDP_HIT_OBJ"),
    ('w', "TIMEOUT_PARENT_UDP_HIT_OBJ"),
    ('x', "TIMEOUT_PASSTHROUGH_PARENT"),
    ('y', "TIMEOUT_TIMEOUT_SSL_PARENT_MISS"),
    ('z', "INVALID_ASSIGNED_CODE"),
];

const URLS: [&str; 12] = [
    "http://www.example.com/a.jpg",
    "http://www.example.com/a.jpg?x=1",
    "http://www.example.com/a.jpg?x=2",
    "https://user@Shop.Example.co.uk:8443/dir;v=1/index.HTML;w#top",
    "http://cdn.example.com.br./v.m3u8",
    "http://[2001:DB8::1]:80/",
    "http://%5B::1%5D/x;y/z.tar.gz",
    "ftp://192.0.2.7/archive.longextension",
    "tunnel.example:443",
    "/local/path.css",
    "http://localhost/a=b.js",
    "-",
];

/// Small whole numbers without a pattern.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// What a format has, beside the fields that all have.
#[derive(Clone, Copy)]
pub struct Format {
    pub list: &'static str,
    pub file: &'static str,
}

/// Three formats: all fields; no result and no URL; no server and the origin's bytes in place of it.
pub const FORMATS: [Format; 3] = [
    Format { list: "ttms,chi,crc,pssc,psql,cqhm,cquc,caun,phr,shn,psct", file: "all.blog" },
    Format { list: "ttms,chi,pssc,pscl,cqhm,caun,shn", file: "few.blog" },
    Format { list: "ttms,chi,crc,pssc,psql,cqhm,cquc,sscl", file: "origin.blog" },
];

/// So many entries over six hours that end at `end` (Unix seconds), by turns in each of these formats: the segments, and the entries in
/// their order.
pub fn log(formats: &[Format], count: usize, end: u64) -> (Vec<Vec<u8>>, Vec<Entry>) {
    let mut random = Random(count as u64);
    let (mut segments, mut entries) = (Vec::new(), Vec::new());
    // A segment is of some minutes, as real ones are at the most.
    for (turn, first) in (0..count).step_by(50).enumerate() {
        let format = formats[turn % formats.len()];
        let made: Vec<_> = (first..count.min(first + 50))
            .map(|number| {
                // Mostly calm, with a burst.
                let share = number.min(count / 3) + number.saturating_sub(count / 2);
                let at = end - 6 * 3600 + (share * 6 * 3600 / count) as u64;
                let ms = random.below(1000) as u64;
                entry(&mut random, format, at * 1000 + ms)
            })
            .collect();
        segments.push(segment(format, "made", &made));
        entries.extend(made.into_iter().map(|(_, entry)| entry));
    }
    (segments, entries)
}

/// The segment of some entries.
pub fn segment(format: Format, node: &str, made: &[(Vec<Made>, Entry)]) -> Vec<u8> {
    let header = Header {
        field_list: format.list.as_bytes(),
        source_host: node.as_bytes(),
        file_name: format.file.as_bytes(),
        ..Header::default()
    };
    let flushed = made.iter().map(|(_, entry)| entry.end / 1000).max().unwrap() as u32;
    let mut writer = SegmentWriter::with_capacity(&header, flushed, 1 << 17);
    for (values, entry) in made {
        let values: Vec<Value<'_>> = values.iter().map(Made::value).collect();
        writer.push((entry.end / 1000) as i64, (entry.end % 1000 * 1000) as i32, &values).unwrap();
    }
    writer.finish(flushed).to_vec()
}

/// A value that a segment holds.
pub enum Made {
    Int(i64),
    Text(&'static str),
    Ip(Option<std::net::IpAddr>),
}

impl Made {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Int(number) => Value::Int(*number),
            Self::Text(text) => Value::Text(text.as_bytes()),
            Self::Ip(address) => Value::Ip(*address),
        }
    }
}

/// An entry that was logged `at` (ms since the epoch), with its values in the order of the format.
pub fn entry(random: &mut Random, format: Format, at: u64) -> (Vec<Made>, Entry) {
    // Each result comes with each route; what else has few values goes with them, for only so many combinations are told apart by time.
    let kind = random.below(RESULTS.len() * ROUTES.len());
    let (result, result_name) = RESULTS[kind % RESULTS.len()];
    let (route, route_name) = ROUTES[kind % ROUTES.len()];
    let status = [0, 200, 200, 206, 304, 404, 502, 503, 599, 100, 700][kind / 7 % 11];
    let method = ["GET", "GET", "GET", "HEAD", "POST", "CONNECT", "get", "-"][kind / 5 % 8];
    let content = ["-", "text/html", "Text/HTML; charset=utf-8", "image/jpeg", "video/mp2t"][kind / 11 % 5];
    let mut one_of = |texts: &[&'static str]| texts[random.below(texts.len())];
    let url = one_of(&URLS);
    let (user, server) =
        (one_of(&["-", "-", "alice", "bob"]), one_of(&["-", "parent1", "Parent2.example", "192.0.2.9"]));
    let bytes = [-5, 0, 1, 9, 10, 99, 1000, 65_536, 5_000_000_000][random.below(9)] + random.below(5) as i64;
    let origin = [-1, 0, 500, 70_000][random.below(4)];
    // From none to hours.
    let time = [-3, 0, 1, 2, 90, 1000, 30_000, 4_000_000, 9_000_000][random.below(9)] + random.below(3) as i64;
    let client = match random.below(40) {
        0 => None,
        n @ 1..=30 => Some(format!("192.0.{}.{n}", n % 3)),
        n => Some(format!("2001:db8:{}::{n}", 1 + n % 3)),
    };
    let has = |name: &str| format.list.split(',').any(|field| field == name);
    let text = |name: &str, text: &str| has(name).then(|| text.to_owned());
    let number = |names: [&str; 2], number: i64| names.iter().any(|name| has(name)).then(|| number.max(0) as u64);
    let values = format.list.split(',').map(|field| match field {
        "ttms" => Made::Int(time),
        "chi" => Made::Ip(client.as_ref().map(|client| client.parse().unwrap())),
        "crc" => Made::Int(result as i64),
        "pssc" => Made::Int(status),
        "psql" | "pscl" => Made::Int(bytes),
        "sscl" => Made::Int(origin),
        "phr" => Made::Int(route as i64),
        "cqhm" => Made::Text(method),
        "cquc" => Made::Text(url),
        "caun" => Made::Text(user),
        "shn" => Made::Text(server),
        _ => Made::Text(content),
    });
    let entry = Entry {
        end: at,
        node: "made@file".to_owned(),
        format: format!("{}: {}", format.file, format.list),
        result: text("crc", result_name),
        status: has("pssc").then_some(status),
        route: text("phr", route_name),
        bytes: number(["psql", "pscl"], bytes).unwrap_or(0),
        from_origin: number(["sscl", "sscl"], origin),
        time: number(["ttms", "ttms"], time),
        method: text("cqhm", method),
        url: text("cquc", url),
        server: text("shn", server),
        content_type: text("psct", content),
        user: text("caun", user),
        client: Some(client.clone().unwrap_or_else(|| "0".to_owned())),
        ..Entry::default()
    };
    (values.collect(), entry)
}
