//! URL keys: what of a URL names an object (spec/statistics.md 3).

use super::host::after_scheme;

/// The key of a URL: without query, without fragment, and each segment of its path cut at the first `;`.
///
/// A part of `url` where that is enough, which one pass finds out; else put together in `scratch`.
#[inline]
pub fn key<'a>(url: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    match memchr::memchr3(b'?', b'#', b';', url) {
        None => url,
        Some(end) if url[end] != b';' => &url[..end],
        Some(_) => without_parameters(url, scratch),
    }
}

#[cold]
fn without_parameters<'a>(url: &[u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let url = &url[..memchr::memchr2(b'?', b'#', url).unwrap_or(url.len())];
    // A `;` in the authority belongs to the name of a user.
    let rest = after_scheme(url);
    let path = memchr::memchr(b'/', rest).unwrap_or(rest.len());
    scratch.clear();
    scratch.extend_from_slice(&url[..url.len() - rest.len() + path]);
    for (number, segment) in rest[path..].split(|&byte| byte == b'/').enumerate() {
        if number > 0 {
            scratch.push(b'/');
        }
        scratch.extend_from_slice(&segment[..memchr::memchr(b';', segment).unwrap_or(segment.len())]);
    }
    scratch
}

/// The extension of a URL that can't have one: it is made for each request.
pub const DYNAMIC: &[u8] = b"(dynamic)";

/// The extension, and the scheme, of what is no URL but a place to connect to.
pub const TUNNEL: &[u8] = b"(tunnel)";

/// Bytes of which a last segment that has one has no extension; looked up, since every entry asks.
const MAKES_DYNAMIC: [bool; 256] = {
    let (mut table, bytes, mut at) = ([false; 256], b";&$,!@=|%", 0);
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
};

/// The longest extension.
const EXTENSION_MAX: usize = 8;

/// The extension of a URL's last segment in lower case, [`DYNAMIC`], [`TUNNEL`], or nothing (spec/statistics.md 3). `lower` is room.
#[inline]
pub fn extension<'a>(url: &[u8], method: &[u8], lower: &'a mut [u8; EXTENSION_MAX]) -> &'a [u8] {
    if method == b"CONNECT" {
        return TUNNEL;
    }
    let end = memchr::memchr2(b'?', b'#', url).unwrap_or(url.len());
    if method == b"POST" || url.get(end) == Some(&b'?') {
        return DYNAMIC;
    }
    let rest = after_scheme(&url[..end]);
    let Some(slash) = memchr::memrchr(b'/', rest) else { return &[] };
    let segment = &rest[slash + 1..];
    if segment.iter().any(|&byte| MAKES_DYNAMIC[usize::from(byte)]) {
        return DYNAMIC;
    }
    let Some(dot) = memchr::memrchr(b'.', segment) else { return &[] };
    let extension = &segment[dot + 1..];
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'-';
    if extension.len() > EXTENSION_MAX || !extension.iter().all(is_plain) {
        return &[];
    }
    let lower = &mut lower[..extension.len()];
    lower.copy_from_slice(extension);
    lower.make_ascii_lowercase();
    lower
}

/// The scheme of a URL's key: `http`, `https`, `other`, [`TUNNEL`] for a place to connect to, or nothing.
pub fn scheme(key: &[u8]) -> &'static [u8] {
    let scheme = &key[..memchr::memmem::find(key, b"://").unwrap_or(0)];
    match key {
        _ if scheme.eq_ignore_ascii_case(b"http") => b"http",
        _ if scheme.eq_ignore_ascii_case(b"https") => b"https",
        _ if !scheme.is_empty() => b"other",
        [] | [b'/', ..] => &[],
        _ => TUNNEL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_follow_the_last_dot_of_the_last_segment() {
        for (method, url, expected) in [
            ("GET", "http://www.example.com/a.b/c.JPG", "jpg"),
            ("GET", "http://www.example.com/a.jpg#b.c", "jpg"),
            ("GET", "http://www.example.com/a.b/c", ""),
            ("GET", "http://www.example.com/a.", ""),
            ("GET", "http://www.example.com", ""),
            ("GET", "http://www.example.com/", ""),
            ("GET", "http://www.example.com/a.123456789", ""),
            ("GET", "http://www.example.com/a.\u{fc}", ""),
            ("GET", "http://www.example.com/a.jpg?x", "(dynamic)"),
            ("GET", "http://www.example.com/a;v=1.jpg", "(dynamic)"),
            ("GET", "http://www.example.com/a=b/c.js", "js"),
            ("POST", "http://www.example.com/a.jpg", "(dynamic)"),
            ("CONNECT", "www.example.com:443", "(tunnel)"),
            ("GET", "/a.m3u8", "m3u8"),
            ("GET", "", ""),
        ] {
            assert_eq!(
                extension(url.as_bytes(), method.as_bytes(), &mut [0; 8]),
                expected.as_bytes(),
                "{method} {url}"
            );
        }
    }

    #[test]
    fn schemes_are_few() {
        for (key, expected) in [
            ("http://a/", "http"),
            ("HTTPS://a/", "https"),
            ("ftp://a/", "other"),
            ("a:443", "(tunnel)"),
            ("/a", ""),
            ("", ""),
            ("://", "(tunnel)"),
        ] {
            assert_eq!(scheme(key.as_bytes()), expected.as_bytes(), "{key}");
        }
    }

    #[test]
    fn a_key_is_without_query_fragment_and_parameters() {
        for (url, expected) in [
            ("http://www.example.com/a.jpg", "http://www.example.com/a.jpg"),
            ("http://www.example.com/a.jpg?x=1", "http://www.example.com/a.jpg"),
            ("http://www.example.com/a.jpg?x=1;y#z", "http://www.example.com/a.jpg"),
            ("http://www.example.com/a#b?c;d", "http://www.example.com/a"),
            ("http://www.example.com/a;v=1/b;w;x/c?d;e", "http://www.example.com/a/b/c"),
            ("http://www.example.com/;x", "http://www.example.com/"),
            ("http://u;v@www.example.com/a;b/", "http://u;v@www.example.com/a/"),
            ("http://www.example.com?a;b", "http://www.example.com"),
            ("http://u;v@www.example.com", "http://u;v@www.example.com"),
            ("/a;b/c", "/a/c"),
            ("www.example.com/a;b", "www.example.com/a"),
            (";", ";"),
            ("", ""),
        ] {
            assert_eq!(key(url.as_bytes(), &mut Vec::new()), expected.as_bytes(), "{url}");
        }
    }

    proptest::proptest! {
        #[test]
        fn the_key_of_a_key_is_itself(url in "(http://)?[a-c;?#/@:]{0,20}") {
            let (mut first, mut second) = (Vec::new(), Vec::new());
            let once = key(url.as_bytes(), &mut first);
            proptest::prop_assert_eq!(key(once, &mut second), once);
        }
    }
}
