//! The course of one connection: which messages it sends next, or how long it waits. Pure: the time since the start comes in.

use std::ops::Range;
use std::time::Duration;

use super::input::Input;

/// Bytes of one write, unless a message is longer: large enough that the system calls cost nothing.
const CHUNK_LEN: usize = 512 * 1024;

/// When a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After sending the whole input so often.
    Repeats(u64),
    /// With the first message that would begin after so long.
    Elapsed(Duration),
}

/// How fast a connection sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Entries a second of this connection.
    pub rate: f64,
    /// From 0 to 1: how much of its first message's time a connection waits, so that several don't beat together.
    pub phase: f64,
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write the input's bytes at `place`: whole messages.
    Send {
        /// Place in the input's bytes.
        place: Range<usize>,
        /// Entries in them.
        entries: u64,
        /// They begin another round through the input.
        starts_round: bool,
    },
    /// Nothing before so long after the start.
    Wait(Duration),
    /// All is sent.
    Done,
}

/// Where a connection is.
#[derive(Clone, Debug)]
pub struct Course<'a> {
    input: &'a Input,
    until: Until,
    pace: Option<Pace>,
    round: u64,
    message: usize,
    entries: u64,
}

impl<'a> Course<'a> {
    /// A connection that hasn't sent anything yet.
    pub fn new(input: &'a Input, until: Until, pace: Option<Pace>) -> Self {
        Self { input, until, pace, round: 0, message: 0, entries: 0 }
    }

    /// What to do `elapsed` after the start; what it says to send counts as sent.
    pub fn next(&mut self, elapsed: Duration) -> Step {
        let messages = self.input.messages();
        if self.message == messages.len() {
            self.round += 1;
            self.message = 0;
        }
        let ended = match self.until {
            Until::Repeats(count) => self.round >= count,
            Until::Elapsed(limit) => elapsed >= limit,
        };
        if ended || messages.is_empty() {
            return Step::Done;
        }
        let first = self.message;
        let start = self.input.place(first).start;
        let mut entries = 0;
        while let Some(message) = messages.get(self.message) {
            let is_first = self.message == first;
            if !is_first && message.end - start > CHUNK_LEN {
                break;
            }
            let due = self.due(self.entries + entries, message.entries);
            if due > elapsed {
                if is_first {
                    return Step::Wait(match self.until {
                        Until::Elapsed(limit) => due.min(limit),
                        Until::Repeats(_) => due,
                    });
                }
                break;
            }
            entries += message.entries;
            self.message += 1;
        }
        self.entries += entries;
        let end = messages[self.message - 1].end;
        Step::Send { place: start..end, entries, starts_round: first == 0 }
    }

    /// When a message of so many entries may be sent behind so many.
    fn due(&self, before: u64, entries: u64) -> Duration {
        let Some(Pace { rate, phase }) = self.pace else {
            return Duration::ZERO;
        };
        let seconds = (before as f64 + phase * entries as f64) / rate;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::encode::{Header, SegmentWriter};

    /// As many segments as given, of 40 entries each.
    fn input(segments: usize) -> Input {
        let mut writer = SegmentWriter::new(&Header::default(), 0);
        for _ in 0..40 {
            writer.push(0, 0, &[]).unwrap();
        }
        let bytes = writer.finish(0).repeat(segments);
        let mut input = Input::default();
        input.add(&bytes).unwrap();
        input
    }

    /// Entries sent by then, if writing takes no time.
    fn sent(course: &mut Course<'_>, until: Duration) -> u64 {
        let (mut elapsed, mut sum) = (Duration::ZERO, 0);
        while elapsed < until {
            match course.next(elapsed) {
                Step::Send { entries, .. } => sum += entries,
                Step::Wait(due) => {
                    assert!(due > elapsed);
                    elapsed = due;
                }
                Step::Done => break,
            }
        }
        sum
    }

    #[test]
    fn chunks_are_whole_messages_and_cover_the_input_in_order() {
        let input = input(2_000);
        let mut course = Course::new(&input, Until::Repeats(2), None);
        let (mut places, mut rounds, mut sum) = (Vec::new(), 0, 0);
        while let Step::Send { place, entries, starts_round } = course.next(Duration::ZERO) {
            assert!(place.len() <= CHUNK_LEN && place.len() > CHUNK_LEN / 2 || place.end == input.bytes().len());
            rounds += u64::from(starts_round);
            sum += entries;
            places.extend(input.bytes()[place].iter().copied());
        }
        assert_eq!((rounds, sum), (2, 2 * input.entries()));
        assert_eq!(places, input.bytes().repeat(2));
    }

    #[test]
    fn the_rate_holds_at_any_time_within_one_message() {
        let input = input(10);
        for rate in [50.0, 1_000.0, 77_777.0, 2_000_000.0] {
            let mut course = Course::new(&input, Until::Repeats(u64::MAX), Some(Pace { rate, phase: 0.0 }));
            let found = sent(&mut course, Duration::from_secs(10)) as f64;
            assert!((rate * 10.0..=rate * 10.0 + 40.0).contains(&found), "{rate}: {found}");
        }
    }

    #[test]
    fn many_connections_together_keep_the_rate_from_the_start() {
        let input = input(10);
        let found: u64 = (0..8)
            .map(|index| {
                let pace = Pace { rate: 1_000.0 / 8.0, phase: f64::from(index) / 8.0 };
                sent(&mut Course::new(&input, Until::Repeats(u64::MAX), Some(pace)), Duration::from_secs(5))
            })
            .sum();
        assert!((5_000 - 40..=5_000 + 8 * 40 / 2).contains(&found), "{found}");
    }

    #[test]
    fn a_time_limit_ends_between_messages() {
        let input = input(10);
        let limit = Duration::from_secs(3);
        let mut course = Course::new(&input, Until::Elapsed(limit), Some(Pace { rate: 10.0, phase: 0.0 }));
        assert!(matches!(course.next(Duration::ZERO), Step::Send { entries: 40, .. }));
        assert_eq!(course.next(Duration::from_secs(1)), Step::Wait(limit));
        assert_eq!(course.next(limit), Step::Done);
    }

    #[test]
    fn an_empty_input_is_done_at_once() {
        let input = Input::default();
        assert_eq!(Course::new(&input, Until::Repeats(3), None).next(Duration::ZERO), Step::Done);
        let forever = Until::Elapsed(Duration::MAX);
        assert_eq!(Course::new(&input, forever, None).next(Duration::ZERO), Step::Done);
    }
}
