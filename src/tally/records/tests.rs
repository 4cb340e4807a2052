//! Takers against what passes them, and what is kept against its bounds.

use std::collections::HashMap;

use super::*;
use crate::tally::Band;
use crate::wire::encode::{Header, SegmentWriter, Value};
use taker::{LIST, OF_NODE};

fn increment(bytes: u64, time_ms: u64, band: Band) -> Increment {
    Increment { band, bytes, origin_bytes: 0, timed: 1, time_ms }
}

/// A segment of entries with these numbers of bytes.
fn segment(bytes: &[i64]) -> Vec<u8> {
    let mut writer = SegmentWriter::new(&Header { field_list: b"psql", ..Header::default() }, 7);
    for (at, &bytes) in bytes.iter().enumerate() {
        writer.push(1_795_460_493 + at as i64, 5000, &[Value::Int(bytes)]).unwrap();
    }
    writer.finish(9).to_vec()
}

/// Sends entries past a taker, as segments of `each` from `node`.
fn pass(taker: &mut Taker, entries: &[Increment], each: usize, node: u32) {
    for chunk in entries.chunks(each) {
        let bytes = segment(&chunk.iter().map(|entry| entry.bytes as i64).collect::<Vec<_>>());
        let segment = Segment::parse(&bytes).unwrap();
        taker.begin(node, segment.entry_count());
        for (entry, increment) in segment.entries().zip(chunk) {
            taker.see(*increment);
            if taker.wants() {
                taker.take(&segment, &entry, node, b"example.com");
            }
        }
    }
}

fn taken(taker: &mut Taker) -> Taken {
    let mut taken = Taken::default();
    taker.hand_over(&mut taken);
    taken
}

/// The bytes of a record's only field.
fn value(record: &Record) -> u64 {
    let bytes = record.segment();
    let segment = Segment::parse(&bytes).unwrap().in_layout(record.layout);
    let entries: Vec<_> = segment.entries().collect();
    assert_eq!((entries.len(), segment.field_list(), segment.timestamps()), (1, "psql", (0, 0)));
    assert_eq!(entries[0].time_ms(), record.time);
    segment.ints().at(entries[0].payload, 0).unwrap() as u64
}

#[test]
fn few_entries_are_taken_all_and_can_be_read_again() {
    let mut taker = Taker::new(3, 1);
    let entries: Vec<_> =
        (1..=20).map(|n| increment(n * 10, n, if n % 4 == 0 { Band::Error } else { Band::Miss })).collect();
    pass(&mut taker, &entries, 6, 2);
    let taken = taken(&mut taker);
    let values = |list: &[Arc<Record>]| list.iter().map(|record| value(record)).collect::<Vec<_>>();
    assert_eq!(values(&taken.recent), entries.iter().map(|entry| entry.bytes).collect::<Vec<_>>());
    assert_eq!(values(&taken.failed), [40, 80, 120, 160, 200]);
    assert_eq!((taken.slowest.len(), taken.largest.len(), taken.by_node.len()), (20, 20, 4));
    assert!(
        taken.recent.iter().all(|record| record.worker == 3 && record.node == 2 && *record.site == *b"example.com")
    );
    assert!(taken.recent.iter().all(|record| Arc::ptr_eq(&record.head, &taken.recent[0].head)), "one head for all");
}

#[test]
fn the_slowest_and_the_largest_are_exactly_those() {
    let mut taker = Taker::new(0, 7);
    // A permutation of 0 to 4095, and another.
    let entries: Vec<_> = (0..4096_u64).map(|n| increment(n * 1229 % 4096, n * 2531 % 4096, Band::Fresh)).collect();
    for round in 0..3 {
        pass(&mut taker, &entries, 50, 0);
        let taken = taken(&mut taker);
        let sorted = |list: &[Arc<Record>], order: Order| {
            let mut ranks: Vec<u64> = list.iter().map(|record| order.rank(record)).collect();
            ranks.sort_unstable();
            ranks
        };
        let expected: Vec<u64> = (4096 - LIST as u64..4096).collect();
        assert_eq!(sorted(&taken.slowest, Order::Slowest), expected, "part {round}");
        assert_eq!(sorted(&taken.largest, Order::Largest), expected, "part {round}");
    }
}

#[test]
fn the_sample_is_uniform_and_bounded() {
    let entries: Vec<_> =
        (0..1000_u64).map(|n| increment(n, 1, if n % 2 == 0 { Band::Error } else { Band::Miss })).collect();
    let (mut places, mut errors) = ([0_u32; 10], [0_u32; 10]);
    const PARTS: u64 = 300;
    for part in 0..PARTS {
        let mut taker = Taker::new(0, part);
        pass(&mut taker, &entries, 100, 0);
        let taken = taken(&mut taker);
        assert_eq!((taken.recent.len(), taken.failed.len()), (LIST, LIST));
        taken.recent.iter().for_each(|record| places[value(record) as usize / 100] += 1);
        for record in &taken.failed {
            assert_eq!(record.increment.band, Band::Error);
            errors[value(record) as usize / 100] += 1;
        }
    }
    // Each tenth has 960 ± 31; beyond six deviations by chance once in 10^8 runs. Seeds are fixed.
    for counts in [places, errors] {
        assert!(counts.iter().all(|count| count.abs_diff(960) < 180), "{counts:?}");
    }
}

#[test]
fn each_node_has_some_however_busy_another_is() {
    let mut taker = Taker::new(0, 5);
    let busy: Vec<_> = (0..20_000).map(|n| increment(n, 0, Band::Fresh)).collect();
    pass(&mut taker, &busy, 100, 0);
    pass(&mut taker, &busy[..3], 3, 1);
    let taken = taken(&mut taker);
    let of = |node| taken.by_node.iter().filter(|record| record.node == node).count();
    assert_eq!((of(0), of(1)), (OF_NODE as usize, 1));
}

#[test]
fn nothing_is_taken_when_stopped_nor_when_too_long() {
    let mut taker = Taker::new(0, 5);
    taker.stop();
    let entries: Vec<_> = (0..500).map(|n| increment(n, n, Band::Error)).collect();
    for _ in 0..2 {
        pass(&mut taker, &entries, 50, 0);
        let taken = taken(&mut taker);
        assert!([taken.recent, taken.failed, taken.slowest, taken.largest, taken.by_node].iter().all(Vec::is_empty));
    }
    let mut taker = Taker::new(0, 5);
    let mut writer = SegmentWriter::with_capacity(&Header { field_list: b"cqu", ..Header::default() }, 7, 64 << 10);
    let long = vec![b'x'; RECORD_MAX];
    for text in [&long[..], b"short", &long] {
        writer.push(1, 0, &[Value::Text(text)]).unwrap();
    }
    let bytes = writer.finish(9).to_vec();
    let segment = Segment::parse(&bytes).unwrap();
    for entry in segment.entries() {
        taker.see(increment(1, 1, Band::Error));
        taker.take(&segment, &entry, 0, b"");
    }
    let taken = taken(&mut taker);
    assert_eq!((taken.recent.len(), taken.failed.len(), taken.slowest.len()), (1, 1, 1));
    assert!(taken.recent[0].entry.len() < 100);
}

fn record(time: u64, site: u32, bytes: u64, node: u32) -> Arc<Record> {
    Arc::new(Record {
        time,
        worker: 0,
        node,
        site: format!("site-{site}").into_bytes().into(),
        increment: increment(bytes, bytes / 2, Band::Miss),
        head: Arc::from(vec![0; 200]),
        layout: Layout::USUAL,
        entry: vec![1; 300].into(),
    })
}

#[test]
fn what_is_kept_stays_within_its_budget_and_is_the_newest_and_the_greatest() {
    const BUDGET: usize = 2 << 20;
    let mut kept = Kept::new(BUDGET);
    let mut most: HashMap<u64, Vec<u64>> = HashMap::new();
    let start = 1_795_460_400_000;
    for second in 0..7200_u64 {
        let now = start + second * 1000;
        let mut taken = Taken::default();
        for n in 0..8 {
            let record =
                record(now, (second as u32 * 8 + n) % 500, (second * 8 + u64::from(n)) * 7919 % 100_003, n % 3);
            most.entry(now / 3_600_000).or_default().push(record.increment.bytes);
            taken.recent.push(record.clone());
            taken.largest.push(record.clone());
            taken.failed.push(record);
        }
        kept.add(&taken, 80, 16, now, |row| Some(row + 10));
        assert!(kept.bytes() <= BUDGET, "{} in second {second}", kept.bytes());
    }
    let pool = kept.pool();
    let newest = pool.recent.iter().filter(|(_, of)| of.is_some()).map(|(record, of)| (record.time, *of));
    let mut newest: Vec<_> = newest.collect();
    newest.sort_by_key(|(time, _)| *time);
    assert_eq!(*newest.last().unwrap(), (start + 7_199_000, Some(10.0)));
    assert!(newest.len() > 500 && newest[0].0 > start + 6_900_000, "{} from {}", newest.len(), newest[0].0);
    assert_eq!(pool.failed.iter().find_map(|(_, of)| *of), Some(2.0));
    for (hour, bytes) in &mut most {
        bytes.sort_unstable();
        let of_hour = pool.largest.iter().map(|(record, _)| record).filter(|record| record.time / 3_600_000 == *hour);
        assert!(
            of_hour.map(|record| record.increment.bytes).max() == bytes.last().copied(),
            "the largest of hour {hour}"
        );
    }
    let (record, _) = &pool.recent[0];
    assert_eq!(pool.node(record), Some(record.node + 10));
    let mut addresses: Vec<_> = pool.recent.iter().map(|(record, _)| Arc::as_ptr(record)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), pool.recent.len(), "each once");
}

#[test]
fn however_many_nodes_there_are_their_records_stay_within_the_budget() {
    const BUDGET: usize = 1 << 20;
    let mut kept = Kept::new(BUDGET);
    for second in 0..3000_u64 {
        let now = 1_795_460_400_000 + second * 1000;
        // More and more nodes, of which the first is always the busiest.
        let by_node =
            (0..8).map(|n| record(now, 0, 1, if n < 4 { 0 } else { (second as u32 / 2 + n) % 900 })).collect();
        kept.add(&Taken { by_node, ..Taken::default() }, 8, 0, now, Some);
        assert!(kept.bytes() <= BUDGET / 8, "{} in second {second}", kept.bytes());
    }
    let nodes: HashMap<u32, usize> = kept.pool().recent.iter().fold(HashMap::new(), |mut nodes, (record, _)| {
        *nodes.entry(record.node).or_default() += 1;
        nodes
    });
    assert!(nodes.len() > 100 && nodes.values().all(|count| *count < 10), "{nodes:?}");
}

#[test]
fn rare_nodes_and_sites_are_still_there_after_busy_ones() {
    let mut kept = Kept::new(1 << 20);
    let rare = record(1_795_460_400_000, 7777, 5, 9);
    kept.add(&Taken { recent: vec![rare.clone()], ..Taken::default() }, 1, 0, rare.time, Some);
    for second in 1..2000 {
        let taken =
            Taken { recent: (0..30).map(|n| record(rare.time + second * 1000, n, 5, 0)).collect(), ..Taken::default() };
        kept.add(&taken, 30, 0, rare.time + second * 1000, Some);
    }
    let pool = kept.pool();
    assert!(pool.recent.iter().any(|(record, of)| *record == rare && of.is_none()));
}
