//! The rank curve: value and cumulative value over all ranks, thinned.

use super::model::{Model, values};
use super::rank;
use crate::merger::Table;
use crate::tally::Measure;

/// What the page shows of `table` as a curve. Cells are keyed by rank.
pub fn model(table: &Table, measure: Measure) -> Model {
    let cells = rank::curve(table, measure)
        .into_iter()
        .map(|point| ((point.rank, 0), values([point.value, point.cumulative])))
        .collect();
    Model {
        head: vec![table.len() as u64, u64::from(table.is_exact()), table.covered.ms(), table.total.measure(measure)],
        cells,
        ..Model::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Dimension;
    use crate::view::sample;

    #[test]
    fn a_curve_has_value_and_sum_by_rank() {
        let table = sample::table(Dimension::Site, &[("a", 10), ("b", 30), ("c", 20)]);
        let model = model(&table, Measure::Bytes);
        assert_eq!(model.head, [3, 1, 1, 600]);
        assert_eq!(
            model.cells,
            [((1, 0), values([300, 300])), ((2, 0), values([200, 500])), ((3, 0), values([100, 600]))]
        );
    }
}
