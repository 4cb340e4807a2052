//! What traffic_logstats 9.2 made of entries that differ in one value each.

use super::super::counters::Counters;
use super::super::lines::BLOCKS;
use super::*;

/// Keys of the lines that a request in this class shows in, without totals and their common beginning.
fn keys(slot: u8, prefix: &str) -> Vec<&'static str> {
    let mut counters = Counters::default();
    counters.add(slot, 1);
    let lines = BLOCKS.iter().flat_map(|block| block.groups).copied().flatten();
    let shown = lines.filter(|line| line.of(&counters).requests > 0 && !line.key.ends_with(".total"));
    shown.filter_map(|line| line.key.strip_prefix(prefix)).collect()
}

#[test]
fn results_are_classed_and_strange_ones_dropped() {
    let cases: &[(&str, &[u8])] = &[
        ("hit.direct", b"1"),
        ("hit.ram", b"."),
        ("hit.rww", b"F"),
        ("hit.ims", b"9"),
        ("hit.refresh", b"5"),
        ("hit.other", b"26ghi"),
        ("miss.direct", b"3"),
        ("miss.ims", b"a"),
        ("miss.refresh", b"7"),
        ("miss.other", b"4dj"),
        ("error.client_abort", b"t"),
        ("error.client_read_error", b"J"),
        ("error.connect_failed", b"u"),
        ("error.invalid_request", b"v"),
        ("error.unknown", b"Z"),
    ];
    for code in 0..256_i64 {
        let known = cases.iter().find(|(_, codes)| codes.contains(&(code as u8)));
        let expected: Option<Vec<&str>> = match (code, known) {
            (..32, _) => None,
            (_, Some((key, _))) => Some(vec![key]),
            (112.., _) => Some(vec!["error.other"]),
            _ => Some(vec![]),
        };
        assert_eq!(result(code).map(|slot| keys(slot, "")), expected, "{code}");
    }
    assert_eq!((result(256), result(-1), result(256 + 49)), (None, None, None));
    // Only the low 32 bits are looked at.
    assert_eq!(result((1 << 32) + 49), result(49));
}

#[test]
fn by_url_only_some_errors_are_errors() {
    let of = |code: u8| outcome(code.into());
    for code in b"1952.F6ghi" {
        assert_eq!(of(*code), Some(Outcome::Hit));
    }
    for code in b"3a74dj" {
        assert_eq!(of(*code), Some(Outcome::Miss));
    }
    for code in b"tJuvZp" {
        assert_eq!(of(*code), Some(Outcome::Error));
    }
    for code in b"qrswxyzAbD" {
        assert_eq!(of(*code), None);
    }
}

#[test]
fn statuses_are_classed_and_strange_ones_dropped() {
    let of = |code| status(code).map(|slot| keys(slot, "status."));
    assert_eq!(of(100), Some(vec!["100", "000"]));
    assert_eq!(of(206), Some(vec!["206", "2xx"]));
    assert_eq!((of(207), of(299)), (Some(vec!["2xx"]), Some(vec!["2xx"])));
    assert_eq!((of(305), of(306), of(307)), (Some(vec!["305", "3xx"]), Some(vec!["3xx"]), Some(vec!["307", "3xx"])));
    assert_eq!((of(417), of(418)), (Some(vec!["417", "4xx"]), Some(vec!["4xx"])));
    assert_eq!((of(429), of(505)), (Some(vec!["429", "4xx"]), Some(vec!["505", "5xx"])));
    for code in [0, 101, 199, 600, 999] {
        assert_eq!(of(code), Some(vec!["000"]), "{code}");
    }
    assert_eq!((of(-1), of(1000), of(i64::MAX)), (None, None, None));
    assert_eq!(of((1 << 32) + 200), of(200));
    for code in -2..1002 {
        assert_eq!(hundred(code).is_some(), status(code).is_some(), "{code}");
    }
    assert_eq!((hundred(100), hundred(204), hundred(599), hundred(600)), (Some(0), Some(2), Some(5), Some(0)));
}

#[test]
fn routes_are_classed() {
    for code in -1..300_i64 {
        let expected = match u8::try_from(code).unwrap_or(0) {
            b'0' => "empty",
            b'1' => "none",
            b'2' => "direct",
            b'3' => "sibling",
            b'4' => "parent",
            b'5'..=121 => "other",
            _ => "invalid",
        };
        let expected = if code > 255 { "invalid" } else { expected };
        assert_eq!(keys(route(code), "hier."), [expected], "{code}");
    }
}

#[test]
fn methods_and_urls_are_taken_apart() {
    let cases: &[(&str, &str, &str, &str, &str)] = &[
        ("GET", "http://a.com?x=1", "get", "http", "a.com?x=1"),
        ("GET", "HTTP://a.com/", "get", "other", "HTTP:"),
        ("GET", "https://u:p@a.com:8/x", "get", "https", "u:p@a.com:8"),
        ("CONNECT", "a.com:443", "other", "other", "a.com:443"),
        ("GET", "ftp://f.com/x", "get", "other", "ftp:"),
        ("GET", "/a.b/c", "get", "none", "a.b"),
        ("GET", "//a.b/c", "get", "none", ""),
        ("get", "http://a.com/", "other", "other", ""),
        ("-", "http://a.com/", "none", "other", ""),
        ("-", "/", "none", "none", ""),
        ("-x", "http://a.com", "other", "other", ""),
        ("HEADx", "http://a.com/", "head", "http", "a.com"),
        ("HEAD-", "http://a.com/", "head", "http", "a.com"),
        ("POSTS", "httpx://a.com/", "post", "other", "x:"),
        ("G-T", "http://a.com/", "other", "other", ""),
        ("GET1", "http://a.com/", "other", "other", ""),
        ("", "http://a.com/", "other", "http", "a.com"),
        ("GETX", "http://a.com/", "other", "http", "a.com"),
        ("PUT", "http:a.com/x.y/z", "put", "http", "com"),
        ("TRACE", "http:/a.com/", "other", "http", ".com"),
        ("PUTT", "http:///b.c/d", "other", "http", "b.c"),
        ("PURGE", "http", "purge", "other", ""),
        ("DELETE", "https", "delete", "https", ""),
        ("OPTIONS", "http:", "options", "http", ""),
        ("GET", "https/xxxxxx.y", "get", "https", "xxxx.y"),
        ("GET", "", "get", "other", ""),
        ("GET", "-", "get", "other", "-"),
    ];
    for (verb, address, counted, scheme, origin) in cases {
        let (slot, analysed) = method(verb.as_bytes());
        let (scheme_slot, found) = url(address.as_bytes(), analysed);
        let name = format!("{verb} {address}");
        assert_eq!(keys(slot, "method."), [*counted], "{name}");
        assert_eq!((keys(scheme_slot, "scheme."), found), (vec![*scheme], origin.as_bytes()), "{name}");
    }
}

#[test]
fn content_types_are_classed_by_their_beginnings() {
    let cases: &[(&str, &[&str])] = &[
        ("image.jpeg", &["image/jpeg", "image/jpegx", "image/jpg"]),
        ("image.gif", &["image/gif", "imagx/gif", "image-gif"]),
        ("image.other", &["imag", "image/", "image/jpgx", "image/gifx", "image/svg+xml"]),
        ("image.png", &["image/png"]),
        ("image.bmp", &["image/bmp"]),
        ("text.javascript", &["text/java", "text/javascript"]),
        ("text.css", &["text/css"]),
        ("text.xml", &["text/xml"]),
        ("text.html", &["text/htmlx"]),
        ("text.plain", &["textxplain", "text/plaix"]),
        ("text.other", &["text", "text/", "text/cssx", "text/csv"]),
        ("application.zip", &["application/zip", "applicationxzip"]),
        ("application.javascript", &["application/java", "application/x-javascript", "application/x-jav"]),
        ("application.rss_xml", &["application/rss+xml"]),
        ("application.rss_atom", &["application/rss+atom"]),
        ("application.shockwave", &["application/x-shockwave-flash"]),
        ("application.quicktime", &["application/x-quicktimeplayer"]),
        (
            "application.other",
            &["application", "application/", "application/zipx", "application/rss", "application/json"],
        ),
        ("audio.x-wav", &["audio/wav", "audio/x-wav"]),
        ("audio.x-mpeg", &["audio/mpeg", "audio/x-mpeg"]),
        ("audio.other", &["audio", "audio/", "audio/wavx"]),
        ("none", &["-", "-x"]),
        ("other", &["", "video/mp4", "Text/html", "applicatio", "aud", "audi"]),
    ];
    for (key, types) in cases {
        for text in *types {
            assert_eq!(keys(content(text.as_bytes()), "content."), [*key], "{text:?}");
        }
    }
    assert!(keys(content(b"application/rss+x"), "content.").is_empty(), "counted in the total only");
}
