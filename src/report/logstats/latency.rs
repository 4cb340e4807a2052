//! Latency: minimum, maximum, average and deviation as Traffic Server's report has them, to the last bit (spec/logstats-report.md 3).
//!
//! It keeps an average and a deviation of 32 bits and updates both with each value, so the figures depend on the order of the entries.
//! A value of 0 is left out but counts, as if it had the average of that moment.

/// What is known of the values so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Smallest value in ms; -1 before the first.
    pub min: i32,
    /// Largest value in ms.
    pub max: i32,
    /// Average.
    pub average: f32,
    /// Standard deviation; rounding can make it not a number.
    pub deviation: f32,
}

impl Latency {
    /// Before the first value, in the report by origin.
    pub const NONE: Self = Self { min: -1, max: 0, average: 0.0, deviation: 0.0 };

    /// Before the first value, in the report by URL.
    pub const NONE_OF_URL: Self = Self { max: -1, ..Self::NONE };

    /// Takes the value of the `count`-th request.
    #[inline]
    pub fn add(&mut self, elapsed: i32, count: u32) {
        if elapsed == 0 {
            return;
        }
        if self.min == -1 || elapsed < self.min {
            self.min = elapsed;
        }
        if elapsed > self.max {
            self.max = elapsed;
        }
        // The order of the operations is a part of the result.
        let (n, o, value) = (count as f32, count.wrapping_sub(1) as f32, elapsed as f32);
        let (before, after) = (self.average, (self.average * o + value) / n);
        let mut q = if count > 1 { self.deviation * self.deviation * o } else { 0.0 };
        q = q + 2.0 * before * o * (before - after) + o * (after * after - before * before);
        q += (value - after) * (value - after);
        self.deviation = (q / n).sqrt();
        self.average = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[i32]) -> Latency {
        let mut latency = Latency::NONE;
        for (at, value) in values.iter().enumerate() {
            latency.add(*value, at as u32 + 1);
        }
        latency
    }

    #[test]
    fn zeros_count_as_the_average_of_their_moment() {
        assert_eq!(of(&[]), Latency { min: -1, max: 0, average: 0.0, deviation: 0.0 });
        assert_eq!(of(&[0, 0]), Latency::NONE);
        assert_eq!(of(&[5]), Latency { min: 5, max: 5, average: 5.0, deviation: 0.0 });
        assert_eq!(of(&[0, 5]), Latency { min: 5, max: 5, average: 2.5, deviation: 2.5 });
        assert_eq!(of(&[4, 0, 4]), Latency { min: 4, max: 4, average: 4.0, deviation: 0.0 });
    }

    /// Five entries through traffic_logstats 9.2: 5, -7, 5, 5, 5.
    #[test]
    fn negative_values_are_taken_as_they_are() {
        let latency = of(&[5, -7, 5, 5, 5]);
        assert_eq!((latency.min, latency.max), (-7, 5));
        assert_eq!(format!("{:.2} {:.2}", latency.average, latency.deviation), "2.60 4.80");
    }

    #[test]
    fn the_order_makes_a_difference() {
        let up: Vec<i32> = (1..3000).collect();
        let down: Vec<i32> = up.iter().rev().copied().collect();
        assert_ne!(of(&up).deviation.to_bits(), of(&down).deviation.to_bits());
    }
}
