//! Finding segments in files: whole ones one after another, and the next good one behind damage.
//!
//! An input is a `.blog` file (segments back to back) or a captured stream (a secret, then segments, each behind its length), told
//! apart by the first bytes. A [`Scanner`] is shown the bytes as they are read and says what lies at their start; however the input is cut
//! into reads, it says the same. Its work is linear, whatever the input claims.
//! Source: spec/logbuffer.md 10 ("Our resync rule") and 11, checks 1 to 6.
//!
//! What tells a segment from damage is that its entries fill it exactly and that another follows it. With both, it is taken whatever it
//! holds: a cookie in a payload is legal. With one of them it is taken unless it covers the beginning of another, for then its length is
//! wrong, or bytes of it are missing: whatever happened to one segment, those around it are found.

use std::ops::Range;

use memchr::memmem::Finder;

use super::bytes::u32_at;
use super::segment::{COOKIE, HEADER_LEN, HEADER_LEN_3, at};

/// The longest segment that is taken from a file, unless told otherwise.
pub const SEGMENT_MAX: usize = 64 << 20;

/// Bytes of a frame's length before a segment of a captured stream.
const FRAME: usize = 4;

/// The longest secret of a captured stream: lengths below 2^16 show the order of their bytes (spec/collation-protocol.md 3).
const SECRET_MAX: u32 = 0xffff;

/// What must be seen behind a segment to know whether another begins there: a frame's length, and a cookie.
const AHEAD: usize = FRAME + 4;

/// Both orders of the cookie hold these bytes: `ce fa ce 0a` and `0a ce fa ce`.
const CORE: [u8; 3] = [0xce, 0xfa, 0xce];

/// Header of version 1, which is not read but told from damage: its own offsets (spec/logbuffer.md 2).
mod first {
    pub const HEADER_LEN: usize = 808;
    pub const BYTE_COUNT: usize = 20;
    pub const ENTRY_COUNT: usize = 24;
    pub const DATA: usize = 36;
    /// Size of an entry's header, and where its length is.
    pub const ENTRY: (usize, usize) = (8, 4);
}

/// Size of an entry's header and where its length is, in each layout: E16, E24, E12 (spec/logbuffer.md 6).
const ENTRIES: [(usize, usize); 3] = [(16, 12), (24, 16), (12, 8)];

/// What lies at the start of the bytes; offsets count from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A whole segment. Go on behind it; what lies before it is framing.
    Segment(Range<usize>),
    /// The secret of a captured stream. Go on behind so many bytes.
    Secret(usize),
    /// Damage: so many bytes are no segment. Go on behind them.
    Skip(usize),
    /// The input ends inside a segment: all the rest, so many bytes, is its beginning.
    Cut(usize),
    /// More must be read: so many bytes are needed in all, more than there are.
    Need(usize),
    /// The input is at its end.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the first byte of the input.
    Start,
    /// Where a segment should begin.
    Between,
    /// Anywhere.
    Lost,
    /// At a segment that the input doesn't hold to its end, nor any behind it.
    Last,
}

/// Goes through one input.
#[derive(Clone, Debug)]
pub struct Scanner {
    limit: usize,
    place: Place,
    /// Bytes gone by.
    at: u64,
    /// Below this byte of the input, nothing that is left is a segment.
    refused_to: u64,
    /// The last walk over a claim's entries: where that begins, whether they fill it, and steps.
    walked: Option<(u64, bool, u64)>,
    /// Steps and bytes looked at for claims that were refused.
    in_vain: u64,
    /// Takes a segment that its entries fill before it is known what follows.
    is_eager: bool,
    /// Each segment is behind its length; known from the input's first bytes, or else its first segment.
    framed: Option<bool>,
    core: Finder<'static>,
}

/// A header that may be one.
#[derive(Clone, Copy, Debug)]
struct Claim {
    len: usize,
    entry_count: u32,
    data: usize,
    /// Its cookie is big-endian.
    big: bool,
    version: u32,
    /// Checks 5 and 6 hold, too.
    sound: bool,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// A segment of so many bytes.
    Whole(usize),
    /// None.
    No,
    /// So many bytes are needed, counted from its first one, to tell.
    Need(usize),
    /// The input ends before it does.
    Past,
}

impl Scanner {
    /// For an input from its first byte; `limit` bounds the bytes of a segment.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            place: Place::Start,
            at: 0,
            refused_to: 0,
            walked: None,
            in_vain: 0,
            is_eager: false,
            framed: None,
            core: Finder::new(&CORE),
        }
    }

    /// The same for an input that somebody still writes: its last segment doesn't wait until it is known what follows. (Where bytes of it are
    /// missing, this may cost the next one.)
    pub fn live(limit: usize) -> Self {
        Self { is_eager: true, ..Self::new(limit) }
    }

    /// For an input that is entered anywhere, perhaps inside a segment.
    #[must_use]
    pub fn inside(self) -> Self {
        Self { place: Place::Lost, ..self }
    }

    /// What lies at the start of `bytes`, which begin where the last answer said to go on; `is_end` if the input has no more.
    pub fn next(&mut self, bytes: &[u8], is_end: bool) -> Found {
        let found = self.look(bytes, is_end);
        match &found {
            Found::Segment(range) => {
                self.at += range.end as u64;
                self.place = Place::Between;
            }
            Found::Secret(len) | Found::Skip(len) | Found::Cut(len) => self.at += *len as u64,
            Found::Need(_) | Found::End => {}
        }
        found
    }

    fn look(&mut self, bytes: &[u8], is_end: bool) -> Found {
        if bytes.is_empty() {
            return if is_end { Found::End } else { Found::Need(1) };
        }
        if self.place == Place::Start
            && let Some(found) = self.start(bytes, is_end)
        {
            return found;
        }
        if self.place == Place::Between
            && let Some(found) = self.between(bytes, is_end)
        {
            return found;
        }
        if self.place == Place::Last {
            return Found::Cut(bytes.len());
        }
        let expected = self.place == Place::Between;
        self.place = Place::Lost;
        self.search(bytes, is_end, expected)
    }

    /// Tells a stream from a log; `None`: go on from here.
    fn start(&mut self, bytes: &[u8], is_end: bool) -> Option<Found> {
        let missing = |len: usize| (!is_end && bytes.len() < len).then_some(Found::Need(len));
        if let Some(need) = missing(4) {
            return Some(need);
        }
        self.place = Place::Between;
        let secret = u32_at(bytes, 0).and_then(|word| {
            [word, word.swap_bytes()].into_iter().find(|len| (1..=SECRET_MAX).contains(len)).map(|len| len as usize)
        })?;
        if let Some(need) = missing(FRAME + secret + FRAME + at::ENTRY_COUNT) {
            self.place = Place::Start;
            return Some(need);
        }
        let behind = bytes.get(FRAME + secret..)?;
        let is_cut = is_end && behind.len() < FRAME + at::ENTRY_COUNT && begins(behind, true);
        if is_cut || (is_cookie(behind, FRAME) && is_frame_of(behind, FRAME)) {
            self.framed = Some(true);
            return Some(Found::Secret(FRAME + secret));
        }
        None
    }

    /// A segment should begin here, or its frame; `None`: it doesn't.
    fn between(&mut self, bytes: &[u8], is_end: bool) -> Option<Found> {
        let needed = if is_cookie(bytes, 0) { 4 } else { AHEAD };
        if bytes.len() < needed {
            return if !is_end {
                Some(Found::Need(needed))
            } else {
                begins(bytes, self.framed == Some(true)).then_some(Found::Cut(bytes.len()))
            };
        }
        let head = if needed == 4 {
            0
        } else if is_cookie(bytes, FRAME) {
            FRAME
        } else {
            return None;
        };
        match self.judge(bytes, head, is_end, false) {
            Verdict::Whole(len) if head == 0 || self.has_frame(bytes, head) => {
                self.framed.get_or_insert(head > 0);
                Some(Found::Segment(head..head + len))
            }
            Verdict::Need(len) => Some(Found::Need(head + len)),
            Verdict::No => {
                self.refuse(head);
                None
            }
            // The search knows what to do with the bytes before it, or with those behind an end that never comes.
            Verdict::Whole(_) | Verdict::Past => None,
        }
    }

    /// The next segment at any offset; one that is `expected` at the start needs no sound header.
    fn search(&mut self, bytes: &[u8], is_end: bool, expected: bool) -> Found {
        let mut from = self.refused_to.saturating_sub(self.at) as usize;
        let mut cut = None;
        while let Some(at) = self.cookie(bytes, from) {
            // The frame of a segment that is cut before its length may be one.
            let is_cut_short =
                expected && self.framed == Some(true) && at == FRAME && bytes.len() < at + at::ENTRY_COUNT;
            let head = if is_cut_short || self.has_frame(bytes, at) { FRAME } else { 0 };
            // So much is damage, whatever becomes of this cookie; its frame may not be known yet.
            let before = if claim(&bytes[at..], self.limit).is_err() { at.saturating_sub(FRAME) } else { at - head };
            let verdict = self.judge(bytes, at, is_end, !(expected && at == head));
            if cut.is_none() && before > 0 && matches!(verdict, Verdict::Whole(_) | Verdict::Need(_)) {
                return Found::Skip(before);
            }
            match verdict {
                Verdict::Whole(_) if at > head => return Found::Skip(at - head),
                Verdict::Whole(len) => {
                    self.framed.get_or_insert(head > 0);
                    return Found::Segment(at..at + len);
                }
                Verdict::Need(len) => return Found::Need(at + len),
                Verdict::Past => {
                    cut.get_or_insert(at - head);
                    from = at + 1;
                }
                Verdict::No => {
                    from = at + 1;
                    if cut.is_none() {
                        self.refuse(at);
                    }
                }
            }
        }
        match cut {
            Some(0) => Found::Cut(bytes.len()),
            Some(at) => {
                self.place = Place::Last;
                Found::Skip(at)
            }
            None if is_end => Found::Skip(bytes.len()),
            // A frame and the beginning of a cookie may be at the very end.
            None if bytes.len() < AHEAD => Found::Need(AHEAD),
            None => Found::Skip(bytes.len() + 1 - AHEAD),
        }
    }

    /// Offset of the first cookie of either order, from an offset on.
    fn cookie(&self, bytes: &[u8], from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            at += self.core.find(bytes.get(at..)?)?;
            if at > from && bytes[at - 1] == 0x0a {
                return Some(at - 1);
            }
            if bytes.get(at + 3) == Some(&0x0a) {
                return Some(at);
            }
            at += 1;
        }
    }

    /// True if the bytes before the header at `at` are its frame.
    fn has_frame(&self, bytes: &[u8], at: usize) -> bool {
        self.framed != Some(false) && at >= FRAME && is_frame_of(bytes, at)
    }

    fn refuse(&mut self, at: usize) {
        self.refused_to = self.refused_to.max(self.at + at as u64 + 1);
    }

    /// Is the cookie at `at` that of a segment? A `strict` look wants all of checks 1 to 6.
    fn judge(&mut self, bytes: &[u8], at: usize, is_end: bool, strict: bool) -> Verdict {
        let body = &bytes[at..];
        let claim = match claim(body, self.limit) {
            Ok(Some(claim)) if claim.sound || !strict => claim,
            Ok(_) => return Verdict::No,
            Err(_) if is_end => return Verdict::Past,
            Err(len) => return Verdict::Need(len),
        };
        let Some(behind) = body.get(claim.len..) else {
            return if is_end { Verdict::Past } else { Verdict::Need(claim.len) };
        };
        let is_filled = self.is_filled(body, &claim, at);
        let next = if self.framed.unwrap_or(self.has_frame(bytes, at)) { FRAME } else { 0 };
        let is_followed = match behind.len() {
            AHEAD.. => is_cookie(behind, next),
            // The beginning of a frame may be anything: it shows nothing.
            _ if is_end => behind.is_empty() || (behind.len() > next && begins(&behind[next..], false)),
            _ if is_filled && self.is_eager => return Verdict::Whole(claim.len),
            _ => return Verdict::Need(claim.len + AHEAD),
        };
        let another = match (is_filled, is_followed) {
            (true, true) => Ok(false),
            (false, false) => Ok(true),
            _ if self.is_spent(at) => Ok(false),
            _ => self.covers_another(body, &claim, is_end, is_filled),
        };
        match another {
            Ok(false) => Verdict::Whole(claim.len),
            Ok(true) => {
                self.in_vain += self.walked.map_or(0, |(.., steps)| steps);
                Verdict::No
            }
            Err(len) => Verdict::Need(len),
        }
    }

    /// Claims may lie one over another: work in vain is paid for by the bytes gone by, so that all of it stays linear.
    fn is_spent(&self, at: usize) -> bool {
        self.in_vain > self.at + (at + self.limit) as u64
    }

    /// Do the entries of the claim at `at`, whose bytes `body` begins with, fill it exactly?
    fn is_filled(&mut self, body: &[u8], claim: &Claim, at: usize) -> bool {
        let place = self.at + at as u64;
        if let Some((walked, is_filled, _)) = self.walked
            && walked == place
        {
            return is_filled;
        }
        let (is_filled, steps) = if self.is_spent(at) { (false, 0) } else { walk(&body[..claim.len], claim) };
        self.walked = Some((place, is_filled, steps));
        is_filled
    }

    /// Does a segment that its entries fill begin inside the claim? One that fits into it is payload if the claim itself `is_filled`. `Err`
    /// says how many bytes it takes to tell.
    fn covers_another(&mut self, body: &[u8], claim: &Claim, is_end: bool, is_filled: bool) -> Result<bool, usize> {
        // Its cookie may reach over the end.
        let inside = &body[..body.len().min(claim.len + CORE.len())];
        let (mut from, mut steps, mut covers) = (1, 0, Ok(false));
        while let (Some(at), Ok(false)) = (self.cookie(inside, from), covers) {
            let rest = &body[at..];
            from = at + 1;
            match self::claim(rest, self.limit) {
                Ok(Some(other)) if other.sound && !is_filled || at + other.len > claim.len => {
                    if other.len <= rest.len() {
                        let walked = walk(&rest[..other.len], &other);
                        steps += walked.1;
                        covers = Ok(walked.0);
                    } else if !is_end {
                        covers = Err(at + other.len);
                    }
                }
                Err(len) if !is_end => covers = Err(at + len),
                _ => {}
            }
        }
        if covers == Ok(true) {
            self.in_vain += claim.len as u64 + steps;
        }
        covers
    }
}

/// Do a claim's entries end where it does? And the steps that it took to see.
fn walk(segment: &[u8], claim: &Claim) -> (bool, u64) {
    let layouts: &[_] = if claim.version == 1 { &[first::ENTRY] } else { &ENTRIES };
    let mut steps = 0;
    for &layout in layouts {
        let walked = walk_in(segment, claim, layout);
        steps += walked.1;
        if walked.0 {
            return (true, steps);
        }
    }
    (false, steps)
}

/// The same for one layout: the size of an entry's header, and where its length is.
fn walk_in(segment: &[u8], claim: &Claim, (header, len_at): (usize, usize)) -> (bool, u64) {
    let (mut at, mut steps) = (claim.data, 0);
    while steps < u64::from(claim.entry_count) {
        steps += 1;
        let len = u32_at(segment, at.saturating_add(len_at)).map_or(0, |len| in_order(len, claim.big) as usize);
        if len < header || !len.is_multiple_of(8) || len > segment.len() - at {
            return (false, steps);
        }
        at += len;
    }
    (at == segment.len(), steps + 1)
}

/// Reads the header at the start of `bytes`, which hold a cookie. `Err` says how many bytes it takes; `None` is no header.
fn claim(bytes: &[u8], limit: usize) -> Result<Option<Claim>, usize> {
    let big = u32_at(bytes, 0).is_some_and(|cookie| cookie != COOKIE);
    let word = |at: usize, len: usize| u32_at(bytes, at).map(|word| in_order(word, big)).ok_or(len);
    let version = word(at::VERSION, HEADER_LEN)?;
    let (header, byte_count, entry_count, data) = match version {
        1 => (first::HEADER_LEN, first::BYTE_COUNT, first::ENTRY_COUNT, first::DATA),
        3 => (HEADER_LEN_3, at::BYTE_COUNT, at::ENTRY_COUNT, at::DATA),
        _ => (HEADER_LEN, at::BYTE_COUNT, at::ENTRY_COUNT, at::DATA),
    };
    // Refused as soon as it shows: what is no header must not wait for the rest of it.
    let len = word(byte_count, HEADER_LEN)? as usize;
    if !(header..=limit).contains(&len) {
        return Ok(None);
    }
    if bytes.len() < header {
        return Err(header);
    }
    let (entry_count, data) = (word(entry_count, header)?, word(data, header)? as usize);
    let has_data = (header..=len).contains(&data) && data.is_multiple_of(8);
    let strings = [at::FORMAT_NAME, at::FIELD_LIST, at::PRINTF, at::SOURCE_HOST, at::FILE_NAME];
    let has_strings = version == 1
        || strings
            .into_iter()
            .all(|at| word(at, header).is_ok_and(|offset| offset == 0 || (header..len).contains(&(offset as usize))));
    // A walk from outside would be no walk.
    let data = if has_data { data } else { len };
    let entry_count = if has_data { entry_count } else { u32::MAX };
    Ok(Some(Claim { len, entry_count, data, big, version, sound: has_data && has_strings }))
}

fn in_order(word: u32, big: bool) -> u32 {
    if big { word.swap_bytes() } else { word }
}

/// True if a cookie of either order is at `at`.
fn is_cookie(bytes: &[u8], at: usize) -> bool {
    u32_at(bytes, at).is_some_and(|word| word == COOKIE || word.swap_bytes() == COOKIE)
}

/// True if the 4 bytes before the header at `at` are its frame: the same length again.
fn is_frame_of(bytes: &[u8], at: usize) -> bool {
    match (u32_at(bytes, at - FRAME), u32_at(bytes, at + at::BYTE_COUNT)) {
        (Some(frame), Some(len)) => frame == len,
        _ => false,
    }
}

/// True if these last bytes of an input may be the beginning of a segment, or of its frame.
fn begins(rest: &[u8], framed: bool) -> bool {
    let is_prefix = |of: &[u8]| {
        let len = of.len().min(4);
        of[..len] == COOKIE.to_le_bytes()[..len] || of[..len] == COOKIE.to_be_bytes()[..len]
    };
    is_prefix(rest) || (framed && rest.get(FRAME..).is_none_or(is_prefix))
}

#[cfg(test)]
mod tests;
