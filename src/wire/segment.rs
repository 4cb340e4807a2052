//! Segments: the batches in which Traffic Server sends and stores log entries.
//!
//! A segment is a header, header strings, and entries that fill the rest, in the [`Layout`] of its writer and its way here.
//! Source: `LogBufferHeader` and `LogEntryHeader` in Traffic Server's `LogBuffer.h`, segment versions 2 and 3; spec/logbuffer.md 2 to 6.

use super::bytes::u32_at;
use super::era;
use super::layout::{EntryHeader, Ints, Layout, Order};

/// The first field of every segment.
pub const COOKIE: u32 = 0x0ace_face;

/// Bytes of the header, version 2.
pub const HEADER_LEN: usize = 64;

/// Bytes of the header, version 3.
pub const HEADER_LEN_3: usize = 72;

/// Bytes of an entry's header in the usual layout; an entry is never shorter in any.
pub const ENTRY_HEADER_LEN: usize = EntryHeader::E16.values_at();

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
    layout: Layout,
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
    /// The first field is not [`COOKIE`], in either order.
    #[error("cookie {found:#010x}")]
    Cookie {
        /// The field as sent.
        found: u32,
    },
    /// A version other than 2 and 3.
    #[error("segment version {found}, unsupported: only 2 and 3 can be read")]
    Version {
        /// The version as sent; 1 was written before Traffic Server was open source.
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
        let raw = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let words = order(raw(at::COOKIE)).ok_or(SegmentError::Cookie { found: raw(at::COOKIE) })?;
        let word = |at: usize| if words == Order::Big { raw(at).swap_bytes() } else { raw(at) };
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
        let field_types = if version == 3 { field_types(bytes, data, words) } else { None };
        let entry_count = word(at::ENTRY_COUNT);
        let layout = Layout::of(words, &bytes[data..], entry_count);
        let mut segment = Self { bytes, version, entry_count, data, field_list, field_types, layout };
        if layout.entries != EntryHeader::E16 {
            segment.layout = era::integers(&segment);
        }
        Ok(segment)
    }

    /// Bytes of the whole segment.
    pub fn byte_count(&self) -> usize {
        self.bytes.len()
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
    #[inline]
    pub fn ints(&self) -> Ints {
        self.layout.ints
    }

    /// How all integers are stored.
    #[inline]
    pub fn layout(&self) -> Layout {
        self.layout
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
        self.word(at::FLAGS)
    }

    /// Signature of the log object.
    pub fn signature(&self) -> u64 {
        self.layout.i64_at(self.bytes, at::SIGNATURE).unwrap_or_default() as u64
    }

    /// Unix seconds when the buffer was made and flushed; not bounds of its entries.
    pub fn timestamps(&self) -> (u32, u32) {
        (self.word(at::LOW_TIMESTAMP), self.word(at::HIGH_TIMESTAMP))
    }

    /// Where the entries begin.
    pub fn data_offset(&self) -> usize {
        self.data
    }

    /// All before the entries: the header and its strings.
    pub fn head(&self) -> &'a [u8] {
        &self.bytes[..self.data]
    }

    /// The same without what differs from one segment of a log to the next: lengths and times are 0.
    pub fn plain_head(&self) -> Vec<u8> {
        let mut head = self.head().to_vec();
        for at in [at::BYTE_COUNT, at::ENTRY_COUNT, at::LOW_TIMESTAMP, at::HIGH_TIMESTAMP] {
            head[at..at + 4].fill(0);
        }
        head
    }

    /// One of its entries whole: header, values, and what pads them. Empty if the entry isn't of this segment.
    pub fn whole(&self, entry: &RawEntry<'_>) -> &'a [u8] {
        let entries = self.layout.entries;
        let start = self.bytes.len().checked_sub(entry.ahead.len() + entries.values_at());
        let whole = start.and_then(|start| self.bytes.get(start..start + entries.overhead() + entry.payload.len()));
        whole.unwrap_or_default()
    }

    /// Reads it in a layout that is known: what one entry alone shows of it can be less.
    #[must_use]
    pub fn in_layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// A segment of one entry: what [`Segment::head`] and [`Segment::whole`] gave, joined.
    pub fn of_one(head: &[u8], entry: &[u8]) -> Vec<u8> {
        let mut bytes = [head, entry].concat();
        let len = bytes.len() as u32;
        if let Some(words) = u32_at(head, at::COOKIE).and_then(order) {
            for (at, word) in [(at::BYTE_COUNT, len), (at::ENTRY_COUNT, 1)] {
                if let Some(place) = bytes.get_mut(at..at + 4) {
                    place.copy_from_slice(&if words == Order::Big { word.to_be_bytes() } else { word.to_le_bytes() });
                }
            }
        }
        bytes
    }

    /// The entries in order, each checked to be inside. Ends after `entry_count`, at the end, or at the first that can't be right.
    pub fn entries(&self) -> Walk<'a> {
        let is_usual = (self.layout.words, self.layout.entries) == (Order::Little, EntryHeader::E16);
        Walk { bytes: &self.bytes[self.data..], left: self.entry_count, layout: self.layout, is_usual }
    }

    /// A word of the header.
    #[inline]
    fn word(&self, at: usize) -> u32 {
        self.layout.words.u32_at(self.bytes, at).unwrap_or_default()
    }

    fn string(&self, at: usize) -> Option<&'a [u8]> {
        let header_len = if self.version == 3 { HEADER_LEN_3 } else { HEADER_LEN };
        string(self.bytes, header_len, self.word(at))
    }

    fn name(&self, at: usize) -> &'a [u8] {
        let name = self.string(at).unwrap_or_default();
        &name[..name.len().min(NAME_MAX)]
    }
}

/// The order of a header's words, by its first; `None` if that is no [`COOKIE`].
#[inline]
pub fn order(cookie: u32) -> Option<Order> {
    match cookie {
        COOKIE => Some(Order::Little),
        _ if cookie == COOKIE.swap_bytes() => Some(Order::Big),
        _ => None,
    }
}

/// How many entries a segment that was not accepted claims to have, bounded by what its bytes could hold.
pub fn claimed_entries(bytes: &[u8], message_len: usize) -> u64 {
    let room = message_len.saturating_sub(HEADER_LEN) / ENTRY_HEADER_LEN;
    let count = u32_at(bytes, at::COOKIE).and_then(order).and_then(|words| words.u32_at(bytes, at::ENTRY_COUNT));
    count.map_or(0, |count| (count as usize).min(room) as u64)
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
fn field_types(bytes: &[u8], data: usize, words: Order) -> Option<&[u8]> {
    let offset = words.u32_at(bytes, at::FIELD_TYPES)? as usize;
    if offset < HEADER_LEN_3 {
        return None;
    }
    let table = bytes.get(offset..data)?;
    // No sender of version 3 converts, so the writer's order is that of the words.
    let count = *table.first_chunk()?;
    let count = if words == Order::Big { u16::from_be_bytes(count) } else { u16::from_le_bytes(count) };
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
    layout: Layout,
    /// The headers of entries are those of [`Layout::USUAL`].
    is_usual: bool,
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
        if self.is_usual { self.step(Layout::USUAL) } else { self.step_otherwise() }
    }
}

impl<'a> Walk<'a> {
    /// `layout` is a constant where it matters.
    #[inline(always)]
    fn step(&mut self, layout: Layout) -> Option<RawEntry<'a>> {
        let bytes = self.bytes;
        let head = layout.entry_head(bytes)?;
        if !head.fits(layout.entries, bytes.len()) {
            return None;
        }
        let ahead = &bytes[layout.entries.values_at()..];
        self.bytes = &bytes[head.len..];
        self.left -= 1;
        let payload = &ahead[..head.len - layout.entries.overhead()];
        Some(RawEntry { seconds: head.seconds, usec: head.usec, payload, ahead })
    }

    #[cold]
    #[inline(never)]
    fn step_otherwise(&mut self) -> Option<RawEntry<'a>> {
        self.step(self.layout)
    }
}

#[cfg(test)]
pub(crate) mod tests;
