//! Client addresses shortened before anything is counted or kept, so that no figure tells one household from its neighbours.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// Bits before those of an IPv4 address in its mapped form.
const MAPPED: u32 = 96;

/// Which bits of client addresses are kept; all others become 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask {
    v4: u128,
    v6: u128,
}

impl Mask {
    /// Keeps the first `v4` bits of IPv4 addresses and the first `v6` bits of the others; `None` above 32 and 128.
    pub fn new(v4: u32, v6: u32) -> Option<Self> {
        let first = |bits: u32| u128::MAX.checked_shl(u128::BITS - bits).unwrap_or(0);
        (v4 <= u32::BITS && v6 <= u128::BITS).then(|| Self { v4: first(MAPPED + v4), v6: first(v6) })
    }

    /// What is kept of an address, IPv4 as mapped.
    #[inline]
    pub fn of(&self, address: [u8; 16]) -> [u8; 16] {
        let bits = u128::from_be_bytes(address);
        let is_v4 = bits >> (u128::BITS - MAPPED) == 0xffff;
        (bits & if is_v4 { self.v4 } else { self.v6 }).to_be_bytes()
    }
}

impl FromStr for Mask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bits = |digits: &str| -> Option<u32> {
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| digits.parse().ok()).flatten()
        };
        let mask = text.split_once('/').and_then(|(v4, v6)| Self::new(bits(v4)?, bits(v6)?));
        mask.ok_or_else(|| {
            format!("{text:?} is not V4/V6, prefix lengths from 0 to 32 and from 0 to 128 such as 24/64")
        })
    }
}

impl<'de> Deserialize<'de> for Mask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv6Addr};

    fn masked(mask: &str, address: &str) -> String {
        let octets = match address.parse().unwrap() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Ipv6Addr::from(mask.parse::<Mask>().unwrap().of(octets)).to_canonical().to_string()
    }

    #[test]
    fn each_family_has_its_prefix() {
        for (mask, address, expected) in [
            ("24/64", "192.0.2.10", "192.0.2.0"),
            ("24/64", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("32/128", "192.0.2.10", "192.0.2.10"),
            ("32/128", "2001:db8::1", "2001:db8::1"),
            ("0/0", "192.0.2.10", "0.0.0.0"),
            ("0/0", "2001:db8::1", "::"),
            ("31/1", "192.0.2.11", "192.0.2.10"),
            ("31/1", "ffff::", "8000::"),
            ("0/128", "::fffe:192.0.2.10", "::fffe:c000:20a"),
        ] {
            assert_eq!(masked(mask, address), expected, "{mask} {address}");
        }
    }

    #[test]
    fn what_is_no_mask_is_refused_with_what_one_is() {
        for text in
            ["", "24", "24/", "/64", "33/64", "24/129", "-1/64", "+24/64", "24/64/1", " 24/64", "a/b", "24/99999999999"]
        {
            let error = text.parse::<Mask>().unwrap_err();
            assert!(error.contains("such as 24/64"), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn neighbours_become_one_and_a_family_stays_itself(address: [u8; 16], v4 in 0..33_u32, v6 in 0..129_u32, mapped: bool) {
            let mut address = address;
            if mapped {
                address[..12].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
            }
            let mask = Mask::new(v4, v6).unwrap();
            let once = mask.of(address);
            prop_assert_eq!(mask.of(once), once);
            let is_v4 = |address: [u8; 16]| Ipv6Addr::from(address).to_ipv4_mapped().is_some();
            prop_assert_eq!(is_v4(once), is_v4(address));
            let kept = if is_v4(address) { MAPPED + v4 } else { v6 };
            let (before, after) = (u128::from_be_bytes(address), u128::from_be_bytes(once));
            prop_assert_eq!((before ^ after).checked_shr(u128::BITS - kept).unwrap_or(0), 0);
            prop_assert_eq!(after.checked_shl(kept).unwrap_or(0), 0);
        }
    }
}
