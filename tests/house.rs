//! The house and its one corridor: rooms use only what the map in the head of `src/lib.rs` lets them use, io_uring stays in
//! `source`, and the pure rooms touch no socket, file, thread or clock. Code under `#[cfg(test)]` may do as it likes.
#![allow(clippy::unwrap_used, clippy::semicolon_if_nothing_returned)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Rooms that take bytes, values and times as arguments and give values.
const PURE: [&str; 3] = ["wire", "tally", "view"];

/// What a pure room doesn't name; each stands for all below it.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "hyper",
    "rustix",
    "socket2",
    "tokio",
];

/// Where the worker's and the merger's ends of a channel are; all else in `tally` is pure.
const CHANNELS: (&str, &str) = ("src/tally/link.rs", "tokio::sync");

/// Crates that reach io_uring, and the only room that may.
const URING: [&str; 2] = ["io_uring", "tokio_uring"];
const URING_ROOM: &str = "source";

#[test]
fn every_file_keeps_to_the_map() {
    let map = Map::parse(&read("src/lib.rs"));
    let mut sources = BTreeMap::new();
    collect(Path::new("src"), &mut sources);
    assert!(sources.len() > 30, "only {} files were found", sources.len());
    let violations = map.violations(&sources);
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn the_map_names_the_rooms_that_are_there() {
    let text = read("src/lib.rs");
    let words = words(&text);
    let declared: BTreeSet<&str> = words.windows(2).filter(|pair| pair[0] == "mod").map(|pair| pair[1]).collect();
    let map = Map::parse(&text);
    let named: BTreeSet<&str> = map.0.keys().map(String::as_str).collect();
    assert_eq!(declared, named, "declared in src/lib.rs (left), rows of its map (right)");
    for (room, uses) in &map.0 {
        for used in uses.iter().flatten() {
            assert!(map.0.contains_key(used), "the map lets {room} use {used}, which isn't a room");
        }
    }
}

#[test]
fn what_breaks_the_rules_is_found() {
    let map = Map::parse(
        "//! | room | what it does | uses |
         //! |---|---|---|
         //! | `wire` | bytes | nothing |
         //! | `tally` | numbers | `wire` |
         //! | `source` | sockets | `wire`, `tally` |
         //! | `view` | what is seen | `tally` |
         //! | `cli` | commands | everything |",
    );
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("left along the corridor", "src/tally/mod.rs", "use crate::wire::codes;", &[]),
        ("within the room", "src/wire/plan.rs", "use crate::wire::fields; use super::codes;", &[]),
        ("right along the corridor", "src/wire/plan.rs", "use crate::tally::Counts;", &["tally"]),
        ("a room passed over", "src/view/mod.rs", "fn f() { crate::source::go(); }", &["source"]),
        ("in a group", "src/wire/a.rs", "use crate::{wire::b, tally::{self, Counts}};", &["tally"]),
        ("in a nested group", "src/wire/a.rs", "use crate::{wire::{b, c::{d, e}}, view};", &["view"]),
        ("in a type", "src/wire/a.rs", "struct S { f: Vec<crate::tally::Counts> }", &["tally"]),
        ("by super from a file", "src/wire/a.rs", "use super::super::tally::Counts;", &["tally"]),
        ("by super from the room", "src/wire/mod.rs", "use super::tally::Counts;", &["tally"]),
        ("super within the room", "src/wire/a.rs", "use super::tally;", &[]),
        ("from a room that is one file", "src/view.rs", "use crate::source;", &["source"]),
        ("a name of the root", "src/view.rs", "use crate::Engine;", &["Engine"]),
        ("everything", "src/cli/mod.rs", "use crate::{source, view};", &[]),
        ("a file in no room", "src/odd.rs", "fn f() {}", &["odd"]),
        (
            "in comments and strings",
            "src/wire/a.rs",
            "/* crate::tally /* */ */ // crate::tally\nconst A: &str = \"crate::tally\";",
            &[],
        ),
        ("in raw strings", "src/wire/a.rs", "const A: &str = r#\"\" crate::tally\"#; const B: char = '\"';", &[]),
        (
            "behind a quote and a lifetime",
            "src/wire/a.rs",
            "fn f<'a>(x: &'a u8) { ('\\'', '\"'); crate::tally::g() }",
            &["tally"],
        ),
        ("in a test", "src/wire/a.rs", "#[cfg(test)] mod tests { use crate::tally::Counts; }", &[]),
        ("behind a test", "src/wire/a.rs", "#[cfg(test)] mod tests { fn f() {} } use crate::tally;", &["tally"]),
        ("behind a test's import", "src/wire/a.rs", "#[cfg(test)] use crate::view; use crate::tally;", &["tally"]),
        (
            "behind a test's function",
            "src/wire/a.rs",
            "#[cfg(test)] #[x] fn f<A, B>() -> [u8; 4] { crate::view } fn g() { crate::tally::a() }",
            &["tally"],
        ),
        (
            "behind a test's field",
            "src/wire/a.rs",
            "struct S { #[cfg(test)] a: crate::view::A, b: crate::tally::B }",
            &["tally"],
        ),
        ("io_uring at the source", "src/source/reader.rs", "use tokio_uring::net::TcpStream;", &[]),
        ("io_uring elsewhere", "src/cli/mod.rs", "fn f() { tokio_uring::start(g()) }", &["tokio_uring"]),
        ("addresses are values", "src/wire/a.rs", "use std::net::{IpAddr, Ipv4Addr}; use std::time::Duration;", &[]),
        ("a socket", "src/wire/a.rs", "use std::net::{IpAddr, TcpStream};", &["std::net::TcpStream"]),
        ("a clock", "src/tally/a.rs", "fn f() { std::time::SystemTime::now(); }", &["std::time::SystemTime"]),
        (
            "a clock by half its path",
            "src/tally/a.rs",
            "use std::time; fn f() { time::Instant::now(); }",
            &["std::time::Instant"],
        ),
        ("a file", "src/view/a.rs", "use std::{fs, io};", &["std::fs"]),
        ("a thread elsewhere", "src/source/a.rs", "use std::thread;", &[]),
        ("a channel where it belongs", "src/tally/link.rs", "use tokio::sync::watch;", &[]),
        ("more than a channel there", "src/tally/link.rs", "use tokio::net::TcpStream;", &["tokio"]),
        ("a channel elsewhere", "src/tally/a.rs", "use tokio::sync::watch;", &["tokio"]),
    ];
    for (name, file, text, expected) in cases {
        let found = map.violations(&BTreeMap::from([((*file).to_owned(), (*text).to_owned())]));
        assert_eq!(found.len(), expected.len(), "{name}: {found:?}");
        for (violation, expected) in found.iter().zip(*expected) {
            assert!(violation.starts_with(file) && violation.contains(expected), "{name}: {violation}");
        }
    }
}

#[test]
fn files_of_tests_are_left_out_only_where_they_are_declared_so() {
    let map = Map::parse("//! | `wire` | bytes | nothing |\n//! | `tally` | numbers | `wire` |");
    let bad = "use crate::tally::Counts;";
    let cases: &[(&str, &str, &str, usize)] = &[
        ("of the room", "#[cfg(test)]\nmod tests;", "src/wire/tests.rs", 0),
        ("in a folder", "#[cfg(test)]\nmod tests;", "src/wire/tests/more.rs", 0),
        ("by another name", "#[cfg(test)]\npub(crate) mod properties;", "src/wire/properties.rs", 0),
        ("declared for all", "mod tests;", "src/wire/tests.rs", 1),
        ("another file", "#[cfg(test)]\nmod tests;", "src/wire/tests_of.rs", 1),
    ];
    for (name, declaration, file, expected) in cases {
        let sources = [("src/wire/mod.rs", *declaration), (*file, bad)];
        let sources = sources.map(|(file, text)| (file.to_owned(), text.to_owned()));
        assert_eq!(map.violations(&BTreeMap::from(sources)).len(), *expected, "{name}");
    }
}

/// What each room may use; `None` is everything.
struct Map(BTreeMap<String, Option<BTreeSet<String>>>);

impl Map {
    /// Reads the rows `` | `room` | what it does | `used`, `used` | `` of a file's head.
    fn parse(head: &str) -> Self {
        let rows = head.lines().filter_map(|line| {
            let mut cells = line.trim().strip_prefix("//! |")?.split('|').map(str::trim);
            let room = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
            let uses = match cells.nth(1)? {
                "everything" => None,
                "nothing" => Some(BTreeSet::new()),
                list => Some(list.split(", ").map(|used| used.trim_matches('`').to_owned()).collect()),
            };
            Some((room.to_owned(), uses))
        });
        Self(rows.collect())
    }

    /// All that is wrong in these files, by path.
    fn violations(&self, sources: &BTreeMap<String, String>) -> Vec<String> {
        let mut tests = Vec::new();
        let mut kept = Vec::new();
        for (file, text) in sources {
            let (words, modules) = without_tests(&words(text));
            let folder = file.strip_suffix("/mod.rs").or(file.strip_suffix(".rs")).expect("files end in .rs");
            tests.extend(modules.iter().map(|module| format!("{folder}/{module}")));
            kept.push((file, words));
        }
        let is_test = |file: &str| {
            tests.iter().any(|test| file.strip_prefix(test).is_some_and(|rest| rest == ".rs" || rest.starts_with('/')))
        };
        kept.iter()
            .filter(|(file, _)| !is_test(file))
            .flat_map(|(file, words)| self.violations_of(file, words))
            .collect()
    }

    fn violations_of(&self, file: &str, words: &[&str]) -> BTreeSet<String> {
        let inside = file.strip_prefix("src/").unwrap_or(file).trim_end_matches(".rs").trim_end_matches("/mod");
        let depth = inside.split('/').count();
        let room = inside.split('/').next().expect("a split gives at least one piece");
        let Some(uses) = self.0.get(room) else {
            return BTreeSet::from([format!("{file}: the map in src/lib.rs has no room {room}")]);
        };
        let mut violations = BTreeSet::new();
        for path in full(paths(words)) {
            let first = path[0].as_str();
            if let Some(target) = target(&path, depth).filter(|target| *target != room) {
                let is_known = self.0.contains_key(target);
                if first == "crate" && !is_known {
                    violations.insert(format!("{file}: crate::{target} isn't a room"));
                } else if is_known && uses.as_ref().is_some_and(|uses| !uses.contains(target)) {
                    violations.insert(format!("{file}: {room} may not use {target}"));
                }
            }
            if room != URING_ROOM && URING.contains(&first) {
                violations.insert(format!("{file}: {first} is for {URING_ROOM} only"));
            }
            let is_below =
                |name: &str| name.split("::").enumerate().all(|(i, part)| path.get(i).is_some_and(|p| p == part));
            if PURE.contains(&room) && !(file == CHANNELS.0 && is_below(CHANNELS.1)) {
                let impure = IMPURE.iter().filter(|name| is_below(name));
                violations.extend(impure.map(|name| format!("{file}: {room} is pure and doesn't name {name}")));
            }
        }
        violations
    }
}

/// The first name below the crate's root that a path leads to, from a file `depth` modules below it.
fn target(path: &[String], depth: usize) -> Option<&str> {
    let ups = path.iter().take_while(|name| *name == "super").count();
    let at = match path[0].as_str() {
        "crate" => 1,
        "super" if ups >= depth => ups,
        _ => return None,
    };
    path.get(at).map(String::as_str)
}

/// Paths, with those that begin at an imported name led back to where it is from.
fn full(paths: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let known: BTreeMap<String, Vec<String>> =
        paths.iter().filter(|path| path.len() > 1).map(|path| (path[path.len() - 1].clone(), path.clone())).collect();
    let lead = |path: Vec<String>| match known.get(&path[0]).filter(|from| path.len() > 1 && from[0] != path[0]) {
        Some(from) => from.iter().chain(&path[1..]).cloned().collect(),
        None => path,
    };
    paths.into_iter().map(lead).collect()
}

/// All paths in a file, imports and others, groups taken apart.
fn paths(words: &[&str]) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if is_name(words[at]) {
            path(words, &mut at, &[], &mut paths);
        } else {
            at += 1;
        }
    }
    paths
}

/// Reads the path at `at`, which goes on from `start`, or the group of them, and moves behind it.
fn path(words: &[&str], at: &mut usize, start: &[String], paths: &mut Vec<Vec<String>>) {
    let mut path = start.to_vec();
    loop {
        match words.get(*at) {
            Some(&"{") => {
                *at += 1;
                while words.get(*at).is_some_and(|word| *word != "}") {
                    if is_name(words[*at]) || words[*at] == "*" {
                        self::path(words, at, &path, paths)
                    } else {
                        *at += 1
                    }
                }
                *at += 1;
                return;
            }
            Some(name) if is_name(name) || *name == "*" => path.push((*name).to_owned()),
            _ => break,
        }
        *at += 1;
        if words.get(*at) != Some(&"::") {
            break;
        }
        *at += 1;
    }
    paths.push(path);
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The words outside of `#[cfg(test)]`, and the names of modules that are declared under it.
fn without_tests<'a>(words: &[&'a str]) -> (Vec<&'a str>, Vec<&'a str>) {
    const UNDER_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    const ITEMS: [&str; 14] = [
        "async",
        "const",
        "enum",
        "extern",
        "fn",
        "impl",
        "macro_rules",
        "mod",
        "static",
        "struct",
        "trait",
        "type",
        "unsafe",
        "use",
    ];
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < words.len() {
        if words[at..].starts_with(&["#", "!", "[", "cfg", "(", "test", ")", "]"]) {
            return (Vec::new(), modules);
        }
        if !words[at..].starts_with(&UNDER_TEST) {
            kept.push(words[at]);
            at += 1;
            continue;
        }
        at += UNDER_TEST.len();
        while words[at..].starts_with(&["#", "["]) {
            at = behind(words, at + 1);
        }
        if words.get(at) == Some(&"pub") {
            at += 1;
            at = if words.get(at) == Some(&"(") { behind(words, at) } else { at };
        }
        if words.get(at) == Some(&"mod") && words.get(at + 2) == Some(&";") {
            modules.push(words[at + 1]);
        }
        // An item ends with `;` or its block; a field, variant or arm with a comma, or with what it is in.
        let is_item = words.get(at).is_some_and(|word| ITEMS.contains(word));
        while let Some(&word) = words.get(at) {
            match word {
                "{" | "(" | "[" => at = behind(words, at),
                "}" | ")" | "]" => break,
                _ => at += 1,
            }
            if word == ";" || word == "{" || (word == "," && !is_item) {
                break;
            }
        }
    }
    (kept, modules)
}

/// Where it goes on behind the bracket at `at` and all that is in it.
fn behind(words: &[&str], mut at: usize) -> usize {
    let mut depth = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        match *word {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// A file's names, numbers and signs (`::` is one), without comments and what is in quotes.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let len = if first.is_whitespace() {
            first.len_utf8()
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment_len(rest)
        } else if let Some(len) = raw_len(rest) {
            len
        } else if let Some(quoted) = rest.strip_prefix(['b', 'c']).filter(|quoted| quoted.starts_with('"')) {
            1 + quoted_len(quoted, '"')
        } else if first == '"' {
            quoted_len(rest, '"')
        } else if first == '\'' {
            // A lifetime has no closing quote behind its first letter.
            let mut behind = rest[1..].chars();
            let is_char = behind.next() == Some('\\') || behind.next() == Some('\'');
            if is_char { quoted_len(rest, '\'') } else { 1 }
        } else {
            let len = match rest.find(|c| !is_word(c)).unwrap_or(rest.len()) {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                len => len,
            };
            words.push(&rest[..len]);
            len
        };
        rest = &rest[len..];
    }
    words
}

fn comment_len(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let (step, change) = match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
        if depth == 0 {
            break;
        }
    }
    at
}

/// Length of the string at the start, from its opening quote to its closing one.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of the raw string at the start, if there is one.
fn raw_len(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix("br").or(text.strip_prefix("cr")).or(text.strip_prefix('r'))?;
    let string = hashes.trim_start_matches('#');
    let inside = string.strip_prefix('"')?;
    let end = format!("\"{}", &hashes[..hashes.len() - string.len()]);
    let len = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(text.len() - inside.len() + len)
}

/// All Rust files in a folder by path from the project's, but for the two roots, which name every room.
fn collect(folder: &Path, sources: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
        let path = folder.join(entry.unwrap().file_name());
        let name = path.to_str().unwrap();
        if Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).is_dir() {
            collect(&path, sources);
        } else if name.ends_with(".rs") && name != "src/lib.rs" && name != "src/main.rs" {
            sources.insert(name.to_owned(), read(name));
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}
