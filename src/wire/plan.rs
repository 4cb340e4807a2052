//! Plans: a field list compiled into the steps that read what is counted and skip the rest.

use super::bytes::{align8, nul_in_word, text_len, text_len_ahead};
use super::fields::{self, Framing};
use super::layout::Ints;
use super::value::{address_of_number, address_of_text, ip_len, list_len, split_address, stored_len};

/// What the statistics read of an entry, by logical field (spec/statistics.md 1). A number that the format lacks is 0, a text empty;
/// [`Plan::has`] tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// In the order of its bytes: a number stays in registers, where an array is put together in memory.
    client: Option<u128>,
    numbers: [i64; NUMBERS.len()],
    texts: [&'a [u8]; TEXTS.len()],
}

impl<'a> Fields<'a> {
    /// Client address, IPv4 as mapped; `None` for none.
    #[inline]
    pub fn client(&self) -> Option<[u8; 16]> {
        self.client.map(u128::to_ne_bytes)
    }

    /// A number, in the unit of [`Number`].
    #[inline]
    pub fn number(&self, number: Number) -> i64 {
        self.numbers[number as usize]
    }

    /// A text.
    #[inline]
    pub fn text(&self, text: Text) -> &'a [u8] {
        self.texts[text as usize]
    }
}

/// Logical fields that are integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Number {
    /// Cache result code: `crc`.
    Result,
    /// Status sent to the client: `pssc`.
    Status,
    /// Bytes sent to the client: `psql`, else `pscl`.
    Bytes,
    /// Bytes of the origin's response body: `sscl`.
    OriginBytes,
    /// Duration of the transaction in ms: `ttms`, else `ttmsf`, else `tts`.
    Time,
    /// Hierarchy route: `phr`.
    Route,
    /// Entry type, 1 is inter-cache: `etype`.
    EntryType,
}

/// Logical fields that are texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Text {
    /// Request method: `cqhm`, else the one inside `cqtx`.
    Method,
    /// URL: `cquc`, `pquc`, `cqu` (`pqu` since 10.0), `cquuc`, the one inside `cqtx`.
    Url,
    /// Server or parent asked: `shn`, else `pqsn`.
    Server,
    /// Content type, with parameters if it comes from the header: `psct`, else `{Content-Type}psh`.
    ContentType,
    /// Host that the client asked for, or a URL with it: `cquuh`, `cquuc`, `{Host}cqh`. Lacking where [`Text::Url`] is that very field.
    Host,
    /// Authenticated user: `caun`.
    User,
}

/// Which logical fields a format has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Has(u16);

impl Has {
    const CLIENT: u16 = 1 << 15;

    fn number(number: Number) -> u16 {
        1 << number as u16
    }

    fn text(text: Text) -> u16 {
        1 << (8 + text as u16)
    }

    /// Does it have that number?
    #[inline]
    pub fn has_number(self, number: Number) -> bool {
        self.0 & Self::number(number) != 0
    }

    /// Does it have that text?
    #[inline]
    pub fn has_text(self, text: Text) -> bool {
        self.0 & Self::text(text) != 0
    }

    /// Does it have the client's address?
    #[inline]
    pub fn has_client(self) -> bool {
        self.0 & Self::CLIENT != 0
    }
}

/// What a text line's fields are filled with (`line`).
impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn set_client(&mut self, client: Option<[u8; 16]>) {
        self.client = client.map(u128::from_ne_bytes);
    }

    #[inline]
    pub(super) fn set_number(&mut self, number: Number, value: i64) {
        self.numbers[number as usize] = value;
    }

    #[inline]
    pub(super) fn set_text(&mut self, text: Text, value: &'a [u8]) {
        self.texts[text as usize] = value;
    }
}

impl Has {
    pub(super) fn add_client(&mut self) {
        self.0 |= Self::CLIENT;
    }

    pub(super) fn add_number(&mut self, number: Number) {
        self.0 |= Self::number(number);
    }

    pub(super) fn add_text(&mut self, text: Text) {
        self.0 |= Self::text(text);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Skip(usize),
    SkipText,
    SkipIp,
    SkipOther(Framing),
    /// The scheme of the URL. Traffic Server 7.1 to 9.2 stores 8 bytes too many behind the value `UNKNOWN`.
    Scheme,
    Number(Number),
    /// One behind so many bytes that are skipped.
    NumberAfter(usize, Number),
    /// Neighbours.
    Numbers2([Number; 2]),
    Numbers3([Number; 3]),
    /// In another unit: times this.
    Scaled(Number, i64),
    Text(Text),
    Client,
    /// Until 2.1.4.
    ClientNumber,
    /// From 2.1.5 to 3.1.0.
    ClientText,
    /// To the entry's end, unread.
    Rest,
}

/// A compiled field list.
#[derive(Clone, Debug)]
pub struct Plan {
    steps: Vec<Step>,
    framings: Vec<Framing>,
    ints: Ints,
    has: Has,
    has_scheme: bool,
}

/// For each logical field the symbols that can fill it, the best first, with the factor to its unit.
pub(super) const NUMBERS: [(Number, &[(&str, i64)]); 7] = [
    (Number::Result, &[("crc", 1)]),
    (Number::Status, &[("pssc", 1)]),
    (Number::Bytes, &[("psql", 1), ("pscl", 1)]),
    (Number::OriginBytes, &[("sscl", 1)]),
    (Number::Time, &[("ttms", 1), ("ttmsf", 1), ("tts", 1000)]),
    (Number::Route, &[("phr", 1)]),
    (Number::EntryType, &[("etype", 1)]),
];
pub(super) const TEXTS: [(Text, &[&str]); 6] = [
    (Text::Method, &["cqhm", "cqtx"]),
    (Text::Url, &["cquc", "pquc", "cqu", "pqu", "cquuc", "cqtx"]),
    (Text::Server, &["shn", "pqsn"]),
    (Text::ContentType, &["psct", "{content-type}psh"]),
    // Behind the URL's, which it leaves its field to.
    (Text::Host, &["cquuh", "cquuc", "{host}cqh"]),
    (Text::User, &["caun"]),
];
pub(super) const CLIENT: [&str; 2] = ["chi", "chih"];

impl Plan {
    /// Compiles a field list whose symbols store values in these framings, one for each symbol, with integers in the usual form.
    pub fn new(field_list: &str, framings: &[Framing]) -> Self {
        Self::with_ints(field_list, framings, Ints::Little)
    }

    /// Compiles a field list whose symbols store values in these framings, one for each symbol, and integers in that form.
    pub fn with_ints(field_list: &str, framings: &[Framing], ints: Ints) -> Self {
        let names: Vec<String> = field_list.split(',').map(canonical).collect();
        // The symbol that fills a logical field: the best one that is stored; the first of several alike.
        let read = framings.iter().position(|framing| *framing == Framing::Rest).unwrap_or(names.len());
        let find = |symbol: &str| (0..read).find(|&at| names[at] == symbol && framings[at] != Framing::Absent);
        let mut numbers = Vec::new();
        for (number, symbols) in NUMBERS {
            let best = symbols.iter().find_map(|(symbol, factor)| Some((find(symbol)?, *factor)));
            numbers
                .extend(best.filter(|(at, _)| framings[*at] == Framing::Int).map(|(at, factor)| (at, number, factor)));
        }
        let mut texts = Vec::new();
        for (text, symbols) in TEXTS {
            let best = symbols.iter().find_map(|symbol| find(symbol));
            let best = best.filter(|&at| text != Text::Host || !texts.contains(&(at, Text::Url)));
            texts.extend(best.map(|at| (at, text)));
        }
        let client = CLIENT.iter().find_map(|symbol| find(symbol));

        let mut plan =
            Self { steps: Vec::new(), framings: framings.to_vec(), ints, has: Has::default(), has_scheme: false };
        for (at, framing) in framings.iter().enumerate() {
            let text = |wanted: Text| texts.iter().any(|&(of, text)| of == at && text == wanted);
            match framing {
                Framing::Absent => {}
                Framing::Int if client == Some(at) => plan.push(Step::ClientNumber),
                Framing::Int => match numbers.iter().find(|(of, ..)| *of == at) {
                    Some(&(_, number, 1)) => plan.push(Step::Number(number)),
                    Some(&(_, number, factor)) => plan.push(Step::Scaled(number, factor)),
                    None => plan.push(Step::Skip(8)),
                },
                Framing::Pair => plan.push(Step::Skip(16)),
                Framing::Record => plan.push(Step::Skip(32)),
                Framing::Text if client == Some(at) => plan.push(Step::ClientText),
                Framing::Text if names[at] == "cqus" => plan.push(Step::Scheme),
                Framing::Text => match texts.iter().find(|(of, _)| *of == at) {
                    Some(&(_, text)) => plan.push(Step::Text(text)),
                    None => plan.push(Step::SkipText),
                },
                Framing::Ip if client == Some(at) => plan.push(Step::Client),
                Framing::Ip => plan.push(Step::SkipIp),
                Framing::Request => {
                    plan.push(if text(Text::Method) { Step::Text(Text::Method) } else { Step::SkipText });
                    plan.push(if text(Text::Url) { Step::Text(Text::Url) } else { Step::SkipText });
                    plan.push(Step::Skip(16));
                }
                Framing::Rest => {
                    plan.push(Step::Rest);
                    break;
                }
                Framing::List | Framing::Fallback(_) => plan.push(Step::SkipOther(*framing)),
            }
        }
        plan
    }

    fn push(&mut self, step: Step) {
        match step {
            Step::Number(number) | Step::Scaled(number, _) => self.has.0 |= Has::number(number),
            Step::Text(text) => self.has.0 |= Has::text(text),
            Step::Client | Step::ClientNumber | Step::ClientText => self.has.0 |= Has::CLIENT,
            Step::Scheme => self.has_scheme = true,
            _ => {}
        }
        // Neighbours of known lengths are read or skipped at once: to go on to a step of another kind costs more than such a step.
        let joined = match (self.steps.last(), step) {
            (Some(Step::Skip(len)), Step::Skip(more)) => Some(Step::Skip(len + more)),
            (Some(Step::Skip(len)), Step::Number(number)) => Some(Step::NumberAfter(*len, number)),
            (Some(Step::Number(first)), Step::Number(second)) => Some(Step::Numbers2([*first, second])),
            (Some(Step::Numbers2([first, second])), Step::Number(third)) => {
                Some(Step::Numbers3([*first, *second, third]))
            }
            _ => None,
        };
        if joined.is_some() {
            self.steps.pop();
        }
        self.steps.push(joined.unwrap_or(step));
    }

    /// Which logical fields there are.
    #[inline]
    pub fn has(&self) -> Has {
        self.has
    }

    /// The framing of each symbol in this reading.
    pub fn framings(&self) -> &[Framing] {
        &self.framings
    }

    /// How the integers are stored.
    pub fn ints(&self) -> Ints {
        self.ints
    }

    /// Reads an entry's values; `None` if they do not come out at its end: it is damaged, or the reading is wrong.
    pub fn read<'a>(&self, payload: &'a [u8]) -> Option<Fields<'a>> {
        let mut fields = Fields::default();
        self.read_into(&mut fields, payload, payload.len()).then_some(fields)
    }

    /// Like [`Plan::read`], of an entry whose values are the first `len` bytes of `ahead`. What lies behind is looked at, never believed:
    /// it lets strings be searched in blocks. `fields` are those that the same plan has filled before, or empty; false leaves them in
    /// disorder.
    #[inline]
    pub fn read_into<'a>(&self, fields: &mut Fields<'a>, ahead: &'a [u8], len: usize) -> bool {
        if self.ints == Ints::Little {
            return self.read_as(Ints::Little, fields, ahead, len);
        }
        self.read_other(fields, ahead, len)
    }

    /// Of old and of big-endian writers.
    #[cold]
    #[inline(never)]
    fn read_other<'a>(&self, fields: &mut Fields<'a>, ahead: &'a [u8], len: usize) -> bool {
        self.read_as(self.ints, fields, ahead, len)
    }

    /// `ints` are those of the plan, as a constant where it is worth a copy of the code.
    #[inline(always)]
    fn read_as<'a>(&self, ints: Ints, fields: &mut Fields<'a>, ahead: &'a [u8], len: usize) -> bool {
        if self.has_scheme {
            // In the releases that mis-encode `UNKNOWN` it is always followed by 8 bytes too many.
            return self.run::<true>(ints, fields, ahead, len) == Some(len)
                || self.run::<false>(ints, fields, ahead, len) == Some(len);
        }
        self.run::<false>(ints, fields, ahead, len) == Some(len)
    }

    /// Does the reading come out at the entry's end?
    pub fn fits(&self, payload: &[u8]) -> bool {
        self.read(payload).is_some()
    }

    /// Gives where the values end. One that reaches beyond the entry's end is found out by that: no step goes back.
    #[inline(always)]
    fn run<'a, const LONG_UNKNOWN: bool>(
        &self,
        ints: Ints,
        fields: &mut Fields<'a>,
        ahead: &'a [u8],
        end: usize,
    ) -> Option<usize> {
        let behind = ahead.len().checked_sub(end)?;
        // What is not read yet. To cut it costs one check a step, where an index costs two.
        let mut rest = ahead;
        for step in &self.steps {
            match *step {
                Step::Skip(len) => rest = rest.get(len..)?,
                Step::Number(number) => {
                    let (value, next) = rest.split_first_chunk()?;
                    fields.numbers[number as usize] = ints.value(*value);
                    rest = next;
                }
                Step::NumberAfter(len, number) => {
                    let (value, next) = rest.get(len..)?.split_first_chunk()?;
                    fields.numbers[number as usize] = ints.value(*value);
                    rest = next;
                }
                Step::Numbers2(numbers) => rest = split_numbers(fields, numbers, rest, ints)?,
                Step::Numbers3(numbers) => rest = split_numbers(fields, numbers, rest, ints)?,
                Step::Scaled(number, factor) => {
                    let (value, next) = rest.split_first_chunk()?;
                    fields.numbers[number as usize] = ints.value(*value).saturating_mul(factor);
                    rest = next;
                }
                Step::Text(text) => (fields.texts[text as usize], rest) = split_text(rest, behind)?,
                Step::SkipText => (_, rest) = split_text(rest, behind)?,
                Step::Client => (fields.client, rest) = split_address(rest, ints)?,
                Step::ClientNumber | Step::ClientText => {
                    let (client, len) = old_client(*step, rest, ints)?;
                    fields.set_client(client);
                    rest = rest.get(len..)?;
                }
                Step::Rest => rest = &rest[rest.len().saturating_sub(behind)..],
                Step::SkipIp => rest = rest.get(ip_len(rest, ints)?..)?,
                Step::SkipOther(framing) => {
                    let len = match framing {
                        Framing::List => list_len(rest)?,
                        _ => stored_len(framing, rest, ints)?,
                    };
                    rest = rest.get(len..)?;
                }
                Step::Scheme => {
                    let text;
                    (text, rest) = split_text(rest, behind)?;
                    if LONG_UNKNOWN && text == b"UNKNOWN" {
                        rest = rest.get(8..)?;
                    }
                }
            }
        }
        Some(ahead.len() - rest.len())
    }
}

/// Reads the numbers at the start of `rest`; gives what follows them.
#[inline(always)]
fn split_numbers<'a, const COUNT: usize>(
    fields: &mut Fields<'_>,
    numbers: [Number; COUNT],
    rest: &'a [u8],
    ints: Ints,
) -> Option<&'a [u8]> {
    let (values, next) = rest.split_at_checked(8 * COUNT)?;
    for (number, value) in numbers.into_iter().zip(values.as_chunks().0) {
        fields.numbers[number as usize] = ints.value(*value);
    }
    Some(next)
}

/// The text at the start of `rest`, which should end `behind` bytes before the end of that, and what follows its padding.
#[inline(always)]
fn split_text(rest: &[u8], behind: usize) -> Option<(&[u8], &[u8])> {
    // What follows a short one doesn't wait for its length.
    if let Some((word, next)) = rest.split_first_chunk()
        && let Some(len) = nul_in_word(*word)
    {
        return Some((word.get(..len)?, next));
    }
    let len = text_len_ahead(rest, rest.len().saturating_sub(behind))?;
    let (value, next) = rest.split_at_checked(align8(len + 1))?;
    Some((value.get(..len)?, next))
}

/// The client's address as it was stored until 3.1.0, and how many bytes it takes.
#[cold]
#[inline(never)]
fn old_client(step: Step, bytes: &[u8], ints: Ints) -> Option<(Option<[u8; 16]>, usize)> {
    if step == Step::ClientNumber {
        return Some((address_of_number(ints.at(bytes, 0)?), 8));
    }
    let len = text_len(bytes)?;
    Some((address_of_text(&bytes[..len]), align8(len + 1)))
}

/// The symbol of a field list that fills a number.
pub fn filled_by(field_list: &str, number: Number) -> Option<&'static str> {
    let names: Vec<String> = field_list.split(',').map(canonical).collect();
    let (_, symbols) = NUMBERS.into_iter().find(|(filled, _)| *filled == number)?;
    symbols.iter().map(|(symbol, _)| *symbol).find(|symbol| names.iter().any(|name| name == symbol))
}

/// A symbol without its slice; the name of a header in lower case.
pub(super) fn canonical(symbol: &str) -> String {
    let symbol = fields::without_slice(symbol);
    match fields::container(symbol) {
        Some((name, container)) => format!("{{{}}}{container}", name.to_ascii_lowercase()),
        None => symbol.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::Format;
    use super::super::segment::{Segment, tests::EXAMPLE};
    use super::super::value::walk;
    use super::*;
    use proptest::prelude::*;

    fn plan(list: &str) -> Plan {
        let framings: Vec<Framing> = list
            .split(',')
            .map(|symbol| match fields::symbol(symbol) {
                fields::Symbol::Known(framing) => framing,
                fields::Symbol::Aggregate => Framing::Int,
                fields::Symbol::Unknown => Framing::Absent,
            })
            .collect();
        Plan::new(list, &framings)
    }

    #[test]
    fn the_worked_example_is_read() {
        let segment = Segment::parse(&EXAMPLE).unwrap();
        let format = Format::new(segment.field_list(), None).unwrap();
        let plan = format.plan(&segment);
        let fields = plan.read(segment.entries().next().unwrap().payload).unwrap();
        assert_eq!(fields.client().unwrap()[12..], [192, 0, 2, 10]);
        assert_eq!((fields.number(Number::Status), fields.text(Text::Method)), (200, &b"GET"[..]));
        assert!(plan.has().has_client() && plan.has().has_text(Text::Method) && !plan.has().has_number(Number::Result));
    }

    #[test]
    fn the_best_symbol_fills_a_logical_field() {
        let mut payload = Vec::new();
        for text in ["a://1/", "a://2/", "a://3/"] {
            payload.extend_from_slice(text.as_bytes());
            payload.extend_from_slice(&[0, 9]);
        }
        let url = |list| plan(list).read(&payload).unwrap().text(Text::Url);
        assert_eq!(url("cqu,cquc,pquc"), b"a://2/");
        assert_eq!(url("cquuc,cqu,caun"), b"a://2/");
        assert_eq!(url("cquuc,caun,shn"), b"a://1/");
        assert_eq!(url("pqu[0:9],cquuc,shn"), b"a://1/");
        let times =
            |list| plan(list).read(&[7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]).unwrap().number(Number::Time);
        assert_eq!((times("tts,ttms"), times("ttmsf,tts"), times("tts,psql"), times("ttms,ttms")), (2, 7, 7000, 7));
    }

    #[test]
    fn entries_that_do_not_come_out_at_their_end_are_damaged() {
        let plan = plan("chi,pssc,cqhm");
        let payload = &EXAMPLE[120..];
        for cut in 0..payload.len() {
            assert_eq!(plan.read(&payload[..cut]), None, "{cut}");
        }
        let mut long = payload.to_vec();
        long.extend_from_slice(&[0; 8]);
        assert_eq!(plan.read(&long), None);
    }

    #[test]
    fn a_mis_encoded_scheme_is_skipped() {
        let plan = plan("cqus,pssc");
        let status = |payload: &[u8]| plan.read(payload).map(|fields| fields.number(Number::Status));
        assert_eq!(status(b"http\0xxx\xc8\0\0\0\0\0\0\0"), Some(200));
        assert_eq!(status(b"UNKNOWN\0garbage!\xc8\0\0\0\0\0\0\0"), Some(200));
        assert_eq!(status(b"UNKNOWN\0\xc8\0\0\0\0\0\0\0"), Some(200));
        assert_eq!(status(b"http\0xxxgarbage!\xc8\0\0\0\0\0\0\0"), None);
    }

    #[test]
    fn the_plan_agrees_with_the_plain_walk() {
        let list = "cqtx,{X}record,cqah,{A}cqh??chi,sshv,chi,psql";
        let plan = plan(list);
        let mut payload = b"GET\0....http://a/b\0.....1.......1.......".to_vec();
        payload.extend_from_slice(&[b'r'; 32]);
        payload.extend_from_slice(b"Age\0\0Via\0x\0\0....");
        payload.extend_from_slice(&(-2_i64).to_le_bytes());
        payload.extend_from_slice(&[2, 0, 9, 9, 127, 0, 0, 1]);
        payload.extend_from_slice(&[1; 16]);
        payload.extend_from_slice(&[2, 0, 9, 9, 127, 0, 0, 2]);
        payload.extend_from_slice(&77_i64.to_le_bytes());
        let fields = plan.read(&payload).unwrap();
        assert_eq!(
            (fields.text(Text::Method), fields.text(Text::Url), fields.number(Number::Bytes)),
            (&b"GET"[..], &b"http://a/b"[..], 77)
        );
        let mut seen = Vec::new();
        walk(plan.framings(), &payload, Ints::Little, |_, _, value| seen.push(value.len())).unwrap();
        assert_eq!(seen, [44, 32, 16, 16, 16, 8, 8].map(|len| if len == 44 { 40 } else { len }));
    }

    proptest! {
        #[test]
        fn what_lies_behind_an_entry_changes_nothing(
            list in prop::sample::select(vec!["cqhm,pssc,cquc", "chi,cqus,psct,psql", "cqtx,{A}cqh??chi,cqah,shn", "cquc,cqhm"]),
            bytes in prop::collection::vec(prop_oneof![3 => Just(0_u8), 1 => Just(2), 9 => Just(b'a')], 0..120),
            behind in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let plan = plan(list);
            let len = bytes.len() & !7;
            let alone = &bytes[..len];
            let ahead = [alone, &behind].concat();
            let mut fields = Fields::default();
            let fits = plan.read_into(&mut fields, &ahead, len);
            prop_assert_eq!(fits.then_some(fields), plan.read(alone));
            let mut walked = alone.len();
            if !plan.has_scheme {
                let fits = walk(plan.framings(), alone, Ints::Little, |_, _, value| walked -= value.len()).is_some();
                prop_assert_eq!(fits, plan.fits(alone));
                prop_assert!(!fits || walked == 0);
            }
        }
    }
}
