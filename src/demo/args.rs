//! The options of `visulate demo` that its traffic follows.

use super::generator::Plan;
use std::time::Duration;

/// What the generator sends, and when.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Number that all chance starts from: the same seed, rate and --at give the same entries
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// Entries a second; waves and bursts move them by up to a third
    #[arg(long, value_name = "ENTRIES_PER_S", default_value_t = 5000,
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub rate: u32,

    /// Unix time at which the real-time part starts [default: now]
    #[arg(long, value_name = "UNIX", value_parser = clap::value_parser!(i64).range(0..=u32::MAX.into()))]
    pub at: Option<i64>,

    /// How much past is sent first, as fast as possible: 90s, 30m, 1h, 2h30m, or 0
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_history)]
    pub history: Duration,

    /// What moves the time: the machine's clock, or lines such as +10s on the standard input
    #[arg(long, value_enum, default_value_t = Clock::Real)]
    pub clock: Clock,

    /// Seconds that a node may hold entries back: 0 sends at once, 5 is what Traffic Server does
    #[arg(long, value_name = "SECONDS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(0..=60))]
    pub flush: u64,
}

/// What moves the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Clock {
    /// The machine's clock
    Real,
    /// Lines such as `+10s`
    Stdin,
}

impl Args {
    /// The plan of these options, with `now` (Unix seconds) where `--at` isn't given.
    pub fn plan(&self, now: i64) -> Plan {
        Plan { seed: self.seed, start: self.at.unwrap_or(now), rate: self.rate, history: self.history }
    }

    /// How long a node may hold entries back.
    pub fn flush_after(&self) -> Duration {
        Duration::from_secs(self.flush)
    }
}

/// Numbers with the units `d`, `h`, `m` and `s`, added up; a number alone is seconds. At most a month.
fn parse_history(text: &str) -> Result<Duration, String> {
    const MOST: u64 = 31 * 86_400;
    let wrong = || format!("{text:?} is not a duration such as 90s, 30m, 1h or 2h30m");
    let mut sum = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = rest[digits..].chars().next();
        let seconds = match unit {
            Some('d') => 86_400,
            Some('h') => 3_600,
            Some('m') => 60,
            Some('s') | None => 1,
            Some(_) => return Err(wrong()),
        };
        sum = sum.saturating_add(number.saturating_mul(seconds));
        rest = &rest[digits + usize::from(unit.is_some())..];
    }
    match sum {
        _ if text.is_empty() => Err(wrong()),
        ..=MOST => Ok(Duration::from_secs(sum)),
        _ => Err("the history is at most 31d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory, Parser};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn options_have_the_documented_defaults() {
        Line::command().debug_assert();
        let Line { args } = Line::try_parse_from(["demo"]).unwrap();
        let expected = Plan { seed: 1, start: 77, rate: 5000, history: Duration::from_secs(3600) };
        assert_eq!(args.plan(77), expected);
        assert_eq!((args.clock, args.flush_after()), (Clock::Real, Duration::ZERO));
        let words = "demo --seed 3 --rate 10 --at 1760000000 --history 0 --clock stdin --flush 5";
        let Line { args } = Line::try_parse_from(words.split(' ')).unwrap();
        let expected = Plan { seed: 3, start: 1_760_000_000, rate: 10, history: Duration::ZERO };
        assert_eq!(args.plan(77), expected);
        assert_eq!((args.clock, args.flush_after()), (Clock::Stdin, Duration::from_secs(5)));
    }

    #[test]
    fn histories_are_sums_of_units() {
        let cases = [
            ("0", Some(0)),
            ("90", Some(90)),
            ("90s", Some(90)),
            ("30m", Some(1_800)),
            ("1h", Some(3_600)),
            ("2h30m", Some(9_000)),
            ("31d", Some(31 * 86_400)),
            ("", None),
            ("h", None),
            ("1w", None),
            ("-1h", None),
            ("1hé", None),
            ("32d", None),
            ("99999999999999999999s", None),
            ("18446744073709551615d", None),
        ];
        for (text, seconds) in cases {
            let parsed = parse_history(text).ok().map(|history| history.as_secs());
            assert_eq!(parsed, seconds, "{text:?}");
        }
    }
}
