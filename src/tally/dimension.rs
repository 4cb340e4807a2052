//! The dimensions by which entries are counted.

/// One dimension: a way to group entries, with a table of its own (design/api.md 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Dimension {
    /// Client address. Raw key: 16 bytes, IPv4 as mapped; empty for none.
    Client,
    /// Registrable domain of the host. Raw key: its bytes; empty for none.
    Site,
    /// Host of the URL. Raw key: its bytes; empty for none.
    Host,
    /// Client and site together. Raw key: the rows of both in their own tables.
    ClientSite,
    /// Cache result code. Raw key: 8 bytes, little-endian `i64`.
    Result,
    /// Status sent to the client. Raw key: 8 bytes, little-endian `i64`.
    Status,
    /// Request method. Raw key: its bytes; empty for none.
    Method,
    /// Content type without parameters, lower case. Raw key: its bytes; empty for none.
    Type,
    /// Hierarchy route. Raw key: 8 bytes, little-endian `i64`.
    Route,
    /// Node: source host name, `@`, peer address. Raw key: those bytes.
    Node,
}

impl Dimension {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Client,
        Self::Site,
        Self::Host,
        Self::ClientSite,
        Self::Result,
        Self::Status,
        Self::Method,
        Self::Type,
        Self::Route,
        Self::Node,
    ];

    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Its name in parameters and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Site => "site",
            Self::Host => "host",
            Self::ClientSite => "client,site",
            Self::Result => "result",
            Self::Status => "status",
            Self::Method => "method",
            Self::Type => "type",
            Self::Route => "route",
            Self::Node => "node",
        }
    }

    /// The dimension of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dimension| dimension.name() == name)
    }

    /// True for the dimensions with few keys, which are published at every tick and in all windows; the others are at full ticks.
    pub fn is_small(self) -> bool {
        matches!(self, Self::Result | Self::Status | Self::Route | Self::Node | Self::Method | Self::Type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_back_to_dimensions() {
        for (number, dimension) in Dimension::ALL.into_iter().enumerate() {
            assert_eq!(dimension as usize, number);
            assert_eq!(Dimension::by_name(dimension.name()), Some(dimension));
        }
        assert_eq!(Dimension::by_name("sites"), None);
    }
}
