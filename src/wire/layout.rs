//! Layouts: how a segment's header, the headers of its entries and the integers among its values are stored.
//!
//! All of it changed under the same segment version, and nothing says so: spec/logbuffer.md 6 for files, spec/collation-protocol.md 3 for
//! what eras A to C did to a segment before they sent it. The order of the header's words shows in the cookie; the rest is found by
//! walking the entries ([`Layout::of`]) and by values that can have few meanings ([`super::era`]).

use super::bytes::{i32_at, i64_at, u32_at};

/// How the integers among an entry's values are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ints {
    /// 8 bytes, little-endian: every writer on the processors in use, since 2.1.1.
    #[default]
    Little,
    /// 8 bytes, big-endian: a writer on a big-endian processor.
    Big,
    /// 4 bytes, big-endian, and 4 of zero: 2.0.0 to 2.1.0.
    Short,
}

impl Ints {
    /// The integer at `at`, if its 8 bytes are wholly inside.
    #[inline]
    pub fn at(self, bytes: &[u8], at: usize) -> Option<i64> {
        Some(self.value(*bytes.get(at..)?.first_chunk()?))
    }

    /// The integer of these bytes.
    #[inline]
    pub fn value(self, bytes: [u8; 8]) -> i64 {
        match self {
            Self::Little => i64::from_le_bytes(bytes),
            Self::Big => i64::from_be_bytes(bytes),
            // The low half only.
            Self::Short => i64::from_be_bytes(bytes) >> 32 & 0xffff_ffff,
        }
    }

    /// The 8 bytes of an integer; [`Ints::Short`] keeps its low half.
    #[inline]
    pub fn bytes(self, value: i64) -> [u8; 8] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
            Self::Short => (value << 32).to_be_bytes(),
        }
    }

    /// The family at the start of an address value, in the writer's own order; `None` if it is cut.
    #[inline]
    pub fn family(self, bytes: &[u8]) -> Option<u16> {
        let bytes = *bytes.first_chunk()?;
        Some(if self == Self::Big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }
}

/// Order of the bytes of an integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The lowest byte first.
    #[default]
    Little,
    /// The highest byte first.
    Big,
}

impl Order {
    /// The `u32` at `at`, if it is wholly inside.
    #[inline]
    pub fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        let value = u32_at(bytes, at)?;
        Some(if self == Self::Big { value.swap_bytes() } else { value })
    }

    /// The 4 bytes of an integer.
    #[inline]
    pub fn bytes(self, value: u32) -> [u8; 4] {
        if self == Self::Big { value.to_be_bytes() } else { value.to_le_bytes() }
    }
}

/// The header of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EntryHeader {
    /// 16 bytes: i64 seconds, i32 microseconds, u32 length; 3.1.2 and later.
    #[default]
    E16,
    /// 24 bytes: i64 seconds, i64 microseconds, u32 length, 4 of padding; until 3.1.1, 64-bit builds.
    E24,
    /// 12 bytes: i32 seconds, i32 microseconds, u32 length; until 3.1.1, 32-bit builds.
    E12,
}

impl EntryHeader {
    /// Bytes of the header: where, in an entry, the values begin.
    #[inline]
    pub const fn values_at(self) -> usize {
        match self {
            Self::E16 => 16,
            Self::E24 => 24,
            Self::E12 => 12,
        }
    }

    /// Bytes of an entry that aren't values. Entries are padded to a multiple of 8, so behind the values that follow 12 bytes come 4 of none.
    #[inline]
    pub const fn overhead(self) -> usize {
        self.values_at().next_multiple_of(8)
    }

    /// Where the length is.
    #[inline]
    pub const fn len_at(self) -> usize {
        match self {
            Self::E16 => 12,
            Self::E24 => 16,
            Self::E12 => 8,
        }
    }
}

/// How a segment stores its integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Layout {
    /// The 32-bit words of the header and of the headers of entries.
    pub words: Order,
    /// The writer's processor. If it differs from `words`, the segment was converted for the wire: all integers of headers, 32 bits at a
    /// time, so that a 64-bit one has its low half first, then its high half (in an entry's header: zero).
    pub writer: Order,
    /// The headers of entries.
    pub entries: EntryHeader,
    /// The integers among the values.
    pub ints: Ints,
}

/// What an entry's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryHead {
    /// Unix seconds.
    pub seconds: i64,
    /// Microseconds of that second; what doesn't fit is the greatest or the least.
    pub usec: i32,
    /// Bytes of the entry, its header included, as sent.
    pub len: usize,
}

/// The most microseconds that an entry's header can say.
const USEC_MAX: i32 = 999_999;

impl Layout {
    /// As a file of a 64-bit little-endian machine has it, from 3.1.2 on, and its collation stream from 3.1.4 on.
    pub const USUAL: Self =
        Self { words: Order::Little, writer: Order::Little, entries: EntryHeader::E16, ints: Ints::Little };

    /// The layout of entries that begin at `data`, of a header in this order that claims `count` of them. Of the integers among the values it
    /// takes the writer's own form: headers don't show whether they are [`Ints::Short`].
    ///
    /// The first is taken in which the walk comes out exactly at the end; damaged segments may have none, then the one that gets furthest.
    #[inline]
    pub fn of(words: Order, data: &[u8], count: u32) -> Self {
        // Nearly all segments are of this kind, and other entries read so have a length of 0, or a time before 1970 or after 2106.
        let usual = Self { words, ..Self::USUAL };
        if words == Order::Little
            && let Some(first) = usual.entry_head(data)
            && first.is_sound(usual.entries, data.len())
            && u32::try_from(first.seconds).is_ok()
        {
            return usual;
        }
        Self::by_walking(words, data, count)
    }

    /// All layouts of a header in this order, the likeliest first; of the integers among the values the writer's own form.
    pub(super) fn candidates(words: Order) -> impl Iterator<Item = Self> {
        use EntryHeader::{E12, E16, E24};
        use Order::{Big, Little};
        let kinds: &[(EntryHeader, Order)] = match words {
            Little => &[(E16, Little), (E24, Little), (E12, Little)],
            // In the 4 bytes and 4 of a converted segment and of a big-endian writer, the time is in the other half.
            Big => &[(E16, Little), (E16, Big), (E24, Little), (E24, Big), (E12, Little)],
        };
        kinds
            .iter()
            .map(move |&(entries, writer)| Self { words, writer, entries, ints: Ints::Little }.with_writer(writer))
    }

    #[cold]
    fn by_walking(words: Order, data: &[u8], count: u32) -> Self {
        let mut best = (0, Self { words, writer: words, ..Self::USUAL });
        for layout in Self::candidates(words) {
            let (walked, all) = layout.walked(data, count);
            if all {
                return layout;
            }
            if walked > best.0 {
                best = (walked, layout);
            }
        }
        best.1.with_writer(best.1.writer)
    }

    /// The same of a writer of that order, whose integers are of 8 bytes.
    pub fn with_writer(self, writer: Order) -> Self {
        Self { writer, ints: if writer == Order::Big { Ints::Big } else { Ints::Little }, ..self }
    }

    /// How many of `count` entries can be walked, and whether these are all, and end exactly at the end.
    fn walked(self, data: &[u8], count: u32) -> (u32, bool) {
        let mut rest = data;
        for walked in 0..count {
            let sound = self.entry_head(rest).filter(|head| head.is_sound(self.entries, rest.len()));
            let Some(head) = sound else { return (walked, false) };
            // A conversion leaves no upper half.
            if self.is_converted() && self.entries != EntryHeader::E12 && rest[4..8] != [0; 4] {
                return (walked, false);
            }
            rest = &rest[head.len..];
        }
        (count, rest.is_empty())
    }

    /// Did the sender change the integers of headers before sending?
    #[inline]
    pub fn is_converted(self) -> bool {
        self.words != self.writer
    }

    /// Reads the header at the start of `bytes`; `None` if it is cut.
    #[inline]
    pub fn entry_head(self, bytes: &[u8]) -> Option<EntryHead> {
        if self.words == Order::Little && self.entries == EntryHeader::E16 {
            let header = bytes.first_chunk::<16>()?;
            let (seconds, usec) = (i64_at(header, 0)?, i32_at(header, 8)?);
            return Some(EntryHead { seconds, usec, len: u32_at(header, 12)? as usize });
        }
        self.other_entry_head(bytes)
    }

    #[cold]
    fn other_entry_head(self, bytes: &[u8]) -> Option<EntryHead> {
        let header = bytes.get(..self.entries.values_at())?;
        let word = |at| self.words.u32_at(header, at);
        let long = |at| self.i64_at(header, at);
        let (seconds, usec) = match self.entries {
            EntryHeader::E16 => (long(0)?, word(8)? as i32),
            EntryHeader::E24 => (long(0)?, long(8)?.clamp(i32::MIN.into(), i32::MAX.into()) as i32),
            EntryHeader::E12 => (i64::from(word(0)? as i32), word(4)? as i32),
        };
        Some(EntryHead { seconds, usec, len: word(self.entries.len_at())? as usize })
    }

    /// A 64-bit integer of a header.
    pub fn i64_at(self, bytes: &[u8], at: usize) -> Option<i64> {
        let low_first = self.writer == Order::Little;
        let (first, second) = (self.words.u32_at(bytes, at)?, self.words.u32_at(bytes, at + 4)?);
        let (low, high) = if low_first { (first, second) } else { (second, first) };
        Some((u64::from(high) << 32 | u64::from(low)) as i64)
    }

    /// The 8 bytes of a 64-bit integer of a header.
    pub fn i64_bytes(self, value: i64) -> [u8; 8] {
        let (low, high) = (self.words.bytes(value as u32), self.words.bytes((value >> 32) as u32));
        let [a, b] = if self.writer == Order::Little { [low, high] } else { [high, low] };
        [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]]
    }
}

impl EntryHead {
    /// Can an entry of that length be, with `room` bytes from its start to the segment's end? A length of 0 would be an endless loop.
    #[inline]
    pub fn fits(&self, entries: EntryHeader, room: usize) -> bool {
        self.len >= entries.overhead() && self.len.is_multiple_of(8) && self.len <= room
    }

    /// The same, at a time of day that can be.
    #[inline]
    pub(super) fn is_sound(&self, entries: EntryHeader, room: usize) -> bool {
        self.fits(entries, room) && (0..=USEC_MAX).contains(&self.usec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_its_bytes() {
        let bytes = [0, 0, 0, 200, 0, 0, 0, 0, 1];
        assert_eq!(Ints::Short.at(&bytes, 0), Some(200));
        assert_eq!(Ints::Little.at(&bytes, 1), Some(0x0100_0000_00c8_0000));
        assert_eq!(Ints::Big.at(&bytes, 1), Some(0xc800_0000_0001));
        assert_eq!(Ints::Big.at(&bytes, 2), None);
        for ints in [Ints::Little, Ints::Big, Ints::Short] {
            assert_eq!(ints.at(&ints.bytes(0x1234_5678), 0), Some(0x1234_5678), "{ints:?}");
        }
        assert_eq!(Ints::Short.bytes(200), [0, 0, 0, 200, 0, 0, 0, 0]);
    }

    #[test]
    fn long_integers_are_converted_by_halves() {
        use Order::{Big, Little};
        let layout = |words, writer| Layout { words, ..Layout::USUAL }.with_writer(writer);
        let cases = [
            (layout(Little, Little), [0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]),
            (layout(Big, Little), [0x55, 0x66, 0x77, 0x88, 0x11, 0x22, 0x33, 0x44]),
            (layout(Big, Big), [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]),
        ];
        for (layout, bytes) in cases {
            assert_eq!(layout.i64_bytes(0x1122_3344_5566_7788), bytes, "{layout:?}");
            assert_eq!(layout.i64_at(&bytes, 0), Some(0x1122_3344_5566_7788), "{layout:?}");
            assert_eq!(layout.i64_at(&bytes[..7], 0), None);
        }
    }
}
