use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::wire::encode::{Header, SegmentWriter, Value, auth_message, message};

/// What a scan found: segments by their place in the input, damage, and where the rest of a cut segment begins.
#[derive(Debug, Default, PartialEq, Eq)]
struct Scan {
    segments: Vec<Range<usize>>,
    damage: Vec<Range<usize>>,
    cut: Option<usize>,
}

impl Scan {
    fn skipped(&self) -> usize {
        self.damage.iter().map(Range::len).sum()
    }
}

/// Scans an input of which each look sees so many bytes more, in turn.
fn scan_in(input: &[u8], limit: usize, mut scanner: Scanner, cuts: &[usize]) -> Scan {
    let mut scan = Scan::default();
    let mut cuts = cuts.iter().copied().cycle();
    let (mut at, mut end) = (0, 0);
    let mut looks = 0;
    loop {
        looks += 1;
        assert!(looks <= 3 * input.len() + 10, "it goes on for ever");
        let is_end = end == input.len();
        let moved = match scanner.next(&input[at..end], is_end) {
            Found::Segment(range) => {
                assert!(range.len() <= limit);
                scan.segments.push(at + range.start..at + range.end);
                range.end
            }
            Found::Secret(len) => len,
            Found::Skip(len) => {
                match scan.damage.last_mut() {
                    Some(last) if last.end == at => last.end = at + len,
                    _ => scan.damage.push(at..at + len),
                }
                len
            }
            Found::Cut(len) => {
                scan.cut = Some(at);
                assert_eq!(at + len, input.len());
                len
            }
            Found::Need(len) => {
                assert!(!is_end && len > end - at, "{len} of {}", end - at);
                assert!(len <= limit + 2 * AHEAD + usize::from(u16::MAX), "{len}");
                end = (end + cuts.next().unwrap_or(usize::MAX).max(1)).min(input.len());
                continue;
            }
            Found::End => {
                assert!(is_end && at == end);
                return scan;
            }
        };
        assert!(moved > 0, "every step moves on");
        at += moved;
        assert!(at <= end);
    }
}

fn scan(input: &[u8]) -> Scan {
    scan_in(input, SEGMENT_MAX, Scanner::new(SEGMENT_MAX), &[usize::MAX])
}

fn segment(texts: &[&[u8]]) -> Vec<u8> {
    let header = Header { field_list: b"cquc", ..Header::default() };
    let mut writer = SegmentWriter::with_capacity(&header, 1, 1 << 20);
    for (at, text) in texts.iter().enumerate() {
        writer.push(at as i64, 0, &[Value::Text(text)]).unwrap();
    }
    writer.finish(2).to_vec()
}

/// The same with the header and the entry headers of the other order.
fn turned(mut segment: Vec<u8>) -> Vec<u8> {
    let data = u32_at(&segment, at::DATA).unwrap() as usize;
    let turn = |segment: &mut Vec<u8>, at: usize| segment[at..at + 4].reverse();
    let mut entry = data;
    while entry < segment.len() {
        let len = u32_at(&segment, entry + 12).unwrap() as usize;
        turn(&mut segment, entry + 12);
        entry += len;
    }
    (0..HEADER_LEN).step_by(4).for_each(|at| turn(&mut segment, at));
    segment
}

fn set(bytes: &mut [u8], at: usize, word: u32) {
    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
}

/// Where each of these lies when they are laid end to end.
fn ranges(parts: &[Vec<u8>]) -> Vec<Range<usize>> {
    parts
        .iter()
        .scan(0, |at, part| {
            *at += part.len();
            Some(*at - part.len()..*at)
        })
        .collect()
}

#[test]
fn logs_and_streams_of_either_order_are_gone_through() {
    let (one, other) = (segment(&[b"a", b"bc"]), segment(&[b"http://www.example/"]));
    let log = [one.clone(), other.clone(), turned(one.clone())].concat();
    let scanned = scan(&log);
    let ends = [one.len(), one.len() + other.len(), log.len()];
    assert_eq!(scanned.segments, [0..ends[0], ends[0]..ends[1], ends[1]..ends[2]]);
    assert_eq!((scanned.skipped(), scanned.cut), (0, None));

    let little = [auth_message(b"foobar"), message(&one), message(&other)].concat();
    let frame = |len: usize| (len as u32).to_be_bytes().to_vec();
    let (big_one, big_other) = (turned(one.clone()), turned(other.clone()));
    let big = [frame(6), b"foobar".to_vec(), frame(one.len()), big_one, frame(other.len()), big_other].concat();
    for stream in [little, big] {
        let scanned = scan(&stream);
        let behind = 10 + 4 + one.len() + 4;
        assert_eq!(scanned.segments, [14..14 + one.len(), behind..behind + other.len()]);
        assert_eq!((scanned.skipped(), scanned.cut), (0, None));
    }
}

#[test]
fn a_stream_of_a_secret_alone_is_whole() {
    for rest in 0..AHEAD {
        let stream = [auth_message(b"foobar"), message(&segment(&[b"a"]))[..rest].to_vec()].concat();
        let scanned = scan(&stream);
        let cut = (rest > 0).then_some(10);
        assert_eq!((scanned.segments.len(), scanned.skipped(), scanned.cut), (0, 0, cut), "{rest}");
    }
}

#[test]
fn a_cut_last_segment_is_no_damage() {
    let (one, other) = (segment(&[b"a"]), segment(&[b"b", b"c"]));
    for (input, first) in [
        ([one.clone(), other.clone()].concat(), one.len()),
        ([auth_message(b"s"), message(&one), message(&other)].concat(), 5 + 4 + one.len()),
    ] {
        for end in first + 1..input.len() {
            let scanned = scan(&input[..end]);
            assert_eq!((scanned.segments.len(), scanned.skipped(), scanned.cut), (1, 0, Some(first)), "{end}");
        }
    }
}

#[test]
fn an_impossible_length_loses_only_its_segment() {
    let parts = [segment(&[b"a", b"b"]), segment(&[b"c"]), segment(&[b"d", b"e", b"f"])];
    for len in [0, 63, 64, 100, parts[0].len() as u32 + 8, 10_000, 1 << 25, (64 << 20) + 1, u32::MAX] {
        let mut damaged = parts.to_vec();
        set(&mut damaged[0], at::BYTE_COUNT, len);
        let scanned = scan(&damaged.concat());
        assert_eq!(scanned.segments, ranges(&damaged)[1..], "{len}");
        assert_eq!((scanned.skipped(), scanned.cut), (damaged[0].len(), None), "{len}");
    }
}

#[test]
fn what_is_impossible_is_never_waited_for() {
    let mut bytes = segment(&[b"a"]);
    for len in [63, (1 << 20) + 1, u32::MAX] {
        set(&mut bytes, at::BYTE_COUNT, len);
        assert!(matches!(Scanner::new(1 << 20).next(&bytes, false), Found::Skip(_)), "{len}");
    }
}

#[test]
fn a_whole_segment_in_a_payload_is_payload() {
    let inner = segment(&[b"x", b"y"]);
    let header = Header { field_list: b"{X}record", ..Header::default() };
    for inner in [inner.clone(), turned(inner)] {
        let mut writer = SegmentWriter::with_capacity(&header, 1, 1 << 20);
        writer.push(1, 0, &[Value::Raw(&inner)]).unwrap();
        let outer = writer.finish(2).to_vec();
        let parts = [outer.clone(), outer, segment(&[b"a"])];
        let scanned = scan(&parts.concat());
        assert_eq!((scanned.segments.clone(), scanned.skipped()), (ranges(&parts), 0));
    }
}

#[test]
fn the_last_segment_of_a_growing_file_needs_no_next_one() {
    let bytes = segment(&[b"a", b"b"]);
    assert_eq!(Scanner::live(SEGMENT_MAX).next(&bytes, false), Found::Segment(0..bytes.len()));
    assert_eq!(Scanner::new(SEGMENT_MAX).next(&bytes, false), Found::Need(bytes.len() + AHEAD));
    for end in 0..bytes.len() {
        let found = Scanner::live(SEGMENT_MAX).next(&bytes[..end], false);
        assert!(matches!(found, Found::Need(len) if len > end && len <= bytes.len()), "{end}: {found:?}");
    }
}

#[test]
fn a_file_may_be_entered_anywhere() {
    let parts = [segment(&[b"a", b"b"]), segment(&[b"c"]), segment(&[b"d"])];
    let log = parts.concat();
    for start in 1..parts[0].len() {
        let scanned = scan_in(&log[start..], SEGMENT_MAX, Scanner::new(SEGMENT_MAX).inside(), &[7]);
        assert_eq!((scanned.segments.len(), scanned.skipped()), (2, parts[0].len() - start), "{start}");
    }
}

#[test]
fn other_versions_are_taken_whole() {
    for version in [0, 4, 77] {
        let mut parts = [segment(&[b"a"]), segment(&[b"b"]), segment(&[b"c"])];
        set(&mut parts[1], at::VERSION, version);
        assert_eq!(scan(&parts.concat()).segments, ranges(&parts), "{version}");
    }
    let mut first = vec![0; 808 + 16];
    set(&mut first, 0, COOKIE);
    for (at, word) in [(4, 1), (20, 824), (24, 1), (36, 808), (808 + 4, 16)] {
        set(&mut first, at, word);
    }
    let parts = [first.clone(), segment(&[b"b"]), first];
    assert_eq!(scan(&parts.concat()).segments, ranges(&parts));
}

/// Headers one over another, each of which claims a long way, over entries that can be walked from anywhere and lead nowhere.
#[test]
fn hostile_claims_are_gone_through_in_linear_time() {
    let limit = 1 << 20;
    let mut input = vec![0; 2 * limit];
    for at in (0..limit).step_by(64) {
        set(&mut input, at, COOKIE);
        for (field, word) in [(at::VERSION, 2), (at::BYTE_COUNT, limit as u32), (at::ENTRY_COUNT, u32::MAX)] {
            set(&mut input, at + field, word);
        }
        set(&mut input, at + at::DATA, (limit - at).max(HEADER_LEN) as u32);
    }
    for at in (limit..2 * limit).step_by(16) {
        set(&mut input, at + 12, 16);
    }
    // Of all these walks one ends where its claim does not.
    set(&mut input, limit + 12, 24);
    let mut scanner = Scanner::new(limit);
    let mut at = 0;
    loop {
        match scanner.next(&input[at..], true) {
            Found::Skip(len) | Found::Cut(len) => at += len,
            Found::Segment(range) => at += range.end,
            Found::End => break,
            found => panic!("{found:?}"),
        }
    }
    assert!(scanner.in_vain < 8 * input.len() as u64, "{}", scanner.in_vain);
}

fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let text = prop_oneof![
        4 => vec(1..=255_u8, 0..30),
        1 => Just(COOKIE.to_le_bytes().to_vec()),
        1 => Just(COOKIE.to_be_bytes().to_vec()),
    ];
    vec(text, 1..6)
}

fn segments() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let one = (texts(), any::<bool>()).prop_map(|(texts, turn)| {
        let segment = segment(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>());
        if turn { turned(segment) } else { segment }
    });
    vec(one, 1..8)
}

/// A log, or a stream, of these segments, and where they lie.
fn laid(parts: &[Vec<u8>], is_stream: bool) -> (Vec<u8>, Vec<Range<usize>>) {
    let mut input = if is_stream { auth_message(b"secret") } else { Vec::new() };
    let mut places = Vec::new();
    for part in parts {
        if is_stream {
            input.extend(&part[at::BYTE_COUNT..at::BYTE_COUNT + 4]);
        }
        places.push(input.len()..input.len() + part.len());
        input.extend(part);
    }
    (input, places)
}

/// Damages an input; gives the bytes of the old input that are no longer what they were, or where they were.
fn damage(input: &mut Vec<u8>, kind: u8, at: usize, len: usize, garbage: &[u8]) -> (Range<usize>, isize) {
    match kind {
        0 => {
            input[at] ^= 1 << (len % 8);
            (at..at + 1, 0)
        }
        1 => {
            let end = (at + len).min(input.len());
            input.drain(at..end);
            (at..end, -((end - at) as isize))
        }
        2 => {
            input.splice(at..at, garbage.iter().copied());
            (at..at, garbage.len() as isize)
        }
        _ => {
            let end = (at + garbage.len()).min(input.len());
            input[at..end].copy_from_slice(&garbage[..end - at]);
            (at..end, 0)
        }
    }
}

fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        any::<[u8; 4]>(),
        Just([0; 4]),
        Just(COOKIE.to_le_bytes()),
        Just(COOKIE.to_be_bytes()),
        (0..300_u32).prop_map(|word| (word | 1).to_le_bytes()),
    ];
    vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(
        parts in segments(), is_stream in any::<bool>(), hurt in vec((0..4_u8, any::<Index>(), 1..200_usize, garbage()), 0..4),
        cuts in vec(1..300_usize, 1..8), end in any::<Index>(), limit in prop_oneof![Just(SEGMENT_MAX), Just(200)],
    ) {
        let (mut input, _) = laid(&parts, is_stream);
        for (kind, at, len, garbage) in &hurt {
            if !input.is_empty() {
                let at = at.index(input.len());
                damage(&mut input, *kind, at, *len, garbage);
            }
        }
        input.truncate(input.len() - end.index(input.len() + 1) / 4);
        let at_once = scan_in(&input, limit, Scanner::new(limit), &[usize::MAX]);
        for cuts in [&cuts[..], &[1]] {
            prop_assert_eq!(&scan_in(&input, limit, Scanner::new(limit), cuts), &at_once);
        }
        // All bytes are accounted for.
        let all: usize = at_once.segments.iter().map(Range::len).sum();
        let framing = if is_stream { 10 + 4 * at_once.segments.len() } else { 0 };
        let cut = at_once.cut.map_or(0, |at| input.len() - at);
        prop_assert!(all + at_once.skipped() + cut <= input.len());
        prop_assert!(all + at_once.skipped() + cut + framing >= input.len(), "{:?} of {}: {:02x?}", at_once, input.len(), &input[..80.min(input.len())]);
    }

    #[test]
    fn untouched_segments_are_found(
        parts in segments(), is_stream in any::<bool>(), kind in 0..4_u8, at in any::<Index>(), len in 1..200_usize, garbage in garbage(),
    ) {
        let (mut input, places) = laid(&parts, is_stream);
        let at = at.index(input.len());
        let (touched, shift) = damage(&mut input, kind, at, len, &garbage);
        let found = scan(&input).segments;
        for place in places {
            let moved = place.start.wrapping_add_signed(shift)..place.end.wrapping_add_signed(shift);
            if place.end <= touched.start {
                prop_assert!(found.contains(&place), "{:?} of {:?}", place, found);
            } else if place.start >= touched.end {
                prop_assert!(found.contains(&moved), "{:?} of {:?}, damage {:?} {}, was {:?}", moved, found, touched, shift, laid(&parts, is_stream).1);
            }
        }
    }

    #[test]
    fn any_bytes_are_gone_through(input in garbage(), cuts in vec(1..50_usize, 1..4)) {
        let at_once = scan_in(&input, 128, Scanner::new(128), &[usize::MAX]);
        prop_assert_eq!(scan_in(&input, 128, Scanner::new(128), &cuts), at_once);
    }
}
