//! Options of the command.

use super::*;
use crate::source::blocks::Damage;
use crate::wire::segment::tests::EXAMPLE;

#[test]
fn conditions_are_split_at_the_first_equals_sign_outside_of_names() {
    let cases: &[(&str, Option<(&str, &str)>)] = &[
        ("crc=TCP_MISS", Some(("crc", "TCP_MISS"))),
        ("cqu=http://a/?b=c", Some(("cqu", "http://a/?b=c"))),
        ("{a=b}cqh=c", Some(("{a=b}cqh", "c"))),
        ("{a}cqh??\"x=y\"=z", Some(("{a}cqh??\"x=y\"", "z"))),
        ("psct=", Some(("psct", ""))),
        ("=x", None),
        ("crc", None),
    ];
    for (text, expected) in cases {
        let expected = expected.map(|(field, value)| (field.to_owned(), value.to_owned()));
        assert_eq!(condition(text).ok(), expected, "{text}");
    }
}

/// The text and the problems of one block, printed as Traffic Server does.
fn written(block: Block) -> (String, Vec<String>) {
    let wish = Wish { shape: Shape::Own, conditions: vec![], zone: jiff::tz::TimeZone::UTC };
    let zone = zone_of(&wish);
    let sheet = sheet(&mut Pen::new(&wish, &zone), Item::Block("f.blog".into(), block), Vec::new());
    (String::from_utf8(sheet.text).unwrap(), sheet.problems)
}

fn block(bytes: Vec<u8>, damage: Vec<Damage>) -> Block {
    let segments = std::iter::once(0..bytes.len()).collect();
    Block::new(4096, bytes[..].into(), segments, damage)
}

#[test]
fn damage_is_named_with_its_place_and_the_rest_is_printed() {
    let line = "192.0.2.10 200 GET\n";
    let (text, problems) = written(block(
        EXAMPLE.to_vec(),
        vec![Damage { offset: 4240, len: 17, cut: false }, Damage { offset: 9000, len: 300, cut: true }],
    ));
    assert_eq!(text, line);
    assert_eq!(
        problems,
        [
            "17 bytes at offset 4240 are no log segment: skipped",
            "the last segment, at offset 9000, is cut off: 300 bytes of it are there"
        ]
    );
    // The method loses its NUL.
    let mut bytes = EXAMPLE.to_vec();
    bytes[136..].fill(b'x');
    let (text, problems) = written(block(bytes, vec![]));
    assert_eq!(text, "192.0.2.10 200 xxxxxxxx\n");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("1 entries of the segment at offset 4096"), "{problems:?}");
    // The entry's length leads out of the segment.
    let mut bytes = EXAMPLE.to_vec();
    bytes[116] = 0xf8;
    let (text, problems) = written(block(bytes, vec![]));
    assert_eq!((&*text, problems.len()), ("", 1));
    // A version that nobody reads.
    let mut bytes = EXAMPLE.to_vec();
    bytes[4] = 1;
    let (text, problems) = written(block(bytes, vec![]));
    assert_eq!(
        (&*text, &*problems),
        ("", &["skipped 144 bytes at offset 4096, a segment that can't be read: segment version 1, unsupported: only 2 and 3 can be read".to_owned()][..])
    );
}
