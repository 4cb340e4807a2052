//! Encoding: values become entries, entries a segment, segments the messages of a collation connection.
//!
//! It writes what Traffic Server 3.1.4 and later send and store: little-endian, entry headers of 16 bytes, segment
//! versions 2 and 3. Source: `LogBuffer.h` and `LogCollationBase.h` in Traffic Server.
//! A [`SegmentWriter`] keeps its buffer, so an entry costs no allocation.

use std::net::IpAddr;

use super::segment::{COOKIE, ENTRY_HEADER_LEN, HEADER_LEN, HEADER_LEN_3, at};

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
        put_u32(&mut bytes, at::COOKIE, COOKIE);
        put_u32(&mut bytes, at::VERSION, header.version.number());
        put_u32(&mut bytes, at::FORMAT_TYPE, header.format_type);
        put_u32(&mut bytes, at::FLAGS, header.flags);
        bytes[at::SIGNATURE..at::SIGNATURE + 8].copy_from_slice(&header.signature.to_le_bytes());
        let strings =
            [header.format_name, header.field_list, header.print_template, header.source_host, header.file_name];
        for (index, string) in strings.into_iter().enumerate() {
            if string.is_empty() {
                continue;
            }
            let start = bytes.len();
            put_u32(&mut bytes, at::FORMAT_NAME + 4 * index, offset(start));
            bytes.extend_from_slice(string);
            bytes.push(0);
        }
        if header.version == Version::V3 && !header.field_types.is_empty() {
            pad_to(&mut bytes, 2, header.padding);
            let start = bytes.len();
            put_u32(&mut bytes, at::FIELD_TYPES, offset(start));
            let count = u16::try_from(header.field_types.len()).expect("a format has fewer than 65 536 fields");
            bytes.extend_from_slice(&count.to_le_bytes());
            bytes.extend_from_slice(header.field_types);
        }
        pad_to(&mut bytes, 8, header.padding);
        let data_at = bytes.len();
        put_u32(&mut bytes, at::DATA, offset(data_at));
        let mut writer = Self { bytes, capacity, data_at, entry_count: 0, padding: header.padding };
        writer.restart(low_timestamp);
        writer
    }

    /// Adds an entry that was stored at `seconds` (Unix) and `microseconds` after.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Full`]: finish this segment, restart, and push again. [`EncodeError::TooLong`]: no use.
    pub fn push(&mut self, seconds: i64, microseconds: i32, values: &[Value<'_>]) -> Result<(), EncodeError> {
        let len = ENTRY_HEADER_LEN + values.iter().map(Value::len).sum::<usize>();
        if self.data_at + len > self.capacity {
            return Err(EncodeError::TooLong { len });
        }
        if self.bytes.len() + len > self.capacity || self.entry_count == MOST_ENTRIES {
            return Err(EncodeError::Full);
        }
        self.bytes.extend_from_slice(&seconds.to_le_bytes());
        self.bytes.extend_from_slice(&microseconds.to_le_bytes());
        self.bytes.extend_from_slice(&offset(len).to_le_bytes());
        for value in values {
            self.push_value(value);
        }
        self.entry_count += 1;
        Ok(())
    }

    /// Completes the header and gives the whole segment, flushed at `high_timestamp` (Unix seconds).
    pub fn finish(&mut self, high_timestamp: u32) -> &[u8] {
        let byte_count = offset(self.bytes.len());
        put_u32(&mut self.bytes, at::BYTE_COUNT, byte_count);
        put_u32(&mut self.bytes, at::ENTRY_COUNT, self.entry_count);
        put_u32(&mut self.bytes, at::HIGH_TIMESTAMP, high_timestamp);
        &self.bytes
    }

    /// Drops the entries and begins the next segment of the same log object.
    pub fn restart(&mut self, low_timestamp: u32) {
        self.bytes.truncate(self.data_at);
        self.entry_count = 0;
        put_u32(&mut self.bytes, at::LOW_TIMESTAMP, low_timestamp);
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
        match *value {
            Value::Int(value) => self.bytes.extend_from_slice(&value.to_le_bytes()),
            Value::Pair(first, second) => {
                self.bytes.extend_from_slice(&first.to_le_bytes());
                self.bytes.extend_from_slice(&second.to_le_bytes());
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
                self.bytes.extend_from_slice(&family.to_le_bytes());
                pad_to(&mut self.bytes, 4, self.padding);
                match address {
                    None => {}
                    Some(IpAddr::V4(address)) => self.bytes.extend_from_slice(&address.octets()),
                    Some(IpAddr::V6(address)) => self.bytes.extend_from_slice(&address.octets()),
                }
            }
            Value::Raw(bytes) => self.bytes.extend_from_slice(bytes),
        }
        pad_to(&mut self.bytes, 8, self.padding);
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

fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("a segment is shorter than 4 GiB")
}

/// Fills up to the next multiple of `multiple`, which is at most 8.
#[inline]
fn pad_to(bytes: &mut Vec<u8>, multiple: usize, padding: [u8; 8]) {
    let from = bytes.len();
    let gap = from.next_multiple_of(multiple) - from;
    let start = from % 8;
    bytes.extend_from_slice(&padding[start..start + gap]);
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn u32_at(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    fn minimal() -> Header<'static> {
        Header {
            signature: 0x1122_3344_5566_7788,
            format_name: b"min",
            field_list: b"chi,pssc,cqhm",
            print_template: b"\xff \xff \xff",
            source_host: b"edge1",
            file_name: b"min.blog",
            ..Header::default()
        }
    }

    /// collation-protocol.md 10.
    #[test]
    fn writes_the_worked_example_byte_for_byte() {
        let mut writer = SegmentWriter::new(&minimal(), 1_700_000_000);
        let values = [Value::Ip(Some(Ipv4Addr::new(192, 0, 2, 10).into())), Value::Int(200), Value::Text(b"GET")];
        writer.push(1_700_000_000, 250_000, &values).unwrap();
        let expected = [
            "90000000",
            "ceface0a020000000400000090000000",
            "0100000000f1536503f1536501000000",
            "88776655443322114000000044000000",
            "52000000580000005e00000068000000",
            "6d696e006368692c707373632c637168",
            "6d00ff20ff20ff006564676531006d69",
            "6e2e626c6f67000000f1536500000000",
            "90d003002800000002000000c000020a",
            "c8000000000000004745540000000000",
        ]
        .concat();
        let sent: String = message(writer.finish(1_700_000_003)).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sent, expected);
        assert_eq!(auth_message(b"foobar"), b"\x06\0\0\0foobar");
    }

    /// The first segment of ats-8.1-collation-squid and ats-10.2-v3-squid, as their headers read.
    #[test]
    fn lays_out_headers_as_traffic_server_does() {
        let squid = Header {
            format_name: b"squid",
            field_list: b"cqtq,ttms,chi,crc,pssc,psql,cqhm,cquc,caun,phr,shn,psct",
            print_template: b"\xff \xff \xff \xff/\xff \xff \xff \xff \xff \xff/\xff \xff",
            source_host: b"edge-01.example.net",
            file_name: b"squid.blog",
            ..Header::default()
        };
        let writer = SegmentWriter::new(&squid, 0);
        let offsets: Vec<u32> = (40..64).step_by(4).map(|at| u32_at(&writer.bytes, at)).collect();
        assert_eq!(offsets, [0x40, 0x46, 0x7e, 0x96, 0xaa, 0xb8]);

        let third = Header {
            version: Version::V3,
            source_host: b"edge-v10.example.net",
            file_name: b"squid_v3.blog",
            field_types: &[1, 1, 4, 1, 1, 1, 3, 3, 3, 1, 3, 3],
            ..squid
        };
        let writer = SegmentWriter::new(&third, 0);
        let offsets: Vec<u32> = (40..72).step_by(4).map(|at| u32_at(&writer.bytes, at)).collect();
        assert_eq!(offsets, [72, 78, 134, 158, 179, 208, 194, 0]);
        assert_eq!(writer.bytes[194..208], [12, 0, 1, 1, 4, 1, 1, 1, 3, 3, 3, 1, 3, 3]);
    }

    #[test]
    fn every_value_takes_the_bytes_it_says() {
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into();
        let cases: &[(Value<'_>, &[u8])] = &[
            (Value::Int(-1), b"\xff\xff\xff\xff\xff\xff\xff\xff"),
            (Value::Pair(1, 2), b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"),
            (Value::Text(b""), b"-\0aaaaaa"),
            (Value::Text(b"1234567"), b"1234567\0"),
            (Value::Text(b"12345678"), b"12345678\0aaaaaaa"),
            (Value::EmptyText, b"\0aaaaaaa"),
            (Value::Ip(None), b"\0\0aaaaaa"),
            (Value::Ip(Some(Ipv4Addr::new(1, 2, 3, 4).into())), b"\x02\0aa\x01\x02\x03\x04"),
            (Value::Ip(Some(v6)), b"\x0a\0aa\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01aaaa"),
            (Value::Raw(b"123456789"), b"123456789aaaaaaa"),
            (Value::Raw(b""), b""),
        ];
        for (value, bytes) in cases {
            let header = Header { padding: *b"aaaaaaaa", ..Header::default() };
            let mut writer = SegmentWriter::new(&header, 0);
            writer.push(7, 8, &[*value]).unwrap();
            let segment = writer.finish(0);
            assert_eq!(&segment[64 + 16..], *bytes, "{value:?}");
            assert_eq!(value.len(), bytes.len(), "{value:?}");
            assert_eq!(u32_at(segment, 64 + 12) as usize, 16 + bytes.len());
        }
    }

    #[test]
    fn a_full_segment_refuses_and_goes_on_after_a_restart() {
        let mut writer = SegmentWriter::with_capacity(&minimal(), 1, 104 + 40);
        let value = [Value::Text(b"0123456789")];
        assert_eq!(writer.push(1, 0, &value), Ok(()));
        assert_eq!(writer.push(1, 0, &value), Err(EncodeError::Full));
        assert_eq!(writer.push(1, 0, &[Value::Raw(&[0; 32])]), Err(EncodeError::TooLong { len: 48 }));
        assert_eq!(writer.finish(2).len(), 104 + 32);
        writer.restart(3);
        assert!(writer.is_empty());
        assert_eq!(writer.push(4, 0, &value), Ok(()));
        let segment = writer.finish(5);
        assert_eq!(u32_at(segment, 20), 3);
        assert_eq!(u32_at(segment, 24), 5);
        assert_eq!(u32_at(segment, 16), 1);
    }

    #[test]
    fn entries_stop_where_the_writers_counter_ends() {
        let mut writer = SegmentWriter::with_capacity(&Header::default(), 0, 2 << 20);
        for _ in 0..65_535 {
            writer.push(0, 0, &[]).unwrap();
        }
        assert_eq!(writer.push(0, 0, &[]), Err(EncodeError::Full));
    }

    #[test]
    fn objects_differ_in_their_signature() {
        let one = minimal();
        let text = Header { flags: 0, ..one.clone() };
        let other = Header { file_name: b"other.blog", ..one.clone() };
        assert_ne!(signature(&one), signature(&text));
        assert_ne!(signature(&one), signature(&other));
        assert_eq!(signature(&one), signature(&one.clone()));
    }
}
