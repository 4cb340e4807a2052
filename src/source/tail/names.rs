//! What `--tail` names: paths and patterns, the files that they stand for, and the folders where those may appear.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Paths and patterns of files to follow.
#[derive(Clone, Debug, Default)]
pub struct Names {
    paths: Vec<PathBuf>,
    patterns: Vec<String>,
}

impl Names {
    /// Takes a path, or a pattern with `*`, `?` or `[…]`.
    ///
    /// # Errors
    ///
    /// Says what is wrong with a pattern.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let path = std::path::absolute(text).map_err(|error| format!("{text}: {error}"))?;
        // A file may have such a name.
        if !is_pattern(text) || path.exists() {
            self.paths.push(path);
            return Ok(());
        }
        let pattern = path.to_str().ok_or_else(|| format!("{text}: a pattern must be UTF-8"))?;
        glob::Pattern::new(pattern).map_err(|error| format!("{text}: {error}"))?;
        self.patterns.push(pattern.to_owned());
        Ok(())
    }

    /// True if nothing was named.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.patterns.is_empty()
    }

    /// The paths to follow now: all that were named, whether they are there or not, and what fits a pattern.
    pub fn paths(&self) -> BTreeSet<PathBuf> {
        let found = self.patterns.iter().flat_map(|pattern| matches(pattern)).filter(|path| path.is_file());
        self.paths.iter().cloned().chain(found).collect()
    }

    /// The folders that those are in, or would be.
    pub fn folders(&self) -> BTreeSet<PathBuf> {
        let own = self.paths.iter().filter_map(|path| path.parent().map(Path::to_owned));
        let found =
            self.patterns.iter().filter_map(|pattern| Path::new(pattern).parent()?.to_str()).flat_map(|parent| {
                if is_pattern(parent) {
                    matches(parent).into_iter().filter(|path| path.is_dir()).collect()
                } else {
                    vec![PathBuf::from(parent)]
                }
            });
        own.chain(found).collect()
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// What fits a pattern; folders that can't be read hold nothing.
fn matches(pattern: &str) -> Vec<PathBuf> {
    glob::glob(pattern).map_or_else(|_| Vec::new(), |paths| paths.filter_map(Result::ok).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_patterns_stand_for_files() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a.blog", "b.blog", "c.log", "odd[1].blog"] {
            std::fs::write(at(name), "").unwrap();
        }
        std::fs::create_dir(at("d.blog")).unwrap();
        let mut names = Names::default();
        for name in ["?.blog", "late.blog", "odd[1].blog", "*/none.blog"] {
            names.add(at(name).to_str().unwrap()).unwrap();
        }
        let expected = ["a.blog", "b.blog", "late.blog", "odd[1].blog"].map(at);
        assert_eq!(names.paths(), expected.into_iter().collect());
        assert_eq!(names.folders(), [folder.path().to_owned(), at("d.blog")].into_iter().collect());
        assert!(names.add("a[").unwrap_err().contains("a["));
    }
}
