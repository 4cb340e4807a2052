//! A segment of any era: the plan reads what the plain walk reads, entries lie inside and do not overlap, and what lies behind an
//! entry changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use visulate::wire::format::Formats;
use visulate::wire::plan::Fields;
use visulate::wire::segment::Segment;
use visulate::wire::value::walk;

fuzz_target!(|data: &[u8]| {
    let Ok(segment) = Segment::parse(data) else { return };
    let Ok(format) = Formats::default().of(&segment) else { return };
    let mut entries = segment.entries();
    let (mut count, mut bytes) = (0_u64, 0);
    let plan = format.plan(&segment);
    let mut fields = Fields::default();
    for entry in entries.by_ref() {
        count += 1;
        bytes += entry.payload.len();
        let alone = entry.payload.to_vec();
        let fits = plan.read_into(&mut fields, entry.ahead, entry.payload.len());
        assert_eq!(fits.then_some(fields), plan.read(&alone), "what lies behind changes the reading");
        let mut walked = 0;
        let whole = walk(plan.framings(), &alone, plan.ints(), |_, _, value| walked += value.len()).is_some();
        assert!(!whole || walked == alone.len());
        assert!(!whole || fits, "the walk reads what the plan does not");
    }
    let lost = entries.lost();
    assert!(count <= u64::from(segment.entry_count()) && bytes + lost.1 as usize <= data.len());
});
