//! The shared secret: the first message of every connection.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

use subtle::{Choice, ConstantTimeEq};

use crate::wire::frame::SECRET_MAX;

/// What Traffic Server sends unless told otherwise.
pub const DEFAULT: &str = "foobar";

/// A secret; never shown.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Secret(Box<[u8]>);

impl TryFrom<String> for Secret {
    type Error = SecretError;

    fn try_from(text: String) -> Result<Self, SecretError> {
        Self::new(text.as_bytes())
    }
}

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

/// Variable that holds the secret.
const VARIABLE: &str = "VISULATE_SECRET";

/// Where the secret is.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct SecretArgs {
    /// File whose first line is the secret; without it, the variable VISULATE_SECRET, then Traffic Server's default
    #[arg(long, value_name = "F")]
    pub secret_file: Option<PathBuf>,

    /// The secret; for tests, since every local user can read the command line
    #[arg(long, value_name = "S", conflicts_with = "secret_file", value_parser = parse)]
    pub secret: Option<Secret>,
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The file can't be read.
    #[error("{}: {error}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No connection could send it.
    #[error("{from}: {error}")]
    Secret {
        /// The file or the variable.
        from: String,
        /// What is wrong with it.
        error: SecretError,
    },
}

impl SecretArgs {
    /// The secret, given the value of VISULATE_SECRET.
    ///
    /// # Errors
    ///
    /// [`FindError`].
    pub fn find(&self, variable: Option<OsString>) -> Result<Secret, FindError> {
        if let Some(secret) = &self.secret {
            return Ok(secret.clone());
        }
        let (bytes, from) = if let Some(path) = &self.secret_file {
            let text = std::fs::read(path).map_err(|error| FindError::File { path: path.clone(), error })?;
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            (line.strip_suffix(b"\r").unwrap_or(line).to_vec(), path.display().to_string())
        } else {
            let secret = variable.unwrap_or_else(|| DEFAULT.into());
            (secret.into_encoded_bytes(), VARIABLE.to_owned())
        };
        Secret::new(&bytes).map_err(|error| FindError::Secret { from, error })
    }

    /// The value of VISULATE_SECRET.
    pub fn variable() -> Option<OsString> {
        std::env::var_os(VARIABLE)
    }
}

/// For command lines.
///
/// # Errors
///
/// [`SecretError`] if it is empty or too long.
pub fn parse(text: &str) -> Result<Secret, SecretError> {
    Secret::new(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_goes_before_the_file_and_the_file_before_the_variable() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let (line, two, empty) = (file("a", "quiet"), file("b", "quiet\r\nplease\n"), file("c", "\n"));
        let variable = Some(OsString::from("loud"));
        let find = |secret: Option<&str>, secret_file: &Option<PathBuf>, variable: &Option<OsString>| {
            let args = SecretArgs { secret: secret.map(|text| parse(text).unwrap()), secret_file: secret_file.clone() };
            args.find(variable.clone()).map(|secret| secret.bytes().to_vec()).map_err(|error| error.to_string())
        };
        assert_eq!(find(None, &None, &None).unwrap(), b"foobar");
        assert_eq!(find(None, &None, &variable).unwrap(), b"loud");
        assert_eq!(find(None, &line, &variable).unwrap(), b"quiet");
        assert_eq!(find(None, &two, &None).unwrap(), b"quiet");
        assert_eq!(find(Some("option"), &None, &variable).unwrap(), b"option");
        let wrong = find(None, &empty, &None).unwrap_err();
        assert!(wrong.contains("/c: a secret has 1 to 1024 bytes"), "{wrong}");
        let missing = find(None, &Some(folder.path().join("d")), &None).unwrap_err();
        assert!(missing.contains("/d: No such file"), "{missing}");
    }

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
