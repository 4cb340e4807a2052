//! Segments: the batches in which Traffic Server sends and stores log entries.
//!
//! A segment is a header, header strings, and entries that fill the rest; integers are little-endian.
//! Source: `LogBufferHeader` and `LogEntryHeader` in Traffic Server's `LogBuffer.h`, segment versions 2 and 3,
//! entry headers of 16 bytes (3.1.2 and later); spec/logbuffer.md 2 to 6.

use super::bytes::{i32_at, i64_at, u32_at, u64_at};
use super::layout::Ints;

/// The first field of every segment.
pub const COOKIE: u32 = 0x0ace_face;

/// Bytes of the header, version 2.
pub const HEADER_LEN: usize = 64;

/// Bytes of the header, version 3.
pub const HEADER_LEN_3: usize = 72;

/// Bytes of an entry's header.
pub const ENTRY_HEADER_LEN: usize = 16;

/// The longest field list that is read; formats have some hundred bytes.
pub const FIELD_LIST_MAX: usize = 64 * 1024;

/// The longest source host name or file name that is read; longer ones are cut there.
pub const NAME_MAX: usize = 255;

/// Byte offsets in a segment's header; the five from the format name on are offsets of strings, in a row.
pub(super) mod at {
    pub const COOKIE: usize = 0;
    pub const VERSION: usize = 4;
    pub const FORMAT_TYPE: usize = 8;
    pub const BYTE_COUNT: usize = 12;
    pub const ENTRY_COUNT: usize = 16;
    pub const LOW_TIMESTAMP: usize = 20;
    pub const HIGH_TIMESTAMP: usize = 24;
    pub const FLAGS: usize = 28;
    pub const SIGNATURE: usize = 32;
    pub const FORMAT_NAME: usize = 40;
    pub const FIELD_LIST: usize = 44;
    pub const PRINTF: usize = 48;
    pub const SOURCE_HOST: usize = 52;
    pub const FILE_NAME: usize = 56;
    pub const DATA: usize = 60;
    pub const FIELD_TYPES: usize = 64;
}
const _: () = assert!(at::DATA + 4 == HEADER_LEN);

/// Format type of a raw text log, which has no fields.
const TEXT_LOG: u32 = 5;

/// A segment whose header is sound; holding one is the proof, so nothing checks it again.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    bytes: &'a [u8],
    version: u32,
    entry_count: u32,
    data: usize,
    field_list: &'a str,
    field_types: Option<&'a [u8]>,
}

/// Why bytes are not a segment that can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// The bytes end inside the header.
    #[error("{len} bytes are less than a segment's header")]
    Truncated {
        /// Bytes there are.
        len: usize,
    },
    /// The first field is not [`COOKIE`].
    #[error("cookie {found:#010x}")]
    Cookie {
        /// The field as sent.
        found: u32,
    },
    /// A version other than 2 and 3.
    #[error("segment version {found}")]
    Version {
        /// The version as sent.
        found: u32,
    },
    /// The segment's own length is not that of its message.
    #[error("byte_count {found} in a message of {len} bytes")]
    ByteCount {
        /// The length as sent.
        found: u32,
        /// Bytes there are.
        len: usize,
    },
    /// The entries begin inside the header, behind the end, or not at a multiple of 8.
    #[error("data_offset {found}")]
    DataOffset {
        /// The offset as sent.
        found: u32,
    },
    /// No field list, or one that is unusable; `Text` logs have none.
    #[error("no field list")]
    NoFieldList,
    /// A field list above [`FIELD_LIST_MAX`], or not text.
    #[error("a field list that is too long or not text")]
    FieldList,
}

impl<'a> Segment<'a> {
    /// Parses `bytes`, which is one whole segment, as its frame delimited it.
    ///
    /// # Errors
    ///
    /// [`SegmentError`] says what is wrong.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SegmentError> {
        let Some(header) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(SegmentError::Truncated { len: bytes.len() });
        };
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if word(0) != COOKIE {
            return Err(SegmentError::Cookie { found: word(0) });
        }
        let version = word(at::VERSION);
        let header_len = match version {
            2 => HEADER_LEN,
            3 => HEADER_LEN_3,
            found => return Err(SegmentError::Version { found }),
        };
        if word(at::BYTE_COUNT) as usize != bytes.len() {
            return Err(SegmentError::ByteCount { found: word(at::BYTE_COUNT), len: bytes.len() });
        }
        if bytes.len() < header_len {
            return Err(SegmentError::Truncated { len: bytes.len() });
        }
        // Below the header's end, the "entries" would be the header read a second time.
        let data = word(at::DATA) as usize;
        if data < header_len || data > bytes.len() || !data.is_multiple_of(8) {
            return Err(SegmentError::DataOffset { found: word(at::DATA) });
        }
        let list = string(bytes, header_len, word(at::FIELD_LIST)).ok_or(SegmentError::NoFieldList)?;
        if list.is_empty() || word(at::FORMAT_TYPE) == TEXT_LOG {
            return Err(SegmentError::NoFieldList);
        }
        if list.len() > FIELD_LIST_MAX {
            return Err(SegmentError::FieldList);
        }
        let field_list = std::str::from_utf8(list).map_err(|_| SegmentError::FieldList)?;
        let field_types = if version == 3 { field_types(bytes, data) } else { None };
        Ok(Self { bytes, version, entry_count: word(at::ENTRY_COUNT), data, field_list, field_types })
    }

    /// Entries that the header claims; a hint only.
    pub fn entry_count(&self) -> u32 {
        self.entry_count
    }

    /// 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// How the integers among the values are stored.
    pub fn ints(&self) -> Ints {
        Ints::Little
    }

    /// Symbols joined by `,`.
    pub fn field_list(&self) -> &'a str {
        self.field_list
    }

    /// Type codes of the stored fields, in order; version 3 only.
    pub fn field_types(&self) -> Option<&'a [u8]> {
        self.field_types
    }

    /// The writer's host name; empty if it has none.
    pub fn source_host(&self) -> &'a [u8] {
        self.name(at::SOURCE_HOST)
    }

    /// Base file name of the log object; empty if it has none.
    pub fn file_name(&self) -> &'a [u8] {
        self.name(at::FILE_NAME)
    }

    /// Name of the format; empty if it has none.
    pub fn format_name(&self) -> &'a [u8] {
        self.name(at::FORMAT_NAME)
    }

    /// The print template, each field one byte 0xFF; empty if it has none.
    pub fn print_template(&self) -> &'a [u8] {
        self.string(at::PRINTF).unwrap_or_default()
    }

    /// Flags of the log object: bit 0 is a binary file.
    pub fn flags(&self) -> u32 {
        u32_at(self.bytes, at::FLAGS).unwrap_or_default()
    }

    /// Signature of the log object.
    pub fn signature(&self) -> u64 {
        u64_at(self.bytes, at::SIGNATURE).unwrap_or_default()
    }

    /// Unix seconds when the buffer was made and flushed; not bounds of its entries.
    pub fn timestamps(&self) -> (u32, u32) {
        let second = |at| u32_at(self.bytes, at).unwrap_or_default();
        (second(at::LOW_TIMESTAMP), second(at::HIGH_TIMESTAMP))
    }

    /// Where the entries begin.
    pub fn data_offset(&self) -> usize {
        self.data
    }

    /// The entries in order, each checked to be inside. Ends after `entry_count`, at the end, or at the first that can't be right.
    pub fn entries(&self) -> Walk<'a> {
        Walk { bytes: &self.bytes[self.data..], left: self.entry_count }
    }

    fn string(&self, at: usize) -> Option<&'a [u8]> {
        let header_len = if self.version == 3 { HEADER_LEN_3 } else { HEADER_LEN };
        string(self.bytes, header_len, u32_at(self.bytes, at)?)
    }

    fn name(&self, at: usize) -> &'a [u8] {
        let name = self.string(at).unwrap_or_default();
        &name[..name.len().min(NAME_MAX)]
    }
}

/// How many entries a segment that was not accepted claims to have, bounded by what its bytes could hold.
pub fn claimed_entries(bytes: &[u8], message_len: usize) -> u64 {
    let room = message_len.saturating_sub(HEADER_LEN) / ENTRY_HEADER_LEN;
    match (u32_at(bytes, 0), u32_at(bytes, at::ENTRY_COUNT)) {
        (Some(COOKIE), Some(count)) => (count as usize).min(room) as u64,
        _ => 0,
    }
}

/// The string at an offset of the header; `None` if the offset is 0 or outside, or no NUL follows.
fn string(bytes: &[u8], header_len: usize, offset: u32) -> Option<&[u8]> {
    let offset = offset as usize;
    if offset < header_len {
        return None;
    }
    let bytes = bytes.get(offset..)?;
    memchr::memchr(0, bytes).map(|len| &bytes[..len])
}

/// The type table of a version 3 segment; `None` if there is none or it does not lie before the entries.
fn field_types(bytes: &[u8], data: usize) -> Option<&[u8]> {
    let offset = u32_at(bytes, at::FIELD_TYPES)? as usize;
    if offset < HEADER_LEN_3 {
        return None;
    }
    let table = bytes.get(offset..data)?;
    let count = u16::from_le_bytes(*table.first_chunk()?);
    table.get(2..2 + usize::from(count))
}

/// One entry: when it was stored, and its field values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawEntry<'a> {
    /// Unix seconds at the end of the transaction.
    pub seconds: i64,
    /// Microseconds of that second, as sent.
    pub usec: i32,
    /// The values, concatenated.
    pub payload: &'a [u8],
    /// The values and what lies behind them in the segment.
    pub ahead: &'a [u8],
}

impl RawEntry<'_> {
    /// Time of the entry in milliseconds since the epoch; absurd times become 0 or the greatest.
    #[inline]
    pub fn time_ms(&self) -> u64 {
        let ms = self.seconds.saturating_mul(1000).saturating_add(i64::from(self.usec.clamp(0, 999_999)) / 1000);
        ms.max(0) as u64
    }
}

/// Iterator over the entries of a segment.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    bytes: &'a [u8],
    left: u32,
}

impl Walk<'_> {
    /// What was not walked: entries that the header still claims, bounded by the bytes left, and those bytes.
    pub fn lost(&self) -> (u64, u64) {
        let room = self.bytes.len() / ENTRY_HEADER_LEN;
        ((self.left as usize).min(room) as u64, self.bytes.len() as u64)
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = RawEntry<'a>;

    #[inline]
    fn next(&mut self) -> Option<RawEntry<'a>> {
        if self.left == 0 {
            return None;
        }
        let header = self.bytes.first_chunk::<ENTRY_HEADER_LEN>()?;
        let len = u32_at(header, 12)? as usize;
        // A length of 0 would be an endless loop.
        if len < ENTRY_HEADER_LEN || !len.is_multiple_of(8) || len > self.bytes.len() {
            return None;
        }
        let (seconds, usec) = (i64_at(header, 0)?, i32_at(header, 8)?);
        let ahead = &self.bytes[ENTRY_HEADER_LEN..];
        self.bytes = &self.bytes[len..];
        self.left -= 1;
        Some(RawEntry { seconds, usec, payload: &ahead[..len - ENTRY_HEADER_LEN], ahead })
    }
}

#[cfg(test)]
pub(crate) mod tests {
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
            (
                "byte_count too large",
                with(|b| set(b, 12, u32::MAX)),
                SegmentError::ByteCount { found: u32::MAX, len: 144 },
            ),
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
}
