//! The naive reference: every field an owned string, every table a std map. Fills the same tables as the engine's worker.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::HashMap;

use visulate::tally::counts::Increment;
use visulate::tally::{Band, Counts};
use visulate::wire::codes::{self, Class};

/// Tables by dimension, keyed by text.
#[derive(Debug, Default)]
pub struct Naive {
    pub total: Counts,
    pub tables: HashMap<String, HashMap<String, Counts>>,
}

impl Naive {
    /// Counts every entry of a squid-format segment.
    pub fn segment(&mut self, bytes: &[u8]) {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let string = |at: usize| {
            let end = bytes[at..].iter().position(|&byte| byte == 0).unwrap();
            String::from_utf8_lossy(&bytes[at..at + end]).into_owned()
        };
        let symbols: Vec<String> = string(word(44)).split(',').map(str::to_owned).collect();
        let node = format!("{}@127.0.0.1", string(word(52)));
        let (mut at, count) = (word(60), word(16));
        for _ in 0..count {
            let len = word(at + 12);
            self.entry(&symbols, &bytes[at + 16..at + len], &node);
            at += len;
        }
    }

    fn entry(&mut self, symbols: &[String], payload: &[u8], node: &str) {
        let mut fields: HashMap<String, String> = HashMap::new();
        let mut at = 0;
        for symbol in symbols {
            let rest = &payload[at..];
            let value = match symbol.as_str() {
                "chi" => {
                    let v6 = rest[0] == 10;
                    at += if v6 { 24 } else { 8 };
                    if v6 {
                        std::net::Ipv6Addr::from(<[u8; 16]>::try_from(&rest[4..20]).unwrap()).to_string()
                    } else {
                        std::net::Ipv4Addr::from(<[u8; 4]>::try_from(&rest[4..8]).unwrap()).to_string()
                    }
                }
                "cqtq" | "ttms" | "crc" | "pssc" | "psql" | "phr" => {
                    at += 8;
                    i64::from_le_bytes(rest[..8].try_into().unwrap()).to_string()
                }
                _ => {
                    let end = rest.iter().position(|&byte| byte == 0).unwrap();
                    at += (end + 8) & !7;
                    String::from_utf8_lossy(&rest[..end]).into_owned()
                }
            };
            fields.insert(symbol.clone(), value);
        }
        assert_eq!(at, payload.len());
        let number = |symbol: &str| fields[symbol].parse::<i64>().unwrap();
        let url = fields["cquc"].clone();
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let mut authority = rest.split(['/', '?', '#']).next().unwrap().to_owned();
        if authority.is_empty() || authority == "-" {
            authority = fields["shn"].clone();
        }
        let authority = authority.to_lowercase().replace("%5b", "[").replace("%5d", "]");
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap().to_owned(),
            None => authority.split(':').next().unwrap().to_owned(),
        };
        let site = String::from_utf8_lossy(visulate::wire::host::site(host.as_bytes())).into_owned();
        let class = codes::result_class(number("crc"));
        let error = class.is_miss() && (500..600).contains(&number("pssc"));
        let band = match class {
            Class::HitRevalidated | Class::HitStaleOnError => Band::Refresh,
            Class::HitDisk | Class::HitMemory | Class::HitCollapsed | Class::HitRedirect => Band::Fresh,
            Class::HitConditional if codes::route_is_none(number("phr")) => Band::Fresh,
            Class::HitConditional => Band::Refresh,
            _ if error => Band::Error,
            _ if class.is_miss() || matches!(class, Class::ErrorClientGone | Class::Other) => Band::Miss,
            _ => Band::Error,
        };
        let bytes = number("psql").max(0) as u64;
        let from_origin = class.is_miss() || matches!(class, Class::ErrorServer | Class::ErrorTimeout);
        let increment = Increment {
            band,
            bytes,
            origin_bytes: if from_origin { bytes } else { 0 },
            timed: 1,
            time_ms: number("ttms").max(0) as u64,
        };
        self.total.record(&increment);
        let keys = [
            ("client", fields["chi"].clone()),
            ("site", site.clone()),
            ("host", host),
            ("client,site", format!("{}|{site}", fields["chi"])),
            ("result", fields["crc"].clone()),
            ("status", fields["pssc"].clone()),
            ("method", fields["cqhm"].clone()),
            ("type", fields["psct"].split([';', ' ']).next().unwrap().to_lowercase()),
            ("route", fields["phr"].clone()),
            ("node", node.to_owned()),
        ];
        for (dimension, key) in keys {
            self.tables.entry(dimension.to_owned()).or_default().entry(key).or_default().record(&increment);
        }
    }
}
