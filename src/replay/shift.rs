//! Shifting: where times are in an input, and how they move.
//!
//! All move by the same whole seconds, so distances stay, and microseconds and milliseconds too. Moved are the headers of entries,
//! the time stamps of segments, and the fields that hold a moment (spec/logbuffer.md 7.2): `cqtq` and milestones in milliseconds,
//! `cqts cqth cqtn cqtd cqtt` in seconds. Zero means "not reached" or "see the entry's header" and stays.

use std::ops::Range;

use super::input::Input;
use crate::wire::fields::{self, Framing, Term};
use crate::wire::format::Formats;
use crate::wire::frame::HEAD;
use crate::wire::layout::{EntryHeader, Ints, Layout};
use crate::wire::segment::Segment;
use crate::wire::value::stored_len;

/// Where a segment's low and high time stamps are.
const TIMESTAMPS_AT: [usize; 2] = [20, 24];

/// How a time is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// u32, seconds.
    Stamp,
    /// i64, seconds.
    Seconds,
    /// i64, milliseconds.
    Milliseconds,
    /// As 2.0.0 to 2.1.0 stored it: u32, big-endian, seconds.
    Short,
}

/// All times of an input, in the order of their places.
#[derive(Clone, Debug, Default)]
pub struct Times {
    places: Vec<(usize, Unit)>,
    newest: Option<i64>,
}

impl Times {
    /// Finds the times in messages that can be decoded; in entries that can't, only their header.
    pub fn of(input: &Input) -> Self {
        let mut times = Self::default();
        let mut formats = Formats::default();
        for (message, bytes) in input.segments().enumerate() {
            // What is no segment has no times; the engine will say what it makes of it.
            if let Ok(segment) = Segment::parse(bytes) {
                times.add(&segment, input.place(message).start + HEAD, &mut formats);
            }
        }
        times
    }

    /// Unix seconds of the newest entry; `None` without entries.
    pub fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Moves by `seconds` the times in `bytes`, which is a copy of the input's bytes at `place`.
    pub fn shift(&self, bytes: &mut [u8], place: Range<usize>, seconds: i64) {
        let first = self.places.partition_point(|(at, _)| *at < place.start);
        for (at, unit) in &self.places[first..] {
            if *at >= place.end {
                break;
            }
            let slot = &mut bytes[at - place.start..];
            match unit {
                Unit::Stamp | Unit::Short => {
                    let slot = slot.first_chunk_mut::<4>().expect("a place is inside its message");
                    let is_stamp = *unit == Unit::Stamp;
                    let time = if is_stamp { u32::from_le_bytes(*slot) } else { u32::from_be_bytes(*slot) };
                    let time = i64::from(time).saturating_add(seconds).clamp(0, u32::MAX.into()) as u32;
                    *slot = if is_stamp { time.to_le_bytes() } else { time.to_be_bytes() };
                }
                Unit::Seconds | Unit::Milliseconds => {
                    let slot = slot.first_chunk_mut::<8>().expect("a place is inside its message");
                    let factor = if *unit == Unit::Milliseconds { 1000 } else { 1 };
                    let time = i64::from_le_bytes(*slot).saturating_add(seconds.saturating_mul(factor));
                    *slot = time.to_le_bytes();
                }
            }
        }
    }

    fn add(&mut self, segment: &Segment<'_>, start: usize, formats: &mut Formats) {
        // An input holds none of big-endian writers, nor converted ones.
        if segment.layout().words != Layout::USUAL.words {
            return;
        }
        let (low, high) = segment.timestamps();
        for (time, at) in [low, high].into_iter().zip(TIMESTAMPS_AT) {
            if time != 0 {
                self.places.push((start + at, Unit::Stamp));
            }
        }
        let slots = formats.of(segment).ok().map(|format| {
            let plan = format.plan(segment);
            Slots::of(format.field_list(), plan.framings(), plan.ints())
        });
        let entries = segment.layout().entries;
        let unit = if entries == EntryHeader::E12 { Unit::Stamp } else { Unit::Seconds };
        let mut at = start + segment.data_offset();
        for entry in segment.entries() {
            self.places.push((at, unit));
            self.newest = self.newest.max(Some(entry.seconds));
            if let Some(slots) = &slots {
                slots.find(entry.payload, at + entries.values_at(), &mut self.places);
            }
            at += entries.overhead() + entry.payload.len();
        }
    }
}

/// The fields of a format: how each is stored, and whether it is a time.
struct Slots(Vec<Slot>, Ints);

struct Slot {
    framing: Framing,
    unit: Option<Unit>,
    is_scheme: bool,
}

impl Slots {
    fn of(field_list: &str, framings: &[Framing], ints: Ints) -> Self {
        let slot = |(symbol, framing): (&str, &Framing)| Slot {
            framing: *framing,
            unit: unit(symbol).map(|unit| if ints == Ints::Short { Unit::Short } else { unit }),
            is_scheme: fields::without_slice(symbol) == "cqus",
        };
        Self(field_list.split(',').zip(framings).map(slot).collect(), ints)
    }

    /// Adds the places of an entry's times, whose payload is at `start`; none if the length test fails.
    fn find(&self, payload: &[u8], start: usize, places: &mut Vec<(usize, Unit)>) {
        if self.0.iter().all(|slot| slot.unit.is_none()) {
            return;
        }
        let before = places.len();
        // Traffic Server 7.1 to 9.2 stores 8 bytes too many behind the scheme `UNKNOWN`.
        for extra in [8, 0] {
            if self.walk(payload, start, extra, places).is_some() {
                return;
            }
            places.truncate(before);
        }
    }

    fn walk(&self, payload: &[u8], start: usize, extra: usize, places: &mut Vec<(usize, Unit)>) -> Option<()> {
        let mut at = 0;
        for slot in &self.0 {
            let rest = payload.get(at..)?;
            let mut len = stored_len(slot.framing, rest, self.1)?;
            if slot.is_scheme && rest.starts_with(b"UNKNOWN\0") {
                len += extra;
            }
            let value_at = match slot.framing {
                Framing::Int => Some(0),
                // Selector -2: the last term, in its own framing.
                Framing::Fallback(Term::Int) if self.1.at(rest, 0) == Some(-2) => Some(8),
                _ => None,
            };
            if let (Some(unit), Some(value_at)) = (slot.unit, value_at)
                && self.1.at(rest, value_at)? != 0
            {
                places.push((start + at + value_at, unit));
            }
            at += len;
        }
        (at == payload.len()).then_some(())
    }
}

/// The unit of a symbol that is a moment. Aggregates of moments are in seconds, and only the first and the last are moments.
fn unit(symbol: &str) -> Option<Unit> {
    if let Some((_, last)) = symbol.rsplit_once("??") {
        return unit(last);
    }
    match symbol {
        "cqtq" => return Some(Unit::Milliseconds),
        "cqts" | "cqth" | "cqtn" | "cqtd" | "cqtt" => return Some(Unit::Seconds),
        _ => {}
    }
    if let Some((_, "ms")) = fields::container(symbol) {
        return Some(Unit::Milliseconds);
    }
    let (operator, argument) = symbol.strip_suffix(')')?.split_once('(')?;
    (matches!(operator, "FIRST" | "LAST") && unit(argument).is_some()).then_some(Unit::Seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::bytes::i64_at;
    use crate::wire::encode::{Header, SegmentWriter, Value};

    const T: i64 = 1_700_000_000;

    /// An input of one segment with these fields and entries.
    fn input(field_list: &str, padding: [u8; 8], entries: &[&[Value<'_>]]) -> Input {
        let header = Header { field_list: field_list.as_bytes(), padding, ..Header::default() };
        let mut writer = SegmentWriter::new(&header, T as u32);
        for (index, values) in entries.iter().enumerate() {
            writer.push(T + index as i64, 250_000, values).unwrap();
        }
        let mut input = Input::default();
        input.add(writer.finish(T as u32 + 5)).unwrap();
        input
    }

    fn shifted(input: &Input, seconds: i64) -> Vec<u8> {
        let mut bytes = input.bytes().to_vec();
        let len = bytes.len();
        Times::of(input).shift(&mut bytes, 0..len, seconds);
        bytes
    }

    /// The 8-byte integers of the only entry.
    fn integers(bytes: &[u8]) -> Vec<i64> {
        let segment = Segment::parse(&bytes[HEAD..]).unwrap();
        let payload = segment.entries().next().unwrap().payload;
        (0..payload.len()).step_by(8).map(|at| i64_at(payload, at).unwrap()).collect()
    }

    #[test]
    fn moments_move_in_their_unit_and_nothing_else() {
        use Value::{Int, Text};
        let ms = T * 1000 + 7;
        let cases: &[(&str, &[Value<'_>], &[i64])] = &[
            ("cqtq,ttms", &[Int(ms), Int(ms)], &[ms + 60_000, ms]),
            ("cqts,cqth,cqtn", &[Int(T), Int(T), Int(T)], &[T + 60; 3]),
            ("cqtd,cqtt,psql", &[Int(T), Int(T), Int(T)], &[T + 60, T + 60, T]),
            ("cqtq,cqts", &[Int(0), Int(0)], &[0, 0]),
            ("{TS_MILESTONE_UA_BEGIN}ms,psql", &[Int(ms), Int(1)], &[ms + 60_000, 1]),
            ("{TS_MILESTONE_UA_BEGIN}ms,psql", &[Int(0), Int(1)], &[0, 1]),
            ("{A-B}msdms,cqts", &[Int(T), Int(T)], &[T, T + 60]),
            ("{X}cqh??cqts", &[Int(-2), Int(T)], &[-2, T + 60]),
            ("FIRST(cqts),LAST(cqtq),SUM(cqts),COUNT(*)", &[Int(T); 4], &[T + 60, T + 60, T, T]),
            ("caun,cqts", &[Text(b"-"), Int(T)], &[i64::from(b'-'), T + 60]),
        ];
        for (list, values, expected) in cases {
            assert_eq!(integers(&shifted(&input(list, [0; 8], &[values]), 60)), *expected, "{list}");
        }
    }

    #[test]
    fn headers_move_and_keep_their_distances() {
        let input = input("psql", [0; 8], &[&[Value::Int(1)], &[Value::Int(2)]]);
        assert_eq!(Times::of(&input).newest(), Some(T + 1));
        let bytes = shifted(&input, -1_000);
        let segment = Segment::parse(&bytes[HEAD..]).unwrap();
        assert_eq!(segment.timestamps(), (T as u32 - 1_000, T as u32 - 995));
        let times: Vec<_> = segment.entries().map(|entry| (entry.seconds, entry.usec)).collect();
        assert_eq!(times, [(T - 1_000, 250_000), (T - 999, 250_000)]);
    }

    #[test]
    fn damaged_entries_move_in_their_header_only() {
        let good = [Value::Int(T), Value::Text(b"a")];
        let damaged = [Value::Int(T), Value::Text(b"a"), Value::Int(9)];
        let input = input("cqts,caun", [0; 8], &[&good, &good, &damaged]);
        let bytes = shifted(&input, 60);
        let segment = Segment::parse(&bytes[HEAD..]).unwrap();
        let found: Vec<_> = segment.entries().map(|entry| (entry.seconds, i64_at(entry.payload, 0).unwrap())).collect();
        assert_eq!(found, [(T + 60, T + 60), (T + 61, T + 60), (T + 62, T)]);
    }

    #[test]
    fn a_part_of_the_input_moves_like_the_whole() {
        let mut input = input("cqts", [0; 8], &[&[Value::Int(T)], &[Value::Int(T)]]);
        let again = input.bytes()[HEAD..].to_vec();
        input.add(&again).unwrap();
        let whole = shifted(&input, 5);
        let times = Times::of(&input);
        for message in 0..2 {
            let place = input.place(message);
            let mut part = input.bytes()[place.clone()].to_vec();
            times.shift(&mut part, place.clone(), 5);
            assert_eq!(part, whole[place]);
        }
    }
}
