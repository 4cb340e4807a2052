//! The shared secret: the first message of every connection.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};

use crate::wire::frame::SECRET_MAX;

/// What Traffic Server sends unless told otherwise.
pub const DEFAULT: &str = "foobar";

/// A secret; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret that no connection could send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret has 1 to {SECRET_MAX} bytes; this one has {len}")]
pub struct SecretError {
    /// Its length.
    pub len: usize,
}

impl Secret {
    /// A secret of 1 to 1024 bytes.
    ///
    /// # Errors
    ///
    /// [`SecretError`] if it is empty or too long.
    pub fn new(bytes: &[u8]) -> Result<Self, SecretError> {
        if bytes.is_empty() || bytes.len() > SECRET_MAX {
            return Err(SecretError { len: bytes.len() });
        }
        Ok(Self(bytes.into()))
    }

    /// Its bytes, for a sender.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Is it the one that everybody knows?
    pub fn is_default(&self) -> bool {
        *self.0 == *DEFAULT.as_bytes()
    }

    /// Is `sent` the whole secret, perhaps with one NUL behind it? Takes the same time for every answer:
    /// both are compared over the longest length that is read.
    pub fn matches(&self, sent: &[u8]) -> bool {
        let ours = padded(&self.0);
        let theirs = padded(sent);
        let len = self.0.len() as u64;
        let same_len = (sent.len() as u64).ct_eq(&len);
        let with_nul = (sent.len() as u64).ct_eq(&(len + 1)) & Choice::from(u8::from(sent.last() == Some(&0)));
        (ours[..].ct_eq(&theirs[..]) & (same_len | with_nul)).into()
    }
}

fn padded(bytes: &[u8]) -> [u8; SECRET_MAX + 1] {
    let mut padded = [0; SECRET_MAX + 1];
    let len = bytes.len().min(padded.len());
    padded[..len].copy_from_slice(&bytes[..len]);
    padded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_matches() {
        let secret = Secret::new(b"foobar").unwrap();
        let cases: &[(&[u8], bool)] = &[
            (b"foobar", true),
            (b"foobar\0", true),
            (b"foobar\0\0", false),
            (b"fooba", false),
            (b"f", false),
            (b"", false),
            (b"\0", false),
            (b"foobarX", false),
            (b"fooBAR", false),
            (b"foobar\0X", false),
        ];
        for (sent, expected) in cases {
            assert_eq!(secret.matches(sent), *expected, "{sent:?}");
        }
        let longest = Secret::new(&[7; SECRET_MAX]).unwrap();
        assert!(longest.matches(&[7; SECRET_MAX]) && !longest.matches(&[7; SECRET_MAX - 1]));
    }

    #[test]
    fn a_secret_is_bounded_and_never_shown() {
        assert_eq!(Secret::new(b""), Err(SecretError { len: 0 }));
        assert_eq!(Secret::new(&[0; 1025]), Err(SecretError { len: 1025 }));
        assert!(!format!("{:?}", Secret::new(b"foobar").unwrap()).contains("foo"));
    }
}
