//! Tells which entries a filter takes, from their fields: codes and bytes are compared, hosts are looked up.

use super::Dimension;
use super::derived::derive;
use super::filter::{Filter, is_in};
use super::rules::{HostFrom, Rules};
use super::table::{Aliases, Seed};
use crate::wire::plan::{Fields, Has, Number, Text};
use crate::wire::{host, url};

/// Authorities whose meaning a matcher remembers.
const ALIASES: usize = 2048;

/// The longest name of a log object that is a part of its format's.
const LOG_NAME_MAX: usize = 512;

/// The raw key of a format: which log object, and which fields.
pub fn format_key(log: &[u8], field_list: &str) -> Vec<u8> {
    let mut key = Vec::new();
    push_format_key(&mut key, log, field_list);
    key
}

/// Appends it.
pub fn push_format_key(key: &mut Vec<u8>, log: &[u8], field_list: &str) {
    key.extend_from_slice(&log[..log.len().min(LOG_NAME_MAX)]);
    key.extend_from_slice(b": ");
    key.extend_from_slice(field_list.as_bytes());
}

/// An entry, as matchers see it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a, 'b> {
    /// The fields that its format has.
    pub has: Has,
    /// Their values.
    pub fields: &'a Fields<'b>,
    /// Raw key of its node; empty: it had no room.
    pub node: &'a [u8],
    /// Raw key of its format.
    pub format: &'a [u8],
    /// What counts.
    pub rules: &'a Rules,
}

/// Tells which entries a filter takes; a worker's own.
#[derive(Clone, Debug)]
pub struct Matcher {
    filter: Filter,
    /// Whether the host of an authority, and its site, are wanted.
    places: Aliases<bool>,
    has_place: bool,
    scratch: Vec<u8>,
}

impl Matcher {
    /// A matcher of that filter. `seed` is the process's.
    pub fn new(filter: Filter, seed: &Seed) -> Self {
        let has_place = filter.kinds().any(|kind| matches!(kind, Dimension::Host | Dimension::Site));
        Self { filter, places: Aliases::new(seed.clone(), ALIASES), has_place, scratch: Vec::new() }
    }

    /// True if the filter takes an entry: in each of its kinds, the entry has a key that is wanted. An entry whose format lacks the field
    /// has none.
    pub fn takes(&mut self, entry: &Entry<'_, '_>) -> bool {
        let Self { filter, scratch, .. } = self;
        let Entry { has, fields, .. } = *entry;
        let takes = |(dimension, values): &(Dimension, Vec<Vec<u8>>)| {
            let code =
                |number| has.has_number(number) && is_in(*dimension, values, &fields.number(number).to_le_bytes());
            let is_wanted = |key: &[u8]| is_in(*dimension, values, if key == b"-" { &[] } else { key });
            match dimension {
                Dimension::Status => code(Number::Status),
                Dimension::Result => code(Number::Result),
                Dimension::Route => code(Number::Route),
                Dimension::Node => !entry.node.is_empty() && is_in(*dimension, values, entry.node),
                Dimension::Format => is_in(*dimension, values, entry.format),
                Dimension::Client | Dimension::Network if !has.has_client() => false,
                Dimension::Client | Dimension::Network => {
                    let mask = entry.rules.mask;
                    let address = fields.client().map(|address| mask.map_or(address, |mask| mask.of(address)));
                    is_in(*dimension, values, address.as_ref().map_or(&[], |address| &address[..]))
                }
                Dimension::Method => has.has_text(Text::Method) && is_wanted(fields.text(Text::Method)),
                Dimension::User => has.has_text(Text::User) && is_wanted(fields.text(Text::User)),
                Dimension::Server => has.has_text(Text::Server) && is_wanted(fields.text(Text::Server)),
                Dimension::Type if has.has_text(Text::ContentType) => {
                    media_type(fields.text(Text::ContentType), scratch);
                    is_wanted(scratch)
                }
                Dimension::Url if has.has_text(Text::Url) => is_wanted(url::key(fields.text(Text::Url), scratch)),
                Dimension::Scheme if has.has_text(Text::Url) => {
                    let key = url::key(fields.text(Text::Url), scratch);
                    let mut scheme = Vec::new();
                    derive(Dimension::Scheme, if key == b"-" { &[] } else { key }, &mut scheme);
                    is_in(*dimension, values, &scheme)
                }
                Dimension::Extension if has.has_text(Text::Url) => {
                    let method = if has.has_text(Text::Method) { fields.text(Text::Method) } else { &[] };
                    is_in(*dimension, values, url::extension(fields.text(Text::Url), method, &mut [0; 8]))
                }
                Dimension::Type | Dimension::Url | Dimension::Scheme | Dimension::Extension => false,
                // Together, below.
                Dimension::Host | Dimension::Site => true,
                Dimension::ClientSite | Dimension::SiteStatus | Dimension::NodeStatus | Dimension::SiteUrl => false,
            }
        };
        filter.kinds.iter().all(takes) && (!self.has_place || self.takes_place(entry))
    }

    fn takes_place(&mut self, entry: &Entry<'_, '_>) -> bool {
        let Self { filter, places, scratch, .. } = self;
        let authority = authority(entry.rules, entry.has, entry.fields);
        places.get(authority, || {
            host::host_into(authority, scratch);
            filter.takes(Dimension::Host, scratch) && filter.takes(Dimension::Site, host::site(scratch))
        })
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.places.bytes()
    }
}

/// Where the host of an entry is: of the URL, without one of the server, without either *none*; or what the client asked for.
#[inline]
pub fn authority<'a>(rules: &Rules, has: Has, fields: &Fields<'a>) -> &'a [u8] {
    if rules.host_from == HostFrom::Client && has.has_text(Text::Host) {
        // The server would be the origin: a client that named no host asked for none.
        return host::authority(fields.text(Text::Host));
    }
    match host::authority(fields.text(Text::Url)) {
        [] => fields.text(Text::Server),
        authority => authority,
    }
}

/// The raw key of a content type: without parameters, in lower case.
pub fn media_type(raw: &[u8], into: &mut Vec<u8>) {
    let end = raw.iter().position(|&byte| byte == b';' || byte == b' ').unwrap_or(raw.len());
    into.clear();
    into.extend(raw[..end].iter().map(u8::to_ascii_lowercase));
}
