//! Values: how long each is in an entry, found out the plain, slow way, which the tests hold the plans against.

use super::bytes::{align8, text_len};
use super::fields::Framing;
use super::layout::Ints;

/// Where the value of each symbol lies in an entry.
///
/// Calls `each` with the number of the symbol, its framing, and its bytes. `None` if the values do not come out at the entry's end.
pub fn walk<'a>(
    framings: &[Framing],
    payload: &'a [u8],
    ints: Ints,
    mut each: impl FnMut(usize, Framing, &'a [u8]),
) -> Option<()> {
    let mut at = 0;
    for (number, framing) in framings.iter().enumerate() {
        let rest = payload.get(at..)?;
        let len = stored_len(*framing, rest, ints)?;
        each(number, *framing, rest.get(..len)?);
        at += len;
    }
    (at == payload.len()).then_some(())
}

/// Bytes that a value takes at the start of `bytes`, its padding included.
pub fn stored_len(framing: Framing, bytes: &[u8], ints: Ints) -> Option<usize> {
    let len = match framing {
        Framing::Absent => 0,
        Framing::Int => 8,
        Framing::Pair => 16,
        Framing::Record => 32,
        Framing::Text => align8(text_len(bytes)? + 1),
        Framing::Ip => ip_len(bytes, ints)?,
        Framing::List => list_len(bytes)?,
        Framing::Request => {
            let method = stored_len(Framing::Text, bytes, ints)?;
            method + stored_len(Framing::Text, bytes.get(method..)?, ints)? + 16
        }
        Framing::Fallback(term) => {
            let framing = if ints.at(bytes, 0)? == -2 { term.framing() } else { Framing::Text };
            8 + stored_len(framing, bytes.get(8..)?, ints)?
        }
        Framing::Rest => bytes.len(),
    };
    (len <= bytes.len()).then_some(len)
}

/// Bytes of an address value, by its family: none and IPv4 8, IPv6 24 (10 on Linux, 28 on FreeBSD, 30 on macOS), Unix sockets 112.
#[inline]
pub fn ip_len(bytes: &[u8], ints: Ints) -> Option<usize> {
    Some(match ints.family(bytes)? {
        10 | 28 | 30 => 24,
        1 => 112,
        _ => 8,
    })
}

/// Bytes of a header list. An empty value is an empty string, so the end is looked for only where a name would start.
pub fn list_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while *bytes.get(at)? != 0 {
        at += text_len(bytes.get(at..)?)? + 1;
        at += text_len(bytes.get(at..)?)? + 1;
    }
    Some(align8(at + 1))
}

/// The address in an IP value, IPv4 as mapped IPv6; `None` for family 0, Unix sockets, and what is cut.
#[inline]
pub fn address(value: &[u8], ints: Ints) -> Option<[u8; 16]> {
    match ints.family(value)? {
        2 => value.get(4..)?.first_chunk().copied().map(mapped),
        10 | 28 | 30 => value.get(4..)?.first_chunk().copied(),
        _ => None,
    }
}

/// The address in the IP value at the start of `bytes`, in the order of its bytes, and what follows it.
#[inline(always)]
pub fn split_address(bytes: &[u8], ints: Ints) -> Option<(Option<u128>, &[u8])> {
    // Nearly all are of IPv4, in the family that all systems have.
    if let Some((value, rest)) = bytes.split_first_chunk::<8>()
        && ints.family(value) == Some(2)
    {
        let [.., a, b, c, d] = *value;
        let address = u128::from(u32::from_le_bytes([a, b, c, d])) << 96 | 0xffff << 80;
        return Some((Some(if cfg!(target_endian = "big") { address.swap_bytes() } else { address }), rest));
    }
    let address = address(bytes, ints).map(u128::from_ne_bytes);
    Some((address, bytes.get(ip_len(bytes, ints)?..)?))
}

/// The address that 2.0 to 2.1.4 stored as an integer, the first of its four numbers the highest; `None` for 0 and what is none.
pub fn address_of_number(number: i64) -> Option<[u8; 16]> {
    u32::try_from(number).ok().filter(|&number| number != 0).map(|number| mapped(number.to_be_bytes()))
}

/// The address that 2.1.5 to 3.1.0 stored as a text; `None` for `-` and what is none.
pub fn address_of_text(text: &[u8]) -> Option<[u8; 16]> {
    match std::str::from_utf8(text).ok()?.parse().ok()? {
        std::net::IpAddr::V4(address) => Some(mapped(address.octets())),
        std::net::IpAddr::V6(address) => Some(address.octets()),
    }
}

#[inline]
fn mapped(v4: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, v4[0], v4[1], v4[2], v4[3]]
}

#[cfg(test)]
mod tests {
    use super::super::fields::Term;
    use super::*;

    #[test]
    fn stored_lengths_follow_the_framing() {
        let cases: &[(&str, Framing, &[u8], Option<usize>)] = &[
            ("text", Framing::Text, b"GET\0xxxx", Some(8)),
            ("text of 8", Framing::Text, b"12345678\0xxxxxxx", Some(16)),
            ("text without NUL", Framing::Text, b"12345678", None),
            ("text whose padding is cut", Framing::Text, b"12345678\0xxx", None),
            ("no address", Framing::Ip, &[0; 8], Some(8)),
            ("IPv4", Framing::Ip, &[2, 0, 9, 9, 127, 0, 0, 1], Some(8)),
            ("IPv6 cut", Framing::Ip, &[10; 8], Some(8)),
            ("half an address", Framing::Ip, &[2, 0, 9], None),
            ("empty list", Framing::List, &[0; 8], Some(8)),
            ("list with an empty value", Framing::List, b"Age\0\0Via\0x\0\0xxxx", Some(16)),
            ("list without end", Framing::List, b"Age\0\0Via\0x\0", None),
            ("record", Framing::Record, &[7; 32], Some(32)),
            ("record cut", Framing::Record, &[7; 24], None),
            ("fallback to a header", Framing::Fallback(Term::Ip), b"\0\0\0\0\0\0\0\0abc\0xxxx", Some(16)),
            (
                "fallback to the last term",
                Framing::Fallback(Term::Int),
                &[0xfe, 255, 255, 255, 255, 255, 255, 255, 1, 1, 1, 1, 1, 1, 1, 1],
                Some(16),
            ),
            ("request", Framing::Request, b"GET\0....a/b\0....1.......1.......", Some(32)),
        ];
        for (name, framing, bytes, expected) in cases {
            assert_eq!(stored_len(*framing, bytes, Ints::Little), *expected, "{name}");
        }
        let mut v6 = [0; 24];
        v6[0] = 10;
        assert_eq!(
            (stored_len(Framing::Ip, &v6, Ints::Little), stored_len(Framing::Ip, &v6[..16], Ints::Little)),
            (Some(24), None)
        );
    }
    #[test]
    fn addresses_are_read_in_every_form() {
        let v4 = |last| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, last];
        assert_eq!(address(&[2, 0, 9, 9, 192, 0, 2, 1], Ints::Little), Some(v4(1)));
        assert_eq!(address(&[0, 2, 9, 9, 192, 0, 2, 1], Ints::Big), Some(v4(1)));
        assert_eq!(address(&[0, 2, 9, 9, 192, 0, 2, 1], Ints::Little), None);
        assert_eq!(address(&[2, 0, 9, 9, 192], Ints::Little), None);
        assert_eq!(address_of_number(0xc000_0202), Some(v4(2)));
        assert_eq!((address_of_number(0), address_of_number(-1), address_of_number(1 << 32)), (None, None, None));
        assert_eq!(address_of_text(b"192.0.2.3"), Some(v4(3)));
        assert_eq!(address_of_text(b"::ffff:192.0.2.3"), Some(v4(3)));
        assert_eq!((address_of_text(b"-"), address_of_text(b""), address_of_text(b"\xff")), (None, None, None));
        let mut v6 = [0; 24];
        v6[1] = 10;
        assert_eq!((ip_len(&v6, Ints::Big), ip_len(&v6, Ints::Little)), (Some(24), Some(8)));
    }
}
