//! Segments in the bytes of a file, also of a damaged one.
//!
//! A `.blog` file is segments one after the other; a captured stream has the secret and before each segment its length. Where
//! something else lies, it is skipped up to the next segment, and counted: spec/logbuffer.md 10 and 11.
//!
//! A cookie alone proves nothing: it may lie inside a payload, and a damaged header claims any length. A segment is *sound* if its
//! header is plausible and its entries end exactly where it does. What is not sound is believed only if no sound one lies inside what
//! it claims, and if something good follows it. All work is linear in the bytes, whatever they are.

use std::ops::Range;

use super::segment::{HEADER_LEN, HEADER_LEN_3, at};

/// The longest segment that is looked for.
pub const SEGMENT_MAX: usize = 64 << 20;

/// The longest secret at the head of a captured stream.
const SECRET_MAX: usize = 1024;

/// Bytes that must be seen to judge a header.
const HEAD: usize = HEADER_LEN_3;

/// Steps over entries: paid for by bytes that were consumed, so that no input makes them cost more than it is long.
const STEPS: usize = 1 << 16;
const BYTES_FOR_A_STEP: usize = 4;

/// Header of version 1, which no reader here supports: enough to step over it.
mod version_1 {
    pub const HEADER_LEN: usize = 808;
    pub const BYTE_COUNT: usize = 20;
    pub const DATA: usize = 36;
}

/// What lies at the start of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A whole segment of `len` bytes, after `framing` bytes: a secret, a length.
    Segment {
        /// Bytes before it that belong to a stream's framing.
        framing: usize,
        /// Its length.
        len: usize,
    },
    /// So many bytes are no segment.
    Skip(usize),
    /// So many bytes are the beginning of a segment, and the input ends there.
    Cut(usize),
    /// That can't be told before there are so many bytes.
    Need(usize),
    /// Nothing is left.
    End,
}

/// Looks for segments; one for each input.
#[derive(Clone, Debug)]
pub struct Scanner {
    is_first: bool,
    is_eager: bool,
    segment_max: usize,
    /// Bytes consumed so far: the offset in the input of what is shown next.
    offset: u64,
    /// No sound segment begins at these offsets.
    weak: Range<u64>,
    steps: usize,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new(SEGMENT_MAX)
    }
}

impl Scanner {
    /// At the start of an input whose segments have at most `segment_max` bytes.
    pub fn new(segment_max: usize) -> Self {
        Self { is_first: true, is_eager: false, segment_max, offset: 0, weak: 0..0, steps: STEPS }
    }

    /// For an input that grows: a segment is given as soon as it is there, not when something follows it.
    #[must_use]
    pub fn eager(self) -> Self {
        Self { is_eager: true, ..self }
    }

    /// In the middle of an input, `offset` bytes from its start.
    #[must_use]
    pub fn from_offset(self, offset: u64) -> Self {
        Self { is_first: offset == 0, offset, weak: offset..offset, ..self }
    }

    /// Bytes consumed so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Looks at `bytes`, which begin where the last find ended; `is_end` if nothing comes behind them. A find consumes what it tells of,
    /// [`Found::Need`] and [`Found::End`] nothing.
    pub fn next(&mut self, bytes: &[u8], is_end: bool) -> Found {
        if bytes.is_empty() {
            return if is_end { Found::End } else { Found::Need(HEAD) };
        }
        let found = self.look(bytes, is_end);
        let used = match found {
            Found::Segment { framing, len } => framing + len,
            Found::Skip(len) | Found::Cut(len) => len,
            Found::Need(_) | Found::End => return found,
        };
        self.is_first = false;
        self.offset += used as u64;
        self.steps = self.steps.saturating_add(used / BYTES_FOR_A_STEP).min(STEPS + SEGMENT_MAX);
        found
    }

    fn look(&mut self, bytes: &[u8], is_end: bool) -> Found {
        // The framing of a stream, unless a segment begins at once.
        let framing = match framing(bytes, self.is_first, is_end) {
            Framing::Of(len) => len,
            Framing::Need(needed) => return Found::Need(needed),
        };
        let head = match Head::read(&bytes[framing..], self.segment_max) {
            Ok(head) => head,
            Err(Unread::Short) if !is_end => return Found::Need(framing + HEAD),
            Err(Unread::Short) if order(&bytes[framing..]).is_some() => return Found::Cut(bytes.len()),
            Err(_) => return self.skip(bytes, is_end),
        };
        let end = framing + head.len;
        let whole = Found::Segment { framing, len: head.len };
        let (mut is_sound, mut ends_well) = (false, None);
        if bytes.len() >= end {
            let is_known_weak = self.weak.contains(&(self.offset + framing as u64));
            is_sound = !is_known_weak && head.is_sound(&bytes[framing..end], &mut self.steps);
            ends_well = self.good_end(&bytes[end..], is_end);
            if ends_well.is_none() {
                return Found::Need(end + 4 + HEAD);
            }
            if is_sound && ends_well == Some(true) {
                return whole;
            }
        }
        // Damaged, or its end has not come: a sound one that begins inside tells that its length is wrong.
        match self.sound_inside(bytes, framing + 4..bytes.len().min(end)) {
            Inside::Sound(at) => return skip_to(bytes, at, is_end),
            Inside::Reaches(needed) if !is_end => return Found::Need(needed.max(end)),
            _ => {}
        }
        if bytes.len() < end {
            return if is_end { Found::Cut(bytes.len()) } else { Found::Need(end) };
        }
        if is_sound || ends_well == Some(true) { whole } else { self.skip(bytes, is_end) }
    }

    /// Does something good follow a segment: the end, or another? `None` if that can't be told yet.
    fn good_end(&self, behind: &[u8], is_end: bool) -> Option<bool> {
        if behind.is_empty() {
            return (is_end || self.is_eager).then_some(true);
        }
        if order(behind).is_some() {
            return Some(!matches!(Head::read(behind, self.segment_max), Err(Unread::Wrong)));
        }
        match behind.get(4..8) {
            Some(cookie) => Some(order(cookie).is_some()),
            // Too little for a length and a cookie.
            None => is_end.then_some(false),
        }
    }

    /// Skips up to the next cookie behind the first bytes.
    fn skip(&self, bytes: &[u8], is_end: bool) -> Found {
        match cookie(bytes, 1) {
            Some(at) => skip_to(bytes, at, is_end),
            None if is_end => Found::Skip(bytes.len()),
            // The last may be the beginning of a length and a cookie.
            None if bytes.len() > 7 => Found::Skip(bytes.len() - 7),
            None => Found::Need(HEAD),
        }
    }

    /// The first sound segment that begins in a range.
    fn sound_inside(&mut self, bytes: &[u8], range: Range<usize>) -> Inside {
        let start = self.offset + range.start as u64;
        if !(self.weak.start..=self.weak.end).contains(&start) {
            self.weak = start..start;
        }
        let mut from = usize::try_from(self.weak.end - self.offset).unwrap_or(usize::MAX).max(range.start);
        let mut reaches = 0;
        while let Some(at) = cookie(bytes, from).filter(|at| *at < range.end) {
            match Head::read(&bytes[at..], self.segment_max) {
                Ok(head) if bytes.len() - at >= head.len => {
                    if head.is_sound(&bytes[at..at + head.len], &mut self.steps) {
                        return Inside::Sound(at);
                    }
                }
                // It is judged when it is whole.
                Ok(head) => reaches = reaches.max(at + head.len),
                Err(Unread::Short) => reaches = reaches.max(at + HEAD),
                Err(Unread::Wrong) => {}
            }
            from = at + 1;
            if reaches == 0 {
                self.weak.end = self.weak.end.max(self.offset + from as u64);
            }
        }
        if reaches > 0 {
            return Inside::Reaches(reaches);
        }
        let seen = range.end.saturating_sub(3).max(range.start);
        self.weak.end = self.weak.end.max(self.offset + seen as u64);
        Inside::Nothing
    }
}

enum Inside {
    /// A sound segment begins there.
    Sound(usize),
    /// None is sound, but one is not whole before so many bytes.
    Reaches(usize),
    Nothing,
}

enum Framing {
    Of(usize),
    Need(usize),
}

/// Bytes of a stream's framing before a segment: a length, and at the start of the input the secret before it.
fn framing(bytes: &[u8], is_first: bool, is_end: bool) -> Framing {
    if order(bytes).is_some() {
        return Framing::Of(0);
    }
    let short = |needed: usize| if is_end { Framing::Of(0) } else { Framing::Need(needed) };
    let Some(word) = bytes.first_chunk::<4>() else { return short(HEAD) };
    let lengths = [u32::from_le_bytes(*word), u32::from_be_bytes(*word)];
    if bytes.len() < 4 + HEAD && lengths.iter().any(|len| *len as usize <= SEGMENT_MAX) {
        return short(4 + HEAD);
    }
    if is_length_of(&bytes[4..], lengths) {
        return Framing::Of(4);
    }
    if is_first {
        for secret in lengths.map(|len| len as usize).into_iter().filter(|len| (1..=SECRET_MAX).contains(len)) {
            if bytes.len() < 4 + secret + 4 + HEAD && !is_end {
                return Framing::Need(4 + secret + 4 + HEAD);
            }
            let rest = bytes.get(4 + secret..).unwrap_or_default();
            let Some(word) = rest.first_chunk::<4>() else { continue };
            if is_length_of(&rest[4..], [u32::from_le_bytes(*word), u32::from_be_bytes(*word)]) {
                return Framing::Of(4 + secret + 4);
            }
        }
    }
    Framing::Of(0)
}

/// Skips up to a cookie, but for the length before it in a stream.
fn skip_to(bytes: &[u8], at: usize, is_end: bool) -> Found {
    let Some(word) = at.checked_sub(4).and_then(|length| bytes[length..].first_chunk::<4>()) else {
        return Found::Skip(at);
    };
    if bytes.len() - at < HEAD && !is_end {
        // It can't be told yet.
        return if at > 4 { Found::Skip(at - 4) } else { Found::Need(at + HEAD) };
    }
    let is_framed = at > 4 && is_length_of(&bytes[at..], [u32::from_le_bytes(*word), u32::from_be_bytes(*word)]);
    Found::Skip(if is_framed { at - 4 } else { at })
}

/// Does a segment of one of these lengths begin here?
fn is_length_of(bytes: &[u8], lengths: [u32; 2]) -> bool {
    order(bytes).is_some_and(|order| {
        let at = if order.word(bytes, at::VERSION) == Some(1) { version_1::BYTE_COUNT } else { at::BYTE_COUNT };
        order.word(bytes, at).is_some_and(|len| lengths.contains(&len))
    })
}

/// Byte order of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    #[inline]
    fn word(self, bytes: &[u8], at: usize) -> Option<u32> {
        let word = *bytes.get(at..)?.first_chunk()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(word),
            Self::Big => u32::from_be_bytes(word),
        })
    }
}

/// The order of the cookie at the start of `bytes`.
#[inline]
fn order(bytes: &[u8]) -> Option<Order> {
    match bytes.first_chunk()? {
        [0xce, 0xfa, 0xce, 0x0a] => Some(Order::Little),
        [0x0a, 0xce, 0xfa, 0xce] => Some(Order::Big),
        _ => None,
    }
}

/// Where the next cookie of either order begins, at `from` or behind.
fn cookie(bytes: &[u8], from: usize) -> Option<usize> {
    // 0xfa is rare in logs, and both orders have it.
    for found in memchr::memchr_iter(0xfa, bytes.get(from..)?) {
        let at = from + found;
        let starts = [at.checked_sub(1), at.checked_sub(2)];
        if let Some(start) =
            starts.into_iter().flatten().filter(|start| *start >= from).find(|start| order(&bytes[*start..]).is_some())
        {
            return Some(start);
        }
    }
    None
}

/// A header that may be one.
#[derive(Clone, Copy, Debug)]
struct Head {
    order: Order,
    len: usize,
    data: usize,
    entry_count: u32,
    version: u32,
}

enum Unread {
    /// There are too few bytes to tell.
    Short,
    /// It is none.
    Wrong,
}

impl Head {
    fn read(bytes: &[u8], segment_max: usize) -> Result<Self, Unread> {
        if bytes.len() < 4 {
            return Err(Unread::Short);
        }
        let order = order(bytes).ok_or(Unread::Wrong)?;
        let word = |at| order.word(bytes, at).ok_or(Unread::Short);
        let version = word(at::VERSION)?;
        let (header_len, len, data) = match version {
            1 => (version_1::HEADER_LEN, word(version_1::BYTE_COUNT)?, word(version_1::DATA)?),
            2 => (HEADER_LEN, word(at::BYTE_COUNT)?, word(at::DATA)?),
            3..=255 => (HEADER_LEN_3, word(at::BYTE_COUNT)?, word(at::DATA)?),
            _ => return Err(Unread::Wrong),
        };
        let (len, data, entry_count) = (len as usize, data as usize, word(at::ENTRY_COUNT)?);
        let is_plausible = len >= header_len
            && len <= segment_max
            && data >= header_len
            && data <= len
            && (version == 1 || (data.is_multiple_of(8) && entry_count as usize <= (len - data) / Layout::SHORTEST));
        if is_plausible { Ok(Self { order, len, data, entry_count, version }) } else { Err(Unread::Wrong) }
    }

    /// Do its entries end exactly where it does? `segment` is the whole of it.
    fn is_sound(&self, segment: &[u8], steps: &mut usize) -> bool {
        // Of versions that are not read only the header tells.
        if !(2..=3).contains(&self.version) {
            return false;
        }
        Layout::ALL.iter().any(|layout| self.walks(segment, layout, steps))
    }

    fn walks(&self, segment: &[u8], layout: &Layout, steps: &mut usize) -> bool {
        let mut at = self.data;
        for _ in 0..self.entry_count {
            if *steps == 0 {
                return false;
            }
            *steps -= 1;
            let usec = self.order.word(segment, at + layout.usec);
            let Some(len) = self.order.word(segment, at + layout.len).map(|len| len as usize) else { return false };
            let is_entry = len >= layout.header && len.is_multiple_of(8) && usec.is_some_and(|usec| usec < 1_000_000);
            if !is_entry || len > self.len - at {
                return false;
            }
            at += len;
        }
        self.entry_count > 0 && at == self.len
    }
}

/// Where an entry's header has its length and microseconds (spec/logbuffer.md 6).
struct Layout {
    header: usize,
    usec: usize,
    len: usize,
}

impl Layout {
    const SHORTEST: usize = 12;
    const ALL: [Self; 3] = [
        Self { header: 16, usec: 8, len: 12 },
        Self { header: 24, usec: 8, len: 16 },
        Self { header: 12, usec: 4, len: 8 },
    ];
}

#[cfg(test)]
mod tests;
