//! Buckets of one width, by the time that they begin.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Buckets of one level; cheap to copy.
#[derive(Clone, Debug)]
pub(super) struct Ring<T> {
    /// Seconds.
    width: u64,
    /// How many seconds back from now buckets are kept.
    keep: u64,
    /// By start.
    buckets: Arc<BTreeMap<u64, Arc<T>>>,
}

impl<T: Clone> Ring<T> {
    pub fn new(width: u64, keep: u64) -> Self {
        Self { width, keep, buckets: Arc::default() }
    }

    pub fn width(&self) -> u64 {
        self.width
    }

    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Start of the bucket of a moment.
    pub fn start_of(&self, second: u64) -> u64 {
        second - second % self.width
    }

    /// Is a slot of that start and width to be kept here: is it as fine, and not gone yet?
    pub fn takes(&self, start: u64, width: u64, now: u64) -> bool {
        width <= self.width && self.start_of(start).saturating_add(self.keep) > now
    }

    /// Changes the bucket of a moment, which is made if it isn't there.
    pub fn change(&mut self, second: u64, change: impl FnOnce(&mut T))
    where
        T: Default,
    {
        let start = self.start_of(second);
        change(Arc::make_mut(Arc::make_mut(&mut self.buckets).entry(start).or_default()));
    }

    /// The same where an empty one can't be had without its maker.
    pub fn change_or_make(&mut self, second: u64, change: impl FnOnce(&mut Option<T>)) {
        let start = self.start_of(second);
        let buckets = Arc::make_mut(&mut self.buckets);
        let mut bucket = buckets.remove(&start).map(Arc::unwrap_or_clone);
        change(&mut bucket);
        if let Some(bucket) = bucket {
            buckets.insert(start, Arc::new(bucket));
        }
    }

    /// Changes the bucket of a moment, if it is there.
    pub fn change_known(&mut self, second: u64, change: impl FnOnce(&mut T)) {
        let start = self.start_of(second);
        if self.buckets.contains_key(&start)
            && let Some(bucket) = Arc::make_mut(&mut self.buckets).get_mut(&start)
        {
            change(Arc::make_mut(bucket));
        }
    }

    /// Changes all buckets that `wants` says.
    pub fn change_all(&mut self, wants: impl Fn(&T) -> bool, change: impl Fn(&mut T)) {
        for bucket in Arc::make_mut(&mut self.buckets).values_mut().filter(|bucket| wants(bucket)) {
            change(Arc::make_mut(bucket));
        }
    }

    /// Makes the bucket of a moment if it isn't there.
    pub fn touch(&mut self, second: u64)
    where
        T: Default,
    {
        let start = self.start_of(second);
        if !self.buckets.contains_key(&start) {
            Arc::make_mut(&mut self.buckets).insert(start, Arc::default());
        }
    }

    /// Takes out what is too old.
    pub fn forget(&mut self, now: u64) -> BTreeMap<u64, Arc<T>> {
        let first = now.saturating_sub(self.keep).saturating_add(1);
        if self.keep == u64::MAX || self.buckets.first_key_value().is_none_or(|(start, _)| *start >= first) {
            return BTreeMap::new();
        }
        let buckets = Arc::make_mut(&mut self.buckets);
        let kept = buckets.split_off(&first);
        std::mem::replace(buckets, kept)
    }

    /// Doubles the width: two buckets become one.
    pub fn widen(&mut self, mut merge: impl FnMut(&mut T, &T)) {
        self.width *= 2;
        let mut wide: BTreeMap<u64, Arc<T>> = BTreeMap::new();
        for (start, bucket) in std::mem::take(&mut self.buckets).iter() {
            match wide.entry(start - start % self.width) {
                std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(bucket.clone())),
                std::collections::btree_map::Entry::Occupied(mut place) => {
                    merge(Arc::make_mut(place.get_mut()), bucket);
                }
            }
        }
        self.buckets = Arc::new(wide);
    }

    /// The bucket that begins then.
    pub fn get(&self, start: u64) -> Option<&T> {
        self.buckets.get(&start).map(Arc::as_ref)
    }

    /// Start of the oldest.
    pub fn first(&self) -> Option<u64> {
        self.buckets.first_key_value().map(|(start, _)| *start)
    }

    /// Buckets that begin from `from` to before `to`.
    pub fn range(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, &T)> {
        let to = to.max(from);
        self.buckets.range(from..to).map(|(start, bucket)| (*start, bucket.as_ref()))
    }

    /// Bytes of memory.
    pub fn bytes(&self, of: impl Fn(&T) -> usize) -> usize {
        self.buckets.values().map(|bucket| of(bucket) + 64).sum()
    }
}
