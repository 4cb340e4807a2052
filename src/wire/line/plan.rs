//! Line plans: a format compiled into the steps that take a line apart.
//!
//! A text whose *shape* is known (a number, a date, an address, a name, a word without blanks) is taken as it comes, and the literal
//! behind it must follow. What may be *any* text (a header, a content type, the request line) ends where the literal behind it stands for
//! the first time such that what follows fits as well, up to the next such text, or, behind the last one, up to the end of the line:
//! `"%<{User-Agent}cqh>" %<pssc>` is read right though the header has quotes and blanks in it. That finds a way to read the line if there
//! is one. Where there are several, each such text is as short as can be; only a header made to look like the fields behind it can shift
//! these. The steps taken are bounded by the line's length.

use std::cell::Cell;

use memchr::memmem;

use super::shape::{self, ENTRY_TYPES, Names, RESULTS, ROUTES, Shape};
use crate::wire::fields;
use crate::wire::plan::{CLIENT, Fields, Has, NUMBERS, Number, TEXTS, Text, canonical};
use crate::wire::print::Offset;
use crate::wire::template::Template;

/// Steps that the search for the end of texts may take, for each byte of the line, and for any line.
const STEPS_BYTE: usize = 8;
const STEPS: usize = 1024;

/// Why lines of a format can't be taken apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// There is a newline in the format.
    #[error("the format has a newline in it, so its entries aren't lines")]
    Newline,
    /// Nothing tells where a field ends that is needed.
    #[error("the end of %<{symbol}> can't be told: {} follows it; put a blank between them", next(.literal))]
    Unclear {
        /// The symbol.
        symbol: String,
        /// What stands behind it.
        literal: String,
    },
}

fn next(literal: &str) -> String {
    if literal.is_empty() { "another field".to_owned() } else { format!("{literal:?}") }
}

/// What is done with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Nothing,
    Number(Number, i64),
    Text(Text),
    /// The method and the URL of a request line.
    Request {
        method: bool,
        url: bool,
    },
    Client,
    /// Times this many ms are a part of the start: the first, or the second.
    Start(usize, i64),
}

/// The literal behind a value.
#[derive(Clone, Debug)]
enum Literal {
    /// The line's end.
    End,
    /// The next value follows at once.
    Nothing,
    Byte(u8),
    Bytes(Box<memmem::Finder<'static>>),
}

impl Literal {
    fn new(bytes: &[u8]) -> Self {
        match bytes {
            [] => Self::Nothing,
            [byte] => Self::Byte(*byte),
            _ => Self::Bytes(Box::new(memmem::Finder::new(bytes).into_owned())),
        }
    }

    /// Where it stands first.
    #[inline]
    fn find(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::End => Some(text.len()),
            Self::Nothing => Some(0),
            Self::Byte(byte) => memchr::memchr(*byte, text),
            Self::Bytes(finder) => finder.find(text),
        }
    }

    /// Its length, if the text begins with it.
    #[inline]
    fn begins(&self, text: &[u8]) -> Option<usize> {
        match self {
            Self::End => text.is_empty().then_some(0),
            Self::Nothing => Some(0),
            Self::Byte(byte) => (text.first() == Some(byte)).then_some(1),
            Self::Bytes(finder) => text.starts_with(finder.needle()).then_some(finder.needle().len()),
        }
    }

    fn first(&self) -> Option<u8> {
        match self {
            Self::End | Self::Nothing => None,
            Self::Byte(byte) => Some(*byte),
            Self::Bytes(finder) => finder.needle().first().copied(),
        }
    }
}

#[derive(Clone, Debug)]
struct Step {
    shape: Shape,
    to: To,
    literal: Literal,
}

/// A compiled format.
#[derive(Clone, Debug)]
pub struct LinePlan {
    prefix: Box<[u8]>,
    suffix: Box<[u8]>,
    steps: Vec<Step>,
    has: Has,
    is_aggregate: bool,
    /// Of the machine that writes the log; `None` if it isn't known.
    zone: Option<Zone>,
    /// What the zone said last: lines are close in time.
    offset: Cell<Offset>,
    is_local: bool,
}

/// A time zone: gives the offset at a Unix second, and for how long it holds.
pub type Zone = fn(i64) -> Offset;

const DAY: i64 = 24 * 3600;

/// Symbols of the moment when a transaction began, the best first, with the ms of their unit.
const STARTS: [(&str, i64); 4] = [("cqtq", 1), ("cqts", 1000), ("cqth", 1000), ("cqtn", 1000)];

impl LinePlan {
    /// Compiles a format.
    ///
    /// # Errors
    ///
    /// [`LineError`] if a field that the statistics read can't be told from what is behind it.
    pub fn new(template: &Template) -> Result<Self, LineError> {
        let (Some(prefix), Some(suffix)) = (template.literals.first(), template.literals.last()) else {
            return Err(LineError::Newline);
        };
        if template.literals.iter().any(|literal| literal.contains(&b'\n')) {
            return Err(LineError::Newline);
        }
        let mut plan = Self {
            prefix: prefix.as_slice().into(),
            suffix: suffix.as_slice().into(),
            steps: Vec::new(),
            has: Has::default(),
            is_aggregate: false,
            zone: None,
            offset: Cell::new(Offset { until: i64::MIN, ..Offset::UTC }),
            is_local: false,
        };
        let uses = plan.uses(&template.symbols);
        let last = template.symbols.len() - 1;
        // Texts next to each other that nobody needs are one.
        let mut joined = false;
        for (at, symbol) in template.symbols.iter().enumerate() {
            let mut shape = if joined { Shape::Free } else { Shape::of(symbol) };
            let to = uses[at];
            plan.is_aggregate |= fields::symbol(symbol) == fields::Symbol::Aggregate;
            if matches!(to, To::Nothing) && shape == Shape::Request {
                shape = Shape::Free;
            }
            let behind = template.literals[at + 1].as_slice();
            let of_address = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b':' || *byte == b'.';
            if shape == Shape::Address && behind.first().is_some_and(of_address) && at < last {
                // The first colon needn't be the one behind an IPv6 address.
                shape = Shape::Free;
            }
            let literal = if at == last { Literal::End } else { Literal::new(behind) };
            let is_clear = match literal.first() {
                _ if at == last || shape.fixed_len().is_some() => true,
                None => false,
                Some(byte) => !shape.is_run() || !shape.may_have(byte),
            };
            joined = false;
            if !is_clear {
                let needed = to != To::Nothing || (behind.is_empty() && uses[at + 1] != To::Nothing);
                if needed {
                    let literal = String::from_utf8_lossy(behind).into_owned();
                    return Err(LineError::Unclear { symbol: symbol.clone(), literal });
                }
                if behind.is_empty() {
                    joined = true;
                    continue;
                }
                shape = Shape::Free;
            }
            plan.steps.push(Step { shape, to, literal });
        }
        Ok(plan)
    }

    /// What is done with each symbol; a slice of a text isn't the text.
    fn uses(&mut self, symbols: &[String]) -> Vec<To> {
        let whole = |symbol: &String| fields::without_slice(symbol) == symbol;
        let names: Vec<String> =
            symbols.iter().map(|symbol| if whole(symbol) { canonical(symbol) } else { String::new() }).collect();
        let find = |name: &str| names.iter().position(|known| known == name);
        let mut uses = vec![To::Nothing; symbols.len()];
        for (number, choices) in NUMBERS {
            if let Some((at, factor)) = choices.iter().find_map(|(name, factor)| Some((find(name)?, *factor))) {
                // The number of ms is what is printed as seconds.
                uses[at] = To::Number(number, factor);
                self.has.add_number(number);
            }
        }
        for (text, choices) in TEXTS {
            let Some(at) = choices.iter().find_map(|name| find(name)) else { continue };
            let is_request = names[at] == "cqtx";
            uses[at] = match (text, uses[at]) {
                (Text::Method, _) if is_request => To::Request { method: true, url: false },
                (Text::Url, To::Request { method, .. }) => To::Request { method, url: true },
                (Text::Url, _) if is_request => To::Request { method: false, url: true },
                // Where the URL is the client's own, its host needs no field.
                (Text::Host, To::Text(Text::Url)) => continue,
                _ => To::Text(text),
            };
            self.has.add_text(text);
        }
        if let Some(at) = CLIENT.iter().find_map(|name| find(name)) {
            uses[at] = To::Client;
            self.has.add_client();
        }
        if let Some((at, factor)) = STARTS.iter().find_map(|(name, factor)| Some((find(name)?, *factor))) {
            uses[at] = To::Start(0, factor);
        } else if let (Some(day), Some(clock)) = (find("cqtd"), find("cqtt")) {
            (uses[day], uses[clock]) = (To::Start(0, 1000), To::Start(1, 1000));
            self.is_local = true;
        }
        uses
    }

    /// Sets the time zone of the log's writer. Only `cqtd` and `cqtt` need it; without it lines that have no better time have none.
    #[must_use]
    pub fn in_zone(mut self, zone: Zone) -> Self {
        self.zone = Some(zone);
        self
    }

    /// Which logical fields there are.
    #[inline]
    pub fn has(&self) -> Has {
        self.has
    }

    /// True if lines are sums over transactions, not transactions.
    pub fn is_aggregate(&self) -> bool {
        self.is_aggregate
    }

    /// Does the line fit the format?
    pub fn fits(&self, line: &[u8]) -> bool {
        self.read_into(&mut Fields::default(), line).is_some()
    }

    /// Reads a line, without its newline, into `fields`: those that the same plan has filled before, or empty. `None` if it doesn't fit,
    /// which leaves them in disorder; otherwise the entry's time in ms since the epoch, 0 if it has none.
    ///
    /// A line tells when its transaction began. When it was logged, which is a binary entry's time, is that and its duration.
    #[inline]
    pub fn read_into<'a>(&self, fields: &mut Fields<'a>, line: &'a [u8]) -> Option<u64> {
        let line = line.strip_prefix(&*self.prefix)?.strip_suffix(&*self.suffix)?;
        let mut start = [0; 2];
        let mut left = STEPS_BYTE * line.len() + STEPS;
        let (mut step, mut at) = self.run(0, 0, line, fields, &mut start).ok()?;
        while let Some(free) = self.steps.get(step) {
            let mut from = at;
            (step, at) = loop {
                let end = from + free.literal.find(&line[from..])?;
                let behind = end + free.literal.begins(&line[end..])?;
                // Where it stands here, but what follows doesn't fit, or this isn't what belongs there.
                let looked = match self.run(step + 1, behind, line, fields, &mut start) {
                    Ok(next) if free.to.take(fields, &line[at..end]).is_some() => break next,
                    Ok((_, reached)) => reached - at,
                    Err(reached) => reached - end,
                };
                left = left.checked_sub(looked + 1)?;
                from = end + 1;
                if from > line.len() {
                    return None;
                }
            };
        }
        Some(self.time(start, fields))
    }

    /// Takes values whose shape is known, from step `step` and byte `at` on. Gives the step and the byte where it came to any text, or the
    /// last step and byte; otherwise how far it had to look to know that the line doesn't fit.
    #[inline]
    fn run<'a>(
        &self,
        mut step: usize,
        mut at: usize,
        line: &'a [u8],
        fields: &mut Fields<'a>,
        start: &mut [i64; 2],
    ) -> Result<(usize, usize), usize> {
        while let Some(next) = self.steps.get(step).filter(|next| !next.shape.is_free()) {
            let rest = &line[at..];
            let len = next.take(rest, fields, start).map_err(|looked| at + looked)?;
            at += len;
            at += next.literal.begins(&line[at..]).ok_or(at)?;
            step += 1;
        }
        // Behind the last step there must be nothing, which its literal has seen to.
        Ok((step, at))
    }

    /// How many seconds a local time is ahead of UTC. Of an hour that comes twice, as clocks are set back, it is taken to be the first
    /// time unless lines before it were of the second: the text doesn't tell.
    fn ahead(&self, zone: Zone, local: i64) -> i64 {
        let holds = |offset: &Offset| (offset.from..offset.until).contains(&local.saturating_sub(offset.seconds));
        let known = self.offset.get();
        if holds(&known) {
            return known.seconds;
        }
        // No zone is further from UTC than that: what held then, or what came next.
        let before = zone(local.saturating_sub(DAY));
        let found = match holds(&before) {
            true => before,
            false => zone(before.until),
        };
        self.offset.set(found);
        found.seconds
    }

    #[inline]
    fn time(&self, start: [i64; 2], fields: &Fields<'_>) -> u64 {
        let began = start[0].saturating_add(start[1]);
        if began <= 0 {
            return 0;
        }
        let offset = match (self.is_local, self.zone) {
            (false, _) => 0,
            (true, Some(zone)) => self.ahead(zone, began.div_euclid(1000)).saturating_mul(1000),
            (true, None) => return 0,
        };
        // A number that the format lacks is 0.
        let ended = began.saturating_sub(offset).saturating_add(fields.number(Number::Time).max(0));
        u64::try_from(ended).unwrap_or(0)
    }
}

impl Step {
    /// Takes the value at the start of `rest`; gives its length, or how many bytes had to be looked at to know that it isn't one.
    #[inline]
    fn take<'a>(&self, rest: &'a [u8], fields: &mut Fields<'a>, start: &mut [i64; 2]) -> Result<usize, usize> {
        let number = |value: Option<(i64, usize)>| value.ok_or_else(|| shape::digits(rest));
        match self.shape {
            Shape::Int => number(shape::int(rest)).map(|(value, len)| self.to.number(fields, start, value, len)),
            Shape::Status => number(shape::status(rest)).map(|(value, len)| self.to.number(fields, start, value, len)),
            Shape::Millis => number(shape::millis(rest)).map(|(value, len)| self.to.number(fields, start, value, len)),
            Shape::Hex => number(shape::hex(rest)).map(|(value, len)| self.to.number(fields, start, value, len)),
            Shape::Date => self.fixed(rest, 26, shape::date, fields, start),
            Shape::Day => self.fixed(rest, 10, shape::day, fields, start),
            Shape::Clock => self.fixed(rest, 8, shape::clock, fields, start),
            _ => self.word(rest, fields, start),
        }
    }

    fn fixed<'a>(
        &self,
        rest: &'a [u8],
        len: usize,
        read: impl Fn(&[u8]) -> Option<i64>,
        fields: &mut Fields<'a>,
        start: &mut [i64; 2],
    ) -> Result<usize, usize> {
        let value = rest.get(..len).and_then(read).ok_or(len.min(rest.len()))?;
        Ok(self.to.number(fields, start, value, len))
    }

    /// A value that ends at the literal, and has no blank before that.
    #[inline]
    fn word<'a>(&self, rest: &'a [u8], fields: &mut Fields<'a>, start: &mut [i64; 2]) -> Result<usize, usize> {
        let len = self.literal.find(rest).ok_or(rest.len())?;
        let word = &rest[..len];
        let code = |names: &Names| names.code(word).ok_or(len);
        match self.shape {
            Shape::Result => code(&RESULTS).map(|code| self.to.number(fields, start, code, len)),
            Shape::Route => code(&ROUTES).map(|code| self.to.number(fields, start, code, len)),
            Shape::EntryType => code(&ENTRY_TYPES).map(|code| self.to.number(fields, start, code, len)),
            Shape::Address if self.to == To::Client => {
                fields.set_client(shape::address(word).ok_or(len)?);
                Ok(len)
            }
            Shape::AddressHex if self.to == To::Client => {
                fields.set_client(shape::address_hex(word).ok_or(len)?);
                Ok(len)
            }
            _ => {
                let has_blank = self.literal.first() != Some(b' ') && memchr::memchr(b' ', word).is_some();
                if has_blank {
                    return Err(len);
                }
                self.to.take(fields, word).ok_or(len)?;
                Ok(len)
            }
        }
    }
}

impl To {
    /// Puts a number where it belongs; gives `len` back.
    #[inline]
    fn number(self, fields: &mut Fields<'_>, start: &mut [i64; 2], value: i64, len: usize) -> usize {
        match self {
            Self::Number(number, factor) => fields.set_number(number, value.saturating_mul(factor)),
            Self::Start(part, factor) => start[part] = value.saturating_mul(factor),
            _ => {}
        }
        len
    }

    /// Puts a text where it belongs; `None` if it isn't what belongs there.
    #[inline]
    fn take<'a>(self, fields: &mut Fields<'a>, text: &'a [u8]) -> Option<()> {
        match self {
            Self::Text(to) => fields.set_text(to, text),
            Self::Request { method, url } => {
                // A method has no blank in it, nor has a version; a URL may.
                let (first, last) = (memchr::memchr(b' ', text)?, memchr::memrchr(b' ', text)?);
                if method {
                    fields.set_text(Text::Method, &text[..first]);
                }
                if url {
                    fields.set_text(Text::Url, text.get(first + 1..last)?);
                }
            }
            Self::Client => fields.set_client(shape::address(text)?),
            _ => {}
        }
        Some(())
    }
}
