use proptest::prelude::*;

use super::*;

fn template(symbols: &[&str], literals: &[&[u8]]) -> Template {
    Template {
        symbols: symbols.iter().map(|&symbol| symbol.to_owned()).collect(),
        literals: literals.iter().map(|literal| literal.to_vec()).collect(),
    }
}

#[test]
fn format_strings_are_taken_apart() {
    let cases: &[(&str, Template)] = &[
        ("%<chi>", template(&["chi"], &[b"", b""])),
        ("a %<chi>/%<crc>.", template(&["chi", "crc"], &[b"a ", b"/", b"."])),
        ("%<chi>%<crc>", template(&["chi", "crc"], &[b"", b"", b""])),
        ("100% %<{A b}cqh[0:3]>%", template(&["{A b}cqh[0:3]"], &[b"100% ", b"%"])),
        ("%%<chi><>", template(&["chi"], &[b"%", b"<>"])),
        (r"\\%<chi>\011\x7C\x7c", template(&["chi"], &[b"\\", b"\t||"])),
        (r"\%<chi>\n\x4\08", template(&["chi"], &[b"\\", b"\\n\\x4\\08"])),
        (r"%\x3cchi>%<crc>", template(&["crc"], &[b"%<chi>", b""])),
        ("é%<chi>\\xe9", template(&["chi"], &["é".as_bytes(), b"\xe9"])),
        ("%<{X-A}cqh??\"no ne\">", template(&["{X-A}cqh??\"no ne\""], &[b"", b""])),
        ("%<LAST(cqts)> : %<COUNT(*)>", template(&["LAST(cqts)", "COUNT(*)"], &[b"", b" : ", b""])),
    ];
    for (text, expected) in cases {
        assert_eq!(&parse(text).unwrap(), expected, "{text}");
    }
}

#[test]
fn errors_say_what_and_where() {
    let cases: &[(&str, TemplateError)] = &[
        ("", TemplateError::NoField { text: String::new() }),
        ("squib", TemplateError::NoField { text: "squib".into() }),
        ("a %<chi", TemplateError::Open { at: 2 }),
        ("%<chi> %<>", TemplateError::Empty { at: 7 }),
        ("%<chi,crc>", TemplateError::Comma { at: 0 }),
        (r"ab\000%<chi>", TemplateError::Byte { at: 2, byte: 0 }),
        (r"%<chi>\xff", TemplateError::Byte { at: 6, byte: 0xff }),
        (r"%<chi>\377", TemplateError::Byte { at: 6, byte: 0xff }),
        (r"%<chi>\777", TemplateError::Byte { at: 6, byte: 0o777 }),
        ("%<chi>\0", TemplateError::Byte { at: 6, byte: 0 }),
        ("%<c\0i>", TemplateError::Byte { at: 0, byte: 0 }),
    ];
    for (text, expected) in cases {
        assert_eq!(&parse(text).unwrap_err(), expected, "{text}");
        assert!(!expected.to_string().is_empty());
    }
    let long = format!("%<{}>", "a".repeat(SYMBOL_LEN_MAX + 1));
    assert_eq!(parse(&long), Err(TemplateError::SymbolLen { at: 0 }));
    assert_eq!(parse(&"%<a>".repeat(SYMBOLS_MAX)).unwrap().symbols.len(), SYMBOLS_MAX);
    assert_eq!(parse(&"%<a>".repeat(SYMBOLS_MAX + 1)), Err(TemplateError::Symbols { at: SYMBOLS_MAX * 4 }));
    assert_eq!(parse(&"a".repeat(TEXT_LEN_MAX + 1)), Err(TemplateError::Len { len: TEXT_LEN_MAX + 1 }));
    assert!(parse("squib").unwrap_err().to_string().contains("squid, common, extended, extended2"));
}

#[test]
fn segments_have_their_format_in_two_halves() {
    let squid = Template::of_segment(b"\xff \xff/\xff", "cqtq,crc,pssc").unwrap();
    assert_eq!(squid.text(), "%<cqtq> %<crc>/%<pssc>");
    assert_eq!(squid.field_list(), "cqtq,crc,pssc");
    // Fewer marks than symbols: the rest isn't printed. More: nothing is.
    assert_eq!(Template::of_segment(b"a\xffb", "chi,crc").unwrap(), template(&["chi"], &[b"a", b"b"]));
    assert_eq!(Template::of_segment(b"\xff\xff", "chi"), Err(TemplateError::Marks { marks: 2, symbols: 1 }));
    assert_eq!(Template::of_segment(b"", "chi"), Err(TemplateError::NoField { text: String::new() }));
    assert_eq!(Template::of_segment(b"\xff \xff", "chi,"), Err(TemplateError::Empty { at: 4 }));
    assert_eq!(Template::of_segment(&[MARK; 1025], &"a,".repeat(1025)), Err(TemplateError::Symbols { at: 0 }));
}

#[test]
fn the_formats_of_traffic_server_are_those_of_its_segments() {
    // Field lists and templates as segments of these releases have them.
    let cases: &[(&str, &str, &str, &[u8])] = &[
        ("squid", "2.0", "cqtq,ttms,chi,crc,pssc,psql,cqhm,cquc,caun,phr,pqsn,psct,xid", b"# # # #/# # # # # #/# # #"),
        ("squid", "5.0", "cqtq,ttms,chi,crc,pssc,psql,cqhm,cquc,caun,phr,pqsn,psct", b"# # # #/# # # # # #/# #"),
        ("squid", "8.0", "cqtq,ttms,chi,crc,pssc,psql,cqhm,cquc,caun,phr,shn,psct", b"# # # #/# # # # # #/# #"),
        ("squid", "10.0", "cqtq,ttms,chi,crc,pssc,psql,cqhm,pquc,caun,phr,shn,psct", b"# # # #/# # # # # #/# #"),
        ("common", "2.0", "chi,caun,cqtn,cqtx,pssc,pscl", b"# - # [#] \"#\" # #"),
        ("common", "10.0", "chi,caun,cqtn,cqhm,pqu,cqpv,pssc,pscl", b"# - # [#] \"# # #\" # #"),
        (
            "extended",
            "7.0",
            "chi,caun,cqtn,cqtx,pssc,pscl,sssc,sscl,cqcl,pqcl,cqhl,pshl,pqhl,sshl,tts",
            b"# - # [#] \"#\" # # # # # # # # # # #",
        ),
        (
            "extended2",
            "2.0",
            "chi,caun,cqtn,cqtx,pssc,pscl,sssc,sscl,cqbl,pqbl,cqhl,pshl,pqhl,sshl,tts,phr,cfsc,pfsc,crc",
            b"# - # [#] \"#\" # # # # # # # # # # # # # # #",
        ),
        (
            "extended2",
            "10.0",
            "chi,caun,cqtn,cqhm,pqu,cqpv,pssc,pscl,sssc,sscl,cqcl,pqcl,cqhl,pshl,pqhl,sshl,tts,phr,cfsc,pfsc,crc",
            b"# - # [#] \"# # #\" # # # # # # # # # # # # # # #",
        ),
    ];
    for (name, since, list, print) in cases {
        let marked: Vec<u8> = print.iter().map(|&byte| if byte == b'#' { MARK } else { byte }).collect();
        let named = NAMED.iter().find(|named| named.name == *name && named.since == *since).unwrap();
        assert_eq!(parse(named.text).unwrap(), Template::of_segment(&marked, list).unwrap(), "{name} {since}");
    }
    assert_eq!(names().collect::<Vec<_>>(), ["squid", "common", "extended", "extended2"]);
    assert_eq!(names().map(|name| named(name).len()).collect::<Vec<_>>(), [4, 2, 3, 3]);
    assert_eq!(parse_or_named("common").unwrap(), named("common"));
    assert_eq!(parse_or_named("%<chi>").unwrap(), [parse("%<chi>").unwrap()]);
    assert!(parse_or_named("Squid").is_err());
}

fn any_template() -> impl Strategy<Value = Template> {
    let byte = prop_oneof![Just(b'%'), Just(b'<'), Just(b'>'), Just(b'\\'), Just(b'x'), Just(b'0'), 1..=0xfe_u8];
    let literal = prop::collection::vec(byte, 0..8);
    prop::collection::vec(("[^>,\0]{1,12}", literal.clone()), 1..6).prop_flat_map(move |parts| {
        literal.clone().prop_map(move |first| {
            let (symbols, mut literals): (Vec<String>, Vec<Vec<u8>>) = parts.iter().cloned().unzip();
            literals.insert(0, first);
            Template { symbols, literals }
        })
    })
}

proptest! {
    #[test]
    fn the_text_of_a_template_is_the_same_template(template in any_template()) {
        prop_assert_eq!(parse(&template.text()).unwrap(), template);
    }

    #[test]
    fn what_is_read_comes_back(text in "(%<|>|\\\\|\\\\x[0-9a-f]{2}|[a-z,]|\\PC){0,40}") {
        if let Ok(template) = parse(&text) {
            prop_assert_eq!(template.literals.len(), template.symbols.len() + 1);
            prop_assert_eq!(parse(&template.text()).unwrap(), template);
        }
    }

    #[test]
    fn a_segments_halves_are_its_format(template in any_template()) {
        let print = template.literals.join(&MARK);
        prop_assert_eq!(Template::of_segment(&print, &template.field_list()).unwrap(), template);
    }
}
