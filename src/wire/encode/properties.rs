//! Encode then parse is the identity, for any field list, and however the stream is cut.

use std::net::{IpAddr, Ipv6Addr};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::wire::fields::{Framing, Symbol, Term, symbol};
use crate::wire::format::Format;
use crate::wire::frame::{self, Bounds, Frame, HEAD};
use crate::wire::plan::{Number, Text};
use crate::wire::segment::{ENTRY_HEADER_LEN, Segment};
use crate::wire::value::walk;

/// Symbols of every framing.
const SYMBOLS: [&str; 30] = [
    "cqtq",
    "ttms",
    "chi",
    "crc",
    "pssc",
    "psql",
    "cqhm",
    "cquc",
    "caun",
    "phr",
    "shn",
    "psct",
    "cqtx",
    "cqhv",
    "sshv",
    "cqpv",
    "nhp",
    "hii",
    "cqah",
    "cqu[0:30]",
    "{User-Agent}cqh",
    "{Via}essh",
    "{proxy.config.log.hostname}record",
    "{proxy.config.log.log_buffer_size}icfg",
    "{TS_MILESTONE_UA_BEGIN}ms",
    "{X-A}cqh??chi",
    "{X-B}cqh??psql",
    "{X-C}cqh??\"none\"",
    "{X-D}cqh??cqah",
    "{X-E}cqh??{proxy.config.log.hostname}record",
];

/// A [`Value`] that owns its bytes.
#[derive(Clone, Debug)]
enum Owned {
    Int(i64),
    Pair(i64, i64),
    Text(Vec<u8>),
    EmptyText,
    Ip(Option<IpAddr>),
    Raw(Vec<u8>),
}

impl Owned {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Int(value) => Value::Int(*value),
            Self::Pair(first, second) => Value::Pair(*first, *second),
            Self::Text(text) => Value::Text(text),
            Self::EmptyText => Value::EmptyText,
            Self::Ip(address) => Value::Ip(*address),
            Self::Raw(bytes) => Value::Raw(bytes),
        }
    }
}

/// A field of an entry: its symbol and the values that it is made of.
type Field = (&'static str, Vec<Owned>);

/// One entry: when, and its fields.
type Entry = (i64, i32, Vec<Field>);

fn text() -> impl Strategy<Value = Owned> {
    vec(1..=255_u8, 0..40).prop_map(Owned::Text)
}

fn address() -> impl Strategy<Value = Owned> {
    prop_oneof![
        1 => Just(None),
        3 => any::<[u8; 4]>().prop_map(|octets| Some(IpAddr::from(octets))),
        2 => any::<u128>().prop_map(|bits| Some(Ipv6Addr::from_bits(bits).into())),
    ]
    .prop_map(Owned::Ip)
}

/// Names and values, each with a NUL, and one more at the end.
fn list() -> impl Strategy<Value = Owned> {
    vec((vec(1..=255_u8, 1..8), vec(1..=255_u8, 0..8)), 0..4).prop_map(|headers| {
        let mut bytes = Vec::new();
        for (name, value) in headers {
            bytes.extend(name);
            bytes.push(0);
            bytes.extend(value);
            bytes.push(0);
        }
        bytes.push(0);
        Owned::Raw(bytes)
    })
}

fn values(symbol_text: &str) -> BoxedStrategy<Vec<Owned>> {
    let int = || any::<i64>().prop_map(Owned::Int).boxed();
    let pair = || any::<(i64, i64)>().prop_map(|(first, second)| Owned::Pair(first, second)).boxed();
    let fallback = |last: BoxedStrategy<Owned>| {
        prop_oneof![
            (0..3_i64, text()).prop_map(|(selector, text)| vec![Owned::Int(selector), text]),
            (0..3_i64).prop_map(|selector| vec![Owned::Int(selector), Owned::EmptyText]),
            last.prop_map(|last| vec![Owned::Int(-2), last]),
        ]
        .boxed()
    };
    let one = |strategy: BoxedStrategy<Owned>| strategy.prop_map(|value| vec![value]).boxed();
    let Symbol::Known(framing) = symbol(symbol_text) else {
        panic!("{symbol_text} is not known");
    };
    match framing {
        Framing::Int => one(int()),
        Framing::Pair => one(pair()),
        Framing::Text => one(text().boxed()),
        Framing::Ip => one(address().boxed()),
        Framing::Record => one(vec(any::<u8>(), 32).prop_map(Owned::Raw).boxed()),
        Framing::List => one(list().boxed()),
        Framing::Request => (text(), text(), pair()).prop_map(|(method, url, pair)| vec![method, url, pair]).boxed(),
        Framing::Fallback(Term::Int) => fallback(int()),
        Framing::Fallback(Term::Pair) => fallback(pair()),
        Framing::Fallback(Term::Ip) => fallback(address().boxed()),
        Framing::Fallback(Term::Record) => fallback(vec(any::<u8>(), 32).prop_map(Owned::Raw).boxed()),
        Framing::Fallback(Term::List) => fallback(list().boxed()),
        // A literal is selector -1, stored as any other text.
        Framing::Fallback(Term::Text) => text().prop_map(|text| vec![Owned::Int(-1), text]).boxed(),
        Framing::Absent | Framing::Rest => Just(Vec::new()).boxed(),
    }
}

/// A field list in any order, and entries of it.
fn entries() -> impl Strategy<Value = (Vec<&'static str>, Vec<Entry>)> {
    vec(select(&SYMBOLS[..]), 1..20).prop_flat_map(|symbols| {
        let fields: Vec<_> = symbols.iter().map(|symbol| (Just(*symbol), values(symbol))).collect();
        let entry = (any::<i64>(), 0..1_000_000_i32, fields);
        (Just(symbols), vec(entry, 1..12))
    })
}

/// What a value looks like in an entry.
fn stored(values: &[Owned], padding: [u8; 8]) -> Vec<u8> {
    let header = Header { padding, ..Header::default() };
    let mut writer = SegmentWriter::with_capacity(&header, 0, 1 << 16);
    let values: Vec<Value<'_>> = values.iter().map(Owned::value).collect();
    writer.push(0, 0, &values).unwrap();
    writer.finish(0)[HEADER_LEN + ENTRY_HEADER_LEN..].to_vec()
}

/// The segments that the entries fill.
fn segments(header: &Header<'_>, entries: &[Entry], capacity: usize) -> Vec<Vec<u8>> {
    let mut writer = SegmentWriter::with_capacity(header, 7, capacity);
    let mut segments = Vec::new();
    for (seconds, microseconds, fields) in entries {
        let values: Vec<Value<'_>> = fields.iter().flat_map(|(_, values)| values).map(Owned::value).collect();
        if writer.push(*seconds, *microseconds, &values) == Err(EncodeError::Full) {
            segments.push(writer.finish(9).to_vec());
            writer.restart(7);
            writer.push(*seconds, *microseconds, &values).unwrap();
        }
    }
    segments.push(writer.finish(9).to_vec());
    segments
}

/// Times and payloads of the entries of segments.
fn read(segments: &[Vec<u8>]) -> Vec<(i64, i32, Vec<u8>)> {
    segments
        .iter()
        .flat_map(|segment| Segment::parse(segment).unwrap().entries().collect::<Vec<_>>())
        .map(|entry| (entry.seconds, entry.usec, entry.payload.to_vec()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn parsing_gives_back_what_was_encoded(
        (symbols, entries) in entries(),
        is_third in any::<bool>(),
        padding in any::<[u8; 8]>(),
        host in "[a-z0-9.-]{0,40}",
        capacity in select(&[DEFAULT_CAPACITY, 16 * 1024, 128 * 1024][..]),
    ) {
        let field_list = symbols.join(",");
        let header = Header {
            version: if is_third { Version::V3 } else { Version::V2 },
            field_list: field_list.as_bytes(),
            print_template: b"\xff \xff",
            source_host: host.as_bytes(),
            file_name: b"a.blog",
            signature: 5,
            padding,
            ..Header::default()
        };
        let segments = segments(&header, &entries, capacity);
        let mut expected = entries.iter();
        for bytes in &segments {
            prop_assert!(bytes.len() <= capacity && bytes.len().is_multiple_of(8));
            let segment = Segment::parse(bytes).unwrap();
            prop_assert_eq!(segment.field_list(), &field_list);
            prop_assert_eq!(segment.source_host(), host.as_bytes());
            prop_assert_eq!((segment.file_name(), segment.print_template()), (&b"a.blog"[..], &b"\xff \xff"[..]));
            prop_assert_eq!((segment.timestamps(), segment.signature()), ((7, 9), 5));
            let format = Format::new(segment.field_list(), segment.field_types()).unwrap();
            let plan = format.plan(&segment);
            let mut walked = segment.entries();
            for entry in walked.by_ref() {
                let (seconds, microseconds, fields) = expected.next().unwrap();
                prop_assert_eq!((entry.seconds, entry.usec), (*seconds, *microseconds));
                prop_assert!(plan.fits(entry.payload));
                let mut found = Vec::new();
                walk(plan.framings(), entry.payload, plan.ints(), |_, _, bytes| found.push(bytes.to_vec())).unwrap();
                let stored: Vec<_> = fields.iter().map(|(_, values)| stored(values, padding)).collect();
                prop_assert_eq!(found, stored);
            }
            prop_assert_eq!(walked.lost(), (0, 0));
        }
        prop_assert!(expected.next().is_none());
    }

    #[test]
    fn any_cut_of_the_stream_gives_the_same_entries(
        (symbols, entries) in entries(),
        cuts in vec(any::<Index>(), 0..30),
    ) {
        let field_list = symbols.join(",");
        let header = Header { field_list: field_list.as_bytes(), ..Header::default() };
        let segments = segments(&header, &entries, DEFAULT_CAPACITY);
        let mut stream = auth_message(b"foobar");
        for segment in &segments {
            push_message(&mut stream, segment);
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        cuts.push(stream.len());
        cuts.sort_unstable();
        let (mut buffer, mut start, mut bodies) = (Vec::new(), 0, Vec::new());
        for cut in cuts {
            buffer.extend_from_slice(&stream[start..cut]);
            start = cut;
            loop {
                let bounds = if bodies.is_empty() { Bounds::SECRET } else { Bounds::segment(DEFAULT_CAPACITY) };
                let Frame::Whole { body } = frame::first(&buffer, bounds).unwrap() else { break };
                bodies.push(body.to_vec());
                buffer.drain(..HEAD + body.len());
            }
        }
        prop_assert!(buffer.is_empty());
        prop_assert_eq!(bodies.remove(0), b"foobar");
        prop_assert_eq!(read(&bodies), read(&segments));
    }

    #[test]
    fn logical_fields_are_found_in_any_order(
        order in Just(["chi", "crc", "pssc", "psql", "ttms", "cqhm", "cquc", "phr", "shn", "psct"]).prop_shuffle(),
        numbers in any::<[i64; 5]>(),
        address in any::<u32>(),
        url in "[ -~]{1,60}",
    ) {
        let [result, status, bytes, time, route] = numbers;
        let values: Vec<Value<'_>> = order
            .iter()
            .map(|symbol| match *symbol {
                "chi" => Value::Ip(Some(IpAddr::from(address.to_be_bytes()))),
                "crc" => Value::Int(result),
                "pssc" => Value::Int(status),
                "psql" => Value::Int(bytes),
                "ttms" => Value::Int(time),
                "phr" => Value::Int(route),
                "cqhm" => Value::Text(b"GET"),
                "cquc" => Value::Text(url.as_bytes()),
                "shn" => Value::Text(b"origin"),
                _ => Value::Text(b"text/html"),
            })
            .collect();
        let field_list = order.join(",");
        let header = Header { field_list: field_list.as_bytes(), ..Header::default() };
        let mut writer = SegmentWriter::new(&header, 0);
        writer.push(1, 2, &values).unwrap();
        let segment = Segment::parse(writer.finish(3)).unwrap();
        let plan = Format::new(segment.field_list(), None).unwrap().plan(&segment);
        let fields = plan.read(segment.entries().next().unwrap().payload).unwrap();
        prop_assert_eq!([Number::Result, Number::Status, Number::Bytes, Number::Time, Number::Route].map(|number| fields.number(number)), numbers);
        prop_assert_eq!(fields.client().unwrap()[12..].to_vec(), address.to_be_bytes().to_vec());
        prop_assert_eq!(fields.text(Text::Url), url.as_bytes());
        prop_assert_eq!((fields.text(Text::Method), fields.text(Text::Server)), (&b"GET"[..], &b"origin"[..]));
        prop_assert_eq!(fields.text(Text::ContentType), b"text/html");
    }
}
