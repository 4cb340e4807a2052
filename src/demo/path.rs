//! Paths: what an object of a site is called.

use super::world::{Kind, Media};
use std::io::Write;

const SECTIONS: [&str; 12] = [
    "world", "science", "culture", "local", "travel", "food", "sport", "money", "health", "music", "nature", "archive",
];
const RESOURCES: [&str; 10] =
    ["users", "items", "orders", "search", "feed", "sessions", "prices", "config", "events", "status"];

const PACKAGES: [&str; 10] =
    ["browser", "compiler", "driver", "editor", "firmware", "fonts", "kernel", "levels", "shell", "textures"];

/// Appends the path and query of the object at `rank` (from 1), whose scattered number is `object`, as it is at `unix`.
pub fn push_path(url: &mut Vec<u8>, kind: Kind, media: Media, rank: u64, object: u64, unix: i64) {
    let id = object & 0x00ff_ffff;
    let pick = |names: &'static [&'static str]| names[(object >> 24) as usize % names.len()];
    let written = match media {
        Media::Html if rank == 1 => write!(url, "/"),
        Media::Html => write!(url, "/{}/{id}.html", pick(&SECTIONS)),
        Media::Json if kind == Kind::Mail => {
            write!(url, "/api/v2/sync?since={}&folder={}", unix - unix % 60, id % 9)
        }
        Media::Json if rank < 8 => write!(url, "/api/v2/{}", pick(&RESOURCES)),
        Media::Json => write!(url, "/api/v2/{}/{id}", pick(&RESOURCES)),
        Media::Script => write!(url, "/assets/app-{id:06x}.js"),
        Media::Style => write!(url, "/assets/style-{id:06x}.css"),
        Media::Font => write!(url, "/fonts/{id:06x}.woff2"),
        Media::Webp => write!(url, "/img/{:02x}/{id:06x}.webp", object >> 56),
        Media::Jpeg => write!(url, "/photos/{id:06x}-1200w.jpg"),
        Media::Avif => write!(url, "/img/{:02x}/{id:06x}.avif", object >> 56),
        Media::Png => write!(url, "/icons/{id:06x}.png"),
        // Segments of 6 s: new ones all the time.
        Media::Video if rank < 20 => {
            write!(url, "/live/ch{}/seg-{:07}.m4s", object % 6, unix.rem_euclid(60_000_000) / 6)
        }
        Media::Video => write!(url, "/vod/{:05x}/seg-{:04}.m4s", object >> 44, id % 900),
        Media::Audio => write!(url, "/tracks/{:05x}/{:03}.m4a", object >> 44, id % 40),
        Media::Archive => {
            write!(url, "/dist/22.4/main/binary-amd64/{}-{id:06x}.tar.xz", pick(&PACKAGES))
        }
        Media::Tile => {
            write!(url, "/tiles/{}/{}/{}.pbf", 6 + object % 9, (object >> 8) % 512, id % 512)
        }
    };
    written.expect("a Vec takes all that is written");
}
