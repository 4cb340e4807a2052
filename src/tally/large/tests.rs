//! All large tables of a worker against a plain recount, however small they are.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::tally::batch::BATCH;
use crate::tally::counts::{Band, Increment};
use crate::tally::delta::Delta;
use crate::tally::part::LargePart;
use crate::tally::windowed::{Level, Loss};

/// Entries of one slot, by their keys in the dimensions that are looked at here.
#[derive(Clone, Debug)]
struct Entry {
    slot: u64,
    client: u8,
    host: u8,
    url: u16,
    status: Option<u16>,
    bytes: u64,
}

fn entry() -> impl Strategy<Value = Entry> {
    let status = prop::option::weighted(0.9, prop::sample::select(vec![0_u16, 200, 404, 503]));
    // Some are more than a delta holds.
    let bytes = prop_oneof![20 => 1..1000_u64, 1 => (3_u64 << 30)..(5 << 30)];
    (0..12_u64, 0..40_u8, 0..200_u8, 0..300_u16, status, bytes)
        .prop_map(|(slot, client, host, url, status, bytes)| Entry { slot, client, host, url, status, bytes })
}

fn host_of(host: u8) -> String {
    format!("www{}.site-{}.example", host % 3, host / 2)
}

fn extension_of(url: u16) -> &'static [u8] {
    [&b"jpg"[..], b"css", b""][usize::from(url % 3)]
}

fn url_of(entry: &Entry) -> Vec<u8> {
    let end = [".JPG", ".css", ""][usize::from(entry.url % 3)];
    format!("http://{}/{}{end}", host_of(entry.host), entry.url).into_bytes()
}

fn increment(entry: &Entry) -> Increment {
    let band = if entry.bytes.is_multiple_of(7) { Band::Error } else { Band::Miss };
    Increment { band, bytes: entry.bytes, origin_bytes: entry.bytes / 2, timed: 1, time_ms: entry.bytes % 50 }
}

/// Dimensions that are looked at, and an entry's key in each; `None` if it has none.
const LOOKED_AT: [Dimension; 7] = [
    Dimension::Client,
    Dimension::Host,
    Dimension::Site,
    Dimension::Url,
    Dimension::Extension,
    Dimension::ClientSite,
    Dimension::SiteStatus,
];

fn key_of(entry: &Entry, dimension: Dimension) -> Option<Vec<u8>> {
    let host = host_of(entry.host).into_bytes();
    let site = host::site(&host).to_vec();
    Some(match dimension {
        Dimension::Client => vec![entry.client; 16],
        Dimension::Host => host,
        Dimension::Site => site,
        Dimension::Url => url_of(entry),
        Dimension::Extension => extension_of(entry.url).to_vec(),
        Dimension::ClientSite => [vec![entry.client; 16], site].concat(),
        _ => [site, u32::from(entry.status?).to_le_bytes().to_vec()].concat(),
    })
}

type Truth = HashMap<(Slot, Vec<u8>), Counts>;

/// A worker's tables, fed in batches, and what the merger knows of their rows.
struct Worker {
    tables: LargeTables,
    batch: Vec<Pending>,
    total: Counts,
    rows: usize,
    names: Vec<Vec<Vec<u8>>>,
}

impl Worker {
    fn new(rows: usize) -> Self {
        let mut caps = Caps { worker_rows: [rows; Dimension::COUNT], ..Caps::new(64 << 20, 1) };
        // Has less room than the hosts that are settled in it.
        caps.worker_rows[Dimension::SiteStatus as usize] = rows / 4;
        let tables = LargeTables::new(&caps, &Seed::default());
        Self { tables, batch: Vec::new(), total: Counts::default(), rows, names: vec![Vec::new(); Dimension::COUNT] }
    }

    fn record(&mut self, entry: &Entry) {
        let tables = &mut self.tables;
        tables.enter(Slot { start: entry.slot * 2000, level: Level::Minute });
        let host = host_of(entry.host);
        let mut rows = Rows { slot: tables.slot(), node: 0, ..Rows::NONE };
        rows.status = entry.status.map_or(REFUSED, u32::from);
        // Of half of them, these follow from the URL.
        if entry.bytes.is_multiple_of(2) {
            let Place { host, site } = tables.place(host.as_bytes());
            rows.keyed[Dimension::Host as usize] = host;
            rows.keyed[Dimension::Site as usize] = site;
            rows.keyed[Dimension::Extension as usize] = tables.row(Dimension::Extension, extension_of(entry.url));
        }
        if let Some((row, _)) = tables.find_or_stage_client(self.batch.len(), Some([entry.client; 16])) {
            rows.keyed[Dimension::Client as usize] = row;
        }
        tables.stage_url(self.batch.len(), &url_of(entry));
        self.total.record(&increment(entry));
        self.batch.push(Pending { increment: increment(entry), rows, combination: None, slot: 0 });
        if self.batch.len() == BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.tables.look_up(&mut self.batch, |_, _| {});
        self.tables.record(&self.batch);
        self.batch.clear();
        // What is settled at once is little more than there is room for: a quarter, and what a batch brings to either table.
        let pairs = self.tables.paired[SITE_STATUS].deltas().len();
        let cap = self.rows / 4;
        assert!(pairs <= cap + cap / 4 + 2 * BATCH, "{pairs} of {cap}");
        if self.tables.is_full() {
            self.tables.cut(&self.total).for_each(drop);
        }
    }

    fn hand_over(&mut self) -> Part {
        self.flush();
        let mut part = Part::default();
        self.tables.hand_over(&mut part);
        for (large, names) in part.large.iter().zip(&mut self.names) {
            if large.restarts {
                names.clear();
            }
            names.extend(large.keys.iter().map(<[u8]>::to_vec));
        }
        part
    }

    fn name(&self, dimension: Dimension, delta: &Delta) -> Vec<u8> {
        let name = |of: Dimension, row: u32| self.names[of as usize][row as usize].clone();
        match dimension.kind() {
            Kind::Pair([first, Dimension::Status]) => {
                [name(first, delta.row), delta.other.to_le_bytes().to_vec()].concat()
            }
            Kind::Pair([first, second]) => [name(first, delta.row), name(second, delta.other)].concat(),
            _ => name(dimension, delta.row),
        }
    }
}

/// Rows and rest are the total of each slot, and every key is within its bound.
fn check(
    part: &LargePart,
    slots: &[Slot],
    name: impl Fn(&Delta) -> Vec<u8>,
    mut truth: Truth,
) -> Result<(), TestCaseError> {
    let mut totals: HashMap<Slot, Counts> = HashMap::new();
    truth.iter().for_each(|((slot, _), counts)| totals.entry(*slot).or_default().merge(counts));
    let lost = |number: usize| part.lost.get(number).copied().unwrap_or_default();
    let mut sums: HashMap<Slot, Counts> =
        slots.iter().zip(0..).map(|(slot, number)| (*slot, lost(number).rest)).collect();
    for ((delta, counts), number) in part.deltas().zip(0..) {
        let slot = slots[delta.slot as usize];
        sums.entry(slot).or_default().merge(&counts);
        let error = part.errors.iter().find(|(with, _)| *with == number).map_or(Loss::NONE, |(_, error)| *error);
        let real = truth.remove(&(slot, name(delta)));
        let real = real.ok_or_else(|| TestCaseError::fail("a key that never was in this slot, or twice"))?;
        for measure in Loss::MEASURES {
            let (count, real) = (counts.measure(measure), real.measure(measure));
            prop_assert!(count <= real && real <= count + error.measure(measure), "{measure:?}: {real}, {delta:?}");
        }
    }
    for ((slot, _), counts) in truth {
        let absent = lost(slots.iter().position(|known| *known == slot).unwrap_or(usize::MAX)).absent;
        for measure in Loss::MEASURES {
            prop_assert!(counts.measure(measure) <= absent.measure(measure), "{measure:?} of {slot:?}");
        }
    }
    sums.retain(|_, sum| !sum.is_empty());
    prop_assert_eq!(sums, totals);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn all_tables_add_up_and_keep_their_bounds_through_cuts_and_parts(
        parts in prop::collection::vec(prop::collection::vec(entry(), 0..2500), 1..4),
        rows in prop::sample::select(vec![100_usize, 600, 40_000]),
    ) {
        let mut worker = Worker::new(rows);
        for entries in parts {
            entries.iter().for_each(|entry| worker.record(entry));
            let part = worker.hand_over();
            for dimension in LOOKED_AT {
                let mut truth = Truth::new();
                for entry in &entries {
                    if let Some(key) = key_of(entry, dimension) {
                        let slot = Slot { start: entry.slot * 2000, level: Level::Minute };
                        truth.entry((slot, key)).or_default().record(&increment(entry));
                    }
                }
                let large = &part.large[dimension as usize];
                if rows == 40_000 {
                    prop_assert!(large.lost.is_empty() && large.errors.is_empty() && large.deltas.len() == truth.len());
                }
                check(large, &part.large_slots, |delta| worker.name(dimension, delta), truth)?;
            }
        }
    }
}

#[test]
fn rows_follow_from_a_url_that_says_all() {
    for (url, method, expected) in [
        ("http://a.example/b.jpg", "GET", true),
        ("https://a.example", "HEAD", true),
        ("http://a.example/b.jpg", "POST", false),
        ("http://a.example/b.jpg", "CONNECT", false),
        ("http://a.example/b.jpg?c", "GET", false),
        ("http://a.example/b;c", "GET", false),
        ("http:///b", "GET", false),
        ("http://-", "GET", false),
        ("a.example:443", "GET", false),
        ("/b", "GET", false),
        ("-", "GET", false),
        ("", "GET", false),
    ] {
        let mut scratch = Vec::new();
        let key = url::key(url.as_bytes(), &mut scratch);
        assert_eq!(LargeTables::says_all(url.as_bytes(), key, method.as_bytes()), expected, "{url}");
        if expected {
            assert!(!host::authority(key).is_empty());
            let [of_key, of_url] = [(key, &b""[..]), (url.as_bytes(), method.as_bytes())]
                .map(|(url, method)| url::extension(url, method, &mut [0; 8]).to_vec());
            assert_eq!(of_key, of_url);
        }
    }
}
