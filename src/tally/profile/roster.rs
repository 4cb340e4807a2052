//! Whose profiles are kept: of each dimension the keys that have the most requests.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::tally::Dimension;

/// Of a small dimension, so many keys at most: methods and types can be flooded.
const SMALL_MAX: usize = 256;

/// Keys of a dimension that wait for a place.
const WAITING_MAX: usize = 4096;

/// At each review a weight keeps 15/16 of itself: it is what the key has had in about the last three minutes.
const FADES: u64 = 16;

/// A key that waits gets the place of one that has half as many requests.
const FACTOR: u64 = 2;

/// A key's number, and since when it has one (ms).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Dense, and used again once its key has gone.
    pub number: u32,
    /// Nothing from before is in its profile.
    pub since: u64,
}

/// Numbers of keys, by dimension and raw key.
pub type Index = [HashMap<Arc<[u8]>, Known, RandomState>; Dimension::COUNT];

#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    faded: u64,
    recent: u64,
}

/// All keys that have profiles, and some that wait.
#[derive(Debug)]
pub struct Roster {
    index: Arc<Index>,
    /// By number; `None`: free.
    weights: Vec<Option<(Dimension, Weight)>>,
    free: Vec<u32>,
    /// By dimension, with the requests that they had meanwhile.
    waiting: [HashMap<Box<[u8]>, u64, RandomState>; Dimension::COUNT],
    /// Keys of a large dimension that have places.
    most: usize,
    /// By dimension: a key was left out, so that others may have been before they had a number.
    is_partial: [bool; Dimension::COUNT],
    started: u64,
}

impl Roster {
    /// Nobody yet; counting began at `started` (ms). A large dimension has places for `most` keys.
    pub fn new(most: usize, started: u64) -> Self {
        Self {
            index: Arc::default(),
            weights: Vec::new(),
            free: Vec::new(),
            waiting: Default::default(),
            most,
            is_partial: [false; Dimension::COUNT],
            started,
        }
    }

    /// What copies share until it changes.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    fn places(&self, dimension: Dimension) -> usize {
        if dimension.is_small() && dimension != Dimension::Node { SMALL_MAX } else { self.most }
    }

    /// The number of a key, which gets one if there is a place; it `had` so many requests, and waits with these if there is none.
    pub fn number(&mut self, dimension: Dimension, key: &[u8], had: u64, now: u64) -> Option<u32> {
        let number = match self.index[dimension as usize].get(key) {
            Some(known) => known.number,
            None if self.index[dimension as usize].len() < self.places(dimension) => self.admit(dimension, key, now),
            None => {
                self.is_partial[dimension as usize] = true;
                self.wait(dimension, key, had);
                return None;
            }
        };
        if let Some(Some((_, weight))) = self.weights.get_mut(number as usize) {
            weight.recent += had;
        }
        Some(number)
    }

    fn admit(&mut self, dimension: Dimension, key: &[u8], now: u64) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.weights.push(None);
            self.weights.len() as u32 - 1
        });
        self.weights[number as usize] = Some((dimension, Weight::default()));
        let since = if self.is_partial[dimension as usize] { now } else { self.started };
        Arc::make_mut(&mut self.index)[dimension as usize].insert(key.into(), Known { number, since });
        number
    }

    fn wait(&mut self, dimension: Dimension, key: &[u8], had: u64) {
        let waiting = &mut self.waiting[dimension as usize];
        if let Some(sum) = waiting.get_mut(key) {
            *sum += had;
        } else if waiting.len() < WAITING_MAX {
            waiting.insert(key.into(), had);
        }
    }

    /// Who has to go: those with less than half the requests of one that waits. Afterwards nobody waits; whoever comes next gets a place.
    pub fn review(&mut self) -> Vec<u32> {
        for (_, weight) in self.weights.iter_mut().flatten() {
            weight.faded = weight.faded - weight.faded / FADES + weight.recent;
            weight.recent = 0;
        }
        let mut gone = Vec::new();
        for dimension in super::PROFILED {
            let mut waiting: Vec<u64> = self.waiting[dimension as usize].drain().map(|(_, had)| had).collect();
            if waiting.is_empty() {
                continue;
            }
            waiting.sort_unstable_by(|a, b| b.cmp(a));
            let lightest = self.lightest(|found| found == dimension);
            let pairs = lightest.into_iter().zip(waiting);
            gone.extend(
                pairs.take_while(|((faded, _), had)| *had > FACTOR * (faded / FADES)).map(|((_, number), _)| number),
            );
        }
        gone
    }

    /// Weight and number of those of some dimensions, the lightest first.
    pub fn lightest(&self, of: impl Fn(Dimension) -> bool) -> Vec<(u64, u32)> {
        let all = (0..).zip(&self.weights).filter_map(|(number, weight)| weight.map(|weight| (number, weight)));
        let mut found: Vec<(u64, u32)> = all
            .filter(|(_, (dimension, _))| of(*dimension))
            .map(|(number, (_, weight))| (weight.faded + weight.recent, number))
            .collect();
        found.sort_unstable();
        found
    }

    /// Those numbers are free; no cell of them may be left.
    pub fn free(&mut self, gone: &[u32]) {
        for &number in gone {
            if let Some((dimension, _)) = self.weights[number as usize].take() {
                self.is_partial[dimension as usize] = true;
                self.free.push(number);
            }
        }
        let weights = &self.weights;
        for keys in Arc::make_mut(&mut self.index) {
            keys.retain(|_, known| weights[known.number as usize].is_some());
        }
    }

    /// Bytes of memory, about.
    pub fn bytes(&self) -> usize {
        let names: usize = self.index.iter().flat_map(HashMap::keys).map(|key| key.len() + 48).sum();
        let waiting: usize = self.waiting.iter().flat_map(HashMap::keys).map(|key| key.len() + 32).sum();
        names + waiting + self.weights.capacity() * size_of::<Option<(Dimension, Weight)>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> [u8; 4] {
        n.to_be_bytes()
    }

    #[test]
    fn heavy_keys_take_the_places_of_light_ones() {
        let mut roster = Roster::new(4, 1);
        let site = Dimension::Site;
        for n in 0..4 {
            assert_eq!(roster.number(site, &key(n), 100 + u64::from(n), 50), Some(n));
        }
        assert_eq!(roster.index()[site as usize][&key(0)[..]].since, 1, "complete: nobody was left out before");
        assert_eq!(roster.review(), [0; 0], "nobody waits");
        assert_eq!(roster.number(site, &key(9), 3, 60), None);
        assert_eq!(roster.number(site, &key(8), 900, 60), None);
        assert_eq!(
            roster.number(Dimension::Server, &key(8), 1, 60),
            Some(4),
            "another dimension has places of its own"
        );
        let gone = roster.review();
        assert_eq!(gone, [0], "3 in ten seconds are less than 100 in the last minutes");
        roster.free(&gone);
        assert!(!roster.index()[site as usize].contains_key(&key(0)[..]));
        assert_eq!(roster.number(site, &key(8), 900, 70), Some(0));
        assert_eq!(roster.index()[site as usize][&key(8)[..]], Known { number: 0, since: 70 });
        assert_eq!(roster.lightest(|dimension| dimension == site)[0].1, 1);
    }

    #[test]
    fn a_flood_of_keys_neither_grows_nor_drives_out() {
        let mut roster = Roster::new(8, 0);
        for n in 0..8 {
            roster.number(Dimension::Site, &key(n), 1000, 0);
        }
        for n in 8..100_000 {
            assert_eq!(roster.number(Dimension::Site, &key(n), 1, 0), None);
        }
        assert_eq!(roster.waiting[Dimension::Site as usize].len(), WAITING_MAX);
        assert_eq!(roster.review(), [0; 0]);
        for n in 0..100_000 {
            roster.number(Dimension::Method, &key(n), 1, 0);
        }
        assert_eq!(roster.index()[Dimension::Method as usize].len(), SMALL_MAX);
    }
}
