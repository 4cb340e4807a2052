use std::io::{self, Read, Write};
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::wire::encode::{Header, SegmentWriter, Value, auth_message, message};
use crate::wire::resync::Scanner;

/// Segments of about so many bytes, numbered.
fn segments(count: usize, len: usize) -> Vec<Vec<u8>> {
    let header = Header { field_list: b"cquc", ..Header::default() };
    let of = |number: usize| {
        let mut writer = SegmentWriter::with_capacity(&header, number as u32, len + 1024);
        let text = vec![b'a' + (number % 26) as u8; len.min(4000) / 2];
        while writer.push(number as i64, 0, &[Value::Text(&text)]).is_ok() {}
        writer.finish(2).to_vec()
    };
    (0..count).map(of).collect()
}

fn capture(segments: &[Vec<u8>]) -> Vec<u8> {
    auth_message(b"foobar").into_iter().chain(segments.iter().flat_map(|segment| message(segment))).collect()
}

/// All segments and all damage of an input, in order.
fn read(blocks: &mut Blocks) -> (Vec<Vec<u8>>, Vec<Damage>, Option<io::ErrorKind>) {
    let (mut segments, mut damage, mut offset) = (Vec::new(), Vec::new(), 0);
    let buffers = blocks.buffers();
    for (index, block) in blocks.enumerate() {
        let block = match block {
            Ok(block) => block,
            Err(error) => return (segments, damage, Some(error.kind())),
        };
        assert_eq!(block.index, index as u64);
        for range in &block.segments {
            assert!(block.offset + range.start as u64 >= offset, "segments are in order");
            offset = block.offset + range.end as u64;
            segments.push(block.bytes[range.clone()].to_vec());
        }
        damage.extend(&block.damage);
        buffers.give(block);
    }
    (segments, damage, None)
}

fn file(folder: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(format!("{}", bytes.len()));
    std::fs::write(&path, bytes).unwrap();
    path
}

const BOTH: [Options; 2] =
    [Options { segment_max: SEGMENT_MAX, uring: true }, Options { segment_max: SEGMENT_MAX, uring: false }];

#[test]
fn files_and_streams_of_any_size_give_their_segments() {
    let folder = tempfile::tempdir().unwrap();
    for (count, len) in [(0, 1), (1, 100), (3, 300), (700, 9000), (4000, 3000), (5, 700_000), (3, 3 << 20)] {
        let segments = segments(count, len);
        for bytes in [segments.concat(), capture(&segments)] {
            let path = file(&folder, &bytes);
            for options in BOTH {
                let mut blocks = Blocks::open_with(&path, &options).unwrap();
                assert_eq!(blocks.len_hint(), Some(bytes.len() as u64));
                assert!(read(&mut blocks) == (segments.clone(), vec![], None), "{count} of {len}, {options:?}");
                assert_eq!(blocks.bytes_read(), bytes.len() as u64);
            }
        }
    }
}

#[test]
fn blocks_are_about_a_chunk_and_name_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = segments(1000, 9000).concat();
    let blocks: Vec<Block> = Blocks::open(&file(&folder, &bytes)).unwrap().map(Result::unwrap).collect();
    assert_eq!(blocks.len(), bytes.len().div_ceil(CHUNK));
    for block in blocks {
        assert!(block.bytes.len() <= CHUNK + ROOM && block.bytes.capacity() == CHUNK + ROOM, "nothing was moved");
        assert_eq!(block.bytes, bytes[block.offset as usize..][..block.bytes.len()]);
    }
}

#[test]
fn compressed_inputs_are_unpacked_in_all_their_parts() {
    let folder = tempfile::tempdir().unwrap();
    let segments = segments(400, 9000);
    let bytes = segments.concat();
    let (one, other) = bytes.split_at(bytes.len() / 3);
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let skippable = b"\x53\x2a\x4d\x18\x03\0\0\0abc".to_vec();
    for packed in [
        gzip(&bytes),
        [gzip(one), gzip(other)].concat(),
        zstd(&bytes),
        [zstd(one), zstd(other)].concat(),
        [skippable, zstd(&bytes)].concat(),
    ] {
        let path = file(&folder, &packed);
        let mut blocks = Blocks::open(&path).unwrap();
        assert!(read(&mut blocks) == (segments.clone(), vec![], None));
        assert_eq!((blocks.len_hint(), blocks.bytes_read()), (Some(packed.len() as u64), packed.len() as u64));
        // A part of it gives its segments, and then the error.
        let path = file(&folder, &packed[..packed.len() * 3 / 4]);
        let (found, _, error) = read(&mut Blocks::open(&path).unwrap());
        assert_eq!(error, Some(io::ErrorKind::UnexpectedEof));
        assert!(segments.starts_with(&found) && !found.is_empty());
    }
}

#[test]
fn a_pipe_gives_its_segments_as_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let segments = segments(300, 9000);
    let packed = zstd::encode_all(&capture(&segments)[..], 1).unwrap();
    for bytes in [capture(&segments), packed] {
        let (to, bytes) = (path.clone(), bytes);
        let writer = std::thread::spawn(move || std::fs::write(to, bytes).unwrap());
        let mut blocks = Blocks::open(&path).unwrap();
        assert_eq!(blocks.len_hint(), None);
        assert!(read(&mut blocks) == (segments.clone(), vec![], None));
        writer.join().unwrap();
    }
}

#[test]
fn what_is_no_segment_is_reported_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let segments = segments(300, 9000);
    let (first, last) = segments.split_at(150);
    let before = first.concat().len() as u64;
    for garbage in [1, 100, CHUNK - 1, CHUNK, 5 * CHUNK / 2] {
        let bytes = [first.concat(), vec![0xce; garbage], last.concat(), last[0][..500].to_vec()].concat();
        let path = file(&folder, &bytes);
        for options in BOTH {
            let (found, damage, error) = read(&mut Blocks::open_with(&path, &options).unwrap());
            assert!(found == segments && error.is_none(), "{garbage}");
            let cut = bytes.len() as u64 - 500;
            let expected = [
                Damage { offset: before, len: garbage as u64, cut: false },
                Damage { offset: cut, len: 500, cut: true },
            ];
            assert_eq!(damage, expected, "{garbage}");
        }
    }
}

#[test]
fn an_input_without_segments_is_all_damage() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = b"192.0.2.1 - - [02/Jan/2006:15:04:05 +0000] GET\n".repeat(60_000);
    let (found, damage, error) = read(&mut Blocks::open(&file(&folder, &bytes)).unwrap());
    assert!(found.is_empty() && error.is_none());
    assert_eq!(damage, [Damage { offset: 0, len: bytes.len() as u64, cut: false }]);
}

#[test]
fn what_cannot_be_read_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let kind = |path: &Path| Blocks::open(path).unwrap_err().kind();
    assert_eq!(kind(&folder.path().join("none")), io::ErrorKind::NotFound);
    assert_eq!(kind(folder.path()), io::ErrorKind::IsADirectory);
}

#[test]
fn a_reader_that_fails_gives_what_came_before() {
    struct Failing(Vec<u8>);
    impl Read for Failing {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            let count = (&self.0[..]).read(bytes)?;
            self.0.drain(..count);
            if count == 0 { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(count) }
        }
    }
    let segments = segments(5, 9000);
    let mut blocks = Blocks::from_reader(Failing(segments.concat()), &Options::default()).unwrap();
    assert!(read(&mut blocks) == (segments, vec![], Some(io::ErrorKind::ConnectionReset)));
    assert!(blocks.next().is_none());
}

#[test]
fn buffers_come_back_and_are_few() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, &segments(3000, 9000).concat());
    let mut blocks = Blocks::open(&path).unwrap();
    let buffers = blocks.buffers();
    assert_eq!(read(&mut blocks).0.len(), 3000);
    drop(blocks);
    assert!(buffers.0.lock().unwrap().len() <= SPARE);
    assert!(!buffers.0.lock().unwrap().is_empty());
}

proptest! {
    #[test]
    fn any_cut_into_reads_gives_the_same_blocks_of_segments(
        count in 1..40_usize, len in 100..5000_usize, cuts in prop::collection::vec(1..9000_usize, 1..6),
        hole in any::<prop::sample::Index>(), hole_len in 0..3000_usize, flush in any::<bool>(),
    ) {
        let mut input = segments(count, len).concat();
        let at = hole.index(input.len());
        let end = input.len().min(at + hole_len);
        input[at..end].fill(0xce);
        let run = |cuts: &[usize], flush: bool| {
            let mut assembler = Assembler::new(Scanner::new(SEGMENT_MAX), 0, Buffers::default());
            let (mut blocks, mut rest) = (Vec::new(), &input[..]);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, behind) = rest.split_at((*cut).min(rest.len()));
                assembler.push(chunk.to_vec(), &mut blocks);
                if flush {
                    assembler.flush(&mut blocks);
                }
                rest = behind;
            }
            assembler.finish(&mut blocks);
            let damage: Vec<Damage> = blocks.iter().flat_map(|block| block.damage.clone()).collect();
            let places: Vec<(u64, Vec<u8>)> = blocks
                .iter()
                .flat_map(|block| {
                    block.segments.iter().map(|range| (block.offset + range.start as u64, block.bytes[range.clone()].to_vec()))
                })
                .collect();
            (places, damage)
        };
        let expected = run(&[input.len()], false);
        prop_assert!(run(&cuts, flush) == expected);
        for (place, segment) in &expected.0 {
            prop_assert_eq!(&input[*place as usize..][..segment.len()], &segment[..]);
        }
    }
}
