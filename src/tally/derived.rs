//! Keys that are a function of another dimension's key: nothing is counted for them.

use super::Dimension;
use super::dimension::join;
use crate::wire::{host, url};

/// Puts the raw key of `dimension` into `key` that belongs to the raw key of the dimension that it is made of
/// ([`Dimension::counted`]).
pub fn derive(dimension: Dimension, raw: &[u8], key: &mut Vec<u8>) {
    key.clear();
    match dimension {
        Dimension::Network => {
            key.extend_from_slice(raw);
            // IPv4 addresses are mapped: ten zeros, two 255s.
            let is_v4 = raw.len() == 16 && raw[..10] == [0; 10] && raw[10..12] == [255; 2];
            let kept = if is_v4 { 15 } else { 6 };
            key.iter_mut().skip(kept).for_each(|byte| *byte = 0);
        }
        Dimension::Scheme => key.extend_from_slice(url::scheme(raw)),
        Dimension::SiteUrl => {
            let mut name = Vec::new();
            host::host_into(host::authority(raw), &mut name);
            join([host::site(&name), raw], key);
        }
        _ => key.extend_from_slice(raw),
    }
}
