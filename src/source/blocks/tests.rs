use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::wire::encode::{Header, SegmentWriter, Value, message};
use crate::wire::segment::COOKIE;

/// A segment with entries of about `text` bytes.
fn segment(entries: usize, text: usize) -> Vec<u8> {
    let header = Header { field_list: b"psql,cquc", ..Header::default() };
    let mut writer = SegmentWriter::with_capacity(&header, 1_700_000_000, 16 << 20);
    for number in 0..entries {
        writer
            .push(1_700_000_000, 1, &[Value::Int(number as i64), Value::Text(&vec![b'x'; text + number % 7])])
            .unwrap();
    }
    writer.finish(1_700_000_001).to_vec()
}

/// All segments, and what was skipped; checks that blocks are told right.
fn all(blocks: Blocks, input: &[u8]) -> (Vec<Vec<u8>>, Vec<Damage>) {
    let (mut segments, mut damage, mut index) = (Vec::new(), Vec::new(), 0);
    for block in blocks {
        let block = block.unwrap();
        assert_eq!(block.index, index);
        index += 1;
        for place in &block.segments {
            let at = block.offset as usize + place.start;
            assert_eq!(block.bytes[place.clone()], input[at..at + place.len()], "the offset tells where it is");
            segments.push(block.bytes[place.clone()].to_vec());
        }
        damage.extend_from_slice(&block.damage);
    }
    (segments, damage)
}

fn in_file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

#[test]
fn every_way_to_read_gives_the_same_segments() {
    // Segments larger than the headroom, and one larger than a read.
    let expected: Vec<Vec<u8>> = [(40, 90), (2, 70_000), (100, 50), (3, 900_000), (1, 10)]
        .iter()
        .cycle()
        .take(23)
        .map(|(entries, text)| segment(*entries, *text))
        .collect();
    let file = expected.concat();
    let stream =
        [b"\x06\0\0\0foobar".to_vec(), expected.iter().flat_map(|segment| message(segment)).collect()].concat();
    for input in [file, stream] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&input[..input.len() / 2]).unwrap();
        let mut second = flate2::write::GzEncoder::new(gzip.finish().unwrap(), flate2::Compression::fast());
        second.write_all(&input[input.len() / 2..]).unwrap();
        let gzip = second.finish().unwrap();
        let zstd = [zstd::encode_all(&input[..999], 1).unwrap(), zstd::encode_all(&input[999..], 1).unwrap()].concat();
        for (name, bytes) in [("plain", &input), ("gzip", &gzip), ("zstd", &zstd)] {
            let file = in_file(bytes);
            let blocks = Blocks::open(file.path()).unwrap();
            assert_eq!(blocks.len_hint(), (name == "plain").then_some(input.len() as u64));
            let (segments, damage) = all(blocks, &input);
            assert!(segments == expected, "{name}: {} segments of {}", segments.len(), expected.len());
            assert_eq!(damage, [], "{name}");
            let read = Blocks::from_reader(File::open(file.path()).unwrap()).unwrap();
            assert!(all(read, &input).0 == expected, "{name}, plain reads");
        }
    }
}

#[test]
fn what_is_skipped_is_told_once_and_where() {
    let good = segment(40, 90);
    let noise = vec![7; 3 << 20];
    let mut input = [&noise[..100], &good, &noise, &good, &noise[..50_000], &good].concat();
    input.extend_from_slice(&good[..good.len() - 16]);
    let file = in_file(&input);
    let (segments, damage) = all(Blocks::open(file.path()).unwrap(), &input);
    assert!(segments == vec![good.clone(); 3]);
    let at = |noise: usize, segments: usize| (noise + segments * good.len()) as u64;
    let expected = [
        Damage { offset: 0, len: 100, cut: false },
        Damage { offset: at(100, 1), len: 3 << 20, cut: false },
        Damage { offset: at(100 + (3 << 20), 2), len: 50_000, cut: false },
        Damage { offset: at(50_100 + (3 << 20), 3), len: good.len() as u64 - 16, cut: true },
    ];
    assert_eq!(damage, expected);
    assert_eq!(damage[0].to_string(), "100 bytes at offset 0 are no log segment: skipped");
}

#[test]
fn empty_inputs_have_no_block_and_missing_ones_an_error() {
    assert!(Blocks::open(in_file(b"").path()).unwrap().next().is_none());
    assert!(Blocks::open(Path::new("/nonexistent/squid.blog")).is_err());
    assert!(Blocks::open(tempfile::tempdir().unwrap().path()).unwrap_err().to_string().contains("folder"));
}

#[test]
fn a_cut_compressed_file_gives_what_it_has_and_then_its_error() {
    let good = segment(40, 90);
    let packed = zstd::encode_all(&good.repeat(100)[..], 1).unwrap();
    let mut results: Vec<io::Result<Block>> =
        Blocks::open(in_file(&packed[..packed.len() - 3]).path()).unwrap().collect();
    assert!(results.pop().unwrap().is_err());
}

#[test]
fn who_stops_asking_ends_the_reader() {
    let input = segment(40, 90).repeat(3000);
    let file = in_file(&input);
    let mut blocks = Blocks::open(file.path()).unwrap();
    let first = blocks.next().unwrap().unwrap();
    drop(blocks);
    assert!(first.segments().all(|segment| segment.starts_with(&COOKIE.to_le_bytes())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn slow_readers_change_nothing(sizes in prop::collection::vec(1..200_usize, 1..30), step in 1..5000_usize) {
        struct Slow(io::Cursor<Vec<u8>>, usize);
        impl Read for Slow {
            fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
                let len = bytes.len().min(self.1);
                self.0.read(&mut bytes[..len])
            }
        }
        let expected: Vec<Vec<u8>> = sizes.iter().map(|size| segment(size % 9 + 1, *size)).collect();
        let input = expected.concat();
        let blocks = Blocks::from_reader(Slow(io::Cursor::new(input.clone()), step)).unwrap();
        prop_assert!(all(blocks, &input).0 == expected);
    }
}
