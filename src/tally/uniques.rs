//! How many different keys there were: exactly while they are few, then by HyperLogLog (spec/statistics.md 4.5).
//!
//! The estimate is Ertl's (*New cardinality estimation algorithms for HyperLogLog sketches*, arXiv:1702.01284, section 2.5), which needs no
//! table of corrections and is as good for few keys as for many.

/// Registers as a power of two, where memory allows: standard error 1.04 / 2^7 = 0.8 %.
pub const PRECISION: u8 = 14;

/// Hashes of keys, or what remains of them. Keys must be hashed with one seed wherever sketches are merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    precision: u8,
    /// Hashes as they came, some more than once, as long as there are few different ones.
    few: Vec<u64>,
    /// By the first bits of a hash the longest run of zeros behind them plus one; empty while there are few.
    registers: Vec<u8>,
}

impl Sketch {
    /// No key yet; 2^`precision` registers (4 to 16), standard error 1.04 / sqrt(2^`precision`).
    pub fn new(precision: u8) -> Self {
        Self { precision: precision.clamp(4, 16), few: Vec::new(), registers: Vec::new() }
    }

    /// Different hashes that take as much memory as the registers: up to half as many are kept.
    fn room(&self) -> usize {
        1 << (self.precision - 3)
    }

    /// A key with that hash was there.
    #[inline]
    pub fn insert(&mut self, hash: u64) {
        if self.registers.is_empty() {
            self.few.push(hash);
            if self.few.len() >= self.room() {
                self.tidy();
            }
        } else {
            self.raise(hash);
        }
    }

    #[inline]
    fn raise(&mut self, hash: u64) {
        let at = hash >> (64 - self.precision);
        // A one behind the end bounds the run.
        let run = (hash << self.precision | 1 << (self.precision - 1)).leading_zeros() as u8 + 1;
        if let Some(register) = self.registers.get_mut(at as usize) {
            *register = run.max(*register);
        }
    }

    /// Forgets what is there twice; goes over to registers if much remains.
    #[cold]
    fn tidy(&mut self) {
        self.few.sort_unstable();
        self.few.dedup();
        if self.few.len() > self.room() / 2 {
            self.registers = vec![0; 1 << self.precision];
            for hash in std::mem::take(&mut self.few) {
                self.raise(hash);
            }
        }
    }

    /// Adds all keys of `other`, which has the same precision or a higher one. The order of merging doesn't matter.
    pub fn merge(&mut self, other: &Self) {
        for &hash in &other.few {
            self.insert(hash);
        }
        if other.registers.is_empty() {
            return;
        }
        if self.registers.is_empty() {
            self.registers = vec![0; 1 << self.precision];
            for hash in std::mem::take(&mut self.few) {
                self.raise(hash);
            }
        }
        if other.precision == self.precision {
            // Without a branch, so that many registers are compared at once.
            self.registers
                .iter_mut()
                .zip(&other.registers)
                .for_each(|(register, run)| *register = (*register).max(*run));
            return;
        }
        let shift = other.precision.saturating_sub(self.precision);
        for (at, &run) in other.registers.iter().enumerate().filter(|(_, run)| **run > 0) {
            // The bits of the index that are too many are the first of the run.
            let bits = (at as u64) & ((1 << shift) - 1);
            let run = if bits == 0 { run + shift } else { shift - (bits.ilog2() as u8 + 1) + 1 };
            if let Some(register) = self.registers.get_mut(at >> shift) {
                *register = run.max(*register);
            }
        }
    }

    /// How many, and whether that is exact: the same for the same keys, however they came.
    pub fn count(&self) -> (u64, bool) {
        if !self.registers.is_empty() {
            return (self.estimate().round() as u64, false);
        }
        let mut tidy = self.clone();
        tidy.tidy();
        match tidy.registers.is_empty() {
            true => (tidy.few.len() as u64, true),
            false => (tidy.estimate().round() as u64, false),
        }
    }

    fn estimate(&self) -> f64 {
        let m = self.registers.len() as f64;
        let q = 64 - usize::from(self.precision);
        // Four counts of each run, since neighbours are often the same.
        let mut counts = [[0_u32; 64]; 4];
        for runs in self.registers.chunks_exact(4) {
            for (counts, &run) in counts.iter_mut().zip(runs) {
                counts[usize::from(run & 63)] += 1;
            }
        }
        let by_run: Vec<u32> = (0..q + 2).map(|run| counts.iter().map(|counts| counts[run]).sum()).collect();
        let mut z = m * tau(1.0 - f64::from(by_run[q + 1]) / m);
        for &count in by_run[1..=q].iter().rev() {
            z = 0.5 * (z + f64::from(count));
        }
        z += m * sigma(f64::from(by_run[0]) / m);
        m / (2.0 * std::f64::consts::LN_2) * m / z
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.few.capacity() * 8 + self.registers.capacity()
    }

    /// True before the first key.
    pub fn is_empty(&self) -> bool {
        self.few.is_empty() && self.registers.is_empty()
    }

    /// As little memory as what is in it needs.
    pub fn shrink(&mut self) {
        if self.registers.is_empty() {
            self.tidy();
            self.few.shrink_to_fit();
        }
    }
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z >= before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngCore, SeedableRng};

    fn sketch(precision: u8, hashes: &[u64]) -> Sketch {
        let mut sketch = Sketch::new(precision);
        hashes.iter().for_each(|&hash| sketch.insert(hash));
        sketch
    }

    #[test]
    fn few_are_exact_and_many_within_three_standard_errors() {
        let mut random = StdRng::seed_from_u64(7);
        for (count, exact) in [(0, true), (1, true), (1024, true), (3000, false), (100_000, false), (3_000_000, false)]
        {
            let mut sketch = Sketch::new(PRECISION);
            for _ in 0..count {
                let hash = random.next_u64();
                sketch.insert(hash);
                sketch.insert(hash);
            }
            let (found, is_exact) = sketch.count();
            assert_eq!(is_exact, exact, "{count}");
            let off = found.abs_diff(count) as f64;
            assert!(off <= if exact { 0.0 } else { 3.0 * 0.0081 * count as f64 }, "{found} for {count}");
        }
    }

    #[test]
    fn there_is_no_bias() {
        let mut random = StdRng::seed_from_u64(8);
        for count in [200, 700, 3_000, 20_000] {
            let rounds = 60;
            let sum: u64 = (0..rounds)
                .map(|_| sketch(8, &(0..count).map(|_| random.next_u64()).collect::<Vec<_>>()).count().0)
                .sum();
            let mean = sum as f64 / f64::from(rounds);
            // 1.04 / 16 / sqrt(60) is 0.84 %.
            assert!((mean / count as f64 - 1.0).abs() < 0.03, "{mean} for {count}");
        }
    }

    proptest! {
        #[test]
        fn merging_is_counting_together(seed: u64, a in 0..3000_usize, b in 0..3000_usize, shared in 0..500_usize) {
            let mut random = StdRng::seed_from_u64(seed);
            let all: Vec<u64> = (0..a + b + shared).map(|_| random.next_u64()).collect();
            let (left, right) = (sketch(10, &all[..a + shared]), sketch(10, &all[a..]));
            let (mut ab, mut ba) = (left.clone(), right.clone());
            ab.merge(&right);
            ba.merge(&left);
            prop_assert_eq!(ab.count(), ba.count());
            prop_assert_eq!(ab.count(), sketch(10, &all).count());
            // A finer sketch gives what a coarse one would have counted.
            let mut coarse = Sketch::new(6);
            coarse.merge(&sketch(10, &all));
            if !sketch(6, &all).registers.is_empty() && !sketch(10, &all).registers.is_empty() {
                prop_assert_eq!(coarse.registers, sketch(6, &all).registers);
            }
        }
    }
}
