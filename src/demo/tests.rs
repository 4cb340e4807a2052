//! What the traffic promises: the same for the same seed, in order, and with the figures of a real cluster.

use super::world::{CLIENT_EXPONENT, FAILING_SITE, SITE_EXPONENT};
use super::*;
use crate::secret::Secret;
use crate::wire::codes::result_class;
use std::collections::HashMap;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

const START: i64 = 1_760_000_000;

fn plan(seed: u64, rate: u32, history_seconds: u64) -> Plan {
    Plan { seed, start: START, rate, history: Duration::from_secs(history_seconds) }
}

/// A digest of all entries before `until_ms`, taken in steps of `step_ms`.
fn digest(plan: Plan, until_ms: i64, step_ms: i64) -> (u64, u64) {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut generator = Generator::new(plan);
    let mut hasher = DefaultHasher::new();
    let mut count = 0;
    let mut t = (START - plan.history.as_secs() as i64) * 1000;
    while t < until_ms {
        t = (t + step_ms).min(until_ms);
        while let Some(entry) = generator.next_before(t) {
            format!("{entry:?}").hash(&mut hasher);
            count += 1;
        }
    }
    (count, hasher.finish())
}

#[derive(Default)]
struct Figures {
    requests: u64,
    hits: u64,
    refresh_hits: u64,
    errors: u64,
    bytes: u64,
    v6: u64,
    status: HashMap<u16, u64>,
    method: HashMap<&'static str, u64>,
    node: [u64; 12],
    client: Vec<u64>,
    site: Vec<u64>,
}

impl Figures {
    fn share(&self, count: u64) -> f64 {
        count as f64 / self.requests as f64
    }

    fn of_status(&self, status: u16) -> f64 {
        self.share(self.status.get(&status).copied().unwrap_or(0))
    }
}

/// Sums over the entries from `from` to `to` (seconds after the start) that `keep` takes.
fn figures(generator: &mut Generator, to: i64, keep: impl Fn(&Entry<'_>) -> bool) -> Figures {
    let mut figures = Figures { client: vec![0; CLIENT_COUNT], site: vec![0; SITE_COUNT], ..Figures::default() };
    while let Some(entry) = generator.next_before((START + to) * 1000) {
        if !keep(&entry) {
            continue;
        }
        let Outcome { result, status, bytes, method, .. } = entry.outcome;
        let class = result_class(i64::from(result));
        figures.requests += 1;
        figures.bytes += bytes;
        match result {
            b'5' | b'6' => figures.refresh_hits += 1,
            b'.' | b'1' | b'9' | b'F' => figures.hits += 1,
            b't' => {}
            _ if class.is_miss() && status < 500 => {}
            _ => figures.errors += 1,
        }
        figures.v6 += u64::from(entry.client.is_ipv6());
        *figures.status.entry(status).or_default() += 1;
        *figures.method.entry(method).or_default() += 1;
        figures.node[entry.node] += 1;
        figures.client[entry.client_rank] += 1;
        figures.site[entry.site_rank] += 1;
    }
    figures
}

#[track_caller]
fn near(what: &str, found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{what}: {found}, not {expected} +- {within}");
}

#[test]
fn the_same_seed_gives_the_same_entries_however_it_is_stepped() {
    let until = (START + 3) * 1000;
    let whole = digest(plan(7, 2_000, 2), until, i64::MAX / 2000);
    assert!(whole.0 > 9_000, "{}", whole.0);
    for step_ms in [1000, 100, 7] {
        assert_eq!(digest(plan(7, 2_000, 2), until, step_ms), whole, "{step_ms}");
    }
    assert_ne!(digest(plan(8, 2_000, 2), until, 1000).1, whole.1);
}

#[test]
fn entries_come_in_the_order_of_their_time_and_cover_the_history() {
    let mut generator = Generator::new(plan(1, 300, 600));
    let (mut first, mut last, mut seconds) = (None, (0, 0), 0);
    while let Some(entry) = generator.next_before(START * 1000 + 500) {
        let at = (entry.seconds, entry.microseconds);
        assert!(at >= last, "{at:?} after {last:?}");
        seconds += i64::from(at.0 != last.0);
        last = at;
        first.get_or_insert(at);
    }
    assert_eq!(first.unwrap().0, START - 600);
    assert_eq!(seconds, 601);
    assert_eq!(last.0, START);
    assert!((490_000..500_000).contains(&last.1), "{last:?}");
}

#[test]
fn a_quiet_hour_has_the_figures_of_a_real_cluster() {
    let mut generator = Generator::new(plan(1, 300, 3_600));
    let quiet = figures(&mut generator, 0, |_| true);
    near("rate", quiet.requests as f64 / 3_600.0, 300.0, 20.0);
    near("hit ratio", quiet.share(quiet.hits + quiet.refresh_hits), 0.87, 0.01);
    near("refresh hits", quiet.share(quiet.refresh_hits), 0.05, 0.003);
    near("errors", quiet.share(quiet.errors), 0.003, 0.0006);
    near("IPv6", quiet.share(quiet.v6), 0.15, 0.06);
    near("200", quiet.of_status(200), 0.87, 0.04);
    near("304", quiet.of_status(304), 0.06, 0.015);
    near("206", quiet.of_status(206), 0.027, 0.015);
    near("404", quiet.of_status(404), 0.009, 0.006);
    near("503", quiet.of_status(503), 0.0003, 0.0002);
    near("GET", quiet.share(quiet.method["GET"]), 0.947, 0.015);
    near("POST", quiet.share(quiet.method["POST"]), 0.031, 0.012);
    for requests in quiet.node {
        near("node", quiet.share(requests), 1.0 / 12.0, 0.015);
    }
    let mean = quiet.bytes as f64 / quiet.requests as f64;
    assert!((20e3..600e3).contains(&mean), "{mean}");
}

#[test]
fn clients_and_sites_fall_by_their_exponents() {
    let mut generator = Generator::new(plan(2, 1_000, 1_800));
    let found = figures(&mut generator, 0, |_| true);
    let sum = |counts: &[u64], from: usize, count: usize| counts[from - 1..from - 1 + count].iter().sum::<u64>() as f64;
    // Ranks 20 to 29 and so on against 200 to 299: ten times the rank, a tenth of the width.
    let slope = |counts: &[u64]| (10.0 * sum(counts, 20, 10) / sum(counts, 200, 100)).log10();
    near("clients", slope(&found.client), CLIENT_EXPONENT, 0.1);
    near("sites", slope(&found.site), SITE_EXPONENT, 0.1);
    let clients = found.client.iter().filter(|count| **count > 0).count();
    assert!(clients > 9_900, "{clients}");
}

#[test]
fn two_minutes_in_the_origin_of_heron_fails_for_a_quarter_of_an_hour() {
    let mut generator = Generator::new(plan(3, 2_000, 0));
    let heron = |entry: &Entry<'_>| entry.site_rank == FAILING_SITE;
    let before = figures(&mut generator, INCIDENT_AFTER, heron);
    near("503 before", before.of_status(503), 0.0, 0.002);
    near("hits before", before.share(before.hits + before.refresh_hits), 0.9, 0.04);
    let first = figures(&mut generator, INCIDENT_AFTER + 60, heron);
    let later = figures(&mut generator, INCIDENT_AFTER + INCIDENT_SECONDS, heron);
    assert!(first.of_status(503) > 0.1 && first.of_status(503) < later.of_status(503));
    assert!(later.of_status(503) > 0.6, "{}", later.of_status(503));
    let rate = |figures: &Figures, seconds: i64| figures.requests as f64 / seconds as f64;
    assert!(rate(&later, INCIDENT_SECONDS - 60) > 1.4 * rate(&before, INCIDENT_AFTER));
    let after = figures(&mut generator, INCIDENT_AFTER + INCIDENT_SECONDS + 30, heron);
    near("503 after", after.of_status(503), 0.0, 0.005);
    assert!(after.share(after.hits) < 0.5, "its cache is not full at once");
}

#[test]
fn the_incident_moves_the_whole_cluster_by_a_few_points() {
    let mut generator = Generator::new(plan(4, 1_000, 0));
    figures(&mut generator, INCIDENT_AFTER + 420, |_| true);
    let found = figures(&mut generator, INCIDENT_AFTER + INCIDENT_SECONDS, |_| true);
    assert!((0.03..0.15).contains(&found.share(found.errors)), "{}", found.share(found.errors));
    let hits = found.share(found.hits + found.refresh_hits);
    assert!((0.74..0.845).contains(&hits), "{hits}");
}

#[test]
fn urls_are_whole_and_belong_to_their_site() {
    let mut generator = Generator::new(plan(5, 2_000, 3));
    let names: Vec<String> = generator.site_names().map(str::to_owned).collect();
    while let Some(entry) = generator.next_before(START * 1000) {
        let url = std::str::from_utf8(entry.url).unwrap();
        let (scheme, rest) = url.split_once("://").unwrap();
        assert!(scheme == "https" || scheme == "http", "{url}");
        let (host, _) = rest.split_once('/').unwrap();
        assert!(host.ends_with(&names[entry.site_rank]), "{url}");
        assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
    }
}

/// One connection's bytes, and the address it came from.
type Received = (SocketAddr, Vec<u8>);

/// What a listener receives of a feeder that takes these `steps_ms` and is then dropped.
fn received(plan: Plan, flush: Duration, steps_ms: &[i64]) -> (Vec<u64>, Vec<Received>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let readers = thread::spawn(move || {
        let connections: Vec<_> = (0..NODES.len())
            .map(|_| {
                let (mut stream, from) = listener.accept().unwrap();
                thread::spawn(move || {
                    let mut bytes = Vec::new();
                    stream.read_to_end(&mut bytes).unwrap();
                    (from, bytes)
                })
            })
            .collect();
        connections.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    let mut feeder = Feeder::new(Generator::new(plan), address, &Secret::new(b"quiet").unwrap(), flush).unwrap();
    let sent = steps_ms.iter().map(|step| feeder.feed_to(*step as u64).unwrap()).collect();
    drop(feeder);
    (sent, readers.join().unwrap())
}

/// The segments of a connection's bytes, behind the secret.
fn segments(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let len = u32_at(bytes, 0) as usize;
        messages.push(&bytes[4..4 + len]);
        bytes = &bytes[4 + len..];
    }
    assert_eq!(messages.remove(0), b"quiet");
    messages
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn every_node_sends_from_its_own_address_what_it_counts() {
    let end = (START + 2) * 1000;
    let (sent, received) = received(plan(6, 3_000, 5), Duration::ZERO, &[START * 1000, end]);
    let mut generator = Generator::new(plan(6, 3_000, 5));
    assert_eq!(sent[1], figures(&mut generator, 2, |_| true).requests);
    let mut entries = 0;
    for (from, bytes) in &received {
        let [.., index] =
            from.ip().to_string().split('.').map(|part| part.parse().unwrap()).collect::<Vec<usize>>()[..]
        else {
            panic!("{from} is no IPv4 address");
        };
        assert!(from.ip().to_string().starts_with("127.0.1."), "{from}");
        for segment in segments(bytes) {
            entries += u64::from(u32_at(segment, 16));
            let host = u32_at(segment, 52) as usize;
            assert!(segment[host..].starts_with(NODES[index - 1].as_bytes()), "{from}");
        }
    }
    assert_eq!(entries, sent[1]);
}

#[test]
fn entries_held_back_leave_within_five_seconds() {
    let steps: Vec<i64> = (1..=12).map(|second| (START + second) * 1000).collect();
    let (sent, received) = received(plan(7, 12, 0), Duration::from_secs(5), &steps);
    assert_eq!(sent[0], 0, "a segment of one second is neither full nor old");
    assert!(sent[11] > 12 * 5, "{sent:?}");
    for segment in received.iter().flat_map(|(_, bytes)| segments(bytes)) {
        let age = u32_at(segment, 24) - u32_at(segment, 20);
        assert!(age <= 6, "{age} s");
    }
}
