//! `visulate cat` against what real Traffic Servers' traffic_logcat printed for the same files, and the command from outside.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{found, unpacked};
use serde_json::Value;

/// Traffic Server leaves out lines of more bytes, their end included.
const LINE_MAX: usize = 10_240;

fn cat(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_visulate"));
    command.arg("cat").args(arguments).env("TZ", "UTC");
    command
}

fn run(arguments: &[&str]) -> Output {
    cat(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn own(name: &str) -> String {
    common::own().join(name).to_str().unwrap().to_owned()
}

/// Binary files and streams by name.
fn inputs() -> BTreeMap<String, PathBuf> {
    let mut all = found(".blog.zst");
    all.extend(found(".bin.zst"));
    all
}

/// Saved output is compared whole, but for the lines that are too long for Traffic Server.
fn printable(output: &[u8]) -> Vec<u8> {
    output.split_inclusive(|&byte| byte == b'\n').filter(|line| line.len() <= LINE_MAX).flatten().copied().collect()
}

#[test]
fn the_text_is_that_of_traffic_logcat_byte_for_byte() {
    let (inputs, texts) = (inputs(), found(".logcat.txt.zst"));
    let mut count = 0;
    for (name, saved) in &texts {
        let input = inputs.get(name).unwrap_or_else(|| panic!("{name} has a text, but no data"));
        let expected = unpacked(saved);
        for threads in ["1", "3"] {
            let output = run(&["--threads", threads, input.to_str().unwrap()]);
            let found = printable(&output.stdout);
            if found != expected {
                let pairs = found.split(|&b| b == b'\n').zip(expected.split(|&b| b == b'\n'));
                let other = pairs.enumerate().find(|(_, (a, b))| a != b).map(|(at, (a, b))| (at, text(a), text(b)));
                panic!("{name}: found and expected line: {other:#?}");
            }
        }
        count += 1;
    }
    assert!(count >= 12, "only {count} texts were found");
}

#[test]
fn files_with_symbols_that_the_writer_did_not_know_print_nothing_but_have_json() {
    for name in ["ats-10.2-v2-unknown-symbol.blog.zst", "ats-10.2-v3-unknown-symbol.blog.zst"] {
        let output = run(&[&own(name)]);
        assert_eq!((output.status.code(), &*text(&output.stdout)), (Some(0), ""), "{name}");
        assert!(text(&output.stderr).contains("224 entries"), "{}", text(&output.stderr));
        let json = text(&run(&["--json", &own(name)]).stdout);
        let rows: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows.len(), 224);
        for row in rows {
            assert_eq!((&row["nosuch"], &row["pssc"]), (&Value::Null, &Value::from(404)), "{name}");
            assert!(row["chi"].as_str().unwrap().parse::<std::net::IpAddr>().is_ok());
            assert!(row["chp"].as_i64().unwrap() > 0);
        }
        let pairs = text(&run(&["--fields", "chi,pssc", &own(name)]).stdout);
        assert!(pairs.lines().count() == 224 && pairs.lines().all(|line| line.ends_with("\t404")));
    }
}

#[test]
fn the_json_has_the_values_of_traffic_logcat_where_it_is_right_and_of_the_data_behind() {
    /// What the JSON of Traffic Server has right last, in formats with fallbacks.
    const LAST_RIGHT: &str = "{proxy.config.log.hostname}scfg";
    let (inputs, saved) = (inputs(), found(".logcat.json.zst"));
    let mut count = 0;
    for (name, path) in &saved {
        let output = run(&["--json", inputs[name].to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", text(&output.stderr));
        let found = String::from_utf8(output.stdout).expect("JSON is UTF-8");
        let expected = text(&unpacked(path));
        assert_eq!(found.lines().count(), expected.lines().count(), "{name}");
        // Texts may lack lines that were too long, so they are found by the line's end.
        let texts = run(&[inputs[name].to_str().unwrap()]).stdout;
        let texts: Vec<&[u8]> = texts.split(|&byte| byte == b'\n').collect();
        for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
            let found: serde_json::Map<String, Value> = serde_json::from_str(found).unwrap();
            let expected: serde_json::Map<String, Value> = serde_json::from_str(expected).unwrap();
            assert_eq!(found.len(), expected.len(), "{name}, line {number}");
            let is_rich = found.contains_key(LAST_RIGHT);
            for (key, value) in &expected {
                let is_right = !is_rich || found_before(&expected_order(name, &inputs), key, LAST_RIGHT);
                assert!(!is_right || found[key] == *value, "{name}, line {number}, {key}: {} {value}", found[key]);
            }
            if is_rich {
                let tails = tails(&found);
                let line = text(texts[number]);
                assert!(
                    tails.iter().any(|tail| line.ends_with(tail)),
                    "{name}, line {number}:\n{line}\ndoesn't end with\n{}",
                    tails[0]
                );
            }
            count += 1;
        }
    }
    assert!(count > 50, "only {count} lines were found");
}

/// The symbols of a file in order, from its first segment.
fn expected_order(name: &str, inputs: &BTreeMap<String, PathBuf>) -> Vec<String> {
    thread_local! {
        static KNOWN: std::cell::RefCell<BTreeMap<String, Vec<String>>> = const { std::cell::RefCell::new(BTreeMap::new()) };
    }
    KNOWN.with_borrow_mut(|known| {
        let read = || {
            let bytes = unpacked(&inputs[name]);
            let at = u32::from_le_bytes(bytes[44..48].try_into().unwrap()) as usize;
            let list: Vec<u8> = bytes[at..].iter().copied().take_while(|&byte| byte != 0).collect();
            text(&list).split(',').map(str::to_owned).collect()
        };
        known.entry(name.to_owned()).or_insert_with(read).clone()
    })
}

fn found_before(order: &[String], key: &str, last: &str) -> bool {
    let at = |wanted: &str| order.iter().position(|symbol| symbol == wanted).unwrap();
    at(key) <= at(last)
}

/// How the text of a rich entry must end, by what its JSON says of the fields that Traffic Server's JSON has wrong. A version that was
/// chosen by a fallback is a text since 11-dev, as are headers, so there are two ways.
fn tails(row: &serde_json::Map<String, Value>) -> Vec<String> {
    let plain = |key: &str| match &row[key] {
        Value::String(text) => text.clone(),
        Value::Array(version) => format!("HTTP/{}.{}", version[0], version[1]),
        other => other.to_string(),
    };
    let list = |key: &str| {
        let pairs = row[key].as_array().unwrap().iter();
        let pairs: String = pairs
            .map(|pair| format!("{{{{{}}}:{{{}}}}}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        format!("{{{pairs}}}")
    };
    let order = ["{X-Real-IP}cqh??chi", "{X-Request-Id}cqh??{X-Trace}cqh??\"none\"", "{X-A}cqh??{X-B}cqh[0:6]"];
    let before: Vec<String> = order.iter().map(|key| plain(key)).collect();
    // Only the candidate {X-B} is cut, and the value doesn't say which it was.
    let version = plain("{X-Trace}cqh??sshv");
    let mut tails = Vec::new();
    for b in [before[2].chars().take(6).collect(), before[2].clone()] {
        for version in [version.clone(), format!("HTTP/{version}")] {
            let rest = [
                plain("{X-Cost}psh??psql"),
                plain("{X-Trace}cqh??shi"),
                version,
                plain("{proxy.config.http.server_ports}record"),
                plain("{proxy.process.http.current_client_connections}record"),
                plain("{no.such.record}record"),
                list("cqah"),
                list("psah"),
                plain("tts"),
            ];
            tails.push(format!(" {} {} {b} {}", before[0], before[1], rest.join(" ")));
        }
    }
    tails
}

const SQUID: &str = "ats-8.1-collation-squid.bin.zst";

#[test]
fn conditions_on_one_field_are_alternatives_and_on_several_must_all_match() {
    let all = text(&run(&["--fields", "pssc,cqhm", &own(SQUID)]).stdout);
    let expected = |keep: fn(&str, &str) -> bool| {
        all.lines().filter(|line| line.split_once('\t').is_some_and(|(a, b)| keep(a, b))).count()
    };
    let count = |arguments: &[&str]| {
        let file = own(SQUID);
        let output = run(&[arguments, &[&file]].concat());
        assert_eq!(output.status.code(), Some(0));
        text(&output.stdout).lines().count()
    };
    assert_eq!(all.lines().count(), 10_000);
    assert_eq!(count(&["--where", "pssc=404"]), 596);
    assert_eq!(count(&["--where", "pssc=404", "--where", "pssc=204"]), 596 + 447);
    let both = expected(|status, method| status == "404" && method == "HEAD");
    assert!(both > 0);
    assert_eq!(count(&["--where", "pssc=404", "--where", "cqhm=HEAD", "--json"]), both);
    assert_eq!(count(&["--where", "pssc=4"]), 0);
}

#[test]
fn fields_are_chosen_ordered_and_shown_in_other_ways() {
    let first = |arguments: &[&str]| {
        let file = own(SQUID);
        let output = run(&[arguments, &[&file]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).lines().next().unwrap().to_owned()
    };
    let line = first(&[]);
    let words: Vec<&str> = line.split(' ').collect();
    assert_eq!(first(&["--fields", "cqhm,chi"]), format!("{}\t{}", words[5], words[2]));
    let (seconds, millis) = words[0].split_once('.').unwrap();
    assert_eq!(first(&["--format", "%<chi> %<cqts>"]), format!("{} {seconds}", words[2]));
    assert_eq!(first(&["--format", "<%<cqhm[0:1]>>%<cqtq>"]), format!("<{}>{}", &words[5][..1], words[0]));
    let row: Value = serde_json::from_str(&first(&["--json", "--fields", "cqtq,crc"])).unwrap();
    let ms: i64 = format!("{seconds}{millis}").parse().unwrap();
    assert_eq!((&row["cqtq"], row.as_object().unwrap().len()), (&Value::from(ms), 2));
}

#[test]
fn times_are_those_of_the_zone() {
    let common = own("ats-8.1-collation-many-objects.conn2-common.bin.zst");
    let date = |zone: &str| {
        let output = cat(&["--format", "%<cqtn> %<cqts>", &common]).env("TZ", zone).output().unwrap();
        text(&output.stdout).lines().next().unwrap().to_owned()
    };
    let (utc, east) = (date("UTC"), date("<+0530>-5:30"));
    assert!(utc.contains(" -0000 ") && east.contains(" +0530 "), "{utc}, {east}");
    assert_eq!(utc.rsplit(' ').next(), east.rsplit(' ').next());
    assert_eq!(date("Nonsense/Zone"), utc);
}

#[test]
fn the_standard_input_is_read() {
    let bytes = unpacked(Path::new(&own(SQUID)));
    let mut child = cat(&["-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let mut found = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut found).unwrap();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(found, run(&[&own(SQUID)]).stdout);
}

#[test]
fn what_comes_is_followed_across_rotation_until_nobody_reads() {
    let bytes = unpacked(Path::new(&own(SQUID)));
    let all = common::segments(&bytes);
    let all: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
    let (old, new) = all.split_at(all.len() / 2);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let append = |name: &str, segments: &[&[u8]]| {
        let mut file = std::fs::File::options().append(true).create(true).open(at(name)).unwrap();
        segments.iter().for_each(|segment| file.write_all(segment).unwrap());
    };
    append("squid.blog", &old[..3]);
    let missing = at("later.blog");
    let files = [at("squid.blog"), missing.clone()];
    let files: Vec<&str> = files.iter().map(|path| path.to_str().unwrap()).collect();
    let mut child = cat(&[&["--follow"], &files[..]].concat());
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let expected = text(&run(&[&own(SQUID)]).stdout);
    let mut expected = expected.lines();
    let entries = |segments: &[&[u8]]| -> usize {
        segments.iter().map(|segment| u32::from_le_bytes(segment[16..20].try_into().unwrap()) as usize).sum()
    };
    let mut check = |segments: &[&[u8]]| {
        for _ in 0..entries(segments) {
            assert_eq!(lines.next().unwrap().unwrap(), expected.next().unwrap());
        }
    };
    check(&old[..3]);
    append("squid.blog", &old[3..5]);
    check(&old[3..5]);
    // The old file gets its last segments together with the first of the new one.
    std::fs::rename(at("squid.blog"), at("squid.blog_old")).unwrap();
    append("squid.blog_old", &old[5..]);
    append("squid.blog", &new[..2]);
    check(old[5..].iter().chain(&new[..2]).copied().collect::<Vec<_>>().as_slice());
    append("later.blog", &new[2..]);
    check(&new[2..]);
    assert_eq!(expected.next(), None);
    drop(lines);
    let output = child.wait_with_output().unwrap();
    let said = format!("visulate: {}: isn't there yet, and is waited for\n", missing.display());
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), said));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    for threads in ["1", "2"] {
        let mut child = cat(&["--threads", threads, &own(SQUID), &own(SQUID)]);
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        output.read_exact(&mut [0; 10]).unwrap();
        drop(output);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*text(&output.stderr)), (Some(0), ""));
    }
}

#[test]
fn what_is_wrong_is_said_with_its_exit_code() {
    let squid = own(SQUID);
    let cases: &[(&[&str], i32, &str)] = &[
        (&[], 2, "FILE"),
        (&["--nonsense", &squid], 2, "--nonsense"),
        (&["--threads", "0", &squid], 2, "--threads"),
        (&["--from-end", &squid], 2, "--follow"),
        (&["--follow", "-"], 2, "the standard input can't be followed"),
        (&["--where", "pssc", &squid], 2, "crc=TCP_MISS"),
        (&["--json", "--format", "%<chi>", &squid], 2, "--format"),
        (&["--format", "%<chi", &squid], 2, "%<"),
        (&["--fields", "cqhm,nosuch", &squid], 2, "there is no field nosuch among cqtq,ttms,chi"),
        (&["--where", "nosuch=1", &squid], 2, "there is no field nosuch"),
        (&["--format", "%<sssc>", &squid], 2, "there is no field sssc"),
        (&["/nonexistent/squid.blog"], 1, "/nonexistent/squid.blog: No such file"),
    ];
    for (arguments, code, expected) in cases {
        let output = run(arguments);
        let message = text(&output.stderr);
        assert_eq!((output.status.code(), &*text(&output.stdout)), (Some(*code), ""), "{arguments:?}: {message}");
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
    let output = run(&["/nonexistent/squid.blog", &squid]);
    assert_eq!(
        (output.status.code(), text(&output.stdout).lines().count()),
        (Some(1), 10_000),
        "the others are printed"
    );
}
