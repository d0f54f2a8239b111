// SPDX-License-Identifier: Apache-2.0
//! The state of one end of a member, in words.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// What each bit means, from the lowest on (IEEE 802.1AX, 6.4.2.3).
const WORDS: [&str; 8] = [
    "active",
    "short_timeout",
    "aggregatable",
    "in_sync",
    "collecting",
    "distributing",
    "defaulted",
    "expired",
];

/// State of one end, as its LACPDUs carry it; in JSON a list of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LacpState(pub u8);

impl LacpState {
    const IN_SYNC: u8 = 1 << 3;
    const COLLECTING: u8 = 1 << 4;
    const DISTRIBUTING: u8 = 1 << 5;
    const DEFAULTED: u8 = 1 << 6;
    const EXPIRED: u8 = 1 << 7;

    /// The words of all bits that are set.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let is_set = move |bit: &usize| self.0 >> bit & 1 != 0;
        (0..WORDS.len()).filter(is_set).map(|bit| WORDS[bit])
    }

    /// Whether frames are taken in, and sent.
    pub fn passes(self) -> bool {
        let both = Self::COLLECTING | Self::DISTRIBUTING;
        self.0 & both == both
    }

    /// Whether this end has heard no LACPDU and goes by what it was configured with.
    pub fn is_defaulted(self) -> bool {
        self.0 & Self::DEFAULTED != 0
    }

    /// Whether LACPDUs have stopped coming.
    pub fn is_expired(self) -> bool {
        self.0 & Self::EXPIRED != 0
    }

    /// How far this end has come, for a person.
    pub fn progress(self) -> &'static str {
        match self.0 & (Self::IN_SYNC | Self::COLLECTING | Self::DISTRIBUTING) {
            _ if self.passes() => "collecting and distributing",
            bits if bits & Self::COLLECTING != 0 => "collecting, not distributing",
            bits if bits & Self::IN_SYNC != 0 => "in sync, not collecting",
            _ => "not in sync",
        }
    }
}

impl Serialize for LacpState {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.words())
    }
}

impl<'de> Deserialize<'de> for LacpState {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let words: Vec<String> = Vec::deserialize(from)?;
        let mut state = 0;
        for word in words {
            let bit = WORDS.iter().position(|known| *known == word);
            let unknown = || D::Error::custom(format!("{word} is no state of LACP"));
            state |= 1 << bit.ok_or_else(unknown)?;
        }
        Ok(LacpState(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_words_in_json_and_back() {
        let state = LacpState(0x3d);
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(
            json,
            r#"["active","aggregatable","in_sync","collecting","distributing"]"#
        );
        for bits in 0..=u8::MAX {
            let json = serde_json::to_string(&LacpState(bits)).unwrap();
            let back: LacpState = serde_json::from_str(&json).unwrap();
            assert_eq!(back.0, bits);
        }
        assert!(serde_json::from_str::<LacpState>(r#"["asleep"]"#).is_err());
    }

    #[test]
    fn progress_in_words() {
        for (bits, words) in [
            (0x3d, "collecting and distributing"),
            (0x1d, "collecting, not distributing"),
            (0x0d, "in sync, not collecting"),
            (0x45, "not in sync"),
        ] {
            assert_eq!(LacpState(bits).progress(), words);
        }
        assert!(LacpState(0x45).is_defaulted() && !LacpState(0x3d).is_defaulted());
    }
}
