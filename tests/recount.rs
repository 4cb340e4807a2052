//! Every figure of `visulate report --json`, and of the API of a running engine, is that of a recount of what traffic_logcat printed for
//! the same log. Answers are compared down to the last name, so that a figure without a recount fails.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Instant;

use common::DIMENSIONS;
use common::answers::{
    PROFILED, add_profiles, all_of, base, distribution, mean, moment, rank, series, top, uniques, urls,
};
use common::calamaris;
use common::made::{self, FORMATS, Format};
use common::printed::{Entry, Log, logs};
use common::program::{PATIENCE, Program};
use common::recount::{by, row, sums};
use common::same::{same, take};
use serde_json::{Map, Value as Json, json};
use visulate::wire::encode::{auth_message, message};

/// What of an entry a distribution is of.
type Value = fn(&Entry) -> Option<u64>;

/// What an answer says of the run itself, or is held against a model of its own.
const NOT_OF_ENTRIES: [(&str, &str); 5] = [
    ("version", "of the program"),
    ("files", "what was asked for"),
    ("miss_ratio/points", "a model of sampled URLs: tests/reuse.rs and the unit tests beside it"),
    ("miss_ratio/working_set", "the same"),
    ("miss_ratio/one_hit/miss_bytes_share", "the same"),
];

fn report(path: &str) -> Json {
    let output = Command::new(env!("CARGO_BIN_EXE_visulate"))
        .args(["report", "--json", "--top", "100000", path])
        .env("TZ", "UTC")
        .output()
        .unwrap();
    // Some connections were cut: then that is all that is said.
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(messages.lines().all(|line| line.contains("is cut off")) && messages.lines().count() < 2, "{messages}");
    assert_eq!(output.status.success(), messages.is_empty());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Takes the numbers of ticks out: they are those of a run.
fn without_ticks(value: &mut Json) {
    match value {
        Json::Object(map) => {
            map.remove("tick");
            map.values_mut().for_each(without_ticks);
        }
        Json::Array(all) => all.iter_mut().for_each(without_ticks),
        _ => {}
    }
}

fn object<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Json)>) -> Json {
    pairs.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map<_, _>>().into()
}

fn keyed(entries: &[&Entry], key: impl Fn(&Entry) -> Option<String>) -> Json {
    by(entries, key).into_iter().map(|(key, of)| row(key, of)).collect()
}

/// Families, troubles and Calamaris' groups; those of results and routes only where there are any.
fn groups(tcp: &[&Entry], udp: &[&Entry]) -> Json {
    let of = |is_so: &dyn Fn(&Entry) -> bool| sums(tcp.iter().copied().filter(|entry| is_so(entry)));
    let by_group = by(tcp, |entry| entry.group().map(|group| format!("calamaris_{}", group.to_lowercase())));
    let by_way = by(tcp, |entry| entry.way().map(|way| format!("route_{way}")));
    let always = [
        ("server_trouble", of(&Entry::is_server_trouble)),
        ("client_trouble", of(&Entry::is_client_trouble)),
        ("proxy_trouble", of(&Entry::is_proxy_trouble)),
        ("peer_timeout", of(&Entry::has_peer_timeout)),
        ("icp", sums(udp.iter().copied())),
    ];
    all_of([object(by_group.into_iter().chain(by_way).map(|(name, of)| (name, sums(of)))), object(always)])
}

/// Rows by powers of two, from the first size to before the second.
fn sizes_by_2(tcp: &[&Entry]) -> Json {
    by(tcp, |entry| Some(entry.bytes.checked_ilog2()))
        .into_iter()
        .map(|(power, of)| {
            let mut row = sums(of);
            row["from"] = json!(power.map_or(0, |power| 1_u64 << power));
            row["to"] = json!(power.map_or(1, |power| 2_u64 << power));
            row
        })
        .collect()
}

fn revalidation(tcp: &[&Entry]) -> Json {
    let of = |freshness: usize| tcp.iter().filter(|entry| entry.freshness() == Some(freshness)).count() as f64;
    let [unmodified, modified, failed] = [1, 2, 3].map(of);
    json!({
        "unmodified": unmodified as u64,
        "modified": modified as u64,
        "failed": failed as u64,
        "yield": calamaris::quotient(unmodified, unmodified + modified + failed),
    })
}

fn popularity(tcp: &[&Entry]) -> Json {
    let mut values: Vec<usize> = by(tcp, Entry::url_key).values().map(Vec::len).collect();
    values.sort_unstable_by(|a, b| b.cmp(a));
    let all: usize = values.iter().sum();
    let share = |top: usize| {
        let requests: usize = values.iter().take(top).sum();
        json!({"top": top, "requests": requests, "share": calamaris::quotient(requests as f64, all as f64)})
    };
    [10, 100, 1000].map(share).into_iter().collect()
}

fn main_types(tcp: &[&Entry]) -> Json {
    keyed(tcp, |entry| entry.kind_of_content().map(|kind| kind.split('/').next().unwrap().to_owned()))
}

/// What of the sample of URLs is exact as long as all of them are in it; else it is near enough.
fn sample(tcp: &[&Entry], found: &Json) -> Json {
    let is_asked = |entry: &&&Entry| {
        matches!(entry.method.as_deref(), None | Some("GET" | "HEAD" | "-"))
            && entry.url.as_ref().is_some_and(|url| url != "-" && !url.is_empty())
            && entry.band() != Some("error")
    };
    let asked: Vec<&Entry> = tcp.iter().filter(is_asked).copied().collect();
    let urls = by(&asked, Entry::url_key);
    let once = urls.values().filter(|of| of.len() == 1).count();
    let (share, rate) = (&found["one_hit"]["share"], found["sample"]["rate"].as_f64().unwrap());
    let exact = calamaris::quotient(once as f64, urls.len() as f64);
    if rate == 1.0 {
        return json!({
            "one_hit": {"share": exact},
            "sample": {"objects": urls.len(), "rate": 1.0, "samples": asked.len(), "dropped": 0},
        });
    }
    assert!((share.as_f64().unwrap() - exact.as_f64().unwrap()).abs() < 0.03, "{share} for {exact}");
    let objects = found["sample"]["objects"].as_f64().unwrap();
    assert!((objects / rate - urls.len() as f64).abs() < 0.03 * urls.len() as f64, "{objects} of {}", urls.len());
    json!({"one_hit": {"share": share}, "sample": found["sample"]})
}

/// The whole report, as it must be.
fn expected(entries: &[&Entry], found: &Json, received: u64, bytes_read: u64) -> Json {
    let (udp, tcp): (Vec<&Entry>, Vec<&Entry>) = entries.iter().copied().partition(|entry| entry.is_icp());
    let (udp, tcp) = (&udp[..], &tcp[..]);
    let time = |entry: &Entry| entry.time;
    let size = |entry: &Entry| Some(entry.bytes);
    let ordinary: Vec<&Entry> = tcp.iter().copied().filter(|entry| entry.result.is_some()).collect();
    let (hits, others): (Vec<&Entry>, Vec<&Entry>) = ordinary.iter().copied().partition(|entry| entry.is_hit());
    let histogram = |of: &str, value: &dyn Fn(&Entry) -> Option<u64>| {
        let parts = [
            moment(entries),
            json!({"of": of, "mean": mean(tcp, value)}),
            distribution(tcp, value, &found["histogram"][of]),
        ];
        all_of(parts)
    };
    let read = json!({
        "entries": {
            "received": received, "requests": tcp.len(), "icp": udp.len(),
            "aggregate": received - entries.len() as u64, "bad": 0, "uncounted": 0,
        },
        "uniques": uniques(tcp),
    });
    let tables = calamaris::tables(tcp, udp, (received, 0), &found["tables"]);
    let table = |(id, rows): (&str, Vec<(u64, Vec<Json>)>)| {
        let (levels, rows): (Vec<u64>, Vec<Vec<Json>>) = rows.into_iter().unzip();
        (id.to_owned(), json!({"rows": rows, "levels": levels}))
    };
    let current = base(tcp);
    let current = json!({"current": {"hit_ratio": current["hit_ratio"], "byte_hit_ratio": current["byte_hit_ratio"]}});
    json!({
        "report": 1,
        "bytes_read": bytes_read,
        "filter": [],
        "measure": "requests",
        "summary": all_of([moment(entries), sums(tcp.iter().copied()), base_of(entries, tcp), read]),
        "classes": keyed(tcp, |entry| entry.class().map(str::to_owned)),
        "status_classes": keyed(tcp, Entry::status_class),
        "groups": groups(tcp, udp),
        "top": object(DIMENSIONS.map(|name| (name, all_of([moment(entries), top(tcp, name, &found["top"][name])])))),
        "rank": object(["client", "site", "url"].map(|name| (name, all_of([moment(entries), rank(tcp, name, &found["rank"][name])])))),
        "histogram": {
            "time_ms": histogram("time_ms", &time),
            "bytes": histogram("bytes", &size),
            "hits_time_ms": distribution(&hits, time, &found["histogram"]["hits_time_ms"]),
            "others_time_ms": distribution(&others, time, &found["histogram"]["others_time_ms"]),
        },
        "sizes_by_2": sizes_by_2(tcp),
        "series": all_of([moment(entries), series(tcp, &found["series"]), json!({"complete_to": moment(entries)["as_of"]})]),
        "miss_ratio": all_of([moment(entries), current, sample(tcp, &found["miss_ratio"])]),
        "revalidation": revalidation(tcp),
        "popularity": popularity(tcp),
        "urls": urls(tcp, &found["urls"]),
        "urls_given_up": 0,
        "main_types": main_types(tcp),
        "tables": tables.into_iter().map(table).collect::<Map<_, _>>(),
    })
}

/// The interval of a report is that of all entries, inter-cache ones too.
fn base_of(entries: &[&Entry], tcp: &[&Entry]) -> Json {
    let mut base = base(tcp);
    let (of_all, of_tcp) = (moment(entries), moment(tcp));
    let seconds = |moment: &Json| moment["seconds"].as_f64().unwrap();
    for name in ["requests_per_second", "bits_per_second", "concurrency"] {
        if let Some(rate) = base[name].as_f64() {
            base[name] = json!(rate * seconds(&of_tcp) / seconds(&of_all));
        }
    }
    (base["first"], base["last"]) = (of_all["from"].clone(), of_all["as_of"].clone());
    base
}

/// Compares a whole report.
fn check(mut found: Json, entries: &[Entry], received: u64, bytes_read: u64, name: &str) {
    without_ticks(&mut found);
    for (path, _) in NOT_OF_ENTRIES {
        take(&mut found, path);
    }
    for (id, table) in found["tables"].as_object_mut().unwrap() {
        let described = ["id", "title", "note", "columns", "units"].map(|name| table[name].clone());
        assert_eq!(described[0], id.as_str());
        let columns = described[3].as_array().unwrap().len();
        assert_eq!(described[4].as_array().unwrap().len(), columns, "{id}");
        assert!(table["rows"].as_array().unwrap().iter().all(|row| row.as_array().unwrap().len() == columns), "{id}");
    }
    let entries: Vec<&Entry> = entries.iter().collect();
    let mut expected = expected(&entries, &found, received, bytes_read);
    for (id, table) in expected["tables"].as_object_mut().unwrap() {
        for name in ["id", "title", "note", "columns", "units"] {
            table[name] = found["tables"][id][name].clone();
        }
    }
    same(&found, &expected, name);
}

/// Reports of at least so many logs, those of the folder of further captures among them.
fn check_reports(releases: &[&str], own: usize, all: usize) {
    let logs = logs(releases);
    assert!(logs.len() >= if std::env::var_os("VISULATE_CAPTURES").is_some() { all } else { own }, "{}", logs.len());
    for log in logs {
        eprintln!("{}: {} lines", log.name, log.lines);
        let found = report(log.path.to_str().unwrap());
        if log.is_aggregate() {
            let entries = &found["summary"]["entries"];
            assert_eq!((&entries["aggregate"], &entries["received"]), (&json!(log.lines), &json!(log.lines)));
            assert_eq!(found["summary"]["requests"], 0, "{}", log.name);
            continue;
        }
        let bytes_read = log.segments.iter().map(|segment| segment.len() as u64).sum();
        check(found, &log.entries, log.lines as u64, bytes_read, &log.name);
    }
}

#[test]
fn every_figure_of_a_report_is_that_of_a_recount_of_the_text_of_release_7_and_8() {
    check_reports(&["7", "8"], 2, 19);
}

#[test]
fn every_figure_of_a_report_is_that_of_a_recount_of_the_text_of_release_9() {
    check_reports(&["9"], 3, 6);
}

#[test]
fn every_figure_of_a_report_is_that_of_a_recount_of_the_text_of_release_10_and_11() {
    check_reports(&["10", "11"], 5, 15);
}

/// An answer of a running engine, without when it is from and what interval it is of.
fn numbers_of(mut answer: Json) -> Json {
    ["as_of", "from", "seconds", "tick", "window"].into_iter().for_each(|name| drop(take(&mut answer, name)));
    answer
}

#[test]
fn a_running_engine_says_what_a_recount_says_of_release_7_and_8() {
    check_live(&["7", "8"]);
}

#[test]
fn a_running_engine_says_what_a_recount_says_of_release_9() {
    check_live(&["9"]);
}

#[test]
fn a_running_engine_says_what_a_recount_says_of_release_10_and_11() {
    check_live(&["10", "11"]);
}

/// Of each log of these releases what an engine says that it was sent to.
fn check_live(releases: &[&str]) {
    for Log { name, segments, mut entries, lines, .. } in logs(releases) {
        // Enough for all URLs.
        let program = Program::start(&["--memory", "4G"]);
        let messages: Vec<Vec<u8>> = segments.iter().map(|segment| message(segment)).collect();
        program.send(&[auth_message(b"foobar"), messages.concat()].concat());
        program.received(lines as u64);
        entries.iter_mut().for_each(|entry| entry.node = entry.node.replace("@file", "@127.0.0.1"));
        let entries: Vec<&Entry> = entries.iter().collect();
        if entries.is_empty() {
            assert_eq!(program.received(lines as u64)["requests"], 0, "{name}: of an aggregate format");
            continue;
        }
        let until = Instant::now() + PATIENCE;
        for dimension in DIMENSIONS {
            let with_key = entries.iter().filter(|entry| entry.key(dimension).is_some()).count();
            // Large tables come once a second.
            let found = loop {
                let found = program.json(&format!("/api/v1/top?dimension={dimension}&limit=100000"));
                // Profiles come with them.
                let is_whole =
                    |row: &Json| row.get("profile").is_none_or(|profile| profile["requests"] == row["requests"]);
                if found["total"]["requests"] == with_key && found["rows"].as_array().unwrap().iter().all(is_whole) {
                    break found;
                }
                assert!(
                    Instant::now() < until,
                    "{name} {dimension}: waited in vain for {with_key}: {}",
                    found["total"]
                );
            };
            let mut expected = top(&entries, dimension, &found);
            if PROFILED.contains(&dimension) {
                add_profiles(&mut expected, &entries, dimension, &found);
            }
            same(&numbers_of(found), &expected, &format!("{name} {dimension}"));
            let found = program.json(&format!("/api/v1/rank?dimension={dimension}"));
            same(
                &numbers_of(found.clone()),
                &rank(&entries, dimension, &found),
                &format!("{name} rank of {dimension}"),
            );
        }
        let values: [(&str, Value); 2] = [("time_ms", |entry| entry.time), ("bytes", |entry| Some(entry.bytes))];
        for (of, value) in values {
            let found = program.json(&format!("/api/v1/histogram?of={of}"));
            let parts = [json!({"of": of, "mean": mean(&entries, value)}), distribution(&entries, value, &found)];
            same(&numbers_of(found), &all_of(parts), &format!("{name} {of}"));
        }
        let mut summary = numbers_of(program.json("/api/v1/summary"));
        // Of connections and arrival, which no text knows.
        for name in ["nodes_connected", "nodes_expected", "rejected", "ahead", "late"] {
            take(&mut summary, name);
        }
        let uniques = take(&mut summary, "uniques");
        for (dimension, count) in uniques.as_object().unwrap() {
            let keys: BTreeSet<_> = entries.iter().filter_map(|entry| entry.key(dimension)).collect();
            assert_eq!(count, &json!({"count": keys.len(), "exact": true}), "{name} {dimension}");
        }
        let read = json!({"entries": {
            "received": lines, "requests": entries.len(), "aggregate": lines - entries.len(), "icp": 0, "bad": 0,
            "uncounted": 0,
        }});
        same(&summary, &all_of([sums(entries), read]), &name);
    }
}

/// The report of a made-up log.
fn check_made(formats: &[Format], name: &str) {
    let (segments, entries) = made::log(formats, 6000, 1_795_514_400);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.blog");
    let bytes = segments.concat();
    std::fs::write(&path, &bytes).unwrap();
    check(report(path.to_str().unwrap()), &entries, entries.len() as u64, bytes.len() as u64, name);
}

#[test]
fn every_figure_of_a_report_is_that_of_a_recount_of_all_codes() {
    check_made(&FORMATS[..1], "all codes");
}

#[test]
fn figures_leave_out_entries_whose_format_lacks_what_they_need() {
    check_made(&FORMATS, "three formats");
    check_made(&FORMATS[1..2], "a format without results and URLs");
}

#[test]
fn series_of_a_report_have_all_entries_of_quiet_logs_in_any_order() {
    // An entry in some seconds, for a day each; the newer file comes first, and the next is of other requests of the same day.
    let ends = [1_795_514_400, 1_795_514_400 - 86_400, 1_795_514_400 - 7];
    let logs = ends.map(|end| made::log(&FORMATS[..1], 3000 + (end % 86_400) as usize, end));
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<String> = logs
        .iter()
        .zip(0..)
        .map(|((segments, _), at)| {
            let path = folder.path().join(format!("{at}.blog"));
            std::fs::write(&path, segments.concat()).unwrap();
            path.to_str().unwrap().to_owned()
        })
        .collect();
    let entries: Vec<&Entry> = logs.iter().flat_map(|(_, entries)| entries).filter(|entry| !entry.is_icp()).collect();
    for threads in ["1", "3"] {
        let arguments =
            [&["report", "--json", "--threads", threads], &paths.iter().map(String::as_str).collect::<Vec<_>>()[..]]
                .concat();
        let output = Command::new(env!("CARGO_BIN_EXE_visulate")).args(arguments).output().unwrap();
        let mut found: Json = serde_json::from_slice(&output.stdout).unwrap();
        without_ticks(&mut found);
        let mut found = take(&mut found, "series");
        ["as_of", "from", "seconds", "window"].into_iter().for_each(|name| drop(take(&mut found, name)));
        let mut expected = series(&entries, &found);
        // The second that has the most is looked for as long as seconds are told apart, so in a file's own entries.
        for point in [&mut found, &mut expected].into_iter().flat_map(|series| series["points"].as_array_mut().unwrap())
        {
            point.as_object_mut().unwrap().retain(|name, _| !name.ends_with("_1s"));
        }
        same(&found, &expected, threads);
    }
}
