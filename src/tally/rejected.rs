//! What was turned away, by cause.

use serde::Serialize;

/// Why a connection, a segment or a part of one was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Cause {
    /// The first message was not the secret.
    Secret,
    /// The secret did not arrive in time.
    AuthTimeout,
    /// A length that is negative, zero, too small or above the limit.
    MessageLength,
    /// A message that was begun did not end in time.
    MessageTimeout,
    /// A message that does not begin with a segment's cookie: framing is lost.
    Cookie,
    /// A segment version other than 2 and 3.
    Version,
    /// A segment whose header, strings or entries are not sound.
    Segment,
    /// A limit on connections or memory.
    Limit,
    /// The connection ended inside a message.
    Cut,
}

impl Cause {
    /// All causes, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Secret,
        Self::AuthTimeout,
        Self::MessageLength,
        Self::MessageTimeout,
        Self::Cookie,
        Self::Version,
        Self::Segment,
        Self::Limit,
        Self::Cut,
    ];

    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Its name in answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::AuthTimeout => "auth_timeout",
            Self::MessageLength => "message_length",
            Self::MessageTimeout => "message_timeout",
            Self::Cookie => "cookie",
            Self::Version => "version",
            Self::Segment => "segment",
            Self::Limit => "limit",
            Self::Cut => "cut",
        }
    }
}

/// How much was turned away for one cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Connections closed.
    pub connections: u64,
    /// Segments dropped, wholly or in part.
    pub segments: u64,
    /// Entries in them, as the sender claims, bounded by the segments' sizes.
    pub entries: u64,
    /// Bytes of them.
    pub bytes: u64,
}

impl Amount {
    /// Adds all sums of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.connections = self.connections.saturating_add(other.connections);
        self.segments = self.segments.saturating_add(other.segments);
        self.entries = self.entries.saturating_add(other.entries);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// What was turned away, for each cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected([Amount; Cause::COUNT]);

impl Rejected {
    /// Adds to one cause.
    pub fn add(&mut self, cause: Cause, amount: &Amount) {
        self.0[cause as usize].merge(amount);
    }

    /// What was turned away for that cause.
    pub fn by(&self, cause: Cause) -> &Amount {
        &self.0[cause as usize]
    }

    /// Adds all sums of `other`.
    pub fn merge(&mut self, other: &Self) {
        for cause in Cause::ALL {
            self.add(cause, other.by(cause));
        }
    }

    /// Each cause with its amount.
    pub fn iter(&self) -> impl Iterator<Item = (Cause, &Amount)> {
        Cause::ALL.into_iter().map(|cause| (cause, self.by(cause)))
    }

    /// All causes together.
    pub fn total(&self) -> Amount {
        let mut total = Amount::default();
        self.0.iter().for_each(|amount| total.merge(amount));
        total
    }

    /// True if nothing was turned away.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
