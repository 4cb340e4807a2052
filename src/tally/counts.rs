//! What is counted for a row, a table, a node, or everything: one fixed set of sums.

use serde::Serialize;

/// The five bands that an entry can be in; every entry is in exactly one (design/page.md 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Band {
    /// Served from cache without asking the origin.
    Fresh = 0,
    /// Served from cache after asking the origin: revalidated, or stale because the origin failed. A hit too.
    Refresh = 1,
    /// Everything else with a result code.
    Miss = 2,
    /// Errors of origin, proxy or request; denied; a miss answered with 5xx.
    Error = 3,
    /// The entry's format has no result code.
    Unknown = 4,
}

impl Band {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// Served from cache, whether the origin was asked or not.
    #[inline]
    pub fn is_hit(self) -> bool {
        matches!(self, Self::Fresh | Self::Refresh)
    }
}

/// The sums of one row. Bytes are those sent to clients, headers included where the format has them (`psql`).
///
/// Requests and bytes are kept by band, so that bands add up to the total by construction. Sums saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests by [`Band`].
    pub requests: [u64; Band::COUNT],
    /// Bytes by [`Band`].
    pub bytes: [u64; Band::COUNT],
    /// Bytes that came from an origin (spec/statistics.md N4).
    pub origin_bytes: u64,
    /// Entries that have a time.
    pub timed: u64,
    /// Their times added up, in ms.
    pub time_ms: u64,
}

/// What one entry adds to each of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Increment {
    /// The entry's band.
    pub band: Band,
    /// Bytes sent to the client.
    pub bytes: u64,
    /// Bytes that came from an origin.
    pub origin_bytes: u64,
    /// 1 if the entry has a time, else 0.
    pub timed: u64,
    /// Its time in ms.
    pub time_ms: u64,
}

impl Counts {
    /// Counts one entry.
    #[inline]
    pub fn record(&mut self, entry: &Increment) {
        let band = entry.band as usize;
        self.requests[band] += 1;
        self.bytes[band] = self.bytes[band].saturating_add(entry.bytes);
        self.origin_bytes = self.origin_bytes.saturating_add(entry.origin_bytes);
        self.timed += entry.timed;
        self.time_ms = self.time_ms.saturating_add(entry.time_ms);
    }

    /// Adds all sums of `other`. The order of merging doesn't matter.
    pub fn merge(&mut self, other: &Self) {
        for (sum, more) in self.requests.iter_mut().zip(other.requests) {
            *sum = sum.saturating_add(more);
        }
        for (sum, more) in self.bytes.iter_mut().zip(other.bytes) {
            *sum = sum.saturating_add(more);
        }
        self.origin_bytes = self.origin_bytes.saturating_add(other.origin_bytes);
        self.timed = self.timed.saturating_add(other.timed);
        self.time_ms = self.time_ms.saturating_add(other.time_ms);
    }

    /// What is left after taking away `part`, which is one of the parts that were added up to `self`.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        let mut rest = *self;
        for (sum, less) in rest.requests.iter_mut().zip(part.requests) {
            *sum = sum.saturating_sub(less);
        }
        for (sum, less) in rest.bytes.iter_mut().zip(part.bytes) {
            *sum = sum.saturating_sub(less);
        }
        rest.origin_bytes = rest.origin_bytes.saturating_sub(part.origin_bytes);
        rest.timed = rest.timed.saturating_sub(part.timed);
        rest.time_ms = rest.time_ms.saturating_sub(part.time_ms);
        rest
    }

    /// All requests.
    pub fn all_requests(&self) -> u64 {
        self.requests.iter().fold(0, |sum, &more| sum.saturating_add(more))
    }

    /// All bytes.
    pub fn all_bytes(&self) -> u64 {
        self.bytes.iter().fold(0, |sum, &more| sum.saturating_add(more))
    }

    /// True before the first entry.
    pub fn is_empty(&self) -> bool {
        self.requests == [0; Band::COUNT]
    }

    /// The sum of one measure.
    pub fn measure(&self, measure: Measure) -> u64 {
        let (requests, bytes) = (&self.requests, &self.bytes);
        match measure {
            Measure::Requests => self.all_requests(),
            Measure::Bytes => self.all_bytes(),
            Measure::Hits => requests[Band::Fresh as usize].saturating_add(requests[Band::Refresh as usize]),
            Measure::HitBytes => bytes[Band::Fresh as usize].saturating_add(bytes[Band::Refresh as usize]),
            Measure::RefreshHits => requests[Band::Refresh as usize],
            Measure::Misses => requests[Band::Miss as usize],
            Measure::MissBytes => bytes[Band::Miss as usize],
            Measure::Errors => requests[Band::Error as usize],
            Measure::ErrorBytes => bytes[Band::Error as usize],
            Measure::Unknown => requests[Band::Unknown as usize],
            Measure::UnknownBytes => bytes[Band::Unknown as usize],
            Measure::OriginBytes => self.origin_bytes,
            Measure::Timed => self.timed,
            Measure::TimeMs => self.time_ms,
        }
    }
}

/// The numbers of a row, by their names in answers; each can rank a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Measure {
    /// All requests.
    Requests,
    /// All bytes sent to clients.
    Bytes,
    /// Requests served from cache, refresh hits included.
    Hits,
    /// Their bytes.
    HitBytes,
    /// Requests served from cache after asking the origin.
    RefreshHits,
    /// Requests that were neither a hit nor an error.
    Misses,
    /// Their bytes.
    MissBytes,
    /// Requests that failed.
    Errors,
    /// Their bytes.
    ErrorBytes,
    /// Requests of formats without a result code.
    Unknown,
    /// Their bytes.
    UnknownBytes,
    /// Bytes that came from an origin.
    OriginBytes,
    /// Entries that have a time.
    Timed,
    /// Their times, in ms.
    TimeMs,
}

impl Measure {
    /// All measures, in the order of a row.
    pub const ALL: [Self; 14] = [
        Self::Requests,
        Self::Bytes,
        Self::Hits,
        Self::HitBytes,
        Self::RefreshHits,
        Self::Misses,
        Self::MissBytes,
        Self::Errors,
        Self::ErrorBytes,
        Self::Unknown,
        Self::UnknownBytes,
        Self::OriginBytes,
        Self::Timed,
        Self::TimeMs,
    ];

    /// Its name in answers and parameters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Bytes => "bytes",
            Self::Hits => "hits",
            Self::HitBytes => "hit_bytes",
            Self::RefreshHits => "refresh_hits",
            Self::Misses => "misses",
            Self::MissBytes => "miss_bytes",
            Self::Errors => "errors",
            Self::ErrorBytes => "error_bytes",
            Self::Unknown => "unknown",
            Self::UnknownBytes => "unknown_bytes",
            Self::OriginBytes => "origin_bytes",
            Self::Timed => "timed",
            Self::TimeMs => "time_ms",
        }
    }

    /// The measure of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == name)
    }
}

/// Where entries went; `received` is their sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entries {
    /// Counted as requests.
    pub requests: u64,
    /// Entries of aggregate formats, which are no requests.
    pub aggregate: u64,
    /// Inter-cache entries, which are no requests.
    pub icp: u64,
    /// Damaged: their fields do not come out at their length.
    pub bad: u64,
    /// Of log objects that are not to be counted (`--count-log`); what they hold was not looked at.
    pub uncounted: u64,
}

impl Entries {
    /// All of them.
    pub fn received(&self) -> u64 {
        self.requests + self.aggregate + self.icp + self.bad + self.uncounted
    }

    /// Adds all sums of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.aggregate += other.aggregate;
        self.icp += other.icp;
        self.bad += other.bad;
        self.uncounted += other.uncounted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts() -> impl Strategy<Value = Counts> {
        (any::<[u32; 5]>(), any::<[u32; 5]>(), any::<[u32; 3]>()).prop_map(|(requests, bytes, rest)| Counts {
            requests: requests.map(u64::from),
            bytes: bytes.map(u64::from),
            origin_bytes: rest[0].into(),
            timed: rest[1].into(),
            time_ms: rest[2].into(),
        })
    }

    proptest! {
        #[test]
        fn merging_in_any_order_is_the_same_and_can_be_undone(a in counts(), b in counts()) {
            let (mut ab, mut ba) = (a, b);
            ab.merge(&b);
            ba.merge(&a);
            prop_assert_eq!(ab, ba);
            prop_assert_eq!(ab.without(&b), a);
        }

        #[test]
        fn bands_add_up_to_the_total(a in counts()) {
            let parts = [Measure::Hits, Measure::Misses, Measure::Errors, Measure::Unknown];
            prop_assert_eq!(parts.iter().map(|&m| a.measure(m)).sum::<u64>(), a.measure(Measure::Requests));
            let parts = [Measure::HitBytes, Measure::MissBytes, Measure::ErrorBytes, Measure::UnknownBytes];
            prop_assert_eq!(parts.iter().map(|&m| a.measure(m)).sum::<u64>(), a.measure(Measure::Bytes));
        }
    }

    #[test]
    fn sums_saturate() {
        let mut counts = Counts::default();
        let entry =
            Increment { band: Band::Miss, bytes: u64::MAX - 1, origin_bytes: u64::MAX, timed: 1, time_ms: u64::MAX };
        counts.record(&entry);
        counts.record(&entry);
        assert_eq!((counts.all_bytes(), counts.time_ms, counts.all_requests()), (u64::MAX, u64::MAX, 2));
    }

    #[test]
    fn names_lead_back_to_measures() {
        for measure in Measure::ALL {
            assert_eq!(Measure::by_name(measure.name()), Some(measure));
        }
        assert_eq!(Measure::by_name("hit"), None);
    }
}
