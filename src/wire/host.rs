//! Hosts and sites: the authority of a URL, the host in it, and the registrable domain of a host.
//!
//! Rules: spec/statistics.md 3. The list of public suffixes is Mozilla's, ICANN section only, as the `psl` crate has it.

use psl::Psl;

use super::bytes::{PART, equal_in_part};

/// The authority of a URL, as logged: user, port, case and all. Empty if it has none (`/path`, `-`, nothing).
///
/// A URL without scheme begins with its authority (CONNECT).
#[inline]
pub fn authority(url: &[u8]) -> &[u8] {
    let rest = after_scheme(url);
    match end_of_authority(rest) {
        Some(end) => &rest[..end],
        None if rest == b"-" => &[],
        None => rest,
    }
}

/// Bytes in which most authorities end: searched without a call.
const NEAR: usize = 2 * PART;

/// Where the first `/`, `?` or `#` is.
#[inline]
fn end_of_authority(rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < NEAR
        && let Some(part) = rest.get(at..).and_then(<[u8]>::first_chunk)
    {
        let marks = equal_in_part(part, [b'/', b'?', b'#']);
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize);
        }
        at += PART;
    }
    memchr::memchr3(b'/', b'?', b'#', &rest[at..]).map(|end| at + end)
}

#[inline]
pub(super) fn after_scheme(url: &[u8]) -> &[u8] {
    if let Some(rest) = url.strip_prefix(b"http://").or_else(|| url.strip_prefix(b"https://")) {
        return rest;
    }
    let end = url.iter().position(|&byte| !(byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)));
    match end {
        Some(end) if end > 0 && url[0].is_ascii_alphabetic() => url[end..].strip_prefix(b"://").unwrap_or(url),
        _ => url,
    }
}

/// Writes the host of an authority into `host`: without user, port, final dot and brackets, in lower case. Empty if there is none.
pub fn host_into(authority: &[u8], host: &mut Vec<u8>) {
    host.clear();
    let name = match memchr::memrchr(b'@', authority) {
        Some(at) => &authority[at + 1..],
        None => authority,
    };
    let mut rest = name;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        host.push(match (byte, tail) {
            (b'%', [b'5', b'B' | b'b', tail @ ..]) => {
                rest = tail;
                b'['
            }
            (b'%', [b'5', b'D' | b'd', tail @ ..]) => {
                rest = tail;
                b']'
            }
            _ => byte.to_ascii_lowercase(),
        });
    }
    if let Some(end) = port_at(host) {
        host.truncate(end);
    }
    if host.last() == Some(&b'.') {
        host.pop();
    }
    if host.first() == Some(&b'[') && host.last() == Some(&b']') {
        host.pop();
        host.remove(0);
    }
    if host == b"-" {
        host.clear();
    }
}

/// Where the port's colon is. Colons inside brackets, and those of a bare IPv6 address, are none.
fn port_at(host: &[u8]) -> Option<usize> {
    let after_brackets = match host.first() {
        Some(b'[') => memchr::memchr(b']', host)? + 1,
        _ => 0,
    };
    let colon = memchr::memchr(b':', &host[after_brackets..])? + after_brackets;
    let bare_v6 = after_brackets == 0 && memchr::memchr(b':', &host[colon + 1..]).is_some();
    (!bare_v6).then_some(colon)
}

/// The registrable domain of a host: its public suffix and one label. Addresses, single labels, and names that are
/// themselves public suffixes stay as they are. A part of `host`.
pub fn site(host: &[u8]) -> &[u8] {
    if is_address(host) {
        return host;
    }
    let mut name = host;
    let suffix_len = loop {
        let Some(suffix) = psl::List.suffix(name) else {
            return host;
        };
        // A private suffix (`github.io`) is a domain under an ICANN one: look at what is above its first label.
        if suffix.typ() != Some(psl::Type::Private) {
            break suffix.as_bytes().len();
        }
        match memchr::memchr(b'.', suffix.as_bytes()) {
            Some(dot) => name = &host[host.len() - (suffix.as_bytes().len() - dot - 1)..],
            None => break suffix.as_bytes().len(),
        }
    };
    let Some(before) = host.len().checked_sub(suffix_len + 1).filter(|&before| before > 0) else {
        return host;
    };
    match memchr::memrchr(b'.', &host[..before]) {
        Some(dot) => &host[dot + 1..],
        None => host,
    }
}

/// Four decimal octets, or anything with a colon.
fn is_address(host: &[u8]) -> bool {
    if memchr::memchr(b':', host).is_some() {
        return true;
    }
    let mut octets = 0;
    for label in host.split(|&byte| byte == b'.') {
        if !(1..=3).contains(&label.len()) || !label.iter().all(u8::is_ascii_digit) {
            return false;
        }
        if label.iter().fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0')) > 255 {
            return false;
        }
        octets += 1;
    }
    octets == 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_authority_ends_where_a_plain_search_says(
            rest in prop::collection::vec(prop_oneof![1 => prop::sample::select(&b"/?#"[..]), 30 => any::<u8>(), 9 => Just(b'.')], 0..90),
        ) {
            prop_assert_eq!(end_of_authority(&rest), rest.iter().position(|byte| b"/?#".contains(byte)));
        }
    }

    #[test]
    fn hosts_are_found_and_folded() {
        let cases: &[(&str, &str, &str)] = &[
            ("http://www.example.com/a.jpg", "www.example.com", "www.example.com"),
            ("https://WWW.Example.COM:8443?x", "WWW.Example.COM:8443", "www.example.com"),
            ("http://user:pw@h.example.:80/", "user:pw@h.example.:80", "h.example"),
            ("http://a@b@c.example/", "a@b@c.example", "c.example"),
            ("http://%5B::1%5D:8088/", "%5B::1%5D:8088", "::1"),
            ("http://[2001:DB8::1]/", "[2001:DB8::1]", "2001:db8::1"),
            ("http://2001:db8::1/", "2001:db8::1", "2001:db8::1"),
            ("h:443/", "h:443", "h"),
            ("127.0.0.1:8088/", "127.0.0.1:8088", "127.0.0.1"),
            ("tunnel.example:443", "tunnel.example:443", "tunnel.example"),
            ("ftp://f.example/x", "f.example", "f.example"),
            ("http://a.example#f", "a.example", "a.example"),
            ("h.example:80/?u=http://other/", "h.example:80", "h.example"),
            ("/path", "", ""),
            ("/", "", ""),
            ("-", "", ""),
            ("", "", ""),
            ("http:///x", "", ""),
            ("http://-/", "-", ""),
            ("http://:80/", ":80", ""),
            ("http://h.example:/", "h.example:", "h.example"),
            ("http://[::1", "[::1", "[::1"),
        ];
        for (url, expected_authority, expected_host) in cases {
            let found = authority(url.as_bytes());
            assert_eq!(found, expected_authority.as_bytes(), "{url}");
            let mut host = b"left over".to_vec();
            host_into(found, &mut host);
            assert_eq!(host, expected_host.as_bytes(), "{url}");
        }
    }

    #[test]
    fn sites_are_registrable_domains() {
        let cases: &[(&str, &str)] = &[
            ("a.b.example.co.uk", "example.co.uk"),
            ("example.co.uk", "example.co.uk"),
            ("co.uk", "co.uk"),
            ("www.example.com", "example.com"),
            ("example.com", "example.com"),
            ("com", "com"),
            ("localhost", "localhost"),
            ("me.github.io", "github.io"),
            ("a.me.github.io", "github.io"),
            ("bucket.s3.amazonaws.com", "amazonaws.com"),
            ("a.b.internal", "b.internal"),
            ("a.b.kobe.jp", "a.b.kobe.jp"),
            ("192.0.2.1", "192.0.2.1"),
            ("1.2.3.400", "3.400"),
            ("2001:db8::1", "2001:db8::1"),
            ("", ""),
            (".com", ".com"),
            ("a..com", ".com"),
        ];
        for (host, expected) in cases {
            assert_eq!(site(host.as_bytes()), expected.as_bytes(), "{host}");
        }
    }
}
