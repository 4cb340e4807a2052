//! Segments in the bytes of a file, also of a damaged one.
//!
//! A `.blog` file is segments one after the other; a captured stream has the secret and before each segment its length. Where
//! something else lies, it is skipped up to the next segment, and counted: spec/logbuffer.md 10 and 11.
//!
//! A cookie alone proves nothing: it may lie inside a payload, and a damaged header claims any length. A segment is *sound* if its
//! header is plausible and its entries end exactly where it does. What is not sound is believed only if no sound one lies inside what
//! it claims, and if something good follows it. All work is linear in the bytes, whatever they are.
//!
//! Where reads end changes nothing: what can't be told yet is waited for, and walks over entries go on where they stopped.

use std::ops::Range;

use super::bytes::u32_at;
use super::layout::{EntryHeader, Layout, Order};
use super::segment::{self, HEADER_LEN, HEADER_LEN_3, at};

/// The longest segment that is looked for.
pub const SEGMENT_MAX: usize = 64 << 20;

/// The longest secret at the head of a captured stream.
const SECRET_MAX: usize = 1024;

/// Bytes that must be seen to judge a header.
const HEAD: usize = HEADER_LEN_3;

/// Steps over entries: paid for by bytes that were consumed, so that no input makes them cost more than it is long.
const STEPS: u64 = 1 << 16;
const BYTES_FOR_A_STEP: u64 = 4;

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
    /// The walk over the segment that is shown next, and over one inside of it.
    outer: Walk,
    inner: Walk,
    /// Steps that were taken.
    steps: u64,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new(SEGMENT_MAX)
    }
}

impl Scanner {
    /// At the start of an input whose segments have at most `segment_max` bytes.
    pub fn new(segment_max: usize) -> Self {
        let (outer, inner) = (Walk::NONE, Walk::NONE);
        Self { is_first: true, is_eager: false, segment_max, offset: 0, weak: 0..0, outer, inner, steps: 0 }
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
        let verdict = self.outer_verdict(&head, &bytes[framing..bytes.len().min(end)], self.offset + framing as u64);
        if verdict == Verdict::Open && !is_end {
            return Found::Need(end);
        }
        let is_sound = verdict == Verdict::Sound;
        let ends_well = match bytes.get(end..) {
            Some(behind) => match self.good_end(behind, is_end) {
                None => return Found::Need(end + 4 + HEAD),
                Some(true) if is_sound => return whole,
                told => told,
            },
            None => None,
        };
        // Damaged, it or what follows: a sound one that begins inside tells that its length is wrong. If it is sound itself, only one that
        // also reaches out of it does: bytes of it are missing. Others are payload.
        let behind = if is_sound { end } else { 0 };
        match self.sound_inside(bytes, framing + 4..bytes.len().min(end), behind, is_end) {
            Inside::Sound(at) => return skip_to(bytes, at, is_end),
            Inside::Open(needed) => return Found::Need(needed),
            Inside::Nothing => {}
        }
        match ends_well {
            Some(good) if good || is_sound => whole,
            Some(_) => self.skip(bytes, is_end),
            None if is_end => Found::Cut(bytes.len()),
            None => Found::Need(end),
        }
    }

    /// Is the segment at `offset` sound, as far as it is there?
    fn outer_verdict(&mut self, head: &Head, segment: &[u8], offset: u64) -> Verdict {
        if self.outer.offset != offset {
            if self.weak.contains(&offset) {
                return Verdict::Unsound;
            }
            // Perhaps it was found inside of the one before.
            let inner = std::mem::replace(&mut self.inner, Walk::NONE);
            self.outer = if inner.offset == offset { inner } else { Walk::new(offset, head) };
        }
        self.outer.on(head, segment, &mut self.steps, STEPS + self.offset / BYTES_FOR_A_STEP)
    }

    /// Does something good follow a segment: the end, or another? `None` if that can't be told yet.
    fn good_end(&self, behind: &[u8], is_end: bool) -> Option<bool> {
        if behind.is_empty() {
            return (is_end || self.is_eager).then_some(true);
        }
        if order(behind).is_some() {
            return match Head::read(behind, self.segment_max) {
                Ok(_) => Some(true),
                Err(Unread::Short) => (is_end || self.is_eager).then_some(true),
                Err(Unread::Wrong) => Some(false),
            };
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

    /// The first sound segment that begins in a range and ends behind a place.
    fn sound_inside(&mut self, bytes: &[u8], range: Range<usize>, behind: usize, is_end: bool) -> Inside {
        let start = self.offset + range.start as u64;
        if !(self.weak.start..=self.weak.end).contains(&start) {
            self.weak = start..start;
        }
        let mut from = usize::try_from(self.weak.end - self.offset).unwrap_or(usize::MAX).max(range.start);
        while let Some(at) = cookie(bytes, from).filter(|at| *at < range.end) {
            let offset = self.offset + at as u64;
            let (verdict, needed) = match Head::read(&bytes[at..], self.segment_max) {
                Ok(head) if at + head.len <= behind => (Verdict::Unsound, 0),
                Ok(head) => {
                    if self.inner.offset != offset {
                        self.inner = Walk::new(offset, &head);
                    }
                    let limit = STEPS + self.offset / BYTES_FOR_A_STEP;
                    let segment = &bytes[at..bytes.len().min(at + head.len)];
                    (self.inner.on(&head, segment, &mut self.steps, limit), at + head.len)
                }
                Err(Unread::Short) => (Verdict::Open, at + HEAD),
                Err(Unread::Wrong) => (Verdict::Unsound, 0),
            };
            match verdict {
                Verdict::Sound => return Inside::Sound(at),
                Verdict::Open if !is_end => return Inside::Open(needed),
                Verdict::Open | Verdict::Unsound => {}
            }
            from = at + 1;
            self.weak.end = self.weak.end.max(self.offset + from as u64);
        }
        // The last bytes may be the beginning of a cookie.
        let seen = range.end.saturating_sub(3).max(range.start);
        self.weak.end = self.weak.end.max(self.offset + seen as u64);
        Inside::Nothing
    }
}

enum Inside {
    /// A sound segment begins there.
    Sound(usize),
    /// That can't be told before there are so many bytes.
    Open(usize),
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
        let at = if order.u32_at(bytes, at::VERSION) == Some(1) { version_1::BYTE_COUNT } else { at::BYTE_COUNT };
        order.u32_at(bytes, at).is_some_and(|len| len as usize <= SEGMENT_MAX && lengths.contains(&len))
    })
}

/// The order of the cookie at the start of `bytes`.
#[inline]
fn order(bytes: &[u8]) -> Option<Order> {
    u32_at(bytes, 0).and_then(segment::order)
}

/// Where the next cookie of either order begins, at `from` or behind.
fn cookie(bytes: &[u8], from: usize) -> Option<usize> {
    // 0xfa is rare in logs, and both orders have it.
    for found in memchr::memchr_iter(0xfa, bytes.get(from..)?) {
        let at = from + found;
        // Two may overlap: the first one counts, as it does if the other isn't whole yet.
        let starts = [at.checked_sub(2), at.checked_sub(1)];
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
        let word = |at| order.u32_at(bytes, at).ok_or(Unread::Short);
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
            && (version == 1
                || (data.is_multiple_of(8) && entry_count as usize <= (len - data) / EntryHeader::E12.values_at()));
        if is_plausible { Ok(Self { order, len, data, entry_count, version }) } else { Err(Unread::Wrong) }
    }
}

/// Do a segment's entries end exactly where it does?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Sound,
    Unsound,
    /// As far as they are there.
    Open,
}

/// A walk over the entries of a segment: in one layout after the other, until one comes out at the end.
#[derive(Clone, Debug)]
struct Walk {
    /// Where in the input the segment begins.
    offset: u64,
    /// The layout, by its place among the candidates, the entry that is next, and how many are left.
    layout: usize,
    at: usize,
    left: u32,
}

impl Walk {
    const NONE: Self = Self { offset: u64::MAX, layout: 0, at: 0, left: 0 };

    fn new(offset: u64, head: &Head) -> Self {
        Self { offset, layout: 0, at: head.data, left: head.entry_count }
    }

    /// Walks on over what is there of the segment. Once `limit` steps were taken, nothing is sound any more.
    fn on(&mut self, head: &Head, segment: &[u8], steps: &mut u64, limit: u64) -> Verdict {
        // Of versions that are not read only the header tells.
        if !(2..=3).contains(&head.version) || head.entry_count == 0 {
            return Verdict::Unsound;
        }
        for layout in Layout::candidates(head.order).skip(self.layout) {
            // Nearly all segments are of the usual layout: their walk is compiled for it alone.
            let told = match layout {
                Layout::USUAL => self.by(Layout::USUAL, head, segment, steps, limit),
                layout => self.by(layout, head, segment, steps, limit),
            };
            match told {
                Verdict::Unsound => *self = Self { layout: self.layout + 1, ..Self::new(self.offset, head) },
                told => return told,
            }
        }
        Verdict::Unsound
    }

    #[inline(always)]
    fn by(&mut self, layout: Layout, head: &Head, segment: &[u8], steps: &mut u64, limit: u64) -> Verdict {
        let is_whole = segment.len() == head.len;
        while self.left > 0 {
            let Some(entry) = segment.get(self.at..).and_then(|rest| layout.entry_head(rest)) else {
                return if is_whole { Verdict::Unsound } else { Verdict::Open };
            };
            if *steps >= limit || !entry.is_sound(layout.entries, head.len - self.at) {
                return Verdict::Unsound;
            }
            *steps += 1;
            self.at += entry.len;
            self.left -= 1;
        }
        match self.at == head.len {
            true if is_whole => Verdict::Sound,
            true => Verdict::Open,
            false => Verdict::Unsound,
        }
    }
}

#[cfg(test)]
mod tests;
