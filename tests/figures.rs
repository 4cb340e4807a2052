//! `visulate report` from outside: the test vectors of the statistics, filters, threads, text logs, and what it prints.
#![allow(clippy::unwrap_used, clippy::type_complexity)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Output, Stdio};

use common::vectors::{VECTORS, Vector, segment};
use common::{found, unpacked};
use serde_json::{Value as Json, json};

fn report(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_visulate")).arg("report").args(arguments).env("TZ", "UTC").output().unwrap()
}

fn figures(arguments: &[&str]) -> Json {
    let output = report(&[&["--json"], arguments].concat());
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// 2026-11-24 10:00:00 UTC.
const START: i64 = 1_795_514_400;

fn log_of(vectors: &[Vector]) -> Vec<u8> {
    segment(vectors, START)
}

/// The ten entries as a file, in a folder that goes with the test.
fn vectors() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vectors.blog");
    std::fs::write(&path, log_of(&VECTORS)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// Requests and bytes by key of rows.
fn by_key(rows: &Json) -> BTreeMap<String, (u64, u64)> {
    rows.as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let key = row["key"].as_str().map_or_else(|| row["key"].to_string(), str::to_owned);
            (key, (row["requests"].as_u64().unwrap(), row["bytes"].as_u64().unwrap()))
        })
        .collect()
}

/// The rows of a table of Calamaris by their first cell.
fn sheet(report: &Json, id: &str) -> BTreeMap<String, Vec<Json>> {
    let rows = report["tables"][id]["rows"].as_array().unwrap();
    rows.iter().map(|row| (row[0].as_str().unwrap().to_owned(), row.as_array().unwrap()[1..].to_vec())).collect()
}

fn is_near(found: &Json, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{found} is no number"));
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{found} is not {expected}");
}

#[test]
fn the_test_vectors_have_their_figures() {
    let (_folder, path) = vectors();
    for threads in ["1", "3"] {
        let report = figures(&["--threads", threads, &path]);
        let summary = &report["summary"];
        for (name, expected) in [
            ("requests", 10),
            ("bytes", 12_400),
            ("time_ms", 5_366),
            ("hits", 5),
            ("hit_bytes", 4_700),
            ("refresh_hits", 2),
            ("misses", 3),
            ("miss_bytes", 7_000),
            ("errors", 2),
            ("error_bytes", 700),
            ("unknown", 0),
            ("origin_bytes", 7_000),
            ("fresh_hits", 3),
            ("upstream_contacts", 5),
        ] {
            assert_eq!(summary[name], expected, "{name}");
        }
        for (name, expected) in [
            ("mean_bytes", 1240.0),
            ("mean_time_ms", 536.6),
            ("hit_ratio", 0.5),
            ("byte_hit_ratio", 4700.0 / 12_400.0),
            ("fresh_hit_ratio", 0.3),
            ("origin_offload", 5400.0 / 12_400.0),
            ("error_ratio", 0.2),
            ("seconds", 4.0),
            ("concurrency", 5366.0 / 4000.0),
            ("first", START as f64),
        ] {
            is_near(&summary[name], expected);
        }
        assert_eq!(summary["uniques"]["client"], json!({"count": 5, "exact": true}));
        assert_eq!(summary["families"], json!({"ipv4": 9, "ipv6": 1}));
        let requests = |rows: &Json| by_key(rows).into_iter().map(|(key, sums)| (key, sums.0)).collect::<Vec<_>>();
        let pairs = |pairs: &[(&str, u64)]| pairs.iter().map(|(key, n)| ((*key).to_owned(), *n)).collect::<Vec<_>>();
        assert_eq!(
            requests(&report["status_classes"]),
            pairs(&[("0xx", 1), ("2xx", 6), ("3xx", 1), ("4xx", 1), ("5xx", 1)])
        );
        assert_eq!(
            requests(&report["classes"]),
            pairs(&[
                ("denied", 1),
                ("error.client_gone", 1),
                ("error.connect", 1),
                ("hit.conditional", 1),
                ("hit.disk", 1),
                ("hit.memory", 1),
                ("hit.revalidated", 1),
                ("hit.stale_on_error", 1),
                ("miss.changed", 1),
                ("miss.plain", 1),
            ])
        );
        let group = |name: &str| report["groups"][name]["requests"].as_u64().unwrap_or(0);
        assert_eq!(["calamaris_hit", "calamaris_miss", "calamaris_error"].map(group), [5, 2, 3]);
        assert_eq!(["route_none", "route_direct", "route_parent"].map(group), [5, 4, 1]);
        assert_eq!(["server_trouble", "client_trouble", "proxy_trouble"].map(group), [2, 2, 0]);
        is_near(&report["revalidation"]["yield"], 1.0 / 3.0);
        assert_eq!(
            requests(&report["top"]["site"]["rows"]),
            pairs(&[("example.co.uk", 1), ("example.com", 7), ("example.net", 2)])
        );
        let url = &report["urls"][0];
        assert_eq!(url["key"], "http://www.example.com/a.jpg");
        assert_eq!((&url["accesses"], &url["query_diversity"], &url["seen"]), (&json!(3), &json!(2), &json!(3)));
        for name in ["most_popular_variant_share", "hit_share"] {
            is_near(&url[name], 2.0 / 3.0);
        }
        is_near(&url["miss_share"], 1.0 / 3.0);
        assert_eq!(url["miss_time_ms"]["median"], 60);
        assert_eq!(url["hits"], json!({"memory": 1, "disk": 1}));
        assert_eq!(url["misses"]["unchanged"], 1);

        // Calamaris.
        let c0 = sheet(&report, "C0");
        is_near(&c0["proxy efficiency"][0], (4700.0 / 156.0) / (7700.0 / 5210.0));
        assert_eq!((c0["proxy efficiency"][0].as_f64().unwrap() * 100.0).round(), 2039.0);
        is_near(&c0["average speed increase"][0], 100.0 * ((12_400.0 / 5366.0) / (7700.0 / 5210.0) - 1.0));
        is_near(&c0["mean size of hits"][0], 940.0);
        is_near(&c0["mean size of non-hits"][0], 1540.0);
        // By end: two a second; all within a minute; #7 began within the hour, too.
        let c1 = sheet(&report, "C1");
        assert_eq!(c1["TCP"][0], 2);
        assert_eq!((&c1["all"][2], &c1["all"][4]), (&json!(10), &json!(10)));
        assert_eq!(c1["UDP"][0], Json::Null);
        // #7 took 5 s, of which 2 before the hour; #2 took 3 ms, all of them before it, and so on.
        let hours = recounted_hours(&VECTORS);
        let (best, bytes) = hours.iter().map(|(hour, sums)| (*hour, sums.1)).max_by_key(|(_, bytes)| *bytes).unwrap();
        let c2 = sheet(&report, "C2");
        assert_eq!((&c2["TCP"][0], &c2["TCP"][1]), (&json!(bytes), &json!(best * 3600)));
        let c5 = sheet(&report, "C5");
        assert_eq!(["HIT", "MISS", "ERROR", "TCP_DENIED"].map(|key| c5[key][0].as_u64().unwrap()), [5, 2, 3, 1]);
        let c6 = sheet(&report, "C6");
        assert_eq!(["DIRECT", "parent", "Sum"].map(|key| c6[key][0].as_u64().unwrap()), [4, 1, 5]);
        let c7 = sheet(&report, "C7");
        assert_eq!((&c7["DIRECT"][0], &c7["parent1"][0], &c7["FIRST_UP_PARENT"][0]), (&json!(4), &json!(1), &json!(1)));
        let c9 = sheet(&report, "C9");
        assert_eq!(["com", "uk", "net"].map(|key| c9[key][0].as_u64().unwrap()), [7, 1, 2]);
        let c15 = sheet(&report, "C15");
        assert_eq!(["0", "100-999", "1000-9999"].map(|key| c15[key][0].as_u64().unwrap()), [1, 4, 5]);
        let c18 = sheet(&report, "C18");
        assert_eq!(["0", "1", "2", "5", "100", "5000"].map(|key| c18[key][0].as_u64().unwrap()), [1, 2, 3, 4, 8, 10]);
        let c21 = sheet(&report, "C21");
        assert_eq!(c21["Sum"], [3, 3, 1, 1, 1, 0].map(|n| json!(n)));
        assert_eq!(c21["jpg"], [1, 1, 1, 0, 0, 0].map(|n| json!(n)));
        let c20 = sheet(&report, "C20");
        assert_eq!((&c20["502 Bad Gateway"][0], &c20["0 (nothing sent)"][2]), (&json!(1), &json!(0)));
    }
}

/// Requests under way in each hour, and the bytes that fall into it: by the definition, in fractions.
fn recounted_hours(vectors: &[Vector]) -> BTreeMap<i64, (u64, u64)> {
    let mut hours = BTreeMap::<i64, (u64, f64)>::new();
    for (t, ttms, _, _, _, psql, ..) in vectors {
        let end = (START + t) * 1000;
        let start = end - ttms;
        for hour in start.div_euclid(3_600_000)..=end.div_euclid(3_600_000) {
            let (from, to) = (hour * 3_600_000, (hour + 1) * 3_600_000);
            let part = if *ttms == 0 { 1.0 } else { (to.min(end) - from.max(start)) as f64 / *ttms as f64 };
            let sums = hours.entry(hour).or_default();
            *sums = (sums.0 + 1, sums.1 + *psql as f64 * part);
        }
    }
    hours.into_iter().map(|(hour, (requests, bytes))| (hour, (requests, bytes.round() as u64))).collect()
}

#[test]
fn filters_leave_out_what_they_say() {
    let (_folder, path) = vectors();
    let requests = |arguments: &[&str]| {
        let report = figures(&[arguments, &[&path]].concat());
        let summary = &report["summary"];
        let (counted, filtered) = (summary["requests"].as_u64().unwrap(), summary["filtered"].as_u64().unwrap());
        assert_eq!(counted + filtered, 10, "{arguments:?}");
        assert_eq!(sheet(&report, "C20")["Sum"][0], counted, "{arguments:?}");
        counted
    };
    for (conditions, expected) in [
        (&["status:200"][..], 6),
        (&["status:200", "status:304"], 7),
        (&["status:5xx"], 1),
        (&["status:0"], 1),
        (&["client:10.0.0.1"], 3),
        (&["network:10.0.0.0/30"], 7),
        (&["network:2001:db8::/32"], 1),
        (&["network:0.0.0.0/0"], 9),
        (&["site:example.com"], 7),
        (&["site:EXAMPLE.com", "status:200"], 4),
        (&["host:old.example.net"], 1),
        (&["url:http://www.example.com/a.jpg"], 3),
        (&["server:parent1"], 1),
        (&["server:(none)"], 5),
        (&["result:TCP_MEM_HIT", "result:TCP_HIT"], 2),
        (&["route:DIRECT"], 4),
        (&["method:POST"], 1),
        (&["type:image/jpeg"], 3),
        (&["type:(unknown)"], 2),
        (&["extension:jpg"], 2),
        (&["scheme:http"], 10),
        (&["band:hit"], 5),
        (&["band:refresh"], 2),
        (&["band:error"], 2),
        (&["user:somebody"], 0),
        (&["site:example.com", "site:example.net", "method:GET", "band:hit"], 5),
    ] {
        let arguments: Vec<&str> = conditions.iter().flat_map(|condition| ["--where", condition]).collect();
        assert_eq!(requests(&arguments), expected, "{conditions:?}");
    }
    assert_eq!(requests(&["--from", "2026-11-24T10:00:01Z"]), 8);
    assert_eq!(requests(&["--from", "2026-11-24T10:00:01", "--to", "2026-11-24T10:00:03"]), 4, "in the local zone");
    assert_eq!(requests(&["--to", &START.to_string()]), 0);
    assert_eq!(requests(&["--from", &(START + 4).to_string(), "--where", "status:403"]), 1);
    for wrong in [
        &["--where", "colour:red"][..],
        &["--where", "status:abc"],
        &["--from", "tomorrow"],
        &["--from", "5", "--to", "5"],
        &["--measure", "hit"],
        &["--json", "--html"],
        &["--summary"],
        &["--logstats", "--html"],
        &["--format", "%<chi>%<cquc>"],
    ] {
        let output = report(&[wrong, &[&path]].concat());
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{wrong:?}");
        assert!(!output.stderr.is_empty(), "{wrong:?}");
    }
}

#[test]
fn cut_tables_have_a_row_of_all_others_and_add_up() {
    let (_folder, path) = vectors();
    let report = figures(&["--top", "1", &path]);
    // Of the ten extensions and clients one is shown; a table by freshness has several sums.
    for (id, key) in [("C3", "GET"), ("C8", "example.com"), ("C12", "(none)"), ("C14", "10.0.0.1"), ("C21", "html")] {
        let rows = report["tables"][id]["rows"].as_array().unwrap();
        let levels = report["tables"][id]["levels"].as_array().unwrap();
        let rows: Vec<&Json> = rows.iter().zip(levels).filter(|(_, level)| **level == 0).map(|(row, _)| row).collect();
        let [first, other, sum] = rows[..] else { panic!("{id}: {rows:?}") };
        assert_eq!((&first[0], &sum[0]), (&json!(key), &json!("Sum")), "{id}");
        assert!(other[0].as_str().unwrap().starts_with("other: "), "{id}: {other}");
        let names = report["tables"][id]["columns"].as_array().unwrap();
        for (column, _) in names
            .iter()
            .enumerate()
            .filter(|(column, name)| *column > 0 && (id == "C21" || *name == "requests" || *name == "bytes"))
        {
            let cell = |row: &Json| row[column].as_u64().unwrap();
            assert_eq!(cell(first) + cell(other), cell(sum), "{id} {column}");
        }
    }
}

#[test]
fn any_number_of_threads_and_files_counts_the_same() {
    let name = "ats-8.1-collation-squid.bin.zst";
    let path = common::own().join(name);
    let plain = tempfile::tempdir().unwrap();
    // Plain files are read by the threads themselves, and are large enough for several jobs.
    let unpacked_path = plain.path().join("squid.bin");
    std::fs::write(&unpacked_path, unpacked(&path)).unwrap();
    let (path, unpacked_path) = (path.to_str().unwrap(), unpacked_path.to_str().unwrap());
    let without = |arguments: &[&str]| {
        let mut report = figures(arguments);
        let all = report.as_object_mut().unwrap();
        for name in ["files", "bytes_read", "miss_ratio"] {
            all.remove(name);
        }
        for top in all["top"].as_object_mut().unwrap().values_mut() {
            top.as_object_mut().unwrap().remove("tick");
        }
        for group in ["histogram", "rank"] {
            for answer in all[group].as_object_mut().unwrap().values_mut() {
                answer.as_object_mut().unwrap().remove("tick");
            }
        }
        all["series"].as_object_mut().unwrap().remove("tick");
        report
    };
    let one = without(&["--threads", "1", path]);
    for threads in ["2", "5"] {
        assert!(without(&["--threads", threads, unpacked_path]) == one, "{threads} threads count otherwise");
    }
    let twice = figures(&["--threads", "2", path, unpacked_path]);
    assert_eq!(twice["summary"]["requests"].as_u64(), Some(2 * one["summary"]["requests"].as_u64().unwrap()));
    assert_eq!(twice["summary"]["uniques"], one["summary"]["uniques"]);
    assert_eq!(twice["top"]["node"]["keys"]["count"], 1);
}

#[test]
fn text_logs_count_as_their_binary_ones_do() {
    let Some((_, text)) = found(".logcat.txt.zst").into_iter().find(|(name, _)| name == "ats-8.1-collation-squid")
    else {
        // Only the folder of further captures has it.
        assert!(std::env::var_os("VISULATE_CAPTURES").is_none());
        return;
    };
    let binary = text.with_file_name("ats-8.1-collation-squid.bin.zst");
    let packed = figures(&[text.to_str().unwrap()]);
    let of_binary = figures(&[binary.to_str().unwrap()]);
    for name in ["requests", "bytes", "time_ms", "hits", "hit_bytes", "errors", "origin_bytes", "fresh_hits"] {
        assert_eq!(packed["summary"][name], of_binary["summary"][name], "{name}");
    }
    for dimension in ["result", "status", "client", "site", "url", "type", "route", "method"] {
        assert_eq!(packed["top"][dimension]["rows"], of_binary["top"][dimension]["rows"], "{dimension}");
    }
    assert_eq!(packed["urls"], of_binary["urls"]);
    // The same by the standard input, with a line that is in no format.
    let mut child = Command::new(env!("CARGO_BIN_EXE_visulate"))
        .args(["report", "--json", "--format", "squid", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = unpacked(&text);
    input.extend_from_slice(b"this is no entry\n");
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 lines fit no format"), "{output:?}");
    let of_input: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(of_input["summary"]["requests"], of_binary["summary"]["requests"]);
    assert_eq!(of_input["summary"]["entries"]["bad"], 1);
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_counts() {
    let (folder, path) = vectors();
    let cut = folder.path().join("cut.blog");
    let whole = log_of(&VECTORS);
    std::fs::write(&cut, [&whole[..], &whole[..whole.len() - 9]].concat()).unwrap();
    let absent = folder.path().join("absent.blog");
    let output = report(&["--json", cut.to_str().unwrap(), absent.to_str().unwrap(), &path]);
    assert_eq!(output.status.code(), Some(1));
    let messages = String::from_utf8(output.stderr).unwrap();
    assert!(
        messages.lines().count() == 2 && messages.contains("cut.blog") && messages.contains("absent.blog"),
        "{messages}"
    );
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["summary"]["requests"], 20);
}

#[test]
fn the_text_fits_its_width_and_has_no_controls_but_colours() {
    let hostile: Vec<Vector> = VECTORS
        .iter()
        .map(|&(t, ttms, chi, crc, pssc, psql, cqhm, _, phr, shn, psct)| {
            (
                t,
                ttms,
                chi,
                crc,
                pssc,
                psql,
                cqhm,
                "http://\u{1b}[31mred.example/\u{202e}x\u{7}?<script>",
                phr,
                shn,
                psct,
            )
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.blog");
    std::fs::write(&path, log_of(&[&VECTORS[..], &hostile].concat())).unwrap();
    let path = path.to_str().unwrap();
    for width in [80, 120, 200] {
        let output = report(&["--calamaris", "--width", &width.to_string(), path]);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'), "{width}");
        let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > width).collect();
        assert_eq!(wide, [""; 0], "wider than {width}");
        for id in ["Summary", "C0 ", "C1 ", "C2 ", "C5 ", "C16", "C21", "URLs one by one", "example.com"] {
            assert!(text.contains(id), "{id} at {width}");
        }
    }
    let coloured = String::from_utf8(report(&["--colour", "always", path]).stdout).unwrap();
    let plain = String::from_utf8(report(&["--width", "100", path]).stdout).unwrap();
    let mut rest = coloured.as_str();
    let mut bare = String::new();
    while let Some((before, behind)) = rest.split_once('\u{1b}') {
        bare.push_str(before);
        let end = behind.find('m').unwrap();
        assert!(behind[1..end].bytes().all(|byte| byte.is_ascii_digit()), "{}", &behind[..end]);
        rest = &behind[end + 1..];
    }
    bare.push_str(rest);
    // The curve is an estimate: requests of the same moment come in the order of hashes, which each run seeds anew.
    let trimmed = |text: &str| {
        let exact = text.split("Hit ratio by size").next().unwrap();
        exact.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(trimmed(&bare), trimmed(&plain));
}

#[test]
fn help_names_every_kind_of_condition() {
    let help = String::from_utf8(report(&["--help"]).stdout).unwrap();
    let words: BTreeSet<&str> = help.split(|c: char| !c.is_alphanumeric()).collect();
    for kind in visulate::report::figures::filter::KINDS {
        assert!(words.contains(kind), "{kind}");
    }
}
