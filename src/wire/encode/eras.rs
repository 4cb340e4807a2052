//! All eras: what is encoded in any layout, and with the addresses of any release, is parsed again, and found out without being told.

use std::net::{IpAddr, Ipv4Addr};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::wire::format::Format;
use crate::wire::plan::{Number, Text};
use crate::wire::segment::Segment;

/// A writer, its era, and where its bytes were caught.
#[derive(Clone, Copy, Debug)]
struct Era {
    name: &'static str,
    layout: Layout,
    addresses: &'static [Addresses],
}

/// How a release stores addresses (spec/logbuffer.md 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Addresses {
    /// 2.0.0 to 2.1.4.
    Numbers,
    /// 2.1.5 to 3.1.0: those of clients.
    Texts,
    /// 3.1.1 and later.
    Values,
}

const fn era(name: &'static str, words: Order, writer: Order, entries: EntryHeader, ints: Ints) -> Era {
    let addresses: &[Addresses] = match (entries, ints) {
        (EntryHeader::E16, _) => &[Addresses::Values],
        (_, Ints::Short) => &[Addresses::Numbers],
        _ => &[Addresses::Numbers, Addresses::Texts, Addresses::Values],
    };
    Era { name, layout: Layout { words, writer, entries, ints }, addresses }
}

const ERAS: [Era; 14] = {
    use EntryHeader::{E12, E16, E24};
    use Order::{Big, Little};
    [
        era("D", Little, Little, E16, Ints::Little),
        era("D, big-endian", Big, Big, E16, Ints::Big),
        era("C, wire", Big, Little, E16, Ints::Little),
        era("B, file", Little, Little, E24, Ints::Little),
        era("B, wire", Big, Little, E24, Ints::Little),
        era("B, big-endian", Big, Big, E24, Ints::Big),
        era("B, file, 32 bits", Little, Little, E12, Ints::Little),
        era("B, wire, 32 bits", Big, Little, E12, Ints::Little),
        era("B, big-endian, 32 bits", Big, Big, E12, Ints::Big),
        era("A, file", Little, Little, E24, Ints::Short),
        era("A, wire", Big, Little, E24, Ints::Short),
        era("A, big-endian", Big, Big, E24, Ints::Short),
        era("A, file, 32 bits", Little, Little, E12, Ints::Short),
        era("A, wire, 32 bits", Big, Little, E12, Ints::Short),
    ]
};

/// What is logged of a transaction.
#[derive(Clone, Debug)]
struct Entry {
    seconds: i64,
    usec: i32,
    client: Ipv4Addr,
    result: u8,
    status: i64,
    route: u8,
    bytes: i64,
    url: String,
    user: Vec<u8>,
}

fn entry() -> impl Strategy<Value = Entry> {
    let status = prop_oneof![1 => Just(0_i64), 20 => 100..1000_i64];
    // An address whose numbers are 0 looks like none.
    let client = (1..=255_u8, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| Ipv4Addr::new(a, b, c, d));
    let times = (1..=i64::from(i32::MAX), 0..1_000_000_i32);
    (times, client, 33..=126_u8, status, 33..=126_u8, 0..=i64::from(i32::MAX), "[!-~]{1,60}", vec(1..=255_u8, 0..20))
        .prop_map(|((seconds, usec), client, result, status, route, bytes, url, user)| Entry {
            seconds,
            usec,
            client,
            result,
            status,
            route,
            bytes,
            url,
            user,
        })
}

/// Encodes entries with these symbols.
fn encode(era: &Era, addresses: Addresses, symbols: &[&str], entries: &[Entry], padding: [u8; 8]) -> Vec<u8> {
    let field_list = symbols.join(",");
    let header = Header {
        layout: era.layout,
        field_list: field_list.as_bytes(),
        source_host: b"edge1",
        signature: 0x1122_3344_5566_7788,
        padding,
        ..Header::default()
    };
    let mut writer = SegmentWriter::with_capacity(&header, 7, 1 << 16);
    for entry in entries {
        let text = entry.client.to_string();
        let number = Value::Int(u32::from(entry.client).into());
        let values: Vec<Value<'_>> = symbols
            .iter()
            .map(|symbol| match (*symbol, addresses) {
                ("cqtq", _) => Value::Int(0),
                ("chi" | "chih", Addresses::Texts) => Value::Text(text.as_bytes()),
                ("phi", Addresses::Texts | Addresses::Numbers) => Value::Text(text.as_bytes()),
                ("chi" | "chih" | "pqsi" | "shi", Addresses::Texts | Addresses::Numbers) => number,
                ("chi" | "chih" | "pqsi" | "shi" | "phi", Addresses::Values) => Value::Ip(Some(entry.client.into())),
                ("crc", _) => Value::Int(entry.result.into()),
                ("pssc", _) => Value::Int(entry.status),
                ("phr", _) => Value::Int(entry.route.into()),
                ("psql", _) => Value::Int(entry.bytes),
                ("cquc", _) => Value::Text(entry.url.as_bytes()),
                ("cqhv", _) => Value::Pair(1, 1),
                _ => Value::Text(&entry.user),
            })
            .collect();
        writer.push(entry.seconds, entry.usec, &values).unwrap();
    }
    writer.finish(9).to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_era_is_found_out(
        era in select(&ERAS[..]),
        form in 0..3_usize,
        symbols in Just(vec!["cqtq", "chi", "chih", "crc", "pssc", "psql", "cquc", "caun", "phr", "pqsi", "shi", "phi", "cqhv"]).prop_shuffle(),
        entries in vec(entry(), 1..12),
        padding in any::<[u8; 8]>(),
    ) {
        let addresses = era.addresses[form % era.addresses.len()];
        // Padding was zero until 3.1.0.
        let padding = if addresses == Addresses::Values { padding } else { [0; 8] };
        let bytes = encode(&era, addresses, &symbols, &entries, padding);
        let segment = Segment::parse(&bytes).unwrap();
        prop_assert_eq!(segment.layout(), era.layout, "{}", era.name);
        prop_assert_eq!((segment.timestamps(), segment.signature(), segment.flags()), ((7, 9), 0x1122_3344_5566_7788, 1));
        prop_assert_eq!(segment.source_host(), b"edge1");
        let format = Format::of(&segment).unwrap();
        let plan = format.plan(&segment);
        let mut walk = segment.entries();
        for expected in &entries {
            let entry = walk.next().unwrap();
            prop_assert_eq!((entry.seconds, entry.usec), (expected.seconds, expected.usec));
            let fields = plan.read(entry.payload).unwrap();
            prop_assert_eq!(fields.client().map(|address| IpAddr::from(address).to_canonical()), Some(expected.client.into()));
            prop_assert_eq!(
                [Number::Result, Number::Status, Number::Route, Number::Bytes].map(|number| fields.number(number)),
                [expected.result.into(), expected.status, expected.route.into(), expected.bytes]
            );
            prop_assert_eq!(fields.text(Text::Url), expected.url.as_bytes());
        }
        prop_assert_eq!((walk.next(), walk.lost()), (None, (0, 0)));
    }

    /// Whatever a header says: no panic, and no entry outside.
    #[test]
    fn hostile_segments_are_walked_inside(
        era in select(&ERAS[..]),
        entries in vec(entry(), 1..4),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = encode(&era, era.addresses[0], &["chi", "pssc", "cquc"], &entries, [0; 8]);
        for (at, byte) in changes {
            // The cookie and the length are checked before all else.
            let at = at.index(bytes.len());
            if !(0..4).contains(&at) && !(12..16).contains(&at) {
                bytes[at] = byte;
            }
        }
        if let Ok(segment) = Segment::parse(&bytes)
            && let Ok(format) = Format::of(&segment)
        {
            let plan = format.plan(&segment);
            let mut walked = 0;
            for entry in segment.entries() {
                walked += entry.payload.len() + segment.layout().entries.overhead();
                plan.read(entry.payload);
            }
            prop_assert!(walked <= bytes.len());
            prop_assert!(segment.entries().all(|entry| entry.ahead.len() <= bytes.len()));
        }
    }
}

/// The worked example of spec/collation-protocol.md 10, as era C sends it: by hand from its section 3.
#[test]
fn a_converted_segment_has_its_bytes() {
    let header = |layout| Header {
        layout,
        signature: 0x1122_3344_5566_7788,
        format_name: b"min",
        field_list: b"chi,pssc,cqhm",
        print_template: b"\xff \xff \xff",
        source_host: b"edge1",
        file_name: b"min.blog",
        ..Header::default()
    };
    let strings = "6d696e006368692c707373632c6371686d00ff20ff20ff006564676531006d696e2e626c6f670000";
    let sent = |layout: Layout, values: &[Value<'_>]| {
        let mut writer = SegmentWriter::new(&header(layout), 1_700_000_000);
        writer.push(1_700_000_000, 250_000, values).unwrap();
        message_in(layout.words, writer.finish(1_700_000_003)).iter().map(|b| format!("{b:02x}")).collect::<String>()
    };
    let status_and_method = [Value::Int(200), Value::Text(b"GET")];
    let c = Layout { words: Order::Big, ..Layout::USUAL };
    let expected = [
        "00000090",
        "0aceface000000020000000400000090",
        "000000016553f1006553f10300000001",
        "55667788112233440000004000000044",
        "00000052000000580000005e00000068",
        strings,
        "6553f100000000000003d09000000028",
        "02000000c000020a",
        "c8000000000000004745540000000000",
    ]
    .concat();
    let address = Value::Ip(Some(Ipv4Addr::new(192, 0, 2, 10).into()));
    assert_eq!(sent(c, &[&[address][..], &status_and_method].concat()), expected);

    // Era B: an entry header of 24 bytes, the client as a text.
    let b = Layout { entries: EntryHeader::E24, ..c };
    let expected = [
        "000000a0",
        "0aceface0000000200000004000000a0",
        "000000016553f1006553f10300000001",
        "55667788112233440000004000000044",
        "00000052000000580000005e00000068",
        strings,
        "6553f100000000000003d090000000000000003800000000",
        "3139322e302e322e3130000000000000",
        "c8000000000000004745540000000000",
    ]
    .concat();
    assert_eq!(sent(b, &[&[Value::Text(b"192.0.2.10")][..], &status_and_method].concat()), expected);

    // Era A of a 32-bit build: 12 bytes, short integers, the address as one; 4 bytes at the end.
    let a = Layout { entries: EntryHeader::E12, ints: Ints::Short, ..c };
    let expected = [
        "00000090",
        "0aceface000000020000000400000090",
        "000000016553f1006553f10300000001",
        "55667788112233440000004000000044",
        "00000052000000580000005e00000068",
        strings,
        "6553f1000003d09000000028",
        "c000020a00000000",
        "000000c800000000474554000000000000000000",
    ]
    .concat();
    assert_eq!(sent(a, &[&[Value::Int(0xc000_020a)][..], &status_and_method].concat()), expected);
}
