//! One byte budget, and what it allows: the only place where caps come from.

use super::Dimension;
use super::uniques::PRECISION;

/// What the operator's `--memory` allows, in rows and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Rows of one worker's table, by dimension.
    pub worker_rows: [usize; Dimension::COUNT],
    /// Rows of the merger's table, by dimension; of a large one, the keys up to which every window is exact.
    pub merger_rows: [usize; Dimension::COUNT],
    /// Bytes that closed buckets of large dimensions and the names of their keys may take.
    pub water: usize,
    /// Bytes that the buffers of all connections of one worker may take.
    pub connection_bytes: usize,
    /// Registers of a sketch of different keys, as a power of two.
    pub precision: u8,
    /// Combinations of small dimensions that are told apart in one bucket of time.
    pub combinations: usize,
    /// Bytes that buckets of small dimensions, times and sizes may take: 20 to 35 MB after a day of busy traffic, and more of a flood of
    /// codes and sizes only.
    pub history: usize,
    /// URLs in the sample of reuse: within about 1 % of the true curve with 8192 (SHARDS, figure 6).
    pub sampled_urls: usize,
    /// Cells of one worker between two full ticks, of which profiles are made.
    pub worker_cells: usize,
    /// Bytes that profiles may take at the merger.
    pub profiles: usize,
    /// Bytes that kept records may take.
    pub records: usize,
}

/// Bytes that a key may take on average: a table whose keys take more refuses new ones early.
pub const KEY_BYTES: usize = 48;

/// The longest key that is kept whole.
pub const KEY_MAX: usize = 2048;

/// Of a longer key these many bytes are kept, and a hash of the rest.
pub const KEY_KEPT: usize = 2000;

/// A worker's row: key, index, lanes, a delta, and as many in the two parts that may be under way; a quarter of the deltas may be wide.
const WORKER_ROW: usize = 400;

/// The merger's row of a small dimension: counts, key, index, the workers' maps, and its copy in a snapshot.
const MERGER_ROW: usize = 320;

/// The same of a large one: 2 times k rows in each of 5 open slots, up to 1.25 times k in each of 4 open tables above them and since the
/// start, at 168 bytes (guide/windows.md 1). Only a flood of keys fills them all.
const MERGER_LARGE_ROW: usize = 2600;

/// A worker's cell: its place in the table, and in the two parts that may be under way.
const WORKER_CELL: usize = 96;

/// Fewer cells are not worth counting; more than this are not near the processor.
const CELLS_MIN: usize = 1024;
const CELLS_MAX: usize = 64 * 1024;

/// Profiles that take more bytes than this are cut in more than a few ms.
const PROFILES_MAX: usize = 64 << 20;

/// Even the smallest budget has room for a day of five thousand requests a second: 15 KB a minute, and what is finer.
const HISTORY_MIN: usize = 24 << 20;

/// Records that take more bytes than this are no longer a few.
const RECORDS_MAX: usize = 32 << 20;

/// More rows than this are no table but a list of everything.
const ROWS_MAX: usize = 4 << 20;

/// Rows that even the smallest budget allows: enough for a small cluster.
const ROWS_MIN: usize = 64;

/// Share of the budget by dimension, in thousandths; small dimensions have fixed caps.
const fn share(dimension: Dimension) -> usize {
    match dimension {
        Dimension::Client => 120,
        Dimension::Site => 50,
        Dimension::Host => 70,
        Dimension::Url | Dimension::ClientSite => 260,
        Dimension::User => 30,
        Dimension::Server => 20,
        Dimension::Format => 5,
        Dimension::Extension => 10,
        Dimension::SiteStatus => 40,
        Dimension::NodeStatus => 15,
        // Made of others when somebody looks.
        Dimension::SiteUrl | Dimension::Network | Dimension::Scheme => 0,
        Dimension::Type => 30,
        Dimension::Method => 15,
        Dimension::Node => 5,
        Dimension::Result | Dimension::Status | Dimension::Route => 3,
    }
}

impl Caps {
    /// Divides `memory` bytes: a quarter for connection buffers, a quarter for the workers' tables, a fifth for the merger's open ones, a
    /// tenth for what is closed, 5.5 % for profiles, and 2 % for records. The rest is for browsers and answers under way. What buckets of small
    /// dimensions may take is on top: they are small but for a flood of codes. Workers that kept more rows would only give the merger more to
    /// drop.
    pub fn new(memory: u64, workers: usize) -> Self {
        let memory = usize::try_from(memory).unwrap_or(usize::MAX);
        let workers = workers.max(1);
        let rows = |bytes: usize, row: usize| {
            Dimension::ALL.map(|dimension| (bytes / 1000 * share(dimension) / row).clamp(ROWS_MIN, ROWS_MAX))
        };
        let (precision, combinations, sampled_urls) = match memory >> 20 {
            ..128 => (PRECISION - 2, 128, 2048),
            128..256 => (PRECISION - 1, 512, 4096),
            _ => (PRECISION, 1024, 8192),
        };
        Self {
            worker_rows: rows(memory / 4 / workers, WORKER_ROW),
            merger_rows: Dimension::ALL.map(|dimension| {
                let row = if dimension.is_small() { MERGER_ROW } else { MERGER_LARGE_ROW };
                (memory / 20 * 4 / 1000 * share(dimension) / row).clamp(ROWS_MIN, ROWS_MAX)
            }),
            water: memory / 10,
            connection_bytes: memory / 4 / workers,
            precision,
            combinations,
            history: HISTORY_MIN + memory / 8,
            sampled_urls,
            worker_cells: (memory / 100 * 3 / workers / WORKER_CELL).clamp(CELLS_MIN, CELLS_MAX),
            profiles: (memory / 40).min(PROFILES_MAX),
            records: (memory / 50).min(RECORDS_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_grow_with_the_budget_and_stay_inside_it() {
        for (memory, workers) in [(64 << 20, 2), (256 << 20, 2), (6 << 30, 8)] {
            let caps = Caps::new(memory, workers);
            let worker: usize = caps.worker_rows.iter().map(|rows| rows * WORKER_ROW).sum();
            let row = |dimension: Dimension| if dimension.is_small() { MERGER_ROW } else { MERGER_LARGE_ROW };
            let merger: usize =
                Dimension::ALL.map(|dimension| caps.merger_rows[dimension as usize] * row(dimension)).iter().sum();
            let cells = caps.worker_cells * WORKER_CELL;
            let profiles = workers * cells + caps.profiles;
            let all = workers * (worker + caps.connection_bytes) + merger + caps.water + caps.records + profiles;
            assert!(all as u64 <= memory, "{all} of {memory}");
            assert!(caps.merger_rows[Dimension::Client as usize] > 500, "{caps:?}");
        }
    }

    #[test]
    fn the_readme_says_up_to_how_many_keys_tables_are_exact() {
        let readme = include_str!("../../README.md");
        for (name, memory) in [("64M", 64 << 20), ("256M", 256 << 20), ("1G", 1 << 30), ("6G", 6 << 30)] {
            let shown = [Dimension::Client, Dimension::Site, Dimension::Host, Dimension::Url, Dimension::ClientSite];
            let keys = shown.map(|dimension| {
                let digits = Caps::new(memory, 2).merger_rows[dimension as usize].to_string();
                match digits.split_at(digits.len().saturating_sub(3)) {
                    ("", rest) => rest.to_owned(),
                    (thousands, rest) => format!("{thousands} {rest}"),
                }
            });
            let line = format!("| {name} | {} |", keys.join(" | "));
            assert!(readme.contains(&line), "{line}");
        }
    }

    #[test]
    fn the_smallest_and_the_greatest_budget_are_usable() {
        assert_eq!(Caps::new(0, 0).worker_rows, [ROWS_MIN; Dimension::COUNT]);
        assert_eq!(Caps::new(u64::MAX, 1).merger_rows[Dimension::Client as usize], ROWS_MAX);
    }
}
