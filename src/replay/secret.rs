//! The secret that the engine expects: from an option, a file, or the environment.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::wire::frame::SECRET_MAX;

/// Traffic Server's `proxy.config.log.collation_secret` unless configured.
const DEFAULT: &[u8] = b"foobar";
/// Variable that holds the secret.
const VARIABLE: &str = "VISULATE_SECRET";

/// Where the secret is.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// File whose first line is the secret; without it, the variable VISULATE_SECRET, then Traffic Server's default
    #[arg(long, value_name = "F")]
    pub secret_file: Option<PathBuf>,

    /// The secret; for tests, since every local user can read the command line
    #[arg(long, value_name = "S", conflicts_with = "secret_file")]
    pub secret: Option<OsString>,
}

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file can't be read.
    #[error("{}: {error}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// An engine refuses it.
    #[error("the secret has {len} bytes, not 1 to {SECRET_MAX}")]
    Length {
        /// Bytes it has.
        len: usize,
    },
}

impl Args {
    /// The secret, given the value of VISULATE_SECRET.
    ///
    /// # Errors
    ///
    /// [`SecretError`].
    pub fn secret(&self, variable: Option<OsString>) -> Result<Vec<u8>, SecretError> {
        let secret = match (&self.secret, &self.secret_file, variable) {
            (Some(secret), ..) => secret.clone().into_encoded_bytes(),
            (None, Some(path), _) => {
                let text = std::fs::read(path).map_err(|error| SecretError::File { path: path.clone(), error })?;
                let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
                line.strip_suffix(b"\r").unwrap_or(line).to_vec()
            }
            (None, None, Some(secret)) => secret.into_encoded_bytes(),
            (None, None, None) => DEFAULT.to_vec(),
        };
        match secret.len() {
            1..=SECRET_MAX => Ok(secret),
            len => Err(SecretError::Length { len }),
        }
    }

    /// The value of VISULATE_SECRET.
    pub fn variable() -> Option<OsString> {
        std::env::var_os(VARIABLE)
    }
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
        let secret = |secret: Option<&str>, secret_file: &Option<PathBuf>, variable: &Option<OsString>| {
            let args = Args { secret: secret.map(Into::into), secret_file: secret_file.clone() };
            args.secret(variable.clone()).map_err(|error| error.to_string())
        };
        assert_eq!(secret(None, &None, &None).unwrap(), b"foobar");
        assert_eq!(secret(None, &None, &variable).unwrap(), b"loud");
        assert_eq!(secret(None, &line, &variable).unwrap(), b"quiet");
        assert_eq!(secret(None, &two, &None).unwrap(), b"quiet");
        assert_eq!(secret(Some("option"), &None, &variable).unwrap(), b"option");
        assert_eq!(secret(None, &empty, &variable).unwrap_err(), "the secret has 0 bytes, not 1 to 1024");
        assert_eq!(
            secret(Some(&"x".repeat(1025)), &None, &None).unwrap_err(),
            "the secret has 1025 bytes, not 1 to 1024"
        );
        let missing = secret(None, &Some(folder.path().join("d")), &None).unwrap_err();
        assert!(missing.contains("/d: No such file"), "{missing}");
    }
}
