//! The invented cluster: its nodes, clients and sites, and what each kind of site serves. Made once from a seed.

use super::names::{BIRDS, ENDINGS, LEADING, PURPOSES};
use super::random::{Alias, LogNormal, Rng, mix, zipf_weights};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The nodes' names for themselves: the first half serves one region, the second half another.
pub const NODES: [&str; 12] = [
    "fra-01", "fra-02", "fra-03", "fra-04", "fra-05", "fra-06", "ams-01", "ams-02", "ams-03", "ams-04", "ams-05",
    "ams-06",
];
/// Clients, by how much they ask.
pub const CLIENT_COUNT: usize = 10_000;
/// Sites, by how much is asked of them.
pub const SITE_COUNT: usize = 2_000;
/// Requests fall with the rank of the client to this power, and so for sites.
pub const CLIENT_EXPONENT: f64 = 0.8;
/// See [`CLIENT_EXPONENT`].
pub const SITE_EXPONENT: f64 = 0.9;
/// The site whose origin fails.
pub const FAILING_SITE: usize = 1;
/// Share of requests that no cache can answer, over all sites.
const MISS_SHARE: f64 = 0.1265;
/// Sites that a client comes back to.
const FAVOURITES: usize = 8;

/// What a site is for; decides what it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    News,
    Video,
    Static,
    Images,
    Shop,
    Api,
    Packages,
    Maps,
    Audio,
    Mail,
    Social,
}

/// What a URL serves; decides its path and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    Html,
    Json,
    Script,
    Style,
    Font,
    Webp,
    Jpeg,
    Avif,
    Png,
    Video,
    Audio,
    Archive,
    Tile,
}

impl Media {
    /// In the order of their numbers.
    pub const ALL: [Self; 13] = [
        Self::Html,
        Self::Json,
        Self::Script,
        Self::Style,
        Self::Font,
        Self::Webp,
        Self::Jpeg,
        Self::Avif,
        Self::Png,
        Self::Video,
        Self::Audio,
        Self::Archive,
        Self::Tile,
    ];

    /// The content type, as logged.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html",
            Self::Json => "application/json",
            Self::Script => "text/javascript",
            Self::Style => "text/css",
            Self::Font => "font/woff2",
            Self::Webp => "image/webp",
            Self::Jpeg => "image/jpeg",
            Self::Avif => "image/avif",
            Self::Png => "image/png",
            Self::Video => "video/mp4",
            Self::Audio => "audio/mp4",
            Self::Archive => "application/octet-stream",
            Self::Tile => "application/x-protobuf",
        }
    }

    /// Large enough that clients ask for parts.
    pub fn is_ranged(self) -> bool {
        matches!(self, Self::Video | Self::Audio | Self::Archive)
    }

    /// Median bytes of a body, and the deviation of their logarithm.
    fn size(self) -> (f64, f64) {
        match self {
            Self::Html => (18e3, 1.0),
            Self::Json => (1.8e3, 1.3),
            Self::Script => (32e3, 1.2),
            Self::Style => (12e3, 1.0),
            Self::Font => (24e3, 0.5),
            Self::Webp => (22e3, 1.2),
            Self::Jpeg => (90e3, 1.0),
            Self::Avif => (30e3, 1.0),
            Self::Png => (8e3, 1.2),
            Self::Video => (900e3, 0.7),
            Self::Audio => (240e3, 0.5),
            Self::Archive => (900e3, 1.3),
            Self::Tile => (20e3, 0.9),
        }
    }
}

impl Kind {
    /// Of 100 objects, how many are of which media.
    fn media(self) -> &'static [(Media, u32)] {
        use Media::{Archive, Audio, Avif, Font, Html, Jpeg, Json, Png, Script, Style, Tile, Video, Webp};
        match self {
            Self::News => {
                &[(Webp, 40), (Html, 13), (Script, 14), (Jpeg, 11), (Json, 9), (Style, 6), (Font, 5), (Avif, 2)]
            }
            Self::Video => &[(Video, 78), (Webp, 11), (Json, 7), (Html, 4)],
            Self::Static => &[(Webp, 32), (Script, 30), (Font, 20), (Style, 12), (Png, 6)],
            Self::Images => &[(Webp, 76), (Avif, 14), (Jpeg, 10)],
            Self::Shop => &[(Webp, 50), (Json, 18), (Script, 10), (Html, 10), (Jpeg, 8), (Style, 4)],
            Self::Api => &[(Json, 96), (Html, 4)],
            Self::Packages => &[(Archive, 72), (Json, 20), (Html, 8)],
            Self::Maps => &[(Tile, 66), (Json, 18), (Png, 12), (Script, 4)],
            Self::Audio => &[(Audio, 72), (Webp, 16), (Json, 12)],
            Self::Mail => &[(Json, 66), (Html, 12), (Script, 12), (Webp, 10)],
            Self::Social => &[(Webp, 46), (Json, 34), (Video, 10), (Script, 8), (Html, 2)],
        }
    }

    /// Share of the misses that are writes.
    pub fn write_share(self) -> f64 {
        match self {
            Self::Api => 0.45,
            Self::Mail => 0.5,
            Self::Social => 0.4,
            Self::Shop => 0.25,
            _ => 0.1,
        }
    }

    /// Hosts of a site beside the site's own name.
    fn hosts(self) -> &'static [&'static str] {
        match self {
            Self::News | Self::Shop => &["www.", "img.", "static."],
            Self::Video | Self::Audio => &["", "edge1.", "edge2.", "api."],
            Self::Static | Self::Images => &["", "a.", "b."],
            Self::Api => &["api.", ""],
            Self::Packages => &["", "deb.", "mirror."],
            Self::Maps => &["tiles.", "www."],
            Self::Mail => &["mail.", "api."],
            Self::Social => &["www.", "media.", "api."],
        }
    }
}

/// One site.
#[derive(Clone, Debug)]
pub struct Site {
    /// The registrable domain.
    pub name: String,
    pub kind: Kind,
    /// Scheme and host of each of its hosts, such as `https://www.heron.example`.
    pub roots: Vec<String>,
    /// Share of its requests that the cache can't answer.
    pub miss_share: f64,
    /// Natural logarithm of how many objects it has.
    pub log_objects: f64,
    /// Scatters its objects.
    pub salt: u64,
    media: Alias,
}

impl Site {
    /// What the object with that scattered number serves.
    pub fn media(&self, object: u64) -> Media {
        self.kind.media()[self.media.draw(object)].0
    }

    /// A host without the scheme.
    pub fn host(&self, root: usize) -> &str {
        let root = &self.roots[root];
        root.split_once("://").map_or(root, |(_, host)| host)
    }
}

/// One client.
#[derive(Clone, Debug)]
pub struct Client {
    pub address: IpAddr,
    /// The node it usually asks is in this half of [`NODES`].
    pub region: usize,
    /// Bytes a millisecond that it can take.
    pub speed: f64,
    favourites: [u16; FAVOURITES],
}

/// All that stays the same.
#[derive(Clone, Debug)]
pub struct World {
    pub clients: Vec<Client>,
    pub sites: Vec<Site>,
    sizes: Vec<LogNormal>,
    client_draw: Alias,
    site_draw: Alias,
}

impl World {
    /// The cluster of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(mix(seed ^ 0x0057_6f72_6c64));
        let site_draw = Alias::zipf(SITE_COUNT, SITE_EXPONENT);
        let sites = sites(&mut rng);
        let clients = clients(&mut rng, &site_draw);
        Self {
            clients,
            sites,
            sizes: Media::ALL
                .iter()
                .map(|media| {
                    let (median, sigma) = media.size();
                    LogNormal::new(median, sigma)
                })
                .collect(),
            client_draw: Alias::zipf(CLIENT_COUNT, CLIENT_EXPONENT),
            site_draw,
        }
    }

    /// The share of requests of the site of that rank, from 0.
    pub fn site_share(&self, rank: usize) -> f64 {
        let weights = zipf_weights(SITE_COUNT, SITE_EXPONENT);
        weights[rank] / weights.iter().sum::<f64>()
    }

    /// Who asks.
    #[inline]
    pub fn draw_client(&self, rng: &mut Rng) -> usize {
        self.client_draw.draw(rng.bits())
    }

    /// Of what site: half of the time one of the client's favourites.
    #[inline]
    pub fn draw_site(&self, client: usize, rng: &mut Rng) -> usize {
        let bits = rng.bits();
        if bits & 1 == 0 {
            usize::from(self.clients[client].favourites[(bits >> 1) as usize % FAVOURITES])
        } else {
            self.site_draw.draw(rng.bits())
        }
    }

    /// Bytes of the body of the object with that scattered number.
    #[inline]
    pub fn size(&self, media: Media, object: u64) -> u64 {
        self.sizes[media as usize].draw(object.rotate_left(29)) as u64
    }
}

fn sites(rng: &mut Rng) -> Vec<Site> {
    let mut names: Vec<(String, Kind, f64)> =
        LEADING.iter().map(|(name, kind, miss)| ((*name).to_owned(), *kind, *miss)).collect();
    let mut pairs: Vec<(usize, usize)> =
        (0..BIRDS.len()).flat_map(|bird| (0..PURPOSES.len()).map(move |purpose| (bird, purpose))).collect();
    shuffle(&mut pairs, rng);
    let endings = Alias::new(&ENDINGS.map(|(_, weight)| f64::from(weight)));
    for (bird, purpose) in pairs.into_iter().take(SITE_COUNT - names.len()) {
        let (word, kind) = PURPOSES[purpose];
        let (ending, _) = ENDINGS[endings.draw(rng.bits())];
        let usual = match kind {
            Kind::Api => 0.42,
            Kind::Mail => 0.55,
            Kind::Shop | Kind::Social => 0.2,
            Kind::News => 0.13,
            _ => 0.06,
        };
        let miss = (usual * (0.4 + 1.6 * rng.unit() * rng.unit())).min(0.95);
        names.push((format!("{}-{word}{ending}", BIRDS[bird]), kind, miss));
    }

    let weights = zipf_weights(SITE_COUNT, SITE_EXPONENT);
    let sum: f64 = weights.iter().sum();
    let mean: f64 = names.iter().zip(&weights).map(|((_, _, miss), weight)| miss * weight / sum).sum();
    names
        .into_iter()
        .enumerate()
        .map(|(rank, (name, kind, miss))| {
            let scheme = if rank < LEADING.len() || rng.chance(0.85) { "https" } else { "http" };
            let hosts = kind.hosts();
            let count = 1 + rng.below(hosts.len() as u32) as usize;
            Site {
                roots: hosts[..count].iter().map(|host| format!("{scheme}://{host}{name}")).collect(),
                miss_share: (miss * MISS_SHARE / mean).min(0.97),
                log_objects: (20.0 * (200_f64).powf(rng.unit())).ln(),
                salt: rng.bits(),
                media: Alias::new(&kind.media().iter().map(|(_, weight)| f64::from(*weight)).collect::<Vec<_>>()),
                name,
                kind,
            }
        })
        .collect()
}

fn clients(rng: &mut Rng, site_draw: &Alias) -> Vec<Client> {
    const SECOND_OCTETS: [u8; 8] = [14, 22, 18, 40, 31, 7, 64, 90];
    let mut taken = HashSet::new();
    let mut clients = Vec::with_capacity(CLIENT_COUNT);
    while clients.len() < CLIENT_COUNT {
        let bits = rng.bits();
        let address: IpAddr = if rng.chance(0.15) {
            let site = 0x4000 + (bits >> 8) as u16 % 0x0800;
            let [high, low] = [(bits >> 32) as u16 & 0xff, (bits >> 48) as u16];
            Ipv6Addr::new(0x2001, 0xdb8, site, high, 0, 0, 0, low).into()
        } else {
            let [second, third, fourth, ..] = bits.to_be_bytes();
            Ipv4Addr::new(10, SECOND_OCTETS[usize::from(second % 8)], third, fourth.clamp(1, 254)).into()
        };
        if !taken.insert(address) {
            continue;
        }
        clients.push(Client {
            address,
            region: rng.below(2) as usize,
            speed: 1_500.0 * (20_f64).powf(rng.unit()),
            favourites: std::array::from_fn(|_| site_draw.draw(rng.bits()) as u16),
        });
    }
    clients
}

fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.below(last as u32 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_distinct() {
        let world = World::new(1);
        let names: HashSet<&str> = world.sites.iter().map(|site| site.name.as_str()).collect();
        assert_eq!(names.len(), SITE_COUNT);
        let addresses: HashSet<IpAddr> = world.clients.iter().map(|one| one.address).collect();
        assert_eq!(addresses.len(), CLIENT_COUNT);
        assert_eq!(world.sites[FAILING_SITE].name, "heron.example");
    }

    #[test]
    fn no_name_can_be_somebody_elses() {
        for site in World::new(2).sites {
            let reserved = [".example", ".test"].iter().any(|end| site.name.ends_with(end));
            assert!(reserved || site.name.contains("-example."), "{}", site.name);
            assert_eq!(psl::domain_str(&site.name), Some(site.name.as_str()));
        }
    }

    #[test]
    fn fifteen_in_a_hundred_clients_have_ipv6() {
        let world = World::new(3);
        let count = world.clients.iter().filter(|one| one.address.is_ipv6()).count();
        assert!((1_400..1_600).contains(&count), "{count}");
    }
}
