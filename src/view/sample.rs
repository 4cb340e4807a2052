//! Hand-made tables and snapshots for the tests of views and of the page.

use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::merger::snapshot::{Absent, Keys, Memory};
use crate::merger::{Covered, Large, Node, NodeState, Snapshot, Table};
use crate::tally::dimension::join;
use crate::tally::logs::Log;
use crate::tally::rollup::History;
use crate::tally::{Counts, Dimension, Entries, Names};

/// When counting began in all samples.
pub(crate) const STARTED: u64 = 1_795_460_000_000;

/// Counts of `requests` requests: a fifth in each band, what is left over are misses; 10 bytes each.
pub(crate) fn counts(requests: u64) -> Counts {
    let part = requests / 5;
    let by_band = [part, part, requests - 4 * part, part, part];
    Counts {
        requests: by_band,
        bytes: by_band.map(|requests| requests * 10),
        origin_bytes: by_band[2] * 10,
        timed: requests,
        time_ms: requests * 3,
    }
}

fn sum(rows: &[Counts]) -> Counts {
    rows.iter().fold(Counts::default(), |mut sum, row| {
        sum.merge(row);
        sum
    })
}

/// A table of rows with those raw keys and numbers of requests, as of [`STARTED`].
pub(crate) fn table(dimension: Dimension, rows: &[(&str, u64)]) -> Table {
    let mut names = Names::default();
    let keys: Vec<&[u8]> = rows.iter().map(|(key, _)| key.as_bytes()).collect();
    keys.iter().for_each(|key| {
        names.push(key);
    });
    let rows: Vec<Counts> = rows.iter().map(|(_, requests)| counts(*requests)).collect();
    Table {
        dimension,
        tick: 0,
        as_of: STARTED,
        covered: Covered::since_start(STARTED, STARTED),
        keys: Keys::Names(names),
        total: sum(&rows),
        rows,
        refused: Counts::default(),
        absent: Vec::new(),
        errors: Vec::new(),
        misses: false,
    }
}

/// A table of clients, keyed by the last byte of 192.0.2.0/24.
pub(crate) fn clients(rows: &[(u8, u64)]) -> Table {
    let mut table = table(Dimension::Client, &[]);
    let mut names = Names::default();
    for (last, requests) in rows {
        names.push(&Ipv4Addr::new(192, 0, 2, *last).to_ipv6_mapped().octets());
        table.rows.push(counts(*requests));
    }
    table.keys = Keys::Names(names);
    table.total = sum(&table.rows);
    table
}

/// A table of pairs of rows of those two tables.
pub(crate) fn pairs(clients: &Table, sites: &Table, rows: &[([u32; 2], u64)]) -> Table {
    let (Keys::Names(clients), Keys::Names(sites)) = (&clients.keys, &sites.keys) else { panic!("pairs of pairs") };
    let mut table = table(Dimension::ClientSite, &[]);
    table.rows = rows.iter().map(|(_, requests)| counts(*requests)).collect();
    table.total = sum(&table.rows);
    let mut names = Names::default();
    let mut key = Vec::new();
    for ([client, site], _) in rows {
        join([clients.name(*client), sites.name(*site)], &mut key);
        names.push(&key);
    }
    table.keys = Keys::Pairs(names);
    table
}

/// Lets one worker have refused `requests` requests of keys other than the rows `known`.
pub(crate) fn refuse(table: &mut Table, requests: u64, known: &[u32]) {
    let mut words = vec![0_u64; table.rows.len().div_ceil(64)];
    known.iter().for_each(|&row| words[row as usize / 64] |= 1 << (row % 64));
    table.refused.merge(&counts(requests));
    table.total.merge(&counts(requests));
    table.absent.push(Absent { refused: counts(requests), known: words });
}

/// A node with some requests.
pub(crate) fn node(id: u32, name: &str, state: NodeState, lag: Option<i64>) -> Arc<Node> {
    Arc::new(Node {
        id,
        name: name.as_bytes().to_vec(),
        address: format!("192.0.2.{}", id + 1),
        connections: u32::from(state != NodeState::Silent),
        state,
        lag,
        last_arrival: STARTED + 500,
        last_entry: STARTED,
        logs: Arc::new(vec![Log::new(b"visulate", Some(2), "cqtq,ttms", true)]),
        rejected: crate::tally::Rejected::default(),
        quality: crate::merger::quality::Quality::default(),
        counts: counts(10),
    })
}

/// A snapshot of a full tick, one second after another, that has those tables.
pub(crate) fn snapshot(tick: u64, tables: Vec<Table>) -> Snapshot {
    let as_of = STARTED + tick * 1000;
    let total = tables.first().map_or(counts(0), |table| table.total);
    let mut snapshot = Snapshot {
        tick,
        full: true,
        full_tick: tick,
        as_of,
        started: STARTED,
        total,
        entries: Entries { requests: total.all_requests(), aggregate: 1, icp: 2, bad: 3, uncounted: 0 },
        history: Some(History::default()),
        complete_to: as_of,
        memory: Memory { parts: vec![("workers", 1000), ("merger", 24)], cap: 1 << 28 },
        ..Snapshot::default()
    };
    for mut table in tables {
        (table.tick, table.as_of, table.covered) = (tick, as_of, Covered::since_start(STARTED, as_of));
        let dimension = table.dimension;
        snapshot.keys[dimension as usize] = (table.len() as u64, table.is_exact());
        let table = Arc::new(table);
        if !dimension.is_small() {
            snapshot.large[dimension as usize] = Some(Arc::new(Large::of(table.clone())));
        }
        snapshot.tables[dimension as usize] = Some(table);
    }
    snapshot
}
