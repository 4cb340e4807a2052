//! Captures of real Traffic Servers, and their expected totals (tests/captures/README.md).
#![allow(dead_code, clippy::unwrap_used, clippy::type_complexity)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub mod answers;
pub mod browser;
pub mod calamaris;
pub mod made;
pub mod printed;
pub mod program;
pub mod recount;
pub mod same;
pub mod vectors;

/// All dimensions of the API (design/api.md 3).
pub const DIMENSIONS: [&str; 20] = [
    "client",
    "site",
    "host",
    "url",
    "user",
    "server",
    "format",
    "extension",
    "client,site",
    "site,status",
    "node,status",
    "site,url",
    "network",
    "scheme",
    "result",
    "status",
    "method",
    "type",
    "route",
    "node",
];

/// Requests and bytes by key.
pub type Totals = BTreeMap<String, (u64, u64)>;

/// One recorded collation connection.
pub struct Capture {
    pub name: String,
    /// The connection, byte for byte.
    pub stream: Vec<u8>,
    pub secret: String,
    /// Whole segments, and entries in them.
    pub segments: u64,
    pub entries: u64,
    /// Bytes of an unfinished message at the end.
    pub partial: usize,
    pub is_aggregate: bool,
    /// Lines that the capture's tools could not read: status 400, ERR_INVALID_REQ, on top of the totals.
    pub unmatched: u64,
    pub bytes: u64,
    pub source_host: String,
    /// Expected totals by dimension of the API; dimensions that the format lacks are absent.
    pub totals: BTreeMap<&'static str, Totals>,
}

impl Capture {
    /// A stream that was made, with the usual secret; nothing is expected of it.
    pub fn made(name: &str, stream: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            stream,
            secret: "foobar".to_owned(),
            segments: 0,
            entries: 0,
            partial: 0,
            is_aggregate: false,
            unmatched: 0,
            bytes: 0,
            source_host: String::new(),
            totals: BTreeMap::new(),
        }
    }

    /// The messages behind the secret, whole ones only.
    pub fn messages(&self) -> &[u8] {
        let secret = u32::from_le_bytes(self.stream[..4].try_into().unwrap()) as usize;
        &self.stream[4 + secret..self.stream.len() - self.partial]
    }

    /// The segments, as they would lie in a binary log.
    pub fn split(&self) -> Vec<&[u8]> {
        let mut rest = self.messages();
        let mut segments = Vec::new();
        while let Some((head, behind)) = rest.split_first_chunk::<4>() {
            let (segment, next) = behind.split_at(u32::from_le_bytes(*head) as usize);
            segments.push(segment);
            rest = next;
        }
        segments
    }

    /// Those segments as one file.
    pub fn log(&self) -> Vec<u8> {
        self.split().concat()
    }
}

/// All collation captures: those of the repository, and further ones of the folder that VISULATE_CAPTURES names.
pub fn collation() -> Vec<Capture> {
    let found = found(".bin.zst");
    assert!(found.len() >= 19, "captures are missing: {}", found.len());
    found.into_iter().map(|(name, path)| load(&name, &path)).collect()
}

/// All log files, as streams that hold the same segments.
pub fn files() -> Vec<Capture> {
    let mut found = found(".blog.zst");
    // The heads of large ones have a text, but no totals.
    found.retain(|name, path| path.with_file_name(format!("{name}.expected.json")).exists());
    assert!(found.len() >= 6, "captures are missing: {}", found.len());
    found.into_iter().map(|(name, path)| load(&name, &path)).collect()
}

/// Files of that ending by what stands before it: those of the repository, and of the folder that VISULATE_CAPTURES names.
pub fn found(ending: &str) -> BTreeMap<String, PathBuf> {
    let further = std::env::var_os("VISULATE_CAPTURES").map(PathBuf::from);
    if further.is_none() {
        eprintln!("VISULATE_CAPTURES is not set: only the repository's own captures are checked");
    }
    let mut found = BTreeMap::new();
    for folder in further.into_iter().chain([own()]) {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if let Some(name) = path.file_name().unwrap().to_str().unwrap().strip_suffix(ending) {
                found.insert(name.to_owned(), path.clone());
            }
        }
    }
    found
}

/// The captures of the repository.
pub fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

/// What is in a packed file.
pub fn unpacked(path: &Path) -> Vec<u8> {
    zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()
}

/// The whole segments of a stream or file, by the plainest reading.
pub fn segments(bytes: &[u8]) -> Vec<Vec<u8>> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().unwrap()) as usize);
    let is_stream = !bytes.starts_with(b"\xce\xfa\xce\x0a");
    let mut at = if is_stream { 4 + word(0).unwrap() } else { 0 };
    let mut found = Vec::new();
    loop {
        at += if is_stream { 4 } else { 0 };
        let Some(segment) = word(at + 12).and_then(|len| bytes.get(at..at + len)) else { return found };
        found.push(segment.to_vec());
        at += segment.len();
    }
}

/// One capture of the repository.
pub fn capture(name: &str) -> Capture {
    load(name, &own().join(format!("{name}.bin.zst")))
}

fn load(name: &str, path: &Path) -> Capture {
    let mut stream = unpacked(path);
    if path.to_str().unwrap().ends_with(".blog.zst") {
        stream = with_lengths(&stream);
    }
    let expected = path.with_file_name(format!("{name}.expected.json"));
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(expected).unwrap()).unwrap();
    let (about, totals) = (&json["stream"], &json["totals"]);
    Capture {
        name: name.to_owned(),
        secret: about["secret"].as_str().unwrap_or("foobar").to_owned(),
        segments: about["segments"].as_u64().unwrap(),
        entries: about["entries"].as_u64().unwrap(),
        partial: about["trailing_partial_bytes"].as_u64().unwrap_or(0) as usize,
        is_aggregate: about["fields"].as_str().unwrap().contains("COUNT("),
        unmatched: totals["unmatched"].as_u64().unwrap_or(0),
        bytes: totals["bytes_total"].as_u64().unwrap_or(0),
        source_host: about["src_host"].as_str().unwrap().to_owned(),
        totals: self::totals(totals),
        stream,
    }
}

/// Expected totals by dimension of the API.
pub fn totals(totals: &serde_json::Value) -> BTreeMap<&'static str, Totals> {
    let mut by_dimension = BTreeMap::new();
    let folds: [(&str, &str, fn(&str) -> String); 5] = [
        ("client", "by_client", |key| if key == "0" { "(none)".into() } else { key.into() }),
        ("host", "by_host", fold_host),
        ("status", "by_status", |key| key.trim_start_matches('0').to_owned()),
        ("method", "by_method", |key| if key == "-" { "(none)".into() } else { key.into() }),
        ("result", "by_cache_result", str::to_owned),
    ];
    for (dimension, field, fold) in folds {
        if let Some(rows) = totals[field].as_object().filter(|rows| !rows.is_empty()) {
            let mut folded = Totals::new();
            for (key, sums) in rows {
                let key = fold(key);
                let key = if dimension == "status" && key.is_empty() { "0".to_owned() } else { key };
                let sum = folded.entry(key).or_default();
                sum.0 += sums[0].as_u64().unwrap();
                sum.1 += sums[1].as_u64().unwrap();
            }
            by_dimension.insert(dimension, folded);
        }
    }
    by_dimension
}

/// The segments of a log file as the messages of a connection.
fn with_lengths(file: &[u8]) -> Vec<u8> {
    let mut stream = b"\x06\0\0\0foobar".to_vec();
    for segment in segments(file) {
        stream.extend_from_slice(&(segment.len() as u32).to_le_bytes());
        stream.extend_from_slice(&segment);
    }
    stream
}

/// The rule for hosts (lower case, without port and brackets), written anew: the oracle of the engine's own.
pub fn fold_host(authority: &str) -> String {
    let text = authority.to_lowercase().replace("%5b", "[").replace("%5d", "]");
    let host = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap(),
        None => text.split(':').next().unwrap(),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || host == "-" { "(none)".into() } else { host.into() }
}
