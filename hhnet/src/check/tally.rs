// SPDX-License-Identifier: Apache-2.0
//! From what was sent and heard to what became of the pings.

use std::{net::Ipv4Addr, time::Duration};

use super::{IcmpError, Pings, Rtt, words};

/// Kinds of errors that are told apart, and hosts that send them: each of them is a line,
/// and anybody may send some more.
const MOST_ERRORS: usize = 16;

/// Pings of one series, numbered from 1 on. Times are since its beginning.
#[derive(Debug)]
pub(super) struct Tally {
    own: Vec<Ipv4Addr>,
    to: Ipv4Addr,
    pings: Vec<Ping>,
    ttl: Option<u8>,
    errors: Vec<IcmpError>,
    unsent: Option<String>,
}

#[derive(Debug)]
struct Ping {
    sent: Duration,
    /// When it was answered for the first time.
    answered: Option<Duration>,
    copies: u32,
}

impl Tally {
    /// Of pings to a host, from a server that has these addresses.
    pub(super) fn new(own: Vec<Ipv4Addr>, to: Ipv4Addr) -> Tally {
        Tally {
            own,
            to,
            pings: Vec::new(),
            ttl: None,
            errors: Vec::new(),
            unsent: None,
        }
    }

    /// The next one is sent.
    pub(super) fn sent(&mut self, at: Duration) {
        self.pings.push(Ping {
            sent: at,
            answered: None,
            copies: 0,
        });
    }

    /// It was not, for this reason.
    pub(super) fn not_sent(&mut self, reason: String) {
        self.unsent = Some(reason);
    }

    /// The ping of this number is answered, for the first time or again.
    pub(super) fn answered(&mut self, sequence: u16, ttl: u8, at: Duration) {
        let place = usize::from(sequence).checked_sub(1);
        let ping = place.and_then(|place| self.pings.get_mut(place));
        if let Some(ping) = ping {
            match ping.answered {
                None => ping.answered = Some(at),
                Some(_) => ping.copies += 1,
            }
            self.ttl = Some(ttl);
        }
    }

    /// An ICMP error has come back instead.
    pub(super) fn refused(&mut self, from: Ipv4Addr, icmp_type: u8, icmp_code: u8) {
        let is_own = self.own.contains(&from);
        let is_full = self.errors.len() >= MOST_ERRORS;
        let mut known = self.errors.iter_mut();
        let is_same = |error: &&mut IcmpError| {
            (error.from, error.icmp_type, error.icmp_code) == (from, icmp_type, icmp_code)
        };
        match known.find(is_same) {
            Some(error) => error.count += 1,
            None if is_full => {}
            None => self.errors.push(IcmpError {
                from,
                icmp_type,
                icmp_code,
                count: 1,
                meaning: words::icmp_error(icmp_type, icmp_code, from, is_own, self.to),
            }),
        }
    }

    /// Whether no first answer is outstanding.
    pub(super) fn is_complete(&self) -> bool {
        self.pings.iter().all(|ping| ping.answered.is_some())
    }

    /// What became of them.
    pub(super) fn pings(self) -> Pings {
        let numbered = (1..).zip(&self.pings);
        let lost = numbered.filter(|(_, ping)| ping.answered.is_none());
        let lost: Vec<u16> = lost.map(|(number, _)| number).collect();
        let received = self.pings.len() - lost.len();
        Pings {
            sent: self.pings.len() as u32,
            received: received as u32,
            duplicates: self.pings.iter().map(|ping| ping.copies).sum(),
            lost,
            rtt: self.rtt(),
            ttl: self.ttl,
            errors: self.errors,
            unsent: self.unsent,
            copies: None,
        }
    }

    fn rtt(&self) -> Option<Rtt> {
        let first = |ping: &Ping| Some(ping.answered?.saturating_sub(ping.sent));
        let times: Vec<Duration> = self.pings.iter().filter_map(first).collect();
        let us = |time: Duration| time.as_micros() as u64;
        Some(Rtt {
            min_us: us(*times.iter().min()?),
            avg_us: us(times.iter().sum::<Duration>() / times.len() as u32),
            max_us: us(*times.iter().max()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 10);
    const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 5, 10);
    const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// So many, half a second apart.
    fn sent(number: u64) -> Tally {
        let mut tally = Tally::new(vec![US], HOST);
        (0..number).for_each(|number| tally.sent(ms(500 * number)));
        tally
    }

    #[test]
    fn copies_are_no_answers_and_late_answers_are() {
        let mut tally = sent(4);
        for (sequence, at) in [(1, 2), (1, 3), (3, 1004), (2, 1505), (3, 1506), (3, 1507)] {
            tally.answered(sequence, 63, ms(at));
        }
        assert!(!tally.is_complete(), "4 is outstanding");
        let pings = tally.pings();
        assert_eq!((pings.sent, pings.received, pings.duplicates), (4, 3, 3));
        assert_eq!(pings.lost, [4]);
        assert_eq!(pings.ttl, Some(63));
        let rtt = Rtt {
            min_us: 2000,
            avg_us: (2000 + 1_005_000 + 4000) / 3,
            max_us: 1_005_000,
        };
        assert_eq!(pings.rtt, Some(rtt));
    }

    #[test]
    fn numbers_that_were_not_sent_are_not_counted() {
        let mut tally = sent(1);
        tally.answered(0, 64, ms(1));
        tally.answered(2, 64, ms(1));
        assert!(!tally.is_complete());
        let pings = tally.pings();
        assert_eq!((pings.received, pings.duplicates), (0, 0));
        assert_eq!((pings.rtt, pings.ttl), (None, None));
    }

    #[test]
    fn errors_are_counted_by_who_says_what() {
        let mut tally = sent(3);
        tally.refused(GATEWAY, 3, 0);
        tally.refused(GATEWAY, 3, 0);
        tally.refused(HOST, 3, 0);
        let errors = tally.pings().errors;
        let counts: Vec<_> = errors.iter().map(|e| (e.from, e.count)).collect();
        assert_eq!(counts, [(GATEWAY, 2), (HOST, 1)]);
        assert_eq!(errors[0].meaning, "network unreachable, says 10.0.1.1");
    }

    #[test]
    fn a_million_hosts_that_refuse_are_not_all_remembered() {
        let mut tally = sent(3);
        tally.refused(GATEWAY, 3, 0);
        (0..1_000_000_u32).for_each(|host| tally.refused(host.into(), 3, 1));
        tally.refused(GATEWAY, 3, 0);
        let errors = tally.pings().errors;
        assert_eq!(errors.len(), MOST_ERRORS);
        assert_eq!((errors[0].from, errors[0].count), (GATEWAY, 2));
    }
}
