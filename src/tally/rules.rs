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
}
