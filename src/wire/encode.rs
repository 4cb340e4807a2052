//! Encoding: values become entries, entries a segment, segments the messages of a collation connection.
//!
//! It writes what Traffic Server of any era sends and stores ([`Layout`]), segment versions 2 and 3; by default that of 3.1.4 and later:
//! little-endian, entry headers of 16 bytes. Source: `LogBuffer.h` and `LogCollationBase.h` in Traffic Server.
//! A [`SegmentWriter`] keeps its buffer, so an entry costs no allocation.

use std::net::IpAddr;

use super::layout::{EntryHeader, Ints, Layout, Order};
use super::segment::{COOKIE, HEADER_LEN, HEADER_LEN_3, at};

/// The writer counts entries in 16 bits.
const MOST_ENTRIES: u32 = u16::MAX as u32;
/// Traffic Server's `log_buffer_size` unless configured.
pub const DEFAULT_CAPACITY: usize = 9216;

const _: () =
    assert!(at::FORMAT_NAME + 5 * 4 == at::DATA && at::DATA + 4 == HEADER_LEN && HEADER_LEN == at::FIELD_TYPES);

/// One stored value, in the framing that it has on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// One 8-byte integer.
    Int(i64),
    /// Two of them, such as an HTTP version.
    Pair(i64, i64),
    /// Bytes and a NUL; absent and empty are both stored as `-`.
    Text(&'a [u8]),
    /// A header that was present and empty: a NUL alone.
    EmptyText,
    /// An address, or that there is none.
    Ip(Option<IpAddr>),
    /// Stored as it is and padded to a multiple of 8 bytes: records, header lists, nonsense for tests.
    Raw(&'a [u8]),
}

impl Value<'_> {
    /// Bytes that the value takes in an entry; a multiple of 8.
    pub fn len(&self) -> usize {
        match self {
            Self::Int(_) | Self::EmptyText | Self::Ip(None | Some(IpAddr::V4(_))) => 8,
            Self::Pair(..) => 16,
            Self::Text(bytes) => (bytes.len().max(1) + 1).next_multiple_of(8),
            Self::Ip(Some(IpAddr::V6(_))) => 24,
            Self::Raw(bytes) => bytes.len().next_multiple_of(8),
        }
    }

    /// Only an empty [`Value::Raw`] takes no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Segment versions; 3 has a table of field types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// All releases from 2.0 to 10.x; header of 64 bytes.
    #[default]
    V2,
    /// 10.2 on request and 11-dev; header of 72 bytes.
    V3,
}

impl Version {
    const fn number(self) -> u32 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }

    const fn header_len(self) -> usize {
        match self {
            Self::V2 => HEADER_LEN,
            Self::V3 => HEADER_LEN_3,
        }
    }
}

/// What the segments of one log object have in common. Strings are bytes without NUL; an empty one gets offset 0 (none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Layout of the header.
    pub version: Version,
    /// How integers are stored: [`Layout::USUAL`] unless the writer is old or big-endian.
    pub layout: Layout,
    /// 4 for every format with fields, 5 for raw text.
    pub format_type: u32,
    /// Bit 0: the object is written in binary.
    pub flags: u32,
    /// Tells log objects apart.
    pub signature: u64,
    /// Such as `squid`.
    pub format_name: &'a [u8],
    /// Symbols joined by `,`.
    pub field_list: &'a [u8],
    /// The text of a line, with a byte 0xFF in the place of each field.
    pub print_template: &'a [u8],
    /// The node's name for itself.
    pub source_host: &'a [u8],
    /// Such as `squid.blog`.
    pub file_name: &'a [u8],
    /// Version 3: a type code for each stored field; empty for no table.
    pub field_types: &'a [u8],
    /// Fills gaps: a gap's byte at offset `at` is `padding[at % 8]`. Zero in new releases, left-over memory in 3.1.1 to 10.1.
    pub padding: [u8; 8],
}

impl Default for Header<'_> {
    /// A nameless binary object of version 2, padded with zeros.
    fn default() -> Self {
        Self {
            version: Version::V2,
            layout: Layout::USUAL,
            format_type: 4,
            flags: 1,
            signature: 0,
            format_name: b"",
            field_list: b"",
            print_template: b"",
            source_host: b"",
            file_name: b"",
            field_types: b"",
            padding: [0; 8],
        }
    }
}

/// Why an entry was not taken; the segment is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// It fits into an empty segment, but not into what is left of this one.
    Full,
    /// It fits into no segment of this capacity: Traffic Server drops such entries.
    TooLong {
        /// Bytes of the entry, its header included.
        len: usize,
    },
}

/// Fills one segment after another in a buffer of its own.
#[derive(Clone, Debug)]
pub struct SegmentWriter {
    bytes: Vec<u8>,
    capacity: usize,
    data_at: usize,
    entry_count: u32,
    padding: [u8; 8],
    layout: Layout,
}

impl SegmentWriter {
    /// An empty segment of at most [`DEFAULT_CAPACITY`] bytes, made at `low_timestamp` (Unix seconds).
    pub fn new(header: &Header<'_>, low_timestamp: u32) -> Self {
        Self::with_capacity(header, low_timestamp, DEFAULT_CAPACITY)
    }

    /// An empty segment that takes entries up to `capacity` bytes, its header included.
    pub fn with_capacity(header: &Header<'_>, low_timestamp: u32, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.resize(header.version.header_len(), 0);
        let layout = header.layout;
        let put = |bytes: &mut [u8], at, word| put_u32(bytes, layout.words, at, word);
        put(&mut bytes, at::COOKIE, COOKIE);
        put(&mut bytes, at::VERSION, header.version.number());
        put(&mut bytes, at::FORMAT_TYPE, header.format_type);
        put(&mut bytes, at::FLAGS, header.flags);
        bytes[at::SIGNATURE..at::SIGNATURE + 8].copy_from_slice(&layout.i64_bytes(header.signature as i64));
        let strings =
            [header.format_name, header.field_list, header.print_template, header.source_host, header.file_name];
        for (index, string) in strings.into_iter().enumerate() {
            if string.is_empty() {
                continue;
            }
            let start = bytes.len();
            put(&mut bytes, at::FORMAT_NAME + 4 * index, offset(start));
            bytes.extend_from_slice(string);
            bytes.push(0);
        }
        if header.version == Version::V3 && !header.field_types.is_empty() {
            pad(&mut bytes, 0, 2, header.padding);
            let start = bytes.len();
            put(&mut bytes, at::FIELD_TYPES, offset(start));
            let count = u16::try_from(header.field_types.len()).expect("a format has fewer than 65 536 fields");
            bytes.extend_from_slice(&host_order(layout.writer, count));
            bytes.extend_from_slice(header.field_types);
        }
        pad(&mut bytes, 0, 8, header.padding);
        let data_at = bytes.len();
        put(&mut bytes, at::DATA, offset(data_at));
        let mut writer = Self { bytes, capacity, data_at, entry_count: 0, padding: header.padding, layout };
        writer.restart(low_timestamp);
        writer
    }

    /// Adds an entry that was stored at `seconds` (Unix) and `microseconds` after.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Full`]: finish this segment, restart, and push again. [`EncodeError::TooLong`]: no use.
    pub fn push(&mut self, seconds: i64, microseconds: i32, values: &[Value<'_>]) -> Result<(), EncodeError> {
        let len = self.layout.entries.overhead() + values.iter().map(Value::len).sum::<usize>();
        if self.data_at + len > self.capacity {
            return Err(EncodeError::TooLong { len });
        }
        if self.bytes.len() + len > self.capacity || self.entry_count == MOST_ENTRIES {
            return Err(EncodeError::Full);
        }
        let end = self.bytes.len() + len;
        let (layout, bytes) = (self.layout, &mut self.bytes);
        // A conversion drops the upper half.
        let half = if layout.is_converted() { i64::from(u32::MAX) } else { -1 };
        match layout.entries {
            EntryHeader::E16 => {
                bytes.extend_from_slice(&layout.i64_bytes(seconds & half));
                bytes.extend_from_slice(&layout.words.bytes(microseconds as u32));
            }
            EntryHeader::E24 => {
                bytes.extend_from_slice(&layout.i64_bytes(seconds & half));
                bytes.extend_from_slice(&layout.i64_bytes(i64::from(microseconds) & half));
            }
            EntryHeader::E12 => {
                bytes.extend_from_slice(&layout.words.bytes(seconds as u32));
                bytes.extend_from_slice(&layout.words.bytes(microseconds as u32));
            }
        }
        bytes.extend_from_slice(&layout.words.bytes(offset(len)));
        if layout.entries == EntryHeader::E24 {
            bytes.extend_from_slice(&self.padding[..4]);
        }
        for value in values {
            self.push_value(value);
        }
        // Behind the values after a header of 12 bytes.
        self.bytes.extend_from_slice(&self.padding[..end - self.bytes.len()]);
        self.entry_count += 1;
        Ok(())
    }

    /// Completes the header and gives the whole segment, flushed at `high_timestamp` (Unix seconds).
    pub fn finish(&mut self, high_timestamp: u32) -> &[u8] {
        let byte_count = offset(self.bytes.len());
        put_u32(&mut self.bytes, self.layout.words, at::BYTE_COUNT, byte_count);
        put_u32(&mut self.bytes, self.layout.words, at::ENTRY_COUNT, self.entry_count);
        put_u32(&mut self.bytes, self.layout.words, at::HIGH_TIMESTAMP, high_timestamp);
        &self.bytes
    }

    /// Drops the entries and begins the next segment of the same log object.
    pub fn restart(&mut self, low_timestamp: u32) {
        self.bytes.truncate(self.data_at);
        self.entry_count = 0;
        put_u32(&mut self.bytes, self.layout.words, at::LOW_TIMESTAMP, low_timestamp);
    }

    /// Entries in the segment so far.
    pub fn entry_count(&self) -> u32 {
        self.entry_count
    }

    /// No entry yet; Traffic Server sends no such segment.
    pub fn is_empty(&self) -> bool {
        self.entry_count == 0
    }

    fn push_value(&mut self, value: &Value<'_>) {
        // Values are padded by their own length: behind a header of 12 bytes they begin at 4 of 8.
        let start = self.bytes.len();
        let ints = self.layout.ints;
        match *value {
            Value::Int(value) => self.bytes.extend_from_slice(&ints.bytes(value)),
            Value::Pair(first, second) => {
                self.bytes.extend_from_slice(&ints.bytes(first));
                self.bytes.extend_from_slice(&ints.bytes(second));
            }
            Value::Text(text) => {
                let text = if text.is_empty() { b"-" } else { text };
                self.bytes.extend_from_slice(text);
                self.bytes.push(0);
            }
            Value::EmptyText => self.bytes.push(0),
            Value::Ip(address) => {
                let family: u16 = match address {
                    None => 0,
                    Some(IpAddr::V4(_)) => 2,
                    Some(IpAddr::V6(_)) => 10,
                };
                let order = if ints == Ints::Big { Order::Big } else { Order::Little };
                self.bytes.extend_from_slice(&host_order(order, family));
                pad(&mut self.bytes, start, 4, self.padding);
                match address {
                    None => {}
                    Some(IpAddr::V4(address)) => self.bytes.extend_from_slice(&address.octets()),
                    Some(IpAddr::V6(address)) => self.bytes.extend_from_slice(&address.octets()),
                }
            }
            Value::Raw(bytes) => self.bytes.extend_from_slice(bytes),
        }
        pad(&mut self.bytes, start, 8, self.padding);
    }
}

/// A signature for the log object of `header`, different for every field list, template, file name and kind of file.
///
/// Traffic Server folds an MD5 digest of the same bytes; nothing reads more into it than "the same object".
pub fn signature(header: &Header<'_>) -> u64 {
    let kind: &[u8] = if header.flags & 1 != 0 { b"B" } else { b"A" };
    let parts = [header.field_list, header.print_template, header.file_name, kind];
    // FNV-1a.
    parts
        .into_iter()
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The first message of a connection: the secret, without NUL, behind its length.
pub fn auth_message(secret: &[u8]) -> Vec<u8> {
    message(secret)
}

/// `body`, a secret or a segment, behind its length in that order.
pub fn message_in(order: Order, body: &[u8]) -> Vec<u8> {
    [&order.bytes(offset(body.len())), body].concat()
}

/// `segment` behind its length, as it goes over a connection.
pub fn message(segment: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 + segment.len());
    push_message(&mut out, segment);
    out
}

/// Appends to `out` what [`message`] returns.
pub fn push_message(out: &mut Vec<u8>, segment: &[u8]) {
    out.extend_from_slice(&offset(segment.len()).to_le_bytes());
    out.extend_from_slice(segment);
}

fn put_u32(bytes: &mut [u8], order: Order, at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&order.bytes(value));
}

fn host_order(order: Order, value: u16) -> [u8; 2] {
    if order == Order::Big { value.to_be_bytes() } else { value.to_le_bytes() }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a segment is shorter than 4 GiB")
}

/// Fills up until the bytes from `start` on are a multiple of `multiple`, which is at most 8.
#[inline]
fn pad(bytes: &mut Vec<u8>, start: usize, multiple: usize, padding: [u8; 8]) {
    let len = bytes.len() - start;
    let gap = len.next_multiple_of(multiple) - len;
    let from = len % 8;
    bytes.extend_from_slice(&padding[from..from + gap]);
}

#[cfg(test)]
mod eras;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
