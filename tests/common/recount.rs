//! The slow, obvious recount: spec/statistics.md 2, 3 and 5, by the names that logs print, over a list of all entries.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value as Json, json};

use super::fold_host;
use super::printed::Entry;

/// What is summed up of some entries.
pub fn sums<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Json {
    let [mut requests, mut bytes] = [[0; 4]; 2];
    let (mut refresh_hits, mut origin_bytes, mut timed, mut time_ms) = (0, 0, 0, 0);
    for entry in entries {
        let band = match entry.band() {
            Some("hit") => 0,
            Some("miss") => 1,
            Some(_) => 2,
            None => 3,
        };
        requests[band] += 1;
        bytes[band] += entry.bytes;
        refresh_hits += u64::from(entry.is_refresh());
        origin_bytes += entry.origin_bytes();
        timed += u64::from(entry.time.is_some());
        time_ms += entry.time.unwrap_or(0);
    }
    json!({
        "requests": requests.iter().sum::<u64>(),
        "bytes": bytes.iter().sum::<u64>(),
        "hits": requests[0],
        "hit_bytes": bytes[0],
        "refresh_hits": refresh_hits,
        "misses": requests[1],
        "miss_bytes": bytes[1],
        "errors": requests[2],
        "error_bytes": bytes[2],
        "unknown": requests[3],
        "unknown_bytes": bytes[3],
        "origin_bytes": origin_bytes,
        "timed": timed,
        "time_ms": time_ms,
        // Nothing is given up of what fits.
        "error_bound": 0,
        "bytes_error_bound": 0,
    })
}

/// The sums of a row.
pub fn row<'a>(key: impl Into<Json>, entries: impl IntoIterator<Item = &'a Entry>) -> Json {
    let mut row = sums(entries);
    row["key"] = key.into();
    row
}

/// Entries by a key; those without one are left out.
pub fn by<'a, K: Ord>(entries: &[&'a Entry], key: impl Fn(&Entry) -> Option<K>) -> BTreeMap<K, Vec<&'a Entry>> {
    let mut groups = BTreeMap::<K, Vec<&Entry>>::new();
    for &entry in entries {
        if let Some(key) = key(entry) {
            groups.entry(key).or_default().push(entry);
        }
    }
    groups
}

/// The class of a result (spec/statistics.md 2.1).
fn class(result: &str) -> &'static str {
    match result {
        "TCP_HIT" | "TCP_DISK_HIT" => "hit.disk",
        "TCP_MEM_HIT" => "hit.memory",
        "TCP_CF_HIT" => "hit.collapsed",
        "TCP_IMS_HIT" => "hit.conditional",
        "TCP_REFRESH_HIT" => "hit.revalidated",
        "TCP_REFRESH_FAIL_HIT" | "TCP_REF_FAIL_HIT" => "hit.stale_on_error",
        "TCP_HIT_REDIRECT" | "TCP_HIT_X_REDIRECT" => "hit.redirect",
        "TCP_MISS" | "TCP_WEBFETCH_MISS" => "miss.plain",
        "TCP_EXPIRED_MISS" => "miss.expired",
        "TCP_REFRESH_MISS" => "miss.changed",
        "TCP_CLIENT_REFRESH_MISS" | "TCP_CLIENT_REFRESH" => "miss.client_nocache",
        "TCP_IMS_MISS" => "miss.conditional",
        "TCP_SWAPFAIL_MISS" | "TCP_SWAPFAIL" => "miss.cache_failed",
        "TCP_MISS_REDIRECT" | "TCP_MISS_X_REDIRECT" => "miss.redirect",
        "TCP_DENIED" | "ERR_PROXY_DENIED" => "denied",
        "ERR_CLIENT_ABORT" | "ERR_CLIENT_READ_ERROR" => "error.client_gone",
        "ERR_INVALID_REQ" | "ERR_UNSUP_REQ" | "ERR_INVALID_URL" | "ERR_POST_ENTITY_TOO_LARGE" => "error.client_request",
        "ERR_CONNECT_FAIL" => "error.connect",
        "ERR_DNS_FAIL" => "error.dns",
        "ERR_READ_TIMEOUT" | "ERR_LIFETIME_EXP" | "ERR_TUN_ACTIVE_TIMEOUT" => "error.timeout",
        "ERR_READ_ERROR" | "ERR_CANNOT_FETCH" | "ERR_ZERO_SIZE_OBJECT" => "error.server",
        other if other.starts_with("ERR_") => "error.proxy",
        "UDP_HIT" | "UDP_WEAK_HIT" | "UDP_HIT_OBJ" => "icp.hit",
        other if other.starts_with("UDP_") => "icp.other",
        _ => "other",
    }
}

/// A text, or what stands for its absence.
fn or(text: &str, nothing: &str) -> String {
    if text == "-" || text.is_empty() { nothing.to_owned() } else { text.to_owned() }
}

fn is_none_route(route: &str) -> bool {
    matches!(route, "NONE" | "EMPTY")
}

impl Entry {
    /// The class, if there is a result: a validation that went on to the server is no answer of the cache alone.
    pub fn class(&self) -> Option<&'static str> {
        // Asked for again and again, so it is looked up once.
        *self.known_class.get_or_init(|| match class(self.result.as_ref()?) {
            "hit.conditional" if self.is_asked() == Some(true) => Some("hit.revalidated"),
            class => Some(class),
        })
    }

    fn has_class(&self, wanted: &[&str]) -> bool {
        self.class().is_some_and(|class| wanted.iter().any(|start| class.starts_with(start)))
    }

    /// Was another server asked, by the route?
    pub fn is_asked(&self) -> Option<bool> {
        self.route.as_ref().map(|route| !is_none_route(route))
    }

    pub fn is_icp(&self) -> bool {
        self.has_class(&["icp."])
    }

    pub fn is_hit(&self) -> bool {
        // Of inter-cache entries, which are never counted with the others, those that a cache had.
        self.has_class(&["hit.", "icp.hit"])
    }

    /// Served from cache after contact upstream.
    pub fn is_refresh(&self) -> bool {
        self.has_class(&["hit.revalidated", "hit.stale_on_error"])
    }

    pub fn is_fresh(&self) -> bool {
        self.is_hit() && !self.is_refresh()
    }

    pub fn is_miss(&self) -> bool {
        self.has_class(&["miss."])
    }

    pub fn is_upstream(&self) -> bool {
        self.is_refresh()
            || self.is_miss()
            || self.has_class(&["error.connect", "error.dns", "error.timeout", "error.server"])
    }

    pub fn is_status(&self, hundred: i64) -> bool {
        self.status.is_some_and(|status| status.div_euclid(100) == hundred)
    }

    /// The band of the page (design/page.md 4): hit, miss or error; none without a result.
    pub fn band(&self) -> Option<&'static str> {
        let class = self.class()?;
        let is_error = (class.starts_with("error.") && class != "error.client_gone") || class == "denied";
        Some(match () {
            () if self.is_hit() => "hit",
            () if is_error || (self.is_miss() && self.is_status(5)) => "error",
            () => "miss",
        })
    }

    /// Bytes from an origin (spec/statistics.md N4).
    pub fn origin_bytes(&self) -> u64 {
        let is_from_origin = self.is_miss() || self.has_class(&["error.server", "error.timeout"]);
        self.from_origin.unwrap_or(if is_from_origin { self.bytes } else { 0 })
    }

    pub fn is_server_trouble(&self) -> bool {
        self.has_class(&["error.connect", "error.dns", "error.timeout", "error.server", "hit.stale_on_error"])
            || (self.is_status(5) && self.is_upstream())
    }

    pub fn is_client_trouble(&self) -> bool {
        self.has_class(&["error.client_gone", "error.client_request", "denied"])
    }

    pub fn is_proxy_trouble(&self) -> bool {
        self.has_class(&["error.proxy", "miss.cache_failed"])
    }

    /// Calamaris' group (spec/statistics.md 8).
    pub fn group(&self) -> Option<&'static str> {
        let result = self.result.as_ref()?;
        Some(match () {
            () if self.is_hit() => "HIT",
            () if result.starts_with("ERR_") || self.is_asked() == Some(false) => "ERROR",
            () => "MISS",
        })
    }

    /// The class of the route (spec/statistics.md 2.2).
    pub fn way(&self) -> Option<&'static str> {
        let route = self.route.as_ref()?;
        if is_none_route(route) {
            return Some("none");
        }
        let mut base = route.as_str();
        while let Some(rest) = base.strip_prefix("TIMEOUT_") {
            base = rest;
        }
        Some(match base {
            "DIRECT" | "NO_PARENT_DIRECT" | "LOCAL_IP_DIRECT" | "FIREWALL_IP_DIRECT" | "SOURCE_FASTEST" => "direct",
            "SIBLING_HIT" | "SIBLING_UDP_HIT_OBJ" | "PARENT_HIT" | "PARENT_UDP_HIT_OBJ" => "peer_hit",
            "DEFAULT_PARENT" | "SINGLE_PARENT" | "FIRST_UP_PARENT" | "FIRST_PARENT_MISS" | "PASSTHROUGH_PARENT"
            | "SSL_PARENT_MISS" => "parent",
            "NO_DIRECT_FAIL" | "INVALID_CODE" => "failed",
            _ => "other",
        })
    }

    pub fn has_peer_timeout(&self) -> bool {
        self.route.as_ref().is_some_and(|route| route.starts_with("TIMEOUT_"))
    }

    pub fn status_class(&self) -> Option<String> {
        Some(match self.status? {
            status @ 0..=599 => format!("{}xx", status / 100),
            _ => "other".to_owned(),
        })
    }

    /// Fresh, unmodified, modified, failed, forced (spec/statistics.md 2.5).
    pub fn freshness(&self) -> Option<usize> {
        match self.result.as_deref()? {
            "TCP_HIT" | "TCP_DISK_HIT" | "TCP_MEM_HIT" | "TCP_CF_HIT" | "TCP_IMS_HIT" | "TCP_IMS_MISS" => Some(0),
            "TCP_REFRESH_HIT" => Some(1),
            "TCP_REFRESH_MISS" => Some(2),
            "TCP_REFRESH_FAIL_HIT" | "TCP_REF_FAIL_HIT" => Some(3),
            "TCP_CLIENT_REFRESH_MISS" | "TCP_CLIENT_REFRESH" => Some(4),
            _ => None,
        }
    }

    pub fn address(&self) -> Option<IpAddr> {
        self.client.as_ref()?.parse().ok()
    }

    /// Between `://` and the next slash; of a URL without scheme, what it begins with.
    fn authority(url: &str) -> &str {
        let rest = match url.find("://") {
            Some(at) => &url[at + 3..],
            None if url.starts_with('/') || url == "-" => "",
            None => url,
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap();
        authority.rsplit('@').next().unwrap()
    }

    /// The host of the URL; without one the server; without either none.
    pub fn host(&self) -> Option<String> {
        let authority = Self::authority(self.url.as_deref().unwrap_or(""));
        Some(fold_host(if authority.is_empty() { self.server.as_deref().unwrap_or("") } else { authority }))
    }

    /// The registrable domain of a host. Of the public suffixes of several labels these are in the logs.
    pub fn site(&self) -> Option<String> {
        let host = self.host()?;
        if host.parse::<IpAddr>().is_ok() {
            return Some(host);
        }
        let labels: Vec<&str> = host.split('.').collect();
        let is_long = ["co.uk", "com.br", "ac.jp"].iter().any(|suffix| host.ends_with(&format!(".{suffix}")));
        Some(labels[labels.len().saturating_sub(if is_long { 3 } else { 2 })..].join("."))
    }

    pub fn top_level(&self) -> Option<String> {
        let host = self.host()?;
        let last = host.rsplit('.').next().unwrap().to_owned();
        Some(if host.parse::<IpAddr>().is_ok() { "(address)".to_owned() } else { last })
    }

    /// The URL without query, fragment and path parameters.
    pub fn url_key(&self) -> Option<String> {
        let url = self.url.as_ref()?.split(['?', '#']).next().unwrap();
        let at = url.find("://").map_or(0, |at| at + 3);
        let path = url[at..].find('/').map_or(url.len(), |slash| at + slash);
        let cut: Vec<&str> = url[path..].split('/').map(|segment| segment.split(';').next().unwrap()).collect();
        Some(or(&format!("{}{}", &url[..path], cut.join("/")), "(none)"))
    }

    pub fn scheme(&self) -> Option<String> {
        let url = self.url.as_ref()?;
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        Some(match scheme.to_lowercase().as_str() {
            "http" => "http".to_owned(),
            "https" => "https".to_owned(),
            "" if url == "-" || url.is_empty() || url.starts_with('/') => "(none)".to_owned(),
            "" => "(tunnel)".to_owned(),
            _ => "other".to_owned(),
        })
    }

    pub fn extension(&self) -> Option<String> {
        let (url, method) = (self.url.as_ref()?, self.method.as_deref().unwrap_or(""));
        let whole = url.split('#').next().unwrap();
        let path = whole.split('?').next().unwrap();
        let behind = &path[path.find("://").map_or(0, |at| at + 3)..];
        let segment = behind.split_once('/').map_or("", |(_, path)| path.rsplit('/').next().unwrap());
        let extension = segment.rsplit_once('.').map_or("", |(_, extension)| extension).to_lowercase();
        let is_plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
        Some(match () {
            () if method == "CONNECT" => "(tunnel)".to_owned(),
            () if method == "POST"
                || whole.contains('?')
                || segment.contains([';', '&', '$', ',', '!', '@', '=', '|', '%']) =>
            {
                "(dynamic)".to_owned()
            }
            () if extension.is_empty() || extension.len() > 8 || !extension.chars().all(is_plain) => {
                "(none)".to_owned()
            }
            () => extension,
        })
    }

    pub fn kind_of_content(&self) -> Option<String> {
        let lower = self.content_type.as_ref()?.split([';', ' ']).next().unwrap().to_lowercase();
        Some(or(&lower, "(unknown)"))
    }

    /// The key of a dimension of the API; for pairs both.
    pub fn key(&self, dimension: &str) -> Option<Vec<String>> {
        if dimension == "site,url" {
            // The site is that of the URL, whatever server was asked.
            let url = Self { url: Some(self.url.clone()?), ..Self::default() };
            return Some(vec![url.site()?, url.url_key()?]);
        }
        if let Some((first, second)) = dimension.split_once(',') {
            return Some([self.key(first)?, self.key(second)?].concat());
        }
        let text = |text: &Option<String>| text.as_ref().map(|text| or(text, "(none)"));
        let key = match dimension {
            "client" => {
                self.client.as_ref().map(|client| if client == "0" { "(none)".to_owned() } else { client.clone() })
            }
            "network" => self.client.as_ref().map(|_| match self.address() {
                None => "(none)".to_owned(),
                Some(IpAddr::V4(address)) => {
                    let [a, b, c, _] = address.octets();
                    format!("{a}.{b}.{c}.0/24")
                }
                Some(IpAddr::V6(address)) => {
                    let [a, b, c, ..] = address.segments();
                    format!("{}/48", std::net::Ipv6Addr::from([a, b, c, 0, 0, 0, 0, 0]))
                }
            }),
            "site" => self.site(),
            "host" => self.host(),
            "url" => self.url_key(),
            "user" => text(&self.user),
            "server" => text(&self.server),
            "format" => Some(self.format.clone()),
            "extension" => self.extension(),
            "scheme" => self.scheme(),
            "result" => self.result.clone(),
            "status" => self.status.map(|status| status.to_string()),
            "method" => text(&self.method),
            "type" => self.kind_of_content(),
            "route" => self.route.clone(),
            "node" => Some(self.node.clone()),
            other => panic!("no rule for the dimension {other}"),
        };
        key.map(|key| vec![key])
    }
}
