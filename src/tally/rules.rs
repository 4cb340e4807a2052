//! What of the entries counts, and for whom: what the operator chooses of it.

use std::sync::Arc;

use super::Mask;

/// Whose host an entry counts for, where a reverse proxy maps the one that the client asked for to an origin (spec/statistics.md 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostFrom {
    /// The host that the client asked for: `cquuh`, the host of `cquuc`, `{Host}cqh`, whichever the format has first; with none of
    /// these as [`HostFrom::Origin`].
    Client,
    /// The host of the URL as Traffic Server asked the origin for it; without a URL the server.
    #[default]
    Origin,
}

/// What a worker counts.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Whose host counts.
    pub host_from: HostFrom,
    /// What is kept of client addresses; `None` keeps all.
    pub mask: Option<Mask>,
    /// Names of the log objects that count, with or without the ending of their files; none: all do.
    pub logs: Arc<[String]>,
}

impl Rules {
    /// Do the entries of the log object count that is written to a file of this name?
    pub fn count(&self, file_name: &[u8]) -> bool {
        if self.logs.is_empty() {
            return true;
        }
        let name = log_name(file_name);
        self.logs.iter().any(|log| [name, stem(name)].contains(&log.as_bytes()))
    }
}

/// Endings of Traffic Server's log files.
const ENDINGS: [&[u8]; 3] = [b".blog", b".log", b".pipe"];

/// The same in files that are full.
const FULL: [&[u8]; 2] = [b".blog_", b".log_"];

/// The name of a log object: that of its file, without what Traffic Server appends to one that is full
/// (`squid.log_edge.20261124.10h00m00s-20261124.11h00m00s.old`).
pub fn log_name(file_name: &[u8]) -> &[u8] {
    let end = |full: &&[u8]| Some(memchr::memmem::find(file_name, full)? + full.len() - 1);
    &file_name[..FULL.iter().find_map(end).unwrap_or(file_name.len())]
}

fn stem(name: &[u8]) -> &[u8] {
    ENDINGS.iter().find_map(|ending| name.strip_suffix(*ending)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_picked_by_name_with_or_without_ending() {
        let rules = |logs: &[&str]| Rules { logs: logs.iter().map(|log| (*log).into()).collect(), ..Rules::default() };
        for (logs, file_name, expected) in [
            (&[][..], "squid.blog", true),
            (&[], "", true),
            (&["squid"], "squid.blog", true),
            (&["squid.blog"], "squid.blog", true),
            (&["squid.log"], "squid.blog", false),
            (&["squi"], "squid.blog", false),
            (&["squid"], "squid2.blog", false),
            (&["a", "squid"], "squid.pipe", true),
            (&["squid"], "squid.log_edge.20261124.10h00m00s-20261124.11h00m00s.old", true),
            (&["squid.log"], "squid.log_edge.20261124.10h00m00s-20261124.11h00m00s.old", true),
            (&["a.b"], "a.b", true),
            (&["squid"], "", false),
        ] {
            assert_eq!(rules(logs).count(file_name.as_bytes()), expected, "{logs:?} {file_name}");
        }
    }
}
