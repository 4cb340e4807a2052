//! What is no segment is refused, and no walk leaves one.

use super::super::encode::{Header, SegmentWriter, Value};
use super::*;

/// The worked example of spec/collation-protocol.md 10, the segment alone.
pub(crate) const EXAMPLE: [u8; 144] = {
    let mut bytes = [0; 144];
    let words: [u32; 16] =
        [COOKIE, 2, 4, 144, 1, 0x6553_f100, 0x6553_f103, 1, 0x5566_7788, 0x1122_3344, 64, 68, 82, 88, 94, 104];
    let mut i = 0;
    while i < 16 {
        let word = words[i].to_le_bytes();
        let mut j = 0;
        while j < 4 {
            bytes[i * 4 + j] = word[j];
            j += 1;
        }
        i += 1;
    }
    let rest = b"min\0chi,pssc,cqhm\0\xff \xff \xff\0edge1\0min.blog\0\0\x00\xf1\x53\x65\0\0\0\0\x90\xd0\x03\0\x28\0\0\0\x02\0\0\0\xc0\x00\x02\x0a\xc8\0\0\0\0\0\0\0GET\0\0\0\0\0";
    let mut i = 0;
    while i < rest.len() {
        bytes[64 + i] = rest[i];
        i += 1;
    }
    bytes
};

fn with(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = EXAMPLE.to_vec();
    change(&mut bytes);
    bytes
}

fn set(bytes: &mut [u8], at: usize, word: u32) {
    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
}

#[test]
fn the_worked_example_is_read() {
    let segment = Segment::parse(&EXAMPLE).unwrap();
    assert_eq!(segment.field_list(), "chi,pssc,cqhm");
    assert_eq!((segment.source_host(), segment.file_name()), (&b"edge1"[..], &b"min.blog"[..]));
    assert_eq!(segment.print_template(), b"\xff \xff \xff");
    assert_eq!(segment.timestamps(), (1_700_000_000, 1_700_000_003));
    let entries: Vec<_> = segment.entries().collect();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].time_ms(), entries[0].payload.len()), (1_700_000_000_250, 24));
}

#[test]
fn refuses_what_is_not_a_segment() {
    type Case = (&'static str, Vec<u8>, SegmentError);
    let cases: Vec<Case> = vec![
        ("empty", vec![], SegmentError::Truncated { len: 0 }),
        ("cut inside the header", EXAMPLE[..63].to_vec(), SegmentError::Truncated { len: 63 }),
        ("text", with(|b| b[..4].copy_from_slice(b"GET ")), SegmentError::Cookie { found: 0x2054_4547 }),
        ("version 1", with(|b| set(b, 4, 1)), SegmentError::Version { found: 1 }),
        ("version 4", with(|b| set(b, 4, 4)), SegmentError::Version { found: 4 }),
        ("cut", EXAMPLE[..136].to_vec(), SegmentError::ByteCount { found: 144, len: 136 }),
        ("byte_count too large", with(|b| set(b, 12, u32::MAX)), SegmentError::ByteCount { found: u32::MAX, len: 144 }),
        ("data in the header", with(|b| set(b, 60, 56)), SegmentError::DataOffset { found: 56 }),
        ("data at an odd place", with(|b| set(b, 60, 108)), SegmentError::DataOffset { found: 108 }),
        ("data behind the end", with(|b| set(b, 60, 152)), SegmentError::DataOffset { found: 152 }),
        ("no field list", with(|b| set(b, 44, 0)), SegmentError::NoFieldList),
        ("field list in the header", with(|b| set(b, 44, 60)), SegmentError::NoFieldList),
        ("field list outside", with(|b| set(b, 44, 144)), SegmentError::NoFieldList),
        ("field list far outside", with(|b| set(b, 44, u32::MAX)), SegmentError::NoFieldList),
        (
            "field list without NUL",
            with(|b| {
                set(b, 44, 136);
                b[136..].fill(b'x');
            }),
            SegmentError::NoFieldList,
        ),
        ("raw text log", with(|b| set(b, 8, 5)), SegmentError::NoFieldList),
        ("field list of bytes", with(|b| b[68] = 0xff), SegmentError::FieldList),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(Segment::parse(&bytes).unwrap_err(), expected, "{name}");
    }
}

#[test]
fn other_strings_may_be_absent() {
    let bytes = with(|b| {
        set(b, 52, u32::MAX);
        set(b, 56, 3);
    });
    let segment = Segment::parse(&bytes).unwrap();
    assert_eq!((segment.source_host(), segment.file_name()), (&b""[..], &b""[..]));
}

#[test]
fn the_walk_ends_at_what_cannot_be_right() {
    type Case = (&'static str, u32, u32, usize, (u64, u64));
    let cases: &[Case] = &[
        ("length 0", 0, 1, 0, (1, 40)),
        ("shorter than its header", 8, 1, 0, (1, 40)),
        ("no multiple of 8", 36, 1, 0, (1, 40)),
        ("beyond the end", 48, 1, 0, (1, 40)),
        ("claims more entries than there are", 40, u32::MAX, 1, (0, 0)),
        ("claims none", 40, 0, 0, (0, 40)),
        ("too short for its fields, and a rest", 24, 9, 1, (1, 16)),
    ];
    for (name, len, count, expected, lost) in cases {
        let bytes = with(|b| {
            set(b, 116, *len);
            set(b, 16, *count);
        });
        let segment = Segment::parse(&bytes).unwrap();
        let mut walk = segment.entries();
        assert_eq!((walk.by_ref().count(), walk.lost()), (*expected, *lost), "{name}");
    }
}

#[test]
fn absurd_times_are_clamped() {
    for (seconds, usec, expected) in
        [(-1, 0, 0), (i64::MAX, -5, i64::MAX as u64), (1, 2_000_000, 1999), (1, i32::MIN, 1000)]
    {
        assert_eq!(RawEntry { seconds, usec, payload: &[], ahead: &[] }.time_ms(), expected);
    }
}

#[test]
fn claims_are_bounded_by_the_size() {
    assert_eq!(claimed_entries(&EXAMPLE, 144), 1);
    assert_eq!(claimed_entries(&with(|b| set(b, 16, u32::MAX)), 144), 5);
    assert_eq!(claimed_entries(b"GET /", 144), 0);
}

/// One entry of a client's text and a status, as a writer of that layout stores it.
fn old(layout: Layout) -> Vec<u8> {
    let header = Header { layout, field_list: b"chi,pssc", ..Header::default() };
    let mut writer = SegmentWriter::new(&header, 1);
    writer.push(1_700_000_000, 250_000, &[Value::Text(b"192.0.2.1"), Value::Int(200)]).unwrap();
    writer.push(1_700_000_001, 250_000, &[Value::Text(b"192.0.2.2"), Value::Int(304)]).unwrap();
    writer.finish(2).to_vec()
}

#[test]
fn walks_of_old_segments_end_at_what_cannot_be_right() {
    use EntryHeader::{E12, E16, E24};
    use Order::{Big, Little};
    for (words, writer, entries) in [
        (Little, Little, E24),
        (Little, Little, E12),
        (Big, Little, E16),
        (Big, Little, E24),
        (Big, Little, E12),
        (Big, Big, E16),
        (Big, Big, E24),
        (Big, Big, E12),
    ] {
        let layout = Layout { words, entries, ..Layout::USUAL }.with_writer(writer);
        let bytes = old(layout);
        let segment = Segment::parse(&bytes).unwrap();
        assert_eq!((segment.layout(), segment.entries().count()), (layout, 2));
        let data = segment.data_offset();
        let first = entries.overhead() + 24;
        let len_at = data + first + entries.len_at();
        // The second entry's length, and what of the segment is lost then.
        for (len, lost) in
            [(0, 1), (8, 1), (first as u32 + 4, 1), (first as u32 + 8, 1), (u32::MAX, 1), (first as u32, 0)]
        {
            let mut bytes = bytes.clone();
            bytes[len_at..len_at + 4].copy_from_slice(&words.bytes(len));
            let segment = Segment::parse(&bytes).unwrap();
            assert_eq!(
                segment.layout(),
                layout,
                "{len}: a damaged segment keeps the layout in which most can be walked"
            );
            let mut walk = segment.entries();
            assert_eq!((walk.by_ref().count(), walk.lost().0), (2 - lost, lost as u64), "{layout:?} {len}");
        }
        for count in [0, 1, 3, u32::MAX] {
            let mut bytes = bytes.clone();
            bytes[at::ENTRY_COUNT..at::ENTRY_COUNT + 4].copy_from_slice(&words.bytes(count));
            let segment = Segment::parse(&bytes).unwrap();
            assert_eq!(segment.entries().count(), count.min(2) as usize, "{layout:?} claims {count}");
        }
        // Any cut of the entries, and any offset of a string: nothing panics, nothing is read outside.
        for cut in (data..bytes.len()).step_by(8) {
            let mut bytes = bytes[..cut].to_vec();
            bytes[at::BYTE_COUNT..at::BYTE_COUNT + 4].copy_from_slice(&words.bytes(cut as u32));
            assert!(Segment::parse(&bytes).unwrap().entries().count() <= 1, "{layout:?} {cut}");
        }
        for at in [at::FIELD_LIST, at::SOURCE_HOST, at::FILE_NAME, at::DATA] {
            for offset in [1, 63, bytes.len() as u32, u32::MAX, 1 << 31] {
                let mut bytes = bytes.clone();
                bytes[at..at + 4].copy_from_slice(&words.bytes(offset));
                if let Ok(segment) = Segment::parse(&bytes) {
                    assert_eq!((segment.source_host(), segment.file_name()), (&b""[..], &b""[..]));
                }
            }
        }
    }
}

#[test]
fn both_orders_are_refused_alike() {
    let big = Layout { words: Order::Big, ..Layout::USUAL };
    for layout in [Layout::USUAL, big] {
        let bytes = old(layout);
        let with = |at: usize, word: u32| {
            let mut bytes = bytes.clone();
            bytes[at..at + 4].copy_from_slice(&layout.words.bytes(word));
            Segment::parse(&bytes).unwrap_err()
        };
        assert_eq!(with(at::VERSION, 1), SegmentError::Version { found: 1 });
        assert_eq!(with(at::BYTE_COUNT, 7), SegmentError::ByteCount { found: 7, len: bytes.len() });
        assert_eq!(with(at::DATA, 68), SegmentError::DataOffset { found: 68 });
        assert_eq!(with(at::FORMAT_TYPE, 5), SegmentError::NoFieldList);
        assert_eq!(claimed_entries(&bytes, bytes.len()), 2);
    }
    assert_eq!(
        SegmentError::Version { found: 1 }.to_string(),
        "segment version 1, unsupported: only 2 and 3 can be read"
    );
}
