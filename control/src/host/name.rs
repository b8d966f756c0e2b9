//! Kernel names of interfaces.
//!
//! The rule: the first two letters of the interface's type, then its number with every `/`, `.` and `:` written
//! as `_`: `Ethernet0` is `Et0`, `GigabitEthernet6/1` is `Gi6_1`, `Vlan15` is `Vl15`,
//! `TenGigabitEthernet1/0.15` is `Te1_0_15`. A kernel name has at most 15 characters and no slash. Where the rule
//! gives a longer name, or one that another interface of ours has already (`Gi1/0.15` beside `Gi1/0/15`), the name
//! is cut to 10 characters and `-` and four hexadecimal digits of the FNV-1a hash of the full name follow.

use std::collections::BTreeSet;

/// Longest kernel name of a device in bytes (`IFNAMSIZ` less the closing zero).
pub const MAX_DEVICE_NAME: usize = 15;

/// The kernel name of interface `full` (`GigabitEthernet6/1.15`), different from every name in `taken`.
///
/// # Examples
///
/// ```
/// use control::host::name::device_name;
/// assert_eq!(device_name("GigabitEthernet6/1", &Default::default()), "Gi6_1");
/// ```
pub fn device_name(full: &str, taken: &BTreeSet<String>) -> String {
    let plain = plain(full);
    if plain.len() <= MAX_DEVICE_NAME && !taken.contains(&plain) {
        return plain;
    }
    let stem: String = plain.chars().take(MAX_DEVICE_NAME - 5).collect();
    let mut hash = fnv1a(full.as_bytes());
    loop {
        let name = format!("{stem}-{:04x}", hash & 0xffff);
        if !taken.contains(&name) {
            return name;
        }
        // At most 65536 interfaces share a stem; `InterfaceId` has 16 bits, so a free name comes.
        hash = hash.wrapping_add(1);
    }
}

fn plain(full: &str) -> String {
    let digits = full.find(|c: char| c.is_ascii_digit()).unwrap_or(full.len());
    let (kind, number) = full.split_at(digits);
    let kind = kind.chars().filter(char::is_ascii_alphabetic).take(2);
    kind.chain(number.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })).collect()
}

fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Ethernet0", "Et0")]
    #[case("FastEthernet0/0", "Fa0_0")]
    #[case("GigabitEthernet6/1", "Gi6_1")]
    #[case("TenGigabitEthernet1/0.15", "Te1_0_15")]
    #[case("HundredGigE0/0/0/1.4094", "Hu0_0_0_1_4094")]
    #[case("Vlan15", "Vl15")]
    fn names_are_short_and_readable(#[case] full: &str, #[case] short: &str) {
        assert_eq!(device_name(full, &BTreeSet::new()), short);
    }

    #[test]
    fn a_collision_and_a_long_number_get_a_hash() {
        let mut taken = BTreeSet::new();
        for (full, name) in [
            ("GigabitEthernet1/0.15", "Gi1_0_15"),
            ("GigabitEthernet1/0/15", "Gi1_0_15-b3b4"),
            ("TenGigabitEthernet10/10/10/10.1000", "Te10_10_10-b83a"),
        ] {
            let got = device_name(full, &taken);
            assert_eq!(got, name);
            taken.insert(got);
        }
    }

    proptest! {
        #[test]
        fn every_name_is_legal_and_new(fulls in prop::collection::vec("[A-Za-z]{1,20}[0-9/.:]{0,24}", 1..40)) {
            let mut taken = BTreeSet::new();
            for full in &fulls {
                let name = device_name(full, &taken);
                prop_assert!(!name.is_empty() && name.len() <= MAX_DEVICE_NAME);
                prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
                prop_assert!(taken.insert(name));
            }
        }
    }
}
