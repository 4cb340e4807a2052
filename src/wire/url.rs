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

#[cfg(test)]
mod tests {
    use super::*;

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
