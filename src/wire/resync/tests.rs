use proptest::prelude::*;

use super::super::encode::{Header, SegmentWriter, Value, Version, message};
use super::*;

fn segment(entries: usize, version: Version) -> Vec<u8> {
    let header = Header { version, field_list: b"psql,cquc", source_host: b"edge", ..Header::default() };
    let mut writer = SegmentWriter::with_capacity(&header, 1_700_000_000, 1 << 20);
    for number in 0..entries {
        let url = format!("http://example.com/{number}");
        writer.push(1_700_000_000, 250_000, &[Value::Int(number as i64), Value::Text(url.as_bytes())]).unwrap();
    }
    writer.finish(1_700_000_001).to_vec()
}

/// Offsets and lengths of segments, and bytes that are none, for reads that end at the cuts.
fn scan(bytes: &[u8], cuts: &[usize]) -> (Vec<(usize, usize)>, usize, usize) {
    let (mut scanner, mut at, mut end) = (Scanner::new(1 << 20), 0, 0);
    let (mut segments, mut skipped, mut cut_tail) = (Vec::new(), 0, 0);
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(bytes.len());
    for cut in cuts {
        end = cut.max(end);
        loop {
            let is_end = end == bytes.len();
            match scanner.next(&bytes[at..end], is_end) {
                Found::Segment { framing, len } => {
                    segments.push((at + framing, len));
                    at += framing + len;
                }
                Found::Skip(len) => {
                    assert!(len > 0);
                    skipped += len;
                    at += len;
                }
                Found::Cut(len) => {
                    assert!(is_end && len > 0);
                    cut_tail += len;
                    at += len;
                }
                Found::Need(needed) => {
                    assert!(needed > end - at && !is_end, "{needed} of {}", end - at);
                    break;
                }
                Found::End => {
                    assert!(is_end && at == end);
                    break;
                }
            }
            assert!(at <= end);
            assert_eq!(scanner.offset(), at as u64);
        }
    }
    assert_eq!(at, bytes.len());
    (segments, skipped, cut_tail)
}

#[test]
fn files_and_streams_are_told_apart_by_their_bytes() {
    let (a, b) = (segment(3, Version::V2), segment(5, Version::V3));
    let file = [&a[..], &b].concat();
    assert_eq!(scan(&file, &[]), (vec![(0, a.len()), (a.len(), b.len())], 0, 0));
    let stream = [&b"\x06\0\0\0foobar"[..], &message(&a), &message(&b)].concat();
    assert_eq!(scan(&stream, &[]), (vec![(14, a.len()), (14 + a.len() + 4, b.len())], 0, 0));
    assert_eq!(scan(&[], &[]), (vec![], 0, 0));
}

#[test]
fn a_cut_tail_is_told_apart_from_damage() {
    let a = segment(3, Version::V2);
    let file = [&a[..], &a[..a.len() - 8]].concat();
    assert_eq!(scan(&file, &[]), (vec![(0, a.len())], 0, a.len() - 8));
    let file = [&a[..], &a[..40]].concat();
    assert_eq!(scan(&file, &[]), (vec![(0, a.len())], 0, 40));
}

#[test]
fn a_wrong_length_swallows_nothing() {
    let a = segment(4, Version::V2);
    for claimed in [0, 63, a.len() - 8, a.len() + 8, 2 * a.len(), 2 * a.len() + 80, 1 << 20, usize::MAX] {
        let mut file = [&a[..], &a, &a, &a].concat();
        file[a.len() + 12..a.len() + 16].copy_from_slice(&(claimed as u32).to_le_bytes());
        let (found, skipped, cut) = scan(&file, &[]);
        let untouched = [0, 2 * a.len(), 3 * a.len()].map(|at| (at, a.len()));
        assert_eq!(found, untouched, "{claimed}");
        assert_eq!((skipped, cut), (a.len(), 0), "{claimed}");
    }
}

#[test]
fn damage_inside_costs_no_neighbour_and_its_own_segment_is_still_given() {
    let a = segment(4, Version::V2);
    let mut file = [&a[..], &a, &a].concat();
    // The length of an entry.
    let entry = a.len() + u32::from_le_bytes(a[60..64].try_into().unwrap()) as usize;
    file[entry + 12] ^= 0x40;
    assert_eq!(scan(&file, &[]).0, [0, 1, 2].map(|number| (number * a.len(), a.len())));
}

#[test]
fn a_segment_of_version_1_is_stepped_over_by_its_length() {
    let mut old = vec![7; 900];
    old[..4].copy_from_slice(&[0xce, 0xfa, 0xce, 0x0a]);
    for (at, value) in [(4, 1_u32), (20, 900), (24, 2), (36, 808)] {
        old[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    let a = segment(2, Version::V2);
    let file = [&a[..], &old, &a].concat();
    assert_eq!(scan(&file, &[]).0, [(0, a.len()), (a.len(), 900), (a.len() + 900, a.len())]);
}

#[test]
fn a_segment_in_a_payload_is_payload_whatever_follows() {
    let a = segment(2, Version::V2);
    let header = Header { field_list: b"cquc", ..Header::default() };
    let mut writer = SegmentWriter::with_capacity(&header, 1_700_000_000, 1 << 20);
    writer.push(1_700_000_000, 0, &[Value::Text(&a)]).unwrap();
    let outer = writer.finish(1_700_000_001).to_vec();
    let noise = [7; 100];
    let file = [&outer[..], &noise, &a].concat();
    assert_eq!(scan(&file, &[]), (vec![(0, outer.len()), (outer.len() + 100, a.len())], 100, 0));
}

#[test]
fn a_segment_that_lost_bytes_swallows_no_neighbour() {
    let a = segment(4, Version::V2);
    // The last entry's value loses as much as one header has: the walk comes out inside of the next segment.
    let file = [&a[..a.len() - 16], &a, &a].concat();
    assert_eq!(scan(&file, &[]).0, [1, 2].map(|number| (number * a.len() - 16, a.len())));
}

#[test]
fn where_reads_end_changes_nothing_in_what_walks_cost() {
    // Headers that claim all that follows, a sound segment at the end included: thousands of entries, and none ends where it should. Ten can
    // be walked; forty take more steps than there are, and the sound one is no longer looked at.
    let entries = 4000_u32;
    let sound = segment(2, Version::V2);
    for (headers, is_found) in [(10, true), (40, false)] {
        let mut bytes = Vec::new();
        for number in 0..headers {
            let mut head = [0_u8; 64];
            let (data, behind) = (64 * (headers - number), 16 * entries + sound.len() as u32);
            for (at, value) in [(0, 0x0ace_face_u32), (4, 2), (12, data + behind), (16, entries), (60, data)] {
                head[at..at + 4].copy_from_slice(&value.to_le_bytes());
            }
            bytes.extend_from_slice(&head);
        }
        for _ in 0..entries {
            bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0]);
        }
        let at = bytes.len();
        bytes.extend_from_slice(&sound);
        let expected = if is_found { (at, sound.len()) } else { (0, bytes.len()) };
        assert_eq!(scan(&bytes, &[]).0, [expected], "{headers}");
        for step in [1000, 30_000] {
            let cuts: Vec<usize> = (0..bytes.len()).step_by(step).collect();
            assert_eq!(scan(&bytes, &cuts), scan(&bytes, &[]), "{headers}, {step}");
        }
    }
}

#[test]
fn of_two_cookies_that_overlap_the_first_counts_also_if_the_second_is_cut() {
    let bytes = [0xce, 0x0a, 0xce, 0xfa, 0xce, 0x0a, 1];
    assert_eq!(scan(&bytes, &[5]), scan(&bytes, &[]));
}

#[test]
fn a_length_that_no_segment_has_is_no_framing_also_if_a_header_repeats_it() {
    // Found by fuzzing: a read that ended before the repetition gave something else.
    let length = [0xcd, 0xfa, 0xce, 0x0a];
    let mut bytes = [&length[..], &[0xce, 0xfa, 0xce, 0x0a, 1, 0, 0, 0], &[0; 29]].concat();
    bytes[24..28].copy_from_slice(&length);
    assert_eq!(scan(&bytes, &[14, 29]), scan(&bytes, &[]));
}

/// What fuzzing found, in the form of the fuzz target: the number of cuts, the cuts, the bytes.
#[test]
fn a_cut_header_behind_a_segment_was_once_held_for_a_good_one() {
    let input = include_bytes!("found/nested-headers.bin");
    let (cuts, bytes) = input[1..].split_at(2 * usize::from(input[0] & 7));
    let cuts: Vec<usize> = cuts.chunks_exact(2).map(|cut| usize::from(u16::from_le_bytes([cut[0], cut[1]]))).collect();
    assert_eq!(scan(bytes, &cuts), scan(bytes, &[]));
}

#[test]
fn what_claims_much_costs_little() {
    // Headers every 64 bytes, each claiming all that follows, and entries that every walk goes through.
    let mut bytes = Vec::new();
    for _ in 0..100_000 {
        let mut head = [0_u8; 64];
        for (at, value) in [(0, 0x0ace_face_u32), (4, 2), (12, 1 << 20), (16, 60_000), (60, 64), (44, 16)] {
            head[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        bytes.extend_from_slice(&head);
    }
    let mut scanner = Scanner::new(1 << 20);
    let (mut at, mut calls) = (0, 0);
    loop {
        calls += 1;
        match scanner.next(&bytes[at..], true) {
            Found::Segment { framing, len } => at += framing + len,
            Found::Skip(len) | Found::Cut(len) => at += len,
            Found::End => break,
            Found::Need(_) => panic!("nothing more comes"),
        }
    }
    assert!(calls < 200_000);
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(
        pieces in prop::collection::vec((0..4_u8, 1..6_usize, prop::collection::vec(any::<u8>(), 0..60)), 0..8),
        cuts in prop::collection::vec(any::<usize>(), 0..8), as_stream in any::<bool>(),
    ) {
        let mut bytes = if as_stream { b"\x06\0\0\0foobar".to_vec() } else { Vec::new() };
        let mut untouched = Vec::new();
        for (kind, entries, noise) in &pieces {
            let whole = segment(*entries, if entries % 2 == 0 { Version::V2 } else { Version::V3 });
            match kind {
                0 => bytes.extend_from_slice(noise),
                1 => bytes.extend_from_slice(&whole[..whole.len() / 2]),
                _ => {
                    if as_stream {
                        bytes.extend_from_slice(&(whole.len() as u32).to_le_bytes());
                    }
                    untouched.push((bytes.len(), whole.len()));
                    bytes.extend_from_slice(&whole);
                }
            }
        }
        let whole = scan(&bytes, &[]);
        for place in &untouched {
            prop_assert!(whole.0.contains(place), "{:?} is lost", place);
        }
        if !as_stream {
            let sum: usize = whole.0.iter().map(|(_, len)| len).sum();
            prop_assert_eq!(sum + whole.1 + whole.2, bytes.len());
        }
        prop_assert_eq!(scan(&bytes, &cuts), whole);
    }

    #[test]
    fn nothing_stops_it(bytes in prop::collection::vec(prop_oneof![Just(0xce_u8), Just(0xfa), Just(0x0a), Just(0), Just(2), any::<u8>()], 0..400), cuts in prop::collection::vec(any::<usize>(), 0..5)) {
        scan(&bytes, &cuts);
    }
}
