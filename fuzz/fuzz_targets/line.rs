//! A text log: however it is cut, the same lines are read, and counted the same; no more is used up than was given.
#![no_main]

use libfuzzer_sys::fuzz_target;
use visulate::source::session::Shared;
use visulate::source::text::TextSession;
use visulate::tally::table::Seed;
use visulate::tally::{Caps, Part, Shard};
use visulate::wire::format::Formats;
use visulate::wire::line::{Line, LineFormats, LinePlan, Lines};
use visulate::wire::plan::Fields;
use visulate::wire::template;

const FORMATS: [&str; 6] = [
    "squid",
    "common",
    "extended2",
    "%<chi> \"%<{User-Agent}cqh>\" %<pssc> [%<cqtd> %<cqtt>] %<cquc> %<psql>",
    "%<cqtx>%<crc>%<phr>",
    "%<ttmsf>|%<prrp>|%<shn>|%<psct>|%<cqtn>",
];

fn counted(reads: &[&[u8]], format: &str) -> Part {
    let mut shared =
        Shared { shard: Shard::new(0, &Caps::new(64 << 20, 1), &Seed::default()), formats: Formats::default() };
    let formats = LineFormats::new(template::parse_or_named(format).expect("a format")).expect("a format");
    let mut session = TextSession::new("edge", "squid.log", formats);
    let mut buffer = Vec::new();
    for read in reads {
        buffer.extend_from_slice(read);
        let used = session.take(&buffer, &mut shared, 9);
        assert!(used <= buffer.len(), "used more than there is");
        buffer.drain(..used);
    }
    session.end(&buffer, &mut shared);
    let mut part = Part::default();
    shared.shard.hand_over(&mut part, 1, true);
    part
}

// First a byte: the format, and where to cut; then the text.
fuzz_target!(|data: &[u8]| {
    let Some((first, text)) = data.split_first() else { return };
    let format = FORMATS[usize::from(first & 7) % FORMATS.len()];
    let cut = text.len() * usize::from(first >> 3) / 32;
    let lines = |reads: &[&[u8]]| {
        let (mut lines, mut rest, mut found) = (Lines::default(), Vec::new(), Vec::new());
        for read in reads {
            rest.extend_from_slice(read);
            let mut split = lines.split(&rest);
            for line in split.by_ref() {
                found.push(match line {
                    Line::Whole(line) => line.to_vec(),
                    Line::Long => b"long".to_vec(),
                });
            }
            rest = split.rest().to_vec();
        }
        (found, rest)
    };
    assert_eq!(lines(&[text]), lines(&[&text[..cut], &text[cut..]]), "cuts change the lines");

    let (whole, in_two) = (counted(&[text], format), counted(&[&text[..cut], &text[cut..]], format));
    assert_eq!(whole.entries.received(), in_two.entries.received(), "cuts change how many there are");
    assert_eq!(whole.entries.requests, whole.total.all_requests(), "rows add up");

    let template = template::parse_or_named(format).expect("a format").remove(0);
    let plan = LinePlan::new(&template).expect("a format");
    for line in text.split(|byte| *byte == b'\n').take(50) {
        let fits = plan.read_into(&mut Fields::default(), line).is_some();
        assert_eq!(fits, plan.fits(line), "a line both fits and does not");
    }
});
