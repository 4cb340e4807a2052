//! The water level: one size that no closed bucket of any dimension exceeds by much. Over the cap it falls, and only buckets above it are
//! cut, so that small dimensions stay exact and the flooded one pays (guide/windows.md 1). Where it falls little, a few of
//! the heaviest go an eighth below it instead: to cut all of them by what comes in a tick would take the tick's time.

use super::bucket::Bucket;
use super::levels::Levels;

/// Rounds of cutting: names are shared by buckets, so that what a cut frees is known only afterwards.
const ROUNDS: u32 = 8;

/// So much below the level, as a part of it, may a bucket be cut.
const SHARE: usize = 8;

/// Cuts closed buckets until they and the names of all `dimensions` take at most `bytes`, if they take more. Names of open tables stay,
/// whatever they take. Says how many rows were dropped.
pub fn shrink_to(dimensions: &mut [Levels], bytes: usize) -> u64 {
    let used = |dimensions: &[Levels]| dimensions.iter().map(Levels::closed_bytes).sum::<usize>();
    if used(dimensions) <= bytes {
        return 0;
    }
    for dimension in &mut *dimensions {
        dimension.sweep();
    }
    let mut dropped = 0;
    for round in 0..ROUNDS {
        let Some(excess) = used(dimensions).checked_sub(bytes).filter(|excess| *excess > 0) else { break };
        let mut weights: Vec<usize> = dimensions.iter().flat_map(Levels::bucket_weights).collect();
        // A little more, so that not every tick cuts, and twice as much where that was not enough.
        let (from, to) = cut(&mut weights, (excess + bytes / 64) << round);
        dropped += dimensions.iter_mut().map(|dimension| dimension.cut_from(from, to)).sum::<u64>();
    }
    dropped
}

/// From which weight on buckets are cut, and to which, so that they lose `excess` together: all to one level, or where a few of the heaviest
/// have to go little below that, only these.
fn cut(weights: &mut [usize], excess: usize) -> (usize, usize) {
    let all: usize = weights.iter().sum();
    let level = water_level(weights, all.saturating_sub(excess));
    let lowest = level - level / SHARE;
    let mut sum = 0;
    for (&weight, count) in weights.iter().rev().zip(1..) {
        sum += weight;
        let to = weight - weight / SHARE;
        if to < lowest {
            break;
        }
        if sum - count * to >= excess {
            return (weight, to);
        }
    }
    (level.saturating_add(1), level)
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
        self.naming.ids.bytes_in_use() as f64 / rows.max(1) as f64
    }

    /// Cuts every closed bucket that weighs `from` or more to `to`, then frees the names; says how many rows were dropped.
    fn cut_from(&mut self, from: usize, to: usize) -> u64 {
        let name = self.bytes_of_name();
        let mut dropped = 0;
        for (_, bucket) in self.kept.rings.iter_mut().flat_map(|ring| &mut ring.closed) {
            let weight = weight(bucket, name);
            if weight >= from {
                let summary = &mut self.room.summary;
                bucket.unpack(summary);
                self.naming.ids.release(&summary.rows);
                let keep = bucket.rows() as f64 * to as f64 / weight as f64;
                dropped += summary.cut(keep as usize, &mut self.cutter) as u64;
                *bucket = Bucket::pack(summary, &mut self.room.packed);
                self.naming.ids.hold(&summary.rows);
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

    #[test]
    fn the_heaviest_are_cut_by_an_eighth_before_all_are() {
        let cases: &[(&[usize], usize, (usize, usize))] = &[
            (&[800, 1600, 80], 100, (1600, 1400)),
            (&[1600, 1599, 1598, 1597, 80], 300, (1599, 1400)),
            // What is much lighter does not pay for them.
            (&[800, 1600, 80], 201, (1400, 1399)),
            (&[800, 1600, 80], 2000, (201, 200)),
            (&[800, 1600, 80], 5000, (1, 0)),
            (&[], 7, (usize::MAX, usize::MAX)),
        ];
        for (weights, excess, expected) in cases {
            assert_eq!(cut(&mut weights.to_vec(), *excess), *expected, "{weights:?} by {excess}");
        }
    }
}
