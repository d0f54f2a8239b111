// SPDX-License-Identifier: Apache-2.0
//! The search for the largest packet that passes unfragmented.
//!
//! As RFC 1191 has it where routers tell the next size; where nothing comes back, by
//! sizes alone, which finds black holes (RFC 2923, section 2.1), too. A round tries
//! several sizes at once, as silence takes long to hear.

use std::net::Ipv4Addr;

use super::PathMtu;

/// What a small ping, which was answered, is long: nothing smaller is tried.
const SMALLEST: u32 = 84;
/// One more than the largest IPv4 packet.
const BEYOND: u32 = 1 << 16;
/// Sizes that are tried in one round.
const AT_ONCE: u32 = 16;

/// What is known so far.
#[derive(Debug)]
pub(super) struct Search {
    /// Passes.
    fits: u32,
    /// Does not.
    exceeds: u32,
    link: u32,
    told: Option<(u32, Ipv4Addr)>,
    /// Whether the largest that may pass is likely to.
    is_likely: bool,
}

/// What a round has brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The largest size that was answered.
    pub(super) answered: Option<u32>,
    /// The largest that the next link takes, and whose that is: none of this server's own.
    pub(super) told: Option<(u32, Option<Ipv4Addr>)>,
}

impl Search {
    /// Nothing is known.
    pub(super) fn new() -> Search {
        Search {
            fits: SMALLEST,
            exceeds: BEYOND,
            link: BEYOND - 1,
            told: None,
            is_likely: true,
        }
    }

    /// Sizes to try next, in bytes with the IP header, the largest first; none when all
    /// is known.
    pub(super) fn sizes(&self) -> Vec<u16> {
        let between = self.exceeds - self.fits - 1;
        let sizes = match between {
            0 => Vec::new(),
            _ if self.is_likely => vec![self.exceeds - 1],
            1..=AT_ONCE => (self.fits + 1..self.exceeds).rev().collect(),
            _ => {
                let step = |n| self.fits + (u64::from(between) * n / u64::from(AT_ONCE)) as u32;
                (1..=u64::from(AT_ONCE)).rev().map(step).collect()
            }
        };
        sizes.into_iter().map(|size| size as u16).collect()
    }

    /// Learns what a round of [`sizes`](Self::sizes) has brought.
    pub(super) fn learn(&mut self, outcome: Outcome) {
        let tried = self.sizes();
        if let Some(answered) = outcome.answered {
            self.fits = self.fits.max(answered);
        }
        // One that is no less than what has failed, or than what has passed, is wrong.
        let useful = |(mtu, _): &(u32, _)| (self.fits..self.exceeds - 1).contains(mtu);
        if let Some((mtu, from)) = outcome.told.filter(useful) {
            self.exceeds = mtu + 1;
            self.is_likely = true;
            match from {
                Some(from) => self.told = Some((mtu, from)),
                None => self.link = mtu,
            }
            return;
        }
        self.is_likely = false;
        let failed = tried.into_iter().map(u32::from).filter(|s| *s > self.fits);
        self.exceeds = failed.min().unwrap_or(self.exceeds).min(self.exceeds);
    }

    /// What was found.
    pub(super) fn found(&self) -> PathMtu {
        let told = self.told.filter(|(mtu, _)| *mtu == self.fits);
        PathMtu {
            mtu: self.fits,
            link_mtu: self.link,
            told_by: told.map(|(_, from)| from),
            black_hole: self.fits < self.link && told.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);

    /// Searches a path whose interface sends `link` and which passes `mtu`; whether its
    /// router says so. Returns what was found, and in how many rounds of silence.
    fn search(link: u32, mtu: u32, says: impl Fn(u32) -> Option<u32>) -> (PathMtu, u32) {
        let mut search = Search::new();
        let mut silent = 0;
        for _ in 0..20 {
            let sizes: Vec<u32> = search.sizes().into_iter().map(u32::from).collect();
            let Some(largest) = sizes.first() else {
                return (search.found(), silent);
            };
            assert!(sizes.is_sorted_by(|a, b| a > b), "{sizes:?}");
            let answered = sizes.iter().copied().find(|size| *size <= mtu.min(link));
            let told = if *largest > link {
                Some((link, None))
            } else if *largest > mtu {
                says(mtu).map(|mtu| (mtu, Some(ROUTER)))
            } else {
                None
            };
            silent += u32::from(answered.is_none_or(|size| size < *largest) && told.is_none());
            search.learn(Outcome { answered, told });
        }
        panic!("no end: {search:?}");
    }

    #[test]
    fn the_whole_link_is_found_at_once() {
        for link in [1500, 9036, 65535] {
            let (found, silent) = search(link, 65535, |_| None);
            assert_eq!((found.mtu, found.link_mtu), (link, link));
            assert_eq!((found.told_by, found.black_hole, silent), (None, false, 0));
        }
    }

    #[test]
    fn a_router_is_believed_and_named() {
        let (found, silent) = search(1500, 1400, Some);
        assert_eq!((found.mtu, found.link_mtu), (1400, 1500));
        assert_eq!(found.told_by, Some(ROUTER));
        assert_eq!((found.black_hole, silent), (false, 0));
    }

    #[test]
    fn a_black_hole_is_found_in_few_rounds_whatever_its_size() {
        for mtu in [84, 85, 576, 1280, 1404, 1499, 1500, 9000, 9035] {
            let (found, silent) = search(9036, mtu, |_| None);
            assert_eq!((found.mtu, found.link_mtu), (mtu, 9036));
            assert!(found.black_hole && found.told_by.is_none(), "{found:?}");
            assert!(silent <= 5, "{silent} rounds for {mtu}");
        }
    }

    #[test]
    fn a_router_that_lies_or_has_no_size_to_tell_changes_nothing() {
        for said in [0, 20, 1400, 8000] {
            let (found, _) = search(1500, 1300, |_| Some(said));
            assert_eq!(found.mtu, 1300, "{said} was said");
            assert!(found.black_hole, "{said} was said");
        }
    }
}
