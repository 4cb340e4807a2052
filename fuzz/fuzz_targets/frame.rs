//! A connection's bytes, as a hostile node would send them: in one read, in any cuts, the session counts and refuses the same, uses no byte
//! that it was not given, and moves on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use visulate::secret::Secret;
use visulate::source::session::{Session, Shared};
use visulate::tally::table::Seed;
use visulate::tally::{Caps, Part, Shard};
use visulate::wire::format::Formats;

const SEGMENT_MAX: usize = 64 * 1024;
const NOW: u64 = 1_795_460_600_000;

/// What became of a connection: bytes used, the cause it was closed for, and what was counted.
fn outcome(reads: &[&[u8]]) -> (usize, String, Part) {
    let secret = Secret::new(b"foobar").expect("a good secret");
    let mut shared =
        Shared { shard: Shard::new(0, &Caps::new(1 << 20, 1), &Seed::default()), formats: Formats::default() };
    let mut session = Session::new("192.0.2.1".into(), SEGMENT_MAX);
    let (mut buffer, mut used, mut cause) = (Vec::new(), 0, None);
    for read in reads {
        buffer.extend_from_slice(read);
        let taken = session.take(&buffer, &secret, &mut shared, NOW);
        assert!(taken.used <= buffer.len(), "used more than there is");
        used += taken.used;
        buffer.drain(..taken.used);
        if taken.close.is_some() {
            cause = taken.close;
            break;
        }
        // A whole message is never left lying, and none is waited for that may not be.
        assert!(taken.needed > buffer.len() && taken.needed <= SEGMENT_MAX + 4, "{} of {}", buffer.len(), taken.needed);
    }
    let mut part = Part::default();
    shared.shard.hand_over(&mut part, 1, true);
    (used, format!("{cause:?}"), part)
}

// First a byte: bit 0, has it said the secret?, then how many cuts; then the cuts, two bytes each; then the stream.
fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let count = usize::from(first >> 1 & 7).min(rest.len() / 2);
    let (cuts, rest) = rest.split_at(2 * count);
    let greeted;
    let bytes = if first & 1 == 1 {
        greeted = [b"\x06\0\0\0foobar", rest].concat();
        &greeted[..]
    } else {
        rest
    };
    let (_, cause, whole) = outcome(&[bytes]);
    let mut places: Vec<usize> = cuts
        .chunks_exact(2)
        .map(|cut| usize::from(u16::from_le_bytes([cut[0], cut[1]])) % (bytes.len() + 1))
        .collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    let reads: Vec<&[u8]> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
    let (_, cut_cause, cut) = outcome(&reads);
    assert_eq!(cause, cut_cause, "cuts change the end");
    assert_eq!(whole.entries, cut.entries, "cuts change what is counted");
    assert_eq!(whole.total, cut.total);
    assert_eq!(whole.entries.requests, whole.total.all_requests(), "rows add up");
});
