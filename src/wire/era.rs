//! Eras: which integers an old segment has, and which reading of its fields, by values that can have few meanings.
//!
//! Until 3.1.1 integers and addresses were stored in several ways that have the same length, so that the length test can't tell them apart
//! (spec/logbuffer.md 6 and 7.1). But status codes, result codes and addresses read in a wrong way are none.

use super::bytes::text_len;
use super::fields::{self, ADDRESSES, CLIENTS_AS_TEXT, Framing, Release};
use super::layout::{EntryHeader, Ints, Layout, Order};
use super::segment::Segment;
use super::value::{address_of_text, stored_len};

/// Entries that are looked at to tell integers apart.
const SAMPLE: usize = 8;

/// One release of each kind of addresses, the likeliest first: 3.0 is what exists of the old ones.
const KINDS: [Release; 3] = [ADDRESSES - 1, CLIENTS_AS_TEXT - 1, ADDRESSES];

/// The parts of an HTTP version are small.
const VERSION_MAX: i64 = 99;

/// The first release whose integers have 8 bytes.
pub const LONG_INTEGERS: Release = 20101;

/// The first release with entry headers of 16 bytes.
pub const E16_RELEASE: Release = 30102;

/// The layout of a segment with old entry headers, with the integers among its values as the entries show them; without a field that
/// shows it, those of 2.1.1 to 3.1.1.
#[cold]
pub fn integers(segment: &Segment<'_>) -> Layout {
    let layout = segment.layout();
    let long = layout.with_writer(layout.writer);
    let short = Layout { ints: Ints::Short, ..layout };
    // Nothing in an entry's header of three words tells a big-endian writer from a conversion.
    let both = layout.words == Order::Big && layout.entries == EntryHeader::E12;
    let candidates = [Some(long), both.then(|| layout.with_writer(Order::Big)), Some(short)];
    let mut best = ((0, 0), long);
    for layout in candidates.into_iter().flatten() {
        let releases = if layout.ints == Ints::Short { &[LONG_INTEGERS - 1][..] } else { &KINDS[..] };
        for &release in releases {
            let framings: Vec<Framing> =
                segment.field_list().split(',').map(|symbol| fields::framing_in(symbol, release)).collect();
            let mut score = (0, 0);
            for entry in segment.entries().take(SAMPLE) {
                let sense = sense(segment.field_list(), &framings, layout.ints, entry.payload);
                score.0 += u32::from(sense.is_good());
                score.1 += if sense.wrong == 0 { sense.right } else { 0 };
            }
            if score > best.0 {
                best = (score, layout);
            }
        }
    }
    best.1
}

/// What a reading makes of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sense {
    /// The values come out at the entry's end.
    pub fits: bool,
    /// Values that are what they should be, and other than 0, which is the same in every form.
    pub right: u32,
    /// Values that can't be.
    pub wrong: u32,
}

impl Sense {
    /// Nothing speaks against the reading.
    pub fn is_good(self) -> bool {
        self.fits && self.wrong == 0
    }
}

/// What the reading with these framings makes of an entry's values.
pub fn sense(field_list: &str, framings: &[Framing], ints: Ints, payload: &[u8]) -> Sense {
    let mut sense = Sense::default();
    let mut rest = payload;
    for (symbol, framing) in field_list.split(',').zip(framings) {
        let Some((value, behind)) = stored_len(*framing, rest, ints).and_then(|len| rest.split_at_checked(len)) else {
            return sense;
        };
        match (framing, ints.at(value, 0)) {
            // Slots of that time were zeroed.
            (Framing::Int, _) if ints == Ints::Short && value[4..] != [0; 4] => sense.wrong += 1,
            (Framing::Int, Some(0)) => {}
            (Framing::Int, Some(number)) if is_address(symbol) => {
                sense.wrong += u32::from(u32::try_from(number).is_err());
            }
            (Framing::Int, Some(number)) => match is_possible(symbol, number) {
                Some(true) => sense.right += 1,
                Some(false) => sense.wrong += 1,
                None => {}
            },
            (Framing::Text, _) if is_address(symbol) => {
                let text = &value[..text_len(value).unwrap_or_default()];
                // A text is never empty: without an address it is `-`.
                sense.wrong += u32::from(!matches!(text, b"-" | b"0") && address_of_text(text).is_none());
            }
            (Framing::Pair, Some(major)) if is_version(symbol) => {
                let minor = ints.at(value, 8).unwrap_or(-1);
                sense.wrong += u32::from(!(0..=VERSION_MAX).contains(&major) || !(0..=VERSION_MAX).contains(&minor));
            }
            (Framing::Text, _) if is_version(symbol) => {
                sense.wrong += u32::from(!value.first().is_some_and(|byte| b"0123456789-".contains(byte)));
            }
            (Framing::Ip, _) => {
                sense.wrong += u32::from(!matches!(ints.family(value), Some(0 | 1 | 2 | 10 | 28 | 30)));
            }
            _ => {}
        }
        rest = behind;
    }
    sense.fits = rest.is_empty();
    sense
}

fn is_version(symbol: &str) -> bool {
    matches!(symbol, "cqhv" | "sshv" | "csshv")
}

fn is_address(symbol: &str) -> bool {
    matches!(symbol, "chi" | "chih" | "pqsi" | "shi" | "phi")
}

/// Can the integer field be that, which is not 0? `None` for one that can be anything.
fn is_possible(symbol: &str, number: i64) -> Option<bool> {
    Some(match symbol {
        "pssc" | "sssc" | "csssc" => (100..=999).contains(&number),
        "crc" | "crsc" | "phr" | "chm" => (33..=126).contains(&number),
        "cfsc" | "pfsc" => (1..=2).contains(&number),
        "cwr" | "cwtr" | "etype" => (1..=4).contains(&number),
        _ => return None,
    })
}
