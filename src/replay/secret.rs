//! The secret that the engine expects: from an option, a file, or the environment.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use crate::source::Secret;
use crate::source::secret::{DEFAULT, SecretError};

/// Variable that holds the secret.
const VARIABLE: &str = "VISULATE_SECRET";

/// Where the secret is.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Args {
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

impl Args {
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

fn parse(text: &str) -> Result<Secret, SecretError> {
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
            let args = Args { secret: secret.map(|text| parse(text).unwrap()), secret_file: secret_file.clone() };
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
}
