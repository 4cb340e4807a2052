//! How nodes' streams are doing (spec/statistics.md 12): sums since the start, the last seconds, the smallest lag of ten minutes.

use std::collections::VecDeque;

use crate::tally::part::NodeUpdate;
use crate::tally::quality::{Examples, Lags, Received};

/// Seconds over which rates and lags are told; the one that is not over comes on top.
const RECENT_S: u64 = 10;

/// Minutes over which the smallest lag is sought; the one that is not over comes on top.
const OFFSET_MINUTES: u64 = 10;

/// One node's stream at one tick.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quality {
    /// Sums since the start.
    pub received: Received,
    /// Segments, entries and bytes a second, over the last 10 s.
    pub per_second: [f64; 3],
    /// Lags (arrival less entry time) in the last 10 s; `None` if nothing came.
    pub recent: Option<RecentLags>,
    /// The smallest lag in the last 10 minutes, ms; negative if the node's clock is ahead.
    pub clock_offset: Option<i64>,
    /// The last of what was odd.
    pub examples: Examples,
}

/// Lags in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentLags {
    /// What half of the entries don't exceed, within an eighth.
    pub median: i64,
    /// The greatest.
    pub most: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    at: u64,
    amounts: [u64; 3],
    lags: Lags,
}

/// What is kept of one node's stream.
#[derive(Debug, Default)]
pub struct Stream {
    received: Received,
    examples: Examples,
    /// When the first of it came, ms.
    since: Option<u64>,
    seconds: VecDeque<Second>,
    /// Minute and its smallest lag.
    minutes: VecDeque<(u64, i64)>,
}

impl Stream {
    /// Adds what one worker had `now` (ms).
    pub fn update(&mut self, update: &NodeUpdate, now: u64) {
        let received = &update.received;
        self.received.merge(received);
        self.examples.update(&update.examples);
        self.since.get_or_insert(now);
        let second = now / 1000;
        self.seconds.retain(|known| known.at + RECENT_S >= second);
        if self.seconds.back().is_none_or(|known| known.at != second) {
            self.seconds.push_back(Second { at: second, ..Second::default() });
        }
        if let Some(recent) = self.seconds.back_mut() {
            let more = [received.segments, received.entries.received(), received.bytes];
            recent.amounts.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            recent.lags.merge(&update.lags);
        }
        if let Some((least, _)) = update.lags.extremes() {
            let minute = now / 60_000;
            self.minutes.retain(|(known, _)| known + OFFSET_MINUTES >= minute);
            match self.minutes.back_mut() {
                Some((known, smallest)) if *known == minute => *smallest = least.min(*smallest),
                _ => self.minutes.push_back((minute, least)),
            }
        }
    }

    /// So many of its segments came before.
    pub fn repeat(&mut self, segments: u64) {
        self.received.duplicates += segments;
    }

    /// How it stands `now`.
    pub fn quality(&self, now: u64) -> Quality {
        let first = (now / 1000).saturating_sub(RECENT_S);
        let (mut amounts, mut lags) = ([0_u64; 3], Lags::default());
        for second in self.seconds.iter().filter(|second| second.at >= first) {
            amounts.iter_mut().zip(second.amounts).for_each(|(sum, more)| *sum += more);
            lags.merge(&second.lags);
        }
        // A node that came just now has sent for a second, at least.
        let from = self.since.unwrap_or(now).max(first * 1000);
        let covered = now.saturating_sub(from).max(1000) as f64 / 1000.0;
        let recent = lags.median().zip(lags.extremes());
        let minute = (now / 60_000).saturating_sub(OFFSET_MINUTES);
        Quality {
            received: self.received,
            per_second: amounts.map(|amount| amount as f64 / covered),
            recent: recent.map(|(median, (_, most))| RecentLags { median, most }),
            clock_offset: self.minutes.iter().filter(|(at, _)| *at >= minute).map(|(_, least)| *least).min(),
            examples: self.examples.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Entries;
    use crate::tally::quality::Times;

    const NOW: u64 = 1_795_460_493_250;

    fn update(now: u64, lag: i64, entries: u64) -> NodeUpdate {
        let mut times = Times::new(now);
        times.note(now.saturating_add_signed(-lag));
        let mut update = NodeUpdate::default();
        update.lags.add(&times, entries);
        let entries = Entries { requests: entries, ..Entries::default() };
        update.received = Received { segments: 1, bytes: 100, entries, ..Received::default() };
        update
    }

    #[test]
    fn rates_and_lags_are_of_the_last_seconds_and_the_offset_of_ten_minutes() {
        let mut stream = Stream::default();
        stream.update(&update(NOW, -500, 10), NOW);
        let at_once = stream.quality(NOW);
        assert_eq!(at_once.per_second, [1.0, 10.0, 100.0]);
        assert_eq!(at_once.recent, Some(RecentLags { median: -500, most: -500 }));
        for second in 1..30_u64 {
            stream.update(&update(NOW + second * 1000, 5_000, 20), NOW + second * 1000);
        }
        let quality = stream.quality(NOW + 29_000);
        assert_eq!((quality.received.segments, quality.received.entries.received()), (30, 590));
        let [segments, entries, bytes] = quality.per_second;
        // 11 seconds of which the last has just begun.
        assert!((1.0..1.1).contains(&segments), "{segments}");
        assert!(
            (entries / segments - 20.0).abs() < 1e-9 && (bytes / segments - 100.0).abs() < 1e-9,
            "{entries} {bytes}"
        );
        assert_eq!(quality.recent, Some(RecentLags { median: 5_000, most: 5_000 }));
        assert_eq!(quality.clock_offset, Some(-500));
        let later = stream.quality(NOW + 60_000);
        assert_eq!((later.recent, later.per_second, later.clock_offset), (None, [0.0; 3], Some(-500)));
        assert_eq!(stream.quality(NOW + 601_000).clock_offset, Some(-500), "of the minute that has begun before");
        assert_eq!(stream.quality(NOW + 700_000).clock_offset, None);
        assert!(stream.seconds.len() <= 11 && stream.minutes.len() <= 11);
    }

    #[test]
    fn what_was_odd_last_is_kept() {
        let mut stream = Stream::default();
        let mut first = update(NOW, 0, 1);
        first.examples = Examples { entry: b"bad".to_vec(), result: Some(1), route: None };
        stream.update(&first, NOW);
        let mut second = update(NOW, 0, 1);
        second.examples = Examples { entry: Vec::new(), result: Some(2), route: Some(3) };
        stream.update(&second, NOW);
        let expected = Examples { entry: b"bad".to_vec(), result: Some(2), route: Some(3) };
        assert_eq!(stream.quality(NOW).examples, expected);
    }
}
