//! Chance, reproducible: a generator of bits, and tables that turn bits into draws from a distribution.
//!
//! The sequence of a seed is part of what `demo` promises, so it is written here and can't change with a library.

/// xoshiro256++ by Blackman and Vigna.
#[derive(Clone, Debug)]
pub struct Rng([u64; 4]);

impl Rng {
    /// A generator for `seed`; near seeds give unrelated sequences.
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            mix(state)
        }))
    }

    /// 64 even bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        let state = &mut self.0;
        let result = state[0].wrapping_add(state[3]).rotate_left(23).wrapping_add(state[0]);
        let shifted = state[1] << 17;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = state[3].rotate_left(45);
        result
    }

    /// Even in `0..count`.
    #[inline]
    pub fn below(&mut self, count: u32) -> u32 {
        scale(self.bits(), count)
    }

    /// Even in `[0, 1)`.
    #[inline]
    pub fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    /// True with probability `p`.
    #[inline]
    pub fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }
}

/// Scatters `value`: every input bit changes about half of the output bits (the finisher of SplitMix64).
#[inline]
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The upper bits as a number in `[0, 1)`.
#[inline]
pub fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// The upper bits as a number in `0..count`.
#[inline]
fn scale(bits: u64, count: u32) -> u32 {
    (((bits >> 32) * u64::from(count)) >> 32) as u32
}

/// Draws indices in proportion to weights, in constant time (Walker's alias method).
#[derive(Clone, Debug)]
pub struct Alias {
    /// Below it, of 2^32, the slot itself is drawn, otherwise its alias.
    slots: Vec<(u32, u32)>,
}

impl Alias {
    /// From weights that aren't negative and not all zero.
    pub fn new(weights: &[f64]) -> Self {
        let sum: f64 = weights.iter().sum();
        let mut share: Vec<f64> = weights.iter().map(|weight| weight / sum * weights.len() as f64).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..share.len()).partition(|index| share[*index] < 1.0);
        let mut slots: Vec<(u32, u32)> = (0..share.len()).map(|index| (u32::MAX, index as u32)).collect();
        while let (Some(poor), Some(rich)) = (small.pop(), large.pop()) {
            slots[poor] = ((share[poor] * 4_294_967_296.0) as u32, rich as u32);
            share[rich] -= 1.0 - share[poor];
            if share[rich] < 1.0 {
                small.push(rich);
            } else {
                large.push(rich);
            }
        }
        Self { slots }
    }

    /// Weights `1 / rank^exponent` for the ranks 1 to `count`.
    pub fn zipf(count: usize, exponent: f64) -> Self {
        Self::new(&zipf_weights(count, exponent))
    }

    /// The index that `bits` stand for.
    #[inline]
    pub fn draw(&self, bits: u64) -> usize {
        let index = scale(bits, self.slots.len() as u32) as usize;
        let (threshold, alias) = self.slots[index];
        if (bits as u32) < threshold { index } else { alias as usize }
    }
}

/// `1 / rank^exponent` for the ranks 1 to `count`.
pub fn zipf_weights(count: usize, exponent: f64) -> Vec<f64> {
    (1..=count).map(|rank| (rank as f64).powf(-exponent)).collect()
}

/// The quantiles of a lognormal distribution.
#[derive(Clone, Debug)]
pub struct LogNormal {
    points: Vec<f64>,
}

impl LogNormal {
    /// Half of the draws are below `median`; `sigma` is the deviation of their natural logarithm.
    pub fn new(median: f64, sigma: f64) -> Self {
        const COUNT: usize = 513;
        let points = (0..COUNT)
            .map(|index| {
                let p = (index as f64 + 0.5) / COUNT as f64;
                // Tukey's lambda form of the normal quantile, within 1 % over this range.
                let z = (p.powf(0.135) - (1.0 - p).powf(0.135)) / 0.1975;
                median * (sigma * z).exp()
            })
            .collect();
        Self { points }
    }

    /// The quantile that `bits` stand for.
    #[inline]
    pub fn draw(&self, bits: u64) -> f64 {
        let place = unit(bits) * (self.points.len() - 1) as f64;
        let index = place as usize;
        let (low, high) = (self.points[index], self.points[index + 1]);
        low + (high - low) * (place - index as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_published_algorithm() {
        let mut rng = Rng([1, 2, 3, 4]);
        let expected =
            [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386, 9_228_616_714_210_784_205];
        assert_eq!(expected.map(|_| rng.bits()), expected);
    }

    #[test]
    fn draws_follow_the_weights() {
        let alias = Alias::new(&[1.0, 0.0, 3.0, 6.0]);
        let mut rng = Rng::new(1);
        let mut counts = [0_u32; 4];
        for _ in 0..100_000 {
            counts[alias.draw(rng.bits())] += 1;
        }
        assert_eq!(counts[1], 0);
        for (count, share) in counts.into_iter().zip([0.1, 0.0, 0.3, 0.6]) {
            assert!((f64::from(count) / 1e5 - share).abs() < 0.01, "{counts:?}");
        }
    }

    #[test]
    fn zipf_draws_lie_on_a_line_of_its_exponent() {
        let alias = Alias::zipf(10_000, 0.8);
        let mut rng = Rng::new(2);
        let mut counts = vec![0_u32; 10_000];
        for _ in 0..2_000_000 {
            counts[alias.draw(rng.bits())] += 1;
        }
        // Sums over ranks, so that chance is small: 1..=10 against 101..=110 and so on.
        let around = |rank: usize| f64::from(counts[rank..rank + 10].iter().sum::<u32>());
        let slope = (around(99).ln() - around(999).ln()) / (1004.5_f64 / 104.5).ln();
        assert!((slope - 0.8).abs() < 0.06, "{slope}");
    }

    #[test]
    fn lognormal_draws_have_the_median_and_the_spread() {
        let sizes = LogNormal::new(100.0, 1.0);
        let mut rng = Rng::new(3);
        let mut drawn: Vec<f64> = (0..100_000).map(|_| sizes.draw(rng.bits())).collect();
        drawn.sort_by(f64::total_cmp);
        assert!((drawn[50_000] - 100.0).abs() < 2.0, "{}", drawn[50_000]);
        let upper = drawn[84_134] / 271.8;
        assert!((upper - 1.0).abs() < 0.05, "{upper}");
    }
}
