//! The configuration file: TOML, with the names of the flags. What the command line says goes first.

use std::path::Path;

use super::serve::ServeArgs;

/// Reads a file and fills in what the command line left open.
///
/// # Errors
///
/// A text that names the file, the line, and what is wrong.
pub fn fill(args: ServeArgs, path: &Path) -> Result<ServeArgs, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file: ServeArgs = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(args.or(file))
}

#[cfg(test)]
mod tests {
    use super::super::size::Size;
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("visulate.toml");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let (_folder, path) =
            file("workers = 5\nmemory = \"64M\"\nhttp = [\"127.0.0.1:1\"]\nallow-host = [\"a.example\"]\n");
        let args = ServeArgs { workers: Some(2), http: vec!["127.0.0.1:2".into()], ..ServeArgs::default() };
        let filled = fill(args, &path).unwrap();
        assert_eq!((filled.workers, filled.memory), (Some(2), Some(Size(64 << 20))));
        assert_eq!((filled.http, filled.allow_host), (vec!["127.0.0.1:2".to_owned()], vec!["a.example".to_owned()]));
    }

    #[test]
    fn unknown_names_are_errors_with_their_line() {
        let (_folder, path) = file("workers = 1\nwrokers = 5\n");
        let error = fill(ServeArgs::default(), &path).unwrap_err();
        assert!(error.contains("wrokers") && error.contains("line 2"), "{error}");
    }
}
