//! Frames: the length-prefixed messages of a collation connection.
//!
//! A frame is a signed 4-byte length, which does not count itself, and that many bytes. The first frame of a connection is the secret;
//! every other one is a segment. Lengths are in the sender's order: little-endian in practice, big-endian until 3.1.3 and from
//! big-endian processors. Source: spec/collation-protocol.md 2 and 3.

use super::bytes::u32_at;
use super::layout::Order;
use super::segment;

/// Bytes of the length before each frame's body.
pub const HEAD: usize = 4;

/// The longest secret that is read.
pub const SECRET_MAX: usize = 1024;

/// What one kind of frame may measure, in bytes of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The least.
    pub min: usize,
    /// The most.
    pub max: usize,
}

impl Bounds {
    /// A secret: 1 to 1024 bytes.
    pub const SECRET: Self = Self { min: 1, max: SECRET_MAX };

    /// A segment: at least its header, at most `max`.
    pub const fn segment(max: usize) -> Self {
        Self { min: segment::HEADER_LEN, max }
    }
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is negative, or outside the bounds.
    #[error("message length {found} (allowed: {} to {})", .bounds.min, .bounds.max)]
    Length {
        /// The length as sent.
        found: i32,
        /// What is allowed.
        bounds: Bounds,
    },
}

/// What the first bytes of a buffer hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole frame; `HEAD + body.len()` bytes are used up.
    Whole {
        /// Its body.
        body: &'a [u8],
    },
    /// A part of one: it needs `needed` bytes in all, its head included; `HEAD` while the length isn't there.
    Part {
        /// Bytes from the frame's first byte to its end.
        needed: usize,
    },
}

/// The greatest length that a first message may have for its order to be plain: read in the other order, it is greater.
const FIRST_MAX: u32 = 65_535;

/// The order of a connection's lengths, by its first bytes; `None` until there are enough.
///
/// # Errors
///
/// [`FrameError`] if the length can't be right in either order.
pub fn order(bytes: &[u8]) -> Result<Option<Order>, FrameError> {
    let Some(little) = u32_at(bytes, 0) else { return Ok(None) };
    if (1..=FIRST_MAX).contains(&little) {
        Ok(Some(Order::Little))
    } else if (1..=FIRST_MAX).contains(&little.swap_bytes()) {
        Ok(Some(Order::Big))
    } else {
        Err(FrameError::Length { found: little as i32, bounds: Bounds::SECRET })
    }
}

/// Looks at the frame at the start of `bytes`, whose length is little-endian.
///
/// # Errors
///
/// [`FrameError`] if the length can't be right: the connection can't be resynchronised.
#[inline]
pub fn first(bytes: &[u8], bounds: Bounds) -> Result<Frame<'_>, FrameError> {
    first_in(Order::Little, bytes, bounds)
}

/// Looks at the frame at the start of `bytes`, whose length is in that order.
///
/// # Errors
///
/// [`FrameError`] if the length can't be right: the connection can't be resynchronised.
#[inline]
pub fn first_in(order: Order, bytes: &[u8], bounds: Bounds) -> Result<Frame<'_>, FrameError> {
    let Some(found) = order.u32_at(bytes, 0) else {
        return Ok(Frame::Part { needed: HEAD });
    };
    let found = found as i32;
    match usize::try_from(found) {
        Ok(len) if bounds.min <= len && len <= bounds.max => Ok(match bytes.get(HEAD..HEAD + len) {
            Some(body) => Frame::Whole { body },
            None => Frame::Part { needed: HEAD + len },
        }),
        _ => Err(FrameError::Length { found, bounds }),
    }
}

/// True if the frame at the start of `bytes` has shown that it is no segment in that order, before all of it is there.
#[inline]
pub fn wrong_cookie(order: Order, bytes: &[u8]) -> bool {
    order.u32_at(bytes, HEAD).is_some_and(|cookie| cookie != segment::COOKIE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_outside_their_bounds_are_refused() {
        let cases: &[(&str, [u8; 4])] = &[
            ("zero", [0, 0, 0, 0]),
            ("negative", [0xff, 0xff, 0xff, 0xff]),
            ("huge", [0xff, 0xff, 0xff, 0x7f]),
            ("below a header", [63, 0, 0, 0]),
            ("one above the limit", [0x01, 0x24, 0, 0]),
            ("text", *b"GET "),
            ("big-endian", [0, 0, 0x24, 0]),
        ];
        for (name, head) in cases {
            let found = i32::from_le_bytes(*head);
            let bounds = Bounds::segment(9216);
            assert_eq!(first(head, bounds), Err(FrameError::Length { found, bounds }), "{name}");
        }
        assert_eq!(first(&[64, 0, 0, 0], Bounds::segment(9216)), Ok(Frame::Part { needed: 68 }));
        assert_eq!(first(&[0, 0x24, 0, 0], Bounds::segment(9216)), Ok(Frame::Part { needed: 9220 }));
    }

    #[test]
    fn a_frame_is_whole_with_its_last_byte() {
        let stream = b"\x06\0\0\0foobar\x90";
        for cut in 0..4 {
            assert_eq!(first(&stream[..cut], Bounds::SECRET), Ok(Frame::Part { needed: 4 }), "{cut}");
        }
        for cut in 4..10 {
            assert_eq!(first(&stream[..cut], Bounds::SECRET), Ok(Frame::Part { needed: 10 }), "{cut}");
        }
        assert_eq!(first(stream, Bounds::SECRET), Ok(Frame::Whole { body: b"foobar" }));
    }

    #[test]
    fn a_wrong_cookie_shows_with_its_last_byte() {
        use Order::{Big, Little};
        assert!(!wrong_cookie(Little, b"\x90\0\0\0\0\0\0"));
        assert!(wrong_cookie(Little, b"\x90\0\0\0\0\0\0\0"));
        assert!(!wrong_cookie(Little, b"\x90\0\0\0\xce\xfa\xce\x0a"));
        assert!(wrong_cookie(Little, b"\x90\0\0\0\x0a\xce\xfa\xce"));
        assert!(!wrong_cookie(Big, b"\0\0\0\x90\x0a\xce\xfa\xce"));
        assert!(wrong_cookie(Big, b"\0\0\0\x90\xce\xfa\xce\x0a"));
    }

    #[test]
    fn the_first_length_shows_the_order() {
        let cases: &[(&[u8], Option<Order>)] = &[
            (b"", None),
            (b"\x06\0\0", None),
            (b"\x06\0\0\0", Some(Order::Little)),
            (b"\xff\xff\0\0f", Some(Order::Little)),
            (b"\0\0\0\x06foo", Some(Order::Big)),
            (b"\0\0\xff\xff", Some(Order::Big)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(order(bytes), Ok(*expected), "{bytes:?}");
        }
        for bytes in [b"\0\0\0\0", b"GET ", b"\xff\xff\xff\xff", b"\0\x01\x01\0"] {
            assert!(order(bytes).is_err(), "{bytes:?}");
        }
        let big = b"\0\0\0\x06foobar";
        assert_eq!(first_in(Order::Big, big, Bounds::SECRET), Ok(Frame::Whole { body: b"foobar" }));
        assert_eq!(first_in(Order::Big, &big[..9], Bounds::SECRET), Ok(Frame::Part { needed: 10 }));
    }
}
