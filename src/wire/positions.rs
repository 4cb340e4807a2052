//! Positions: an entry's first twelve values, by where they stand and not by their symbols.
//!
//! Traffic Server's own report reads so, as if every format were the squid one: time, elapsed ms, client, result, status, size,
//! method, URL, user, route, peer, content type (spec/logstats-report.md 1).

use super::bytes::{align8, text_len_ahead};
use super::fields::Framing;
use super::layout::Ints;
use super::segment::RawEntry;
use super::value::ip_len;

/// How many values are read.
pub const POSITIONS: usize = 12;

/// The framings of the twelve.
pub const SQUID: [Framing; POSITIONS] = {
    use Framing::{Int, Ip, Text};
    [Int, Int, Ip, Int, Int, Int, Text, Text, Text, Int, Text, Text]
};

/// What one entry has at the twelve positions. A value that the format is too short for is 0 or empty; [`Positions::count`] tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values<'a> {
    /// Milliseconds.
    pub elapsed: i64,
    /// Address family of the client, as stored.
    pub family: u16,
    /// Cache result code.
    pub result: i64,
    /// Status sent to the client.
    pub status: i64,
    /// Bytes sent to the client.
    pub size: i64,
    /// Request method.
    pub method: &'a [u8],
    /// URL.
    pub url: &'a [u8],
    /// User.
    pub user: &'a [u8],
    /// Hierarchy code.
    pub route: i64,
    /// Content type.
    pub content_type: &'a [u8],
}

/// How many values an entry has, and how they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Positions {
    count: usize,
    /// Releases before 3.1.1 stored the client otherwise.
    client: Framing,
}

impl Positions {
    /// Of entries whose symbols store values in these framings.
    pub fn new(framings: &[Framing]) -> Self {
        let mut stored = framings.iter().filter(|framing| **framing != Framing::Absent);
        let client = match stored.clone().nth(2) {
            Some(client @ (Framing::Int | Framing::Text)) => *client,
            _ => Framing::Ip,
        };
        Self { count: stored.by_ref().take(POSITIONS).count(), client }
    }

    /// Values that an entry has, at most [`POSITIONS`].
    pub fn count(self) -> usize {
        self.count
    }

    /// Reads an entry's values, up to the one at position `LAST` (from 1) or the format's last. `None` if they reach beyond the entry.
    #[inline]
    pub fn read<'a, const LAST: usize>(self, ints: Ints, entry: &RawEntry<'a>) -> Option<Values<'a>> {
        if self.count >= LAST {
            self.values::<LAST>(LAST, ints, entry)
        } else {
            self.values::<LAST>(self.count, ints, entry)
        }
    }

    /// With `last` known to be `LAST`, all questions about it are answered when this is compiled.
    #[inline(always)]
    fn values<'a, const LAST: usize>(self, last: usize, ints: Ints, entry: &RawEntry<'a>) -> Option<Values<'a>> {
        let mut values = Values::default();
        let (ahead, end) = (entry.ahead, entry.payload.len());
        let mut at = 8;
        let int = |at: &mut usize| {
            let value = ints.at(ahead, *at)?;
            *at += 8;
            Some(value)
        };
        let text = |at: &mut usize| {
            let rest = ahead.get(*at..)?;
            let len = text_len_ahead(rest, end.saturating_sub(*at))?;
            *at += align8(len + 1);
            Some(&rest[..len])
        };
        if last >= 2 {
            values.elapsed = int(&mut at)?;
        }
        if last >= 3 {
            match self.client {
                Framing::Int => at += 8,
                Framing::Text => _ = text(&mut at)?,
                _ => {
                    let rest = ahead.get(at..)?;
                    values.family = ints.family(rest)?;
                    at += ip_len(rest, ints)?;
                }
            }
        }
        if last >= 4 {
            values.result = int(&mut at)?;
        }
        if last >= 5 {
            values.status = int(&mut at)?;
        }
        if last >= 6 {
            values.size = int(&mut at)?;
        }
        if last >= 7 {
            values.method = text(&mut at)?;
        }
        if last >= 8 {
            values.url = text(&mut at)?;
        }
        if last >= 9 {
            values.user = text(&mut at)?;
        }
        if last >= 10 {
            values.route = int(&mut at)?;
        }
        if last >= 11 {
            text(&mut at)?;
        }
        if last >= 12 {
            values.content_type = text(&mut at)?;
        }
        // What was read beyond the entry's end is found out here: no step goes back.
        (last == 0 || at <= end).then_some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::super::encode::{Header, SegmentWriter, Value};
    use super::super::segment::Segment;
    use super::*;

    fn segment(values: &[Value<'_>]) -> Vec<u8> {
        let header = Header { field_list: b"a", ..Header::default() };
        let mut writer = SegmentWriter::new(&header, 0);
        writer.push(1, 2, values).unwrap();
        writer.finish(3).to_vec()
    }

    const ENTRY: [Value<'static>; 13] = [
        Value::Int(1),
        Value::Int(-2),
        Value::Ip(Some(std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST))),
        Value::Int(49),
        Value::Int(200),
        Value::Int(3_000_000_000),
        Value::Text(b"GET"),
        Value::Text(b"http://host.example/a/path/that/is/longer/than/one/block/of/bytes"),
        Value::Text(b"user"),
        Value::Int(50),
        Value::Text(b"peer"),
        Value::Text(b"text/html"),
        Value::Int(7),
    ];

    fn read(values: &[Value<'_>], count: usize, check: impl FnOnce(Option<Values<'_>>)) {
        let bytes = segment(values);
        let segment = Segment::parse(&bytes).unwrap();
        let entry = segment.entries().next().unwrap();
        let framings = vec![Framing::Int; 2].into_iter().chain([Framing::Ip]).chain(vec![Framing::Int; 20]);
        let positions = Positions::new(&framings.take(count).collect::<Vec<_>>());
        check(positions.read::<POSITIONS>(segment.ints(), &entry));
    }

    #[test]
    fn twelve_values_are_read_and_more_are_ignored() {
        for count in [12, 13, 20] {
            read(&ENTRY, count, |values| {
                let values = values.unwrap();
                assert_eq!((values.elapsed, values.family, values.result, values.status), (-2, 10, 49, 200));
                assert_eq!((values.size, values.method, values.user), (3_000_000_000, &b"GET"[..], &b"user"[..]));
                assert!(values.url.ends_with(b"block/of/bytes"));
                assert_eq!((values.route, values.content_type), (50, &b"text/html"[..]));
            });
        }
    }

    #[test]
    fn a_shorter_format_leaves_the_rest_empty() {
        for count in 0..12 {
            read(&ENTRY[..count], count, |values| {
                let values = values.unwrap();
                assert_eq!(values.elapsed, if count >= 2 { -2 } else { 0 }, "{count}");
                assert_eq!(values.url.is_empty(), count < 8, "{count}");
                assert!(values.content_type.is_empty(), "{count}");
            });
        }
    }

    #[test]
    fn values_beyond_the_entry_are_refused() {
        for count in 1..12 {
            read(&ENTRY[..count - 1], count, |values| assert_eq!(values, None, "{count}"));
        }
    }

    #[test]
    fn the_url_is_reached_without_what_follows() {
        let bytes = segment(&ENTRY);
        let segment = Segment::parse(&bytes).unwrap();
        let entry = segment.entries().next().unwrap();
        let values = Positions::new(&SQUID).read::<8>(segment.ints(), &entry).unwrap();
        assert!(values.url.starts_with(b"http://host.example/") && values.user.is_empty());
    }

    #[test]
    fn symbols_that_store_nothing_take_no_position() {
        let positions = Positions::new(&[Framing::Absent, Framing::Int, Framing::Int, Framing::Text, Framing::Absent]);
        assert_eq!((positions.count(), positions.client), (3, Framing::Text));
        assert_eq!(Positions::new(&SQUID), Positions { count: 12, client: Framing::Ip });
    }
}
