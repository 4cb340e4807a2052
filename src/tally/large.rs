//! A worker's tables of large dimensions: the rows of a transaction in each, and how they share slots and room.

use std::hint::black_box;

use super::Dimension;
use super::batch::{Clients, Keys, Pending};
use super::caps::{Caps, KEY_MAX};
use super::counts::Counts;
use super::delta::Knife;
use super::dimension::Kind;
use super::paired::{Paired, Room};
use super::part::Part;
use super::slot_numbers::SlotNumbers;
use super::slotted::Slotted;
use super::table::{Aliases, REFUSED, Seed, cut};
use super::windowed::{Scales, Slot};
use crate::wire::{host, url};

/// Dimensions that have keys of their own: the first of [`Dimension::LARGE`].
pub const KEYED: usize = 8;

/// Their pairs.
const PAIRED: usize = Dimension::LARGE.len() - KEYED;

/// Tables that `--statistics base` keeps: clients, sites and hosts, and the first pair.
const BASE: (usize, usize) = (3, 1);

/// Numbers of pairs: which tables' rows, or which other numbers.
const CLIENT_SITE: usize = 0;
const SITE_STATUS: usize = 1;
const NODE_STATUS: usize = 2;

/// A transaction's rows; [`REFUSED`] where it lacks the field.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// By table of a dimension with keys; that of formats stays empty here, see [`LargeTables::merge`].
    pub keyed: [u32; KEYED],
    /// Row of the node in its own table.
    pub node: u32,
    /// The status.
    pub status: u32,
    /// Number of the slot that they are counted in.
    pub slot: u32,
}

impl Rows {
    /// No rows yet.
    pub const NONE: Self = Self { keyed: [REFUSED; KEYED], node: REFUSED, status: REFUSED, slot: 0 };

    fn pair(&self, pair: usize) -> [u32; 2] {
        match pair {
            CLIENT_SITE => [self.keyed[Dimension::Client as usize], self.keyed[Dimension::Site as usize]],
            _ => [self.node, self.status],
        }
    }

    /// Host and status; an entry without a status has one that no other has.
    fn host_status(&self) -> [u32; 2] {
        [self.keyed[Dimension::Host as usize], self.status.min(NO_STATUS)]
    }
}

/// Stands for no status beside a host.
const NO_STATUS: u32 = u32::MAX - 1;

/// Tables that entries aren't counted in one by one: see [`LargeTables::merge`] and [`LargeTables::settle`].
const COUNTED_OTHERWISE: [usize; 3] = [Dimension::Format as usize, Dimension::Host as usize, Dimension::Site as usize];

/// Authorities whose meaning is remembered.
const ALIASES: usize = 16 * 1024;

/// Where the host of an authority is counted: rows of the host and of the site table.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The host's.
    pub host: u32,
    /// The site's.
    pub site: u32,
}

/// Rows that follow from the row of a URL.
#[derive(Clone, Copy, Debug)]
struct OfUrl {
    place: Place,
    extension: u32,
}

impl OfUrl {
    const UNKNOWN: Self = Self { place: Place { host: REFUSED, site: REFUSED }, extension: REFUSED };
}

/// All large tables of a worker.
#[derive(Debug)]
pub struct LargeTables {
    keyed: [Slotted; KEYED],
    paired: [Paired; PAIRED],
    /// Hosts by status, whose sums are those of hosts, sites, and sites by status: one place to count in instead of three.
    hosts: Paired,
    /// How many of each are in use.
    used: (usize, usize),
    slots: SlotNumbers,
    /// What authorities are.
    places: Aliases<Place>,
    /// By row of the URL, as far as that was asked.
    of_urls: Vec<OfUrl>,
    knife: Knife,
    /// Of the batch at hand, as are the URLs: the dimensions that have the most keys.
    clients: Clients,
    urls: Keys,
    found: Vec<u32>,
    numbers: Vec<u32>,
    room: Room,
    scratch: Vec<u8>,
}

impl LargeTables {
    /// Empty tables. `seed` is the process's.
    pub fn new(caps: &Caps, seed: &Seed) -> Self {
        let cap = |number: usize| caps.worker_rows[Dimension::LARGE[number] as usize];
        Self {
            keyed: std::array::from_fn(|number| Slotted::new(seed.clone(), cap(number))),
            paired: std::array::from_fn(|number| Paired::new(seed.clone(), cap(KEYED + number))),
            hosts: Paired::new(seed.clone(), cap(Dimension::Host as usize)),
            used: (KEYED, PAIRED),
            slots: SlotNumbers::default(),
            places: Aliases::new(seed.clone(), ALIASES.min(cap(Dimension::Host as usize))),
            of_urls: Vec::new(),
            knife: Knife::default(),
            clients: Clients::default(),
            urls: Keys::default(),
            found: Vec::new(),
            numbers: Vec::new(),
            room: Room::default(),
            scratch: Vec::new(),
        }
    }

    /// Keeps only what `--statistics base` has.
    pub fn keep_base(&mut self) {
        self.used = BASE;
    }

    /// True if the table of that dimension is in use.
    #[inline]
    pub fn has(&self, dimension: Dimension) -> bool {
        (dimension as usize) < self.used.0
    }

    /// The row of a key in a dimension that has keys.
    #[inline]
    pub fn row(&mut self, dimension: Dimension, key: &[u8]) -> u32 {
        self.keyed[dimension as usize].row(key)
    }

    /// The key of a row; empty if there is none.
    pub fn key(&self, dimension: Dimension, row: u32) -> &[u8] {
        self.keyed[dimension as usize].key(row)
    }

    /// Host and site of an authority.
    #[inline]
    pub fn place(&mut self, authority: &[u8]) -> Place {
        let Self { keyed, places, scratch, .. } = self;
        place(keyed, places, scratch, authority)
    }

    /// True if host, site and extension of an entry with that URL, whose key is as long, follow from it alone; its transaction needs no
    /// rows of them before [`LargeTables::look_up`].
    #[inline]
    pub fn says_all(url: &[u8], key: &[u8], method: &[u8]) -> bool {
        let rest = url.strip_prefix(b"http://").or_else(|| url.strip_prefix(b"https://"));
        // One that is as long is the same. Without an authority the server would be asked.
        let has_authority = rest.is_some_and(|rest| rest.len() > 1 && rest[0] != b'/');
        has_authority && key.len() == url.len() && key.len() <= KEY_MAX && !matches!(method, b"POST" | b"CONNECT")
    }

    /// The row and the hash of the client of the transaction with that number in the batch, if it was there lately; else it is kept for
    /// [`LargeTables::look_up`].
    #[inline]
    pub fn find_or_stage_client(&mut self, of: usize, address: Option<[u8; 16]>) -> Option<(u32, u64)> {
        let table = &self.keyed[Dimension::Client as usize];
        self.clients.find_or_stage(of, address, |key| table.hash(key))
    }

    /// Keeps the URL of the transaction with that number in the batch for [`LargeTables::look_up`]; gives its hash.
    #[inline]
    pub fn stage_url(&mut self, of: usize, key: &[u8]) -> u64 {
        if key.len() > KEY_MAX {
            return self.stage_long_url(of, key);
        }
        let hash = self.keyed[Dimension::Url as usize].hash(key);
        self.urls.push(of, key, hash);
        hash
    }

    #[cold]
    fn stage_long_url(&mut self, of: usize, key: &[u8]) -> u64 {
        self.stage_url(of, &cut(key))
    }

    /// Finds the rows of all keys of the batch that were kept, and those that follow from them where a transaction has none. Calls `client`
    /// with each transaction whose client was, and the client's hash.
    pub fn look_up(&mut self, batch: &mut [Pending], mut client: impl FnMut(&Pending, u64)) {
        let Self { keyed, clients, urls, found, .. } = self;
        let hashes = clients.staged().map(|client| client.hash);
        let keys = clients.staged().map(|client| (client.key(), client.hash));
        keyed[Dimension::Client as usize].rows(hashes, keys, found);
        for (staged, &row) in clients.staged().zip(&*found) {
            let Some(pending) = batch.get_mut(staged.of as usize) else { continue };
            pending.rows.keyed[Dimension::Client as usize] = row;
            client(pending, staged.hash);
        }
        clients.know(found);
        keyed[Dimension::Url as usize].rows(urls.hashes(), urls.iter(), found);
        self.follow(batch);
        self.urls.clear();
    }

    /// Sets the rows of the batch's URLs, which are found, and what follows from them.
    fn follow(&mut self, batch: &mut [Pending]) {
        let Self { keyed, urls, found, of_urls, places, scratch, .. } = self;
        of_urls.resize(keyed[Dimension::Url as usize].end(), OfUrl::UNKNOWN);
        let touched = found.iter().fold(0, |all, row| all ^ of_urls[*row as usize].extension);
        black_box(touched);
        for ((&of, &row), (key, _)) in urls.of().iter().zip(&*found).zip(urls.iter()) {
            let Some(Pending { rows, .. }) = batch.get_mut(of as usize) else { continue };
            rows.keyed[Dimension::Url as usize] = row;
            if rows.keyed[Dimension::Host as usize] != REFUSED {
                continue;
            }
            let known = &mut of_urls[row as usize];
            if known.extension == REFUSED {
                known.place = place(keyed, places, scratch, host::authority(key));
                known.extension = keyed[Dimension::Extension as usize].row(url::extension(key, &[], &mut [0; 8]));
            }
            rows.keyed[Dimension::Host as usize] = known.place.host;
            rows.keyed[Dimension::Site as usize] = known.place.site;
            rows.keyed[Dimension::Extension as usize] = known.extension;
        }
    }

    /// The number of the slot that was gone to last.
    #[inline]
    pub fn slot(&self) -> u32 {
        self.slots.current()
    }

    /// Goes to a slot.
    pub fn enter(&mut self, slot: Slot) {
        self.slots.enter(slot);
    }

    /// Counts the transactions of a batch, table by table, so that the cache misses of many overlap.
    pub fn record(&mut self, batch: &[Pending]) {
        let Self { keyed, paired, hosts, numbers, room, used, .. } = &mut *self;
        for (pair, table) in paired[..used.1].iter_mut().enumerate().filter(|(pair, _)| *pair != SITE_STATUS) {
            table.record(
                batch.iter().map(|Pending { rows, increment, .. }| (rows.pair(pair), rows.slot, increment)),
                room,
            );
        }
        hosts.record(
            batch.iter().map(|Pending { rows, increment, .. }| (rows.host_status(), rows.slot, increment)),
            room,
        );
        for (number, table) in keyed[..used.0].iter_mut().enumerate() {
            if !COUNTED_OTHERWISE.contains(&number) {
                let rows = batch.iter().map(|entry| (entry.rows.keyed[number], entry.rows.slot, &entry.increment));
                table.record(rows, numbers);
            }
        }
        if self.hosts.is_full() || self.hosts.deltas().len() >= self.room_for_hosts() {
            self.settle();
        }
    }

    /// How many deltas the tables may get at once in which hosts by status are settled.
    fn room_for_hosts(&self) -> usize {
        let keyed = [Dimension::Host, Dimension::Site].map(|dimension| self.keyed[dimension as usize].room());
        let paired = self.paired[..self.used.1].get(SITE_STATUS).map(Paired::room);
        keyed.into_iter().chain(paired).min().unwrap_or(0)
    }

    /// Adds what hosts had by status to hosts, sites, and sites by status. Rows keep their numbers.
    fn settle(&mut self) {
        let Self { keyed, paired, hosts, .. } = self;
        let (before, hosts_on) = keyed.split_at_mut(Dimension::Host as usize);
        let [Some(host_table), Some(sites)] = [hosts_on.first_mut(), before.get_mut(Dimension::Site as usize)] else {
            return;
        };
        for (delta, counts) in hosts.deltas() {
            host_table.merge(delta.row, delta.slot, &counts);
            let site = sites.row(host::site(host_table.key(delta.row)));
            sites.merge(site, delta.slot, &counts);
            if self.used.1 > SITE_STATUS && delta.other != NO_STATUS {
                paired[SITE_STATUS].merge([site, delta.other], delta.slot, &counts);
            }
        }
        hosts.clear();
    }

    /// Counts many entries of the slot that was gone to last at once.
    pub fn merge(&mut self, dimension: Dimension, key: &[u8], counts: &Counts) {
        if self.has(dimension) {
            let row = self.row(dimension, key);
            self.keyed[dimension as usize].merge(row, self.slots.current(), counts);
        }
    }

    /// True if there has to be a [`LargeTables::cut`] before more keys come; some more still have room.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.keyed.iter().any(Slotted::is_full) || self.paired.iter().any(Paired::is_full)
    }

    /// Makes room: all rows get new numbers, so that none may be at hand. `total` says what makes a row heavy. Gives the new numbers of the
    /// dimensions that were cut, [`REFUSED`] where a row is gone.
    #[cold]
    pub fn cut(&mut self, total: &Counts) -> impl Iterator<Item = (Dimension, Vec<u32>)> + use<> {
        // Rows without counts go.
        self.settle();
        self.knife.scales = Scales::of(total);
        let knife = &mut self.knife;
        // Only those that are full: the others, and the rows that are known of them, stay as they are.
        self.places.clear();
        self.clients.forget();
        self.of_urls.clear();
        let maps: Vec<Option<Vec<u32>>> =
            self.keyed.iter_mut().map(|table| table.is_full().then(|| table.cut(knife))).collect();
        let map = |dimension: Dimension| maps.get(dimension as usize).and_then(Option::as_deref);
        for (number, table) in self.paired.iter_mut().enumerate() {
            let Kind::Pair([first, second]) = Dimension::LARGE[KEYED + number].kind() else { continue };
            let maps = [map(first), map(second)];
            if table.is_full() || maps.iter().any(Option::is_some) {
                table.cut(maps, knife);
            }
        }
        Dimension::LARGE.into_iter().zip(maps).filter_map(|(dimension, map)| Some((dimension, map?)))
    }

    /// Moves what is new and what was counted into `part`, which is empty.
    pub fn hand_over(&mut self, part: &mut Part) {
        self.settle();
        part.crowded = self.slots.hand_over(&mut part.large_slots);
        for (number, dimension) in Dimension::LARGE.into_iter().enumerate() {
            let large = &mut part.large[dimension as usize];
            match number.checked_sub(KEYED) {
                None => self.keyed[number].hand_over(large),
                Some(pair) => self.paired[pair].hand_over(large),
            }
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.keyed.iter().map(Slotted::bytes).sum::<usize>()
            + self.paired.iter().map(Paired::bytes).sum::<usize>()
            + self.hosts.bytes()
            + self.places.bytes()
            + self.of_urls.capacity() * size_of::<OfUrl>()
    }
}

/// Host and site of an authority, whose rows are made if they are new.
#[inline]
fn place(keyed: &mut [Slotted; KEYED], places: &mut Aliases<Place>, scratch: &mut Vec<u8>, authority: &[u8]) -> Place {
    places.get(authority, || {
        host::host_into(authority, scratch);
        let host = keyed[Dimension::Host as usize].row(scratch);
        Place { host, site: keyed[Dimension::Site as usize].row(host::site(scratch)) }
    })
}

const _: () = {
    // The tables lie by the numbers of their dimensions.
    let mut number = 0;
    while number < Dimension::LARGE.len() {
        assert!(Dimension::LARGE[number] as usize == number);
        number += 1;
    }
    assert!(Dimension::LARGE[KEYED + SITE_STATUS] as usize == Dimension::SiteStatus as usize);
    assert!(Dimension::LARGE[KEYED + NODE_STATUS] as usize == Dimension::NodeStatus as usize);
};

#[cfg(test)]
mod tests;
