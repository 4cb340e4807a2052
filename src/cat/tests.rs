//! Options of the command.

use super::*;

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
