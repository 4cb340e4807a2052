//! One value as JSON: integers and codes are numbers as stored, slices are not applied, addresses are texts (`"0"` is none).
//!
//! Where `traffic_logcat -j` goes by types that aren't those of the data, this says what the data say: of a fallback the value that
//! was chosen, a record's text, a header list as an array of `[name, value]`, a request as an object. A symbol that the writer
//! didn't know is `null`.

use super::number::push_decimal;
use super::show::{Int, Show, Time};
use super::text::{Address, Chosen, Context, address, fallback, millis, pairs, push_ip, request, until_nul};
use crate::wire::layout::Ints;

/// Appends a value.
pub(super) fn push(out: &mut Vec<u8>, show: &Show, value: &[u8], context: &Context<'_, '_, '_>) {
    match show {
        Show::Text { .. } => push_text(out, value),
        Show::Int(int) => push_int(out, *int, value, context),
        Show::Version => push_version(out, value, context.ints),
        Show::Ip { .. } => match address(value) {
            Address::Path(path) => push_text(out, path),
            _ => {
                out.push(b'"');
                push_ip(out, value, false);
                out.push(b'"');
            }
        },
        Show::Record => push_text(out, until_nul(value)),
        Show::List => {
            out.push(b'[');
            for (number, (name, value)) in pairs(value).enumerate() {
                out.extend_from_slice(if number == 0 { b"[" } else { b",[" });
                push_text(out, name);
                out.push(b',');
                push_text(out, value);
                out.push(b']');
            }
            out.push(b']');
        }
        Show::Request { .. } => {
            let (method, url, version) = request(value);
            out.extend_from_slice(b"{\"method\":");
            push_text(out, method);
            out.extend_from_slice(b",\"url\":");
            push_text(out, url);
            out.extend_from_slice(b",\"version\":");
            push_version(out, version, context.ints);
            out.push(b'}');
        }
        Show::Fallback { last, .. } => match fallback(value, &[], last, context.ints) {
            Chosen::Text(text) => push_text(out, text),
            Chosen::Last(show, value) => push(out, show, value, context),
        },
        Show::Absent => out.extend_from_slice(b"null"),
    }
}

fn push_int(out: &mut Vec<u8>, int: Int, value: &[u8], context: &Context<'_, '_, '_>) {
    let Some(value) = context.ints.at(value, 0) else {
        out.extend_from_slice(b"null");
        return;
    };
    let own = |is_ms: bool| match is_ms {
        true => context.entry.seconds.saturating_mul(1000).saturating_add(millis(context.entry) as i64),
        false => context.entry.seconds,
    };
    let value = match (value, int) {
        (0, Int::Time { as_, is_own: true } | Int::Scaled { as_, .. }) => own(as_ == Time::Squid),
        (_, Int::Scaled { from_ms: true, .. }) => value.div_euclid(1000),
        (_, Int::Scaled { from_ms: false, .. }) => value.saturating_mul(1000),
        _ => value,
    };
    push_decimal(out, value);
}

fn push_version(out: &mut Vec<u8>, value: &[u8], ints: Ints) {
    let (Some(major), Some(minor)) = (ints.at(value, 0), ints.at(value, 8)) else {
        out.extend_from_slice(b"null");
        return;
    };
    out.push(b'[');
    push_decimal(out, major);
    out.push(b',');
    push_decimal(out, minor);
    out.push(b']');
}

/// Appends a text in quotes; bytes that aren't UTF-8 become U+FFFD.
pub(super) fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        push_escaped(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let mut start = 0;
    for (at, &byte) in text.iter().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' && byte != 0x7f {
            continue;
        }
        out.extend_from_slice(&text[start..at]);
        start = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
        }
    }
    out.extend_from_slice(&text[start..]);
}
