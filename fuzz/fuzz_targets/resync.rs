//! A damaged file: however it is cut into reads, the same segments are found at the same places, every byte is told of once, and each
//! step moves on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use visulate::wire::resync::{Found, Scanner};

/// Segments as place and length, bytes skipped, bytes of a cut tail.
type Finds = (Vec<(usize, usize)>, usize, usize);

fn scan(bytes: &[u8], ends: &[usize]) -> Finds {
    let (mut scanner, mut at, mut finds) = (Scanner::new(64 * 1024), 0, Finds::default());
    for &end in ends {
        let is_end = end == bytes.len();
        loop {
            let before = at;
            match scanner.next(&bytes[at..end], is_end) {
                Found::Segment { framing, len } => {
                    finds.0.push((at + framing, len));
                    at += framing + len;
                }
                Found::Skip(len) => {
                    finds.1 += len;
                    at += len;
                }
                Found::Cut(len) => {
                    finds.2 += len;
                    at += len;
                }
                Found::Need(needed) => {
                    assert!(!is_end && needed > end - at, "waits for what is there");
                    break;
                }
                Found::End => {
                    assert!(is_end && at == end);
                    break;
                }
            }
            assert!(at > before && at <= end, "stands still, or takes what is not there");
        }
    }
    assert_eq!(at, bytes.len(), "not to the end");
    finds
}

// First a byte: how many cuts; then the cuts, two bytes each; then the file.
fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let count = usize::from(first & 7).min(rest.len() / 2);
    let (cuts, bytes) = rest.split_at(2 * count);
    let mut ends: Vec<usize> = cuts
        .chunks_exact(2)
        .map(|cut| usize::from(u16::from_le_bytes([cut[0], cut[1]])) % (bytes.len() + 1))
        .filter(|end| *end < bytes.len())
        .collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    assert_eq!(scan(bytes, &[bytes.len()]), scan(bytes, &ends), "cuts change what is found");
});
