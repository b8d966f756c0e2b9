//! The usual registration request, read in the fewest steps.

use super::{
    shape::{DYNAMIC_HA, NAI, is_short},
    walk::{RRQ, RRQ_FIXED},
};

/// What the balancer needs of a request that asks for a lifetime and names its node once, by NAI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain<'a> {
    /// As received.
    pub nai: &'a [u8],
    /// The Home Agent field.
    pub home_agent: u32,
}

/// Reads such a request if all its extensions have the short shape; `None`, which judges nothing, leaves it to
/// [`super::walk`], which reads the same in it.
#[inline(always)]
pub fn plain(payload: &[u8]) -> Option<Plain<'_>> {
    let (fixed, mut rest) = payload.split_first_chunk::<RRQ_FIXED>()?;
    if fixed[0] != RRQ || fixed[2..4] == [0, 0] {
        return None;
    }
    let mut nai: &[u8] = &[];
    while let Some((&[kind, length], body)) = rest.split_first_chunk() {
        let (data, after) = body.split_at_checked(length.into())?;
        if kind == NAI {
            if data.is_empty() || !nai.is_empty() {
                return None;
            }
            nai = data;
        } else if !PASSED_OVER[usize::from(kind)] {
            return None;
        }
        rest = after;
    }
    let home_agent = u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]);
    (rest.is_empty() && !nai.is_empty()).then_some(Plain { nai, home_agent })
}

/// Types of the short shape, but for those with a meaning here; looked up, because that is one step.
const PASSED_OVER: [bool; 256] = {
    let mut table = [false; 256];
    let mut kind = 0;
    while kind < table.len() {
        table[kind] = is_short(kind as u8) && kind as u8 != DYNAMIC_HA && kind as u8 != NAI;
        kind += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::mobile_ip::walk;

    /// Requests that are often well formed: a head, then extensions of all shapes, some cut.
    fn payloads() -> impl Strategy<Value = Vec<u8>> {
        let kind = prop_oneof![4 => Just(NAI), 2 => Just(32_u8), 1 => any::<u8>()];
        let extension =
            (kind, proptest::collection::vec(any::<u8>(), 0..40), 0..20_u8).prop_map(|(kind, data, lie)| {
                let length = if lie == 0 { 200 } else { data.len() as u8 };
                [&[kind, length][..], &data].concat()
            });
        let head = (prop_oneof![9 => Just(1_u8), 1 => any::<u8>()], any::<[u8; 23]>(), 0..8_u8);
        (head, proptest::collection::vec(extension, 0..5)).prop_map(
            |((first, mut rest, zero), extensions)| {
                if zero == 0 {
                    rest[1..3].fill(0);
                }
                [&[first][..], &rest, &extensions.concat()].concat()
            },
        )
    }

    proptest! {
        #[test]
        fn what_it_reads_the_walk_reads_too(payload in payloads()) {
            if let Some(found) = plain(&payload) {
                let rrq = walk(&payload).expect("the walk takes it too");
                prop_assert_eq!(rrq.nai, Some(found.nai));
                prop_assert_eq!(u32::from(rrq.home_agent), found.home_agent);
                prop_assert!(rrq.lifetime != 0 && rrq.unknown_nonskippable == 0);
            }
        }

        #[test]
        fn it_ends_on_any_bytes(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = plain(&payload);
        }
    }

    #[test]
    fn it_takes_a_nai_with_authentication_and_leaves_the_rest() {
        let head = [1, 2, 0, 60, 0, 0, 0, 0, 10, 1, 1, 10, 15, 1, 1, 51, 1, 2, 3, 4, 5, 6, 7, 8];
        let request = |rest: &[u8]| [&head[..], rest].concat();
        let usual = request(&[131, 3, b'a', b'@', b'b', 32, 6, 0, 0, 1, 0, 9, 9]);
        let found = plain(&usual).expect("usual");
        assert_eq!((found.nai, found.home_agent), (&b"a@b"[..], 0x0a01_010a));
        let unusual: [&[u8]; 8] = [
            &[],
            &[32, 0],
            &[131, 0],
            &[131, 1, b'a', 131, 1, b'a'],
            &[131, 1, b'a', 0],
            &[131, 1, b'a', 139, 4, 0, 4],
            &[131, 1, b'a', 38, 0, 0, 0],
            &[131, 9, b'a'],
        ];
        for rest in unusual {
            assert_eq!(plain(&request(rest)), None, "{rest:?}");
        }
    }
}
