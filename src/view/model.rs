//! The model that a stream carries, and its encoding (`page/stream.md` 3): numbers, ordered lists of named rows, cells, texts.
//!
//! A snapshot is the step from the empty model, a delta the step from the model before; one encoder makes both.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::tally::varint::write as varint;

/// One row of a list: the stream's own number of it, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Stands for the name in lists and cells; never for another name in this stream.
    pub id: u64,
    /// Ready for display.
    pub name: Arc<str>,
}

/// The key of a cell; models with one-number keys leave the second 0.
pub type CellKey = (u64, u64);

/// Most values that a cell has; those that a kind doesn't use stay 0 and are never sent.
pub const WIDTH: usize = 16;

/// A cell's values, the first of [`WIDTH`].
pub fn values<const N: usize>(first: [u64; N]) -> [u64; WIDTH] {
    let mut values = [0; WIDTH];
    values[..N].copy_from_slice(&first);
    values
}

/// What one stream shows at one tick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// Numbers, by the kind's own order.
    pub head: Vec<u64>,
    /// Ordered lists of rows.
    pub lists: Vec<Vec<Row>>,
    /// True if cells have keys of two numbers.
    pub paired: bool,
    /// Values by key; keys ascend.
    pub cells: Vec<(CellKey, [u64; WIDTH])>,
    /// Texts, by the kind's own order.
    pub texts: Vec<String>,
}

impl Model {
    /// Encodes the step from the empty model to this one: the body of a snapshot.
    pub fn whole(&self) -> Vec<u8> {
        self.since(&Self { paired: self.paired, ..Self::default() })
    }

    /// Encodes the step from `before` to this model: the body of a delta.
    pub fn since(&self, before: &Self) -> Vec<u8> {
        debug_assert!(self.cells.is_sorted_by(|a, b| a.0 < b.0), "keys ascend");
        debug_assert_eq!(self.paired, before.paired);
        let mut out = Vec::with_capacity(256);
        self.head_since(before, &mut out);
        self.lists_since(before, &mut out);
        self.cells_since(before, &mut out);
        self.texts_since(before, &mut out);
        out
    }

    fn head_since(&self, before: &Self, out: &mut Vec<u8>) {
        let count = self.head.len().max(before.head.len());
        let at = |head: &[u64], index: usize| head.get(index).copied().unwrap_or(0);
        let changed: Vec<(usize, u64, u64)> = (0..count)
            .map(|index| (index, at(&before.head, index), at(&self.head, index)))
            .filter(|(_, old, new)| old != new)
            .collect();
        varint(changed.len() as u64, out);
        let mut next = 0;
        for (index, old, new) in changed {
            varint((index - next) as u64, out);
            change(old, new, out);
            next = index + 1;
        }
    }

    fn lists_since<'a>(&'a self, before: &'a Self, out: &mut Vec<u8>) {
        let at = |lists: &'a [Vec<Row>], index: usize| lists.get(index).map_or(&[][..], Vec::as_slice);
        let count = self.lists.len().max(before.lists.len());
        let changed: Vec<(usize, &[Row], &[Row])> = (0..count)
            .map(|index| (index, at(&before.lists, index), at(&self.lists, index)))
            .filter(|(_, old, new)| !old.iter().map(|row| row.id).eq(new.iter().map(|row| row.id)))
            .collect();
        varint(changed.len() as u64, out);
        for (index, old, new) in changed {
            let held: HashSet<u64> = old.iter().map(|row| row.id).collect();
            let entering: Vec<&Row> = new.iter().filter(|row| !held.contains(&row.id)).collect();
            varint(index as u64, out);
            varint(new.len() as u64, out);
            new.iter().for_each(|row| varint(row.id, out));
            varint(entering.len() as u64, out);
            for row in entering {
                varint(row.id, out);
                text(&row.name, out);
            }
        }
    }

    /// Walks both ascending lists of cells side by side.
    fn cells_since(&self, before: &Self, out: &mut Vec<u8>) {
        let mut removed: Vec<CellKey> = Vec::new();
        let mut changed: Vec<(CellKey, [u64; WIDTH], [u64; WIDTH])> = Vec::new();
        let mut old = before.cells.iter().peekable();
        for (key, new) in &self.cells {
            while let Some((gone, _)) = old.next_if(|(old, _)| old < key) {
                removed.push(*gone);
            }
            match old.next_if(|(old, _)| old == key) {
                Some((_, values)) if values == new => {}
                Some((_, values)) => changed.push((*key, *values, *new)),
                // A cell of zeros is sent too: it exists.
                None => changed.push((*key, [0; WIDTH], *new)),
            }
        }
        removed.extend(old.map(|(key, _)| *key));

        varint(removed.len() as u64, out);
        let mut keys = KeyWriter::new(self.paired);
        removed.iter().for_each(|key| keys.write(*key, out));
        varint(changed.len() as u64, out);
        let mut keys = KeyWriter::new(self.paired);
        for (key, old, new) in changed {
            keys.write(key, out);
            let moved = |value: &usize| old[*value] != new[*value];
            let mask = (0..WIDTH).filter(moved).fold(0, |mask, value| mask | 1 << value);
            varint(mask, out);
            (0..WIDTH).filter(moved).for_each(|value| change(old[value], new[value], out));
        }
    }

    fn texts_since<'a>(&'a self, before: &'a Self, out: &mut Vec<u8>) {
        let at = |texts: &'a [String], index: usize| texts.get(index).map_or("", String::as_str);
        let count = self.texts.len().max(before.texts.len());
        let changed: Vec<(usize, &str)> = (0..count)
            .map(|index| (index, at(&before.texts, index), at(&self.texts, index)))
            .filter(|(_, old, new)| old != new)
            .map(|(index, _, new)| (index, new))
            .collect();
        varint(changed.len() as u64, out);
        for (index, new) in changed {
            varint(index as u64, out);
            text(new, out);
        }
    }
}

/// Writes ascending keys as gaps.
struct KeyWriter {
    paired: bool,
    /// One number: the key before plus 1. Two numbers: the first number before.
    base: u64,
}

impl KeyWriter {
    fn new(paired: bool) -> Self {
        Self { paired, base: 0 }
    }

    fn write(&mut self, (first, second): CellKey, out: &mut Vec<u8>) {
        varint(first - self.base, out);
        if self.paired {
            varint(second, out);
            self.base = first;
        } else {
            self.base = first + 1;
        }
    }
}

/// What kind of message a body is put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Starts from the empty model.
    Snapshot = 1,
    /// Starts from the model after the message before.
    Delta = 2,
}

/// Where in a stream a message stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stand {
    /// The stream's number.
    pub stream: u64,
    /// The message's number in its stream; of a snapshot, that of the newest message it contains.
    pub seq: u64,
    /// The engine's tick.
    pub tick: u64,
    /// The engine's clock, ms since the epoch.
    pub as_of: u64,
}

/// One whole message.
pub fn message(kind: Type, stand: &Stand, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 24);
    for number in [kind as u64, stand.stream, stand.seq, stand.tick, stand.as_of] {
        varint(number, &mut out);
    }
    out.extend_from_slice(body);
    out
}

/// The difference modulo 2^64, zigzag coded.
fn change(old: u64, new: u64, out: &mut Vec<u8>) {
    let difference = new.wrapping_sub(old) as i64;
    varint(((difference << 1) ^ (difference >> 63)) as u64, out);
}

fn text(text: &str, out: &mut Vec<u8>) {
    varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Gives rows their ids: an id lives as long as its row is in its list, and is never given to another name.
#[derive(Debug, Default)]
pub struct Ids {
    next: u64,
    /// By list: the ids of each name; a name that is there twice has two.
    lists: Vec<HashMap<Arc<str>, Vec<u64>>>,
}

impl Ids {
    /// The rows of list number `list`, whose names are `names`, in that order.
    pub fn rows(&mut self, list: usize, names: impl IntoIterator<Item = String>) -> Vec<Row> {
        if self.lists.len() <= list {
            self.lists.resize_with(list + 1, HashMap::new);
        }
        let mut held = std::mem::take(&mut self.lists[list]);
        let mut rows = Vec::new();
        for name in names {
            let row = match held.get_key_value(name.as_str()) {
                Some((name, ids)) if !ids.is_empty() => Row { id: ids[0], name: name.clone() },
                _ => {
                    self.next += 1;
                    Row { id: self.next - 1, name: name.into() }
                }
            };
            if let Some(ids) = held.get_mut(&row.name) {
                ids.retain(|id| *id != row.id);
            }
            let given = self.lists[list].entry(row.name.clone()).or_default();
            given.push(row.id);
            rows.push(row);
        }
        rows
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A plain reader of `page/stream.md` 3, written from the text alone.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Reader {
        pub(crate) paired: bool,
        pub(crate) head: BTreeMap<u64, u64>,
        pub(crate) lists: BTreeMap<u64, Vec<u64>>,
        pub(crate) names: BTreeMap<u64, String>,
        pub(crate) cells: BTreeMap<CellKey, [u64; WIDTH]>,
        pub(crate) texts: BTreeMap<u64, String>,
    }

    struct Bytes<'a>(&'a [u8]);

    impl Bytes<'_> {
        fn v(&mut self) -> u64 {
            let mut number = 0;
            for shift in (0..).step_by(7) {
                let byte = self.0[0];
                self.0 = &self.0[1..];
                number |= u64::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            number
        }

        fn z(&mut self) -> u64 {
            let coded = self.v();
            (coded >> 1) ^ (coded & 1).wrapping_neg()
        }

        fn text(&mut self) -> String {
            let len = self.v() as usize;
            let (text, rest) = self.0.split_at(len);
            self.0 = rest;
            String::from_utf8(text.to_vec()).unwrap()
        }

        fn key(&mut self, before: &mut Option<u64>, paired: bool) -> CellKey {
            let gap = self.v();
            let first = if paired { before.unwrap_or(0) + gap } else { before.map_or(0, |before| before + 1) + gap };
            *before = Some(first);
            (first, if paired { self.v() } else { 0 })
        }
    }

    /// Type, stand and what is left of a message.
    pub(crate) fn opened(message: &[u8]) -> (u64, Stand, &[u8]) {
        let mut bytes = Bytes(message);
        let kind = bytes.v();
        let stand = Stand { stream: bytes.v(), seq: bytes.v(), tick: bytes.v(), as_of: bytes.v() };
        (kind, stand, bytes.0)
    }

    impl Reader {
        pub(crate) fn empty(paired: bool) -> Self {
            Self { paired, ..Self::default() }
        }

        pub(crate) fn apply(&mut self, body: &[u8]) {
            let mut bytes = Bytes(body);
            let mut next = 0;
            for _ in 0..bytes.v() {
                let index = next + bytes.v();
                let value = self.head.entry(index).or_default();
                *value = value.wrapping_add(bytes.z());
                next = index + 1;
            }
            for _ in 0..bytes.v() {
                let index = bytes.v();
                let order: Vec<u64> = (0..bytes.v()).map(|_| bytes.v()).collect();
                let before = self.lists.insert(index, order).unwrap_or_default();
                let entering: Vec<(u64, String)> = (0..bytes.v()).map(|_| (bytes.v(), bytes.text())).collect();
                let expected: Vec<u64> = self.lists[&index].iter().filter(|id| !before.contains(id)).copied().collect();
                let ids: Vec<u64> = entering.iter().map(|(id, _)| *id).collect();
                assert_eq!(ids, expected, "entering are the ids not there before");
                for (id, name) in entering {
                    let old = self.names.insert(id, name.clone());
                    assert!(old.is_none_or(|old| old == name), "an id for another name");
                }
            }
            let mut before = None;
            for _ in 0..bytes.v() {
                let key = bytes.key(&mut before, self.paired);
                assert!(self.cells.remove(&key).is_some(), "{key:?} was never there");
            }
            let mut before = None;
            for _ in 0..bytes.v() {
                let key = bytes.key(&mut before, self.paired);
                let cell = self.cells.entry(key).or_default();
                let mask = bytes.v();
                for (bit, value) in cell.iter_mut().enumerate() {
                    if mask >> bit & 1 == 1 {
                        *value = value.wrapping_add(bytes.z());
                    }
                }
            }
            for _ in 0..bytes.v() {
                let index = bytes.v();
                self.texts.insert(index, bytes.text());
            }
            assert!(bytes.0.is_empty(), "{} bytes left over", bytes.0.len());
        }

        pub(crate) fn names(&self, list: u64) -> Vec<&str> {
            self.lists.get(&list).into_iter().flatten().map(|id| self.names[id].as_str()).collect()
        }

        pub(crate) fn shows(&self, model: &Model) {
            let head: BTreeMap<u64, u64> = (0..).zip(model.head.iter().copied()).collect();
            for index in 0..head.len().max(self.head.len()) as u64 {
                assert_eq!(self.head.get(&index).unwrap_or(&0), head.get(&index).unwrap_or(&0), "head {index}");
            }
            for (index, list) in model.lists.iter().enumerate() {
                let names: Vec<&str> = list.iter().map(|row| &*row.name).collect();
                assert_eq!(self.names(index as u64), names, "list {index}");
            }
            assert_eq!(self.cells, model.cells.iter().copied().collect::<BTreeMap<_, _>>());
            for (index, text) in model.texts.iter().enumerate() {
                let held = self.texts.get(&(index as u64)).map_or("", String::as_str);
                assert_eq!(held, text, "text {index}");
            }
        }
    }

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), 1..200_u64, any::<u64>(), Just(u64::MAX)]
    }

    /// Lists of names, which tests give ids as views do.
    type Parts = (Vec<u64>, Vec<Vec<u8>>, BTreeMap<(u8, u8), [u64; WIDTH]>, Vec<String>);

    fn parts() -> impl Strategy<Value = Parts> {
        let order = Just((0..12_u8).collect::<Vec<u8>>()).prop_shuffle();
        let list = (order, 0..12_usize).prop_map(|(mut order, len)| {
            order.truncate(len);
            order
        });
        (
            prop::collection::vec(number(), 6),
            prop::collection::vec(list, 2),
            prop::collection::btree_map((0..6_u8, 0..4_u8), prop::array::uniform(number()), 0..12),
            prop::collection::vec("[a\u{fc}\u{0}]{0,3}", 3),
        )
    }

    fn model((head, lists, cells, texts): Parts, paired: bool, ids: &mut Ids) -> Model {
        let mut cells: Vec<(CellKey, [u64; WIDTH])> =
            cells.into_iter().map(|((a, b), values)| ((a.into(), if paired { b.into() } else { 0 }), values)).collect();
        cells.dedup_by_key(|(key, _)| *key);
        Model {
            head,
            lists: lists
                .into_iter()
                .enumerate()
                .map(|(list, names)| ids.rows(list, names.into_iter().map(|n| format!("{list} {n}"))))
                .collect(),
            paired,
            cells,
            texts,
        }
    }

    proptest! {
        #[test]
        fn a_reader_of_a_snapshot_and_deltas_holds_the_model(
            paired: bool, steps in prop::collection::vec(parts(), 1..6),
        ) {
            let mut ids = Ids::default();
            let mut before = Model { paired, ..Model::default() };
            let mut follower = Reader::empty(paired);
            for step in steps {
                let model = model(step, paired, &mut ids);
                follower.apply(&model.since(&before));
                follower.shows(&model);
                let mut newcomer = Reader::empty(paired);
                newcomer.apply(&model.whole());
                newcomer.shows(&model);
                before = model;
            }
        }
    }

    #[test]
    fn messages_have_the_written_bytes() {
        let mut ids = Ids::default();
        let model = Model {
            head: vec![0, 300, 1],
            lists: vec![ids.rows(0, ["a".to_owned(), "b".to_owned()])],
            paired: false,
            cells: vec![((0, 0), values([1, 0, 0, 0, 2])), ((1, 0), values([0]))],
            texts: vec![String::new(), "t".into()],
        };
        #[rustfmt::skip]
        let body = [
            2, 1, 0xd8, 0x04, 0, 2,                        // head: 1 is 300, 2 is 1
            1, 0, 2, 0, 1, 2, 0, 1, b'a', 1, 1, b'b',      // list 0: ids 0 and 1, both entering
            0,                                             // no cell removed
            2, 0, 0b1_0001, 2, 4, 0, 0,                    // cell 0: 1 and 2; cell 1 is there
            1, 1, 1, b't',                                 // text 1
        ];
        assert_eq!(model.whole(), body);
        assert_eq!(model.since(&model), [0; 5], "an empty delta");
        let stand = Stand { stream: 17, seq: 1, tick: 128, as_of: 1 };
        assert_eq!(message(Type::Delta, &stand, &model.since(&model)), [2, 17, 1, 0x80, 1, 1, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn pairs_of_one_first_number_have_gaps_of_nought() {
        let cell = |key| (key, values([1]));
        let model = Model { paired: true, cells: vec![cell((0, 2)), cell((0, 3)), cell((4, 0))], ..Model::default() };
        #[rustfmt::skip]
        assert_eq!(model.whole(), [0, 0, 0, 3, 0, 2, 1, 2, 0, 3, 1, 2, 4, 0, 1, 2, 0]);
    }

    #[test]
    fn an_id_ends_with_its_row_and_is_never_given_again() {
        let mut ids = Ids::default();
        let mut rows = |list: usize, names: &[&str]| -> Vec<u64> {
            ids.rows(list, names.iter().map(ToString::to_string)).iter().map(|row| row.id).collect()
        };
        assert_eq!(rows(0, &["a", "b"]), [0, 1]);
        assert_eq!(rows(1, &["a"]), [2], "another list, another name");
        assert_eq!(rows(0, &["c", "a"]), [3, 0]);
        assert_eq!(rows(0, &["a", "b"]), [0, 4]);
        assert_eq!(rows(0, &["a", "b", "a"]), [0, 4, 5], "two of one name are two");
        assert_eq!(rows(0, &["a", "a", "a"]), [0, 5, 6]);
    }
}
