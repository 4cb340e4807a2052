//! How fast is each step on one core: decode (segments to fields), tally (fields to all tables), merge (parts to the merger's tables)?
#![allow(clippy::unwrap_used, missing_docs)]

mod naive;

use std::hash::BuildHasher;
use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use naive::Naive;
use visulate::merger::tables::Tables;
use visulate::replay::{Input, load};
use visulate::tally::link::Wanted;
use visulate::tally::reuse::{Sampler, Samples};
use visulate::tally::table::Seed;
use visulate::tally::{Band, Caps, Dimension, Filter, Increment, Part, Shard};
use visulate::wire::format::Formats;
use visulate::wire::line::{Line, LineFormats, Lines};
use visulate::wire::plan::{Fields, Number, Text};
use visulate::wire::segment::Segment;
use visulate::wire::template;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ENTRIES: u64 = 10_000;

fn input() -> Input {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures/ats-8.1-collation-squid.bin.zst");
    load(&[file]).unwrap()
}

fn segments(input: &Input) -> impl Iterator<Item = &[u8]> {
    let mut rest = input.bytes();
    std::iter::from_fn(move || {
        let (head, tail) = rest.split_first_chunk::<4>()?;
        let (body, tail) = tail.split_at(u32::from_le_bytes(*head) as usize);
        rest = tail;
        Some(body)
    })
}

/// Entries of a capture become fields.
fn decode(c: &mut Criterion) {
    let input = input();
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(ENTRIES));
    group.bench_function("squid entries", |b| {
        let mut formats = Formats::default();
        b.iter(|| {
            let (mut count, mut bytes) = (0, 0);
            for body in segments(&input) {
                let segment = Segment::parse(body).unwrap();
                let plan = formats.of(&segment).unwrap().plan(&segment);
                for entry in segment.entries() {
                    let fields = black_box(plan.read(entry.payload)).unwrap();
                    count += 1;
                    bytes += fields.number(Number::Bytes);
                }
            }
            assert_eq!((count, bytes), (ENTRIES, 215_790_922));
        });
    });
    // What it takes longer than decoding alone is what the sample costs.
    group.bench_function("squid entries, and URLs sampled", |b| {
        let (mut formats, mut sampler, seed) = (Formats::default(), Sampler::new(8192), Seed::default());
        let (mut samples, mut fields) = (Samples::default(), Fields::default());
        // One in 64, as of some hundred thousand URLs.
        sampler.lower(1 << 58);
        b.iter(|| {
            for body in segments(&input) {
                let segment = Segment::parse(body).unwrap();
                let format = formats.of(&segment).unwrap();
                let plan = format.plan(&segment);
                for entry in segment.entries() {
                    assert!(plan.read_into(&mut fields, entry.ahead, entry.payload.len()));
                    let bytes = fields.number(Number::Bytes) as u64;
                    let increment = Increment { band: Band::Fresh, bytes, origin_bytes: 0, timed: 0, time_ms: 0 };
                    let hash = seed.hash_one(fields.text(Text::Url));
                    sampler.see(plan.has(), &fields, hash, entry.time_ms(), &increment);
                }
            }
            samples.clear();
            sampler.hand_over(&mut samples);
            assert!(samples.asked.requests > ENTRIES / 2);
        });
    });
    group.finish();
}

/// Entries of a capture are counted in all tables: the worker's whole step, and the naive reference's.
fn tally(c: &mut Criterion) {
    let input = input();
    let mut group = c.benchmark_group("tally");
    group.throughput(Throughput::Elements(ENTRIES));
    for (filters, has_profiles) in [(0, true), (0, false), (1, true), (8, true)] {
        let name = match (filters, has_profiles) {
            (0, true) => String::new(),
            (0, false) => ", without profiles".to_owned(),
            _ => format!(", {filters} filters"),
        };
        group.bench_function(format!("decode and count{name}"), |b| {
            let mut caps = Caps::new(256 << 20, 1);
            caps.worker_cells = if has_profiles { caps.worker_cells } else { 0 };
            let (mut shard, mut formats) = (Shard::new(0, &caps, &Seed::default()), Formats::default());
            let node = shard.node(b"edge-01.example.net", "127.0.0.1");
            // Each takes a part of the traffic.
            let lists = [
                "status:404",
                "method:POST",
                "network:127.0.0.0/12",
                "result:TCP_HIT,status:200",
                "status:200",
                "method:HEAD",
                "status:503,status:500",
                "client:127.0.0.1",
            ];
            let filter = |(id, list): (u64, &&str)| Wanted { id, filter: Filter::parse_list(list).unwrap().into() };
            let wanted: Vec<Wanted> = (0..).zip(&lists[..filters]).map(filter).collect();
            shard.set_filters(&wanted, 1_795_460_600_000);
            let (mut part, mut tick) = (Part::default(), 0);
            b.iter(|| {
                for body in segments(&input) {
                    let segment = Segment::parse(body).unwrap();
                    let format = formats.of(&segment).unwrap();
                    shard.segment(&segment, &format, node, 1_795_460_600_000);
                }
                tick += 1;
                part.clear();
                shard.hand_over(&mut part, tick, true);
                assert_eq!((part.entries.requests, part.total.all_bytes()), (ENTRIES, 215_790_922));
            });
        });
    }
    group.bench_function("the naive reference", |b| {
        b.iter(|| {
            let mut naive = Naive::default();
            segments(&input).for_each(|body| naive.segment(body));
            assert_eq!((naive.total.all_requests(), naive.total.all_bytes()), (ENTRIES, 215_790_922));
        });
    });
    group.finish();
}

/// Lines of text logs become fields, and are counted.
fn lines(c: &mut Criterion) {
    let mut group = c.benchmark_group("lines");
    let text = |name: &str| {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/captures/{name}.logcat.txt.zst"));
        zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()
    };
    let squid = text("ats-8.1-collation-reconnect.conn0");
    let welf = text("ats-8.1-collation-many-objects.conn3-welf-text-filtered");
    let of_welf = r#"id=firewall time="%<cqtd> %<cqtt>" fw=%<phn> pri=6 proto=%<cqus> duration=%<ttmsf> sent=%<psql> rcvd=%<cqhl> src=%<chi> dst=%<shi> dstname=%<shn> user=%<caun> op=%<cqhm> arg="%<cqup>" result=%<pssc> ref="%<{Referer}cqh>" agent="%<{user-agent}cqh>" cache=%<crc>"#;
    for (name, text, format) in [("squid", &squid, "squid"), ("WELF", &welf, of_welf)] {
        let plan = LineFormats::new(template::parse_or_named(format).unwrap()).unwrap().choose(text);
        let count = Lines::default().split(text).count() as u64;
        group.throughput(Throughput::Elements(count));
        group.bench_function(format!("{name} lines"), |b| {
            b.iter(|| {
                let (mut lines, mut fields, mut bytes) = (Lines::default(), Fields::default(), 0);
                for line in lines.split(black_box(text)) {
                    let Line::Whole(line) = line else { continue };
                    if plan.read_into(&mut fields, line).is_some() {
                        bytes += fields.number(Number::Bytes);
                    }
                }
                assert!(black_box(bytes) > 0);
            });
        });
        group.bench_function(format!("{name} lines, read and counted"), |b| {
            let caps = Caps::new(256 << 20, 1);
            let mut shard = Shard::new(0, &caps, &Seed::default());
            let node = shard.node(b"edge-01.example.net", "file");
            let (mut lines, mut part) = (Lines::default(), Part::default());
            b.iter(|| {
                shard.lines(lines.split(text), &plan, "squid.log", node, 1_795_460_600_000);
                part.clear();
                shard.hand_over(&mut part, 1, false);
                assert_eq!(part.entries.received(), count);
            });
        });
    }
    group.finish();
}

/// The parts of a full tick are added to the merger's tables.
fn merger(c: &mut Criterion) {
    let input = input();
    let caps = Caps::new(256 << 20, 1);
    let seed = Seed::default();
    let (mut shard, mut formats) = (Shard::new(0, &caps, &seed), Formats::default());
    let node = shard.node(b"edge-01.example.net", "127.0.0.1");
    let mut count = |part: &mut Part| {
        for body in segments(&input) {
            let segment = Segment::parse(body).unwrap();
            let format = formats.of(&segment).unwrap();
            shard.segment(&segment, &format, node, 1_795_460_600_000);
        }
        part.clear();
        shard.hand_over(part, 1, true);
    };
    let mut tables = Tables::new(&caps, 1, &seed, 0, true);
    let (mut first, mut later) = (Part::default(), Part::default());
    count(&mut first);
    tables.add(&first);
    count(&mut later);
    let rows: usize = later.tables.iter().map(|table| table.rows.len()).sum();
    let mut group = c.benchmark_group("merger");
    group.throughput(Throughput::Elements(rows as u64));
    group.bench_function("rows of a full tick", |b| b.iter(|| tables.add(black_box(&later))));
    group.finish();
    let sites = tables.table(Dimension::Site);
    assert_eq!(sites.total.all_requests() % ENTRIES, 0);
}

criterion_group!(benches, decode, tally, lines, merger);
criterion_main!(benches);
