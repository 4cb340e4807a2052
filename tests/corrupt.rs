//! Damaged files and streams: bit flips, cuts and insertions at random places of real captures. Nothing panics, loops or grows, and all
//! segments that were not touched are found where they are, with their exact figures.
//!
//! 25 damages of each capture; as many as VISULATE_CORRUPTIONS says (`scripts/corrupt`). The seed is in every message.
#![allow(clippy::unwrap_used)]

use std::ops::Range;
use std::path::{Path, PathBuf};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use visulate::source::blocks::Blocks;
use visulate::tally::counts::{Counts, Entries};
use visulate::tally::table::Seed;
use visulate::tally::{Caps, Part, Shard};
use visulate::wire::format::Formats;
use visulate::wire::segment::Segment;

/// A slice of so many segments is damaged at a time.
const SLICE: usize = 64;

/// Resident memory may grow by so much over all of it, whatever the damage claims.
const GROWTH: u64 = 128 << 20;

/// A file under the knife: its bytes, and where the segments lie that nothing touched.
struct Patient {
    bytes: Vec<u8>,
    /// Number in the slice, and place.
    whole: Vec<(usize, Range<usize>)>,
    /// What was done, for messages.
    story: Vec<String>,
}

impl Patient {
    fn new(segments: &[&[u8]], as_stream: bool) -> Self {
        let mut patient = Self { bytes: Vec::new(), whole: Vec::new(), story: Vec::new() };
        if as_stream {
            patient.bytes.extend_from_slice(b"\x06\0\0\0foobar");
        }
        for (number, segment) in segments.iter().enumerate() {
            if as_stream {
                patient.bytes.extend_from_slice(&(segment.len() as u32).to_le_bytes());
            }
            let start = patient.bytes.len();
            patient.bytes.extend_from_slice(segment);
            patient.whole.push((number, start..patient.bytes.len()));
        }
        patient
    }

    /// Puts `new` into the place of `old`; what it touches is whole no more, what lies behind moves.
    fn replace(&mut self, old: Range<usize>, new: &[u8]) {
        self.story.push(format!("{} bytes in the place of {old:?}", new.len()));
        self.whole.retain_mut(|(_, place)| {
            if place.end <= old.start {
                return true;
            }
            if place.start < old.end || (old.is_empty() && place.start < old.start) {
                return false;
            }
            *place = place.start - old.len() + new.len()..place.end - old.len() + new.len();
            true
        });
        self.bytes.splice(old, new.iter().copied());
    }

    fn damage(&mut self, random: &mut SmallRng) {
        let end = self.bytes.len();
        let at = random.random_range(0..end);
        let len = 1 << random.random_range(0..15);
        match random.random_range(0..5) {
            // A flipped bit; often in a header, where it hurts most.
            0 | 1 => {
                let at = match self.whole.get(random.random_range(0..self.whole.len().max(1))) {
                    Some((_, place)) if random.random_bool(0.5) => place.start + random.random_range(0..72),
                    _ => at,
                };
                let flipped = self.bytes[at] ^ 1 << random.random_range(0..8);
                self.replace(at..at + 1, &[flipped]);
            }
            2 => self.replace(at..(at + len).min(end), &[]),
            3 => {
                let noise: Vec<u8> = (0..len).map(|_| random.random()).collect();
                self.replace(at..at, &noise);
            }
            // A piece of the file itself: the beginning of a segment, and no end.
            _ => {
                let from = random.random_range(0..end);
                let piece = self.bytes[from..(from + len).min(end)].to_vec();
                self.replace(at..at, &piece);
            }
        }
    }
}

/// Figures of a segment alone.
fn figures(segment: &[u8], formats: &mut Formats, shard: &mut Shard) -> Option<(Entries, Counts)> {
    let segment = Segment::parse(segment).ok()?;
    let format = formats.of(&segment).ok()?;
    shard.segment(&segment, &format, 0, 1_795_460_600_000);
    let mut part = Part::default();
    shard.hand_over(&mut part, 1, true);
    Some((part.entries, part.total))
}

fn shard() -> Shard {
    Shard::new(0, &Caps::new(64 << 20, 1), &Seed::default())
}

/// All captures of the repository, and of the folder that VISULATE_CAPTURES names: name, and segments.
fn captures() -> Vec<(String, Vec<Vec<u8>>)> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut files = std::collections::BTreeMap::new();
    for folder in std::env::var_os("VISULATE_CAPTURES").map(PathBuf::from).into_iter().chain([own]) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if name.ends_with(".bin.zst") || name.ends_with(".blog.zst") {
                files.insert(name, path);
            }
        }
    }
    files.into_iter().map(|(name, path)| (name, segments(&path))).collect()
}

/// The segments of a capture, by the plainest reading.
fn segments(path: &Path) -> Vec<Vec<u8>> {
    let bytes = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().unwrap()) as usize);
    let is_stream = !bytes.starts_with(b"\xce\xfa\xce\x0a");
    let mut at = if is_stream { 4 + word(0).unwrap() } else { 0 };
    let mut found = Vec::new();
    loop {
        at += if is_stream { 4 } else { 0 };
        let Some(segment) = word(at + 12).and_then(|len| bytes.get(at..at + len)) else { return found };
        found.push(segment.to_vec());
        at += segment.len();
    }
}

/// The most resident memory so far.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn untouched_segments_survive_any_damage() {
    let damages = std::env::var("VISULATE_CORRUPTIONS").map_or(25, |text| text.parse::<u64>().unwrap());
    let captures = captures();
    let before = peak();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged");
    let (mut expected_segments, mut found_segments, mut skipped) = (0, 0, 0);
    for (capture, (name, all)) in captures.iter().enumerate() {
        let mut pristine = Formats::default();
        let mut shard_of_pristine = shard();
        for seed in 0..damages {
            let context = format!("{name}, seed {seed}");
            let mut random = SmallRng::seed_from_u64((capture as u64) << 32 | seed);
            let start = random.random_range(0..=all.len().saturating_sub(SLICE));
            let slice: Vec<&[u8]> = all[start..].iter().take(SLICE).map(Vec::as_slice).collect();
            let as_stream = random.random();
            let mut patient = Patient::new(&slice, as_stream);
            for _ in 0..random.random_range(1..=4) {
                patient.damage(&mut random);
                if patient.bytes.is_empty() {
                    break;
                }
            }
            std::fs::write(&file, &patient.bytes).unwrap();

            let (mut formats, mut shard) = (Formats::default(), shard());
            let mut found = std::collections::HashMap::new();
            let (mut in_segments, mut in_damage) = (0, 0);
            for block in Blocks::open(&file).unwrap() {
                let block = block.unwrap();
                for place in &block.segments {
                    let at = block.offset as usize + place.start;
                    assert!(!place.is_empty() && at + place.len() <= patient.bytes.len(), "{context}: outside");
                    let figures = figures(&block.bytes[place.clone()], &mut formats, &mut shard);
                    assert!(found.insert(at, (place.len(), figures)).is_none(), "{context}: twice");
                    in_segments += place.len();
                }
                in_damage += block.damage.iter().map(|damage| damage.len as usize).sum::<usize>();
                assert!(in_segments + in_damage <= patient.bytes.len(), "{context}: more than there is");
            }
            if !as_stream {
                assert_eq!(in_segments + in_damage, patient.bytes.len(), "{context}: every byte is told of");
            }
            for (number, place) in &patient.whole {
                let Some((len, figures)) = found.get(&place.start) else {
                    let around = found.iter().find(|(at, (len, _))| (**at..**at + len).contains(&place.start));
                    panic!("{context}: the segment at {place:?} is lost: {:?}, {around:?}", patient.story);
                };
                assert_eq!(*len, place.len(), "{context}: the segment at {place:?}");
                let expected = self::figures(slice[*number], &mut pristine, &mut shard_of_pristine);
                assert_eq!(*figures, expected, "{context}: the segment at {place:?}");
            }
            expected_segments += patient.whole.len();
            found_segments += found.len();
            skipped += in_damage;
        }
    }
    let grown = peak() - before;
    println!(
        "{} captures, {damages} damages each: {expected_segments} untouched segments found, {} of the damaged ones read in part, \
         {skipped} bytes skipped; memory grew by {} KiB",
        captures.len(),
        found_segments - expected_segments,
        grown / 1024
    );
    assert!(grown < GROWTH, "memory grew by {grown} bytes");
}
