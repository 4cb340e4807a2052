//! What is written is what Traffic Server writes, byte for byte.

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
