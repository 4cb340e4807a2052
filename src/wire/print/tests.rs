//! Whole entries, and what Traffic Server prints in odd cases (seen from traffic_logcat 9.2).

use super::*;
use crate::wire::encode::{Header, SegmentWriter, Value};
use crate::wire::fields::{self, Framing, Symbol};
use crate::wire::layout::Ints;
use crate::wire::segment::{RawEntry, Segment};
use crate::wire::template;
use proptest::prelude::*;

fn framings(list: &str) -> Vec<Framing> {
    let framing = |symbol| match fields::symbol(symbol) {
        Symbol::Known(framing) => framing,
        Symbol::Aggregate => Framing::Int,
        Symbol::Unknown => Framing::Absent,
    };
    list.split(',').map(framing).collect()
}

fn columns(list: &str) -> Columns {
    Columns::new(list, &framings(list), Ints::Little, Release::of(2, list))
}

/// What a line makes of values that are stored like this.
fn made(columns: &Columns, line: &Line, payload: &[u8], stepping: Stepping) -> (String, Fit) {
    let entry = RawEntry { seconds: 1_700_000_000, usec: 7_999, payload, ahead: payload };
    let (mut spans, mut out) = (Spans::default(), Vec::new());
    let fit = columns.locate(&entry, stepping, &mut spans);
    line.push(&mut out, &entry, &spans, Ints::Little, &mut Clock::new(&|_| Offset::UTC));
    (String::from_utf8_lossy(&out).into_owned(), fit)
}

fn payload_of(values: &[Value<'_>]) -> Vec<u8> {
    let header = Header { field_list: b"x", ..Header::default() };
    let mut writer = SegmentWriter::new(&header, 0);
    writer.push(0, 0, values).unwrap();
    let bytes = writer.finish(0);
    Segment::parse(bytes).unwrap().entries().next().unwrap().payload.to_vec()
}

/// The text of a list's values, with blanks between them.
fn text(list: &str, values: &[Value<'_>]) -> String {
    let columns = columns(list);
    let template = vec![&b"\xff"[..]; list.split(',').count()].join(&b' ');
    let line = Line::of_template(&columns, &template).unwrap();
    let (text, fit) = made(&columns, &line, &payload_of(values), Stepping::AsTrafficServer);
    assert_eq!(fit, Fit::Whole, "{list}");
    text.trim_end_matches('\n').to_owned()
}

fn json(list: &str, values: &[Value<'_>]) -> String {
    let columns = columns(list);
    let line = Line::of_json(&columns, None).unwrap();
    made(&columns, &line, &payload_of(values), Stepping::AsStored).0.trim_end().to_owned()
}

#[test]
fn each_kind_of_value_has_its_text_and_its_json() {
    let v6 = "2001:db8::1".parse().unwrap();
    let cases: &[(&str, &[Value<'_>], &str, &str)] = &[
        ("psql", &[Value::Int(-5)], "-5", r#"{"psql":-5}"#),
        ("pssc", &[Value::Int(0)], "000", r#"{"pssc":0}"#),
        ("crc", &[Value::Int(7)], "ERROR_UNKNOWN(7)", r#"{"crc":7}"#),
        ("phr", &[Value::Int(7)], "INVALID_CODE(7)", r#"{"phr":7}"#),
        ("pfsc", &[Value::Int(1)], "INTR", r#"{"pfsc":1}"#),
        ("psch", &[Value::Int(-5)], "fffffffffffffffb", r#"{"psch":-5}"#),
        ("ttmsf", &[Value::Int(-5)], "-0.005", r#"{"ttmsf":-5}"#),
        ("ttmsf,ckh", &[Value::Int(-5), Value::Text(b"k")], "0.005 k", r#"{"ttmsf":-5,"ckh":"k"}"#),
        ("sshv", &[Value::Pair(1, 1)], "HTTP/1.1", r#"{"sshv":[1,1]}"#),
        ("cqhm", &[Value::EmptyText], "", r#"{"cqhm":""}"#),
        (
            "cqhm",
            &[Value::Text(b"a\"\\\n\x01\xff")],
            "a\"\\\n\x01\u{fffd}",
            "{\"cqhm\":\"a\\\"\\\\\\n\\u0001\u{fffd}\"}",
        ),
        ("chi", &[Value::Ip(Some(v6))], "2001:db8::1", r#"{"chi":"2001:db8::1"}"#),
        ("chih", &[Value::Ip(Some(v6))], "20010DB8000000000000000000000001", r#"{"chih":"2001:db8::1"}"#),
        ("shi", &[Value::Ip(None)], "0", r#"{"shi":"0"}"#),
        ("{x}record", &[Value::Raw(b"abc\x00567890123456789012345678901")], "abc", r#"{"{x}record":"abc"}"#),
        ("cqah", &[Value::Raw(b"A\0b\0C\0\0\0")], "{{{A}:{b}}{{C}:{}}}", r#"{"cqah":[["A","b"],["C",""]]}"#),
        ("cqah", &[Value::Raw(b"\0")], "{}", r#"{"cqah":[]}"#),
        (
            "cqtx[-3:]",
            &[Value::Text(b"GET"), Value::Text(b"http://a/b"), Value::Pair(1, 0)],
            "GET a/b HTTP/1.0",
            r#"{"cqtx[-3:]":{"method":"GET","url":"http://a/b","version":[1,0]}}"#,
        ),
        ("{A}cqh??psql", &[Value::Int(-2), Value::Int(9)], "9", r#"{"{A}cqh??psql":9}"#),
        ("{A}cqh[1:]??{B}cqh[:1]", &[Value::Int(1), Value::Text(b"abc")], "a", r#"{"{A}cqh[1:]??{B}cqh[:1]":"abc"}"#),
        ("{A}cqh??\"x\"", &[Value::Int(-1), Value::Text(b"x")], "x", r#"{"{A}cqh??\"x\"":"x"}"#),
        (
            "{TS_MILESTONE_A-TS_MILESTONE_B}msdms",
            &[Value::Int(-1)],
            "-1",
            r#"{"{TS_MILESTONE_A-TS_MILESTONE_B}msdms":-1}"#,
        ),
        ("{A-B}msdms,ckh", &[Value::Int(-1), Value::Text(b"k")], "- k", r#"{"{A-B}msdms":-1,"ckh":"k"}"#),
        ("LAST(cqtq)", &[Value::Int(0)], "0.000", r#"{"LAST(cqtq)":0}"#),
        ("SUM(pssc)", &[Value::Int(49)], "049", r#"{"SUM(pssc)":49}"#),
        ("LAST(cqtn)", &[Value::Int(0)], "01/Jan/1970:00:00:00 -0000", r#"{"LAST(cqtn)":0}"#),
        (
            "cqtq,cqts",
            &[Value::Int(1_720_000_000_123), Value::Int(5)],
            "1720000000.123 5",
            r#"{"cqtq":1720000000123,"cqts":5}"#,
        ),
        // Up to 7.1.0 the time is the header's.
        (
            "cqtq,cqts",
            &[Value::Int(0), Value::Int(0)],
            "1700000000.007 1700000000",
            r#"{"cqtq":1700000000007,"cqts":1700000000}"#,
        ),
        (
            "cqtd,cqtt",
            &[Value::Int(0), Value::Int(0)],
            "2023-11-14 22:13:20",
            r#"{"cqtd":1700000000,"cqtt":1700000000}"#,
        ),
        ("psql,psql", &[Value::Int(1), Value::Int(1)], "1 1", r#"{"psql":1}"#),
    ];
    for (list, values, expected, expected_json) in cases {
        assert_eq!(text(list, values), *expected, "{list}");
        assert_eq!(json(list, values), *expected_json, "{list}");
    }
}

#[test]
fn unix_sockets_are_their_paths() {
    let mut value = vec![0; 112];
    value[0] = 1;
    value[2..9].copy_from_slice(b"/run/a\"");
    assert_eq!(text("chi", &[Value::Raw(&value)]), "/run/a\"");
    assert_eq!(json("chi", &[Value::Raw(&value)]), r#"{"chi":"/run/a\""}"#);
}

#[test]
fn marks_stand_for_stored_fields_and_more_marks_than_fields_print_nothing() {
    let columns = columns("psql,nosuch,pscl");
    let payload = payload_of(&[Value::Int(1), Value::Int(2)]);
    let line =
        |template: &[u8]| Some(made(&columns, &Line::of_template(&columns, template)?, &payload, Stepping::AsStored).0);
    assert_eq!(line(b"a\xff|\xffb").as_deref(), Some("a1|2b\n"));
    assert_eq!(line(b"\xff").as_deref(), Some("1\n"));
    assert_eq!(line(b"\xff\xff").as_deref(), Some("12\n"));
    assert_eq!(line(b"text").as_deref(), Some("text\n"));
    assert_eq!(line(b"\xff|\xff|\xff"), None);
    assert_eq!(line(b""), None);
    assert_eq!(
        made(&columns, &Line::of_json(&columns, None).unwrap(), &payload, Stepping::AsStored).0,
        "{\"psql\":1,\"nosuch\":null,\"pscl\":2}\n"
    );
}

#[test]
fn a_line_of_nothing_is_not_printed() {
    let columns = columns("cqhm");
    let line = Line::of_template(&columns, b"\xff").unwrap();
    for (value, expected) in [(Value::EmptyText, ""), (Value::Text(b"GET"), "GET\n")] {
        assert_eq!(made(&columns, &line, &payload_of(&[value]), Stepping::AsTrafficServer).0, expected);
    }
}

#[test]
fn behind_a_mis_encoded_scheme_the_text_is_garbage_as_traffic_logcat_prints_it_and_the_json_is_right() {
    let columns = columns("cqus,psql,cqhm");
    let payload = payload_of(&[Value::Raw(b"UNKNOWN\0xxxxxxxx"), Value::Int(406), Value::Text(b"-")]);
    let line = Line::of_template(&columns, b"\xff \xff \xff").unwrap();
    let json = Line::of_json(&columns, None).unwrap();
    let (text, fit) = made(&columns, &line, &payload, Stepping::AsTrafficServer);
    assert_eq!((text.as_bytes(), fit), ("UNKNOWN 8680820740569200760 \u{fffd}\u{1}\n".as_bytes(), Fit::MisEncoded));
    let (text, fit) = made(&columns, &json, &payload, Stepping::AsStored);
    assert_eq!((&*text, fit), ("{\"cqus\":\"UNKNOWN\",\"psql\":406,\"cqhm\":\"-\"}\n", Fit::Whole));
    // Rightly encoded it is read rightly by either.
    let right = payload_of(&[Value::Text(b"UNKNOWN"), Value::Int(406), Value::Text(b"-")]);
    for stepping in [Stepping::AsTrafficServer, Stepping::AsStored] {
        assert_eq!(made(&columns, &line, &right, stepping), ("UNKNOWN 406 -\n".to_owned(), Fit::Whole));
    }
}

#[test]
fn fields_are_found_by_other_names_of_the_same() {
    let columns = columns("cqtq,chi,pquc,{User-Agent}cqh,pscl");
    let ip = "192.0.2.1".parse().unwrap();
    let values = [
        Value::Int(1_720_000_000_123),
        Value::Ip(Some(ip)),
        Value::Text(b"http://a/"),
        Value::Text(b"curl"),
        Value::Int(255),
    ];
    let payload = payload_of(&values);
    let cases = [
        ("%<chih>", "C0000201"),
        ("%<cquc[0:4]>", "http"),
        ("%<{user-agent}cqh[0:2]>", "cu"),
        ("%<psch>", "00000000000000ff"),
        ("%<cqtd>T%<cqtt> %<cqth> %<cqts>", "2024-07-03T09:46:40 0000000066851e00 1720000000"),
    ];
    for (format, expected) in cases {
        let line = Line::of_format(&columns, &template::parse(format).unwrap()).unwrap();
        assert_eq!(made(&columns, &line, &payload, Stepping::AsStored).0, format!("{expected}\n"), "{format}");
    }
    let error = Line::of_fields(&columns, &["psql".to_owned()]).unwrap_err();
    assert_eq!(error.to_string(), "there is no field psql among cqtq,chi,pquc,{User-Agent}cqh,pscl");
    assert_eq!(
        made(&columns, &Line::of_json(&columns, Some(&["cqts".to_owned()])).unwrap(), &payload, Stepping::AsStored).0,
        "{\"cqts\":1720000000}\n"
    );
}

proptest! {
    /// Nothing panics, JSON stays JSON, and what lies behind the entry never shows.
    #[test]
    fn entries_of_anything_print_something(bytes in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(b'x'), any::<u8>()], 0..200), seconds: i64, usec: i32) {
        let list = "cqtq,cqus,chi,{a}cqh??sshv,cqah,{x}record,cqtx[2:],cqtn,crc,ppa,{A}cqh??chi,ttmsf,nosuch,sshv";
        let columns = columns(list);
        let json = Line::of_json(&columns, None).unwrap();
        let line = Line::of_template(&columns, &[0xff; 13]).unwrap();
        let behind = b"SECRET\0SECRET\0\0\0SECRET\0SECRET\0\0\0SECRET\0SECRET\0\0\0";
        let mut all = bytes.clone();
        all.extend_from_slice(behind);
        let entry = RawEntry { seconds, usec, payload: &all[..bytes.len()], ahead: &all };
        for stepping in [Stepping::AsTrafficServer, Stepping::AsStored] {
            let mut spans = Spans::default();
            columns.locate(&entry, stepping, &mut spans);
            let mut out = Vec::new();
            for ints in [Ints::Little, Ints::Big, Ints::Short] {
                line.push(&mut out, &entry, &spans, ints, &mut Clock::new(&|_| Offset::UTC));
            }
            prop_assert!(memchr::memmem::find(&out, b"SECRET").is_none());
            out.clear();
            json.push(&mut out, &entry, &spans, Ints::Little, &mut Clock::new(&|_| Offset::UTC));
            prop_assert!(memchr::memmem::find(&out, b"SECRET").is_none());
            let row: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(row.as_object().unwrap().len(), 14);
        }
    }
}
