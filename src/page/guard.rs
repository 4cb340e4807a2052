//! Who may ask: the rules on `Host` and `Origin` (design/api.md 6).
//!
//! Without them any web site that the operator visits could read the feed: directly through a websocket, or under a name
//! of its own that resolves to this machine.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::header::{HOST, HeaderMap, ORIGIN};
use hyper::{Request, StatusCode};

use super::answer::Refusal;

/// The names and origins that are let in besides this machine's own.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    hosts: Vec<String>,
    origins: Vec<Origin>,
}

impl Guard {
    /// Lets in `names` besides address literals and `localhost`, and websockets of `origins` besides the page's own.
    pub fn new(names: impl IntoIterator<Item = String>, origins: &[String]) -> Self {
        Self {
            hosts: names.into_iter().map(|name| bare(&name)).filter(|name| !name.is_empty()).collect(),
            origins: origins.iter().filter_map(|origin| Origin::parse(origin.trim_end_matches('/'))).collect(),
        }
    }

    /// Checks the host that a request asks for, and gives it.
    ///
    /// # Errors
    ///
    /// 421, with the host that came and the flag that would let it in.
    pub fn host<B>(&self, request: &Request<B>) -> Result<Authority, Refusal> {
        let header = only(request.headers(), &HOST).map_err(|()| misdirected("not one text"))?;
        // An absolute target overrides the header; both are looked at, so that neither can smuggle the other in.
        let target = request.uri().authority().map(|target| target.as_str());
        let mut known = None;
        for text in target.into_iter().chain(header) {
            let authority = Authority::parse(text)
                .filter(|authority| self.allows(&authority.host))
                .ok_or_else(|| misdirected(&format!("\"{}\"", shortened(text))))?;
            known.get_or_insert(authority);
        }
        known.ok_or_else(|| misdirected("none"))
    }

    fn allows(&self, host: &str) -> bool {
        let literal = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok()),
            None => host.parse::<Ipv4Addr>().is_ok(),
        };
        literal || host == "localhost" || self.hosts.iter().any(|name| name == host)
    }

    /// Checks the origin of a websocket request that came for `host`.
    ///
    /// # Errors
    ///
    /// 403, with the origin that came and the flag that would let it in.
    pub fn origin(&self, headers: &HeaderMap, host: &Authority) -> Result<(), Refusal> {
        let refused = |origin: &str| {
            Refusal::new(
                StatusCode::FORBIDDEN,
                format!(
                    "the live stream is not for pages of another origin ({}); --allow-origin ORIGIN lets one in",
                    shortened(origin)
                ),
            )
        };
        let Some(text) = only(headers, &ORIGIN).map_err(|()| refused("not one text"))? else {
            return Ok(());
        };
        let origin = Origin::parse(text).ok_or_else(|| refused(text))?;
        if origin.is_at(host) || self.origins.contains(&origin) {
            return Ok(());
        }
        Err(refused(text))
    }
}

/// Host, lower case and without a final dot, and port of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    host: String,
    port: Option<u16>,
}

impl Authority {
    fn parse(text: &str) -> Option<Self> {
        let after_literal = text.find(']').map_or(0, |end| end + 1);
        let (host, port) = match text[after_literal..].find(':') {
            Some(colon) => {
                let (host, port) = text.split_at(after_literal + colon);
                (host, Some(number(&port[1..])?))
            }
            None => (text, None),
        };
        let host = bare(host);
        (!host.is_empty()).then_some(Self { host, port })
    }
}

/// A web origin; the port is there even where it is the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: &'static str,
    host: String,
    port: u16,
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (scheme, default) =
            [("http", 80), ("https", 443)].into_iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme))?;
        if rest.contains(['/', '?', '#', '@']) {
            return None;
        }
        let Authority { host, port } = Authority::parse(rest)?;
        Some(Self { scheme, host, port: port.unwrap_or(default) })
    }

    /// A `Host` without a port stands for the port of the origin's scheme.
    fn is_at(&self, authority: &Authority) -> bool {
        let default = if self.scheme == "http" { 80 } else { 443 };
        self.host == authority.host && self.port == authority.port.unwrap_or(default)
    }
}

fn bare(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn number(port: &str) -> Option<u16> {
    port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())?
}

/// The header's one value; an error if there are several, or if it is not text.
fn only<'a>(headers: &'a HeaderMap, name: &hyper::header::HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(drop),
        _ => Err(()),
    }
}

fn misdirected(got: &str) -> Refusal {
    Refusal::new(
        StatusCode::MISDIRECTED_REQUEST,
        format!(
            "the Host of this request is {got}, which is not a name of this engine; use an address, localhost or the \
             machine's name, or start with --allow-host NAME"
        ),
    )
}

/// Enough of a stranger's text to recognise it by.
pub fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    let mut short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::new(
            ["edge-eu".to_owned(), "Stats.Example".to_owned()],
            &["https://wall.example".to_owned(), "http://pad.example:8080/".to_owned()],
        )
    }

    fn request(target: &str, hosts: &[&str]) -> Request<()> {
        let mut request = Request::builder().uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn only_names_of_this_engine_are_hosts() {
        for (host, allowed) in [
            ("127.0.0.1:6011", true),
            ("192.0.2.7", true),
            ("[::1]:6011", true),
            ("[2001:db8::1]", true),
            ("localhost:6011", true),
            ("LOCALHOST.", true),
            ("edge-eu:6011", true),
            ("stats.example", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("0x7f.1", false),
            ("2130706433", false),
            ("::1", false),
            ("[::1", false),
            ("[::1]x", false),
            ("[fe80::1%25eth0]", false),
            ("localhost:", false),
            ("localhost:x", false),
            ("localhost:+80", false),
            ("localhost:65536", false),
            ("user@localhost", false),
            ("", false),
        ] {
            let answer = guard().host(&request("/", &[host]));
            assert_eq!(answer.is_ok(), allowed, "{host}");
            if let Err(refusal) = answer {
                assert_eq!(refusal.status, 421);
                assert!(refusal.error.contains("--allow-host") && refusal.error.contains(host));
            }
        }
        assert!(guard().host(&request("/", &[])).is_err(), "no Host");
        assert!(guard().host(&request("/", &["localhost", "localhost"])).is_err(), "two");
        let smuggled = request("http://evil.example/", &["localhost"]);
        assert!(guard().host(&smuggled).is_err());
    }

    #[test]
    fn only_the_pages_own_and_allowed_origins_open_the_stream() {
        for (host, origin, allowed) in [
            ("localhost:6011", "http://localhost:6011", true),
            ("LocalHost:6011", "HTTP://LOCALHOST:6011", true),
            ("[::1]:6011", "http://[::1]:6011", true),
            ("stats.example", "https://stats.example", true),
            ("stats.example", "http://stats.example:80", true),
            ("stats.example:443", "https://stats.example", true),
            ("localhost:6011", "https://wall.example", true),
            ("localhost:6011", "http://pad.example:8080", true),
            ("localhost:6011", "http://pad.example", false),
            ("localhost:6011", "http://wall.example", false),
            ("localhost:6011", "http://localhost:6012", false),
            ("localhost:6011", "http://localhost", false),
            ("localhost:6011", "http://evil.example:6011", false),
            ("localhost:6011", "null", false),
            ("localhost:6011", "", false),
            ("localhost:6011", "file://localhost:6011", false),
            ("localhost:6011", "http://localhost:6011/x", false),
            ("localhost:6011", "http://localhost:6011@evil.example", false),
        ] {
            let mut request = request("/ws", &[host]);
            let host = guard().host(&request).unwrap();
            request.headers_mut().insert(ORIGIN, origin.parse().unwrap());
            let answer = guard().origin(request.headers(), &host);
            assert_eq!(answer.is_ok(), allowed, "{origin}");
            assert!(answer.is_ok() || answer.is_err_and(|refusal| refusal.status == 403));
        }
        let request = request("/ws", &["localhost"]);
        let host = guard().host(&request).unwrap();
        assert!(guard().origin(request.headers(), &host).is_ok(), "not a browser");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_let_in_or_refused(text in "\\PC{0,40}|[a-z:.\\[\\]0-9@/]{0,40}") {
            let _ = (Authority::parse(&text), Origin::parse(&text));
            let allowed = Authority::parse(&text).is_some_and(|authority| guard().allows(&authority.host));
            proptest::prop_assert!(!allowed || !text.contains(['@', '/']), "{}", text);
        }
    }
}
