//! Numbers as text, appended to a buffer.

/// Bytes that are copied in one step, whatever is wanted of them.
pub(super) const STEP: usize = 32;

/// Appends the first `len` bytes of `ahead`. What lies behind them may be copied too, and is taken back: for the short texts that most are
/// this beats a call that looks at the length.
#[inline]
pub(super) fn push_ahead(out: &mut Vec<u8>, ahead: &[u8], len: usize) {
    match ahead.first_chunk::<STEP>() {
        Some(step) if len <= STEP => {
            let end = out.len() + len;
            out.extend_from_slice(step);
            out.truncate(end);
        }
        _ => out.extend_from_slice(&ahead[..len.min(ahead.len())]),
    }
}

/// `-17`.
#[inline]
pub(super) fn push_decimal(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    push_unsigned(out, value.unsigned_abs());
}

/// Digits of the greatest `u64`.
const DIGITS: usize = 20;

/// Digits, from the last two to the first, left where [`push_ahead`] may look beyond them.
#[inline]
pub(super) fn push_unsigned(out: &mut Vec<u8>, value: u64) {
    if value < 10 {
        out.push(b'0' + value as u8);
        return;
    }
    let mut text = [0; DIGITS + STEP];
    let start = digits(&mut text, value);
    push_ahead(out, &text[start..], DIGITS - start);
}

/// Writes digits up to [`DIGITS`], and gives where they begin.
#[inline]
fn digits(text: &mut [u8; DIGITS + STEP], mut value: u64) -> usize {
    let mut at = DIGITS;
    while value >= 10 {
        at -= 2;
        push_two_digits(text, at, value % 100);
        value /= 100;
    }
    if value > 0 {
        at -= 1;
        text[at] = b'0' + value as u8;
    }
    at
}

/// Two digits at `at`; `value` is below 100.
#[inline]
pub(super) fn push_two_digits<const N: usize>(text: &mut [u8; N], at: usize, value: u64) {
    text[at] = b'0' + (value / 10 % 10) as u8;
    text[at + 1] = b'0' + (value % 10) as u8;
}

/// At least two digits.
#[inline]
pub(super) fn push_two(out: &mut Vec<u8>, value: u64) {
    push_padded(out, value, 2);
}

/// At least three digits, behind the sign.
#[inline]
pub(super) fn push_status(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    push_padded(out, value.unsigned_abs(), 3);
}

fn push_padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut text = [0; DIGITS + STEP];
    let start = digits(&mut text, value);
    out.extend_from_slice(&b"000"[..width.saturating_sub(DIGITS - start)]);
    push_ahead(out, &text[start..], DIGITS - start);
}

/// The greatest thousandths whose quotient by 1000 is printed digit by digit, as its rounding can't reach the third decimal.
const EXACT_MAX: u64 = 1 << 50;

/// Thousandths as units with three decimals. Traffic Server divides in floating point, which shows in absurd values.
#[inline]
pub(super) fn push_thousandths(out: &mut Vec<u8>, value: i64) {
    use std::io::Write;
    let size = value.unsigned_abs();
    if size > EXACT_MAX {
        // Writing into a vector can't fail.
        let _ = write!(out, "{:.3}", value as f64 / 1000.0);
        return;
    }
    if value < 0 {
        out.push(b'-');
    }
    push_unsigned(out, size / 1000);
    push_millis(out, size % 1000);
}

/// The same from 10.2 on: the quotient, and the remainder without its sign. So what lies between -1 and 0 loses its own.
#[inline]
pub(super) fn push_whole_thousandths(out: &mut Vec<u8>, value: i64) {
    push_decimal(out, value / 1000);
    push_millis(out, (value % 1000).unsigned_abs());
}

/// A point and three digits; `millis` is below 1000.
#[inline]
pub(super) fn push_millis(out: &mut Vec<u8>, millis: u64) {
    let mut text = *b".000";
    text[1] = b'0' + (millis / 100 % 10) as u8;
    push_two_digits(&mut text, 2, millis % 100);
    out.extend_from_slice(&text);
}

/// Lower-case digits to the base 16, padded with zeros to `digits` (at most 16).
pub(super) fn push_hex(out: &mut Vec<u8>, value: u64, digits: u32) {
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(value >> (4 * digit) & 15) as usize]);
    }
}

/// Bytes as upper-case digits to the base 16.
pub(super) fn push_hex_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
}

/// IPv6 text. Where the first 6 groups, but no more, are zero, and for mapped addresses, the last 4 bytes are written as IPv4: so do
/// `inet_ntop` and with it Traffic Server, unlike Rust's own formatting for the former.
pub(super) fn push_ipv6(out: &mut Vec<u8>, bytes: [u8; 16]) {
    use std::io::Write;
    let address = std::net::Ipv6Addr::from(bytes);
    let groups = address.segments();
    // Writing into a vector can't fail.
    let _ = if groups[..6] == [0; 6] && groups[6] != 0 {
        write!(out, "::{}.{}.{}.{}", bytes[12], bytes[13], bytes[14], bytes[15])
    } else {
        write!(out, "{address}")
    };
}

/// IPv4 text.
#[inline]
pub(super) fn push_ipv4(out: &mut Vec<u8>, bytes: [u8; 4]) {
    let mut text = [0; 16];
    let mut len = 0;
    for byte in bytes {
        for (unit, digit) in [(100, byte / 100), (10, byte / 10 % 10), (1, byte % 10)] {
            if byte >= unit || unit == 1 {
                text[len] = b'0' + digit;
                len += 1;
            }
        }
        text[len] = b'.';
        len += 1;
    }
    out.extend_from_slice(&text[..len - 1]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn statuses_have_three_digits() {
        let cases = [(0, "000"), (45, "045"), (200, "200"), (1000, "1000"), (-5, "-005"), (-200, "-200")];
        for (value, expected) in cases {
            assert_eq!(text(|out| push_status(out, value)), expected);
        }
        assert_eq!(text(|out| push_status(out, i64::MIN)), "-9223372036854775808");
    }

    #[test]
    fn thousandths_are_what_a_division_in_floating_point_prints() {
        let cases = [
            (0, "0.000"),
            (-5, "-0.005"),
            (123_456_789, "123456.789"),
            (i64::MAX, "9223372036854776.000"),
            (-3_401_236_452_189_504_500, "-3401236452189504.500"),
            (4_914_875_461_705_286_000, "4914875461705286.000"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(|out| push_thousandths(out, value)), expected);
        }
    }

    #[test]
    fn thousandths_of_new_releases_are_whole() {
        let cases = [(0, "0.000"), (-1, "0.001"), (-1500, "-1.500"), (i64::MIN, "-9223372036854775.808")];
        for (value, expected) in cases {
            assert_eq!(text(|out| push_whole_thousandths(out, value)), expected);
        }
    }

    #[test]
    fn ipv6_is_written_as_inet_ntop_does() {
        let cases: &[(u128, &str)] = &[
            (0, "::"),
            (1, "::1"),
            (0xffff, "::ffff"),
            (0x1_0000, "::0.1.0.0"),
            (0x0102_0304, "::1.2.3.4"),
            (0xffff_0102_0304, "::ffff:1.2.3.4"),
            (0xfffe_0102_0304, "::fffe:102:304"),
            (0x2001_0db8_0000_0000_0001_0000_0000_0001, "2001:db8::1:0:0:1"),
            (0x2001_0db8_0001_0000_0001_0001_0000_0001, "2001:db8:1:0:1:1:0:1"),
            (0x0001_0002_0003_0004_0005_0006_0007_0000, "1:2:3:4:5:6:7:0"),
        ];
        for (address, expected) in cases {
            assert_eq!(text(|out| push_ipv6(out, address.to_be_bytes())), *expected);
        }
    }

    #[test]
    fn decimals_are_those_of_the_standard_library() {
        let mut value = 0_u64;
        while value < u64::MAX / 10 {
            for near in [value, value + 1, value + 99] {
                assert_eq!(text(|out| push_unsigned(out, near)), near.to_string());
            }
            value = value * 10 + 9;
        }
        for value in [i64::MIN, -100, -10, -9, -1, 0, 9, 10, 99, 100, 101, 1010, i64::MAX] {
            assert_eq!(text(|out| push_decimal(out, value)), value.to_string());
        }
        assert_eq!(text(|out| push_unsigned(out, u64::MAX)), u64::MAX.to_string());
    }

    proptest! {
        #[test]
        fn short_cuts_print_the_same(value in -(EXACT_MAX as i64)..=EXACT_MAX as i64, v4: [u8; 4], bits: u64) {
            prop_assert_eq!(text(|out| push_thousandths(out, value)), format!("{:.3}", value as f64 / 1000.0));
            prop_assert_eq!(text(|out| push_ipv4(out, v4)), std::net::Ipv4Addr::from(v4).to_string());
            prop_assert_eq!(text(|out| push_unsigned(out, bits)), bits.to_string());
            prop_assert_eq!(text(|out| push_hex(out, bits, 16)), format!("{bits:016x}"));
        }
    }
}
