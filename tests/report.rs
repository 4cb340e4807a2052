//! `visulate report --logstats` against what real Traffic Servers' traffic_logstats printed for the same files, and the command from
//! outside.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::unpacked;
use serde_json::Value;

fn report(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_visulate"));
    command.arg("report").args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    report(arguments).output().unwrap()
}

fn own(name: &str) -> String {
    common::own().join(name).to_str().unwrap().to_owned()
}

/// Saved reports: capture, release, whether it is JSON, data, report. Those of the repository, and of the folder that
/// VISULATE_CAPTURES names.
fn saved() -> Vec<(String, String, bool, PathBuf, PathBuf)> {
    let mut all = Vec::new();
    for (is_json, ending) in [(false, ".txt.zst"), (true, ".json.zst")] {
        for (file, path) in common::found(ending) {
            let Some((name, release)) = file.split_once(".logstats-") else { continue };
            if release != "urls" {
                let data = ["bin", "blog"].map(|kind| path.with_file_name(format!("{name}.{kind}.zst")));
                let data = data.into_iter().find(|path| path.exists()).unwrap();
                all.push((name.to_owned(), release.to_owned(), is_json, data, path));
            }
        }
    }
    all
}

/// Without the moment of the report.
fn figures(json: &[u8]) -> Value {
    let mut all: Value = serde_json::from_slice(json).unwrap();
    for block in all.as_object_mut().unwrap().values_mut() {
        assert!(block.as_object_mut().unwrap().remove("_timestamp").is_some());
    }
    all
}

/// Origins with the same number of requests come in no order of their own: lines of the summary, and blocks, sorted.
fn sorted(text: &[u8]) -> (Vec<String>, Vec<String>) {
    let text = String::from_utf8_lossy(text);
    let (summary, blocks) = text.split_once(&"=".repeat(78)).unwrap();
    let mut summary: Vec<String> = summary.lines().map(str::to_owned).collect();
    let mut blocks: Vec<String> =
        blocks.split(&"_".repeat(78)).map(|block| block.trim_matches('\n').to_owned()).collect();
    summary.sort();
    blocks.sort();
    (summary, blocks)
}

#[test]
fn every_figure_is_that_of_traffic_logstats() {
    let saved = saved();
    assert!(saved.len() >= 2);
    for (name, release, is_json, data, expected) in saved {
        let expected = unpacked(&expected);
        // Nothing changed in the report from 10.2 to the master branch.
        let ats = if release == "11dev" { "10.2" } else { &release };
        for threads in ["1", "2", "5"] {
            let mut arguments = vec!["--logstats", "--ats", ats, "--threads", threads, data.to_str().unwrap()];
            arguments.extend(is_json.then_some("--json"));
            let output = run(&arguments);
            assert!(output.status.success() && output.stderr.is_empty(), "{name}: {output:?}");
            if is_json {
                assert_eq!(figures(&output.stdout), figures(&expected), "{name} of {release}");
                let lines = |json: &[u8]| json.iter().filter(|&&byte| byte == b'\n').count();
                assert_eq!(lines(&output.stdout), lines(&expected));
            } else {
                assert_eq!(sorted(&output.stdout), sorted(&expected), "{name} of {release}");
                assert_eq!(output.stdout.len(), expected.len());
            }
        }
    }
}

/// `traffic_logstats -u 300 -U 299`: a table that overflows thousands of times.
#[test]
fn urls_are_those_of_traffic_logstats_even_when_the_table_overflows() {
    let expected = unpacked(Path::new(&own("ats-8.1-collation-squid.logstats-urls.json.zst")));
    let without_moment = |json: &[u8]| {
        let text = String::from_utf8(json.to_vec()).unwrap();
        text.lines().filter(|line| !line.contains("_timestamp")).collect::<Vec<_>>().join("\n")
    };
    for threads in ["1", "2"] {
        let data = own("ats-8.1-collation-squid.bin.zst");
        let output = run(&["--logstats", "--urls=300", "--show-urls", "299", "--threads", threads, &data]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(without_moment(&output.stdout), without_moment(&expected));
    }
}

#[test]
fn options_of_logstats_need_it() {
    for arguments in [&["--summary", "x.blog"][..], &["--ats", "9.2", "x.blog"], &["--urls", "x.blog"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty() && String::from_utf8_lossy(&output.stderr).contains("--logstats"));
    }
    assert_eq!(run(&["--logstats"]).status.code(), Some(2), "no file");
    assert_eq!(run(&["--logstats", "--ats", "7", "x.blog"]).status.code(), Some(2));
}

#[test]
fn several_files_are_counted_as_one() {
    let names = ["ats-8.1-collation-squid.bin.zst", "ats-8.1-collation-secret-squid.bin.zst"].map(own);
    let total = |files: &[&str]| {
        let output = run(&[&["--logstats", "--json", "--summary"], files].concat());
        assert!(output.status.success(), "{output:?}");
        let all = figures(&output.stdout);
        let of = |key: &str| all["total"][key]["req"].as_str().unwrap().parse::<u64>().unwrap();
        of("proto.ipv4") + of("proto.ipv6")
    };
    assert_eq!(total(&[&names[0], &names[1]]), total(&[&names[0]]) + total(&[&names[1]]));
}

#[test]
fn what_is_missing_is_said_and_the_rest_counted() {
    let whole = unpacked(Path::new(&own("ats-8.1-collation-secret-squid.bin.zst")));
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged.blog");
    // The last message is cut.
    std::fs::write(&damaged, &whole[..whole.len() - 100]).unwrap();
    let absent = folder.path().join("absent.blog");
    let output = run(&[
        "--logstats",
        "--json",
        damaged.to_str().unwrap(),
        absent.to_str().unwrap(),
        &own("ats-8.1-collation-squid.bin.zst"),
    ]);
    assert_eq!(output.status.code(), Some(1));
    let messages = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = messages.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("damaged.blog") && lines[1].contains("absent.blog"), "{messages}");
    assert!(figures(&output.stdout).as_object().unwrap().len() > 70);
    // The other kind of format.
    let output = run(&["--logstats", &own("ats-8.1-collation-rich.bin.zst")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--no-format-check"));
}

#[test]
fn standard_input_and_options_together() {
    let data = std::fs::read(own("ats-8.1-collation-squid.bin.zst")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("origins");
    std::fs::write(&list, " cdn.example.net \n\nwww.example.com\nnot.there\n").unwrap();
    let arguments = ["--logstats", "--json", "--concise", "--origins", "m.example.com", "--min-requests", "10", "-"];
    let mut child = report(&[&arguments[..], &["--origin-file", list.to_str().unwrap()]].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&data).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let all = figures(&output.stdout);
    let names: BTreeSet<&str> = all.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["cdn.example.net", "m.example.com", "www.example.com"].into());
    assert!(all["cdn.example.net"]["hit.direct"].get("req_pct").is_none());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = report(&["--logstats", "--urls", &own("ats-8.1-collation-squid.bin.zst")])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
