//! The quirks of spec/logstats-report.md on small made-up segments, and that threads and blocks make no difference.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value as Json;

use super::feed::{Head, Job};
use super::options::{Options, Urls as Keep};
use super::*;
use crate::wire::encode::{Header, SegmentWriter, Value};
use crate::wire::positions::{Positions, SQUID};

/// More than there are threads.
const GROUPS: usize = 16;

const FIELDS: &str = "cqtq,ttms,chi,crc,pssc,psql,cqhm,cquc,caun,phr,shn,psct";
const V6: Option<IpAddr> = Some(IpAddr::V6(Ipv6Addr::LOCALHOST));

#[derive(Clone, Debug)]
struct Entry {
    ms: i64,
    client: Option<IpAddr>,
    result: u8,
    status: i64,
    size: i64,
    method: &'static str,
    url: String,
    user: &'static str,
    route: u8,
    content: &'static str,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            ms: 5,
            client: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            result: b'1',
            status: 200,
            size: 100,
            method: "GET",
            url: "http://a.example/x".into(),
            user: "-",
            route: b'2',
            content: "text/html",
        }
    }
}

fn segment_at(entries: &[Entry], flushed: u32) -> Vec<u8> {
    let header = Header { field_list: FIELDS.as_bytes(), ..Header::default() };
    let mut writer = SegmentWriter::with_capacity(&header, 0, 1 << 20);
    for entry in entries {
        let values = [
            Value::Int(0),
            Value::Int(entry.ms),
            Value::Ip(entry.client),
            Value::Int(entry.result.into()),
            Value::Int(entry.status),
            Value::Int(entry.size),
            Value::Text(entry.method.as_bytes()),
            Value::Text(entry.url.as_bytes()),
            Value::Text(entry.user.as_bytes()),
            Value::Int(entry.route.into()),
            Value::Text(b"peer"),
            Value::Text(entry.content.as_bytes()),
        ];
        writer.push(1, 0, &values).unwrap();
    }
    writer.finish(flushed).to_vec()
}

fn segment(entries: &[Entry]) -> Vec<u8> {
    segment_at(entries, 0)
}

/// Blocks of so many segments, the last number again and again.
fn jobs(segments: &[Vec<u8>], sizes: &[usize]) -> Vec<Job> {
    let head = Arc::new(Head { positions: Positions::new(&SQUID), field_list: FIELDS.into() });
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(*sizes.last().unwrap()));
    let (mut rest, mut offset, mut jobs) = (segments, 0, Vec::new());
    while !rest.is_empty() {
        let (now, later) = rest.split_at(sizes.next().unwrap().clamp(1, rest.len()));
        rest = later;
        let mut ranges = Vec::new();
        let mut bytes = Vec::new();
        for segment in now {
            ranges.push(bytes.len()..bytes.len() + segment.len());
            bytes.extend_from_slice(segment);
        }
        let block = Block::new(offset, bytes[..].into(), ranges, vec![]);
        offset += block.bytes.len() as u64;
        jobs.push(Job { number: jobs.len() as u64, file: 0, block, head: Some(head.clone()) });
    }
    jobs
}

fn print(options: &Options, segments: &[Vec<u8>], threads: usize, sizes: &[usize]) -> String {
    let jobs = jobs(segments, sizes).into_iter();
    let groups = if threads < 2 { 1 } else { GROUPS };
    let mut out = Vec::new();
    if options.urls.is_some() {
        let urls = Urls::new(options, groups, &mut out);
        let counted = run::run(&urls, jobs, threads, options.since).unwrap();
        let out = urls.into_out();
        urls::show(options, &counted.groups, |url, record| json::write_url(out, options, url, record)).unwrap();
    } else {
        let origins = Origins::new(options, groups);
        let counted = run::run(&origins, jobs, threads, options.since).unwrap();
        assert!(!counted.findings.is_failure());
        let report = origins.report(counted.shards, counted.groups);
        if options.json {
            json::write(&mut out, options, true, &report).unwrap();
        } else {
            text::write(&mut out, options, true, &report).unwrap();
        }
    }
    String::from_utf8(out).unwrap()
}

fn json_with(options: Options, segments: &[Vec<u8>]) -> Json {
    serde_json::from_str(&print(&Options { json: true, ..options }, segments, 1, &[1])).unwrap()
}

fn json(segments: &[Vec<u8>]) -> Json {
    json_with(Options::default(), segments)
}

fn requests(block: &Json, key: &str) -> u64 {
    block[key]["req"].as_str().unwrap().parse().unwrap()
}

#[test]
fn sizes_and_times_are_numbers_of_32_bits() {
    let entries = [
        Entry { size: 3_000_000_000, ms: (1 << 32) + 7, ..Entry::default() },
        Entry { size: -5, ms: -7, ..Entry::default() },
    ];
    let total = &json(&[segment(&entries)])["total"];
    assert_eq!(total["hit.direct"]["bytes"], "-1294967301");
    let latency = &total["hit.direct.latency"];
    assert_eq!((&latency["min"], &latency["max"]), (&Json::from("-7"), &Json::from("7")));
}

#[test]
fn strange_results_and_statuses_drop_an_entry_but_not_its_address_family() {
    let entries = [
        Entry { client: V6, result: 31, ..Entry::default() },
        Entry { status: 1000, ..Entry::default() },
        Entry { client: V6, status: -1, ..Entry::default() },
        Entry { client: None, ..Entry::default() },
    ];
    let total = &json(&[segment(&entries)])["total"];
    assert_eq!((requests(total, "hit.total"), requests(total, "proto.ipv6")), (1, 1));
}

#[test]
fn an_entry_without_address_has_the_family_before_it_in_its_segment() {
    let none = Entry { client: None, ..Entry::default() };
    let v6 = Entry { client: V6, ..Entry::default() };
    let cases: [(&str, Vec<Vec<u8>>, u64, u64); 3] = [
        ("in front", vec![segment(std::slice::from_ref(&none))], 1, 0),
        ("behind", vec![segment(&[v6.clone(), none.clone()])], 0, 2),
        ("behind another segment", vec![segment(&[v6]), segment(&[none])], 1, 1),
    ];
    for (name, segments, v4, v6) in cases {
        let total = &json(&segments)["total"];
        assert_eq!((requests(total, "proto.ipv4"), requests(total, "proto.ipv6")), (v4, v6), "{name}");
    }
}

#[test]
fn parents_are_direct_by_origin_only() {
    let all = json(&[segment(&[Entry { route: b'4', ..Entry::default() }])]);
    let of = |block: &Json| (requests(block, "hier.direct"), requests(block, "hier.parent"));
    assert_eq!((of(&all["total"]), of(&all["a.example"])), ((0, 1), (1, 0)));
}

#[test]
fn origins_are_shown_by_their_looks_number_and_list() {
    let of = |url: &str| Entry { url: url.into(), ..Entry::default() };
    let urls = [
        "http://b.example/1",
        "http://b.example/2",
        "http://a.example/",
        "http://c%2e.example/",
        "http://nodot/",
        "http://A.example/",
    ];
    let segments = [segment(&urls.map(of))];
    let names = |options: Options| {
        let text = print(&options, &segments, 1, &[1]);
        let titles = text.lines().filter(|line| line.starts_with(' ') && line.trim() != "Traffic summary");
        titles.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    };
    let total = "Totals (all Origins combined)";
    assert_eq!(names(Options::default()), [total, "b.example", "A.example", "a.example"]);
    assert_eq!(names(Options { min_requests: 1, ..Options::default() }), [total, "b.example"]);
    assert_eq!(names(Options { max_origins: Some(2), ..Options::default() }), [total, "b.example", "A.example"]);
    assert_eq!(names(Options { summary: true, ..Options::default() }), [total]);
    let origins = Some(["a.example", "z.example"].map(|name| name.as_bytes().into()).into());
    assert_eq!(names(Options { origins: origins.clone(), ..Options::default() }), ["a.example"]);
    let listed = json_with(Options { origins, ..Options::default() }, &segments);
    assert_eq!(listed.as_object().unwrap().keys().collect::<Vec<_>>(), ["a.example"]);
    let none = Options { origins: Some([b"z"[..].into()].into()), ..Options::default() };
    assert_eq!((print(&none, &segments, 1, &[1]), json_with(none, &segments)), (String::new(), serde_json::json!({})));
}

#[test]
fn users_take_the_place_of_origins() {
    let of = |user| Entry { user, ..Entry::default() };
    let segments = [segment(&[of("u1"), of("u1"), of("-"), of("50%")])];
    let all = json_with(Options { per_user: true, ..Options::default() }, &segments);
    let mut names: Vec<_> =
        all.as_object().unwrap().iter().map(|(name, block)| (&name[..], requests(block, "hit.direct"))).collect();
    names.sort_unstable();
    assert_eq!(names, [("-", 1), ("50%", 1), ("total", 4), ("u1", 2)]);
    let summary = Options { per_user: true, summary: true, ..Options::default() };
    assert_eq!(json_with(summary, &segments).as_object().unwrap().len(), 1);
}

#[test]
fn old_segments_are_left_out_whole() {
    let segments = [segment_at(&[Entry::default()], 99), segment_at(&[Entry::default(), Entry::default()], 100)];
    let total = json_with(Options { since: Some(100), ..Options::default() }, &segments);
    assert_eq!(requests(&total["total"], "hit.direct"), 2);
}

#[test]
fn results_in_no_class_count_for_the_total_alone() {
    let text = print(&Options::default(), &[segment(&[Entry { result: b'A', ..Entry::default() }])], 1, &[1]);
    let line = |label: &str| {
        text.lines().find(|line| line.starts_with(label)).unwrap().split_whitespace().nth(3).unwrap().to_owned()
    };
    assert_eq!((line("Cache hit total"), line("Total requests  ")), ("0".into(), "100.00%".into()));
}

#[test]
fn nothing_at_all_is_a_share_of_nothing() {
    let total = &json(&[])["total"];
    assert_eq!((&total["hit.direct"]["req_pct"], &total["hit.direct.latency"]["min"]), (&"-nan".into(), &"-1".into()));
}

#[test]
fn concise_json_leaves_out_what_can_be_computed() {
    let total = json_with(Options { concise: true, ..Options::default() }, &[segment(&[Entry::default()])]);
    assert_eq!(total["total"]["hit.direct"], serde_json::json!({ "req": "1", "bytes": "100" }));
    assert_eq!(total["total"]["hit.direct.latency"], serde_json::json!({ "min": "5", "max": "5" }));
}

/// Totals, hits, misses, errors, 2xx, 4xx, and average by URL, in the order in which they are printed.
fn by_url(keep: Keep, show: Option<usize>, entries: &[(&str, u8, i64, i64)]) -> Vec<(String, [u32; 6], String)> {
    let entry = |&(url, result, status, ms): &(&str, u8, i64, i64)| Entry {
        url: url.into(),
        result,
        status,
        ms,
        ..Entry::default()
    };
    let options = Options { urls: Some(keep), show_urls: show, as_object: true, ..Options::default() };
    let segments = [segment(&entries.iter().map(entry).collect::<Vec<_>>())];
    let text = print(&options, &segments, 1, &[1]);
    let row = |line: &str| {
        let all: Json = serde_json::from_str(&format!("{{{}}}", line.trim_end_matches(','))).unwrap();
        let (url, record) = all.as_object().unwrap().iter().next().unwrap();
        let number = |key: &str| record["req"][key].as_str().unwrap().parse().unwrap();
        let numbers = ["total", "hits", "misses", "errors", "2xx", "4xx"].map(number);
        (url.clone(), numbers, record["svc_t"]["avg"].as_str().unwrap().to_owned())
    };
    text.lines().map(row).collect()
}

fn urls_of(rows: &[(String, [u32; 6], String)]) -> Vec<&str> {
    rows.iter().map(|(url, ..)| &url[..]).collect()
}

#[test]
fn urls_are_sorted_by_requests_then_as_they_came() {
    let entries = ["1", "2", "3", "3", "2", "4", "4"].map(|url| (url, b'1', 200, 5));
    assert_eq!(urls_of(&by_url(Keep::All, None, &entries)), ["2", "3", "4", "1"]);
    assert_eq!(urls_of(&by_url(Keep::All, Some(2), &entries)), ["2", "3"]);
    assert_eq!(urls_of(&by_url(Keep::Recent(9), None, &entries)), ["4", "2", "3", "1"]);
}

#[test]
fn a_full_table_of_urls_prints_what_gives_way() {
    let entries = ["1", "2", "3", "1", "4", "5"].map(|url| (url, b'1', 200, 5));
    assert_eq!(urls_of(&by_url(Keep::Recent(3), None, &entries)), ["2", "3", "1", "5", "4"]);
    assert_eq!(urls_of(&by_url(Keep::Recent(2), None, &entries)), ["1", "2", "3", "1", "5", "4"]);
    // With a number of URLs to show nothing is printed before the end, and one less than the table has.
    assert_eq!(urls_of(&by_url(Keep::Recent(3), Some(9), &entries)), ["1", "5"]);
    assert_eq!(urls_of(&by_url(Keep::Recent(1), Some(9), &entries)), ["1", "2", "3", "1", "4", "5"]);
}

/// As traffic_logstats 9.2 prints it.
#[test]
fn a_url_inherits_the_counters_that_it_does_not_set() {
    let entries =
        [("1", b'1', 404, 10), ("2", b'3', 200, 0), ("3", b't', 200, 7), ("4", b'q', 700, 0), ("4", b'1', 200, 3)];
    let rows = by_url(Keep::Recent(1), None, &entries);
    let expected = [
        ("1", [1, 1, 0, 0, 0, 1], "10.00"),
        ("2", [1, 1, 1, 0, 1, 1], "10.00"),
        ("3", [1, 1, 1, 1, 1, 1], "7.00"),
        ("4", [2, 2, 1, 1, 2, 1], "5.00"),
    ];
    for ((url, numbers, average), (expected_url, expected, expected_average)) in rows.iter().zip(expected) {
        assert_eq!((&url[..], *numbers, &average[..]), (expected_url, expected, expected_average));
    }
    assert_eq!(rows.len(), expected.len());
}

fn entry() -> impl Strategy<Value = Entry> {
    let result = prop::sample::select(&b"1.F952 3a74djtuvZpqA\x1f"[..]);
    let status = prop::sample::select(&[200_i64, 200, 204, 304, 404, 503, 100, 999, 1000][..]);
    let place = (0..6_u8, 0..9_u8);
    (0..2000_i64, prop::option::of(any::<bool>()), result, status, place, 0..4_000_000_000_i64).prop_map(
        |(ms, is_v6, result, status, (host, path), size)| Entry {
            ms: ms.max(900) - 900,
            client: is_v6.map(|is_v6| if is_v6 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() }),
            result,
            status,
            size,
            url: format!("http://host{host}.example/{path}"),
            ..Entry::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn threads_and_blocks_make_no_difference(
        entries in prop::collection::vec(entry(), 1..400),
        cuts in prop::collection::vec(1..20_usize, 1..8),
        sizes in prop::collection::vec(1..7_usize, 1..4),
    ) {
        let mut segments = Vec::new();
        let (mut rest, mut cuts) = (&entries[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            segments.push(segment(now));
            rest = later;
        }
        for urls in [None, Some(Keep::All), Some(Keep::Recent(7)), Some(Keep::Recent(100))] {
            let options = Options { json: true, urls, ..Options::default() };
            let alone = print(&options, &segments, 1, &[usize::MAX]);
            for threads in [1, 2, 5] {
                prop_assert_eq!(&print(&options, &segments, threads, &sizes), &alone, "{} threads, {:?}", threads, urls);
            }
        }
    }
}

#[test]
fn what_cannot_be_printed_stops_all_threads() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let entries: Vec<Entry> = (0..500).map(|at| Entry { url: format!("/{at}"), ..Entry::default() }).collect();
    let segments: Vec<Vec<u8>> = entries.chunks(5).map(segment).collect();
    let options = Options { urls: Some(Keep::Recent(10)), ..Options::default() };
    for threads in [1, 3] {
        let urls = Urls::new(&options, GROUPS, Full);
        let error = run::run(&urls, jobs(&segments, &[3]).into_iter(), threads, None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}

#[test]
#[should_panic(expected = "a bug")]
fn a_panic_reaches_the_caller() {
    struct Buggy;
    impl run::Counting for Buggy {
        type Shard = ();
        type Group = ();
        fn groups(&self) -> usize {
            3
        }
        fn shard(&self) {}
        fn group(&self, _: usize) {}
        fn needed(&self) -> usize {
            0
        }
        fn read(&self, (): &mut (), batch: &run::Batch<'_>) -> run::Damaged {
            assert_ne!(batch.turn.number, 7, "a bug");
            run::Damaged::default()
        }
        fn replay(&self, (): &mut (), _: run::Turn<'_>, _: usize, (): &mut ()) -> io::Result<()> {
            Ok(())
        }
    }
    let segments = vec![segment(&[Entry::default()]); 100];
    let _ = run::run(&Buggy, jobs(&segments, &[1]).into_iter(), 4, None);
}

mod files {
    use super::*;

    fn write(parts: &[&[u8]]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), parts.concat()).unwrap();
        file
    }

    fn report_of(options: &Options, files: &[&tempfile::NamedTempFile]) -> (String, Vec<String>, bool) {
        let paths: Vec<PathBuf> = files.iter().map(|file| file.path().into()).collect();
        let mut out = Vec::new();
        let findings = report(options, &paths, 2, |_, _| {}, &mut out).unwrap();
        let is_failure = findings.is_failure();
        (String::from_utf8(out).unwrap(), findings.lines(&paths), is_failure)
    }

    fn with_fields(fields: &str) -> Vec<u8> {
        let mut bytes = segment(&[Entry::default()]);
        let at = bytes.windows(FIELDS.len()).position(|part| part == FIELDS.as_bytes()).unwrap();
        assert_eq!(fields.len(), FIELDS.len());
        bytes[at..at + fields.len()].copy_from_slice(fields.as_bytes());
        bytes
    }

    #[test]
    fn the_field_that_came_with_10_makes_it_a_report_of_10() {
        let old = write(&[&segment(&[Entry::default()])]);
        let new = write(&[&with_fields(&FIELDS.replace("cquc", "pquc"))]);
        let has_429 = |options: &Options, file| report_of(options, &[file]).0.contains("429 Too Many");
        assert!(!has_429(&Options::default(), &old) && has_429(&Options::default(), &new));
        let of = |ats| Options { ats: Some(ats), ..Options::default() };
        assert!(has_429(&of(Ats::V10_2), &old) && !has_429(&of(Ats::V8_1), &new));
        let (_, lines, is_failure) = report_of(&of(Ats::V10_2), &[&old]);
        assert!(lines.len() == 1 && lines[0].contains("-n") && !is_failure, "{lines:?}");
        assert!(report_of(&Options { no_format_check: true, ..of(Ats::V10_2) }, &[&old]).1.is_empty());
    }

    #[test]
    fn other_formats_are_refused_unless_the_check_is_off() {
        let other = write(&[&with_fields(&FIELDS.replace("cqtq,ttms,chi,crc", "chi,cqtq,ttms,crc"))]);
        let good = write(&[&segment(&[Entry::default()])]);
        let json = Options { json: true, ..Options::default() };
        let (out, lines, is_failure) = report_of(&json, &[&other, &good]);
        assert!(is_failure && lines.len() == 1 && lines[0].contains("--no-format-check"), "{lines:?}");
        assert_eq!(requests(&serde_json::from_str::<Json>(&out).unwrap()["total"], "hit.total"), 1);
    }

    #[test]
    fn the_first_field_list_goes_for_the_whole_file() {
        let file = write(&[
            &segment(&[Entry::default()]),
            &with_fields(&FIELDS.replace("shn", "shi")),
            &segment(&[Entry::default()]),
        ]);
        let json = Options { json: true, ..Options::default() };
        let (out, lines, is_failure) = report_of(&json, &[&file]);
        assert!(!is_failure && lines.len() == 1 && lines[0].contains("field list of the first"), "{lines:?}");
        assert_eq!(requests(&serde_json::from_str::<Json>(&out).unwrap()["total"], "hit.total"), 3);
    }

    #[test]
    fn damage_costs_what_is_damaged() {
        let good = segment(&vec![Entry::default(); 3]);
        let file = write(&[&good, b"nonsense", &good, &good[..good.len() - 8]]);
        let json = Options { json: true, ..Options::default() };
        let (out, lines, is_failure) = report_of(&json, &[&file]);
        assert!(is_failure && lines.len() == 2, "{lines:?}");
        assert_eq!(requests(&serde_json::from_str::<Json>(&out).unwrap()["total"], "hit.total"), 6);
    }
}
