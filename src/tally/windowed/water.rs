//! The water level: one size that no closed bucket of any dimension exceeds. Over the cap it falls, and only buckets above it are cut,
//! so that small dimensions stay exact and the flooded one pays (guide/windows.md 1).

use super::bucket::Bucket;
use super::levels::Levels;

/// Rounds of cutting: names are shared by buckets, so that what a cut frees is known only afterwards.
const ROUNDS: u32 = 8;

/// Cuts closed buckets until they and the names of all `dimensions` take at most `bytes`, then to a sixteenth less, so that not every
/// tick cuts. Names of open tables stay, whatever they take. Says how many rows were dropped.
pub fn shrink_to(dimensions: &mut [Levels], bytes: usize) -> u64 {
    let used = |dimensions: &[Levels]| dimensions.iter().map(Levels::closed_bytes).sum::<usize>();
    if used(dimensions) <= bytes {
        return 0;
    }
    for dimension in &mut *dimensions {
        dimension.sweep();
    }
    let mut dropped = 0;
    let mut target = bytes - bytes / 16;
    for _ in 0..ROUNDS {
        let now = used(dimensions);
        if now <= bytes {
            break;
        }
        let mut weights: Vec<usize> = dimensions.iter().flat_map(Levels::bucket_weights).collect();
        let level = water_level(&mut weights, target);
        dropped += dimensions.iter_mut().map(|dimension| dimension.cut_above(level)).sum::<u64>();
        target /= 2;
    }
    dropped
}

/// The greatest level for which all weights, cut off at it, come to at most `target`.
fn water_level(weights: &mut [usize], target: usize) -> usize {
    weights.sort_unstable();
    let mut rest = target;
    for (at, &weight) in weights.iter().enumerate() {
        let above = weights.len() - at;
        if weight.saturating_mul(above) > rest {
            return rest / above;
        }
        rest -= weight;
    }
    usize::MAX
}

impl Levels {
    /// What each closed bucket weighs: its bytes and its rows' share of the names.
    fn bucket_weights(&self) -> impl Iterator<Item = usize> {
        let name = self.bytes_of_name();
        self.kept.rings.iter().flat_map(|ring| &ring.closed).map(move |(_, bucket)| weight(bucket, name))
    }

    /// Bytes of names for each row that is held.
    fn bytes_of_name(&self) -> f64 {
        let closed = self.kept.rings.iter().flat_map(|ring| &ring.closed).map(|(_, bucket)| bucket.rows());
        let open = self.kept.rings.iter().flat_map(|ring| &ring.open).map(|(_, open)| open.rows.len());
        let rows = closed.chain(open).sum::<usize>() + self.kept.since_start.rows.len();
        self.ids.bytes_in_use() as f64 / rows.max(1) as f64
    }

    /// Cuts every closed bucket that weighs more than `level`, then frees the names; says how many rows were dropped.
    fn cut_above(&mut self, level: usize) -> u64 {
        let name = self.bytes_of_name();
        let mut dropped = 0;
        for (_, bucket) in self.kept.rings.iter_mut().flat_map(|ring| &mut ring.closed) {
            let weight = weight(bucket, name);
            if weight > level {
                let summary = &mut self.room.summary;
                bucket.unpack(summary);
                self.ids.release(&summary.rows);
                let keep = bucket.rows() as f64 * level as f64 / weight as f64;
                dropped += summary.cut(keep as usize, &mut self.cutter) as u64;
                *bucket = Bucket::pack(summary, &mut self.room.packed);
                self.ids.hold(&summary.rows);
            }
        }
        self.cuts.closed_rows += dropped;
        if dropped > 0 {
            self.sweep();
        }
        dropped
    }
}

fn weight(bucket: &Bucket, bytes_of_name: f64) -> usize {
    bucket.bytes() + (bucket.rows() as f64 * bytes_of_name) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_large_pay() {
        let cases: &[(&[usize], usize, usize)] = &[
            (&[10, 20, 1000], 2000, usize::MAX),
            (&[10, 20, 1000], 130, 100),
            (&[10, 1000, 20, 1000], 130, 50),
            (&[10, 20, 30], 6, 2),
            (&[], 0, usize::MAX),
            (&[5], 0, 0),
        ];
        for (weights, target, level) in cases {
            assert_eq!(water_level(&mut weights.to_vec(), *target), *level, "{weights:?} to {target}");
        }
    }
}
