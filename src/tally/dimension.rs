//! The dimensions by which entries are counted.

/// One dimension: a way to group entries, with a table of its own (design/api.md 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Dimension {
    /// Client address. Raw key: 16 bytes, IPv4 as mapped; empty for none.
    #[default]
    Client,
    /// Registrable domain of the host. Raw key: its bytes; empty for none.
    Site,
    /// Host of the URL. Raw key: its bytes; empty for none.
    Host,
    /// URL without query, fragment and path parameters. Raw key: its bytes; empty for none.
    Url,
    /// Authenticated user. Raw key: its bytes; empty for none.
    User,
    /// Server or parent asked. Raw key: its bytes; empty for none.
    Server,
    /// Log object and its fields. Raw key: `name: field list`.
    Format,
    /// Extension of the URL's last segment. Raw key: its bytes, see [`crate::wire::url::extension`]; empty for none.
    Extension,
    /// Client and site together. Raw key: both, see [`join`]; so for all pairs.
    ClientSite,
    /// Site and status together.
    SiteStatus,
    /// Node and status together.
    NodeStatus,
    /// Site and URL together: by the URL's host.
    SiteUrl,
    /// Network of the client: IPv4 /24, IPv6 /48. Raw key: 16 bytes, the rest of the address zero; empty for none.
    Network,
    /// Scheme of the URL. Raw key: its bytes.
    Scheme,
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

/// Where the rows of a dimension come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Few keys: published at every tick, in all windows, exactly.
    Small,
    /// Possibly very many keys: counted in tables of their own, as of full ticks.
    Large,
    /// The same, of two keys each.
    Pair([Dimension; 2]),
    /// Made of the rows of that one, of each of which it is a function.
    Of(Dimension),
}

impl Dimension {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 20] = [
        Self::Client,
        Self::Site,
        Self::Host,
        Self::Url,
        Self::User,
        Self::Server,
        Self::Format,
        Self::Extension,
        Self::ClientSite,
        Self::SiteStatus,
        Self::NodeStatus,
        Self::SiteUrl,
        Self::Network,
        Self::Scheme,
        Self::Result,
        Self::Status,
        Self::Method,
        Self::Type,
        Self::Route,
        Self::Node,
    ];

    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Those of [`Kind::Large`], then those of [`Kind::Pair`], in the order of their numbers.
    pub const LARGE: [Self; 11] = [
        Self::Client,
        Self::Site,
        Self::Host,
        Self::Url,
        Self::User,
        Self::Server,
        Self::Format,
        Self::Extension,
        Self::ClientSite,
        Self::SiteStatus,
        Self::NodeStatus,
    ];

    /// Those that are kept with `--statistics base` (design/api.md 1).
    pub const BASE: [Self; 10] = [
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

    /// Its name in parameters and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Site => "site",
            Self::Host => "host",
            Self::Url => "url",
            Self::User => "user",
            Self::Server => "server",
            Self::Format => "format",
            Self::ClientSite => "client,site",
            Self::SiteStatus => "site,status",
            Self::NodeStatus => "node,status",
            Self::SiteUrl => "site,url",
            Self::Network => "network",
            Self::Extension => "extension",
            Self::Scheme => "scheme",
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

    /// Where its rows come from.
    pub fn kind(self) -> Kind {
        match self {
            Self::Client
            | Self::Site
            | Self::Host
            | Self::Url
            | Self::User
            | Self::Server
            | Self::Format
            | Self::Extension => Kind::Large,
            Self::ClientSite => Kind::Pair([Self::Client, Self::Site]),
            Self::SiteStatus => Kind::Pair([Self::Site, Self::Status]),
            Self::NodeStatus => Kind::Pair([Self::Node, Self::Status]),
            Self::SiteUrl | Self::Scheme => Kind::Of(Self::Url),
            Self::Network => Kind::Of(Self::Client),
            Self::Result | Self::Status | Self::Method | Self::Type | Self::Route | Self::Node => Kind::Small,
        }
    }

    /// The two dimensions of a pair.
    pub fn pair(self) -> Option<[Self; 2]> {
        match self.kind() {
            Kind::Pair(pair) => Some(pair),
            _ if self == Self::SiteUrl => Some([Self::Site, Self::Url]),
            _ => None,
        }
    }

    /// The dimension in whose tables its rows are counted.
    pub fn counted(self) -> Self {
        match self.kind() {
            Kind::Of(other) => other,
            _ => self,
        }
    }

    /// True for the dimensions with few keys, which are published at every tick and in all windows; the others are at full ticks.
    pub fn is_small(self) -> bool {
        self.kind() == Kind::Small
    }
}

/// The raw key of a pair: the length of the first key as two bytes, little-endian, and both keys.
pub fn join([first, second]: [&[u8]; 2], into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(&(first.len() as u16).to_le_bytes());
    into.extend_from_slice(first);
    into.extend_from_slice(second);
}

/// The two keys of a pair's raw key.
pub fn split(pair: &[u8]) -> [&[u8]; 2] {
    let Some((len, keys)) = pair.split_first_chunk::<2>() else { return [&[], pair] };
    let (first, second) = keys.split_at(usize::from(u16::from_le_bytes(*len)).min(keys.len()));
    [first, second]
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
        for dimension in Dimension::ALL {
            let is_large = matches!(dimension.kind(), Kind::Large | Kind::Pair(_));
            assert_eq!(is_large, Dimension::LARGE.contains(&dimension), "{dimension:?}");
            assert!(!matches!(dimension.counted().kind(), Kind::Of(_)));
            assert_eq!(dimension.pair().is_some(), dimension.name().contains(','), "{dimension:?}");
        }
    }

    #[test]
    fn pairs_are_split_where_they_were_joined() {
        let mut pair = vec![1, 2, 3];
        for keys in [[&b""[..], b""], [b"a", b""], [b"", b"a"], [b"ab", b"c"], [b"a", b"bc"], [&[7; 2048], &[7; 2048]]]
        {
            join(keys, &mut pair);
            assert_eq!(split(&pair), keys);
        }
        assert_eq!(
            (split(b""), split(b"a"), split(&[255, 255, 1])),
            ([&b""[..], b""], [&b""[..], b"a"], [&[1][..], b""])
        );
    }
}
