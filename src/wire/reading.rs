//! Readings: what the symbols of a field list may have stored, the likeliest first.
//!
//! The list alone is ambiguous: a writer keeps symbols in it that it does not know and stores nothing for them, and some fields changed their
//! framing. Each release gives one reading (spec/fields.md), the type table of version 3 says what a writer stored (spec/logbuffer.md 9),
//! and unknown symbols are tried in every framing (8). Which reading is right is for the caller to find out, with the length test.

use super::era::{E16_RELEASE, LONG_INTEGERS};
use super::fields::{self, ADDRESSES, CLIENTS_AS_TEXT, Framing, Release, Symbol, VERSIONS_AS_TEXT};
use super::layout::{EntryHeader, Ints, Layout};

/// The framing of each symbol.
pub type Reading = Vec<Framing>;

/// The most readings that are tried for one format.
const READINGS_MAX: usize = 512;

/// Symbols of which more than one framing is tried at once.
const VARIABLE_MAX: usize = 16;

/// A table of more codes times symbols than this is not shared out: what it would take grows with both.
const SHARED_MAX: usize = 256 * 256;

/// Ways to share out the codes of a type table that are tried.
const SHARINGS_MAX: usize = 8;

/// The first release with segments of version 3.
const TYPE_TABLES: Release = 100_200;

/// The first release.
const FIRST: Release = 20000;

/// What is known of the fields of a format.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Symbols joined by `,`.
    pub field_list: &'a str,
    /// Each of them.
    pub symbols: &'a [Symbol],
    /// The type table, if there is one.
    pub field_types: Option<&'a [u8]>,
    /// Tells old releases from newer ones.
    pub layout: Layout,
}

impl Source<'_> {
    /// Readings that need no guess at unknown symbols, and whether the first of them is beyond doubt if it passes the length test.
    ///
    /// First all known fields as they are now, in old segments as in the likeliest old release; then as other releases had them, the newest
    /// first.
    pub fn bases(&self) -> (Vec<Reading>, bool) {
        let (oldest, newest) = self.span();
        let mut releases = vec![oldest, CLIENTS_AS_TEXT, ADDRESSES, VERSIONS_AS_TEXT];
        for symbol in self.field_list.split(',') {
            if let Some((since, last)) = fields::releases(symbol) {
                releases.extend([since, last.saturating_add(1)]);
            }
        }
        releases.retain(|release| (oldest..=newest).contains(release));
        releases.sort_unstable_by(|a, b| b.cmp(a));
        releases.dedup();
        let mut bases = vec![self.plain(newest)];
        bases.extend(releases.iter().map(|&release| self.of_release(release)));
        let Some(types) = self.field_types else {
            return (distinct(bases), true);
        };
        let sharings = self.sharings(types);
        if sharings.is_empty() {
            return (distinct(bases), true);
        }
        // The release whose own framings are nearest to the table first: it also says how the last terms of fallbacks are stored.
        let mut typed: Vec<(usize, Reading)> = Vec::new();
        for codes in &sharings {
            for base in &bases {
                let reading = self.typed(base, codes);
                let differing = reading.iter().zip(base).filter(|(one, other)| one != other).count();
                typed.push((differing, reading));
            }
        }
        typed.sort_by_key(|(differing, _)| *differing);
        let typed = typed.into_iter().map(|(_, reading)| reading).collect();
        (distinct(typed), sharings.len() == 1)
    }

    /// Further readings in the order in which they are to be tried, in tiers that are equally likely: one unknown symbol stored, then two,
    /// then three; at last, one known symbol not stored.
    pub fn tiers(&self, bases: &[Reading]) -> Vec<Vec<Reading>> {
        let unknown: Vec<usize> =
            (0..self.symbols.len()).filter(|&at| self.symbols[at] == Symbol::Unknown).take(VARIABLE_MAX).collect();
        let mut tiers = Vec::new();
        let mut last = bases.to_vec();
        let mut room = READINGS_MAX;
        for _ in 0..unknown.len().min(3) {
            let mut tier = Vec::new();
            for base in &last {
                // Each combination once: only behind the last symbol that was changed.
                let from = unknown.iter().rposition(|&at| base[at] != Framing::Absent).map_or(0, |changed| changed + 1);
                for &at in &unknown[from..] {
                    for framing in [Framing::Int, Framing::Text, Framing::Ip, Framing::Pair] {
                        if room == 0 {
                            break;
                        }
                        room -= 1;
                        let mut reading = base.clone();
                        reading[at] = framing;
                        tier.push(reading);
                    }
                }
            }
            last.clone_from(&tier);
            tiers.push(tier);
        }
        let mut tier = Vec::new();
        for (at, symbol) in self.field_list.split(',').enumerate() {
            // What every release knows, every writer knows.
            let is_stored = bases[0][at] != Framing::Absent;
            if is_stored && tier.len() < room && fields::releases(symbol) != Some((FIRST, Release::MAX)) {
                let mut reading = bases[0].clone();
                reading[at] = Framing::Absent;
                tier.push(reading);
            }
        }
        tiers.push(tier);
        tiers
    }

    /// All that is before the first symbol that we don't know.
    pub fn known_part(&self) -> Option<Reading> {
        let at = self.symbols.iter().position(|symbol| *symbol == Symbol::Unknown)?;
        let mut reading = self.bases().0.swap_remove(0);
        reading[at..].fill(Framing::Rest);
        Some(reading)
    }

    /// The oldest and the newest release that write so.
    fn span(&self) -> (Release, Release) {
        match (self.layout.entries, self.layout.ints) {
            (EntryHeader::E16, _) if self.field_types.is_some() => (TYPE_TABLES, Release::MAX),
            (EntryHeader::E16, _) => (E16_RELEASE, Release::MAX),
            (_, Ints::Short) => (FIRST, LONG_INTEGERS - 1),
            _ => (LONG_INTEGERS, E16_RELEASE - 1),
        }
    }

    fn plain(&self, newest: Release) -> Reading {
        if newest < Release::MAX {
            return self.of_release(newest.min(ADDRESSES - 1));
        }
        let framing = |symbol: &Symbol| match symbol {
            Symbol::Known(framing) => *framing,
            Symbol::Aggregate => Framing::Int,
            Symbol::Unknown => Framing::Absent,
        };
        self.symbols.iter().map(framing).collect()
    }

    fn of_release(&self, release: Release) -> Reading {
        self.field_list.split(',').map(|symbol| fields::framing_in(symbol, release)).collect()
    }

    /// A reading with the framings of the type table, which gives each symbol a code or none. The code is the declared type, so what is framed
    /// in its own way goes by its symbol.
    fn typed(&self, base: &[Framing], codes: &[Option<u8>]) -> Reading {
        let framing = |(base, code): (&Framing, &Option<u8>)| match (base, code) {
            (_, None) => Framing::Absent,
            (Framing::Record | Framing::List | Framing::Request | Framing::Fallback(_), Some(3)) => *base,
            (_, Some(1)) => Framing::Int,
            (_, Some(2)) => Framing::Pair,
            (_, Some(3)) => Framing::Text,
            (_, Some(4)) => Framing::Ip,
            (_, Some(_)) => Framing::Rest,
        };
        base.iter().zip(codes).map(framing).collect()
    }

    /// Ways in which the codes belong to the symbols, in their order: the table has none for symbols that the writer did not know.
    fn sharings(&self, types: &[u8]) -> Vec<Vec<Option<u8>>> {
        let (symbols, codes) = (self.symbols.len(), types.len());
        if codes == symbols {
            return vec![types.iter().copied().map(Some).collect()];
        }
        if codes > symbols || symbols * codes > SHARED_MAX {
            return Vec::new();
        }
        let is_known = |symbol: &str| fields::releases(symbol).is_some_and(|(_, last)| last >= TYPE_TABLES);
        let known: Vec<bool> = self.field_list.split(',').map(is_known).collect();
        let is_known = |at: usize| known[at];
        let takes = |at: usize, code: u8| match self.symbols[at] {
            Symbol::Known(_) if !is_known(at) => false,
            Symbol::Known(Framing::Int) | Symbol::Aggregate => code == 1,
            Symbol::Known(Framing::Pair) => matches!(code, 2 | 3),
            Symbol::Known(Framing::Ip) => code == 4,
            Symbol::Known(_) => code == 3,
            Symbol::Unknown => true,
        };
        let is_optional = |at: usize| !is_known(at) && self.symbols[at] != Symbol::Aggregate;
        // Can the symbols from `at` on take the codes from `code` on?
        let width = codes + 1;
        let mut can = vec![false; (symbols + 1) * width];
        can[symbols * width + codes] = true;
        for at in (0..symbols).rev() {
            for code in 0..=codes {
                let with = code < codes && takes(at, types[code]) && can[(at + 1) * width + code + 1];
                can[at * width + code] = with || is_optional(at) && can[(at + 1) * width + code];
            }
        }
        let mut found: Vec<Vec<Option<u8>>> = if can[0] { vec![Vec::new()] } else { Vec::new() };
        for at in 0..symbols {
            let mut next = Vec::new();
            for sharing in &found {
                let code = sharing.iter().flatten().count();
                let mut add = |taken: Option<u8>| {
                    if next.len() < SHARINGS_MAX {
                        next.push(sharing.iter().copied().chain([taken]).collect());
                    }
                };
                if code < codes && takes(at, types[code]) && can[(at + 1) * width + code + 1] {
                    add(Some(types[code]));
                }
                if is_optional(at) && can[(at + 1) * width + code] {
                    add(None);
                }
            }
            found = next;
        }
        found
    }
}

fn distinct(readings: Vec<Reading>) -> Vec<Reading> {
    let mut all: Vec<Reading> = Vec::new();
    for reading in readings {
        if !all.contains(&reading) {
            all.push(reading);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::Framing::{Absent, Int, Ip, Pair, Rest, Text};
    use super::*;

    fn bases(field_list: &str, field_types: Option<&[u8]>, layout: Layout) -> (Vec<Reading>, bool) {
        let symbols: Vec<Symbol> = field_list.split(',').map(fields::symbol).collect();
        Source { field_list, symbols: &symbols, field_types, layout }.bases()
    }

    #[test]
    fn releases_give_readings() {
        let old = |ints| Layout { entries: EntryHeader::E24, ints, ..Layout::USUAL };
        let cases: &[(&str, Layout, &[&[Framing]])] = &[
            ("cqhm,psql", Layout::USUAL, &[&[Text, Int]]),
            ("pqsn,sshv", Layout::USUAL, &[&[Text, Pair], &[Absent, Text], &[Absent, Pair]]),
            ("chi,phi", old(Ints::Little), &[&[Text, Text], &[Ip, Ip], &[Int, Text]]),
            ("chi,pqsi", old(Ints::Short), &[&[Int, Int]]),
        ];
        for (list, layout, expected) in cases {
            assert_eq!(bases(list, None, *layout).0, *expected, "{list}");
        }
    }

    #[test]
    fn type_tables_say_what_is_stored() {
        let cases: &[(&str, &[u8], &[Framing], bool)] = &[
            ("sshv,cqhm", &[2, 3], &[Pair, Text], true),
            ("sshv,cqhm", &[3, 3], &[Text, Text], true),
            ("psql,nosuch,cqhm", &[1, 4, 3], &[Int, Ip, Text], true),
            ("psql,nosuch,cqhm", &[1, 3], &[Int, Absent, Text], true),
            ("psql,nosuch,pqsn,other,chi", &[1, 1, 4], &[Int, Int, Absent, Absent, Ip], false),
            (
                "nosuch,{x}record,cqah,{a}cqh??psql",
                &[3, 3, 3],
                &[Absent, Framing::Record, Framing::List, Framing::Fallback(fields::Term::Int)],
                true,
            ),
            ("psql,nosuch,chi", &[1, 0, 4], &[Int, Rest, Ip], true),
            ("psql,cqhm,chi", &[1, 9, 4], &[Int, Rest, Ip], true),
            ("sshv,{a}cqh??sshv", &[3, 3], &[Text, Framing::Fallback(fields::Term::Text)], true),
            ("sshv,{a}cqh??sshv", &[2, 3], &[Pair, Framing::Fallback(fields::Term::Pair)], true),
            // No table of this list: the symbols alone.
            ("psql,cqhm", &[1, 3, 3], &[Int, Text], true),
            ("psql,cqhm,chi", &[], &[Int, Text, Ip], true),
        ];
        for (list, types, expected, is_sure) in cases {
            let (bases, sure) = bases(list, Some(types), Layout::USUAL);
            assert_eq!((&bases[0][..], sure), (*expected, *is_sure), "{list} {types:?}");
        }
    }
}
