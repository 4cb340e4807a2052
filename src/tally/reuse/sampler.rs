//! The worker's side of the sample: from each entry the hash of its URL, and a place for those few that are in the sample.

use super::{Sample, Samples, Volume};
use crate::tally::Band;
use crate::tally::counts::Increment;
use crate::wire::plan::{Fields, Has, Number, Text};

/// Samples of one part for each object of the whole sample.
const ROOM: usize = 2;

/// Takes the entries of one worker that are in the sample.
#[derive(Debug)]
pub struct Sampler {
    objects: usize,
    /// Hashes below it are in the sample; it only falls. 0: nothing is.
    threshold: u64,
    list: Vec<Sample>,
    asked: Volume,
    dropped: Volume,
    /// Until the next part it isn't worth while to look for samples that can go.
    is_full: bool,
    hashes: Vec<u64>,
}

impl Sampler {
    /// For a sample of that many objects.
    pub fn new(objects: usize) -> Self {
        Self {
            objects,
            threshold: u64::MAX,
            list: Vec::new(),
            asked: Volume::default(),
            dropped: Volume::default(),
            is_full: false,
            hashes: Vec::new(),
        }
    }

    /// Sees an entry of that time (ms since the epoch), whose URL's key has that hash in the tables; what counts is said in [`super`].
    #[inline]
    pub fn see(&mut self, has: Has, fields: &Fields<'_>, hash: u64, time: u64, entry: &Increment) {
        if self.threshold == 0 || entry.band == Band::Error || !has.has_text(Text::Url) {
            return;
        }
        if has.has_text(Text::Method) && !matches!(fields.text(Text::Method), b"GET" | b"HEAD" | b"-" | b"") {
            return;
        }
        let url = fields.text(Text::Url);
        if matches!(url, b"" | b"-") {
            return;
        }
        let hash = spread(hash);
        let is_whole = !has.has_number(Number::Status) || fields.number(Number::Status) == 200;
        self.take(Sample { time, hash, bytes: entry.bytes, is_whole, is_miss: entry.band == Band::Miss });
    }

    /// Counts a request, and keeps it if its URL is in the sample.
    #[inline]
    pub(super) fn take(&mut self, request: Sample) {
        self.asked.add(1, request.bytes);
        if request.hash < self.threshold {
            self.push(request);
        }
    }

    #[inline]
    fn push(&mut self, sample: Sample) {
        if self.list.len() >= ROOM * self.objects {
            self.make_room();
            if sample.hash >= self.threshold {
                return;
            }
            if self.list.len() >= ROOM * self.objects {
                self.dropped.add(1, sample.bytes);
                return;
            }
        }
        self.list.push(sample);
    }

    /// Lowers the threshold if more objects are here than may be in the whole sample: the merger would do that anyway.
    #[cold]
    fn make_room(&mut self) {
        if self.is_full {
            return;
        }
        self.hashes.clear();
        self.hashes.extend(self.list.iter().map(|sample| sample.hash));
        self.hashes.sort_unstable();
        self.hashes.dedup();
        if let Some(&first_too_many) = self.hashes.get(self.objects) {
            self.threshold = first_too_many;
            self.list.retain(|sample| sample.hash < first_too_many);
        }
        // Sorting must not be for a few places: many requests of few objects are dropped in place of that.
        self.is_full = self.list.len() > ROOM * self.objects / 8 * 7;
    }

    /// Lowers the threshold to the merger's.
    pub fn lower(&mut self, threshold: u64) {
        self.threshold = self.threshold.min(threshold);
    }

    /// Moves what was taken since the last part into `samples`, which is cleared.
    pub fn hand_over(&mut self, samples: &mut Samples) {
        samples.threshold = self.threshold;
        std::mem::swap(&mut samples.list, &mut self.list);
        samples.asked = std::mem::take(&mut self.asked);
        samples.dropped = std::mem::take(&mut self.dropped);
        self.is_full = false;
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<Sample>() + self.hashes.capacity() * 8
    }
}

/// A hash of the tables' with all of its bits mixed once more: all values must be equally frequent, not just the low bits of them.
#[inline]
fn spread(hash: u64) -> u64 {
    let hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::table::{Seed, hash};

    fn sample(hash: u64) -> Sample {
        Sample { time: 1, hash, bytes: 10, is_whole: true, is_miss: false }
    }

    fn handed_over(sampler: &mut Sampler) -> Samples {
        let mut samples = Samples::default();
        sampler.hand_over(&mut samples);
        samples
    }

    #[test]
    fn a_flood_of_objects_lowers_the_threshold_and_loses_nothing_below_it() {
        let mut sampler = Sampler::new(64);
        let hashes: Vec<u64> = (1..=10_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        hashes.iter().for_each(|&hash| sampler.take(sample(hash)));
        let samples = handed_over(&mut sampler);
        assert!(samples.list.len() <= 128, "{}", samples.list.len());
        let mut expected: Vec<u64> = hashes.into_iter().filter(|hash| *hash < samples.threshold).collect();
        let mut found: Vec<u64> = samples.list.iter().map(|sample| sample.hash).collect();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
        assert!(found.len() >= 64 && samples.dropped == Volume::default(), "{samples:?}");
    }

    #[test]
    fn a_flood_of_requests_for_few_objects_is_counted_and_bounded() {
        let mut sampler = Sampler::new(64);
        (0..1000).for_each(|n| sampler.take(sample(n % 8)));
        let samples = handed_over(&mut sampler);
        assert_eq!((samples.list.len(), samples.dropped), (128, Volume { requests: 872, bytes: 8720 }));
        assert_eq!(samples.threshold, u64::MAX, "no object is given up for it");
        sampler.take(sample(1));
        assert_eq!(handed_over(&mut sampler).list.len(), 1);
    }

    #[test]
    fn the_threshold_only_falls() {
        let mut sampler = Sampler::new(64);
        for (told, expected) in [(u64::MAX, u64::MAX), (500, 500), (900, 500), (0, 0), (7, 0)] {
            sampler.lower(told);
            assert_eq!(handed_over(&mut sampler).threshold, expected);
        }
    }

    #[test]
    fn hashes_are_spread_evenly() {
        let seed = Seed::default();
        // Of 400 000 similar keys each of 64 parts of the range has 6250 ± 79.
        let mut parts = [0_u64; 64];
        for n in 0..400_000_u32 {
            let key = format!("https://img.example.com/photos/{:06x}-1200w.jpg", n * 3);
            parts[(spread(hash(&seed, key.as_bytes())) >> 58) as usize] += 1;
        }
        let chi: f64 = parts.iter().map(|&count| (count as f64 - 6250.0).powi(2) / 6250.0).sum();
        // 63 ± 11; beyond six deviations by chance once in a hundred million runs.
        assert!(chi < 63.0 + 6.5 * 11.3, "{chi} {parts:?}");
    }
}
