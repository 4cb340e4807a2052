//! One value as text.

use super::number::{
    push_decimal, push_hex, push_hex_bytes, push_ipv4, push_ipv6, push_millis, push_status, push_thousandths,
    push_whole_thousandths,
};
use super::show::{Int, Show, Slice, Time};
use super::time::Clock;
use crate::wire::bytes::{align8, text_len};
use crate::wire::layout::Ints;
use crate::wire::segment::RawEntry;

/// What a value's text depends on besides its bytes.
pub(super) struct Context<'a, 'e, 'z> {
    pub entry: &'a RawEntry<'e>,
    pub ints: Ints,
    pub clock: &'a mut Clock<'z>,
}

/// Appends a value. One that isn't there is `-`, which only happens in damaged entries, and for symbols that the writer didn't know.
#[inline]
pub(super) fn push(out: &mut Vec<u8>, show: &Show, value: &[u8], context: &mut Context<'_, '_, '_>) {
    match show {
        Show::Int(int) => push_int(out, *int, value, context),
        Show::Ip { is_hex } => push_ip(out, value, *is_hex),
        Show::Text { slice, is_version } => {
            if *is_version {
                out.extend_from_slice(b"HTTP/");
            }
            out.extend_from_slice(cut(*slice, value));
        }
        Show::Version => push_version(out, value, context.ints),
        Show::Record => out.extend_from_slice(until_nul(value)),
        Show::List => {
            out.push(b'{');
            for (name, value) in pairs(value) {
                for part in [&b"{{"[..], name, b"}:{", value, b"}}"] {
                    out.extend_from_slice(part);
                }
            }
            out.push(b'}');
        }
        Show::Request { slice } => {
            let (method, url, version) = request(value);
            for part in [method, b" ", cut(*slice, url), b" "] {
                out.extend_from_slice(part);
            }
            push_version(out, version, context.ints);
        }
        Show::Fallback { slices, last } => match fallback(value, slices, last, context.ints) {
            Chosen::Text(text) => out.extend_from_slice(text),
            Chosen::Last(show, value) => push(out, show, value, context),
        },
        Show::Absent => out.push(b'-'),
    }
}

fn push_int(out: &mut Vec<u8>, int: Int, value: &[u8], context: &mut Context<'_, '_, '_>) {
    let Some(value) = context.ints.at(value, 0) else {
        out.push(b'-');
        return;
    };
    match int {
        Int::Decimal => push_decimal(out, value),
        Int::Status => push_status(out, value),
        Int::Hex => push_hex(out, value as u64, hex_digits(context.ints)),
        Int::Thousandths => push_thousandths(out, value),
        Int::WholeThousandths => push_whole_thousandths(out, value),
        Int::Milestone if value == -1 => out.push(b'-'),
        Int::Milestone => push_decimal(out, value),
        Int::Address { is_hex: true } => push_hex_bytes(out, &(value as u32).to_be_bytes()),
        Int::Address { is_hex: false } => push_ipv4(out, (value as u32).to_be_bytes()),
        Int::Code(code) => match code.name(value) {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => {
                out.extend_from_slice(code.unknown().as_bytes());
                out.push(b'(');
                push_decimal(out, value);
                out.push(b')');
            }
        },
        Int::Time { as_: Time::Squid, is_own: true } if value == 0 => {
            push_decimal(out, context.entry.seconds);
            push_millis(out, millis(context.entry));
        }
        Int::Time { as_, is_own: true } if value == 0 => push_time(out, as_, context.entry.seconds, context),
        Int::Time { as_, .. } => push_time(out, as_, value, context),
        Int::Scaled { as_, from_ms } => {
            let (seconds, millis) = match (value, from_ms) {
                (0, _) => (context.entry.seconds, millis(context.entry)),
                (_, true) => (value.div_euclid(1000), value.rem_euclid(1000) as u64),
                (_, false) => (value, 0),
            };
            if as_ == Time::Squid {
                push_decimal(out, seconds);
                push_millis(out, millis);
            } else {
                push_time(out, as_, seconds, context);
            }
        }
    }
}

/// A time in seconds, or for [`Time::Squid`] in milliseconds.
fn push_time(out: &mut Vec<u8>, as_: Time, value: i64, context: &mut Context<'_, '_, '_>) {
    match as_ {
        Time::Squid => push_thousandths(out, value),
        Time::Seconds => push_decimal(out, value),
        Time::Hex => push_hex(out, value as u64, hex_digits(context.ints)),
        Time::Netscape => context.clock.push_netscape(out, value),
        Time::Date => context.clock.push_date(out, value),
        Time::Clock => context.clock.push_time(out, value),
    }
}

/// Milliseconds within the second of an entry's header.
pub(super) fn millis(entry: &RawEntry<'_>) -> u64 {
    entry.usec.clamp(0, 999_999) as u64 / 1000
}

fn hex_digits(ints: Ints) -> u32 {
    if ints == Ints::Short { 8 } else { 16 }
}

fn push_version(out: &mut Vec<u8>, value: &[u8], ints: Ints) {
    out.extend_from_slice(b"HTTP/");
    match (ints.at(value, 0), ints.at(value, 8)) {
        (Some(major), Some(minor)) => {
            push_decimal(out, major);
            out.push(b'.');
            push_decimal(out, minor);
        }
        _ => out.push(b'-'),
    }
}

/// An address; none is `0`.
pub(super) fn push_ip(out: &mut Vec<u8>, value: &[u8], is_hex: bool) {
    match (address(value), is_hex) {
        (Address::V4(bytes), false) => push_ipv4(out, bytes),
        (Address::V4(bytes), true) => push_hex_bytes(out, &bytes),
        (Address::V6(bytes), false) => push_ipv6(out, bytes),
        (Address::V6(bytes), true) => push_hex_bytes(out, &bytes),
        (Address::Path(path), false) => out.extend_from_slice(path),
        (Address::Path(path), true) => push_hex_bytes(out, path),
        (Address::None, _) => out.push(b'0'),
    }
}

/// What an address value holds.
pub(super) enum Address<'a> {
    V4([u8; 4]),
    V6([u8; 16]),
    /// A Unix socket's.
    Path(&'a [u8]),
    None,
}

/// Reads an address value. The family is in the order of the writer's processor, so either is taken.
pub(super) fn address(value: &[u8]) -> Address<'_> {
    let family = match value.first_chunk() {
        Some([low, 0]) => *low,
        Some([0, high]) => *high,
        _ => 0,
    };
    let bytes = value.get(4..).unwrap_or_default();
    match family {
        2 => bytes.first_chunk().map_or(Address::None, |bytes| Address::V4(*bytes)),
        10 | 28 | 30 => bytes.first_chunk().map_or(Address::None, |bytes| Address::V6(*bytes)),
        1 => Address::Path(until_nul(value.get(2..).map_or(&[], |path| &path[..path.len().min(108)]))),
        _ => Address::None,
    }
}

fn cut(slice: Option<Slice>, text: &[u8]) -> &[u8] {
    slice.map_or(text, |slice| slice.cut(text))
}

/// A text up to its NUL, or all of it.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    &bytes[..text_len(bytes).unwrap_or(bytes.len())]
}

/// Names and values of a header list.
pub(super) fn pairs(mut list: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        if *list.first()? == 0 {
            return None;
        }
        let (name, rest) = list.split_at(text_len(list)?);
        let rest = &rest[1..];
        let (value, rest) = rest.split_at(text_len(rest)?);
        list = &rest[1..];
        Some((name, value))
    })
}

/// Method, URL and version of a request's value.
pub(super) fn request(value: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let method = until_nul(value);
    let rest = value.get(align8(method.len() + 1)..).unwrap_or_default();
    let url = until_nul(rest);
    (method, url, rest.get(align8(url.len() + 1)..).unwrap_or_default())
}

/// What a fallback chose.
pub(super) enum Chosen<'a> {
    /// A header, with its slice cut, or the default.
    Text(&'a [u8]),
    /// The last term.
    Last(&'a Show, &'a [u8]),
}

/// Reads a fallback's selector.
pub(super) fn fallback<'a>(value: &'a [u8], slices: &[Option<Slice>], last: &'a Show, ints: Ints) -> Chosen<'a> {
    let Some(selector) = ints.at(value, 0) else { return Chosen::Text(b"-") };
    let rest = &value[8..];
    if selector == -2 {
        let is_text = matches!(last, Show::Text { .. });
        return Chosen::Last(last, if is_text { until_nul(rest) } else { rest });
    }
    let slice = usize::try_from(selector).ok().and_then(|candidate| slices.get(candidate).copied().flatten());
    Chosen::Text(cut(slice, until_nul(rest)))
}
