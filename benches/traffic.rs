//! What does an entry cost a worker when many clients ask many sites for many URLs, by memory? 10 000 clients, 2 000 sites and 100 000 URLs,
//! each drawn by Zipf's law, are decoded and counted in one thread, without a socket; a part is handed over every million.
//! Numbers behind `--` are sizes of memory, in MiB.
//! A program of its own, as it compares ways of counting, each over all of the traffic, in turns.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use visulate::tally::table::Seed;
use visulate::tally::{Caps, Part, Shard, Statistics};
use visulate::wire::encode::{EncodeError, Header, SegmentWriter, Value as Field};
use visulate::wire::format::Formats;
use visulate::wire::segment::Segment;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CLIENTS: usize = 10_000;
const SITES: usize = 2_000;
const URLS: usize = 100_000;

/// Entries of the traffic, two million a second.
const ENTRIES: u64 = 2_000_000;
const A_MS: u64 = 2_000;

/// Entries of a part, and of a full one.
const PART: u64 = 250_000;
const FULL: u64 = 1_000_000;

const ROUNDS: usize = 3;

const START_MS: u64 = 1_795_460_600_000;

/// Ranks by Zipf's law with exponent 1.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(count: usize) -> Self {
        let mut sum = 0.0;
        Self(
            (1..=count)
                .map(|rank| {
                    sum += 1.0 / rank as f64;
                    sum
                })
                .collect(),
        )
    }

    fn draw(&self, random: &mut SmallRng) -> usize {
        let at = random.random_range(0.0..*self.0.last().unwrap());
        self.0.partition_point(|sum| *sum <= at)
    }
}

/// Segments of two nodes in turns.
fn traffic() -> Vec<Vec<u8>> {
    let mut random = SmallRng::seed_from_u64(17);
    let (clients, urls) = (Zipf::new(CLIENTS), Zipf::new(URLS));
    let (mut segments, mut count) = (Vec::new(), 0);
    while count < ENTRIES {
        let header = Header {
            field_list: b"ttms,chi,crc,pssc,psql,cqhm,cqu,phr,psct",
            source_host: if segments.len() % 2 == 0 { b"node-a" } else { b"node-b" },
            file_name: b"load.blog",
            ..Header::default()
        };
        let now = START_MS + count / A_MS;
        let (seconds, micros) = ((now / 1000) as i64, (now % 1000 * 1000) as i32);
        let mut writer = SegmentWriter::with_capacity(&header, seconds as u32, 32 << 10);
        loop {
            let (url, client) = (urls.draw(&mut random), clients.draw(&mut random));
            let text = format!("http://site-{}.example/path/to/object-{url}.jpg", url % SITES);
            let values = [
                Field::Int(random.random_range(0..256)),
                Field::Ip(Some(IpAddr::V4(Ipv4Addr::from(0x0a00_0007 + ((client as u32) << 8))))),
                Field::Int(i64::from(if random.random_ratio(1, 4) { b'1' } else { b'7' })),
                Field::Int(if random.random_ratio(1, 50) { 404 } else { 200 }),
                Field::Int(500 + (url as i64 * 7919) % 30_000),
                Field::Text(b"GET"),
                Field::Text(text.as_bytes()),
                Field::Int(i64::from(b'1')),
                Field::Text(b"image/jpeg"),
            ];
            match writer.push(seconds, micros, &values) {
                Err(EncodeError::Full) => break,
                pushed => pushed.unwrap(),
            }
            count += 1;
        }
        segments.push(writer.finish(seconds as u32).to_vec());
    }
    segments
}

fn main() {
    let traffic = traffic();
    let asked: Vec<u64> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    let memories = if asked.is_empty() { vec![64, 256, 1024] } else { asked };
    for memory in memories.into_iter().map(|mib| mib << 20) {
        for (name, statistics) in [("base", Statistics::Base), ("all", Statistics::All)] {
            let mut times: Vec<f64> = (0..ROUNDS).map(|_| count(&traffic, memory, statistics)).collect();
            times.sort_by(f64::total_cmp);
            println!(
                "{:>4} MiB, {name:>4}: {:4.0} ns an entry, fastest {:4.0}",
                memory >> 20,
                times[ROUNDS / 2],
                times[0]
            );
        }
    }
}

/// Nanoseconds of CPU time for an entry.
fn count(traffic: &[Vec<u8>], memory: u64, statistics: Statistics) -> f64 {
    let (mut shard, mut formats) =
        (Shard::new(0, &Caps::new(memory, 1), &Seed::default()).with_statistics(statistics), Formats::default());
    let nodes = [&b"node-a"[..], b"node-b"].map(|name| shard.node(name, "127.0.0.1"));
    let mut part = Part::default();
    // The first pass makes room.
    let [mut counted, mut tick, mut before, mut seconds] = [0, 0, 0, 0];
    let mut started = thread_ns();
    for round in 0..2 {
        if round == 1 {
            (started, before) = (thread_ns(), counted);
        }
        for (body, node) in traffic.iter().zip(nodes.iter().cycle()) {
            let segment = Segment::parse(body).unwrap();
            let format = formats.of(&segment).unwrap();
            counted += shard.segment(&segment, &format, *node, START_MS + 500).entries.requests;
            if counted / PART > tick {
                tick = counted / PART;
                part.clear();
                shard.hand_over(&mut part, tick, counted / FULL > seconds);
                seconds = counted / FULL;
            }
        }
    }
    (thread_ns() - started) as f64 / (counted - before) as f64
}

fn thread_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
