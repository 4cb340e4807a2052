//! How often the cache asked origins, and what for: sums over result codes (spec/statistics.md N1 to N3).

use crate::merger::Table;
use crate::merger::snapshot::RawKey;
use crate::wire::codes;

/// Requests by what the cache did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Validated: unchanged.
    pub unchanged: u64,
    /// Validated: a new copy came.
    pub changed: u64,
    /// Validated in vain: the old copy was served, since the origin failed.
    pub failed: u64,
    /// Served from a fetch that was in progress.
    pub collapsed: u64,
    /// All misses.
    pub missed: u64,
}

impl Asked {
    /// Of a table of result codes.
    pub fn of(results: &Table) -> Self {
        let mut asked = Self::default();
        for row in 0..results.len() as u32 {
            let RawKey::One(key) = results.raw_key(row) else { continue };
            let Ok(code) = <[u8; 8]>::try_from(key).map(i64::from_le_bytes) else { continue };
            let requests = results.rows[row as usize].all_requests();
            match u8::try_from(code) {
                Ok(b'5') => asked.unchanged += requests,
                Ok(b'6') => asked.failed += requests,
                Ok(b'7') => asked.changed += requests,
                Ok(b'F') => asked.collapsed += requests,
                _ => {}
            }
            if codes::result_class(code).is_miss() {
                asked.missed += requests;
            }
        }
        asked
    }
}
