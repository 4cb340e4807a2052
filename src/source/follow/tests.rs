use std::fs::OpenOptions;
use std::io::Write;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::*;
use crate::wire::encode::{Header, SegmentWriter, Value};

/// More than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

fn segment(number: u32) -> Vec<u8> {
    let header = Header { field_list: b"cquc", ..Header::default() };
    let mut writer = SegmentWriter::new(&header, number);
    writer.push(1, 0, &[Value::Text(b"http://www.example/")]).unwrap();
    writer.finish(number).to_vec()
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// Follows in a thread of its own; gives the blocks.
fn follow(path: &Path, from_start: bool) -> Receiver<Block> {
    let (sender, blocks) = channel();
    let mut follow = Follow::open(path, from_start, &Options::default()).unwrap();
    std::thread::spawn(move || while sender.send(follow.next().unwrap().unwrap()).is_ok() {});
    blocks
}

/// The next so many segments, by number; and what was damage before them.
fn numbers(blocks: &Receiver<Block>, count: usize) -> (Vec<u32>, u64) {
    let (mut found, mut damage) = (Vec::new(), 0);
    while found.len() < count {
        let block = blocks.recv_timeout(PATIENCE).unwrap();
        damage += block.damage.iter().map(|damage| damage.len).sum::<u64>();
        for range in block.segments {
            let segment = crate::wire::segment::Segment::parse(&block.bytes[range]).unwrap();
            found.push(segment.timestamps().0);
        }
    }
    (found, damage)
}

#[test]
fn a_file_is_followed_from_its_start_or_its_end_in_pieces_of_any_size() {
    let folder = tempfile::tempdir().unwrap();
    for from_start in [true, false] {
        let path = folder.path().join(format!("{from_start}.blog"));
        append(&path, &[segment(1), segment(2)].concat());
        append(&path, &segment(3)[..50]);
        let blocks = follow(&path, from_start);
        if from_start {
            assert_eq!(numbers(&blocks, 2), (vec![1, 2], 0));
        }
        append(&path, &segment(3)[50..]);
        for piece in segment(4).chunks(7) {
            append(&path, piece);
        }
        append(&path, &[segment(5), segment(6)].concat());
        let expected = if from_start { vec![3, 4, 5, 6] } else { vec![4, 5, 6] };
        assert_eq!(numbers(&blocks, expected.len()), (expected, 0));
    }
}

#[test]
fn rotation_truncation_and_late_creation_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("squid.blog");
    let blocks = follow(&path, false);
    append(&path, &segment(1));
    assert_eq!(numbers(&blocks, 1), (vec![1], 0), "created late");
    append(&path, &segment(2));
    for rotation in 0..3 {
        std::fs::rename(&path, folder.path().join(format!("squid.blog_edge.{rotation}.old"))).unwrap();
        append(&path, &segment(3 + rotation));
    }
    assert_eq!(numbers(&blocks, 4), (vec![2, 3, 4, 5], 0), "rotated, however fast");
    append(&folder.path().join("squid.blog_edge.2.old"), &segment(6));
    assert_eq!(numbers(&blocks, 1), (vec![6], 0), "written behind its rotation");
    append(&path, &[segment(7), segment(8)].concat());
    assert_eq!(numbers(&blocks, 2), (vec![7, 8], 0));
    OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    append(&path, &segment(9));
    assert_eq!(numbers(&blocks, 1), (vec![9], 0), "truncated");
}

#[test]
fn damage_is_skipped_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("squid.blog");
    append(&path, &[segment(1), vec![7; 1000], segment(2)].concat());
    assert_eq!(numbers(&follow(&path, true), 2), (vec![1, 2], 1000));
}
