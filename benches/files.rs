//! Files, side by side with Traffic Server's own tools, in one run: how long `report --logstats` and `cat` take for one large file against
//! traffic_logstats and traffic_logcat; and how long a record that reaches a tailed file takes to be counted in the API.
//!
//! Asserts the ratios below. Needs Debian's trafficserver: `scripts/bench-files` sees to it.
#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use visulate::replay::load;

/// Bytes of the large file, at least.
const BYTES: u64 = 500_000_000;

/// Rounds: each runs theirs, ours on one core and ours on two right after another; the medians over the rounds are compared, since
/// a single lucky run says more about the machine than about the program.
const ROUNDS: usize = 9;

/// Records written to a tailed file.
const RECORDS: usize = 300;

/// A comparison: its name, ours, theirs, and how many times faster ours has to be on one core.
struct Contest {
    name: &'static str,
    ours: &'static [&'static str],
    theirs: (&'static str, &'static [&'static str]),
    floor: f64,
}

const CONTESTS: [Contest; 3] = [
    Contest {
        name: "logstats, per origin",
        ours: &["report", "--logstats", "--ats", "9.2", "--json"],
        theirs: ("traffic_logstats", &["-j", "-f"]),
        floor: 1.5,
    },
    Contest {
        name: "logstats, per URL",
        ours: &["report", "--logstats", "--ats", "9.2", "--urls=-1"],
        theirs: ("traffic_logstats", &["-u", "-1", "-f"]),
        floor: 4.0,
    },
    Contest { name: "cat", ours: &["cat"], theirs: ("traffic_logcat", &[]), floor: 2.0 },
];

/// Two cores are nearly twice as fast as one. What two runs at once, one on each core, get done together compared with one alone is printed
/// beside it: where the cores share caches, memory or a power budget, that is less than 2, too.
const TWO_THREADS: f64 = 1.6;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.blog");
    let entries = large(&file);
    let path = file.to_str().unwrap();
    println!("{} bytes, {entries} entries; medians of {ROUNDS} rounds", std::fs::metadata(&file).unwrap().len());
    let mut failed = Vec::new();
    for contest in &CONTESTS {
        let ours = |threads: &str, cores: &str| {
            let arguments = [contest.ours, &["--threads", threads, path]].concat();
            seconds(env!("CARGO_BIN_EXE_visulate"), &arguments, cores)
        };
        let rounds: [[f64; 4]; ROUNDS] = std::array::from_fn(|_| {
            let theirs = seconds(contest.theirs.0, &[contest.theirs.1, &[path]].concat(), "0");
            let one = ours("1", "0");
            let two = ours("2", "0,1");
            let both = std::thread::scope(|scope| {
                let other = scope.spawn(|| ours("1", "1"));
                ours("1", "0").max(other.join().unwrap())
            });
            [theirs, one, two, both]
        });
        let [theirs, one, two, both] = [0, 1, 2, 3].map(|which| median(rounds.map(|round| round[which])));
        let ratio = median(rounds.map(|[theirs, one, ..]| theirs / one));
        let gain = median(rounds.map(|[_, one, two, _]| one / two));
        let possible = median(rounds.map(|[_, one, _, both]| 2.0 * one / both));
        let share = median(rounds.map(|[_, _, two, both]| both / 2.0 / two));
        println!(
            "{}: {} {theirs:.2} s; visulate {one:.2} s on one core ({ratio:.1} times), {two:.2} s on two ({gain:.2} times one; two runs at once, \
             {both:.2} s: {possible:.2}; {:.0} % of that)",
            contest.name,
            contest.theirs.0,
            100.0 * share
        );
        if ratio < contest.floor || gain < TWO_THREADS {
            failed.push(contest.name);
        }
    }
    let (middle, late) = delays(&folder.path().join("tailed.blog"));
    println!(
        "from a segment in the file to its count in the API: median {middle:?}, 99th percentile {late:?} of {RECORDS}"
    );
    if late > Duration::from_secs(1) {
        failed.push("delay");
    }
    assert!(failed.is_empty(), "below the target: {failed:?}");
}

fn median(mut values: [f64; ROUNDS]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[ROUNDS / 2]
}

/// Writes the squid captures, again and again; gives the number of entries.
fn large(file: &Path) -> u64 {
    let (segments, count) = segments();
    let mut out = BufWriter::new(File::create(file).unwrap());
    let (mut bytes, mut entries) = (0, 0);
    while bytes < BYTES {
        out.write_all(&segments).unwrap();
        bytes += segments.len() as u64;
        entries += count;
    }
    out.flush().unwrap();
    entries
}

/// The segments of squid captures back to back, as in a file, and their entries.
fn segments() -> (Vec<u8>, u64) {
    let captures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let names =
        ["squid", "two-clients.conn0-edge-01-squid", "two-objects.conn1-squid", "two-clients.conn2-edge-02-squid"];
    let files: Vec<PathBuf> =
        names.iter().map(|name| captures.join(format!("ats-8.1-collation-{name}.bin.zst"))).collect();
    let input = load(&files).unwrap();
    let mut segments = Vec::new();
    let mut count = 0;
    for segment in input.segments() {
        segments.extend_from_slice(segment);
        count += u64::from(u32::from_le_bytes(segment[16..20].try_into().unwrap()));
    }
    (segments, count)
}

/// Wall-clock seconds of a program on these cores, all of its threads together; its output goes nowhere.
fn seconds(program: &str, arguments: &[&str], cores: &str) -> f64 {
    let start = Instant::now();
    let status = Command::new("taskset")
        .args(["--cpu-list", cores, program])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(status.success(), "{program} {arguments:?}: {status}");
    start.elapsed().as_secs_f64()
}

/// Writes segments to a tailed file at random times; gives median and 99th percentile of the time until the API has counted each.
fn delays(file: &Path) -> (Duration, Duration) {
    File::create(file).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_visulate"))
        .args(["serve", "--collation", "127.0.0.1:0", "--http", "127.0.0.1:0", "--tail", file.to_str().unwrap()])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(program.stderr.take().unwrap()));
    let http: SocketAddr = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("the page is at http://").map(|(_, address)| address.trim().parse().unwrap()))
        .unwrap();
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    let (all, _) = segments();
    let mut rest = &all[..];
    let mut out = std::fs::OpenOptions::new().append(true).open(file).unwrap();
    let (mut written, mut delays) = (0, Vec::new());
    for number in 0..RECORDS {
        let len = u32::from_le_bytes(rest[12..16].try_into().unwrap()) as usize;
        written += u64::from(u32::from_le_bytes(rest[16..20].try_into().unwrap()));
        // Ticks come at fixed times: records must not keep step with them.
        std::thread::sleep(Duration::from_millis(number as u64 * 37 % 100));
        out.write_all(&rest[..len]).unwrap();
        let start = Instant::now();
        while received(http) < written {
            assert!(start.elapsed() < Duration::from_secs(30), "never counted");
        }
        delays.push(start.elapsed());
        rest = &rest[len..];
    }
    program.kill().unwrap();
    program.wait().unwrap();
    delays.sort();
    (delays[RECORDS / 2], delays[RECORDS * 99 / 100])
}

/// Entries that the API says were received.
fn received(http: SocketAddr) -> u64 {
    let mut stream = TcpStream::connect(http).unwrap();
    write!(stream, "GET /api/v1/summary HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str::<serde_json::Value>(body).unwrap()["entries"]["received"].as_u64().unwrap()
}
