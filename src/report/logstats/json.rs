//! The report as JSON, laid out as Traffic Server's: every value is a string, names are as they are in the log
//! (spec/logstats-report.md 7 and 8).

use std::io::{self, Write};

use super::counters::Count;
use super::latency::Latency;
use super::lines::{BLOCKS, TIMES};
use super::options::Options;
use super::origins::{Block, Report};
use super::text::{percent, two};
use super::urls::Record;

/// Writes the report by origin; status 429 has a line if `has_new`.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut impl Write, options: &Options, has_new: bool, report: &Report) -> io::Result<()> {
    let total = options.origins.is_none().then_some((&b"total"[..], &report.total));
    let origins = report.origins.iter().map(|(name, block)| (&**name, block));
    out.write_all(b"{ ")?;
    for (at, (name, block)) in total.into_iter().chain(origins).enumerate() {
        if at > 0 {
            out.write_all(b",\n  ")?;
        }
        out.write_all(b"\"")?;
        out.write_all(name)?;
        out.write_all(b"\": {\n")?;
        write_block(out, options, has_new, block)?;
        write!(out, "    \"_timestamp\" : \"{}\"\n  }}", options.now)?;
    }
    out.write_all(b"\n}\n")
}

fn write_block(out: &mut impl Write, options: &Options, has_new: bool, block: &Block) -> io::Result<()> {
    let all = block.count();
    for line in BLOCKS.iter().flat_map(|block| block.groups).copied().flatten().filter(|line| line.is_shown(has_new)) {
        let Count { requests, bytes } = line.of(&block.counters);
        write!(out, "    \"{}\" : {{ \"req\": \"{requests}\", ", line.key)?;
        if !options.concise {
            write!(out, "\"req_pct\": \"{}\", ", percent(requests as f64, all.requests as f64))?;
        }
        write!(out, "\"bytes\": \"{bytes}\"")?;
        if !options.concise {
            write!(out, ", \"bytes_pct\": \"{}\"", percent(bytes as f64, all.bytes as f64))?;
        }
        out.write_all(b" },\n")?;
    }
    for ((key, _), latency) in TIMES.iter().zip(block.times.latencies()) {
        let Latency { min, max, average, deviation } = latency;
        write!(out, "    \"{key}\" : {{ \"min\": \"{min}\", \"max\": \"{max}\"")?;
        if !options.concise {
            write!(out, ", \"avg\": \"{}\", \"dev\": \"{}\"", two((*average).into()), two((*deviation).into()))?;
        }
        out.write_all(b" },\n")?;
    }
    Ok(())
}

/// Writes what stands before the first URL.
///
/// # Errors
///
/// Those of `out`.
pub fn write_urls_start(out: &mut impl Write, options: &Options) -> io::Result<()> {
    out.write_all(if options.as_object { b"{\n" } else { b"[\n" })
}

/// Writes what stands behind the last URL.
///
/// # Errors
///
/// Those of `out`.
pub fn write_urls_end(out: &mut impl Write, options: &Options) -> io::Result<()> {
    let now = options.now;
    if options.as_object {
        write!(out, "  \"_timestamp\" : \"{now}\"\n}}\n")
    } else {
        write!(out, "  {{ \"_timestamp\" : \"{now}\" }}\n]\n")
    }
}

/// Writes one URL.
///
/// # Errors
///
/// Those of `out`.
pub fn write_url(out: &mut impl Write, options: &Options, url: &[u8], record: &Record) -> io::Result<()> {
    out.write_all(if options.as_object { b"  \"" } else { b"  { \"" })?;
    out.write_all(url)?;
    let ([hits, misses, errors], [strange, ok, redirects, refused, failed]) = (record.outcomes, record.hundreds);
    let Latency { min, max, average, deviation } = record.times;
    write!(
        out,
        "\" : {{ \"req\" : {{ \"total\" : \"{}\", \"hits\" : \"{hits}\", \"misses\" : \"{misses}\", \"errors\" : \"{errors}\", \
         \"000\" : \"{strange}\", \"2xx\" : \"{ok}\", \"3xx\" : \"{redirects}\", \"4xx\" : \"{refused}\", \"5xx\" : \"{failed}\" }}, \
         \"bytes\" : \"{}\", \"svc_t\" : {{ \"min\" : \"{min}\", \"max\" : \"{max}\", \"avg\" : \"{}\", \"dev\" : \"{}\" }} }}",
        record.requests,
        record.bytes,
        two(average.into()),
        two(deviation.into())
    )?;
    out.write_all(if options.as_object { b",\n" } else { b" },\n" })
}
