// SPDX-License-Identifier: Apache-2.0
//! A program with another answer.

use anyhow::{Result, ensure};

/// `r0 = XDP_PASS` and `exit`, on all of the register or on its lower half.
const PASS_AND_EXIT: [[u8; 9]; 2] = [
    [0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95],
    [0xb4, 0, 0, 0, 2, 0, 0, 0, 0x95],
];
/// Where the answer is in that, and what it shall be.
const ANSWER: usize = 4;
const XDP_DROP: u8 = 1;

/// An object whose program does all the same, and drops what it would have passed.
///
/// # Errors
/// If the object does not end its programs in one place, with `XDP_PASS`.
pub(super) fn dropping(object: &[u8]) -> Result<Vec<u8>> {
    let ends = |(_, window): &(usize, &[u8])| PASS_AND_EXIT.iter().any(|end| end == window);
    let windows = object.windows(PASS_AND_EXIT[0].len()).enumerate();
    let places: Vec<usize> = windows.filter(ends).map(|(at, _)| at).collect();
    ensure!(
        places.len() == 1,
        "XDP_PASS is answered in {} places",
        places.len()
    );
    let mut object = object.to_vec();
    object[places[0] + ANSWER] = XDP_DROP;
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_changes() {
        let [[before, ..], _] =
            PASS_AND_EXIT.map(|end| [[&[7; 16][..], &end].concat(), end.to_vec()]);
        let after = dropping(&before).unwrap();
        let differing: Vec<_> = (0..before.len())
            .filter(|&at| before[at] != after[at])
            .collect();
        assert_eq!(differing, [16 + ANSWER]);
        assert_eq!(after[16 + ANSWER], XDP_DROP);
        assert!(dropping(&after).is_err());
        assert!(dropping(&[before.clone(), before].concat()).is_err());
    }
}
