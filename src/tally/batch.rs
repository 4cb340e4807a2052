//! Transactions whose rows are found and counted together, so that the cache misses of one overlap with those of others
//! (measured in guide/counters.md 1).

use super::counts::Increment;
use super::large::Rows;
use super::recent::SPREAD;
use super::table::REFUSED;

/// So many at most.
pub const BATCH: usize = 64;

/// A transaction of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// What it adds.
    pub increment: Increment,
    /// Its rows, as far as they are found.
    pub rows: Rows,
    /// Number of its combination; `None`: it is not kept.
    pub combination: Option<u32>,
    /// Number of its slot in the tables of small dimensions.
    pub slot: u8,
}

/// Keys of one dimension, with their hashes, to be looked up together.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    text: Vec<u8>,
    ends: Vec<u32>,
    hashes: Vec<u64>,
    /// Whose key it is: number in the batch.
    of: Vec<u32>,
}

impl Keys {
    /// Adds the key of the transaction with that number in the batch.
    #[inline]
    pub fn push(&mut self, of: usize, key: &[u8], hash: u64) {
        self.text.extend_from_slice(key);
        self.ends.push(self.text.len() as u32);
        self.hashes.push(hash);
        self.of.push(of as u32);
    }

    /// Each key and its hash.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let text = &self.text;
        starts.zip(&self.ends).map(|(start, &end)| &text[start as usize..end as usize]).zip(self.hashes.iter().copied())
    }

    /// The hashes alone.
    pub fn hashes(&self) -> impl Iterator<Item = u64> {
        self.hashes.iter().copied()
    }

    /// Whose keys they are: numbers in the batch.
    pub fn of(&self) -> &[u32] {
        &self.of
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.hashes.clear();
        self.of.clear();
    }
}

/// Clients of a batch whose rows aren't known, to be looked up together, and the rows of those of late, which are.
#[derive(Clone, Debug)]
pub struct Clients {
    staged: Vec<Client>,
    /// Each address has one place.
    recent: Box<[Client; CLIENTS]>,
}

/// Client of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    address: [u8; 16],
    /// Of its key.
    pub hash: u64,
    /// Number in the batch; of one of late, its row.
    pub of: u32,
    /// False: the entry has none.
    is_known: bool,
}

/// Clients of late that are remembered, in 16 KiB: more would not stay near the processor.
const CLIENTS: usize = 512;

impl Client {
    /// Nobody.
    const NONE: Self = Self { address: [0; 16], hash: 0, of: REFUSED, is_known: false };

    /// Its key: the address, or nothing where the entry has none.
    #[inline]
    pub fn key(&self) -> &[u8] {
        if self.is_known { &self.address } else { &[] }
    }
}

impl Default for Clients {
    fn default() -> Self {
        Self { staged: Vec::new(), recent: Box::new([Client::NONE; CLIENTS]) }
    }
}

impl Clients {
    /// The row and the hash of the client of the transaction with that number in the batch, if they are known; else it is kept, to be looked
    /// up.
    #[inline]
    pub fn find_or_stage(
        &mut self,
        of: usize,
        address: Option<[u8; 16]>,
        hash: impl FnOnce(&[u8]) -> u64,
    ) -> Option<(u32, u64)> {
        let known = &self.recent[place(address.unwrap_or_default())];
        if Some(known.address) == address && known.is_known {
            return Some((known.of, known.hash));
        }
        let client =
            Client { address: address.unwrap_or_default(), hash: 0, of: of as u32, is_known: address.is_some() };
        let hash = hash(client.key());
        self.staged.push(Client { hash, ..client });
        None
    }

    /// Those that are to be looked up.
    pub fn staged(&self) -> std::slice::Iter<'_, Client> {
        self.staged.iter()
    }

    /// The staged ones have these rows: they are known from now on, and no longer staged.
    pub fn know(&mut self, rows: &[u32]) {
        for (client, &row) in self.staged.drain(..).zip(rows) {
            if client.is_known {
                self.recent[place(client.address)] = Client { of: row, ..client };
            }
        }
    }

    /// Rows have new numbers.
    pub fn forget(&mut self) {
        self.recent.fill(Client::NONE);
    }
}

/// The place of an address among those of late.
#[inline]
fn place(address: [u8; 16]) -> usize {
    let address = u128::from_ne_bytes(address);
    let mixed = (address as u64).rotate_left(32) ^ (address >> 64) as u64;
    (mixed.wrapping_mul(SPREAD) >> (u64::BITS - CLIENTS.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn clients_of_late_have_the_rows_that_they_got(
            asked in prop::collection::vec(prop::option::of((0..2000_u32, any::<bool>())), 1..3000), forget in 0..3000_usize,
        ) {
            let mut clients = Clients::default();
            let mut rows: Vec<Option<[u8; 16]>> = Vec::new();
            for (at, client) in asked.into_iter().enumerate() {
                if at == forget {
                    clients.forget();
                    rows.clear();
                }
                let address = client.map(|(number, is_v4)| {
                    let mut address = [0; 16];
                    address[if is_v4 { 12..16 } else { 4..8 }].copy_from_slice(&number.to_be_bytes());
                    address
                });
                let hash = |key: &[u8]| key.iter().fold(7, |hash: u64, byte| hash.wrapping_mul(31) + u64::from(*byte));
                match clients.find_or_stage(at, address, hash) {
                    Some((row, found)) => {
                        prop_assert_eq!(rows[row as usize], address);
                        prop_assert_eq!(found, hash(&address.unwrap()));
                    }
                    None => {
                        let staged: Vec<_> = clients.staged().map(|client| (client.key().to_vec(), client.hash, client.of)).collect();
                        let key = address.map_or(vec![], |address| address.to_vec());
                        prop_assert_eq!(staged, [(key.clone(), hash(&key), at as u32)]);
                        let row = rows.iter().position(|known| *known == address).unwrap_or_else(|| {
                            rows.push(address);
                            rows.len() - 1
                        });
                        clients.know(&[row as u32]);
                        prop_assert!(clients.staged().next().is_none());
                    }
                }
            }
        }
    }

    #[test]
    fn keys_come_back_as_they_were_pushed() {
        let mut keys = Keys::default();
        for round in 0..2 {
            for (at, key) in [&b"a"[..], b"", b"bcd"].into_iter().enumerate() {
                keys.push(at + round, key, at as u64);
            }
            let found: Vec<_> = keys.iter().collect();
            assert_eq!(found, [(&b"a"[..], 0), (b"", 1), (b"bcd", 2)]);
            assert_eq!(keys.of(), [round as u32, round as u32 + 1, round as u32 + 2]);
            keys.clear();
        }
    }
}
