//! Time fields: `cqtq cqts cqth cqtn cqtd cqtt`, whose meaning changed with the releases (spec/logbuffer.md 7.2).

/// The moment that a time field means: Unix seconds, and milliseconds of that second (0 to 999).
///
/// Until 7.1.0 the writer reserved the `slot` and stored 0: the moment is the entry's own, when the transaction ended. Since 7.1.1 the slot
/// holds when it began: milliseconds for `cqtq`, seconds for the others. Not for aggregates: what they store is always seconds.
pub fn moment(slot: i64, entry_seconds: i64, entry_usec: i32, is_cqtq: bool) -> (i64, i64) {
    match (slot, is_cqtq) {
        (0, true) => (entry_seconds, i64::from(entry_usec.clamp(0, 999_999)) / 1000),
        (0, false) => (entry_seconds, 0),
        (_, true) => (slot.div_euclid(1000), slot.rem_euclid(1000)),
        (_, false) => (slot, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_of_zero_means_the_entry() {
        let entry = (1_700_000_000, 250_999);
        let cases: &[(i64, bool, (i64, i64))] = &[
            (0, true, (1_700_000_000, 250)),
            (0, false, (1_700_000_000, 0)),
            (1_699_999_999_007, true, (1_699_999_999, 7)),
            (1_699_999_999, false, (1_699_999_999, 0)),
            (-1, true, (-1, 999)),
            (i64::MIN, true, (-9_223_372_036_854_776, 192)),
        ];
        for (slot, is_cqtq, expected) in cases {
            assert_eq!(moment(*slot, entry.0, entry.1, *is_cqtq), *expected, "{slot} {is_cqtq}");
        }
        assert_eq!((moment(0, 5, -1, true), moment(0, 5, i32::MAX, true)), ((5, 0), (5, 999)));
    }
}
