//! The report as text, laid out as Traffic Server's (spec/logstats-report.md 7).

use std::io::{self, Write};

use super::counters::Count;
use super::lines::{self, BLOCKS, SUMMARY, TIMES};
use super::options::Options;
use super::origins::{Block, Report};

/// Writes the report by origin; status 429 has a line if `has_new`.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, options: &Options, has_new: bool, report: &Report) -> io::Result<()> {
    let width = options.line_length;
    if !report.origins.is_empty() {
        title(out, width, b"Traffic summary")?;
        writeln!(out, "{:<33}{:>15}{:>15}{:>15}", "Origin Server", "Hits", "Misses", "Errors")?;
        rule(out, width, "-")?;
        for (name, block) in &report.origins {
            out.write_all(name)?;
            write!(out, "{:1$}", "", 33_usize.saturating_sub(name.len()))?;
            for line in SUMMARY {
                write!(out, "{:>15}", thousands(line.of(&block.counters).requests as i64))?;
            }
            out.write_all(b"\n")?;
        }
        rule(out, width, "=")?;
        out.write_all(b"\n\n\n")?;
    }
    if options.origins.is_none() {
        title(out, width, b"Totals (all Origins combined)")?;
        write_block(out, width, has_new, &report.total)?;
    }
    for (name, block) in &report.origins {
        title(out, width, name)?;
        write_block(out, width, has_new, block)?;
    }
    Ok(())
}

/// In the middle of a line, and an empty line below.
fn title(out: &mut impl Write, width: usize, text: &[u8]) -> io::Result<()> {
    write!(out, "{:1$}", "", width.saturating_sub(text.len()) / 2)?;
    out.write_all(text)?;
    out.write_all(b"\n\n")
}

fn rule(out: &mut impl Write, width: usize, sign: &str) -> io::Result<()> {
    writeln!(out, "{}", sign.repeat(width))
}

fn write_block(out: &mut impl Write, width: usize, has_new: bool, block: &Block) -> io::Result<()> {
    let all = block.count();
    for (at, part) in BLOCKS.iter().enumerate() {
        writeln!(out, "{:<29}{:>15}{:>11}{:>12}{:>11}", part.title, "Count", "Percent", "Bytes", "Percent")?;
        rule(out, width, "-")?;
        for (at, group) in part.groups.iter().enumerate() {
            if at > 0 {
                out.write_all(b"\n")?;
            }
            for line in group.iter().filter(|line| line.is_shown(has_new)) {
                write_line(out, line.label, line.of(&block.counters), all)?;
            }
        }
        if at == 0 {
            rule(out, width, ".")?;
            write_line(out, lines::TOTAL.label, all, all)?;
        }
        out.write_all(b"\n\n")?;
    }
    writeln!(out, "{:<24}{:>7}{:>13}{:>17}{:>17}", "Elapsed time stats", "Min", "Max", "Avg", "Std Deviation")?;
    rule(out, width, "-")?;
    for ((_, label), latency) in TIMES.iter().zip(block.times.latencies()) {
        let [min, max] = [latency.min, latency.max].map(|ms| thousands(ms.into()));
        let [average, deviation] = [latency.average, latency.deviation].map(|ms| two(ms.into()));
        writeln!(out, "{label:<24}{min:>7}{max:>13}{average:>17}{deviation:>17}")?;
    }
    out.write_all(b"\n")?;
    rule(out, width, "_")?;
    out.write_all(b"\n\n\n")
}

fn write_line(out: &mut impl Write, label: &str, Count { requests, bytes }: Count, all: Count) -> io::Result<()> {
    writeln!(
        out,
        "{label:<29}{:>15}{:>10}%{:>12}{:>10}%",
        thousands(requests as i64),
        percent(requests as f64, all.requests as f64),
        amount(bytes),
        percent(bytes as f64, all.bytes as f64)
    )
}

/// With `,` between thousands; what is not positive is `0`.
fn thousands(number: i64) -> String {
    let digits = number.max(0).to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the unit that fits, K at least.
fn amount(bytes: i64) -> String {
    const UNITS: [char; 5] = ['K', 'K', 'M', 'G', 'T'];
    let unit = if bytes <= 1024 { 1 } else { ((bytes as f64).log10() / 3.010_299_956_639_811_6) as usize };
    let unit = unit.min(UNITS.len() - 1);
    format!("{}{}B", two(bytes as f64 / 1024_f64.powi(unit as i32)), UNITS[unit])
}

/// `part` of `all` in hundredths.
pub fn percent(part: f64, all: f64) -> String {
    two(part / all * 100.0)
}

/// Two decimals. What is not a number has the sign that the processors in use give it.
pub fn two(number: f64) -> String {
    if number.is_nan() { "-nan".to_owned() } else { format!("{number:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_in_traffic_logstats() {
        let cases = [(0, "0"), (-7, "0"), (999, "999"), (1000, "1,000"), (12_345_678, "12,345,678")];
        for (number, text) in cases {
            assert_eq!(thousands(number), text);
        }
        let cases = [
            (0, "0.00KB"),
            (633, "0.62KB"),
            (1024, "1.00KB"),
            (1025, "1.00KB"),
            (1_048_575, "1024.00KB"),
            (1_048_576, "1.00MB"),
            (631_787_676, "602.52MB"),
            (-1_294_968_296, "-1264617.48KB"),
            (5 << 50, "5120.00TB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(amount(bytes), text, "{bytes}");
        }
        assert_eq!(
            (percent(0.0, 0.0), percent(0.0, -3.0), percent(1.0, 3.0)),
            ("-nan".into(), "-0.00".into(), "33.33".into())
        );
    }
}
